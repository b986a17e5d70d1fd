"""Genes of several cell types: two side by side, and any number one after the other."""

import numpy as np
import pytest
import torch

from chromolib.cell_types import pair, pool
from chromolib.config import InputError
from chromolib.dataset import GeneDataset
from tests.stores import hand_data, hand_store, random_store

# Two cell types


def test_pair_holds_fold_change_and_both_expressions_of_common_genes():
    first, second = hand_store(), hand_store().isel(gene=[2, 1])
    second["expression"] = ("gene", np.array([15.0, 1.0]))                       # G2, G1
    second.attrs["cell_type"] = "T2"
    pairs = pair(*(GeneDataset(store, bin_bp=(100,)) for store in (first, second)))
    assert pairs.genes["gene_id"].tolist() == ["G1", "G2"] and len(pairs) == 2 and pairs.cell_type == "T2/T1"
    batch = pairs.batch([0, 1])
    assert batch.target.tolist() == [[0, 1, 1], [2, 2, 4]]                       # log2 of 1 + RPKM: second less first
    assert torch.equal(batch.promoter[100], batch.other.promoter[100])           # same genes, side by side
    train, held_out = pairs.fold(2)
    assert (train.genes["gene_id"].tolist(), held_out.genes["gene_id"].tolist()) == (["G2"], ["G1"])


def test_pair_of_different_bins_or_without_common_genes_is_refused():
    with pytest.raises(InputError, match=r"pair: bin_bp is \(100,\) in T1 and \(200,\) in T1, expected the same"):
        pair(hand_data((100,)), hand_data((200,)))
    with pytest.raises(InputError, match="pair: log_base is e in T1 and 2 in T1"):
        pair(hand_data(), hand_data(log_base="2"))
    with pytest.raises(InputError, match="share no gene"):
        pair(hand_data().select(genes=["G0"]), hand_data().select(genes=["G1"]))


# Several cell types


@pytest.fixture
def pooled():
    """T1 with genes 0 to 11, T2 with 1 to 12, T3 with 0 to 11 and without pCREs."""
    stores = [random_store(n, seed=n, frame_bp=2000, marks=("A", "B")) for n in (12, 13, 12)]
    stores[2] = stores[2].assign(contact=0 * stores[2]["contact"])
    parts = [GeneDataset(store.assign_attrs(cell_type=f"T{i}"), bin_bp=(500, 100)) for i, store in enumerate(stores, 1)]
    parts[1] = parts[1].select(genes=parts[1].genes["gene_id"][1:])
    return pool(parts)


def test_pool_has_a_row_for_each_gene_of_each_cell_type_with_the_label_of_that(pooled):
    assert len(pooled) == 36 and pooled.genes["cell_type"].tolist() == ["T1"] * 12 + ["T2"] * 12 + ["T3"] * 12
    labels = [label for part in pooled.parts for label in part.genes["label"]]
    assert pooled.genes["label"].tolist() == pooled.targets.tolist() == labels
    expected = np.log2(pooled.genes["expression"] + 1)
    np.testing.assert_allclose(pooled.select(task="reg").targets, expected, rtol=1e-6)
    assert pooled.cell_type == "T1+T2+T3" and pooled.has_pcres and not pooled.select(max_pcres=0).has_pcres


def test_batch_of_a_pool_holds_its_rows_in_their_order(pooled):
    rows = [30, 3, 13, 0, 20, 14]                                                # of T3, T1, T2, T1, T2, T2
    batch = pooled.batch(rows)
    assert batch.target.tolist() == pooled.targets[rows].tolist()
    for i, row in enumerate(rows):
        one = pooled.parts[row // 12].batch([row % 12])
        assert torch.equal(batch.contact[i], one.contact[0])
        for width in (500, 100):
            assert torch.equal(batch.promoter[width][i], one.promoter[width][0])
            for rank in range(int((one.contact > 0).sum())):
                ours, theirs = (x.pcre[width][j, rank][~x.is_padding[width][j, rank]] for x, j in ((batch, i), (one, 0)))
                assert torch.equal(ours, theirs)


def test_part_of_a_pool_has_the_genes_that_each_cell_type_has(pooled):
    some = pooled.select(genes=["ENSG00000000012", "ENSG00000000000", "ENSG00000000005"])
    assert some.genes[["cell_type", "symbol"]].to_numpy().tolist() == [
        ["T1", "GENE0"], ["T1", "GENE5"], ["T2", "GENE12"], ["T2", "GENE5"], ["T3", "GENE0"], ["T3", "GENE5"]
    ]  # fmt: skip
    assert some.batch(range(6)).target.tolist() == some.genes["label"].tolist()
    train, held_out = pooled.fold(2)
    assert set(held_out.genes["chrom"]) == {"chr2"} and "chr2" not in set(train.genes["chrom"])
    assert len(train) + len(held_out) == 36


def test_spread_of_a_pool_weighs_its_cell_types_by_their_genes(pooled):
    some = pool([pooled.parts[0].select(genes=pooled.parts[0].genes["gene_id"][:4]), pooled.parts[1]])
    for width, spread in some.spread().items():
        first, second = (part.spread()[width] ** 2 for part in some.parts)
        torch.testing.assert_close(spread**2, (4 * first + 12 * second) / 16)


def test_pool_of_nothing_of_unlike_data_or_with_an_unknown_gene_is_refused(pooled):
    with pytest.raises(InputError, match="pool: no cell types, expected at least one"):
        pool([])
    with pytest.raises(InputError, match=r"pool: bin_bp is \(100,\) in T1 and \(200,\) in T1, expected the same"):
        pool([hand_data((100,)), hand_data((200,))])
    with pytest.raises(InputError, match="pool: task is clf in T1 and reg in T1"):
        pool([hand_data(), hand_data(task="reg")])
    with pytest.raises(InputError, match=r"T1\+T2\+T3: no gene 'G1' in any of these cell types"):
        pooled.select(genes=["G1"])
