"""DeepDiff: AttentiveChrome's encoders read two cell types and their difference, to tell the change of expression.

In: signal around the TSS in two cell types, (b, m, l) each, bins of 100 bp. Out: log2 fold change, second over first, and
log2 expression in each where the variant has these tasks. Source: Sekhon et al., Bioinformatics 34:i891 (2018);
QData/DeepDiffChrome 2aef9c5, from which every number here is.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import InputError
from . import window
from .attentivechrome import BIN_WIDTH, MARK_WIDTH, BinEncoders, Encoder, initialise

# Settings of TrainConfig; epochs as the authors' README has them, the default of their code is 90.
RECIPE = {"optimizer": "adam", "learning_rate": 1e-4, "batch_size": 10, "epochs": 120, "clip_norm": 1.0}
NATIVE_WINDOW_BP = 20_000  # 200 bins; the authors' README says twice that, their files do not

# What each variant reads to tell the change; aux variants then read each cell type again, to tell its expression.
# Deviates: which variant the paper of Chromoformer ran is not known; all seven are here.
_RAW = {
    "raw_d": ("difference",), "raw_c": ("first", "second"), "raw": ("first", "second", "difference"), "aux": (),
    "raw_aux": ("first", "second", "difference"), "aux_siamese": (), "raw_aux_siamese": ("first", "second", "difference"),
}  # fmt: skip
VARIANTS = tuple(_RAW)
CONTRASTIVE_WEIGHT = 4.0  # of the loss that draws summaries together, against 1 for each squared error
MARGIN = 2.0              # distance beyond which summaries of a gene that changed are far enough apart
CHANGED = 2.0             # log2 fold change from which a gene counts as changed


class Answer(NamedTuple):
    """What the network says of each gene; None where a variant has no such output."""

    change: Tensor                            # (b,)  log2 fold change, second over first
    first: Tensor | None                      # (b,)  log2 expression
    second: Tensor | None                     # (b,)
    summaries: tuple[Tensor, Tensor] | None   # (b, 64 m) each: of the first and the second cell type by shared encoders


class Attention(NamedTuple):
    """Where the network looked, track by track: raw tracks, then those of the first and of the second cell type."""

    alpha: Tensor  # (b, tracks, l)  of the bins; sums to 1 for each track
    beta: Tensor   # (b, tracks)     of the tracks; sums to 1, without raw tracks to 1 for each cell type


class DeepDiff(nn.Module):
    """One of seven variants.

    Parameters
    ----------
    n_marks : int
    variant : str
        One of VARIANTS. raw: encoders of the difference (raw_d), of both cell types (raw_c), or of all three; aux: each cell
        type has encoders and a level of marks, which also tell its expression; siamese: these encoders, but not the levels
        of marks, are the same for both.

    Raises
    ------
    InputError
        There is no such variant.
    """

    def __init__(self, n_marks: int, variant: str) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise InputError(f"DeepDiff: variant={variant!r}, expected one of {', '.join(VARIANTS)}")
        self.n_marks, self.tracks = n_marks, _RAW[variant]
        self.has_raw, self.has_aux, self.is_siamese = bool(self.tracks), "aux" in variant, variant.endswith("siamese")
        if self.has_aux:
            self.tracks += ("first", "second")
        self.readers = list(range(len(self.tracks) * n_marks))
        if self.is_siamese:
            self.readers[-n_marks:] = self.readers[-2 * n_marks : -n_marks]
        self.bins = BinEncoders(1 + max(self.readers))
        if self.has_raw:
            self.marks = Encoder(2 * BIN_WIDTH, MARK_WIDTH)
            self.head = nn.Linear(2 * MARK_WIDTH, 1)
        else:
            self.head = nn.Sequential(nn.Linear(4 * MARK_WIDTH, 32), nn.ReLU(), nn.Linear(32, 1))
        n_own = 2 if self.has_aux else 0
        self.own_marks = nn.ModuleList(Encoder(2 * BIN_WIDTH, MARK_WIDTH) for _ in range(n_own))
        self.own_heads = nn.ModuleList(nn.Linear(2 * MARK_WIDTH, 1) for _ in range(n_own))
        initialise(self)

    def forward(self, first: Tensor, second: Tensor) -> Answer:
        """Signal of the first and the second cell type, (b, m, l) each."""
        return self._read(first, second)[0]

    def attend(self, first: Tensor, second: Tensor) -> Attention:
        """Both levels of attention."""
        return self._read(first, second)[1]

    def _read(self, first: Tensor, second: Tensor) -> tuple[Answer, Attention]:
        for x in (first, second):
            window.check(x, self.n_marks)
        if first.shape != second.shape:
            raise InputError(f"signal of shapes {tuple(first.shape)} and {tuple(second.shape)}, expected the same genes and bins of both cell types")
        # The difference is first less second, though the fold change is second over first: the sign is learned.
        signal = {"first": first, "second": second, "difference": first - second}
        summary, alpha = self.bins(torch.cat([signal[track] for track in self.tracks], 1), self.readers)
        own = summary.split(self.n_marks, 1)[-2:]                                           # (b, m, 64) each
        read = [marks(x) for marks, x in zip(self.own_marks, own, strict=False)]
        genes, betas = zip(*read, strict=True) if read else ((), ())
        if self.has_raw:
            gene, beta = self.marks(summary)
        else:
            gene, beta = torch.cat(genes, 1), torch.cat(betas, 1)
        expression = [head(x).squeeze(1) for head, x in zip(self.own_heads, genes, strict=True)] or [None, None]
        summaries = (own[0].flatten(1), own[1].flatten(1)) if self.is_siamese else None
        return Answer(self.head(gene).squeeze(1), *expression, summaries), Attention(alpha, beta)

    @staticmethod
    def loss(output: Answer, target: Tensor) -> Tensor:
        """Squared errors of all outputs, and of siamese variants how far the summaries are from where they should be.

        `target`: (b, 3), log2 fold change second over first, log2 expression in the first, in the second.
        """
        loss = F.mse_loss(output.change, target[:, 0])
        if output.first is not None:
            loss = loss + F.mse_loss(output.first, target[:, 1]) + F.mse_loss(output.second, target[:, 2])
        if output.summaries is not None:
            loss = loss + CONTRASTIVE_WEIGHT * contrastive_loss(*output.summaries, target[:, 0])
        return loss


def contrastive_loss(first: Tensor, second: Tensor, change: Tensor) -> Tensor:
    """Summaries (b, d) of a gene that changed should be MARGIN apart, those of one that did not the same; a mean over b."""
    distance = F.pairwise_distance(first, second)
    is_changed = change.abs() >= CHANGED
    return torch.where(is_changed, F.relu(MARGIN - distance), distance).square().mean()
