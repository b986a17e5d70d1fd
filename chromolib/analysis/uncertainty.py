"""How far predictions of held-out genes are from what was measured, and whether networks that differ by their seed tell so.

In: predictions of networks that did not see the gene in training. Out: tidy tables; errors and intervals in the unit of the
score, log2(RPKM + 1) of regressors.

With folds by chromosome one network per seed has not seen a gene. What such networks disagree about is the start of their weights
and the order of batches. It holds neither the noise of expression, nor what other training genes would have changed, nor what
all of them have wrong in common; so it is no interval for the measured value, and `coverage` shows by how much it is not.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import resampling
from ..config import InputError

GENE = ["cell_type", "task", "fold", "gene_id"]
N_GROUPS = 3
LEVEL = 0.9    # of the intervals
NORMAL = 1.645  # standard deviations on either side that hold this share of a normal distribution
SPREAD, RESIDUAL = "spread of seeds", "errors on another fold"


def by_gene(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per gene: cell_type, task, fold, gene_id, target, mean (of what the networks say), sd (between them, ddof 1), seeds,
    error (mean minus target).

    Raises
    ------
    InputError
        A gene that fewer seeds have scored than others.
    """
    table = predictions[[*GENE, "target", "expression"]]
    groups = table.groupby(GENE, sort=False)["expression"]
    found = groups.agg(mean="mean", sd="std", seeds="size").reset_index()
    if (short := found["seeds"] < found["seeds"].max()).any():
        gene = found.loc[short.idxmax()]
        raise InputError(f"uncertainty: {gene['gene_id']} has {gene['seeds']} predictions, others {found['seeds'].max()}; train what is missing")
    found = found.merge(table.drop_duplicates(GENE)[[*GENE, "target"]], on=GENE)
    return found.assign(error=found["mean"] - found["target"])


def by_spread(table: pd.DataFrame, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Size of errors in groups of like number by the spread of seeds, a gene of each cell type by itself: group (1: least), genes
    (distinct), sd (mean), rmse with low and high (95 %, resampling genes with all their cell types). No rows of one seed."""
    known = table.dropna(subset="sd").sort_values("sd", kind="stable")
    rows = []
    for number, places in enumerate(np.array_split(np.arange(len(known)), N_GROUPS), 1):
        if len(part := known.iloc[places]):
            drawn = _resampled(part["error"] ** 2, part["gene_id"], n_resamples, seed) ** 0.5
            rows.append((number, part["gene_id"].nunique(), part["sd"].mean(), drawn[0], *np.quantile(drawn[1:], (0.025, 0.975))))
    return pd.DataFrame(rows, columns=["group", "genes", "sd", "rmse", "low", "high"])


def parts_of_error(table: pd.DataFrame) -> dict[str, float]:
    """Mean squared error of single networks in two parts: mse; of_seeds, the share that is gone in the mean of infinitely many
    seeds (variance between them); rest, what they have in common, noise of expression included. NaN of one seed."""
    of_seeds = (table["sd"] ** 2).mean()
    common = (table["error"] ** 2 - table["sd"] ** 2 / table["seeds"]).mean()
    return {"mse": common + of_seeds, "of_seeds": of_seeds / (common + of_seeds), "rest": common / (common + of_seeds)}


def coverage(table: pd.DataFrame, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How often intervals that should hold 90 % of measured values hold them.

    "spread of seeds": mean +- 1.645 sd between seeds, as if nothing else were uncertain. "errors on another fold": mean +- the 90 %
    quantile of the residuals of the other held-out folds of the cell type, of n the ceil(0.9 (n + 1))-th by size, which holds noise
    too, and is as wide for each gene; no rows where there is one fold. Those residuals are of other networks, trained on other
    genes, so that this is not split conformal prediction and has not its guarantee.

    Returns
    -------
    DataFrame
        interval, should (0.9), value (share of measured values, one per gene and cell type, that lie inside), low, high (95 %,
        resampling genes with all their cell types), width (mean of the intervals), genes (distinct).
    """
    half = {SPREAD: NORMAL * table["sd"], RESIDUAL: _from_other_folds(table)}
    rows = []
    for name, width in half.items():
        known = width.notna()
        if known.any():
            inside, gene_ids = (table["error"].abs() <= width)[known].astype(float), table.loc[known, "gene_id"]
            drawn = _resampled(inside, gene_ids, n_resamples, seed)
            rows.append((name, LEVEL, drawn[0], *np.quantile(drawn[1:], (0.025, 0.975)), 2 * width[known].mean(), gene_ids.nunique()))
    return pd.DataFrame(rows, columns=["interval", "should", "value", "low", "high", "width", "genes"])


def _from_other_folds(table: pd.DataFrame) -> pd.Series:
    half = pd.Series(np.nan, index=table.index)
    for _, of_cell_type in table.groupby(["cell_type", "task"], sort=False):
        for fold in of_cell_type["fold"].unique():
            is_here = of_cell_type["fold"] == fold
            errors = np.sort(of_cell_type.loc[~is_here, "error"].abs())
            rank = int(np.ceil(LEVEL * (len(errors) + 1)))
            if 0 < rank <= len(errors):
                half[of_cell_type.index[is_here]] = errors[rank - 1]
    return half


def _resampled(values: pd.Series, gene_ids: pd.Series, n_resamples: int, seed: int) -> np.ndarray:
    """Mean of the values, then of resamples of genes, each with its values in all cell types, (1 + n_resamples,)."""
    by_gene_id = values.groupby(gene_ids, sort=False)
    total, count = by_gene_id.sum().to_numpy(), by_gene_id.size().to_numpy()
    weights = resampling.with_all(len(total), n_resamples, seed)
    return np.concatenate([weight @ total / (weight @ count) for weight in weights])


def for_claims(table: pd.DataFrame) -> pd.DataFrame:
    """What `claims.evaluate` takes: the spread of seeds as score, the size of the error as target, as model "spread of seeds"."""
    known = table.dropna(subset="sd")
    return known[["cell_type", "task", "gene_id", "fold"]].assign(model=SPREAD, score=known["sd"], target=known["error"].abs())
