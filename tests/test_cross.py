"""Who may predict which gene, by hand; leaks are found; ratios, trees and likeness whose answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromolib import (
    GeneDataset,
    InputError,
    Run,
    ensure,
    inputs,
    load_dataset,
    load_profile,
    load_weights,
    predict,
    studies,
    train,
)
from chromolib.analysis import cross
from tests.stores import random_store

SMALL = {"d_embedding": 8, "embedding_ff": 8, "pairwise_ff": 8, "regulation_layers": 1, "regulation_heads": 2, "regulation_width": 8, "regulation_ff": 8}
GENES = pd.DataFrame({"gene_id": ["m1", "m2", "m3", "m4", "m5"], "fold": [1, 2, 3, 4, 1]})   # of a mouse
HUMAN = pd.DataFrame({"gene_id": ["h1", "h2", "h3", "h4"], "fold": [1, 2, 2, 3]})
# m1: one orthologue; m2: two in one fold; m3: two in two folds; m4: none that is known; m5: one in a fold without a network
PAIRS = pd.DataFrame({"gene_id": ["m1", "m2", "m2", "m3", "m3", "m4", "m5"], "other_gene_id": ["h1", "h2", "h3", "h1", "h2", "h9", "h4"]})


def test_within_a_species_a_gene_is_predicted_by_the_network_that_held_its_fold_out():
    found = cross.allowed(GENES, [1, 2])
    assert found["networks"].tolist() == [(1,), (2,), (), (), (1,)]
    assert found["kind"].tolist() == [cross.OWN, cross.OWN, cross.NOT_TRAINED, cross.NOT_TRAINED, cross.OWN]


def test_across_species_a_gene_is_predicted_by_networks_that_saw_no_orthologue_of_it():
    pairs = cross.orthologous(GENES, HUMAN, PAIRS)
    assert "h9" not in set(pairs["other_gene_id"])                               # nobody trained on it
    found = cross.allowed(GENES, [1, 2], pairs)
    assert found["networks"].tolist() == [(1,), (2,), (), (1, 2), ()]
    assert found["kind"].tolist() == [cross.ONE, cross.ONE, cross.SEVERAL, cross.NONE, cross.NOT_TRAINED]


def said(*rows):
    return pd.DataFrame(rows, columns=["gene_id", "network"])


def test_a_leak_is_found_by_what_was_trained_on():
    seen = pd.DataFrame({"network": [1, 1, 2, 2], "known": ["h2", "h3", "h1", "h4"]})
    answers = PAIRS.rename(columns={"other_gene_id": "known"})
    cross.check_unseen(said(("m1", 1), ("m2", 2), ("m4", 1), ("m4", 2)), seen, answers)
    with pytest.raises(InputError, match="^cross prediction: 1 genes .* first m1 by that of fold 2, which trained on h1; [^\n]*$"):
        cross.check_unseen(said(("m1", 1), ("m1", 2)), seen, answers)
    with pytest.raises(InputError, match="first m3"):                            # one of its orthologues is enough
        cross.check_unseen(said(("m3", 1)), seen, answers)


@pytest.mark.parametrize("networks", [[1], [1, 2], [1, 2, 3, 4]])
def test_the_rule_leaks_nothing_whatever_the_orthologues(networks):
    rng = np.random.default_rng(0)
    mice = pd.DataFrame({"gene_id": [f"m{i}" for i in range(200)], "fold": rng.integers(1, 5, 200)})
    humans = pd.DataFrame({"gene_id": [f"h{i}" for i in range(200)], "fold": rng.integers(1, 5, 200)})
    orthologues = pd.DataFrame({"gene_id": rng.choice(mice["gene_id"], 300), "other_gene_id": rng.choice(humans["gene_id"], 300)})
    pairs = cross.orthologous(mice, humans, orthologues)
    rule = cross.allowed(mice, networks, pairs)
    used = rule.explode("networks").dropna().rename(columns={"networks": "network"})
    seen = pd.concat([humans[humans["fold"] != fold].assign(network=fold) for fold in networks]).rename(columns={"gene_id": "known"})
    answers = orthologues.rename(columns={"other_gene_id": "known"})
    cross.check_unseen(used, seen, answers)
    every = mice[["gene_id"]].merge(pd.DataFrame({"network": networks}), how="cross")
    refused = every.merge(used[["gene_id", "network"]], how="left", indicator=True).query("_merge == 'left_only'")
    assert len(used) and len(refused)
    for gene, network in refused[["gene_id", "network"]].itertuples(index=False):       # each of which would be a leak
        with pytest.raises(InputError, match=f"^cross prediction: 1 genes .* first {gene} by that of fold {network}, which trained on h"):
            cross.check_unseen(said((gene, network)), seen, answers)


def scores_of(source_of, target, fold, cell_type="T", is_across=False, genes=None):
    """Scores of one target by networks of several sources."""
    genes = genes or [f"g{i:03d}" for i in range(len(target))]
    tables = [
        pd.DataFrame({"cell_type": cell_type, "source": source, "is_across": is_across and source != cell_type, "task": "clf", "gene_id": genes,
                      "fold": fold, "score": score, "target": np.asarray(target, float), "n_networks": 1, "kind": cross.OWN})
        for source, score in source_of.items()
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def test_relative_roc_auc_is_the_mean_over_folds_of_ratios_within_them():
    target, fold = [1, 1, 0, 0, 1, 1, 0, 0], [1] * 4 + [2] * 4
    own = [4, 3, 2, 1, 4, 2, 3, 1]                                               # 1 and 0.75
    other = [4, 2, 3, 1, 4, 2, 3, 1]                                             # 0.75 and 0.75
    few = cross.relative(scores_of({"T": own, "S": other}, target, fold), n_resamples=50)
    assert few["source"].tolist() == ["T"]                                       # two genes on and two off tell nothing
    table = cross.relative(scores_of({"T": own * 9, "S": other * 9}, target * 9, fold * 9), n_resamples=50).set_index("source")
    row = table.loc["S"]
    assert row["value"] == pytest.approx((0.75 / 1 + 0.75 / 0.75) / 2) and row["n"] == 72 and row["folds"] == 2
    assert row["low"] <= row["value"] <= row["high"] and table.loc["T", "value"] == 1


def ratios(**pairs):
    names = ["A", "B", "C"]
    value = {tuple(key): number for key, number in pairs.items()}
    rows = [(a, b, 1.0 if a == b else value.get((a, b), value.get((b, a)))) for a in names for b in names]
    return pd.DataFrame(rows, columns=["cell_type", "source", "value"])


def test_tree_joins_the_cell_types_that_lose_least_first():
    found = cross.tree(ratios(AB=0.99, AC=0.9, BC=0.8))
    assert found.merges.iloc[0][["first", "second"]].tolist() == ["A", "B"]
    np.testing.assert_allclose(found.merges["distance"], [0.01, 0.15])           # the mean of 0.1 and 0.2
    assert cross.tree(ratios(AB=0.99, AC=0.9, BC=0.8).query("cell_type == 'A' and source == 'A'")).linkage is None


def test_better_than_the_own_networks_is_no_distance_below_0():
    assert (cross.tree(ratios(AB=1.02, AC=0.9, BC=0.9)).merges["distance"] >= 0).all()


def test_what_is_said_of_one_cell_type_is_right_elsewhere_where_they_agree():
    a = scores_of({"A": [3.0, 2, 1, 0], "B": [0.0, 0, 0, 0]}, [1, 1, 0, 0], 1, "A")
    b = scores_of({"A": [0.0, 0, 0, 0], "B": [0.0, 1, 2, 3]}, [0, 0, 1, 1], 1, "B")
    table = cross.from_own_marks(pd.concat([a, b])).set_index(["cell_type", "source"])
    assert table.loc[("B", "A"), "score"].tolist() == [3.0, 2, 1, 0] and table.loc[("B", "A"), "target"].tolist() == [0, 0, 1, 1]
    assert table.loc[("B", "B"), "score"].tolist() == [0.0, 1, 2, 3]


def test_species_are_compared_on_the_genes_that_both_may_predict():
    rng = np.random.default_rng(0)
    target = np.arange(60) % 2
    own = scores_of({"M": target + 0.1 * rng.normal(size=60)}, target, 1, "M")
    other = scores_of({"H": target + 2 * rng.normal(size=60)}, target, 1, "M", is_across=True).iloc[:40]
    row, = cross.across_species(pd.concat([own, other])).itertuples()
    assert (row.cell_type, row.source, row.n, row.own) == ("M", "H", 40, 1.0) and row.across < 1 and row.high < 0
    two = pd.concat([own, other])
    two["fold"] = two["gene_id"].map({gene: 1 + i // 2 % 2 for i, gene in enumerate(own["gene_id"])})
    apart = two.assign(score=two["score"] + 10 * two["fold"])                    # networks of two folds whose scores lie apart
    pd.testing.assert_frame_equal(cross.across_species(two), cross.across_species(apart))


def of_two_species():
    """Genes of a mouse by networks of both species, but for one that none of the human's may predict, and the other way round."""
    target, fold = [1, 1, 0, 0] * 2, [1] * 4 + [2] * 4
    mouse = scores_of({"M": [4.0, 3, 2, 1, 4, 3, 2, 1], "H": [9.0, 2, 3, 1, 1, 2, 3, 4], "H2": range(8)}, target, fold, "M", is_across=True)
    human = scores_of({"M2": range(8), "M": [4.0, 3, 2, 1, 4, 2, 3, 1], "H": [4.0, 3, 2, 1, 4, 3, 2, 1]}, target, fold, "H", is_across=True)
    return pd.concat([mouse.query("not (source == 'H' and gene_id == 'g000')"), human])


