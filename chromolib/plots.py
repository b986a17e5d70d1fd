"""One function per figure; each draws from a table, and neither computes nor shows.

In: tidy tables of analysis/ and runs.py. Out: matplotlib axes or figures; `publish` saves a figure and its table.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc
from pandas.io.formats.style import Styler
from sklearn import metrics

from .config import Profile
from .files import write_whole

# One colour per meaning, in every notebook; distinguishable with a colour-vision deficiency (after Okabe and Ito).
MARK_COLOURS = {
    "H3K4me1": "#e69f00", "H3K4me3": "#d55e00", "H3K9me3": "#6c6c6c", "H3K27me3": "#0072b2",
    "H3K36me3": "#009e73", "H3K27ac": "#cc79a7", "H3K9ac": "#56b4e9",
}  # fmt: skip
MODEL_COLOURS = {
    "Chromoformer": "#0072b2", "Release, pretrained": "#d55e00",
    "Mean signal, 40 kb": "#6c6c6c", "Mean signal, 4 kb": "#a6a6a6",
}  # fmt: skip
OTHER = "#444444"  # a mark or model that the paper does not have
METRIC_NAMES = {
    "roc_auc": "ROC-AUC", "average_precision": "average precision", "pearson": "Pearson r", "r2": "R²",
}  # fmt: skip
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


def publish(figure: Figure, table: pd.DataFrame, *, profile: Profile, name: str, caption: str, alt: str) -> Published:
    """Save a figure as results/<name>.svg and its table as results/<name>.csv, and return what a notebook shows.

    The caption is given the profile's name, and says so where the data are simulated.
    """
    folder = profile.work_dir / "results"
    buffer = io.BytesIO()
    with plt.rc_context(STYLE):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    write_whole(folder / f"{name}.svg", lambda path: path.write_bytes(buffer.getvalue()))
    write_whole(folder / f"{name}.csv", lambda path: table.to_csv(path, index=False))
    return Published(buffer.getvalue(), f"{caption} {origin(profile)}", alt)


def show_table(table: pd.DataFrame, *, profile: Profile, name: str, caption: str, precision: int = 3) -> Styler:
    """Save a table as results/<name>.csv, and return what a notebook shows of it: metrics by their full names, missing
    values as a dash, the profile in the caption."""
    write_whole(profile.work_dir / "results" / f"{name}.csv", lambda path: table.to_csv(path, index=False))
    table = table.rename(columns=METRIC_NAMES)
    if "metric" in table:
        table = table.assign(metric=table["metric"].replace(METRIC_NAMES))
    style = table.style.format(precision=precision, thousands=",", na_rep="–").hide(axis="index")
    if table.empty:
        caption = f"{caption} There are none."
    return style.set_caption(f"{caption} {origin(profile)}").set_table_attributes('class="dataframe"')


def origin(profile: Profile) -> str:
    """Where the numbers come from: ends every caption."""
    kind = "simulated data" if profile.simulated else "real data"
    return f"Profile {profile.name}: {kind}."


def panels(n: int, n_columns: int = 4, *, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of at least `n` panels of this size each, in rows of `n_columns`, x shared."""
    n_rows = -(-n // n_columns)
    figure, axes = new_figure(n_rows, n_columns, size=(size[0] * n_columns, size[1] * n_rows), sharex=True)
    return figure, list(np.ravel(axes))


def new_figure(n_rows: int = 1, n_columns: int = 1, *, size: tuple[float, float], **options) -> tuple[Figure, np.ndarray | Axes]:
    """Figure and axes in the house's style, outside pyplot's list of open figures."""
    with plt.rc_context(STYLE):
        return plt.subplots(n_rows, n_columns, figsize=size, layout="constrained", **options)


def plot_tracks(tracks: pd.DataFrame, axes: Sequence[Axes], *, tss: int, strand: str) -> Sequence[Axes]:
    """Depth of each mark around a TSS, one axis per mark, from `tracks.gene_tracks`."""
    for ax, (mark, table) in zip(axes, tracks.groupby("mark", sort=False), strict=True):
        ax.fill_between(table["position"] / 1e6, table["depth"], step="mid", color=MARK_COLOURS.get(mark, OTHER), lw=0)
        ax.axvline(tss / 1e6, color="black", lw=0.6, ls=":")
        ax.set_ylabel(mark, rotation=0, ha="right", va="center")
        ax.set_ylim(0, max(float(table["depth"].max()), 1.0))
        ax.set_xlim(table["position"].min() / 1e6, table["position"].max() / 1e6)
        ax.tick_params(labelbottom=ax is axes[-1])
    axes[0].annotate(
        "", xy=(0.56 if strand == "+" else 0.44, 1.12), xytext=(0.5, 1.12), xycoords="axes fraction",
        arrowprops={"arrowstyle": "-|>", "color": "black"},
    )  # fmt: skip
    axes[-1].ticklabel_format(axis="x", useOffset=False)
    axes[-1].set_xlabel("position on chromosome (Mb); dotted: TSS, arrow: direction of transcription; height: reads per bp")
    return axes


def plot_contacts(contacts: pd.DataFrame, ax: Axes, *, tss: int, window_bp: int) -> Axes:
    """Arcs from a TSS to its pCREs; thicker where the contact is stronger. From `tracks.gene_contacts`."""
    ax.axhline(0, color="black", lw=0.8)
    for row in contacts.itertuples():
        middle, width = (tss + (row.start + row.end) / 2) / 2e6, abs(row.distance) / 1e6
        ax.add_patch(Arc((middle, 0), width, 2, theta1=0, theta2=180, lw=0.6 * row.contact, color="#7a3e9d"))
        ax.plot([row.start / 1e6, row.end / 1e6], [0, 0], color="#7a3e9d", lw=5, solid_capstyle="butt")
    ax.plot([(tss - window_bp / 2) / 1e6, (tss + window_bp / 2) / 1e6], [0, 0], color="black", lw=5, solid_capstyle="butt")
    ends = [*contacts["start"], *contacts["end"], tss - window_bp, tss + window_bp]
    margin = 0.03 * (max(ends) - min(ends))
    ax.set_xlim((min(ends) - margin) / 1e6, (max(ends) + margin) / 1e6)
    ax.set_ylim(-0.15, 1.1)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("position on chromosome (Mb); black: promoter window, purple: pCREs, line width: contact frequency")
    return ax


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


def plot_mean_by_label(table: pd.DataFrame, axes: Sequence[Axes], *, unit: str) -> Sequence[Axes]:
    """Mean signal of each mark around the TSS, genes on (solid) and off (dashed), from `tracks.mean_by_label`."""
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
    axes[0].figure.supxlabel("distance from TSS (kb)", fontsize=9)
    return axes


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
        ax.plot(false_positive, true_positive, color=MODEL_COLOURS.get(model, OTHER), lw=1.6, label=label)
    ax.set_xlabel("false positive rate")
    ax.set_ylabel("true positive rate")
    ax.set_aspect("equal")
    ax.legend(title="ROC-AUC [95 % interval]", loc="lower right", fontsize=8)
    return ax


def plot_calibration(table: pd.DataFrame, ax: Axes) -> Axes:
    """Observed against predicted share of genes that are on, from `comparison.calibration`."""
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
    ax.scatter(predictions["target"], predictions["score"], s=12, color=MODEL_COLOURS.get(model, OTHER), alpha=0.7, lw=0)
    ax.set(xlabel="measured expression, log2(RPKM + 1)", ylabel="predicted expression, log2(RPKM + 1)", xlim=(-0.2, top))
    ax.set_title(title, loc="left", fontsize=9)
    return ax
