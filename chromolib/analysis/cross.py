"""What networks of one cell type say of another, of the same species or of a second one, and of which genes they may say it.

In: runs, and the orthologues of two species. Out: tidy tables, one row per target cell type, source (whose network it is) and gene,
or per pair of cell types. A network is named by the fold that it holds out.

The rule: a network predicts no gene that it knows the answer of. Of its own species these are the genes of the chromosomes that it
trained on, whatever the cell type; of another species, those with an orthologue among the genes that it trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from .. import answers, evaluation, studies
from ..checkpoints import Network, load_weights
from ..config import InputError
from ..dataset import GeneDataset, load_dataset
from ..genome import profile_genome
from ..jobs import Job, Shelf, plan, selection_of
from ..profile import Profile, load_profile
from ..resampling import in_told_groups, interval, of_parts
from ..runs import Run
from ..studies import Study, connected, transfers_core
from ..train import predict, score_of
from . import ablations, tracks
from .comparison import NARROW_BP, best_possible, mean_signal

OWN, ONE, NONE = "own chromosome", "orthologues in one fold", "no orthologue"  # why networks may predict a gene
SEVERAL, NOT_TRAINED = "orthologues in several folds", "no network of the fold"  # why none may
SCORES = ["cell_type", "source", "is_across", "task", "gene_id", "fold", "score", "target", "n_networks", "kind"]
COUNTS = ["cell_type", "source", "is_across", "genes", OWN, ONE, NONE, SEVERAL, NOT_TRAINED]
METRIC = "roc_auc"
MIN_PAIRS = 5  # of cell types; a correlation over fewer has no p worth the name
SIMILARITIES = {"signal": "r of promoter signal", "labels": "same label", "expression": "ρ of expression"}


class Crossed(NamedTuple):
    """What networks say of genes that they may predict, and how many those are."""

    scores: pd.DataFrame  # SCORES; the mean over n_networks, kind: why they may predict the gene
    counts: pd.DataFrame  # COUNTS: genes of each target by what the rule says of them, a row per target and source


# The rule


def orthologous(genes: pd.DataFrame, others: pd.DataFrame, orthologues: pd.DataFrame) -> pd.DataFrame:
    """Pairs of a gene and an orthologue among `others`, with the fold of that.

    Parameters
    ----------
    genes, others : DataFrame
        gene_id (and fold) of the genes to predict, and of those of the species that networks trained on.
    orthologues : DataFrame
        gene_id, other_gene_id; many to many.

    Returns
    -------
    DataFrame
        gene_id, other_gene_id, fold (of the orthologue).
    """
    pairs = orthologues[orthologues["gene_id"].isin(genes["gene_id"])].drop_duplicates()
    return pairs.merge(others[["gene_id", "fold"]].rename(columns={"gene_id": "other_gene_id"}), on="other_gene_id")


def allowed(genes: pd.DataFrame, networks: Sequence[int], pairs: pd.DataFrame | None = None) -> pd.DataFrame:
    """Which networks may predict each gene.

    Parameters
    ----------
    genes : DataFrame
        gene_id, fold of the cell type to predict.
    networks : sequence of int
        Held-out folds of the networks that there are.
    pairs : DataFrame, optional
        From `orthologous`, of networks of another species; None: they are of this one, where a fold is the same chromosomes in
        every cell type.

    Returns
    -------
    DataFrame
        gene_id, networks (tuple of folds, empty where none may), kind: OWN, ONE, NONE, or why none may, SEVERAL, NOT_TRAINED.
        A network trains on all folds but its own, so no network may predict a gene with orthologues in several of them.
    """
    known = genes if pairs is None else pairs
    folds = known.groupby("gene_id")["fold"].agg(lambda fold: frozenset(fold.tolist())).reindex(genes["gene_id"])
    folds = [found if isinstance(found, frozenset) else frozenset() for found in folds]
    free = [tuple(network for network in networks if fold <= {network}) for fold in folds]
    kind = [
        NONE if not fold else SEVERAL if len(fold) > 1 else NOT_TRAINED if not chosen else OWN if pairs is None else ONE
        for fold, chosen in zip(folds, free, strict=True)
    ]  # fmt: skip
    return pd.DataFrame({"gene_id": genes["gene_id"].to_numpy(), "networks": free, "kind": kind})


def check_unseen(said: pd.DataFrame, seen: pd.DataFrame, telling: pd.DataFrame) -> None:
    """Raise an InputError if a network says something of a gene whose answer it knows.

    This asks what was really trained on, and not for folds as `allowed` does.

    Parameters
    ----------
    said : DataFrame
        gene_id, network: which predicts which.
    seen : DataFrame
        network, known: what each trained on, chromosomes of its own species, or genes.
    telling : DataFrame
        gene_id, known, which tells its answer: the chromosome of a gene, or its orthologues.
    """
    leaks = said[["gene_id", "network"]].merge(telling, on="gene_id").merge(seen, on=["network", "known"])
    if len(leaks):
        first = leaks.iloc[0]
        raise InputError(
            f"cross prediction: {leaks['gene_id'].nunique()} genes would be predicted by networks that know their answers, first "
            f"{first['gene_id']} by that of fold {first['network']}, which trained on {first['known']}; predict it by others, or not at all"
        )


# Predictions


def of_runs(runs: Iterable[Run], orthologues: pd.DataFrame | None = None) -> Crossed:
    """What the networks of each cell type say of the genes of every cell type that they may predict.

    Parameters
    ----------
    runs : iterable of Run
        Trained ones, of one task; of two profiles where there are two species, which share the names of no cell type.
    orthologues : DataFrame, optional
        gene_id, other_gene_id of the first and the second of these profiles (`inputs.orthologues`).

    Raises
    ------
    InputError
        A run that is not trained, a network that cannot read the other cell type, a leak.
    """
    jobs = plan(runs)
    sources: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        sources.setdefault((job.run.profile, job.run.cell_type), []).append(job)
    _check_names(list(sources))
    split, first = _split(jobs), jobs[0].run.profile
    networks = {job.run: load_weights(job.run.folder) for job in jobs}
    tables, counts = [], []
    for target in sources:
        data = load_dataset(load_profile(target[0]), target[1])
        for source, own in sources.items():
            genes, pairs = pd.concat(split[job.run].assign(network=job.run.fold) for job in own), None
            if source[0] != target[0]:
                pairs = orthologous(data.genes, genes.drop_duplicates("gene_id"), _directed(orthologues, is_forward=target[0] == first))
            rule = allowed(data.genes, [job.run.fold for job in own], pairs)
            labels = {"cell_type": target[1], "source": source[1], "is_across": pairs is not None}
            tables.append(_mean({job.run: networks[job.run] for job in own}, data, rule, _checked(rule, data, genes[genes["is_seen"]], pairs)).assign(**labels))
            counts.append(labels | {"genes": len(data), **rule["kind"].value_counts().to_dict()})
    numbers = pd.DataFrame(counts, columns=COUNTS).fillna(0).astype(dict.fromkeys(COUNTS[3:], int))
    return Crossed(pd.concat(tables, ignore_index=True)[SCORES], numbers)


def _check_names(sources: list[tuple[str, str]]) -> None:
    names = [cell_type for _, cell_type in sources]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"cross prediction: two profiles have a cell type {twice[0]!r}, expected other names in each species; rename one")


def _split(jobs: Sequence[Job]) -> dict[Run, pd.DataFrame]:
    """gene_id, chrom, fold of the genes of each run, and is_seen: whether its network trained on it."""
    shelf, found = Shelf(), {}
    for job in jobs:
        sides = zip(shelf.split(job), (True, False), strict=True)
        found[job.run] = pd.concat([part.genes[["gene_id", "chrom", "fold"]].assign(is_seen=is_seen) for part, is_seen in sides])
    return found


def _directed(orthologues: pd.DataFrame | None, *, is_forward: bool) -> pd.DataFrame:
    """gene_id of the genes to predict, other_gene_id of those of the networks."""
    if orthologues is None:
        raise InputError("cross prediction: two profiles without orthologues, expected which genes of one are those of the other; name a table")
    names = ["gene_id", "other_gene_id"]
    return orthologues[names] if is_forward else orthologues[names[::-1]].set_axis(names, axis=1)


def _checked(rule: pd.DataFrame, data: GeneDataset, seen: pd.DataFrame, pairs: pd.DataFrame | None) -> pd.DataFrame:
    """gene_id, network of what the rule allows, once `check_unseen` has let it pass; `seen`: network, gene_id, chrom."""
    said = rule.explode("networks").dropna().rename(columns={"networks": "network"}).astype({"network": int})
    telling, known, what = (data.genes, "chrom", "chrom") if pairs is None else (pairs, "other_gene_id", "gene_id")
    check_unseen(
        said, seen.rename(columns={what: "known"})[["network", "known"]].drop_duplicates(),
        telling[["gene_id", known]].rename(columns={known: "known"}),
    )  # fmt: skip
    return said[["gene_id", "network"]]


def _mean(networks: Mapping[Run, Network], data: GeneDataset, rule: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Mean score of the networks that may predict each gene: gene_id, task, score, target, n_networks, kind, fold."""
    tables = []
    for run, model in networks.items():
        if len(ids := said.loc[said["network"] == run.fold, "gene_id"]):
            selection = selection_of(run, load_profile(run.profile))
            table = predict(model, data.select(genes=ids.tolist(), task=run.task, **selection))
            tables.append(table.assign(task=run.task, score=score_of(table, run.task).astype(float)))
    columns = ["gene_id", "task", "score", "target"]
    table = pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)
    groups = table.groupby(["gene_id", "task"], sort=False, as_index=False)
    mean = groups.agg(score=("score", "mean"), target=("target", "first"), n_networks=("score", "size"))
    return mean.merge(rule[["gene_id", "kind"]], on="gene_id").merge(data.genes[["gene_id", "fold"]], on="gene_id")


