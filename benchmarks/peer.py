"""The release (PyPI: chromoformer) run beside ours, on the same genes.

In: a GeneDataset. Out: the release's own network and its inputs, built with the release's own padding and masks; its own
files; and a run of its own training script, with seconds and losses.
"""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
import yaml
from chromoformer import ChromoformerClassifier, ChromoformerRegressor
from torch import Tensor, nn

from chromolib.batch import Batch
from chromolib.config import Task
from chromolib.dataset import GeneDataset
from chromolib.genome import Region

if __package__:
    from . import report
else:  # a script's own folder comes first on its path
    import report

FRAME_BP = 40_000  # the release knows no other


def network(task: Task = "clf", seed: int = 42) -> nn.Module:
    """The release's network with random weights."""
    return (ChromoformerClassifier if task == "clf" else ChromoformerRegressor)(seed=seed)


@contextlib.contextmanager
def on_cpu() -> Iterator[None]:
    """Let the release run without a GPU: its forward pass calls .cuda() on the position table."""
    cuda = Tensor.cuda
    Tensor.cuda = lambda self, *args, **kwargs: self
    try:
        yield
    finally:
        Tensor.cuda = cuda


def on(device: str) -> contextlib.AbstractContextManager:
    """Where the release runs: on a GPU its calls of .cuda() mean what they say."""
    return on_cpu() if device == "cpu" else contextlib.nullcontext()


def moved(value, device: str):
    """Tensors of the release's inputs on another device."""
    return {key: moved(entry, device) for key, entry in value.items()} if isinstance(value, dict) else value.to(device)


def checkpoint(net: nn.Module) -> io.BytesIO:
    """The network saved in the layout of the release's checkpoints."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-5)
    file = io.BytesIO()
    torch.save(
        {
            "net": net.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": 9,
            "last_val_loss": torch.tensor(0.4),
            "last_val_auc": np.float64(91.2),
            "val_score": np.zeros(3, np.float32),
            "val_label": np.zeros(3, np.int64),
        },
        file,
    )
    file.seek(0)
    return file


def run(net: nn.Module, item: dict) -> Tensor:
    """The release's forward pass on one of its batches."""
    return net(
        item["promoter_feats"],
        item["promoter_pad_masks"],
        item["pcre_feats"],
        item["pcre_pad_masks"],
        item["interaction_masks"],
        item["interaction_freq"],
    )


def inputs(batch: Batch) -> dict:
    """Our batch in the release's form: regions padded to the whole frame, masks bin by bin, all dummies present."""
    b, r = batch.contact.shape
    out: dict = {key: {} for key in ("promoter_feats", "promoter_pad_masks", "pcre_feats", "pcre_pad_masks", "interaction_masks")}
    frequency = torch.zeros(b, r + 1, r + 1)
    frequency[:, 0, 1:] = batch.contact
    out["interaction_freq"] = frequency
    absent = torch.cat([torch.zeros(b, 1, dtype=torch.bool), batch.contact == 0], 1)
    for width, promoter in batch.promoter.items():
        n = FRAME_BP // width
        x, is_padding = _frame(promoter, batch.is_promoter_padding.get(width), n)
        pcre, pcre_padding = _frame(batch.pcre[width].flatten(0, 1), batch.is_padding[width].flatten(0, 1), n)
        pcre, pcre_padding = pcre.view(b, r, n, -1), pcre_padding.view(b, r, n)
        out["promoter_feats"][width] = x.unsqueeze(1)
        out["promoter_pad_masks"][width] = (is_padding[:, :, None] | is_padding[:, None, :])[:, None, None]
        out["pcre_feats"][width] = pcre
        out["pcre_pad_masks"][width] = (is_padding[:, None, :, None] | pcre_padding[:, :, None, :]).unsqueeze(2)
        out["interaction_masks"][width] = (absent[:, :, None] | absent[:, None, :]).unsqueeze(1)
    return out


