"""Reading the authors' checkpoints: their layouts, and one clear line for everything that is none."""

import pickle
import re

import numpy as np
import pytest
import torch

from benchmarks import peer
from chromolib import InputError, ModelConfig, load_released
from chromolib.released import current_names


@pytest.fixture(scope="module")
def net():
    """Tensors of the release's classifier, random, under its current names."""
    return peer.network("clf", seed=7).state_dict()


@pytest.fixture
def save(tmp_path):
    def write(content):
        torch.save(content, tmp_path / "released.pt")
        return tmp_path / "released.pt"

    return write


def same(first, second):
    return all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())


@pytest.mark.parametrize("task", ["clf", "reg"])
def test_checkpoint_in_the_release_s_layout_loads(tmp_path, task):
    theirs = peer.network(task, seed=7)
    path = tmp_path / "released.pt"
    path.write_bytes(peer.checkpoint(theirs).getvalue())  # beside `net`: optimiser, scores and labels as NumPy values
    model = load_released(path)
    assert model.config == ModelConfig(task=task) and not model.training
    their_sum = sum(p.double().abs().sum() for name, p in current_names(theirs.state_dict()).items())
    torch.testing.assert_close(sum(p.double().abs().sum() for p in model.parameters()), their_sum)


def test_each_tensor_goes_where_its_name_says(net, save):
    model, layer = load_released(save({"net": net})), "transformer.layers"
    for s, width in enumerate((2000, 500, 100)):
        assert torch.equal(model.promoter_project.weight[s], net[f"embed.{width}.lin_proj.weight"])
        query_key_value = net[f"embed.{width}.{layer}.0.self_att.att.weight"]
        for part, linear in enumerate((model.embedding.query, model.embedding.key, model.embedding.value)):
            assert torch.equal(linear.weight[s], query_key_value[128 * part : 128 * (part + 1)])
        key_value = net[f"pairwise_interaction.{width}.{layer}.1.self_att.c_att.weight"]
        assert torch.equal(model.pairwise[1].key.weight[s], key_value[:128])
        assert torch.equal(model.pairwise[1].value.weight[s], key_value[128:])
        gates = net[f"regulation.{width}.{layer}.5.self_att.att.weight"]
        assert torch.equal(model.regulation[5].query_key_value_gate[s], gates)
    assert torch.equal(model.head[2].weight, net["fc_head.2.weight"])


def test_bare_dict_of_tensors_loads(net, save):
    assert same(load_released(save({"net": net})), load_released(save(dict(net))))


OLD_NAMES = {
    "pw_int, reg": [
        (r"^embed\.(\d+)\.", r"embed\1."), (r"^pairwise_interaction\.(\d+)\.", r"pw_int\1."),
        (r"^regulation\.(\d+)\.", r"reg\1."), (r"\.lin_proj_pcre\.", ".lin_proj_c."),
    ],
    "embed_a, embed_b, transformer": [
        (r"^embed\.(\d+)\.", r"embed\1_a."), (r"^pairwise_interaction\.(\d+)\.", r"embed\1_b."),
        (r"^regulation\.(\d+)\.transformer\.", r"transformer\1."), (r"\.lin_proj_pcre\.", ".lin_proj_c."),
    ],
}  # fmt: skip


@pytest.mark.parametrize("naming", OLD_NAMES)
def test_older_names_give_the_same_weights(net, save, naming):
    def old(name):
        for pattern, replacement in OLD_NAMES[naming]:
            name = re.sub(pattern, replacement, name)
        return name

    renamed = {old(name): tensor for name, tensor in net.items()}
    assert not renamed.keys() & net.keys() - {name for name in net if name.startswith("fc_head")}
    assert same(load_released(save({"net": renamed})), load_released(save({"net": net})))


def test_tensors_that_the_release_never_uses_may_be_missing(net, save):
    assert same(load_released(save({"net": current_names(net)})), load_released(save({"net": net})))
    assert len(net) > len(current_names(net))


def test_numpy_values_beside_the_weights_are_read(net, save):
    arrays = {kind: np.ones(2, kind) for kind in ("f2", "f4", "f8", "i4", "i8", "?")}
    beside = load_released(save({"net": net, "last_val_auc": np.float64(91.2), "val_label": np.int64(1), **arrays}))
    assert same(beside, load_released(save({"net": net})))


# What is refused


class WritesAFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def refusal(path):
    with pytest.raises(InputError) as error:
        load_released(path)
    message = str(error.value)
    assert message.startswith(str(path)) and len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "bare pickle"])
