"""Tables that users write: a sample sheet, expression, starts of genes, contacts, screens of regions.

In: CSV or TSV with a header. Out: checked tables with the line of each row, and everything that is wrong, a line of text
each; positions in bp, 0-based, end excluded.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd

from ..config import SCALES, InputError
from ..genome import Genome
from ..sections import SampleFormat
from .table import checked, numbered_lines, reading

MAX_LINES = 5  # that are named of one kind of fault; the others are counted


class Rule(NamedTuple):
    """What a column has to hold."""

    holds: Callable[[pd.Series], Any]  # the column as text -> True where a cell is right
    expected: str  # in words


def _is_text(column: pd.Series) -> pd.Series:
    return column != ""


def _is_count(column: pd.Series) -> pd.Series:
    return column.str.fullmatch(r"\d{1,10}")


def _is_number(column: pd.Series, least: float) -> np.ndarray:
    """Finite numbers of `least` or more."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    return np.isfinite(values) & (values >= least)


def _is_region(column: pd.Series) -> pd.Series:
    ends = column.str.extract(r"^[^:\s]+:(\d{1,10})-(\d{1,10})$").astype(np.float64)
    return ends[0] < ends[1]


TEXT = Rule(_is_text, "text")
AMOUNT = Rule(lambda column: _is_number(column, 0), "a number of 0 or more")
FRACTION = Rule(lambda column: _is_number(column, -1), "a fraction of expression, -1 (all of it is lost) or more")
REGION = Rule(_is_region, "chrom:start-end with start < end")
YES, NO = ("true", "yes", "1"), ("false", "no", "0")
YES_OR_NO = Rule(lambda column: column.str.lower().isin([*YES, *NO]), "true or false")
STRAND = Rule(lambda column: column.isin(["+", "-"]), "+ or -")


def one_of(values: Sequence[str]) -> Rule:
    return Rule(lambda column: column.isin(list(values)), f"one of {', '.join(values)}")


def read_samples(path: Path, faults: list[str] | None = None) -> pd.DataFrame:
    """Read a sample sheet: cell_type, mark, path, format, and scale where a bigWig holds something else than depth.

    Several rows of one cell type and mark are replicates, whose reads are put together.

    Parameters
    ----------
    faults : list of str, optional
        Takes everything that is wrong; rows with a fault are left out. Without it, the first fault is an InputError.

    Returns
    -------
    DataFrame
        cell_type, mark, path (text as written), format, scale, line.
    """
    rules = {"cell_type": TEXT, "mark": TEXT, "path": TEXT, "format": one_of(get_args(SampleFormat))}
    table = _read(path, rules, {"scale": one_of([*SCALES, ""])}, faults, example="cell_type,mark,path,format")
    if "scale" not in table:
        table["scale"] = ""
    is_bigwig = table["format"] == "bigwig"
    expected = f"one of {', '.join(SCALES)}: a bigWig does not say what it holds"
    table = _refuse(path, table, is_bigwig & (table["scale"] == ""), table["scale"], "scale", expected, faults)
    wrong = (table["format"] != "bigwig") & ~table["scale"].isin(["", "depth"])
    table = _refuse(path, table, wrong, table["scale"], "scale", "depth, since only a bigWig can hold anything else", faults)
    table = _refuse(path, table, table.duplicated("path"), table["path"], "path", "each file once", faults)
    table = table.assign(scale=table["scale"].mask(table["scale"] == "", "depth"))
    return checked(table, {})


def read_expression_table(path: Path, cell_types: Sequence[str], faults: list[str] | None = None) -> pd.DataFrame:
    """Read expression that a user has written: gene_id, and a column for each cell type asked for.

    Any unit that is 0 or more and grows with expression will do; the book calls it RPKM.

    Returns
    -------
    DataFrame
        gene_id, the cell types (float64), line. `faults` as in `read_samples`.
    """
    rules = {"gene_id": TEXT} | dict.fromkeys(cell_types, AMOUNT)
    table = _read(path, rules, {}, faults, example=",".join(["gene_id", *cell_types]))
    table = _refuse(path, table, table["gene_id"].duplicated(), table["gene_id"], "gene_id", "each gene once", faults)
    return checked(table.astype(dict.fromkeys(cell_types, np.float64)), {})


