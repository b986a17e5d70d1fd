"""The feature store: mean read depth of one cell type's promoters and pCREs, with who touches whom.

In: the release's demo, or reads, expression, annotation and contacts. Out: features.zarr, an xarray Dataset; depth is
the mean number of reads over a base pair of a bin, positions and widths are in bp, 0-based.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from tqdm import tqdm

from . import contacts, depth, readers, sources
from .config import MARKS, ROOT, DemoInputs, InputError, Profile
from .depth import bin_mean, mean_per_bin
from .files import whole_folder
from .genome import Genome, Region, profile_genome

VERSION = 1  # of what is written here; raise it when the same inputs give other numbers
_VARIABLES = (
    "promoter", "pcre_depth", "pcre_row", "gene_pcre", "contact",
    "symbol", "chrom", "chrom_bp", "tss", "strand", "fold", "expression", "label",
)  # fmt: skip

BinReader = Callable[[Sequence[Region]], np.ndarray]  # mean depth of regions, all bins in a row -> (row, m) float32
Parts = tuple[pd.DataFrame, pd.DataFrame, BinReader, dict[str, dict[str, int]]]  # genes, pairs, depth, dropped


def ensure(profile: Profile, cell_type: str) -> Path:
    """Path of the feature store of one cell type; builds it where it is missing or its settings or inputs changed."""
    path = profile.work_dir / profile.check_cell_type(cell_type) / "features.zarr"
    settings = _settings(profile, cell_type)
    if not _is_current(path, settings):
        save(build(profile, cell_type).assign_attrs(settings=settings), path)
    return path


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
    missing = [name for name in _VARIABLES if name not in store]
    if missing or "settings" not in store.attrs:
        raise InputError(f"{path}: lacks {missing[0] if missing else 'settings'}, expected a feature store; {advice}")
    return store


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
        Per gene: symbol, chrom, chrom_bp, tss, strand, fold, expression (RPKM), label.
        attrs["dropped"] is JSON: {what: {reason: count}}.
    """
    genome = profile_genome(profile)
    read = _read_demo if isinstance(profile.inputs, DemoInputs) else _read_raw
    return assemble(profile, genome, cell_type, read(profile, cell_type, genome))


def assemble(profile: Profile, genome: Genome, cell_type: str, parts: Parts) -> xr.Dataset:
    """As `build`, from parts that are already there.

    Parameters
    ----------
    parts : (genes, pairs, read_bins, dropped)
        genes: gene_id, symbol, chrom, tss, strand, expression, label. pairs: gene_id, region, contact, each pair once.
        read_bins: gives the mean depth of some regions in bins of `base_bp`, (row, m), one region after the other.
        dropped: {what: {reason: count}}.
    """
    genes, pairs, read_bins, dropped = parts
    has_fold = genes["chrom"].isin(list(genome.folds))
    if not has_fold.any():
        raise InputError(
            f"profile {profile.name}: none of {len(genes):,} genes lies on a chromosome of a fold; "
            f"expected genes of {genome.name} on {', '.join(genome.folds)}; see folds in the profile"
        )
    genes = genes[has_fold].reset_index(drop=True)
    pairs = contacts.strongest(
        pairs[pairs["gene_id"].isin(genes["gene_id"])], max_width_bp=profile.frame_bp, max_pcres=profile.max_pcres
    )
    dropped = dropped | {
        "genes without a fold": {"chromosome in no fold": int((~has_fold).sum())},
        "pCREs of genes": pairs.attrs["dropped"],
    }
    store = _assemble(profile, genome, genes, pairs, read_bins)
    return store.assign_attrs(
        profile=profile.name,
        cell_type=cell_type,
        genome=genome.name,
        base_bp=profile.base_bp,
        frame_bp=profile.frame_bp,
        signal="depth",
        simulated=int(profile.simulated),
        dropped=json.dumps(dropped),
    )


def check_inputs(profile: Profile, cell_type: str) -> list[Path]:
    """Paths of all raw files that a cell type needs, or an InputError that names the first one missing or unreadable."""
    if isinstance(profile.inputs, DemoInputs):
        return [sources.fetch(profile.inputs.source, profile.raw_dir)]
    paths = [path for group in _raw_paths(profile, profile.check_cell_type(cell_type)).values() for path in group]
    for path in paths:
        readers.stat(path)
    return paths


