"""Tables of the benchmark: recipes beside their authors', intervals that agree with the slow ones, verdicts by hand."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from chromolib import answers, evaluation, load_dataset, resampling, studies
from chromolib.analysis import benchmark, comparison
from chromolib.jobs import load_for
from chromolib.runs import Results

OURS = studies.OURS


def scored(task="clf", *, n=60, cell_type="T01", seed=0, models=(OURS, "Linear, mean signal")):
    """Scores of models that follow the target more or less, in two folds."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=n).round(2)
    target = (target > 0).astype(float) if task == "clf" else target
    tables = [
        pd.DataFrame({"cell_type": cell_type, "task": task, "model": model, "gene_id": [f"g{i:02d}" for i in range(n)],
                      "fold": 1 + np.arange(n) % 2, "score": target - 0.5 + rng.normal(scale=1 + i, size=n), "target": target})
        for i, model in enumerate(models)
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)[answers.SCORES]


# What is trained


def test_recipe_names_what_departs_from_the_authors():
    study = studies.study("promoters-18k")
    table = benchmark.recipes(study, studies.benchmark(study)).query("task == 'clf'").set_index("model")
    assert table.loc["HM-CRNN", "departs"] == "window 10 kb, authors 4 kb"
    assert table.loc["DeepChrome", "departs"] == "epochs 20, authors 100; batch 16, authors 1; rate 0.016, authors 0.001"
    assert table.loc[OURS, "departs"] == "window 10 kb, authors 40 kb; bins 1000 + 250 + 50, authors 2000 + 500 + 100"
    assert table.loc[studies.BETTER, "networks"] > table.loc[OURS, "networks"] == 1
    assert table["parameters"].isna().all()                                    # nothing is trained yet


def test_authors_recipes_depart_in_nothing_where_the_profile_has_their_windows():
    study = studies.study("roadmap", "full")
    graph, change = studies.on_graph(study), studies.fold_change(study)
    table = benchmark.recipes(study, studies.benchmark(study), graph, change)
    is_better = table["model"] == studies.BETTER
    assert set(table.loc[~is_better, "departs"]) == {"nothing"}
    assert table.loc[table["model"] == "GC-MERGE", ["bins", "batch"]].values.tolist() == [["nodes", "all"]]
    assert not set(studies.OF_TWO) & set(table["model"]) and not table.duplicated(["model", "task"]).any()


def test_what_is_left_out_is_named_with_its_reason():
    rows = benchmark.left_out(studies.study("promoters-18k")).set_index("what")["why"]
    assert rows["fold change"] == "the profile has one cell type"
    assert rows["GC-MERGE and its genes in E012"] == "no contacts to make a graph of"
    assert len(rows) == 2                                                      # its budget trains all else
    rows = benchmark.left_out(studies.study("smoke")).set_index("what")["why"]
    assert {"cell types S02, S03", "folds 2, 3, 4", studies.BETTER} < set(rows.index)
    assert benchmark.left_out(studies.study("roadmap", "full")).empty
    assert benchmark.left_out(studies.study("pilot-40kb", "full"))["what"].tolist() == ["GC-MERGE and its genes in E003"]


# What needs no network


def test_simple_models_stand_on_the_genes_of_the_study(monkeypatch):
    monkeypatch.setattr(comparison, "simple_grid", partial(comparison.baseline, inputs=partial(comparison.mean_signal, window_bp=4000), model=comparison.linear))
    plain = comparison.simple_grid
    monkeypatch.setattr(comparison, "simple_grid", lambda data, folds: plain(data, folds=folds).assign(model="Linear, mean signal"))
    study = studies.study("smoke")
    data = load_dataset(study.record, "S01")
    genes = data.genes.query("fold in @study.folds")
    grid = {OURS: study.runs(("clf", "reg"))}
    said = [pd.DataFrame({"run": run.id, "cell_type": "S01", "task": run.task, "model": "chromoformer", "fold": 1, "gene_id": genes["gene_id"],
                          "target": genes["label"], "logit_off": 0.0, "logit_on": 1.0, "expression": 1.0}) for run in grid[OURS]]  # fmt: skip
    results = Results(pd.DataFrame(), pd.concat(said), *[pd.DataFrame()] * 3)
    table = benchmark.level_scores(study, grid, results)
    assert list(table) == answers.SCORES and set(table["task"]) == {"clf", "reg"}
    assert set(table["model"]) == {OURS, "Linear, mean signal", "Mean of other cell types", "Best possible"}
    for _, part in table.groupby(["task", "model"]):
        assert sorted(part["gene_id"]) == sorted(genes["gene_id"])
    assert benchmark.simple_of(table) == ["Linear, mean signal"]
    assert benchmark.change_scores(studies.study("promoters-18k"), {}, results).empty


