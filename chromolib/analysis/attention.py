"""Where the bin of the TSS looks: attention maps of one gene, and what genes that are on have in common.

In: networks, and genes that they did not train on. Out: tidy tables. Offsets are in bp from the TSS, downstream positive, and of
the middle of a bin; attention is over what even attention would give a bin, so that 1 is even at every bin width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from .. import inputs, studies
from ..batch import PackedBatch
from ..config import InputError, Profile
from ..dataset import GeneDataset
from ..model import Chromoformer
from ..resampling import poisson_weights
from ..runs import Run
from ..studies import OURS, Grid
from ..train import build
from . import marks
from .tracks import find_gene

BODY_BP = (4000, 6000)  # downstream of the TSS: where the paper has the maximum
STRETCH_BP = 2000       # in which a window is cut for the scores of single genes
NEAR_BP = 1000          # what lies nearer to the TSS tells of the promoter, not of the body
MARK = "H3K36me3"      # which marks the body of genes that are transcribed, and is taken away in figure 4h
BATCH = 256             # genes at a time

UNTRAINED, NO_SIGNAL = "untrained", "without signal"  # controls: weights as born from another seed; the network, shown empty windows
GROUPS = ("on", "off", "on - off")
BOTH = "both"  # heads, averaged


# One gene


def network_of(runs: Iterable[Run], gene_id: str) -> tuple[Run, Chromoformer, GeneDataset]:
    """The run that held a gene out, its network, and the genes that it did not see.

    Raises
    ------
    InputError
        All of these runs trained on the gene, or none knows it.
    """
    runs = list(runs)
    for run, model, held_out in studies.networks(runs):
        if gene_id in set(held_out.genes["gene_id"]):
            return run, model, held_out
    folds = ", ".join(str(run.fold) for run in runs)
    raise InputError(f"attention: gene {gene_id!r} is held out by no run, found folds {folds}; choose a gene of one of these")


def gene_maps(model: Chromoformer, data: GeneDataset, gene: str) -> pd.DataFrame:
    """The attention maps of one gene: bin_bp, head (from 1), query and key (offsets), attention (of the key, over even)."""
    row = data.genes.index[data.genes["gene_id"] == find_gene(data, gene)["gene_id"]][0]
    maps = model.attention_maps(data.select(max_pcres=0).batch([row]))
    return pd.concat([_map_table(bin_bp, found[0].cpu().numpy()) for bin_bp, found in maps.items()], ignore_index=True)


def _map_table(bin_bp: int, found: np.ndarray) -> pd.DataFrame:
    """One of them, (h, l, l), as a table."""
    n_bins = found.shape[-1]
    offset = offsets(n_bins, bin_bp)
    head, query, key = np.indices(found.shape).reshape(3, -1)
    return pd.DataFrame({"bin_bp": bin_bp, "head": head + 1, "query": offset[query], "key": offset[key],
                         "attention": (found * n_bins).ravel().astype(np.float32)})  # fmt: skip


def gene_exons(profile: Profile, data: GeneDataset, gene: str) -> pd.DataFrame:
    """Exons of one gene in its window: transcript, start, end (offsets, clipped to the window); no rows without an annotation
    that has exons."""
    row, half = find_gene(data, gene), data.window_bp // 2
    found = inputs.exons(profile, row["symbol"])
    table = pd.DataFrame(columns=["transcript", "chrom", "start", "end"]) if found is None else found
    table = table[table["chrom"] == row["chrom"]]
    edges = np.sort((table[["start", "end"]].to_numpy(np.int64) - row["tss"]) * (-1 if row["strand"] == "-" else 1), axis=1)
    table = table.assign(start=edges[:, 0].clip(-half, half), end=edges[:, 1].clip(-half, half))
    return table.loc[table["end"] > table["start"], ["transcript", "start", "end"]].reset_index(drop=True)


def offsets(n_bins: int, bin_bp: int) -> np.ndarray:
    """Middle of each bin of a window, in bp from the TSS, which is where the middle bin begins."""
    return (np.arange(n_bins) - n_bins // 2 + 0.5) * bin_bp


# All genes


class Sums:
    """Attention of the TSS bin added up over genes that are on and off, as batches pass: over all, and over each resample."""

    def __init__(self, n_resamples: int) -> None:
        self.genes = np.zeros((1 + n_resamples, 2))
        self.attention: dict[int, np.ndarray] = {}   # bin width -> (1 + b, 2, h, l)

    def add(self, attention: dict[int, np.ndarray], label: np.ndarray, weight: np.ndarray) -> None:
        """Genes with their attention, bin width -> (g, h, l), label (g,) and weight (g, 1 + b)."""
        for k in (0, 1):
            chosen = label == k
            self.genes[:, k] += weight[chosen].sum(0)
            for bin_bp, rows in attention.items():
                total = self.attention.setdefault(bin_bp, np.zeros((len(self.genes), 2, *rows.shape[1:]), np.float32))
                total[:, k] += (weight[chosen].T @ rows[chosen].reshape(chosen.sum(), -1)).reshape(-1, *rows.shape[1:])

    def means(self, bin_bp: int) -> dict[str, np.ndarray]:
        """Mean attention over even of each of GROUPS, (1 + b, h + 1, l); the last head is the mean of the others. NaN where a
        resample has no gene."""
        n = np.where(self.genes > 0, self.genes, np.nan)[..., None, None]
        mean = self.attention[bin_bp] / n * self.attention[bin_bp].shape[-1]
        mean = np.concatenate([mean, mean.mean(2, keepdims=True)], 2)
        return dict(zip(GROUPS, (mean[:, 1], mean[:, 0], mean[:, 1] - mean[:, 0]), strict=True))


Averages = dict[tuple[str, str], Sums]  # cell type and model -> sums


def average(grid: Grid, *, n_resamples: int = 1000, seed: int = 0) -> tuple[Averages, pd.DataFrame]:
    """Attention of the TSS bin, averaged over the genes that each network of a grid did not see.

    Genes pass in batches, and of each batch only sums are kept: memory does not grow with their number, but for the scores.
    Beside OURS stand two controls on the same genes: UNTRAINED and NO_SIGNAL.

    Returns
    -------
    averages
        Folds of a cell type are added up. The heads of two trainings need not be the same; started from one seed they may be.
    scores : DataFrame
        cell_type, task, model, gene_id, fold, score, target (label), as `claims.evaluate` takes them. Score: the gene's mean
        attention to a stretch of its window, over even; the model's name says whose (see `score_name`).
    """
    averages: Averages = {}
    tables = []
    for name, runs in grid.items():
        for run, model, held_out in studies.networks(runs):
            views = {name: (model, False)}
            if name == OURS:
                views |= {UNTRAINED: (build(model.config, run.seed + 1).to(held_out.device), False), NO_SIGNAL: (model, True)}
            sums = {view: averages.setdefault((run.cell_type, view), Sums(n_resamples)) for view in views}
            scores = _pass_genes(held_out.select(max_pcres=0), views, sums, seed)
            tables.append(scores.assign(cell_type=run.cell_type, task="clf", fold=run.fold))
    return averages, pd.concat(tables, ignore_index=True)[studies.SCORES]


def _pass_genes(
    data: GeneDataset, views: dict[str, tuple[Chromoformer, bool]], sums: dict[str, Sums], seed: int
) -> pd.DataFrame:
    """Add all genes of a dataset to the sums of each view (a network, and whether it is shown nothing); scores of each gene."""
    tables = []
    starts = range(0, len(data), BATCH)
    parts = [np.arange(start, min(start + BATCH, len(data))) for start in starts]
    for part, batch in zip(parts, data.batches(parts), strict=True):
        genes = data.genes.iloc[part]
        label = genes["label"].to_numpy()
        weight = poisson_weights(genes["gene_id"], len(next(iter(sums.values())).genes) - 1, seed)
        for name, (model, is_blind) in views.items():
            found = model.tss_attention(_emptied(batch) if is_blind else batch)
            attention = {bin_bp: rows.cpu().numpy() for bin_bp, rows in found.items()}
            sums[name].add(attention, label, weight)
            scores = _scores(attention, name, data.window_bp)
            tables += [pd.DataFrame({"model": model, "gene_id": genes["gene_id"], "score": score, "target": label}) for model, score in scores.items()]
    return pd.concat(tables, ignore_index=True)


def _emptied(batch: PackedBatch) -> PackedBatch:
    return replace(batch, promoter={bin_bp: signal * 0 for bin_bp, signal in batch.promoter.items()})


def by_label(averages: Averages) -> pd.DataFrame:
    """Mean attention of the TSS bin with 95 % intervals over genes, bin by bin.

    Returns
    -------
    DataFrame
        cell_type, model, bin_bp, head (1, 2, ... or both), genes (of GROUPS), offset, mean, low, high, n
    """
    return _of_all(averages, _curve)


def _curve(draws: np.ndarray, offset: np.ndarray) -> pd.DataFrame:
    low, high = np.quantile(draws[1:], (0.025, 0.975), axis=0)
    return pd.DataFrame({"offset": offset, "mean": draws[0], "low": low, "high": high})


def maxima(averages: Averages) -> pd.DataFrame:
    """Where the mean attention of the TSS bin is highest, and how surely.

    Returns
    -------
    DataFrame
        cell_type, model, bin_bp, head, genes, as in `by_label`
        where: anywhere, or beyond NEAR_BP of the TSS on either side
        offset, low, high: of the bin with the maximum, with the 95 % interval over resampled genes; attention there
        in_body: share of resamples whose maximum lies in BODY_BP
        n
    """
    return _of_all(averages, _highest)


def _highest(draws: np.ndarray, offset: np.ndarray) -> pd.DataFrame:
    rows = []
    for where, near_bp in (("anywhere", 0), (f"beyond {NEAR_BP / 1000:g} kb", NEAR_BP)):
        chosen = np.abs(offset) > near_bp
        at = offset[chosen][np.argmax(draws[:, chosen], 1)]
        low, high = np.quantile(at[1:], (0.025, 0.975), method="inverted_cdf")
        rows.append({"where": where, "offset": at[0], "low": low, "high": high, "attention": draws[0, chosen].max(),
                     "in_body": ((at[1:] > BODY_BP[0]) & (at[1:] < BODY_BP[1])).mean()})  # fmt: skip
    return pd.DataFrame(rows)


def _of_all(averages: Averages, table_of: Callable[[np.ndarray, np.ndarray], pd.DataFrame]) -> pd.DataFrame:
    """`table_of` of (1 + b, l) and the offsets of bins, for each cell type, model, bin width, head and group of genes."""
    tables = []
    for (cell_type, model), sums in averages.items():
        n_off, n_on = sums.genes[0].astype(int)
        n = dict(zip(GROUPS, (n_on, n_off, n_on + n_off), strict=True))
        for bin_bp in sums.attention:
            for genes, draws in sums.means(bin_bp).items():
                offset, heads = offsets(draws.shape[-1], bin_bp), [*map(str, range(1, draws.shape[1])), BOTH]
                for head, name in enumerate(heads):
                    keys = {"cell_type": cell_type, "model": model, "bin_bp": bin_bp, "head": name, "genes": genes}
                    table = table_of(draws[:, head], offset)
                    tables.append(pd.DataFrame(keys, index=table.index).join(table).assign(n=n[genes]))
    return pd.concat(tables, ignore_index=True)


# Single genes, and the paper's claims


def score_name(view: str, start_bp: int, bin_bp: int | None = None) -> str:
    """How tables of scores and claims call the attention of a network to a stretch, over all bin widths or at one."""
    whose = "" if view == OURS else f" {view}"
    width = "" if bin_bp is None else f" in bins of {bin_bp} bp"
    return f"TSS attention{whose}{width}, {start_bp / 1000:g} to {(start_bp + STRETCH_BP) / 1000:g} kb"


def _scores(attention: dict[int, np.ndarray], view: str, window_bp: int) -> dict[str, np.ndarray]:
    """Mean attention of each gene to stretches, over even, both heads together: all of OURS, of other views two that mirror
    each other."""
    half = window_bp // 2 // STRETCH_BP * STRETCH_BP
    starts = np.arange(-half, half, STRETCH_BP)
    mirrored = [start for start in (-BODY_BP[1], BODY_BP[0]) if start in starts]
    by_width = {bin_bp: _in_stretches(rows.mean(1), bin_bp, starts) for bin_bp, rows in attention.items()}  # (g, k)
    together = dict(zip(starts, np.mean(list(by_width.values()), 0).T, strict=True))
    found = {score_name(view, start): together[start] for start in (starts if view == OURS else mirrored)}
    if view == OURS:
        found |= {score_name(view, start, bin_bp): dict(zip(starts, rows.T, strict=True))[start]
                  for bin_bp, rows in by_width.items() for start in mirrored}  # fmt: skip
    return found


def _in_stretches(rows: np.ndarray, bin_bp: int, starts: np.ndarray) -> np.ndarray:
    """Attention (g, l) in stretches that begin there, over even attention: (g, k). A bin is split where a stretch ends in it."""
    first = ((np.arange(rows.shape[1]) - rows.shape[1] // 2) * bin_bp)[:, None]
    overlap = (np.minimum(first + bin_bp, starts + STRETCH_BP) - np.maximum(first, starts)).clip(0) / bin_bp  # (l, k)
    return rows @ overlap / overlap.sum(0) * rows.shape[1]


def for_claims(scores: pd.DataFrame, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """What `claims.evaluate` takes: the scores of `average`, and the signal of H3K36me3 in the two stretches that mirror each
    other, where there is that mark."""
    return pd.concat([scores, *(_mark_scores(genes) for genes in data.values() if MARK in genes.marks)], ignore_index=True)


def _mark_scores(data: GeneDataset) -> pd.DataFrame:
    """H3K36me3 where the paper has the maximum, and as far upstream, of genes that have both on their chromosome."""
    k, tables = data.marks.index(MARK), []
    for start, end in (BODY_BP, (-BODY_BP[1], -BODY_BP[0])):
        model = f"{MARK}, {start / 1000:g} to {end / 1000:g} kb"
        tables.append(data.genes[["gene_id", "fold"]].assign(model=model, score=marks.window_signal(data, start, end)[:, k]))
    is_whole = tables[0]["score"].notna() & tables[1]["score"].notna()
    table = pd.concat([table[is_whole] for table in tables], ignore_index=True)
    target = data.genes.set_index("gene_id")["label"].loc[table["gene_id"]].to_numpy()
    return table.assign(cell_type=data.cell_type, task="clf", target=target)[studies.SCORES]


def labels(data: Mapping[str, GeneDataset]) -> dict[str, dict[str, list[str]]]:
    """The subsets "on" and "off" of each cell type, for `claims.evaluate`."""
    return {
        name: {cell_type: genes.genes.loc[genes.genes["label"] == label, "gene_id"].tolist() for cell_type, genes in data.items()}
        for name, label in (("on", 1), ("off", 0))
    }
