"""Sets of genes for enrichment.

In: a library of Enrichr or MSigDB as GMT. Out: one row per term and gene symbol.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .table import checked, numbered_lines, reading


def read_gene_sets(path: Path) -> pd.DataFrame:
    """Read a GMT file: term, description, and genes, of which some libraries write a weight behind a comma.

    Returns
    -------
    DataFrame
        term and gene, in the order of the file, each gene of a term once; the sets are
        `table.groupby("term")["gene"].agg(list)`.

    Raises
    ------
    InputError
        The file is damaged, a line has no genes, or two lines have one term.
    """
    rows: list[tuple[str, str]] = []
    terms: dict[str, int] = {}
    n_empty = 0
    with reading(path, "GMT: term, description, genes, separated by TABs"):
        for number, line in numbered_lines(path):
            term, *rest = line.split("\t")
            genes = [gene.partition(",")[0].strip() for gene in rest[1:]]
            if not term.strip() or not any(genes):
                raise ValueError(f"line {number:,}, {term[:40]!r}, has no {'genes' if term.strip() else 'term'}")
            if term in terms:
                raise ValueError(f"line {number:,}, {term[:40]!r}, stands in line {terms[term]:,} too")
            terms[term] = number
            rows += [(term, gene) for gene in genes if gene]
            n_empty += genes.count("")
        if not rows:
            raise ValueError("it is empty")
    table = pd.DataFrame(rows, columns=["term", "gene"], dtype="str")
    repeated = table.duplicated()
    return checked(table[~repeated], {"empty gene": n_empty, "gene seen before in its term": repeated.sum()})
