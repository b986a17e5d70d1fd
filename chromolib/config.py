"""Settings of a network and of a training, and the words that everything else shares.

In: values. Out: frozen, checked records, the paper's values where nothing is said. Lengths are in base pairs (bp).
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Self, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from pydantic import ValidationError

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "data" / "results"  # small tables of notebooks, by profile, that the repository has

# Order of the rows in every array of the release (specs: chromoformer, "Input of one gene").
MARKS = ("H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K36me3", "H3K27ac", "H3K9ac")
DEEPDIFF_MARKS = MARKS[:5]  # all that published signal is there of, in the order of DeepDiff's columns

PC1 = "PC1"  # the one track that is no signal but says on which side of 0, A or B, the compartment is: never a logarithm of it

Task = Literal["clf", "reg", "diff"]
LogBase = Literal["e", "2", "none"]  # none: the network reads the mean itself, as some peers did
Contacts = Literal["all", "intra-TAD", "inter-TAD"]  # pCREs of any domain (TAD), of the promoter's own, or of others only
Fusion = Literal["attention", "concat"]  # of a promoter with its pCREs
# Of matrix products. float16 and tf32 need CUDA.
Precision = Literal["float32", "tf32", "bfloat16", "float16"]
SignalType = Literal["float32", "float16"]

# What the numbers of a signal are. The network reads their logarithm, except where one has been taken already.
Scale = Literal["depth", "counts", "normalised", "arcsinh-p"]
SCALES: dict[Scale, str] = {  # -> what a bin holds, for axes
    "depth": "mean depth",  # reads over a base pair
    "counts": "mean count",  # reads that touch a bin of the store
    "normalised": "normalised signal",
    "arcsinh-p": "arcsinh(-log10 p)",  # p: of reads against a control
}


class InputError(ValueError):
    """Something a user gave is wrong. One line: what, where, found, expected, way out."""

    def __init__(self, message: str) -> None:
        """What is quoted from a damaged file may be endless (it is cut) and hold control characters (they are escaped)."""
        short = re.sub(r"[^\s/]{256,}", lambda match: match[0][:60] + "...", message)  # longer than any name of a file
        super().__init__(
            "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in short)
        )


def first_fault(error: ValidationError) -> str:
    """What pydantic found wrong first in what a user wrote: in which field, where it is in one, and what."""
    fault = error.errors()[0]
    where = ".".join(map(str, fault["loc"]))
    return f"{where and f'{where}: '}{fault['msg'].removeprefix('Value error, ')}"


class _Settings:
    """What records of settings have in common, which has no field: their words are checked, and they become JSON."""

    def __post_init__(self) -> None:
        check_words(self)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Shape(_Settings):
    """The same of those of a network, which JSON becomes again."""

    def __post_init__(self) -> None:
        for name in ("marks", "bin_bp"):  # JSON knows only lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        super().__post_init__()

    @property
    def promoter_bp(self) -> int:
        """Width of the promoter window in bp."""
        return self.window_bp or self.frame_bp

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild a config from JSON; an unknown setting is an InputError that names it."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise InputError(f"{cls.__name__}: unknown setting {min(unknown)!r}; written by a newer chromolib?")
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_Shape):
    """Shape of one network. A checkpoint stores it, and it is enough to rebuild the network.

    The defaults are the paper's. Attention widths are per layer and over all heads together.
    """

    task: Task = "clf"
    marks: tuple[str, ...] = MARKS
    bin_bp: tuple[int, ...] = (2000, 500, 100)  # coarse to fine, one branch each
    frame_bp: int = 40_000                      # every region is centred in it; its bins carry the positions
    window_bp: int | None = None                # promoter window that it reads, TSS in the middle; None: the frame
    scale: Scale = "depth"                      # of the signal that it reads
    log_base: LogBase = "e"                     # of the logarithm that it reads, where the scale has one
    max_pcres: int = 8                          # per gene, strongest contact first
    contacts: Contacts = "all"                  # which of them it reads
    d_embedding: int = 128
    embedding_layers: int = 1
    embedding_heads: int = 2
    embedding_ff: int = 128
    pairwise_layers: int = 2
    pairwise_heads: int = 2
    pairwise_ff: int = 256
    regulation_layers: int = 6
    regulation_heads: int = 8
    regulation_width: int = 256                 # all heads together
    regulation_ff: int = 256
    fusion: Fusion = "attention"                # of promoter and pCREs; see Chromoformer
    head_width: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.marks or not self.bin_bp:
            raise InputError(f"ModelConfig: marks={self.marks}, bin_bp={self.bin_bp}, expected at least one entry in each; name some")
        for width in self.bin_bp:
            if width < 1 or self.frame_bp % width:
                raise InputError(f"ModelConfig: bin_bp={width} does not divide frame_bp={self.frame_bp}; choose a width that does")
        if self.embedding_layers != 1:
            raise InputError(
                f"ModelConfig: embedding_layers={self.embedding_layers}, expected 1: with more, rows of the promoter "
                "mix before the TSS row is taken and one query per region is no longer exact"
            )
        for width, heads in (
            (self.d_embedding, self.embedding_heads),
            (self.d_embedding, self.pairwise_heads),
            (self.regulation_width, self.regulation_heads),
        ):
            if heads < 1 or width < 1 or width % heads:
                raise InputError(f"ModelConfig: {heads} heads do not divide a width of {width}; choose a number that does")


@dataclass(frozen=True, kw_only=True)
class PeerConfig(_Shape):
    """Shape of one of the models that the paper compares Chromoformer with; sizes are their authors'."""

    model: str                                  # one of baselines.PEERS
    task: Task = "clf"
    marks: tuple[str, ...] = MARKS
    bin_bp: tuple[int, ...] = (100,)            # one width
    frame_bp: int = 40_000
    window_bp: int | None = None                # promoter window that it reads, TSS in the middle; None: the frame
    scale: Scale = "depth"
    log_base: LogBase = "e"
    max_pcres: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.bin_bp) != 1 or self.bin_bp[0] < 1 or self.promoter_bp % self.bin_bp[0]:
            raise InputError(f"{self.model}: bin_bp={list(self.bin_bp)}, expected one width that divides window_bp={self.promoter_bp}")

    @property
    def n_bins(self) -> int:
        return self.promoter_bp // self.bin_bp[0]


