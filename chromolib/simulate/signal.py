"""Read depth that states leave behind, and reads drawn from it.

In: a layout, the states of a cell type and a mark. Out: expected reads over a base pair in cells of 100 bp, and rows of a
tagAlign file; positions in bp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from ..genome import Genome, Region
from .layout import FRAME_BP, Layout, stream
from .states import States

READ_BP = 36
CELL_BP = 100  # reads fall evenly within a cell
EMPTY = 0.25  # background far from promoters and contacts, relative to that in frames and in regions with contacts

# Mean depth in frames. Histone marks: over the promoters of the 100 H1 genes of the release's demo, see
# analysis/realism.py; CTCF: in the range of the others.
MEAN_DEPTH = {
    "H3K4me1": 0.54, "H3K4me3": 1.22, "H3K9me3": 0.38, "H3K27me3": 0.68, "H3K36me3": 0.59, "H3K27ac": 0.42, "H3K9ac": 0.64,
    "CTCF": 0.40,
}  # fmt: skip

# mark -> (state, centre relative to the TSS in the sense of transcription, SD, height over background); bp. Heights are
# near those of the same 100 genes: promoters that are off but held by Polycomb carry some H3K4me3, as theirs do.
AT_TSS = {
    "H3K4me1": [
        ("on", -1000, 500, 2.0),
        ("on", 1500, 800, 2.5),
        ("polycomb", -800, 900, 2.5),
        ("polycomb", 1000, 900, 2.5),
    ],
    "H3K4me3": [("on", 350, 600, 150.0), ("polycomb", 0, 600, 40.0)],
    "H3K9me3": [("heterochromatin", 0, 6000, 2.0)],
    "H3K27me3": [("polycomb", 0, 2200, 20.0)],
    "H3K27ac": [("on", 0, 650, 14.0), ("polycomb", 0, 500, 2.0)],
    "H3K9ac": [("on", 350, 650, 16.0), ("polycomb", 0, 600, 3.0)],
}
ALONG_BODY = {"H3K36me3": 11.0}  # height over background per level of elongation
# Where elongation shows, bp downstream of the TSS: half its height is reached here, over about four times this; past the
# top it falls e-fold over the last.
HALF_BP, RISE_BP, TOP_BP, FALL_BP = 3200, 400, 5000, 25_000
# mark -> (sign of a region's activity, SD, height over background), in the middle of the region
AT_REGIONS = {
    "H3K4me1": (+1, 900, 9.0),
    "H3K27ac": (+1, 700, 14.0),
    "H3K9ac": (+1, 600, 3.0),
    "H3K27me3": (-1, 1500, 12.0),
}
AT_CTCF = {"CTCF": (150, 40.0)}  # SD, height over background

# Some places give more reads than others for reasons that have nothing to do with states: (width of a stretch in cells,
# shape of the gamma distribution of its ease), once the same for all marks of a cell type and once for each mark. Chosen so
# that variance, correlation of neighbouring bins and correlation of marks are near the real.
SHARED_EASE = ((300, 8.0), (10, 8.0))
OWN_EASE = ((300, 12.0), (10, 8.0), (1, 8.0))
SATURATION = 120.0  # reads over a base pair that even the highest peak stays under: published reads are without duplicates
HEIGHT_SHAPE = 6.0  # of the gamma distribution of each peak's height


def expected_depth(layout: Layout, states: States, mark: str, *, seed: int, cell_type: str) -> np.ndarray:
    """Reads expected over a base pair of each cell, chromosomes one after the other."""
    rng = stream(seed, layout.genome.name, "depth", cell_type, mark)
    cells = Cells(layout.genome)
    genes, fragments = layout.genes, layout.fragments
    used = fragments[fragments["is_used"]]
    middle = (used["start"] + used["end"]) // 2
    is_frame = cells.within(genes["chrom"], genes["tss"], FRAME_BP)
    is_busy = is_frame | cells.within(used["chrom"], middle, used["end"] - used["start"])
    depth = np.where(is_busy, 1.0, EMPTY)
    sense = np.where(genes["strand"] == "+", 1, -1)

    def heights(height: float, level: np.ndarray | pd.Series) -> np.ndarray:
        return height * np.asarray(level) * rng.gamma(HEIGHT_SHAPE, 1 / HEIGHT_SHAPE, len(level))

    for state, offset, sd, height in AT_TSS.get(mark, []):
        cells.add_peaks(depth, genes["chrom"], genes["tss"] + sense * offset, sd, heights(height, states.genes[state]))
    if mark in ALONG_BODY:
        cells.add_bodies(depth, genes, sense, heights(ALONG_BODY[mark], states.genes["elongation"]))
    if mark in AT_REGIONS:
        sign, sd, height = AT_REGIONS[mark]
        activity = np.where(used["gene"] < 0, states.activity[used.index], 0)  # promoters have theirs at the TSS
        cells.add_peaks(depth, used["chrom"], middle, sd, heights(height, np.maximum(sign * activity, 0)))
    if mark in AT_CTCF:
        sd, height = AT_CTCF[mark]
        cells.add_peaks(depth, layout.ctcf["chrom"], layout.ctcf["position"], sd, heights(height, states.is_bound))
    shared = stream(seed, layout.genome.name, "ease", cell_type)
    for source, stretches in ((shared, SHARED_EASE), (rng, OWN_EASE)):
        for width, shape in stretches:
            ease = source.gamma(shape, 1 / shape, -(-len(depth) // width))
            depth *= np.repeat(ease, width)[: len(depth)] if width > 1 else ease
    depth *= MEAN_DEPTH[mark] / depth[is_frame].mean()
    depth /= 1 + depth / SATURATION
    return depth * (MEAN_DEPTH[mark] / depth[is_frame].mean())


class Cells:
    """The cells of all chromosomes in one row."""

    def __init__(self, genome: Genome) -> None:
        self.n = {chrom: size // CELL_BP for chrom, size in genome.sizes.items()}
        self.first = dict(zip(self.n, np.cumsum([0, *self.n.values()]).tolist(), strict=False))

    def span(self, chroms: pd.Series, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last cell of each stretch, clipped to its chromosome."""
        first, n = chroms.map(self.first).to_numpy(), chroms.map(self.n).to_numpy()
        start, end = np.asarray(start), np.asarray(end)
        return first + np.clip(start // CELL_BP, 0, n - 1), first + np.clip(end // CELL_BP, 0, n - 1)

    def within(self, chroms: pd.Series, centre: pd.Series, width: int | pd.Series) -> np.ndarray:
        """True for cells in a stretch of `width` bp around any of the centres."""
        inside = np.zeros(sum(self.n.values()), bool)
        for start, end in zip(*self.span(chroms, centre - width // 2, centre + width // 2), strict=True):
            inside[start : end + 1] = True
        return inside

    def bin_mean(self, depth: np.ndarray, regions: Sequence[Region], bin_bp: int) -> np.ndarray:
        """Mean over bins of some regions, as `depth.bin_mean` gives it for a bigWig; within a cell, depth is the same."""
        total = np.concatenate([[0.0], np.cumsum(depth) * CELL_BP])  # reads times bp up to the end of each cell
        rows = []
        for region in regions:
            low, high = self.first[region.chrom] * CELL_BP, (self.first[region.chrom] + self.n[region.chrom]) * CELL_BP
            edges = np.append(np.arange(region.start, region.end, bin_bp), region.end)
            place = np.clip(edges + low, low, high) / CELL_BP
            cell = np.minimum(place.astype(np.int64), len(depth) - 1)
            upto = total[cell] + (place - cell) * (total[cell + 1] - total[cell])
            rows.append(np.diff(upto) / np.diff(edges))
        return np.concatenate(rows).astype(np.float32) if rows else np.empty(0, np.float32)

    def add_peaks(
        self, depth: np.ndarray, chroms: pd.Series, centre: pd.Series, sd_bp: int, heights: np.ndarray
    ) -> None:
        """Add a normal curve around each centre, out to 3 SD."""
        self._add(
            depth,
            chroms,
            centre,
            centre - 3 * sd_bp,
            centre + 3 * sd_bp,
            heights,
            lambda x: np.exp(-0.5 * (x / sd_bp) ** 2),
        )

    def add_bodies(self, depth: np.ndarray, genes: pd.DataFrame, sense: np.ndarray, heights: np.ndarray) -> None:
        """Add what elongation leaves along each gene: little at the TSS, most from 4 to 6 kb, less towards the end."""
        end = genes["tss"] + sense * genes["length"]

        def rise_and_fall(x: np.ndarray) -> np.ndarray:
            x = np.abs(x)
            return np.exp(-np.maximum(x - TOP_BP, 0) / FALL_BP) / (1 + np.exp((HALF_BP - x) / RISE_BP))

        low, high = np.minimum(genes["tss"], end), np.maximum(genes["tss"], end)
        self._add(depth, genes["chrom"], genes["tss"], low, high, heights, rise_and_fall)

    def _add(
        self, depth: np.ndarray, chroms: pd.Series, anchor: pd.Series, start: pd.Series, end: pd.Series,
        heights: np.ndarray, curve: Callable[[np.ndarray], np.ndarray],
    ) -> None:  # fmt: skip
        """Add `heights` times a curve of the distance from each anchor (bp), from start to end."""
        first, last = self.span(chroms, start, end)
        origin = chroms.map(self.first).to_numpy() * CELL_BP + anchor.to_numpy()  # in bp of the row of cells
        for i in np.flatnonzero(heights > 0):
            cell = np.arange(first[i], last[i] + 1)
            depth[cell] += heights[i] * curve((cell + 0.5) * CELL_BP - origin[i])


def draw_reads(depth: np.ndarray, genome: Genome, rng: np.random.Generator) -> pa.Table:
    """Reads as rows of a tagAlign file; their number in each cell varies around what `depth` asks for."""
    counts = rng.poisson(depth * (CELL_BP / READ_BP))
    n_cells = Cells(genome).n
    chrom_idx = np.repeat(np.repeat(np.arange(len(n_cells), dtype=np.int8), list(n_cells.values())), counts)
    cell = np.repeat(np.concatenate([np.arange(n) for n in n_cells.values()]), counts)
    n = len(cell)
    last_start = np.array(list(genome.sizes.values()))[chrom_idx] - READ_BP
    start = np.minimum(cell * CELL_BP + rng.integers(0, CELL_BP, n), last_start)
    return pa.table(
        {
            "chrom": pa.DictionaryArray.from_arrays(chrom_idx, list(n_cells)).cast(pa.string()),
            "start": start,
            "end": start + READ_BP,
            "sequence": pa.repeat("N", n),
            "score": pa.repeat(1000, n),
            "strand": pa.DictionaryArray.from_arrays(rng.integers(0, 2, n, dtype=np.int8), ["+", "-"]).cast(
                pa.string()
            ),
        }
    )
