"""Read depth: how many reads lie over a base pair.

In: reads of one experiment, 0-based, end excluded. Out: per-base depth as intervals or bigWig, and its mean per bin.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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


def ensure(reads_path: Path, path: Path, genome: Genome) -> dict[str, Any]:
    """Write the depth of a file of reads as bigWig to `path`; skipped where done before with the same file and genome.

    Returns
    -------
    dict
        "kept", "clipped" and "dropped" of the reads, as `readers.read_reads` counts them; kept in a .json beside the
        bigWig, with what identifies its input.
    """
    stat = readers.stat(reads_path)
    made_from = {"version": VERSION, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "genome": dict(genome.sizes)}
    note = path.with_suffix(".json")
    found = _read_note(note)
    if found.get("made_from") == made_from and path.exists():
        return found["reads"]
    note.unlink(missing_ok=True)
    reads = readers.read_reads(reads_path, genome)
    write_bigwig(path, reads, genome)
    note.write_text(json.dumps({"made_from": made_from, "reads": reads.attrs}))
    return reads.attrs


def _read_note(note: Path) -> dict[str, Any]:
    try:
        return json.loads(note.read_text())
    except (OSError, ValueError):  # none yet, or a kill cut it short
        return {}


def pile_up(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth of reads on one chromosome: start, end and depth of each stretch of equal depth > 0, in order.

    Neither extended nor shifted, both strands alike: what `bedtools genomecov -bg` gives.
    """
    position = np.concatenate([starts, ends])
    step = np.concatenate([np.ones(len(starts), np.int64), -np.ones(len(ends), np.int64)])
    order = np.argsort(position, kind="stable")
    position, depth = position[order], np.cumsum(step[order])
    is_last = np.append(position[1:] != position[:-1], True)  # all steps at one position count together
    position, depth = position[is_last], depth[is_last]
    is_change = np.insert(depth[1:] != depth[:-1], 0, True)[: len(depth)]
    position, depth = position[is_change], depth[is_change]
    is_covered = depth[:-1] > 0
    return position[:-1][is_covered], position[1:][is_covered], depth[:-1][is_covered]


def write_bigwig(path: Path, reads: pd.DataFrame, genome: Genome) -> None:
    """Pile up reads (chrom, start, end) and write their depth as a bigWig, whole or not at all."""
    by_chrom = dict(list(reads.groupby("chrom", observed=True, sort=False)[["start", "end"]]))

    def write(part: Path) -> None:
        with pyBigWig.open(str(part), "w") as bigwig:
            bigwig.addHeader(list(genome.sizes.items()))
            for chrom in (chrom for chrom in genome.sizes if chrom in by_chrom):
                starts, ends, depth = pile_up(by_chrom[chrom]["start"].to_numpy(), by_chrom[chrom]["end"].to_numpy())
                bigwig.addEntries([chrom] * len(starts), starts, ends=ends, values=depth.astype(float))

    write_whole(path, write)


def bin_mean(path: Path, regions: Sequence[Region], bin_bp: int) -> np.ndarray:
    """Mean depth of each bin of some regions, from a bigWig.

    Parameters
    ----------
    regions : sequence of Region
        May reach over the end of a chromosome: positions there hold no reads.

    Returns
    -------
    ndarray, (row,), float32
        ceil(width / bin_bp) bins of each region, one region after the other; the last bin of a region averages only the
        positions it has.
    """
    with open_bigwig(path) as bigwig:
        sizes = bigwig.chroms()
        if unknown := next((region for region in regions if region.chrom not in sizes), None):
            found = ", ".join(list(sizes)[:3])
            raise InputError(f"{path}: no chromosome {unknown.chrom}, found {found}, ...; is the genome another?")
        rows = [mean_per_bin(_values(bigwig, region, sizes[region.chrom]), bin_bp) for region in regions]
    return np.concatenate(rows) if rows else np.empty(0, np.float32)


def open_bigwig(path: Path):
    """A bigWig of pyBigWig's, to be used in a with block; an InputError where the file is none."""
    try:
        return pyBigWig.open(str(path))
    except RuntimeError:
        raise InputError(f"{path}: not readable as bigWig; delete it and run `chromolib preprocess`") from None


def _values(bigwig, region: Region, size: int) -> np.ndarray:
    """Depth of each position of a region, 0 where there are no reads or no chromosome."""
    depth = np.zeros(region.width, np.float32)
    start, end = max(region.start, 0), min(region.end, size)
    if start < end:
        values = bigwig.values(region.chrom, start, end, numpy=True)
        depth[start - region.start : end - region.start] = np.nan_to_num(values)  # nan: no reads
    return depth


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
