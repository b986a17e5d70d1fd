"""What all readers share: files opened whatever their compression, errors of one line, tables that count what they drop.

In: paths. Out: lines and tables; `attrs` of a table hold "kept" (rows) and "dropped" ({reason: rows}).
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ..config import InputError


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn whatever goes wrong while `path` is read into an InputError of one line."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file, expected {expected}; fetch it or correct the profile's inputs"
        ) from None
    except (OSError, EOFError, zlib.error, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: {reason}; expected {expected}; fetch the file again") from None


def stat(path: Path) -> os.stat_result:
    """Size and time stamp of an input file; an InputError where it is missing."""
    with reading(path, "an input file"):
        return path.stat()


def fingerprint(paths: Sequence[Path]) -> list[list]:
    """Name, size and time stamp of input files, by which a later call sees whether they are still the same."""
    return [[path.name, found.st_size, found.st_mtime_ns] for path, found in ((path, stat(path)) for path in paths)]


def compression(path: Path) -> str | None:
    """ "gzip" by the file's first bytes, since some providers leave the ending out; else by its ending."""
    with open(path, "rb") as file:
        return "gzip" if file.read(2) == b"\x1f\x8b" else "infer"


def open_bytes(path: Path) -> pa.NativeFile:
    """Bytes of a file, unpacked where it is gzip, also of several members as bgzip writes them."""
    file = pa.OSFile(str(path))
    return pa.CompressedInputStream(file, "gzip") if compression(path) == "gzip" else file


def blocks_of_lines(path: Path, n_bytes: int) -> Iterator[bytes]:
    """Whole lines of a file, about `n_bytes` at a time."""
    with open_bytes(path) as file:
        rest = b""
        while data := file.read(n_bytes):
            cut = data.rfind(b"\n") + 1
            if cut:
                yield rest + data[:cut]
                rest = data[cut:]
            else:
                rest += data
        if rest:
            yield rest


def read_lines(path: Path) -> list[str]:
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8").splitlines()


def checked(table: pd.DataFrame, dropped: dict[str, int]) -> pd.DataFrame:
    """The table with rows numbered anew and `attrs` that hold its rows as "kept", and "dropped" without zeros."""
    table = table.reset_index(drop=True)
    table.attrs = {"kept": len(table), "dropped": {reason: int(count) for reason, count in dropped.items() if count}}
    return table
