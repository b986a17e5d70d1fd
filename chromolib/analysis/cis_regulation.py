"""The pCREs of a gene by their kind, active or bound by Polycomb, and what `curves` explains by their numbers.

In: datasets, chromatin states, peaks, and what a network makes of its pCREs. Out: tidy tables; numbers of pCREs without unit,
measured expression in log2(RPKM + FLOOR), what networks predict in log2(RPKM + 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .. import companions, genome
from ..dataset import GeneDataset
from ..profile import Profile, cohort_of
from ..simulate import read_truth, truth
from ..studies import Study, connected
from . import marks, pcres

# States of Roadmap's model of 18 in which a region acts: active TSSs, active gene bodies, and enhancers in genes and outside.
# Weak and flanking states (TssFlnk, TxWk, EnhWk) are the surroundings of such regions, bivalent ones are Polycomb's too.
# Deviates: the paper names these three kinds in words, not the states.
ACTIVE_STATES = ("TssA", "Tx", "EnhG1", "EnhG2", "EnhA1", "EnhA2")
ACTIVE, OTHER = "active", "other"  # kinds of pCREs beside those that a protein binds; other, the control: none of these
MEASURED, CHANGE, PCRI = "measured expression", "predicted change", "PCRI"  # what is explained
PLANTED, BEST = "planted effect", "best possible change"  # and beside it, where the truth is known
# Of measured expression, RPKM: 1, as the network reads it, would hide what brings a gene that is nearly off further down, and a
# line that runs into a floor looks like a switch.
FLOOR = 0.05
OWN_PROMOTER = ((-2000, 0), (0, 2000), (2000, 10_000))  # bp from the TSS, in which a gene's own window is read
NOTHING, ADDITIVE, SWITCH = "no effect", "additive", "switch"
VALUES = ["cell_type", "gene_id", "group", "value"]  # group: values of different ones are not on one scale, as of networks
KEYS = ["cell_type", "gene_id"]


# pCREs by their kind


def cell_types(study: Study) -> tuple[str, ...]:
    """Cell types of the profile that have contacts, and states or peaks that tell kinds of pCREs apart."""
    return tuple(name for name in connected(study) if kinds_of(study.record, name))


def kinds_of(profile: Profile, cell_type: str) -> list[str]:
    """Kinds of pCREs that a profile can tell apart in a cell type, without the control. Fetches nothing."""
    absent = set(companions.left_out(profile, cell_type)["what"])
    named = {ACTIVE: companions.STATES} | {protein: f"peaks of {protein}" for protein in profile.companions.polycomb}
    return [kind for kind, what in named.items() if what not in absent]


def left_out(study: Study) -> pd.DataFrame:
    """What a profile does not have for these questions: cell_type, what, why."""
    rows = [(name, "all of it", "no contacts") for name in study.every if name not in connected(study)]
    for name in connected(study):
        table = companions.left_out(study.record, name)
        rows += [(name, row.what, row.why) for row in table.itertuples() if row.what != companions.GENE_SETS]
    return pd.DataFrame(rows, columns=["cell_type", "what", "why"], dtype="str")


def within_domains(data: Mapping[str, GeneDataset]) -> dict[str, GeneDataset]:
    """The same genes with the pCREs of their promoter's own domain (TAD) only, where domains are known; else as they are."""
    return {name: genes.select(contacts="intra-TAD") if "is_intra_tad" in genes.store else genes for name, genes in data.items()}


