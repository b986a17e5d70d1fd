"""Promoter signal, labels and gene tables that others have binned and published, each read into checked data.

In: files of data/sources.yml, hg19. Out: arrays (gene, bin[, mark]) in the scale that each reader names, and tables with
positions in bp whose `attrs` count what was dropped, as those of the other readers do.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..config import DEEPDIFF_MARKS, ROOT, InputError
from ..genome import Region
from ..integrity import one_line
from .table import checked, numpy_errors, read_table, reading, refuse_first

PATTERNCHROME_GENES, PATTERNCHROME_BINS = 18_421, 200
PILOT_TABLE = ROOT / "data" / "encode-pilot-regions.csv"
PILOT_BINS, PILOT_BP = 1_126_469, 25
DEEPDIFF_BINS = 200  # marks in the order of DEEPDIFF_MARKS: the repository's README
_GENE_ID = r"ENSG\d{11}"
_WINDOW_BP = 20_000      # of every row of GeneFile.txt, the gene's start in its middle
_GENE_BOUNDS_BP = 500    # of every row of ABC's file, the TSS in its middle


# Signal


def read_patternchrome(path: Path, mark: str, *, n_genes: int = PATTERNCHROME_GENES) -> tuple[np.ndarray, np.ndarray]:
    """Read one mark of PatternChrome's E012: an R matrix named as the mark, one row per gene.

    The file has the gene body in its low bins; this returns bins in the direction of transcription, so bin 0 is
    5 kb upstream and the TSS lies between bins 99 and 100. The TSS is RefSeq's; the file does not give it.

    The file is parsed by rdata, which has no interpreter of R: nothing in a file can run, and no class of R is rebuilt.

    Returns
    -------
    genes : ndarray, (gene,)
        Ensembl ids without version, in the order of the file.
    depth : ndarray, (gene, l), float32
        Mean read depth of 50-bp bins. Scale: raw depth of 36-bp reads, neither extended nor normalised. Every value is
        a multiple of 1/50, and lone reads add up to 37 bp, so the publisher counted one base too many per read.

    Raises
    ------
    InputError
        The file is damaged, holds another object or another number of genes or bins, or depth below 0 or missing.
    """
    import rdata  # here: it brings xarray, half a second that only this reader should cost

    expected = f"an R matrix {mark} of {n_genes:,} genes x {PATTERNCHROME_BINS} bins"
    with reading(path, expected):
        path.stat()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # rdata's way to say that it met something it had to guess
                objects = rdata.read_rda(path, constructor_dict={})
        except Exception as error:  # noqa: BLE001 - rdata has no error of its own: damage shows as whatever it hit first
            raise ValueError(f"not readable as RData ({one_line(error)})") from None
        if list(objects) != [mark]:
            raise ValueError(f"holds {', '.join(map(str, objects)) or 'nothing'}, not {mark}")
        matrix = objects[mark]
        if getattr(matrix, "shape", None) != (n_genes, PATTERNCHROME_BINS):
            raise ValueError(f"{mark} has the shape {getattr(matrix, 'shape', 'of no matrix')}")
        if "dim_0" not in getattr(matrix, "coords", {}):
            raise ValueError(f"{mark} has no gene ids as row names")
        genes = matrix.coords["dim_0"].to_numpy().astype(str)
        _check_gene_ids(genes)
        depth = matrix.to_numpy().astype(np.float32)
        _check_signal(depth, genes)
    return genes, np.ascontiguousarray(depth[:, ::-1])


def read_patternchrome_marks(paths: Mapping[str, Path], **options: int) -> tuple[np.ndarray, np.ndarray]:
    """Read several marks of PatternChrome: gene ids, and depth (gene, l, m) float32 in the order of `paths`.

    Each mark as `read_patternchrome` gives it; an InputError where two files differ in their genes or their order.
    """
    read = {mark: read_patternchrome(path, mark, **options) for mark, path in paths.items()}
    check_same_genes({str(paths[mark]): genes for mark, (genes, _) in read.items()})
    return next(iter(read.values()))[0], np.stack([depth for _, depth in read.values()], axis=-1)


def check_same_genes(genes: Mapping[str, Sequence[str]]) -> None:
    """Raise an InputError unless every file (name -> gene ids) has the genes of the first, in its order."""
    (first, expected), *others = genes.items()
    for name, found in others:
        if len(found) != len(expected):
            raise InputError(f"{name}: {len(found):,} genes, expected {len(expected):,} as {first} has; fetch both again")
        if (differs := np.asarray(found) != np.asarray(expected)).any():
            row = int(differs.argmax())
            raise InputError(
                f"{name}: gene {row + 1:,} is {found[row]}, expected {expected[row]} as in {first}; fetch both again"
            )


def read_pilot_track(path: Path) -> np.ndarray:
    """Read Avocado's signal of one mark over the ENCODE pilot regions.

    Returns
    -------
    ndarray, (PILOT_BINS,), float32
        One value for each 25-bp bin of `pilot_regions`, one region after the other.
        Scale: arcsinh(-log10 p) of reads against control, so neither depth nor anything to feed to released weights.

    Raises
    ------
    InputError
        The file is damaged, or holds another array, or values that are missing or below 0.
    """
    with reading(path, f"a .npz with one array arr_0 of {PILOT_BINS:,} float32 values"), numpy_errors():
        archive = np.load(path, allow_pickle=False)
        names = list(getattr(archive, "files", ()))
        if names != ["arr_0"]:
            raise ValueError(f"holds the arrays {', '.join(names)}" if names else "is no .npz")
        with archive:
            track = archive["arr_0"]
        if not isinstance(track, np.ndarray):
            raise ValueError("arr_0 is no array")  # noqa: TRY004
        if track.dtype != np.float32 or track.shape != (PILOT_BINS,):
            raise ValueError(f"arr_0 is {track.dtype} {track.shape}")
        _check_signal(track, None)
    return track


def pilot_regions() -> pd.DataFrame:
    """The 42 autosomal ENCODE pilot regions as Avocado binned them: name, chrom, start, end (hg19, bp), first.

    `first` is the position of the region's first bin in a track. Ends are those of bins: the pilot regions themselves
    are up to two bins shorter. Recovered from the data, as nobody published them; see data/README.md.
    """
    return pd.read_csv(PILOT_TABLE)


def is_in_pilot(regions: Sequence[Region]) -> np.ndarray:
    """True for regions that lie wholly inside one pilot region, (region,), bool."""
    pilots = list(pilot_regions().itertuples())
    return np.array([_pilot_of(region, pilots) is not None for region in regions], bool)


def _pilot_of(region: Region, pilots: Sequence[Any]) -> Any:
    """The row of `pilot_regions` that holds a region whole, or None."""
    return next((p for p in pilots if p.chrom == region.chrom and p.start <= region.start < region.end <= p.end), None)


def pilot_mean(track: np.ndarray, regions: Sequence[Region], bin_bp: int) -> np.ndarray:
    """Mean of a pilot track in each bin of some regions, by the conventions of `depth.bin_mean`.

    Parameters
    ----------
    track : ndarray, (PILOT_BINS,)
        As `read_pilot_track` gives it.
    regions : sequence of Region
        Each wholly inside one pilot region. They need not begin on a bin of the track: a bin of 25 bp counts by the
        share of it that lies inside.

    Returns
    -------
    ndarray, (row,), float32
        ceil(width / bin_bp) bins of each region, one region after the other; the last bin of a region averages only the
        positions it has.

    Raises
    ------
    InputError
        The track has another number of bins, or a region is not wholly inside one pilot region.
    """
    if track.shape != (PILOT_BINS,):
        raise InputError(f"pilot track of shape {track.shape}, expected ({PILOT_BINS},); read it with read_pilot_track")
    pilots = list(pilot_regions().itertuples())
    # Sums up to the start of each bin, in float64: they reach 4e5, and a mean must be exact where there is no signal.
    before = np.concatenate([[0.0], np.cumsum(track, dtype=np.float64)])
    value = np.append(track, np.float32(0)).astype(np.float64)  # a region may end where the track does
    rows = [np.empty(0, np.float32)]
    for region in regions:
        pilot = _pilot_of(region, pilots)
        if pilot is None:
            raise InputError(
                f"region {region}: not wholly inside one of the {len(pilots)} ENCODE pilot regions; "
                "leave it out, published.pilot_regions lists them"
            )
        edges = np.append(np.arange(region.start, region.end, bin_bp), region.end)
        bin_idx, rest_bp = np.divmod(edges - pilot.start, PILOT_BP)
        bin_idx += pilot.first
        total = before[bin_idx] + value[bin_idx] * (rest_bp / PILOT_BP)
        rows.append((np.diff(total) * PILOT_BP / np.diff(edges)).astype(np.float32))
    return np.concatenate(rows)


def read_deepdiff(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Read a split of DeepDiffChrome: gene_symbol_window and one count per mark in each row, without a header.

    Returns
    -------
    genes : DataFrame
        gene_id and symbol, in the order of the file.
    counts : ndarray, (gene, l, m), float32
        Scale: counts of reads that touch a window of 100 bp. Windows are in the order of the genome, on either strand;
        the gene's Ensembl start, `read_gene_windows`'s tss, lies between the 100th and the 101st (10 kb to either side,
        although the repository speaks of 20). Marks are DEEPDIFF_MARKS.

    Raises
    ------
    InputError
        The file is damaged or cut, a gene lacks windows or has them in another order, or a count is below 0.
    """
    expected = f"rows ENSG_symbol_window and {len(DEEPDIFF_MARKS)} counts, windows 1 to {DEEPDIFF_BINS} of one gene after the other"
    with reading(path, expected):
        table = read_table(path, {"name": str} | dict.fromkeys(DEEPDIFF_MARKS, int), sep=",")
        names = table["name"].str.extract(rf"^({_GENE_ID})_(.*)_(\d+)$")
        refuse_first(names[0].isna(), table["name"], "is no ENSG_symbol_window")
        starts_gene = (names[0] != names[0].shift()).to_numpy()
        since_start = np.arange(len(names)) - np.flatnonzero(starts_gene)[np.cumsum(starts_gene) - 1]
        wrong = names[2].astype(int) != since_start + 1
        if wrong.any():
            line, window = wrong.idxmax(), since_start[wrong.argmax()] + 1
            raise ValueError(f"line {line:,} is window {names[2][line]} of {names[0][line]}, not window {window}")
        genes = names[starts_gene].rename(columns={0: "gene_id", 1: "symbol"})[["gene_id", "symbol"]]
        n_windows = np.diff(np.append(np.flatnonzero(starts_gene), len(names)))
        if (short := n_windows != DEEPDIFF_BINS).any():
            raise ValueError(f"{genes['gene_id'].iloc[short.argmax()]} has {n_windows[short.argmax()]} windows")
        _check_gene_ids(genes["gene_id"].to_numpy())
        counts = table[list(DEEPDIFF_MARKS)].to_numpy(np.float32).reshape(-1, DEEPDIFF_BINS, len(DEEPDIFF_MARKS))
        _check_signal(counts, genes["gene_id"].to_numpy())
    return checked(genes, {}), counts


