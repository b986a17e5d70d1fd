"""The graph of GC-MERGE: bins, edges and labels worked out by hand on chromosomes of a few bins of 10 kb."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch import nn

from chromolib import GeneDataset, InputError, load_profile, readers
from chromolib.baselines import graph, nodes
from chromolib.baselines.graph import Bins
from chromolib.baselines.nodes import GraphDataset
from chromolib.config import ROOT
from chromolib.dataset import open_store
from chromolib.genome import profile_genome
from chromolib.inputs.files import files_of
from chromolib.train import task_loss
from tests.stores import random_store

BINS = Bins({"chr1": 1_000_000, "chr2": 45_000})  # 100 bins, and 5 of which the last is short


@pytest.fixture(scope="module")
def smoke(data_dir):
    return load_profile("smoke")


@pytest.fixture(scope="module")
def whole(smoke):
    return graph.build_whole(smoke, "S01")


@pytest.fixture(scope="module")
def data(whole):
    return GraphDataset(whole.around(whole.genes))


def pairs(*rows):
    return pd.DataFrame(rows, columns=["first", "second", "frequency"]).astype({"frequency": float})


def edges(adjacency):
    return sorted(zip(*(index.tolist() for index in sparse.triu(adjacency).nonzero()), strict=True))


def genes(*rows):
    table = pd.DataFrame(rows, columns=["gene_id", "chrom", "tss", "expression", "label"])
    return table.assign(symbol=table["gene_id"], strand="+", fold=1)


class Sage(nn.Module):
    """Two convolutions as in GC-MERGE, narrow."""

    def __init__(self, n_marks, n_outputs=2):
        super().__init__()
        self.first, self.second = nn.Linear(2 * n_marks, 16), nn.Linear(32, n_outputs)

    def forward(self, x, adjacency):
        x = self.first(torch.cat([x, torch.sparse.mm(adjacency, x)], 1)).relu()
        return self.second(torch.cat([x, torch.sparse.mm(adjacency, x)], 1))


def network(n_marks):
    torch.manual_seed(0)
    return Sage(n_marks).double()


def outputs(data, network):
    """Of each labelled node, (b, 2), in float64; and the mean loss."""
    batch = data.batch(range(len(data)))
    out = network(batch.features.double(), batch.adjacency.double())[batch.node_idx]
    return out, task_loss(out, batch.target, "clf")


# Contacts to edges


def test_bins_are_numbered_chromosome_after_chromosome():
    assert len(BINS) == 105
    assert BINS.at(["chr1", "chr1", "chr2", "chr2"], [9_999, 10_000, 0, 44_999]).tolist() == [0, 1, 100, 104]
    assert BINS.at(["chr1", "chr2", "chrX"], [-1, 50_000, 5]).tolist() == [0, 104, -1]
    assert BINS.chrom_idx(np.array([0, 99, 100, 104])).tolist() == [0, 0, 1, 1]
    assert BINS.table().iloc[[99, 100, 104]].to_numpy().tolist() == [
        ["chr1", 990_000, 1_000_000], ["chr2", 0, 10_000], ["chr2", 40_000, 45_000],
    ]  # fmt: skip


def test_frequencies_between_two_bins_are_summed_and_a_pair_of_fragments_counts_once():
    table = pd.DataFrame(
        [
            ("chr1:1000-3000", "chr1:18000-24000", 2.0),  # middles 2,000 and 21,000: bins 0 and 2
            ("chr1:18000-24000", "chr1:1000-3000", 5.0),  # the same, and more frequent
            ("chr1:22000-26000", "chr1:4000-6000", 1.0),  # other fragments of these bins
            ("chr1:1000-3000", "chr1:4000-6000", 9.0),    # one bin
            ("chr2:9000-10999", "chr2:41000-44000", 3.0),  # middles 9,999 and 42,500: bins 100 and 104
            ("chrX:1-5", "chrX:50000-60000", 4.0),
        ],
        columns=["frag1", "frag2", "frequency"],
    )
    found, counts = graph.pair_bins([table], genes(), BINS)
    assert found.to_numpy().tolist() == [[0, 2, 6], [100, 104, 3]]
    left_out = {reason: count for reason, count in counts.items() if count}
    assert left_out == {"chromosome without genes or left out": 1, "within one bin": 1}


def test_a_region_counts_once_for_all_genes_that_start_in_one_bin():
    table = pd.DataFrame(
        [
            ("G1", "chr1:50000-52000", 2.0), ("G2", "chr1:50000-52000", 3.0),  # both start in bin 1
            ("G1", "chr1:54000-56000", 4.0), ("G3", "chr1:50000-52000", 1.0),
            ("G3", "chr2:0-2000", 7.0), ("G9", "chr1:0-2000", 8.0),
        ],
        columns=["gene_id", "region", "contact"],
    )  # fmt: skip
    known = genes(("G1", "chr1", 11_000, 0, 0), ("G2", "chr1", 12_000, 0, 0), ("G3", "chr1", 71_000, 0, 0))
    found, counts = graph.pair_bins([table], known, BINS)
    assert found.to_numpy().tolist() == [[1, 5, 7], [5, 7, 1]]
    left_out = {reason: count for reason, count in counts.items() if count}
    assert left_out == {"of a gene without features": 1, "between chromosomes": 1}


def test_median_of_a_diagonal_counts_the_pairs_that_never_touch():
    found, counts = graph.wire(
        pairs(
            (100, 101, 1), (101, 102, 3), (103, 104, 5),  # of 4 places: 0, 1, 3, 5, so 2 goes from each
            (100, 102, 4),                                # of 3 places: 0, 0, 4
            (100, 103, 6), (101, 104, 7),                 # of 2 places: 6, 7, so 6.5 goes
            (100, 104, 9),                                # the only place: nothing is left
        ),
        BINS,
    )  # fmt: skip
    assert edges(found) == [(100, 102), (101, 102), (101, 104), (103, 104)]
    assert counts == {"not above the median of their distance": 3, "not among the 10 strongest of either": 0}


def test_a_diagonal_of_one_chromosome_does_not_count_for_another():
    found, _ = graph.wire(pairs((0, 4, 5), (100, 104, 5)), BINS)  # one of 96 places, and the only one
    assert edges(found) == [(0, 4)]


def test_an_edge_stays_where_either_end_keeps_it():
    found, counts = graph.wire(pairs((0, 1, 5), (0, 2, 4), (0, 3, 3), (2, 3, 1)), BINS, n_strongest=1)
    assert edges(found) == [(0, 1), (0, 2), (0, 3)]  # 0 keeps only 1, but 2 and 3 keep 0
    assert counts["not among the 1 strongest of either"] == 1


def test_of_equal_contacts_those_of_smaller_bins_count_first():
    found, _ = graph.wire(pairs((0, 1, 5), (0, 2, 5), (2, 3, 9)), BINS, n_strongest=1)
    assert edges(found) == [(0, 1), (2, 3)]


def test_edges_are_those_of_whole_matrices():
    rng, bins = np.random.default_rng(0), Bins({"chr1": 400_000, "chr2": 250_000})
    frequency = np.triu(rng.gamma(1, 5, (65, 65)) * (rng.random((65, 65)) < 0.6), 1)
    frequency[:40, 40:] = 0
    expected = np.zeros((65, 65))
    for here in (slice(0, 40), slice(40, 65)):
        matrix = frequency[here, here].copy()
        n = len(matrix)
        for k in range(1, n):
            matrix[np.arange(n - k), np.arange(k, n)] -= np.median(np.diagonal(matrix, k))
        matrix = np.maximum(matrix + matrix.T, 0)
        is_kept = (matrix > 0) & (np.argsort(np.argsort(-matrix, axis=1), axis=1) < 10)
        expected[here, here] = is_kept | is_kept.T
    first, second = np.nonzero(frequency)
    found, counts = graph.wire(pairs(*zip(first, second, frequency[first, second], strict=True)), bins)
    np.testing.assert_array_equal(found.toarray(), expected)
    assert sum(counts.values()) == len(first) - expected.sum() / 2 and min(counts.values()) > 0


def test_no_pairs_give_no_edges():
    none, _ = graph.pair_bins([], genes(), BINS)
    assert graph.wire(none, BINS)[0].nnz == 0


# Genes to labels


def test_label_is_the_most_frequent_and_expression_the_median_of_the_genes_of_a_node():
    table = genes(
        ("G1", "chr1", 1_000, 4.0, 0), ("G2", "chr1", 2_000, 9.0, 1), ("G3", "chr1", 9_999, 8.0, 1),  # node 0
        ("G4", "chr1", 10_000, 1.0, 1), ("G5", "chr1", 11_000, 3.0, 0),                               # node 1, a tie
        ("G6", "chr1", 25_000, 7.0, 1),                                                               # node 2, alone
        ("G7", "chrX", 5, 7.0, 1),
    )  # fmt: skip
    adjacency, _ = graph.wire(pairs((0, 1, 5)), BINS)
    found, counts = graph.label_nodes(table, BINS, adjacency)
    columns = ["gene_id", "tss", "node_idx", "label", "expression", "n_genes", "n_other"]
    assert found[columns].to_numpy().tolist() == [["G1", 1_000, 0, 1, 8.0, 3, 1], ["G4", 10_000, 1, 0, 2.0, 2, 1]]
    assert counts == {
        "genes": {"chromosome left out": 1, "in a node without a neighbour": 1, "in a node that another represents": 3},
        "nodes with genes": {"without a neighbour": 1},
    }


def test_label_of_a_node_is_not_known_where_no_expression_is():
    table = genes(*((f"G{i}", "chr1", tss, np.nan, -1) for i, tss in enumerate((1_000, 2_000, 11_000))))
    found, _ = graph.label_nodes(table, BINS, graph.wire(pairs((0, 1, 5)), BINS)[0])
    assert found["label"].tolist() == [-1, -1] and found["expression"].isna().all() and found["n_other"].tolist() == [0, 0]


def test_genes_and_their_order_are_those_of_the_store(whole, smoke):
    store = open_store(smoke, "S01")
    listed = pd.Index(store["gene_id"].values).get_indexer(whole.genes["gene_id"])
    assert (np.diff(listed) > 0).all()
    node = whole.nodes.iloc[whole.genes["node_idx"]].reset_index(drop=True)
    assert (node["chrom"] == whole.genes["chrom"]).all()
    assert ((node["start"] <= whole.genes["tss"]) & (whole.genes["tss"] < node["end"])).all()
    n_left_out = sum(whole.dropped["genes"].values())
    assert len(whole.genes) + n_left_out == store.sizes["gene"] and (np.diff(whole.adjacency.indptr)[whole.genes["node_idx"]] > 0).all()


# Signal to features


def test_features_are_shares_of_the_largest_on_the_chromosome():
    bins = Bins({"chr1": 30_000, "chr2": 20_000, "chr3": 10_000})
    signal = np.array([[1.0, 0], [4, 3], [2, 6], [5, 0], [10, 0], [0, 8]])
    expected = [[0.25, 0], [1, 0.5], [0.5, 1], [0.5, 0], [1, 0], [0, 1]]
    np.testing.assert_array_equal(graph.share_of_largest(signal, bins), np.float32(expected))


def test_node_has_the_mean_of_what_the_store_holds_of_it():
    store = random_store(2, n_pcres=1, max_pcres=1, frame_bp=400, marks=("A",)).load()
    store["tss"][:] = [9_950, 9_950]  # windows 9,750 to 10,150 on chr1 and chr2; a bin of each lies half in node 1
    store = store.assign_coords(bin_start=("bin", [-200, -100, 0, 100]))
    store["promoter"][:] = np.array([[1, 2, 4, 8], [0, 0, 0, 3]], np.float32)[:, :, None]
    store["pcre_depth"] = (("row", "mark"), np.float32([[10], [20]]))
    store["pcre_row"] = ("edge", [0, 2])
    store = store.drop_indexes("region").assign_coords(region=("pcre", ["chr1:9800-9950"]))  # its last bin has 50 bp
    bins = Bins({"chr1": 30_000, "chr2": 30_000})
    mean, covered = graph.mean_of_store(store, bins)
    left = (100 * 1 + 100 * 2 + 50 * 4 + 100 * 10 + 50 * 20) / 400  # bp that two regions hold count twice
    np.testing.assert_allclose(mean[:, 0], [left, (50 * 4 + 100 * 8) / 150, 0, 0, (0 + 100 * 3) / 150, 0])
    np.testing.assert_allclose(covered, [0.025, 0.015, 0, 0.025, 0.015, 0])


def test_features_of_raw_profiles_are_bp_of_reads_in_whole_bins(whole, smoke):
    sample = files_of(smoke, "S01").samples[1]
    reads = readers.read_reads([sample.path], profile_genome(smoke))
    reads = reads[(reads["chrom"] == whole.nodes["chrom"].iloc[0])]
    n_bp = np.zeros((whole.nodes["chrom"] == whole.nodes["chrom"].iloc[0]).sum())
    middle = np.minimum((reads["start"] // 10_000 + 1) * 10_000, reads["end"])  # no read is longer than a bin
    np.add.at(n_bp, reads["start"] // 10_000, middle - reads["start"])
    np.add.at(n_bp, (reads["end"] - 1) // 10_000, reads["end"] - middle)
    np.testing.assert_allclose(whole.features[: len(n_bp), 1], n_bp / n_bp.max(), rtol=1e-5)
    assert whole.coverage == 1 and whole.marks[1] == sample.mark


# The graph


def test_graph_is_symmetric_without_loops_and_within_chromosomes(whole):
    adjacency = whole.adjacency
    assert (adjacency != adjacency.T).nnz == 0 and adjacency.diagonal().sum() == 0 and set(adjacency.data) == {1}
    row, column = adjacency.nonzero()
    fold = whole.nodes["chrom"].map(profile_genome(load_profile("smoke")).folds).to_numpy()
    chrom = whole.nodes["chrom"].to_numpy()
    assert (chrom[row] == chrom[column]).all() and (fold[row] == fold[column]).all()


def test_rows_take_means_over_neighbours():
    adjacency, _ = graph.wire(pairs((0, 1, 5), (0, 2, 4)), Bins({"chr1": 100_000}))
    matrix = nodes.mean_over_neighbours(adjacency).to_dense()
    assert matrix[:3, :3].tolist() == [[0, 0.5, 0.5], [1, 0, 0], [1, 0, 0]] and matrix[3:].eq(0).all()


def test_rows_sum_to_one_or_to_nothing(whole):
    total = GraphDataset(whole).batch([0]).adjacency.to_dense().sum(1)
    has_neighbour = torch.from_numpy(np.diff(whole.adjacency.indptr) > 0)
    torch.testing.assert_close(total, has_neighbour.float())
    assert 0 < has_neighbour.sum() < len(total)


def test_numbering_nodes_anew_changes_no_output(data):
    order = np.random.default_rng(0).permutation(len(data.graph.nodes))  # node i becomes node place[i]
    place = np.argsort(order)
    ours = data.graph
    mixed = replace(
        ours, nodes=ours.nodes.iloc[order], features=ours.features[order], adjacency=ours.adjacency[order][:, order],
        genes=ours.genes.assign(node_idx=place[ours.genes["node_idx"]]),
    )  # fmt: skip
    model = network(7)
    torch.testing.assert_close(outputs(GraphDataset(mixed), model)[0], outputs(data, model)[0])


def test_nodes_further_than_two_edges_from_a_label_change_nothing(whole, data):
    assert len(data.graph.nodes) < len(whole.nodes)
    results = []
    for some in (GraphDataset(whole), data):
        model = network(7)
        out, loss = outputs(some, model)
        loss.backward()
        results.append([out.detach(), loss.detach(), *(weight.grad for weight in model.parameters())])
    for ours, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-15)


def test_nodes_two_edges_away_are_read(data):
    model, batch = network(7), data.batch([0])
    features = batch.features.double().requires_grad_()
    model(features, batch.adjacency.double())[batch.node_idx].sum().backward()
    heard = set(np.flatnonzero(features.grad.abs().sum(1).numpy()))
    near = data.graph.adjacency
    node = data.genes["node_idx"][0]
    reached = {node, *near[[node]].indices, *near[near[[node]].indices].indices}
    assert heard == reached and len(reached) > 1 + near[[node]].nnz


# The dataset


def test_held_out_nodes_have_no_part_in_training(data):
    model, (expected, _) = network(7), outputs(data, network(7))
    expected = pd.DataFrame(expected.detach().numpy(), data.genes["gene_id"])
    for fold in (1, 2, 3, 4):
        train, held_out = data.fold(fold)
        assert not set(train.graph.nodes["chrom"]) & set(held_out.graph.nodes["chrom"])
        assert set(held_out.genes["fold"]) == {fold} and len(train) + len(held_out) == len(data)
        for part in (train, held_out):
            np.testing.assert_allclose(outputs(part, model)[0].detach(), expected.loc[part.genes["gene_id"]], rtol=1e-10)


def test_batches_hold_targets_of_the_genes_asked_for(data):
    (first, second) = data.batches([[3, 1], torch.tensor([0])])
    assert len(first) == 2 and first.node_idx.tolist() == data.genes["node_idx"][[3, 1]].tolist() and len(second) == 1
    assert first.target.tolist() == data.genes["label"][[3, 1]].tolist()
    assert first.features.shape == (len(data.graph.nodes), 7)
    expression = data.select(task="reg").batch([2]).target
    torch.testing.assert_close(expression, torch.tensor([np.log2(data.genes["expression"][2] + 1)], dtype=torch.float32))


def test_selection_keeps_genes_and_marks_in_the_order_asked_for(data):
    some = data.genes["gene_id"][[5, 2]].tolist()
    view = data.select(genes=some, marks=["H3K27ac", "H3K4me1"])
    assert view.genes["gene_id"].tolist() == some and view.targets.tolist() == data.targets[[5, 2]].tolist()
    batch, of_all = view.batch([0, 1]), data.batch([5, 2])
    torch.testing.assert_close(batch.features[batch.node_idx], of_all.features[of_all.node_idx][:, [5, 0]])
    assert view.marks == ("H3K27ac", "H3K4me1") and data.select(genes=some[0]).genes["gene_id"].tolist() == some[:1]


def test_features_kept_as_float16_are_read_as_float32(data):
    half = data.to(dtype=torch.float16)
    assert half.dtype == half.fold(1)[0].dtype == torch.float16 and half.n_bytes < data.n_bytes
    batch = half.batch([0])
    assert batch.features.dtype == batch.adjacency.dtype == torch.float32
    torch.testing.assert_close(batch.features, data.batch([0]).features, rtol=1e-3, atol=1e-4)
    assert data.to("cpu") is data


def test_chromoformer_gets_the_targets_of_the_nodes(smoke, whole):
    changed = replace(whole, genes=whole.genes.assign(label=1 - whole.genes["label"], expression=7.0))
    store = graph.targets_of_nodes(changed)
    view = GeneDataset(store.load()).select(genes=changed.genes["gene_id"].tolist())
    assert view.targets.tolist() == GraphDataset(changed).targets.tolist()
    assert view.select(task="reg").targets.tolist() == [3.0] * len(view)
    assert open_store(smoke, "S01")["label"].values.sum() != store["label"].values.sum()


# From a profile


def test_genes_and_summary_are_those_of_the_dataset(smoke, data, whole):
    loaded = nodes.load_graph(smoke, "S01", task="reg", marks=["H3K4me3"])
    assert loaded.genes["gene_id"].tolist() == data.genes["gene_id"].tolist()
    assert (loaded.task, loaded.marks, loaded.bin_bp, loaded.frame_bp) == ("reg", ("H3K4me3",), (10_000,), 10_000)
    table = graph.summary(smoke, "S01").set_index("what")["count"]
    assert table["bins of chromosomes with genes"] == len(whole.nodes) and table["edges"] == whole.n_edges
    assert table["nodes within 2 edges of a labelled one"] == len(data.graph.nodes)
    assert table["labelled nodes"] == len(data) and table["share of labelled nodes that is on"] == data.genes["label"].mean()


def test_chromosomes_can_be_left_out(smoke, data):
    chrom = data.genes["chrom"][0]
    part = graph.build(smoke, "S01", chroms=[chrom])
    here = data.genes[data.genes["chrom"] == chrom]
    assert part.genes["gene_id"].tolist() == here["gene_id"].tolist() and set(part.nodes["chrom"]) == {chrom}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The profile of the book's page on own data; on chrA g0, g4, ... start every 16 kb from 20 kb on."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    return shutil.copytree(ROOT / "book" / "own-data", tmp_path / "own") / "my.yml"


def test_contacts_of_genes_join_the_bins_of_their_tss_and_region(own):
    (own.parent / "contacts.csv").write_text("gene_id,region,contact\ng0,chrA:100000-105000,4\ng4,chrA:100000-105000,1\n")
    found = graph.build(load_profile(own), "T1")
    start = found.nodes["start"].to_numpy()
    # Also where a contact is too weak for a pCRE.
    assert [(start[i], start[j]) for i, j in edges(found.adjacency)] == [(20_000, 100_000), (30_000, 100_000)]
    assert set(found.genes["gene_id"]) == {"g0", "g4", "g20"}  # g20 starts in the bin that both touch
    assert found.dropped["genes"]["in a node without a neighbour"] == 37 and found.coverage == 1


def test_contacts_of_unknown_genes_alone_are_refused(own):
    (own.parent / "contacts.csv").write_text("gene_id,region,contact\nTP53,chrA:100000-105000,4\n")
    with pytest.raises(InputError, match="none of 40 genes starts in a bin of 10,000 bp that touches another"):
        graph.build(load_profile(own), "T1")


def test_cell_type_without_contacts_is_refused(own):
    own.write_text(own.read_text().replace("  contacts: contacts.csv", "  #"))
    with pytest.raises(InputError, match=r"my-cells/T1: no contacts, expected some for a graph of GC-MERGE; name them in inputs\.contacts"):
        graph.build(load_profile(own), "T1")


def test_contacts_within_bins_alone_are_refused(smoke):
    with pytest.raises(InputError, match="smoke/S01: none of 96 genes starts in a bin of 10,000,000 bp that touches another"):
        graph.build(smoke, "S01", bin_bp=10_000_000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bin_bp": 50}, "graph: bin_bp=50, expected the 100 bp of a bin of the feature store or more"),
        ({"chroms": ["chr99"]}, "graph: chromosome 'chr99' has no fold in simS, expected some of chr1"),
        ({"chroms": []}, r"graph: no gene starts on the chromosomes \[\], expected some of chr"),
        ({"task": "diff"}, "task='diff', expected clf or reg"),
        ({"marks": ["H2A"]}, r"graph of S01: marks \['H2A'\], expected some of H3K4me1"),
    ],
)
def test_wrong_choice_is_one_line(smoke, options, message):
    with pytest.raises(InputError, match=message):
        nodes.load_graph(smoke, "S01", **options)


def test_gene_without_a_node_of_its_own_is_named(data):
    with pytest.raises(InputError, match="graph of S01: gene 'TP53' represents none of"):
        data.select(genes=["TP53"])
    with pytest.raises(InputError, match="fold 9 holds 0 of"):
        data.fold(9)


def test_graph_of_the_demo_joins_real_genes_with_their_pcres(demo_archive):
    profile = load_profile("h1-demo")
    found = graph.build(profile, "E003")
    store = open_store(profile, "E003")
    assert found.dropped["contacts"]["of a gene without features"] == 0 and 0 < found.coverage < 1
    # No bin has more than 10 contacts that no other keeps, and none lies on a diagonal that is half full: all are edges.
    assert set(found.dropped["pairs of bins"].values()) == {0}
    touched = (store["gene_pcre"].values >= 0).any(1)
    assert set(found.genes["gene_id"]) <= set(store["gene_id"].values) and len(found.genes) >= touched.sum() * 0.9
    assert found.features.any(1).all() and found.features.max() == 1
