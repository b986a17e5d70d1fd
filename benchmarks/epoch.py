"""Whole epochs from files on disk, ours against the release's own training script: same genes, order and start weights.

    python benchmarks/epoch.py [--profile h1-demo] [--fold 4] [--epochs 3] [--batch 64] [--workers 0 2] [--device cuda]

The release's side is its chromoformer/train.py, run unchanged on its own files (those of its demo for profile h1-demo, else
files in its form made from the profile's features): its dataset class, DataLoader, network, AdamW, metrics, checkpoint.
Ours is `cl.fit` on the feature store with a checkpoint whenever ten seconds of work would be lost. Both start with the same weights and see the same
genes in the same order, which their losses must show, or nothing is reported.

Counted: "start" from files to the first batch (release: table read, network made; ours: the store read, its dataset put on the
device, network made); "epoch" loading, training, validation of the held-out genes, checkpoint; "training" start and all
epochs. The features, which ours makes once per cell type from the files that the release reads in each epoch anew, are a
line of their own. The release runs with each number of loader processes in --workers, and the fastest counts.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import ours
import pandas as pd
import peer
import report
import torch

from chromolib import (
    GeneDataset,
    InputError,
    TrainConfig,
    features,
    load_dataset,
    load_profile,
    load_released,
    sources,
    train,
)

TOLERANCE = 1e-4  # of a loss, between the two


@dataclasses.dataclass(frozen=True)
class Setting:
    """What both sides are told; `genes`: only the first of the training genes, and a quarter of that held out."""

    profile: str
    cell_type: str
    fold: int
    epochs: int
    batch: int
    genes: int | None
    device: str

    @property
    def config(self) -> TrainConfig:
        return TrainConfig(epochs=self.epochs, batch_size=self.batch, device=self.device)


def split(setting: Setting) -> list[GeneDataset]:
    """Training and held-out genes, from the feature store onto the device."""
    data = load_dataset(load_profile(setting.profile), setting.cell_type, device=setting.device)
    parts = peer.whole_windows(data).fold(setting.fold)
    if setting.genes is None:
        return list(parts)
    return [part.select(genes=part.genes["gene_id"].tolist()[:n]) for part, n in zip(parts, (setting.genes, setting.genes // 4))]


def run_ours(setting: Setting, repeats: int) -> tuple[list[peer.Training], float]:
    """Trainings with the release's start weights, and the peak memory of this process (or of the GPU) in MB."""
    peak, runs = report.Peak(setting.device), []
    peak.start()
    for _ in range(repeats + 1):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(_train_ours(setting, Path(folder)))
    return runs[1:], peak.total_mb


def _train_ours(setting: Setting, folder: Path) -> peer.Training:
    (folder / "released.pt").write_bytes(peer.checkpoint(peer.network()).getvalue())
    model = load_released(folder / "released.pt").to(setting.device)
    return ours.timed_fit(lambda: split(setting), setting.config, folder, model)


def run_release(setting: Setting, files: tuple[Path, Path], order: list[list[str]], workers: int, anomaly: bool):
    """One training by the release's script, and the peak memory of this process (or of the GPU; not of its loaders) in MB."""
    peak = report.Peak(setting.device)
    peak.start()
    run = peer.train(
        *files, setting.fold, order, batch=setting.batch, workers=workers, anomaly=anomaly, device=setting.device
    )
    return run, peak.total_mb


def order_of(setting: Setting) -> list[list[str]]:
    """Gene ids of each epoch, in the order in which `cl.fit` takes them; what `drop_last` leaves out is left out."""
    ids = split(setting)[0].genes["gene_id"].tolist()
    batches = [train.epoch_batches(len(ids), setting.config, epoch) for epoch in range(1, setting.epochs + 1)]
    return [[ids[i] for i in torch.cat(epoch).tolist()] for epoch in batches]


def files_for(setting: Setting, folder: Path) -> tuple[Path, Path]:
    """Table and arrays that the release reads."""
    profile = load_profile(setting.profile)
    if profile.inputs.kind == "release-demo":
        archive = sources.fetch(profile.inputs.source, profile.raw_dir)
        return peer.demo_files(archive, split(setting), folder)
    return peer.write_files(split(setting), folder)


