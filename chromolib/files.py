"""Files and folders that are whole or not there.

In: what to write. Out: the file or folder under its final name, once everything is in it.
"""

from __future__ import annotations

import os
import tempfile
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
    temporary = path.with_name(f".{os.getpid()}.{path.name}")  # the ending stays: some writers go by it
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
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
        folder, old = Path(temporary) / "new", Path(temporary) / "old"
        folder.mkdir()
        yield folder
        if target.exists():
            os.replace(target, old)
        os.replace(folder, target)
