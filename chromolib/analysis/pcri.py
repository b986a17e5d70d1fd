"""How far its pCREs move a gene in the network: predicted cis-regulatory impact (PCRI), beside the change of what is predicted.

In: trained networks and the genes held out from them. Out: tidy tables, a row per gene; PCRI in standard deviations of one
dimension of an embedding, changes in what the network predicts (reg: log2(RPKM + 1); clf: log-odds of being on).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from .. import answers, companions, evaluation, resampling, studies
from ..dataset import GeneDataset
from ..model import Chromoformer
from ..runs import Run
from . import embeddings, enrichment, pcres

PAPER_TOP, PAPER_GENES, PAPER_FOLDS = 250, 18_955, 4  # the paper's top genes of each fold and label
TOP_SHARE = PAPER_TOP / (PAPER_GENES / PAPER_FOLDS / 2)
LABELS = ("on", "off")
# Sets that claims are about: those planted in simulated profiles, whose terms are these with an id (SIM:0000000). Names alone
# begin those of other sets too: GO has developmental cell growth.
PLANTED_SETS = ("housekeeping", "developmental")
BEYOND = "beyond others' pCREs"
# Columns that measure how far a gene is moved, and what the page calls them; pcri is the one that is taken for the paper's.
CHOICES = {
    "pcri": "as heads read it, standardised apart", "pcri_bare": "without the promoter added, standardised apart",
    "pcri_together": "without the promoter added, standardised together", "pcri_sum": "as heads read it, standardised together",
    "shift": "from the gene without its pCREs", "pcri_own": "from the gene with others' pCREs",
}  # fmt: skip
PAIRS = (("pcri", "pcre_change"), ("pcri_own", "own_change"))  # the paper's, and its control
WORDS = {
    "pcri": "PCRI", "pcri_own": f"PCRI {BEYOND}", "pcre_change": "change by pCREs", "others_change": "change by others' pCREs",
    "own_change": f"change {BEYOND}",
}  # fmt: skip
NETWORK = ("cell_type", "fold")  # one network was trained for each
BY_LABEL = ("pcre_change", "others_change", "own_change", "pcri", "pcri_own")
NAMES = ("cell_type", "gene_id", "symbol", "label")
COLUMNS = (*NAMES[:1], "fold", *NAMES[1:], "n_pcres", "measured", "predicted", "pcre_change", "others_change", "own_change",
           "pcri", "pcri_alone", "pcri_own", "pcri_bare", "pcri_together", "pcri_sum", "shift", "pcri_scaled", "own_scaled")  # fmt: skip


# PCRI of genes


def of_network(model: Chromoformer, data: GeneDataset, *, seed: int = 0) -> pd.DataFrame:
    """PCRI of genes held out from one network.

    The regulatory embedding is taken as the network's heads read it, the promoter's embedding added to what the Regulation
    transformer leaves. That ends in a LayerNorm, so that it has nearly the same length for all genes: standardised together,
    the sum lies that far from the promoter whatever the pCREs are. So embeddings are standardised apart.
    A gene without pCREs then has a PCRI that means nothing; `pcri_own` is 0 there, and measures what its own pCREs do.

    Returns
    -------
    DataFrame
        gene_id, symbol, label (on, off), n_pcres
        measured (target), predicted
        pcre_change (of the prediction by its pCREs: with them minus without), others_change (the same with the pCREs of other
        genes), own_change (the one less the other)
        pcri: distance of the regulatory from the promoter's embedding
        pcri_alone: the same of the gene without its pCREs, on the same scale
        pcri_own: distance of the regulatory embedding from its mean with the pCREs of others, on that scale; NaN without others
        pcri_bare, pcri_together, pcri_sum: pcri by other choices (see CHOICES)
        shift: distance of the regulatory embedding from that of the gene without its pCREs
        pcri_scaled, own_scaled: pcri and pcri_own less their mean over their SD, so that networks can be compared

    Source: paper, Results on figure 5, in words; the release computes no PCRI.
    """
    # Deviates: perhaps; our sources say neither which regulatory embedding the paper takes nor what it standardises together.
    found = embeddings.embed(model, data, seed=seed)
    read, alone, others = (found.promoter + part for part in (found.regulatory, found.alone, found.others))
    pcri = embeddings.distance(found.promoter, read, "apart")
    own = np.linalg.norm((read - others) / embeddings.sd(read), axis=1)
    change, by_others = found.predicted - found.without, found.exchanged - found.without
    genes = data.genes[["gene_id", "symbol"]].reset_index(drop=True)
    return genes.assign(
        label=np.where(data.genes["label"] == 1, *LABELS),
        n_pcres=pcres.per_gene(data),
        measured=data.select(task=model.config.task).targets.cpu().numpy().astype(float),
        predicted=found.predicted, pcre_change=change, others_change=by_others, own_change=change - by_others,
        pcri=pcri,
        pcri_alone=embeddings.distance(found.promoter, read, "apart", moved=alone),
        pcri_own=own,
        pcri_bare=embeddings.distance(found.promoter, found.regulatory, "apart"),
        pcri_together=embeddings.distance(found.promoter, found.regulatory, "together"),
        pcri_sum=embeddings.distance(found.promoter, read, "together"),
        shift=np.linalg.norm((read - alone) / embeddings.sd(read), axis=1),
        pcri_scaled=embeddings.scaled(pcri, pcri), own_scaled=embeddings.scaled(own, own[~np.isnan(own)]),
    )  # fmt: skip


def of_runs(runs: Iterable[Run], *, seed: int = 0) -> pd.DataFrame:
    """`of_network` of each run's held-out genes, with the columns cell_type and fold in front; no rows without runs."""
    tables = [
        of_network(model, held_out, seed=seed).assign(cell_type=run.cell_type, fold=run.fold)
        for run, model, held_out in answers.networks(runs)
    ]
    if tables:
        return pd.concat(tables, ignore_index=True)[list(COLUMNS)]
    numbers = {name: int if name in ("fold", "n_pcres") else float for name in COLUMNS if name not in NAMES}
    return pd.DataFrame(columns=list(COLUMNS)).astype(numbers)


