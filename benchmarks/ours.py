"""Our side of a training: `cl.fit`, watched.

In: how to get training and held-out genes, settings. Out: seconds and losses of each epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import peer  # a script's own folder comes first on its path
import report
import torch

from chromolib import Chromoformer, GeneDataset, TrainConfig, checkpoints, fit, train


def timed_fit(
    load: Callable[[], tuple[GeneDataset, GeneDataset]], config: TrainConfig, folder: Path, model: Chromoformer | None = None
) -> peer.Training:
    """Load genes and train on them, with a checkpoint in `folder` as often as `fit` writes one; both loading and training
    are timed.

    `model` gives the weights to start from, by way of a checkpoint as after an epoch 0, which `fit` goes on from.
    """
    if model is not None:
        optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, fused=True)
        checkpoints.save_state(folder, model, optimizer, torch.amp.GradScaler(config.device, enabled=False), config, [])
    ends: list[float] = []
    with report.stamped(train, "load_state", config.device) as ready:
        begin = time.perf_counter()
        history = fit(
            *load(), config, model.config if model else None, checkpoint=folder, report=lambda _: ends.append(time.perf_counter())
        ).history  # the metrics of an epoch are plain numbers by then: the device has ended it
    epochs = [after - before for before, after in zip([*ready, *ends], ends, strict=False)]
    return peer.Training(ready[0] - begin, epochs, [], [], history["train_loss"].tolist(), history["loss"].tolist())
