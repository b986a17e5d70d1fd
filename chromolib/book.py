"""The book: notebooks are executed for one profile, then all pages become HTML.

In: a profile, notebooks/*.ipynb, book/*.md, _config.yml, _toc.yml. Out: book/executed/*.ipynb and
_build/<profile>/html, which opens from disk without any network.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from papermill.translators import PythonTranslator

from . import features, machine, sources
from .config import ROOT, InputError
from .files import hold, write_whole
from .grid import in_words
from .profile import PROFILES, Profile, load_profile

# What notebooks run with. The first two would let Jupyter start a kernel from outside of this environment; a page keeps
# lines of progress, where a live notebook would show a bar.
KERNEL_ENVIRONMENT = {"JUPYTER_PATH": None, "JUPYTER_PREFER_ENV_PATH": None, "CHROMOLIB_PROGRESS": "lines"}

# A kernel warns at each start that it talks over unencrypted sockets; they are of this machine only.
QUIET_KERNEL = ["--IPKernelApp.log_level=ERROR"]

LINK = re.compile(r"\[(?P<words>[^\]]*)\]\((?P<notebook>\w+)\.ipynb(#[^)]*)?\)")  # to another notebook, in Markdown
TABLE_LINK = re.compile(r'<a href="tables/([^"/]+)\.csv" download>')  # as plots.csv_link writes it, in HTML
H1_AVERAGES = "chromoformer-demo"  # source of data/h1-demo-promoters.csv, which any profile is held against
REPOSITORY = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")
OF_ALL_PROFILES = {"claims", "results"}  # notebooks that show more than the profile they are run with

SAY_AT_ONCE = partial(print, flush=True)  # also into a pipe or a log


class BookError(InputError):
    """A step of the book failed. One line: the step, the reason, where to look."""


def build(
    profile: str | os.PathLike[str], *, pages: Path | None = None, root: Path = ROOT, say: Callable[[str], None] = SAY_AT_ONCE
) -> Path:
    """Run a profile's notebooks and write its book.

    The pages of an earlier build stay until new ones are complete; its executed notebooks are cleared at the start.

    Parameters
    ----------
    profile : str or path
        Name of a profile, or path of its YAML file; the notebooks get the same as their parameter `profile`.
    pages : Path, optional
        Folder of notebooks that `make_page` has executed already: they are taken as they are, and none is run.
    root : Path
        Folder with _config.yml, _toc.yml, book/ and notebooks/.

    Returns
    -------
    Path
        The first page, _build/<profile>/html/index.html.

    Raises
    ------
    InputError
        The profile does not load; or, as BookError, a notebook or the HTML failed, or another build is running.
    """
    settings = load_profile(profile)
    settings.check_measured()
    n_steps = len(settings.notebooks) + 1
    say(f"building the book of profile {settings.name}: {settings.title}")
    with _only_build(root):
        _clear_executed(root)
        if pages is None:
            sources.fetch_profile(settings, say=say)  # before the notebooks, whose pages would show where files lie here
            _run_notebooks(profile, settings, root, n_steps, say)
        else:
            _copy_pages(pages, settings, root)
        with _step(f"[{n_steps}/{n_steps}] writing the HTML pages", say):
            index = _write_html(settings, root)
    say(f"done, open {index.as_uri()}")
    return index


def make_page(
    profile: str | os.PathLike[str], name: str, target: Path | None = None, *, budget: str = "profile", root: Path = ROOT
) -> Path:
    """Execute one notebook of a profile as a page of its book; two processes do so one after the other, since they share its tables.

    Parameters
    ----------
    name : str
        One of the profile's `notebooks`.
    target : Path, optional
        By default pages/<name>.ipynb of the profile's work folder.
    budget : {"profile", "full"}
        Of notebooks that have such a parameter.

    Raises
    ------
    InputError
        Another name; or, as BookError, a cell failed.
    """
    settings = load_profile(profile)
    settings.check_measured()
    if name not in settings.notebooks:
        raise InputError(f"profile {settings.name}: found notebook {name!r}, expected one of {', '.join(settings.notebooks)}")
    target = (target or settings.work_dir / "pages" / f"{name}.ipynb").resolve()
    source = root / "notebooks" / f"{name}.ipynb"
    parameters = {"profile": _notebook_parameter(profile)}
    if budget != "profile" and "budget" in _parameters_of(source):
        parameters["budget"] = budget
    with hold(settings.work_dir / ".locks" / f"page-{name}", tell=lambda owner: SAY_AT_ONCE(f"{name}: {owner} executes it; waiting for that")):
        repository = _repository(root)
        finish = partial(_complete, name=name, settings=settings, shown=_profiles_of(name, settings), repository=repository)
        run_notebook(source, target, parameters, cwd=root, finish=finish)
    return target


def run_notebook(
    source: Path, target: Path, parameters: Mapping[str, object], *, cwd: Path = ROOT, finish: Callable[[Path], None] | None = None
) -> None:
    """Execute a notebook; `target` is written only if every cell ran to its end, and after `finish`, which may change the file it
    is given.

    What a notebook prints is shown as it appears. After a failure the notebook as far as it came lies beside
    `target` as <name>.failed.ipynb, and a BookError names it with the cell and the exception.
    """
    if not source.is_file():
        raise BookError(f"notebook {source} does not exist; correct `notebooks` in the profile")
    _check_parameters(source, parameters)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished, failed = target.with_suffix(".tmp.ipynb"), target.with_suffix(".failed.ipynb")
    try:
        with _environment(KERNEL_ENVIRONMENT):
            papermill.execute_notebook(
                source, unfinished, parameters=dict(parameters), kernel_name="python3", language="python", cwd=cwd,
                progress_bar=False, stdout_file=sys.stdout, extra_arguments=QUIET_KERNEL,
            )
    except PapermillExecutionError:
        pass  # the unfinished notebook tells more, see below
    except DeadKernelError:
        os.replace(unfinished, failed)
        started = [cell for cell in _code_cells(failed) if cell.metadata["papermill"]["start_time"]]
        raise BookError(
            f"notebook {source.stem}, cell {len(started)}: its Python process died, most often for want of memory; "
            f"as far as it came: {failed}"
        ) from None
    fault = find_fault(unfinished)
    if fault:
        os.replace(unfinished, failed)
        raise BookError(f"notebook {source.stem}, {fault}; as far as it came: {failed}")
    failed.unlink(missing_ok=True)
    _forget_machine(unfinished)
    if finish:
        finish(unfinished)
    os.replace(unfinished, target)


def find_fault(executed: Path) -> str | None:
    """The first cell of an executed notebook that failed or ended the run, as "cell 3: Error: reason"; None if all ran.

    Cells are counted as Jupyter does in "In [3]": code cells that hold something, the injected parameters included.
    papermill itself takes `sys.exit(0)` for success although no later cell ran; here it is a fault.
    """
    for number, cell in enumerate(_code_cells(executed), start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                reason = " ".join(output.evalue.split())
                return f"cell {number}: {output.ename}: {reason}"
        if cell.execution_count is None:
            return f"cell {number}: was not run"
    return None


def _forget_machine(executed: Path) -> None:
    """Drop the absolute paths that papermill notes: the book offers its notebooks for download."""
    notebook = nbformat.read(executed, as_version=4)
    for name in ("input_path", "output_path"):
        notebook.metadata["papermill"].pop(name, None)
    nbformat.write(notebook, executed)


def _code_cells(notebook: Path) -> list[nbformat.NotebookNode]:
    """The cells that Jupyter counts."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]


