"""Which trainings answer which question: the grids of notebooks 2 to 8.

In: a profile and how much of it to train. Out: runs under the names that tables and figures show.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Literal

import pandas as pd

from .baselines import PEERS, WINDOW_PEERS
from .config import BETTER_SEEDS, InputError, Task
from .genome import profile_genome
from .profile import Profile, load_profile
from .runs import Run
from .sections import Budget, PublishedInputs

Grid = dict[str, list[Run]]  # name of a model -> its runs; `answers` averages those that differ by their seed alone

OURS = "Chromoformer"  # by the profile's recipe, which is the paper's where a profile names no departure
BETTER = f"{OURS}, better recipe"
PAPER_RECIPE = f"{OURS}, paper's recipe"
ON_GRAPH_GENES = f"{OURS} on GC-MERGE's genes"
PROMOTER_ONLY = f"{OURS}, promoter only"
TWO_REGRESSORS = f"{OURS}, two regressors"
RATIO = f"{OURS}, ratio of probabilities"
ANOTHER_SEED = "another seed"
AGNOSTIC = f"{OURS}, all other cell types"
FROM_SCRATCH, FINE_TUNED, FROZEN = WAYS = ("from scratch", "fine-tuned", "frozen")
WITHOUT_PCRES, CONCATENATED = "without pCREs", "concatenated"
KINDS, BY_BUDGET = "contacts within and across TADs", "not in this budget"  # as tables of what is left out say it
OF_TWO = (TWO_REGRESSORS, RATIO)  # fold changes that are made of what networks of one cell type each say
SEEDS = 3  # networks of `ensembles`, from one cell type and fold
WINDOWS_BP = (2_000, 4_000, 10_000, 20_000, 40_000)  # the paper's, figure 3a
# Marks removed together, as chromHMM binds them in its states.
REMOVED_TOGETHER = {
    "without H3K4me3, H3K27ac and H3K9ac": ("H3K4me3", "H3K27ac", "H3K9ac"),     # active promoters
    "without H3K4me1 and H3K27ac": ("H3K4me1", "H3K27ac"),                       # enhancers
    "without H3K9me3 and H3K27me3": ("H3K9me3", "H3K27me3"),                     # heterochromatin and Polycomb
    "without H3K27ac and H3K9ac": ("H3K27ac", "H3K9ac"),                         # acetylation: chromHMM's five marks are left
}  # fmt: skip


@dataclass(frozen=True)
class Study:
    """A profile, and what is trained of it."""

    profile: str
    record: Profile
    is_full: bool
    cell_types: tuple[str, ...]
    folds: tuple[int, ...]
    peers: tuple[str, ...]
    seed: int
    every: tuple[str, ...]  # cell types that can be taken, whatever the budget: all of the profile, or the one that was named

    @property
    def genes_are_all_held_out(self) -> bool:
        """Whether every gene lies in a fold that is held out."""
        return set(self.folds) == set(profile_genome(self.record).fold_ids)

    @property
    def held_out_per_training(self) -> float:
        """Held-out genes over training genes, about: a training leaves out one of all folds, however many of them are trained."""
        return 1 / (len(profile_genome(self.record).fold_ids) - 1)

    @property
    def peer_recipe(self) -> Literal["paper", "profile"]:
        """How peers are trained: as their authors did, or with the departures of the profile's budget."""
        return "paper" if self.is_full else "profile"

    def runs(self, tasks: Sequence[Task] = ("clf",), seeds: Sequence[int] | None = None, **settings) -> list[Run]:
        """One run per task, cell type, fold and seed."""
        return [
            Run(profile=self.profile, cell_type=cell_type, fold=fold, task=task, seed=seed, **settings)
            for task, cell_type, fold, seed in product(tasks, self.cell_types, self.folds, seeds or [self.seed])
        ]


