"""Two cell types beside each other: fold changes that flip with their order, baselines that cannot peek."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from chromolib import GeneDataset, InputError, evaluation, load_dataset, load_profile, pair
from chromolib.analysis import comparison, fold_change
from tests.stores import random_store

N = 48
COLUMNS = ["model", "gene_id", "fold", "score", "target"]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals are tested elsewhere; a thousand resamples of each would take a minute here."""
    for name in ("with_interval", "difference"):
        monkeypatch.setattr(evaluation, name, partial(getattr(evaluation, name), n_resamples=60))


def stores(n_genes=N):
    """Two cell types in which expression follows the depth of mark A, and a third of the genes differ."""
    made = []
    for number, name in enumerate(("T01", "T02")):
        store = random_store(n_genes, frame_bp=8000, marks=("A", "B"), n_pcres=9, seed=1)
        level = np.random.default_rng(7).uniform(0, 6, n_genes)
        changed = np.arange(n_genes) % 3 == 0
        level[changed] = np.random.default_rng(10 + number).uniform(0, 6, changed.sum())
        store["promoter"] = store["promoter"] * (1 + level[:, None, None] * (store["mark"] == "A").values)
        expression = 2**level - 1
        store["expression"] = ("gene", expression)
        store["label"] = ("gene", (expression >= np.median(expression)).astype(int))
        store.attrs["cell_type"] = name
        made.append(store)
    return made


def paired(two=None):
    return pair(*(GeneDataset(store, bin_bp=(2000, 100)) for store in two or stores()))


def predictions_of(data, *, difference=1.0):
    """Regressors that are off by 0.5, and a network trained on the fold change that says `difference` everywhere."""
    tables = [
        pd.DataFrame({"cell_type": part.cell_type, "task": "reg", "fold": part.genes["fold"], "gene_id": part.genes["gene_id"],
                      "expression": np.log2(part.genes["expression"] + 1) + off})
        for part, off in ((data.first, 0.0), (data.second, 0.5))
    ]  # fmt: skip
    own = {"cell_type": data.cell_type, "task": "diff", "fold": data.genes["fold"], "gene_id": data.genes["gene_id"]}
    tables.append(pd.DataFrame({**own, "log2_fold_change": difference}))
    return pd.concat(tables, ignore_index=True).sample(frac=1, random_state=0)


@pytest.fixture
def profile(monkeypatch):
    """A real profile of both cell types; `others` of three more and of the second."""
    smoke = load_profile("smoke")
    inputs = smoke.inputs.model_copy(update={"simulation": None})
    genes = stores()[0]["gene_id"].values
    table = pd.DataFrame(np.random.default_rng(3).uniform(0, 6, (N, 4)), index=genes, columns=["T02", "T03", "T04", "T05"])
    monkeypatch.setattr(fold_change, "others_expression", lambda profile, cell_type: table.drop(columns=cell_type, errors="ignore"))
    return smoke.model_copy(update={"inputs": inputs, "cell_types": {"T01": "one", "T02": "other"}})


def by_model(table):
    return {name: part.set_index("gene_id")["score"] for name, part in table.groupby("model")}


# Which cell types


def test_first_two_cell_types_are_taken_where_none_are_named():
    smoke = load_profile("smoke")
    assert fold_change.choose(smoke) == ("S01", "S02")
    assert fold_change.choose(smoke, "S02") == ("S02", "S01")
    assert fold_change.choose(smoke, "", "S01") == ("S02", "S01")
    assert fold_change.choose(smoke, "S03", "S02") == ("S03", "S02")


def test_one_cell_type_is_not_compared():
    with pytest.raises(InputError, match="promoters-18k: signal of 1 cell type, expected two or more; take another profile"):
        fold_change.choose(load_profile("promoters-18k"))
    with pytest.raises(InputError, match="S01 is to be compared with itself, expected two different"):
        fold_change.choose(load_profile("smoke"), "S01", "S01")
    with pytest.raises(InputError, match="unknown cell type 'S09'"):
        fold_change.choose(load_profile("smoke"), "S01", "S09")


# How alike


def with_expression(first, second):
    two = [random_store(len(first), frame_bp=8000, marks=("A",)) for _ in range(2)]
    for store, name, rpkm in zip(two, ("T01", "T02"), (first, second), strict=True):
        store["expression"] = ("gene", np.array(rpkm, float))
        store["label"] = ("gene", (np.array(rpkm) >= np.median(rpkm)).astype(int))
        store.attrs["cell_type"] = name
    return paired(two)


