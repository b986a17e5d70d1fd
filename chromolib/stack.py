"""Linear maps, norms and the end of a transformer layer for all resolutions, with weights of their own for each.

In and out: float tensors whose first axis is `s`, the resolution (bin width, coarse to fine); `n` region, `d` embedding.
Matrix products run in the type that autocast asks for, sums and norms in that of the weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .products import input_gradient, joined, multiply, parts, product_type, weight_gradient

EPSILON = 1e-5  # of LayerNorm, torch's default


class _Multiply(torch.autograd.Function):
    """`weight[s] @ x[s]` of each resolution, and its gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dtype = product_type(x)
        return joined([multiply(*part, ctx.dtype) for part in parts(x, weight)])

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        to_x, to_weight = [], torch.empty_like(weight)
        for grad_s, x_s, weight_s, to_weight_s in parts(grad, x, weight, to_weight):
            weight_gradient(grad_s, x_s, ctx.dtype, to_weight_s)
            to_x.append(input_gradient(grad_s, weight_s, ctx.dtype).to(x.dtype))
        return joined(to_x), to_weight


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
        torch.is_grad_enabled(), x, heard, out_weight, out_bias, norm.weight, norm.bias, ff.widen.weight, ff.widen.bias, ff.narrow.weight,
        ff.narrow.bias, ff.norm.weight, ff.norm.bias,
    )  # fmt: skip


class _Finish(torch.autograd.Function):
    """`finish_layer` with its gradient written out: for maps as small as these, torch's own bookkeeping
    is a large part of the work."""

    @staticmethod
    def forward(ctx, keep, x, heard, *weights):
        ctx.dtype, ctx.type_of_x = (dtype := product_type(x)), x.dtype
        outs, kept = [], []
        for x_s, heard_s, w_out, b_out, g_1, b_1, w_up, b_up, w_down, b_down, g_2, b_2 in parts(x, heard, *weights):
            y = x_s.to(g_1.dtype) + multiply(heard_s, w_out, dtype, b_out)
            p, *moments_1 = norm(y, g_1, b_1)
            h = multiply(p, w_up, dtype, b_up).relu_()
            z = p + multiply(h, w_down, dtype, b_down)
            out, *moments_2 = norm(z, g_2, b_2)
            outs.append(out)
            if keep:
                kept += [y, *moments_1, p, h, z, *moments_2]
        ctx.save_for_backward(heard, *weights, *kept)
        return joined(outs)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (heard, *weights), kept, dtype = ctx.saved_tensors[:11], ctx.saved_tensors[11:], ctx.dtype
        streams, grads = [], [torch.empty_like(weight) for weight in weights]
        sides = zip(parts(grad, heard, *weights), parts(*grads), strict=True)
        for i, ((grad_s, heard_s, w_out, _, g_1, b_1, w_up, _, w_down, _, g_2, b_2), grads_s) in enumerate(sides):
            to_w_out, to_b_out, to_g_1, to_b_1, to_w_up, to_b_up, to_w_down, to_b_down, to_g_2, to_b_2 = grads_s
            y, mean_1, scale_1, p, h, z, mean_2, scale_2 = kept[8 * i : 8 * i + 8]
            to_z, to_g_2[:], to_b_2[:] = norm_gradient(grad_s, z, mean_2, scale_2, g_2, b_2)
            weight_gradient(to_z, h, dtype, to_w_down)
            torch.sum(to_z, -2, out=to_b_down)
            to_h = torch.ops.aten.threshold_backward(input_gradient(to_z, w_down, dtype), h, 0)
            weight_gradient(to_h, p, dtype, to_w_up)
            torch.sum(to_h, -2, dtype=to_b_up.dtype, out=to_b_up)
            to_p = to_z + input_gradient(to_h, w_up, dtype)
            to_y, to_g_1[:], to_b_1[:] = norm_gradient(to_p, y, mean_1, scale_1, g_1, b_1)
            weight_gradient(to_y, heard_s, dtype, to_w_out)
            torch.sum(to_y, -2, out=to_b_out)
            streams.append((to_y.to(ctx.type_of_x), input_gradient(to_y, w_out, dtype)))
        return None, *map(joined, zip(*streams, strict=True)), *grads


def norm(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """LayerNorm over the last axis, (.., n, d), and of each row its mean and 1 over its standard deviation."""
    if x.dim() == 2:
        return torch.native_layer_norm(x, weight.shape, weight, bias, EPSILON)
    normalised, mean, scale = torch.native_layer_norm(x, x.shape[-1:], None, None, EPSILON)
    return torch.addcmul(bias.unsqueeze(-2), normalised, weight.unsqueeze(-2)), mean, scale


def norm_gradient(
    grad: Tensor, x: Tensor, mean: Tensor, scale: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the input, weight and bias of `norm`."""
    if x.dim() == 2:
        return torch.ops.aten.native_layer_norm_backward(grad, x, weight.shape, mean, scale, weight, bias, [True] * 3)
    return tuple(map(torch.stack, zip(*map(norm_gradient, grad, x, mean, scale, weight, bias), strict=True)))
