"""FASTQ to depth: the simulated mouse has the same reads as tagAlign; programs that fail or are missing say so in one line."""

from __future__ import annotations

import gzip
import shutil

import numpy as np
import pyBigWig
import pysam
import pytest

from chromolib import align, depth, simulate
from chromolib.config import InputError
from chromolib.genome import Genome, load_genome
from chromolib.profile import load_profile


@pytest.fixture(scope="module")
def mouse(tmp_path_factory):
    """FASTQ, FASTA and tagAlign of one mark of the simulated mouse, and its genome."""
    profile = load_profile("smoke")
    simulate.ensure_raw(profile)
    folder = profile.raw_dir / "mouse"
    own = tmp_path_factory.mktemp("mouse")
    fastq, (fasta,) = folder / "fastq/M01-H3K27ac.fastq.gz", (folder / "genome").glob("*.fa.gz")
    for path in (fastq, fasta):
        shutil.copy(path, own)
    tagalign = folder / "alignments" / fastq.name.replace("fastq", "tagAlign")
    return own / fastq.name, own / fasta.name, tagalign, load_genome(profile.inputs.simulation.mouse.genome)


def bases_of(path, genome):
    with pyBigWig.open(str(path)) as bigwig:
        return np.concatenate([np.nan_to_num(bigwig.values(chrom, 0, size, numpy=True)) for chrom, size in genome.sizes.items()])


@pytest.mark.parametrize("method", ["mem", "aln"])
def test_depth_from_fastq_is_that_of_the_same_reads_as_tagalign(mouse, tmp_path, method):
    """At 100 % of bases when this was written; a read whose end has a wrong base may be cut there by another bwa."""
    fastq, fasta, tagalign, genome = mouse
    counts = align.ensure_depth(fastq, fasta, tmp_path / "ours.bw", genome, method=method)
    expected = depth.ensure(tagalign, tmp_path / "tagalign.bw", genome)
    ours, theirs = bases_of(tmp_path / "ours.bw", genome), bases_of(tmp_path / "tagalign.bw", genome)
    assert counts["kept"] >= 0.999 * expected["kept"] > 30_000
    assert (ours == theirs)[theirs > 0].mean() >= 0.999 and (ours == theirs).mean() >= 0.9999


def test_reads_of_several_files_are_merged_and_what_is_done_is_not_done_again(mouse, tmp_path):
    fastq, fasta, _, genome = mouse
    lines = gzip.decompress(fastq.read_bytes()).splitlines(keepends=True)
    (tmp_path / "a.fastq.gz").write_bytes(gzip.compress(b"".join(lines[:8000])))
    (tmp_path / "b.fastq").write_bytes(b"".join(lines[8000:12_000]))
    path = tmp_path / "out" / "x.bam"
    fastqs = [tmp_path / "a.fastq.gz", tmp_path / "b.fastq"]
    assert align.ensure(fastqs, fasta, path, genome, n_threads=1) == 3000
    with pysam.AlignmentFile(str(path)) as bam:
        assert bam.has_index() and bam.header["HD"]["SO"] == "coordinate"
        assert {read.query_name for read in bam} == {line.decode()[1:].strip() for line in lines[:12_000:4]}
    assert sorted(file.name for file in path.parent.iterdir()) == ["x.bam", "x.bam.bai", "x.bam.json"]
    made, index = path.stat().st_ino, (align.ensure_index(fasta).with_suffix(".bwt")).stat().st_ino
    assert align.ensure(fastqs, fasta, path, genome) == 3000 and path.stat().st_ino == made
    assert align.ensure(fastqs[:1], fasta, path, genome) == 2000 and path.stat().st_ino != made
    assert align.ensure_index(fasta).with_suffix(".bwt").stat().st_ino == index, "the index is made once"


def test_threads_change_no_alignment(mouse, tmp_path):
    fastq, fasta, _, _ = mouse
    found = []
    for n in (1, 2):
        align.ensure(fastq, fasta, tmp_path / f"{n}.bam", n_threads=n)
        with pysam.AlignmentFile(str(tmp_path / f"{n}.bam")) as bam:
            found.append(sorted(read.to_string() for read in bam))
    assert found[0] == found[1]


def test_aligned_reads_are_cut_and_drawn(mouse, tmp_path):
    fastq, fasta, _, genome = mouse
    counts = align.ensure_depth(fastq, fasta, tmp_path / "x.bw", genome, truncate_bp=20, max_reads=1000, seed=3, clip=100)
    assert counts["kept"] == 1000 and bases_of(tmp_path / "x.bw", genome).sum() == pytest.approx(20 * 1000, rel=1e-3)


