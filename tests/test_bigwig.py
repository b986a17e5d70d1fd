"""bigWig files: a tiny one by hand, pyBigWig as a peer, and no damage that ends the process or passes for a signal."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import numpy as np
import pyBigWig
import pytest

from chromolib import depth, readers
from chromolib.config import ROOT, InputError
from chromolib.genome import Region

SIZES = {"chr1": 200_000, "chr10": 90_000, "chr2": 150_000, "chr3": 1000}
MAGIC = 0x888FFC26


def bedgraph(*rows, chrom=7, n=None):
    """A block of data as the format has it: start, end, value of each row."""
    header = struct.pack("<IIIIIBBH", chrom, rows[0][0], rows[-1][1], 0, 0, 1, 0, len(rows) if n is None else n)
    return header + b"".join(struct.pack("<IIf", *row) for row in rows)


def tiny(path, *blocks, compress=True, **changed):
    """A bigWig of chr1 with 1,000 bp, whose id is 7."""
    chunks = [zlib.compress(block) if compress else block for block in blocks]
    data_at = 64 + 32 + 4 + 16
    index_at = data_at + 8 + sum(map(len, chunks))
    offsets = data_at + 8 + np.cumsum([0, *map(len, chunks)])
    root = [struct.pack("<IIIIQQ", 7, 0, 7, 1000, at, len(chunk)) for at, chunk in zip(offsets, chunks, strict=False)]
    parts = {
        "header": struct.pack("<IHHQQQHHQQIQ", MAGIC, 4, 0, 64, data_at, index_at, 0, 0, 0, 0, 32768 * compress, 0),
        "chroms": struct.pack("<IIIIQQ", 0x78CA8C91, 1, 8, 8, 1, 0) + struct.pack("<BBH8sII", 1, 0, 1, b"chr1", 7, 1000),
        "data": struct.pack("<Q", len(blocks)) + b"".join(chunks),
        "index": struct.pack("<IIQIIIIQII", 0x2468ACE0, 256, len(blocks), 7, 0, 7, 1000, index_at, 1, 0),
        "root": struct.pack("<BBH", 1, 0, len(root)) + b"".join(root),
        "end": struct.pack("<I", MAGIC),
    } | changed
    path.write_bytes(b"".join(parts.values()))
    return path


def values_of(path, chrom="chr1"):
    return [tuple(row) for row in zip(*(column.tolist() for column in readers.load_bigwig(path).intervals(chrom)), strict=True)]


@pytest.mark.parametrize("compress", [True, False])
def test_intervals_by_hand(tmp_path, compress):
    path = tiny(tmp_path / "x.bw", bedgraph((5, 10, 1.5), (10, 12, 2.0)), bedgraph((900, 1000, 0.25)), compress=compress)
    assert values_of(path) == [(5, 10, 1.5), (10, 12, 2.0), (900, 1000, 0.25)]
    assert readers.load_bigwig(path).sizes == {"chr1": 1000}
    np.testing.assert_array_equal(depth.bin_mean(path, [Region("chr1", 0, 25)], 10), np.float32([0.75, 0.4, 0]))


def test_a_chromosome_without_values_has_no_intervals(tmp_path):
    assert values_of(tiny(tmp_path / "x.bw")) == []
    assert depth.bin_mean(tmp_path / "x.bw", [Region("chr1", 0, 25)], 10).tolist() == [0, 0, 0]


def test_what_is_not_a_number_is_no_signal(tmp_path):
    path = tiny(tmp_path / "x.bw", bedgraph((5, 10, np.nan), (10, 12, 2.0)))
    assert values_of(path) == [(10, 12, 2.0)]


@pytest.mark.parametrize(("value", "said"), [(-0.5, "-0.5"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_a_negative_or_infinite_signal_is_refused_with_its_place(tmp_path, value, said):
    path = tiny(tmp_path / "x.bw", bedgraph((5, 10, 1.0), (20, 30, value)))
    with pytest.raises(InputError, match=rf"x\.bw: chr1:20-30 has the value {said}, expected 0 or more and finite"):
        depth.bin_mean(path, [Region("chr1", 0, 25)], 10)


@pytest.mark.parametrize(
    ("blocks", "changed", "message"),
    [
        ([bedgraph((5, 10, 1), (9, 12, 2))], {}, "values of chr1 overlap or leave its 1,000 bp"),
        ([bedgraph((5, 5, 1))], {}, "values of chr1 overlap"),
        ([bedgraph((5, 1001, 1))], {}, "leave its 1,000 bp"),
        ([bedgraph((5, 10, 1), chrom=8)], {}, "a block of data at byte 124 is not as the index says"),
        ([bedgraph((5, 10, 1), n=2)], {}, "a block of data at byte 124 is not as the index says"),
        ([b"\7\0\0"], {}, "a block of data at byte 124 is not as the index says"),
        ([bedgraph((5, 10, 1))], {"end": b""}, "it is cut short after"),
        ([bedgraph((5, 10, 1))], {"root": struct.pack("<BBH", 1, 0, 0)}, "names 0 blocks of data, of which there are 1"),
        ([], {"root": struct.pack("<BBHIIIIQ", 0, 0, 1, 7, 0, 7, 1000, 124 + 48)}, "its index leads in a circle"),
        ([], {"root": struct.pack("<BBH", 1, 0, 9)}, "it points to byte .*, past its end"),
        ([], {"index": b"\0" * 48}, "its index is damaged"),
        ([], {"chroms": b"\0" * 52}, "its list of chromosomes is damaged"),
        ([], {"header": struct.pack("<I", 0x8789F2EB) + b"\0" * 60}, "not readable as bigWig"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, blocks, changed, message):
    path = tiny(tmp_path / "x.bw", *blocks, **changed)
    with pytest.raises(InputError, match=rf"x\.bw: .*{message}.*fetch the file again") as caught:
        depth.bin_mean(path, [Region("chr1", 0, 25)], 10)
    assert "\n" not in str(caught.value)


def test_an_alien_or_missing_file_is_refused(tmp_path):
    for content in (b"", b"not a bigWig", b"\x1f\x8b" + b"x" * 100):
        (tmp_path / "x.bw").write_bytes(content)
        with pytest.raises(InputError, match=r"x\.bw: not readable as bigWig"):
            readers.load_bigwig(tmp_path / "x.bw")
    with pytest.raises(InputError, match=r"none\.bw: no such file"):
        readers.load_bigwig(tmp_path / "none.bw")


# pyBigWig


def make_bigwig(path):
    """Random values in the three forms of the format, over several blocks; none on chr3."""
    rng = np.random.default_rng(0)
    edges = np.sort(rng.choice(SIZES["chr1"], 10_000, replace=False))
    with pyBigWig.open(str(path), "w") as bigwig:
        bigwig.addHeader(list(SIZES.items()))
        bigwig.addEntries(["chr1"] * 5000, edges[::2], ends=edges[1::2], values=rng.gamma(1, 3, 5000))
        bigwig.addEntries("chr10", 10 * np.sort(rng.choice(8000, 5000, replace=False)), values=rng.gamma(1, 3, 5000), span=7)
        bigwig.addEntries("chr2", 900, values=rng.gamma(1, 3, 9000), span=3, step=15)
    return path


def test_intervals_are_those_of_pybigwig_in_all_three_forms(tmp_path):
    path = make_bigwig(tmp_path / "x.bw")
    with pyBigWig.open(str(path)) as peer:
        assert readers.load_bigwig(path).sizes == peer.chroms() == SIZES
        for chrom in SIZES:
            assert values_of(path, chrom) == list(peer.intervals(chrom) or []), chrom
        assert len(readers.load_bigwig(path).blocks["chr2"]) > 1


def test_bins_are_means_of_the_bases_of_pybigwig(tmp_path):
    path, rng = make_bigwig(tmp_path / "x.bw"), np.random.default_rng(1)
    starts = rng.integers(-500, 90_000, 300)
    regions = [Region(str(rng.choice(list(SIZES))), int(start), int(start + rng.integers(1, 3000))) for start in starts]
    with pyBigWig.open(str(path)) as peer:
        expected = [depth.mean_per_bin(bases(peer, region), 64) for region in regions]
    ours = depth.bin_mean(path, regions, 64)
    np.testing.assert_allclose(ours, np.concatenate(expected), rtol=1e-6)
    np.testing.assert_array_equal(ours == 0, np.concatenate(expected) == 0)  # no signal is 0 to the last bit
    both = depth.bin_means([path, path], regions, 64, n_workers=2)
    assert both.shape == (len(ours), 2) and (both == ours[:, None]).all()


def bases(bigwig, region):
    """Value of each base of a region, 0 where there is none."""
    value, size = np.zeros(region.width, np.float32), SIZES[region.chrom]
    start, end = max(region.start, 0), min(region.end, size)
    if start < end:
        value[start - region.start : end - region.start] = np.nan_to_num(bigwig.values(region.chrom, start, end, numpy=True))
    return value


DAMAGE = """
import sys
import numpy as np
from pathlib import Path
from chromolib import readers
from chromolib.config import InputError

