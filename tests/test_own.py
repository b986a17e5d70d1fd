"""A user's own data: read as they are, and everything that is wrong with them told at once."""

import json
import os
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest

from chromolib import (
    InputError,
    Run,
    contacts,
    ensure,
    evaluate,
    features,
    fit,
    inputs,
    load_profile,
    load_weights,
    readers,
)
from chromolib.config import ROOT
from chromolib.dataset import load_dataset
from chromolib.genome import Genome, deal_folds, load_genome, profile_genome, read_sizes
from chromolib.inputs import faults
from chromolib.sections import Rules

EXAMPLE = ROOT / "book" / "own-data"  # 10 genes on each chromosome, every 16 kb from 20 kb on, one contact each
SIZES = {"chrA": 300_000, "chrB": 250_000, "chrC": 200_000, "chrD": 200_000}
GENOME = Genome("toy", SIZES, deal_folds(SIZES))
N_GENES = 40


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The profile of the book's page on own data, its files in a folder that a test may spoil."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    return shutil.copytree(EXAMPLE, tmp_path / "own") / "my.yml"


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def check(path):
    """Faults and notes of a profile, without the name of its folder."""
    found = faults.find(str(path))
    return [[line.replace(f"{path.parent}/", "") for line in lines] for lines in (found.faults, found.notes)]


# From files to features


def test_own_files_become_features(own):
    profile = load_profile(own)
    store = features.load(features.ensure(profile, "T1")).load()
    assert store.sizes["gene"] == N_GENES and store["mark"].values.tolist() == ["H3K4me3", "H3K27ac"]
    genes = pd.DataFrame({name: store[name].values for name in ("gene_id", "tss", "expression")})
    seventh = genes.set_index("gene_id").loc["g7"]
    assert seventh["tss"] == 48_000 and seventh["expression"] == 7.5
    # A contact of 1.5 or less does not count.
    alone = store["gene_id"].values[store["gene_pcre"].values[:, 0] < 0]
    assert set(alone) == {"g0", "g6", "g12", "g23", "g29", "g35"}
    sources = json.loads(store.attrs["source_files"])
    assert [entry["what"] for entry in sources[:3]] == [
        "signal of H3K4me3 (bed, depth)", "signal of H3K27ac (bed, depth)", "expression",
    ]  # fmt: skip
    assert all(re.fullmatch(r"[0-9a-f]{64}", entry["sha256"]) for entry in sources)


def test_depth_of_own_reads_is_their_count_by_hand(own):
    (own.parent / "one.bed").write_text("chrA\t20000\t20036\nchrA\t20018\t20054\n")
    change(own.parent / "samples.csv", "T1-H3K4me3.bed,bed", "one.bed,bed")
    store = features.load(features.ensure(load_profile(own), "T1")).load()
    gene = store["gene_id"].values.tolist().index("g0")  # TSS at 20,000
    depth = store["promoter"].values[gene, :, 0]
    assert store["bin_start"].values[np.flatnonzero(depth)].tolist() == [0] and depth.sum() == np.float32(0.72)


def test_cells_without_expression_are_predicted_and_nothing_else(own, tmp_path, chromolib):
    """By a network of the same marks that was trained on the same genes, where their expression is known."""
    run = Run(profile=str(own), cell_type="C1", fold=1)
    ensure([run])
    with_expression = pd.read_csv(_predicted(chromolib, own, run, tmp_path / "with.csv"))
    (bare := own.with_name("bare.yml")).write_text(own.read_text())
    change(bare, "  expression: expression.csv            # leave out for cells to predict only\n", "")
    change(bare, "name: my-cells ", "name: bare ")
    found, notes = check(bare)
    assert found == [] and "40 genes of genes.csv; no expression, so these cells can be predicted and nothing be trained on them" in notes
    store = features.load(features.ensure(load_profile(bare), "T1"))
    assert np.isnan(store["expression"].values).all() and (store["label"].values == -1).all() and store.sizes["gene"] == N_GENES
    table = pd.read_csv(_predicted(chromolib, bare, run, tmp_path / "bare.csv"))
    assert table[["rpkm", "target"]].isna().all(axis=None) and table["fold"].unique().tolist() == [1]
    pd.testing.assert_series_equal(table["probability"], with_expression["probability"])
    for task in ("clf", "reg"):
        data = load_dataset(load_profile(bare), "T1", task=task)
        with pytest.raises(InputError, match="T1: .* have no measured expression, expected it of all; name it in the profile, or only predict"):
            fit(*data.fold(1))
    with pytest.raises(InputError, match="T1: 40 of 40 genes have no measured expression"):
        evaluate(load_weights(run.folder), load_dataset(load_profile(bare), "T1"))
    for command in (["book"], ["train"], ["notebook", "01_preprocess"]):
        status, _, lines = chromolib(command[0], bare, *command[1:])
        assert status == 1 and lines[-1].startswith("chromolib: profile bare: found no inputs.expression, expected a table of it to train on")
    assert subprocess.run(["chromolib", "check", str(bare)], check=False, capture_output=True).returncode == 0


def _predicted(chromolib, path, run, out):
    assert chromolib("predict", "--weights", run.folder, "--profile", path, "--cell-type", "T1", "--out", out)[0] == 0
    return out


def test_replicates_are_put_together(own):
    shutil.copy(own.parent / "T1-H3K4me3.bed", own.parent / "again.bed")
    with (own.parent / "samples.csv").open("a") as sheet:
        sheet.write("T1,H3K4me3,again.bed,bed\n")
    twice = features.load(features.ensure(load_profile(own), "T1"))["promoter"].values
    sheet = own.parent / "samples.csv"
    sheet.write_text(sheet.read_text().removesuffix("T1,H3K4me3,again.bed,bed\n"))
    once = features.load(features.ensure(load_profile(own), "T1"))["promoter"].values
    assert once.any()
    np.testing.assert_array_equal(twice, once * [2, 1])


