"""What a network reads, from stores whose bp can be counted. Frame 800 bp, narrow bins of 100 bp, one mark."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from chromolib import features
from chromolib.config import InputError
from chromolib.dataset import (
    GeneDataset,
    _like_width,
    load_dataset,
    pair,
    pool,
    pool_ragged,
    pool_windows,
    resolve_device,
)
from tests.stores import random_store

FRAME_BP, BASE_BP = 800, 100


def hand_store(strands="+-+", tss=None, chrom_bp=10_000, depth=None):
    """Three genes with narrow bins 1..8, 11..18, 21..28, with two, one and no pCREs: 250, 100 and 400 bp."""
    n = len(strands)
    promoter = np.arange(1, 9)[None, :] + 10 * np.arange(n)[:, None] if depth is None else np.array(depth)
    gene_pcre = np.full((n, 2), -1, np.int32)
    contact = np.zeros((n, 2), np.float32)
    gene_pcre[0], contact[0] = [0, 1], [3.0, 2.0]
    if n > 1:
        gene_pcre[1, 0], contact[1, 0] = 2, 4.0
    per_gene = {
        "symbol": [f"S{i}" for i in range(n)], "chrom": [f"chr{i + 1}" for i in range(n)], "strand": list(strands),
        "tss": tss or [5000] * n, "fold": [1 + i % 3 for i in range(n)], "chrom_bp": [chrom_bp] * n,
        "expression": [float(2**i - 1) for i in range(n)], "label": [i % 2 for i in range(n)],
    }  # fmt: skip
    store = xr.Dataset(
        {
            "promoter": (("gene", "bin", "mark"), promoter[..., None].astype(np.float32)),
            "pcre_depth": (("row", "mark"), np.array([1, 2, 3, 8, 4, 5, 6, 7], np.float32)[:, None]),
            "pcre_row": ("edge", np.array([0, 3, 4, 8])),
            "gene_pcre": (("gene", "rank"), gene_pcre),
            "contact": (("gene", "rank"), contact),
            **{name: ("gene", np.array(values)) for name, values in per_gene.items()},
        },
        coords={"gene_id": ("gene", [f"G{i}" for i in range(n)]), "mark": ["A"],
                "region": ("pcre", ["chr1:1000-1250", "chr1:2000-2100", "chr1:3000-3400"])},
        attrs={"profile": "hand", "cell_type": "T1", "genome": "hg19", "base_bp": BASE_BP, "frame_bp": FRAME_BP,
               "signal": "depth", "simulated": 1, "dropped": '{"pCREs": {"too wide": 2, "too weak": 5}}'},
    )  # fmt: skip
    return features.indexed(store)


def hand_data(bin_bp=(100,), **options):
    selection = {key: options.pop(key) for key in ("window_bp", "task", "log_base") if key in options}
    return GeneDataset(hand_store(**options), bin_bp=bin_bp, **selection)


def depth_of(tensor):
    """Mean depth, the logarithm taken back."""
    return tensor.expm1().squeeze(-1).round(decimals=4).tolist()


def promoters(data, bin_bp):
    """Depth and padding of all promoters at one bin width."""
    batch = data.batch(range(len(data)))
    return depth_of(batch.promoter[bin_bp]), batch.is_promoter_padding.get(bin_bp)


# Pooling


def test_windows_average_over_the_bp_on_the_chromosome():
    depth = np.array([[[0.0], [4.0], [2.0], [3.0], [6.0]]])                      # five narrow bins
    covered = np.array([[0, 50, 100, 100, 100]])                                 # the chromosome starts in the second
    mean, is_empty = pool_windows(depth, covered, 100, 200)
    assert mean[..., 0].tolist() == [[8.0, 2.5, 6.0]]  # 400 reads over 50 bp; the last bin is alone
    assert is_empty.tolist() == [[False, False, False]]
    assert pool_windows(depth, covered, 100, 100)[1].tolist() == [[True, False, False, False, False]]


def test_last_bin_of_a_region_averages_only_the_bp_it_has():
    depth, row, width = np.array([[1.0], [2.0], [3.0], [8.0]]), np.array([0, 3, 4]), np.array([250, 100])
    mean, wide_row = pool_ragged(depth, row, width, 100, 200)
    assert mean[:, 0].tolist() == [1.5, 3.0, 8.0] and wide_row.tolist() == [0, 2, 3]
    mean, wide_row = pool_ragged(depth, row, width, 100, 400)
    assert mean[:, 0].tolist() == [1.8, 8.0] and wide_row.tolist() == [0, 1, 2]  # (100 + 200 + 50 * 3) / 250


def test_pooling_in_two_steps_equals_pooling_in_one():
    rng = np.random.default_rng(0)
    depth, covered = rng.gamma(1, 3, (4, 12, 2)), np.full((4, 12), 100)
    once, _ = pool_windows(depth, covered, 100, 600)
    twice, _ = pool_windows(pool_windows(depth, covered, 100, 300)[0], covered[:, :4] * 3, 300, 600)
    np.testing.assert_allclose(once, twice, rtol=1e-12)


# Promoters


def test_spread_is_that_of_a_mark_over_the_bins_of_the_view_s_genes_by_hand():
    depth = np.zeros((3, 8))
    depth[0, :4] = np.e**2 - 1                                                   # ln(1 + depth): four bins of 2, four of 0
    data = hand_data((400, 100), depth=depth)
    found = data.select(genes=data.genes["gene_id"][:1]).spread()
    assert found[400].tolist() == pytest.approx([2**0.5])                        # 2 and 0 about 1, over n - 1
    assert found[100].tolist() == pytest.approx([(8 / 7) ** 0.5])
    assert data.select(genes=data.genes["gene_id"][1:]).spread()[100].tolist() == [0.0]


def test_minus_strand_is_reversed_once_and_pcres_never():
    data = hand_data()
    assert promoters(data, 100)[0][:2] == [[1, 2, 3, 4, 5, 6, 7, 8], [18, 17, 16, 15, 14, 13, 12, 11]]
    assert depth_of(data.batch([1]).pcre[100][0, 0]) == [4, 5, 6, 7]


def test_flipping_the_strand_twice_returns_the_promoter():
    plus, minus = hand_data((200, 100), strands="+++"), hand_data((200, 100), strands="---")
    for width in (200, 100):
        first, second = (data.batch(range(3)).promoter[width] for data in (plus, minus))
        assert torch.equal(second.flip(1), first) and not torch.equal(second, first)


def test_wider_bins_average_the_narrow_ones():
    assert promoters(hand_data((400, 200)), 200)[0][0] == [1.5, 3.5, 5.5, 7.5]
    assert promoters(hand_data((400, 200)), 400)[0][0] == [2.5, 6.5]


def test_bins_off_the_chromosome_are_masked_and_averaged_over_what_they_have():
    reads = [0, 0, 0, 4, 4, 4, 2, 0]  # TSS 100: the frame begins at -300; the chromosome ends in its seventh bin
    data = hand_data((200, 100), strands="+", tss=[100], chrom_bp=350, depth=[reads])
    depth, is_padding = promoters(data, 100)
    assert depth[0] == [0, 0, 0, 4, 4, 4, 4, 0]                                  # the 2 were 200 reads over 50 bp
    assert is_padding[0].tolist() == [True] * 3 + [False] * 4 + [True]
    depth, is_padding = promoters(data, 200)
    assert depth[0] == [0, 4, 4, 4]
    assert is_padding[0].tolist() == [True, False, False, False]


def test_padding_turns_with_the_strand():
    reads = [0, 0, 0, 4, 5, 6, 7, 8]
    data = hand_data(strands="-", tss=[100], depth=[reads])
    depth, is_padding = promoters(data, 100)
    assert depth[0] == reads[::-1] and is_padding[0].tolist() == [False] * 5 + [True] * 3


def test_no_mask_is_kept_where_every_bin_holds_data():
    assert hand_data((200, 100)).batch([0, 1]).is_promoter_padding == {}


def test_narrower_window_is_cut_around_the_tss():
    depth, is_padding = promoters(hand_data((200, 100), window_bp=400), 100)
    assert depth[:2] == [[3, 4, 5, 6], [16, 15, 14, 13]] and is_padding is None
    assert promoters(hand_data((200, 100), window_bp=400), 200)[0][0] == [3.5, 5.5]


def test_bin_that_the_window_does_not_fill_averages_what_it_has():
    assert promoters(hand_data((400,), window_bp=600), 400)[0][0] == [3.5, 6.5]  # narrow bins 2..5 and 6, 7


def test_odd_padding_shifts_the_strands_by_one_bin():
    """Three bins in a frame of four: the one bin of padding lies left, and right of genes that are turned."""
    depth, is_padding = promoters(hand_data((200,), window_bp=600), 200)
    assert depth[0] == [0, 2.5, 4.5, 6.5] and is_padding[0].tolist() == [True, False, False, False]
    assert depth[1] == [16.5, 14.5, 12.5, 0] and is_padding[1].tolist() == [False, False, False, True]


def test_gene_whose_tss_bin_is_padding_is_masked_whole():
    """One bin in a frame of four: the bin read as TSS, the third, holds it on the plus strand only."""
    data = hand_data((200,), window_bp=200)
    depth, is_padding = promoters(data, 200)
    assert depth[0] == [0, 0, 4.5, 0] and is_padding[0].tolist() == [True, True, False, True]
    assert depth[1] == [0, 14.5, 0, 0] and is_padding[1].all()
    batch = data.batch([0, 1])
    assert batch.is_padding[200][1].all() and batch.is_padding[200].shape[-1] == 4  # nor does it hear its pCREs
    assert not batch.is_padding[200][0].all()


@pytest.mark.parametrize(("log_base", "log"), [("e", np.log), ("2", np.log2)])
def test_signal_is_the_logarithm_of_one_plus_depth_in_the_profile_s_base(log_base, log):
    batch = hand_data((200,), log_base=log_base).batch([0])
    np.testing.assert_allclose(batch.promoter[200][0, :, 0], log([2.5, 4.5, 6.5, 8.5]), rtol=1e-6)
    np.testing.assert_allclose(batch.pcre[200][0, 0, :, 0], log([2.5, 4]), rtol=1e-6)


# pCREs


def test_pcres_are_cropped_to_the_widest_and_centred_with_the_larger_half_left():
    batch = hand_data().batch([0])  # 3 bins and 1 in a frame of 8: left padding 3 and 4
    assert depth_of(batch.pcre[100][0]) == [[1, 2, 3], [0, 8, 0]]
    assert batch.is_padding[100][0].tolist() == [[False] * 3, [True, False, True]]
    batch = hand_data().batch([0, 1])  # the widest has 4, left padding 2
    assert depth_of(batch.pcre[100]) == [[[0, 1, 2, 3], [0, 0, 8, 0]], [[4, 5, 6, 7], [0, 0, 0, 0]]]
    assert (~batch.is_padding[100]).sum(-1).tolist() == [[3, 1], [4, 0]]


def test_crop_moves_no_bin_of_the_frame():
    data = GeneDataset(random_store(9, frame_bp=FRAME_BP, marks=("A", "B")), bin_bp=(200, 100))

    def framed(indices, width):
        batch, n = data.batch(indices), FRAME_BP // width
        pcre = batch.pcre[width]
        left = -(-(n - pcre.shape[2]) // 2)
        return torch.nn.functional.pad(pcre, (0, 0, left, n - pcre.shape[2] - left))

    for width in (200, 100):
        whole = framed(range(9), width)
        for gene in range(9):
            assert torch.equal(framed([gene], width)[0], whole[gene])


def test_contact_is_in_the_order_of_rank_and_zero_where_there_is_no_pcre():
    assert hand_data().batch([0, 1, 2]).contact.tolist() == [[3, 2], [4, 0], [0, 0]]


def test_store_without_any_pcre_gives_batches():
    store = hand_store().isel(pcre=slice(0), row=slice(0), edge=slice(1))
    store = store.assign(gene_pcre=store["gene_pcre"] * 0 - 1, contact=store["contact"] * 0)
    batch = GeneDataset(store, bin_bp=(200, 100)).batch([0, 1, 2])
    assert batch.contact.tolist() == [[0, 0]] * 3 and all(mask.all() for mask in batch.is_padding.values())


# Views


def test_genes_are_selected_by_id_in_the_order_asked_for():
    view = hand_data().select(genes=["G2", "G0"])
    assert view.genes["gene_id"].tolist() == ["G2", "G0"] and len(view) == 2
    assert depth_of(view.batch([0, 1]).promoter[100])[1] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert view.select(genes="G0").batch([0]).contact.tolist() == [[3, 2]]


def test_marks_are_selected_in_the_order_asked_for():
    data = GeneDataset(random_store(6, frame_bp=FRAME_BP, marks=("A", "B", "C")), bin_bp=(100,))
    view = data.select(marks=["C", "A"])
    for name in ("promoter", "pcre"):
        whole, part = (getattr(d.batch(range(6)), name)[100] for d in (data, view))
        assert torch.equal(part, whole[..., [2, 0]])
    assert (data.marks, view.marks) == (("A", "B", "C"), ("C", "A"))


def test_window_and_bins_of_a_view_are_those_of_a_dataset_built_so():
    view = hand_data((200, 100)).select(window_bp=400, bin_bp=[200])
    built = hand_data((200,), window_bp=400)
    assert list(view.batch([0]).promoter) == [200]
    assert torch.equal(view.batch([0, 1, 2]).promoter[200], built.batch([0, 1, 2]).promoter[200])


def test_max_pcres_keeps_the_strongest():
    view = hand_data().select(max_pcres=1)
    batch = view.batch([0, 1, 2])
    assert batch.contact.tolist() == [[3], [4], [0]] and batch.pcre[100].shape[:2] == (3, 1)
    assert hand_data().select(max_pcres=0).batch([0, 1]).contact.shape == (2, 0)


# Extra tracks


def pc1_data(**options):
    """As `hand_store`, with PC1 of -0.5 in all bins but those of 1.5 downstream; a gene's chromosome ends after 350 bp."""
    store = hand_store("+", tss=[100], chrom_bp=350, depth=[[0, 0, 0, 4, 4, 4, 2, 0]])
    pc1 = np.array([0, 0, 0, -0.5, 1.5, 1.5, 0.75, 0], np.float32)[None, :, None]  # the end holds 50 bp of its bin
    both = xr.concat([store, store.assign_coords(mark=["PC1"])], "mark", data_vars="minimal")
    both["promoter"] = both["promoter"].copy(data=np.concatenate([store["promoter"].values, pc1], 2))
    both["pcre_depth"] = both["pcre_depth"].copy(data=store["pcre_depth"].values * np.array([1, -1], np.float32))
    return GeneDataset(both.assign_attrs(extra_tracks=["PC1"]), bin_bp=(200, 100), **options)


