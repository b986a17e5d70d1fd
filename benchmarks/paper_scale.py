"""One fold at the paper's size, ours in full and the release's extrapolated, and what the paper's whole grid would take.

    python benchmarks/paper_scale.py [--genes 18955] [--epochs 10] [--fold 3] [--release-genes 192] [--workers 0 2]

Features are simulated without reads (`chromolib simulate --features`), once, and kept in the work folder of the profile; this
is not counted. Ours, in a process of its own: "start" reads the store and puts its dataset on the device; "epoch" is
training, validation of all held-out genes and checkpoint; memory is the peak of the process (with --device cuda: of the
GPU's), the dataset's share of it is counted from its tensors.

The release's script runs on files of some of the same genes, drawn at random, without its anomaly detection, with each number
of loader processes in --workers, of which the fastest counts. Its time for a trained gene and for a held-out gene, times the
genes of the fold, is its epoch; the start of its loader processes, once per epoch, is spread over fewer genes than it would be.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
from pathlib import Path

import ours
import pandas as pd
import peer
import report

from chromolib import GeneDataset, InputError, TrainConfig, features, load_profile, simulate

CELL_TYPES, FOLDS = 11, 4

# Trainings of Chromoformer in the paper's figures: figure, networks per cell type and fold, cell types. Where it is not
# known for how many cell types a figure retrained, all are counted. Not counted: fold change (the release has no such
# network), retraining on GC-MERGE's genes, combinations of left-out marks.
GRID = (
    ("figure 2: clf and reg", 2, CELL_TYPES),
    ("figure 3a, b: promoter only, windows of 2, 4, 10, 20, 40 kb", 5, CELL_TYPES),
    ("figure S3: 3 single and 3 paired resolutions", 6, CELL_TYPES),
    ("figure S4: concatenated fusion", 1, CELL_TYPES),
    ("figures 4g, S10: without each of 7 marks", 7, CELL_TYPES),
    ("figure 8: mouse", 1, 1),
    ("figures S17, S18: with CTCF, with PC1", 2, CELL_TYPES),
)


@dataclasses.dataclass(frozen=True)
class Ours:
    """What one fold of ours took."""

    run: peer.Training
    n_train: int
    n_held_out: int
    pcres_per_gene: float
    dataset_mb: float
    peak_mb: float


def store_path(profile: str, n_genes: int) -> Path:
    """The feature store of so many genes, drawn where it is missing."""
    record = load_profile(profile)
    if not record.simulated:
        raise InputError(f"profile {profile}: has real data, expected a simulated profile such as sim")
    path = record.work_dir / "benchmarks" / f"features-{n_genes}.zarr"
    if not path.exists():
        print(f"drawing features of {n_genes:,} genes", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        simulate.simulate_features(path, record, next(iter(record.cell_types)), n_genes)
    return path


def run_ours(path: Path, fold: int, config: TrainConfig) -> Ours:
    """Train one fold in this process."""
    peak, loaded = report.Peak(config.device), []
    peak.start()

    def load() -> tuple[GeneDataset, GeneDataset]:
        data = GeneDataset(features.load(path).load()).to(config.device)
        loaded.append(data)
        return data.fold(fold)

    with tempfile.TemporaryDirectory() as folder:
        run = ours.timed_fit(load, config, Path(folder))
    (data,) = loaded
    n_held_out = int((data.genes["fold"] == fold).sum())
    pcres = float((data.store["gene_pcre"].values >= 0).sum(1).mean())
    return Ours(run, len(data) - n_held_out, n_held_out, pcres, data.n_bytes / report.MB, peak.total_mb)


def run_release(path: Path, fold: int, n_genes: int, epochs: int, batch: int, workers: int, device: str):
    """The release's script on a few genes of the same store; its times, genes of training and validation, peak memory."""
    parts = peer.whole_windows(GeneDataset(features.load(path).load())).fold(fold)
    sizes = n_genes - n_genes % batch if n_genes > batch else n_genes, max(n_genes // 4, 2)  # its last, smaller batch is dropped
    parts = [part.select(genes=part.genes["gene_id"].sample(n, random_state=0).tolist()) for part, n in zip(parts, sizes, strict=True)]
    order = [parts[0].genes["gene_id"].tolist()] * epochs
    peak = report.Peak(device)
    with tempfile.TemporaryDirectory() as folder:
        files = peer.write_files(parts, Path(folder))
        peak.start()
        run = peer.train(*files, fold, order, batch=batch, workers=workers, anomaly=False, device=device)
    return run, len(parts[0]), len(parts[1]), peak.total_mb


def release_epoch(run: peer.Training, n_train: int, n_held_out: int, genes: int, held_out: int) -> float:
    """Seconds that the release's epoch would take on so many genes, from one on `n_train` and `n_held_out`."""
    trained, validated = statistics.median(run.train), statistics.median(run.validate)
    rest = max(statistics.median(run.epoch) - trained - validated, 0)
    return trained / n_train * genes + validated / n_held_out * held_out + rest


def grid_rows(release_fold: float, our_fold: float) -> list[dict]:
    """Hours of all trainings of each figure, and their sum; each counts as a full network on both sides."""
    rows, total = [], 0
    for what, networks, cell_types in GRID:
        n = cell_types * FOLDS * networks
        total += n
        rows.append(report.row(f"{what}: {cell_types} x {FOLDS} x {networks} = {n} trainings", "h, extrapolated", n * release_fold / 3600, n * our_fold / 3600))
    rows.append(report.row(f"all of these: {total} trainings", "h, extrapolated", total * release_fold / 3600, total * our_fold / 3600))
    return rows


def main(given: list[str] | None = None) -> None:
    parser = report.parser("paper_scale.py", __doc__)
    parser.add_argument("--profile", default="sim", help="a simulated profile, whose rules the features follow (sim)")
    parser.add_argument("--genes", type=int, default=18_955)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--fold", type=int, default=3, help="held-out fold; 3 leaves most like the paper's 14,216 genes (3)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--release-genes", type=int, default=192, help="training genes of the release's side (192)")
    parser.add_argument("--release-epochs", type=int, default=1)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="loader processes of the release to try (0 2)")
    options = report.options_of(parser, given)
    path = store_path(options.profile, options.genes)
    config = TrainConfig(epochs=options.epochs, batch_size=options.batch, device=options.device)

    print(f"ours, {options.epochs} epochs", flush=True)
    mine = report.in_child(run_ours, path, options.fold, config)
    tried = {}
    for workers in options.workers:
        print(f"release, {options.release_genes} genes, {options.release_epochs} epochs with {workers} loader processes", flush=True)
        setting = options.fold, options.release_genes, options.release_epochs, options.batch, workers, options.device
        tried[workers] = report.in_child(run_release, path, *setting)
    n_kept = mine.n_train - mine.n_train % min(options.batch, mine.n_train)  # drop_last
    epoch = {workers: release_epoch(run, n, m, n_kept, mine.n_held_out) for workers, (run, n, m, _) in tried.items()}
    best = min(epoch, key=epoch.get)
    run, n, m, their_mb = tried[best]

    release_fold = run.start + epoch[best] * options.epochs
    our_fold = mine.run.start + sum(mine.run.epoch)
    rows = [
        report.row("start", "s", run.start, mine.run.start),
        report.row("epoch (release extrapolated)", "s", epoch[best], mine.run.epoch),
        report.row(f"fold, {options.epochs} epochs and start (release extrapolated)", "s", release_fold, our_fold),
        report.row("memory at peak", "MB", their_mb, mine.peak_mb),
        {"what": "of it the dataset on the device, float32", "unit": "MB", "ours": mine.dataset_mb},
        *grid_rows(release_fold, our_fold),
    ]
    notes = (
        f"{options.genes:,} simulated genes with {mine.pcres_per_gene:.1f} pCREs each, fold {options.fold}: {mine.n_train:,} "
        f"training genes in batches of {options.batch}, {mine.n_held_out:,} held out and validated after each epoch. Ours is "
        f"measured. The release's times are extrapolated from {n} training and {m} held-out genes "
        f"({statistics.median(run.train) / n:.3g} s and {statistics.median(run.validate) / m:.3g} s a gene, loading included, {best} loader "
        f"processes, without its anomaly detection), its start and memory are those of that run. Hours of the figures are "
        f"cell types x folds x networks times one fold: 11 cell types where the paper's number is not known, each network taken "
        f"for a full one; fold change, retraining on GC-MERGE's genes and combinations of left-out marks are not counted."
    )
    report.finish("paper_scale", pd.DataFrame(rows), options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("paper_scale"):
        main()
