"""Raw files as parts of features: reads or other signal, expression, annotation, contacts.

In: a profile of kind raw or own. Out: Parts; depth in reads over a base pair, or the scale of the bigWigs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import contacts, depth, readers
from ..config import InputError, Profile
from ..genome import Genome, Region
from .files import Files, Sample, files_of
from .parts import Parts, labels, no_pairs

Counts = dict[str, dict[str, int]]  # what -> reason -> rows


def read(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    files = files_of(profile, cell_type)
    expression = read_expression(profile, [cell_type]).rename(columns={cell_type: "expression"})
    tss, dropped = read_tss(profile, files, genome, expression["gene_id"])
    genes = tss[tss["order"] == 0].merge(expression, on="gene_id")
    genes["label"] = labels(genes["expression"], profile.rules.label)
    pairs, of_contacts = read_pairs(profile, files, genome, cell_type, tss)
    bigwigs, of_signal = ensure_signal(profile, cell_type, files, genome)

    def read_bins(regions: Sequence[Region]) -> np.ndarray:
        return np.stack([depth.bin_mean(path, regions, profile.base_bp) for path in bigwigs], axis=1)

    return Parts(genes, pairs, read_bins, of_signal | dropped | of_contacts, scale=files.samples[0].scale)


def read_expression(profile: Profile, cell_types: Sequence[str]) -> pd.DataFrame:
    """Expression of some cell types: gene_id and a column each. Genes that one of several files lacks are left out."""
    read_from = {
        "rpkm": readers.read_expression,
        "table": readers.read_expression_table,
        "rsem": lambda path, names: readers.read_rsem(path).rename(columns={"expression": names[0]}),
    }[profile.inputs.expression_format]
    paths: dict[Path, list[str]] = {}
    for name in cell_types:
        paths.setdefault(files_of(profile, name).expression, []).append(name)
    tables = [read_from(path, names).set_index("gene_id")[names] for path, names in paths.items()]
    return pd.concat(tables, axis=1, join="inner")[list(cell_types)].reset_index()


def read_tss(
    profile: Profile, files: Files, genome: Genome, gene_ids: pd.Series
) -> tuple[pd.DataFrame, Counts]:
    """TSSs of the genes with expression, as `contacts.all_tss` gives them, and what was dropped."""
    dropped: Counts = {}
    form, gene_info = profile.inputs.annotation_format, None
    if form == "table":
        transcripts = readers.read_tss_table(files.annotation, genome)
    elif form == "gtf":
        transcripts = readers.read_gtf(files.annotation, genome)
    else:
        transcripts = readers.read_transcripts(files.annotation, genome)
        if files.gene_info is None:
            transcripts = transcripts.assign(gene_id=transcripts["symbol"])
        else:
            gene_info = readers.read_gene_info(files.gene_info)
            dropped["names of genes"] = gene_info.attrs["dropped"]
    tss = contacts.all_tss(transcripts, gene_info, gene_ids, is_listed=form == "table")
    if tss.empty:
        known = transcripts["symbol" if gene_info is not None else "gene_id"]
        raise InputError(
            f"{files.annotation}: none of its {known.nunique():,} genes ({', '.join(known.unique()[:2])}, ...) is one of the "
            f"{len(gene_ids):,} of {files.expression} ({', '.join(gene_ids[:2])}, ...); expected the same ids; rename one side"
        )
    return tss, {"transcripts": transcripts.attrs["dropped"]} | dropped | {"genes with expression": tss.attrs["dropped"]}


def read_pairs(
    profile: Profile, files: Files, genome: Genome, cell_type: str, tss: pd.DataFrame
) -> tuple[pd.DataFrame, Counts]:
    """Regions that each gene touches: gene_id, region, contact; and what was dropped."""
    rules = profile.rules
    if rules.tss == "promoter":
        tss = tss[tss["order"] == 0]
    tables = {path: _read_contacts(profile.inputs.contacts_format, path, genome, cell_type) for path in files.contacts}
    dropped = {f"contacts of {path.name}": table.attrs["dropped"] for path, table in tables.items()}
    links = [table for table in tables.values() if "gene_id" in table]
    touching = [table for table in tables.values() if "gene_id" not in table]
    pairs = [no_pairs()]
    for table in links:
        is_known, is_frequent = table["gene_id"].isin(tss["gene_id"]), table["contact"] > rules.min_contact
        counts = {
            "gene without a TSS or expression": (~is_known).sum(),
            f"contact of {rules.min_contact:g} or less": (is_known & ~is_frequent).sum(),
        }
        dropped["links of genes"] = readers.checked(table[:0], counts).attrs["dropped"]
        pairs.append(table.loc[is_known & is_frequent, ["gene_id", "region", "contact"]])
    if touching:
        together = pd.concat(touching, ignore_index=True)
        fragments = contacts.fragment_of_tss(tss, contacts.bait_fragments(together))
        near = contacts.neighbours(together, rules.min_contact)
        pairs.append(contacts.pairs_of_genes(tss, fragments, near, repeated=rules.repeated))
        n_without = tss["gene_id"].nunique() - tss["gene_id"][fragments.notna()].nunique()
        dropped["genes with contacts"] = {"no TSS in a fragment": n_without} if n_without else {}
    return pd.concat(pairs, ignore_index=True).drop_duplicates(["gene_id", "region"]), dropped


def _read_contacts(form: str, path: Path, genome: Genome, cell_type: str) -> pd.DataFrame:
    if form == "table":
        return readers.read_contact_table(path, genome, cell_type)
    return {"3div": readers.read_contacts}[form](path, genome)


def ensure_signal(profile: Profile, cell_type: str, files: Files, genome: Genome) -> tuple[list[Path], Counts]:
    """A bigWig of each mark, made from reads where it is missing or out of date; and what was dropped of the reads."""
    bigwigs, dropped = [], {}
    for mark in tqdm(profile.marks, desc=f"{cell_type} depth", unit="mark", disable=None):
        samples = [sample for sample in files.samples if sample.mark == mark]
        if samples[0].format == "bigwig":
            bigwigs.append(samples[0].path)
            continue
        bigwigs.append(profile.work_dir / cell_type / "depth" / f"{mark}.bw")
        dropped[f"reads of {mark}"] = _ensure_depth(profile, samples, bigwigs[-1], genome)["dropped"]
    return bigwigs, dropped


def _ensure_depth(profile: Profile, samples: list[Sample], path: Path, genome: Genome) -> dict:
    return depth.ensure(samples[0].path, path, genome)
