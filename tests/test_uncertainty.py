"""Spread between seeds, errors and intervals: counted by hand, and right where the truth is known."""

import numpy as np
import pandas as pd
import pytest

from chromolib import InputError
from chromolib.analysis import uncertainty

QUICK = {"n_resamples": 200}


def made(n=600, n_seeds=4, *, of_seeds=1.0, noise=2.0, seed=0):
    """Predictions that miss the truth by a part of each seed's own, with a size that differs between genes, and by noise."""
    rng = np.random.default_rng(seed)
    genes = pd.DataFrame({"cell_type": "T", "task": "reg", "fold": 1 + np.arange(n) % 2, "gene_id": [f"G{i:03d}" for i in range(n)]})
    mean, size = rng.normal(size=n), of_seeds * rng.uniform(0.1, 2.0, n)
    target = mean + noise * rng.normal(size=n)
    return pd.concat([genes.assign(seed=s, expression=mean + size * rng.normal(size=n), target=target) for s in range(n_seeds)], ignore_index=True)


def test_mean_spread_and_error_of_a_gene_by_hand():
    rows = [("T", "reg", 1, "G0", seed, value, 1.0) for seed, value in ((1, 2.0), (2, 4.0))]
    table = uncertainty.by_gene(pd.DataFrame(rows, columns=[*uncertainty.GENE, "seed", "expression", "target"]))
    assert table[["mean", "seeds", "error", "target"]].iloc[0].tolist() == [3, 2, 2, 1] and table["sd"].item() == pytest.approx(2**0.5)


def test_gene_that_a_seed_has_not_scored_is_named():
    with pytest.raises(InputError, match="G599 has 3 predictions, others 4; train what is missing"):
        uncertainty.by_gene(made().iloc[:-1])


def test_error_is_split_into_that_of_seeds_and_the_rest():
    found = uncertainty.parts_of_error(uncertainty.by_gene(made(6000, of_seeds=1.0, noise=2.0)))
    variance = 0.1**2 / 3 + 0.1 * 2 / 3 + 4 / 3                                 # mean square of a uniform from 0.1 to 2
    assert found["mse"] == pytest.approx(variance + 4, rel=0.06)
    assert found["of_seeds"] == pytest.approx(variance / (variance + 4), abs=0.02) and found["of_seeds"] + found["rest"] == pytest.approx(1)


def test_genes_with_more_spread_have_larger_errors_only_where_seeds_are_what_errs():
    told = uncertainty.by_spread(uncertainty.by_gene(made(noise=0.0)), **QUICK)
    assert told["rmse"].is_monotonic_increasing and told["low"].iloc[-1] > told["high"].iloc[0] and told["genes"].sum() == 600
    untold = uncertainty.by_spread(uncertainty.by_gene(made(of_seeds=0.05)), **QUICK)
    assert untold["low"].iloc[-1] < untold["rmse"].iloc[0]


def test_intervals_from_errors_hold_what_they_should_and_those_of_seeds_do_not():
    table = uncertainty.coverage(uncertainty.by_gene(made(2000)), **QUICK).set_index("interval")
    assert table.loc["spread of seeds", "high"] < 0.8 and table.loc["errors on another fold", "low"] < 0.9 < table.loc["errors on another fold", "high"]
    assert (table["genes"] == 2000).all() and (table["should"] == 0.9).all()


def test_cell_types_of_a_gene_are_drawn_together_and_count_as_one_gene():
    one = uncertainty.by_gene(made())
    five = pd.concat([one.assign(cell_type=f"T{i}") for i in range(5)], ignore_index=True)  # the same five times tells no more
    bounds = ["value", "low", "high", "genes"]
    np.testing.assert_allclose(*(uncertainty.coverage(table, **QUICK).query("interval == 'spread of seeds'")[bounds].to_numpy(float) for table in (one, five)))
    pd.testing.assert_frame_equal(uncertainty.by_spread(one, **QUICK), uncertainty.by_spread(five, **QUICK))


def test_interval_is_the_quantile_of_the_other_fold_with_its_correction():
    table = pd.DataFrame({"cell_type": "T", "task": "reg", "fold": [1] * 19 + [2], "error": [*range(1, 20), -30.0], "sd": np.nan})
    half = uncertainty._from_other_folds(table)
    assert half.iloc[-1] == 18 and half.iloc[:-1].isna().all()                  # 90 % of 20 places; one error alone is too few


def test_one_seed_and_one_fold_have_no_spread_and_no_interval():
    table = uncertainty.by_gene(made(n_seeds=1).query("fold == 1"))
    assert uncertainty.by_spread(table).empty and uncertainty.coverage(table).empty and uncertainty.for_claims(table).empty
    assert np.isnan(uncertainty.parts_of_error(table)["of_seeds"])
