"""The shortcuts against what they shorten, in double precision, and the laws of attention."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from chromolib import products
from chromolib.attention import (
    BinAttention,
    Bins,
    GatedAttention,
    Tokens,
    _Rows,
    attend_bins,
    copies,
    fill_masked,
    frame_offset,
    position_table,
)
from chromolib.stack import finish_layer

EXACT = {"rtol": 1e-12, "atol": 1e-12}
N, H, D, L, M = 5, 2, 8, 7, 3  # regions, heads, embedding, bins, marks


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def random_weights(module, seed=0):
    """Double precision, every weight different from what it is born with."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return module


def regions(seed=0):
    """u, signal, position, project and a mask that leaves 7, 6, 5, 4 and 3 bins."""
    is_padding = torch.arange(L) >= torch.tensor([[7], [6], [5], [4], [3]])
    return (
        normal(N, H, D, seed=seed), normal(N, L, M, seed=seed + 1), normal(L, D, seed=seed + 2),
        normal(D, M, seed=seed + 3), is_padding,
    )  # fmt: skip


def test_position_table_by_hand():
    table = position_table(3, 4)  # frequencies 1 and 10000^(-2/4) = 0.01
    expected = [[math.sin(i), math.cos(i), math.sin(i * 0.01), math.cos(i * 0.01)] for i in range(3)]
    torch.testing.assert_close(table, torch.tensor(expected), rtol=1e-6, atol=1e-7)
    assert table[0].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("n_bins", "frame_bins", "left"), [(3, 8, 3), (1, 8, 4), (8, 8, 0), (4, 8, 2), (0, 8, 4), (9, 8, 0), (399, 400, 1)]
)
def test_larger_half_of_the_padding_is_on_the_left(n_bins, frame_bins, left):
    assert frame_offset(n_bins, frame_bins) == left


def test_attend_bins_equals_attention_over_embedded_bins():
    u, signal, position, project, is_padding = regions()
    embedded = signal @ project.T + position                                     # (n, l, d), what is never made
    score = torch.einsum("nhd,nld->nhl", u, embedded).masked_fill(is_padding[:, None], -torch.inf)
    expected = torch.einsum("nhl,nld->nhd", score.softmax(-1), embedded)
    torch.testing.assert_close(attend_bins(u, Bins(signal, position, project, is_padding)), expected, **EXACT)


def test_appended_padding_changes_nothing():
    u, signal, position, project, is_padding = regions()
    longer = torch.cat([signal, 100 * normal(N, 4, M)], 1), torch.cat([position, normal(4, D)])
    found = attend_bins(u, Bins(*longer, project, F.pad(is_padding, (0, 4), value=True)))
    torch.testing.assert_close(found, attend_bins(u, Bins(signal, position, project, is_padding)), **EXACT)


def test_no_mask_means_that_every_bin_holds_data():
    u, signal, position, project, is_padding = regions()
    without = attend_bins(u, Bins(signal, position, project, None))
    nowhere = torch.zeros_like(is_padding)
    torch.testing.assert_close(without, attend_bins(u, Bins(signal, position, project, nowhere)), **EXACT)
    assert not torch.allclose(without, attend_bins(u, Bins(signal, position, project, is_padding)))


def test_region_of_only_padding_becomes_a_plain_average():
    u, signal, position, project, is_padding = regions()
    found = attend_bins(u, Bins(signal, position, project, torch.ones_like(is_padding)))
    expected = (signal @ project.T + position).mean(1, keepdim=True).expand(-1, H, -1)
    torch.testing.assert_close(found, expected, **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_masked_scores_stay_finite_and_weigh_nothing(dtype):
    is_masked = torch.tensor([[False, True], [True, True]])
    score = fill_masked(torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dtype), is_masked)
    assert score.isfinite().all()
    assert score.float().softmax(-1).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_one_query_layer_is_the_tss_row_of_torch_s_own_encoder_layer():
    """torch computes every row of the N x N attention; only the one of the query bin is compared."""
    layer = random_weights(BinAttention(2, D, H, 16))
    _, signal, position, project, is_padding = regions()
    embedded, tss = signal @ project.T + position, 1
    x = embedded[:, tss].expand(2, -1, -1)
    found = layer(x, [[Bins(signal, position, project, is_padding)] * 2])
    for s in range(2):
        peer = nn.TransformerEncoderLayer(D, H, 16, dropout=0.0, batch_first=True, dtype=torch.float64).train()
        with torch.no_grad():
            weights = torch.cat([layer.query.weight[s], layer.key.weight[s], layer.value.weight[s]])
            peer.self_attn.in_proj_weight.copy_(weights)
            peer.self_attn.in_proj_bias.zero_()
            for theirs, ours in (
                (peer.self_attn.out_proj, layer.output), (peer.norm1, layer.norm),
                (peer.norm2, layer.feed_forward.norm), (peer.linear1, layer.feed_forward.widen),
                (peer.linear2, layer.feed_forward.narrow),
            ):  # fmt: skip
                theirs.weight.copy_(ours.weight[s])
                theirs.bias.copy_(ours.bias[s])
            expected = peer(embedded, src_key_padding_mask=is_padding)
        torch.testing.assert_close(found[s], expected[:, tss], **EXACT)