@pytest.mark.parametrize(("log_base", "log"), [("e", np.log1p), ("2", lambda x: np.log2(1 + np.array(x)))])
def test_pc1_is_averaged_like_depth_but_never_logged(log_base, log):
    data = pc1_data(log_base=log_base).select(marks=["PC1", "A"])
    batch = data.batch([0])
    np.testing.assert_allclose(batch.promoter[100][0, 3:7, 0], [-0.5, 1.5, 1.5, 1.5])
    np.testing.assert_allclose(batch.promoter[200][0, 1:, 0], [-0.5, 1.5, 1.5])
    np.testing.assert_allclose(batch.promoter[100][0, 3:7, 1], log([4, 4, 4, 4]), rtol=1e-6)
    np.testing.assert_allclose(batch.pcre[100][0, 0, :, 0], [-1, -2, -3])
    signal = batch.promoter[100].numpy()
    np.testing.assert_allclose(data.signal_of(data.mean_of(signal)), signal, rtol=1e-6)
    np.testing.assert_allclose(data.mean_of(signal)[0, 3:7], [[-0.5, 4], [1.5, 4], [1.5, 4], [1.5, 4]], rtol=1e-6)


def test_extra_tracks_are_read_only_where_they_are_named():
    data = pc1_data()
    assert data.marks == ("A",) and data.batch([0]).promoter[100].shape[2] == 1
    assert data.select(marks=["PC1"]).select(window_bp=400).marks == ("PC1",)
    with pytest.raises(InputError, match="hand/T1: no mark 'CTCF', expected some of A, PC1"):
        data.select(marks=["A", "CTCF"])


