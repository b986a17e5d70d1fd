"""What a network loses without one of its parts, or gains by another: every variant beside the full network, gene by gene.

In: scores of held-out genes as `answers.scores` gives them, and datasets. Out: tidy tables in units of the metric; a change is
the metric of a variant minus that of the network it is held against, below 0 where the variant is worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .. import evaluation
from ..config import InputError
from ..dataset import GeneDataset
from ..profile import Profile
from ..resampling import interval, of_parts, tells, two_sided_p
from ..simulate import read_truth, signal
from ..studies import ANOTHER_SEED, OURS, Study
from . import marks
from .claims import Subsets

METRIC = "roc_auc"  # of classifiers, by which the paper compares
ACROSS = "pCREs across domains"  # a row of `planted`

# Differences


def levels(scores: pd.DataFrame, models: Sequence[str] | None = None, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """ROC-AUC of each model, the mean over its folds and cell types, with a 95 % interval from resampling genes.

    Returns
    -------
    DataFrame
        model, metric, value, low, high, n (genes), parts (folds of cell types, without those that tell nothing).
    """
    rows = []
    for model in _chosen(scores, models):
        if not (parts := _parts(scores, [model])):
            continue
        draws, n = of_parts(parts, METRIC, n_resamples, seed)
        rows.append({"model": model, "metric": METRIC, **_interval(draws[..., 0].mean(1)), "n": n, "parts": len(parts)})
    return pd.DataFrame(rows, columns=["model", "metric", "value", "low", "high", "n", "parts"])


def changes(
    scores: pd.DataFrame, beside: str = OURS, models: Sequence[str] | None = None, *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """ROC-AUC of each model minus that of `beside`, the mean over the folds and cell types that both have.

    Genes are resampled, once for both networks and all cell types; the networks stay as they are. What another seed would
    change, the intervals do not hold; the row of a second seed tells of it. Folds are not pooled, since the logits of
    two short trainings may lie apart by a constant, which differs between variants; those that tell nothing are left out.

    Parameters
    ----------
    scores : DataFrame
        cell_type, model, gene_id, fold, score, target.
    models : sequence of str, optional
        Those to show; by default all but `beside`. Those without scores are passed over.

    Returns
    -------
    DataFrame
        model, beside, metric, level (the model's own ROC-AUC), value (the change), low, high, n (genes), parts (folds of cell
        types), p (two-sided), q (p adjusted over the rows).

    Raises
    ------
    InputError
        `beside` has no scores, or one of two models has none of some gene of a fold that it is scored in.
    """
    rows = []
    chosen = [name for name in _chosen(scores, models) if name != beside]
    if chosen and beside not in set(scores["model"]):
        raise InputError(f"ablations: no scores of {beside!r}, expected one of {', '.join(scores['model'].unique())}")
    for model in chosen:
        if not (parts := _parts(scores, [model, beside])):
            continue
        values, n = of_parts(parts, METRIC, n_resamples, seed)                              # (1 + b, part, 2)
        draws = (values[..., 0] - values[..., 1]).mean(1)
        rows.append({"model": model, "beside": beside, "metric": METRIC, "level": values[0, :, 0].mean(), **_interval(draws),
                     "n": n, "parts": len(parts), "p": two_sided_p(draws[1:])})  # fmt: skip
    columns = ["model", "beside", "metric", "level", "value", "low", "high", "n", "parts", "p"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(q=evaluation.adjusted(table["p"]))


def fold_changes(scores: pd.DataFrame, beside: str = OURS) -> pd.DataFrame:
    """ROC-AUC of each model minus that of `beside`, fold by fold: cell_type, model, fold, value, n (genes of the fold)."""
    table = evaluation.by_fold(scores, "clf")
    table = table[table["metric"] == METRIC].drop(columns="metric")
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
    return table.assign(q=evaluation.adjusted(table["p"]))


def by_genes(scores: pd.DataFrame, subsets: Subsets, beside: str = OURS, models: Sequence[str] | None = None) -> pd.DataFrame:
    """`changes` on all genes and on each subset that tells something, with the column genes in front, q adjusted over the rows of all."""
    return together(_labelled({name: changes(table, beside, models) for name, table in of_genes(scores, subsets).items()}))


def levels_by_genes(scores: pd.DataFrame, subsets: Subsets, models: Sequence[str]) -> pd.DataFrame:
    """`levels` on all genes and on each subset that tells something, with the column genes in front."""
    return _labelled({name: levels(table, models) for name, table in of_genes(scores, subsets).items()})


def tests_by_genes(study: Study, scores: pd.DataFrame, subsets: Subsets, first: str, second: str) -> pd.DataFrame:
    """`evaluation.paired_tests` of two models over folds and cell types, on all genes and on each subset: genes, ..., q adjusted over
    the rows of all; no rows where the second has no scores."""
    ratio = study.held_out_per_training
    tables = {}
    for name, table in of_genes(with_model(scores, second), subsets).items():
        values = evaluation.by_fold(table[table["model"].isin([first, second])], "clf")
        tables[name] = evaluation.paired_tests(
            values[values["metric"] == METRIC], first=None if table.empty else first, held_out_per_training=ratio,
        )  # fmt: skip
    return evaluation.adjusted_together(_labelled(tables))


def levels_and_changes(levels: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Both by genes in one table as `plots.plot_intervals` takes it, metric roc_auc or change, a row per kind of genes."""
    table = pd.concat([levels, changes.assign(metric="change")], ignore_index=True)
    return table.assign(row="genes: " + table["genes"])[["row", "model", "metric", "value", "low", "high", "n"]]


