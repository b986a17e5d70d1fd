"""The feature store: hand-made raw files with depth that can be counted, and the release's demo."""

import gzip
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chromolib import Chromoformer, GeneDataset, features, inputs, load_dataset, pair, predict, readers
from chromolib.config import ROOT, InputError
from chromolib.genome import load_genome
from chromolib.profile import Profile, load_profile
from chromolib.sections import Rules
from chromolib.train import network_for

FRAME_BP, MARKS = 800, ("H3K4me3", "H3K27ac")


def toy_profile(**changed):
    """One cell type on the genome simS, in frames of eight bins."""
    values = {
        "name": "toy",
        "title": "toy",
        "genome": "simS",
        "cell_types": {"T1": "toy cells"},
        "marks": MARKS,
        "frame_bp": FRAME_BP,
        "bin_bp": (400, 100),
        "max_pcres": 3,
        "inputs": {"kind": "raw"},
    }
    return Profile.model_validate(values | changed)


def write_gzip(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))


def contact_row(kind, bait, partner, frequency):
    """A row that keeps the laws of the format; background 0.25."""
    middle = [sum(map(int, fragment.split(":")[1].split("-"))) // 2 for fragment in (bait, partner)]
    capture = frequency * 1.25 - 1
    return f"{kind}\t{bait}\t{partner}\t9\t9\t9\t{abs(middle[0] - middle[1])}\t1\t{capture}\t0.25\t{frequency}\t2"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Three genes: G1 (+, TSS 10,000 on chr1), G2 (-, TSS 100 on chr2, 300 bp of its frame off the end), G3 (chr4)."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    raw = tmp_path / "raw" / "toy"
    write_gzip(raw / "alignments/T1-H3K4me3.tagAlign.gz", [
        "chr1\t9600\t9700\tN\t1000\t+", "chr1\t9650\t9700\tN\t1000\t-", "chr1\t10350\t10450\tN\t1000\t+",
        "chr2\t0\t50\tN\t1000\t+", "chr1\t20000\t20250\tN\t1000\t+", "chrUn\t5\t41\tN\t1000\t+",
    ])  # fmt: skip
    write_gzip(raw / "alignments/T1-H3K27ac.tagAlign.gz", ["chr1\t20200\t20230\tN\t1000\t+"])
    write_gzip(raw / "expression/RPKM.pc.gz", ["gene_id\tT1", "G1\t4.0\t", "G2\t1.0\t", "G3\t2.0\t", "G4\t9.0\t"])
    ends = "\t1\t1\t1\t1,\t1,\t0\t{}\tcmpl\tcmpl\t0,"
    write_gzip(raw / "annotation/refGene.txt.gz", [
        "0\tNM_1\tchr1\t+\t10001\t15000" + ends.format("A"),
        "0\tNM_2\tchr2\t-\t10\t100" + ends.format("B"),
        "0\tNM_3\tchr4\t+\t50001\t60000" + ends.format("C"),
    ])  # fmt: skip
    info = "G1\t1\t1\t1\t1\tprotein_coding\tA\nG2\t2\t1\t1\t1\tprotein_coding\tB\nG3\t4\t1\t1\t1\tprotein_coding\tC\n"
    (raw / "annotation/gene_info.txt").write_text(info)
    header = "type\tfrag1\tfrag2\tc\tc\tfreq\tdist\tx\tall_capture_res\te\tdist_res\t-log10(result)"
    bait = "chr1:9000-11000"
    write_gzip(raw / "contacts/T1.po.txt.gz", [
        header, contact_row("po", bait, "chr1:30000-30100", 2.0), contact_row("po", bait, "chr1:20000-20250", 3.0),
        contact_row("po", bait, "chr1:40000-40801", 9.0), contact_row("po", bait, "chr1:50000-50100", 1.5),
        contact_row("po", "chr4:49000-51000", "chr4:20000-20100", 2.5),
    ])  # fmt: skip
    write_gzip(raw / "contacts/T1.pp.txt.gz", [header])
    return toy_profile()


def test_raw_files_to_features_by_hand(toy):
    store = features.load(features.ensure(toy, "T1")).load()
    assert store["gene_id"].values.tolist() == ["G1", "G2", "G3"]
    assert store["symbol"].values.tolist() == ["A", "B", "C"]
    assert store["tss"].values.tolist() == [10_000, 100, 50_000]
    assert store["strand"].values.tolist() == ["+", "-", "+"]
    assert store["chrom_bp"].values.tolist() == [1_700_000, 1_500_000, 1_200_000]
    assert store["fold"].values.tolist() == [1, 2, 4]
    assert store["label"].values.tolist() == [1, 0, 1]  # the median, 2.0, counts as high
    # Frame 9,600-10,400: the first bin holds 100 + 50 bp of reads, the last half of the read at 10,350.
    depth = store["promoter"].sel(mark="H3K4me3").values
    np.testing.assert_allclose(depth[0], [1.5, 0, 0, 0, 0, 0, 0, 0.5])
    # Frame -300-500, in genome order although the strand is "-": three bins off the end, then 50 of 100 bp.
    np.testing.assert_allclose(depth[1], [0, 0, 0, 0.5, 0, 0, 0, 0])
    assert not store["promoter"].sel(mark="H3K27ac").values.any()


def test_pcres_are_ranked_and_their_last_bin_averages_what_it_has(toy):
    store = features.load(features.ensure(toy, "T1")).load()
    assert store["region"].values.tolist() == ["chr1:20000-20250", "chr1:30000-30100", "chr4:20000-20100"]
    assert store["gene_pcre"].values.tolist() == [[0, 1, -1], [-1, -1, -1], [2, -1, -1]]
    np.testing.assert_array_equal(store["contact"], np.float32([[3, 2, 0], [0, 0, 0], [2.5, 0, 0]]))
    assert store["pcre_row"].values.tolist() == [0, 3, 4, 5]
    np.testing.assert_allclose(store["pcre_depth"].sel(mark="H3K4me3"), [1, 1, 1, 0, 0])
    np.testing.assert_allclose(store["pcre_depth"].sel(mark="H3K27ac"), [0, 0, 30 / 50, 0, 0], rtol=1e-6)


def test_what_was_left_out_is_counted(toy):
    dropped = json.loads(features.load(features.ensure(toy, "T1")).attrs["dropped"])
    assert dropped["reads of H3K4me3"] == {"contig not in simS": 1}
    assert dropped["genes with expression"] == {"no symbol": 1}
    assert dropped["pCREs of genes"] == {"wider than 800 bp": 1}


def test_genes_without_a_fold_are_dropped_and_counted(toy):
    profile = toy.model_copy(update={"folds": {1: ("chr2",), 2: ("chr4",)}})
    store = features.build(profile, "T1")
    assert store["gene_id"].values.tolist() == ["G2", "G3"] and store["fold"].values.tolist() == [1, 2]
    assert store["region"].values.tolist() == ["chr4:20000-20100"]
    assert json.loads(store.attrs["dropped"])["genes without a fold"] == {"chromosome in no fold": 1}
    with pytest.raises(InputError, match="none of 3 genes lies on a chromosome of a fold"):
        features.build(toy.model_copy(update={"folds": {1: ("chr3",)}}), "T1")


def test_genes_may_have_no_contact_at_all(toy):
    profile = toy.model_copy(update={"rules": Rules(min_contact=99)})
    store = features.load(features.ensure(profile, "T1")).load()
    assert dict(store.sizes) == {"gene": 3, "bin": 8, "mark": 2, "rank": 3, "pcre": 0, "row": 0, "edge": 1}


def test_a_store_is_built_again_only_when_settings_or_inputs_change(toy):
    path = features.ensure(toy, "T1")
    made = path.stat().st_ino
    assert features.ensure(toy, "T1").stat().st_ino == made
    features.ensure(toy.model_copy(update={"title": "another title"}), "T1")
    assert path.stat().st_ino == made
    fewer = toy.model_copy(update={"max_pcres": 1})
    assert features.load(features.ensure(fewer, "T1")).sizes["rank"] == 1
    features.ensure(toy, "T1")
    (toy.raw_dir / "annotation/gene_info.txt").write_text("G1\t1\t1\t1\t1\tprotein_coding\tA\n")
    assert features.load(features.ensure(toy, "T1"))["gene_id"].values.tolist() == ["G1"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["depth", "features.zarr"]


def test_a_build_that_breaks_leaves_the_old_store(toy, monkeypatch):
    path = features.ensure(toy, "T1")

    def broken(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("xarray.Dataset.to_zarr", broken)
        with pytest.raises(KeyboardInterrupt):
            features.ensure(toy.model_copy(update={"max_pcres": 1}), "T1")
    assert features.load(path).sizes["rank"] == 3
    assert sorted(file.name for file in path.parent.iterdir()) == ["depth", "features.zarr"]


def test_a_damaged_store_is_built_again(toy):
    path = features.ensure(toy, "T1")
    shutil.rmtree(path / "tss")
    (path / ".zmetadata").unlink()
    assert features.load(features.ensure(toy, "T1"))["tss"].values.tolist() == [10_000, 100, 50_000]


@pytest.mark.parametrize("content", [None, "file", "folder", "text as metadata"])
def test_what_is_no_store_is_refused(tmp_path, content):
    path = tmp_path / "features.zarr"
    if content == "file":
        path.write_text("x")
    elif content:
        path.mkdir()
        (path / ".zgroup").write_text('{"zarr_format": 2}' if content == "folder" else "{")
    with pytest.raises(InputError, match=r"features\.zarr: .*chromolib preprocess"):
        features.load(path)


def test_a_missing_input_and_an_unknown_cell_type_are_named(toy):
    with pytest.raises(InputError, match="unknown cell type 'T2', expected one of T1"):
        features.ensure(toy, "T2")
    (toy.raw_dir / "alignments/T1-H3K27ac.tagAlign.gz").unlink()
    with pytest.raises(InputError, match=r"T1-H3K27ac\.tagAlign\.gz: no such file"):
        features.ensure(toy, "T1")


# The release's demo


@pytest.fixture(scope="module")
def demo(demo_archive):
    """Profile and store of the demo."""
    profile = load_profile("h1-demo")
    return profile, features.load(features.ensure(profile, "E003")).load()


def test_demo_has_its_genes_and_pairs(demo):
    store = demo[1]
    assert (store.sizes["gene"], store.sizes["pcre"], int((store["gene_pcre"] >= 0).sum())) == (100, 578, 580)
    assert int(store["label"].sum()) == 47
    assert (store["strand"] == "+").sum() == 56
    has = (store["gene_pcre"] >= 0).sum("rank")
    assert int((has > 0).sum()) == 89 and int((has == 8).sum()) == 58
    assert store["symbol"].sel(gene_id="ENSG00000134982").item() == "APC"
    assert set(store["fold"].values.tolist()) == {1, 2, 3, 4}
    assert json.loads(store.attrs["dropped"])["pCREs of genes"] == {}


def test_demo_keeps_the_order_of_its_table(demo):
    profile, store = demo
    genes, _ = readers.read_demo(profile.raw_dir / "chromoformer-demo.tar.gz")
    names = store["region"].values
    ours = [names[row[row >= 0]].tolist() for row in store["gene_pcre"].values]
    assert store["gene_id"].values.tolist() == genes["gene_id"].tolist() and ours == genes["pcres"].tolist()


def test_demo_depth_is_that_of_its_arrays(demo):
    profile, store = demo
    with tarfile.open(profile.raw_dir / "chromoformer-demo.tar.gz") as tar:
        members = {member.name.rpartition("/")[2]: member for member in tar if member.name.endswith(".npy")}

        def array(region):
            return np.load(io.BytesIO(tar.extractfile(members[f"{region}.npy"]).read())).astype(float)

        promoter, pcre = array("chr1:3546667-3586667"), array("chr1:3008934-3016866")
    gene = store.sel(gene_id="ENSG00000116213")
    expected = promoter.reshape(7, 400, 100).mean(2).T
    np.testing.assert_allclose(gene["promoter"], expected, rtol=1e-6)
    assert promoter.any()
    rows = slice(*store["pcre_row"].values[int(gene["gene_pcre"][0]) :][:2])
    bins = store["pcre_depth"].values[rows]
    assert bins.shape == (80, 7)  # 7,932 bp: the last bin holds 32
    np.testing.assert_allclose(bins[-1], pcre[:, 7900:].mean(1), rtol=1e-6)
    np.testing.assert_allclose(gene["contact"][0], 1.5494, rtol=1e-6)


def test_marks_of_the_demo_can_be_selected(demo):
    profile, store = demo
    some = features.build(profile.model_copy(update={"marks": ("H3K27ac", "H3K4me1")}), "E003")
    pd.testing.assert_index_equal(some.indexes["mark"], pd.Index(["H3K27ac", "H3K4me1"], name="mark"))
    np.testing.assert_array_equal(some["promoter"].sel(mark="H3K4me1"), store["promoter"].sel(mark="H3K4me1"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"marks": ("H3K4me1", "H3K4me2")}, "the release's demo has no 'H3K4me2', expected some of H3K4me1"),
        ({"frame_bp": 20_000}, "frame_bp=20,000, but the release's demo holds 40,000"),
        ({"cell_types": {"E004": "other"}}, "the release's demo is of E003, not E004"),
    ],
)
def test_a_profile_that_does_not_fit_the_demo_is_refused(demo, change, message):
    profile = demo[0].model_copy(update=change)
    with pytest.raises(InputError, match=message):
        features.build(profile, next(iter(profile.cell_types)))


# Signal that is binned already


def matrix(**changed):
    """Two genes of four bins of 50 bp and one mark, the second on the minus strand, and what from_matrix wants besides."""
    genes = pd.DataFrame(
        {"gene_id": ["G1", "G2"], "chrom": ["chr1", "chr2"], "tss": [5000, 6000], "strand": ["+", "-"], "expression": [3.0, 1.0]}
    )
    signal = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], float)[..., None]
    settings = {"marks": ["A"], "base_bp": 50, "scale": "counts", "genome": load_genome("simS"), "cell_type": "T1"}
    return {"signal": signal, "genes": genes} | settings | changed


