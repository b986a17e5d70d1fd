"""What a network makes of a gene: its embedding before and after its pCREs, and how far the two lie apart.

In: a network and genes that it reads. Out: arrays, a row per gene; embeddings and standardised distances without unit,
predictions in what the network predicts (reg: log2(RPKM + 1); clf: log-odds of being on).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from .. import train
from ..batch import Batch
from ..config import InputError
from ..dataset import GeneDataset
from ..model import Chromoformer
from . import pcres

# How two embeddings are put on one scale; see `distance`.
Standard = Literal["together", "apart"]
N_EXCHANGES = 4  # other genes whose pCREs each gene is read with


class Embedded(NamedTuple):
    """What one network makes of some genes: embeddings, (g, s * d) with resolutions side by side, and predictions, (g,)."""

    promoter: np.ndarray
    regulatory: np.ndarray   # as the Regulation transformer leaves it
    alone: np.ndarray        # the same of a gene that is read without its pCREs
    others: np.ndarray       # the same with the pCREs of other genes, mean over some; NaN where there is no other
    predicted: np.ndarray
    without: np.ndarray      # its pCREs
    exchanged: np.ndarray    # with those of other genes


@torch.no_grad()
def embed(model: Chromoformer, data: GeneDataset, *, seed: int = 0) -> Embedded:
    """Embeddings and predictions of genes as they are, without their pCREs, and with those of other genes.

    Genes exchange pCREs with others that have about as many. Where it does not matter whose pCREs a gene has, it lies on any side
    of what it is with those of others, whatever the network makes of promoters and of pCREs in general.

    Raises
    ------
    InputError
        The genes are not as the network reads them, or the network reads no pCREs.
    """
    train.check_fits(model.config, data)
    if not model.config.regulation_layers:
        raise InputError(f"{data.cell_type}: PCRI of a network that reads no pCREs, expected one trained with contacts; leave the cell type out")
    model.eval()
    task = model.config.task
    data = data.select(task=task).to(next(model.parameters()).device)
    bare = data.select(max_pcres=0)
    order = np.lexsort((np.random.default_rng(seed).random(len(data)), pcres.per_gene(data)))
    parts = []
    for positions in torch.from_numpy(order).split(pcres.BATCH):
        batch, single = data.batch(positions), bare.batch(positions)
        promoter, regulatory = model.embed(batch)
        others, exchanged = _with_others(model, batch)
        tensors = [*map(_side_by_side, (promoter, regulatory, model.embed(single).regulatory)), others,
                   train.score(model(batch), task), train.score(model(single), task), exchanged]  # fmt: skip
        parts.append([tensor.double().cpu().numpy() for tensor in tensors])
    found = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Embedded(*(array[np.argsort(order)] for array in found))


def distance(promoter: np.ndarray, regulatory: np.ndarray, standard: Standard, moved: np.ndarray | None = None) -> np.ndarray:
    """Euclidean distance of standardised embeddings, (g,) of (g, d) each.

    "together": each dimension has one mean and SD over both embeddings of all genes. The distance is 0 if and only if nothing
    happened to a gene, and that of a gene without pCREs is what the transformer does to a promoter alone.
    "apart": each embedding has its own means and SDs. What happens to all genes alike does not count: what is left is how far
    a gene changes its place among them. A gene to which nothing happens seems to move where most others do, backwards, so that
    the distance of a gene without pCREs means nothing by itself.

    Parameters
    ----------
    moved : array, (g, d), optional
        Measure the distance of these from the promoter's embedding, on the scale of `regulatory`.

    Returns
    -------
    array, (g,)
        A dimension that does not vary counts nothing.
    """
    if standard not in get_args(Standard):
        raise InputError(f"standard {standard!r}, expected {' or '.join(get_args(Standard))}")
    both = np.concatenate([promoter, regulatory])
    first, second = (both, both) if standard == "together" else (promoter, regulatory)
    return np.linalg.norm(scaled(promoter, first) - scaled(regulatory if moved is None else moved, second), axis=1)


def sd(values: np.ndarray) -> np.ndarray:
    """Standard deviation over genes; 1 where a dimension does not vary, so that it counts nothing."""
    spread = values.std(0)
    return np.where(spread > 0, spread, 1.0)


def scaled(values: np.ndarray, over: np.ndarray) -> np.ndarray:
    """Values less the mean of `over`, in its standard deviations."""
    return (values - over.mean(0)) / sd(over)


def _side_by_side(embedding: Tensor) -> Tensor:
    """(s, b, d) -> (b, s * d)."""
    return embedding.transpose(0, 1).flatten(1)


def _with_others(model: Chromoformer, batch: Batch) -> tuple[Tensor, Tensor]:
    """Regulatory embeddings (b, s * d) and predictions (b,) of promoters with the pCREs of others, mean over those that stand
    before them in the batch."""
    has_any = torch.nonzero((batch.contact > 0).any(1)).squeeze(1)
    embeddings, scores = [], []
    for step in range(1, 1 + min(N_EXCHANGES, max(len(has_any) - 1, 1))):
        source = torch.arange(len(batch), device=batch.contact.device)
        source[has_any] = has_any.roll(step)
        pcre, is_padding = ({width: tensor[source] for width, tensor in part.items()} for part in (batch.pcre, batch.is_padding))
        given = replace(batch, pcre=pcre, is_padding=is_padding, contact=batch.contact[source])
        embeddings.append(_side_by_side(model.embed(given).regulatory))
        scores.append(train.score(model(given), model.config.task))
    embedding, score = torch.stack(embeddings).mean(0), torch.stack(scores).mean(0)
    if len(has_any) == 1:
        embedding[has_any], score[has_any] = float("nan"), float("nan")
    return embedding, score
