"""Depth around the TSS of a profile's genes beside that of 100 real genes of H1 cells.

In: a dataset of depth. Out: tidy tables; distances in bp, depth in reads per bp, signal ln(1 + mean depth) whatever
logarithm the profile takes. H1's own numbers are read from a small table in git, so no download is needed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..config import ROOT, InputError
from ..dataset import GeneDataset
from . import tracks

REFERENCE = ROOT / "data" / "h1-demo-promoters.csv"
WINDOW_BP, BIN_BP, WIDE_BP = 40_000, 100, 500  # H1's window; bins of depth; bins of mean profiles and between marks
QUANTILES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)
LAGS = (1, 2, 3, 5, 10, 20, 50, 100)           # in bins of 100 bp
N_RESAMPLES = 100                              # of genes, for the intervals of H1

# Columns of each table, as the file of H1's numbers calls them; the rest of that file is `summary`.
LAYOUT = {
    "by_label": {"other": "label", "x": "offset", "value": "mean"},
    "distribution": {"x": "quantile", "value": "depth"},
    "neighbours": {"x": "distance", "value": "r"},
    "correlation": {"other": "other", "value": "r"},
}  # fmt: skip


def promoter_depth(data: GeneDataset, bin_bp: int) -> np.ndarray:
    """Mean depth of bins around each TSS in the direction of transcription, (gene, l, m); NaN beyond the chromosome.

    Raises
    ------
    InputError
        The features of this dataset are no depth, or their bins are wider.
    """
    view = _view(data, bin_bp)
    batch = view.batch(range(len(view)))
    signal = batch.promoter[bin_bp].cpu().numpy().astype(np.float64)
    depth = data.mean_of(signal)
    if bin_bp in batch.is_promoter_padding:
        depth[batch.is_promoter_padding[bin_bp].cpu().numpy()] = np.nan
    return depth


def summary(data: GeneDataset) -> pd.DataFrame:
    """One row per mark, over all bins of 100 bp of all promoters.

    Returns
    -------
    DataFrame
        mark
        mean_depth, depth_q50, depth_q90, depth_q99, depth_max: reads per bp
        share_empty: share of bins without reads
        lag_1, lag_10: correlation of signal between bins 100 and 1,000 bp apart (see `neighbours`)
        between_genes: share of the variance of signal that lies between the means of promoters
        tss_difference: mean signal of genes on - off, less than 1 kb from the TSS
        body_difference: the same, 2 to 20 kb downstream
    """
    depth = promoter_depth(data, BIN_BP)
    signal = np.log1p(depth)
    offset = tracks.offsets(depth.shape[1], BIN_BP)
    near, body = np.abs(offset) < 1000, (offset > 2000) & (offset < 20_000)
    is_on = (data.genes["label"] == 1).to_numpy()
    rows = []
    for k, mark in enumerate(data.marks):
        x, y = depth[..., k][~np.isnan(depth[..., k])], signal[..., k]
        q50, q90, q99 = np.quantile(x, (0.5, 0.9, 0.99))
        rows.append({
            "mark": mark, "mean_depth": x.mean(), "share_empty": (x == 0).mean(),
            "depth_q50": q50, "depth_q90": q90, "depth_q99": q99, "depth_max": x.max(),
            "lag_1": _pearson(y[:, :-1], y[:, 1:]), "lag_10": _pearson(y[:, :-10], y[:, 10:]),
            "between_genes": np.nanmean(y, axis=1).var() / max(np.nanvar(y), 1e-12),  # 0 where a mark has no reads
            "tss_difference": np.nanmean(y[is_on][:, near]) - np.nanmean(y[~is_on][:, near]),
            "body_difference": np.nanmean(y[is_on][:, body]) - np.nanmean(y[~is_on][:, body]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def by_label(data: GeneDataset) -> pd.DataFrame:
    """Mean signal around the TSS of genes on and off in bins of 500 bp, as `tracks.mean_by_label` gives it."""
    table = tracks.mean_by_label(_view(data, WIDE_BP), WIDE_BP)
    if data.log_base == "2":
        table[["mean", "low", "high"]] *= np.log(2)
    return table


def distribution(data: GeneDataset) -> pd.DataFrame:
    """Upper tail of depth in bins of 100 bp: mark, quantile, depth."""
    depth = promoter_depth(data, BIN_BP)
    tables = []
    for k, mark in enumerate(data.marks):
        x = depth[..., k][~np.isnan(depth[..., k])]
        tables.append(pd.DataFrame({"mark": mark, "quantile": QUANTILES, "depth": np.quantile(x, QUANTILES)}))
    return pd.concat(tables, ignore_index=True)


def neighbours(data: GeneDataset) -> pd.DataFrame:
    """How alike bins of 100 bp of one promoter are: mark, distance (bp), r.

    r is Pearson's correlation of signal over all pairs of bins that far apart, of all promoters together.
    """
    signal = np.log1p(promoter_depth(data, BIN_BP))
    rows = [
        (mark, lag * BIN_BP, _pearson(signal[:, :-lag, k], signal[:, lag:, k]))
        for k, mark in enumerate(data.marks) for lag in LAGS
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["mark", "distance", "r"])


def correlation(data: GeneDataset) -> pd.DataFrame:
    """Correlation of signal between marks over all bins of 500 bp of all promoters: mark, other, r."""
    signal = np.log1p(promoter_depth(data, WIDE_BP)).reshape(-1, len(data.marks))
    matrix = pd.DataFrame(signal, columns=list(data.marks)).corr()
    return matrix.rename_axis("mark").reset_index().melt("mark", var_name="other", value_name="r")


TABLES = {"by_label": by_label, "distribution": distribution, "neighbours": neighbours, "correlation": correlation}


def make_reference(data: GeneDataset, n_resamples: int = N_RESAMPLES) -> pd.DataFrame:
    """All tables of a dataset as one, rounded: what data/h1-demo-promoters.csv holds of profile h1-demo.

    Returns
    -------
    DataFrame
        statistic: name of a table of `LAYOUT` or of a column of `summary`
        mark
        other: label or second mark
        x: offset, quantile or distance
        value
        half: half the width of a 95 % interval, 1.96 standard deviations over resampled genes; none for a maximum
        n: genes
    """
    table = _all_tables(data)
    rng = np.random.default_rng(0)
    names = data.genes["gene_id"].to_numpy()
    resamples = [_all_tables(data.select(genes=rng.choice(names, len(names))))["value"] for _ in range(n_resamples)]
    half = 1.96 * np.std(resamples, axis=0, ddof=1)
    # The largest of a resample is never above the largest of all: that is no interval.
    table["half"] = np.where(table["statistic"] == "depth_max", np.nan, half)
    n_genes = data.genes["label"].map({1: "on", 0: "off"}).value_counts()
    table["n"] = table["other"].map(n_genes).fillna(len(data)).astype(int)
    return table.round({"value": 3, "half": 3})


def reference() -> dict[str, pd.DataFrame]:
    """The same tables of 100 real promoters of H1 cells, by name; with low and high, their 95 % intervals, and n.

    Source: reads of the Roadmap Epigenomics Consortium (E003) through the release's demo; see data/README.md.
    """
    table = pd.read_csv(REFERENCE)
    table["low"], table["high"] = table["value"] - table["half"], table["value"] + table["half"]
    scalar = table[~table["statistic"].isin(LAYOUT)]
    wide = scalar.pivot(index="mark", columns="statistic", values="value")
    wide = wide.loc[scalar["mark"].unique(), scalar["statistic"].unique()]     # pivot sorts
    tables = {"summary": wide.rename_axis(columns=None).reset_index()}
    for name, layout in LAYOUT.items():
        part = table[table["statistic"] == name].rename(columns=layout)
        tables[name] = part[["mark", *layout.values(), "low", "high", "n"]].reset_index(drop=True)
    return tables


def n_reference() -> dict[str, int]:
    """How many of H1's genes are "on" and "off", and "all" of them."""
    tables = reference()
    return tables["by_label"].groupby("label")["n"].first().to_dict() | {"all": int(tables["distribution"]["n"].iloc[0])}


