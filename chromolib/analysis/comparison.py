"""Predictions held against measurements: intervals, the simple baseline, the release's own numbers.

In: datasets and tables of held-out predictions. Out: tidy tables, one row per model and metric.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import yaml
from scipy import stats
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .. import sources
from ..config import ROOT, DemoInputs, InputError, Profile, Task
from ..dataset import GeneDataset
from ..readers import read_demo_predictions
from ..simulate import read_truth
from ..train import classification_metrics, regression_metrics

METRICS: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, float]]] = {
    "clf": classification_metrics,
    "reg": regression_metrics,
}

NARROW_BP = 4000  # the second window of the simple baseline: what the TSS's own nucleosomes carry


def mean_signal(data: GeneDataset, window_bp: int) -> np.ndarray:
    """ln(1 + mean depth) of each mark over a window around the TSS, (gene, mark): all that the simple baseline sees."""
    view = data.select(window_bp=window_bp, bin_bp=[data.bin_bp[-1]])
    signal = view.batch(range(len(view))).promoter[view.bin_bp[0]].cpu().numpy()
    depth = np.expm1(signal) if data.log_base == "e" else np.exp2(signal) - 1
    return np.log1p(depth.mean(1))


def baseline(data: GeneDataset, window_bp: int, seed: int = 0) -> pd.DataFrame:
    """Logistic (clf) or ridge (reg) regression on mean promoter signal, each fold predicted by the others.

    The penalty is chosen inside the training genes by cross-validation, anew in each fold.

    Returns
    -------
    DataFrame
        gene_id, fold, score (log-odds or log2(RPKM + 1)), target; one row per gene.
    """
    rows = []
    for fold in sorted(data.genes["fold"].unique()):
        train, held_out = data.fold(fold)
        x, y = mean_signal(train, window_bp), _target(train)
        model = make_pipeline(StandardScaler(), _tuned(data.task, y, seed)).fit(x, y)
        x_held_out = mean_signal(held_out, window_bp)
        score = model.decision_function(x_held_out) if data.task == "clf" else model.predict(x_held_out)
        rows.append(pd.DataFrame({"gene_id": held_out.genes["gene_id"], "fold": fold, "score": score, "target": _target(held_out)}))
    return pd.concat(rows, ignore_index=True)


def _tuned(task: Task, y: np.ndarray, seed: int) -> LogisticRegressionCV | RidgeCV:
    if task == "reg":
        return RidgeCV(alphas=np.logspace(-3, 4, 22))
    n_splits = int(min(5, np.bincount(y, minlength=2).min()))
    if n_splits < 2:
        raise InputError(f"baseline: {np.bincount(y, minlength=2).tolist()} training genes per label, expected at least 2 of each")
    return LogisticRegressionCV(Cs=22, cv=n_splits, scoring="neg_log_loss", max_iter=1000, random_state=seed,
                                l1_ratios=(0,), use_legacy_attributes=False)  # fmt: skip


def _target(data: GeneDataset) -> np.ndarray:
    return data.batch(range(len(data))).target.cpu().numpy()


def with_interval(
    target: np.ndarray, score: np.ndarray, task: Task, *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Metrics of a score with their 95 % bootstrap intervals over genes.

    Returns
    -------
    DataFrame
        metric, value, low, high, n; one row per metric of the task.
    """
    names = list(METRICS[task](target, score))
    values = np.array(list(METRICS[task](target, score).values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # a resample of one class has no ROC-AUC
        low_high = stats.bootstrap(
            (target, score), lambda t, s: np.array(list(METRICS[task](t, s).values())), paired=True, vectorized=False,
            n_resamples=n_resamples, method="percentile", rng=seed,
        ).confidence_interval  # fmt: skip
    return pd.DataFrame({"metric": names, "value": values, "low": low_high.low, "high": low_high.high, "n": len(target)})


def held_out_scores(profile: Profile, data: GeneDataset, predictions: pd.DataFrame) -> pd.DataFrame:
    """Scores of every model on the same genes, held out: ours, the simple baselines, and where there are, the release's own
    and the best possible one.

    Parameters
    ----------
    data : GeneDataset
        All genes of the cell type, for one task.
    predictions : DataFrame
        `predictions` of `runs.ensure`: one run per fold for the same cell type.

    Returns
    -------
    DataFrame
        model, gene_id, fold, score (clf: above 0 means on; reg: log2(RPKM + 1)), target.
    """
    ours = predictions[(predictions["task"] == data.task) & (predictions["cell_type"] == data.cell_type)]
    score = ours["logit_on"] - ours["logit_off"] if data.task == "clf" else ours["expression"]
    ours = ours.assign(model="Chromoformer", score=score)
    tables = [ours[["model", "gene_id", "fold", "score", "target"]]]
    for window_bp in (data.window_bp, NARROW_BP):
        tables.append(baseline(data, window_bp).assign(model=f"Mean signal, {window_bp // 1000} kb"))
    if isinstance(profile.inputs, DemoInputs):
        published = read_demo_predictions(sources.fetch(profile.inputs.source, profile.raw_dir))
        score = published["probability"] - 0.5 if data.task == "clf" else published["expression"]
        targets = tables[1].set_index("gene_id")[["fold", "target"]]
        tables.append(published[["gene_id"]].assign(model="Release, pretrained", score=score).join(targets, on="gene_id"))
    if profile.simulated:
        tables.append(best_possible(profile, data))
    return pd.concat(tables, ignore_index=True)


def best_possible(profile: Profile, data: GeneDataset) -> pd.DataFrame:
    """What was planted in a simulated cell type, all but the noise, as a score that no model beats but by chance.

    Returns
    -------
    DataFrame
        model ("Best possible"), gene_id, fold, score, target. The score is the mean of log2 RPKM before noise: its distance
        from the median (clf), or the log2(RPKM + 1) that it gives (reg).
    """
    truth = read_truth(profile, "genes", data.cell_type)
    mean, median = truth.set_index("gene_id")["mean_log2_rpkm"].loc[data.genes["gene_id"]], truth["log2_rpkm"].median()
    score = mean - median if data.task == "clf" else np.log2(2**mean + 1)
    return data.genes[["gene_id", "fold"]].assign(model="Best possible", score=score.to_numpy(), target=_target(data))


def with_intervals(scores: pd.DataFrame, task: Task) -> pd.DataFrame:
    """`with_interval` for each model of `held_out_scores`: model, metric, value, low, high, n."""
    tables = [
        with_interval(table["target"].to_numpy(), table["score"].to_numpy(), task).assign(model=model)
        for model, table in scores.groupby("model", sort=False)
    ]
    return pd.concat(tables, ignore_index=True)[["model", "metric", "value", "low", "high", "n"]]


def difference(scores: pd.DataFrame, first: str, second: str, task: Task, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """First metric of the task, `first` minus `second`, with a 95 % interval from resampling the same genes for both.

    Returns
    -------
    DataFrame
        metric, first, second, value, low, high, n; one row.
    """
    wide = scores.pivot(index="gene_id", columns="model", values="score").join(
        scores.drop_duplicates("gene_id").set_index("gene_id")["target"]
    )
    name = next(iter(METRICS[task](wide["target"].to_numpy(), wide[first].to_numpy())))

    def gain(target: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
        return METRICS[task](target, a)[name] - METRICS[task](target, b)[name]

    columns = [wide[column].to_numpy() for column in ("target", first, second)]
    interval = stats.bootstrap(columns, gain, paired=True, vectorized=False, n_resamples=n_resamples,
                               method="percentile", rng=seed).confidence_interval  # fmt: skip
    return pd.DataFrame([{"metric": name, "first": first, "second": second, "value": gain(*columns), "low": interval.low,
                          "high": interval.high, "n": len(wide)}])  # fmt: skip


def best_baseline(intervals: pd.DataFrame) -> str:
    """The baseline with the highest first metric: picked on the held-out genes, hence flattered, never the network."""
    metric = intervals["metric"].iloc[0]
    baselines = intervals[(intervals["metric"] == metric) & intervals["model"].str.startswith("Mean signal")]
    return baselines.loc[baselines["value"].idxmax(), "model"]


def in_words(change: pd.Series) -> str:
    """A sentence on a row of `difference` that claims no more than its interval carries."""
    text = f"{change['value']:+.3f} [{change['low']:+.3f}, {change['high']:+.3f}]"
    if change["low"] > 0:
        verdict = f"{change['first']} is better than “{change['second']}”"
    elif change["high"] < 0:
        verdict = f"{change['first']} is worse than “{change['second']}”"
    else:
        verdict = f"no difference between {change['first']} and “{change['second']}” is seen"
    metric = {"roc_auc": "ROC-AUC", "pearson": "Pearson r"}[change["metric"]]
    return f"On these {change['n']} genes {verdict}: difference in {metric} {text}, 95 % interval over genes."


def calibration(label: np.ndarray, probability: np.ndarray, n_bins: int = 5) -> pd.DataFrame:
    """Share of genes that are on, in groups of like size by predicted probability, with 95 % Wilson intervals.

    Returns
    -------
    DataFrame
        predicted (mean probability of the group), observed, low, high, n.
    """
    order = np.argsort(probability, kind="stable")
    rows = []
    for group in np.array_split(order, min(n_bins, len(order))):
        test = stats.binomtest(int(label[group].sum()), len(group)).proportion_ci(method="wilson")
        rows.append((probability[group].mean(), label[group].mean(), test.low, test.high, len(group)))
    return pd.DataFrame(rows, columns=["predicted", "observed", "low", "high", "n"])


def published(key: str) -> dict:
    """Numbers that the paper or its release published, from data/paper.yml, with their source."""
    values = yaml.safe_load((ROOT / "data" / "paper.yml").read_text(encoding="utf-8"))
    if key not in values:
        raise InputError(f"data/paper.yml: no entry {key!r}, expected one of {', '.join(values)}")
    return values[key]


def against_published(profile: Profile, intervals: dict[Task, pd.DataFrame]) -> pd.DataFrame:
    """The release's demo result beside its recomputation and ours; empty for a profile other than the demo's.

    Returns
    -------
    DataFrame
        task, metric, published, recomputed (from the release's published predictions), ours, low, high, n.
    """
    columns = ["task", "metric", "published", "recomputed", "ours", "low", "high", "n"]
    if not isinstance(profile.inputs, DemoInputs):
        return pd.DataFrame(columns=columns)
    rows = []
    for task, table in intervals.items():
        for metric, value in published("release-demo")[task].items():
            by_model = table[table["metric"] == metric].set_index("model")
            ours = by_model.loc["Chromoformer"]
            recomputed = by_model.loc["Release, pretrained", "value"]
            rows.append((task, metric, value, recomputed, ours["value"], ours["low"], ours["high"], ours["n"]))
    return pd.DataFrame(rows, columns=columns)
