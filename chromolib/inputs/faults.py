"""Everything that is wrong with a profile and its files, found before anything is computed.

In: a profile's name or path. Out: lines of text, each with file, line where there is one, what was found and what is
expected; and notes on what fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pysam
from tqdm import tqdm

from .. import align, readers, sources
from ..config import ROOT, InputError
from ..genome import Genome, build_names, profile_genome
from ..profile import Profile, cohort_of, profile_file, profile_names, try_profile
from ..sections import GO, OwnInputs, RawInputs
from . import raw
from .files import Sample, expression_files, mixed, place_of
from .parts import labels, one_class

LARGE_AMOUNT = 25  # RPKM or TPM of some gene in any cells; log2 of one is hardly that large
LARGE_ARCSINH = 20  # the arcsinh of 240 million, which no -log10 p is
MAY_BE_BARE = ("chrY", "Y")  # of reads: cells may be female


class Findings(NamedTuple):
    """What a check found."""

    profile: Profile | None
    faults: list[str]
    notes: list[str]


def find(name: str) -> Findings:
    """Check a profile and, where it is of a user's own data, every file that it names."""
    profile, faults = try_profile(name)
    notes: list[str] = []
    if profile is None:
        return Findings(None, faults, notes)
    genome = _tried(faults, profile_genome, profile)
    _tried(faults, profile.train_config)
    if isinstance(profile.inputs, OwnInputs) and profile.name in profile_names() and profile_file(name).resolve() != profile_file(profile.name).resolve():
        faults.append(
            f"profile {profile.name}: name: found that of {profile_file(profile.name)}, whose folders below data/ and _build/ both would share; expected one "
            "of its own; choose another"
        )
    for notebook in profile.notebooks:
        if not (ROOT / "notebooks" / f"{notebook}.ipynb").is_file():
            faults.append(f"profile {profile.name}: notebooks: no notebook {notebook!r}; see notebooks/")
    if genome is not None:
        folds = ", ".join(map(str, genome.fold_ids))
        notes.append(f"genome {genome.name}, {len(genome.sizes)} chromosomes in folds {folds}")
        if profile.chrom_sizes and not profile.folds and profile.genome in build_names():
            notes.append(f"chrom_sizes: {genome.name} is known by name, but chromosomes of this file are dealt into folds anew; leave it out for the build's own folds")
    if isinstance(profile.inputs, OwnInputs):
        _check_own(profile, genome, faults, notes)
    if genome is not None and not profile.simulated:
        _check_companions(profile, genome, faults)
    if profile.simulated:
        _tried(faults, cohort_of, profile)
    if isinstance(profile.inputs, RawInputs) and profile.inputs.reads_format == "fastq":
        _tried(faults, align.check_programs)
    if profile.second_species:
        _check_second_species(profile, faults, notes)
    return Findings(profile, list(dict.fromkeys(faults)), notes)


def _tried(faults: list[str], function, *args, **options):
    """What a function returns; None where it raises an InputError, which becomes a fault."""
    try:
        return function(*args, **options)
    except InputError as error:
        faults.append(str(error))
        return None


def _check_own(profile: Profile, genome: Genome | None, faults: list[str], notes: list[str]) -> None:
    """What does not need the genome is checked without one."""
    inputs, covered = profile.inputs, {}
    samples = _tried(faults, readers.read_samples, profile.folder / inputs.samples, faults)
    if samples is not None:
        covered = _check_samples(profile, genome, samples, faults, notes)
    expression = _expression(profile, faults)
    if genome is None:
        return
    tss = _check_genes(profile, genome, expression, faults, notes)
    if tss is not None:
        _check_coverage(genome, covered, tss, faults)
    for cell_type in profile.cell_types if inputs.contacts else []:
        _check_contacts(profile, genome, cell_type, tss, faults, notes)
    for path in dict.fromkeys(profile.folder / inputs.domains.format(cell_type=name) for name in profile.cell_types if inputs.domains):
        _tried(faults, readers.read_tads, path, genome)
    for cell_type in profile.cell_types if inputs.compartments else []:
        path = profile.folder / inputs.compartments.format(cell_type=cell_type)
        _tried(faults, readers.read_compartments, path, genome, [cell_type])


def _check_companions(profile: Profile, genome: Genome, faults: list[str]) -> None:
    """Those that are files; what comes from a source is verified when it is fetched."""
    named = profile.companions
    patterns = [(named.segmentation, readers.read_segments, profile.cell_types)]
    patterns += [(pattern, readers.read_peaks, named.polycomb_of or profile.cell_types) for pattern in named.polycomb.values()]
    files = [(pattern.format(cell_type=name), read) for pattern, read, names in patterns if pattern for name in names]
    for name, read in dict.fromkeys(files):
        if not name.startswith(sources.PREFIX):
            _tried(faults, read, place_of(profile)(name), genome)
    if named.gene_sets and named.gene_sets != GO and not named.gene_sets.startswith(sources.PREFIX):
        _tried(faults, readers.read_gene_sets, place_of(profile)(named.gene_sets))


