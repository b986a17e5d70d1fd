"""Metrics of one model on many resamples of its genes at once, each counted as often as it was drawn.

In: what was measured, what a model says, and how often each gene is in each resample. Out: one value per resample.
Axes: `b` resample, `g` gene, `k` column. A value is NaN where it means nothing: one class, or no variance.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd

CHUNK = 50  # resamples at a time, to bound memory
MOST_EMPTY = 0.05  # share of resamples that may tell nothing before an interval of the others would mislead
MIN_UNLIKE = 5     # genes of a fold; of one resample in 150, 1 / e**5, all of them are absent


def resamples(n_genes: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each gene is in a resample of as many genes, (at most CHUNK, gene), until there are `n_resamples`.

    The same genes are drawn as by scipy.stats.bootstrap with this seed.
    """
    rng = np.random.default_rng(seed)
    for first in range(0, n_resamples, CHUNK):
        n = min(CHUNK, n_resamples - first)
        drawn = rng.integers(n_genes, size=(n, n_genes)) + n_genes * np.arange(n)[:, None]
        yield np.bincount(drawn.ravel(), minlength=n * n_genes).reshape(n, n_genes).astype(np.float64)


def with_all(n_genes: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """All genes first, each once, (1, gene), then the `resamples`."""
    yield np.ones((1, n_genes))
    yield from resamples(n_genes, n_resamples, seed)


def poisson_weights(gene_ids: Sequence[str], n_resamples: int, seed: int) -> np.ndarray:
    """How often each gene is in each resample, (gene, 1 + b), of genes that pass a few at a time; first comes 1, for all genes.

    Each number is drawn by itself, Poisson with mean 1, which for many genes is the bootstrap. It hangs on the gene's id
    alone, not on the genes beside it: the resamples of two networks hold the same genes.
    Source: Hanley & MacGibbon, Comput. Methods Programs Biomed. 83, 57-62 (2006).
    """
    draws = [np.random.default_rng([seed, zlib.crc32(gene.encode())]).poisson(1, n_resamples) for gene in gene_ids]
    return np.insert(np.array(draws, np.float32).reshape(-1, n_resamples), 0, 1, axis=1)


def ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How many genes of each resample lie below a gene, and half of those that tie with it: (b, g, k) of (g, k)."""
    found = np.empty((*weight.shape, values.shape[1]))
    for k, column in enumerate(values.T):
        tied, order, group = _by_value(column, weight)
        found[:, order, k] = (np.cumsum(tied, axis=1) - tied / 2)[:, group]
    return found


def roc_auc(label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Share of pairs of a gene that is on and one that is off that the score puts in this order, a tie half, (b,)."""
    on = weight * (label == 1)
    off, _, _ = _by_value(score, weight - on)
    on, _, _ = _by_value(score, on)
    pairs = (on * (np.cumsum(off, axis=1) - off / 2)).sum(1)
    return _ratio(pairs, on.sum(1) * off.sum(1))


def accuracy(label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Share of genes called right by a score that calls a gene on where it is above 0, (b,)."""
    return weight @ ((score > 0) == (label == 1)) / weight.sum(1)


def average_precision(label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Precision at each threshold, weighted by the recall that it adds, (b,)."""
    on, _, _ = _by_value(-score, weight * (label == 1))
    called, _, _ = _by_value(-score, weight)
    n_on, n_called = np.cumsum(on, axis=1), np.cumsum(called, axis=1)
    found = _ratio((on * n_on / np.maximum(n_called, 1)).sum(1), n_on[:, -1])
    return np.where(n_on[:, -1] < n_called[:, -1], found, np.nan)  # as in evaluation: of one class it means nothing


def pearson(measured: np.ndarray, predicted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Pearson's correlation, (b,)."""
    x, y = measured - measured.mean(), predicted - predicted.mean()  # sums of squares keep their digits
    n = weight.sum(1)
    mean_x, mean_y = weight @ x / n, weight @ y / n
    variance = (weight @ x**2 / n - mean_x**2) * (weight @ y**2 / n - mean_y**2)
    varies = variance > 1e-12 * (x**2).mean() * (y**2).mean()  # what rounding leaves of none is no variance
    return _ratio(weight @ (x * y) / n - mean_x * mean_y, np.sqrt(np.where(varies, variance, 0)))


def spearman(measured: np.ndarray, predicted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Spearman's correlation, ties sharing a rank, (b,)."""
    rank = ranks(np.column_stack([measured, predicted]), weight)                             # (b, g, 2)
    rank -= (weight.sum(1) / 2)[:, None, None]                                               # the mean of both
    weighted = rank * weight[..., None]
    covariance, (of_x, of_y) = (weighted[..., 0] * rank[..., 1]).sum(1), (weighted * rank).sum(1).T
    return _ratio(covariance, np.sqrt(of_x * of_y))


def r2(measured: np.ndarray, predicted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """1 - squared error over variance, (b,)."""
    x, n = measured - measured.mean(), weight.sum(1)
    return 1 - _ratio(weight @ (measured - predicted) ** 2, weight @ x**2 - (weight @ x) ** 2 / n)


def mean(measured: np.ndarray, predicted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean of the score itself, (b,), whatever was measured."""
    return weight @ predicted / weight.sum(1)


# What was measured and what a model says, (g,) each, and weights (b, g) -> (b,).
Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
METRICS: dict[str, Measure] = {  # all but the mean as in evaluation.METRICS
    "roc_auc": roc_auc, "accuracy": accuracy, "average_precision": average_precision, "pearson": pearson,
    "spearman": spearman, "r2": r2, "mean": mean,
}  # fmt: skip


def interval(draws: np.ndarray) -> tuple[float, float, float]:
    """Value, low and high, the ends of 95 % of resamples, of what is measured on all genes first and then on resamples, (1 + b,).

    Resamples in which it means nothing, such as those of one label, are left out; there is no interval, NaN, where they are more
    than MOST_EMPTY of all.
    """
    told = _told(draws[1:])
    return draws[0], *(np.quantile(told, (0.025, 0.975)) if len(told) else (np.nan, np.nan))


def tells(values: pd.Series) -> bool:
    """Whether a fold can tell models apart by these targets: MIN_UNLIKE of its genes or more have another one than the commonest.

    It asks for the target alone: a model whose predictions do not vary must not choose the folds in which others are measured.
    """
    return len(values) - values.value_counts().max() >= MIN_UNLIKE


def in_told_groups(table: pd.DataFrame, by: Sequence[str], columns: Sequence[str] = ("target",)) -> pd.DataFrame:
    """Rows of the groups `by`, such as folds of cell types, whose genes tell something by each of these columns (`tells`)."""
    groups = table.groupby(list(by))
    return table[np.logical_and.reduce([groups[name].transform(tells).astype(bool) for name in columns])]


def is_told(draws: np.ndarray) -> bool:
    """Whether what is measured on all genes first and then on resamples, (1 + b,), means something of all and of most resamples."""
    return not np.isnan(draws[0]) and _are_most_told(draws[1:])


def _are_most_told(draws: np.ndarray) -> bool:
    return np.isnan(draws).sum() <= MOST_EMPTY * len(draws)


def _told(draws: np.ndarray) -> np.ndarray:
    """Resamples in which a value means something; none where those in which it does not are too many."""
    return draws[~np.isnan(draws)] if _are_most_told(draws) else draws[:0]


def two_sided_p(draws: np.ndarray, beside: float = 0.0) -> float:
    """Two-sided p of a value, from what resamples have in its place, (b,): `p_on_side` of the rarer side of `beside`."""
    return p_on_side(draws, beside, "either")


def p_on_side(draws: np.ndarray, beside: float, side: Literal["above", "below", "either"]) -> float:
    """That a value does not lie above, or below, `beside`: twice the share of resamples, (b,), that do not, with the value itself
    counted along; where the 95 % interval lies there, it is at most about 0.05. Resamples in which it means nothing are treated as by
    `interval`."""
    told = _told(draws)
    n_short = {"above": (told <= beside).sum(), "below": (told >= beside).sum()}
    return min(1.0, 2 * (1 + n_short.get(side, min(n_short.values()))) / (1 + len(told))) if len(told) else float("nan")


def of_parts(parts: Sequence[Sequence[pd.DataFrame]], metric: str, n_resamples: int, seed: int) -> tuple[np.ndarray, int]:
    """A metric of several tables on the same resamples of genes, whichever genes each of them holds.

    Parameters
    ----------
    parts : rows of tables, e.g. cell types x models
        score and target of each gene, by its id.
    metric : str
        One of `METRICS`.

    Returns
    -------
    values : array, (1 + b, row, column)
        On all genes first.
    n : int
        Genes that are in any of the tables, hence in each resample.
    """
    genes = pd.Index(np.unique(np.concatenate([part.index for row in parts for part in row])))
    arrays = [
        [(genes.get_indexer(part.index), part["target"].to_numpy(), part["score"].to_numpy()) for part in row] for row in parts
    ]
    values = []
    for weight in with_all(len(genes), n_resamples, seed):
        by_part = [[METRICS[metric](target, score, weight[:, at]) for at, target, score in row] for row in arrays]
        values.append(np.moveaxis(np.array(by_part), -1, 0))
    return np.concatenate(values), len(genes)


def _by_value(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight of each distinct value, rising, (b, distinct value); the order of the genes; the value that each then has."""
    order = np.argsort(values, kind="stable")
    is_new = np.diff(values[order], prepend=np.nan) != 0
    return np.add.reduceat(weight[:, order], np.flatnonzero(is_new), axis=1), order, np.cumsum(is_new) - 1


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
