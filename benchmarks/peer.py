"""The release (PyPI: chromoformer) run beside ours, on the same genes.

In: a GeneDataset. Out: the release's own network and its inputs, built with the release's own padding and masks.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import torch
from chromoformer import ChromoformerClassifier, ChromoformerRegressor
from torch import Tensor, nn

from chromolib.config import Task
from chromolib.dataset import Batch


def network(task: Task = "clf", seed: int = 42) -> nn.Module:
    """The release's network with random weights."""
    return (ChromoformerClassifier if task == "clf" else ChromoformerRegressor)(seed=seed)


@contextlib.contextmanager
def on_cpu() -> Iterator[None]:
    """Let the release run without a GPU: its forward pass calls .cuda() on the position table."""
    cuda = Tensor.cuda
    Tensor.cuda = lambda self, *args, **kwargs: self
    try:
        yield
    finally:
        Tensor.cuda = cuda


def on(device: str) -> contextlib.AbstractContextManager:
    """Where the release runs: on a GPU its calls of .cuda() mean what they say."""
    return on_cpu() if device == "cpu" else contextlib.nullcontext()


def moved(value, device: str):
    """Tensors of the release's inputs on another device."""
    return {key: moved(entry, device) for key, entry in value.items()} if isinstance(value, dict) else value.to(device)


def checkpoint(net: nn.Module) -> io.BytesIO:
    """The network saved in the layout of the release's checkpoints."""
    import numpy as np

    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-5)
    file = io.BytesIO()
    torch.save(
        {
            "net": net.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": 9,
            "last_val_loss": torch.tensor(0.4),
            "last_val_auc": np.float64(91.2),
            "val_score": np.zeros(3, np.float32),
            "val_label": np.zeros(3, np.int64),
        },
        file,
    )
    file.seek(0)
    return file


def collate(items: list[dict]) -> dict:
    """Batch of the release's dataset items, as its DataLoader makes it."""
    return torch.utils.data.default_collate(items)


def run(net: nn.Module, item: dict) -> Tensor:
    """The release's forward pass on one of its batches."""
    return net(
        item["promoter_feats"],
        item["promoter_pad_masks"],
        item["pcre_feats"],
        item["pcre_pad_masks"],
        item["interaction_masks"],
        item["interaction_freq"],
    )


def inputs(batch: Batch, frame_bp: int = 40_000) -> dict:
    """Our batch in the release's form: regions padded to the whole frame, masks bin by bin, all dummies present."""
    b, r = batch.contact.shape
    out: dict = {key: {} for key in ("promoter_feats", "promoter_pad_masks", "pcre_feats", "pcre_pad_masks", "interaction_masks")}
    frequency = torch.zeros(b, r + 1, r + 1)
    frequency[:, 0, 1:] = batch.contact
    out["interaction_freq"] = frequency
    absent = torch.cat([torch.zeros(b, 1, dtype=torch.bool), batch.contact == 0], 1)
    for width, promoter in batch.promoter.items():
        n = frame_bp // width
        x, is_padding = _frame(promoter, batch.is_promoter_padding.get(width), n)
        pcre, pcre_padding = _frame(batch.pcre[width].flatten(0, 1), batch.is_padding[width].flatten(0, 1), n)
        pcre, pcre_padding = pcre.view(b, r, n, -1), pcre_padding.view(b, r, n)
        out["promoter_feats"][width] = x.unsqueeze(1)
        out["promoter_pad_masks"][width] = (is_padding[:, :, None] | is_padding[:, None, :])[:, None, None]
        out["pcre_feats"][width] = pcre
        out["pcre_pad_masks"][width] = (is_padding[:, None, :, None] | pcre_padding[:, :, None, :]).unsqueeze(2)
        out["interaction_masks"][width] = (absent[:, :, None] | absent[:, None, :]).unsqueeze(1)
    return out


def _frame(x: Tensor, is_padding: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
    """(b, l, m) centred in a frame of n bins, and what is padding there."""
    missing = n - x.shape[1]
    left, right = -(-missing // 2), missing // 2
    if is_padding is None:
        is_padding = torch.zeros(x.shape[:2], dtype=torch.bool)
    return nn.functional.pad(x, (0, 0, left, right)), nn.functional.pad(is_padding, (left, right), value=True)
