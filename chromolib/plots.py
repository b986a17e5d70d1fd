"""One function per figure; each draws from a table, and neither computes nor shows.

In: tidy tables of analysis/ and runs.py. Out: matplotlib axes or figures; `publish` saves a figure and its table.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Iterator, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Arc
from matplotlib.ticker import LogLocator, MultipleLocator, NullLocator
from pandas.io.formats.style import Styler
from sklearn import metrics

from .analysis.tracks import Locus
from .config import Profile
from .evaluation import METRIC_NAMES
from .files import write_whole

# One colour per meaning, in every notebook; distinguishable with a colour-vision deficiency (after Okabe and Ito).
MARK_COLOURS = {
    "H3K4me1": "#e69f00", "H3K4me3": "#d55e00", "H3K9me3": "#6c6c6c", "H3K27me3": "#0072b2",
    "H3K36me3": "#009e73", "H3K27ac": "#cc79a7", "H3K9ac": "#56b4e9",
}  # fmt: skip
MODEL_COLOURS = {
    "Chromoformer": "#0072b2", "Release, pretrained": "#d55e00", "Best possible": "#009e73",
    "Mean signal, 4 kb": "#a6a6a6", "Binned signal": "#e69f00", "Gradient boosting": "#7b3014",
    "Mean of other cell types": "#4d004b", "Other cell types": "#ddcc77", "Chromoformer, two regressors": "#56b4e9",
    "Contacts alone": "#6600ff",
    "without pCREs": "#6c34a8",
    "DeepChrome": "#b64e23", "AttentiveChrome": "#539f52", "HM-CRNN": "#5087a2", "GC-MERGE": "#675b42",
    "DeepDiff raw_d": "#74cb91", "DeepDiff raw_aux": "#442b84", "Chromoformer, better recipe": "#3924ac",
    "Chromoformer, ratio of probabilities": "#4a63d5", "Chromoformer, paper's recipe": "#2d587d",
}  # fmt: skip
# Models of the same kind share a colour, where a figure names them beside their points: how their names begin -> whose.
SAME_COLOUR = {
    "Linear, mean signal": "Mean signal, 4 kb", "Linear, ": "Binned signal", "Boosting, ": "Gradient boosting", "DeepDiff ": "DeepDiff raw_d",
    "Chromoformer, probability": "Chromoformer", "Chromoformer on ": "Chromoformer",
    "Chromoformer, promoter only": "Chromoformer", "Planted in view": "Best possible",
}  # fmt: skip
WHOLE_WINDOW = "#6c6c6c"  # "Mean signal, 40 kb" and that of any other window that a profile has
OTHER = "#444444"  # a mark or model that the paper does not have
PCRE = "#7a3e9d"   # contacts and what they lead to
H1 = "#000000"     # the real promoters that a profile is held against
VERDICTS = {"seen": ("#009e73", "o"), "not seen": ("#d55e00", "D"), "not testable": ("#999999", "x")}  # colour and shape
LINE_STYLES = {"Linear, ": "--", "Planted in view": ":"}  # of what is no network: how its name begins -> style
# Kinds of genes by their neighbours, from `analysis.windows`: colour and marker.
KIND_STYLES = {
    "nearest TSS within 5 kb": ("#7a3e9d", "s"), "nearest TSS 5 to 20 kb away": ("#d55e00", "o"), "nearest TSS beyond 20 kb": (OTHER, "D"),
    "on": ("#d55e00", "o"), "off": ("#0072b2", "s"), "none in view": (OTHER, "D"),
}  # fmt: skip
# Kinds of pCREs in the colour of the mark that they carry; those that a protein of Polycomb binds in that of H3K27me3.
KIND_COLOURS = {"active": MARK_COLOURS["H3K27ac"], "other": OTHER}
LINE_OF_CURVE = {"additive": "--", "switch": "-"}
SIGN_COLOURS = {True: "#d55e00", False: "#0072b2"}  # what raises a prediction, and what lowers it
STATE_COLOURS = {"active": "#d55e00", "polycomb": "#0072b2", "none": "#999999"}  # of simulated regions
MANY_FOLDS = 8  # points of a model; fewer are drawn without a box
MANY_POINTS = 3000  # more are drawn as an image inside of the SVG: a page of megabytes opens slowly
COLUMN_NAMES = METRIC_NAMES | {
    "mean_depth": "mean depth", "share_empty": "bins without reads", "depth_q50": "median depth",
    "depth_q90": "90 % quantile", "depth_q99": "99 % quantile", "depth_max": "maximum depth",
    "lag_1": "r, 100 bp apart", "lag_10": "r, 1 kb apart", "between_genes": "between promoters",
    "tss_difference": "on - off, TSS", "body_difference": "on - off, gene body",
    "on_minus_off": "mean signal, on - off", "share_without": "without pCRE", "pcres_per_gene": "pCREs per gene",
    "median_distance": "median distance (bp)", "median_contact": "median contact", "median_strongest": "median of strongest",
    "share_below_10kb": "below 10 kb", "too_wide": "too wide",
    "low_corrected": "low", "high_corrected": "high",
    "p_t": "p, paired t-test", "p_corrected": "p, corrected t-test", "p_wilcoxon": "p, Wilcoxon",
    "contacts_within": "contacts within a TAD", "contacts_across": "contacts across TADs",
    "genes_within": "genes with contacts within", "genes_across": "genes with contacts across",
    "pcri": "PCRI", "pcri_alone": "PCRI alone", "pcri_own": "PCRI beyond others'", "pcre_change": "change by pCREs",
    "own_change": "change beyond others'", "n_pcres": "pCREs", "with_pcri": "with PCRI", "with_level": "with level", "with_alone": "with PCRI alone",
    "with_size": "with change", "with_own_size": "with change beyond others'", "without_to_with": "without / with pCREs",
    "odds_ratio": "odds ratio", "pcre_marks": "marks at pCREs",
    "most": "most there is to lose", "change": "change of ROC-AUC",
    "window_kb": "window (kb)", "memory_gb": "memory (GB)", "not_told_apart": "not told apart",
    "p_any": "p, any effect", "p_additive": "p, levels beside the line", "p_switch": "p, levels beside the switch",
    "aic_additive": "AIC, line", "aic_switch": "AIC, switch", "with_any": "genes with any",
    "q_t": "q, paired t-test", "q_corrected": "q, corrected t-test", "q_wilcoxon": "q, Wilcoxon",
}  # fmt: skip
GAP_NAMES = {
    "empty_bins": "promoter bins without signal", "empty_pcre_bins": "pCRE bins without signal",
    "empty_genes": "genes without signal", "cut_genes": "windows cut", "off_chromosome": "bp cut off", "lone_genes": "no pCRE",
}  # fmt: skip
GAP_MAP = plt.get_cmap("Oranges").with_extremes(bad="#e6e6e6")  # grey: no such mark, or no pCREs
ATTENTION_MAP = plt.get_cmap("RdBu_r").with_extremes(bad="#cccccc")  # grey: padding, which gets none
CONTROL_LINES = {"untrained": ":", "without signal": "--"}  # of networks that show what attention is without learning or signal
STYLE = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "svg.fonttype": "none", "svg.hashsalt": "chromolib",
}  # fmt: skip


class Published:
    """A figure as a notebook and the book show it: an image with alt text, a caption, self-contained."""

    def __init__(self, svg: bytes, caption: str, alt: str) -> None:
        self.svg, self.caption, self.alt = svg, caption, alt

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.svg).decode()
        return (
            f'<figure><img src="data:image/svg+xml;base64,{image}" alt="{html.escape(self.alt)}" style="max-width:100%">'
            f"<figcaption>{html.escape(self.caption)}</figcaption></figure>"
        )

    def __repr__(self) -> str:
        return f"Figure: {self.caption}"


def publish(
    figure: Figure, table: pd.DataFrame, *, profile: Profile, name: str, caption: str, alt: str, shows: Sequence[Profile] = ()
) -> Published:  # fmt: skip
    """Save a figure as results/<name>.svg and its table as results/<name>.csv, and return what a notebook shows.

    The caption is given the names of the profiles that it `shows` (none given: the one it is saved for), and says so where
    their data are simulated.
    """
    folder = profile.work_dir / "results"
    buffer = io.BytesIO()
    with plt.rc_context(STYLE):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None}, dpi=200)
    plt.close(figure)
    write_whole(folder / f"{name}.svg", lambda path: path.write_bytes(buffer.getvalue()))
    write_whole(folder / f"{name}.csv", lambda path: table.to_csv(path, index=False))
    return Published(buffer.getvalue(), f"{caption} {origin(*shows or [profile])}", alt)


def show_table(
    table: pd.DataFrame, *, profile: Profile, name: str, caption: str, precision: int = 3, shows: Sequence[Profile] = (),
    hide: Sequence[str] = (),
) -> Styler:  # fmt: skip
    """Save a table as results/<name>.csv, and return what a notebook shows of it: all columns but those to `hide`, metrics by
    their full names, missing values as a dash, in the caption the profiles as in `publish`."""
    write_whole(profile.work_dir / "results" / f"{name}.csv", lambda path: table.to_csv(path, index=False))
    table = table.drop(columns=list(hide)).rename(columns=COLUMN_NAMES)
    if "metric" in table:
        table = table.assign(metric=table["metric"].replace(COLUMN_NAMES))
    style = table.style.format(precision=precision, thousands=",", na_rep="–").hide(axis="index")
    if table.empty:
        caption = f"{caption} There are none."
    return style.set_caption(f"{caption} {origin(*shows or [profile])}").set_table_attributes('class="dataframe"')


def origin(*profiles: Profile) -> str:
    """Where the numbers come from, real data first: ends every caption."""
    parts = []
    for kind, simulated in (("real data", False), ("simulated data", True)):
        names = list(dict.fromkeys(profile.name for profile in profiles if profile.simulated == simulated))
        if names:
            parts.append(f"{'profiles' if len(names) > 1 else 'profile'} {', '.join(names)}: {kind}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def model_colour(model: str) -> str:
    """Colour of a model, the same in every notebook."""
    kin = next((kin for start, kin in SAME_COLOUR.items() if model.startswith(start)), "")
    return MODEL_COLOURS.get(model) or MODEL_COLOURS.get(kin) or (WHOLE_WINDOW if model.startswith("Mean signal, ") else OTHER)


def panels(n: int, n_columns: int = 4, *, size: tuple[float, float], sharex: bool = True) -> tuple[Figure, list[Axes]]:
    """A figure of at least `n` panels of this size each, in rows of `n_columns`, x shared."""
    n_rows = max(-(-n // n_columns), 1)
    figure, axes = new_figure(n_rows, n_columns, size=(size[0] * n_columns, size[1] * n_rows), sharex=sharex)
    axes = list(np.ravel(axes))
    for ax in axes[max(n - n_columns, 0) : len(axes) - n_columns] if sharex else []:
        ax.tick_params(labelbottom=True)                                       # the panel below is left over
    return figure, axes


def new_figure(n_rows: int = 1, n_columns: int = 1, *, size: tuple[float, float], **options) -> tuple[Figure, np.ndarray | Axes]:
    """Figure and axes in the house's style, outside pyplot's list of open figures."""
    with plt.rc_context(STYLE):
        return plt.subplots(n_rows, n_columns, figsize=size, layout="constrained", **options)


def plot_locus(tracks: pd.DataFrame, regions: pd.DataFrame, axes: Sequence[Axes], *, strand: str) -> Sequence[Axes]:
    """A gene as a browser shows it: arcs from its TSS to its pCREs on the first axis, below it the depth of each mark.

    From `tracks.gene_tracks` and `tracks.gene_regions`. Regions have their width, what lies between them has not.
    """
    promoter, pcres = regions.iloc[0], regions.iloc[1:]
    tss = (promoter["x_start"] + promoter["x_end"]) / 2
    _draw_arcs(pcres, axes[0], tss=tss)
    arrow = 0.06 * regions["x_end"].max() * (1 if strand == "+" else -1)
    axes[0].annotate(
        "", xy=(tss + arrow, -0.14), xytext=(tss, -0.14), annotation_clip=False,
        arrowprops={"arrowstyle": "-|>", "color": "black"},
    )  # fmt: skip
    for ax, (mark, table) in zip(axes[1:], tracks.groupby("mark", sort=False), strict=True):
        for region in pcres.itertuples():
            ax.axvspan(region.x_start, region.x_end, color=PCRE, alpha=0.07, lw=0)
        for _, part in table.groupby("region", sort=False):
            ax.fill_between(part["x"], part["depth"], step="mid", color=MARK_COLOURS.get(mark, OTHER), lw=0)
        ax.hlines([0] * len(regions), regions["x_start"], regions["x_end"], color="black", lw=0.8, clip_on=False)
        ax.axvline(tss, color="black", lw=0.6, ls=":")
        ax.set_ylabel(mark, rotation=0, ha="right", va="center")
        ax.set_ylim(0, max(float(table["depth"].max()), 1.0))
        ax.spines["bottom"].set_visible(False)
        ax.tick_params(axis="x", length=0, labelbottom=ax is axes[-1])
    middle = (regions["x_start"] + regions["x_end"]) / 2
    names = ["TSS", *(f"{distance / 1e3:+,.0f}" for distance in pcres["distance"])]
    axes[-1].set_xticks(middle, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
    axes[-1].set_xlim(regions["x_start"].min(), regions["x_end"].max())                    # shared by all
    axes[-1].set_xlabel("regions in genome order, all at one scale; labels of pCREs: distance of their middle from the TSS (kb)")
    return axes


def _draw_arcs(pcres: pd.DataFrame, ax: Axes, *, tss: float) -> None:
    """Arcs from a TSS to the middle of each pCRE, the wider the higher; thick where the contact is strong."""
    middle = (pcres["x_start"] + pcres["x_end"]) / 2
    span = (middle - tss).abs()
    for x, width, contact in zip(middle, span, pcres["contact"], strict=True):
        line = 0.5 + 2.5 * contact / pcres["contact"].max()
        ax.add_patch(Arc(((x + tss) / 2, 0), width, 2 * width / max(span.max(), 1), theta1=0, theta2=180, lw=line, color=PCRE))
    ax.hlines([0] * len(pcres), pcres["x_start"], pcres["x_end"], color=PCRE, lw=4)
    ax.set_ylim(-0.05, 1.1)
    ax.set_axis_off()


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
    middle of pCREs, from `pcri.around_pcres`."""
    if table.empty:
        return nothing_to_draw(axes, "too few genes")
    marks = list(table.groupby("mark", sort=False))
    for ax, (mark, part) in zip(axes, marks, strict=False):
        for label, line in (("on", "-"), ("off", "--")):
            rows = part[part["label"] == label]
            kb = rows["offset"] / 1e3
            ax.plot(kb, rows["mean"], color=MARK_COLOURS.get(mark, OTHER), ls=line, lw=1.4)
            ax.fill_between(kb, rows["low"], rows["high"], color=MARK_COLOURS.get(mark, OTHER), alpha=0.2, lw=0)
        ax.axvline(0, color="black", lw=0.6, ls=":")
        ax.set_title(mark, loc="left", fontsize=9)
        ax.set_ylim(bottom=0)
    for ax in axes[len(marks) :]:
        ax.set_visible(False)
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
    for ax in axes[len(marks) :]:
        ax.set_visible(False)
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
        ax.set_yticks(range(len(marks)), marks)
        ax.set_ylim(len(marks) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0, labelleft=ax is axes[0])
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
    for ax in axes[len(statistics) :]:
        ax.set_visible(False)
    figure = axes[0].figure
    figure.supxlabel("100 real promoters of H1 cells", fontsize=9)
    figure.supylabel("this profile", fontsize=9)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=7, fontsize=8, frameon=False)
    return axes


