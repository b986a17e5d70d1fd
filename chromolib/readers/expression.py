"""Expression of genes.

In: tables as their providers publish them. Out: one row per gene; RPKM or FPKM (reads per kb and million) or TPM.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from .annotation import without_version
from .table import checked, read_table, reading, refuse_first

_ENSEMBL_GENE = r"ENS[A-Z]*G\d{11}(\.\d+)?"


def read_expression(path: Path, cell_types: Sequence[str]) -> pd.DataFrame:
    """Read Roadmap's RPKM matrix: gene_id and one column per cell type asked for.

    Lines may end in blanks or TABs, all of them or only those of data: fields are counted after those are cut, because
    a reader that trusts them takes gene_id for an index and shifts every column by one.
    """
    expected = "a matrix with the header gene_id, E000, ..."
    with reading(path, expected, way_out="correct cell_types in the profile or fetch the file again"):
        matrix = read_table(path, {"gene_id": str} | dict.fromkeys(cell_types, float), has_header=True)
        refuse_first(matrix["gene_id"].duplicated(), matrix["gene_id"], "has a second row")
        _refuse_no_amount(matrix, cell_types, "RPKM")
    return checked(matrix, {})


def read_rsem(path: Path, *, unit: Literal["FPKM", "TPM"] = "FPKM") -> pd.DataFrame:
    """Read a table of genes that RSEM wrote, as ENCODE publishes them; columns by their names in the header.

    Returns
    -------
    DataFrame
        gene_id (Ensembl's, without version) and expression, in `unit`. Rows of tRNAs and spike-ins are dropped, and so
        are copies of genes on chrY (_PAR_Y), which have no reads where that copy was masked and would halve the mean. A
        gene with several rows has their mean; the rows above one are counted.
    """
    with reading(path, f"RSEM's table of genes with the columns gene_id and {unit}"):
        table = read_table(path, {"gene_id": str, unit: float}, has_header=True)
        _refuse_no_amount(table, [unit], unit)
        is_copy = table["gene_id"].str.endswith("_PAR_Y") | table["gene_id"].str.startswith("ENSGR")
        is_gene = table["gene_id"].str.fullmatch(_ENSEMBL_GENE)
        if not is_gene.any():
            raise ValueError(f"{table['gene_id'].iloc[0][:40]!r} and all others are no Ensembl gene ids")
    genes = pd.DataFrame({"gene_id": without_version(table["gene_id"]), "expression": table[unit]})[is_gene]
    means = genes.groupby("gene_id", sort=False, as_index=False)["expression"].mean()
    return checked(
        means,
        {
            "no Ensembl gene id": (~is_gene & ~is_copy).sum(),
            "copy on chrY": is_copy.sum(),
            "id seen before, mean taken": len(genes) - len(means),
        },
    )


def _refuse_no_amount(table: pd.DataFrame, columns: Sequence[str], unit: str) -> None:
    values = table[list(columns)]
    refuse_first(~(np.isfinite(values) & (values >= 0)).all(axis=1), table["gene_id"], f"has no {unit} of 0 or more")
