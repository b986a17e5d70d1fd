"""What a network reads, from stores whose bp can be counted. Frame 800 bp, narrow bins of 100 bp, one mark."""

import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr

from chromolib.cell_types import pair
from chromolib.config import InputError
from chromolib.dataset import GeneDataset, _like_width, load_dataset, resolve_device
from tests.stores import FRAME_BP, hand_data, hand_store, random_store


def depth_of(tensor):
    """Mean depth, the logarithm taken back."""
    return tensor.expm1().squeeze(-1).round(decimals=4).tolist()


def promoters(data, bin_bp):
    """Depth and padding of all promoters at one bin width."""
    batch = data.batch(range(len(data)))
    return depth_of(batch.promoter[bin_bp]), batch.is_promoter_padding.get(bin_bp)


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
        ({"task": "diff"}, "task='diff', expected clf or reg; chromolib.pair makes"),
    ],
)
def test_selection_that_the_store_cannot_give_is_refused(selection, message):
    with pytest.raises(InputError, match=message) as error:
        hand_data().select(**selection)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("bin_bp", "message"),
    [
        ([], "hand/T1: no bin width selected, expected multiples of 100 that divide 800"),
        ([0], "hand/T1: bin_bp=0, expected a multiple of 100 that divides 800"),
        ([-100], "hand/T1: bin_bp=-100, expected a multiple"),
    ],
)
def test_bins_that_are_no_widths_are_refused(bin_bp, message):
    with pytest.raises(InputError, match=f"^{message}"):
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


def test_device_that_fails_without_a_word_is_named(monkeypatch):
    def silent(*args, **options):
        raise AssertionError

    monkeypatch.setattr(torch, "empty", silent)
    with pytest.raises(InputError, match=r"device 'cuda': not usable here \(AssertionError: \); expected auto"):
        resolve_device("cuda")


# From a profile


def test_load_dataset_selects_and_checks_the_cell_type(smoke_profile):
    data = load_dataset(smoke_profile, "S01", task="reg", bin_bp=(2000,), window_bp=10_000, max_pcres=2)
    assert (data.task, data.bin_bp, data.window_bp, data.max_pcres) == ("reg", (2000,), 10_000, 2)
    batch = data.batch([0])
    assert batch.promoter[2000].shape[1] == 6 and batch.contact.shape == (1, 2)  # 5, and 1 for the other strand's shift
    assert data.dropped.to_numpy().tolist() == [["pCREs of genes", "wider than 40,000 bp", 3], ["pCREs of genes", "beyond the 8 strongest", 104]]
    with pytest.raises(InputError, match="unknown cell type 'S09', expected one of S01"):
        load_dataset(smoke_profile, "S09")


@pytest.fixture
def smoke_profile():
    from chromolib import load_profile

    return load_profile("smoke")