def nothing_to_draw(axes: Sequence[Axes], text: str = "nothing to compare") -> Sequence[Axes]:
    """What a figure shows of an empty table: one line that says so."""
    for ax in axes:
        ax.set_axis_off()
    axes[0].text(0, 0.5, text, transform=axes[0].transAxes, va="center")
    axes[0].figure.set_size_inches(axes[0].figure.get_figwidth(), 0.4)
    return axes


def _by_mark(table: pd.DataFrame, axes: Sequence[Axes]) -> Iterator[tuple[Axes, str, pd.DataFrame, pd.DataFrame]]:
    """For each mark its axis, its name, its rows of this profile and of H1; axes that are left over are hidden."""
    marks = list(table.groupby("mark", sort=False))
    for ax in axes[len(marks) :]:
        ax.set_visible(False)
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
    """Predicted against measured log2(RPKM + 1) of held-out genes; columns target, score."""
    top = max(predictions["target"].max(), predictions["score"].max()) * 1.05
    ax.plot([0, top], [0, top], color="#bbbbbb", lw=0.8, ls="--")
    is_many = len(predictions) > MANY_POINTS
    size, alpha = (2, 0.25) if is_many else (12, 0.7)
    ax.scatter(predictions["target"], predictions["score"], s=size, color=model_colour(model), alpha=alpha, lw=0, rasterized=is_many)
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
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0, labelleft=ax is axes[0])
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
    ax.set_yticks(range(len(table)), table["figure"] + "  " + table["id"])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("difference of the metric, beyond the claim's threshold")
    handles = [
        Line2D([], [], color=colour, marker=shape, ms=5, lw=0 if verdict == "not testable" else 1.4, label=verdict,
               mfc=colour if verdict == "seen" else "white")
        for verdict, (colour, shape) in VERDICTS.items() if verdict in set(table["verdict"])
    ]  # fmt: skip
    ax.figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return ax


