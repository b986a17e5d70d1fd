"""Train, evaluate and apply one network.

In: a dataset and settings. Out: a network with its history, or a table of predictions with one row per gene.
Expression is log2(RPKM + 1) throughout.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from .baselines.hm_crnn import focal_loss
from .baselines.nodes import GraphDataset
from .batch import EmbeddedBatch, PackedBatch
from .cell_types import PairedDataset, PooledDataset
from .checkpoints import Network, build, load_state, save_state
from .config import InputError, ModelConfig, PeerConfig, Precision, Task, TrainConfig
from .dataset import READ, GeneDataset, resolve_device
from .embedded import EmbeddedDataset
from .evaluation import classification_metrics, regression_metrics
from .inputs.parts import NOT_MEASURED
from .machine import keep_freed_memory
from .model import Chromoformer

Dataset = GeneDataset | PairedDataset | PooledDataset | GraphDataset | EmbeddedDataset
INNER_SHARE = 0.15  # of the training genes, held out to choose an epoch by, where that is asked for
EVALUATION_BATCH = 256  # genes; larger ones gain nothing
STATE_EVERY_S = 10.0  # between states: a kill costs at most this and one epoch; states of short trainings cost more than they save

# Columns that a network predicts, by task.
OUTPUTS: dict[Task, tuple[str, ...]] = {
    "clf": ("logit_off", "logit_on"),
    "reg": ("expression",),
    "diff": ("log2_fold_change", "expression_1", "expression_2"),
}


def score(out: Tensor, task: Task) -> Tensor:
    """One number per gene of what a network says, as in `evaluation`, (b,): clf, the logit of being on; else its first column."""
    if task == "clf":
        return out[:, 1] - out[:, 0]
    return out if task == "reg" else out[:, 0]


def score_of(predictions: pd.DataFrame, task: Task) -> pd.Series:
    """The same of a table of `predict`."""
    return predictions["logit_on"] - predictions["logit_off"] if task == "clf" else predictions[OUTPUTS[task][0]]


class TrainingError(InputError):
    """A training that cannot go on: its loss or a weight is no longer a number."""


@dataclass(frozen=True)
class Fit:
    """A trained network and one row per epoch: epoch, learning_rate, train_loss and the held-out metrics."""

    model: Network
    history: pd.DataFrame
    seconds: float = 0.0  # that these epochs took, over all interruptions


def fit(
    train: Dataset,
    held_out: Dataset,
    config: TrainConfig | None = None,
    model_config: ModelConfig | PeerConfig | None = None,
    *,
    initial: Network | None = None,
    checkpoint: Path | None = None,
    name: str = "",
    report: Callable[[dict], None] | None = None,
) -> Fit:
    """Train a network on the genes of `train` and follow it on `held_out`; the last epoch's network is kept.

    With `select="best-inner"` that of the best epoch is, on chromosomes that are held out from `train` for this purpose.
    The process keeps freed memory from then on (`machine.keep_freed_memory`).

    Parameters
    ----------
    train, held_out : datasets of the same marks, bins and window
    config : TrainConfig, optional
        The paper's recipe by default. The same seed on the same device and number of threads gives the same network.
    model_config : ModelConfig, optional
        The paper's network on the dataset's marks, bins and frame by default.
    initial : Network, optional
        Whose weights training starts from, in place of random ones; it stays as it is. With `frozen` only the head learns.
    checkpoint : Path, optional
        Folder that receives the state after an epoch, where STATE_EVERY_S seconds have passed since the last one; a training
        that finds its own state there goes on from it. One that ended sooner leaves none. It does not tell from which weights
        its training started: those of another `initial` need another folder.
    name : str
        What to call this training where its progress is shown.
    report : function, optional
        Called with each row of the history as it is made, in place of the bar or the lines that are shown otherwise.

    Raises
    ------
    InputError
        Fewer than two training genes, a device that is not there, a checkpoint of other settings, or an `initial` that is
        another network than the one to train.
    TrainingError
        A loss or a weight that is infinite or no number; the checkpoint keeps a state from before it.
    """
    if len(train) < 2 or not len(held_out):
        raise InputError(f"fit: {len(train)} training and {len(held_out)} held-out genes, expected at least 2 and 1")
    config = config or TrainConfig()
    device = resolve_device(config.device)
    check_precision(config.precision, [device.type])
    keep_freed_memory()
    model_config = model_config or network_for(train)
    for data in (train, held_out):
        check_fits(model_config, data)
        _check_measured(data.targets, data)
    _check_start(initial, model_config, config)
    dtype = torch.float16 if config.signal == "float16" else None  # None: as it is
    train, held_out = train.to(device, dtype), held_out.to(device, dtype)
    train, judge = inner_split(train, config.seed) if config.select == "best-inner" else (train, None)
    model = build(model_config, config.seed).to(device)
    if initial is not None:
        model.load_state_dict(initial.state_dict())
    if config.standardise:
        set_gain(model, train)
    optimizer = make_optimizer(model, config)
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")
    best: dict[str, Tensor] = {}
    history, seconds = load_state(checkpoint, model, optimizer, scaler, config, best) if checkpoint else ([], 0.0)
    if config.frozen:
        train, held_out, judge = (data and embedded(model, data, config.precision) for data in (train, held_out, judge))

    saved = time.perf_counter()
    with contextlib.nullcontext(report) if report else _progress(config.epochs, len(history), name) as show:
        for epoch in range(len(history) + 1, config.epochs + 1):
            started = time.perf_counter()
            train_loss = train_epoch(model, train, optimizer, scaler, config, epoch)
            _check_finite(model, train_loss, config, f"{name or 'fit'}, epoch {epoch}")
            scores = evaluate(model, held_out, config.precision)
            if judge is not None:
                scores["inner"] = first_metric(evaluate(model, judge, config.precision))
                past = [row["inner"] for row in history if not math.isnan(row["inner"])]  # NaN where all inner genes have one label
                if not best or scores["inner"] > max(past, default=-math.inf):
                    best |= {name: tensor.clone() for name, tensor in model.state_dict().items()}
            history.append({"epoch": epoch, "learning_rate": optimizer.param_groups[0]["lr"], "train_loss": train_loss, **scores})
            seconds += time.perf_counter() - started
            if checkpoint and time.perf_counter() - saved >= STATE_EVERY_S:
                save_state(checkpoint, model, optimizer, scaler, config, history, seconds, best)
                saved = time.perf_counter()
            show(history[-1])
    if best:
        model.load_state_dict(best)
    if config.standardise:
        model.fold_gain()
    return Fit(model.eval(), pd.DataFrame(history), seconds)


def check_precision(precision: Precision, devices: Sequence[str], of: str = "") -> None:
    """Raise an InputError where a precision needs CUDA and one of these devices is another; `of`: whose precision it is."""
    if precision in ("float16", "tf32") and not all(device.startswith("cuda") for device in devices):
        raise InputError(f"{of}{': ' if of else ''}precision {precision} needs CUDA, found {', '.join(devices)}; use bfloat16 or float32")


def _check_start(initial: Network | None, model_config: ModelConfig | PeerConfig, config: TrainConfig) -> None:
    """Refuse weights that are no start for this network and recipe, and a recipe that needs some and has none."""
    if initial is None:
        if config.frozen:
            raise InputError("fit: frozen, but found no weights to start from, expected a trained network as `initial`; give one, or train all layers")
        return
    found, expected = initial.config.to_dict(), model_config.to_dict()
    for name in found | expected:
        if found.get(name) != expected.get(name):
            raise InputError(f"fit: `initial` has {name} {found.get(name)}, expected {expected.get(name)} as the network to train; start from one of that kind")
    if config.standardise:
        raise InputError("fit: `initial` with standardise, expected one of them: weights to start from read the signal as it is; leave standardise out")
    if config.frozen and (not isinstance(model_config, ModelConfig) or model_config.task == "diff"):
        kind = getattr(model_config, "model", f"task {model_config.task}")
        raise InputError(f"fit: frozen, but found {kind}, expected chromoformer with task clf or reg, which has one head; train all layers")


@torch.no_grad()
def embedded(model: Chromoformer, data: GeneDataset | PooledDataset, precision: str = "float32") -> EmbeddedDataset:
    """The genes as the network's head reads them."""
    model.eval()
    features = []
    for batch in data.batches(torch.arange(len(data)).split(EVALUATION_BATCH)):
        with autocast(data.device, precision):
            features.append(model.features(batch).float())
    return EmbeddedDataset(data, torch.cat(features))


