"""Windows and neighbours: counted by hand, equal to the general tools, unmoved by what lies outside."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from chromolib import GeneDataset, InputError, answers, evaluation, load_profile, studies
from chromolib.analysis import comparison, windows
from chromolib.genome import profile_genome
from chromolib.simulate import signal
from tests.stores import random_store

QUICK = {"n_resamples": 100}


def dataset(n_genes=48, frame_bp=8000, **options):
    return GeneDataset(random_store(n_genes, frame_bp=frame_bp, marks=("A", "B"), n_pcres=9), bin_bp=(2000, 100), **options)


def made(by_model, target, cell_type="T01"):
    """Scores of genes g0, g1, ..., folds 1 and 2 in turn: model -> scores."""
    n = len(target)
    common = {"cell_type": cell_type, "task": "clf", "gene_id": [f"g{i}" for i in range(n)], "fold": 1 + np.arange(n) % 2, "target": target}
    return pd.concat([pd.DataFrame(common).assign(model=name, score=score) for name, score in by_model.items()], ignore_index=True)


def noisy(n=120, seed=0, cell_type="T01"):
    """Two models that are better at wider windows."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    names = [(name, kb) for name in ("A", "B") for kb in (4, 10, 40)]
    return made({f"{name}, {kb} kb": target * kb / 10 + rng.normal(size=n) for name, kb in names}, target, cell_type)


def at(distance, label=0.0):
    """What `neighbours` says of genes g0, g1, ... with their nearest TSS this far away."""
    n = len(distance)
    return pd.DataFrame({"gene_id": [f"g{i}" for i in range(n)], "own_label": 0, "neighbour": "x", "distance_bp": np.asarray(distance, float),
                         "label": np.broadcast_to(np.asarray(label, float), n)})  # fmt: skip


# Models and their windows


def test_name_is_parted_into_model_and_window():
    table = windows.split_names(pd.DataFrame({"model": ["A, promoter only, 10 kb", "B, 2 kb"]}))
    assert table.to_dict("list") == {"model": ["A, promoter only", "B"], "window_bp": [10_000, 2000]}
    assert studies.window_name("B", 2000) == "B, 2 kb"
    with pytest.raises(InputError, match="model 'Chromoformer', expected a name that ends in its window, as in 'A, 10 kb'"):
        windows.split_names(pd.DataFrame({"model": ["B, 2 kb", "Chromoformer"]}))


def test_regressions_read_each_window_that_fits_and_keep_the_folds_asked_for():
    data = dataset()
    table = windows.simple_scores({"T01": data}, [2, 3])
    assert list(table) == answers.SCORES
    assert list(table["model"].unique()) == [f"{name}, {kb} kb" for kb in (2, 4) for name in windows.REGRESSIONS]
    assert set(table["fold"]) == {2, 3}
    peer = comparison.baseline(data.select(window_bp=2000, max_pcres=0), comparison.binned_signal, comparison.linear)
    ours = table[table["model"] == "Linear, binned signal, 2 kb"].set_index("gene_id")["score"]
    np.testing.assert_array_equal(ours, peer.set_index("gene_id")["score"].loc[ours.index])


def test_narrow_window_is_blind_to_what_lies_outside_of_it():
    data, store = dataset(), random_store(48, frame_bp=8000, marks=("A", "B"), n_pcres=9)
    is_outside = np.abs(np.arange(80) - 39.5) > 10                              # beyond 1 kb on either side
    store["promoter"] = store["promoter"] * np.where(is_outside, 5, 1).astype(np.float32)[:, None]
    folds = range(1, 5)
    before, after = (windows.simple_scores({"T01": one}, folds) for one in (data, GeneDataset(store, bin_bp=data.bin_bp)))
    is_narrow = before["model"].str.endswith(" 2 kb")
    np.testing.assert_allclose(before["score"][is_narrow], after["score"][is_narrow], rtol=1e-6)
    assert (before["score"] != after["score"])[~is_narrow].any()


def test_planted_score_counts_the_body_only_where_the_window_reaches_it(monkeypatch):
    data = dataset(4, frame_bp=40_000)
    truth = pd.DataFrame({"gene_id": data.genes["gene_id"], "initiation": [0.0, 4, 0, 4], "elongation": [3.0, 0, 0, 3]})
    monkeypatch.setattr(windows, "read_truth", lambda profile, name, cell_type: truth)
    table = windows.planted_scores(load_profile("smoke"), {"S01": data}, range(1, 5))
    found = {kb: table.loc[table["model"] == f"{windows.PLANTED}, {kb} kb", "score"].tolist() for kb in (2, 4, 10, 20, 40)}
    assert found[2] == found[4] == [-2, 2, -2, 2]
    assert found[10] == found[20] == found[40] == [-0.5, 0.5, -3.5, 3.5]
    assert windows.planted_scores(load_profile("pilot-40kb"), {"S01": data}, [1]).empty


