"""Linear maps, norms and the end of a transformer layer for all resolutions, with weights of their own for each.

In and out: float tensors whose first axis is `s`, the resolution (bin width, coarse to fine); `n` region, `d` embedding.
Matrix products run in the type that autocast asks for, sums and norms in that of the input.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5  # of LayerNorm, torch's default


def parts(x: Tensor) -> list[slice]:
    """How the resolutions are worked through: one by one on a CPU, whose cache holds what one of them needs but not what
    three do; in one batched product elsewhere."""
    return [slice(s, s + part_size(x)) for s in range(0, len(x), part_size(x))]


def part_size(x: Tensor) -> int:
    """Number of resolutions in each of `parts(x)`."""
    return 1 if x.device.type == "cpu" else len(x)


def product_type(x: Tensor) -> torch.dtype:
    """The type of matrix products: autocast's where it is on, else that of `x`."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def multiply(x: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """(s, n, in), (s, out, in) -> (s, n, out)."""
    return torch.bmm(x.to(dtype), weight.to(dtype).transpose(1, 2))


def weight_gradient(grad: Tensor, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Gradient of the weight of `multiply`: (s, n, out), (s, n, in) -> (s, out, in)."""
    return torch.bmm(grad.to(dtype).transpose(1, 2), x.to(dtype))


def input_gradient(grad: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Gradient of the input of `multiply`: (s, n, out), (s, out, in) -> (s, n, in)."""
    return torch.bmm(grad.to(dtype), weight.to(dtype))


class _Multiply(torch.autograd.Function):
    """`multiply`, part by part, and its gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dtype = dtype = product_type(x)
        out = x.new_empty(*x.shape[:2], weight.shape[1], dtype=dtype)
        for s in parts(x):
            out[s] = multiply(x[s], weight[s], dtype)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        to_x, to_weight = torch.empty_like(x), torch.empty_like(weight)
        for s in parts(x):
            to_x[s] = input_gradient(grad[s], weight[s], ctx.dtype)
            to_weight[s] = weight_gradient(grad[s], x[s], ctx.dtype)
        return to_x, to_weight


class StackLinear(nn.Module):
    """One linear map per resolution: (s, n, in) -> (s, n, out)."""

    def __init__(self, n_stacks: int, n_in: int, n_out: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_stacks, n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_stacks, n_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return stack_linear(x, self.weight, self.bias)


def stack_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`weight[s] @ x[s] + bias[s]` for each resolution: (s, n, in) -> (s, n, out)."""
    y = _Multiply.apply(x, weight)
    return y if bias is None else y + bias.unsqueeze(1)


class StackNorm(nn.Module):
    """LayerNorm over the last axis with weights of its own for each resolution: (s, n, d) -> (s, n, d)."""

    def __init__(self, n_stacks: int, d: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_stacks, d))
        self.bias = nn.Parameter(torch.zeros(n_stacks, d))

    def forward(self, x: Tensor) -> Tensor:
        return _scaled(_normalised(x)[0], self.weight, self.bias)


class FeedForward(nn.Module):
    """Weights of two linear maps with a ReLU between, and of the LayerNorm behind them; `finish_layer` applies them."""

    def __init__(self, n_stacks: int, d: int, width: int) -> None:
        super().__init__()
        self.widen = StackLinear(n_stacks, d, width)
        self.narrow = StackLinear(n_stacks, width, d)
        self.norm = StackNorm(n_stacks, d)


def finish_layer(
    x: Tensor, heard: Tensor, out_weight: Tensor, out_bias: Tensor, norm: StackNorm, feed_forward: FeedForward
) -> Tensor:
    """What follows attention in a transformer layer: output map, residual, norm, feed-forward network, residual, norm.

    Parameters
    ----------
    x : Tensor, (s, n, d)
        What the layer was given.
    heard : Tensor, (s, n, in)
        What attention gathered.
    out_weight, out_bias : Tensor, (s, d, in) and (s, d)

    Returns
    -------
    Tensor, (s, n, d): `p = norm(x + W heard + b)`, then `norm'(p + narrow(relu(widen(p))))`.
    """
    ff = feed_forward
    return _Finish.apply(
        x, heard, out_weight, out_bias, norm.weight, norm.bias, ff.widen.weight, ff.widen.bias, ff.narrow.weight,
        ff.narrow.bias, ff.norm.weight, ff.norm.bias, torch.is_grad_enabled(),
    )  # fmt: skip


