"""The paper's claims, one by one: what each says, and whether a run of this code sees it.

In: data/paper.yml, and scores of held-out genes as notebooks make them. Out: tidy tables, one row per claim.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..config import MARKS, InputError, Task, first_fault
from ..dataset import GeneDataset
from ..evaluation import METRIC_NAMES, adjusted
from ..profile import Profile
from ..resampling import MIN_UNLIKE, interval, is_told, of_parts, p_on_side, tells
from . import pcres
from .comparison import published

PEERS = ("DeepChrome", "AttentiveChrome", "HM-CRNN")  # which read one cell type's promoter window
MIN_GENES = 30  # of a cell type; an interval of fewer says little
SEEN, NOT_SEEN, NOT_TESTABLE = "seen", "not seen", "not testable"
Metric = Literal["roc_auc", "accuracy", "average_precision", "pearson", "spearman", "r2", "mean"]
TASK_METRICS: dict[Task, tuple[Metric, ...]] = {
    "clf": ("roc_auc", "accuracy", "average_precision", "mean"), "reg": ("pearson", "spearman", "r2", "mean"),
    "diff": ("pearson", "r2"),
}  # fmt: skip
Each = Literal["peers", "marks", "bin widths", "pairs of bin widths"]
Notebook = Literal[
    "03_benchmark", "04_window_size", "05_ablation", "06_attention", "07_pcri", "07b_cis_regulation", "07c_perturbation",
    "08_cross_species",
]  # fmt: skip
NOTEBOOKS = get_args(Notebook)
SCORES = ("cell_type", "task", "model", "gene_id", "score", "target")
COLUMNS = ("id", "figure", "claim", "statistic", "first", "second", "threshold", "paper", "value", "low", "high", "n",
           "cell_types", "p", "verdict", "why")  # fmt: skip

# Name of a subset -> ids of its genes, or cell type -> ids where it differs between them.
Subsets = Mapping[str, Collection[str] | Mapping[str, Collection[str]]]


class Contrast(BaseModel):
    """A metric of one model, or of one model minus another, on some genes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: str
    second: str | None = None  # None: the metric of the first itself
    genes: str = "all"         # or the name of a subset


