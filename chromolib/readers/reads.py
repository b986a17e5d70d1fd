"""Aligned reads.

In: tagAlign and other BED files, BAM. Out: one row per read, positions in bp, 0-based, end excluded.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pysam

from ..config import InputError
from ..genome import Genome
from .table import blocks_of_lines, checked, open_bytes, reading

Part = tuple[np.ndarray, np.ndarray, np.ndarray]  # of each read: chromosome as index into the genome or -1, start, end

EXPECTED = {"bed": "tagAlign or BED: chrom, start, end, ... without a header", "bam": "BAM"}
_BLOCK_BYTES = 1 << 24  # of text at a time, about half a million reads
_BLOCK_READS = 1 << 20
_ROW = np.dtype([("flag", np.uint16), ("contig", np.int32), ("start", np.int32), ("end", np.int32), ("mapq", np.uint8)])
_FLAGS = {4: "unmapped", 256: "secondary", 2048: "supplementary", 512: "failed quality checks"}  # as SAM's bits say
_DUPLICATE = {1024: "duplicate"}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_NOT_READS = (b"#", b"track", b"browser")  # how lines of BED begin that are for genome browsers
_ALIENS = {
    b"CRAM": "CRAM, expected BAM; turn it into BAM with samtools view -b",
    b"@": "SAM or FASTQ, expected BAM; turn SAM into BAM with samtools view -b, FASTQ with chromolib.align",
    b"\x26\xfc\x8f\x88": "bigWig, which holds a signal, expected reads; name it as a signal",
}  # first bytes -> what it is


@dataclass
class _Tally:
    """What became of the reads of one file."""

    n_reads: int = 0
    n_kept: int = 0
    n_clipped: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    contigs: dict[str, None] = field(default_factory=dict)  # in the order in which they were seen


def read_reads(
    path: Path | Sequence[Path],
    genome: Genome,
    *,
    format: Literal["bed", "bam"] | None = None,
    truncate_bp: int | None = None,
    max_reads: int | None = None,
    seed: int = 0,
    drop_duplicates: bool = False,
    min_mapq: int = 0,
) -> pd.DataFrame:
    """Read aligned reads: tagAlign or any BED file whose first three columns are chrom, start and end, or BAM.

    Rows may come in any order, those of BED with any further columns. Each mate of a pair is a read; one that is spliced
    counts from its first base on the genome to its last.

    Parameters
    ----------
    path : Path or sequence of Path
        Several files, such as replicates, are pooled.
    format : {"bed", "bam"}, optional
        Told from the first bytes where it is not given.
    truncate_bp : int, optional
        Cut reads to so many bases from their left end on the genome, whatever their strand, as the release does (36).
    max_reads : int, optional
        Keep so many reads drawn at random, without replacement, where there are more. Which ones depends on `seed` and
        on the reads, but not on their order or on how they are spread over files.
    drop_duplicates : bool
        Leave out what BAM marks as a duplicate; the release keeps it.
    min_mapq : int
        Leave out reads of BAM whose mapping quality is below; 0 is that of a read that fits several places equally well.

    Returns
    -------
    DataFrame
        chrom (categorical, all chromosomes of `genome`), start, end (int32) of each read; sorted where reads were drawn, else
        in the order of the file. A read that crosses the end of its chromosome is cut there and counted in
        attrs["clipped"]; reads on other contigs, or past the end, are dropped, as are those of BAM that are not primary
        alignments or failed quality checks.

    Raises
    ------
    InputError
        A file is damaged or of another kind or genome, or none of its reads lies on `genome`.

    Source of truncation and drawing: reference code, custom-preprocessing.
    """
    parts, tallies = [], []
    for file in [path] if isinstance(path, str | Path) else path:
        tallies.append(_Tally())
        with reading(file, EXPECTED.get(format, "tagAlign, BED or BAM")):
            kind = format or _kind(file)
            found = _bam(file, genome, drop_duplicates, min_mapq, tallies[-1]) if kind == "bam" else _bed(file, genome, tallies[-1])
            parts += [_fitted(part, genome, truncate_bp, tallies[-1]) for part in found]
        _check_genome(file, genome, tallies[-1])
    code, start, end = (np.concatenate(column) for column in zip(*parts, strict=True))
    del parts
    dropped = sum((tally.dropped for tally in tallies), Counter())
    if max_reads is not None and len(code) > max_reads:
        dropped[f"beyond {max_reads:,} reads drawn at random"] = len(code) - max_reads
        code, start, end = _drawn(code, start, end, max_reads, seed)
    chrom = pd.Categorical.from_codes(code, categories=list(genome.sizes))
    table = checked(pd.DataFrame({"chrom": chrom, "start": start, "end": end}, copy=False), dropped)
    table.attrs["clipped"] = sum(tally.n_clipped for tally in tallies)
    return table


def _fitted(part: Part, genome: Genome, truncate_bp: int | None, tally: _Tally) -> Part:
    """The reads of a part that lie on the genome, cut to `truncate_bp` and at the ends of chromosomes."""
    code, start, end = part
    size = np.array([*genome.sizes.values(), 0], np.int32)[code]  # the last is for -1
    is_inside = start < size
    if truncate_bp is not None:
        # Deviates: bases on the genome count; the release counts those of the read, also the ones its aligner cut off.
        end = start + np.minimum(end - start, np.int32(truncate_bp))
    n_off = int((code < 0).sum())
    tally.n_reads += len(code)
    tally.dropped[f"contig not in {genome.name}"] += n_off
    tally.dropped["past the end of its chromosome"] += int((~is_inside).sum()) - n_off
    if not is_inside.all():
        code, start, end, size = (values[is_inside] for values in (code, start, end, size))
    tally.n_kept += len(code)
    tally.n_clipped += int((end > size).sum())
    return code, start, np.minimum(end, size)


def _check_genome(path: Path, genome: Genome, tally: _Tally) -> None:
    if not tally.n_kept:
        others = ", ".join(f"{count:,} {reason}" for reason, count in tally.dropped.items() if count)
        raise InputError(
            f"{path}: none of {tally.n_reads:,} reads lies on {genome.name} (chromosomes found: "
            f"{', '.join(list(tally.contigs)[:3]) or 'none'}; dropped: {others or 'none'}); expected {next(iter(genome.sizes))} "
            "and the like; is `genome` of the profile right?"
        )


def _drawn(code: np.ndarray, start: np.ndarray, end: np.ndarray, n: int, seed: int) -> Part:
    """`n` reads at random. They are sorted before, so that the same come whatever their order was."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(code)
    per_chrom = rng.multivariate_hypergeometric(counts, n, method="marginals")  # how many of each chromosome
    pairs = []
    for i, (count, n_here) in enumerate(zip(counts, per_chrom, strict=True)):
        is_here = code == i
        all_here = np.sort(start[is_here].astype(np.int64) << 32 | end[is_here])
        pairs.append(all_here[np.sort(rng.choice(count, n_here, replace=False, shuffle=False))])
    pairs = np.concatenate(pairs)
    drawn = np.repeat(np.arange(len(counts)), per_chrom), pairs >> 32, pairs & 0x7FFFFFFF
    return tuple(column.astype(old.dtype) for column, old in zip(drawn, (code, start, end), strict=True))


