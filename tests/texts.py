"""Files of text for readers, and what a reader says that refuses one."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from chromolib.config import InputError


def write(path: Path, text: str, *, compress: bool = False) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if compress else text.encode())
    return path


def refused(message: str, read: Callable, *arguments, **options) -> str:
    """The error, which is one line that matches `message`."""
    with pytest.raises(InputError, match=message) as caught:
        read(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
