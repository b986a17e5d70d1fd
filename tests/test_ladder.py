"""The controls as a whole: what the trained network gains from each planted effect, and nothing where none is planted."""

import itertools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pandas as pd
import pytest
import torch

from chromolib import evaluation, fit, load_dataset, load_profile, predict, simulate
from chromolib.analysis import comparison

STEPS = {
    "promoter": {"window_bp": 4000, "max_pcres": 0},
    "promoter + body": {"max_pcres": 0},
    "promoter + body + pCREs": {},
}


@pytest.fixture(scope="module")
def gains():
    """ROC-AUC gained by each rung over the one below, by profile: rows named by the upper rung; value, low, high."""
    names = ["sim", "null"]
    spawn = multiprocessing.get_context("spawn")  # torch does not survive a fork
    # One core each: two trainings that share all cores slow each other down.
    with ProcessPoolExecutor(2, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return dict(zip(names, map(gains_of, pool.map(scores_of, names)), strict=True))


def scores_of(name):
    """Held-out scores of the best possible score and of a network for each step, all with the profile's recipe."""
    profile = load_profile(name)
    data = load_dataset(profile, "S01")
    tables = [comparison.best_possible(profile, data)]
    for model, selection in STEPS.items():
        view = data.select(**selection)
        for fold in sorted(data.genes["fold"].unique()):
            train, held_out = view.fold(fold)
            table = predict(fit(train, held_out, profile.train_config()).model, held_out)
            table["score"] = table["logit_on"] - table["logit_off"]
            tables.append(table[["gene_id", "score", "target"]].assign(model=model, fold=fold))
    return pd.concat(tables, ignore_index=True)


def gains_of(scores):
    rungs = [*STEPS, "Best possible"]
    rows = [evaluation.difference(scores, upper, lower, "clf") for lower, upper in itertools.pairwise(rungs)]
    return pd.concat(rows).set_index("first")


def test_each_planted_effect_lifts_the_network_on_sim(gains):
    found = gains["sim"]
    assert (found["low"] > 0).all(), found.to_string()
    assert (found["value"] > 0.02).all(), found.to_string()


def test_neither_body_nor_pcres_lift_the_network_on_null(gains):
    found = gains["null"]
    for model in ("promoter + body", "promoter + body + pCREs"):
        row = found.loc[model]
        assert abs(row["value"]) < 0.015 and row["low"] < 0, found.to_string()


@pytest.mark.parametrize("name", ["sim", "null"])
def test_a_cohort_fits_on_a_laptop(name):
    profile = load_profile(name)
    simulate.ensure_raw(profile)
    assert sum(path.stat().st_size for path in profile.raw_dir.rglob("*") if path.is_file()) < 300e6
