"""Runs: trainings named by their settings, each in a folder of its own, trained once.

In: a list of Run records. Out: tidy tables of history, predictions and metrics over all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from . import __version__
from .config import InputError, Task, TrainConfig, load_profile
from .dataset import GeneDataset, load_dataset, pair
from .files import write_whole
from .model import Chromoformer
from .train import Dataset, evaluate, fit, load_weights, predict, save_weights

VERSION = 2  # raise it when the same settings and features train another network
_DONE = "metrics.json"  # written last


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training. `None` takes the profile's own value; `id` names the run's folder."""

    profile: str                       # name or path
    cell_type: str
    fold: int
    task: Task = "clf"
    other: str | None = None           # task diff: the second cell type, whose fold change over cell_type is learned
    model: str = "chromoformer"
    recipe: str = "profile"            # "paper": the paper's recipe; "profile": with the profile's departures from it
    window_bp: int | None = None
    bin_bp: tuple[int, ...] | None = None
    marks: tuple[str, ...] | None = None
    max_pcres: int | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if self.model != "chromoformer":
            raise InputError(f"Run: unknown model {self.model!r}, expected chromoformer")
        if self.task not in ("clf", "reg", "diff"):
            raise InputError(f"Run: task={self.task!r}, expected clf, reg or diff")
        if (self.task == "diff") != (self.other is not None):
            raise InputError(f"Run: task={self.task!r} with other={self.other!r}, expected a second cell type for task diff and for no other task")
        if self.recipe not in ("paper", "profile"):
            raise InputError(f"Run: unknown recipe {self.recipe!r}, expected paper or profile")

    @property
    def id(self) -> str:
        """Readable and the same for the same settings, e.g. E003-clf-chromoformer-fold1-seed42."""
        parts = [self.cell_type, *([self.other] if self.other else []), self.task, self.model, f"fold{self.fold}", f"seed{self.seed}"]
        if self.recipe != "profile":
            parts.append(f"{self.recipe}-recipe")
        if self.window_bp is not None:
            parts.append(f"window{self.window_bp}")
        if self.bin_bp is not None:
            parts.append("bins" + "+".join(map(str, self.bin_bp)))
        if self.marks is not None:
            parts.append("marks" + "+".join(self.marks))
        if self.max_pcres is not None:
            parts.append(f"pcres{self.max_pcres}")
        return "-".join(parts)

    @property
    def cell_type_label(self) -> str:
        """The cell type, or of a fold change second/first, as `PairedDataset.cell_type` has it."""
        return f"{self.other}/{self.cell_type}" if self.other else self.cell_type

    @property
    def folder(self) -> Path:
        return load_profile(self.profile).work_dir / "runs" / self.id


class Results(NamedTuple):
    """Tables over several runs; each row carries the run's id, cell type, task and fold."""

    history: pd.DataFrame      # one row per epoch
    predictions: pd.DataFrame  # one row per held-out gene
    metrics: pd.DataFrame      # one row per run, on held-out genes


def ensure(runs: Iterable[Run]) -> Results:
    """Train the runs that are missing, interrupted or made from other features, and read them all.

    Raises
    ------
    InputError
        A profile, cell type, fold, mark or window that does not exist; nothing is trained then.
    """
    runs = list(runs)
    if not runs:
        raise InputError("ensure: no runs, expected at least one")
    for run in runs:
        for cell_type in filter(None, (run.cell_type, run.other)):
            load_profile(run.profile).check_cell_type(cell_type)
    load = cache(_load)
    splits = [_split(run, load) for run in runs]  # a wrong fold or mark shows here
    for run, (train, held_out) in zip(runs, splits, strict=True):
        _train_if_needed(run, train, held_out)
    tables = [(run, *_read(run)) for run in runs]
    return Results(*(pd.concat([_labelled(run, parts[i]) for run, *parts in tables], ignore_index=True) for i in range(3)))


def load_run(run: Run) -> tuple[Chromoformer, Dataset]:
    """The network of a run, trained first where it is missing, and the genes that were held out from it."""
    train, held_out = _split(run, _load)
    _train_if_needed(run, train, held_out)
    return load_weights(run.folder), held_out


def _train_if_needed(run: Run, train: Dataset, held_out: Dataset) -> None:
    profile = load_profile(run.profile)
    config = profile.train_config(seed=run.seed) if run.recipe == "profile" else TrainConfig(seed=run.seed)
    settings = _settings(run, config, train)
    if _is_current(run.folder, settings):
        return
    folder = run.folder
    folder.mkdir(parents=True, exist_ok=True)
    if _read_settings(folder) != settings:  # other settings or features left it: nothing of it can be kept
        for name in (_DONE, "state.safetensors"):
            (folder / name).unlink(missing_ok=True)
    write_whole(folder / "config.json", lambda path: path.write_text(json.dumps(settings, indent=1)))
    result = fit(train, held_out, config, checkpoint=folder, name=run.id)
    save_weights(folder, result.model)
    write_whole(folder / "history.csv", lambda path: result.history.to_csv(path, index=False))
    predictions = predict(result.model, held_out)
    write_whole(folder / "predictions.parquet", lambda path: predictions.to_parquet(path, index=False))
    scores = {"n_train": len(train), "n_held_out": len(held_out), **evaluate(result.model, held_out)}
    write_whole(folder / _DONE, lambda path: path.write_text(json.dumps(scores, indent=1)))
    (folder / "state.safetensors").unlink(missing_ok=True)


def _load(profile: str, cell_type: str) -> GeneDataset:
    return load_dataset(load_profile(profile), cell_type)


def _split(run: Run, load: Callable[[str, str], GeneDataset]) -> tuple[Dataset, Dataset]:
    """Training genes and held-out genes as the run reads them."""
    names = ("window_bp", "bin_bp", "marks", "max_pcres")
    selection = {name: getattr(run, name) for name in names if getattr(run, name) is not None}
    data = load(run.profile, run.cell_type)
    if run.other:
        data = pair(data, load(run.profile, run.other))
    return data.select(task=run.task, **selection).fold(run.fold)


def _settings(run: Run, config: TrainConfig, data: Dataset) -> dict[str, Any]:
    """All that decides a run's result, except the device it ran on."""
    training = {key: value for key, value in config.to_dict().items() if key != "device"}
    about = {key: value for key, value in asdict(run).items() if key != "profile"}  # a name or a path: the folder tells
    if run.other is None:
        del about["other"]
    features = [part.store.attrs["settings"] for part in (data.first, data.second)] if run.other else data.store.attrs["settings"]
    settings = {"run": about, "version": VERSION, "training": training, "features": features,
                "bin_bp": data.bin_bp, "log_base": data.log_base, "chromolib": __version__}  # fmt: skip
    return json.loads(json.dumps(settings))


def _read_settings(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return None


def _is_current(folder: Path, settings: dict[str, Any]) -> bool:
    return (folder / _DONE).exists() and _read_settings(folder) == settings


def _read(run: Run) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    folder = run.folder
    history = pd.read_csv(folder / "history.csv")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    return history, predictions, pd.DataFrame([json.loads((folder / _DONE).read_text())])


def _labelled(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    labels = {"run": run.id, "cell_type": run.cell_type_label, "task": run.task, "recipe": run.recipe, "fold": run.fold}
    for position, (name, value) in enumerate(labels.items()):
        table.insert(position, name, value)
    return table
