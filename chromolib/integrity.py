"""Whether a file is whole: its digest, remembered while size and time stamp stay, and its format, read to the end.

In: files. Out: sha256 in hexadecimal, or what is wrong in a few words. Digests of files that nobody published one of are
kept in SHA256SUMS, which `sha256sum -c` reads.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import json
import os
import re
import tarfile
import textwrap
import time
import zipfile
import zlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

UNREADABLE = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, ValueError)
SUMS = "SHA256SUMS"
_MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "zip": b"PK"}
_BIGWIG = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")  # of either byte order
_BLOCK = 1 << 20
_SETTLED_S = 0.1  # a file changed again this soon may keep its time stamp


def sha256_of(path: Path, cache: Path | None = None, *, members: Sequence[str] = ()) -> str:
    """Digest of a file, or of the members of a .tar.gz that match (see data/README.md).

    Parameters
    ----------
    cache : Path or None
        File that remembers digests, one JSON list a line, made if missing. A file is read again only where its size or
        its time stamp changed.
    """
    if cache is None:
        return _members_sha256(path, members) if members else _file_sha256(path)
    state = os.stat(path)
    key = json.dumps([state.st_ino, state.st_size, state.st_mtime_ns, *members])  # not its name: renaming changes nothing
    digest = _remembered(cache).get(key)
    if digest is None:
        digest = sha256_of(path, members=members)
        if time.time() - state.st_mtime > _SETTLED_S:
            _append(cache, json.dumps([key, digest]))
    return digest


def recorded(folder: Path) -> dict[str, str]:
    """Name -> sha256 of the files of a folder that SHA256SUMS knows."""
    sums = folder / SUMS
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.is_file() else []
    return {line[66:]: line[:64] for line in lines if re.match(r"[0-9a-f]{64}  .", line)}


def record(folder: Path, name: str, digest: str) -> None:
    """Note the digest of a file, for good: whoever means to change the file deletes its line."""
    if recorded(folder).get(name) != digest:
        _append(folder / SUMS, f"{digest}  {name}")


def find_damage(path: Path, file_format: str, compression: str, *, to_the_end: bool = True) -> str | None:
    """What is wrong with a file of a known format, in a few words; None where nothing is seen.

    A web page in place of the file, another compression, an archive or compressed file that does not go to its end. Text
    shows no more than that it is there.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
        if not head:
            return "empty"
        if head.lstrip().startswith(b"<"):
            return "a web page, not the file"
        if compression in _MAGIC and not head.startswith(_MAGIC[compression]):
            return f"no {compression} file (begins with {head[:4]!r})"
        if file_format == "bigWig" and not head.startswith(_BIGWIG):
            return f"no bigWig (begins with {head[:4]!r})"
        if to_the_end:
            _read_through(path, head)
    except FileNotFoundError:
        return "no such file"
    except UNREADABLE as error:
        return f"not readable to its end ({one_line(error)})"
    return None


def one_line(error: BaseException) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {textwrap.shorten(str(reason), 160, placeholder='...')}"


def _read_through(path: Path, head: bytes) -> None:
    """Read what is compressed to its end, where its check sums are."""
    if head.startswith(_MAGIC["zip"]):
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"check sum of {damaged}")
        return
    opened = {_MAGIC["gzip"]: gzip.open, _MAGIC["bzip2"]: bz2.open}
    for magic, open_compressed in opened.items():
        if head.startswith(magic):
            with open_compressed(path) as file:
                while file.read(_BLOCK):
                    pass


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _members_sha256(path: Path, patterns: Sequence[str]) -> str:
    """Digest of a .tar.gz over the members that match, independent of their order, their times and the compression."""
    lines = []
    with tarfile.open(path, "r:gz") as tar:
        for member in tar:
            name = member.name.partition("/")[2]  # the top folder is the archive's, not the data's
            if member.isfile() and any(fnmatchcase(name, pattern) for pattern in patterns):
                digest = hashlib.file_digest(tar.extractfile(member), "sha256").hexdigest()
                lines.append(f"{digest}  {name}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _remembered(cache: Path) -> dict[str, str]:
    """What a cache knows, by key as JSON; a line that another process was killed in is passed over."""
    found = {}
    for line in cache.read_text(encoding="utf-8", errors="replace").splitlines() if cache.is_file() else ():
        with contextlib.suppress(ValueError, TypeError):
            key, digest = json.loads(line)
            found[key] = digest
    return found


def _append(path: Path, line: str) -> None:
    """Add a line in one write, so that processes which do so at once keep theirs whole.

    Where the folder cannot be written to, nothing is noted, and what could have been is found out again next time.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())
