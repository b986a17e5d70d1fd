"""What single numbers of each mark say of a gene: by label, against expression, and of one another.

In: a dataset. Out: tidy tables; windows in bp from the TSS, downstream positive; signal as the network reads it. Intervals
are percentiles over resampled genes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from ..config import InputError
from ..dataset import GeneDataset
from ..resampling import ranks, resamples, with_all
from .tracks import offsets

WINDOWS = ((-2000, 2000), (4000, 6000))  # the paper's figure 4: around the TSS, and where H3K36me3 tells most
BODY_MARK = "H3K36me3"  # marks the bodies of genes that are transcribed
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
N_RESAMPLES = 1000
EXPRESSION = "expression"  # how tables call it beside the marks


def window_signal(data: GeneDataset, start_bp: int, end_bp: int) -> np.ndarray:
    """Signal of a window as if it were one bin: the logarithm of mean depth over it, (gene, mark).

    Bins off the chromosome do not count; NaN for a gene without any other. A window wider than that of the dataset gives
    what of it is there.
    """
    bin_bp = min(data.bin_bp)
    view = data.select(max_pcres=0, bin_bp=[bin_bp])
    batch = view.batch(range(len(view)))
    mean = data.mean_of(batch.promoter[bin_bp].cpu().numpy().astype(np.float64))           # (g, l, m)
    offset = offsets(mean.shape[1], bin_bp)
    is_on_chromosome = np.ones(mean.shape[:2], bool)
    if bin_bp in batch.is_promoter_padding:
        is_on_chromosome = ~batch.is_promoter_padding[bin_bp].cpu().numpy()
    is_counted = is_on_chromosome & (offset > start_bp) & (offset < end_bp)                 # (g, l)
    n_bins = is_counted.sum(1, keepdims=True)
    total = np.einsum("gl,glm->gm", is_counted, mean)
    return data.signal_of(np.where(n_bins > 0, total / np.maximum(n_bins, 1), np.nan))


def window_name(start_bp: int, end_bp: int) -> str:
    """How figures call a window."""
    if start_bp == -end_bp:
        return f"TSS ± {end_bp / 1000:g} kb"
    return f"{start_bp / 1000:g} to {end_bp / 1000:g} kb downstream"


def by_label(data: GeneDataset) -> pd.DataFrame:
    """How the signal of each window spreads over genes that are on and off.

    Returns
    -------
    DataFrame
        window, mark, label (on, off), n (genes with some of the window on their chromosome), mean, q05, q25, median, q75, q95.
    """
    rows = []
    for window, genes, signal in _windows(data):
        for label, name in ((1, "on"), (0, "off")):
            part = signal[(genes["label"] == label).to_numpy()]
            for k, mark in enumerate(data.marks):
                spread = np.quantile(part[:, k], list(QUANTILES.values())) if len(part) else [np.nan] * len(QUANTILES)
                mean = part[:, k].mean() if len(part) else np.nan
                rows.append((window, mark, name, len(part), mean, *spread))
    return pd.DataFrame(rows, columns=["window", "mark", "label", "n", "mean", *QUANTILES])


def ranking(data: GeneDataset, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """How much one number of a mark tells of a gene, marks that tell most first.

    Returns
    -------
    DataFrame
        window, mark
        statistic: on_minus_off (difference of mean signal), roc_auc (of the number as score of on; below 0.5 where a mark
        goes with off) or spearman (with expression)
        value, low, high (95 % interval), n
        Marks are in the order of their ROC-AUC's largest distance from 0.5 in any window.
    """
    tables = []
    for window, genes, signal in _windows(data):
        is_on = (genes["label"] == 1).to_numpy()
        expression = genes["expression"].to_numpy()
        (value,), *draws = (_tell(signal, is_on, expression, weight) for weight in with_all(len(genes), n_resamples, seed))
        low, high = _interval(draws)
        for i, statistic in enumerate(("on_minus_off", "roc_auc", "spearman")):
            tables.append(pd.DataFrame({"window": window, "mark": list(data.marks), "statistic": statistic,
                                        "value": value[i], "low": low[i], "high": high[i], "n": len(genes)}))  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    auc = table[table["statistic"] == "roc_auc"].set_index("mark")["value"]
    tells = (auc - 0.5).abs().groupby(level=0).max()
    return table.sort_values("mark", key=lambda mark: -mark.map(tells), kind="stable", ignore_index=True)


def correlation(data: GeneDataset, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Spearman's correlation over genes of the signal around the TSS, between marks and with expression.

    Returns
    -------
    DataFrame
        mark, other (a mark, or expression), r, low, high (95 % interval; none of a mark with itself), n
        Marks are in the order in which average linkage on 1 - r puts them; expression comes last.
    """
    _, genes, signal = next(_windows(data))
    values = np.column_stack([signal, genes["expression"]])
    (r,), *draws = (_spearman(values, weight) for weight in with_all(len(genes), n_resamples, seed))
    low, high = _interval(draws)
    order = [*_leaves(r[:-1, :-1]), len(data.marks)]
    names = [*data.marks, EXPRESSION]
    rows = [
        (names[i], names[j], r[i, j], *((np.nan, np.nan) if i == j else (low[i, j], high[i, j])), len(genes))
        for i in order for j in order
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["mark", "other", "r", "low", "high", "n"])


