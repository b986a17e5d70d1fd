"""Reads to depth on disk to bins, ours against the paper's route, on the chromosomes of a genome.

    python benchmarks/preprocess.py [--reads 10000000] [--large 30000000] [--genes 18955] [--pcres 60000] [--genome hg19]
                                   [--scratch FOLDER]

Reads are drawn here, three in ten of them in peaks, and written as gzip tagAlign in no order; this is not counted. Ours reads
them and writes a bigWig with zoom levels. The paper's route is `sort`, `bedtools genomecov -bga`, an interval after the other
into an array of float16 for each chromosome, and a compressed .npz, as in the release; its detour over BAM and its sort of the
intervals are left out. A second line does the arrays without a loop and does not compress. Both sides must agree at every base.
Each is a process of its own; memory is the larger of its own peak and that of the programs that it starts.
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import report

from chromolib import InputError, depth, readers
from chromolib.config import MARKS
from chromolib.genome import Genome, Region, load_genome

READ_BP, WINDOW_BP, BIN_BP = 36, 40_000, 100
N_PEAKS, IN_PEAKS, PEAK_BP = 60_000, 0.3, 600
PCRE_BP, PCRE_SPREAD = 5314, 0.56  # median and spread on the logarithmic scale of the release's 580 demo pairs
CHUNK = 1_000_000


class Cost(NamedTuple):
    """What something took, its programs included."""

    seconds: float
    mb: float


def draw_places(genome: Genome, n: int, rng: np.random.Generator, width: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Chromosome (as index) and start of `n` places all over a genome."""
    sizes = np.array(list(genome.sizes.values()))
    starts = np.cumsum(sizes) - sizes  # of each chromosome, were they one
    at = rng.integers(0, sizes.sum(), n)
    code = np.searchsorted(starts, at, side="right") - 1
    return code, np.minimum(at - starts[code], sizes[code] - width)


def write_reads(path: Path, genome: Genome, n: int, seed: int) -> None:
    """A tagAlign of `n` reads, without keeping them all in memory."""
    rng = np.random.default_rng(seed)
    peak_code, peak_start = draw_places(genome, N_PEAKS, rng, 10 * PEAK_BP)
    sizes, names, strands = np.array(list(genome.sizes.values())), pa.array(list(genome.sizes)), pa.array(["+", "-"])
    options = pa.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with gzip.open(path, "wb", compresslevel=6) as file:
        for first in range(0, n, CHUNK):
            n_here = min(CHUNK, n - first)
            code, start = draw_places(genome, n_here, rng, READ_BP)
            of = np.where(rng.random(n_here) < IN_PEAKS, rng.integers(0, N_PEAKS, n_here), -1)
            code = np.where(of < 0, code, peak_code[of])
            start = np.where(of < 0, start, peak_start[of] + rng.normal(0, PEAK_BP, n_here).astype(int))
            start = np.clip(start, 0, sizes[code] - READ_BP)
            columns = {"chrom": names.take(pa.array(code)), "start": start, "end": start + READ_BP, "name": ["N"] * n_here,
                       "score": np.full(n_here, 1000), "strand": strands.take(pa.array(rng.integers(0, 2, n_here)))}  # fmt: skip
            pa.csv.write_csv(pa.table(columns), file, options)


def draw_regions(genome: Genome, n_genes: int, n_pcres: int, seed: int) -> list[Region]:
    """A window for each gene, and pCREs as wide as those of the release's demo."""
    rng, names = np.random.default_rng(seed), list(genome.sizes)
    pcre_bp = np.clip(np.exp(rng.normal(np.log(PCRE_BP), PCRE_SPREAD, n_pcres)), 600, WINDOW_BP).astype(int)
    width = np.concatenate([np.full(n_genes, WINDOW_BP), pcre_bp])
    code, start = draw_places(genome, len(width), rng, width)
    return [Region(names[c], s, s + w) for c, s, w in zip(code.tolist(), start.tolist(), width.tolist(), strict=True)]


# What is measured, each in a process of its own


def measured(call: Callable[[], object], n_cores: int | None = None) -> Cost:
    """Wall-clock seconds of a call and the peak memory of this process or of the programs it started, on so many cores."""
    if n_cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])
    peak = report.Peak()
    peak.start()
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    return Cost(seconds, max(peak.total_mb, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / report.MB))


def ours(reads: Path, bigwig: Path, genome: Genome, n_cores: int | None = None) -> Cost:
    return measured(lambda: depth.ensure(reads, bigwig, genome), n_cores)


def bins(paths: list[Path], genome: Genome, n_genes: int, n_pcres: int, n_cores: int) -> Cost:
    regions = draw_regions(genome, n_genes, n_pcres, seed=1)
    return measured(lambda: depth.bin_means(paths, regions, BIN_BP, n_workers=n_cores), n_cores)


def paper(reads: Path, folder: Path, genome: Genome, *, has_loop: bool) -> Cost:
    """The paper's route to folder/depth.npz."""

    def run() -> None:
        (folder / "sizes").write_text("".join(f"{chrom}\t{size}\n" for chrom, size in genome.sizes.items()))
        for command in (
            f"gzip -dc {reads} | LC_ALL=C sort -k1,1 -k2,2n -T {folder} > {folder}/sorted.bed",
            f"bedtools genomecov -bga -i {folder}/sorted.bed -g {folder}/sizes > {folder}/depth.bedGraph",
        ):
            subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)
        table = pd.read_csv(folder / "depth.bedGraph", sep="\t", names=["chrom", "start", "end", "depth"])
        if has_loop:
            arrays = {chrom: np.zeros(size, np.float16) for chrom, size in genome.sizes.items()}
            for row in table.to_records():
                arrays[row.chrom][row.start : row.end] = row.depth
            np.savez_compressed(folder / "depth.npz", **arrays)
        else:
            groups = table.groupby("chrom", sort=False)
            np.savez(folder / "depth.npz", **{chrom: dense(rows["start"], rows["end"], rows["depth"], 0) for chrom, rows in groups})

    return measured(run)


