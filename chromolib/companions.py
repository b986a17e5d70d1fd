"""What analyses read besides a profile's inputs: chromatin states, peaks of Polycomb proteins, sets of genes.

In: a profile. Out: tables as their readers give them, positions in bp, 0-based; nothing of what the profile does not have.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from . import ontology, readers, simulate, sources
from .genome import profile_genome
from .inputs.files import place_of
from .profile import Profile
from .sections import GO

STATES, GENE_SETS = "chromatin states", "gene sets"


def segmentation(profile: Profile, cell_type: str) -> pd.DataFrame | None:
    """chromHMM's states in a cell type: chrom, start, end, state, as `readers.read_segments` has them; None where there are none."""
    path = _path(profile, named(profile, cell_type)[STATES])
    return None if path is None else readers.read_segments(path, profile_genome(profile))


def polycomb(profile: Profile, cell_type: str) -> dict[str, pd.DataFrame]:
    """Protein -> its peaks in a cell type, as `readers.read_peaks` has them; without those that there are none of."""
    paths = {name: _path(profile, pattern) for name, pattern in named(profile, cell_type).items() if name in profile.companions.polycomb}
    genome = profile_genome(profile)
    return {name: readers.read_peaks(path, genome) for name, path in paths.items() if path is not None}


def gene_sets(profile: Profile) -> pd.DataFrame:
    """Terms and their genes, by symbol or id as the file has them: term, gene; no rows where there are none."""
    path = _path(profile, profile.companions.gene_sets)
    return pd.DataFrame(columns=["term", "gene"], dtype="str") if path is None else readers.read_gene_sets(path)


def left_out(profile: Profile, cell_type: str) -> pd.DataFrame:
    """What the functions above have nothing of in a cell type, and the reason: what, why. Fetches nothing."""
    patterns = named(profile, cell_type) | ({} if profile.companions.polycomb else {"Polycomb proteins": None})
    why = {what: _missing(profile, pattern) if pattern else f"the profile names none of {cell_type}" for what, pattern in patterns.items()}
    rows = [(what if what in (STATES, GENE_SETS) else f"peaks of {what}", reason) for what, reason in why.items() if reason]
    return pd.DataFrame(rows, columns=["what", "why"], dtype="str")


def named(profile: Profile, cell_type: str) -> dict[str, str | None]:
    """What each companion of a cell type is -> its path, source or GO, as the profile has it; None where it has none."""
    settings = profile.companions
    is_of = profile.check_cell_type(cell_type) in (settings.polycomb_of or profile.cell_types)
    patterns = {STATES: settings.segmentation, GENE_SETS: settings.gene_sets}
    patterns |= {protein: pattern if is_of else None for protein, pattern in settings.polycomb.items()}
    return {what: pattern and pattern.format(cell_type=cell_type) for what, pattern in patterns.items()}


def _path(profile: Profile, pattern: str | None) -> Path | None:
    """Where a companion is, fetched or simulated where need be; None where there is none."""
    if pattern is None or _missing(profile, pattern):
        return None
    if pattern == GO:
        return ontology.path()
    simulate.ensure_raw(profile)
    return place_of(profile)(pattern)


def _missing(profile: Profile, pattern: str) -> str:
    """Why a companion that the profile names can't be had by itself; "" where it can."""
    if pattern == GO:
        return "" if ontology.path().is_file() else "not there yet: `chromolib fetch go` makes them"
    if not pattern.startswith(sources.PREFIX):
        is_made = profile.simulated  # with the cohort, when it is needed
        return "" if is_made or place_of(profile)(pattern).is_file() else f"no file {pattern}"
    source_id = pattern.removeprefix(sources.PREFIX)
    return "" if sources.can_be_had(source_id, profile.raw_dir, profile.local_files) else f"no address of {source_id} is known"
