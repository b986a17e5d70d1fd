"""The laws of the network: what may not change its answer, and what it is made of."""

import ast
import dataclasses
import inspect

import pytest
import torch

from benchmarks import peer
from chromolib import Chromoformer, GeneDataset, InputError, ModelConfig, attention, model, pair, products
from chromolib.attention import Tokens
from chromolib.released import _UNUSED
from tests.stores import random_store

MARKS, FRAME_BP, BINS = ("A", "B", "C"), 4000, (1000, 500, 100)
SMALL = {
    "marks": MARKS, "bin_bp": BINS, "frame_bp": FRAME_BP, "d_embedding": 8, "embedding_ff": 8, "pairwise_ff": 8,
    "regulation_layers": 2, "regulation_heads": 2, "regulation_width": 8, "regulation_ff": 8, "head_width": 8,
}  # fmt: skip
EXACT = {"rtol": 0, "atol": 1e-10}


def network(**changed):
    """Small, in double precision; gammas and norms as after some training, so that nothing is hidden by ones."""
    net = Chromoformer(ModelConfig(**(SMALL | changed))).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "norm." in name or name.endswith("gamma"):
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return net


def double(value):
    if isinstance(value, dict):
        return {key: double(entry) for key, entry in value.items()}
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def batch_of(data, indices):
    batch = data.batch(indices)
    return dataclasses.replace(batch, **{name: double(value) for name, value in vars(batch).items()})


@pytest.fixture(scope="module")
def data():
    """Ten genes with 0 to 8 pCREs on both strands."""
    return GeneDataset(random_store(10, frame_bp=FRAME_BP, marks=MARKS), bin_bp=BINS)


def change_pcres(batch, change):
    """Apply `change` to everything that has an axis of pCREs."""
    return dataclasses.replace(
        batch, contact=change(batch.contact),
        pcre={key: change(value) for key, value in batch.pcre.items()},
        is_padding={key: change(value) for key, value in batch.is_padding.items()},
    )  # fmt: skip


@pytest.mark.parametrize("task", ["clf", "reg"])
def test_order_of_pcres_changes_nothing(data, task):
    net, batch = network(task=task), batch_of(data, range(10))
    order = torch.tensor([3, 7, 0, 5, 1, 6, 2, 4])
    permuted = change_pcres(batch, lambda x: x[:, order])
    torch.testing.assert_close(net(permuted), net(batch), **EXACT)
    mismatched = dataclasses.replace(permuted, contact=batch.contact)
    assert not torch.allclose(net(mismatched), net(batch))


def test_absent_pcre_changes_nothing_whatever_stands_in_its_place(data):
    net, batch = network(), batch_of(data, range(10))

    def with_one_more(x):
        if x.ndim == 2:
            return torch.nn.functional.pad(x, (0, 1))
        return torch.cat([x, torch.ones_like(x[:, :1]) * (x.dtype == torch.bool or 1e6)], 1)

    torch.testing.assert_close(net(change_pcres(batch, with_one_more)), net(batch), **EXACT)


def test_contacts_that_are_left_out_may_leave_gaps_or_close_up():
    store = random_store(10, frame_bp=FRAME_BP, marks=MARKS)
    is_intra = (store["gene_pcre"] % 3 == 0).values                              # ranks anywhere
    data = GeneDataset(store.assign(is_intra_tad=(("gene", "rank"), is_intra)), bin_bp=BINS)
    net, batch = network(), batch_of(data, range(10))
    for contacts, kept in (("intra-TAD", is_intra), ("inter-TAD", ~is_intra)):
        gaps = dataclasses.replace(batch, contact=batch.contact * torch.from_numpy(kept))
        closed = batch_of(data.select(contacts=contacts), range(10))
        assert not torch.equal(gaps.contact, closed.contact)
        torch.testing.assert_close(net(closed), net(gaps), **EXACT)


@pytest.mark.parametrize("task", ["clf", "reg"])
def test_packed_batch_gets_the_answer_of_the_whole_one(data, task):
    net = Chromoformer(ModelConfig(**SMALL, task=task)).eval()
    (packed,) = data.batches([range(10)])
    assert len(packed.pcres) == 2
    torch.testing.assert_close(net(packed), net(data.batch(range(10))), rtol=0, atol=1e-6)


