"""Figures of how well networks do: trainings, scores of held-out genes, comparisons and claims.

In: tables of evaluation, runs and of the analyses of notebooks 2 to 5. Out: axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator, NullLocator
from sklearn import metrics

from .style import (
    COLUMN_NAMES,
    KIND_STYLES,
    MANY_POINTS,
    MODEL_COLOURS,
    OTHER,
    hide_left_over,
    model_colour,
    name_points,
    name_rows,
    nothing_to_draw,
    variant_colour,
)

VERDICTS = {  # colour and shape
    "seen": ("#009e73", "o"), "not seen": ("#d55e00", "D"), "ruled out": ("#7b3014", "v"), "not testable": ("#999999", "x"), "not run": ("#bbbbbb", "_"),
}  # fmt: skip
FILLED = ("seen", "ruled out")  # verdicts that leave nothing open
LINE_STYLES = {"Linear, ": "--", "Planted in view": ":"}  # of what is no network: how its name begins -> style
MANY_FOLDS = 8  # points of a model; fewer are drawn without a box


def plot_history(history: pd.DataFrame, ax: Axes, *, metric: str, label: str) -> Axes:
    """One held-out metric per epoch, a line per fold, thick: their mean; beside a loss, dashed: that of training."""
    for _, run in history.groupby("run"):
        ax.plot(run["epoch"], run[metric], color="#9ecae1", lw=1)
    mean = history.groupby("epoch")[[metric, "train_loss"]].mean()
    ax.plot(mean.index, mean[metric], color=MODEL_COLOURS["Chromoformer"], lw=2)
    if metric == "loss":
        ax.plot(mean.index, mean["train_loss"], color=MODEL_COLOURS["Chromoformer"], lw=1.5, ls="--")
    ax.set_xlabel("epoch")
    ax.set_ylabel(label)
    return ax


def plot_epochs(epochs: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """A held-out metric by epoch, on a scale of ratios: one axis per task, a line per model; from `benchmark.by_epoch`."""
    for ax, (_, table) in zip(axes, epochs.groupby("task", sort=False), strict=True):
        for model, rows in table.groupby("model", sort=False):
            ax.plot(rows["epoch"], rows["value"], color=model_colour(model), lw=1.4, marker="o", markevery=[-1], ms=4, label=model)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("epoch")
        metric = table["metric"].iloc[0]
        ax.set_ylabel(f"held-out {COLUMN_NAMES.get(metric, metric)}")
        ax.legend(fontsize=7, loc="lower right")
    return axes


def plot_roc(predictions: pd.DataFrame, ax: Axes, *, intervals: pd.DataFrame) -> Axes:
    """ROC curves of held-out genes, one per model; columns model, target, score. `intervals`: model, value, low, high, n."""
    ax.plot([0, 1], [0, 1], color="#bbbbbb", lw=0.8, ls="--")
    for model, table in predictions.groupby("model", sort=False):
        false_positive, true_positive, _ = metrics.roc_curve(table["target"], table["score"])
        row = intervals.set_index("model").loc[model]
        label = f"{model}: {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        ax.plot(false_positive, true_positive, color=model_colour(model), lw=1.6, label=label)
    ax.set_xlabel("false positive rate")
    ax.set_ylabel("true positive rate")
    ax.set_aspect("equal")
    ax.legend(title="ROC-AUC [95 % interval]", loc="lower right", fontsize=8)
    return ax


def plot_calibration(table: pd.DataFrame, ax: Axes) -> Axes:
    """Observed against predicted share of genes that are on, from `evaluation.calibration`."""
    ax.plot([0, 1], [0, 1], color="#bbbbbb", lw=0.8, ls="--")
    error = [table["observed"] - table["low"], table["high"] - table["observed"]]
    ax.errorbar(table["predicted"], table["observed"], yerr=error, fmt="o", color=MODEL_COLOURS["Chromoformer"], capsize=2)
    ax.set(xlabel="predicted probability of being on", ylabel="share of genes that are on", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set_aspect("equal")
    return ax


def plot_expression(predictions: pd.DataFrame, ax: Axes, *, model: str, title: str) -> Axes:
    """Predicted against measured log2(RPKM + 1) of held-out genes; columns gene_id, target, score."""
    top = max(predictions["target"].max(), predictions["score"].max()) * 1.05
    ax.plot([0, top], [0, top], color="#bbbbbb", lw=0.8, ls="--")
    is_many = len(predictions) > MANY_POINTS
    size, alpha = (2, 0.25) if is_many else (12, 0.7)
    points = ax.scatter(predictions["target"], predictions["score"], s=size, color=model_colour(model), alpha=alpha, lw=0, rasterized=is_many)
    name_points(points, predictions)
    ax.set(xlabel="measured expression, log2(RPKM + 1)", ylabel="predicted expression, log2(RPKM + 1)", xlim=(-0.2, top))
    ax.set_title(title, loc="left", fontsize=9)
    return ax


def plot_intervals(table: pd.DataFrame, axes: Sequence[Axes], *, metrics: Sequence[str]) -> Sequence[Axes]:
    """Metrics with their intervals, one axis per metric, a band per `row`, a point per model, hollow where simulated.

    Columns: row, model, metric, value, low, high, simulated. Rows and models stand in the order of the table.
    """
    table = table[table["metric"].isin(metrics)]
    if table.empty:
        return nothing_to_draw(axes)
    rows, models = list(table["row"].unique()), list(table["model"].unique())
    for ax, metric in zip(axes, metrics, strict=True):
        for y in range(0, len(rows), 2):
            ax.axhspan(y - 0.5, y + 0.5, color="#f2f2f2", lw=0, zorder=0)
        for record in table[table["metric"] == metric].dropna(subset="value").itertuples():
            y = rows.index(record.row) + 0.8 * ((models.index(record.model) + 0.5) / len(models) - 0.5)
            colour = model_colour(record.model)
            ax.plot([record.low, record.high], [y, y], color=colour, lw=1.4)
            ax.plot(record.value, y, "o", ms=4.5, mec=colour, mew=1.2, mfc="white" if record.simulated else colour)
        if ax.lines and ax.get_xlim()[0] < 0 < ax.get_xlim()[1]:
            ax.axvline(0, color="black", lw=0.6, ls=":", zorder=1)
        name_rows(ax, rows, is_first=ax is axes[0])
        ax.set_xlabel(COLUMN_NAMES.get(metric, metric))
    handles = [Line2D([], [], color=model_colour(model), marker="o", ms=4.5, lw=1.4, label=model) for model in models]
    if table["simulated"].any():
        handles.append(Line2D([], [], color=OTHER, marker="o", ms=4.5, lw=1.4, mfc="white", label="simulated data"))
    axes[0].figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return axes


def plot_claims(table: pd.DataFrame, ax: Axes) -> Axes:
    """What was measured of each claim beyond its threshold, with intervals, a row per claim; from `claims.evaluate`.

    The verdict is told by colour and by shape: filled circle, hollow diamond, and a cross at the edge, off the axis, where
    nothing was measured.
    """
    if table.empty:
        return nothing_to_draw([ax], "no claims")[0]
    ax.axvline(0, color="black", lw=0.6, ls=":")
    for y, row in enumerate(table.itertuples()):
        colour, shape = VERDICTS[row.verdict]
        style = {"marker": shape, "ms": 5, "mec": colour, "mew": 1.2, "mfc": colour if row.verdict == "seen" else "white"}
        if row.verdict == "not testable":
            ax.plot(1, y, transform=ax.get_yaxis_transform(), clip_on=False, **style)
        else:
            ax.plot([row.low - row.threshold, row.high - row.threshold], [y, y], color=colour, lw=1.4)
            ax.plot(row.value - row.threshold, y, **style)
    name_rows(ax, table["figure"] + "  " + table["id"])
    ax.set_xlabel("difference of the metric, beyond the claim's threshold")
    handles = [
        Line2D([], [], color=colour, marker=shape, ms=5, lw=0 if verdict == "not testable" else 1.4, label=verdict,
               mfc=colour if verdict == "seen" else "white")
        for verdict, (colour, shape) in VERDICTS.items() if verdict in set(table["verdict"])
    ]  # fmt: skip
    ax.figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return ax


def plot_verdicts(table: pd.DataFrame, ax: Axes) -> Axes:
    """A row per claim, a column per profile, in each place the shape and colour of its verdict; from `ledger.collect`.

    Claims of one figure of the paper, and real and simulated data, stand apart by a line.
    """
    if table.empty:
        return nothing_to_draw([ax], "no claims")[0]
    columns, rows = table.drop_duplicates("column"), table.drop_duplicates("id")
    x, y = ({name: place for place, name in enumerate(names)} for names in (columns["column"], rows["id"]))
    for verdict, part in table.groupby("verdict"):
        colour, shape = VERDICTS[verdict]
        ax.plot(part["column"].map(x), part["id"].map(y), ls="", marker=shape, ms=6, mec=colour, mew=1.2, mfc=colour if verdict in FILLED else "white", label=verdict)
    for first in np.flatnonzero(rows["figure"].to_numpy()[1:] != rows["figure"].to_numpy()[:-1]):
        ax.axhline(first + 0.5, color="#dddddd", lw=0.6, zorder=0)
    for first in np.flatnonzero(columns["data"].to_numpy()[1:] != columns["data"].to_numpy()[:-1]):
        ax.axvline(first + 0.5, color="black", lw=0.6, ls=":")
    simulated = columns["data"].eq("simulated")
    ax.set_xticks(range(len(columns)), columns["column"].str.replace(", ", ",\n").where(~simulated, columns["column"] + "\n(simulated)"), rotation=45, ha="left", rotation_mode="anchor")
    ax.set_yticks(range(len(rows)), rows["figure"] + "  " + rows["id"])
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    handles, names = ax.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda place: list(VERDICTS).index(names[place]))
    ax.figure.legend([handles[i] for i in order], [names[i] for i in order], loc="outside upper center", ncols=len(order), fontsize=8, frameon=False)
    return ax


def plot_fold_change(predictions: pd.DataFrame, axes: Sequence[Axes], *, models: Sequence[str], cell_types: str) -> Sequence[Axes]:
    """Predicted against measured log2 fold change of held-out genes, one axis per model; columns model, gene_id,
    target, score."""
    shown = predictions[predictions["model"].isin(models)]
    if shown.empty:
        return nothing_to_draw(axes)
    end = 1.05 * max(shown["target"].abs().max(), shown["score"].abs().max())
    hide_left_over(axes, len(models))
    for ax, model in zip(axes, models, strict=False):
        table = shown[shown["model"] == model]
        ax.plot([-end, end], [-end, end], color="#bbbbbb", lw=0.8, ls="--")
        ax.axhline(0, color="#bbbbbb", lw=0.6)
        ax.axvline(0, color="#bbbbbb", lw=0.6)
        points = ax.scatter(table["target"], table["score"], s=12, color=model_colour(model), alpha=0.7, lw=0, rasterized=len(table) > MANY_POINTS)
        name_points(points, table)
        ax.set(xlim=(-end, end), ylim=(-end, end), aspect="equal")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MultipleLocator(2 if end < 9 else 5))
        ax.set_title(model, loc="left", fontsize=9)
    axes[0].set_ylabel("predicted")
    axes[0].figure.supxlabel(f"measured log2 fold change of RPKM + 1, {cell_types}", fontsize=9)
    return axes


def plot_changes(table: pd.DataFrame, ax: Axes, *, cell_types: str) -> Axes:
    """Number of genes by measured log2 fold change, from `fold_change.histogram`; dotted: twofold up and down."""
    ax.bar(table["low"], table["n"], width=table["high"] - table["low"], align="edge", color="#999999", ec="white", lw=0.4)
    for edge in (-1, 1):
        ax.axvline(edge, color="black", lw=0.6, ls=":")
    ax.set(xlabel=f"measured log2 fold change of RPKM + 1, {cell_types}", ylabel="genes")
    return ax


def plot_model_changes(table: pd.DataFrame, ax: Axes, *, folds: pd.DataFrame) -> Axes:
    """Change of a metric by each model with its interval, a row per model in the order of the table, from `ablations.changes`;
    small points: the same fold by fold and cell type by cell type, from `ablations.fold_changes`."""
    if table.empty:
        return nothing_to_draw([ax])[0]
    ax.axvline(0, color="black", lw=0.6, ls=":")
    for y, row in enumerate(table.itertuples()):
        colour = variant_colour(row.model)
        single = folds.loc[folds["model"] == row.model, "value"]
        ax.plot(single, [y + 0.25] * len(single), "o", ms=3.5, color=colour, alpha=0.6, mew=0)
        ax.plot([row.low, row.high], [y, y], color=colour, lw=1.4)
        ax.plot(row.value, y, "o", ms=5, color=colour)
    name_rows(ax, table["model"])
    ax.locator_params(axis="x", nbins=6)
    metric, beside = table[["metric", "beside"]].iloc[0]
    ax.set_xlabel(f"{COLUMN_NAMES.get(metric, metric)}, minus that of “{beside}”")
    return ax


def plot_folds(table: pd.DataFrame, axes: Sequence[Axes], *, metrics: Sequence[str]) -> Sequence[Axes]:
    """Metrics by fold and cell type, one axis per metric, a row per model; from `evaluation.by_fold`.

    A point is a fold of a cell type, the bar their mean; from MANY_FOLDS points on, a box (median, quartiles, whiskers to the
    furthest within 1.5 times their distance) lies behind them.
    """
    table = table[table["metric"].isin(metrics)]
    if table.empty:
        return nothing_to_draw(axes)
    models = list(table["model"].unique())
    for ax, metric in zip(axes, metrics, strict=True):
        for y, model in enumerate(models):
            values = table.loc[(table["metric"] == metric) & (table["model"] == model), "value"].dropna().to_numpy()
            colour = model_colour(model)
            if len(values) >= MANY_FOLDS:
                ax.boxplot(values, positions=[y], orientation="horizontal", widths=0.6, showfliers=False, manage_ticks=False,
                           boxprops={"color": colour}, medianprops={"color": colour}, whiskerprops={"color": colour},
                           capprops={"color": colour})  # fmt: skip
            if len(values):
                ax.plot([values.mean()] * 2, [y - 0.3, y + 0.3], color="black", lw=1.2)
            ax.plot(values, np.full(len(values), y), "o", ms=5, color=colour, alpha=0.8, mew=0)
        name_rows(ax, models, is_first=ax is axes[0])
        ax.set_xlabel(COLUMN_NAMES.get(metric, metric))
        ax.grid(axis="y", color="#eeeeee", lw=0.8)
        ax.set_axisbelow(True)
    return axes


def plot_probability(predictions: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Predicted probability of being on against measured log2(RPKM + 1), one axis per cell type; columns cell_type,
    gene_id, target, score."""
    if predictions.empty:
        return nothing_to_draw(axes)
    for ax, (cell_type, table) in zip(axes, predictions.groupby("cell_type", sort=False), strict=False):
        is_many = len(table) > MANY_POINTS
        size, alpha = (2, 0.2) if is_many else (8, 0.5)
        points = ax.scatter(table["target"], table["score"], s=size, color=MODEL_COLOURS["Chromoformer"], alpha=alpha, lw=0, rasterized=is_many)
        name_points(points, table)
        ax.set_title(cell_type, loc="left", fontsize=9)
        ax.set(xlabel="measured expression, log2(RPKM + 1)", ylim=(-0.02, 1.02))
    axes[0].set_ylabel("probability of being on")
    return axes


