"""A profile: what a user's YAML may hold, and one line for what it may not."""

import pytest
import yaml

from chromolib.config import MARKS, InputError, TrainConfig
from chromolib.profile import Profile, data_root, load_profile, profile_names

MINIMAL = {
    "name": "mine", "title": "My cells", "genome": "hg19", "cell_types": {"C1": "cells"}, "inputs": {"kind": "raw"},
}  # fmt: skip


PILOT = {"kind": "published", "format": "avocado-pilot", "signal": "avocado-pilot/{sample}.{mark}"}


def published(format="avocado-pilot", **changed):
    """Changes to a profile that make it one of published signal; those of its inputs are a dictionary."""
    lengths = {"patternchrome": {"base_bp": 50, "frame_bp": 10_000, "bin_bp": [1000, 250, 50]}, "deepdiff": {"frame_bp": 20_000}}
    inputs = PILOT | {"format": format} | changed.pop("inputs", {})
    return {"marks": ["H3K4me1", "H3K4me3"], "inputs": inputs} | lengths.get(format, {}) | changed


def write(path, **changed):
    path.write_text(yaml.safe_dump(MINIMAL | changed))
    return path


def check_refused(path, changed, message):
    """A profile with these changes is refused in one line that begins with its file."""
    write(path, **changed)
    with pytest.raises(InputError, match=message) as error:
        load_profile(path)
    assert str(error.value).startswith(str(path)) and len(str(error.value).splitlines()) == 1
    assert "Value error" not in str(error.value)


RAW = {"kind": "raw"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"extra_tracks": ["H3K9ac"]}, r"extra_tracks: found \['H3K9ac'\], expected each once, none of the marks"),
        ({"extra_tracks": ["CTCF", "CTCF"]}, "expected each once"),
        ({"marks": ["PC1"]}, "and PC1 here if anywhere"),
        ({"extra_tracks": ["PC1"]}, "found PC1, but no inputs.compartments; name a table of PC1 there"),
        (published(extra_tracks=["CTCF"]), "expected none: inputs of kind published have only marks; leave it out"),
        ({"inputs": RAW | {"domains": "{mark}.bed{"}}, "'{mark}.bed{': found"),
        ({"inputs": RAW | {"compartments": "{cell}.tsv"}}, "found {cell}, expected only {cell_type} and {mark}"),
    ],
)
def test_extra_tracks_that_cannot_be_had_are_refused(tmp_path, changed, message):
    with pytest.raises(InputError, match=message) as error:
        load_profile(write(tmp_path / "mine.yml", **changed))
    assert len(str(error.value).splitlines()) == 1


def test_tracks_are_the_marks_and_then_the_others_of_which_pc1_has_no_sample(tmp_path):
    changed = {"marks": ["H3K9ac"], "extra_tracks": ["PC1", "CTCF"], "inputs": RAW | {"compartments": "pc1.tsv"}}
    profile = load_profile(write(tmp_path / "mine.yml", **changed))
    assert (profile.marks, profile.tracks, profile.sampled) == (("H3K9ac",), ("H3K9ac", "PC1", "CTCF"), ("H3K9ac", "CTCF"))


def test_profile_departs_from_the_paper_only_where_it_says_so(tmp_path):
    profile = load_profile(write(tmp_path / "mine.yml", training={"epochs": 3}))
    assert profile.train_config(seed=7) == TrainConfig(epochs=3, seed=7)
    assert profile.train_config(epochs=5) == TrainConfig(epochs=5)
    recipe = profile.recipe().set_index("setting")
    assert recipe.loc["epochs"].tolist() == ["3", "10"]
    assert recipe.loc["learning_rate"].tolist() == ["3e-05", "3e-05"]


