"""The archive of the release's demo: rows worked out by hand, and what a damaged one says."""

import io
import tarfile

import numpy as np
import pytest

from chromolib import readers
from chromolib.config import InputError

META = "gene_id,expression,eid,label,chrom,start,end,strand,split,neighbors,scores\n"
GENE = "ENSG1,4.5,E003,1,chr1,30000,30001,-,1,chr1:90000-90003,1.7\n"


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def make_demo(path, meta=META + GENE, **changed):
    members = {
        "demo_meta.csv": meta.encode(),
        "demo_data/chr1:10000-50000.npy": npy(np.ones((7, 40_000), np.float16)),
        "demo_data/chr1:90000-90003.npy": npy(np.arange(21, dtype=np.float16).reshape(7, 3)),
    } | changed
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            if data is not None:
                member = tarfile.TarInfo(f"release-1/demo/{name}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return path


def test_demo_by_hand(tmp_path):
    genes, depth = readers.read_demo(make_demo(tmp_path / "demo.tar.gz"))
    assert genes.to_dict("records") == [
        {"gene_id": "ENSG1", "cell_type": "E003", "chrom": "chr1", "tss": 30_000, "strand": "-", "expression": 4.5,
         "label": 1, "pcres": ["chr1:90000-90003"], "contacts": [1.7]}
    ]  # fmt: skip
    assert depth["chr1:90000-90003"][1].tolist() == [3.0, 4.0, 5.0]
    assert list(tmp_path.iterdir()) == [tmp_path / "demo.tar.gz"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"demo_meta.csv": None}, r"holds no demo/demo_meta\.csv"),
        ({"demo_data/chr1:90000-90003.npy": None}, "1 of 2 arrays are missing, the first is chr1:90000-90003"),
        ({"demo_data/chr1:90000-90003.npy": npy(np.ones((7, 4), np.float16))}, r"\(7, 4\), expected float16 \(7, 3\)"),
        ({"demo_data/chr1:90000-90003.npy": npy(np.ones((7, 3)))}, r"is float64 \(7, 3\)"),
        ({"demo_data/chr1:90000-90003.npy": npy(np.full((7, 3), -1, np.float16))}, "negative or missing depth"),
        ({"demo_data/chr1:90000-90003.npy": npy(np.array([{}], object))}, "expected a NumPy array"),
        ({"demo_data/chr1:90000-90003.npy": b"x"}, "expected a NumPy array"),
        ({"demo_meta.csv": (META.replace("label", "class") + GENE).encode()}, "no column 'label', found gene_id, expression, eid, class"),
        ({"demo_meta.csv": (META + GENE.replace(",1.7", ",1.7;1.6")).encode()}, "unequal numbers of neighbors"),
        ({"demo_meta.csv": (META + GENE + GENE).encode()}, "line 3, ENSG1, is listed twice"),
        ({"demo_meta.csv": (META + GENE.replace("-,1,", "*,1,")).encode()}, "a strand other than"),
        ({"demo_meta.csv": (META + GENE.replace(",4.5,", ",,")).encode()}, "line 2: expression is '', not a number; .*demo_meta.csv"),
    ],
)  # fmt: skip
def test_an_altered_demo_is_refused_in_one_line(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        readers.read_demo(make_demo(tmp_path / "demo.tar.gz", **change))
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_truncated_demo_is_refused(tmp_path):
    path = make_demo(tmp_path / "demo.tar.gz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="expected the release's demo"):
        readers.read_demo(path)


def test_links_and_other_files_of_an_archive_are_not_read(tmp_path):
    path = tmp_path / "demo.tar.gz"
    with tarfile.open(make_demo(tmp_path / "whole.tar.gz")) as whole, tarfile.open(path, "w:gz") as tar:
        for member in whole:
            tar.addfile(member, whole.extractfile(member))
        link = tarfile.TarInfo("release-1/demo/demo_data/chr1:5-6.npy")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert set(readers.read_demo(path)[1]) == {"chr1:10000-50000", "chr1:90000-90003"}
