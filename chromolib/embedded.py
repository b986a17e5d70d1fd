"""Genes as the head of a network reads them, where all below it stays as it is.

In: a dataset, and what a network makes of its genes. Out: what the training loop takes in place of the dataset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from .batch import EmbeddedBatch
from .cell_types import PooledDataset
from .dataset import GeneDataset, read_like


class EmbeddedDataset:
    """One computation of them serves every epoch."""

    def __init__(self, data: GeneDataset | PooledDataset, features: Tensor) -> None:
        self.features = features  # (gene, s * d)
        self.targets = data.targets.to(features.device)
        self.task, self.cell_type, self.genes = data.task, data.cell_type, data.genes
        read_like(self, data)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def device(self) -> torch.device:
        return self.features.device

    def to(self, device: torch.device) -> EmbeddedDataset:
        return self if device == self.device else EmbeddedDataset(self, self.features.to(device))

    def batches(self, indices: Iterable[Sequence[int] | Tensor]) -> Iterator[EmbeddedBatch]:
        for positions in indices:
            rows = torch.as_tensor(positions, dtype=torch.int64).to(self.device)
            yield EmbeddedBatch(self.features[rows], self.targets[rows])
