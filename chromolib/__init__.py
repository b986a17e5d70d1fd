"""Chromoformer as a book that runs: the network, its data, its trainings. See README.md."""

from importlib.metadata import version

__version__ = version("chromolib")

from .batch import Batch
from .config import InputError, ModelConfig, Profile, TrainConfig, load_profile
from .dataset import GeneDataset, load_dataset, pair, pool
from .grid import ensure, load_run
from .model import Chromoformer
from .pretrained import Pretrained, from_pretrained, networks_of, predict_unseen, save_pretrained
from .released import load_released
from .runs import Run
from .train import TrainingError, evaluate, fit, load_weights, predict, save_weights

__all__ = [
    "Batch", "Chromoformer", "GeneDataset", "InputError", "ModelConfig", "Pretrained", "Profile", "Run", "TrainConfig",
    "TrainingError",
    "ensure", "evaluate", "fit", "from_pretrained", "load_dataset", "load_profile", "load_released", "load_run", "load_weights",
    "networks_of", "pair", "pool", "predict", "predict_unseen", "save_pretrained", "save_weights",
]  # fmt: skip
