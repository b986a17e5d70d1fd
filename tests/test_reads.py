"""Aligned reads: rows worked out by hand, laws of drawing, bedtools as a peer, and what a damaged file says."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from chromolib import depth, readers
from chromolib.config import ROOT, InputError
from chromolib.genome import Genome, Region, load_genome
from chromolib.readers import reads as module

from .texts import write

GENOME = Genome("toy", {"chr1": 1000, "chrX": 500}, {"chr1": 1, "chrX": 2})


def rows_of(reads):
    return reads.astype({"chrom": str}).to_numpy().tolist()


# tagAlign, BED


def test_reads_may_be_unsorted_with_further_columns_and_windows_line_ends(tmp_path):
    text = "chrX\t40\t76\tN\t1000\t+\r\nchr1\t10\t46\tN\t1000\t-\textra\r\nchr1\t5\t41\r\n"
    reads = readers.read_reads(write(tmp_path / "r.gz", text, compress=True), GENOME)
    assert rows_of(reads) == [["chrX", 40, 76], ["chr1", 10, 46], ["chr1", 5, 41]]
    assert reads.attrs == {"kept": 3, "dropped": {}, "clipped": 0}


def test_columns_have_the_types_that_genome_wide_files_need(tmp_path):
    reads = readers.read_reads(write(tmp_path / "r.bed", "chr1\t5\t41\nchrX\t5\t41\n"), GENOME)
    assert reads["chrom"].cat.categories.tolist() == ["chr1", "chrX"] and reads["chrom"].cat.codes.dtype == np.int8
    assert reads["start"].dtype == reads["end"].dtype == np.int32


def test_reads_off_the_genome_are_counted_and_those_over_an_end_cut(tmp_path):
    text = "chrUn_1\t0\t36\nchr1\t990\t1026\nchr1\t1000\t1036\nchrX\t464\t500\n"
    reads = readers.read_reads(write(tmp_path / "r.bed", text), GENOME)
    assert reads["end"].tolist() == [1000, 500]
    assert reads.attrs == {
        "kept": 2,
        "dropped": {"contig not in toy": 1, "past the end of its chromosome": 1},
        "clipped": 1,
    }


def test_tag_align_and_named_reads_are_neither_bed_graph_nor_bedpe(tmp_path):
    for row in ("chr1\t5\t41\tN\t1000\t+", "chr1\t5\t41\t1\t1000\t+", "chr1\t5\t41\tread1", "chr1\t5\t41\tchr1\t0\t+"):
        assert rows_of(readers.read_reads(write(tmp_path / "r.bed", row + "\n"), GENOME)) == [["chr1", 5, 41]]


def test_lines_for_browsers_are_no_reads_and_are_counted(tmp_path):
    text = 'track name="x"\nbrowser position chr1\n# reads\nchr1\t5\t41\n\nchr1\t6\t42'
    reads = readers.read_reads(write(tmp_path / "r.bed", text), GENOME)
    assert rows_of(reads) == [["chr1", 5, 41], ["chr1", 6, 42]]
    assert reads.attrs["dropped"] == {"header or comment": 3}


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("end", ["\n", ""])
def test_blocks_that_a_file_is_read_in_change_nothing(tmp_path, monkeypatch, block_bytes, end):
    monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
    rows = [[("chr1", "chrX")[i % 3 == 0], i, i + 36] for i in range(99)]
    text = "\n".join("\t".join(map(str, [*row, "N"][: 3 + i % 2])) for i, row in enumerate(rows)) + end
    assert rows_of(readers.read_reads(write(tmp_path / "r.gz", text, compress=True), GENOME)) == rows
    wrong = text.replace("chr1\t77\t", "chr1\t-7\t")
    with pytest.raises(InputError, match=r"r\.gz: line 78 is 'chr1\\t-7\\t113'|line 78 is 'chr1\\t-7\\t113\\tN'"):
        readers.read_reads(write(tmp_path / "r.gz", wrong, compress=True), GENOME)


def test_gzip_of_several_members_is_read_to_its_end(tmp_path):
    (tmp_path / "r.gz").write_bytes(gzip.compress(b"chr1\t5\t41\n") + gzip.compress(b"chr1\t6\t42\n"))  # as bgzip has it
    assert readers.read_reads(tmp_path / "r.gz", GENOME)["start"].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "none of 0 reads lies on toy"),
        ("chr1\t5\n", r"line 1 is 'chr1\\t5', expected chrom, start and end"),
        ("chr1\t5\t41\nchr1\t5\n", r"line 2 is 'chr1\\t5'"),
        ("chr1\tfive\t41\n", r"line 1 is 'chr1\\tfive\\t41'"),
        ("chr1 5 41\n", "line 1 is 'chr1 5 41', .*separated by TABs"),
        ("chr1\t\t41\n", r"line 1 is 'chr1\\t\\t41'"),
        ("chr1\t5\t3000000000\n", "line 1 "),
        ("chr1\t5\t41\n\nchr1\t41\t41\n", r"line 3 is 'chr1\\t41\\t41', expected .* 0 <= start < end"),
        ("chr1\t5\t41\nchr1\t-1\t41\n", r"line 2 is 'chr1\\t-1\\t41'"),
        ("1\t5\t41\n2\t5\t41\n", r"none of 2 reads lies on toy \(chromosomes found: 1, 2; .*\); expected chr1"),
        ("@SQ\tSN:chr1\tLN:1000\n", "found SAM or FASTQ, expected BAM; .*samtools view -b"),
        ("CRAM\x03\x00", "found CRAM, expected BAM"),
        ("\x7fELF\x02\x01\x01\x00", "line 1 is '.x7fELF"),
        ("track type=bedGraph\nchr1\t5\t41\t0.25\n", r"found bedGraph \(chr1 5 41 0.25\), which holds a signal, .*bedGraphToBigWig"),
        ("chr1\t5\t41\t3\r\n", r"found bedGraph \(chr1 5 41 3\)"),
        ("chr1\t5\t41\tchr1\t90\t126\tpair\t30\t+\t-\n", r"found BEDPE \(chr1 5 41 chr1 90 126 .*one line a read"),
    ],
)
def test_wrong_reads_are_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        readers.read_reads(write(tmp_path / "r.bed", text), GENOME)
    assert str(tmp_path / "r.bed") in str(caught.value) and "\n" not in str(caught.value)


def test_a_truncated_or_missing_file_of_reads_is_named(tmp_path):
    whole = gzip.compress(b"chr1\t5\t41\n" * 1000)
    for kept in (len(whole) // 2, len(whole) - 1):
        (tmp_path / "r.gz").write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"r\.gz: .*fetch the file again"):
            readers.read_reads(tmp_path / "r.gz", GENOME)
    with pytest.raises(InputError, match=r"none\.gz: no such file"):
        readers.read_reads(tmp_path / "none.gz", GENOME)


# Cut and drawn


def test_reads_are_cut_to_their_leftmost_bases_on_either_strand(tmp_path):
    text = "chr1\t100\t150\tN\t0\t+\nchr1\t100\t150\tN\t0\t-\nchr1\t100\t130\tN\t0\t-\nchr1\t980\t1030\tN\t0\t+\n"
    reads = readers.read_reads(write(tmp_path / "r.bed", text), GENOME, truncate_bp=36)
    assert reads["start"].tolist() == [100, 100, 100, 980] and reads["end"].tolist() == [136, 136, 130, 1000]
    assert reads.attrs["clipped"] == 1


def many(tmp_path, n=3000, seed=0):
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 460, n)
    table = pd.DataFrame({"chrom": rng.choice(["chr1", "chrX"], n, p=[0.8, 0.2]), "start": start, "end": start + rng.integers(20, 40, n)})
    table.to_csv(tmp_path / "r.bed", sep="\t", header=False, index=False)
    return tmp_path / "r.bed", table


def test_drawn_reads_are_some_of_the_reads_whatever_their_order_and_files(tmp_path):
    path, table = many(tmp_path)
    drawn = readers.read_reads(path, GENOME, max_reads=1000, seed=1)
    assert drawn.attrs == {"kept": 1000, "dropped": {"beyond 1,000 reads drawn at random": 2000}, "clipped": 0}
    counts = table.value_counts()
    assert all(counts[tuple(row)] >= n for row, n in drawn.astype({"chrom": str}).value_counts().items())
    mixed = table.sample(frac=1, random_state=0)
    mixed[:700].to_csv(tmp_path / "a.bed", sep="\t", header=False, index=False)
    mixed[700:].to_csv(tmp_path / "b.bed", sep="\t", header=False, index=False)
    again = readers.read_reads([tmp_path / "b.bed", tmp_path / "a.bed"], GENOME, max_reads=1000, seed=1)
    pd.testing.assert_frame_equal(again, drawn)
    other = readers.read_reads(path, GENOME, max_reads=1000, seed=2)
    assert other.to_numpy().tolist() != drawn.to_numpy().tolist()


def test_no_more_reads_than_there_are_are_drawn(tmp_path):
    path, table = many(tmp_path, n=50)
    for max_reads in (50, 51):
        reads = readers.read_reads(path, GENOME, max_reads=max_reads)
        assert rows_of(reads) == table.to_numpy().tolist() and reads.attrs["dropped"] == {}


def test_each_read_is_drawn_as_often_as_any_other():
    code, start = np.repeat([0, 1], [30, 10]).astype(np.int8), np.arange(40, dtype=np.int32)
    hits = np.zeros(40)
    for seed in range(2000):
        _, drawn, _ = module._drawn(code, start, start + 1, 10, seed)
        assert len(set(drawn.tolist())) == 10
        hits[drawn] += 1
    expected, sd = 2000 / 4, np.sqrt(2000 * 0.25 * 0.75)
    assert np.abs(hits - expected).max() < 4.5 * sd


# BAM


def make_bam(path, rows, sizes=GENOME.sizes):
    """Rows of (flag, contig or None, start, CIGAR) and perhaps the mapping quality."""
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": name, "LN": size} for name, size in sizes.items()]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as bam:
        for i, (flag, contig, start, cigar, *mapq) in enumerate(rows):
            read = pysam.AlignedSegment(bam.header)
            read.query_name, read.flag, read.mapping_quality = f"r{i}", flag, *(mapq or [0])
            if contig is not None:
                read.reference_name, read.reference_start, read.cigarstring = contig, start, cigar
            n = read.infer_query_length() or 36
            read.query_sequence, read.query_qualities = "A" * n, pysam.qualitystring_to_array("I" * n)
            bam.write(read)
    return path


BAM_ROWS = [
    (0, "chr1", 10, "36M"), (16, "chrX", 20, "50M"), (4, None, 0, None), (256, "chr1", 10, "36M"), (2064, "chr1", 10, "36M"),
    (512, "chr1", 10, "36M"), (1024, "chr1", 30, "36M"), (0, "chrUn", 5, "36M"), (0, "chr1", 980, "36M"),
    (0, "chr1", 40, "4S20M2D10M5S"), (260, None, 0, None), (0, "chr1", 60, None),
]  # fmt: skip
BAM_SIZES = {"chrUn": 100, "chrX": 500, "chr1": 1000}


def test_bam_keeps_primary_alignments_and_counts_the_others_by_reason(tmp_path):
    reads = readers.read_reads(make_bam(tmp_path / "r.bam", BAM_ROWS, BAM_SIZES), GENOME)
    assert rows_of(reads) == [["chr1", 10, 46], ["chrX", 20, 70], ["chr1", 30, 66], ["chr1", 980, 1000], ["chr1", 40, 72]]
    assert reads.attrs == {
        "kept": 5, "clipped": 1,
        "dropped": {
            "unmapped": 2, "secondary": 1, "supplementary": 1, "failed quality checks": 1, "without a base on the genome": 1,
            "contig not in toy": 1,
        },
    }  # fmt: skip


def test_duplicates_stay_unless_they_are_not_wanted(tmp_path):
    path = make_bam(tmp_path / "r.bam", BAM_ROWS, BAM_SIZES)
    reads = readers.read_reads(path, GENOME, drop_duplicates=True, truncate_bp=36)
    assert reads["start"].tolist() == [10, 20, 980, 40] and reads["end"].tolist() == [46, 56, 1000, 72]
    assert reads.attrs["dropped"]["duplicate"] == 1


def test_reads_of_low_mapping_quality_stay_unless_a_limit_is_given(tmp_path):
    rows = [(0, "chr1", start, "36M", mapq) for start, mapq in ((10, 0), (20, 9), (30, 10), (40, 255))] + [(1024, "chr1", 50, "36M", 0)]
    path = make_bam(tmp_path / "r.bam", rows)
    assert readers.read_reads(path, GENOME)["start"].tolist() == [10, 20, 30, 40, 50]
    reads = readers.read_reads(path, GENOME, min_mapq=10, drop_duplicates=True)
    assert reads["start"].tolist() == [30, 40]
    assert reads.attrs["dropped"] == {"duplicate": 1, "mapping quality below 10": 2}


def test_blocks_that_bam_is_read_in_change_nothing(tmp_path, monkeypatch):
    path = make_bam(tmp_path / "r.bam", BAM_ROWS, BAM_SIZES)
    whole = readers.read_reads(path, GENOME)
    monkeypatch.setattr(module, "_BLOCK_READS", 2)
    pd.testing.assert_frame_equal(readers.read_reads(path, GENOME), whole)
    assert readers.read_reads(path, GENOME).attrs == whole.attrs


def test_bam_of_another_genome_or_with_nothing_on_it_is_refused(tmp_path):
    path = make_bam(tmp_path / "r.bam", [(0, "chr1", 10, "36M")], {"chr1": 900})
    with pytest.raises(InputError, match=r"r\.bam: chr1 has 900 bp, expected 1,000 as in toy; is `genome`"):
        readers.read_reads(path, GENOME)
    path = make_bam(tmp_path / "r.bam", [(4, None, 0, None), (0, "1", 10, "36M")], {"1": 1000})
    with pytest.raises(InputError, match=r"none of 2 reads lies on toy \(chromosomes found: 1; dropped: 1 unmapped, 1 contig"):
        readers.read_reads(path, GENOME)


def test_damaged_bam_is_one_line(tmp_path, capfd):
    rows = [(0, "chr1", i % 900, "36M") for i in range(5000)]
    whole = make_bam(tmp_path / "r.bam", rows).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    for damaged in (whole[: len(whole) // 2], whole[:-28], whole[:40], bytes(flipped), gzip.compress(b"BAM\x01")):
        (tmp_path / "r.bam").write_bytes(damaged)
        with pytest.raises(InputError, match=r"r\.bam: .*fetch the file again") as caught:
            readers.read_reads(tmp_path / "r.bam", GENOME)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"r\.bed: .*expected BAM"):
        readers.read_reads(write(tmp_path / "r.bed", "chr1\t5\t41\n"), GENOME, format="bam")
    assert capfd.readouterr().err == "", "htslib writes lines of its own"


@pytest.fixture(scope="module")
def hues64():
    """Real reads of HUES64 cells around 30 peaks, with MACS's fold enrichment there; from a mirror, never downloaded."""
    mirror = Path(os.environ.get("CHROMOLIB_MIRROR") or ROOT.parent / "shared" / "mirror")
    folder = next(mirror.glob("raw.githubusercontent.com/jrboyd/seqtsne/*/inst/extdata"), None)
    if folder is None:
        pytest.skip("no real data here: set CHROMOLIB_MIRROR to a folder that has them")
    return folder


