"""Curves in numbers of pCREs: those that were planted win, fits and tests are those of statsmodels, and nothing counts twice."""

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats
from statsmodels.regression.linear_model import OLS

from chromolib.analysis import cis_regulation as cis
from chromolib.analysis import curves
from tests.test_cis_regulation import KEYS


def made(effect, *, n_genes=600, noise=1.0, seed=0):
    """Genes of one cell type with a promoter of one mark, and values to which `effect` of the number of active pCREs adds."""
    rng = np.random.default_rng(seed)
    ids = [f"g{i}" for i in range(n_genes)]
    active, bound, promoter = rng.binomial(8, 0.35, n_genes), rng.binomial(8, 0.2, n_genes), rng.normal(size=n_genes)
    keys = pd.DataFrame({"cell_type": "C", "gene_id": ids})
    table = keys.assign(label="on", pcres=8.0, active=active.astype(float), EZH2=bound.astype(float), other=rng.binomial(3, 0.5, n_genes).astype(float))
    value = effect(active) + 2 * promoter - 0.5 * bound + noise * rng.normal(size=n_genes)
    return {"value": keys.assign(group="C", value=value)[cis.VALUES]}, table, keys.assign(mark=promoter)


def step(n, at=2.5, width=0.2):
    return 3 / (1 + np.exp((at - n) / width))


@pytest.mark.parametrize(("effect", "verdict"), [(lambda n: 0.7 * n, "additive"), (step, "switch"), (lambda n: 0.0 * n, "no effect")])
def test_the_curve_that_was_planted_wins_and_the_control_has_none(effect, verdict):
    found = curves.compare(*made(effect)).set_index("kind")
    assert found.loc["active", "verdict"] == verdict and found.loc["other", "verdict"] == "no effect"
    row = found.loc["active"]
    if verdict == "additive":
        assert row["high"] < 0 and row["slope_low"] < 0.7 < row["slope_high"] and row["p_additive"] > 0.01 > row["p_switch"]
    if verdict == "switch":
        assert row["low"] > 0 and 2 <= row["midpoint"] <= 3 and row["size_low"] < 3 < row["size_high"] and row["p_switch"] > 0.01 > row["p_additive"]


def test_a_cell_type_without_peaks_still_counts_for_active_pcres():
    values, table, promoter = made(lambda n: 0.7 * n)
    parts = [(part.assign(cell_type="D"), part) for part in (values["value"], table, promoter)]
    both = [pd.concat([own, other], ignore_index=True) for other, own in parts]
    both[1].loc[both[1]["cell_type"] == "D", "EZH2"] = np.nan
    both[0]["group"] = both[0]["cell_type"]
    found = curves.compare({"value": both[0]}, *both[1:], n_refits=0).set_index("kind")
    assert found["n"].to_dict() == {"active": 1200, "EZH2": 600, "other": 1200} and found.loc["active", "verdict"] == "additive"


def test_fits_are_those_of_statsmodels_and_a_switch_costs_two_parameters_more():
    values, table, promoter = made(step, n_genes=200)
    given = curves.problem(values["value"], table, promoter, "active")
    fits = curves.fit(given)
    x = np.column_stack([given.base, 1 / (1 + np.exp((fits.midpoint - given.n) / fits.width))])
    own = OLS(given.y, x).fit()
    assert fits.aic()["switch"] == pytest.approx(own.aic + 4) and fits.aic()["additive"] == fits.additive.aic
    midpoint, width, tried = curves._switches(given.n)
    left = [OLS(given.y, np.column_stack([given.base, curve])).fit().ssr for curve in tried.T]
    best = int(np.argmin(left))
    assert (midpoint[best], width[best]) == (fits.midpoint, fits.width)
    slope, found, size = curves._curves(given, tried, np.ones(len(given.y)))
    assert (slope, found, size) == (pytest.approx(fits.additive.params[-1]), best, pytest.approx(own.params[-1]))


def test_a_gene_that_counts_twice_is_a_gene_that_stands_there_twice():
    values, table, promoter = made(step, n_genes=120)
    given = curves.problem(values["value"], table, promoter, "active")
    tried = curves._switches(given.n)[2]
    weight = np.random.default_rng(1).integers(0, 3, len(given.y))
    twice = curves.Problem(*(np.repeat(part, weight, axis=0) for part in given[:3]), given.keys.loc[np.repeat(given.keys.index, weight)])
    expected = curves._curves(twice, np.repeat(tried, weight, axis=0), np.ones(len(twice.y)))
    np.testing.assert_allclose(curves._curves(given, tried, weight.astype(float)), expected)


def test_what_each_gene_adds_sums_to_aic_and_its_mean_is_what_claims_compare():
    values, table, promoter = made(step, n_genes=200)
    given = curves.problem(values["value"], table, promoter, "active")
    fits = curves.fit(given)
    parts = curves.per_gene(given, fits)
    for name, aic in fits.aic().items():
        assert parts[name].sum() == pytest.approx(-aic / 2)
    row = curves.compare(values, table, promoter, n_refits=0).iloc[0]
    assert row["value"] == pytest.approx(fits.aic()["additive"] - fits.aic()["switch"])
    assert row["aic_switch"] == pytest.approx(fits.aic()["switch"] - fits.nothing.aic)
    scores = curves.for_claims(values, table, promoter).set_index("model")["score"]
    assert scores["value: switch, active pCREs"].tolist() == parts["switch"].tolist()


