"""Rankings of pCREs: counted by hand, and right where the truth is known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from chromolib import GeneDataset, load_profile
from chromolib.analysis import pcres, rankings, tracks
from chromolib.config import ROOT
from chromolib.genome import Region
from chromolib.simulate import acting_contributions, acting_together, ensure_raw, read_truth, truth
from tests.stores import random_store

QUICK = {"n_resamples": 200}


def made(n_genes=60, n_pcres=6, seed=0, **noise):
    """Rankings whose score is the label and noise of this size."""
    rng = np.random.default_rng(seed)
    pairs = pd.DataFrame([(f"G{g:02d}", f"chr1:{1000 * r}-{1000 * r + 500}") for g in range(n_genes) for r in range(n_pcres)], columns=rankings.PAIR)
    label = rng.random(len(pairs)) < 0.4
    parts = [pairs.assign(kind="raises", ranking=name, score=label + size * rng.normal(size=len(pairs)), is_planted=label) for name, size in noise.items()]
    return pd.concat(parts, ignore_index=True)


def test_what_is_known_is_contact_nearness_and_reads_over_the_region():
    data = GeneDataset(random_store(9))
    table = rankings.known(data).pivot(index=rankings.PAIR, columns="ranking", values="score")
    pair = pcres.pairs(data).iloc[5]
    row = table.loc[(pair["gene_id"], pair["region"])]
    assert row["contact frequency"] == pytest.approx(pair["contact"]) and row["nearness"] == -abs(pair["distance"])
    p, rows = data.store.indexes["region"].get_loc(pair["region"]), data.store["pcre_row"].values
    depth = data.store["pcre_depth"].sel(mark="H3K27ac").values[rows[p] : rows[p + 1]]
    assert row["H3K27ac"] == pytest.approx(depth.mean() * Region.parse(pair["region"]).width, rel=1e-5)
    assert row["H3K27ac x contact"] == pytest.approx(row["H3K27ac"] * row["contact frequency"])
    assert set(rankings.known(data.select(marks=["H3K4me3"]))["ranking"]) == {"contact frequency", "nearness"}
    assert rankings.known(data.select(max_pcres=0)).empty


def test_what_an_edit_takes_away_is_the_contribution():
    changes = pd.DataFrame({"gene_id": ["G0", "G0"], "edit": ["a", "b"], "change": [-2.0, 0.5]})
    attributions = pd.DataFrame({"gene_id": ["G0"] * 3, "region": ["promoter", "a", "a"], "mark": ["A", "A", "B"], "attribution": [9.0, 1.0, -3.0]})
    table = rankings.predicted({"pCRE cut": changes}, attributions).set_index(["ranking", "region"])
    assert table["contribution"].to_dict() == {("pCRE cut", "a"): 2, ("pCRE cut", "b"): -0.5, ("attribution", "a"): -2}


def test_contributions_rank_in_the_direction_that_is_looked_for():
    predicted = pd.DataFrame({"gene_id": "G0", "region": ["a", "b", "c"], "ranking": "pCRE cut", "contribution": [2.0, -3.0, 0.1]})
    known = predicted.assign(ranking="contact frequency", score=[1.0, 2.0, 3.0]).drop(columns="contribution")
    truth = predicted[rankings.PAIR].assign(by_rules=[0.5, -0.3, 0.2])
    table = rankings.against(pd.concat([predicted, known]), truth).set_index(["kind", "ranking"])
    for kind, score, is_planted in (("raises", [2, -3, 0.1], [1, 0, 0]), ("lowers", [-2, 3, -0.1], [0, 1, 0]), ("either", [2, 3, 0.1], [1, 1, 0])):
        assert table.loc[(kind, "pCRE cut"), "score"].tolist() == score and table.loc[(kind, "contact frequency"), "score"].tolist() == [1, 2, 3]
        assert table.loc[(kind, "pCRE cut"), "is_planted"].tolist() == is_planted


def test_precision_is_that_of_scikit_learn_pooled_and_within_genes():
    table = made(**{"contact frequency": 2.0, "removal": 0.5})
    found = rankings.precision(table, **QUICK).set_index(["metric", "ranking"])
    for name, part in table.groupby("ranking"):
        assert found.loc[("pooled", name), "value"] == pytest.approx(average_precision_score(part["is_planted"], part["score"]))
        inner = [average_precision_score(g["is_planted"], g["score"]) for _, g in part.groupby("gene_id") if 0 < g["is_planted"].sum() < len(g)]
        assert found.loc[("within genes", name), "value"] == pytest.approx(np.mean(inner))
        assert found.loc[("within genes", name), "genes"] == len(inner)
    row = found.loc[("pooled", "removal")]
    assert row["above"] == pytest.approx(row["value"] - found.loc[("pooled", "contact frequency"), "value"]) and row["above_low"] > 0
    assert row["random"] == pytest.approx(row["planted"] / row["pairs"]) and row["low"] < row["value"] < row["high"]
    assert (found.xs("contact frequency", level="ranking")[["above", "above_low", "above_high"]] == 0).all(axis=None)


def test_interval_counts_genes_and_not_pairs():
    table = made(20, 1, removal=1.0)
    table = pd.concat([table.assign(region=table["region"] + str(i)) for i in range(8)])       # the same eight times in each gene
    wide, narrow = (rankings.precision(part, "removal", **QUICK).iloc[0] for part in (table, table.assign(gene_id=table["gene_id"] + table["region"])))
    assert wide["high"] - wide["low"] > 1.8 * (narrow["high"] - narrow["low"])


def test_ranking_without_knowledge_is_not_told_from_chance():
    table = made(200, removal=100.0, **{"contact frequency": 100.0})
    found = rankings.precision(table, **QUICK)
    others = found[found["ranking"] != "contact frequency"]
    assert others[["metric", "ranking"]].to_numpy().tolist() == [["pooled", "removal"], ["within genes", "removal"]]
    assert (others["above_low"] < 0).all() and (others["above_high"] > 0).all()
    assert rankings.precision(table.assign(is_planted=False), **QUICK).empty


def test_agreement_has_the_sign_of_contributions():
    rng = np.random.default_rng(0)
    truth = made(removal=1.0)[rankings.PAIR].assign(contribution=rng.normal(size=360), state="active")
    table = truth[rankings.PAIR].assign(ranking="removal", contribution=-truth["contribution"] + 0.1 * rng.normal(size=360))
    row = rankings.agreement(table, truth, **QUICK).iloc[0]
    assert row["pearson"] < -0.9 and row["spearman_high"] < -0.9 and row["state"] == "all"
    assert rankings.agreement(table, truth.assign(contribution=0.0), **QUICK)["pearson"].isna().all()


def test_planted_contributions_follow_from_the_rules_in_both_cohorts():
    profile = load_profile("smoke")
    ensure_raw(profile)
    truth = read_truth(profile, "pcres", "S01")
    np.testing.assert_allclose(acting_contributions(truth), truth["contribution"], atol=2e-4)  # as the file rounds
    table = rankings.planted(profile, "S01")
    assert 0.1 < (table["by_rules"].abs() >= rankings.LEAST).mean() < 0.9
    real = load_profile(ROOT / "data" / "profiles" / "h1-demo.yml")
    assert rankings.planted(real, "E003").empty and rankings.planted_together(real, "E003").empty


def test_pcres_that_polycomb_binds_lower_expression_together_by_the_switch_and_not_by_their_sum():
    pcres = pd.DataFrame({"gene_id": ["G0"] * 4 + ["G1"], "state": ["polycomb"] * 3 + ["active"] * 2, "level": [0.0, 0, 0, 2, 2], "contact": 1.5, "is_intra": [1, 1, 1, 1, 0]})
    together = acting_together(pcres)
    assert together["G0"] == pytest.approx(truth.ACTIVATION - truth.repression(3)) and together["G1"] == 0  # 2 x (1.5 - 1) is 1
    assert abs(together["G0"] - acting_contributions(pcres)[:4].sum()) > 0.05


def test_what_pcres_contribute_together_is_that_of_the_genes_and_by_the_rules_where_nothing_was_planted():
    profile = load_profile("smoke")
    ensure_raw(profile)
    planted = rankings.planted_together(profile, "S01")
    rules = acting_together(read_truth(profile, "pcres", "S01"))
    np.testing.assert_allclose(planted[rules.index], rules, atol=2e-3)            # as the file rounds
    assert (planted.drop(rules.index) == 0).all()
    simulation = profile.inputs.simulation.model_copy(update={"effects": "promoter"})
    null = profile.model_copy(update={"inputs": profile.inputs.model_copy(update={"simulation": simulation})})
    assert rankings.planted_together(null, "S01").equals(rules)


def test_rankings_of_a_cell_type_hold_the_pairs_that_its_network_was_asked_about():
    data = GeneDataset(random_store(12), task="reg")
    pairs = pcres.pairs(data)[rankings.PAIR][:6]
    changes = pd.concat([pairs.assign(cell_type=name, edit=pairs["region"], change=-1.0) for name in ("T01", "other")])
    attributions = pairs.assign(cell_type="T01", mark="A", attribution=2.0)
    table = rankings.of_cell_type(data, {rankings.CUT: changes}, attributions, pairs.assign(by_rules=1.0))
    assert set(table["cell_type"]) == {"T01"} and table.groupby(["kind", "ranking"]).size().eq(6).all()
    assert set(table["ranking"]) == {rankings.CUT, rankings.ATTRIBUTION, "contact frequency", "nearness", "H3K27ac", "H3K27ac x contact"}
    scores = rankings.for_claims(table.assign(is_planted=table["region"] == pairs["region"].iloc[1]))
    assert {"raises: pCRE cut", "either: nearness"} <= set(scores["model"]) and rankings.for_claims(table[:0]).empty


def test_gene_of_the_figure_is_the_one_with_the_largest_contribution():
    data = GeneDataset(random_store(12), task="reg")
    pairs = pcres.pairs(data)[rankings.PAIR]
    contributions = pairs.assign(contribution=np.where(np.arange(len(pairs)) == 7, -9.0, 1.0))
    gene = rankings.most_changed(contributions, data)
    assert gene["gene_id"] == pairs["gene_id"].iloc[7]
    regions = rankings.with_contributions(tracks.gene_regions(data, gene["gene_id"]), contributions, gene["gene_id"])
    assert np.isnan(regions["contribution"][0]) and (regions.set_index("region")["contribution"][pairs["region"].iloc[7]] == -9)
    assert rankings.most_changed(contributions[:0], data)["gene_id"] in set(data.genes["gene_id"])
