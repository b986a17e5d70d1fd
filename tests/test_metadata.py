"""The release's table of genes: rows worked out by hand, the real one of its demo, and what a damaged file says."""

import tarfile

import numpy as np
import pandas as pd
import pytest

from chromolib import readers
from chromolib.config import InputError

from .texts import write

HEADER = "gene_id,expression,eid,label,chrom,start,end,strand,split,neighbors,scores\n"
G1 = "ENSG1,4.5,E003,1,chr1,30000,30001,-,1,chr1:90000-90003;chr1:5-9,1.7;1.6e0\n"
G2 = "ENSG2,0,E003,0,chrY,21729242,21729243,+,3,,\n"


def test_metadata_by_hand(tmp_path):
    genes, pairs = readers.read_metadata(write(tmp_path / "train.csv", HEADER + G1 + G2))
    assert genes.to_dict("records") == [
        {"gene_id": "ENSG1", "cell_type": "E003", "chrom": "chr1", "tss": 30_000, "strand": "-", "expression": 4.5,
         "label": 1, "fold": 1},
        {"gene_id": "ENSG2", "cell_type": "E003", "chrom": "chrY", "tss": 21_729_242, "strand": "+", "expression": 0.0,
         "label": 0, "fold": 3},
    ]  # fmt: skip
    assert pairs.to_numpy().tolist() == [["ENSG1", "chr1:90000-90003", 1.7, 0], ["ENSG1", "chr1:5-9", 1.6, 1]]
    assert genes.attrs == {"kept": 2, "dropped": {}} and pairs.attrs == {"kept": 2, "dropped": {}}
    assert pairs.dtypes["contact"] == np.float64 and pairs.dtypes["rank"] == np.int64


def test_one_cell_type_of_several_is_asked_for(tmp_path):
    path = write(tmp_path / "train.csv", HEADER + G1 + G1.replace("E003", "E004").replace("4.5", "9") + G2)
    genes, pairs = readers.read_metadata(path, "E004")
    assert genes["expression"].tolist() == [9.0] and len(pairs) == 2
    assert genes.attrs == {"kept": 1, "dropped": {"another cell type": 2}}
    for cell_type, message in (
        (None, "several cell types and none asked for, found E003, E004"),
        ("E005", "no cell type 'E005'"),
    ):
        with pytest.raises(InputError, match=message):
            readers.read_metadata(path, cell_type)


def test_genes_without_neighbors_have_no_pairs(tmp_path):
    _, pairs = readers.read_metadata(write(tmp_path / "train.csv", HEADER + G2))
    assert list(pairs) == ["gene_id", "region", "contact", "rank"] and len(pairs) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'gene_id', found nothing"),
        (HEADER.replace(",split", "") + G1, "no column 'split'"),
        (HEADER, "holds no rows"),
        (HEADER + G2 + G1.replace(",1.7", ""), "line 3, ENSG1, has 10 fields, not 11"),
        (HEADER + G2 + G2, "line 3, ENSG2, is listed twice"),
        (HEADER + G1.replace("-,1", "?,1"), "line 2, ENSG1, has a strand other than"),
        (HEADER + G1.replace("E003,1", "E003,2"), "line 2, ENSG1, has a label other than 0 and 1"),
        (HEADER + G1.replace("4.5", "-4.5"), "line 2, ENSG1, has no RPKM of 0 or more"),
        (HEADER + G1.replace(";1.6e0", ""), "line 2, ENSG1, has unequal numbers of neighbors and scores"),
        (HEADER + G1.replace(";1.6e0", ";high"), "line 2, ENSG1, has a score that is no number"),
        (HEADER + G1.replace("chr1:5-9", "chr1.5.9"), "line 2, ENSG1, has a neighbor that is no chrom:start-end"),
        (HEADER + G1.replace("30000", "three"), "line 2: start is 'three', not a whole number"),
    ],
)
def test_wrong_metadata_are_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        readers.read_metadata(write(tmp_path / "train.csv", text))
    assert str(tmp_path / "train.csv") in str(caught.value) and "\n" not in str(caught.value)


def test_the_real_demo_has_its_genes_and_pairs(demo_archive, tmp_path):
    with tarfile.open(demo_archive) as tar:
        member = next(member for member in tar if member.name.endswith("/demo/demo_meta.csv"))
        (tmp_path / "demo_meta.csv").write_bytes(tar.extractfile(member).read())
    genes, pairs = readers.read_metadata(tmp_path / "demo_meta.csv", "E003")
    pd.testing.assert_frame_equal(
        genes.drop(columns="fold"), readers.read_demo(demo_archive)[0].drop(columns=["pcres", "contacts"])
    )
    assert len(genes) == 100 and (genes["fold"] == 1).all() and len(pairs) == 580
    assert pairs["gene_id"].nunique() == 89 and (pairs.groupby("gene_id")["contact"].diff().dropna() <= 0).all()
    assert (pairs.groupby("gene_id").size() == 8).sum() == 58
