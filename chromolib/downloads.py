"""Downloads that go on where they were broken off: https, http, ftp and files of a DOI.

In: an address. Out: the bytes that it gives, in a file `<name>.part`, beside which `<name>.part.json` says whose they are.
"""

from __future__ import annotations

import contextlib
import ftplib
import json
import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pooch
from tqdm import tqdm

from .integrity import one_line

TIMEOUT_S = 30  # without an answer, or without a byte
_BLOCK = 1 << 18
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # HTTP errors that another try may not meet
_HEADERS = {"User-Agent": "chromolib", "Accept-Encoding": "identity"}  # files as they are: servers may unpack .gz


class Broken(OSError):
    """The connection failed in a way that another try may not meet."""


class Unreachable(Broken):
    """There was no connection."""


class Stopped(Exception):
    """The user asked to end all downloads."""


@dataclass(frozen=True)
class Answer:
    """What a server sends: the bytes from `start` on of a file of `total`, and by what it tells versions of it apart."""

    read: Callable[[int], bytes]
    start: int
    total: int | None
    version: str


class Transfer:
    """What the downloads of one fetch share: a bar, hosts that do not answer, and the wish to stop."""

    def __init__(self, n_bytes: int) -> None:
        self._expected = n_bytes  # roughly; the bar learns better as servers answer
        self._parts: dict[str, tuple[int, int]] = {}  # name -> bytes there, bytes in all
        self._lock = threading.Lock()
        self._bar: tqdm | None = None
        self._stop = threading.Event()
        self.silent: set[str] = set()  # hosts that could not be reached

    def report(self, name: str, done: int, total: int) -> None:
        """Note how far one file is; raises Stopped after `stop`."""
        if self._stop.is_set():
            raise Stopped
        with self._lock:
            if self._bar is None:
                self._bar = tqdm(unit="B", unit_scale=True, desc="fetching", disable=None)
            self._parts[name] = (done, total)
            self._bar.total = max(self._expected, sum(size for _, size in self._parts.values()))
            self._bar.update(sum(there for there, _ in self._parts.values()) - self._bar.n)

    def pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def download(url: str, part: Path, transfer: Transfer, *, login: str = "", n_retries: int = 3) -> None:
    """Bring `part` to the whole of what `url` gives, from where an earlier download of the same version was broken off.

    A connection that breaks is made again after 1, 2, 4, ... s, `n_retries` times without a byte gained.

    Raises
    ------
    OSError or ValueError
        What the server refused, or why the last try failed; what came so far stays, to go on from.
    """
    host, n_tries, furthest = urlsplit(url).netloc, 0, size_of(part)
    if host in transfer.silent:
        raise OSError(f"{host} could not be reached for another file")
    while True:
        try:
            return _try(url, part, transfer, login)
        except Broken as error:
            there = size_of(part)
            n_tries = 0 if there > furthest else n_tries + 1
            furthest = max(furthest, there)
            if not n_retries or n_tries > n_retries:
                if isinstance(error, Unreachable):
                    transfer.silent.add(host)
                raise
            transfer.pause(2 ** max(n_tries - 1, 0))


@contextlib.contextmanager
def opened(url: str, *, login: str = "", start: int = 0, version: str = "") -> Iterator[Answer]:
    """Ask for a file from byte `start` on; a server that can't, or has another version by now, begins at 0."""
    open_url = _open_ftp if url.startswith("ftp://") else _open_http
    with contextlib.ExitStack() as stack:
        yield open_url(url, start, version, login, stack)


def resolve(url: str) -> tuple[str, str | None]:
    """Address and digest ("md5:...") of a file: itself and None, or what the record of a DOI says."""
    if not url.startswith("doi:"):
        return url, None
    doi, _, name = url.removeprefix("doi:").rpartition("/")
    repository, digests = _record(doi)
    if name not in digests:
        raise ValueError(f"doi {doi} holds {', '.join(digests) or 'no file'}, not {name}")
    return repository.download_url(name), digests[name]


class Watched:
    """What a server sends as a file that can be read once; tells a Transfer how far it is."""

    def __init__(self, answer: Answer, name: str, transfer: Transfer) -> None:
        self._answer, self._name, self._transfer, self._done = answer, name, transfer, answer.start

    def read(self, n_bytes: int) -> bytes:
        block = _calling(Broken, self._answer.read, n_bytes)
        self._done += len(block)
        self._transfer.report(self._name, self._done, self._answer.total or self._done)
        return block


