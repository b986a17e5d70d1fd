"""Public file formats, each read into one tidy, checked table.

In: files as their providers publish them. Out: tables with 0-based positions in bp; `attrs` of a table hold "kept"
(rows) and "dropped" ({reason: rows}), so that nothing is filtered silently.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from .config import MARKS, InputError
from .genome import Genome, Region

DEMO_FRAME_BP = 40_000  # width of every promoter array of the release's demo, TSS at its middle
_DEMO_TABLE = re.compile(r"^[^/]+/demo/demo_meta\.csv$")
_DEMO_ARRAY = re.compile(r"^[^/]+/demo/demo_data/([^/:]+:\d+-\d+)\.npy$")
_DEMO_COLUMNS = ("gene_id", "expression", "eid", "label", "chrom", "start", "strand", "neighbors", "scores")

_DEMO_PREDICTIONS = {"demo/demo_meta.predicted.csv": "probability", "demo/prediction.reg.out": "expression"}

_CONTACT_COLUMNS = (
    "type",
    "frag1",
    "frag2",
    "cov1",
    "cov2",
    "freq",
    "dist",
    "expected",
    "capture",
    "background",
    "frequency",
    "significance",
)
_CONTACT_HEADER = {1: "type", 2: "frag1", 3: "frag2", 9: "all_capture_res", 11: "dist_res"}  # position -> name
_MAX_SHARE_INCONSISTENT = 0.01  # of contact rows; above it the columns are not what we take them for


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn whatever goes wrong while `path` is read into an InputError of one line."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file, expected {expected}; fetch it or correct the profile's inputs"
        ) from None
    except (OSError, EOFError, zlib.error, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: {reason}; expected {expected}; fetch the file again") from None


def stat(path: Path) -> os.stat_result:
    """Size and time stamp of an input file; an InputError where it is missing."""
    with reading(path, "an input file"):
        return path.stat()


def _compression(path: Path) -> str | None:
    """ "gzip" by the file's first bytes, since some providers leave the ending out; else by its ending."""
    with open(path, "rb") as file:
        return "gzip" if file.read(2) == b"\x1f\x8b" else "infer"


def _read_lines(path: Path) -> list[str]:
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8").splitlines()


def checked(table: pd.DataFrame, dropped: dict[str, int]) -> pd.DataFrame:
    """The table with rows numbered anew and `attrs` that hold its rows as "kept", and "dropped" without zeros."""
    table = table.reset_index(drop=True)
    table.attrs = {"kept": len(table), "dropped": {reason: int(count) for reason, count in dropped.items() if count}}
    return table


