"""One training step and one forward pass, ours against the release: same genes, same weights, one process, float32, CPU.

    python benchmarks/train_step.py [--profile h1-demo] [--genes 64] [--repeats 3]

Prints medians and ratios and writes benchmarks/results/train_step.csv. A step is forward, loss, backward and AdamW; the
batch lies in memory for both. Peak memory is what a step adds to the process, each measured in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import peer  # a script's own folder comes first on its path
import torch
from torch.nn.functional import cross_entropy

from chromolib import InputError, load_dataset, load_profile, load_released

RESULTS = Path(__file__).parent / "results" / "train_step.csv"


def steps(who: str, profile: str, n_genes: int) -> dict[str, Callable[[], object]]:
    """Forward pass and training step of one side, ready to call."""
    record = load_profile(profile)
    data = load_dataset(record, next(iter(record.cell_types)))
    (batch,) = data.batches([range(n_genes)])
    theirs = peer.network("clf")
    if who == "release":
        net, inputs = theirs, peer.inputs(data.batch(range(n_genes)))
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-5)
    else:
        with tempfile.NamedTemporaryFile(suffix=".pt") as file:
            file.write(peer.checkpoint(theirs).getvalue())
            file.flush()
            net = load_released(file.name).train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-5, fused=True)

    def logits() -> torch.Tensor:
        return peer.run(net, inputs) if who == "release" else net(batch)

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return logits()

    def train_step() -> None:
        optimizer.zero_grad()
        cross_entropy(logits(), batch.target).backward()
        optimizer.step()

    return {"forward": forward, "train_step": train_step}


def seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Wall-clock times after one call that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def added_memory(who: str, profile: str, n_genes: int, queue: multiprocessing.Queue) -> None:
    """Put the peak memory, in MB, that one training step adds to this process (Linux: peak of resident pages)."""
    with peer.on_cpu():
        step = steps(who, profile, n_genes)["train_step"]
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = _status("VmRSS")
        step()
        queue.put((_status("VmHWM") - before) / 1024)


def _status(field: str) -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1])  # kB


def peak_memory(who: str, profile: str, n_genes: int) -> float:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=added_memory, args=(who, profile, n_genes, queue))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"measuring the memory of {who} failed with status {process.exitcode}; is there room for it?")
    return queue.get()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="h1-demo", help="h1-demo: real genes (default); sim needs no network")
    parser.add_argument("--genes", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3, help="of the release; ours is run five times as often")
    options = parser.parse_args()

    with peer.on_cpu():
        ours, theirs = (steps(who, options.profile, options.genes) for who in ("ours", "release"))
        difference = float((ours["forward"]() - theirs["forward"]()).abs().max())
        print(f"{options.genes} genes of {options.profile}, {torch.get_num_threads()} threads, torch {torch.__version__}; "
              f"largest difference of a logit: {difference:.1e}")  # fmt: skip
        if difference > 1e-5:
            raise SystemExit("the two networks do not agree: their times can't be compared")
        rows = []
        for what in ("forward", "train_step"):
            print(f"timing {what}: ours {5 * options.repeats} times, the release {options.repeats} times", flush=True)
            mine = statistics.median(seconds(ours[what], 5 * options.repeats))
            peers = statistics.median(seconds(theirs[what], options.repeats))
            rows.append((what, "s, median", peers, mine, peers / mine))
    print("measuring memory", flush=True)
    peers, mine = (peak_memory(who, options.profile, options.genes) for who in ("release", "ours"))
    rows.append(("train_step", "MB added at peak", peers, mine, peers / mine))

    table = pd.DataFrame(rows, columns=["what", "unit", "release", "ours", "ratio"])
    table.insert(0, "profile", options.profile)
    RESULTS.parent.mkdir(exist_ok=True)
    table.to_csv(RESULTS, index=False)
    print(table.to_string(index=False, float_format=lambda x: f"{x:,.3f}" if x < 10 else f"{x:,.0f}"))
    print(f"written to {RESULTS.relative_to(Path(__file__).parents[1])}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(f"train_step: {error}") from None
