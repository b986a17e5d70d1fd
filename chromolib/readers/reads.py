"""Aligned reads.

In: tagAlign and other BED files. Out: one row per read, positions in bp, 0-based, end excluded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome
from .table import checked, compression, read_csv, reading


def read_reads(path: Path, genome: Genome) -> pd.DataFrame:
    """Read aligned reads: tagAlign or any BED file whose first three columns are chrom, start and end.

    Rows may come in any order and with any further columns.

    Returns
    -------
    DataFrame
        chrom (categorical), start, end of each read. A read that crosses the end of its chromosome is cut there and
        counted in attrs["clipped"]; reads on other contigs, or past the end, are dropped.

    Raises
    ------
    InputError
        The file is damaged or has other columns, or no read lies on `genome`.
    """
    with reading(path, "tagAlign: chrom, start, end, ... without a header"):
        reads = read_csv(
            path,
            sep="\t",
            header=None,
            usecols=[0, 1, 2],
            names=["chrom", "start", "end"],
            dtype={"chrom": "category", "start": np.int64, "end": np.int64},
            compression=compression(path),
        )
    wrong = (reads["start"] < 0) | (reads["end"] <= reads["start"])
    if wrong.any():
        row = reads[wrong].iloc[0]
        raise InputError(
            f"{path}: row {wrong.idxmax() + 1:,} is {row.chrom}:{row.start}-{row.end}, "
            "expected 0 <= start < end; fetch the file again"
        )
    size = reads["chrom"].map(genome.sizes).astype(float).fillna(0).to_numpy()
    on_contig, is_inside = (size > 0), reads["start"].to_numpy() < size
    if not is_inside.any():
        found = ", ".join(map(str, reads["chrom"].cat.categories[:3]))
        raise InputError(
            f"{path}: none of {len(reads):,} reads lies on {genome.name} (chromosomes found: {found}); "
            f"expected {next(iter(genome.sizes))} and the like; is `genome` of the profile right?"
        )
    kept = reads[is_inside]
    ends = np.minimum(kept["end"], size[is_inside].astype(np.int64))
    n_clipped = int((ends < kept["end"]).sum())
    table = checked(
        kept.assign(end=ends),
        {
            f"contig not in {genome.name}": (~on_contig).sum(),
            "past the end of its chromosome": (on_contig & ~is_inside).sum(),
        },
    )
    table.attrs["clipped"] = n_clipped
    return table
