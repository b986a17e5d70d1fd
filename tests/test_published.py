"""Binned and published data: values on tiny files by hand, what damaged files say, and the real files where they are."""

from __future__ import annotations

import gzip
import os
import struct
from itertools import pairwise
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from chromolib import downloads, readers, registry, sources
from chromolib.config import MARKS, ROOT, InputError
from chromolib.depth import mean_per_bin
from chromolib.genome import Region, load_genome
from chromolib.inputs import published as placing
from chromolib.readers import published

from .texts import refused, write

G1, G2, G3 = "ENSG00000000001", "ENSG00000000002", "ENSG00000000003"
FIVE = published.DEEPDIFF_MARKS
HG19 = load_genome("hg19")


# PatternChrome


def rdata(objects):
    """RData of matrices with row names, as R's format 2 writes them: name -> (ids or None, array)."""

    def text(value):
        return struct.pack(">ii", 0x40009, len(value)) + value.encode()

    def symbol(name):
        return struct.pack(">i", 1) + text(name)

    null = struct.pack(">i", 254)
    body = b"RDX2\nX\n" + struct.pack(">iii", 2, 0x40201, 0x20300)
    for name, (ids, array) in objects.items():
        body += struct.pack(">i", 0x402) + symbol(name)                                    # tagged link of the list
        body += struct.pack(">ii", 0x20E, array.size) + array.astype(">f8").tobytes(order="F")  # numbers, attributes
        body += struct.pack(">i", 0x402) + symbol("dim") + struct.pack(">ii2i", 13, 2, *array.shape)
        if ids is not None:
            rows = struct.pack(">ii", 16, len(ids)) + b"".join(map(text, ids))
            body += struct.pack(">i", 0x402) + symbol("dimnames") + struct.pack(">ii", 19, 2) + rows + null
        body += null
    return gzip.compress(body + null)


def make_patternchrome(path, array=None, ids=(G2, G1), mark="H3K4me3"):
    array = np.zeros((2, 200)) if array is None else array
    path.write_bytes(rdata({mark: (ids, array)}))
    return path


def test_bins_of_patternchrome_are_turned_into_the_direction_of_transcription(tmp_path):
    array = np.zeros((2, 200))
    array[0, 0], array[1, 199] = 37 / 50, 2.0  # gene body; 5 kb upstream
    path = make_patternchrome(tmp_path / "m.RData", array)
    genes, depth = published.read_patternchrome(path, "H3K4me3", n_genes=2)
    assert genes.tolist() == [G2, G1] and depth.dtype == np.float32 and depth.shape == (2, 200)
    assert depth[0, 199] == np.float32(0.74) and depth[1, 0] == 2.0 and np.count_nonzero(depth) == 2


def test_marks_of_patternchrome_are_stacked_in_the_order_asked_for(tmp_path):
    paths = {
        mark: make_patternchrome(tmp_path / mark, np.full((2, 200), value), mark=mark)
        for mark, value in (("H3K4me3", 3.0), ("H3K4me1", 1.0))
    }
    genes, depth = published.read_patternchrome_marks(paths, n_genes=2)
    assert genes.tolist() == [G2, G1] and depth.shape == (2, 200, 2) and depth[1, 7].tolist() == [3.0, 1.0]


def test_marks_with_genes_in_another_order_are_refused(tmp_path):
    paths = {"H3K4me1": make_patternchrome(tmp_path / "a", mark="H3K4me1"), "H3K4me3": make_patternchrome(tmp_path / "b", ids=(G1, G2))}
    said = refused(f"gene 1 is {G1}, expected {G2} as in", published.read_patternchrome_marks, paths, n_genes=2)
    assert said.startswith(str(tmp_path / "b")) and str(tmp_path / "a") in said
    refused("b: 1 genes, expected 2 as a has", published.check_same_genes, {"a": [G1, G2], "b": [G1]})


