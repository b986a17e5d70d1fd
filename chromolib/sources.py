"""Public files: registry id -> verified local file.

In: data/sources.yml, CHROMOLIB_MIRROR. Out: paths below a profile's raw folder. Files are kept as published, unpacked
nowhere.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import tarfile
import tempfile
import textwrap
import zlib
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pooch
import yaml
from pydantic import BaseModel, ConfigDict, Field

from .config import ROOT, DemoInputs, InputError, Profile, PublishedInputs

TARGETS, GENE_LIST = "shallowchrome-targets/{}", "shallowchrome-gene-list"  # RPKM of a cell type, and ids of its rows
N_RETRIES = 2  # after a failed download; pooch waits 1 s, then 2 s


class Source(BaseModel):
    """One file of data/sources.yml; that file itself explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    file: str
    description: str
    size: str
    licence: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    members: tuple[str, ...] = ()
    citation: str = ""

    @property
    def home(self) -> str:
        """Address of the publisher's page: of the repository, for a file of one on GitHub."""
        parts = urlsplit(self.url)
        if parts.netloc in ("github.com", "raw.githubusercontent.com"):
            return f"https://github.com/{'/'.join(parts.path.split('/')[1:3])}"
        return f"{parts.scheme}://{parts.netloc}"


@cache
def registry() -> dict[str, Source]:
    """Every known source by its id; the files of a family have the ids "family/part"."""
    entries = yaml.safe_load((ROOT / "data" / "sources.yml").read_text(encoding="utf-8"))
    files = [file for name, entry in entries.items() for file in _files(name, entry)]
    return {source_id: Source.model_validate(fields) for source_id, fields in files}


def entry(source_id: str) -> Source:
    """One source by its id; an unknown id is an InputError that lists the known ones."""
    if source_id not in registry():
        raise InputError(f"unknown source {source_id!r}, expected one of {_known(source_id)}; add it to data/sources.yml")
    return registry()[source_id]


