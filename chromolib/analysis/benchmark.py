"""The benchmark's tables: how each model is trained, how well it does, and what simple models do on the same genes.

In: a study, and scores of held-out genes as `answers.scores` gives them. Out: tidy tables. Intervals are 95 % bootstrap
intervals over genes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pandas as pd
from scipy import special

from .. import answers, evaluation, studies
from ..answers import SCORES
from ..baselines import PEERS, graph
from ..cell_types import pair
from ..config import BETTER_NETWORK, ModelConfig, Task, TrainConfig
from ..dataset import GeneDataset, gene_table, load_dataset, open_store
from ..evaluation import METRIC_NAMES
from ..genome import profile_genome
from ..jobs import PEER_BIN_BP, load_for, recipe_of, selection_of
from ..resampling import in_told_groups, interval, of_parts
from ..runs import Results, Run
from ..studies import BETTER, OURS, PAPER_RECIPE, Grid, Study
from . import comparison, fold_change

PROBABILITY = f"{OURS}, probability"
SHOWN: dict[Task, tuple[str, ...]] = {
    "clf": ("roc_auc", "average_precision", "accuracy"), "reg": ("pearson", "r2", "spearman"), "diff": ("pearson", "r2", "spearman"),
}  # fmt: skip
N_RESAMPLES = 1000
RECIPE = {"optimizer": "optimizer", "learning_rate": "rate", "batch_size": "batch", "epochs": "epochs", "decay": "decay"}
_COMPARED = [field.name for field in fields(TrainConfig) if field.name not in ("seed", "device", "precision", "signal", "select")]
_WHOLE = 10**6  # genes; a batch of more holds all of them


# What is trained


def recipes(study: Study, *grids: Grid) -> pd.DataFrame:
    """How each model is trained, and in what that departs from its authors.

    Returns
    -------
    DataFrame
        One row per model and task: model, task, networks (whose answers are averaged), parameters (of the largest; NaN where no run
        is there), window_kb (NaN: a graph of nodes), bins (bp), optimizer, rate, batch (genes), epochs, decay (of the rate, per
        epoch), departs.
    """
    rows = {}
    for name, runs in ((name, runs) for grid in grids for name, runs in grid.items()):
        for task in dict.fromkeys(run.task for run in runs) if name not in studies.OF_TWO else ():  # those are made of others
            of_task = [run for run in runs if run.task == task]
            found = [answers.n_parameters(run.folder) for run in of_task if run.folder.is_dir()]
            labels = {"model": name, "task": task, "networks": len({run.seed for run in of_task}), "parameters": max(found, default=np.nan)}
            rows.setdefault((name, task), labels | _recipe(study, of_task[0]))
    return pd.DataFrame(list(rows.values()))


def training_of(study: Study, run: Run) -> tuple[dict[str, object], list[str]]:
    """How a run trains, to read (optimizer, rate, batch, epochs, decay), and in what that departs from the model's authors."""
    here, authors = recipe_of(run, study.record), recipe_of(replace(run, recipe="paper"), study.record)
    settings = {shown: _shown(getattr(here, name)) for name, shown in RECIPE.items()}
    if here.schedule == "cosine":
        settings["decay"] = "cosine"
    departs = [f"{RECIPE.get(name, name.replace('_', ' '))} {_shown(getattr(here, name))}, authors {_shown(getattr(authors, name))}"
               for name in _COMPARED if getattr(here, name) != getattr(authors, name)]  # fmt: skip
    return settings, departs


