"""Baselines that cannot peek, the best possible score, and published numbers beside ours."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from chromolib import GeneDataset, InputError, evaluation, features, load_dataset, load_profile
from chromolib.analysis import comparison
from chromolib.genome import load_genome
from chromolib.simulate import read_truth
from tests.stores import hand_data, random_store

MARKS = ("A", "B")


def planted(n_genes=48, **options):
    """Genes that are on where mark A is deep."""
    store = random_store(n_genes, frame_bp=8000, marks=MARKS, n_pcres=9)
    store["promoter"] = store["promoter"] * (1 + 2 * store["label"] * (store["mark"] == "A"))
    return GeneDataset(store, bin_bp=(2000, 100), **options)


# The simple baseline


@pytest.mark.parametrize("log_base", ["e", "2"])
def test_mean_signal_is_the_log_of_the_mean_depth_over_the_window(log_base):
    depth = [[0, 0, 0, 9, 1, 0, 0, 6], [8, 0, 0, 1, 2, 0, 0, 5]]
    data = hand_data((400, 100), strands="+-", depth=depth, log_base=log_base)
    np.testing.assert_allclose(comparison.mean_signal(data, 800), np.log1p([[2.0], [2.0]]), rtol=1e-5)
    np.testing.assert_allclose(comparison.mean_signal(data, 200), np.log1p([[5.0], [1.5]]), rtol=1e-5)


mean_4kb = partial(comparison.mean_signal, window_bp=4000)


@pytest.mark.parametrize("task", ["clf", "reg"])
@pytest.mark.parametrize("model", [comparison.linear, comparison.boosting])
def test_baseline_uses_no_measurement_of_the_genes_it_predicts(task, model):
    data = planted(240, task=task)
    before = comparison.baseline(data, mean_4kb, model)
    store = data.store.copy(deep=True)
    for name in ("label", "expression"):
        values = store[name].values.copy()
        own = store["fold"].values == 2
        values[own] = values[own][::-1]
        store[name] = ("gene", values)
    after = comparison.baseline(GeneDataset(store, bin_bp=data.bin_bp, task=task), mean_4kb, model)
    fold = before["fold"] == 2
    assert (before["target"] != after["target"])[fold].any()                     # other targets, yet the same scores
    np.testing.assert_array_equal(before["score"][fold], after["score"][fold])
    assert (before["score"] != after["score"])[~fold].any()


def test_contacts_alone_are_their_number_sum_and_largest():
    data = planted()
    found = comparison.contact_summary(data)
    by_hand = [[(row > 0).sum(), row.sum(), row.max()] for row in data.store["contact"].values]
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)


@pytest.mark.parametrize(("base_bp", "n_bins"), [(50, 16), (100, 16), (200, 10), (1000, 8)])
def test_binned_signal_takes_a_width_that_the_store_can_fill(base_bp, n_bins):
    genes = pd.DataFrame({"gene_id": ["A", "B"], "chrom": "chr1", "tss": 9000, "strand": "+", "expression": [0.0, 1.0]})
    signal = np.ones((2, 8000 // base_bp, 2))
    store = features.from_matrix(
        signal, genes, marks=MARKS, base_bp=base_bp, scale="depth", genome=load_genome("simS"), cell_type="T"
    )
    assert comparison.binned_signal(GeneDataset(store, bin_bp=(2000,))).shape == (2, n_bins * 2)


def test_signal_of_pcres_is_the_log_of_their_mean_depth_weighted_by_contact():
    data = hand_data((400, 100))
    first = (3 * (100 * 1 + 100 * 2 + 50 * 3) / 250 + 2 * 8) / 5                 # 250 bp in contact of 3, 100 bp in one of 2
    by_hand = [[np.log1p(first), 2, 1], [np.log1p(5.5), 1, 1], [0, 0, 0]]
    np.testing.assert_allclose(comparison.pcre_signal(data), by_hand, rtol=1e-5)
    for same in (data.select(window_bp=400), hand_data((100,), log_base="2"), data.select(bin_bp=[200])):
        np.testing.assert_allclose(comparison.pcre_signal(same), by_hand, rtol=1e-5)
    strongest = data.select(max_pcres=1)
    np.testing.assert_allclose(comparison.pcre_signal(strongest)[0], [np.log1p(1.8), 1, 1], rtol=1e-5)


def with_planted_pcres(n_genes=240):
    """Genes that are on where mark A is deep in their pCREs, and at random where they have none."""
    store = random_store(n_genes, frame_bp=8000, marks=MARKS, n_pcres=60)
    signal, n = comparison.pcre_signal(GeneDataset(store, bin_bp=(2000, 100)))[:, [0, -2]].T
    label = np.where(n > 0, signal > np.median(signal[n > 0]), np.random.default_rng(0).integers(0, 2, n_genes))
    store["label"] = ("gene", label.astype(int))
    return GeneDataset(store, bin_bp=(2000, 100)), n > 0


def test_signal_of_pcres_helps_genes_with_contacts_and_those_without_do_not_hide_it():
    data, has_any = with_planted_pcres()
    inputs = partial(comparison.mean_signal, window_bp=8000)
    scores = pd.concat([
        comparison.baseline(data, inputs, comparison.linear).assign(model="promoter"),
        comparison.baseline(data, partial(comparison.with_pcres, inputs=inputs), comparison.linear).assign(model="both"),
    ])  # fmt: skip
    with_any = data.genes.loc[has_any, "gene_id"]
    auc = {
        (model, part): evaluation.METRICS["clf"](table["target"].to_numpy(), table["score"].to_numpy())["roc_auc"]
        for model, all_genes in scores.groupby("model")
        for part, table in all_genes.groupby(all_genes["gene_id"].isin(with_any))
    }
    assert auc["promoter", True] < 0.65
    assert auc["both", True] > 0.9
    assert auc["both", False] < 0.8                       # nothing is planted in genes without


def test_grid_is_every_model_on_every_input_that_the_data_have(monkeypatch):
    monkeypatch.setattr(comparison, "boosting", comparison.linear)               # quick, as is regression
    data = planted(task="reg")
    inputs = ["mean signal", "binned signal", "mean signal + pCREs", "binned signal + pCREs"]
    scores = comparison.simple_grid(data)
    assert scores["model"].unique().tolist() == [f"Linear, {name}" for name in inputs]  # too few genes for trees
    assert (scores.groupby("model")["gene_id"].nunique() == len(data)).all() and len(scores) == 4 * len(data)
    monkeypatch.setattr(comparison, "MIN_GENES_TO_BOOST", len(data))
    alone = comparison.simple_grid(data.select(max_pcres=0))
    assert alone["model"].unique().tolist() == [f"{kind}, {name}" for kind in ("Linear", "Boosting") for name in inputs[:2]]
    by_hand = comparison.baseline(data, comparison.binned_signal, comparison.linear)["score"]
    np.testing.assert_array_equal(scores.loc[scores["model"] == "Linear, binned signal", "score"], by_hand)


def test_best_of_the_grid_is_found_like_any_other_baseline():
    rows = {"model": ["Chromoformer", "Linear, mean signal", "Boosting, binned signal + pCREs"], "metric": "roc_auc", "value": [0.9, 0.7, 0.8]}
    assert comparison.best_baseline(pd.DataFrame(rows)) == "Boosting, binned signal + pCREs"


def test_baseline_predicts_each_gene_once_and_finds_what_is_planted():
    table = comparison.baseline(planted(), partial(comparison.mean_signal, window_bp=8000), comparison.linear)
    assert sorted(table["gene_id"]) == planted().genes["gene_id"].tolist()
    assert evaluation.METRICS["clf"](table["target"], table["score"])["roc_auc"] > 0.9


def test_baseline_needs_both_labels():
    store = random_store(16, frame_bp=8000, marks=MARKS)
    for label in (0, 1):
        store["label"] = ("gene", np.full(16, label))
        with pytest.raises(InputError, match="training genes per label, expected at least 2 of each"):
            comparison.baseline(GeneDataset(store, bin_bp=(2000, 100)), mean_4kb, comparison.linear)


def test_best_baseline_is_the_highest_of_the_first_metric_and_never_a_network():
    models = ["Chromoformer", "Mean signal, 40 kb", "Mean signal, 4 kb", "Mean signal, 40 kb"]
    rows = {"model": models, "metric": ["roc_auc"] * 3 + ["average_precision"], "value": [0.9, 0.7, 0.8, 0.99]}
    assert comparison.best_baseline(pd.DataFrame(rows)) == "Mean signal, 4 kb"


# Tables of several models


def test_every_model_is_scored_on_the_same_genes_and_targets():
    data = planted()
    predictions = pd.DataFrame({
        "task": "clf", "cell_type": "T01", "gene_id": data.genes["gene_id"], "fold": data.genes["fold"],
        "logit_off": 1.0, "logit_on": 3.0, "target": data.genes["label"],
    })  # fmt: skip
    others = predictions.assign(cell_type="T02", logit_on=9.0)
    smoke = load_profile("smoke")
    real = smoke.model_copy(
        update={"inputs": smoke.inputs.model_copy(update={"simulation": None}), "cell_types": {"T01": "alone"}}
    )
    scores = comparison.held_out_scores(real, data, pd.concat([predictions, others]))
    models = ["Chromoformer", "Mean signal, 8 kb", "Mean signal, 4 kb", "Binned signal", "Contacts alone"]
    assert scores["model"].unique().tolist() == models
    assert (scores.loc[scores["model"] == "Chromoformer", "score"] == 2.0).all()
    for _, table in scores.groupby("model"):
        expected = data.genes.set_index("gene_id")["label"]
        assert table.set_index("gene_id")["target"].sort_index().equals(expected.rename("target"))


def test_missing_fold_is_named_and_does_not_shrink_the_comparison():
    data = planted()
    genes = data.genes[["gene_id", "fold"]]
    predictions = genes.assign(task="clf", cell_type="T01", logit_off=1.0, logit_on=3.0, target=data.genes["label"])
    lost = genes["fold"] == 2
    with pytest.raises(InputError, match=rf"T01: found no prediction of task clf for {lost.sum()} genes \({lost.sum()} of fold 2\), expected one"):
        comparison.held_out_scores(load_profile("smoke"), data, predictions[~lost])


@pytest.mark.parametrize("task", ["clf", "reg"])
def test_best_possible_score_of_a_simulated_cell_type_is_the_one_saved(task):
    profile = load_profile("smoke")
    data = load_dataset(profile, "S02", task=task)
    table = comparison.best_possible(profile, data)
    found = evaluation.METRICS[task](table["target"].to_numpy(), table["score"].to_numpy())
    saved = read_truth(profile, "best_scores", "S02").iloc[0]
    assert table["gene_id"].tolist() == data.genes["gene_id"].tolist()
    if task == "clf":
        assert found["roc_auc"] == pytest.approx(saved["roc_auc"], abs=2e-3)  # RPKM has three decimals
        assert ((table["score"] >= 0) == table["target"]).mean() > 0.8
    else:
        assert found["pearson"] > 0.85 and found["r2"] > 0.7


def test_published_numbers_are_shown_for_the_release_s_demo_only():
    assert comparison.against_published(load_profile("smoke"), {}).empty
    values = [("roc_auc", "Chromoformer", 0.8, 0.7, 0.9), ("roc_auc", "Release, pretrained", 0.933, 0.9, 0.95)]
    table = pd.DataFrame(values, columns=["metric", "model", "value", "low", "high"]).assign(n=100)
    row = comparison.against_published(load_profile("h1-demo"), {"clf": table}).iloc[0]
    assert row.tolist() == ["clf", "roc_auc", 0.933, 0.933, 0.8, 0.7, 0.9, 100]


def test_unknown_published_number_lists_the_known_ones():
    with pytest.raises(InputError, match="data/paper.yml: no entry 'fig99', expected one of release-demo"):
        comparison.published("fig99")


def test_a_fold_can_be_classified_by_others_that_hold_two_genes_of_each_label():
    data = GeneDataset(random_store(40))
    by_label = {label: rows["gene_id"].tolist() for label, rows in data.genes[data.genes["fold"] == 1].groupby("label")}
    elsewhere = data.genes[data.genes["fold"] == 2].groupby("label")["gene_id"].head(2).tolist()
    assert comparison.can_be_fitted(data.select(genes=by_label[0] + by_label[1] + elsewhere))
    assert not comparison.can_be_fitted(data.select(genes=by_label[0] + by_label[1] + elsewhere[:-1]))
    assert not comparison.can_be_fitted(data.select(genes=by_label[0] + by_label[1]))          # of one fold, which has no others