def read_demo(archive: Path) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Read the release's demo from its archive, member by member; nothing is unpacked onto the disk.

    Returns
    -------
    genes : DataFrame
        gene_id, cell_type, chrom, tss, strand, expression (RPKM), label, and the lists pcres and contacts, strongest
        first.
    depth : dict of (m, position) float16
        Reads over each base pair by region string: each gene's promoter (DEMO_FRAME_BP wide) and every pCRE.
        Rows are in the order of MARKS.

    Raises
    ------
    InputError
        The archive is damaged, or a table column, an array or a shape is not as expected.
    """
    genes, depth = None, {}
    with reading(archive, "the release's demo as .tar.gz"), tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            array = _DEMO_ARRAY.match(member.name)
            if not member.isfile() or not (array or _DEMO_TABLE.match(member.name)):
                continue
            data = io.BytesIO(tar.extractfile(member).read())
            if array:
                depth[array[1]] = _demo_array(archive, array[1], data)
            else:
                genes = _demo_genes(archive, data)
    if genes is None:
        raise InputError(f"{archive}: holds no demo/demo_meta.csv; expected the release's archive; fetch it again")
    needed = {demo_promoter(gene.chrom, gene.tss) for gene in genes.itertuples()}.union(*genes.pcres)
    if missing := sorted(needed - set(depth)):
        raise InputError(
            f"{archive}: {len(missing)} of {len(needed)} arrays are missing, the first is {missing[0]}; "
            "fetch the archive again"
        )
    return genes, depth


def read_demo_predictions(archive: Path) -> pd.DataFrame:
    """What the release's pretrained networks said of its demo genes, as its authors published it.

    Returns
    -------
    DataFrame
        gene_id, probability (classifier; the release's sigmoid of the logit "on") and expression (regressor;
        log2(RPKM + 1)).
    """
    tables = {}
    with reading(archive, "the release's demo as .tar.gz"), tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            name = member.name.partition("/")[2]
            if member.isfile() and name in _DEMO_PREDICTIONS:
                tables[name] = pd.read_csv(tar.extractfile(member)).set_index("gene_id")["prediction"]
    if missing := [name for name in _DEMO_PREDICTIONS if name not in tables]:
        raise InputError(f"{archive}: holds no {missing[0]}; expected the release's archive; fetch it again")
    return pd.DataFrame({column: tables[name] for name, column in _DEMO_PREDICTIONS.items()}).reset_index()


def demo_promoter(chrom: str, tss: int) -> str:
    """Region string of the promoter array of a demo gene."""
    return str(Region(chrom, tss - DEMO_FRAME_BP // 2, tss + DEMO_FRAME_BP // 2))


def _demo_array(archive: Path, name: str, data: io.BytesIO) -> np.ndarray:
    with reading(archive, f"a NumPy array as {name}.npy"):
        array = np.load(data, allow_pickle=False)
    expected = (len(MARKS), Region.parse(name).width)
    if array.dtype != np.float16 or array.shape != expected:
        raise InputError(
            f"{archive}: {name}.npy is {array.dtype} {array.shape}, expected float16 {expected}; "
            "fetch the archive again"
        )
    if not (array >= 0).all():  # False for NaN too
        raise InputError(f"{archive}: {name}.npy holds negative or missing depth; fetch the archive again")
    return array


def _demo_genes(archive: Path, data: io.BytesIO) -> pd.DataFrame:
    where = f"{archive}: demo_meta.csv"
    with reading(archive, "a table of genes as demo_meta.csv"):
        table = pd.read_csv(data, keep_default_na=False, dtype={"neighbors": str, "scores": str})
        if missing := [name for name in _DEMO_COLUMNS if name not in table]:
            raise InputError(f"{where}: no column {missing[0]}, found {', '.join(table)}; fetch the archive again")
        pcres, scores = (
            table[name].map(lambda text: text.split(";") if text else []) for name in ("neighbors", "scores")
        )
        genes = pd.DataFrame(
            {
                "gene_id": table["gene_id"],
                "cell_type": table["eid"],
                "chrom": table["chrom"],
                "tss": table["start"].astype(np.int64),
                "strand": table["strand"],
                "expression": table["expression"].astype(float),
                "label": table["label"].astype(int),
                "pcres": pcres,
                "contacts": scores.map(lambda texts: [float(text) for text in texts]),
            }
        )
    uneven = genes["pcres"].map(len) != genes["contacts"].map(len)
    for bad, what in (
        (genes["gene_id"].duplicated(), "is listed twice"),
        (~genes["strand"].isin(["+", "-"]), "has a strand other than + and -"),
        (~genes["label"].isin([0, 1]), "has a label other than 0 and 1"),
        (~(genes["expression"] >= 0), "has no RPKM of 0 or more"),
        (uneven, "has unequal numbers of neighbors and scores"),
    ):
        if bad.any():
            raise InputError(f"{where}: {genes['gene_id'][bad].iloc[0]} {what}; fetch the archive again")
    return checked(genes, {})


def read_reads(path: Path, genome: Genome) -> pd.DataFrame:
    """Read aligned reads: tagAlign or any BED file whose first three columns are chrom, start and end.

    Rows may come in any order and with any further columns.

    Returns
    -------
    DataFrame
        chrom (categorical), start, end of each read. A read that crosses the end of its chromosome is cut there and
        counted in attrs["clipped"]; reads on other contigs, or past the end, are dropped.

    Raises
    ------
    InputError
        The file is damaged or has other columns, or no read lies on `genome`.
    """
    with reading(path, "tagAlign: chrom, start, end, ... without a header"):
        reads = pd.read_csv(
            path,
            sep="\t",
            header=None,
            usecols=[0, 1, 2],
            names=["chrom", "start", "end"],
            dtype={"chrom": "category", "start": np.int64, "end": np.int64},
            compression=_compression(path),
        )
    wrong = (reads["start"] < 0) | (reads["end"] <= reads["start"])
    if wrong.any():
        row = reads[wrong].iloc[0]
        raise InputError(
            f"{path}: row {wrong.idxmax() + 1:,} is {row.chrom}:{row.start}-{row.end}, "
            "expected 0 <= start < end; fetch the file again"
        )
    size = reads["chrom"].map(genome.sizes).astype(float).fillna(0).to_numpy()
    on_contig, is_inside = (size > 0), reads["start"].to_numpy() < size
    if not is_inside.any():
        found = ", ".join(map(str, reads["chrom"].cat.categories[:3]))
        raise InputError(
            f"{path}: none of {len(reads):,} reads lies on {genome.name} (chromosomes found: {found}); "
            f"expected {next(iter(genome.sizes))} and the like; is `genome` of the profile right?"
        )
    kept = reads[is_inside]
    ends = np.minimum(kept["end"], size[is_inside].astype(np.int64))
    n_clipped = int((ends < kept["end"]).sum())
    table = checked(
        kept.assign(end=ends),
        {
            f"contig not in {genome.name}": (~on_contig).sum(),
            "past the end of its chromosome": (on_contig & ~is_inside).sum(),
        },
    )
    table.attrs["clipped"] = n_clipped
    return table


def read_expression(path: Path, cell_types: Sequence[str]) -> pd.DataFrame:
    """Read Roadmap's RPKM matrix: gene_id and one column per cell type asked for.

    Lines may end in blanks or TABs, all of them or only those of data: fields are counted after those are cut, because
    a reader that trusts them takes gene_id for an index and shifts every column by one.
    """
    with reading(path, "a matrix with the header gene_id, E000, ..."):
        rows = [line.rstrip().split("\t") for line in _read_lines(path) if line.strip()]
        if not rows or rows[0][0] != "gene_id":
            raise ValueError(f"its header starts with {rows[0][0][:40]!r}" if rows else "it is empty")
        for number, row in enumerate(rows, start=1):
            if len(row) != len(rows[0]):
                raise ValueError(f"row {number:,} ({row[0][:40]}) has {len(row)} fields, the header has {len(rows[0])}")
        if missing := [name for name in cell_types if name not in rows[0]]:
            raise InputError(
                f"{path}: no column {missing[0]!r}, found {', '.join(rows[0][1:8])}, ...; "
                "correct cell_types in the profile"
            )
        matrix = pd.DataFrame(rows[1:], columns=rows[0])[["gene_id", *cell_types]]
        matrix = matrix.astype(dict.fromkeys(cell_types, float))
    if (repeated := matrix["gene_id"].duplicated()).any():
        raise InputError(f"{path}: {matrix['gene_id'][repeated].iloc[0]} has two rows, expected one; remove one")
    values = matrix[list(cell_types)].to_numpy()
    if (bad := ~(np.isfinite(values) & (values >= 0)).all(axis=1)).any():
        raise InputError(
            f"{path}: {matrix['gene_id'][bad].iloc[0]} has an RPKM that is negative or not a number, "
            "expected 0 or more; fetch the file again"
        )
    return checked(matrix, {})


def read_transcripts(path: Path, genome: Genome) -> pd.DataFrame:
    """Read UCSC's refGene table, dumped from the database or exported with its "#bin" header.

    Returns
    -------
    DataFrame
        transcript, chrom, strand, start, end, symbol, and tss: the base before the transcript as the release counts it,
        start - 1 on "+" and end on "-".
    """
    names = {1: "transcript", 2: "chrom", 3: "strand", 4: "start", 5: "end", 12: "symbol"}
    with reading(path, "refGene: 16 columns, the strand in the fourth"):
        table = pd.read_csv(
            path,
            sep="\t",
            header=None,
            comment="#",
            usecols=list(names),
            names=range(16),
            dtype={4: np.int64, 5: np.int64},
            keep_default_na=False,
            compression=_compression(path),
        )
        table = table.rename(columns=names)
        wrong = ~table["strand"].isin(["+", "-"]) | (table["start"] < 0) | (table["end"] <= table["start"])
        if wrong.any():
            row = table[wrong].iloc[0]
            raise ValueError(f"{row.transcript} lies at {row.chrom}:{row.start}-{row.end} on strand {row.strand!r}")
    table["tss"] = np.where(table["strand"] == "+", table["start"] - 1, table["end"])
    size = table["chrom"].map(genome.sizes).astype(float).fillna(0)
    on_genome, has_tss = size > 0, (table["tss"] >= 0) & (table["tss"] < size)
    return checked(
        table[has_tss],
        {f"contig not in {genome.name}": (~on_genome).sum(), "TSS off its chromosome": (on_genome & ~has_tss).sum()},
    )


def read_gene_info(path: Path) -> pd.DataFrame:
    """Read Roadmap's table of Ensembl genes (no header, ragged, plain or gzip): gene_id and symbol."""
    with reading(path, "Ensembl genes: the id in the first field, the symbol in the seventh"):
        rows = [line.rstrip().split("\t") for line in _read_lines(path) if line.strip()]
        if not rows or any(len(row) < 6 for row in rows):
            short = next((row for row in rows if len(row) < 6), [""])
            raise ValueError(f"{short[0][:40]!r} has {len(short)} fields" if rows else "it is empty")
    pairs = [(row[0], row[6].strip() if len(row) > 6 else "") for row in rows]
    table = pd.DataFrame(pairs, columns=["gene_id", "symbol"])
    nameless = table["symbol"] == ""
    repeated = table["gene_id"].duplicated() & ~nameless
    return checked(table[~nameless & ~repeated], {"no symbol": nameless.sum(), "id seen before": repeated.sum()})


