"""The two species of a cohort, and the raw files of each.

In: a profile. Out: layouts with names of genes, states of cell types, planted truth, and files in a folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from ..genome import Genome, load_genome
from ..profile import Profile
from ..sections import Mouse
from . import companions, formats, interactions, truth
from .layout import Layout, lay_out, names_of, stream
from .signal import draw_reads, expected_depth
from .states import States, draw_states, draw_states_of_orthologues

P_SHARED = 0.8  # that a cell type has a state of the first one, where the profile does not say
FIRST_GENE = 99_000_000_001  # ids that no real gene has
HIC_BIN_BP = 40_000
CTCF = "CTCF"
RPKM_DECIMALS, RSEM_DECIMALS = 3, 2  # of the published files
TRUTH = ("genes", "pcres", "regions", "best_scores")
MOUSE = "mouse"  # folder of the second species in that of its cohort


@dataclass(frozen=True)
class Species:
    """One genome with the names of its genes."""

    layout: Layout
    gene_ids: pd.Series
    symbols: pd.Series


def human_of(profile: Profile, genome: Genome) -> Species:
    """The species whose cell types the profile lists, on a genome that may be of another size than the profile's."""
    simulation = profile.inputs.simulation
    layout = lay_out(genome, simulation.genes, simulation.seed)
    number = range(simulation.genes)
    return Species(
        layout, pd.Series([f"ENSG{FIRST_GENE + i}" for i in number]), pd.Series([f"SIM{i + 1}" for i in number])
    )


def states_of(profile: Profile, human: Species) -> dict[str, States]:
    """The states of each cell type; the first is the one that the others are like."""
    simulation = profile.inputs.simulation
    states: dict[str, States] = {}
    for cell_type in profile.cell_types:
        states[cell_type] = draw_states(
            human.layout, simulation.seed, cell_type, like=next(iter(states.values()), None),
            share=simulation.share.get(cell_type, P_SHARED), n_aberrant=simulation.aberrant.get(cell_type, 0),
        )  # fmt: skip
    return states


