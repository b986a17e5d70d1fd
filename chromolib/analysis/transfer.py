"""What a user with a new cell type can do: take a network of another one, train it on, or train one on several others.

In: scores of held-out genes as `answers.scores` gives them, `cross.of_runs`, datasets. Out: tidy tables. Every score is of genes
whose chromosomes no network had seen, in any cell type. Intervals are 95 % bootstrap intervals over genes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from ..answers import SCORES, no_scores
from ..dataset import GeneDataset, load_dataset
from ..evaluation import check_folds
from ..studies import (
    AGNOSTIC,
    FROM_SCRATCH,
    OURS,
    WAYS,
    Study,
    new_cell_types,
    of_genes,
    transfer_pair,
    transfers_core,
)
from . import ablations, comparison

SIZES = (50, 100)          # target genes to learn from
SIZES_CORE = (100,)        # where the budget is core
SIZES_OF_ALL = (50, 100, 1000)  # with everything trained
UNTOUCHED = "not trained on it"
LINEAR = "Linear, other cell types"
METRIC = "roc_auc"
ENDS = {"": "value", "_low": "low", "_high": "high"}  # of a change, as tables name them


# Few genes


def sizes(study: Study, fewest: int | None = None) -> tuple[int, ...]:
    """The numbers of genes of a learning curve that every training of the target of `studies.transfer` has; none of one cell type.

    `fewest` training genes of a fold are counted where they are not given; features that are missing are built for that.
    """
    if not (pair := transfer_pair(study)):
        return ()
    if fewest is None:
        fewest = fewest_genes(study, load_dataset(study.record, pair[1]).genes["fold"])
    tried = SIZES_OF_ALL if study.is_full else SIZES_CORE if transfers_core(study) else SIZES
    return tuple(n for n in tried if n < fewest)


def fewest_genes(study: Study, fold: pd.Series) -> int:
    """The number of training genes where it is smallest, of genes with these folds."""
    return min(int((fold != held_out).sum()) for held_out in study.folds)


def n_all(study: Study, data: Mapping[str, GeneDataset]) -> int:
    """How many genes of the target a training on all of them has: those outside of the study's first fold; 0 of one cell type, which
    has no learning curve. `data`: cell type -> its dataset."""
    if not (pair := transfer_pair(study)):
        return 0
    return int((data[pair[1]].genes["fold"] != study.folds[0]).sum())


def curve(scores: pd.DataFrame, crossed: pd.DataFrame, pair: tuple[str, str] | None, n_all: int) -> pd.DataFrame:
    """How well networks do by the number of genes of the target that they were trained on, means over folds.

    Parameters
    ----------
    scores : DataFrame
        `answers.scores` of `studies.transfer`.
    crossed : DataFrame
        Scores of `cross.of_runs`, of which those of the source stand for no gene at all.
    pair : (str, str)
        Source and target, `studies.transfer_pair`; None: there is nothing to show.
    n_all : int
        How many "all genes" are, from the function of that name.

    Returns
    -------
    DataFrame
        way, n_genes, metric, value, low, high, n (held-out genes), and change, change_low, change_high: minus from scratch on as
        many genes (NaN of itself, and where nothing was trained).
    """
    columns = ["way", "n_genes", "metric", "value", "low", "high", "n", "change", "change_low", "change_high"]
    if pair is None:
        return pd.DataFrame(columns=columns)
    untouched = ablations.levels(as_it_was(crossed, pair)).assign(way=UNTOUCHED, n_genes=0)
    rows = untouched.to_dict("records")
    for row in ablations.levels(scores).to_dict("records"):
        way, n_genes = row["model"].removesuffix(" genes").split(", ")
        row |= {"way": way, "n_genes": n_all if n_genes == "all" else int(n_genes)}
        scratch = of_genes(FROM_SCRATCH, None if n_genes == "all" else int(n_genes))
        if way != FROM_SCRATCH and scratch in set(scores["model"]):
            change = ablations.changes(scores, scratch, [row["model"]]).iloc[0]
            row |= {"change": change["value"], "change_low": change["low"], "change_high": change["high"]}
        rows.append(row)
    order = [UNTOUCHED, *WAYS]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["way", "n_genes"], key=lambda column: column.map(order.index) if column.name == "way" else column, ignore_index=True)


def as_it_was(crossed: pd.DataFrame, pair: tuple[str, str] | None) -> pd.DataFrame:
    """Scores of the target by the source's network, which has learned from no gene of it; no rows without a pair."""
    if pair is None:
        return crossed.iloc[:0]
    return crossed[(crossed["source"] == pair[0]) & (crossed["cell_type"] == pair[1])].assign(model=UNTOUCHED)


# No gene: cell types that networks have not seen


