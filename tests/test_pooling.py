"""Narrow bins pooled into wide ones, counted by hand in bp."""

import numpy as np

from chromolib.pooling import bp_on_chromosome, pool_ragged, pool_windows


def test_windows_average_over_the_bp_on_the_chromosome():
    depth = np.array([[[0.0], [4.0], [2.0], [3.0], [6.0]]])                      # five narrow bins
    covered = np.array([[0, 50, 100, 100, 100]])                                 # the chromosome starts in the second
    mean, is_empty = pool_windows(depth, covered, 100, 200)
    assert mean[..., 0].tolist() == [[8.0, 2.5, 6.0]]  # 400 reads over 50 bp; the last bin is alone
    assert is_empty.tolist() == [[False, False, False]]
    assert pool_windows(depth, covered, 100, 100)[1].tolist() == [[True, False, False, False, False]]


def test_bp_of_a_bin_end_with_the_chromosome():
    start = np.array([-200, -50, 0, 100, 200, 300])                              # bins of 100 bp, a chromosome of 250
    assert bp_on_chromosome(start, 100, np.int64(250)).tolist() == [0, 50, 100, 100, 50, 0]


def test_last_bin_of_a_region_averages_only_the_bp_it_has():
    depth, row, width = np.array([[1.0], [2.0], [3.0], [8.0]]), np.array([0, 3, 4]), np.array([250, 100])
    mean, wide_row = pool_ragged(depth, row, width, 100, 200)
    assert mean[:, 0].tolist() == [1.5, 3.0, 8.0] and wide_row.tolist() == [0, 2, 3]
    mean, wide_row = pool_ragged(depth, row, width, 100, 400)
    assert mean[:, 0].tolist() == [1.8, 8.0] and wide_row.tolist() == [0, 1, 2]  # (100 + 200 + 50 * 3) / 250


def test_pooling_in_two_steps_equals_pooling_in_one():
    rng = np.random.default_rng(0)
    depth, covered = rng.gamma(1, 3, (4, 12, 2)), np.full((4, 12), 100)
    once, _ = pool_windows(depth, covered, 100, 600)
    twice, _ = pool_windows(pool_windows(depth, covered, 100, 300)[0], covered[:, :4] * 3, 300, 600)
    np.testing.assert_allclose(once, twice, rtol=1e-12)