def _notebook_parameter(profile: str | os.PathLike[str]) -> str:
    """What a notebook can load from any working directory: a name of data/profiles, or an absolute path."""
    path = Path(profile)
    if path.suffix not in (".yml", ".yaml"):
        return str(profile)
    return path.stem if path.resolve().parent == PROFILES else str(path.resolve())


def _clear_executed(root: Path) -> None:
    """Remove pages of another profile, or of a run that failed."""
    for left_over in (root / "book" / "executed").glob("*.ipynb"):
        left_over.unlink()


def _run_notebooks(
    profile: str | os.PathLike[str], settings: Profile, root: Path, n_steps: int, say: Callable[[str], None]
) -> None:
    for number, name in enumerate(settings.notebooks, start=1):
        with _step(f"[{number}/{n_steps}] running notebook {name}", say):
            make_page(profile, name, root / "book" / "executed" / f"{name}.ipynb", root=root)


def _copy_pages(pages: Path, settings: Profile, root: Path) -> None:
    executed = root / "book" / "executed"
    executed.mkdir(parents=True, exist_ok=True)
    for name in settings.notebooks:
        page = pages / f"{name}.ipynb"
        if not page.is_file():
            raise BookError(f"{page} does not exist; make it with `chromolib notebook {settings.name} {name} --out {page}`")
        shutil.copyfile(page, executed / page.name)


