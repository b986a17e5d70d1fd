"""From the narrow bins of a store to those that a network reads: averaged, cut to a window, centred in the frame.

In: mean read depth of narrow bins, genome order. Out: means of wider bins, over the bp (base pairs) that lie on the chromosome.
Axes: `g` gene of the cell type, `p` pCRE, `l` bin, `m` mark.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import Tensor


def pool_windows(depth: np.ndarray, covered_bp: np.ndarray, base_bp: int, bin_bp: int) -> tuple[np.ndarray, np.ndarray]:
    """Average neighbouring narrow bins over the bp that lie on the chromosome.

    Parameters
    ----------
    depth : ndarray, (g, l, m)
        Reads over a narrow bin, divided by `base_bp` also where the bin crosses the end of its chromosome.
    covered_bp : ndarray, (g, l)
        bp of each narrow bin that lie on the chromosome.
    base_bp, bin_bp : int
        Width of a narrow and of a wide bin; the last wide bin averages only what it has.

    Returns
    -------
    mean : ndarray, (g, ceil(l / k), m), and is_empty : ndarray, (g, ceil(l / k)), True where no bp lies on the chromosome.
    """
    starts = np.arange(0, depth.shape[1], bin_bp // base_bp)
    total = np.add.reduceat(depth, starts, axis=1, dtype=np.float64) * base_bp
    covered = np.add.reduceat(covered_bp, starts, axis=1)
    return total / np.maximum(covered, 1)[..., None], covered == 0


def pool_ragged(
    depth: np.ndarray, row: np.ndarray, width_bp: np.ndarray, base_bp: int, bin_bp: int
) -> tuple[np.ndarray, Tensor]:
    """As `pool_windows`, for regions of different widths laid one after the other.

    Returns mean depth (rows of wide bins, m) and the first wide bin of each region, (p + 1,).
    """
    k, n_narrow = bin_bp // base_bp, np.diff(row)
    covered_bp = np.full(len(depth), base_bp, np.int64)
    covered_bp[row[1:] - 1] = width_bp - (n_narrow - 1) * base_bp
    n_wide = -(-n_narrow // k)
    wide_row = np.concatenate([[0], np.cumsum(n_wide)])
    within = np.arange(wide_row[-1]) - np.repeat(wide_row[:-1], n_wide)
    starts = np.repeat(row[:-1], n_wide) + within * k
    if not len(starts):
        return depth[:0], torch.from_numpy(wide_row)
    total = np.add.reduceat(depth * covered_bp[:, None], starts, axis=0, dtype=np.float64)
    return total / np.add.reduceat(covered_bp, starts)[:, None], torch.from_numpy(wide_row)


def bp_on_chromosome(start: np.ndarray, bin_bp: int, chrom_bp: np.ndarray) -> np.ndarray:
    """bp of each bin that lie on its chromosome, by where the bin begins (below 0: before it) and the length of the chromosome."""
    return np.clip(np.minimum(start + bin_bp, chrom_bp) - np.maximum(start, 0), 0, None)


def cut_window(store: xr.Dataset, mark_idx: list[int], window_bp: int) -> tuple[np.ndarray, np.ndarray]:
    """Narrow bins of the window around each TSS, (g, l, m), and the bp of each that lie on the chromosome, (g, l)."""
    base_bp, frame_bp = int(store.attrs["base_bp"]), int(store.attrs["frame_bp"])
    first = (frame_bp - window_bp) // 2 // base_bp
    n = window_bp // base_bp
    start = store["tss"].values[:, None] - window_bp // 2 + base_bp * np.arange(n)
    # Deviates: the release takes a start below 0 as an index from the array's end; here such positions do not count.
    covered_bp = bp_on_chromosome(start, base_bp, store["chrom_bp"].values[:, None])
    return store["promoter"].values[:, first : first + n][..., mark_idx], covered_bp


def centre(
    signal: Tensor, is_empty: np.ndarray, minus: Tensor, frame_bins: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Centre windows in the frame, turn those of minus-strand genes, crop what is padding for all.

    The larger half of the padding is on the left before turning, hence on the right after it: with an odd number of
    padding bins the strands lie one bin apart, and in the extreme (one bin) the row read as TSS is padding for genes of the
    minus strand, which is called blind. The release does so, and its numbers are kept.
    """
    n_genes, n, n_marks = signal.shape
    n_padding = frame_bins - n
    tss_idx = frame_bins // 2
    left = -(-n_padding // 2)
    padding_idx = torch.full((n_genes, frame_bins), True)
    padding_idx[:, left : left + n] = torch.from_numpy(is_empty)
    framed = signal.new_zeros(n_genes, frame_bins, n_marks)
    framed[:, left : left + n] = signal
    framed[minus], padding_idx[minus] = framed[minus].flip(1), padding_idx[minus].flip(1)
    is_blind = padding_idx[:, tss_idx]
    if is_blind.any():
        padding_idx[is_blind] = True
        return framed, padding_idx, is_blind
    crop = n_padding // 2  # rounded down, so that both strands fit
    return framed[:, crop : frame_bins - crop].contiguous(), padding_idx[:, crop : frame_bins - crop].contiguous(), is_blind
