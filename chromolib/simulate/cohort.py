"""A simulated cohort as a whole.

In: a profile. Out: one folder of raw files that is whole or not there, or feature stores without reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from tqdm import tqdm

from .. import features
from ..config import InputError
from ..files import hold, whole_folder
from ..genome import Genome, Region, load_genome
from ..inputs.parts import Parts
from ..profile import Profile, cohort_of
from . import interactions, truth
from .layout import stream
from .signal import CELL_BP, MEAN_DEPTH, READ_BP, Cells, expected_depth
from .species import MOUSE, TRUTH, Species, human_of, plant, states_of, write_human, write_mouse
from .states import States

VERSION = 3  # raise it when the same settings give other files
KIND = "simulated by chromolib"
MIN_CHROM_BP = 200_000


def ensure_raw(profile: Profile) -> None:
    """Write the raw files of a simulated profile where they are missing or were made with other settings; one process does."""
    if not profile.simulated:
        return
    cohort = cohort_of(profile)
    with hold(cohort.work_dir / ".locks" / "raw"):
        if not _is_current(cohort.raw_dir, cohort):
            simulate(cohort.raw_dir, cohort)


def simulate(out: Path, profile: Profile) -> None:
    """Write a simulated cohort into the folder `out`, which is replaced as a whole.

    Raises
    ------
    InputError
        The profile is not of a simulated cohort, or `out` holds something else.
    """
    _check(profile)
    _check_replaceable(out)
    with whole_folder(out) as folder:
        human = human_of(profile, load_genome(profile.genome))
        states = states_of(profile, human)
        write_human(folder, profile, human, states)
        if profile.inputs.simulation.mouse:
            write_mouse(folder / MOUSE, profile, human, next(iter(states.values())))
        manifest = {"kind": KIND, "settings": _settings(profile), "files": _file_sizes(folder)}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def simulate_features(path: Path, profile: Profile, cell_type: str, n_genes: int) -> Path:
    """Write the feature store of a cell type with `n_genes` genes, drawn without reads; for benchmarks.

    The genome grows with the number of genes; all else is as `simulate` has it. `GeneDataset(features.load(path))` opens it.
    """
    _check(profile)
    profile.check_cell_type(cell_type)
    genome, inputs = load_genome(profile.genome), profile.inputs
    growth = n_genes / inputs.simulation.genes
    sizes = {chrom: max(round(size * growth), MIN_CHROM_BP) for chrom, size in genome.sizes.items()}
    simulation = inputs.simulation.model_copy(update={"genes": n_genes})
    inputs = inputs.model_copy(update={"simulation": simulation})
    profile = profile.model_copy(update={"inputs": inputs, "extra_tracks": ()})
    human = human_of(profile, Genome(genome.name, sizes, genome.folds))
    features.save(_store(profile, human, states_of(profile, human)[cell_type], cell_type), path)
    return path


def read_truth(profile: Profile, name: str, cell_type: str) -> pd.DataFrame:
    """A table of what was planted in a simulated cell type: genes, pcres, regions or best_scores; columns as in truth.py. Writes the
    raw files first where they are missing or out of date.

    Raises
    ------
    InputError
        The profile is not simulated, or the table or the cell type is unknown.
    """
    if name not in TRUTH:
        raise InputError(f"read_truth: unknown table {name!r}, expected one of {', '.join(TRUTH)}")
    cohort = cohort_of(profile)
    ensure_raw(profile)
    table = pd.read_csv(cohort.raw_dir / ("" if cohort is profile else MOUSE) / "truth" / f"{name}.csv")
    return (
        table[table["cell_type"] == profile.check_cell_type(cell_type)].drop(columns="cell_type").reset_index(drop=True)
    )


def by_rule_of(profile: Profile, genes: pd.DataFrame, cell_type: str, rule_of: str) -> pd.Series:
    """Mean log2 RPKM that the states planted in one cell type, `genes` of `read_truth`, would give by the rule of another: what a
    network that had learned the one without fault would say of the other."""
    simulation, names = cohort_of(profile).inputs.simulation, (cell_type, rule_of)
    here, there = (truth.at_promoter(genes, simulation.strength_of(profile.check_cell_type(name)), simulation.effects) for name in names)
    return genes["mean_log2_rpkm"] + (there - here).sum(axis=1)


def _store(profile: Profile, human: Species, states: States, cell_type: str) -> xr.Dataset:
    """Features of one cell type, with the reads of a whole cell drawn at once."""
    layout, seed = human.layout, profile.inputs.simulation.seed
    seen = interactions.draw_contacts(layout, seed, cell_type)
    planted, _ = plant(profile, human, states, seen, cell_type)
    pairs = truth.find_pairs(layout, seen, human.gene_ids, profile)
    genes = layout.genes[["chrom", "strand", "tss"]].assign(
        gene_id=human.gene_ids, symbol=human.symbols, expression=planted["rpkm"], label=planted["label"]
    )
    cells = Cells(layout.genome)

    def read_bins(regions: Sequence[Region]) -> np.ndarray:
        columns = []
        for mark in tqdm(profile.marks, desc=f"{cell_type} depth", unit="mark", disable=None):
            expected = expected_depth(layout, states, mark, seed=seed, cell_type=cell_type) * (CELL_BP / READ_BP)
            depth = stream(seed, layout.genome.name, "reads", cell_type, mark).poisson(expected) * (READ_BP / CELL_BP)
            columns.append(cells.bin_mean(depth, regions, profile.base_bp))
        return np.stack(columns, axis=1)

    store = features.assemble(profile, layout.genome, cell_type, Parts(genes, pairs, read_bins, {}))
    return store.assign_attrs(settings=json.dumps({"without reads": True, "simulation": _settings(profile)}))


def _settings(profile: Profile) -> dict:
    return {
        "version": VERSION,
        "genome": dict(load_genome(profile.genome).sizes),
        "cell_types": list(profile.cell_types),
        "marks": list(profile.sampled),
        "frame_bp": profile.frame_bp,
        "max_pcres": profile.max_pcres,
        "rules": profile.rules.settings(),
        "inputs": profile.inputs.model_dump(mode="json"),
    }


def _file_sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _manifest(folder: Path) -> dict:
    """The manifest of a simulated cohort, empty where there is none."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and manifest.get("kind") == KIND else {}