@dataclass(frozen=True, kw_only=True)
class TrainConfig(_Settings):
    """How one network is trained. The defaults are the paper's recipe.

    `drop_last` leaves out the last, smaller batch of each epoch, as the release does; where a training set is smaller
    than one batch, the batch is the whole set.
    """

    epochs: int = 10           # Deviates: the release's loop ends after 9 of its 10 epochs; the paper trains 10.
    batch_size: int = 64
    learning_rate: float = 3e-5
    decay: float = 0.87        # of the learning rate, after each epoch
    weight_decay: float = 0.01  # torch's default for AdamW
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    decay_per_update: float = 0.0  # d: after t updates the learning rate is divided by 1 + d t
    # How the rate goes on: by `decay`, or from a linear rise over `warmup` of all updates along half a cosine to 0.
    schedule: Literal["decay", "cosine"] = "decay"
    warmup: float = 0.0        # share of all updates, of schedule cosine
    standardise: bool = False  # marks on one scale while training: each divided by its standard deviation in the training genes
    noise: float = 0.0         # normal noise on the signal while training, in standard deviations of its mark; needs standardise
    clip_norm: float | None = None  # largest norm of the gradient over all weights
    loss: Literal["task", "focal", "contrastive"] = "task"  # cross-entropy or squared error; the others are peers' own
    drop_last: bool = True
    # Which epoch's network is kept: the last, or the best on chromosomes that are held out from the training genes for it.
    select: Literal["last", "best-inner"] = "last"
    frozen: bool = False       # only the head learns; needs weights to start from
    epoch_updates: int | None = None  # batches of an epoch, in pass after pass over the genes; None: those of one pass
    precision: Precision = "float32"
    signal: SignalType = "float32"  # as kept on the device while training; float16: half the memory, 3 digits
    device: str = "auto"       # cuda, else mps, else cpu
    seed: int = 42

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs < 0 or self.batch_size < 1 or self.learning_rate <= 0 or self.decay <= 0:
            raise InputError(
                f"TrainConfig: epochs={self.epochs}, batch_size={self.batch_size}, learning_rate={self.learning_rate}, "
                f"decay={self.decay}; expected epochs >= 0, batch_size >= 1, learning_rate > 0, decay > 0"
            )
        if not 0 <= self.warmup < 1 or (self.warmup and self.schedule == "decay"):
            raise InputError(f"TrainConfig: warmup={self.warmup} with schedule={self.schedule!r}, expected 0 to below 1, and above 0 only with cosine")
        if self.noise < 0 or (self.noise and not self.standardise):
            raise InputError(f"TrainConfig: noise={self.noise} with standardise={self.standardise}, expected 0 or more, and above 0 only with standardise")
        if self.epoch_updates is not None and self.epoch_updates < 1:
            raise InputError(f"TrainConfig: epoch_updates={self.epoch_updates}, expected 1 or more; leave it out for one pass over the genes")


# Chosen by benchmarks/recipe_search.py on promoters-18k, for each fold on folds held out inside its training genes: three of
# four chose it, the fourth the same without noise, and so does the mean of all. Its candidates came out of a wider search on
# all four folds, data/results/better_recipe_explored.csv, so that what it gains there is somewhat flattered.
BETTER_RECIPE: dict[str, Any] = {
    "learning_rate": 6e-4, "batch_size": 128, "weight_decay": 0.5, "schedule": "cosine", "warmup": 0.1, "standardise": True,
    "noise": 0.2,
}  # fmt: skip
BETTER_NETWORK: dict[str, Any] = {"embedding_heads": 8}  # of the same width, so with as many parameters as the paper's two
BETTER_SEEDS = 3  # networks whose logits are averaged


@cache
def choices(kind: type) -> dict[str, tuple[str | None, ...]]:
    """Setting of a record -> the words that it may be, and None where it may be left out, for those settings that are one of some
    words; kept, since it takes a millisecond to find."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if words := [word for option in options if get_origin(option) is Literal for word in get_args(option)]:
            found[name] = (*words, None) if NoneType in options else tuple(words)
    return found


def check_words(record: Any) -> None:
    """Raise an InputError that names the first setting of a record that is none of the words that it may be."""
    kind = type(record)
    for name, words in choices(kind).items():
        if (found := getattr(record, name)) not in words:
            raise InputError(f"{kind.__name__}: {name}={found!r}, expected one of {', '.join(map(str, words))}")
