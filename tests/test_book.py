"""The book: its runner, its notebooks as stored, and the pages as a reader's browser gets them."""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import torch
import yaml

from chromolib import book, machine, plans, studies
from chromolib.analysis import ledger
from chromolib.config import ROOT, InputError
from chromolib.dataset import open_store
from chromolib.profile import load_profile, profile_names

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHROMIUM = Path("/usr/bin/chromium")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# What makes a page wider than the window: the first of such elements, where the page can be scrolled to the side.
BEYOND = """document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("main *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map((element) => element.outerHTML.slice(0, 80))
    .concat(`${document.documentElement.scrollWidth} px`)"""
# MathJax marks a formula that it cannot read, and writes an unknown command out in red.
BROKEN_FORMULA = "mjx-container [data-mjx-error], mjx-container [fill='red'], mjx-container [mathcolor='red']"
# How captions say n: of how many genes, or of what else points are.
SAYS_N = r"(\d|\b(no|no such|at most \d+)) ([\w-]+ ){0,2}(genes?|promoters|pCREs|pairs|folds|claims)\b"
# Values of <link rel=...> that make a browser ask for the address.
LOADED_LINKS = {"stylesheet", "icon", "shortcut icon", "preload", "modulepreload", "prefetch", "preconnect"}


def write_notebook(path: Path, *code: str, parameters: str = "profile = 'sim'") -> Path:
    """A notebook with a heading, a cell of parameters and cells of code."""
    cells = [nbformat.v4.new_markdown_cell(f"# {path.stem}")]
    cells += [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(source) for source in code]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def small_book(root: Path, *code: str) -> Path:
    """Sources of a book of one page and two notebooks, of which the returned profile runs the first."""
    (root / "book" / "assets").mkdir(parents=True)
    shutil.copy(ROOT / "_config.yml", root)
    shutil.copy(ROOT / "book" / "assets" / "custom.css", root / "book" / "assets")
    (root / "book" / "references.bib").touch()
    (root / "book" / "index.md").write_text("# First page\n")
    chapters = [{"file": f"book/executed/{name}"} for name in ("01_one", "02_two")]
    toc = {"format": "jb-book", "root": "book/index", "parts": [{"caption": "Notebooks", "chapters": chapters}]}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    write_notebook(root / "notebooks" / "01_one.ipynb", *code)
    settings = yaml.safe_load((ROOT / "data" / "profiles" / "smoke.yml").read_text())
    profile = root / "own.yml"
    profile.write_text(yaml.safe_dump(settings | {"name": "own", "notebooks": ["01_one"]}))
    return profile


def earlier_book(root: Path) -> Path:
    page = root / "_build" / "own" / "html" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("the earlier book")
    return page


# The runner


def test_notebook_runs_with_its_parameters_whatever_jupyter_is_told(tmp_path, monkeypatch, capfd):
    broken = tmp_path / "elsewhere" / "kernels" / "python3"
    broken.mkdir(parents=True)
    (broken / "kernel.json").write_text('{"argv": ["/nowhere/python"], "display_name": "x", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    source = write_notebook(tmp_path / "a.ipynb", "print('profile is', profile)")
    target = tmp_path / "executed" / "a.ipynb"
    book.run_notebook(source, target, {"profile": "smoke"}, cwd=tmp_path)
    assert book.find_fault(target) is None
    assert "profile is smoke" in target.read_text() and "profile is smoke" in capfd.readouterr().out
    assert [path.name for path in target.parent.iterdir()] == ["a.ipynb"]


def test_unknown_parameter_is_refused_before_anything_runs(tmp_path):
    source = write_notebook(tmp_path / "a.ipynb", "1 / 0", parameters="profile = 'sim'\nseed = 1")
    with pytest.raises(InputError, match="notebook a: unknown parameter 'sede', expected one of profile, seed"):
        book.run_notebook(source, tmp_path / "out.ipynb", {"profile": "smoke", "sede": 2})
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("raise ValueError('first\\nsecond')", "notebook a, cell 4: ValueError: first second"),
        ("import sys; sys.exit(0)", "notebook a, cell 4: SystemExit: 0"),
        ("import os; os._exit(0)", "notebook a, cell 4: its Python process died"),
    ],
    ids=["exception", "exit 0", "death"],
)
def test_failing_cell_is_one_line_and_leaves_no_finished_notebook(tmp_path, code, fault):
    source = write_notebook(tmp_path / "a.ipynb", "x = 1", code, "y = 1")  # cells 1 and 2 are the parameters, twice
    target = tmp_path / "executed" / "a.ipynb"
    with pytest.raises(InputError) as caught:
        book.run_notebook(source, target, {"profile": "smoke"}, cwd=tmp_path)
    failed = target.with_name("a.failed.ipynb")
    assert str(caught.value).startswith(fault) and str(caught.value).endswith(f"as far as it came: {failed}")
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == [failed], "a half-run notebook must not have the finished one's name"