def _recipe(study: Study, run: Run) -> dict[str, object]:
    record = study.record
    settings, departs = training_of(study, run)
    selection, is_peer = selection_of(run, record), run.model != "chromoformer"
    bins = selection.get("bin_bp", record.bin_bp)
    window_bp = selection.get("window_bp", record.frame_bp) if run.model != "gc-merge" else None
    if run.recipe == "better":
        departs += [f"{name.replace('_', ' ')} {value}, authors {getattr(ModelConfig, name)}" for name, value in BETTER_NETWORK.items()]
    native_bp, native_bins = (PEERS[run.model].window_bp, (PEER_BIN_BP,)) if is_peer else (ModelConfig.frame_bp, ModelConfig.bin_bp)
    if window_bp and window_bp != native_bp:
        departs.append(f"window {window_bp / 1000:g} kb, authors {native_bp / 1000:g} kb")
    if window_bp and bins != native_bins:
        departs.append(f"bins {_widths(bins)}, authors {_widths(native_bins)}")
    return {
        "window_kb": window_bp / 1000 if window_bp else np.nan, "bins": _widths(bins) if window_bp else "nodes",
        **settings, "departs": "; ".join(departs) or "nothing",
    }  # fmt: skip


def _shown(value: object) -> str:
    if value is None or isinstance(value, str | bool):
        return {None: "none", True: "yes", False: "no"}.get(value, value)
    return "all" if value > _WHOLE else f"{value:g}"


def _widths(bins: Sequence[int]) -> str:
    return " + ".join(map(str, bins))


def left_out(study: Study) -> pd.DataFrame:
    """What of the paper's figure is not trained: figure, what, why."""
    record, rows = study.record, []
    for name, wanted, there in (
        ("cell types", study.cell_types, record.cell_types), ("folds", study.folds, profile_genome(record).fold_ids),
    ):  # fmt: skip
        if absent := [str(value) for value in there if value not in wanted]:
            rows.append(("2", f"{name} {', '.join(absent)}", "not in the profile's budget"))
    if not studies.pair_of(study):
        rows.append(("2f, S7", "fold change", "the profile has one cell type"))
    if absent := [name for name in study.cell_types if name not in studies.with_contacts(study)]:
        rows.append(("2b", f"GC-MERGE and its genes in {', '.join(absent)}", "no contacts to make a graph of"))
    possible = [name for name, spec in PEERS.items() if spec.tasks != ("diff",) or studies.pair_of(study)]
    possible = [name for name in possible if name != "gc-merge" or studies.with_contacts(study)]
    if absent := [PEERS[name].title for name in possible if name not in study.peers]:
        rows.append(("2", "; ".join(absent), "not in the profile's budget"))
    if not studies.has_better(study):
        rows.append(("–", BETTER, "not in the profile's budget"))
    return pd.DataFrame(rows, columns=["figure", "what", "why"])


# Epoch by epoch


def by_epoch(results: Results, *grids: Grid) -> pd.DataFrame:
    """First metric of a task on held-out genes after each epoch, mean over trainings: task, model, epoch, metric, value, n (trainings).

    Means leave out trainings whose metric is not defined, as the correlation of predictions that do not vary; NaN where none is.
    """
    names = {run.id: name for grid in grids for name, runs in grid.items() if name not in studies.OF_TWO for run in runs}
    history = results.history.assign(model=results.history["run"].map(names)).dropna(subset="model")
    history = history.assign(metric=history["task"].map(evaluation.FIRST_METRIC), value=np.nan)
    for metric in history["metric"].unique():
        history.loc[history["metric"] == metric, "value"] = history[metric]
    means = history.groupby(["task", "model", "epoch", "metric"], sort=False)["value"].agg(value="mean", n="count")
    return means.reset_index()


def last_and_best(epochs: pd.DataFrame) -> pd.DataFrame:
    """The last epoch, which counts, beside the one that is best on the held-out genes themselves, which flatters; from `by_epoch`.

    The best is one of the epochs whose mean is of the most trainings.

    Returns
    -------
    DataFrame
        task, model, metric, last_epoch, last, best_epoch, best, n_last, n_best (trainings).
    """
    epochs = epochs.sort_values("epoch", kind="stable")
    last = epochs.drop_duplicates(["task", "model"], keep="last")
    best = epochs.sort_values(["n", "value"], ascending=False, kind="stable").drop_duplicates(["task", "model"])
    keys = ["task", "model", "metric"]
    columns = {"epoch_last": "last_epoch", "value_last": "last", "epoch_best": "best_epoch", "value_best": "best"}
    return last.merge(best, on=keys, suffixes=("_last", "_best")).rename(columns=columns)[[*keys, *columns.values(), "n_last", "n_best"]]