def plant(
    profile: Profile,
    species: Species,
    states: States,
    seen: pd.DataFrame,
    cell_type: str,
    decimals: int = RPKM_DECIMALS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Truth of one cell type: tables of genes and of their pCREs, as `truth.plant` gives them."""
    simulation = profile.inputs.simulation
    return truth.plant(
        species.layout, states, truth.find_pairs(species.layout, seen, species.gene_ids, profile), species.gene_ids,
        seed=simulation.seed, cell_type=cell_type, effects=simulation.effects, decimals=decimals,
        strength=simulation.strength_of(cell_type),
    )  # fmt: skip


def write_human(folder: Path, profile: Profile, human: Species, states: Mapping[str, States]) -> None:
    """All files of the first species."""
    seed = profile.inputs.simulation.seed
    genes, pcres = {}, {}
    for cell_type, state in tqdm(states.items(), desc="simulating", unit="cell type", disable=None):
        seen = interactions.draw_contacts(human.layout, seed, cell_type)
        genes[cell_type], pcres[cell_type] = plant(profile, human, state, seen, cell_type)
        for pattern, kind in zip(profile.inputs.contacts, ("po", "pp"), strict=True):
            formats.write_3div(folder / pattern.format(cell_type=cell_type), seen, kind)
        for mark in dict.fromkeys((*profile.sampled, CTCF)):
            path = folder / profile.inputs.reads.format(cell_type=cell_type, mark=mark)
            formats.write_gzip(path, _reads(human.layout, state, seed, cell_type, mark))
        _write_companions(folder, human.layout, state, seed, cell_type)
    _write_genome(folder, profile, human)
    rpkm = {cell_type: table.set_index("gene_id")["rpkm"] for cell_type, table in genes.items()}
    formats.write_rpkm(folder / profile.inputs.expression, pd.DataFrame(rpkm))
    sets = companions.gene_sets(
        next(iter(genes.values())), human.symbols, profile.inputs.simulation.effects, stream(seed, "gene sets")
    )
    formats.write_gmt(folder / "gene_sets" / "simulated.gmt", sets)
    _write_truth(folder / "truth", human, states, genes, pcres)


def write_mouse(folder: Path, profile: Profile, human: Species, like: States) -> None:
    """All files of the second species: orthologues, contacts from Hi-C, reads as FASTQ and, to hold against, aligned.

    Orthologues are mostly as in `like`, a cell type of the first species.
    """
    simulation = profile.inputs.simulation
    seed, mouse, cell_type = simulation.seed, simulation.mouse, simulation.mouse.cell_type
    species, orthologue = _mouse_of(mouse, seed, len(human.gene_ids))
    layout = species.layout
    state = draw_states_of_orthologues(layout, seed, cell_type, like=like, orthologue=orthologue, share=mouse.share)
    matrices = interactions.draw_matrices(layout, seed, cell_type)
    genes, pcres = plant(profile, species, state, interactions.of_matrices(layout, matrices), cell_type, RSEM_DECIMALS)

    for chrom, matrix in matrices.items():
        formats.write_matrix(folder / "hic" / f"nij.{chrom}", matrix)
    _write_sizes(folder, layout.genome)
    names = (species.gene_ids, species.symbols)
    formats.write_gtf(folder / "annotation" / "simulated.annotation.gtf.gz", layout.transcripts, *names)
    length, rpkm = layout.genes["length"].to_numpy(), genes["rpkm"].to_numpy()
    formats.write_rsem(folder / "expression" / f"{cell_type}.tsv", species.gene_ids, length, rpkm)
    formats.write_bed(folder / "domains" / f"{cell_type}.IS.All_TAD.bed", layout.tads[["chrom", "start", "end"]])
    sequences = formats.draw_sequences(layout.genome, stream(seed, layout.genome.name, "sequence"))
    formats.write_fasta(folder / "genome" / f"{layout.genome.name}.fa.gz", sequences)
    for mark in profile.marks:
        reads = _reads(layout, state, seed, cell_type, mark)
        formats.write_gzip(folder / profile.inputs.reads.format(cell_type=cell_type, mark=mark), reads)
        path = folder / "fastq" / f"{cell_type}-{mark}.fastq.gz"
        formats.write_fastq(path, sequences, reads, stream(seed, layout.genome.name, "fastq", mark))
    is_there = orthologue >= 0
    pairs = {"gene_id": human.gene_ids.to_numpy()[orthologue[is_there]], "mouse_gene_id": species.gene_ids[is_there]}
    formats.write_tsv(folder / "orthologues.tsv", pd.DataFrame(pairs))
    _write_truth(folder / "truth", species, {cell_type: state}, {cell_type: genes}, {cell_type: pcres})


def _mouse_of(mouse: Mouse, seed: int, n_human: int) -> tuple[Species, np.ndarray]:
    """The second species, and the index of the human gene that each of its genes stands for, or -1."""
    layout = lay_out(load_genome(mouse.genome), mouse.genes, seed, fragment_bp=HIC_BIN_BP)
    rng, n = stream(seed, "orthologues"), min(round(mouse.orthologues * mouse.genes), n_human)
    orthologue = np.full(mouse.genes, -1)
    orthologue[rng.choice(mouse.genes, n, replace=False)] = rng.choice(n_human, n, replace=False)
    symbols = [f"Sim{i + 1}" if i >= 0 else f"Mus{k + 1}" for k, i in enumerate(orthologue)]
    return Species(
        layout, pd.Series([f"ENSMUSG{FIRST_GENE + i}" for i in range(mouse.genes)]), pd.Series(symbols)
    ), orthologue


def _reads(layout: Layout, states: States, seed: int, cell_type: str, mark: str) -> pa.Table:
    depth = expected_depth(layout, states, mark, seed=seed, cell_type=cell_type)
    return draw_reads(depth, layout.genome, stream(seed, layout.genome.name, "reads", cell_type, mark))


def _write_companions(folder: Path, layout: Layout, states: States, seed: int, cell_type: str) -> None:
    """Segments, Polycomb peaks and domains of one cell type."""
    rng = stream(seed, "companions", cell_type)
    path = folder / "segmentation" / f"{cell_type}_18_core_K27ac_mnemonics.bed.gz"
    formats.write_bed(path, companions.segment(layout, states))
    for protein, share in companions.POLYCOMB_PROTEINS.items():
        peaks = companions.polycomb_peaks(layout, states, share, rng)
        formats.write_narrow_peaks(folder / "peaks" / f"{cell_type}-{protein}.narrowPeak.gz", peaks, rng)
    formats.write_bed(folder / "domains" / f"{cell_type}.IS.All_TAD.bed", layout.tads[["chrom", "start", "end"]])


def _write_genome(folder: Path, profile: Profile, human: Species) -> None:
    """What is the same in all cell types."""
    inputs, layout = profile.inputs, human.layout
    _write_sizes(folder, layout.genome)
    formats.write_refgene(folder / inputs.annotation, layout.transcripts, human.symbols)
    formats.write_gene_info(folder / inputs.gene_info, layout.transcripts, human.gene_ids, human.symbols)
    pc1 = companions.compartments(layout, stream(inputs.simulation.seed, "compartments"))
    columns = {cell_type: pc1["pc1"] for cell_type in profile.cell_types}
    formats.write_tsv(folder / "domains" / "PC1.tsv", pc1[["chrom", "start", "end"]].assign(**columns))
    ctcf = layout.ctcf.rename(columns={"position": "start"})
    formats.write_tsv(folder / "truth" / "ctcf_sites.tsv", ctcf)


def _write_sizes(folder: Path, genome: Genome) -> None:
    sizes = pd.DataFrame({"chrom": list(genome.sizes), "size": list(genome.sizes.values())})
    formats.write_tsv(folder / "genome" / f"{genome.name}.chrom.sizes", sizes, header=False)


def _write_truth(
    folder: Path,
    species: Species,
    states: Mapping[str, States],
    genes: Mapping[str, pd.DataFrame],
    pcres: Mapping[str, pd.DataFrame],
) -> None:
    """Tables genes, pcres, regions and best_scores: a row per cell type and gene, pCRE, region, or one."""
    best = {cell_type: pd.DataFrame([truth.best_scores(table)]) for cell_type, table in genes.items()}
    regions = {cell_type: _regions(species.layout, state) for cell_type, state in states.items()}
    for name, tables in zip(TRUTH, (genes, pcres, regions, best), strict=True):
        table = pd.concat(tables, names=["cell_type"]).reset_index("cell_type")
        formats.write_text(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))


def _regions(layout: Layout, states: States) -> pd.DataFrame:
    """State and level of each region that can be touched or carries marks."""
    activity, fragments = states.activity, layout.fragments
    state = np.select([activity > 0, activity < 0], ["active", "polycomb"], "none")
    is_promoter = fragments["gene"] >= 0
    table = pd.DataFrame(
        {"region": names_of(fragments), "is_promoter": is_promoter, "state": state, "level": np.abs(activity)}
    )
    return table[fragments["is_used"] | is_promoter]
