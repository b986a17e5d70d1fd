"""What is specific to a cell type: two of them side by side, and the change of expression from one to the other.

In: datasets of two cell types, predictions of runs. Out: tidy tables. Expression is log2(RPKM + 1); a fold change is that
of the second cell type minus that of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd

from .. import evaluation
from ..cell_types import PairedDataset
from ..config import InputError
from ..dataset import GeneDataset
from ..inputs import others_expression
from ..profile import Profile
from ..studies import OURS, TWO_REGRESSORS
from . import comparison

SHOWN_METRICS = ("roc_auc", "average_precision", "pearson", "spearman", "r2")  # what the tables show of both tasks
FROM_OTHERS = "Other cell types"  # ridge regression on their expression


def choose(profile: Profile, first: str = "", second: str = "") -> tuple[str, str]:
    """The two cell types to compare: those named, else the profile's first ones.

    Raises
    ------
    InputError
        A cell type that the profile does not have, the same one twice, or a profile of one cell type.
    """
    named = [profile.check_cell_type(name) for name in (first, second) if name]
    if len(profile.cell_types) < 2:
        raise InputError(f"profile {profile.name}: signal of {len(profile.cell_types)} cell type, expected two or more; take another profile, e.g. pilot-40kb or deepdiff-sample")
    free = [name for name in profile.cell_types if name not in named]
    first = first or free.pop(0)
    second = second or free.pop(0)
    if first == second:
        raise InputError(f"profile {profile.name}: {first} is to be compared with itself, expected two different cell types")
    return first, second


# Each cell type by itself


def level_scores(profile: Profile, data: Mapping[str, GeneDataset], predictions: pd.DataFrame) -> pd.DataFrame:
    """`comparison.held_out_scores` of each cell type, as classes and as levels: cell_type, task, model, gene_id, fold, score,
    target."""
    tables = []
    for cell_type, genes in data.items():
        for task in ("clf", "reg"):
            table = comparison.held_out_scores(profile, genes.select(task=task), predictions)
            tables.append(table.assign(cell_type=cell_type, task=task))
    table = pd.concat(tables, ignore_index=True)
    return table[["cell_type", "task", "model", "gene_id", "fold", "score", "target"]]


def level_intervals(scores: pd.DataFrame) -> pd.DataFrame:
    """Metrics of `level_scores` with 95 % bootstrap intervals: cell_type, task, model, metric, value, low, high, n."""
    return _each(scores, evaluation.with_intervals)


def beside_others(scores: pd.DataFrame) -> pd.DataFrame:
    """The network minus the mean of other cell types, from `level_scores`: one row of `evaluation.difference` for each cell
    type and task; no rows where there are no other cell types."""
    if comparison.OTHERS not in set(scores["model"]):
        return pd.DataFrame(columns=["cell_type", "task", "metric", "first", "second", "value", "low", "high", "n"])
    return _each(scores, lambda table, task: evaluation.difference(table, OURS, comparison.OTHERS, task))


def side_by_side(intervals: pd.DataFrame) -> pd.DataFrame:
    """One row per model and metric, for each cell type a column of text: value [low, high]."""
    shown = intervals[intervals["metric"].isin(SHOWN_METRICS)]
    keys = shown[["metric", "model"]].drop_duplicates()
    wide = shown.assign(text=evaluation.in_brackets(shown)).pivot(index=["metric", "model"], columns="cell_type", values="text")
    order = pd.MultiIndex.from_frame(keys.sort_values("metric", key=lambda metric: metric.map(SHOWN_METRICS.index), kind="stable"))
    wide.columns.name = None
    return wide.loc[order, list(shown["cell_type"].unique())].reset_index()


def _each(scores: pd.DataFrame, measure: Callable[[pd.DataFrame, str], pd.DataFrame]) -> pd.DataFrame:
    """The same measurement for each cell type and task, labelled with both."""
    tables = []
    for (cell_type, task), table in scores.groupby(["cell_type", "task"], sort=False):
        measured = measure(table, task)
        measured.insert(0, "task", task)
        measured.insert(0, "cell_type", cell_type)
        tables.append(measured)
    return pd.concat(tables, ignore_index=True)


# The change from one to the other


def histogram(data: PairedDataset, width: float = 0.5) -> pd.DataFrame:
    """Number of genes by measured log2 fold change: low, high, n. Zero is the edge of two bins."""
    change = _change(data)
    end = width * max(np.ceil(np.abs(change).max() / width), 1)
    edges = np.arange(-end, end + width / 2, width)
    n, _ = np.histogram(change, edges)
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "n": n})


def summary(data: PairedDataset) -> pd.DataFrame:
    """How alike two cell types are, in one row: pair, n, pearson (of expression), same_label, within_twofold, up, down (more
    than twofold; shares of genes)."""
    change = _change(data)
    first, second = (part.genes for part in (data.first, data.second))
    a, b = (np.log2(genes["expression"] + 1) for genes in (first, second))
    row = {"pair": data.cell_type, "n": len(data), "pearson": evaluation.METRICS["reg"](a, b)["pearson"],
           "same_label": (first["label"] == second["label"]).mean(), "within_twofold": (np.abs(change) <= 1).mean(),
           "up": (change > 1).mean(), "down": (change < -1).mean()}  # fmt: skip
    return pd.DataFrame([row])


def scores(profile: Profile, data: PairedDataset, predictions: pd.DataFrame) -> pd.DataFrame:
    """Fold changes that every model predicts for genes it was not fitted to.

    Parameters
    ----------
    data : PairedDataset
        All genes of both cell types.
    predictions : DataFrame
        `predictions` of `grid.ensure`: per fold, both regressors and the network trained on the fold change.

    Returns
    -------
    DataFrame
        model, gene_id, fold, score, target (both log2 fold change). OURS is trained on the fold change. The mean of other cell
        types is the same for both cell types, so its difference is 0. FROM_OTHERS is ridge regression on the expression of each of
        them: their chromatin is not seen, and neither is the expression of the two.
    """
    networks = {OURS: _own(data, predictions), TWO_REGRESSORS: _two_regressors(data, predictions)}
    return pd.concat([_table(data, networks), baselines(profile, data)], ignore_index=True)


def baselines(profile: Profile, data: PairedDataset) -> pd.DataFrame:
    """`scores` of all that is no network."""
    signal = {f"Mean signal, {width // 1000} kb": partial(comparison.mean_signal, window_bp=width)
              for width in dict.fromkeys((data.window_bp, min(comparison.NARROW_BP, data.window_bp)))}  # fmt: skip
    signal["Binned signal"] = comparison.binned_signal
    fitted = {name: ridge(data, inputs(data.second) - inputs(data.first)) for name, inputs in signal.items()}
    others = remaining(profile, data)
    if others is not None:
        fitted |= {comparison.OTHERS: np.zeros(len(data)), FROM_OTHERS: ridge(data, others.to_numpy())}
    if profile.simulated:
        best = [comparison.best_possible(profile, part)["score"].to_numpy() for part in (data.first, data.second)]
        fitted[comparison.BEST] = best[1] - best[0]
    return _table(data, fitted)


def _table(data: PairedDataset, by_model: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Scores of models, each in the order of the genes, below one another."""
    genes = data.genes[["gene_id", "fold"]]
    tables = [genes.assign(model=name, score=score, target=_change(data)) for name, score in by_model.items()]
    return pd.concat(tables, ignore_index=True)[["model", "gene_id", "fold", "score", "target"]]


