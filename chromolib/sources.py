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
from urllib.parse import urlsplit

import pooch
import yaml
from pydantic import BaseModel, ConfigDict, Field

from .config import ROOT, DemoInputs, InputError, Profile

N_RETRIES = 2  # after a failed download; pooch waits 1 s, then 2 s


class Source(BaseModel):
    """One entry of data/sources.yml; the file itself explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    file: str
    description: str
    size: str
    licence: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    members: tuple[str, ...] = ()


@cache
def registry() -> dict[str, Source]:
    """Every known source by its id."""
    entries = yaml.safe_load((ROOT / "data" / "sources.yml").read_text(encoding="utf-8"))
    return {source_id: Source.model_validate(entry) for source_id, entry in entries.items()}


def fetch_profile(profile: Profile, *, say: Callable[[str], None] = print) -> list[Path]:
    """Fetch every file of the registry that a profile reads; empty for a profile that is simulated or brings its own."""
    if isinstance(profile.inputs, DemoInputs):
        return [fetch(profile.inputs.source, profile.raw_dir, say=say)]
    return []


def fetch(source_id: str, raw_dir: Path, *, say: Callable[[str], None] = print) -> Path:
    """Return the verified local copy of a source, downloading it if `raw_dir` holds none.

    Tried in this order: the copy in `raw_dir`, CHROMOLIB_MIRROR (a folder or a URL), the source's own address. A download
    gets its final name only when it is whole and verified. Verification reads the file at every call: 0.3 s for the demo.

    Parameters
    ----------
    source_id : str
        A key of data/sources.yml.
    raw_dir : Path
        Folder for the file; made if missing.

    Raises
    ------
    InputError
        Unknown id, or no copy could be had; names each address that was tried, why it failed and the way out.
    """
    if source_id not in registry():
        raise InputError(f"unknown source {source_id!r}, expected one of {', '.join(registry())}; add it to data/sources.yml")
    source = registry()[source_id]
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
        f"{_mirrored_path(source)}, or put the file at {target}"
    )


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
    mirrored = [f"{mirror.rstrip('/')}/{_mirrored_path(source)}"] if mirror else []
    return [*mirrored, source.url]


def _mirrored_path(source: Source) -> str:
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
