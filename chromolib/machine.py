"""The machine that a training runs on: its memory in MB, its versions of what counts, and its GPUs, which processes share out.

In: a device. Out: one record for the run's folder, words for a page; or a GPU that is free.
"""

from __future__ import annotations

import ctypes
import datetime
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import __version__
from .config import ROOT
from .depth import n_cores
from .files import hold

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def record(device: str) -> dict[str, Any]:
    """Device, peak memory since `reset_peak` (MB; of the GPU where there is one, else of the process), versions, threads, UTC."""
    is_cuda = torch.device(device).type == "cuda"
    return {
        "device": f"{device} {torch.cuda.get_device_name(device)}" if is_cuda else device,
        "peak_memory_mb": round(peak_mb(device), 1),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "chromolib": __version__,
        "commit": commit(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def keep_freed_memory() -> None:
    """Have this process keep, until it ends, up to 256 MB that it frees in blocks of up to 32 MB, where its C library is glibc.

    Each training step frees what it took. By default glibc hands that back, and the next step has it mapped again page by page.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, n_bytes in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 256 << 20)):
            mallopt(option, n_bytes)


def reset_peak(device: str) -> bool:
    """Count peak memory from now on; whether the system lets us."""
    if torch.device(device).type == "cuda":
        torch.cuda.init()  # does nothing the second time; the next line needs it
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak of the resident set is that of now
    except OSError:
        return False
    return True


def peak_mb(device: str) -> float:
    """Most memory in use since `reset_peak`; where the system does not tell, since the process began."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    except (OSError, StopIteration):
        unit = 1 if platform.system() == "Darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use: numbers on this machine, or what else CUDA_VISIBLE_DEVICES calls them."""
    n_gpus, listed = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    names = map(str, range(n_gpus)) if listed is None else (name.strip() for name in listed.split(","))
    return list(names)[:n_gpus]  # CUDA ends the list at the first that is none


@contextmanager
def free_gpu(
    gpus: Sequence[str], share: int = 1, *, folder: Path | None = None, tell: Callable[[str], object] = print
) -> Iterator[int]:
    """Hold one of these GPUs against other processes of this user on this machine that ask so too; wait until one is free.

    The kernel keeps the lock, so that the GPU of a process that died is free. One that nobody holds is taken before one that is
    shared. Whoever asks with `share` 1 may find another who shares; ask alike for all.

    Parameters
    ----------
    gpus : sequence of str
        As `visible_gpus` names them.
    share : int
        Processes at a time on a GPU.
    folder : Path, optional
        Of the locks. By default one for this user among the temporary files.

    Yields
    ------
    int
        The position of the GPU in `gpus`: for torch it is cuda:<position>.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"chromolib-gpus-{os.getuid()}"
    has_told = False
    while True:
        for slot, (position, gpu) in product(range(share), enumerate(gpus)):
            with hold(folder / f"{gpu.replace('/', '-')}.{slot}", wait=False) as owner:
                if owner is None:
                    yield position
                    return
        if not has_told:
            tell(f"waiting for one of {len(gpus)} GPUs, {share} at a time on each; {owner} has the last")
            has_told = True
        time.sleep(1)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, a GPU or torch's allocator on the CPU had no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


@cache
def hardware() -> str:
    """`host`, and GPUs, in words."""
    return ", ".join([host(), *_gpus()])


def host() -> str:
    """Processor, cores that this process may use, and memory, in words."""
    cores = n_cores()
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{_processor()}, {cores} core{'s' if cores != 1 else ''}, {memory_gb:.0f} GB"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    """Names of the GPUs. Asked of the driver: torch would take some of their memory to tell."""
    if not torch.cuda.device_count():
        return []
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split("\n")[:-1]
    except (OSError, subprocess.SubprocessError):
        return [f"{torch.cuda.device_count()} GPUs"]


@cache
def commit() -> str:
    """Commit of the checkout that this package lies in, with "-dirty" where files were changed; "" where it is none."""
    if not (ROOT / ".git").exists():
        return ""
    command = ["git", "--no-optional-locks", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