# Domains


def domain_data():
    """Gene G0 with contacts of 5, 4, 3 and 2, of which the second and the last lie in its domain; G1 with one outside."""
    store = hand_store("++")
    ranks = {"gene_pcre": [[0, 1, 2, 0], [2, -1, -1, -1]], "contact": [[5.0, 4, 3, 2], [6, 0, 0, 0]],
             "is_intra_tad": [[False, True, False, True], [False] * 4]}  # fmt: skip
    store = store.drop_vars(["gene_pcre", "contact"]).assign({name: (("gene", "rank"), np.array(v)) for name, v in ranks.items()})
    return GeneDataset(store, bin_bp=(200, 100))


def test_contacts_within_and_across_domains_are_those_of_all_and_keep_their_order():
    data = domain_data()
    intra, inter = (data.select(contacts=contacts) for contacts in ("intra-TAD", "inter-TAD"))
    assert intra.batch([0, 1]).contact.tolist() == [[4, 2, 0, 0], [0, 0, 0, 0]]  # ranks close up
    assert inter.batch([0, 1]).contact.tolist() == [[5, 3, 0, 0], [6, 0, 0, 0]]
    assert intra.touching()[0].tolist() == [[1, 0, -1, -1], [-1] * 4]
    assert inter.touching()[0].tolist() == [[0, 2, -1, -1], [2, -1, -1, -1]]
    assert depth_of(intra.batch([0]).pcre[100][0, :2]) == [[0, 8, 0], [1, 2, 3]]
    assert torch.equal(data.select(contacts="all").batch([0, 1]).contact, data.batch([0, 1]).contact)
    assert torch.equal(intra.select(contacts="all").batch([0, 1]).contact, data.batch([0, 1]).contact)