def test_simple_models_stand_on_the_genes_of_the_graph_with_the_labels_of_their_nodes(monkeypatch):
    plain = partial(comparison.baseline, inputs=partial(comparison.mean_signal, window_bp=4000), model=comparison.linear)
    monkeypatch.setattr(comparison, "simple_grid", lambda data, folds: plain(data, folds=folds).assign(model="Linear, mean signal"))
    study = studies.study("smoke")
    grid = studies.on_graph(study)
    genes = load_for("smoke", "S01", "genes").genes.query("fold in @study.folds")
    said = [pd.DataFrame({"run": run.id, "cell_type": "S01", "task": "clf", "model": run.model, "fold": 1, "gene_id": genes["gene_id"],
                          "target": genes["label"], "logit_off": 0.0, "logit_on": 1.0}) for run in studies.runs_of(grid)]  # fmt: skip
    table = benchmark.graph_scores(study, grid, Results(pd.DataFrame(), pd.concat(said), *[pd.DataFrame()] * 3))
    assert list(table) == answers.SCORES and set(table["model"]) == {*grid, "Linear, mean signal"}
    by_model = {model: part.set_index("gene_id")["target"].astype(int).sort_index() for model, part in table.groupby("model")}
    assert by_model["Linear, mean signal"].equals(by_model["GC-MERGE"])
    nothing = Results(pd.DataFrame(), pd.DataFrame(columns=[*said[0]]), *[pd.DataFrame()] * 3)
    assert benchmark.graph_scores(studies.study("promoters-18k"), {}, nothing).empty


def test_probability_is_set_against_the_level_of_the_same_gene():
    scores = pd.concat([scored("clf"), scored("reg", n=59)])
    table = benchmark.probabilities(scores)
    assert set(table["model"]) == {benchmark.PROBABILITY} and set(table["task"]) == {"reg"} and len(table) == 59
    logit = scores.query("task == 'clf' and model == @OURS and gene_id == 'g03'")["score"].item()
    row = table.set_index("gene_id").loc["g03"]
    assert row["score"] == pytest.approx(1 / (1 + np.exp(-logit)))
    assert row["target"] == scores.query("task == 'reg' and model == @OURS and gene_id == 'g03'")["target"].item()


def test_points_are_named_by_the_symbols_of_both_cell_types_and_keep_their_order():
    study = studies.study("smoke")
    genes = load_dataset(study.record, "S02").genes.iloc[[5, 0, 3]]
    scores = pd.DataFrame({"gene_id": [*genes["gene_id"], "no such gene"], "score": [1.0, 2.0, 3.0, 4.0]})
    table = benchmark.named(study, scores)
    assert table["symbol"].tolist()[:3] == genes["symbol"].tolist() and pd.isna(table["symbol"].iloc[3])
    assert table[["gene_id", "score"]].equals(scores)


# Epoch by epoch


def epochs():
    """Of a classifier in two folds, and of a regressor in one, whose predictions do not vary after its first epoch."""
    clf = studies.study("smoke").runs(("clf",))[0]
    other, reg = replace(clf, fold=2), replace(clf, task="reg", model="hm-crnn")
    history = pd.DataFrame({
        "run": [clf.id] * 3 + [other.id] * 3 + [reg.id] * 2, "task": ["clf"] * 6 + ["reg"] * 2, "epoch": [1, 2, 3, 1, 2, 3, 1, 2],
        "roc_auc": [0.5, 0.9, 0.6, 0.7, 0.7, 0.8, np.nan, np.nan], "pearson": [np.nan] * 7 + [0.4],
    })  # fmt: skip
    return benchmark.by_epoch(Results(history, *[pd.DataFrame()] * 4), {OURS: [clf, other]}, {"HM-CRNN": [reg]}, {studies.RATIO: [clf]})


def test_metric_of_an_epoch_is_the_mean_over_the_trainings_of_a_model():
    table = epochs()
    np.testing.assert_allclose(table.query("model == @OURS")["value"], [0.6, 0.8, 0.7])
    assert table.query("model == @OURS")[["metric", "n"]].drop_duplicates().values.tolist() == [["roc_auc", 2]]
    reg = table.query("model == 'HM-CRNN'")
    assert reg[["task", "epoch", "metric", "n"]].values.tolist() == [["reg", 1, "pearson", 0], ["reg", 2, "pearson", 1]]
    assert np.isnan(reg["value"].iloc[0]) and reg["value"].iloc[1] == 0.4
    assert set(table["model"]) == {OURS, "HM-CRNN"}                            # what is made of others has no epochs of its own


