"""What expression is made of: the rules that are planted, and each gene's terms under them.

In: layout, states and contacts of one cell type. Out: tables of genes and of their pCREs; terms in log2 RPKM.

log2 RPKM of a gene = BASE + initiation + elongation + activation - repression + noise. Initiation and elongation multiply
on the scale of RPKM; a cell type may have them at a strength of its own. Activation adds up over active pCREs, each by how
often it touches the promoter. Repression is a switch: logistic in the number of pCREs that Polycomb binds. Both need the pCRE
in the domain (TAD) of the promoter.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score

from .. import contacts
from ..profile import Profile
from ..sections import Strength
from .layout import Layout, names_of, stream
from .states import States

BASE = -3.0
INITIATION = 4.0  # per level of a promoter that is on
ELONGATION = 3.2  # per level of elongation
ACTIVATION = 0.5  # per level of an active pCRE and unit of contact frequency above 1
REPRESSION, SWITCH_AT, SWITCH_WIDTH = 3.2, 2.5, 0.35  # at full strength; number of bound pCREs at half of it, and its width
NOISE = 1.3  # SD


def plant(
    layout: Layout,
    states: States,
    pairs: pd.DataFrame,
    gene_ids: pd.Series,
    *,
    seed: int,
    cell_type: str,
    effects: str,
    decimals: int,
    strength: Strength,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each gene's terms, and what each of its pCREs contributes.

    Parameters
    ----------
    pairs : DataFrame
        gene_id, region, contact, rank: the pCREs that a reader of the raw files finds, from `contacts.strongest`.
    effects : str
        "all", or "promoter": nothing but initiation and noise.
    decimals : int
        With which RPKM are written: a label is that of the number in the file.
    strength : Strength
        Of initiation and elongation in this cell type.

    Returns
    -------
    genes : DataFrame
        gene_id; on, polycomb, heterochromatin, elongation_level, is_aberrant: states; n_pcres, n_active, n_polycomb: its
        pCREs and those that act; initiation, elongation, activation, repression, noise: terms; mean_log2_rpkm without
        noise, log2_rpkm; rpkm as written; label; p_label: the chance of label 1 given all but the noise, the best score
        there can be.
    pcres : DataFrame
        gene_id, region, rank, contact, state, level, is_intra; contribution: mean_log2_rpkm with it minus without it.
    """
    pcres = _describe(layout, states, pairs, gene_ids)
    acting = _count_acting(pcres, gene_ids)
    genes = states.genes.rename(columns={"elongation": "elongation_level"}).join(acting)
    genes.insert(0, "gene_id", gene_ids.to_numpy())
    is_all = effects == "all"
    genes[["initiation", "elongation"]] = at_promoter(genes, strength, effects)
    genes["activation"] = is_all * ACTIVATION * genes.pop("weight")
    genes["repression"] = is_all * repression(genes["n_polycomb"])
    noise = stream(seed, layout.genome.name, "noise", cell_type).standard_normal(len(genes))
    genes["noise"] = NOISE * noise
    genes["mean_log2_rpkm"] = BASE + genes[["initiation", "elongation", "activation"]].sum(axis=1) - genes["repression"]
    genes["log2_rpkm"] = genes["mean_log2_rpkm"] + genes["noise"]
    genes["rpkm"] = (2 ** genes["log2_rpkm"]).round(decimals)
    genes["label"] = (genes["rpkm"] >= genes["rpkm"].median()).astype(int)
    genes["p_label"] = stats.norm.cdf((genes["mean_log2_rpkm"] - np.log2(genes["rpkm"].median())) / NOISE)
    n_polycomb = genes.set_index("gene_id")["n_polycomb"].loc[pcres["gene_id"]].to_numpy()
    return genes, pcres.assign(contribution=is_all * _contributions(pcres, n_polycomb)).drop(columns="is_acting")


def at_promoter(genes: pd.DataFrame, strength: Strength, effects: str) -> pd.DataFrame:
    """initiation, elongation by this rule of genes with these states (on, elongation_level), log2 RPKM."""
    elongation = ELONGATION * strength.elongation * genes["elongation_level"]
    return pd.DataFrame({"initiation": INITIATION * strength.initiation * genes["on"], "elongation": (effects == "all") * elongation})


def _count_acting(pcres: pd.DataFrame, gene_ids: pd.Series) -> pd.DataFrame:
    """Per gene: n_pcres, n_active, n_polycomb, and weight, the sum over active pCREs of level and frequency above 1."""
    is_active = pcres["is_acting"] & (pcres["state"] == "active")
    table = pd.DataFrame(
        {
            "gene_id": pcres["gene_id"],
            "n_pcres": 1,
            "n_active": is_active,
            "n_polycomb": pcres["is_acting"] & (pcres["state"] == "polycomb"),
            "weight": is_active * pcres["level"] * (pcres["contact"] - 1),
        }
    )
    counts = table.groupby("gene_id").sum().reindex(gene_ids).fillna(0).reset_index(drop=True)
    return counts.astype({"n_pcres": int, "n_active": int, "n_polycomb": int})


