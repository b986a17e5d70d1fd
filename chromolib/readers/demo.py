"""The release's tables of genes, and its demo: 100 genes of H1 cells with the depth around them, in an archive.

In: files as published. Out: tables of genes and pairs, positions in bp, 0-based; arrays of reads over each base pair.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from ..config import MARKS, InputError
from ..genome import Region
from .table import checked, numbered_lines, numpy_errors, other_than, parse_table, read_csv, reading, refuse_first

DEMO_FRAME_BP = 40_000  # width of every promoter array of the release's demo, TSS at its middle
_DEMO_TABLE = re.compile(r"^[^/]+/demo/demo_meta\.csv$")
_DEMO_ARRAY = re.compile(r"^[^/]+/demo/demo_data/([^/:]+:\d+-\d+)\.npy$")
_REGION, _NUMBER = r"[^:;\s]+:\d{1,10}-\d{1,10}", r"\d{1,15}(\.\d+)?(e[+-]?\d{1,2})?"
_METADATA = {
    "gene_id": str, "expression": float, "eid": str, "label": int, "chrom": str, "start": int, "strand": str,
    "split": int, "neighbors": str, "scores": str,
}  # fmt: skip
_DEMO_PREDICTIONS = {"demo/demo_meta.predicted.csv": "probability", "demo/prediction.reg.out": "expression"}


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
                with reading(archive, "a table of genes as demo_meta.csv"):
                    lines = enumerate(data.getvalue().decode("utf-8-sig").splitlines(), start=1)
                    genes = _genes_of(lines).drop(columns="fold")
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
                tables[name] = _demo_prediction(archive, member.name, tar.extractfile(member))
    if missing := [name for name in _DEMO_PREDICTIONS if name not in tables]:
        raise InputError(f"{archive}: holds no {missing[0]}; expected the release's archive; fetch it again")
    predictions = pd.DataFrame({column: tables[name] for name, column in _DEMO_PREDICTIONS.items()})
    if (lone := predictions.isna().any(axis=1)).any():
        raise InputError(f"{archive}: {predictions.index[lone][0]} has one of two predictions; fetch the archive again")
    return predictions.reset_index()


def _demo_prediction(archive: Path, name: str, data: BinaryIO) -> pd.Series:
    """One number for each gene."""
    with reading(archive, f"gene_id, prediction and further columns in {name}"):
        table = read_csv(data, dtype={"gene_id": str}, keep_default_na=False)
        if missing := [column for column in ("gene_id", "prediction") if column not in table]:
            raise ValueError(f"no column {missing[0]}, found {', '.join(table)[:200]}")
        found = table.set_index("gene_id")["prediction"].astype(np.float64)
        if not np.isfinite(found).all() or found.index.has_duplicates:
            raise ValueError("a gene is listed twice or has a prediction that is no number")
    return found


def demo_promoter(chrom: str, tss: int) -> str:
    """Region string of the promoter array of a demo gene."""
    return str(Region(chrom, tss - DEMO_FRAME_BP // 2, tss + DEMO_FRAME_BP // 2))


def _demo_array(archive: Path, name: str, data: io.BytesIO) -> np.ndarray:
    with reading(archive, f"a NumPy array as {name}.npy"), numpy_errors():
        array = np.load(data, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("is no single array")  # noqa: TRY004
    expected = (len(MARKS), Region.parse(name).width)
    if array.dtype != np.float16 or array.shape != expected:
        raise InputError(
            f"{archive}: {name}.npy is {array.dtype} {array.shape}, expected float16 {expected}; "
            "fetch the archive again"
        )
    if not (array >= 0).all():  # False for NaN too
        raise InputError(f"{archive}: {name}.npy holds negative or missing depth; fetch the archive again")
    return array


def read_metadata(path: Path, cell_type: str | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table of genes as the release trains from: train.csv of all cell types, or demo_meta.csv.

    Parameters
    ----------
    cell_type : str, optional
        The eid whose rows to take; a file of one cell type needs none.

    Returns
    -------
    genes : DataFrame
        gene_id, cell_type, chrom, tss (the base before the transcript, as the release counts it for human genes),
        strand, expression (RPKM), label, fold.
    pairs : DataFrame
        gene_id, region ("chrom:start-end"), contact and rank (from 0), in the order of the file: strongest first.
    """
    with reading(path, "a table of genes as the release's train.csv"):
        genes = _genes_of(numbered_lines(path))
    is_other = other_than(path, genes["cell_type"], cell_type, "cell type")
    kept = genes[~is_other]
    pairs = kept[["gene_id", "pcres", "contacts"]].explode(["pcres", "contacts"]).dropna()
    pairs = pairs.set_axis(["gene_id", "region", "contact"], axis=1).astype({"contact": np.float64})
    pairs["rank"] = pairs.groupby("gene_id", sort=False).cumcount()
    dropped = {"another cell type": is_other.sum()}
    return checked(kept.drop(columns=["pcres", "contacts"]), dropped), checked(pairs, {})


def _genes_of(lines: Iterator[tuple[int, str]]) -> pd.DataFrame:
    """Genes of a table of the release, with lists of pCREs and their contacts; a ValueError names the line."""
    table = parse_table(lines, _METADATA, sep=",", has_header=True)
    pcres, scores = (table[name].map(lambda text: text.split(";") if text else []) for name in ("neighbors", "scores"))
    for bad, what in (
        (table.duplicated(["eid", "gene_id"]), "is listed twice"),
        (~table["strand"].isin(["+", "-"]), "has a strand other than + and -"),
        (~table["label"].isin([0, 1]), "has a label other than 0 and 1"),
        (~(np.isfinite(table["expression"]) & (table["expression"] >= 0)), "has no RPKM of 0 or more"),
        (~table["neighbors"].str.fullmatch(rf"({_REGION}(;{_REGION})*)?"), "has a neighbor that is no chrom:start-end"),
        (~table["scores"].str.fullmatch(rf"({_NUMBER}(;{_NUMBER})*)?"), "has a score that is no number of 0 or more"),
        (pcres.map(len) != scores.map(len), "has unequal numbers of neighbors and scores"),
    ):
        refuse_first(bad, table["gene_id"], what)
    return checked(
        pd.DataFrame({
            "gene_id": table["gene_id"],
            "cell_type": table["eid"],
            "chrom": table["chrom"],
            "tss": table["start"],
            "strand": table["strand"],
            "expression": table["expression"],
            "label": table["label"],
            "pcres": pcres,
            "contacts": scores.map(lambda texts: [float(text) for text in texts]),
            "fold": table["split"],
        }),
        {},
    )  # fmt: skip
