"""Linear maps, norms and the end of a transformer layer for all resolutions, with weights of their own for each.

In and out: float tensors whose first axis is `s`, the resolution (bin width, coarse to fine); `n` region, `d` embedding.
Matrix products run in the type that autocast asks for, sums and norms in that of the input.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

EPSILON = 1e-5  # of LayerNorm, torch's default


def part_size(x: Tensor) -> int:
    """How many resolutions to work on together where much is kept of each: on a CPU one, whose share fits the cache;
    elsewhere all."""
    return 1 if x.device.type == "cpu" else len(x)


def product_type(x: Tensor) -> torch.dtype:
    """The type of matrix products: autocast's where it is on, else that of `x`."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def product(a: Tensor, b: Tensor) -> Tensor:
    """`a[s] @ b[s]`: (s, n, k), (s, k, m) -> (s, n, m).

    On a CPU one after the other: given three at once, MKL hands out whole products, and three do not share well between two
    threads.
    """
    if a.device.type != "cpu" or len(a) == 1:
        return torch.bmm(a, b)
    out = a.new_empty(len(a), a.shape[1], b.shape[2])
    for factors in zip(a, b, out, strict=True):
        torch.mm(factors[0], factors[1], out=factors[2])
    return out


def multiply(x: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """(s, n, in), (s, out, in) -> (s, n, out)."""
    return product(x.to(dtype), weight.to(dtype).transpose(1, 2))


def weight_gradient(grad: Tensor, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Gradient of the weight of `multiply`: (s, n, out), (s, n, in) -> (s, out, in)."""
    return product(grad.to(dtype).transpose(1, 2), x.to(dtype))


def input_gradient(grad: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Gradient of the input of `multiply`: (s, n, out), (s, out, in) -> (s, n, in)."""
    return product(grad.to(dtype), weight.to(dtype))


class _Multiply(torch.autograd.Function):
    """`multiply` and its gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dtype = product_type(x)
        return multiply(x, weight, ctx.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        to_x, to_weight = input_gradient(grad, weight, ctx.dtype), weight_gradient(grad, x, ctx.dtype)
        return to_x.to(x.dtype), to_weight.to(weight.dtype)


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
    """Weights of a LayerNorm over the last axis, of its own for each resolution; `finish_layer` applies them."""

    def __init__(self, n_stacks: int, d: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_stacks, d))
        self.bias = nn.Parameter(torch.zeros(n_stacks, d))


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
        ff.narrow.bias, ff.norm.weight, ff.norm.bias,
    )  # fmt: skip


class _Finish(torch.autograd.Function):
    """`finish_layer` with its gradient written out: for maps as small as these, torch's own bookkeeping
    is a large part of the work."""

    @staticmethod
    def forward(ctx, x, heard, w_out, b_out, g_1, b_1, w_up, b_up, w_down, b_down, g_2, b_2):
        ctx.dtype = dtype = product_type(x)
        n_1, scale_1 = _normalised(multiply(heard, w_out, dtype).add(b_out.unsqueeze(1)).add_(x))
        p = _scaled(n_1, g_1, b_1)
        h = multiply(p, w_up, dtype).add_(b_up.unsqueeze(1)).relu_()
        n_2, scale_2 = _normalised(multiply(h, w_down, dtype).add(b_down.unsqueeze(1)).add_(p))
        ctx.save_for_backward(heard, w_out, g_1, w_up, w_down, g_2, n_1, scale_1, p, h, n_2, scale_2)
        return _scaled(n_2, g_2, b_2)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        heard, w_out, g_1, w_up, w_down, g_2, n_1, scale_1, p, h, n_2, scale_2 = ctx.saved_tensors
        dtype = ctx.dtype
        to_g_2, to_b_2 = (grad * n_2).sum(1), grad.sum(1)
        to_z = _norm_gradient(grad * g_2.unsqueeze(1), n_2, scale_2)           # of what the second norm is given
        to_b_down, to_w_down = to_z.sum(1), weight_gradient(to_z, h, dtype)
        to_h = input_gradient(to_z, w_down, dtype).mul_(h > 0)
        to_b_up, to_w_up = to_h.sum(1), weight_gradient(to_h, p, dtype)
        to_p = to_z.add_(input_gradient(to_h, w_up, dtype))
        to_g_1, to_b_1 = (to_p * n_1).sum(1), to_p.sum(1)
        to_y = _norm_gradient(to_p * g_1.unsqueeze(1), n_1, scale_1)           # of what the first norm is given
        to_b_out, to_w_out = to_y.sum(1), weight_gradient(to_y, heard, dtype)
        weights = (to_w_out, to_b_out, to_g_1, to_b_1, to_w_up, to_b_up, to_w_down, to_b_down, to_g_2, to_b_2)
        return to_y, input_gradient(to_y, w_out, dtype), *(to_weight.to(g_1.dtype) for to_weight in weights)


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
