"""What all figures share: colours, names of columns, empty figures, and how a figure or table comes onto a page.

In: figures and tables. Out: HTML of a page, and files beside it in the results folder of a profile.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from ..evaluation import METRIC_NAMES
from ..files import write_whole
from ..profile import Profile

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
    "Chromoformer, all other cell types": "Chromoformer, better recipe", "Chromoformer of ": "Chromoformer, two regressors",
    "Best network before it": "DeepChrome", "Best simple model": "Binned signal",
    "trained on ": "Chromoformer", "fine-tuned": "Chromoformer", "frozen": "Chromoformer, two regressors", "from scratch": "Release, pretrained",
}  # fmt: skip
WHOLE_WINDOW = "#6c6c6c"  # "Mean signal, 40 kb" and that of any other window that a profile has
OTHER = "#444444"  # a mark or model that the paper does not have
PCRE = "#7a3e9d"   # contacts and what they lead to
# Kinds of genes by their neighbours, from `analysis.windows`: colour and marker.
KIND_STYLES = {
    "nearest TSS within 5 kb": ("#7a3e9d", "s"), "nearest TSS 5 to 20 kb away": ("#d55e00", "o"), "nearest TSS beyond 20 kb": (OTHER, "D"),
    "on": ("#d55e00", "o"), "off": ("#0072b2", "s"), "none in view": (OTHER, "D"),
}  # fmt: skip
POINT = "point:"  # how matplotlib is told the name of a point: as the address of a link, which `publish` turns into a title
NAMED = re.compile(rb'<a xlink:href="%b([^"]*)"[^>]*>(.*?)</a>' % POINT.encode(), re.DOTALL)
TITLE = b"<title>"
TABLES = "tables"  # folder beside a page with the tables that it links to
SHORT, LINE = 24, 40  # letters: texts in tables up to so many are not broken, and longer ones into lines of so many
MANY_POINTS = 3000  # more are drawn as an image inside of the SVG: a page of megabytes opens slowly
COLUMN_NAMES = METRIC_NAMES | {
    "mean_depth": "mean depth", "share_empty": "bins without reads", "depth_q50": "median depth",
    "depth_q90": "90 % quantile", "depth_q99": "99 % quantile", "depth_max": "maximum depth",
    "lag_1": "r, 100 bp apart", "lag_10": "r, 1 kb apart", "between_genes": "between promoters",
    "tss_difference": "on - off, TSS", "body_difference": "on - off, gene body",
    "on_minus_off": "mean signal, on - off", "share_without": "without pCRE", "pcres_per_gene": "pCREs per gene",
    "median_distance": "median distance (bp)", "median_contact": "median contact", "median_strongest": "median of strongest",
    "share_below_10kb": "below 10 kb", "too_wide": "too wide",
    "empty_bins": "bins without signal", "low_corrected": "low", "high_corrected": "high",
    "p_t": "p, paired t-test", "p_corrected": "p, corrected t-test", "p_wilcoxon": "p, Wilcoxon",
    "contacts_within": "contacts within a TAD", "contacts_across": "contacts across TADs",
    "genes_within": "genes with contacts within", "genes_across": "genes with contacts across",
    "pcri": "PCRI", "pcri_alone": "PCRI alone", "pcri_own": "PCRI beyond others'", "pcre_change": "change by pCREs",
    "own_change": "change beyond others'", "n_pcres": "pCREs", "with_pcri": "with PCRI", "with_level": "with level", "with_alone": "with PCRI alone",
    "with_size": "with change", "with_own_size": "with change beyond others'", "without_to_with": "without / with pCREs",
    "odds_ratio": "odds ratio", "pcre_marks": "marks at pCREs",
    "most": "most there is to lose", "change": "change of ROC-AUC",
    "window_kb": "window (kb)", "memory_gb": "memory (GB)", "not_told_apart": "not told apart",
    "p_any": "p, any effect", "q_any": "q, any effect", "p_additive": "p, levels beside the line", "p_switch": "p, levels beside the switch",
    "aic_additive": "AIC, line", "aic_switch": "AIC, switch", "with_any": "genes with any",
    "n_genes": "genes trained on", "with_orthologue": "with orthologue", "change_low": "change, low", "change_high": "change, high",
    "q_t": "q, paired t-test", "q_corrected": "q, corrected t-test", "q_wilcoxon": "q, Wilcoxon",
}  # fmt: skip
STYLE = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "svg.fonttype": "none", "svg.hashsalt": "chromolib",
}  # fmt: skip


class Published:
    """A figure as a notebook and the book show it: with alt text, a caption, and a link to its table; but for that,
    self-contained. It is an image; where its points have names, it is part of the page, so that they show under the pointer."""

    def __init__(self, svg: bytes, caption: str, alt: str, name: str) -> None:
        self.svg, self.caption, self.alt, self.name = svg, caption, alt, name

    def _repr_html_(self) -> str:
        alt = html.escape(self.alt)
        if TITLE in self.svg:
            image = _inline(self.svg.decode(), alt, self.name)
        else:
            image = f'<img src="data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}" alt="{alt}" style="max-width:100%">'
        return (
            f"<figure>{image}"
            f"<figcaption>{html.escape(self.caption)} {csv_link(self.name)}</figcaption></figure>"
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
    svg = NAMED.sub(rb'<g pointer-events="all">%b\1</title>\2</g>' % TITLE, svg_of(figure))
    write_whole(folder / f"{name}.svg", lambda path: path.write_bytes(svg))
    write_whole(folder / f"{name}.csv", lambda path: table.to_csv(path, index=False))
    caption += " Points name their gene under the pointer." * (TITLE in svg)
    return Published(svg, f"{caption} {origin(*shows or [profile])}", alt, name)


def svg_of(figure: Figure) -> bytes:
    """A figure as SVG, the same bytes each time; it is closed."""
    buffer = io.BytesIO()
    with plt.rc_context(STYLE):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None}, dpi=200)
    plt.close(figure)
    return buffer.getvalue()


def _inline(svg: str, alt: str, name: str) -> str:
    """An SVG as a part of a page: its ids are told apart from those of other figures, and its style is of itself alone."""
    svg = re.sub(r">\s+<", "><", svg[svg.index("<svg") :])
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, count=1, flags=re.DOTALL)  # of all elements of the page
    style = "max-width:100%;height:auto;stroke-linejoin:round;stroke-linecap:butt"
    return svg.replace("<svg", f'<svg role="img" aria-label="{alt}" style="{style}"', 1)


def name_points(points: PathCollection, table: pd.DataFrame) -> None:
    """Let each point of a scatter plot say under the pointer which gene (symbol if the table has it, else gene_id) and, where there is
    one, region it is, and where it lies. Points that become one image keep silent."""
    names = table["gene_id"]
    if "symbol" in table:
        names = table["symbol"].where(table["symbol"].fillna("") != "", names)
    if "region" in table:
        names = names + ", " + table["region"]
    places = np.ma.getdata(points.get_offsets())
    points.set_urls([f"{POINT}{name}: {x:.2f}, {y:.2f}" for name, (x, y) in zip(names, places, strict=True)])


def show_table(
    table: pd.DataFrame, *, profile: Profile, name: str, caption: str, precision: int = 3, shows: Sequence[Profile] = (),
    hide: Sequence[str] = (),
) -> Styler:  # fmt: skip
    """Save a table as results/<name>.csv, and return what a notebook shows of it: all columns but those to `hide`, metrics by
    their full names, whole numbers without digits behind the point, missing values as a dash, in the caption the profiles as in
    `publish`."""
    write_whole(profile.work_dir / "results" / f"{name}.csv", lambda path: table.to_csv(path, index=False))
    table = table.drop(columns=list(hide)).rename(columns=COLUMN_NAMES)
    if "metric" in table:
        table = table.assign(metric=table["metric"].replace(COLUMN_NAMES))
    style = table.style.format(precision=precision, thousands=",", na_rep="–").hide(axis="index").set_table_styles(_widths(table))
    for names, form in _formats(table, precision):
        style = style.format(form, subset=names, na_rep="–")
    if table.empty:
        caption = f"{caption} There are none."
    return style.set_caption(f"{caption} {origin(*shows or [profile])} {csv_link(name)}").set_table_attributes('class="dataframe"')


def _widths(table: pd.DataFrame) -> dict[str, list[dict[str, str]]]:
    """Columns of text as wide as their longest, up to a line of a paragraph: a browser would break them after each word."""
    longest = {name: table[name].astype(str).str.len().max() for name in table.select_dtypes(["object", "string"])}
    return {
        name: [{"selector": "td", "props": "white-space: nowrap" if length <= SHORT else f"min-width: min({min(length, LINE)}ch, 70vw)"}]
        for name, length in longest.items()
    }  # fmt: skip


def n_of(table: pd.DataFrame, what: str = "genes", column: str = "n") -> str:
    """Of how many the rows of a figure's table are, for its caption: "60 to 64 genes" or, if all of as many, "64 genes"."""
    n = table[column].dropna()
    low, high = (int(n.min()), int(n.max())) if len(n) else (0, 0)
    return f"{low:,} to {high:,} {what}" if low < high else f"{low:,} {what}" if low else f"no {what}"


