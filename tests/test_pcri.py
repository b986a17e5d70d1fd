"""PCRI: as a plain recomputation has it, by hand on a few numbers, and what it can and cannot mean."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from benchmarks import peer
from chromolib import Chromoformer, GeneDataset, InputError, ModelConfig, load_profile, load_released, studies
from chromolib.analysis import claims, embeddings, pcri, specificity
from chromolib.config import MARKS
from tests.stores import random_store

QUICK = {"n_resamples": 60}
CHUNK = 10  # genes at a time: the release needs about 100 MB for each


@pytest.fixture(scope="module")
def data():
    """Fifty genes with 0 to 8 pCREs on both strands."""
    return GeneDataset(random_store(50, n_pcres=40), task="reg")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The release's regressor with random weights, and ours loaded from its checkpoint."""
    path = tmp_path_factory.mktemp("weights") / "released.pt"
    theirs = peer.network("reg", seed=7)
    path.write_bytes(peer.checkpoint(theirs).getvalue())
    return theirs, load_released(path)


@pytest.fixture(scope="module")
def table(pair, data):
    return pcri.of_network(pair[1], data)


@torch.no_grad()
def release_embeddings(theirs, batch):
    """What the release's network computes at the TSS, (gene, 384) each: promoter, and after its Regulation transformers; and its
    prediction."""
    seen = {}
    hooks = [module[width].register_forward_hook(lambda _, __, out, key=(name, width): seen.__setitem__(key, out))
             for name, module in (("embed", theirs.embed), ("regulation", theirs.regulation)) for width in module]  # fmt: skip
    try:
        with peer.on_cpu():
            out = peer.run(theirs, peer.inputs(batch)).squeeze(-1)
    finally:
        for hook in hooks:
            hook.remove()
    widths = ("2000", "500", "100")
    promoter = torch.cat([seen["embed", width][1][:, 0] for width in widths], 1)
    return promoter, torch.cat([seen["regulation", width][:, 0] for width in widths], 1), out


def distances_by_hand(promoter, regulatory, together):
    """Gene by gene and dimension by dimension, with the mean and SD of each embedding over all genes, or of both together."""
    found = []
    for gene in range(len(promoter)):
        total = 0.0
        for k in range(promoter.shape[1]):
            parts = [promoter[:, k], regulatory[:, k]]
            over = [np.concatenate(parts)] * 2 if together else parts
            one, other = ((part[gene] - values.mean()) / values.std() for part, values in zip(parts, over, strict=True))
            total += (one - other) ** 2
        found.append(total**0.5)
    return found


# Against full embeddings


def test_pcri_is_that_of_the_full_embeddings_of_the_release_on_50_genes(pair, data, table):
    theirs, _ = pair
    parts = [release_embeddings(theirs, data.batch(range(i, i + CHUNK))) for i in range(0, 50, CHUNK)]
    promoter, regulatory, predicted = (torch.cat(part).double().numpy() for part in zip(*parts, strict=True))
    assert promoter.shape == regulatory.shape == (50, 384)
    read = promoter + regulatory                                                 # what its heads read
    for column, after, together in (("pcri", read, False), ("pcri_bare", regulatory, False), ("pcri_together", regulatory, True), ("pcri_sum", read, True)):
        assert table[column].tolist() == pytest.approx(distances_by_hand(promoter, after, together), rel=1e-4), column
    assert table["predicted"].tolist() == pytest.approx(predicted.tolist(), abs=1e-5)


def test_change_is_that_of_the_same_network_on_the_same_gene_with_contacts_of_zero(pair, data, table):
    theirs, _ = pair
    batch = data.batch(range(20))
    _, _, silent = release_embeddings(theirs, replace(batch, contact=batch.contact * 0))
    change = table["predicted"][:20] - silent.double().numpy()
    assert table["pcre_change"][:20].tolist() == pytest.approx(change.tolist(), abs=1e-5)


# What it means


def test_genes_without_pcres_do_not_change_and_their_pcri_is_that_of_their_promoter(table):
    lone = table[table["n_pcres"] == 0]
    assert len(lone) == 6
    assert lone[["pcre_change", "others_change", "own_change"]].abs().max().max() < 1e-6
    assert lone[["shift", "pcri_own"]].max().max() < 1e-4 and (lone["pcri"] - lone["pcri_alone"]).abs().max() < 1e-4
    connected = table[table["n_pcres"] > 0]
    assert connected[["shift", "pcri_own"]].min().min() > 0.1 and (connected["pcre_change"].abs() > 1e-6).all()
    assert lone["pcri"].min() > connected["pcri"].median()                       # it means nothing by itself: see `embeddings.distance`


