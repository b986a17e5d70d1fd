"""Files for genome browsers, read back by what browsers and their tools read them with."""

import numpy as np
import pandas as pd
import pybedtools
import pyBigWig
import pytest

from chromolib import InputError, browser
from chromolib.genome import Genome

GENOME = Genome("toy", {"chr10": 5000, "chr2": 3000}, {"chr10": 1, "chr2": 2})
GENES = pd.DataFrame({"gene_id": ["G1", "G2", "G3"], "symbol": ["A 1", "B", "C"], "chrom": ["chr2", "chr10", "chr2"], "tss": [200, 4000, 1500], "strand": ["+", "-", "+"]})
PAIRS = pd.DataFrame({"gene_id": ["G1", "G2", "G2"], "region": ["chr2:2000-2600", "chr10:100-300", "chr10:4500-5000"], "value": [1.0, -4.0, 2.0]})


def lines_of(path):
    return [line.split("\t") for line in path.read_text().splitlines()]


def test_scores_are_0_to_1000_by_size():
    assert browser.scores(np.array([0.5, -2.0, 0.0, np.nan])).tolist() == [250, 1000, 0, 0]
    assert browser.scores(np.zeros(2)).tolist() == [0, 0] and browser.scores(np.array([])).tolist() == []


def test_bed_is_sorted_inside_of_chromosomes_and_coloured_by_sign(tmp_path):
    table = browser.gene_bed(GENES, pd.Series({"G1": 2.0, "G2": -4.0, "G9": 1.0}))
    browser.write_bed(tmp_path / "a.bed", table, GENOME, name='said "so"', description="d")
    header, *rows = (tmp_path / "a.bed").read_text().splitlines()
    assert header == 'track name="said \'so\'" description="d" itemRgb="On" useScore=0'
    assert rows[0].split("\t") == ["chr10", "3000", "5000", "B", "1000", "-", "3000", "5000", browser.LOWERS]
    assert rows[1].split("\t") == ["chr2", "0", "1200", "A_1", "500", "+", "0", "1200", browser.RAISES]   # cut at the start, no blank
    read = pybedtools.BedTool(str(tmp_path / "a.bed"))
    assert [(f.chrom, f.start, f.end, f.score, f.strand) for f in read] == [("chr10", 3000, 5000, "1000", "-"), ("chr2", 0, 1200, "500", "+")]
    assert [f.fields for f in read.sort()] == [f.fields for f in read] and read.field_count() == 9


def test_several_values_of_a_gene_are_refused():
    with pytest.raises(InputError) as caught:
        browser.gene_bed(GENES, pd.Series([2.0, 3.0, 1.0], index=["G1", "G1", "G2"]))
    assert str(caught.value) == "gene_bed: found 1 values of genes that have one, first G1; expected one value per gene; take those of one cell type"


def test_regions_are_named_after_their_gene(tmp_path):
    browser.write_bed(tmp_path / "a.bed", browser.region_bed(PAIRS, "value"), GENOME, name="n", description="d")
    read = [(f.chrom, f.start, f.end, f.name, f.score) for f in pybedtools.BedTool(str(tmp_path / "a.bed"))]
    assert read == [("chr10", 100, 300, "G2", "1000"), ("chr10", 4500, 5000, "G2", "500"), ("chr2", 2000, 2600, "G1", "250")]


def test_links_lead_from_the_tss_to_the_region(tmp_path):
    table = browser.links(GENES, PAIRS, "value")
    browser.write_bedpe(tmp_path / "a.bedpe", table, GENOME)
    header, *rows = lines_of(tmp_path / "a.bedpe")
    assert header[0] == "#chrom1" and header[-1] == "color" and len(header) == 11
    assert rows[0] == ["chr10", "4000", "4001", "chr10", "100", "300", "B", "1000", "-", ".", browser.LOWERS]
    assert pybedtools.BedTool(str(tmp_path / "a.bedpe")).pair_to_bed(pybedtools.BedTool("chr10 150 160", from_string=True)).count() == 1


def test_interact_spans_both_ends_and_has_the_columns_of_ucsc(tmp_path):
    browser.write_interact(tmp_path / "a.interact", browser.links(GENES, PAIRS, "value"), GENOME, name="n", description="d")
    header, *rows = (tmp_path / "a.interact").read_text().splitlines()
    assert header.startswith("track type=interact name=") and all(len(row.split("\t")) == 18 for row in rows)
    first = rows[0].split("\t")
    assert first[:8] == ["chr10", "100", "4001", "B", "1000", "-4", ".", browser.LOWERS]
    assert first[8:11] == ["chr10", "100", "300"] and first[13:16] == ["chr10", "4000", "4001"]
    assert rows == sorted(rows, key=lambda row: (row.split("\t")[0], int(row.split("\t")[1])))


