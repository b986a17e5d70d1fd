"""Where the bin of the TSS looks: attention maps of one gene, and what genes that are on have in common.

In: networks, and genes that they did not train on. Out: tidy tables. Offsets are in bp from the TSS, downstream positive, and of
the middle of a bin; attention is over what even attention would give a bin, so that 1 is even at every bin width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from .. import answers, inputs
from ..answers import SCORES
from ..batch import PackedBatch
from ..checkpoints import build
from ..config import MARKS, InputError
from ..dataset import GeneDataset
from ..model import Chromoformer
from ..profile import Profile
from ..resampling import poisson_weights, resamples
from ..runs import Run
from ..simulate import read_truth
from ..studies import OURS, Grid, Study
from . import marks
from .tracks import example_gene, find_gene, offsets

MARK = marks.BODY_MARK  # figure 4h takes it away
BODY_BP = (4000, 6000)  # downstream of the TSS: where the paper has the maximum
STRETCH_BP = 2000       # in which a window is cut for the scores of single genes
NEAR_BP = 1000          # what lies nearer to the TSS tells of the promoter, not of the body
CORE = 0.9              # of its highest value: where a planted effect counts as planted
BATCH = 256             # genes at a time

UNTRAINED, NO_SIGNAL = "untrained", "without signal"  # controls: weights as born from another seed; the network, shown empty windows
GROUPS = ("on", "off", "on - off")
BOTH = "both"           # heads, averaged
ALL = "all"             # bin widths, averaged in stretches

# A network, and whether it is shown windows without signal.
Views = Mapping[str, tuple[Chromoformer, bool]]


# One gene


def network_of(runs: Iterable[Run], gene_id: str) -> tuple[Run, Chromoformer, GeneDataset]:
    """The run that held a gene out, its network, and the genes that it did not see.

    Raises
    ------
    InputError
        No run holds the gene out: all trained on it, or none knows it.
    """
    runs = list(runs)
    for run, model, held_out in answers.networks(runs):
        if gene_id in set(held_out.genes["gene_id"]):
            return run, model, held_out
    folds = ", ".join(str(run.fold) for run in runs)
    raise InputError(f"attention: no run of folds {folds or 'none'} holds out gene {gene_id!r}, expected one; choose a gene of these folds")


def example(study: Study, data: GeneDataset) -> pd.Series:
    """The row of the profile's example gene where a network held it out, or else of one that `tracks.example_gene` finds."""
    is_held_out = data.genes["fold"].isin(study.folds)
    held_out = data.select(genes=data.genes.loc[is_held_out, "gene_id"].tolist())
    named = study.record.example_gene
    return example_gene(held_out, named if held_out.genes[["gene_id", "symbol"]].eq(named).any(axis=None) else None)


def gene_maps(model: Chromoformer, data: GeneDataset, gene: str) -> pd.DataFrame:
    """The attention maps of one gene: bin_bp, head (from 1), query and key (offsets), attention (of query to key, over even)."""
    maps = model.attention_maps(data.select(max_pcres=0).batch([find_gene(data, gene).name]))
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


# All genes, in one pass