# Two species


def on_same_genes(scores: pd.DataFrame, cell_type: str, sources: Sequence[str]) -> pd.DataFrame:
    """Scores of those genes of a cell type that networks of each of these sources predict: model ("trained on S01"), cell_type,
    task, gene_id, fold, score, target, kind."""
    rows = scores[(scores["cell_type"] == cell_type) & scores["source"].isin(sources)]
    rows = rows[rows.groupby("gene_id")["gene_id"].transform("size") == len(sources)]
    rows = rows.assign(model="trained on " + rows["source"])
    order = {source: i for i, source in enumerate(sources)}
    rows = rows.sort_values("source", key=lambda source: source.map(order), kind="stable", ignore_index=True)
    return rows[["cell_type", "model", "task", "gene_id", "fold", "score", "target", "kind"]]


def across_species(scores: pd.DataFrame) -> pd.DataFrame:
    """Networks of the other species beside the target's own, on the same genes, means over the target's folds.

    Returns
    -------
    DataFrame
        cell_type, source, metric, across, own (the metric by networks of the source and by the target's own), value (their
        difference), low, high (95 % bootstrap interval over genes), n, with_orthologue (genes of n, which the networks of the
        source that predict them have not trained on); no rows of one species.
    """
    rows = []
    for (cell_type, source), _ in scores[scores["is_across"]].groupby(["cell_type", "source"], sort=False):
        table = in_told_groups(on_same_genes(scores, cell_type, [source, cell_type]), ["fold", "model"])
        if table.empty:
            continue
        across, own = table["model"].unique()
        change = ablations.changes(table, own, [across]).iloc[0]
        n_with = int((table.loc[table["model"] == across, "gene_id"].isin(_with_orthologue(scores, cell_type, source))).sum())
        rows.append((cell_type, source, METRIC, change["level"], change["level"] - change["value"], change["value"], change["low"], change["high"], change["n"], n_with))
    return pd.DataFrame(rows, columns=["cell_type", "source", "metric", "across", "own", "value", "low", "high", "n", "with_orthologue"])


