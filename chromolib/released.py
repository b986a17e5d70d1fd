"""The authors' weights -> our network.

In: a checkpoint of the release (current and older names). Out: a Chromoformer with the same weights, resolutions stacked.
Read with weights_only=True: nothing in the file is run.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .config import MARKS, InputError, ModelConfig, Task
from .model import Chromoformer
from .profile import load_profile
from .registry import entry, ids_in
from .sources import fetch_all

WEIGHTS = "release-weights"  # family of data/sources.yml

# Older checkpoints name the same tensors differently.
_OLD_NAMES = (
    (re.compile(r"^embed(\d+)(?:_a)?\."), r"embed.\1."),
    (re.compile(r"^(?:pw_int(\d+)|embed(\d+)_b)\."), lambda m: f"pairwise_interaction.{m[1] or m[2]}."),
    (re.compile(r"^(?:reg|transformer)(\d+)\.(?:transformer\.)?"), r"regulation.\1.transformer."),
    (re.compile(r"\.lin_proj_c\."), ".lin_proj_pcre."),
)
# Tensors that the release carries but never uses.
_UNUSED = re.compile(
    r"\.w_bias\.weight$|^(embed|pairwise_interaction)\..*\.gamma_f$|^pairwise_interaction\.\d+\.ln\.(weight|bias)$"
)


def load_released(weights: str | os.PathLike[str], *, fold: int | None = None, task: Task = "clf") -> Chromoformer:
    """Read a checkpoint of the release, classifier or regressor, current or older names.

    Parameters
    ----------
    weights : path of a .pt file, the release's dict with `net` or a bare dict of tensors; or a cell type of the authors, such as
        "E003", whose checkpoint is fetched where it is not there yet; a file of that name is "./E003".
    fold : int
        Of a cell type: the fold that the network did not train on, 1 to 4.
    task : str
        Of a cell type: clf or reg.

    Raises
    ------
    InputError
        The file is missing, damaged, holds code instead of plain tensors, or a tensor is missing, unknown or of another
        shape than the rest of the network asks for; a cell type without fold, or one that could not be fetched.

    Source: figshare doi 10.6084/m9.figshare.19424807; released code, `chromoformer.net`.
    """
    path = Path(weights)
    if weights in released_cell_types():
        path = fetch_released(weights, fold, task)
    elif fold is not None:
        raise InputError(f"load_released: fold={fold} with {weights}, expected it with a cell type only ({', '.join(released_cell_types())}); leave it out")
    net = _read_tensors(path)
    try:
        return _build(current_names(net)).eval()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def released_cell_types() -> list[str]:
    """The cell types of which the authors published networks."""
    return sorted({entry(source_id).at["cell_type"] for source_id in ids_in(WEIGHTS)})


def fetch_released(cell_type: str, fold: int | None, task: Task) -> Path:
    """The verified checkpoint of one of the authors' networks, among the files of profile roadmap.

    Their fold f, 1 to 4 as in the file's name, is the fold that was held out, by our number too: the release's training script
    validates on part (f + 3) mod 4 of [split 1, ..., split 4], and its splits have the chromosomes of our folds. The 100 genes
    that its demo validates the network of file fold1 on are all of our fold 1. Of the other files it is inferred.
    """
    wanted = [i for i in ids_in(WEIGHTS) if entry(i).at == {"task": task, "cell_type": cell_type, "fold": str(fold)}]
    if not wanted:
        raise InputError(f"load_released: {cell_type} with fold={fold}, task={task!r}, expected a fold from 1 to 4 and task clf or reg; name them")
    roadmap = load_profile("roadmap")
    return fetch_all(wanted, roadmap.raw_dir, local_files=roadmap.local_files, say=lambda text: print(text, file=sys.stderr))[wanted[0]]


def _build(net: Mapping[str, Tensor]) -> Chromoformer:
    """The network that these tensors (current names) make up."""
    config = _read_config(net)
    model = Chromoformer(config)
    if unknown := net.keys() - _their_names(config):
        raise InputError(f"unknown tensor {min(unknown)}; expected those of the release's network, nothing else")
    weights = from_release(net, config)
    for name, parameter in model.state_dict().items():
        if name not in weights:
            raise InputError(f"no tensor for {name}; expected a whole checkpoint of the release")
        if weights[name].shape != parameter.shape:
            raise InputError(f"{name} has shape {tuple(weights[name].shape)}, expected {tuple(parameter.shape)} beside the other tensors")
    model.load_state_dict(weights)
    return model


def current_names(net: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the release's current names, without those it never uses."""
    renamed = {}
    for name, tensor in net.items():
        for pattern, replacement in _OLD_NAMES:
            name = pattern.sub(replacement, name)
        if name in renamed:
            raise InputError(f"two tensors are named {name}; expected each once")
        if not _UNUSED.search(name):
            renamed[name] = tensor
    return renamed


