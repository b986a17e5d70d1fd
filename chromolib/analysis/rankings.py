"""Which pCREs of a gene matter: ranked by what a network says of them, and by what is known without one.

In: datasets, predicted changes, attributions, and what was planted or measured. Out: tidy tables, one row per gene, region and
ranking; a higher score comes first. Contributions are in log2 RPKM, above 0 where a region raises expression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .. import resampling
from ..dataset import GeneDataset
from ..genome import spans
from ..profile import Profile, cohort_of
from ..simulate import acting_contributions, acting_together, read_truth
from . import pcres, tracks
from .perturbation import PROMOTER

CUT, SILENCED, ATTRIBUTION = "pCRE cut", "pCRE silenced", "attribution"  # by a network
CONTACT, NEAR, ACTIVE, ABC = "contact frequency", "nearness", "H3K27ac", "H3K27ac x contact"
BY_NETWORK = (CUT, SILENCED, ATTRIBUTION)
RAISES, LOWERS, EITHER = "raises", "lowers", "either"
KINDS = {RAISES: 1, LOWERS: -1, EITHER: 0}  # what a ranking looks for: the sign of contributions
ACTIVE_MARK = "H3K27ac"
LEAST = 0.25     # log2 RPKM that a planted contribution is to reach, without sign; a fifth of the planted noise
POOLED, WITHIN = "pooled", "within genes"
PAIR = ["gene_id", "region"]


# Rankings


def known(data: GeneDataset) -> pd.DataFrame:
    """What is known of each gene's pCREs without a network: gene_id, region, ranking, score.

    contact frequency; nearness: distance from the TSS to the region's middle, bp, below 0; H3K27ac: its reads over the region
    (depth times bp); and this times contact, after the activity-by-contact model, which counts reads in narrow elements where
    we have whole fragments.

    Source: Fulco et al., Nat. Genet. 51:1664 (2019).
    """
    table = pcres.pairs(data)
    columns = {CONTACT: table["contact"], NEAR: -table["distance"].abs()}
    if ACTIVE_MARK in data.marks:
        reads = table["region"].map(_reads(data, ACTIVE_MARK)).astype(float)
        columns |= {ACTIVE: reads, ABC: reads * table["contact"]}
    wide = table[PAIR].assign(**columns)
    return wide.melt(PAIR, var_name="ranking", value_name="score").astype({"score": float})


def predicted(changes: Mapping[str, pd.DataFrame], attributions: pd.DataFrame | None = None) -> pd.DataFrame:
    """Rankings by a network: gene_id, region, ranking, contribution (to the score, as predicted, with its sign).

    `changes`: name of a ranking -> changes where each pCRE is taken away in turn, as by `perturbation.removals`; what is lost is
    the contribution. `attributions`: regions of `attribution.explain`, summed over marks here.
    """
    tables = [
        table[["gene_id"]].assign(region=table["edit"], ranking=name, contribution=-table["change"]) for name, table in changes.items()
    ]
    if attributions is not None:
        total = attributions[attributions["region"] != PROMOTER].groupby(PAIR, sort=False)["attribution"].sum()
        tables.append(total.rename("contribution").reset_index().assign(ranking=ATTRIBUTION))
    return pd.concat(tables, ignore_index=True)[[*PAIR, "ranking", "contribution"]]


def of_cell_type(
    data: GeneDataset, changes: Mapping[str, pd.DataFrame], attributions: pd.DataFrame, truth: pd.DataFrame
) -> pd.DataFrame:  # fmt: skip
    """All rankings of one cell type against its truth, as `against` gives them, with cell_type in front.

    `changes` and `attributions` may hold other cell types too, by their column cell_type, and some of the genes only; pairs that
    a network was not asked about are left out of all rankings.
    """
    own = {name: table[table["cell_type"] == data.cell_type] for name, table in changes.items()}
    found = predicted(own, attributions[attributions["cell_type"] == data.cell_type])
    asked = found[PAIR].drop_duplicates()
    table = pd.concat([found, known(data).merge(asked, on=PAIR)], ignore_index=True)
    table = against(table, truth)
    table.insert(0, "cell_type", data.cell_type)
    return table


def most_changed(contributions: pd.DataFrame, data: GeneDataset) -> pd.Series:
    """The row of `data.genes` of the gene with the largest predicted contribution, without sign; without any, the example gene."""
    if contributions.empty:
        return tracks.example_gene(data)
    return tracks.find_gene(data, contributions.loc[contributions["contribution"].abs().idxmax(), "gene_id"])


def with_contributions(regions: pd.DataFrame, contributions: pd.DataFrame, gene_id: str) -> pd.DataFrame:
    """`tracks.gene_regions` with the predicted contribution of each pCRE of the gene, NaN of the promoter."""
    own = contributions[contributions["gene_id"] == gene_id].set_index("region")["contribution"]
    return regions.assign(contribution=regions["region"].map(own).astype(float))


def _reads(data: GeneDataset, mark: str) -> pd.Series:
    """Depth times bp of each region of the store."""
    row = data.store["pcre_row"].values
    depth = data.store["pcre_depth"].sel(mark=mark).values.astype(float)
    regions = spans(pd.Series(data.store["region"].values))
    width = (regions["end"] - regions["start"]).to_numpy(float)
    mean = np.add.reduceat(depth, row[:-1]) / np.maximum(np.diff(row), 1) if len(depth) else np.zeros(len(width))
    return pd.Series(mean * width, index=data.store["region"].values)


# What is true


def planted(profile: Profile, cell_type: str) -> pd.DataFrame:
    """What each pCRE of a simulated gene contributes: gene_id, region, state, contribution, by_rules.

    by_rules is the same by the rules of the simulation, also where expression follows the promoter alone, as in profile null, and
    contributions are 0: it marks the pCREs that a ranking must not put in front there. No rows for a profile of real data.
    """
    columns = [*PAIR, "state", "contribution", "by_rules"]
    if not profile.simulated:
        return pd.DataFrame(columns=columns)
    table = read_truth(profile, "pcres", cell_type)
    return table.assign(by_rules=acting_contributions(table))[columns]


def planted_together(profile: Profile, cell_type: str) -> pd.Series:
    """What all pCREs of a simulated gene contribute together, activation minus repression in log2 RPKM, by gene id; where expression
    follows the promoter alone, as in profile null, what they would by the rules. Nothing for a profile of real data."""
    if not profile.simulated:
        return pd.Series(dtype=float)
    if cohort_of(profile).inputs.simulation.effects != "all":
        return acting_together(read_truth(profile, "pcres", cell_type))
    terms = read_truth(profile, "genes", cell_type).set_index("gene_id")
    return terms["activation"] - terms["repression"]


def against(table: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Rankings of pairs whose truth is known, once for each kind of contribution that one may look for.

    Parameters
    ----------
    table : DataFrame
        Rows of `known` and `predicted`. What is known has no sign, and its score serves to look for any kind; of a network,
        contributions rank in the direction that is looked for, or by their size.
    truth : DataFrame
        gene_id, region, by_rules: planted are those of LEAST or more, by sign or either.

    Returns
    -------
    DataFrame
        kind (raises, lowers, either), gene_id, region, ranking, score, is_planted
    """
    merged = table.merge(truth[[*PAIR, "by_rules"]].astype({"by_rules": float}), on=PAIR)
    parts = []
    for kind, sign in KINDS.items():
        own = merged["contribution"] * sign if sign else merged["contribution"].abs()
        effect = merged["by_rules"] * sign if sign else merged["by_rules"].abs()
        parts.append(merged.assign(kind=kind, score=own.fillna(merged["score"]), is_planted=effect >= LEAST))
    return pd.concat(parts, ignore_index=True)[["kind", *PAIR, "ranking", "score", "is_planted"]]