@pytest.mark.parametrize("fusion", ["attention", "concat"])
@pytest.mark.parametrize(("genes", "added"), [(range(10), 4), ([8] * 8, 0)])
def test_filled_rows_change_neither_answer_nor_gradient(data, monkeypatch, genes, added, fusion):
    """Places without a pCRE, as many as make a lot and as there are, beside the same network without them."""
    (batch,) = data.batches([genes])
    room = int((batch.contact == 0).sum())
    monkeypatch.setattr(model, "n_filling", lambda _, n: 4)
    seen = []
    monkeypatch.setattr(Tokens, "of", lambda *given, of=Tokens.of: seen.append(len(given[1])) or of(*given))
    answers = []
    for _ in range(2):
        net = network(fusion=fusion).float()
        out = net(batch)
        answers.append([out, *torch.autograd.grad((out * torch.arange(2.0)).sum(), list(net.parameters()))])
        monkeypatch.setattr(model, "n_filling", lambda _, n: 0)
    for filled, plain in zip(*answers, strict=True):
        torch.testing.assert_close(filled, plain, rtol=1e-4, atol=1e-6)
    assert min(room, 4) == added and (fusion == "concat" or seen == [len(batch.gene_idx) + added, len(batch.gene_idx)])


def test_places_without_a_pcre_are_named_once_each_and_no_more_than_there_are(data):
    (batch,) = data.batches([range(10)])
    n, absent = len(batch.gene_idx), int((batch.contact == 0).sum())
    for asked in (0, 3, absent, absent + 5):
        gene_idx, rank_idx = batch.with_absent(asked)
        assert torch.equal(gene_idx[:n], batch.gene_idx) and torch.equal(rank_idx[:n], batch.rank_idx)
        assert len(set(zip(gene_idx.tolist(), rank_idx.tolist(), strict=True))) == len(gene_idx) == n + min(asked, absent)
        assert (batch.contact[gene_idx[n:], rank_idx[n:]] == 0).all()


@pytest.mark.parametrize("is_parted", [True, False])
def test_autocast_moves_the_answer_only_a_little(data, monkeypatch, is_parted):
    """Resolutions one by one, as on a CPU, and together, as on a GPU."""
    for module in (products, model):
        monkeypatch.setattr(module, "is_parted", lambda _: is_parted)
    net = Chromoformer(ModelConfig(**SMALL))
    (packed,) = data.batches([range(10)])
    exact = net(packed)
    with torch.autocast("cpu", torch.bfloat16):
        found = net(packed).float()
        found.sum().backward()
    assert not torch.equal(found, exact)
    torch.testing.assert_close(found, exact, rtol=0, atol=0.05)
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in net.parameters())


@pytest.mark.parametrize("fusion", ["attention", "concat"])
def test_gene_alone_gets_the_answer_it_gets_among_others(data, fusion):
    net = network(fusion=fusion)
    together = net(batch_of(data, range(10)))
    alone = torch.cat([net(batch_of(data, [i])) for i in range(10)])
    torch.testing.assert_close(alone, together, **EXACT)
    torch.testing.assert_close(net(batch_of(data, [7, 2])), together[[7, 2]], **EXACT)


def test_genes_without_pcres_are_read_from_their_promoters_alone(data):
    net = network()
    none = batch_of(data.select(max_pcres=0), range(10))
    silent = change_pcres(batch_of(data, range(10)), lambda x: x if x.ndim > 2 else x * 0)
    torch.testing.assert_close(net(none), net(silent), **EXACT)
    torch.testing.assert_close(net(none)[0], net(batch_of(data, range(10)))[0], **EXACT)  # gene 0 has none anyway
    assert not torch.allclose(net(none)[1:], net(batch_of(data, range(10)))[1:])


def test_each_pcre_and_its_contact_matter(data):
    net, batch = network(), batch_of(data, [8])  # eight pCREs
    louder = change_pcres(batch, lambda x: x if x.ndim > 2 else 1.5 * x)
    assert not torch.allclose(net(louder), net(batch))
    for rank in range(8):
        changed = {width: value.clone() for width, value in batch.pcre.items()}
        for value in changed.values():
            value[0, rank] += 1
        assert (net(dataclasses.replace(batch, pcre=changed)) - net(batch)).abs().max() > 1e-6, rank