def ridge(data: PairedDataset, x: np.ndarray) -> np.ndarray:
    """Fold change by ridge regression on x (gene, feature), each fold predicted from the others, the penalty chosen inside
    them."""
    return evaluation.cross_fit("reg", x, _change(data), data.genes, comparison.linear)


def remaining(profile: Profile, data: PairedDataset) -> pd.DataFrame | None:
    """log2(RPKM + 1) in all cell types with labels but the two of `data`: gene_id as index in its order; None if none."""
    others = others_expression(profile, data.first.cell_type)
    others = None if others is None else others.drop(columns=data.second.cell_type, errors="ignore")
    if others is None or others.empty:
        return None
    table = others.reindex(data.genes["gene_id"])
    if table.isna().any(axis=None):
        gene = table.index[table.isna().any(axis=1)][0]
        raise InputError(f"{profile.name}: {gene} has no expression in {', '.join(others)}; leave the gene out or correct other_cell_types")
    return table


def intervals(scores: pd.DataFrame, data: PairedDataset) -> pd.DataFrame:
    """Metrics of `scores` with 95 % bootstrap intervals: cell_type (second/first), model, metric, value, low, high, n."""
    table = evaluation.with_intervals(scores, "reg")
    table.insert(0, "cell_type", data.cell_type)
    return table


def differences(scores: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """Paired differences of Pearson's r: both networks minus the best baseline on chromatin, one network minus the other,
    and minus what other cell types know. Columns of `evaluation.difference`."""
    best = comparison.best_baseline(intervals)
    pairs = [(OURS, best), (TWO_REGRESSORS, best), (OURS, TWO_REGRESSORS)]
    if FROM_OTHERS in set(scores["model"]):
        pairs.append((OURS, FROM_OTHERS))
    table = pd.concat([evaluation.difference(scores, *pair, "reg") for pair in pairs], ignore_index=True)
    table.insert(0, "cell_type", intervals["cell_type"].iloc[0])
    return table


def _change(data: PairedDataset) -> np.ndarray:
    """Measured log2 fold change of each gene."""
    return data.targets[:, 0].cpu().numpy()


def _own(data: PairedDataset, predictions: pd.DataFrame) -> np.ndarray:
    return _column(data, predictions, "diff", data.cell_type, "log2_fold_change")


def _two_regressors(data: PairedDataset, predictions: pd.DataFrame) -> np.ndarray:
    first, second = (_column(data, predictions, "reg", part.cell_type, "expression") for part in (data.first, data.second))
    return second - first


def _column(data: PairedDataset, predictions: pd.DataFrame, task: str, cell_type: str, column: str) -> np.ndarray:
    """One output of the networks of a cell type, in the order of the genes."""
    rows = predictions[(predictions["task"] == task) & (predictions["cell_type"] == cell_type)]
    found = pd.Series(rows.get(column, pd.Series(dtype=float)).to_numpy(), index=rows["gene_id"]).reindex(data.genes["gene_id"])
    if found.isna().any():
        raise InputError(f"{cell_type}: no prediction of task {task} for {found.index[found.isna()][0]}, expected one of each gene; train all folds of it with chromolib.ensure")
    return found.to_numpy()