def _complete(executed: Path, name: str, settings: Profile, shown: Sequence[Profile], repository: str = "") -> None:
    """Make a page of an executed notebook: its links lead to pages of this book, it says where it can be run live, and it ends with
    what it rests on."""
    notebook = nbformat.read(executed, as_version=4)
    _drop_links(notebook, but=settings.notebooks)
    if repository:
        notebook.cells[0].source += f"\n\n{_live(name, repository)}"
    notebook.cells += [_sources_cell(shown), _provenance_cell(name, notebook.metadata["papermill"], settings)]
    write_whole(executed, lambda path: nbformat.write(notebook, path))


def _drop_links(notebook: nbformat.NotebookNode, but: Sequence[str]) -> None:
    """Leave only the words of links to notebooks that the profile does not run: the book has no such page."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(lambda link: link[0] if link["notebook"] in but else link["words"], cell.source)


def _repository(root: Path) -> str:
    """https://github.com/owner/name of the public repository, or "": the setting of _config.yml, or CHROMOLIB_REPOSITORY in its place."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    url = os.environ.get("CHROMOLIB_REPOSITORY") or (config.get("repository") or {}).get("url") or ""
    if url and not REPOSITORY.fullmatch(url):
        raise BookError(f"repository {url}: expected https://github.com/owner/name; correct repository.url in _config.yml, or CHROMOLIB_REPOSITORY")
    return url


def _live(name: str, repository: str) -> str:
    """Where a notebook can be run without installing anything here."""
    owner_and_name = repository.removeprefix("https://github.com/")
    folder = owner_and_name.partition("/")[2]
    return (
        f"Run it live: [Binder](https://mybinder.org/v2/gh/{owner_and_name}/HEAD?labpath=notebooks/{name}.ipynb), or "
        f"[Colab](https://colab.research.google.com/github/{owner_and_name}/blob/HEAD/notebooks/{name}.ipynb) after a first cell with "
        f"`!git clone -q {repository} && pip install -q -e './{folder}[book]'` and `%cd {folder}`."
    )


def _profiles_of(name: str, settings: Profile) -> list[Profile]:
    """Profiles whose data a page shows."""
    if name not in OF_ALL_PROFILES:
        return [settings]
    from .analysis import ledger, scoreboard  # as in _draw_network

    others = (ledger if name == "claims" else scoreboard).collect(settings).profiles
    return list({profile.name: profile for profile in [settings, *others]}.values())


def _sources_cell(shown: Sequence[Profile]) -> nbformat.NotebookNode:
    """Where the data of a page come from, under which terms, and whom to cite."""
    found = dict(source for profile in shown for source in sources.describe(profile))
    text = ["## Where the data come from", ""]
    if simulated := [profile.name for profile in shown if profile.simulated]:
        text += [f"The data of profile {', '.join(simulated)} are simulated, see `chromolib simulate`.", ""]
    if H1_AVERAGES not in found:
        text += [f"Averages of real H1 promoters, where the page shows them, are of source `{H1_AVERAGES}`.", ""]
        found[H1_AVERAGES] = sources.entry(H1_AVERAGES)
    text += ["| source | what it holds | licence as found | cite |", "|---|---|---|---|"]
    text += [
        f"| [`{name}`]({source.home}) | {source.description.strip()} | {source.licence} | {source.citation} |"
        for name, source in found.items()
    ]
    return nbformat.v4.new_markdown_cell("\n".join(text), id="data-sources")


