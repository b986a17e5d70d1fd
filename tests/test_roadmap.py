"""The paper's profile from addresses to features, on a mirror that holds simulated files in the published formats."""

import gzip
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from chromolib import features, load_profile, simulate, sources
from chromolib.config import InputError
from chromolib.dataset import open_store
from chromolib.registry import entry, mirrored_path

MARKS = ("H3K4me3", "H3K27ac")


@pytest.fixture(scope="module")
def smoke(data_dir):
    """Genome, raw folder and features of the smallest cohort."""
    profile = load_profile("smoke")
    return profile.genome, profile.raw_dir, open_store(profile, "S01").load()


@pytest.fixture
def roadmap(smoke, tmp_path, monkeypatch):
    """Cell type E003 of profile roadmap, whose files are those of S01 of the smallest cohort."""
    genome, raw, _ = smoke
    mirror = tmp_path / "mirror"
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(mirror))
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))

    def at(source_id):
        path = mirror / mirrored_path(entry(source_id).urls[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    for mark in MARKS:
        shutil.copy(raw / f"alignments/S01-{mark}.tagAlign.gz", at(f"roadmap-reads/E003.{mark}"))
    matrix = gzip.decompress((raw / "expression/RPKM.pc.gz").read_bytes()).replace(b"S01", b"E003", 1)
    at("roadmap-rpkm").write_bytes(gzip.compress(matrix))
    shutil.copy(raw / "annotation/refGene.txt.gz", at("refgene-hg19"))
    shutil.copy(raw / "annotation/gene_info.txt", at("roadmap-gene-info"))
    for kind in ("po", "pp"):
        with zipfile.ZipFile(at(f"3div-contacts/E003.{kind}"), "w") as archive:
            archive.writestr(f"H1.{kind}.txt", gzip.decompress((raw / f"contacts/S01.{kind}.txt.gz").read_bytes()))
    changed = {"genome": genome, "cell_types": {"E003": "H1 cells"}, "marks": MARKS}
    return load_profile("roadmap").model_copy(update=changed)


@pytest.fixture
def roadmap_mouse(data_dir, tmp_path, monkeypatch):
    """Profile roadmap-mouse, whose files are those of the smallest cohort's second species, and the features of the same files."""
    of_cohort = load_profile("smoke-mouse").model_copy(update={"marks": ("H3K9me3", "H3K27ac")})
    simulate.ensure_raw(of_cohort)
    expected, raw = features.build(of_cohort, "M01"), of_cohort.raw_dir / "mouse"
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    files = {"encode-mouse-rna": "expression/M01.tsv", "gencode-m1": "annotation/simulated.annotation.gtf.gz", "genome-mm9": "genome/simT.fa.gz"}
    for source_id, name in files.items():
        path = tmp_path / "mirror" / mirrored_path(entry(source_id).urls[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(raw / name, path)
    with tarfile.open(tmp_path / "mESC.norm.tar.gz", "w:gz") as archive:
        archive.add(raw / "hic", "mES/nij")
    changed = {"genome": "simT", "marks": of_cohort.marks, "local_files": {"dixon-matrices": tmp_path / "mESC.norm.tar.gz"}}
    profile = load_profile("roadmap-mouse").model_copy(update=changed)
    return profile, raw, expected


def test_the_mouse_s_files_as_published_become_its_features(roadmap_mouse):
    """Reads without an address lie where the message about them says; matrices are read in their archive."""
    profile, raw, expected = roadmap_mouse
    with pytest.raises(InputError, match="2 of 6 files are not there and have no address: encode-mouse-reads/H3K9me3, encode-mouse-reads/H3K27ac; ") as caught:
        open_store(profile, "ES-Bruce4")
    assert "look it up in Supplementary Table 2 of the paper" in str(caught.value) and "\n" not in str(caught.value)
    assert not list(profile.raw_dir.rglob("*.gz")), "nothing large is fetched before that"
    for mark in profile.marks:
        path = profile.raw_dir / f"mouse/{mark}.fastq.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(raw / f"fastq/M01-{mark}.fastq.gz", path)
    assert str(profile.raw_dir / "mouse/H3K9me3.fastq.gz") in str(caught.value)
    found = open_store(profile, "ES-Bruce4")
    for name in ("promoter", "pcre_depth", "gene_pcre", "contact", "tss", "expression", "label", "fold", "region"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_what_the_addresses_give_becomes_the_features_of_the_same_files(roadmap, smoke):
    expected = smoke[2].sel(mark=list(MARKS))
    found = open_store(roadmap, "E003")
    for name in ("promoter", "pcre_depth", "gene_pcre", "contact", "tss", "expression", "label", "fold", "region"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_a_file_of_one_s_own_takes_the_place_of_a_source(roadmap, smoke, tmp_path):
    shutil.copy(smoke[1] / "alignments/S02-H3K27ac.tagAlign.gz", tmp_path / "mine.gz")
    mine = roadmap.model_copy(update={"local_files": {"roadmap-reads/E003.H3K27ac": tmp_path / "mine.gz"}})
    ours, theirs = (features.build(profile, "E003")["promoter"].values for profile in (mine, roadmap))
    np.testing.assert_array_equal(ours[..., 0], theirs[..., 0])
    assert (ours[..., 1] != theirs[..., 1]).any()


def test_a_missing_file_names_the_address_and_the_way_out(roadmap, tmp_path, monkeypatch):
    source = entry("roadmap-reads/E003.H3K27ac")
    (tmp_path / "mirror" / mirrored_path(source.urls[0])).unlink()

    def no_network(*_, **__):
        raise OSError("no network here")

    monkeypatch.setattr(sources.downloads, "download", no_network)
    with pytest.raises(InputError, match=r"roadmap-reads/E003\.H3K27ac: .*put the file at .*E003-H3K27ac\.tagAlign\.gz") as caught:
        open_store(roadmap, "E003")
    assert "\n" not in str(caught.value) and not (roadmap.work_dir / "E003").exists()
