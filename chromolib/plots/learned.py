"""Figures of what networks learned: attention, PCRI, numbers of pCREs, perturbation and attribution.

In: tables of the analyses of notebooks 6 and 7. Out: axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from ..analysis.tracks import Locus
from .signal import draw_arcs, name_regions, plot_locus
from .style import (
    KIND_STYLES,
    MANY_POINTS,
    MARK_COLOURS,
    MODEL_COLOURS,
    OTHER,
    PCRE,
    WHOLE_WINDOW,
    draw_by_label,
    hide_left_over,
    name_points,
    name_rows,
    new_figure,
    nothing_to_draw,
    variant_colour,
)

# Kinds of pCREs in the colour of the mark that they carry; those that a protein of Polycomb binds in that of H3K27me3.
KIND_COLOURS = {"active": MARK_COLOURS["H3K27ac"], "other": OTHER}
LINE_OF_CURVE = {"additive": "--", "switch": "-"}
SIGN_COLOURS = {True: "#d55e00", False: "#0072b2"}  # what raises a prediction, and what lowers it
STATE_COLOURS = {"active": "#d55e00", "polycomb": "#0072b2", "none": "#999999"}  # of simulated regions
ATTENTION_MAP = plt.get_cmap("RdBu_r").with_extremes(bad="#cccccc")  # grey: padding, which gets none
Q_MAX = 0.05  # of enriched terms, as in the paper
CONTROL_LINES = {"untrained": ":", "without signal": "--"}  # of networks that show what attention is without learning or signal


def plot_attention_maps(maps: pd.DataFrame, signal: pd.DataFrame, exons: pd.DataFrame, axes: np.ndarray) -> np.ndarray:
    """Attention maps of one gene below what the network reads: a column per bin width; rows: exons, marks, one per head.

    From `attention.gene_maps`, `tracks.network_input` and `attention.gene_exons`. A row of a map is the bin that asks, a column the
    one that is asked.
    """
    top = signal["signal"].max()
    limit = np.log2(maps["attention"].clip(lower=1e-6)).abs().quantile(0.99)
    for column, (bin_bp, found) in zip(axes.T, maps.groupby("bin_bp", sort=False), strict=True):
        _draw_exons(exons, column[0])
        grid = signal[signal["bin_bp"] == bin_bp].pivot(index="mark", columns="offset", values="signal").loc[signal["mark"].unique()]
        half = (found["key"].max() + bin_bp / 2) / 1e3
        column[1].imshow(grid, aspect="auto", interpolation="nearest", cmap="Greys", vmin=0, vmax=top,
                         extent=(-half, half, len(grid) - 0.5, -0.5))  # fmt: skip
        column[1].set_yticks(range(len(grid)), grid.index, fontsize=7)
        for ax, (head, part) in zip(column[2:], found.groupby("head"), strict=True):
            attention = part.pivot(index="query", columns="key", values="attention").to_numpy()
            image = ax.imshow(np.log2(np.where(attention > 0, attention, np.nan)), aspect="auto", interpolation="nearest", cmap=ATTENTION_MAP,
                              vmin=-limit, vmax=limit, extent=(-half, half, half, -half))  # fmt: skip
            ax.axhline(0, color="black", lw=0.5, ls=":")
            ax.set_ylabel(f"head {head}: bin that asks (kb)" if bin_bp == maps["bin_bp"].iloc[0] else "")
        column[0].set_title(f"bins of {bin_bp:,} bp", loc="left", fontsize=9)
    for ax in axes[:2, 1:].flat:
        ax.tick_params(labelleft=False)
    for ax in axes[1:].flat:
        ax.axvline(0, color="black", lw=0.5, ls=":")
    figure = axes[0, 0].figure
    figure.supxlabel("bin that is asked: distance from TSS (kb), direction of transcription to the right", fontsize=9)
    figure.colorbar(image, ax=list(axes[2:].flat), label="log2 of attention over even", shrink=0.7)
    return axes


def _draw_exons(exons: pd.DataFrame, ax: Axes) -> None:
    """The exons of each transcript on a line of its own, from `attention.gene_exons`."""
    for y, (_, part) in enumerate(exons.groupby("transcript", sort=False)):
        ax.hlines(y, part["start"].min() / 1e3, part["end"].max() / 1e3, color=OTHER, lw=0.8)
        ax.hlines([y] * len(part), part["start"] / 1e3, part["end"] / 1e3, color=OTHER, lw=4)
    ax.set_ylim(max(exons["transcript"].nunique(), 1) - 0.5, -0.5)
    ax.set_axis_off()
    if exons.empty:
        ax.text(0, 0.5, "no exons known", transform=ax.transAxes, va="center", fontsize=8)


def plot_attention(table: pd.DataFrame, maxima: pd.DataFrame, axes: np.ndarray, *, model: str, control: str) -> np.ndarray:
    """Mean attention of the TSS bin of genes that are on (solid) and off (dashed), a row per head, a column per bin width.

    From `attention.by_label` and `attention.maxima` of one cell type. Diamonds: maxima of either, with the interval of their place;
    grey: the same of `control`, genes on.
    """
    if model not in set(table["model"]):
        return nothing_to_draw(list(axes.flat), f"no network “{model}”")
    table = table[table["head"] != "both"]
    colour = variant_colour(model)
    for (bin_bp, head), ax in zip(table[["bin_bp", "head"]].drop_duplicates().sort_values("head", kind="stable").to_numpy(), axes.flat, strict=True):
        here = table[(table["bin_bp"] == bin_bp) & (table["head"] == head)]
        rest = here[(here["model"] == control) & (here["genes"] == "on")]
        ax.plot(rest["offset"] / 1e3, rest["value"], color="#aaaaaa", lw=1)
        for genes, line in (("on", "-"), ("off", "--")):
            rows = here[(here["model"] == model) & (here["genes"] == genes)]
            ax.fill_between(rows["offset"] / 1e3, rows["low"], rows["high"], color=colour, alpha=0.25, lw=0)
            ax.plot(rows["offset"] / 1e3, rows["value"], color=colour, lw=1.3, ls=line)
            top = maxima[(maxima["bins"] == str(bin_bp)) & (maxima["head"] == head) & (maxima["model"] == model) & (maxima["genes"] == genes)]
            ax.hlines(top["attention"], top["low"] / 1e3, top["high"] / 1e3, color="black", lw=1)
            ax.plot(top["offset"] / 1e3, top["attention"], "D", ms=4, mec="black", mfc=colour if genes == "on" else "white", mew=0.8)
        _mark_body(ax, here["offset"])
        ax.set_yscale("log", base=2)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_title(f"head {head}, bins of {bin_bp:,} bp", loc="left", fontsize=9)
    axes.flat[0].figure.supylabel("attention of the TSS bin, over even", fontsize=9)
    axes.flat[0].figure.supxlabel("distance from TSS (kb)", fontsize=9)
    return axes


def plot_on_less_off(table: pd.DataFrame, planted: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Attention of the TSS bin of genes that are on less that of genes that are off, heads together, one axis per bin width, from
    `attention.by_label` of one cell type; filled, where there is something: what was planted, from `attention.planted`, not to scale."""
    table = table[(table["head"] == "both") & (table["genes"] == "on - off")]
    for ax, (bin_bp, part) in zip(axes, table.groupby("bin_bp", sort=False), strict=True):
        for model, rows in part.groupby("model", sort=False):
            colour = variant_colour(model)
            ax.fill_between(rows["offset"] / 1e3, rows["low"], rows["high"], color=colour, alpha=0.2, lw=0)
            ax.plot(rows["offset"] / 1e3, rows["value"], color=colour, lw=1.3, ls=CONTROL_LINES.get(model, "-"), label=model)
        _mark_body(ax, part["offset"])
        ax.axhline(0, color="black", lw=0.6, ls=":")
        ax.set_title(f"bins of {bin_bp:,} bp", loc="left", fontsize=9)
        if len(planted):
            below = ax.twinx()
            below.fill_between(planted["offset"] / 1e3, planted["value"].clip(lower=0), color=MARK_COLOURS["H3K36me3"], alpha=0.25, lw=0)
            below.set(ylim=(0, 4 * planted["value"].max()), yticks=[])
    axes[0].set_ylabel("attention over even, on less off")
    axes[0].figure.supxlabel("distance from TSS (kb)", fontsize=9)
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    return axes