def test_gain_multiplies_the_signal_of_each_mark_and_folds_into_the_weights(data):
    net, batch = network(), batch_of(data, range(10))
    gain = torch.tensor([[2.0, 0.5, 3.0], [1.0, 4.0, 0.25], [0.1, 1.0, 7.0]], dtype=torch.float64).unsqueeze(1)  # (s, 1, m)
    scaled = {name: {width: x * gain[s] for s, (width, x) in enumerate(getattr(batch, name).items())} for name in ("promoter", "pcre")}
    expected, maps = net(dataclasses.replace(batch, **scaled)), net.attention_maps(dataclasses.replace(batch, **scaled))
    names = list(net.state_dict())
    net.gain = gain
    torch.testing.assert_close(net(batch), expected, **EXACT)
    net.fold_gain()
    torch.testing.assert_close(net(batch), expected, **EXACT)
    assert list(net.state_dict()) == names                                       # nothing of it is left
    for width, found in net.attention_maps(batch).items():
        torch.testing.assert_close(found, maps[width], **EXACT)


def test_padded_bins_change_nothing(data):
    net, batch = network(), batch_of(data, range(10))
    noisy = {key: value + 100 * batch.is_padding[key].unsqueeze(-1) for key, value in batch.pcre.items()}
    torch.testing.assert_close(net(dataclasses.replace(batch, pcre=noisy)), net(batch), **EXACT)
    masked = {key: torch.zeros(value.shape[:2], dtype=torch.bool) for key, value in batch.promoter.items()}
    for mask in masked.values():
        mask[:, 0] = True
    quiet = dataclasses.replace(batch, is_promoter_padding=masked)
    noise = {key: value + 100 * masked[key].unsqueeze(-1) for key, value in batch.promoter.items()}
    torch.testing.assert_close(net(dataclasses.replace(quiet, promoter=noise)), net(quiet), **EXACT)
    assert not torch.allclose(net(quiet), net(batch))


def test_default_classifier_has_the_release_s_weights_but_those_it_never_uses():
    theirs = peer.network("clf")
    unused = sum(p.numel() for name, p in theirs.named_parameters() if _UNUSED.search(name))
    # Each resolution: a norm of 2 x 128 nobody calls; gammas of 2 heads in 1 Embedding and 2 Pairwise layers; a map
    # from 2 to the heads in the Embedding layer (2 heads) and in 6 Regulation layers (8 heads).
    assert unused == 3 * (256 + 3 * 2 + 2 * 2 + 6 * 2 * 8) == 1_086
    assert sum(p.numel() for p in Chromoformer().parameters()) == 5_341_586
    assert sum(p.numel() for p in theirs.parameters()) == 5_342_672


def test_parameters_of_a_small_network_by_hand():
    config = {"d_embedding": 4, "bin_bp": (1000,), "embedding_ff": 5, "pairwise_ff": 6, "pairwise_layers": 1,
              "regulation_layers": 1, "regulation_width": 2, "regulation_ff": 7, "head_width": 3}  # fmt: skip
    net = network(**config)
    norm, embed_ff, pair_ff, regulation_ff = 8, 5 * 4 + 5 + 4 * 5 + 4, 6 * 4 + 6 + 4 * 6 + 4, 7 * 4 + 7 + 4 * 7 + 4
    embedding = 4 * 3 + 3 * 16 + (16 + 4) + norm + embed_ff + norm  # marks to d; Q, K, V; output; feed-forward
    pairwise = 16 + 4 * 3 + 3 * 16 + (16 + 4) + norm + pair_ff + norm
    regulation = 4 * 2 * 4 + 2 + (4 * 2 + 4) + norm + regulation_ff + norm       # Q, K, V, G; gamma of two heads
    head = 4 * 3 + 3 + 3 * 2 + 2
    assert sum(p.numel() for p in net.parameters()) == embedding + pairwise + regulation + head


def test_outputs_have_the_shape_of_the_task(data):
    batch = batch_of(data, range(4))
    assert network()(batch).shape == (4, 2) and network(task="reg")(batch).shape == (4,)
    embedding = network().embed(batch)
    assert embedding.promoter.shape == embedding.regulatory.shape == (3, 4, 8)