def plot_fold_change(predictions: pd.DataFrame, axes: Sequence[Axes], *, models: Sequence[str], cell_types: str) -> Sequence[Axes]:
    """Predicted against measured log2 fold change of held-out genes, one axis per model; columns model, target, score."""
    shown = predictions[predictions["model"].isin(models)]
    if shown.empty:
        return nothing_to_draw(axes)
    end = 1.05 * max(shown["target"].abs().max(), shown["score"].abs().max())
    for ax in axes[len(models) :]:
        ax.set_visible(False)
    for ax, model in zip(axes, models, strict=False):
        table = shown[shown["model"] == model]
        ax.plot([-end, end], [-end, end], color="#bbbbbb", lw=0.8, ls="--")
        ax.axhline(0, color="#bbbbbb", lw=0.6)
        ax.axvline(0, color="#bbbbbb", lw=0.6)
        ax.scatter(table["target"], table["score"], s=12, color=model_colour(model), alpha=0.7, lw=0)
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
        colour = MARK_COLOURS.get(row.model.removeprefix("without ")) or model_colour(row.model)
        single = folds.loc[folds["model"] == row.model, "value"]
        ax.plot(single, [y + 0.25] * len(single), "o", ms=3.5, color=colour, alpha=0.6, mew=0)
        ax.plot([row.low, row.high], [y, y], color=colour, lw=1.4)
        ax.plot(row.value, y, "o", ms=5, color=colour)
    ax.set_yticks(range(len(table)), table["model"])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
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
        ax.set_yticks(range(len(models)), models)
        ax.set_ylim(len(models) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0, labelleft=ax is axes[0])
        ax.set_xlabel(COLUMN_NAMES.get(metric, metric))
        ax.grid(axis="y", color="#eeeeee", lw=0.8)
        ax.set_axisbelow(True)
    return axes