@pytest.mark.parametrize(("is_oriented", "second"), [(False, [8, 7, 6, 5]), (True, [5, 6, 7, 8])])
def test_a_matrix_is_read_in_the_direction_of_transcription_and_averaged_into_coarser_bins(is_oriented, second):
    data = GeneDataset(features.from_matrix(**matrix(is_oriented=is_oriented)), bin_bp=(100, 50))
    batch = data.batch([0, 1])
    fine = np.array([[1, 2, 3, 4], second], float)
    np.testing.assert_allclose(batch.promoter[50][..., 0], np.log1p(fine), rtol=1e-6)
    np.testing.assert_allclose(batch.promoter[100][..., 0], np.log1p(fine.reshape(2, 2, 2).mean(2)), rtol=1e-6)
    assert data.scale == "counts" and data.unit == "ln(1 + mean count)" and data.max_pcres == 0
    assert data.genes["label"].tolist() == [1, 0] and data.genes["fold"].tolist() == [1, 2]
    assert batch.contact.shape == (2, 0)


def test_a_matrix_on_a_logarithmic_scale_is_not_logged_again():
    data = GeneDataset(features.from_matrix(**matrix(scale="arcsinh-p")), bin_bp=(50,))
    np.testing.assert_array_equal(data.batch([0]).promoter[50][0, :, 0], [1, 2, 3, 4])
    assert data.unit == "arcsinh(-log10 p)"