def test_page_gets_its_name_when_it_is_complete(tmp_path):
    source, target = write_notebook(tmp_path / "a.ipynb", "x = 1"), tmp_path / "executed" / "a.ipynb"

    def interrupted(path):
        assert book.find_fault(path) is None and not target.exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        book.run_notebook(source, target, {"profile": "smoke"}, cwd=tmp_path, finish=interrupted)
    assert not target.exists()


def test_missing_notebook_is_named(tmp_path):
    with pytest.raises(InputError, match="b.ipynb does not exist"):
        book.run_notebook(tmp_path / "b.ipynb", tmp_path / "out.ipynb", {})


# The build


@pytest.fixture(scope="module")
def own_book(tmp_path_factory):
    """First page of a book that was built from another folder, its profile, and what was said; in place of an earlier one."""
    root = tmp_path_factory.mktemp("own") / "root"
    # The bar is a widget, for which a page may ask two servers for scripts.
    bar = "from tqdm.notebook import tqdm\nfor _ in tqdm([1, 2]): pass"
    profile = small_book(root, "print('profile is', profile)", bar)
    path = root / "notebooks" / "01_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("See [the second](02_two.ipynb#there), [this one](01_one.ipynb) and [PyTorch](https://pytorch.org)."))
    nbformat.write(notebook, path)
    (root / "book" / "executed").mkdir()
    (root / "book" / "executed" / "02_two.ipynb").write_text("of another profile")
    page, said = earlier_book(root), []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root.parent)
        assert book.build("root/own.yml", root=root, say=said.append) == page
    return page, profile, said


def test_own_profile_builds_from_any_folder_with_its_notebooks_only(own_book):
    page, profile, said = own_book
    assert "the earlier book" not in page.read_text() and not (profile.parent / "book" / "executed" / "02_two.ipynb").exists()
    executed = page.with_name("book") / "executed"
    assert f"profile is {profile}" in (executed / "01_one.html").read_text()
    assert not (executed / "02_two.html").exists()
    assert_all_local(executed / "01_one.html")
    assert any(line.startswith("[1/2] running notebook 01_one ...") for line in said)
    assert said[-1] == f"done, open {page.as_uri()}"


def test_links_to_notebooks_that_the_profile_does_not_run_become_words(own_book):
    page = (own_book[0].with_name("book") / "executed" / "01_one.html").read_text()
    assert "See the second, <a" in page and "02_two" not in page
    assert "https://pytorch.org" in page


SHOWS_A_TABLE = """import pandas as pd
from chromolib import load_profile, plots
plots.show_table(pd.DataFrame({"x": [1, 2]}), profile=load_profile(profile), name="01_x", caption="Two rows.")"""


def test_pages_that_were_executed_before_are_bound_as_they_are_beside_the_tables_that_they_link_to(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    profile = small_book(tmp_path, "print('made by hand')", SHOWS_A_TABLE)
    page = book.make_page(profile, "01_one", root=tmp_path)
    assert page == tmp_path / "data" / "work" / "own" / "pages" / "01_one.ipynb"
    results = tmp_path / "data" / "work" / "own" / "results"
    (results / "01_old.csv").write_text("of an earlier version of the page\n")
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "raise ValueError('run once more')")
    executed = book.build(profile, pages=page.parent, root=tmp_path).with_name("book") / "executed"
    assert "made by hand" in (executed / "01_one.html").read_text()
    tables = executed / "tables"
    assert [path.name for path in tables.iterdir()] == ["01_x.csv"] and (tables / "01_x.csv").read_text() == "x\n1\n2\n"
    (results / "01_x.csv").unlink()
    with pytest.raises(InputError, match=r"01_one.html links to .*01_x.csv, which does not exist; make the page again with `chromolib notebook own 01_one`"):
        book.build(profile, pages=page.parent, root=tmp_path)
    assert (tables / "01_x.csv").exists()                                      # the earlier book stays
    page.unlink()
    with pytest.raises(InputError, match=r"01_one.ipynb does not exist; make it with `chromolib notebook own 01_one"):
        book.build(profile, pages=page.parent, root=tmp_path)


