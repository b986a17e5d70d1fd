"""AttentiveChrome: a recurrent network reads the bins of each mark, another the marks, and both say where they looked.

In: signal around the TSS, (b, m, l), bins of 100 bp. Out: (b, 1), a logit or log2 expression, and two levels of attention.
Source: Singh et al., NeurIPS (2017); QData/AttentiveChrome ba0dda4, its PyTorch version, from which every number here is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from . import window

# Settings of TrainConfig.
RECIPE = {"optimizer": "adam", "learning_rate": 2e-4, "batch_size": 16, "epochs": 30, "clip_norm": 1.0}
NATIVE_WINDOW_BP = 10_000  # 100 bins

BIN_WIDTH, MARK_WIDTH = 32, 16  # of each direction
INITIAL = 0.1                   # every parameter is drawn from U(-0.1, 0.1)


class Attended(NamedTuple):
    """An answer and where it was looked for; alpha of each mark and beta sum to 1."""

    out: Tensor    # (b, 1)
    alpha: Tensor  # (b, m, l)  of the bins of a mark
    beta: Tensor   # (b, m)     of the marks


class AttentiveChrome(nn.Module):
    """Each mark has an encoder of its own. The marks are read in their order, which therefore matters.

    There is no dropout: the authors' option goes to a network of one layer, where it does nothing.
    """

    def __init__(self, n_marks: int) -> None:
        super().__init__()
        self.bins = BinEncoders(n_marks)
        self.marks = Encoder(2 * BIN_WIDTH, MARK_WIDTH)
        self.head = nn.Linear(2 * MARK_WIDTH, 1)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """(b, m, l) -> (b, 1)."""
        return self.attend(x).out

    def attend(self, x: Tensor) -> Attended:
        """`forward` with both levels of attention."""
        window.check(x, len(self.bins.encoders))
        summary, alpha = self.bins(x)
        gene, beta = self.marks(summary)
        return Attended(self.head(gene), alpha, beta)


def initialise(model: nn.Module) -> None:
    """Draw every parameter again, biases and context vectors too."""
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -INITIAL, INITIAL)


class Encoder(nn.Module):
    """A bidirectional LSTM over a sequence, averaged with the attention of one learned context vector."""

    def __init__(self, n_in: int, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_in, width, batch_first=True, bidirectional=True)
        self.context = nn.Linear(2 * width, 1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, t, n_in) -> the average (b, 2 * width) and its weights (b, t)."""
        state, _ = self.lstm(x)
        weight = self.context(state).squeeze(2).softmax(1)
        return torch.bmm(weight.unsqueeze(1), state).squeeze(1), weight


class BinEncoders(nn.Module):
    """Encoders of one number per bin, each with weights of its own.

    They run one after the other: on a CPU torch hands an LSTM whole to oneDNN, and one recurrence over all of them, step by
    step, is slower (benchmarks/baselines.py).
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(Encoder(1, BIN_WIDTH) for _ in range(n))

    def forward(self, x: Tensor, readers: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Summaries (b, m, 64) and attention (b, m, l) of tracks (b, m, l).

        `readers`: the encoder of each track, of which several may share one; by default each has its own, in order.
        """
        readers = range(len(self.encoders)) if readers is None else readers
        read = [self.encoders[i](track.unsqueeze(2)) for i, track in zip(readers, x.unbind(1), strict=True)]
        summary, alpha = (torch.stack(part, 1) for part in zip(*read, strict=True))
        return summary, alpha
