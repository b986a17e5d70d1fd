"""What the features of one cell type are made of, whatever its source.

In: nothing. Out: the record that each source fills, and what several of them need; positions in bp, 0-based.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..config import Scale
from ..genome import Region

BinReader = Callable[[Sequence[Region]], np.ndarray]  # mean depth of regions, all bins in a row -> (row, m) float32


class Parts(NamedTuple):
    """What a store is made of, as one source or another has it."""

    genes: pd.DataFrame  # gene_id, symbol, chrom, tss, strand, expression, label
    pairs: pd.DataFrame  # gene_id, region, contact, each pair once
    read_bins: BinReader  # of pCREs, and of promoters where there is no matrix of them
    dropped: dict[str, dict[str, int]]  # what -> reason -> count
    promoter: np.ndarray | None = None  # (gene, bin, mark), genome order
    scale: Scale = "depth"
    domains: pd.DataFrame | None = None  # chrom, start, end of TADs


NOT_MEASURED = -1  # label of a gene whose expression is not known


def labels(expression: pd.Series, rule: str = "at-or-above") -> pd.Series:
    """1 for expression at or above the median, or, by the rule "above", only above it; else 0; NOT_MEASURED where it is NaN."""
    median = expression.median()  # where it is 0, as of mostly silent genes, "at or above" holds for all: `one_class` tells
    is_on = (expression >= median) if rule == "at-or-above" else (expression > median)
    return is_on.astype(int).where(expression.notna(), NOT_MEASURED)


def one_class(labelled: pd.Series, expression: pd.Series) -> str | None:
    """What is wrong with labels of which all are alike, in words; None where there are two classes, no expression, or a single
    gene, which is its own median."""
    if len(labelled) < 2 or labelled.nunique() > 1 or labelled.iloc[0] == NOT_MEASURED:
        return None
    what = "on" if labelled.iloc[0] else "off"
    way_out = "leave silent genes out, or choose rules: {label: above}" if labelled.iloc[0] else "leave rules.label out, or some of the genes"
    return f"all {len(labelled):,} genes are labelled {what} (median {expression.median():g}), expected two classes; {way_out}"


def turn_minus(signal: np.ndarray, strand: pd.Series) -> np.ndarray:
    """Turn (gene, bin, mark) of minus-strand genes round: from the direction of transcription to the genome's, and back."""
    return np.where((strand == "-").to_numpy()[:, None, None], signal[:, ::-1], signal)


def no_pairs() -> pd.DataFrame:
    return pd.DataFrame({"gene_id": pd.Series(dtype=str), "region": pd.Series(dtype=str), "contact": pd.Series(dtype=float)})


def no_bins(regions: Sequence[Region]) -> np.ndarray:
    raise AssertionError("there are no pCREs to read")
