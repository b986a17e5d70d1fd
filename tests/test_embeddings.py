"""Distance of embeddings: by hand, and what it means to standardise two of them together or apart."""

import numpy as np
import pytest

from chromolib import InputError
from chromolib.analysis import embeddings


def test_standardised_together_only_a_gene_to_which_nothing_happens_has_no_distance():
    promoter = np.random.default_rng(0).normal(size=(40, 6))
    moved = promoter + np.where(np.arange(40)[:, None] < 30, 5.0, 0.0)           # ten genes stay
    together, apart = (embeddings.distance(promoter, moved, standard) for standard in ("together", "apart"))
    assert (together[30:] == 0).all() and together[:30].min() > 1
    assert apart[30:].mean() > 1.5 * apart[:30].mean()                           # apart, those that stay seem to move most
    everyone = promoter + 5.0
    assert embeddings.distance(promoter, everyone, "apart").max() < 1e-12 and embeddings.distance(promoter, everyone, "together").min() > 1


def test_distance_by_hand():
    promoter, regulatory = np.array([[0.0, 7.0], [2.0, 7.0]]), np.array([[4.0, 7.0], [2.0, 7.0]])
    # First dimension: 0, 2, 4, 2 has SD √2; the second does not vary.
    assert embeddings.distance(promoter, regulatory, "together").tolist() == pytest.approx([4 / 2**0.5, 0])
    # Apart: -1 and 1 beside 1 and -1.
    assert embeddings.distance(promoter, regulatory, "apart").tolist() == pytest.approx([2, 2])
    with pytest.raises(InputError, match="standard 'each', expected together or apart"):
        embeddings.distance(promoter, regulatory, "each")
