"""Where the TSS bin looks: streamed means against plain ones, maxima and stretches counted by hand, controls that see nothing."""

import numpy as np
import pandas as pd
import pytest
import torch

from chromolib import Chromoformer, GeneDataset, InputError, ModelConfig, answers, inputs, load_profile, studies
from chromolib.analysis import attention, claims, tracks
from chromolib.config import MARKS
from chromolib.runs import Run
from chromolib.studies import OURS
from tests.stores import random_store

BINS = (2000, 500)
SMALL = {"bin_bp": BINS, "d_embedding": 8, "embedding_ff": 8, "pairwise_ff": 8, "regulation_layers": 1, "regulation_heads": 2,
         "regulation_width": 8, "regulation_ff": 8, "head_width": 8}  # fmt: skip
EXACT = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def data():
    return GeneDataset(random_store(24, base_bp=500), bin_bp=BINS)


def network(data, seed=1):
    """Its attention is far from even, as after training."""
    net = Chromoformer(ModelConfig(**SMALL, marks=data.marks, frame_bp=data.frame_bp), seed=seed).eval()
    with torch.no_grad():
        net.embedding.key.weight.mul_(4)
    return net


def rows_of(net, data):
    """Attention of every gene at once, over even: bin width -> (g, h, l)."""
    found = net.tss_attention(data.batch(range(len(data))))
    return {bin_bp: rows.weight.numpy() * rows.weight.shape[-1] for bin_bp, rows in found.items()}


def passed(data, views, **options):
    averages = {}
    return averages, attention.pass_genes(averages, data, views, **({"n_resamples": 40} | options))


def stand_in(monkeypatch, data):
    """The small network in place of trained runs."""
    def networks(runs):
        for run in runs:
            yield run, network(data), data.fold(run.fold)[1]

    monkeypatch.setattr(answers, "networks", networks)


@pytest.fixture
def grid(monkeypatch, data):
    """Two folds."""
    stand_in(monkeypatch, data)
    return {OURS: [Run(profile="sim", cell_type="S01", fold=fold) for fold in (1, 2)]}


# Means over genes


@pytest.mark.parametrize("batch", [5, 256])
def test_streamed_means_are_those_of_all_genes_at_once(monkeypatch, data, batch):
    monkeypatch.setattr(attention, "BATCH", batch)
    net, label = network(data), data.genes["label"].to_numpy()
    averages, _ = passed(data, {OURS: (net, False)})
    for bin_bp, rows in rows_of(net, data).items():
        means = averages["T01", OURS].means("attention", bin_bp)
        on, off = rows[label == 1].mean(0), rows[label == 0].mean(0)
        for name, expected in (("on", on), ("off", off), ("on - off", on - off)):
            np.testing.assert_allclose(means[name][0, :2], expected, **EXACT)
            np.testing.assert_allclose(means[name][0, 2], expected.mean(0), **EXACT)


def test_resamples_weigh_whole_genes_and_hang_neither_on_batches_nor_on_order(monkeypatch, data):
    views, ids = {OURS: (network(data), False)}, data.genes["gene_id"].tolist()
    one, _ = passed(data, views)
    monkeypatch.setattr(attention, "BATCH", 7)
    other, _ = passed(data.select(genes=ids[::-1]), views)
    label, rows = data.genes["label"].to_numpy() == 1, rows_of(network(data), data)[500]
    weight = attention.poisson_weights(ids, 40, 0)[label]                                    # (g, 1 + b)
    expected = np.einsum("gb,ghl->bhl", weight, rows[label]) / weight.sum(0)[:, None, None]
    for averages in (one, other):
        np.testing.assert_allclose(averages["T01", OURS].means("attention", 500)["on"][:, :2], expected, **EXACT)


def test_memory_of_the_sums_does_not_grow_with_the_number_of_genes(data):
    sizes = []
    for some in (data.select(genes=data.genes["gene_id"].tolist()[:6]), data):
        averages, _ = passed(some, {OURS: (network(data), False)})
        sums = averages["T01", OURS]
        sizes.append(sum(array.nbytes for array in (sums.genes, *sums.attention.values(), *sums.asked.values())))
    assert sizes[0] == sizes[1]


