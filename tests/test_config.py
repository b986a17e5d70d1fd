"""Settings: the paper's defaults, and one line for what cannot be built or trained."""

import json

import pytest

from chromolib.config import SCALES, InputError, ModelConfig, PeerConfig, TrainConfig, choices
from chromolib.runs import Run


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


def test_network_stored_before_there_were_several_fusions_attends():
    values = ModelConfig().to_dict()
    del values["fusion"]
    assert ModelConfig.from_dict(values) == ModelConfig()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "cls"}, "ModelConfig: task='cls', expected one of clf, reg, diff"),
        ({"bin_bp": (2000, 300)}, "bin_bp=300 does not divide frame_bp=40000"),
        ({"bin_bp": (0,)}, "bin_bp=0 does not divide"),
        ({"bin_bp": ()}, "at least one entry"),
        ({"marks": ()}, "at least one entry"),
        ({"embedding_layers": 2}, "embedding_layers=2, expected 1"),
        ({"embedding_heads": 3}, "3 heads do not divide a width of 128"),
        ({"pairwise_heads": 5}, "5 heads do not divide a width of 128"),
        ({"regulation_heads": 0}, "0 heads do not divide a width of 256"),
        ({"fusion": "sum"}, "fusion='sum', expected one of attention, concat"),
        ({"contacts": "nonsense"}, "contacts='nonsense', expected one of all, intra-TAD, inter-TAD"),
        ({"log_base": "7"}, "log_base='7', expected one of e, 2, none"),
        ({"scale": "logs"}, "scale='logs', expected one of depth, counts, normalised, arcsinh-p"),
        ({"regulation_heads": 7}, "7 heads do not divide a width of 256"),
    ],
)
def test_network_that_cannot_be_built_is_refused(settings, message):
    with pytest.raises(InputError, match=message) as error:
        ModelConfig(**settings)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "foo"}, "task='foo', expected one of clf, reg, diff"),
        ({"scale": "x"}, "scale='x', expected one of depth, counts, normalised, arcsinh-p"),
        ({"log_base": None}, "log_base=None, expected one of e, 2, none"),
        ({"bin_bp": (100, 500)}, r"bin_bp=\[100, 500\], expected one width"),
    ],
)
def test_peer_that_cannot_be_built_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        PeerConfig(**({"model": "deepchrome"} | settings))


def test_words_of_a_setting_are_those_of_its_type():
    assert choices(PeerConfig) == {"task": ("clf", "reg", "diff"), "scale": tuple(SCALES), "log_base": ("e", "2", "none")}
    assert choices(Run)["log_base"] == ("e", "2", "none", None) and "marks" not in choices(Run)


def test_unknown_setting_of_a_stored_network_is_named():
    with pytest.raises(InputError, match="unknown setting 'dropout'"):
        ModelConfig.from_dict({"task": "clf", "dropout": 0.1})


@pytest.mark.parametrize("settings", [{"epochs": -1}, {"batch_size": 0}, {"learning_rate": 0.0}, {"decay": 0.0}])
def test_training_that_cannot_run_is_refused(settings):
    with pytest.raises(InputError, match=f"{next(iter(settings))}={next(iter(settings.values()))}"):
        TrainConfig(**settings)
