"""Segments, peaks, domains and compartments: rows worked out by hand, real files, and what a damaged file says."""

import gzip
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chromolib import readers
from chromolib.config import ROOT
from chromolib.genome import Genome, load_genome

from .texts import refused, write

TOY = Genome("toy", {"chr1": 1000, "chrX": 500}, {"chr1": 1, "chrX": 2})
HG19 = load_genome("hg19")


def rows(table):
    return table.to_numpy().tolist()


# Segments


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "chr1\t0\t200\t18_Quies\nchr1\t200\t400\t12_ZNF/Rpts\nchrX\t0\t500\t1_TssA\n",
        "chr1\t0\t200\tQuies\r\nchr1\t200\t400\tZNF/Rpts\r\nchrX\t0\t500\tTssA\r\n",
        (
            'track name="dense" itemRgb=On\n'
            "chr1\t0\t200\t18_Quies\t0\t.\t0\t200\t255,255,255\nchr1\t200\t400\t12_ZNF/Rpts\t0\t.\t200\t400\t1,2,3\n"
            "chrX\t0\t500\tE1_TssA\t0\t.\t0\t500\t255,0,0\n"
        ),
    ],
)
def test_states_have_their_names_in_mnemonics_and_dense_files(tmp_path, text, compress):
    table = readers.read_segments(write(tmp_path / "s.bed", text, compress=compress), TOY)
    assert rows(table) == [["chr1", 0, 200, "Quies"], ["chr1", 200, 400, "ZNF/Rpts"], ["chrX", 0, 500, "TssA"]]
    assert list(table) == ["chrom", "start", "end", "state"] and (table.dtypes[["start", "end"]] == np.int64).all()
    assert table.attrs == {"kept": 3, "dropped": {}, "clipped": 0}


def test_rows_off_the_genome_are_counted_and_those_over_an_end_cut(tmp_path):
    text = "chrM\t0\t36\tA\nchr1\t0\t900\tA\nchr1\t990\t1026\tA\nchr1\t1026\t1036\tA\nchrX\t464\t500\tA\n"
    table = readers.read_segments(write(tmp_path / "s.bed", text), TOY)
    assert rows(table[["start", "end"]]) == [[0, 900], [990, 1000], [464, 500]]
    assert table.attrs == {
        "kept": 3,
        "dropped": {"contig not in toy": 1, "past the end of its chromosome": 1},
        "clipped": 1,
    }


BED = [readers.read_segments, readers.read_tads, readers.read_peaks]
NARROW = "\tp\t0\t.\t1\t-1\t-1\t-1\n"  # what follows chrom, start, end: enough columns for any of the three


@pytest.mark.parametrize("read", BED)
@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([], "holds no rows"),
        (["1\t0\t9"], r"none of 1 rows lies on toy \(chromosomes found: 1\); expected chr1, chrX .*another build"),
        (["chr1\t0\t9", "chr1\t1200\t1300", "chrX\t500\t600"], "2 of 3 rows .*chr1:1200-1300; expected toy; is the genome"),
        (["# by hand\n\nchr1\t0\t9", "chr1\t9\t9"], "line 4, chr1, is not 0 <= start < end"),
        (["chr1\t-1\t9"], "line 1, chr1, is not 0 <= start < end"),
        (["chr1\t0\tnine"], "line 1: end is 'nine', not a whole number"),
        (["chr1\t0\t9.5"], "line 1: end is '9.5', not a whole number"),
        (["chr1\t0\t"], "line 1: end is '', not a whole number"),
        (["chr1\t0\t99999999999999999999"], "line 1: end is '99999999999999999999', not a whole number"),
        (["chr1 0 9"], "line 1"),
    ],
)  # fmt: skip
def test_wrong_bed_files_are_refused_with_their_line(tmp_path, read, places, message):
    path = write(tmp_path / "t.bed", "".join(place + NARROW for place in places))
    refused(rf"t\.bed: .*{message}", read, path, TOY)