def _check_second_species(profile: Profile, faults: list[str], notes: list[str]) -> None:
    """Can networks of the two profiles read each other's genes, and is the table of orthologues right, where it is a file?"""
    named = profile.second_species
    other, wrong = try_profile(named.profile)
    faults += [f"profile {profile.name}: second_species: {fault}" for fault in wrong]
    if other:
        _tried(faults, other.check_measured)
        if other.name == profile.name:
            faults.append(f"profile {profile.name}: second_species: {named.profile} has the same name, whose folders both would share; expected another; rename one")
    for setting in ("marks", "frame_bp", "bin_bp", "log_base") if other else ():
        here, there = getattr(profile, setting), getattr(other, setting)
        if here != there:
            faults.append(
                f"profile {profile.name}: second_species: {setting} of {other.name} is {there}, expected {here} as here, since networks of one "
                "read genes of the other; make the two alike"
            )
    if profile.simulated or named.orthologues.startswith(sources.PREFIX):
        return
    pairs = _tried(faults, readers.read_orthologues, place_of(profile)(named.orthologues))
    if pairs is not None:
        n_several = ", ".join(f"{n:,} of {what} in several" for what, n in pairs.attrs["several"].items())
        notes.append(f"{named.orthologues}: {len(pairs):,} pairs of orthologues; {n_several}")


# Signal


def _check_samples(
    profile: Profile, genome: Genome | None, samples: pd.DataFrame, faults: list[str], notes: list[str]
) -> dict[Path, set[str]]:
    """The chromosomes that each file of reads has some on, of those that are of this build."""
    covered = {}
    sheet = profile.folder / profile.inputs.samples
    for name, known in (("cell_type", tuple(profile.cell_types)), ("mark", profile.sampled)):
        for row in samples[~samples[name].isin(known)].drop_duplicates(name).itertuples():
            found = getattr(row, name)
            faults.append(
                f"{sheet}:{row.line}: {name} is {found!r}, expected one of the profile's, {', '.join(known)}; correct one of the two"
            )
    used = samples[samples["cell_type"].isin(list(profile.cell_types)) & samples["mark"].isin(profile.sampled)]
    for cell_type in profile.cell_types:
        there = set(used.loc[used["cell_type"] == cell_type, "mark"])
        if missing := [mark for mark in profile.sampled if mark not in there]:
            faults.append(f"{sheet}: no sample of {', '.join(missing)} in {cell_type}; add rows, or leave the marks out of the profile")
    faults += mixed(sheet, used)
    for row in tqdm(list(used.itertuples()), desc="reading samples", unit="file", disable=None):
        path = sheet.parent / row.path
        if not path.is_file():
            faults.append(f"{sheet}:{row.line}: no file {path}; correct path, which is relative to the sheet")
        elif genome is not None:
            chroms = _tried(faults, _check_sample, Sample(row.mark, path, row.format, row.scale), profile, genome, faults, notes)
            covered |= {} if chroms is None else {path: chroms}
    return covered


def _check_sample(sample: Sample, profile: Profile, genome: Genome, faults: list[str], notes: list[str]) -> set[str] | None:
    """Chromosomes with reads; None where it is not of reads, or of another build."""
    path = sample.path
    if sample.format == "fastq":
        _check_fastq(path, profile, faults)
    elif sample.format == "bigwig":
        found = readers.load_bigwig(path).sizes
        faults += _length_faults(path, found, genome)
        if sample.scale == "arcsinh-p" and (largest := readers.largest_value(path) or 0) > LARGE_ARCSINH:
            faults.append(
                f"{path}: the largest value is {largest:g}, expected at most {LARGE_ARCSINH} of scale arcsinh-p, an arcsinh that has been taken already; name "
                "the scale of plain -log10 p normalised"
            )
        missing = [chrom for chrom in genome.folds if chrom not in found]
        if missing and len(missing) < len(genome.folds):
            faults.append(
                f"{path}: no chromosome {', '.join(missing)}, expected all that are in a fold; leave them out of folds in the profile"
            )
    elif sample.format == "bam":
        if readers.first_bytes(path)[:4] != b"BAM\1":
            faults.append(f"{path}: is no BAM, as format says; correct it, or turn SAM or CRAM into BAM with samtools view -b")
            return None
        return _check_bam(path, genome, faults, notes)
    else:
        if set_ := [name for name in ("drop_duplicates", "min_mapq") if getattr(profile.rules, name)]:
            notes.append(f"{path}: without effect here: rules.{' and rules.'.join(set_)}, since BED holds neither marks of duplicates nor mapping qualities")
        table = readers.read_reads(path, genome, format="bed")
        reads, others = table.attrs, [f"{n:,} {reason}" for reason, n in table.attrs["dropped"].items()]
        notes.append(f"{path}: {reads['kept']:,} reads are used" + (f", left out are {', '.join(others)}" if others else ""))
        if n := reads["dropped"].get("past the end of its chromosome"):
            faults.append(
                f"{path}: {n:,} reads past the end of their chromosome, expected none on {genome.name}; is `genome` of the "
                "profile the build that they were aligned to?"
            )
            return None
        return set(table["chrom"].unique())
    return None


