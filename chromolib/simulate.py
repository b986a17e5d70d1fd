"""A cohort with known truth, written in the public raw formats.

In: a profile with `inputs.simulation`. Out: the files that `inputs` names, and truth.csv: what was planted for each
gene, in units of log2 RPKM. The same settings give the same bytes.

log2 RPKM of a gene = BASE + promoter + body + contacts + noise. Each part is drawn by itself and seen in other places:
the promoter at the TSS (H3K4me3, H3K9ac, H3K27ac if on; often H3K27me3, sometimes H3K9me3 if off), the body only as
H3K36me3 downstream of it, and contacts as H3K4me1 and H3K27ac, or H3K27me3, of the regions that touch it.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from . import contacts
from .config import InputError, Profile, RawInputs
from .files import whole_folder
from .genome import Genome, load_genome

VERSION = 1  # raise it when the same settings give other files
KIND = "simulated by chromolib"

BASE, PROMOTER, BODY, CONTACTS, NOISE = -2.0, 4.0, 4.0, 0.3, 0.5  # log2 RPKM; per unit of each part, noise as SD
P_ON = 0.5  # of a promoter
P_SHARED = 0.8  # that a cell type has the state of the first one
P_POLYCOMB, P_HETEROCHROMATIN = 0.6, 0.3  # of a promoter that is off
P_ACTIVE, P_REPRESSED = 0.4, 0.3  # of a region that is no promoter
P_NO_CONTACT = 0.15  # of a promoter
P_KNOWN = 0.85  # that a contact is seen in a cell type
STRENGTH = (0.6, 1.4)  # range of what is on, active or repressed

READ_BP = 36
CELL_BP = 100  # reads fall evenly within a cell
FRAME_BP = 40_000  # around a TSS; elsewhere the genome is nearly empty
EMPTY = 0.25  # background there, relative to that in frames and in regions with contacts
MEAN_DEPTH = {  # in frames: reads over a base pair, as in the release's demo of H1 cells
    "H3K4me1": 0.55,
    "H3K4me3": 0.98,
    "H3K9me3": 0.39,
    "H3K27me3": 0.68,
    "H3K36me3": 0.56,
    "H3K27ac": 0.40,
    "H3K9ac": 0.58,
}

# mark -> (part of the truth, centre relative to the TSS in the sense of transcription, SD, height over background); bp
AT_GENES = {
    "H3K4me1": [("on", -3000, 1000, 3.0), ("on", 3000, 1000, 3.0)],
    "H3K4me3": [("on", 300, 700, 30.0)],
    "H3K9me3": [("heterochromatin", 0, 6000, 3.0)],
    "H3K27me3": [("polycomb", 0, 5000, 5.0)],
    "H3K36me3": [("body", 5000, 1800, 9.0), ("body", 9500, 3500, 3.0)],
    "H3K27ac": [("on", 400, 600, 14.0)],
    "H3K9ac": [("on", 400, 700, 16.0)],
}
# mark -> (sign of a region's activity, SD, height over background), in the middle of the region
AT_REGIONS = {"H3K4me1": (+1, 900, 9.0), "H3K27ac": (+1, 700, 12.0), "H3K27me3": (-1, 1500, 9.0)}


@dataclass(frozen=True)
class Layout:
    """Where everything lies; the same for every cell type."""

    genes: pd.DataFrame  # gene_id, symbol, chrom, strand, tss (0-based, upstream of the transcript), length, bait
    transcripts: pd.DataFrame  # gene_id, symbol, chrom, strand, start, end, tss, fragment, order (0: the promoter's)
    fragments: pd.DataFrame  # chrom, start, end (included), gene (index of the gene whose TSS it holds first, or -1)
    links: pd.DataFrame  # bait, partner (indices of fragments), strength (frequency - 1)


def ensure_raw(profile: Profile) -> None:
    """Write the raw files of a simulated profile where they are missing or were made with other settings."""
    if profile.simulated and not _is_current(profile.raw_dir, profile):
        simulate(profile.raw_dir, profile)


def simulate(out: Path, profile: Profile) -> None:
    """Write a simulated cohort into the folder `out`, which is replaced as a whole.

    Raises
    ------
    InputError
        The profile is not of a simulated cohort, or `out` holds something else.
    """
    if not profile.simulated:
        raise InputError(f"profile {profile.name}: has no inputs.simulation, expected one that is simulated, like sim")
    if unknown := set(profile.marks) - set(MEAN_DEPTH):
        known = ", ".join(MEAN_DEPTH)
        raise InputError(f"profile {profile.name}: marks: cannot simulate {min(unknown)}, expected some of {known}")
    if profile.inputs.simulation.seed < 0:
        raise InputError(f"profile {profile.name}: seed={profile.inputs.simulation.seed}, expected 0 or more")
    _check_replaceable(out)
    inputs, genome = profile.inputs, load_genome(profile.genome)
    layout = lay_out(genome, inputs.simulation.genes, inputs.simulation.seed)
    with whole_folder(out) as folder:
        truths = {}
        for cell_type in profile.cell_types:
            states = draw_states(layout, inputs.simulation.seed, cell_type, first=next(iter(profile.cell_types)))
            seen = draw_contacts(layout, inputs.simulation.seed, cell_type)
            _write_contacts(folder, inputs, cell_type, seen)
            truths[cell_type] = plant(layout, states, seen, profile, cell_type)
            for mark in profile.marks:
                rng = _rng(inputs.simulation.seed, "reads", cell_type, mark)
                reads = draw_reads(expected_depth(layout, states, mark, genome, rng), genome, rng)
                _write_gzip(folder / inputs.reads.format(cell_type=cell_type, mark=mark), reads)
        _write_annotation(folder, inputs, layout)
        _write_expression(folder, inputs, truths)
        truth = pd.concat(truths, names=["cell_type"]).reset_index("cell_type")
        truth.to_csv(folder / "truth.csv", index=False, float_format="%.4f")
        manifest = {"kind": KIND, "settings": _settings(profile), "files": _file_sizes(folder)}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def lay_out(genome: Genome, n_genes: int, seed: int) -> Layout:
    """Place genes and fragments on a genome, and draw which fragments can touch."""
    genes = _place_genes(genome, n_genes, _rng(seed, "genes"))
    fragments = _cut_fragments(genome, _rng(seed, "fragments"))
    transcripts = _draw_transcripts(genes, genome, _rng(seed, "transcripts"))
    transcripts["fragment"] = _fragment_at(fragments, transcripts["chrom"], transcripts["tss"])
    genes["bait"] = transcripts.loc[transcripts["order"] == 0, "fragment"].to_numpy()
    fragments["gene"] = -1
    first = genes.drop_duplicates("bait")
    fragments.loc[first["bait"], "gene"] = first.index
    return Layout(genes, transcripts, fragments, _draw_links(genes, fragments, _rng(seed, "links")))


def _place_genes(genome: Genome, n_genes: int, rng: np.random.Generator) -> pd.DataFrame:
    """Genes at even distances, each moved by up to a fifth of a distance, so that most frames hold one TSS."""
    spacing = sum(genome.sizes.values()) / n_genes
    place = np.floor((np.arange(n_genes) + 0.5 + rng.uniform(-0.2, 0.2, n_genes)) * spacing).astype(np.int64)
    first_bp = np.cumsum([0, *genome.sizes.values()])
    chrom_idx = np.searchsorted(first_bp, place, side="right") - 1
    size = np.array(list(genome.sizes.values()))[chrom_idx]
    return pd.DataFrame(
        {
            "gene_id": [f"ENSG{99_000_000_000 + i}" for i in range(1, n_genes + 1)],
            "symbol": [f"SIM{i}" for i in range(1, n_genes + 1)],
            "chrom": np.array(list(genome.sizes))[chrom_idx],
            "strand": rng.choice(["+", "-"], n_genes),
            "tss": np.clip(place - first_bp[chrom_idx], 1000, size - 1000),
            "length": rng.integers(12_000, 25_000, n_genes),
        }
    )


def _draw_transcripts(genes: pd.DataFrame, genome: Genome, rng: np.random.Generator) -> pd.DataFrame:
    """The transcript of each gene, and for a third of the genes a shorter one that starts 1 to 8 kb downstream."""
    second = genes[rng.random(len(genes)) < 1 / 3]
    shift = rng.integers(1000, 8000, len(second)) * np.where(second["strand"] == "+", 1, -1)
    second = second.assign(tss=second["tss"] + shift, length=second["length"] - np.abs(shift))
    rows = pd.concat([genes.assign(order=0), second.assign(order=1)], ignore_index=True)
    size = rows["chrom"].map(genome.sizes)
    rows = rows[(rows["tss"] > 0) & (rows["tss"] < size)].assign(size=size)
    is_plus = rows["strand"] == "+"
    rows["start"] = np.where(is_plus, rows["tss"] + 1, np.maximum(rows["tss"] - rows["length"], 0))
    rows["end"] = np.where(is_plus, np.minimum(rows["tss"] + 1 + rows["length"], rows["size"]), rows["tss"])
    return rows.drop(columns=["size", "length"]).reset_index(drop=True)


def _cut_fragments(genome: Genome, rng: np.random.Generator) -> pd.DataFrame:
    """Cut each chromosome like HindIII: median 5 kb, few over 40 kb; the last base of a fragment belongs to it."""
    parts = []
    for chrom, size in genome.sizes.items():
        cuts = np.cumsum(1000 + rng.lognormal(np.log(4000), 0.9, size // 3000).astype(np.int64))
        cuts = cuts[cuts < size - 1000]
        parts.append(pd.DataFrame({"chrom": chrom, "start": [0, *cuts], "end": [*(cuts - 1), size - 1]}))
    return pd.concat(parts, ignore_index=True)


def _fragment_at(fragments: pd.DataFrame, chroms: pd.Series, positions: pd.Series) -> np.ndarray:
    found = np.empty(len(chroms), np.int64)
    for chrom, rows in fragments.groupby("chrom", sort=False):
        here = (chroms == chrom).to_numpy()
        found[here] = rows.index[np.searchsorted(rows["start"], positions[here], side="right") - 1]
    return found


def _draw_links(genes: pd.DataFrame, fragments: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Up to ten contacts above the paper's 1.5 for each bait, and five below, with fragments 20 kb to 1 Mb away.

    Nine of ten partners lie outside the frames of genes, so that a promoter window does not show its contacts.
    """
    middle = (fragments["start"] + fragments["end"]).to_numpy() // 2
    is_free = _is_free(genes, fragments, middle)
    parts = []
    for bait, chrom in genes.drop_duplicates("bait")[["bait", "chrom"]].itertuples(index=False):
        distance = np.abs(middle - middle[bait])
        near = np.flatnonzero((fragments["chrom"] == chrom) & (distance > 20_000) & (distance < 1_000_000))
        weight = np.where(is_free[near], 1.0, 0.1 * is_free[near].mean() / max((~is_free[near]).mean(), 1e-9))
        weight = weight / np.sqrt(distance[near])
        n_strong = 0 if rng.random() < P_NO_CONTACT else rng.integers(1, 11)
        partners = rng.choice(near, min(n_strong + 5, len(near)), replace=False, p=weight / weight.sum())
        strength = np.where(
            np.arange(len(partners)) < n_strong,
            0.6 + rng.exponential(0.8, len(partners)),
            rng.uniform(-0.15, 0.4, len(partners)),
        )
        parts.append(pd.DataFrame({"bait": bait, "partner": partners, "strength": strength}))
    return pd.concat(parts, ignore_index=True)


