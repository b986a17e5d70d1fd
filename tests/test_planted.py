"""What the simulator plants, read back from the files that it writes, and absent from the files of the negative control.

`truth/` is used as the thing to compare with, or to choose groups of genes and regions. Depth is reads that start in
cells of 100 bp, times their width over that of the cell.
"""

import gzip
import hashlib
import itertools
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from chromolib import contacts, readers, simulate
from chromolib.genome import Genome, load_genome
from chromolib.profile import load_profile
from chromolib.sections import Strength
from chromolib.simulate import companions, formats, interactions, truth
from chromolib.simulate.layout import names_of

CELL_BP, READ_BP = 100, 36
FRAME_BP, GRID_BP, TILE_BP = 40_000, 40_000, 200
ACTIVE = ["1_TssA", "9_EnhA1", "10_EnhA2"]
AT_TSS = ["H3K4me3", "H3K9ac", "H3K27ac"]  # marks of promoters that are on
PEAK = ["chrom", "start", "end"]


class Raw:
    """The files of one cohort, each read once. Tables of genes have gene_id as index, in the order of the RPKM matrix."""

    def __init__(self, name):
        self.profile = load_profile(name)
        simulate.ensure_raw(self.profile)
        self.folder, self.cell_types = self.profile.raw_dir, list(self.profile.cell_types)
        self.genome = load_genome(self.profile.genome)
        for method in (
            self.track, self.expression, self.transcripts, self.symbols, self.tss, self.genes, self.contacts_as_written,
            self.contacts, self.pcres, self.segments, self.peaks, self.tads, self.truth,
        ):  # fmt: skip
            setattr(self, method.__name__, cache(method))

    def track(self, cell_type, mark):
        path = self.folder / self.profile.inputs.reads.format(cell_type=cell_type, mark=mark)
        return Track(readers.read_reads(path, self.genome), self.genome)

    def at_tss(self, cell_type, mark, start, end):
        """Mean depth of each gene from `start` to `end` bp downstream of its TSS."""
        return self.track(cell_type, mark).downstream(self.genes(), start, end)

    def expression(self):
        return readers.read_expression(self.folder / self.profile.inputs.expression, self.cell_types).set_index("gene_id")

    def strength(self, cell_type):
        return self.profile.inputs.simulation.strength_of(cell_type)

    def log2_rpkm(self, cell_type):
        return np.log2(self.expression()[cell_type] + 5e-4)  # half of the last digit

    def transcripts(self):
        return readers.read_transcripts(self.folder / self.profile.inputs.annotation, self.genome)

    def symbols(self):
        return readers.read_gene_info(self.folder / self.profile.inputs.gene_info).set_index("gene_id")["symbol"]

    def tss(self):
        return contacts.all_tss(self.transcripts(), self.symbols().reset_index(), self.expression().index)

    def genes(self):
        tss = self.tss()
        return tss[tss["order"] == 0].set_index("gene_id").loc[self.expression().index]

    def contacts_as_written(self, cell_type):
        tables = [pd.read_csv(self.folder / path.format(cell_type=cell_type), sep="\t") for path in self.profile.inputs.contacts]
        names = ["type", "frag1", "frag2", "cov1", "cov2", "freq", "dist", "c8", "c9", "c10", "c11", "significance"]
        return pd.concat([table.set_axis(names, axis=1) for table in tables], ignore_index=True)

    def contacts(self, cell_type):
        paths = [self.folder / path.format(cell_type=cell_type) for path in self.profile.inputs.contacts]
        return pd.concat([readers.read_contacts(path, self.genome) for path in paths], ignore_index=True)

    def pcres(self, cell_type):
        """gene_id, region, contact, rank as features reads them; is_intra, is_active, is_bound by TADs, segments, peaks."""
        seen, tss = self.contacts(cell_type), self.tss()
        held = contacts.fragments_of_tss(tss, contacts.bait_fragments(seen)).drop_duplicates("row")
        at = held.set_index("row")["fragment"].reindex(range(len(tss))).set_axis(tss.index)
        near = contacts.neighbours(seen, self.profile.rules.min_contact)
        pairs = contacts.pairs_of_genes(tss, at, near)
        pairs = contacts.strongest(pairs, max_width_bp=FRAME_BP, max_pcres=self.profile.max_pcres)
        bait = ends_of(at[tss["order"] == 0].set_axis(tss.loc[tss["order"] == 0, "gene_id"]).loc[pairs["gene_id"]])
        region = ends_of(pairs["region"])
        segments = self.segments(cell_type)
        return pairs.assign(
            is_intra=self.tad_at(region["chrom"], middle(region)) == self.tad_at(bait["chrom"], middle(bait)),
            is_active=overlaps(region, segments[segments["name"].isin(ACTIVE)]),
            is_bound=overlaps(region, self.peaks(cell_type, "EZH2")),
        )

    def segments(self, cell_type):
        path = self.folder / "segmentation" / f"{cell_type}_18_core_K27ac_mnemonics.bed.gz"
        return pd.read_csv(path, sep="\t", names=[*PEAK, "name"])

    def segment_at(self, cell_type, chroms, positions):
        table = self.segments(cell_type)
        return table["name"].to_numpy()[row_at(table, chroms, positions, self.genome)]

    def peaks(self, cell_type, protein):
        path = self.folder / "peaks" / f"{cell_type}-{protein}.narrowPeak.gz"
        return pd.read_csv(path, sep="\t", header=None)[[0, 1, 2]].set_axis(PEAK, axis=1)

    def tads(self, cell_type="S01"):
        return pd.read_csv(self.folder / "domains" / f"{cell_type}.IS.All_TAD.bed", sep="\t", names=PEAK)

    def tad_at(self, chroms, positions):
        return row_at(self.tads(), chroms, positions, self.genome)

    def truth(self, name, folder="."):
        return pd.read_csv(self.folder / folder / "truth" / f"{name}.csv")

    def truth_of_genes(self, cell_type):
        table = self.truth("genes")
        return table[table["cell_type"] == cell_type].set_index("gene_id").loc[self.expression().index]

    def truth_of_regions(self, cell_type):
        """Regions that are no promoter: chrom, start, end, middle, state."""
        table = self.truth("regions")
        table = table[(table["cell_type"] == cell_type) & ~table["is_promoter"]].reset_index(drop=True)
        ends = ends_of(table["region"])
        return table.assign(chrom=ends["chrom"], start=ends["start"], end=ends["end"], middle=middle(ends))