def linear_of_others(data: Mapping[str, GeneDataset], cell_type: str, folds: Collection[int]) -> pd.DataFrame:
    """Logistic regression on the binned signal of the other cell types' genes, of all folds but one, asked for that of this one.

    Returns
    -------
    DataFrame
        model (LINEAR), gene_id, fold, score (log-odds), target.
    """
    inputs = {name: comparison.binned_signal(part) for name, part in data.items()}
    others, tables = [name for name in data if name != cell_type], []
    own = data[cell_type].genes
    check_folds(own)
    for fold in folds:
        is_seen = {name: (data[name].genes["fold"] != fold).to_numpy() for name in others}
        x = np.concatenate([inputs[name][is_seen[name]] for name in others])
        y = np.concatenate([data[name].genes["label"].to_numpy()[is_seen[name]] for name in others])
        is_held_out = (own["fold"] == fold).to_numpy()
        score = comparison.linear("clf", y, seed=0).fit(x, y).decision_function(inputs[cell_type][is_held_out])
        table = own.loc[is_held_out, ["gene_id", "fold"]]
        tables.append(table.assign(model=LINEAR, score=score, target=own.loc[is_held_out, "label"].astype(float)))
    return pd.concat(tables, ignore_index=True)


def leave_one_out(study: Study, data: Mapping[str, GeneDataset], crossed: pd.DataFrame, agnostic: pd.DataFrame) -> pd.DataFrame:
    """Scores of each of `studies.new_cell_types` by what knows nothing of its expression, beside its own networks, all of the same genes.

    Parameters
    ----------
    crossed : DataFrame
        Scores of `cross.of_runs`.
    agnostic : DataFrame
        `answers.scores` of `studies.agnostic`; empty with two cell types, where the network of the other one is as much.

    Returns
    -------
    DataFrame
        SCORES of `answers`; model: OURS (its own), AGNOSTIC, "Chromoformer of S01" (each other one), LINEAR, `comparison.OTHERS`
        and, of simulated data, `comparison.BEST`. The last but one needs expression of the same genes elsewhere and no marks.
    """
    profile, tables = study.record, [agnostic]
    for cell_type in new_cell_types(study):
        part = data[cell_type]
        found = crossed[(crossed["cell_type"] == cell_type) & ~crossed["is_across"]]
        is_own = found["source"] == cell_type
        networks = found.assign(model=np.where(is_own, OURS, f"{OURS} of " + found["source"]))
        simple = [linear_of_others(data, cell_type, study.folds)]
        if (others := comparison.mean_of_others(profile, part)) is not None:
            simple.append(others)
        if profile.simulated:
            simple.append(comparison.best_possible(profile, part))
        beside = pd.concat(simple).assign(cell_type=cell_type, task="clf")
        tables += [networks[SCORES], beside.loc[beside["gene_id"].isin(found["gene_id"]), SCORES]]
    return _together(tables)


def levels(scores: pd.DataFrame) -> pd.DataFrame:
    """`leave_one_out` in numbers, means over folds: cell_type, model, metric, value, low, high, n; and change, change_low, change_high,
    minus that of what was trained on the other cell types (`reference`), NaN of itself."""
    tables = []
    for cell_type, table in scores.groupby("cell_type", sort=False):
        changes = ablations.changes(table, reference(table)).rename(columns={name: f"change{end}" for end, name in ENDS.items()})
        changes = changes[["model", *(f"change{end}" for end in ENDS)]]
        tables.append(ablations.levels(table).merge(changes, on="model", how="left").assign(cell_type=cell_type))
    columns = ["cell_type", "model", "metric", "value", "low", "high", "n", *(f"change{end}" for end in ENDS)]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def reference(scores: pd.DataFrame) -> str:
    """The network of all other cell types, or with one other, of that."""
    names = scores["model"].unique()
    return AGNOSTIC if AGNOSTIC in names else next(name for name in names if name.startswith(f"{OURS} of "))


def for_claims(scores: pd.DataFrame, crossed: pd.DataFrame, pair: tuple[str, str] | None, left_out: pd.DataFrame) -> pd.DataFrame:
    """Scores under the names that claims use: those of `studies.transfer` and, with the arguments of `curve`, of the network that
    they start from; and of `leave_one_out` what saw other cell types alone; what was trained on several of them twice, under its own
    name too."""
    tables = [scores, as_it_was(crossed, pair).reindex(columns=SCORES), left_out[left_out["model"] == AGNOSTIC]]
    for _, table in left_out.groupby("cell_type", sort=False):
        first = reference(table)
        shown = table[table["model"].isin([first, LINEAR, comparison.OTHERS])]
        tables.append(shown.assign(model=shown["model"].replace(first, "trained on the other cell types")))
    return _together(tables)


def _together(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Tables of scores in one, those without rows left aside."""
    return pd.concat(filled, ignore_index=True) if (filled := [table for table in tables if len(table)]) else no_scores()
