"""Fragments: the two ends of a contact, written "chrom:start-end" or "chrom.start.end".

In: tables with a column for each end. Out: the table that every reader of contacts gives; positions in bp, and both the
first and the last base belong to a fragment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome
from .table import checked

KINDS = ("po", "pp")  # promoter-other, promoter-promoter
# Ten digits: more than any chromosome has, and never too many for an integer.
_FORMS = (r"^([^:\s]+):([0-9]{1,10})-([0-9]{1,10})$", r"^([^:\s]+)\.([0-9]{1,10})\.([0-9]{1,10})$")


def parse_fragments(texts: pd.Index) -> pd.DataFrame:
    """chrom, start, end of each text, in its order; chrom is missing where a text is no fragment with start < end."""
    text = texts.to_series(index=range(len(texts))).astype(str)
    colons, dots = (text.str.extract(form) for form in _FORMS)
    spans = colons.where(colons[0].notna(), dots).set_axis(["chrom", "start", "end"], axis=1)
    spans[["start", "end"]] = spans[["start", "end"]].fillna("0").astype(np.int64)
    return spans.assign(chrom=spans["chrom"].where(spans["start"] < spans["end"]))


def pair_up(table: pd.DataFrame, *, numbered: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the ends of contacts once per distinct text, of which there are far fewer than rows.

    Parameters
    ----------
    table : DataFrame
        frag1, frag2 (categorical text) and further columns. If `numbered`, row i is line i + 2 of its file.

    Returns
    -------
    table : DataFrame
        frag1 and frag2 have the same categories, all written "chrom:start-end".
    spans : DataFrame
        chrom, start, end of each category.

    Raises
    ------
    ValueError
        With the first text that is no fragment, and its line.
    """
    texts = table["frag1"].cat.categories.union(table["frag2"].cat.categories)
    spans = parse_fragments(texts)
    written = spans["chrom"] + ":" + spans["start"].astype(str) + "-" + spans["end"].astype(str)
    codes = {name: texts.get_indexer(table[name].cat.categories)[table[name].cat.codes] for name in ("frag1", "frag2")}
    is_wrong = spans["chrom"].isna().to_numpy()
    for name, code in codes.items():
        if (bad := is_wrong[code]).any():
            row = int(bad.argmax())
            where = f"line {row + 2:,}: " if numbered else ""
            raise ValueError(f"{where}{name} is {str(texts[code[row]])[:60]!r}, not chrom:start-end with start < end")
    merged, categories = pd.factorize(written)  # one fragment may be written in both forms
    spans = spans.iloc[np.unique(merged, return_index=True)[1]].reset_index(drop=True)
    pair = {name: pd.Categorical.from_codes(merged[code], categories) for name, code in codes.items()}
    return table.assign(**pair), spans


def distance(table: pd.DataFrame, spans: pd.DataFrame) -> np.ndarray:
    """bp between the middles of the two ends of each row, (row,); -1 where they lie on different chromosomes."""
    first, second = table["frag1"].cat.codes.to_numpy(), table["frag2"].cat.codes.to_numpy()
    middle = ((spans["start"] + spans["end"]) // 2).to_numpy()
    chrom = pd.factorize(spans["chrom"])[0]
    return np.where(chrom[first] == chrom[second], np.abs(middle[second] - middle[first]), -1)


def contact_table(
    path: Path,
    table: pd.DataFrame,
    spans: pd.DataFrame,
    genome: Genome,
    *,
    frequency: str,
    dropped: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """What every reader of contacts returns: contacts within one chromosome of `genome` whose frequency is above 0.

    Parameters
    ----------
    table, spans : DataFrame
        As `pair_up` gives them; kind, frag1, frag2, frequency and any further columns.
    frequency : str
        What the file calls that which stands in the column frequency.
    dropped : dict
        Rows that the reader has left out before.

    Returns
    -------
    DataFrame
        The columns of `table`, kind ("po" or "pp"), frag1 and frag2 categorical. attrs also hold "frequency", and
        "conflicts": how many pairs of fragments have several frequencies; a pair of kind pp is the same both ways.

    Raises
    ------
    InputError
        There are contacts, but all on chromosomes that `genome` does not have.
    """
    is_usable = np.isfinite(table["frequency"].to_numpy()) & (table["frequency"].to_numpy() > 0)
    is_cis = distance(table, spans) >= 0
    size = spans["chrom"].map(genome.sizes).astype(float).fillna(0).to_numpy()
    is_inside = (spans["end"] <= size).to_numpy()
    on_genome = is_inside[table["frag1"].cat.codes] & is_inside[table["frag2"].cat.codes]
    if len(table) and not on_genome.any():
        raise off_genome(path, len(table), spans["chrom"], genome)
    kept = table[is_usable & is_cis & on_genome]
    n_conflicts = _conflicts(kept)
    kept = kept.assign(
        kind=pd.Categorical(kept["kind"], categories=KINDS),
        **{name: kept[name].cat.remove_unused_categories() for name in ("frag1", "frag2")},
    )
    counts = {
        f"{frequency} not a positive number": (~is_usable).sum(),
        "ends on different chromosomes": (is_usable & ~is_cis).sum(),
        f"not within {genome.name}": (is_usable & is_cis & ~on_genome).sum(),
    }
    result = checked(kept, {**(dropped or {}), **counts})
    return with_attrs(result, frequency=frequency, conflicts=n_conflicts)


def off_genome(path: Path, n_rows: int, chroms: pd.Series, genome: Genome) -> InputError:
    found = ", ".join(str(chrom)[:40] for chrom in chroms.unique()[:3])
    return InputError(
        f"{path}: none of {n_rows:,} contacts lies on {genome.name} (chromosomes found: {found}); "
        f"expected {next(iter(genome.sizes))} and the like; is `genome` of the profile right?"
    )


def kinds_of(table: pd.DataFrame) -> np.ndarray:
    """Kind of each row, (row,), where the file does not say it: "pp" if frag2 is also the frag1 of another row.

    frag1 and frag2 have the same categories.
    """
    is_bait = np.zeros(len(table["frag1"].cat.categories), bool)
    is_bait[table["frag1"].cat.codes] = True
    return np.where(is_bait[table["frag2"].cat.codes], "pp", "po")


def with_attrs(table: pd.DataFrame, **attrs: object) -> pd.DataFrame:
    table.attrs |= attrs
    return table


def _conflicts(table: pd.DataFrame) -> int:
    first, second = (table[name].cat.codes.to_numpy(np.int64) for name in ("frag1", "frag2"))
    is_both_ways = (table["kind"] == "pp").to_numpy()
    swap = is_both_ways & (second < first)
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    pair = first * len(table["frag1"].cat.categories) + second
    order = np.argsort(pair, kind="stable")
    pair, value = pair[order], table["frequency"].to_numpy()[order]
    differs = (pair[1:] == pair[:-1]) & (value[1:] != value[:-1])
    return len(np.unique(pair[1:][differs]))