def test_a_network_refuses_signal_of_another_scale():
    counts, log_p = (
        GeneDataset(features.from_matrix(**matrix(scale=scale)), bin_bp=(100, 50)) for scale in ("counts", "arcsinh-p")
    )
    model = Chromoformer(network_for(counts))
    with pytest.raises(InputError, match="scale is arcsinh-p, the network reads counts"):
        predict(model, log_p)
    with pytest.raises(InputError, match="pair: scale is counts in T1 and arcsinh-p in T1"):
        pair(counts, log_p)


def with_value(value):
    signal = matrix()["signal"].copy()
    signal[1, 2, 0] = value
    return signal


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scale": "logs"}, "T1: scale 'logs', expected one of depth, counts, normalised, arcsinh-p"),
        ({"signal": np.ones((3, 4, 1))}, r"signal of shape \(3, 4, 1\), expected 2 genes, an even number of bins and 1 marks"),
        ({"signal": np.ones((2, 5, 1))}, "an even number of bins"),
        ({"signal": with_value(np.nan)}, "G2, bin 2, A: nan, expected 0 or more"),
        ({"signal": with_value(-1)}, "G2, bin 2, A: -1.0, expected 0 or more"),
        ({"signal": np.ones((2, 0, 1))}, r"signal of shape \(2, 0, 1\), expected at least 1 gene, 2 bins and 1 mark"),
        ({"signal": np.ones((0, 4, 1)), "genes": matrix()["genes"][:0]}, r"signal of shape \(0, 4, 1\), expected at least 1"),
        ({"signal": np.full((2, 4, 1), "high")}, "T1: signal is no array of numbers .dtype <U4.; make it one of float32"),
        ({"signal": [[[1.0]], [[1.0], [2.0]]]}, "T1: signal is no array of numbers"),
        ({"signal": np.ones((2, 4, 2)), "marks": ["A", "A"]}, "mark A stands twice in A, A; name each"),
        ({"base_bp": 0}, "base_bp=0, expected an integer, 1 or more; give"),
        ({"base_bp": 50.5}, "base_bp=50.5, expected an integer"),
        ({"base_bp": "50"}, "base_bp='50', expected an integer"),
        ({"genome": "hg99"}, "unknown genome build 'hg99', expected one of hg19"),
        *(({"genes": matrix()["genes"].assign(tss=[5000, tss])}, f"G2: tss is {said}, expected a whole number on its chromosome")
          for tss, said in ((np.nan, "nan"), (np.inf, "inf"), (-1, "-1"), (10**9, "1000000000"), (6000.5, "6000.5"), ("6000", "6000"))),
        *(({"genes": matrix()["genes"].assign(expression=[1.0, value])}, f"G2: expression is {value}, expected an RPKM of 0 or more")
          for value in (np.inf, -1.0, "high", "2.0")),
        *(({"genes": matrix()["genes"].assign(label=[1, label])}, f"G2: label is {label}, expected 0 or 1; correct it")
          for label in (2, -1, 0.5, np.nan, "on")),
        ({"genes": matrix()["genes"].assign(chrom=["chr1", None])}, "chromosome (None|nan) is not one of simS"),
        ({"genes": matrix()["genes"].drop(columns="tss")}, "genes have no column tss"),
        ({"genes": matrix()["genes"].assign(gene_id="G1")}, "gene G1 stands twice"),
        ({"genes": matrix()["genes"].assign(chrom="1")}, "chromosome 1 is not one of simS"),
        ({"genes": matrix()["genes"].assign(strand=".")}, "strand '.', expected [+] or -"),
        ({"genes": matrix()["genes"].assign(expression=[1.0, np.nan])}, "G2: expression is nan, expected an RPKM of 0 or more"),
    ],
)
def test_a_matrix_that_does_not_fit_is_one_line(changed, message):
    with pytest.raises(InputError, match=message) as error:
        features.from_matrix(**matrix(**changed))
    assert len(str(error.value).splitlines()) == 1


