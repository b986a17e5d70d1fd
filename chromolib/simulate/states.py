"""What differs between cell types: which promoters are on, which genes are elongated, which regions act.

In: a layout and a cell type. Out: states of genes, fragments and CTCF sites, without unit; 0 means that a state is absent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .layout import Layout, stream

P_ON = {True: 0.8, False: 0.52}  # of a promoter, by compartment A
P_POLYCOMB, P_HETEROCHROMATIN = 0.55, 0.2  # of a promoter that is off
P_ELONGATED = 0.55  # of a gene, on or not: its body says nothing about its promoter
LEVEL = (0.6, 1.4)  # range of whatever is on, active or bound by Polycomb
ELONGATION = (0.6, 1.0)

POLYCOMB_SHARES = (0.03, 0.2, 0.75)  # of a domain's regions; each domain has one of these
P_ACTIVE = 0.5  # of a region that Polycomb does not bind
P_CTCF = 0.9  # that a site is bound


@dataclass(frozen=True)
class States:
    """The states of one cell type."""

    genes: pd.DataFrame  # on, polycomb, heterochromatin, elongation: levels; is_aberrant: unlike another one by plan
    activity: np.ndarray  # (fragment,), > 0 active, < 0 bound by Polycomb, 0 neither
    is_bound: np.ndarray  # (CTCF site,), bool


def draw_states(
    layout: Layout, seed: int, cell_type: str, *, like: States | None = None, share: float = 0.0, n_aberrant: int = 0
) -> States:
    """Draw the states of a cell type.

    Parameters
    ----------
    like : States, optional
        Of another cell type with the same layout, or at least the same genes: each promoter, body, region and site takes
        its state there with the chance `share`, or else a state of its own.
    n_aberrant : int
        Genes whose promoter and body are the opposite of what they are in `like`, whatever `share` says.
    """
    rng = stream(seed, layout.genome.name, "states", cell_type)
    genes, activity, is_bound = _draw_own(layout, rng)
    if like is not None:
        genes = _share(genes, like.genes, rng.random((2, len(genes))) < share)
        activity = np.where(rng.random(len(activity)) < share, like.activity, activity)
        is_bound = np.where(rng.random(len(is_bound)) < share, like.is_bound, is_bound)
        genes = _turn(genes, like.genes, rng.choice(len(genes), n_aberrant, replace=False), rng)
    return States(genes, _with_promoters(layout, genes, activity), is_bound)


def draw_states_of_orthologues(
    layout: Layout, seed: int, cell_type: str, *, like: States, orthologue: np.ndarray, share: float
) -> States:
    """As `draw_states`, for another species: of it, `like` has only genes, `orthologue` is the index there of each (or -1)."""
    rng = stream(seed, layout.genome.name, "states", cell_type)
    genes, activity, is_bound = _draw_own(layout, rng)
    is_shared = (rng.random((2, len(genes))) < share) & (orthologue >= 0)
    genes = _share(genes, like.genes.iloc[orthologue].reset_index(drop=True), is_shared)
    return States(genes, _with_promoters(layout, genes, activity), is_bound)


def _with_promoters(layout: Layout, genes: pd.DataFrame, activity: np.ndarray) -> np.ndarray:
    """The fragment of a promoter acts on others as the promoter is: seen in H3K27ac if on, in H3K27me3 if bound."""
    gene = layout.fragments["gene"].to_numpy()
    return np.where(gene < 0, activity, (genes["on"] - genes["polycomb"]).to_numpy()[gene])


def _share(genes: pd.DataFrame, like: pd.DataFrame, is_shared: np.ndarray) -> pd.DataFrame:
    """States of genes, of which some promoters and some bodies, `is_shared` (2, gene), are as in `like`."""
    shared = {}
    for columns, chosen in zip((["on", "polycomb", "heterochromatin"], ["elongation"]), is_shared, strict=True):
        shared |= {name: np.where(chosen, like[name], genes[name]) for name in columns}
    return genes.assign(**shared)


def _draw_own(layout: Layout, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """States of genes, regions and CTCF sites, like those of no other cell type."""
    return _draw_genes(layout, rng), _draw_activity(layout, rng), rng.random(len(layout.ctcf)) < P_CTCF


def _draw_genes(layout: Layout, rng: np.random.Generator) -> pd.DataFrame:
    n = len(layout.genes)
    is_on = rng.random(n) < layout.genes["is_a"].map(P_ON)
    return pd.DataFrame(
        {
            "on": is_on * rng.uniform(*LEVEL, n),
            "polycomb": ~is_on * (rng.random(n) < P_POLYCOMB) * rng.uniform(*LEVEL, n),
            "heterochromatin": ~is_on * (rng.random(n) < P_HETEROCHROMATIN) * rng.uniform(*LEVEL, n),
            "elongation": (rng.random(n) < P_ELONGATED) * rng.uniform(*ELONGATION, n),
            "is_aberrant": False,
        }
    )


def _draw_activity(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    n = len(layout.fragments)
    p_polycomb = rng.choice(POLYCOMB_SHARES, len(layout.tads))[layout.fragments["tad"]]
    is_polycomb, is_active = rng.random(n) < p_polycomb, rng.random(n) < P_ACTIVE
    return np.where(is_polycomb, -1, is_active) * rng.uniform(*LEVEL, n)


def _turn(genes: pd.DataFrame, like: pd.DataFrame, chosen: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Turn chosen genes into the opposite of what they are in `like`: on and elongated, or off under Polycomb."""
    genes, n = genes.copy(), len(chosen)
    was_on = like["on"].to_numpy()[chosen] > 0
    level = rng.uniform(*LEVEL, n)
    genes.loc[chosen, "on"] = np.where(was_on, 0, level)
    genes.loc[chosen, "polycomb"] = np.where(was_on, level, 0)
    genes.loc[chosen, "heterochromatin"] = 0.0
    genes.loc[chosen, "elongation"] = np.where(was_on, 0, rng.uniform(*ELONGATION, n))
    return genes.assign(is_aberrant=np.isin(np.arange(len(genes)), chosen))