def test_libraries_are_files_and_the_reads_that_count_of_all_replicates(own):
    (own.parent / "one.bed").write_text("chrA\t20000\t20036\nchrA\t20018\t20054\n")
    (own.parent / "two.bed").write_text("chrA\t20000\t20036\nchrZ\t5\t41\n")   # a contig that the genome does not have
    change(own.parent / "samples.csv", "T1-H3K4me3.bed,bed", "one.bed,bed\nT1,H3K4me3,two.bed,bed")
    profile = load_profile(own)
    assert inputs.libraries(profile, "T1")["reads"].isna().all()                # nobody has counted them yet
    features.ensure(profile, "T1")
    table = inputs.libraries(profile, "T1")
    assert table["mark"].tolist() == ["H3K4me3", "H3K27ac"] and table["duplicates"].isna().all()
    assert table.loc[0, ["kind", "files", "reads"]].tolist() == ["reads (bed)", "one.bed, two.bed", 3]


def test_bigwig_keeps_the_scale_that_the_sheet_gives(own):
    for cell_type in ("T1", "C1"):
        for mark in ("H3K4me3", "H3K27ac"):
            with pyBigWig.open(str(own.parent / f"{cell_type}-{mark}.bw"), "w") as bigwig:
                bigwig.addHeader(list(SIZES.items()))
                bigwig.addEntries(["chrA"], [20_000], ends=[20_100], values=[2.5])
    sheet = own.parent / "samples.csv"
    sheet.write_text(sheet.read_text().replace("format", "format,scale").replace(".bed,bed", ".bw,bigwig,normalised"))
    store = features.load(features.ensure(load_profile(own), "T1")).load()
    assert store.attrs["signal"] == "normalised" and store["promoter"].attrs["units"] == "normalised signal"
    assert store["promoter"].values.max() == 2.5
    table = inputs.libraries(load_profile(own), "T1")
    assert table["kind"].tolist() == ["signal (bigwig)"] * 2 and table[["reads", "duplicates"]].isna().all(axis=None)
    change(sheet, "T1-H3K27ac.bw,bigwig,normalised", "T1-H3K27ac.bed,bed,")
    with pytest.raises(InputError, match=r"samples\.csv: samples hold depth and normalised, expected one scale"):
        features.ensure(load_profile(own), "T1")


def test_fragments_give_the_gene_that_starts_in_one_the_other(own):
    (own.parent / "contacts.csv").write_text("frag1,frag2,frequency\nchrA:100000-105000,chrA:18000-22000,4\n")
    store = features.load(features.ensure(load_profile(own), "T1")).load()
    gene = store["gene_id"].values.tolist().index("g0")
    assert store["region"].values[store["gene_pcre"].values[gene, 0]] == "chrA:100000-105000"
    assert store["contact"].values[gene].tolist() == [4, *[0] * 7]


def test_a_tss_in_several_fragments_has_the_contacts_of_all_each_region_once(own):
    """g0 starts at 20,000, in two fragments that overlap; both touch one region, each alone another; the own fragment counts."""
    rows = [("18000-22000", "100000-105000", 3), ("19000-21000", "100000-105000", 4), ("18000-22000", "110000-115000", 2), ("19000-21000", "120000-125000", 5)]
    rows.append(("18000-22000", "18000-22000", 2.5))
    text = "".join(f"chrA:{first},chrA:{second},{frequency}\n" for first, second, frequency in rows)
    (own.parent / "contacts.csv").write_text("frag1,frag2,frequency\n" + text)
    store = features.build(load_profile(own), "T1").load()
    gene = store["gene_id"].values.tolist().index("g0")
    found = {store["region"].values[i]: c for i, c in zip(store["gene_pcre"].values[gene], store["contact"].values[gene], strict=True) if i >= 0}
    assert found == {"chrA:120000-125000": 5, "chrA:100000-105000": 4, "chrA:18000-22000": 2.5, "chrA:110000-115000": 2}


BEDPE = """# made by hand
chrom1\tstart1\tend1\tchrom2\tstart2\tend2\tname\tscore\tratio
chrA\t20000\t22000\tchrA\t100000\t105000\ta\t4\t1.6
chrA\t120000\t125000\tchrA\t20000\t21000\tb\t2\t8
chrA\t18000\t20000\tchrA\t140000\t145000\tc\t9\t9
chrA\t20000\t22000\tchrB\t100000\t105000\td\t9\t9
"""


@pytest.mark.parametrize(("column", "expected"), [("", {"100000-105000": 4, "120000-125000": 2}), ("'9'", {"100000-105000": np.float32(1.6), "120000-125000": 8})])
def test_bedpe_gives_the_gene_that_starts_in_one_end_the_other_and_its_end_is_excluded(own, column, expected):
    """g0 starts at 20,000, which is the first base of 20000-22000 and none of 18000-20000."""
    (own.parent / "c.bedpe").write_text(BEDPE)
    change(own, "  contacts: contacts.csv", "  contacts: c.bedpe\n  contacts_format: bedpe\n" + (f"  contacts_column: {column}\n" if column else "") + "  #")
    store = features.build(load_profile(own), "T1").load()
    gene = store["gene_id"].values.tolist().index("g0")
    found = {store["region"].values[i]: c for i, c in zip(store["gene_pcre"].values[gene], store["contact"].values[gene], strict=True) if i >= 0}
    assert found == {f"chrA:{region}": value for region, value in expected.items()} and check(own)[0] == []
    assert json.loads(store.attrs["dropped"])["contacts of c.bedpe"] == {"ends on different chromosomes": 1}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chrA\t20000\t22000\tchrA", "chrA\t22000\t20000\tchrA", r"c\.bedpe:3: frag1 is 'chrA:22000-20000', expected chrom:start-end with start < end; correct the row"),
        ("\ta\t4\t1.6", "\ta", r"c\.bedpe:3: 7 fields, expected 8 or more of BEDPE: chrom, start, .* and in column 8 a number"),
        ("\ta\t4", "\ta\t.", r"c\.bedpe:3: frequency is '\.', expected a number of 0 or more"),
        ("chrA\t20000\t22000\tchrA", "chrA\tten\t22000\tchrA", r"c\.bedpe:3: frag1 is 'chrA:ten-22000'"),
        (BEDPE, "# nothing\n", r"c\.bedpe: (none of 0 contacts of T1 is of a gene|holds no rows, expected BEDPE: chrom, start)"),
    ],
)
def test_wrong_rows_of_bedpe_are_told_with_their_line(own, old, new, message):
    (own.parent / "c.bedpe").write_text(BEDPE.replace(old, new, 1))
    change(own, "  contacts: contacts.csv", "  contacts: c.bedpe\n  contacts_format: bedpe\n  #")
    assert [line for line in check(own)[0] if re.match(message, line)], check(own)[0]
    with pytest.raises(InputError, match=message):
        features.build(load_profile(own), "T1")


