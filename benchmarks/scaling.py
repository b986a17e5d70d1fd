"""How our time and memory grow: one size is varied at a time, the others stay at the paper's.

    python benchmarks/scaling.py [--only genes pcres window bins batch] [--steps 20] [--device cuda]

Genes 1,000 to 100,000, pCREs per gene 0 to 8, promoter window 2 to 40 kb, bins of a region 20 to 800 (a network of one
resolution, 2000 to 50 bp), batch 16 to 1024. Each point runs in a process of its own, on random depth.

"step": gather of a random batch, forward, loss, backward, AdamW, median over --steps; "gather": the first of these alone;
"epoch": one of `cl.fit`, without validation. "added" is the memory that the first steps add at their peak, "process" the peak of
all that a training holds until then, data included. Slopes are exponents k of cost ~ size^k, by least squares on logarithms over
all points but 0.
"""

from __future__ import annotations

import dataclasses
import statistics
import time

import numpy as np
import pandas as pd
import report
import torch
import xarray as xr

from chromolib import Chromoformer, GeneDataset, InputError, TrainConfig, machine, train
from chromolib.config import MARKS

SIZES = {
    "genes": (1_000, 3_000, 10_000, 30_000, 100_000),
    "pcres": (0, 1, 2, 4, 6, 8),
    "window": (2_000, 4_000, 10_000, 20_000, 40_000),
    "bins": (20, 40, 80, 200, 400, 800),
    "batch": (16, 32, 64, 128, 256, 512, 1024),
}
COSTS = ("step_s", "gather_s", "epoch_s", "added_mb", "process_mb")
WATCHED = 4  # steps whose memory is watched
FRAME_BP = 40_000


@dataclasses.dataclass(frozen=True)
class Point:
    """One setting; the defaults are the paper's, on fewer genes."""

    genes: int = 4_000
    pcres: int = 8
    window: int = FRAME_BP
    batch: int = 64
    bin_bp: tuple[int, ...] = (2000, 500, 100)


