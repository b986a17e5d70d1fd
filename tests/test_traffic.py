"""Nothing passes between host and device inside an epoch: what is sent goes in one piece, what is read is read at its end.

The device here is "meta", which computes nothing and refuses every question about a value.
"""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from chromolib import Chromoformer, GeneDataset, TrainConfig, attention, pair, pool, stack, train
from tests.stores import random_store

READ = {torch.ops.aten._local_scalar_dense.default}
SENT = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


class Traffic(TorchDispatchMode):
    """Counts what is sent to the device, in pieces, and what is read from it, in numbers."""

    def __init__(self):
        super().__init__()
        self.sent = self.read = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given = [x.device.type for x in args if isinstance(x, torch.Tensor)]
        self.sent += func in SENT and "cpu" in given and (out.device.type == "meta" or "meta" in given)
        self.read += func in READ
        return out


def genes(seed=0):
    return GeneDataset(random_store(40, seed=seed), bin_bp=(2000, 500))


def config(n_updates, **changed):
    return TrainConfig(batch_size=8, epoch_updates=n_updates, **changed)


@pytest.mark.parametrize("kind", ["one cell type", "two of a pair", "several in a pool"])
def test_an_epoch_sends_as_much_for_many_batches_as_for_few(kind):
    data = {"one cell type": genes, "two of a pair": lambda: pair(genes(), genes(1)), "several in a pool": lambda: pool([genes(), genes(1)])}[kind]()
    moved = data.to("meta")
    counts = []
    for n in (2, 6):
        batches = [np.arange(n, n + 8)] * n
        with Traffic() as traffic:
            assert len([batch.target for batch in moved.batches(batches)]) == n
        counts.append((traffic.sent, traffic.read))
    assert counts[0] == counts[1] and 0 < counts[0][0] <= 3 and counts[0][1] == 0


def test_steps_ask_the_device_for_no_number_until_the_epoch_is_over(monkeypatch):
    for module in (stack, attention):                                          # torch knows no autocast of meta
        monkeypatch.setattr(module, "product_type", lambda x: x.dtype)
    data, steps = genes(), []
    net = Chromoformer(train.network_for(data)).to("meta")
    optimizer = torch.optim.AdamW(net.parameters(), foreach=True)
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    with pytest.raises(RuntimeError, match="meta"):                            # the mean loss, the one number that is asked for
        train.train_epoch(net, data.to("meta"), optimizer, torch.amp.GradScaler("cpu", enabled=False), config(3), 1)
    assert len(steps) == 3


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_an_epoch_reads_one_number_however_many_steps_it_has(kind):
    data, settings = genes(), config(2, optimizer=kind)
    net = Chromoformer(train.network_for(data))
    optimizer, counts = train.make_optimizer(net, settings), []
    for n in (2, 5):
        with Traffic() as traffic:
            train.train_epoch(net, data, optimizer, torch.amp.GradScaler("cpu", enabled=False), config(n, optimizer=kind), 1)
        counts.append(traffic.read)
    assert counts == [1, 1]


def test_weights_are_found_finite_with_one_question():
    net = Chromoformer(train.network_for(genes()))
    with Traffic() as traffic:
        train._check_finite(net, 0.5, config(1), "run")
    assert traffic.read == 1
    with torch.no_grad():
        net.head[0].bias[3] = float("nan")
    with pytest.raises(train.TrainingError, match="weights that are not finite"):
        train._check_finite(net, 0.5, config(1), "run")