def with_value(value):
    array = np.zeros((2, 200))
    array[1, 3] = value
    return array


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"array": np.zeros((2, 199))}, r"H3K4me3 has the shape \(2, 199\); expected an R matrix H3K4me3 of 2 genes x 200 bins"),
        ({"array": np.zeros((3, 200)), "ids": (G1, G2, G3)}, r"the shape \(3, 200\)"),
        ({"array": with_value(-1)}, f"{G1} has the value -1, not 0 or more"),
        ({"array": with_value(np.nan)}, f"{G1} has the value nan"),
        ({"ids": (G1, G1)}, f"row 2, {G1}, is listed twice"),
        ({"ids": (G1, "TP53")}, "row 2, TP53, is no Ensembl gene id"),
        ({"ids": None}, "no gene ids as row names"),
        ({"mark": "H3K9me3"}, "holds H3K9me3, not H3K4me3"),
    ],
)
def test_another_matrix_than_patternchromes_is_refused(tmp_path, changed, message):
    path = make_patternchrome(tmp_path / "m.RData", **changed)
    assert str(path) in refused(message, published.read_patternchrome, path, "H3K4me3", n_genes=2)


def test_a_number_of_genes_other_than_published_is_refused_by_default(tmp_path):
    path = make_patternchrome(tmp_path / "m.RData")
    refused("of 18,421 genes", published.read_patternchrome, path, "H3K4me3")


