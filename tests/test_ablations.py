"""What a part of the network is worth: changes counted by hand, unmoved by what must not matter, for models that claims name."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from chromolib import GeneDataset, InputError, evaluation, load_profile, studies
from chromolib.analysis import ablations, claims
from chromolib.studies import ANOTHER_SEED, OURS
from tests.stores import random_store

QUICK = {"n_resamples": 60}
SMOKE = studies.study("smoke")  # four folds, of which its budget trains fewer


def scores_of(n=80, *, folds=(1, 2), cell_types=("T01",), seed=0, **noise):
    """Labels, and for each model their sum with noise of this size; the full network has noise 1."""
    rng, tables = np.random.default_rng(seed), []
    genes = pd.DataFrame({"gene_id": [f"G{i:03d}" for i in range(n)], "fold": np.resize(folds, n), "target": np.arange(n) // 2 % 2})
    for cell_type in cell_types:
        for model, size in ({OURS: 1.0} | noise).items():
            score = genes["target"] + size * rng.normal(size=n)
            tables.append(genes.assign(cell_type=cell_type, task="clf", model=model, score=score))
    return pd.concat(tables, ignore_index=True)


def auc_of(scores, **keys):
    for name, value in keys.items():
        scores = scores[scores[name] == value]
    return roc_auc_score(scores["target"], scores["score"])


# Which networks


def study_of(name, **budget):
    study = studies.study(name)
    record = study.record.model_copy(update={"budget": study.record.budget.model_copy(update=budget)})
    return studies.Study(**(vars(study) | {"record": record}))


def test_every_model_that_a_claim_of_this_notebook_names_is_trained_with_all_ablations():
    study = study_of("sim", ablations="all")
    grid, left_out = studies.ablations(study)
    elsewhere = {"H3K36me3 with other marks", "other marks with one another"}
    for claim in claims.of_notebook("05_ablation"):
        for member in claim.members(study.record):
            assert set(claim.models(member)) <= set(grid) | elsewhere
    assert left_out.empty and ANOTHER_SEED in grid


def test_core_leaves_out_what_is_removed_or_read_together_and_says_so():
    (every, _), (core, left_out) = (studies.ablations(study_of("sim", ablations=name)) for name in ("all", "core"))
    assert set(every) - set(core) == set(left_out["what"]) == {name for name in every if "+" in name or " and " in name}
    assert set(left_out["why"]) == {"not in this budget"}


def test_what_needs_pcres_is_trained_of_cell_types_that_have_contacts():
    grid, left_out = studies.ablations(study_of("pilot-40kb", cell_types=None))
    assert {run.cell_type for run in grid[studies.WITHOUT_PCRES]} == {run.cell_type for run in grid[studies.CONCATENATED]} == {"E116"}
    assert {run.cell_type for run in grid["without H3K4me3"]} == {"E003", "E116"}
    assert ("3b, c, S4, S8", "E003: all that needs pCREs", "no contacts") in left_out.itertuples(index=False, name=None)


def test_profile_without_contacts_and_with_five_marks_says_what_it_lacks():
    grid, left_out = studies.ablations(studies.study("promoters-18k", "full"))
    why = left_out.set_index("what")["why"]
    assert (why[[studies.WITHOUT_PCRES, studies.CONCATENATED, studies.KINDS]] == "no contacts").all()
    assert why["without H3K27ac and H3K9ac"] == "no H3K27ac, H3K9ac" and why["with CTCF"] == "no CTCF"
    assert [name for name in grid if name.startswith("bins")] == [f"bins {widths}" for widths in (
        "1000", "250", "50", "1000 + 250", "1000 + 50", "250 + 50")]  # fmt: skip
    assert not set(grid) & set(left_out["what"])


# Changes


def test_change_is_the_mean_over_folds_and_cell_types_of_differences_of_roc_auc():
    scores = scores_of(cell_types=("T01", "T02"), worse=3.0)
    row = ablations.changes(scores, **QUICK).iloc[0]
    parts = [{"cell_type": cell_type, "fold": fold} for cell_type in ("T01", "T02") for fold in (1, 2)]
    worse, full = ([auc_of(scores, model=model, **part) for part in parts] for model in ("worse", OURS))
    assert row["value"] == pytest.approx(np.mean(worse) - np.mean(full)) and row["level"] == pytest.approx(np.mean(worse))
    assert (row["model"], row["beside"], row["n"], row["parts"]) == ("worse", OURS, 80, 4)
    single = ablations.fold_changes(scores).set_index(["cell_type", "fold"])["value"]
    assert single.tolist() == pytest.approx([a - b for a, b in zip(worse, full, strict=True)])


def test_change_on_one_fold_has_the_interval_of_evaluation():
    scores = scores_of(folds=(3,), worse=2.0)
    row = ablations.changes(scores, **QUICK).iloc[0]
    peer = evaluation.difference(scores, "worse", OURS, "clf", **QUICK).iloc[0]
    assert row[["value", "low", "high"]].tolist() == pytest.approx(peer[["value", "low", "high"]].tolist())


def test_constant_on_all_scores_of_a_fold_changes_nothing():
    scores = scores_of(worse=2.0)
    moved = scores.assign(score=scores["score"] + 9 * ((scores["model"] == "worse") & (scores["fold"] == 2)))
    pd.testing.assert_frame_equal(ablations.changes(scores, **QUICK), ablations.changes(moved, **QUICK))


def test_network_beside_itself_does_not_change_and_a_much_worse_one_is_told():
    scores = scores_of(400, noise=30.0)
    same = scores[scores["model"] == OURS].assign(model="same")
    table = ablations.changes(pd.concat([scores, same]), **QUICK).set_index("model")
    assert table.loc["same", ["value", "low", "high", "p"]].tolist() == [0, 0, 0, 1]
    assert table.loc["noise", "high"] < 0 and table.loc["noise", "p"] < 0.05


def test_only_cell_types_that_both_networks_were_trained_of_count():
    scores = scores_of(cell_types=("T01", "T02"), other=2.0)
    scores = scores[(scores["model"] == OURS) | (scores["cell_type"] == "T02")]
    alone = ablations.changes(scores[scores["cell_type"] == "T02"], **QUICK)
    pd.testing.assert_frame_equal(ablations.changes(scores, **QUICK), alone)
    assert ablations.with_model(scores, "other")["cell_type"].unique().tolist() == ["T02"]


def test_genes_that_only_one_network_scored_are_counted_and_refused():
    scores = scores_of(worse=2.0)
    with pytest.raises(InputError, match="1 genes in fold 2 of T01 have a score of only one of 'worse' and 'Chromoformer'; train what is missing"):
        ablations.changes(scores.drop(index=len(scores) - 1))
    with pytest.raises(InputError, match="no scores of 'without pCREs', expected one of Chromoformer, worse"):
        ablations.changes(scores, "without pCREs")
    assert ablations.changes(scores, "without pCREs", ["absent"]).empty


def test_genes_that_tell_nothing_have_no_row_and_folds_of_such_are_left_out():
    scores = scores_of(worse=2.0)
    subsets = {"few": {"T01": ["G000", "G001", "G002", "G003"]}, "none": {"T01": []}}
    assert ablations.by_genes(scores, subsets)["genes"].tolist() == ["all"]
    assert ablations.levels_by_genes(scores, subsets, [OURS])["genes"].tolist() == ["all"]
    first = scores["gene_id"].unique()[:4]
    thin = scores.assign(fold=scores["fold"].where(~scores["gene_id"].isin(first), 9))
    pd.testing.assert_frame_equal(ablations.changes(thin), ablations.changes(scores[~scores["gene_id"].isin(first)]))


def test_levels_and_tests_are_of_the_genes_of_a_subset():
    scores = scores_of(200, worse=4.0)
    chosen = [f"G{i:03d}" for i in range(120)]
    part = scores[scores["gene_id"].isin(chosen)]
    levels = ablations.levels_by_genes(scores, {"some": {"T01": chosen}}, [OURS, "worse"]).set_index(["genes", "model"])
    for model in (OURS, "worse"):
        mean = np.mean([auc_of(part, model=model, fold=fold) for fold in (1, 2)])
        row = levels.loc[("some", model)]
        assert row["value"] == pytest.approx(mean) and row["low"] < mean < row["high"] and row["n"] == 120
    tests = ablations.tests_by_genes(SMOKE, scores, {"some": {"T01": chosen}}, OURS, "worse").set_index("genes")
    change = ablations.changes(part, **QUICK)["value"].item()
    assert tests.loc["some", "value"] == pytest.approx(-change) and tests.loc["some", "n"] == 2
    sd = abs(np.subtract(*(auc_of(part, model=OURS, fold=fold) - auc_of(part, model="worse", fold=fold) for fold in (1, 2)))) / 2**0.5
    t = tests.loc["some", "value"] / (sd * (1 / 2 + 1 / 3) ** 0.5)               # each training leaves out one of four folds, not of two
    assert tests.loc["some", "p_corrected"] == pytest.approx(2 * stats.t.sf(abs(t), df=1))
    assert ablations.tests_by_genes(SMOKE, scores, {}, OURS, "absent").empty


def test_subsets_are_corrected_together():
    scores = scores_of(200, worse=1.2)
    subsets = {"some": {"T01": [f"G{i:03d}" for i in range(120)]}}
    changes, tests = ablations.by_genes(scores, subsets), ablations.tests_by_genes(SMOKE, scores, subsets, OURS, "worse")
    np.testing.assert_allclose(changes["q"], evaluation.adjusted(changes["p"]))
    np.testing.assert_allclose(tests["q_corrected"], evaluation.adjusted(tests["p_corrected"]))
    assert (changes["q"] > changes["p"]).any() and (tests["q_corrected"] > tests["p_corrected"]).any()


# Rows and words


def table_of(**rows):
    """Rows of `changes`: value, low, high."""
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"]).rename_axis("model").reset_index()
    return table.assign(model=table["model"].str.replace("_", " "), p=0.5)


def test_rows_stand_as_asked_with_another_seed_last_and_alone_it_does_not_stand():
    table = table_of(another_seed=(0, -1, 1), a=(0, -1, 1), b=(0, -1, 1))
    assert ablations.rows_of(table, ["b", "absent", "a"])["model"].tolist() == ["b", "a", ANOTHER_SEED]
    assert ablations.rows_of(table, ["absent"]).empty


def test_statement_names_what_intervals_tell_apart():
    text = ablations.statement(table_of(another_seed=(0.01, -0.01, 0.02), a=(-0.1, -0.2, -0.01), b=(0, -0.1, 0.1), c=(-0.3, -0.4, -0.2)))
    assert text == (
        "Worse than “Chromoformer”: c (-0.300); a (-0.100). Better: none. Half an interval is 0.100 in the median: what differs "
        "by less is not told from it. Another seed alone: +0.010 [-0.010, +0.020]."
    )


def test_removed_marks_stand_by_loss_beside_the_mark_that_each_follows():
    table = table_of(without_A=(-0.1, -1, 1), without_B=(-0.3, -1, 1), without_A_and_B=(-0.5, -1, 1), with_C=(0, -1, 1))
    pairs = [("A", "A", 1.0), ("A", "B", 0.2), ("A", "C", 0.4), ("B", "A", 0.2), ("B", "B", 1.0), ("B", "C", -0.1)]
    pairs += [("C", "A", 0.4), ("C", "B", -0.1), ("C", "C", 1.0)]
    correlation = pd.DataFrame(pairs, columns=["mark", "other", "r"])
    rows = ablations.removed_marks(table, correlation)
    assert rows[["mark", "closest", "r", "value"]].values.tolist() == [["B", "A", 0.2, -0.3], ["A", "C", 0.4, -0.1]]
    assert ablations.pairs(correlation).values.tolist() == [["A", "C", 0.4], ["A", "B", 0.2], ["B", "C", -0.1]]
    assert ablations.in_order(correlation, ["C", "A", "B"])["r"].tolist() == [1.0, 0.4, -0.1, 0.4, 1.0, 0.2, -0.1, 0.2, 1.0]


# Contacts, and what was planted


def test_contacts_are_counted_within_and_across_domains():
    store = random_store(9, max_pcres=8)                                        # gene i has i pCREs
    store["is_intra_tad"] = ("gene", "rank"), np.tile([True, False], (9, 4))
    table = ablations.contacts_by_domain({"T01": GeneDataset(store), "T02": GeneDataset(random_store(9))})
    assert table.values.tolist() == [["T01", 9, 20, 16, 8, 7]]


def test_real_profile_has_nothing_planted():
    assert ablations.planted(load_profile("h1-demo"), ["E003"]).empty


def test_most_to_lose_is_what_the_best_score_falls_by_without_a_term(monkeypatch):
    genes = pd.DataFrame({"gene_id": ["G0", "G1", "G2", "G3"], "label": [0, 0, 1, 1], "initiation": [0.0, 4, 0, 4],
                          "elongation": [0.0, 0, 5, 5], "activation": 0.0, "repression": 0.0})  # fmt: skip
    genes["mean_log2_rpkm"] = genes["initiation"] + genes["elongation"]
    pcres = pd.DataFrame({"gene_id": ["G0", "G1"], "is_intra": [True, False], "contribution": [7.0, 0.0]})
    monkeypatch.setattr(ablations, "read_truth", lambda profile, name, cell_type: {"genes": genes, "pcres": pcres}[name])
    table = ablations.planted(load_profile("sim"), ["S01"]).set_index("term")
    assert table.loc["elongation", ["marks", "most"]].tolist() == ["H3K36me3", 0.5]     # 1 with it, 0.5 by initiation alone
    assert table.loc["initiation", "most"] == 0 and table.loc["initiation", "marks"] == "H3K4me1, H3K4me3, H3K27ac, H3K9ac"
    assert table.loc["repression", "marks"] == "H3K27me3" and table.loc["activation", "marks"] == "H3K4me1, H3K27ac, H3K9ac"
    assert table.loc[ablations.ACROSS, ["sd", "most"]].tolist() == [0, 0]
