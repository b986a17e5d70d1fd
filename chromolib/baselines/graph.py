"""The graph that GC-MERGE reads: bins of the genome that touch each other, their marks, and the genes that start in them.

In: a profile's contacts (normalised frequency, no unit), its signal and the genes of its feature store; positions in bp,
0-based. Out: a Graph of one cell type. Axes: `m` mark.

Source: Bigness et al. 2022, adapted as the paper did; rsinghlab/GC-MERGE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from pandas.api.types import union_categoricals
from scipy import sparse

from .. import depth
from ..config import InputError
from ..dataset import gene_table, open_store, own_marks
from ..files import hold
from ..genome import Genome, Region, profile_genome
from ..inputs import raw
from ..inputs.files import files_of
from ..inputs.parts import NOT_MEASURED
from ..profile import Profile
from ..readers.fragments import parse_fragments
from ..sections import OwnInputs, RawInputs

NODE_BP = 10_000
N_STRONGEST = 10  # contacts that a node keeps; it has more where others keep it
HOPS = 2  # convolutions of the network: from so far away a node is heard

Counts = dict[str, int]  # reason -> rows that were left out for it


@dataclass(frozen=True)
class Bins:
    """Bins of equal width on some chromosomes, numbered one chromosome after the other."""

    # Deviates: the authors begin each chromosome at the first bin of its contacts and end it at the last. Here it is whole, so
    # that no TSS lies before its bins.
    sizes: dict[str, int]  # chromosome -> bp
    bin_bp: int = NODE_BP

    def __len__(self) -> int:
        return int(self.n.sum())

    @cached_property
    def n(self) -> np.ndarray:
        """Bins of each chromosome, the last of which may be short."""
        return np.array([-(-size // self.bin_bp) for size in self.sizes.values()], np.int64)

    @cached_property
    def first(self) -> np.ndarray:
        """The first bin of each chromosome."""
        return np.cumsum(self.n) - self.n

    def table(self) -> pd.DataFrame:
        """chrom, start and end (bp) of each bin."""
        chrom_idx = np.repeat(np.arange(len(self.n)), self.n)
        start = (np.arange(len(self)) - self.first[chrom_idx]) * self.bin_bp
        end = np.minimum(start + self.bin_bp, np.array(list(self.sizes.values()))[chrom_idx])
        return pd.DataFrame({"chrom": np.array(list(self.sizes))[chrom_idx], "start": start, "end": end})

    def at(self, chrom: Sequence[str], position: Sequence[int]) -> np.ndarray:
        """The bin that holds each position, -1 on other chromosomes; one beyond an end is in the bin at that end."""
        chrom_idx = pd.Index(list(self.sizes)).get_indexer(chrom)
        last_bp = np.array(list(self.sizes.values()))[chrom_idx] - 1
        return np.where(chrom_idx < 0, -1, self.first[chrom_idx] + np.clip(position, 0, last_bp) // self.bin_bp)

    def chrom_idx(self, node: np.ndarray) -> np.ndarray:
        """Which chromosome each bin is of."""
        return np.searchsorted(self.first, node, side="right") - 1


@dataclass(frozen=True)
class Graph:
    """Nodes are bins of the genome, edges are contacts without weight, and some nodes have a label: that of their genes."""

    store: xr.Dataset              # features of the cell type: whence the genes are
    bin_bp: int
    marks: tuple[str, ...]
    nodes: pd.DataFrame            # chrom, start, end (bp), and covered: share of its bp whose signal is known
    features: np.ndarray           # (node, m)  signal as a share of the chromosome's largest, float32
    adjacency: sparse.csr_array    # (node, node)  1 where two nodes touch; symmetric, nothing on the diagonal
    # Labelled nodes, by their first gene: the columns of `GeneDataset.genes` with label and expression (RPKM) of the node, and
    # node_idx, n_genes (that start in it), n_other (of them, with another label than the node's).
    genes: pd.DataFrame
    dropped: dict[str, Counts]     # what was left out and why, of the whole cell type

    @property
    def n_edges(self) -> int:
        return self.adjacency.nnz // 2

    @property
    def coverage(self) -> float:
        """Share of the nodes' bp whose signal is known: 1 but where a profile has signal of promoters and pCREs alone."""
        return float(self.nodes["covered"].mean())

    def around(self, genes: pd.DataFrame) -> Graph:
        """The part of the graph that decides what a network says of some of its genes: nodes within HOPS edges of theirs.

        Those on the rim lose neighbours, but of them only the features are read.
        """
        is_near = np.zeros(len(self.nodes), bool)
        is_near[genes["node_idx"]] = True
        for _ in range(HOPS):
            is_near |= self.adjacency @ is_near.astype(np.float32) > 0
        kept = np.flatnonzero(is_near)
        genes = genes.assign(node_idx=np.searchsorted(kept, genes["node_idx"])).reset_index(drop=True)
        return replace(
            self, nodes=self.nodes.iloc[kept].reset_index(drop=True), features=self.features[kept],
            adjacency=self.adjacency[kept][:, kept], genes=genes,
        )  # fmt: skip

    def of_marks(self, marks: Sequence[str]) -> Graph:
        """The same with some marks only, in this order."""
        if not marks or not set(marks) <= set(self.marks):
            raise InputError(
                f"graph of {self.store.attrs['cell_type']}: marks {list(marks)}, expected some of {', '.join(self.marks)}"
            )
        return replace(self, marks=tuple(marks), features=self.features[:, [self.marks.index(mark) for mark in marks]])


