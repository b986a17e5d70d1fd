"""The network as a picture.

In: a table of its blocks, from `analysis.anatomy`. Out: matplotlib axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from .style import PCRE

BLOCK, PROMOTER, PLAIN = "#0072b2", "#d55e00", "#444444"
# Block -> where its middle lies, its width and height, and its colour.
PLACES = {
    "Embedding transformer": (2.3, 6.6, 3.6, 1.2, PROMOTER), "Pairwise Interaction transformer": (7.3, 6.6, 4.4, 1.2, PCRE),
    "Regulation transformer": (5.0, 4.2, 6.0, 1.2, BLOCK), "features": (5.0, 2.0, 6.0, 0.8, PLAIN), "head": (5.0, 0.6, 6.0, 0.8, PLAIN),
}  # fmt: skip
WAYS = (
    ((2.3, 8.5), (2.3, 7.2)), ((7.3, 8.5), (7.3, 7.2)), ((4.1, 6.6), (5.1, 6.6)), ((2.9, 6.0), (3.6, 4.8)), ((7.0, 6.0), (6.4, 4.8)),
    ((9.2, 4.2), (8.1, 4.2)), ((5.0, 3.6), (5.0, 2.4)), ((1.3, 2.0), (2.0, 2.0)), ((5.0, 1.6), (5.0, 1.0)), ((5.0, 0.2), (5.0, -0.3)),
)  # fmt: skip
ARROW = {"arrowstyle": "-|>", "color": PLAIN, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}


def plot_network(blocks: pd.DataFrame, ax: Axes, *, bin_bp: Sequence[int]) -> Axes:
    """Blocks with what they take and give of one gene, and the way between them; what is drawn threefold exists once per bin width."""
    rows = blocks.set_index("block")
    for name, row in rows.iterrows():
        _box(ax, name, _inside(name, row), n=1 if name in ("features", "head") else len(bin_bp))
    widths = ", ".join(f"{width:,}" for width in bin_bp)
    promoter, pcres = rows["takes"].iloc[:2]
    embedding, seen, regulatory, features, answer = rows["gives"]
    _words(ax, 2.3, 8.9, f"promoter, bins × marks\n{promoter}", PROMOTER)
    _words(ax, 7.3, 8.9, f"pCREs, pCREs × bins × marks\n{pcres}", PCRE)
    _words(ax, 5.0, 9.6, f"bins of {widths} bp; a stack of boxes: one per bin width, no weights shared", PLAIN)
    for start, end in WAYS:
        _arrow(ax, start, end)
    _words(ax, 4.6, 6.95, "query", PLAIN)
    ax.plot([1.3, 1.3], [6.0, 2.0], color=PLAIN, lw=ARROW["lw"], solid_capstyle="projecting")
    _words(ax, 0.7, 4.2, f"promoter\nembedding\n{embedding}", PROMOTER)
    _words(ax, 3.0, 5.4, f"token 0\n{embedding}", PROMOTER, ha="right")
    _words(ax, 6.95, 5.4, f"a token per pCRE\n{seen}", PCRE, ha="left")
    _words(ax, 9.2, 4.7, "contact\nfrequencies", PCRE)
    _words(ax, 5.15, 3.0, f"token 0: regulatory embedding, {regulatory}", BLOCK, ha="left")
    _words(ax, 5.15, 1.3, f"{features}", PLAIN, ha="left")
    _words(ax, 5.0, -0.55, f"prediction, {answer}", PLAIN)
    ax.set(xlim=(0, 10), ylim=(-0.8, 9.9))
    ax.set_axis_off()
    return ax


def _inside(name: str, row: pd.Series) -> str:
    """What a box says of its block."""
    if name == "features":
        return "promoter + regulatory embedding, bin widths side by side"
    if name == "head":
        return f"head: {row['takes']} → {row['hidden']} → ReLU → {row['gives']}; {row['parameters']:,} parameters"
    layers = f"{row['layers']} layer{'s' if row['layers'] > 1 else ''} of {row['heads']} heads, feed-forward {row['hidden']}"
    return f"{name}\n{layers}\n{row['parameters']:,} parameters"


def _box(ax: Axes, name: str, text: str, n: int) -> None:
    x, y, width, height, colour = PLACES[name]
    for behind in range(n - 1, -1, -1):
        corner = (x - width / 2 + 0.08 * behind, y - height / 2 + 0.08 * behind)
        ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle="round,pad=0,rounding_size=0.12", fc="white", ec=colour, lw=1.4))
    ax.text(x, y, text, ha="center", va="center", fontsize=8.5, color="black")


def _words(ax: Axes, x: float, y: float, text: str, colour: str, ha: str = "center") -> None:
    ax.text(x, y, text, ha=ha, va="center", fontsize=8, color=colour)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", xy=end, xytext=start, arrowprops=ARROW)