def test_code_in_a_checkpoint_is_refused_and_never_run(net, tmp_path, zipped):
    victim, path = tmp_path / "victim", tmp_path / "released.pt"
    content = {"net": {"fc_head.2.bias": net["fc_head.2.bias"]} if zipped else {}, "extra": WritesAFile(victim)}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    assert re.search(r"holds more than plain tensors \(found \w*\.?open\)", refusal(path))
    assert not victim.exists()


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.999])
def test_truncated_checkpoint_is_called_damaged(net, save, kept):
    path = save({"net": net})
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    assert "damaged or not a PyTorch checkpoint" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"gene_id,label\n", b"\x89PNG\r\n\x1a\n\0\0", b"PK\x03\x04", b"\x80\x02}q\0.", b"\0" * 64, b"c", b"hello", b"."]
    + [np.random.default_rng(seed).bytes(200) for seed in range(8)],
)  # fmt: skip
def test_file_that_is_no_checkpoint_is_one_line(tmp_path, content):
    path = tmp_path / "released.pt"
    path.write_bytes(content)
    refusal(path)


def test_missing_file_and_folder_are_named(tmp_path):
    assert "no such file; expected a checkpoint" in refusal(tmp_path / "none.pt")
    assert "no such file" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fc_head.2.weight", "no tensor fc_head.2.weight"),
        ("fc_head.0.bias", "no tensor for head.0.bias"),
        ("embed.500.lin_proj.weight", "no tensor for promoter_project.weight"),
        ("pairwise_interaction.100.transformer.layers.1.ff.ln.bias", "no tensor for pairwise.1.feed_forward.norm.bias"),
        ("regulation.2000.transformer.layers.0.self_att.gamma_f", "no tensor regulation.2000.*gamma_f"),
        ("regulation.100.transformer.layers.3.self_att.gamma_f", "no tensor for regulation.3.gamma"),
    ],
)
def test_missing_tensor_is_named(net, save, name, message):
    found = refusal(save({"net": {key: tensor for key, tensor in net.items() if key != name}}))
    assert re.search(message, found) and "whole checkpoint" in found


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("fc_head.0.weight", (128, 256), r"head.0.weight has shape \(128, 256\), expected \(128, 384\)"),
        ("fc_head.2.weight", (3, 128), "fc_head.2.weight has 3 rows, expected 2"),
        ("embed.2000.lin_proj.weight", (128, 6), "reads 6 marks, expected 7"),
        ("embed.2000.lin_proj.weight", (), "no tensor embed.2000.lin_proj.weight with rows"),
        ("embed.2000.lin_proj.weight", (127, 7), "2 heads do not divide a width of 127"),
        ("embed.500.lin_proj.weight", (64, 7), r"lin_proj.weight: shapes .*\(64, 7\).* differ between bin sizes"),
        ("regulation.100.transformer.layers.0.self_att.att.weight", (1000, 128), "shapes .* differ between bin sizes"),
        ("embed.500.transformer.layers.0.self_att.att.weight", (1, 128), "att.weight"),
    ],
)
def test_tensor_of_another_shape_is_named(net, save, name, shape, message):
    assert re.search(message, refusal(save({"net": net | {name: torch.zeros(shape)}})))


@pytest.mark.parametrize("name", ["fc_head.4.weight", "regulation.500.transformer.layers.6.ff.l1.weight", "cnn.weight"])
def test_unknown_tensor_is_named(net, save, name):
    assert name in refusal(save({"net": net | {name: torch.zeros(2, 2)}}))


def test_tensor_under_two_names_is_refused(net, save):
    twice = net | {"embed2000.lin_proj.weight": net["embed.2000.lin_proj.weight"]}
    assert "two tensors are named embed.2000.lin_proj.weight" in refusal(save({"net": twice}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"conv1.weight": torch.zeros(3, 3)}, "no tensor named embed.<bin>.*found conv1.weight"),
        ({"net": {}}, "expected a dict of tensors under 'net'"),
        ({"net": [1, 2]}, "expected a dict of tensors under 'net'"),
        (torch.zeros(3), "expected a dict of tensors under 'net'; found Tensor"),
        ({1: torch.zeros(3)}, "expected a dict of tensors"),
    ],
    ids=["other network", "empty", "list", "tensor", "numbered"],
)
def test_checkpoint_of_something_else_is_refused(save, content, message):
    assert re.search(message, refusal(save(content)))