def build(
    profile: Profile, cell_type: str, *, bin_bp: int = NODE_BP, chroms: Sequence[str] | None = None
) -> Graph:
    """The graph of one cell type, as far as it decides what a network says of labelled nodes.

    Parameters
    ----------
    bin_bp : int
        Width of a node.
    chroms : sequence of str, optional
        Chromosomes whose genes count; by default all that have a fold.

    Returns
    -------
    Graph
        Raw inputs: from all contacts of the cell type, and from the signal of whole chromosomes. Others: from the contacts
        of genes with their pCREs, and from the signal of promoter windows and pCREs, which is all there is.

    Raises
    ------
    InputError
        The cell type has no contacts, or none that joins the bin of a gene with another; a chromosome without a fold.
    """
    whole = build_whole(profile, cell_type, bin_bp=bin_bp, chroms=chroms)
    return whole.around(whole.genes)


def build_whole(
    profile: Profile, cell_type: str, *, bin_bp: int = NODE_BP, chroms: Sequence[str] | None = None
) -> Graph:
    """As `build`, with all bins of the chromosomes that have genes."""
    store, genome = open_store(profile, cell_type), profile_genome(profile)
    if bin_bp < profile.base_bp:
        raise InputError(f"graph: bin_bp={bin_bp}, expected the {profile.base_bp} bp of a bin of the feature store or more")
    genes = gene_table(store)
    bins = Bins(_sizes(genome, genes, chroms), bin_bp)
    where = f"{profile.name}/{cell_type}"
    contacts = _read_contacts(profile, cell_type, store, genome)
    if not sum(map(len, contacts)):
        raise InputError(
            f"{where}: no contacts, expected some for a graph of GC-MERGE; name them in inputs.contacts, or leave GC-MERGE out"
        )
    pairs, of_contacts = pair_bins(contacts, genes, bins)
    adjacency, of_pairs = wire(pairs, bins)
    labelled, of_genes = label_nodes(genes, bins, adjacency)
    if labelled.empty:
        raise InputError(
            f"{where}: none of {len(genes):,} genes starts in a bin of {bin_bp:,} bp that touches another, expected some for a "
            "graph of GC-MERGE; take narrower bins or other contacts"
        )
    signal, covered = _signal(profile, cell_type, store, genome, bins)
    return Graph(
        store, bin_bp, tuple(own_marks(store)), bins.table().assign(covered=covered), share_of_largest(signal, bins),
        adjacency, labelled, {"contacts": of_contacts, "pairs of bins": of_pairs, **of_genes},
    )  # fmt: skip