def test_max_pcres_takes_the_strongest_of_the_chosen_contacts():
    for view in (domain_data().select(contacts="intra-TAD", max_pcres=1), domain_data().select(max_pcres=1).select(contacts="intra-TAD")):
        assert view.batch([0, 1]).contact.tolist() == [[4], [0]]
        assert view.touching()[0].tolist() == [[1], [-1]]


def test_contacts_stay_chosen_in_further_views_which_share_the_pooled_signal():
    data = domain_data()
    view = data.select(contacts="inter-TAD")
    assert all(view._signal.pcre[width] is data._signal.pcre[width] for width in (200, 100))
    for further in (view.select(genes=["G1", "G0"]), view.select(bin_bp=[100]).select(genes=["G1", "G0"]), view.fold(1)[0].select(task="reg")):
        assert further.contacts == "inter-TAD" and further.batch([0]).contact.tolist() == [[6, 0, 0, 0]]
    assert view.to("meta").contacts == "inter-TAD" and data.contacts == "all"
    with pytest.raises(InputError, match="pair: contacts is all in T1 and inter-TAD in T1, expected the same"):
        pair(data, view)
    assert pair(data, data).select(contacts="intra-TAD").batch([0]).other.contact.tolist() == [[4, 2, 0, 0]]


def test_task_chooses_the_target():
    data = hand_data()                                                           # RPKM 0, 1, 3
    assert data.batch([0, 1, 2]).target.tolist() == [0, 1, 0]
    assert data.select(task="reg").batch([0, 1, 2]).target.tolist() == [0, 1, 2]
    assert data.select(task="reg").select(genes=["G2"]).batch([0]).target.tolist() == [2]
    assert data.batch([0]).target.dtype == torch.int64


