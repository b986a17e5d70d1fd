"""The feature store: mean read depth of one cell type's promoters and pCREs, with who touches whom.

In: the release's demo; reads, expression, annotation and contacts; or signal that others have binned. Out: features.zarr,
an xarray Dataset. What a bin holds is its scale: depth, the mean number of reads over a base pair, unless the source has
another. Positions and widths are in bp, 0-based.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from tqdm import tqdm

from . import contacts, depth, published, readers, sources
from .config import MARKS, ROOT, SCALES, DemoInputs, InputError, Profile, PublishedInputs, RawInputs, Scale
from .depth import bin_mean, mean_per_bin
from .files import whole_folder
from .genome import Genome, Region, load_genome, profile_genome

VERSION = 2  # of what is written here; raise it when the same inputs give other numbers
_VARIABLES = (
    "promoter", "pcre_depth", "pcre_row", "gene_pcre", "contact",
    "symbol", "chrom", "chrom_bp", "tss", "strand", "fold", "expression", "label",
)  # fmt: skip

BinReader = Callable[[Sequence[Region]], np.ndarray]  # mean depth of regions, all bins in a row -> (row, m) float32


class Parts(NamedTuple):
    """What a store is made of, as one source or another has it."""

    genes: pd.DataFrame  # gene_id, symbol, chrom, tss, strand, expression, label
    pairs: pd.DataFrame  # gene_id, region, contact, each pair once
    read_bins: BinReader  # of pCREs, and of promoters where there is no matrix of them
    dropped: dict[str, dict[str, int]]  # what -> reason -> count
    promoter: np.ndarray | None = None  # (gene, bin, mark), genome order
    scale: Scale = "depth"


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
    readers_of = {"raw": _read_raw, "release-demo": _read_demo, "published": _read_published}
    read = readers_of[profile.inputs.kind]
    return assemble(profile, genome, cell_type, read(profile, cell_type, genome))


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
        parts.pairs[parts.pairs["gene_id"].isin(genes["gene_id"])], max_width_bp=profile.frame_bp, max_pcres=profile.max_pcres
    )
    dropped = parts.dropped | {
        "genes without a fold": {"chromosome in no fold": int((~has_fold).sum())},
        "pCREs of genes": pairs.attrs["dropped"],
    }
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
    store = _lay_out(promoter, pcre_depth, genes, pairs, profile.marks, genome, profile.base_bp, profile.max_pcres)
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
        genes = genes.assign(label=_labels(genes["expression"]))
    if is_oriented:
        signal = _turn_minus(signal, genes["strand"])
    pairs = pd.DataFrame({"gene_id": [], "region": [], "contact": [], "rank": []}).astype({"rank": int})
    store = _lay_out(signal, np.empty((0, len(marks)), np.float32), genes, pairs, marks, genome, base_bp, 0)
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


def _labels(expression: pd.Series) -> pd.Series:
    """1 for expression at or above the median, else 0."""
    return (expression >= expression.median()).astype(int)


def _turn_minus(signal: np.ndarray, strand: pd.Series) -> np.ndarray:
    """Turn (gene, bin, mark) of minus-strand genes round: from the direction of transcription to the genome's, and back."""
    return np.where((strand == "-").to_numpy()[:, None, None], signal[:, ::-1], signal)


def others_expression(profile: Profile, cell_type: str) -> pd.DataFrame | None:
    """log2(RPKM + 1) in the other cell types that there are labels of: gene_id as index, a column each; None if none.

    Raw inputs: the profile's other cell types. Published ones: `other_cell_types` of the profile.
    """
    if isinstance(profile.inputs, RawInputs):
        others = [name for name in profile.cell_types if name != profile.check_cell_type(cell_type)]
        path = profile.raw_dir / profile.inputs.expression
        table = readers.read_expression(path, others).set_index("gene_id") if others else None
    else:
        ids = sources.other_targets(profile, cell_type)
        paths = {name: sources.fetch(source_id, profile.raw_dir) for name, source_id in ids.items()}
        genes = sources.fetch(sources.GENE_LIST, profile.raw_dir) if paths else None
        table = published.read_targets(paths, genes) if paths else None
    return None if table is None else np.log2(table + 1)


def check_inputs(profile: Profile, cell_type: str) -> list[Path]:
    """Paths of all raw files that a cell type needs, or an InputError that names the first one missing or unreadable."""
    if not isinstance(profile.inputs, RawInputs):
        groups = sources.ids_of(profile, profile.check_cell_type(cell_type))
        return [sources.fetch(source_id, profile.raw_dir) for group in groups.values() for source_id in group]
    paths = [path for group in _raw_paths(profile, profile.check_cell_type(cell_type)).values() for path in group]
    for path in paths:
        readers.stat(path)
    return paths


