"""Networks that travel: a folder that holds all that another one needs to use them, and which genes they never saw.

In: runs, folders, names on the Hugging Face hub, weights of the release. Out: networks with what is known of them, and
predictions by those that did not train on a gene.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from . import align, sources
from .baselines.nodes import load_graph
from .checkpoints import Network, described, load_weights, read_network, save_tensors
from .config import InputError, ModelConfig, PeerConfig, Task
from .dataset import load_dataset
from .files import whole_folder
from .genome import load_genome
from .grid import ensure
from .inputs.files import own_samples
from .integrity import one_line
from .profile import Profile, load_profile
from .released import load_released, released_cell_types
from .runs import Run
from .sections import OwnInputs
from .train import OUTPUTS, Dataset, check_fits, predict

FILES = ("model.safetensors", "config.json", "README.md")
# Names of builds of one species: its chromosomes have the same names and genes in each.
SPECIES = {
    "human": r"hg\d|GRCh\d|b37|hs37|hs38|hs1$|human|(T2T-)?CHM13", "mouse": r"mm\d|GRCm\d|mouse", "rat": r"rn\d|mRatBN|rat",
    "macaque": r"rheMac|Mmul", "chimpanzee": r"panTro", "dog": r"canFam", "cow": r"bosTau|ARS-UCD", "pig": r"susScr|Sscrofa",
    "chicken": r"galGal|GRCg", "frog": r"xenTro", "zebrafish": r"danRer|GRCz", "fly": r"dm\d|BDGP", "worm": r"ce\d|WBcel",
    "yeast": r"sacCer|R64", "cress": r"TAIR|araTha",
    "sim": r"sim[AS]$", "sim-mouse": r"sim[BT]$",  # of the simulated cohorts, in data/genomes.yml
}  # fmt: skip
RELEASED = "hg19"  # build of the release's genes
_HUB_NAME = re.compile(r"^(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?$")


@dataclass(frozen=True)
class Pretrained:
    """A network and what is known of its training."""

    model: Network
    name: str                               # where it was found
    genome: str | None = None               # build whose chromosomes these are; None: not known
    held_out: tuple[str, ...] | None = None  # chromosomes of which it saw no gene; None: not known
    about: dict[str, Any] = field(default_factory=dict)
    is_released: bool = False               # one of the authors'


# Out and in


def save_pretrained(run: Run, folder: Path | str) -> Path:
    """Write a run's network for others, trained first where it is missing: weights, config.json and a model card.

    Parameters
    ----------
    folder : path
        Appears whole. An earlier network of this kind there is replaced.

    Raises
    ------
    InputError
        The folder holds something else, if only beside such a network.
    """
    folder = Path(folder)
    if folder.exists():
        _check_replaceable(folder)
    ensure([run])
    model, profile = load_weights(run.folder), load_profile(run.profile)
    about = _about(run, profile)
    with whole_folder(folder) as new:
        save_tensors(new / "model.safetensors", model)
        (new / "config.json").write_text(json.dumps({"network": model.config.to_dict(), "about": about}, indent=1), encoding="utf-8")
        (new / "README.md").write_text(_card(profile, model, about), encoding="utf-8")
    return folder


def _check_replaceable(folder: Path) -> None:
    """Have only what `save_pretrained` wrote be replaced: other programs' networks have files of the same names."""
    is_export = folder.is_dir() and {path.name for path in folder.iterdir()} == set(FILES)
    try:
        if not is_export:
            raise InputError("other files")
        _read_config(folder, str(folder))
    except InputError:
        raise InputError(
            f"{folder}: is there and holds other things than a network of an earlier export, expected {', '.join(FILES)} of one or a new name; "
            "choose another folder"
        ) from None


def from_pretrained(name: str | Path) -> Pretrained:
    """Read a network that `save_pretrained` wrote, or the folder of a run.

    Parameters
    ----------
    name : path, or the name of a repository on the Hugging Face hub, "owner/name" or "owner/name@revision"
        A folder of that name comes first. A repository is fetched once and kept in the hub's own cache.

    Raises
    ------
    InputError
        Nothing of that name could be had; a file is missing or damaged, or a tensor does not fit the network.
    """
    folder = Path(name)
    if folder.is_dir():
        return _of_run(folder) if (folder / "model.json").is_file() else _of_export(folder, str(name))
    if found := _HUB_NAME.match(str(name)):
        return _of_export(_from_hub(found["name"], found["revision"]), str(name))
    raise InputError(f"{name}: no such folder, and no name of a network on the hub (owner/name); correct it")


