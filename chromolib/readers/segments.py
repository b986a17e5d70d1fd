"""Stretches of the genome that others have marked: states, peaks, domains, compartments.

In: BED files and tables of bins. Out: one row per stretch; positions in bp, 0-based, end excluded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from ..config import InputError
from ..genome import Genome
from ..integrity import one_line
from .table import as_numbers, numbered_lines, on_genome, read_table, reading, refuse_first, split_fields

_PLACE = {"chrom": str, "start": int, "end": int}
_NO_ROWS = ("#", "track", "browser")  # beginnings of lines of BED files that are for browsers
# Headers of a table of bins, whatever their case.
_HEADS = {
    "chrom": r"#?\s*(chr|chrom|chromosome|seqnames?)",
    "start": r"(bin|region|chrom)?[ _.]?start([ _.]\(?bp\)?)?",
    "end": r"(bin|region|chrom)?[ _.]?(end|stop)([ _.]\(?bp\)?)?",
}
_BLANK = ("", "na", "nan", "n/a", "#n/a", ".")


def read_segments(path: Path, genome: Genome) -> pd.DataFrame:
    """Read a chromHMM segmentation: BED with a state in its fourth column, such as mnemonics (BED4) or dense (BED9).

    Returns
    -------
    DataFrame
        chrom, start, end and state: its name without the number, so "1_TssA" is TssA, as some files have it already.
        attrs as `table.on_genome` has them.

    Raises
    ------
    InputError
        The file is damaged, segments overlap, or they lie on another build.
    """
    with reading(path, "chromHMM: chrom, start, end, state without a header"):
        table = read_table(path, _PLACE | {"state": str}, positions=range(4), skip=_NO_ROWS)
        state = table["state"].str.strip().str.replace(r"^E?\d+_", "", regex=True)
        refuse_first(state == "", table["chrom"], "has a segment without a state")
        _refuse_overlaps(table, "segment")
    return on_genome(path, table.assign(state=state), genome)


def read_peaks(path: Path, genome: Genome) -> pd.DataFrame:
    """Read peaks as narrowPeak (BED6+4), in any order; intervals may stand twice with different summits.

    Returns
    -------
    DataFrame
        chrom, start, end, name, score, signal, minus_log10_p, minus_log10_q (NaN where the file has -1) and summit: its
        position, <NA> where the file has none. attrs as `table.on_genome` has them.
    """
    types = _PLACE | {"name": str, "score": float, "signal": float, "p": float, "q": float, "summit": int}
    with reading(path, "narrowPeak: 10 columns, chrom, start, end, name, score, strand, signal, p, q, summit"):
        table = read_table(path, types, positions=(0, 1, 2, 3, 4, 6, 7, 8, 9), skip=_NO_ROWS)
        has_summit = table["summit"] >= 0
        is_off = (table["summit"] < -1) | (table["summit"] >= table["end"] - table["start"])
        refuse_first(is_off, table["chrom"], "has a peak with its summit elsewhere")
    levels = {f"minus_log10_{name}": table[name].mask(table[name] == -1) for name in ("p", "q")}
    summit = (table["start"] + table["summit"]).astype("Int64").where(has_summit)
    return on_genome(path, table.drop(columns=["p", "q", "summit"]).assign(**levels, summit=summit), genome)


def read_tads(path: Path, genome: Genome) -> pd.DataFrame:
    """Read topologically associating domains: chrom, start, end; further columns are left out.

    They may leave gaps but do not overlap. attrs as `table.on_genome` has them; the last domain of a chromosome, whose
    grid may go further, is cut at its end.
    """
    with reading(path, "domains: chrom, start, end without a header"):
        table = read_table(path, _PLACE, positions=range(3), skip=_NO_ROWS)
        _refuse_overlaps(table, "domain")
    return on_genome(path, table, genome)


def _refuse_overlaps(table: pd.DataFrame, what: str) -> None:
    rows = table.sort_values(["chrom", "start"])
    overlaps = (rows["chrom"] == rows["chrom"].shift()) & (rows["start"] < rows["end"].shift())
    if overlaps.any():
        line = overlaps.idxmax()
        row = rows.loc[line]
        raise ValueError(f"line {line:,}, {row['chrom']}:{row['start']}-{row['end']}, overlaps the {what} before it")


def read_compartments(path: Path, genome: Genome, samples: Sequence[str] | None = None) -> pd.DataFrame:
    """Read PC1 of Hi-C in bins: a header somewhere near the top, a chromosome, a start, an end and a column per sample.

    Tables of journals have titles above the header, notes below and in further columns. TSV and CSV may be packed with
    gzip; an Excel file needs the package openpyxl, and its first sheet with such a header counts.

    Parameters
    ----------
    samples : sequence of str, optional
        Columns to read. None: all that hold numbers.

    Returns
    -------
    DataFrame
        chrom, start, end, and each sample: float64, NaN where the file has a blank or NA. attrs as `table.on_genome`
        has them, and "ignored": names of columns that are left out.

    Raises
    ------
    InputError
        No header is found, a sample is missing, bins overlap, or a cell among numbers holds something else.
    """
    expected = "PC1: a header with a chromosome, a start, an end and samples"
    with reading(path, expected):
        table = _below_header(_sheets(path, expected))
        is_note = (table[["start", "end"]].apply(lambda column: column.str.strip()) == "").all(axis=1)
        table = table[~is_note]
        numbers = {}
        names = [name for name in table if name not in _PLACE]
        if missing := [name for name in samples or () if name not in names]:
            raise ValueError(f"no sample {missing[0]!r}, found {', '.join(names)[:100]}")
        for name in samples or names:
            cells = table[name].str.strip()
            cells = cells.mask(cells.str.lower().isin(_BLANK), "")
            if samples or pd.to_numeric(cells.astype(object), errors="coerce").notna().any():
                numbers[name] = as_numbers(cells, float, blank=("",))
        if not numbers:
            raise ValueError("no column holds numbers")
        place = table[["chrom"]].assign(start=as_numbers(table["start"], int), end=as_numbers(table["end"], int))
        refuse_first((place["start"] < 0) | (place["end"] <= place["start"]), place["chrom"], "is not 0 <= start < end")
        _refuse_overlaps(place, "bin")
    found = on_genome(path, place.assign(**numbers), genome, {"no start and end": is_note.sum()})
    found.attrs["ignored"] = [name for name in names if name not in numbers]
    return found


def _sheets(path: Path, expected: str) -> Iterator[dict[int, list[str]]]:
    """Fields of each line by its number, taken for TSV and for CSV, or those of each sheet of an Excel file."""
    with open(path, "rb") as file:
        is_excel = file.read(4) == b"PK\x03\x04"
    if not is_excel:
        lines = dict(numbered_lines(path))
        yield from ({number: split_fields(line, sep, number) for number, line in lines.items()} for sep in "\t,;")
        return
    try:
        sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=object, engine="openpyxl")
    except ImportError:
        raise InputError(
            f"{path}: an Excel sheet, expected {expected}; install openpyxl, or save the sheet as CSV"
        ) from None
    except Exception as error:  # noqa: BLE001 - openpyxl has no error of its own: damage shows as whatever it hit first
        raise ValueError(f"not readable as Excel ({one_line(error)})") from None
    for sheet in sheets.values():
        cells = enumerate(sheet.to_numpy(), start=1)
        yield {number: ["" if pd.isna(cell) else str(cell) for cell in row] for number, row in cells}


def _below_header(sheets: Iterable[dict[int, list[str]]]) -> pd.DataFrame:
    """Text, by line, below the first header with a chromosome, a start and an end; columns need a name."""
    for rows in sheets:
        for header_line, header in rows.items():
            names = [cell.strip() for cell in header]
            at = [
                next((i for i, name in enumerate(names) if re.fullmatch(head, name, re.IGNORECASE)), -1)
                for head in _HEADS.values()
            ]
            if min(at) >= 0:
                return _rows_below(rows, header_line, at)
    raise ValueError("no line names a chromosome, a start and an end")


def _rows_below(rows: dict[int, list[str]], header_line: int, at: Sequence[int]) -> pd.DataFrame:
    header = rows[header_line]
    names = dict(zip(at, _PLACE, strict=True)) | {
        i: cell.strip() for i, cell in enumerate(header) if i not in at and cell.strip()
    }
    if len(set(names.values())) < len(names):
        raise ValueError(f"line {header_line:,} names a column twice")
    below = {number: row for number, row in rows.items() if number > header_line and any(map(str.strip, row))}
    for number, row in below.items():
        if len(row) > len(header) and any(map(str.strip, row[len(header) :])):
            raise ValueError(f"line {number:,} has {len(row)} fields, the header has {len(header)}")
    if not below:
        raise ValueError("holds no rows")
    padded = [row + [""] * (len(header) - len(row)) for row in below.values()]
    return pd.DataFrame(
        [[row[i] for i in names] for row in padded], columns=list(names.values()), index=list(below), dtype="str"
    )