def test_rsem_gives_fpkm_or_by_a_setting_tpm(own):
    genes = (own.parent / "genes.csv").read_text()
    (own.parent / "genes.csv").write_text(re.sub(r"(?m)^g(\d+),", lambda match: f"ENSG{int(match[1]):011},", genes))
    for name in ("T1", "C1"):
        rows = "".join(f"ENSG{i:011}.3\t{i}\t{2 * i + 1}\n" for i in range(40))
        (own.parent / f"{name}.genes.results").write_text("gene_id\tTPM\tFPKM\n" + rows)
    change(own, "  expression: expression.csv ", "  expression: '{cell_type}.genes.results'\n  expression_format: rsem\n  # ")
    change(own, "  contacts: contacts.csv", "  #")
    assert check(own)[0] == []
    fpkm = features.ensure(load_profile(own), "T1")
    assert features.load(fpkm)["expression"].values.tolist() == [2 * i + 1 for i in range(40)]
    assert "expression_unit" not in features.load(fpkm).attrs["settings"]  # as it was before there was one
    change(own, "expression_format: rsem", "expression_format: rsem\n  expression_unit: TPM")
    assert features.load(features.ensure(load_profile(own), "T1"))["expression"].values.tolist() == list(range(40))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("expression_unit: TPM", "expression_unit: found TPM with expression_format table, which has no such choice; leave it out"),
        ("contacts_format: bedpe\n  contacts_column: '3'", "contacts_column: found '3', expected the number of a column of BEDPE in quotes, 7 or more"),
        ("contacts_format: bedpe\n  contacts_column: score", "contacts_column: found 'score', expected the number"),
    ],
)
def test_columns_that_a_format_does_not_have_are_refused(own, setting, message):
    change(own, "kind: own", f"kind: own\n  {setting}")
    assert message in check(own)[0][0]


def test_a_profile_without_contacts_has_promoters_alone(own):
    change(own, "  contacts: contacts.csv", "  #")
    store = features.load(features.ensure(load_profile(own), "T1")).load()
    assert store.sizes["pcre"] == 0 and store.sizes["gene"] == N_GENES


def test_own_extra_tracks_lie_beside_the_marks(own):
    change(own, "marks: [H3K4me3, H3K27ac]", "marks: [H3K4me3, H3K27ac]\nextra_tracks: [PC1, CTCF]")
    change(own, "  contacts: contacts.csv", "  contacts: contacts.csv\n  compartments: pc1.tsv\n  #")
    with pytest.raises(InputError, match="samples.csv: no sample of CTCF in T1, found H3K4me3, H3K27ac; add a row"):
        features.ensure(load_profile(own), "T1")
    with (own.parent / "samples.csv").open("a") as sheet:
        sheet.write("T1,CTCF,ctcf.bed,bed\nC1,CTCF,other.bed,bed\n")
    (own.parent / "ctcf.bed").write_text("chrA\t20000\t20050\n")
    with pytest.raises(InputError, match="pc1.tsv: no such file, expected an input file; fetch it"):
        features.ensure(load_profile(own), "T1")
    (own.parent / "pc1.tsv").write_text("chrom\tstart\tend\tT1\nchrA\t0\t19950\t-1\nchrA\t19950\t30000\t0.5\nchrA\t30000\t40000\tNA\n")
    assert [line for line in check(own)[0] if "no sample 'C1', found T1" in line]
    data = load_dataset(load_profile(own), "T1")
    assert data.marks == ("H3K4me3", "H3K27ac") and data.store["mark"].values.tolist()[2:] == ["PC1", "CTCF"]
    gene = data.store["promoter"].values[data.genes["gene_id"].tolist().index("g0")]  # TSS at 20,000, bins of 100 bp
    np.testing.assert_allclose(gene[[0, 198, 199, 200, 299, 300], 2], [-1, -1, -0.25, 0.5, 0.5, 0])
    assert np.flatnonzero(gene[:, 3]).tolist() == [200] and gene[200, 3] == 0.5
    dropped = data.dropped.set_index("what").loc["bins of PC1"]
    assert (dropped["reason"], dropped["count"]) == ("no value, taken for 0", 1)
    whats = [entry["what"] for entry in json.loads(data.store.attrs["source_files"])]
    assert "compartments" in whats and "signal of CTCF (bed, depth)" in whats


def test_own_domains_say_which_contacts_stay_within_one(own):
    change(own, "  contacts: contacts.csv", "  contacts: contacts.csv\n  domains: tads-{cell_type}.bed\n  #")
    with pytest.raises(InputError, match="tads-T1.bed: no such file, expected an input file; fetch it"):
        features.ensure(load_profile(own), "T1")
    (own.parent / "tads-T1.bed").write_text("chrA\t0\t300000\nchrB\t0\t120\n")
    assert [line for line in check(own)[0] if "tads" in line] and len(check(own)[0]) == 1  # of C1
    data = load_dataset(load_profile(own), "T1")
    is_there, is_intra = data.touching()[1] > 0, data.store["is_intra_tad"].values
    on_a = (data.genes["chrom"] == "chrA").to_numpy()
    assert is_there[on_a].any() and (is_intra == is_there & on_a[:, None]).all()
    counted = data.dropped.set_index("what").loc["pCREs by domain"]
    assert counted["reason"] == "pCRE or promoter in no domain, taken for inter-TAD" and counted["count"] == is_there[~on_a].sum()


def test_a_changed_file_and_nothing_else_makes_features_anew(own):
    profile = load_profile(own)
    path = features.ensure(profile, "T1")
    before = (path / ".zattrs").stat().st_mtime_ns
    text = (own.parent / "genes.csv").read_text()
    (own.parent / "genes.csv").write_text(text)  # the same bytes under a new time
    features.ensure(profile, "T1")
    assert (path / ".zattrs").stat().st_mtime_ns == before
    change(own.parent / "genes.csv", "g7,chrD,48000", "g7,chrD,48100")
    assert 48_100 in features.load(features.ensure(profile, "T1"))["tss"].values