def along_windows(data: GeneDataset) -> pd.DataFrame:
    """How closely marks follow one another along a gene's window: Pearson's r over its narrowest bins, mean over pairs.

    A mark that does not vary within a window follows nothing there: its r are 0. Bins off the chromosome do not count.

    Returns
    -------
    DataFrame
        As scores of models, so that `claims.evaluate` takes it: cell_type, task ("reg"), model ("<BODY_MARK> with other marks",
        "other marks with one another"), gene_id, fold, score (r), target (none, hence 0).

    Raises
    ------
    InputError
        The dataset does not have BODY_MARK, or fewer than two others.
    """
    if BODY_MARK not in data.marks or len(data.marks) < 3:
        raise InputError(f"{data.cell_type}: marks {', '.join(data.marks)}, expected {BODY_MARK} and two or more others; select them")
    r = _along(data)                                                                        # (g, m, m)
    at = data.marks.index(BODY_MARK)
    others = [k for k in range(len(data.marks)) if k != at]
    first, second = np.triu_indices(len(others), 1)
    scores = {f"{BODY_MARK} with other marks": r[:, at, others].mean(1),
              "other marks with one another": r[:, others][:, :, others][:, first, second].mean(1)}  # fmt: skip
    genes = data.genes[["gene_id", "fold"]].assign(cell_type=data.cell_type, task="reg", target=0.0)
    table = pd.concat([genes.assign(model=name, score=score) for name, score in scores.items()], ignore_index=True)
    return table[["cell_type", "task", "model", "gene_id", "fold", "score", "target"]]


