"""The feature store: mean read depth of one cell type's promoters and pCREs, with who touches whom.

In: the release's demo; reads, expression, annotation and contacts; or signal that others have binned. Out: features.zarr,
an xarray Dataset. What a bin holds is its scale: depth, the mean number of reads over a base pair, unless the source has
another. Positions and widths are in bp, 0-based.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from . import align, contacts, depth, inputs
from .config import SCALES, InputError, Scale
from .files import whole_folder
from .genome import Genome, Region, load_genome, profile_genome
from .inputs.parts import Parts, labels, turn_minus
from .profile import Profile

VERSION = 3  # of what is written here; raise it when the same inputs give other numbers
# Of a store: variable -> what it is, and its unit. All of them are there.
_MEANING = {
    "promoter": ("signal around the TSS, genome order", "{scale}"),
    "pcre_depth": ("signal of all pCREs, one after the other", "{scale}"),
    "pcre_row": ("pCRE i has rows pcre_row[i]:pcre_row[i + 1]", "1"),
    "gene_pcre": ("pCRE of each gene and rank, -1 where there is none", "1"),
    "contact": ("normalised frequency of contact with the promoter, 0 where there is no pCRE", "1"),
    "gene_id": ("id of the gene", "text"),
    "region": ("pCRE as chrom:start-end, 0-based, end excluded", "text"),
    "mark": ("histone mark or other feature", "text"),
    "bin_start": ("first position of a promoter bin, from the TSS", "bp"),
    "symbol": ("name of the gene", "text"),
    "chrom": ("chromosome", "text"),
    "chrom_bp": ("length of the chromosome", "bp"),
    "tss": ("transcription start site, 0-based", "bp"),
    "strand": ("strand", "+ or -"),
    "fold": ("fold in which the gene is held out", "1"),
    "expression": ("expression", "RPKM"),
    "label": ("1 if expression is high for the cell type, else 0, -1 if it is not known", "1"),
}
_OF_DOMAINS = {"is_intra_tad": ("whether a pCRE lies in the domain (TAD) of its gene's TSS", "1")}  # where domains are known


def ensure(profile: Profile, cell_type: str) -> Path:
    """Path of the feature store of one cell type; builds it where it is missing or its settings or inputs changed."""
    path = path_of(profile, cell_type)
    files = inputs.source_files(profile, cell_type)
    settings = _settings(profile, cell_type, files)
    if not _is_current(path, settings):
        save(build(profile, cell_type).assign_attrs(settings=settings, source_files=json.dumps(files)), path)
    return path


def path_of(profile: Profile, cell_type: str) -> Path:
    """Where the features of a cell type are kept."""
    return profile.work_dir / profile.check_cell_type(cell_type) / "features.zarr"


def save(store: xr.Dataset, path: Path) -> None:
    """Write a feature store, whole or not at all; `load` wants its attrs["settings"], any text."""
    with whole_folder(path) as folder:
        # Format 2: fixed-width text has no agreed form in format 3 yet.
        store.to_zarr(folder, mode="w", zarr_format=2, encoding=_chunks(store))


def load(path: Path) -> xr.Dataset:
    """Open a feature store; arrays are read when they are used.

    Raises
    ------
    InputError
        `path` holds no feature store, or one that lacks a part.
    """
    advice = "delete it and build it again with `chromolib preprocess`"
    try:
        store = xr.open_zarr(path, chunks=None, zarr_format=2, consolidated=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a feature store ({' '.join(str(error).split())}); {advice}") from None
    missing = [name for name in _MEANING if name not in store.variables]
    if missing or "settings" not in store.attrs:
        raise InputError(f"{path}: lacks {missing[0] if missing else 'settings'}, expected a feature store; {advice}")
    return indexed(store)


def indexed(store: xr.Dataset) -> xr.Dataset:
    """The store with gene_id and region as what `sel` takes."""
    return store.set_xindex("gene_id").set_xindex("region")


def build(profile: Profile, cell_type: str) -> xr.Dataset:
    """Compute the features of one cell type.

    Returns
    -------
    Dataset
        promoter (gene, bin, mark): bins of `base_bp` over [tss - frame/2, tss + frame/2), in genome order whatever the
        strand; positions off the chromosome hold no reads, so bins there are 0.
        pcre_depth (row, mark): the bins of all pCREs, one after the other; pCRE i has rows pcre_row[i]:pcre_row[i + 1],
        and its last bin averages only the bp it has.
        gene_pcre, contact (gene, rank): index of the pCRE and its contact, strongest first; -1 and 0 where none is.
        is_intra_tad (gene, rank), only where the profile names domains: whether the pCRE lies in the promoter's.
        Per gene: symbol, chrom, chrom_bp, tss, strand, fold, expression (RPKM), label.
        Coordinates: gene_id (gene), region (pcre), mark (after the marks, what attrs["extra_tracks"] lists), and bin_start (bin), in bp from the TSS. Each variable says what it
        is and in which unit; attrs["dropped"] is JSON: {what: {reason: count}}, attrs["source_files"], where `ensure` wrote
        the store, JSON: [{what, file, sha256}].
    """
    genome = profile_genome(profile)
    return assemble(profile, genome, cell_type, inputs.read(profile, cell_type, genome))


def assemble(profile: Profile, genome: Genome, cell_type: str, parts: Parts) -> xr.Dataset:
    """As `build`, from parts that are already there."""
    genes = parts.genes
    has_fold = genes["chrom"].isin(list(genome.folds))
    if not has_fold.any():
        raise InputError(
            f"profile {profile.name}: none of {len(genes):,} genes lies on a chromosome of a fold; "
            f"expected genes of {genome.name} on {', '.join(genome.folds)}; see folds in the profile"
        )
    genes = genes[has_fold].reset_index(drop=True)
    pairs = contacts.strongest(
        parts.pairs[parts.pairs["gene_id"].isin(genes["gene_id"])], max_width_bp=profile.rules.max_pcre_bp or profile.frame_bp, max_pcres=profile.max_pcres
    )
    dropped = parts.dropped | {
        "genes without a fold": {"chromosome in no fold": int((~has_fold).sum())},
        "pCREs of genes": pairs.attrs["dropped"],
    }
    if parts.domains is not None:
        is_intra_tad = contacts.within_domains(pairs, genes, parts.domains)
        pairs["is_intra_tad"] = is_intra_tad
        dropped["pCREs by domain"] = is_intra_tad.attrs["dropped"]
    pcres = [Region.parse(name) for name in pairs["region"].unique()]
    if parts.promoter is None:
        half, n_bins = profile.frame_bp // 2, profile.frame_bp // profile.base_bp
        windows = [Region(gene.chrom, gene.tss - half, gene.tss + half) for gene in genes.itertuples()]
        bins = parts.read_bins([*windows, *pcres])  # at once: opening a file may cost more than reading it
        promoter, pcre_depth = np.split(bins, [len(genes) * n_bins])
        promoter = promoter.reshape(len(genes), n_bins, -1)
    else:
        promoter = parts.promoter[has_fold.to_numpy()]
        if promoter.shape[1] * profile.base_bp != profile.frame_bp:
            raise InputError(
                f"profile {profile.name}: signal of {promoter.shape[1]} bins, expected frame_bp={profile.frame_bp:,} / "
                f"base_bp={profile.base_bp}; correct one of the two"
            )
        pcre_depth = parts.read_bins(pcres) if pcres else np.empty((0, promoter.shape[2]), np.float32)
    store = _lay_out(
        promoter, pcre_depth, genes, pairs, profile.tracks, genome, profile.base_bp, profile.max_pcres, parts.scale
    )
    if profile.extra_tracks:
        store.attrs["extra_tracks"] = list(profile.extra_tracks)
    return store.assign_attrs(
        profile=profile.name,
        cell_type=cell_type,
        genome=genome.name,
        base_bp=profile.base_bp,
        frame_bp=profile.frame_bp,
        signal=parts.scale,
        simulated=int(profile.simulated),
        dropped=json.dumps(dropped),
    )


def from_matrix(
    signal: np.ndarray,
    genes: pd.DataFrame,
    *,
    marks: Sequence[str],
    base_bp: int,
    scale: Scale,
    genome: Genome | str,
    cell_type: str,
    is_oriented: bool = False,
) -> xr.Dataset:
    """Features of promoters that are binned already, for `GeneDataset`; without pCREs.

    Parameters
    ----------
    signal : ndarray, (gene, bin, mark)
        Mean of each bin of `base_bp`, an even number of bins with the TSS in the middle. Coarser bins are averaged from it.
    genes : DataFrame
        A row per row of `signal`: gene_id, chrom, tss (0-based), strand, expression (RPKM); symbol and label where known, else
        the id, and 1 for expression at or above the median.
    scale : str
        What the numbers are: depth, counts, normalised or arcsinh-p. A network refuses signal of another scale than its own.
    genome : Genome or str
        The build, or its name in data/genomes.yml.
    is_oriented : bool
        Whether bins are in the direction of transcription; if not, in that of the genome.

    Raises
    ------
    InputError
        Shapes that do not fit, text, NaN, infinite or negative numbers, genes or marks twice, a TSS off its chromosome,
        labels other than 0 and 1, unknown chromosomes, strands, scales or builds.
    """
    if isinstance(genome, str):
        genome = load_genome(genome)
    try:
        signal = np.asarray(signal)
    except ValueError:  # rows of several lengths
        signal = np.empty(0, object)
    if signal.dtype.kind not in "biuf":
        raise InputError(f"{cell_type}: signal is no array of numbers (dtype {signal.dtype}); make it one of float32")
    signal, genes = signal.astype(np.float32, copy=False), genes.reset_index(drop=True)
    fault = _find_fault(signal, genes, marks, base_bp, scale, genome)
    if fault:
        raise InputError(f"{cell_type}: {fault}")
    base_bp = int(base_bp)
    genes = genes.assign(**{name: _numbers(genes[name]) for name in ("tss", "expression", "label") if name in genes})
    if "symbol" not in genes:
        genes = genes.assign(symbol=genes["gene_id"])
    if "label" not in genes:
        genes = genes.assign(label=labels(genes["expression"]))
    if is_oriented:
        signal = turn_minus(signal, genes["strand"])
    pairs = pd.DataFrame({"gene_id": [], "region": [], "contact": [], "rank": []}).astype({"rank": int})
    store = _lay_out(signal, np.empty((0, len(marks)), np.float32), genes, pairs, marks, genome, base_bp, 0, scale)
    return store.assign_attrs(
        profile="matrix",
        cell_type=cell_type,
        genome=genome.name,
        base_bp=base_bp,
        frame_bp=base_bp * signal.shape[1],
        signal=scale,
        simulated=0,
        dropped="{}",
        settings="matrix",
    )


def _find_fault(
    signal: np.ndarray, genes: pd.DataFrame, marks: Sequence[str], base_bp: int, scale: str, genome: Genome
) -> str | None:
    """What is wrong with a matrix, in a few words; None if nothing is."""
    if scale not in SCALES:
        return f"scale {scale!r}, expected one of {', '.join(SCALES)}"
    if missing := [name for name in ("gene_id", "chrom", "tss", "strand", "expression") if name not in genes]:
        return f"genes have no column {missing[0]}, found {', '.join(genes.columns)}"
    if signal.ndim != 3 or signal.shape[0] != len(genes) or signal.shape[2] != len(marks) or signal.shape[1] % 2:
        return (
            f"signal of shape {signal.shape}, expected {len(genes)} genes, an even number of bins and {len(marks)} marks"
        )
    if 0 in signal.shape:
        return f"signal of shape {signal.shape}, expected at least 1 gene, 2 bins and 1 mark; was everything filtered out?"
    if repeated := [mark for k, mark in enumerate(marks) if mark in marks[:k]]:
        return f"mark {repeated[0]} stands twice in {', '.join(marks)}; name each column of the signal once"
    if not isinstance(base_bp, Integral) or base_bp < 1:
        return f"base_bp={base_bp!r}, expected an integer, 1 or more; give the width of a bin in bp"
    is_wrong = ~np.isfinite(signal) | (signal < 0)
    if is_wrong.any():
        gene, position, mark = (int(at[0]) for at in np.nonzero(is_wrong))
        return f"{genes['gene_id'][gene]}, bin {position}, {marks[mark]}: {signal[gene, position, mark]}, expected 0 or more"
    if genes["gene_id"].duplicated().any():
        return f"gene {genes['gene_id'][genes['gene_id'].duplicated()].iloc[0]} stands twice"
    if unknown := set(genes["chrom"]) - set(genome.sizes):
        return f"chromosome {min(map(str, unknown))} is not one of {genome.name}"
    if unknown := set(genes["chrom"]) - set(genome.folds):
        return f"chromosome {min(unknown)} is in no fold; leave its genes out"
    if unknown := set(genes["strand"]) - {"+", "-"}:
        return f"strand {min(map(str, unknown))!r}, expected + or -"
    chrom_bp = genes["chrom"].map(genome.sizes).to_numpy(np.float64)
    rules = {
        "tss": (lambda x: (np.floor(x) == x) & (x >= 0) & (x < chrom_bp), "a whole number on its chromosome, 0-based"),
        "expression": (lambda x: np.isfinite(x) & (x >= 0), "an RPKM of 0 or more"),
        "label": (lambda x: np.isin(x, (0, 1)), "0 or 1"),
    }
    for name, (rule, expected) in rules.items():
        if name in genes and not (is_right := rule(_numbers(genes[name]))).all():
            gene = int(is_right.argmin())
            return f"{genes['gene_id'][gene]}: {name} is {genes[name][gene]}, expected {expected}; correct it or leave the gene out"
    return None


def _numbers(column: pd.Series) -> np.ndarray:
    """A column as float64; NaN where it holds no number, which text is not, whatever it reads."""
    is_text = [isinstance(value, str) for value in column]
    return np.where(is_text, np.nan, pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan))


def _lay_out(
    promoter: np.ndarray, pcre_depth: np.ndarray, genes: pd.DataFrame, pairs: pd.DataFrame, marks: Sequence[str],
    genome: Genome, base_bp: int, max_pcres: int, scale: Scale,
) -> xr.Dataset:  # fmt: skip
    """The arrays and names of a store; pCREs are in the order in which `pairs` names them first."""
    pcre_of_pair, names = pd.factorize(pairs["region"])
    pcre_bins = [-(-Region.parse(name).width // base_bp) for name in names]
    gene_of_pair = pd.Index(genes["gene_id"]).get_indexer(pairs["gene_id"])
    gene_pcre = np.full((len(genes), max_pcres), -1, np.int32)
    contact = np.zeros((len(genes), max_pcres), np.float32)
    gene_pcre[gene_of_pair, pairs["rank"]] = pcre_of_pair
    contact[gene_of_pair, pairs["rank"]] = pairs["contact"]

    per_gene = {
        "symbol": _text(genes["symbol"]),
        "chrom": _text(genes["chrom"]),
        "strand": _text(genes["strand"]),
        "chrom_bp": genes["chrom"].map(genome.sizes).to_numpy(np.int64),
        "tss": genes["tss"].to_numpy(np.int64),
        "fold": genes["chrom"].map(genome.folds).to_numpy(np.int64),
        "expression": genes["expression"].to_numpy(np.float64),
        "label": genes["label"].to_numpy(np.int64),
    }
    store = xr.Dataset(
        {
            "promoter": (("gene", "bin", "mark"), promoter),
            "pcre_depth": (("row", "mark"), pcre_depth),
            "pcre_row": (("edge",), np.cumsum([0, *pcre_bins], dtype=np.int64)),
            "gene_pcre": (("gene", "rank"), gene_pcre),
            "contact": (("gene", "rank"), contact),
            **{name: (("gene",), values) for name, values in per_gene.items()},
        },
        coords={
            "gene_id": (("gene",), _text(genes["gene_id"])),
            "mark": _text(marks),
            "region": (("pcre",), _text(names)),
            "bin_start": (("bin",), (np.arange(promoter.shape[1]) - promoter.shape[1] // 2) * base_bp),
        },
    )
    if "is_intra_tad" in pairs:
        store["is_intra_tad"] = xr.zeros_like(store["gene_pcre"], bool)
        store["is_intra_tad"].values[gene_of_pair, pairs["rank"]] = pairs["is_intra_tad"]
    for name, (meaning, unit) in (_MEANING | _OF_DOMAINS).items():
        if name in store:
            store[name].attrs = {"long_name": meaning, "units": unit.format(scale=SCALES[scale])}
    return indexed(store)


def _text(values: Sequence[str]) -> np.ndarray:
    """Fixed-width text; at least one character wide, since an empty array would have no width."""
    return np.asarray(list(values), dtype=np.str_) if len(values) else np.empty(0, "<U1")


def _settings(profile: Profile, cell_type: str, files: list[dict[str, str]]) -> str:
    """Everything that decides what a store holds, as JSON: two equal texts mean that nothing need be computed again."""
    genome = profile_genome(profile)
    return json.dumps(
        {
            "version": [VERSION, depth.VERSION, align.VERSION],
            "cell_type": cell_type,
            "marks": profile.marks,
            "frame_bp": profile.frame_bp,
            "base_bp": profile.base_bp,
            "max_pcres": profile.max_pcres,
            "simulated": profile.simulated,
            "genome": [genome.name, dict(genome.sizes), dict(genome.folds)],
            "inputs": {name: value for name, value in profile.inputs.settings().items() if name != "cohort"},  # where files are, not which
            "rules": profile.rules.settings(),
            "files": files,
        }
        | ({"extra_tracks": profile.extra_tracks} if profile.extra_tracks else {})
    )


def _is_current(path: Path, settings: str) -> bool:
    try:
        return load(path).attrs["settings"] == settings
    except InputError:
        return False


def _chunks(store: xr.Dataset) -> dict[str, dict[str, Any]]:
    """A few MB to a chunk."""
    sizes = store.sizes
    return {
        "promoter": {"chunks": (min(256, sizes["gene"]), sizes["bin"], sizes["mark"])},
        "pcre_depth": {"chunks": (max(1, min(100_000, sizes["row"])), sizes["mark"])},
    }