def test_bigwig_holds_the_mean_where_windows_overlap(tmp_path):
    rows = [("chr2", 100, 200, 4.0), ("chr10", 0, 50, -1.0), ("chr2", 150, 300, 2.0), ("chr2", 2950, 3050, 7.0), ("chr2", -50, 10, 1.0)]
    browser.write_bigwig(tmp_path / "a.bw", pd.DataFrame(rows, columns=["chrom", "start", "end", "value"]), GENOME)
    with pyBigWig.open(str(tmp_path / "a.bw")) as read:
        assert read.chroms() == dict(GENOME.sizes)
        assert read.intervals("chr2") == ((0, 10, 1.0), (100, 150, 4.0), (150, 200, 3.0), (200, 300, 2.0), (2950, 3000, 7.0))
        assert read.intervals("chr10") == ((0, 50, -1.0),)
        assert read.stats("chr2", 100, 200, exact=True) == [3.5]


def test_means_of_overlapping_rows_are_those_bp_by_bp():
    rng = np.random.default_rng(0)
    start = rng.integers(0, 900, 60)
    table = pd.DataFrame({"start": start, "end": start + rng.integers(1, 100, 60), "value": rng.normal(size=60)})
    total, count = np.zeros(1000), np.zeros(1000)
    for row in table.itertuples():
        total[row.start : row.end] += row.value
        count[row.start : row.end] += 1
    first, last, mean = browser.mean_where_overlapping(table)
    ours = np.full(1000, np.nan)
    for a, b, value in zip(first, last, mean, strict=True):
        ours[a:b] = value
    np.testing.assert_allclose(ours, np.where(count > 0, total / np.maximum(count, 1), np.nan), atol=1e-9)
    assert (first[1:] >= last[:-1]).all()


@pytest.mark.parametrize(
    ("region", "message"),
    [("chr7:1-2", "chr7:1-2 is on no chromosome of toy"), ("chr2:3000-3100", "chr2:3000-3100 lies outside of its chromosome or has no width")],
)
def test_region_off_the_genome_is_one_line_and_leaves_no_file(tmp_path, region, message):
    table = browser.region_bed(PAIRS.assign(region=[region, *PAIRS["region"][1:]]), "value")
    with pytest.raises(InputError) as caught:
        browser.write_bed(tmp_path / "a.bed", table, GENOME, name="n", description="d")
    assert message in str(caught.value) and "is the genome another build?" in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_bigwig_of_nothing_or_of_no_number_is_refused(tmp_path):
    table = pd.DataFrame([("chr2", 1, 2, np.nan)], columns=["chrom", "start", "end", "value"])
    with pytest.raises(InputError, match="found 1 values that are no number"):
        browser.write_bigwig(tmp_path / "a.bw", table, GENOME)
    with pytest.raises(InputError, match="found no rows"):
        browser.write_bigwig(tmp_path / "a.bw", table[:0], GENOME)
    assert list(tmp_path.iterdir()) == []


def test_all_files_of_some_genes_are_listed_and_there(tmp_path):
    pairs, tracks = PAIRS.rename(columns={"value": "contribution"}), pd.DataFrame([("chr2", 5, 10, 1.0)], columns=["chrom", "start", "end", "value"])
    predicted = pd.Series({"G1": 2.0, "G2": 3.0})
    table = browser.write_tracks(tmp_path, GENOME, GENES, predicted, pairs, tracks, source="toy")
    assert sorted(table["file"]) == sorted(path.name for path in tmp_path.iterdir()) and table["rows"].tolist() == [2, 3, 3, 3, 1]
    assert set(table["file"]) == set(browser.TRACKS)
    (tmp_path / "notes.txt").write_text("mine")
    few = browser.write_tracks(tmp_path, GENOME, GENES, predicted, pairs[:0], tracks, source="toy")  # where more lay before
    assert few["file"].tolist() == ["predictions.bed", "attribution.bw"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attribution.bw", "notes.txt", "predictions.bed"]


def test_gene_without_symbol_goes_by_its_id():
    genes = GENES.assign(symbol=["", None, "C"])
    assert browser.gene_bed(genes, pd.Series({"G1": 2.0, "G2": -4.0, "G3": 1.0}))["name"].tolist() == ["G1", "G2", "C"]
    assert browser.links(genes, PAIRS, "value")["name"].tolist() == ["G1", "G2", "G2"]
