"""Read depth: how many reads lie over a base pair.

In: reads of one experiment, 0-based, end excluded. Out: per-base depth as intervals or bigWig, and its mean per bin.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyBigWig

from . import readers
from .config import InputError
from .files import write_whole
from .genome import Genome, Region

VERSION = 1  # raise it when the same reads give another depth
MAX_WORKERS = 4  # bigWigs read at a time: each holds a chromosome, about 100 bytes an interval
_CHUNK = 1 << 20  # intervals handed to pyBigWig at a time, which wants the chromosome's name with each

Intervals = tuple[np.ndarray, np.ndarray, np.ndarray]  # start, end and depth, or another value, of stretches, in order


def ensure(
    reads_path: Path | Sequence[Path], path: Path, genome: Genome, *, clip: int | None = None, **options: Any
) -> dict[str, Any]:
    """Write the depth of reads as bigWig to `path`; skipped where done before with the same files, genome and options.

    Parameters
    ----------
    reads_path : Path or sequence of Path
        Files of one mark, such as replicates, are pooled.
    clip : int, optional
        The most that depth counts; the release takes 100 for the mouse and for CTCF, none for human marks.
    **options
        Of `readers.read_reads`: format, truncate_bp, max_reads, seed, drop_duplicates, min_mapq.

    Returns
    -------
    dict
        "kept", "clipped" and "dropped" of the reads, as `readers.read_reads` counts them; kept in a .json beside the
        bigWig, with what identifies its input.
    """
    paths = [reads_path] if isinstance(reads_path, str | Path) else list(reads_path)
    made_from = {
        "version": VERSION,
        "files": readers.fingerprint(paths),
        "genome": dict(genome.sizes),
        "options": {name: value for name, value in sorted({"clip": clip, **options}.items()) if value is not None},
    }
    note = path.with_suffix(".json")
    found = read_note(note)
    if found.get("made_from") == made_from and _is_readable(path):
        return found["reads"]
    note.unlink(missing_ok=True)
    reads = readers.read_reads(paths, genome, **options)
    write_bigwig(path, reads, genome, clip=clip)
    note.write_text(json.dumps({"made_from": made_from, "reads": reads.attrs}))
    return reads.attrs


def read_note(note: Path) -> dict[str, Any]:
    """What a step wrote of its input beside its output; empty where it has not ended."""
    try:
        return json.loads(note.read_text())
    except (OSError, ValueError):  # none yet, or a kill cut it short
        return {}


def _is_readable(path: Path) -> bool:
    try:
        return bool(readers.load_bigwig(path).sizes)
    except InputError:
        return False


# Reads to depth


def pile_up(starts: np.ndarray, ends: np.ndarray, *, clip: int | None = None) -> Intervals:
    """Depth of reads on one chromosome: start, end and depth of each stretch of equal depth > 0, in order.

    Neither extended nor shifted, both strands alike: what `bedtools genomecov -bg` gives. Depth above `clip` counts as that.
    """
    # One sort of small integers: twice the position, and 1 more where a read begins.
    event = np.concatenate([np.asarray(ends, np.uint32) * 2, np.asarray(starts, np.uint32) * 2 + 1])
    event.sort()
    position = (event >> 1).astype(np.int32)
    depth = np.cumsum((event & 1).astype(np.int8) * 2 - 1, dtype=np.int32)
    is_last = np.append(position[1:] != position[:-1], True)[: len(position)]  # all events at one position count together
    position, depth = position[is_last], depth[is_last]
    if clip is not None:
        depth = np.minimum(depth, clip)
    is_change = np.insert(depth[1:] != depth[:-1], 0, True)[: len(depth)]
    position, depth = position[is_change], depth[is_change]
    is_covered = depth[:-1] > 0
    return position[:-1][is_covered], position[1:][is_covered], depth[:-1][is_covered]


def write_bigwig(path: Path, reads: pd.DataFrame, genome: Genome, *, clip: int | None = None) -> None:
    """Pile up reads (chrom, start, end) and write their depth as a bigWig, whole or not at all."""
    by_chrom = _by_chrom(reads, sorted(genome.sizes))
    write_intervals(path, ((chrom, pile_up(starts, ends, clip=clip)) for chrom, starts, ends in by_chrom), genome)


def write_intervals(path: Path, by_chrom: Iterable[tuple[str, Intervals]], genome: Genome) -> None:
    """Write intervals of some chromosomes, in the order of their names as text, as a bigWig, whole or not at all.

    With the zoom levels that genome browsers draw from; they take a third of the time and half of the file.
    """

    def write(part: Path) -> None:
        with pyBigWig.open(str(part), "w") as bigwig:
            bigwig.addHeader(sorted(genome.sizes.items()))  # as text: UCSC's tools look a chromosome up by halving
            for chrom, intervals in by_chrom:
                for i in range(0, len(intervals[0]), _CHUNK):
                    start, end, value = (values[i : i + _CHUNK] for values in intervals)
                    bigwig.addEntries([chrom] * len(start), start, ends=end, values=value.astype(float))

    write_whole(path, write)


def _by_chrom(reads: pd.DataFrame, chroms: Sequence[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Starts and ends of the reads of each chromosome that has some."""
    column = reads["chrom"].astype("category").cat
    codes = pd.Index(chroms).get_indexer(column.categories)[column.codes]
    starts, ends = reads["start"].to_numpy(), reads["end"].to_numpy()
    for code, chrom in enumerate(chroms):
        if (is_here := codes == code).any():
            yield chrom, starts[is_here], ends[is_here]