def test_regulatory_embedding_has_one_length_so_that_its_sum_with_the_promoter_s_lies_as_far_for_all(pair, data, table):
    found = embeddings.embed(pair[1], data)
    length = np.linalg.norm(found.regulatory.reshape(50, 3, 128), axis=2)
    assert length.ravel().tolist() == pytest.approx([128**0.5] * 150, rel=1e-3)  # it leaves a LayerNorm
    spread = table[table["n_pcres"] > 0][["pcri", "pcri_sum"]].agg(lambda values: values.std() / values.mean())
    assert spread["pcri_sum"] < 0.02 and spread["pcri"] > 5 * spread["pcri_sum"]


def test_order_of_genes_changes_nothing_but_with_whom_they_exchange(pair, data, table):
    order = np.random.default_rng(1).permutation(50)
    shuffled = pcri.of_network(pair[1], data.select(genes=data.genes["gene_id"].iloc[order].tolist()))
    for column in ("pcri", "pcri_alone", "shift", "pcre_change", "pcri_scaled"):
        assert shuffled[column].tolist() == pytest.approx(table[column].iloc[order].tolist(), abs=1e-4), column


def test_where_all_pcres_are_the_same_exchange_changes_nothing(pair):
    store = random_store(12, n_pcres=1, max_pcres=1)
    store["gene_pcre"][:], store["contact"][:] = 0, 2.0
    same = pcri.of_network(pair[1], GeneDataset(store, task="reg"))
    assert same["own_change"].abs().max() < 1e-5 and same["pcri_own"].max() < 1e-3 and same["pcre_change"].abs().min() > 1e-3


def test_gene_that_exchanges_with_none_has_no_control(pair):
    store = random_store(12, n_pcres=1, max_pcres=1)
    store["gene_pcre"][:], store["contact"][:] = 0, 0.0
    store["contact"][3] = 2.0
    store["gene_pcre"][[i for i in range(12) if i != 3]] = -1
    one = pcri.of_network(pair[1], GeneDataset(store, task="reg"))
    assert np.isnan(one.loc[3, ["others_change", "own_change", "pcri_own"]].astype(float)).all() and one.loc[3, "shift"] > 0.1
    assert one.drop(index=3)["others_change"].abs().max() < 1e-6


@torch.no_grad()
def test_two_genes_exchange_their_pcres_and_contacts(pair):
    store = random_store(12, n_pcres=2, max_pcres=1)
    store["gene_pcre"][:], store["contact"][:] = -1, 0.0
    store["gene_pcre"][2:4, 0], store["contact"][2:4, 0] = [0, 1], [2.0, 5.0]
    data, model = GeneDataset(store, task="reg"), pair[1]
    batch, swapped = data.batch([2, 3]), data.batch([3, 2])
    given = replace(batch, pcre=swapped.pcre, is_padding=swapped.is_padding, contact=swapped.contact)
    change = model(given) - model(data.select(max_pcres=0).batch([2, 3]))
    assert pcri.of_network(model, data)["others_change"][2:4].tolist() == pytest.approx(change.tolist(), abs=1e-5)
    assert (model(given) - model(batch)).abs().min() > 1e-3


def test_distance_from_another_s_has_no_sign_and_from_the_mean_of_several_only_that_of_the_skew():
    """Where pCREs are exchanged at will, far is not up: the law behind the control, on numbers in place of a network."""
    rng = np.random.default_rng(0)
    own, *others = np.exp(rng.normal(size=(5, 20_000)))                          # a few stand out, upwards
    assert abs(stats.spearmanr(np.abs(own - others[0]), own - others[0]).statistic) < 0.03
    beside_mean = own - np.mean(others, axis=0)
    half = np.arange(20_000) % 2 == 0
    skew = [stats.spearmanr(np.abs(beside_mean[part]), beside_mean[part]).statistic for part in (half, ~half)]
    assert abs(skew[0]) > 0.05 and abs(skew[0] - skew[1]) < 0.05                 # the same whatever the label


