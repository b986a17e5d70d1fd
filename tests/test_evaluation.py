"""Evaluation on scores made by hand: folds, metrics, intervals, and tests that claim no more than their numbers."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from sklearn import metrics
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from chromolib import InputError, evaluation


def scores_of(target, **models):
    n = len(target)
    genes = {"gene_id": [f"G{i}" for i in range(n)], "fold": 1, "target": target}
    tables = [pd.DataFrame({"model": name, **genes, "score": score}) for name, score in models.items()]
    return pd.concat(tables, ignore_index=True)


# Folds


GENES = pd.DataFrame(
    {"gene_id": list("abcdef"), "chrom": ["chr1", "chr1", "chr2", "chr3", "chr3", "chr4"], "fold": [1, 1, 2, 2, 2, 3]}
)


class MeanOfTraining:
    """The simplest estimator: what it learned is the mean of its training targets and their number."""

    def fit(self, x, y):
        self.mean, self.n = y.mean(), len(y)
        return self

    def predict(self, x):
        return np.full(len(x), self.mean)

    def decision_function(self, x):
        return np.full(len(x), -self.n)


def test_every_gene_is_held_out_once_with_its_whole_chromosome():
    found = {fold: GENES["gene_id"][is_held_out].tolist() for fold, is_held_out in evaluation.splits(GENES)}
    assert found == {1: ["a", "b"], 2: ["c", "d", "e"], 3: ["f"]}


def test_gene_is_scored_by_what_the_other_folds_taught():
    y = np.array([1.0, 3.0, 6.0, 6.0, 6.0, 8.0])
    seeds = []
    found = evaluation.cross_fit(
        "reg", np.zeros((6, 1)), y, GENES, lambda task, y, seed: seeds.append(seed) or MeanOfTraining(), seed=5
    )
    np.testing.assert_allclose(found, [6.5, 6.5, 4, 4, 4, 4.4])  # 26 / 4, 12 / 3, 22 / 5
    assert seeds == [5, 5, 5]
    found = evaluation.cross_fit("clf", np.zeros((6, 1)), y > 5, GENES, lambda *_: MeanOfTraining())
    assert found.tolist() == [-4, -4, -3, -3, -3, -5]
    found = evaluation.cross_fit("reg", np.zeros((6, 1)), y, GENES, lambda *_: MeanOfTraining(), folds=[2])
    np.testing.assert_array_equal(found, [np.nan, np.nan, 4, 4, 4, np.nan])  # nothing is fitted for genes that are not asked for


def test_order_of_the_genes_changes_no_cross_fitted_score():
    y, order = np.array([1.0, 3.0, 6.0, 6.0, 6.0, 8.0]), [3, 0, 5, 2, 4, 1]
    there = evaluation.cross_fit("reg", np.zeros((6, 1)), y, GENES, lambda *_: MeanOfTraining())
    back = evaluation.cross_fit("reg", np.zeros((6, 1)), y[order], GENES.iloc[order], lambda *_: MeanOfTraining())
    np.testing.assert_allclose(back, there[order])


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        (
            GENES.assign(fold=[1, 2, 2, 3, 3, 3]),
            "folds: chr1 is in folds 1, 2, expected one; neighbours belong together",
        ),
        (GENES.assign(fold=1), "folds: 1 fold of 6 genes, expected two or more"),
        (GENES.assign(fold=[1, 2, None, 2, None, 3]), "folds: 2 of 6 genes have no fold; leave them out"),
        (GENES.drop(columns="fold"), "folds: no column 'fold', found gene_id, chrom; take the genes of a dataset"),
    ],
)
def test_folds_that_would_let_a_model_peek_are_refused(genes, message):
    with pytest.raises(InputError, match=message):
        list(evaluation.splits(genes))


def test_score_without_a_fold_is_in_no_summary():
    scores = scores_of(np.array([0, 1]), a=np.arange(2.0)).assign(fold=[1, None])
    with pytest.raises(InputError, match="folds: 1 of 2 genes have no fold; leave them out"):
        evaluation.by_fold(scores, "clf")


def test_table_without_chromosomes_is_split_by_its_folds():
    assert [fold for fold, _ in evaluation.splits(GENES[["fold"]])] == [1, 2, 3]


# Metrics


def test_classification_metrics_by_hand():
    found = evaluation.classification_metrics(np.array([0, 0, 1, 1]), np.array([-1.0, 2.0, 1.0, 3.0]))
    assert found == pytest.approx({"roc_auc": 3 / 4, "accuracy": 3 / 4, "average_precision": (1 + 2 / 3) / 2})
    assert (
        evaluation.classification_metrics(np.array([0, 1]), np.array([0.0, 1.0]))["accuracy"] == 1.0
    )  # 0 is not above 0


def test_ranking_of_one_class_is_nan():
    found = evaluation.classification_metrics(np.ones(3, int), np.array([-1.0, 1.0, 2.0]))
    assert math.isnan(found["roc_auc"]) and math.isnan(found["average_precision"])
    assert found["accuracy"] == pytest.approx(2 / 3)


def test_regression_metrics_by_hand():
    found = evaluation.regression_metrics(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 2.0]))
    assert found == pytest.approx({"pearson": 0.5, "spearman": 0.5, "r2": 1 - 5 / 2})
    shifted = evaluation.regression_metrics(np.array([0.0, 1.0, 2.0]), np.array([10.0, 12.0, 14.0]))
    assert shifted["pearson"] == pytest.approx(1) and shifted["r2"] < 0


def test_correlation_with_what_does_not_vary_is_nan():
    assert math.isnan(evaluation.regression_metrics(np.array([0.0, 1.0]), np.array([2.0, 2.0]))["pearson"])
    assert math.isnan(evaluation.regression_metrics(np.array([1.0, 1.0]), np.array([0.0, 2.0]))["pearson"])
    assert all(math.isnan(value) for value in evaluation.regression_metrics(np.array([1.0]), np.array([1.0])).values())


def test_spearman_is_pearson_of_the_ranks_and_sees_any_rising_curve():
    rng = np.random.default_rng(0)
    measured, predicted = rng.integers(0, 6, 80).astype(float), rng.normal(size=80)
    found = evaluation.regression_metrics(measured, predicted)["spearman"]
    assert found == pytest.approx(stats.pearsonr(stats.rankdata(measured), stats.rankdata(predicted)).statistic)
    assert evaluation.regression_metrics(predicted, np.exp(predicted))["spearman"] == pytest.approx(1)


def test_order_of_the_genes_changes_no_metric():
    rng = np.random.default_rng(0)
    label, score, order = rng.integers(0, 2, 60), rng.normal(size=60), rng.permutation(60)
    probability = rng.integers(0, 5, 60) / 4  # ties, 0 and 1
    for measure, said in (
        (evaluation.METRICS["clf"], score),
        (evaluation.METRICS["reg"], score),
        (evaluation.calibration_metrics, probability),
    ):
        assert measure(label[order], said[order]) == pytest.approx(measure(label, said))
    pd.testing.assert_frame_equal(
        evaluation.calibration(label[order], probability[order]), evaluation.calibration(label, probability)
    )


def test_metric_that_models_are_compared_by_is_the_first_of_its_task():
    two = np.array([0, 1]), np.array([0.5, -0.5])
    for task, measure in evaluation.METRICS.items():
        assert next(iter(measure(*two))) == evaluation.FIRST_METRIC[task]
        assert set(measure(*two)) <= {*evaluation.METRIC_NAMES, "accuracy"}


def test_folds_and_cell_types_are_scored_apart():
    target = np.array([0, 1, 0, 1] * 2)
    scores = scores_of(target, good=target * 1.0, bad=np.array([0, 1, 0, 1, 1, 0, 1, 0.0]))
    scores["fold"] = np.tile([1] * 4 + [2] * 4, 2)
    table = evaluation.by_fold(scores, "clf")
    assert list(table) == ["model", "fold", "metric", "value", "n"] and (table["n"] == 4).all()
    one = table[table["metric"] == "roc_auc"]
    assert one[["model", "fold", "value"]].to_numpy().tolist() == [
        ["good", 1, 1],
        ["good", 2, 1],
        ["bad", 1, 1],
        ["bad", 2, 0],
    ]
    wide = evaluation.fold_columns(one).set_index("model")
    assert list(wide) == ["fold 1", "fold 2", "mean", "sd"] and wide.index.tolist() == ["good", "bad"]
    assert wide.loc["good"].tolist() == [1, 1, 1, 0] and wide.loc["bad"].tolist() == pytest.approx(
        [1, 0, 0.5, math.sqrt(0.5)]
    )
    two = pd.concat([scores.assign(cell_type="E1"), scores.assign(cell_type="E2", score=-scores["score"])])
    table = evaluation.by_fold(two, "clf").query("metric == 'roc_auc'")
    assert evaluation.fold_columns(table)[["cell_type", "model", "mean"]].to_numpy().tolist() == [
        ["E1", "good", 1], ["E1", "bad", 0.5], ["E2", "good", 0], ["E2", "bad", 0.5]
    ]  # fmt: skip


def test_columns_of_folds_show_one_metric():
    table = evaluation.by_fold(scores_of(np.array([0.0, 1.0, 2.0]), a=np.array([0.0, 2.0, 1.0])), "reg")
    with pytest.raises(InputError, match="metrics pearson, spearman, r2 in one table, expected one; choose it first"):
        evaluation.fold_columns(table)


# Calibration


def test_calibration_by_hand():
    table = evaluation.calibration(np.array([1, 0, 1, 1]), np.array([0.9, 0.1, 0.2, 0.8]), n_bins=2)
    np.testing.assert_allclose(table[["predicted", "observed"]], [[0.15, 0.5], [0.85, 1.0]])
    z2 = 1.959963984540054**2  # Wilson's interval of 1 in 2: 1/2 +- z / (2 sqrt(2 + z2)); of 2 in 2: 2 / (2 + z2) to 1
    half = math.sqrt(z2 / (2 + z2)) / 2
    np.testing.assert_allclose(table[["low", "high"]], [[0.5 - half, 0.5 + half], [2 / (2 + z2), 1.0]])
    assert table["n"].tolist() == [2, 2]


def test_calibration_of_few_genes_has_as_many_groups_as_genes():
    assert evaluation.calibration(np.array([0, 1]), np.array([0.1, 0.9]), n_bins=5)["n"].tolist() == [1, 1]


def test_calibration_keeps_genes_of_the_same_probability_together():
    table = evaluation.calibration(np.array([1, 0, 1, 0, 1, 1]), np.array([0.2, 0.2, 0.2, 0.2, 0.9, 0.2]), n_bins=3)
    assert table["n"].tolist() == [5, 1] and table["observed"].tolist() == [0.6, 1]


def test_calibration_metrics_by_hand():
    label, probability = np.array([1, 0]), np.array([0.8, 0.4])
    found = evaluation.calibration_metrics(label, probability)  # as many groups as genes: |1 - 0.8|, |0 - 0.4|
    log_loss = -(math.log(0.8) + math.log(0.6)) / 2
    assert found == pytest.approx({"brier": 0.1, "log_loss": log_loss, "expected_calibration_error": 0.3})
    one_group = evaluation.calibration_metrics(label, probability, n_bins=1)  # 0.5 on, 0.6 predicted
    assert one_group["expected_calibration_error"] == pytest.approx(0.1)


def test_calibration_metrics_agree_with_scikit_learn_and_with_the_table():
    rng = np.random.default_rng(1)
    probability = rng.uniform(size=203)
    label = (rng.uniform(size=203) < probability).astype(int)
    found, table = (
        evaluation.calibration_metrics(label, probability),
        evaluation.calibration(label, probability, n_bins=10),
    )
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(label, probability), rel=1e-6)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(label, probability), rel=1e-6)
    distance = (table["observed"] - table["predicted"]).abs()
    assert found["expected_calibration_error"] == pytest.approx(np.average(distance, weights=table["n"]))
    assert table["n"].between(20, 21).all()


def test_certain_and_wrong_is_a_finite_loss():
    found = evaluation.calibration_metrics(np.array([0, 1]), np.array([1.0, 1.0], np.float32))
    assert found["log_loss"] == pytest.approx(-math.log(2**-23) / 2, rel=1e-5)


def test_calibration_line_by_hand():
    probability = special.expit(np.repeat([1.0, -1.0], 4))  # log-odds +1 and -1
    label = np.array([1, 1, 1, 0, 1, 0, 0, 0])  # 3 in 4 and 1 in 4: log-odds +-ln 3
    table = evaluation.calibration_line(label, probability).set_index("metric")
    margin = stats.norm.ppf(0.975) * math.sqrt(1 / (8 * 3 / 16))  # information of the slope: 8 genes times p (1 - p)
    slope = [math.log(3), math.log(3) - margin, math.log(3) + margin, 8]
    np.testing.assert_allclose(table.loc["calibration_slope"].to_numpy(float), slope, rtol=1e-5)
    assert table.loc["calibration_intercept", "value"] == pytest.approx(0, abs=1e-9)


def test_calibration_line_finds_what_was_done_to_the_odds_and_agrees_with_statsmodels():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    label = (rng.uniform(size=4000) < special.expit(truth)).astype(int)
    for scale, shift in ((1, 0), (2, 0), (1, 0.7)):
        said = scale * truth + shift
        table = evaluation.calibration_line(label, special.expit(said)).set_index("metric")
        low, high = table["low"], table["high"]
        assert low["calibration_slope"] < 1 / scale < high["calibration_slope"]
        if scale == 1:
            assert low["calibration_intercept"] < -shift < high["calibration_intercept"]
        peer = GLM(label, np.column_stack([np.ones(4000), said]), family=Binomial()).fit()
        np.testing.assert_allclose(table.loc["calibration_slope", ["value", "low", "high"]].to_numpy(float),
                                   [peer.params[1], *peer.conf_int()[1]], rtol=1e-6)  # fmt: skip


def test_calibration_line_without_a_finite_answer_is_nan():
    one_class = evaluation.calibration_line(np.ones(3, int), np.array([0.2, 0.5, 0.9]))
    assert one_class[["value", "low", "high"]].isna().all(axis=None) and (one_class["n"] == 3).all()
    for probability in (
        [0.5, 0.5, 0.5, 0.5],
        [0.1, 0.3, 0.3, 0.9],
        [0.9, 0.8, 0.2, 0.1],
    ):  # flat; parted, with a tie; the wrong way
        table = evaluation.calibration_line(np.array([0, 0, 1, 1]), np.array(probability)).set_index("metric")["value"]
        assert math.isnan(table["calibration_slope"]) and math.isfinite(table["calibration_intercept"])


@pytest.mark.parametrize(
    "measure", [evaluation.calibration, evaluation.calibration_metrics, evaluation.calibration_line]
)
@pytest.mark.parametrize("wrong", [1.5, -0.25, math.nan])
def test_score_that_is_no_probability_is_refused(measure, wrong):
    with pytest.raises(
        InputError,
        match=f"calibration: probability {wrong:g}, expected 0 to 1; take expit of log-odds",
    ):
        measure(np.array([0, 1]), np.array([0.5, wrong]))


# Intervals and differences


@pytest.mark.parametrize("task", ["clf", "reg"])
def test_interval_holds_the_value_and_narrows_with_more_genes(task):
    widths = []
    for n in (40, 640):
        rng = np.random.default_rng(1)
        score = rng.normal(size=n)
        target = score + rng.normal(size=n)
        target = (target > 0).astype(int) if task == "clf" else target
        table = evaluation.with_interval(target, score, evaluation.METRICS[task], n_resamples=200)
        assert ((table["low"] < table["value"]) & (table["value"] < table["high"]) & (table["n"] == n)).all()
        assert table.set_index("metric")["value"].to_dict() == evaluation.METRICS[task](target, score)
        widths.append((table["high"] - table["low"]).iloc[0])
    assert widths[1] < 0.5 * widths[0]


def test_intervals_are_the_same_each_time_and_given_for_each_model():
    rng = np.random.default_rng(0)
    target = rng.normal(size=60)
    scores = scores_of(target, Chromoformer=target + rng.normal(size=60), other=rng.normal(size=60))
    first, second = (evaluation.with_intervals(scores, "reg") for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert list(first) == ["model", "metric", "value", "low", "high", "n"]
    assert first["model"].tolist() == ["Chromoformer"] * 3 + ["other"] * 3


def test_difference_is_first_minus_second_on_the_same_genes():
    target = np.array([0, 0, 1, 1] * 10)
    perfect, half = target * 1.0, np.array([0, 1, 0, 1] * 10) * 1.0  # ROC-AUC 1 and 0.5
    scores = scores_of(target, perfect=perfect, half=half).sample(frac=1, random_state=0)
    (change,) = evaluation.difference(scores, "perfect", "half", "clf", n_resamples=200).to_dict("records")
    assert (change["metric"], change["value"], change["n"]) == ("roc_auc", 0.5, 40)
    assert 0.3 < change["low"] < 0.5 < change["high"] < 0.7
    assert evaluation.difference(scores, "half", "perfect", "clf", n_resamples=20)["value"].item() == -0.5


def test_words_follow_the_interval():
    rng = np.random.default_rng(0)
    target = rng.normal(size=80)
    noise = rng.normal(size=(3, 80))
    scores = scores_of(target, good=target + 0.1 * noise[0], bad=noise[1], twin=noise[2])
    assert "good is better than" in evaluation.in_words(evaluation.difference(scores, "good", "bad", "reg").iloc[0])
    assert "bad is worse than" in evaluation.in_words(evaluation.difference(scores, "bad", "good", "reg").iloc[0])
    same = evaluation.in_words(evaluation.difference(scores, "bad", "twin", "reg").iloc[0])
    assert "no difference between bad and" in same and "better" not in same and "worse" not in same


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.0, 0.2, "no difference"), (-0.2, 0.0, "no difference"),
                                                      (0.001, 0.2, "better"), (-0.2, -0.001, "worse")])  # fmt: skip
def test_interval_that_touches_zero_claims_nothing(low, high, verdict):
    change = {"metric": "roc_auc", "first": "A", "second": "B", "value": 0.1, "low": low, "high": high, "n": 12}
    words = evaluation.in_words(pd.Series(change))
    assert verdict in words and "12 genes" in words and f"[{low:+.3f}, {high:+.3f}]" in words


def test_intervals_are_given_for_calibration_too():
    rng = np.random.default_rng(1)
    probability = rng.uniform(size=120)
    label = (rng.uniform(size=120) < probability).astype(int)
    table = evaluation.calibration_intervals(label, probability)
    errors, line = ["brier", "log_loss", "expected_calibration_error"], ["calibration_intercept", "calibration_slope"]
    assert table["metric"].tolist() == errors + line and list(table) == ["metric", "value", "low", "high", "n"]
    named = table.set_index("metric")
    assert named.loc["expected_calibration_error", ["low", "high"]].isna().all()  # resampling pushes absolute values up
    rest = named.drop(index="expected_calibration_error")
    assert (rest["low"] < rest["high"]).all() and (rest["low"] < rest["value"])[:2].all() and (rest["value"] < rest["high"])[:2].all()


def test_identical_models_do_not_differ():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 40)
    scores = scores_of(target, one=target + rng.normal(size=40))
    scores = pd.concat([scores, scores.assign(model="twin")], ignore_index=True)
    for task in ("clf", "reg"):
        (change,) = evaluation.difference(scores, "one", "twin", task, n_resamples=50).to_dict("records")
        assert (change["value"], change["low"], change["high"]) == (0, 0, 0)
        assert "no difference" in evaluation.in_words(pd.Series(change))


def test_order_of_the_genes_changes_no_difference():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 40)
    scores = scores_of(target, a=rng.normal(size=40), b=rng.normal(size=40))
    tables = [
        evaluation.difference(table, "a", "b", "clf", n_resamples=50)
        for table in (scores, scores.sample(frac=1, random_state=1))
    ]
    pd.testing.assert_frame_equal(*tables)


def test_models_that_cannot_be_compared_are_named():
    scores = scores_of(np.array([0, 1, 0, 1]), a=np.arange(4.0), b=np.arange(4.0))
    with pytest.raises(InputError, match="no scores of model 'c', expected one of a, b"):
        evaluation.difference(scores, "a", "c", "clf")
    with pytest.raises(InputError, match="difference: G3 has no score of 'b'; compare models on the same genes"):
        evaluation.difference(scores.iloc[:-1], "a", "b", "clf")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.0, 0.2, "no difference seen"),
        (-0.2, 0.0, "no difference seen"),
        (0.001, 0.2, "better"),
        (-0.2, -0.001, "worse"),
        (np.nan, np.nan, "no interval"),
    ],
)
def test_verdict_says_no_more_than_the_interval(low, high, verdict):
    assert evaluation.verdicts(pd.DataFrame({"low": [low], "high": [high]}))["verdict"].tolist() == [verdict]


def test_text_of_an_interval_has_a_dash_where_a_metric_means_nothing():
    table = pd.DataFrame({"value": [0.5, np.nan], "low": [0.25, np.nan], "high": [0.75, np.nan]})
    assert evaluation.in_brackets(table).tolist() == ["0.500 [0.250, 0.750]", "–"]
    assert evaluation.in_brackets(table[:0]).tolist() == []


# Tests across folds and cell types


def values_of(cell_types=("E1",), **models):
    """One metric in folds 1, 2, ... of each cell type in turn."""
    tables = []
    for model, values in models.items():
        n_folds = len(values) // len(cell_types)
        rows = {
            "cell_type": np.repeat(cell_types, n_folds),
            "fold": np.tile(np.arange(1, n_folds + 1), len(cell_types)),
            "value": values,
        }
        tables.append(pd.DataFrame({"model": model, **rows, "metric": "roc_auc", "n": 10}))
    return pd.concat(tables, ignore_index=True)


def test_paired_tests_by_hand():
    """Differences 14, 2, 4, 8: mean 7, variance 28; over 4, t is sqrt(7); times 1/4 + 1/3, sqrt(3)."""
    base = np.array([0.5, 0.7, 0.6, 0.8])
    (row,) = evaluation.paired_tests(values_of(a=base + np.array([14, 2, 4, 8]) / 100, b=base)).to_dict("records")
    assert (row["first"], row["second"], row["n"], row["n_missing"]) == ("a", "b", 4, 0)
    assert row["value"] == pytest.approx(0.07)
    t = math.sqrt(7)  # three degrees of freedom have a formula
    assert row["p_t"] == pytest.approx(
        1 - 2 / math.pi * (t / math.sqrt(3) / (1 + t**2 / 3) + math.atan(t / math.sqrt(3)))
    )
    assert row["p_corrected"] == pytest.approx(1 / 2 - 1 / math.pi)  # the same at t = sqrt(3)
    assert row["p_wilcoxon"] == pytest.approx(0.125)  # all four positive: 2 in 16
    quantile = stats.t.ppf(0.975, 3) / 100
    assert row["low"] == pytest.approx(0.07 - quantile * math.sqrt(7)) and row["high"] == pytest.approx(
        0.07 + quantile * math.sqrt(7)
    )
    assert row["high_corrected"] - row["value"] == pytest.approx(quantile * 7 / math.sqrt(3))
    assert row["low_corrected"] + row["high_corrected"] == pytest.approx(0.14)


def test_paired_tests_agree_with_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 44))  # eleven cell types, four folds
    row = evaluation.paired_tests(values_of([f"E{i:02}" for i in range(11)], a=a, b=b)).iloc[0]
    peer = stats.ttest_rel(a, b)
    assert row["n"] == 44 and row["p_t"] == pytest.approx(peer.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(peer.confidence_interval()))
    assert row["p_wilcoxon"] == pytest.approx(stats.wilcoxon(a, b).pvalue)
    corrected = 2 * stats.t.sf(abs(peer.statistic) * math.sqrt(1 / 44) / math.sqrt(1 / 44 + 1 / 3), 43)
    assert row["p_corrected"] == pytest.approx(corrected)
    wider = evaluation.paired_tests(values_of([f"E{i:02}" for i in range(11)], a=a, b=b), held_out_per_training=0).iloc[
        0
    ]
    assert wider["p_corrected"] == pytest.approx(peer.pvalue)  # nothing shared, nothing corrected


def test_corrected_test_holds_its_level_where_folds_are_correlated_as_it_says_and_the_plain_one_does_not():
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=(4000, 1)), rng.normal(size=(4000, 4))
    change = math.sqrt(1 / 4) * shared + math.sqrt(3 / 4) * own  # correlation 1/4 = n_held_out / n of four folds
    plain, corrected = (
        [evaluation.t_test(row, factor)[2] < 0.05 for row in change] for factor in (1 / 4, 1 / 4 + 1 / 3)
    )
    assert abs(np.mean(corrected) - 0.05) < 0.01 and np.mean(plain) > 0.1


def test_turned_around_only_the_sign_changes():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 4))
    there, back = (evaluation.paired_tests(values_of(a=a, b=b), first=name).iloc[0] for name in "ab")
    assert (there["first"], back["first"]) == ("a", "b")
    assert there["value"] == -back["value"] and there["low"] == pytest.approx(-back["high"])
    same = ["p_t", "p_corrected", "p_wilcoxon", "n"]
    assert there[same].to_dict() == pytest.approx(back[same].to_dict())


def test_order_of_the_rows_changes_no_test():
    rng = np.random.default_rng(2)
    values = values_of(["E1", "E2"], a=rng.normal(size=8), b=rng.normal(size=8), c=rng.normal(size=8))
    mixed = values.groupby("model", group_keys=False)[list(values)].sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(evaluation.paired_tests(mixed), evaluation.paired_tests(values))


def test_identical_models_have_p_of_one():
    same = np.array([0.7, 0.8, 0.75, 0.9])
    row = evaluation.paired_tests(values_of(a=same, b=same)).iloc[0]
    assert (row[["value", "low", "high", "low_corrected", "high_corrected"]] == 0).all()
    assert (row[["p_t", "p_corrected", "p_wilcoxon", "q_t", "q_corrected", "q_wilcoxon"]] == 1).all()


def test_every_pair_is_tested_or_one_model_against_the_others():
    values = values_of(a=np.arange(4.0), b=np.zeros(4), c=np.ones(4))
    assert evaluation.paired_tests(values)[["first", "second"]].to_numpy().tolist() == [
        ["a", "b"],
        ["a", "c"],
        ["b", "c"],
    ]
    assert evaluation.paired_tests(values, first="b")[["first", "second"]].to_numpy().tolist() == [
        ["b", "a"],
        ["b", "c"],
    ]
    assert evaluation.paired_tests(values[values["model"] == "a"]).empty


def test_fold_where_the_metric_means_nothing_is_left_out_and_counted():
    a, b = np.array([0.9, 0.8, np.nan, 0.7]), np.array([0.5, 0.6, 0.7, 0.6])
    row = evaluation.paired_tests(values_of(a=a, b=b)).iloc[0]
    assert (row["n"], row["n_missing"]) == (3, 1) and row["value"] == pytest.approx(0.7 / 3)
    none = evaluation.paired_tests(values_of(a=np.full(4, np.nan), b=b, c=a)).set_index(["first", "second"])
    assert (
        none.loc[("a", "b"), "n"] == 0
        and none.loc[("a", "b"), ["value", "p_t", "p_corrected", "p_wilcoxon", "q_t"]].isna().all()
    )
    assert none.loc[("b", "c"), "q_t"] == none.loc[("b", "c"), "p_t"]  # what was not tested is not counted


def test_one_fold_is_no_test():
    row = evaluation.paired_tests(values_of(a=[0.9], b=[0.8])).iloc[0]
    assert row["value"] == pytest.approx(0.1) and row[["low", "p_t", "p_corrected", "p_wilcoxon"]].isna().all()


def test_adjusted_p_by_hand():
    assert evaluation.adjusted(pd.Series([0.01, 0.04, np.nan, 0.03])).tolist()[:2] == pytest.approx([0.03, 0.04])
    assert evaluation.adjusted(pd.Series([0.01, 0.04, np.nan, 0.03])).isna().tolist() == [False, False, True, False]
    assert evaluation.adjusted(pd.Series([np.nan])).isna().all()


def test_what_cannot_be_paired_is_named():
    values = values_of(a=np.arange(4.0), b=np.zeros(4))
    with pytest.raises(InputError, match="paired tests: 'b' has no value in fold 4 of E1; compare models"):
        evaluation.paired_tests(values.iloc[:-1])
    with pytest.raises(InputError, match="paired tests: 'a' has two values in fold 2 of E1, expected one"):
        evaluation.paired_tests(pd.concat([values, values.iloc[[1]]]))
    with pytest.raises(InputError, match="metrics roc_auc, accuracy in one table, expected one"):
        evaluation.paired_tests(pd.concat([values, values.assign(metric="accuracy")]))
    with pytest.raises(InputError, match="no scores of model 'd', expected one of a, b"):
        evaluation.paired_tests(values, first="d")