# Statistics over genes


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """PCRI of genes with and without pCREs: cell_type, pcres (with, without), genes, pcri, pcri_alone, pcre_change (medians), up (share
    whose prediction rises by more than 0)."""
    rows = []
    for (cell_type, has_any), part in table.groupby(["cell_type", table["n_pcres"] > 0], sort=False):
        medians = part[["pcri", "pcri_alone", "pcre_change"]].median()
        rows.append((cell_type, "with" if has_any else "without", len(part), *medians, (part["pcre_change"] > 0).mean() if has_any else np.nan))
    columns = ["cell_type", "pcres", "genes", "pcri", "pcri_alone", "pcre_change", "up"]
    return pd.DataFrame(rows, columns=columns).sort_values(["cell_type", "pcres"], ignore_index=True)


def choices(table: pd.DataFrame) -> pd.DataFrame:
    """How much the order of genes depends on the way PCRI is measured, of genes with pCREs.

    Returns
    -------
    DataFrame
        choice (see CHOICES); Spearman's correlations, means over networks: with_pcri; with_level (predicted expression) and
        with_alone (pcri_alone), which pCREs have no part in or little; with_size and with_own_size (of pcre_change and own_change,
        without sign); without_to_with: median of genes without pCREs over that of genes with; n, parts (networks)
    """
    rows = []
    connected = table[table["n_pcres"] > 0].assign(size=table["pcre_change"].abs(), own_size=table["own_change"].abs()).dropna(subset="own_size")
    beside = {"with_pcri": "pcri", "with_level": "predicted", "with_alone": "pcri_alone", "with_size": "size", "with_own_size": "own_size"}
    for name, choice in CHOICES.items() if len(connected) else ():
        found = {column: _over_networks(connected, name, other, "spearman", 0, 0) for column, other in beside.items()}
        ratio = table.loc[table["n_pcres"] == 0, name].median() / connected[name].median()
        rows.append({"choice": choice, **{column: values["value"] for column, values in found.items()}, "without_to_with": ratio,
                     "n": found["with_pcri"]["n"], "parts": found["with_pcri"]["parts"]})  # fmt: skip
    return pd.DataFrame(rows, columns=["choice", *beside, "without_to_with", "n", "parts"])