def dense(start: np.ndarray, end: np.ndarray, value: np.ndarray, size: int) -> np.ndarray:
    """Value of each base, float16, from intervals in order; 0 between them and from the last one up to `size`."""
    start, end = np.asarray(start), np.asarray(end)
    gap = start - np.append(0, end[:-1])
    widths = np.append(np.stack([gap, end - start], axis=1).ravel(), max(size - end[-1], 0) if len(end) else size)
    values = np.zeros(len(widths), np.float16)
    values[1:-1:2] = value
    return np.repeat(values, widths)


def check_equal_work(bigwig: Path, npz: Path, genome: Genome) -> None:
    """Raises InputError where the two differ at a base; unequal work has no ratio."""
    found = readers.load_bigwig(bigwig)
    with np.load(npz) as theirs:
        for chrom, size in genome.sizes.items():
            if not np.array_equal(dense(*found.intervals(chrom), size), theirs[chrom]):
                raise InputError(f"{chrom}: our depth differs from bedtools', expected the same at every base")


def main(given: list[str] | None = None) -> None:
    parser = report.parser("preprocess.py", __doc__)
    parser.add_argument("--reads", type=int, default=10_000_000, help="on both sides (10 million)")
    parser.add_argument("--large", type=int, default=30_000_000, help="reads of a large file, ours alone (30 million)")
    parser.add_argument("--genes", type=int, default=18_955, help="windows of 40 kb (18955)")
    parser.add_argument("--pcres", type=int, default=60_000)
    parser.add_argument("--genome", default="hg19", help="a build of data/genomes.yml (hg19)")
    parser.add_argument("--scratch", type=Path, default=None, help="folder for 15 GB that are deleted again (the system's)")
    options = report.options_of(parser, given)
    with tempfile.TemporaryDirectory(prefix="preprocess-", dir=options.scratch) as name:
        rows, zoom = measure(options, Path(name))
    notes = (
        f"One mark of {options.reads:,} reads of 36 bp, then of {options.large:,}, drawn over {options.genome} and written as gzip tagAlign. "
        "Ours: reads to a bigWig with zoom levels, which are "
        f"{zoom:.0%} of its bytes. Paper's route (column release): sort, `bedtools genomecov -bga`, the bedGraph into float16 arrays "
        "in the release's loop, compressed .npz; without the loop: arrays at once, not compressed. Depth is equal at every base. "
        f"Bins: {options.genes:,} windows of 40 kb and {options.pcres:,} pCREs, median {PCRE_BP:,} bp, of {len(MARKS)} bigWigs of the "
        "large file, in bins of 100 bp, by two threads. Memory: the larger of a process and of the programs it starts."
    )
    report.finish("preprocess", pd.DataFrame(rows), options, notes=notes)


def measure(options: argparse.Namespace, folder: Path) -> tuple[list[dict], float]:
    """Rows of the table, and the share of a bigWig that its zoom levels take."""
    rows, genome = [], load_genome(options.genome)

    def add(what: str, theirs: Cost | None, mine: Cost) -> None:
        print(f"{what}: ours {mine.seconds:.3g} s, {mine.mb:,.0f} MB", flush=True)
        theirs = theirs or Cost(float("nan"), float("nan"))
        rows.append(report.row(what, "s", theirs.seconds, mine.seconds))
        rows.append(report.row(f"{what}, at peak", "MB", theirs.mb, mine.mb))

    reads, bigwig = folder / "reads.tagAlign.gz", folder / "reads.bw"
    write_reads(reads, genome, options.reads, seed=0)
    mine = report.in_child(ours, reads, bigwig, genome)
    for has_loop, what in ((True, "reads to depth"), (False, "reads to depth, release without its loop")):
        theirs = report.in_child(paper, reads, folder, genome, has_loop=has_loop)
        check_equal_work(bigwig, folder / "depth.npz", genome)
        add(what, theirs, mine)
    for name in ("sorted.bed", "depth.bedGraph", "depth.npz"):
        (folder / name).unlink()
    large, paths = folder / "large.tagAlign.gz", [folder / f"{mark}.bw" for mark in MARKS]
    write_reads(large, genome, options.large, seed=1)
    add("reads to depth, large file on one core", None, report.in_child(ours, large, paths[0], genome, n_cores=1))
    for path in paths[1:]:
        path.symlink_to(paths[0])
    add("bins of all marks on two cores", None, report.in_child(bins, paths, genome, options.genes, options.pcres, n_cores=2))
    return rows, zoom_share(paths[0])


def zoom_share(bigwig: Path) -> float:
    """Everything behind the index of the data is zoom levels."""
    blocks = readers.load_bigwig(bigwig).blocks
    data_end = max(int((rows["offset"] + rows["size"]).max()) for rows in blocks.values() if len(rows))
    return 1 - data_end / bigwig.stat().st_size


if __name__ == "__main__":
    with report.one_line_errors("preprocess"):
        main()
