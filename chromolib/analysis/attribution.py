"""What of a prediction each bin of the input is credited with: integrated gradients.

In: a network and genes that it did not see. Out: attributions in the unit of the score: logit of being on (clf) or log2(RPKM + 1)
(reg); positions in bp. Those of a gene add up to its score minus that of the same gene without any signal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .. import resampling
from ..answers import networks
from ..attention import frame_offset
from ..batch import PackedBatch
from ..checkpoints import Network
from ..config import InputError
from ..dataset import GeneDataset
from ..genome import Region
from ..runs import Run
from ..train import check_fits, score
from .perturbation import PROMOTER, drawn
from .tracks import means_by_label

N_STEPS = 16  # points of the path, at Gauss-Legendre's places
BATCH = 64    # genes at a time
COARSE_BP = 2000                               # of bins in which a maximum is looked for: the network's widest
SIDES = {"downstream": 1, "upstream": -1}      # of the TSS, in the direction of transcription
SIDE_BP = (2000, 20_000)                       # of either side, without what lies around the TSS


class Attributions(NamedTuple):
    """Of the genes of one dataset by one network."""

    genes: pd.DataFrame      # gene_id, score, without (score of the gene without signal), total (sum of its attributions)
    regions: pd.DataFrame    # gene_id, region (promoter or name of a pCRE), mark, attribution (sum over the bins)
    promoter: np.ndarray     # (gene, l, m)  all bin widths together, in the direction of transcription
    offset: np.ndarray       # (l,)          middle of these bins, bp from the TSS, downstream positive
    tracks: pd.DataFrame     # gene_id, region, chrom, start, end, value: all marks together, a row per bin, overlapping where regions do

    def of(self, cell_type: str) -> Attributions:
        """Those of one cell type, of what `of_runs` gives for several."""
        is_own = self.genes["cell_type"] == cell_type
        tables = {name: getattr(self, name)[getattr(self, name)["cell_type"] == cell_type] for name in ("genes", "regions", "tracks")}
        return self._replace(promoter=self.promoter[is_own.to_numpy()], **tables)


def integrated_gradients(model: Network, batch: PackedBatch, n_steps: int = N_STEPS) -> PackedBatch:
    """Attributions of a batch, in the place of its signal.

    The path goes straight from no signal to the signal, all regions, marks and bin widths at once; which pCREs there are and how
    often they touch stays. No signal means no reads: 0 = ln(1 + 0), the only value that says the same at every bin width and of
    every mark, and what padding holds. No real region is that empty, so the path begins outside of what networks have seen.

    Source: Sundararajan, Taly & Yan, ICML 2017; the integral by Gauss and Legendre's rule. captum's IntegratedGradients gives
    the same numbers (tests/test_attribution.py), but lays out n_steps copies of padded batches.
    """
    signal = _signal_of(batch)
    node, weight = np.polynomial.legendre.leggauss(n_steps)
    mean_gradient = [torch.zeros_like(part) for part in signal]
    for x, share in zip((node + 1) / 2, weight / 2, strict=True):
        scaled = [(part * x).requires_grad_() for part in signal]
        score = _score(model, _with_signal(batch, scaled)).sum()
        gradients = torch.autograd.grad(score, scaled, allow_unused=True, materialize_grads=True)
        for total, gradient in zip(mean_gradient, gradients, strict=True):
            total.add_(gradient, alpha=share)
    return _with_signal(batch, [part * gradient for part, gradient in zip(signal, mean_gradient, strict=True)])


def explain(model: Network, data: GeneDataset, n_steps: int = N_STEPS) -> Attributions:
    """Attributions of all genes of a dataset. In memory: 11 kB a gene for the promoter, with the paper's window and marks.

    Raises
    ------
    InputError
        A dataset that is not what the network reads, or a network of fold changes, which reads two cell types.
    """
    if model.config.task == "diff":
        raise InputError("attributions: the network predicts fold changes of two cell types, expected a classifier or regressor; take one of these")
    data = data.select(task=model.config.task)
    check_fits(model.config, data)
    model.eval()
    genes, regions, promoter, tracks = [], [], [], []
    for first, batch in _batches(data):
        found = integrated_gradients(model, batch, n_steps)
        part = data.genes.iloc[first : first + len(batch)].reset_index(drop=True)
        profile, start = _fine_promoter(found.promoter, data)
        by_pcre = list(_by_pcre(found, data, part, first))
        in_promoter = pd.DataFrame(profile.sum(1), columns=list(data.marks)).assign(gene_id=part["gene_id"], region=PROMOTER)
        in_pcres = pd.DataFrame([row.sum(0) for *_, row in by_pcre], columns=list(data.marks)).assign(
            gene_id=[gene for gene, *_ in by_pcre], region=[str(region) for _, region, *_ in by_pcre]
        )
        regions += [in_promoter, in_pcres]
        tracks += [_promoter_track(profile.sum(2), start, _step(data), part, data), *(_pcre_track(*row) for row in by_pcre)]
        promoter.append(profile)
        genes.append(part[["gene_id"]].assign(**_ends_of_path(model, batch), total=_totals(found)))
    table = pd.concat(regions, ignore_index=True).melt(["gene_id", "region"], var_name="mark", value_name="attribution")
    offset = start + _step(data) * (np.arange(profile.shape[1]) + 0.5)
    return Attributions(pd.concat(genes, ignore_index=True), table, np.concatenate(promoter), offset, pd.concat(tracks, ignore_index=True))


def _batches(data: GeneDataset) -> Iterator[tuple[int, PackedBatch]]:
    parts = torch.arange(len(data)).split(BATCH)
    for part, batch in zip(parts, data.batches(parts), strict=True):
        yield int(part[0]), batch


def _score(model: Network, batch: PackedBatch) -> Tensor:
    return score(model(batch), model.config.task)


def _signal_of(batch: PackedBatch) -> list[Tensor]:
    return [*batch.promoter.values(), *(part for regions in batch.pcres for part in regions.signal.values())]


def _with_signal(batch: PackedBatch, signal: Sequence[Tensor]) -> PackedBatch:
    parts = iter(signal)
    promoter = {width: next(parts) for width in batch.promoter}
    pcres = tuple(replace(regions, signal={width: next(parts) for width in regions.signal}) for regions in batch.pcres)
    return replace(batch, promoter=promoter, pcres=pcres)


@torch.no_grad()
def _ends_of_path(model: Network, batch: PackedBatch) -> dict[str, np.ndarray]:
    empty = _with_signal(batch, [torch.zeros_like(part) for part in _signal_of(batch)])
    return {"score": _score(model, batch).cpu().numpy(), "without": _score(model, empty).cpu().numpy()}


def _totals(found: PackedBatch) -> np.ndarray:
    """Sum of all attributions of each gene, (b,)."""
    total = sum(part.sum((1, 2)) for part in found.promoter.values())
    if found.pcres:
        of_pcre = torch.cat([sum(part.sum((1, 2)) for part in regions.signal.values()) for regions in found.pcres])
        total = total.index_add(0, found.gene_idx, of_pcre)
    return total.cpu().numpy()


# On one grid


def _step(data: GeneDataset) -> int:
    """Bins in bp that all bin widths are whole numbers of."""
    return math.gcd(*data.bin_bp)


def _fine_promoter(found: dict[int, Tensor], data: GeneDataset) -> tuple[np.ndarray, int]:
    """All bin widths on the narrowest grid, each bin's share spread evenly, (b, l, m), and its start, bp from the TSS."""
    step, parts = _step(data), []
    for width, part in found.items():
        frame_bins = data.frame_bp // width
        tss_idx = frame_bins // 2 - frame_offset(part.shape[1], frame_bins)
        parts.append((-tss_idx * width, np.repeat(part.cpu().numpy() / (width // step), width // step, axis=1)))
    first = min(start for start, _ in parts)
    n_bins = max((start - first) // step + part.shape[1] for start, part in parts)
    total = np.zeros((len(part), n_bins, part.shape[2]), np.float32)
    for start, part in parts:
        at = (start - first) // step
        total[:, at : at + part.shape[1]] += part
    return total, first


def _by_pcre(found: PackedBatch, data: GeneDataset, genes: pd.DataFrame, first: int) -> Iterator[tuple[str, Region, int, np.ndarray]]:
    """Gene, region, width of the bins in bp and attributions in them, (l, m), of each pCRE of a batch."""
    gene_pcre = data.touching()[0][first : first + len(genes)]
    names, step, number = data.store["region"].values, _step(data), 0
    gene_idx, rank_idx = found.gene_idx.cpu().numpy(), found.rank_idx.cpu().numpy()
    for regions in found.pcres:
        signal = {width: part.cpu().numpy() for width, part in regions.signal.items()}
        holds = {width: ~part.cpu().numpy() for width, part in regions.is_padding.items()}
        for i in range(len(next(iter(signal.values())))):
            gene, rank = gene_idx[number], rank_idx[number]
            region = Region.parse(names[gene_pcre[gene, rank]])
            total = np.zeros((-(-region.width // step), len(data.marks)), np.float32)
            for width, part in signal.items():
                if (own := part[i][holds[width][i]]).size:                                   # (l, m)
                    coarse = np.arange(len(total)) * step // width
                    total += own[coarse] / np.bincount(coarse)[coarse, None]
            yield genes["gene_id"].iloc[gene], region, step, total
            number += 1


def _promoter_track(values: np.ndarray, start: int, step: int, genes: pd.DataFrame, data: GeneDataset) -> pd.DataFrame:
    """Rows of `tracks` of promoter windows, from (b, l) in the direction of transcription; bins off the chromosome have none."""
    n_bins = values.shape[1]
    offset = start + step * np.arange(n_bins)
    is_minus = (genes["strand"] == "-").to_numpy()[:, None]
    tss = genes["tss"].to_numpy()[:, None]
    left = np.where(is_minus, tss - offset - step, tss + offset)
    chrom = np.repeat(genes["chrom"].to_numpy(), n_bins)
    gene_id = np.repeat(genes["gene_id"].to_numpy(), n_bins)
    table = pd.DataFrame({"gene_id": gene_id, "region": PROMOTER, "chrom": chrom, "start": left.ravel(), "end": left.ravel() + step, "value": values.ravel()})
    size = np.repeat(data.store["chrom_bp"].sel(gene_id=genes["gene_id"].tolist()).values, n_bins)
    return table[(table["end"] > 0) & (table["start"] < size)]


def _pcre_track(gene: str, region: Region, step: int, values: np.ndarray) -> pd.DataFrame:
    start = region.start + step * np.arange(len(values))
    end = np.minimum(start + step, region.end)
    return pd.DataFrame({"gene_id": gene, "region": str(region), "chrom": region.chrom, "start": start, "end": end, "value": values.sum(1)})


# Over genes


def by_label(found: Attributions, marks: Sequence[str]) -> pd.DataFrame:
    """Mean attribution along the promoters of genes that are on and off in bins of COARSE_BP, as `tracks.mean_by_label` has the
    signal: mark, label, offset (bp, downstream positive), mean, low, high (95 % interval of the mean), n."""
    values, offset = coarser(found)
    return means_by_label(values, found.genes["label"], offset, marks)


def of_runs(runs: Iterable[Run], n_steps: int = N_STEPS, n_genes: int | None = None) -> Attributions:
    """`explain` by each run's network, of the genes that it did not see, all or so many drawn at random: tables with cell_type,
    fold and seed in front, genes with their label."""
    parts = []
    for run, model, held_out in networks(runs):
        held_out = drawn(held_out, n_genes)
        found = explain(model, held_out, n_steps)
        where = {"cell_type": run.cell_type, "fold": run.fold, "seed": run.seed}
        genes = found.genes.assign(label=held_out.genes["label"].to_numpy())
        tables = {"genes": genes, "regions": found.regions, "tracks": found.tracks}
        parts.append(found._replace(**{name: table.assign(**where)[[*where, *table]] for name, table in tables.items()}))
    joined = {name: pd.concat([getattr(part, name) for part in parts], ignore_index=True) for name in ("genes", "regions", "tracks")}
    return Attributions(promoter=np.concatenate([part.promoter for part in parts]), offset=parts[0].offset, **joined)


def completeness(genes: pd.DataFrame) -> pd.DataFrame:
    """How well attributions add up, by run: cell_type, fold, seed, genes, shared (mean size of score minus that without signal),
    missed (mean size of what the sum of attributions is off by), largest (of these)."""
    shared, missed = (genes["score"] - genes["without"]).abs(), (genes["total"] - genes["score"] + genes["without"]).abs()
    groups = genes.assign(shared=shared, missed=missed).groupby(["cell_type", "fold", "seed"], sort=False)
    return groups.agg(genes=("gene_id", "size"), shared=("shared", "mean"), missed=("missed", "mean"), largest=("missed", "max")).reset_index()


def coarser(found: Attributions) -> tuple[np.ndarray, np.ndarray]:
    """Attributions along the promoter, summed in bins of COARSE_BP that begin at the TSS, (gene, l, m), and their middles in bp."""
    number = np.floor(found.offset / COARSE_BP).astype(int)
    edges = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    return np.add.reduceat(found.promoter, edges, axis=1), (number[edges] + 0.5) * COARSE_BP


def maxima(found: Attributions, marks: Sequence[str], *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Where the mean attribution of each mark is largest along the promoters of genes that are on, in bins of COARSE_BP.

    Returns
    -------
    DataFrame
        mark, offset (middle of that bin, bp from the TSS, downstream positive), low, high (95 % of resamples of genes have it there),
        value (mean attribution in it), downstream (mean attribution from 2 to 20 kb downstream), upstream (the same upstream), genes
    """
    values, offset = coarser(found)
    on = values[(found.genes["label"] == 1).to_numpy()]
    weights = [*resampling.with_all(len(on), n_resamples, seed)]
    rows = []
    for k, mark in enumerate(marks):
        mean = np.concatenate([weight @ on[..., k] for weight in weights]) / len(on)         # (1 + b, l)
        place = offset[mean.argmax(1)]
        sides = [mean[0, _is_side(offset, side)].sum() for side in SIDES.values()]
        rows.append((mark, place[0], *np.quantile(place[1:], (0.025, 0.975)), mean[0].max(), *sides, len(on)))
    return pd.DataFrame(rows, columns=["mark", "offset", "low", "high", "value", *SIDES, "genes"])


def for_claims(found: Attributions, marks: Sequence[str]) -> pd.DataFrame:
    """What `claims.evaluate` takes: each gene's attribution from 2 to 20 kb downstream and upstream of its TSS as models "<mark>,
    downstream" and "<mark>, upstream", and of all marks together ("all marks, ..."). Genes that are on alone: for these the body
    has something to tell."""
    is_on = (found.genes["label"] == 1).to_numpy()
    genes, tables = found.genes.loc[is_on, ["cell_type", "gene_id"]], []
    for name, side in SIDES.items():
        sums = found.promoter[is_on][:, _is_side(found.offset, side)].sum(1)                 # (gene, m)
        for mark, total in (*zip(marks, sums.T, strict=True), ("all marks", sums.sum(1))):
            tables.append(genes.assign(task="reg", model=f"{mark}, {name}", score=total, target=0.0))
    return pd.concat(tables, ignore_index=True)


def _is_side(offset: np.ndarray, side: int) -> np.ndarray:
    return (offset * side > SIDE_BP[0]) & (offset * side < SIDE_BP[1])


def gene_track(tracks: pd.DataFrame, gene_id: str, regions: pd.DataFrame) -> pd.DataFrame:
    """Attributions of one gene where a figure puts them, each bin once: start, end, value, x; `regions` from `tracks.gene_regions`."""
    track = tracks[tracks["gene_id"] == gene_id]
    parts = []
    for region in regions.itertuples():
        own = track[track["region"] == (PROMOTER if region.what == "promoter" else region.region)]      # regions may overlap
        here = own[(own["start"] >= region.start) & (own["end"] <= region.end)]                         # without padding
        parts.append(here.assign(x=region.x_start + (here["start"] + here["end"]) / 2 - region.start))
    return pd.concat(parts, ignore_index=True)[["start", "end", "value", "x"]]
