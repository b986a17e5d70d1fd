"""Public raw files as parts of features: reads, expression, annotation, contacts.

In: a profile of kind raw. Out: Parts; depth in reads over a base pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import contacts, depth, readers
from ..config import Profile
from ..depth import bin_mean
from ..genome import Genome, Region
from .parts import Parts, labels


def read(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    paths = files(profile, cell_type)
    expression = readers.read_expression(paths["expression"][0], [cell_type])
    transcripts = readers.read_transcripts(paths["annotation"][0], genome)
    gene_info = readers.read_gene_info(paths["gene_info"][0])
    tables = [readers.read_contacts(path, genome) for path in paths["contacts"]]

    tss = contacts.all_tss(transcripts, gene_info, expression["gene_id"])
    genes = tss[tss["order"] == 0].merge(expression.rename(columns={cell_type: "expression"}), on="gene_id")
    genes["label"] = labels(genes["expression"])
    touching = pd.concat(tables, ignore_index=True)
    fragments = contacts.fragment_of_tss(tss, contacts.bait_fragments(touching))
    pairs = contacts.pairs_of_genes(tss, fragments, contacts.neighbours(touching, profile.inputs.min_frequency))

    bigwigs = [profile.work_dir / cell_type / "depth" / f"{mark}.bw" for mark in profile.marks]
    rows = list(zip(profile.marks, paths["reads"], bigwigs, strict=True))
    counts = {
        f"reads of {mark}": depth.ensure(reads, bigwig, genome)["dropped"]
        for mark, reads, bigwig in tqdm(rows, desc=f"{cell_type} depth", unit="mark", disable=None)
    }

    def read_bins(regions: Sequence[Region]) -> np.ndarray:
        return np.stack([bin_mean(path, regions, profile.base_bp) for path in bigwigs], axis=1)

    dropped = counts | {
        "transcripts": transcripts.attrs["dropped"],
        "names of genes": gene_info.attrs["dropped"],
        "genes with expression": tss.attrs["dropped"],
    }
    for path, table in zip(paths["contacts"], tables, strict=True):
        dropped[f"contacts of {path.name}"] = table.attrs["dropped"]
    return Parts(genes, pairs, read_bins, dropped)


def files(profile: Profile, cell_type: str) -> dict[str, list[Path]]:
    def fill(pattern: str, **names: str) -> Path:
        return profile.raw_dir / pattern.format(cell_type=cell_type, **names)

    inputs = profile.inputs
    return {
        "reads": [fill(inputs.reads, mark=mark) for mark in profile.marks],
        "contacts": [fill(pattern) for pattern in inputs.contacts],
        **{name: [fill(getattr(inputs, name))] for name in ("expression", "annotation", "gene_info")},
    }