# Errors

READ = b"@r1\nACGT\n+\nIIII\n"


def test_reads_are_counted_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(align, "_BLOCK_BYTES", 13)
    for content in (READ * 50, READ.replace(b"\n", b"\r\n") * 50, (READ * 50)[:-1], READ * 50 + b"\n"):
        (tmp_path / "x.fastq").write_bytes(content)
        assert align.count_reads(tmp_path / "x.fastq") == 50
    (tmp_path / "x.fastq").write_bytes(READ * 20 + READ.replace(b"IIII", b"III") + READ)
    with pytest.raises(InputError, match="line 84 is 'III'"):
        align.count_reads(tmp_path / "x.fastq")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no reads"),
        (READ + READ[:-8], "it ends within the read that begins at line 5"),
        (READ + b"r2\nACGT\n+\nIIII\n", "line 5 is 'r2', expected reads of four lines"),
        (READ + b"@r2\nACGT\nIIII\n+\n", "line 7 is 'IIII'"),
        (READ + b"@r2\n\n+\n\n", "line 8 is ''"),
        (b">chr1\nACGT\n>chr2\nACGT\n", "line 1 is '>chr1'"),
        (gzip.compress(READ * 500, mtime=0)[:-9], "Truncated"),
    ],
)
def test_damaged_fastq_is_refused_before_anything_is_aligned(mouse, tmp_path, content, message):
    (tmp_path / "x.fastq").write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.fastq: .*{message}.*fetch the file again") as caught:
        align.ensure(tmp_path / "x.fastq", mouse[1], tmp_path / "x.bam")
    assert "\n" not in str(caught.value) and [file.name for file in tmp_path.iterdir()] == ["x.fastq"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty; expected FASTA"),
        (b"ACGT\n", "line 1 does not begin with >"),
        (gzip.compress(b">chr1 first\n" + b"ACGT\n" * 500, mtime=0)[:-9], "Truncated"),
        (b">chr1 first\nACG\n>chr2\nAC\n", r"chr1: found 3 bp, expected 4 bp as in toy; fetch the FASTA of that build"),
        (b">chr1\r\nACGT\r\n>chr2\r\nAC\r\n", r"chr3: found none among chr1, chr2, expected 2 bp as in toy"),
    ],
)
def test_damaged_or_wrong_fasta_is_refused(tmp_path, content, message):
    (tmp_path / "x.fa").write_bytes(content)
    (tmp_path / "x.fastq").write_bytes(READ)
    with pytest.raises(InputError, match=rf"x\.fa: {message}"):
        align.ensure(tmp_path / "x.fastq", tmp_path / "x.fa", tmp_path / "x.bam", Genome("toy", {"chr1": 4, "chr2": 2, "chr3": 2}, {}))


def program(folder, name, script):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("name", ["bwa", "samtools"])
def test_a_missing_program_is_named_with_what_installs_it(mouse, tmp_path, monkeypatch, name):
    program(tmp_path / "bin", {"bwa": "samtools", "samtools": "bwa"}[name], "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(InputError, match=f"^{name}: not found on PATH.*apt-get install bwa samtools; conda: conda install"):
        align.ensure(mouse[0], mouse[1], tmp_path / "x.bam")


@pytest.mark.parametrize(
    ("name", "script", "message"),
    [
        ("bwa", "echo one >&2; echo '[E::main] no memory' >&2; exit 3", r"bwa mem: ended with status 3 and said: \[E::main\] no memory"),
        ("samtools", "echo 'no room left' >&2; exit 1", "samtools sort: ended with status 1 and said: no room left"),
        ("bwa", "kill -9 $$", "bwa mem: ended with status -9 and said: nothing"),
        ("bwa", "{bwa} \"$@\" | sed '$d'", r"x\.bam: holds 30,\d* reads, expected the 30,\d* of"),
    ],
    ids=["bwa fails", "its reader fails", "bwa is killed", "bwa leaves out a read"],
)
def test_a_program_that_fails_is_one_line_and_leaves_nothing(mouse, tmp_path, monkeypatch, name, script, message):
    align.ensure_index(mouse[1])
    program(tmp_path / "bin", name, script.format(bwa=shutil.which("bwa")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(InputError, match=message) as caught:
        align.ensure(mouse[0], mouse[1], tmp_path / "out" / "x.bam")
    assert "\n" not in str(caught.value) and list((tmp_path / "out").iterdir()) == []
