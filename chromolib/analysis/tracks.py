"""One gene as a browser shows it and as the network reads it.

In: a dataset and a gene. Out: tidy tables; positions in bp of the genome or of the window, depth in reads per bp.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..config import InputError
from ..dataset import GeneDataset
from ..genome import Region


def find_gene(data: GeneDataset, gene: str) -> pd.Series:
    """The row of `data.genes` with this gene id or symbol."""
    genes = data.genes
    found = genes[(genes["gene_id"] == gene) | (genes["symbol"] == gene)]
    if len(found) != 1:
        raise InputError(f"{data.cell_type}: gene {gene!r} found {len(found)} times among {len(genes):,}, expected once; data.genes lists them")
    return found.iloc[0]


def gene_tracks(data: GeneDataset, gene: str) -> pd.DataFrame:
    """Mean depth around a gene's TSS in the narrowest bins of the store: mark, position (bp, middle of the bin), depth."""
    row = find_gene(data, gene)
    depth = data.store["promoter"].sel(gene=row["gene_id"])    # (bin, mark)
    base_bp = int(data.store.attrs["base_bp"])
    position = row["tss"] - data.frame_bp // 2 + base_bp * (np.arange(depth.sizes["bin"]) + 0.5)
    table = depth.assign_coords(bin=position).rename(bin="position").to_series().rename("depth").reset_index()
    return table[["mark", "position", "depth"]].assign(mark=table["mark"].astype(str))


def gene_contacts(data: GeneDataset, gene: str) -> pd.DataFrame:
    """The pCREs of a gene, strongest contact first: region, start, end (bp), contact, distance to the TSS (bp, signed)."""
    row = find_gene(data, gene)
    store = data.store.sel(gene=row["gene_id"])
    index = store["gene_pcre"].values
    index = index[index >= 0][: data.max_pcres]
    regions = [Region.parse(name) for name in store["region"].values[index]]
    return pd.DataFrame(
        {
            "region": [str(region) for region in regions],
            "start": [region.start for region in regions],
            "end": [region.end for region in regions],
            "contact": store["contact"].values[: len(index)],
            "distance": [(region.start + region.end) // 2 - row["tss"] for region in regions],
        }
    )


def network_input(data: GeneDataset, gene: str) -> pd.DataFrame:
    """The promoter as the network reads it: bin_bp, mark, offset (bp from the TSS, downstream positive), signal."""
    row = find_gene(data, gene)
    position = data.genes.index[data.genes["gene_id"] == row["gene_id"]][0]
    tables = []
    for bin_bp, signal in data.batch([position]).promoter.items():
        signal = signal[0].cpu().numpy()                       # (l, m)
        offset = (np.arange(len(signal)) - len(signal) // 2 + 0.5) * bin_bp
        table = pd.DataFrame(signal, index=offset, columns=list(data.marks)).rename_axis("offset").reset_index()
        tables.append(table.melt("offset", var_name="mark", value_name="signal").assign(bin_bp=bin_bp))
    return pd.concat(tables, ignore_index=True)[["bin_bp", "mark", "offset", "signal"]]


def example_gene(data: GeneDataset, gene: str | None = None) -> pd.Series:
    """The row of `gene`, or where none is named, of the most expressed gene among those with most pCREs."""
    if gene:
        return find_gene(data, gene)
    n_pcres = (data.store["gene_pcre"] >= 0).sum("rank").to_series()
    genes = data.genes.assign(n_pcres=data.genes["gene_id"].map(n_pcres))
    return genes.sort_values(["n_pcres", "expression"], ascending=False, kind="stable").iloc[0].drop("n_pcres")


def folds(data: GeneDataset) -> pd.DataFrame:
    """The cross-validation folds: fold, chromosomes, genes, share_on, share_with_pcres, pcres_per_gene."""
    n_pcres = (data.store["gene_pcre"] >= 0).sum("rank").to_series()
    genes = data.genes.assign(n_pcres=data.genes["gene_id"].map(n_pcres))
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
    offset = (np.arange(signal.shape[1]) - signal.shape[1] // 2 + 0.5) * bin_bp
    tables = []
    for label, name in ((1, "on"), (0, "off")):
        part = signal[(data.genes["label"] == label).to_numpy()]
        mean, half = part.mean(0), 1.96 * part.std(0, ddof=1) / np.sqrt(len(part))
        for k, mark in enumerate(data.marks):
            tables.append(pd.DataFrame({"mark": mark, "label": name, "offset": offset, "mean": mean[:, k],
                                        "low": (mean - half)[:, k], "high": (mean + half)[:, k], "n": len(part)}))  # fmt: skip
    return pd.concat(tables, ignore_index=True)
