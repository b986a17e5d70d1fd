"""CRISPRi screens beside predictions: what a network expects of the regions that were silenced.

In: a screen as `readers.read_screen` gives it, a dataset, predicted changes. Out: tidy tables; measured effects as fractions of
expression, predicted ones in the unit of the score.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from .. import readers, resampling
from ..answers import networks
from ..dataset import GeneDataset
from ..files import write_whole
from ..genome import Region, profile_genome
from ..profile import Profile
from ..runs import Run
from . import pcres, rankings
from .perturbation import PROMOTER, changes, drawn, from_genome
from .rankings import CONTACT, NEAR, PAIR, RAISES, SILENCED


def edits(data: GeneDataset, screen: pd.DataFrame) -> pd.DataFrame:
    """An edit for each row of a screen whose region the network reads: all marks removed in it, by the name of the region.

    A network reads the promoter window of a gene and its pCREs. Where the region lies in several of these, all are edited.

    Returns
    -------
    DataFrame
        As `perturbation.changes` takes it; attrs["dropped"] counts rows of genes that the dataset does not hold, and of regions
        that their gene's network does not read.
    """
    held = screen[screen["gene_id"].isin(data.genes["gene_id"])]
    rows = [row for pair in held.itertuples() for row in _parts(data, pair)]
    table = pd.DataFrame(rows, columns=["gene_id", "edit", "region", "start", "end"]).assign(operation="remove")
    n_read = table[["gene_id", "edit"]].drop_duplicates().shape[0]
    table = from_genome(data, table) if len(table) else table
    table.attrs["dropped"] = {"gene not in the dataset": len(screen) - len(held), "region not read by its gene's network": len(held) - n_read}
    return table


def _parts(data: GeneDataset, pair) -> Iterator[tuple]:
    """The promoter window and pCREs of a gene that a screened region overlaps, with the part of each."""
    tested = Region.parse(pair.region)
    gene = data.genes.iloc[pd.Index(data.genes["gene_id"]).get_loc(pair.gene_id)]
    half = data.window_bp // 2
    own = [(PROMOTER, Region(gene["chrom"], gene["tss"] - half, gene["tss"] + half))]
    own += [(name, Region.parse(name)) for name in _pcres_of(data, pair.gene_id)]
    for name, region in own:
        if region.overlaps(tested):
            yield pair.gene_id, pair.region, name, max(region.start, tested.start), min(region.end, tested.end)


def _pcres_of(data: GeneDataset, gene_id: str) -> list[str]:
    (gene_pcre,), _ = data.select(genes=[gene_id]).touching()
    return data.store["region"].values[gene_pcre[gene_pcre >= 0]].tolist()


def beside(screen: pd.DataFrame, data: GeneDataset, edited: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """A screen beside predictions for the `edited` of it, from `perturbation.changes`: gene_id, region, effect, significant, change
    (predicted), contact (the strongest of the pCREs that hold the region; 0 in the promoter window alone), in_promoter (a part lies
    in the promoter window), distance (bp from the TSS to the region's middle, without sign)."""
    table = screen[[*PAIR, "effect", "significant"]].merge(
        predicted[["gene_id", "edit", "change"]].rename(columns={"edit": "region"}), on=PAIR
    )
    held = edited.rename(columns={"edit": "tested"}).merge(pcres.pairs(data)[[*PAIR, "contact"]], on=PAIR)
    contact = held.groupby(["gene_id", "tested"])["contact"].max()
    middle = table["region"].map(lambda name: (Region.parse(name).start + Region.parse(name).end) // 2)
    tss = data.genes.set_index("gene_id")["tss"].reindex(table["gene_id"]).to_numpy()
    found = contact.reindex(pd.MultiIndex.from_frame(table[PAIR])).fillna(0.0).to_numpy()
    own = pd.MultiIndex.from_frame(edited.loc[edited["region"] == PROMOTER, ["gene_id", "edit"]])
    in_promoter = pd.MultiIndex.from_frame(table[PAIR]).isin(own)
    return table.assign(contact=found, in_promoter=in_promoter, distance=np.abs(middle - tss))


def precision(table: pd.DataFrame, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """`rankings.precision` of a table of `beside`: how well regions that lower expression significantly where they are silenced
    are found by the predicted fall, by contact and by nearness. Regions in the promoter window, which no contact is measured of, come
    before all contacts, since they touch the promoter by being there."""
    contact = table["contact"].mask(table["in_promoter"].astype(bool), table["contact"].max() + 1)
    is_found = table["significant"] & (table["effect"] < 0)
    scores = {SILENCED: -table["change"], CONTACT: contact, NEAR: -table["distance"].astype(float)}
    parts = [table[PAIR].assign(kind=RAISES, ranking=name, score=score, is_planted=is_found) for name, score in scores.items()]
    return rankings.precision(pd.concat(parts, ignore_index=True), n_resamples=n_resamples, seed=seed)


def correlation(table: pd.DataFrame, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Spearman's correlation of predicted change and measured effect: value, low, high (95 %, resampling genes), pairs, genes; no
    row of fewer than two genes, or where all effects are the same."""
    genes = pd.Index(table["gene_id"].unique())
    if len(genes) < 2 or table["effect"].nunique() < 2:
        return pd.DataFrame(columns=["value", "low", "high", "pairs", "genes"])
    gene, x, y = genes.get_indexer(table["gene_id"]), table["effect"].to_numpy(float), table["change"].to_numpy(float)
    weights = resampling.with_all(len(genes), n_resamples, seed)
    drawn = np.concatenate([resampling.spearman(x, y, weight[:, gene]) for weight in weights])
    return pd.DataFrame([(*resampling.interval(drawn), len(table), len(genes))], columns=["value", "low", "high", "pairs", "genes"])


def simulated(profile: Profile, cell_type: str) -> pd.DataFrame:
    """The screen that a simulated profile would give without noise: gene_id, region, effect, significant.

    Regions are whole pCREs; effect is the change of RPKM without what they contribute, significant that this is rankings.LEAST or
    more on the scale of log2. No rows for a profile of real data.
    """
    truth = rankings.planted(profile, cell_type)
    contribution = truth["contribution"].astype(float)
    effect = np.exp2(-contribution) - 1
    return truth[PAIR].assign(effect=effect, significant=contribution.abs() >= rankings.LEAST)


def try_simulated(profile: Profile, cell_type: str, path: Path, runs: Iterable[Run], n_genes: int | None = None) -> pd.DataFrame:
    """Write what `simulated` gives to a file as users bring one, read it, and set it beside predictions of held-out genes: columns of
    `beside`. No rows for a profile of real data, or of networks without pCREs."""
    columns = [*PAIR, "effect", "significant", "change", "contact", "in_promoter", "distance"]
    screen = simulated(profile, cell_type)
    if screen.empty:
        return pd.DataFrame(columns=columns)
    write_whole(path, lambda part: screen.to_csv(part, index=False))
    screen, parts = readers.read_screen(path, profile_genome(profile)), []
    for _, model, held_out in networks(run for run in runs if run.cell_type == cell_type):
        held_out = drawn(held_out, n_genes)
        edited = edits(held_out, screen)
        parts.append(beside(screen, held_out, edited, changes(model, held_out, edited)))
    return pd.concat(parts, ignore_index=True)


def statement(table: pd.DataFrame) -> str:
    """How predicted changes follow measured effects, in a sentence; nothing where there is no correlation."""
    return "".join(
        f"Spearman's correlation of predicted change and effect: {row.value:.2f} [{row.low:.2f}, {row.high:.2f}], {row.pairs:,} regions of {row.genes} genes, "
        f"{table['in_promoter'].sum():,} of them in the promoter window, which count as the strongest contacts."
        for row in correlation(table).itertuples()
    )
