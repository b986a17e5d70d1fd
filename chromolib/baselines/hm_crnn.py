"""HM-CRNN: a convolution over all marks, a recurrent network over its places, and attention.

In: signal around the TSS, (b, m, l), bins of 100 bp. Out: (b, 1), a logit or log2 expression. Source: Kang et al., Front.
Genet. 11:869 (2020); pptnz/deeply-learning-regulatory-latent-space 17f4d4e, from which every number here is unless it says so.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import window

# Settings of TrainConfig; for classes, with the focal loss. Deviates: what loss the paper of Chromoformer trained it with is not
# known; this is the authors' own.
RECIPE = {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 16, "epochs": 20}
NATIVE_WINDOW_BP = 4_000  # 40 bins. Deviates: their code does not say how wide a bin is; 100 bp is taken from the others

CHANNELS, KERNEL, POOL, WIDTH, ATTENTION_WIDTH, HEAD_WIDTH = 20, 7, 3, 40, 16, 32


class Attended(NamedTuple):
    """An answer, what it was told from, and where that was looked for; alpha sums to 1."""

    out: Tensor      # (b, 1)
    context: Tensor  # (b, 80)
    alpha: Tensor    # (b, t)   t places after pooling, of three bins each


class HMCRNN(nn.Module):
    """The branch of histone marks of a network that also reads methylation and transcription factors."""

    def __init__(self, n_marks: int) -> None:
        super().__init__()
        # The authors' convolution over (marks, bins) is as high as there are marks, and so one over bins.
        self.convolution = nn.Sequential(
            nn.Conv1d(n_marks, CHANNELS, KERNEL), nn.BatchNorm1d(CHANNELS), nn.ReLU(), nn.MaxPool1d(POOL, POOL, padding=1)
        )
        self.lstm = nn.LSTM(CHANNELS, WIDTH, batch_first=True, bidirectional=True)
        self.attention = nn.Sequential(nn.Linear(2 * WIDTH, ATTENTION_WIDTH), nn.Tanh(), nn.Linear(ATTENTION_WIDTH, 1))
        # Deviates: the branch has no head of its own in the authors' code; this one is as that of their whole network.
        self.head = nn.Sequential(nn.Linear(2 * WIDTH, HEAD_WIDTH), nn.ReLU(), nn.Linear(HEAD_WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(b, m, l) -> (b, 1)."""
        return self.attend(x).out

    def attend(self, x: Tensor) -> Attended:
        """`forward` with the context vector and the attention it was made with."""
        window.check(x, self.convolution[0].in_channels, at_least=KERNEL)
        state, _ = self.lstm(self.convolution(x).transpose(1, 2))                           # (b, t, 80)
        alpha = self.attention(state).squeeze(2).softmax(1)
        context = torch.bmm(alpha.unsqueeze(1), state).squeeze(1)
        return Attended(self.head(context), context, alpha)


def focal_loss(logit: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy of each gene times (1 - p)², p the probability of its own class, summed over the batch.

    `logit` (b,) or (b, 1), `label` (b,) of 0 and 1.
    """
    of_own_class = torch.where(label.bool(), logit.reshape(label.shape), -logit.reshape(label.shape))
    # Deviates: from the logit, which is finite everywhere; the authors take logarithms of probabilities, which may be 0.
    return -(torch.sigmoid(-of_own_class).square() * F.logsigmoid(of_own_class)).sum()
