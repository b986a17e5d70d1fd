"""What all readers share: files opened whatever their compression, errors of one line, tables that count what they drop.

In: paths. Out: lines and tables; `attrs` of a table hold "kept" (rows) and "dropped" ({reason: rows}).
"""

from __future__ import annotations

import csv
import gzip
import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome


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
    except (OSError, EOFError, zlib.error, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: {reason}; expected {expected}; {way_out}") from None


def stat(path: Path) -> os.stat_result:
    """Size and time stamp of an input file; an InputError where it is missing."""
    with reading(path, "an input file"):
        return path.stat()


def compression(path: Path) -> str | None:
    """ "gzip" by the file's first bytes, since some providers leave the ending out; else by its ending."""
    with open(path, "rb") as file:
        return "gzip" if file.read(2) == b"\x1f\x8b" else "infer"


def first_bytes(path: Path, n: int = 16) -> bytes:
    """The first bytes of a file, unpacked where it is gzip."""
    with reading(path, "an input file"), gzip.open(path) if compression(path) == "gzip" else open(path, "rb") as file:
        return file.read(n)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line that is not blank; of a file plain or gzip, whatever ends its lines."""
    open_text = gzip.open if compression(path) == "gzip" else open
    with open_text(path, "rt", encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.isspace():
                yield number, line.rstrip("\n")


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