def test_only_notebooks_of_the_profile_are_pages(tmp_path):
    with pytest.raises(InputError, match="found notebook '09_none', expected one of 01_preprocess, 02_train"):
        book.make_page("smoke", "09_none", tmp_path / "out.ipynb")


def test_failed_notebook_keeps_the_earlier_book(tmp_path):
    profile = small_book(tmp_path, "1 / 0")
    page = earlier_book(tmp_path)
    with pytest.raises(InputError, match="notebook 01_one, cell 3: ZeroDivisionError: division by zero"):
        book.build(profile, root=tmp_path)
    assert page.read_text() == "the earlier book"


def test_warning_of_jupyter_book_is_an_error_and_keeps_the_earlier_book(tmp_path):
    profile = small_book(tmp_path)
    page = earlier_book(tmp_path)
    (tmp_path / "book" / "index.md").write_text("# First page\n\n{doc}`missing`\n")
    with pytest.raises(InputError, match=r"jupyter-book: .*index.md:3: WARNING: unknown document: .*missing.*html.log"):
        book.build(profile, root=tmp_path)
    assert page.read_text() == "the earlier book"
    assert sorted(path.name for path in (tmp_path / "_build" / "own").iterdir()) == ["html", "html.log"]


def test_notebook_outside_of_the_contents_is_named(tmp_path):
    profile = small_book(tmp_path)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\nparts: []\n")
    with pytest.raises(InputError, match="_toc.yml does not list book/executed/01_one"):
        book.build(profile, root=tmp_path)


def test_second_build_at_once_is_refused(tmp_path):
    profile = small_book(tmp_path)
    lock = tmp_path / "_build" / ".lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another build of this book is running"):
            book.build(profile, root=tmp_path)
    assert not (tmp_path / "book" / "executed").exists()


# papermill by hand


def papermill(notebook, folder, *parameters):
    """The command, from a folder that has nothing of the project; exit status and the executed notebook."""
    source, out = ROOT / "notebooks" / f"{notebook}.ipynb", folder / "out.ipynb"
    given = [part for name, value in parameters for part in ("-p", name, value)]
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(source), str(out), *given]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")} | {"CHROMOLIB_PROGRESS": "lines"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, nbformat.read(out, as_version=4)


def test_papermill_runs_a_notebook_of_one_cell_type_from_any_folder(tmp_path, data_dir):
    planned = plans.runs_for(studies.study("smoke", cell_type="S02"), "06_attention")
    assert 0 < len(planned) < 4 and {run.cell_type for run in planned} == {"S02"}
    status, executed = papermill("06_attention", tmp_path, ("profile", "smoke"), ("cell_type", "S02"), ("device", "cpu"), ("per_device", "1"))
    assert status == 0 and [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]
    made = {path.name for path in (data_dir / "work" / "smoke" / "runs").glob("S02-*-seed42*")}
    assert {run.id for run in planned} <= made
    assert executed.metadata["kernelspec"]["name"] == "python3"


def test_papermill_of_a_failed_cell_keeps_the_traceback_and_tells_the_shell(tmp_path):
    status, executed = papermill("02_train", tmp_path, ("profile", "smoke"), ("cell_type", "S09"))
    errors = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs if output.output_type == "error"]
    assert status != 0 and len(errors) == 1 and "unknown cell type 'S09', expected one of S01, S02, S03" in errors[0]["evalue"]
    assert errors[0]["traceback"]


# The notebooks as stored


