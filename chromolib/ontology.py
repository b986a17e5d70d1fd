"""Sets of human genes by Ensembl id: the biological processes of the Gene Ontology.

In: two packages of Debian that hold Bioconductor's tables of genes and of terms, as SQLite. Out: one GMT file.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from . import sources
from .config import InputError
from .files import scratch, write_whole
from .integrity import UNREADABLE, one_line
from .profile import data_root
from .registry import entry

GENES, TERMS = "debian-org-hs", "debian-go"  # ids of data/sources.yml
APT_SECONDS = 300  # until apt-get is given up
MIN_GENES, MAX_GENES = 10, 500  # of a term that is written: smaller ones have no power, larger ones say little
_TABLES = {GENES: "org.Hs.eg.sqlite", TERMS: "GO.sqlite"}
_QUERY = """
    SELECT DISTINCT term.term || ' (' || term.go_id || ')' AS term, ensembl.ensembl_id AS gene
    FROM go_bp_all JOIN ensembl ON ensembl._id = go_bp_all._id JOIN terms.go_term AS term ON term.go_id = go_bp_all.go_id
    WHERE term.ontology = 'BP' AND ensembl.ensembl_id LIKE 'ENSG%' ORDER BY 1, 2
"""  # go_bp_all: a gene of a term is one of all terms above it too, whatever the evidence
_DATES = {"GOSOURCEDATE": "GO", "EGSOURCEDATE": "Entrez Gene", "ENSOURCEDATE": "Ensembl"}


def folder() -> Path:
    """Where the packages and what is made of them are kept, for all profiles."""
    return data_root() / "raw" / "gene-ontology"


def path() -> Path:
    """The GMT file, whether or not it is there."""
    return folder() / "biological_process.gmt"


def make(say: Callable[[str], None] = print) -> tuple[Path, pd.DataFrame]:
    """Fetch the packages where they are missing and write the GMT file; its path, and its rows: term, gene.

    Raises
    ------
    InputError
        A package could not be had, or is not what it should be.
    """
    packages = {source_id: fetch(source_id, say) for source_id in _TABLES}
    with scratch(path()) as temporary:
        for source_id, package in packages.items():
            unpack(package, _TABLES[source_id], temporary / _TABLES[source_id])
        table, dates = read(temporary / _TABLES[GENES], temporary / _TABLES[TERMS])
    lines = [f"{term}\t{dates}\t" + "\t".join(genes) + "\n" for term, genes in table.groupby("term")["gene"]]
    write_whole(path(), lambda out: out.write_text("".join(lines), encoding="utf-8"))
    return path(), table


def fetch(source_id: str, say: Callable[[str], None] = print) -> Path:
    """A verified package: from apt where there is one that has this version, else as any other source.

    Raises
    ------
    InputError
        Neither has it; what apt-get said is told too.
    """
    target, apt, told = folder() / entry(source_id).file, shutil.which("apt-get"), ""
    if apt and not target.exists():
        name, version, _ = target.name.split("_")
        with scratch(target) as temporary:
            say(f"{source_id}: asking apt-get for {name} {version} (about {entry(source_id).size})")
            command = [apt, "download", "-q", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20", f"{name}={version}"]
            told = _run(command, temporary)
            for found in temporary.glob("*.deb"):  # where there is none, the addresses have it
                found.replace(target)
    try:
        return sources.fetch(source_id, folder(), say=say)
    except InputError as error:
        if told:
            raise InputError(f"{error}; apt-get: {told}") from None
        raise


def _run(command: list[str], cwd: Path) -> str:
    """Run a command; the last line that it wrote about what went wrong, "" where nothing did."""
    options = {"capture_output": True, "stdin": subprocess.DEVNULL, "text": True, "errors": "replace"}
    try:
        done = subprocess.run(command, cwd=cwd, check=False, timeout=APT_SECONDS, **options)
    except subprocess.TimeoutExpired:
        return f"not done after {APT_SECONDS} s"
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return lines[-1] if done.returncode else ""


def unpack(package: Path, name: str, out: Path) -> None:
    """Copy the file called `name` out of a .deb: an ar archive, whose last member is a tar archive.

    Raises
    ------
    InputError
        The package is damaged or does not hold it.
    """
    try:
        with package.open("rb") as file:
            _find_member(file, b"data.tar")
            with tarfile.open(fileobj=file, mode="r|*") as tar:
                for member in tar:
                    if member.isfile() and Path(member.name).name == name:
                        with out.open("wb") as copy:
                            shutil.copyfileobj(tar.extractfile(member), copy)
                        return
        raise ValueError(f"no {name} in it")
    except UNREADABLE as error:
        raise InputError(f"{package}: {one_line(error)}; expected a Debian package with {name}; delete it and fetch it again") from None


def _find_member(file: BinaryIO, name: bytes) -> None:
    """Go to where the first member of an ar archive begins whose name begins so."""
    if file.read(8) != b"!<arch>\n":
        raise ValueError("no ar archive")
    while len(header := file.read(60)) == 60:
        if header.startswith(name):
            return
        size = int(header[48:58])
        file.seek(size + size % 2, 1)  # members begin at even positions
    raise ValueError(f"no {name.decode()} in it")


def read(genes: Path, terms: Path) -> tuple[pd.DataFrame, str]:
    """Terms of MIN_GENES to MAX_GENES genes with an Ensembl id.

    Returns
    -------
    table : DataFrame
        term, as "name (GO:nnnnnnn)", and gene, sorted; attrs["dropped"] counts terms of other sizes.
    dates : str
        Which state of its sources the tables hold.

    Raises
    ------
    InputError
        The files are not the tables that they should be.
    """
    try:
        with closing(sqlite3.connect(f"{genes.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("ATTACH ? AS terms", (f"{terms.absolute().as_uri()}?mode=ro",))
            table = pd.DataFrame(connection.execute(_QUERY).fetchall(), columns=["term", "gene"], dtype="str")
            known = dict(connection.execute("SELECT name, value FROM main.metadata").fetchall())
    except sqlite3.Error as error:
        raise InputError(f"{genes}: {error}; expected Bioconductor's tables of human genes, and of GO beside them; delete the packages and fetch them again") from None
    size = table.groupby("term")["gene"].transform("size")
    is_kept = size.between(MIN_GENES, MAX_GENES)
    found = table[is_kept].reset_index(drop=True)
    found.attrs["dropped"] = {
        f"fewer than {MIN_GENES} genes": table.loc[size < MIN_GENES, "term"].nunique(), f"more than {MAX_GENES} genes": table.loc[size > MAX_GENES, "term"].nunique(),
    }  # fmt: skip
    return found, ", ".join(f"{name} {known[key]}" for key, name in _DATES.items() if key in known)