# Kinds of files


def _kind(path: Path) -> str:
    with open_bytes(path) as file:
        head = file.read(4)
    for first, what in _ALIENS.items():
        if head.startswith(first):
            raise InputError(f"{path}: found {what}")
    return "bam" if head == b"BAM\x01" else "bed"


def _codes(names: Sequence[str], genome: Genome) -> np.ndarray:
    """Index of each chromosome into the genome, or -1."""
    of_genome = {chrom: i for i, chrom in enumerate(genome.sizes)}
    return np.array([of_genome.get(name, -1) for name in names], np.int8 if len(of_genome) < 128 else np.int32)


# BED


def _bed(path: Path, genome: Genome, tally: _Tally) -> Iterator[Part]:
    n_lines, is_first = 0, True
    for block in blocks_of_lines(path, _BLOCK_BYTES):
        if is_first:
            is_first = not _refuse_other_beds(path, block, genome)
        n_here = block.count(b"\n") + (not block.endswith(b"\n"))
        names, code, start, end = _parsed(block, n_here) or _read_by_line(path, block, n_lines, tally)
        tally.contigs.update(dict.fromkeys(names))
        yield _codes(names, genome)[code], start, end
        n_lines += n_here


def _refuse_other_beds(path: Path, block: bytes, genome: Genome) -> bool:
    """Whether the first row lies in this block; an InputError where it is of a format that begins as BED does and holds no reads."""
    row = next((line for line in io.BytesIO(block) if line.strip() and not line.startswith(_NOT_READS)), None)
    fields = [field.decode(errors="replace") for field in (row or b"").rstrip().split(b"\t")]
    if len(fields) == 4 and _NUMBER.fullmatch(fields[3]):
        raise InputError(
            f"{path}: found bedGraph ({' '.join(fields)[:60]}), which holds a signal, expected {EXPECTED['bed']}; turn it into bigWig with UCSC's "
            "bedGraphToBigWig and name it as one, or where the fourth column is the name of a read, cut it off"
        )
    if len(fields) >= 6 and fields[3] in genome.sizes and fields[4].isdigit() and fields[5].isdigit():
        raise InputError(
            f"{path}: found BEDPE ({' '.join(fields)[:60]}), which holds pairs, expected {EXPECTED['bed']}; give the BAM, or one line a read"
        )
    return row is not None


