"""bigWig: a signal along a genome.

In: bigWig files, whoever wrote them. Out: stretches of equal signal, positions in bp, 0-based, end excluded.

libBigWig trusts a file's index: a damaged one ends the process, or reads as no signal where there is some. So reading is
done here, and checks what it reads; writing is left to pyBigWig.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..config import InputError
from .table import reading

EXPECTED = "a whole bigWig"
_MAGIC, _CHROMS_MAGIC, _INDEX_MAGIC = b"\x26\xfc\x8f\x88", 0x78CA8C91, 0x2468ACE0
_HEADER = struct.Struct("<IHHQQQHHQQIQ")
_CHROMS = struct.Struct("<IIIIQQ")
_INDEX = struct.Struct("<IIQIIIIQII")
_NODE = struct.Struct("<BBH")       # is it a leaf, nothing, number of entries
_SECTION = struct.Struct("<IIIIIBBH")  # of a block of data: chromosome, start, end, step, span, kind, nothing, number of items
_BLOCK = np.dtype([("chrom", "<u4"), ("start", "<u4"), ("last_chrom", "<u4"), ("end", "<u4"), ("offset", "<u8"), ("size", "<u8")])
_CHILD = np.dtype([("bounds", "<u4", 4), ("offset", "<u8")])
_ITEMS = {
    1: np.dtype([("start", "<u4"), ("end", "<u4"), ("value", "<f4")]),  # bedGraph
    2: np.dtype([("start", "<u4"), ("value", "<f4")]),                  # variableStep
    3: np.dtype([("value", "<f4")]),                                    # fixedStep
}  # fmt: skip


@dataclass(frozen=True)
class BigWig:
    """Where the values of each chromosome lie in a file; they are read on demand.

    sizes: chromosome -> bp; blocks: chromosome -> its blocks of data, (block,), offset and size in bytes.
    """

    path: Path
    sizes: Mapping[str, int]
    ids: Mapping[str, int]
    blocks: Mapping[str, np.ndarray]
    is_compressed: bool

    def intervals(self, chrom: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Start and end (int64) and value (float64) of each stretch of a chromosome that has a signal, in order.

        What the file calls not a number has none. Raises InputError where the file is damaged, or a value is negative or
        infinite.
        """
        with reading(self.path, EXPECTED), open(self.path, "rb") as file:
            parts = [self._items(file, self.ids[chrom], block) for block in self.blocks[chrom]]
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        start, end, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        if (start >= end).any() or (end[:-1] > start[1:]).any() or end[-1] > self.sizes[chrom]:
            raise InputError(
                f"{self.path}: values of {chrom} overlap or leave its {self.sizes[chrom]:,} bp; expected {EXPECTED}; fetch the "
                "file again"
            )
        is_number = ~np.isnan(value)
        if not is_number.all():
            start, end, value = start[is_number], end[is_number], value[is_number]
        if (wrong := (value < 0) | np.isinf(value)).any():
            i = int(wrong.argmax())
            raise InputError(
                f"{self.path}: {chrom}:{start[i]}-{end[i]} has the value {value[i]:g}, expected 0 or more and finite; name a "
                "file of depth, fold change or -log10 p"
            )
        return start, end, value.astype(np.float64)

    def _items(self, file: BinaryIO, chrom_id: int, block: np.void) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        data = _bytes(file, int(block["offset"]), int(block["size"]))
        data = zlib.decompress(data) if self.is_compressed else data
        found, start, _, step, span, kind, _, n = _SECTION.unpack(data[: _SECTION.size].ljust(_SECTION.size, b"\0"))
        if found != chrom_id or kind not in _ITEMS or len(data) != _SECTION.size + n * _ITEMS[kind].itemsize:
            raise ValueError(f"a block of data at byte {block['offset']} is not as the index says")
        items = np.frombuffer(data, _ITEMS[kind], n, _SECTION.size)
        starts = items["start"].astype(np.int64) if kind < 3 else start + step * np.arange(n, dtype=np.int64)
        return starts, items["end"].astype(np.int64) if kind == 1 else starts + span, items["value"]


def load_bigwig(path: Path) -> BigWig:
    """Read and check the index of a bigWig.

    Raises
    ------
    InputError
        The file is missing, cut short, damaged, or no bigWig.
    """
    with reading(path, EXPECTED), open(path, "rb") as file:
        return _load(path, file)


