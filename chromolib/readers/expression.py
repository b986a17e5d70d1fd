"""Expression of genes.

In: tables as their providers publish them. Out: one row per gene; RPKM (reads per kb and million).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import InputError
from .table import checked, read_lines, reading


def read_expression(path: Path, cell_types: Sequence[str]) -> pd.DataFrame:
    """Read Roadmap's RPKM matrix: gene_id and one column per cell type asked for.

    Lines may end in blanks or TABs, all of them or only those of data: fields are counted after those are cut, because
    a reader that trusts them takes gene_id for an index and shifts every column by one.
    """
    with reading(path, "a matrix with the header gene_id, E000, ..."):
        rows = [line.rstrip().split("\t") for line in read_lines(path) if line.strip()]
        if not rows or rows[0][0] != "gene_id":
            raise ValueError(f"its header starts with {rows[0][0][:40]!r}" if rows else "it is empty")
        for number, row in enumerate(rows, start=1):
            if len(row) != len(rows[0]):
                raise ValueError(f"row {number:,} ({row[0][:40]}) has {len(row)} fields, the header has {len(rows[0])}")
        if missing := [name for name in cell_types if name not in rows[0]]:
            raise InputError(
                f"{path}: no column {missing[0]!r}, found {', '.join(rows[0][1:8])}, ...; "
                "correct cell_types in the profile"
            )
        matrix = pd.DataFrame(rows[1:], columns=rows[0])[["gene_id", *cell_types]]
        matrix = matrix.astype(dict.fromkeys(cell_types, float))
    if (repeated := matrix["gene_id"].duplicated()).any():
        raise InputError(f"{path}: {matrix['gene_id'][repeated].iloc[0]} has two rows, expected one; remove one")
    values = matrix[list(cell_types)].to_numpy()
    if (bad := ~(np.isfinite(values) & (values >= 0)).all(axis=1)).any():
        raise InputError(
            f"{path}: {matrix['gene_id'][bad].iloc[0]} has an RPKM that is negative or not a number, "
            "expected 0 or more; fetch the file again"
        )
    return checked(matrix, {})