def with_model(scores: pd.DataFrame, model: str) -> pd.DataFrame:
    """Scores of the cell types that a model was trained of."""
    return scores[scores["cell_type"].isin(scores.loc[scores["model"] == model, "cell_type"])]


def _labelled(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([table.assign(genes=name)[["genes", *table]] for name, table in tables.items()], ignore_index=True)


def _chosen(scores: pd.DataFrame, models: Sequence[str] | None) -> list[str]:
    """Models that have scores, all of them or those of `models`."""
    known = list(scores["model"].unique())
    return known if models is None else [name for name in models if name in known]


def _parts(scores: pd.DataFrame, models: list[str]) -> list[list[pd.DataFrame]]:
    """Score and target by gene of each of these models, a row per cell type and fold; cell types that lack a model are left out, and so
    are folds that tell nothing."""
    rows = []
    for cell_type, of_cell_type in scores[scores["model"].isin(models)].groupby("cell_type", sort=False):
        if set(of_cell_type["model"]) < set(models):
            continue
        for fold, table in of_cell_type.groupby("fold"):
            row = [table[table["model"] == model].set_index("gene_id")[["score", "target"]].sort_index() for model in models]
            if not all(part.index.equals(row[0].index) for part in row):
                n = len(row[0].index.symmetric_difference(row[1].index))
                raise InputError(f"ablations: {n} genes in fold {fold} of {cell_type} have a score of only one of {' and '.join(map(repr, models))}; train what is missing")
            if tells(row[0]["target"]):
                rows.append(row)
    return rows


def _interval(draws: np.ndarray) -> dict[str, float]:
    return dict(zip(("value", "low", "high"), interval(draws), strict=True))


def rows_of(table: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Rows of `changes` for these models in this order, then that of another seed; none where there are none of these models."""
    known = [name for name in models if name in set(table["model"])]
    order = {name: i for i, name in enumerate([*known, ANOTHER_SEED])} if known else {}
    return table[table["model"].isin(order)].sort_values("model", key=lambda model: model.map(order), ignore_index=True)


def statement(table: pd.DataFrame) -> str:
    """What `changes` says, in sentences that claim no more than the intervals carry."""
    rows = table[table["model"] != ANOTHER_SEED]

    def named(found: pd.DataFrame) -> str:
        return "; ".join(f"{row.model} ({row.value:+.3f})" for row in found.sort_values("value").itertuples()) or "none"

    text = f"Worse than “{OURS}”: {named(rows[rows['high'] < 0])}. Better: {named(rows[rows['low'] > 0])}. "
    half = (rows["high"] - rows["low"]).median() / 2
    text += f"Half an interval is {half:.3f} in the median: what differs by less is not told from it. "
    seed = table[table["model"] == ANOTHER_SEED]
    return text + "".join(f"Another seed alone: {row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]." for row in seed.itertuples())


# What belongs to single questions


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
    closely (`marks.spatial_correlation`): mark, closest, r, then the columns of `changes`."""
    others = correlation[correlation["mark"] != correlation["other"]]
    closest = others.loc[others.groupby("mark")["r"].idxmax()].set_index("mark")[["other", "r"]].rename(columns={"other": "closest"})
    mark = table["model"].str.removeprefix("without ")
    rows = table.assign(mark=mark)[mark.isin(closest.index) & (mark != table["model"])]
    rows = rows.join(closest, on="mark").sort_values("value", kind="stable", ignore_index=True)
    return rows[["mark", "closest", "r", *table]]


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
