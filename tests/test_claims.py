"""The paper's claims: each is well-formed, and its verdict follows from scores whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from chromolib import GeneDataset, InputError, evaluation, load_profile
from chromolib.analysis import claims, comparison
from tests.stores import random_store

QUICK = {"n_resamples": 200}
CLAIM = {
    "id": "a-above-b", "figure": "1", "notebook": "03_benchmark", "claim": "A is better than B.", "where": "here",
    "task": "clf", "metric": "roc_auc", "first": "A", "second": "B", "direction": "above", "paper": None, "note": "none",
}  # fmt: skip


@pytest.fixture(scope="module")
def sim():
    return load_profile("sim")


def table_of(target, cell_type="E1", task="clf", start=0, **models):
    """Scores of genes G<start>, G<start + 1>, ..."""
    genes = [f"G{i:04d}" for i in range(start, start + len(target))]
    tables = [
        pd.DataFrame({"cell_type": cell_type, "task": task, "model": name, "gene_id": genes, "fold": 1, "score": score, "target": target})
        for name, score in models.items()
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def noisy(n=400, seed=0, **noise):
    """Labels, and scores that are the label and noise of this size."""
    rng = np.random.default_rng(seed)
    target = np.arange(n) % 2
    return target, {name: target + size * rng.normal(size=n) for name, size in noise.items()}


def judged(monkeypatch, profile, scores, subsets=None, **changed):
    """The one row of `evaluate` for CLAIM with these changes."""
    return judge(monkeypatch, profile, scores, [CLAIM | changed], subsets).iloc[0]


def judge(monkeypatch, profile, scores, values, subsets=None, **options):
    monkeypatch.setattr(claims, "published", lambda key: values)
    return claims.evaluate(profile, "03_benchmark", scores, subsets, **(QUICK | options))


# The list


def test_every_claim_is_well_formed_and_of_a_known_notebook():
    table = claims.listed()
    assert len(table) > 25 and table["id"].is_unique and set(table["notebook"]) == set(claims.NOTEBOOKS)
    assert (table["claim"].str.endswith(".") & (table["where"] != "")).all()
    assert (table["paper"].notna() | (table["note"] != "")).all()
    assert not table[["statistic", "first", "seen_if"]].apply(lambda column: column.str.contains("[{}]")).any(axis=None)
    assert sum(len(claims.listed(name)) for name in claims.NOTEBOOKS) == len(table)


def test_every_figure_has_a_claim():
    found = " ".join(claims.listed()["figure"].unique())
    for figure in ("2b-f", "S5-S7", "3a", "3b", "3c", "S3", "S4", "S8", "4a, b, e", "4c, d", "4g", "4h", "S9", "S10a-c", "S10d", "S17", "S18",
                   "5b", "5c", "5d, f", "5e", "5g", "6a, S12", "6b, S13", "7a, b", "7c, d", "S14-S16", "8a", "8b", "8d"):  # fmt: skip
        assert figure in found


def test_claim_without_a_known_outcome_takes_no_side():
    for claim in claims.of_notebook():
        assert (claim.direction == "either") == ("which way" in claim.note)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"direction": "up"}, "claim a-above-b: direction: Input should be 'above', 'below' or 'either'; correct it"),
        ({"notebook": "09_x"}, "claim a-above-b: notebook: Input should be '03_benchmark'"),
        ({"metric": "pearson"}, "claim a-above-b: metric pearson of task clf, expected roc_auc, accuracy"),
        ({"each": "peers"}, "claim a-above-b: `each` and {each} in a model's name, expected both or neither"),
        ({"second": "{each}"}, "claim a-above-b: `each` and {each} in a model's name"),
        ({"minus": {"first": "C"}}, "claim a-above-b: `minus` without a second model"),
        ({"note": ""}, "claim a-above-b: no number of the paper, expected a note that says why"),
        ({"colour": "red"}, "claim a-above-b: colour: Extra inputs are not permitted"),
    ],
)
def test_wrong_claim_is_one_line_that_names_it(changed, message):
    with pytest.raises(InputError) as caught:
        claims.parse([CLAIM | changed])
    assert str(caught.value).startswith(f"data/paper.yml: {message}") and "\n" not in str(caught.value)


def test_claim_that_is_no_mapping_is_named_by_its_number():
    with pytest.raises(InputError, match="data/paper.yml: claim number 2: Input should be a valid dictionary"):
        claims.parse([CLAIM, "A is better than B"])


def test_two_claims_of_one_id_and_an_unknown_notebook_are_refused():
    with pytest.raises(InputError, match="claim a-above-b: two of this id, expected one"):
        claims.parse([CLAIM, CLAIM])
    with pytest.raises(InputError, match="no claim of notebook '02_train', expected one of 03_benchmark"):
        claims.listed("02_train")


def test_words_say_what_is_measured_and_when_it_is_seen():
    claim, = claims.parse([CLAIM | {"first": "A, 40 kb", "second": "A, 10 kb", "minus": {"first": "{each}, 40 kb", "second": "{each}, 10 kb"},
                                    "each": ["B", "C"]}])  # fmt: skip
    assert claim.in_words("B") == "ROC-AUC, first minus second, less “B, 40 kb” minus “B, 10 kb”"
    assert claim.seen_if() == "the 95 % interval of each of B, C lies above 0"
    claim, = claims.parse([CLAIM | {"genes": "with x", "minus": {"first": "A", "second": "B", "genes": "without x"}, "direction": "below"}])
    assert claim.in_words("") == "ROC-AUC, first minus second, genes with x, less the same, genes without x"
    assert claim.seen_if() == "the 95 % interval lies below 0"


# One difference


@pytest.mark.parametrize(("task", "metric"), [("clf", "roc_auc"), ("reg", "pearson")])
def test_difference_of_one_cell_type_is_that_of_evaluation(monkeypatch, sim, task, metric):
    target, scores = noisy(A=1, B=2)
    scores = table_of(target, task=task, **scores).sample(frac=1, random_state=0)
    row = judged(monkeypatch, sim, scores, task=task, metric=metric)
    peer = evaluation.difference(scores, "A", "B", task, n_resamples=200).iloc[0]
    np.testing.assert_allclose(row[["value", "low", "high"]].astype(float), peer[["value", "low", "high"]].astype(float), atol=1e-12)
    assert (row["n"], row["cell_types"], row["verdict"]) == (400, 1, "seen")


@pytest.mark.parametrize(
    ("direction", "a", "b", "verdict", "why"),
    [
        ("above", 1, 2, "seen", ""),
        ("above", 2, 1, "not seen", "the interval lies on the other side of 0"),
        ("above", 1, 1, "not seen", "the interval holds 0"),
        ("below", 2, 1, "seen", ""),
        ("below", 1, 2, "not seen", "the interval lies on the other side of 0"),
        ("either", 1, 2, "seen", ""),
        ("either", 2, 1, "seen", ""),
        ("either", 1, 1, "not seen", "the interval holds 0"),
    ],
)
def test_verdict_follows_the_interval_and_the_claimed_side(monkeypatch, sim, direction, a, b, verdict, why):
    target, scores = noisy(A=a, B=b)
    row = judged(monkeypatch, sim, table_of(target, **scores), direction=direction)
    assert (row["verdict"], row["why"]) == (verdict, why)
    assert (row["p"] < 0.05) == (verdict == "seen")


def test_difference_below_a_threshold_is_not_seen(monkeypatch, sim):
    target, scores = noisy(A=1, B=2)
    scores = table_of(target, **scores)
    row = judged(monkeypatch, sim, scores, threshold=0.5)
    assert row["verdict"] == "not seen" and row["value"] == judged(monkeypatch, sim, scores)["value"] and row["threshold"] == 0.5


def test_metric_of_one_model_is_set_against_the_threshold(monkeypatch, sim):
    target, scores = noisy(A=1)
    row = judged(monkeypatch, sim, table_of(target, **scores), second=None, threshold=0.6)
    peer = evaluation.with_interval(target, scores["A"], evaluation.METRICS["clf"], n_resamples=200).iloc[0]
    assert row["value"] == pytest.approx(peer["value"]) and row["low"] == pytest.approx(peer["low"])
    assert row["verdict"] == "seen" and row["second"] is None


def test_mean_of_a_score_is_a_statistic_too(monkeypatch, sim):
    scores = table_of(np.zeros(40), task="reg", A=np.tile([1.0, 2.0], 20), B=np.full(40, 0.5))
    row = judged(monkeypatch, sim, scores, task="reg", metric="mean")
    assert (row["value"], row["verdict"]) == (1.0, "seen")


def test_no_difference_is_seen_rarely(monkeypatch, sim):
    seen = 0
    for seed in range(60):
        target, scores = noisy(n=80, seed=seed, A=1, B=1)
        seen += judged(monkeypatch, sim, table_of(target, **scores))["verdict"] == "seen"
    assert seen <= 5  # 1.5 expected; more than 5 in 1 of 250 such tests, and the seeds are fixed


# Folds


def test_metric_is_the_mean_over_folds_that_need_not_agree(monkeypatch, sim):
    target, scores = noisy(A=1, B=2)
    table = table_of(target, **scores)
    table["fold"] = 1 + table["gene_id"].str[1:].astype(int) // 2 % 2
    row = judged(monkeypatch, sim, table)
    each = [judged(monkeypatch, sim, part)["value"] for _, part in table.groupby("fold")]
    assert row["value"] == pytest.approx(np.mean(each)) and (row["n"], row["cell_types"]) == (400, 1)
    shifted = table.assign(score=table["score"] + 9 * (table["fold"] == 2) * (table["model"] == "A"))  # as if another network spoke
    assert judged(monkeypatch, sim, shifted)[["value", "low", "high"]].tolist() == row[["value", "low", "high"]].tolist()
    pooled = judged(monkeypatch, sim, shifted.drop(columns="fold"))
    assert pooled["value"] < row["value"] - 0.1                                # which without folds counts against it


def test_mean_of_a_score_is_that_of_all_genes(monkeypatch, sim):
    table = table_of(np.zeros(40), task="reg", A=np.r_[np.ones(30), np.full(10, 5.0)], B=np.zeros(40))
    table["fold"] = 1 + (table["score"] == 5)
    assert judged(monkeypatch, sim, table, task="reg", metric="mean")["value"] == 2


def test_fold_of_one_class_is_left_out_and_named(monkeypatch, sim):
    target, scores = noisy(A=1, B=2)
    table = table_of(target, **scores)
    of_one_class, few = (table["target"] == 1) & (table["gene_id"] > "G0379"), table["gene_id"] > "G0391"
    for fold_2, n in ((of_one_class, 390), (few, 392)):                        # of four on and four off, many resamples are of one class
        table["fold"] = 1 + fold_2
        row = judged(monkeypatch, sim, table)
        assert (row["why"], row["n"], row["verdict"]) == ("fold 2 of E1: fewer than 5 genes of the rarer class, left out", n, "seen")
        assert row["value"] == judged(monkeypatch, sim, table[table["fold"] == 1])["value"]


def test_fold_without_genes_of_a_subset_is_left_out_and_named(monkeypatch, sim):
    target, scores = noisy(A=1, B=2)
    table = table_of(target, **scores)
    table["fold"] = 1 + (table["gene_id"] >= "G0300")
    row = judged(monkeypatch, sim, table, {"early": [f"G{i:04d}" for i in range(300)]}, genes="early")
    assert row["why"] == "" and row["n"] == 300                                # no term has genes of that fold
    subsets = {"early": [f"G{i:04d}" for i in range(300)], "late": [f"G{i:04d}" for i in range(200, 400)]}
    row = judged(monkeypatch, sim, table, subsets, genes="early", minus={"first": "A", "second": "B", "genes": "late"})
    assert row["why"].startswith("the interval holds 0; fold 2 of E1: fewer than 5 genes early of the rarer class, left out")


def test_folds_that_are_left_must_hold_genes_enough(monkeypatch, sim):
    target, scores = noisy(60, A=0.1, B=2)
    table = table_of(np.r_[target[:20], np.ones(40, int)], **scores)
    table["fold"] = 1 + (table["gene_id"] >= "G0020")
    assert judged(monkeypatch, sim, table)["why"] == "20 genes in E1, fewer than 30; fold 2 of E1: fewer than 5 genes of the rarer class"


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_model_whose_predictions_do_not_vary_chooses_no_folds(monkeypatch, sim, metric):
    """It would leave the others measured without the fold in which it is worst."""
    target, scores = noisy(A=1, B=2)
    table = table_of(target, task="reg", **scores)
    table["fold"] = 1 + (table["gene_id"] >= "G0200")
    table.loc[(table["model"] == "B") & (table["fold"] == 2), "score"] = 0.0
    row = judged(monkeypatch, sim, table, task="reg", metric=metric)
    assert (row["verdict"], row["why"]) == ("not testable", f"predictions of “B” do not vary in each fold, {metric} means nothing of them")
    assert judged(monkeypatch, sim, table, task="reg", metric="r2")["n"] == 400


# Cell types


def test_value_is_the_mean_over_cell_types(monkeypatch, sim):
    tables = []
    for cell_type, b in (("E1", 1.5), ("E2", 3)):
        target, scores = noisy(A=1, B=b)
        tables.append(table_of(target, cell_type, **scores))
    both = judged(monkeypatch, sim, pd.concat(tables))
    each = [judged(monkeypatch, sim, table)["value"] for table in tables]
    assert both["value"] == pytest.approx(np.mean(each)) and both["cell_types"] == 2


def test_genes_are_drawn_for_all_cell_types_at_once(monkeypatch, sim):
    target, scores = noisy(A=1, B=1.5)
    one = table_of(target, "E1", **scores)
    single = judged(monkeypatch, sim, one)
    double = judged(monkeypatch, sim, pd.concat([one, one.assign(cell_type="E2")]))
    assert single[["value", "low", "high", "n"]].tolist() == double[["value", "low", "high", "n"]].tolist()  # no narrower
    other = table_of(target, "E2", start=len(target), **scores)                  # other genes, which are drawn apart
    apart = judged(monkeypatch, sim, pd.concat([one, other]))
    assert apart["n"] == 800 and apart["high"] - apart["low"] < 0.85 * (single["high"] - single["low"])


def test_claim_on_each_cell_type_needs_all_of_them(monkeypatch, sim):
    target, good = noisy(A=1, B=3)
    _, bad = noisy(A=3, B=1)
    scores = pd.concat([table_of(target, "E1", **good), table_of(target, "E2", **bad)])
    row = judged(monkeypatch, sim, scores, cell_types="each")
    assert row["verdict"] == "not seen" and row["why"] == "shown: E2; 1 of 2 intervals lie on the claimed side" and row["value"] < 0
    assert row["statistic"] == "ROC-AUC, first minus second; of each cell type"
    both_good = pd.concat([table_of(target, name, **good) for name in ("E1", "E2")])
    assert judged(monkeypatch, sim, both_good, cell_types="each")["verdict"] == "seen"
    row = judged(monkeypatch, sim, table_of(target, "E1", **good), cell_types="each")
    assert row["verdict"] == "not testable" and row["why"] == "it is a claim on each of several cell types, there are scores of E1 only"


# The least of several, and differences of differences


def test_least_of_several_is_shown_and_all_must_be_seen(monkeypatch, sim):
    target, scores = noisy(A=1, B=2, C=1.6, D=0.9)
    scores = table_of(target, **scores)
    changed = {"second": "{each}", "direction": "above"}
    row = judged(monkeypatch, sim, scores, each=["B", "C"], **changed)
    assert (row["second"], row["verdict"], row["why"]) == ("C", "seen", "")
    row = judged(monkeypatch, sim, scores, each=["B", "C", "D"], **changed)
    assert (row["second"], row["verdict"], row["why"]) == ("D", "not seen", "2 of 3 intervals lie on the claimed side")
    row = judged(monkeypatch, sim, scores, first="{each}", second="A", each=["B", "C"], direction="below")
    assert (row["first"], row["second"], row["verdict"]) == ("C", "A", "seen")


def test_peers_are_all_needed(monkeypatch, sim):
    target, scores = noisy(A=1, DeepChrome=2, AttentiveChrome=2)
    row = judged(monkeypatch, sim, table_of(target, **scores), second="{each}", each="peers")
    assert row["verdict"] == "not testable" and row["why"] == "no scores of “HM-CRNN” in E1, task clf" and row["second"] == "each peer"


def test_mark_is_set_against_the_others_that_the_profile_has(monkeypatch, sim):
    profile = sim.model_copy(update={"marks": ("H3K4me3", "H3K36me3", "H3K9ac")})
    target, scores = noisy(**{"without H3K4me3": 1, "without H3K36me3": 3, "without H3K9ac": 1.5})
    changed = {"first": "without {each}", "second": "without H3K36me3", "each": "marks"}
    row = judged(monkeypatch, profile, table_of(target, **scores), **changed)
    assert (row["first"], row["verdict"]) == ("without H3K9ac", "seen")
    assert row["why"] == "the profile has no H3K4me1, H3K9me3, H3K27me3, H3K27ac"  # and so it is no test of these
    lone = sim.model_copy(update={"marks": ("H3K36me3",)})
    assert judged(monkeypatch, lone, table_of(target, **scores), **changed)["why"] == "the profile has no other mark than H3K36me3"


def test_bin_widths_are_those_of_the_profile(monkeypatch, sim):
    profile = sim.model_copy(update={"bin_bp": (1000, 250, 50)})
    target, scores = noisy(Chromoformer=1, **{"bins 1000": 2, "bins 250": 1.5, "bins 50": 3})
    changed = {"first": "Chromoformer", "second": "bins {each}", "direction": "either"}
    note = {"note": "which way it went is not known"}
    row = judged(monkeypatch, profile, table_of(target, **scores), each="bin widths", **changed, **note)
    assert (row["second"], row["verdict"]) == ("bins 250", "seen")
    row = judged(monkeypatch, profile, table_of(target, **scores), each="pairs of bin widths", **changed, **note)
    assert row["why"] == "no scores of “bins 1000 + 250” in E1, task clf" and row["second"] == "bins each pair of bin widths"
    two = sim.model_copy(update={"bin_bp": (500, 100)})                        # whose only pair is all it has
    row = judged(monkeypatch, two, table_of(target, **scores), each="pairs of bin widths", **changed, **note)
    assert (row["verdict"], row["why"]) == ("not testable", "the profile has bins of 500 and 100 bp alone")


def test_what_a_change_adds_here_is_set_against_what_it_adds_there(monkeypatch, sim):
    target, scores = noisy(**{"A, 40 kb": 0.5, "A, 10 kb": 2, "B, 40 kb": 2, "B, 10 kb": 2.1})
    scores = table_of(target, **scores)
    row = judged(monkeypatch, sim, scores, first="A, 40 kb", second="A, 10 kb", minus={"first": "B, 40 kb", "second": "B, 10 kb"})
    auc = {name: evaluation.METRICS["clf"](table["target"], table["score"])["roc_auc"] for name, table in scores.groupby("model")}
    assert row["value"] == pytest.approx(auc["A, 40 kb"] - auc["A, 10 kb"] - auc["B, 40 kb"] + auc["B, 10 kb"])
    assert row["verdict"] == "seen"


def test_what_contacts_add_is_told_apart_from_what_a_retraining_adds(monkeypatch, sim):
    target, scores = noisy(n=400, A=1, B=1)
    with_any = np.arange(400) < 200
    scores["B"] = np.where(with_any, target + 3 * (scores["B"] - target), scores["B"])  # worse only on genes with contacts
    ids = np.array([f"G{i:04d}" for i in range(400)])
    subsets = {"with contacts": ids[with_any], "without contacts": {"E1": ids[~with_any]}}
    minus = {"first": "A", "second": "B", "genes": "without contacts"}
    table = table_of(target, **scores)
    row = judged(monkeypatch, sim, table, subsets, genes="with contacts", minus=minus)
    assert row["verdict"] == "seen" and row["n"] == 400
    one, other = (judged(monkeypatch, sim, table, subsets, genes=name)["value"] for name in subsets)
    assert row["value"] == pytest.approx(one - other) and one > 0.1 > abs(other)


def test_genes_with_contacts_are_those_with_a_pcre():
    data = GeneDataset(random_store(40, frame_bp=8000), bin_bp=(2000,))
    found = claims.by_contacts({"T01": data})
    has_any = (data.store["contact"].values > 0).any(1)
    assert found["with contacts"]["T01"] == data.genes.loc[has_any, "gene_id"].tolist()
    assert len(found["without contacts"]["T01"]) == (~has_any).sum() > 0
    lone = claims.by_contacts({"T01": data.select(max_pcres=0)})
    assert lone["with contacts"]["T01"] == []


def test_cell_type_without_genes_of_a_subset_is_left_out_and_named(monkeypatch, sim):
    target, scores = noisy(A=1, B=2)
    tables = pd.concat([table_of(target, name, **scores) for name in ("E1", "E2")])
    subsets = {"with contacts": {"E1": [f"G{i:04d}" for i in range(300)], "E2": []}}
    row = judged(monkeypatch, sim, tables, subsets, genes="with contacts")
    assert (row["n"], row["cell_types"], row["why"]) == (300, 1, "no genes with contacts in E2, left out")


def test_cell_type_without_what_a_claim_needs_is_left_out_and_named(monkeypatch, sim):
    target, scores = noisy(300, A=1, B=2)
    table = pd.concat([table_of(target, "E1", **scores), table_of(target, "E2", A=scores["A"])])
    row = judged(monkeypatch, sim, table, needs="contacts")
    assert (row["n"], row["cell_types"], row["why"]) == (300, 1, "no scores of “B” in E2, left out")
    row = judged(monkeypatch, sim, table)
    assert row["verdict"] == "not testable" and row["why"] == "no scores of “B” in E2, task clf"


# What cannot be tested


@pytest.mark.parametrize(
    ("profile", "changed", "why"),
    [
        ("sim", {"second": "C"}, "no scores of “C” in E1, task clf"),
        ("sim", {"second": "C", "needs": "CTCF"}, "no scores of “C” in E1, task clf, which needs CTCF"),
        ("sim", {"task": "reg", "metric": "pearson"}, "no scores of task reg"),
        ("sim", {"genes": "odd ones"}, "no subset of genes 'odd ones' is given"),
        ("sim", {"genes": "few"}, "20 genes few in E1, fewer than 30"),
        ("sim", {"genes": "none"}, "no genes none in E1"),
        ("sim", {"genes": "on"}, "0 genes on in E1, fewer than 30; fold 1 of E1: fewer than 5 genes on of the rarer class"),
        ("promoters-18k", {"second": "B, 40 kb"}, "a window of 40 kb is wider than the profile's of 10 kb"),
        ("promoters-18k", {"second": "without H3K9ac"}, "the profile has no H3K9ac"),
        ("promoters-18k", {"needs": "contacts"}, "the profile has no contacts"),
        ("promoters-18k", {"needs": "a second species"}, "the profile has no second species"),
        ("promoters-18k", {"needs": "other cell types"}, "the profile has one cell type"),
        ("promoters-18k", {"task": "diff", "metric": "pearson"}, "a fold change needs two cell types, the profile has one"),
    ],
)
def test_claim_that_cannot_be_tested_says_why(monkeypatch, profile, changed, why):
    target, scores = noisy(A=1, B=2)
    ids = np.array([f"G{i:04d}" for i in range(400)])
    subsets = {"few": ids[:20], "none": [], "on": ids[target == 1]}
    row = judged(monkeypatch, load_profile(profile), table_of(target, **scores), subsets, **changed)
    assert (row["verdict"], row["why"]) == ("not testable", why)
    assert row[["value", "low", "high", "n", "p", "q"]].isna().all()


def test_models_of_other_genes_are_not_compared(monkeypatch, sim):
    target, scores = noisy(A=1, B=2)
    scores = table_of(target, **scores)
    row = judged(monkeypatch, sim, scores.iloc[:-3])
    assert row["why"] == "3 genes of E1 have a score of only one of “A” and “B”" and row["verdict"] == "not testable"


def test_rare_class_gives_no_interval(monkeypatch, sim):
    n_folds = 20
    target = np.tile(np.r_[np.ones(5, int), np.zeros(15, int)], n_folds)       # of one fold 1 / e**5 of all resamples have no gene on
    rng = np.random.default_rng(0)
    table = table_of(target, A=rng.normal(size=len(target)), B=rng.normal(size=len(target)))
    table["fold"] = np.tile(np.repeat(np.arange(n_folds), 20), 2)
    row = judged(monkeypatch, sim, table)
    assert row["verdict"] == "not testable" and row["why"].endswith("of 200 resamples hold a fold of which roc_auc means nothing")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.drop(columns="fold").drop(columns="target"), "scores have no column 'target'"),
        (lambda table: pd.concat([table, table.iloc[:1]]), "'A' of E1, task clf: two scores of G0000, expected one"),
        (lambda table: table.assign(score=table["score"].where(table.index != 3)), "'A' of E1, task clf: G0003 has no score"),
        (lambda table: table.assign(target=table["target"].where(table.index != 5, 0)), "G0005 of E1 has another target beside"),
    ],
)
def test_wrong_scores_are_refused(monkeypatch, sim, spoil, message):
    target, scores = noisy(n=60, A=1, B=2)
    with pytest.raises(InputError, match=message):
        judged(monkeypatch, sim, spoil(table_of(target, **scores)))


def test_p_is_adjusted_for_the_claims_that_were_tested(monkeypatch, sim):
    target, scores = noisy(A=1, B=2, C=1)
    values = [CLAIM | {"id": f"c{i}", "second": name} for i, name in enumerate("BCX")]
    table = judge(monkeypatch, sim, table_of(target, **scores), values)
    assert table["verdict"].tolist() == ["seen", "not seen", "not testable"]
    assert table["p"].iloc[0] == pytest.approx(2 / 201)                          # no resample on the wrong side
    np.testing.assert_allclose(table["q"][:2], evaluation.adjusted(table["p"][:2]))
    assert list(table) == [*claims.COLUMNS, "q"]


def test_scores_without_any_model_of_the_paper_make_a_whole_table(sim):
    target, scores = noisy(A=1)
    for notebook in claims.NOTEBOOKS:
        table = claims.evaluate(sim, notebook, table_of(target, **scores), **QUICK)
        assert len(table) == len(claims.listed(notebook)) and set(table["verdict"]) == {"not testable"}
        assert (table["why"] != "").all()


def test_claims_stand_in_the_file_of_published_numbers():
    assert len(comparison.published("claims")) == len(claims.of_notebook())
