"""Read depth, checked by hand and against bedtools."""

import subprocess

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromolib import depth, readers, simulate
from chromolib.config import InputError
from chromolib.genome import Genome, Region, load_genome
from chromolib.profile import load_profile

GENOME = Genome("toy", {"chr1": 1000, "chr2": 500}, {"chr1": 1, "chr2": 2})


def make_bigwig(path, rows):
    reads = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    depth.write_bigwig(path, reads, GENOME)
    return path


def test_last_bin_averages_only_the_positions_it_has():
    np.testing.assert_array_equal(depth.mean_per_bin(np.array([1, 3, 5], np.float16), 2), np.float32([2, 5]))


def test_a_depth_above_float16s_exact_range_is_summed_exactly():
    counts = np.full(100, 2049, np.float16)  # rounds to 2048; 100 of them overflow float16
    assert depth.mean_per_bin(counts, 100).tolist() == [2048.0]


def test_a_region_without_positions_is_refused():
    with pytest.raises(ValueError, match="0 positions"):
        depth.mean_per_bin(np.empty((7, 0)), 100)


def test_piled_up_reads_by_hand():
    # 0 to 4 and 2 to 6 overlap; 6 to 8 touches the second, so depth 1 goes on; 10 to 12 comes twice.
    starts, ends = np.array([10, 2, 0, 6, 10]), np.array([12, 6, 4, 8, 12])
    start, end, value = depth.pile_up(starts, ends)
    assert list(zip(start.tolist(), end.tolist(), value.tolist(), strict=True)) == [
        (0, 2, 1),
        (2, 4, 2),
        (4, 8, 1),
        (10, 12, 2),
    ]


def test_depth_is_clipped_where_asked():
    starts, ends = np.array([0, 1, 2, 3]), np.array([10, 9, 8, 7])
    start, end, value = depth.pile_up(starts, ends, clip=2)
    assert (start.tolist(), end.tolist(), value.tolist()) == ([0, 1, 9], [1, 9, 10], [1, 2, 1])


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=40), st.one_of(st.none(), st.integers(1, 4)))
@settings(max_examples=60, deadline=None)
def test_intervals_are_the_counts_of_every_base(reads, clip):
    """Also that they are in order, apart or of another depth, and never 0."""
    starts = np.array([start for start, _ in reads], np.int32)
    start, end, value = depth.pile_up(starts, starts + np.array([width for _, width in reads], np.int32), clip=clip)
    counts, ours = np.zeros(90, int), np.zeros(90, int)
    for first, width in reads:
        counts[first : first + width] += 1
    for first, last, n in zip(start, end, value, strict=True):
        ours[first:last] += n
    np.testing.assert_array_equal(ours, np.minimum(counts, clip or 99))
    assert (start < end).all() and (value > 0).all()
    assert all(end[i] < start[i + 1] or value[i] != value[i + 1] for i in range(len(start) - 1))


# bedtools


def of_bedtools(path, genome, folder):
    """Depth of each base of each chromosome by `bedtools genomecov -bga`, from sorted reads as BED."""
    (folder / "sizes").write_text("".join(f"{chrom}\t{size}\n" for chrom, size in genome.sizes.items()))
    command = f"LC_ALL=C sort -k1,1 {path} | bedtools genomecov -bga -i - -g {folder}/sizes"
    text = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
    depths = {chrom: np.full(size, -1) for chrom, size in genome.sizes.items()}
    for chrom, start, end, value in (line.split("\t") for line in text.splitlines()):
        depths[chrom][int(start) : int(end)] = int(value)
    return depths


def of_bigwig(path, genome):
    with pyBigWig.open(str(path)) as bigwig:
        return {chrom: np.nan_to_num(bigwig.values(chrom, 0, size, numpy=True)) for chrom, size in genome.sizes.items()}