whole, damaged = map(Path, sys.argv[1:])
data, rng = whole.read_bytes(), np.random.default_rng(0)
index_at = int.from_bytes(data[24:32], "little")
bigwig = readers.load_bigwig(whole)
truth = {chrom: bigwig.intervals(chrom) for chrom in bigwig.sizes}

def refused(content):
    damaged.write_bytes(content)
    try:
        found = readers.load_bigwig(damaged)
        same = [np.array_equal(a, b) for chrom in truth if chrom in found.sizes for a, b in zip(found.intervals(chrom), truth[chrom])]
    except InputError as error:
        assert str(damaged) in str(error) and len(str(error).splitlines()) == 1, error
        return True
    assert all(same), "damage passes for a signal"
    return False

assert all(refused(data[:n]) for n in [*range(0, 600, 7), *rng.integers(0, len(data), 100)])
for start, end in ((0, 64), (344, 480), (index_at, index_at + 500), (440, index_at), (0, len(data))):
    for at in rng.integers(start, min(end, len(data)), 150):
        flipped = bytearray(data)
        flipped[at] ^= int(rng.integers(1, 256))
        refused(bytes(flipped))
print("done")
"""


def test_cut_and_flipped_files_are_refused_or_read_as_they_were(tmp_path):
    """In a process of its own, which libBigWig ends with a signal for one in ten of these."""
    command = [sys.executable, "-c", DAMAGE, str(make_bigwig(tmp_path / "x.bw")), str(tmp_path / "damaged.bw")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300)
    assert ended.returncode == 0 and ended.stdout == "done\n", ended.stderr