def study(profile: str | os.PathLike[str], budget: str = "profile", seed: int = 42, cell_type: str = "") -> Study:
    """What a notebook trains of a profile: as the profile's `budget` says, or ("full") all of it by each author's recipe; of one
    `cell_type` where it is named, whatever the budget's are.

    Raises
    ------
    InputError
        Another word than these two; a cell type that does not exist; a budget that names a cell type, fold or peer that does not
        exist or twice, or no cell type or fold at all; or a profile without expression.
    """
    record = load_profile(profile)
    record.check_measured()
    if budget not in ("profile", "full"):
        raise InputError(f"budget {budget!r}, expected profile or full")
    limits, folds = Budget() if budget == "full" else record.budget, profile_genome(record).fold_ids
    _check_budget(record, folds)
    every = (record.check_cell_type(cell_type),) if cell_type else tuple(record.cell_types)
    return Study(
        str(profile), record, budget == "full", seed=seed, every=every,
        cell_types=every if cell_type or limits.cell_types is None else limits.cell_types,
        folds=tuple(folds) if limits.folds is None else limits.folds,
        peers=tuple(PEERS) if limits.peers is None else limits.peers,
    )  # fmt: skip


def _check_budget(record: Profile, folds: Sequence[int]) -> None:
    """Whatever is trained of it: a mistake is to be told at the first run, not at that of another budget."""
    budget = record.budget
    for name, known in (("cell_types", record.cell_types), ("folds", folds), ("peers", PEERS), ("recipes", PEERS)):
        found = getattr(budget, name)
        where, expected = f"profile {record.name}: budget.{name}", ", ".join(map(str, known))
        for value in found or ():
            if value not in known:
                raise InputError(f"{where}: found {value!r}, expected some of {expected}; correct it")
        if found is not None and len(set(found)) != len(found):
            raise InputError(f"{where}: found {list(found)}, expected each once; leave out what stands twice")
        if found == () and name != "peers":
            raise InputError(f"{where}: found none, expected some of {expected}; leave it out for all")


# Notebooks 2 and 2b: a first look


def one_cell_type(study: Study) -> Grid:
    """Chromoformer as classifier and as regressor of the study's first cell type, each fold held out in turn."""
    return {OURS: replace(_of_all_folds(study), cell_types=study.cell_types[:1]).runs(("clf", "reg"))}


def two_cell_types(study: Study, first: str, second: str) -> Grid:
    """Chromoformer as classifier and as regressor of two cell types, and of the fold change from the first to the second, each
    fold held out in turn."""
    whole = _of_all_folds(study)
    levels = [run for name in (first, second) for run in replace(whole, cell_types=(name,)).runs(("clf", "reg"))]
    return {OURS: [*levels, *replace(whole, cell_types=(first,)).runs(("diff",), other=second)]}


def _of_all_folds(study: Study) -> Study:
    return replace(study, folds=tuple(profile_genome(study.record).fold_ids))


# Notebook 3: the benchmark


def benchmark(study: Study, tasks: Sequence[Task] = ("clf", "reg")) -> Grid:
    """Chromoformer and every peer that reads a promoter window, as classifiers and regressors of each cell type.

    Chromoformer also by the paper's recipe, where `has_paper_recipe`. The better recipe, a classifier's, is that of several
    networks.
    """
    grid = {OURS: study.runs(tasks)}
    if has_paper_recipe(study):
        grid[PAPER_RECIPE] = study.runs(tasks, recipe="paper")
    if "clf" in tasks and has_better(study):
        grid[BETTER] = study.runs(("clf",), recipe="better", seeds=[study.seed + i for i in range(BETTER_SEEDS)])
    frame_bp, is_frame = study.record.frame_bp, study.record.budget.peer_window == "frame"
    for name in study.peers:
        if name in WINDOW_PEERS:
            window_bp = frame_bp if is_frame else min(PEERS[name].window_bp, frame_bp)  # named, as in `windows`: one run for both
            grid[PEERS[name].title] = study.runs(tasks, model=name, recipe=study.peer_recipe, window_bp=window_bp)
    return grid


