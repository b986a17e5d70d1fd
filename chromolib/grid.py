"""A grid of runs: what is missing is trained, one after the other or several at a time, and all of it is read.

In: Run records. Out: their tables; on the way a bar, or a line per run. Two processes on one grid share its work.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from multiprocessing.connection import wait as first_of

import torch
from tqdm.auto import tqdm

from .checkpoints import Network, load_weights
from .config import InputError
from .dataset import resolve_device
from .jobs import Job, Shelf, is_current, plan
from .runs import Results, Run, read
from .train import Dataset, check_precision, headline, shows_bar
from .workers import Outcome, Worker, attempt

_FAILED = ("failed", "memory", "full", "skipped")
Outcomes = dict[Run, Outcome]


def ensure(runs: Iterable[Run], *, devices: str | Sequence[str] = "auto", per_device: int = 1) -> Results:
    """Train the runs that are missing, interrupted or made from other features, and read them all.

    What a run starts from (`Run.source`) is trained before it where that is missing; it is not in the tables unless asked for.
    A run that fails is told on stderr and in `failures`, and the others are trained; after a full disk no further run is begun.
    Whatever is stopped goes on where it was when called again. Results of a run do not depend on the others, nor on
    interruptions, but they do, in the last digits, on the kind of device and its number of threads.

    Parameters
    ----------
    devices : str or sequence of str
        Where to train: "auto", all GPUs, else what `resolve_device("auto")` gives; "cuda", all GPUs; another device, or several,
        e.g. ["cuda:0", "cuda:1"].
    per_device : int
        Runs at a time on each device. With more than one run at a time each has a process and its share of the threads, and
        one that runs out of memory is tried once more alone.

    Raises
    ------
    InputError
        A profile, cell type, fold, mark, window or device that does not exist; nothing is trained then. No run succeeded.
    """
    runs = list(dict.fromkeys(runs))
    if not runs:
        raise InputError("ensure: no runs, expected at least one")
    if per_device < 1:
        raise InputError(f"ensure: per_device={per_device}, expected 1 or more")
    places = [device for device in _devices(devices, runs) for _ in range(per_device)]
    todo = [job for job in plan(runs) if not is_current(job)]
    todo = _by_cell_type(_with_sources(todo))
    outcomes = _train(todo, places) if todo else {}
    failed = {run: outcomes[run].why for run in runs if run in outcomes and outcomes[run].how in _FAILED}
    _tell_failures(outcomes)
    if len(failed) == len(runs):
        raise InputError(f"ensure: none of {len(runs)} runs could be trained; {next(iter(failed.values()))}")
    return read(runs, failed)


def load_run(run: Run) -> tuple[Network, Dataset]:
    """The network of a run, trained first where it is missing, and the genes that were held out from it."""
    ensure([run])
    (job,) = plan([run])
    return load_weights(run.folder), Shelf().split(job)[1]


def _devices(devices: str | Sequence[str], runs: list[Run]) -> list[str]:
    n_gpus = torch.cuda.device_count()
    if isinstance(devices, str):
        every = [f"cuda:{i}" for i in range(n_gpus)] if devices in ("auto", "cuda") else []
        devices = every or [devices]
    if not devices:
        raise InputError(f"ensure: devices={devices!r}, expected at least one, e.g. ['cuda:0']")
    gpus = {f"cuda:{i}" for i in range(n_gpus)}  # those are not touched here: it would cost their memory
    devices = [device if device in gpus else str(resolve_device(device)) for device in devices]
    for run in runs:
        check_precision(run.precision, devices, run.id)
    return devices


def _with_sources(jobs: list[Job]) -> list[Job]:
    """These and the runs that they start from, as far as those are missing; a source has none itself."""
    sources = plan(job.run.source for job in jobs if job.run.source)
    there = {job.run for job in jobs}
    return [*(job for job in sources if job.run not in there and not is_current(job)), *jobs]


def _by_cell_type(jobs: list[Job]) -> list[Job]:
    """Runs on the same data next to each other, so that each cell type is loaded once."""
    first = {}
    for i, job in enumerate(jobs):
        first.setdefault((job.run.profile, job.run.cell_types), i)
    return sorted(jobs, key=lambda job: first[job.run.profile, job.run.cell_types])


# Who trains what


def _train(jobs: list[Job], places: list[str]) -> Outcomes:
    """Train on each of these places at a time: device names, as often as it takes runs at a time. Sources come first."""
    outcomes: Outcomes = {}
    with closing(Progress(jobs)) as progress:
        for part in ([job for job in jobs if not job.run.source], [job for job in jobs if job.run.source]):
            if any(outcome.how == "full" for outcome in outcomes.values()):
                return outcomes | _not_begun(part)
            lost = _without_source(part, outcomes)
            for job in part:
                if job.run in lost:
                    progress.end(job, lost[job.run])
            outcomes |= lost | _train_part([job for job in part if job.run not in lost], places, progress)
    return outcomes


def _without_source(jobs: list[Job], outcomes: Outcomes) -> Outcomes:
    """Those of the runs whose source could not be trained."""
    failed = {run: outcome.why for run, outcome in outcomes.items() if outcome.how in _FAILED}
    return {job.run: Outcome("failed", f"{job.run.id}: not begun, since what it starts from failed: {failed[job.run.source]}")
            for job in jobs if job.run.source in failed}  # fmt: skip


def _train_part(jobs: list[Job], places: list[str], progress: Progress) -> Outcomes:
    """Train runs of which none starts from another of them."""
    places = places[: len(jobs)]
    if len(places) < 2:
        return _train_here(jobs, places[0], progress) if jobs else {}
    outcomes = _train_in_workers(jobs, places, progress)
    again = [job for job in jobs if outcomes[job.run].how == "memory"]
    if again and not any(outcome.how == "full" for outcome in outcomes.values()):
        progress.say(f"{len(again)} of {len(jobs)} runs were out of memory beside others; each is tried alone")
        progress.again(again)
        outcomes |= _train_in_workers(again, places[:1], progress)
    return outcomes


def _train_here(jobs: list[Job], device: str, progress: Progress) -> Outcomes:
    """One after the other in this process; those that another process trains come last."""
    shelf, outcomes = Shelf(), {}
    queue = deque((job, False) for job in jobs)
    while queue:
        job, wait = queue.popleft()
        progress.begin(job)
        tell = partial(progress.waits, job)
        outcome = attempt(job, shelf, device, partial(progress.epoch, job), wait=wait, tell=tell)
        if outcome.how == "busy":
            queue.append((job, True))
            continue
        outcomes[job.run] = outcome
        progress.end(job, outcome)
        if outcome.how == "full":
            outcomes |= _not_begun(job for job, _ in queue)
            break
    return outcomes


def _train_in_workers(jobs: list[Job], places: list[str], progress: Progress) -> Outcomes:
    """Give each worker a run as soon as it is free; all of them end with this function."""
    threads = max(1, torch.get_num_threads() // len(places))
    idle = [Worker(device, threads) for device in places]
    working: dict[Worker, Job] = {}
    queue, outcomes = deque((job, False) for job in jobs), {}
    try:
        while queue or working:
            while queue and idle:
                job, wait = queue.popleft()
                worker = idle.pop()
                worker = worker if worker.is_alive else worker.successor()
                progress.begin(job)
                worker.give(job, wait)
                working[worker] = job
            for worker in _with_news(working):
                job = working[worker]
                event, value = worker.receive(job)
                if event == "epoch":
                    progress.epoch(job, value)
                elif event == "waits":
                    progress.waits(job, value)
                else:
                    idle.append(worker)
                    del working[worker]
                    if value.how in ("failed", "memory"):
                        worker.stop()  # a GPU may refuse all after its first error; the next run gets a fresh process
                    if value.how == "busy":
                        queue.append((job, True))
                        continue
                    outcomes[job.run] = value
                    progress.end(job, value)
                    if value.how == "full":
                        outcomes |= _not_begun(job for job, _ in queue)
                        queue.clear()
    finally:
        for worker in (*idle, *working):
            worker.stop()
    return outcomes


def _with_news(working: dict[Worker, Job]) -> list[Worker]:
    ready = first_of([worker.connection for worker in working])
    return [worker for worker in working if worker.connection in ready]


def _not_begun(jobs: Iterable[Job]) -> Outcomes:
    return {job.run: Outcome("skipped", f"{job.run.id}: not begun, since the disk is full; make room, and start again") for job in jobs}


def _tell_failures(outcomes: Outcomes) -> None:
    for outcome in outcomes.values():
        if outcome.how in _FAILED and outcome.how != "skipped":
            print(f"chromolib: {outcome.why}", file=sys.stderr)
    if n_skipped := sum(outcome.how == "skipped" for outcome in outcomes.values()):
        print(f"chromolib: {n_skipped} further runs were not begun, since the disk is full", file=sys.stderr)


# What is seen meanwhile


class Progress:
    """One bar over the epochs of all runs to train; where output is kept, a line for each run that ends."""

    def __init__(self, jobs: list[Job]) -> None:
        self.epochs = {job.run: job.settings["training"]["epochs"] for job in jobs}  # still to train, as far as is known
        self.started: dict[Run, float] = {}
        self.began, self.n_trained, self.n_ended = time.monotonic(), 0, 0
        self.is_bar = shows_bar()
        self.bar = tqdm(total=sum(self.epochs.values()), desc=f"{len(jobs)} runs", unit="epoch", disable=not self.is_bar)

    def begin(self, job: Job) -> None:
        self.started[job.run] = time.monotonic()

    def epoch(self, job: Job, row: dict) -> None:
        self.n_trained += 1
        self._left(job, job.settings["training"]["epochs"] - row["epoch"])
        self.bar.set_postfix_str(f"{job.run.id}: held-out {headline(row)}")

    def waits(self, job: Job, owner: str) -> None:
        self.say(f"{job.run.id}: {owner} trains it; waiting for that")

    def end(self, job: Job, outcome: Outcome) -> None:
        self.n_ended += 1
        self._left(job, 0)
        if outcome.how == "trained":
            scores = json.loads((job.run.folder / "metrics.json").read_text())
            text = f"held-out {headline(scores)}, {in_words(time.monotonic() - self.started[job.run])}"
        else:
            text = "trained by another process" if outcome.how == "found" else f"failed: {outcome.why}"
        if not self.is_bar or outcome.why:
            self.say(f"[{self.n_ended}/{len(self.epochs)}] {job.run.id}: {text}{'' if outcome.how == 'full' else self._left_in_words()}")

    def again(self, jobs: list[Job]) -> None:
        """These runs ended for nothing and begin once more."""
        self.n_ended -= len(jobs)
        for job in jobs:
            self._left(job, job.settings["training"]["epochs"])

    def close(self) -> None:
        self.bar.close()

    def say(self, text: str) -> None:
        if self.is_bar:
            self.bar.write(text, file=sys.stderr)
        else:
            print(text, flush=True)

    def _left(self, job: Job, n_epochs: int) -> None:
        self.bar.update(self.epochs[job.run] - n_epochs)
        self.epochs[job.run] = n_epochs

    def _left_in_words(self) -> str:
        left = sum(self.epochs.values())
        if not left or not self.n_trained:
            return ""
        return f"; about {in_words(left * (time.monotonic() - self.began) / self.n_trained)} left"


def in_words(seconds: float) -> str:
    """A duration to about two digits: 12 s, 4 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