def obstacle(data: GeneDataset) -> str | None:
    """Why the promoters of a dataset cannot be held against H1's; None where they can."""
    if data.scale != "depth":
        return f"their features are {data.scale}, H1's are depth"
    if data.window_bp != WINDOW_BP:
        return f"they span {data.window_bp:,} bp, H1's {WINDOW_BP:,}"
    if data.is_plain:
        return "they are read without a logarithm, H1's with one"
    if BIN_BP % int(data.store.attrs["base_bp"]):
        return f"they are stored in bins of {data.store.attrs['base_bp']} bp, H1's in bins of {BIN_BP}"
    if not shared_marks(data):
        return f"none of their marks is one of H1's ({', '.join(reference()['summary']['mark'])})"
    return None


def shared_marks(data: GeneDataset) -> list[str]:
    """Marks of a dataset that H1's numbers hold too."""
    known = set(reference()["summary"]["mark"])
    return [mark for mark in data.marks if mark in known]


def statement(data: GeneDataset) -> str:
    """One line: what is held against H1's promoters, or why nothing is."""
    if reason := obstacle(data):
        return f"{data.cell_type}: its promoters are not held against H1's, since {reason}; the tables below are empty"
    marks = shared_marks(data)
    left_out = [mark for mark in data.marks if mark not in marks]
    end = f"; not in H1's numbers: {', '.join(left_out)}" if left_out else ""
    return f"{data.cell_type}: {len(data):,} promoters beside {n_reference()['all']} real ones of H1 cells, marks: {', '.join(marks)}{end}"


