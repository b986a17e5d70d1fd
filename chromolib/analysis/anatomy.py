"""What a network is made of: its blocks in the order in which a gene passes through them.

In: a network. Out: a table with a row per block: what goes in and comes out of one gene, and where it stands in the code.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from torch import nn

from ..model import Chromoformer

COLUMNS = ("block", "layers", "heads", "hidden", "takes", "gives", "parameters", "code")


def blocks(model: Chromoformer) -> pd.DataFrame:
    """The blocks of a network that classifies or predicts levels.

    Returns
    -------
    DataFrame
        COLUMNS: block (as the paper's figure 1 names it), layers, heads, hidden (width of its feed-forward network), takes and
        gives (sizes of the arrays of one gene, of all bin widths where they differ), parameters (of all bin widths), code.
    """
    c = model.config
    n, d, m = len(c.bin_bp), c.d_embedding, len(c.marks)
    bins = [c.frame_bp // bin_bp for bin_bp in c.bin_bp]
    promoter, pcres = (", ".join(f"{of}{n_bins} × {m}" for n_bins in bins) for of in ("", f"{c.max_pcres} × "))
    rows = [
        ("Embedding transformer", 1, c.embedding_heads, c.embedding_ff, promoter, f"{d}", [model.promoter_project, model.embedding], "_embed_promoters"),
        ("Pairwise Interaction transformer", len(model.pairwise), c.pairwise_heads, c.pairwise_ff, pcres, f"{c.max_pcres} × {d}",
         [model.pcre_query, model.pcre_project, model.pairwise], "_embed_pcres"),
        ("Regulation transformer", len(model.regulation), c.regulation_heads, c.regulation_ff, f"{1 + c.max_pcres} × {d}", f"{d}", [model.regulation], "_regulate"),
        ("features", 0, 0, 0, f"2 × {n} × {d}", f"{n * d}", [], "features"),
        ("head", 2, 0, model.head[0].out_features, f"{n * d}", f"{model.head[-1].out_features}", [model.head], "forward"),
    ]  # fmt: skip
    return pd.DataFrame([(*row[:6], _count(row[6]), f"Chromoformer.{row[7]}") for row in rows], columns=list(COLUMNS))


def _count(modules: Iterable[nn.Module]) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
