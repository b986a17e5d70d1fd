"""Integrated gradients: whole, as captum and a loop over single bins have them, and each at its place."""

import numpy as np
import pandas as pd
import pytest
import torch

from chromolib import Batch, Chromoformer, GeneDataset, InputError, ModelConfig, predict
from chromolib.analysis import attribution, tracks
from tests.stores import random_store

TINY = {"d_embedding": 8, "head_width": 8, "embedding_ff": 8, "pairwise_ff": 8, "regulation_ff": 8, "regulation_width": 16, "regulation_layers": 2,
        "regulation_heads": 2, "pairwise_layers": 1}  # fmt: skip


@pytest.fixture(scope="module", params=["reg", "clf"])
def pair(request):
    """Ten genes of both strands, without and with up to eight pCREs, and a small network of them."""
    data = GeneDataset(random_store(10), task=request.param)
    return Chromoformer(ModelConfig(task=request.param, **TINY)).eval(), data


def test_attributions_add_up_to_the_difference_of_the_outputs(pair):
    model, data = pair
    few, many = (attribution.explain(model, data, n).genes for n in (8, 256))
    change = many["score"] - many["without"]
    largest = change.abs().max()                                                # kinks of ReLU leave an error of about 1 / n
    assert (many["total"] - change).abs().max() < 0.01 * largest < (few["total"] - change).abs().max() < 0.2 * largest
    table = predict(model, data)
    score = table["logit_on"] - table["logit_off"] if data.task == "clf" else table["expression"]
    np.testing.assert_allclose(many["score"], score, atol=1e-6)


def test_parts_of_a_gene_add_up_to_its_total(pair):
    model, data = pair
    found = attribution.explain(model, data, 8)
    by_gene = found.regions.groupby("gene_id")["attribution"].sum()
    np.testing.assert_allclose(by_gene[found.genes["gene_id"]], found.genes["total"], atol=1e-6)
    in_promoter = found.regions[found.regions["region"] == "promoter"].groupby("gene_id")["attribution"].sum()
    np.testing.assert_allclose(in_promoter[found.genes["gene_id"]], found.promoter.sum((1, 2)), atol=1e-6)
    assert found.tracks["value"].sum() == pytest.approx(found.genes["total"].sum(), abs=1e-5)


def test_gradient_of_promoter_and_pcres_is_that_of_finite_differences(pair):
    model, data = pair
    (_, batch), = attribution._batches(data)
    ours = attribution._signal_of(attribution.integrated_gradients(model, batch, 1))
    signal = attribution._signal_of(batch)
    middle = [part / 2 for part in signal]
    for number in (0, 2, 3, 5):                                                 # wide and narrow bins, promoter and pCREs
        at = np.unravel_index(int((ours[number].abs()).argmax()), ours[number].shape)
        moved = []
        for step in (-1e-2, 1e-2):
            parts = [part.clone() for part in middle]
            parts[number][at] += step
            moved.append(attribution._score(model, attribution._with_signal(batch, parts)).double().sum().item())
        slope = (moved[1] - moved[0]) / 2e-2
        assert ours[number][at].item() == pytest.approx(slope * signal[number][at].item(), rel=0.05, abs=1e-5)


def test_captum_gives_the_same(pair):
    captum = pytest.importorskip("captum.attr")
    model, data = pair
    batch, n_steps = data.batch(range(len(data))), 8
    widths = list(batch.promoter)

    def score(*parts):
        n = len(widths)
        promoter, pcre, padding = (dict(zip(widths, parts[i : i + n], strict=True)) for i in (0, n, 2 * n))
        made = Batch(promoter, {}, pcre, {width: part.bool() for width, part in padding.items()}, parts[-1], batch.target)
        return attribution._score(model, made.pack())

    peer = captum.IntegratedGradients(score).attribute(
        (*batch.promoter.values(), *batch.pcre.values()), n_steps=n_steps, method="gausslegendre",
        additional_forward_args=(*batch.is_padding.values(), batch.contact),
    )  # fmt: skip
    ours = attribution.integrated_gradients(model, batch.pack(), n_steps).unpack(data.frame_bp)
    for theirs, mine in zip(peer, (*ours.promoter.values(), *ours.pcre.values()), strict=True):
        torch.testing.assert_close(mine, theirs.float(), atol=2e-7, rtol=1e-4)


def test_each_bin_is_credited_at_its_place_on_the_genome():
    store = random_store(2, n_pcres=3, max_pcres=1)
    store["promoter"][:], store["pcre_depth"][:] = 0, 0
    store["promoter"][:, 250] = 5.0                                             # bp 5,000 to 5,100 behind the TSS in genome order
    row = store["pcre_row"].values[store["gene_pcre"].values[1, 0]]
    store["pcre_depth"][row + 2] = 5.0
    data = GeneDataset(store, task="reg", bin_bp=(500, 100))
    model = Chromoformer(ModelConfig(task="reg", bin_bp=(500, 100), **TINY))
    found = attribution.explain(model, data, 4)
    start = {"+": 5000, "-": -5500}                                             # of the wide bin that holds it, in the direction of transcription
    for gene in range(2):
        credited = found.offset[np.abs(found.promoter[gene]).sum(1) > 0]
        first = start[data.genes["strand"][gene]]
        assert (credited.min(), credited.max()) == (first + 50, first + 450)
    track = found.tracks[found.tracks["value"] != 0]
    tss = data.genes["tss"].to_numpy()
    region = store["region"].values[store["gene_pcre"].values[1, 0]]
    pcre = int(region.split(":")[1].split("-")[0])
    for first in (tss[0] + 5000, tss[1] + 5000, pcre):
        here = track[track["start"].between(first, first + 400)]
        assert sorted(here["start"].tolist()) == [first + 100 * i for i in range(5)] and (here["end"] - here["start"]).eq(100).all()
    assert len(track) == 15