def targets_of_nodes(graph: Graph) -> xr.Dataset:
    """The features that a graph is made from, with the label and expression of its node for each gene that represents one.

    A GeneDataset of it, cut to these genes, has the targets that a network of nodes is trained on.
    """
    store = graph.store
    position = pd.Index(store["gene_id"].values).get_indexer(graph.genes["gene_id"])
    changed = {}
    for name in ("label", "expression"):
        values = store[name].values.copy()
        values[position] = graph.genes[name]
        changed[name] = store[name].copy(data=values)
    return store.assign(changed)


def summary(profile: Profile, cell_type: str) -> pd.DataFrame:
    """The graph of a cell type in numbers: what, count; shares and quantiles of the degree of labelled nodes among them."""
    whole = build_whole(profile, cell_type)
    kept = whole.around(whole.genes)
    degree = np.diff(kept.adjacency.indptr)[kept.genes["node_idx"]]
    rows = {
        "bins of chromosomes with genes": len(whole.nodes),
        "edges": whole.n_edges,
        f"nodes within {HOPS} edges of a labelled one": len(kept.nodes),
        "edges between them": kept.n_edges,
        "share of their bp with signal": kept.coverage,
        "labelled nodes": len(kept.genes),
        "share of labelled nodes that is on": kept.genes["label"].mean(),
        **{f"neighbours of a labelled node, {name}": np.quantile(degree, q) for name, q in
           (("least", 0), ("lower quartile", 0.25), ("median", 0.5), ("upper quartile", 0.75), ("most", 1))},
        "genes in a node that another represents": (kept.genes["n_genes"] - 1).sum(),
        "genes in a node with another label": kept.genes["n_other"].sum(),
        "nodes with genes but no neighbour, left out": whole.dropped["nodes with genes"]["without a neighbour"],
    }  # fmt: skip
    return pd.DataFrame({"what": rows.keys(), "count": [float(count) for count in rows.values()]})


# Contacts to edges


def _sizes(genome: Genome, genes: pd.DataFrame, chroms: Sequence[str] | None) -> dict[str, int]:
    """Chromosomes that get nodes. Those without genes have none with a label, and edges join no two chromosomes."""
    if chroms is not None and (unknown := [chrom for chrom in chroms if chrom not in genome.folds]):
        raise InputError(
            f"graph: chromosome {unknown[0]!r} has no fold in {genome.name}, expected some of {', '.join(genome.folds)}"
        )
    wanted = set(genes["chrom"]) & set(genome.folds if chroms is None else chroms)
    if not wanted:
        found = ", ".join(genes["chrom"].unique())
        raise InputError(f"graph: no gene starts on the chromosomes {list(chroms)}, expected some of {found}; name others")
    return {chrom: size for chrom, size in genome.sizes.items() if chrom in wanted}


def _read_contacts(profile: Profile, cell_type: str, store: xr.Dataset, genome: Genome) -> list[pd.DataFrame]:
    """Tables as `inputs.raw.read_contacts` gives them: all contacts where there is a table of them, else those of pCREs."""
    # All: the limit on the contacts of pCREs does not hold here, but for Hi-C of even bins, which is read above it.
    if isinstance(profile.inputs, (RawInputs, OwnInputs)):
        return list(raw.read_contacts(profile, files_of(profile, cell_type).contacts, genome, cell_type).values())
    gene, rank = np.nonzero(store["gene_pcre"].values >= 0)
    gene_id, contact = store["gene_id"].values[gene], store["contact"].values[gene, rank]
    region = store["region"].values[store["gene_pcre"].values[gene, rank]]
    return [pd.DataFrame({"gene_id": gene_id, "region": region, "contact": contact})]