class _Finish(torch.autograd.Function):
    """`finish_layer` with its gradient written out: torch's own bookkeeping takes as long as the products themselves."""

    @staticmethod
    def forward(ctx, x, heard, w_out, b_out, g_1, b_1, w_up, b_up, w_down, b_down, g_2, b_2, keep):
        ctx.dtype = dtype = product_type(x)
        out, kept = torch.empty_like(x), []
        for s in parts(x):
            y = multiply(heard[s], w_out[s], dtype).add(b_out[s].unsqueeze(1)).add_(x[s])
            n_1, scale_1 = _normalised(y)
            p = _scaled(n_1, g_1[s], b_1[s])
            h = multiply(p, w_up[s], dtype).add_(b_up[s].unsqueeze(1)).relu_()
            n_2, scale_2 = _normalised(multiply(h, w_down[s], dtype).add(b_down[s].unsqueeze(1)).add_(p))
            out[s] = _scaled(n_2, g_2[s], b_2[s])
            if keep:
                kept += [n_1, scale_1, h, n_2, scale_2]
        ctx.save_for_backward(heard, w_out, g_1, b_1, w_up, w_down, g_2, *kept)
        return out

    @staticmethod
    def backward(ctx, grad):
        heard, w_out, g_1, b_1, w_up, w_down, g_2, *kept = ctx.saved_tensors
        dtype = ctx.dtype
        to_x, to_heard = torch.empty_like(grad), torch.empty_like(heard)
        to_w_out, to_w_up, to_w_down = (torch.empty_like(w) for w in (w_out, w_up, w_down))
        to_b_out, to_g_1, to_b_1, to_b_down, to_g_2, to_b_2 = (torch.empty_like(g_1) for _ in range(6))
        to_b_up = g_1.new_empty(w_up.shape[:2])
        for i, s in enumerate(parts(grad)):
            n_1, scale_1, h, n_2, scale_2 = kept[5 * i : 5 * i + 5]
            to_g_2[s], to_b_2[s] = (grad[s] * n_2).sum(1), grad[s].sum(1)
            to_z = _norm_gradient(grad[s] * g_2[s].unsqueeze(1), n_2, scale_2)     # of narrow's output and of p
            to_b_down[s], to_w_down[s] = to_z.sum(1), weight_gradient(to_z, h, dtype)
            to_h = input_gradient(to_z, w_down[s], dtype).mul_(h > 0)
            to_b_up[s] = to_h.sum(1)
            to_w_up[s] = weight_gradient(to_h, _scaled(n_1, g_1[s], b_1[s]), dtype)
            to_p = to_z.add_(input_gradient(to_h, w_up[s], dtype))
            to_g_1[s], to_b_1[s] = (to_p * n_1).sum(1), to_p.sum(1)
            to_y = _norm_gradient(to_p * g_1[s].unsqueeze(1), n_1, scale_1)
            to_b_out[s], to_w_out[s] = to_y.sum(1), weight_gradient(to_y, heard[s], dtype)
            to_heard[s] = input_gradient(to_y, w_out[s], dtype)
            to_x[s] = to_y
        return (to_x, to_heard, to_w_out, to_b_out, to_g_1, to_b_1, to_w_up, to_b_up, to_w_down, to_b_down, to_g_2,
                to_b_2, None)  # fmt: skip


def _normalised(x: Tensor) -> tuple[Tensor, Tensor]:
    """x minus its mean over the last axis, over its standard deviation; and 1 over that."""
    normalised, _, scale = torch.native_layer_norm(x, x.shape[-1:], None, None, EPSILON)
    return normalised, scale


def _scaled(normalised: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.addcmul(bias.unsqueeze(1), normalised, weight.unsqueeze(1))


def _norm_gradient(grad: Tensor, normalised: Tensor, scale: Tensor) -> Tensor:
    """Gradient of the input of `_normalised`: scale · (g − mean(g) − n · mean(g · n))."""
    along = (grad * normalised).mean(-1, keepdim=True)
    return grad.sub_(grad.mean(-1, keepdim=True)).sub_(normalised * along).mul_(scale)