def read_contacts(path: Path, genome: Genome) -> pd.DataFrame:
    """Read a table of 3DIV promoter-capture Hi-C, promoter-other ("po") or promoter-promoter ("pp").

    Columns are taken by position, as one name occurs twice in the header; three laws of the format show that the
    positions are right: both ends on one chromosome, `dist` between their midpoints, and
    `dist_res` = (capture + 1) / (background + 1).

    Returns
    -------
    DataFrame
        kind ("po" or "pp"), frag1 (bait), frag2 ("chrom:start-end", ends included in the fragment; categorical) and
        frequency: contacts normalised for capture and distance (`dist_res`), 1 where they are as frequent as expected.

    Raises
    ------
    InputError
        The file is damaged, the header is another, or more than 1 % of rows break a law.
    """
    expected = "3DIV contacts: 12 columns, type, frag1, frag2, ... dist_res, -log10(result)"
    numbers = {name: np.float64 for name in _CONTACT_COLUMNS[3:]}
    with reading(path, expected):
        compression = _compression(path)
        header = pd.read_csv(path, sep="\t", header=None, nrows=1, dtype=str, compression=compression).iloc[0].tolist()
        for position, name in _CONTACT_HEADER.items():
            found = header[position - 1] if len(header) >= position else "nothing"
            if found != name:
                raise ValueError(f"column {position} is {found!r}, not {name!r}")
        table = pd.read_csv(
            path,
            sep="\t",
            header=None,
            skiprows=1,
            names=_CONTACT_COLUMNS,
            index_col=False,
            dtype={"type": "category", "frag1": "category", "frag2": "category"} | numbers,
            compression=compression,
        )
        kind = table["type"].map(lambda text: text.rpartition(".")[2]).astype(str)  # "GM.po" -> "po"
        if unknown := sorted(set(kind) - {"po", "pp"}):
            raise ValueError(f"a row has the type {unknown[0]!r}")
        bait, partner = _fragment_ends(table["frag1"]), _fragment_ends(table["frag2"])
    is_finite = np.isfinite(table["frequency"]) & (table["frequency"] > 0)
    distance = (_middle(bait) - _middle(partner)).abs()
    ratio = (table["capture"] + 1) / (table["background"] + 1)
    is_lawful = (bait["chrom"] == partner["chrom"]) & ((distance - table["dist"]).abs() <= 1)
    is_lawful &= (ratio / table["frequency"] - 1).abs() < 0.05  # the pseudo-count is 1 but for its second decimal
    n_broken = int((is_finite & ~is_lawful).sum())
    if n_broken > _MAX_SHARE_INCONSISTENT * len(table):
        raise InputError(
            f"{path}: in {n_broken:,} of {len(table):,} rows dist or dist_res does not follow from the other "
            f"columns; expected {expected}; is a column missing or shifted?"
        )
    size = bait["chrom"].map(genome.sizes).astype(float).fillna(0)
    on_genome = (size > 0) & (bait["end"] < size) & (partner["end"] < size)
    kept = table.assign(kind=kind)[is_finite & is_lawful & on_genome]
    return checked(
        kept[["kind", "frag1", "frag2", "frequency"]],
        {
            "dist_res not a positive number": (~is_finite).sum(),
            "dist or dist_res inconsistent": n_broken,
            f"not within {genome.name}": (is_finite & is_lawful & ~on_genome).sum(),
        },
    )


def _fragment_ends(fragments: pd.Series) -> pd.DataFrame:
    """chrom, start, end of each row; parsed once per category, of which there are far fewer than rows."""
    parsed = fragments.cat.categories.to_series().astype(str).str.extract(r"^([^:]+):(\d+)-(\d+)$")
    if (bad := parsed[0].isna()).any() or fragments.isna().any():
        raise ValueError(f"{fragments.name} is {bad.index[bad][0] if bad.any() else 'empty'!r} in a row")
    ends = parsed.set_axis(["chrom", "start", "end"], axis=1).astype({"start": np.int64, "end": np.int64})
    return ends.iloc[fragments.cat.codes].reset_index(drop=True)


def _middle(ends: pd.DataFrame) -> pd.Series:
    return (ends["start"] + ends["end"]) // 2
