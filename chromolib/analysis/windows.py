"""What a wide window is worth to a model: scores by window, gains from one to the next, and the neighbours it takes in.

In: scores of models whose names end in a window, as `studies.windows` makes them, and genes with their TSSs. Out: tidy tables.
Windows are in bp, the TSS in their middle: a neighbour is in view where its TSS lies less than half a window away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats

from .. import evaluation
from ..answers import SCORES
from ..baselines import PEERS, WINDOW_PEERS
from ..config import InputError
from ..dataset import GeneDataset
from ..genome import profile_genome
from ..profile import Profile, cohort_of
from ..resampling import interval, of_parts
from ..simulate import read_truth
from ..simulate.signal import ALONG_BODY, AT_TSS, HALF_BP, TOP_BP
from ..studies import WINDOWS_BP, Grid, Study, window_name
from .benchmark import RECIPE, training_of
from .comparison import baseline, binned_signal, linear, mean_signal

METRIC = "roc_auc"  # of classifiers, by which the paper compares
USUAL_BP = 10_000   # beyond it, the paper says, other networks lose
EDGES_BP = (5_000, 20_000)  # of groups by the distance of the nearest TSS: half of the usual and of the paper's widest window
GROUPS = tuple(f"nearest TSS {text}" for text in ("within 5 kb", "5 to 20 kb away", "beyond 20 kb"))
MIN_GENES = 20      # of a kind in a fold, or of calls in a cell type; an interval of fewer says little
VIEWS = ("neighbour comes into view", "no neighbour in view")
STATES = ("on", "off", "none in view")  # of the neighbour that a wider window brings into view
NEIGHBOURS = ("neighbour on", "neighbour off")
PLANTED = "Planted in view"
REGRESSIONS = ("Linear, mean signal", "Linear, binned signal")


# Models and their windows


def split_names(scores: pd.DataFrame) -> pd.DataFrame:
    """`scores` with "A, 10 kb" parted into model "A" and window_bp 10000.

    Raises
    ------
    InputError
        A model whose name does not end in a window.
    """
    parts = {name: re.fullmatch(r"(.+), (\d+) kb", name) for name in scores["model"].unique()}
    if wrong := [name for name, found in parts.items() if not found]:
        raise InputError(f"windows: model {wrong[0]!r}, expected a name that ends in its window, as in {window_name('A', USUAL_BP)!r}")
    window_bp = scores["model"].map({name: 1000 * int(found[2]) for name, found in parts.items()})
    return scores.assign(model=scores["model"].map({name: found[1] for name, found in parts.items()}), window_bp=window_bp)


def simple_scores(data: Mapping[str, GeneDataset], folds: Iterable[int]) -> pd.DataFrame:
    """Regression on each of the paper's windows that fits: on the mean signal of each mark, and on the signal in bins.

    Parameters
    ----------
    data : mapping
        Cell type -> all its genes, the whole frame.
    folds : iterable of int
        Those to score; each is predicted by all others.

    Returns
    -------
    DataFrame
        cell_type, task, model ("Linear, mean signal, 10 kb", ...), gene_id, fold, score, target.
    """
    tables, chosen = [], list(folds)
    for cell_type, genes in data.items():
        for window_bp in (width for width in WINDOWS_BP if width <= genes.frame_bp):
            view = genes.select(window_bp=window_bp, max_pcres=0)
            for name, inputs in zip(REGRESSIONS, (partial(mean_signal, window_bp=window_bp), binned_signal), strict=True):
                labels = {"cell_type": cell_type, "task": view.task, "model": window_name(name, window_bp)}
                tables.append(baseline(view, inputs, linear, folds=chosen).assign(**labels))
    return pd.concat(tables, ignore_index=True)[SCORES]


def planted_scores(profile: Profile, data: Mapping[str, GeneDataset], folds: Iterable[int]) -> pd.DataFrame:
    """What a simulated profile has planted in each of the paper's windows, as a score; no rows where nothing is simulated.

    A window shows initiation, and elongation where half of it reaches as far as the body's signal does half its height. What
    pCREs do is left out.

    Returns
    -------
    DataFrame
        cell_type, task, model ("Planted in view, 10 kb", ...), gene_id, fold, score (sum of terms of log2 RPKM, less its median),
        target.
    """
    tables = []
    for cell_type, genes in data.items() if profile.simulated else ():
        truth = read_truth(profile, "genes", cell_type).set_index("gene_id").loc[genes.genes["gene_id"]]
        for window_bp in (width for width in WINDOWS_BP if width <= genes.frame_bp):
            total = truth["initiation"] + (truth["elongation"] if window_bp / 2 >= HALF_BP else 0)
            labels = {"cell_type": cell_type, "task": genes.task, "model": window_name(PLANTED, window_bp)}
            score = (total - total.median()).to_numpy()
            tables.append(genes.genes[["gene_id", "fold"]].assign(**labels, score=score, target=genes.targets.cpu().numpy()))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=SCORES)
    return table.loc[table["fold"].isin(list(folds)), SCORES].reset_index(drop=True)


def beside_references(profile: Profile, data: Mapping[str, GeneDataset], networks: pd.DataFrame, folds: Iterable[int]) -> pd.DataFrame:
    """Scores of the networks, of `simple_scores` and of `planted_scores` in one table."""
    folds = list(folds)
    tables = [networks, simple_scores(data, folds), planted_scores(profile, data, folds)]
    return pd.concat([table for table in tables if len(table)], ignore_index=True)[SCORES]


def planted(profile: Profile) -> str:
    """Where a simulated profile has what decides expression, in a sentence; of a real one, that nobody knows."""
    if not profile.simulated:
        return "These are real cells: how far from the TSS the signal reaches that tells on from off is not known beforehand."
    reach = max(abs(offset) for peaks in AT_TSS.values() for state, offset, _, _ in peaks if state == "on") / 1000
    marks = f"the marks of a promoter that is on are centred within {reach:g} kb of its TSS"
    if cohort_of(profile).inputs.simulation.effects == "promoter":
        return f"Planted here: {marks}, and nothing else decides expression, so that windows wider than {2 * reach:g} kb should not help."
    return (
        f"Planted here: {marks}, and {', '.join(ALONG_BODY)} of elongated genes rises to half its height {HALF_BP / 1000:g} kb and to "
        f"its top {TOP_BP / 1000:g} kb downstream, so that windows should help from {2 * HALF_BP / 1000:g} kb on, hardly beyond "
        f"{2 * TOP_BP / 1000:g} kb, where the body goes on with the same, and not before. pCREs act too, but most lie outside of windows."
    )


def left_out(study: Study) -> pd.DataFrame:
    """What of the paper's figure 3a is not trained on this profile: figure, what, why."""
    frame_bp, budget = study.record.frame_bp, "not in the profile's budget"
    rows = [
        ("3a", f"window of {window_bp / 1000:g} kb", f"wider than the profile's frame of {frame_bp / 1000:g} kb")
        for window_bp in WINDOWS_BP
        if window_bp > frame_bp
    ]
    rows += [("3a", PEERS[name].title, budget) for name in WINDOW_PEERS if name not in study.peers]
    rows += [("3a", f"cell type {name}", budget) for name in study.record.cell_types if name not in study.cell_types]
    rows += [("3a", f"fold {fold}", budget) for fold in profile_genome(study.record).fold_ids if fold not in study.folds]
    return pd.DataFrame(rows, columns=["figure", "what", "why"])


