"""The pCREs of a cell type: how wide they are, how many a gene has, how far away they lie and how often they touch it.

In: a dataset. Out: tidy tables; widths and distances in bp, contact frequency without unit. Tables of a dataset without
pCREs have their columns and no pairs.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from ..dataset import GeneDataset
from ..genome import Region
from .comparison import published

PAPER_WIDTH_BP = 10_000  # the paper and its release give the share of fragments below this
NEAREST_BP = 1000        # where the axis of distances begins; what lies nearer counts there
N_BINS = 16              # of histograms on a logarithmic axis
N_WIDTHS = 40            # bins of width
MIN_PAIRS = 10           # for quantiles of contact at a distance


def pairs(data: GeneDataset) -> pd.DataFrame:
    """One row per gene and pCRE: gene_id, label, rank (1: strongest contact), region, width, distance (bp from the TSS to
    the middle of the region, downstream positive), contact."""
    gene_pcre, contact = data.touching()
    gene, rank = np.nonzero(contact > 0)
    names = data.store["region"].values[gene_pcre[gene, rank]]
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


def summary(data: GeneDataset) -> pd.DataFrame:
    """Genes that are on, off, and all of them.

    Returns
    -------
    DataFrame
        label, genes, share_without (of genes that have no pCRE), low, high (its 95 % interval, Wilson), pcres_per_gene
        pairs, median_distance (whole bp, without sign), median_contact; median_strongest: of each gene's strongest contact
    """
    n_pcres, table = per_gene(data), pairs(data)
    rows = []
    for name, labels in (("on", [1]), ("off", [0]), ("all", [0, 1])):
        n, part = n_pcres[data.genes["label"].isin(labels)], table[table["label"].isin(labels)]
        low, high = proportion_confint((n == 0).sum(), len(n), method="wilson") if len(n) else (np.nan, np.nan)
        rows.append({
            "label": name, "genes": len(n), "share_without": (n == 0).mean(), "low": low, "high": high,
            "pcres_per_gene": n.mean(), "pairs": len(part), "median_distance": part["distance"].abs().median(),
            "median_contact": part["contact"].median(), "median_strongest": part.loc[part["rank"] == 1, "contact"].median(),
        })  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(median_distance=table["median_distance"].astype(float).round().astype("Int64"))


def widths(data: GeneDataset) -> pd.DataFrame:
    """Widths of a dataset's pCREs (one row, none without pCREs), and those that the paper and its release published.

    Returns
    -------
    DataFrame
        fragments (which), n (of pCREs: one for each gene that has it), minimum, q25, median, mean, q75, q95, maximum (whole
        bp), share_below_10kb, too_wide (pairs dropped on the way as wider than the frame), source. <NA> where it was not
        published.
    """
    width = pairs(data)["width"]
    rows = []
    if len(width):
        q25, q50, q75, q95 = np.quantile(width, (0.25, 0.5, 0.75, 0.95))
        too_wide = sum(row.count for row in data.dropped.itertuples(index=False) if row.reason.startswith("wider than"))
        rows.append({
            "fragments": f"pCREs of {data.cell_type}", "n": len(width), "minimum": width.min(), "q25": q25,
            "median": q50, "mean": width.mean(), "q75": q75, "q95": q95, "maximum": width.max(),
            "share_below_10kb": (width < PAPER_WIDTH_BP).mean(), "too_wide": too_wide, "source": "this profile",
        })  # fmt: skip
    columns = ["fragments", "n", "minimum", "q25", "median", "mean", "q75", "q95", "maximum", "share_below_10kb", "too_wide", "source"]
    table = pd.DataFrame([*rows, *published("contact-fragments")["rows"]], columns=columns)
    whole = [name for name in columns if name not in ("fragments", "share_below_10kb", "source")]
    return table.assign(**table[whole].astype(float).round().astype("Int64"))


def histograms(data: GeneDataset) -> pd.DataFrame:
    """How many pCREs a gene has, and how wide, how far away and how frequent they are, binned.

    Returns
    -------
    DataFrame
        quantity, group, low, high (of a bin; both belong to a bin only if it is the last), n, share (of the group)
            n_pcres of genes on and off, 0 to the most that a gene may have
            width (bp), distance (bp from the TSS, without sign), contact of all pCREs, and of each gene's strongest
        q25, median, q75: contact of all pCREs at that distance; NaN in other rows, and for fewer than MIN_PAIRS
        Bins of distance and contact grow by a factor; what lies nearer than NEAREST_BP is in the first.
    """
    table, n_pcres = pairs(data), per_gene(data)
    if not len(table):
        return pd.DataFrame(columns=["quantity", "group", "low", "high", "n", "share", "q25", "median", "q75"])
    is_on, is_strongest = (data.genes["label"] == 1).to_numpy(), (table["rank"] == 1).to_numpy()
    number = np.arange(data.max_pcres + 2) - 0.5
    parts = [_histogram("n_pcres", group, n_pcres[chosen], number) for group, chosen in (("on", is_on), ("off", ~is_on))]
    distance = table["distance"].abs().clip(lower=NEAREST_BP)
    for quantity, value, edges in (
        ("width", table["width"], np.linspace(0, data.frame_bp, N_WIDTHS + 1)),
        ("distance", distance, _growing(distance)),
        ("contact", table["contact"], _growing(table["contact"])),
    ):
        parts.append(_histogram(quantity, "all", value, edges))
        if quantity == "distance":
            bins = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, N_BINS - 1)
            contact = table["contact"].groupby(bins).quantile([0.25, 0.5, 0.75]).unstack().set_axis(["q25", "median", "q75"], axis=1)
            parts[-1] = parts[-1].join(contact.where(table.groupby(bins).size() >= MIN_PAIRS))
        parts.append(_histogram(quantity, "strongest", value[is_strongest], edges))
    return pd.concat(parts, ignore_index=True)


def statement(data: GeneDataset) -> str:
    """One line: how many pCREs there are of how many genes, or that there are none."""
    if not len(table := pairs(data)):
        return f"{data.cell_type}: the profile has no contacts of these {len(data):,} genes, so there are no pCREs; figures on them are empty"
    n_with = table["gene_id"].nunique()
    return (
        f"{data.cell_type}: {len(table):,} pCREs of {n_with:,} among {len(data):,} genes ({table['region'].nunique():,} regions, "
        "some of several genes)"
    )


def per_gene(data: GeneDataset) -> np.ndarray:
    """Number of pCREs of each gene, (gene,)."""
    return (data.touching()[1] > 0).sum(1)


def _histogram(quantity: str, group: str, values: np.ndarray | pd.Series, edges: np.ndarray) -> pd.DataFrame:
    n, _ = np.histogram(values, edges)
    share = n / max(len(values), 1)
    return pd.DataFrame({"quantity": quantity, "group": group, "low": edges[:-1], "high": edges[1:], "n": n, "share": share})


def _growing(values: pd.Series) -> np.ndarray:
    """Edges of bins that grow by a factor, from the least to the largest value."""
    low, high = values.min(), values.max()
    edges = np.geomspace(low, high if high > low else 2 * low, N_BINS + 1)
    edges[0], edges[-1] = low, max(high, edges[-1])  # not moved by rounding, so that both ends are inside
    return edges