def from_release(net: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Stack the release's tensors (current names) over resolutions, under our names.

    Only copies and rearranges: applied to gradients it gives gradients. Tensors that `net` lacks are left out.
    """
    ours = {}
    for our_name, their_name, part in _name_map(config):
        per_bin = [net.get(their_name.format(bin=bin_bp)) for bin_bp in config.bin_bp]
        if any(tensor is None for tensor in per_bin):
            continue
        if part is not None:  # part k of n along the rows
            k, n = part
            per_bin = [tensor.chunk(n, 0)[k] for tensor in per_bin]
        if len({tensor.shape for tensor in per_bin}) > 1:
            shapes = [tuple(tensor.shape) for tensor in per_bin]
            raise InputError(f"{their_name}: shapes {shapes} differ between bin sizes {config.bin_bp}, expected the same; take a checkpoint of the release")
        ours[our_name] = torch.stack(per_bin)
    for layer in (0, 2):
        for kind in ("weight", "bias"):
            if (tensor := net.get(f"fc_head.{layer}.{kind}")) is not None:
                ours[f"head.{layer}.{kind}"] = tensor
    return ours


def _name_map(config: ModelConfig):
    """(our name, their name with {bin}, part): one row for each stacked tensor; part (k, n) is the k-th n-th of its rows."""
    rows = [("promoter_project.weight", "embed.{bin}.lin_proj.weight", None)]
    rows += _layer_names("embedding", "embed.{bin}.transformer.layers.0")
    rows += [(f"embedding.{ours}.weight", "embed.{bin}.transformer.layers.0.self_att.att.weight", (k, 3))
             for k, ours in enumerate(("query", "key", "value"))]  # fmt: skip
    rows += [("pcre_query.weight", "pairwise_interaction.{bin}.lin_proj_p.weight", None)]
    rows += [("pcre_project.weight", "pairwise_interaction.{bin}.lin_proj_pcre.weight", None)]
    for i in range(config.pairwise_layers):
        layer = f"pairwise_interaction.{{bin}}.transformer.layers.{i}"
        rows += _layer_names(f"pairwise.{i}", layer)
        rows += [(f"pairwise.{i}.query.weight", f"{layer}.self_att.p_att.weight", None)]
        rows += [(f"pairwise.{i}.key.weight", f"{layer}.self_att.c_att.weight", (0, 2))]
        rows += [(f"pairwise.{i}.value.weight", f"{layer}.self_att.c_att.weight", (1, 2))]
    for i in range(config.regulation_layers):
        layer = f"regulation.{{bin}}.transformer.layers.{i}"
        rows += _layer_names(f"regulation.{i}", layer)
        rows += [(f"regulation.{i}.query_key_value_gate", f"{layer}.self_att.att.weight", None)]
        rows += [(f"regulation.{i}.gamma", f"{layer}.self_att.gamma_f", None)]
    return rows


def _their_names(config: ModelConfig) -> set[str]:
    """Every tensor that a network of this shape has in the release, by its current name."""
    stacked = {name.format(bin=bin_bp) for _, name, _ in _name_map(config) for bin_bp in config.bin_bp}
    return stacked | {f"fc_head.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")}


def _layer_names(ours: str, theirs: str) -> list[tuple[str, str, None]]:
    """The tensors that all three transformers have: output map, norms and feed-forward."""
    pairs = {"output": "self_att.ff", "norm": "self_att.ln", "feed_forward.widen": "ff.l1",
             "feed_forward.narrow": "ff.l2", "feed_forward.norm": "ff.ln"}  # fmt: skip
    return [(f"{ours}.{a}.{kind}", f"{theirs}.{b}.{kind}", None) for a, b in pairs.items() for kind in ("weight", "bias")]


def _read_tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a checkpoint of the release (.pt)")
    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise InputError(f"{path}: holds more than plain tensors (found {found[1]}), expected only tensors and NumPy arrays; not loaded") from None
        raise InputError(f"{path}: damaged or not a PyTorch checkpoint of plain tensors; not loaded") from None
    except Exception as error:  # noqa: BLE001 - a damaged pickle can make its reader raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: damaged or not a PyTorch checkpoint ({reason}); fetch it again") from None
    net = content.get("net", content) if isinstance(content, dict) else None
    is_tensors = isinstance(net, dict) and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in net.items())
    if not net or not is_tensors:
        raise InputError(f"{path}: expected a dict of tensors under 'net'; found {type(content).__name__}")
    return net


def _numpy_globals() -> list:
    """What a pickled NumPy array needs: the release keeps validation scores and labels as arrays beside its weights."""
    rebuild, scalar = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
    dtypes = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "?")]
    old = [(rebuild, "numpy.core.multiarray._reconstruct"), (scalar, "numpy.core.multiarray.scalar")]
    return [rebuild, scalar, *old, np.ndarray, np.dtype, *dtypes]


def _read_config(net: Mapping[str, Tensor]) -> ModelConfig:
    """Read the network's shape off its tensors; the number of heads stands in gamma_f."""
    bins = sorted({int(name.split(".")[1]) for name in net if re.match(r"embed\.\d+\.", name)}, reverse=True)
    if not bins:
        raise InputError(f"no tensor named embed.<bin>.…, expected a checkpoint of the release; found {next(iter(net))}")
    first = bins[0]
    shape = {name: tuple(tensor.shape) for name, tensor in net.items()}

    def rows(name: str) -> int:
        if not shape.get(name):
            raise InputError(f"no tensor {name} with rows; expected a whole checkpoint of the release")
        return shape[name][0]

    def n_layers(part: str) -> int:
        pattern = re.compile(rf"{part}\.{first}\.transformer\.layers\.(\d+)\.")
        return len({match[1] for name in shape if (match := pattern.match(name))})

    n_marks = shape[f"embed.{first}.lin_proj.weight"][-1] if rows(f"embed.{first}.lin_proj.weight") else 0
    if n_marks != len(MARKS):
        raise InputError(f"reads {n_marks} marks, expected {len(MARKS)}: {', '.join(MARKS)}")
    n_out = rows("fc_head.2.weight")
    if n_out not in (1, 2):
        raise InputError(f"fc_head.2.weight has {n_out} rows, expected 2 (classifier) or 1 (regressor)")
    return ModelConfig(
        task="clf" if n_out == 2 else "reg",
        bin_bp=tuple(bins),
        d_embedding=rows(f"embed.{first}.lin_proj.weight"),
        embedding_layers=n_layers("embed"),
        embedding_ff=rows(f"embed.{first}.transformer.layers.0.ff.l1.weight"),
        pairwise_layers=n_layers("pairwise_interaction"),
        pairwise_ff=rows(f"pairwise_interaction.{first}.transformer.layers.0.ff.l1.weight"),
        regulation_layers=n_layers("regulation"),
        regulation_heads=rows(f"regulation.{first}.transformer.layers.0.self_att.gamma_f"),
        regulation_width=rows(f"regulation.{first}.transformer.layers.0.self_att.att.weight") // 4,
        regulation_ff=rows(f"regulation.{first}.transformer.layers.0.ff.l1.weight"),
        head_width=rows("fc_head.0.weight"),
    )