def recipes(study: Study, grid: Grid) -> pd.DataFrame:
    """How each model is trained, at every window alike: model, optimizer, rate, batch (genes), epochs, decay (of the rate, per
    epoch), departs (from its authors' training; their window is left aside, since it is what varies here)."""
    rows = []
    for name, runs in grid.items():
        settings, departs = training_of(study, runs[0])
        rows.append({"model": name, **settings, "departs": "; ".join(departs) or "nothing"})
    table = pd.DataFrame(rows, columns=["model", *RECIPE.values(), "departs"])
    return split_names(table).drop(columns="window_bp").drop_duplicates(ignore_index=True)


def bins_in_view(data: GeneDataset) -> pd.DataFrame:
    """What Chromoformer's branches hold of a promoter at each of the paper's windows.

    Returns
    -------
    DataFrame
        window_bp, bin_bp, bins (of the window), share_blind: genes of which the branch reads nothing, since the bin that it
        takes for the TSS is padding (see `pooling.centre`).
    """
    rows = []
    for window_bp in (width for width in WINDOWS_BP if width <= data.frame_bp):
        view = data.select(window_bp=window_bp, max_pcres=0)
        padding = view.batch(range(len(view))).is_promoter_padding
        for bin_bp in view.bin_bp:
            share = padding[bin_bp].all(1).float().mean().item() if bin_bp in padding else 0.0
            rows.append((window_bp, bin_bp, -(-window_bp // bin_bp), share))
    return pd.DataFrame(rows, columns=["window_bp", "bin_bp", "bins", "share_blind"])


# The metric by window


def by_fold(scores: pd.DataFrame) -> pd.DataFrame:
    """METRIC in each held-out fold and cell type, and over them.

    Returns
    -------
    DataFrame
        model, window_bp, cell_type, fold, metric, value, n (genes of the fold); mean and se (standard error) over all folds and
        cell types of a model and window: as if these were independent, which folds that share training genes are not.
    """
    table = evaluation.by_fold(scores, "clf").query("metric == @METRIC")
    table = split_names(table)
    groups = table.groupby(["model", "window_bp"], sort=False)["value"]
    table = table.assign(mean=groups.transform("mean"), se=groups.transform("sem"))
    return table[["model", "window_bp", "cell_type", "fold", "metric", "value", "n", "mean", "se"]].reset_index(drop=True)


def side_by_side(values: pd.DataFrame) -> pd.DataFrame:
    """`by_fold` to read: a row per model, a column per window, mean ± standard error."""
    once = values.drop_duplicates(["model", "window_bp"])
    text = [f"{row.mean:.3f} ± {row.se:.3f}" if np.isfinite(row.se) else f"{row.mean:.3f}" for row in once.itertuples()]
    wide = once.assign(text=text).pivot(index="model", columns="window_bp", values="text")
    wide = wide.loc[once["model"].unique()].rename(columns=lambda width: f"{width / 1000:g} kb")
    return wide.rename_axis(columns=None).reset_index()


def steps(windows_bp: Iterable[int]) -> list[tuple[int, int]]:
    """Pairs of windows to compare, the wider first: the widest with the usual one, then each with the next narrower one."""
    rising = sorted(set(windows_bp))
    pairs = [(wide, narrow) for narrow, wide in pairwise(rising)]
    return list(dict.fromkeys([*filter(None, [widening(rising)]), *pairs]))


def widening(windows_bp: Iterable[int]) -> tuple[int, int] | None:
    """The widest window and the usual one, or the narrowest where the usual one is the widest; None of a single window."""
    rising = sorted(set(windows_bp))
    if len(rising) < 2:
        return None
    return rising[-1], USUAL_BP if USUAL_BP in rising[:-1] else rising[0]


def step_name(wide_bp: int, narrow_bp: int) -> str:
    return f"{wide_bp / 1000:g} vs {narrow_bp / 1000:g} kb"


def gains(scores: pd.DataFrame, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """What each model gains from a wider window, with 95 % bootstrap intervals over genes.

    The mean over folds, whose networks' scores do not compare, and over cell types. A gene that is drawn twice counts twice at
    both windows and in each cell type. Of one fold and cell type it is `evaluation.difference`. Intervals do not hold what
    another seed would change.

    Returns
    -------
    DataFrame
        model, step ("40 vs 10 kb"), first, second (the model at the wider and at the narrower window), metric, value (first minus
        second), low, high, n (genes), verdict on the first.

    Raises
    ------
    InputError
        A model that does not score the same genes at each window.
    """
    parts = _by_part(scores)
    columns = list(next(iter(parts.values())))
    values, n = of_parts([list(tables.values()) for tables in parts.values()], METRIC, n_resamples, seed)
    draws = dict(zip(columns, np.moveaxis(values.mean(1), -1, 0), strict=True))             # (1 + b,) of each model and window
    rows = [
        (model, step_name(wide, narrow), window_name(model, wide), window_name(model, narrow), METRIC,
         *interval(draws[model, wide] - draws[model, narrow]), n)
        for model, windows_bp in _windows_of(columns).items()
        for wide, narrow in steps(windows_bp)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "step", "first", "second", "metric", "value", "low", "high", "n"])
    return evaluation.verdicts(table)


# Neighbours


def neighbours(genes: pd.DataFrame) -> pd.DataFrame:
    """The nearest other TSS on each gene's chromosome, among these genes.

    Parameters
    ----------
    genes : DataFrame
        gene_id, chrom, tss, label, as `GeneDataset.genes` has them.

    Returns
    -------
    DataFrame
        gene_id, own_label, neighbour (its id; of two as near the first by position), distance_bp, label (of the neighbour); in
        the order of `genes`, without a neighbour NaN and an infinite distance.
    """
    parts = []
    for _, part in genes.groupby("chrom", sort=False):
        part = part.sort_values("tss", kind="stable")
        gap = np.diff(part["tss"].to_numpy(float), prepend=-np.inf, append=np.inf)           # before each gene and after the last
        shift = np.where(gap[:-1] <= gap[1:], -1, 1)
        nearest = part.iloc[np.clip(np.arange(len(part)) + shift, 0, len(part) - 1)]
        found = pd.DataFrame({"gene_id": part["gene_id"].to_numpy(), "own_label": part["label"].to_numpy(),
                              "neighbour": nearest["gene_id"].to_numpy(), "distance_bp": np.minimum(gap[:-1], gap[1:]),
                              "label": nearest["label"].to_numpy(float)})  # fmt: skip
        is_alone = np.isinf(found["distance_bp"])
        parts.append(found.assign(neighbour=found["neighbour"].where(~is_alone), label=found["label"].where(~is_alone)))
    return pd.concat(parts).set_index("gene_id").loc[genes["gene_id"]].reset_index()


def groups(near: pd.DataFrame) -> pd.Series:
    """Name of each gene's group by the distance of its nearest TSS, from `neighbours`."""
    return pd.Series(np.asarray(GROUPS)[np.searchsorted(EDGES_BP, near["distance_bp"], side="right")], index=near.index)


def group_sizes(near: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Genes by the distance of their nearest TSS, over all cell types: group, n, share, same_label (share of those whose
    neighbour has their own label; among genes drawn at random it would be about a half)."""
    table = pd.concat([part.assign(group=groups(part)) for part in near.values()], ignore_index=True)
    is_same = (table["label"] == table["own_label"]).where(table["label"].notna())
    found = table.assign(is_same=is_same).groupby("group", sort=False)["is_same"].agg(n="size", same_label="mean")
    found = found.reindex([name for name in GROUPS if name in found.index])
    return found.assign(share=found["n"] / len(table)).rename_axis("group").reset_index()[["group", "n", "share", "same_label"]]


def by_neighbour(
    scores: pd.DataFrame, near: Mapping[str, pd.DataFrame], *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """METRIC of each model and window on the genes of each of `groups`, with 95 % bootstrap intervals over genes.

    Parameters
    ----------
    near : mapping
        Cell type -> `neighbours` of its genes.

    Returns
    -------
    DataFrame
        model, window_bp, group, metric, value (mean over folds and cell types), low, high, n (genes). Groups of fewer than
        MIN_GENES genes in a fold are left out; an interval is NaN where many resamples have genes of one class.
    """
    parts, rows = _by_part(scores), []
    for number, group in enumerate(GROUPS):
        low_bp, high_bp = (0, *EDGES_BP, np.inf)[number : number + 2]
        chosen = [[_cut(table, near[name], low_bp, high_bp) for table in tables.values()] for (name, _), tables in parts.items()]
        if _fewest(chosen) < MIN_GENES:
            continue
        values, n = of_parts(chosen, METRIC, n_resamples, seed)
        for column, draws in zip(next(iter(parts.values())), np.moveaxis(values.mean(1), -1, 0), strict=True):
            rows.append((*column, group, METRIC, *interval(draws), n))
    return pd.DataFrame(rows, columns=["model", "window_bp", "group", "metric", "value", "low", "high", "n"])


def gains_by_view(
    scores: pd.DataFrame, near: Mapping[str, pd.DataFrame], *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """What a wider window (see `widening`) gains on genes whose neighbour it brings into view, and on genes without any in it.

    Genes whose neighbour is in view of the narrow window already are in neither.

    Returns
    -------
    DataFrame
        model, step, genes ("neighbour comes into view", "no neighbour in view", "first minus second"), metric,
        value (mean over folds and cell types), low, high, n. None where a fold has fewer than MIN_GENES genes of either kind.
    """
    parts, rows = _by_part(scores), []
    for model, (wide, narrow) in _widenings(parts).items():
        spans = ((narrow / 2, wide / 2), (wide / 2, np.inf))
        chosen = [
            [_cut(tables[model, width], near[name], *span) for span in spans for width in (wide, narrow)]
            for (name, _), tables in parts.items()
        ]
        rows += _contrast((model, step_name(wide, narrow)), VIEWS, chosen, METRIC, n_resamples, seed)
    return pd.DataFrame(rows, columns=["model", "step", "genes", "metric", "value", "low", "high", "n"])


def calls(scores: pd.DataFrame, near: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Wrong calls of each classifier by the state of the neighbour that its widest window brings into view.

    A gene is called on where its score is above 0. The narrow windows are the control: they do not hold the neighbour, and what
    differs between states there is what neighbours have in common.

    Returns
    -------
    DataFrame
        model, window_bp, own (label of the gene: of "off" all wrong calls are "on", and the reverse), neighbour ("on", "off",
        "none in view"), wrong, n, share, low, high (95 % Wilson interval). Genes of all cell types count as so many genes.
    """
    by_part, parts = _by_part(scores), []
    pairs = _widenings(by_part)
    for (name, _), tables in by_part.items():
        for (model, window_bp), table in tables.items():
            if model in pairs:
                state = _state(table, near[name], *pairs[model])
                wrong = (table["score"] > 0) != (table["target"] == 1)
                own = np.where(table["target"] == 1, "on", "off")
                parts.append(pd.DataFrame({"model": model, "window_bp": window_bp, "own": own, "neighbour": state, "wrong": wrong}))
    if not parts:
        return pd.DataFrame(columns=["model", "window_bp", "own", "neighbour", "wrong", "n", "share", "low", "high"])
    keys = ["model", "window_bp", "own", "neighbour"]
    table = pd.concat(parts).dropna(subset="neighbour").groupby(keys, sort=False)["wrong"].agg(wrong="sum", n="size").reset_index()
    table = table.sort_values("neighbour", key=lambda state: state.map(STATES.index), kind="stable", ignore_index=True)
    wilson = [stats.binomtest(row.wrong, row.n).proportion_ci(method="wilson") for row in table.itertuples()]
    return table.assign(share=table["wrong"] / table["n"], low=[ends.low for ends in wilson], high=[ends.high for ends in wilson])


def shift_of_calls(
    scores: pd.DataFrame, near: Mapping[str, pd.DataFrame], *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Whether classifiers call genes on that are off because a neighbour that is on comes into view of a wider window.

    Returns
    -------
    DataFrame
        model, step, genes (off, with a neighbour that comes into view: "neighbour on", "neighbour off", "first
        minus second"), metric ("called on"), value (share called on at the wide window minus that at the narrow one, mean over
        cell types), low, high (95 % bootstrap interval over genes), n. Folds count as one, since a call needs no order. None
        where a cell type has fewer than MIN_GENES genes of either kind.
    """
    parts, rows = _by_part(scores.assign(fold=0)), []
    for model, (wide, narrow) in _widenings(parts).items():
        chosen = []
        for (name, _), tables in parts.items():
            state = _state(tables[model, wide], near[name], wide, narrow)
            called = [tables[model, width].assign(score=lambda table: (table["score"] > 0).astype(float)) for width in (wide, narrow)]
            is_off = tables[model, wide]["target"] == 0
            chosen.append([table[is_off & (state == neighbour)] for neighbour in ("on", "off") for table in called])
        rows += _contrast((model, step_name(wide, narrow)), NEIGHBOURS, chosen, "mean", n_resamples, seed)
    table = pd.DataFrame(rows, columns=["model", "step", "genes", "metric", "value", "low", "high", "n"])
    return table.assign(metric="called on")


# How it is measured


def _by_part(scores: pd.DataFrame) -> dict[tuple[str, int], dict[tuple[str, int], pd.DataFrame]]:
    """Cell type and fold -> model and window -> score and target by gene id; in each part all models on the same genes."""
    found: dict[tuple[str, int], dict[tuple[str, int], pd.DataFrame]] = {}
    by_model = split_names(scores).groupby(["cell_type", "fold", "model", "window_bp"], sort=False)
    for (cell_type, fold, *column), table in by_model:
        found.setdefault((cell_type, fold), {})[tuple(column)] = table.set_index("gene_id")[["score", "target"]].sort_index()
    columns = list(dict.fromkeys(column for tables in found.values() for column in tables))
    for (cell_type, fold), tables in found.items():
        genes = next(iter(tables.values())).index
        for column in columns:
            if column not in tables or not tables[column].index.equals(genes):
                raise InputError(f"windows: {window_name(*column)!r} in fold {fold} of {cell_type} lacks genes that others score; train the runs that failed")
        found[cell_type, fold] = {column: tables[column] for column in columns}
    return found


def _windows_of(columns: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for model, window_bp in columns:
        found.setdefault(model, []).append(window_bp)
    return found


def _widenings(parts: dict[tuple[str, int], dict[tuple[str, int], pd.DataFrame]]) -> dict[str, tuple[int, int]]:
    """Model -> its wide and its narrow window; none of a model with one window."""
    pairs = {model: widening(windows_bp) for model, windows_bp in _windows_of(next(iter(parts.values()))).items()}
    return {model: pair for model, pair in pairs.items() if pair}


def _distance(table: pd.DataFrame, near: pd.DataFrame) -> np.ndarray:
    return near.set_index("gene_id")["distance_bp"].loc[table.index].to_numpy()


def _cut(table: pd.DataFrame, near: pd.DataFrame, low_bp: float, high_bp: float) -> pd.DataFrame:
    """The genes of a table whose nearest TSS is this far away, the end excluded but where it is infinite."""
    distance = _distance(table, near)
    return table[(distance >= low_bp) & ((distance < high_bp) | np.isinf(high_bp))]


def _state(table: pd.DataFrame, near: pd.DataFrame, wide_bp: int, narrow_bp: int) -> pd.Series:
    """What of a neighbour each gene of a table gets into view: "on", "off" or "none in view"; None where it was there before."""
    distance, label = _distance(table, near), near.set_index("gene_id")["label"].loc[table.index]
    states = np.where(label == 1, "on", "off").astype(object)
    states = np.where(distance >= wide_bp / 2, "none in view", np.where(distance < narrow_bp / 2, None, states))
    return pd.Series(states, index=table.index)


def _contrast(
    labels: tuple, kinds: tuple[str, str], chosen: list[list[pd.DataFrame]], metric: str, n_resamples: int, seed: int
) -> list[tuple]:
    """Rows for wide minus narrow on genes of one kind, of the other, and the first minus the second; columns of `chosen` are
    the first kind at the wide and the narrow window, and the second."""
    if _fewest(chosen) < MIN_GENES:
        return []
    values, n = of_parts(chosen, metric, n_resamples, seed)
    first, second = (values[..., i] - values[..., i + 1] for i in (0, 2))                   # (1 + b, part)
    sizes = [len(set().union(*(row[i].index for row in chosen))) for i in (0, 2)]
    parts = zip((*kinds, "first minus second"), (first, second, first - second), (*sizes, n), strict=True)
    return [(*labels, kind, metric, *interval(draws.mean(1)), size) for kind, draws, size in parts]


def _fewest(chosen: list[list[pd.DataFrame]]) -> int:
    return min(len(table) for row in chosen for table in row)