@pytest.mark.parametrize(("mark", "kept", "secondary"), [("H3K4me3", 1775, 46), ("H3K27me3", 1081, 53)])
def test_real_bam_has_the_reads_of_bedtools_and_the_fold_change_beside_it_follows_them(hues64, tmp_path, mark, kept, secondary):
    path, hg19 = hues64 / f"HUES64_{mark}_pooled.sorted.bam", load_genome("hg19")
    reads = readers.read_reads(path, hg19)
    assert reads.attrs == {"kept": kept, "dropped": {"secondary": secondary}, "clipped": 0}
    pysam.view("-b", "-F", "256", "-o", str(tmp_path / "primary.bam"), str(path), catch_stdout=False)
    bed = subprocess.run(["bedtools", "bamtobed", "-i", str(tmp_path / "primary.bam")], capture_output=True, text=True, check=True)
    assert [[chrom, str(start), str(end)] for chrom, start, end in rows_of(reads)] == [line.split("\t")[:3] for line in bed.stdout.splitlines()]

    bigwig = readers.load_bigwig(hues64 / f"HUES64_{mark}_pooled_FE.bw")
    starts = {chrom: bigwig.intervals(chrom)[0] for chrom in bigwig.sizes}  # bins of 100 bp, 50 to a window
    windows = [Region(chrom, int(s), int(s) + 5000) for chrom, start in starts.items() for s in start[::50]]
    depth.ensure(path, tmp_path / "ours.bw", hg19)
    fold_change, ours = depth.bin_mean(bigwig.path, windows, 200), depth.bin_mean(tmp_path / "ours.bw", windows, 200)
    assert len(windows) == 30 and np.corrcoef(fold_change, ours)[0, 1] > 0.85
