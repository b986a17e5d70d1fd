"""The route of the paper's mouse: FASTQ, GTF, RSEM and Hi-C matrices become features, beside what was planted."""

import json

import numpy as np
import pandas as pd
import pytest

from chromolib import features, load_profile, simulate
from chromolib.config import MARKS, InputError
from chromolib.dataset import open_store
from chromolib.genome import Region
from chromolib.inputs import faults
from chromolib.profile import cohort_of
from chromolib.simulate.interactions import MATRIX_AT


@pytest.fixture(scope="module")
def mouse(data_dir):
    """Profile of the second species of the smallest cohort, and its features from FASTQ."""
    profile = load_profile("smoke-mouse")
    return profile, open_store(profile, "M01").load()


def test_genes_have_the_expression_and_label_that_were_planted(mouse):
    profile, store = mouse
    genes = simulate.read_truth(profile, "genes", "M01").set_index("gene_id").loc[store["gene_id"].values]
    assert store.sizes["gene"] == load_profile("smoke").inputs.simulation.mouse.genes and store.attrs["simulated"] == 1
    np.testing.assert_allclose(store["expression"], genes["rpkm"], atol=0.005)
    np.testing.assert_array_equal(store["label"], genes["label"])


def test_pcres_are_those_of_the_matrices_above_ten_strongest_first(mouse):
    profile, store = mouse
    planted = simulate.read_truth(profile, "pcres", "M01").sort_values(["gene_id", "rank"])
    gene, rank = np.nonzero(store["gene_pcre"].values >= 0)
    found = pd.DataFrame(
        {
            "gene_id": store["gene_id"].values[gene],
            "rank": rank,
            "region": store["region"].values[store["gene_pcre"].values[gene, rank]],
            "contact": store["contact"].values[gene, rank] / MATRIX_AT,
        }
    ).sort_values(["gene_id", "rank"])
    widths = found["region"].map(lambda name: Region.parse(name).width)
    assert set(widths) == {40_000}  # also of the last bin, which may pass the end of its chromosome, as in the release
    for table in (found, planted):
        table["region"] = table["region"].str.partition("-")[0]  # the simulator ends a bin with its last base
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True), planted[list(found)].reset_index(drop=True), check_dtype=False, atol=1e-3
    )


def test_features_from_fastq_are_those_from_the_alignments_but_for_marks_of_which_reads_are_drawn(mouse):
    profile, store = mouse
    inputs = {"reads": "mouse/alignments/{cell_type}-{mark}.tagAlign.gz", "reads_format": "tagAlign"}
    changes = {"name": "smoke-mouse-aligned", "inputs": profile.inputs.model_copy(update=inputs)}
    aligned = features.build(profile.model_copy(update=changes), "M01")
    drawn = [name for name in MARKS if any("drawn" in reason for reason in dropped(store, name))]
    assert drawn == ["H3K4me3", "H3K27me3"] == [name for name in MARKS if any("drawn" in reason for reason in dropped(aligned, name))]
    for name in MARKS:
        ours, theirs = (x["promoter"].sel(mark=name).values for x in (store, aligned))
        assert theirs.max() > 1.5
        if name in drawn:  # which reads, depends on all of them, and a few are cut by the aligner
            assert ours.sum() == pytest.approx(theirs.sum(), rel=0.02)
        else:
            assert (ours != theirs).mean() < 0.01, f"{name}: {(ours != theirs).mean():.2%} of bins differ"


def dropped(store, mark):
    return json.loads(store.attrs["dropped"])[f"reads of {mark}"]


def test_as_many_reads_are_left_as_the_profile_says(mouse):
    profile, store = mouse
    path = profile.raw_dir / "mouse/alignments/M01-H3K4me3.tagAlign.gz"
    n_reads = len(pd.read_csv(path, sep="\t", header=None))
    rules = profile.rules
    assert sum(dropped(store, "H3K4me3").values()) == n_reads - rules.max_reads, "what is not aligned would count here too"


def test_raw_files_are_those_of_the_cohort_and_stay_as_they_were_written(mouse):
    profile, _ = mouse
    assert profile.raw_dir == load_profile("smoke").raw_dir
    manifest = json.loads((profile.raw_dir / "manifest.json").read_text())
    there = {path.relative_to(profile.raw_dir).as_posix() for path in profile.raw_dir.rglob("*") if path.is_file()}
    assert there == {*manifest["files"], "manifest.json"}, "bwa's index of the sequence lies among what is computed"
    assert list(profile.work_dir.glob("simT.fa.gz.bwa/*.bwt"))


# What is wrong with a cohort


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("smoke-mouse", {"genome": "simB"}, "found genome simB, cell types M01 .* the second species of smoke has genome simT, cell type M01"),
        ("smoke-mouse", {"cell_types": {"M02": ""}}, "found genome simT, cell types M02 and marks"),
        ("smoke-mouse", {"marks": ("H3K4me3", "H2A.Z")}, "marks H3K4me3, H2A.Z, but the .* marks H3K4me1, .*; correct one of the two profiles"),
        ("smoke-mouse", {"cohort": "h1-demo"}, "inputs.cohort: h1-demo simulates no second species, expected one with inputs.simulation.mouse, like sim"),
        ("smoke-mouse", {"cohort": "sim-mouse"}, "inputs.cohort: sim-mouse simulates no second species"),
        ("smoke-mouse", {"cohort": "rat"}, "unknown profile 'rat'"),
        ("h1-demo", {}, "h1-demo: has no inputs.simulation"),
    ],
)  # fmt: skip
def test_a_cohort_without_this_species_is_refused(name, changes, message):
    profile = load_profile(name)
    if "cohort" in changes:
        changes = {"inputs": profile.inputs.model_copy(update=changes)}
    with pytest.raises(InputError, match=message) as caught:
        cohort_of(profile.model_copy(update=changes))
    assert "\n" not in str(caught.value)


def test_a_species_is_simulated_with_its_cohort_or_not_at_all(tmp_path):
    with pytest.raises(InputError, match="smoke-mouse: its files are written with those of smoke, expected a cohort of its own; simulate smoke"):
        simulate.simulate(tmp_path / "x", load_profile("smoke-mouse"))


@pytest.mark.parametrize("name", ["sim", "null", "smoke"])
def test_each_cohort_and_its_second_species_fit(name):
    profile = load_profile(name)
    other = load_profile(profile.second_species.profile)
    assert cohort_of(other).name == cohort_of(profile).name == name and other.raw_dir == profile.raw_dir
    assert faults.find(name).faults == faults.find(other.name).faults == []


def test_check_wants_the_programs_that_align(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (fault,) = faults.find("smoke-mouse").faults
    assert fault.startswith("bwa: not found on PATH")
