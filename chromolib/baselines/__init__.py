"""The models that the paper compares Chromoformer with, as the training loop sees them.

In: a PeerConfig and batches. Out: (b, 2) logits for clf, (b,) log2 expression for reg, (b, 1 or 3) for diff, as Chromoformer's.
Axes: `b` gene in batch, `m` mark, `l` bin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batch import Batch, PackedBatch
from ..config import InputError, PeerConfig, Task
from . import attentivechrome, deepchrome, deepdiff, gc_merge, hm_crnn


class Spec(NamedTuple):
    """A peer: its name for readers, what it can learn, how its authors train it, and the network itself."""

    title: str
    tasks: tuple[Task, ...]
    recipe: Callable[[Task], dict[str, Any]]  # of TrainConfig; what it does not say, PLAIN does
    build: Callable[[PeerConfig], nn.Module]
    window_bp: int | None = None              # its authors' own; None: it reads a graph


# What the authors' training loops have in common, as settings of TrainConfig.
PLAIN = {"decay": 1.0, "weight_decay": 0.0, "drop_last": False}


def _n_outputs(config: PeerConfig) -> int:
    return 2 if config.task == "clf" else 1


def _deepdiff(variant: str) -> Spec:
    loss = "contrastive" if variant.endswith("siamese") else "task"
    return Spec(
        f"DeepDiff {variant}", ("diff",), lambda task: deepdiff.RECIPE | {"loss": loss},
        lambda config: deepdiff.DeepDiff(len(config.marks), variant), deepdiff.NATIVE_WINDOW_BP,
    )  # fmt: skip


LEVELS: tuple[Task, ...] = ("clf", "reg")
PEERS: dict[str, Spec] = {
    "deepchrome": Spec(
        "DeepChrome", LEVELS, lambda task: deepchrome.RECIPE,
        lambda config: deepchrome.DeepChrome(len(config.marks), config.n_bins, _n_outputs(config)), deepchrome.NATIVE_WINDOW_BP,
    ),
    "attentivechrome": Spec(
        "AttentiveChrome", LEVELS, lambda task: attentivechrome.RECIPE,
        lambda config: attentivechrome.AttentiveChrome(len(config.marks)), attentivechrome.NATIVE_WINDOW_BP,
    ),
    "hm-crnn": Spec(
        "HM-CRNN", LEVELS, lambda task: hm_crnn.RECIPE | {"loss": "focal" if task == "clf" else "task"},
        lambda config: hm_crnn.HMCRNN(len(config.marks)), hm_crnn.NATIVE_WINDOW_BP,
    ),
    "gc-merge": Spec(
        "GC-MERGE", LEVELS, lambda task: gc_merge.RECIPE | {"epochs": gc_merge.EPOCHS[task]},
        lambda config: gc_merge.GCMerge(len(config.marks), _n_outputs(config)),
    ),
    **{f"deepdiff-{variant}": _deepdiff(variant) for variant in deepdiff.VARIANTS},
}  # fmt: skip
WINDOW_PEERS = tuple(name for name, spec in PEERS.items() if spec.window_bp and "clf" in spec.tasks)


class Peer(nn.Module):
    """One of the peers; its configuration is all that is needed to rebuild it."""

    def __init__(self, config: PeerConfig, seed: int = 42) -> None:
        super().__init__()
        if config.model not in PEERS:
            raise InputError(f"PeerConfig: unknown model {config.model!r}, expected one of {', '.join(PEERS)}")
        spec = PEERS[config.model]
        if config.task not in spec.tasks:
            raise InputError(f"{spec.title}: task={config.task!r}, expected {' or '.join(spec.tasks)}")
        self.config = config
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(seed)  # and no GPU's, which is not put back
            self.net = spec.build(config)

    def forward(self, batch: Any) -> Tensor:
        """`batch` is what the peer's dataset gathers: a Batch or PackedBatch, for GC-MERGE a GraphBatch."""
        config = self.config
        if config.task == "diff":
            found = self._both(batch)
            levels = [] if found.first is None else [found.first, found.second]
            return torch.stack([found.change, *levels], -1)
        if config.model == "gc-merge":
            out = self.net(batch.features, batch.adjacency)[batch.node_idx]
        else:
            out = self.net(self._window(batch))
        if config.task == "reg":
            return out.squeeze(-1)
        return out if out.shape[1] == 2 else F.pad(out, (1, 0))  # a logit of on beside 0: softmax gives its sigmoid

    def contrastive_loss(self, batch: Batch | PackedBatch) -> Tensor:
        """DeepDiff's own loss, of which its siamese variants have more than squared errors."""
        return self.net.loss(self._both(batch), batch.target)

    def _both(self, batch: Batch | PackedBatch) -> deepdiff.Answer:
        if batch.other is None:
            raise InputError("task diff: the batch holds one cell type, expected two; build the dataset with chromolib.pair")
        return self.net(self._window(batch), self._window(batch.other))

    def _window(self, batch: Batch | PackedBatch) -> Tensor:
        """The promoter's signal, (b, m, l)."""
        config, (width,) = self.config, self.config.bin_bp
        found = batch.promoter.get(width)
        if found is None or found.shape[1:] != (config.n_bins, len(config.marks)):
            shape = "none" if found is None else f"{found.shape[1]} bins of {found.shape[2]} marks"
            raise InputError(f"{config.model}: batch holds {shape} at {width} bp, the network reads {config.n_bins} bins of {len(config.marks)} marks; use data.select")
        return found.transpose(1, 2)