def species_folds(scores: pd.DataFrame, first: str) -> pd.DataFrame:
    """`evaluation.by_fold` of networks of each species on the same genes (figures 8a, b): of every cell type of the second species,
    and of `first`, a cell type of the first; the networks of the other species are those of its first cell type, or of `first`."""
    across = scores[scores["is_across"]]
    of_second = list(across.loc[across["source"] == first, "cell_type"].unique())
    tables = [on_same_genes(scores, name, [name, first]) for name in of_second]
    tables += [on_same_genes(scores, first, [first, name]) for name in of_second[:1]]
    columns = ["cell_type", "model", "fold", "metric", "value", "n"]
    return evaluation.by_fold(pd.concat(tables), "clf").query("metric == @METRIC") if tables else pd.DataFrame(columns=columns)


def _with_orthologue(scores: pd.DataFrame, cell_type: str, source: str) -> pd.Series:
    return scores.loc[(scores["cell_type"] == cell_type) & (scores["source"] == source) & (scores["kind"] == ONE), "gene_id"]


def example_pair(data: Sequence[GeneDataset], orthologues: pd.DataFrame, gene: str = "") -> pd.Series:
    """The ids of an orthologous pair to show, by data of one cell type of each species: gene_id, other_gene_id.

    That of `gene` (id or symbol in the first species) where it has exactly one orthologue. Else, of genes that are on in both and
    have one orthologue each, the pair with the most marked signal: mean signal around the TSS, in SDs over the genes of a species
    and averaged over marks, of the weaker of the two.
    """
    first, second = (part.genes.set_index("gene_id") for part in data)
    pairs = orthologues[~orthologues["gene_id"].duplicated(keep=False) & ~orthologues["other_gene_id"].duplicated(keep=False)]
    pairs = pairs[pairs["gene_id"].isin(first.index) & pairs["other_gene_id"].isin(second.index)]
    named = pairs[(pairs["gene_id"] == gene) | (pairs["gene_id"].map(first["symbol"]) == gene)]
    if len(named) == 1:
        return named.iloc[0]
    on = (pairs["gene_id"].map(first["label"]) == 1) & (pairs["other_gene_id"].map(second["label"]) == 1)
    if not on.any():
        raise InputError("orthologous pair: none of which both genes are on, expected one; name a gene")
    strength = [pd.Series(_standard(_promoters(part)).mean(1), part.genes["gene_id"]) for part in data]
    weaker = np.minimum(pairs["gene_id"].map(strength[0]), pairs["other_gene_id"].map(strength[1]))
    return pairs.loc[weaker[on].idxmax()]


