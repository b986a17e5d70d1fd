"""Genes of two species that descend from one.

In: a table of gene ids of both, as a user writes it or Ensembl's BioMart exports it. Out: one row per pair of genes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .annotation import without_version
from .table import checked, numbered_lines, read_table, reading, split_fields

# gene_id, mouse_gene_id; "Gene stable ID", "Mouse gene stable ID version" of BioMart, "Ensembl Gene ID" of its old releases;
# ensembl_gene_id and mmusculus_homolog_ensembl_gene of biomaRt. The group is the species.
_GENE_ID = re.compile(r"(?:(.+?)[ _])??(?:(?:ensembl[ _])?gene[ _]id|gene stable id(?: version)?|homolog_ensembl_gene)", re.IGNORECASE)
_EXPECTED = "a table of genes of two species, CSV or TSV, with the columns gene_id and mouse_gene_id or as BioMart names them"


def read_orthologues(path: Path) -> pd.DataFrame:
    """Read pairs of orthologous genes: a column of gene ids for each of two species, CSV or TSV, plain or packed.

    The species whose column has no name of a species in its header is the first; where both have one, the one that stands
    first. Further columns are left out.

    Returns
    -------
    DataFrame
        gene_id and other_gene_id, of the first and the second species, Ensembl's without version; each pair once, in the order
        of the file. A gene may stand in several pairs: attrs["several"] counts those of either species that do. Rows without
        an id of both are dropped and counted.

    Raises
    ------
    InputError
        The file is damaged, has no ids of two species, or no pair.
    """
    with reading(path, _EXPECTED, way_out="correct the table or fetch it again"):
        _, header = next(numbered_lines(path), (1, ""))
        sep = "\t" if "\t" in header else ","
        names = _columns_of(split_fields(header.rstrip(), sep, 1))
        text = read_table(path, dict.fromkeys(names, str), sep=sep, has_header=True).set_axis(["gene_id", "other_gene_id"], axis=1)
        ids = text.apply(lambda column: without_version(column.str.strip()))
        is_pair = (ids != "").all(axis=1)
        if not is_pair.any():
            raise ValueError("holds no gene with an orthologue")
        repeated = ids[is_pair].duplicated()
    pairs = checked(ids[is_pair][~repeated], {"no orthologue": (~is_pair).sum(), "pair seen before": repeated.sum()})
    pairs.attrs["several"] = {name: int((pairs[name].value_counts() > 1).sum()) for name in pairs}
    return pairs


def _columns_of(header: Sequence[str]) -> list[str]:
    """Names of the columns with gene ids of the first and of the second species; a ValueError where they are not of two."""
    found: dict[str, str] = {}  # species, "" where none is named -> its first column, before others such as ids with version
    for name in header:
        if match := _GENE_ID.fullmatch(name.strip()):
            found.setdefault((match[1] or "").lower(), name)
    if len(found) != 2:
        raise ValueError(f"has gene ids of {len(found)} species, not two, in columns {', '.join(header)[:100] or 'without names'}")
    return sorted(found.values(), key=lambda name: name != found.get(""))