def correlations(
    table: pd.DataFrame, pairs: Sequence[tuple[str, str]] = PAIRS, *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Spearman's correlation of PCRI with the change of predicted expression, of genes with pCREs, by label (figure 5c).

    Where it does not matter whose pCREs a gene has, that of pcri_own with own_change is 0 but for chance beside one other gene: the
    one is a distance, the other has either sign alike. Beside the mean of several, pCREs that stand out in one direction leave a
    correlation, but the same in genes on and off: opposite signs are what pCREs leave that go with the label.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Columns to correlate.

    Returns
    -------
    DataFrame
        cell_type, score, target (in words), genes (on, off, all), value (mean over networks), low, high (95 % bootstrap interval
        over genes), p (two-sided), n (genes), parts (networks), q (p adjusted over the rows)
    """
    rows = []
    for cell_type, part in table[table["n_pcres"] > 0].groupby("cell_type", sort=False):
        groups = {label: part[part["label"] == label] for label in LABELS} | {"all": part}
        for (score, target), (genes, chosen) in itertools.product(pairs, groups.items()):
            found = _over_networks(chosen.dropna(subset=[score, target]), score, target, "spearman", n_resamples, seed)
            rows.append({"cell_type": cell_type, "score": WORDS.get(score, score), "target": WORDS.get(target, target), "genes": genes, **found})
    found = pd.DataFrame(rows, columns=["cell_type", "score", "target", "genes", "value", "low", "high", "p", "n", "parts"])
    return found.assign(q=evaluation.adjusted(found["p"]))


def by_label(table: pd.DataFrame, columns: Sequence[str] = BY_LABEL, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """What differs between genes that are on and off, of those with pCREs (figure 5b, by Wilcoxon's rank-sum test).

    Returns
    -------
    DataFrame
        cell_type, what (in words), on, off (medians), roc_auc: the chance that a gene that is on has more than one that is off,
        mean over networks, which is the statistic of that test; low, high (95 % bootstrap interval over genes), p (two-sided, of
        0.5), n, parts, q (p adjusted over the rows)
    """
    rows = []
    for cell_type, part in table[table["n_pcres"] > 0].groupby("cell_type", sort=False):
        is_on = part["label"] == "on"
        for what in columns:
            known = resampling.in_told_groups(part.dropna(subset=what).assign(is_on=is_on.astype(float)), NETWORK, ["is_on"])
            on, off = (known.loc[known["label"] == label, what] for label in LABELS)
            found = _over_networks(known, what, "is_on", "roc_auc", n_resamples, seed, beside=0.5)
            rows.append({"cell_type": cell_type, "what": WORDS.get(what, what), "on": on.median(), "off": off.median(), "roc_auc": found["value"],
                         "low": found["low"], "high": found["high"], "p": found["p"], "n": found["n"], "parts": found["parts"]})  # fmt: skip
    table = pd.DataFrame(rows, columns=["cell_type", "what", "on", "off", "roc_auc", "low", "high", "p", "n", "parts"])
    return table.assign(q=evaluation.adjusted(table["p"]))


def _over_networks(
    table: pd.DataFrame, score: str, target: str, metric: str, n_resamples: int, seed: int, beside: float = 0.0
) -> dict[str, float]:
    """A metric of two columns, mean over networks that tell something: value, low, high, p (of `beside`), n, parts; NaN where
    none does."""
    told = resampling.in_told_groups(table, NETWORK, [target] if metric == "roc_auc" else [score, target])
    parts = [
        [part.set_index("gene_id")[[score, target]].set_axis(["score", "target"], axis=1)]
        for _, part in told.groupby(list(NETWORK))
    ]
    if not parts:
        return {"value": np.nan, "low": np.nan, "high": np.nan, "p": np.nan, "n": 0, "parts": 0}
    of_networks, n = resampling.of_parts(parts, metric, n_resamples, seed)
    draws = of_networks[..., 0].mean(1)                                                      # (1 + b,)
    value, low, high = resampling.interval(draws)
    return {"value": value, "low": low, "high": high, "p": resampling.two_sided_p(draws[1:], beside), "n": n, "parts": len(parts)}


# The genes that are moved most


def top(table: pd.DataFrame, share: float = TOP_SHARE, by: str = "pcri") -> pd.DataFrame:
    """The genes with the highest PCRI of each cell type, fold and label, of those with pCREs.

    The paper takes 250 of each fold and label, which is about one in ten of its genes; here it is that share of all genes of the
    fold and label in the table, with pCREs or not, rounded up, or all that have pCREs where they are fewer.

    Returns
    -------
    DataFrame
        Rows of `table`, the highest of each label first.
    """
    rows = []
    for _, part in table.groupby(["cell_type", "fold", "label"], sort=False):
        rows.append(part[part["n_pcres"] > 0].nlargest(int(np.ceil(share * len(part))), by))
    found = pd.concat(rows) if rows else table.iloc[:0]
    return found.sort_values(["cell_type", "label", by], ascending=[True, False, False], kind="stable", ignore_index=True)


def enriched(table: pd.DataFrame, chosen: pd.DataFrame, sets: pd.DataFrame) -> pd.DataFrame:
    """Sets that the chosen genes of each cell type and label are in more often than the others of that label (figures 5e, g).

    The background is what could have been chosen: genes with pCREs of the same cell type, folds and label. Beside all genes, any
    set of genes that are on would look enriched among those that are.

    Parameters
    ----------
    chosen : DataFrame
        Rows of `table`, as `top` gives them.
    sets : DataFrame
        term, gene (gene_id), as `enrichment.by_id` gives them.

    Returns
    -------
    DataFrame
        cell_type, label, then as `enrichment.enrich`.
    """
    tables = []
    for (cell_type, label), part in chosen.groupby(["cell_type", "label"], sort=False):
        could_be = table[(table["cell_type"] == cell_type) & (table["label"] == label) & (table["n_pcres"] > 0)]
        found = enrichment.enrich(part["gene_id"], could_be["gene_id"], sets)
        tables.append(found.assign(cell_type=cell_type, label=label))
    columns = ["cell_type", "label", *enrichment.COLUMNS]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def marks_by_label(carried: pd.DataFrame, chosen: pd.DataFrame, marks: Sequence[str]) -> pd.DataFrame:
    """What pCREs of genes on and off carry: genes (top, all), then as `by_label` with a mark as what, q over all rows.

    Parameters
    ----------
    carried : DataFrame
        From `pcres.with_marks`.
    chosen : DataFrame
        The top genes.
    """
    keys = ["cell_type", "gene_id"]
    is_chosen = pd.MultiIndex.from_frame(carried[keys]).isin(pd.MultiIndex.from_frame(chosen[keys]))
    known = [mark for mark in marks if mark in carried]
    tables = [by_label(part, known).assign(genes=name) for name, part in (("top", carried[is_chosen]), ("all", carried))]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(q=evaluation.adjusted(table["p"]))[["genes", *table.columns.drop("genes")]]


# What notebooks need besides


def left_out(study: studies.Study, no_sets: str = "") -> pd.DataFrame:
    """What a profile has nothing to show of: figure, what, why; `no_sets` is why its gene sets have none of its genes, if so."""
    connected = studies.connected(study)
    rows = [("5, 6", f"PCRI of {name}", "no contacts") for name in study.every if name not in connected]
    missing = companions.left_out(study.record, study.cell_types[0])
    reasons = [*missing.loc[missing["what"] == companions.GENE_SETS, "why"], *([no_sets] if no_sets else [])]
    rows += [("5e, g, 6a, S12", "enriched terms", f"gene sets: {why}") for why in reasons]
    if len(connected) < 3:
        rows.append(("6a, S12", "clusters over cell types", f"cell types with contacts: {len(connected)}, expected three or more; z-scores over two are a sign"))
    if len(connected) < 2:
        rows.append(("6b, S13", "genes that differ between two cell types", f"cell types with contacts: {len(connected)}"))
    return pd.DataFrame(rows, columns=["figure", "what", "why"])


def subsets(table: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    """Genes that claims are about, of each cell type: "with pCREs", of these "on" and "off", and "top", as `top` takes them."""
    connected = table[table["n_pcres"] > 0]
    parts = {"with pCREs": connected, "top": top(table)} | {label: connected[connected["label"] == label] for label in LABELS}
    names = table["cell_type"].unique()
    return {name: {cell_type: part.loc[part["cell_type"] == cell_type, "gene_id"].tolist() for cell_type in names} for name, part in parts.items()}


def in_words(genes: pd.DataFrame) -> str:
    """A sentence on each gene of a few rows of `of_runs`; that there is none, of no rows."""
    return " ".join(
        f"{row.symbol} in {row.cell_type}, {row.label}, {row.n_pcres} pCREs: PCRI {row.pcri:.1f}, predicted log2(RPKM + 1) {row.predicted:.1f}, "
        f"by its pCREs {row.pcre_change:+.2f}; measured {row.measured:.1f}." for row in genes.itertuples()
    ) or "There is no such gene."  # fmt: skip


def for_claims(table: pd.DataFrame, carried: pd.DataFrame, sets: pd.DataFrame) -> pd.DataFrame:
    """Scores of genes as `claims.evaluate` takes them, of all that claims on figure 5 name.

    Returns
    -------
    DataFrame
        cell_type, task, model, gene_id, fold, score, target
        clf, label as target: "change by its pCREs", "change beyond others' pCREs", "<mark> at pCREs" (of genes with pCREs)
        clf, membership as target: "PCRI, <set> genes", of PLANTED_SETS in the first cell type, by whose truth they are planted
        reg: "PCRI" with the change as target, "PCRI beyond others' pCREs" with the change beyond these
    """
    is_on = (table["label"] == "on").astype(float)
    known = table[table["own_change"].notna()]
    parts = [
        table.assign(task="clf", model="change by its pCREs", score=table["pcre_change"], target=is_on),
        known.assign(task="clf", model=f"change {BEYOND}", score=known["own_change"], target=is_on[known.index]),
        table.assign(task="reg", model="PCRI", score=table["pcri_scaled"], target=table["pcre_change"]),
        known.assign(task="reg", model=f"PCRI {BEYOND}", score=known["own_scaled"], target=known["own_change"]),
    ]
    first = table[table["cell_type"].isin(table["cell_type"].head(1))]
    for name in PLANTED_SETS:
        members = sets.loc[sets["term"].str.fullmatch(rf"{name} \(SIM:\d+\)"), "gene"]
        if len(members):
            is_in = first["gene_id"].isin(members).astype(float)
            parts.append(first.assign(task="clf", model=f"PCRI, {name} genes", score=first["pcri_scaled"], target=is_in))
    for mark in carried.columns.drop(table.columns):
        parts.append(carried.assign(task="clf", model=f"{mark} at pCREs", score=carried[mark], target=(carried["label"] == "on").astype(float)))
    return pd.concat(parts, ignore_index=True)[answers.SCORES]