def _mark_body(ax: Axes, offset: pd.Series) -> None:
    """The TSS, and 4 to 6 kb downstream, where the paper has the maximum of attention; as far as there are bins at these offsets."""
    ax.set_xlim(offset.min() / 1e3, offset.max() / 1e3)
    ax.axvline(0, color="black", lw=0.6, ls=":")
    ax.axvspan(4, 6, color="#f0e6a0", alpha=0.6, lw=0, zorder=0)


def plot_drawn(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """By how much one standard deviation more of a mark multiplies the attention of a bin, one axis per bin width, a point with its
    interval per head, from `attention.drawn_by` of one cell type and model."""
    table = table[(table["head"] != "both") & (table["genes"] == "on")]
    all_marks, heads = list(table["mark"].unique()), list(table["head"].unique())
    for ax, (bin_bp, part) in zip(axes, table.groupby("bin_bp", sort=False), strict=True):
        ax.axvline(1, color="black", lw=0.6, ls=":")
        for row in part.itertuples():
            y = all_marks.index(row.mark) + 0.3 * (heads.index(row.head) - (len(heads) - 1) / 2)
            colour = MARK_COLOURS.get(row.mark, OTHER)
            ax.plot(np.exp([row.low, row.high]), [y, y], color=colour, lw=1.4)
            ax.plot(np.exp(row.value), y, "o" if row.head == heads[0] else "D", ms=4, color=colour)
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        name_rows(ax, all_marks, is_first=ax is axes[0])
        ax.set_title(f"bins of {bin_bp:,} bp", loc="left", fontsize=9)
    axes[0].figure.supxlabel("attention of a bin with one SD more of the mark, over that of the same bin without", fontsize=9)
    return axes


def plot_enrichment(table: pd.DataFrame, ax: Axes, *, n_terms: int = 12) -> Axes:
    """The terms with the least p as bars of -log10 q, each with its overlap and size; from `enrichment.enrich`."""
    if table.empty:  # other axes of the figure may hold something, so that it keeps its size
        ax.set_axis_off()
        ax.text(0, 0.5, "no set has a chosen gene", transform=ax.transAxes, va="center")
        return ax
    rows = table.nsmallest(n_terms, "p").iloc[::-1]
    level = -np.log10(rows["q"].clip(lower=1e-300))
    ax.barh(range(len(rows)), level, height=0.7, color=[PCRE if q < Q_MAX else "#bbbbbb" for q in rows["q"]])
    for y, (x, row) in enumerate(zip(level, rows.itertuples(index=False), strict=True)):
        ax.annotate(f"{row.overlap} of {row.size:,}", (x, y), (3, 0), textcoords="offset points", va="center", fontsize=7)
    names = rows["term"].str.replace(r"\s*\((GO|SIM):\d+\)$", "", regex=True)
    ax.set_yticks(range(len(rows)), [name if len(name) <= 48 else f"{name[:46]}..." for name in names], fontsize=8)
    ax.axvline(-np.log10(Q_MAX), color="black", lw=0.8, ls=":")
    ax.set(xlabel=f"-log10 q (dotted: q = {Q_MAX:g})", xlim=(0, 1.15 * max(level.max(), -np.log10(Q_MAX))))
    return ax


def plot_change_by_label(table: pd.DataFrame, ax: Axes) -> Axes:
    """Change of predicted expression by pCREs, genes on (filled) and off (empty), by their own and by those of others; from
    `pcri.of_runs`. Line: median, box: quartiles, whiskers: 5 % and 95 %."""
    if table.empty:
        return nothing_to_draw([ax], "no pCREs")[0]
    kinds = {"pcre_change": "its own pCREs", "others_change": "other genes' pCREs"}
    ax.axhline(0, color="black", lw=0.6, ls=":")
    for x, column in enumerate(kinds):
        for label, side in (("on", -0.2), ("off", 0.2)):
            colour = KIND_STYLES[label][0]
            values = table.loc[table["label"] == label, column].dropna()
            ax.boxplot(values, positions=[x + side], widths=0.32, whis=(5, 95), showfliers=False, patch_artist=True, manage_ticks=False,
                       boxprops={"facecolor": colour if label == "on" else "white", "edgecolor": colour}, medianprops={"color": "black", "lw": 1.2},
                       whiskerprops={"color": colour}, capprops={"color": colour})  # fmt: skip
    ax.set_xticks(range(len(kinds)), kinds.values())
    ax.set_xlim(-0.6, len(kinds) - 0.4)
    ax.set_ylabel("change of predicted log2(RPKM + 1)")
    return ax


def plot_pcri(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Change of predicted expression against PCRI, and on the second axis both beyond others' pCREs; genes on (filled), off (empty)
    and without pCREs (diamonds); from `pcri.of_runs`."""
    if table.empty:
        return nothing_to_draw(axes, "")
    kind, is_many = table["label"].where(table["n_pcres"] > 0, "without pCREs"), len(table) > MANY_POINTS
    for ax, (x, y, of) in zip(axes, (("pcri", "pcre_change", ""), ("pcri_own", "own_change", ", beyond others' pCREs")), strict=True):
        ax.axhline(0, color="black", lw=0.6, ls=":")
        for name in ("on", "off", "without pCREs"):
            colour, marker = KIND_STYLES.get(name, KIND_STYLES["none in view"])
            part = table[kind == name]
            points = ax.scatter(part[x], part[y], s=3 if is_many else 12, marker=marker, ec=colour, lw=0.8, alpha=0.7, rasterized=is_many,
                                fc="none" if name == "off" else colour, label=f"genes {name} ({len(part):,})")  # fmt: skip
            name_points(points, part)
        ax.set_xlabel(f"PCRI{of}")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return axes


def plot_clusters(table: pd.DataFrame, ax: Axes) -> Axes:
    """Heat map of z-scored PCRI, a row per gene and a column per cell type, in clusters; from `specificity.clusters`."""
    if table.empty:
        return nothing_to_draw([ax], "z-scores over fewer than three cell types say nothing")[0]
    grid = table.pivot(index="order", columns="cell_type", values="z")[list(table["cell_type"].unique())]
    image = ax.imshow(grid, aspect="auto", interpolation="nearest", cmap="RdBu_r", vmin=-grid.abs().max(axis=None), vmax=grid.abs().max(axis=None))
    first = table.drop_duplicates("order").sort_values("order").groupby("cluster")["order"].agg(["min", "max"])
    for edge in first["min"].iloc[1:]:
        ax.axhline(edge - 0.5, color="black", lw=1.2)
    ax.set_yticks(first.mean(axis=1), [f"cluster {number}" for number in first.index])
    ax.set_xticks(range(grid.shape[1]), grid.columns, rotation=60 if grid.shape[1] > 4 else 0)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.figure.colorbar(image, ax=ax, label="z-score of PCRI", shrink=0.7)
    return ax


def locus_axes(loci: Sequence[Locus], n_marks: int) -> tuple[Figure, np.ndarray]:
    """A figure with a column of axes for each locus, (1 + mark, locus): arcs on top, then a track per mark."""
    if not loci:
        return new_figure(size=(8, 0.4), squeeze=False)
    has_arcs = any(len(locus.regions) > 1 for locus in loci)
    heights = [1.6 if has_arcs else 0.3] + [1] * n_marks
    n = len(loci)
    return new_figure(len(heights), n, size=(8 if n == 1 else 5.5 * n, 0.65 * sum(heights)), sharex="col", squeeze=False, height_ratios=heights)


def plot_loci(loci: Sequence[Locus], axes: np.ndarray) -> np.ndarray:
    """`plot_locus` of each, side by side, a mark at one scale in all of them; from `tracks.loci`."""
    if not loci:
        return nothing_to_draw(axes.ravel(), "no such gene")
    for locus, column in zip(loci, axes.T, strict=True):
        plot_locus(locus.tracks, locus.regions, column, strand=locus.strand)
        if len(loci) > 1:
            column[0].set_title(locus.cell_type, loc="left", fontsize=9)
            column[-1].set_xlabel("distance of a pCRE's middle from the TSS (kb)")
    for row in axes[1:]:
        top = max(ax.get_ylim()[1] for ax in row)
        for ax in row:
            ax.set_ylim(0, top)
        for ax in row[1:]:
            ax.set_ylabel("")
    return axes


def plot_numbers(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Means by the number of pCREs of a kind with their intervals, an axis for each response and kind in the order of the
    table; from `curves.by_number`, or from `curves.levels`, then with the line and the switch through them."""
    if table.empty:
        return nothing_to_draw(axes, "no kinds of pCREs are known")
    kinds = list(table["kind"].unique())
    panels = table.groupby("response", sort=False)
    for row, (response, part) in enumerate(panels):
        low, high = part["low"].min(), part["high"].max()
        for ax, kind in zip(axes[row * len(kinds) :], kinds, strict=False):
            rows = part[part["kind"] == kind]
            if rows.empty:
                ax.set_visible(False)
                continue
            colour = KIND_COLOURS.get(kind, MARK_COLOURS["H3K27me3"])
            for name, style in LINE_OF_CURVE.items() if "additive" in rows else ():
                ax.plot(rows["number"], rows[name], color="black", lw=1.1, ls=style, label=name)
            ax.errorbar(rows["number"], rows["value"], yerr=[rows["value"] - rows["low"], rows["high"] - rows["value"]], fmt="o", ms=4, capsize=2, lw=1.2, color=colour)
            ax.set(ylim=(low - 0.05 * (high - low), high + 0.05 * (high - low)), xlabel=f"{kind} pCREs" if row == len(panels) - 1 else "")
            ax.xaxis.set_major_locator(MultipleLocator(1))
            if kind == kinds[0]:
                ax.set_ylabel(response, fontsize=8)
    hide_left_over(axes, len(panels) * len(kinds))
    if "additive" in table:
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return axes


def plot_curve_test(table: pd.DataFrame, ax: Axes) -> Axes:
    """AIC of a line less that of a switch, with its interval, a row for each response and kind; from `curves.compare`."""
    if table.empty:
        return nothing_to_draw([ax], "no kinds of pCREs are known")[0]
    for y, row in enumerate(table.itertuples()):
        colour = KIND_COLOURS.get(row.kind, MARK_COLOURS["H3K27me3"])
        is_told = row.verdict in LINE_OF_CURVE
        ax.errorbar(row.value, y, xerr=[[max(row.value - row.low, 0)], [max(row.high - row.value, 0)]], fmt="o", ms=4.5, capsize=2, lw=1.2,
                    color=colour, mfc=colour if is_told else "white")  # fmt: skip
        ax.annotate(row.verdict, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=7)
    ax.axvline(0, color="black", lw=0.8, ls=":")
    ax.set_xscale("symlog", linthresh=10)
    ax.set_yticks(range(len(table)), [f"{row.response}, {row.kind}" for row in table.itertuples()], fontsize=8)
    ax.set(ylim=(len(table) - 0.5, -0.5), xlabel="AIC of the line - AIC of the switch\nleft: a line is better, right: a switch is better")
    return ax


def plot_attribution(table: pd.DataFrame, axes: Sequence[Axes], *, unit: str) -> Sequence[Axes]:
    """Mean attribution of each mark along the promoter, genes on (solid) and off (dashed), from `attribution.by_label`."""
    marks = list(table.groupby("mark", sort=False))
    for ax, (mark, part) in zip(axes, marks, strict=False):
        draw_by_label(part, ax, MARK_COLOURS.get(mark, OTHER))
        ax.axvline(0, color="black", lw=0.6, ls=":")
        ax.axhline(0, color="#bbbbbb", lw=0.6)
        ax.set_title(mark, loc="left", fontsize=9)
    hide_left_over(axes, len(marks))
    axes[0].figure.supylabel(f"mean attribution, {unit}", fontsize=9)
    axes[0].figure.supxlabel("distance from TSS (kb)", fontsize=9)
    return axes


def plot_scan(table: pd.DataFrame, ax: Axes, *, unit: str) -> Axes:
    """Mean predicted change where a stretch of the promoter is emptied, genes on (solid) and off (dashed); from
    `perturbation.along_promoter`."""
    draw_by_label(table, ax, MODEL_COLOURS["Chromoformer"])
    lines = {line.get_label(): line for line in ax.lines}
    n = table.groupby("label", sort=False)["n"].max()
    ax.axvline(0, color="black", lw=0.6, ls=":")
    ax.axhline(0, color="#bbbbbb", lw=0.6)
    ax.set(xlabel="middle of the emptied stretch, distance from TSS (kb)", ylabel=f"mean change, {unit}")
    ax.legend([lines[label] for label in n.index], [f"{label}, {number} genes" for label, number in n.items()], fontsize=8)
    return ax


def plot_mark_changes(table: pd.DataFrame, axes: Sequence[Axes], *, unit: str) -> Sequence[Axes]:
    """Mean predicted change where a mark is removed, in the promoter and in all pCREs, an axis each, a row per mark, genes on
    (filled) and off (hollow); from `perturbation.by_mark`."""
    for ax, (where, part) in zip(axes, table.groupby("where", sort=False), strict=False):
        marks = list(part["mark"].unique())
        ax.axvline(0, color="black", lw=0.6, ls=":")
        for row in part.itertuples():
            colour, y = MARK_COLOURS.get(row.mark, OTHER), marks.index(row.mark) + (-0.15 if row.label == "on" else 0.15)
            ax.plot([row.low, row.high], [y, y], color=colour, lw=1.4)
            ax.plot(row.mean, y, "o", ms=4.5, mec=colour, mew=1.2, mfc=colour if row.label == "on" else "white")
        name_rows(ax, marks, is_first=ax is axes[0])
        ax.set_title(f"removed in {where}", loc="left", fontsize=9)
    hide_left_over(axes, table["where"].nunique())
    axes[0].figure.supxlabel(f"mean change, {unit}", fontsize=9)
    handles = [Line2D([], [], color=OTHER, marker="o", ms=4.5, lw=1.4, mfc=OTHER if label == "on" else "white", label=f"genes {label}") for label in ("on", "off")]
    axes[0].figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return axes


def plot_precision(table: pd.DataFrame, axes: Sequence[Axes], *, networks: Sequence[str]) -> Sequence[Axes]:
    """Average precision of each ranking with its interval, an axis per metric, from `rankings.precision`; dotted: no knowledge.
    Rankings by networks are in their colour, the others grey."""
    if table.empty:
        return nothing_to_draw(axes, "nothing is known to compare with")
    for ax, (metric, part) in zip(axes, table.groupby("metric", sort=False), strict=True):
        ax.axvline(part["random"].iloc[0], color="black", lw=0.6, ls=":")
        for y, row in enumerate(part.itertuples()):
            colour = MODEL_COLOURS["Chromoformer"] if row.ranking in networks else WHOLE_WINDOW
            ax.plot([row.low, row.high], [y, y], color=colour, lw=1.4)
            ax.plot(row.value, y, "o", ms=5, color=colour)
        name_rows(ax, part["ranking"], is_first=ax is axes[0])
        ax.set_title(f"{metric}, {part['pairs'].iloc[0]:,} pairs of {part['genes'].iloc[0]} genes", loc="left", fontsize=9)
        ax.set_xlabel("average precision")
    return axes


def plot_contributions(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Predicted against planted contributions of pCREs, an axis per ranking, coloured by state; columns ranking, state, gene_id,
    region, contribution, contribution_planted."""
    if table.empty:
        return nothing_to_draw(axes, "nothing is known to compare with")
    for ax, (ranking, part) in zip(axes, table.groupby("ranking", sort=False), strict=False):
        for state, colour in STATE_COLOURS.items():
            rows = part[part["state"] == state]
            points = ax.scatter(rows["contribution_planted"], rows["contribution"], s=6, color=colour, alpha=0.5, lw=0, label=state, rasterized=len(part) > MANY_POINTS)
            name_points(points, rows)
        ax.axhline(0, color="#bbbbbb", lw=0.6)
        ax.axvline(0, color="#bbbbbb", lw=0.6)
        ax.set_title(ranking, loc="left", fontsize=9)
    hide_left_over(axes, table["ranking"].nunique())
    axes[0].set_ylabel("predicted")
    axes[0].legend(fontsize=8, markerscale=2)
    axes[0].figure.supxlabel("planted contribution (log2 RPKM)", fontsize=9)
    return axes


def plot_gene_scores(regions: pd.DataFrame, track: pd.DataFrame, axes: Sequence[Axes], *, unit: str) -> Sequence[Axes]:
    """A gene as a browser shows it: arcs from its TSS to its pCREs, thick where a removal changes much, and the attribution of each
    bin; both coloured by what raises the prediction and what lowers it.

    From `tracks.gene_regions` with contribution (NaN of the promoter), and `attribution.gene_track`.
    """
    promoter, pcres = regions.iloc[0], regions.iloc[1:]
    tss = (promoter["x_start"] + promoter["x_end"]) / 2
    contributions = pcres["contribution"]
    draw_arcs(pcres, axes[0], tss=tss, lines=0.4 + 4 * contributions.abs() / max(contributions.abs().max(), 1e-9),
              colours=[SIGN_COLOURS[contribution > 0] for contribution in contributions])  # fmt: skip
    for x, contribution in zip((pcres["x_start"] + pcres["x_end"]) / 2, contributions, strict=True):
        axes[0].text(x, -0.06, f"{contribution:+.2f}", ha="center", va="top", fontsize=7, rotation=60)
    axes[0].set_ylim(-0.35, 1.1)
    for is_up, colour in SIGN_COLOURS.items():
        part = track[(track["value"] > 0) == is_up]
        axes[1].bar(part["x"], part["value"], width=part["end"] - part["start"], color=colour, lw=0)
    axes[1].hlines([0] * len(regions), regions["x_start"], regions["x_end"], color="black", lw=0.8)
    axes[1].axvline(tss, color="black", lw=0.6, ls=":")
    name_regions(regions, axes[1])
    axes[1].set_ylabel(f"attribution, {unit}")
    return axes


def plot_spread(errors: pd.DataFrame, coverage: pd.DataFrame, axes: Sequence[Axes], *, unit: str) -> Sequence[Axes]:
    """Left: size of errors of genes in groups by the spread of seeds, with intervals, and that spread; right: how often intervals
    hold what was measured, against how often they should. From `uncertainty.by_spread` and `coverage`."""
    if errors.empty:
        return nothing_to_draw(axes, "one seed")
    colour = MODEL_COLOURS["Chromoformer"]
    axes[0].errorbar(errors["group"], errors["rmse"], yerr=[errors["rmse"] - errors["low"], errors["high"] - errors["rmse"]], color=colour,
                     marker="o", ms=5, lw=1.4, capsize=2, label="error (root mean square)")  # fmt: skip
    axes[0].plot(errors["group"], errors["sd"], "s--", ms=5, color=OTHER, lw=1.2, label="spread of seeds (SD)")
    axes[0].set_xticks(errors["group"])
    axes[0].set(xlabel="genes in thirds by spread, least first", ylabel=unit, ylim=(0, None))
    axes[0].legend(fontsize=8)
    for y, row in enumerate(coverage.itertuples()):
        axes[1].plot([row.low, row.high], [y, y], color=colour, lw=1.4)
        axes[1].plot(row.value, y, "o", ms=5, color=colour)
    axes[1].axvline(coverage["should"].iloc[0], color="black", lw=0.6, ls=":")
    name_rows(axes[1], coverage["interval"])
    axes[1].set(xlim=(0, 1), xlabel="share of genes inside of their interval")
    return axes
