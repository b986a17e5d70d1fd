"""Where the time of a forward pass and of a training step goes: what kind of operator takes it, and what lies between operators.

    python benchmarks/where_time_goes.py [--profile h1-demo] [--genes 64] [--repeats 30]

The same batch as in train_step.py. Operators are timed by torch.profiler, which slows each of them a little, so that a share is
of their sum and not of the clock; the clock itself is asked without it.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable

import pandas as pd
import report  # a script's own folder comes first on its path
import torch
from torch.profiler import ProfilerActivity, profile
from train_step import steps

from chromolib import machine
from chromolib.products import linear

# What operators do, by their names, the first that fits; the rest is views and the like.
KINDS = {
    "matrix products": r"aten::(mm|bmm|addmm|baddbmm)_?$|mkldnn::_linear",
    "softmax": r"softmax",
    "norms": r"layer_norm|addcmul",
    "moving rows": r"index|gather|scatter|copy_|aten::cat|aten::stack|repeat_interleave|clone|contiguous",
    "optimizer": r"adam",
    "sums and elementwise": r"aten::(add|sub|mul|div|relu|threshold|sum|mean|masked|where|gt|eq|ne|neg|tanh|sigmoid|exp|pow|sqrt|lerp)",
}


def kind_of(operator: str) -> str:
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, operator)), "views and others")


def operators(call: Callable[[], object], repeats: int) -> pd.DataFrame:
    """kind, calls and ms of one call, mean over `repeats` of them."""
    call()
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        for _ in range(repeats):
            call()
    rows = [(kind_of(event.key), event.count / repeats, event.self_cpu_time_total / 1e3 / repeats)
            for event in watched.key_averages() if event.key.startswith(("aten::", "mkldnn::"))]  # fmt: skip
    table = pd.DataFrame(rows, columns=["kind", "calls", "ms"]).groupby("kind", as_index=False).sum()
    return table.assign(share=table["ms"] / table["ms"].sum()).sort_values("ms", ascending=False, ignore_index=True)


def products(call: Callable[[], object]) -> float:
    """Floating-point operations of the matrix products of one call, a multiplication and an addition each."""
    with profile(activities=[ProfilerActivity.CPU], with_flops=True, record_shapes=True) as watched:
        call()
    total = 0.0
    for event in watched.key_averages(group_by_input_shape=True):
        if event.key.startswith("mkldnn::_linear"):  # which the profiler does not count
            (n, n_in), (n_out, _) = event.input_shapes[:2]
            total += 2 * n * n_in * n_out * event.count
        elif kind_of(event.key) == "matrix products":
            total += event.flops
    return total


def fastest(repeats: int, size: int = 2048) -> float:
    """Floating-point operations a second of one product of two square matrices: about what this machine can do."""
    a = torch.randn(size, size)
    return 2 * size**3 / statistics.median(report.seconds(lambda: linear(a, a), repeats))


def main(given: list[str] | None = None) -> None:
    parser = report.parser("where_time_goes.py", __doc__, repeats=30)
    parser.add_argument("--profile", default="h1-demo", help="h1-demo: real genes (default); sim needs no network")
    parser.add_argument("--genes", type=int, default=64)
    options = report.options_of(parser, given)
    if options.device != "cpu":
        parser.error(f"--device {options.device}: operators are timed on the host alone; leave it out")
    machine.keep_freed_memory()  # as cl.fit does
    ours, tables, clock, peak = steps("ours", options.profile, options.genes, options.device), [], [], fastest(options.repeats)
    for what, call in ours.items():
        ms = 1e3 * statistics.median(report.seconds(call, options.repeats, options.device))
        table = operators(call, options.repeats)
        tables.append(table.assign(what=what)[["what", "kind", "calls", "ms", "share"]])
        flop = products(call)
        clock.append(
            f"{what} {ms:.1f} ms by the clock, {table['ms'].sum():.1f} in {table['calls'].sum():,.0f} operators; its matrix products are "
            f"{flop / 1e9:.2g} GFLOP, {1e3 * flop / peak:.1f} ms at the {peak / 1e9:.0f} GFLOP a second of one large product here"
        )
    notes = (
        f"One batch of {options.genes} genes of profile {options.profile}, float32; means over {options.repeats} calls. "
        f"{'. '.join(clock)}. What the clock has more than the operators is Python between them, what it has less is the profiler's own."
    )
    report.finish("where_time_goes", pd.concat(tables, ignore_index=True), options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("where_time_goes"):
        main()