def set_gain(model: Network, data: Dataset) -> None:
    """Have a network read each mark over its standard deviation in these genes, apart for each bin width; 0 stays 0.

    A mark that does not vary there tells nothing, and is not read.
    """
    if not isinstance(model, Chromoformer):
        raise InputError(f"standardise: found a network {model.config.model}, expected chromoformer; leave it out")
    spread = data.spread()
    sd = torch.stack([spread[width] for width in model.config.bin_bp]).unsqueeze(1)          # (s, 1, m)
    model.gain = torch.where(sd > 0, 1 / sd, 0.0)


def make_optimizer(model: Network, config: TrainConfig) -> torch.optim.Optimizer:
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}[config.optimizer]
    is_fused = next(model.parameters()).device.type in ("cpu", "cuda")
    weights = model.head.parameters() if config.frozen else model.parameters()
    return kind(weights, config.learning_rate, weight_decay=config.weight_decay, fused=is_fused)


def inner_split(data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Training genes, parted by chromosome: those to train on and about INNER_SHARE of them to choose an epoch by."""
    chromosomes = sorted(data.genes["chrom"].unique())
    if len(chromosomes) < 2:
        raise InputError(f"select best-inner: training genes of {len(chromosomes)} chromosome, expected two or more; take select last")
    order = torch.randperm(len(chromosomes), generator=torch.Generator().manual_seed(seed)).tolist()
    sizes = data.genes["chrom"].value_counts()
    chosen: list[str] = []
    while len(chosen) < len(chromosomes) - 1 and sizes[chosen].sum() < INNER_SHARE * len(data):
        chosen.append(chromosomes[order[len(chosen)]])
    is_inner = data.genes["chrom"].isin(chosen)
    return tuple(data.select(genes=data.genes.loc[rows, "gene_id"].tolist()) for rows in (~is_inner, is_inner))


def _check_finite(model: Network, train_loss: float, config: TrainConfig, where: str) -> None:
    is_finite = torch.stack([torch.isfinite(weight).all() for weight in model.parameters()]).all()  # one answer, one wait
    if math.isfinite(train_loss) and bool(is_finite):
        return
    found = "weights that are not finite" if math.isfinite(train_loss) else f"a mean loss of {train_loss}"
    other = "" if config.precision == "float32" else f", or precision float32 in place of {config.precision}"
    raise TrainingError(f"{where}: found {found}, expected finite numbers; take a learning rate below {config.learning_rate:g}{other}")


def network_for(data: Dataset) -> ModelConfig:
    """The paper's network on what a dataset holds; without pCREs, its promoter-only variant (the paper's figure 3b).

    That one has no Pairwise Interaction and no Regulation transformer: the head reads the promoter embedding.
    """
    layers = {} if data.has_pcres else {"pairwise_layers": 0, "regulation_layers": 0}
    return ModelConfig(task=data.task, **{name: getattr(data, name) for name in READ}, **layers)


def train_epoch(
    model: Network,
    data: Dataset,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    config: TrainConfig,
    epoch: int,
) -> float:
    """One pass over the genes in an order that seed and epoch decide, as dropout is. Returns the mean loss over batches."""
    model.train()
    losses = []
    batches = epoch_batches(len(data), config, epoch)
    with seeded(config.seed * 100_003 + epoch, data.device):
        for i, batch in enumerate(data.batches(batches)):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(config, epoch, (epoch - 1) * len(batches) + i, config.epochs * len(batches))
            optimizer.zero_grad(set_to_none=True)
            with autocast(data.device, config.precision):
                loss = batch_loss(model, batch, config)
                scaler.scale(loss).backward()
            if config.clip_norm is not None:
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def rate_at(config: TrainConfig, epoch: int, n_updates: int, n_all: int) -> float:
    """Learning rate in an epoch, from 1, after so many of `n_all` updates of all epochs."""
    if config.schedule == "decay":
        return config.learning_rate * config.decay ** (epoch - 1) / (1 + config.decay_per_update * n_updates)
    n_rising = int(config.warmup * n_all)
    if n_updates < n_rising:
        return config.learning_rate * (n_updates + 1) / n_rising
    return config.learning_rate * (1 + math.cos(math.pi * (n_updates - n_rising) / (n_all - n_rising))) / 2


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Have torch draw from this seed; what it would have drawn outside is untouched."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield


def epoch_batches(n_genes: int, config: TrainConfig, epoch: int) -> tuple[Tensor, ...]:
    """Shuffled positions of the genes, cut into batches. Depends on nothing but its arguments, so runs can resume.

    With `epoch_updates` there are so many: of one pass over the genes after the other, each in an order of its own.
    """
    generator = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
    size, n = min(config.batch_size, n_genes), n_batches(n_genes, config)
    n_kept = n_genes - n_genes % size if config.drop_last else n_genes
    batches: tuple[Tensor, ...] = ()
    while len(batches) < n:
        batches += torch.randperm(n_genes, generator=generator)[:n_kept].split(size)
    return batches[:n]


def n_batches(n_genes: int, config: TrainConfig) -> int:
    """Of an epoch."""
    size = min(config.batch_size, n_genes)
    return config.epoch_updates or (n_genes // size if config.drop_last else math.ceil(n_genes / size))


def batch_loss(model: Network, batch: PackedBatch | EmbeddedBatch, config: TrainConfig) -> Tensor:
    """Mean loss over the genes of a batch; focal: their sum, as its authors have it."""
    if config.noise:
        batch = noisy(batch, dict(zip(model.config.bin_bp, torch.where(model.gain > 0, config.noise / model.gain, 0.0), strict=True)))
    if config.loss == "contrastive":
        return model.contrastive_loss(batch)
    out = model(batch).float()
    if config.loss == "focal":
        return focal_loss(score(out, "clf"), batch.target)
    return task_loss(out, batch.target, model.config.task)


def noisy(batch: PackedBatch, sd: dict[int, Tensor]) -> PackedBatch:
    """The batch with normal noise on all signal; `sd` is its standard deviation for each mark, bin width -> (1, m)."""

    def blurred(signal: dict[int, Tensor]) -> dict[int, Tensor]:
        return {width: x + sd[width] * torch.randn_like(x) for width, x in signal.items()}

    pcres = tuple(replace(regions, signal=blurred(regions.signal)) for regions in batch.pcres)
    return replace(batch, promoter=blurred(batch.promoter), pcres=pcres, other=batch.other and noisy(batch.other, sd))


def task_loss(out: Tensor, target: Tensor, task: Task) -> Tensor:
    """Cross-entropy (clf) or mean squared error (reg; diff: of the fold change and, where a network predicts them, of both
    expressions, added)."""
    if task == "clf":
        return F.cross_entropy(out, target)
    if task == "reg":
        return F.mse_loss(out, target)
    return F.mse_loss(out, target[:, : out.shape[1]], reduction="none").mean(0).sum()


def evaluate(model: Network, data: Dataset, precision: str = "float32") -> dict[str, float]:
    """Loss and metrics over all genes of `data`, as plain floats. Raises InputError where their expression is not known."""
    out, target = _outputs(model, data, precision)
    _check_measured(target, data)
    task = data.task
    loss = float(task_loss(out, target, task))
    told, target = score(out.cpu(), task).numpy(), target.cpu().numpy()
    if task == "clf":
        return {"loss": loss, **classification_metrics(target, told)}
    return {"loss": loss, **regression_metrics(target[:, 0] if task == "diff" else target, told)}


def predict(model: Network, data: Dataset) -> pd.DataFrame:
    """What a network says of each gene, in the order of `data.genes`.

    Returns
    -------
    DataFrame
        gene_id; clf: logit_off, logit_on, probability of "on"; reg: expression, log2(RPKM + 1);
        diff: log2_fold_change and, where the network predicts them, expression_1, expression_2; then target, what was measured,
        NaN where nothing was.
    """
    task = model.config.task
    if task != data.task:
        data = data.select(task=task)
    out, target = _outputs(model, data)
    table = pd.DataFrame({"gene_id": data.genes["gene_id"].to_numpy()})
    out = out.cpu().unsqueeze(-1) if task == "reg" else out.cpu()
    for name, column in zip(OUTPUTS[task], out.unbind(-1), strict=False):
        table[name] = column.numpy()
    if task == "clf":
        table["probability"] = out.softmax(-1)[:, 1].numpy()
    table["target"] = (target[:, 0] if task == "diff" else target).cpu().numpy()
    if (is_unknown := _is_unknown(target, task).cpu().numpy()).any():
        table["target"] = table["target"].mask(is_unknown)
    return table


def _is_unknown(target: Tensor, task: Task) -> Tensor:
    """Which genes have no measured expression, (gene,)."""
    return target == NOT_MEASURED if task == "clf" else target.isnan().reshape(len(target), -1).any(1)


def _check_measured(target: Tensor, data: Dataset) -> None:
    if n := int(_is_unknown(target, data.task).sum()):
        raise InputError(f"{data.cell_type}: {n:,} of {len(target):,} genes have no measured expression, expected it of all; name it in the profile, or only predict")


def check_fits(config: ModelConfig | PeerConfig, data: Dataset) -> None:
    """Raise an InputError that names the first thing in which a dataset is not what a network reads."""
    expected = {
        "marks": config.marks, "frame_bp": config.frame_bp, "window_bp": config.promoter_bp, "scale": config.scale,
        "log_base": config.log_base,
    }  # fmt: skip
    if isinstance(config, ModelConfig):
        expected["contacts"] = config.contacts
    for name, value in expected.items():
        if getattr(data, name) != value:
            raise InputError(f"{data.cell_type}: {name} is {getattr(data, name)}, the network reads {value}; load or select the data so")


@torch.no_grad()
def _outputs(model: Network, data: Dataset, precision: str = "float32") -> tuple[Tensor, Tensor]:
    check_fits(model.config, data)
    model.eval()
    device = next(model.parameters()).device
    data = data.to(device)
    outs, targets = [], []
    size = len(data) if isinstance(data, GraphDataset) else EVALUATION_BATCH  # each batch of a graph is all of it
    for batch in data.batches(torch.arange(len(data)).split(size)):
        with autocast(device, precision):
            outs.append(model(batch).float())
        targets.append(batch.target)
    return torch.cat(outs), torch.cat(targets)


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Mixed precision, or products of float32 on a GPU's fast units (tf32), on request; with float32, nothing is changed."""
    if precision == "float32":
        return contextlib.nullcontext()
    return _tf32() if precision == "tf32" else torch.autocast(device.type, getattr(torch, precision))


