"""Hi-C matrices in text, as Dixon et al. 2012 publish them: one square matrix of normalised counts per chromosome.

In: nij.{chrom} files, a folder or an archive of them. Out: one row per pair of bins that touch; positions in bp, 0-based,
ends excluded.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome
from .fragments import KINDS, with_attrs
from .table import checked, reading, unpack, unpacked

_NAME = re.compile(r"^nij\.([A-Za-z0-9_]+)(\.txt)?(\.gz|\.bz2|\.zip)?$")
_TOLERANCE = 1e-3  # of two values that mirror each other: both were rounded when they were printed
_MAX_FIELD_BYTES = 64
_BLOCK = 256  # rows compared at once


def read_hic(path: Path, genome: Genome, *, bin_bp: int = 40_000, above: float = 0.0) -> pd.DataFrame:
    """Read Hi-C matrices: one file nij.{chrom}, a folder with such files, or a .tar.gz of them, read member by member.

    Fields stand between blanks or TABs: one row and column per bin, and before them may stand chrom, start and end.

    Parameters
    ----------
    bin_bp : int
        Width of a bin in bp; a chromosome has ceil(size / bin_bp) of them.
    above : float
        Values have to be larger than this, 0 or more, to be kept.

    Returns
    -------
    DataFrame
        kind ("po"), frag1 and frag2 (bins as "chrom:start-end", end excluded; the last of a chromosome may pass its end;
        categorical) and frequency (normalised count). Every contact stands twice, once in each direction, but for those
        of a bin with itself. attrs also hold "frequency".

    Raises
    ------
    InputError
        There is no matrix of a chromosome of `genome`, or two; a matrix has another size; a value is negative or no
        number, or differs from the one that mirrors it.
    """
    if not above >= 0:
        raise InputError(f"{path}: values above {above}, expected 0 or more; correct the option")
    tables, n_below, n_others = {}, 0, 0
    with reading(path, "Hi-C matrices: nij.{chrom}, a folder or a .tar.gz of them"):
        for name, file in _matrices(path):
            chrom = _NAME.match(name)[1]
            if chrom in tables:
                raise ValueError(f"holds two matrices of {chrom}")
            if chrom not in genome.sizes:
                n_others += 1
                continue
            try:
                matrix = _read_matrix(file, chrom, -(-genome.sizes[chrom] // bin_bp), bin_bp)
            except ValueError as error:
                raise ValueError(f"{name}: {error}" if name != path.name else str(error)) from None
            tables[chrom] = _touching(matrix, above)
            n_below += matrix.size - len(tables[chrom][2])
        if not tables:
            raise ValueError(f"holds no matrix of a chromosome of {genome.name}, such as nij.{next(iter(genome.sizes))}")
    return with_attrs(
        checked(
            _joined(tables, genome, bin_bp),
            {f"value not above {above:g}": n_below, f"matrices of other chromosomes than those of {genome.name}": n_others},
        ),
        frequency="normalised count",
    )


def _matrices(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Name and unpacked content of each matrix, one after the other."""
    if path.is_dir():
        for member in sorted(path.rglob("nij.*")):
            if _NAME.match(member.name) and member.is_file():
                with unpacked(member) as file:
                    yield member.name, file
    elif _NAME.match(path.name):
        with unpacked(path) as file:
            yield path.name, file
    else:
        with tarfile.open(path, "r:*") as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                if _NAME.match(name) and member.isfile():
                    with unpack(tar.extractfile(member)) as file:
                        yield name, file


def _read_matrix(file: BinaryIO, chrom: str, n_bins: int, bin_bp: int) -> np.ndarray:
    """The square matrix in a file, (bin, bin), float64; a ValueError names the line."""
    matrix = np.empty((n_bins, n_bins))
    longest, number, row = (n_bins + 3) * _MAX_FIELD_BYTES, 0, 0
    while line := file.readline(longest):
        number += 1
        fields = line.split()
        if not fields:
            continue
        if row == n_bins or len(fields) not in (n_bins, n_bins + 3):
            raise ValueError(
                f"line {number:,}: row {row + 1:,} has {len(fields):,} fields; {chrom} has {n_bins:,} bins of {bin_bp:,} bp"
            )
        if len(fields) > n_bins and fields[:2] != [chrom.encode(), str(row * bin_bp).encode()]:
            raise ValueError(f"line {number:,}: begins with {line[:40]!r}, not {chrom} and {row * bin_bp}")
        try:
            matrix[row] = np.array(fields[-n_bins:], dtype=np.float64)
        except ValueError as error:
            raise ValueError(f"line {number:,}: {error}") from None
        if not (np.isfinite(matrix[row]) & (matrix[row] >= 0)).all():
            raise ValueError(f"line {number:,}: holds a value that is negative or not finite")
        row += 1
    if row != n_bins:
        raise ValueError(f"ends after {row:,} rows; {chrom} has {n_bins:,} bins of {bin_bp:,} bp")
    for first in range(0, n_bins, _BLOCK):
        block, mirrored = matrix[first : first + _BLOCK], matrix[:, first : first + _BLOCK].T
        differs = np.abs(block - mirrored) > _TOLERANCE * (1 + np.maximum(block, mirrored))
        if differs.any():
            row, column = np.argwhere(differs)[0]
            raise ValueError(
                f"row {first + row + 1:,} has {block[row, column]:g} in column {column + 1:,}, which has "
                f"{mirrored[row, column]:g} in that row: it is not symmetric"
            )
    return matrix


def _touching(matrix: np.ndarray, above: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second = np.nonzero(matrix > above)
    return first.astype(np.int32), second.astype(np.int32), matrix[first, second]


def _joined(
    tables: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], genome: Genome, bin_bp: int
) -> pd.DataFrame:
    chroms = [chrom for chrom in genome.sizes if chrom in tables]
    n_bins = [-(-genome.sizes[chrom] // bin_bp) for chrom in chroms]
    bins = [
        f"{chrom}:{i * bin_bp}-{(i + 1) * bin_bp}" for chrom, n in zip(chroms, n_bins, strict=True) for i in range(n)
    ]
    before = np.cumsum([0, *n_bins[:-1]], dtype=np.int32)
    first, second = (
        np.concatenate([tables[chrom][end] + offset for chrom, offset in zip(chroms, before, strict=True)])
        for end in (0, 1)
    )
    return pd.DataFrame({
        "kind": pd.Categorical.from_codes(np.zeros(len(first), np.int8), KINDS),
        "frag1": pd.Categorical.from_codes(first, bins),
        "frag2": pd.Categorical.from_codes(second, bins),
        "frequency": np.concatenate([tables[chrom][2] for chrom in chroms]),
    })  # fmt: skip
