"""Interactions of promoter capture Hi-C, as 3DIV and GEO publish those of Jung et al. 2019.

In: tables of fragments, hg19. Out: one row per contact of two fragments; normalised frequencies have no unit.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome
from .fragments import KINDS, contact_table, distance, pair_up
from .table import NUMBER, TEXT, other_than, position_of, read_columns, read_header, reading

_3DIV_HEADER = {1: "type", 2: "frag1", 3: "frag2", 9: "all_capture_res", 11: "dist_res", 12: "-log10(result)"}
_3DIV_FREQUENCY = {"freq": 6, "all_capture_res": 9, "dist_res": 11}  # name -> position, counted from 1
_SIGNIFICANT_FIELDS = 9
_SIGNIFICANT_FREQUENCY = {"all_capture_res": 7, "dist_res": 8}
_MAX_SHARE_INCONSISTENT = 0.01  # of contact rows; above it the columns are not what we take them for


def read_contacts(path: Path, genome: Genome, *, frequency: str = "dist_res") -> pd.DataFrame:
    """Read a table of 3DIV promoter-capture Hi-C, promoter-other ("po") or promoter-promoter ("pp").

    Columns are taken by position, as one name occurs twice in the header; three laws of the format show that the
    positions are right: both ends on one chromosome, `dist` between their midpoints, and
    `dist_res` = (capture + 1) / (background + 1).

    Parameters
    ----------
    path : Path
        As text, or packed by gzip, bzip2 or zip.
    frequency : str
        Column taken as the frequency: dist_res (contacts normalised for capture and distance: 1 where they are as
        frequent as expected), all_capture_res (for capture alone) or freq (counts).

    Returns
    -------
    DataFrame
        kind ("po" or "pp"), frag1 (bait), frag2 ("chrom:start-end", ends included in the fragment; all three
        categorical) and frequency. attrs as `fragments.contact_table` gives them.

    Raises
    ------
    InputError
        The file is damaged, the header is another, more than 1 % of rows break a law, or none lies on `genome`.
    """
    _check_choice(path, frequency, _3DIV_FREQUENCY)
    expected = "3DIV contacts: 12 columns, type, frag1, frag2, ... dist_res, -log10(result)"
    with reading(path, expected):
        header = read_header(path)
        for position, name in _3DIV_HEADER.items():
            found = header[position - 1] if len(header) >= position else "nothing"
            if found != name:
                raise ValueError(f"column {position} is {found!r}, not {name!r}")
        columns = {"type": (0, TEXT), "frag1": (1, TEXT), "frag2": (2, TEXT), "dist": (6, NUMBER)}
        columns |= {"capture": (8, NUMBER), "background": (9, NUMBER), "dist_res": (10, NUMBER)}
        if frequency == "freq":
            columns["freq"] = (5, NUMBER)
        table = read_columns(path, header, columns)
        table["kind"] = _kinds(table.pop("type"))
        table, spans = pair_up(table)
    table["frequency"] = table["capture" if frequency == "all_capture_res" else frequency]
    is_finite = np.isfinite(table["frequency"]) & (table["frequency"] > 0)
    ratio = (table["capture"] + 1) / (table["background"] + 1)
    is_lawful = _agrees(table, spans) & ((ratio / table["dist_res"] - 1).abs() < 0.05)  # 1 but for its second decimal
    is_broken = is_finite & ~is_lawful
    _refuse_many(path, is_broken, f"dist or dist_res does not follow from the other columns; expected {expected}")
    return contact_table(
        path,
        table.loc[~is_broken, ["kind", "frag1", "frag2", "frequency"]],
        spans,
        genome,
        frequency=frequency,
        dropped={"dist or dist_res inconsistent": is_broken.sum()},
    )


def read_geo_contacts(path: Path, genome: Genome, *, frequency: str = "dist_res") -> pd.DataFrame:
    """Read all contacts of one tissue from GEO's series GSE86189: {tissue}.po.all.txt.bz2 or {tissue}.pp.all.txt.bz2.

    Columns are found by their names: frag1, frag2 and the one asked for as `frequency`; where there is a column dist, it
    must lie between the midpoints of the fragments. The kind of contact stands in the file's name alone.

    Returns
    -------
    DataFrame
        As `read_contacts`; fragments, dot-separated in the file, are written "chrom:start-end".

    Raises
    ------
    InputError
        A column is absent, the name holds neither .po. nor .pp., or as `read_contacts`.
    """
    kind = re.search(r"\.(po|pp)\.", path.name)
    if kind is None:
        raise InputError(f"{path}: its name holds neither .po. nor .pp., which says the kind of contact; rename it")
    expected = f"contacts of GSE86189: a header with frag1, frag2 and {frequency}"
    with reading(path, expected):
        header = read_header(path)
        columns = {name: (position_of(path, header, name), TEXT) for name in ("frag1", "frag2")}
        columns["frequency"] = (position_of(path, header, frequency), NUMBER)
        if has_dist := header.count("dist") == 1 and frequency != "dist":
            columns["dist"] = (header.index("dist"), NUMBER)
        table, spans = pair_up(read_columns(path, header, columns).assign(kind=kind[1]))
    is_broken = ~_agrees(table, spans) & (distance(table, spans) >= 0) if has_dist else np.zeros(len(table), bool)
    _refuse_many(path, is_broken, f"dist does not lie between the fragments; expected {expected}")
    return contact_table(
        path,
        table.loc[~is_broken, ["kind", "frag1", "frag2", "frequency"]],
        spans,
        genome,
        frequency=frequency,
        dropped={"dist inconsistent": is_broken.sum()},
    )


def read_significant_contacts(
    path: Path, genome: Genome, *, sample: str | None = None, frequency: str = "dist_res"
) -> pd.DataFrame:
    """Read GEO's GSE86189_all_interaction.po.txt.gz: the significant promoter-other contacts of all samples.

    Their thresholds differ from those of the paper, so results are not those of the whole tables. Columns are taken by
    position: sample, frag1, genes, frag2, count, dist, all_capture_res, dist_res, p value.

    Parameters
    ----------
    sample : str, optional
        Such as GM12878.ADS; may be left out where the file holds one sample.
    frequency : str
        dist_res or all_capture_res.

    Returns
    -------
    DataFrame
        As `read_contacts`, kind "po".

    Raises
    ------
    InputError
        The sample is not in the file, or as `read_contacts`.
    """
    _check_choice(path, frequency, _SIGNIFICANT_FREQUENCY)
    with reading(path, f"significant contacts of GSE86189: {_SIGNIFICANT_FIELDS} columns, the sample in the first"):
        header = read_header(path)
        if len(header) != _SIGNIFICANT_FIELDS:
            raise ValueError(f"its header has {len(header)} fields")
        position = _SIGNIFICANT_FREQUENCY[frequency] - 1
        if frequency in header and header.index(frequency) != position:
            raise ValueError(f"column {header.index(frequency) + 1} is {frequency!r}, not column {position + 1}")
        columns = {"sample": (0, TEXT), "frag1": (1, TEXT), "frag2": (3, TEXT), "frequency": (position, NUMBER)}
        table = read_columns(path, header, columns)
        table, spans = pair_up(table)
    is_other = other_than(path, table["sample"], sample, "sample")
    return contact_table(
        path,
        table.loc[~is_other, ["frag1", "frag2", "frequency"]].assign(kind="po")[["kind", "frag1", "frag2", "frequency"]],
        spans,
        genome,
        frequency=frequency,
        dropped={"other samples": is_other.sum()},
    )


def _kinds(types: pd.Series) -> pd.Categorical:
    """ "GM.po" -> "po"."""
    kinds = types.cat.categories.to_series().astype(str).map(lambda text: text.rpartition(".")[2])
    codes = kinds.map({kind: code for code, kind in enumerate(KINDS)}).fillna(-1).astype(np.int8).to_numpy()
    code = codes[types.cat.codes]
    if (code < 0).any():
        row = int((code < 0).argmax())
        raise ValueError(f"line {row + 2:,} has the type {str(types.iloc[row])[:40]!r}, not po or pp")
    return pd.Categorical.from_codes(code, KINDS)


def _agrees(table: pd.DataFrame, spans: pd.DataFrame) -> np.ndarray:
    """True where both ends lie on one chromosome with `dist` between their middles, (row,)."""
    between = distance(table, spans)
    return (between >= 0) & (np.abs(between - table["dist"].to_numpy()) <= 1)


def _refuse_many(path: Path, is_broken: np.ndarray | pd.Series, what: str) -> None:
    is_broken = np.asarray(is_broken)
    if is_broken.sum() > _MAX_SHARE_INCONSISTENT * len(is_broken):
        raise InputError(
            f"{path}: in {is_broken.sum():,} of {len(is_broken):,} rows, the first in line {is_broken.argmax() + 2:,}, "
            f"{what}; is a column missing or shifted?"
        )


def _check_choice(path: Path, frequency: str, choices: dict[str, int]) -> None:
    if frequency not in choices:
        raise InputError(f"{path}: frequency {frequency!r}, expected one of {', '.join(choices)}; correct the option")
