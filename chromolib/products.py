"""Matrix products as each device does them fastest, and their gradients.

In and out: float tensors, rows last but one: (n, in) or, with the axis of resolutions, (s, n, in). A CPU works through one
resolution after the other, whose arrays then have no such axis: what is kept of each fits its cache. Products run in the type
that autocast asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# For products of float32 torch calls MKL, which uses vectors of 512 bits on Intel's processors alone. oneDNN, which torch brings
# along, uses them on all that have them; this is its product, as torch's compiler calls it.
_linear = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
HAS_WIDE_VECTORS = _linear is not None and torch.backends.cpu.get_cpu_capability() == "AVX512"
ROWS = 16  # oneDNN compiles a product for each number of rows, in 0.2 ms and up to a megabyte, so that rows come in such lots


def is_parted(x: Tensor) -> bool:
    """Whether resolutions are worked through one by one."""
    return x.device.type == "cpu"


def parts(*tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """What to work on together: of each resolution the tensors without that axis, or all as they are."""
    return zip(*(tensor.unbind() for tensor in tensors), strict=True) if is_parted(tensors[0]) else [tensors]


def joined(results: Sequence[Tensor]) -> Tensor:
    """What came of `parts`, with the axis of resolutions again."""
    return torch.stack(results) if is_parted(results[0]) else results[0]


def n_filling(x: Tensor, n: int) -> int:
    """How many idle rows to add to n rows like those of `x`."""
    return -n % ROWS if _is_wide(x) else 0


def product_type(x: Tensor) -> torch.dtype:
    """The type of matrix products: autocast's where it is on, else that of `x`."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`weight x + bias`: (.., n, in), (.., out, in), (.., out) -> (.., n, out). autograd does not see through it."""
    if x.dim() == 3:
        return torch.bmm(x, weight.mT) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight.mT)
    if not _is_wide(x):
        return F.linear(x, weight, bias)
    if not (weight.is_contiguous() or weight.T.is_contiguous()):
        weight = weight.contiguous()  # columns of a wider array oneDNN takes too, but a thousand times as slowly
    return _linear(x, weight, bias, "none", [], "")


def multiply(x: Tensor, weight: Tensor, dtype: torch.dtype, bias: Tensor | None = None) -> Tensor:
    """`linear` of factors in that type."""
    return linear(x.to(dtype), weight.to(dtype), bias if bias is None else bias.to(dtype))


def input_gradient(grad: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Gradient of the input of `multiply`: (.., n, out), (.., out, in) -> (.., n, in)."""
    return linear(grad.to(dtype), weight.to(dtype).mT)


def weight_gradient(grad: Tensor, x: Tensor, dtype: torch.dtype, out: Tensor) -> None:
    """Gradient of the weight of `multiply`, (.., n, out), (.., n, in) -> (.., out, in), into `out`."""
    grad, x = grad.to(dtype), x.to(dtype)
    if _is_wide(x) and len(x) and grad.shape[-1] >= 4 * x.shape[-1]:  # oneDNN copies the factor that is turned: worth it where that is thin
        out.copy_(linear(x.mT, grad.mT).mT)
    elif out.dtype == dtype:
        torch.matmul(grad.mT, x, out=out)
    else:
        out.copy_(torch.matmul(grad.mT, x))


def _is_wide(x: Tensor) -> bool:
    return HAS_WIDE_VECTORS and x.dtype == torch.float32 and x.device.type == "cpu"