def has_paper_recipe(study: Study) -> bool:
    """Whether Chromoformer is trained by the paper's recipe too: where the profile's is another, of real cells or with everything."""
    return bool(study.record.training.model_dump(exclude_none=True)) and (study.is_full or not study.record.simulated)


def has_better(study: Study) -> bool:
    """Whether the better recipe is trained too."""
    return study.is_full or study.record.budget.better


def on_graph(study: Study) -> Grid:
    """GC-MERGE, and Chromoformer on the same genes with the same labels; empty where there are no contacts to make a graph of."""
    if "gc-merge" not in study.peers or not (cell_types := with_contacts(study)):
        return {}
    settings = {
        ON_GRAPH_GENES: {"genes": "gc-merge"}, PEERS["gc-merge"].title: {"model": "gc-merge", "recipe": study.peer_recipe},
    }  # fmt: skip
    return {name: [run for run in study.runs(**chosen) if run.cell_type in cell_types] for name, chosen in settings.items()}


def fold_change(study: Study) -> Grid:
    """Models of the fold change between the cell types of `pair_of`, and the regressors and classifiers of each that two of
    the references are made of; empty where there is one cell type."""
    if not (pair := pair_of(study)):
        return {}
    first, second = pair

    def runs(**settings) -> list[Run]:
        about = {"cell_type": first, "other": second, "task": "diff"} | settings
        return [Run(profile=study.profile, fold=fold, seed=study.seed, **about) for fold in study.folds]

    grid = {OURS: runs()} | ({PAPER_RECIPE: runs(recipe="paper")} if has_paper_recipe(study) else {})
    for name, task in ((TWO_REGRESSORS, "reg"), (RATIO, "clf")):
        grid[name] = [run for cell_type in (first, second) for run in runs(cell_type=cell_type, other=None, task=task)]
    for name in study.peers:
        if "diff" in PEERS[name].tasks:
            grid[PEERS[name].title] = runs(model=name, recipe=study.peer_recipe)
    return grid


def pair_of(study: Study) -> tuple[str, str] | None:
    """The two cell types between which a fold change is learned, those of the budget first; None where there is one."""
    found = tuple(dict.fromkeys([*study.cell_types, *study.record.cell_types]))
    return found[:2] if len(found) > 1 else None


def with_contacts(study: Study) -> tuple[str, ...]:
    """The cell types of which there are contacts."""
    inputs = study.record.inputs
    if isinstance(inputs, PublishedInputs):
        return tuple(name for name in study.cell_types if name in inputs.contacts)
    return study.cell_types if getattr(inputs, "contacts", True) and study.record.max_pcres else ()


def connected(study: Study) -> tuple[str, ...]:
    """All cell types that can be taken of which there are contacts, whatever the budget: their networks read pCREs."""
    return with_contacts(replace(study, cell_types=study.every))


# Notebook 4: windows


def windows(study: Study) -> Grid:
    """Every model that reads promoters alone, at each of the paper's windows that fits the profile's frame."""
    grid = {}
    for window_bp in WINDOWS_BP:
        if window_bp > study.record.frame_bp:
            continue
        narrower = {"window_bp": window_bp} if window_bp < study.record.frame_bp else {}  # not named where it is the default
        promoter = {"max_pcres": 0} if study.record.max_pcres else {}
        grid[window_name(PROMOTER_ONLY, window_bp)] = study.runs(**promoter, **narrower)
        for name in study.peers:
            if name in WINDOW_PEERS:
                grid[window_name(PEERS[name].title, window_bp)] = study.runs(model=name, recipe=study.peer_recipe, window_bp=window_bp)
    return grid


def window_name(model: str, window_bp: int) -> str:
    return f"{model}, {window_bp // 1000} kb"


# Notebook 5: ablations