def discard(part: Path) -> None:
    """Remove what a download left."""
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)


def keep(part: Path, target: Path) -> None:
    """Give a whole download its name."""
    part.replace(target)
    _note_path(part).unlink(missing_ok=True)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _try(url: str, part: Path, transfer: Transfer, login: str) -> None:
    note = _read_note(part, url)
    have = size_of(part) if note["size"] is not None else 0
    if have and have == note["size"]:
        return
    with opened(url, login=login, start=have, version=note["version"]) as answer:
        if answer.start and (answer.start, answer.total) != (have, note["size"]):
            discard(part)
            raise Broken(f"found another file than the one begun ({answer.total} bytes, before {note['size']})")
        with part.open("ab" if answer.start else "wb") as file:  # blocks pass its buffer by: if killed, what came is kept
            if not answer.start:
                _note_path(part).write_text(json.dumps({"url": url, "size": answer.total, "version": answer.version}))
            shutil.copyfileobj(Watched(answer, part.name, transfer), file, _BLOCK)
    if answer.total is not None and size_of(part) != answer.total:
        raise Broken(f"broken off after {size_of(part):,} of {answer.total:,} bytes")


def _open_http(url: str, start: int, version: str, login: str, stack: contextlib.ExitStack) -> Answer:
    headers = dict(_HEADERS)
    if start:
        headers["Range"] = f"bytes={start}-"
        if version:
            headers["If-Range"] = version
    try:
        response = stack.enter_context(
            _calling(Unreachable, urllib.request.urlopen, urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
        )
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and start:  # the file has become shorter than what there is of it
                return _open_http(url, 0, "", login, stack)
            kind = Broken if error.code in _PASSING else OSError
            raise kind(f"HTTP {error.code} {error.reason}") from None
    found = re.match(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    etag, length = response.headers.get("ETag", ""), response.headers.get("Content-Length")
    strong = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")  # all If-Range takes
    if response.status == 206 and found:
        return Answer(response.read, int(found[1]), int(found[2]), strong)
    return Answer(response.read, 0, None if length is None else int(length), strong)


def _open_ftp(url: str, start: int, version: str, login: str, stack: contextlib.ExitStack) -> Answer:
    parts = urlsplit(url)
    user, _, password = login.partition(":")
    try:
        ftp = stack.enter_context(ftplib.FTP(timeout=TIMEOUT_S))
        _calling(Unreachable, ftp.connect, parts.hostname, parts.port or ftplib.FTP_PORT)
        ftp.login(user, password)
        path = unquote(parts.path)
        ftp.voidcmd("TYPE I")
        total = ftp.size(path)
        try:
            changed = ftp.voidcmd(f"MDTM {path}")
        except ftplib.error_perm:
            changed = ""
        if changed != version:
            start = 0
        connection = stack.enter_context(ftp.transfercmd(f"RETR {path}", rest=start or None))
        return Answer(connection.recv, start, total, changed)
    except ftplib.error_perm as error:
        if start and str(error).startswith("50"):  # it knows no REST
            return _open_ftp(url, 0, "", login, stack)
        raise OSError(f"FTP {error}") from None
    except Broken:
        raise
    except (ftplib.Error, EOFError, OSError) as error:
        raise Broken(one_line(error)) from None


def _calling(kind: type[Broken], call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call what uses the network; whatever fails there, but for an answer of the server, is told as `kind`."""
    try:
        return call(*arguments, **options)
    except urllib.error.HTTPError:
        raise
    except (OSError, EOFError, HTTPException) as error:
        reason = getattr(error, "reason", error)  # urllib wraps it
        raise kind(one_line(reason) if isinstance(reason, Exception) else str(reason)) from None


@cache
def _record(doi: str) -> tuple[Any, dict[str, str]]:
    """The repository that holds a DOI's record, and the digests of its files by name."""
    repository = pooch.downloaders.doi_to_repository(doi, timeout=TIMEOUT_S)
    files = pooch.create(path="", base_url="", registry={})
    repository.populate_registry(files)
    return repository, files.registry


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(part: Path, url: str) -> dict[str, Any]:
    """What the server said about the file that `part` is the beginning of; no size where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        note = json.loads(_note_path(part).read_text())
        if isinstance(note, dict) and note.get("url") == url:
            return {"size": note.get("size"), "version": note.get("version") or ""}
    return {"size": None, "version": ""}