def plot_windows(table: pd.DataFrame, ax: Axes) -> Axes:
    """A metric by window, a line per model: mean and standard error, behind them a point per fold and cell type; from
    `windows.by_fold`. Lines of regressions are dashed, in a simulated profile that of what was planted is dotted."""
    models = list(table["model"].unique())
    for number, (model, rows) in enumerate(table.groupby("model", sort=False)):
        colour, style = model_colour(model), next((style for start, style in LINE_STYLES.items() if model.startswith(start)), "-")
        shift = 1.012 ** (number - (len(models) - 1) / 2)                      # so that bars do not hide one another
        mean = rows.drop_duplicates("window_bp").sort_values("window_bp")
        ax.plot(rows["window_bp"] / 1000 * shift, rows["value"], "o", ms=3.5, color=colour, alpha=0.4, mew=0)
        ax.errorbar(mean["window_bp"] / 1000 * shift, mean["mean"], yerr=mean["se"], color=colour, ls=style, lw=1.4, capsize=2, label=model)
    _label_windows(ax, table["window_bp"])
    ax.set_ylabel(COLUMN_NAMES.get(table["metric"].iloc[0], table["metric"].iloc[0]))
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def plot_kinds_by_window(table: pd.DataFrame, axes: Sequence[Axes], *, kind: str, value: str, label: str) -> Sequence[Axes]:
    """A number with its interval by window, one axis per model, a line per kind of genes (a column of the table)."""
    if table.empty:
        return nothing_to_draw(axes, "too few genes of any kind")
    kinds = list(table[kind].unique())
    models = list(table.groupby("model", sort=False))
    low, high = table["low"].min(), table["high"].max()
    for ax, (model, rows) in zip(axes, models, strict=False):
        for number, name in enumerate(kinds):
            part = rows[rows[kind] == name].sort_values("window_bp")
            x, error = part["window_bp"] / 1000 * 1.03 ** (number - 1), [part[value] - part["low"], part["high"] - part[value]]
            colour, marker = KIND_STYLES[name]
            ax.errorbar(x, part[value], yerr=error, color=colour, marker=marker, ms=4, lw=1.2, capsize=2, label=name)
        _label_windows(ax, table["window_bp"])
        ax.set(xlabel="", ylim=(low - 0.05 * (high - low), high + 0.05 * (high - low)))
        ax.set_title(model, loc="left", fontsize=9)
    hide_left_over(axes, len(models))
    figure = axes[0].figure
    figure.supxlabel("window (kb)", fontsize=9)
    figure.supylabel(label, fontsize=9)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return axes


def _label_windows(ax: Axes, window_bp: pd.Series) -> None:
    ax.set_xscale("log")
    ticks = sorted(window_bp.unique() / 1000)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("window (kb), TSS in the middle")
