"""About how long a training takes, before it has begun.

In: runs, and the profiles that they are of: of those that are done their records, of others what is like them, or benchmarks/results.
Out: seconds, rough, and what they rest on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .baselines import PEERS
from .config import ROOT, ModelConfig, TrainConfig
from .genome import profile_genome
from .jobs import recipe_of, selection_of
from .profile import Profile, cohort_of
from .runs import Run, run_folder
from .sections import RawInputs
from .train import n_batches

OWN_RUNS, BENCHMARKS = "own runs", "benchmarks, 2 CPU cores"  # what an estimate rests on
# Of the paper, by fold: as many as a whole human genome has before its features are there.
PAPER_GENES = {1: 5045, 2: 4751, 3: 4605, 4: 4554}
_NOT_ALIKE = ("profile", "cell_type", "other", "fold", "seed")  # do not change how long a training takes


class Pace(NamedTuple):
    """What a finished training took: genes that it was trained on, updates, seconds for one, genes of one."""

    n_train: int
    n_updates: int
    update_s: float
    batch_size: int


def seconds(runs: Iterable[Run], done: set[Run], records: Mapping[str, Profile]) -> dict[Run, tuple[float | None, str]]:
    """Run -> its seconds and what they rest on: its own record, runs that differ in cell type, fold and seed alone, other runs of
    its model, or benchmarks; None where there are none of these."""
    took = {run: _read(run, records[run.profile]) for run in done}
    alike: dict[tuple, list[Pace]] = {}
    for run, (_, pace) in took.items():
        alike.setdefault(_kind(run), []).append(pace)
        if not (run.n_genes or run.frozen):  # of which another run of the model says nothing
            alike.setdefault((run.model,), []).append(pace)
    return {run: (took[run][0], OWN_RUNS) if run in took else _estimate(run, alike, records[run.profile]) for run in runs}


def _estimate(run: Run, alike: Mapping[tuple, list[Pace]], record: Profile) -> tuple[float | None, str]:
    own = alike.get(_kind(run))
    paces = own or alike.get((run.model,))
    config, n_train = recipe_of(run, record), _n_train(run, paces, record)
    n_passed = expected_genes(record, run.fold) if run.n_genes and not run.start else n_train  # few genes make as many updates as all
    n_updates = float(np.median([pace.n_updates for pace in own])) if own else n_passed and _updates(config, n_passed)
    if n_train is None or n_updates is None:
        return None, ""
    if paces:
        update_s = float(np.median([pace.update_s * _size(config, n_train) / pace.batch_size for pace in paces]))
        return update_s * n_updates, OWN_RUNS
    update_s = _benchmarked(run, record, config, n_train)
    return (None, "") if update_s is None else (update_s * n_updates, BENCHMARKS)


def _kind(run: Run) -> tuple:
    """What runs have in common that differ in cell type, fold and seed alone."""
    return tuple(value for name, value in vars(run).items() if name not in _NOT_ALIKE)


def _read(run: Run, record: Profile) -> tuple[float, Pace]:
    folder = run_folder(run, record)
    used, scores, kept = (json.loads((folder / name).read_text()) for name in ("record.json", "metrics.json", "config.json"))
    config, n = TrainConfig(**kept["training"]), scores["n_train"]
    return used["seconds"], Pace(n, _updates(config, n), used["seconds"] / _updates(config, n), _size(config, n))


def _size(config: TrainConfig, n_train: int) -> int:
    return min(config.batch_size, n_train)


def _updates(config: TrainConfig, n_train: int) -> int:
    """Of a whole training; at least one, so that it may be divided by."""
    return max(1, config.epochs * n_batches(n_train, config))


def _n_train(run: Run, paces: Sequence[Pace] | None, record: Profile) -> int | None:
    """About how many genes a run is trained on: as it says, else as finished runs were, else as the profile says; None where it
    does not."""
    if run.n_genes:
        return run.n_genes
    if paces:
        return round(float(np.median([pace.n_train for pace in paces])))
    expected = expected_genes(record, run.fold)
    return expected and expected * len(run.learn_from or (run.cell_type,))


def expected_genes(record: Profile, fold: int) -> int | None:
    """About how many genes of a cell type are trained on; None where only its files tell."""
    genome = profile_genome(record)
    if record.simulated:
        simulation = cohort_of(record).inputs.simulation
        n_genes = simulation.mouse.genes if record.inputs.cohort else simulation.genes
        return round(n_genes * (1 - 1 / len(genome.fold_ids)))
    if isinstance(record.inputs, RawInputs) and record.genome == "hg19" and record.folds is None:
        return sum(n for other, n in PAPER_GENES.items() if other != fold)
    return None


def _benchmarked(run: Run, record: Profile, config: TrainConfig, n_train: int) -> float | None:
    """Seconds for an update, from benchmarks/results; None where they hold nothing of the model."""
    if run.model != "chromoformer":
        return _benchmarked_peer(run, record, config, n_train)
    steps = _steps()
    if not steps:
        return None
    n_pcres = record.max_pcres if run.max_pcres is None else run.max_pcres
    step = np.interp(_size(config, n_train), *steps["batch"])
    step *= np.interp(n_pcres, *steps["pcres"]) / steps["pcres"][1][-1]
    step *= len(run.bin_bp or record.bin_bp) / len(ModelConfig.bin_bp)
    return float(step) * (2 if run.other else 1)


def _benchmarked_peer(run: Run, record: Profile, config: TrainConfig, n_train: int) -> float | None:
    """As if all of it grew with the genes of a batch and the bins of a window."""
    row = _fastest().get(PEERS[run.model].title)
    if row is None:
        return None
    if row["batch"] == "all":  # of a graph of the whole genome
        return row["step_ms"] / 1000 * n_train / sum(PAPER_GENES.values())
    chosen = selection_of(run, record)
    n_bins = chosen["window_bp"] / chosen["bin_bp"][0]
    return row["step_ms"] / 1000 * _size(config, n_train) / float(row["batch"]) * n_bins / row["bins"]


@cache
def _steps() -> dict[str, tuple[list[float], list[float]]]:
    """Of benchmarks/scaling.py: what was varied -> its sizes, and seconds for an update at each."""
    points = _results("scaling-points", ["what", "size", "step_s"])
    return {what: (part["size"].tolist(), part["step_s"].tolist()) for what, part in points.groupby("what")}


@cache
def _fastest() -> dict[str, dict[str, Any]]:
    """Of benchmarks/baselines.py: network -> the row of the fastest way to train it."""
    rows = _results("baselines", ["network", "bins", "batch", "step_ms"]).sort_values("step_ms", ascending=False).to_dict("records")
    return {row["network"].split(",")[0]: row for row in rows}


def _results(name: str, columns: Sequence[str]) -> pd.DataFrame:
    path = ROOT / "benchmarks" / "results" / f"{name}.csv"
    return pd.read_csv(path)[columns] if path.is_file() else pd.DataFrame(columns=columns)
