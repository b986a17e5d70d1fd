"""Each peer trained as its authors did, beside Chromoformer and simple models, on real promoters: same genes, same input.

    python benchmarks/authors_recipes.py [--models deepchrome ...] [--folds 1 2 3 4] [--task clf]

Runs that are on disk are read, the others are trained, by default one at a time: DeepChrome's 100 epochs of single genes take
most of it, half an hour for each fold. Every model reads the whole 10-kb window; metrics are of held-out genes, pooled over
folds, with 95 % bootstrap intervals over genes. `gain`: ROC-AUC (clf) or Pearson r (reg) above gradient boosting on the same
genes, with its interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import report  # a script's own folder comes first on its path

from chromolib import Run, config, ensure, evaluation, load_dataset, load_profile, studies
from chromolib.analysis import comparison
from chromolib.baselines import PEERS, WINDOW_PEERS

PROFILE = "promoters-18k"
BOOSTING = "Boosting, binned signal"
SIMPLE = ("Linear, mean signal", "Linear, binned signal", "Boosting, mean signal", BOOSTING)


def grid(models: Sequence[str], folds: Sequence[int], task: str) -> studies.Grid:
    """Runs of Chromoformer by the paper's recipe and by the better one, and of the peers by their authors'."""
    profile = load_profile(PROFILE)
    (cell_type,) = profile.cell_types

    def runs(seeds: Sequence[int] = (42,), **settings) -> list[Run]:
        return [Run(profile=PROFILE, cell_type=cell_type, fold=fold, task=task, seed=seed, **settings) for fold in folds for seed in seeds]

    made = {studies.OURS: runs()}
    if task == "clf":
        made[studies.BETTER] = runs(range(42, 42 + config.BETTER_SEEDS), recipe="better")
    return made | {PEERS[name].title: runs(model=name, recipe="paper", window_bp=profile.frame_bp) for name in models}


def scored(made: studies.Grid, results, task: str) -> pd.DataFrame:
    """Scores of all models on the genes of the folds that were trained."""
    profile = load_profile(PROFILE)
    data = load_dataset(profile, *profile.cell_types, task=task)
    networks = studies.scores(made, results)
    simple = [comparison.simple_grid(data), comparison.mean_of_others(profile, data)]
    simple = [table[table["gene_id"].isin(networks["gene_id"])] for table in simple if table is not None]
    return pd.concat([networks, *simple], ignore_index=True)[["model", "gene_id", "fold", "score", "target"]]


def peaks(made: studies.Grid, history: pd.DataFrame, task: str) -> pd.DataFrame:
    """Epoch at which a network is best on its held-out genes, mean over folds, and that metric: model, peak_epoch, peak. What was
    chosen so is flattered; it says how far the last epoch, which counts, lies behind it."""
    names = {run.id: name for name, runs in made.items() for run in runs}
    mean = history.assign(model=history["run"].map(names)).groupby(["model", "epoch"])[evaluation.FIRST_METRIC[task]].mean().rename("peak").reset_index()
    return mean.loc[mean.groupby("model")["peak"].idxmax()].rename(columns={"epoch": "peak_epoch"}).set_index("model")


def summarised(scores: pd.DataFrame, costs: pd.DataFrame, best: pd.DataFrame, task: str) -> pd.DataFrame:
    """One row per model."""
    intervals = evaluation.with_intervals(scores, task)
    wide = intervals.pivot(index="model", columns="metric", values=["value", "low", "high"])
    first = evaluation.FIRST_METRIC[task]
    metrics = ("roc_auc", "average_precision", "accuracy") if task == "clf" else ("pearson", "r2", "spearman")
    by_fold = evaluation.by_fold(scores, task).query("metric == @first").groupby("model")["value"].mean()
    minutes = costs.set_index("model")["minutes"]
    rows = []
    for model, table in scores.groupby("model", sort=False):
        row = {"model": model, "folds": "+".join(str(int(fold)) for fold in sorted(table["fold"].unique())), "n": len(table),
               f"{first}_by_fold": by_fold[model]}  # fmt: skip
        for metric in metrics:
            row |= {metric: wide.loc[model, ("value", metric)], f"{metric}_95": _span(wide.loc[model], metric)}
        if model != BOOSTING:
            change = evaluation.difference(scores[scores["gene_id"].isin(table["gene_id"])], model, BOOSTING, task).iloc[0]
            row |= {"gain": change["value"], "gain_95": f"{change['low']:+.4f} to {change['high']:+.4f}"}
        rows.append(row | {"minutes_a_fold": minutes.get(model, float("nan"))})
    return pd.DataFrame(rows).merge(best, left_on="model", right_index=True, how="left")


def _span(row: pd.Series, metric: str) -> str:
    return f"{row['low', metric]:.4f} to {row['high', metric]:.4f}"


def main() -> None:
    made = report.parser("authors_recipes.py", __doc__)
    made.add_argument("--models", nargs="+", default=list(WINDOW_PEERS), choices=WINDOW_PEERS, help="peers (all)")
    made.add_argument("--folds", nargs="+", type=int, default=[1, 2, 3, 4], help="held-out folds (1 2 3 4)")
    made.add_argument("--task", default="clf", choices=("clf", "reg"))
    made.add_argument("--per-device", type=int, default=1, help="trainings at a time (1); on a CPU each has its share of the threads")
    options = report.options_of(made)
    with report.one_line_errors("authors_recipes.py"):
        runs = grid(options.models, options.folds, options.task)
        results = ensure(studies.runs_of(runs), devices=[options.device], per_device=options.per_device)
        best = peaks(runs, results.history, options.task)
        table = summarised(scored(runs, results, options.task), studies.costs(results, runs), best, options.task)
    report.finish("authors_recipes" + ("" if options.task == "clf" else "_reg"), table, options, notes=NOTES)


NOTES = (
    "Profile promoters-18k: real E012, 18,421 genes, five marks, 10 kb, four folds by chromosome. `roc_auc_by_fold`: mean over folds; "
    "the other metrics pool the folds. `gain`: above gradient boosting on the binned signal, on the same genes. `peak`: the metric at the epoch "
    "that is best on the held-out genes themselves, mean over folds; the last epoch is the one that counts."
)


if __name__ == "__main__":
    main()