def csv_link(name: str) -> str:
    """HTML of the link to results/<name>.csv, as the book offers it: its build copies what its pages link to beside them."""
    return f'<a href="{TABLES}/{name}.csv" download>Table {name}.csv</a>'


def _formats(table: pd.DataFrame, precision: int) -> list[tuple[list[str], Callable[[float], str]]]:
    """Columns of places and counts, which are floats where a value is missing, and of p-values, of which none is 0."""
    floats = table.select_dtypes("float")
    whole = [name for name in floats if (floats[name].dropna() % 1 == 0).all()]
    p_values = [name for name in floats if re.match(r"[pq]($|[,_ ])", name)]
    least = 10.0**-precision
    return [
        (whole, lambda value: f"{value:,.0f}"),
        (p_values, lambda value: f"&lt;{least:g}" if value < least else f"{value:.{precision}f}"),
    ]


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


def variant_colour(model: str) -> str:
    """Colour of a network beside others that lack a mark: of one "without <mark>" that of the mark, of any other its `model_colour`."""
    return MARK_COLOURS.get(model.removeprefix("without ")) or model_colour(model)


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


def nothing_to_draw(axes: Sequence[Axes], text: str = "nothing to compare") -> Sequence[Axes]:
    """What a figure shows of an empty table: one line that says so."""
    for ax in axes:
        ax.set_axis_off()
    axes[0].text(0, 0.5, text, transform=axes[0].transAxes, va="center")
    axes[0].figure.set_size_inches(axes[0].figure.get_figwidth(), 0.4)
    return axes


def name_rows(ax: Axes, names: Sequence[str], *, is_first: bool = True) -> None:
    """Give an axis a row for each name, from the top on; of axes beside one another only the first tells the names."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0, labelleft=is_first)


def hide_left_over(axes: Sequence[Axes], n: int) -> None:
    """Hide all axes but the first `n`, which hold something."""
    for ax in axes[n:]:
        ax.set_visible(False)


def draw_by_label(table: pd.DataFrame, ax: Axes, colour: str) -> None:
    """Means with their intervals along a promoter, genes on (solid) and off (dashed), in kb; columns label, offset, mean, low,
    high."""
    for label, line in (("on", "-"), ("off", "--")):
        rows = table[table["label"] == label]
        kb = rows["offset"] / 1e3
        ax.plot(kb, rows["mean"], color=colour, ls=line, lw=1.4, label=label)
        ax.fill_between(kb, rows["low"], rows["high"], color=colour, alpha=0.2, lw=0)
