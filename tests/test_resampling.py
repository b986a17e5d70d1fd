"""Metrics on many resamples at once agree with those of one table, ties and all."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from chromolib import evaluation, resampling

CLASSES, LEVELS = ("roc_auc", "accuracy", "average_precision"), ("pearson", "spearman", "r2")


def test_metrics_by_hand():
    label, score, once = np.array([0, 0, 1, 1]), np.array([-2.0, 0.5, 0.5, 3.0]), np.ones((1, 4))
    assert resampling.roc_auc(label, score, once) == (4 - 0.5) / 4               # one of four pairs is a tie
    assert resampling.accuracy(label, score, once) == 3 / 4
    assert resampling.average_precision(label, score, once) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    twice = np.array([[1.0, 1, 2, 0]])                                           # the third gene twice, the last not at all
    assert resampling.roc_auc(label, score, twice) == (2 + 2 * 0.5) / 4
    assert resampling.mean(label, score, twice) == (-2 + 0.5 + 2 * 0.5) / 4


@pytest.mark.parametrize("metric", CLASSES + LEVELS)
@pytest.mark.parametrize("digits", [0, 12])
def test_gene_that_is_drawn_twice_counts_as_two_genes(metric, digits):
    rng = np.random.default_rng(0)
    score = rng.normal(size=40).round(digits)                                    # 0 digits: many ties
    target = (score + rng.normal(size=40)).round(1)
    target = (target > 0).astype(int) if metric in CLASSES else target
    weight = np.concatenate(list(resampling.resamples(40, 60, seed=1)))
    found = resampling.METRICS[metric](target, score, weight)
    for value, counts in zip(found, weight, strict=True):
        drawn = np.repeat(np.arange(40), counts.astype(int))
        peer = evaluation.METRICS["clf" if metric in CLASSES else "reg"](target[drawn], score[drawn])[metric]
        assert value == pytest.approx(peer, abs=1e-12)


def test_resamples_are_those_of_scipy():
    values = np.random.default_rng(0).normal(size=30)
    peer = stats.bootstrap((values,), np.mean, n_resamples=120, method="percentile", rng=7).bootstrap_distribution
    weight = np.concatenate(list(resampling.resamples(30, 120, seed=7)))
    assert (weight.sum(1) == 30).all()
    np.testing.assert_allclose(weight @ values / 30, peer, rtol=1e-12)


def test_all_genes_come_before_resamples():
    first, *others = resampling.with_all(30, 120, seed=7)
    np.testing.assert_array_equal(first, np.ones((1, 30)))
    np.testing.assert_array_equal(np.concatenate(others), np.concatenate(list(resampling.resamples(30, 120, seed=7))))


def test_what_means_nothing_is_nan():
    weight = np.array([[1.0, 1, 0, 0], [1, 1, 1, 1]])
    label, score = np.array([1, 1, 0, 0]), np.array([1.0, 1, 2, 3])
    for metric in ("roc_auc", "average_precision"):
        assert np.isnan(resampling.METRICS[metric](label, score, weight)).tolist() == [True, False]
    assert np.isnan(resampling.average_precision(label, score, 1.0 - weight[:1])).all()
    for metric in LEVELS[:1]:
        assert np.isnan(resampling.METRICS[metric](np.arange(4.0), score, weight)).tolist() == [True, False]
    assert np.isnan(resampling.pearson(np.full(4, 0.1), score, weight)).all()


def test_ranks_are_mid_ranks():
    values = np.array([[3.0], [1], [3], [2]])
    np.testing.assert_array_equal(resampling.ranks(values, np.ones((1, 4)))[0, :, 0], stats.rankdata(values) - 0.5)


def test_weights_of_genes_that_pass_are_poisson_and_hang_on_the_gene_alone():
    ids = [f"ENSG{i:011d}" for i in range(300)]
    weight = resampling.poisson_weights(ids, 400, seed=1)
    assert weight.shape == (300, 401) and (weight[:, 0] == 1).all()
    assert weight[:, 1:].mean() == pytest.approx(1, abs=0.01) and weight[:, 1:].var() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(weight[:50, 1:])[np.triu_indices(50, 1)]).max() < 0.25
    assert np.array_equal(resampling.poisson_weights(ids[:100:-7], 400, seed=1), weight[:100:-7])
    assert not np.array_equal(resampling.poisson_weights(ids, 400, seed=2), weight)


def test_mean_over_poisson_weights_spreads_as_over_resamples():
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    weight = resampling.poisson_weights([str(i) for i in range(400)], 2000, seed=0)[:, 1:]
    spread = (values @ weight / weight.sum(0)).std()
    assert spread == pytest.approx(values.std() / np.sqrt(400), rel=0.06)


def test_p_is_twice_the_share_on_the_rarer_side_with_the_value_itself():
    draws = np.array([-1.0, 1, 2, 3, 4, 5, 6, 7, 8])
    assert resampling.two_sided_p(draws) == 2 * (1 + 1) / 10
    assert resampling.two_sided_p(draws, beside=3.5) == 1.0                  # 4 below, 5 above
    assert resampling.p_on_side(draws, 0.0, "above") == 2 * (1 + 1) / 10 and resampling.p_on_side(draws, 0.0, "below") == 1.0
    assert np.isnan(resampling.two_sided_p(np.array([1.0, np.nan])))
    assert resampling.two_sided_p(np.r_[np.nan, np.ones(39)]) == 2 / 40       # one in forty may tell nothing


def test_groups_tell_something_whose_genes_differ_five_times_or_more():
    sizes = {"all alike": [1] * 9, "four unlike": [1] * 9 + [0] * 4, "five unlike": [1] * 9 + [0] * 5, "levels": list(range(6)), "few levels": list(range(5))}
    table = pd.DataFrame([(name, value) for name, values in sizes.items() for value in values], columns=["fold", "target"])
    table["score"] = 1.0
    told = resampling.in_told_groups(table, ["fold"])
    assert told["fold"].unique().tolist() == ["five unlike", "levels"] and len(told) == 20
    assert resampling.in_told_groups(table, ["fold"], ["target", "score"]).empty
    assert list(resampling.in_told_groups(table[:0], ["fold"])) == list(table)