def test_levels_are_held_against_curves_by_the_wald_tests_of_statsmodels_with_a_gene_as_cluster():
    values, table, promoter = (twice(part) for part in made(lambda n: 0.2 * n, n_genes=150, noise=2.0))
    given = curves.problem(values["value"], table, promoter, "active")
    fits = curves.fit(given)
    found, number = curves._against_levels(given, fits), np.unique(given.n)
    groups = pd.factorize(given.keys["gene_id"])[0]
    theirs = OLS(given.y, fits.free.model.exog).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    m, k = len(number) - 1, given.base.shape[1]
    restricted = np.column_stack([np.zeros((m, k)), np.eye(m)])
    assert found["p_any"] == pytest.approx(float(theirs.wald_test(restricted, scalar=True).pvalue))
    off_the_line = linalg.null_space((number[1:] - number[0])[None]).T
    assert found["p_additive"] == pytest.approx(float(theirs.wald_test(off_the_line @ restricted, scalar=True).pvalue))
    rise = 1 / (1 + np.exp((fits.midpoint - number) / fits.width))
    test = theirs.wald_test(linalg.null_space((rise[1:] - rise[0])[None]).T @ restricted, scalar=True)
    distance = float(test.statistic) * (m - 1)
    assert found["p_switch"] == pytest.approx(stats.f.sf(distance / (m - 3), m - 3, 149))


def twice(part):
    """Rows once more as those of another cell type; of a dict of tables, of each."""
    if isinstance(part, dict):
        return {name: twice(table) for name, table in part.items()}
    again = part.assign(cell_type="D", **({"group": "D"} if "group" in part else {}))
    return pd.concat([part, again], ignore_index=True)


def test_the_same_genes_in_another_cell_type_make_nothing_surer():
    once = made(lambda n: 0.1 * n)
    both = tuple(map(twice, once))
    for statistic, tolerance in ((curves.by_number, 1e-9), (curves.levels, 0.02)):     # other levels below 10 genes, another constant
        first, second = (statistic({"value": values["value"]}, table, *([promoter] if statistic is curves.levels else [])).query("kind == 'active'")
                         for values, table, promoter in (once, both))  # fmt: skip
        shared = first.merge(second, on="number", suffixes=("", "_twice")).query("n_twice == 2 * n")
        assert len(shared) > 3
        np.testing.assert_allclose(shared["high_twice"] - shared["low_twice"], shared["high"] - shared["low"], rtol=tolerance)
    p, p_twice = (curves.compare(*parts, n_resamples=10, n_refits=0).set_index("kind").loc["active", "p_any"] for parts in (once, both))
    assert np.log(p_twice) == pytest.approx(np.log(p), rel=0.2)


def test_levels_and_curves_have_the_mean_of_all_values_and_do_not_depend_on_an_offset():
    values, table, promoter = made(step, n_genes=300)
    found = curves.levels(values, table, promoter).query("kind == 'active'")
    y = values["value"]["value"]
    for column in ("value", "additive", "switch"):
        assert np.average(found[column], weights=found["n"]) == pytest.approx(y.mean())
    moved = curves.levels({"value": values["value"].assign(value=y + 5)}, table, promoter).query("kind == 'active'")
    np.testing.assert_allclose(moved["value"], found["value"] + 5)
    assert found["n"].sum() == 300 and found["n"].iloc[-1] >= curves.MIN_GENES and (found["low"] < found["value"]).all()


def test_means_by_number_by_hand():
    _, table, _ = made(step, n_genes=60)
    table = table.assign(active=np.repeat([0.0, 1.0, 9.0], [30, 24, 6]), pcres=[0.0, *[8.0] * 59])
    values = {"value": table[KEYS].assign(group="C", value=np.arange(60.0))}
    found = curves.by_number(values, table).query("kind == 'active'")
    assert found["number"].tolist() == [0, 1] and found["n"].tolist() == [29, 30]  # without the gene without pCREs; 9 counts as 1
    assert found["value"].tolist() == [15, 44.5]
    half = stats.t.ppf(0.975, 28) * np.arange(1, 30).std(ddof=1) / np.sqrt(29)
    assert found["low"].iloc[0] == pytest.approx(15 - half) and found["high"].iloc[0] == pytest.approx(15 + half)


def test_too_few_genes_or_numbers_give_no_curve():
    values, table, promoter = made(step, n_genes=curves.MIN_ROWS)
    assert curves.problem(values["value"], table, promoter, "active") is not None
    assert curves.problem(values["value"].iloc[1:], table, promoter, "active") is None
    assert curves.problem(values["value"], table.assign(active=1.0), promoter, "active") is None
    assert curves.problem(values["value"], table.assign(active=np.nan), promoter, "active") is None
