"""What a network reads: the genes of one cell type, whole on one device.

In: a feature store (mean read depth of narrow bins, genome order). Out: batches of signal, ln(1 + mean depth) of a bin
(log2 where the profile says so, none where the store's scale is one already), promoters in the direction of transcription.
Axes: `g` gene of the cell type, `b` gene in batch, `r` pCRE of a gene, strongest contact first, `l` bin, `m` mark.
"""

from __future__ import annotations

import copy
import json
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
import xarray as xr
from torch import Tensor

from . import features, inputs, simulate
from .attention import frame_offset
from .batch import Batch, PackedBatch, Regions
from .config import PC1, SCALES, Contacts, InputError, LogBase, ModelConfig, Scale, Task
from .files import hold
from .genome import spans
from .integrity import one_line
from .pooling import centre, cut_window, pool_ragged, pool_windows
from .profile import Profile

GENE_COLUMNS = ["symbol", "chrom", "tss", "strand", "fold", "expression", "label"]
READ = ("marks", "bin_bp", "frame_bp", "window_bp", "max_pcres", "contacts", "scale", "log_base")  # what a network must fit


@dataclass(frozen=True)
class Layout:
    """Which pCREs a gene has and how wide they are, in the host's memory: enough to plan batches without asking the device."""

    gene_pcre: np.ndarray                    # (g, r)        pCRE of each rank, -1 where there is none
    n_bins: dict[int, np.ndarray]            # (p,)          of each pCRE, at each bin width


class Plan(NamedTuple):
    """What one batch gathers, in numbers that the host knows."""

    rows: np.ndarray                         # (b,)          genes of the store
    pcre: np.ndarray                         # (n,)          pCREs, narrow ones first
    gene_idx: np.ndarray                     # (n,)
    rank_idx: np.ndarray                     # (n,)
    groups: list[tuple[slice, dict[int, int]]]  # of pCREs: which, and bins of the widest at each bin width


@dataclass(frozen=True)
class Signal:
    """Tensors of all genes of one cell type, for one choice of marks, bins and window. Shared by views."""

    promoter: dict[int, Tensor]              # (g, l, m)
    is_promoter_padding: dict[int, Tensor]   # (g, l), only where some bin is padding
    is_blind: dict[int, Tensor]              # (g,), only where the bin that reads as TSS is padding for some gene
    pcre: dict[int, Tensor]                  # (row + 1, m)  all pCREs one after the other, then a row of zeros for padding
    pcre_row: dict[int, Tensor]              # (p + 1,)  rows of pCRE i are pcre_row[i]:pcre_row[i + 1]
    contact: Tensor                          # (g, r)
    layout: Layout

    @property
    def n_bytes(self) -> int:
        """Memory of all tensors."""
        parts = [getattr(self, field.name) for field in fields(self) if field.name != "layout"]
        tensors = [tensor for part in parts for tensor in (part.values() if isinstance(part, dict) else [part])]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def to(self, device: torch.device | None = None, dtype: torch.dtype | None = None) -> Signal:
        """The same on another device, signal proper in another type. Asked again, it returns what it made, so that the
        two sides of a fold share one copy."""
        moved = self._moved.get((device, dtype))
        if moved is None:
            signal = {"device": device, "dtype": dtype}
            parts = {
                field.name: _moved(getattr(self, field.name), **(signal if field.name in ("promoter", "pcre") else {"device": device}))
                for field in fields(self) if field.name != "layout"
            }
            self._moved[device, dtype] = moved = Signal(**parts, layout=self.layout)
        return moved

    @cached_property
    def _moved(self) -> weakref.WeakValueDictionary:
        return weakref.WeakValueDictionary()