def check_equal_work(theirs: peer.Training, mine: peer.Training) -> float:
    """The largest difference of a loss, in training or validation, of any epoch; an InputError where it is too large."""
    pairs = zip(theirs.train_loss + theirs.loss, mine.train_loss + mine.loss, strict=True)
    difference = max(abs(a - b) for a, b in pairs)
    if not difference <= TOLERANCE:
        raise InputError(f"losses differ by {difference:.1e}, expected at most {TOLERANCE:.0e}: unequal work has no ratio")
    return difference


def table_of(published: peer.Training, quiet: peer.Training, mine: list[peer.Training], memory: tuple[float, float], once: float) -> pd.DataFrame:
    """One line per thing measured, the release's script as it is and without its anomaly detection."""
    start, epoch = [run.start for run in mine], [x for run in mine for x in run.epoch]
    whole = [run.start + sum(run.epoch) for run in mine]
    n = len(published.epoch)
    return pd.DataFrame(
        [
            report.row("start", "s", published.start, start),
            report.row("epoch", "s", published.epoch, epoch),
            report.row(f"training, {n} epochs and start", "s", published.start + sum(published.epoch), whole),
            report.row("epoch, release without anomaly detection", "s", quiet.epoch, epoch),
            report.row("training, the same", "s", quiet.start + sum(quiet.epoch), whole),
            report.row("memory at peak", "MB", *memory),
            {"what": "features, once per cell type", "unit": "s", "ours": once},
        ]
    )


def main(given: list[str] | None = None) -> None:
    parser = report.parser("epoch.py", __doc__, repeats=3)
    parser.add_argument("--profile", default="h1-demo", help="h1-demo: real genes (default); sim and smoke need no network")
    parser.add_argument("--fold", type=int, default=4, help="held-out fold; 4 of h1-demo leaves most genes for training")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--genes", type=int, help="only so many training genes, and a quarter of that held out (all)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="loader processes of the release to try (0 2)")
    options = report.options_of(parser, given)
    profile = load_profile(options.profile)
    cell_type = next(iter(profile.cell_types))
    setting = Setting(options.profile, cell_type, options.fold, options.epochs, options.batch, options.genes, options.device)
    split(setting)  # makes the features where they are missing
    begin = time.perf_counter()
    features.build(profile, cell_type)
    once = time.perf_counter() - begin
    order = order_of(setting)
    train_genes, held_out = split(setting)

    with tempfile.TemporaryDirectory() as folder:
        files = files_for(setting, Path(folder))
        tried = {}
        for workers in options.workers:
            print(f"release, {options.epochs} epochs with {workers} loader processes", flush=True)
            tried[workers] = report.in_child(run_release, setting, files, order, workers, True)
        best = min(tried, key=lambda workers: statistics.median(tried[workers][0].epoch))
        print(f"release, {options.epochs} epochs without anomaly detection", flush=True)
        quiet, _ = report.in_child(run_release, setting, files, order, best, False)
    print(f"ours, {options.repeats} times {options.epochs} epochs", flush=True)
    mine, our_mb = report.in_child(run_ours, setting, options.repeats)
    published, their_mb = tried[best]
    difference = max(check_equal_work(theirs, mine[0]) for theirs in (published, quiet))

    n = len(order[0])
    trials = ", ".join(f"{statistics.median(run.epoch):.3g} s with {workers}" for workers, (run, _) in tried.items())
    notes = (
        f"Profile {options.profile}, {cell_type}, fold {options.fold}: {len(train_genes)} training genes, of which each epoch "
        f"takes {n} in {n // min(options.batch, n)} batches of {min(options.batch, n)} on both sides (the rest would be a smaller "
        f"batch, which the recipe drops), and {len(held_out)} held-out genes. Release: its own training script on its own files; "
        f"an epoch takes {trials} loader processes, {best} counts. It turns PyTorch's anomaly detection on; the lines without "
        f"are the same script with that switched off. Ours: `cl.fit` on the feature store; making the store is the last line. "
        f"An epoch is loading, training, validation and checkpoint; ours writes one when ten seconds of work would be lost, here "
        f"none. Memory is that of the main process; the release's loader processes come on top. Largest difference of a loss: {difference:.0e}."
    )
    report.finish("epoch", table_of(published, quiet, mine, (their_mb, our_mb), once), options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("epoch"):
        main()