def _files(name: str, entry: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Id and fields of each file of an entry: one, or as many as it has `parts`."""
    parts = entry.get("parts")
    if parts is None:
        return [(name, entry)]
    shared = {field: value for field, value in entry.items() if field != "parts"}
    return [
        (f"{name}/{part}", shared | {field: entry[field].replace("{part}", part) for field in ("url", "file")} | {"sha256": sha256})
        for part, sha256 in parts.items()
    ]


def fetch_profile(profile: Profile, *, say: Callable[[str], None] = print) -> list[Path]:
    """Fetch every file of the registry that a profile reads; empty for a profile that is simulated or brings its own."""
    return [fetch(source_id, profile.raw_dir, say=say) for source_id in all_ids_of(profile)]


def all_ids_of(profile: Profile) -> list[str]:
    """Every source that a profile reads, each once."""
    ids: list[str] = []
    for cell_type in profile.cell_types:
        ids += [source_id for group in ids_of(profile, cell_type).values() for source_id in group]
        if others := other_targets(profile, cell_type):
            ids += [*others.values(), GENE_LIST]
    return list(dict.fromkeys(ids))


def describe(profile: Profile) -> list[tuple[str, Source]]:
    """What a profile reads, for people: name and entry of each source, a family once, by its first file."""
    by_name: dict[str, Source] = {}
    for source_id in all_ids_of(profile):
        by_name.setdefault(source_id.partition("/")[0], entry(source_id))
    return list(by_name.items())


def ids_of(profile: Profile, cell_type: str) -> dict[str, list[str]]:
    """The sources that the features of a cell type are made from, by what they are; nothing for raw inputs."""
    inputs = profile.inputs
    if isinstance(inputs, DemoInputs):
        return {"demo": [inputs.source]}
    if not isinstance(inputs, PublishedInputs):
        return {}
    sample = inputs.samples.get(cell_type, cell_type)
    signal = dict.fromkeys(inputs.signal.format(sample=sample, mark=mark) for mark in profile.marks)
    if inputs.format == "deepdiff":  # all marks of some genes in a file
        signal = [f"{name}.{split}" for name in signal for split in ("train", "valid")]
    return {
        "signal": list(signal),
        "targets": [TARGETS.format(cell_type)],
        "gene list": [GENE_LIST],
        "gene windows": ["shallowchrome-gene-windows"],
        "gene bounds": ["abc-gene-bounds"],
        "contacts": [inputs.contacts[cell_type]] if cell_type in inputs.contacts else [],
    }


def other_targets(profile: Profile, cell_type: str) -> dict[str, str]:
    """Cell type -> source of its RPKM, for each cell type but this one that the profile takes for comparison."""
    return {name: TARGETS.format(name) for name in profile.other_cell_types if name != cell_type}


def fetch(source_id: str, raw_dir: Path, *, say: Callable[[str], None] = print) -> Path:
    """Return the verified local copy of a source, downloading it if `raw_dir` holds none.

    Tried in this order: the copy in `raw_dir`, CHROMOLIB_MIRROR (a folder or a URL), the source's own address. A download
    gets its final name only when it is whole and verified. Verification reads the file at every call: 0.3 s for the demo.

    Parameters
    ----------
    source_id : str
        A key of data/sources.yml; of a family, "key/part".
    raw_dir : Path
        Folder for the file; made if missing.

    Raises
    ------
    InputError
        Unknown id, or no copy could be had; names each address that was tried, why it failed and the way out.
    """
    source = entry(source_id)
    target = Path(raw_dir) / source.file
    failures = []
    if target.exists():
        fault = find_fault(source, target)
        if fault is None:
            return target
        failures.append(f"{target}: {fault}")
    for address in _addresses(source):
        say(f"{source_id}: fetching {address} ({source.size})")
        fault = _obtain(source, address, target)
        if fault is None:
            if failures:
                say(f"{source_id}: fetched, after {'; '.join(failures)}")
            return target
        failures.append(f"{address}: {fault}")
    raise InputError(
        f"{source_id}: {'; '.join(failures)}; set CHROMOLIB_MIRROR to a folder or URL that holds "
        f"{unquote(_mirrored_path(source))}, or put the file at {target}"
    )


def _known(source_id: str) -> str:
    """Ids to choose from: the parts of the family that was named, else every entry, a family as one."""
    family = source_id.partition("/")[0]
    siblings = [known for known in registry() if known.startswith(f"{family}/")]
    names = [known.partition("/") for known in registry()]
    return ", ".join(siblings or dict.fromkeys(f"{name}/..." if slash else name for name, slash, _ in names))


def find_fault(source: Source, path: Path) -> str | None:
    """What is wrong with a copy of a source, in a few words; None if it is whole and unaltered."""
    try:
        found = _members_sha256(path, source.members) if source.members else _file_sha256(path)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        return f"not readable to its end ({_one_line(error)})"
    if found != source.sha256:
        return f"altered or incomplete (sha256 {found[:12]}..., expected {source.sha256[:12]}...)"
    return None


def _addresses(source: Source) -> list[str]:
    mirror = os.environ.get("CHROMOLIB_MIRROR")
    if not mirror:
        return [source.url]
    path = _mirrored_path(source)
    return [f"{mirror.rstrip('/')}/{path if '://' in mirror else unquote(path)}", source.url]  # folders have names as they are


def _mirrored_path(source: Source) -> str:
    """<host>/<path>, quoted as in the address."""
    parts = urlsplit(source.url)
    return f"{parts.netloc}{parts.path}"


def _obtain(source: Source, address: str, target: Path) -> str | None:
    """Copy or download `address` to `target`; return what went wrong, None if nothing did."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
            copy = Path(folder) / "copy"
            if "://" in address:
                _download(address, copy)
            else:
                shutil.copyfile(address, copy)
            fault = find_fault(source, copy)
            if fault is None:
                os.replace(copy, target)
            return fault
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; pooch raises ValueError for a strange URL
        return _one_line(error)


def _download(url: str, target: Path) -> None:
    pooch.get_logger().setLevel(logging.WARNING)  # its notes name the temporary file, which tells a user nothing
    downloader = pooch.core.choose_downloader(url, progressbar=sys.stderr.isatty())
    files = pooch.create(
        target.parent, base_url="", registry={target.name: None}, urls={target.name: url}, retry_if_failed=N_RETRIES
    )
    files.fetch(target.name, downloader=downloader)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _members_sha256(path: Path, patterns: tuple[str, ...]) -> str:
    """Digest of a .tar.gz over the members that match, independent of their order, their times and the compression."""
    lines = []
    with tarfile.open(path, "r:gz") as tar:
        for member in tar:
            name = member.name.partition("/")[2]  # the top folder is the archive's, not the data's
            if member.isfile() and any(fnmatchcase(name, pattern) for pattern in patterns):
                digest = hashlib.file_digest(tar.extractfile(member), "sha256").hexdigest()
                lines.append(f"{digest}  {name}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _one_line(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {textwrap.shorten(reason, 160, placeholder='...')}"
