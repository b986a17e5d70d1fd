"""Contacts that a user writes: a CSV or TSV with a header, in one of two forms.

In: a text file. Out: links of genes to regions, or contacts of fragments; positions in bp, 0-based.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome
from .fragments import contact_table, kinds_of, off_genome, pair_up, parse_fragments
from .table import checked, other_than, reading, unpacked

_FORMS = (("gene_id", "region", "contact"), ("frag1", "frag2", "frequency"))
_EXPECTED = " or ".join(",".join(form) for form in _FORMS)
_N_SHOWN = 10  # problems that an error lists


def read_own_contacts(path: Path, genome: Genome, *, cell_type: str | None = None) -> pd.DataFrame:
    """Read contacts from a table of one's own, separated by commas, semicolons or TABs as its header is.

    The header says the form: gene_id,region,contact links genes to regions without fragments; frag1,frag2,frequency is a
    capture experiment, where frag1 is the promoter's fragment. Both may have a column cell_type. Columns stand in any
    order. Regions are written "chrom:start-end" (or "chrom.start.end"), start < end; contacts are numbers above 0.

    Parameters
    ----------
    cell_type : str, optional
        Take the rows of this cell type alone, where the file has that column.

    Returns
    -------
    DataFrame
        gene_id, region, contact; or kind, frag1, frag2, frequency as `read_contacts` gives them, where kind is "pp" if
        frag2 is also the frag1 of another row.

    Raises
    ------
    InputError
        With every problem found and its line (the first 10, and how many more there are); the file has no rows of the
        cell type, or rows of several and none was asked for; or nothing lies on `genome`.
    """
    with reading(path, f"contacts with the header {_EXPECTED} (and cell_type)"):
        with unpacked(path) as file:
            text = file.read().decode("utf-8-sig")
        delimiter, header = _header(text)
        table, problems = _rows(text, delimiter, header)
        problems += _problems(table)
    if problems:
        problems.sort()
        said = "; ".join(f"line {line:,}: {what}" for line, what in problems[:_N_SHOWN])
        more = f"; and {len(problems) - _N_SHOWN:,} more" if len(problems) > _N_SHOWN else ""
        raise InputError(f"{path}: {said}{more}; correct these lines")
    is_other = _other_cell_types(path, table, cell_type)
    kept, counts = table[~is_other], {"other cell types": is_other.sum()}
    form = _form(header)
    kept = kept.astype({form[2]: float})
    if form[0] == "gene_id":
        return _links(path, kept[list(form)], genome, counts)
    kept = kept[list(form)].astype({"frag1": "category", "frag2": "category"})
    kept, spans = pair_up(kept, numbered=False)
    kept.insert(0, "kind", kinds_of(kept))
    return contact_table(path, kept, spans, genome, frequency="frequency", dropped=counts)


def _links(path: Path, table: pd.DataFrame, genome: Genome, dropped: Mapping[str, int]) -> pd.DataFrame:
    spans = parse_fragments(pd.Index(table["region"]))
    on_genome = (spans["end"] <= spans["chrom"].map(genome.sizes).astype(float).fillna(0)).to_numpy()
    if len(table) and not on_genome.any():
        raise off_genome(path, len(table), spans["chrom"], genome)
    written = spans["chrom"] + ":" + spans["start"].astype(str) + "-" + spans["end"].astype(str)
    links = table.assign(region=written.to_numpy())[on_genome]
    return checked(links, {**dropped, f"not within {genome.name}": (~on_genome).sum()})


def _form(header: Sequence[str]) -> tuple[str, ...] | None:
    return next((form for form in _FORMS if set(form) <= set(header)), None)


def _header(text: str) -> tuple[str, list[str]]:
    """What separates the fields, and the names of the columns."""
    first = text.splitlines()[0] if text.strip() else ""
    for delimiter in ",\t;":
        header = [name.strip().strip('"') for name in first.split(delimiter)]
        if form := _form(header):
            further = [name for name in header if name not in (*form, "cell_type")]
            if further or len(set(header)) != len(header):
                what = f"has the column {further[0][:40]!r}" if further else "names a column twice"
                raise ValueError(f"line 1: the header {what}")
            return delimiter, header
    raise ValueError(f"line 1: the header is {first[:80]!r}")


def _rows(text: str, delimiter: str, header: Sequence[str]) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """Rows with the number of their line as index, as text without blanks around it; and lines that are no rows."""
    reader, rows, problems = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), {}, []
    try:
        for fields in reader:
            if len(fields) == len(header):
                rows[reader.line_num] = [field.strip() for field in fields]
            elif any(field.strip() for field in fields):
                problems.append((reader.line_num, f"{len(fields)} fields, not {len(header)}"))
    except csv.Error as error:
        problems.append((reader.line_num, str(error)))
    rows.pop(1, None)
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(header), dtype="str"), problems


def _problems(table: pd.DataFrame) -> list[tuple[int, str]]:
    form, problems = _form(list(table)), []

    def note(is_bad: np.ndarray | pd.Series, say: Callable[[pd.Series], str]) -> None:
        bad = np.asarray(is_bad, bool)
        problems.extend((line, say(row)) for line, row in table[bad].iterrows())

    for name in (name for name in ("gene_id", "cell_type") if name in table):
        note(table[name] == "", lambda row, name=name: f"{name} is empty")
    for name in (name for name in form[:2] if name != "gene_id"):
        wrong = parse_fragments(pd.Index(table[name]))["chrom"].isna()
        note(wrong, lambda row, name=name: f"{name} is {row[name][:60]!r}, not chrom:start-end with start < end")
    value = pd.to_numeric(table[form[2]], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    note(
        ~(np.isfinite(value) & (value > 0)), lambda row: f"{form[2]} is {row[form[2]][:40]!r}, not a number above 0"
    )
    keys = [name for name in (*form[:2], "cell_type") if name in table]
    note(table.duplicated(keys), lambda row: "repeats " + " ".join(row[key][:60] for key in keys))
    return problems


def _other_cell_types(path: Path, table: pd.DataFrame, cell_type: str | None) -> np.ndarray:
    if "cell_type" not in table:
        return np.zeros(len(table), bool)
    return other_than(path, table["cell_type"], cell_type, "cell type")
