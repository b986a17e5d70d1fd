"""The pCREs of a cell type: how wide they are, how many a gene has, how far away they lie and how often they touch it.

In: a dataset. Out: tidy tables; widths and distances in bp, contact frequency without unit. Tables of a dataset without
pCREs have their columns and no pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from ..dataset import GeneDataset
from ..genome import Region
from .comparison import published

PAPER_WIDTH_BP = 10_000  # the paper and its release give the share of fragments below this
NEAREST_BP = 1000        # where the axis of distances begins; what lies nearer counts there
N_BINS = 24              # of histograms on a logarithmic axis, and of widths
DISTANCE_EDGES = (0, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, np.inf)


def pairs(data: GeneDataset) -> pd.DataFrame:
    """One row per gene and pCRE: gene_id, label, rank (1: strongest contact), region, width, distance (bp from the TSS to
    the middle of the region, downstream positive), contact."""
    store = data.store.sel(gene=data.genes["gene_id"].tolist())
    contact = store["contact"].values[:, : data.max_pcres]
    gene, rank = np.nonzero(contact > 0)
    names = store["pcre"].values[store["gene_pcre"].values[gene, rank]]
    regions = [Region.parse(name) for name in names]
    middle = np.array([(region.start + region.end) // 2 for region in regions], np.int64)
    genes = data.genes.iloc[gene].reset_index(drop=True)
    return pd.DataFrame(
        {
            "gene_id": genes["gene_id"],
            "label": genes["label"],
            "rank": rank + 1,
            "region": names.astype(str),
            "width": np.array([region.width for region in regions], np.int64),
            "distance": (middle - genes["tss"]) * np.where(genes["strand"] == "-", -1, 1),
            "contact": contact[gene, rank],
        }
    )


def per_gene(data: GeneDataset) -> pd.DataFrame:
    """Genes by their number of pCREs: label (on, off), n_pcres (0 to the most that a gene may have), genes, share."""
    n_pcres = _n_pcres(data)
    rows = []
    for label, name in ((1, "on"), (0, "off")):
        counts = np.bincount(n_pcres[data.genes["label"] == label], minlength=data.max_pcres + 1)
        rows += [(name, n, count, count / max(counts.sum(), 1)) for n, count in enumerate(counts)]
    return pd.DataFrame(rows, columns=["label", "n_pcres", "genes", "share"])


def summary(data: GeneDataset) -> pd.DataFrame:
    """Genes that are on, off, and all of them.

    Returns
    -------
    DataFrame
        label, genes, share_without (of genes that have no pCRE), low, high (its 95 % interval, Wilson), pcres_per_gene
        pairs, median_distance (without sign), median_contact; median_strongest: of each gene's strongest contact
    """
    n_pcres, table = _n_pcres(data), pairs(data)
    rows = []
    for name, labels in (("on", [1]), ("off", [0]), ("all", [0, 1])):
        n, part = n_pcres[data.genes["label"].isin(labels)], table[table["label"].isin(labels)]
        low, high = proportion_confint((n == 0).sum(), len(n), method="wilson") if len(n) else (np.nan, np.nan)
        rows.append({
            "label": name, "genes": len(n), "share_without": (n == 0).mean(), "low": low, "high": high,
            "pcres_per_gene": n.mean(), "pairs": len(part), "median_distance": part["distance"].abs().median(),
            "median_contact": part["contact"].median(), "median_strongest": part.loc[part["rank"] == 1, "contact"].median(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def widths(data: GeneDataset) -> pd.DataFrame:
    """Widths of a dataset's pCREs (one row, none without pCREs), and those that the paper and its release published.

    Returns
    -------
    DataFrame
        fragments (which), n, minimum, q25, median, mean, q75, q95, maximum (bp), share_below_10kb, too_wide (pairs dropped
        on the way as wider than the frame), source. NaN where it was not published.
    """
    width = pairs(data)["width"]
    rows = []
    if len(width):
        q25, q50, q75, q95 = np.quantile(width, (0.25, 0.5, 0.75, 0.95))
        dropped = data.dropped
        too_wide = dropped.loc[dropped["reason"].str.startswith("wider than"), "count"].sum() if len(dropped) else 0
        rows.append({
            "fragments": f"pCREs of {data.cell_type}, by gene", "n": len(width), "minimum": width.min(), "q25": q25,
            "median": q50, "mean": width.mean(), "q75": q75, "q95": q95, "maximum": width.max(),
            "share_below_10kb": (width < PAPER_WIDTH_BP).mean(), "too_wide": too_wide, "source": "this profile",
        })  # fmt: skip
    columns = ["fragments", "n", "minimum", "q25", "median", "mean", "q75", "q95", "maximum", "share_below_10kb", "too_wide", "source"]
    return pd.DataFrame([*rows, *published("contact-fragments")["rows"]], columns=columns)


def histograms(data: GeneDataset) -> pd.DataFrame:
    """Widths, distances from the TSS (without sign) and contact frequencies of a dataset's pairs, binned.

    Returns
    -------
    DataFrame
        quantity (width, distance, contact), pcres (all, or strongest: the first of each gene), low, high (of a bin), n,
        share. Bins of distance and contact grow by a factor; what lies nearer than NEAREST_BP is in the first.
    """
    table = pairs(data)
    values = {"width": table["width"], "distance": table["distance"].abs().clip(lower=NEAREST_BP), "contact": table["contact"]}
    tables = []
    for quantity, value in values.items() if len(table) else ():
        edges = np.linspace(0, data.frame_bp, N_BINS + 1) if quantity == "width" else _growing(value)
        for name, part in (("all", value), ("strongest", value[table["rank"] == 1])):
            n, _ = np.histogram(part, edges)
            tables.append(pd.DataFrame({"quantity": quantity, "pcres": name, "low": edges[:-1], "high": edges[1:], "n": n,
                                        "share": n / max(len(part), 1)}))  # fmt: skip
    columns = ["quantity", "pcres", "low", "high", "n", "share"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def contact_by_distance(data: GeneDataset, edges: Sequence[float] = DISTANCE_EDGES) -> pd.DataFrame:
    """Contact frequency by distance from the TSS (without sign).

    Returns
    -------
    DataFrame
        low, high (bp, of distance), distance (median within), n (pairs), q05, q25, median, q75, q95 of contact; only
        distances at which there is a pair.
    """
    table = pairs(data)
    distance = table["distance"].abs()
    rows = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        is_here = (distance >= low) & (distance < high)
        if is_here.any():
            spread = np.quantile(table.loc[is_here, "contact"], (0.05, 0.25, 0.5, 0.75, 0.95))
            rows.append((low, high, distance[is_here].median(), is_here.sum(), *spread))
    return pd.DataFrame(rows, columns=["low", "high", "distance", "n", "q05", "q25", "median", "q75", "q95"])


def statement(data: GeneDataset) -> str:
    """One line: how many pCREs there are of how many genes, or that there are none."""
    if not len(table := pairs(data)):
        return f"{data.cell_type}: the profile has no contacts of these {len(data):,} genes, so there are no pCREs; figures on them are empty"
    n_with = table["gene_id"].nunique()
    return (
        f"{data.cell_type}: {len(table):,} pCREs of {n_with:,} among {len(data):,} genes ({table['region'].nunique():,} regions, "
        "some of several genes)"
    )


def _n_pcres(data: GeneDataset) -> np.ndarray:
    """Number of pCREs of each gene, (gene,)."""
    contact = data.store["contact"].sel(gene=data.genes["gene_id"].tolist()).values[:, : data.max_pcres]
    return (contact > 0).sum(1)


def _growing(values: pd.Series) -> np.ndarray:
    """Edges of bins that grow by a factor, from the least to the largest value."""
    low, high = values.min(), values.max()
    edges = np.geomspace(low, high if high > low else 2 * low, N_BINS + 1)
    edges[0], edges[-1] = low, max(high, edges[-1])  # not moved by rounding, so that both ends are inside
    return edges
