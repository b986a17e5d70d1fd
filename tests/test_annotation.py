"""Genes and transcripts: rows worked out by hand, and what a damaged file says."""

import gzip
import os
from pathlib import Path

import pandas as pd
import pytest

from chromolib import contacts, readers
from chromolib.config import ROOT
from chromolib.genome import Genome, load_genome

from .texts import refused, write

HG19 = load_genome("hg19")
TOY = Genome("toy", {"chr1": 10_000, "chrY": 5_000}, {"chr1": 1, "chrY": 2})
OR4F5 = "585\tNM_001005484\tchr1\t+\t69090\t70008\t69090\t70008\t1\t69090,\t70008,\t0\tOR4F5\tcmpl\tcmpl\t0,\n"
FAM138A = "585\tNR_026818\tchr1\t-\t34610\t36081\t36081\t36081\t1\t34610,\t36081,\t0\tFAM138A\tunk\tunk\t-1,\n"


# refGene


@pytest.mark.parametrize("header", ["", "#bin\tname\tchrom\tstrand\ttxStart\ttxEnd" + "\tx" * 10 + "\n"])
def test_tss_lies_one_base_before_the_transcript(tmp_path, header):
    # Real rows; the release calls these TSSs chr1:69089-69090 and chr1:36081-36082.
    table = readers.read_transcripts(write(tmp_path / "refGene.gz", header + OR4F5 + FAM138A, compress=True), HG19)
    assert table[["symbol", "strand", "tss"]].to_numpy().tolist() == [["OR4F5", "+", 69089], ["FAM138A", "-", 36081]]


def test_the_first_base_is_one_downstream_of_the_base_before(tmp_path):
    path = write(tmp_path / "refGene.txt", OR4F5 + FAM138A)
    assert readers.read_transcripts(path, HG19, tss_rule="first-base")["tss"].tolist() == [69090, 36080]
    refused("tss_rule='last', expected one of first", readers.read_transcripts, path, HG19, tss_rule="last")


def test_transcripts_off_the_genome_are_counted_and_a_gene_may_be_called_na(tmp_path):
    rows = [
        FAM138A.replace("FAM138A", "NA"),
        FAM138A.replace("chr1", "chr6_cox_hap2"),
        OR4F5.replace("\t69090\t70008\t69090\t70008\t", "\t0\t70008\t0\t70008\t"),  # TSS at -1
    ]
    table = readers.read_transcripts(write(tmp_path / "refGene.txt", "".join(rows)), HG19)
    assert table["symbol"].tolist() == ["NA"]
    assert table.attrs == {"kept": 1, "dropped": {"contig not in hg19": 1, "TSS off its chromosome": 1}}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (OR4F5.replace("\t+\t", "\t1\t"), "line 2, NM_001005484, has a strand other than"),
        (OR4F5.replace("\t69090\t", "\t80000\t", 1), "line 2, NM_001005484, is not 0 <= start < end"),
        (OR4F5.replace("\t69090\t", "\tx\t", 1), "line 2: start is 'x', not a whole number"),
        ("585\tNM_1\tchr1\t+\n", "line 2, 585, has 4 fields, not 13 or more"),
        ("text\n", "line 2, text, has 1 fields"),
    ],
)
def test_a_wrong_annotation_is_refused(tmp_path, bad, message):
    path = write(tmp_path / "refGene.txt", FAM138A + bad)
    refused(f"{message}.*; expected refGene: 16 columns", readers.read_transcripts, path, HG19)


# GTF


def gtf(chrom, start, end, strand, attributes, feature="transcript"):
    return "\t".join([chrom, "HAVANA", feature, str(start), str(end), ".", strand, ".", attributes]) + "\n"


def attributes(gene, transcript, kind="protein_coding", name="Xkr4", key="gene_type"):
    return (
        f'gene_id "{gene}"; transcript_id "{transcript}"; {key} "{kind}"; gene_status "KNOWN"; gene_name "{name}"; '
        'tag "CCDS"; level 2; tag "basic"; havana_gene "OTT1.2"; tag "x";'
    )


XKR4 = attributes("ENSMUSG00000051951.4", "ENSMUST00000070533.3")