class GeneDataset:
    """Genes of one cell type with their signal on one device; `select` gives views that share it."""

    def __init__(
        self,
        store: xr.Dataset,
        *,
        task: Task = "clf",
        marks: Sequence[str] | None = None,
        bin_bp: Sequence[int] = ModelConfig.bin_bp,
        window_bp: int | None = None,
        log_base: LogBase = "e",
    ) -> None:
        self.store = store
        self.cell_type: str = store.attrs["cell_type"]
        self.scale: Scale = store.attrs["signal"]
        self.frame_bp = int(store.attrs["frame_bp"])
        self.max_pcres = store.sizes["rank"]
        self.marks = tuple(marks) if marks is not None else own_marks(store)
        self.bin_bp = tuple(int(width) for width in bin_bp)
        self.window_bp = int(window_bp or self.frame_bp)
        self.log_base = log_base
        self.task: Task = task
        self.contacts: Contacts = "all"
        self.genes = gene_table(store)
        self._rows = np.arange(len(self.genes))
        self._signal = self._build_signal()
        self._targets = self._build_targets()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def device(self) -> torch.device:
        return self._signal.contact.device

    @property
    def dtype(self) -> torch.dtype:
        """Type in which the signal is kept."""
        return next(iter(self._signal.promoter.values())).dtype

    @property
    def n_bytes(self) -> int:
        """Memory that the signal takes on its device."""
        return self._signal.n_bytes

    @property
    def has_pcres(self) -> bool:
        """Whether any gene of the store can have a pCRE in this view."""
        return bool(self.max_pcres and self.store.sizes["pcre"])

    @property
    def unit(self) -> str:
        """Unit of the signal, for the axes of figures."""
        if self.is_plain:
            return self.held
        return f"ln(1 + {self.held})" if self.log_base == "e" else f"log2(1 + {self.held})"

    @property
    def is_plain(self) -> bool:
        """Whether the signal is what the store holds, without a logarithm."""
        return self.scale == "arcsinh-p" or self.log_base == "none"

    @property
    def held(self) -> str:
        """What a bin of the store holds, in words."""
        return SCALES[self.scale]

    @property
    def dropped(self) -> pd.DataFrame:
        """What was left out on the way from the raw files, and why: what, reason, count."""
        counts = json.loads(self.store.attrs["dropped"])
        rows = [(what, reason, count) for what, reasons in counts.items() for reason, count in reasons.items() if count]
        return pd.DataFrame(rows, columns=["what", "reason", "count"])

    def select(
        self,
        *,
        genes: Sequence[str] | None = None,
        marks: Sequence[str] | None = None,
        window_bp: int | None = None,
        bin_bp: Sequence[int] | None = None,
        max_pcres: int | None = None,
        contacts: Contacts | None = None,
        task: Task | None = None,
        log_base: LogBase | None = None,
    ) -> GeneDataset:
        """A view with fewer genes, marks, bins or pCREs, a narrower window, another target or another logarithm.

        `contacts` keeps pCREs in the domain (TAD) of their gene's promoter, or only the others: of those that the store
        holds, the strongest of all. Ranks close up, so that `max_pcres` takes the strongest that are left.

        Raises
        ------
        InputError
            A gene or mark that the dataset does not hold, a window wider than the frame, bins that the store's do not fill,
            contacts by domain where the profile names no domains.
        """
        view = copy.copy(self)
        if genes is not None:
            wanted = [genes] if isinstance(genes, str) else list(genes)
            position = pd.Index(self.genes["gene_id"]).get_indexer(wanted)
            if (position < 0).any():
                raise InputError(f"{self.cell_type}: no gene {wanted[int(np.argmin(position))]!r} among the {len(self):,} of this dataset; data.genes lists them")
            view.genes = self.genes.iloc[position].reset_index(drop=True)
            view._rows = self._rows[position]
        if max_pcres is not None:
            check_max_pcres(self.store, max_pcres)
            view.max_pcres = max_pcres
        if contacts is not None:
            view.contacts = contacts
            view._signal = view._with_contacts(self._signal)
        if any(value is not None for value in (marks, window_bp, bin_bp, log_base)):
            view.log_base = log_base or self.log_base
            view.marks = tuple(marks) if marks is not None else self.marks
            view.window_bp = int(window_bp) if window_bp is not None else self.window_bp
            view.bin_bp = tuple(bin_bp) if bin_bp is not None else self.bin_bp
            view._signal = view._build_signal().to(self.device, self.dtype)
        if task is not None:
            view.task = task
            view._targets = view._build_targets().to(self.device)
        return view

    def fold(self, fold: int) -> tuple[GeneDataset, GeneDataset]:
        """Training genes and held-out genes of one fold; no chromosome is in both."""
        check_fold(self.cell_type, self.genes["fold"], fold)
        held_out = self.genes["fold"] == fold
        return tuple(self.select(genes=self.genes.loc[mask, "gene_id"].tolist()) for mask in (~held_out, held_out))

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> GeneDataset:
        """The same genes on another device, or their signal kept in another type (torch.float16: half the memory).

        Batches hold float32 whatever the type. Views of one dataset that are moved to one device share one copy there.
        """
        device = self.device if device is None else torch.device(device)
        if device == self.device and dtype in (None, self.dtype):
            return self
        moved = copy.copy(self)
        moved._signal, moved._targets = self._signal.to(device, dtype), self._targets.to(device)
        return moved

    def touching(self) -> tuple[np.ndarray, np.ndarray]:
        """As the function of that name, of the genes of this view, in their order."""
        return tuple(values[self._rows, : self.max_pcres] for values in touching(self.store, self.contacts))

    @property
    def targets(self) -> Tensor:
        """Target of each gene, (gene,), in the order of `genes`: label or log2(RPKM + 1)."""
        return self._targets[torch.from_numpy(self._rows).to(self.device)]

    def spread(self) -> dict[int, Tensor]:
        """Standard deviation of each mark's signal over the bins of these genes' promoters, bin width -> (m,)."""
        rows = torch.from_numpy(self._rows).to(self.device)
        return {width: self._signal.promoter[width][rows].float().flatten(0, 1).std(0) for width in self.bin_bp}

    def batch(self, indices: Sequence[int] | Tensor) -> Batch:
        """Gather the genes at these positions of `genes`, with room for every rank: to look at, or to change."""
        (packed,) = self.batches([indices])
        return packed.unpack(self.frame_bp)

    def batches(self, indices: Iterable[Sequence[int] | Tensor]) -> Iterator[PackedBatch]:
        """Gather one batch after the other: the genes at these positions of `genes`, packed.

        All are planned on the host first, and what the device has to know goes there in one transfer; after that nothing
        passes between the two and neither waits for the other.
        """
        plans = [self._plan(np.asarray(positions, np.int64)) for positions in indices]
        parts = [part for plan in plans for part in plan[:4]]
        if parts:
            moved = torch.from_numpy(np.concatenate(parts)).to(self.device)
            pieces = iter(moved.split([len(part) for part in parts]))
        for plan in plans:
            yield self._gather(plan, *(next(pieces) for _ in range(4)))

    def _plan(self, positions: np.ndarray) -> Plan:
        layout, rows = self._signal.layout, self._rows[positions]
        by_gene = layout.gene_pcre[rows, : self.max_pcres]
        gene_idx, rank_idx = np.nonzero(by_gene >= 0)
        pcre = by_gene[gene_idx, rank_idx]
        finest = layout.n_bins[min(self.bin_bp)][pcre]
        order = np.argsort(finest, kind="stable")
        pcre, gene_idx, rank_idx = pcre[order], gene_idx[order], rank_idx[order]
        groups = []
        for group in _like_width(finest[order]):
            widest = {width: int(layout.n_bins[width][pcre[group]].max()) for width in self.bin_bp}
            # A masked row averages over the whole frame, so no bin of it may be cropped.
            groups.append((group, widest | {width: self.frame_bp // width for width in self._signal.is_blind}))
        return Plan(rows, pcre, gene_idx, rank_idx, groups)

    def _gather(self, plan: Plan, rows: Tensor, pcre: Tensor, gene_idx: Tensor, rank_idx: Tensor) -> PackedBatch:
        signal = self._signal
        groups = []
        for group, n_bins in plan.groups:
            genes = rows[gene_idx[group]]
            found = {width: self._gather_pcres(width, pcre[group], genes, n_bins[width]) for width in self.bin_bp}
            groups.append(Regions(*({width: pair[i] for width, pair in found.items()} for i in range(2))))
        return PackedBatch(
            promoter={width: tensor[rows].float() for width, tensor in signal.promoter.items()},
            is_promoter_padding={width: tensor[rows] for width, tensor in signal.is_promoter_padding.items()},
            pcres=tuple(groups), gene_idx=gene_idx, rank_idx=rank_idx,
            contact=signal.contact[rows, : self.max_pcres], target=self._targets[rows],
        )  # fmt: skip

    def _gather_pcres(self, width: int, pcre: Tensor, genes: Tensor, n_bins: int) -> tuple[Tensor, Tensor]:
        """Signal (n, l, m) and padding (n, l) of pCREs, centred in `n_bins` bins; `genes` are the rows of their genes."""
        signal, frame_bins = self._signal, self.frame_bp // width
        first = signal.pcre_row[width][pcre]
        own_bins = signal.pcre_row[width][pcre + 1] - first                      # (n,)
        left = -((own_bins - frame_bins) // 2) - frame_offset(n_bins, frame_bins)
        bin_idx = torch.arange(n_bins, device=pcre.device) - left.unsqueeze(1)   # (n, l)
        is_padding = (bin_idx < 0) | (bin_idx >= own_bins.unsqueeze(1))
        row = (bin_idx + first.unsqueeze(1)).masked_fill_(is_padding, len(signal.pcre[width]) - 1)
        found = signal.pcre[width].index_select(0, row.flatten()).view(*row.shape, -1).float()
        if width in signal.is_blind:
            is_padding = is_padding | signal.is_blind[width][genes].unsqueeze(1)
        return found, is_padding

    def _build_targets(self) -> Tensor:
        """One target for each gene of the store (not of the view), so that views share it."""
        if self.task == "clf":
            return torch.from_numpy(self.store["label"].values.astype(np.int64))
        if self.task == "reg":
            # Deviates from the paper, which writes log2 RPKM: the release adds 1, and zeros need it.
            return torch.from_numpy(np.log2(self.store["expression"].values + 1).astype(np.float32))
        raise InputError(f"GeneDataset: task={self.task!r}, expected clf or reg; chromolib.pair makes the two-cell dataset of task diff")

    def _build_signal(self) -> Signal:
        store, base_bp = self.store, int(self.store.attrs["base_bp"])
        check_selection(store, self.marks, self.bin_bp, self.window_bp)
        mark_idx = [store["mark"].values.tolist().index(mark) for mark in self.marks]
        minus = torch.from_numpy(store["strand"].values == "-")
        promoter, promoter_padding, blind, pcre, pcre_row = {}, {}, {}, {}, {}
        depth, covered_bp = cut_window(store, mark_idx, self.window_bp)
        pcre_depth = store["pcre_depth"].values[:, mark_idx]
        for width in self.bin_bp:
            mean, is_empty = pool_windows(depth, covered_bp, base_bp, width)
            x, is_padding, is_blind = centre(self._log(mean), is_empty, minus, self.frame_bp // width)
            promoter[width] = x
            if is_padding.any():
                promoter_padding[width] = is_padding
            if is_blind.any():
                blind[width] = is_blind
            mean, pcre_row[width] = pool_ragged(pcre_depth, store["pcre_row"].values, _pcre_widths(store), base_bp, width)
            pcre[width] = F.pad(self._log(mean), (0, 0, 0, 1))
        gene_pcre, contact = touching(store, self.contacts)
        layout = Layout(gene_pcre, {width: np.diff(row.numpy()) for width, row in pcre_row.items()})
        return Signal(promoter, promoter_padding, blind, pcre, pcre_row, torch.from_numpy(contact), layout)

    def _with_contacts(self, signal: Signal) -> Signal:
        """The same signal with the pCREs of this view."""
        gene_pcre, contact = touching(self.store, self.contacts)
        return replace(signal, contact=torch.from_numpy(contact).to(self.device), layout=replace(signal.layout, gene_pcre=gene_pcre))

    def mean_of(self, signal: np.ndarray) -> np.ndarray:
        """What the store holds, from signal (..., m): the inverse of the logarithm that was taken on loading."""
        return self.of_logged(np.expm1 if self.log_base == "e" else lambda x: np.exp2(x) - 1, signal)

    def signal_of(self, mean: np.ndarray) -> np.ndarray:
        """The signal that the network reads, from what the store holds (..., m)."""
        return self.of_logged(np.log1p if self.log_base == "e" else lambda x: np.log2(x + 1), mean)

    def of_logged(self, function: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> np.ndarray:
        """`function` of those marks, the last axis, whose logarithm is read; the others as they are."""
        is_logged = np.array([not self.is_plain and mark != PC1 for mark in self.marks])
        if is_logged.all():
            return function(values)
        changed = values.copy()
        changed[..., is_logged] = function(values[..., is_logged])
        return changed

    def _log(self, mean: np.ndarray) -> Tensor:
        return torch.from_numpy(self.signal_of(mean.astype(np.float32)))


def _like_width(n_bins: np.ndarray) -> list[slice]:
    """Cut pCREs, sorted by their number of bins, into at most two groups such that padding to the widest of each costs least.

    Most fragments are narrow and a few are ten times as wide: one group would be padding for the most part.
    """
    n = len(n_bins)
    if not n:
        return []
    size = np.arange(1, n + 1)
    cost = size * n_bins + (n - size) * n_bins[-1]
    cut = n - int(np.argmin(cost[::-1]))  # the last of equal ones: one group where two save nothing
    return [slice(0, cut), slice(cut, n)] if cut < n else [slice(0, n)]


def _moved(value: Tensor | dict[int, Tensor], **to: Any) -> Tensor | dict[int, Tensor]:
    return {key: tensor.to(**to) for key, tensor in value.items()} if isinstance(value, dict) else value.to(**to)


def read_like(dataset: Any, of: Any) -> None:
    """Give a dataset that is made of others what decides how it is read."""
    for name in READ:
        setattr(dataset, name, getattr(of, name))


def load_dataset(profile: Profile, cell_type: str, *, device: str = "cpu", **selection: Any) -> GeneDataset:
    """Genes of one cell type; builds its features first where they are missing or out of date.

    `selection` is what `GeneDataset.select` takes, e.g. task="reg" or window_bp=10_000.
    """
    store = open_store(profile, cell_type).load()
    own = {key: selection.pop(key) for key in ("task", "marks", "bin_bp", "window_bp") if key in selection}
    data = GeneDataset(store, log_base=profile.log_base, **({"bin_bp": profile.bin_bp} | own))
    return (data.select(**selection) if selection else data).to(resolve_device(device))


def open_store(profile: Profile, cell_type: str) -> xr.Dataset:
    """The features of a cell type, their arrays not read yet; where there are none or old ones, one process builds them."""
    if not (profile.simulated or features.path_of(profile, cell_type).exists()):
        inputs.check_there(profile, cell_type)  # before anything is made here
    simulate.ensure_raw(profile)
    with hold(profile.work_dir / ".locks" / f"features-{cell_type}"):  # also to look: another process may be replacing them
        return features.load(features.ensure(profile, cell_type))


def resolve_device(name: str) -> torch.device:
    """"auto" takes CUDA, else Apple's MPS, else the CPU; any other name must be a device that torch sees."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r}: not usable here ({one_line(error)}); expected auto, cpu, cuda or mps") from None
    return device


def gene_table(store: xr.Dataset) -> pd.DataFrame:
    """One row per gene: gene_id, symbol, chrom, tss (0-based), strand, fold, expression (RPKM), label."""
    return pd.DataFrame({"gene_id": store["gene_id"].values} | {name: store[name].values for name in GENE_COLUMNS})


def own_marks(store: xr.Dataset) -> tuple[str, ...]:
    """The marks of the profile: those that are read where none are named, its extra tracks not among them."""
    return tuple(mark for mark in store["mark"].values.tolist() if mark not in store.attrs.get("extra_tracks", ()))


def touching(store: xr.Dataset, contacts: Contacts = "all") -> tuple[np.ndarray, np.ndarray]:
    """Which pCRE each gene has at each rank, -1 where it has none, and its contact, else 0; both (g, r).

    Raises InputError where contacts by domain are asked of a store without domains.
    """
    contact = store["contact"].values.astype(np.float32)
    gene_pcre = np.where(contact == 0, -1, store["gene_pcre"].values.astype(np.int64))
    if contacts not in get_args(Contacts):
        raise InputError(f"contacts={contacts!r}, expected one of {', '.join(get_args(Contacts))}")
    if contacts == "all":
        return gene_pcre, contact
    if "is_intra_tad" not in store:
        raise InputError(
            f"{store.attrs['profile']}/{store.attrs['cell_type']}: contacts={contacts!r}, but the profile names no domains; name a BED "
            "file of TADs as inputs.domains, or read all contacts"
        )
    is_kept = (gene_pcre >= 0) & (store["is_intra_tad"].values == (contacts == "intra-TAD"))
    order = np.argsort(~is_kept, axis=1, kind="stable")
    return tuple(
        np.take_along_axis(np.where(is_kept, values, nothing), order, 1) for values, nothing in ((gene_pcre, -1), (contact, np.float32(0)))
    )


def _pcre_widths(store: xr.Dataset) -> np.ndarray:
    ends = spans(pd.Series(store["region"].values, dtype=str))
    return (ends["end"] - ends["start"]).to_numpy()


def check_fold(cell_type: str, folds: pd.Series, fold: int) -> None:
    """Raise an InputError where a fold holds none of the genes, whose `folds` these are, or all."""
    n_held_out = int((folds == fold).sum())
    if n_held_out in (0, len(folds)):
        raise InputError(f"{cell_type}: fold {fold} holds {n_held_out} of {len(folds)} genes, expected one of {sorted(folds.unique().tolist())}")


def check_max_pcres(store: xr.Dataset, max_pcres: int) -> None:
    """Raise an InputError where a store holds fewer pCREs per gene."""
    most = store.sizes["rank"]
    if not 0 <= max_pcres <= most:
        raise InputError(
            f"{store.attrs['profile']}/{store.attrs['cell_type']}: max_pcres={max_pcres}, expected 0 to {most}, which is what its features hold; "
            "for more, raise max_pcres of the profile"
        )


def check_selection(store: xr.Dataset, marks: Sequence[str], bin_bp: Sequence[int], window_bp: int) -> None:
    """Raise an InputError that names the first mark, window or bin width that cannot be read of a store."""
    known, base_bp, frame_bp = store["mark"].values.tolist(), int(store.attrs["base_bp"]), int(store.attrs["frame_bp"])
    where = f"{store.attrs['profile']}/{store.attrs['cell_type']}"
    for mark in marks:
        if mark not in known:
            raise InputError(f"{where}: no mark {mark!r}, expected some of {', '.join(known)}")
    if not marks:
        raise InputError(f"{where}: no mark selected, expected some of {', '.join(known)}")
    if not 0 < window_bp <= frame_bp or window_bp % (2 * base_bp):
        raise InputError(f"{where}: window_bp={window_bp}, expected a multiple of {2 * base_bp} up to {frame_bp:,}")
    if not bin_bp:
        raise InputError(f"{where}: no bin width selected, expected multiples of {base_bp} that divide {frame_bp:,}")
    for width in bin_bp:
        if width < 1 or width % base_bp or frame_bp % width:
            raise InputError(f"{where}: bin_bp={width}, expected a multiple of {base_bp} that divides {frame_bp:,}")