def test_views_share_their_tensors_and_leave_the_dataset_as_it_was():
    data = hand_data()
    view = data.select(genes=["G1"], max_pcres=1, task="reg")
    assert view._signal is data._signal
    assert (len(data), data.max_pcres, data.task) == (3, 2, "clf")
    assert data.batch([0]).contact.tolist() == [[3, 2]]


def test_fold_divides_the_genes_and_shares_no_chromosome():
    data = GeneDataset(random_store(20, frame_bp=FRAME_BP, marks=("A",)), bin_bp=(100,))
    seen = []
    for fold in (1, 2, 3, 4):
        train, held_out = data.fold(fold)
        assert not set(train.genes["chrom"]) & set(held_out.genes["chrom"])
        assert sorted([*train.genes["gene_id"], *held_out.genes["gene_id"]]) == data.genes["gene_id"].tolist()
        seen += held_out.genes["gene_id"].tolist()
    assert sorted(seen) == data.genes["gene_id"].tolist()


def test_to_moves_every_tensor_and_not_the_original():
    data = hand_data((200, 100), window_bp=200)
    moved = data.to("meta")  # the one other device that every machine has
    assert moved.device.type == "meta" and data.device.type == "cpu"
    for field in dataclasses.fields(moved._signal):
        value = getattr(moved._signal, field.name)
        if field.name == "layout":  # what the host plans batches with stays with the host
            continue
        for tensor in value.values() if isinstance(value, dict) else [value]:
            assert tensor.device.type == "meta", field.name
    assert moved._targets.device.type == "meta"
    assert data.to("cpu") is data