def test_page_says_where_the_signal_was_planted():
    assert f"half its height {signal.HALF_BP / 1000:g} kb" in windows.planted(load_profile("sim"))
    assert "nothing else decides expression" in windows.planted(load_profile("null"))
    assert windows.planted(load_profile("promoters-18k")).startswith("These are real cells")


def test_recipes_are_one_for_all_windows_and_tell_what_departs_from_their_authors():
    study = studies.study("promoters-18k")
    table = windows.recipes(study, studies.windows(study)).set_index("model")
    assert table.index.tolist() == ["Chromoformer, promoter only", "DeepChrome", "AttentiveChrome", "HM-CRNN"]
    assert table.loc["AttentiveChrome", ["epochs", "departs"]].tolist() == ["5", "epochs 5, authors 30; rate 0.002, authors 0.0002"]
    assert table.loc["HM-CRNN", "departs"] == "nothing"                        # its window departs, which is what varies here


def test_what_is_left_out_is_named():
    table = windows.left_out(studies.study("promoters-18k", "full"))
    assert table["what"].tolist() == ["window of 20 kb", "window of 40 kb"]
    assert table["why"].unique().tolist() == ["wider than the profile's frame of 10 kb"]
    study = studies.study("sim", "full")
    assert windows.left_out(study).empty
    few = replace(study, is_full=False, cell_types=("S01",), folds=(1, 2), peers=("hm-crnn",))
    absent = [f"fold {fold}" for fold in profile_genome(study.record).fold_ids if fold > 2]
    assert windows.left_out(few)["what"].tolist() == ["DeepChrome", "AttentiveChrome", "cell type S02", "cell type S03", *absent]


def test_coarse_branch_is_blind_to_minus_strand_genes_at_one_bin():
    data = GeneDataset(random_store(10), bin_bp=(2000, 500))                     # every second gene on the minus strand
    table = windows.bins_in_view(data).set_index(["window_bp", "bin_bp"])
    assert table["bins"].loc[2000].to_dict() == {2000: 1, 500: 4} and table["bins"].loc[40_000].to_dict() == {2000: 20, 500: 80}
    assert table["share_blind"].loc[(2000, 2000)] == 0.5 and table["share_blind"].sum() == 0.5


# The metric by window


def test_mean_and_standard_error_are_over_folds_and_cell_types():
    one = made({"A, 10 kb": [-2.0, -2, 3, 3, -1, -1], "A, 40 kb": [-2.0, 1, 3, 3, -1, -1]}, [0, 0, 1, 0, 1, 1])
    table = windows.by_fold(pd.concat([one, one.assign(cell_type="T02", score=2 * one["score"])]))
    assert set(table["metric"]) == {"roc_auc"} and len(table) == 8
    narrow = table[table["window_bp"] == 10_000]
    assert narrow["value"].tolist() == [1, 0.5, 1, 0.5]                           # folds of even and of odd genes, in each cell type
    np.testing.assert_allclose(narrow["mean"], 0.75)
    np.testing.assert_allclose(narrow["se"], np.std([1, 0.5, 1, 0.5], ddof=1) / 2)
    assert windows.side_by_side(table).loc[0, ["model", "10 kb"]].tolist() == ["A", "0.750 ± 0.144"]


def test_one_fold_has_no_standard_error():
    table = windows.by_fold(noisy().query("fold == 1"))
    assert table["se"].isna().all() and "±" not in windows.side_by_side(table)["4 kb"].iloc[0]


def test_windows_are_compared_with_the_next_and_the_widest_with_10_kb():
    assert windows.steps([40_000, 2000, 10_000]) == [(40_000, 10_000), (10_000, 2000)]
    assert windows.steps([2000, 4000, 10_000]) == [(10_000, 2000), (4000, 2000), (10_000, 4000)]
    assert windows.steps([10_000, 20_000, 40_000])[0] == (40_000, 10_000)
    assert windows.steps([2000]) == [] and windows.widening([2000]) is None
    assert windows.step_name(40_000, 10_000) == "40 vs 10 kb"