def test_folds_add_up_and_controls_stand_beside_the_network(grid, data):
    averages, scores = attention.average(grid, n_resamples=20)
    assert list(averages) == [("T01", OURS), ("T01", attention.UNTRAINED), ("T01", attention.NO_SIGNAL)]
    held_out = data.genes["fold"].isin([1, 2])
    assert averages["T01", OURS].genes[0].tolist() == data.genes[held_out].groupby("label").size().tolist()
    assert set(scores["gene_id"]) == set(data.genes.loc[held_out, "gene_id"])
    rows = rows_of(network(data), data)[2000][(held_out & (data.genes["label"] == 1)).to_numpy()]
    np.testing.assert_allclose(averages["T01", OURS].means("attention", 2000)["on"][0, :2], rows.mean(0), **EXACT)
    # Without signal all genes of a network are alike, and its question is that of an empty window.
    silent = averages["T01", attention.NO_SIGNAL].means("attention", 2000)
    np.testing.assert_allclose(silent["on - off"], 0, atol=1e-5)
    assert not np.allclose(silent["on"][0], averages["T01", OURS].means("attention", 2000)["on"][0], atol=0.05)


def test_intervals_hold_the_mean_and_rows_are_even_on_average(data):
    averages, _ = passed(data, {OURS: (network(data), False)}, n_resamples=200)
    table = attention.by_label(averages)
    assert (table["low"] <= table["high"]).all()
    inside = (table["low"] <= table["value"]) & (table["value"] <= table["high"])
    assert inside.mean() > 0.95
    sums = table.groupby(["model", "bin_bp", "head", "genes"])["value"].mean().unstack()
    np.testing.assert_allclose(sums[["on", "off"]], 1, **EXACT)
    np.testing.assert_allclose(sums["on - off"], 0, atol=1e-5)


# Maxima


def sums_of(rows, label, n_resamples=200):
    """Sums of genes whose attention is given: (g, 1 head, l) of bins of 2,000 bp."""
    sums = attention.Sums(n_resamples)
    weight = attention.poisson_weights([f"G{i}" for i in range(len(rows))], n_resamples, 0)
    sums.add("attention", {2000: rows}, label, weight)
    sums.genes += np.stack([weight[label == k].sum(0) for k in (0, 1)], 1)
    return {("T01", OURS): sums}


def test_maximum_is_located_with_an_interval_and_apart_from_the_tss():
    rng, label = np.random.default_rng(0), np.arange(60) % 2
    rows = rng.uniform(0.9, 1.1, (60, 1, 20))
    rows[:, :, 10] += 3                                                          # the TSS bin, 0 to 2 kb
    rows[label == 1, :, 12] += 1                                                 # 4 to 6 kb
    rows[label == 0, :, 4] += rng.choice([0, 0.05], (30, 1))                     # hardly
    table = attention.maxima(sums_of(rows, label)).query("bins == '2000'").set_index(["head", "genes", "where"])
    assert table.loc[("1", "on", "anywhere"), ["offset", "low", "high"]].tolist() == [1000, 1000, 1000]
    beyond = table.xs("beyond 1 kb", level="where").loc["1"]
    assert beyond.loc["on", ["offset", "low", "high", "in_body", "n"]].tolist() == [5000, 5000, 5000, 1, 30]
    assert beyond.loc["on - off", "offset"] == 5000 and beyond.loc["off", "high"] > beyond.loc["off", "low"]
    assert beyond.loc["on", "attention"] == pytest.approx(rows[label == 1, 0, 12].mean(), abs=1e-5)
    assert set(table.index.get_level_values("head")) == {"1", "both"}


def test_groups_of_too_few_genes_have_no_interval():
    rows, label = np.random.default_rng(0).uniform(size=(4, 1, 20)), np.array([1, 0, 0, 0])
    table = attention.maxima(sums_of(rows, label)).query("bins == '2000' and head == '1' and where == 'anywhere'").set_index("genes")
    assert table.loc["on", "offset"] == tracks.offsets(20, 2000)[rows[0, 0].argmax()]     # there is a place
    assert table.loc["on", ["low", "high", "in_body"]].isna().all()


def test_maximum_over_all_widths_is_that_of_their_mean_in_stretches():
    """By hand: highest at 1 kb in the one, at 3 kb in the other, and there in the mean. No gene is off."""
    label, even = np.ones(2, int), np.ones((2, 1, 1))
    coarse, fine = np.array([1, 1, 1.5, 1.2]) * even, np.array([1, 1, 1, 1, 1, 1, 1, 3]) * even      # 8 kb in bins of 2 and 1 kb
    sums = attention.Sums(1)
    sums.add("attention", {2000: coarse, 1000: fine}, label, np.ones((2, 2)))
    sums.genes += [0, 2]
    np.testing.assert_allclose(sums.together()["on"][0], np.tile([1, 1, 1.25, 1.6], (2, 1)), **EXACT)
    table = attention.maxima({("T01", OURS): sums}).query("head == 'both' and genes == 'on' and where == 'anywhere'").set_index("bins")
    assert table["offset"].to_dict() == {"all": 3000, "2000": 1000, "1000": 3500}
    assert table.loc["all", "attention"] == pytest.approx(1.6)