def _is_free(genes: pd.DataFrame, fragments: pd.DataFrame, middle: np.ndarray) -> np.ndarray:
    """True for fragments whose middle lies in no frame; fragments too wide to count as pCRE are free anywhere."""
    is_free = (fragments["end"] - fragments["start"] > FRAME_BP).to_numpy(copy=True)
    for chrom, rows in genes.groupby("chrom", sort=False):
        here = np.flatnonzero(fragments["chrom"] == chrom)
        to_tss = np.abs(middle[here, None] - rows["tss"].to_numpy()).min(axis=1)
        is_free[here] |= to_tss > FRAME_BP // 2
    return is_free


def draw_states(layout: Layout, seed: int, cell_type: str, *, first: str) -> dict[str, np.ndarray]:
    """States of one cell type: "on", "polycomb", "heterochromatin", "body" of each gene, "activity" of each fragment.

    Each gene and each fragment takes the state of the cell type `first` with a chance of P_SHARED.
    """
    states = _draw_own_states(layout, _rng(seed, "states", first))
    if cell_type != first:
        rng = _rng(seed, "states", cell_type)
        own = _draw_own_states(layout, rng)
        for group in (("on", "polycomb", "heterochromatin"), ("body",), ("activity",)):
            is_shared = rng.random(len(states[group[0]])) < P_SHARED
            states |= {name: np.where(is_shared, states[name], own[name]) for name in group}
    # The fragment of a promoter acts on others as the promoter is: seen in H3K27ac if on, in H3K27me3 if not.
    gene = layout.fragments["gene"].to_numpy()
    states["activity"] = np.where(gene < 0, states["activity"], (states["on"] - states["polycomb"])[gene])
    return states