def ablations(study: Study) -> tuple[Grid, pd.DataFrame]:
    """Chromoformer, and Chromoformer without one thing or with another, each trained anew; on what is nothing but chance, the
    same once more from another seed.

    What needs contacts is trained of the cell types that have them: the network of another one reads no pCREs anyway. The
    budget `core` leaves out pairs of bin widths and marks that are removed together.

    Returns
    -------
    grid, and what is left out: figure, what, why.
    """
    grid, left_out = {OURS: study.runs(), ANOTHER_SEED: study.runs(seeds=[study.seed + 1])}, []
    for part in (_of_contacts, _of_bins, _of_marks):
        found, missing = part(study)
        grid |= found
        left_out += missing
    return grid, pd.DataFrame(left_out, columns=["figure", "what", "why"])


LeftOut = list[tuple[str, str, str]]


def _of_contacts(study: Study) -> tuple[Grid, LeftOut]:
    """Without pCREs, put side by side in place of attention, and of one kind of contacts only."""
    connected = replace(study, cell_types=with_contacts(study))
    if not connected.cell_types:
        return {}, [("3b, c", WITHOUT_PCRES, "no contacts"), ("S4", CONCATENATED, "no contacts"), ("S8", KINDS, "no contacts")]
    grid = {WITHOUT_PCRES: connected.runs(max_pcres=0), CONCATENATED: connected.runs(fusion="concat")}
    others = [name for name in study.cell_types if name not in connected.cell_types]
    left_out = [("3b, c, S4, S8", f"{', '.join(others)}: all that needs pCREs", "no contacts")] if others else []
    if getattr(study.record.inputs, "domains", None):
        return grid | {f"{kind} contacts": connected.runs(contacts=kind) for kind in ("intra-TAD", "inter-TAD")}, left_out
    return grid, [*left_out, ("S8", KINDS, "no TADs")]


def _of_bins(study: Study) -> tuple[Grid, LeftOut]:
    """Each bin width alone, and some of them together."""
    widths = study.record.bin_bp
    chosen = [some for n in range(1, len(widths)) for some in combinations(widths, n)]
    is_trained = {some: len(some) == 1 or not _is_core(study) for some in chosen}
    left_out = [("S3", bins_name(some), BY_BUDGET) for some in chosen if not is_trained[some]]
    return {bins_name(some): study.runs(bin_bp=some) for some in chosen if is_trained[some]}, left_out


def _of_marks(study: Study) -> tuple[Grid, LeftOut]:
    """Without each mark, without several, and with the extra tracks."""
    record, grid, left_out = study.record, {}, []
    for mark in record.marks if len(record.marks) > 1 else ():
        grid[f"without {mark}"] = study.runs(marks=_without(study, mark))
    for name, removed in REMOVED_TOGETHER.items():
        if not set(removed) < set(record.marks):
            absent = [mark for mark in removed if mark not in record.marks]
            left_out.append(("S10", name, f"no {', '.join(absent)}" if absent else "no mark would be left"))
        elif _is_core(study):
            left_out.append(("S10", name, BY_BUDGET))
        else:
            grid[name] = study.runs(marks=_without(study, *removed))
    for figure, track in (("S17", "CTCF"), ("S18", "PC1")):
        if track in record.extra_tracks:
            grid[f"with {track}"] = study.runs(marks=(*record.marks, track))
        else:
            left_out.append((figure, f"with {track}", f"no {track}"))
    return grid, left_out


def _without(study: Study, *removed: str) -> list[str]:
    """The profile's marks but these."""
    return [mark for mark in study.record.marks if mark not in removed]


def _is_core(study: Study) -> bool:
    return not study.is_full and study.record.budget.ablations == "core"


def bins_name(widths: Sequence[int]) -> str:
    return "bins " + " + ".join(map(str, widths))


# Notebooks 6 and 7: what the networks learned


def classifiers(study: Study, without: Sequence[str] = ()) -> Grid:
    """Chromoformer as classifier of each cell type, and the same retrained without each of these marks, as far as the profile
    has them and others: those of `ablations`."""
    grid = {OURS: study.runs()}
    for mark in without:
        if mark in study.record.marks and len(study.record.marks) > 1:
            grid[f"without {mark}"] = study.runs(marks=_without(study, mark))
    return grid