def spatial_correlation(data: GeneDataset, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """How closely each two marks follow one another along a window, as `along_windows` has it: mean over genes.

    Returns
    -------
    DataFrame
        mark, other, r, low, high (95 % interval over genes; none of a mark with itself), n
    """
    r, m = _along(data), len(data.marks)
    draws = [weight @ r.reshape(len(r), -1) / len(r) for weight in resamples(len(r), n_resamples, seed)]
    low, high = _interval(draws).reshape(2, m, m)
    rows = [
        (data.marks[i], data.marks[j], r[:, i, j].mean(), *((np.nan, np.nan) if i == j else (low[i, j], high[i, j])), len(r))
        for i in range(m) for j in range(m)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["mark", "other", "r", "low", "high", "n"])


def _along(data: GeneDataset) -> np.ndarray:
    """Correlation of marks over the narrowest bins of each gene's window, (g, m, m); bins off the chromosome do not count."""
    bin_bp = min(data.bin_bp)
    view = data.select(max_pcres=0, bin_bp=[bin_bp])
    batch = view.batch(range(len(view)))
    signal = batch.promoter[bin_bp].cpu().numpy().astype(np.float64)                        # (g, l, m)
    is_counted = np.ones(signal.shape[:2], bool)
    if bin_bp in batch.is_promoter_padding:
        is_counted = ~batch.is_promoter_padding[bin_bp].cpu().numpy()
    return np.stack([_follows(x[counted]) for x, counted in zip(signal, is_counted, strict=True)])


def _follows(signal: np.ndarray) -> np.ndarray:
    """Correlation of marks over the bins of one gene, (m, m) of (l, m); 0 where one does not vary."""
    varies = (signal != signal[:1]).any(0)
    centred = signal - (signal.mean(0) if varies.any() else 0)                              # there may be no bins
    covariance = centred.T @ centred
    sd = np.sqrt(covariance.diagonal())
    return np.divide(covariance, np.outer(sd, sd), out=np.zeros_like(covariance), where=np.outer(varies, varies))


def statement(ranking: pd.DataFrame) -> str:
    """Two sentences on a `ranking`: which number tells most, and which may tell nothing."""
    auc = ranking[ranking["statistic"] == "roc_auc"]
    best = auc.loc[(auc["value"] - 0.5).abs().idxmax()]
    side = "on" if best["value"] > 0.5 else "off"
    silent = auc[(auc["low"] <= 0.5) & (auc["high"] >= 0.5)]
    text = (
        f"Of single numbers, {best['mark']} ({best['window']}) tells most: ROC-AUC {best['value']:.2f} "
        f"[{best['low']:.2f}, {best['high']:.2f}], more of it where a gene is {side}."
    )
    names = ", ".join(f"{row.mark} ({row.window})" for row in silent.itertuples())
    return f"{text} Numbers whose ROC-AUC may as well be 0.5: {names or 'none'}."


def _windows(data: GeneDataset) -> Iterator[tuple[str, pd.DataFrame, np.ndarray]]:
    """Each of WINDOWS as far as the dataset has it: its name, genes that have some of it, their signal (gene, mark)."""
    half = data.window_bp // 2
    for start_bp, end_bp in WINDOWS:
        start_bp, end_bp = max(start_bp, -half), min(end_bp, half)
        if start_bp < end_bp:
            signal = window_signal(data, start_bp, end_bp)
            is_known = ~np.isnan(signal).any(1)
            yield window_name(start_bp, end_bp), data.genes[is_known], signal[is_known]


def _interval(draws: list[np.ndarray]) -> np.ndarray:
    """Low and high end of 95 % of all resamples, (2, ...); NaN where none has a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mark without reads has no correlation in any
        return np.nanquantile(np.concatenate(draws), (0.025, 0.975), axis=0)


def _tell(signal: np.ndarray, is_on: np.ndarray, expression: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Difference, ROC-AUC and Spearman's r of each mark in each resample, (b, 3, m)."""
    on, off = weight * is_on, weight * ~is_on                                               # (b, g)
    n_on, n_off = on.sum(1, keepdims=True), off.sum(1, keepdims=True)
    rank = ranks(np.column_stack([signal, expression]), weight)
    with np.errstate(invalid="ignore", divide="ignore"):                                    # a resample may lack a label
        difference = on @ signal / n_on - off @ signal / n_off
        roc_auc = (np.einsum("bg,bgk->bk", on, rank[..., :-1]) - n_on**2 / 2) / (n_on * n_off)
    return np.stack([difference, roc_auc, _pearson(rank, weight)[:, :-1, -1]], axis=1)


def _spearman(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Spearman's correlation of columns in each resample, (b, k, k); NaN where one is constant."""
    return _pearson(ranks(values, weight), weight)


def _pearson(rank: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Correlation of columns of ranks, (b, k, k), each gene counted `weight` times."""
    centred = rank - weight.sum(1)[:, None, None] / 2  # the mean of mid-ranks is half of their number
    covariance = (centred * weight[..., None]).transpose(0, 2, 1) @ centred
    sd = np.sqrt(np.einsum("bkk->bk", covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / (sd[:, :, None] * sd[:, None, :])


def _leaves(r: np.ndarray) -> list[int]:
    """Order of marks by average linkage on 1 - r; that of the dataset where there are too few, or r is unknown."""
    if len(r) < 3 or np.isnan(r).any():
        return list(range(len(r)))
    distance = squareform(1 - r, checks=False)
    return hierarchy.leaves_list(hierarchy.linkage(distance, "average", optimal_ordering=True)).tolist()
