"""The exact shortcuts: attention of one query over the bins of a region, and gated attention between regions.

In and out: float tensors. Axes: `s` resolution (bin width, coarse to fine), `n` region, `b` gene, `t` token,
`l` bin, `m` mark, `h` head, `c` channel of a head, `d` embedding. Nothing here names a device.
Why each shortcut gives the same numbers: book/shortcuts.md; that it does: tests/test_parity.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .stack import (
    FeedForward,
    StackLinear,
    StackNorm,
    finish_layer,
    input_gradient,
    multiply,
    part_size,
    product_type,
    stack_linear,
    weight_gradient,
)

MASKED = -1e9  # finite, as in the release: a row of only padding becomes a plain average, never NaN
MASKED_HALF = -65504.0  # the same for float16, whose range ends there


def position_table(n_bins: int, d: int) -> Tensor:
    """Fixed sinusoid of each bin of the frame, (l, d): sine on even columns, cosine on odd ones, base 10000."""
    position = torch.arange(n_bins).unsqueeze(1)
    # float32 throughout, in the release's order of operations: at bin 399 the last digits of the angle would differ.
    frequency = torch.exp(-math.log(10000.0) * torch.arange(0, d, 2) / d)
    table = torch.zeros(n_bins, d)
    table[:, 0::2] = torch.sin(position * frequency)
    table[:, 1::2] = torch.cos(position * frequency)[:, : d // 2]
    return table


def frame_offset(n_bins: int, frame_bins: int) -> int:
    """Index in the frame of the first of `n_bins` centred bins: the larger half of the padding is on the left."""
    return -((n_bins - frame_bins) // 2)


def fill_masked(score: Tensor, is_masked: Tensor) -> Tensor:
    return score.masked_fill(is_masked, MASKED_HALF if score.dtype == torch.float16 else MASKED)


class Bins(NamedTuple):
    """Bins of some regions at one resolution, and how they are embedded: bin i as `project @ signal_i + position_i`."""

    signal: Tensor             # (n, l, m)
    position: Tensor           # (l, d)
    project: Tensor            # (d, m)
    is_padding: Tensor | None  # (n, l)  True where a bin holds no data; None: every bin does


def attend_bins(u: Tensor, bins: Bins) -> Tensor:
    """Average a region's bins, in embedding space, with the attention of one query per head.

    Both the score of a bin and its share of the answer are linear in its embedding, so that is never made: scores are
    `(projectᵀ u)·signal_i + u·position_i`, the answer is `project @ Σ a_i signal_i + Σ a_i position_i`.

    Parameters
    ----------
    u : Tensor, (n, h, d)
        Query folded through the key map and scaled: `W_kᵀ q / sqrt(c)`.
    bins : Bins
        Of the n regions.

    Returns
    -------
    Tensor, (n, h, d)
    """
    return _AttendBins.apply(u, *bins)


def weigh_bins(u: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
    """The attention with which `attend_bins` averages.

    Parameters
    ----------
    u : Tensor, (n, h, d)
        As there.
    bins : Bins
        Of the n regions, in the type in which products run.

    Returns
    -------
    weight : Tensor, (n, h, l)
        Sums to 1 over bins, 0 in padding; a region of only padding has the same everywhere.
    asked : Tensor, (n, h, m)
        How much a unit of each mark's signal adds to the score of a bin.
    """
    (n, l, m), h, dtype = bins.signal.shape, u.shape[1], bins.signal.dtype
    flat = u.flatten(0, 1).to(dtype)
    asked = torch.mm(flat, bins.project).view(n, h, m)
    score = torch.mm(flat, bins.position.T).view(n, h, l)
    score = torch.baddbmm(score, asked, bins.signal.transpose(1, 2)).to(u.dtype)
    if bins.is_padding is not None:
        score = fill_masked(score, bins.is_padding.view(n, 1, l))
    return score.softmax(-1), asked


class _AttendBins(torch.autograd.Function):
    """`attend_bins` with its gradient written out, which again needs no embedded bin."""

    @staticmethod
    def forward(ctx, u: Tensor, signal: Tensor, position: Tensor, project: Tensor, is_padding: Tensor | None) -> Tensor:
        ctx.dtype = dtype = product_type(u)
        signal, position, project = (x.to(dtype) for x in (signal, position, project))
        weight, asked = weigh_bins(u, Bins(signal, position, project, is_padding))
        weight = weight.to(dtype)
        mean = torch.bmm(weight, signal)                                                    # (n, h, m)
        ctx.save_for_backward(u, signal, position, project, is_padding, weight, mean, asked)
        out = torch.addmm(torch.mm(weight.flatten(0, 1), position), mean.flatten(0, 1), project.T)
        return out.view(u.shape).to(u.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, signal, position, project, is_padding, weight, mean, asked = ctx.saved_tensors
        grad, flat = grad.to(ctx.dtype).flatten(0, 1), u.to(ctx.dtype).flatten(0, 1)
        to_mean = torch.mm(grad, project).view(mean.shape)
        to_weight = torch.baddbmm(torch.mm(grad, position.T).view(weight.shape), to_mean, signal.transpose(1, 2))
        to_score = (weight * (to_weight - (weight * to_weight).sum(-1, keepdim=True))).to(ctx.dtype)
        if is_padding is not None:  # a region of only padding has weights, but no score to blame for them
            to_score = to_score.masked_fill(is_padding.unsqueeze(1), 0.0)
        to_asked = torch.bmm(to_score, signal)                                              # (n, h, m)
        to_u = torch.addmm(torch.mm(to_score.flatten(0, 1), position), to_asked.flatten(0, 1), project.T)
        to_project = torch.mm(grad.T, mean.flatten(0, 1)).addmm_(flat.T, to_asked.flatten(0, 1))
        to_signal = None
        if ctx.needs_input_grad[1]:
            to_signal = torch.baddbmm(torch.bmm(weight.transpose(1, 2), to_mean), to_score.transpose(1, 2), asked)
        return to_u.view(u.shape).to(u.dtype), to_signal, None, to_project, None


class BinAttention(nn.Module):
    """One transformer layer whose only query is the promoter's TSS bin and whose keys are the bins of a region.

    Exact because the rows of a layer do not mix: of all the rows that the release computes, only the TSS row is read.
    """

    def __init__(self, n_stacks: int, d: int, heads: int, ff_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = StackLinear(n_stacks, d, d, bias=False)
        self.key = StackLinear(n_stacks, d, d, bias=False)
        self.value = StackLinear(n_stacks, d, d, bias=False)
        self.output = StackLinear(n_stacks, d, d)
        self.norm = StackNorm(n_stacks, d)
        self.feed_forward = FeedForward(n_stacks, d, ff_width)

    def folded_query(self, x: Tensor) -> Tensor:
        """`W_kᵀ W_q x / sqrt(c)` of each head, both maps as one: (s, n, d) -> (s, n, h * d)."""
        query, key = (linear.weight.unflatten(1, (self.heads, -1)) for linear in (self.query, self.key))  # (s, h, c, d)
        folded = torch.matmul(key.transpose(2, 3), query / math.sqrt(query.shape[2]))                     # (s, h, d, d)
        return stack_linear(x, folded.flatten(1, 2))

    def forward(self, x: Tensor, groups: Sequence[Sequence[Bins]], u: Tensor | None = None) -> Tensor:
        """Let each region's query listen to its bins.

        Parameters
        ----------
        x : Tensor, (s, n, d)
            The stream of each region.
        groups : sequence of sequences of Bins
            The n regions in groups of like width, one after the other; of each group, its bins at each resolution.
        u : Tensor, (s, n, h * d), optional
            `folded_query(x)`, where it is known already.

        Returns
        -------
        Tensor, (s, n, d)
        """
        u = self.folded_query(x) if u is None else u
        sizes = [len(group[0].signal) for group in groups]
        split = u.unflatten(-1, (self.heads, -1)).split(sizes, 1)
        mean = [torch.stack([attend_bins(*pair) for pair in zip(*pairs, strict=True)])
                for pairs in zip(split, groups, strict=True)]  # fmt: skip
        heard = (mean[0] if len(mean) == 1 else torch.cat(mean, 1)).flatten(2)            # (s, n, h * d)
        value = self.value.weight.unflatten(1, (self.heads, -1))                          # (s, h, c, d)
        output = self.output.weight.unflatten(2, (self.heads, -1)).transpose(1, 2)        # (s, h, d, c)
        folded = torch.matmul(output, value).transpose(1, 2).flatten(2)                   # (s, d, h * d)
        return finish_layer(x, heard, folded, self.output.bias, self.norm, self.feed_forward)

    def weights(self, x: Tensor, bins: Sequence[Bins]) -> list[tuple[Tensor, Tensor]]:
        """How much `forward` lets each region's query listen to each of its bins, as `weigh_bins` gives it.

        Parameters
        ----------
        x : Tensor, (s, n, d)
        bins : sequence of Bins
            Of the n regions at each resolution.
        """
        u = self.folded_query(x).unflatten(-1, (self.heads, -1))                          # (s, n, h, d)
        return [weigh_bins(*pair) for pair in zip(u, bins, strict=True)]

    def full_map(self, bins: Tensor, is_padding: Tensor, s: int) -> Tensor:
        """Attention of every bin over every bin of embedded regions, (n, l, d) -> (n, h, l, l), at resolution `s`."""
        query, key = (
            F.linear(bins, linear.weight[s]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for linear in (self.query, self.key)
        )                                                                        # (n, h, l, c)
        score = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(query.shape[-1])
        is_masked = is_padding.unsqueeze(1) | is_padding.unsqueeze(2)            # (n, l, l)
        return fill_masked(score, is_masked.unsqueeze(1)).softmax(-1)


@dataclass(frozen=True)
class Tokens:
    """Which region each token is, so that only regions that exist are computed.

    Tokens are packed: the `b` promoters first, then the pCREs of all genes. Attention alone needs them side by side, gene
    by gene, in `t` places each, the promoter in the first. What is asked for a place without a pCRE is the gene's promoter
    once more: it is masked, so that nobody hears it, and its answer is not read.
    """

    gene: Tensor       # (n,)      gene of each token
    place: Tensor      # (n,)      its place
    token: Tensor      # (b * t,)  token at each place of each gene
    contact: Tensor    # (b, t)    normalised frequency with the promoter, 0 for the promoter itself
    is_absent: Tensor  # (b, t)    True where there is no pCRE

    @classmethod
    def of(cls, contact: Tensor, gene_idx: Tensor, rank_idx: Tensor) -> Tokens:
        """Layout of all promoters and of the pCREs at (gene_idx, rank_idx) of `contact`, (b, r)."""
        b, t = contact.shape[0], contact.shape[1] + 1
        promoter = torch.arange(b, device=contact.device)
        gene, place = torch.cat([promoter, gene_idx]), torch.cat([torch.zeros_like(promoter), rank_idx + 1])
        token = promoter.repeat_interleave(t, output_size=b * t)
        token[gene * t + place] = torch.arange(len(gene), device=contact.device)
        contact = F.pad(contact, (1, 0))
        is_absent = contact == 0
        is_absent[:, 0] = False
        return cls(gene, place, token, contact, is_absent)

    def by_head(self, n_s: int, heads: int) -> Heads:
        """Where the rows of single heads lie when `n_s` resolutions are worked through together."""
        (b, t), n, device = self.contact.shape, len(self.gene), self.contact.device
        s, head, block = (torch.arange(k, device=device) for k in (n_s, heads, 3))
        packed = s[:, None, None, None] * n + self.token.view(b, 1, t)                      # (s, b, 1, t)
        packed = (packed * 4 + block[:, None, None, None, None]) * heads + head[:, None]    # (3, s, b, h, t)
        own = ((s[:, None, None] * b + self.gene[:, None]) * heads + head) * t + self.place[:, None]  # (s, n, h)
        every = own.unsqueeze(2) + block[:, None] * (n_s * b * heads * t)                   # (s, n, 3, h)
        hidden = fill_masked(torch.zeros_like(self.contact), self.is_absent)[:, None, :, None]
        return Heads(self.contact, packed.flatten(), own.flatten(), every.flatten(), hidden)


class Heads(NamedTuple):
    """Rows of single heads, c numbers each: packed among the tokens' projections, or side by side for attention."""

    contact: Tensor  # (b, t)
    packed: Tensor   # (3 * s * b * h * t,)  packed rows of query, key and value, in the order in which they lie side by side
    own: Tensor      # (s * n * h,)          of one of these: the rows that stand for a token, in packed order
    every: Tensor    # (s * n * 3 * h,)      the same for all three at once
    hidden: Tensor   # (b, 1, t, 1)          what is added to the scores of keys: 0, or MASKED where there is none


