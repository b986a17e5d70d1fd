"""Workers: processes that train runs, one at a time each, and end with the process that started them.

In: a job. Out: how it ended, and on the way a row for each epoch.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Literal, NamedTuple

import torch

from .config import InputError
from .files import hold, is_full
from .jobs import Job, Shelf, begin_part, is_current, is_whole, publish, train_run
from .machine import is_out_of_memory

# A fresh interpreter, since torch does not survive a fork. Unlike multiprocessing's it does not import the caller's script,
# which so needs no `if __name__ == "__main__":`.
_COMMAND = "from chromolib.workers import serve; serve()"
_PR_SET_PDEATHSIG = 1  # of prctl(2)


class Outcome(NamedTuple):
    """How a job ended: trained; found whole, since another process trained it; busy, as one does; skipped; or failed, and why."""

    how: Literal["trained", "found", "busy", "skipped", "failed", "memory", "full"]
    why: str = ""


def attempt(
    job: Job,
    shelf: Shelf,
    device: str,
    report: Callable[[dict], None],
    *,
    wait: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Train a run unless another process does; `wait` for that one instead of coming back busy, and `tell` who it is."""
    try:
        with hold(job.lock, wait=wait, tell=tell) as owner:
            if owner:
                return Outcome("busy", owner)
            if is_current(job):
                return Outcome("found")
            if is_whole(job):
                publish(job)
            else:
                begin_part(job)  # a folder that cannot be written to shows before the data are read
                train_run(job, shelf.split(job), device, report)
            return Outcome("trained")
    except Exception as error:  # noqa: BLE001  # of one run: the others go on
        outcome = _failure(job, device, error)
    if outcome.how == "memory":
        shelf.data.clear()
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
    return outcome


def _failure(job: Job, device: str, error: Exception) -> Outcome:
    name = job.run.id
    text = textwrap.shorten(str(error), 300, placeholder="...") or type(error).__name__
    if is_full(error):
        return Outcome("full", f"{name}: no room left on the disk ({text}); make some, or move CHROMOLIB_DATA, and start again")
    if is_out_of_memory(error):
        advice = "train fewer at a time (per_device), or take a narrower window_bp, a smaller batch_size or precision bfloat16"
        return Outcome("memory", f"{name}: out of memory on {device} ({text}); {advice}")
    if isinstance(error, InputError):
        return Outcome("failed", text if text.startswith(name) else f"{name}: {text}")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        advice = "check that the folder exists and can be written to, and start again"
        return Outcome("failed", f"{name}: {where}{error.strerror or text}; {advice}")
    traceback.print_exc()
    return Outcome("failed", f"{name}: {type(error).__name__}: {text}; looks like a fault of chromolib, see the traceback")


class Worker:
    """The parent's side of a process that trains what it is given."""

    def __init__(self, device: str, threads: int) -> None:
        self.device, self.threads = device, threads
        self.connection, theirs = Pipe()
        end = theirs.fileno()
        arguments = [str(value) for value in (end, os.getpid(), device, threads)]
        path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *arguments], pass_fds=[end], stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip
        theirs.close()

    def give(self, job: Job, wait: bool) -> None:
        try:
            self.connection.send((job, wait))
        except OSError:  # it has died: `receive` tells
            pass

    def receive(self, job: Job) -> tuple[str, Any]:
        """The next event: ("epoch", row), ("waits", owner) or ("end", outcome), also where the process has died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            status = self.process.wait()
        if status == -signal.SIGKILL:
            text = f"{job.run.id}: its process was killed, as the system does where memory runs out; train fewer at a time (per_device)"
            return "end", Outcome("memory", text)
        return "end", Outcome("failed", f"{job.run.id}: its process ended with status {status}; see what it wrote, and start again")

    def stop(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def successor(self) -> Worker:
        """A new process in the place of one that has died."""
        self.stop()
        return Worker(self.device, self.threads)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None


def serve() -> None:
    """The worker's side: train what comes through the pipe that the arguments name, until it is closed."""
    end, parent, device, threads = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    _end_with(int(parent))
    torch.set_num_threads(int(threads))
    connection, shelf = Connection(int(end)), Shelf()

    def send(*event: Any) -> None:
        try:
            connection.send(event)
        except OSError:
            os._exit(1)  # nobody listens any more
        if os.getppid() != int(parent):
            os._exit(1)

    while True:
        try:
            job, wait = connection.recv()
        except EOFError:
            return
        outcome = attempt(job, shelf, device, lambda row: send("epoch", row), wait=wait, tell=lambda owner: send("waits", owner))
        send("end", outcome)


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends; elsewhere the closed pipe does, later."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)
