"""PCRI across cell types: clusters and differences whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from chromolib import GeneDataset, InputError, load_profile
from chromolib.analysis import pcres, specificity
from tests.stores import random_store
from tests.test_pcri import genes_of


def three(n=90):
    """PCRI of genes of which a third each is highest in one of three cell types."""
    rng = np.random.default_rng(0)
    highest = np.arange(n) % 3
    tables = [genes_of(n, cell_types=(name,), pcri_scaled=3.0 * (highest == k) + 0.1 * rng.normal(size=n)) for k, name in enumerate(("T01", "T02", "T03"))]
    return pd.concat(tables, ignore_index=True)


def test_genes_are_those_scored_and_with_pcres_in_every_cell_type():
    table = three(30)
    table = table[~((table["cell_type"] == "T02") & (table["gene_id"] == "G001"))]
    table.loc[(table["cell_type"] == "T03") & (table["gene_id"] == "G002"), "n_pcres"] = 0
    wide = specificity.across(table)
    assert wide.columns.tolist() == ["T01", "T02", "T03"]
    assert set(wide.index) == {f"G{i:03d}" for i in range(30) if i % 10 and i not in (1, 2)}
    none = specificity.across(table.assign(n_pcres=np.where(table["cell_type"] == "T02", 0, table["n_pcres"])))
    assert none.empty and none.columns.tolist() == ["T01", "T02", "T03"] and specificity.clusters(none).empty


def test_clusters_are_of_the_cell_type_in_which_genes_have_a_high_pcri():
    table = specificity.clusters(specificity.across(three()))
    found = specificity.members(table)
    assert sorted(found["highest"]) == ["T01", "T02", "T03"] and found["n"].sum() == specificity.n_variable(81) == 60
    z = table.pivot(index="gene_id", columns="cell_type", values="z")
    assert np.allclose(z.mean(axis=1), 0) and np.allclose(z.std(axis=1, ddof=0), 1)
    by_gene = table.drop_duplicates("gene_id").sort_values("order")
    assert by_gene["cluster"].is_monotonic_increasing                            # a cluster stands together


def test_two_cell_types_make_no_clusters():
    wide = specificity.across(three()).iloc[:, :2]
    assert specificity.clusters(wide).empty and specificity.members(specificity.clusters(wide)).empty
    assert specificity.terms(specificity.clusters(wide), wide, pd.DataFrame(columns=["term", "gene"])).empty


def test_set_of_a_cluster_is_found_in_it():
    wide = specificity.across(three())
    table = specificity.clusters(wide)
    sets = pd.DataFrame({"term": "those of T02", "gene": wide.index[wide["T02"] > 1.5]})
    found = specificity.terms(table, wide, sets)
    names = specificity.members(table).set_index("cluster")["highest"]
    assert names[found["cluster"].iloc[found["p"].argmin()]] == "T02" and found["p"].min() < 1e-6


def test_most_variable_are_the_paper_s_share_of_many_genes():
    assert specificity.n_variable(18_955) == 1000 and specificity.n_variable(400) == 60 and specificity.n_variable(7) == 7


# Two cell types


@pytest.fixture(scope="module")
def two():
    """Two cell types of the same genes, of which gene 1 has other signal in the second."""
    store, other = random_store(12), random_store(12).assign_attrs(cell_type="T02")
    other["promoter"][1] *= 50
    other["contact"][5, :], other["gene_pcre"][5, :] = 0, -1
    return {"T01": GeneDataset(store, task="reg"), "T02": GeneDataset(other, task="reg")}


def test_difference_is_of_the_second_less_the_first(two):
    table = pd.concat([genes_of(12, cell_types=(name,), pcri_scaled=float(k), own_scaled=2.0 * k, predicted=3.0 * k, own_change=1.0, measured=k * np.arange(12.0)) for k, name in enumerate(two)])
    table["gene_id"] = np.tile(two["T01"].genes["gene_id"], 2)
    table["n_pcres"] = np.concatenate([pcres.per_gene(genes) for genes in two.values()])
    has_some = (table["n_pcres"].to_numpy().reshape(2, 12) > 0).all(0)
    assert not has_some[5] and has_some[1]                                       # gene 5 has pCREs in the first only
    found = specificity.differences(table, two)
    assert found["gene_id"].tolist() == two["T01"].genes["gene_id"][has_some].tolist()
    assert found[["pcri", "own", "predicted", "own_change"]].drop_duplicates().values.tolist() == [[1, 2, 3, 0]]
    assert found["measured"].tolist() == np.arange(12)[has_some].tolist()
    signal = found.set_index("measured")["marks"]
    assert signal.idxmax() == 1 and signal.drop(1).max() < 1e-6                  # the others have the same signal
    assert found["pcre_marks"].tolist() == pytest.approx([0] * has_some.sum(), abs=1e-6)


def test_of_one_cell_type_there_is_no_difference_and_of_three_it_is_refused(two):
    assert specificity.differences(genes_of(3), {}).empty
    assert specificity.aberrant(load_profile("sim"), ("S01",), specificity.differences(genes_of(3), {})).empty
    with pytest.raises(InputError, match="differences: data of 3 cell types, expected two; choose them"):
        specificity.differences(genes_of(3), two | {"T03": two["T01"]})


def test_rankings_are_judged_by_the_planted_genes_whatever_the_sign(monkeypatch):
    rng = np.random.default_rng(0)
    is_planted = np.arange(200) < 20
    table = pd.DataFrame({"gene_id": [f"G{i:03d}" for i in range(200)]} | {name: rng.normal(size=200) for name in specificity.RANKINGS})
    table["pcri"] = np.where(is_planted, -5.0, 1.0) + 0.1 * rng.normal(size=200)
    monkeypatch.setattr(specificity, "planted", lambda profile, cell_type: pd.Series(is_planted[::-1], index=table["gene_id"][::-1]))
    found = specificity.aberrant(load_profile("sim"), ("S01", "S02"), table, n_resamples=60).set_index(["ranking", "metric"])
    assert found.loc["PCRI", "value"].tolist() == [1, 1] and found["aberrant"].unique().tolist() == [20]
    for metric, peer in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
        row = found.loc[("predicted expression", metric)]
        assert row["value"] == pytest.approx(peer(is_planted, table["predicted"].abs())) and row["low"] < row["value"] < row["high"]
    assert specificity.aberrant(load_profile("h1-demo"), ("a", "b"), table).empty


def test_claims_get_what_is_beside_the_mean_over_cell_types_of_genes_that_all_have():
    table = three(30)
    table.loc[0, "own_change"] = np.nan                                          # G000 of T01
    differences = pd.DataFrame({"gene_id": ["G000"], "fold": [1], "pcri": [2.0], "predicted": [1.0], "measured": [3.0]})
    scores = specificity.for_claims(table, differences)
    name = "change beyond others' pCREs, less its mean over cell types"
    assert scores.groupby("model").size().to_dict() == {name: 87, "difference of PCRI": 3}
    part = table[table["gene_id"] == "G004"].set_index("cell_type")
    row = scores[(scores["gene_id"] == "G004") & (scores["cell_type"] == "T03")].iloc[0]
    assert row["score"] == pytest.approx(part["own_change"]["T03"] - part["own_change"].mean())
    assert row["target"] == pytest.approx(part["measured"]["T03"] - part["measured"].mean())
    assert specificity.for_claims(table[table["cell_type"] == "T01"], differences.iloc[:0]).empty
    assert specificity.for_claims(table.iloc[:0], differences.iloc[:0]).empty
