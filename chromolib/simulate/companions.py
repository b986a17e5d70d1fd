"""What the paper reads beside marks, contacts and expression, derived from the states that were planted.

In: a layout and the states of one cell type. Out: tables of segments, peaks, domains and gene sets; positions in bp.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .formats import CHROMHMM
from .layout import TAD_GRID_BP, Layout
from .states import States

TILE_BP = 200  # of a chromHMM segmentation
# protein -> share of the regions bound by Polycomb where it is found (EZH2, SUZ12: PRC2; RNF2, CBX8: PRC1)
POLYCOMB_PROTEINS = {"EZH2": 0.95, "SUZ12": 0.9, "RNF2": 0.85, "CBX8": 0.75}
P_FALSE_PEAK = 0.02  # of any other region
N_CONTROL_SETS = 20
SET_SHARE, P_PLANTED = 0.05, 0.7  # size of a gene set over the genes; share of a planted set that is there for a reason


def segment(layout: Layout, states: States) -> pd.DataFrame:
    """chromHMM's 18 states along the genome: chrom, start, end, name; each stretch as long as its state lasts."""
    tables = []
    used = layout.fragments[layout.fragments["is_used"] & (layout.fragments["gene"] < 0)]
    middle = (used["start"] + used["end"]) // 2
    for chrom, size in layout.genome.sizes.items():
        n = -(-size // TILE_BP)
        tiles = np.full(n, CHROMHMM.index("18_Quies"))

        def paint(name: str, start: np.ndarray, end: np.ndarray, tiles: np.ndarray = tiles) -> None:
            for a, b in zip(np.maximum(start // TILE_BP, 0), -(-end // TILE_BP), strict=True):
                tiles[a:b] = CHROMHMM.index(name)

        on_chrom = (layout.genes["chrom"] == chrom).to_numpy()
        genes, state = layout.genes[on_chrom], states.genes[on_chrom]
        tss, sense = genes["tss"].to_numpy(), np.where(genes["strand"] == "+", 1, -1)
        tes = np.clip(tss + sense * genes["length"].to_numpy(), 0, size - 1)
        here = (used["chrom"] == chrom).to_numpy()
        at, activity = middle[here].to_numpy(), states.activity[used.index[here]]

        def around(name: str, chosen: np.ndarray, half: int, centre: np.ndarray) -> None:
            paint(name, centre[chosen] - half, centre[chosen] + half)

        around("13_Het", (state["heterochromatin"] > 0).to_numpy(), 6000, tss)
        around("17_ReprPCWk", (state["polycomb"] > 0).to_numpy(), 5000, tss)
        around("16_ReprPC", (state["polycomb"] > 0).to_numpy(), 2500, tss)
        for name, chosen in (("6_TxWk", state["elongation"] > 0), ("5_Tx", state["elongation"] > 0.8)):
            rows = chosen.to_numpy()
            paint(name, np.minimum(tss, tes)[rows] + 1500, np.maximum(tss, tes)[rows] - 1500)
        around("16_ReprPC", activity < 0, 1500, at)
        around("10_EnhA2", (activity > 0) & (activity < 1), 600, at)
        around("9_EnhA1", activity >= 1, 600, at)
        around("2_TssFlnk", (state["on"] > 0).to_numpy(), 1200, tss)
        around("1_TssA", (state["on"] > 0).to_numpy(), 600, tss)
        around("14_TssBiv", (state["polycomb"] > 0).to_numpy(), 800, tss)
        first = np.flatnonzero(np.diff(tiles, prepend=-1))
        end = np.minimum(np.append(first[1:], n) * TILE_BP, size)
        tables.append(
            pd.DataFrame(
                {"chrom": chrom, "start": first * TILE_BP, "end": end, "name": np.array(CHROMHMM)[tiles[first]]}
            )
        )
    return pd.concat(tables, ignore_index=True)


def polycomb_peaks(layout: Layout, states: States, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """Peaks of one Polycomb protein: chrom, start, end."""
    used = layout.fragments[layout.fragments["is_used"]]
    is_bound = states.activity[used.index] < 0
    found = used[rng.random(len(used)) < np.where(is_bound, share, P_FALSE_PEAK)]
    tss = layout.genes["tss"].reindex(found["gene"]).to_numpy()
    middle = np.where(found["gene"] < 0, (found["start"] + found["end"]) // 2, tss).astype(int)
    half = rng.integers(150, 600, len(found))
    size = found["chrom"].map(layout.genome.sizes).to_numpy()
    return pd.DataFrame(
        {
            "chrom": found["chrom"].to_numpy(),
            "start": np.maximum(middle - half, 0),
            "end": np.minimum(middle + half, size),
        }
    )


def compartments(layout: Layout, rng: np.random.Generator) -> pd.DataFrame:
    """PC1 on the grid of the domains: chrom, start, end, pc1; positive in compartment A."""
    tables = []
    for tad in layout.tads.itertuples():
        start = np.arange(tad.start, tad.end, TAD_GRID_BP)
        pc1 = (1 if tad.is_a else -1) * rng.uniform(0.3, 1.2) + rng.normal(0, 0.15, len(start))
        end = np.minimum(start + TAD_GRID_BP, tad.end)
        tables.append(pd.DataFrame({"chrom": tad.chrom, "start": start, "end": end, "pc1": pc1.round(4)}))
    return pd.concat(tables, ignore_index=True)


def gene_sets(genes: pd.DataFrame, symbols: pd.Series, effects: str, rng: np.random.Generator) -> dict[str, list[str]]:
    """Sets of symbols: two planted among the genes that their pCREs move most, the others drawn at random.

    "housekeeping" holds genes with label 1 and much activation, "developmental" those with label 0 and much repression.
    Under the effects "promoter" both are drawn at random too.
    """
    size = max(5, round(SET_SHARE * len(genes)))
    sets = {}
    for name, label, term in (("housekeeping", 1, "activation"), ("developmental", 0, "repression")):
        mixed = genes.iloc[rng.permutation(len(genes))]  # many genes have equal terms
        moved = mixed[mixed["label"] == label].sort_values(term, ascending=False, kind="stable").index[: 2 * size]
        n_planted = round(P_PLANTED * size) if effects == "all" else 0
        planted = rng.choice(moved, n_planted, replace=False)
        others = rng.choice(genes.index.difference(planted), size - n_planted, replace=False)
        sets[f"{name} (SIM:{len(sets):07d})"] = [*planted, *others]
    for i in range(N_CONTROL_SETS):
        sets[f"control {i + 1} (SIM:{len(sets):07d})"] = list(rng.choice(genes.index, size, replace=False))
    return {name: sorted(symbols.iloc[members]) for name, members in sets.items()}