def _contributions(pcres: pd.DataFrame, n_polycomb: np.ndarray) -> np.ndarray:
    """What each pCRE adds to log2 RPKM, beside the `n_polycomb` acting ones that Polycomb binds with it."""
    activation = ACTIVATION * pcres["level"] * (pcres["contact"] - 1)
    fall = repression(n_polycomb - 1) - repression(n_polycomb)
    state = pcres["state"]
    return np.where(
        pcres["is_acting"], np.select([state == "active", state == "polycomb"], [activation, fall], 0.0), 0.0
    )


def acting_contributions(pcres: pd.DataFrame) -> np.ndarray:
    """What each row of a table of planted pCREs contributes by these rules, also where none was planted, log2 RPKM, (p,).

    Fragments that count as the promoter's own surroundings, as the bins of a Hi-C matrix do, are not known to the table.
    """
    acting = pcres.assign(is_acting=pcres["is_intra"].astype(bool))
    is_polycomb = acting["is_acting"] & (acting["state"] == "polycomb")
    return _contributions(acting, is_polycomb.groupby(acting["gene_id"]).transform("sum").to_numpy())


def acting_together(pcres: pd.DataFrame) -> pd.Series:
    """What all rows of a gene contribute together, by gene id, else as `acting_contributions`, whose sum it is not: repression is
    a switch."""
    gene_ids = pd.Series(pcres["gene_id"].unique(), name="gene_id")
    counts = _count_acting(pcres.assign(is_acting=pcres["is_intra"].astype(bool)), gene_ids)
    return (ACTIVATION * counts["weight"] - repression(counts["n_polycomb"])).set_axis(gene_ids)


def repression(n_polycomb: np.ndarray) -> np.ndarray:
    """Fall of log2 RPKM by this number of pCREs that Polycomb binds; none for none."""

    def switch(n: np.ndarray | float) -> np.ndarray:
        return 1 / (1 + np.exp((SWITCH_AT - n) / SWITCH_WIDTH))

    return REPRESSION * (switch(n_polycomb) - switch(0.0))


def best_scores(genes: pd.DataFrame) -> dict[str, float]:
    """What nobody can beat on average: ROC-AUC of `p_label`, and Pearson r of `mean_log2_rpkm`."""
    return {
        "roc_auc": float(roc_auc_score(genes["label"], genes["p_label"])),
        "pearson": float(np.corrcoef(genes["mean_log2_rpkm"], genes["log2_rpkm"])[0, 1]),
    }


def find_pairs(layout: Layout, seen: pd.DataFrame, gene_ids: pd.Series, profile: Profile) -> pd.DataFrame:
    """The pCREs of each gene, found in a contact table as in a real one: gene_id, region, contact, rank."""
    near = contacts.neighbours(seen[["kind", "frag1", "frag2", "frequency"]], profile.rules.min_contact)
    rows = layout.transcripts
    at = pd.Series(names_of(layout.fragments).iloc[rows["fragment"]].to_numpy(), index=rows.index)
    tss = pd.DataFrame({"gene_id": gene_ids.iloc[rows["gene"]].to_numpy(), "order": rows["order"]})
    pairs = contacts.pairs_of_genes(tss, at, near)
    return contacts.strongest(pairs, max_width_bp=profile.frame_bp, max_pcres=profile.max_pcres)


def _describe(layout: Layout, states: States, pairs: pd.DataFrame, gene_ids: pd.Series) -> pd.DataFrame:
    """State of each pCRE, and whether it can act: in the domain of the promoter and not beside it."""
    fragments = layout.fragments
    region = pd.Index(names_of(fragments)).get_indexer(pairs["region"])
    bait = layout.genes["bait"].to_numpy()[pd.Index(gene_ids).get_indexer(pairs["gene_id"])]
    middle = ((fragments["start"] + fragments["end"]) // 2).to_numpy()
    activity, tad = states.activity[region], fragments["tad"].to_numpy()
    is_intra = tad[region] == tad[bait]
    is_beside = np.abs(middle[region] - middle[bait]) < layout.self_bp
    return pairs[["gene_id", "region", "rank", "contact"]].assign(
        state=np.select([activity > 0, activity < 0], ["active", "polycomb"], "none"),
        level=np.abs(activity),
        is_intra=is_intra,
        is_acting=is_intra & ~is_beside,
    )
