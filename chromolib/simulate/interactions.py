"""Contacts as two experiments see them: capture Hi-C of fragments, and Hi-C of even bins.

In: a layout. Out: the numbers of a 3DIV table, or square matrices; normalised frequencies have no unit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .layout import Layout, names_of, stream

P_KNOWN = 0.9  # that a contact is seen in a cell type
MATRIX_AT = 10 / 1.5  # matrix value per unit of frequency: the paper's thresholds, 10 and 1.5, then mean the same


def draw_contacts(layout: Layout, seed: int, cell_type: str) -> pd.DataFrame:
    """Contacts of one cell type with all numbers of the 3DIV format; `frequency` is its dist_res."""
    rng = stream(seed, layout.genome.name, "contacts", cell_type)
    seen = layout.links[rng.random(len(layout.links)) < P_KNOWN].reset_index(drop=True)
    n = len(seen)
    bait, partner = (layout.fragments.iloc[seen[name]].reset_index(drop=True) for name in ("bait", "partner"))
    seen["kind"] = np.where(partner["gene"] >= 0, "pp", "po")
    seen["frag1"], seen["frag2"] = names_of(bait), names_of(partner)
    seen["dist"] = ((bait["start"] + bait["end"]) // 2 - (partner["start"] + partner["end"]) // 2).abs()
    target = 1 + seen["strength"] * rng.lognormal(0, 0.15, n)
    seen["background"] = (0.4 + 1.6 * np.exp(-seen["dist"] / 200_000)).round(4)
    seen["capture"] = (target * (seen["background"] + 1) - 1).round(4)
    seen["frequency"] = ((seen["capture"] + 1) / (seen["background"] + 1)).round(4)
    seen["freq"] = 1 + rng.poisson(10 * seen["capture"])
    seen["expected"] = (seen["freq"] / seen["capture"]).round(4)
    coverage = rng.integers(1000, 20_000, len(layout.fragments))
    seen["cov1"], seen["cov2"] = coverage[seen["bait"]], coverage[seen["partner"]]
    seen["significance"] = (1.5 * (seen["frequency"] - 0.5) * rng.lognormal(0, 0.3, n)).round(6)
    return seen


def draw_matrices(layout: Layout, seed: int, cell_type: str) -> dict[str, np.ndarray]:
    """A symmetric matrix of each chromosome, a row per fragment: falls with distance, more where two bins touch."""
    rng = stream(seed, layout.genome.name, "contacts", cell_type)
    matrices = {}
    for chrom, rows in layout.fragments.groupby("chrom", sort=False):
        n, first = len(rows), rows.index[0]
        apart = np.abs(np.arange(n)[:, None] - np.arange(n))
        matrix = np.choose(np.minimum(apart, 2), [150.0, 40.0, 8.0 / np.maximum(apart / 2, 1)])
        matrix *= np.clip(rng.lognormal(0, 0.15, (n, n)), 0, 1.2)  # at most 9.6 two bins apart: under the threshold
        here = layout.links[layout.links["bait"].isin(rows.index)]
        i, j = here["bait"].to_numpy() - first, here["partner"].to_numpy() - first
        is_far = np.abs(i - j) >= 2
        np.maximum.at(matrix, (i[is_far], j[is_far]), MATRIX_AT * (1 + here["strength"].to_numpy()[is_far]))
        matrices[chrom] = np.maximum(np.triu(matrix), np.tril(matrix).T).round(4)
        matrices[chrom] = np.maximum(matrices[chrom], matrices[chrom].T)
    return matrices


def of_matrices(layout: Layout, matrices: dict[str, np.ndarray]) -> pd.DataFrame:
    """All entries above 0 of the matrices as a table: kind, frag1, frag2, frequency (as in capture Hi-C)."""
    names = names_of(layout.fragments).to_numpy()
    tables = []
    for chrom, rows in layout.fragments.groupby("chrom", sort=False):
        i, j = np.nonzero(matrices[chrom])
        frequency = matrices[chrom][i, j] / MATRIX_AT
        tables.append(
            pd.DataFrame({"frag1": names[rows.index[0] + i], "frag2": names[rows.index[0] + j], "frequency": frequency})
        )
    return pd.concat(tables, ignore_index=True).assign(kind="po")
