"""The plan of a profile: every training that its notebooks need, each once, and about how long it takes.

In: a profile and a budget; nothing of its data is read, and its features need not be there. Out: runs, and tables of them. Times
in seconds, as `estimates` has them.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd

from . import features, studies
from .analysis import attention, cis_regulation, fold_change, transfer
from .config import InputError
from .estimates import PAPER_GENES, expected_genes, seconds
from .grid import in_words as in_time
from .jobs import is_there
from .profile import load_profile
from .runs import Run
from .studies import OURS, Grid, Study

DONE, TO_TRAIN = "done", "to train"
COLUMNS = ["notebook", "figure", "name", "run", "profile", "cell_type", "task", "model", "fold", "seed", "state", "seconds", "estimate"]
_SURELY = 1.25  # a learning curve's size stands where so many times its genes are expected: folds are not equal, and genes are left out


class Need(NamedTuple):
    """A training that a notebook needs, under the name that its tables have for it; figure: of the paper."""

    notebook: str
    figure: str
    name: str
    run: Run


# Which runs


def _fold_change(study: Study) -> dict[str, Grid]:
    return {"2e, f": studies.two_cell_types(study, *fold_change.choose(study.record))}


def _benchmark(study: Study) -> dict[str, Grid]:
    return {"2b-d, S5-S7": studies.benchmark(study), "2b": studies.on_graph(study), "2e, f": studies.fold_change(study)}


def _ablations(study: Study) -> dict[str, Grid]:
    grid, _ = studies.ablations(study)
    parts: dict[str, Grid] = {}
    for name, runs in grid.items():
        parts.setdefault(_figure_of(name), {})[name] = runs
    return parts


def _cross(study: Study) -> dict[str, Grid]:
    few = studies.transfer(study, transfer.sizes(study, _fewest(study)))
    return {"8a, b, d": studies.cross(study), "none": few | studies.agnostic(study)}


def _fewest(study: Study) -> int:
    """How many genes a network of `studies.transfer` can learn from at least: as the features say, where they are there; else
    about as many as a cell type has, and where nobody knows, as a whole genome."""
    if not (pair := studies.transfer_pair(study)):
        return 0
    path = features.path_of(study.record, pair[1])
    if path.exists():
        return transfer.fewest_genes(study, pd.Series(features.load(path)["fold"].values))
    return min(expected_genes(study.record, fold) or sum(PAPER_GENES.values()) for fold in study.folds)


def _figure_of(name: str) -> str:
    """The figure that a network of `studies.ablations` is in."""
    known = {OURS: "3, 4, S", studies.ANOTHER_SEED: "none", studies.WITHOUT_PCRES: "3b, c", studies.CONCATENATED: "S4",
             "with CTCF": "S17", "with PC1": "S18"} | dict.fromkeys(studies.REMOVED_TOGETHER, "S10")  # fmt: skip
    return known.get(name) or ("S3" if name.startswith("bins ") else "S8" if name.endswith(" contacts") else "4g, S10")


# Notebook -> figure of the paper -> what is trained for it: by the functions that the notebook itself calls.
GRIDS: dict[str, Callable[[Study], dict[str, Grid]]] = {
    "02_train": lambda study: {"2": studies.one_cell_type(study)},
    "02b_fold_change": _fold_change,
    "03_benchmark": _benchmark,
    "04_window_size": lambda study: {"3a": studies.windows(study)},
    "05_ablation": _ablations,
    "06_attention": lambda study: {"4": studies.classifiers(study, without=[attention.MARK])},
    "07_pcri": lambda study: {"5, 6": studies.regressors(study, studies.connected(study))},
    "07b_cis_regulation": lambda study: {"7, S14-S16": studies.regressors(study, cis_regulation.cell_types(study))},
    "07c_perturbation": lambda study: {"none": studies.ensembles(study)},
    "08_cross_species": _cross,
}


def runs_for(study: Study, notebook: str) -> list[Run]:
    """Every run that a notebook ensures, each once, after what it starts from; none of a notebook that trains nothing."""
    if notebook not in GRIDS:
        return []
    runs = studies.runs_of(*GRIDS[notebook](study).values())
    return list(dict.fromkeys([*(run.source for run in runs if run.source), *runs]))


def is_sure(run: Run, study: Study) -> bool:
    """Whether a notebook trains it whatever features that are not there yet will hold: learning curves end where genes do."""
    if run.n_genes is None or features.path_of(study.record, run.cell_type).exists():
        return True
    expected = [expected_genes(study.record, fold) for fold in study.folds]
    return None not in expected and _SURELY * run.n_genes <= min(expected)


def needs(study: Study) -> list[Need]:
    """What each notebook of the study's profile trains, in the order of its notebooks; a run stands here for each that needs it."""
    found = []
    for notebook in study.record.notebooks:
        parts = GRIDS[notebook](study) if notebook in GRIDS else {}
        named = [(figure, name, run) for figure, grid in parts.items() for name, runs in grid.items() for run in runs]
        trained = {run for _, _, run in named}
        starts = {run.source: (figure, f"{name}: its start") for figure, name, run in named if run.source and run.source not in trained}
        found += [Need(notebook, *about, run) for run, about in starts.items()] + [Need(notebook, *need) for need in named]
    return found