def orthologous_loci(study: Study, orthologues: pd.DataFrame | None, gene: str = "") -> list[tracks.Locus]:
    """Signals around `example_pair`, of the first cell type of each species, with the gene's symbol in its title; none of one species."""
    other = studies.second_species(study)
    if other is None or orthologues is None:
        return []
    data = [load_dataset(part.record, part.cell_types[0]) for part in (study, other)]
    chosen = example_pair(data, orthologues, gene)
    loci = []
    for part, gene_id in zip(data, chosen[["gene_id", "other_gene_id"]], strict=True):
        locus, = tracks.loci({part.cell_type: part}, [gene_id])
        loci.append(locus._replace(cell_type=f"{tracks.find_gene(part, gene_id)['symbol']} in {part.cell_type}"))
    return loci


def _promoters(data: GeneDataset) -> np.ndarray:
    """Mean signal around the TSS, (gene, mark)."""
    return mean_signal(data, min(NARROW_BP, data.window_bp))


def _standard(signal: np.ndarray) -> np.ndarray:
    """Each mark less its mean, in its SD; 0 where it does not vary."""
    sd = signal.std(axis=0)
    return (signal - signal.mean(axis=0)) / np.where(sd > 0, sd, 1.0)


# Cell types of one species


def within(scores: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Scores of a profile's cell types by networks of its cell types."""
    return scores[scores["cell_type"].isin(profile.cell_types) & scores["source"].isin(profile.cell_types)]


def from_own_marks(scores: pd.DataFrame) -> pd.DataFrame:
    """What the networks of each cell type say of it, as scores of every other one: a control that reads nothing of the target.

    `scores` are of one species. In `of_runs` a network reads the target's marks. Where its rule holds there too, it says nothing of how alike two cell types are;
    what it says of its own cell type is right elsewhere only as far as they are.

    Returns
    -------
    DataFrame
        SCORES.
    """
    own = scores[scores["source"] == scores["cell_type"]]
    said = scores.merge(own[["cell_type", "gene_id", "score"]], left_on=["source", "gene_id"], right_on=["cell_type", "gene_id"],
                        suffixes=("", "_source"))  # fmt: skip
    return said.assign(score=said["score_source"])[SCORES]


def planted(profile: Profile, data: Mapping[str, GeneDataset], scores: pd.DataFrame, reads: Literal["target", "source"]) -> pd.DataFrame:
    """What networks that know the rule planted in the source would say: of the same genes, from the states of the target or, as in
    `from_own_marks`, from those of the source. No rows of a real profile.

    Returns
    -------
    DataFrame
        SCORES.
    """
    if not profile.simulated:
        return scores.iloc[:0]
    tables = []
    for (cell_type, source), table in scores.groupby(["cell_type", "source"], sort=False):
        known = best_possible(profile, data[cell_type if reads == "target" else source], rule_of=source)[["gene_id", "score"]]
        tables.append(table.drop(columns="score").merge(known, on="gene_id"))
    return pd.concat(tables, ignore_index=True)[SCORES]


def relative(scores: pd.DataFrame, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """ROC-AUC of the networks of each cell type on each other one, over that of the target's own (figure 8d).

    `scores` are of one species. Within a fold both are of the same genes; the ratio is averaged over folds.

    Returns
    -------
    DataFrame
        cell_type (target), source, value, low, high (95 % bootstrap interval over genes; none of a cell type with itself), n,
        folds (number of those that tell something, see `resampling.tells`).
    """
    rows = []
    for cell_type in scores["cell_type"].unique():
        for source in scores["source"].unique():
            if source == cell_type:
                rows.append((cell_type, source, 1.0, np.nan, np.nan, np.nan, np.nan))
                continue
            table = in_told_groups(on_same_genes(scores, cell_type, [source, cell_type]), ["fold", "model"])
            parts = [list(_by_model(part)) for _, part in table.groupby("fold")]
            if not parts:
                continue
            values, n = of_parts(parts, METRIC, n_resamples, seed)                          # (1 + b, fold, 2)
            ratio = (values[..., 0] / values[..., 1]).mean(1)
            rows.append((cell_type, source, *interval(ratio), n, len(parts)))
    return pd.DataFrame(rows, columns=["cell_type", "source", "value", "low", "high", "n", "folds"])


def _by_model(table: pd.DataFrame) -> Iterable[pd.DataFrame]:
    for _, part in table.groupby("model", sort=False):
        yield part.set_index("gene_id")[["score", "target"]]


class Tree(NamedTuple):
    """Cell types joined by average linkage."""

    merges: pd.DataFrame       # first, second (cell types of each side), distance; closest first
    linkage: np.ndarray | None  # as scipy has it; None of one cell type
    order: list[str]           # of leaves


def tree(table: pd.DataFrame) -> Tree:
    """Average linkage of the cell types of `relative`; their distance is 1 - relative ROC-AUC, mean of both directions, and 0 at
    least."""
    names = list(table["cell_type"].unique())
    if len(names) < 2:
        return Tree(pd.DataFrame(columns=["first", "second", "distance"]), None, names)
    wide = table.pivot(index="cell_type", columns="source", values="value").loc[names, names].to_numpy()
    distance = np.clip(1 - (wide + wide.T) / 2, 0, None)
    linkage = hierarchy.linkage(squareform(distance, checks=False), "average")
    members, rows = [[name] for name in names], []
    for first, second, height, _ in linkage:
        rows.append((", ".join(members[int(first)]), ", ".join(members[int(second)]), height))
        members.append(members[int(first)] + members[int(second)])
    return Tree(pd.DataFrame(rows, columns=["first", "second", "distance"]), linkage, [names[i] for i in hierarchy.leaves_list(linkage)])


def similarity(data: Mapping[str, GeneDataset], table: pd.DataFrame) -> pd.DataFrame:
    """How alike cell types are, beside what is lost where one's networks predict the other.

    Parameters
    ----------
    table : DataFrame
        From `relative`.

    Returns
    -------
    DataFrame
        first, second; signal (Pearson r over genes and marks of the mean signal around the TSS, each mark in its SDs), labels
        (share of genes with the same one), expression (Spearman ρ); n (genes in both), loss (1 - relative ROC-AUC, mean of both
        directions); a row per pair.
    """
    ratio = table.set_index(["cell_type", "source"])["value"]
    signal = {name: pd.DataFrame(_standard(_promoters(part)), part.genes["gene_id"]) for name, part in data.items()}
    rows, names = [], list(data)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            if (first, second) not in ratio or (second, first) not in ratio:
                continue
            genes = [data[name].genes.set_index("gene_id") for name in (first, second)]
            ids = genes[0].index.intersection(genes[1].index)
            a, b = (part.loc[ids] for part in genes)
            r = stats.pearsonr(*(signal[name].loc[ids].to_numpy().ravel() for name in (first, second))).statistic
            rho = stats.spearmanr(a["expression"], b["expression"]).statistic
            loss = 1 - (ratio[first, second] + ratio[second, first]) / 2
            rows.append((first, second, r, (a["label"] == b["label"]).mean(), rho, len(ids), loss))
    return pd.DataFrame(rows, columns=["first", "second", *SIMILARITIES, "n", "loss"])


def similarity_and_loss(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman ρ over pairs of cell types of each measure of likeness with the loss: measure, value, p (two-sided; none with fewer
    pairs than MIN_PAIRS), n (pairs). Pairs share cell types, so that p is too small."""
    rows = []
    for name, measure in SIMILARITIES.items():
        varies = len(table) > 2 and table[name].nunique() > 1 and table["loss"].nunique() > 1
        found = stats.spearmanr(table[name], table["loss"]) if varies else None
        p = found.pvalue if found and len(table) >= MIN_PAIRS else np.nan
        rows.append((measure, found.statistic if found else np.nan, p, len(table)))
    return pd.DataFrame(rows, columns=["measure", "value", "p", "n"])


# The page


def left_out(study: Study) -> pd.DataFrame:
    """What a profile leaves out: figure, what, why."""
    names, rows = list(study.record.cell_types), []
    if study.record.second_species is None:
        rows.append(("8a-c", "another species", "the profile names no second_species"))
    if len(names) < 2:
        rows.append(("8d", "other cell types, and learning from them", "the profile has one cell type"))
    elif len(names) == 2:
        rows.append(("8d", "clusters of cell types; a network of all other cell types", "the profile has two cell types"))
    if absent := [str(fold) for fold in profile_genome(study.record).fold_ids if fold not in study.folds]:
        rows.append(("8a-d", f"networks that hold out folds {', '.join(absent)}", "not in the profile's budget"))
    if len(names) > 1 and transfers_core(study):
        what = "other numbers of target genes, and networks that go on with all of them"
        rows.append(("none", "; ".join([what, *(f"{name} as a new cell type" for name in names[1:-1])]), "not in the profile's budget"))
    without = [name for name in names if name not in connected(study)]
    if 0 < len(without) < len(names):
        rows.append(("8d", "pCREs, in every cell type", f"no contacts of {', '.join(without)}"))
    return pd.DataFrame(rows, columns=["figure", "what", "why"])


def for_claims(profile: Profile, scores: pd.DataFrame, likeness: pd.DataFrame) -> pd.DataFrame:
    """Scores of `of_runs` under the names that claims on figure 8 use, in the columns of `answers.SCORES`.

    "Another cell type" is the first other one of the profile, networks of another species are those of its first cell type; likest
    and least like are by signal, from `similarity`, of three cell types or more.
    """
    first, same = set(within(scores, profile)["cell_type"]), scores[~scores["is_across"]]
    elsewhere = from_own_marks(same)
    tables = [same[same["source"] == same["cell_type"]].assign(model="trained on the same cell type")]
    for cell_type in scores["cell_type"].unique():
        across = scores.loc[(scores["cell_type"] == cell_type) & scores["is_across"], "source"]
        if len(across):
            table = on_same_genes(scores, cell_type, [cell_type, across.iloc[0]])
            which = "first" if cell_type in first else "second"
            is_own = table["model"] == f"trained on {cell_type}"
            tables.append(table.assign(model=f"{which} species: " + pd.Series(np.where(is_own, "its own networks", "those of the other"))))
        others = [name for name in same.loc[same["cell_type"] == cell_type, "source"].unique() if name != cell_type]
        chosen = {"trained on another cell type": (same, others[:1]), "trained on another cell type, its own marks": (elsewhere, others[:1])}
        if len(others) > 1:
            r = pd.concat([likeness.set_index("second").query("first == @cell_type"), likeness.set_index("first").query("second == @cell_type")])["signal"]
            for which, name in (("likest", r.idxmax()), ("least like", r.idxmin())):
                chosen |= {f"trained on the {which} cell type": (same, [name]), f"what is said of the {which} cell type": (elsewhere, [name])}
        for model, (table, sources) in chosen.items():
            tables.append(table[(table["cell_type"] == cell_type) & table["source"].isin(sources)].assign(model=model))
    return pd.concat(tables, ignore_index=True)[answers.SCORES]