def _frame(x: Tensor, is_padding: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
    """(b, l, m) centred in a frame of n bins, and what is padding there."""
    missing = n - x.shape[1]
    left, right = -(-missing // 2), missing // 2
    if is_padding is None:
        is_padding = torch.zeros(x.shape[:2], dtype=torch.bool)
    return nn.functional.pad(x, (0, 0, left, right)), nn.functional.pad(is_padding, (left, right), value=True)


# The release's training script


@dataclass(frozen=True)
class Training:
    """What a run of the release's script took, in seconds, and its losses: one value per epoch."""

    start: float             # from the call to the first batch that is asked for: table read, network made
    epoch: list[float]       # loading, training, validation, metrics and the checkpoint
    train: list[float]       # of these: training with its loading
    validate: list[float]    # of these: validation with its loading
    train_loss: list[float]  # mean over batches
    loss: list[float]        # over the held-out genes


def train(
    table: Path, arrays: Path, fold: int, order: list[list[str]], *, batch: int, workers: int, anomaly: bool = True, device: str = "cpu"
) -> Training:
    """Run the release's own chromoformer/train.py, unchanged, on its own files; one epoch for each entry of `order`.

    `order` names the genes of each epoch. Replaced from outside: wandb by nothing, the number of loader processes (8 there),
    the random order by `order`, and where there is no GPU .cuda() by nothing. `anomaly`: keep its set_detect_anomaly(True).
    """
    spans: list[tuple[bool, float, float]] = []
    losses: list[tuple[bool, float]] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        config = Path(folder) / "config.yml"
        config.write_text(yaml.safe_dump(_recipe(len(order), batch)))
        files = {"-o": Path(folder) / "out.pt", "-c": config, "-m": table, "-d": arrays}
        words = [str(word) for pair in files.items() for word in pair]
        arguments = ["train.py", *words, "--exp-id", "benchmark", "--fold", str(fold % 4)]  # theirs validates on split fold
        for change in (
            mock.patch.object(sys, "argv", arguments),
            mock.patch.dict(sys.modules, wandb=mock.MagicMock()),
            mock.patch.object(torch.utils.data, "DataLoader", partial(_Loader, order=order, workers=workers, spans=spans)),
            contextlib.nullcontext() if anomaly else mock.patch.object(torch.autograd, "set_detect_anomaly"),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            on(device),
        ):
            stack.enter_context(change)
        saved = stack.enter_context(report.stamped(torch, "save", device))
        stack.callback(torch.autograd.set_detect_anomaly, torch.is_anomaly_enabled())
        hook = nn.modules.module.register_module_forward_hook(partial(_note_loss, losses))
        stack.callback(hook.remove)
        begin = time.perf_counter()
        runpy.run_module("chromoformer.train", run_name="__main__")
    first = spans[0][1]
    times = {is_train: [end - start for flag, start, end in spans if flag == is_train] for is_train in (True, False)}
    of_training = np.array([loss for is_train, loss in losses if is_train]).reshape(len(order), -1)
    return Training(
        first - begin, np.diff([first, *saved]).tolist(), times[True], times[False],
        of_training.mean(1).tolist(), [loss for is_train, loss in losses if not is_train],
    )  # fmt: skip


def _recipe(epochs: int, batch: int) -> dict:
    """The paper's network and training in the script's words. Its loop leaves out the last of `num_epoch`."""
    layers = {"n_heads": 2, "d_model": 128}
    return {
        "seed": 123, "num_epoch": epochs + 1, "lr": 3e-5, "bsz": batch, "gamma": 0.87, "i_max": 8, "w_prom": 40_000, "w_max": 40_000,
        "n_feats": 7, "d_head": 128, "embed": layers | {"n_layers": 1, "d_ff": 128},
        "pairwise_interaction": layers | {"n_layers": 2, "d_ff": 256},
        "regulation": {"n_layers": 6, "n_heads": 8, "d_model": 256, "d_ff": 256},
    }  # fmt: skip


def _note_loss(losses: list[tuple[bool, float]], module: nn.Module, inputs: tuple, out: Tensor) -> None:
    if isinstance(module, nn.CrossEntropyLoss | nn.MSELoss):
        losses.append((out.requires_grad, out.item()))


class _Loader(torch.utils.data.DataLoader):
    """The DataLoader of the script, with a given order, a given number of processes, and a watch."""

    def __init__(self, dataset, batch_size, num_workers, shuffle=False, drop_last=False, *, order, workers, spans) -> None:
        super().__init__(
            dataset, batch_size, num_workers=workers, drop_last=drop_last, sampler=_Order(dataset.target_genes, order) if shuffle else None
        )
        self.is_train, self.spans = shuffle, spans

    def __iter__(self):
        start = time.perf_counter()
        yield from super().__iter__()
        self.spans.append((self.is_train, start, time.perf_counter()))


class _Order(torch.utils.data.Sampler):
    """Positions of the genes of each epoch, one epoch after the other."""

    def __init__(self, genes: list[str], order: list[list[str]]) -> None:
        position = {gene: i for i, gene in enumerate(genes)}
        self.epochs = [[position[gene] for gene in ids] for ids in order]
        self.coming = iter(self.epochs)

    def __len__(self) -> int:
        return len(self.epochs[0])

    def __iter__(self) -> Iterator[int]:
        return iter(next(self.coming))


# Its files


def demo_files(archive: Path, parts: list[GeneDataset], folder: Path) -> tuple[Path, Path]:
    """Unpack the release's demo: its table, of the genes of these datasets, with our folds as its splits, and its arrays."""
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian's Python 3.11.2 has none
        tar.extractall(folder, [member for member in tar if "/demo/" in member.name])
    (found,) = folder.glob("*/demo/demo_meta.csv")
    meta = pd.read_csv(found)
    meta["split"] = meta["gene_id"].map(pd.concat(part.genes for part in parts).set_index("gene_id")["fold"])
    meta = meta.dropna(subset="split")
    meta.to_csv(folder / "meta.csv", index=False)
    return folder / "meta.csv", found.parent / "demo_data"


def write_files(parts: list[GeneDataset], folder: Path) -> tuple[Path, Path]:
    """The files that the release would have read for these genes of one store: a table, and depth over each base of every
    region.

    float32 where the release has float16, so that both sides read the same numbers.
    """
    store, arrays = parts[0].store.sel(mark=list(parts[0].marks)), folder / "npy"
    arrays.mkdir()
    base_bp, half = int(store.attrs["base_bp"]), int(store.attrs["frame_bp"]) // 2
    row_of = {gene: i for i, gene in enumerate(store["gene_id"].values.tolist())}
    names, row, rows = store["region"].values, store["pcre_row"].values, []
    for gene in pd.concat(part.genes for part in parts).itertuples():
        i = row_of[gene.gene_id]
        np.save(arrays / f"{gene.chrom}:{gene.tss - half}-{gene.tss + half}.npy", store["promoter"].values[i].repeat(base_bp, 0).T)
        pcres = [p for p in store["gene_pcre"].values[i] if p >= 0]
        for p in pcres:
            depth = store["pcre_depth"].values[row[p] : row[p + 1]].repeat(base_bp, 0)[: Region.parse(names[p]).width]
            np.save(arrays / f"{names[p]}.npy", depth.T)
        scores = store["contact"].values[i, : len(pcres)]
        rows.append((gene.gene_id, gene.expression, gene.label, gene.chrom, gene.tss, gene.tss + 1, gene.strand, gene.fold,
                     ";".join(names[p] for p in pcres), ";".join(map(str, scores))))  # fmt: skip
    columns = ["gene_id", "expression", "label", "chrom", "start", "end", "strand", "split", "neighbors", "scores"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "meta.csv", index=False)
    return folder / "meta.csv", arrays


def whole_windows(data: GeneDataset) -> GeneDataset:
    """The genes whose window lies on their chromosome as a whole: the release cannot read others."""
    half, size = data.frame_bp // 2, dict(zip(data.store["gene_id"].values, data.store["chrom_bp"].values, strict=True))
    inside = (data.genes["tss"] >= half) & (data.genes["tss"] + half <= data.genes["gene_id"].map(size))
    return data.select(genes=data.genes.loc[inside, "gene_id"].tolist())
