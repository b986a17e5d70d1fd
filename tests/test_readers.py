"""Public formats: rows worked out by hand, and what a damaged file says."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from chromolib import readers
from chromolib.config import InputError
from chromolib.genome import Genome, load_genome

GENOME = Genome("toy", {"chr1": 1000, "chrX": 500}, {"chr1": 1, "chrX": 2})
HG19 = load_genome("hg19")
HEADER = (
    "type\tfrag1\tfrag2\tfrag1_cov\tfrag2_cov\tfreq\tdist\tall_capture_res\tall_capture_res\texp_value_dist\tdist_res"
    "\t-log10(result)\n"
)
# Rows of the published tables of GM12878 and liver.
PO = (
    "GM.po\tchr1:915520-932176\tchr1:1041678-1048651\t9969\t5226\t12\t121316\t4.2857\t4.2857\t1.9875\t1.7686"
    "\t1.65928294258351\n"
)
PP = (
    "pp\tchr1:943049-965801\tchr1:1183838-1209657\t11837\t22511\t7\t242322\t1.9015\t3.6813\t1.1317\t2.1959"
    "\t2.76719343781528\n"
)


def write(path, text, *, compress=False):
    path.write_bytes(gzip.compress(text.encode()) if compress else text.encode())
    return path


# Reads


def test_reads_may_be_unsorted_with_further_columns_and_windows_line_ends(tmp_path):
    text = "chrX\t40\t76\tN\t1000\t+\r\nchr1\t10\t46\tN\t1000\t-\textra\r\nchr1\t5\t41\r\n"
    reads = readers.read_reads(write(tmp_path / "r.gz", text, compress=True), GENOME)
    assert reads.astype({"chrom": str}).to_numpy().tolist() == [["chrX", 40, 76], ["chr1", 10, 46], ["chr1", 5, 41]]
    assert reads.attrs == {"kept": 3, "dropped": {}, "clipped": 0}


def test_reads_off_the_genome_are_counted_and_those_over_an_end_cut(tmp_path):
    text = "chrUn_1\t0\t36\nchr1\t990\t1026\nchr1\t1000\t1036\nchrX\t464\t500\n"
    reads = readers.read_reads(write(tmp_path / "r.bed", text), GENOME)
    assert reads["end"].tolist() == [1000, 500]
    assert reads.attrs == {
        "kept": 2,
        "dropped": {"contig not in toy": 1, "past the end of its chromosome": 1},
        "clipped": 1,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "none of 0 reads lies on toy"),
        ("chr1\t5\n", "expected tagAlign"),
        ("chr1\tfive\t41\n", "expected tagAlign"),
        ("chr1\t5\t41\nchr1\t41\t41\n", r"row 2 is chr1:41-41, expected 0 <= start < end"),
        ("1\t5\t41\n2\t5\t41\n", r"none of 2 reads lies on toy \(chromosomes found: 1, 2\); expected chr1"),
    ],
)
def test_wrong_reads_are_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        readers.read_reads(write(tmp_path / "r.bed", text), GENOME)
    assert str(tmp_path / "r.bed") in str(caught.value) and "\n" not in str(caught.value)


def test_a_truncated_or_missing_file_of_reads_is_named(tmp_path):
    whole = gzip.compress(b"chr1\t5\t41\n" * 1000)
    (tmp_path / "r.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"r\.gz: .*fetch the file again"):
        readers.read_reads(tmp_path / "r.gz", GENOME)
    with pytest.raises(InputError, match=r"none\.gz: no such file"):
        readers.read_reads(tmp_path / "none.gz", GENOME)


# Contacts


@pytest.mark.parametrize("compress", [True, False])
def test_published_contacts_are_read_by_position(tmp_path, compress):
    table = readers.read_contacts(write(tmp_path / "c.txt", HEADER + PO + PP, compress=compress), HG19)
    assert table.astype(str).to_numpy().tolist() == [
        ["po", "chr1:915520-932176", "chr1:1041678-1048651", "1.7686"],
        ["pp", "chr1:943049-965801", "chr1:1183838-1209657", "2.1959"],
    ]
    assert table.attrs == {"kept": 2, "dropped": {}}


def test_contacts_that_cannot_be_used_are_counted(tmp_path):
    off_genome = PP.replace("chr1:", "chrUn:")
    infinite = PP.replace("2.1959", "inf")
    broken = PP.replace("242322", "242999")
    text = HEADER + PP * 200 + off_genome + infinite + broken
    table = readers.read_contacts(write(tmp_path / "c.txt", text), HG19)
    assert table.attrs == {
        "kept": 200,
        "dropped": {"dist_res not a positive number": 1, "dist or dist_res inconsistent": 1, "not within hg19": 1},
    }


def test_a_table_without_contacts_is_empty(tmp_path):
    assert len(readers.read_contacts(write(tmp_path / "c.txt", HEADER), HG19)) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected 3DIV contacts"),
        (HEADER.replace("dist_res", "dist_dist") + PO, "column 11 is 'dist_dist', not 'dist_res'"),
        (HEADER.replace("\tfreq", "") + PO, "column 9 is 'exp_value_dist', not 'all_capture_res'"),
        (HEADER + PO.replace("1.9875", "9.9875"), "in 1 of 1 rows dist or dist_res does not follow"),
        (HEADER + PO.replace("chr1:1041678-1048651", "chr2:1041678-1048651"), "in 1 of 1 rows"),
        (HEADER + PO.replace("chr1:915520-932176", "chr1.915520.932176"), "frag1 is 'chr1.915520.932176' in a row"),
        (HEADER + PO.replace("GM.po", "GM.oo"), "a row has the type 'oo'"),
        (HEADER + PO.replace("1.7686", "high"), "expected 3DIV contacts"),
    ],
)
def test_wrong_contacts_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        readers.read_contacts(write(tmp_path / "c.txt", text), HG19)


# The release's demo

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