# Simple models on the same genes


def level_scores(study: Study, grid: Grid, results: Results) -> pd.DataFrame:
    """`answers.scores` of `studies.benchmark`, and beside them, of the same genes, what needs no network.

    Those are models of simple inputs (`comparison.simple_grid`), the mean of other cell types and, where simulated, the best
    possible. Each fold of the study is scored by what was fitted to all other folds.
    """
    tables = [answers.scores(grid, results)]
    for cell_type in study.cell_types:
        data = load_dataset(study.record, cell_type)
        for task in dict.fromkeys(run.task for run in studies.runs_of(grid)):
            tables.append(_simple_scores(study, data.select(task=task)))
    return pd.concat(tables, ignore_index=True)


def _simple_scores(study: Study, data: GeneDataset) -> pd.DataFrame:
    found = [comparison.simple_grid(data, study.folds), comparison.mean_of_others(study.record, data)]
    found += [comparison.best_possible(study.record, data)] if study.record.simulated else []
    table = pd.concat([part for part in found if part is not None]).assign(cell_type=data.cell_type, task=data.task)
    return table.loc[table["fold"].isin(study.folds), SCORES]


def graph_scores(study: Study, grid: Grid, results: Results) -> pd.DataFrame:
    """`answers.scores` of `studies.on_graph`, and beside them `comparison.simple_grid`, of the same genes with the labels of their nodes.

    A cell type whose genes are too few for that (`comparison.can_be_fitted`) has the networks alone.
    """
    tables = [answers.scores(grid, results)]
    for cell_type in dict.fromkeys(run.cell_type for run in studies.runs_of(grid)):
        data = load_for(study.profile, cell_type, "genes")
        if comparison.can_be_fitted(data):
            simple = comparison.simple_grid(data, study.folds)
            tables.append(simple.assign(cell_type=cell_type, task="clf")[SCORES])
    return pd.concat(tables, ignore_index=True)


def change_scores(study: Study, grid: Grid, results: Results) -> pd.DataFrame:
    """`answers.change_scores` of `studies.fold_change`, and beside them, of the same genes, `fold_change.baselines`; empty where
    there is one cell type."""
    if not (cell_types := studies.pair_of(study)):
        return answers.no_scores()
    data = pair(*(load_dataset(study.record, name) for name in cell_types))
    simple = fold_change.baselines(study.record, data).assign(cell_type=data.cell_type, task="diff")
    return pd.concat([answers.change_scores(grid, results), simple.loc[simple["fold"].isin(study.folds), SCORES]], ignore_index=True)


def probabilities(scores: pd.DataFrame) -> pd.DataFrame:
    """The classifier's probability of being on as a score of expression: rows of task reg, of the genes that have one."""
    ours = scores[scores["model"] == OURS]
    said = ours[ours["task"] == "clf"].assign(task="reg", model=PROBABILITY)
    measured = ours.loc[ours["task"] == "reg", ["cell_type", "gene_id", "target"]]
    table = said.drop(columns="target").merge(measured, on=["cell_type", "gene_id"])
    return table.assign(score=special.expit(table["score"]))[SCORES]