def test_heads_read_both_embeddings_added_resolution_by_resolution(data):
    """The release adds the promoter's embedding once more; the paper does not mention it, the weights need it."""
    net, batch = network(), batch_of(data, range(10))
    promoter, regulatory = net.embed(batch)
    expected = torch.cat([promoter[s] + regulatory[s] for s in range(3)], -1)
    torch.testing.assert_close(net.features(batch), expected, **EXACT)
    torch.testing.assert_close(net(batch), net.head(expected), **EXACT)


@pytest.mark.parametrize("layers", [{"pairwise_layers": 0}, {"regulation_layers": 0}, {"regulation_layers": 1}])
def test_network_with_fewer_layers_runs(data, layers):
    assert network(**layers)(batch_of(data, range(10))).isfinite().all()


def test_without_regulation_layers_pcres_are_not_heard(data):
    net = network(regulation_layers=0)
    batch, alone = batch_of(data, range(10)), batch_of(data.select(max_pcres=0), range(10))
    torch.testing.assert_close(net(batch), net(alone), **EXACT)


# Fusion by concatenation


def test_parameters_of_a_network_that_concatenates_by_hand():
    net, d = network(fusion="concat"), 8
    assert not [name for name in net.state_dict() if name.startswith("regulation")]
    assert sum(p.numel() for p in net.join.parameters()) == 3 * (9 * d * d + d)  # each resolution: promoter and eight pCREs to d
    assert not [name for name in network().state_dict() if name.startswith("join")]
    assert network(fusion="concat", regulation_layers=0).join is None


def test_concatenated_regions_are_mapped_in_the_order_of_rank(data):
    """Gene 2 has two pCREs: its row is a map of three embeddings, the six places behind them add nothing."""
    net, batch = network(fusion="concat"), batch_of(data, [2])
    promoter, regulatory = net.embed(batch)
    packed = batch.pack()
    pcres = net._embed_pcres(promoter, packed, packed.gene_idx, packed.rank_idx)  # (s, 2, d)
    weight, bias = net.join.weight[:, :, :24], net.join.bias
    for s in range(3):
        expected = (weight[s] @ torch.cat([promoter[s, 0], pcres[s, 0], pcres[s, 1]]) + bias[s]).relu()
        torch.testing.assert_close(regulatory[s, 0], expected, **EXACT)
    torch.testing.assert_close(net(batch), net.head(net.features(batch)), **EXACT)


def test_concatenation_hears_ranks_and_no_absent_pcre(data):
    net, batch = network(fusion="concat"), batch_of(data, range(10))
    order = torch.tensor([1, 0, 2, 3, 4, 5, 6, 7])
    changed = (net(change_pcres(batch, lambda x: x[:, order])) - net(batch)).abs().amax(1) > 1e-6
    assert changed.tolist() == [i % 9 > 0 for i in range(10)]                    # gene 1's only pCRE is now of rank 2
    noise = {key: value + 100 * (batch.contact == 0)[:, :, None, None] for key, value in batch.pcre.items()}
    torch.testing.assert_close(net(dataclasses.replace(batch, pcre=noise)), net(batch), **EXACT)
    louder = dataclasses.replace(batch, contact=1.5 * batch.contact)
    torch.testing.assert_close(net(louder), net(batch), **EXACT)                 # frequencies are heard as ranks alone
    few = change_pcres(batch, lambda x: x[:, :3])
    silent = change_pcres(batch, lambda x: x * (torch.arange(8) < 3) if x.ndim == 2 else x)
    torch.testing.assert_close(net(few), net(silent), **EXACT)


def test_concatenation_answers_alike_for_packed_and_whole_batches_and_learns_everywhere(data):
    net = Chromoformer(ModelConfig(**SMALL, fusion="concat"))
    (packed,) = data.batches([range(10)])
    assert len(packed.pcres) == 2
    torch.testing.assert_close(net(packed), net(data.batch(range(10))), rtol=0, atol=1e-6)
    net(packed).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert (net.join.weight.grad.unflatten(2, (9, -1)).abs().amax((0, 1, 3)) > 0).all()


