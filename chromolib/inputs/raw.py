"""Raw files as parts of features: reads or other signal, expression, annotation, contacts.

In: a profile of kind raw or own. Out: Parts; depth in reads over a base pair, or the scale of the bigWigs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import align, contacts, depth, readers
from ..config import PC1, InputError
from ..genome import Genome, Region
from ..profile import Profile
from ..sections import OwnInputs
from .files import Files, Sample, expression_files, files_of
from .parts import Parts, labels, no_pairs, one_class

Counts = dict[str, dict[str, int]]  # what -> reason -> rows


def read(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    files = files_of(profile, cell_type)
    tss, dropped, genes = _genes(profile, files, genome, cell_type)
    genes["label"] = labels(genes["expression"], profile.rules.label)
    if fault := one_class(genes["label"], genes["expression"]):
        raise InputError(f"{files.expression}: {cell_type}: {fault}")
    tables = read_contacts(profile, files.contacts, genome, cell_type)
    pairs, of_pairs = pairs_of(profile, list(tables.values()), tss)
    of_contacts = {f"contacts of {path.name}": table.attrs["dropped"] for path, table in tables.items()}
    domains = None if files.domains is None else readers.read_tads(files.domains, genome)
    bigwigs, of_signal = ensure_signal(profile, cell_type, files, genome)
    pc1 = None
    if PC1 in profile.extra_tracks:
        pc1, dropped[f"bins of {PC1}"] = read_pc1(files.compartments, genome, cell_type)

    def read_bins(regions: Sequence[Region]) -> np.ndarray:
        bins = depth.bin_means(bigwigs, regions, profile.base_bp)
        if pc1 is None:
            return bins
        return np.insert(bins, profile.tracks.index(PC1), depth.bins_of_segments(pc1, regions, profile.base_bp), axis=1)

    dropped |= of_signal | of_contacts | of_pairs
    return Parts(genes, pairs, read_bins, dropped, scale=files.samples[0].scale, domains=domains)


def _genes(profile: Profile, files: Files, genome: Genome, cell_type: str) -> tuple[pd.DataFrame, Counts, pd.DataFrame]:
    """TSSs of the genes with expression, or where none is known of all genes, what was dropped, and a row per gene with its
    expression, NaN where none is known."""
    if files.expression is None:
        tss, dropped = read_tss(profile, files, genome)
        return tss, dropped, tss[tss["order"] == 0].assign(expression=np.nan).reset_index(drop=True)
    expression = read_expression(profile, [cell_type]).rename(columns={cell_type: "expression"})
    tss, dropped = read_tss(profile, files, genome, expression["gene_id"])
    return tss, dropped, tss[tss["order"] == 0].merge(expression, on="gene_id")


def read_expression(profile: Profile, cell_types: Sequence[str]) -> pd.DataFrame:
    """Expression of some cell types: gene_id and a column each. Genes that one of several files lacks are left out."""
    read_from = {
        "rpkm": readers.read_expression,
        "table": readers.read_expression_table,
        "rsem": lambda path, names: readers.read_rsem(path, unit=getattr(profile.inputs, "expression_unit", "FPKM")).rename(columns={"expression": names[0]}),
    }[profile.inputs.expression_format]
    paths = expression_files(profile, cell_types)
    if profile.inputs.expression_format == "rsem" and (several := [path for path, names in paths.items() if len(names) > 1]):
        raise InputError(
            f"{several[0]}: a table of RSEM is of one cell type, but {', '.join(paths[several[0]])} name it; expected a file for "
            "each, with {cell_type} in inputs.expression"
        )
    tables = [read_from(path, names).set_index("gene_id")[names] for path, names in paths.items()]
    return pd.concat(tables, axis=1, join="inner")[list(cell_types)].reset_index()


def read_tss(
    profile: Profile, files: Files, genome: Genome, gene_ids: pd.Series | None = None
) -> tuple[pd.DataFrame, Counts]:
    """TSSs of the genes with expression, `gene_ids`, or of all genes, as `contacts.all_tss` gives them, and what was dropped."""
    transcripts, gene_info = read_annotation(profile, files.annotation, files.gene_info, genome)
    if gene_ids is None:
        gene_ids = known_genes(transcripts, gene_info)
    tss = tss_of(profile, transcripts, gene_info, gene_ids)
    if tss.empty:
        known = known_genes(transcripts, gene_info)
        raise InputError(
            f"{files.annotation}: none of its {len(known):,} genes ({known.min()}, ...) is one of the "
            f"{len(gene_ids):,} of {files.expression or files.gene_info} ({gene_ids.min()}, ...); expected the same ids; rename one side"
        )
    genes = "genes with expression" if files.expression else "genes"
    dropped = {"transcripts": transcripts.attrs["dropped"], genes: tss.attrs["dropped"]}
    return tss, dropped | ({} if gene_info is None else {"names of genes": gene_info.attrs["dropped"]})


def read_annotation(
    profile: Profile, path: Path, gene_info: Path | None, genome: Genome, faults: list[str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Transcripts, and the table that gives them to genes by symbol where they have no gene_id of their own."""
    form = profile.inputs.annotation_format
    rule = {} if profile.rules.tss_rule is None else {"tss_rule": profile.rules.tss_rule}
    if form == "table":
        return readers.read_tss_table(path, genome, faults), None
    if form == "gtf":
        return readers.read_gtf(path, genome, biotype=profile.rules.biotype, **rule), None
    transcripts = readers.read_transcripts(path, genome, **rule)
    if gene_info is None:
        return transcripts.assign(gene_id=transcripts["symbol"]), None
    return transcripts, readers.read_gene_info(gene_info)


