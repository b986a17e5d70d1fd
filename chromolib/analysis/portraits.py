"""A few genes in full, for a reader to choose from: what lies around each, and what networks that did not train on it make of it.

In: networks, and tables of predictions and contributions. Out: tidy tables, small enough for a page; depth in reads per bp,
positions in bp, attention over even.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from .. import answers
from ..config import InputError
from ..dataset import GeneDataset
from ..model import Chromoformer
from ..runs import Run
from . import rankings, tracks

N_GENES = 12
BIN_BP = 400    # of tracks: narrower ones would not be told apart on a screen
GENE = ["gene_id", "symbol", "chrom", "tss", "strand", "label", "fold"]


class Portraits(NamedTuple):
    """Tables of some genes of one cell type, in one order. `x` of any table is where a figure puts a position, as in
    `tracks.gene_regions`."""

    genes: pd.DataFrame      # gene_id, symbol, chrom, tss, strand, label, fold, measured, predicted (log2(RPKM + 1))
    regions: pd.DataFrame    # gene_id, then as tracks.gene_regions, contribution (log2(RPKM + 1); NaN of promoters and unasked pCREs)
    tracks: pd.DataFrame     # gene_id, region, mark, x_start, x_end, depth
    attention: pd.DataFrame  # gene_id, bin_bp, offset, x_start, x_end, attention (of the TSS bin, mean of heads)


def choose(data: GeneDataset, contributions: pd.DataFrame, n_genes: int = N_GENES) -> list[str]:
    """Ids of genes worth a look: of each label half, those with the largest contribution of a pCRE, without sign; where there are no
    contributions, the most expressed and the least."""
    genes = data.genes
    size = contributions.groupby("gene_id")["contribution"].agg(lambda found: found.abs().max())
    size = genes["gene_id"].map(size) if len(size) else (genes["expression"] - genes["expression"].median()).abs()
    ranked = genes.assign(size=size).dropna(subset="size").sort_values("size", ascending=False, kind="stable")
    chosen = ranked.groupby("label", sort=False).head((n_genes + 1) // 2).head(n_genes)
    return chosen.sort_values(["label", "symbol"], ascending=[False, True], kind="stable")["gene_id"].tolist()


def of_genes(data: GeneDataset, runs: Iterable[Run], predicted: pd.Series, contributions: pd.DataFrame, genes: Iterable[str]) -> Portraits:
    """Portraits of genes by their ids.

    Parameters
    ----------
    data : GeneDataset
        One cell type, task reg or clf.
    runs : Run
        One for each fold of the genes; those of other cell types are passed over.
    predicted : Series
        Predicted log2(RPKM + 1) by gene id, of networks that did not train on the gene; NaN where there is none.
    contributions : DataFrame
        gene_id, region, contribution, from `rankings.predicted`.

    Raises
    ------
    InputError
        A gene is not in the data, or no run holds it out.
    """
    genes = list(genes)
    regions = {gene: rankings.with_contributions(tracks.gene_regions(data, gene), contributions, gene) for gene in genes}
    depth = {gene: _tracks(data, gene, regions[gene]) for gene in genes}
    seen = {}
    for _, model, held_out in answers.networks(run for run in runs if run.cell_type == data.cell_type):
        seen |= {gene: _attention(model, held_out, gene, regions[gene]) for gene in set(genes) & set(held_out.genes["gene_id"])}
    if missing := [gene for gene in genes if gene not in seen]:
        raise InputError(f"portraits of {data.cell_type}: no run holds out gene {missing[0]!r}, expected one for each gene; choose genes of the folds that there are runs of")
    rows = data.genes.set_index("gene_id", drop=False).loc[genes].reset_index(drop=True)
    table = rows[GENE].assign(measured=np.log2(rows["expression"] + 1), predicted=rows["gene_id"].map(predicted).astype(float))
    return Portraits(table, *(_together({gene: parts[gene] for gene in genes}) for parts in (regions, depth, seen)))


def _together(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, names=["gene_id"]).reset_index("gene_id").reset_index(drop=True)


def _tracks(data: GeneDataset, gene_id: str, regions: pd.DataFrame) -> pd.DataFrame:
    """Mean depth in bins of BIN_BP from the start of each region, of which the last may be narrower."""
    table = tracks.gene_tracks(data, gene_id).merge(regions[["region", "start", "x_start", "x_end"]], on="region")
    table["bin"] = ((table["position"] - table["start"]) // BIN_BP).astype(int)
    pooled = table.groupby(["region", "mark", "bin"], sort=False).agg(depth=("depth", "mean"), x_start=("x_start", "first"), x_end=("x_end", "first"))
    pooled = pooled.reset_index()
    start = pooled["x_start"] + BIN_BP * pooled["bin"]
    pooled = pooled.assign(x_start=start, x_end=np.minimum(start + BIN_BP, pooled["x_end"]))
    return pooled[["region", "mark", "x_start", "x_end", "depth"]]


def _attention(model: Chromoformer, held_out: GeneDataset, gene_id: str, regions: pd.DataFrame) -> pd.DataFrame:
    """Attention that the bin of the TSS pays to each bin of the promoter window, at each bin width."""
    row = tracks.find_gene(held_out, gene_id)
    found = model.tss_attention(held_out.select(max_pcres=0).batch([row.name]))
    tss = (regions["x_start"].iloc[0] + regions["x_end"].iloc[0]) / 2
    parts = []
    for bin_bp, paid in found.items():
        weight = paid.weight[0].mean(0).cpu().numpy()                              # (l,)
        n_bins = len(weight)
        offset = tracks.offsets(n_bins, bin_bp)
        middle = tss + offset * (-1 if row["strand"] == "-" else 1)
        parts.append(pd.DataFrame({"bin_bp": bin_bp, "offset": offset, "x_start": middle - bin_bp / 2, "x_end": middle + bin_bp / 2, "attention": weight * n_bins}))
    return pd.concat(parts, ignore_index=True).sort_values(["bin_bp", "x_start"], ignore_index=True)
