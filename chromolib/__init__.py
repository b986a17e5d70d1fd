"""Chromoformer as a book that runs: the network, its data, its trainings. See README.md.

In: the name of something public. Out: that, whose module is imported when it is first asked for: what needs no network, such as
`chromolib --help` or `chromolib check`, loads no PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the table below, for editors and type checkers
    from .batch import Batch as Batch
    from .cell_types import pair as pair
    from .cell_types import pool as pool
    from .checkpoints import load_weights as load_weights
    from .checkpoints import save_weights as save_weights
    from .config import InputError as InputError
    from .config import ModelConfig as ModelConfig
    from .config import TrainConfig as TrainConfig
    from .dataset import GeneDataset as GeneDataset
    from .dataset import load_dataset as load_dataset
    from .grid import ensure as ensure
    from .grid import load_run as load_run
    from .model import Chromoformer as Chromoformer
    from .pretrained import Pretrained as Pretrained
    from .pretrained import from_pretrained as from_pretrained
    from .pretrained import networks_of as networks_of
    from .pretrained import predict_unseen as predict_unseen
    from .pretrained import save_pretrained as save_pretrained
    from .profile import Profile as Profile
    from .profile import load_profile as load_profile
    from .released import load_released as load_released
    from .runs import Run as Run
    from .train import TrainingError as TrainingError
    from .train import evaluate as evaluate
    from .train import fit as fit
    from .train import predict as predict

    __version__: str

_NAMES = {
    "batch": ("Batch",),
    "cell_types": ("pair", "pool"),
    "checkpoints": ("load_weights", "save_weights"),
    "config": ("InputError", "ModelConfig", "TrainConfig"),
    "dataset": ("GeneDataset", "load_dataset"),
    "grid": ("ensure", "load_run"),
    "model": ("Chromoformer",),
    "pretrained": ("Pretrained", "from_pretrained", "networks_of", "predict_unseen", "save_pretrained"),
    "profile": ("Profile", "load_profile"),
    "released": ("load_released",),
    "runs": ("Run",),
    "train": ("TrainingError", "evaluate", "fit", "predict"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = [*sorted(_MODULES)]  # noqa: PLE0604 (names are strings)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = import_module("importlib.metadata").version(__name__)
    elif name in _MODULES:
        value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