# Depth to bins


def bin_mean(path: Path, regions: Sequence[Region], bin_bp: int) -> np.ndarray:
    """Mean depth, or another signal, of each bin of some regions, from a bigWig.

    Parameters
    ----------
    regions : sequence of Region
        May reach over the end of a chromosome: positions there hold no reads.

    Returns
    -------
    ndarray, (row,), float32
        ceil(width / bin_bp) bins of each region, one region after the other; the last bin of a region averages only the
        positions it has.

    Raises
    ------
    InputError
        The file is damaged, has no such chromosome, or holds values that are negative or infinite.
    """
    bigwig = readers.load_bigwig(path)
    _check_chroms(path, regions, bigwig.sizes)
    return _bin_means(bigwig.intervals, regions, bin_bp)


def _check_chroms(what: Path | str, regions: Sequence[Region], chroms: Collection[str]) -> None:
    if unknown := next((region for region in regions if region.chrom not in chroms), None):
        found = ", ".join(list(chroms)[:3])
        raise InputError(f"{what}: no chromosome {unknown.chrom}, found {found}, ...; is the genome another?")


def bin_means(
    paths: Sequence[Path], regions: Sequence[Region], bin_bp: int, *, n_workers: int | None = None
) -> np.ndarray:
    """`bin_mean` of several bigWigs, (row, m), some at a time in threads: up to four, or `n_workers`."""
    with ThreadPoolExecutor(n_workers or min(n_cores(), MAX_WORKERS)) as pool:  # numpy and zlib, which take the time, let others run
        return np.stack(list(pool.map(lambda path: bin_mean(path, regions, bin_bp), paths)), axis=1)


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def bins_of_segments(segments: pd.DataFrame, regions: Sequence[Region], bin_bp: int) -> np.ndarray:
    """Mean of each bin of some regions over its bases, (row,), float32, of segments (chrom, start, end, value) that do not
    overlap. Bases without a segment count as 0."""
    rows = dict(list(segments.sort_values("start").groupby("chrom")))
    nothing = segments[:0]
    return _bin_means(lambda chrom: tuple(rows.get(chrom, nothing)[["start", "end", "value"]].to_numpy().T), regions, bin_bp)


def _bin_means(intervals: Callable[[str], Intervals], regions: Sequence[Region], bin_bp: int) -> np.ndarray:
    """Mean of each bin of some regions, (row,), from the intervals of their chromosomes, each of which is asked for once."""
    chrom = np.array([region.chrom for region in regions], object)
    start, end = (np.array([getattr(region, name) for region in regions], np.int64) for name in ("start", "end"))
    if (start >= end).any():
        raise ValueError("depth has 0 positions: a region needs start < end")
    n_bins = -(-(end - start) // bin_bp)
    row = np.cumsum(n_bins) - n_bins  # of the first bin of each region
    means = np.zeros(n_bins.sum(), np.float32)
    for name in dict.fromkeys(chrom):
        here = np.flatnonzero(chrom == name)
        k = np.arange(n_bins[here].sum()) - np.repeat(np.cumsum(n_bins[here]) - n_bins[here], n_bins[here])
        left = np.repeat(start[here], n_bins[here]) + k * bin_bp
        right = np.minimum(left + bin_bp, np.repeat(end[here], n_bins[here]))
        total = _total_upto(*intervals(name))
        means[np.repeat(row[here], n_bins[here]) + k] = (total(right) - total(left)) / (right - left)
    return means


def _total_upto(start: np.ndarray, end: np.ndarray, depth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Function that gives the sum of depth over all positions before some, in float64: exact for numbers of reads.

    Where no interval lies between two positions both get the same sum to the last bit, so that bins without reads are 0.
    """
    start, end, depth = (np.concatenate([[0], values]) for values in (start, end, depth))  # the first stands for none yet
    before = np.concatenate([[0.0], np.cumsum((end - start) * depth.astype(float))])[:-1]

    def total(position: np.ndarray) -> np.ndarray:
        last = np.searchsorted(start[1:], position, side="right")  # interval that begins up to there
        return before[last] + (np.minimum(position, end[last]) - start[last]) * depth[last]

    return total


def mean_per_bin(depth: np.ndarray, bin_bp: int) -> np.ndarray:
    """Average per-base depth, (..., position), over bins of `bin_bp` -> (..., l), float32.

    The last bin averages only the positions it has.
    """
    # Deviates: the release stores depth as float16, exact only up to 2048 reads; sums here are of float32 or wider.
    n_bp = depth.shape[-1]
    if n_bp == 0:
        raise ValueError("depth has 0 positions: a region needs start < end")
    first = np.arange(0, n_bp, bin_bp)
    covered_bp = np.minimum(first + bin_bp, n_bp) - first
    # Summed in float64: float16 of the release is exact only up to 2048.
    return (np.add.reduceat(depth, first, axis=-1, dtype=np.float64) / covered_bp).astype(np.float32)