def test_a_window_within_1_kb_of_the_tss_has_no_maximum_beyond():
    rows = np.random.default_rng(0).uniform(size=(4, 1, 1))
    table = attention.maxima(sums_of(rows, np.array([0, 1, 0, 1])))
    assert set(table["bins"]) == {"2000"} and set(table["where"]) == {"anywhere"}


# Stretches


def test_stretches_split_bins_and_even_attention_is_one_everywhere():
    starts = np.arange(-4000, 4000, 2000)
    for bin_bp in (500, 2000, 4000):
        np.testing.assert_allclose(attention._in_stretches(np.ones((3, 8000 // bin_bp)), bin_bp, starts), 1)
    by_500 = attention._in_stretches(np.arange(16)[None].astype(float), 500, starts)         # TSS between bins 7 and 8
    assert by_500.tolist() == [[1.5, 5.5, 9.5, 13.5]]
    assert attention._in_stretches(np.array([[1.0, 3.0]]), 4000, starts).tolist() == [[1, 1, 3, 3]]


def test_scores_are_attention_to_stretches_of_2_kb(data):
    _, scores = passed(data, {OURS: (network(data), False)})
    wide = scores.pivot(index="gene_id", columns="model", values="score").loc[data.genes["gene_id"]]
    rows = rows_of(network(data), data)
    np.testing.assert_allclose(wide["TSS attention in bins of 2000 bp, 4 to 6 kb"], rows[2000].mean(1)[:, 12], **EXACT)
    np.testing.assert_allclose(wide["TSS attention in bins of 500 bp, -6 to -4 kb"], rows[500].mean(1)[:, 28:32].mean(1), **EXACT)
    together = (rows[2000].mean(1)[:, 12] + rows[500].mean(1)[:, 48:52].mean(1)) / 2
    np.testing.assert_allclose(wide["TSS attention, 4 to 6 kb"], together, **EXACT)
    difference = wide["TSS attention, 4 to 6 kb"] - wide["TSS attention, -6 to -4 kb"]
    np.testing.assert_allclose(wide["TSS attention, downstream less upstream"], difference, **EXACT)


def test_contrast_is_on_less_off_of_downstream_less_upstream(grid):
    averages, scores = attention.average(grid, n_resamples=20)
    table = attention.contrasts(scores, averages, n_resamples=100).set_index(["model", "bins"])
    assert set(table.index) == {(view, bins) for _, view in averages for bins in ("all", "2000", "500")}
    own = scores[scores["model"] == "TSS attention, downstream less upstream"]
    means, row = own.groupby("target")["score"].mean(), table.loc[(OURS, "all")]
    np.testing.assert_allclose(row[["on", "off", "value"]].astype(float), [means[1], means[0], means[1] - means[0]], **EXACT)
    assert row["low"] < row["value"] < row["high"] and row["lowest"] <= row["value"] <= row["highest"] and row["n"] == 12
    np.testing.assert_allclose(table.loc[(attention.NO_SIGNAL, "all"), "value"], 0, atol=1e-5)
    text = attention.statement(table.reset_index())
    assert text.startswith(f"On less off, all bin widths: T01: {row['value']:+.2f} [") and "untrained" in text


def test_windows_that_end_before_the_body_have_no_scores_of_it_and_say_so():
    narrow = GeneDataset(random_store(12, base_bp=500, frame_bp=10_000), bin_bp=(1000, 500))
    averages = {}
    net = Chromoformer(ModelConfig(**(SMALL | {"bin_bp": (1000, 500)}), frame_bp=10_000))
    scores = attention.pass_genes(averages, narrow, {OURS: (net, False)}, n_resamples=5)
    assert set(scores["model"]) == {f"TSS attention, {a} to {a + 2} kb" for a in (-4, -2, 0, 2)}
    assert (none := attention.contrasts(scores, averages)).empty and "the window is too narrow" in attention.statement(none)
    assert attention.for_claims(scores, {"T01": narrow}).equals(scores)
    table = attention.left_out(studies.study("promoters-18k"), pd.DataFrame(columns=["transcript"]))
    why = dict(zip(table["what"], table["why"], strict=True))
    assert why["the claims on 4 to 6 kb"] == "the window ends 5 kb from the TSS" and "H3K9ac" in table["what"].iloc[1]


# Marks


def test_a_mark_draws_attention_by_its_standard_deviation(data):
    net = network(data)
    averages, _ = passed(data, {OURS: (net, False)})
    table = attention.drawn_by(averages, {"T01": data}).set_index(["bin_bp", "head", "genes", "mark"])["value"]
    asked = net.tss_attention(data.batch(range(len(data))))[500].asked.numpy()[data.genes["label"] == 1].mean(0)
    for k, mark in enumerate(data.marks):
        sd = float(data.spread()[500][k])
        np.testing.assert_allclose(table[500, "1", "on", mark], asked[0, k] * sd, **EXACT)


# One gene


def test_maps_hold_the_row_of_the_tss_and_count_from_it(data):
    net, gene = network(data), data.genes["gene_id"].iloc[3]
    table = attention.gene_maps(net, data, gene)
    assert len(table) == 2 * (20**2 + 80**2)
    for bin_bp, rows in rows_of(net, data.select(genes=[gene])).items():
        own = table[(table["bin_bp"] == bin_bp) & (table["query"] == bin_bp / 2)]
        np.testing.assert_allclose(own.pivot(index="head", columns="key", values="attention"), rows[0], **EXACT)
        assert own["key"].min() == -20_000 + bin_bp / 2 and own["key"].max() == 20_000 - bin_bp / 2


def test_network_of_a_gene_is_the_one_that_did_not_train_on_it(grid, data):
    genes = data.genes.set_index("gene_id")["fold"]
    for fold in (1, 2):
        gene = genes.index[genes == fold][0]
        run, _, held_out = attention.network_of(grid[OURS], gene)
        assert run.fold == fold and gene in set(held_out.genes["gene_id"])
    with pytest.raises(InputError, match="no run of folds 1, 2 holds out gene 'ENSG00000000002', expected one; choose a gene"):
        attention.network_of(grid[OURS], genes.index[genes == 3][0])


def test_example_is_held_out_and_the_named_one_if_it_can_be(data):
    study = studies.study("sim")
    assert data.genes.set_index("gene_id").loc[attention.example(study, data)["gene_id"], "fold"] in study.folds
    for name, found in (("GENE4", True), ("GENE2", False)):                      # of folds 1 and 3
        named = studies.Study(**(vars(study) | {"record": study.record.model_copy(update={"example_gene": name})}))
        assert (attention.example(named, data)["symbol"] == name) == found


def test_exons_are_counted_from_the_tss_in_the_direction_of_transcription(monkeypatch, data):
    exons = pd.DataFrame({"transcript": "T", "chrom": ["chr1", "chr1", "chr2"], "start": [10**6, 10**6 + 19_000, 10**6],
                          "end": [10**6 + 300, 10**6 + 30_000, 10**6 + 300]})  # fmt: skip
    monkeypatch.setattr(inputs, "exons", lambda profile, symbol: exons)
    profile, gene = load_profile("sim"), data.genes["gene_id"].iloc[0]           # chr1, +, TSS at 10**6
    assert attention.gene_exons(profile, data, gene)[["start", "end"]].to_numpy().tolist() == [[0, 300], [19_000, 20_000]]
    minus = GeneDataset(data.store.assign(strand=("gene", np.full(len(data), "-"))), bin_bp=BINS)
    assert attention.gene_exons(profile, minus, gene)[["start", "end"]].to_numpy().tolist() == [[-300, 0], [-20_000, -19_000]]
    monkeypatch.setattr(inputs, "exons", lambda profile, symbol: None)
    assert attention.gene_exons(profile, data, gene).empty


def test_profiles_without_an_annotation_have_no_exons():
    assert inputs.exons(load_profile("h1-demo"), "APC") is None


# The paper's claims


def test_every_model_that_a_claim_of_this_notebook_names_has_scores():
    data = GeneDataset(random_store(40, base_bp=100), bin_bp=(2000, 500, 100))
    names = {OURS: MARKS, f"without {attention.MARK}": [mark for mark in MARKS if mark != attention.MARK]}
    tables, averages = [], {}
    for view, marks in names.items():
        net = Chromoformer(ModelConfig(**(SMALL | {"bin_bp": (2000, 500, 100)}), marks=tuple(marks)))
        tables.append(attention.pass_genes(averages, data.select(marks=marks), {view: (net, False)}, n_resamples=2))
    scores = attention.for_claims(pd.concat(tables), {"T01": data})
    for claim in claims.of_notebook("06_attention"):
        for member in claim.members(load_profile("sim")):
            assert set(claim.models(member)) <= set(scores["model"])
    subsets = attention.labels({"T01": data})
    assert {len(subsets[name]["T01"]) for name in ("on", "off")} == {20}
