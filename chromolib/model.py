"""Chromoformer, top to bottom in the order of the paper's figure 1.

In: a Batch (batch.py). Out: (b, 2) logits for clf, (b,) log2 expression for reg, (b, 3) for diff.
Axes as in attention.py; `s` runs over bin widths, coarse to fine, and is the leading axis of every weight.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .attention import BinAttention, Bins, GatedAttention, Tokens, copies, frame_offset, position_table
from .batch import Batch, EmbeddedBatch, PackedBatch
from .config import InputError, ModelConfig
from .products import is_parted, n_filling
from .stack import StackLinear


class Embedding(NamedTuple):
    """What the network knows of a gene: (s, b, d) before and after its pCREs are heard."""

    promoter: Tensor
    regulatory: Tensor


class TssAttention(NamedTuple):
    """Where the TSS bin of each promoter looks, and why."""

    weight: Tensor  # (b, h, l)  sums to 1 over bins, 0 in padding
    asked: Tensor   # (b, h, m)  a bin with one unit more of a mark's signal gets exp(asked) times the attention


class Chromoformer(nn.Module):
    """The paper's network; its configuration is all that is needed to rebuild it.

    With `fusion="concat"`, the reference of the paper's supplementary figure 4, no attention runs between regions: promoter
    and pCREs are laid side by side in the order of rank, and one linear map and a ReLU stand in place of the Regulation
    transformer. All else is the same. Contact frequencies are read as that order alone, since what they weigh is attention.
    `regulation_layers` of 0 leaves either out.

    Source: Lee, Yang & Kim, Nat. Commun. 13:6678 (2022), figure 1 and Methods; released code, `ChromoformerBase`.
    """

    def __init__(self, config: ModelConfig | None = None, seed: int = 42) -> None:
        super().__init__()
        self.config = config = config or ModelConfig()
        c, n, d = config, len(config.bin_bp), config.d_embedding
        # 1. Embedding transformer: the promoter's bins, read by the bin of the TSS.
        self.promoter_project = StackLinear(n, len(c.marks), d, bias=False)
        self.embedding = BinAttention(n, d, c.embedding_heads, c.embedding_ff)
        # 2. Pairwise Interaction transformer: each pCRE's bins, read by the promoter.
        self.pcre_query = StackLinear(n, d, d, bias=False)
        self.pcre_project = StackLinear(n, len(c.marks), d, bias=False)
        self.pairwise = nn.ModuleList(
            BinAttention(n, d, c.pairwise_heads, c.pairwise_ff) for _ in range(c.pairwise_layers)
        )
        # 3. Regulation transformer: promoter and pCREs among each other, weighted by contact frequency.
        self.regulation = nn.ModuleList(
            GatedAttention(n, d, c.regulation_heads, c.regulation_width, c.regulation_ff)
            for _ in range(c.regulation_layers if c.fusion == "attention" else 0)
        )
        # Deviates: the release has no such network, and the paper gives no size of its layers.
        is_joined = c.fusion == "concat" and c.regulation_layers > 0
        self.join = StackLinear(n, (1 + c.max_pcres) * d, d) if is_joined else None
        # 4. Heads.
        if c.task == "diff":
            self.head = _head(2 * n * d, c.head_width, 1)
            self.expression_heads = nn.ModuleList(_head(n * d, c.head_width, 1) for _ in range(2))
        else:
            self.head = _head(n * d, c.head_width, 2 if c.task == "clf" else 1)
        self.register_buffer("gain", None)  # (s, 1, m) of the signal, while training puts all marks on one scale; see fold_gain
        for bin_bp in c.bin_bp:
            table = position_table(c.frame_bp // bin_bp, d)
            self.register_buffer(f"position_{bin_bp}", table, persistent=False)
        self._initialise(seed)

    def forward(self, batch: Batch | PackedBatch | EmbeddedBatch) -> Tensor:
        """Logits (b, 2), log2 expression (b,), or fold change and both log2 expressions (b, 3)."""
        if self.config.task != "diff":
            out = self.head(self.features(batch))
            return out if self.config.task == "clf" else out.squeeze(-1)
        if batch.other is None:
            raise InputError("task diff: the batch holds one cell type, expected two; build the dataset with chromolib.pair")
        first, second = self.features(batch), self.features(batch.other)
        change = self.head(torch.cat([first, second], -1))
        return torch.cat([change, self.expression_heads[0](first), self.expression_heads[1](second)], -1)

    def features(self, batch: Batch | PackedBatch | EmbeddedBatch) -> Tensor:
        """What the heads read: both embeddings added, resolutions side by side, (b, s * d).

        The release adds the promoter's embedding to the regulatory one; the paper does not mention it. A network without a
        Regulation transformer has only the first.
        """
        if isinstance(batch, EmbeddedBatch):
            return batch.features
        embedding = self.embed(batch)
        if not self.config.regulation_layers:
            return embedding.promoter.transpose(0, 1).flatten(1)
        return (embedding.promoter + embedding.regulatory).transpose(0, 1).flatten(1)

    def embed(self, batch: Batch | PackedBatch) -> Embedding:
        """Embed the promoters of a batch, alone and with their pCREs."""
        self._check(batch)
        batch = batch.pack() if isinstance(batch, Batch) else batch
        promoter = self._embed_promoters(batch)                                  # (s, b, d)
        if not self.config.regulation_layers:
            return Embedding(promoter, promoter)
        tokens, places = promoter, (batch.gene_idx, batch.rank_idx)
        if batch.pcres:
            if n := n_filling(promoter, len(batch) + len(batch.gene_idx)):
                places = batch.with_absent(n)
            tokens = torch.cat([promoter, self._embed_pcres(promoter, batch, *places)], 1)
        if self.join is not None:
            return Embedding(promoter, self._join(tokens, batch))
        return Embedding(promoter, self._regulate(tokens, Tokens.of(batch.contact, *places)))

    def _embed_promoters(self, batch: PackedBatch) -> Tensor:
        tss, bins = self._promoter_bins(batch)
        return self.embedding(tss, [bins])

    def _promoter_bins(self, batch: Batch | PackedBatch) -> tuple[Tensor, list[Bins]]:
        """The embedded bin of each TSS, (s, b, d), which asks, and the bins of its window, which it asks of."""
        bins, tss_rows = [], []
        for s, bin_bp in enumerate(self.config.bin_bp):
            signal = batch.promoter[bin_bp]                                      # (b, l, m)
            position = self._positions(bin_bp, signal.shape[1])
            project = self._project(self.promoter_project, s)
            tss = self._tss_idx(bin_bp, signal.shape[1])
            tss_rows.append(torch.matmul(signal[:, tss], project.transpose(0, 1)) + position[tss])
            bins.append(Bins(signal, position, project, batch.is_promoter_padding.get(bin_bp)))
        return torch.stack(tss_rows), bins

    def _embed_pcres(self, promoter: Tensor, batch: PackedBatch, gene_idx: Tensor, rank_idx: Tensor) -> Tensor:
        """Each pCRE as its promoter sees it: (s, n, d). Places without one, behind the others, hear nothing and are not heard."""
        groups = [
            [
                Bins(signal, self._positions(bin_bp, signal.shape[1]), self._project(self.pcre_project, s), regions.is_padding[bin_bp])
                for s, bin_bp in enumerate(self.config.bin_bp)
                for signal in [regions.signal[bin_bp]]
            ]
            for regions in batch.pcres
        ]
        # All pCREs of a gene begin with one stream, its promoter's: the first query is folded once for all of them.
        query = self.pcre_query(promoter)                                        # (s, b, d)
        first = torch.cat([query, *(layer.folded_query(query) for layer in self.pairwise[:1])], -1)
        x, u = copies(first, gene_idx, rank_idx, batch.contact.shape[1]).tensor_split([query.shape[-1]], -1)
        for layer in self.pairwise:
            x, u = layer(x, groups, u), None
        return x

    def _regulate(self, x: Tensor, tokens: Tokens) -> Tensor:
        """Promoters and pCREs, packed, (s, n, d) -> the promoters' tokens after all layers, (s, b, d)."""
        heads = tokens.by_head(1 if is_parted(x) else len(x), self.config.regulation_heads)
        for layer in self.regulation[:-1]:
            x = layer(x, heads)
        return self.regulation[-1].promoters(x, tokens)

    def _join(self, x: Tensor, batch: PackedBatch) -> Tensor:
        """Promoters and pCREs, packed, (s, n, d) -> each promoter beside its pCREs, 0 where it has none, mapped to (s, b, d)."""
        b, t = len(batch), 1 + self.config.max_pcres
        place = torch.cat([torch.arange(b, device=x.device) * t, batch.gene_idx * t + batch.rank_idx + 1])
        side = x.new_zeros(len(x), b * t, x.shape[2]).index_copy(1, place, x[:, : len(place)])
        return self.join(side.view(len(x), b, -1)).relu()

    @torch.no_grad()
    def tss_attention(self, batch: Batch | PackedBatch) -> dict[int, TssAttention]:
        """Attention of the TSS bin over the bins of its window as `forward` uses it, by bin width.

        Bins in the direction of transcription. It is one row of `attention_maps`, without the others.
        """
        self._check(batch)
        tss, bins = self._promoter_bins(batch)
        found = self.embedding.weights(tss, bins)
        return {bin_bp: TssAttention(*pair) for bin_bp, pair in zip(self.config.bin_bp, found, strict=True)}

    @torch.no_grad()
    def attention_maps(self, batch: Batch) -> dict[int, Tensor]:
        """Full attention maps of the promoters, bin width -> (b, h, l, l): what figure 4 of the paper shows.

        Row q, column k: how much bin q of the window listens to bin k, in the direction of transcription.
        """
        maps = {}
        for s, bin_bp in enumerate(self.config.bin_bp):
            signal = batch.promoter[bin_bp]
            position = self._positions(bin_bp, signal.shape[1])
            embedded = torch.matmul(signal, self._project(self.promoter_project, s).transpose(0, 1)) + position
            is_padding = batch.is_promoter_padding.get(bin_bp)
            if is_padding is None:
                is_padding = torch.zeros(signal.shape[:2], dtype=torch.bool, device=signal.device)
            maps[bin_bp] = self.embedding.full_map(embedded, is_padding, s)
        return maps

    @torch.no_grad()
    def fold_gain(self) -> None:
        """Make the gain part of the weights that read the signal: the same network, and as the paper has it."""
        if self.gain is not None:
            for linear in (self.promoter_project, self.pcre_project):
                linear.weight.mul_(self.gain)
            self.gain = None

    def _project(self, linear: StackLinear, s: int) -> Tensor:
        """The map from signal to embedding at one resolution, (d, m)."""
        return linear.weight[s] if self.gain is None else linear.weight[s] * self.gain[s]

    def _positions(self, bin_bp: int, n_bins: int) -> Tensor:
        table = getattr(self, f"position_{bin_bp}")
        first = frame_offset(n_bins, len(table))
        return table[first : first + n_bins]

    def _tss_idx(self, bin_bp: int, n_bins: int) -> int:
        frame_bins = self.config.frame_bp // bin_bp
        return frame_bins // 2 - frame_offset(n_bins, frame_bins)

    def _check(self, batch: Batch | PackedBatch) -> None:
        config = self.config
        if self.join is not None and (n_ranks := batch.contact.shape[1]) > config.max_pcres:
            raise InputError(f"batch holds {n_ranks} pCREs a gene, the network has places for {config.max_pcres}; use data.select(max_pcres=...)")
        for bin_bp in config.bin_bp:
            if bin_bp not in batch.promoter:
                raise InputError(f"batch holds bins of {sorted(batch.promoter)} bp, the network reads {bin_bp} bp; use data.select(bin_bp=...)")
            n_bins, n_marks = batch.promoter[bin_bp].shape[1:]
            if n_marks != len(config.marks):
                raise InputError(f"batch holds {n_marks} marks, the network reads {len(config.marks)}: {', '.join(config.marks)}; use data.select(marks=...)")
            if n_bins * bin_bp > config.frame_bp + bin_bp:
                raise InputError(f"promoter window of {n_bins} bins of {bin_bp} bp is wider than frame_bp={config.frame_bp:,}; use data.select(window_bp=...)")

    def _initialise(self, seed: int) -> None:
        """Uniform in ±1/sqrt(inputs), torch's default for linear maps."""
        # Deviates: the release seeds torch's global generator in its constructor; here other random numbers stay as they are.
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if "norm." in name or name.endswith("gamma"):
                continue  # ones and zeros already
            if name.endswith("bias"):
                weight = self.get_parameter(name.removesuffix("bias") + "weight")
                bound = 1 / math.sqrt(weight.shape[-1])
            else:
                bound = 1 / math.sqrt(parameter.shape[-1])
            nn.init.uniform_(parameter, -bound, bound, generator=generator)


def _head(n_in: int, width: int, n_out: int) -> nn.Sequential:
    skip = nn.utils.skip_init  # weights come from _initialise; torch's own would draw from the global generator
    return nn.Sequential(skip(nn.Linear, n_in, width), nn.ReLU(), skip(nn.Linear, width, n_out))
