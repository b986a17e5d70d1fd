"""Jobs: runs with all that decides their results, and how one is trained.

In: Run records and feature stores. Out: folders of networks, which appear when they are whole. `grid` says who trains when.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
import torch
import xarray as xr

from . import __version__, machine, train
from .baselines import PEERS, PLAIN, graph
from .baselines.nodes import GraphDataset
from .cell_types import pair, pool
from .checkpoints import Network, load_weights, save_weights
from .config import BETTER_NETWORK, BETTER_RECIPE, InputError, ModelConfig, PeerConfig, TrainConfig
from .dataset import (
    GeneDataset,
    check_fold,
    check_max_pcres,
    check_selection,
    load_dataset,
    open_store,
    own_marks,
    touching,
)
from .files import write_whole
from .profile import Profile, load_profile
from .runs import FILES, LAST, Run, run_folder
from .sections import Training
from .train import Dataset, evaluate, fit, predict

PEER_BIN_BP = 100  # or the next wider that the store's bins can fill
VERSION = 4  # raise it when the same settings and features train another network, also when a default changes
# Of the recipe's learning rate, where all layers of a network of another cell type go on: at the full rate a hundred genes undo
# what it knew. Chosen on folds 3 and 4 of sim, of 1, 0.3 and 0.1, with S03 after S01.
START_RATE = 0.3


class Job(NamedTuple):
    """A run with all that decides its result, except the device it runs on."""

    run: Run
    settings: dict[str, Any]

    @property
    def part(self) -> Path:
        """The folder that becomes the run's own when it is whole."""
        return self.run.folder.with_name(f".{self.run.id}.part")

    @property
    def lock(self) -> Path:
        return self.run.folder.with_name(".locks") / self.run.id


# What a run is made from, without reading any signal


def plan(runs: Iterable[Run]) -> list[Job]:
    """The runs, each once, checked and with their settings; builds features that are missing, loads none.

    Raises
    ------
    InputError
        A profile, cell type, fold, mark, window or number of pCREs that does not exist.
    """
    runs = list(dict.fromkeys(runs))
    for run in runs:
        for cell_type in (*run.cell_types, *(run.start or ())):
            load_profile(run.profile).check_cell_type(cell_type)
    opened = cache(lambda profile, cell_type: open_store(load_profile(profile), cell_type))
    return [Job(run, _settings(run, opened)) for run in runs]


def _check(run: Run, stores: list[xr.Dataset]) -> None:
    """Refuse what `split` would refuse, from the stores' small arrays alone."""
    profile = load_profile(run.profile)
    for store in stores:
        chosen = selection_of(run, profile)
        frame_bp = int(store.attrs["frame_bp"])
        touching(store, run.contacts)
        check_selection(store, run.marks or own_marks(store), chosen.get("bin_bp", profile.bin_bp), chosen.get("window_bp", frame_bp))
        if run.max_pcres is not None:
            check_max_pcres(store, run.max_pcres)
    for name, folds in _folds(run, stores).items():
        check_fold(name, folds, run.fold)
    n_genes = _training_genes(run, stores).nunique()
    if run.n_genes is not None and run.n_genes > n_genes:
        raise InputError(f"{run.id}: n_genes={run.n_genes}, expected 2 to {n_genes}, which are the training genes; leave it out for all")


def _folds(run: Run, stores: list[xr.Dataset]) -> dict[str, pd.Series]:
    """Cell type -> fold of each of its genes, by gene_id; of a fold change, of the genes that both cell types have."""
    genes = {store.attrs["cell_type"]: pd.Series(store["fold"].values, store["gene_id"].values) for store in stores}
    if not run.other:
        return genes
    own, other = genes[run.cell_type], genes[run.other]
    return {run.cell_type: own[own.index.isin(other.index)]}


def _training_genes(run: Run, stores: list[xr.Dataset]) -> pd.Series:
    """gene_id of all that could be trained on, a row for each gene of each cell type."""
    folds = _folds(run, stores)
    return pd.concat([pd.Series(folds[name].index[folds[name] != run.fold]) for name in run.learn_from or (run.cell_type,)])


def _settings(run: Run, opened: Callable[[str, str], xr.Dataset]) -> dict[str, Any]:
    profile, stores = load_profile(run.profile), [opened(run.profile, cell_type) for cell_type in run.cell_types]
    _check(run, stores)
    recipe = recipe_of(run, profile)
    if run.n_genes is not None and not run.start:
        recipe = for_fewer(recipe, len(_training_genes(run, stores)))
    settings = own_settings(run, profile, recipe) | {"features": [store.attrs["settings"] for store in stores]}
    if run.source:
        settings["source"] = _settings(run.source, opened)
    return json.loads(json.dumps(settings))