class Sums:
    """Numbers of genes that are on and off, added up as batches pass: over all genes, and over each resample of them."""

    def __init__(self, n_resamples: int) -> None:
        self.genes = np.zeros((1 + n_resamples, 2))
        self.attention: dict[int, np.ndarray] = {}   # bin width -> (1 + b, 2, h, l)
        self.asked: dict[int, np.ndarray] = {}       # bin width -> (1 + b, 2, h, m)
        self.marks: tuple[str, ...] = ()

    def add(self, name: str, values: Mapping[int, np.ndarray], label: np.ndarray, weight: np.ndarray) -> None:
        """Add to one of the two: bin width -> (g, h, ...), of genes with label (g,) and weight (g, 1 + b)."""
        for (bin_bp, rows), k in product(values.items(), (0, 1)):
            chosen = label == k
            total = getattr(self, name).setdefault(bin_bp, np.zeros((len(self.genes), 2, *rows.shape[1:]), np.float32))
            total[:, k] += np.tensordot(weight[chosen].T, rows[chosen], 1)

    def means(self, name: str, bin_bp: int) -> dict[str, np.ndarray]:
        """Mean of each of GROUPS, (1 + b, h + 1, l or m); the last head is the mean of the others. NaN where a resample has no
        gene."""
        mean = getattr(self, name)[bin_bp] / np.where(self.genes > 0, self.genes, np.nan)[..., None, None]
        mean = np.concatenate([mean, mean.mean(2, keepdims=True)], 2)
        return dict(zip(GROUPS, (mean[:, 1], mean[:, 0], mean[:, 1] - mean[:, 0]), strict=True))

    def at_each_width(self, name: str) -> dict[int | str, dict[str, np.ndarray]]:
        """`means`, bin width by bin width."""
        return {bin_bp: self.means(name, bin_bp) for bin_bp in self.attention}

    def together(self) -> dict[str, np.ndarray]:
        """Mean attention of each of GROUPS to stretches of STRETCH_BP, over all bin widths: (1 + b, h + 1, k)."""
        starts = _starts(min(bin_bp * total.shape[-1] for bin_bp, total in self.attention.items()))
        found = [{group: _in_stretches(rows, bin_bp, starts) for group, rows in means.items()} for bin_bp, means in self.at_each_width("attention").items()]
        return {group: np.mean([means[group] for means in found], 0) for group in GROUPS}


Means = Mapping[int | str, dict[str, np.ndarray]]  # bin width, or ALL -> group of genes -> draws
Averages = dict[tuple[str, str], Sums]  # cell type and view -> sums


def average(grid: Grid, *, n_resamples: int = 1000, seed: int = 0) -> tuple[Averages, pd.DataFrame]:
    """Attention of the TSS bin, averaged over the genes that each network of a grid did not see.

    Beside OURS stand two controls on the same genes: UNTRAINED and NO_SIGNAL.

    Returns
    -------
    averages
        Folds of a cell type are added up. The heads of two trainings need not be the same, but begin as the same.
    scores : DataFrame
        Of all calls of `pass_genes`.
    """
    averages: Averages = {}
    tables = []
    for name, runs in grid.items():
        for run, model, held_out in answers.networks(runs):
            views = {name: (model, False)}
            if name == OURS:
                untrained = build(model.config, run.seed + 1).to(held_out.device)
                views |= {UNTRAINED: (untrained, False), NO_SIGNAL: (model, True)}
            tables.append(pass_genes(averages, held_out, views, n_resamples=n_resamples, seed=seed))
    return averages, pd.concat(tables, ignore_index=True)


