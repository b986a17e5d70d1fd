"""The pCREs of a cell type: how wide they are, how many a gene has, how far away they lie, how often they touch it, what they carry.

In: a dataset. Out: tidy tables; widths and distances in bp, contact frequency without unit, marks as signal. Tables of a
dataset without pCREs have their columns and no pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from statsmodels.stats.proportion import proportion_confint

from ..attention import frame_offset
from ..dataset import GeneDataset
from ..genome import Region
from .comparison import published

PAPER_WIDTH_BP = 10_000  # the paper and its release give the share of fragments below this
NEAREST_BP = 1000        # where the axis of distances begins; what lies nearer counts there
N_BINS = 16              # of histograms on a logarithmic axis
N_WIDTHS = 40            # bins of width
MIN_PAIRS = 10           # for quantiles of contact at a distance
BATCH = 128              # genes at a time: room for every rank of each takes about 0.1 MB a gene
REACH_BP = 5_000         # of averages around the middle of a pCRE
MIN_GENES = 5            # that an average holds


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
    """One line: how many pCREs there are of how many genes, how many of these have none and the most that one may have, how far pCREs
    lie and how wide they are; or that there are none."""
    if not len(table := pairs(data)):
        return f"{data.cell_type}: the profile has no contacts of these {len(data):,} genes, so there are no pCREs; figures on them are empty"
    n, n_with, n_regions = per_gene(data), table["gene_id"].nunique(), table["region"].nunique()
    return (
        f"{data.cell_type}: {len(table):,} pCREs of {n_with:,} among {len(data):,} genes ({n_regions:,} regions"
        f"{', some of several genes' * (n_regions < len(table))}); {(n == 0).mean():.0%} of the genes have none, {(n == data.max_pcres).mean():.0%} have "
        f"{data.max_pcres}, the most that one may; half of the pCREs lie within {table['distance'].abs().median():,.0f} bp of their TSS, and "
        f"{(table['width'] < PAPER_WIDTH_BP).mean():.0%} are narrower than {PAPER_WIDTH_BP:,} bp"
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


# What they carry


def marks_at_pcres(data: GeneDataset) -> pd.DataFrame:
    """Mean signal of each gene's pCREs, over all their narrowest bins: gene_id, then a column for each mark; genes without any
    have no row."""
    rows = [signal.mean((0, 1), where=is_there[..., None]) for signal, is_there in _pcres_of(data)]
    table = pd.DataFrame(rows, columns=list(data.marks))
    table.insert(0, "gene_id", [gene for gene, n in zip(data.genes["gene_id"], per_gene(data), strict=True) if n])
    return table


def with_marks(table: pd.DataFrame, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """Rows of genes with pCREs, with a column for each mark: `marks_at_pcres` of their cell type."""
    found = [marks_at_pcres(genes).assign(cell_type=cell_type) for cell_type, genes in data.items()]
    signal = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["cell_type", "gene_id"])
    return table.merge(signal, on=["cell_type", "gene_id"])


def around_pcres(data: GeneDataset, groups: Mapping[str, Sequence[str]], *, reach_bp: int = REACH_BP) -> pd.DataFrame:
    """Mean signal around the middle of the pCREs of some genes (figures 5d, f).

    A pCRE counts as far as it reaches, the pCREs of a gene count together as one. What fewer than MIN_GENES genes reach is
    left out.

    Parameters
    ----------
    groups : mapping
        Name of a group -> ids of its genes; those without pCREs count nothing.

    Returns
    -------
    DataFrame
        mark, label (the group), offset (bp from the middle, in the direction of the genome), mean, low, high (95 % interval of
        the mean over genes), n (genes)
    """
    tables = [pd.DataFrame(columns=["mark", "label", "offset", "mean", "low", "high", "n"])]
    for name, ids in groups.items():
        view = data.select(genes=list(ids))
        curves = [_around(signal, is_there, view.frame_bp, min(view.bin_bp), reach_bp) for signal, is_there in _pcres_of(view)]
        if not curves:
            continue
        curve = np.stack(curves)                                                            # (g, l, m), NaN beyond reach
        n = (~np.isnan(curve[..., 0])).sum(0)
        is_shown = n >= MIN_GENES
        mean, half = np.nanmean(curve[:, is_shown], axis=0), np.nanstd(curve[:, is_shown], axis=0)
        half *= 1.96 / np.sqrt(np.maximum(n[is_shown] - 1, 1))[:, None]
        offset = _offsets(min(view.bin_bp), reach_bp)[is_shown]
        for k, mark in enumerate(view.marks):
            tables.append(pd.DataFrame({"mark": mark, "label": name, "offset": offset, "mean": mean[:, k],
                                        "low": (mean - half)[:, k], "high": (mean + half)[:, k], "n": n[is_shown]}))  # fmt: skip
    return pd.concat(tables[1:] or tables, ignore_index=True)


def _pcres_of(data: GeneDataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each gene that has pCREs, their signal in the narrowest bins, (r, l, m), and where there is any, (r, l)."""
    bin_bp = min(data.bin_bp)
    view = data.select(bin_bp=[bin_bp])
    for positions in torch.arange(len(view)).split(BATCH):
        batch = view.batch(positions)
        for gene, n in enumerate((batch.contact > 0).sum(1).tolist()):
            if n:
                yield batch.pcre[bin_bp][gene, :n].double().cpu().numpy(), ~batch.is_padding[bin_bp][gene, :n].cpu().numpy()


def _offsets(bin_bp: int, reach_bp: int) -> np.ndarray:
    """Middle of each bin from -reach to reach, bp."""
    n = reach_bp // bin_bp
    return (np.arange(-n, n) + 0.5) * bin_bp


def _around(signal: np.ndarray, is_there: np.ndarray, frame_bp: int, bin_bp: int, reach_bp: int) -> np.ndarray:
    """Mean over the pCREs of one gene by distance from their middle, (l, m); NaN where none of them reaches."""
    n_bins, frame_bins, half = signal.shape[1], frame_bp // bin_bp, reach_bp // bin_bp
    at = np.arange(n_bins) + frame_offset(n_bins, frame_bins) - frame_bins // 2 + half      # bin of the curve
    is_near = (at >= 0) & (at < 2 * half)
    total, n = np.zeros((2 * half, signal.shape[2])), np.zeros(2 * half)
    total[at[is_near]], n[at[is_near]] = (signal * is_there[..., None]).sum(0)[is_near], is_there.sum(0)[is_near]
    return np.divide(total, n[:, None], out=np.full_like(total, np.nan), where=n[:, None] > 0)