def beside_reference(data: GeneDataset) -> pd.DataFrame:
    """`summary` of a dataset joined with H1's, for marks that both have; empty where there is an `obstacle`.

    Returns
    -------
    DataFrame
        mark, statistic, here, h1, low, high (H1's 95 % interval; none for a maximum), difference (here - h1), ratio
        (here / h1; only of depths, since the others may be 0 or below)
    """
    columns = ["mark", "statistic", "here", "h1", "low", "high", "difference", "ratio"]
    if obstacle(data):
        return pd.DataFrame(columns=columns)
    table = pd.read_csv(REFERENCE)
    h1 = table[~table["statistic"].isin(LAYOUT)].rename(columns={"value": "h1"})
    here = summary(data.select(marks=shared_marks(data))).melt("mark", var_name="statistic", value_name="here")
    joined = here.merge(h1, on=["mark", "statistic"], validate="one_to_one")
    joined["low"], joined["high"] = joined["h1"] - joined["half"], joined["h1"] + joined["half"]
    joined["difference"] = joined["here"] - joined["h1"]
    is_depth = joined["statistic"].str.contains("depth") & (joined["h1"] > 0)
    joined["ratio"] = (joined["here"] / joined["h1"]).where(is_depth)
    return joined[columns]


def side_by_side(beside: pd.DataFrame) -> pd.DataFrame:
    """`beside_reference` for the eye: two rows per mark, one column per statistic."""
    names = {"here": "here", "h1": "H1"}
    table = beside.rename(columns=names).melt(["mark", "statistic"], list(names.values()), "data")
    marks, statistics = beside["mark"].unique(), beside["statistic"].unique()
    rows = pd.MultiIndex.from_product([marks, names.values()], names=["mark", "data"])
    return table.pivot(index=["mark", "data"], columns="statistic", values="value").reindex(rows)[statistics].reset_index()


def with_reference(data: GeneDataset, name: str) -> pd.DataFrame:
    """A table of a dataset followed by H1's, told apart by column `source`; shared marks, empty with an `obstacle`.

    `name` is by_label, distribution, neighbours or correlation. Intervals (low, high) of the dataset's own numbers are
    given by `by_label` only.
    """
    real = reference()[name]
    if obstacle(data):
        return real.iloc[:0].assign(source="")
    marks = shared_marks(data)
    here = TABLES[name](data.select(marks=marks))
    if "n" not in here:
        here = here.assign(low=np.nan, high=np.nan, n=len(data))
    is_shared = real["mark"].isin(marks) & (real["other"].isin(marks) if "other" in real else True)
    return pd.concat([here.assign(source="here"), real[is_shared].assign(source="H1")], ignore_index=True)


def _view(data: GeneDataset, bin_bp: int) -> GeneDataset:
    """The dataset without its pCREs, in bins of this width at least."""
    if data.scale != "depth":
        raise InputError(f"{data.cell_type}: features are {data.scale}, expected depth; realism.obstacle(data) asks before")
    return data.select(max_pcres=0) if bin_bp in data.bin_bp else data.select(max_pcres=0, bin_bp=[bin_bp])


def _all_tables(data: GeneDataset) -> pd.DataFrame:
    """Every table of a dataset, below one another: statistic, mark, other, x, value."""
    tables = [summary(data).melt("mark", var_name="statistic")]
    for name, layout in LAYOUT.items():
        columns = {ours: theirs for theirs, ours in layout.items()}
        table = TABLES[name](data)[["mark", *columns]].rename(columns=columns)
        tables.append(table.assign(statistic=name))
    return pd.concat(tables, ignore_index=True).reindex(columns=["statistic", "mark", "other", "x", "value"])


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of paired values, pairs with NaN left out; NaN where either is constant."""
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 and a.std() > 0 and b.std() > 0 else float("nan")