def test_summary_and_histogram_by_hand():
    data = with_expression([0, 1, 3, 7], [3, 1, 0, 31])                          # log2: 0 1 2 3, 2 1 0 5: changes 2 0 -2 2
    row = fold_change.summary(data).iloc[0]
    assert (row["pair"], row["n"], row["within_twofold"], row["up"], row["down"]) == ("T02/T01", 4, 0.25, 0.5, 0.25)
    assert row["same_label"] == 0.5                                              # off off on on, on off off on
    assert row["pearson"] == pytest.approx(np.corrcoef([0, 1, 2, 3], [2, 1, 0, 5])[0, 1])
    table = fold_change.histogram(data, width=1.0)
    assert table.to_dict("list") == {"low": [-2, -1, 0, 1], "high": [-1, 0, 1, 2], "n": [1, 0, 1, 2]}


def test_histogram_of_genes_that_do_not_change_holds_them_all():
    assert fold_change.histogram(with_expression([1, 5], [1, 5]))["n"].sum() == 2


# Models


def test_every_model_predicts_every_gene_once(profile):
    data = paired()
    table = fold_change.scores(profile, data, predictions_of(data))
    assert list(table) == COLUMNS
    assert table["model"].unique().tolist() == [
        "Chromoformer", "Chromoformer, two regressors", "Mean signal, 8 kb", "Mean signal, 4 kb", "Binned signal",
        "Mean of other cell types", "Other cell types",
    ]  # fmt: skip
    change = np.log2(data.second.genes["expression"] + 1) - np.log2(data.first.genes["expression"] + 1)
    for _, part in table.groupby("model"):
        assert part["gene_id"].tolist() == data.genes["gene_id"].tolist()
        np.testing.assert_allclose(part["target"], change, atol=1e-5)
    scores = by_model(table)
    assert (scores["Chromoformer"] == 1.0).all() and (scores["Mean of other cell types"] == 0.0).all()
    np.testing.assert_allclose(scores["Chromoformer, two regressors"], change + 0.5, atol=1e-5)
    assert evaluation.METRICS["reg"](change, scores["Binned signal"])["pearson"] > 0.5   # what is planted is found


def test_other_order_of_the_cell_types_flips_every_sign(profile):
    data, turned = paired(), paired(stores()[::-1])
    there = by_model(fold_change.scores(profile, data, predictions_of(data)))
    back = by_model(fold_change.scores(profile, turned, predictions_of(turned, difference=-1.0)))
    assert set(there) == set(back)
    for model in set(there) - {"Chromoformer, two regressors"}:                  # whose second half is off by 0.5
        np.testing.assert_allclose(there[model], -back[model], atol=1e-4, err_msg=model)


def test_no_measurement_of_a_held_out_gene_is_used(profile):
    def fitted(two):
        data = paired(two)
        table = fold_change.scores(profile, data, predictions_of(data))
        return table[~table["model"].str.startswith("Chromoformer")].reset_index(drop=True)

    before = fitted(stores())
    changed = stores()
    for store in changed:
        values, own = store["expression"].values.copy(), store["fold"].values == 2
        values[own] = values[own][::-1]
        store["expression"] = ("gene", values)
    after = fitted(changed)
    fold = before["fold"] == 2
    assert (before["target"] != after["target"])[fold].any()                     # other targets, yet the same scores
    np.testing.assert_array_equal(before["score"][fold], after["score"][fold])
    learned = before["model"] != "Mean of other cell types"
    assert (before["score"] != after["score"])[~fold & learned].any()


def test_other_cell_types_hold_neither_of_the_two(profile):
    data = paired()
    table = fold_change.remaining(profile, data)
    assert list(table) == ["T03", "T04", "T05"] and table.index.tolist() == data.genes["gene_id"].tolist()


def test_profile_without_labels_of_others_has_no_such_models(profile, monkeypatch):
    data = paired()
    for table in (None, pd.DataFrame({"T02": np.ones(N)}, index=data.genes["gene_id"])):
        monkeypatch.setattr(fold_change, "others_expression", lambda *_, table=table: table)
        assert fold_change.remaining(profile, data) is None
        names = set(fold_change.scores(profile, data, predictions_of(data))["model"])
        assert not names & {"Mean of other cell types", "Other cell types"}


def test_gene_without_expression_elsewhere_is_named(profile, monkeypatch):
    data = paired()
    gene = data.genes["gene_id"][5]
    table = fold_change.remaining(profile, data).drop(index=gene)
    monkeypatch.setattr(fold_change, "others_expression", lambda *_: table)
    with pytest.raises(InputError, match=f"smoke: {gene} has no expression in T03, T04, T05; leave the gene out or correct"):
        fold_change.remaining(profile, data)


