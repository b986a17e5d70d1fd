"""Files that genome browsers open: BED, BEDPE, UCSC's interact and bigWig.

In: tidy tables with positions in bp, 0-based, end excluded. Out: files, whole or not there, sorted, inside of their chromosomes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from .config import InputError
from .depth import Intervals, write_intervals
from .files import write_whole
from .genome import Genome, spans

RAISES, LOWERS = "213,94,0", "0,114,178"  # colours of what raises expression and what lowers it, as in figures
BED = ["chrom", "start", "end", "name", "score", "strand", "thick_start", "thick_end", "colour"]
BEDPE = ["chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score", "strand1", "strand2", "colour"]
TRACKS = ("predictions.bed", "contributions.bed", "contributions.bedpe", "contributions.interact", "attribution.bw")  # all that write_tracks makes
TOP = 1000         # the highest score of BED
HALF_BP = 1000     # of the mark of a gene, on either side of its TSS


# Tables for browsers


def gene_bed(genes: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """A row for each gene that has a value: HALF_BP on either side of its TSS, coloured by the value's sign, named
    by its symbol or, where it has none, its id.

    Parameters
    ----------
    genes : DataFrame
        gene_id, symbol, chrom, tss, strand, as `data.genes`.
    values : Series
        By gene id: predictions, changes, PCRI, ... of one cell type.

    Returns
    -------
    DataFrame
        The columns of BED9, `score` as `scores` makes it of all values together, and value.

    Raises
    ------
    InputError
        Several values of a gene.
    """
    if (again := values.index.duplicated()).any():
        raise InputError(f"gene_bed: found {again.sum()} values of genes that have one, first {values.index[again][0]}; expected one value per gene; take those of one cell type")
    values = values.dropna()
    table = genes[genes["gene_id"].isin(values.index)]
    value = table["gene_id"].map(values).to_numpy(float)
    start, end = table["tss"] - HALF_BP, table["tss"] + HALF_BP
    return _bed(table["chrom"], start, end, _names(table), value, strand=table["strand"])


def region_bed(pairs: pd.DataFrame, values: str) -> pd.DataFrame:
    """A row for each gene and region (gene_id, region), named after the gene, with column `values` as value; else as `gene_bed`."""
    where = spans(pairs["region"])
    return _bed(where["chrom"], where["start"], where["end"], pairs["gene_id"], pairs[values].to_numpy(float))


def links(genes: pd.DataFrame, pairs: pd.DataFrame, values: str) -> pd.DataFrame:
    """A link from each gene's TSS to each of its regions: columns of BEDPE, and value. Pairs of other genes are left out."""
    pairs = pairs[pairs["gene_id"].isin(genes["gene_id"])].reset_index(drop=True)
    own = genes.set_index("gene_id", drop=False).loc[pairs["gene_id"]].reset_index(drop=True)
    where, value = spans(pairs["region"]), pairs[values].to_numpy(float)
    return pd.DataFrame(
        {
            "chrom1": own["chrom"], "start1": own["tss"], "end1": own["tss"] + 1,
            "chrom2": where["chrom"], "start2": where["start"], "end2": where["end"],
            "name": _names(own), "score": scores(value), "strand1": own["strand"], "strand2": ".",
            "colour": _colours(value), "value": value,
        }
    )  # fmt: skip


def scores(values: np.ndarray) -> np.ndarray:
    """0 to 1000, by size without sign; the largest is 1000, and all are 0 where all values are."""
    top = np.nanmax(np.abs(values), initial=0.0)
    return np.round(TOP * np.nan_to_num(np.abs(values)) / top).astype(int) if top > 0 else np.zeros(len(values), int)


def _bed(chrom: Iterable, start: Iterable, end: Iterable, name: Iterable, value: np.ndarray, strand: Iterable | str = ".") -> pd.DataFrame:
    table = pd.DataFrame({"chrom": chrom, "start": start, "end": end, "name": name}).assign(
        score=scores(value), strand=strand, thick_start=start, thick_end=end, colour=_colours(value), value=value
    )
    return table.reset_index(drop=True)


