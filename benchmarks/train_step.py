"""One training step and one forward pass, ours against the release: same genes, same weights, one process, float32.

    python benchmarks/train_step.py [--profile h1-demo] [--genes 64] [--repeats 5] [--device cuda]

A step is forward, loss, backward and AdamW; the batch lies in memory (of the GPU, with --device cuda) for both. The process that
is timed keeps what it frees, as that of `cl.fit` does. Times are medians, five of ours and one of the release in
turns, see `report.in_turns`. Memory is what one step adds at its peak, each side in a process of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import pandas as pd
import peer  # a script's own folder comes first on its path
import report
import torch
from torch.nn.functional import cross_entropy

from chromolib import InputError, load_dataset, load_profile, load_released, machine


def steps(who: str, profile: str, n_genes: int, device: str) -> dict[str, Callable[[], object]]:
    """Forward pass and training step of one side, ready to call."""
    record = load_profile(profile)
    data = load_dataset(record, next(iter(record.cell_types)))
    if not 0 < n_genes <= len(data):
        raise InputError(f"--genes {n_genes}, expected 1 to {len(data)}, which is what profile {profile} holds")
    theirs = peer.network("clf")
    if who == "release":
        net, inputs = theirs.to(device), peer.moved(peer.inputs(data.batch(range(n_genes))), device)
    else:
        with tempfile.NamedTemporaryFile(suffix=".pt") as file:
            file.write(peer.checkpoint(theirs).getvalue())
            file.flush()
            net = load_released(file.name).train().to(device)
    (batch,) = data.to(device).batches([range(n_genes)])
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-5, fused=True if who == "ours" else None)

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


def added_memory(who: str, profile: str, n_genes: int, device: str) -> float:
    """Peak memory, in MB, that one training step adds to this process, or to what it holds on the GPU."""
    with peer.on(device):
        step, peak = steps(who, profile, n_genes, device)["train_step"], report.Peak(device)
        peak.start()
        step()
        report.synchronise(device)
        return peak.added_mb


def main(given: list[str] | None = None) -> None:
    parser = report.parser("train_step.py", __doc__, repeats=5)
    parser.add_argument("--profile", default="h1-demo", help="h1-demo: real genes (default); sim needs no network")
    parser.add_argument("--genes", type=int, default=64)
    options = report.options_of(parser, given)
    setting = options.profile, options.genes, options.device

    machine.keep_freed_memory()
    with peer.on(options.device):
        ours, theirs = (steps(who, *setting) for who in ("ours", "release"))
        difference = float((ours["forward"]() - theirs["forward"]()).abs().max())
        print(f"largest difference of a logit: {difference:.1e}")
        if not difference <= 1e-5:
            raise InputError(f"logits differ by {difference:.1e}, expected at most 1e-5: unequal work has no ratio")
        rows = []
        for what in ("forward", "train_step"):
            print(f"timing {what}: ours {report.OURS_TO_ONE * options.repeats} times, the release {options.repeats} times", flush=True)
            mine, its = report.in_turns(ours[what], theirs[what], options.repeats, options.device)
            rows.append(report.row(what, "s", its, mine))
    print("measuring memory", flush=True)
    rows.append(report.row("train_step", "MB added", *(report.in_child(added_memory, who, *setting) for who in ("release", "ours"))))
    notes = (
        f"One batch of {options.genes} genes of profile {options.profile}, float32, in memory for both; medians of "
        f"{options.repeats} (release) and {report.OURS_TO_ONE * options.repeats} (ours) calls, in turns. A step is forward, loss, backward and AdamW. "
        f"Largest difference of a logit between the two: {difference:.0e}."
    )
    report.finish("train_step", pd.DataFrame(rows), options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("train_step"):
        main()
