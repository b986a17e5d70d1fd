"""Sequenced reads to alignments, by bwa and samtools.

In: FASTQ of single reads and the genome's FASTA, gzip or not. Out: a sorted BAM with its index; depth of its reads in reads
over a base pair.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from . import depth, readers
from .config import InputError
from .files import hold, scratch, whole_folder
from .genome import Genome

VERSION = 1  # raise it when the same reads give other alignments
READ_BP = 36  # the release cuts aligned reads to this
MAX_READS = 30_000_000  # the release's script keeps so many at most; the paper's text says 3 million
_BLOCK_BYTES = 1 << 24
_SORT_MEMORY = "512M"  # of each thread of samtools
_CHUNK_BP = "100000000"  # bases that bwa mem takes at a time, so that the number of threads changes nothing


def ensure_depth(
    fastq: Path | Sequence[Path],
    fasta: Path,
    path: Path,
    genome: Genome,
    *,
    method: Literal["mem", "aln"] = "mem",
    index: Path | None = None,
    truncate_bp: int | None = READ_BP,
    max_reads: int | None = MAX_READS,
    seed: int = 0,
    clip: int | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Align reads and write their depth as bigWig to `path`; each step is skipped where done before with the same input.

    The alignments stay beside it, as .bam. As in the release, aligned reads are cut to their 36 leftmost bases on the genome,
    and at most 30 million of them are drawn at random (its script; the paper's text says 3 million). `clip`: the release
    takes 100 here. Other options are those of `readers.read_reads`.

    Returns
    -------
    dict
        As `depth.ensure`.

    Raises
    ------
    InputError
        As `ensure`.

    Source: paper, Methods; reference code, custom-preprocessing.
    """
    bam = path.with_suffix(".bam")
    ensure(fastq, fasta, bam, genome, method=method, index=index)
    return depth.ensure(
        bam, path, genome, clip=clip, format="bam", truncate_bp=truncate_bp, max_reads=max_reads, seed=seed, **options
    )


def ensure(
    fastq: Path | Sequence[Path],
    fasta: Path,
    path: Path,
    genome: Genome | None = None,
    *,
    method: Literal["mem", "aln"] = "mem",
    n_threads: int | None = None,
    index: Path | None = None,
) -> int:
    """Align single reads to a genome: BAM sorted by position at `path`, its index beside it; skipped where done before.

    Parameters
    ----------
    fastq : Path or sequence of Path
        Several files, such as lanes or replicates, are merged.
    fasta : Path
        The genome; bwa's index of it is made once and kept in the folder `index`.
    genome : Genome, optional
        What the FASTA must hold, at least.
    method : {"mem", "aln"}
        bwa's algorithm: mem, which the release uses, or aln, made for reads of less than 70 bp.
    n_threads : int, optional
        As many as there are cores, where it is not given. Changes nothing but the time.
    index : Path, optional
        <FASTA>.bwa beside the FASTA, where it is not given.

    Returns
    -------
    int
        Reads, aligned or not.

    Raises
    ------
    InputError
        A file is missing, damaged or of another genome, or a program is missing, failed or did not take all reads.
    """
    check_programs()
    fastqs = [fastq] if isinstance(fastq, str | Path) else list(fastq)
    made_from = {"version": VERSION, "files": readers.fingerprint([*fastqs, fasta]), "method": method}
    note = path.with_name(f"{path.name}.json")
    found = depth.read_note(note)
    if found.get("made_from") == made_from and path.exists():
        return found["reads"]
    note.unlink(missing_ok=True)
    n_reads = sum(count_reads(file) for file in fastqs)
    _check_sequences(fasta, genome)
    threads = str(n_threads or depth.n_cores())
    prefix = ensure_index(fasta, index)
    with scratch(path) as temporary:
        bam = _aligned(fastqs, prefix, method, threads, temporary)
        if (n_found := int(_run(["samtools", "view", "-c", "-F", "0x900", str(bam)]))) != n_reads:
            raise InputError(f"{path}: holds {n_found:,} reads, expected the {n_reads:,} of {fastqs[0].name}; fetch the FASTQ again")
        _run(["samtools", "index", str(bam)])
        os.replace(f"{bam}.bai", f"{path}.bai")
        os.replace(bam, path)
    note.write_text(json.dumps({"made_from": made_from, "reads": n_reads}))
    return n_reads


def check_programs() -> None:
    """An InputError where bwa or samtools is not installed."""
    for program in ("bwa", "samtools"):
        if shutil.which(program) is None:
            raise InputError(
                f"{program}: not found on PATH, expected it there; install it (apt: sudo apt-get install bwa samtools; conda: "
                "conda install -c conda-forge -c bioconda bwa samtools)"
            )


def _aligned(fastqs: Sequence[Path], index: Path, method: str, threads: str, folder: Path) -> Path:
    """A sorted BAM in `folder` with the reads of all files."""
    parts = [folder / f"{i}.bam" for i in range(len(fastqs))]
    for fastq, part in zip(fastqs, parts, strict=True):
        sort = ["samtools", "sort", "-@", threads, "-m", _SORT_MEMORY, "-T", str(part.with_suffix("")), "-o", str(part), "-"]
        if method == "mem":
            _run(["bwa", "mem", "-t", threads, "-K", _CHUNK_BP, str(index), str(fastq)], sort)
        else:
            found = part.with_suffix(".sai")
            _run(["bwa", "aln", "-t", threads, "-f", str(found), str(index), str(fastq)])
            _run(["bwa", "samse", str(index), str(found), str(fastq)], sort)
    if len(parts) == 1:
        return parts[0]
    merged = folder / "merged.bam"
    _run(["samtools", "merge", "-@", threads, str(merged), *map(str, parts)])
    return merged