def named(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the symbol of each gene, by which figures name their points; NaN for a gene of no cell type of the study."""
    cell_types = dict.fromkeys([*study.cell_types, *(studies.pair_of(study) or ())])
    genes = pd.concat([gene_table(open_store(study.record, name))[["gene_id", "symbol"]] for name in cell_types])
    return scores.merge(genes.drop_duplicates("gene_id"), on="gene_id", how="left")


def graphs(study: Study) -> pd.DataFrame:
    """GC-MERGE's graph in numbers (`graph.summary`): what, and a column per cell type that has one; empty without GC-MERGE."""
    cell_types = studies.with_contacts(study) if "gc-merge" in study.peers else ()
    tables = [graph.summary(study.record, name).set_index("what")["count"].rename(name) for name in cell_types]
    return pd.concat(tables, axis=1).reset_index() if tables else pd.DataFrame(columns=["what"])


# How well they do


def genes_in_words(scores: pd.DataFrame) -> str:
    """How many genes of which cell types are scored, and in which folds, for captions."""
    n = scores.groupby("cell_type", sort=False)["gene_id"].nunique()
    folds = ", ".join(map(str, sorted(scores["fold"].unique())))
    return f"{', '.join(f'{count:,} genes of {name}' for name, count in n.items())}, held-out folds {folds}" if len(n) else "no genes"


def by_fold(scores: pd.DataFrame) -> pd.DataFrame:
    """`evaluation.by_fold` of each task: cell_type, task, model, fold, metric, value, n."""
    tables = [evaluation.by_fold(table, task).assign(task=task) for task, table in scores.groupby("task", sort=False)]
    columns = ["cell_type", "task", "model", "fold", "metric", "value", "n"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def paired_tests(study: Study, values: pd.DataFrame, task: Task) -> pd.DataFrame:
    """`evaluation.paired_tests` of Chromoformer against each other model, its own by the paper's recipe aside, by the first metric of a
    task; values of `by_fold`.

    Each model is tested on the folds and cell types that it has values of: one that reads pCREs, where there are contacts.
    """
    chosen = values[(values["task"] == task) & (values["metric"] == evaluation.FIRST_METRIC[task])]
    tables = []
    for model in (name for name in chosen["model"].unique() if name not in (OURS, PAPER_RECIPE)):
        both = chosen[chosen["model"].isin([OURS, model])]
        both = both[both.duplicated(["cell_type", "fold"], keep=False)]
        tables.append(evaluation.paired_tests(both, first=OURS, held_out_per_training=study.held_out_per_training))
    return evaluation.adjusted_together(pd.concat(tables, ignore_index=True))


def metrics(scores: pd.DataFrame) -> pd.DataFrame:
    """Metrics of each cell type, task and model, means over held-out folds.

    Scores of different folds are those of different networks: one may call all genes of its fold on with more certainty than
    another, which spoils the order of all genes together, but not that within a fold. Folds that tell nothing (`resampling.tells`)
    are left out.

    Returns
    -------
    DataFrame
        cell_type, task, model, metric, value, low, high, pooled (of all genes as if one network scored them), n (genes).
    """
    rows = []
    for key, table in scores.groupby(["cell_type", "task", "model"], sort=False):
        pooled = evaluation.METRICS[key[1]](table["target"].to_numpy(), table["score"].to_numpy())
        rows += [(*key, metric, *interval(_over_folds([table], metric)[:, 0]), pooled[metric], len(table)) for metric in SHOWN[key[1]]]
    return pd.DataFrame(rows, columns=["cell_type", "task", "model", "metric", "value", "low", "high", "pooled", "n"])


def _over_folds(tables: Sequence[pd.DataFrame], metric: str) -> np.ndarray:
    """Mean over folds that tell something of a metric of each table on the same resamples of genes, (1 + b, table): of all genes first;
    NaN where none does."""
    by_gene = [table.set_index("gene_id")[["fold", "score", "target"]] for table in tables]
    folds = in_told_groups(tables[0], ["fold"])["fold"].unique()
    if not len(folds):
        return np.full((1 + N_RESAMPLES, len(tables)), np.nan)
    values, _ = of_parts([[table[table["fold"] == fold] for table in by_gene] for fold in folds], metric, N_RESAMPLES, seed=0)
    return values.mean(1)


def side_by_side(measured: pd.DataFrame) -> pd.DataFrame:
    """One row per cell type and model of a task, from `metrics`: n, and of each metric as text value [low, high], and pooled."""
    keys, columns = ["cell_type", "model"], []
    for metric, table in measured.assign(text=evaluation.in_brackets(measured)).groupby("metric", sort=False):
        table = table.set_index(keys)
        columns += [table["text"].rename(metric), table["pooled"].rename(f"{METRIC_NAMES.get(metric, metric)}, pooled")]
    n = measured.drop_duplicates(keys).set_index(keys)["n"]
    return pd.concat([n, *columns], axis=1).reset_index()


def differences(scores: pd.DataFrame, models: Sequence[str], references: Sequence[str]) -> pd.DataFrame:
    """Each model less each reference, by the first metric of the task, mean over held-out folds, on the genes that both score.

    Models and references that have no scores of a cell type and task are passed over, and so are those whose scores do not
    vary where the metric is a correlation.

    Returns
    -------
    DataFrame
        cell_type, task, metric, first, second, value, low, high, n, verdict (on the first).
    """
    rows = []
    for (cell_type, task), table in scores.groupby(["cell_type", "task"], sort=False):
        metric, by_model = evaluation.FIRST_METRIC[task], dict(iter(table.groupby("model", sort=False)))
        for first, second in ((a, b) for a in models for b in references if a != b and {a, b} <= set(by_model)):
            genes = set(by_model[first]["gene_id"]) & set(by_model[second]["gene_id"])
            draws = _over_folds([by_model[name][by_model[name]["gene_id"].isin(genes)] for name in (first, second)], metric)
            rows.append((cell_type, task, metric, first, second, *interval(draws[:, 0] - draws[:, 1]), len(genes)))
    table = pd.DataFrame(rows, columns=["cell_type", "task", "metric", "first", "second", "value", "low", "high", "n"])
    return evaluation.verdicts(table[table["value"].notna()].reset_index(drop=True))


def standing(changes: pd.DataFrame) -> pd.DataFrame:
    """Which models lie above, below, or are not told apart from each reference: `differences` to read.

    Returns
    -------
    DataFrame
        cell_type, task, reference, above, not_told_apart (or without an interval), below: names of models.
    """
    rows = []
    for key, table in changes.groupby(["cell_type", "task", "second"], sort=False):
        words = (["better"], ["no difference seen", "no interval"], ["worse"])
        groups = (table.loc[table["verdict"].isin(some), "first"] for some in words)
        rows.append((*key, *("; ".join(names) or "none" for names in groups)))
    return pd.DataFrame(rows, columns=["cell_type", "task", "reference", "above", "not_told_apart", "below"])


def in_words(changes: pd.DataFrame, model: str = OURS) -> str:
    """What `differences` say of one model, as a sentence per cell type and task."""
    sentences = []
    for (cell_type, task), table in changes[changes["first"] == model].groupby(["cell_type", "task"], sort=False):
        is_above = table["verdict"] == "better"
        missed = [f"{row['second']} ({evaluation.signed(row)}{', it is worse' * (row['verdict'] == 'worse')})" for _, row in table[~is_above].iterrows()]
        beaten = "; ".join(table.loc[is_above, "second"])
        sentences.append(
            f"{cell_type}, {task}: {model} does not beat {'; '.join(missed)}{f'; it beats {beaten}' if beaten else ''}." if missed
            else f"{cell_type}, {task}: {model} beats all: {beaten}."
        )  # fmt: skip
    return " ".join(sentences) or "Nothing to compare."


def simple_of(scores: pd.DataFrame) -> list[str]:
    """Names of the models of simple inputs that read chromatin."""
    return [name for name in scores["model"].unique() if name.startswith(comparison.CHROMATIN_BASELINES)]