@pytest.mark.parametrize("compress", [True, False])
def test_a_gtf_has_its_transcripts_in_the_columns_of_refgene(tmp_path, compress):
    text = (
        "##description: mm9\n"
        + gtf("chr1", 2001, 4000, "-", XKR4, "gene")
        + gtf("chr1", 2001, 4000, "-", XKR4)
        + gtf("chr1", 2001, 2100, "-", XKR4, "exon")
        + gtf("chr1", 5001, 5001, "+", attributes("G.2", "T.1", name=""))  # of one base; no Ensembl id, and no name
        + gtf("chr1", 6001, 7000, "+", attributes("ENSMUSG00000000001.1", "ENSMUST00000000001.1", kind="lincRNA"))
    )
    path = write(tmp_path / "a.gtf", text, compress=compress)
    table = readers.read_gtf(path, TOY)
    assert table.to_dict("records") == [
        {"transcript": "ENSMUST00000070533", "chrom": "chr1", "strand": "-", "start": 2000, "end": 4000,
         "symbol": "Xkr4", "gene_id": "ENSMUSG00000051951", "tss": 3999},
        {"transcript": "T.1", "chrom": "chr1", "strand": "+", "start": 5000, "end": 5001, "symbol": "G.2",
         "gene_id": "G.2", "tss": 5000},
    ]  # fmt: skip
    assert table.attrs == {"kept": 2, "dropped": {"gene is not protein_coding": 1}}
    refgene = readers.read_transcripts(write(tmp_path / "refGene.txt", OR4F5), HG19)
    assert set(table) == {*refgene, "gene_id"} and (table.dtypes[list(refgene)] == refgene.dtypes).all()
    assert readers.read_gtf(path, TOY, tss_rule="base-before")["tss"].tolist() == [4000, 4999]
    assert len(readers.read_gtf(path, TOY, biotype=None)) == 3


def test_ensembl_calls_the_biotype_otherwise(tmp_path):
    text = gtf("chr1", 11, 20, "+", attributes("ENSG00000000001", "ENST00000000001", key="gene_biotype"))
    assert readers.read_gtf(write(tmp_path / "a.gtf", text), TOY)["gene_id"].tolist() == ["ENSG00000000001"]


@pytest.mark.parametrize(
    "text",
    [
        'gene_id "Xkr4"; transcript_id "NM_001011874.1"; db_xref "GeneID:497097"; gbkey "mRNA"; transcript_biotype "mRNA";',  # NCBI
        'gene_id "STRG.1"; transcript_id "STRG.1.1"; cov "2.1"; FPKM "0.3"; TPM "0.5";',  # StringTie
        'gene_id "Xkr4"; transcript_id "NM_001011874";  gene_name "Xkr4";',  # UCSC
    ],
)
def test_a_gtf_without_biotypes_is_read_by_a_rule_that_its_refusal_names(tmp_path, text):
    path = write(tmp_path / "a.gtf", gtf("chr1", 11, 20, "+", text))
    refused(r"has neither gene_type nor gene_biotype, .*; write `rules: \{biotype: null\}` into the profile", readers.read_gtf, path, TOY)
    assert len(readers.read_gtf(path, TOY, biotype=None)) == 1


def test_copies_on_y_have_the_id_of_the_original(tmp_path):
    text = gtf("chrY", 11, 20, "+", attributes("ENSG00000182378.14_PAR_Y", "ENST00000381192.10_PAR_Y"))
    table = readers.read_gtf(write(tmp_path / "a.gtf", text), TOY)
    assert table[["gene_id", "transcript"]].to_numpy().tolist() == [["ENSG00000182378", "ENST00000381192"]]


def test_tss_of_a_gtf_beyond_its_chromosome_are_counted(tmp_path):
    text = "".join(
        gtf(chrom, 9_001, end, "-", XKR4) for chrom, end in (("chr1", 10_000), ("chr1", 10_001), ("chrUn", 9_500))
    )
    table = readers.read_gtf(write(tmp_path / "a.gtf", text), TOY)
    assert table.attrs == {"kept": 1, "dropped": {"contig not in toy": 1, "TSS off its chromosome": 1}}