def test_both_sides_of_a_fold_share_one_copy_on_a_device():
    train, held_out = GeneDataset(random_store(8)).fold(1)
    assert train.to("meta")._signal is held_out.to("meta")._signal
    half = train.to(dtype=torch.float16)
    assert half._signal is held_out.to(dtype=torch.float16)._signal and train.dtype == torch.float32


def test_half_precision_takes_half_the_memory_and_batches_hold_float32():
    data = GeneDataset(random_store(8))
    half = data.to(dtype=torch.float16)
    assert half.n_bytes < 0.55 * data.n_bytes
    exact, rounded = data.batch(range(8)), half.batch(range(8))
    for width in data.bin_bp:
        assert rounded.promoter[width].dtype == rounded.pcre[width].dtype == torch.float32
        torch.testing.assert_close(rounded.promoter[width], exact.promoter[width], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(rounded.pcre[width], exact.pcre[width], rtol=1e-3, atol=1e-4)
        assert torch.equal(rounded.is_padding[width], exact.is_padding[width])


def test_targets_are_those_of_the_batches():
    data = GeneDataset(random_store(8)).select(genes=["ENSG00000000005", "ENSG00000000002"])
    assert torch.equal(data.targets, data.batch([0, 1]).target)
    both = pair(data, GeneDataset(random_store(8, seed=1)))
    assert torch.equal(both.targets, both.batch([0, 1]).target)


# Packed batches


def test_memory_is_that_of_every_tensor():
    data = hand_data((200, 100))
    # 3 genes: 4 + 8 bins; pCREs of 3, 1 and 4 narrow bins or 2, 1 and 2 wide ones, and a row of padding each; 4 bytes each.
    promoter, pcre, contact, rows = 3 * (4 + 8) * 4, (5 + 1 + 8 + 1) * 4, 3 * 2 * 4, 2 * 4 * 8
    assert data.n_bytes == promoter + pcre + contact + rows


def test_like_width_cuts_where_padding_costs_least():
    assert _like_width(np.array([1, 1, 1, 10])) == [slice(0, 3), slice(3, 4)]    # 3 * 1 + 1 * 10 bins in place of 40
    assert _like_width(np.array([5, 5, 5])) == [slice(0, 3)]
    assert _like_width(np.array([], int)) == []
    n_bins = np.sort(np.random.default_rng(0).integers(1, 400, 50))
    first, second = _like_width(n_bins)
    cost = [(i * n_bins[i - 1] + (50 - i) * n_bins[-1]) for i in range(1, 51)]
    assert first.stop * n_bins[first.stop - 1] + (50 - second.start) * n_bins[-1] == min(cost)


def test_packed_pcres_come_narrow_ones_first_without_room_for_others():
    data = GeneDataset(random_store(12))
    (batch,) = data.batches([range(12)])
    assert len(batch.gene_idx) == int((batch.contact > 0).sum()) == sum(len(part.signal[100]) for part in batch.pcres)
    narrow, wide = ((~part.is_padding[100]).sum(1) for part in batch.pcres)
    assert narrow.max() < wide.min() and narrow.tolist() == sorted(narrow.tolist())
    for part in batch.pcres:
        for width in data.bin_bp:
            assert not part.is_padding[width].all(1).any() and (~part.is_padding[width]).sum(1).max() == part.signal[width].shape[1]


def test_packing_and_unpacking_return_the_batch():
    batch = GeneDataset(random_store(12)).batch(range(12))
    again = batch.pack().unpack(40_000)
    for width in batch.pcre:
        exists = batch.contact > 0
        assert torch.equal(again.pcre[width], batch.pcre[width] * exists[..., None, None])
        assert torch.equal(again.is_padding[width], batch.is_padding[width])


def test_several_batches_are_those_asked_for_one_by_one():
    data = GeneDataset(random_store(12)).select(max_pcres=3)
    for indices, packed in zip([[3, 4], [0], [11, 2, 5]], data.batches([[3, 4], [0], [11, 2, 5]]), strict=True):
        one, other = packed.unpack(data.frame_bp), data.batch(indices)
        for width in data.bin_bp:
            assert torch.equal(one.promoter[width], other.promoter[width]) and torch.equal(one.pcre[width], other.pcre[width])
        assert torch.equal(one.contact, other.contact) and torch.equal(one.target, other.target)
    assert list(data.batches([])) == []


def test_dropped_is_a_table_of_what_and_why():
    assert hand_data().dropped.to_numpy().tolist() == [["pCREs", "too wide", 2], ["pCREs", "too weak", 5]]


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


# What is refused


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"genes": ["G0", "TP53"]}, "T1: no gene 'TP53' among the 3"),
        ({"genes": "BRCA1"}, "no gene 'BRCA1'"),
        ({"marks": ["H3K27ac"]}, "hand/T1: no mark 'H3K27ac', expected some of A"),
        ({"marks": []}, "no mark selected"),
        ({"window_bp": 1000}, "window_bp=1000, expected a multiple of 200 up to 800"),
        ({"window_bp": 300}, "window_bp=300"),
        ({"window_bp": 0}, "window_bp=0"),
        ({"bin_bp": [150]}, "bin_bp=150, expected a multiple of 100 that divides 800"),
        ({"bin_bp": [300]}, "bin_bp=300"),
        ({"bin_bp": [50]}, "bin_bp=50"),
        ({"max_pcres": 3}, "max_pcres=3, expected 0 to 2"),
        ({"max_pcres": -1}, "max_pcres=-1"),
        ({"contacts": "intra-TAD"}, "hand/T1: contacts='intra-TAD', but the profile names no domains; name a BED file"),
        ({"contacts": "intra"}, "contacts='intra', expected one of all, intra-TAD, inter-TAD"),
        ({"task": "diff"}, "task='diff', expected clf or reg; dataset.pair makes"),
    ],
)
def test_selection_that_the_store_cannot_give_is_refused(selection, message):
    with pytest.raises(InputError, match=message) as error:
        hand_data().select(**selection)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("bin_bp", [[], [0], [-100]])
