"""How good predictions are: cross-validation by chromosome, metrics, intervals, and tests of one model against another.

In: what was measured of each gene, and what a model says of it when its chromosome was held out. Out: tidy tables.
A score is above 0 where a gene is called on (clf), log2(RPKM + 1) (reg) or a log2 fold change (diff).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats
from sklearn import metrics
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.stats.multitest import multipletests

from . import resampling
from .config import InputError, Task

# Task, training targets, seed -> an estimator of scikit-learn that tunes itself inside the training genes.
Model = Callable[[Task, np.ndarray, int], Any]
# What was measured and what a model says, (gene,) each -> metrics by name.
Measure = Callable[[np.ndarray, np.ndarray], dict[str, float]]

FIRST_METRIC: dict[Task, str] = {"clf": "roc_auc", "reg": "pearson", "diff": "pearson"}  # what models are compared by
METRIC_NAMES = {
    "roc_auc": "ROC-AUC", "average_precision": "average precision",
    "pearson": "Pearson r", "spearman": "Spearman ρ", "r2": "R²",
    "brier": "Brier score", "log_loss": "log loss", "expected_calibration_error": "expected calibration error",
    "calibration_intercept": "calibration intercept", "calibration_slope": "calibration slope",
}  # fmt: skip
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)  # a softmax in float32 says 1 where it means 1 minus less than this


# Folds


def check_folds(genes: pd.DataFrame) -> None:
    """Raise an InputError unless every gene has a fold, there are two or more, and no chromosome is in two of them.

    `genes` is a dataset's `genes`, or any table with `fold`; chromosomes are checked where it has `chrom`.
    """
    _check_each_has_a_fold(genes)
    if (n_folds := genes["fold"].nunique()) < 2:
        raise InputError(f"folds: {n_folds} fold of {len(genes)} genes, expected two or more; take more chromosomes")
    if "chrom" not in genes:
        return
    for chrom, folds in genes.groupby("chrom")["fold"].unique().items():
        if len(folds) > 1:
            found = ", ".join(map(str, sorted(folds)))
            raise InputError(f"folds: {chrom} is in folds {found}, expected one; neighbours belong together")


def _check_each_has_a_fold(genes: pd.DataFrame) -> None:
    if "fold" not in genes:
        raise InputError(f"folds: no column 'fold', found {', '.join(map(str, genes))}; take the genes of a dataset")
    if n_without := int(genes["fold"].isna().sum()):
        raise InputError(f"folds: {n_without} of {len(genes)} genes have no fold; leave them out")


def splits(genes: pd.DataFrame) -> Iterator[tuple[int, np.ndarray]]:
    """Cross-validation by chromosome: each fold, and which genes it holds out, (gene,) boolean; the others train.

    Raises
    ------
    InputError
        As `check_folds`, of which `genes` is the argument.
    """
    check_folds(genes)
    fold = genes["fold"].to_numpy()
    for number in np.unique(fold):
        yield int(number), fold == number


def cross_fit(
    task: Task, x: np.ndarray, y: np.ndarray, genes: pd.DataFrame, model: Model, seed: int = 0, folds: Collection[int] | None = None
) -> np.ndarray:  # fmt: skip
    """Score of each gene by a model that was fitted and tuned on the other folds.

    Parameters
    ----------
    x : array, (gene, feature)
    y : array, (gene,)
        Label (clf) or any number (reg).
    genes : DataFrame
        In the order of x, with fold; chrom is checked where there is one.
    model : function
        Task, training targets and seed -> an estimator of scikit-learn that tunes itself inside the training genes.
    folds : collection of int, optional
        Those to hold out, one after the other; None: all.

    Returns
    -------
    array, (gene,)
        The estimator's decision function (clf; log-odds for logistic regression and boosting) or its prediction (reg); NaN for
        genes of no fold that is held out.

    Raises
    ------
    InputError
        As `check_folds`, of which `genes` is the argument.
    """
    score = np.full(len(y), np.nan)
    for fold, is_held_out in splits(genes):
        if folds is not None and fold not in folds:
            continue
        fitted = model(task, y[~is_held_out], seed).fit(x[~is_held_out], y[~is_held_out])
        score[is_held_out] = (fitted.decision_function if task == "clf" else fitted.predict)(x[is_held_out])
    return score


# Metrics


def classification_metrics(label: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """ROC-AUC, accuracy and average precision of a score that calls a gene on where it is above 0.

    NaN where one class is missing: a ranking of one class means nothing. Calibration is not among them: it needs a
    probability, and only some scores are log-odds (networks, logistic regression, boosting); see `calibration_metrics`.
    """
    both = len(np.unique(label)) == 2
    return {
        "roc_auc": float(metrics.roc_auc_score(label, score)) if both else float("nan"),
        "accuracy": float(metrics.accuracy_score(label, score > 0)),
        "average_precision": float(metrics.average_precision_score(label, score)) if both else float("nan"),
    }


def regression_metrics(measured: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Pearson's r, Spearman's ρ (ties share a rank) and R² (1 - squared error over variance; may be below 0).

    NaN where there are fewer than two genes; r and ρ also where one side does not vary.
    """
    varies = len(measured) > 1 and np.ptp(measured) > 0 and np.ptp(predicted) > 0
    return {
        "pearson": float(stats.pearsonr(measured, predicted).statistic) if varies else float("nan"),
        "spearman": float(stats.spearmanr(measured, predicted).statistic) if varies else float("nan"),
        "r2": float(metrics.r2_score(measured, predicted)) if len(measured) > 1 else float("nan"),
    }