def test_last_epoch_stands_beside_the_best():
    table = benchmark.last_and_best(epochs()).set_index("model")
    assert table.loc[OURS, ["last_epoch", "best_epoch", "n_last", "n_best"]].tolist() == [3, 2, 2, 2]
    np.testing.assert_allclose(table.loc[OURS, ["last", "best"]].astype(float), [0.7, 0.8])
    assert table.loc["HM-CRNN", ["last_epoch", "best_epoch"]].tolist() == [2, 2]


def test_last_epoch_is_the_last_also_where_nothing_was_left_to_rank_and_the_best_is_of_the_most_trainings():
    values, n = [0.5, 0.9, np.nan], [4, 1, 0]
    table = pd.DataFrame({"task": "reg", "model": OURS, "epoch": [1, 2, 3], "metric": "pearson", "value": values, "n": n})
    row = benchmark.last_and_best(table).iloc[0]
    assert row[["last_epoch", "n_last", "best_epoch", "best", "n_best"]].tolist() == [3, 0, 1, 0.5, 4] and np.isnan(row["last"])


# How well they do


@pytest.mark.parametrize("task", ["clf", "reg", "diff"])
def test_metrics_of_one_fold_are_those_of_evaluation(task):
    scores = scored(task).assign(fold=1)
    table = benchmark.metrics(scores).set_index(["model", "metric"])
    peer = evaluation.with_intervals(scores, task).set_index(["model", "metric"]).loc[table.index]
    np.testing.assert_allclose(table[["value", "low", "high", "n"]], peer, atol=1e-12)
    np.testing.assert_allclose(table["pooled"], peer["value"])


def test_certainty_of_a_network_does_not_change_the_mean_over_folds():
    scores = scored("clf")
    shifted = scores.assign(score=scores["score"] + 3 * (scores["fold"] == 2))   # that of one fold calls more genes on
    before, after = (benchmark.metrics(table).query("metric == 'roc_auc'") for table in (scores, shifted))
    np.testing.assert_allclose(before[["value", "low", "high"]], after[["value", "low", "high"]])
    assert (after["pooled"] != before["pooled"]).all()
    by_fold = benchmark.by_fold(scores).query("metric == 'roc_auc'").groupby("model", sort=False)["value"].mean()
    np.testing.assert_allclose(before["value"], by_fold)
    changes = [benchmark.differences(table, [OURS], ["Linear, mean signal"])["value"].item() for table in (scores, shifted)]
    np.testing.assert_allclose(changes, by_fold.iloc[0] - by_fold.iloc[1])


def test_differences_are_taken_of_the_genes_that_both_score():
    scores = scored("clf").assign(fold=1)
    lost = scores[~((scores["model"] == OURS) & (scores["gene_id"] == "g00"))]
    table = benchmark.differences(lost, [OURS, "absent"], ["Linear, mean signal", OURS])
    peer = evaluation.difference(scores[scores["gene_id"] != "g00"], OURS, "Linear, mean signal", "clf")
    pd.testing.assert_frame_equal(table[list(peer)], peer)


def test_folds_that_tell_nothing_are_left_out_and_nothing_is_left_where_none_does():
    scores = scored("clf").assign(fold=1)
    thin = pd.concat([scores, scores[scores["target"] == 1].assign(fold=2, gene_id=lambda table: "a" + table["gene_id"])])
    keys = ["model", "metric", "value", "low", "high"]
    pd.testing.assert_frame_equal(benchmark.metrics(thin)[keys], benchmark.metrics(scores)[keys], atol=0.05)
    np.testing.assert_array_equal(benchmark.metrics(thin)["value"], benchmark.metrics(scores)["value"])
    assert benchmark.metrics(thin[thin["fold"] == 2])["value"].isna().all()


def test_scores_that_do_not_vary_are_not_compared():
    scores = scored("diff")
    constant = scores.assign(score=scores["score"].where(scores["model"] == OURS, 0.0))
    assert benchmark.differences(constant, [OURS], ["Linear, mean signal"]).empty
    assert benchmark.metrics(constant).set_index(["model", "metric"]).loc[("Linear, mean signal", "pearson"), "value":"high"].isna().all()


def test_caption_names_genes_cell_types_and_folds():
    both = pd.concat([scored("clf", n=4), scored("clf", n=6, cell_type="T02")])
    assert benchmark.genes_in_words(both) == "4 genes of T01, 6 genes of T02, held-out folds 1, 2"
    assert benchmark.genes_in_words(answers.no_scores()) == "no genes"


def changes():
    rows = [("T01", "clf", OURS, "Linear, a", 0.1, 0.05, "better"), ("T01", "clf", "HM-CRNN", "Linear, a", -0.1, -0.2, "worse"),
            ("T01", "clf", OURS, "Boosting, a", 0.0, -0.1, "no difference seen"), ("T01", "reg", OURS, "Linear, a", 0.1, 0.05, "better")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["cell_type", "task", "first", "second", "value", "low", "verdict"])
    return table.assign(high=2 * table["value"] - table["low"])