def assert_same_depth(rows, tmp_path, genome=None):
    """Ours from the rows as they are; bedtools gets them without contigs that its genome lacks, which it does not take."""
    genome = genome or GENOME
    table = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    table.to_csv(tmp_path / "reads.bed", sep="\t", header=False, index=False)
    table[table["chrom"].isin(genome.sizes)].to_csv(tmp_path / "known.bed", sep="\t", header=False, index=False)
    depth.ensure(tmp_path / "reads.bed", tmp_path / "x.bw", genome)
    peer, ours = of_bedtools(tmp_path / "known.bed", genome, tmp_path), of_bigwig(tmp_path / "x.bw", genome)
    for chrom in genome.sizes:
        np.testing.assert_array_equal(ours[chrom], peer[chrom], err_msg=chrom)
    regions = [Region(chrom, 0, size) for chrom, size in genome.sizes.items()]
    bins = np.concatenate([depth.mean_per_bin(peer[chrom], 70) for chrom in genome.sizes])
    np.testing.assert_array_equal(depth.bin_mean(tmp_path / "x.bw", regions, 70), bins)


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "rows",
    [
        [("chr2", 40, 76), ("chr1", 500, 536), ("chr1", 10, 46), ("chr2", 5, 41), ("chr1", 30, 66)],
        [("chr1", 980, 1016), ("chr1", 999, 1035), ("chr2", 0, 500)],
        [("chrUn", 0, 36), ("chr1", 0, 36), ("chrM", 5, 41)],
        [("chr2", 100, 136)],
        [("chr1", 77, 78)] * 40_000,
        [("chr1", i, i + 36) for i in range(0, 972, 36)],
        [(str(RANDOM.choice(["chr1", "chr2"])), start, start + RANDOM.integers(1, 90)) for start in RANDOM.integers(0, 499, 3000)],
    ],
    ids=["unsorted", "over an end", "contigs to drop", "one read, one chromosome empty", "40,000 on one base", "adjacent", "random"],
)
def test_depth_of_every_base_and_its_bins_are_those_of_bedtools(tmp_path, rows):
    assert_same_depth(rows, tmp_path)


def test_depth_of_simulated_reads_is_that_of_bedtools(tmp_path):
    profile = load_profile("smoke")
    simulate.ensure_raw(profile)
    path = profile.raw_dir / profile.inputs.reads.format(cell_type="S01", mark="H3K27ac")
    reads = readers.read_reads(path, load_genome(profile.genome)).astype({"chrom": str})
    assert len(reads) > 10_000
    assert_same_depth(reads, tmp_path, load_genome(profile.genome))


# bigWig, bins


def test_bins_of_a_bigwig_by_hand(tmp_path):
    path = make_bigwig(tmp_path / "x.bw", [("chr2", 0, 10), ("chr1", 5, 25), ("chr1", 10, 20)])
    # chr1 holds depth 1 over 5-10, 2 over 10-20, 1 over 20-25.
    bins = depth.bin_mean(path, [Region("chr1", 0, 25), Region("chr2", 0, 20)], 10)
    np.testing.assert_allclose(bins, [0.5, 2.0, 1.0, 1.0, 0.0])


def test_positions_off_the_chromosome_hold_no_reads(tmp_path):
    path = make_bigwig(tmp_path / "x.bw", [("chr2", 0, 10), ("chr2", 490, 500)])
    bins = depth.bin_mean(path, [Region("chr2", -20, 20), Region("chr2", 480, 530), Region("chr2", 600, 610)], 10)
    np.testing.assert_allclose(bins, [0, 0, 1, 0, 0, 1, 0, 0, 0, 0])


def test_no_regions_give_no_rows(tmp_path):
    assert depth.bin_mean(make_bigwig(tmp_path / "x.bw", [("chr1", 0, 1)]), [], 10).shape == (0,)


def test_depth_is_computed_again_only_when_its_reads_change(tmp_path):
    reads, path = tmp_path / "reads.bed", tmp_path / "depth" / "x.bw"
    reads.write_text("chr1\t0\t10\nchrUn\t0\t10\n")
    counts = depth.ensure(reads, path, GENOME)
    assert counts == {"kept": 1, "dropped": {"contig not in toy": 1}, "clipped": 0}
    made = path.stat().st_ino
    assert depth.ensure(reads, path, GENOME) == counts and path.stat().st_ino == made
    reads.write_text("chr1\t0\t10\nchr1\t0\t10\n")
    assert depth.ensure(reads, path, GENOME)["kept"] == 2
    assert depth.bin_mean(path, [Region("chr1", 0, 10)], 10).tolist() == [2.0]
    assert sorted(file.name for file in path.parent.iterdir()) == ["x.bw", "x.json"]


def test_options_and_files_are_part_of_what_depth_is_made_from(tmp_path):
    a, b, path = tmp_path / "a.bed", tmp_path / "b.bed", tmp_path / "x.bw"
    a.write_text("chr1\t0\t50\nchr1\t0\t50\n")
    b.write_text("chr1\t10\t60\n")

    def bins(*files, **options):
        depth.ensure(list(files), path, GENOME, **options)
        return depth.bin_mean(path, [Region("chr1", 0, 60)], 10).tolist()

    assert bins(a) == [2, 2, 2, 2, 2, 0]
    assert bins(a, b) == [2, 3, 3, 3, 3, 1]
    assert bins(a, b, clip=2) == [2, 2, 2, 2, 2, 1]
    assert bins(a, b, truncate_bp=20) == [2, 3, 1, 0, 0, 0]
    assert sum(bins(a, b, max_reads=2)) == 10
    made = path.stat().st_ino
    assert sum(bins(a, b, max_reads=2)) == 10 and path.stat().st_ino == made