@pytest.mark.parametrize(("task", "cell_type"), [("diff", "T02/T01"), ("reg", "T01"), ("reg", "T02")])
def test_missing_training_is_named(profile, task, cell_type):
    data = paired()
    table = predictions_of(data)
    lost = (table["task"] == task) & (table["cell_type"] == cell_type) & (table["fold"] == 3)
    with pytest.raises(InputError, match=f"{cell_type}: no prediction of task {task} for ENSG.*; train all folds"):
        fold_change.scores(profile, data, table[~lost])


def test_best_possible_of_a_simulated_profile_beats_the_rest_of_what_is_fitted():
    smoke = load_profile("smoke")
    data = pair(*(load_dataset(smoke, name) for name in ("S01", "S02")))
    table = fold_change.scores(smoke, data, predictions_of(data))
    measured = fold_change.intervals(table, data).query("metric == 'pearson'").set_index("model")["value"]
    assert measured["Best possible"] == measured.drop("Chromoformer, two regressors").max()  # these were told the answer
    assert fold_change.remaining(smoke, data).columns.tolist() == ["S03"]


# Tables


def test_prediction_that_does_not_vary_has_no_correlation_and_no_interval(profile):
    data = paired()
    table = fold_change.intervals(fold_change.scores(profile, data, predictions_of(data)), data)
    assert (table["cell_type"] == "T02/T01").all()
    row = table[(table["model"] == "Mean of other cell types") & (table["metric"] == "pearson")].iloc[0]
    assert np.isnan(row[["value", "low", "high"]].astype(float)).all() and row["n"] == N


def test_differences_name_the_best_baseline_and_what_other_cells_know(profile):
    data = paired()
    predictions = predictions_of(data)
    is_own = predictions["task"] == "diff"
    predictions.loc[is_own, "log2_fold_change"] = np.random.default_rng(0).normal(size=is_own.sum())
    table = fold_change.scores(profile, data, predictions)
    measured = fold_change.intervals(table, data)
    best = comparison.best_baseline(measured)
    rows = evaluation.verdicts(fold_change.differences(table, measured))
    two = fold_change.TWO_REGRESSORS
    assert rows[["first", "second"]].to_numpy().tolist() == [
        ["Chromoformer", best], [two, best], ["Chromoformer", two], ["Chromoformer", "Other cell types"]
    ]  # fmt: skip
    assert rows["verdict"].tolist()[:3] == ["worse", "better", "worse"]          # noise, and regressors told the answer
    value = measured[measured["metric"] == "pearson"].set_index("model")["value"]
    np.testing.assert_allclose(rows["value"], [value[a] - value[b] for a, b in zip(rows["first"], rows["second"], strict=True)])


def test_levels_stand_side_by_side_for_both_tasks(monkeypatch):
    one = partial(comparison.baseline, inputs=partial(comparison.mean_signal, window_bp=4000), model=comparison.linear)
    monkeypatch.setattr(comparison, "baselines", lambda data: one(data).assign(model="Mean signal, 4 kb"))  # the others take a minute
    smoke = load_profile("smoke")
    data = {name: load_dataset(smoke, name) for name in ("S01", "S02")}
    rows = []
    for name, genes in data.items():
        about = {"cell_type": name, "gene_id": genes.genes["gene_id"], "fold": genes.genes["fold"]}
        rows.append(pd.DataFrame({**about, "task": "clf", "logit_off": 0.0, "logit_on": genes.genes["label"] - 0.5,
                                  "target": genes.genes["label"]}))  # fmt: skip
        expression = np.log2(genes.genes["expression"] + 1)
        rows.append(pd.DataFrame({**about, "task": "reg", "expression": expression, "target": expression}))
    scores = fold_change.level_scores(smoke, data, pd.concat(rows, ignore_index=True))
    intervals = fold_change.level_intervals(scores)
    table = fold_change.side_by_side(intervals)
    assert list(table) == ["metric", "model", "S01", "S02"]
    assert table["metric"].unique().tolist() == list(fold_change.SHOWN_METRICS)
    assert table.iloc[0].tolist() == ["roc_auc", "Chromoformer", "1.000 [1.000, 1.000]", "1.000 [1.000, 1.000]"]
    assert "Mean of other cell types" in set(table["model"])
    beside = evaluation.verdicts(fold_change.beside_others(scores))
    assert beside[["cell_type", "task", "verdict"]].to_numpy().tolist() == [
        [name, task, "better"] for name in ("S01", "S02") for task in ("clf", "reg")
    ]
    alone = scores[scores["model"] != "Mean of other cell types"]
    assert fold_change.beside_others(alone).empty
