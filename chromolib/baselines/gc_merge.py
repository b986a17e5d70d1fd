"""GC-MERGE: a graph network over bins of the genome, whose edges are contacts.

In: marks of 10-kb bins, (node, feature), and their contacts as a matrix of means over neighbours. Out: (node, n_outputs).
Source: Bigness et al., J. Comput. Biol. 29:409 (2022); rsinghlab/GC-MERGE 5e7d1a3, from which every number here is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Settings of TrainConfig. A batch holds the whole graph. Deviates: epochs are those of the authors' saved runs; the default
# of their code is 1000 for both tasks.
RECIPE = {"optimizer": "adam", "learning_rate": 1e-4, "batch_size": 10**9}
EPOCHS = {"clf": 800, "reg": 2000}

WIDTH = 256


class GCMerge(nn.Module):
    """Two convolutions over the graph, three linear layers.

    Parameters
    ----------
    n_features : int
        Of a node: its marks.
    n_outputs : int
        2: logits of the classes low and high; 1: expression.
    """

    def __init__(self, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([GraphConvolution(n_features, WIDTH), GraphConvolution(WIDTH, WIDTH)])
        self.perceptron = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, n_outputs)
        )

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """(node, feature), means over neighbours as `nodes.mean_over_neighbours` makes them -> (node, n_outputs)."""
        for convolution in self.convolutions:
            x = convolution(x, adjacency).relu()
        return self.perceptron(x)


class GraphConvolution(nn.Module):
    """One linear map of a node and of the mean of its neighbours, side by side."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * n_in, n_out)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """(node, n_in) -> (node, n_out)."""
        return self.linear(torch.cat([x, torch.sparse.mm(adjacency, x)], 1))
