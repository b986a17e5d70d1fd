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

from .products import input_gradient, joined, multiply, parts, product_type, weight_gradient
from .stack import FeedForward, StackLinear, StackNorm, finish_layer, stack_linear

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
    """`score` with MASKED where `is_masked`, written into it."""
    return score.masked_fill_(is_masked, MASKED_HALF if score.dtype == torch.float16 else MASKED)


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
    n, l, _ = bins.signal.shape
    score, asked = _over_bins_and_marks(u.flatten(0, 1).to(bins.signal.dtype), bins.position, bins.project, u.shape[1])
    score = torch.baddbmm(score, asked, bins.signal.transpose(1, 2)).to(u.dtype)
    if bins.is_padding is not None:
        score = fill_masked(score, bins.is_padding.view(n, 1, l))
    return score.softmax(-1), asked


def _over_bins_and_marks(x: Tensor, position: Tensor, project: Tensor, h: int) -> tuple[Tensor, Tensor]:
    """`position x` and `projectᵀ x` of rows (n * h, d), as one product: (n, h, l) and (n, h, m)."""
    both = torch.mm(x, torch.cat([position, project.T]).T)
    return both.view(-1, h, both.shape[1]).split([len(position), project.shape[1]], -1)


class _AttendBins(torch.autograd.Function):
    """`attend_bins` with its gradient written out, which again needs no embedded bin."""

    @staticmethod
    def forward(ctx, u: Tensor, signal: Tensor, position: Tensor, project: Tensor, is_padding: Tensor | None) -> Tensor:
        ctx.dtype = dtype = product_type(u)
        signal, position, project = (x.to(dtype) for x in (signal, position, project))
        weight, asked = weigh_bins(u, Bins(signal, position, project, is_padding))
        weight = weight.to(dtype)
        mean = torch.bmm(weight, signal)                                                    # (n, h, m)
        asked = asked if ctx.needs_input_grad[1] else None  # a view of what was asked of all bins, too, which it would keep
        ctx.save_for_backward(u, signal, position, project, is_padding, weight, mean, asked)
        out = torch.addmm(torch.mm(weight.flatten(0, 1), position), mean.flatten(0, 1), project.T)
        return out.view(u.shape).to(u.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, signal, position, project, is_padding, weight, mean, asked = ctx.saved_tensors
        grad, flat = grad.to(ctx.dtype).flatten(0, 1), u.to(ctx.dtype).flatten(0, 1)
        to_weight, to_mean = _over_bins_and_marks(grad, position, project, u.shape[1])
        to_weight = torch.baddbmm(to_weight, to_mean, signal.transpose(1, 2))
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
            The n regions in groups of like width, one after the other; of each group, its bins at each resolution. Where they
            are fewer than n, the last rows of `x` listen to nothing.
        u : Tensor, (s, n, h * d), optional
            `folded_query(x)`, where it is known already.

        Returns
        -------
        Tensor, (s, n, d)
        """
        u = self.folded_query(x) if u is None else u
        sizes = [len(group[0].signal) for group in groups]
        n_idle = x.shape[1] - sum(sizes)
        split = u.unflatten(-1, (self.heads, -1)).split([*sizes, n_idle], 1)[: len(sizes)]
        mean = [torch.stack([attend_bins(*pair) for pair in zip(*pairs, strict=True)])
                for pairs in zip(split, groups, strict=True)]  # fmt: skip
        if n_idle:
            mean.append(mean[0].new_zeros(len(x), n_idle, *mean[0].shape[2:]))
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
    """Which region each token is, so that only regions that exist are computed, and at most as many others as fill up a lot.

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
        s, head, block = (torch.arange(k, device=device) for k in (n_s, heads, 4))
        packed = s[:, None, None, None] * n + self.token.view(b, 1, t)                      # (s, b, 1, t)
        packed = (packed * 4 + block[:3, None, None, None, None]) * heads + head[:, None]   # (3, s, b, h, t)
        own = ((s[:, None, None] * b + self.gene[:, None]) * heads + head) * t + self.place[:, None]  # (s, n, h)
        n_rows = n_s * b * heads * t
        gate = 3 * n_rows + torch.arange(own.numel(), device=device).view(n_s, n, 1, heads)
        every = torch.cat([own.unsqueeze(2) + block[:3, None] * n_rows, gate], 2)
        hidden = fill_masked(torch.zeros_like(self.contact), self.is_absent).T
        return Heads(self.contact, packed.flatten(), own.flatten(), every.flatten(), hidden[:, None, :, None, None])


class Heads(NamedTuple):
    """Rows of single heads, c numbers each: packed among the tokens' projections, or side by side for attention."""

    contact: Tensor  # (b, t)
    packed: Tensor   # (3 * s * b * h * t,)  packed rows of query, key and value, in the order in which they lie side by side
    own: Tensor      # (s * n * h,)          of one of these: the rows that stand for a token, in packed order
    every: Tensor    # (s * n * 4 * h,)      the same for all three at once, and for the gate, whose rows follow them as packed
    hidden: Tensor   # (t, 1, b, 1, 1)       what is added to the scores of keys: 0, or MASKED where there is none


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
    that order: the same seed gives the same network each time, also with several threads."""

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
        outs, kept = [], []
        for x_s, weight_s, gamma_s in parts(x, weight, gamma):
            y = multiply(x_s, weight_s, ctx.dtype)                                          # (.., n, 4 * h * c)
            query, key, value = _side_by_side(y, gamma.shape[1], heads)
            listened = _listen(query, key, gamma_s, heads).to(ctx.dtype)                    # (k, s * b * h, q)
            attended = torch.bmm(listened.permute(1, 2, 0), value)
            attended = attended.flatten(0, 1).index_select(0, heads.own).view(*y.shape[:-1], width)
            outs.append(attended * y[..., 3 * width :].sigmoid())
            if keep:
                kept += [y, listened, attended]
        ctx.save_for_backward(x, weight, gamma, *heads, *kept)
        return joined(outs)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight, gamma, contact, packed, own, every, hidden, *kept = ctx.saved_tensors
        heads, dtype, width = Heads(contact, packed, own, every, hidden), ctx.dtype, weight.shape[1] // 4
        (b, t), h = heads.contact.shape, gamma.shape[1]
        to_x, to_weight, to_gamma = [], *map(torch.empty_like, (weight, gamma))
        to_contact = torch.zeros_like(heads.contact) if ctx.needs_input_grad[3] else None
        sides = parts(x, weight, gamma, grad, to_weight, to_gamma)
        for i, (x_s, weight_s, gamma_s, grad_s, to_weight_s, to_gamma_s) in enumerate(sides):
            y, listened, attended = kept[3 * i : 3 * i + 3]
            gate = y[..., 3 * width :].sigmoid()
            heard = (grad_s * gate).to(dtype)
            # Rows of single heads: those of query, key and value side by side, then those of the gate, packed.
            n_rows, n_own = listened.shape[1] * t, heads.own.numel()
            to_rows = heard.new_empty(3 * n_rows + n_own, width // h)
            to_side, to_gate = to_rows.split([3 * n_rows, n_own])
            torch.mul(attended, heard, out=to_gate.view(attended.shape)).mul_(1 - gate)
            to_attended = heard.new_zeros(n_rows, width // h).index_copy_(0, heads.own, heard.view(n_own, -1))
            to_bias = _listen_gradient(to_attended, listened, *_side_by_side(y, h, heads), to_side.view(3, -1, t, width // h))
            to_bias = to_bias.view(t, -1, b, h)                                             # (t, s, b, h)
            to_gamma_s.copy_((to_bias * heads.contact.T[:, None, :, None]).sum((0, 2)).view(gamma_s.shape))
            if to_contact is not None:
                to_contact += (to_bias * gamma_s.view(-1, 1, h)).sum((1, 3)).T
            to_y = to_rows.index_select(0, heads.every).view(y.shape)
            weight_gradient(to_y, x_s, dtype, to_weight_s)
            to_x.append(input_gradient(to_y, weight_s, dtype).to(x.dtype))
        return joined(to_x), to_weight, to_gamma, to_contact, None, None, None, None, None


def _side_by_side(y: Tensor, h: int, heads: Heads) -> Tensor:
    """Packed projections (.., n, 4 * h * c) -> query, key and value, (3, s * b * h, t, c)."""
    c = y.shape[-1] // (4 * h)
    return y.view(-1, c).index_select(0, heads.packed).view(3, -1, heads.contact.shape[1], c)


def _listen(query: Tensor, key: Tensor, gamma: Tensor, heads: Heads) -> Tensor:
    """How much each place listens to each, (key, s * b * h, query). Keys come first: torch's softmax is many times faster where
    its nine entries are the first axis."""
    (b, t), h = heads.contact.shape, gamma.shape[-1]
    score = torch.bmm(key, query.transpose(1, 2)).view(-1, b, h, t, t).permute(3, 0, 1, 2, 4)
    score = torch.add(heads.hidden, score, alpha=1 / math.sqrt(key.shape[2]), out=gamma.new_empty(score.shape))
    score[..., 0] += gamma.view(-1, 1, h) * heads.contact.T[:, None, :, None]               # only the promoter asks so
    return score.softmax(0).flatten(1, 3)


def _listen_gradient(grad: Tensor, listened: Tensor, query: Tensor, key: Tensor, value: Tensor, out: Tensor) -> Tensor:
    """Gradients of query, key and value, (3, s * b * h, t, c), into `out`, and, returned, of what is added to the scores of the
    promoter's row, (t, s * b * h), from that of the answers, (s * b * h * t, c)."""
    grad = grad.view_as(value)
    torch.bmm(listened.transpose(0, 1), grad, out=out[2])
    to_listened = torch.bmm(value, grad.transpose(1, 2)).transpose(0, 1)
    to_score = torch._softmax_backward_data(to_listened, listened, 0, listened.dtype)       # (key, s * b * h, query)
    to_bias = to_score[..., 0].clone()
    to_score *= 1 / math.sqrt(key.shape[2])
    torch.bmm(to_score.permute(1, 2, 0), key, out=out[0])
    torch.bmm(to_score.transpose(0, 1), query, out=out[1])
    return to_bias