@pytest.mark.parametrize("name", profile_names())
def test_profile_of_the_repository_is_valid_and_named_after_its_file(name):
    profile = load_profile(name)
    assert profile.name == name
    assert set(profile.marks) <= set(MARKS)
    assert profile.simulated == name.startswith(("null", "sim", "smoke"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"marks": ["H3K27ac", "H3K27ac"]}, "marks: .*each once"),
        ({"marks": []}, "marks: .*at least one mark"),
        ({"base_bp": 300}, "base_bp=300 does not divide half of frame_bp=40000"),
        ({"bin_bp": [500, 150]}, "bin_bp=150, expected multiples of base_bp=100 that divide frame_bp=40000"),
        ({"bin_bp": [300]}, "bin_bp=300, expected multiples of base_bp=100 that divide frame_bp=40000"),
        ({"cell_type": {"C1": "x"}}, "cell_type: Extra inputs"),
        ({"cell_types": {}}, "cell_types: .*at least 1"),
        ({"log_base": "10"}, "log_base: "),
        ({"inputs": {"kind": "bam"}}, "inputs: .*raw"),
        ({"second_species": {"profile": "mine", "orthologues": "x.csv"}}, "second_species.profile: found 'mine', this profile itself, expected that of another"),
        ({"name": "../up"}, "name: "),
        ({"bin_bp": []}, r"bin_bp: found \[\], expected at least one width, each once"),
        ({"bin_bp": [500, 100, 100]}, r"bin_bp: found \[500, 100, 100\], expected at least one width, each once"),
        (published(inputs={"signal": "x/{sample}"}), "inputs.signal: found 'x/{sample}' for 2 marks, .* expected {mark} in it"),
        (published(inputs={"samples": {"C2": "x"}}), "inputs.samples: found 'C2', expected cell types of the profile .C1.; correct"),
        (published(inputs={"contacts": {"C2": "x"}}), "inputs.contacts: found 'C2', expected cell types of the profile .C1.; correct"),
        *((published(format, marks=["H3K4me3", "H3K27ac"]), f"marks: found 'H3K27ac', but format {format} has only H3K4me1, .*H3K36me3; ")
          for format in ("avocado-pilot", "patternchrome", "deepdiff")),
        (published("patternchrome", base_bp=25), "base_bp=25 and frame_bp=10000, but .* patternchrome has base_bp=50 and frame_bp=10000"),
        (published("patternchrome", frame_bp=20_000), "base_bp=50 and frame_bp=20000, but .* base_bp=50 and frame_bp=10000"),
        (published("deepdiff", frame_bp=40_000), "base_bp=100 and frame_bp=40000, but .* deepdiff has base_bp=100 and frame_bp=20000"),
        (published("deepdiff", base_bp=50), "base_bp=50 and frame_bp=20000, but .* base_bp=100 and frame_bp=20000"),
        ({"other_cell_types": ["E003"]}, "other_cell_types: found 'E003' with inputs of kind raw, .* only where signal is published; name them under cell_types"),
        ({"other_cell_types": ["E003"], "inputs": {"kind": "own", "samples": "s.csv", "annotation": "g.csv"}}, "other_cell_types: found 'E003' with inputs of kind own"),
        (published(rules={"min_contact": 3}), "rules.min_contact: found with inputs of kind published, which leave no such choice; leave it out"),
        ({"inputs": {"kind": "raw", "simulation": {"genes": 9}}, "rules": {"tss": "promoter"}}, "rules.tss: found with simulated inputs"),
    ],
)
def test_setting_that_does_not_fit_is_named_with_its_file(tmp_path, changed, message):
    check_refused(tmp_path / "mine.yml", changed, message)


@pytest.mark.parametrize("format", ["avocado-pilot", "patternchrome", "deepdiff"])
def test_profile_of_published_signal_may_rename_its_samples(tmp_path, format):
    path = write(tmp_path / "mine.yml", **published(format, inputs={"samples": {"C1": "Cell1"}}))
    assert load_profile(path).inputs.samples == {"C1": "Cell1"}


def test_published_signal_keeps_the_rule_of_labels(tmp_path):
    profile = load_profile(write(tmp_path / "mine.yml", **published(rules={"label": "above"})))
    assert profile.rules.label == "above"


@pytest.mark.parametrize("content", [b"a: [1\nb: }", b"\xff\xfe\x00", b"- a\n- b\n", b""])
def test_file_that_is_no_profile_is_one_line_that_names_it(tmp_path, content):
    path = tmp_path / "mine.yml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_profile(path)
    assert str(error.value).startswith(str(path)) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title: My cells", "title: My cells\ntitle: Others", ":8: not readable as YAML: found title for the second time, expected it once; correct it"),
        ("  kind: raw", "  kind: raw\n  reads: a\n  reads: b", ":7: not readable as YAML: found reads for the second time, expected it once; correct it"),
        ("title: My cells", "title: 2024-13-45", ":7: not readable as YAML: found '2024-13-45' (month must be in 1..12), expected a number, a date or text in quotes; correct it"),
        ("title: My cells", "title: [", ":8: not readable as YAML: expected the node content, but found '<stream end>'; correct it"),
    ],
)  # fmt: skip
def test_yaml_that_holds_what_can_not_be_is_told_with_its_line(tmp_path, old, new, message):
    path = write(tmp_path / "mine.yml")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as error:
        load_profile(path)
    assert str(error.value) == f"{path}{message}"


def test_a_profile_may_begin_with_a_byte_order_mark_and_hold_anchors(tmp_path):
    path = write(tmp_path / "mine.yml")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"kind: raw", b"kind: raw\n  contacts_samples: &all {C1: x}\nlocal_files: {<<: *all}"))
    profile = load_profile(path)
    assert profile.name == "mine" and list(profile.local_files) == ["C1"]


def test_unknown_profile_lists_the_known_ones():
    with pytest.raises(InputError, match="unknown profile 'simm': expected one of .*smoke.*, or a path"):
        load_profile("simm")


def test_unknown_cell_type_lists_those_of_the_profile():
    with pytest.raises(InputError, match="profile mine: unknown cell type 'E003', expected one of C1"):
        Profile.model_validate(MINIMAL).check_cell_type("E003")


def test_data_folder_moves_both_raw_and_work(tmp_path, monkeypatch):
    profile = Profile.model_validate(MINIMAL)
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    assert (profile.raw_dir, profile.work_dir) == (tmp_path / "raw" / "mine", tmp_path / "work" / "mine")
    monkeypatch.delenv("CHROMOLIB_DATA")
    assert data_root().name == "data" and (data_root() / "profiles" / "smoke.yml").exists()