def test_depth_that_was_damaged_is_made_anew(tmp_path):
    reads, path = tmp_path / "reads.bed", tmp_path / "x.bw"
    reads.write_text("chr1\t0\t10\n")
    depth.ensure(reads, path, GENOME)
    path.write_bytes(path.read_bytes()[:-40])
    depth.ensure(reads, path, GENOME)
    assert depth.bin_mean(path, [Region("chr1", 0, 10)], 10).tolist() == [1.0]


def test_another_genome_or_a_note_cut_short_makes_depth_anew(tmp_path):
    reads, path = tmp_path / "reads.bed", tmp_path / "x.bw"
    reads.write_text("chr1\t0\t10\n")
    depth.ensure(reads, path, GENOME)
    depth.ensure(reads, path, Genome("longer", {"chr1": 2000}, {"chr1": 1}))
    assert depth.bin_mean(path, [Region("chr1", 1500, 1600)], 100).tolist() == [0.0]
    path.write_bytes(b"")
    path.with_suffix(".json").write_text('{"made_from": {"si')
    depth.ensure(reads, path, GENOME)
    assert depth.bin_mean(path, [Region("chr1", 0, 10)], 10).tolist() == [1.0]


def test_an_unknown_chromosome_and_a_damaged_file_are_named(tmp_path):
    path = make_bigwig(tmp_path / "x.bw", [("chr1", 0, 1)])
    with pytest.raises(InputError, match=r"x\.bw: no chromosome chr9, found chr1, chr2"):
        depth.bin_mean(path, [Region("chr9", 0, 10)], 10)
    path.write_bytes(b"not a bigWig")
    with pytest.raises(InputError, match=r"x\.bw: not readable as bigWig"):
        depth.bin_mean(path, [Region("chr1", 0, 10)], 10)


def test_a_region_without_width_is_refused(tmp_path):
    with pytest.raises(ValueError, match="0 positions"):
        depth.bin_mean(make_bigwig(tmp_path / "x.bw", [("chr1", 0, 1)]), [Region("chr1", 10, 10)], 10)


def test_bins_of_several_files_are_columns(tmp_path):
    paths = [make_bigwig(tmp_path / f"{i}.bw", [("chr1", 0, 5)] * (i + 1)) for i in range(3)]
    assert depth.bin_means(paths, [Region("chr1", 0, 15)], 10, n_workers=2).tolist() == [[0.5, 1.0, 1.5], [0, 0, 0]]


def test_bins_of_segments_are_means_with_a_sign_and_0_where_there_is_none():
    rows = [("chr1", 30, 40, 5.0), ("chr1", 0, 15, -2.0), ("chr2", 0, 10, 1.0)]
    segments = pd.DataFrame(rows, columns=["chrom", "start", "end", "value"])
    regions = [Region("chr1", -5, 25), Region("chr1", 25, 38), Region("chr3", 0, 10)]
    found = depth.bins_of_segments(segments, regions, 10)
    # 5 bp and 10 bp at -2; 5 bp and then 3 bp, all of the last bin, at 5
    assert found.tolist() == [-1.0, -2.0, 0.0, 2.5, 5.0, 0.0]


def test_bigwig_has_zoom_levels_and_its_chromosomes_in_the_order_of_their_names(tmp_path):
    genome = Genome("toy", {f"chr{i}": 100_000 for i in range(1, 13)}, {})
    starts = np.random.default_rng(0).integers(0, 90_000, 5000)
    reads = pd.DataFrame({"chrom": "chr10", "start": starts, "end": starts + 36})
    depth.write_bigwig(tmp_path / "x.bw", reads, genome)
    with pyBigWig.open(str(tmp_path / "x.bw")) as bigwig:
        assert bigwig.header()["nLevels"] >= 1 and list(bigwig.chroms()) == sorted(genome.sizes)


def test_reads_to_depth_to_bins(tmp_path):
    reads = tmp_path / "reads.bed"
    reads.write_text("chr1\t990\t1026\tN\t1000\t+\nchrUn\t0\t36\tN\t1000\t+\n")  # the first is cut at 1000
    table = readers.read_reads(reads, GENOME)
    depth.write_bigwig(tmp_path / "x.bw", table, GENOME)
    assert depth.bin_mean(tmp_path / "x.bw", [Region("chr1", 980, 1000)], 10).tolist() == [0.0, 1.0]
