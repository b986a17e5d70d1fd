"""The command `chromolib`: each step of the workflow, with one clear line where something is wrong.

In: the command line. Out: files and lines of text; exit status 0, or 1 with the reason on stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

import chromolib as cl  # its public names, each loaded where it is used: help in a blink

app = typer.Typer(
    help="Chromoformer as a book that runs.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
ProfileName = Annotated[str, typer.Argument(help="Name of a profile in data/profiles, or path of a .yml file.")]
INTERRUPTED = 130  # the exit status that typer gives Ctrl-C, as shells do
CellType = Annotated[str | None, typer.Option(help="One cell type of the profile; all of them where not given.")]
Share = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Where there are GPUs: use a single one, shared by at most N commands with this option; wait until one is free."),
]


@app.command()
def fetch(
    profile: Annotated[
        str | None, typer.Argument(help="Name of a profile in data/profiles, or path of a .yml file; or go: sets of genes.")
    ] = None,
    list_profiles: Annotated[bool, typer.Option("--list", help="Only say which profiles there are, and which sources each reads.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="core (what features are made from, the default), figure, mouse or optional; may be repeated."),
    ] = None,
    cell_type: CellType = None,
    parallel: Annotated[int, typer.Option(min=1, help="Files at a time.")] = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would come, from where and how large it is.")] = False,
) -> None:
    """Download and verify what a profile needs; `fetch go` makes a file of gene sets (GMT): the biological processes of GO, with Ensembl ids."""
    from . import ontology, sources
    from .profile import profile_names
    from .sections import GO

    if list_profiles:
        for record in map(cl.load_profile, [profile] if profile else profile_names()):
            _check_sources(record)
            names = ", ".join(name for name, _ in sources.describe(record))
            print(f"{record.name}: {record.title}; {f'reads {names}' if names else 'needs no download'}")
        return
    if profile == GO and (only or cell_type):
        raise cl.InputError(f"fetch: go with {'--only' if only else '--cell-type'}, expected neither; sets of genes are fetched whole, leave it out")
    if profile == GO and dry_run:
        return _print_plan(sources.plan((ontology.GENES, ontology.TERMS), ontology.folder()))
    if profile == GO:
        path, table = ontology.make()
        dropped = ", ".join(f"{n:,} of {reason}" for reason, n in table.attrs["dropped"].items())
        return print(f"{path}: {table['term'].nunique():,} terms, {table['gene'].nunique():,} genes; left out {dropped}")
    if profile is None:
        raise cl.InputError(f"fetch: which profile? expected one of {', '.join(profile_names())}, a path, or --list")
    record = cl.load_profile(profile)
    _check_sources(record)
    ids = sources.ids_for(record, only or ("core",), cell_type)
    if not ids:
        print(f"profile {profile} needs no download")
    elif dry_run:
        _print_plan(sources.plan(ids, record.raw_dir, record.local_files))
    else:
        for path in sources.fetch_profile(record, ids, parallel=parallel):
            print(path)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write; an earlier cohort there is replaced.")],
    profile: Annotated[str, typer.Option(help="A simulated profile: sim, smoke, null or one of your own; each writes its second species too.")] = "sim",
    seed: Annotated[int | None, typer.Option(help="Another cohort under the same rules.")] = None,
    features: Annotated[
        int | None,
        typer.Option(min=8, metavar="GENES", help="Instead: features of this many genes, without reads; for benchmarks."),
    ] = None,
    cell_type: Annotated[str | None, typer.Option(help="With --features: one cell type instead of all.")] = None,
) -> None:
    """Write a simulated cohort with known truth, as raw files in the public formats."""
    from . import simulate as simulator

    if cell_type is not None and features is None:
        raise cl.InputError(
            f"simulate: --cell-type {cell_type} without --features, but a cohort is of all cell types; "
            "add --features GENES, or leave --cell-type out"
        )
    record = cl.load_profile(profile)
    if seed is not None and getattr(record.inputs, "simulation", None):
        simulation = record.inputs.simulation.model_copy(update={"seed": seed})
        record = record.model_copy(update={"inputs": record.inputs.model_copy(update={"simulation": simulation})})
    if features is None:
        simulator.simulate(out, record)
        print(out)
    else:
        for name in _cell_types(record, cell_type):
            print(simulator.simulate_features(out / name / "features.zarr", record, name, features))


@app.command()
def preprocess(profile: ProfileName, cell_type: CellType = None) -> None:
    """Build the features of a profile's cell types where they are missing or out of date."""
    from . import features
    from .dataset import open_store

    record = cl.load_profile(profile)
    for name in _cell_types(record, cell_type):
        open_store(record, name)
        print(features.path_of(record, name))


