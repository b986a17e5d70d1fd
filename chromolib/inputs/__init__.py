"""What a profile names as its inputs, as the parts that features are made of.

In: a profile. Out: Parts of one cell type, the files they come from, their reads, and expression in other cell types.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from .. import readers, sources
from ..config import ROOT
from ..genome import Genome
from ..integrity import sha256_of
from ..profile import Profile
from ..readers import published as tables
from ..sections import DemoInputs, OwnInputs, PublishedInputs, RawInputs
from . import demo, published, raw
from .files import annotation_file, files_of, place_of
from .parts import Parts

_SOURCES = {"raw": raw, "own": raw, "release-demo": demo, "published": published}


def read(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    """The parts of one cell type."""
    return _SOURCES[profile.inputs.kind].read(profile, cell_type, genome)


def others_expression(profile: Profile, cell_type: str) -> pd.DataFrame | None:
    """log2(RPKM + 1) in the other cell types that there are labels of: gene_id as index, a column each; None if none.

    Raw and own inputs: the profile's other cell types. Published ones and the demo: `other_cell_types` of the profile.
    """
    if isinstance(profile.inputs, (RawInputs, OwnInputs)):
        others = [name for name in profile.cell_types if name != profile.check_cell_type(cell_type) and profile.is_measured]
        table = raw.read_expression(profile, others).set_index("gene_id") if others else None
    else:
        ids = sources.other_targets(profile, cell_type)
        paths = {name: sources.fetch_of(profile, source_id) for name, source_id in ids.items()}
        genes = sources.fetch_of(profile, sources.GENE_LIST) if paths else None
        table = tables.read_targets(paths, genes) if paths else None
    return None if table is None else np.log2(table + 1)


def exons(profile: Profile, symbol: str) -> pd.DataFrame | None:
    """Exons of one gene as `readers.read_exons` gives them; None where the profile has no annotation with exons."""
    if not isinstance(profile.inputs, (RawInputs, OwnInputs)) or profile.inputs.annotation_format == "table":
        return None
    return readers.read_exons(annotation_file(profile), profile.inputs.annotation_format, symbol)


def orthologues(profile: Profile) -> pd.DataFrame | None:
    """Genes of the profile and of its second species that stand for each other, as `readers.read_orthologues` gives them; None
    where it has no second species. Of a simulated profile, its features have to be there."""
    return None if profile.second_species is None else readers.read_orthologues(place_of(profile)(profile.second_species.orthologues))


def check_there(profile: Profile, cell_type: str) -> list[Path]:
    """Paths of all raw files that a cell type needs, or an InputError that names the first one missing or unreadable."""
    return [path for _, path, _ in _files_there(profile, cell_type)]


def source_files(profile: Profile, cell_type: str) -> list[dict[str, str]]:
    """Every file that the features of a cell type are made from: what, file (its name), sha256.

    Raises
    ------
    InputError
        A file is missing or unreadable.
    """
    found = _files_there(profile, cell_type)
    # Tables of this repository that a reader uses beside them.
    if isinstance(profile.inputs, PublishedInputs):
        found.append(("pilot regions", tables.PILOT_TABLE, sha256_of(tables.PILOT_TABLE)))
    if isinstance(profile.inputs, DemoInputs):
        symbols = ROOT / "data" / profile.inputs.symbols
        found.append(("symbols", symbols, sha256_of(symbols)))
    known = profile.work_dir / ".digests"
    return [
        {"what": what, "file": path.name, "sha256": sha256 or _digest(path, known)} for what, path, sha256 in found
    ]


def libraries(profile: Profile, cell_type: str) -> pd.DataFrame:
    """What the signal of a cell type is made from, as far as it was counted when its features were made; no signal is read, but
    published files that are missing are fetched, and an InputError says why where they cannot be.

    Returns
    -------
    DataFrame
        mark: each that has a file, extra tracks too
        kind: reads or signal, and the format of its files; of published signal that of its publisher
        files: their names, behind commas; several are replicates, or hold several marks
        reads: those that count, of all files together; NaN of signal, and before features are made
        duplicates: reads of BAM that were left out as such; NaN where the profile's rules keep them, or a format does not mark them
    """
    source = profile.inputs
    if isinstance(source, (RawInputs, OwnInputs)):
        rows = raw.libraries(profile, cell_type)
    else:
        ids = sources.ids_of(profile, cell_type)
        paths = [sources.fetch_of(profile, source_id) for source_id in ids["demo" if isinstance(source, DemoInputs) else "signal"]]
        is_by_mark = isinstance(source, PublishedInputs) and source.format != "deepdiff"
        kind = f"signal ({source.format if isinstance(source, PublishedInputs) else source.kind})"
        rows = [(mark, kind, [paths[i]] if is_by_mark else paths, np.nan, np.nan) for i, mark in enumerate(profile.marks)]
    table = pd.DataFrame(rows, columns=["mark", "kind", "files", "reads", "duplicates"])
    return table.assign(files=[", ".join(path.name for path in paths) for paths in table["files"]])


def _files_there(profile: Profile, cell_type: str) -> list[tuple[str, Path, str | None]]:
    """What, path and, where the registry has it, sha256 of each file; fetched where it is a source's."""
    profile.check_cell_type(cell_type)
    if isinstance(profile.inputs, (RawInputs, OwnInputs)):
        sources.check_addresses(profile, cell_type)
        if ids := sources.all_ids_of(profile, cell_type):  # several at a time
            sources.fetch_all(ids, profile.raw_dir, local_files=profile.local_files)
        named = files_of(profile, cell_type).named()
        for _, path in named:
            readers.stat(path)
        return [(what, path, None) for what, path in named]
    return [
        (what, sources.fetch_of(profile, source_id), None if source_id in profile.local_files else sources.entry(source_id).sha256)
        for what, group in sources.ids_of(profile, cell_type).items()
        for source_id in group
    ]


def _digest(path: Path, known: Path) -> str:
    """sha256 of a file, or of the names and digests of all files below a folder, such as Hi-C matrices."""
    if not path.is_dir():
        return sha256_of(path, known)
    lines = [f"{sha256_of(file, known)}  {file.relative_to(path)}\n" for file in sorted(path.rglob("*")) if file.is_file()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