def test_bins_that_are_no_widths_are_refused(bin_bp):
    with pytest.raises(InputError):
        hand_data().select(bin_bp=bin_bp)


def test_fold_that_holds_no_gene_lists_those_that_do():
    with pytest.raises(InputError, match=r"T1: fold 9 holds 0 of 3 genes, expected one of \[1, 2, 3\]"):
        hand_data().fold(9)
    with pytest.raises(InputError, match="fold 1 holds 1 of 1 genes"):
        hand_data().select(genes=["G0"]).fold(1)


def test_device_that_is_not_there_is_one_line():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("gpu", "cuda:99"):
        message = f"device '{name}': not usable here .*expected auto, cpu, cuda or mps"
        with pytest.raises(InputError, match=message) as error:
            resolve_device(name)
        assert len(str(error.value).splitlines()) == 1


# From a profile


def test_load_dataset_selects_and_checks_the_cell_type(smoke_profile):
    data = load_dataset(smoke_profile, "S01", task="reg", bin_bp=(2000,), window_bp=10_000, max_pcres=2)
    assert (data.task, data.bin_bp, data.window_bp, data.max_pcres) == ("reg", (2000,), 10_000, 2)
    batch = data.batch([0])
    assert batch.promoter[2000].shape[1] == 6 and batch.contact.shape == (1, 2)  # 5, and 1 for the other strand's shift
    assert isinstance(data.dropped, pd.DataFrame) and (data.dropped["count"] >= 0).all()
    with pytest.raises(InputError, match="unknown cell type 'S09', expected one of S01"):
        load_dataset(smoke_profile, "S09")


@pytest.fixture
def smoke_profile():
    from chromolib import load_profile

    return load_profile("smoke")
