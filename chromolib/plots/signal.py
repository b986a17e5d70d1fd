"""Figures of what a network reads: signal, marks, pCREs, and the same beside real promoters.

In: tables of analysis.tracks, marks, pcres, inventory and realism. Out: axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Arc
from matplotlib.ticker import LogLocator

from .style import (
    COLUMN_NAMES,
    MANY_POINTS,
    MARK_COLOURS,
    OTHER,
    PCRE,
    draw_by_label,
    hide_left_over,
    name_rows,
    nothing_to_draw,
)

H1 = "#000000"     # the real promoters that a profile is held against
GAP_NAMES = {
    "empty_bins": "promoter bins without signal", "empty_pcre_bins": "pCRE bins without signal",
    "empty_genes": "genes without signal", "cut_genes": "windows cut", "off_chromosome": "bp cut off", "lone_genes": "no pCRE",
}  # fmt: skip
GAP_MAP = plt.get_cmap("Oranges").with_extremes(bad="#e6e6e6")  # grey: no such mark, or no pCREs


def plot_locus(tracks: pd.DataFrame, regions: pd.DataFrame, axes: Sequence[Axes], *, strand: str) -> Sequence[Axes]:
    """A gene as a browser shows it: arcs from its TSS to its pCREs on the first axis, thick where the contact is strong, below it the
    depth of each mark.

    From `tracks.gene_tracks` and `tracks.gene_regions`. Regions have their width, what lies between them has not.
    """
    promoter, pcres = regions.iloc[0], regions.iloc[1:]
    tss = (promoter["x_start"] + promoter["x_end"]) / 2
    draw_arcs(pcres, axes[0], tss=tss, lines=0.5 + 2.5 * pcres["contact"] / pcres["contact"].max(), colours=[PCRE] * len(pcres))
    axes[0].hlines([0] * len(pcres), pcres["x_start"], pcres["x_end"], color=PCRE, lw=4)
    axes[0].set_ylim(-0.05, 1.1)
    arrow = 0.06 * regions["x_end"].max() * (1 if strand == "+" else -1)
    axes[0].annotate(
        "", xy=(tss + arrow, -0.14), xytext=(tss, -0.14), annotation_clip=False,
        arrowprops={"arrowstyle": "-|>", "color": "black"},
    )  # fmt: skip
    for ax, (mark, table) in zip(axes[1:], tracks.groupby("mark", sort=False), strict=True):
        for region in pcres.itertuples():
            ax.axvspan(region.x_start, region.x_end, color=PCRE, alpha=0.07, lw=0)
        for _, part in table.groupby("region", sort=False):
            ax.fill_between(part["x"], part["depth"], step="mid", color=MARK_COLOURS.get(mark, OTHER), lw=0, rasterized=len(table) > MANY_POINTS)
        ax.hlines([0] * len(regions), regions["x_start"], regions["x_end"], color="black", lw=0.8, clip_on=False)
        ax.axvline(tss, color="black", lw=0.6, ls=":")
        ax.set_ylabel(mark, rotation=0, ha="right", va="center")
        ax.set_ylim(0, max(float(table["depth"].max()), 1.0))
        ax.spines["bottom"].set_visible(False)
        ax.tick_params(axis="x", length=0, labelbottom=ax is axes[-1])
    name_regions(regions, axes[-1])
    return axes


def draw_arcs(pcres: pd.DataFrame, ax: Axes, *, tss: float, lines: Iterable[float], colours: Iterable[str]) -> None:
    """Arcs from a TSS to the middle of each pCRE, the wider the higher, each with a line of its own width and colour."""
    middle = (pcres["x_start"] + pcres["x_end"]) / 2
    span = (middle - tss).abs()
    for x, width, line, colour in zip(middle, span, lines, colours, strict=True):
        ax.add_patch(Arc(((x + tss) / 2, 0), width, 2 * width / max(span.max(), 1), theta1=0, theta2=180, lw=line, color=colour))
    ax.set_axis_off()


def name_regions(regions: pd.DataFrame, ax: Axes) -> None:
    """The x axis of a gene's regions, from `tracks.gene_regions`: at the middle of the promoter "TSS", at that of a pCRE its distance."""
    names = ["TSS", *(f"{distance / 1e3:+,.0f}" for distance in regions["distance"].iloc[1:])]
    ax.set_xticks((regions["x_start"] + regions["x_end"]) / 2, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
    ax.set_xlim(regions["x_start"].min(), regions["x_end"].max())                          # shared by all axes above
    ax.set_xlabel("regions in genome order, all at one scale; labels of pCREs: distance of their middle from the TSS (kb)")


def plot_network_input(table: pd.DataFrame, axes: Sequence[Axes], *, unit: str) -> Sequence[Axes]:
    """Heat maps of one promoter, one per bin width, from `tracks.network_input`."""
    top = table["signal"].max()
    for ax, (bin_bp, part) in zip(axes, table.groupby("bin_bp", sort=False), strict=True):
        grid = part.pivot(index="mark", columns="offset", values="signal").loc[part["mark"].unique()]
        half = grid.columns.max() + bin_bp / 2
        image = ax.imshow(grid, aspect="auto", interpolation="nearest", cmap="Greys", vmin=0, vmax=top,
                          extent=(-half / 1e3, half / 1e3, len(grid) - 0.5, -0.5))  # fmt: skip
        ax.set_yticks(range(len(grid)), grid.index)
        ax.set_title(f"{bin_bp:,} bp, {grid.shape[1]} bins", loc="left", fontsize=9)
    axes[-1].set_xlabel("distance from TSS (kb), direction of transcription to the right")
    axes[0].figure.colorbar(image, ax=list(axes), label=f"signal, {unit}", shrink=0.7)
    return axes


def plot_mean_by_label(table: pd.DataFrame, axes: Sequence[Axes], *, unit: str, around: str = "TSS") -> Sequence[Axes]:
    """Mean signal of each mark around the TSS, genes on (solid) and off (dashed), from `tracks.mean_by_label`; or around the
    middle of pCREs, from `pcres.around_pcres`."""
    if table.empty:
        return nothing_to_draw(axes, "too few genes")
    marks = list(table.groupby("mark", sort=False))
    for ax, (mark, part) in zip(axes, marks, strict=False):
        draw_by_label(part, ax, MARK_COLOURS.get(mark, OTHER))
        ax.axvline(0, color="black", lw=0.6, ls=":")
        ax.set_title(mark, loc="left", fontsize=9)
        ax.set_ylim(bottom=0)
    hide_left_over(axes, len(marks))
    axes[0].set_ylabel(f"mean signal, {unit}")
    axes[0].figure.supxlabel(f"distance from {around} (kb)", fontsize=9)
    return axes


def plot_spread_by_label(table: pd.DataFrame, axes: Sequence[Axes], *, unit: str) -> Sequence[Axes]:
    """Boxes of one number per gene, genes on (filled) and off (empty), one axis per mark, from `marks.by_label`.

    Line: median, box: quartiles, whiskers: 5 % and 95 %.
    """
    marks, windows = list(table.groupby("mark", sort=False)), list(table["window"].unique())
    for ax, (mark, part) in zip(axes, marks, strict=False):
        colour = MARK_COLOURS.get(mark, OTHER)
        for row in part.itertuples():
            box = {"med": row.median, "q1": row.q25, "q3": row.q75, "whislo": row.q05, "whishi": row.q95}
            x, fill = windows.index(row.window) + (-0.2 if row.label == "on" else 0.2), colour if row.label == "on" else "white"
            ax.bxp([box], positions=[x], widths=0.32, showfliers=False, patch_artist=True,
                   boxprops={"facecolor": fill, "edgecolor": colour}, medianprops={"color": "black", "lw": 1.2},
                   whiskerprops={"color": colour}, capprops={"color": colour})  # fmt: skip
        ax.set_xticks(range(len(windows)), [window.replace(" down", "\ndown") for window in windows], fontsize=8)
        ax.set_xlim(-0.6, len(windows) - 0.4)
        ax.set_ylim(bottom=0)
        ax.set_title(mark, loc="left", fontsize=9)
    hide_left_over(axes, len(marks))
    axes[0].figure.supylabel(f"signal of a gene, {unit}", fontsize=9)
    return axes


def plot_ranking(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """What one number of a mark tells, with intervals, one axis per statistic, from `marks.ranking`.

    Points are filled for the first window and hollow for the other.
    """
    marks, windows = list(table["mark"].unique()), list(table["window"].unique())
    for ax, (statistic, part) in zip(axes, table.groupby("statistic", sort=False), strict=True):
        ax.axvline(0.5 if statistic == "roc_auc" else 0, color="black", lw=0.6, ls=":")
        for row in part.itertuples():
            y = marks.index(row.mark) + 0.3 * (windows.index(row.window) - (len(windows) - 1) / 2)
            colour = MARK_COLOURS.get(row.mark, OTHER)
            ax.plot([row.low, row.high], [y, y], color=colour, lw=1.4)
            ax.plot(row.value, y, "o", ms=4.5, mec=colour, mew=1.2, mfc="white" if row.window != windows[0] else colour)
        name_rows(ax, marks, is_first=ax is axes[0])
        ax.set_xlabel(COLUMN_NAMES.get(statistic, statistic))
    handles = [
        Line2D([], [], color=OTHER, marker="o", ms=4.5, mfc=OTHER if window == windows[0] else "white", label=window)
        for window in windows
    ]
    axes[0].figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return axes


def plot_widths(table: pd.DataFrame, widths: pd.DataFrame, ax: Axes) -> Axes:
    """Widths of pCREs and their median, and as lines the published medians; from `pcres.histograms` and `pcres.widths`."""
    if table.empty:
        return nothing_to_draw([ax], "no pCREs")[0]
    rows = table[(table["quantity"] == "width") & (table["group"] == "all")]
    ax.bar(rows["low"] / 1e3, rows["share"], width=(rows["high"] - rows["low"]) / 1e3, align="edge", color=PCRE, alpha=0.5, lw=0)
    styles = ["-", ":", "--", "-."]
    for row, style in zip(widths.itertuples(), styles, strict=False):
        colour = PCRE if row.source == "this profile" else H1
        ax.axvline(row.median / 1e3, color=colour, lw=1.2, ls=style, label=f"{row.fragments}: {row.median / 1e3:.1f}")
    ax.set(xlabel="width (kb)", ylabel="share of pCREs", xlim=(0, None))
    ax.legend(title="median (kb)", fontsize=8, title_fontsize=8, loc="upper right", alignment="left", frameon=False)
    return ax


def plot_pcres(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """pCREs per gene, their distance, their contact, and contact by distance, from `pcres.histograms`."""
    if table.empty:
        return nothing_to_draw(axes, "no pCREs")
    parts = {key: part for key, part in table.groupby(["quantity", "group"])}
    for (group, colour), side in zip((("on", OTHER), ("off", "#bbbbbb")), (-0.2, 0.2), strict=True):
        rows = parts["n_pcres", group]
        axes[0].bar(rows["low"] + 0.5 + side, rows["share"], width=0.4, color=colour, label=f"genes {group}")
    axes[0].set(xlabel="pCREs of a gene", ylabel="share of genes", xticks=range(len(rows)))
    for ax, quantity, unit in ((axes[1], "distance", 1e3), (axes[2], "contact", 1)):
        rows, first = parts[quantity, "all"], parts[quantity, "strongest"]
        edges = np.append(rows["low"], rows["high"].iloc[-1]) / unit
        ax.stairs(rows["share"], edges, fill=True, color=PCRE, alpha=0.4, lw=0, label="all")
        ax.stairs(first["share"], edges, color="black", lw=1.2, label="strongest of each gene")
        ax.set(xscale="log", ylabel="share of pCREs")
    by_distance = parts["distance", "all"].dropna(subset="median")
    middle = np.sqrt(by_distance["low"] * by_distance["high"]) / 1e3
    axes[3].fill_between(middle, by_distance["q25"], by_distance["q75"], color=PCRE, alpha=0.25, lw=0)
    axes[3].plot(middle, by_distance["median"], "o-", color=PCRE, ms=3, lw=1.4)
    axes[3].set(xscale="log", ylabel="contact frequency")
    axes[2].set_xlabel("contact frequency")
    axes[2].xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes[2].minorticks_off()
    for ax in (axes[1], axes[3]):
        ax.set_xlabel("distance from the TSS (kb)")
    for ax in axes[1:]:
        ax.xaxis.set_major_formatter("{x:,g}")
    for ax in axes[:3]:
        ax.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return axes


def plot_gaps(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Heat maps of what is missing, a row per cell type: by mark on the first axes, of genes on the last; `inventory.gaps`."""
    marks, cell_types = table["mark"].unique(), table["cell_type"].unique()
    grids = {
        GAP_NAMES[name]: table.pivot(index="cell_type", columns="mark", values=name).loc[cell_types, marks]
        for name in ("empty_bins", "empty_pcre_bins", "empty_genes")
    }
    names = ["cut_genes", "off_chromosome", "lone_genes"]
    grids["genes, any mark"] = table.drop_duplicates("cell_type").set_index("cell_type")[names].rename(columns=GAP_NAMES)
    for ax, (title, grid) in zip(axes, grids.items(), strict=True):
        ax.imshow(grid, aspect="auto", cmap=GAP_MAP, vmin=0, vmax=1)
        _write_cells(grid, ax, is_dark=grid > 0.6, text="{:.1%}".format)
        ax.set_title(title, loc="left", fontsize=9)
        ax.tick_params(labelleft=ax is axes[0])
    return axes


def plot_mean_beside(table: pd.DataFrame, axes: Sequence[Axes], *, unit: str) -> Sequence[Axes]:
    """Mean signal around the TSS as `plot_mean_by_label` draws it, and H1's in black; from `realism.with_reference`
    by_label."""
    if table.empty:
        return nothing_to_draw(axes)
    plot_mean_by_label(table[table["source"] == "here"], axes, unit=unit)
    h1 = table[table["source"] == "H1"]
    for ax, (_, part) in zip(axes, h1.groupby("mark", sort=False), strict=False):
        for label, line in (("on", "-"), ("off", "--")):
            rows = part[part["label"] == label]
            ax.fill_between(rows["offset"] / 1e3, rows["low"], rows["high"], color=H1, alpha=0.15, lw=0)
            ax.plot(rows["offset"] / 1e3, rows["mean"], color=H1, lw=0.8, ls=line)
        ax.autoscale(axis="y")                                                 # the limits were those of this profile
        ax.set_ylim(bottom=0)
    _label_beside(axes, y=axes[0].get_ylabel(), lines={", on": "-", ", off": "--"})
    return axes


def plot_depth_tail(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Share of bins that exceed a depth, one axis per mark, H1's in black; from `realism.with_reference` distribution."""
    if table.empty:
        return nothing_to_draw(axes)
    for ax, mark, here, h1 in _by_mark(table, axes):
        ax.fill_betweenx(1 - h1["quantile"], h1["low"], h1["high"], color=H1, alpha=0.15, lw=0)
        ax.plot(here["depth"], 1 - here["quantile"], color=MARK_COLOURS.get(mark, OTHER), lw=1.6)
        ax.plot(h1["depth"], 1 - h1["quantile"], color=H1, lw=0.8)
        ax.set(xscale="log", yscale="log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_major_formatter("{x:g}")
    axes[0].set_xlim(0.1, 1.3 * table["depth"].max())                          # shared; a depth of 0 lies off the scale
    _label_beside(axes, x="mean depth of a bin (reads per bp)", y="share of bins above that depth")
    return axes


def plot_neighbours(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Correlation between bins by their distance, one axis per mark, H1's in black; from `realism.with_reference`
    neighbours."""
    if table.empty:
        return nothing_to_draw(axes)
    for ax, mark, here, h1 in _by_mark(table, axes):
        ax.axhline(0, color="black", lw=0.6, ls=":")
        ax.fill_between(h1["distance"] / 1e3, h1["low"], h1["high"], color=H1, alpha=0.15, lw=0)
        ax.plot(here["distance"] / 1e3, here["r"], color=MARK_COLOURS.get(mark, OTHER), lw=1.6)
        ax.plot(h1["distance"] / 1e3, h1["r"], color=H1, lw=0.8)
        ax.set(xscale="log", ylim=(-0.2, 1))
        ax.xaxis.set_major_formatter("{x:g}")
    _label_beside(axes, x="distance between bins (kb)", y="Pearson r of signal")
    return axes


def plot_correlations(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Heat maps of the correlation between marks, left here, right H1's; from `realism.with_reference` correlation."""
    if table.empty:
        return nothing_to_draw(axes)
    for ax, (source, part) in zip(axes, table.groupby("source", sort=False), strict=True):
        image = _draw_correlation(part, ax)
        ax.set_title({"here": "this profile"}.get(source, source), loc="left", fontsize=9)
    axes[0].figure.colorbar(image, ax=list(axes), label="Pearson r of signal", shrink=0.7)
    return axes


def plot_rank_correlation(table: pd.DataFrame, ax: Axes) -> Axes:
    """Heat map of Spearman's correlation between marks and with expression, from `marks.correlation`."""
    image = _draw_correlation(table, ax)
    n = table["mark"].nunique()
    for line in (ax.axhline, ax.axvline):
        line(n - 1.5, color="white", lw=4)                                     # expression, which is no mark
    ax.figure.colorbar(image, ax=ax, label="Spearman r over genes", shrink=0.7)
    return ax


def _draw_correlation(table: pd.DataFrame, ax: Axes) -> AxesImage:
    """Correlations r of `mark` and `other` as a heat map with numbers, in the order of the table."""
    marks = table["mark"].unique()
    grid = table.pivot(index="mark", columns="other", values="r").loc[marks, marks]
    image = ax.imshow(grid, cmap="RdBu_r", vmin=-1, vmax=1)
    _write_cells(grid, ax, is_dark=grid.abs() > 0.6, text="{:.2f}".format)
    return image


def _write_cells(grid: pd.DataFrame, ax: Axes, *, is_dark: pd.DataFrame, text: Callable[[float], str]) -> None:
    """Names of rows and columns of a heat map, and the number in each cell; a dash where there is none."""
    for (row, column), value in np.ndenumerate(grid.to_numpy(float)):
        ax.text(column, row, "–" if np.isnan(value) else text(value), ha="center", va="center", fontsize=7,
                color="white" if is_dark.iloc[row, column] else "black")  # fmt: skip
    ax.set_xticks(range(grid.shape[1]), grid.columns, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(grid.shape[0]), grid.index)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def plot_summary_beside(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Each statistic here against H1's, one axis per statistic, a point per mark; from `realism.beside_reference`."""
    if table.empty:
        return nothing_to_draw(axes)
    statistics = list(table.groupby("statistic", sort=False))
    for ax, (name, part) in zip(axes, statistics, strict=False):
        ends = np.nanmin(part[["here", "h1", "low"]]), np.nanmax(part[["here", "h1", "high"]])
        ax.plot(ends, ends, color="#bbbbbb", lw=0.8, ls="--")
        for row in part.itertuples():
            colour = MARK_COLOURS.get(row.mark, OTHER)
            ax.plot([row.low, row.high], [row.here] * 2, color=colour, lw=1)
            ax.plot(row.h1, row.here, "o", color=colour, ms=5, label=row.mark)
        ax.set_title(COLUMN_NAMES.get(name, name), loc="left", fontsize=9)
    hide_left_over(axes, len(statistics))
    figure = axes[0].figure
    figure.supxlabel("100 real promoters of H1 cells", fontsize=9)
    figure.supylabel("this profile", fontsize=9)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=7, fontsize=8, frameon=False)
    return axes


def _by_mark(table: pd.DataFrame, axes: Sequence[Axes]) -> Iterator[tuple[Axes, str, pd.DataFrame, pd.DataFrame]]:
    """For each mark its axis, its name, its rows of this profile and of H1; axes that are left over are hidden."""
    marks = list(table.groupby("mark", sort=False))
    hide_left_over(axes, len(marks))
    for ax, (mark, part) in zip(axes, marks, strict=False):
        ax.set_title(mark, loc="left", fontsize=9)
        yield ax, mark, part[part["source"] == "here"], part[part["source"] == "H1"]


def _label_beside(axes: Sequence[Axes], *, x: str | None = None, y: str, lines: dict[str, str] | None = None) -> None:
    """Labels of the whole figure, and above all panels what colour and line style mean."""
    figure = axes[0].figure
    axes[0].set_ylabel("")
    figure.supylabel(y, fontsize=9)
    if x:
        figure.supxlabel(x, fontsize=9)
    handles = [
        Line2D([], [], color=colour, lw=width, ls=style, label=f"{source}{end}")
        for source, colour, width in (("this profile", MARK_COLOURS["H3K4me3"], 1.6), ("H1, real", H1, 0.8))
        for end, style in (lines or {"": "-"}).items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, fontsize=8, frameon=False)