@app.command()
def train(
    context: typer.Context,
    profile: ProfileName,
    cell_type: CellType = None,
    fold: Annotated[int | None, typer.Option(help="Held-out fold; all of them where not given.")] = None,
    task: Annotated[str, typer.Option(help="clf or reg.")] = "clf",
    model: Annotated[str, typer.Option(help="chromoformer, or one that the paper compares it with: deepchrome, attentivechrome, hm-crnn, gc-merge.")] = "chromoformer",
    recipe: Annotated[str, typer.Option(help="paper: that of the paper, of another model that of its authors; profile: the same with the profile's departures; better: ours, of Chromoformer's classifier.")] = "profile",
    seed: int = 42,
    precision: Annotated[str, typer.Option(help="float32, bfloat16, or on CUDA tf32 or float16.")] = "float32",
    signal: Annotated[str, typer.Option(help="How the device keeps the signal of all genes: float32, or float16 in half the memory.")] = "float32",
    learn_from: Annotated[
        list[str] | None,
        typer.Option(metavar="CELL_TYPE", help="Train on the genes of this cell type instead, and predict those held out; may be repeated."),
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(metavar="CELL_TYPE", help="Start from the network of this cell type, trained first where it is missing; may be repeated: from one trained on all of these."),
    ] = None,
    frozen: Annotated[bool, typer.Option("--frozen", help="With --start: only the head of the network learns.")] = False,
    genes: Annotated[int | None, typer.Option(help="Train on so many of the training genes, by chance.")] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="In place of the above: this run of the notebooks, see `chromolib book --dry-run --runs`; may be repeated."),
    ] = None,
    budget: Annotated[str, typer.Option(help="With --run: of the notebooks, profile or full.")] = "profile",
    device: Annotated[str, typer.Option(help="auto: all GPUs, else the CPU; or cpu, cuda, cuda:1.")] = "auto",
    per_device: Annotated[int, typer.Option(min=1, help="Runs at a time on each GPU, or on the CPU.")] = 1,
    share: Share = None,
) -> None:
    """Train what is missing and print the held-out metrics of each run; exit status 1 where a run failed."""
    from . import studies
    from .genome import profile_genome
    from .grid import ensure
    from .runs import Run

    study = studies.study(profile, budget, seed)  # whose budget is checked
    if run:
        _check_alone(context, "run", beside=("profile", "seed", "budget", "device", "per_device", "share"))
        from . import plans

        runs = plans.pick(study, run)
    else:
        _check_beside(context, "budget", "run")
        if task not in ("clf", "reg"):
            raise cl.InputError(f"train: task={task!r}, expected clf or reg; fold changes are trained in notebooks 02b and 03")
        folds = profile_genome(study.record).fold_ids if fold is None else [fold]
        runs = [
            Run(profile=profile, cell_type=name, fold=k, task=task, model=model, recipe=recipe, seed=seed, precision=precision, signal=signal,
                learn_from=learn_from, start=start, frozen=frozen, n_genes=genes)
            for name in _cell_types(study.record, cell_type)
            for k in folds
        ]  # fmt: skip
    with _free_gpu(share) as gpu:
        results = ensure(runs, devices=device if gpu is None else f"cuda:{gpu}", per_device=per_device)
    print(results.metrics.to_string(index=False))
    if len(results.failures):
        raise typer.Exit(1)


@contextmanager
def _free_gpu(share: int | None) -> Iterator[int | None]:
    """The position of a GPU that is held while the block runs; None where none was asked for or there is none."""
    from . import machine

    gpus = machine.visible_gpus() if share else []
    if not gpus:
        yield None
        return
    with machine.free_gpu(gpus, share) as gpu:
        yield gpu