@pytest.mark.parametrize("read", [*BED, readers.read_compartments])
def test_truncated_binary_or_missing_files_are_named(tmp_path, read):
    whole = gzip.compress(("chr1\t0\t9" + NARROW).encode() * 5000)
    (tmp_path / "t.gz").write_bytes(whole[: len(whole) // 2])
    refused(r"t\.gz: .*fetch the file again", read, tmp_path / "t.gz", TOY)
    (tmp_path / "b.bed").write_bytes(b"\xff\xfe\x00\x01" * 99)
    refused(r"b\.bed: .*fetch the file again", read, tmp_path / "b.bed", TOY)
    refused("none: no such file", read, tmp_path / "none", TOY)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (readers.read_segments, "chr1\t0\t9\n", "line 1, chr1, has 3 fields, not 4 or more"),
        (readers.read_segments, "chr1\t0\t9\t1_\n", "line 1, chr1, has a segment without a state"),
        (readers.read_segments, "chr1\t5\t9\tA\nchr1\t0\t6\tA\n", "line 1, chr1:5-9, overlaps the segment before it"),
        (readers.read_tads, "chr1\t0\t9\nchr1\t8\t12\n", "line 2, chr1:8-12, overlaps the domain before it"),
        (readers.read_peaks, "chr1\t0\t9\t.\t0\t.\t1\t-1\t-1\n", "line 1, chr1, has 9 fields, not 10 or more"),
        (readers.read_peaks, "chr1\t0\t9\t.\t0\t.\thigh\t-1\t-1\t-1\n", "line 1: signal is 'high', not a number"),
        (readers.read_peaks, "chr1\t0\t9\t.\t0\t.\t1\t-1\t-1\t9\n", "line 1, chr1, has a peak with its summit else"),
        (readers.read_peaks, "chr1\t0\t9\t.\t0\t.\t1\t-1\t-1\t-2\n", "line 1, chr1, has a peak with its summit else"),
    ],
)
def test_what_each_format_forbids_is_refused(tmp_path, read, text, message):
    refused(message, read, write(tmp_path / "t.bed", text), TOY)


# Peaks


def test_peaks_by_hand(tmp_path):
    text = (
        "chr1\t100\t300\t.\t1000\t.\t62.18432\t-1.00000\t4.88512\t126\n"
        "chr1\t10\t20\tp2\t0\t.\t8\t12.5\t-1\t-1\n"
        "chr1\t100\t300\t.\t812\t.\t18.0\t3\tinf\t0\n"  # the same interval with another summit
    )
    table = readers.read_peaks(write(tmp_path / "p.narrowPeak.gz", text, compress=True), TOY)
    levels = ["minus_log10_p", "minus_log10_q"]
    assert list(table) == ["chrom", "start", "end", "name", "score", "signal", *levels, "summit"]
    assert table["summit"].tolist() == [226, pd.NA, 100] and table["score"].tolist() == [1000, 0, 812]
    assert table["minus_log10_p"].fillna(-9).tolist() == [-9, 12.5, 3]
    assert table["minus_log10_q"].fillna(-9).tolist() == [4.88512, -9, np.inf]


# Domains


def test_domains_may_touch_leave_gaps_have_further_columns_and_end_on_a_grid(tmp_path):
    text = "chr1\t0\t5\tx\nchr1\t5\t9\ty\t2\nchr1\t960\t1040\nchrX\t1\t7\t\n"
    table = readers.read_tads(write(tmp_path / "t.bed", text), TOY)
    assert rows(table) == [["chr1", 0, 5], ["chr1", 5, 9], ["chr1", 960, 1000], ["chrX", 1, 7]]
    assert table.attrs == {"kept": 4, "dropped": {}, "clipped": 1}


# Compartments


@pytest.mark.parametrize(
    "text",
    [
        (
            "Table S5. PC1\t\t\t\t\n\n#Chr\tStart\tEnd\tH1\tnote\tLI\nchr1\t0\t400\t1.5\tA\t-2\n"
            "chr1\t400\t800\t\tB\tNA\nchrX\t400\t800\t1e-3\t\t7\nSource: Hi-C\n"
        ),
        (
            '\ufeffchrom,start,end,H1,note,LI\nchr1,0,400,1.5,"A, or B",-2\nchr1,400,800,,,nan\nchrX,400,800,0.001,,7\n'
            "Source: Hi-C,,,,,\n"
        ),
        (
            '"seqnames"\t"start"\t"end"\t"H1"\t"note"\t"LI"\r\n"chr1"\t0\t400\t1.5\t"A"\t-2\r\n'
            '"chr1"\t400\t800\tNA\t"B"\tNA\r\n"chrX"\t400\t800\t0.001\t"C"\t7\r\n\t\t\tsee text\r\n'
        ),
    ],
)
def test_pc1_is_found_below_its_header_whatever_surrounds_it(tmp_path, text):
    table = readers.read_compartments(write(tmp_path / "pc1.txt", text), TOY)
    assert table.fillna(-9).to_numpy().tolist() == [
        ["chr1", 0, 400, 1.5, -2.0],
        ["chr1", 400, 800, -9, -9],
        ["chrX", 400, 500, 0.001, 7.0],
    ]
    assert list(table) == ["chrom", "start", "end", "H1", "LI"] and (table.dtypes[["H1", "LI"]] == np.float64).all()
    assert table.attrs == {"kept": 3, "dropped": {"no start and end": 1}, "clipped": 1, "ignored": ["note"]}