def test_classifier_has_a_change_of_log_odds(data):
    model = Chromoformer(ModelConfig(task="clf"))
    table = pcri.of_network(model, data.select(genes=data.genes["gene_id"].tolist()[:6]))
    with torch.no_grad():
        logits = model(data.batch(range(6)))
    assert table["predicted"].tolist() == pytest.approx((logits[:, 1] - logits[:, 0]).tolist(), abs=1e-5)
    assert table["measured"].tolist() == data.genes["label"][:6].tolist()


def test_network_that_reads_no_pcres_and_data_of_another_kind_are_refused(data):
    alone = Chromoformer(ModelConfig(task="reg", pairwise_layers=0, regulation_layers=0))
    with pytest.raises(InputError, match="T01: PCRI of a network that reads no pCREs, expected one trained with contacts; leave the cell type out"):
        pcri.of_network(alone, data)
    with pytest.raises(InputError, match="T01: window_bp is 10000, the network reads 40000"):
        pcri.of_network(Chromoformer(ModelConfig(task="reg")), data.select(window_bp=10_000))
    assert pcri.of_runs([]).columns.tolist() == list(pcri.COLUMNS) and pcri.of_runs([]).empty


# Statistics over genes


def genes_of(n=40, *, cell_types=("T01",), folds=(1, 2), seed=0, **columns):
    """Rows as of `of_runs`: genes on and off by turns, every tenth without pCREs; columns not given are noise."""
    rng, tables = np.random.default_rng(seed), []
    for cell_type in cell_types:
        i = np.arange(n)
        table = pd.DataFrame({"cell_type": cell_type, "fold": np.resize(folds, n), "gene_id": [f"G{k:03d}" for k in i], "symbol": [f"S{k}" for k in i],
                              "label": np.where(i // 2 % 2, "on", "off"), "n_pcres": np.where(i % 10, 3, 0)})  # fmt: skip
        for name in pcri.COLUMNS[6:]:
            table[name] = columns.get(name, rng.normal(size=n))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def test_correlations_are_the_mean_over_networks_of_genes_with_pcres():
    table = genes_of(60)
    found = pcri.correlations(table, [("pcri", "pcre_change")], **QUICK).set_index("genes")
    connected = table[table["n_pcres"] > 0]
    for name, part in {"on": connected[connected["label"] == "on"], "off": connected[connected["label"] == "off"], "all": connected}.items():
        by_fold = [stats.spearmanr(rows["pcri"], rows["pcre_change"]).statistic for _, rows in part.groupby("fold")]
        assert found.loc[name, "value"] == pytest.approx(np.mean(by_fold)) and found.loc[name, ["n", "parts"]].tolist() == [len(part), 2]
        assert found.loc[name, "low"] < found.loc[name, "value"] < found.loc[name, "high"]


def test_networks_are_not_ranked_among_each_other():
    table = genes_of(60)
    moved = table.assign(pcri=table["pcri"] + 100 * (table["fold"] == 2), change=table["pcre_change"] - 100 * (table["fold"] == 2))
    pd.testing.assert_frame_equal(pcri.correlations(moved, **QUICK), pcri.correlations(table, **QUICK))
    pd.testing.assert_frame_equal(pcri.by_label(moved, ["pcri"], **QUICK)[["roc_auc", "low"]], pcri.by_label(table, ["pcri"], **QUICK)[["roc_auc", "low"]])


def test_by_label_is_the_rank_sum_of_genes_with_pcres():
    table = genes_of(60, folds=(1,))
    row = pcri.by_label(table, **QUICK).set_index("what").loc["change by pCREs"]
    part = table[table["n_pcres"] > 0]
    on, off = (part.loc[part["label"] == label, "pcre_change"] for label in ("on", "off"))
    assert row["roc_auc"] == pytest.approx(roc_auc_score(part["label"] == "on", part["pcre_change"]))
    assert row["roc_auc"] == pytest.approx(stats.mannwhitneyu(on, off).statistic / len(on) / len(off))  # what the rank-sum test is of
    assert (row["p"] < 0.05) == (not row["low"] <= 0.5 <= row["high"]) and row["q"] >= row["p"]
    assert row[["on", "off"]].tolist() == pytest.approx([on.median(), off.median()]) and row["n"] == 54


def test_network_of_one_label_means_nothing_and_is_passed_over():
    table = genes_of(60)
    half = table[(table["fold"] == 1) | (table["label"] == "on")]
    assert pcri.by_label(half, ["pcre_change"], **QUICK)["parts"].tolist() == [1]
    few = table.drop(index=table[(table["fold"] == 2) & (table["label"] == "on")].index[1:])  # one is in two of three resamples
    found = pcri.by_label(few, ["pcre_change"], **QUICK).iloc[0]
    assert found["parts"] == 1 and found["low"] < found["roc_auc"] < found["high"]
    assert found["roc_auc"] == pcri.by_label(few[few["fold"] == 1], ["pcre_change"], **QUICK)["roc_auc"].item()
    none = pcri.by_label(table[table["label"] == "on"], ["pcre_change"], **QUICK).iloc[0]
    assert none["parts"] == 0 and np.isnan(none[["roc_auc", "low", "high", "p", "q"]].astype(float)).all()


def test_choices_are_held_against_the_one_taken():
    table = genes_of(60)
    table["pcri_bare"], table["pcri_together"] = table["pcri"] ** 3, -table["pcri"]
    table["shift"] = np.where(table["n_pcres"] > 0, table["pcre_change"].abs(), 0)
    found = pcri.choices(table).set_index("choice")
    assert found.index.tolist() == list(pcri.CHOICES.values()) and found["with_pcri"].tolist()[:3] == pytest.approx([1, 1, -1])
    assert found.loc[pcri.CHOICES["shift"], ["with_size", "without_to_with"]].tolist() == pytest.approx([1, 0])
    assert found["n"].tolist() == [54] * 6 and pcri.choices(table.iloc[:0]).empty


def test_summary_parts_genes_with_and_without_pcres():
    table = pcri.summary(genes_of(40, pcre_change=np.where(np.arange(40) % 10, 0.5, 0.0)))
    assert table[["pcres", "genes", "pcre_change"]].values.tolist() == [["with", 36, 0.5], ["without", 4, 0.0]]
    assert table["up"].iloc[0] == 1 and np.isnan(table["up"].iloc[1])


# The genes that are moved most


def test_top_is_the_same_share_of_all_genes_of_each_cell_type_fold_and_label_and_has_pcres():
    table = genes_of(400, cell_types=("T01", "T02"))
    table.loc[table["n_pcres"] == 0, "pcri"] = 1e6
    top = pcri.top(table)
    assert pytest.approx(250 / 2369.375) == pcri.TOP_SHARE                       # the paper's 250 of each fold and label
    assert (top["n_pcres"] > 0).all()
    for key, part in table.groupby(["cell_type", "fold", "label"]):
        chosen = top[(top[["cell_type", "fold", "label"]] == list(key)).all(axis=1)]
        assert len(chosen) == np.ceil(pcri.TOP_SHARE * len(part))
        assert chosen["pcri"].min() == part.loc[part["n_pcres"] > 0, "pcri"].nlargest(len(chosen)).min()
    few = table.assign(n_pcres=np.where(table["gene_id"].isin(["G001", "G002"]), 1, 0))
    assert sorted(pcri.top(few)["gene_id"]) == ["G001", "G001", "G002", "G002"]
    assert pcri.top(table.iloc[:0]).empty


def test_enrichment_is_beside_genes_of_the_same_label_with_pcres():
    """Every gene that is on is in the set: among all genes it would look enriched, among these it is not."""
    table = genes_of(80)
    top = pcri.top(table, share=0.5)
    sets = pd.DataFrame({"term": "on", "gene": table.loc[table["label"] == "on", "gene_id"]})
    found = pcri.enriched(table, top, sets)
    n_on = ((table["label"] == "on") & (table["n_pcres"] > 0)).sum()
    assert found["p"].tolist() == [1] and found[["label", "background"]].values.tolist() == [["on", n_on]]
    planted = pd.DataFrame({"term": "planted", "gene": top.loc[top["label"] == "off", "gene_id"]})
    assert pcri.enriched(table, top, planted)[["label", "p"]].values[0].tolist() == ["off", pytest.approx(0, abs=1e-6)]


def test_marks_are_compared_among_top_genes_and_all():
    table = genes_of(80).assign(A=np.arange(80.0))
    top = pcri.top(table, share=0.3)
    found = pcri.marks_by_label(table[table["n_pcres"] > 0], top, ["A", "absent"])
    assert found[["genes", "what"]].values.tolist() == [["top", "A"], ["all", "A"]]
    assert found["n"].tolist() == [len(top), 72]


# What the notebook needs besides


def test_claims_get_each_gene_once_under_each_name():
    table = genes_of(40, cell_types=("T01", "T02")).assign(own_change=[np.nan, *np.ones(79)])
    sets = pd.DataFrame({"term": ["housekeeping (SIM:0000000)"] * 2 + ["other"], "gene": ["G001", "G002", "G003"]})
    carried = table[table["n_pcres"] > 0].assign(A=1.0)
    scores = pcri.for_claims(table, carried, sets)
    assert not scores.duplicated(["cell_type", "task", "model", "gene_id"]).any()
    n = scores.groupby(["task", "model"]).size().to_dict()
    assert n == {("clf", "change by its pCREs"): 80, ("clf", "change beyond others' pCREs"): 79, ("clf", "PCRI, housekeeping genes"): 40,
                 ("clf", "A at pCREs"): 72, ("reg", "PCRI"): 80, ("reg", "PCRI beyond others' pCREs"): 79}  # fmt: skip
    assert scores.loc[scores["model"] == "PCRI, housekeeping genes", "target"].sum() == 2
    assert pcri.for_claims(table.iloc[:0], carried.iloc[:0], sets.iloc[:0]).empty
    subsets = pcri.subsets(table)
    assert len(subsets["on"]["T02"]) + len(subsets["off"]["T02"]) == len(subsets["with pCREs"]["T02"]) == 36
    assert pcri.subsets(table.iloc[:0]) == {"with pCREs": {}, "top": {}, "on": {}, "off": {}}


def test_sets_of_go_that_begin_like_a_planted_one_are_not_taken_for_it():
    table = genes_of(40)
    sets = pd.DataFrame({"term": ["developmental cell growth (GO:0048588)", "housekeeping"], "gene": ["G001", "G002"]})
    models = pcri.for_claims(table, table.iloc[:0], sets)["model"].unique()
    assert not [name for name in models if name.endswith(" genes")]


def test_every_claim_of_this_notebook_is_on_scores_that_it_makes():
    tables = [genes_of(40, cell_types=(name,), seed=k) for k, name in enumerate(("T01", "T02"))]
    table = pd.concat(tables, ignore_index=True)
    sets = pd.DataFrame({"term": [f"{name} (SIM:{k:07d})" for k, name in enumerate(pcri.PLANTED_SETS)], "gene": ["G001", "G003"]})
    carried = table.assign(**dict.fromkeys(MARKS, 1.0))
    differences = pd.DataFrame({"gene_id": ["G000"], "fold": [1], "pcri": [2.0], "measured": [3.0]})
    scores = pd.concat([pcri.for_claims(table, carried, sets), specificity.for_claims(table, differences)])
    made = set(scores[["task", "model"]].itertuples(index=False, name=None))
    for claim in claims.of_notebook("07_pcri"):
        for member in claim.members(load_profile("sim")):
            assert {(claim.task, model) for model in claim.models(member)} <= made
            assert claim.genes in {"all", *pcri.subsets(table)}


def test_what_is_left_out_is_said():
    assert pcri.left_out(studies.study("sim")).empty
    assert pcri.left_out(studies.study("sim"), "found Trp53").to_numpy().tolist() == [["5e, g, 6a, S12", "enriched terms", "gene sets: found Trp53"]]
    demo = pcri.left_out(studies.study("h1-demo"))
    assert demo["figure"].tolist() == ["5e, g, 6a, S12", "6a, S12", "6b, S13"]
    pilot = pcri.left_out(studies.study("pilot-40kb"))
    assert pilot["what"].tolist()[0] == "PCRI of E003" and studies.connected(studies.study("pilot-40kb")) == ("E116",)
    assert studies.connected(studies.study("promoters-18k")) == ()


def test_genes_in_words():
    row = genes_of(1, pcri=12.34, predicted=3.0, pcre_change=0.5, measured=4.0).assign(n_pcres=2)
    assert pcri.in_words(row) == "S0 in T01, off, 2 pCREs: PCRI 12.3, predicted log2(RPKM + 1) 3.0, by its pCREs +0.50; measured 4.0."
    assert pcri.in_words(row.iloc[:0]) == "There is no such gene."
