"""The registry: families spelled out, nothing guessed, and every source of the paper in it."""

from __future__ import annotations

import hashlib
from operator import attrgetter
from urllib.parse import urlsplit

import pytest

from chromolib import readers, registry
from chromolib.config import MARKS, InputError
from chromolib.profile import load_profile
from chromolib.registry import Source

DIGEST = hashlib.sha256(b"x").hexdigest()
REST = """
  content: {format: csv, compression: none, build: hg19, coordinates: none, reader: null}
  description: Tables.
  size: 1 kB
  licence: none stated
  citation: We 2020
  required_for: core
  evidence: verified
"""
FAMILY = f"""
table:
  url: https://nowhere.invalid/a/-%20{{part}}/{{part}}.csv
  file: tables/{{part}}.csv{REST}  parts: {{E003: {DIGEST}, E1.x: '{"0" * 64}'}}
single:
  urls: [https://nowhere.invalid/b, https://elsewhere.invalid/b]
  file: b{REST}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Make the text the registry."""

    def write(text):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / "sources.yml").write_text(text)
        registry.registry.cache_clear()
        return registry.registry

    monkeypatch.setattr(registry, "ROOT", tmp_path)
    yield write
    registry.registry.cache_clear()


def test_a_family_over_parts_is_one_source_per_part(write):
    known = write(FAMILY)()
    assert list(known) == ["table/E003", "table/E1.x", "single"]
    part = known["table/E1.x"]
    assert part.urls == ("https://nowhere.invalid/a/-%20E1.x/E1.x.csv",) and part.file == "tables/E1.x.csv"
    assert part.sha256 == "0" * 64 and known["table/E003"].sha256 == DIGEST and known["single"].sha256 is None
    assert part.citation == "We 2020" and part.at == {"part": "E1.x"} and part.n_bytes == 1000
    assert known["single"].urls == ("https://nowhere.invalid/b", "https://elsewhere.invalid/b")


def test_a_family_over_axes_has_every_combination_and_names_of_its_publisher(write):
    text = "f: {url: 'http://h/{tissue}.{kind}', file: '{part}', axes: {cell_type: [E1, E2], kind: [po, pp]}, names: {tissue: {E1: A, E2: A}}"
    known = write(text + REST.replace("\n  ", ", ").rstrip() + "}")()
    assert {name: source.urls[0] for name, source in known.items()} == {
        "f/E1.po": "http://h/A.po", "f/E1.pp": "http://h/A.pp", "f/E2.po": "http://h/A.po", "f/E2.pp": "http://h/A.pp",
    }  # fmt: skip
    assert known["f/E2.pp"].at == {"cell_type": "E2", "kind": "pp"} and known["f/E2.pp"].file == "E2.pp"


def test_a_name_that_nobody_knows_leaves_no_address_and_a_list_of_names_makes_several_files(write):
    text = "f: {url: 'http://h/{acc}', file: '{part}.gz', axes: {t: [A, B, C]}, names: {acc: {A: null, B: X1, C: [X2, X3]}}"
    known = write(text + REST.replace("\n  ", ", ").rstrip() + "}")()
    assert {name: (source.urls, source.file) for name, source in known.items()} == {
        "f/A": ((), "A.gz"), "f/B": (("http://h/X1",), "B.gz"),
        "f/C.X2": (("http://h/X2",), "C.X2.gz"), "f/C.X3": (("http://h/X3",), "C.X3.gz"),
    }  # fmt: skip
    assert known["f/A"].unknown == "f: names: acc: A" and not known["f/A"].has_address and known["f/B"].unknown == ""
    assert registry.ids_in("f/C") == ["f/C.X2", "f/C.X3"] and registry.ids_in("f/B") == ["f/B"] and len(registry.ids_in("f")) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "sources.yml: a: found 1, expected the fields of an entry; its first lines explain them"),
        ("- a", "sources.yml: found a list, expected"),
        ("a: [", "sources.yml: not readable as YAML: "),
        (FAMILY.replace("size: 1 kB", "size: small"), "table/E003: size: String should match"),
        (FAMILY.replace("evidence: verified", "evidence: sure"), "table/E003: evidence: "),
        (FAMILY.replace("  file: b\n", "  fil: b\n"), "single: file: Field required"),
        (FAMILY + "  axes: {t: [A, B]}\n  names: {acc: {A: 1}}\n", "single: names: acc: found names of A, expected one for each value of an axis"),
    ],
)
def test_a_registry_that_a_user_broke_is_one_line(write, text, message):
    with pytest.raises(InputError) as caught:
        write(text)()
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["table", "table/E999"])
def test_an_unknown_part_lists_those_of_its_family(write, name):
    write(FAMILY)
    with pytest.raises(InputError, match=f"unknown source '{name}', expected one of table/E003, table/E1.x; add"):
        registry.entry(name)


