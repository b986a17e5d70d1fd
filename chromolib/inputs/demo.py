"""The release's demo as parts of features.

In: a profile of kind release-demo. Out: Parts; depth in reads over a base pair.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .. import readers, sources
from ..config import MARKS, ROOT, InputError
from ..depth import mean_per_bin
from ..genome import Genome, Region
from ..profile import Profile
from .parts import Parts


def read(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    if unknown := sorted(set(profile.marks) - set(MARKS)):
        raise InputError(
            f"profile {profile.name}: marks: the release's demo has no {unknown[0]!r}, "
            f"expected some of {', '.join(MARKS)}"
        )
    if profile.frame_bp != readers.DEMO_FRAME_BP:
        raise InputError(
            f"profile {profile.name}: frame_bp={profile.frame_bp:,}, but the release's demo holds "
            f"{readers.DEMO_FRAME_BP:,} bp per promoter; narrow it later with select(window_bp=...)"
        )
    genes, arrays = readers.read_demo(sources.fetch_of(profile, profile.inputs.source))
    if not (genes["cell_type"] == cell_type).all():
        raise InputError(
            f"profile {profile.name}: the release's demo is of {genes['cell_type'].iloc[0]}, not {cell_type}; "
            "correct cell_types"
        )
    pairs = genes[["gene_id", "pcres", "contacts"]].explode(["pcres", "contacts"]).dropna()
    pairs = pairs.set_axis(["gene_id", "region", "contact"], axis=1).astype({"contact": float})
    rows = [MARKS.index(mark) for mark in profile.marks]

    def read_bins(regions: Sequence[Region]) -> np.ndarray:
        return np.concatenate([mean_per_bin(arrays[str(region)][rows], profile.base_bp).T for region in regions])

    symbols = pd.read_csv(ROOT / "data" / profile.inputs.symbols).set_index("gene_id")["symbol"]
    genes["symbol"] = genes["gene_id"].map(symbols).fillna(genes["gene_id"])
    return Parts(genes, pairs, read_bins, {})