def _assemble(
    profile: Profile, genome: Genome, genes: pd.DataFrame, pairs: pd.DataFrame, read_bins: BinReader
) -> xr.Dataset:
    half = profile.frame_bp // 2
    windows = [Region(gene.chrom, gene.tss - half, gene.tss + half) for gene in genes.itertuples()]
    pcre_of_pair, names = pd.factorize(pairs["region"])
    pcres = [Region.parse(name) for name in names]
    n_bins = profile.frame_bp // profile.base_bp
    signal = read_bins([*windows, *pcres])  # (row, m), promoters first
    n_promoter_rows = len(genes) * n_bins
    pcre_bins = [-(-pcre.width // profile.base_bp) for pcre in pcres]

    gene_of_pair = pd.Index(genes["gene_id"]).get_indexer(pairs["gene_id"])
    gene_pcre = np.full((len(genes), profile.max_pcres), -1, np.int32)
    contact = np.zeros((len(genes), profile.max_pcres), np.float32)
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
    return xr.Dataset(
        {
            "promoter": (("gene", "bin", "mark"), signal[:n_promoter_rows].reshape(len(genes), n_bins, -1)),
            "pcre_depth": (("row", "mark"), signal[n_promoter_rows:]),
            "pcre_row": (("edge",), np.cumsum([0, *pcre_bins], dtype=np.int64)),
            "gene_pcre": (("gene", "rank"), gene_pcre),
            "contact": (("gene", "rank"), contact),
            **{name: (("gene",), values) for name, values in per_gene.items()},
        },
        coords={"gene": _text(genes["gene_id"]), "mark": _text(profile.marks), "pcre": _text(names)},
    )


def _text(values: Sequence[str]) -> np.ndarray:
    """Fixed-width text; at least one character wide, since an empty array would have no width."""
    return np.asarray(list(values), dtype=np.str_) if len(values) else np.empty(0, "<U1")


def _read_demo(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    if unknown := sorted(set(profile.marks) - set(MARKS)):
        raise InputError(
            f"profile {profile.name}: marks: the release's demo has no {unknown[0]!r}, "
            f"expected some of {', '.join(MARKS)}"
        )
    if profile.frame_bp != readers.DEMO_FRAME_BP:
        raise InputError(
            f"profile {profile.name}: frame_bp={profile.frame_bp:,}, but the release's demo holds "
            f"{readers.DEMO_FRAME_BP:,} bp per promoter; narrow it later with select(window_bp=...)"
        )
    genes, arrays = readers.read_demo(sources.fetch(profile.inputs.source, profile.raw_dir))
    if not (genes["cell_type"] == cell_type).all():
        raise InputError(
            f"profile {profile.name}: the release's demo is of {genes['cell_type'].iloc[0]}, not {cell_type}; "
            "correct cell_types"
        )
    pairs = genes[["gene_id", "pcres", "contacts"]].explode(["pcres", "contacts"]).dropna()
    pairs = pairs.set_axis(["gene_id", "region", "contact"], axis=1).astype({"contact": float})
    rows = [MARKS.index(mark) for mark in profile.marks]

    def read_bins(regions: Sequence[Region]) -> np.ndarray:
        return np.concatenate([mean_per_bin(arrays[str(region)][rows], profile.base_bp).T for region in regions])

    symbols = pd.read_csv(ROOT / "data" / profile.inputs.symbols).set_index("gene_id")["symbol"]
    genes["symbol"] = genes["gene_id"].map(symbols).fillna(genes["gene_id"])
    return genes, pairs, read_bins, {}


def _read_raw(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    paths = _raw_paths(profile, cell_type)
    expression = readers.read_expression(paths["expression"][0], [cell_type])
    transcripts = readers.read_transcripts(paths["annotation"][0], genome)
    gene_info = readers.read_gene_info(paths["gene_info"][0])
    tables = [readers.read_contacts(path, genome) for path in paths["contacts"]]

    tss = contacts.all_tss(transcripts, gene_info, expression["gene_id"])
    genes = tss[tss["order"] == 0].merge(expression.rename(columns={cell_type: "expression"}), on="gene_id")
    genes["label"] = (genes["expression"] >= genes["expression"].median()).astype(int)
    touching = pd.concat(tables, ignore_index=True)
    fragments = contacts.fragment_of_tss(tss, contacts.bait_fragments(touching))
    pairs = contacts.pairs_of_genes(tss, fragments, contacts.neighbours(touching, profile.inputs.min_frequency))

    bigwigs = [profile.work_dir / cell_type / "depth" / f"{mark}.bw" for mark in profile.marks]
    rows = list(zip(profile.marks, paths["reads"], bigwigs, strict=True))
    counts = {
        f"reads of {mark}": depth.ensure(reads, bigwig, genome)["dropped"]
        for mark, reads, bigwig in tqdm(rows, desc=f"{cell_type} depth", unit="mark", disable=None)
    }

    def read_bins(regions: Sequence[Region]) -> np.ndarray:
        return np.stack([bin_mean(path, regions, profile.base_bp) for path in bigwigs], axis=1)

    dropped = counts | {
        "transcripts": transcripts.attrs["dropped"],
        "names of genes": gene_info.attrs["dropped"],
        "genes with expression": tss.attrs["dropped"],
    }
    for path, table in zip(paths["contacts"], tables, strict=True):
        dropped[f"contacts of {path.name}"] = table.attrs["dropped"]
    return genes, pairs, read_bins, dropped


def _raw_paths(profile: Profile, cell_type: str) -> dict[str, list[Path]]:
    def fill(pattern: str, **names: str) -> Path:
        return profile.raw_dir / pattern.format(cell_type=cell_type, **names)

    inputs = profile.inputs
    return {
        "reads": [fill(inputs.reads, mark=mark) for mark in profile.marks],
        "contacts": [fill(pattern) for pattern in inputs.contacts],
        **{name: [fill(getattr(inputs, name))] for name in ("expression", "annotation", "gene_info")},
    }


def _settings(profile: Profile, cell_type: str) -> str:
    """Everything that decides what a store holds, as JSON: two equal texts mean that nothing need be computed again."""
    genome = profile_genome(profile)
    return json.dumps(
        {
            "version": VERSION,
            "cell_type": cell_type,
            "marks": profile.marks,
            "frame_bp": profile.frame_bp,
            "base_bp": profile.base_bp,
            "max_pcres": profile.max_pcres,
            "simulated": profile.simulated,
            "genome": [genome.name, dict(genome.sizes), dict(genome.folds)],
            "inputs": profile.inputs.model_dump(mode="json"),
            "files": _fingerprints(profile, cell_type),
        }
    )


def _fingerprints(profile: Profile, cell_type: str) -> list[Any]:
    if isinstance(profile.inputs, DemoInputs):
        symbols = (ROOT / "data" / profile.inputs.symbols).read_bytes()
        return [sources.registry()[profile.inputs.source].sha256, hashlib.sha256(symbols).hexdigest()]
    paths = check_inputs(profile, cell_type)
    return [[path.name, readers.stat(path).st_size, readers.stat(path).st_mtime_ns] for path in paths]


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
