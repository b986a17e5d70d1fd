"""The controls as a whole: what the trained network gains from each planted effect, and nothing where none is planted."""

import itertools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pandas as pd
import pytest
import torch

from chromolib import companions, evaluation, fit, load_dataset, load_profile, predict, simulate
from chromolib.analysis import attention, comparison, enrichment, pcri
from chromolib.studies import OURS

STEPS = {
    "promoter": {"window_bp": 4000, "max_pcres": 0},
    "promoter + body": {"max_pcres": 0},
    "promoter + body + pCREs": {},
}


@pytest.fixture(scope="module")
def climbed(shared_data):
    """What `climb` returns of each profile."""
    names = ["sim", "null"]
    spawn = multiprocessing.get_context("spawn")  # torch does not survive a fork
    # One core each: two trainings that share all cores slow each other down.
    with ProcessPoolExecutor(2, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return dict(zip(names, pool.map(climb, names), strict=True))


@pytest.fixture(scope="module")
def gains(climbed):
    """ROC-AUC gained by each rung over the one below, by profile: rows named by the upper rung; value, low, high."""
    return {name: gains_of(scores) for name, (scores, *_) in climbed.items()}


@pytest.fixture(scope="module")
def moved(climbed):
    """PCRI of each profile's genes with pCREs, with the whole network: as `pcri.of_network`, and whether a gene is in each set."""
    tables = {}
    for name, (*_, table) in climbed.items():
        sets = enrichment.by_id(companions.gene_sets(load_profile(name)), table)
        members = {kind: sets.loc[sets["term"].str.startswith(kind), "gene"] for kind in pcri.PLANTED_SETS}
        tables[name] = table.assign(**{kind: table["gene_id"].isin(ids).astype(float) for kind, ids in members.items()})
    return tables


def climb(name):
    """Held-out scores of the best possible score and of a network for each step, all with the profile's recipe; where the full
    network looks in the genes that it did not see, single genes of it, what was planted along their windows, and their PCRI."""
    profile = load_profile(name)
    data = load_dataset(profile, "S01")
    tables, averages, attended, moved = [comparison.best_possible(profile, data)], {}, [], []
    for model, selection in STEPS.items():
        view = data.select(**selection)
        for fold in sorted(data.genes["fold"].unique()):
            train, held_out = view.fold(fold)
            network = fit(train, held_out, profile.train_config()).model
            if not selection:
                attended.append(attention.pass_genes(averages, held_out, {OURS: (network, False)}))
                moved.append(pcri.of_network(network, held_out).assign(cell_type="S01", fold=fold))
            table = predict(network, held_out)
            table["score"] = table["logit_on"] - table["logit_off"]
            tables.append(table[["gene_id", "score", "target"]].assign(model=model, fold=fold))
    planted = attention.planted(profile, {"S01": data})
    return pd.concat(tables, ignore_index=True), averages, pd.concat(attended), planted, pd.concat(moved, ignore_index=True)


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


def body_contrast(climbed, name):
    """Attention 4 to 6 kb downstream less that as far upstream, genes on less genes off, all maps together."""
    _, averages, attended, *_ = climbed[name]
    return attention.contrasts(attended, averages).set_index("bins").loc["all"]


def test_genes_that_are_on_draw_attention_into_their_bodies_on_sim_and_not_on_null(climbed):
    seen, control = (body_contrast(climbed, name) for name in ("sim", "null"))
    assert seen["low"] > 0.2 and seen["lowest"] > 0.2, seen.to_string()          # of even attention, in each fold
    assert abs(control["value"]) < 0.1 and control["high"] < 0.2, control.to_string()


def test_attention_by_label_is_highest_where_the_body_was_planted_on_sim_and_not_on_null(climbed):
    """All bin widths together, in the stretches in which the planted effect is measured, and both heads: there the place of the
    maximum is as sure as it gets."""
    inside = {}
    for name, (_, averages, _, planted, _) in climbed.items():
        core = planted.loc[planted["is_core"], "offset"].tolist()  # a Series would be compared row by row
        assert core == [5000, 7000, 9000] and (planted["counts"] == (name == "sim")).all()
        table = attention.maxima(averages).query("bins == 'all' and head == 'both' and genes == 'on - off' and where == 'anywhere'")
        inside[name] = table[["offset", "low", "high"]].isin(core).all(axis=None)
    assert inside == {"sim": True, "null": False}, table.to_string()


def test_h3k36me3_draws_attention_on_sim_and_not_on_null(climbed):
    drawn = {name: attention.drawn_by(averages, {"S01": load_dataset(load_profile(name), "S01")}) for name, (_, averages, *_) in climbed.items()}
    value = {name: table.query("head == 'both' and genes == 'on' and mark == 'H3K36me3'").set_index("bin_bp")["value"] for name, table in drawn.items()}
    assert (value["sim"] > 0.2).all() and (value["null"].abs() < 0.2).all(), value


def of_label(table, label, column, kind):
    """ROC-AUC of a column for membership in a set, of genes of one label with pCREs: value, low, high."""
    part = table[(table["label"] == label) & (table["n_pcres"] > 0)].assign(label=lambda part: part[kind].map({1.0: "on", 0.0: "off"}))
    return pcri.by_label(part, [column]).iloc[0][["roc_auc", "low", "high"]]


def test_own_pcres_raise_what_is_on_and_lower_what_is_off_on_sim(moved):
    change = pcri.by_label(moved["sim"], ["own_change"]).iloc[0]
    assert change["low"] > 0.6, change
    found = pcri.correlations(moved["sim"], [("pcri_own", "own_change")]).set_index("genes")
    assert found.loc["on", "low"] > 0.1 and found.loc["off", "high"] < -0.1, found.to_string()


def test_planted_sets_are_those_that_their_pcres_move_on_sim(moved):
    housekeeping = of_label(moved["sim"], "on", "own_change", "housekeeping")
    developmental = of_label(moved["sim"], "off", "own_change", "developmental")
    assert housekeeping["low"] > 0.5 and developmental["high"] < 0.5, (housekeeping, developmental)
    assert of_label(moved["sim"], "off", "pcri_own", "developmental")["low"] > 0.5


def test_own_pcres_do_nothing_that_others_would_not_do_on_null(moved):
    """The network does move with pCREs: without them it reads promoters otherwise. Whose they are does not matter."""
    table = moved["null"]
    assert table["pcre_change"].abs().median() > 10 * table["own_change"].abs().median()
    change = pcri.by_label(table, ["own_change"]).iloc[0]
    assert change["low"] < 0.5 < change["high"], change
    found = pcri.correlations(table, [("pcri_own", "own_change")]).set_index("genes")
    assert ((found["low"] < 0) & (found["high"] > 0)).all(), found.to_string()
    for label, kind in (("on", "housekeeping"), ("off", "developmental")):
        for column in ("own_change", "pcri_own"):
            row = of_label(table, label, column, kind)
            assert row["low"] < 0.5 < row["high"], (kind, column, row)


@pytest.mark.parametrize("name", ["sim", "null"])
def test_a_cohort_fits_on_a_laptop(name, shared_data):
    profile = load_profile(name)
    simulate.ensure_raw(profile)
    assert sum(path.stat().st_size for path in profile.raw_dir.rglob("*") if path.is_file()) < 300e6