METRICS: dict[Task, Measure] = {"clf": classification_metrics, "reg": regression_metrics, "diff": regression_metrics}


def by_fold(scores: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Metrics of each model in each held-out fold.

    Parameters
    ----------
    scores : DataFrame
        model, fold, score, target, one row per held-out gene; cell_type where there are several.

    Returns
    -------
    DataFrame
        cell_type (where given), model, fold, metric, value, n (genes of the fold).

    Raises
    ------
    InputError
        A gene without a fold.
    """
    _check_each_has_a_fold(scores)
    keys = [*(["cell_type"] if "cell_type" in scores else []), "model", "fold"]
    rows = []
    for values, table in scores.groupby(keys, sort=False):
        found = METRICS[task](table["target"].to_numpy(), table["score"].to_numpy())
        rows += [(*values, metric, value, len(table)) for metric, value in found.items()]
    return pd.DataFrame(rows, columns=[*keys, "metric", "value", "n"])


def fold_columns(values: pd.DataFrame) -> pd.DataFrame:
    """One metric of `by_fold` to read: cell_type (where given), model, a column per fold, mean and sd over folds."""
    _check_one_metric(values)
    keys = [*(["cell_type"] if "cell_type" in values else []), "model"]
    wide = values.pivot(index=keys, columns="fold", values="value")
    wide = wide.loc[values[keys].drop_duplicates().set_index(keys).index]  # as the models stood
    table = wide.rename(columns=lambda fold: f"fold {int(fold)}").rename_axis(columns=None)
    return table.assign(mean=wide.mean(axis=1), sd=wide.std(axis=1)).reset_index()


# Calibration


def calibration(label: np.ndarray, probability: np.ndarray, n_bins: int = 5) -> pd.DataFrame:
    """Share of genes that are on, in groups of like size by predicted probability, with 95 % Wilson intervals.

    Genes of the same probability stay in one group, whatever their order.

    Returns
    -------
    DataFrame
        predicted (mean probability of the group), observed, low, high, n.

    Raises
    ------
    InputError
        A probability below 0 or above 1.
    """
    label, probability = _checked(label, probability)
    group = _groups(probability, n_bins)
    rows = []
    for number in np.unique(group):
        on, predicted = label[group == number], probability[group == number]
        wilson = stats.binomtest(int(on.sum()), len(on)).proportion_ci(method="wilson")
        rows.append((predicted.mean(), on.mean(), wilson.low, wilson.high, len(on)))
    return pd.DataFrame(rows, columns=["predicted", "observed", "low", "high", "n"])


def calibration_metrics(label: np.ndarray, probability: np.ndarray, n_bins: int = 10) -> dict[str, float]:
    """Brier score, log loss (natural logarithm) and expected calibration error of the probability of being on.

    Less is better. The last is the distance of the observed share from the predicted, mean over genes in the groups of
    `calibration` (Naeini, Cooper & Hauskrecht 2015, with groups of like size); even true probabilities have one above
    0, the more so the fewer the genes. Probabilities nearer than 1.2e-7 to 0 or 1 count as that far.
    """
    label, probability = _checked(label, probability)
    surplus = np.bincount(_groups(probability, n_bins), label - probability)  # genes on beyond what was predicted
    return {
        "brier": float(np.mean((label - probability) ** 2)),
        "log_loss": float(metrics.log_loss(label, probability, labels=[0, 1])),
        "expected_calibration_error": float(np.abs(surplus).sum() / len(label)),
    }


def calibration_line(label: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Calibration intercept and slope with 95 % Wald intervals, by logistic regression on the predicted log-odds.

    The intercept is what has to be added to all log-odds, slope held at 1: below 0 where predictions are too high on
    average. A slope below 1 means that predictions are too extreme (Cox 1958; Van Calster et al. 2019).

    Returns
    -------
    DataFrame
        metric, value, low, high, n. NaN where the regression has no finite answer: one class is missing, or (slope) a
        threshold on the probability parts the classes.
    """
    label, probability = _checked(label, probability)
    log_odds = special.logit(probability)
    off, on = log_odds[label == 0], log_odds[label == 1]
    rows = [("calibration_intercept", np.nan, np.nan, np.nan), ("calibration_slope", np.nan, np.nan, np.nan)]
    if len(off) and len(on):
        shift = GLM(label, np.ones((len(label), 1)), Binomial(), offset=log_odds).fit()
        rows[0] = ("calibration_intercept", shift.params[0], *shift.conf_int()[0])
        if off.max() > on.min() and on.max() > off.min():
            line = GLM(label, np.column_stack([np.ones(len(label)), log_odds]), Binomial()).fit()
            rows[1] = ("calibration_slope", line.params[1], *line.conf_int()[1])
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"]).assign(n=len(label))


def calibration_intervals(label: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """`calibration_metrics` with bootstrap intervals and `calibration_line`: metric, value, low, high, n.

    The expected calibration error gets no interval: it is a sum of absolute values, which resampling pushes up.
    """
    errors = with_interval(label, probability, calibration_metrics)
    errors.loc[errors["metric"] == "expected_calibration_error", ["low", "high"]] = np.nan
    return pd.concat([errors, calibration_line(label, probability)], ignore_index=True)


def _groups(probability: np.ndarray, n_bins: int) -> np.ndarray:
    """Group of each gene, (gene,): of like size, n_bins or as many as genes; the same probability, the same group."""
    rank = stats.rankdata(probability, method="min").astype(int) - 1
    return rank * min(n_bins, len(rank)) // len(rank)


def _checked(label: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probability = np.asarray(probability, float)
    wrong = probability[~((probability >= 0) & (probability <= 1))]
    if len(wrong):
        raise InputError(f"calibration: probability {wrong[0]:g}, expected 0 to 1; take expit of log-odds")
    return np.asarray(label), probability.clip(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)


# Bootstrap intervals over genes


def with_interval(
    target: np.ndarray, score: np.ndarray, measure: Measure, *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Metrics with their 95 % bootstrap intervals (percentile) over genes.

    Genes are drawn as if they were independent, and models stay as they are: the intervals hold neither what neighbours
    share nor what another seed or other training genes would change.

    Parameters
    ----------
    target, score : array, (gene,)
        What was measured and what `measure` reads: a score, or a probability for `calibration_metrics`.
    measure : function
        One of `METRICS`, `calibration_metrics`, or any other of target and score that returns numbers by name.

    Returns
    -------
    DataFrame
        metric, value, low, high, n; one row per metric.
    """
    found = measure(target, score)
    if measure in METRICS.values():
        ends = np.transpose([_ends(len(target), partial(resampling.METRICS[name], target, score), n_resamples, seed) for name in found])
    else:
        ends = stats.bootstrap(
            (target, score), lambda t, s: np.array(list(measure(t, s).values())), paired=True, vectorized=False,
            n_resamples=n_resamples, method="percentile", rng=seed,
        ).confidence_interval  # fmt: skip
    table = pd.DataFrame({"metric": list(found), "value": list(found.values())})
    return table.assign(low=ends[0], high=ends[1], n=len(target))


def _ends(n_genes: int, measure: Callable[[np.ndarray], np.ndarray], n_resamples: int, seed: int) -> np.ndarray:
    """`resampling.interval`, (low, high), of what `measure` makes of resamples, (b, g) -> (b,)."""
    values = [measure(weight) for weight in resampling.with_all(n_genes, n_resamples, seed)]
    return np.array(resampling.interval(np.concatenate(values))[1:])


def with_intervals(scores: pd.DataFrame, task: Task) -> pd.DataFrame:
    """`with_interval` for each model of a table of model, score and target: model, metric, value, low, high, n."""
    tables = [
        with_interval(table["target"].to_numpy(), table["score"].to_numpy(), METRICS[task]).assign(model=model)
        for model, table in scores.groupby("model", sort=False)
    ]
    return pd.concat(tables, ignore_index=True)[["model", "metric", "value", "low", "high", "n"]]


def difference(
    scores: pd.DataFrame, first: str, second: str, task: Task, *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """First metric of the task, `first` minus `second`, with a 95 % interval from resampling the same genes for both.

    Parameters
    ----------
    scores : DataFrame
        model, gene_id, score, target; both models score the same genes.

    Returns
    -------
    DataFrame
        metric, first, second, value, low, high, n; one row.

    Raises
    ------
    InputError
        A model that has no scores, or not of the same genes.
    """
    metric = FIRST_METRIC[task]
    _check_models(scores["model"], first, second)
    target = scores.drop_duplicates("gene_id").set_index("gene_id")["target"]
    wide = scores[scores["model"].isin([first, second])].pivot(index="gene_id", columns="model", values="score")
    if wide.isna().any(axis=None):
        gene, model = wide.stack(future_stack=True).loc[lambda score: score.isna()].index[0]
        raise InputError(f"difference: {gene} has no score of {model!r}; compare models on the same genes")
    measured, scored = target.loc[wide.index].to_numpy(), [wide[name].to_numpy() for name in (first, second)]
    gain = np.subtract(*(METRICS[task](measured, score)[metric] for score in scored))
    value = partial(resampling.METRICS[metric], measured)
    low, high = _ends(len(measured), lambda weight: np.subtract(*(value(score, weight) for score in scored)), n_resamples, seed)
    row = {"metric": metric, "first": first, "second": second, "value": gain}
    return pd.DataFrame([{**row, "low": low, "high": high, "n": len(wide)}])


def in_words(change: pd.Series) -> str:
    """A sentence on a row of `difference` that claims no more than its interval carries."""
    if np.isnan(change["low"]):
        return f"These {change['n']} genes give no interval of a difference between {change['first']} and “{change['second']}”."
    if change["low"] > 0:
        verdict = f"{change['first']} is better than “{change['second']}”"
    elif change["high"] < 0:
        verdict = f"{change['first']} is worse than “{change['second']}”"
    else:
        verdict = f"no difference between {change['first']} and “{change['second']}” is seen"
    metric = METRIC_NAMES[change["metric"]]
    return f"On these {change['n']} genes {verdict}: difference in {metric} {signed(change)}, 95 % interval over genes."


def signed(change: pd.Series) -> str:
    """+value [+low, +high] of a row of `difference`."""
    ends = "–" if np.isnan(change["low"]) else f"{change['low']:+.3f}, {change['high']:+.3f}"
    return f"{change['value']:+.3f} [{ends}]"


def verdicts(changes: pd.DataFrame) -> pd.DataFrame:
    """Rows of `difference` with a word on each: better, worse, no difference seen (its interval holds 0), or no interval."""
    found = [changes["low"] > 0, changes["high"] < 0, changes["low"].isna()]
    word = np.select(found, ["better", "worse", "no interval"], "no difference seen")
    return changes.assign(verdict=word)


def in_brackets(table: pd.DataFrame) -> pd.Series:
    """value [low, high] as text; a dash where a metric, or its interval, means nothing."""
    texts = [
        "–" if np.isnan(value) else f"{value:.3f} [–]" if np.isnan(low) else f"{value:.3f} [{low:.3f}, {high:.3f}]"
        for value, low, high in table[["value", "low", "high"]].itertuples(index=False)
    ]
    return pd.Series(texts, index=table.index, dtype=object)  # text also where there are no rows


# Tests across folds and cell types


def paired_tests(
    values: pd.DataFrame,
    *,
    first: str | None = None,
    held_out_per_training: float | None = None,
) -> pd.DataFrame:
    """One model against another, paired by fold and cell type: is the mean difference of a metric other than 0?

    Three two-sided tests, none of which is exact here.
    The paired t-test (the paper's) takes differences for independent and normal. They are not independent: of k folds,
    any two trainings share (k - 2) of (k - 1) parts of their genes, and a fold holds out the same genes in each cell
    type. Its p is too small.
    The corrected resampled t-test widens the variance of the mean from s² / n to s² (1 / n + n_held_out / n_training).
    It is right if differences are normal and any two, of one cell type or of two, have the correlation
    n_held_out / (n_held_out + n_training), which is a guess.
    Wilcoxon's signed-rank test asks for no normality, but for independence and symmetry. With n pairs its p is at least
    2^(1 - n), which is 0.125 for four folds.
    None tells what another seed of the same network would change.

    Parameters
    ----------
    values : DataFrame
        One metric of `by_fold`: model, fold, value; cell_type where there are several.
    first : str, optional
        Compare this model with each other one; by default every pair, in the order of the table.
    held_out_per_training : float, optional
        Held-out genes over training genes; by default 1 / (k - 1), as in cross-validation with k folds.

    Returns
    -------
    DataFrame
        first, second, n (pairs), n_missing (pairs left out: the metric means nothing for one of
        the two), value (mean difference, first minus second), low, high (95 % t interval), low_corrected,
        high_corrected, p_t, p_corrected, p_wilcoxon; q_...: p adjusted over the rows of the table, see `adjusted`.
        NaN with fewer than two pairs; p is 1 where no pair differs.

    Raises
    ------
    InputError
        Several metrics, a model that is not there, a value given twice, or a fold that only one of two models has.

    Source: Nadeau & Bengio, Machine Learning 52, 239-281 (2003).
    """
    wide = _paired_values(values)
    models = list(values["model"].unique())
    _check_models(values["model"], *([first] if first else []))
    n_folds = wide.index.get_level_values("fold").nunique()
    ratio = 1 / (n_folds - 1) if held_out_per_training is None and n_folds > 1 else held_out_per_training
    pairs = [(first, model) for model in models if model != first] if first else list(itertools.combinations(models, 2))
    rows = [{"first": a, "second": b, **_tests((wide[a] - wide[b]).to_numpy(), ratio)} for a, b in pairs]
    return adjusted_together(pd.DataFrame(rows, columns=["first", "second", *_tests(np.empty(0), ratio)]))


def adjusted_together(table: pd.DataFrame) -> pd.DataFrame:
    """Tables of `paired_tests` in one, each q adjusted over all of its rows."""
    return table.assign(**{f"q_{name}": adjusted(table[f"p_{name}"]) for name in ("t", "corrected", "wilcoxon")})


def adjusted(p: pd.Series) -> pd.Series:
    """p-values adjusted for their number (false discovery rate, Benjamini & Hochberg 1995); NaN stays, uncounted."""
    p, q = p.astype(float), pd.Series(np.nan, index=p.index, dtype=float)  # of a table without rows p has no type
    if p.notna().any():
        q[p.notna()] = multipletests(p.dropna(), method="fdr_bh")[1]
    return q


def t_test(change: np.ndarray, variance_factor: float) -> tuple[float, float, float]:
    """95 % interval (low, high) and two-sided p of a mean by Student's t with n - 1 degrees of freedom.

    The variance of the mean is `variance_factor` times that of one difference: 1 / n for independent ones.
    NaN with fewer than two; p is 1 where all are 0.
    """
    if len(change) < 2:
        return float("nan"), float("nan"), float("nan")
    mean, error = change.mean(), change.std(ddof=1) * np.sqrt(variance_factor)
    margin = stats.t.ppf(0.975, len(change) - 1) * error
    if error == 0:
        return mean, mean, float(mean == 0)
    return mean - margin, mean + margin, 2 * stats.t.sf(abs(mean) / error, len(change) - 1)


def _tests(change: np.ndarray, ratio: float | None) -> dict[str, float]:
    """All that `paired_tests` says of the differences of one pair of models, (pair,)."""
    used = change[np.isfinite(change)]
    n = len(used)
    low, high, p = t_test(used, 1 / n if n else np.nan)
    wide_low, wide_high, p_corrected = t_test(used, 1 / n + ratio) if n and ratio is not None else (np.nan,) * 3
    p_wilcoxon = np.nan if n < 2 else float(stats.wilcoxon(used).pvalue) if used.any() else 1.0
    return {"n": n, "n_missing": len(change) - n, "value": used.mean() if n else np.nan, "low": low, "high": high,
            "low_corrected": wide_low, "high_corrected": wide_high,
            "p_t": p, "p_corrected": p_corrected, "p_wilcoxon": p_wilcoxon}  # fmt: skip


def _paired_values(values: pd.DataFrame) -> pd.DataFrame:
    """One row per cell type and fold, one column per model; an InputError names the first gap or double."""
    _check_one_metric(values)
    if "cell_type" not in values:
        values = values.assign(cell_type="")
    keys = ["cell_type", "fold", "model"]
    for cell_type, fold, model in values.loc[values.duplicated(keys), keys].itertuples(index=False):
        where = _where(cell_type, fold)
        raise InputError(f"paired tests: {model!r} has two values in {where}, expected one; give each run a name")
    is_there = values.assign(value=1).pivot(index=keys[:2], columns="model", values="value").notna()
    for (cell_type, fold, model), there in is_there.stack().items():
        if not there:
            where = _where(cell_type, fold)
            raise InputError(f"paired tests: {model!r} has no value in {where}; compare models on the same folds")
    return values.pivot(index=keys[:2], columns="model", values="value")


def _where(cell_type: str, fold: int) -> str:
    return f"fold {fold} of {cell_type}" if cell_type else f"fold {fold}"


def _check_one_metric(values: pd.DataFrame) -> None:
    if "metric" in values and values["metric"].nunique() > 1:
        raise InputError(f"metrics {', '.join(values['metric'].unique())} in one table, expected one; choose it first")


def _check_models(models: pd.Series, *named: str) -> None:
    if absent := [name for name in named if name not in set(models)]:
        raise InputError(f"no scores of model {absent[0]!r}, expected one of {', '.join(models.unique())}")