def ensure_index(fasta: Path, folder: Path | None = None) -> Path:
    """bwa's index of a genome in a folder, <FASTA>.bwa beside it where none is given; made where missing or of another file; its prefix.

    One process makes it, others wait. It takes about an hour for a mammal, and 5 GB.
    """
    folder = folder or fasta.with_name(f"{fasta.name}.bwa")
    made_from = {"files": readers.fingerprint([fasta])}
    with hold(folder.with_suffix(".lock")):
        if depth.read_note(folder / "made_from.json") != made_from:
            with whole_folder(folder) as new:
                _run(["bwa", "index", "-p", str(new / "genome"), str(fasta)])
                (new / "made_from.json").write_text(json.dumps(made_from))
    return folder / "genome"


def _run(*commands: list[str]) -> str:
    """Run programs, each of which reads what the one before it writes; what the last one writes, if not to a file.

    The error of one that fails is the last line that it says: of the first, but one whose reader has gone is not to blame.
    """
    with tempfile.TemporaryDirectory() as folder:
        running: list[subprocess.Popen] = []
        for i, command in enumerate(commands):
            with open(Path(folder) / str(i), "w") as said:
                source = running[-1].stdout if running else subprocess.DEVNULL
                running.append(subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, stderr=said))
            if source is not subprocess.DEVNULL:
                source.close()  # the reader's now, so that the writer learns when it ends
        output = running[-1].communicate()[0].decode()
        failed = [(i, status) for i, status in enumerate(process.wait() for process in running) if status]
        for i, status in sorted(failed, key=lambda pair: pair[1] == -signal.SIGPIPE)[:1]:
            lines = [line.strip() for line in (Path(folder) / str(i)).read_text(errors="replace").splitlines() if line.strip()]
            raise InputError(
                f"{' '.join(commands[i][:2])}: ended with status {status} and said: {lines[-1] if lines else 'nothing'}; see to its "
                "input and to room in memory and on the disk, and start again"
            )
    return output


# Inputs: bwa takes a file that is cut short for a whole one


def _check_sequences(fasta: Path, genome: Genome | None) -> None:
    with readers.reading(fasta, "FASTA"):
        lengths = sequence_lengths(fasta)
    for chrom, size in (genome.sizes if genome else {}).items():
        if lengths.get(chrom) != size:
            found = f"{lengths[chrom]:,} bp" if chrom in lengths else f"none among {', '.join(list(lengths)[:3])}"
            raise InputError(
                f"{fasta}: {chrom}: found {found}, expected {size:,} bp as in {genome.name}; fetch the FASTA of that build, or "
                "correct `genome` of the profile"
            )


def sequence_lengths(fasta: Path) -> dict[str, int]:
    """Length in bp of each sequence of a FASTA. Raises ValueError where it is none."""
    lengths, name = {}, None
    for block in readers.blocks_of_lines(fasta, _BLOCK_BYTES):
        more, *entries = (b"\n" + block).split(b"\n>")
        if name is None and more.strip():
            raise ValueError("line 1 does not begin with >")
        for header, _, bases in [(b"", b"", more), *(entry.partition(b"\n") for entry in entries)]:
            name = header.split()[0].decode(errors="replace") if header.strip() else name
            if name is not None:
                lengths[name] = lengths.get(name, 0) + len(bases) - bases.count(b"\n") - bases.count(b"\r")
    if not lengths:
        raise ValueError("it is empty")
    return lengths


def count_reads(fastq: Path) -> int:
    """Reads of a FASTQ, each of which has four lines; all of them are looked at.

    Raises
    ------
    InputError
        The file is damaged, has no read, or a read has another form: the line is named.
    """
    n_reads, rest = 0, b""
    with readers.reading(fastq, "FASTQ"):
        for lines in readers.blocks_of_lines(fastq, _BLOCK_BYTES):
            block = rest + lines + (b"" if lines.endswith(b"\n") else b"\n")
            ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
            n = len(ends) // 4
            if n:
                _check_records(fastq, block, ends[: 4 * n].reshape(n, 4), 4 * n_reads)
            rest = block[ends[4 * n - 1] + 1 :] if n else block
            n_reads += n
        if rest.strip():
            raise ValueError(f"it ends within the read that begins at line {4 * n_reads + 1:,}")
        if not n_reads:
            raise ValueError("it has no reads")
    return n_reads


def _check_records(fastq: Path, block: bytes, ends: np.ndarray, n_before: int) -> None:
    """`ends`: (read, 4), where the lines of a block end; `n_before`: lines before it."""
    text = np.frombuffer(block, np.uint8)
    starts = np.append(0, ends.ravel()[:-1] + 1).reshape(-1, 4)
    width = ends - starts
    wrong = np.zeros(ends.shape, bool)
    wrong[:, 0] = text[starts[:, 0]] != ord("@")
    wrong[:, 2] = text[starts[:, 2]] != ord("+")
    wrong[:, 3] = (width[:, 3] != width[:, 1]) | (width[:, 1] == 0)
    if wrong.any():
        i = int(wrong.argmax())
        line = block[starts.ravel()[i] : ends.ravel()[i]].decode(errors="replace")[:60]
        raise InputError(
            f"{fastq}: line {n_before + i + 1:,} is {line!r}, expected reads of four lines each: @name, bases, +, as many "
            "qualities; fetch the file again"
        )
