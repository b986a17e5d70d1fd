"""The exact shortcuts: attention of one query over the bins of a region, and gated attention between regions.

In and out: float tensors. Axes: `s` resolution (bin width, coarse to fine), `n` region, `b` gene, `t` token,
`l` bin, `m` mark, `h` head, `c` channel of a head, `d` embedding. Nothing here names a device.
Why each shortcut gives the same numbers: book/shortcuts.md; that it does: tests/test_parity.py.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


def attend_bins(u: Tensor, signal: Tensor, position: Tensor, project: Tensor, is_padding: Tensor | None) -> Tensor:
    """Average a region's bins, in embedding space, with the attention of one query per head.

    Bin i is embedded as `project @ signal_i + position_i`. Both its score and its share of the answer are linear in that
    sum, so the embedding of the single bin is never made: scores are `(projectᵀ u)·signal_i + u·position_i`, the answer
    is `project @ Σ a_i signal_i + Σ a_i position_i`.

    Parameters
    ----------
    u : Tensor, (n, h, d)
        Query folded through the key map and scaled: `W_kᵀ q / sqrt(c)`.
    signal : Tensor, (n, l, m)
    position : Tensor, (l, d)
    project : Tensor, (d, m)
    is_padding : Tensor, (n, l) or None
        True where a bin holds no data. None: every bin does.

    Returns
    -------
    Tensor, (n, h, d)
    """
    flat = u.reshape(-1, u.shape[2])  # (n * h, d): one product with what all regions share, instead of one for each
    score = torch.matmul(torch.mm(flat, project).view(*u.shape[:2], -1), signal.transpose(1, 2))  # (n, h, l)
    score = score + torch.mm(flat, position.transpose(0, 1)).view_as(score)
    if is_padding is not None:
        score = fill_masked(score, is_padding.unsqueeze(1))
    weight = score.softmax(-1)
    return torch.matmul(torch.matmul(weight, signal), project.transpose(0, 1)) + torch.matmul(weight, position)


class StackLinear(nn.Module):
    """One linear map per resolution, applied in one batched product: (s, ..., in) -> (s, ..., out)."""

    def __init__(self, n_stacks: int, n_in: int, n_out: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_stacks, n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_stacks, n_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return stack_linear(x, self.weight, self.bias)


def stack_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`weight[s] @ x[s] + bias[s]` for each resolution: (s, ..., in) -> (s, ..., out)."""
    flat = x.flatten(1, -2)
    if bias is None:
        y = torch.bmm(flat, weight.transpose(1, 2))
    else:
        y = torch.baddbmm(bias.unsqueeze(1), flat, weight.transpose(1, 2))
    return y.unflatten(1, x.shape[1:-1])


class StackNorm(nn.Module):
    """LayerNorm over the last axis with weights of its own for each resolution: (s, ..., d) -> (s, ..., d)."""

    def __init__(self, n_stacks: int, d: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_stacks, d))
        self.bias = nn.Parameter(torch.zeros(n_stacks, d))

    def forward(self, x: Tensor) -> Tensor:
        shape = (x.shape[0], *[1] * (x.ndim - 2), x.shape[-1])
        return torch.addcmul(self.bias.view(shape), F.layer_norm(x, x.shape[-1:]), self.weight.view(shape))