def pair_bins(tables: Sequence[pd.DataFrame], genes: pd.DataFrame, bins: Bins) -> tuple[pd.DataFrame, Counts]:
    """How often bins touch: first, second (bins, first < second) and frequency, summed over the contacts between the two.

    Parameters
    ----------
    tables : sequence of DataFrame
        frag1, frag2, frequency, of which each pair counts once, in either direction and with its largest frequency, as for
        pCREs; or gene_id, region, contact, of which each region counts once for all genes that start in one bin.
        A fragment belongs to the bin of its middle.
    genes : DataFrame
        gene_id, chrom, tss.

    Returns
    -------
    DataFrame, and contacts that were left out, by reason.
    """
    ends = pd.DataFrame({"first": [], "second": [], "frequency": []}).astype({"first": np.int64, "second": np.int64})
    if between := [table for table in tables if "gene_id" not in table and len(table)]:
        ends = pd.concat([ends, _ends_of_fragments(between, bins)])
    n_strange = 0
    if of_genes := [table for table in tables if "gene_id" in table]:
        table = pd.concat(of_genes, ignore_index=True)
        is_known = table["gene_id"].isin(genes["gene_id"])
        n_strange = int((~is_known).sum())
        ends = pd.concat([ends, _ends_of_genes(table[is_known], genes, bins)])
    first, second = np.sort(ends[["first", "second"]].to_numpy(), axis=1).T
    is_out = first < 0
    is_cis = ~is_out & (bins.chrom_idx(first) == bins.chrom_idx(second))
    is_same = is_cis & (first == second)
    kept = is_cis & ~is_same
    pairs = pd.DataFrame({"first": first[kept], "second": second[kept], "frequency": ends["frequency"].to_numpy()[kept]})
    counts = {
        "of a gene without features": n_strange, "chromosome without genes or left out": int(is_out.sum()),
        "between chromosomes": int((~is_out & ~is_cis).sum()), "within one bin": int(is_same.sum()),
    }  # fmt: skip
    return pairs.groupby(["first", "second"], as_index=False)["frequency"].sum(), counts


def _ends_of_fragments(tables: Sequence[pd.DataFrame], bins: Bins) -> pd.DataFrame:
    ends = union_categoricals([table[name].astype("category") for name in ("frag1", "frag2") for table in tables])
    node = _middle(ends.categories, bins)
    one, other = np.sort(ends.codes.reshape(2, -1), axis=0)
    pairs = pd.DataFrame({"one": one, "other": other, "frequency": np.concatenate([table["frequency"] for table in tables])})
    pairs = pairs.groupby(["one", "other"], as_index=False)["frequency"].max()
    return pd.DataFrame({"first": node[pairs["one"]], "second": node[pairs["other"]], "frequency": pairs["frequency"]})


def _ends_of_genes(table: pd.DataFrame, genes: pd.DataFrame, bins: Bins) -> pd.DataFrame:
    start = pd.Series(bins.at(genes["chrom"], genes["tss"]), genes["gene_id"])
    code, names = pd.factorize(table["region"].astype("str"))
    pairs = pd.DataFrame({"first": start[table["gene_id"]].to_numpy(), "region": code, "frequency": table["contact"].to_numpy()})
    pairs = pairs.groupby(["first", "region"], as_index=False)["frequency"].max()
    return pairs.assign(second=_middle(names, bins)[pairs["region"]])[["first", "second", "frequency"]]