def _given(context: typer.Context) -> list[str]:
    """Names of the options that the command line holds."""
    return [name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE"]


def _check_alone(context: typer.Context, option: str, beside: Sequence[str]) -> None:
    for name in _given(context):
        if name not in (option, *beside):
            raise cl.InputError(f"{context.info_name}: --{option.replace('_', '-')} with --{name.replace('_', '-')}, expected one of them; leave one out")


def _check_beside(context: typer.Context, option: str, needs: str) -> None:
    if option in _given(context):
        raise cl.InputError(f"{context.info_name}: --{option} without --{needs.replace('_', '-')}, which it is about; add that, or leave it out")


@app.command()
def predict(
    weights: Annotated[
        list[str],
        typer.Option(help="A released checkpoint (.pt) or the authors' cell type, such as E003; the folder of a run or of an export; or owner/name on the Hugging Face hub. May be repeated."),
    ],
    profile: Annotated[str, typer.Option(help="Whose genes to predict.")],
    out: Annotated[Path, typer.Option(help="CSV to write.")],
    cell_type: Annotated[str | None, typer.Option(help="Needed where the profile holds several.")] = None,
    task: Annotated[str | None, typer.Option(help="clf or reg; of the authors' cell type clf where not given.")] = None,
    fold: Annotated[int | None, typer.Option(help="Of the authors' cell type: the network that held out this fold; all four where not given.")] = None,
    held_out: Annotated[
        list[int] | None,
        typer.Option(help="Fold that a checkpoint (.pt) was not trained on, 1 to 4; of several, repeated in their order, one for each."),
    ] = None,
    in_sample: Annotated[bool, typer.Option("--in-sample", help="Genes that all networks were trained on are predicted too, by all of them.")] = False,
) -> None:
    """Predict the genes of a cell type, each by the networks that were not trained on its chromosome: their mean and spread.

    GC-MERGE predicts the genes that stand for a node.
    """
    import pandas as pd

    from . import pretrained
    from .dataset import GENE_COLUMNS
    from .files import write_whole

    record = cl.load_profile(profile)
    names = _cell_types(record, cell_type)
    if len(names) > 1:
        raise cl.InputError(f"profile {profile} holds {', '.join(names)}; name one with --cell-type")
    _check_writable(out)
    folds = pretrained.folds_of(weights, held_out or ())
    for name in folds:
        pretrained.check_released_reads(name, record)
    networks = [found for name, left_out in folds.items() for found in pretrained.networks_of(name, task=task, fold=fold, held_out=left_out)]
    by_config = {network.model.config: network for network in networks}  # those of several folds read the same, which is loaded once
    loaded = {config: pretrained.genes_for(network, record, names[0]) for config, network in by_config.items()}
    data = [loaded[network.model.config] for network in networks]
    told = pretrained.predict_unseen(networks, data, record.genome, in_sample=in_sample)
    genes = pd.concat([part.genes for part in loaded.values()]).drop_duplicates("gene_id")[["gene_id", *GENE_COLUMNS]].drop(columns=["label"]).rename(columns={"expression": "rpkm"})
    if told.empty:
        raise cl.InputError(f"predict: {len(genes):,} genes of {names[0]}, all of chromosomes that {weights[0]} was trained on; name networks of other folds, or add --in-sample")
    table = genes.merge(told, on="gene_id")
    write_whole(out, lambda path: table.to_csv(path, index=False))
    released = [part for network, part in zip(networks, data, strict=True) if network.is_released]
    for line in pretrained.unlike_released(record, released[0]) if released else []:
        print(line)
    if foreign := [network.name for network in networks if pretrained.is_foreign(network, record.genome)]:
        print(f"{', '.join(foreign)}: trained on another genome than {record.genome}, whose chromosomes say nothing of it: every gene is predicted")
    left_out = f"; {told.attrs['n_seen']:,} that all networks were trained on are left out" if told.attrs["n_seen"] else ""
    print(f"{out}: {len(table):,} genes of {names[0]}{left_out}")


@app.command()
def notebook(
    profile: ProfileName,
    name: Annotated[str, typer.Argument(help="Of the profile's notebooks, such as 02_train.")],
    out: Annotated[Path | None, typer.Option(help="Executed notebook to write; by default <work folder of the profile>/pages/NAME.ipynb.")] = None,
    budget: Annotated[str, typer.Option(help="profile, or full: everything, by the recipes of its authors.")] = "profile",
    share: Share = None,
) -> None:
    """Execute one notebook as a page of the book; exit status 1 where a cell failed."""
    from . import book as binder
    from . import machine

    with _free_gpu(share) as gpu:
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = machine.visible_gpus()[gpu]  # for the kernel, which is a process of its own
        print(binder.make_page(profile, name, out, budget=budget))


@app.command()
def steps(
    profile: ProfileName,
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    budget: Annotated[str, typer.Option(help="profile, or full: everything, by the recipes of its authors.")] = "profile",
) -> None:
    """Write the steps of the whole workflow and what each needs, as JSON: what a workflow engine such as Snakemake reads."""
    from . import workflow
    from .files import write_whole

    record = workflow.steps(profile, budget)
    write_whole(out, lambda path: path.write_text(json.dumps(record, indent=1)))


@app.command()
def book(
    context: typer.Context,
    profile: Annotated[str, typer.Argument(help="Name or path of a profile.")] = "sim",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan: what each notebook trains, how much of it is there, about how long it takes.")] = False,
    runs: Annotated[bool, typer.Option("--runs", help="With --dry-run: each run in a row of CSV instead.")] = False,
    budget: Annotated[str, typer.Option(help="With --dry-run: profile, or full: everything, by the recipes of its authors.")] = "profile",
    pages: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Only bind notebooks that `chromolib notebook` has executed, which lie here.")] = None,
) -> None:
    """Run the whole workflow: data, trainings, notebooks, HTML."""
    if not dry_run:
        _check_beside(context, "runs", "dry_run")
        _check_beside(context, "budget", "dry_run")
        from . import book as binder

        binder.build(profile, pages=pages)
        return
    _check_alone(context, "dry_run", beside=("profile", "runs", "budget"))
    from . import plans, studies

    if runs:
        print(plans.plan_table(profile, budget).to_csv(index=False), end="")
    else:
        print(*plans.in_words(studies.study(profile, budget)), sep="\n")


@app.command()
def check(profile: ProfileName) -> None:
    """Validate a profile and its inputs without computing: everything that is wrong, with file and line.

    Small published files that the profile reads are fetched.
    """
    from . import inputs, sources, studies
    from .inputs import faults

    found = faults.find(profile)
    record = found.profile
    if record is not None:
        print(f"{record.name}: {record.title}")
    for note in found.notes:
        print(note)
    if len(found.faults) == 1:
        raise cl.InputError(found.faults[0])
    if found.faults:
        print(*found.faults, sep="\n", file=sys.stderr)
        raise cl.InputError(f"check: {len(found.faults)} faults in {profile}, told above; correct and check again")
    if record.is_measured:
        studies.study(profile)  # for its budget
    _check_sources(record)
    for name in record.cell_types:
        ids = sources.all_ids_of(record, name)
        if record.simulated:
            print(f"{name}: inputs are simulated when they are needed")
        elif ids and record.inputs.kind == "raw":  # hundreds of MB each: nothing to fetch in passing
            print(f"{name}: {_outlook(sources.plan(ids, record.raw_dir, record.local_files), profile)}")
        else:
            print(f"{name}: {len(inputs.check_there(record, name))} input files are there")


def _cell_types(profile, cell_type: str | None) -> list[str]:
    return list(profile.cell_types) if cell_type is None else [profile.check_cell_type(cell_type)]


def _check_sources(profile) -> None:
    """Say before anything is fetched that a profile names a source which nobody knows."""
    from . import registry, sources

    for name in [*sources.all_ids_of(profile), *sources.companion_ids(profile), *profile.local_files, *profile.sources]:
        try:
            registry.ids_in(name) if name in profile.sources else registry.entry(name)
        except cl.InputError:
            raise cl.InputError(
                f"profile {profile.name}: found source {name!r}, expected ids of data/sources.yml; "
                "correct inputs, companions, cell_types, other_cell_types, sources or local_files, or add it there"
            ) from None


def _outlook(plan, profile: str) -> str:
    """How many files are there, and what can be hoped for of the others."""
    to_fetch, unknown = (plan[plan["status"] == status] for status in ("to fetch", "no address"))
    text = f"{(plan['status'] == 'there').sum()} of {len(plan)} input files are there"
    if len(to_fetch):
        n_doubtful = (to_fetch["evidence"] != "verified").sum()
        text += f"; `chromolib fetch {profile}` brings {len(to_fetch)}, {n_doubtful} of them from addresses that were not verified"
    return text + (f"; no address is known of {', '.join(unknown['id'])}" if len(unknown) else "")


def _print_plan(plan) -> None:
    """A line per file, and the total of each status."""
    width = plan["id"].str.len().max()
    for row in plan.itertuples():
        doubt = "" if row.status == "there" or row.evidence == "verified" else f" ({row.evidence}, not verified)"
        begun = f", {_amount(row.there)} of it there" if 0 < row.there < row.size else ""
        print(f"{row.status:10} {_amount(row.size):>7} {row.id:{width}} {row.address}{begun}{doubt}")
    for status, rows in plan.groupby("status", sort=False):
        print(f"{status}: {len(rows)} of {len(plan)} files, {'' if status == 'there' else 'about '}{_amount(rows['size'].sum())}")


def _amount(n_bytes: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}" if n_bytes < 1000 * size else f"{n_bytes / size:.0f} {unit}"
    return f"{n_bytes} B"


def _check_writable(path: Path) -> None:
    """Say before the work, not after it, that its result can't be written."""
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise cl.InputError(f"{path}: folder {folder} does not exist or can't be written to; choose another --out")
    if path.is_dir():
        raise cl.InputError(f"{path}: is a folder, expected the name of a CSV file")


def main() -> None:
    """Run the command; what a user can mend is told in one line, with exit status 1."""
    try:
        app()
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        print("chromolib: interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"chromolib: {where}{error.strerror or error}; check that the folder exists, can be written to and has room")
    except cl.InputError as error:  # last, since asking for it loads what reads profiles
        sys.exit(f"chromolib: {error}")
