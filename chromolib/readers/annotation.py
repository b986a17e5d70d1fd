"""Genes and transcripts: where they lie and what they are called.

In: tables of UCSC, Ensembl and GENCODE. Out: one row per transcript or gene; positions in bp, 0-based, end excluded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome
from .table import as_numbers, checked, chrom_sizes, numbered_lines, parse_table, read_table, reading, refuse_first

# What counts as the TSS. first-base: start on "+", end - 1 on "-". base-before: the one upstream of it.
TssRule = Literal["first-base", "base-before"]


def read_transcripts(path: Path, genome: Genome, *, tss_rule: TssRule = "base-before") -> pd.DataFrame:
    """Read UCSC's refGene table, dumped from the database or exported with its "#bin" header.

    Returns
    -------
    DataFrame
        transcript, chrom, strand, start, end, symbol, and tss by `tss_rule`: the release takes the base before the
        transcript for human genes.
    """
    types = {"transcript": str, "chrom": str, "strand": str, "start": int, "end": int, "symbol": str}
    with reading(path, "refGene: 16 columns, the strand in the fourth"):
        table = read_table(path, types, positions=(1, 2, 3, 4, 5, 12), skip=("#",))
        refuse_first(~table["strand"].isin(["+", "-"]), table["transcript"], "has a strand other than + and -")
    return _with_tss(path, table, genome, tss_rule, {})


def read_gtf(
    path: Path, genome: Genome, *, biotype: str | None = "protein_coding", tss_rule: TssRule = "first-base"
) -> pd.DataFrame:
    """Read the transcripts of a GTF file of GENCODE or Ensembl, plain or gzip.

    Chromosomes have to be named as `genome` names them: Ensembl's "1" is no "chr1".

    Parameters
    ----------
    biotype : str, optional
        Keep transcripts of genes of this gene_type (GENCODE) or gene_biotype (Ensembl). None: of all genes.

    Returns
    -------
    DataFrame
        The columns of `read_transcripts` and gene_id; Ensembl's ids without their version. A gene without a name has
        its id as symbol. The TSS by `tss_rule`: the release takes the true first base for mouse genes. Rows are in the
        order of the file, copies of genes on chrY (_PAR_Y) among them under the id of the original.
    """
    types = {"chrom": str, "first": int, "last": int, "strand": str, "attributes": str}
    with reading(path, 'GTF: 9 columns, transcripts among the features, attributes as key "value";'):
        table = parse_table(_lines_of(path, "transcript"), types, positions=(0, 3, 4, 6, 8))
        refuse_first(~table["strand"].isin(["+", "-"]), table["chrom"], "has a strand other than + and -")
        refuse_first(
            (table["first"] < 1) | (table["last"] < table["first"]), table["chrom"], "is not 1 <= start <= end"
        )
        text = table["attributes"]
        kind = _attribute(text, "gene_type").fillna(_attribute(text, "gene_biotype"))
        is_wanted = pd.Series(True, index=table.index)
        if biotype is not None:
            is_bare = kind.isna()
            if is_bare.any() and (is_bare := is_bare & _attribute(text, "transcript_id").notna()).any():  # as NCBI, StringTie and UCSC write it
                row = is_bare.idxmax()
                raise InputError(
                    f"{path}: line {row:,}, {text[row][:60]}, has neither gene_type nor gene_biotype, expected one that tells genes that are {biotype}; "
                    "write `rules: {biotype: null}` into the profile for genes of all kinds, or take the GTF of GENCODE or Ensembl"
                )
            refuse_first(kind.isna(), text, "has neither gene_type nor gene_biotype")
            is_wanted = kind == biotype
        table, text = table[is_wanted], text[is_wanted]
        if table.empty:
            raise ValueError(f"holds no transcripts of {biotype} genes, found {', '.join(sorted(set(kind))[:5])}")
        ids = {key: _attribute(text, key) for key in ("transcript_id", "gene_id")}
        for key, column in ids.items():
            refuse_first(column.isna(), text, f"has no {key}")
    gene_id = without_version(ids["gene_id"])
    symbol = _attribute(text, "gene_name")
    found = pd.DataFrame({
        "transcript": without_version(ids["transcript_id"]),
        "chrom": table["chrom"],
        "strand": table["strand"],
        "start": table["first"] - 1,
        "end": table["last"],
        "symbol": symbol.where(symbol.notna() & (symbol != ""), gene_id),
        "gene_id": gene_id,
    })  # fmt: skip
    return _with_tss(path, found, genome, tss_rule, {f"gene is not {biotype}": (~is_wanted).sum()})


def _lines_of(path: Path, feature: str) -> Iterator[tuple[int, str]]:
    """Lines of a GTF file of one feature: transcripts are a tenth of a file of 1.5 million."""
    for number, line in numbered_lines(path):
        if line.startswith("#"):
            continue
        fields = line.split("\t", 3)
        if len(fields) < 4:
            raise ValueError(f"line {number:,}, {line[:40]}, has {len(fields)} fields, not 9")
        if fields[2] == feature:
            yield number, line


def _attribute(text: pd.Series, key: str) -> pd.Series:
    """The first value of a key in the attributes of each row, missing where there is none."""
    return text.str.extract(rf'(?:^|;)\s*{key} "([^"]*)"', expand=False)


def read_exons(path: Path, form: Literal["refgene", "gtf"], symbol: str) -> pd.DataFrame:
    """Read the exons of one gene from UCSC's refGene table or a GTF file, whatever its biotype.

    Parameters
    ----------
    symbol : str
        As the tables of transcripts call it; of a GTF also the id of a gene without a name.

    Returns
    -------
    DataFrame
        transcript, chrom, start, end; no rows where the file has no such gene.
    """
    with reading(path, f"{form} with the exons of each transcript"):
        found = _refgene_exons(path, symbol) if form == "refgene" else _gtf_exons(path, symbol)
        wrong = (found["start"] < 0) | (found["end"] <= found["start"])
        refuse_first(wrong, found["transcript"], "has an exon that is not 0 <= start < end", unit="exon")
    return found


def _refgene_exons(path: Path, symbol: str) -> pd.DataFrame:
    rows = []
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if line.startswith("#") or symbol not in fields[12:13]:
            continue
        starts, ends = (field.rstrip(",").split(",") for field in fields[9:11])
        if len(starts) != len(ends):
            raise ValueError(f"line {number:,}, {fields[1]}, has {len(starts)} starts of exons and {len(ends)} ends")
        rows += [(fields[1], fields[2], start, end) for start, end in zip(starts, ends, strict=True)]
    table = pd.DataFrame(rows, columns=["transcript", "chrom", "start", "end"])
    return table.assign(start=as_numbers(table["start"], int), end=as_numbers(table["end"], int))


def _gtf_exons(path: Path, symbol: str) -> pd.DataFrame:
    rows = [line.split("\t") for _, line in _lines_of(path, "exon") if f'"{symbol}' in line]
    table = pd.DataFrame([[row[i] for i in (0, 3, 4, 8)] for row in rows], columns=["chrom", "start", "end", "text"], dtype="str")
    ids = {name: _attribute(table["text"], name) for name in ("gene_id", "gene_name", "transcript_id")}
    is_gene = (ids["gene_name"] == symbol) | (without_version(ids["gene_id"]) == symbol)
    table = table.assign(transcript=without_version(ids["transcript_id"]))[is_gene].reset_index(drop=True)
    table = table.assign(start=as_numbers(table["start"], int) - 1, end=as_numbers(table["end"], int))
    return table[["transcript", "chrom", "start", "end"]]


def read_gene_info(path: Path) -> pd.DataFrame:
    """Read Roadmap's table of Ensembl genes (no header, ragged, plain or gzip).

    Returns
    -------
    DataFrame
        gene_id, symbol, and where the gene lies: chrom as UCSC names it, start, end, strand, and biotype. So
        `transcription_start` of a gene is what to fall back on where its transcripts are unknown. Place and strand are
        missing where a row has no such values; attrs["without place"] counts those rows.
    """
    with reading(path, "Ensembl genes: id, chromosome, start, end, strand (1 or -1), biotype, symbol"):
        rows = {number: line.split("\t") for number, line in numbered_lines(path)}
        if not rows:
            raise ValueError("it is empty")
        for number, row in rows.items():
            if len(row) < 6:
                raise ValueError(f"line {number:,}, {row[0][:40]}, has {len(row)} fields")
        columns = ["gene_id", "chrom", "start", "end", "strand", "biotype", "symbol"]
        table = pd.DataFrame([(*row, "")[:7] for row in rows.values()], columns=columns, index=list(rows), dtype="str")
        table = table.apply(lambda column: column.str.strip())
        first, last = (pd.to_numeric(table[name], errors="coerce") for name in ("start", "end"))
        strand = table["strand"].map({"1": "+", "-1": "-"})
        is_whole = (first % 1 == 0) & (last % 1 == 0) & (last < 2**53)
        is_placed = is_whole & (first >= 1) & (last >= first) & strand.notna() & (table["chrom"] != "")
        if not is_placed.any():
            raise ValueError(f"line {table.index[0]:,}, {table['gene_id'].iloc[0][:40]}, and all others have no place")
    chrom = table["chrom"].replace("MT", "M").str.replace(r"^(\d+|[XYM])$", r"chr\1", regex=True)
    table = table.assign(
        chrom=chrom.where(is_placed),
        start=(first - 1).where(is_placed).astype("Int64"),
        end=last.where(is_placed).astype("Int64"),
        strand=strand.where(is_placed),
    )[["gene_id", "symbol", "chrom", "start", "end", "strand", "biotype"]]
    nameless = table["symbol"] == ""
    repeated = table["gene_id"].duplicated() & ~nameless
    is_kept = ~nameless & ~repeated
    found = checked(table[is_kept], {"no symbol": nameless.sum(), "id seen before": repeated.sum()})
    found.attrs["without place"] = int((is_kept & ~is_placed).sum())
    return found


def without_version(ids: pd.Series) -> pd.Series:
    """Ensembl's ids without what follows the dot: "ENSG00000182378.14_PAR_Y" is ENSG00000182378; others as they are."""
    return ids.str.replace(r"^(ENS[A-Z]*\d+)\.\d.*$", r"\1", regex=True)


def transcription_start(table: pd.DataFrame, rule: TssRule) -> pd.Series:
    """TSS of each row (start, end, strand) by one of two rules: the first base, or the base before it.

    Source: the release's table of human TSSs has the base before, its script for mouse the first.
    """
    if rule not in get_args(TssRule):
        raise InputError(f"tss_rule={rule!r}, expected one of {', '.join(get_args(TssRule))}")
    first = table["start"].where(table["strand"] == "+", table["end"] - 1)
    step = np.where(table["strand"] == "+", -1, 1)
    return first if rule == "first-base" else first + step


def _with_tss(path: Path, table: pd.DataFrame, genome: Genome, rule: TssRule, dropped: dict[str, int]) -> pd.DataFrame:
    """Transcripts with their TSS where the genome has it."""
    table = table.assign(tss=transcription_start(table, rule))
    size = chrom_sizes(path, table["chrom"], genome)
    has_tss = (table["tss"] >= 0) & (table["tss"] < size)
    off = {f"contig not in {genome.name}": (size == 0).sum(), "TSS off its chromosome": ((size > 0) & ~has_tss).sum()}
    return checked(table[has_tss], dropped | off)
