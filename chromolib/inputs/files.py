"""Which files a profile of raw data names.

In: a profile and, for a user's own data, its sample sheet. Out: paths of one cell type, of which all are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from .. import readers, sources
from ..config import InputError, Scale
from ..profile import Profile
from ..sections import OwnInputs, SampleFormat


class Sample(NamedTuple):
    """One file of signal."""

    mark: str
    path: Path
    format: SampleFormat
    scale: Scale


class Files(NamedTuple):
    """The raw files of one cell type."""

    samples: list[Sample]  # of each mark and other signal of the profile, in its order; several of one are replicates
    expression: Path | None  # none: cells to predict only
    annotation: Path
    gene_info: Path | None
    contacts: list[Path]
    domains: Path | None
    compartments: Path | None
    fasta: Path | None

    def named(self) -> list[tuple[str, Path]]:
        """Every file and what it is, each once."""
        named = [(f"signal of {sample.mark} ({sample.format}, {sample.scale})", sample.path) for sample in self.samples]
        named += [(name, getattr(self, name)) for name in ("expression", "annotation", "gene_info", "domains", "compartments", "fasta")]
        named += [("contacts", path) for path in self.contacts]
        return list(dict.fromkeys((what, path) for what, path in named if path is not None))


def files_of(profile: Profile, cell_type: str) -> Files:
    """The files of one cell type.

    Raises
    ------
    InputError
        The sample sheet is wrong or names no sample of a mark, or a source of the registry could not be had. Whether
        the files are there is for `check_there` to say.
    """
    inputs, place = profile.inputs, place_of(profile)

    def fill(pattern: str, **names: str) -> Path:
        return place(pattern.format(cell_type=cell_type, **names))

    if isinstance(inputs, OwnInputs):
        samples = own_samples(profile, cell_type)
    else:
        named = {mark: sources.replicates(inputs.reads.format(cell_type=cell_type, mark=mark)) for mark in profile.sampled}
        samples = [Sample(mark, place(text), inputs.reads_format, inputs.scale) for mark, texts in named.items() for text in texts]
    return Files(
        samples,
        inputs.expression and fill(inputs.expression),
        fill(inputs.annotation),
        inputs.gene_info and fill(inputs.gene_info),
        [fill(pattern) for pattern in inputs.contacts],
        inputs.domains and fill(inputs.domains),
        inputs.compartments and fill(inputs.compartments),
        inputs.fasta and fill(inputs.fasta),
    )


def expression_files(profile: Profile, cell_types: Iterable[str]) -> dict[Path, list[str]]:
    """Each file with expression, and which of some cell types it is of; no other file is fetched."""
    place = place_of(profile)
    paths: dict[Path, list[str]] = {}
    for name in cell_types:
        paths.setdefault(place(profile.inputs.expression.format(cell_type=name)), []).append(name)
    return paths


def annotation_file(profile: Profile) -> Path:
    """The file with genes; no other is fetched."""
    return place_of(profile)(profile.inputs.annotation)


def place_of(profile: Profile) -> Callable[[str], Path]:
    """Function from a name in inputs or companions to a path: fetched as a source, beside a user's profile, or below the raw folder."""

    def place(text: str) -> Path:
        if not text.startswith(sources.PREFIX):
            return (profile.folder if isinstance(profile.inputs, OwnInputs) else profile.raw_dir) / text
        source_id = text.removeprefix(sources.PREFIX)
        return sources.fetch_of(profile, source_id)

    return place


def own_samples(profile: Profile, cell_type: str) -> list[Sample]:
    """The samples of one cell type as the sheet lists them, in the order of the profile's."""
    path = profile.folder / profile.inputs.samples
    table = readers.read_samples(path)
    rows = table[table["cell_type"] == cell_type]
    if missing := [mark for mark in profile.sampled if mark not in set(rows["mark"])]:
        raise InputError(
            f"{path}: no sample of {missing[0]} in {cell_type}, found {', '.join(rows['mark'].unique()) or 'none'}; "
            f"add a row, or leave the mark out of {profile.name}"
        )
    rows = rows[rows["mark"].isin(profile.sampled)]
    if wrong := mixed(path, rows):
        raise InputError(wrong[0])
    samples = [Sample(row.mark, path.parent / row.path, row.format, row.scale) for row in rows.itertuples()]
    return sorted(samples, key=lambda sample: profile.sampled.index(sample.mark))


def mixed(path: Path, rows: pd.DataFrame) -> list[str]:
    """What can't be one: scales of a profile's samples, and files of one cell type and mark. A line of text each."""
    told = []
    for (cell_type, mark), group in rows.groupby(["cell_type", "mark"]):
        forms = sorted(group["format"].unique())
        if len(group) > 1 and ("bigwig" in forms or ("fastq" in forms and len(forms) > 1)):
            told.append(
                f"{path}:{group['line'].iloc[1]}: {len(group)} files of {mark} in {cell_type} as {', '.join(forms)}, expected one "
                "bigWig, or replicates that are all aligned or all FASTQ; leave the others out"
            )
    scales = sorted(rows["scale"].unique())
    if len(scales) > 1:
        told.append(
            f"{path}: samples hold {' and '.join(scales)}, expected one scale, since a network reads only one; make all of them "
            "from reads, or none"
        )
    return told