def test_expression_of_the_other_cell_types_comes_from_the_same_table(own):
    others = inputs.others_expression(load_profile(own), "T1")
    assert list(others) == ["C1"] and others.loc["g1", "C1"] == np.log2(N_GENES)


# Rules


def test_rules_choose_label_width_and_whose_contacts_count(own):
    def built(**rules):
        profile = load_profile(own)
        return features.build(profile.model_copy(update={"rules": profile.rules.model_copy(update=rules)}), "T1")

    # 41 genes would have a gene on the median; with 40 of distinct expression, both rules agree.
    assert built()["label"].values.sum() == built(label="above")["label"].values.sum() == 20
    change(own.parent / "expression.csv", "g20,20.5", "g20,19.5")  # the median is now that of two genes
    assert built()["label"].values.sum() == 21 and built(label="above")["label"].values.sum() == 19
    assert built(min_contact=3)["region"].size == 19 and built(max_pcre_bp=4_999)["region"].size == 0
    with (own.parent / "genes.csv").open("a") as table:
        table.write("g0,chrA,290000,+\n")
    (own.parent / "contacts.csv").write_text(
        "frag1,frag2,frequency\nchrA:289000-291000,chrA:100000-105000,4\nchrA:19000-21000,chrA:100000-105000,2\n"
    )
    for rules, contact in (({}, 2), ({"repeated": "strongest"}, 4), ({"tss": "promoter"}, 2)):
        assert built(**rules)["contact"].values[0, 0] == contact  # of g0, whose first TSS touches the region less often


def test_mostly_silent_genes_are_refused_since_all_would_be_on(own):
    """25 of 40 genes at 0: the median is 0, and every gene is at or above it."""
    silent = "".join(f"g{i},0,{1 + i}\n" for i in range(25)) + "".join(f"g{i},{i},{1 + i}\n" for i in range(25, 40))
    (own.parent / "expression.csv").write_text("gene_id,T1,C1\n" + silent)
    told = "expression.csv: T1: all 40 genes are labelled on (median 0), expected two classes; leave silent genes out, or choose rules: {label: above}"
    assert check(own)[0] == [told]
    with pytest.raises(InputError) as error:
        features.build(load_profile(own), "T1")
    assert str(error.value).endswith(told)
    change(own, "inputs:", "rules: {label: above}\ninputs:")
    found, notes = check(own)
    assert found == [] and "expression.csv: T1: 38% of 40 genes are labelled on (median 0): many have the same value" in notes
    assert features.build(load_profile(own), "T1")["label"].values.sum() == 15


def test_genes_of_one_value_are_no_two_classes_by_either_rule(own):
    text = (own.parent / "expression.csv").read_text()
    (own.parent / "expression.csv").write_text(re.sub(r",\d+\.5,", ",3,", text))
    assert "T1: all 40 genes are labelled on (median 3), expected two classes" in check(own)[0][0]
    change(own, "inputs:", "rules: {label: above}\ninputs:")
    assert "T1: all 40 genes are labelled off (median 3), expected two classes" in check(own)[0][0]


def test_expression_that_looks_like_a_logarithm_is_noted(own):
    rows = "".join(f"g{i},{i / 4},{100 + i}\n" for i in range(40))
    (own.parent / "expression.csv").write_text("gene_id,T1,C1\n" + rows)
    found, notes = check(own)
    assert found == [] and [note for note in notes if "logarithm" in note] == [
        "expression.csv: T1: the largest value is 9.75; is it a logarithm? expected amounts such as RPKM or TPM, whose logarithm is taken here"
    ]


def test_rules_leave_out_duplicates_and_low_mapping_quality_and_change_no_settings_where_they_do_not(own):
    here = own.parent
    with pysam.AlignmentFile(str(here / "a.bam"), "wb", header={"SQ": [{"SN": chrom, "LN": size} for chrom, size in SIZES.items()]}) as bam:
        for flag, mapq in ((0, 30), (0, 0), (1024, 30)):
            read = pysam.AlignedSegment(bam.header)
            read.query_name, read.flag, read.mapping_quality = "r", flag, mapq
            read.reference_name, read.reference_start, read.cigarstring = "chrA", 20_000, "50M"
            read.query_sequence, read.query_qualities = "A" * 50, pysam.qualitystring_to_array("I" * 50)
            bam.write(read)
    change(here / "samples.csv", "T1-H3K4me3.bed,bed", "a.bam,bam")

    def depth_at_g0(**rules):
        profile = load_profile(own)
        store = features.build(profile.model_copy(update={"rules": Rules(**rules)}), "T1")
        return store["promoter"].values[store["gene_id"].values.tolist().index("g0"), 200, 0], json.loads(store.attrs["dropped"])["reads of H3K4me3"]

    def library(**rules):
        return inputs.libraries(load_profile(own).model_copy(update={"rules": Rules(**rules)}), "T1").iloc[0].tolist()

    assert depth_at_g0() == (1.5, {})
    assert library()[:4] == ["H3K4me3", "reads (bam)", "a.bam", 3] and np.isnan(library()[4])
    assert depth_at_g0(drop_duplicates=True) == (1.0, {"duplicate": 1})
    assert depth_at_g0(drop_duplicates=True, min_mapq=10) == (0.5, {"duplicate": 1, "mapping quality below 10": 1})
    assert library(drop_duplicates=True, min_mapq=10)[3:] == [1, 1]
    before = ["min_contact", "biotype", "tss_rule", "tss", "repeated", "max_pcre_bp", "label", "truncate_bp", "max_reads", "clip_depth", "seed"]
    assert list(Rules().settings()) == list(Rules(min_mapq=0, drop_duplicates=False).settings()) == before
    assert Rules(min_mapq=10).settings()["min_mapq"] == 10
    change(own, "inputs:", "rules: {min_mapq: 10}\ninputs:")
    assert "T1-H3K27ac.bed: without effect here: rules.min_mapq, since BED holds neither marks of duplicates nor mapping qualities" in check(own)[1]


# Genomes