def point(what: str, size: int, base: Point) -> Point:
    """The base with one thing changed. Bins: one resolution, whose frame has so many of them."""
    return dataclasses.replace(base, **({"bin_bp": (FRAME_BP // size,)} if what == "bins" else {what: size}))


def random_store(at: Point, seed: int = 0) -> xr.Dataset:
    """Random depth; every gene has as many pCREs as the point says, out of three for each gene, 5.5 kb wide on average."""
    rng = np.random.default_rng(seed)
    base_bp = min(100, *at.bin_bp)
    n_pcres = 3 * at.genes if at.pcres else 0
    width = np.minimum(rng.exponential(5_500, n_pcres).astype(int) + 500, FRAME_BP)
    n_rows = -(-width // base_bp)
    gene_pcre = (np.arange(at.genes)[:, None] * 3 + np.arange(at.pcres)) % max(n_pcres, 1)
    rank = np.sort(rng.uniform(1.5, 6, (at.genes, at.pcres)))[:, ::-1]
    index = np.arange(at.genes)
    tss = 10**6 + 1000 * index
    return xr.Dataset(
        {
            "promoter": (("gene", "bin", "mark"), _depth(rng, at.genes, FRAME_BP // base_bp)),
            "pcre_depth": (("row", "mark"), _depth(rng, int(n_rows.sum()))),
            "pcre_row": ("edge", np.concatenate([[0], np.cumsum(n_rows)])),
            "gene_pcre": (("gene", "rank"), gene_pcre.astype(np.int32)),
            "contact": (("gene", "rank"), rank.astype(np.float32)),
            "symbol": ("gene", index.astype(str)),
            "chrom": ("gene", np.full(at.genes, "chr1")),
            "tss": ("gene", tss),
            "strand": ("gene", np.where(index % 2, "-", "+")),
            "fold": ("gene", 1 + index % 4),
            "expression": ("gene", rng.exponential(10, at.genes)),
            "label": ("gene", index // 2 % 2),
            "chrom_bp": ("gene", np.full(at.genes, tss[-1] + 10**6)),
        },
        coords={
            "gene_id": ("gene", [f"G{i}" for i in index]), "mark": list(MARKS), "region": ("pcre", [f"chr1:0-{w}" for w in width]),
        },
        attrs={"profile": "random", "cell_type": "T01", "genome": "hg19", "base_bp": base_bp, "frame_bp": FRAME_BP,
               "signal": "depth", "simulated": 1},
    )  # fmt: skip


def _depth(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_exponential((*shape, len(MARKS)), dtype=np.float32)


def measure(at: Point, steps: int, device: str) -> dict[str, float]:
    """Times and memory of one point, in this process."""
    peak = report.Peak(device)
    peak.start()
    data = GeneDataset(random_store(at), bin_bp=at.bin_bp, window_bp=at.window).to(device)
    held_mb = peak.total_mb
    model = Chromoformer(train.network_for(data)).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), TrainConfig.learning_rate, fused=True)
    scaler = torch.amp.GradScaler(device, enabled=False)
    config = TrainConfig(batch_size=at.batch)
    batches = iter(torch.randint(at.genes, (2 * steps + 2 + WATCHED, min(at.batch, at.genes))))

    def gather():
        return next(data.batches([next(batches)]))

    def step() -> None:
        batch = gather()
        optimizer.zero_grad(set_to_none=True)
        train.task_loss(model(batch), batch.target, "clf").backward()
        optimizer.step()

    peak.start()
    for _ in range(WATCHED):
        step()
    added_mb, process_mb = peak.added_mb, max(held_mb, peak.total_mb)
    machine.keep_freed_memory()  # as cl.fit does; from here on memory tells nothing
    gather_s = statistics.median(report.seconds(gather, steps, device))
    step_s = statistics.median(report.seconds(step, steps, device))
    report.synchronise(device)
    start = time.perf_counter()
    train.train_epoch(model, data, optimizer, scaler, config, 1)  # which ends with a number read from the device
    epoch_s = time.perf_counter() - start
    return {"step_s": step_s, "gather_s": gather_s, "epoch_s": epoch_s, "added_mb": added_mb, "process_mb": process_mb}


def slopes(points: pd.DataFrame) -> pd.DataFrame:
    """Exponent of each cost in each size: one row per size."""
    rows = []
    for what, group in points.groupby("what", sort=False):
        sizes = group["size"].tolist()
        rows.append({"what": what, "from": min(size for size in sizes if size), "to": max(sizes), **{cost: report.slope(sizes, group[cost].tolist()) for cost in COSTS}})
    return pd.DataFrame(rows)


def draw(points: pd.DataFrame, path) -> None:
    """Seconds of a step, or of an epoch where genes vary, over each size, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "scaling"
    import matplotlib.pyplot as plt

    units = {"genes": "genes", "pcres": "pCREs per gene", "window": "promoter window (bp)", "bins": "bins per region", "batch": "genes per batch"}
    names = points["what"].unique()
    figure, axes = plt.subplots(1, len(names), figsize=(2.6 * len(names), 2.6), squeeze=False, layout="constrained")
    for ax, what in zip(axes[0], names, strict=True):
        group = points[(points["what"] == what) & (points["size"] > 0)]
        cost = "epoch_s" if what == "genes" else "step_s"
        ax.loglog(group["size"], group[cost], "o-", color="black", markersize=4)
        labels = [f"{size / 1000:g}k" if size % 1000 == 0 else str(size) for size in group["size"]]
        ax.set_xticks(group["size"], labels, fontsize="x-small")
        ends = sorted({group[cost].min(), group[cost].max()})
        ax.set_yticks(ends, [f"{value:.2g}" for value in ends], fontsize="x-small")
        ax.set_ylim(ends[0] / 3, ends[-1] * 3)  # also where cost hardly grows, its ends have room
        ax.minorticks_off()
        ax.set(xlabel=units[what], ylabel="epoch (s)" if what == "genes" else "step (s)")
        ax.set_title(f"slope {report.slope(group['size'].tolist(), group[cost].tolist()):.2f}", fontsize="medium")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main(given: list[str] | None = None) -> None:
    parser = report.parser("scaling.py", __doc__)
    parser.add_argument("--only", nargs="+", choices=SIZES, default=list(SIZES), help="what to vary (all)")
    parser.add_argument("--sizes", type=int, nargs="+", help="instead of the sizes above, for the one thing that --only names")
    parser.add_argument("--genes", type=int, default=Point.genes, help="where something else varies (4000)")
    parser.add_argument("--steps", type=int, default=20, help="timed at each point (20)")
    options = report.options_of(parser, given)
    if options.sizes and (len(options.only) > 1 or len(set(options.sizes) - {0}) < 2):
        raise InputError("--sizes: expected two or more, and one thing that --only names")
    rows = []
    for what in options.only:
        for size in options.sizes or SIZES[what]:
            at = point(what, size, Point(genes=options.genes))
            rows.append({"what": what, "size": size, **report.in_child(measure, at, options.steps, options.device)})
            print(f"{what} {size:,}: step {rows[-1]['step_s']:.3g} s", flush=True)
    points = pd.DataFrame(rows)
    name = "scaling" if options.device == "cpu" else f"scaling-{options.device}"
    points.to_csv(report.results(options) / f"{name}-points.csv", index=False)
    draw(points, report.results(options) / f"{name}.svg")
    notes = (
        f"Exponents of our cost in each size, all else as in the paper, on {options.genes:,} genes with 8 pCREs each of random "
        f"depth; 1 is linear. A step is gather, forward, loss, backward, AdamW (median of {options.steps}); an epoch is one "
        f"of `cl.fit` without validation; added: memory that the first {WATCHED} steps add at their peak; process: all that a training holds until then. "
        f"The points are in `results/{name}-points.csv`; no pCRE at all is measured, but has no logarithm."
    )
    figure = "Seconds of an epoch over genes, and of a step over pCREs, window, bins and batch, on logarithmic axes with their slopes"
    report.finish("scaling", slopes(points), options, notes=notes, figure=figure)


if __name__ == "__main__":
    with report.one_line_errors("scaling"):
        main()
