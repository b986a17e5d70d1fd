"""Read depth, checked by hand and against bedtools."""

import numpy as np
import pandas as pd
import pybedtools
import pytest

from chromolib import depth, readers
from chromolib.config import InputError
from chromolib.genome import Genome, Region

GENOME = Genome("toy", {"chr1": 1000, "chr2": 500}, {"chr1": 1, "chr2": 2})


def make_bigwig(path, rows):
    reads = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    depth.write_bigwig(path, reads, GENOME)
    return path


def test_last_bin_averages_only_the_positions_it_has():
    np.testing.assert_array_equal(depth.mean_per_bin(np.array([1, 3, 5], np.float16), 2), np.float32([2, 5]))


def test_a_depth_above_float16s_exact_range_is_summed_exactly():
    counts = np.full(100, 2049, np.float16)  # rounds to 2048; 100 of them overflow float16
    assert depth.mean_per_bin(counts, 100).tolist() == [2048.0]


def test_a_region_without_positions_is_refused():
    with pytest.raises(ValueError, match="0 positions"):
        depth.mean_per_bin(np.empty((7, 0)), 100)


def test_piled_up_reads_by_hand():
    # 0 to 4 and 2 to 6 overlap; 6 to 8 touches the second, so depth 1 goes on; 10 to 12 comes twice.
    starts, ends = np.array([10, 2, 0, 6, 10]), np.array([12, 6, 4, 8, 12])
    start, end, value = depth.pile_up(starts, ends)
    assert list(zip(start.tolist(), end.tolist(), value.tolist(), strict=True)) == [
        (0, 2, 1),
        (2, 4, 2),
        (4, 8, 1),
        (10, 12, 2),
    ]


def test_intervals_are_those_of_bedtools(tmp_path):
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 964, 400)
    peer = pybedtools.BedTool("".join(f"chr1\t{start}\t{start + 36}\n" for start in sorted(starts)), from_string=True)
    (tmp_path / "sizes").write_text("chr1\t1000\n")
    intervals = [(i.start, i.end, int(i[3])) for i in peer.genome_coverage(bg=True, g=str(tmp_path / "sizes"))]
    ours = depth.pile_up(starts, starts + 36)
    assert list(zip(*(part.tolist() for part in ours), strict=True)) == intervals


def test_bins_of_a_bigwig_by_hand(tmp_path):
    path = make_bigwig(tmp_path / "x.bw", [("chr2", 0, 10), ("chr1", 5, 25), ("chr1", 10, 20)])
    # chr1 holds depth 1 over 5-10, 2 over 10-20, 1 over 20-25.
    bins = depth.bin_mean(path, [Region("chr1", 0, 25), Region("chr2", 0, 20)], 10)
    np.testing.assert_allclose(bins, [0.5, 2.0, 1.0, 1.0, 0.0])


def test_positions_off_the_chromosome_hold_no_reads(tmp_path):
    path = make_bigwig(tmp_path / "x.bw", [("chr2", 0, 10), ("chr2", 490, 500)])
    bins = depth.bin_mean(path, [Region("chr2", -20, 20), Region("chr2", 480, 530), Region("chr2", 600, 610)], 10)
    np.testing.assert_allclose(bins, [0, 0, 1, 0, 0, 1, 0, 0, 0, 0])


def test_no_regions_give_no_rows(tmp_path):
    assert depth.bin_mean(make_bigwig(tmp_path / "x.bw", [("chr1", 0, 1)]), [], 10).shape == (0,)


def test_depth_is_computed_again_only_when_its_reads_change(tmp_path):
    reads, path = tmp_path / "reads.bed", tmp_path / "depth" / "x.bw"
    reads.write_text("chr1\t0\t10\nchrUn\t0\t10\n")
    counts = depth.ensure(reads, path, GENOME)
    assert counts == {"kept": 1, "dropped": {"contig not in toy": 1}, "clipped": 0}
    made = path.stat().st_ino
    assert depth.ensure(reads, path, GENOME) == counts and path.stat().st_ino == made
    reads.write_text("chr1\t0\t10\nchr1\t0\t10\n")
    assert depth.ensure(reads, path, GENOME)["kept"] == 2
    assert depth.bin_mean(path, [Region("chr1", 0, 10)], 10).tolist() == [2.0]
    assert sorted(file.name for file in path.parent.iterdir()) == ["x.bw", "x.json"]


def test_another_genome_or_a_note_cut_short_makes_depth_anew(tmp_path):
    reads, path = tmp_path / "reads.bed", tmp_path / "x.bw"
    reads.write_text("chr1\t0\t10\n")
    depth.ensure(reads, path, GENOME)
    depth.ensure(reads, path, Genome("longer", {"chr1": 2000}, {"chr1": 1}))
    assert depth.bin_mean(path, [Region("chr1", 1500, 1600)], 100).tolist() == [0.0]
    path.write_bytes(b"")
    path.with_suffix(".json").write_text('{"made_from": {"si')
    depth.ensure(reads, path, GENOME)
    assert depth.bin_mean(path, [Region("chr1", 0, 10)], 10).tolist() == [1.0]


def test_an_unknown_chromosome_and_a_damaged_file_are_named(tmp_path):
    path = make_bigwig(tmp_path / "x.bw", [("chr1", 0, 1)])
    with pytest.raises(InputError, match=r"x\.bw: no chromosome chr9, found chr1, chr2"):
        depth.bin_mean(path, [Region("chr9", 0, 10)], 10)
    path.write_bytes(b"not a bigWig")
    with pytest.raises(InputError, match=r"x\.bw: not readable as bigWig"):
        depth.bin_mean(path, [Region("chr1", 0, 10)], 10)


def test_reads_to_depth_to_bins(tmp_path):
    reads = tmp_path / "reads.bed"
    reads.write_text("chr1\t990\t1026\tN\t1000\t+\nchrUn\t0\t36\tN\t1000\t+\n")  # the first is cut at 1000
    table = readers.read_reads(reads, GENOME)
    depth.write_bigwig(tmp_path / "x.bw", table, GENOME)
    assert depth.bin_mean(tmp_path / "x.bw", [Region("chr1", 980, 1000)], 10).tolist() == [0.0, 1.0]
