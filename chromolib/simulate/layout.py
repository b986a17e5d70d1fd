"""Where everything lies on a simulated genome; the same for every cell type.

In: chromosome sizes, a number of genes and a seed. Out: tables of genes, transcripts, fragments, domains, CTCF sites and
possible contacts; positions in bp, 0-based, ends excluded but for fragments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..genome import Genome

FRAME_BP = 40_000  # around a TSS: what a network reads
P_CLOSE = 0.12  # that a gene starts near the one before it, inside its frame
CLOSE_BP = (4_000, 18_000)
LENGTH_BP = (15_000, 45_000)  # of a gene
END_BP = (3_000, 15_000)  # of the first and last TSS of a chromosome from its end
P_SECOND_TSS = 1 / 3
MAX_EXONS = 9

FRAGMENT_BP, FRAGMENT_SD = 4_800, 0.45  # median, SD of the logarithm: 95 % under 10 kb, as the paper has it
P_WIDE, WIDE_BP = 0.003, (40_001, 120_000)  # fragments that are too wide to count as pCRE

TAD_GRID_BP, TAD_BINS = 40_000, (6, 24)  # grid of the published domains; their width in bins of it
P_A = 0.55  # of a domain to lie in compartment A
N_CTCF_AT_BOUNDARY, CTCF_SPACING_BP, P_CTCF_AT_TSS = 2, 50_000, 0.2

P_NO_CONTACT = 0.12  # of a promoter; as P_EIGHT, near the 100 real genes of the release's demo (11 and 58 of 100)
P_EIGHT = 0.7  # of a promoter to touch eight regions or more
P_ACROSS = 0.25  # of a contact to cross the end of a domain
P_DECOY = 0.1  # of a fragment that no promoter touches to carry marks all the same
N_WEAK = 5  # contacts of each promoter under the paper's 1.5
DISTANCE_BP = (20_000, 1_000_000)


@dataclass(frozen=True)
class Layout:
    """One genome with everything on it that no cell type changes."""

    genome: Genome
    genes: pd.DataFrame  # chrom, strand, tss (one base upstream of the transcript), length, bait (its fragment), is_a
    transcripts: pd.DataFrame  # gene (index), chrom, strand, start, end, tss, fragment, order (0: the promoter's), exons
    fragments: pd.DataFrame  # chrom, start, end (included), tad, gene (index of the first that starts on it, or -1), is_used
    tads: pd.DataFrame  # chrom, start, end, is_a (compartment A)
    ctcf: pd.DataFrame  # chrom, position, strand
    links: pd.DataFrame  # bait, partner (indices of fragments), strength (frequency - 1), is_intra (in one domain)
    self_bp: int = 0  # nearer fragments are the promoter's own surroundings and do not act on it


def lay_out(genome: Genome, n_genes: int, seed: int, *, fragment_bp: int | None = None) -> Layout:
    """Place genes, fragments and domains on a genome, and draw which fragments can touch.

    `fragment_bp` is the width of all fragments, as the bins of a Hi-C matrix have one; not given, they are cut as HindIII
    would. Genes have no names yet, but their order is that of the genome.
    """
    prefix = genome.name
    genes = _place_genes(genome, n_genes, stream(seed, prefix, "genes"))
    tads = _cut_tads(genome, stream(seed, prefix, "tads"))
    genes["is_a"] = tads["is_a"].to_numpy()[_row_at(tads, genes["chrom"], genes["tss"])]
    fragments = _cut_fragments(genome, stream(seed, prefix, "fragments"), fragment_bp)
    middle = (fragments["start"] + fragments["end"]) // 2
    fragments["tad"] = _row_at(tads, fragments["chrom"], middle)
    transcripts = _draw_transcripts(genes, genome, stream(seed, prefix, "transcripts"))
    transcripts["fragment"] = _row_at(fragments, transcripts["chrom"], transcripts["tss"])
    genes["bait"] = transcripts.loc[transcripts["order"] == 0, "fragment"].to_numpy()
    fragments["gene"] = -1
    first = genes.drop_duplicates("bait")
    fragments.loc[first["bait"], "gene"] = first.index
    links = _draw_links(genes, fragments, stream(seed, prefix, "links"))
    fragments["is_used"] = (fragments["gene"] < 0) & (stream(seed, prefix, "decoys").random(len(fragments)) < P_DECOY)
    fragments.loc[links["partner"].unique(), "is_used"] = True
    ctcf = _place_ctcf(genome, genes, tads, stream(seed, prefix, "ctcf"))
    return Layout(genome, genes, transcripts, fragments, tads, ctcf, links, self_bp=2 * (fragment_bp or 0))


def stream(seed: int, *names: str) -> np.random.Generator:
    """A stream of random numbers for each use, so that a further one changes none of the others."""
    return np.random.default_rng([seed, *"/".join(name for name in names if name).encode()])


def names_of(regions: pd.DataFrame) -> pd.Series:
    """chrom:start-end of each row."""
    return regions["chrom"] + ":" + regions["start"].astype(str) + "-" + regions["end"].astype(str)


def _place_genes(genome: Genome, n_genes: int, rng: np.random.Generator) -> pd.DataFrame:
    """Genes at even distances, each moved by up to a fifth of one; some then put into the frame of the one before.

    The first and the last of a chromosome lie nearer to its end than half a frame.
    """
    spacing = sum(genome.sizes.values()) / n_genes
    place = np.floor((np.arange(n_genes) + 0.5 + rng.uniform(-0.2, 0.2, n_genes)) * spacing).astype(np.int64)
    first_bp = np.cumsum([0, *genome.sizes.values()])
    chrom_idx = np.searchsorted(first_bp, place, side="right") - 1
    size = np.array(list(genome.sizes.values()))[chrom_idx]
    is_first, is_last = np.diff(chrom_idx, prepend=-1) != 0, np.diff(chrom_idx, append=-1) != 0
    tss = place - first_bp[chrom_idx]
    tss = np.where(is_first, rng.integers(*END_BP, n_genes), tss)
    tss = np.where(is_last & ~is_first, size - rng.integers(*END_BP, n_genes), tss)
    is_close = (rng.random(n_genes) < P_CLOSE) & ~is_first & ~is_last
    tss = np.where(is_close, np.roll(tss, 1) + rng.integers(*CLOSE_BP, n_genes), tss)
    return pd.DataFrame(
        {
            "chrom": np.array(list(genome.sizes))[chrom_idx],
            "strand": rng.choice(["+", "-"], n_genes),
            "tss": tss,
            "length": rng.integers(*LENGTH_BP, n_genes),
        }
    )


def _draw_transcripts(genes: pd.DataFrame, genome: Genome, rng: np.random.Generator) -> pd.DataFrame:
    """The transcript of each gene, and for some a shorter one that starts 1 to 8 kb downstream; exons of both."""
    second = genes[rng.random(len(genes)) < P_SECOND_TSS]
    shift = rng.integers(1000, 8000, len(second)) * np.where(second["strand"] == "+", 1, -1)
    second = second.assign(tss=second["tss"] + shift, length=second["length"] - np.abs(shift))
    rows = pd.concat([genes.assign(order=0), second.assign(order=1)]).rename_axis("gene").reset_index()
    size = rows["chrom"].map(genome.sizes)
    rows = rows[(rows["tss"] > 0) & (rows["tss"] < size - 1)].assign(size=size)
    is_plus = rows["strand"] == "+"
    rows["start"] = np.where(is_plus, rows["tss"] + 1, np.maximum(rows["tss"] - rows["length"], 0))
    rows["end"] = np.where(is_plus, np.minimum(rows["tss"] + 1 + rows["length"], rows["size"]), rows["tss"])
    rows["exons"] = [_cut_exons(start, end, rng) for start, end in zip(rows["start"], rows["end"], strict=True)]
    return rows.drop(columns=["size", "length"]).reset_index(drop=True)


def _cut_exons(start: int, end: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Exons of one transcript, the first and the last at its ends."""
    n = min(int(rng.integers(1, MAX_EXONS + 1)), max(1, (end - start) // 2_000))
    edges = np.linspace(start, end, 2 * n).astype(int)  # exon, intron, exon, ...; a lone exon is the whole transcript
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _cut_fragments(genome: Genome, rng: np.random.Generator, fragment_bp: int | None) -> pd.DataFrame:
    """Cut each chromosome like HindIII, or evenly; the last base of a fragment belongs to it."""
    parts = []
    for chrom, size in genome.sizes.items():
        n = size // 1000
        if fragment_bp:
            cuts = np.arange(fragment_bp, size, fragment_bp)
        else:
            width = np.maximum(rng.lognormal(np.log(FRAGMENT_BP), FRAGMENT_SD, n), 300)
            cuts = np.cumsum(np.where(rng.random(n) < P_WIDE, rng.integers(*WIDE_BP, n), width).astype(np.int64))
            cuts = cuts[cuts < size - 1000]
        parts.append(pd.DataFrame({"chrom": chrom, "start": [0, *cuts], "end": [*(cuts - 1), size - 1]}))
    return pd.concat(parts, ignore_index=True)


def _cut_tads(genome: Genome, rng: np.random.Generator) -> pd.DataFrame:
    """Tile each chromosome with domains on the grid of the published ones, each in compartment A or B."""
    parts = []
    for chrom, size in genome.sizes.items():
        cuts = np.cumsum(rng.integers(*TAD_BINS, size // TAD_GRID_BP)) * TAD_GRID_BP
        cuts = cuts[cuts < size - TAD_BINS[0] * TAD_GRID_BP]
        parts.append(pd.DataFrame({"chrom": chrom, "start": [0, *cuts], "end": [*cuts, size]}))
    tads = pd.concat(parts, ignore_index=True)
    return tads.assign(is_a=rng.random(len(tads)) < P_A)


def _row_at(spans: pd.DataFrame, chroms: pd.Series, positions: pd.Series) -> np.ndarray:
    """Row of the span that holds each position; spans tile each chromosome, in order, and rows are numbered from 0."""
    found = np.empty(len(chroms), np.int64)
    for chrom, rows in spans.groupby("chrom", sort=False):
        here = (chroms == chrom).to_numpy()
        found[here] = rows.index[np.searchsorted(rows["start"], positions[here], side="right") - 1]
    return found


def _place_ctcf(genome: Genome, genes: pd.DataFrame, tads: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """CTCF sites at the ends of domains, at some promoters, and anywhere."""
    inner = tads[tads["start"] > 0]
    at_ends = inner.loc[inner.index.repeat(N_CTCF_AT_BOUNDARY), ["chrom", "start"]].rename(
        columns={"start": "position"}
    )
    at_ends["position"] += rng.integers(-10_000, 10_000, len(at_ends))
    at_tss = genes.loc[rng.random(len(genes)) < P_CTCF_AT_TSS, ["chrom", "tss"]].rename(columns={"tss": "position"})
    anywhere = [
        pd.DataFrame({"chrom": chrom, "position": rng.integers(1000, size - 1000, size // CTCF_SPACING_BP)})
        for chrom, size in genome.sizes.items()
    ]
    sites = pd.concat([at_ends, at_tss, *anywhere], ignore_index=True)
    sites["strand"] = rng.choice(["+", "-"], len(sites))
    rank = sites["chrom"].map({chrom: i for i, chrom in enumerate(genome.sizes)})
    return sites.assign(rank=rank).sort_values(["rank", "position"]).drop(columns="rank").reset_index(drop=True)


def _draw_links(genes: pd.DataFrame, fragments: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Contacts above the paper's 1.5 of each bait and some below, with fragments 20 kb to 1 Mb away.

    Nine of ten partners lie outside the frames of genes, so that a promoter window does not show its contacts.
    """
    middle = ((fragments["start"] + fragments["end"]) // 2).to_numpy()
    is_free, tad = _is_free(genes, fragments, middle), fragments["tad"].to_numpy()
    parts = []
    for chrom, baits in genes.drop_duplicates("bait").groupby("chrom", sort=False)["bait"]:
        here = np.flatnonzero(fragments["chrom"] == chrom)
        for bait in baits:
            distance = np.abs(middle[here] - middle[bait])
            near = here[(distance > DISTANCE_BP[0]) & (distance < DISTANCE_BP[1])]
            is_intra = tad[near] == tad[bait]
            weight = _pick_weights(np.abs(middle[near] - middle[bait]), is_free[near], is_intra)
            n_strong = _draw_number(rng)
            n = min(n_strong + N_WEAK, int((weight > 0).sum()))
            picked = rng.choice(len(near), n, replace=False, p=weight)
            strength = np.where(np.arange(n) < n_strong, 0.5 + rng.exponential(0.55, n), rng.uniform(-0.15, 0.4, n))
            parts.append(
                pd.DataFrame(
                    {"bait": bait, "partner": near[picked], "strength": strength, "is_intra": is_intra[picked]}
                )
            )
    links = pd.concat(parts, ignore_index=True)
    both = np.sort(links[["bait", "partner"]].to_numpy(), axis=1)  # two promoters may have picked each other
    return links[~pd.DataFrame(both).duplicated().to_numpy()].reset_index(drop=True)


def _draw_number(rng: np.random.Generator) -> int:
    """Strong contacts of a promoter."""
    draw = rng.random()
    if draw < P_NO_CONTACT:
        return 0
    return int(rng.integers(9, 14) if draw < P_NO_CONTACT + P_EIGHT else rng.integers(1, 8))


def _pick_weights(distance: np.ndarray, is_free: np.ndarray, is_intra: np.ndarray) -> np.ndarray:
    """Chance of each fragment to be picked as a partner: nearer ones more often, few in frames or across domains."""
    weight = 1 / np.sqrt(distance)
    for chosen, share in ((~is_free, 0.1), (~is_intra, P_ACROSS)):
        total, inside = weight.sum(), weight[chosen].sum()
        if 0 < inside < total:
            weight = np.where(chosen, weight * (share / inside), weight * ((1 - share) / (total - inside)))
    return weight / weight.sum()


def _is_free(genes: pd.DataFrame, fragments: pd.DataFrame, middle: np.ndarray) -> np.ndarray:
    """True for fragments whose middle lies in no frame; fragments too wide to count as pCRE are free anywhere."""
    is_free = (fragments["end"] - fragments["start"] > FRAME_BP).to_numpy(copy=True)
    for chrom, rows in genes.groupby("chrom", sort=False):
        here = np.flatnonzero(fragments["chrom"] == chrom)
        tss = np.sort(rows["tss"].to_numpy())
        after = np.searchsorted(tss, middle[here])
        to_next = np.abs(tss[np.minimum(after, len(tss) - 1)] - middle[here])
        to_last = np.abs(tss[np.maximum(after - 1, 0)] - middle[here])
        is_free[here] |= np.minimum(to_next, to_last) > FRAME_BP // 2
    return is_free
