"""Regions in bp that can be counted, and the folds of the paper."""

import pytest

from chromolib.config import InputError
from chromolib.genome import Region, load_genome, profile_genome
from chromolib.profile import Profile

# specs: chromoformer, "Targets"
PAPER_FOLDS = {
    1: "chr1 chr5 chr6 chr8 chr14 chrY",
    2: "chr7 chr10 chr11 chr12 chr15 chr21",
    3: "chr2 chr3 chr4 chr16 chr18 chr20",
    4: "chr9 chr13 chr17 chr19 chr22 chrX",
}


def profile(folds):
    return Profile.model_validate({
        "name": "mine", "title": "", "genome": "hg19", "cell_types": {"C1": ""}, "inputs": {"kind": "raw"},
        "folds": folds,
    })  # fmt: skip


def test_region_reads_what_it_writes():
    region = Region.parse(" chr2:100-250\n")
    assert region == Region("chr2", 100, 250) and str(region) == "chr2:100-250"
    assert region.width == 150  # end excluded


@pytest.mark.parametrize(
    "text", ["chr1", "chr1:5", "chr1:9-9", "chr1:9-3", "chr1:-3-9", "chr 1:3-9", "chr1:1,000-2,000", ""]
)
def test_text_that_is_no_region_is_refused(text):
    with pytest.raises(InputError, match="expected chrom:start-end with start < end"):
        Region.parse(text)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Region("chr1", 0, 10), False),   # ends where the other starts: no bp in common
        (Region("chr1", 0, 11), True),
        (Region("chr1", 19, 30), True),
        (Region("chr1", 20, 30), False),
        (Region("chr1", 12, 13), True),
        (Region("chr2", 10, 20), False),
    ],
)  # fmt: skip
def test_regions_overlap_where_they_share_a_bp(other, expected):
    region = Region("chr1", 10, 20)
    assert region.overlaps(other) is expected and other.overlaps(region) is expected


def test_hg19_has_the_paper_s_folds_and_ucsc_s_sizes():
    genome = load_genome("hg19")
    assert genome.folds == {chrom: fold for fold, chroms in PAPER_FOLDS.items() for chrom in chroms.split()}
    assert genome.fold_ids == [1, 2, 3, 4]
    assert (genome.sizes["chr1"], genome.sizes["chr21"], genome.sizes["chrX"]) == (249_250_621, 48_129_895, 155_270_560)
    assert sum(genome.sizes.values()) == 3_095_677_412  # 24 chromosomes of hg19, as UCSC counts them


def test_profile_s_own_folds_replace_the_build_s():
    genome = profile_genome(profile({1: ["chr1"], 2: ["chr6", "chrY"]}))
    assert genome.folds == {"chr1": 1, "chr6": 2, "chrY": 2}
    assert genome.sizes == load_genome("hg19").sizes
    assert profile_genome(profile(None)).folds == load_genome("hg19").folds


def test_folds_with_a_strange_or_a_shared_chromosome_are_refused():
    with pytest.raises(InputError, match=r"profile mine: folds: chr99 is none; expected chromosomes of hg19"):
        profile_genome(profile({1: ["chr1"], 2: ["chr99"]}))
    with pytest.raises(InputError, match="folds: chr2 stands in two; expected"):
        profile_genome(profile({1: ["chr1", "chr2"], 2: ["chr2"]}))


def test_unknown_build_lists_the_known_ones():
    with pytest.raises(InputError, match="unknown genome build 'hg99', expected one of hg19"):
        load_genome("hg99")