def code_cells(path: Path) -> Iterator[nbformat.NotebookNode]:
    return (cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


@pytest.mark.parametrize("name", profile_names())
def test_notebooks_of_a_profile_exist_and_are_in_the_contents(name):
    contents = (ROOT / "_toc.yml").read_text()
    for notebook in load_profile(name).notebooks:
        assert (ROOT / "notebooks" / f"{notebook}.ipynb").is_file()
        assert f"- file: book/executed/{notebook}\n" in contents


def test_prose_links_only_to_notebooks_that_every_profile_runs():
    linked = {name for page in (ROOT / "book").glob("*.md") for name in re.findall(r"\(executed/(\w+)\.ipynb", page.read_text())}
    assert linked and linked <= set.intersection(*(set(load_profile(name).notebooks) for name in profile_names()))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_results(path):
    for cell in code_cells(path):
        assert not cell.outputs and cell.execution_count is None, f"strip the outputs of: {cell.source[:60]}"
    assert "papermill" not in nbformat.read(path, as_version=4).metadata


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_that_trains_takes_a_device_and_names_its_kernel(path):
    code = [cell.source for cell in code_cells(path)]
    trains = any("cl.ensure(" in source for source in code)
    assert trains == any(source.count("devices=device") for source in code) == bool(re.search(r'^device = "auto"', code[0], re.MULTILINE))
    assert nbformat.read(path, as_version=4).metadata["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_defines_no_function_or_class(path):
    for cell in code_cells(path):
        source = re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE)  # magics are not Python
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef), f"move {node.name} to chromolib"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_table_that_is_made_is_shown(path):
    """`show_table` returns what is shown, which a page has of the last line of a cell alone."""
    for cell in code_cells(path):
        *before, _ = ast.parse(re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE)).body
        assert not [line for line in map(ast.unparse, before) if line.startswith("plots.show_table(")], "the table is not on the page: give it a cell"


# The pages


