"""DeepChrome: one convolution over the bins of a window, and a perceptron.

In: signal around the TSS, (b, m, l), bins of 100 bp. Out: (b, n_outputs), two logits or one value.
Source: Singh et al., Bioinformatics 32:i639 (2016); QData/DeepChrome 4f2367f, from which every number here is.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..config import InputError
from . import window

# Settings of TrainConfig. Deviates: the authors' loop asks for 100 epochs and runs 99; here 100 are run.
RECIPE = {"optimizer": "sgd", "learning_rate": 1e-3, "batch_size": 1, "epochs": 100, "decay_per_update": 1e-7}
NATIVE_WINDOW_BP = 10_000  # 100 bins

CHANNELS, KERNEL, POOL, WIDTHS = 50, 10, 5, (625, 125)


class DeepChrome(nn.Module):
    """Convolution, maximum over five bins, three linear layers. Its size grows with the window.

    Parameters
    ----------
    n_marks, n_bins : int
        Of the window: the first linear layer holds weights for each of its places. At least 14 bins.
    n_outputs : int
        2: logits of the classes low and high; 1: log2 expression.

    Raises
    ------
    InputError
        The window is too narrow to leave anything after pooling.
    """

    def __init__(self, n_marks: int, n_bins: int, n_outputs: int) -> None:
        super().__init__()
        self.n_marks, self.n_bins = n_marks, n_bins
        n_places = (n_bins - KERNEL + 1) // POOL
        if n_places < 1:
            raise InputError(f"DeepChrome: n_bins={n_bins}, expected at least {KERNEL + POOL - 1}; widen the window or narrow the bins")
        self.convolution = nn.Sequential(nn.Conv1d(n_marks, CHANNELS, KERNEL), nn.ReLU(), nn.MaxPool1d(POOL))
        # Deviates: channel by channel, as torch flattens; the authors' Torch7 does so place by place, which permutes weights.
        self.perceptron = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(CHANNELS * n_places, WIDTHS[0]), nn.ReLU(),
            nn.Linear(*WIDTHS), nn.ReLU(), nn.Linear(WIDTHS[1], n_outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(b, m, l) -> (b, n_outputs), nothing after the last linear map."""
        window.check(x, self.n_marks, self.n_bins)
        return self.perceptron(self.convolution(x))
