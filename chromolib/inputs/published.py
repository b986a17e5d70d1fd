"""Signal that others have binned as parts of features; RPKM, places of genes and strands from tables that fit all of them.

In: a profile of kind published. Out: Parts, in the scale of each publisher.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .. import sources
from ..config import MARKS, InputError
from ..genome import Genome, Region
from ..profile import Profile
from ..readers import published
from .parts import Parts, labels, no_bins, no_pairs, turn_minus


def read(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    """Signal that others have binned; RPKM, places of genes and their strands from tables that fit all of them."""

    def path(source_id: str) -> Path:
        return sources.fetch_of(profile, source_id)

    ids = sources.ids_of(profile, cell_type)
    targets = published.read_targets({cell_type: path(ids["targets"][0])}, path(ids["gene list"][0]))
    bounds = published.read_gene_bounds(path(ids["gene bounds"][0]))
    windows = published.read_gene_windows(path(ids["gene windows"][0]))
    signal = [path(source_id) for source_id in ids["signal"]]
    binned = {"patternchrome": _read_patternchrome, "avocado-pilot": _read_pilot, "deepdiff": _read_deepdiff}
    parts = binned[profile.inputs.format](profile, signal, bounds, windows)
    n_genes = len(parts.genes)
    expression = targets[cell_type].reindex(parts.genes["gene_id"]).to_numpy()
    is_known = np.isfinite(expression)
    genes = parts.genes.assign(expression=expression)[is_known].reset_index(drop=True)
    genes["label"] = labels(genes["expression"], profile.rules.label)
    dropped = parts.dropped | {f"{n_genes:,} genes with signal": {"no RPKM": int((~is_known).sum())}}
    pairs = parts.pairs
    for source_id in ids["contacts"]:
        links = published.read_links(path(source_id))[["gene_id", "region", "contact"]]
        links = links[links["gene_id"].isin(genes["gene_id"])]
        is_inside = published.is_in_pilot([Region.parse(name) for name in links["region"]])
        pairs = links[is_inside]
        dropped[f"links of these genes ({source_id})"] = {"region outside of the pilot regions": int((~is_inside).sum())}
    for what, table in (("RPKM", targets), ("places of genes", windows), ("strands of genes", bounds)):
        dropped[what] = table.attrs["dropped"]
    promoter = None if parts.promoter is None else parts.promoter[is_known]
    return parts._replace(genes=genes, pairs=pairs, dropped=dropped, promoter=promoter)


def _read_patternchrome(profile: Profile, paths: list[Path], bounds: pd.DataFrame, windows: pd.DataFrame) -> Parts:
    gene_ids, depth = published.read_patternchrome_marks(dict(zip(profile.marks, paths, strict=True)))
    genes = _placed(pd.DataFrame({"gene_id": gene_ids}), windows, bounds)
    # The signal lies around RefSeq's TSS, which `bounds` has of most genes; the others keep Ensembl's.
    refseq = genes["gene_id"].map(bounds.drop_duplicates("gene_id", keep=False).set_index("gene_id")["tss"])
    genes["tss"] = refseq.fillna(genes["tss"]).astype(int)
    # Bins are in the direction of transcription, so where no table knows the strand, either will do.
    noted = {"genes that are kept": {"strand unknown, taken for +": int(genes["strand"].isna().sum())}}
    genes["strand"] = genes["strand"].fillna("+")
    return Parts(genes, no_pairs(), no_bins, noted, turn_minus(depth, genes["strand"]), "depth")


def _read_pilot(profile: Profile, paths: list[Path], bounds: pd.DataFrame, windows: pd.DataFrame) -> Parts:
    tracks, half = [published.read_pilot_track(path) for path in paths], profile.frame_bp // 2
    around = [Region(gene.chrom, gene.tss - half, gene.tss + half) for gene in bounds.itertuples()]
    is_inside = published.is_in_pilot(around)
    genes = bounds[is_inside].reset_index(drop=True)
    dropped = {"genes with a place": {"window not whole in a pilot region": int((~is_inside).sum())}}

    def read_bins(regions: Sequence[Region]) -> np.ndarray:
        return np.stack([published.pilot_mean(track, regions, profile.base_bp) for track in tracks], axis=1)

    return Parts(genes, no_pairs(), read_bins, dropped, None, "arcsinh-p")


def _read_deepdiff(profile: Profile, paths: list[Path], bounds: pd.DataFrame, windows: pd.DataFrame) -> Parts:
    tables = [published.read_deepdiff(path) for path in paths]
    genes = _placed(pd.concat([genes for genes, _ in tables], ignore_index=True)[["gene_id"]], windows, bounds)
    counts = np.concatenate([counts for _, counts in tables])[:, :, [MARKS.index(mark) for mark in profile.marks]]
    is_known = genes["strand"].notna().to_numpy()
    dropped = {f"{len(genes):,} genes of the sample": {"no strand": int((~is_known).sum())}}
    return Parts(genes[is_known].reset_index(drop=True), no_pairs(), no_bins, dropped, counts[is_known], "counts")


def _placed(genes: pd.DataFrame, windows: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """Genes with symbol, chromosome and TSS of one table and the strand of another, missing where that has none.

    The strand is looked up by id, then by symbol.
    """
    placed = genes.merge(windows, on="gene_id", how="left", validate="many_to_one")
    if placed["chrom"].isna().any():
        gene = placed.loc[placed["chrom"].isna(), "gene_id"].iloc[0]
        raise InputError(f"gene {gene}: has signal but no place in the table of windows; fetch both again")
    by_id, by_symbol = (bounds.drop_duplicates(key, keep=False).set_index(key)["strand"] for key in ("gene_id", "symbol"))
    strand = placed["gene_id"].map(by_id).fillna(placed["symbol"].map(by_symbol))
    # Windows count from 1 and mean the first base of the gene; a TSS here is one base upstream of it, counted from 0.
    return placed.assign(strand=strand, tss=placed["tss"] - np.where(strand == "-", 0, 2))