def test_full_map_holds_the_weights_that_the_one_query_uses():
    layer = random_weights(BinAttention(1, D, H, 16))
    _, signal, position, project, is_padding = regions()
    embedded, tss = signal @ project.T + position, 1
    weight = layer.full_map(embedded, is_padding, 0)                             # (n, h, l, l)
    mean = torch.einsum("nhl,nld->nhd", weight[:, :, tss], embedded)
    u = layer.folded_query(embedded[None, :, tss])[0].unflatten(-1, (H, D))
    torch.testing.assert_close(attend_bins(u, Bins(signal, position, project, is_padding)), mean, **EXACT)


def test_weights_are_those_with_which_the_layer_s_answer_is_made():
    """The answer once more by the textbook: values of embedded bins, averaged with the weights, then the layer's end."""
    layer = random_weights(BinAttention(2, D, H, 16))
    _, signal, position, project, is_padding = regions()
    bins, x = [Bins(signal, position, project, is_padding)] * 2, normal(2, N, D, seed=9)
    embedded, heard = signal @ project.T + position, []
    for s, (weight, _) in enumerate(layer.weights(x, bins)):
        value = F.linear(embedded, layer.value.weight[s]).unflatten(-1, (H, -1))             # (n, l, h, c)
        heard.append(torch.einsum("nhl,nlhc->nhc", weight, value).flatten(1))
    found = finish_layer(x, torch.stack(heard), layer.output.weight, layer.output.bias, layer.norm, layer.feed_forward)
    torch.testing.assert_close(found, layer(x, [bins]), **EXACT)


def test_weights_sum_to_one_and_leave_padding_out():
    layer = random_weights(BinAttention(1, D, H, 16))
    _, signal, position, project, is_padding = regions()
    is_padding[4] = True                                                         # the last region is nothing but padding
    ((weight, _),) = layer.weights(normal(1, N, D), [Bins(signal, position, project, is_padding)])
    assert weight.shape == (N, H, L)
    torch.testing.assert_close(weight.sum(-1), torch.ones(N, H, dtype=torch.float64), **EXACT)
    assert (weight[:4] > 0).eq(~is_padding[:4, None]).all()
    torch.testing.assert_close(weight[4], torch.full((H, L), 1 / L, dtype=torch.float64), **EXACT)


@pytest.mark.parametrize("with_padding", [True, False])
def test_attend_bins_has_the_gradients_that_gradcheck_measures(with_padding):
    u, signal, position, project, is_padding = regions()
    is_padding = torch.cat([is_padding[:-1], torch.ones(1, L, dtype=torch.bool)]) if with_padding else None  # one all padding
    inputs = [x.requires_grad_() for x in (u, signal, project)]
    assert torch.autograd.gradcheck(lambda u, signal, project: attend_bins(u, Bins(signal, position, project, is_padding)), inputs)


def test_groups_of_regions_change_nothing():
    layer = random_weights(BinAttention(2, D, H, 16))
    _, signal, position, project, is_padding = regions()
    x = normal(2, N, D)
    whole = layer(x, [[Bins(signal, position, project, is_padding)] * 2])
    narrow = Bins(signal[3:, :4], position[:4], project, is_padding[3:, :4])     # the last two have 4 and 3 bins
    cut = layer(x, [[Bins(signal[:3], position, project, is_padding[:3])] * 2, [narrow] * 2])
    torch.testing.assert_close(cut, whole, **EXACT)


def test_query_folded_beforehand_changes_nothing():
    layer, x = random_weights(BinAttention(2, D, H, 16)), normal(2, N, D)
    groups = [[Bins(*regions()[1:])] * 2]
    torch.testing.assert_close(layer(x, groups, layer.folded_query(x)), layer(x, groups), **EXACT)


GENE, RANK = torch.tensor([0, 2, 2]), torch.tensor([1, 0, 3])  # of three genes with four ranks


def test_copies_are_their_promoter_s_row_and_have_the_gradients_that_gradcheck_measures():
    x = normal(2, 3, 2).requires_grad_()
    assert torch.equal(copies(x, GENE, RANK, 4), x[:, GENE])
    assert torch.autograd.gradcheck(lambda x: copies(x, GENE, RANK, 4), x)


def test_tokens_side_by_side_give_back_the_gradient_of_their_own_place():
    tokens = Tokens.of(CONTACT, *torch.nonzero(CONTACT, as_tuple=True))
    b, t = tokens.contact.shape
    own = tokens.gene * t + tokens.place
    x = normal(2, len(tokens.gene), 2).requires_grad_()
    rows = _Rows.apply(x, tokens.token, own)
    assert torch.equal(rows[:, own], x)
    heard = ~tokens.is_absent.flatten()
    loss = (rows * normal(2, b * t, 2, seed=1) * heard[:, None]).sum()           # nobody hears the other places
    (found,) = torch.autograd.grad(loss, x)
    assert torch.equal(found, normal(2, b * t, 2, seed=1)[:, own])


