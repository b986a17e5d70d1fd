"""Figures of networks on other cell types: relative ROC-AUC, likeness of cell types, learning curves.

In: tables of analysis.cross and analysis.transfer. Out: axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.cluster import hierarchy

from .scores import plot_folds
from .style import COLUMN_NAMES, OTHER, model_colour, nothing_to_draw

DASHED = "frozen"  # less is learned
LEAST_REACH = 0.1  # of scales about a ratio of 1, so that what is next to nothing looks like it


def plot_species(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """ROC-AUC by fold of networks of each species, an axis per target; from `cross.species_folds`."""
    if table.empty:
        return nothing_to_draw(axes, "no second species")
    for ax, (cell_type, rows) in zip(axes, table.groupby("cell_type", sort=False), strict=False):
        plot_folds(rows, [ax], metrics=["roc_auc"])
        ax.set_title(f"genes of {cell_type}", loc="left", fontsize=9)
    return axes


def plot_relative(table: pd.DataFrame, axes: Sequence[Axes], *, linkage: np.ndarray | None) -> Sequence[Axes]:
    """Heat map of relative ROC-AUC, a row per target and a column per source, from `cross.relative`; on the axis above it the tree
    of `cross.tree`, whose leaves give the order."""
    if linkage is None:
        return nothing_to_draw(axes, "one cell type has none beside it")
    above, ax = axes
    names = list(table["cell_type"].unique())
    joined = np.column_stack([linkage[:, :2], np.maximum(linkage[:, 2], 1e-9), linkage[:, 3]])  # scipy warns of a tree without height
    drawn = hierarchy.dendrogram(joined, ax=above, no_labels=True, color_threshold=0, above_threshold_color=OTHER)
    order = [names[i] for i in drawn["leaves"]]
    above.set(ylabel="1 - relative", ylim=(0, max(linkage[:, 2].max() * 1.1, LEAST_REACH)))
    above.spines["bottom"].set_visible(False)
    grid = table.pivot(index="cell_type", columns="source", values="value").loc[order, order]
    reach = max((grid - 1).abs().max(axis=None), LEAST_REACH)
    # As the tree has its leaves: at 5, 15, 25, ...
    image = ax.imshow(grid, cmap="RdBu_r", vmin=1 - reach, vmax=1 + reach, extent=(0, 10 * len(order), 10 * len(order), 0), aspect="auto")
    for (row, column), value in np.ndenumerate(grid.to_numpy()):
        colour = "white" if abs(value - 1) > 0.6 * reach else "black"
        ax.text(10 * column + 5, 10 * row + 5, f"{value:.3f}", ha="center", va="center", fontsize=8, color=colour)
    ticks = 10 * np.arange(len(order)) + 5
    ax.set_xticks(ticks, order, rotation=60 if len(order) > 4 else 0)
    ax.set_yticks(ticks, order)
    ax.set(xlabel="trained on", ylabel="predicted")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.figure.colorbar(image, ax=list(axes), label="ROC-AUC over that of the own networks", shrink=0.7)
    return axes


def plot_likeness(table: pd.DataFrame, axes: Sequence[Axes], *, measures: dict[str, str]) -> Sequence[Axes]:
    """Loss in cross prediction against each measure of likeness, an axis each, a point per pair; from `cross.similarity`."""
    if table.empty:
        return nothing_to_draw(axes, "one cell type has none beside it")
    for ax, (name, label) in zip(axes, measures.items(), strict=True):
        ax.axhline(0, color="#bbbbbb", lw=0.6)
        ax.plot(table[name], table["loss"], "o", ms=5, color=OTHER)
        for row in table.itertuples():
            ax.annotate(f"{row.first}, {row.second}", (getattr(row, name), row.loss), xytext=(4, 3), textcoords="offset points", fontsize=7)
        ax.margins(x=0.25, y=0.15)
        ax.set_xlabel(label)
    axes[0].set_ylabel("loss, 1 - relative ROC-AUC")
    return axes


def plot_curve(table: pd.DataFrame, ax: Axes) -> Axes:
    """A metric by the number of genes trained on, a line per way with a band for its interval, a square where nothing was trained on;
    from `transfer.curve`."""
    if table.empty:
        return nothing_to_draw([ax], "one cell type, or too few genes in each fold")[0]
    sizes = sorted(table["n_genes"].unique())
    for way, rows in table.groupby("way", sort=False):
        x, colour = rows["n_genes"].map(sizes.index), model_colour(way)
        if len(rows) == 1:
            ax.errorbar(x, rows["value"], yerr=[rows["value"] - rows["low"], rows["high"] - rows["value"]], fmt="s", ms=5, color=colour,
                        capsize=2, label=way)  # fmt: skip
            continue
        ax.fill_between(x, rows["low"], rows["high"], color=colour, alpha=0.15, lw=0)
        ax.plot(x, rows["value"], marker="o", ms=4, color=colour, lw=1.6, ls="--" if way == DASHED else "-", label=way)
    ax.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    metric = table["metric"].iloc[0]
    ax.set(xlabel="genes trained on", ylabel=COLUMN_NAMES.get(metric, metric))
    ax.legend(fontsize=8, loc="lower right")
    return ax