# How good rankings are


def precision(table: pd.DataFrame, beside: str = CONTACT, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Area under the precision-recall curve of each ranking, and its difference to that of one of them.

    Intervals (95 %, percentile) come from resampling genes, each with all of its regions, the same for all rankings.

    Parameters
    ----------
    table : DataFrame
        kind, gene_id, region, ranking, score, is_planted, as `against` gives it; every ranking has every pair.

    Returns
    -------
    DataFrame
        kind, metric (pooled: over the pairs of all genes in one ranking; within genes: mean over genes that have regions of both
        kinds), ranking, value, low, high, above, above_low, above_high (value minus that of `beside`), random (what a
        ranking without knowledge has: the share of planted pairs), pairs, planted, genes. No rows without a planted pair.
    """
    columns = ["kind", "metric", "ranking", "value", "low", "high", "above", "above_low", "above_high", "random", "pairs", "planted", "genes"]
    rows = []
    for kind, part in table.groupby("kind", sort=False):
        for metric, found in ((POOLED, _pooled(part, n_resamples, seed)), (WITHIN, _within(part, n_resamples, seed))):
            values, about = found
            for ranking, drawn in values.items():
                change = drawn - values[beside] if beside in values else np.full_like(drawn, np.nan)
                rows.append((kind, metric, ranking, *resampling.interval(drawn), *resampling.interval(change), *about))
    return pd.DataFrame(rows, columns=columns)


def per_gene(table: pd.DataFrame) -> pd.DataFrame:
    """Average precision within each gene that has regions of both kinds: gene_id, ranking, score, random (share of planted)."""
    rows = []
    for (ranking, gene_id), part in table.groupby(["ranking", "gene_id"], sort=False):
        label = part["is_planted"].to_numpy()
        if 0 < label.sum() < len(label):
            score = resampling.average_precision(label.astype(float), part["score"].to_numpy(), np.ones((1, len(part))))
            rows.append((gene_id, ranking, score.item(), label.mean()))
    return pd.DataFrame(rows, columns=["gene_id", "ranking", "score", "random"])


def _pooled(table: pd.DataFrame, n_resamples: int, seed: int) -> tuple[dict[str, np.ndarray], tuple]:
    """Ranking -> pooled average precision on all genes, then on resamples; and random, pairs, planted, genes."""
    first = table[table["ranking"] == table["ranking"].iloc[0]] if len(table) else table
    if not 0 < first["is_planted"].sum() < len(first):
        return {}, ()
    genes = pd.Index(first["gene_id"].unique())
    weights = np.concatenate([*resampling.with_all(len(genes), n_resamples, seed)])
    values = {}
    for ranking, part in table.groupby("ranking", sort=False):
        gene, label, score = genes.get_indexer(part["gene_id"]), part["is_planted"].to_numpy(float), part["score"].to_numpy()
        values[ranking] = np.concatenate([
            resampling.average_precision(label, score, chunk[:, gene])
            for chunk in np.array_split(weights, -(-len(weights) // resampling.CHUNK))
        ])  # fmt: skip
    return values, (first["is_planted"].mean(), len(first), int(first["is_planted"].sum()), len(genes))


def _within(table: pd.DataFrame, n_resamples: int, seed: int) -> tuple[dict[str, np.ndarray], tuple]:
    """As `_pooled`, the mean over genes of what each has."""
    found = per_gene(table)
    if found.empty:
        return {}, ()
    wide = found.pivot(index="gene_id", columns="ranking", values="score")[list(found["ranking"].unique())]
    weights = np.concatenate([*resampling.with_all(len(wide), n_resamples, seed)])
    means = weights @ wide.to_numpy() / len(wide)                                            # (1 + b, ranking)
    share = found[found["ranking"] == wide.columns[0]]
    pairs = table[(table["ranking"] == wide.columns[0]) & table["gene_id"].isin(wide.index)]
    return dict(zip(wide, means.T, strict=True)), (share["random"].mean(), len(pairs), int(pairs["is_planted"].sum()), len(wide))


def for_claims(table: pd.DataFrame) -> pd.DataFrame:
    """What `claims.evaluate` takes of `of_cell_type`: average precision within each gene as score of the models "<kind>:
    <ranking>"."""
    parts = [pd.DataFrame(columns=["cell_type", "model", "gene_id", "score"])]
    for (cell_type, kind), part in table.groupby(["cell_type", "kind"], sort=False):
        found = per_gene(part)
        parts.append(found.assign(cell_type=cell_type, model=f"{kind}: " + found["ranking"])[[*parts[0]]])
    return pd.concat(parts[1:] or parts, ignore_index=True).astype({"score": float}).assign(task="reg", target=0.0)


def agreement(table: pd.DataFrame, truth: pd.DataFrame, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How predicted contributions of pairs follow the planted ones, sign included: ranking, state (all, or of the pCRE), pearson
    and spearman with intervals from resampling genes (low and high of each), pairs, genes.

    `table` as `predicted` gives it, `truth` as `planted`. NaN where contributions do not vary.
    """
    merged = table.merge(truth, on=PAIR, suffixes=("", "_planted"))
    rows = []
    for ranking, part in merged.groupby("ranking", sort=False):
        for state in ("all", *sorted(part["state"].unique())):
            rows.append((ranking, state, *_correlations(part if state == "all" else part[part["state"] == state], n_resamples, seed)))
    names = [f"{name}{end}" for name in ("pearson", "spearman") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["ranking", "state", *names, "pairs", "genes"])


def _correlations(part: pd.DataFrame, n_resamples: int, seed: int) -> Sequence[float]:
    genes = pd.Index(part["gene_id"].unique())
    gene = genes.get_indexer(part["gene_id"])
    x, y = part["contribution_planted"].to_numpy(float), part["contribution"].to_numpy(float)
    found = []
    for measure in (resampling.pearson, resampling.spearman):
        if np.ptp(x) == 0:
            found += [np.nan] * 3
            continue
        weights = resampling.with_all(len(genes), n_resamples, seed)
        drawn = np.concatenate([measure(x, y, weight[:, gene]) for weight in weights])
        found += resampling.interval(drawn)
    return [*found, len(part), len(genes)]
