"""What the network reads of some genes: in a form to look at and to change, and packed, without what is not there.

In and out: tensors on one device; dictionaries are keyed by bin width in bp, regions are centred in the model's frame.
Axes: `b` gene in batch, `r` pCRE of a gene, strongest contact first, `n` pCRE that exists, `l` bin, `m` mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .attention import frame_offset


@dataclass(frozen=True)
class Batch:
    """What the network reads; dictionaries are keyed by bin width in bp. Regions are centred in the model's frame."""

    promoter: dict[int, Tensor]              # (b, l, m)     signal around the TSS, 0 in padding
    is_promoter_padding: dict[int, Tensor]   # (b, l)        True where the window holds no data; no entry: nowhere
    pcre: dict[int, Tensor]                  # (b, r, l, m)  signal of pCREs, centred; l cropped to the widest of the batch
    is_padding: dict[int, Tensor]            # (b, r, l)     True where a pCRE's bin holds no data
    contact: Tensor                          # (b, r)        normalised frequency with the promoter, 0 where there is no pCRE
    target: Tensor                           # (b,) label or log2(RPKM + 1); (b, 3) fold change and both levels
    other: Batch | None = None               # the same genes in a second cell type (task diff)

    def __len__(self) -> int:
        return len(self.contact)

    def pack(self) -> PackedBatch:
        """The same genes with only the pCREs that exist, all in one group."""
        gene_idx, rank_idx = torch.nonzero(self.contact, as_tuple=True)
        signal, is_padding = (
            {width: tensor[gene_idx, rank_idx] for width, tensor in tensors.items()} for tensors in (self.pcre, self.is_padding)
        )
        return PackedBatch(
            self.promoter, self.is_promoter_padding, (Regions(signal, is_padding),) if len(gene_idx) else (), gene_idx,
            rank_idx, self.contact, self.target, self.other and self.other.pack(),
        )  # fmt: skip


@dataclass(frozen=True)
class Regions:
    """pCREs of like width, centred and cropped to the widest of them; dictionaries are keyed by bin width in bp."""

    signal: dict[int, Tensor]                # (n, l, m)
    is_padding: dict[int, Tensor]            # (n, l)        True where a bin holds no data


@dataclass(frozen=True)
class PackedBatch:
    """A batch without room for what is not there: what the network works on, in training and prediction.

    Its pCREs come in groups, narrow ones first; `gene_idx` and `rank_idx` say of each, group after group, whose it is.
    """

    promoter: dict[int, Tensor]              # (b, l, m)     as in Batch
    is_promoter_padding: dict[int, Tensor]   # (b, l)
    pcres: tuple[Regions, ...]               # n pCREs in all; no group where there are none
    gene_idx: Tensor                         # (n,)          gene in batch
    rank_idx: Tensor                         # (n,)          0 for the gene's strongest contact
    contact: Tensor                          # (b, r)
    target: Tensor                           # (b,) or (b, 3)
    other: PackedBatch | None = None         # the same genes in a second cell type (task diff)

    def __len__(self) -> int:
        return len(self.contact)

    def with_absent(self, n: int) -> tuple[Tensor, Tensor]:
        """`gene_idx` and `rank_idx`, and behind them those of up to n places without a pCRE. Asks the device."""
        gene_idx, rank_idx = ((self.contact == 0).nonzero()[:n]).unbind(1)
        return torch.cat([self.gene_idx, gene_idx]), torch.cat([self.rank_idx, rank_idx])

    def unpack(self, frame_bp: int) -> Batch:
        """The same genes with room for every rank, pCREs cropped to the widest of all."""
        pcre, is_padding = {}, {}
        for width, promoter in self.promoter.items():
            n_bins = max((regions.signal[width].shape[1] for regions in self.pcres), default=1)
            pcre[width] = promoter.new_zeros(*self.contact.shape, n_bins, promoter.shape[2])
            is_padding[width] = torch.ones(pcre[width].shape[:3], dtype=torch.bool, device=promoter.device)
            first, frame_bins = 0, frame_bp // width
            for regions in self.pcres:
                signal = regions.signal[width]                                   # (n, l, m)
                left = frame_offset(signal.shape[1], frame_bins) - frame_offset(n_bins, frame_bins)
                gene, rank = (idx[first : first + len(signal)] for idx in (self.gene_idx, self.rank_idx))
                pcre[width][gene, rank, left : left + signal.shape[1]] = signal
                is_padding[width][gene, rank, left : left + signal.shape[1]] = regions.is_padding[width]
                first += len(signal)
        return Batch(
            self.promoter, self.is_promoter_padding, pcre, is_padding, self.contact, self.target,
            self.other and self.other.unpack(frame_bp),
        )  # fmt: skip


@dataclass(frozen=True)
class EmbeddedBatch:
    """Genes that have been through all of a network but its head."""

    features: Tensor                         # (b, s * d)    as Chromoformer.features gives them
    target: Tensor                           # (b,)

    def __len__(self) -> int:
        return len(self.target)


def joined(parts: Sequence[PackedBatch], position: Tensor) -> PackedBatch:
    """One batch of several, of one cell type each; `position` has the place in it of each gene, part after part.

    Groups of pCREs stay as they are, so that there are more of them.
    """
    order = position.argsort()
    places = position.split([len(part) for part in parts])
    padded = dict.fromkeys(width for part in parts for width in part.is_promoter_padding)
    return PackedBatch(
        promoter={width: torch.cat([part.promoter[width] for part in parts])[order] for width in parts[0].promoter},
        is_promoter_padding={width: torch.cat([_promoter_padding(part, width) for part in parts])[order] for width in padded},
        pcres=tuple(regions for part in parts for regions in part.pcres),
        gene_idx=torch.cat([place[part.gene_idx] for part, place in zip(parts, places, strict=True)]),
        rank_idx=torch.cat([part.rank_idx for part in parts]),
        contact=torch.cat([part.contact for part in parts])[order], target=torch.cat([part.target for part in parts])[order],
    )  # fmt: skip


def _promoter_padding(batch: PackedBatch, width: int) -> Tensor:
    """(b, l), also where nothing is padding and the batch so has no entry."""
    found = batch.is_promoter_padding.get(width)
    signal = batch.promoter[width]
    return torch.zeros(signal.shape[:2], dtype=torch.bool, device=signal.device) if found is None else found