class Resources(HTMLParser):
    """Addresses that a browser loads to show a page (not those that a reader may click)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "link" and (given.get("rel") or "").lower() in LOADED_LINKS:
            self.found.append(given.get("href") or "")
        elif tag in ("script", "img", "iframe", "source", "video", "audio", "embed", "object"):
            self.found += [given[name] for name in ("src", "data", "srcset", "poster") if given.get(name)]


def assert_all_local(page: Path) -> None:
    for address in Resources(page.read_text(encoding="utf-8")).found:
        parts = urlsplit(address)
        assert parts.scheme in ("", "data") and not parts.netloc, f"{page.name} loads {address}"
        if not parts.scheme:
            assert (page.parent / unquote(parts.path)).is_file(), f"{page.name} lacks {address}"


def pages_of(built_book: Path) -> list[Path]:
    # Fragments below _static (such as a template of the theme) are no pages.
    return sorted(path for path in built_book.rglob("*.html") if "_static" not in path.parts)


def test_pages_load_nothing_from_elsewhere_and_miss_no_file(built_book):
    pages = pages_of(built_book)
    assert len(pages) >= 8
    for page in pages:
        assert_all_local(page)


def test_style_sheets_load_nothing_from_elsewhere(built_book):
    sheets = list(built_book.rglob("*.css"))
    assert any(sheet.name == "custom.css" for sheet in sheets)
    for sheet in sheets:
        outside = re.search(r"(?:@import\s*|url\(\s*)['\"]?(?:https?:)?//[^'\")]*", sheet.read_text(encoding="utf-8"))
        assert not outside, f"{sheet.name} loads {outside[0]}"


def test_every_chapter_names_its_profile_and_that_it_is_simulated(built_book):
    chapters = sorted((built_book / "book").rglob("*.html"))
    assert {"index.html", "model.html", "01_preprocess.html", "02_train.html"} <= {page.name for page in chapters}
    for page in chapters:
        assert "Profile <b>smoke</b> (simulated data)" in page.read_text(encoding="utf-8"), page.name


def test_every_figure_has_alt_text_and_a_caption_with_n_and_its_table(built_book):
    figures = []
    for page in sorted((built_book / "book" / "executed").glob("*.html")):
        for figure in re.findall(r"<figure[ >].*?</figure>", page.read_text(encoding="utf-8"), re.DOTALL):
            caption = re.search(r"<figcaption>(.*)</figcaption>", figure, re.DOTALL)[1]
            assert "choose-gene" in figure or re.search(r'\b(alt|aria-label)="\w[^"]{20,}"', figure), f"{page.name}: no alt text: {caption}"
            assert re.search(SAYS_N, caption), f"{page.name}: no n: {caption}"
            is_of_scores = page.name.startswith(("03_", "04_", "05_")) or "_claims_" in caption
            assert re.search(r"folds [\d(]", caption) or not is_of_scores, f"{page.name}: no folds: {caption}"
            tables = book.TABLE_LINK.findall(caption)
            assert tables, f"{page.name}: no table: {caption}"
            assert all((page.parent / "tables" / f"{table}.csv").stat().st_size for table in tables), f"{page.name}: {caption}"
            figures.append(tables[0])
    assert len(figures) > 50 and len(set(figures)) == len(figures)


def test_every_notebook_says_where_its_data_come_from(built_book):
    for name in load_profile("smoke").notebooks:
        page = next(built_book.rglob(f"{name}.html")).read_text(encoding="utf-8")
        assert "Where the data come from" in page and "GPL-3.0" in page, name
        if name in book.OF_ALL_PROFILES:                                       # of what other tests made too
            assert re.search(r"The data of profile (\S+, )*smoke(, \S+)* are simulated", page) and book.H1_AVERAGES in page, name
        else:
            assert "The data of profile smoke are simulated" in page and "Averages of real H1 promoters" in page, name


def test_pages_of_all_profiles_name_the_sources_of_those_that_they_show():
    """Also on a fresh clone, where claims of others are those that are kept."""
    smoke = load_profile("smoke")
    assert book._profiles_of("02_train", smoke) == [smoke]
    shown = {profile.name for profile in book._profiles_of("claims", smoke)}
    assert shown >= {"smoke", "promoters-18k", "sim"} and shown == {"smoke", *(profile.name for profile in ledger.collect(smoke).profiles)}


def test_sources_of_a_real_profile_are_told_with_terms_and_citation():
    cell = book._sources_cell([load_profile("promoters-18k"), load_profile("sim")])
    assert "[`patternchrome-E012`](https://github.com/Prgrmmrjns/PatternChrome)" in cell.source
    assert "none stated in the repository" in cell.source and "Paul et al. 2025" in cell.source
    assert "The data of profile sim are simulated" in cell.source


def provenance(page):
    """The last cell of an executed page: what -> which."""
    text = nbformat.read(page, as_version=4).cells[-1].source
    return dict(line.strip("| ").split(" | ") for line in text.splitlines()[4:])


def test_every_notebook_ends_with_how_it_was_made(built_book):
    executed = built_book.parents[2] / "book" / "executed"
    for name in load_profile("smoke").notebooks:
        made = provenance(executed / f"{name}.ipynb")
        assert list(made) == ["profile", "data", "code", "versions", "hardware", "time", "this page again", "the book again"]
        assert made["this page again"] == f"`papermill -k python3 notebooks/{name}.ipynb out.ipynb -p profile smoke`"
        assert made["the book again"] == "`chromolib book smoke`" and made["profile"] == "`smoke`"
        assert made["code"] == f"commit `{machine.commit()}`" and f"torch {torch.__version__.partition('+')[0]}" in made["versions"]
        assert "core" in made["hardware"] and re.match(r"\d+ (s|min|h)", made["time"])
        assert "How this page was made" in next(built_book.rglob(f"{name}.html")).read_text(encoding="utf-8")


def test_each_notebook_trains_what_is_planned_for_it_and_nothing_else(built_book):
    root, study = built_book.parents[2], studies.study("smoke")
    trained = json.loads((root / "trained.json").read_text())                  # when, by the folder of each run
    assert len(trained) > 40
    for name in study.record.notebooks:
        made = nbformat.read(root / "book" / "executed" / f"{name}.ipynb", as_version=4).metadata["papermill"]
        start, end = (datetime.fromisoformat(made[f"{part}_time"]).timestamp() for part in ("start", "end"))
        planned = {f"{run.profile}/{run.id}" for run in plans.runs_for(study, name)}
        assert {run for run, at in trained.items() if start <= at <= end} <= planned <= trained.keys(), name
        assert max((trained[run] for run in planned), default=0) <= end, f"what {name} has read was trained again"


def test_digest_of_data_is_that_of_the_files_of_a_cell_type(tmp_path, monkeypatch):
    profile = load_profile("smoke")
    listed = json.loads(open_store(profile, "S01").attrs["source_files"])
    sums = [hashlib.sha256(next(profile.raw_dir.rglob(file["file"])).read_bytes()).hexdigest() for file in listed]
    expected = hashlib.sha256("".join(sorted(sums)).encode()).hexdigest()[:12]
    assert book._digests(profile)[0] == f"S01 `{expected}` of {len(sums)} files" and len(sums) > 9
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    assert book._digests(profile) == [] and not list(tmp_path.iterdir())       # and none is built for it


def test_command_of_a_page_shows_no_folder():
    line = book._papermill_line("03_benchmark", {"profile": "/home/me/my cells.yml", "budget": "full", "seed": 7})
    assert line == "papermill -k python3 notebooks/03_benchmark.ipynb out.ipynb -p profile 'my cells.yml' -p budget full -p seed 7"


def test_pages_hold_no_path_of_this_machine(built_book, data_dir):
    notebooks = list(built_book.rglob("*.ipynb"))  # for the download button
    assert notebooks
    for page in [*pages_of(built_book), *notebooks]:
        for folder in (ROOT, data_dir, built_book):
            assert str(folder) not in page.read_text(encoding="utf-8"), page.name


class Anchors(HTMLParser):
    """Where a page's links lead to, and the names that links can lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = {"", "top"}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.names |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


