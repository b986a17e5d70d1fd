"""What others cite: CITATION.cff, the bibliography and the page on citing agree, and every reference has a DOI."""

import re
import tomllib

import pytest
import yaml

from chromolib import book
from chromolib.config import ROOT

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
REFERENCES = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def entry(text, key):
    """Fields of a BibTeX entry."""
    body = re.search(rf"@\w+\{{{key},\n(.*?)\n\}}", text, re.DOTALL)[1]
    return dict(re.findall(r"(\w+) *= *\{(.*)\}", body))


def test_citation_file_names_this_version_and_the_paper():
    assert CITATION["version"] == PROJECT["version"] and CITATION["license"] == PROJECT["license"] and CITATION["cff-version"] == "1.2.0"
    (paper,) = CITATION["references"]
    told = entry(REFERENCES, "lee2022")
    assert paper["doi"] == told["doi"] and paper["title"] == told["title"] and str(paper["year"]) == told["year"]


def test_page_on_citing_has_the_bibliography_s_entry():
    assert entry((ROOT / "book" / "cite.md").read_text(encoding="utf-8"), "lee2022") == entry(REFERENCES, "lee2022")


def test_every_reference_has_a_doi():
    keys = re.findall(r"@\w+\{(\w+),", REFERENCES)
    assert len(keys) > 5 and all(re.fullmatch(r"10\.\d{4,}/\S+", entry(REFERENCES, key)["doi"]) for key in keys)


@pytest.mark.parametrize("url", ["", "https://github.com/some-one/chromo.lib"])
def test_pages_lead_to_binder_and_colab_where_the_repository_is_known(tmp_path, monkeypatch, url):
    monkeypatch.delenv("CHROMOLIB_REPOSITORY", raising=False)
    (tmp_path / "_config.yml").write_text(f'repository: {{url: "{url}"}}\n')
    assert book._repository(tmp_path) == url
    monkeypatch.setenv("CHROMOLIB_REPOSITORY", "https://github.com/a/b")
    assert book._repository(tmp_path) == "https://github.com/a/b"
    monkeypatch.setenv("CHROMOLIB_REPOSITORY", "git@github.com:a/b")
    with pytest.raises(book.BookError, match="expected https://github.com/owner/name"):
        book._repository(tmp_path)
    line = book._live("02_train", "https://github.com/a/b")
    assert "https://mybinder.org/v2/gh/a/b/HEAD?labpath=notebooks/02_train.ipynb" in line
    assert "https://colab.research.google.com/github/a/b/blob/HEAD/notebooks/02_train.ipynb" in line