def pass_genes(
    averages: Averages, data: GeneDataset, views: Views, *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Show all genes of a dataset to networks and add to `averages` where their TSS bins look.

    Genes pass in batches, of which only sums are kept: memory does not grow with their number, but for the scores.

    Returns
    -------
    DataFrame
        cell_type, task, model, gene_id, fold, score, target (label), as `claims.evaluate` takes them. Score: the gene's mean
        attention to a stretch of its window, over even; the model's name says whose and to which (`score_name`).
    """
    data = data.select(max_pcres=0)
    parts = [np.arange(start, min(start + BATCH, len(data))) for start in range(0, len(data), BATCH)]
    scores: dict[str, list[np.ndarray]] = {}
    for part, batch in zip(parts, data.batches(parts), strict=True):
        genes = data.genes.iloc[part]
        label, weight = genes["label"].to_numpy(), poisson_weights(genes["gene_id"], n_resamples, seed)
        for name, (model, is_blind) in views.items():
            sums = averages.setdefault((data.cell_type, name), Sums(n_resamples))
            sums.marks = model.config.marks
            found = model.tss_attention(_emptied(batch) if is_blind else batch)
            attention = {bin_bp: rows.weight.cpu().numpy() * rows.weight.shape[-1] for bin_bp, rows in found.items()}
            sums.genes += np.stack([weight[label == k].sum(0) for k in (0, 1)], 1)
            sums.add("attention", attention, label, weight)
            sums.add("asked", {bin_bp: rows.asked.cpu().numpy() for bin_bp, rows in found.items()}, label, weight)
            for model_name, score in _scores(attention, name, data.window_bp).items():
                scores.setdefault(model_name, []).append(score)
    genes = data.genes[["gene_id", "fold", "label"]].rename(columns={"label": "target"}).assign(cell_type=data.cell_type, task="clf")
    tables = [genes.assign(model=name, score=np.concatenate(values))[SCORES] for name, values in scores.items()]
    return pd.concat(tables, ignore_index=True) if tables else answers.no_scores()


def _emptied(batch: PackedBatch) -> PackedBatch:
    return replace(batch, promoter={bin_bp: signal * 0 for bin_bp, signal in batch.promoter.items()})


# What the averages say


def by_label(averages: Averages) -> pd.DataFrame:
    """Mean attention of the TSS bin with 95 % intervals over genes, bin by bin.

    Returns
    -------
    DataFrame
        cell_type, model, bin_bp, head (1, 2, ... or both), genes (of GROUPS), offset, value, low, high, n
    """
    return _of_all(averages, lambda sums: sums.at_each_width("attention"),
                   lambda draws, sums, bin_bp: _curve(draws, "offset", offsets(draws.shape[-1], bin_bp)))  # fmt: skip


def drawn_by(averages: Averages, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """Which marks draw the attention of the TSS bin: that of a bin is multiplied by exp(value) where it has one standard
    deviation more of the mark, whatever else it has.

    The standard deviation is that over all bins of all windows of the cell type, apart for each bin width.

    Returns
    -------
    DataFrame
        cell_type, model, bin_bp, head, genes, mark, value, low, high, n
    """
    found = _of_all(averages, lambda sums: sums.at_each_width("asked"), lambda draws, sums, bin_bp: _curve(draws, "mark", sums.marks))
    sd = {
        (name, bin_bp, mark): float(value)
        for name, genes in data.items() for bin_bp, of_marks in genes.spread().items()
        for mark, value in zip(genes.marks, of_marks, strict=True)
    }  # fmt: skip
    scale = [sd[key] for key in zip(found["cell_type"], found["bin_bp"], found["mark"], strict=True)]
    return found.assign(**found[["value", "low", "high"]].mul(scale, axis=0))


def maxima(averages: Averages) -> pd.DataFrame:
    """Where the mean attention of the TSS bin is highest, and how surely.

    Returns
    -------
    DataFrame
        cell_type, model, head, genes, as in `by_label`
        bins: all widths together, in stretches of STRETCH_BP, or one of them
        where: anywhere, or beyond NEAR_BP of the TSS on either side
        offset, low, high: of the bin with the maximum, with the 95 % interval over resampled genes; attention there
        in_body: share of resamples whose maximum lies in BODY_BP
        n
        No interval (NaN) where a resample holds no gene of the group.
    """
    found = _of_all(averages, lambda sums: {ALL: sums.together(), **sums.at_each_width("attention")},
                    lambda draws, sums, width: _highest(draws, offsets(draws.shape[-1], STRETCH_BP if width == ALL else width)))  # fmt: skip
    return found.rename(columns={"bin_bp": "bins"}).astype({"bins": str})


def _curve(draws: np.ndarray, name: str, points: Iterable) -> pd.DataFrame:
    low, high = np.quantile(draws[1:], (0.025, 0.975), axis=0)
    return pd.DataFrame({name: points, "value": draws[0], "low": low, "high": high})


def _highest(draws: np.ndarray, offset: np.ndarray) -> pd.DataFrame:
    rows = []
    for where, near_bp in (("anywhere", 0), (f"beyond {NEAR_BP / 1000:g} kb", NEAR_BP)):
        chosen = np.abs(offset) > near_bp
        if not chosen.any():  # so narrow a window
            continue
        at = np.where(np.isnan(draws[:, 0]), np.nan, offset[chosen][np.argmax(draws[:, chosen], 1)])
        low, high = np.quantile(at[1:], (0.025, 0.975), method="inverted_cdf")
        rows.append({"where": where, "offset": at[0], "low": low, "high": high, "attention": draws[0, chosen].max(),
                     "in_body": np.where(np.isnan(at[1:]), np.nan, (at[1:] > BODY_BP[0]) & (at[1:] < BODY_BP[1])).mean()})  # fmt: skip
    return pd.DataFrame(rows)


def _of_all(averages: Averages, means_of: Callable[[Sums], Means], table_of: Callable[[np.ndarray, Sums, int | str], pd.DataFrame]) -> pd.DataFrame:
    """`table_of` of draws (1 + b, ...), for each cell type, view, bin width, head and group of genes."""
    tables = []
    for (cell_type, model), sums in averages.items():
        n_off, n_on = sums.genes[0].astype(int)
        n = dict(zip(GROUPS, (n_on, n_off, n_on + n_off), strict=True))
        for bin_bp, means in means_of(sums).items():
            for genes, draws in means.items():
                heads = [*map(str, range(1, draws.shape[1])), BOTH]
                for head, draws_of_head in zip(heads, np.moveaxis(draws, 1, 0), strict=True):
                    table = table_of(draws_of_head, sums, bin_bp)
                    keys = {"cell_type": cell_type, "model": model, "bin_bp": bin_bp, "head": head, "genes": genes}
                    tables.append(pd.DataFrame(keys, index=table.index).join(table).assign(n=n[genes]))
    return pd.concat(tables, ignore_index=True)


# Single genes, and the paper's claims


def score_name(view: str, start_bp: int, bin_bp: int | None = None) -> str:
    """How tables of scores and claims call the attention of a network to a stretch, over all bin widths or at one."""
    width = "" if bin_bp is None else f" in bins of {bin_bp} bp"
    return f"{_whose(view)}{width}, {start_bp / 1000:g} to {(start_bp + STRETCH_BP) / 1000:g} kb"


def _whose(view: str) -> str:
    return "TSS attention" if view == OURS else f"TSS attention {view}"


def _scores(attention: Mapping[int, np.ndarray], view: str, window_bp: int) -> dict[str, np.ndarray]:
    """Mean attention of each gene to stretches, heads together: to the two that mirror each other, at all bin widths together
    and at each, and their difference; of OURS to every other stretch too."""
    starts = _starts(window_bp)
    widths = {bin_bp: _in_stretches(rows.mean(1), bin_bp, starts).T for bin_bp, rows in attention.items()}  # (k, g)
    together = np.mean(list(widths.values()), 0)
    found = {score_name(view, starts[k]): together[k] for k in range(len(starts)) if view == OURS}
    if BODY_BP[1] > window_bp // 2:
        return found
    down, up = (np.flatnonzero(starts == start)[0] for start in _mirrored())
    for bin_bp, scores in {None: together, **widths}.items():
        found |= {score_name(view, starts[k], bin_bp): scores[k] for k in (down, up)}
    return found | {f"{_whose(view)}, downstream less upstream": together[down] - together[up]}


def _mirrored() -> tuple[int, int]:
    """Where the stretch begins that the paper names, and the one as far upstream."""
    return BODY_BP[0], -BODY_BP[1]


def _starts(window_bp: int) -> np.ndarray:
    """Where the stretches begin that a window is cut into, from the TSS on either side."""
    half = window_bp // 2 // STRETCH_BP * STRETCH_BP
    return np.arange(-half, half, STRETCH_BP)


def _in_stretches(rows: np.ndarray, bin_bp: int, starts: np.ndarray) -> np.ndarray:
    """Mean of bins (..., l) in stretches that begin there, (..., k); a bin is split where a stretch ends in it."""
    first = ((np.arange(rows.shape[-1]) - rows.shape[-1] // 2) * bin_bp)[:, None]
    overlap = (np.minimum(first + bin_bp, starts + STRETCH_BP) - np.maximum(first, starts)).clip(0)         # (l, k)
    return rows @ (overlap / overlap.sum(0))


def contrasts(scores: pd.DataFrame, averages: Averages, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Attention downstream (BODY_BP) less that as far upstream, of genes that are on, off, and on less off.

    Returns
    -------
    DataFrame
        cell_type, model, bins (all widths together, or one), on, off, value (on less off), low, high (95 % interval from
        resampling genes; the network stays as it is), lowest, highest (of single folds, each another network), n. No rows where
        a window does not reach that far.
    """
    parts = {key: part.set_index("gene_id") for key, part in scores.groupby(["cell_type", "model"], sort=False)}
    changes: dict[str, dict[tuple[str, str], pd.Series]] = {}
    for (cell_type, view), sums in averages.items():
        for bin_bp in (None, *sums.attention):
            down, up = (parts.get((cell_type, score_name(view, start, bin_bp))) for start in _mirrored())
            if down is not None:
                name = view, ALL if bin_bp is None else str(bin_bp)
                changes.setdefault(cell_type, {})[name] = down["score"] - up["score"]
    tables = []
    for cell_type, columns in changes.items():
        genes = scores[scores["cell_type"] == cell_type].drop_duplicates("gene_id").set_index("gene_id")
        change = pd.DataFrame(columns).reindex(genes.index)
        tables.append(_on_and_off(change, genes["target"], genes["fold"], n_resamples, seed).assign(cell_type=cell_type))
    columns = ["cell_type", "model", "bins", "on", "off", "value", "low", "high", "lowest", "highest", "n"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def statement(table: pd.DataFrame) -> str:
    """What `contrasts` says of the network at all bin widths together, beside one that has learned nothing."""
    rows = table[table["bins"] == ALL].set_index(["cell_type", "model"])
    parts = [
        f"{cell_type}: {row['value']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}], single folds {row['lowest']:+.2f} to {row['highest']:+.2f}, "
        f"untrained {rows.loc[(cell_type, UNTRAINED), 'value']:+.2f}"
        for (cell_type, model), row in rows.iterrows() if model == OURS
    ]  # fmt: skip
    return f"On less off, all bin widths: {'; '.join(parts) or 'not measured, the window is too narrow'}."


def _on_and_off(change: pd.DataFrame, label: pd.Series, fold: pd.Series, n_resamples: int, seed: int) -> pd.DataFrame:
    """Means of columns (named model and bins) over genes that are on and off, and their difference, as `contrasts` gives them."""
    values, is_on, draws = change.to_numpy(), label.to_numpy() == 1, []
    for weight in resamples(len(change), n_resamples, seed):
        on, off = weight * is_on, weight * ~is_on
        draws.append(on @ values / on.sum(1, keepdims=True) - off @ values / off.sum(1, keepdims=True))
    low, high = np.quantile(np.concatenate(draws), (0.025, 0.975), axis=0)
    on, off = values[is_on].mean(0), values[~is_on].mean(0)
    by_fold = change.groupby([fold, label]).mean().unstack().stack(level=[0, 1], future_stack=True)
    by_fold = by_fold[1] - by_fold[0]                                                       # fold, model, bins
    ends = by_fold.groupby(level=[1, 2], sort=False).agg(["min", "max"]).reindex(change.columns)
    return pd.DataFrame({
        "model": change.columns.get_level_values(0), "bins": change.columns.get_level_values(1), "on": on, "off": off, "value": on - off,
        "low": low, "high": high, "lowest": ends["min"].to_numpy(), "highest": ends["max"].to_numpy(), "n": len(change),
    })  # fmt: skip


def for_claims(scores: pd.DataFrame, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """What `claims.evaluate` takes: the scores of `average`, and the signal of H3K36me3 in the two stretches that mirror each
    other, where there are both that mark and these stretches."""
    can = [genes for genes in data.values() if MARK in genes.marks and genes.window_bp // 2 >= BODY_BP[1]]
    return pd.concat([scores, *map(_mark_scores, can)], ignore_index=True)


def _mark_scores(data: GeneDataset) -> pd.DataFrame:
    """Of genes that have both stretches on their chromosome."""
    tables = []
    for start in _mirrored():
        signal = marks.window_signal(data, start, start + STRETCH_BP)[:, data.marks.index(MARK)]
        name = score_name(OURS, start).replace("TSS attention", MARK)
        tables.append(data.genes.assign(model=name, score=signal, target=data.genes["label"]))
    is_whole = tables[0]["score"].notna() & tables[1]["score"].notna()
    table = pd.concat([table[is_whole] for table in tables], ignore_index=True)
    return table.assign(cell_type=data.cell_type, task="clf")[SCORES]


def labels(data: Mapping[str, GeneDataset]) -> dict[str, dict[str, list[str]]]:
    """The subsets "on" and "off" of each cell type, for `claims.evaluate`."""
    return {
        name: {cell_type: genes.genes.loc[genes.genes["label"] == label, "gene_id"].tolist() for cell_type, genes in data.items()}
        for name, label in (("on", 1), ("off", 0))
    }


def left_out(study: Study, exons: pd.DataFrame) -> pd.DataFrame:
    """What a profile leaves out: figure of the paper, what, why."""
    rows = []
    if exons.empty:
        rows.append(("4a, b", "exons", "no annotation with exons of this gene"))
    if absent := [mark for mark in MARKS if mark not in study.record.marks]:
        rows.append(("4a-d", ", ".join(absent), "the profile has no such mark"))
    if MARK in absent or len(study.record.marks) == 1:
        rows.append(("4h", f"attention without {MARK}", f"nothing without, or nothing but, {MARK}"))
    if (half := study.record.frame_bp / 2000) < BODY_BP[1] / 1000:
        rows.append(("4e, h, S9", "the claims on 4 to 6 kb", f"the window ends {half:g} kb from the TSS"))
    if not study.genes_are_all_held_out:
        rows.append(("4, S9", f"genes of other folds than {', '.join(map(str, study.folds))}", "not in this budget"))
    return pd.DataFrame(rows, columns=["figure", "what", "why"])


# What was planted


def planted(profile: Profile, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """Of a simulated profile, how much H3K36me3 genes with elongation have more of than genes without, along the window.

    Returns
    -------
    DataFrame
        cell_type, offset (stretches of STRETCH_BP), value (difference of mean signal), is_core (CORE of the highest or more),
        counts (whether elongation counts for expression there). No rows for a profile of real data.
    """
    tables = []
    for cell_type, genes in data.items() if profile.simulated and MARK in profile.marks else ():
        truth = read_truth(profile, "genes", cell_type).set_index("gene_id").loc[genes.genes["gene_id"]]
        is_elongated = (truth["elongation_level"] > 0).to_numpy()
        starts = _starts(genes.window_bp)
        signal = [marks.window_signal(genes, start, start + STRETCH_BP)[:, genes.marks.index(MARK)] for start in starts]
        value = np.array([np.nanmean(column[is_elongated]) - np.nanmean(column[~is_elongated]) for column in signal])
        tables.append(pd.DataFrame({
            "cell_type": cell_type, "offset": offsets(len(value), STRETCH_BP), "value": value, "is_core": value >= CORE * value.max(),
            "counts": (truth["elongation"] > 0).any(),
        }))  # fmt: skip
    columns = ["cell_type", "offset", "value", "is_core", "counts"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
