"""What every benchmark needs: times, peak memory, slopes, and tables on disk and in README.md.

In: functions to time, tables of what was measured. Out: seconds, MB (10⁶ bytes), benchmarks/results/<name>.csv and a
section of benchmarks/README.md that says when, where and by which command it was measured.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import platform
import shlex
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch

from chromolib import InputError, machine

HOME = Path(__file__).parent
TRIAL = "trial"  # folder of tables that are not kept: other settings than the defaults, no --record
MB = 1e6
OURS_TO_ONE = 5  # calls of ours to one of the release, where both are timed in turns


# Options


def parser(script: str, text: str | None, *, repeats: int | None = None) -> argparse.ArgumentParser:
    """A parser with what all benchmarks share; `text` is the script's docstring."""
    made = argparse.ArgumentParser(script, description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    if repeats is not None:
        made.add_argument("--repeats", type=int, default=repeats, help=f"of each time, of which the median counts ({repeats})")
    made.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where both sides run (cpu)")
    made.add_argument("--record", action="store_true", help="renew README.md also with other settings than the defaults")
    made.add_argument("--folder", type=Path, default=HOME, help="with README.md and results/ (benchmarks)")
    return made


def options_of(made: argparse.ArgumentParser, given: list[str] | None = None) -> argparse.Namespace:
    """Options with `is_kept`: whether the run counts, since it has the default settings or says --record."""
    options = made.parse_args(given)
    told = {name: value for name, value in vars(options).items() if value != made.get_default(name)}
    options.is_kept = options.record or not told.keys() - {"folder", "device"}
    if options.device == "cuda" and not torch.cuda.is_available():
        made.error("--device cuda: PyTorch finds no CUDA device here; leave it out for the CPU")
    words = [word for name, value in told.items() if name != "folder" for word in _words(name, value)]
    options.command = shlex.join(["python", f"benchmarks/{Path(made.prog).name}", *words])
    return options


def _words(name: str, value: Any) -> list[str]:
    """An option as one types it."""
    values = [] if value is True else value if isinstance(value, list) else [value]
    return [f"--{name.replace('_', '-')}", *map(str, values)]


@contextlib.contextmanager
def one_line_errors(script: str) -> Iterator[None]:
    """Bad input ends a script with one line instead of a traceback."""
    try:
        yield
    except InputError as error:
        raise SystemExit(f"{script}: {error}") from None


# Times


def synchronise(device: str) -> None:
    """Wait until a GPU has done what it was asked for; a CPU has."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(call: Callable[[], object], repeats: int, device: str = "cpu", warm: bool = False) -> list[float]:
    """Wall-clock times of a call, after one that is not counted, unless it is warm."""
    times = []
    if not warm:
        call()
    for _ in range(repeats):
        synchronise(device)
        start = time.perf_counter()
        call()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return times


def in_turns(ours: Callable[[], object], release: Callable[[], object], repeats: int, device: str = "cpu") -> tuple[list[float], list[float]]:
    """Times of both, five of ours, one of the release, and so on, since a machine that is shared is slower in some minutes than in
    others. Not counted are the first call of the release, and of ours the first of each five, which finds the caches emptied."""
    mine, theirs = [], []
    release()
    for _ in range(repeats):
        mine += seconds(ours, OURS_TO_ONE, device)
        theirs += seconds(release, 1, device, warm=True)
    return mine, theirs


@contextlib.contextmanager
def stamped(module: ModuleType, name: str, device: str = "cpu") -> Iterator[list[float]]:
    """The moments at which calls of `module.name` ended: marks in a loop that is not ours to change."""
    function, moments = getattr(module, name), []

    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        synchronise(device)
        moments.append(time.perf_counter())
        return result

    setattr(module, name, call)
    try:
        yield moments
    finally:
        setattr(module, name, function)


def row(what: str, unit: str, release: float | list[float], ours: float | list[float]) -> dict[str, Any]:
    """A line of a table of both sides: medians, their ratio, and the spread where there are several values."""
    theirs, mine = ([x] if isinstance(x, int | float) else list(x) for x in (release, ours))
    ends = [f"{min(x):.3g}-{max(x):.3g}" if len(x) > 1 else "" for x in (theirs, mine)]
    peer, own = statistics.median(theirs), statistics.median(mine)
    return {"what": what, "unit": unit, "release": peer, "ours": own, "ratio": peer / own if own else float("nan"),
            "release_range": ends[0], "ours_range": ends[1]}  # fmt: skip


# Memory


class Peak:
    """Peak memory of this process (resident pages) or of a GPU, from `start` on; Linux only."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def start(self) -> None:
        """Forget the peak so far; what is held now is what `added_mb` counts from."""
        if not machine.reset_peak(self.device):
            raise InputError("peak memory: /proc/self/clear_refs cannot be written, expected Linux that lets it; measure on another machine")
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.before = torch.cuda.memory_allocated() if self.device == "cuda" else pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def total_mb(self) -> float:
        return machine.peak_mb(self.device)

    @property
    def added_mb(self) -> float:
        return self.total_mb - self.before / MB


def in_child(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function returns when a fresh process runs it, whose memory nothing else has touched."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, function, args, kwargs))
    process.start()
    sender.close()
    try:
        result = receiver.recv()
    except EOFError:
        result = None
    process.join()
    if isinstance(result, InputError):
        raise result
    if process.exitcode:
        raise SystemExit(f"{function.__name__} failed in its own process with status {process.exitcode}; is there memory for it?")
    return result


def _send(sender: Any, function: Callable[..., Any], args: tuple, kwargs: dict) -> None:
    try:
        sender.send(function(*args, **kwargs))
    except InputError as error:
        sender.send(error)


# Slopes


def slope(x: list[float], y: list[float]) -> float:
    """The exponent k of y ~ x^k: least squares on logarithms. Points with x or y of 0 have none and are left out."""
    points = np.array([(a, b) for a, b in zip(x, y, strict=True) if a > 0 and b > 0], float)
    if len(np.unique(points[:, 0] if len(points) else [])) < 2:
        raise InputError(f"slope: {len(points)} points above 0, expected at least two of different size")
    log_x, log_y = np.log(points).T
    return float(np.polyfit(log_x, log_y, 1)[0])


# Tables


def finish(name: str, table: pd.DataFrame, options: argparse.Namespace, *, notes: str = "", figure: str = "") -> None:
    """Print a table and write it: as CSV always, into README.md where the run counts.

    On a GPU the name gets "-cuda", so that the CPU's table stays. `notes`: what is counted; `figure`: alt text of
    results/<name>.svg, where the script has drawn one.
    """
    name = name if options.device == "cpu" else f"{name}-{options.device}"
    path = results(options) / f"{name}.csv"
    table.to_csv(path, index=False)
    print(markdown(table))
    print(f"written to {path if options.folder != HOME else path.relative_to(HOME.parent)}")
    if options.is_kept:
        picture = f"\n![{figure}](results/{name}.svg)\n" if figure else ""
        body = "\n".join([f"{about(options)}\n", f"{notes}\n", markdown(table), picture])
        readme = options.folder / "README.md"
        readme.write_text(with_section(readme.read_text() if readme.exists() else "# Benchmarks\n", name, body))


def results(options: argparse.Namespace) -> Path:
    """The folder of tables: results/, or results/trial/ for a run that does not count."""
    folder = options.folder / "results" / ("" if options.is_kept else TRIAL)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def with_section(text: str, name: str, body: str) -> str:
    """A page whose section `name` is `body`: put between its two marks where they are, else at the end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if text.count(begin) > 1 or text.count(begin) != text.count(end):
        raise SystemExit(f"README.md: found {text.count(begin)} of {begin!r} and {text.count(end)} of {end!r}, expected one each or none")
    section = f"{begin}\n\n{body.strip()}\n\n{end}"
    if begin not in text:
        return f"{text.rstrip()}\n\n## {name}\n\n{section}\n"
    before, rest = text.split(begin)
    return before + section + rest.split(end)[1]


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown, numbers with three digits that count; columns that hold nothing are left out."""
    table = table.loc[:, (table.notna() & (table != "")).any()]
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * len(table.columns)]
    return "\n".join(lines + ["| " + " | ".join(map(_text, values)) + " |" for values in table.itertuples(index=False)])


def _text(value: Any) -> str:
    if not isinstance(value, float | np.floating):
        return str(value).replace("|", "\\|")
    if np.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def about(options: argparse.Namespace) -> str:
    """Command, date, commit, machine with the GPU where one is used, and versions, in two sentences."""
    gpu = f", {torch.cuda.get_device_name()}" if options.device == "cuda" else ""
    return (
        f"`{options.command}`, {date.today()}, commit {commit()}. "
        f"{machine.host()}, {torch.get_num_threads()} threads{gpu}; Python {platform.python_version()}, PyTorch {torch.__version__}, NumPy {np.__version__}."
    )


def commit() -> str:
    """Short id of the commit that was measured, "+" where code differs from it; "unknown" outside of a checkout."""
    ask = partial(subprocess.run, cwd=HOME.parent, capture_output=True, text=True, check=True)
    try:
        changed = ask(["git", "status", "--porcelain", "--", "chromolib", "benchmarks/*.py"]).stdout.strip()
        return ask(["git", "rev-parse", "--short", "HEAD"]).stdout.strip() + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