class FeedForward(nn.Module):
    """Two linear maps with a ReLU between, residual, LayerNorm."""

    def __init__(self, n_stacks: int, d: int, width: int) -> None:
        super().__init__()
        self.widen = StackLinear(n_stacks, d, width)
        self.narrow = StackLinear(n_stacks, width, d)
        self.norm = StackNorm(n_stacks, d)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.narrow(F.relu(self.widen(x))))


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
        """`W_kᵀ q / sqrt(c)` of each head: (s, n, d) -> (s, n, h, d)."""
        query = self.query(x).unflatten(-1, (self.heads, -1))                    # (s, n, h, c)
        key = self.key.weight.unflatten(1, (self.heads, -1))                     # (s, h, c, d)
        u = torch.matmul(query.transpose(1, 2), key / math.sqrt(query.shape[-1]))  # (s, h, n, d)
        return u.transpose(1, 2)

    def forward(self, x: Tensor, bins: list[tuple]) -> Tensor:
        """(s, n, d) -> (s, n, d); `bins` holds the last four arguments of `attend_bins` for each resolution."""
        mean = torch.stack([attend_bins(u, *region) for u, region in zip(self.folded_query(x), bins, strict=True)])
        value = self.value.weight.unflatten(1, (self.heads, -1))                 # (s, h, c, d)
        attended = torch.matmul(mean.transpose(1, 2), value.transpose(2, 3))     # (s, h, n, c)
        return self.feed_forward(self.norm(x + self.output(attended.transpose(1, 2).flatten(2))))

    def full_map(self, bins: Tensor, is_padding: Tensor, s: int) -> Tensor:
        """Attention of every bin over every bin of embedded regions, (n, l, d) -> (n, h, l, l), at resolution `s`."""
        query, key = (
            F.linear(bins, linear.weight[s]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for linear in (self.query, self.key)
        )                                                                        # (n, h, l, c)
        score = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(query.shape[-1])
        is_masked = is_padding.unsqueeze(1) | is_padding.unsqueeze(2)            # (n, l, l)
        return fill_masked(score, is_masked.unsqueeze(1)).softmax(-1)


class Tokens(NamedTuple):
    """Which region each token is, so that only regions that exist are computed.

    Tokens are packed: the `b` promoters first, then the pCREs of all genes. Attention alone needs them side by side, gene
    by gene; `row` says where each head of each token stands in an array of (b, h, t) rows.
    """

    row: Tensor        # (n * h,)
    contact: Tensor    # (b, t)  normalised frequency with the promoter, 0 for the promoter itself
    is_absent: Tensor  # (b, t)  True where there is no pCRE

    @classmethod
    def of(cls, contact: Tensor, gene_idx: Tensor, rank_idx: Tensor, heads: int) -> Tokens:
        """Layout of all promoters and of the pCREs at (gene_idx, rank_idx) of `contact`, (b, r)."""
        b, t = contact.shape[0], contact.shape[1] + 1
        contact = F.pad(contact, (1, 0))
        is_absent = contact == 0
        is_absent[:, 0] = False
        gene = torch.cat([torch.arange(b, device=contact.device), gene_idx])
        place = torch.cat([torch.zeros_like(gene[:b]), rank_idx + 1])
        head = torch.arange(heads, device=contact.device)
        row = (gene.unsqueeze(1) * heads + head) * t + place.unsqueeze(1)
        return cls(row.flatten(), contact, is_absent)


class _Spread(torch.autograd.Function):
    """Put packed rows (s, n, c) at their places among `size` rows of zeros. Its adjoint is _Collect, and the reverse;
    torch's own adjoint of picking rows adds them up one by one, though no two go to one place."""

    @staticmethod
    def forward(ctx, x: Tensor, row: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(row)
        return x.new_zeros(x.shape[0], size, x.shape[2]).index_copy_(1, row, x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad.index_select(1, ctx.saved_tensors[0]), None, None


class _Collect(torch.autograd.Function):
    """Pick rows (s, size, c) -> (s, n, c), each at most once."""

    @staticmethod
    def forward(ctx, x: Tensor, row: Tensor) -> Tensor:
        ctx.save_for_backward(row)
        ctx.size = x.shape[1]
        return x.index_select(1, row)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (row,) = ctx.saved_tensors
        return grad.new_zeros(grad.shape[0], ctx.size, grad.shape[2]).index_copy_(1, row, grad), None


def collect_rows(x: Tensor, row: Tensor) -> Tensor:
    """Rows `row` of (s, size, c), each at most once -> (s, n, c)."""
    return _Collect.apply(x, row)


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

    def forward(self, x: Tensor, tokens: Tokens, promoter_only: bool = False) -> Tensor:
        """Mix the tokens of each gene.

        Parameters
        ----------
        x : Tensor, (s, n, d)
            Packed as `tokens` says.
        tokens : Tokens
        promoter_only : bool
            Compute only the promoters' tokens: what the last layer needs.

        Returns
        -------
        Tensor, (s, n, d), or (s, b, d) if promoter_only
        """
        b, t = tokens.contact.shape
        asking, row = (x[:, :b], tokens.row[: b * self.heads]) if promoter_only else (x, tokens.row)
        query, key, value, gate = self._projections(x, asking)
        key, value = (self._side_by_side(y, tokens.row, b, t) for y in (key, value))       # (s, b * h, t, c)
        if promoter_only:  # one query per gene: its rows need no room for others
            query, row = query.unflatten(2, (self.heads, 1, -1)).flatten(1, 2), None
        else:
            query = self._side_by_side(query, row, b, t)
        # Keys come before queries: torch's softmax takes a third of the time where its nine entries are not the last axis.
        score = torch.matmul(key, query.transpose(2, 3) / math.sqrt(query.shape[-1])).unflatten(1, (b, self.heads))
        score[..., 0] += self.gamma[:, None, :, None] * tokens.contact[:, None, :]         # only the promoter asks so
        weight = fill_masked(score, tokens.is_absent[:, None, :, None]).softmax(-2)        # (s, b, h, t, q)
        attended = torch.matmul(weight.flatten(1, 2).transpose(2, 3), value).flatten(1, 2)  # (s, b * h * q, c)
        if row is not None:
            attended = collect_rows(attended, row)
        attended = attended.unflatten(1, (-1, self.heads)).flatten(2)                      # (s, n, h * c)
        return self.feed_forward(self.norm(asking + self.output(attended * gate.sigmoid())))

    def _side_by_side(self, y: Tensor, row: Tensor, b: int, t: int) -> Tensor:
        """Packed (s, n, h * c) -> the tokens of each gene and head beside each other, (s, b * h, t, c)."""
        y = y.unflatten(2, (self.heads, -1)).flatten(1, 2)
        return _Spread.apply(y, row, b * self.heads * t).unflatten(1, (b * self.heads, t))

    def _projections(self, x: Tensor, asking: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Query, key, value and gate, each (s, n, h * c)."""
        width = self.width
        if asking is x:
            return stack_linear(x, self.query_key_value_gate).split(width, -1)
        weight_q, weight_kv, weight_g = self.query_key_value_gate.split([width, 2 * width, width], 1)
        key, value = stack_linear(x, weight_kv).split(width, -1)
        return stack_linear(asking, weight_q), key, value, stack_linear(asking, weight_g)
