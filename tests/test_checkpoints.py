"""Networks on disk: they come back as they were, and what is no network is one line."""

import json

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from chromolib import Chromoformer, InputError, ModelConfig, load_weights, predict, save_weights
from tests.test_train import SMALL, dataset


def test_weights_come_back_as_they_were_saved(tmp_path):
    data, model = dataset(), Chromoformer(ModelConfig(task="reg", **SMALL), seed=5)
    save_weights(tmp_path / "new", model)
    again = load_weights(tmp_path / "new")
    assert again.config == model.config and not again.training
    pd.testing.assert_frame_equal(predict(again, data), predict(model, data), check_exact=True)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["model.json", "model.safetensors"]


@pytest.fixture
def saved(tmp_path):
    save_weights(tmp_path, Chromoformer(ModelConfig(**SMALL)))
    return tmp_path


def refusal(folder):
    with pytest.raises(InputError) as error:
        load_weights(folder)
    message = str(error.value)
    assert message.startswith(f"{folder}: ") and len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_missing_or_damaged_file_of_a_network_is_one_line(saved, name):
    content = (saved / name).read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"\xff\xfe"):
        (saved / name).write_bytes(damaged)
        assert "not a usable network" in refusal(saved)
    (saved / name).unlink()
    assert f"no {name}; expected a folder with model.json and model.safetensors" in refusal(saved)


def test_tensor_that_does_not_fit_the_network_is_named(saved):
    tensors = load_file(saved / "model.safetensors")
    save_file(tensors | {"head.0.weight": torch.zeros(3, 3)}, saved / "model.safetensors")
    assert "head.0.weight" in refusal(saved)
    del tensors["regulation.1.gamma"]
    save_file(tensors, saved / "model.safetensors")
    assert "regulation.1.gamma" in refusal(saved)


@pytest.mark.parametrize("content", ["{}", "[]", "7", '{"d_embedding": "wide"}', '{"dropout": 0.1}', '{"marks": 3}'])
def test_settings_that_are_no_network_s_are_one_line(saved, content):
    (saved / "model.json").write_text(content)
    refusal(saved)


def test_setting_from_a_newer_version_is_named(saved):
    settings = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps(settings | {"dropout": 0.1}))
    assert "unknown setting 'dropout'" in refusal(saved)