def regressors(study: Study, cell_types: Sequence[str] | None = None) -> Grid:
    """Chromoformer as regressor: of each cell type that can be taken, or of these; held-out folds are those of the study."""
    chosen = study.every if cell_types is None else tuple(cell_types)
    return {OURS: replace(study, cell_types=chosen).runs(("reg",))}


def ensembles(study: Study) -> Grid:
    """Chromoformer as regressor of each cell type of the study, from SEEDS seeds, which tell how far chance moves a prediction."""
    return {OURS: study.runs(("reg",), seeds=[study.seed + i for i in range(SEEDS)])}


# Notebook 8: other cell types, another species


def cross(study: Study) -> Grid:
    """Chromoformer as classifier of each cell type of the profile, whatever the budget's cell types, and of its second species."""
    every = replace(study, cell_types=tuple(study.record.cell_types)).runs(**_in_common(study))
    other = second_species(study)
    return {OURS: [*every, *(other.runs() if other else [])]}


def _in_common(study: Study) -> dict[str, int]:
    """What networks read of every cell type: no pCREs where some have none, or a network could not go from one to the other."""
    is_mixed = 0 < len(connected(study)) < len(study.record.cell_types)
    return {"max_pcres": 0} if is_mixed else {}


def second_species(of: Study) -> Study | None:
    """The study of the profile's second species, None where it has none; its budget says which of its folds are trained."""
    other = of.record.second_species
    return study(other.profile, "full" if of.is_full else "profile", of.seed) if other else None


def transfer(study: Study, n_genes: Sequence[int]) -> Grid:
    """Chromoformer of the last cell type, by so many of its genes and by all, trained in each of WAYS; empty where there is one
    cell type. Where a training starts from a network, it is that of the first; the budget `core` has none of all genes."""
    if not (pair := transfer_pair(study)):
        return {}
    source, target = pair
    chosen, common = replace(study, cell_types=(target,)), _in_common(study)
    settings = {FROM_SCRATCH: {}, FINE_TUNED: {"start": source}, FROZEN: {"start": source, "frozen": True}}
    return {
        of_genes(way, n): chosen.runs(**common, **how, **({} if n is None else {"n_genes": n}))
        for n in (*n_genes, None) for way, how in settings.items() if n or way == FROM_SCRATCH or not transfers_core(study)
    }  # fmt: skip


def new_cell_types(study: Study) -> tuple[str, ...]:
    """Those that are taken for new ones: all but the first, whose networks others start from; in the budget `core` the last."""
    return tuple(study.record.cell_types)[1:][-1 if transfers_core(study) else 0 :]


def transfers_core(study: Study) -> bool:
    """Whether notebook 8 trains the least of what it asks about."""
    return not study.is_full and study.record.budget.transfer == "core"


def transfer_pair(study: Study) -> tuple[str, str] | None:
    """Of which cell type networks are taken and to which: the first and the last of the profile; None where there is one."""
    names = tuple(study.record.cell_types)
    return (names[0], names[-1]) if len(names) > 1 else None


def of_genes(way: str, n_genes: int | None) -> str:
    """Name of a model of `transfer`."""
    return f"{way}, {'all' if n_genes is None else n_genes} genes"


def agnostic(study: Study) -> Grid:
    """Chromoformer trained on all cell types but one and tested on that, each of `new_cell_types` in turn; empty with fewer than three
    cell types, since the network of one other is in `cross`."""
    names = tuple(study.record.cell_types)
    if len(names) < 3:
        return {}
    left_out = [(name, tuple(other for other in names if other != name)) for name in new_cell_types(study)]
    return {AGNOSTIC: [
        run for name, others in left_out for run in replace(study, cell_types=(name,)).runs(learn_from=others, **_in_common(study))
    ]}  # fmt: skip


def runs_of(*grids: Grid) -> list[Run]:
    """All runs of grids, each once."""
    return list(dict.fromkeys(run for grid in grids for runs in grid.values() for run in runs))