def _check_bam(path: Path, genome: Genome, faults: list[str], notes: list[str]) -> set[str] | None:
    """As `_check_sample`."""
    with readers.reading(path, "a BAM file"), pysam.AlignmentFile(str(path), "rb") as bam:
        lengths = dict(zip(bam.references, bam.lengths, strict=True))
    if wrong := _length_faults(path, lengths, genome):
        faults += wrong
        return None
    counts = {chrom: n for chrom, n in readers.aligned_reads(path).items() if chrom in genome.sizes}
    notes.append(f"{path}: {sum(counts.values()):,} reads are aligned; those that are secondary, supplementary or failed quality checks are left out in preprocessing")
    return {chrom for chrom, n in counts.items() if n}


def _check_coverage(genome: Genome, covered: Mapping[Path, set[str]], tss: pd.DataFrame, faults: list[str]) -> None:
    """A chromosome without a single read would have no signal at any of its genes, in a network's eyes."""
    of_genes = set(tss["chrom"])
    for path, chroms in covered.items():
        if bare := [chrom for chrom in genome.folds if chrom in of_genes and chrom not in chroms and chrom not in MAY_BE_BARE]:
            faults.append(
                f"{path}: no reads on {', '.join(bare[:8])}{f' and {len(bare) - 8} more' if len(bare) > 8 else ''}, expected some on each chromosome of a fold that has genes; is the file whole? "
                "correct it, or leave these out of folds in the profile"
            )


def _check_fastq(path: Path, profile: Profile, faults: list[str]) -> None:
    if profile.inputs.fasta is None:
        faults.append(f"{path}: reads that are not aligned yet, but the profile names no inputs.fasta; add the genome's sequence")
    elif not (profile.folder / profile.inputs.fasta).is_file():
        faults.append(f"{profile.folder / profile.inputs.fasta}: no such file, expected the genome's sequence; correct inputs.fasta")
    _tried(faults, align.check_programs)
    if readers.first_bytes(path)[:1] != b"@":
        faults.append(f"{path}:1: does not begin with @, expected FASTQ; correct path or format")


def _length_faults(path: Path, found: Mapping[str, int], genome: Genome) -> list[str]:
    """What chromosomes of a file say against its being of this build."""
    shared = [chrom for chrom in genome.sizes if chrom in found]
    if not shared:
        there, expected = (", ".join(list(names)[:3]) for names in (found, genome.sizes))
        return [f"{path}: no chromosome of {genome.name}, found {there}, ...; expected {expected}, ...; name them alike"]
    other = [chrom for chrom in shared if found[chrom] != genome.sizes[chrom]]
    if not other:
        return []
    said = (
        f"{path}: {other[0]} has {found[other[0]]:,} bp, expected {genome.sizes[other[0]]:,} as in {genome.name} ({len(other)} of "
        f"{len(shared)} chromosomes differ); is `genome` of the profile the build that the reads were aligned to?"
    )
    return [said]


# Genes


def _expression(profile: Profile, faults: list[str]) -> dict[Path, pd.DataFrame]:
    """Each file with expression and its genes, as far as it can be read."""
    if not profile.is_measured:
        return {}
    paths = expression_files(profile, profile.cell_types)
    if profile.inputs.expression_format == "table":
        found = {path: _tried(faults, readers.read_expression_table, path, names, faults) for path, names in paths.items()}
    else:
        found = {path: _tried(faults, raw.read_expression, profile, names) for path, names in paths.items()}
    return {path: table for path, table in found.items() if table is not None}