def own_settings(run: Run, profile: Profile, recipe: TrainConfig | None = None) -> dict[str, Any]:
    """What decides a run's result beside its features and the network that it starts from; `recipe`: that of `recipe_of`, or one
    that the number of genes has changed."""
    # Only what is not the default: an option that comes later leaves the runs without it current. No profile, whose name or
    # path the folder tells.
    training = {"epochs": TrainConfig.epochs} | _departures(recipe or recipe_of(run, profile), but=("device",))
    about = _departures(run, but=("profile",))
    selection = {"bin_bp": profile.bin_bp, "log_base": profile.log_base} | selection_of(run, profile)
    settings = {"run": about, "version": VERSION, "training": training, "selection": selection, "chromolib": __version__}
    return settings | ({"network": BETTER_NETWORK} if run.recipe == "better" else {})


def _departures(record: Run | TrainConfig, but: tuple[str, ...]) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)
            if field.name not in but and getattr(record, field.name) != field.default}  # fmt: skip


def recipe_of(run: Run, profile: Profile) -> TrainConfig:
    """How a run is trained, on all its training genes."""
    is_peer = run.model != "chromoformer"
    settings = PLAIN | PEERS[run.model].recipe(run.task) if is_peer else {}
    if run.recipe == "profile":
        departures = profile.budget.recipes.get(run.model, Training()) if is_peer else profile.training
        settings |= departures.model_dump(exclude_none=True)
    elif run.recipe == "better":
        settings |= BETTER_RECIPE
    config = TrainConfig(**settings, select=run.select, seed=run.seed, precision=run.precision, signal=run.signal, frozen=run.frozen)
    return replace(config, learning_rate=START_RATE * config.learning_rate) if run.start and not run.frozen else config


def for_fewer(config: TrainConfig, n_all: int) -> TrainConfig:
    """The recipe for some of `n_all` genes, with as many updates in each epoch as all of them would give: it passes over those
    that there are again and again.

    Else few genes would also mean few updates at the same rates, and a network from random weights would be hardly trained at
    all. One that starts from another cell type needs no more than a pass, and gets worse by further ones.
    """
    return replace(config, epoch_updates=train.n_batches(n_all, config))


def drawn(genes: Iterable[str], n: int, seed: int) -> list[str]:
    """`n` of these genes by chance, in their order, each once; those of a smaller n are among those of a larger one."""
    genes = list(dict.fromkeys(genes))
    ranked = sorted(genes)  # that the draw does not depend on their order
    order = torch.randperm(len(ranked), generator=torch.Generator().manual_seed(seed)).tolist()
    chosen = {ranked[i] for i in order[:n]}
    return [gene for gene in genes if gene in chosen]


def selection_of(run: Run, profile: Profile) -> dict[str, Any]:
    """What a run reads of a dataset: arguments of its `select`, those that are not the profile's own."""
    names = ("window_bp", "bin_bp", "marks", "max_pcres", "log_base")
    chosen = {name: getattr(run, name) for name in names if getattr(run, name) is not None}
    if run.contacts != "all":
        chosen["contacts"] = run.contacts
    if run.model == "chromoformer" or not (native_bp := PEERS[run.model].window_bp):
        return chosen
    fitting = [width for width in range(profile.base_bp, profile.frame_bp + 1, profile.base_bp)
               if width >= PEER_BIN_BP and profile.frame_bp % width == 0]  # fmt: skip
    return {"window_bp": min(native_bp, profile.frame_bp), "bin_bp": (fitting[0],), "max_pcres": 0} | chosen


def network_of(run: Run, data: Dataset) -> ModelConfig | PeerConfig:
    """The network that a run trains on these genes."""
    if run.model == "chromoformer":
        config = replace(train.network_for(data), **(BETTER_NETWORK if run.recipe == "better" else {}))
        return config if run.fusion == "attention" else replace(config, fusion=run.fusion)
    names = ("task", "marks", "bin_bp", "frame_bp", "window_bp", "scale", "log_base")
    return PeerConfig(model=run.model, **{name: getattr(data, name) for name in names})


def is_current(job: Job) -> bool:
    """Whether the run's folder is whole and was made with these settings."""
    return _whole(job.run.folder) == job.settings


def is_there(run: Run, profile: Profile) -> bool:
    """Whether the run's folder is whole and was made with these settings, as far as can be told without its features: no store is
    opened or built, and one that has changed since shows only to `is_current`."""
    kept = _whole(run_folder(run, profile))
    if kept is None:
        return False
    expected = json.loads(json.dumps(own_settings(run, profile)))
    if run.n_genes is not None:  # then the number of updates is that of all genes, which the features tell
        kept["training"].pop("epoch_updates", None)
    return expected == {name: value for name, value in kept.items() if name not in ("features", "source")}


def _whole(folder: Path) -> dict[str, Any] | None:
    """The settings of a run's folder that holds all its files, None of any other."""
    return _read_settings(folder) if all((folder / name).exists() for name in FILES) else None


