"""What Snakemake adds to the steps of a book: `make batch` against the same commands in a plain loop.

    make batch-tools
    python benchmarks/engine.py [--profile smoke] [--notebooks 02_train]

Both do one step at a time, with one thread, and begin with an empty data folder; HTML is left out. They run at the same time,
each on a core of its own, so that whatever else the machine does slows both. The last row is a second call of `make batch`.
BATCH_VENV names another environment of Snakemake.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import report  # a script's own folder comes first on its path

from chromolib import InputError, load_profile, workflow
from chromolib.config import ROOT
from chromolib.profile import profile_file

BIN = Path(sys.prefix) / "bin"
BATCH_VENV = Path(os.environ.get("BATCH_VENV", ROOT / ".venv-batch")).resolve()


class Took(NamedTuple):
    """Seconds by the clock, and of a processor, children included."""

    wall: float
    cpu: float


def with_notebooks(profile: str, notebooks: Sequence[str], folder: Path) -> str:
    """Path of a copy of a profile with these notebooks alone."""
    lines = [line for line in profile_file(profile).read_text(encoding="utf-8").splitlines() if not line.startswith("notebooks:")]
    path = folder / profile_file(profile).name
    path.write_text("\n".join([*lines, f"notebooks: [{', '.join(notebooks)}]\n"]), encoding="utf-8")
    return str(path)


def commands(profile: str) -> list[list[str]]:
    """Each step as `chromolib` takes it, after those that it needs."""
    steps = workflow.steps(profile)
    profiles = {work: found["profile"] for work, found in steps["profiles"].items()}
    return [
        *(["fetch", name] for name in profiles.values()),
        *(["preprocess", profiles[work], "--cell-type", cell_type] for work, cell_type in steps["features"]),
        *(["train", profile, "--run", run] for run in steps["runs"]),
        *(["notebook", profile, name] for name in steps["notebooks"]),
    ]


def make_batch(profile: str | os.PathLike[str], *, cores: int = 1, target: str = "pages") -> list[str]:
    """`make batch` of all pages or another target, with so many steps at a time; what is installed is taken as it is (-o)."""
    ready = [f"{sys.prefix}/.installed-book", f"{BATCH_VENV}/.installed", "tools"]
    return [
        "make", "-C", str(ROOT), *(word for name in ready for word in ("-o", name)), "batch", f"PROFILE={profile}",
        f"VENV={sys.prefix}", f"BATCH_VENV={BATCH_VENV}", f"CORES={cores}", f"BATCH_ARGS={target}",
    ]  # fmt: skip


def timed(lines: Iterable[Sequence[str]], data: Path, core: int) -> Took:
    """Run commands one after the other on one core; what they say goes to a file beside `data`."""
    data.mkdir(exist_ok=True)
    environment = os.environ | {"CHROMOLIB_DATA": str(data), "OMP_NUM_THREADS": "1"}
    began, cpu, said = time.perf_counter(), 0.0, data.with_suffix(".log")
    with said.open("a") as log:
        for line in lines:
            process = subprocess.Popen(["taskset", "--cpu-list", str(core), *line], env=environment, stdout=log, stderr=log)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)  # Popen has not seen its end
            if process.returncode:
                raise InputError(f"{' '.join(line)} failed with status {process.returncode}: {said.read_text().splitlines()[-1]}")
            cpu += used.ru_utime + used.ru_stime
    return Took(time.perf_counter() - began, cpu)


def measured(profile: str, data: Path) -> pd.DataFrame:
    """what, steps, seconds, cpu_s and how much more each is than the loop's, in percent."""
    plain, engine = [[str(BIN / "chromolib"), *words] for words in commands(profile)], [make_batch(profile)]
    cores = sorted(os.sched_getaffinity(0))
    with ThreadPoolExecutor(2) as pool:
        sides = [pool.submit(timed, lines, data / name, core) for lines, name, core in ((plain, "loop", cores[0]), (engine, "batch", cores[-1]))]
        loop, batch = (side.result() for side in sides)
    again = timed(engine, data / "batch", cores[-1])
    rows = {"plain loop": (len(plain), loop), "Snakemake": (len(plain), batch), "Snakemake, nothing to do": (0, again)}
    return pd.DataFrame([
        {"what": what, "steps": n, "seconds": took.wall, "cpu_s": took.cpu,
         "more_%": 100 * (took.wall / loop.wall - 1) if took is batch else None, "more_cpu_%": 100 * (took.cpu / loop.cpu - 1) if took is batch else None}
        for what, (n, took) in rows.items()
    ])  # fmt: skip


def main(given: list[str] | None = None) -> None:
    parser = report.parser("engine.py", __doc__)
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--notebooks", nargs="+", help="what these need alone; all of the profile's where not given")
    options = report.options_of(parser, given)
    if not (BATCH_VENV / "bin" / "snakemake").exists():
        raise InputError(f"{BATCH_VENV}: found no Snakemake there, expected its environment; run `make batch-tools`")
    record = load_profile(options.profile)
    with tempfile.TemporaryDirectory() as folder:
        chosen = with_notebooks(options.profile, options.notebooks, Path(folder)) if options.notebooks else options.profile
        table = measured(chosen, Path(folder))
    notes = (
        f"Profile {record.name}, {', '.join(options.notebooks or ['all notebooks'])}: every step of the pages, which with so few genes are mostly the start of Python. Both begin with nothing, do one "
        "step at a time with one thread, and run at the same time, each on a core of its own. cpu_s: seconds of a processor; more_%: than the loop."
    )
    report.finish("engine", table, options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("engine.py"):
        main()