def test_concatenation_has_no_place_for_more_pcres_than_it_was_made_for(data):
    with pytest.raises(InputError, match=r"batch holds 8 pCREs a gene, the network has places for 4; .*max_pcres"):
        network(fusion="concat", max_pcres=4)(batch_of(data, [0]))
    assert network(fusion="concat", max_pcres=8)(batch_of(data.select(max_pcres=4), range(10))).isfinite().all()
    assert network(fusion="concat")(batch_of(data.select(max_pcres=0), range(10))).isfinite().all()


def test_fusion_leaves_the_weights_that_both_have_alike_up_to_the_fusion():
    first, second = (Chromoformer(ModelConfig(**SMALL, fusion=fusion)) for fusion in ("attention", "concat"))
    for name, weight in second.state_dict().items():
        if not name.startswith(("join", "head")):
            assert torch.equal(weight, first.state_dict()[name]), name


# Two cell types


@pytest.fixture(scope="module")
def pairs(data):
    return pair(data, GeneDataset(random_store(10, frame_bp=FRAME_BP, marks=MARKS, seed=5), bin_bp=BINS))


def two_cells(pairs, indices):
    batch = batch_of(pairs, indices)
    return dataclasses.replace(batch, other=batch_of(pairs.second, indices))


def test_fold_change_network_answers_for_both_cell_types_and_learns_from_both(pairs):
    net, batch = network(task="diff"), two_cells(pairs, range(5))
    promoters = [batch.promoter[500].requires_grad_(), batch.other.promoter[500].requires_grad_()]
    out = net(batch)
    assert out.shape == (5, 3)
    for column, (first, second) in enumerate([(True, True), (True, False), (False, True)]):
        gradients = torch.autograd.grad(out[:, column].sum(), promoters, retain_graph=True, allow_unused=True)
        assert [g is not None and bool(g.abs().sum() > 0) for g in gradients] == [first, second], column


def test_cell_types_share_the_network_but_not_their_heads(pairs):
    net, batch = network(task="diff"), two_cells(pairs, range(5))
    swapped = dataclasses.replace(batch.other, other=dataclasses.replace(batch, other=None))
    net.expression_heads[1].load_state_dict(net.expression_heads[0].state_dict())
    torch.testing.assert_close(net(swapped)[:, [2, 1]], net(batch)[:, [1, 2]], **EXACT)
    assert not torch.allclose(net(swapped)[:, 0], net(batch)[:, 0])


def test_fold_change_of_one_cell_type_is_refused(data):
    with pytest.raises(InputError, match="task diff: the batch holds one cell type, expected two; .*chromolib.pair"):
        network(task="diff")(batch_of(data, [0]))


# Seeds and devices