def plot_probability(predictions: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Predicted probability of being on against measured log2(RPKM + 1), one axis per cell type; columns cell_type, target, score."""
    if predictions.empty:
        return nothing_to_draw(axes)
    for ax, (cell_type, table) in zip(axes, predictions.groupby("cell_type", sort=False), strict=False):
        is_many = len(table) > MANY_POINTS
        ax.scatter(table["target"], table["score"], s=2 if is_many else 8, alpha=0.2 if is_many else 0.5, lw=0, rasterized=is_many,
                   color=MODEL_COLOURS["Chromoformer"])  # fmt: skip
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
    for ax in axes[len(models) :]:
        ax.set_visible(False)
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
    colour = MARK_COLOURS.get(model.removeprefix("without ")) or model_colour(model)
    for (bin_bp, head), ax in zip(table[["bin_bp", "head"]].drop_duplicates().sort_values("head", kind="stable").to_numpy(), axes.flat, strict=True):
        here = table[(table["bin_bp"] == bin_bp) & (table["head"] == head)]
        rest = here[(here["model"] == control) & (here["genes"] == "on")]
        ax.plot(rest["offset"] / 1e3, rest["value"], color="#aaaaaa", lw=1)
        for genes, line in (("on", "-"), ("off", "--")):
            rows = here[(here["model"] == model) & (here["genes"] == genes)]
            ax.fill_between(rows["offset"] / 1e3, rows["low"], rows["high"], color=colour, alpha=0.25, lw=0)
            ax.plot(rows["offset"] / 1e3, rows["value"], color=colour, lw=1.3, ls=line)
            top = maxima[(maxima["bin_bp"] == bin_bp) & (maxima["head"] == head) & (maxima["model"] == model) & (maxima["genes"] == genes)]
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
            colour = MARK_COLOURS.get(model.removeprefix("without ")) or model_colour(model)
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
        ax.set_yticks(range(len(all_marks)), all_marks)
        ax.set_ylim(len(all_marks) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0, labelleft=ax is axes[0])
        ax.set_title(f"bins of {bin_bp:,} bp", loc="left", fontsize=9)
    axes[0].figure.supxlabel("attention of a bin with one SD more of the mark, over that of the same bin without", fontsize=9)
    return axes


def plot_enrichment(table: pd.DataFrame, ax: Axes, *, q_max: float = 0.05, n_terms: int = 12) -> Axes:
    """The terms with the least p as bars of -log10 q, each with its overlap and size; from `enrichment.enrich`."""
    if table.empty:
        return nothing_to_draw([ax], "no set has a chosen gene")[0]
    rows = table.nsmallest(n_terms, "p").iloc[::-1]
    level = -np.log10(rows["q"].clip(lower=1e-300))
    ax.barh(range(len(rows)), level, height=0.7, color=[PCRE if q < q_max else "#bbbbbb" for q in rows["q"]])
    for y, (x, row) in enumerate(zip(level, rows.itertuples(index=False), strict=True)):
        ax.annotate(f"{row.overlap} of {row.size:,}", (x, y), (3, 0), textcoords="offset points", va="center", fontsize=7)
    names = rows["term"].str.replace(r"\s*\((GO|SIM):\d+\)$", "", regex=True)
    ax.set_yticks(range(len(rows)), [name if len(name) <= 48 else f"{name[:46]}..." for name in names], fontsize=8)
    ax.axvline(-np.log10(q_max), color="black", lw=0.8, ls=":")
    ax.set(xlabel=f"-log10 q (dotted: q = {q_max:g})", xlim=(0, 1.15 * max(level.max(), -np.log10(q_max))))
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
            ax.scatter(part[x], part[y], s=3 if is_many else 12, marker=marker, ec=colour, lw=0.8, alpha=0.7, rasterized=is_many,
                       fc="none" if name == "off" else colour, label=f"genes {name} ({len(part):,})")  # fmt: skip
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
    table; from `cis_regulation.by_number`, or from `cis_regulation.curves`, then with the line and the switch through them."""
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
    for ax in axes[len(panels) * len(kinds) :]:
        ax.set_visible(False)
    if "additive" in table:
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return axes


def plot_curve_test(table: pd.DataFrame, ax: Axes) -> Axes:
    """AIC of a line less that of a switch, with its interval, a row for each response and kind; from `cis_regulation.compare`."""
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
        for label, line in (("on", "-"), ("off", "--")):
            rows = part[part["label"] == label]
            kb = rows["offset"] / 1e3
            ax.plot(kb, rows["mean"], color=MARK_COLOURS.get(mark, OTHER), ls=line, lw=1.4)
            ax.fill_between(kb, rows["low"], rows["high"], color=MARK_COLOURS.get(mark, OTHER), alpha=0.2, lw=0)
        ax.axvline(0, color="black", lw=0.6, ls=":")
        ax.axhline(0, color="#bbbbbb", lw=0.6)
        ax.set_title(mark, loc="left", fontsize=9)
    for ax in axes[len(marks) :]:
        ax.set_visible(False)
    axes[0].figure.supylabel(f"mean attribution, {unit}", fontsize=9)
    axes[0].figure.supxlabel("distance from TSS (kb)", fontsize=9)
    return axes


def plot_scan(table: pd.DataFrame, ax: Axes, *, unit: str) -> Axes:
    """Mean predicted change where a stretch of the promoter is emptied, genes on (solid) and off (dashed); from
    `perturbation.along_promoter`."""
    for label, line in (("on", "-"), ("off", "--")):
        rows = table[table["label"] == label]
        kb = rows["offset"] / 1e3
        ax.plot(kb, rows["mean"], color=MODEL_COLOURS["Chromoformer"], ls=line, lw=1.4, label=f"{label}, {rows['n'].max()} genes" if len(rows) else None)
        ax.fill_between(kb, rows["low"], rows["high"], color=MODEL_COLOURS["Chromoformer"], alpha=0.2, lw=0)
    ax.axvline(0, color="black", lw=0.6, ls=":")
    ax.axhline(0, color="#bbbbbb", lw=0.6)
    ax.set(xlabel="middle of the emptied stretch, distance from TSS (kb)", ylabel=f"mean change, {unit}")
    ax.legend(fontsize=8)
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
        ax.set_yticks(range(len(marks)), marks)
        ax.set_ylim(len(marks) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0, labelleft=ax is axes[0])
        ax.set_title(f"removed in {where}", loc="left", fontsize=9)
    for ax in axes[table["where"].nunique() :]:
        ax.set_visible(False)
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
        ax.set_yticks(range(len(part)), part["ranking"])
        ax.set_ylim(len(part) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0, labelleft=ax is axes[0])
        ax.set_title(f"{metric}, {part['pairs'].iloc[0]:,} pairs of {part['genes'].iloc[0]} genes", loc="left", fontsize=9)
        ax.set_xlabel("average precision")
    return axes


def plot_contributions(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Predicted against planted contributions of pCREs, an axis per ranking, coloured by state; columns ranking, state, contribution,
    contribution_planted."""
    if table.empty:
        return nothing_to_draw(axes, "nothing is known to compare with")
    for ax, (ranking, part) in zip(axes, table.groupby("ranking", sort=False), strict=False):
        for state, colour in STATE_COLOURS.items():
            rows = part[part["state"] == state]
            ax.scatter(rows["contribution_planted"], rows["contribution"], s=6, color=colour, alpha=0.5, lw=0, label=state, rasterized=len(part) > MANY_POINTS)
        ax.axhline(0, color="#bbbbbb", lw=0.6)
        ax.axvline(0, color="#bbbbbb", lw=0.6)
        ax.set_title(ranking, loc="left", fontsize=9)
    for ax in axes[table["ranking"].nunique() :]:
        ax.set_visible(False)
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
    middle, top = (pcres["x_start"] + pcres["x_end"]) / 2, pcres["contribution"].abs().max()
    span = (middle - tss).abs()
    for x, width, contribution in zip(middle, span, pcres["contribution"], strict=True):
        axes[0].add_patch(Arc(((x + tss) / 2, 0), width, 2 * width / max(span.max(), 1), theta1=0, theta2=180,
                              lw=0.4 + 4 * abs(contribution) / max(top, 1e-9), color=SIGN_COLOURS[contribution > 0]))  # fmt: skip
        axes[0].text(x, -0.06, f"{contribution:+.2f}", ha="center", va="top", fontsize=7, rotation=60)
    axes[0].set_ylim(-0.35, 1.1)
    axes[0].set_axis_off()
    for is_up, colour in SIGN_COLOURS.items():
        part = track[(track["value"] > 0) == is_up]
        axes[1].bar(part["x"], part["value"], width=part["end"] - part["start"], color=colour, lw=0)
    axes[1].hlines([0] * len(regions), regions["x_start"], regions["x_end"], color="black", lw=0.8)
    axes[1].axvline(tss, color="black", lw=0.6, ls=":")
    names = ["TSS", *(f"{distance / 1e3:+,.0f}" for distance in pcres["distance"])]
    axes[1].set_xticks((regions["x_start"] + regions["x_end"]) / 2, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
    axes[1].set_xlim(regions["x_start"].min(), regions["x_end"].max())                     # shared by both
    axes[1].set_xlabel("regions in genome order, all at one scale; labels of pCREs: distance of their middle from the TSS (kb)")
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
    axes[1].set_yticks(range(len(coverage)), coverage["interval"])
    axes[1].set(xlim=(0, 1), ylim=(len(coverage) - 0.5, -0.5), xlabel="share of genes inside of their interval")
    axes[1].tick_params(axis="y", length=0)
    return axes