class Claim(Contrast):
    """One claim of data/paper.yml: a contrast, less another one where there is `minus`, on one side of a threshold.

    "{each}" in a model's name stands for each of `each` in turn, and the claim is that all of them lie there.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    figure: str
    notebook: Notebook
    claim: str
    where: str
    task: Task
    metric: Metric
    each: Each | tuple[str, ...] | None = None  # PEERS; marks of the profile that are not yet named; its bin widths, or two of them
    minus: Contrast | None = None
    cell_types: Literal["together", "each"] = "together"  # the mean over them; or the claim is made of each of several
    direction: Literal["above", "below", "either"]  # either: what we have of the paper does not say which
    threshold: float = 0.0
    nothing: float | None = None                    # no effect, where the threshold asks for more; None: the threshold itself
    paper: float | None
    note: str = ""                                  # on the paper's number; why there is none
    needs: Literal["contacts", "TADs", "CTCF", "compartments", "other cell types", "a second species"] | None = None  # besides the marks

    @model_validator(mode="after")
    def _fits_together(self) -> Claim:
        if self.metric not in TASK_METRICS[self.task]:
            raise ValueError(f"metric {self.metric} of task {self.task}, expected {', '.join(TASK_METRICS[self.task])}")
        if any("{each}" in model for model in self._models()) != (self.each is not None):
            raise ValueError("`each` and {each} in a model's name, expected both or neither")
        if self.minus and not (self.second and self.minus.second):
            raise ValueError("`minus` without a second model, expected one on both sides")
        if self.paper is None and not self.note:
            raise ValueError("no number of the paper, expected a note that says why")
        return self

    def _models(self) -> list[str]:
        contrasts = [self, *([self.minus] if self.minus else [])]
        return [model for contrast in contrasts for model in (contrast.first, contrast.second) if model]

    def models(self, member: str) -> list[str]:
        """Names of its models for one member of `each`."""
        return [model.replace("{each}", member) for model in self._models()]

    def members(self, profile: Profile) -> list[str]:
        """What {each} stands for in a profile; one empty name where there is no {each}."""
        widths = profile.bin_bp
        named = {
            "peers": PEERS, "marks": profile.marks, None: ("",),
            "bin widths": map(str, widths),
            "pairs of bin widths": (" + ".join(map(str, pair)) for pair in itertools.combinations(widths, 2) if len(widths) > 2),
        }  # fmt: skip
        members = named[self.each] if self.each is None or isinstance(self.each, str) else self.each
        # A model is not set against itself: "without {each}" against "without H3K36me3" leaves that mark out.
        return [member for member in members if len(set(self.models(member))) == len(self._models()) or self.minus]

    def anyone(self) -> str:
        """What {each} stands for, in words."""
        return f"each of {', '.join(self.each)}" if isinstance(self.each, tuple) else {
            "peers": "each peer", "marks": "each other mark", "bin widths": "each bin width",
            "pairs of bin widths": "each pair of bin widths", None: ""}[self.each]  # fmt: skip

    def in_words(self, member: str) -> str:
        """What is measured, for one member of `each`."""
        names = self.models(member)
        text = METRIC_NAMES.get(self.metric, self.metric.replace("_", " "))
        text += ", first minus second" if self.second else ""
        text += f", genes {self.genes}" if self.genes != "all" else ""
        if self.minus:
            is_same = names[:2] == names[2:]
            text += ", less the same" if is_same else f", less “{names[2]}” minus “{names[3]}”"
            text += f", genes {self.minus.genes}" if self.minus.genes != "all" else ""
        return text + ("; of each cell type" if self.cell_types == "each" else "")

    def seen_if(self) -> str:
        """When its verdict is "seen"."""
        side = {"above": "lies above", "below": "lies below", "either": "does not hold"}[self.direction]
        of = " and ".join(filter(None, [self.anyone(), "each cell type" if self.cell_types == "each" else ""]))
        return f"the 95 % interval{f' of {of}' if of else ''} {side} {self.threshold:g}"


class Term(NamedTuple):
    """A metric is measured of this model on these genes."""

    model: str
    genes: str


class Measured(NamedTuple):
    """All that was measured of a claim; the last axis of arrays is each member of `each`."""

    change: np.ndarray      # (1 + resample, cell type, member)   on all genes, then on resamples; one cell type: the mean
    n: int                  # genes
    cell_types: list[str]
    left_out: list[str]     # cell types and folds without what the claim is about, and what they lack


Part = tuple[str, int | None]  # a cell type and a held-out fold of it; None: all its genes


class _Untestable(Exception):
    """Why a claim cannot be tested here."""


# The claims


def parse(values: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Claims as they stand in data/paper.yml, checked.

    Raises
    ------
    InputError
        A claim that is wrong, or two of one id; the message names the file, the claim and the setting.
    """
    claims = []
    for number, value in enumerate(values, 1):
        name = (isinstance(value, Mapping) and value.get("id")) or f"number {number}"
        try:
            claims.append(Claim.model_validate(value))
        except ValidationError as error:
            raise InputError(f"data/paper.yml: claim {name}: {first_fault(error)}; correct it") from None
    ids = [claim.id for claim in claims]
    if twice := [name for name in ids if ids.count(name) > 1]:
        raise InputError(f"data/paper.yml: claim {twice[0]}: two of this id, expected one; name one of them differently")
    return claims


def of_notebook(notebook: str | None = None) -> list[Claim]:
    """Claims of data/paper.yml that a notebook tests; None: all.

    Raises
    ------
    InputError
        A notebook that tests none, or a wrong claim (see `parse`).
    """
    if notebook is not None and notebook not in NOTEBOOKS:
        raise InputError(f"claims: no claim of notebook {notebook!r}, expected one of {', '.join(NOTEBOOKS)}")
    return [claim for claim in parse(published("claims")) if notebook in (None, claim.notebook)]