def test_sizes_leave_out_what_is_not_placed(tmp_path):
    (tmp_path / "s").write_text("chr1\t500\nchr1_random\t5\nchrUn_gl1\t5\nchrM\t5\n\nchr2\t400\nGL000191.1\t4\nX 300\n")
    assert read_sizes(tmp_path / "s") == {"chr1": 500, "chr2": 400, "X": 300}


def test_sizes_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "s").write_bytes(b"\xef\xbb\xbfchr1\t500\r\nchr2\t400\r\n")
    assert read_sizes(tmp_path / "s") == {"chr1": 500, "chr2": 400}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\n", r"s:1: found 'chr1', expected two columns"),
        ("chr1\t5\nchr1\t6\n", r"s:2: found a chromosome for the second time"),
        ("chr1\t0\n", r"s:1: found 'chr1\\t0'"),
        ("chr1\tten\n", r"s:1"),
        ("chr1\t9\n", "1 chromosomes, expected 2 or more"),
        (None, "No such file"),
    ],
)
def test_wrong_sizes_are_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "s").write_text(text)
    with pytest.raises(InputError, match=message):
        read_sizes(tmp_path / "s")


def test_folds_are_dealt_by_length_each_chromosome_once():
    assert deal_folds({"a": 10, "b": 9, "c": 5, "d": 4, "e": 3, "f": 2}) == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 4, "f": 3}


def test_own_folds_count_before_those_that_are_dealt(own):
    change(own, "marks:", "folds: {1: [chrA], 2: [chrB, chrC]}\nmarks:")
    assert profile_genome(load_profile(own)).folds == {"chrA": 1, "chrB": 2, "chrC": 2}


def test_hg38_holds_out_the_same_chromosomes_as_hg19():
    assert load_genome("hg38").folds == load_genome("hg19").folds
    assert load_genome("mm9").sizes["chr19"] == 61_342_430  # 1,534 bins of 40 kb in Dixon's matrices


# Everything that is wrong at once


def test_a_right_profile_is_passed_with_counts(own):
    found, notes = check(own)
    assert found == []
    assert notes == [
        "genome toy, 4 chromosomes in folds 1, 2, 3, 4",
        *(f"{name}.bed: 400 reads are used" for name in ("T1-H3K4me3", "T1-H3K27ac", "C1-H3K4me3", "C1-H3K27ac")),
        "40 genes of expression.csv and 40 of genes.csv: 40 in both",
        "genes by fold: 1: 10, 2: 10, 3: 10, 4: 10",
        "T1: 34 contacts of 34 of 40 genes in contacts.csv",
        "C1: 34 contacts of 34 of 40 genes in contacts.csv",
    ]


def test_sizes_of_a_build_that_is_known_are_noted_to_deal_folds_anew(own):
    change(own, "genome: toy ", "genome: hg19 ")
    found, notes = check(own)
    assert found == [] and notes[1] == (
        "chrom_sizes: hg19 is known by name, but chromosomes of this file are dealt into folds anew; leave it out for the build's own folds"
    )


def test_the_command_tells_all_faults_and_fails(own):
    change(own.parent / "expression.csv", "g3,3.5", "g3,-3.5")
    change(own.parent / "genes.csv", "g1,chrB,24000,-", "g1,chrB,24000,.")
    done = subprocess.run(["chromolib", "check", "my.yml"], check=False, capture_output=True, text=True, cwd=own.parent)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 3
    assert lines[-1] == "chromolib: check: 2 faults in my.yml, told above; correct and check again"


def test_every_fault_is_told_in_one_run_with_file_and_line(own):
    here = own.parent
    change(here / "samples.csv", "T1,H3K4me3,T1-H3K4me3.bed,bed\n", "")
    change(here / "samples.csv", "C1-H3K27ac.bed", "gone.bed")
    (here / "samples.csv").write_text((here / "samples.csv").read_text() + "T9,H3K4me3,x.bed,bed\nT1,H3K27ac,x.bed,sam\n")
    change(here / "expression.csv", "g3,3.5", "g3,-3.5")
    change(here / "expression.csv", "g4,4.5,36", "g4,much,36")
    change(here / "expression.csv", "g6,", "g5,")
    change(here / "genes.csv", "g1,chrB,24000,-", "g1,chrB,24000,.")
    change(here / "genes.csv", "g2,chrC,28000", "g2,chrC,280000")
    change(here / "contacts.csv", "g8,chrA:37000-42000", "g8,chrA:42000-37000")
    (here / "T1-H3K27ac.bed").write_text("chrA\t5\t41\nchrD\t250000\t250036\n")
    err, _ = check(own)
    expected = [
        r"samples\.csv:6: format is 'sam', expected one of tagAlign, bed, bam, bigwig, fastq",
        r"samples\.csv:5: cell_type is 'T9', expected one of the profile's, T1, C1",
        r"samples\.csv: no sample of H3K4me3 in T1",
        r"samples\.csv:4: no file gone\.bed",
        r"T1-H3K27ac\.bed: 1 reads past the end of their chromosome, expected none on toy",
        r"expression\.csv:5: T1 is '-3\.5', expected a number of 0 or more",
        r"expression\.csv:6: T1 is 'much', expected a number of 0 or more",
        r"expression\.csv:8: gene_id is 'g5', expected each gene once",
        r"genes\.csv:3: strand is '\.', expected \+ or -",
        r"genes\.csv:4: tss is '280000', expected a position on its chromosome of toy; is the genome another build\?",
        r"contacts\.csv:10: region is 'chrA:42000-37000', expected chrom:start-end with start < end",
    ]
    for pattern in expected:
        assert any(re.match(pattern, line) for line in err), (pattern, err)
    assert len(err) == len(expected), err


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("my.yml", "toy.chrom.sizes", "none.sizes", r"none\.sizes: No such file or directory, expected two columns"),
        ("my.yml", "kind: own", "kind: own\n  smaples: x", r"my\.yml:9: inputs\.own\.smaples: Extra inputs are not permitted"),
        ("my.yml", "samples: samples.csv\n", "\n", r"my\.yml:7: inputs\.own\.samples: Field required"),
        ("my.yml", "{T1: treated cells, C1: control}", "{}", r"my\.yml:5: cell_types: .*at least 1"),
        ("samples.csv", "mark,path", "Mark,path", r"samples\.csv:1: no column 'mark', found cell_type, Mark"),
        ("samples.csv", "bed,bed", "bed,bigwig", r"samples\.csv:2: scale is '', expected one of depth, counts"),
        ("expression.csv", "gene_id,T1,C1", "gene_id,T1,C2", r"expression\.csv:1: no column 'C1', found gene_id, T1, C2"),
        ("expression.csv", "\ng", "\nENSG", "40 genes of expression.csv and 40 of genes.csv: 0 in both .found ENSG0 and g0."),
        ("genes.csv", "chr", "Chr", r"genes\.csv:1: no column 'chrom', found gene_id, Chrom"),
        ("genes.csv", ",chrA", ",A", r"fold 1"),
        ("contacts.csv", ",chr", ",", r"contacts\.csv:2: no chromosome of toy in 40 rows, found A, B, C"),
        ("contacts.csv", "\ng", "\nh", r"contacts\.csv: none of 40 contacts of T1 is of a gene with a TSS and above min_contact=1\.5"),
        ("contacts.csv", "gene_id,region,contact", "a,b,c", r"contacts\.csv:1: found column 'a', expected gene_id,region,contact or frag1"),
        ("contacts.csv", "region,contact", "region", r"contacts\.csv:1: no column 'contact', found gene_id, region"),
    ],
)  # fmt: skip
def test_each_fault_names_where_it_is_and_the_way_out(own, file, old, new, message):
    change(own.parent / file, old, new)
    err, _ = check(own)
    assert any(re.search(message, line) for line in err), err
    assert all(";" in line for line in err), err