def _draw_own_states(layout: Layout, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n_genes, n_fragments = len(layout.genes), len(layout.fragments)
    is_on = rng.random(n_genes) < P_ON
    draw = rng.random(n_fragments)
    sign = np.where(draw < P_ACTIVE, 1, np.where(draw < P_ACTIVE + P_REPRESSED, -1, 0))
    return {
        "on": is_on * rng.uniform(*STRENGTH, n_genes),
        "polycomb": ~is_on * (rng.random(n_genes) < P_POLYCOMB) * rng.uniform(*STRENGTH, n_genes),
        "heterochromatin": ~is_on * (rng.random(n_genes) < P_HETEROCHROMATIN) * rng.uniform(*STRENGTH, n_genes),
        "body": rng.random(n_genes),
        "activity": sign * rng.uniform(*STRENGTH, n_fragments),
    }


def draw_contacts(layout: Layout, seed: int, cell_type: str) -> pd.DataFrame:
    """Contacts of one cell type with all numbers of the 3DIV format; `frequency` is its dist_res."""
    rng = _rng(seed, "contacts", cell_type)
    seen = layout.links[rng.random(len(layout.links)) < P_KNOWN].reset_index(drop=True)
    n = len(seen)
    bait, partner = (layout.fragments.iloc[seen[name]].reset_index(drop=True) for name in ("bait", "partner"))
    seen["kind"] = np.where(partner["gene"] >= 0, "pp", "po")
    for name, ends in (("frag1", bait), ("frag2", partner)):
        seen[name] = ends["chrom"] + ":" + ends["start"].astype(str) + "-" + ends["end"].astype(str)
    seen["dist"] = ((bait["start"] + bait["end"]) // 2 - (partner["start"] + partner["end"]) // 2).abs()
    target = 1 + seen["strength"] * rng.lognormal(0, 0.15, n)
    seen["background"] = (0.4 + 1.6 * np.exp(-seen["dist"] / 200_000)).round(4)
    seen["capture"] = (target * (seen["background"] + 1) - 1).round(4)
    seen["frequency"] = ((seen["capture"] + 1) / (seen["background"] + 1)).round(4)
    seen["freq"] = 1 + rng.poisson(10 * seen["capture"])
    seen["expected"] = (seen["freq"] / seen["capture"]).round(4)
    seen["cov1"], seen["cov2"] = rng.integers(2000, 20_000, n), rng.integers(1000, 12_000, n)
    seen["significance"] = (1.5 * (seen["frequency"] - 0.5) * rng.lognormal(0, 0.3, n)).round(6)
    return seen


def plant(
    layout: Layout, states: dict[str, np.ndarray], seen: pd.DataFrame, profile: Profile, cell_type: str
) -> pd.DataFrame:
    """What each gene's expression is made of; which contacts count is decided as for real data, in contacts.py."""
    genes, fragments = layout.genes, layout.fragments
    near = contacts.neighbours(seen[["kind", "frag1", "frag2", "frequency"]], profile.inputs.min_frequency)
    names = fragments["chrom"] + ":" + fragments["start"].astype(str) + "-" + fragments["end"].astype(str)
    at = pd.Series(names.iloc[layout.transcripts["fragment"]].to_numpy(), index=layout.transcripts.index)
    pairs = contacts.pairs_of_genes(layout.transcripts, at, near)
    pairs = contacts.strongest(pairs, max_width_bp=profile.frame_bp, max_pcres=profile.max_pcres)
    activity = pd.Series(states["activity"], index=names)
    acting = (pairs["contact"] * activity.reindex(pairs["region"]).to_numpy()).groupby(pairs["gene_id"]).sum()
    truth = pd.DataFrame(
        {
            "gene_id": genes["gene_id"],
            "promoter": PROMOTER * states["on"],
            "body": BODY * states["body"],
            "contacts": CONTACTS * acting.reindex(genes["gene_id"]).fillna(0).to_numpy(),
            "noise": NOISE * _rng(profile.inputs.simulation.seed, "noise", cell_type).standard_normal(len(genes)),
        }
    )
    truth["log2_rpkm"] = BASE + truth[["promoter", "body", "contacts", "noise"]].sum(axis=1)
    truth["n_pcres"] = pairs["gene_id"].value_counts().reindex(genes["gene_id"]).fillna(0).astype(int).to_numpy()
    return truth


def expected_depth(
    layout: Layout, states: dict[str, np.ndarray], mark: str, genome: Genome, rng: np.random.Generator
) -> np.ndarray:
    """Reads expected over a base pair of each cell, chromosomes one after the other, before chance in the reads."""
    genes, fragments = layout.genes, layout.fragments
    cells = _Cells(genome)
    is_frame = cells.within(genes["chrom"], genes["tss"], FRAME_BP)
    touching = fragments.iloc[layout.links["partner"].unique()]
    middle = (touching["start"] + touching["end"]) // 2
    is_used = is_frame | cells.within(touching["chrom"], middle, touching["end"] - touching["start"])
    depth = np.where(is_used, 1.0, EMPTY)
    sense = np.where(genes["strand"] == "+", 1, -1)
    for part, offset_bp, sd_bp, height in AT_GENES[mark]:
        cells.add_bumps(
            depth,
            genes["chrom"],
            genes["tss"] + sense * offset_bp,
            sd_bp,
            height * states[part] * rng.gamma(8, 1 / 8, len(genes)),
        )
    if mark in AT_REGIONS:
        sign, sd_bp, height = AT_REGIONS[mark]
        activity = np.where(touching["gene"] < 0, states["activity"][touching.index], 0)  # promoters: AT_GENES
        cells.add_bumps(
            depth,
            touching["chrom"],
            middle,
            sd_bp,
            height * np.maximum(sign * activity, 0) * rng.gamma(8, 1 / 8, len(touching)),
        )
    # Real coverage varies more than chance alone lets it: each kilobase, and within it each cell, has its own ease.
    depth *= np.repeat(rng.gamma(4, 1 / 4, len(depth) // 10 + 1), 10)[: len(depth)] * rng.gamma(4, 1 / 4, len(depth))
    return depth * (MEAN_DEPTH[mark] / depth[is_frame].mean())


class _Cells:
    """The cells of all chromosomes in one row."""

    def __init__(self, genome: Genome) -> None:
        self.n = {chrom: size // CELL_BP for chrom, size in genome.sizes.items()}
        self.first = dict(zip(self.n, np.cumsum([0, *self.n.values()]).tolist(), strict=False))

    def _span(self, chroms: pd.Series, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last cell of each stretch, clipped to its chromosome."""
        first, n = chroms.map(self.first).to_numpy(), chroms.map(self.n).to_numpy()
        start, end = np.asarray(start), np.asarray(end)
        return first + np.clip(start // CELL_BP, 0, n - 1), first + np.clip(end // CELL_BP, 0, n - 1)

    def within(self, chroms: pd.Series, centre: pd.Series, width: int | pd.Series) -> np.ndarray:
        """True for cells in a stretch of `width` bp around any of the centres."""
        inside = np.zeros(sum(self.n.values()), bool)
        for start, end in zip(*self._span(chroms, centre - width // 2, centre + width // 2), strict=True):
            inside[start : end + 1] = True
        return inside

    def add_bumps(
        self, depth: np.ndarray, chroms: pd.Series, centre: pd.Series, sd_bp: int, heights: np.ndarray
    ) -> None:
        """Add a normal curve around each centre, out to 3 SD."""
        start, end = self._span(chroms, centre - 3 * sd_bp, centre + 3 * sd_bp)
        peak = chroms.map(self.first).to_numpy() + centre.to_numpy() / CELL_BP - 0.5
        for i in np.flatnonzero(heights > 0):
            cell = np.arange(start[i], end[i] + 1)
            depth[cell] += heights[i] * np.exp(-0.5 * ((cell - peak[i]) * (CELL_BP / sd_bp)) ** 2)


def draw_reads(depth: np.ndarray, genome: Genome, rng: np.random.Generator) -> pa.Table:
    """Reads as rows of a tagAlign file; their number in each cell varies around what `depth` asks for."""
    counts = rng.poisson(depth * (CELL_BP / READ_BP))
    n_cells = _Cells(genome).n
    chrom_idx = np.repeat(np.repeat(np.arange(len(n_cells), dtype=np.int8), list(n_cells.values())), counts)
    cell = np.repeat(np.concatenate([np.arange(n) for n in n_cells.values()]), counts)
    n = len(cell)
    last_start = np.array(list(genome.sizes.values()))[chrom_idx] - READ_BP
    start = np.minimum(cell * CELL_BP + rng.integers(0, CELL_BP, n), last_start)
    return pa.table(
        {
            "chrom": pa.DictionaryArray.from_arrays(chrom_idx, list(n_cells)).cast(pa.string()),
            "start": start,
            "end": start + READ_BP,
            "sequence": pa.repeat("N", n),
            "score": pa.repeat(1000, n),
            "strand": pa.DictionaryArray.from_arrays(rng.integers(0, 2, n, dtype=np.int8), ["+", "-"]).cast(
                pa.string()
            ),
        }
    )


def _write_gzip(path: Path, table: pa.Table | pd.DataFrame | str) -> None:
    """Write rows without a header, or a text; no time stamp, so that equal content gives equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(table, str):
        data = table.encode()
    else:
        buffer = pa.BufferOutputStream()
        table = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)
        pa.csv.write_csv(table, buffer, pa.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none"))
        data = buffer.getvalue()
    path.write_bytes(gzip.compress(data, compresslevel=1, mtime=0))


def _write_contacts(folder: Path, inputs: RawInputs, cell_type: str, seen: pd.DataFrame) -> None:
    columns = {    # ours -> theirs, of which one stands twice
        "kind": "type", "frag1": "frag1", "frag2": "frag2", "cov1": "frag1_cov", "cov2": "frag2_cov", "freq": "freq",
        "dist": "dist", "expected": "all_capture_res", "capture": "all_capture_res", "background": "exp_value_dist",
        "frequency": "dist_res", "significance": "-log10(result)",
    }  # fmt: skip
    for pattern, kind in zip(inputs.contacts, ("po", "pp"), strict=True):
        rows = seen[seen["kind"] == kind]
        if kind == "po":  # as in the published tables, where the column after dist repeats the next one
            rows = rows.assign(expected=rows["capture"])
        text = rows[list(columns)].to_csv(sep="\t", index=False, header=list(columns.values()), lineterminator="\n")
        _write_gzip(folder / pattern.format(cell_type=cell_type), text)


def _write_annotation(folder: Path, inputs: RawInputs, layout: Layout) -> None:
    rows = layout.transcripts.sort_values(["chrom", "start"])
    start, end = rows["start"].astype(str), rows["end"].astype(str)
    accession = [f"NM_{9_000_001 + i}" for i in rows.index]
    _write_gzip(
        folder / inputs.annotation,
        pd.DataFrame(
            {
                0: 585,
                1: accession,
                2: rows["chrom"],
                3: rows["strand"],
                4: start,
                5: end,
                6: start,
                7: end,
                8: 1,
                9: start + ",",
                10: end + ",",
                11: 0,
                12: rows["symbol"],
                13: "cmpl",
                14: "cmpl",
                15: "0,",
            }
        ).rename(columns=str),
    )
    genes = rows[rows["order"] == 0].sort_values("gene_id")
    info = pd.DataFrame(
        {
            "gene_id": genes["gene_id"],
            "chrom": genes["chrom"].str.removeprefix("chr"),
            "start": genes["start"] + 1,
            "end": genes["end"],
            "strand": np.where(genes["strand"] == "+", 1, -1),
            "biotype": "protein_coding",
            "symbol": genes["symbol"],
            "description": "simulated gene",
        }
    )
    path = folder / inputs.gene_info
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(info.to_csv(sep="\t", index=False, header=False, lineterminator="\n"))


def _write_expression(folder: Path, inputs: RawInputs, truths: dict[str, pd.DataFrame]) -> None:
    """RPKM of all cell types; rows of data, but not the header, end in a TAB, as they do in the real file."""
    rpkm = pd.DataFrame(
        {cell_type: 2 ** truth.set_index("gene_id")["log2_rpkm"] for cell_type, truth in truths.items()}
    )
    rows = rpkm.to_csv(sep="\t", float_format="%.3f", lineterminator="\t\n").splitlines()
    rows[0] = rows[0].rstrip("\t")
    _write_gzip(folder / inputs.expression, "\n".join([*rows, ""]))


def _rng(seed: int, *names: str) -> np.random.Generator:
    """A stream of its own for each use, so that a further one changes none of the others."""
    return np.random.default_rng([seed, *"/".join(names).encode()])


def _settings(profile: Profile) -> dict:
    return {
        "version": VERSION,
        "genome": dict(load_genome(profile.genome).sizes),
        "cell_types": list(profile.cell_types),
        "marks": list(profile.marks),
        "frame_bp": profile.frame_bp,
        "max_pcres": profile.max_pcres,
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


def _check_replaceable(out: Path) -> None:
    """Refuse to replace what someone else has put there."""
    manifest = _manifest(out)
    ours = {*manifest["files"], "manifest.json"} if manifest else set()
    foreign = sorted(set(_file_sizes(out)) - ours) if out.is_dir() else [out.name] * out.exists()
    if foreign:
        raise InputError(
            f"{out}: holds {foreign[0]}, expected a new folder or one of a simulated cohort; choose another"
        )
