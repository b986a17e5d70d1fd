"""Expression of genes: rows worked out by hand, and what a damaged file says."""


import pytest

from chromolib import readers
from chromolib.config import InputError

from .texts import write

G1, G2, G3 = "ENSG00000000001", "ENSMUSG00000000002", "ENSG00000000003"
RSEM = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"


# RPKM of Roadmap


@pytest.mark.parametrize("header_end", ["", "\t", " \t"])
@pytest.mark.parametrize("row_end", ["", "\t", "\t \r"])
def test_blanks_at_line_ends_shift_no_column(tmp_path, header_end, row_end):
    text = f"gene_id\tE000\tE003{header_end}\nG1\t23.265\t43.985{row_end}\nG2\t0.872\t0.000{row_end}\n"
    matrix = readers.read_expression(write(tmp_path / "rpkm.gz", text, compress=True), ["E003"])
    assert matrix.to_dict("list") == {"gene_id": ["G1", "G2"], "E003": [43.985, 0.0]}


def test_columns_are_those_asked_for_in_that_order(tmp_path):
    path = write(tmp_path / "rpkm.txt", "gene_id\tE000\tE003\tE004\nG1\tNA\t1\t2\n")  # E000 is not asked for
    assert readers.read_expression(path, ["E004", "E003"]).to_dict("list") == {
        "gene_id": ["G1"],
        "E004": [2.0],
        "E003": [1.0],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'gene_id', found nothing"),
        ("E000\tE003\nG1\t1\n", "no column 'gene_id', found E000, E003"),
        ("gene_id\tE003\n", "holds no rows"),
        ("gene_id\tE003\nG1\t1\n\nG2\t1\t2\n", "line 4, G2, has 3 fields, not 2"),
        ("gene_id\tE000\tE003\nG1\t1\n", "line 2, G1, has 2 fields, not 3"),
        ("gene_id\tE004\nG1\t1\n", "no column 'E003', found gene_id, E004; .*correct cell_types in the profile"),
        ("gene_id\tE003\tE003\nG1\t1\t1\n", "two columns 'E003'"),
        ("gene_id\tE003\nG1\t1\nG1\t2\n", "line 3, G1, has a second row"),
        ("gene_id\tE003\nG1\t-1\n", "line 2, G1, has no RPKM of 0 or more"),
        ("gene_id\tE003\nG1\tinf\n", "line 2, G1, has no RPKM of 0 or more"),
        ("gene_id\tE003\nG1\tnan\n", "line 2: E003 is 'nan', not a number"),
        ("gene_id\tE003\nG1\tmuch\n", "line 2: E003 is 'much', not a number; expected a matrix"),
    ],
)
def test_a_wrong_matrix_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        readers.read_expression(write(tmp_path / "rpkm.txt", text), ["E003"])
    assert str(tmp_path / "rpkm.txt") in str(caught.value) and "\n" not in str(caught.value)


# RSEM


def test_rsem_by_hand(tmp_path):
    rows = (
        "21175\t21175\t86.00\t0.00\t0.00\t0.00\t0.00\n"
        "gSpikein_ERCC-00002\tgSpikein_ERCC-00002\t1061\t1000\t9\t7\t9000\n"
        f"{G2}.14\tENSMUST00000000001.8\t1224.31\t1125.31\t4.00\t0.09\t0.12\n"
        f"{G1}.7\tENST00000000001.1\t100\t1\t1\t2\t3\n"
        f"{G1}.7_PAR_Y\tENST00000000001.1_PAR_Y\t100\t1\t1\t0\t0\n"
        f"{G1}\tENST00000000002.1\t100\t1\t1\t4\t6\n"
    )
    path = write(tmp_path / "rsem.tsv", RSEM + rows)
    table = readers.read_rsem(path)
    assert table.to_dict("list") == {"gene_id": [G2, G1], "expression": [0.12, 4.5]}
    assert table.attrs == {
        "kept": 2,
        "dropped": {"no Ensembl gene id": 2, "copy on chrY": 1, "id seen before, mean taken": 1},
    }
    assert readers.read_rsem(path, unit="TPM")["expression"].tolist() == [0.09, 3.0]


def test_the_first_two_columns_of_rsem_may_be_swapped(tmp_path):
    path = write(tmp_path / "rsem.tsv", f"transcript_id(s)\tgene_id\tFPKM\nENST1.1\t{G3}.2\t5\r\n")
    assert readers.read_rsem(path).to_numpy().tolist() == [[G3, 5.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'gene_id'"),
        (RSEM.replace("FPKM", "RPKM"), "no column 'FPKM', found gene_id, transcript"),
        (RSEM, "holds no rows"),
        (f"{RSEM}{G1}\tT\t1\t1\t1\t1\n", f"line 2, {G1}, has 6 fields, not 7"),
        (f"{RSEM}{G1}\tT\t1\t1\t1\t1\tlow\n", "line 2: FPKM is 'low', not a number"),
        (f"{RSEM}{G1}\tT\t1\t1\t1\t1\t-1\n", f"line 2, {G1}, has no FPKM of 0 or more"),
        (f"{RSEM}21175\tT\t1\t1\t1\t1\t1\n", "'21175' and all others are no Ensembl gene ids"),
    ],
)
def test_a_wrong_rsem_table_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        readers.read_rsem(write(tmp_path / "rsem.tsv", text))