def test_view_with_a_narrow_window_and_without_pcres_is_credited_inside_of_it():
    data = GeneDataset(random_store(6), task="reg").select(window_bp=4000, max_pcres=0)
    model = Chromoformer(ModelConfig(task="reg", window_bp=4000, max_pcres=0, **TINY))
    found = attribution.explain(model, data, 4)
    inside = np.abs(found.offset) < 2000
    assert np.abs(found.promoter[:, ~inside]).max(initial=0) == 0 and np.abs(found.promoter[:, inside]).sum() > 0
    assert set(found.regions["region"]) == {"promoter"}


def hand_made(values, labels, offset=(-1500.0, -500.0, 500.0, 1500.0, 2500.0)):
    """Attributions of one mark by gene and bin of 1 kb, without tables that do not matter."""
    genes = pd.DataFrame({"cell_type": "T", "gene_id": [f"G{i}" for i in range(len(labels))], "label": labels})
    return attribution.Attributions(genes, pd.DataFrame(), np.array(values, np.float32)[..., None], np.array(offset), pd.DataFrame())


def test_mean_by_label_is_that_of_the_genes_in_bins_that_begin_at_the_tss():
    found = hand_made([[1, 1, 1, 1, 0], [3, 3, 3, 3, 0], [0, 0, 0, 0, 9], [2, 2, 2, 2, 9]], [1, 1, 0, 0])
    table = attribution.by_label(found, ["A"]).set_index("label")
    assert table.loc["on", "offset"].tolist() == [-1000, 1000, 3000] and table.loc["on", "mean"].tolist() == [4, 4, 0]
    np.testing.assert_allclose(table.loc["on", "high"] - table.loc["on", "mean"], [1.96 * 2, 1.96 * 2, 0], rtol=1e-6)
    assert table.loc["off", "mean"].tolist() == [2, 2, 9] and (table["n"] == 2).all()


def test_maximum_is_where_most_genes_that_are_on_have_it():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (40, 20))
    values[:20, 14] += 1
    values[20:, 3] += 9                                                         # of genes that are off
    found = hand_made(values, [1] * 20 + [0] * 20, offset=(np.arange(20) - 9.5) * 2000)
    row = attribution.maxima(found, ["A"], n_resamples=100).iloc[0]
    assert row[["offset", "low", "high", "genes"]].tolist() == [9000, 9000, 9000, 20] and row["value"] == pytest.approx(1, abs=0.1)
    assert row["downstream"] == pytest.approx(values[:20, 11:].mean(0).sum(), abs=1e-5)
    scores = attribution.for_claims(found, ["A"]).set_index(["model", "gene_id"])["score"]
    assert scores["A, downstream"]["G0"] == pytest.approx(values[0, 11:].sum(), abs=1e-5) and len(scores) == 2 * 2 * 20
    assert scores["all marks, upstream"]["G0"] == pytest.approx(values[0, :9].sum(), abs=1e-5)


def test_track_of_a_gene_has_each_bin_once_and_where_its_region_is_drawn():
    """A promoter window of 400 bp, a pCRE of 150 bp inside of it, and one far away."""
    regions = pd.DataFrame({"what": ["promoter", "pCRE", "pCRE"], "region": ["chr1:800-1200", "chr1:900-1050", "chr1:9000-9100"],
                            "start": [800, 900, 9000], "end": [1200, 1050, 9100], "x_start": [0, 100, 2400]})  # fmt: skip
    bins = [("promoter", start, start + 100, 1.0) for start in range(800, 1200, 100)]
    bins += [("chr1:900-1050", 900, 1000, 5.0), ("chr1:900-1050", 1000, 1050, 7.0), ("chr1:9000-9100", 9000, 9100, 9.0)]
    beyond = [("promoter", 1200, 1300, 0.0)]                                    # padding, which no figure has a place for
    table = pd.DataFrame(bins + beyond, columns=["region", "start", "end", "value"]).assign(gene_id="G0", chrom="chr1")
    found = attribution.gene_track(pd.concat([table, table.assign(gene_id="G1")]), "G0", regions)
    assert found["value"].tolist() == [1, 1, 1, 1, 5, 7, 9]
    assert found["x"].tolist() == [50, 150, 250, 350, 150, 225, 2450]


def test_every_bin_of_a_gene_is_in_its_track_whatever_its_regions_overlap(pair):
    model, data = pair
    found = attribution.explain(model, data, 2)
    for gene in data.genes["gene_id"]:
        track = attribution.gene_track(found.tracks, gene, tracks.gene_regions(data, gene))
        assert track["value"].sum() == pytest.approx(found.tracks.loc[found.tracks["gene_id"] == gene, "value"].sum(), abs=1e-5)


def test_completeness_is_what_sums_miss_of_what_they_share_by_hand():
    genes = pd.DataFrame({"cell_type": "T", "fold": [1, 1, 2], "seed": 42, "gene_id": ["G0", "G1", "G2"],
                          "score": [3.0, -1.0, 0.5], "without": [1.0, 0.0, 0.5], "total": [1.5, -1.25, 0.25]})  # fmt: skip
    found = attribution.completeness(genes)
    assert found.columns.tolist() == ["cell_type", "fold", "seed", "genes", "shared", "missed", "largest"]
    assert found.to_numpy().tolist() == [["T", 1, 42, 2, 1.5, 0.375, 0.5], ["T", 2, 42, 1, 0, 0.25, 0.25]]


def test_networks_of_fold_changes_are_refused():
    data = GeneDataset(random_store(4), task="reg")
    with pytest.raises(InputError, match="expected a classifier or regressor"):
        attribution.explain(Chromoformer(ModelConfig(task="diff", **TINY)), data)
