"""What all readers share: files opened whatever their compression, errors of one line, tables that count what they drop.

In: paths. Out: lines and tables; `attrs` of a table hold "kept" (rows) and "dropped" ({reason: rows}).
"""

from __future__ import annotations

import bz2
import gzip
import os
import re
import tarfile
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from ..config import InputError

TEXT, NUMBER = pa.dictionary(pa.int32(), pa.string()), pa.float64()  # types of columns
_MAX_HEADER = 1 << 20  # bytes
_ROW_ERROR = re.compile(r"(?:In CSV column #(\d+): )?.*?Row #(\d+): (.*)", re.DOTALL)  # as Arrow words it


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
    except (OSError, EOFError, zlib.error, ValueError, OverflowError, tarfile.TarError, zipfile.BadZipFile) as error:
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


def first_bytes(path: Path, n: int = 16) -> bytes:
    """The first bytes of a file, unpacked where it is gzip."""
    with reading(path, "an input file"), gzip.open(path) if compression(path) == "gzip" else open(path, "rb") as file:
        return file.read(n)


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


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, plain or packed by gzip, bzip2 or zip (one file inside); its first bytes say which."""
    with open(path, "rb") as file, unpack(file) as content:
        yield content


@contextmanager
def unpack(file: BinaryIO) -> Iterator[BinaryIO]:
    """As `unpacked`, of an open file."""
    start = file.read(4)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        with gzip.open(file) as content:
            yield content
    elif start[:3] == b"BZh":
        with bz2.open(file) as content:
            yield content
    elif start == b"PK\x03\x04":
        with zipfile.ZipFile(file) as archive, _only_member(archive) as content:
            yield content
    else:
        yield file


def _only_member(archive: zipfile.ZipFile) -> BinaryIO:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")  # macOS puts icons there
    ]
    if len(members) != 1:
        raise ValueError(f"holds {len(members)} files, not one")
    try:
        return archive.open(members[0])
    except RuntimeError as error:  # it is encrypted, or packed in a way that Python does not know
        raise ValueError(str(error)) from None


def read_header(path: Path) -> list[str]:
    """Cells of the first line of a TAB-separated file."""
    with unpacked(path) as file:
        line = file.readline(_MAX_HEADER)
    cells = line.decode("utf-8-sig").rstrip("\r\n").split("\t")
    if cells == [""]:
        raise ValueError("its first line is empty")
    return cells


def position_of(path: Path, header: Sequence[str], name: str) -> int:
    """Position of a column, counted from 0; an InputError where the header has none or several of that name."""
    if header.count(name) != 1:
        raise InputError(
            f"{path}: {header.count(name) or 'no'} columns {name!r}, expected one; found {', '.join(header)[:300]}; "
            "correct the name in the header or fetch the file again"
        )
    return header.index(name)


def read_columns(path: Path, header: Sequence[str], columns: Mapping[str, tuple[int, pa.DataType]]) -> pd.DataFrame:
    """Read some columns below the header of a TAB-separated file, block by block, of any size.

    Parameters
    ----------
    header : sequence of str
        As `read_header` gives it: every line has as many fields.
    columns : dict of (int, TEXT or NUMBER)
        Name that each column shall have: its position, counted from 0, and its type.

    Returns
    -------
    DataFrame
        TEXT as a categorical, NUMBER as float64, NaN where the file says NA. Row i is line i + 2 of the file.

    Raises
    ------
    ValueError
        With the number of the line and what it holds.
    """
    names = list(map(str, range(len(header))))
    taken = {names[position]: type_ for position, type_ in columns.values()}
    with unpacked(path) as file:
        try:
            with pa.csv.open_csv(
                file,
                # One thread: only then does Arrow know the number of a line.
                read_options=pa.csv.ReadOptions(
                    use_threads=False, block_size=8 << 20, skip_rows=1, column_names=names
                ),
                parse_options=pa.csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
                convert_options=pa.csv.ConvertOptions(
                    column_types=taken, include_columns=list(taken), null_values=["NA"], strings_can_be_null=False
                ),
            ) as reader:
                table = reader.read_all()
        except pa.ArrowInvalid as error:
            raise ValueError(_plain_words(str(error), header)) from None
    table = table.unify_dictionaries().rename_columns(list(columns))
    return table.to_pandas(self_destruct=True)


def _plain_words(error: str, header: Sequence[str]) -> str:
    match = _ROW_ERROR.match(error)
    if match is None:
        return error
    column, line, what = match.groups()
    what = re.sub(r"^CSV conversion error to double: invalid value (.*)$", r"\1 is not a number", what)
    what = re.sub(r"^CSV conversion error to string: ", "", what)
    what = re.sub(r"^Expected (\d+) columns, got (\d+).*$", r"\2 fields, not \1", what, flags=re.DOTALL)
    return f"line {int(line):,}: " + (f"column {header[int(column)]}: " if column else "") + what


def other_than(path: Path, found: pd.Series, wanted: str | None, what: str) -> np.ndarray:
    """True for the rows of others than `wanted`, (row,); an InputError where it is absent, or not named among several."""
    names = sorted(map(str, found.unique()))
    if (wanted is None and len(names) > 1) or (wanted is not None and wanted not in names):
        asked = f"no {what} {wanted!r}" if wanted is not None else f"several {what}s and none asked for"
        raise InputError(f"{path}: {asked}, found {', '.join(names)[:300] or 'no rows'}; ask for one of them")
    return np.zeros(len(found), bool) if wanted is None else (found != wanted).to_numpy(bool)


@contextmanager
def numpy_errors() -> Iterator[None]:
    """What NumPy says of a damaged .npy or .npz, in errors of many kinds, is a ValueError."""
    try:
        yield
    except (SyntaxError, tokenize.TokenError, MemoryError, OverflowError, RuntimeError) as error:  # of headers, sizes, encryption
        raise ValueError(f"is damaged ({type(error).__name__})") from None


def read_csv(source: Path | BinaryIO, **options: Any) -> pd.DataFrame:
    """pandas.read_csv that raises a ValueError where pandas warns of fields it leaves out, or cannot cast a number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return pd.read_csv(source, **options)
    except (TypeError, OverflowError, Warning) as error:
        raise ValueError(str(error)) from None


def checked(table: pd.DataFrame, dropped: dict[str, int]) -> pd.DataFrame:
    """The table with rows numbered anew and `attrs` that hold its rows as "kept", and "dropped" without zeros."""
    table = table.reset_index(drop=True)
    table.attrs = {"kept": len(table), "dropped": {reason: int(count) for reason, count in dropped.items() if count}}
    return table