def test_rdata_cut_anywhere_or_no_rdata_is_refused_in_one_line(tmp_path):
    path, whole = tmp_path / "m.RData", rdata({"H3K4me3": ((G1, G2), np.random.default_rng(1).random((2, 200)))})
    inside = gzip.decompress(whole)
    cuts = [whole[: len(whole) // 2], *(gzip.compress(inside[:n]) for n in (0, 5, 7, 19, 30, 60, 1000, len(inside) - 9))]
    for content in (*cuts, b"", b"<html>not found</html>", b"\xfd7zXZ\x00 not xz", gzip.compress(b"RDX3\nX\n" + b"\xff" * 40)):
        path.write_bytes(content)
        refused("not readable as RData.*fetch the file again", published.read_patternchrome, path, "H3K4me3", n_genes=2)
    refused("no such file", published.read_patternchrome, tmp_path / "none", "H3K4me3")


def test_no_class_of_r_is_rebuilt(tmp_path):
    frame = b"RDX2\nX\n" + struct.pack(">iii", 2, 0x40201, 0x20300) + struct.pack(">i", 0x402)
    frame += struct.pack(">iii", 1, 0x40009, 7) + b"H3K4me3" + struct.pack(">iii", 0x313, 0, 0x402)
    frame += struct.pack(">iii", 1, 0x40009, 5) + b"class" + struct.pack(">iiii", 16, 1, 0x40009, 10) + b"data.frame"
    (tmp_path / "m.RData").write_bytes(gzip.compress(frame + struct.pack(">ii", 254, 254)))
    refused("constructor for R class .data.frame", published.read_patternchrome, tmp_path / "m.RData", "H3K4me3")


# Avocado


@pytest.fixture(scope="module")
def counting_track():
    """0, 1, ..., 9, 0, 1, ...: a value that tells a bin from its neighbours."""
    return (np.arange(published.PILOT_BINS) % 10).astype(np.float32)


def test_pilot_regions_follow_each_other_without_a_gap():
    regions = published.pilot_regions()
    n_bins = (regions["end"] - regions["start"]) / published.PILOT_BP
    assert list(regions) == ["name", "chrom", "start", "end", "first"] and len(regions) == 42
    assert n_bins.sum() == published.PILOT_BINS
    assert regions["first"].tolist() == [0, *n_bins.cumsum()[:-1].astype(int)]
    assert not (regions[["start", "end"]] % published.PILOT_BP).any(axis=None) and regions["name"].is_unique
    place = regions["chrom"].str.removeprefix("chr").astype(int) * 10**9 + regions["start"]
    assert place.is_monotonic_increasing
    sizes = load_genome("hg19").sizes
    assert (regions["end"] <= regions["chrom"].map(sizes)).all()


def test_pilot_mean_by_hand(counting_track):
    start = 51_658_675  # ENr112, the second region: its bin 0 is bin 20,002 of the track, value 2
    region = Region("chr2", start, start + 75)  # 2, 3, 4
    assert published.pilot_mean(counting_track, [region], 25).tolist() == [2.0, 3.0, 4.0]
    assert published.pilot_mean(counting_track, [region], 50).tolist() == [2.5, 4.0]  # the last has one bin only
    assert published.pilot_mean(counting_track, [region, region], 100).tolist() == [3.0, 3.0]
    assert published.pilot_mean(counting_track, [], 100).shape == (0,)


def test_a_bin_counts_by_the_share_of_it_that_lies_inside(counting_track):
    start = 51_658_675
    region = Region("chr2", start + 10, start + 45)  # 15 bp of value 2, 20 bp of value 3
    np.testing.assert_allclose(published.pilot_mean(counting_track, [region], 100), [(15 * 2 + 20 * 3) / 35])
    by_base = np.repeat(counting_track[20_002:20_402], 25)[7:9_007]  # any region, against its bases one by one
    for bin_bp in (25, 40, 500, 2_000):
        found = published.pilot_mean(counting_track, [Region("chr2", start + 7, start + 9_007)], bin_bp)
        expected = [by_base[i : i + bin_bp].mean() for i in range(0, 9_000, bin_bp)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_region_may_be_a_whole_pilot_region_and_the_last_base_of_the_track(counting_track):
    last = published.pilot_regions().iloc[-1]
    whole = published.pilot_mean(counting_track, [Region(last.chrom, last.start, last.end)], 25)
    np.testing.assert_allclose(whole, counting_track[last["first"] :], atol=1e-6)


def test_no_signal_is_exactly_0():
    track = np.full(published.PILOT_BINS, 0.1, np.float32)
    track[20_010:20_400] = 0
    start = 51_658_675
    assert not published.pilot_mean(track, [Region("chr2", start + 250, start + 9_000)], 70).any()


@pytest.mark.parametrize(
    "region",
    [
        Region("chr2", 51_658_674, 51_658_775),
        Region("chr2", 52_158_700, 52_158_726),
        Region("chr1", 51_658_675, 51_658_775),
        Region("chr2", 60_000_000, 60_000_100),
        Region("chrX", 5, 6),
    ],
    ids=str,
)
def test_a_region_outside_the_pilot_regions_is_named(counting_track, region):
    refused(f"region {region}: not wholly inside one of the 42", published.pilot_mean, counting_track, [region], 25)


def test_a_track_of_another_length_is_refused(counting_track):
    refused(r"shape \(1126468,\), expected \(1126469,\)", published.pilot_mean, counting_track[1:], [], 25)


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_pilot_track_comes_back_as_stored(tmp_path, counting_track):
    found = published.read_pilot_track(save(tmp_path / "t.npz", arr_0=counting_track))
    assert found.dtype == np.float32 and (found == counting_track).all()


def test_wrong_pilot_tracks_are_refused(tmp_path, counting_track):
    path = tmp_path / "t.npz"
    negative, missing = counting_track.copy(), counting_track.copy()
    negative[3], missing[1000] = -0.5, np.nan
    for arrays, message in (
        ({"arr_0": counting_track[:-1]}, r"arr_0 is float32 \(1126468,\); expected .* 1,126,469 float32"),
        ({"arr_0": counting_track.astype(float)}, "arr_0 is float64"),
        ({"arr_1": counting_track}, "holds the arrays arr_1"),
        ({"arr_0": negative}, "bin 3 has the value -0.5"),
        ({"arr_0": missing}, "bin 1,000 has the value nan"),
        ({"arr_0": np.array([{}], object)}, "allow_pickle"),
    ):
        refused(message, published.read_pilot_track, save(path, **arrays))
    whole = save(path, arr_0=counting_track).read_bytes()
    for content in (whole[: len(whole) // 2], whole[:30], whole[:5_000] + b"x" + whole[5_001:], b"", b"<html>"):
        path.write_bytes(content)
        refused("expected a .npz", published.read_pilot_track, path)
    np.save(tmp_path / "t.npy", counting_track)
    refused("is no .npz", published.read_pilot_track, tmp_path / "t.npy")
    refused("no such file", published.read_pilot_track, tmp_path / "none.npz")


# DeepDiff


def deepdiff(gene, symbol, windows=range(1, 201), counts="0,0,0,0,0"):
    return "".join(f"{gene}_{symbol}_{window},{counts}\n" for window in windows)


def test_deepdiff_by_hand(tmp_path):
    text = deepdiff(G2, "A_B").replace("_200,0,0,0,0,0", "_200,1,2,3,4,5") + deepdiff(G1, "NA")
    genes, counts = published.read_deepdiff(write(tmp_path / "c.csv", text))
    assert genes.to_numpy().tolist() == [[G2, "A_B"], [G1, "NA"]]
    assert counts.shape == (2, 200, 5) and counts.dtype == np.float32
    assert counts[0, 199].tolist() == [1, 2, 3, 4, 5] and counts.sum() == 15


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected rows ENSG_symbol_window"),
        (deepdiff(G1, "A", range(1, 200)), f"{G1} has 199 windows"),
        (deepdiff(G1, "A") + deepdiff(G2, "B", range(1, 101)), f"{G2} has 100 windows"),
        (deepdiff(G1, "A", range(200, 0, -1)), f"line 1 is window 200 of {G1}, not window 1"),
        (deepdiff(G1, "A", [*range(1, 51), *range(52, 202)]), "line 51 is window 52"),
        (deepdiff(G1, "A", [*range(1, 201), *range(1, 201)]), "line 201 is window 1 of .*, not window 201"),
        (deepdiff(G1, "A") + deepdiff(G2, "B") + deepdiff(G1, "A"), f"row 3, {G1}, is listed twice"),
        (deepdiff(G1, "A", counts="0,0,-1,0,0"), f"{G1} has the value -1"),
        (deepdiff(G1, "A", counts="0,0,nan,0,0"), "line 1: H3K9me3 is 'nan', not a whole number; expected rows ENSG"),
        (deepdiff(G1, "A", counts="0,0,,0,0"), "expected rows ENSG_symbol_window"),
        (deepdiff(G1, "A", counts="0,0,0,0"), "line 1, .*, has 5 fields, not 6"),
        (deepdiff(G1, "A", counts="0,0,0,0,0,0"), "line 1, .*, has 7 fields, not 6"),
        (deepdiff("TP53", "A"), "line 1, TP53_A_1, is no ENSG_symbol_window"),
    ],
)
def test_a_wrong_split_of_deepdiff_is_refused(tmp_path, text, message):
    assert str(tmp_path) in refused(message, published.read_deepdiff, write(tmp_path / "c.csv", text))


# Labels and genes


def test_targets_by_hand(tmp_path):
    genes = write(tmp_path / "genes.txt", f"{G2} \n{G1} \n{G2} ")  # blanks at line ends, none after the last line
    paths = {name: write(tmp_path / name, f"{value}e+00\n0\n{value}\n") for name, value in (("E116", 2.5), ("E003", 1))}
    table = published.read_targets(paths, genes)
    assert table.to_dict("list") == {"E116": [2.5, 0.0], "E003": [1.0, 0.0]}
    assert table.index.tolist() == [G2, G1] and table.index.name == "gene_id"
    assert table.attrs == {"kept": 2, "dropped": {"id seen before": 1}}


@pytest.mark.parametrize(
    ("genes", "values", "message"),
    [
        (f"{G1}\n{G2}\n", "1\n", r"E003: has 1 lines; expected one RPKM per line, for each of the 2 genes of genes.txt"),
        (f"{G1}\n{G2}\n", "1\n2\n3\n", "has 3 lines"),
        (f"{G1}\n{G2}\n", "1\n-2\n", "line 2 is '-2', not a number of 0 or more"),
        (f"{G1}\n{G2}\n", "nan\n2\n", "line 1 is 'nan', not a number of 0 or more"),
        (f"{G1}\n{G2}\n", "1\nmuch\n", "line 2 is 'much', not a number of 0 or more"),
        (f"{G1}\nTP53\n", "1\n2\n", "genes.txt: row 2, TP53, is no Ensembl gene id"),
        ("", "", "genes.txt: holds no genes"),
    ],
)
def test_wrong_targets_are_refused(tmp_path, genes, values, message):
    paths = {"E003": write(tmp_path / "E003", values)}
    refused(message, published.read_targets, paths, write(tmp_path / "genes.txt", genes))


def test_missing_targets_are_named(tmp_path):
    refused("none: no such file", published.read_targets, {}, tmp_path / "none")
    refused("none: no such file", published.read_targets, {"E003": tmp_path / "none"}, write(tmp_path / "genes.txt", G1))


def test_gene_windows_by_hand(tmp_path):
    text = f"chrX\t99884988\t99904988\t{G1}_TSPAN6\nchr1\t10\t20010\t{G2}_NA\nchr1\t10\t20010\t{G3}_A_B\nchr1\t10\t20010\t{G3}_C\n"
    table = published.read_gene_windows(write(tmp_path / "g.txt", text))
    assert table["gene_id"].tolist() == [G1, G2, G3] and table["chrom"].tolist() == ["chrX", "chr1", "chr1"]
    assert table["tss"].tolist() == [99_894_988, 10_010, 10_010]
    assert table["symbol"].isna().tolist() == [False, True, False] and table["symbol"].dropna().tolist() == ["TSPAN6", "A_B"]
    assert table.attrs == {"kept": 3, "dropped": {"id seen before": 1}}


def test_gene_bounds_follow_the_convention_of_the_house(tmp_path):
    # FAM138A and OR4F5: test_annotation has their transcripts, whose TSSs are chr1:36081 and chr1:69089.
    text = (
        "#chr\tstart\tend\tname\tscore\tstrand\tEnsembl_ID\tgene_type\n"
        f"chr1\t35831\t36331\tFAM138A\t0\t-\t{G2}\tlincRNA\nchr1\t68840\t69340\tOR4F5\t0\t+\t{G1}\tprotein_coding\n"
        f"chr9\t68840\t69340\tNA\t0\t+\t{G1}\tprotein_coding\n"
    )
    table = published.read_gene_bounds(write(tmp_path / "g.bed", text))
    assert table.to_numpy().tolist() == [[G2, "FAM138A", "chr1", "-", 36_081], [G1, "OR4F5", "chr1", "+", 69_089]]
    assert list(table) == ["gene_id", "symbol", "chrom", "strand", "tss"]
    assert table.attrs == {"kept": 2, "dropped": {"id seen before": 1}}


BOUNDS = f"#chr\tstart\tend\tname\tscore\tstrand\tEnsembl_ID\tgene_type\nchr1\t0\t500\tA\t0\t+\t{G1}\tx\n"


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (published.read_gene_windows, "", "expected GeneFile"),
        (published.read_gene_windows, f"chr1\t10\t20010\t{G1}\n", "is no ENSG_symbol"),
        (published.read_gene_windows, f"chr1\t10\t20011\t{G1}_A\n", f"line 1, {G1}, has a window of another width"),
        (published.read_gene_windows, f"chr1\t20010\t10\t{G1}_A\n", "line 1, chr1, is not 0 <= start < end"),
        (published.read_gene_windows, f"chr1\t10\t20010\t{G1}_A\t+\n", "line 1, chr1, has 5 fields, not 4"),
        (published.read_gene_windows, f"chr1\tten\t20010\t{G1}_A\n", "line 1: start is 'ten', not a whole number; expected GeneFile"),
        (published.read_gene_bounds, BOUNDS.partition("\n")[0] + "\n", "holds no rows"),
        (published.read_gene_bounds, BOUNDS.partition("\n")[2], "no column '#chr', found chr1, 0, 500"),
        (published.read_gene_bounds, BOUNDS.replace("+", "*"), f"line 2, {G1}, has a strand other than"),
        (published.read_gene_bounds, BOUNDS.replace("500", "501"), "does not span 500 bp"),
        (published.read_gene_bounds, BOUNDS.replace(G1, "A"), "is no Ensembl gene id"),
        (published.read_links, "", "expected JEME"),
        (published.read_links, f"chr1:5-9,{G1}.1$A$chr1$99$+\n", "line 1, chr1:5-9, has 2 fields, not 3"),
        (published.read_links, f"chr1-5-9,{G1}.1$A$chr1$99$+,0.5\n", "line 1, chr1-5-9, is no region"),
        (published.read_links, f"chr1:9-5,{G1}.1$A$chr1$99$+,0.5\n", "has no width"),
        (published.read_links, f"chr2:5-9,{G1}.1$A$chr1$99$+,0.5\n", "lies on another chromosome than its gene"),
        (published.read_links, f"chr1:5-9,{G1}.1$A$chr1$99,0.5\n", "is no ENSG.version"),
        (published.read_links, f"chr1:5-9,{G1}.1$A$chr1$99$+,1.5\n", "a score outside 0 to 1"),
        (published.read_links, f"chr1:5-9,{G1}.1$A$chr1$99$+,nan\n", "line 1: contact is 'nan', not a number; expected JEME"),
    ],
)
def test_wrong_tables_are_refused(tmp_path, read, text, message):
    said = refused(message, read, write(tmp_path / "t.txt", text))
    assert str(tmp_path / "t.txt") in said and said.endswith("fetch the file again")
    refused("none: no such file", read, tmp_path / "none")


# Contacts


def test_links_by_hand(tmp_path):
    text = (
        f"chrX:99879800-99882200,{G3}.10$TSPAN6$chrX$99894988$-,0.46\n"
        f"chr1:200-400,{G1}.2$NA$chr1$900$+,0.5\nchr1:200-400,{G1}.2$NA$chr1$900$+,0.4\n"
    )
    table = published.read_links(write(tmp_path / "l.csv", text))
    assert table.to_dict("records") == [
        {"gene_id": G3, "chrom": "chrX", "tss": 99_894_988, "strand": "-", "region": "chrX:99879800-99882200", "contact": 0.46},
        {"gene_id": G1, "chrom": "chr1", "tss": 900, "strand": "+", "region": "chr1:200-400", "contact": 0.5},
    ]
    assert table.attrs == {"kept": 2, "dropped": {"pair seen before": 1}}


def test_of_repeated_links_the_strongest_stays_wherever_it_stands(tmp_path):
    rows = [("200-400", 0.4), ("600-800", 0.6), ("200-400", 0.9), ("200-400", 0.9), ("600-800", 0.5)]
    text = "".join(f"chr1:{region},{G1}.2$NA$chr1$900$+,{score}\n" for region, score in rows)
    table = published.read_links(write(tmp_path / "l.csv", text))
    assert table[["region", "contact"]].to_numpy().tolist() == [["chr1:600-800", 0.6], ["chr1:200-400", 0.9]]
    assert table.attrs == {"kept": 2, "dropped": {"pair seen before": 3}}


# The real files


def fetch_or_skip(source_id, folder, mirror):
    """Skips where a file can't be had, which says nothing of this project; one that can but is another than noted fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMOLIB_MIRROR", mirror)
        patch.setattr(sources, "N_RETRIES", 0)
        try:
            return sources.fetch(source_id, folder)
        except InputError as error:
            faults = ("altered or incomplete", "not readable to its end", "unknown source")
            if any(fault in str(error) for fault in faults):
                raise
            pytest.skip(f"no real data here: {error}")


@pytest.mark.parametrize(
    ("source_id", "content", "outcome"),
    [
        ("shallowchrome-gene-list", None, pytest.skip.Exception),
        ("shallowchrome-gene-list", b"another file", InputError),
        ("chromoformer-demo", b"cut short", InputError),
        ("shallowchrome-gene-lists", None, InputError),
    ],
)
def test_a_file_that_is_there_but_wrong_is_no_reason_to_skip(monkeypatch, tmp_path, source_id, content, outcome):
    def offline(*_, **__):
        raise OSError("offline")

    monkeypatch.setattr(downloads, "download", offline)
    if content is not None:
        path = tmp_path / unquote(registry.mirrored_path(registry.entry(source_id).urls[0]))
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    with pytest.raises(outcome):
        fetch_or_skip(source_id, tmp_path / "raw", str(tmp_path))


@pytest.fixture(scope="session")
def real(data_dir):
    """Path of a source's file. Asks nobody where no mirror is named: these tests must not download 60 MB unasked."""
    beside = ROOT.parent / "shared" / "mirror"
    mirror = os.environ.get("CHROMOLIB_MIRROR") or (str(beside) if beside.is_dir() else None)
    if mirror is None:
        pytest.skip("no real data here: set CHROMOLIB_MIRROR to a folder or URL that has them")
    return lambda source_id: fetch_or_skip(source_id, data_dir / "raw" / "published", mirror)


@pytest.fixture(scope="session")
def bounds(real):
    return published.read_gene_bounds(real("abc-gene-bounds"))


@pytest.fixture(scope="session")
def windows(real):
    return published.read_gene_windows(real("shallowchrome-gene-windows"))


@pytest.fixture(scope="session")
def demo(demo_archive):
    return readers.read_demo(demo_archive)


def test_patternchrome_has_its_genes_and_their_bodies_downstream(real, windows):
    paths = {mark: real(f"patternchrome-E012/{mark}") for mark in ("H3K36me3", "H3K4me3")}
    genes, depth = published.read_patternchrome_marks(paths)
    assert depth.shape == (18_421, 200, 2) and set(genes) <= set(windows["gene_id"])
    by_half = depth.reshape(18_421, 2, 100, 2).mean((0, 2))  # upstream and downstream of the TSS
    assert (by_half[1] > 1.5 * by_half[0]).all()
    mean = depth[..., 1].mean(0)
    assert 100 <= mean.argmax() <= 110 and mean[97:100].mean() < 0.6 * mean.max()  # the dip before the first nucleosome


def test_patternchrome_is_raw_depth_in_steps_of_one_read_base(real):
    _, depth = published.read_patternchrome(real("patternchrome-E012/H3K4me1"), "H3K4me1")
    bases = depth.astype(float) * 50
    assert np.abs(bases - bases.round()).max() < 1e-3
    covered = np.pad(bases.round().astype(int), ((0, 0), (1, 1)))
    lone = [
        row[start + 1 : end].sum()
        for row in covered[:2_000]
        for start, end in pairwise(np.flatnonzero(row == 0))
        if end - start in (2, 3) and start > 0 and end < 201  # one or two bins between empty ones
    ]
    assert len(lone) > 1_000 and np.mean(np.array(lone) % 37 == 0) > 0.99


def test_demo_expression_is_that_of_the_targets(real, demo):
    paths = {"E003": real("shallowchrome-targets/E003"), "E116": real("shallowchrome-targets/E116")}
    table = published.read_targets(paths, real("shallowchrome-gene-list"))
    assert table.attrs == {"kept": 19_795, "dropped": {"id seen before": 7}} and len(table) == 19_795
    genes = demo[0].set_index("gene_id")["expression"]
    assert len(genes) == 100 and (table["E003"].loc[genes.index] == genes).all()
    assert table["E116"].median() == pytest.approx(1.746, abs=5e-4)


def test_a_gene_with_signal_that_no_window_has_is_named():
    genes, windows = pd.DataFrame({"gene_id": ["G1", "G2"]}), pd.DataFrame({"gene_id": ["G1"], "symbol": ["A"], "chrom": ["chr1"], "tss": [100]})
    strands = pd.DataFrame({"gene_id": ["G1", "G2"], "symbol": ["A", "B"], "strand": ["-", "+"]})
    with pytest.raises(InputError, match="^gene G2: has signal but no place in the table of windows; fetch both again$"):
        placing._placed(genes, windows, strands)
    placed = placing._placed(genes[:1], windows, strands)
    assert placed[["gene_id", "strand", "tss"]].to_numpy().tolist() == [["G1", "-", 100]]


def test_gene_bounds_have_the_strands_and_tss_of_the_demo(bounds, windows, demo):
    assert bounds.attrs == {"kept": 20_584, "dropped": {"id seen before": 45}}
    both = demo[0].merge(bounds, on="gene_id", suffixes=("", "_abc"))
    assert len(both) == 98 and (both["strand"] == both["strand_abc"]).all() and (both["chrom"] == both["chrom_abc"]).all()
    for _, genes in both.groupby("strand"):  # annotations of other years: where they differ they do so at random
        away = genes["tss"] - genes["tss_abc"]
        assert away.mode().tolist() == [0] and (away == 0).sum() >= 10
    ensembl = windows.merge(bounds, on=["gene_id", "chrom"], suffixes=("", "_abc"))
    for strand, offset in (("+", 2), ("-", 0)):
        away = (ensembl["tss"] - ensembl["tss_abc"])[ensembl["strand"] == strand]
        assert away.mode().tolist() == [offset] and (away == offset).sum() > 3_000


def test_gene_windows_hold_all_genes_with_their_missing_symbols(windows):
    assert windows.attrs == {"kept": 19_795, "dropped": {"id seen before": 7}}
    assert windows["symbol"].isna().sum() == 996 and windows["chrom"].nunique() == 24


@pytest.mark.parametrize(("cell_type", "shift"), [("E003", 0), ("E116", 1)])
def test_signal_of_the_pilot_regions_peaks_at_annotated_tss(real, bounds, cell_type, shift):
    track = published.read_pilot_track(real(f"avocado-pilot/{cell_type}.H3K4me3"))
    genes = bounds.merge(published.pilot_regions(), on="chrom")
    genes = genes[(genes["start"] + 6_000 <= genes["tss"]) & (genes["tss"] + 6_000 <= genes["end"])]
    both_strands = np.zeros(401)  # averaged, so that the peak inside the gene body does not pull to one side
    for _, group in genes.groupby("strand"):
        around = [Region(gene.chrom, gene.tss - 5_012, gene.tss + 5_013) for gene in group.itertuples()]
        assert len(around) > 150
        both_strands += published.pilot_mean(track, around, 25).reshape(-1, 401).mean(0) / 2  # bin 200 is at the TSS
    over_2_kb = np.convolve(both_strands, np.ones(81), "same")[100:301]
    assert over_2_kb.argmax() - 100 == shift


def test_pilot_signal_follows_the_depth_of_the_one_demo_region_there(real, demo):
    region = Region.parse("chr5:142232903-142237548")  # in ENr212; a pCRE
    for mark in ("H3K4me1", "H3K4me3"):
        track = published.read_pilot_track(real(f"avocado-pilot/E003.{mark}"))
        depth = demo[1][str(region)][MARKS.index(mark)].astype(float)
        smooth = np.log1p(np.convolve(depth, np.ones(200) / 200, "same"))  # MACS extends reads to fragments
        ours = mean_per_bin(smooth, 25)
        moved = [Region(region.chrom, region.start + 25 * shift, region.end + 25 * shift) for shift in range(-30, 31)]
        r = [np.corrcoef(ours, published.pilot_mean(track, [region], 25))[0, 1] for region in moved]
        assert max(r) > 0.7 and abs(int(np.argmax(r)) - 30) <= 1


@pytest.mark.parametrize("split", ["train", "valid"])
def test_deepdiff_counts_are_the_depth_of_the_demo_in_genome_order(real, demo, windows, split):
    genes, counts = published.read_deepdiff(real(f"deepdiff/Cell2.{split}"))
    other, _ = published.read_deepdiff(real(f"deepdiff/Cell1.{split}"))
    assert len(genes) == 200 and genes.equals(other)
    tss = genes.merge(windows, on=["gene_id", "symbol"], how="left")
    assert tss["tss"].notna().all()
    n_compared = 0
    for row, gene in enumerate(tss.itertuples()):
        starts = int(gene.tss) - 10_000 + 100 * np.arange(200)
        for name, depth in demo[1].items():
            region = Region.parse(name)
            covered = np.flatnonzero((starts >= region.start) & (starts + 100 <= region.end))
            if region.chrom != gene.chrom or len(covered) < 80:
                continue
            binned = np.stack([depth[:5, s : s + 100].mean(1, dtype=float) for s in starts[covered] - region.start])  # (l, m)
            for mark in np.flatnonzero(binned.max(0) > 5):  # where there is signal to compare
                assert np.corrcoef(binned[:, mark], counts[row, covered, mark])[0, 1] > 0.95, f"{gene.gene_id} {FIVE[mark]}"
                n_compared += 1
    assert n_compared >= 2


def test_links_have_the_strands_of_the_gene_bounds(real, bounds, windows):
    links = published.read_links(real("jeme-gm12878"))
    assert links.attrs == {"kept": 44_269, "dropped": {}}
    genes = links.drop_duplicates("gene_id")
    assert len(genes) == 11_655 and links["contact"].between(0.35, 0.93).all()
    both = genes.merge(bounds, on="gene_id", suffixes=("", "_abc"))
    assert len(both) > 10_000 and (both["strand"] == both["strand_abc"]).all()
    ensembl = genes.merge(windows, on=["gene_id", "chrom"], suffixes=("", "_ensembl"))
    assert (ensembl["tss"] == ensembl["tss_ensembl"]).sum() == 9_800


@pytest.mark.parametrize(("name", "n_tads"), [("tads-gm12878", 3_120), ("tads-h1", 2_499)])
def test_domains_lie_on_their_chromosomes(real, name, n_tads):
    tads = readers.read_tads(real(name), HG19)
    assert len(tads) == n_tads
    assert tads.attrs == {"kept": n_tads, "dropped": {}, "clipped": 0}
