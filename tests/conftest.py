"""Fixtures that several test modules share. None of them writes into the repository."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Of several workers each keeps to its share of cores. Before torch is imported, which reads it then.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // int(workers), 1)))

from chromolib import cli, sources
from chromolib.config import ROOT, InputError
from chromolib.profile import load_profile


@pytest.fixture(scope="session", autouse=True)
def data_dir(tmp_path_factory) -> Iterator[Path]:
    """Folder of raw and computed data for this session; notebooks that a test runs inherit it."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMOLIB_DATA", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory, data_dir) -> Path:
    """A data folder of all workers, for tests that read profiles sim and null and write nothing that others read."""
    return tmp_path_factory.getbasetemp().parent / "shared" if workers else data_dir


@pytest.fixture(scope="module")
def shared_data(shared_dir) -> Iterator[None]:
    """From here to the end of the module, data lie where all workers share them; who comes second waits at their lock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMOLIB_DATA", str(shared_dir))
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """A shell starts what runs in its background with SIGINT ignored, and so would be the processes that tests interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def state_after_every_epoch(monkeypatch) -> None:
    """Trainings of a second would otherwise leave no state to go on from."""
    from chromolib import train

    monkeypatch.setattr(train, "STATE_EVERY_S", 0.0)


@pytest.fixture(scope="session")
def demo_archive(data_dir) -> Path:
    """The release's demo, from a mirror (CHROMOLIB_MIRROR, or ../shared/mirror) or else from its own address."""
    beside = ROOT.parent / "shared" / "mirror"
    profile = load_profile("h1-demo")
    with pytest.MonkeyPatch.context() as patch:
        if "CHROMOLIB_MIRROR" not in os.environ and beside.is_dir():
            patch.setenv("CHROMOLIB_MIRROR", str(beside))
        try:
            return sources.fetch(profile.inputs.source, profile.raw_dir)
        except InputError as error:
            if "altered or incomplete" in str(error):
                raise
            pytest.skip(f"no real data here: {error}")


@pytest.fixture
def chromolib(monkeypatch, capsys):
    """Run the command in this process: exit status, lines on stdout, lines on stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["chromolib", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:  # as the interpreter does: text goes to stderr, with status 1
            status = end.code or 0
        out, err = capsys.readouterr()
        if isinstance(status, str):
            status, err = 1, f"{err}{status}\n"
        return status, out.splitlines(), err.splitlines()

    return run


@pytest.fixture(scope="session")
def built_book(tmp_path_factory, data_dir) -> Path:
    """The HTML folder of the repository's book with the smallest profile, built once in a copy of its sources."""
    from chromolib import book  # takes a second, which only these tests should pay

    root = tmp_path_factory.mktemp("book")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "book", root / "book", ignore=shutil.ignore_patterns("executed", "mathjax"))
    # Pages show parts of the code. All of it, since notebooks run here and would import whatever package of this name lies beside them.
    (root / "chromolib").symlink_to(ROOT / "chromolib")
    shutil.copytree(ROOT / "notebooks", root / "notebooks", ignore=shutil.ignore_patterns(".*"))
    for name in ("04_window_size", "05_ablation", "07c_perturbation", "08_cross_species"):
        path = root / "notebooks" / f"{name}.ipynb"
        text = path.read_text(encoding="utf-8")
        assert text.count("per_device = 2") == 1, name
        path.write_text(text.replace("per_device = 2", "per_device = 1"), encoding="utf-8")  # 3 starts interpreters to train, these need not
    (root / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "README.md", root / "benchmarks")  # which a page shows, with its figures
    if (ROOT / "benchmarks" / "results").is_dir():
        shutil.copytree(ROOT / "benchmarks" / "results", root / "benchmarks" / "results")
    # What lies beside the sources in a checkout in use; jupyter-book must pass it over.
    for folder in (".venv/lib/package", ".pytest_cache", "data", "."):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "README.md").write_text("Text without a heading, linked to [nowhere](nowhere.md).\n")
    folder = book.build("smoke", root=root).parent
    records = load_profile("smoke").work_dir.parent.glob("*/runs/*/record.json")  # which other tests may remove
    trained = {f"{path.parents[2].name}/{path.parent.name}": path.stat().st_mtime for path in records}
    (root / "trained.json").write_text(json.dumps(trained))
    return folder