# Labels and genes


def read_targets(paths: Mapping[str, Path], gene_list: Path) -> pd.DataFrame:
    """Read ShallowChrome's expression: one file of numbers per cell type, its rows those of the gene list.

    Returns
    -------
    DataFrame
        RPKM by gene_id (index) and cell type (column). Ids that the list repeats (it names one gene by two symbols) are
        kept once and counted in attrs.

    Raises
    ------
    InputError
        A file is damaged or has another number of rows than the list; an RPKM is missing or below 0.
    """
    with reading(gene_list, "one Ensembl gene id per line"):
        genes = np.array([line.strip() for line in gene_list.read_text(encoding="utf-8").splitlines()], dtype=str)
        _check_gene_ids(genes, unique=False)
    columns = {}
    for cell_type, path in paths.items():
        with reading(path, f"one RPKM per line, for each of the {len(genes):,} genes of {gene_list.name}"):
            lines = pd.Series(path.read_text(encoding="utf-8").splitlines(), dtype="str")
            values = pd.to_numeric(lines, errors="coerce").to_numpy(np.float64)
            if (is_bad := ~(np.isfinite(values) & (values >= 0))).any():
                row = int(is_bad.argmax())
                raise ValueError(f"line {row + 1:,} is {lines[row][:60]!r}, not a number of 0 or more")
            if len(values) != len(genes):
                raise ValueError(f"has {len(values):,} lines")
        columns[cell_type] = values
    table = pd.DataFrame(columns, index=pd.Index(genes, name="gene_id"))
    repeated = table.index.duplicated()
    attrs = checked(table[~repeated], {"id seen before": repeated.sum()}).attrs
    table = table[~repeated]
    table.attrs = attrs
    return table