def test_gain_in_one_fold_is_the_difference_of_two_models():
    scores = noisy().assign(fold=1)
    table = windows.gains(scores, **QUICK)
    assert table["step"].tolist() == 2 * ["40 vs 10 kb", "10 vs 4 kb"]
    peer = evaluation.difference(scores, "A, 40 kb", "A, 10 kb", "clf", **QUICK).iloc[0]
    columns = ["metric", "first", "second", "value", "low", "high", "n"]
    assert table.loc[0, columns].tolist() == pytest.approx(peer[columns].tolist())
    assert table.loc[0, "verdict"] == "better" and table.loc[0, "low"] > 0
    assert "A, 40 kb is better than “A, 10 kb”" in evaluation.in_words(table.iloc[0])


def test_gain_in_two_cell_types_is_their_mean_and_genes_are_drawn_in_both():
    one, other = noisy(), noisy(seed=1, cell_type="T02")
    both = windows.gains(pd.concat([one, other]), **QUICK)
    means = (windows.gains(one, **QUICK)["value"] + windows.gains(other, **QUICK)["value"]) / 2
    np.testing.assert_allclose(both["value"], means)
    assert (both["n"] == 120).all()
    twice = windows.gains(pd.concat([one, one.assign(cell_type="T02")]), **QUICK)  # the same again is no more certain
    pd.testing.assert_frame_equal(twice, windows.gains(one, **QUICK))


def test_networks_of_two_folds_are_not_ranked_against_each_other():
    scores = noisy()
    shifted = scores.assign(score=scores["score"] + 5 * (scores["fold"] == 2) * (scores["model"] == "A, 40 kb"))
    pd.testing.assert_frame_equal(windows.gains(scores, **QUICK), windows.gains(shifted, **QUICK))
    by_fold = windows.by_fold(scores).drop_duplicates(["model", "window_bp"]).set_index(["model", "window_bp"])["mean"]
    assert windows.gains(scores, **QUICK).loc[0, "value"] == pytest.approx(by_fold["A", 40_000] - by_fold["A", 10_000])


def test_windows_on_different_genes_are_not_compared():
    scores = noisy()
    message = "windows: 'B, 10 kb' in fold 1 of T01 lacks genes that others score; train the runs that failed"
    with pytest.raises(InputError, match=message):
        windows.gains(scores.drop(index=scores.query("model == 'B, 10 kb'").index[0]))
    with pytest.raises(InputError, match="windows: 'B, 40 kb' in fold 1 of T02 lacks genes"):
        windows.gains(pd.concat([scores, noisy(cell_type="T02").query("model != 'B, 40 kb'")]))


# Neighbours


def test_nearest_tss_is_on_the_same_chromosome_on_either_side():
    genes = pd.DataFrame({"gene_id": list("abcdef"), "chrom": ["chr1", "chr1", "chr2", "chr1", "chr1", "chr3"],
                          "tss": [9000, 1000, 5000, 2000, 9000, 1], "label": [1, 0, 1, 1, 0, 1]})  # fmt: skip
    near = windows.neighbours(genes).set_index("gene_id")
    assert near["distance_bp"].to_dict() == {"a": 0, "b": 1000, "c": np.inf, "d": 1000, "e": 0, "f": np.inf}
    assert near["neighbour"].dropna().to_dict() == {"a": "e", "b": "d", "d": "b", "e": "a"}
    assert near["label"].dropna().to_dict() == {"a": 0, "b": 1, "d": 0, "e": 1}
    assert near["own_label"].tolist() == genes["label"].tolist()


def test_of_two_neighbours_as_near_the_first_is_taken():
    genes = pd.DataFrame({"gene_id": list("abc"), "chrom": "chr1", "tss": [1000, 3000, 5000], "label": [1, 0, 0]})
    assert windows.neighbours(genes)["neighbour"].tolist() == ["b", "a", "b"]


def test_groups_are_counted_by_the_distance_of_the_nearest_tss():
    near = at([0, 4999, 5000, 19_999, 20_000, np.inf], [0, 1, 1, 0, 0, np.nan])
    assert windows.groups(near).tolist() == np.repeat(windows.GROUPS, 2).tolist()
    table = windows.group_sizes({"T01": near, "T02": near})
    assert table["n"].tolist() == [4, 4, 4] and table["share"].tolist() == [1 / 3] * 3
    assert table["same_label"].tolist() == [0.5, 0.5, 1]                          # all are off; the last has no neighbour
    assert windows.group_sizes({"T01": near.iloc[2:4]})["group"].tolist() == [windows.GROUPS[1]]