def test_an_unknown_source_lists_families_as_one(write):
    write(FAMILY)
    for look in (registry.entry, registry.ids_in):
        with pytest.raises(InputError, match=r"unknown source 'tab', expected one of table/\.\.\., single; add"):
            look("tab")


@pytest.mark.parametrize(
    ("url", "path", "home"),
    [
        ("https://a.org/b/c.gz", "a.org/b/c.gz", "https://a.org"),
        ("https://a.org/get?mode=text&name=X", "a.org/get%3Fmode%3Dtext%26name%3DX", "https://a.org"),
        ("doi:10.6084/m9.figshare.1.v4/w.pt", "doi.org/10.6084/m9.figshare.1.v4/w.pt", "https://doi.org/10.6084/m9.figshare.1.v4"),
        ("https://github.com/a/b/archive/x.tar.gz", "github.com/a/b/archive/x.tar.gz", "https://github.com/a/b"),
    ],
)
def test_a_mirror_holds_host_and_path_and_a_page_links_the_publisher(url, path, home):
    assert registry.mirrored_path(url) == path
    assert Source.model_construct(urls=(url,)).home == home


# The registry of this repository


def test_ids_have_an_address_or_say_where_to_look():
    for name, source in registry.registry().items():
        assert source.has_address or source.look_up, name
        for url in source.urls:
            assert urlsplit(registry.web_address(url)).netloc and not set("{} ") & set(url), name
        assert source.description and source.licence and source.citation and not set("{} ") & set(source.file), name
        assert source.inside is None or (source.inside in registry.registry() and source.member), name
        assert "@" not in "".join(urlsplit(url).netloc for url in source.urls), f"{name}: a login belongs to its user"


def test_files_that_differ_have_names_and_digests_that_differ():
    addresses, digests = {}, {}
    for name, source in registry.registry().items():
        assert addresses.setdefault(source.file, source.urls) == source.urls, name
        if source.sha256:
            assert digests.setdefault(source.sha256, source.file) == source.file, name


def test_every_reader_is_there():
    for name, source in registry.registry().items():
        reader = source.content.reader
        if reader is not None:
            assert callable(attrgetter(reader)(readers)), name


def test_the_paper_s_cell_types_and_marks_are_covered():
    known, profile = registry.registry(), load_profile("roadmap")
    assert len(profile.cell_types) == 11 and profile.marks == MARKS
    for cell_type in profile.cell_types:
        for mark in MARKS:
            assert known[f"roadmap-reads/{cell_type}.{mark}"].urls[0].endswith(f"/{cell_type}-{mark}.tagAlign.gz")
        for kind in ("po", "pp"):
            assert f"3div-contacts/{cell_type}.{kind}" in known
        assert {f"roadmap-segmentation/{cell_type}", f"schmitt-tads/{cell_type}", f"contact-pickles/{cell_type}.pair2score"} <= set(known)
    assert len({known[f"3div-contacts/{cell_type}.po"].file for cell_type in profile.cell_types}) == 9
    assert known["3div-contacts/E118.po"].file == known["3div-contacts/E066.po"].file == "contacts/LI11.po.txt.zip"
    assert {known[f"encode-mouse-reads/{mark}"].required_for for mark in MARKS} == {"mouse"}
    assert [name for name in known if name.startswith("encode-ctcf/")] == [f"encode-ctcf/{name}" for name in ("E003", "E007", "E114", "E116", "E118")]


def test_accessions_that_were_not_seen_are_not_made_up():
    for family in ("encode-polycomb", "encode-ctcf", "encode-mouse-reads"):
        for name in registry.ids_in(family):
            source = registry.entry(name)
            assert not source.has_address and "Supplementary Table" in source.look_up and source.unknown.startswith(f"{family}: names: accession: ")
