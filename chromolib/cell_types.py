"""Genes of several cell types to train one network on: two side by side, or any number one after the other.

In: datasets of one cell type each. Out: what the training loop takes in place of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .batch import PackedBatch, joined
from .config import InputError, Task
from .dataset import READ, GeneDataset, read_like


class PairedDataset:
    """The same genes in two cell types: what task diff reads. `fit`, `evaluate` and `predict` take it like a GeneDataset."""

    task: Task = "diff"

    def __init__(self, first: GeneDataset, second: GeneDataset) -> None:
        self.first, self.second = first, second
        self.genes = first.genes
        read_like(self, first)
        self.cell_type = f"{second.cell_type}/{first.cell_type}"

    def __len__(self) -> int:
        return len(self.first)

    @property
    def has_pcres(self) -> bool:
        return self.first.has_pcres or self.second.has_pcres

    @property
    def device(self) -> torch.device:
        return self.first.device

    def select(self, **selection: Any) -> PairedDataset:
        if (task := selection.pop("task", "diff")) != "diff":
            raise InputError(f"task {task}: the dataset holds two cell types, expected one; use its .first or .second")
        return PairedDataset(self.first.select(**selection), self.second.select(**selection))

    def fold(self, fold: int) -> tuple[PairedDataset, PairedDataset]:
        """Training genes and held-out genes of one fold; no chromosome is in both."""
        return tuple(PairedDataset(a, b) for a, b in zip(self.first.fold(fold), self.second.fold(fold), strict=True))

    @property
    def n_bytes(self) -> int:
        return self.first.n_bytes + self.second.n_bytes

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> PairedDataset:
        return PairedDataset(self.first.to(device, dtype), self.second.to(device, dtype))

    @property
    def targets(self) -> Tensor:
        """(gene, 3): log2 fold change, then log2(RPKM + 1) in the first and in the second cell type."""
        return _change_of(self.first.targets, self.second.targets)

    def spread(self) -> dict[int, Tensor]:
        """As `GeneDataset.spread`, over both cell types, each about its own mean."""
        first, second = self.first.spread(), self.second.spread()
        return {width: ((first[width] ** 2 + second[width] ** 2) / 2).sqrt() for width in self.bin_bp}

    batch = GeneDataset.batch  # one of `batches`, with room for every rank

    def batches(self, indices: Iterable[Sequence[int] | Tensor]) -> Iterator[PackedBatch]:
        """As `GeneDataset.batches`: batches of the first cell type that hold the second; target is (b, 3), as `targets`."""
        indices = list(indices)
        for a, b in zip(self.first.batches(indices), self.second.batches(indices), strict=True):
            yield replace(a, other=b, target=_change_of(a.target, b.target))


class PooledDataset:
    """Genes of several cell types to train one network on: a row for each gene of each, with the label that it has there.

    `fit`, `evaluate` and `predict` take it like a GeneDataset. `genes` has a further column, cell_type.
    """

    def __init__(self, parts: Sequence[GeneDataset]) -> None:
        self.parts = tuple(parts)
        first = self.parts[0]
        self.task = first.task
        read_like(self, first)
        self.cell_type = "+".join(part.cell_type for part in self.parts)
        self.genes = pd.concat([part.genes.assign(cell_type=part.cell_type) for part in self.parts], ignore_index=True)
        self._ends = np.cumsum([len(part) for part in self.parts])

    def __len__(self) -> int:
        return len(self.genes)

    @property
    def has_pcres(self) -> bool:
        return any(part.has_pcres for part in self.parts)

    @property
    def device(self) -> torch.device:
        return self.parts[0].device

    @property
    def n_bytes(self) -> int:
        return sum(part.n_bytes for part in self.parts)

    def select(self, *, genes: Sequence[str] | None = None, **selection: Any) -> PooledDataset:
        """As `GeneDataset.select`; of genes, each cell type keeps those that it has, each once."""
        parts = [part.select(**selection) for part in self.parts]
        if genes is None:
            return PooledDataset(parts)
        wanted = pd.Index([genes] if isinstance(genes, str) else genes).unique()
        is_known = wanted.isin(self.genes["gene_id"])
        if not is_known.all():
            raise InputError(f"{self.cell_type}: no gene {wanted[~is_known][0]!r} in any of these cell types; data.genes lists them")
        return PooledDataset([part.select(genes=wanted[wanted.isin(part.genes["gene_id"])].tolist()) for part in parts])

    def fold(self, fold: int) -> tuple[PooledDataset, PooledDataset]:
        """Training genes and held-out genes of one fold; no chromosome is in both, whatever the cell type."""
        return tuple(PooledDataset(side) for side in zip(*(part.fold(fold) for part in self.parts), strict=True))

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> PooledDataset:
        return PooledDataset([part.to(device, dtype) for part in self.parts])

    @property
    def targets(self) -> Tensor:
        """Target of each gene in each cell type, (row of `genes`,)."""
        return torch.cat([part.targets for part in self.parts])

    def spread(self) -> dict[int, Tensor]:
        """As `GeneDataset.spread`, over all cell types, each about its own mean."""
        parts = [part for part in self.parts if len(part)]
        spreads = [part.spread() for part in parts]
        share = [len(part) / len(self) for part in parts]
        return {width: sum(w * spread[width] ** 2 for w, spread in zip(share, spreads, strict=True)).sqrt() for width in self.bin_bp}

    batch = GeneDataset.batch  # one of `batches`, with room for every rank

    def batches(self, indices: Iterable[Sequence[int] | Tensor]) -> Iterator[PackedBatch]:
        """As `GeneDataset.batches`. A batch mixes the cell types, so that no step follows one of them alone."""
        rows = [np.asarray(positions, np.int64) for positions in indices]
        owners = [np.searchsorted(self._ends, positions, side="right") for positions in rows]
        firsts = self._ends - [len(part) for part in self.parts]
        of_parts = [
            part.batches([positions[owner == i] - firsts[i] for positions, owner in zip(rows, owners, strict=True)])
            for i, part in enumerate(self.parts)
        ]
        order = [np.argsort(owner, kind="stable") for owner in owners]
        places = torch.from_numpy(np.concatenate(order)).to(self.device).split([len(part) for part in order]) if order else ()
        for place, *batches in zip(places, *of_parts, strict=True):
            yield joined(batches, place)


def pair(first: GeneDataset, second: GeneDataset) -> PairedDataset:
    """Two cell types, gene by gene, for the fold change log2(second + 1) - log2(first + 1) of their RPKM.

    Genes that only one of them holds are left out. Raises InputError where marks, bins or frame differ.
    """
    _check_alike("pair", first, second)
    common = first.genes.loc[first.genes["gene_id"].isin(second.genes["gene_id"]), "gene_id"].tolist()
    if not common:
        raise InputError(f"pair: {first.cell_type} and {second.cell_type} share no gene, expected the same ids in both; take two datasets of one genome and annotation")
    return PairedDataset(first.select(genes=common, task="reg"), second.select(genes=common, task="reg"))


def pool(parts: Sequence[GeneDataset]) -> PooledDataset:
    """Several cell types, to train one network on all of them. Raises InputError where marks, bins, frame or task differ."""
    if not parts:
        raise InputError("pool: no cell types, expected at least one")
    for other in parts[1:]:
        _check_alike("pool", parts[0], other, (*READ, "task"))
    return PooledDataset(parts)


def _check_alike(what: str, first: GeneDataset, second: GeneDataset, names: Sequence[str] = READ) -> None:
    for name in names:
        if getattr(first, name) != getattr(second, name):
            raise InputError(f"{what}: {name} is {getattr(first, name)} in {first.cell_type} and {getattr(second, name)} in {second.cell_type}, expected the same")


def _change_of(first: Tensor, second: Tensor) -> Tensor:
    return torch.stack([second - first, first, second], -1)