def known_genes(transcripts: pd.DataFrame, gene_info: pd.DataFrame | None) -> pd.Series:
    """The ids that an annotation knows, each once."""
    return (transcripts if gene_info is None else gene_info)["gene_id"].drop_duplicates()


def tss_of(
    profile: Profile, transcripts: pd.DataFrame, gene_info: pd.DataFrame | None, gene_ids: Iterable[str]
) -> pd.DataFrame:
    """As `contacts.all_tss`: rows of a table that a user wrote are in order already."""
    is_listed = profile.inputs.annotation_format == "table"
    return contacts.all_tss(transcripts, gene_info, gene_ids, is_listed=is_listed)


def read_contacts(
    profile: Profile, paths: Sequence[Path], genome: Genome, cell_type: str, faults: list[str] | None = None
) -> dict[Path, pd.DataFrame]:
    """Contacts of each file, between fragments (kind, frag1, frag2, frequency) or of genes (gene_id, region, contact)."""
    inputs = profile.inputs
    form, sample = inputs.contacts_format, inputs.contacts_samples.get(cell_type, cell_type)
    column = {} if inputs.contacts_column is None else {"frequency": inputs.contacts_column}
    if form == "pickles":  # one says what touches what, the other how often
        if len(paths) != 2:
            raise InputError(
                f"profile {profile.name}: inputs.contacts: {len(paths)} files, expected two pickles, of neighbours and of scores; name both"
            )
        return {paths[0]: readers.read_release_contacts(*paths, genome)}
    read_from = {
        "3div": lambda path: readers.read_contacts(path, genome, **column),
        "geo": lambda path: readers.read_geo_contacts(path, genome, **column),
        "geo-significant": lambda path: readers.read_significant_contacts(path, genome, sample=sample, **column),
        "matrices": lambda path: readers.read_hic(path, genome, above=profile.rules.min_contact),
        "ibed": lambda path: readers.read_ibed(path, genome),
        "peak-matrix": lambda path: readers.read_peak_matrix(path, genome, sample=sample),
        "bedpe": lambda path: readers.read_bedpe(path, genome, column=int(inputs.contacts_column or 8), faults=faults),
        "table": lambda path: readers.read_contact_table(path, genome, cell_type, faults, cell_types=None if faults is None else tuple(profile.cell_types)),
    }[form]
    return {path: read_from(path) for path in paths}


def pairs_of(profile: Profile, tables: Sequence[pd.DataFrame], tss: pd.DataFrame) -> tuple[pd.DataFrame, Counts]:
    """Regions that each gene touches by the profile's rules: gene_id, region, contact; and what was dropped."""
    rules, dropped, pairs = profile.rules, {}, [no_pairs()]
    if rules.tss == "promoter":
        tss = tss[tss["order"] == 0]
    if links := [table for table in tables if "gene_id" in table]:
        table = pd.concat(links, ignore_index=True)
        home = table["gene_id"].map(tss.drop_duplicates("gene_id").set_index("gene_id")["chrom"])
        is_home = table["region"].str.split(":").str[0] == home
        is_frequent = table["contact"] > rules.min_contact
        strongest = table.sort_values("contact", ascending=False, kind="stable")
        is_again = strongest.duplicated(["gene_id", "region"]).reindex(table.index)
        counts = {
            "gene without a TSS or expression": home.isna().sum(),
            "region on another chromosome than the gene": (home.notna() & ~is_home).sum(),  # it may lie in another fold
            f"contact of {rules.min_contact:g} or less": (is_home & ~is_frequent).sum(),
            "gene and region seen before, contact not larger": (is_home & is_frequent & is_again).sum(),
        }
        kept = readers.checked(table.loc[is_home & is_frequent & ~is_again, ["gene_id", "region", "contact"]], counts)
        dropped["contacts of genes"] = kept.attrs["dropped"]
        pairs.append(kept)
    if touching := [table for table in tables if "gene_id" not in table]:
        table = pd.concat(touching, ignore_index=True)
        is_closed = profile.inputs.contacts_format not in ("matrices", "bedpe", "table")
        held = contacts.fragments_of_tss(tss, contacts.bait_fragments(table), is_closed=is_closed)
        if profile.inputs.contacts_format not in ("bedpe", "table"):  # those that a user writes may overlap; of all others the first counts
            held = held.drop_duplicates("row")
        near, reached = contacts.neighbours(table, rules.min_contact), tss.iloc[held["row"]].set_axis(held.index)
        pairs.append(contacts.pairs_of_genes(reached, held["fragment"], near, repeated=rules.repeated))
        n_without = tss["gene_id"].nunique() - reached["gene_id"].nunique()
        dropped["genes with contacts"] = {"no TSS in a fragment": n_without} if n_without else {}
    return pd.concat(pairs, ignore_index=True).drop_duplicates(["gene_id", "region"]), dropped