def _parsed(block: bytes, n_lines: int) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray] | None:
    """Contigs, and contig, start and end of each line; None where a line is not like the first one, or wrong."""
    n_columns = block.partition(b"\n")[0].count(b"\t") + 1
    names = [str(i) for i in range(max(n_columns, 3))]
    types = {"0": pa.dictionary(pa.int32(), pa.string()), "1": pa.int32(), "2": pa.int32()}
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block),
            pa.csv.ReadOptions(use_threads=False, column_names=names, block_size=len(block) + 1),
            pa.csv.ParseOptions(delimiter="\t", quote_char=False),
            pa.csv.ConvertOptions(include_columns=list(types), column_types=types, null_values=[]),
        ).combine_chunks()
    except pa.ArrowInvalid:
        return None
    start, end = table["1"].to_numpy(), table["2"].to_numpy()
    if len(start) != n_lines or start.min() < 0 or (end <= start).any():
        return None
    chrom = table["0"].chunk(0)
    return chrom.dictionary.to_pylist(), chrom.indices.to_numpy(), start, end


def _read_by_line(
    path: Path, block: bytes, n_before: int, tally: _Tally
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """As `_parsed`, slowly, for lines that differ in their number of columns; says which line is wrong."""
    contigs, rows = {}, []
    for number, line in enumerate(block.split(b"\n"), start=n_before + 1):
        if not line.strip():
            continue
        if line.startswith(_NOT_READS):
            tally.dropped["header or comment"] += 1
            continue
        chrom, *ends = line.split(b"\t")[:3]
        if len(ends) < 2 or not all(part.strip().isdigit() for part in ends) or not int(ends[0]) < int(ends[1]) < 1 << 31:
            raise InputError(
                f"{path}: line {number:,} is {line.decode(errors='replace')[:60]!r}, expected chrom, start and end with "
                "0 <= start < end, separated by TABs; fetch the file again"
            )
        rows.append((contigs.setdefault(chrom.decode(errors="replace"), len(contigs)), int(ends[0]), int(ends[1])))
    return list(contigs), *np.array(rows, np.int32).reshape(-1, 3).T


# BAM


def _bam(path: Path, genome: Genome, drop_duplicates: bool, min_mapq: int, tally: _Tally) -> Iterator[Part]:
    path.stat()  # pysam calls damaged files missing, too
    verbosity = pysam.set_verbosity(0)  # it would also write lines of its own besides the error
    try:
        with pysam.AlignmentFile(str(path), "rb", check_sq=False) as bam:
            _check_lengths(path, dict(zip(bam.references, bam.lengths, strict=True)), genome)
            code_of = _codes([*bam.references, ""], genome)  # the last is -1, for reads without a contig
            tally.contigs.update(dict.fromkeys(bam.references))
            rows = ((read.flag, read.reference_id, read.reference_start, read.reference_end or 0, read.mapping_quality) for read in bam)
            while len(part := np.fromiter(islice(rows, _BLOCK_READS), _ROW)):
                part = _primary(part, _FLAGS | _DUPLICATE if drop_duplicates else _FLAGS, min_mapq, tally)
                yield code_of[part["contig"]], part["start"], part["end"]
    except OSError:
        raise ValueError("it is cut short or damaged") from None
    finally:
        pysam.set_verbosity(verbosity)


def aligned_reads(path: Path) -> dict[str, int]:
    """Chromosome -> how many reads of a BAM are aligned to it, those that failed quality checks, secondary and supplementary ones too.

    As samtools counts them: from the index beside the file, or where there is none by going through it.
    """
    verbosity = pysam.set_verbosity(0)
    try:
        with reading(path, EXPECTED["bam"]):
            rows = [line.split("\t") for line in pysam.idxstats(str(path)).splitlines()]
    except pysam.SamtoolsError:
        raise InputError(f"{path}: it is cut short or damaged; expected a BAM file; fetch the file again") from None
    finally:
        pysam.set_verbosity(verbosity)
    return {chrom: int(n) for chrom, _, n, _ in rows if chrom != "*"}


def _check_lengths(path: Path, lengths: dict[str, int], genome: Genome) -> None:
    for chrom, size in genome.sizes.items():
        if lengths.get(chrom, size) != size:
            raise InputError(
                f"{path}: {chrom} has {lengths[chrom]:,} bp, expected {size:,} as in {genome.name}; is `genome` of the "
                "profile right?"
            )


def _primary(part: np.ndarray, flags: dict[int, str], min_mapq: int, tally: _Tally) -> np.ndarray:
    """Reads that nothing rules out; each other one counts under the first reason that does."""
    reasons = {reason: part["flag"] & bit > 0 for bit, reason in flags.items()}
    reasons["without a base on the genome"] = part["end"] <= part["start"]
    reasons[f"mapping quality below {min_mapq}"] = part["mapq"] < min_mapq
    is_kept = np.ones(len(part), bool)
    for reason, is_out in reasons.items():
        tally.dropped[reason] += int((is_kept & is_out).sum())
        is_kept &= ~is_out
    tally.n_reads += int((~is_kept).sum())
    return part[is_kept]