def test_same_seed_gives_the_same_weights_and_touches_no_other_generator():
    state = torch.random.get_rng_state()
    first, again, other = (Chromoformer(ModelConfig(**SMALL), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert not torch.equal(first.pcre_query.weight, other.pcre_query.weight)


def test_weights_start_within_one_over_the_root_of_their_inputs():
    net = Chromoformer(ModelConfig(**SMALL))
    n_inputs = {"promoter_project.weight": 3, "regulation.0.output.bias": 8, "head.0.weight": 24, "head.2.bias": 8}
    for name, bound in ((name, n**-0.5) for name, n in n_inputs.items()):
        values = net.get_parameter(name)
        assert values.abs().max() <= bound and values.std() > 0.3 * bound, name
    assert (net.regulation[0].gamma == 1).all() and (net.embedding.norm.weight == 1).all()


@pytest.mark.parametrize("module", [model, attention])
def test_network_names_no_device(module):
    tree = ast.parse(inspect.getsource(module))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not texts & {"cuda", "cpu", "mps"} and not attributes & {"cuda", "cpu"}


def test_positions_move_with_the_network_and_are_not_stored():
    net = Chromoformer(ModelConfig(**SMALL))
    assert net.to("meta").position_100.device.type == "meta"
    assert not [name for name in net.state_dict() if "position" in name]


# Attention maps and windows


def test_attention_maps_are_distributions_over_the_bins_of_the_window(data):
    maps = network().attention_maps(batch_of(data, range(3)))
    assert {width: tuple(value.shape) for width, value in maps.items()} == {
        width: (3, 2, FRAME_BP // width, FRAME_BP // width) for width in BINS
    }
    for value in maps.values():
        torch.testing.assert_close(value.sum(-1), torch.ones_like(value[..., 0]), **EXACT)


def test_attention_maps_give_padding_no_weight():
    store = random_store(2, frame_bp=FRAME_BP, marks=MARKS)
    store["tss"] = ("gene", [1000, 10**6])  # the first 1,000 bp of gene 0's window lie off its chromosome
    data = GeneDataset(store, bin_bp=BINS)
    maps = network().attention_maps(batch_of(data, [0, 1]))
    assert maps[500][0, :, 2:, :2].max() < 1e-12 and maps[500][1, :, :, :2].min() > 0


def test_attention_of_the_tss_is_its_row_of_the_maps(data):
    net = network()
    net.gain = torch.tensor([[2.0, 0.5, 3.0]] * 3, dtype=torch.float64).unsqueeze(1)
    for window_bp in (4000, 2000):
        batch = batch_of(data.select(window_bp=window_bp), range(10))
        rows, maps = net.tss_attention(batch), net.attention_maps(batch)
        assert list(rows) == list(BINS)
        for width, (row, asked) in rows.items():
            assert row.shape == (10, 2, window_bp // width) and asked.shape == (10, 2, len(MARKS))
            torch.testing.assert_close(row.sum(-1), torch.ones_like(row[..., 0]), **EXACT)
            torch.testing.assert_close(row, maps[width][:, :, window_bp // width // 2], **EXACT)
            assert torch.equal(row, net.tss_attention(batch.pack())[width].weight)


def test_a_unit_more_of_a_mark_multiplies_the_attention_of_a_bin(data):
    """By how much is said by `asked`, whatever the bin, as long as it is not the one that asks."""
    net, batch = network(), batch_of(data, range(4))
    before = net.tss_attention(batch)
    for k in range(len(MARKS)):
        signal = {width: value.clone() for width, value in batch.promoter.items()}
        for value in signal.values():
            value[:, 1, k] += 1
        for width, (row, _) in net.tss_attention(dataclasses.replace(batch, promoter=signal)).items():
            odds = [found[..., 1] / found[..., 0] for found in (before[width].weight, row)]
            torch.testing.assert_close(odds[1] / odds[0], before[width].asked[..., k].exp(), **EXACT)


def test_attention_of_the_tss_leaves_out_what_is_off_the_chromosome():
    store = random_store(2, frame_bp=FRAME_BP, marks=MARKS)
    store["tss"] = ("gene", [1000, 10**6])
    rows = network().tss_attention(batch_of(GeneDataset(store, bin_bp=BINS), [0, 1]))
    row = rows[500].weight
    assert (row[0, :, :2] == 0).all() and row[0, :, 2:].min() > 0 and row[1].min() > 0


def test_narrower_windows_have_fewer_bins_at_the_same_positions(data):
    net = network()
    for window_bp, n_bins in ((4000, 40), (2000, 20), (1000, 10)):
        batch = batch_of(data.select(window_bp=window_bp), range(10))
        assert batch.promoter[100].shape[1] == n_bins and net.attention_maps(batch)[100].shape[-1] == n_bins
        first = (40 - n_bins) // 2
        torch.testing.assert_close(net._positions(100, n_bins), net.position_100[first : first + n_bins], **EXACT)
        assert first + net._tss_idx(100, n_bins) == 20                           # the TSS stays where it is
        assert net(batch).isfinite().all()


def test_batch_that_does_not_fit_the_network_is_refused(data):
    with pytest.raises(InputError, match=r"batch holds bins of \[100, 500\] bp, the network reads 1000 bp; .*bin_bp"):
        network()(batch_of(data.select(bin_bp=[500, 100]), [0]))
    with pytest.raises(InputError, match="batch holds 2 marks, the network reads 3: A, B, C; .*marks"):
        network()(batch_of(data.select(marks=["A", "B"]), [0]))
    with pytest.raises(InputError, match="batch holds 2 marks, the network reads 3"):
        network().tss_attention(batch_of(data.select(marks=["A", "B"]), [0]))
    with pytest.raises(InputError, match="promoter window of 8 bins of 500 bp is wider than frame_bp=2,000"):
        network(frame_bp=2000, bin_bp=(500, 100))(batch_of(data, [0]))