def _provenance_cell(name: str, made: Mapping[str, Any], settings: Profile) -> nbformat.NotebookNode:
    """What a page was made from, by what, on what, in which time, and the commands that make it again; `made`: papermill's notes."""
    versions = {package: version(package) for package in ("chromolib", "torch", "numpy", "pandas", "scikit-learn")}
    rows = {
        "profile": f"`{settings.name}`",
        "data": "; ".join(_digests(settings)) or "no features yet",
        "code": f"commit `{machine.commit() or 'unknown'}`",
        "versions": ", ".join(f"{package} {number}" for package, number in {"Python": platform.python_version(), **versions}.items()),
        "hardware": machine.hardware(),
        "time": f"{in_words(made['duration'])}, until {made['end_time'][:16].replace('T', ' ')} UTC; finished trainings were read from disk",
        "this page again": f"`{_papermill_line(name, made['parameters'])}`",
        "the book again": f"`chromolib book {_shown(made['parameters'].get('profile', settings.name))}`",
    }
    text = ["## How this page was made", "", "| what | which |", "|---|---|", *(f"| {what} | {which} |" for what, which in rows.items())]
    return nbformat.v4.new_markdown_cell("\n".join(text), id="provenance")


def _digests(settings: Profile) -> list[str]:
    """For each cell type with features, a digest of the sha256 of all files that they were made from, as their store lists them."""
    found = []
    for cell_type in settings.cell_types:
        path = features.path_of(settings, cell_type)
        if not path.exists():
            continue
        listed = features.load(path).attrs.get("source_files", "[]")
        digest = hashlib.sha256("".join(sorted(file["sha256"] for file in json.loads(listed))).encode()).hexdigest()
        found.append(f"{cell_type} `{digest[:12]}` of {len(json.loads(listed))} files")
    return found


def _papermill_line(name: str, parameters: Mapping[str, object]) -> str:
    given = " ".join(f"-p {key} {_shown(value)}" for key, value in parameters.items())
    return f"papermill -k python3 notebooks/{name}.ipynb out.ipynb {given}".rstrip()


def _shown(value: object) -> str:
    """A parameter as one types it; of a path its name alone, since pages tell nothing of the machine's folders."""
    return shlex.quote(Path(value).name if isinstance(value, str) and Path(value).is_absolute() else str(value))


def _parameters_of(source: Path) -> list[str]:
    # Not papermill.inspect_notebook: it fails where the notebook names no kernel.
    cells = nbformat.read(source, as_version=4).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    return [parameter.name for cell in tagged for parameter in PythonTranslator.inspect(cell)]


def _check_parameters(source: Path, parameters: Mapping[str, object]) -> None:
    """papermill only prints a line about a parameter that a notebook does not have, and runs it with its own value."""
    known = _parameters_of(source)
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise BookError(
            f"notebook {source.stem}: unknown parameter {unknown[0]!r}, expected one of "
            f"{', '.join(known) or 'none'}; name it in the cell tagged `parameters`"
        )