def test_only_genes_that_all_sources_predict_are_on_the_same_genes_by_hand():
    table = cross.on_same_genes(of_two_species(), "M", ["M", "H"])
    assert table.columns.tolist() == ["cell_type", "model", "task", "gene_id", "fold", "score", "target", "kind"]
    assert table["model"].tolist() == ["trained on M"] * 7 + ["trained on H"] * 7 and set(table["cell_type"]) == {"M"}
    assert table["gene_id"].tolist() == [f"g{i:03d}" for i in range(1, 8)] * 2
    assert table["score"].tolist() == [3, 2, 1, 4, 3, 2, 1, 2, 3, 1, 1, 2, 3, 4]
    assert cross.on_same_genes(of_two_species(), "H", ["M", "H"])["gene_id"].nunique() == 8
    assert cross.on_same_genes(of_two_species(), "M", ["M", "H", "none"]).empty


def test_species_stand_beside_each_other_fold_by_fold_by_hand():
    table = cross.species_folds(of_two_species(), "H")
    assert set(table["metric"]) == {"roc_auc"}
    assert table[["cell_type", "model", "fold", "value", "n"]].to_numpy().tolist() == [
        ["M", "trained on M", 1, 1.0, 3], ["M", "trained on M", 2, 1.0, 4], ["M", "trained on H", 1, 0.5, 3], ["M", "trained on H", 2, 0.0, 4],
        ["H", "trained on H", 1, 1.0, 4], ["H", "trained on H", 2, 1.0, 4], ["H", "trained on M", 1, 1.0, 4], ["H", "trained on M", 2, 0.75, 4],
    ]  # fmt: skip
    alone = of_two_species()
    alone = cross.species_folds(alone[~alone["is_across"]], "H")
    assert alone.empty and {"cell_type", "model", "fold", "metric", "value", "n"} == set(alone)