def _is_current(folder: Path, profile: Profile) -> bool:
    manifest = _manifest(folder)
    return (
        bool(manifest)
        and manifest["settings"] == _settings(profile)
        and manifest["files"].items() <= _file_sizes(folder).items()
    )


def _check(profile: Profile) -> None:
    """Refuse a profile that can't be simulated."""
    if (cohort := cohort_of(profile)) is not profile:
        raise InputError(f"profile {profile.name}: its files are written with those of {cohort.name}, expected a cohort of its own; simulate {cohort.name}")
    simulation, (first, *others) = profile.inputs.simulation, profile.cell_types
    if unknown := set(profile.sampled) - set(MEAN_DEPTH):
        known = ", ".join(MEAN_DEPTH)
        raise InputError(f"profile {profile.name}: marks: cannot simulate {min(unknown)}, expected some of {known}")
    if simulation.seed < 0:
        raise InputError(f"profile {profile.name}: seed={simulation.seed}, expected 0 or more")
    if unknown := {*simulation.share, *simulation.aberrant, *simulation.strength} - set(others):
        raise InputError(
            f"profile {profile.name}: simulation: {min(unknown)} in share, aberrant or strength, expected cell types other than the "
            f"first, {first}: {', '.join(others) or 'there are none'}"
        )
    for cell_type, n in simulation.aberrant.items():
        if n > simulation.genes:
            raise InputError(
                f"profile {profile.name}: {n} aberrant genes in {cell_type}, expected at most {simulation.genes}"
            )


def _check_replaceable(out: Path) -> None:
    """Refuse to replace what someone else has put there."""
    manifest = _manifest(out)
    ours = {*manifest["files"], "manifest.json"} if manifest else set()
    foreign = sorted(set(_file_sizes(out)) - ours) if out.is_dir() else [out.name] * out.exists()
    if foreign:
        raise InputError(
            f"{out}: holds {foreign[0]}, expected a new folder or one of a simulated cohort; choose another"
        )