def test_a_matrix_takes_its_build_by_name_and_whole_numbers_of_any_type():
    genes = matrix()["genes"].assign(tss=[5000.0, 6000.0], label=[False, True], expression=pd.array([3, 1], "Int64"))
    found = features.from_matrix(**matrix(genes=genes, genome="simS", base_bp=np.int64(50)))
    expected = features.from_matrix(**matrix(genes=genes.assign(tss=[5000, 6000], label=[0, 1], expression=[3.0, 1.0])))
    assert found.identical(expected) and found["label"].values.tolist() == [0, 1] and type(found.attrs["base_bp"]) is int


# Published matrices, where they can be had


@pytest.fixture(scope="module")
def mirror():
    """The mirror that developers have, for the files of the real profiles."""
    beside = ROOT.parent / "shared" / "mirror" / "raw.githubusercontent.com"
    if "CHROMOLIB_MIRROR" not in os.environ and not beside.is_dir():
        pytest.skip(f"no real data here: neither CHROMOLIB_MIRROR nor {beside}")
    with pytest.MonkeyPatch.context() as patch:
        if "CHROMOLIB_MIRROR" not in os.environ:
            patch.setenv("CHROMOLIB_MIRROR", str(beside.parent))
        yield


@pytest.mark.parametrize(
    ("name", "cell_type", "n_genes", "scale", "n_bins"),
    [("promoters-18k", "E012", 18_421, "depth", 200), ("pilot-40kb", "E116", 323, "arcsinh-p", 400), ("deepdiff-sample", "E123", 391, "counts", 200)],
)  # fmt: skip
def test_real_profiles_hold_what_their_titles_say(mirror, name, cell_type, n_genes, scale, n_bins):
    profile = load_profile(name)
    data = load_dataset(profile, cell_type)
    assert len(data) == n_genes and data.scale == scale and data.store.sizes["bin"] == n_bins
    assert data.bin_bp == profile.bin_bp and set(data.genes["fold"]) == {1, 2, 3, 4}
    assert abs(data.genes["label"].mean() - 0.5) < 0.01
    signal = data.batch(range(len(data))).promoter[profile.bin_bp[-1]].numpy()
    mark = {name: signal[..., k] for k, name in enumerate(data.marks)}
    middle, near = signal.shape[1] // 2, 1000 // profile.bin_bp[-1]
    assert mark["H3K4me3"].mean(0)[middle - near : middle + near].mean() > 2 * mark["H3K4me3"].mean(0)[:near].mean()
    on = (data.genes["label"] == 1).to_numpy()
    body = mark["H3K36me3"][:, -2 * near :].mean(1)
    assert body[on].mean() > 1.3 * body[~on].mean()  # transcription is on the right, whatever the strand