def test_versions_of_ids_are_recognised(own):
    text = (own.parent / "expression.csv").read_text()
    (own.parent / "expression.csv").write_text(re.sub(r"\n(g\d+),", r"\n\1.2,", text))
    assert any("cut the versions behind the dot" in line for line in check(own)[0])


def test_a_bam_and_a_bigwig_of_another_build_are_recognised(own):
    here = own.parent
    header = {"SQ": [{"SN": chrom, "LN": size + 7} for chrom, size in SIZES.items()]}
    with pysam.AlignmentFile(str(here / "a.bam"), "wb", header=header):
        pass
    with pyBigWig.open(str(here / "a.bw"), "w") as bigwig:
        bigwig.addHeader([("A", 5), ("B", 6)])
        bigwig.addEntries(["A"], [1], ends=[2], values=[1.0])
    change(here / "samples.csv", "T1-H3K4me3.bed,bed", "a.bam,bam")
    sheet = (here / "samples.csv").read_text().replace("format\n", "format,scale\n")
    sheet = sheet.replace("C1-H3K4me3.bed,bed", "a.bw,bigwig,depth").replace("bed.gz,bed", "bed.gz,bed,").replace("m,bam", "m,bam,")
    (here / "samples.csv").write_text(sheet)
    text = "\n".join(check(own)[0])
    assert "a.bam: chrA has 300,007 bp, expected 300,000 as in toy (4 of 4 chromosomes differ)" in text
    assert "a.bw: no chromosome of toy, found A, B, ...; expected chrA, chrB, chrC" in text


def test_a_bigwig_without_a_chromosome_of_a_fold_is_recognised(own):
    with pyBigWig.open(str(own.parent / "a.bw"), "w") as bigwig:
        bigwig.addHeader([(chrom, size) for chrom, size in SIZES.items() if chrom != "chrC"])
        bigwig.addEntries(["chrA"], [1], ends=[2], values=[1.0])
    names = [f"{cell_type},{mark}" for cell_type in ("T1", "C1") for mark in ("H3K4me3", "H3K27ac")]
    rows = [f"{name},{shutil.copy(own.parent / 'a.bw', own.parent / f'{i}.bw').name},bigwig,depth\n" for i, name in enumerate(names)]
    (own.parent / "samples.csv").write_text("cell_type,mark,path,format,scale\n" + "".join(rows))
    told = check(own)[0]
    assert len(told) == 4 and told[0].startswith("0.bw: no chromosome chrC, expected all that are in a fold; leave them out of folds")
    change(own, "marks:", "folds: {1: [chrA], 2: [chrB, chrD]}\nmarks:")
    assert check(own)[0] == []


def test_reads_that_miss_a_chromosome_with_genes_are_recognised(own):
    here = own.parent
    text = (here / "T1-H3K4me3.bed").read_text().splitlines(keepends=True)
    (here / "T1-H3K4me3.bed").write_text("".join(line for line in text if not line.startswith(("chrB", "chrD"))))
    header = {"SQ": [{"SN": chrom, "LN": size} for chrom, size in SIZES.items() if chrom != "chrC"]}
    with pysam.AlignmentFile(str(here / "a.bam"), "wb", header=header) as bam:
        for start in (10, 20):
            read = pysam.AlignedSegment(bam.header)
            read.query_name, read.reference_name, read.reference_start, read.cigarstring = "r", "chrA", start, "36M"
            read.query_sequence, read.query_qualities = "A" * 36, pysam.qualitystring_to_array("I" * 36)
            bam.write(read)
    change(here / "samples.csv", "C1-H3K4me3.bed,bed", "a.bam,bam")
    found, notes = check(own)
    expected = "expected some on each chromosome of a fold that has genes; is the file whole? correct it, or leave these out of folds in the profile"
    assert found == [
        f"T1-H3K4me3.bed: no reads on chrB, chrD, {expected}", f"a.bam: no reads on chrB, chrC, chrD, {expected}",
    ]  # fmt: skip
    assert "a.bam: 2 reads are aligned; those that are secondary, supplementary or failed quality checks are left out in preprocessing" in notes
    change(own, "marks:", "folds: {1: [chrA], 2: [chrC]}\nmarks:")
    assert not [line for line in check(own)[0] if line.startswith("T1-H3K4me3.bed")]  # no gene of any other is read


