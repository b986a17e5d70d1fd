"""The shortcuts against what they shorten, in double precision, and the laws of attention."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from chromolib.attention import (
    BinAttention,
    GatedAttention,
    StackLinear,
    StackNorm,
    Tokens,
    _Collect,
    _Spread,
    attend_bins,
    fill_masked,
    frame_offset,
    position_table,
)

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
    torch.testing.assert_close(attend_bins(u, signal, position, project, is_padding), expected, **EXACT)


def test_appended_padding_changes_nothing():
    u, signal, position, project, is_padding = regions()
    longer = torch.cat([signal, 100 * normal(N, 4, M)], 1), torch.cat([position, normal(4, D)])
    found = attend_bins(u, *longer, project, F.pad(is_padding, (0, 4), value=True))
    torch.testing.assert_close(found, attend_bins(u, signal, position, project, is_padding), **EXACT)


def test_no_mask_means_that_every_bin_holds_data():
    u, signal, position, project, is_padding = regions()
    without = attend_bins(u, signal, position, project, None)
    nowhere = torch.zeros_like(is_padding)
    torch.testing.assert_close(without, attend_bins(u, signal, position, project, nowhere), **EXACT)
    assert not torch.allclose(without, attend_bins(u, signal, position, project, is_padding))


def test_region_of_only_padding_becomes_a_plain_average():
    u, signal, position, project, is_padding = regions()
    found = attend_bins(u, signal, position, project, torch.ones_like(is_padding))
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
    found = layer(x, [(signal, position, project, is_padding)] * 2)
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
    u = layer.folded_query(embedded[None, :, tss])[0]
    torch.testing.assert_close(attend_bins(u, signal, position, project, is_padding), mean, **EXACT)


def test_stacked_map_and_norm_equal_torch_s_one_by_one():
    linear, norm, x = random_weights(StackLinear(3, D, 5)), random_weights(StackNorm(3, D)), normal(3, 4, 2, D)
    for s in range(3):
        torch.testing.assert_close(linear(x)[s], F.linear(x[s], linear.weight[s], linear.bias[s]), **EXACT)
        torch.testing.assert_close(norm(x)[s], F.layer_norm(x[s], (D,), norm.weight[s], norm.bias[s]), **EXACT)
    assert StackLinear(3, D, 5, bias=False).bias is None


def test_spread_and_collect_have_the_gradients_that_gradcheck_measures():
    row = torch.tensor([4, 0, 2])
    x, y = normal(2, 3, 2).requires_grad_(), normal(2, 6, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: _Spread.apply(x, row, 6), x)
    assert torch.autograd.gradcheck(lambda y: _Collect.apply(y, row), y)


def test_spread_and_collect_are_adjoint_and_spread_is_undone_by_collect():
    row, x, y = torch.tensor([4, 0, 2]), normal(2, 3, 2), normal(2, 6, 2, seed=1)
    spread = _Spread.apply(x, row, 6)
    torch.testing.assert_close((spread * y).sum(), (x * _Collect.apply(y, row)).sum(), **EXACT)
    assert torch.equal(_Collect.apply(spread, row), x)
    assert torch.equal(spread[:, [1, 3, 5]], torch.zeros(2, 3, 2, dtype=torch.float64))


def gated(heads=2, width=6):
    return random_weights(GatedAttention(2, D, heads, width, 16))


def packed(contact):
    """Tokens of genes with these contacts, and a random embedding for each."""
    gene, rank = torch.nonzero(contact, as_tuple=True)
    return normal(2, len(contact) + len(gene), D), Tokens.of(contact, gene, rank, 2), gene


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
    found = layer(x, tokens)
    for s in range(2):
        for b in range(len(CONTACT)):
            own = torch.cat([torch.tensor([b]), len(CONTACT) + torch.nonzero(gene == b).flatten()])
            expected = by_definition(layer, x[s, own], CONTACT[b][CONTACT[b] > 0], s)
            torch.testing.assert_close(found[s, own], expected, **EXACT)


def test_promoter_only_is_the_promoters_row_of_the_whole_layer():
    layer, (x, tokens, _) = gated(), packed(CONTACT)
    torch.testing.assert_close(layer(x, tokens, promoter_only=True), layer(x, tokens)[:, : len(CONTACT)], **EXACT)


def test_room_for_absent_tokens_changes_nothing():
    layer, (x, tokens, _) = gated(), packed(CONTACT)
    wider, roomy, _ = packed(F.pad(CONTACT, (0, 5)))
    assert torch.equal(x, wider)
    for promoter_only in (False, True):
        torch.testing.assert_close(layer(x, roomy, promoter_only), layer(x, tokens, promoter_only), **EXACT)


def test_gamma_of_zero_makes_the_contact_frequency_irrelevant():
    layer, (x, tokens, _) = gated(), packed(CONTACT)
    doubled = tokens._replace(contact=2 * tokens.contact)
    assert not torch.allclose(layer(x, tokens), layer(x, doubled))
    nn.init.zeros_(layer.gamma)
    torch.testing.assert_close(layer(x, tokens), layer(x, doubled), **EXACT)