def _write_html(settings: Profile, root: Path) -> Path:
    """Build beside the earlier book of this profile and take its place only when there is not one warning."""
    _copy_mathjax(root / "book" / "assets" / "mathjax")
    _draw_network(root / "book" / "assets" / "network.svg")
    _draw_scoreboard(root / "book" / "assets" / "scoreboard.svg")
    parent = root / "_build" / settings.name
    parent.mkdir(parents=True, exist_ok=True)
    log = parent / "html.log"
    with tempfile.TemporaryDirectory(prefix=".html-", dir=parent) as folder:
        config, toc = (Path(folder) / name for name in ("_config.yml", "_toc.yml"))
        config.write_text(yaml.safe_dump(_config_for(settings, root)), encoding="utf-8")
        toc.write_text(yaml.safe_dump(_toc_for(settings, root), sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", root]
        options = ["--path-output", folder, "--config", config, "--toc", toc, "-W", "--keep-going"]
        with log.open("w", encoding="utf-8") as output:
            finished = subprocess.run([*command, *options], cwd=root, stdout=output, stderr=subprocess.STDOUT, check=False)
        if finished.returncode:
            raise BookError(f"jupyter-book: {_first_complaint(log)}; everything it said: {log}")
        _copy_tables(Path(folder) / "_build" / "html" / "book" / "executed", settings)
        pages = parent / "html"
        if pages.exists():
            os.replace(pages, Path(folder) / "earlier")  # goes with the temporary folder
        os.replace(Path(folder) / "_build" / "html", pages)
    return pages / "index.html"


def _copy_tables(pages: Path, settings: Profile) -> None:
    """Put the tables that pages link to beside them: of a reader's copy of the book, all numbers can be taken on from."""
    linked = {name: page.name for page in sorted(pages.glob("*.html")) for name in TABLE_LINK.findall(page.read_text(encoding="utf-8"))}
    for name, page in linked.items():
        table = settings.work_dir / "results" / f"{name}.csv"
        if not table.is_file():
            raise BookError(f"{page} links to {table}, which does not exist; make the page again with `chromolib notebook {settings.name} {Path(page).stem}`")
        (pages / "tables").mkdir(exist_ok=True)
        shutil.copyfile(table, pages / "tables" / table.name)


def _config_for(settings: Profile, root: Path) -> dict:
    """_config.yml with a banner on every page that says which data the page shows, and the numbers that prose is given."""
    from . import prose  # as in _draw_network

    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    kind = "simulated data" if settings.simulated else "real data"
    banner = f"Profile <b>{settings.name}</b> ({kind}): {html.escape(settings.title)}"
    config["sphinx"]["config"]["html_theme_options"]["announcement"] = banner
    config["parse"] = {"myst_substitutions": prose.substitutions()}
    repository = _repository(root)
    config["repository"] = {"url": repository, "branch": "main"}
    config["html"] = {"use_repository_button": bool(repository), "use_issues_button": bool(repository)}
    return config


def _toc_for(settings: Profile, root: Path) -> dict:
    """_toc.yml without the notebooks that the profile does not run; one that it runs has to be there."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    wanted = {f"book/executed/{name}" for name in settings.notebooks}
    listed = set()
    for part in toc["parts"]:
        listed |= {chapter["file"] for chapter in part["chapters"]}
        part["chapters"] = [
            chapter for chapter in part["chapters"]
            if chapter["file"] in wanted or not chapter["file"].startswith("book/executed/")
        ]
    missing = sorted(wanted - listed)
    if missing:
        raise BookError(f"_toc.yml does not list {missing[0]}, which profile {settings.name} runs; add `- file: {missing[0]}`")
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    return toc


def _copy_mathjax(folder: Path) -> None:
    """Put MathJax into the book's own files: pages then show formulas without asking any server."""
    copy = folder / "tex-svg.js"
    if not copy.exists():
        content = (resources.files("mathjax") / "static" / "mathjax" / "es5" / "tex-svg.js").read_bytes()
        write_whole(copy, lambda unfinished: unfinished.write_bytes(content))


def _draw_network(path: Path) -> None:
    """The figure of the page on the network, from the network itself."""
    from . import plots  # a second and more, which pages do not need
    from .analysis import anatomy
    from .model import Chromoformer

    network = Chromoformer()
    figure, ax = plots.new_figure(size=(8, 7))
    plots.plot_network(anatomy.blocks(network), ax, bin_bp=network.config.bin_bp)
    write_whole(path, lambda unfinished: unfinished.write_bytes(plots.svg_of(figure)))


def _draw_scoreboard(path: Path) -> None:
    """The figure of the page on what was found, from the kept tables."""
    from . import plots, prose

    table = prose.points()
    figure, axes = plots.new_figure(1, 2, size=(9, 1.2 + 0.5 * max(table["row"].nunique(), 1)))
    plots.plot_intervals(table, axes, metrics=("roc_auc", "pearson"))
    write_whole(path, lambda unfinished: unfinished.write_bytes(plots.svg_of(figure)))


def _first_complaint(log: Path) -> str:
    """The first warning or error in a log of jupyter-book, without its colours; its last line if there is neither."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in log.read_text(encoding="utf-8").splitlines()]
    complaints = [line for line in lines if re.search(r"WARNING|ERROR|Error:", line)]
    return (complaints or [line for line in lines if line] or ["it said nothing"])[0 if complaints else -1]


@contextmanager
def _only_build(root: Path) -> Iterator[None]:
    """Hold the book's lock, or raise: two builds would write into the same book/executed."""
    lock = root / "_build" / ".lock"
    with hold(lock, wait=False) as owner:
        if owner:
            raise BookError(f"another build of this book is running ({owner} holds {lock}); wait for it or stop it")
        yield


@contextmanager
def _step(what: str, say: Callable[[str], None]) -> Iterator[None]:
    say(f"{what} ...")
    start = time.monotonic()
    yield
    say(f"{what} ... {time.monotonic() - start:.0f} s")


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables, or unset those that are None, and put everything back at the end."""
    before = {name: os.environ.get(name) for name in changes}
    _set_variables(changes)
    try:
        yield
    finally:
        _set_variables(before)


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