def test_a_bam_that_is_cut_short_is_recognised(own, capfd):
    with pysam.AlignmentFile(str(own.parent / "a.bam"), "wb", header={"SQ": [{"SN": chrom, "LN": size} for chrom, size in SIZES.items()]}) as bam:
        for i in range(5000):
            read = pysam.AlignedSegment(bam.header)
            read.query_name, read.reference_name, read.reference_start, read.cigarstring = "r", "chrA", i, "36M"
            read.query_sequence, read.query_qualities = "A" * 36, pysam.qualitystring_to_array("I" * 36)
            bam.write(read)
    data = (own.parent / "a.bam").read_bytes()
    change(own.parent / "samples.csv", "C1-H3K4me3.bed,bed", "a.bam,bam")
    for damaged, found in ((data[: len(data) // 2], "no BGZF EOF marker; file may be truncated"), (data[: len(data) // 2] + data[-28:], "it is cut short or damaged")):
        (own.parent / "a.bam").write_bytes(damaged)
        capfd.readouterr()
        assert check(own)[0] == [f"a.bam: {found}; expected a BAM file; fetch the file again"]
        assert "a.bam" not in capfd.readouterr().err, "htslib writes lines of its own"


def test_plain_p_values_are_not_taken_for_their_arcsinh(own):
    rows = []
    for i, (cell_type, mark) in enumerate((c, m) for c in ("T1", "C1") for m in ("H3K4me3", "H3K27ac")):
        with pyBigWig.open(str(own.parent / f"{i}.bw"), "w") as bigwig:
            bigwig.addHeader(list(SIZES.items()))
            bigwig.addEntries(["chrA", "chrB"], [1, 1], ends=[2, 2], values=[19.5, 20.5 + i] if i > 1 else [0.5, 20.0])
        rows.append(f"{cell_type},{mark},{i}.bw,bigwig,arcsinh-p\n")
    (own.parent / "samples.csv").write_text("cell_type,mark,path,format,scale\n" + "".join(rows))
    expected = "expected at most 20 of scale arcsinh-p, an arcsinh that has been taken already; name the scale of plain -log10 p normalised"
    assert check(own)[0] == [f"2.bw: the largest value is 22.5, {expected}", f"3.bw: the largest value is 23.5, {expected}"]
    change(own.parent / "samples.csv", "arcsinh-p", "normalised")
    assert check(own)[0] == []


def test_faults_of_many_rows_are_cut_and_counted(own):
    text = (own.parent / "expression.csv").read_text()
    (own.parent / "expression.csv").write_text(re.sub(r",\d+\.5,", ",none,", text))
    err = check(own)[0]
    assert sum("T1 is 'none'" in line for line in err) == 5 and any("35 more rows like the last" in line for line in err)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: my-cells", "name: sim", r"profile sim: name: found that of .*data/profiles/sim\.yml, whose folders .* both would share; .*; choose another"),
        ("marks:", "second_species: {profile: other.yml, orthologues: o.csv}\nmarks:", r"second_species: .*other\.yml has the same name, .*; rename one"),
        ("marks:", "folds: {1: [chrA, chrB, chrC, chrD]}\nmarks:", "profile my-cells: folds: found 1, expected two or more, .* for cells to predict only"),
    ],
)
def test_names_that_two_share_and_a_single_fold_are_faults(own, old, new, message):
    (own.parent / "o.csv").write_text("gene_id,mouse_gene_id\ng1,g2\n")
    shutil.copy(own, own.parent / "other.yml")
    change(own, old, new)
    (told,) = check(own)[0]
    assert re.search(message, told), told


def test_a_single_fold_will_do_for_cells_to_predict_only(own):
    change(own, "  expression: expression.csv            # leave out for cells to predict only\n", "")
    change(own, "marks:", "folds: {1: [chrA, chrB, chrC, chrD]}\nmarks:")
    assert check(own)[0] == []


def test_faults_are_told_where_bedtools_is_missing_too(own, monkeypatch):
    def absent(*args, **kwargs):
        raise NotImplementedError

    monkeypatch.setattr(contacts.pybedtools.BedTool, "intersect", absent)
    (own.parent / "contacts.csv").write_text("frag1,frag2,frequency\nchrA:100000-105000,chrA:18000-22000,4\n")
    change(own.parent / "genes.csv", "g1,chrB,24000,-", "g1,chrB,24000,.")
    told = check(own)[0]
    assert told[0].startswith("genes.csv:3: strand is '.'") and "bedtools: not found on PATH" in told[-1]


# Tables that users write


def test_tables_may_be_tsv_with_a_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "e.tsv"
    path.write_bytes("\ufeffgene_id\tnote\tT1\r\ng1\t\t1e1\r\n\r\n g2 \tx\t0\r\n".encode())
    table = readers.read_expression_table(path, ["T1"])
    assert table.to_dict("list") == {"gene_id": ["g1", "g2"], "T1": [10.0, 0.0], "line": [2, 4]}


def test_contacts_of_another_cell_type_are_counted(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("cell_type,gene_id,region,contact\nT1,g1,chrA:5-9,2\nC1,g1,chrA:5-9,3\nT1,g1,chrZ:5-9,3\n")
    table = readers.read_contact_table(path, GENOME, "T1")
    assert table[["gene_id", "region", "contact"]].to_numpy().tolist() == [["g1", "chrA:5-9", 2.0]]
    assert table.attrs["dropped"] == {"another cell type": 1, "chromosome not in toy": 1}


def test_unknown_cell_types_of_contacts_are_told_by_check_once_and_do_not_stop_preprocessing(own):
    rows = ("T1,g1,chrB:9000-14000,2", "T1,g2,chrC:13000-18000,2", "C1,g1,chrB:9000-14000,2", "T-1,g1,chrB:9000-14000,2", "T-1,g2,chrC:13000-18000,2")
    (own.parent / "contacts.csv").write_text("\n".join(["cell_type,gene_id,region,contact", *rows]))
    told = "contacts.csv:5: cell_type is 'T-1', expected one of the profile's, T1, C1; correct the row"
    assert check(own)[0] == [told]
    assert features.build(load_profile(own), "T1").sizes["pcre"] == 2


def test_both_directions_of_a_fragment_pair_count(tmp_path):
    (tmp_path / "c.csv").write_text("frag1,frag2,frequency\nchrA:5-9,chrA:20-30,2\n")
    assert readers.read_contact_table(tmp_path / "c.csv", GENOME)["kind"].tolist() == ["pp"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b"gene_id,T1\n", "holds no rows below the header"),
        (b"gene_id,T1\ng1,2,3\n", r"e:2: 3 fields, expected 2"),
        (b"gene_id,T1,T1\ng1,2,3\n", r"e:1: two columns 'T1'"),
        (b"gene_id,T1\ng\x00,2\n", "line 2 holds a NUL byte"),
        (b"gene_id,T1\ng\xff,2\n", "expected a table with a header, CSV or TSV"),
        (b"\x1f\x8bgene_id", "expected a table with a header, CSV or TSV"),
        (b"gene_id,T1\ng1,inf\n", r"e:2: T1 is 'inf', expected a number of 0 or more"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(tmp_path, data, message):
    (tmp_path / "e").write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        readers.read_expression_table(tmp_path / "e", ["T1"])
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


# Found in review


def test_file_of_another_folder_with_the_same_name_size_and_time_is_read_anew(own):
    here = own.parent
    for name, start in (("a", 20_000), ("b", 36_000)):
        (here / name).mkdir()
        (here / name / "reads.bed").write_text(f"chrA\t{start}\t{start + 50}\n")
        os.utime(here / name / "reads.bed", (1, 1))
    change(here / "samples.csv", "T1-H3K4me3.bed", "a/reads.bed")
    first = features.load(features.ensure(load_profile(own), "T1"))["promoter"].values
    change(here / "samples.csv", "a/reads.bed", "b/reads.bed")
    second = features.load(features.ensure(load_profile(own), "T1"))["promoter"].values
    assert (first[..., 0] != second[..., 0]).any()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("T1-H3K4me3.bed,bed\n", "T1-H3K4me3.bed,bed\nT1,H3K4me3,x.fq,fastq\n", r"samples\.csv:3: 2 files of H3K4me3 in T1 as bed, fastq"),
        ("C1-H3K4me3.bed,bed", "T1-H3K4me3.bed,bed", r"samples\.csv:4: path is 'T1-H3K4me3\.bed', expected each file once"),
        ("T1-H3K4me3.bed,bed", "T1-H3K4me3.bed,bam", r"T1-H3K4me3\.bed: is no BAM, as format says"),
    ],
)
def test_samples_that_can_not_be_one_are_refused(own, old, new, message):
    change(own.parent / "samples.csv", old, new)
    assert any(re.match(message, line) for line in check(own)[0]), check(own)[0]


def test_two_bigwigs_of_a_mark_are_refused_by_preprocess_too(own):
    for name in ("a.bw", "b.bw"):
        with pyBigWig.open(str(own.parent / name), "w") as bigwig:
            bigwig.addHeader(list(SIZES.items()))
            bigwig.addEntries(["chrA"], [1], ends=[2], values=[1.0])
    rows = "".join(f"T1,{mark},{name},bigwig,depth\n" for mark, name in (("H3K4me3", "a.bw"), ("H3K4me3", "b.bw"), ("H3K27ac", "c.bw")))
    (own.parent / "samples.csv").write_text("cell_type,mark,path,format,scale\n" + rows)
    with pytest.raises(InputError, match=r"samples\.csv:3: 2 files of H3K4me3 in T1 as bigwig, expected one bigWig"):
        features.ensure(load_profile(own), "T1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("gene_id,region,contact\ng0,chrB:5000-10000,3\ng1,chrB:5000-10000,2\n", "region on another chromosome than the gene"),
        ("frag1,frag2,frequency\nchrA:19000-21000,chrB:5000-9000,3\nchrB:23000-25000,chrB:5000-9000,2\n", "ends on different chromosomes"),
    ],
)
def test_contacts_between_chromosomes_are_dropped_and_counted(own, text, reason):
    (own.parent / "contacts.csv").write_text(text)
    store = features.load(features.ensure(load_profile(own), "T1"))
    assert {region.partition(":")[0] for region in store["region"].values} == {"chrB"}
    assert any(counts.get(reason) == 1 for counts in json.loads(store.attrs["dropped"]).values())