def networks_of(
    weights: str | Path, *, task: Task | None = None, fold: int | None = None, held_out: int | None = None
) -> list[Pretrained]:
    """All networks that a user's word stands for: a checkpoint of the release, a folder, a name on the hub, or a cell type of
    the authors, which comes before a folder of that name.

    Parameters
    ----------
    task : str, optional
        What they predict; of a cell type of the authors clf where it is not given.
    fold : int, optional
        Of a cell type of the authors: which of its networks; all four folds where none is given.
    held_out : int, optional
        Fold that a checkpoint was not trained on; the file does not tell. Known of the others.

    Raises
    ------
    InputError
        Nothing of that name could be had, or an option does not belong to it.
    """
    if weights in released_cell_types():
        folds = load_genome(RELEASED).fold_ids if fold is None else [fold]
        found = [
            Pretrained(load_released(weights, fold=k, task=task or "clf"), f"{weights}, fold {k}", RELEASED, _chromosomes(RELEASED, k), is_released=True)
            for k in folds
        ]
    elif fold is not None:
        raise InputError(f"fold {fold} with {weights}, expected it with a cell type of the authors only ({', '.join(released_cell_types())}); leave it out")
    elif is_checkpoint(weights):
        found = [Pretrained(load_released(weights), str(weights), RELEASED, is_released=True)]
    else:
        found = [from_pretrained(weights)]
    if task is not None and found[0].model.config.task != task:
        raise InputError(f"{weights}: predicts {found[0].model.config.task}, expected {task}; leave the task out, or name other weights")
    if held_out is None:
        return found
    if not is_checkpoint(weights):
        raise InputError(f"held-out {held_out} with {weights}, expected it with a checkpoint of the release (.pt) only, which does not tell; leave it out")
    return [replace(network, held_out=_chromosomes(RELEASED, held_out)) for network in found]


def is_checkpoint(weights: str | Path) -> bool:
    """Whether a user's word stands for a checkpoint of the release, which does not tell what it was not trained on."""
    path = Path(weights)
    return str(weights) not in released_cell_types() and (path.suffix == ".pt" or path.is_file())


def folds_of(weights: Sequence[str], held_out: Sequence[int]) -> dict[str, int | None]:
    """Weights -> the fold that a user says they were not trained on; None of all that tell themselves, or where none is said.

    Raises
    ------
    InputError
        Not one fold for each checkpoint of the release, which are taken in their order.
    """
    names = list(dict.fromkeys(weights))
    files = [name for name in names if is_checkpoint(name)]
    if held_out and len(held_out) != len(files):
        raise InputError(
            f"held-out {', '.join(map(str, held_out))}: {len(held_out)} for {len(files)} checkpoints of the release (.pt) among "
            f"{', '.join(names)}, expected one for each in their order, since files do not tell, and none for other weights; "
            "repeat --held-out, or leave it out"
        )
    return dict.fromkeys(names) | dict(zip(files, held_out, strict=False))


def _of_run(folder: Path) -> Pretrained:
    """A run's settings tell what it held out; `save_weights` alone leaves none, so that it is not known."""
    model = load_weights(folder)
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return Pretrained(model, str(folder), *_held_out(settings), settings)
    except FileNotFoundError:
        return Pretrained(model, str(folder))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{folder}: config.json is none of a training's ({one_line(error)}); train it again") from None


