"""Interactions as CHiCAGO writes them, the usual program for promoter capture Hi-C.

In: an .ibed file of one sample, or a peak matrix of several. Out: one row per contact of two fragments; CHiCAGO's score,
soft-thresholded -log weighted p values without unit, stands in the place of a frequency.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome
from .fragments import contact_table, kinds_of, pair_up
from .table import NUMBER, TEXT, position_of, read_columns, read_header, reading

_IBED = {
    "chrom1": "bait_chr", "start1": "bait_start", "end1": "bait_end",
    "chrom2": "otherEnd_chr", "start2": "otherEnd_start", "end2": "otherEnd_end",
}  # fmt: skip
_PEAK_MATRIX = {
    "chrom1": "baitChr", "start1": "baitStart", "end1": "baitEnd", "chrom2": "oeChr", "start2": "oeStart", "end2": "oeEnd",
}  # fmt: skip
_MAX_BP = 10**10


def read_ibed(path: Path, genome: Genome) -> pd.DataFrame:
    """Read an .ibed file: a header, and one row per bait and other end above the score that its writer chose.

    Both ends of a fragment are included in it, as in all fragments here: those that follow each other in a digest differ
    by one. CHiCAGO counts from 1; here positions are counted from 0. Chromosomes may lack "chr", which is then added.

    Returns
    -------
    DataFrame
        kind, frag1 (bait), frag2 (other end), frequency and N_reads (int64). kind is "pp" where the other end is the bait
        of another row. frequency is the score: above 5, by custom, a contact is significant; it is no ratio to a
        background, so that the paper's limit of 1.5 does not fit it. attrs as `fragments.contact_table` gives them.

    Raises
    ------
    InputError
        The file is damaged, lacks a column, or no contact lies on `genome`.
    """
    with reading(path, f"CHiCAGO's ibed: a header with {', '.join(_IBED.values())}, N_reads, score"):
        table = _read(path, _IBED | {"N_reads": "N_reads", "frequency": "score"})
        reads = table["N_reads"]
        _refuse_first(~(reads.between(0, 2**53) & (reads % 1 == 0)), "N_reads is no count")
        table, spans = _paired(table.astype({"N_reads": np.int64}), genome)
    return contact_table(path, table, spans, genome, frequency="CHiCAGO score")


def read_peak_matrix(path: Path, genome: Genome, *, sample: str) -> pd.DataFrame:
    """Read the scores of one sample from CHiCAGO's peak matrix, where the samples are the columns after dist.

    Returns
    -------
    DataFrame
        As `read_ibed`, without N_reads, which the file does not hold. A pair that is above its writer's limit in other
        samples alone has its low score here; pairs of score 0 are dropped.

    Raises
    ------
    InputError
        No column has the name of the sample, or as `read_ibed`.
    """
    with reading(path, f"CHiCAGO's peak matrix: a header with {', '.join(_PEAK_MATRIX.values())}, dist and samples"):
        header = read_header(path)
        samples = header[header.index("dist") + 1 :] if "dist" in header else []
        if sample not in samples:
            raise InputError(f"{path}: no sample {sample!r}, found {', '.join(samples) or 'none'}; name one of them")
        table, spans = _paired(_read(path, _PEAK_MATRIX | {"frequency": sample}), genome)
    return contact_table(path, table, spans, genome, frequency="CHiCAGO score")


def _read(path: Path, names: dict[str, str]) -> pd.DataFrame:
    """The columns of a file by our names for them; the positions of fragments are checked."""
    header = read_header(path)
    columns = {
        ours: (position_of(path, header, theirs), TEXT if ours.startswith("chrom") else NUMBER)
        for ours, theirs in names.items()
    }
    table = read_columns(path, header, columns)
    for end in "12":
        start, last = table[f"start{end}"], table[f"end{end}"]
        is_right = (start >= 1) & (start < last) & (last < _MAX_BP) & (start % 1 == 0) & (last % 1 == 0)
        _refuse_first(~is_right, f"{names[f'start{end}']} and {names[f'end{end}']} are not 1 <= start < end")
    return table


def _paired(table: pd.DataFrame, genome: Genome) -> tuple[pd.DataFrame, pd.DataFrame]:
    """kind, frag1, frag2 in the place of the columns that hold the ends of fragments; and the spans of `pair_up`."""
    names = {}
    for end in "12":
        chroms = table[f"chrom{end}"].cat.categories.astype(str)
        full = pd.Index(["chr" + chrom if "chr" + chrom in genome.sizes else chrom for chrom in chroms], dtype="str")
        chrom = pd.Series(full[table[f"chrom{end}"].cat.codes], table.index, dtype="str")
        start, last = ((table[f"{side}{end}"].astype(np.int64) - 1).astype(str) for side in ("start", "end"))
        names[f"frag{end}"] = (chrom + ":" + start + "-" + last).astype("category")
    ends, spans = pair_up(pd.DataFrame(names))
    ends.insert(0, "kind", kinds_of(ends))
    return ends.join(table[[name for name in ("frequency", "N_reads") if name in table]]), spans


def _refuse_first(is_bad: pd.Series, what: str) -> None:
    if is_bad.any():
        raise ValueError(f"line {is_bad.argmax() + 2:,}: {what}")
