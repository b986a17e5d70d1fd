"""The registry of public files: data/sources.yml -> one checked record per file.

In: data/sources.yml, which explains its fields itself. Out: Source records by id; families are spelled out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .config import ROOT, InputError, first_fault

Group = Literal["core", "figure", "mouse", "optional"]
_UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
_PATTERNS = ("urls", "inside", "member", "file")  # fields in which names in braces are filled in


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Content(_Record):
    """What a file holds and how it is read."""

    format: str
    compression: Literal["none", "gzip", "bzip2", "zip"]
    build: Literal["hg19", "mm9", "none"]
    coordinates: Literal["bed0", "gtf1", "closed", "none"]
    reader: str | None  # name in chromolib.readers; None: another program's, or of no reader


class Source(_Record):
    """One file of data/sources.yml; that file itself explains the fields."""

    file: str
    content: Content
    description: str
    size: str = Field(pattern=r"^\d+(\.\d+)? (kB|MB|GB)$")
    licence: str
    citation: str
    required_for: Group
    evidence: Literal["verified", "third-party", "inferred", "unchecked"]
    urls: tuple[str, ...] = ()
    inside: str | None = None
    member: str | None = None
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    md5: str | None = Field(None, pattern=r"^[0-9a-f]{32}$")
    members: tuple[str, ...] = ()
    login: str | None = None
    look_up: str = ""
    at: dict[str, str] = {}  # axis -> value, of a family's file
    unknown: str = ""        # where in data/sources.yml its missing name belongs, for a file without an address

    @property
    def n_bytes(self) -> int:
        """Rough size of the file."""
        number, unit = self.size.split()
        return int(float(number) * _UNITS[unit])

    @property
    def has_address(self) -> bool:
        return bool(self.urls or self.inside)

    @property
    def home(self) -> str:
        """Address of the publisher's page: of the repository, for a file of one on GitHub; "" where there is no address."""
        if not self.urls:
            return ""
        parts = urlsplit(web_address(self.urls[0]))
        if parts.netloc in ("github.com", "raw.githubusercontent.com"):
            return f"https://github.com/{'/'.join(parts.path.split('/')[1:3])}"
        if parts.netloc == "doi.org":
            return f"https://doi.org{parts.path.rpartition('/')[0]}"
        return f"{parts.scheme}://{parts.netloc}"


@cache
def registry() -> dict[str, Source]:
    """Every known source by its id; the files of a family have the ids "family/part".

    Raises
    ------
    InputError
        data/sources.yml is not readable, or an entry of it lacks a field or has a strange one.
    """
    path, source_id = ROOT / "data" / "sources.yml", None
    found: dict[str, Source] = {}
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(entries, dict):
            raise InputError(f"{path}: found a {type(entries).__name__}, expected entries, each with a name of its own")
        for name, entry in entries.items():
            if not isinstance(entry, dict):
                raise InputError(f"{path}: {name}: found {entry!r}, expected the fields of an entry; its first lines explain them")
            for source_id, fields in _files(name, entry):
                found[source_id] = Source.model_validate(fields)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())}; correct it") from None
    except ValidationError as error:
        raise InputError(f"{path}: {source_id}: {first_fault(error)}; its first lines explain the fields") from None
    return found


def entry(source_id: str) -> Source:
    """One source by its id; an unknown id is an InputError that lists the known ones."""
    if source_id not in registry():
        raise InputError(f"unknown source {source_id!r}, expected one of {_known(source_id)}; add it to data/sources.yml")
    return registry()[source_id]


def ids_in(name: str) -> list[str]:
    """The ids that a name stands for: a source's own, or those of a family, or of the part of one that `name` begins.

    "encode-ctcf/E003" stands for one file until accessions are filled in, then for one of each.
    """
    found = [name] if name in registry() else [known for known in registry() if known.startswith((f"{name}/", f"{name}."))]
    if not found:
        entry(name)  # which says so
    return found


def web_address(url: str) -> str:
    """The address as a browser takes it: doi:<DOI>/<name> -> https://doi.org/<DOI>/<name>."""
    return f"https://doi.org/{url.removeprefix('doi:')}" if url.startswith("doi:") else url


def mirrored_path(url: str) -> str:
    """Where a mirror holds a file: <host>/<path>, quoted as in an address; what follows "?" belongs to the name."""
    parts = urlsplit(web_address(url))
    return f"{parts.netloc}{parts.path}{quote(f'?{parts.query}', safe='') if parts.query else ''}"


def _files(name: str, entry: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and fields of each file of an entry: one, or those of a family."""
    fields = {key: value for key, value in entry.items() if key not in ("axes", "names", "parts", "url")}
    if "url" in entry:
        fields["urls"] = [entry["url"]]
    names, digests = entry.get("names", {}), entry.get("parts", {})
    axes = {"part": list(digests)} if digests else entry.get("axes", {})
    if not axes:
        yield name, fields
        return
    for values in product(*axes.values()):
        at = dict(zip(axes, values, strict=True))
        axis_of = {key: _axis_of(name, key, table, axes) for key, table in names.items()}
        named = {key: table[at[axis_of[key]]] for key, table in names.items()}
        for chosen in product(*(value or [None] if isinstance(value, list) else [value] for value in named.values())):
            known = {key: value for key, value in zip(named, chosen, strict=True) if value is not None}
            part = ".".join([*values, *(known[key] for key in known if isinstance(named[key], list))])
            filled = _filled(fields, at | known | {"part": part}) | {"at": at}
            if unknown := [key for key in named if key not in known]:
                where = f"{name}: names: {unknown[0]}: {at[axis_of[unknown[0]]]}"
                filled |= {"urls": (), "inside": None, "member": None, "unknown": where}
            yield f"{name}/{part}", filled | ({"sha256": digests[part]} if digests else {})


def _axis_of(name: str, key: str, table: dict[str, Any], axes: dict[str, list[str]]) -> str:
    """The axis whose values a table of names has as its keys."""
    for axis, values in axes.items():
        if set(values) == set(table):
            return axis
    raise InputError(
        f"data/sources.yml: {name}: names: {key}: found names of {', '.join(map(str, table))}, expected one for each value "
        f"of an axis ({', '.join(axes)}); write null where a name is not known"
    )


def _filled(fields: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The fields with `names` in place of braces, in those that are patterns."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            for key, text in names.items():
                value = value.replace(f"{{{key}}}", text)
            return value
        return [fill(item) for item in value] if isinstance(value, list) else value

    return fields | {field: fill(fields[field]) for field in _PATTERNS if field in fields}


def _known(source_id: str) -> str:
    """Ids to choose from: the parts of the family that was named, else every entry, a family as one."""
    family = source_id.partition("/")[0]
    siblings = [known for known in registry() if known.startswith(f"{family}/")]
    names = [known.partition("/") for known in registry()]
    return ", ".join(siblings or dict.fromkeys(f"{name}/..." if slash else name for name, slash, _ in names))
