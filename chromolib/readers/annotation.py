"""Genes and transcripts: where they lie and what they are called.

In: tables of UCSC and Ensembl. Out: one row per transcript or gene; positions in bp, 0-based, end excluded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..genome import Genome
from .table import checked, compression, read_csv, read_lines, reading


def read_transcripts(path: Path, genome: Genome) -> pd.DataFrame:
    """Read UCSC's refGene table, dumped from the database or exported with its "#bin" header.

    Returns
    -------
    DataFrame
        transcript, chrom, strand, start, end, symbol, and tss: the base before the transcript as the release counts it,
        start - 1 on "+" and end on "-".
    """
    names = {1: "transcript", 2: "chrom", 3: "strand", 4: "start", 5: "end", 12: "symbol"}
    with reading(path, "refGene: 16 columns, the strand in the fourth"):
        table = read_csv(
            path,
            sep="\t",
            header=None,
            comment="#",
            usecols=list(names),
            names=range(16),
            dtype={4: np.int64, 5: np.int64},
            keep_default_na=False,
            compression=compression(path),
        )
        table = table.rename(columns=names)
        if table.empty:
            raise ValueError("holds no transcripts")
        wrong = ~table["strand"].isin(["+", "-"]) | (table["start"] < 0) | (table["end"] <= table["start"])
        if wrong.any():
            row = table[wrong].iloc[0]
            raise ValueError(f"{row.transcript} lies at {row.chrom}:{row.start}-{row.end} on strand {row.strand!r}")
    table["tss"] = np.where(table["strand"] == "+", table["start"] - 1, table["end"])
    size = table["chrom"].map(genome.sizes).astype(float).fillna(0)
    on_genome, has_tss = size > 0, (table["tss"] >= 0) & (table["tss"] < size)
    return checked(
        table[has_tss],
        {f"contig not in {genome.name}": (~on_genome).sum(), "TSS off its chromosome": (on_genome & ~has_tss).sum()},
    )


def read_gene_info(path: Path) -> pd.DataFrame:
    """Read Roadmap's table of Ensembl genes (no header, ragged, plain or gzip): gene_id and symbol."""
    with reading(path, "Ensembl genes: the id in the first field, the symbol in the seventh"):
        rows = [line.rstrip().split("\t") for line in read_lines(path) if line.strip()]
        if not rows or any(len(row) < 6 for row in rows):
            short = next((row for row in rows if len(row) < 6), [""])
            raise ValueError(f"{short[0][:40]!r} has {len(short)} fields" if rows else "it is empty")
    pairs = [(row[0], row[6].strip() if len(row) > 6 else "") for row in rows]
    table = pd.DataFrame(pairs, columns=["gene_id", "symbol"])
    nameless = table["symbol"] == ""
    repeated = table["gene_id"].duplicated() & ~nameless
    return checked(table[~nameless & ~repeated], {"no symbol": nameless.sum(), "id seen before": repeated.sum()})