def _check_genes(
    profile: Profile, genome: Genome, expression: dict[Path, pd.DataFrame], faults: list[str], notes: list[str]
) -> pd.DataFrame | None:
    """Do expression and annotation speak of the same genes? Returns their TSSs; None where none can be had."""
    inputs, here = profile.inputs, profile.folder
    annotation, gene_info = here / inputs.annotation, inputs.gene_info and here / inputs.gene_info
    read = _tried(faults, raw.read_annotation, profile, annotation, gene_info, genome, faults)
    if read is None or (profile.is_measured and not expression):
        return None
    for reason, n in read[0].attrs["dropped"].items():
        notes.append(f"{annotation}: {n:,} rows are left out: {reason}")
    with_tss, tss = set(raw.known_genes(*read)), None
    if not profile.is_measured:
        tss = raw.tss_of(profile, *read, with_tss)
        notes.append(f"{tss['gene_id'].nunique():,} genes of {annotation}; no expression, so these cells can be predicted and nothing be trained on them")
    for path, table in expression.items():
        with_expression = set(table["gene_id"])
        tss = raw.tss_of(profile, *read, with_expression)
        n_both = tss["gene_id"].nunique()
        counts = f"{len(with_expression):,} genes of {path} and {len(with_tss):,} of {annotation}: {n_both:,} in both"
        if not n_both:
            bare = [{gene.partition(".")[0] for gene in genes} for genes in (with_expression, with_tss)]
            hint = "cut the versions behind the dot" if bare[0] & bare[1] else "name them alike"
            found = " and ".join(min(genes, default="none") for genes in (with_expression, with_tss))
            faults.append(f"{counts} (found {found}), expected the same ids; {hint}")
            return None
        notes.append(counts)
        _check_levels(profile, path, table[table["gene_id"].isin(tss["gene_id"])], faults, notes)
    of_files = [(path, set(table["gene_id"])) for path, table in expression.items()]
    for path, found in of_files[1:]:
        first, genes = of_files[0]
        if differing := genes ^ found:
            faults.append(
                f"{path}: {len(differing):,} genes stand only here or only in {first.name}, the first is {min(differing)}; expected "
                "the same genes in all cell types; leave the others out"
            )
    in_fold = tss[tss["order"] == 0]["chrom"].map(genome.folds).value_counts()
    notes.append("genes by fold: " + ", ".join(f"{fold}: {in_fold.get(fold, 0):,}" for fold in genome.fold_ids))
    if not len(in_fold):
        faults.append(f"{annotation}: no gene on a chromosome of a fold, expected some on {', '.join(list(genome.folds)[:3])}, ...; set folds in the profile")
    elif profile.is_measured and len(genome.fold_ids) < 2:
        faults.append(
            f"profile {profile.name}: folds: found {len(genome.fold_ids)}, expected two or more, since a network is trained on the others; add some, or "
            "leave inputs.expression out for cells to predict only"
        )
    elif profile.is_measured and (empty := [str(fold) for fold in genome.fold_ids if not in_fold.get(fold, 0)]):
        faults.append(f"profile {profile.name}: no gene in fold {', '.join(empty)}, expected some in each; set folds in the profile")
    return tss


def _check_levels(profile: Profile, path: Path, table: pd.DataFrame, faults: list[str], notes: list[str]) -> None:
    """Does expression of the genes that are kept make two classes, and does it look as if it were on a scale of amounts?"""
    for name in (name for name in profile.cell_types if name in table):
        labelled = labels(table[name], profile.rules.label)
        if fault := one_class(labelled, table[name]):
            faults.append(f"{path}: {name}: {fault}")
        elif not 0.4 <= (share := labelled.mean()) <= 0.6:
            notes.append(f"{path}: {name}: {share:.0%} of {len(table):,} genes are labelled on (median {table[name].median():g}): many have the same value")
        if table[name].max() < LARGE_AMOUNT:
            notes.append(
                f"{path}: {name}: the largest value is {table[name].max():g}; is it a logarithm? expected amounts such as RPKM or TPM, whose "
                "logarithm is taken here"
            )


# Contacts


def _check_contacts(
    profile: Profile, genome: Genome, cell_type: str, tss: pd.DataFrame | None, faults: list[str], notes: list[str]
) -> None:
    """Can contacts be read, and do any of them begin at one of the genes?"""
    paths = [profile.folder / pattern.format(cell_type=cell_type) for pattern in profile.inputs.contacts]
    tables = _tried(faults, raw.read_contacts, profile, paths, genome, cell_type, faults)
    if tables is None or tss is None:
        return
    found = _tried(faults, raw.pairs_of, profile, list(tables.values()), tss)
    if found is None:
        return
    pairs, _ = found
    where, n_genes = ", ".join(map(str, paths)), pairs["gene_id"].nunique()
    notes.append(f"{cell_type}: {len(pairs):,} contacts of {n_genes:,} of {tss['gene_id'].nunique():,} genes in {where}")
    if not n_genes:
        faults.append(
            f"{where}: none of {sum(map(len, tables.values())):,} contacts of {cell_type} is of a gene with a TSS and above "
            f"min_contact={profile.rules.min_contact:g}; expected some; are gene ids, coordinates and rules.min_contact right?"
        )