class _Rows(torch.autograd.Function):
    """Tokens side by side, (s, n, d) -> (s, b * t, d). Places without a pCRE hold a copy whose gradient is 0, being masked,
    so the gradient of a token is that at its own place; torch's own would add the copies up, in any order."""

    @staticmethod
    def forward(ctx, x: Tensor, token: Tensor, own: Tensor) -> Tensor:
        ctx.save_for_backward(own)
        return x.index_select(1, token)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad.index_select(1, ctx.saved_tensors[0]), None, None


class _Copies(torch.autograd.Function):
    """The promoter's row for each of its pCREs, (s, b, d) -> (s, n, d). Its gradient is summed over the places of a gene, in
    that order: the same seed gives the same network with any number of threads."""

    @staticmethod
    def forward(ctx, x: Tensor, gene_idx: Tensor, rank_idx: Tensor, n_ranks: int) -> Tensor:
        ctx.save_for_backward(gene_idx * n_ranks + rank_idx)
        ctx.shape = (x.shape[1], n_ranks)
        return x.index_select(1, gene_idx)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (row,), (b, n_ranks) = ctx.saved_tensors, ctx.shape
        placed = grad.new_zeros(grad.shape[0], b * n_ranks, grad.shape[2]).index_copy_(1, row, grad)
        return placed.unflatten(1, (b, n_ranks)).sum(2), None, None, None


