"""PCRI: as a plain recomputation has it, by hand on a few numbers, and what it can and cannot mean."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from benchmarks import peer
from chromolib import Chromoformer, GeneDataset, InputError, ModelConfig, load_released
from chromolib.analysis import pcri
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


def distances_by_hand(promoter, regulatory):
    """Gene by gene and dimension by dimension, with the mean and SD of both embeddings of all genes."""
    found = []
    for one, other in zip(promoter, regulatory, strict=True):
        total = 0.0
        for k in range(promoter.shape[1]):
            both = [*promoter[:, k], *regulatory[:, k]]
            mean, sd = np.mean(both), np.std(both)
            total += ((one[k] - mean) / sd - (other[k] - mean) / sd) ** 2
        found.append(total**0.5)
    return found


# Against full embeddings


def test_pcri_is_that_of_the_full_embeddings_of_the_release_on_50_genes(pair, data, table):
    theirs, _ = pair
    parts = [release_embeddings(theirs, data.batch(range(i, i + CHUNK))) for i in range(0, 50, CHUNK)]
    promoter, regulatory, predicted = (torch.cat(part).double().numpy() for part in zip(*parts, strict=True))
    assert promoter.shape == regulatory.shape == (50, 384)
    assert table["pcri"].tolist() == pytest.approx(distances_by_hand(promoter, regulatory), rel=1e-4)
    assert table["predicted"].tolist() == pytest.approx(predicted.tolist(), abs=1e-5)


def test_change_is_that_of_the_same_network_on_the_same_gene_with_contacts_of_zero(pair, data, table):
    theirs, _ = pair
    batch = data.batch(range(20))
    _, _, silent = release_embeddings(theirs, replace(batch, contact=batch.contact * 0))
    change = table["predicted"][:20] - silent.double().numpy()
    assert table["change"][:20].tolist() == pytest.approx(change.tolist(), abs=1e-5)


# What it means


def test_genes_without_pcres_do_not_change_and_their_pcri_is_that_of_their_promoter(table):
    lone = table[table["n_pcres"] == 0]
    assert len(lone) == 6
    assert lone["change"].abs().max() < 1e-6 and lone["exchanged"].abs().max() < 1e-6
    assert lone["shift"].max() < 1e-4 and (lone["pcri"] - lone["pcri_alone"]).abs().max() < 1e-4
    connected = table[table["n_pcres"] > 0]
    assert connected["shift"].min() > 0.1 and (connected["change"].abs() > 1e-6).all()


def test_standardised_together_only_a_gene_to_which_nothing_happens_has_no_distance():
    promoter = np.random.default_rng(0).normal(size=(40, 6))
    moved = promoter + np.where(np.arange(40)[:, None] < 30, 5.0, 0.0)           # ten genes stay
    together, apart = (pcri.distance(promoter, moved, standard) for standard in ("together", "apart"))
    assert (together[30:] == 0).all() and together[:30].min() > 1
    assert apart[30:].min() > apart[:30].max()                                   # apart, those that stay seem to move most
    everyone = promoter + 5.0
    assert pcri.distance(promoter, everyone, "apart").max() < 1e-12 and pcri.distance(promoter, everyone).min() > 1


def test_distance_by_hand():
    promoter, regulatory = np.array([[0.0, 7.0], [2.0, 7.0]]), np.array([[4.0, 7.0], [2.0, 7.0]])
    # First dimension: 0, 2, 4, 2 has SD √2; the second does not vary.
    assert pcri.distance(promoter, regulatory).tolist() == pytest.approx([4 / 2**0.5, 0])
    # Apart: -1 and 1 beside 1 and -1.
    assert pcri.distance(promoter, regulatory, "apart").tolist() == pytest.approx([2, 2])
    with pytest.raises(InputError, match="standard 'each', expected together or apart"):
        pcri.distance(promoter, regulatory, "each")


def test_regulatory_embedding_has_one_length_so_that_its_sum_with_the_promoter_s_measures_nothing(pair, data):
    _, ours = pair
    found = pcri.embed(ours, data)
    length = np.linalg.norm(found.regulatory.reshape(50, 3, 128), axis=2)
    assert length.ravel().tolist() == pytest.approx([128**0.5] * 150, rel=1e-3)  # it leaves a LayerNorm
    sums = np.linalg.norm((found.promoter + found.regulatory) - found.promoter, axis=1)
    assert np.ptp(sums) < 0.01 < np.ptp(np.linalg.norm(found.regulatory - found.promoter, axis=1))


def test_order_of_genes_changes_nothing_but_with_whom_they_exchange(pair, data, table):
    order = np.random.default_rng(1).permutation(50)
    shuffled = pcri.of_network(pair[1], data.select(genes=data.genes["gene_id"].iloc[order].tolist()))
    for column in ("pcri", "pcri_alone", "shift", "change", "pcri_scaled"):
        assert shuffled[column].tolist() == pytest.approx(table[column].iloc[order].tolist(), abs=1e-4), column


def test_exchange_gives_each_gene_the_pcres_of_others_with_about_as_many(pair):
    """All genes have one pCRE, and all of these are the same: nothing changes by exchange."""
    store = random_store(12, n_pcres=1, max_pcres=1)
    store["gene_pcre"][:], store["contact"][:] = 0, 2.0
    same = pcri.of_network(pair[1], GeneDataset(store, task="reg"))
    assert same["exchanged"].tolist() == pytest.approx(same["change"].tolist(), abs=1e-5)
    store["contact"][3:] = 0.0
    store["contact"][2:3] = 4.0
    three = pcri.of_network(pair[1], GeneDataset(store, task="reg"))
    assert (three["exchanged"][:3] - three["change"][:3]).abs().min() > 0
    store["contact"][1:] = 0.0
    one = pcri.of_network(pair[1], GeneDataset(store, task="reg"))
    assert np.isnan(one["exchanged"][0]) and one["exchanged"][1:].abs().max() < 1e-6


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