def largest_value(path: Path) -> float | None:
    """The largest value of a bigWig, from the summary in its header; None where it has none. Raises as `load_bigwig`."""
    load_bigwig(path)
    with reading(path, EXPECTED), open(path, "rb") as file:
        summary_at = _HEADER.unpack(file.read(_HEADER.size))[9]
        return struct.unpack("<Qdd", _bytes(file, summary_at, 24))[2] if summary_at else None  # bases covered, smallest, largest


def _load(path: Path, file: BinaryIO) -> BigWig:
    header = file.read(_HEADER.size)
    n_bytes = file.seek(0, os.SEEK_END)
    if header[:4] != _MAGIC:
        raise ValueError("not readable as bigWig")
    if len(header) < _HEADER.size or _bytes(file, n_bytes - 4, 4) != _MAGIC:  # which is its end, too
        raise ValueError(f"it is cut short after {n_bytes:,} bytes")
    _, _, _, chroms_at, data_at, index_at, *_, buffer_bytes, _ = _HEADER.unpack(header)
    chroms = list(_chroms(file, chroms_at))
    ids = {name: chrom_id for name, chrom_id, _ in chroms}
    blocks = np.concatenate([np.empty(0, _BLOCK), *_blocks(file, index_at)])
    (n_blocks,) = struct.unpack("<Q", _bytes(file, data_at, 8))
    is_known = np.isin(blocks["chrom"], list(ids.values())) & (blocks["chrom"] == blocks["last_chrom"])
    if not (n_blocks == len(blocks) == len(np.unique(blocks["offset"])) and is_known.all()):
        raise ValueError(f"its index names {len(blocks):,} blocks of data, of which there are {n_blocks:,}")
    blocks = blocks[np.lexsort((blocks["start"], blocks["chrom"]))]
    return BigWig(
        path,
        {name: size for name, _, size in chroms},
        ids,
        {name: blocks[blocks["chrom"] == chrom_id] for name, chrom_id in ids.items()},
        buffer_bytes > 0,
    )


def _bytes(file: BinaryIO, offset: int, n: int) -> bytes:
    if offset + n > os.fstat(file.fileno()).st_size:
        raise ValueError(f"it points to byte {offset + n:,}, past its end")
    file.seek(offset)
    return file.read(n)


def _nodes(file: BinaryIO, root: int, leaf_bytes: int, child: np.dtype) -> Iterator[tuple[bytes, int]]:
    """Content and number of entries of each leaf below a node of either tree, in order."""
    todo, seen = [root], set()
    while todo:
        offset = todo.pop()
        if offset in seen:
            raise ValueError("its index leads in a circle")
        seen.add(offset)
        is_leaf, _, n = _NODE.unpack(_bytes(file, offset, _NODE.size))
        content = _bytes(file, offset + _NODE.size, n * (leaf_bytes if is_leaf else child.itemsize))
        if is_leaf:
            yield content, n
        else:
            todo += np.frombuffer(content, child)["offset"].tolist()[::-1]


def _chroms(file: BinaryIO, offset: int) -> Iterator[tuple[str, int, int]]:
    """Name, id and size of each chromosome."""
    magic, _, key_bytes, value_bytes, n_chroms, _ = _CHROMS.unpack(_bytes(file, offset, _CHROMS.size))
    if magic != _CHROMS_MAGIC or value_bytes != 8 or not 0 < key_bytes < 1 << 16:
        raise ValueError("its list of chromosomes is damaged")
    child = np.dtype([("name", f"S{key_bytes}"), ("offset", "<u8")])
    leaf = np.dtype([("name", f"S{key_bytes}"), ("id", "<u4"), ("size", "<u4")])
    leaves = _nodes(file, offset + _CHROMS.size, leaf.itemsize, child)
    rows = np.concatenate([np.empty(0, leaf), *(np.frombuffer(content, leaf, n) for content, n in leaves)])
    if not len(rows) == len(np.unique(rows["name"])) == len(np.unique(rows["id"])) == n_chroms:
        raise ValueError("its list of chromosomes is damaged")
    yield from ((name.decode(), int(chrom_id), int(size)) for name, chrom_id, size in rows)


def _blocks(file: BinaryIO, offset: int) -> Iterator[np.ndarray]:
    if _INDEX.unpack(_bytes(file, offset, _INDEX.size))[0] != _INDEX_MAGIC:
        raise ValueError("its index is damaged")
    for content, n in _nodes(file, offset + _INDEX.size, _BLOCK.itemsize, _CHILD):
        yield np.frombuffer(content, _BLOCK, n)