@contextlib.contextmanager
def _tf32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def shows_bar() -> bool:
    """Whether progress is drawn as a bar: in a terminal and in a live notebook, unless CHROMOLIB_PROGRESS=lines."""
    ipython = sys.modules.get("IPython")  # imported is not yet running: other packages import it too
    is_live = ipython is not None and ipython.get_ipython() is not None
    return (sys.stderr.isatty() or is_live) and os.environ.get("CHROMOLIB_PROGRESS") != "lines"


def headline(scores: dict) -> str:
    """The first held-out metric of a row of the history, in words."""
    return f"{'roc_auc' if 'roc_auc' in scores else 'pearson'} {first_metric(scores):.4f}"


def first_metric(scores: dict) -> float:
    return scores["roc_auc"] if "roc_auc" in scores else scores["pearson"]


@contextlib.contextmanager
def _progress(n_epochs: int, n_done: int, name: str) -> Iterator[Callable[[dict], None]]:
    """A bar where `shows_bar`, else one line per epoch."""
    live = shows_bar()
    bar = tqdm(total=n_epochs, initial=n_done, desc=name or "training", unit="epoch", disable=not live)

    def report(row: dict) -> None:
        text = f"loss {row['train_loss']:.4f}, held-out loss {row['loss']:.4f}, {headline(row)}"
        bar.set_postfix_str(text)
        bar.update()
        if not live:
            print(f"{name + ' ' if name else ''}epoch {row['epoch']}/{n_epochs}: {text}", flush=True)

    with bar:
        yield report