def numbers(profile: Profile, data: Mapping[str, GeneDataset], states: Sequence[str] = ACTIVE_STATES) -> pd.DataFrame:
    """How many pCREs of each kind a gene has, of those that the network reads.

    Returns
    -------
    DataFrame
        cell_type, gene_id, label (on, off), pcres: all of them; active: those that share a base with one of `states`; a column
        for each protein: with one of its peaks; other: the rest. A region may be of several kinds. NaN where the profile does
        not tell: of `other`, where any kind that the profile names is not known in the cell type, since pCREs of that kind
        would count as the rest. Of a cell type without any kind, there are no rows.
    """
    tables = []
    named = {*profile.companions.polycomb, *([ACTIVE] if profile.companions.segmentation else [])}
    for name, genes in data.items():
        table, spans = pcres.pairs(genes), companions.polycomb(profile, name)
        segments = companions.segmentation(profile, name)
        if segments is not None:
            spans = {ACTIVE: segments[segments["state"].isin(states)]} | spans
        is_of = pd.DataFrame({kind: overlapping(table["region"], part) for kind, part in spans.items()}, index=table.index)
        is_of[OTHER] = ~is_of.any(axis=1)
        count = is_of.groupby(table["gene_id"]).sum().reindex(genes.genes["gene_id"], fill_value=0).reset_index()
        if named - set(spans):
            count[OTHER] = np.nan
        label = np.where(genes.genes["label"] == 1, "on", "off")
        tables.append(count.assign(cell_type=name, label=label, pcres=pcres.per_gene(genes)) if spans else count.iloc[:0])
    columns = [*KEYS, "label", "pcres", ACTIVE, *profile.companions.polycomb, OTHER]
    return pd.concat([pd.DataFrame(columns=columns), *tables], ignore_index=True)[columns].infer_objects()


def overlapping(regions: pd.Series, spans: pd.DataFrame) -> np.ndarray:
    """Whether each region, "chrom:start-end", shares a base with any of the spans (chrom, start, end): (region,) boolean."""
    ends = genome.spans(regions)
    found = np.zeros(len(ends), bool)
    for chrom, rows in spans.groupby("chrom"):
        here = np.flatnonzero(ends["chrom"] == chrom)
        n_begun = np.searchsorted(np.sort(rows["start"]), ends["end"].to_numpy()[here], side="left")
        n_over = np.searchsorted(np.sort(rows["end"]), ends["start"].to_numpy()[here], side="right")
        found[here] = n_begun > n_over
    return found


def kinds(table: pd.DataFrame) -> list[str]:
    """Kinds of pCREs that a table of `numbers` tells apart, the control last where there is one."""
    known = [name for name in table if name not in (*KEYS, "label", "pcres") and table[name].notna().any()]
    return sorted(known, key=lambda name: name == OTHER) if set(known) - {OTHER} else []


def main_kinds(table: pd.DataFrame) -> list[str]:
    """Of these kinds the active ones, those of the first protein, and the control."""
    known = kinds(table)
    first = [name for name in known if name not in (ACTIVE, OTHER)][:1]
    return [name for name in known if name in (ACTIVE, *first, OTHER)]


def spread(table: pd.DataFrame) -> pd.DataFrame:
    """Of genes with pCREs: cell_type, kind, genes, pcres (mean number of the kind), share (of all pCREs), with_any (share of genes)."""
    rows = []
    for cell_type, part in table[table["pcres"] > 0].groupby("cell_type", sort=False):
        for kind in kinds(part):
            n = part[kind]
            rows.append((cell_type, kind, len(n), n.mean(), n.sum() / part["pcres"].sum(), (n > 0).mean()))
    return pd.DataFrame(rows, columns=["cell_type", "kind", "genes", "pcres", "share", "with_any"])


# What is explained


