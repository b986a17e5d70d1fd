"""What a profile names as its inputs, as the parts that features are made of.

In: a profile. Out: Parts of one cell type, the files they come from, and expression in other cell types.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import readers, sources
from ..config import ROOT, DemoInputs, Profile, PublishedInputs, RawInputs
from ..genome import Genome
from ..readers import published as tables
from . import demo, published, raw
from .parts import Parts

_SOURCES = {"raw": raw, "release-demo": demo, "published": published}


def read(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    """The parts of one cell type."""
    return _SOURCES[profile.inputs.kind].read(profile, cell_type, genome)


def others_expression(profile: Profile, cell_type: str) -> pd.DataFrame | None:
    """log2(RPKM + 1) in the other cell types that there are labels of: gene_id as index, a column each; None if none.

    Raw inputs: the profile's other cell types. Published ones: `other_cell_types` of the profile.
    """
    if isinstance(profile.inputs, RawInputs):
        others = [name for name in profile.cell_types if name != profile.check_cell_type(cell_type)]
        path = profile.raw_dir / profile.inputs.expression
        table = readers.read_expression(path, others).set_index("gene_id") if others else None
    else:
        ids = sources.other_targets(profile, cell_type)
        paths = {name: sources.fetch(source_id, profile.raw_dir) for name, source_id in ids.items()}
        genes = sources.fetch(sources.GENE_LIST, profile.raw_dir) if paths else None
        table = tables.read_targets(paths, genes) if paths else None
    return None if table is None else np.log2(table + 1)


def files(profile: Profile, cell_type: str) -> list[Path]:
    """Paths of all raw files that a cell type needs, or an InputError that names the first one missing or unreadable."""
    if not isinstance(profile.inputs, RawInputs):
        groups = sources.ids_of(profile, profile.check_cell_type(cell_type))
        return [sources.fetch(source_id, profile.raw_dir) for group in groups.values() for source_id in group]
    paths = [path for group in raw.files(profile, profile.check_cell_type(cell_type)).values() for path in group]
    for path in paths:
        readers.stat(path)
    return paths


def fingerprints(profile: Profile, cell_type: str) -> list[Any]:
    if not isinstance(profile.inputs, RawInputs):
        ids = [source_id for group in sources.ids_of(profile, cell_type).values() for source_id in group]
        digests = [sources.entry(source_id).sha256 for source_id in ids]
        if isinstance(profile.inputs, PublishedInputs):
            digests.append(hashlib.sha256(tables.PILOT_TABLE.read_bytes()).hexdigest())
        if isinstance(profile.inputs, DemoInputs):
            digests.append(hashlib.sha256((ROOT / "data" / profile.inputs.symbols).read_bytes()).hexdigest())
        return digests
    paths = files(profile, cell_type)
    return [[path.name, readers.stat(path).st_size, readers.stat(path).st_mtime_ns] for path in paths]
