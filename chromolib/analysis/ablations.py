"""What a network loses without one of its parts, or gains by another: every variant beside the full network, gene by gene.

In: scores of held-out genes as `studies.scores` gives them, and datasets. Out: tidy tables in units of the metric; a change is
the metric of a variant minus that of the network it is held against, below 0 where the variant is worse.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .. import evaluation
from ..config import InputError, Profile
from ..dataset import GeneDataset
from ..resampling import METRICS, resamples
from ..simulate import read_truth, signal
from ..studies import OURS, Grid
from ..train import load_weights
from . import marks
from .claims import Subsets

METRIC = "roc_auc"
ACROSS = "pCREs across domains"  # a row of `planted`

# One score, what it is held against (or None) and the target of the same genes, and where these stand among all genes.
Part = tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]


# Differences


def levels(scores: pd.DataFrame, models: Sequence[str] | None = None, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """ROC-AUC of each model, the mean over its cell types, with a 95 % interval from resampling genes.

    Returns
    -------
    DataFrame
        model, metric, value, low, high, n (genes), cell_types (number). No interval (NaN) where a resample holds one class.
    """
    known, rows = list(scores["model"].unique()), []
    for model in known if models is None else [name for name in models if name in known]:
        parts, n = _parts(scores, model, None)
        draws = _draws(parts, n, n_resamples, seed)
        rows.append({"model": model, "metric": METRIC, **_interval(draws), "n": n, "cell_types": len(parts)})
    return pd.DataFrame(rows, columns=["model", "metric", "value", "low", "high", "n", "cell_types"])


def changes(
    scores: pd.DataFrame, beside: str = OURS, models: Sequence[str] | None = None, *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """ROC-AUC of each model minus that of `beside` on the same genes, the mean over the cell types that both have.

    Intervals and p are those of `claims.evaluate`: genes are resampled, once for all models and cell types, the trained
    networks stay as they are. What another seed would change, they do not hold; the row of a second seed tells of it.

    Parameters
    ----------
    scores : DataFrame
        cell_type, model, gene_id, score, target.
    models : sequence of str, optional
        Those to show; by default all but `beside`. Those without scores are passed over.

    Returns
    -------
    DataFrame
        model, beside, metric, level (the model's own ROC-AUC), value (the change), low, high, n (genes), cell_types (number),
        p (two-sided), q (p adjusted over the rows). NaN where a resample holds one class.

    Raises
    ------
    InputError
        `beside` has no scores, or a model has none of some gene.
    """
    known, rows = list(scores["model"].unique()), []
    chosen = [name for name in (known if models is None else models) if name in known and name != beside]
    if chosen and beside not in known:
        raise InputError(f"ablations: no scores of {beside!r}, expected one of {', '.join(known)}")
    for model in chosen:
        parts, n = _parts(scores, model, beside)
        if not parts:
            continue
        draws = _draws(parts, n, n_resamples, seed)
        level = np.mean([METRICS[METRIC](target, score, np.ones((1, len(target))))[0] for target, score, _, _ in parts])
        rows.append({"model": model, "beside": beside, "metric": METRIC, "level": level, **_interval(draws), "n": n,
                     "cell_types": len(parts), "p": _p(draws[1:])})  # fmt: skip
    columns = ["model", "beside", "metric", "level", "value", "low", "high", "n", "cell_types", "p"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(q=evaluation.adjusted(table["p"].astype(float)))


def fold_changes(scores: pd.DataFrame, beside: str = OURS) -> pd.DataFrame:
    """ROC-AUC of each model minus that of `beside`, fold by fold: cell_type, model, fold, value, n (genes of the fold)."""
    table = evaluation.by_fold(scores, "clf").query("metric == @METRIC", local_dict={"METRIC": METRIC}).drop(columns="metric")
    keys = ["cell_type", "fold"]
    own = table[table["model"] == beside].set_index(keys)["value"].rename("reference")
    table = table[table["model"] != beside].join(own, on=keys)
    return table.assign(value=table["value"] - table["reference"]).drop(columns="reference").dropna(subset="value")


def of_genes(scores: pd.DataFrame, subsets: Subsets) -> dict[str, pd.DataFrame]:
    """Scores of all genes, and of those of each subset, cell type by cell type; a subset without genes has no entry."""
    found = {"all": scores}
    for name, ids in subsets.items():
        parts = [
            table[table["gene_id"].isin(ids.get(cell_type, ()) if isinstance(ids, Mapping) else ids)]
            for cell_type, table in scores.groupby("cell_type", sort=False)
        ]
        if sum(map(len, parts)):
            found[name] = pd.concat(parts, ignore_index=True)
    return found


def together(*tables: pd.DataFrame) -> pd.DataFrame:
    """Tables of `changes` in one, q adjusted over the rows of all."""
    table = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    return table.assign(q=evaluation.adjusted(table["p"].astype(float)))


def by_genes(scores: pd.DataFrame, subsets: Subsets, beside: str = OURS, models: Sequence[str] | None = None) -> pd.DataFrame:
    """`changes` on all genes and on each subset, with the column genes in front."""
    return _labelled({name: changes(table, beside, models) for name, table in of_genes(scores, subsets).items()})


def levels_by_genes(scores: pd.DataFrame, subsets: Subsets, models: Sequence[str]) -> pd.DataFrame:
    """`levels` on all genes and on each subset, with the column genes in front."""
    return _labelled({name: levels(table, models) for name, table in of_genes(scores, subsets).items()})


def tests_by_genes(scores: pd.DataFrame, subsets: Subsets, first: str, second: str) -> pd.DataFrame:
    """`evaluation.paired_tests` of two models over folds and cell types, on all genes and on each subset: genes, ..."""
    tables = {}
    for name, table in of_genes(with_model(scores, second), subsets).items():
        values = evaluation.by_fold(table[table["model"].isin([first, second])], "clf")
        tables[name] = evaluation.paired_tests(values[values["metric"] == METRIC], first=first)
    return _labelled(tables)


def with_model(scores: pd.DataFrame, model: str) -> pd.DataFrame:
    """Scores of the cell types that a model was trained of."""
    return scores[scores["cell_type"].isin(scores.loc[scores["model"] == model, "cell_type"])]


def _labelled(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([table.assign(genes=name)[["genes", *table]] for name, table in tables.items()], ignore_index=True)


def _parts(scores: pd.DataFrame, model: str, beside: str | None) -> tuple[list[Part], int]:
    """A model's scores and those of what it is held against, cell type by cell type; and the number of genes."""
    wanted = [model, *([beside] if beside else [])]
    wide = {}
    for cell_type, table in scores[scores["model"].isin(wanted)].groupby("cell_type", sort=False):
        if set(table["model"]) >= set(wanted):
            by_model = table.pivot(index="gene_id", columns="model", values="score")
            if by_model.isna().any(axis=None):
                gene, lacking = by_model.stack(future_stack=True).loc[lambda score: score.isna()].index[0]
                raise InputError(f"ablations: {gene} of {cell_type} has no score of {lacking!r}; train its fold, and compare on the same genes")
            wide[cell_type] = by_model.assign(target=table.groupby("gene_id")["target"].first())
    genes = pd.Index(np.unique(np.concatenate([table.index for table in wide.values()]))) if wide else pd.Index([])
    parts = [
        (table["target"].to_numpy(), table[model].to_numpy(), table[beside].to_numpy() if beside else None, genes.get_indexer(table.index))
        for table in wide.values()
    ]
    return parts, len(genes)


def _draws(parts: list[Part], n_genes: int, n_resamples: int, seed: int) -> np.ndarray:
    """The metric or its change, mean over cell types, (1 + resample,): on all genes first."""
    measure, values = METRICS[METRIC], []
    for weight in itertools.chain([np.ones((1, n_genes))], resamples(n_genes, n_resamples, seed)):
        of_each = [
            measure(target, a, weight[:, at]) - (0 if b is None else measure(target, b, weight[:, at])) for target, a, b, at in parts
        ]
        values.append(np.mean(of_each, axis=0))
    return np.concatenate(values)


def _interval(draws: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(draws[1:], (0.025, 0.975))
    return {"value": draws[0], "low": low, "high": high}


def _p(draws: np.ndarray) -> float:
    """Two-sided p of a change of 0, as in `claims.evaluate`."""
    if np.isnan(draws).any():
        return float("nan")
    n_short = min((draws <= 0).sum(), (draws >= 0).sum())
    return min(1.0, 2 * (1 + n_short) / (1 + len(draws)))


# What belongs to single questions


def sizes(grid: Grid) -> pd.DataFrame:
    """Number of trained weights of each model's network: model, parameters."""
    rows = [(name, sum(weight.numel() for weight in load_weights(runs[0].folder).parameters())) for name, runs in grid.items()]
    return pd.DataFrame(rows, columns=["model", "parameters"])


def contacts_by_domain(data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """Contacts within and across domains (TADs) of those that a network reads.

    Returns
    -------
    DataFrame
        cell_type, genes; contacts_within, contacts_across (numbers); genes_within, genes_across (genes that have one). No row
        for a cell type without domains.
    """
    rows = []
    for cell_type, genes in data.items():
        if "is_intra_tad" in genes.store:
            n = {kind: (genes.select(contacts=f"{kind}-TAD").touching()[1] > 0).sum(1) for kind in ("intra", "inter")}
            rows.append((cell_type, len(genes), n["intra"].sum(), n["inter"].sum(), (n["intra"] > 0).sum(), (n["inter"] > 0).sum()))
    columns = ["cell_type", "genes", "contacts_within", "contacts_across", "genes_within", "genes_across"]
    return pd.DataFrame(rows, columns=columns)


def removed_marks(table: pd.DataFrame, correlation: pd.DataFrame) -> pd.DataFrame:
    """Rows of `changes` on single marks that were removed, the worst loss first, beside the other mark that each follows most
    closely (`marks.spatial_correlation`): the columns of `changes`, then mark, closest, r."""
    others = correlation[correlation["mark"] != correlation["other"]]
    closest = others.loc[others.groupby("mark")["r"].idxmax()].set_index("mark")[["other", "r"]].rename(columns={"other": "closest"})
    mark = table["model"].str.removeprefix("without ")
    rows = table.assign(mark=mark)[mark.isin(closest.index) & (mark != table["model"])]
    return rows.join(closest, on="mark").sort_values("value", kind="stable", ignore_index=True)


def in_order(correlation: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """A correlation of marks with its rows in the order of these, which are all of them."""
    place = {mark: i for i, mark in enumerate(order)}
    return correlation.sort_values(["mark", "other"], key=lambda marks: marks.map(place), ignore_index=True)


def pairs(correlation: pd.DataFrame) -> pd.DataFrame:
    """Each pair of marks once, the closest first."""
    place = {mark: i for i, mark in enumerate(correlation["mark"].unique())}
    is_first = correlation["mark"].map(place) < correlation["other"].map(place)
    return correlation[is_first].sort_values("r", ascending=False, ignore_index=True)


def for_claims(scores: pd.DataFrame, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """What `claims.evaluate` takes: the scores, and how closely H3K36me3 follows other marks, where there are those."""
    can = [genes for genes in data.values() if "H3K36me3" in genes.marks and len(genes.marks) > 2]
    return pd.concat([scores, *map(marks.along_windows, can)], ignore_index=True)


# What was planted


def planted(profile: Profile, cell_types: Sequence[str]) -> pd.DataFrame:
    """Of a simulated profile, the terms of expression, which marks show each, and how much there is to lose.

    Returns
    -------
    DataFrame
        cell_type, term, marks, sd (of the term over genes, log2 RPKM), most (what the ROC-AUC of the best possible score falls by
        without it). No rows for a profile of real data. The last row is what pCREs across domains contribute.
    """
    rows = []
    for cell_type in cell_types if profile.simulated else ():
        genes = read_truth(profile, "genes", cell_type)
        label, best = genes["label"].to_numpy(), genes["mean_log2_rpkm"]
        pcres = read_truth(profile, "pcres", cell_type)
        across = pcres.loc[~pcres["is_intra"].astype(bool)].groupby("gene_id")["contribution"].sum()
        terms = {name: genes[name] for name in ("initiation", "elongation", "activation")} | {"repression": -genes["repression"]}
        terms[ACROSS] = genes["gene_id"].map(across).fillna(0.0)
        for term, value in terms.items():
            most = evaluation.METRICS["clf"](label, best)[METRIC] - evaluation.METRICS["clf"](label, best - value)[METRIC]
            rows.append((cell_type, term, ", ".join(_seen_in(term)) or None, value.std(), most))
    return pd.DataFrame(rows, columns=["cell_type", "term", "marks", "sd", "most"])


def _seen_in(term: str) -> list[str]:
    """Marks that the simulation lets follow the state behind a term."""
    sign = {"activation": 1, "repression": -1}.get(term)
    found = {
        "initiation": [mark for mark, peaks in signal.AT_TSS.items() if any(state == "on" for state, *_ in peaks)],
        "elongation": list(signal.ALONG_BODY),
    }
    return found.get(term) or [mark for mark, (side, *_) in signal.AT_REGIONS.items() if side == sign]