def test_genes_of_a_gtf_have_their_longest_transcript_first(tmp_path):
    text = gtf("chr1", 2001, 3000, "+", XKR4) + gtf("chr1", 1001, 3000, "+", XKR4.replace("70533", "70534"))
    transcripts = readers.read_gtf(write(tmp_path / "a.gtf", text), TOY)
    assert contacts.all_tss(transcripts, None, ["ENSMUSG00000051951"])["tss"].tolist() == [1000, 2000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows; expected GTF"),
        (gtf("chr1", 1, 9, "+", XKR4, "exon"), "holds no rows; expected GTF: 9 columns, transcripts among"),
        ("#!x\n\ntext\n", "line 3, text, has 1 fields, not 9"),
        ("chr1\tx\ttranscript\t1\t9\n", "line 1, chr1, has 5 fields, not 9 or more"),
        (gtf("chr1", "one", 9, "+", XKR4), "line 1: first is 'one', not a whole number"),
        (gtf("chr1", 0, 9, "+", XKR4), "line 1, chr1, is not 1 <= start <= end"),
        (gtf("chr1", 10, 9, "+", XKR4), "line 1, chr1, is not 1 <= start <= end"),
        (gtf("chr1", 1, 9, ".", XKR4), "line 1, chr1, has a strand other than"),
        (gtf("chr1", 1, 9, "+", "ID=T1;Parent=G1"), "line 1, ID=T1;Parent=G1, has neither gene_type nor gene_biotype"),
        (
            gtf("chr1", 1, 9, "+", XKR4.replace(" gene_name", " x").replace("gene_id", "gene")),
            "line 1, gene .*, has no gene_id",
        ),
        (
            gtf("chr1", 1, 9, "+", XKR4.replace("protein_coding", "lincRNA")),
            "no transcripts of protein_coding genes, found lincRNA",
        ),
        (gtf("1", 1, 9, "+", XKR4), r"none of 1 rows lies on toy \(chromosomes found: 1\); expected chr1, chrY"),
    ],
)
def test_a_wrong_gtf_is_refused(tmp_path, text, message):
    refused(message, readers.read_gtf, write(tmp_path / "a.gtf", text), TOY)