def read_gene_windows(path: Path) -> pd.DataFrame:
    """Read ShallowChrome's GeneFile: chrom, start, end and ENSG_symbol of a window around each gene's start.

    Returns
    -------
    DataFrame
        gene_id, symbol (missing where the file says NA), chrom and tss: the middle of the window, the gene's first base
        as Ensembl counts it (from 1). It is the start of the whole gene, which may be another than RefSeq's TSS, and on
        "+" lies two above the tss of `read_gene_bounds` where both mean the same base; on "-" they are equal.
    """
    with reading(path, f"GeneFile: chrom, start, end, ENSG_symbol; windows of {_WINDOW_BP:,} bp"):
        table = read_table(path, {"chrom": str, "start": int, "end": int, "name": str})
        names = table["name"].str.extract(rf"^({_GENE_ID})_(.+)$")
        refuse_first(names[0].isna(), table["name"], "is no ENSG_symbol")
        refuse_first(table["end"] - table["start"] != _WINDOW_BP, names[0], "has a window of another width")
    table = pd.DataFrame({
        "gene_id": names[0],
        "symbol": names[1].where(names[1] != "NA", None),
        "chrom": table["chrom"],
        "tss": (table["start"] + table["end"]) // 2,
    })  # fmt: skip
    repeated = table["gene_id"].duplicated()
    return checked(table[~repeated], {"id seen before": repeated.sum()})