def _middle(names: pd.Index, bins: Bins) -> np.ndarray:
    """The bin that holds the middle of each fragment."""
    spans = parse_fragments(pd.Index(names))
    return bins.at(spans["chrom"], (spans["start"] + spans["end"]) // 2)


def wire(pairs: pd.DataFrame, bins: Bins, *, n_strongest: int = N_STRONGEST) -> tuple[sparse.csr_array, Counts]:
    """Edges between the bins that touch most, by the authors' rules; (node, node), symmetric, 1 for each edge, float32.

    From each frequency goes the median of all pairs of bins as far apart on the chromosome, those that never touch among
    them; what is left above 0 is ranked, and two bins are joined where one is among the `n_strongest` of the other. Of equal
    ones the bins with the smaller numbers count first.
    """
    excess = pairs["frequency"].to_numpy() - _median_by_distance(pairs, bins)
    above = pairs[excess > 0]
    row, column = np.concatenate([above[["first", "second"]], above[["second", "first"]]]).T
    order = np.lexsort((column, -np.tile(excess[excess > 0], 2), row))
    row, column = row[order], column[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = rank < n_strongest
    edge = sparse.csr_array((np.ones(kept.sum(), np.float32), (row[kept], column[kept])), shape=(len(bins), len(bins)))
    edge = edge.maximum(edge.T).tocsr()
    counts = {
        "not above the median of their distance": len(pairs) - len(above),
        f"not among the {n_strongest} strongest of either": len(above) - edge.nnz // 2,
    }
    return edge, counts


def _median_by_distance(pairs: pd.DataFrame, bins: Bins) -> np.ndarray:
    """Of each pair, the median over a whole diagonal of its chromosome's matrix, (pair,).

    It is 0 but where half of the diagonal or more is filled, so only such a diagonal is laid out.
    """
    first, second, frequency = (pairs[name].to_numpy() for name in ("first", "second", "frequency"))
    chrom_idx, apart = bins.chrom_idx(first), second - first
    length = bins.n[chrom_idx] - apart
    n_pairs = pd.Series(length).groupby([chrom_idx, apart]).transform("size").to_numpy()
    filled = np.flatnonzero(2 * n_pairs >= length)
    median = np.zeros(len(pairs))
    for _, rows in pd.Series(filled).groupby([chrom_idx[filled], apart[filled]]):
        n_empty = length[rows.iloc[0]] - len(rows)
        median[rows] = np.median(np.append(frequency[rows], np.zeros(n_empty)))
    return median


# Genes to labels


def label_nodes(genes: pd.DataFrame, bins: Bins, adjacency: sparse.csr_array) -> tuple[pd.DataFrame, dict[str, Counts]]:
    """Nodes in which genes start, as `Graph.genes`, and what was left out: nodes without a neighbour, and their genes.

    The label is the most frequent of the node's genes, 0 where both are as frequent, NOT_MEASURED where no expression is known; the
    expression is their median.
    """
    genes = genes.assign(node_idx=bins.at(genes["chrom"], genes["tss"]))
    is_inside = genes["node_idx"] >= 0
    by_node = genes[is_inside].groupby("node_idx")
    n_genes, n_on = by_node["label"].size(), by_node["label"].sum()
    expression, label = by_node["expression"].median(), (2 * n_on > n_genes).astype(np.int64)
    n_other = n_on.where(label == 0, n_genes - n_on)
    is_known = expression.notna()
    label, n_other = label.where(is_known, NOT_MEASURED), n_other.where(is_known, 0)
    nodes = pd.DataFrame({"expression": expression, "label": label, "n_genes": n_genes, "n_other": n_other})
    first = genes[is_inside].drop_duplicates("node_idx")
    labelled = first.drop(columns=["expression", "label"]).join(nodes, on="node_idx")
    has_neighbour = np.diff(adjacency.indptr)[labelled["node_idx"]] > 0
    kept = labelled.loc[has_neighbour, [*genes.columns, "n_genes", "n_other"]].reset_index(drop=True)
    of_genes = {
        "chromosome left out": int((~is_inside).sum()),
        "in a node without a neighbour": int(labelled["n_genes"][~has_neighbour].sum()),
        "in a node that another represents": int((kept["n_genes"] - 1).sum()),
    }
    return kept, {"genes": of_genes, "nodes with genes": {"without a neighbour": int((~has_neighbour).sum())}}


# Signal to features. Marks are in the profile's order; the authors' is that of the alphabet, which is only another numbering.


def _signal(
    profile: Profile, cell_type: str, store: xr.Dataset, genome: Genome, bins: Bins
) -> tuple[np.ndarray, np.ndarray | float]:
    """Signal of each bin, (node, m), to be compared within a chromosome; and the share of its bp of which it is, (node,)."""
    if not isinstance(profile.inputs, (RawInputs, OwnInputs)):
        return mean_of_store(store, bins)
    # Deviates: the authors count the reads that touch a bin. Depth summed over it is the length of reads times their number,
    # and after the division by the largest the same, but for reads that lie across a border: they count in parts.
    with hold(profile.work_dir / ".locks" / f"features-{cell_type}"):
        bigwigs, _ = raw.ensure_signal(profile, cell_type, files_of(profile, cell_type), genome)
        bigwigs = bigwigs[: len(profile.marks)]  # without the extra tracks, which come after the marks
        means = depth.bin_means(bigwigs, [Region(chrom, 0, size) for chrom, size in bins.sizes.items()], bins.bin_bp)
    return means * _width(bins)[:, None], 1.0


def mean_of_store(store: xr.Dataset, bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Mean over those positions of each node that a feature store holds, (node, m), 0 where it holds none; and their share.

    Deviates: the authors have reads of whole bins. A position that several windows or pCREs hold counts with each.
    """
    chrom, start, end, total = _bins_of_store(store)
    chrom_idx = pd.Index(list(bins.sizes)).get_indexer(chrom)
    order = np.lexsort((start, chrom_idx))
    order = order[((end > start) & (chrom_idx >= 0))[order]]
    chrom, chrom_idx, start, end, total = chrom[order], chrom_idx[order], start[order], end[order], total[order]
    bp = _overlap(bins, chrom, start, end)
    mean = bp @ (total / (end - start)[:, None]) / np.maximum(bp.sum(1), 1)[:, None]
    reach = pd.Series(end).groupby(chrom_idx).cummax().groupby(chrom_idx).shift(fill_value=0).to_numpy()  # of those before
    is_new = end > reach
    new = _overlap(bins, chrom[is_new], np.maximum(start, reach)[is_new], end[is_new])
    return mean, new.sum(1) / _width(bins)


def _overlap(bins: Bins, chrom: np.ndarray, start: np.ndarray, end: np.ndarray) -> sparse.csr_array:
    """bp that each node shares with each of some regions, (node, region); these are no wider than a node, so lie in two at most."""
    left, right = bins.at(chrom, start), bins.at(chrom, end - 1)
    n_right = np.where(left == right, 0, end - bins.table()["start"].to_numpy()[right])
    place = np.concatenate([left, right]), np.tile(np.arange(len(start)), 2)
    return sparse.csr_array((np.concatenate([end - start - n_right, n_right]), place), shape=(len(bins), len(start)))


def _width(bins: Bins) -> np.ndarray:
    table = bins.table()
    return (table["end"] - table["start"]).to_numpy()


def _bins_of_store(store: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Chromosome, start, end (on the chromosome) and summed signal (row, m) of all bins: of promoters, then of pCREs."""
    base_bp, n_bins, chroms = int(store.attrs["base_bp"]), store.sizes["bin"], store["chrom"].values
    start = store["tss"].values[:, None] + store["bin_start"].values
    end = np.minimum(start + base_bp, store["chrom_bp"].values[:, None])
    promoter = np.repeat(chroms, n_bins), np.maximum(start, 0).ravel(), end.ravel()
    regions, n_rows = [Region.parse(name) for name in store["region"].values], np.diff(store["pcre_row"].values)
    k = np.arange(n_rows.sum()) - np.repeat(store["pcre_row"].values[:-1], n_rows)
    first, last = (np.repeat(np.array([getattr(region, name) for region in regions], np.int64), n_rows) for name in ("start", "end"))
    start, end = first + k * base_bp, np.minimum(first + (k + 1) * base_bp, last)
    pcre = np.repeat(np.array([region.chrom for region in regions], chroms.dtype), n_rows), start, end
    # A promoter's bin is divided by its whole width also at the end of a chromosome, the last of a pCRE by what it has.
    total = store["promoter"].values.reshape(-1, store.sizes["mark"]) * base_bp, store["pcre_depth"].values * (end - start)[:, None]
    return tuple(np.concatenate(parts) for parts in (*zip(promoter, pcre, strict=True), total))


def share_of_largest(signal: np.ndarray, bins: Bins) -> np.ndarray:
    """Signal (node, m) divided by the largest of its mark on the chromosome, so in [0, 1]; float32."""
    largest = np.maximum.reduceat(signal, bins.first, axis=0)
    return (signal / np.repeat(np.where(largest > 0, largest, 1), bins.n, axis=0)).astype(np.float32)
