"""What the networks of a grid say of genes that they did not see, and what they took.

In: grids of `studies`, and what `ensure` returns of their runs. Out: tables of scores under the names of the grid, and of costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from .checkpoints import Network, build, described, load_weights
from .jobs import Shelf, plan
from .runs import Results, Run
from .studies import OF_TWO, OURS, Grid, runs_of
from .train import Dataset, score_of

SCORES = ["cell_type", "task", "model", "gene_id", "fold", "score", "target"]


def networks(runs: Iterable[Run]) -> Iterator[tuple[Run, Network, Dataset]]:
    """Each run's trained network, and the genes that it did not see as it reads them; one cell type in memory at a time.

    Raises
    ------
    InputError
        A run that is not trained yet (`ensure` does so), or whose network is damaged.
    """
    shelf = Shelf()
    for job in plan(runs):
        model = load_weights(job.run.folder)
        _, held_out = shelf.split(job)
        yield job.run, model, held_out


def scores(grid: Grid, results: Results) -> pd.DataFrame:
    """What each model of a grid says of held-out genes; runs that failed are missing.

    Returns
    -------
    DataFrame
        cell_type (a fold change: second/first), task, model, gene_id, fold, score, target. Scores as in `evaluation`: clf, the
        logit of being on; reg, log2(RPKM + 1); diff, the log2 fold change. Those of runs that differ by their seed alone are
        averaged; genes that one of the seeds lacks, since its run failed, are missing.
    """
    said = results.predictions.assign(score=_scores_of(results.predictions)).set_index("run")
    # The model's name in a run is that of its network; here it is the one of the grid.
    parts = [said.loc[said.index.isin([run.id for run in runs])].assign(model=name) for name, runs in grid.items()]
    if not parts:
        return no_scores()
    table = pd.concat(parts, ignore_index=True)[SCORES]
    groups = table.groupby(SCORES[:5], sort=False, as_index=False, observed=True)
    averaged = groups.agg(score=("score", "mean"), target=("target", "mean"), seeds=("score", "size"))
    n_seeds = averaged["model"].map({name: len({run.seed for run in runs}) for name, runs in grid.items()})
    return averaged[averaged["seeds"] == n_seeds].drop(columns="seeds").reset_index(drop=True)


def no_scores() -> pd.DataFrame:
    """A table of scores without rows, whose numbers are numbers also beside those of another."""
    return pd.DataFrame(columns=SCORES).astype({"fold": int, "score": float, "target": float})


def _scores_of(predictions: pd.DataFrame) -> pd.Series:
    """`score_of` each row by its own task."""
    found = pd.Series(np.nan, index=predictions.index)
    for task in predictions["task"].unique():
        rows = predictions["task"] == task
        found[rows] = score_of(predictions[rows], task).astype(float)
    return found


def change_scores(grid: Grid, results: Results) -> pd.DataFrame:
    """`scores` of `fold_change`, the two references made of what the networks of each cell type say: the difference of two
    regressors, and the log2 ratio of the probabilities of two classifiers. Genes that lack one of the two are missing."""
    table = scores({name: runs for name, runs in grid.items() if name not in OF_TWO}, results)
    if table.empty:
        return table
    said = scores({name: grid[name] for name in OF_TWO}, results)
    said["score"] = said["score"].where(said["task"] == "reg", special.log_expit(said["score"]) / np.log(2))
    second, first = table["cell_type"].iloc[0].split("/")
    by_gene = said.pivot(index=["model", "gene_id"], columns="cell_type", values="score").reindex(columns=[first, second])
    change = (by_gene[second] - by_gene[first]).dropna().rename("score").reset_index()
    measured = table.drop(columns=["model", "score"]).drop_duplicates("gene_id")
    return pd.concat([table, change.merge(measured, on="gene_id")[SCORES]], ignore_index=True)


def costs(results: Results, *grids: Grid) -> pd.DataFrame:
    """What each model took, mean over its runs: model, task, parameters (of the largest network), epochs, minutes (of a run),
    memory_gb (the peak; on a CPU that of the process, data included), runs, device, threads.

    Each run counts once, with the first name that it has; what two of the references of a fold change are made of counts with
    Chromoformer.
    """
    named = [(OURS if name in OF_TWO else name, run) for grid in grids for name, runs in grid.items() for run in runs]
    names = {run.id: name for name, run in reversed(named)}
    folders = {run.id: run.folder for run in runs_of(*grids)}
    records = results.records[results.records["run"].isin(list(names))]
    records = records.assign(model=records["run"].map(names))
    rows = []
    for (name, task), group in records.groupby(["model", "task"], sort=False):
        used, first = group[["epochs", "seconds", "peak_memory_mb"]].mean(), group.iloc[0]
        n = max(n_parameters(folders[run]) for run in group["run"])  # without contacts a network has no layers for pCREs
        rows.append((name, task, n, used["epochs"], used["seconds"] / 60,
                     used["peak_memory_mb"] / 1000, len(group), first["device"], first["threads"]))  # fmt: skip
    columns = ["model", "task", "parameters", "epochs", "minutes", "memory_gb", "runs", "device", "threads"]
    return pd.DataFrame(rows, columns=columns)


def n_parameters(folder: Path) -> int:
    """Numbers that a run's network has learned."""
    return _count((folder / "model.json").read_text())


@cache
def _count(settings: str) -> int:
    """The same of a network as model.json describes it, which many runs share; its weights are not read."""
    return sum(weight.numel() for weight in build(described(settings), seed=0).parameters())
