"""Interactions: which stretches of the genome touch each other, and how often.

In: tables of capture Hi-C. Out: one row per contact of two fragments; normalised frequencies have no unit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome
from .table import checked, compression, reading

_CONTACT_COLUMNS = (
    "type",
    "frag1",
    "frag2",
    "cov1",
    "cov2",
    "freq",
    "dist",
    "expected",
    "capture",
    "background",
    "frequency",
    "significance",
)
_CONTACT_HEADER = {1: "type", 2: "frag1", 3: "frag2", 9: "all_capture_res", 11: "dist_res"}  # position -> name
_MAX_SHARE_INCONSISTENT = 0.01  # of contact rows; above it the columns are not what we take them for


def read_contacts(path: Path, genome: Genome) -> pd.DataFrame:
    """Read a table of 3DIV promoter-capture Hi-C, promoter-other ("po") or promoter-promoter ("pp").

    Columns are taken by position, as one name occurs twice in the header; three laws of the format show that the
    positions are right: both ends on one chromosome, `dist` between their midpoints, and
    `dist_res` = (capture + 1) / (background + 1).

    Returns
    -------
    DataFrame
        kind ("po" or "pp"), frag1 (bait), frag2 ("chrom:start-end", ends included in the fragment; categorical) and
        frequency: contacts normalised for capture and distance (`dist_res`), 1 where they are as frequent as expected.

    Raises
    ------
    InputError
        The file is damaged, the header is another, or more than 1 % of rows break a law.
    """
    expected = "3DIV contacts: 12 columns, type, frag1, frag2, ... dist_res, -log10(result)"
    numbers = {name: np.float64 for name in _CONTACT_COLUMNS[3:]}
    with reading(path, expected):
        packed = compression(path)
        header = pd.read_csv(path, sep="\t", header=None, nrows=1, dtype=str, compression=packed).iloc[0].tolist()
        for position, name in _CONTACT_HEADER.items():
            found = header[position - 1] if len(header) >= position else "nothing"
            if found != name:
                raise ValueError(f"column {position} is {found!r}, not {name!r}")
        table = pd.read_csv(
            path,
            sep="\t",
            header=None,
            skiprows=1,
            names=_CONTACT_COLUMNS,
            index_col=False,
            dtype={"type": "category", "frag1": "category", "frag2": "category"} | numbers,
            compression=packed,
        )
        kind = table["type"].map(lambda text: text.rpartition(".")[2]).astype(str)  # "GM.po" -> "po"
        if unknown := sorted(set(kind) - {"po", "pp"}):
            raise ValueError(f"a row has the type {unknown[0]!r}")
        bait, partner = _fragment_ends(table["frag1"]), _fragment_ends(table["frag2"])
    is_finite = np.isfinite(table["frequency"]) & (table["frequency"] > 0)
    distance = (_middle(bait) - _middle(partner)).abs()
    ratio = (table["capture"] + 1) / (table["background"] + 1)
    is_lawful = (bait["chrom"] == partner["chrom"]) & ((distance - table["dist"]).abs() <= 1)
    is_lawful &= (ratio / table["frequency"] - 1).abs() < 0.05  # the pseudo-count is 1 but for its second decimal
    n_broken = int((is_finite & ~is_lawful).sum())
    if n_broken > _MAX_SHARE_INCONSISTENT * len(table):
        raise InputError(
            f"{path}: in {n_broken:,} of {len(table):,} rows dist or dist_res does not follow from the other "
            f"columns; expected {expected}; is a column missing or shifted?"
        )
    size = bait["chrom"].map(genome.sizes).astype(float).fillna(0)
    on_genome = (size > 0) & (bait["end"] < size) & (partner["end"] < size)
    kept = table.assign(kind=kind)[is_finite & is_lawful & on_genome]
    return checked(
        kept[["kind", "frag1", "frag2", "frequency"]],
        {
            "dist_res not a positive number": (~is_finite).sum(),
            "dist or dist_res inconsistent": n_broken,
            f"not within {genome.name}": (is_finite & is_lawful & ~on_genome).sum(),
        },
    )


def _fragment_ends(fragments: pd.Series) -> pd.DataFrame:
    """chrom, start, end of each row; parsed once per category, of which there are far fewer than rows."""
    parsed = fragments.cat.categories.to_series().astype(str).str.extract(r"^([^:]+):(\d+)-(\d+)$")
    if (bad := parsed[0].isna()).any() or fragments.isna().any():
        raise ValueError(f"{fragments.name} is {bad.index[bad][0] if bad.any() else 'empty'!r} in a row")
    ends = parsed.set_axis(["chrom", "start", "end"], axis=1).astype({"start": np.int64, "end": np.int64})
    return ends.iloc[fragments.cat.codes].reset_index(drop=True)


def _middle(ends: pd.DataFrame) -> pd.Series:
    return (ends["start"] + ends["end"]) // 2