def test_matrices_may_lie_in_a_folder(own):
    (own.parent / "hic").mkdir()
    for chrom, size in SIZES.items():
        n = -(-size // 40_000)
        np.savetxt(own.parent / "hic" / f"nij.{chrom}", np.eye(n) * 20, fmt="%g")
    change(own, "  contacts: contacts.csv", "  contacts: hic\n  contacts_format: matrices")
    store = features.load(features.ensure(load_profile(own), "T1"))
    assert set(store["contact"].values[:, 0]) == {20.0} and check(own)[0] == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("annotation: genes.csv", "annotation: genes-{cell_type}.csv", r"inputs\.own: .*found \{cell_type\}, expected no braces"),
        ("marks:", "max_pcres: -2\nmarks:", r"my\.yml:\d+: max_pcres: "),
        ("{T1: treated", "{../T1: treated", r"my\.yml:5: cell_types\.\.\./T1"),
    ],
)
def test_settings_that_would_fail_later_are_refused(own, old, new, message):
    change(own, old, new)
    assert re.search(message, check(own)[0][0]), check(own)[0]


def test_faults_of_one_file_hide_none_of_another(own):
    change(own.parent / "expression.csv", "gene_id,T1,C1", "gene_id;T1;C1")
    change(own.parent / "genes.csv", "g1,chrB,24000,-", "g1,chrB,24000,?")
    told = "\n".join(check(own)[0])
    assert "expression.csv:1: no column 'gene_id'" in told and "genes.csv:3: strand is '?'" in told


def test_genes_that_only_one_cell_type_has_are_told(own):
    text = (own.parent / "expression.csv").read_text()
    (own.parent / "e-T1.csv").write_text(text)
    (own.parent / "e-C1.csv").write_text(text.replace("g7,7.5,33\n", ""))
    change(own, "expression: expression.csv", "expression: e-{cell_type}.csv")
    (told,) = check(own)[0]
    assert told.startswith("e-C1.csv: 1 genes stand only here or only in e-T1.csv, the first is g7")


def test_reads_and_genes_that_are_left_out_are_noted(own):
    change(own.parent / "T1-H3K4me3.bed", "chrA", "A")
    notes = "\n".join(check(own)[1])
    assert re.search(r"T1-H3K4me3\.bed: \d+ reads are used, left out are \d+ contig not in toy", notes)