def test_samples_asked_for_come_alone_and_have_to_hold_numbers(tmp_path):
    path = write(tmp_path / "pc1.tsv", "chrom\tstart\tend\tH1\tLI\tnote\nchr1\t0\t9\t1\t2\tA\nchr1\t9\t18\t3\t4\tB\n")
    table = readers.read_compartments(path, TOY, ["LI"])
    assert list(table) == ["chrom", "start", "end", "LI"] and table.attrs["ignored"] == ["H1", "note"]
    refused("no sample 'GM', found H1, LI, note", readers.read_compartments, path, TOY, ["GM"])
    refused("line 2: note is 'A', not a number", readers.read_compartments, path, TOY, ["note"])


PC1 = "chrom\tstart\tend\tH1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line names a chromosome, a start and an end"),
        ("chrom\tpos\tH1\nchr1\t5\t1\n", "no line names a chromosome, a start and an end"),
        (PC1, "holds no rows"),
        (PC1 + "chr1\t0\t9\t1\nchr1\t9\t18\tlow\n", "line 3: H1 is 'low', not a number"),
        (PC1 + "chr1\t0\t9\tA\n", "no column holds numbers"),
        (PC1 + "chr1\tx\t9\t1\n", "line 2: start is 'x', not a whole number"),
        (PC1 + "chr1\t9\t9\t1\n", "line 2, chr1, is not 0 <= start < end"),
        (PC1 + "chr1\t0\t9\t1\t2\n", "line 2 has 5 fields, the header has 4"),
        (PC1.replace("H1", "H1\tH1") + "chr1\t0\t9\t1\t2\n", "line 1 names a column twice"),
        (PC1 + "chr1\t8\t12\t1\nchr1\t0\t9\t1\n", "line 2, chr1:8-12, overlaps the bin before it"),
        (PC1 + "1\t0\t9\t1\n", "none of 1 rows lies on toy"),
    ],
)
def test_wrong_compartments_are_refused(tmp_path, text, message):
    refused(message, readers.read_compartments, write(tmp_path / "pc1.tsv", text), TOY)


def test_an_excel_sheet_is_read_where_openpyxl_is_there_and_else_says_so(tmp_path, monkeypatch):
    sheet = pd.DataFrame(
        [["Table S5", None, None, None], ["chrom", "start", "end", "H1"], ["chr1", 0, 400, 1.5], ["chrX", 0, 9, None]]
    )

    def as_excel(path, *, engine, **options):
        assert engine == "openpyxl" and options == {"sheet_name": None, "header": None, "dtype": object}
        return {"Legend": pd.DataFrame([["nothing"]]), "PC1": sheet}

    def absent(*args, **options):
        raise ImportError("Missing optional dependency 'openpyxl'")

    def broken(*args, **options):
        raise KeyError("no item named '[Content_Types].xml'")

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    path = tmp_path / "pc1.xlsx"
    path.write_bytes(buffer.getvalue())
    monkeypatch.setattr(pd, "read_excel", as_excel)
    table = readers.read_compartments(path, TOY)
    assert table.fillna(-9).to_numpy().tolist() == [["chr1", 0, 400, 1.5], ["chrX", 0, 9, -9]]
    monkeypatch.setattr(pd, "read_excel", absent)
    refused("an Excel sheet, expected PC1: .*; install openpyxl, or save", readers.read_compartments, path, TOY)
    monkeypatch.setattr(pd, "read_excel", broken)
    refused("not readable as Excel .KeyError", readers.read_compartments, path, TOY)


def test_a_real_excel_sheet_is_read(tmp_path):
    pytest.importorskip("openpyxl")
    table = pd.DataFrame({"chrom": ["chr1", "chrX"], "start": [0, 0], "end": [400, 9], "H1": [1.5, None]})
    table.to_excel(tmp_path / "pc1.xlsx", index=False)
    assert rows(readers.read_compartments(tmp_path / "pc1.xlsx", TOY).fillna(-9)) == [
        ["chr1", 0, 400, 1.5],
        ["chrX", 0, 9, -9],
    ]


# The real files; those of domains are in test_published.py


@pytest.mark.parametrize(("mark", "n_peaks"), [("H3k4me3", 905), ("H3k27ac", 1_173), ("H3k27me3", 440)])
def test_real_peaks_lie_on_their_chromosomes_and_have_summits(mark, n_peaks):
    mirror = Path(os.environ.get("CHROMOLIB_MIRROR", ROOT.parent / "shared" / "mirror"))
    paths = list(mirror.glob(f"*/bioc/PCHiCdata/*/inst/extdata/GMfeatures/*{mark}*.narrowPeak"))
    if not paths:
        pytest.skip("no real data here: set CHROMOLIB_MIRROR to a folder that has the peaks of PCHiCdata")
    peaks = readers.read_peaks(paths[0], HG19)
    assert peaks.attrs == {"kept": n_peaks, "dropped": {}, "clipped": 0}
    assert set(peaks["chrom"]) == {"chr20", "chr21"} and peaks["minus_log10_q"].notna().all()
    assert (peaks["start"] <= peaks["summit"]).all() and (peaks["summit"] < peaks["end"]).all()
