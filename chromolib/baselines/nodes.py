"""The labelled nodes of a graph as GC-MERGE's network reads them: all nodes at once, and of which the loss is taken.

In: a Graph of one cell type. Out: the dataset that a network of nodes is trained on. Axes: `b` gene in batch, `m` mark.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import Tensor

from ..config import InputError, Task
from ..dataset import GeneDataset, resolve_device
from ..profile import Profile
from .graph import NODE_BP, Graph, build


@dataclass(frozen=True)
class GraphBatch:
    """All nodes, and which of them a loss is taken of."""

    features: Tensor    # (node, m)     share of the chromosome's largest
    adjacency: Tensor   # (node, node)  sparse; row i takes the mean over the neighbours of i, or is empty where it has none
    node_idx: Tensor    # (b,)
    target: Tensor      # (b,)          label or log2(RPKM + 1)

    def __len__(self) -> int:
        return len(self.node_idx)


class GraphDataset:
    """The labelled nodes of one cell type on one device, a gene for each: what `fit` reads, as it reads a GeneDataset.

    Chromosomes are whole in one fold and no edge leaves them, so that training reads no held-out node.
    """

    max_pcres = 0
    has_pcres = False
    log_base = "e"  # of no meaning here: no logarithm is taken of the signal

    def __init__(self, graph: Graph, *, task: Task = "clf") -> None:
        self.graph, self.task, self.store = graph, task, graph.store
        self.genes, self.marks = graph.genes, graph.marks
        self.cell_type: str = graph.store.attrs["cell_type"]
        self.scale = graph.store.attrs["signal"]
        self.bin_bp, self.frame_bp, self.window_bp = (graph.bin_bp,), graph.bin_bp, graph.bin_bp
        self._features = torch.from_numpy(graph.features)
        self._adjacency = mean_over_neighbours(graph.adjacency)
        self._node_idx = torch.tensor(graph.genes["node_idx"].to_numpy(np.int64))
        self.targets = _targets(graph.genes, task)  # (gene,), in the order of `genes`

    def __len__(self) -> int:
        return len(self.genes)

    @property
    def device(self) -> torch.device:
        return self._features.device

    @property
    def dtype(self) -> torch.dtype:
        """Type in which the features are kept."""
        return self._features.dtype

    @property
    def n_bytes(self) -> int:
        """Memory that features and edges take on their device."""
        parts = (self._features, self._adjacency.indices(), self._adjacency.values())
        return sum(tensor.numel() * tensor.element_size() for tensor in parts)

    def select(
        self, *, genes: Sequence[str] | None = None, marks: Sequence[str] | None = None, task: Task | None = None
    ) -> GraphDataset:
        """Fewer labelled nodes, by their genes and with the part of the graph that they need, fewer marks or another target.

        Raises
        ------
        InputError
            A gene that represents no node, a mark that the graph does not hold, or task diff.
        """
        graph = self.graph
        if genes is not None:
            wanted = [genes] if isinstance(genes, str) else list(genes)
            position = pd.Index(self.genes["gene_id"]).get_indexer(wanted)
            if (position < 0).any():
                raise InputError(
                    f"graph of {self.cell_type}: gene {wanted[int(np.argmin(position))]!r} represents none of {len(self):,} labelled "
                    "nodes; data.genes lists those that do"
                )
            graph = graph.around(self.genes.iloc[position])
        if marks is not None:
            graph = graph.of_marks(marks)
        return GraphDataset(graph, task=task or self.task).to(self.device, self.dtype)

    fold = GeneDataset.fold  # asks nothing but genes, cell_type and select

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> GraphDataset:
        """The same on another device, or with the features kept in another type; batches hold float32 whatever that is."""
        device = self.device if device is None else torch.device(device)
        if device == self.device and dtype in (None, self.dtype):
            return self
        moved = copy.copy(self)
        moved._features = self._features.to(device, dtype)
        for name in ("_adjacency", "_node_idx", "targets"):
            setattr(moved, name, getattr(self, name).to(device))
        return moved

    def batch(self, indices: Sequence[int] | Tensor) -> GraphBatch:
        """The whole graph with the genes at these positions of `genes`."""
        position = torch.as_tensor(indices, dtype=torch.int64).to(self.device)
        return GraphBatch(self._features.float(), self._adjacency, self._node_idx[position], self.targets[position])

    def batches(self, indices: Iterable[Sequence[int] | Tensor]) -> Iterator[GraphBatch]:
        """One batch after the other. Each costs a pass over the whole graph: take as few as there is memory for."""
        return map(self.batch, indices)


def load_graph(
    profile: Profile, cell_type: str, *, device: str = "cpu", bin_bp: int = NODE_BP, chroms: Sequence[str] | None = None,
    task: Task = "clf", marks: Sequence[str] | None = None,
) -> GraphDataset:  # fmt: skip
    """The graph of one cell type as a dataset; features that are missing are built first, as by `load_dataset`."""
    data = GraphDataset(build(profile, cell_type, bin_bp=bin_bp, chroms=chroms), task=task)
    return (data if marks is None else data.select(marks=marks)).to(resolve_device(device))


def _targets(genes: pd.DataFrame, task: Task) -> Tensor:
    if task == "clf":
        return torch.tensor(genes["label"].to_numpy(np.int64))
    if task == "reg":
        # Deviates: log2 as for all models here, the authors take log10; the two differ by a factor.
        return torch.tensor(np.log2(genes["expression"].to_numpy() + 1), dtype=torch.float32)
    raise InputError(f"GraphDataset: task={task!r}, expected clf or reg; GC-MERGE has no network for two cell types")


def mean_over_neighbours(adjacency: sparse.csr_array) -> Tensor:
    """The sparse matrix that takes means over neighbours, each row of edges divided by their number; (node, node)."""
    degree = np.diff(adjacency.indptr)
    row = np.repeat(np.arange(len(degree)), degree)
    place = torch.from_numpy(np.stack([row, adjacency.indices]).astype(np.int64))
    share = torch.from_numpy((1 / degree[row]).astype(np.float32))
    return torch.sparse_coo_tensor(place, share, adjacency.shape, check_invariants=True).coalesce()