def _names(genes: pd.DataFrame) -> pd.Series:
    has_symbol = genes["symbol"].fillna("").astype(str).str.strip() != ""
    return genes["symbol"].where(has_symbol, genes["gene_id"])


def _colours(value: np.ndarray) -> np.ndarray:
    return np.where(value < 0, LOWERS, RAISES)


# Files


def write_bed(path: Path, table: pd.DataFrame, genome: Genome, *, name: str, description: str) -> None:
    """Write BED9 under a line that names the track, for IGV and the UCSC browser alike; ends past a chromosome are cut.

    Raises
    ------
    InputError
        A chromosome that the genome does not have, or a row outside of its chromosome.
    """
    table = _inside(path, table[BED], genome, "chrom", "start", "end")
    table = table.assign(thick_start=table["start"], thick_end=table["end"], name=_words(table["name"]))
    header = f'track name="{_quoted(name)}" description="{_quoted(description)}" itemRgb="On" useScore=0\n'
    _write_text(path, header, table.sort_values(["chrom", "start", "end"], kind="stable"))


def write_bedpe(path: Path, table: pd.DataFrame, genome: Genome) -> None:
    """Write BEDPE under a line of column names, for IGV; the UCSC browser does not read it, see `write_interact`. Errors as
    `write_bed`."""
    table = _links_inside(path, table, genome)[BEDPE]
    _write_text(path, "#" + "\t".join([*BEDPE[:-1], "color"]) + "\n", table.sort_values(["chrom1", "start1", "start2"], kind="stable"))


def write_interact(path: Path, table: pd.DataFrame, genome: Genome, *, name: str, description: str) -> None:
    """Write links, as `links` makes them, in UCSC's format interact, which only its browser and IGV read. Links between
    chromosomes stand at their first end, as the format asks for. Errors as `write_bed`."""
    table = _links_inside(path, table, genome)
    is_one = table["chrom1"] == table["chrom2"]
    rows = pd.DataFrame(
        {
            "chrom": table["chrom1"],
            "start": np.where(is_one, table[["start1", "start2"]].min(axis=1), table["start1"]),
            "end": np.where(is_one, table[["end1", "end2"]].max(axis=1), table["end1"]),
            "name": table["name"], "score": table["score"], "value": table["value"].map("{:.6g}".format), "exp": ".", "colour": table["colour"],
            "source_chrom": table["chrom2"], "source_start": table["start2"], "source_end": table["end2"],
            "source_name": ".", "source_strand": table["strand2"],
            "target_chrom": table["chrom1"], "target_start": table["start1"], "target_end": table["end1"],
            "target_name": table["name"], "target_strand": table["strand1"],
        }
    )  # fmt: skip
    header = f'track type=interact name="{_quoted(name)}" description="{_quoted(description)}" interactDirectional=true\n'
    _write_text(path, header, rows.sort_values(["chrom", "start", "end"], kind="stable"))


def write_bigwig(path: Path, table: pd.DataFrame, genome: Genome) -> None:
    """Write a bigWig of chrom, start, end, value; where rows overlap, as windows of neighbouring genes do, their mean counts.

    Errors as `write_bed`; also a value that is no number, or a table without rows, of which there is no bigWig.
    """
    if table.empty or not np.isfinite(table["value"]).all():
        found = f"{(~np.isfinite(table['value'])).sum()} values that are no number" if len(table) else "no rows"
        raise InputError(f"{path}: found {found}, expected a value for each of some bins; leave out what has none")
    table = _inside(path, table, genome, "chrom", "start", "end")
    by_chrom = table.groupby(table["chrom"].astype(str))  # in the order of the text
    write_intervals(path, ((chrom, mean_where_overlapping(part)) for chrom, part in by_chrom), genome)


def mean_where_overlapping(table: pd.DataFrame) -> Intervals:
    """Start, end and mean value of stretches that are covered by the same rows of one chromosome, in order, without overlaps."""
    edge = np.concatenate([table["start"], table["end"]]).astype(np.int64)
    one = np.ones(len(table))
    place, number = np.unique(edge, return_inverse=True)
    count, total = (
        np.cumsum(np.bincount(number, weights=np.concatenate([values, -values]), minlength=len(place)))
        for values in (one, table["value"].to_numpy(float))
    )
    is_covered = count[:-1] > 0.5
    mean = total[:-1][is_covered] / count[:-1][is_covered]
    return place[:-1][is_covered], place[1:][is_covered], mean