def own_promoter(data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """Signal of every mark in three stretches of a gene's own window: what it is like without its pCREs.

    Returns
    -------
    DataFrame
        cell_type, gene_id, and a column for each mark and stretch; of a stretch off the chromosome, the mean of the others.
    """
    tables = [pd.DataFrame(columns=KEYS)]
    for name, genes in data.items():
        columns = {
            f"{mark}, {marks.window_name(*window)}": signal
            for window in OWN_PROMOTER
            for mark, signal in zip(genes.marks, marks.window_signal(genes, *window).T, strict=True)
        }
        table = pd.DataFrame(columns)
        tables.append(genes.genes[["gene_id"]].assign(cell_type=name).join(table.fillna(table.mean())))
    return pd.concat(tables, ignore_index=True)


def measured(data: Mapping[str, GeneDataset], floor: float = FLOOR) -> pd.DataFrame:
    """Expression, log2(RPKM + floor): columns VALUES, a group per cell type. No network is asked, so of all genes."""
    tables = [
        genes.genes[["gene_id"]].assign(cell_type=name, group=name, value=np.log2(genes.genes["expression"] + floor))
        for name, genes in data.items()
    ]
    return pd.concat([pd.DataFrame(columns=VALUES), *tables], ignore_index=True)[VALUES].astype({"value": float})


def of_network(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of a table with cell_type, fold and gene_id, such as that of PCRI: columns VALUES, a group per network."""
    group = table["cell_type"].astype(str) + ", fold " + table["fold"].astype(str)
    return table[KEYS].assign(group=group, value=table[column])[VALUES].astype({"value": float})


def of_label(values: pd.DataFrame, table: pd.DataFrame, label: str) -> pd.DataFrame:
    """Those of the values that are of genes on or off, by a table of `numbers`."""
    chosen = table.loc[table["label"] == label, KEYS]
    return values.merge(chosen, on=KEYS)


def planted(profile: Profile, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """What was planted for the pCREs of a simulated gene, activation minus repression in log2 RPKM: columns VALUES, a group per
    cell type; no rows where the profile is not simulated."""
    tables = []
    for name in data if profile.simulated else ():
        terms = read_truth(profile, "genes", name)
        tables.append(terms[["gene_id"]].assign(cell_type=name, group=name, value=terms["activation"] - terms["repression"]))
    return pd.concat([pd.DataFrame(columns=VALUES), *tables], ignore_index=True)[VALUES].astype({"value": float})


def best_change(profile: Profile, predicted: pd.DataFrame) -> pd.DataFrame:
    """What the best possible regressor would predict as change of log2(RPKM + 1) by pCREs, of the genes and groups of
    `predicted`: what is expected under the planted noise with all planted terms, less without those of pCREs. No rows where the
    profile is not simulated."""
    known = [read_truth(profile, "genes", name).assign(cell_type=name) for name in predicted["cell_type"].unique() if profile.simulated]
    if not known:
        return predicted.iloc[:0]
    terms = predicted.drop(columns="value").merge(pd.concat(known), on=KEYS)
    node, weight = np.polynomial.hermite_e.hermegauss(32)

    def expected(mean: pd.Series) -> np.ndarray:
        return np.log2(2 ** np.add.outer(mean.to_numpy(), truth.NOISE * node) + 1) @ weight / weight.sum()

    full = terms["mean_log2_rpkm"]
    return terms.assign(value=expected(full) - expected(full - terms["activation"] + terms["repression"]))[VALUES]


def rules(profile: Profile) -> pd.DataFrame:
    """What was planted in a simulated profile: kind, curve, what (of it), value; no rows where nothing of the kind is known."""
    rows = [
        (ACTIVE, ADDITIVE, "log2 RPKM per level (mean 1) and unit of contact above 1", truth.ACTIVATION),
        ("bound by Polycomb", SWITCH, "log2 RPKM at full strength", -truth.REPRESSION),
        ("bound by Polycomb", SWITCH, "number of pCREs at half of it", truth.SWITCH_AT),
        ("bound by Polycomb", SWITCH, "width (10 to 90 % within 4.4 of it)", truth.SWITCH_WIDTH),
        (OTHER, NOTHING, "log2 RPKM", 0.0),
    ]
    is_planted = profile.simulated and cohort_of(profile).inputs.simulation.effects == "all"
    return pd.DataFrame(rows if is_planted else [], columns=["kind", "curve", "what", "value"])


# For claims


def by_label(table: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    """The subsets "on" and "off" of each cell type."""
    return {
        label: {name: part.loc[part["label"] == label, "gene_id"].tolist() for name, part in table.groupby("cell_type", sort=False)}
        for label in ("on", "off")
    }