def test_links_become_pcres_of_the_one_cell_type_that_has_them(mirror):
    profile = load_profile("pilot-40kb")
    stores = {name: features.load(features.ensure(profile, name)) for name in profile.cell_types}
    assert stores["E003"].sizes["pcre"] == 0 and stores["E116"].sizes["pcre"] > 100
    genes = (stores["E116"]["gene_pcre"] >= 0).any("rank")
    assert 100 < int(genes.sum()) < 323


def test_expression_of_other_cell_types_leaves_out_the_own(mirror):
    profile = load_profile("pilot-40kb")
    others = inputs.others_expression(profile, "E116")
    assert others.shape == (19_795, 10) and "E116" not in others
    alone = profile.model_copy(update={"other_cell_types": ()})
    assert inputs.others_expression(alone, "E116") is None


def test_expression_of_other_cell_types_of_raw_inputs():
    profile = load_profile("smoke")
    load_dataset(profile, "S01")
    others = inputs.others_expression(profile, "S02")
    assert list(others) == ["S01", "S03"] and len(others) == 96


@pytest.mark.parametrize(
    ("name", "cell_type", "kind", "files"),
    [
        ("pilot-40kb", "E116", "signal (avocado-pilot)", [f"E116.{mark}" for mark in ("H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K36me3")]),
        ("deepdiff-sample", "E123", "signal (deepdiff)", ["Cell1.train, Cell1.valid"] * 5),
        ("h1-demo", "E003", "signal (release-demo)", ["chromoformer-demo"] * 7),
    ],
)
def test_libraries_of_published_signal_are_files_without_reads(monkeypatch, name, cell_type, kind, files):
    monkeypatch.setattr("chromolib.sources.fetch_of", lambda profile, source_id: Path(source_id))
    profile = load_profile(name)
    table = inputs.libraries(profile, cell_type)
    assert table["mark"].tolist() == list(profile.marks) and set(table["kind"]) == {kind} and table["files"].tolist() == files
    assert table[["reads", "duplicates"]].isna().all(axis=None)