def pick(study: Study, ids: Sequence[str]) -> list[Run]:
    """The runs of the plan that have these ids.

    Raises
    ------
    InputError
        An id that no notebook of the profile trains.
    """
    known = {need.run.id: need.run for need in needs(study)}
    for name in ids:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=3, cutoff=0) or ["none"]
            raise InputError(
                f"profile {study.record.name}: found run {name!r}, expected one of {len(known):,} of its plan, nearest {', '.join(nearest)}; "
                "`chromolib book --dry-run --runs` lists all"
            )
    return [known[name] for name in dict.fromkeys(ids)]


# Tables


def plan_table(profile: str | os.PathLike[str], budget: str = "profile", seed: int = 42) -> pd.DataFrame:
    """Every training of a profile's notebooks, each once; sources before the runs that start from them.

    Returns
    -------
    DataFrame
        run (its id), notebooks and figures (of the paper) that need it, name (in tables), cell_type (of a fold change
        second/first), task, model, fold, seed, state (done or to train), seconds (measured where done, else estimated, NaN
        where nothing is known of it) and estimate: what that rests on. A run counts as done if it is whole and of these
        settings; that features have changed since shows only when it is ensured.
    """
    rows = needed(studies.study(profile, budget, seed))
    groups = rows.groupby("run", sort=False)
    once = rows.drop_duplicates("run").set_index("run").drop(columns=["notebook", "figure"])
    for place, (name, column) in enumerate({"notebooks": "notebook", "figures": "figure"}.items()):
        once.insert(place, name, groups[column].agg(lambda values: "; ".join(dict.fromkeys(values))))
    return once.reset_index()


def needed(study: Study) -> pd.DataFrame:
    """The same with a row for each notebook, figure and name under which a run is needed: notebook, figure, name, run and so on."""
    found = needs(study)
    runs = list(dict.fromkeys(need.run for need in found))
    records = {name: load_profile(name) for name in dict.fromkeys(run.profile for run in runs)}  # that of a second species too
    done = {run for run in runs if is_there(run, records[run.profile])}
    told = seconds(runs, done, records)
    rows = [
        (notebook, figure, name, run.id, records[run.profile].name, run.cell_type_label, run.task, run.model, run.fold, run.seed, DONE if run in done else TO_TRAIN, *told[run])
        for notebook, figure, name, run in found
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS).astype({"seconds": float})


def in_words(study: Study) -> list[str]:
    """The plan as lines of text: features, then each notebook with what it trains for which figure, then all together."""
    record, rows = study.record, needed(study)
    there = [name for name in record.cell_types if features.path_of(record, name).exists()]
    lines = [f"{record.name}: {record.title}", f"features: {len(there)} of {len(record.cell_types)} cell types are there, {len(record.cell_types) - len(there)} to build"]
    for notebook in record.notebooks:
        part = rows[rows["notebook"] == notebook]
        lines.append(f"{notebook}: {_counted(part)}")
        for (figure, name), group in part.groupby(["figure", "name"], sort=False):
            lines.append(f"    figure {figure:12} {name:44} {_product(group):36} {_counted(group)}")
        if notebook == "05_ablation":
            lines += [f"    figure {row.figure:12} {row.what}: left out, {row.why}" for row in studies.ablations(study)[1].itertuples()]
    lines.append(f"all: {_counted(rows)}; a run that several need is trained once")
    left = rows[rows["state"] == TO_TRAIN]
    rests_on = [kind for kind in dict.fromkeys(left["estimate"]) if kind]
    if rests_on:
        lines.append(f"times: of trainings alone, one after the other, rough; from {' and '.join(rests_on)}")
    if n_unknown := left.loc[left["seconds"].isna(), "run"].nunique():
        lines.append(f"times: nothing is known of {n_unknown:,} runs, which are left out of them")
    return lines


def _counted(rows: pd.DataFrame) -> str:
    once = rows.drop_duplicates("run")
    if once.empty:
        return "trains nothing"
    left = once[once["state"] == TO_TRAIN]
    about = f", about {in_time(left['seconds'].sum())}" if left["seconds"].notna().any() else ""
    return f"{len(once):,} run{'s' if len(once) > 1 else ''}, {len(once) - len(left):,} done, {len(left):,} to train{about}"


def _product(rows: pd.DataFrame) -> str:
    """The factors of a number of runs, where it is their product."""
    counts = {"cell type": rows["cell_type"].nunique(), "fold": rows["fold"].nunique(), "task": rows["task"].nunique(), "seed": rows["seed"].nunique()}
    if math.prod(counts.values()) != rows["run"].nunique():
        return ""
    return " x ".join(f"{n} {what}{'s' if n > 1 else ''}" for what, n in counts.items() if n > 1 or what in ("cell type", "fold"))