def read_tss_table(path: Path, genome: Genome, faults: list[str] | None = None) -> pd.DataFrame:
    """Read starts of genes that a user has written: gene_id, chrom, tss (0-based), strand and, where known, symbol.

    A gene may have several rows; the first is the one that the promoter is centred on.

    Returns
    -------
    DataFrame
        gene_id, symbol, chrom, tss, strand, line; rows on chromosomes that `genome` does not have are dropped and counted.
        `faults` as in `read_samples`.
    """
    rules = {"gene_id": TEXT, "chrom": TEXT, "tss": Rule(_is_count, "a position, 0-based"), "strand": STRAND}
    table = _read(path, rules, {"symbol": Rule(lambda column: column.notna(), "text")}, faults, example="gene_id,chrom,tss,strand")
    table["tss"] = table["tss"].astype(np.int64)
    table["symbol"] = table["symbol"].mask(table["symbol"] == "", table["gene_id"]) if "symbol" in table else table["gene_id"]
    kept = _on_genome(path, table, genome, faults)
    wrong = kept["tss"] >= kept["chrom"].map(genome.sizes).astype(np.float64)
    expected = f"a position on its chromosome of {genome.name}; is the genome another build?"
    kept = _refuse(path, kept, wrong, kept["tss"].astype(str), "tss", expected, faults)
    dropped = {f"chromosome not in {genome.name}": len(table) - len(kept) - int(wrong.sum())}
    return checked(kept[["gene_id", "symbol", "chrom", "tss", "strand", "line"]], dropped)