def dataset(seed=0, shift=0.0):
    store = random_store(24, frame_bp=8000, seed=seed, n_pcres=4, max_pcres=2)
    store["promoter"].values[:] += shift * np.asarray(store["label"].values)[:, None, None]
    return GeneDataset(store, bin_bp=(2000, 100))


def test_cell_type_is_like_itself_and_less_like_another():
    data = {"A": dataset(), "B": dataset(), "C": dataset(seed=1)}
    table = cross.similarity(data, ratios(AB=1.0, AC=0.9, BC=0.8)).set_index(["first", "second"])
    same, other = table.loc[("A", "B")], table.loc[("A", "C")]
    assert same["signal"] == pytest.approx(1) and same["labels"] == 1 and same["expression"] == pytest.approx(1) and same["loss"] == 0
    assert other["signal"] < 0.5 and other["labels"] < 1 and other["loss"] == pytest.approx(0.1) and other["n"] == 24
    found = cross.similarity_and_loss(table.reset_index())
    assert found["p"].isna().all() and (found["n"] == 3).all() and (found["value"] < 0).all()


def test_pair_shown_is_the_one_named_or_the_most_marked_of_genes_that_are_on():
    human, mouse = dataset(), dataset(seed=1)
    ids, names = human.genes["gene_id"], human.genes["symbol"]
    pairs = pd.DataFrame({"gene_id": ids, "other_gene_id": mouse.genes["gene_id"]})
    assert cross.example_pair([human, mouse], pairs, names[3])["gene_id"] == ids[3]
    on = (human.genes["label"] == 1) & (mouse.genes["label"] == 1)
    chosen = int(np.flatnonzero(on)[0])
    for part in (human, mouse):
        part.store["promoter"].values[chosen] += 1000
    human, mouse = (GeneDataset(part.store, bin_bp=(2000, 100)) for part in (human, mouse))
    assert cross.example_pair([human, mouse], pairs, "no such gene")["gene_id"] == ids[chosen]
    several = pd.concat([pairs, pairs.iloc[[chosen]].assign(other_gene_id="other")])
    assert cross.example_pair([human, mouse], several, ids[chosen])["gene_id"] != ids[chosen]
    with pytest.raises(InputError, match="^orthologous pair: none of which both genes are on, expected one; name a gene$"):
        cross.example_pair([human, mouse], pairs[~on.to_numpy()])


# Trained networks


@pytest.fixture(scope="module")
def small():
    """Small networks; of another seed than other tests take."""
    network_for = train.network_for
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "network_for", lambda data: replace(network_for(data), **SMALL))
        yield {"seed": 78}


@pytest.fixture(scope="module")
def runs(data_dir, small):
    runs = [Run(profile="smoke", cell_type=cell_type, fold=fold, **small) for cell_type in ("S01", "S02") for fold in (1, 2)]
    ensure(runs)
    return runs