def test_links_inside_of_the_book_lead_somewhere(built_book):
    pages = {path.resolve(): Anchors(path.read_text(encoding="utf-8")) for path in pages_of(built_book)}
    n_links = 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.name} links to {link}, which is not there"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].names, f"{path.name} links to {link}: no such place on that page"
            n_links += 1
    assert n_links > 1000


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium.new_context(offline=True, viewport=DESK)
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Opens a page of the book; at the end of the test, nothing may have been asked for in vain or have ended in an error."""
    asked, faults, tabs = [], [], []

    def opened(path: Path, query: str = ""):
        tab = browser.new_page()
        tabs.append(tab)
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("requestfailed", lambda request: faults.append(f"{path.name}: {request.url} {request.failure}"))
        tab.on("pageerror", lambda error: faults.append(f"{path.name}: {error}"))
        tab.on("console", lambda message: faults.append(f"{path.name}: {message.text}") if message.type in ("error", "warning") else None)
        tab.goto(path.as_uri() + query, wait_until="load")
        return tab

    yield opened
    for tab in tabs:
        tab.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert faults == []


def test_pages_open_from_disk_and_show_all_their_images_and_formulas(built_book, open_page):
    n_formulas = {}
    for path in pages_of(built_book):
        tab, page = open_page(path), path.read_text(encoding="utf-8")
        if 'http-equiv="Refresh"' in page:  # the first page sends its reader on
            tab.wait_for_url("**/book/index.html")
        if 'class="math' in page:
            tab.wait_for_selector("mjx-container", state="attached", timeout=20_000)
            tab.evaluate("MathJax.startup.promise")  # resolves when the whole page is set
            assert tab.locator(BROKEN_FORMULA).count() == 0, f"{path.name}: a formula that TeX does not understand"
            n_formulas[path.name] = tab.locator("mjx-container").count()
        missing = tab.evaluate("[...document.images].filter((image) => image.complete && !image.naturalWidth).map((image) => image.src.slice(0, 80))")
        assert missing == [], path.name
        for size in (DESK, PHONE):
            tab.set_viewport_size(size)
            assert tab.evaluate(BEYOND) == [], f"{path.name} is wider than {size['width']} px"
        tab.close()
    assert n_formulas["model.html"] > 30 and n_formulas["shortcuts.html"] > 30


def test_search_from_disk_finds_words_of_notebooks(built_book, open_page):
    tab = open_page(built_book / "search.html", "?q=PCRI")
    tab.wait_for_selector("#search-results li a")
    found = tab.locator("#search-results li a").evaluate_all("(links) => links.map((link) => link.getAttribute('href'))")
    assert any("07_pcri.html" in link for link in found) and any("glossary.html" in link for link in found)


def test_a_reader_chooses_a_gene_by_keyboard(built_book, open_page):
    tab = open_page(next(built_book.rglob("07c_perturbation.html")))
    figure = tab.locator("figure.choose-gene")
    names = figure.locator("option").all_inner_texts()
    assert len(names) > 4
    first = figure.locator("[aria-live]").inner_text()
    figure.locator("select").focus()
    tab.keyboard.press("ArrowDown")
    second = figure.locator("[aria-live]").inner_text()
    assert second.startswith(names[1].split(",")[0]) and second != first
    drawn = figure.locator(".drawn svg")
    assert drawn.get_attribute("aria-label").startswith(second)
    n_pcres = int(re.search(r"(\d+) pCREs?\.$", second)[1])
    assert figure.locator("tbody tr").count() == n_pcres and figure.locator(".drawn path title").count() == n_pcres
    tab.set_viewport_size(PHONE)
    tab.wait_for_function("document.querySelector('.drawn svg').getBoundingClientRect().right <= innerWidth")