def test_a_comparison_without_an_interval_is_not_told_apart():
    table = changes().assign(low=np.nan, high=np.nan, verdict="no interval").iloc[:1]
    assert benchmark.in_words(table) == "T01, clf: Chromoformer does not beat Linear, a (+0.100 [–])."
    assert benchmark.standing(table)[["above", "not_told_apart", "below"]].values.tolist() == [["none", OURS, "none"]]
    words = evaluation.in_words(table.assign(n=9).iloc[0])
    assert words == "These 9 genes give no interval of a difference between Chromoformer and “Linear, a”."


def test_where_a_network_stands_is_told_plainly():
    assert benchmark.in_words(changes()) == (
        "T01, clf: Chromoformer does not beat Boosting, a (+0.000 [-0.100, +0.100]); it beats Linear, a. "
        "T01, reg: Chromoformer beats all: Linear, a."
    )
    worse = changes().query("verdict == 'worse'")
    assert benchmark.in_words(worse, "HM-CRNN").endswith("HM-CRNN does not beat Linear, a (-0.100 [-0.200, +0.000], it is worse).")
    assert benchmark.in_words(changes(), "absent") == "Nothing to compare."
    assert benchmark.standing(changes()).values.tolist() == [
        ["T01", "clf", "Linear, a", OURS, "none", "HM-CRNN"],
        ["T01", "clf", "Boosting, a", "none", OURS, "none"],
        ["T01", "reg", "Linear, a", OURS, "none", "none"],
    ]


def test_side_by_side_has_a_row_per_model():
    table = benchmark.side_by_side(benchmark.metrics(scored("reg")))
    assert table["model"].tolist() == [OURS, "Linear, mean signal"]
    assert list(table)[:5] == ["cell_type", "model", "n", "pearson", "Pearson r, pooled"]
    assert table["pearson"].str.fullmatch(r"-?\d\.\d{3} \[-?\d\.\d{3}, -?\d\.\d{3}\]").all()


def test_tests_know_how_many_folds_a_training_leaves_out_one_of():
    values = benchmark.by_fold(scored("clf"))                                  # two folds of a profile of four
    row = benchmark.paired_tests(studies.study("smoke"), values, "clf").iloc[0]
    wide = values.query("metric == 'roc_auc'").pivot(index="fold", columns="model", values="value")
    change = wide[OURS] - wide["Linear, mean signal"]
    low, _, _ = evaluation.t_test(change.to_numpy(), 1 / 2 + 1 / 3)
    assert row["low_corrected"] == pytest.approx(low)


def test_model_of_some_cell_types_is_tested_on_these():
    models = (OURS, "Linear, mean signal", "Linear, mean signal + pCREs")
    scores = pd.concat([scored("clf", models=models), scored("clf", cell_type="T02", models=models[:2], seed=1)])
    values = benchmark.by_fold(scores)
    table = benchmark.paired_tests(studies.study("smoke"), values, "clf").set_index("second")
    assert table["n"].tolist() == [4, 2]                                       # two folds of each cell type
    whole = evaluation.paired_tests(values.query("metric == 'roc_auc' and model in @models[:2]"), first=OURS, held_out_per_training=1 / 3)
    assert table.loc[models[1], "p_t"] == whole["p_t"].item()
    np.testing.assert_allclose(table["q_t"], evaluation.adjusted(table["p_t"]))


def test_empty_scores_make_empty_tables():
    nothing = answers.no_scores()
    for table in (benchmark.by_fold(nothing), benchmark.metrics(nothing), benchmark.probabilities(nothing),
                  benchmark.side_by_side(benchmark.metrics(nothing)), benchmark.differences(nothing, [OURS], ["x"]),
                  benchmark.standing(benchmark.differences(nothing, [OURS], ["x"])), benchmark.graphs(studies.study("promoters-18k"))):  # fmt: skip
        assert table.empty


def test_resamples_of_one_label_are_left_out_of_an_interval_where_they_are_few():
    draws = np.append(0.8, np.linspace(0, 1, 97))
    few, many = np.append(draws, [np.nan] * 3), np.append(draws, [np.nan] * 6)
    assert resampling.interval(few) == pytest.approx((0.8, 0.025, 0.975))
    assert np.isnan(resampling.interval(many)[1:]).all()
    table = pd.DataFrame([resampling.interval(few), resampling.interval(many)], columns=["value", "low", "high"])
    assert evaluation.in_brackets(table).tolist() == ["0.800 [0.025, 0.975]", "0.800 [–]"]