def gated(heads=2, width=6):
    return random_weights(GatedAttention(2, D, heads, width, 16))


def packed(contact):
    """Tokens of genes with these contacts, and a random embedding for each."""
    gene, rank = torch.nonzero(contact, as_tuple=True)
    return normal(2, len(contact) + len(gene), D), Tokens.of(contact, gene, rank), gene


def mixed(layer, x, tokens, together=1):
    return layer(x, tokens.by_head(together, layer.heads))


def by_definition(layer, x, frequency, s):
    """The paper's formula for one gene whose tokens all exist: x (t, d), frequency (t - 1,)."""
    query, key, value, gate = (layer.query_key_value_gate[s] @ x.T).T.chunk(4, -1)
    attended = []
    for h, (q, k, v) in enumerate(zip(query.chunk(2, -1), key.chunk(2, -1), value.chunk(2, -1), strict=True)):
        score = q @ k.T / math.sqrt(q.shape[-1])
        score[0, 1:] = score[0, 1:] + layer.gamma[s, h] * frequency
        attended.append(score.softmax(-1) @ v)
    attended = torch.cat(attended, -1) * gate.sigmoid()
    y = x + F.linear(attended, layer.output.weight[s], layer.output.bias[s])
    y = F.layer_norm(y, (D,), layer.norm.weight[s], layer.norm.bias[s])
    ff = layer.feed_forward
    z = F.linear(F.linear(y, ff.widen.weight[s], ff.widen.bias[s]).relu(), ff.narrow.weight[s], ff.narrow.bias[s])
    return F.layer_norm(y + z, (D,), ff.norm.weight[s], ff.norm.bias[s])


CONTACT = torch.tensor([[3.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [4.0, 2.5, 2.0, 1.6]], dtype=torch.float64)


def test_gated_attention_equals_its_definition_gene_by_gene():
    layer, (x, tokens, gene) = gated(), packed(CONTACT)
    found = mixed(layer, x, tokens)
    for s in range(2):
        for b in range(len(CONTACT)):
            own = torch.cat([torch.tensor([b]), len(CONTACT) + torch.nonzero(gene == b).flatten()])
            expected = by_definition(layer, x[s, own], CONTACT[b][CONTACT[b] > 0], s)
            torch.testing.assert_close(found[s, own], expected, **EXACT)


def test_promoters_are_the_promoters_rows_of_the_whole_layer():
    layer, (x, tokens, _) = gated(), packed(CONTACT)
    torch.testing.assert_close(layer.promoters(x, tokens), mixed(layer, x, tokens)[:, : len(CONTACT)], **EXACT)


def test_room_for_absent_tokens_changes_nothing():
    layer, (x, tokens, _) = gated(), packed(CONTACT)
    wider, roomy, _ = packed(F.pad(CONTACT, (0, 5)))
    assert torch.equal(x, wider)
    torch.testing.assert_close(mixed(layer, x, roomy), mixed(layer, x, tokens), **EXACT)
    torch.testing.assert_close(layer.promoters(x, roomy), layer.promoters(x, tokens), **EXACT)


def test_gamma_of_zero_makes_the_contact_frequency_irrelevant():
    layer, (x, tokens, _) = gated(), packed(CONTACT)
    doubled = replace(tokens, contact=2 * tokens.contact)
    assert not torch.allclose(mixed(layer, x, tokens), mixed(layer, x, doubled))
    nn.init.zeros_(layer.gamma)
    torch.testing.assert_close(mixed(layer, x, tokens), mixed(layer, x, doubled), **EXACT)


def test_gated_attention_has_the_gradients_that_gradcheck_measures():
    layer, (x, tokens, _) = gated(), packed(CONTACT)
    names = ["query_key_value_gate", "gamma"]

    def run(x, contact, *weights):
        heads = replace(tokens, contact=contact).by_head(1, layer.heads)
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x, heads))

    weights = [layer.get_parameter(name).detach().clone() for name in names]
    inputs = [y.clone().requires_grad_() for y in (x, tokens.contact, *weights)]
    assert torch.autograd.gradcheck(run, inputs)


def test_resolutions_together_give_what_they_give_one_by_one(monkeypatch):
    """A GPU mixes all resolutions at once, a CPU one after the other: the same numbers, forward and backward."""
    layer, (x, tokens, _) = gated(), packed(CONTACT)
    x.requires_grad_()
    results = []
    for together in (1, 2):
        monkeypatch.setattr(products, "is_parted", lambda _, together=together: together == 1)
        out = mixed(layer, x, tokens, together)
        inputs = [x, *layer.parameters()]
        results.append([out, *torch.autograd.grad((out * normal(*out.shape, seed=5)).sum(), inputs)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **EXACT)