def listed(notebook: str | None = None) -> pd.DataFrame:
    """What the paper claims, as far as our sources tell: id, figure, notebook, claim, where (in the paper), statistic, first,
    second, paper (its number), note, seen_if."""
    rows = [
        {**claim.model_dump(include={"id", "figure", "notebook", "claim", "where", "paper", "note"}), **_named(claim, claim.anyone()),
         "seen_if": claim.seen_if()}
        for claim in of_notebook(notebook)
    ]  # fmt: skip
    columns = ["id", "figure", "notebook", "claim", "where", "statistic", "first", "second", "paper", "note", "seen_if"]
    return pd.DataFrame(rows, columns=columns).astype({"paper": float})


# Their verdicts


def evaluate(
    profile: Profile, notebook: str, scores: pd.DataFrame, subsets: Subsets | None = None, *, n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """A verdict on each claim of a notebook, from scores of held-out genes.

    A metric is the mean over the held-out folds of a cell type, whose scores are those of different networks; a mean of scores,
    and a metric of scores without a fold, is that of all genes. A fold of which a metric means nothing, or of many of its resamples,
    is left out, and named.
    Intervals (95 %, percentile) come from resampling genes, all cell types and folds at once: a gene that is drawn twice counts
    twice in each.
    "Seen" is a statement on these genes and these trained networks. It holds neither what another seed would change, nor
    that neighbouring genes are alike, nor that the one to compare with was picked by the same genes; and each claim is
    tested as if it were the only one, for which q makes up. It need not be large, and "not seen" does not say that a claim
    is wrong.

    Parameters
    ----------
    scores : DataFrame
        cell_type, task, model, gene_id, score, target, and fold where there are folds; one row per model and gene, other columns are
        passed over.
    subsets : mapping, optional
        Name that claims use ("with contacts", ...) -> ids of its genes, for each cell type where they differ: see
        `by_contacts`. A cell type without any is left out of the claim, and named; so is one without scores of a model that
        needs contacts or the like, where another cell type has them.

    Returns
    -------
    DataFrame
        id, figure, claim, statistic (in words), first, second, threshold, paper, value, low, high, n (genes), cell_types
        (number), p (that it is not so), verdict (seen, not seen, not testable), why, q (p adjusted over the claims of the
        table). Of a claim on each of several (peers, marks, cell types), the row shows the one whose interval reaches furthest to
        the wrong side, and p is the largest.

    Raises
    ------
    InputError
        Columns missing from scores, a gene scored twice, a score that is no number, or two targets of one gene.
    """
    by_model = _by_model(scores)
    rows = [_row(claim, profile, by_model, subsets or {}, n_resamples, seed) for claim in of_notebook(notebook)]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64", "cell_types": "Int64"})
    numbers = ["threshold", "paper", "value", "low", "high", "p"]
    table[numbers] = table[numbers].astype(float)
    return table.assign(q=adjusted(table["p"]))


def by_contacts(data: Mapping[str, GeneDataset]) -> dict[str, dict[str, list[str]]]:
    """The subsets "with contacts" and "without contacts" of each cell type: genes that have a pCRE in the dataset, or none."""
    found: dict[str, dict[str, list[str]]] = {"with contacts": {}, "without contacts": {}}
    for cell_type, genes in data.items():
        has_any = pcres.per_gene(genes) > 0
        found["with contacts"][cell_type] = genes.genes.loc[has_any, "gene_id"].tolist()
        found["without contacts"][cell_type] = genes.genes.loc[~has_any, "gene_id"].tolist()
    return found


def _row(
    claim: Claim, profile: Profile, by_model: dict, subsets: Subsets, n_resamples: int, seed: int
) -> dict[str, Any]:
    row = claim.model_dump(include={"id", "figure", "claim", "threshold", "paper"}) | _named(claim, claim.anyone())
    try:
        _check_profile(claim, profile)
        return row | _judged(claim, profile, _measured(claim, profile, by_model, subsets, n_resamples, seed))
    except _Untestable as reason:
        return row | {"verdict": NOT_TESTABLE, "why": str(reason)}


def _named(claim: Claim, member: str) -> dict[str, Any]:
    """Columns that tell what is measured, for one member of `each`."""
    names = claim.models(member)
    return {"statistic": claim.in_words(member), "first": names[0], "second": names[1] if claim.second else None}


def _judged(claim: Claim, profile: Profile, measured: Measured) -> dict[str, Any]:
    """Columns of a claim that could be tested: of all that it says, what is least certain."""
    value, low, high = np.apply_along_axis(interval, 0, measured.change)                     # (cell type, member)
    p = np.apply_along_axis(p_on_side, 0, measured.change[1:], claim.threshold, claim.direction)
    above, below = low - claim.threshold, claim.threshold - high  # how far beyond the threshold an interval begins
    margin = {"above": above, "below": below, "either": np.maximum(above, below)}[claim.direction]
    least = np.unravel_index(margin.argmin(), margin.shape)
    why = [
        f"shown: {measured.cell_types[least[0]]}" if claim.cell_types == "each" else "",
        _why(claim, margin, opposite={"above": below, "below": above}.get(claim.direction)),
        f"{'; '.join(measured.left_out)}, left out" if measured.left_out else "",
        f"the profile has no {', '.join(absent)}" if claim.each == "marks" and (absent := _absent(profile)) else "",
    ]
    return _named(claim, claim.members(profile)[least[1]]) | {
        "value": value[least], "low": low[least],
        "high": high[least], "n": measured.n, "cell_types": len(measured.cell_types),
        "p": p.max(), "verdict": SEEN if (margin > 0).all() else NOT_SEEN,
        "why": "; ".join(filter(None, why)),
    }  # fmt: skip


def _why(claim: Claim, margin: np.ndarray, opposite: np.ndarray | None) -> str:
    """Why a claim is not seen; of how many it is, where it is made of several."""
    if (margin > 0).all():
        return ""
    if margin.size > 1:
        return f"{(margin > 0).sum()} of {margin.size} intervals lie on the claimed side"
    if opposite is not None and opposite.item() > 0:
        return f"the interval lies on the other side of {claim.threshold:g}"
    return f"the interval holds {claim.threshold:g}"


# What is measured


def _check_profile(claim: Claim, profile: Profile) -> None:
    """Raise _Untestable where no run of a profile could test a claim."""
    members = claim.members(profile)
    if not members:
        of = f"no other mark than {', '.join(profile.marks)}" if claim.each == "marks" else f"bins of {' and '.join(map(str, profile.bin_bp))} bp alone"
        raise _Untestable(f"the profile has {of}")
    if claim.task == "diff" and len(profile.cell_types) < 2:
        raise _Untestable("a fold change needs two cell types, the profile has one")
    if claim.needs == "contacts" and not (profile.max_pcres and getattr(profile.inputs, "contacts", True)):
        raise _Untestable("the profile has no contacts")
    if claim.needs == "a second species" and profile.second_species is None:
        raise _Untestable("the profile has no second species")
    if claim.needs == "other cell types" and len(profile.cell_types) < 2:
        raise _Untestable("the profile has one cell type")
    for model in itertools.chain.from_iterable(map(claim.models, members)):
        width = re.search(r", (\d+) kb$", model)
        if width and 1000 * int(width[1]) > profile.frame_bp:
            raise _Untestable(f"a window of {width[1]} kb is wider than the profile's of {profile.frame_bp / 1000:g} kb")
        if absent := [mark for mark in _absent(profile) if mark in model]:
            raise _Untestable(f"the profile has no {absent[0]}")


def _absent(profile: Profile) -> list[str]:
    """Marks of the paper that a profile does not have."""
    return [mark for mark in MARKS if mark not in profile.marks]


def _measured(
    claim: Claim, profile: Profile, by_model: dict, subsets: Subsets, n_resamples: int, seed: int
) -> Measured:
    """The claim's contrasts on all genes and on resamples; _Untestable where scores do not suffice."""
    contrasts = [_terms(claim, member) for member in claim.members(profile)]
    terms = list(dict.fromkeys(term for pairs in contrasts for _, term in pairs))
    parts, left_out = _parts(claim, by_model, subsets, terms)
    owner = np.array([cell_type for cell_type, _ in parts])
    cell_types = list(dict.fromkeys(owner))
    if claim.cell_types == "each" and len(cell_types) < 2:
        raise _Untestable(f"it is a claim on each of several cell types, there are scores of {', '.join(cell_types)} only")
    values, n_genes = of_parts(list(parts.values()), claim.metric, n_resamples, seed)       # (1 + b, part, term)
    sign = np.array([[sum(s for s, other in pairs if other == term) for term in terms] for pairs in contrasts])
    change = np.stack([(values[:, owner == name] @ sign.T).mean(1) for name in cell_types], axis=1)  # (1 + b, cell type, member)
    change = change if claim.cell_types == "each" else change.mean(axis=1, keepdims=True)
    if not np.apply_along_axis(is_told, 0, change).all():
        raise _Untestable(_why_untold(claim, terms, values))
    return Measured(change, n_genes, cell_types, left_out)


def _why_untold(claim: Claim, terms: list[Term], values: np.ndarray) -> str:
    """Why a metric means nothing, from what it is of parts whose targets differ, (1 + b, part, term)."""
    if (constant := np.isnan(values[0]).any(axis=0)).any():
        return f"predictions of “{terms[constant.argmax()].model}” do not vary in each fold, {claim.metric} means nothing of them"
    n_empty = np.isnan(values[1:]).any(axis=(1, 2)).sum()
    return f"{n_empty} of {len(values) - 1:,} resamples hold a fold of which {claim.metric} means nothing"


def _terms(claim: Claim, member: str) -> list[tuple[int, Term]]:
    """What is added and subtracted for one member of `each`."""
    genes = [claim.genes] * (2 if claim.second else 1) + ([claim.minus.genes] * 2 if claim.minus else [])
    terms = map(Term, claim.models(member), genes)
    return list(zip((1, -1, -1, 1), terms, strict=False))


def _by_model(scores: pd.DataFrame) -> dict[tuple[str, str, str], pd.DataFrame]:
    """Task, cell type and model -> score, target and fold (NaN: none) by gene id, sorted."""
    if absent := [column for column in SCORES if column not in scores]:
        raise InputError(f"claims: scores have no column {absent[0]!r}, expected {', '.join(SCORES)}")
    found = {}
    for key, table in scores.groupby(["task", "cell_type", "model"], sort=False):
        table = table.set_index("gene_id").reindex(columns=["score", "target", "fold"]).sort_index()
        where = f"claims: {key[2]!r} of {key[1]}, task {key[0]}"
        if table.index.has_duplicates:
            gene = table.index[table.index.duplicated()][0]
            raise InputError(f"{where}: two scores of {gene}, expected one; give each run a name")
        if (is_empty := table[["score", "target"]].isna().any(axis=1)).any():
            raise InputError(f"{where}: {table.index[is_empty][0]} has no score or no target; leave no gene empty")
        found[key] = table
    return found


def _parts(
    claim: Claim, by_model: dict, subsets: Subsets, terms: list[Term]
) -> tuple[dict[Part, list[pd.DataFrame]], list[str]]:
    """Score and target that each term is measured on, by cell type and fold; and why other cell types are left out."""
    cell_types = list(dict.fromkeys(cell_type for task, cell_type, _ in by_model if task == claim.task))
    if not cell_types:
        raise _Untestable(f"no scores of task {claim.task}")
    parts, left_out = {}, []
    for cell_type in cell_types:
        chosen = {term.genes: _chosen(term.genes, cell_type, subsets) for term in terms}
        if lacks := _lacking(claim, by_model, cell_type, terms, chosen):
            left_out.append(lacks)
            continue
        row = [_part(claim, by_model, cell_type, term, chosen[term.genes]) for term in terms]
        _check_same_genes(cell_type, terms, row)
        folds = _by_fold(claim, row)
        thin = {fold: why for fold, part in folds.items() if (why := _thin(claim, cell_type, fold, terms, part))}
        kept = {(cell_type, fold): part for fold, part in folds.items() if fold not in thin}
        _check_numbers(cell_type, terms, list(kept.values()), list(thin.values()))
        parts |= kept
        left_out += thin.values()
    if not parts:
        raise _Untestable("; ".join(left_out))
    return parts, left_out


def _thin(claim: Claim, cell_type: str, fold: int | None, terms: list[Term], part: list[pd.DataFrame]) -> str:
    """Why a fold tells nothing of a claim, "" where it tells something."""
    for term, table in zip(terms, part, strict=True):
        if claim.metric != "mean" and not tells(table["target"]):
            where = cell_type if fold is None else f"fold {fold} of {cell_type}"
            rare = "of the rarer class" if claim.task == "clf" else "that differ in their target"
            return f"{where}: fewer than {MIN_UNLIKE} genes{_of(term)} {rare}"
    return ""


def _check_numbers(cell_type: str, terms: list[Term], parts: list[list[pd.DataFrame]], left_out: list[str]) -> None:
    """The folds of a cell type that are left must hold MIN_GENES genes of each term."""
    for i, term in enumerate(terms):
        if (n := sum(len(part[i]) for part in parts)) < MIN_GENES:
            raise _Untestable("; ".join([f"{n} genes{_of(term)} in {cell_type}, fewer than {MIN_GENES}", *left_out]))


def _of(term: Term) -> str:
    return "" if term.genes == "all" else f" {term.genes}"


def _by_fold(claim: Claim, row: list[pd.DataFrame]) -> dict[int | None, list[pd.DataFrame]]:
    """Fold -> the tables of one cell type in it; None: all as one, where the claim is on a mean of scores or genes have no fold."""
    if claim.metric == "mean" or any(table["fold"].isna().any() for table in row):
        return {None: row}
    folds = sorted(set().union(*(table["fold"] for table in row)))
    return {int(fold): [table[table["fold"] == fold] for table in row] for fold in folds}


def _lacking(claim: Claim, by_model: dict, cell_type: str, terms: list[Term], chosen: dict) -> str:
    """Why a cell type has nothing to do with a claim, "" where it has: no genes of a subset, or no model that needs what it
    lacks and another cell type has."""
    if empty := [name for name, ids in chosen.items() if ids is not None and not len(ids)]:
        return f"no genes {empty[0]} in {cell_type}"
    elsewhere = {model for task, _, model in by_model if task == claim.task}
    absent = [term.model for term in terms if (claim.task, cell_type, term.model) not in by_model and term.model in elsewhere]
    return f"no scores of “{absent[0]}” in {cell_type}" if claim.needs and absent else ""


def _chosen(genes: str, cell_type: str, subsets: Subsets) -> Collection[str] | None:
    """Ids of a subset in a cell type; None: all genes."""
    if genes == "all":
        return None
    if genes not in subsets:
        raise _Untestable(f"no subset of genes {genes!r} is given")
    ids = subsets[genes]
    return ids.get(cell_type, ()) if isinstance(ids, Mapping) else ids


def _part(claim: Claim, by_model: dict, cell_type: str, term: Term, ids: Collection[str] | None) -> pd.DataFrame:
    table = by_model.get((claim.task, cell_type, term.model))
    if table is None:
        needs = f", which needs {claim.needs}" if claim.needs else ""
        raise _Untestable(f"no scores of “{term.model}” in {cell_type}, task {claim.task}{needs}")
    return table if ids is None else table[table.index.isin(ids)]


def _check_same_genes(cell_type: str, terms: list[Term], row: list[pd.DataFrame]) -> None:
    """Terms of one subset must be measured on the same genes, against the same targets."""
    for (one, a), (other, b) in itertools.pairwise(sorted(zip(terms, row, strict=True), key=lambda pair: pair[0].genes)):
        if one.genes != other.genes:
            continue
        if not a.index.equals(b.index):
            n = len(a.index.symmetric_difference(b.index))
            raise _Untestable(f"{n} genes of {cell_type} have a score of only one of “{one.model}” and “{other.model}”")
        differs = ~np.isclose(a["target"], b["target"], atol=1e-4)
        if differs.any():
            raise InputError(
                f"claims: {a.index[differs][0]} of {cell_type} has another target beside {one.model!r} than beside {other.model!r}; "
                "compare models on the same targets"
            )