def _held_out(settings: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Build of a run, and its chromosomes that the run trained on no gene of: those of its fold and of none."""
    name, sizes, folds = json.loads(settings["features"][0])["genome"]
    fold = settings["run"]["fold"]
    return name, tuple(chrom for chrom in sizes if folds.get(chrom, fold) == fold)


def _of_export(folder: Path, name: str) -> Pretrained:
    for file in ("config.json", "model.safetensors"):
        if not (folder / file).is_file():
            raise InputError(f"{name}: no {file}; expected a folder that save_pretrained or a training wrote")
    network, about = _read_config(folder, name)
    model = read_network(network, folder / "model.safetensors")
    return Pretrained(model, name, about["genome"], tuple(about["held_out_chromosomes"]), about)


def _read_config(folder: Path, name: str) -> tuple[ModelConfig | PeerConfig, dict[str, Any]]:
    """The network that an export's config.json describes, and what is told of it."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        network, about = described(json.dumps(config["network"])), config["about"]
        genome, chromosomes = about["genome"], about["held_out_chromosomes"]
        if not isinstance(genome, str) or not isinstance(chromosomes, list):
            raise TypeError(f"genome {genome!r} with held_out_chromosomes {chromosomes!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{name}: config.json is none of save_pretrained's ({one_line(error)}); save the network again") from None
    return network, about


def _from_hub(name: str, revision: str | None) -> Path:
    """The folder in the hub's cache; only the three files are asked for."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError(f"{name}: no such folder; to take it from the Hugging Face hub: pip install -e '.[hub]' in the clone") from None
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except Exception as error:  # noqa: BLE001 - the hub's client raises errors of several libraries
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{name}: no such folder, and not to be had from the Hugging Face hub ({reason}); correct the name or fetch it by hand") from None


# What is told of a network


def _about(run: Run, profile: Profile) -> dict[str, Any]:
    """Where a network comes from, as plain values."""
    settings, scores, record = (json.loads((run.folder / name).read_text(encoding="utf-8")) for name in ("config.json", "metrics.json", "record.json"))
    genome, chromosomes = _held_out(settings)
    return {
        "run": run.id, "profile": profile.name, "title": profile.title, "simulated": profile.simulated,
        "cell_type": run.cell_type_label, "cell_type_name": profile.cell_types[run.cell_type], "task": run.task,
        "learned_from": list(run.learn_from or run.cell_types), "started_from": list(run.start or ()),
        "genome": genome, "held_out_fold": run.fold, "held_out_chromosomes": list(chromosomes),
        "metrics": scores, "settings": _published(settings), "record": record, "licence": "MIT",
    }  # fmt: skip


def _published(settings: Any) -> Any:
    """Settings with a digest in place of those of the features, which name the files that somebody trained on."""
    if not isinstance(settings, dict):
        return settings
    short = {name: _published(value) for name, value in settings.items()}
    if "features" in settings:
        short["features"] = [hashlib.sha256(text.encode()).hexdigest() for text in settings["features"]]
    return short


def _card(profile: Profile, model: Network, about: dict[str, Any]) -> str:
    """A model card as the hub shows it."""
    config, scores = model.config, about["metrics"]
    kind = "Chromoformer" if isinstance(config, ModelConfig) else config.model
    front = {"license": "mit", "library_name": "chromolib", "tags": ["genomics", "epigenomics", "histone-modifications", "gene-expression"]}
    shown = [f"| {name} | {value:.4f} |" for name, value in scores.items() if isinstance(value, float)]
    data = [f"| {name} | {source.licence} | {source.citation} |" for name, source in sources.describe(profile)]
    scale = "simulated data: its numbers mean nothing for real cells" if about["simulated"] else "real data"
    started = f"from a network of {', '.join(about['started_from'])} on, " if about["started_from"] else ""
    learned = f"on cell type {', '.join(about['learned_from'])}, {started}held out in {about['cell_type']} ({about['cell_type_name']})"
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {kind}, {about['task']}, {about['cell_type']}, fold {about['held_out_fold']}",
        f"Trained by chromolib on profile `{profile.name}` ({profile.title}; {scale}): {learned}.",
        "## What it reads",
        _reads(config),
        "## Which genes it never saw",
        _unseen(about),
        "\n".join(["| held-out metric | value |", "|---|---|", *shown]),
        "## How to use it",
        "```sh\nchromolib predict --weights FOLDER --profile my.yml --cell-type T1 --out predictions.csv\n```",
        "```python\nimport chromolib as cl\nnetwork = cl.from_pretrained(\"FOLDER\")\ncl.predict(network.model, data)\n```",
        "## Made with",
        ", ".join(f"{name} {about['record'][name]}" for name in ("chromolib", "torch", "python", "commit", "finished", "device") if about["record"][name]) + ".",
        "Paper: Lee, Yang & Kim, Nat. Commun. 13:6678 (2022), doi 10.1038/s41467-022-34152-5.",
    ]  # fmt: skip
    if data:
        parts += ["## Data behind it", "\n".join(["| source | licence as found | cite |", "|---|---|---|", *data])]
    return "\n\n".join(parts) + "\n"


def _reads(config: ModelConfig | PeerConfig) -> str:
    return (
        f"Marks, in this order: {', '.join(config.marks)}. Window around the TSS: {config.promoter_bp:,} bp, bins of "
        f"{', '.join(map(str, config.bin_bp))} bp, signal of scale `{config.scale}`, logarithm `{config.log_base}`; at most "
        f"{config.max_pcres} pCREs. Data that do not fit are refused by name."
    )


def _unseen(about: dict[str, Any]) -> str:
    return (
        f"Build {about['genome']}, chromosomes {', '.join(about['held_out_chromosomes'])}: {about['metrics']['n_held_out']:,} genes, "
        f"beside {about['metrics']['n_train']:,} that it was trained on. The metrics are of the first. A gene of another chromosome was "
        "trained on, in whatever cell type it is predicted."
    )


# Who may predict what


def saw(network: Pretrained, chrom: pd.Series, genome: str) -> np.ndarray:
    """Whether a network trained on the chromosome of each gene of this build; a build of another species has none of them.

    Raises
    ------
    InputError
        What the network was trained on is not known, or not of which species the build is.
    """
    is_other = is_foreign(network, genome)
    if is_other is None:
        raise InputError(
            f"{network.name}: trained on {network.genome}, found genome {genome!r}, expected a name that tells whether it is of the same "
            "species, such as hg38, GRCm39 or rn7; call it so in the profile, or predict all genes with --in-sample"
        )
    if is_other:
        return np.zeros(len(chrom), bool)
    if network.held_out is None:
        raise InputError(
            f"{network.name}: does not tell which genes it was trained on; name the fold that was held out with --held-out 1 to 4 "
            "where it is a checkpoint of the release, or predict all genes with --in-sample"
        )
    names = [name.removeprefix("chr") for name in network.held_out]  # Ensembl's are without
    return ~chrom.str.removeprefix("chr").isin(names).to_numpy()


def is_foreign(network: Pretrained, genome: str) -> bool | None:
    """Whether a build is of another species than the network's, so that chromosomes say nothing of what it was trained on; None
    where a name does not tell."""
    if network.genome in (None, genome):
        return False
    ours, theirs = _species(network.genome), _species(genome)
    return None if None in (ours, theirs) else ours != theirs


def _species(build: str) -> str | None:
    return next((name for name, pattern in SPECIES.items() if re.match(pattern, build, re.IGNORECASE)), None)


def check_released_reads(weights: str, profile: Profile) -> None:
    """Refuse a profile that the authors' networks of a cell type can't read, before they are fetched."""
    if weights not in released_cell_types():
        return
    reads = ModelConfig()
    if missing := [mark for mark in reads.marks if mark not in profile.tracks]:
        raise InputError(
            f"profile {profile.name}: no {', '.join(missing)} among its marks ({', '.join(profile.marks)}), expected {', '.join(reads.marks)}, which the "
            f"networks of {weights} read; add samples of them, or take networks of your own"
        )
    if profile.frame_bp != reads.frame_bp or any(width % profile.base_bp for width in reads.bin_bp):
        raise InputError(
            f"profile {profile.name}: frame_bp={profile.frame_bp} in bins of base_bp={profile.base_bp}, expected {reads.frame_bp} in bins that divide "
            f"{', '.join(map(str, reads.bin_bp))}, which the networks of {weights} read; leave both out of the profile"
        )


def unlike_released(profile: Profile, data: Dataset) -> list[str]:
    """In what a user's signal differs from what the authors' networks were trained on though it has their form; a line each."""
    told, rules = [], profile.rules
    is_of_reads = isinstance(profile.inputs, OwnInputs) and any(sample.format != "bigwig" for sample in own_samples(profile, data.cell_type))
    if is_of_reads and (rules.truncate_bp != align.READ_BP or rules.max_reads is None):
        told.append(
            f"profile {profile.name}: depth of reads by other rules than theirs; the authors' networks were trained on reads of {align.READ_BP} bp, at most "
            f"{align.MAX_READS:,} of a mark: rules: {{truncate_bp: {align.READ_BP}, max_reads: {align.MAX_READS}}} makes it like theirs"
        )
    if not (data.touching()[1] > 0).any():
        told.append(f"profile {profile.name}: no pCREs; the authors' networks were trained with up to {ModelConfig.max_pcres} of each gene, and see promoters alone here")
    return told


def genes_for(network: Pretrained, profile: Profile, cell_type: str) -> Dataset:
    """The genes of a cell type as a network reads them; of GC-MERGE those that stand for a node.

    Raises
    ------
    InputError
        The profile lacks a mark or a bin width, its window is narrower, or its scale is another.
    """
    config = network.model.config
    if config.task == "diff":
        raise InputError(
            f"{network.name}: a network of fold changes, which reads two cell types, expected one of clf or reg; in Python: "
            "cl.predict(model, cl.pair(first, second))"
        )
    if getattr(config, "model", "") == "gc-merge":
        data = load_graph(profile, cell_type, task=config.task, marks=config.marks)
    else:
        data = load_dataset(
            profile, cell_type, task=config.task, marks=config.marks, bin_bp=config.bin_bp, window_bp=config.promoter_bp,
            log_base=config.log_base, max_pcres=min(config.max_pcres, profile.max_pcres), contacts=getattr(config, "contacts", "all"),
        )  # fmt: skip
    check_fits(config, data)
    return data


def predict_unseen(networks: Sequence[Pretrained], data: Sequence[Dataset], genome: str, *, in_sample: bool = False) -> pd.DataFrame:
    """What networks say of genes that they did not train on, one row per gene.

    Parameters
    ----------
    networks : sequence of Pretrained
        All of one task.
    data : sequence of datasets
        The same genes as each network reads them.
    genome : str
        Build of these genes.
    in_sample : bool
        Have the genes that all networks were trained on predicted too, by all of them; `seen` is True there, and missing where no
        network is known to have seen them and some do not tell.

    Returns
    -------
    DataFrame
        gene_id, the columns of `train.predict` as means over the networks that predict the gene, then sd (standard deviation
        of the probability, the expression or the fold change over these networks; missing for one), n_networks and seen.
        Genes that all networks were trained on are left out and counted in attrs["n_seen"].

    Raises
    ------
    InputError
        Networks of several tasks; a network of which is not known what it was trained on, unless `in_sample`.
    """
    if len(tasks := {network.model.config.task for network in networks}) > 1:
        raise InputError(f"weights: found networks of tasks {', '.join(sorted(tasks))}, expected one task; give each its own call")
    tables = []
    for network, genes in zip(networks, data, strict=True):
        is_seen = _is_seen(network, genes.genes["chrom"], genome, in_sample)
        tables.append(predict(network.model, genes).assign(seen=is_seen))
    told = pd.concat(tables, ignore_index=True)
    is_used = told["seen"] == 0
    if in_sample:
        is_used |= ~is_used.groupby(told["gene_id"]).transform("any")
    used = told[is_used].groupby("gene_id", sort=False)
    (task,) = tasks
    headline = "probability" if task == "clf" else OUTPUTS[task][0]
    result = used.mean()
    result["target"] = used["target"].first()
    result["sd"], result["n_networks"] = used[headline].std(), used.size()
    result = result.drop(columns="seen").assign(seen=used["seen"].max().astype("boolean"))
    genes = told["gene_id"].drop_duplicates()
    result = result.reindex(genes[genes.isin(result.index)]).reset_index()
    result.attrs["n_seen"] = len(genes) - len(result)
    return result


def _is_seen(network: Pretrained, chrom: pd.Series, genome: str, in_sample: bool) -> np.ndarray:
    """0 or 1, or NaN where it is not known and need not be."""
    is_other = is_foreign(network, genome)
    if in_sample and (is_other is None or (network.held_out is None and not is_other)):
        return np.full(len(chrom), np.nan)
    return saw(network, chrom, genome).astype(float)


def _chromosomes(build: str, fold: int) -> tuple[str, ...]:
    folds = load_genome(build).folds
    if fold not in folds.values():
        raise InputError(f"fold {fold}: expected one of {', '.join(map(str, sorted(set(folds.values()))))}; correct it")
    return tuple(chrom for chrom, k in folds.items() if k == fold)