class Track:
    """Reads of one mark, counted in cells."""

    def __init__(self, reads, genome):
        self.sizes = genome.sizes
        n = [size // CELL_BP + 1 for size in genome.sizes.values()]
        self.first = dict(zip(genome.sizes, np.cumsum([0, *n]).tolist(), strict=False))
        cell = reads["chrom"].map(self.first).astype(int).to_numpy() + reads["start"].to_numpy() // CELL_BP
        self.upto = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=sum(n)))])

    def mean(self, chroms, start, end):
        """Mean depth from start to end (bp, cut at the chromosome's ends; NaN where nothing is left)."""
        first, size = (chroms.map(of).to_numpy() for of in (self.first, self.sizes))
        a, b = (np.clip(np.asarray(x), 0, size) // CELL_BP for x in (start, end))
        return np.where(b > a, self.upto[first + b] - self.upto[first + a], np.nan) * READ_BP / (np.maximum(b - a, 1) * CELL_BP)

    def downstream(self, genes, start, end):
        sense = np.where(genes["strand"] == "+", 1, -1)
        a, b = genes["tss"] + sense * start, genes["tss"] + sense * end
        return self.mean(genes["chrom"], np.minimum(a, b), np.maximum(a, b))


def ends_of(regions):
    """chrom, start, end (excluded) of fragments, whose last base the text includes."""
    ends = regions.astype(str).str.extract(r"^(?P<chrom>.+):(?P<start>\d+)-(?P<last>\d+)$").reset_index(drop=True)
    return pd.DataFrame({"chrom": ends["chrom"], "start": ends["start"].astype(int), "end": ends["last"].astype(int) + 1})


def middle(ends):
    return (ends["start"] + ends["end"] - 1) // 2


def row_at(spans, chroms, positions, genome):
    """Row of the span that holds each position; spans tile the genome, in order."""
    first = dict(zip(genome.sizes, np.cumsum([0, *genome.sizes.values()]).tolist(), strict=False))
    start = spans["chrom"].map(first).to_numpy() + spans["start"].to_numpy()
    return np.searchsorted(start, chroms.map(first).to_numpy() + np.asarray(positions), side="right") - 1


def overlaps(regions, spans):
    """Whether each region shares a base with any of the spans."""
    found = np.zeros(len(regions), bool)
    for chrom, rows in spans.groupby("chrom"):
        here = np.flatnonzero(regions["chrom"] == chrom)
        start, end = np.sort(rows["start"]), np.sort(rows["end"])
        n_begun = np.searchsorted(start, regions["end"].to_numpy()[here], side="left")
        n_over = np.searchsorted(end, regions["start"].to_numpy()[here], side="right")
        found[here] = n_begun > n_over
    return found


def least_squares(y, columns, groups):
    """Slope and t of each column beside one intercept per group, and the residual."""
    x = np.column_stack([*columns, *(groups == group for group in np.unique(groups))]).astype(float)
    inverse = np.linalg.pinv(x.T @ x)
    slope = inverse @ x.T @ y
    rest = y - x @ slope
    t = slope / np.sqrt(np.diag(inverse) * (rest @ rest) / (len(y) - x.shape[1]))
    return slope[: len(columns)], t[: len(columns)], rest


@pytest.fixture(scope="module")
def sim(shared_data):
    return Raw("sim")


@pytest.fixture(scope="module")
def null(shared_data):
    return Raw("null")


@pytest.fixture(scope="module")
def table(sim, null):
    """What the files say about each gene in each cell type, as one would read it without knowing what was planted.

    cell_type; sim, null: log2 RPKM of both cohorts; body: ln of H3K36me3; intra, inter: sums of frequency - 1 over active
    pCREs in the promoter's domain, and in others; count: number of the former; bound, bound_inter: of those with EZH2.
    """
    rows = []
    for cell_type in sim.cell_types:
        pcres = sim.pcres(cell_type)
        excess = pcres["contact"] - 1
        sums = pd.DataFrame({
            "intra": excess * (pcres["is_active"] & pcres["is_intra"]), "inter": excess * (pcres["is_active"] & ~pcres["is_intra"]),
            "count": 1.0 * (pcres["is_active"] & pcres["is_intra"]), "bound": 1.0 * (pcres["is_bound"] & pcres["is_intra"]),
            "bound_inter": 1.0 * (pcres["is_bound"] & ~pcres["is_intra"]),
        }).groupby(pcres["gene_id"]).sum().reindex(sim.genes().index).fillna(0)  # fmt: skip
        body = np.log(sim.at_tss(cell_type, "H3K36me3", 3500, 9000) + 0.02)
        rows.append(sums.assign(
            cell_type=cell_type, sim=sim.log2_rpkm(cell_type), null=null.log2_rpkm(cell_type),
            body=np.where(np.isnan(body), np.nanmedian(body), body),             # some genes start 3.5 kb from an end
            **{mark: sim.at_tss(cell_type, mark, -1000, 1700) for mark in [*AT_TSS, "H3K27me3"]},
        ))  # fmt: skip
    return pd.concat(rows)


def promoter_of(table):
    """Depth of four marks at the TSS, as it is and as its logarithm, which together say how far a promoter is on."""
    depth = [table[mark] for mark in [*AT_TSS, "H3K27me3"]]
    return [*depth, *(np.log(column + 0.05) for column in depth)]


def switch(n, at, width=truth.SWITCH_WIDTH):
    return 1 / (1 + np.exp((at - n) / width))


# Genome and annotation


def test_eight_chromosomes_in_four_folds_hold_genes_on_both_strands(sim):
    sizes = pd.read_csv(sim.folder / "genome" / "simA.chrom.sizes", sep="\t", header=None).set_index(0)[1].to_dict()
    genes = sim.genes()
    assert sizes == dict(sim.genome.sizes) and len(sizes) >= 8 and set(genes["chrom"]) == set(sizes)
    folds = genes["chrom"].map(sim.genome.folds).value_counts()
    assert sorted(folds.index) == [1, 2, 3, 4] and folds.min() > 0.15 * len(genes)
    assert 0.4 < (genes["strand"] == "+").mean() < 0.6


def test_every_gene_with_expression_has_a_tss_and_a_third_have_two(sim):
    tss = sim.tss()
    assert tss.attrs["dropped"] == {} == sim.transcripts().attrs["dropped"]
    n = tss["gene_id"].value_counts()
    assert len(n) == len(sim.expression()) == 800 and set(n) == {1, 2} and 0.2 < (n == 2).mean() < 0.45
    first, second = (tss[tss["order"] == order].set_index("gene_id") for order in (0, 1))
    shift = (second["tss"] - first["tss"].reindex(second.index)) * np.where(second["strand"] == "+", 1, -1)
    assert shift.between(500, 10_000).all()                                      # the promoter's is upstream


def test_exons_lie_in_order_within_their_transcript_and_reach_its_ends(sim):
    table = pd.read_csv(sim.folder / sim.profile.inputs.annotation, sep="\t", header=None)
    for start, end, n, starts, ends in table[[4, 5, 8, 9, 10]].itertuples(index=False):
        starts, ends = ([int(x) for x in text.removesuffix(",").split(",")] for text in (starts, ends))
        edges = list(itertools.chain.from_iterable(zip(starts, ends, strict=True)))
        assert len(starts) == n and (edges[0], edges[-1]) == (start, end) and (np.diff(edges) > 0).all()
    assert table[8].min() == 1 and table[8].max() >= 5


def test_windows_reach_past_chromosomes_and_into_neighbours(sim):
    genes = sim.genes()
    size = genes["chrom"].map(sim.genome.sizes)
    is_cut = (genes["tss"] < FRAME_BP // 2) | (genes["tss"] > size - FRAME_BP // 2)
    assert (is_cut.groupby(genes["chrom"]).sum() >= 2).all() and is_cut.mean() < 0.05
    gap = genes.sort_values(["chrom", "tss"]).groupby("chrom")["tss"].diff()
    assert 0.05 < (gap < FRAME_BP // 2).mean() < 0.3


def test_some_genes_touch_nothing_and_half_touch_eight_regions(sim):
    for cell_type in sim.cell_types:
        n = sim.pcres(cell_type)["gene_id"].value_counts().reindex(sim.genes().index).fillna(0)
        assert 0.05 < (n == 0).mean() < 0.2 and 0.4 < (n == 8).mean() < 0.7 and n.max() == 8


# Fragments and contacts


def test_fragments_are_as_wide_as_those_of_hindiii(sim):
    tables = [sim.contacts(cell_type) for cell_type in sim.cell_types]
    other = pd.concat([table.loc[table["kind"] == "po", "frag2"].astype(str) for table in tables])
    width = ends_of(other.drop_duplicates()).eval("end - start")                 # baits are wider: a TSS finds a wide one
    assert 4400 < width.median() < 5200 and 0.93 < (width < 10_000).mean() < 0.97
    both = pd.concat([table[name].astype(str) for table in tables for name in ("frag1", "frag2")])
    width = ends_of(both.drop_duplicates()).eval("end - start")
    assert 5 <= (width > 40_000).sum() < 0.02 * len(width) and width.max() < 150_000


def test_fragments_tile_the_genome_with_both_ends_included(sim):
    both = pd.concat([sim.contacts(cell_type)[name].astype(str) for cell_type in sim.cell_types for name in ("frag1", "frag2")])
    ends = ends_of(both.drop_duplicates()).sort_values(["chrom", "start"])
    gap = (ends["start"] - ends.groupby("chrom")["end"].shift()).dropna()        # `end` excludes the base after the text's
    assert gap.min() == 0 and (gap == 0).mean() > 0.4


def test_numbers_of_a_contact_follow_from_each_other(sim):
    for cell_type in sim.cell_types:
        rows = sim.contacts_as_written(cell_type)
        distance = (middle(ends_of(rows["frag1"])) - middle(ends_of(rows["frag2"]))).abs()
        np.testing.assert_array_equal(rows["dist"], distance)
        is_pp = rows["type"] == "pp"
        np.testing.assert_allclose(rows["c9"][is_pp], (rows["freq"] / rows["c8"])[is_pp], rtol=1e-3)
        np.testing.assert_array_equal(rows["c8"][~is_pp], rows["c9"][~is_pp])   # published so
        np.testing.assert_allclose(rows["c11"], (rows["c9"] + 1) / (rows["c10"] + 1), atol=1e-4)
        assert 0.2 < (rows["c11"] < 1.5).mean() < 0.7 and not rows.duplicated(["frag1", "frag2"]).any()
        assert stats.spearmanr(rows["dist"], rows["c10"])[0] < -0.95            # background falls with distance


def test_a_quarter_of_frequent_contacts_crosses_a_boundary(sim):
    for cell_type in sim.cell_types:
        rows = sim.contacts(cell_type)
        one, other = (ends_of(rows[name][rows["frequency"] > 1.5]) for name in ("frag1", "frag2"))
        is_across = sim.tad_at(one["chrom"], middle(one)) != sim.tad_at(other["chrom"], middle(other))
        assert 0.18 < is_across.mean() < 0.35


# Domains


def test_domains_and_pc1_tile_each_chromosome_on_the_grid(sim):
    pc1 = pd.read_csv(sim.folder / "domains" / "PC1.tsv", sep="\t")
    for spans in (*(sim.tads(cell_type) for cell_type in sim.cell_types), pc1):
        assert list(spans["chrom"].unique()) == list(sim.genome.sizes)
        for chrom, rows in spans.groupby("chrom"):
            edges = [0, *rows["end"]]
            assert rows["start"].tolist() == edges[:-1] and edges[-1] == sim.genome.sizes[chrom] and (np.diff(edges) > 0).all()
            assert not (np.array(edges[:-1]) % GRID_BP).any()
    domain = sim.tad_at(pc1["chrom"], pc1["start"])
    assert (pc1.groupby(domain)["S01"].agg(lambda values: (values > 0).mean()).between(0.25, 0.75)).mean() < 0.1


def test_expression_is_higher_in_compartment_a(sim, null):
    pc1 = pd.read_csv(sim.folder / "domains" / "PC1.tsv", sep="\t")
    genes = sim.genes()
    row = row_at(pc1, genes["chrom"], genes["tss"], sim.genome)
    r = {
        raw.profile.name: np.mean([stats.pearsonr(pc1[name].to_numpy()[row], raw.log2_rpkm(name))[0] for name in sim.cell_types])
        for raw in (sim, null)
    }
    assert 0.02 < r["sim"] < 0.35 and 0.06 < r["null"] < 0.35, r                 # they act through promoters: in both


def test_ctcf_piles_up_at_the_ends_of_domains_and_nothing_else_does(sim):
    inner = sim.tads()[sim.tads()["start"] > 0]
    for cell_type in sim.cell_types:
        ratio = {}
        for mark in ("CTCF", "H3K9me3"):
            track = sim.track(cell_type, mark)
            at, beside = (
                np.nanmean([track.mean(inner["chrom"], inner["start"] + x - 10_000, inner["start"] + x + 10_000) for x in shifts])
                for shifts in ([0], [-80_000, -50_000, 50_000, 80_000])
            )
            ratio[mark] = at / beside
        assert ratio["CTCF"] > 1.5 and 0.7 < ratio["H3K9me3"] < 1.3, ratio


def test_ctcf_sites_are_narrow_and_nine_of_ten_are_bound(sim):
    sites = pd.read_csv(sim.folder / "truth" / "ctcf_sites.tsv", sep="\t")
    track = sim.track("S01", "CTCF")
    at, beside = (track.mean(sites["chrom"], sites["start"] + x - 200, sites["start"] + x + 200) for x in (0, 1500))
    assert np.mean(at) > 5 * np.mean(beside)
    assert 0.8 < (at > 4 * np.median(beside)).mean() < 0.98


# Marks


def test_active_promoters_carry_h3k4me3_h3k9ac_and_h3k27ac(sim):
    genes = sim.genes()
    for cell_type, mark in itertools.product(sim.cell_types, AT_TSS):
        state = sim.segment_at(cell_type, genes["chrom"], genes["tss"])
        at, away = sim.at_tss(cell_type, mark, -700, 1300), sim.at_tss(cell_type, mark, -12_000, -6000)
        is_on, is_quiet = state == "1_TssA", ~np.isin(state, ["1_TssA", "2_TssFlnk", "14_TssBiv"])
        assert is_on.sum() > 300 and is_quiet.sum() > 60
        assert np.mean(at[is_on]) > 4 * np.nanmean(away[is_on]), (cell_type, mark)
        assert np.mean(at[is_on]) > 4 * np.mean(at[is_quiet]), (cell_type, mark)


def test_polycomb_promoters_carry_h3k27me3_over_some_kb(sim):
    genes = sim.genes()
    for cell_type in sim.cell_types:
        is_held = sim.segment_at(cell_type, genes["chrom"], genes["tss"]) == "14_TssBiv"
        near, flank, far = (sim.at_tss(cell_type, "H3K27me3", *span) for span in ((-1000, 1000), (2000, 4000), (-19_000, -9000)))
        assert is_held.sum() > 60
        assert near[is_held].mean() > 4 * near[~is_held].mean() and near[is_held].mean() > 4 * np.nanmean(far[is_held])
        assert near[is_held].mean() > np.nanmean(flank[is_held]) > 1.5 * np.nanmean(flank[~is_held])


def test_h3k9me3_is_broad_where_h3k4me3_is_narrow(sim):
    """Excess over other genes 5 kb from the TSS, as a share of that at the TSS, for the state of each mark."""
    genes, share = sim.genes(), {"H3K9me3": [], "H3K4me3": []}
    for cell_type, (mark, name) in itertools.product(sim.cell_types, [("H3K9me3", "13_Het"), ("H3K4me3", "1_TssA")]):
        is_here = sim.segment_at(cell_type, genes["chrom"], genes["tss"]) == name
        assert is_here.sum() > 10
        near = sim.at_tss(cell_type, mark, -1500, 1500)
        far = np.nanmean([sim.at_tss(cell_type, mark, *span) for span in ((-6000, -4000), (4000, 6000))], axis=0)
        excess = [np.mean(depth[is_here]) - np.mean(depth[~is_here]) for depth in (near, far)]
        assert excess[0] > 0.5 * near[~is_here].mean(), (cell_type, mark)
        share[mark].append(excess[1] / excess[0])
    assert np.mean(share["H3K9me3"]) > 0.45 and max(share["H3K4me3"]) < 0.2, share


def test_elongation_shows_4_to_6_kb_downstream_and_not_at_the_tss(sim):
    genes, sense = sim.genes(), np.where(sim.genes()["strand"] == "+", 1, -1)
    start = np.arange(-10_000, 20_000, 1000)
    contrast = np.zeros(len(start))
    for cell_type in sim.cell_types:
        is_elongated = np.isin(sim.segment_at(cell_type, genes["chrom"], genes["tss"] + sense * 4000), ["5_Tx", "6_TxWk"])
        depth = np.array([sim.at_tss(cell_type, "H3K36me3", a, a + 1000) for a in start])
        contrast += np.nanmean(depth[:, is_elongated], axis=1) - np.nanmean(depth[:, ~is_elongated], axis=1)
    height = dict(zip(start.tolist(), contrast / contrast.max(), strict=True))
    assert np.mean([height[4000], height[5000]]) > 0.88
    assert np.mean([height[-1000], height[0]]) < 0.15 and height[2000] < 0.5     # the rise, at 3.2 kb
    assert all(height[a] < 0.3 for a in range(-10_000, -1000, 1000))             # turned by strand, or both would rise
    assert np.mean([height[a] for a in range(15_000, 20_000, 1000)]) < 0.75


def test_distal_regions_carry_the_marks_of_their_state(sim):
    for cell_type in sim.cell_types:
        regions = sim.truth_of_regions(cell_type)
        depth = {
            mark: sim.track(cell_type, mark).mean(regions["chrom"], regions["middle"] - 800, regions["middle"] + 800)
            for mark in ("H3K4me1", "H3K27ac", "H3K27me3")
        }
        mean = {mark: pd.Series(values).groupby(regions["state"]).mean() for mark, values in depth.items()}
        for mark in ("H3K4me1", "H3K27ac"):
            assert mean[mark]["active"] > 2 * max(mean[mark]["none"], mean[mark]["polycomb"]), (cell_type, mark)
        assert mean["H3K27me3"]["polycomb"] > 3 * max(mean["H3K27me3"]["none"], mean["H3K27me3"]["active"])


def test_marks_of_active_promoters_go_together_along_the_windows(sim):
    genes = sim.genes()
    start = np.arange(-10_000, 10_000, 500)
    signal = {
        mark: np.log1p([sim.at_tss("S01", mark, a, a + 500) for a in start]).ravel() for mark in [*AT_TSS, "H3K27me3", "H3K9me3"]
    }
    is_inside = ~np.isnan(signal["H3K4me3"])
    assert is_inside.mean() > 0.95 and len(is_inside) == len(genes) * len(start)
    r = pd.DataFrame(signal)[is_inside].corr()
    assert min(r.loc[a, b] for a, b in itertools.combinations(AT_TSS, 2)) > 0.35, r
    assert max(r.loc[a, "H3K9me3"] for a in AT_TSS) < 0.25, r


# Expression


def test_expression_is_initiation_times_elongation(table):
    """Body signal acts on the logarithm, as much where the promoter is on as where it is off; in the control not at all."""
    groups, controls = table["cell_type"].to_numpy(), [*promoter_of(table), table["intra"], switch(table["bound"], truth.SWITCH_AT)]
    t = {name: least_squares(table[name].to_numpy(), [table["body"], *controls], groups)[1][0] for name in ("sim", "null")}
    assert t["sim"] > 15 and abs(t["null"]) < 4, t
    is_on = table["H3K27ac"] > table["H3K27ac"].median()
    slope = [
        least_squares(rows["sim"].to_numpy(), [rows["body"], *promoter_of(rows), rows["intra"], switch(rows["bound"], truth.SWITCH_AT)],
                      rows["cell_type"].to_numpy())[0][0]
        for rows in (table[is_on], table[~is_on])
    ]  # fmt: skip
    assert 0.6 < slope[0] / slope[1] < 1.6, slope


def test_promoter_signal_explains_initiation_alike_in_both_cohorts(sim, null, table):
    for raw in (sim, null):
        for cell_type, rows in table.groupby("cell_type"):
            planted = raw.truth_of_genes(cell_type)["initiation"].to_numpy()
            rest = least_squares(planted, promoter_of(rows), rows["cell_type"].to_numpy())[2]
            assert 1 - rest.var() / planted.var() > 0.7
            assert stats.pearsonr(planted - rest, raw.log2_rpkm(cell_type))[0] > 0.45 * raw.strength(cell_type).initiation


def test_body_signal_is_that_of_the_planted_elongation(sim, null, table):
    for cell_type, rows in table.groupby("cell_type"):
        assert stats.pearsonr(rows["body"], sim.truth_of_genes(cell_type)["elongation"])[0] > 0.7
        assert (null.truth_of_genes(cell_type)["elongation"] == 0).all()


def test_active_pcres_act_by_their_frequency_and_only_within_the_domain(table):
    groups = table["cell_type"].to_numpy()
    controls = [*promoter_of(table), table["body"], switch(table["bound"], truth.SWITCH_AT)]
    found = {
        name: least_squares(table[name].to_numpy(), [table["intra"], table["inter"], *controls], groups)[:2]
        for name in ("sim", "null")
    }
    (intra, inter), (t_intra, t_inter) = (values[:2] for values in found["sim"])
    assert 0.75 < intra / truth.ACTIVATION < 1.35 and t_intra > 12, found["sim"]
    assert abs(inter) < 0.35 * truth.ACTIVATION and abs(t_inter) < 4, found["sim"]
    assert (np.abs(found["null"][1][:2]) < 4).all() and abs(found["null"][0][0]) < 0.2 * truth.ACTIVATION, found["null"]


def test_activation_follows_frequency_more_than_number(table):
    groups = table["cell_type"].to_numpy()
    controls = [*promoter_of(table), table["body"], switch(table["bound"], truth.SWITCH_AT)]
    y = table["sim"].to_numpy()
    _, t, _ = least_squares(y, [table["intra"], table["count"], *controls], groups)
    assert t[0] > 4 and abs(t[1]) < 4, t                                         # nothing is left for the number
    left = {name: (least_squares(y, [table[name], *controls], groups)[2] ** 2).sum() for name in ("intra", "count")}
    assert left["intra"] < left["count"], left


def test_repression_is_a_switch(table):
    """In the number of pCREs in the promoter's domain that EZH2 binds; those elsewhere do nothing."""
    groups, bound = table["cell_type"].to_numpy(), table["bound"].to_numpy()
    controls = [*promoter_of(table), table["body"], table["intra"]]
    y = table["sim"].to_numpy()

    def left(column):
        return (least_squares(y, [column, *controls], groups)[2] ** 2).sum()

    at = np.arange(0.5, 6.01, 0.1)
    best = min(at, key=lambda middle: left(switch(bound, middle)))
    assert abs(best - truth.SWITCH_AT) < 0.45, best
    gain = len(y) * np.log(left(bound) / left(switch(bound, best)))             # twice the difference of log likelihoods
    assert gain > 30, gain                                                       # of which AIC asks 2 for the midpoint
    slope, t, _ = least_squares(y, [switch(bound, best), table["bound_inter"], *controls], groups)
    assert -1.3 < slope[0] / truth.REPRESSION < -0.7 and abs(t[1]) < 4, (slope[:2], t[:2])
    slope, t, _ = least_squares(table["null"].to_numpy(), [switch(bound, best), bound, *controls], groups)
    assert (np.abs(t[:2]) < 4).all(), t[:2]


def test_control_depends_on_the_promoter_alone(sim, null, table):
    """Beside promoter signal, everything else together explains much of sim, and of the control no more than chance."""
    groups, rest = table["cell_type"].to_numpy(), {}
    others = [table[name] for name in ("body", "intra", "inter", "count", "bound", "bound_inter")]
    for name in ("sim", "null"):
        y = table[name].to_numpy()
        without, with_all = (least_squares(y, columns, groups)[2] for columns in (promoter_of(table), [*promoter_of(table), *others]))
        rest[name] = 1 - (with_all @ with_all) / (without @ without)
    assert rest["sim"] > 0.35 and rest["null"] < stats.beta(3, len(table) / 2).ppf(1 - 1e-5), rest
    for cell_type in sim.cell_types:
        control, planted = null.truth_of_genes(cell_type), sim.truth_of_genes(cell_type)
        np.testing.assert_allclose(control["initiation"] * sim.strength(cell_type).initiation, planted["initiation"], atol=1e-4)  # as written
        assert not control[["elongation", "activation", "repression"]].to_numpy().any()
        assert (planted[["elongation", "activation", "repression"]] > 0).mean().min() > 0.3


# Noise and truth


def test_expression_is_that_of_the_truth(sim, null):
    for raw, cell_type in itertools.product((sim, null), sim.cell_types):
        rpkm, planted = raw.expression()[cell_type], raw.truth_of_genes(cell_type)
        np.testing.assert_allclose(rpkm, 2 ** planted["log2_rpkm"], rtol=1e-3, atol=6e-4)
        terms = truth.BASE + planted["initiation"] + planted["elongation"] + planted["activation"] - planted["repression"]
        np.testing.assert_allclose(planted["mean_log2_rpkm"], terms, atol=3e-4)
        np.testing.assert_allclose(planted["log2_rpkm"] - planted["noise"], terms, atol=4e-4)
        np.testing.assert_array_equal(planted["label"], rpkm >= rpkm.median())
        assert abs(planted["noise"].mean()) < 4 * truth.NOISE / np.sqrt(len(rpkm))
        np.testing.assert_allclose(planted["noise"].std(), truth.NOISE, rtol=0.12)


def test_best_score_is_what_the_files_give_and_near_what_was_set(sim, null):
    for raw in (sim, null):
        best = raw.truth("best_scores").set_index("cell_type")
        for cell_type in raw.cell_types:
            rpkm, planted = raw.expression()[cell_type], raw.truth_of_genes(cell_type)
            auc = roc_auc_score(rpkm >= rpkm.median(), planted["p_label"])
            assert abs(auc - best.loc[cell_type, "roc_auc"]) < 2e-4
            r = stats.pearsonr(planted["mean_log2_rpkm"], np.log2(rpkm + 5e-4))[0]
            assert abs(r - best.loc[cell_type, "pearson"]) < 3e-3
    best = sim.truth("best_scores").set_index("cell_type")["roc_auc"]
    full = [cell_type for cell_type in sim.cell_types if sim.strength(cell_type) == Strength()]
    assert len(full) == 2 and best[full].between(0.935, 0.97).all() and best.drop(full).between(0.915, 0.935).all(), best  # less moves it


def test_no_other_score_of_the_terms_beats_the_best(sim):
    """Leaving terms out, or weighing them otherwise, gains nothing beyond chance; each term is needed."""
    auc, terms = {}, ["initiation", "elongation", "activation", "repression"]
    weights = [w for w in itertools.product((0, 0.5, 1, 2), repeat=4) if any(w)]
    for cell_type in sim.cell_types:
        planted, rpkm = sim.truth_of_genes(cell_type), sim.expression()[cell_type]
        label = rpkm >= rpkm.median()
        x = planted[terms].to_numpy() * [1, 1, 1, -1]
        scores = {w: x @ w for w in weights}
        scores |= {"counts": planted["n_active"] - planted["n_polycomb"], "on": planted["on"]}
        auc[cell_type] = {name: roc_auc_score(label, score) for name, score in scores.items()}
    auc = pd.DataFrame(auc)
    best = auc.loc[[(1, 1, 1, 1)]].to_numpy()
    gain = auc - best
    assert gain.max().max() < 0.008 and gain.mean(axis=1).max() < 0.004, gain.max()
    for i in range(4):
        without = tuple(int(j != i) for j in range(4))
        assert gain.loc[[without]].to_numpy().mean() < -0.01, without


def test_chance_of_the_label_is_calibrated(sim):
    rows = pd.concat([sim.truth_of_genes(cell_type) for cell_type in sim.cell_types])
    label = pd.concat([sim.expression()[cell_type] >= sim.expression()[cell_type].median() for cell_type in sim.cell_types])
    p = rows["p_label"].to_numpy()
    for _, part in pd.DataFrame({"p": p, "label": label.to_numpy()}).groupby(pd.cut(p, [-1, 0.1, 0.3, 0.5, 0.7, 0.9, 1])):
        error = np.sqrt((part["p"] * (1 - part["p"])).sum())
        assert len(part) > 50 and abs((part["label"] - part["p"]).sum()) < 4 * error


def test_pcres_of_the_truth_are_those_of_the_files(sim):
    for cell_type in sim.cell_types:
        planted = sim.truth("pcres")
        planted = planted[planted["cell_type"] == cell_type].sort_values(["gene_id", "rank"], ignore_index=True)
        found = sim.pcres(cell_type)
        pd.testing.assert_frame_equal(planted[["gene_id", "region", "rank"]], found[["gene_id", "region", "rank"]], check_dtype=False)
        np.testing.assert_allclose(planted["contact"], found["contact"], atol=1e-4)
        np.testing.assert_array_equal(planted["is_intra"], found["is_intra"])
        is_active, is_bound = planted["state"] == "active", planted["state"] == "polycomb"
        assert (found["is_active"] == is_active).mean() > 0.96                   # a neighbour's promoter may reach over
        assert 0.9 < found["is_bound"][is_bound].mean() < 0.99 and found["is_bound"][~is_bound].mean() < 0.05


def test_contributions_are_what_leaving_a_pcre_out_takes_away(sim, null):
    """By the rules and states on file, gene by gene; nothing is left over, and nothing acts across domains."""
    planted = sim.truth("pcres")
    genes = sim.truth("genes").set_index(["cell_type", "gene_id"])
    planted = planted[planted["gene_id"].isin(planted["gene_id"].unique()[::40])]
    assert {"active", "polycomb", "none"} == set(planted["state"])

    def distal(rows):
        """Terms of one gene, from the rows of its pCREs in its own domain."""
        active, n_bound = rows[rows["state"] == "active"], (rows["state"] == "polycomb").sum()
        activation = truth.ACTIVATION * sum(level * (contact - 1) for level, contact in zip(active["level"], active["contact"], strict=True))
        at_zero = 1 / (1 + np.exp(truth.SWITCH_AT / truth.SWITCH_WIDTH))
        fall = 1 / (1 + np.exp((truth.SWITCH_AT - n_bound) / truth.SWITCH_WIDTH)) - at_zero
        return activation, truth.REPRESSION * fall

    n_by_number = set()
    for key, rows in planted.groupby(["cell_type", "gene_id"]):
        intra = rows[rows["is_intra"]]
        activation, repression = distal(intra)
        np.testing.assert_allclose([activation, repression], genes.loc[key, ["activation", "repression"]].astype(float), atol=2e-3)
        n_by_number.add((intra["state"] == "polycomb").sum())
        for i, row in rows.iterrows():
            without = distal(intra.drop(index=i, errors="ignore"))
            expected = (activation - repression) - (without[0] - without[1])
            assert abs(row["contribution"] - expected) < 1e-3, (key, row)
            assert row["is_intra"] or row["contribution"] == 0
    assert {0, 2, 3, 4} <= n_by_number                                           # both sides of the switch
    active = sim.truth("pcres").query("state == 'active'").groupby(["cell_type", "gene_id"])["contribution"].sum()
    np.testing.assert_allclose(active.reindex(genes.index).fillna(0), genes["activation"], atol=1e-3)
    bound = sim.truth("pcres").query("state == 'polycomb' and is_intra")["contribution"]
    assert (bound <= 0).all() and (bound < -0.3 * truth.REPRESSION).mean() > 0.05  # most of it where one tips the switch
    assert not null.truth("pcres")["contribution"].any()


# Cell types


def test_the_tumour_line_is_more_like_its_tissue_than_another_tissue_is(sim):
    def alike(values):
        return [stats.pearsonr(values["S01"], values[other])[0] for other in ("S02", "S03")]

    expression = alike({cell_type: sim.log2_rpkm(cell_type) for cell_type in sim.cell_types})
    promoter = alike({cell_type: np.log(sim.at_tss(cell_type, "H3K4me3", -700, 1300) + 0.1) for cell_type in sim.cell_types})
    assert expression[0] > expression[1] + 0.1 and expression[1] > 0.2, expression
    assert promoter[0] > promoter[1] + 0.1 and promoter[1] > 0.2, promoter


def test_aberrant_genes_flip_and_most_others_do_not(sim):
    assert {cell_type: sim.truth_of_genes(cell_type)["is_aberrant"].sum() for cell_type in sim.cell_types} == {
        "S01": 0, "S03": 0, **sim.profile.inputs.simulation.aberrant
    }  # fmt: skip
    is_aberrant = sim.truth_of_genes("S02")["is_aberrant"].to_numpy()
    change = {
        mark: np.log2(sim.at_tss("S02", mark, -700, 1300) + 0.1) - np.log2(sim.at_tss("S01", mark, -700, 1300) + 0.1)
        for mark in [*AT_TSS, "H3K27me3"]
    }
    # Marks of active promoters against that of Polycomb: promoters that it holds carry H3K4me3 too, so one mark says little.
    turned = np.mean([change[mark] for mark in AT_TSS], axis=0) - change["H3K27me3"]
    assert roc_auc_score(is_aberrant, np.abs(turned)) > 0.95 and (np.abs(turned) > 3)[~is_aberrant].mean() < 0.1
    fold = (sim.log2_rpkm("S02") - sim.log2_rpkm("S01")).to_numpy()
    direction = np.where(sim.truth_of_genes("S02")["on"] > 0, 1, -1)[is_aberrant]
    assert ((turned[is_aberrant] * direction) > 2).mean() > 0.8 and ((fold[is_aberrant] * direction) > 0).mean() > 0.8
    assert min((change[mark][is_aberrant] * direction).mean() for mark in AT_TSS) > 0.4
    assert np.median(np.abs(fold[is_aberrant])) > 3 and np.median(np.abs(fold[~is_aberrant])) < 2


# Gene sets


def test_planted_gene_sets_hold_the_genes_that_pcres_move_most(sim, null):
    planted = sim.truth_of_genes("S01").set_index(sim.symbols().loc[sim.genes().index].to_numpy())
    moved = {"housekeeping": planted["activation"], "developmental": planted["repression"]}
    moved["either"] = (planted["activation"] - planted["repression"]).abs()
    is_most = {name: term.rank(ascending=False) <= 0.3 * len(term) for name, term in moved.items()}
    for raw in (sim, null):
        lines = [line.split("\t") for line in (raw.folder / "gene_sets" / "simulated.gmt").read_text().splitlines()]
        assert len(lines) == 2 + companions.N_CONTROL_SETS
        for name, description, *symbols in lines:
            is_member = planted.index.isin(symbols)
            assert description == "" and is_member.sum() == len(symbols) == round(companions.SET_SHARE * len(planted))
            name = name.partition(" (")[0]
            if raw is sim and name in moved:
                assert fisher(is_member, is_most[name]) < 1e-6 and fisher(is_member, is_most["either"]) < 1e-4, name
            else:
                assert min(fisher(is_member, chosen) for chosen in is_most.values()) > 1e-5, name


def fisher(is_in_set, is_in_group):
    return stats.fisher_exact(pd.crosstab(is_in_set, is_in_group), alternative="greater").pvalue


# Polycomb and segmentation


def test_polycomb_proteins_find_bound_regions_each_less_than_the_one_before(sim):
    found, missed = {name: [] for name in companions.POLYCOMB_PROTEINS}, []
    for cell_type, protein in itertools.product(sim.cell_types, found):
        regions, peaks = sim.truth_of_regions(cell_type), sim.peaks(cell_type, protein)
        middles = pd.DataFrame({"chrom": regions["chrom"], "start": regions["middle"], "end": regions["middle"] + 1})
        is_found, is_bound = overlaps(middles, peaks), (regions["state"] == "polycomb").to_numpy()
        found[protein].append(is_found[is_bound].mean())
        missed.append(is_found[~is_bound].mean())
        assert peaks.eval("end - start").between(1, 1500).all()
        assert overlaps(peaks, pd.concat([regions[PEAK], windows(sim.genes())])).mean() > 0.99  # none elsewhere
    shares = [np.mean(found[name]) for name in ("EZH2", "SUZ12", "RNF2", "CBX8")]
    assert shares == sorted(shares, reverse=True) and shares[-1] > 0.6 and max(missed) < 0.05, (shares, missed)


def windows(genes):
    return pd.DataFrame({"chrom": genes["chrom"], "start": genes["tss"] - 600, "end": genes["tss"] + 600})


def test_segments_tile_whole_chromosomes_in_steps_of_200_bp(sim):
    for cell_type in sim.cell_types:
        segments = sim.segments(cell_type)
        assert set(segments["name"]) <= set(formats.CHROMHMM) and segments["name"].nunique() >= 10
        for chrom, rows in segments.groupby("chrom"):
            edges = [0, *rows["end"]]
            assert rows["start"].tolist() == edges[:-1] and edges[-1] == sim.genome.sizes[chrom] and (np.diff(edges) > 0).all()
            assert not (np.array(edges[:-1]) % TILE_BP).any()
            assert (rows["name"] != rows["name"].shift()).all()                 # each as long as its state lasts


def test_segments_say_what_the_marks_say(sim):
    highest = {
        "H3K4me3": {"1_TssA"}, "H3K27ac": {"1_TssA", "9_EnhA1"}, "H3K9me3": {"13_Het"}, "H3K36me3": {"5_Tx"},
        "H3K27me3": {"14_TssBiv", "16_ReprPC", "17_ReprPCWk"},
    }  # fmt: skip
    for cell_type in sim.cell_types:
        segments = sim.segments(cell_type)
        width = segments.eval("end - start")
        for mark, names in highest.items():
            reads = sim.track(cell_type, mark).mean(segments["chrom"], segments["start"], segments["end"]) * width
            depth = reads.groupby(segments["name"]).sum() / width.groupby(segments["name"]).sum()
            assert set(depth.nlargest(len(names)).index) == names, (cell_type, mark, depth)
            assert depth[list(names)].min() > 2 * depth["18_Quies"]


# Mouse


class Mouse:
    """The second species' files; genes as its GTF has them, TSS as `readers.read_transcripts` counts it."""

    def __init__(self, raw):
        self.folder, settings = raw.folder / "mouse", raw.profile.inputs.simulation.mouse
        self.cell_type, self.max_pcres = settings.cell_type, raw.profile.max_pcres
        sizes = pd.read_csv(self.folder / "genome" / f"{settings.genome}.chrom.sizes", sep="\t", header=None)
        self.genome = Genome(settings.genome, dict(zip(sizes[0], sizes[1], strict=True)), {})
        path = self.folder / "annotation" / "simulated.annotation.gtf.gz"
        gtf = pd.read_csv(path, sep="\t", comment="#", header=None).set_axis(
            ["chrom", "source", "feature", "start", "end", "score", "strand", "frame", "attributes"], axis=1
        )
        for name in ("gene_id", "transcript_id", "gene_name"):
            gtf[name] = gtf["attributes"].str.extract(rf'\b{name} "([^"]+)"')
        self.gtf = gtf.assign(gene_id=gtf["gene_id"].str.removesuffix(".1"))
        rows = self.gtf[self.gtf["feature"] == "transcript"]
        tss = rows.assign(tss=np.where(rows["strand"] == "+", rows["start"] - 2, rows["end"]), length=rows["end"] - rows["start"])
        tss = tss.sort_values(["gene_id", "length"], ascending=[True, False], kind="stable")
        self.tss = tss.assign(order=tss.groupby("gene_id").cumcount()).reset_index(drop=True)
        rsem = pd.read_csv(self.folder / "expression" / f"{self.cell_type}.tsv", sep="\t")
        rsem = rsem[rsem["gene_id"].str.startswith("ENSMUSG")]
        self.fpkm = rsem.set_index(rsem["gene_id"].str.removesuffix(".1"))["FPKM"]
        self.log2_fpkm = np.log2(self.fpkm + 0.005)                              # half of the last digit
        self.genes = self.tss[self.tss["order"] == 0].set_index("gene_id").loc[self.log2_fpkm.index]
        for method in (self.track, self.matrix, self.pcres):
            setattr(self, method.__name__, cache(method))

    def track(self, mark):
        return Track(readers.read_reads(self.folder / "alignments" / f"{self.cell_type}-{mark}.tagAlign.gz", self.genome), self.genome)

    def matrix(self, chrom):
        return np.loadtxt(self.folder / "hic" / f"nij.{chrom}")

    def pcres(self):
        """gene_id, region, contact, rank from the matrices."""
        tables = []
        for chrom, size in self.genome.sizes.items():
            i, j = np.nonzero(self.matrix(chrom) > 10)                           # the paper's threshold
            bins = pd.DataFrame({"chrom": chrom, "start": np.arange(0, size, GRID_BP)})
            names = names_of(bins.assign(end=np.minimum(bins["start"] + GRID_BP, size) - 1)).to_numpy()
            contact = self.matrix(chrom)[i, j] / interactions.MATRIX_AT
            tables.append(pd.DataFrame({"fragment": names[i], "region": names[j], "contact": contact, "bin": i, "chrom": chrom}))
        near = pd.concat(tables, ignore_index=True)
        at = self.tss["chrom"] + ":" + (self.tss["tss"] // GRID_BP).astype(str)
        names = dict(zip(near["chrom"] + ":" + near["bin"].astype(str), near["fragment"], strict=True))
        pairs = contacts.pairs_of_genes(self.tss, at.map(names), near[["fragment", "region", "contact"]])
        return contacts.strongest(pairs, max_width_bp=FRAME_BP, max_pcres=self.max_pcres)


@pytest.fixture(scope="module")
def mouse(sim):
    return Mouse(sim)


def test_mouse_has_another_genome_and_its_genes_lie_on_it(sim, mouse):
    assert mouse.genome.sizes == load_genome(mouse.genome.name).sizes
    assert not set(mouse.genome.sizes.values()) & set(sim.genome.sizes.values())
    gtf = mouse.gtf
    size = gtf["chrom"].map(mouse.genome.sizes)
    assert gtf["start"].min() >= 1 and (gtf["start"] <= gtf["end"]).all() and (gtf["end"] <= size).all()
    at_ends = [(gtf["start"] == 1).any(), (gtf["end"] == size).any()]            # genes cut at an end show where counting starts
    assert any(at_ends) and len(mouse.genes) == sim.profile.inputs.simulation.mouse.genes
    for _, rows in gtf.groupby("gene_id"):
        (gene,), transcripts = (rows.loc[rows["feature"] == name, ["start", "end"]].to_numpy() for name in ("gene", "transcript"))
        assert gene.tolist() == [transcripts[:, 0].min(), transcripts[:, 1].max()]
    exons = gtf[gtf["feature"] == "exon"].groupby("transcript_id").agg(start=("start", "min"), end=("end", "max"))
    whole = gtf[gtf["feature"] == "transcript"].set_index("transcript_id")[["start", "end"]]
    pd.testing.assert_frame_equal(exons.loc[whole.index], whole)


def test_mouse_promoters_carry_h3k4me3_just_downstream_of_the_tss(mouse):
    start = np.arange(-3000, 3000, 100)
    depth = np.array([np.nanmean(mouse.track("H3K4me3").downstream(mouse.genes, a, a + 100)) for a in start])
    smooth = pd.Series(depth, index=start + 50).rolling(5, center=True).mean()
    assert 0 < smooth.idxmax() < 800 and smooth.max() > 3 * smooth.dropna().iloc[[0, -1]].mean()


def test_matrices_are_square_symmetric_and_as_long_as_their_chromosome(mouse):
    for chrom, size in mouse.genome.sizes.items():
        matrix = mouse.matrix(chrom)
        assert matrix.shape == (-(-size // GRID_BP),) * 2 and (matrix == matrix.T).all() and (matrix > 0).all()
        apart = np.abs(np.subtract.outer(*[np.arange(len(matrix))] * 2))
        mean = [matrix[apart == k].mean() for k in (0, 1, 2, 5, 20)]
        assert mean == sorted(mean, reverse=True) and matrix[apart <= 1].min() > 10
        is_strong = (matrix > 10) & (apart > 1)
        assert 0.002 < is_strong.mean() < 0.15
        promoters = mouse.tss.loc[mouse.tss["chrom"] == chrom, "tss"].unique() // GRID_BP
        i, j = np.nonzero(is_strong)
        assert (np.isin(i, promoters) | np.isin(j, promoters)).all()             # nothing but what was planted


def test_pcres_of_mouse_genes_are_those_planted(sim, mouse):
    planted = sim.truth("pcres", "mouse").sort_values(["gene_id", "rank"], ignore_index=True)
    found = mouse.pcres()
    keys = ["gene_id", "region"]
    both = planted.merge(found, on=keys, suffixes=("_planted", ""))
    assert len(both) == len(planted) == len(found)
    np.testing.assert_allclose(both["contact"], both["contact_planted"], rtol=1e-4)
    n = found["gene_id"].value_counts()
    assert len(n) == len(mouse.genes) and n.max() == mouse.max_pcres and n.min() >= 2  # at least its own bin and the next


def test_mouse_expression_is_that_of_the_truth(sim, mouse):
    planted = sim.truth("genes", "mouse").set_index("gene_id").loc[mouse.fpkm.index]
    np.testing.assert_allclose(mouse.fpkm, 2 ** planted["log2_rpkm"], rtol=1e-3, atol=6e-3)
    np.testing.assert_array_equal(planted["label"], mouse.fpkm >= mouse.fpkm.median())
    best = sim.truth("best_scores", "mouse")["roc_auc"].item()
    assert abs(roc_auc_score(planted["label"], planted["p_label"]) - best) < 2e-4 and 0.92 < best < 0.98


def test_orthologues_are_expressed_alike_and_other_genes_are_not(sim, mouse):
    pairs = pd.read_csv(mouse.folder / "orthologues.tsv", sep="\t")
    settings = sim.profile.inputs.simulation.mouse
    assert len(pairs) == round(settings.orthologues * settings.genes)
    assert not pairs["gene_id"].duplicated().any() and not pairs["mouse_gene_id"].duplicated().any()
    symbols = mouse.gtf.drop_duplicates("gene_id").set_index("gene_id")["gene_name"].loc[pairs["mouse_gene_id"]]
    assert symbols.str.upper().tolist() == sim.symbols().loc[pairs["gene_id"]].tolist()
    human, other = sim.log2_rpkm("S01").loc[pairs["gene_id"]], mouse.log2_fpkm.loc[pairs["mouse_gene_id"]]
    assert stats.pearsonr(human, other)[0] > 0.3
    shuffled = [stats.pearsonr(human, np.roll(other, shift))[0] for shift in range(1, 60)]
    assert abs(np.mean(shuffled)) < 0.05 and np.max(np.abs(shuffled)) < 0.3


def test_sequences_of_reads_are_those_of_the_genome_at_their_rows(mouse):
    """The 36 leftmost bases; a read on the minus strand is turned; now and then one base is N."""
    (path,) = (mouse.folder / "genome").glob("*.fa.gz")
    chroms = gzip.decompress(path.read_bytes()).decode().split(">")[1:]
    sequences = {chrom: text.replace("\n", "") for chrom, _, text in (entry.partition("\n") for entry in chroms)}
    assert {chrom: len(text) for chrom, text in sequences.items()} == mouse.genome.sizes
    assert all(set(text[:10_000]) == set("ACGT") for text in sequences.values())
    path = mouse.folder / "alignments" / f"{mouse.cell_type}-H3K27ac.tagAlign.gz"
    rows = pd.read_csv(path, sep="\t", header=None)[[0, 1, 2, 5]].set_axis([*PEAK, "strand"], axis=1)
    lines = gzip.decompress((mouse.folder / "fastq" / f"{mouse.cell_type}-H3K27ac.fastq.gz").read_bytes()).decode().splitlines()
    assert len(lines) == 4 * len(rows) and set(lines[2::4]) == {"+"} and lines[0].startswith("@")
    n_wrong, turn = 0, str.maketrans("ACGTN", "TGCAN")
    sample = range(0, len(rows), 97)
    assert set(rows["strand"].iloc[::97]) == {"+", "-"}
    for i in sample:
        bases, quality, row = lines[4 * i + 1], lines[4 * i + 3], rows.iloc[i]
        bases = bases if row["strand"] == "+" else bases.translate(turn)[::-1]
        wrong = [a for a, b in zip(bases, sequences[row["chrom"]][row["start"] :], strict=False) if a != b]
        assert len(bases) == len(quality) and row["end"] - row["start"] == READ_BP <= len(bases) and wrong in ([], ["N"])
        n_wrong += len(wrong)
    assert 0.05 < n_wrong / len(sample) < 0.15


def test_expression_of_mouse_genes_follows_contacts_of_the_matrices(null, mouse):
    """No domains are published for the mouse: a region with H3K27ac counts in any domain, if it lies past the next bin."""
    genes, pcres, track = mouse.genes, mouse.pcres(), mouse.track("H3K27ac")
    region = ends_of(pcres["region"])
    at_tss = pd.Series(track.downstream(genes, -700, 700), genes["chrom"] + ":" + (genes["tss"] // GRID_BP).astype(str))
    at_tss = at_tss[~at_tss.index.duplicated()]                                  # a promoter in the bin acts, or its middle
    bins = region["chrom"] + ":" + (region["start"] // GRID_BP).astype(str)
    depth = bins.map(at_tss).fillna(pd.Series(track.mean(region["chrom"], middle(region) - 700, middle(region) + 700)))
    is_far = (genes["tss"].loc[pcres["gene_id"]].to_numpy() // GRID_BP - region["start"] // GRID_BP).abs() >= 2
    weight = (pcres["contact"] - 1) * is_far * (depth > 2 * track.upto[-1] * READ_BP / sum(mouse.genome.sizes.values()))
    weight = weight.groupby(pcres["gene_id"]).sum().reindex(genes.index).fillna(0)
    marks = pd.DataFrame({mark: mouse.track(mark).downstream(genes, -1000, 1700) for mark in [*AT_TSS, "H3K27me3"]})
    body = np.log(mouse.track("H3K36me3").downstream(genes, 3500, 9000) + 0.02)
    columns = [weight, np.where(np.isnan(body), np.nanmedian(body), body), *promoter_of(marks)]
    slope, t, _ = least_squares(mouse.log2_fpkm.to_numpy(), columns, np.zeros(len(genes)))
    assert slope[0] > 0.4 * truth.ACTIVATION and t[0] > 4.5 and t[1] > 6, (slope[:2], t[:2])
    control = Mouse(null).log2_fpkm.loc[genes.index].to_numpy()
    _, t, _ = least_squares(control, columns, np.zeros(len(genes)))
    assert (np.abs(t[:2]) < 4).all(), t[:2]


# The control


def test_control_has_the_same_bytes_but_for_expression_and_what_follows_from_it(sim, null):
    def digests(raw):
        files = (path for path in raw.folder.rglob("*") if path.is_file())
        return {path.relative_to(raw.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    ours, theirs = digests(sim), digests(null)
    assert ours.keys() == theirs.keys()
    tables = ["truth/genes.csv", "truth/pcres.csv", "truth/best_scores.csv"]
    assert {path for path in ours if ours[path] != theirs[path]} == {
        "expression/RPKM.pc.gz", "mouse/expression/M01.tsv", "gene_sets/simulated.gmt", "manifest.json",
        *tables, *(f"mouse/{path}" for path in tables),
    }  # fmt: skip