def _read_settings(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return None


# One training


def train_run(job: Job, data: tuple[Dataset, Dataset], device: str, report: Callable[[dict], None] | None = None) -> None:
    """Train one run, or go on where it was interrupted, beside its final place; move it there when it is whole.

    Whoever calls holds the job's lock. `data` are its training and held-out genes.
    """
    begin_part(job)
    part, (seen, held_out) = job.part, data
    config = TrainConfig(**job.settings["training"], device=device)
    machine.reset_peak(device)
    result = fit(seen, held_out, config, network_of(job.run, seen), initial=_initial(job), checkpoint=part, name=job.run.id, report=report)
    save_weights(part, result.model)
    write_whole(part / "history.csv", lambda path: result.history.to_csv(path, index=False))
    predictions = predict(result.model, held_out)
    write_whole(part / "predictions.parquet", lambda path: predictions.to_parquet(path, index=False))
    scores = {"n_train": len(seen), "n_held_out": len(held_out), **evaluate(result.model, held_out)}
    _write_json(part / "metrics.json", scores)
    used = {"seconds": round(result.seconds, 3), "epochs": len(result.history), **machine.record(device)}
    _write_json(part / LAST, used)
    publish(job)


def _initial(job: Job) -> Network | None:
    """The network that a run starts from, None: from random weights."""
    source = job.run.source
    if source is None:
        return None
    if _read_settings(source.folder) != job.settings["source"]:
        raise InputError(f"{job.run.id}: starts from {source.id}, which is not there or has changed meanwhile; start again, which trains it first")
    return load_weights(source.folder)


def begin_part(job: Job) -> None:
    """Make the folder that the training writes to; what other settings or a killed write left in it goes."""
    if _read_settings(job.part) != job.settings:
        shutil.rmtree(job.part, ignore_errors=True)
        _write_json(job.part / "config.json", job.settings)
    for path in job.part.glob(".*"):  # names of `write_whole`
        path.unlink()


def is_whole(job: Job) -> bool:
    """Whether all was written but not yet moved to its place."""
    return _read_settings(job.part) == job.settings and (job.part / LAST).exists()


def publish(job: Job) -> None:
    """Move a whole run to its place. What was there is outdated, and only now goes."""
    for path in (job.part / "state.safetensors", *job.part.glob(".*")):
        path.unlink(missing_ok=True)
    shutil.rmtree(job.run.folder, ignore_errors=True)
    job.part.replace(job.run.folder)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    write_whole(path, lambda temporary: temporary.write_text(json.dumps(values, indent=1)))


class Shelf:
    """The datasets in use: those of the run in hand, and none that only an earlier one needed."""

    def __init__(self) -> None:
        self.data: dict[tuple[str, str, str], GeneDataset | GraphDataset] = {}

    def split(self, job: Job) -> tuple[Dataset, Dataset]:
        """Training genes and held-out genes as the run reads them.

        Raises
        ------
        InputError
            The features are no longer those that the job was planned with.
        """
        run = job.run
        keys = [(run.profile, cell_type, graph_use(run)) for cell_type in run.cell_types]
        self.data = {key: data for key, data in self.data.items() if key in keys}
        for key in keys:
            if key not in self.data:
                self.data[key] = load_for(*key)
        parts = [self.data[key] for key in keys]
        if [part.store.attrs["settings"] for part in parts] != job.settings["features"]:
            raise InputError(f"{run.id}: found features that were built anew meanwhile, expected those of the start; start again")
        selection = selection_of(run, load_profile(run.profile))
        if run.other:
            seen, held_out = pair(*parts).select(task=run.task, **selection).fold(run.fold)
        else:
            folds = {part.cell_type: part.select(task=run.task, **selection).fold(run.fold) for part in parts}
            held_out = folds[run.cell_type][1]
            seen = pool([folds[name][0] for name in run.learn_from]) if run.learn_from else folds[run.cell_type][0]
        if run.n_genes is not None:
            seen = seen.select(genes=drawn(seen.genes["gene_id"], run.n_genes, run.seed))
        return seen, held_out


def graph_use(run: Run) -> Literal["none", "nodes", "genes"]:
    """What a run takes of GC-MERGE's graph: nothing, its nodes, or the genes of these with their labels."""
    return "nodes" if run.model == "gc-merge" else "genes" if run.genes == "gc-merge" else "none"


def load_for(profile_name: str, cell_type: str, use: Literal["none", "nodes", "genes"]) -> GeneDataset | GraphDataset:
    """All genes of a cell type for a run of this `graph_use`; "genes" are those that GC-MERGE can predict, with the labels of their nodes."""
    profile = load_profile(profile_name)
    if use == "none":
        return load_dataset(profile, cell_type)
    found = graph.build(profile, cell_type)
    if use == "nodes":
        return GraphDataset(found)
    data = GeneDataset(graph.targets_of_nodes(found).load(), bin_bp=profile.bin_bp, log_base=profile.log_base)
    return data.select(genes=found.genes["gene_id"].tolist())
