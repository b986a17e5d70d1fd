"""Whether torch.compile pays: our forward pass and training step as they are and compiled, same genes, same weights, one process.

    python benchmarks/compiled.py [--profile h1-demo] [--genes 64] [--repeats 15] [--device cuda]

`first_s` is the first call on one batch, `other_s` the first on another, which has another number of pCREs, as every batch of a
training does; `ms` the median of later calls on the first batch. Where one fails, `failed` says why. torch's compiler takes no
calls of oneDNN but its own, so that it is also given the network with torch's products. Needs a C++ compiler.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from unittest import mock

import pandas as pd
import report  # a script's own folder comes first on its path
import torch
from torch.nn.functional import cross_entropy

from chromolib import Chromoformer, InputError, TrainConfig, load_dataset, load_profile, machine, products, train
from chromolib.batch import PackedBatch
from chromolib.integrity import one_line


def steps(net: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Callable[[PackedBatch], torch.Tensor]]:
    """Forward pass and training step of a network on a batch."""

    def forward(batch: PackedBatch) -> torch.Tensor:
        with torch.no_grad():
            return net(batch)

    def train_step(batch: PackedBatch) -> torch.Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(net(batch), batch.target)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return {"forward": forward, "train_step": train_step}


def measured(call: Callable[[PackedBatch], torch.Tensor], batches: list[PackedBatch], repeats: int, device: str) -> dict[str, float | str]:
    """first_s, other_s, ms, and failed: why one of them is missing."""
    found: dict[str, float | str] = {}
    try:
        for name, batch in zip(("first_s", "other_s"), batches, strict=True):
            start = time.perf_counter()
            call(batch)
            report.synchronise(device)
            found[name] = time.perf_counter() - start
        found["ms"] = 1e3 * statistics.median(report.seconds(lambda: call(batches[0]), repeats, device))
    except RuntimeError as error:  # of which the compiler's errors are kinds
        found["failed"] = one_line(error)[:120]
    return found


def main(given: list[str] | None = None) -> None:
    parser = report.parser("compiled.py", __doc__, repeats=15)
    parser.add_argument("--profile", default="h1-demo", help="h1-demo: real genes (default); sim needs no network")
    parser.add_argument("--genes", type=int, default=64)
    options = report.options_of(parser, given)
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # what an earlier run has compiled lies in the folder of temporary files
    machine.keep_freed_memory()  # as cl.fit does
    record = load_profile(options.profile)
    data = load_dataset(record, next(iter(record.cell_types)))
    if not 0 < options.genes < len(data):
        raise InputError(f"--genes {options.genes}, expected 1 to {len(data) - 1}, so that profile {options.profile} has two batches")
    batches = list(data.to(options.device).batches([range(options.genes), range(len(data) - options.genes, len(data))]))
    rows = []
    here = products.HAS_WIDE_VECTORS
    for way, has_wide_vectors in {"as it is": here, "compiled": here, "compiled, torch's products": False}.items():
        net = Chromoformer(train.network_for(data)).to(options.device).train()
        optimizer = train.make_optimizer(net, TrainConfig())
        torch.compiler.reset()
        calls = steps(net if way == "as it is" else torch.compile(net), optimizer)
        with mock.patch.object(products, "HAS_WIDE_VECTORS", has_wide_vectors):
            for what, call in calls.items():
                rows.append({"what": what, "way": way, **measured(call, batches, options.repeats, options.device)})
        print(f"{way}: done", flush=True)
    notes = (
        f"{' and '.join(f'{len(batch)} genes with {len(batch.gene_idx)} pCREs' for batch in batches)} of profile {options.profile}, float32. "
        f"first_s and other_s: the first call on each of the two, compilation included; ms: median of {options.repeats} later calls on the first."
    )
    columns = ["what", "way", "ms", "first_s", "other_s", "failed"]
    report.finish("compiled", pd.DataFrame(rows).reindex(columns=columns), options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("compiled"):
        main()