def copies(x: Tensor, gene_idx: Tensor, rank_idx: Tensor, n_ranks: int) -> Tensor:
    """Row `gene_idx[i]` of (s, b, d) for pCRE i, which is of that rank among the gene's `n_ranks` -> (s, n, d)."""
    return _Copies.apply(x, gene_idx, rank_idx, n_ranks)


class GatedAttention(nn.Module):
    """One layer of the Regulation transformer: gated self-attention between a promoter and its pCREs.

    The contact frequencies, times a learnable factor per head, are added to the scores of the promoter's row.
    """

    def __init__(self, n_stacks: int, d: int, heads: int, width: int, ff_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.width = width
        self.query_key_value_gate = nn.Parameter(torch.empty(n_stacks, 4 * width, d))
        self.gamma = nn.Parameter(torch.ones(n_stacks, heads))
        self.output = StackLinear(n_stacks, width, d)
        self.norm = StackNorm(n_stacks, d)
        self.feed_forward = FeedForward(n_stacks, d, ff_width)

    def forward(self, x: Tensor, heads: Heads) -> Tensor:
        """Mix the tokens of each gene, packed as `heads` says: (s, n, d) -> (s, n, d)."""
        heard = _Mix.apply(x, self.query_key_value_gate, self.gamma, *heads, torch.is_grad_enabled())
        return finish_layer(x, heard, self.output.weight, self.output.bias, self.norm, self.feed_forward)

    def promoters(self, x: Tensor, tokens: Tokens) -> Tensor:
        """The promoters' rows of `forward` alone, (s, n, d) -> (s, b, d): what the last layer needs.

        One query per gene, so keys and values are folded as in `attend_bins`: they are never made.
        """
        (b, t), h = tokens.contact.shape, self.heads
        query, key, value, gate = self.query_key_value_gate.chunk(4, 1)                     # (s, h * c, d) each
        key, value = key.unflatten(1, (h, -1)), value.unflatten(1, (h, -1))                 # (s, h, c, d)
        promoter = x[:, :b]
        asked = stack_linear(promoter, query).unflatten(2, (h, -1)).transpose(1, 2)         # (s, h, b, c)
        u = torch.matmul(asked / math.sqrt(asked.shape[-1]), key).transpose(1, 2)           # (s, b, h, d)
        side = _Rows.apply(x, tokens.token, tokens.gene * t + tokens.place).unflatten(1, (b, t))  # (s, b, t, d)
        score = torch.matmul(u, side.transpose(2, 3)) + self.gamma[:, None, :, None] * tokens.contact[:, None]
        weight = fill_masked(score, tokens.is_absent[:, None]).softmax(-1)                  # (s, b, h, t)
        mean = torch.matmul(weight, side).transpose(1, 2)                                   # (s, h, b, d)
        heard = torch.matmul(mean, value.transpose(2, 3)).transpose(1, 2).flatten(2)        # (s, b, h * c)
        heard = heard * stack_linear(promoter, gate).sigmoid()
        return finish_layer(promoter, heard, self.output.weight, self.output.bias, self.norm, self.feed_forward)


class _Mix(torch.autograd.Function):
    """Gated attention of all tokens up to the output map, (s, n, d) -> (s, n, h * c), and its gradient."""

    @staticmethod
    def forward(ctx, x, weight, gamma, contact, packed, own, every, hidden, keep):
        ctx.dtype, heads = product_type(x), Heads(contact, packed, own, every, hidden)
        width = weight.shape[1] // 4
        out, kept = x.new_empty(*x.shape[:2], width, dtype=ctx.dtype), []
        for x_s, weight_s, gamma_s, out_s in zip(*(y.split(part_size(x)) for y in (x, weight, gamma, out)), strict=True):
            y = multiply(x_s, weight_s, ctx.dtype)                                          # (s, n, 4 * h * c)
            query, key, value = _side_by_side(y, gamma.shape[1], heads)
            listened = _listen(query, key, gamma_s, heads).to(ctx.dtype)                    # (s * b * h, k, q)
            attended = torch.bmm(listened.transpose(1, 2), value)
            attended = attended.flatten(0, 1).index_select(0, heads.own).view(out_s.shape)
            torch.mul(attended, y[..., 3 * width :].sigmoid(), out=out_s)
            if keep:
                kept += [y, listened, attended]
        ctx.save_for_backward(x, weight, gamma, *heads, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight, gamma, contact, packed, own, every, hidden, *kept = ctx.saved_tensors
        heads, dtype, width = Heads(contact, packed, own, every, hidden), ctx.dtype, weight.shape[1] // 4
        (b, t), h = heads.contact.shape, gamma.shape[1]
        grads = [torch.empty_like(y) for y in (x, weight, gamma)]
        to_contact = torch.zeros_like(heads.contact)
        sides = zip(*(y.split(part_size(x)) for y in (x, weight, gamma, grad, *grads)), strict=True)
        for i, (x_s, weight_s, gamma_s, grad_s, to_x, to_weight, to_gamma) in enumerate(sides):
            y, listened, attended = kept[3 * i : 3 * i + 3]
            gate = y[..., 3 * width :].sigmoid()
            heard = grad_s * gate
            to_gate = attended.mul(heard).mul_(1 - gate)
            to_attended = heard.new_zeros(len(listened) * t, width // h).index_copy_(0, heads.own, heard.view(-1, width // h))
            to_rows, to_bias = _listen_gradient(to_attended, listened, *_side_by_side(y, gamma.shape[1], heads))
            to_y = to_rows.view(-1, width // h).index_select(0, heads.every).view(*y.shape[:2], 3 * width)
            to_bias = to_bias.view(-1, b, h, t)
            torch.sum(to_bias * heads.contact.unsqueeze(1), (1, 3), out=to_gamma)
            to_contact += (to_bias * gamma_s[:, None, :, None]).sum((0, 2))
            to_x.copy_(input_gradient(to_y, weight_s[:, : 3 * width], dtype))
            to_x += input_gradient(to_gate, weight_s[:, 3 * width :], dtype)
            to_weight[:, : 3 * width] = weight_gradient(to_y, x_s, dtype)
            to_weight[:, 3 * width :] = weight_gradient(to_gate, x_s, dtype)
        return *grads, to_contact, None, None, None, None, None


def _side_by_side(y: Tensor, h: int, heads: Heads) -> Tensor:
    """Packed projections (s, n, 4 * h * c) -> query, over sqrt(c), key and value, (3, s * b * h, t, c)."""
    c = y.shape[2] // (4 * h)
    rows = y.view(-1, c).index_select(0, heads.packed).view(3, -1, heads.contact.shape[1], c)
    rows[0] *= 1 / math.sqrt(c)
    return rows


def _listen(query: Tensor, key: Tensor, gamma: Tensor, heads: Heads) -> Tensor:
    """How much each place listens to each, (s * b * h, key, query). Keys come first: torch's softmax is faster where its
    nine entries are not the last axis."""
    (b, t), h = heads.contact.shape, gamma.shape[1]
    score = torch.bmm(key, query.transpose(1, 2)).to(gamma.dtype).view(-1, b, h, t, t).add_(heads.hidden)
    score[..., 0] += gamma[:, None, :, None] * heads.contact[:, None]                       # only the promoter asks so
    return score.softmax(-2).flatten(0, 2)


def _listen_gradient(
    grad: Tensor, listened: Tensor, query: Tensor, key: Tensor, value: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of query before its division, key and value, (3, s * b * h, t, c), and of what is added to the scores of
    the promoter's row, (s * b * h, t), from that of the answers, (s * b * h * t, c)."""
    grad, to_rows = grad.view_as(value), value.new_empty(3, *value.shape)
    torch.bmm(listened, grad, out=to_rows[2])
    to_listened = torch.bmm(value, grad.transpose(1, 2))
    to_score = listened * (to_listened - (listened * to_listened).sum(-2, keepdim=True))
    to_score = to_score.to(value.dtype)  # on a GPU, autocast makes sums float32
    torch.bmm(to_score.transpose(1, 2), key, out=to_rows[0]).mul_(1 / math.sqrt(key.shape[2]))
    torch.bmm(to_score, query, out=to_rows[1])
    return to_rows, to_score[..., 0]
