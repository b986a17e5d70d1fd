"""Settings: the paper's defaults, what a user's YAML may hold, and one line for what it may not."""

import json

import pytest
import yaml

from chromolib.config import (
    MARKS,
    InputError,
    ModelConfig,
    Profile,
    TrainConfig,
    data_root,
    load_profile,
    profile_names,
)

MINIMAL = {
    "name": "mine", "title": "My cells", "genome": "hg19", "cell_types": {"C1": "cells"}, "inputs": {"kind": "raw"},
}  # fmt: skip


def write(path, **changed):
    path.write_text(yaml.safe_dump(MINIMAL | changed))
    return path


def test_default_network_is_the_paper_s():
    config = ModelConfig()
    assert config.marks == ("H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K36me3", "H3K27ac", "H3K9ac")
    assert (config.bin_bp, config.frame_bp, config.max_pcres, config.d_embedding) == ((2000, 500, 100), 40_000, 8, 128)
    assert (config.embedding_layers, config.embedding_heads, config.embedding_ff) == (1, 2, 128)
    assert (config.pairwise_layers, config.pairwise_heads, config.pairwise_ff) == (2, 2, 256)
    regulation = (config.regulation_layers, config.regulation_heads, config.regulation_width, config.regulation_ff)
    assert regulation == (6, 8, 256, 256)


def test_default_training_is_the_paper_s():
    config = TrainConfig()
    assert (config.epochs, config.batch_size, config.learning_rate, config.decay) == (10, 64, 3e-5, 0.87)
    assert config.weight_decay == 0.01 and config.drop_last and config.precision == "float32"


def test_model_config_survives_json():
    config = ModelConfig(task="reg", marks=("H3K4me3",), bin_bp=(400, 100), frame_bp=800, d_embedding=8)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "cls"}, "task='cls', expected clf, reg or diff"),
        ({"bin_bp": (2000, 300)}, "bin_bp=300 does not divide frame_bp=40000"),
        ({"bin_bp": (0,)}, "bin_bp=0 does not divide"),
        ({"bin_bp": ()}, "at least one entry"),
        ({"marks": ()}, "at least one entry"),
        ({"embedding_layers": 2}, "embedding_layers=2, expected 1"),
        ({"embedding_heads": 3}, "3 heads do not divide a width of 128"),
        ({"pairwise_heads": 5}, "5 heads do not divide a width of 128"),
        ({"regulation_heads": 0}, "0 heads do not divide a width of 256"),
        ({"regulation_heads": 7}, "7 heads do not divide a width of 256"),
    ],
)
def test_network_that_cannot_be_built_is_refused(settings, message):
    with pytest.raises(InputError, match=message) as error:
        ModelConfig(**settings)
    assert len(str(error.value).splitlines()) == 1


def test_unknown_setting_of_a_stored_network_is_named():
    with pytest.raises(InputError, match="unknown setting 'dropout'"):
        ModelConfig.from_dict({"task": "clf", "dropout": 0.1})


@pytest.mark.parametrize("settings", [{"epochs": -1}, {"batch_size": 0}, {"learning_rate": 0.0}])
def test_training_that_cannot_run_is_refused(settings):
    with pytest.raises(InputError, match=f"{next(iter(settings))}={next(iter(settings.values()))}"):
        TrainConfig(**settings)


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
    assert profile.simulated == (profile.inputs.kind == "raw" and profile.inputs.simulation is not None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"marks": ["H3K27ac", "H3K27ac"]}, "marks: .*each once"),
        ({"marks": []}, "marks: .*at least one mark"),
        ({"base_bp": 300}, "base_bp=300 does not divide half of frame_bp=40000"),
        ({"cell_type": {"C1": "x"}}, "cell_type: Extra inputs"),
        ({"cell_types": {}}, "cell_types: .*at least 1"),
        ({"log_base": "10"}, "log_base: "),
        ({"inputs": {"kind": "bam"}}, "inputs: .*raw"),
        ({"inputs": {"kind": "raw", "simulation": {"genes": 7}}}, "inputs.raw.simulation.genes: .*8"),
        ({"inputs": {"kind": "raw", "simulation": {"genes": 9, "effects": "none"}}}, "simulation.effects: .*promoter"),
        ({"inputs": {"kind": "raw", "simulation": {"genes": 9, "share": {"S02": 1.5}}}}, "simulation.share.S02: .*1"),
        ({"name": "../up"}, "name: "),
    ],
)
def test_setting_that_does_not_fit_is_named_with_its_file(tmp_path, changed, message):
    path = write(tmp_path / "mine.yml", **changed)
    with pytest.raises(InputError, match=message) as error:
        load_profile(path)
    assert str(error.value).startswith(str(path)) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"a: [1\nb: }", b"\xff\xfe\x00", b"- a\n- b\n", b""])
def test_file_that_is_no_profile_is_one_line_that_names_it(tmp_path, content):
    path = tmp_path / "mine.yml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_profile(path)
    assert str(error.value).startswith(str(path)) and len(str(error.value).splitlines()) == 1


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
