"""Gene Ontology from Debian's packages: terms by hand, packages that are damaged, and apt where it is there."""

import io
import sqlite3
import subprocess
import sys
import tarfile

import pytest

from chromolib import ontology, readers, sources
from chromolib.config import InputError

GO = "GO:000000{}"


def tables(folder, n_genes):
    """Bioconductor's two files, small: term i has n_genes[i] genes, all by electronic annotation and the first by two."""
    genes, terms = folder / "org.Hs.eg.sqlite", folder / "GO.sqlite"
    with sqlite3.connect(genes) as connection:
        connection.execute("CREATE TABLE metadata (name, value)")
        connection.execute("INSERT INTO metadata VALUES ('GOSOURCEDATE', '2022-07-01'), ('TAXID', '9606')")
        connection.execute("CREATE TABLE ensembl (_id, ensembl_id)")
        connection.executemany("INSERT INTO ensembl VALUES (?, ?)", [(i, f"ENSG{i:03d}") for i in range(600)] + [(0, "LRG_1")])
        connection.execute("CREATE TABLE go_bp_all (_id, go_id, evidence)")
        rows = [(gene, GO.format(term), "IEA") for term, n in enumerate(n_genes) for gene in range(n)]
        connection.executemany("INSERT INTO go_bp_all VALUES (?, ?, ?)", [*rows, (0, GO.format(0), "IDA"), (999, GO.format(0), "IDA")])
    with sqlite3.connect(terms) as connection:
        connection.execute("CREATE TABLE go_term (_id, go_id, term, ontology)")
        kinds = ["BP"] * (len(n_genes) - 1) + ["MF"]
        connection.executemany("INSERT INTO go_term VALUES (?, ?, ?, ?)", [(i, GO.format(i), f"term {i}", kind) for i, kind in enumerate(kinds)])
    return genes, terms


def package(path, content, name="org.Hs.eg.sqlite"):
    """A .deb as dpkg builds it: an ar archive of a version, of control files and of the data; members at even positions."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        info = tarfile.TarInfo(f"./usr/lib/R/site-library/org.Hs.eg.db/extdata/{name}")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    members = [("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", data.getvalue())]
    header = "{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n"
    parts = [header.format(name, 0, 0, 0, 100644, len(body)).encode() + body + b"\n" * (len(body) % 2) for name, body in members]
    path.write_bytes(b"!<arch>\n" + b"".join(parts))
    return path


def test_terms_have_the_genes_with_an_ensembl_id_each_once(tmp_path):
    table, dates = ontology.read(*tables(tmp_path, (10, 9, 501, 500, 20)))
    assert table.groupby("term").size().to_dict() == {"term 0 (GO:0000000)": 10, "term 3 (GO:0000003)": 500}
    assert table["gene"].iloc[:3].tolist() == ["ENSG000", "ENSG001", "ENSG002"]
    assert table.attrs["dropped"] == {"fewer than 10 genes": 1, "more than 500 genes": 1} and dates == "GO 2022-07-01"


def test_a_file_comes_out_of_a_package_as_it_went_in(tmp_path):
    ontology.unpack(package(tmp_path / "a.deb", b"SQLite"), "org.Hs.eg.sqlite", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"SQLite"


def test_packages_become_a_gmt_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    contents = {path.name: path.read_bytes() for path in tables(tmp_path, (10, 11, 12))}
    packages = {
        source_id: package(tmp_path / f"{source_id}.deb", contents[name], name) for source_id, name in ontology._TABLES.items()
    }
    monkeypatch.setattr(ontology, "fetch", lambda source_id, say: packages[source_id])
    path, table = ontology.make()
    sets = readers.read_gene_sets(path)
    assert sets.to_numpy().tolist() == table.to_numpy().tolist() and sets["term"].nunique() == 2
    assert path.read_text().startswith("term 0 (GO:0000000)\tGO 2022-07-01\tENSG000\t")
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: b"<html>", "no ar archive"),
        (lambda content: content[:100], "no data.tar in it"),
        (lambda content: content[:-200], "a.deb: ReadError"),
        (lambda content: content.replace(b"data.tar.xz", b"late.tar.xz"), "no data.tar in it"),
    ],
)
def test_damaged_packages_are_told_in_one_line(tmp_path, spoil, message):
    path = package(tmp_path / "a.deb", bytes(range(256)) * 8)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=message) as caught:
        ontology.unpack(path, "org.Hs.eg.sqlite", tmp_path / "out")
    assert "expected a Debian package with org.Hs.eg.sqlite; delete it" in str(caught.value) and "\n" not in str(caught.value)


def test_tables_of_another_kind_are_told_in_one_line(tmp_path):
    genes, terms = tables(tmp_path, (10, 10))
    terms.write_text("not a database")
    with pytest.raises(InputError, match="org.Hs.eg.sqlite: file is not a database; expected Bioconductor's tables"):
        ontology.read(genes, terms)


def test_without_apt_and_network_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr(ontology.shutil, "which", lambda name: None)
    monkeypatch.setattr(sources, "_addresses", lambda *arguments: [str(tmp_path / "mirror" / "nothing.deb")])
    with pytest.raises(InputError, match="debian-org-hs: .*No such file.*set CHROMOLIB_MIRROR to a folder or URL that holds deb.debian.org") as caught:
        ontology.make(lambda line: None)
    assert "\n" not in str(caught.value) and f"put the file at {ontology.folder()}" in str(caught.value)


def test_apt_is_asked_for_the_version_that_the_registry_has(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(ontology.shutil, "which", lambda name: "/usr/bin/apt-get")
    asked = []

    def run(command, cwd, **options):
        asked.append(command)
        (cwd / "r-bioc-go.db_3.16.0-1_all.deb").write_bytes(b"from apt")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(ontology.subprocess, "run", run)
    monkeypatch.setattr(sources, "fetch", lambda source_id, folder, say: folder / sources.entry(source_id).file)
    path = ontology.fetch(ontology.TERMS, lambda line: None)
    assert path.read_bytes() == b"from apt" and asked[0][-1] == "r-bioc-go.db=3.16.0-1"
    ontology.fetch(ontology.TERMS, lambda line: None)
    assert len(asked) == 1                                                       # what is there is not asked for again


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import sys; print('N: a note', 'E: Unable to locate package', sep='\\n', file=sys.stderr); sys.exit(100)", "E: Unable to locate package"),
        ("raise SystemExit(100)", "exit status 100"),
        ("import time; time.sleep(60)", "not done after 1 s"),
    ],
)
def test_what_apt_says_is_told_where_no_address_has_the_package_and_it_is_not_waited_for_without_end(tmp_path, monkeypatch, script, told):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(ontology.shutil, "which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setattr(ontology, "APT_SECONDS", 1)
    run = subprocess.run
    monkeypatch.setattr(ontology.subprocess, "run", lambda command, **options: run([sys.executable, "-S", "-c", script], **options))

    def fetch(source_id, folder, say):
        raise InputError(f"{source_id}: no address has it")

    monkeypatch.setattr(sources, "fetch", fetch)
    with pytest.raises(InputError) as caught:
        ontology.fetch(ontology.TERMS, lambda line: None)
    assert str(caught.value) == f"debian-go: no address has it; apt-get: {told}"
