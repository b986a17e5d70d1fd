"""Fixtures that several test modules share. None of them writes into the repository."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chromolib.config import ROOT


@pytest.fixture(scope="session", autouse=True)
def data_dir(tmp_path_factory) -> Iterator[Path]:
    """Folder of raw and computed data for this session; notebooks that a test runs inherit it."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMOLIB_DATA", str(folder))
        yield folder


@pytest.fixture(scope="session")
def mirror() -> Iterator[Path]:
    """A folder with copies of public files, laid out as <host>/<path>, which fetching tries first; see data/README.md."""
    folder = Path(os.environ.get("CHROMOLIB_MIRROR") or ROOT.parent / "shared" / "mirror")
    if not folder.is_dir():
        pytest.skip(f"no real data here: {folder} is not a folder; set CHROMOLIB_MIRROR to one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMOLIB_MIRROR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def built_book(tmp_path_factory, data_dir) -> Path:
    """The HTML folder of the repository's book with the smallest profile, built once in a copy of its sources."""
    from chromolib import book  # takes a second, which only these tests should pay

    root = tmp_path_factory.mktemp("book")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "book", root / "book", ignore=shutil.ignore_patterns("executed", "mathjax"))
    shutil.copytree(ROOT / "notebooks", root / "notebooks", ignore=shutil.ignore_patterns(".*"))
    # What lies beside the sources in a checkout in use; jupyter-book must pass it over.
    for folder in (".venv/lib/package", ".pytest_cache", "data", "."):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "README.md").write_text("Text without a heading, linked to [nowhere](nowhere.md).\n")
    return book.build("smoke", root=root).parent
