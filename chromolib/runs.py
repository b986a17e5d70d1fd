"""Runs: trainings named by their settings, each in a folder of its own that appears when it is whole.

In: Run records. Out: their names and folders, and tidy tables over several of them. `jobs` says how one is trained, `grid` when.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from .baselines import PEERS
from .config import Contacts, Fusion, InputError, LogBase, Precision, SignalType, Task, check_words
from .profile import Profile, load_profile

LAST = "record.json"  # written last
FILES = ("config.json", "model.json", "model.safetensors", "history.csv", "predictions.parquet", "metrics.json", LAST)
MODELS = ("chromoformer", *PEERS)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training. `None` takes the profile's own value; `id` names the run's folder."""

    profile: str                       # name or path
    cell_type: str
    fold: int
    task: Task = "clf"
    other: str | None = None           # task diff: the second cell type, whose fold change over cell_type is learned
    model: str = "chromoformer"        # or one of baselines.PEERS
    # "paper": the paper's recipe, of a peer its authors'; "profile": with the profile's departures from it; "better":
    # config.BETTER_RECIPE
    recipe: Literal["paper", "profile", "better"] = "profile"
    window_bp: int | None = None       # of a peer, None: its authors' own, or the profile's frame where that is narrower
    bin_bp: tuple[int, ...] | None = None
    marks: tuple[str, ...] | None = None
    max_pcres: int | None = None
    contacts: Contacts = "all"
    fusion: Fusion = "attention"
    log_base: LogBase | None = None
    select: Literal["last", "best-inner"] = "last"
    genes: Literal["all", "gc-merge"] = "all"  # gc-merge: those that it can predict, with its labels
    seed: int = 42
    precision: Precision = "float32"
    signal: SignalType = "float32"     # as kept on the device while training
    # One or several cell types: whose genes of the other folds are trained on in place of cell_type's; and on whose genes the
    # network was trained that training starts from, see `source`.
    learn_from: tuple[str, ...] | None = None
    start: tuple[str, ...] | None = None
    frozen: bool = False               # only the head learns; needs start
    n_genes: int | None = None         # of the training genes, drawn by the seed; see `drawn` and `for_fewer`

    def __post_init__(self) -> None:
        for name in ("learn_from", "start"):
            if isinstance(names := getattr(self, name), str):
                object.__setattr__(self, name, (names,))
        for name in ("bin_bp", "marks", "learn_from", "start"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.model not in MODELS:
            raise InputError(f"Run: unknown model {self.model!r}, expected one of {', '.join(MODELS)}")
        check_words(self)
        if (self.task == "diff") != (self.other is not None):
            raise InputError(f"Run: task={self.task!r} with other={self.other!r}, expected a second cell type for task diff and for no other task")
        self._check_transfer()
        if self.model != "chromoformer":
            self._check_peer()
        elif self.recipe == "better" and self.task != "clf":
            raise InputError(f"Run: recipe 'better' with task={self.task!r}, but it was chosen for clf; expected paper or profile")

    def _check_transfer(self) -> None:
        for name in ("learn_from", "start"):
            names = getattr(self, name)
            if names is not None and (not names or len(set(names)) != len(names)):
                raise InputError(f"Run: {name}={names!r}, expected cell types, each once; leave it out for none")
            if names and self.task == "diff":
                raise InputError(f"Run: {name}={names!r} with task='diff', expected clf or reg, which are of one cell type")
        if self.start and self.learn_from:
            raise InputError(f"Run: start={self.start!r} with learn_from={self.learn_from!r}, expected one of them; leave the other out")
        if self.start and self.recipe == "better":
            raise InputError(f"Run: start={self.start!r} with recipe 'better', which was chosen for networks from random weights; expected paper or profile")
        if self.frozen and not self.start:
            raise InputError("Run: frozen without start, expected the cell type whose network's head learns on; name it, or train all layers")
        if self.n_genes is None:
            return
        if self.n_genes < 2:
            raise InputError(f"Run: n_genes={self.n_genes}, expected 2 or more; leave it out for all")
        if self.select != "last" or self.genes != "all":
            raise InputError(f"Run: n_genes={self.n_genes} with select={self.select!r} and genes={self.genes!r}, expected last and all; leave n_genes out, or these")

    def _check_peer(self) -> None:
        spec = PEERS[self.model]
        if self.task not in spec.tasks:
            raise InputError(f"Run: {spec.title} with task={self.task!r}, expected {' or '.join(spec.tasks)}")
        ours = ["max_pcres", "contacts", "fusion", "genes", "frozen"]
        if not spec.window_bp:
            ours += ["window_bp", "bin_bp", "log_base", "learn_from", "start", "n_genes"]
        for name in ours:
            if getattr(self, name) != getattr(Run, name):
                raise InputError(f"Run: {name}={getattr(self, name)!r}, but {spec.title} has no such choice; leave it out")
        if self.recipe == "better":
            raise InputError(f"Run: {spec.title} with recipe 'better', which is Chromoformer's; expected paper or profile")

    @property
    def id(self) -> str:
        """Readable and the same for the same settings, e.g. E003-clf-chromoformer-fold1-seed42."""
        parts = [self.cell_type, *([self.other] if self.other else []), self.task, self.model, f"fold{self.fold}", f"seed{self.seed}"]
        if self.recipe != "profile":
            parts.append(f"{self.recipe}-recipe")
        if self.contacts != "all":
            parts.append(self.contacts)
        if self.fusion != "attention":
            parts.append(self.fusion)
        if self.log_base is not None:
            parts.append(f"log-{self.log_base}")
        if self.select != "last":
            parts.append(self.select)
        if self.genes != "all":
            parts.append(f"{self.genes}-genes")
        if self.window_bp is not None:
            parts.append(f"window{self.window_bp}")
        if self.bin_bp is not None:
            parts.append("bins" + "+".join(map(str, self.bin_bp)))
        if self.marks is not None:
            parts.append("marks" + "+".join(self.marks))
        if self.max_pcres is not None:
            parts.append(f"pcres{self.max_pcres}")
        if self.precision != "float32":
            parts.append(self.precision)
        if self.signal != "float32":
            parts.append(f"{self.signal}-signal")
        for word, names in (("learned-from", self.learn_from), ("start", self.start)):
            if names is not None:
                parts.append(f"{word}-{'+'.join(names)}")
        if self.frozen:
            parts.append("frozen")
        if self.n_genes is not None:
            parts.append(f"{self.n_genes}-genes")
        return "-".join(parts)

    @property
    def source(self) -> Run | None:
        """The run whose network this one starts from: the same of another cell type or, of several, trained on all of these.

        Its fold is the same, so that neither network has seen a gene of a held-out chromosome in any cell type.
        """
        if self.start is None:
            return None
        trained_on = {"cell_type": self.start[0]} if len(self.start) == 1 else {"learn_from": self.start}
        return replace(self, **({"start": None, "frozen": False, "n_genes": None} | trained_on))

    @property
    def cell_type_label(self) -> str:
        """The cell type, or of a fold change second/first, as `PairedDataset.cell_type` has it."""
        return f"{self.other}/{self.cell_type}" if self.other else self.cell_type

    @property
    def cell_types(self) -> tuple[str, ...]:
        """The cell types whose features the run reads, the one that is held out first."""
        return (self.cell_type, self.other) if self.other else tuple(dict.fromkeys([self.cell_type, *(self.learn_from or ())]))

    @property
    def folder(self) -> Path:
        return run_folder(self, load_profile(self.profile))


def run_folder(run: Run, profile: Profile) -> Path:
    """`Run.folder` where the run's profile is loaded already."""
    return profile.work_dir / "runs" / run.id


class Results(NamedTuple):
    """Tables over several runs; each row carries the run's id, cell type, task, model, recipe and fold."""

    history: pd.DataFrame      # one row per epoch
    predictions: pd.DataFrame  # one row per held-out gene
    metrics: pd.DataFrame      # one row per run, on held-out genes
    records: pd.DataFrame      # one row per run: on what, how long, with which versions it was trained
    failures: pd.DataFrame     # one row per run that is not in the others: reason


# Tables


def read(runs: Iterable[Run], failed: dict[Run, str]) -> Results:
    """The tables of the runs that are there, and the reasons why others are not."""
    tables = [(run, *_read(run)) for run in runs if run not in failed]
    parts = [pd.concat([_labelled(run, table[i]) for run, *table in tables], ignore_index=True) for i in range(4)]
    reasons = [_labelled(run, pd.DataFrame({"reason": [reason]})) for run, reason in failed.items()]
    empty = pd.DataFrame(columns=["run", "cell_type", "task", "model", "recipe", "fold", "reason"])
    return Results(*parts, pd.concat(reasons, ignore_index=True) if reasons else empty)


def _read(run: Run) -> tuple[pd.DataFrame, ...]:
    folder = run.folder
    history = pd.read_csv(folder / "history.csv")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    return history, predictions, *(pd.DataFrame([json.loads((folder / name).read_text())]) for name in ("metrics.json", LAST))


def _labelled(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    labels = {"run": run.id, "cell_type": run.cell_type_label, "task": run.task, "model": run.model, "recipe": run.recipe, "fold": run.fold}
    for position, (name, value) in enumerate(labels.items()):
        table.insert(position, name, value)
    return table