def test_a_truncated_or_missing_gtf_is_named(tmp_path):
    whole = gzip.compress((gtf("chr1", 11, 20, "+", XKR4) * 500).encode())
    (tmp_path / "a.gtf.gz").write_bytes(whole[: len(whole) // 2])
    refused(r"a\.gtf\.gz: .*fetch the file again", readers.read_gtf, tmp_path / "a.gtf.gz", TOY)
    refused("none: no such file", readers.read_gtf, tmp_path / "none", TOY)


# Genes of Ensembl


@pytest.mark.parametrize("compress", [True, False])
def test_gene_info_is_ragged_and_may_lack_symbols(tmp_path, compress):
    text = (
        "ENSG1\tX\t99883667\t99894988\t-1\tprotein_coding\tTSPAN6\ttetraspanin 6\t[Source:HGNC]\n"
        "ENSG2\t1\t5\t9\t1\tprotein_coding\n"
        "ENSG3\tMT\t5\t9\t1\tlincRNA\tNAN\r\n"
        "ENSG3\t1\t5\t9\t1\tlincRNA\tOTHER\n"
        "ENSG4\tGL000192.1\t5\t5\t1\tlincRNA\tA\t\t\n"
    )
    info = readers.read_gene_info(write(tmp_path / "gene_info", text, compress=compress))
    assert info.to_numpy().tolist() == [
        ["ENSG1", "TSPAN6", "chrX", 99_883_666, 99_894_988, "-", "protein_coding"],
        ["ENSG3", "NAN", "chrM", 4, 9, "+", "lincRNA"],
        ["ENSG4", "A", "GL000192.1", 4, 5, "+", "lincRNA"],
    ]
    assert info.attrs == {"kept": 3, "dropped": {"no symbol": 1, "id seen before": 1}, "without place": 0}
    assert readers.transcription_start(info, "base-before").tolist() == [99_894_988, 3, 3]
    assert readers.transcription_start(info, "first-base").tolist() == [99_894_987, 4, 4]


@pytest.mark.parametrize("place", ["X\t?\t9\t1", "X\t9\t5\t1", "X\t5\t9\t0", "\t5\t9\t1", "X\t0\t9\t1"])
def test_a_gene_without_a_place_keeps_its_symbol(tmp_path, place):
    text = f"ENSG1\t{place}\tprotein_coding\tA\nENSG2\t1\t5\t9\t1\tprotein_coding\tB\n"
    info = readers.read_gene_info(write(tmp_path / "gene_info", text))
    assert info["symbol"].tolist() == ["A", "B"]
    assert info[["chrom", "start", "end", "strand"]].isna().to_numpy().tolist() == [[True] * 4, [False] * 4]
    assert info.attrs["without place"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("ENSG1\tX\n", "line 1, ENSG1, has 2 fields; expected Ensembl genes"),
        ("ENSG1\t5\t9\t1\tprotein_coding\tA\tB\n", "line 1, ENSG1, and all others have no place"),
    ],
)
def test_wrong_gene_info_is_refused(tmp_path, text, message):
    refused(message, readers.read_gene_info, write(tmp_path / "gene_info", text))


# The real file


def test_transcripts_of_the_real_genes_start_where_abc_says():
    """ABC's gene bounds hold transcripts, and beside them 500 bp around the TSS of each."""
    mirror = Path(os.environ.get("CHROMOLIB_MIRROR", ROOT.parent / "shared" / "mirror"))
    paths = list(mirror.glob("*/broadinstitute/ABC-*/*/reference/hg19/CollapsedGeneBounds.hg19*.bed"))
    if len(paths) < 2:
        pytest.skip("no real data here: set CHROMOLIB_MIRROR to a folder that has ABC's gene bounds")
    whole, around = (pd.read_csv(path, sep="\t") for path in sorted(paths, key=lambda path: len(path.name)))
    first = readers.transcription_start(whole, "first-base")
    assert len(first) > 20_000 and (whole["name"] == around["name"]).all()
    is_near = (first - (around["start"] + around["end"]) // 2).abs() <= 1
    assert is_near.mean() > 0.99


# Exons

TWO_EXONS = "585\tNM_1\tchr1\t-\t100\t900\t100\t900\t2\t100,700,\t300,900,\t0\tA1\tcmpl\tcmpl\t0,0,\n"
EXONS = [("chr1", 100, 300), ("chr1", 700, 900)]


def places(table):
    return list(table[["chrom", "start", "end"]].itertuples(index=False, name=None))


def test_exons_are_those_of_every_transcript_of_the_gene(tmp_path):
    again = TWO_EXONS.replace("NM_1", "NM_2").replace("\t300,900,", "\t250,900,")
    path = write(tmp_path / "refGene.gz", "#bin\tname\n" + TWO_EXONS + OR4F5 + again, compress=True)
    table = readers.read_exons(path, "refgene", "A1")
    assert places(table) == [*EXONS, ("chr1", 100, 250), ("chr1", 700, 900)]
    assert table["transcript"].tolist() == ["NM_1", "NM_1", "NM_2", "NM_2"]
    assert places(readers.read_exons(path, "refgene", "OR4F5")) == [("chr1", 69090, 70008)]
    assert readers.read_exons(path, "refgene", "A").empty


def test_exons_of_a_gtf_are_found_by_name_or_by_the_id_of_a_gene_without_one(tmp_path):
    text = "".join(gtf("chr1", start + 1, end, "-", XKR4, "exon") for _, start, end in EXONS)
    text += gtf("chr1", 101, 900, "-", XKR4) + gtf("chr1", 1, 5, "+", attributes("G.2", "T.1", name="Xkr4b"), "exon")
    path = write(tmp_path / "a.gtf", text)
    for name in ("Xkr4", "ENSMUSG00000051951"):
        table = readers.read_exons(path, "gtf", name)
        assert places(table) == EXONS and set(table["transcript"]) == {"ENSMUST00000070533"}
    assert readers.read_exons(path, "gtf", "Xkr").empty


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (TWO_EXONS.replace("\t300,900,", "\t300,"), "line 1, NM_1, has 2 starts of exons and 1 ends"),
        (TWO_EXONS.replace("\t100,700,", "\t100,x,"), "start is 'x', not a whole number"),
        (TWO_EXONS.replace("\t300,900,", "\t50,900,"), "exon 0, NM_1, has an exon that is not 0 <= start < end"),
    ],
)
def test_wrong_exons_are_refused(tmp_path, bad, message):
    refused(f"{message}.*expected refgene with the exons", readers.read_exons, write(tmp_path / "r.txt", bad), "refgene", "A1")