def read_pc1(path: Path, genome: Genome, cell_type: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """PC1 of a cell type, from its column of the table: chrom, start, end, value; and what was dropped."""
    table = readers.read_compartments(path, genome, [cell_type])
    n_blank = int(table[cell_type].isna().sum())
    dropped = table.attrs["dropped"] | ({"no value, taken for 0": n_blank} if n_blank else {})
    return table.rename(columns={cell_type: "value"}).dropna(subset="value"), dropped


def depth_path(profile: Profile, cell_type: str, mark: str) -> Path:
    """Where the depth of a mark's reads is kept, beside it a note of how many they were."""
    return profile.work_dir / cell_type / "depth" / f"{mark}.bw"


def libraries(profile: Profile, cell_type: str) -> list[tuple[str, str, list[Path], float, float]]:
    """Mark, kind, files, reads and duplicates of each mark and other signal, as the table of `inputs.libraries` has them; no
    alignment is read."""
    samples, rows = files_of(profile, cell_type).samples, []
    for mark in profile.sampled:
        own = [sample for sample in samples if sample.mark == mark]
        formats, n_reads, n_duplicates = {sample.format for sample in own}, np.nan, np.nan
        kind = f"{'signal' if formats == {'bigwig'} else 'reads'} ({', '.join(sorted(formats))})"
        if formats != {"bigwig"} and (counted := depth.read_note(depth_path(profile, cell_type, mark).with_suffix(".json")).get("reads")):
            n_reads = counted["kept"]
            if profile.rules.drop_duplicates and formats == {"bam"}:  # in no other format they are marked
                n_duplicates = counted["dropped"].get("duplicate", 0)
        rows.append((mark, kind, [sample.path for sample in own], n_reads, n_duplicates))
    return rows


def ensure_signal(profile: Profile, cell_type: str, files: Files, genome: Genome) -> tuple[list[Path], Counts]:
    """A bigWig of each mark and other signal, made from reads where it is missing or out of date; and what was dropped of the reads."""
    bigwigs, dropped = [], {}
    for mark in tqdm(profile.sampled, desc=f"{cell_type} depth", unit="mark", disable=None):
        samples = [sample for sample in files.samples if sample.mark == mark]
        if samples[0].format == "bigwig":
            bigwigs.append(samples[0].path)
            continue
        bigwigs.append(depth_path(profile, cell_type, mark))
        dropped[f"reads of {mark}"] = _ensure_depth(profile, samples, files.fasta, bigwigs[-1], genome)["dropped"]
    return bigwigs, dropped


def _ensure_depth(profile: Profile, samples: list[Sample], fasta: Path | None, path: Path, genome: Genome) -> dict:
    rules, paths = profile.rules, [sample.path for sample in samples]
    options = {"truncate_bp": rules.truncate_bp, "max_reads": rules.max_reads, "seed": rules.seed, "clip": rules.clip_depth}
    options |= {name: getattr(rules, name) for name in ("drop_duplicates", "min_mapq") if getattr(rules, name)}  # else notes of before would not hold
    if samples[0].format == "fastq":
        # A sequence of a user's own may serve many profiles, and so does its index beside it.
        index = None if isinstance(profile.inputs, OwnInputs) else profile.work_dir / f"{fasta.name}.bwa"
        return align.ensure_depth(paths, fasta, path, genome, index=index, **options)
    return depth.ensure(paths, path, genome, **options)