def _write_text(path: Path, header: str, table: pd.DataFrame) -> None:
    def write(part: Path) -> None:
        with open(part, "w", encoding="utf-8", newline="\n") as file:
            file.write(header)
            table.to_csv(file, sep="\t", header=False, index=False)

    write_whole(path, write)


def _links_inside(path: Path, table: pd.DataFrame, genome: Genome) -> pd.DataFrame:
    table = table.assign(name=_words(table["name"]))
    for end in "12":
        table = _inside(path, table, genome, f"chrom{end}", f"start{end}", f"end{end}")
    return table


def _inside(path: Path, table: pd.DataFrame, genome: Genome, chrom: str, start: str, end: str) -> pd.DataFrame:
    """Rows cut at the ends of their chromosomes; an InputError about the first that has none or lies outside."""
    size = table[chrom].map(genome.sizes).astype(float)
    for wrong, what in ((size.isna(), f"is on no chromosome of {genome.name}"), ((table[start] >= size) | (table[end] <= 0) | (table[end] <= table[start]), "lies outside of its chromosome or has no width")):
        if wrong.any():
            row = table.loc[wrong.idxmax()]
            raise InputError(f"{path}: {row[chrom]}:{row[start]}-{row[end]} {what}; expected regions of {genome.name}; is the genome another build?")
    first = table[start].clip(lower=0)
    return table.assign(**{start: first.astype(np.int64), end: np.minimum(table[end], size).astype(np.int64)})


def _words(names: pd.Series) -> pd.Series:
    """Names without blanks and TABs, which browsers would take for the next column."""
    return names.astype(str).str.replace(r"\s+", "_", regex=True)


def _quoted(text: str) -> str:
    return text.replace('"', "'")


def write_tracks(
    folder: Path, genome: Genome, genes: pd.DataFrame, predicted: pd.Series, pairs: pd.DataFrame, tracks: pd.DataFrame, *, source: str
) -> pd.DataFrame:  # fmt: skip
    """Write all that networks say of some genes for browsers, in place of what an earlier call wrote to the folder.

    Parameters
    ----------
    genes : DataFrame
        As `data.genes`.
    predicted : Series
        Prediction by gene id.
    pairs : DataFrame
        gene_id, region, contribution; files of regions and links are left out where there are none.
    tracks : DataFrame
        chrom, start, end, value: attributions.
    source : str
        What made them, for the names of tracks.

    Returns
    -------
    DataFrame
        file (in `folder`), holds, rows, opens_in
    """
    for name in TRACKS:
        (folder / name).unlink(missing_ok=True)
    made = []

    def add(name: str, holds: str, rows: int, opens_in: str = "IGV, UCSC") -> Path:
        made.append((name, holds, rows, opens_in))
        return folder / name

    bed = gene_bed(genes, predicted)
    write_bed(add("predictions.bed", "predicted expression at each TSS", len(bed)), bed, genome, name=f"{source}: predicted", description="predicted log2(RPKM + 1)")
    if len(pairs):
        bed, linked = region_bed(pairs, "contribution"), links(genes, pairs, "contribution")
        holds = "predicted contribution of each pCRE"
        write_bed(add("contributions.bed", holds, len(bed)), bed, genome, name=f"{source}: pCREs", description=holds)
        write_bedpe(add("contributions.bedpe", f"{holds}, linked to its gene", len(linked), "IGV"), linked, genome)
        write_interact(add("contributions.interact", f"{holds}, linked to its gene", len(linked), "UCSC"), linked, genome, name=f"{source}: links", description=holds)
    write_bigwig(add("attribution.bw", "attribution of each bin, all marks", len(tracks)), tracks, genome)
    return pd.DataFrame(made, columns=["file", "holds", "rows", "opens_in"])