def _lay_out(
    promoter: np.ndarray, pcre_depth: np.ndarray, genes: pd.DataFrame, pairs: pd.DataFrame, marks: Sequence[str],
    genome: Genome, base_bp: int, max_pcres: int,
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
    return xr.Dataset(
        {
            "promoter": (("gene", "bin", "mark"), promoter),
            "pcre_depth": (("row", "mark"), pcre_depth),
            "pcre_row": (("edge",), np.cumsum([0, *pcre_bins], dtype=np.int64)),
            "gene_pcre": (("gene", "rank"), gene_pcre),
            "contact": (("gene", "rank"), contact),
            **{name: (("gene",), values) for name, values in per_gene.items()},
        },
        coords={"gene": _text(genes["gene_id"]), "mark": _text(marks), "pcre": _text(names)},
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
    return Parts(genes, pairs, read_bins, {})


def _read_raw(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    paths = _raw_paths(profile, cell_type)
    expression = readers.read_expression(paths["expression"][0], [cell_type])
    transcripts = readers.read_transcripts(paths["annotation"][0], genome)
    gene_info = readers.read_gene_info(paths["gene_info"][0])
    tables = [readers.read_contacts(path, genome) for path in paths["contacts"]]

    tss = contacts.all_tss(transcripts, gene_info, expression["gene_id"])
    genes = tss[tss["order"] == 0].merge(expression.rename(columns={cell_type: "expression"}), on="gene_id")
    genes["label"] = _labels(genes["expression"])
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
    return Parts(genes, pairs, read_bins, dropped)


def _read_published(profile: Profile, cell_type: str, genome: Genome) -> Parts:
    """Signal that others have binned; RPKM, places of genes and their strands from tables that fit all of them."""

    def path(source_id: str) -> Path:
        return sources.fetch(source_id, profile.raw_dir)

    ids = sources.ids_of(profile, cell_type)
    targets = published.read_targets({cell_type: path(ids["targets"][0])}, path(ids["gene list"][0]))
    bounds = published.read_gene_bounds(path(ids["gene bounds"][0]))
    windows = published.read_gene_windows(path(ids["gene windows"][0]))
    signal = [path(source_id) for source_id in ids["signal"]]
    read = {"patternchrome": _read_patternchrome, "avocado-pilot": _read_pilot, "deepdiff": _read_deepdiff}
    parts = read[profile.inputs.format](profile, genome, signal, bounds, windows)
    n_genes = len(parts.genes)
    expression = targets[cell_type].reindex(parts.genes["gene_id"]).to_numpy()
    is_known = np.isfinite(expression)
    genes = parts.genes.assign(expression=expression)[is_known].reset_index(drop=True)
    genes["label"] = _labels(genes["expression"])
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


def _read_patternchrome(
    profile: Profile, genome: Genome, paths: list[Path], bounds: pd.DataFrame, windows: pd.DataFrame
) -> Parts:
    gene_ids, depth = published.read_patternchrome_marks(dict(zip(profile.marks, paths, strict=True)))
    genes = _placed(pd.DataFrame({"gene_id": gene_ids}), windows, bounds)
    # The signal lies around RefSeq's TSS, which `bounds` has of most genes; the others keep Ensembl's.
    refseq = genes["gene_id"].map(bounds.drop_duplicates("gene_id", keep=False).set_index("gene_id")["tss"])
    genes["tss"] = refseq.fillna(genes["tss"]).astype(int)
    # Bins are in the direction of transcription, so where no table knows the strand, either will do.
    noted = {"genes that are kept": {"strand unknown, taken for +": int(genes["strand"].isna().sum())}}
    genes["strand"] = genes["strand"].fillna("+")
    return Parts(genes, _no_pairs(), _no_bins, noted, _turn_minus(depth, genes["strand"]), "depth")


def _read_pilot(
    profile: Profile, genome: Genome, paths: list[Path], bounds: pd.DataFrame, windows: pd.DataFrame
) -> Parts:
    tracks, half = [published.read_pilot_track(path) for path in paths], profile.frame_bp // 2
    around = [Region(gene.chrom, gene.tss - half, gene.tss + half) for gene in bounds.itertuples()]
    is_inside = published.is_in_pilot(around)
    genes = bounds[is_inside].reset_index(drop=True)
    dropped = {"genes with a place": {"window not whole in a pilot region": int((~is_inside).sum())}}

    def read_bins(regions: Sequence[Region]) -> np.ndarray:
        return np.stack([published.pilot_mean(track, regions, profile.base_bp) for track in tracks], axis=1)

    return Parts(genes, _no_pairs(), read_bins, dropped, None, "arcsinh-p")


def _read_deepdiff(
    profile: Profile, genome: Genome, paths: list[Path], bounds: pd.DataFrame, windows: pd.DataFrame
) -> Parts:
    tables = [published.read_deepdiff(path) for path in paths]
    genes = _placed(pd.concat([genes for genes, _ in tables], ignore_index=True)[["gene_id"]], windows, bounds)
    counts = np.concatenate([counts for _, counts in tables])[:, :, [MARKS.index(mark) for mark in profile.marks]]
    is_known = genes["strand"].notna().to_numpy()
    dropped = {f"{len(genes):,} genes of the sample": {"no strand": int((~is_known).sum())}}
    return Parts(genes[is_known].reset_index(drop=True), _no_pairs(), _no_bins, dropped, counts[is_known], "counts")


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


def _no_pairs() -> pd.DataFrame:
    return pd.DataFrame({"gene_id": pd.Series(dtype=str), "region": pd.Series(dtype=str), "contact": pd.Series(dtype=float)})


def _no_bins(regions: Sequence[Region]) -> np.ndarray:
    raise AssertionError("there are no pCREs to read")


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
    if not isinstance(profile.inputs, RawInputs):
        ids = [source_id for group in sources.ids_of(profile, cell_type).values() for source_id in group]
        digests = [sources.entry(source_id).sha256 for source_id in ids]
        if isinstance(profile.inputs, PublishedInputs):
            digests.append(hashlib.sha256(published.PILOT_TABLE.read_bytes()).hexdigest())
        if isinstance(profile.inputs, DemoInputs):
            digests.append(hashlib.sha256((ROOT / "data" / profile.inputs.symbols).read_bytes()).hexdigest())
        return digests
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
