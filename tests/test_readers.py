"""Public formats: rows worked out by hand, and what a damaged file says."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from chromolib import readers
from chromolib.config import InputError
from chromolib.genome import load_genome

HG19 = load_genome("hg19")


def write(path, text, *, compress=False):
    path.write_bytes(gzip.compress(text.encode()) if compress else text.encode())
    return path


# Expression


@pytest.mark.parametrize("header_end", ["", "\t", " \t"])
@pytest.mark.parametrize("row_end", ["", "\t", "\t \r"])
def test_blanks_at_line_ends_shift_no_column(tmp_path, header_end, row_end):
    text = f"gene_id\tE000\tE003{header_end}\nG1\t23.265\t43.985{row_end}\nG2\t0.872\t0.000{row_end}\n"
    matrix = readers.read_expression(write(tmp_path / "rpkm.gz", text, compress=True), ["E003"])
    assert matrix.to_dict("list") == {"gene_id": ["G1", "G2"], "E003": [43.985, 0.0]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("E000\tE003\nG1\t1\n", "its header starts with 'E000'"),
        ("gene_id\tE003\nG1\t1\t2\n", r"row 2 \(G1\) has 3 fields, the header has 2"),
        ("gene_id\tE004\nG1\t1\n", "no column 'E003', found E004"),
        ("gene_id\tE003\nG1\t1\nG1\t2\n", "G1 has two rows"),
        ("gene_id\tE003\nG1\t-1\n", "G1 has an RPKM that is negative"),
        ("gene_id\tE003\nG1\tnan\n", "G1 has an RPKM that is negative or not a number"),
        ("gene_id\tE003\nG1\tmuch\n", "expected a matrix"),
    ],
)
def test_a_wrong_matrix_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        readers.read_expression(write(tmp_path / "rpkm.txt", text), ["E003"])


# Annotation

OR4F5 = "585\tNM_001005484\tchr1\t+\t69090\t70008\t69090\t70008\t1\t69090,\t70008,\t0\tOR4F5\tcmpl\tcmpl\t0,\n"
FAM138A = "585\tNR_026818\tchr1\t-\t34610\t36081\t36081\t36081\t1\t34610,\t36081,\t0\tFAM138A\tunk\tunk\t-1,\n"


@pytest.mark.parametrize("header", ["", "#bin\tname\tchrom\tstrand\ttxStart\ttxEnd" + "\tx" * 10 + "\n"])
def test_tss_lies_one_base_before_the_transcript(tmp_path, header):
    # Real rows; the release calls these TSSs chr1:69089-69090 and chr1:36081-36082.
    table = readers.read_transcripts(write(tmp_path / "refGene.gz", header + OR4F5 + FAM138A, compress=True), HG19)
    assert table[["symbol", "strand", "tss"]].to_numpy().tolist() == [["OR4F5", "+", 69089], ["FAM138A", "-", 36081]]


def test_transcripts_off_the_genome_are_counted_and_a_gene_may_be_called_na(tmp_path):
    rows = [
        FAM138A.replace("FAM138A", "NA"),
        FAM138A.replace("chr1", "chr6_cox_hap2"),
        OR4F5.replace("\t69090\t70008\t69090\t70008\t", "\t0\t70008\t0\t70008\t"),  # TSS at -1
    ]
    table = readers.read_transcripts(write(tmp_path / "refGene.txt", "".join(rows)), HG19)
    assert table["symbol"].tolist() == ["NA"]
    assert table.attrs == {"kept": 1, "dropped": {"contig not in hg19": 1, "TSS off its chromosome": 1}}


@pytest.mark.parametrize("bad", [OR4F5.replace("\t+\t", "\t1\t"), "585\tNM_1\tchr1\t+\n", "text\n"])
def test_a_wrong_annotation_is_refused(tmp_path, bad):
    with pytest.raises(InputError, match="expected refGene: 16 columns"):
        readers.read_transcripts(write(tmp_path / "refGene.txt", bad), HG19)


@pytest.mark.parametrize("compress", [True, False])
def test_gene_info_is_ragged_and_may_lack_symbols(tmp_path, compress):
    text = (
        "ENSG1\tX\t99883667\t99894988\t-1\tprotein_coding\tTSPAN6\ttetraspanin 6\t[Source:HGNC]\n"
        "ENSG2\t1\t5\t9\t1\tprotein_coding\n"
        "ENSG3\t1\t5\t9\t1\tlincRNA\tNAN\n"
        "ENSG3\t1\t5\t9\t1\tlincRNA\tOTHER\n"
    )
    info = readers.read_gene_info(write(tmp_path / "gene_info", text, compress=compress))
    assert info.to_numpy().tolist() == [["ENSG1", "TSPAN6"], ["ENSG3", "NAN"]]
    assert info.attrs == {"kept": 2, "dropped": {"no symbol": 1, "id seen before": 1}}


def test_wrong_gene_info_is_refused(tmp_path):
    with pytest.raises(InputError, match="'ENSG1' has 2 fields; expected Ensembl genes"):
        readers.read_gene_info(write(tmp_path / "gene_info", "ENSG1\tX\n"))


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
        ({"demo_meta.csv": (META.replace("label", "class") + GENE).encode()}, "no column label"),
        ({"demo_meta.csv": (META + GENE.replace(",1.7", ",1.7;1.6")).encode()}, "unequal numbers of neighbors"),
        ({"demo_meta.csv": (META + GENE + GENE).encode()}, "ENSG1 is listed twice"),
        ({"demo_meta.csv": (META + GENE.replace("-,1,", "*,1,")).encode()}, "a strand other than"),
        ({"demo_meta.csv": (META + GENE.replace(",4.5,", ",,")).encode()}, "demo_meta.csv"),
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
