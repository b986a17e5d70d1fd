"""Files and folders that are whole or not there, and locks that keep two processes from the same work.

In: what to write. Out: the file or folder under its final name, once everything is in it.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from .config import InputError


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary name beside `path`, then rename it; where it fails, nothing is left behind.

    Raises
    ------
    OSError or InputError
        The folder cannot be written to or is full; libraries that have errors of their own for that are translated.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = _temporary(path)
    try:
        write(temporary)
        temporary.replace(path)
    except (RuntimeError, SafetensorError) as error:  # pyBigWig's and safetensors' ways to say so
        raise InputError(f"{path}: could not be written ({' '.join(str(error).split())}); check rights and room") from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Folder to write into; it takes the place of `target` when the block ends well, and is gone when it does not."""
    with scratch(target) as temporary:
        folder, old = temporary / "new", temporary / "old"
        folder.mkdir()
        yield folder
        if target.exists():
            os.replace(target, old)
        os.replace(folder, target)


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Folder beside `target` for what is made on the way to it; it goes with the block, or with the next one after a kill."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    temporary = _temporary(target)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    """Name beside `path` that says whose it is; the ending stays, since some writers go by it."""
    return path.with_name(f".{socket.gethostname()}-{os.getpid()}.{path.name}")


def _sweep(path: Path) -> None:
    """Remove what processes of this machine that were killed have left of `path`."""
    for left in path.parent.glob(f".{glob.escape(socket.gethostname())}-*.{glob.escape(path.name)}"):
        pid = left.name.removesuffix(f".{path.name}").rpartition("-")[2]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def hold(path: Path, *, wait: bool = True, tell: Callable[[str], Any] | None = None) -> Iterator[str | None]:
    """Hold a lock against all other processes while the block runs.

    The kernel keeps it (flock), so that the lock of a process that died is free. The file says who holds it, and stays: were
    it deleted, two processes could hold two files of one name.

    Parameters
    ----------
    wait : bool
        Whether to wait for one who holds it; `tell` is called with the owner first.

    Yields
    ------
    None where the lock is held now; else (only without waiting) its owner, e.g. "process 4711 on node3".

    Raises
    ------
    InputError
        The file system knows no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        owner = _lock(file, path, wait, tell)
        if owner is None:
            os.ftruncate(file, 0)
            os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield owner
    finally:
        os.close(file)


def _lock(file: int, path: Path, wait: bool, tell: Callable[[str], Any] | None) -> str | None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        owner = os.pread(file, 200, 0).decode(errors="replace") or "another process"
    except OSError as error:
        raise InputError(
            f"{path}: found a file system without locks ({error.strerror}), expected flock; mount it with locks, or move "
            "CHROMOLIB_DATA to one that has them"
        ) from None
    if wait:
        if tell:
            tell(owner)
        fcntl.flock(file, fcntl.LOCK_EX)
    return None if wait else owner


def is_full(error: BaseException) -> bool:
    """Whether a write failed for want of room, also where a library says so only in words."""
    numbers = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return getattr(error, "errno", None) in numbers or any(f"os error {number})" in str(error) for number in numbers)
