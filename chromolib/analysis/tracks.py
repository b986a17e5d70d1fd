"""One gene as a browser shows it and as the network reads it.

In: a dataset and a gene. Out: tidy tables; positions in bp of the genome or of the window, depth in reads per bp.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..config import InputError
from ..dataset import GeneDataset
from ..genome import Region

GAP_BP = 2000  # between the regions of a gene in a figure, whatever their distance on the chromosome


def find_gene(data: GeneDataset, gene: str) -> pd.Series:
    """The row of `data.genes` with this gene id or symbol; its name is the gene's position."""
    genes = data.genes
    found = genes[(genes["gene_id"] == gene) | (genes["symbol"] == gene)]
    if len(found) != 1:
        raise InputError(f"{data.cell_type}: gene {gene!r} found {len(found)} times among {len(genes):,}, expected once; data.genes lists them")
    return found.iloc[0]


def offsets(n_bins: int, bin_bp: int) -> np.ndarray:
    """Middle of each bin of a window, in bp from the TSS, which is where the middle bin begins."""
    return (np.arange(n_bins) - n_bins // 2 + 0.5) * bin_bp


def gene_regions(data: GeneDataset, gene: str) -> pd.DataFrame:
    """The promoter window of a gene and its pCREs, strongest contact first.

    Returns
    -------
    DataFrame
        what (promoter, pCRE), region, start, end (bp), contact (NaN for the promoter), distance (bp from the TSS to the middle,
        signed in the direction of the genome)
        x_start, x_end: where a figure puts the region, bp from the first; what lies between regions shrinks to GAP_BP
    """
    row = find_gene(data, gene)
    gene_pcre, contact = (values[0] for values in data.select(genes=[row["gene_id"]]).touching())
    names = data.store["region"].values[gene_pcre[contact > 0]]
    half = data.frame_bp // 2
    regions = [Region(row["chrom"], row["tss"] - half, row["tss"] + half), *map(Region.parse, names)]
    table = pd.DataFrame(
        {
            "what": ["promoter"] + ["pCRE"] * len(names),
            "region": [str(region) for region in regions],
            "start": [region.start for region in regions],
            "end": [region.end for region in regions],
            "contact": [np.nan, *contact[contact > 0]],
        }
    )
    table["distance"] = (table["start"] + table["end"]) // 2 - row["tss"]
    return table.assign(x_start=_squeezed(table["start"], table), x_end=_squeezed(table["end"], table))


def gene_tracks(data: GeneDataset, gene: str) -> pd.DataFrame:
    """Mean depth of a gene's promoter window and pCREs in the narrowest bins of the store.

    Returns
    -------
    DataFrame
        region (as in `gene_regions`), mark, position (bp, middle of the bin), x (where a figure puts it), depth
    """
    regions = gene_regions(data, gene)
    store = data.store.sel(mark=list(data.marks))
    base_bp, row = int(store.attrs["base_bp"]), store["pcre_row"].values
    tables = []
    for region in regions.itertuples():
        if region.what == "promoter":
            depth = store["promoter"].sel(gene_id=find_gene(data, gene)["gene_id"]).values     # (l, m)
        else:
            pcre = store.indexes["region"].get_loc(region.region)
            depth = store["pcre_depth"].values[row[pcre] : row[pcre + 1]]
        start = region.start + base_bp * np.arange(len(depth))
        position = (start + np.minimum(start + base_bp, region.end)) / 2                    # the last bin may be short
        table = pd.DataFrame(depth, columns=list(data.marks)).assign(region=region.region, position=position)
        tables.append(table.assign(x=_squeezed(position, regions)))
    table = pd.concat(tables).melt(["region", "position", "x"], var_name="mark", value_name="depth")
    return table[["region", "mark", "position", "x", "depth"]]


class Locus(NamedTuple):
    """One gene in one cell type, as `plots.plot_loci` draws it."""

    cell_type: str
    strand: str
    regions: pd.DataFrame    # from `gene_regions`
    tracks: pd.DataFrame     # from `gene_tracks`


def loci(data: Mapping[str, GeneDataset], genes: Iterable[str]) -> list[Locus]:
    """Each of these genes in each of these cell types."""
    return [
        Locus(cell_type, find_gene(held, gene)["strand"], gene_regions(held, gene), gene_tracks(held, gene))
        for gene in genes for cell_type, held in data.items()
    ]  # fmt: skip


def together(loci: Iterable[Locus]) -> pd.DataFrame:
    """Tracks of loci in one table: cell_type, then as `gene_tracks`; no rows of none."""
    tables = [locus.tracks.assign(cell_type=locus.cell_type) for locus in loci]
    columns = ["cell_type", "region", "mark", "position", "x", "depth"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _squeezed(position: np.ndarray | pd.Series, regions: pd.DataFrame) -> np.ndarray:
    """Where a position lies on an axis that has all regions at their width, and GAP_BP between those that do not touch."""
    ordered = regions.sort_values("start")
    reach = ordered["end"].cummax().to_numpy()
    is_first = np.append(True, ordered["start"].to_numpy()[1:] > reach[:-1])                # of regions that overlap or touch
    starts = ordered["start"].to_numpy()[is_first]
    ends = np.append(reach[:-1][is_first[1:]], reach[-1])
    gap = np.minimum(np.append(starts[1:] - ends[:-1], 0), GAP_BP)                          # behind each stretch
    x_start = np.append(0, np.cumsum(ends - starts + gap)[:-1])
    knots, places = np.stack([starts, ends], 1), np.stack([x_start, x_start + ends - starts], 1)
    return np.interp(position, knots.ravel(), places.ravel())


def network_input(data: GeneDataset, gene: str) -> pd.DataFrame:
    """The promoter as the network reads it: bin_bp, mark, offset (bp from the TSS, downstream positive), signal."""
    tables = []
    for bin_bp, signal in data.batch([find_gene(data, gene).name]).promoter.items():
        signal = signal[0].cpu().numpy()                       # (l, m)
        table = pd.DataFrame(signal, index=offsets(len(signal), bin_bp), columns=list(data.marks)).rename_axis("offset").reset_index()
        tables.append(table.melt("offset", var_name="mark", value_name="signal").assign(bin_bp=bin_bp))
    return pd.concat(tables, ignore_index=True)[["bin_bp", "mark", "offset", "signal"]]


def example_gene(data: GeneDataset, gene: str | None = None) -> pd.Series:
    """The row of `gene`, or where none is named, of the most expressed gene among those with most pCREs."""
    if gene:
        return find_gene(data, gene)
    genes = _with_n_pcres(data)
    return genes.sort_values(["n_pcres", "expression"], ascending=False, kind="stable").iloc[0].drop("n_pcres")


def _with_n_pcres(data: GeneDataset) -> pd.DataFrame:
    """The genes with the number of pCREs that the store has of each."""
    n_pcres = (data.store["gene_pcre"] >= 0).sum("rank").sel(gene_id=data.genes["gene_id"].tolist()).values
    return data.genes.assign(n_pcres=n_pcres)


def folds(data: GeneDataset) -> pd.DataFrame:
    """The cross-validation folds: fold, chromosomes, genes, share_on, share_with_pcres, pcres_per_gene."""
    genes = _with_n_pcres(data)
    by_fold = genes.groupby("fold")
    return pd.DataFrame(
        {
            "chromosomes": by_fold["chrom"].unique().map(" ".join),
            "genes": by_fold.size(),
            "share_on": by_fold["label"].mean(),
            "share_with_pcres": by_fold["n_pcres"].agg(lambda n: (n > 0).mean()),
            "pcres_per_gene": by_fold["n_pcres"].mean(),
        }
    ).reset_index()


def mean_by_label(data: GeneDataset, bin_bp: int) -> pd.DataFrame:
    """Mean signal around the TSS of genes that are on and off: mark, label, offset (bp, downstream positive), mean, low,
    high (95 % interval of the mean), n."""
    signal = data.batch(range(len(data))).promoter[bin_bp].cpu().numpy()       # (gene, l, m)
    return means_by_label(signal, data.genes["label"], offsets(signal.shape[1], bin_bp), data.marks)


def means_by_label(values: np.ndarray, labels: pd.Series, offset: np.ndarray, marks: Sequence[str]) -> pd.DataFrame:
    """Mean over genes that are on and off of any values along their promoters, (gene, l, m): columns as in `mean_by_label`."""
    tables = []
    for label, name in ((1, "on"), (0, "off")):
        part = values[(labels == label).to_numpy()]
        mean, half = part.mean(0), 1.96 * part.std(0, ddof=1) / np.sqrt(len(part))
        for k, mark in enumerate(marks):
            tables.append(pd.DataFrame({"mark": mark, "label": name, "offset": offset, "mean": mean[:, k],
                                        "low": (mean - half)[:, k], "high": (mean + half)[:, k], "n": len(part)}))  # fmt: skip
    return pd.concat(tables, ignore_index=True)