def test_networks_say_of_each_cell_type_what_predict_says_of_its_held_out_genes(runs):
    found = cross.of_runs(runs)
    assert found.counts[["cell_type", "source"]].to_numpy().tolist() == [["S01", "S01"], ["S01", "S02"], ["S02", "S01"], ["S02", "S02"]]
    for cell_type in ("S01", "S02"):
        _, held_out = load_dataset(load_profile("smoke"), cell_type).fold(2)
        expected = predict(load_weights(runs[1].folder), held_out).set_index("gene_id")                   # S01's network
        part = found.scores.query("cell_type == @cell_type and source == 'S01' and fold == 2").set_index("gene_id")
        assert sorted(part.index) == sorted(expected.index)
        np.testing.assert_allclose(part["score"], (expected["logit_on"] - expected["logit_off"]).loc[part.index], atol=1e-6)
        assert (part["n_networks"] == 1).all() and (part["target"] == expected["target"].loc[part.index]).all()


def test_networks_of_expression_say_it_of_each_cell_type(data_dir):
    runs = [Run(profile="smoke", cell_type=cell_type, fold=1, task="reg") for cell_type in ("S01", "S02")]
    ensure(runs)
    found = cross.of_runs(runs).scores.query("cell_type == 'S02' and source == 'S01'").set_index("gene_id")
    _, held_out = load_dataset(load_profile("smoke"), "S02").select(task="reg").fold(1)
    expected = predict(load_weights(runs[0].folder), held_out).set_index("gene_id")
    assert set(found["task"]) == {"reg"} and sorted(found.index) == sorted(expected.index)
    np.testing.assert_allclose(found["score"], expected["expression"].loc[found.index], atol=1e-6)


@pytest.fixture(scope="module")
def both(runs, small):
    """The same and the networks of the mouse."""
    mouse = [Run(profile="smoke-mouse", cell_type="M01", fold=fold, **small) for fold in (1, 2)]
    ensure(mouse)
    return [*runs, *mouse]


def test_of_a_mouse_every_network_of_a_human_predicts_what_has_no_orthologue_and_one_what_has(both):
    found = cross.of_runs(both, inputs.orthologues(load_profile("smoke")))
    part = found.scores.query("cell_type == 'M01' and source == 'S01'").set_index("gene_id")
    assert part["is_across"].all() and set(part["n_networks"]) == {1, 2}
    assert ((part["kind"] == cross.NONE) == (part["n_networks"] == 2)).all()
    human = load_dataset(load_profile("smoke"), "S01").genes.set_index("gene_id")["fold"]
    orthologue = inputs.orthologues(load_profile("smoke")).set_index("other_gene_id")["gene_id"]
    fold = orthologue.map(human)
    assert fold.loc[part.index[part["kind"] == cross.ONE]].isin([1, 2]).all()
    assert not set(fold.index[fold.isin([3, 4])]) & set(part.index)
    assert {name: set(table["kind"]) for name, table in found.scores.query("cell_type == 'S01'").groupby("source")} == {
        "M01": {cross.NONE, cross.ONE}, "S01": {cross.OWN}, "S02": {cross.OWN},
    }  # fmt: skip


def test_two_species_need_orthologues(both):
    with pytest.raises(InputError, match="^cross prediction: two profiles without orthologues, [^\n]*; name a table$"):
        cross.of_runs(both)


def test_a_leak_planted_in_the_orthologues_is_found(both, monkeypatch):
    """The rule is told of no orthologue, while networks trained on them."""
    honest = cross.allowed
    monkeypatch.setattr(cross, "allowed", lambda genes, networks, pairs=None: honest(genes, networks, pairs if pairs is None else pairs.iloc[:0]))
    with pytest.raises(InputError, match="by that of fold [12], which trained on ENS"):
        cross.of_runs(both, inputs.orthologues(load_profile("smoke")))


def test_a_leak_planted_in_the_rule_is_found_before_anything_is_predicted(runs, monkeypatch):
    def careless(genes, networks, pairs=None):
        return pd.DataFrame({"gene_id": genes["gene_id"], "networks": [tuple(networks)] * len(genes), "kind": cross.OWN})

    monkeypatch.setattr(cross, "allowed", careless)
    with pytest.raises(InputError, match="^cross prediction: .* genes would be predicted by networks that know their answers, first [^\n]*$"):
        cross.of_runs(runs)


def test_what_the_smallest_budget_leaves_out_is_told():
    table = cross.left_out(studies.study("sim")).set_index("what")["why"]
    (what,) = [text for text in table.index if text.startswith("other numbers of target genes")]
    assert "S02 as a new cell type" in what and table[what] == "not in the profile's budget"
    assert not any("new cell type" in text for text in cross.left_out(studies.study("sim", "full"))["what"])