def read_gene_bounds(path: Path) -> pd.DataFrame:
    """Read ABC's genes: 500 bp around the RefSeq TSS of each, with its strand.

    Returns
    -------
    DataFrame
        gene_id, symbol, chrom, strand and tss by the house's convention: the base before the transcript, start - 1 on
        "+" and end on "-", as `readers.read_transcripts` counts it. Of rows that repeat an id, the first.
    """
    with reading(path, "gene bounds: #chr, start, end, name, score, strand, Ensembl_ID, gene_type"):
        types = {"#chr": str, "start": int, "end": int, "name": str, "strand": str, "Ensembl_ID": str}
        table = read_table(path, types, has_header=True)
        table = table.rename(columns={"#chr": "chrom", "Ensembl_ID": "gene_id", "name": "symbol"})
        refuse_first(~table["gene_id"].str.fullmatch(_GENE_ID), table["gene_id"], "is no Ensembl gene id")
        refuse_first(~table["strand"].isin(["+", "-"]), table["gene_id"], "has a strand other than + and -")
        refuse_first(table["end"] - table["start"] != _GENE_BOUNDS_BP, table["gene_id"], f"does not span {_GENE_BOUNDS_BP} bp")
    # The middle is the transcript's start on "+" and its end on "-", 0-based; so it agrees with the demo.
    middle = (table["start"] + table["end"]) // 2
    table["tss"] = middle - (table["strand"] == "+")
    repeated = table["gene_id"].duplicated()
    return checked(table.loc[~repeated, ["gene_id", "symbol", "chrom", "strand", "tss"]], {"id seen before": repeated.sum()})


# Contacts


def read_links(path: Path) -> pd.DataFrame:
    """Read JEME's enhancer-gene links of one cell type: region, ENSG.version$symbol$chrom$tss$strand, score.

    Returns
    -------
    DataFrame
        gene_id (no version), chrom, tss (as in `read_gene_windows`), strand, region ("chrom:start-end") and contact: the
        score of the link, 0 to 1, a prediction from signal and not a frequency of contact. Of rows that repeat a gene
        and a region, the strongest.
    """
    with reading(path, "JEME: chrom:start-end, ENSG.version$symbol$chrom$tss$strand, score"):
        table = read_table(path, {"region": str, "gene": str, "contact": float}, sep=",")
        region = table["region"].str.extract(r"^([^:\s]+):(\d{1,10})-(\d{1,10})$")
        gene = table["gene"].str.extract(rf"^({_GENE_ID})(?:\.\d+)?\$[^$]*\$([^$]+)\$(\d{{1,10}})\$([+-])$")
        gene.columns = ["gene_id", "chrom", "tss", "strand"]
        refuse_first(region[0].isna(), table["region"], "is no region")
        refuse_first(gene["gene_id"].isna(), table["gene"], "is no ENSG.version$symbol$chrom$tss$strand")
        ends = region[[1, 2]].astype(np.int64)
        refuse_first(ends[1] >= ends[2], table["region"], "has no width")
        refuse_first(region[0] != gene["chrom"], table["region"], "lies on another chromosome than its gene")
        refuse_first(~table["contact"].between(0, 1), table["region"], "has a score outside 0 to 1")  # NaN too
    links = gene.astype({"tss": np.int64}).join(table[["region", "contact"]])
    strongest_first = links.sort_values("contact", ascending=False, kind="stable")
    repeated = strongest_first.duplicated(["gene_id", "region"]).sort_index()
    return checked(links[~repeated], {"pair seen before": repeated.sum()})


def _check_gene_ids(genes: np.ndarray, *, unique: bool = True) -> None:
    ids = pd.Series(genes, index=range(1, len(genes) + 1), dtype=str)
    if ids.empty:
        raise ValueError("holds no genes")
    refuse_first(~ids.str.fullmatch(_GENE_ID), ids, "is no Ensembl gene id", unit="row")
    if unique:
        refuse_first(ids.duplicated(), ids, "is listed twice", unit="row")


def _check_signal(values: np.ndarray, genes: np.ndarray | None) -> None:
    """A ValueError that names the first gene (None: the first bin) whose value is missing, infinite or below 0."""
    is_bad = ~(np.isfinite(values) & (values >= 0))
    if is_bad.any():
        where = np.argwhere(is_bad)[0]
        name = f"bin {where[0]:,}" if genes is None else genes[where[0]]
        raise ValueError(f"{name} has the value {values[tuple(where)]:g}, not 0 or more")
