"""GPUs are shared out by locks, one for each place on each device; shown with names of devices that are not there. Freed memory is
kept."""

import os
import platform
import resource
import socket
import subprocess
import sys
import textwrap
from contextlib import ExitStack

import pytest
import torch

from chromolib import machine

GPUS = ["0", "GPU-8f2a"]


def test_each_takes_a_gpu_that_nobody_holds_before_one_is_shared(tmp_path):
    with ExitStack() as holds:
        taken = [holds.enter_context(machine.free_gpu(GPUS, 2, folder=tmp_path)) for _ in range(4)]
    assert taken == [0, 1, 0, 1]


def test_one_that_is_given_back_is_taken_again(tmp_path):
    with machine.free_gpu(GPUS, folder=tmp_path) as first:
        with machine.free_gpu(GPUS, folder=tmp_path) as second:
            pass
        with machine.free_gpu(GPUS, folder=tmp_path) as third:
            pass
    assert (first, second, third) == (0, 1, 1)


def test_a_gpu_of_a_process_that_was_killed_is_free(tmp_path):
    held = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from chromolib import machine
        with machine.free_gpu(["0"], folder=Path({str(tmp_path)!r})):
            print("held", flush=True)
            time.sleep(600)
    """)
    child = subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    waits = []

    def tell(text):
        waits.append(text)
        child.kill()

    with machine.free_gpu(["0"], folder=tmp_path, tell=tell) as position:
        assert position == 0
    child.wait()
    assert waits == [f"waiting for one of 1 GPUs, 1 at a time on each; process {child.pid} on {socket.gethostname()} has the last"]


@pytest.mark.parametrize(
    ("listed", "n_gpus", "names"),
    [(None, 2, ["0", "1"]), ("3,1", 2, ["3", "1"]), ("GPU-8f2a, 0", 2, ["GPU-8f2a", "0"]), ("", 0, []), ("1,-1,2", 1, ["1"])],
)
def test_visible_gpus_are_those_of_cuda_visible_devices(monkeypatch, listed, n_gpus, names):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert machine.visible_gpus() == names


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
@pytest.mark.parametrize("keep", [False, True])
def test_freed_memory_is_kept_rather_than_mapped_anew_page_by_page(keep):
    """Twenty times the same twelve arrays of 4 MB: their pages are mapped once where freed memory is kept, else each time."""
    code = f"""
        import ctypes, resource, torch
        from chromolib import machine
        ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: pages of the usual size alone
        if {keep}:
            machine.keep_freed_memory()
        def step():
            return [torch.zeros(1 << 20).add_(1) for _ in range(12)]
        step()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            step()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, env=environment)
    pages = 12 * (4 << 20) // resource.getpagesize()
    assert (int(done.stdout) < pages) == keep
