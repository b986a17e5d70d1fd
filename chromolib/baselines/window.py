"""What the networks of windows check of their input.

In: signal around the TSS, (b, m, l). Out: nothing, or an InputError.
"""

from __future__ import annotations

from torch import Tensor

from ..config import InputError


def check(x: Tensor, n_marks: int, n_bins: int | None = None, *, at_least: int = 1) -> None:
    """Signal has the marks of a network, and its bins where it is tied to their number.

    Raises
    ------
    InputError
        It has another shape.
    """
    is_signal = x.ndim == 3 and x.shape[1] == n_marks and x.shape[2] >= at_least
    if not is_signal or n_bins not in (None, x.shape[2]):
        bins = f"l = {n_bins}" if n_bins else f"l >= {at_least}"
        raise InputError(f"signal of shape {tuple(x.shape)}, expected (b, m, l) with m = {n_marks}, {bins}; select the network's marks and window")
