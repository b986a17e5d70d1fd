"""What all readers share: files opened whatever their compression, errors of one line, tables that count what they drop.

In: paths. Out: lines and tables; `attrs` of a table hold "kept" (rows) and "dropped" ({reason: rows}).
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import os
import re
import tarfile
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from ..config import InputError
from ..genome import Genome

TEXT, NUMBER = pa.dictionary(pa.int32(), pa.string()), pa.float64()  # types of columns
_MAX_HEADER = 1 << 20  # bytes
_ROW_ERROR = re.compile(r"(?:In CSV column #(\d+): )?.*?Row #(\d+): (.*)", re.DOTALL)  # as Arrow words it


@contextmanager
def reading(path: Path, expected: str, *, way_out: str = "fetch the file again") -> Iterator[None]:
    """Turn whatever goes wrong while `path` is read into an InputError of one line."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file, expected {expected}; fetch it or correct the profile's inputs"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: {_not_text(path)}; expected {expected}; save it as UTF-8, or {way_out}") from None
    except (
        OSError, EOFError, zlib.error, ValueError, OverflowError, tarfile.TarError, zipfile.BadZipFile,
        NotImplementedError,  # pysam's, of BAM in plain gzip
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: {reason}; expected {expected}; {way_out}") from None


def _not_text(path: Path) -> str:
    """Which line of a file, plain or packed, is no text."""
    try:
        with unpacked(path) as file:
            for number, line in enumerate(file, start=1):
                if not _is_text(line):
                    return f"line {number:,} is not text in UTF-8"
    except (OSError, EOFError, zlib.error, ValueError):  # what holds it is damaged too, or is an archive
        pass
    return "holds a table that is not text in UTF-8"


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def stat(path: Path) -> os.stat_result:
    """Size and time stamp of an input file; an InputError where it is missing."""
    with reading(path, "an input file"):
        return path.stat()


def fingerprint(paths: Sequence[Path]) -> list[list]:
    """Place, size and time stamp of input files, by which a later call sees whether they are still the same."""
    found = [(path.resolve(), stat(path)) for path in paths]
    return [[str(path), state.st_ino, state.st_size, state.st_mtime_ns] for path, state in found]


def compression(path: Path) -> str | None:
    """ "gzip" by the file's first bytes, since some providers leave the ending out; else by its ending."""
    with open(path, "rb") as file:
        return "gzip" if file.read(2) == b"\x1f\x8b" else "infer"


def first_bytes(path: Path) -> bytes:
    """The first bytes of a file, enough to know its format by, unpacked where it is gzip."""
    with reading(path, "an input file"), open_bytes(path) as file:
        return file.read(16)


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


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line that is not blank; of a file plain or packed, whatever ends its lines."""
    with unpacked(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig") as text:
        for number, line in enumerate(text, start=1):
            if not line.isspace():
                yield number, line.rstrip("\n")


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


def read_table(
    path: Path,
    types: Mapping[str, type],
    *,
    sep: str = "\t",
    has_header: bool = False,
    positions: Sequence[int] | None = None,
    skip: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Columns of a text table, by name where it has a header, else by position.

    Parameters
    ----------
    types : dict of str, int or float
        Type of each column. Text stays text, "NA" too; numbers have to be there and to be numbers.
    positions : sequence of int, optional
        Of the columns in a file without a header, counted from 0; further fields are left out. None: the file has
        exactly these columns.
    skip : tuple of str
        Beginnings of lines that are no rows.

    Returns
    -------
    DataFrame
        The columns of `types`; the index is the line of the file, from 1. Where there are a start and an end,
        0 <= start < end.

    Raises
    ------
    ValueError
        With the line, what it holds and what it should hold.
    """
    lines = ((number, line) for number, line in numbered_lines(path) if not line.startswith(skip))
    return parse_table(lines, types, sep=sep, has_header=has_header, positions=positions)


def parse_table(
    lines: Iterator[tuple[int, str]],
    types: Mapping[str, type],
    *,
    sep: str = "\t",
    has_header: bool = False,
    positions: Sequence[int] | None = None,
) -> pd.DataFrame:
    """As `read_table`, from numbered lines."""
    at, n_fields = list(positions or range(len(types))), len(types)
    is_open = positions is not None
    if has_header:
        number, first = next(lines, (1, ""))
        header = split_fields(first.rstrip(), sep, number)
        if missing := [name for name in types if header.count(name) != 1]:
            n_found = "no column" if missing[0] not in header else "two columns"
            raise ValueError(f"{n_found} {missing[0]!r}, found {', '.join(header)[:100] or 'nothing'}")
        at, n_fields = [header.index(name) for name in types], len(header)
    elif is_open:
        n_fields = max(at) + 1
    numbers, rows = [], []
    for number, line in lines:
        fields = line.split(sep) if sep == "\t" else split_fields(line, sep, number)
        while len(fields) > n_fields and not fields[-1].strip():  # blanks at the end of a line
            fields.pop()
        if len(fields) < n_fields or (len(fields) > n_fields and not is_open):
            expected = f"{n_fields} or more" if is_open else n_fields
            raise ValueError(f"line {number:,}, {fields[0][:40]}, has {len(fields)} fields, not {expected}")
        numbers.append(number)
        rows.append([fields[i] for i in at])
    if not rows:
        raise ValueError("holds no rows")
    table = pd.DataFrame(rows, columns=list(types), index=numbers, dtype="str")
    for name, kind in types.items():
        if kind is not str:
            table[name] = as_numbers(table[name], kind)
    if {"start", "end"} <= set(types):
        refuse_first(
            (table["start"] < 0) | (table["end"] <= table["start"]), table.iloc[:, 0], "is not 0 <= start < end"
        )
    return table


def split_fields(line: str, sep: str, number: int) -> list[str]:
    """Fields of a line, some of which may stand in quotes; a ValueError with its `number` where one is left open."""
    if '"' not in line:
        return line.split(sep)
    try:
        return next(csv.reader([line], delimiter=sep, strict=True))
    except csv.Error as error:
        raise ValueError(f"line {number:,}: {error}") from None


def as_numbers(texts: pd.Series, kind: type = float, *, blank: Collection[str] = ()) -> pd.Series:
    """Texts as int64 or float64; those in `blank` are NaN. A ValueError names the line of one that is no number."""
    values = pd.to_numeric(texts.astype(object), errors="coerce").astype(np.float64)
    is_wrong = values.isna() & ~texts.isin(list(blank))
    what = "a number"
    if kind is int:
        what = "a whole number"
        is_wrong |= (values % 1 != 0) | (values.abs() >= 2**53)  # as far as float64 counts
    if is_wrong.any():
        line = is_wrong.idxmax()
        raise ValueError(f"line {line:,}: {texts.name} is {texts[line][:40]!r}, not {what}")
    return values.astype(np.int64) if kind is int else values


def refuse_first(is_bad: pd.Series, names: pd.Series, what: str, *, unit: str = "line") -> None:
    """A ValueError about the first bad row; its index is its line of the file, or its `unit`."""
    if is_bad.any():
        row = is_bad.idxmax()
        raise ValueError(f"{unit} {row:,}, {str(names[row])[:60]}, {what}")


def chrom_sizes(path: Path, chroms: pd.Series, genome: Genome) -> pd.Series:
    """Size in bp of each row's chromosome, 0 where the genome lacks it; an InputError where it lacks them all."""
    sizes = chroms.map(genome.sizes).astype(np.float64).fillna(0).astype(np.int64)
    if len(chroms) and not sizes.any():
        found, expected = ", ".join(chroms.unique()[:3]), ", ".join(list(genome.sizes)[:3])
        raise InputError(
            f"{path}: none of {len(chroms):,} rows lies on {genome.name} (chromosomes found: {found}); expected "
            f"{expected} and the like; is the genome another build, or are chromosomes named otherwise?"
        )
    return sizes


def on_genome(
    path: Path, table: pd.DataFrame, genome: Genome, dropped: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """Rows (chrom, start, end, ...) that lie on a genome; one that crosses the end of its chromosome is cut there.

    Returns
    -------
    DataFrame
        As `checked` gives it: rows on other contigs or past the end are dropped and counted, beside those of `dropped`;
        attrs["clipped"] counts those cut.

    Raises
    ------
    InputError
        No row, or less than half of those on known chromosomes, lies on the genome.
    """
    size = chrom_sizes(path, table["chrom"], genome)
    is_known, is_inside = size > 0, table["start"] < size
    n_past = int((is_known & ~is_inside).sum())
    if 2 * n_past > is_known.sum():
        row = table[is_known & ~is_inside].iloc[0]
        raise InputError(
            f"{path}: {n_past:,} of {len(table):,} rows lie past the end of their chromosome, the first at "
            f"{row['chrom']}:{row['start']}-{row['end']}; expected {genome.name}; is the genome another build?"
        )
    kept = table[is_inside].assign(end=np.minimum(table["end"], size)[is_inside])
    found = checked(
        kept,
        {
            **(dropped or {}),
            f"contig not in {genome.name}": (~is_known).sum(),
            "past the end of its chromosome": n_past,
        },
    )
    found.attrs["clipped"] = int((table["end"] > size)[is_inside].sum())
    return found
