"""A network on disk, and a training that was interrupted: files that are whole or not there.

In: a network, and the state of its training. Out: model.json and model.safetensors, enough to rebuild it; state.safetensors, all
that the next epoch needs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from .baselines import Peer
from .config import InputError, ModelConfig, PeerConfig, TrainConfig
from .files import write_whole
from .integrity import one_line
from .model import Chromoformer

Network = Chromoformer | Peer


def build(config: ModelConfig | PeerConfig, seed: int) -> Network:
    """A network with the weights that it is born with."""
    return Chromoformer(config, seed=seed) if isinstance(config, ModelConfig) else Peer(config, seed=seed)


def save_weights(folder: Path, model: Network) -> None:
    """Write model.safetensors and model.json, enough to rebuild the network; each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "model.safetensors", lambda path: save_tensors(path, model))
    write_whole(folder / "model.json", lambda path: path.write_text(json.dumps(model.config.to_dict(), indent=1)))


def save_tensors(path: Path, model: Network) -> None:
    """Write the weights of a network as safetensors."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, path)


def described(text: str) -> ModelConfig | PeerConfig:
    """The network that the text of a model.json describes."""
    values = json.loads(text)
    return (PeerConfig if "model" in values else ModelConfig).from_dict(values)


def load_weights(folder: str | os.PathLike[str]) -> Network:
    """Read a network that `save_weights` wrote.

    Raises
    ------
    InputError
        A file is missing or damaged, or a tensor does not fit the network that model.json describes.
    """
    folder = Path(folder)
    for name in ("model.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: no {name}; expected a folder with model.json and model.safetensors")
    try:
        config = described((folder / "model.json").read_text())
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder}: not a usable network ({one_line(error)}); train it again") from None
    return read_network(config, folder / "model.safetensors")


def read_network(config: ModelConfig | PeerConfig, tensors: Path) -> Network:
    """A network of this shape with the weights of a file of safetensors; an InputError where they do not fit."""
    try:
        model = build(config, seed=0)
        model.load_state_dict(load_file(tensors))
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise InputError(f"{tensors.parent}: not a usable network ({one_line(error)}); train it again") from None
    return model.eval()


def save_state(
    folder: Path,
    model: Network,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    config: TrainConfig,
    history: list[dict],
    seconds: float = 0.0,
    best: dict[str, Tensor] | None = None,
) -> None:
    """Write all that the next epoch needs into one file, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    states = {"model": model.state_dict(), "best": best or {}}
    tensors = {f"{of}.{name}": tensor.detach().cpu().contiguous() for of, state in states.items() for name, tensor in state.items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{key}": value.detach().cpu().contiguous() for key, value in state.items()}
    about = {"settings": _settings(model, config), "history": json.dumps(history), "scaler": json.dumps(scaler.state_dict()),
             "seconds": json.dumps(seconds)}  # fmt: skip
    write_whole(folder / "state.safetensors", lambda path: save_file(tensors, path, metadata=about))


def load_state(
    folder: Path,
    model: Network,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    config: TrainConfig,
    best: dict[str, Tensor] | None = None,
) -> tuple[list[dict], float]:
    """Put back what `save_state` wrote, the best epoch's weights into `best`; returns the history so far and its seconds, none
    of both for an empty folder.

    Raises
    ------
    InputError
        The state is damaged, has seen more epochs than are asked for, or belongs to other settings.
    """
    path = folder / "state.safetensors"
    if not path.exists():
        return [], 0.0
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: damaged ({one_line(error)}); delete it to train from the start") from None
    if about.get("settings") != _settings(model, config):
        raise InputError(f"{path}: left by a training with other settings; delete it to train from the start")
    history = json.loads(about["history"])
    if len(history) > config.epochs:
        raise InputError(f"{path}: holds {len(history)} epochs, more than epochs={config.epochs}; delete it to train from the start")
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    if best is not None:
        best |= {name.removeprefix("best."): t for name, t in tensors.items() if name.startswith("best.")}
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, i, key = name.split(".")
            state.setdefault(int(i), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    scaler.load_state_dict(json.loads(about["scaler"]))
    return history, json.loads(about.get("seconds", "0.0"))


def _settings(model: Network, config: TrainConfig) -> str:
    """What must be equal for a training to go on; where it runs may change, and for how long where no rate depends on it.

    Only what is not the default, as in `jobs`: an option that comes later does not end the trainings without it.
    """
    free = ("epochs", "device") if config.schedule == "decay" else ("device",)
    default = TrainConfig().to_dict()
    training = {k: v for k, v in config.to_dict().items() if k not in free and v != default[k]}
    return json.dumps({"model": model.config.to_dict(), "training": training}, sort_keys=True)