def test_metric_of_a_group_is_that_of_its_genes():
    scores, distance = noisy().assign(fold=1), np.repeat([1000, 8000, np.inf], [10, 50, 60])
    table = windows.by_neighbour(scores, {"T01": at(distance)}, **QUICK)
    assert table["group"].unique().tolist() == list(windows.GROUPS[1:])           # ten genes are too few
    chosen = scores[(scores["model"] == "A, 4 kb") & scores["gene_id"].isin([f"g{i}" for i in range(10, 60)])]
    peer = evaluation.with_interval(chosen["target"].to_numpy(), chosen["score"].to_numpy(), evaluation.METRICS["clf"])
    row = table[(table["model"] == "A") & (table["window_bp"] == 4000) & (table["n"] == 50)].iloc[0]
    assert row["value"] == pytest.approx(peer.loc[0, "value"])
    assert row["low"] < row["value"] < row["high"]


def misled(n=160):
    """Genes of which every second has a neighbour 12 kb away, on or off; with 40 kb a model reads that for its own."""
    rng = np.random.default_rng(0)
    target, label, has = rng.integers(0, 2, n), rng.integers(0, 2, n), np.arange(n) % 2 == 0
    own = target - 0.5 + 0.1 * rng.normal(size=n)
    scores = made({"A, 10 kb": own, "A, 40 kb": np.where(has, label - 0.5, own)}, target).assign(fold=1)
    return scores, at(np.where(has, 12_000, np.inf), np.where(has, label, np.nan)), target, label, has


def test_gain_is_lost_where_a_neighbour_comes_into_view_and_only_there():
    scores, near, target, label, has = misled()
    table = windows.gains_by_view(scores, {"T01": near}, **QUICK).set_index("genes")
    seen, unseen, change = (table.loc[name] for name in (*windows.VIEWS, "first minus second"))
    of_label = evaluation.classification_metrics(target[has], label[has] - 0.5)["roc_auc"]
    assert seen["value"] == pytest.approx(of_label - 1) and seen["high"] < 0
    assert unseen["value"] == unseen["low"] == unseen["high"] == 0
    assert change["value"] == seen["value"] and change["n"] == len(has) and seen["n"] == has.sum()
    close = at(np.where(has, 4000, np.inf))                                       # in view of 10 kb already: of neither kind
    assert windows.gains_by_view(scores, {"T01": close}, **QUICK).empty


def test_wrong_calls_are_counted_by_the_state_of_the_neighbour():
    scores, near, target, label, has = misled()
    table = windows.calls(scores, {"T01": near}).set_index(["window_bp", "own", "neighbour"])
    assert table["wrong"].loc[10_000].sum() == 0
    wide = table.loc[40_000]
    assert wide["share"].to_dict() == {("off", "on"): 1, ("off", "off"): 0, ("off", "none in view"): 0,
                                       ("on", "on"): 0, ("on", "off"): 1, ("on", "none in view"): 0}  # fmt: skip
    n = (has & (target == 0) & (label == 1)).sum()
    assert wide.loc[("off", "on"), ["wrong", "n"]].tolist() == [n, n]
    assert wide.loc[("off", "on"), ["low", "high"]].tolist() == pytest.approx(proportion_confint(n, n, method="wilson"))
    assert table.index.get_level_values("neighbour").unique().tolist() == list(windows.STATES)
    assert windows.calls(scores.query("model == 'A, 10 kb'"), {"T01": near}).empty   # one window brings nothing into view


def test_calls_that_follow_the_neighbour_are_told_from_those_that_do_not(monkeypatch):
    monkeypatch.setattr(windows, "MIN_GENES", 10)
    scores, near, *_ = misled()
    table = windows.shift_of_calls(scores, {"T01": near}, **QUICK)
    assert table["genes"].tolist() == [*windows.NEIGHBOURS, "first minus second"]
    assert table[["value", "low", "high"]].to_numpy().tolist() == [[1, 1, 1], [0, 0, 0], [1, 1, 1]]
    narrow = scores.query("model == 'A, 10 kb'")
    blind = pd.concat([narrow, narrow.assign(model="A, 40 kb")])
    assert (windows.shift_of_calls(blind, {"T01": near}, **QUICK)[["value", "low", "high"]] == 0).all(axis=None)
    monkeypatch.setattr(windows, "MIN_GENES", 1000)
    assert windows.shift_of_calls(scores, {"T01": near}, **QUICK).empty