def read_contact_table(
    path: Path, genome: Genome, cell_type: str | None = None, faults: list[str] | None = None, *, cell_types: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read contacts that a user has written, in one of two forms; a column cell_type, where there is one, is filtered on.

    gene_id, region, contact: which regions a gene touches. frag1, frag2, frequency: fragments of an experiment, of which the
    one that holds a TSS gives its gene the other (`contacts.fragments_of_tss`); both directions count.

    Parameters
    ----------
    cell_types : sequence of str, optional
        All that a column cell_type may hold.

    Returns
    -------
    DataFrame
        gene_id, region, contact and line; or kind ("pp": both ends may be promoters), frag1, frag2, frequency and line. Rows
        on chromosomes that `genome` does not have are dropped and counted. `faults` as in `read_samples`.
    """
    header = _split(path)[0][0]
    first, second, value = ("gene_id", "region", "contact") if "gene_id" in header else ("frag1", "frag2", "frequency")
    regions = [second] if first == "gene_id" else [first, second]
    rules = {first: REGION if first in regions else TEXT, second: REGION, value: AMOUNT}
    example = "gene_id,region,contact or frag1,frag2,frequency"
    if unknown := [name for name in header if name not in (*rules, "cell_type", "")]:
        # Rows of several cell types would be mixed where this is a misspelt cell_type.
        raise InputError(f"{path}:1: found column {unknown[0]!r}, expected {example} and cell_type; rename it or leave it out")
    table = _read(path, rules, {"cell_type": TEXT}, faults, example=example)
    counts = {}
    if "cell_type" in table and cell_types is not None:
        unknown = ~table["cell_type"].isin(list(cell_types)) & ~table.duplicated("cell_type")  # each name once
        wanted = f"one of the profile's, {', '.join(cell_types)}"
        _tell(path, _faults_in(path, table, unknown.to_numpy(), table["cell_type"], "cell_type", wanted), faults)
    if "cell_type" in table and cell_type is not None:
        here = table["cell_type"] == cell_type
        counts["another cell type"] = (~here).sum()
        table = table[here]
    return _contacts(path, table, (first, second, value), genome, faults, counts)


def read_bedpe(path: Path, genome: Genome, *, column: int = 8, faults: list[str] | None = None) -> pd.DataFrame:
    """Read pairs of regions as BEDPE: chrom, start and end of either end in columns 1 to 6, 0-based, end excluded, and how often
    they touch in another, counted from 1 (8, the score). A header is passed over.

    Returns
    -------
    DataFrame
        As `read_contact_table` of fragments gives them. `faults` as in `read_samples`.
    """
    n_fields, expected = max(6, column), f"BEDPE: chrom, start, end, chrom, start, end and in column {column} a number, separated by TABs"
    with reading(path, expected):
        rows = [(line, text.split("\t")) for line, text in numbered_lines(path) if not text.startswith(("#", "track", "browser"))]
    rows = [(line, [field.strip() for field in row]) for line, row in rows]
    if rows and len(rows[0][1]) >= 6 and not any(field.lstrip("-").isdigit() for field in rows[0][1][1:6]):  # names of columns
        rows = rows[1:]
    short = [f"{path}:{line}: {len(row)} fields, expected {n_fields} or more of {expected}; correct the row" for line, row in rows if len(row) < n_fields]
    _tell(path, short, faults)
    table = pd.DataFrame(
        [(f"{row[0]}:{row[1]}-{row[2]}", f"{row[3]}:{row[4]}-{row[5]}", row[column - 1], line) for line, row in rows if len(row) >= n_fields],
        columns=["frag1", "frag2", "frequency", "line"],
    ).astype({"frag1": "str", "frag2": "str", "frequency": "str", "line": np.int64})
    table = _kept(path, table, {"frag1": REGION, "frag2": REGION, "frequency": AMOUNT}, faults)
    if table.empty and faults is None:
        raise InputError(f"{path}: holds no rows, expected {expected}; add some")
    return _contacts(path, table, ("frag1", "frag2", "frequency"), genome, faults, {})


def _contacts(
    path: Path, table: pd.DataFrame, names: tuple[str, str, str], genome: Genome, faults: list[str] | None, counts: dict[str, int]
) -> pd.DataFrame:
    """What `read_contact_table` returns, of rows that hold what they should; `counts`: those left out before."""
    first, second, value = names
    regions = [name for name in (first, second) if name != "gene_id"]
    n_elsewhere = 0
    for name in regions:
        table, n = _regions_on_genome(path, table, name, genome, faults)
        n_elsewhere += n
    if first in regions:
        is_within = table[first].str.split(":").str[0] == table[second].str.split(":").str[0]
        counts["ends on different chromosomes"] = (~is_within).sum()
        table = table[is_within]
    table = _each_pair_once(path, table, first, second, faults)
    table = table.astype({value: np.float64})[[first, second, value, "line"]]
    if first in regions:
        table.insert(0, "kind", "pp")
    return checked(table, counts | {f"chromosome not in {genome.name}": n_elsewhere})


def read_screen(path: Path, genome: Genome, faults: list[str] | None = None) -> pd.DataFrame:
    """Read a CRISPRi screen that a user has written: gene_id, region, effect, significant.

    effect: change of the gene's expression where the region is silenced, as a fraction, -0.3 for 30 % less; significant: true or
    false. As in the tables of Fulco et al., Nat. Genet. 51:1664 (2019), with these names of columns.

    Returns
    -------
    DataFrame
        gene_id, region, effect (float64), significant (bool), line; rows on chromosomes that `genome` does not have are dropped
        and counted. `faults` as in `read_samples`.
    """
    rules = {"gene_id": TEXT, "region": REGION, "effect": FRACTION, "significant": YES_OR_NO}
    table = _read(path, rules, {}, faults, example="gene_id,region,effect,significant")
    table, n_elsewhere = _regions_on_genome(path, table, "region", genome, faults)
    table = _each_pair_once(path, table, "gene_id", "region", faults)
    table = table.assign(significant=table["significant"].str.lower().isin(YES)).astype({"effect": np.float64})
    dropped = {f"chromosome not in {genome.name}": n_elsewhere}
    return checked(table[["gene_id", "region", "effect", "significant", "line"]], dropped)


def _split(path: Path) -> tuple[list[list[str]], list[int]]:
    """Fields of the header and of each row that is not empty, and their lines; separated by TABs where the header has one."""
    with reading(path, "a table with a header, CSV or TSV"):
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
        if "\0" in text:
            raise ValueError(f"line {text[:text.index(chr(0))].count(chr(10)) + 1} holds a NUL byte")
        header = text.partition("\n")[0]
        reader = csv.reader(io.StringIO(text), delimiter="\t" if "\t" in header else ",")
        try:
            rows = [([field.strip() for field in row], reader.line_num) for row in reader if any(map(str.strip, row))]
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from None
        if not rows:
            raise ValueError("it is empty")
    return [row for row, _ in rows], [line for _, line in rows]


def _read(
    path: Path, rules: Mapping[str, Rule], optional: Mapping[str, Rule], faults: list[str] | None, *, example: str
) -> pd.DataFrame:
    """The rows that keep all rules, as text, with their `line`; further columns are left out."""
    (header, *rows), (_, *lines) = _split(path)
    repeated = [name for name in rules | optional if header.count(name) > 1]
    missing = [name for name in rules if name not in header]
    if missing or repeated:
        what = f"no column {missing[0]!r}" if missing else f"two columns {repeated[0]!r}"
        raise InputError(f"{path}:1: {what}, found {', '.join(header)[:100]}; expected {example}; correct the header")
    fits = [len(row) == len(header) for row in rows]
    said = [f"{path}:{line}: {len(row)} fields, expected {len(header)} as in the header; correct the row"
            for row, line, fit in zip(rows, lines, fits, strict=True) if not fit]  # fmt: skip
    _tell(path, said, faults)
    table = pd.DataFrame([row for row, fit in zip(rows, fits, strict=True) if fit], columns=header, dtype="str")
    table = table[[name for name in (*rules, *optional) if name in header]]
    table["line"] = np.array([line for line, fit in zip(lines, fits, strict=True) if fit], np.int64)
    table = _kept(path, table, {name: rule for name, rule in (rules | optional).items() if name in table}, faults)
    if table.empty and faults is None:
        raise InputError(f"{path}: holds no rows below the header, expected {example}; add some")
    return table


def _kept(path: Path, table: pd.DataFrame, rules: Mapping[str, Rule], faults: list[str] | None) -> pd.DataFrame:
    """The rows that keep all rules."""
    bad = pd.Series(False, index=table.index)
    for name, rule in rules.items():
        wrong = ~np.asarray(rule.holds(table[name]), bool)
        _tell(path, _faults_in(path, table, wrong, table[name], name, rule.expected), faults)
        bad |= wrong
    return table[~bad]


def _on_genome(path: Path, table: pd.DataFrame, genome: Genome, faults: list[str] | None) -> pd.DataFrame:
    """Rows whose `chrom` the genome has; a fault where none has."""
    known = table["chrom"].isin(list(genome.sizes))
    if len(table) and not known.any():
        found, expected = ", ".join(table["chrom"].unique()[:3]), ", ".join(list(genome.sizes)[:3])
        said = (
            f"{path}:{table['line'].iloc[0]}: no chromosome of {genome.name} in {len(table):,} rows, found {found}, ...; "
            f"expected {expected}, ...; name them alike"
        )
        _tell(path, [said], faults)
    return table[known]


def _regions_on_genome(
    path: Path, table: pd.DataFrame, name: str, genome: Genome, faults: list[str] | None
) -> tuple[pd.DataFrame, int]:
    """Rows whose region in the column `name` lies on the genome, and the number of those on chromosomes that it does not have."""
    ends = table[name].str.extract(r"^(?P<chrom>[^:]+):\d+-(?P<end>\d+)$").astype({"end": np.int64})
    kept = _on_genome(path, table.join(ends), genome, faults)
    wrong = kept["end"] > kept["chrom"].map(genome.sizes).astype(np.float64)
    expected = f"a region on its chromosome of {genome.name}; is the genome another build?"
    return _refuse(path, kept, wrong, kept[name], name, expected, faults).drop(columns=["chrom", "end"]), len(table) - len(kept)


def _each_pair_once(path: Path, table: pd.DataFrame, first: str, second: str, faults: list[str] | None) -> pd.DataFrame:
    pair = table[first] + " with " + table[second]
    return _refuse(path, table, pair.duplicated(), pair, f"{first} and {second}", "each pair once", faults)


def _refuse(
    path: Path, table: pd.DataFrame, wrong: pd.Series, found: pd.Series, name: str, expected: str, faults: list[str] | None
) -> pd.DataFrame:
    """The table without wrong rows, of which `faults` is told."""
    wrong = np.asarray(wrong, bool)
    _tell(path, _faults_in(path, table, wrong, found, name, expected), faults)
    return table[~wrong]


def _faults_in(path: Path, table: pd.DataFrame, wrong: np.ndarray, found: pd.Series, name: str, expected: str) -> list[str]:
    """A line of text for each wrong cell."""
    rows = np.flatnonzero(wrong)
    return [
        f"{path}:{table['line'].iloc[row]}: {name} is {found.iloc[row][:60]!r}, expected {expected}; correct the row"
        for row in rows
    ]


def _tell(path: Path, found: list[str], faults: list[str] | None) -> None:
    """Add faults of one kind, of many the first and a count; where there is no list to add to, the first is an InputError."""
    if found and faults is None:
        raise InputError(found[0])
    if found:
        faults.extend(found[:MAX_LINES])
        if len(found) > MAX_LINES:
            faults.append(f"{path}: {len(found) - MAX_LINES:,} more rows like the last")
