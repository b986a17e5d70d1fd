"""Public files: registry id -> verified local file.

In: ids of data/sources.yml, CHROMOLIB_MIRROR, files of a user's own. Out: paths below a profile's raw folder. Files are
kept as published, unpacked nowhere.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, get_args
from urllib.parse import quote, unquote

import pandas as pd
import pooch

from . import downloads
from .config import InputError
from .downloads import Transfer
from .files import hold, is_full
from .integrity import SUMS, UNREADABLE, find_damage, one_line, record, recorded, sha256_of
from .profile import Profile
from .registry import Group, Source, entry, ids_in, mirrored_path, registry
from .sections import DemoInputs, PublishedInputs, RawInputs

TARGETS, GENE_LIST = "shallowchrome-targets/{}", "shallowchrome-gene-list"  # RPKM of a cell type, and ids of its rows
PREFIX = "source:"  # before a pattern of ids, where a pattern of paths may stand as well
N_RETRIES = 3  # after a download that broke off without a byte gained: after 1, 2 and 4 s
GROUPS = get_args(Group)
_HIDDEN = ".fetch"  # folder of locks and of remembered digests, in the raw folder
_WAIT_S = 0.2  # between two looks at whether another process is done


# What a profile reads


def all_ids_of(profile: Profile, cell_type: str | None = None) -> list[str]:
    """Every source that the features of a profile, or of one cell type, are made from, each once."""
    ids: list[str] = []
    for name in profile.cell_types if cell_type is None else [cell_type]:
        ids += [source_id for group in ids_of(profile, name).values() for source_id in group]
        if others := other_targets(profile, name):
            ids += [*others.values(), GENE_LIST]
    return list(dict.fromkeys(ids))


def ids_for(profile: Profile, groups: Collection[str] = ("core",), cell_type: str | None = None) -> list[str]:
    """Sources of a profile that belong to any of `groups`: its inputs, which are "core", its companions, and what it lists as
    `sources`.

    Of a family, those of its cell types and marks that are the profile's, or are of `cell_type`.

    Raises
    ------
    InputError
        Another group than core, figure, mouse or optional; a source or a cell type that nobody knows.
    """
    if strange := [group for group in groups if group not in GROUPS]:
        raise InputError(f"found group {strange[0]!r}, expected one of {', '.join(GROUPS)}; correct --only")
    cell_types = list(profile.cell_types) if cell_type is None else [profile.check_cell_type(cell_type)]
    ids = all_ids_of(profile, cell_type) if "core" in groups else []
    besides = [*companion_ids(profile), *(found for name in profile.sources for found in ids_in(name))]
    for source_id in besides:
        source = entry(source_id)
        fits = source.at.get("cell_type", cell_types[0]) in cell_types
        fits &= source.at.get("mark", profile.marks[0]) in profile.marks
        if fits and source.required_for in groups:
            ids.append(source_id)
    return list(dict.fromkeys(ids))


def ids_of(profile: Profile, cell_type: str) -> dict[str, list[str]]:
    """The sources that the features of a cell type are made from, by what they are; nothing for files of a user's own."""
    inputs = profile.inputs
    if isinstance(inputs, DemoInputs):
        return {"demo": [inputs.source]}
    if isinstance(inputs, RawInputs):
        return _ids_of_raw(inputs, cell_type, profile.sampled)
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


def _ids_of_raw(inputs: RawInputs, cell_type: str, marks: Sequence[str]) -> dict[str, list[str]]:
    """Raw inputs are patterns of paths; those that begin with "source:" are of ids."""
    patterns = {name: getattr(inputs, name) for name in ("reads", "expression", "annotation", "gene_info", "fasta", "contacts", "domains", "compartments")}
    found: dict[str, list[str]] = {}
    for name, value in patterns.items():
        for pattern in (value,) if isinstance(value, str) else value or ():
            if pattern.startswith(PREFIX):
                texts = [pattern.format(cell_type=cell_type, mark=mark) for mark in marks]
                ids = [file.removeprefix(PREFIX) for text in texts for file in (replicates(text) if name == "reads" else [text])]
                found[name] = list(dict.fromkeys(found.get(name, []) + ids))
    return found


def replicates(text: str) -> list[str]:
    """What a name in inputs.reads stands for: itself, or of a source of which the registry lists several files, each of them."""
    return [f"{PREFIX}{known}" for known in registry() if f"{PREFIX}{known}".startswith(f"{text}.")] or [text]


def companion_ids(profile: Profile) -> list[str]:
    """The sources that a profile names as companions, of all its cell types, and for its second species."""
    named, second = profile.companions, profile.second_species
    patterns = [named.segmentation, *named.polycomb.values(), named.gene_sets, second and second.orthologues]
    patterns = [pattern for pattern in patterns if pattern and pattern.startswith(PREFIX)]
    ids = [pattern.removeprefix(PREFIX).format(cell_type=cell_type) for pattern in patterns for cell_type in profile.cell_types]
    return list(dict.fromkeys(ids))


def can_be_had(source_id: str, raw_dir: Path, local_files: Mapping[str, Path] = {}) -> bool:
    """Whether a source is there, is a user's own, or has an address; asks nobody."""
    return entry(source_id).has_address or _path(source_id, raw_dir, local_files).exists()


def check_addresses(profile: Profile, cell_type: str) -> None:
    """An InputError before anything large is fetched, where what the features of a cell type are made from is not all to be had."""
    ids = all_ids_of(profile, cell_type)
    if unknown := [source_id for source_id in ids if not can_be_had(source_id, profile.raw_dir, profile.local_files)]:
        source = entry(unknown[0])
        raise InputError(
            f"profile {profile.name}: {len(unknown)} of {len(ids)} files are not there and have no address: {', '.join(unknown)}; "
            f"for the first, {_no_address(source)}, or put the file at {profile.raw_dir / source.file}"
        )


def other_targets(profile: Profile, cell_type: str) -> dict[str, str]:
    """Cell type -> source of its RPKM, for each cell type but this one that the profile takes for comparison."""
    return {name: TARGETS.format(name) for name in profile.other_cell_types if name != cell_type}


def describe(profile: Profile) -> list[tuple[str, Source]]:
    """What a profile reads, for people: name and entry of each source, a family once, by its first file."""
    by_name: dict[str, Source] = {}
    for source_id in all_ids_of(profile):
        by_name.setdefault(source_id.partition("/")[0], entry(source_id))
    return list(by_name.items())


def plan(ids: Sequence[str], raw_dir: Path, local_files: Mapping[str, Path] = {}) -> pd.DataFrame:
    """What fetching would bring, one row per file; reads no file and asks nobody.

    Returns
    -------
    DataFrame
        id; file (name below `raw_dir`); size (bytes: of the file that is there, else roughly); there (bytes that are there,
        also of a download that was broken off); status ("there", "to fetch" or "no address"); address (the first, the path of
        a user's own file, or where to look for one); evidence.
    """
    rows: dict[Path, tuple] = {}
    for source_id in ids:
        source, target = entry(source_id), _path(source_id, raw_dir, local_files)
        is_own, there = source_id in local_files, downloads.size_of(target)
        status = "there" if there else "to fetch" if source.has_address and not is_own else "no address"
        known = source.urls or ((source.inside,) if source.inside else (f"see {source.look_up}",))
        address = str(target) if is_own else known[0]
        size, begun = there or source.n_bytes, there or downloads.size_of(_part(target))
        rows.setdefault(target, (source_id, source.file, size, begun, status, address, source.evidence))
    return pd.DataFrame(rows.values(), columns=["id", "file", "size", "there", "status", "address", "evidence"])


# Fetching


def fetch_profile(
    profile: Profile, ids: Sequence[str] | None = None, *, parallel: int = 4, say: Callable[[str], None] = print
) -> list[Path]:
    """Fetch what a profile's features are made from, or `ids`; empty for a profile that is simulated or brings its own."""
    wanted = all_ids_of(profile) if ids is None else ids
    found = fetch_all(wanted, profile.raw_dir, local_files=profile.local_files, parallel=parallel, say=say)
    return list(dict.fromkeys(found.values()))


def fetch(source_id: str, raw_dir: Path, *, say: Callable[[str], None] = print, local: Path | None = None) -> Path:
    """Return the verified local copy of a source, downloading it if `raw_dir` holds none.

    Tried in this order: `local`, a user's own file, if given, and then nothing else; the copy in `raw_dir`; for each
    address, CHROMOLIB_MIRROR (a folder or a URL), then the address itself. A download gets its final name only when it is
    whole and verified; one that was broken off goes on where it was. Verification reads a file again only where its size or
    its time stamp changed.

    Raises
    ------
    InputError
        Unknown id, or no copy could be had; names each address that was tried, why it failed and the way out.
    """
    return fetch_all([source_id], raw_dir, local_files={} if local is None else {source_id: local}, say=say)[source_id]


def fetch_of(profile: Profile, source_id: str) -> Path:
    """As `fetch`, for a profile: its own file where `local_files` names one, else the copy in its raw folder."""
    return fetch(source_id, profile.raw_dir, local=profile.local_files.get(source_id))


def fetch_all(
    ids: Sequence[str],
    raw_dir: Path,
    *,
    local_files: Mapping[str, Path] = {},
    parallel: int = 4,
    say: Callable[[str], None] = print,
) -> dict[str, Path]:
    """Fetch several sources at once; the path of each by its id.

    Returns
    -------
    dict
        id -> path, in the order of `ids`.

    Raises
    ------
    InputError
        Some could not be had. The others are fetched all the same; each failure is said in a line of its own first.
    """
    paths = {source_id: _path(source_id, raw_dir, local_files) for source_id in ids}
    first = {path: source_id for source_id, path in reversed(paths.items())}  # two cell types may share a file
    wanted = [source_id for source_id, path in paths.items() if first[path] == source_id]
    planned = plan(wanted, raw_dir, local_files)
    n_bytes = int(planned.loc[planned["status"] == "to fetch", "size"].sum())
    failures: dict[str, InputError] = {}
    with _sharing(Transfer(n_bytes), parallel) as (transfer, pool):
        jobs = {name: pool.submit(_fetch, name, Path(raw_dir), local_files, transfer, say) for name in wanted}
        for name, job in jobs.items():
            try:
                job.result()
            except InputError as error:
                failures[name] = error
    if len(failures) == 1:
        raise next(iter(failures.values()))
    for error in failures.values():
        say(str(error))
    if failures:
        raise InputError(
            f"{len(failures)} of {len(wanted)} files could not be fetched, for the reasons above: {', '.join(failures)}; "
            "the same command goes on with them"
        )
    return paths


@contextmanager
def _sharing(transfer: Transfer, parallel: int) -> Iterator[tuple[Transfer, ThreadPoolExecutor]]:
    """Threads for downloads; whatever ends the block early, Ctrl-C above all, ends them too."""
    pool = ThreadPoolExecutor(parallel)
    try:
        yield transfer, pool
    except BaseException:
        transfer.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        transfer.close()


def _path(source_id: str, raw_dir: Path, local_files: Mapping[str, Path]) -> Path:
    own = local_files.get(source_id)
    return Path(raw_dir) / entry(source_id).file if own is None else Path(own)


def _fetch(
    source_id: str, raw_dir: Path, local_files: Mapping[str, Path], transfer: Transfer, say: Callable[[str], None]
) -> None:
    source = entry(source_id)
    if source_id in local_files:
        return _check_own(source_id, source, Path(local_files[source_id]))
    if _is_good(source_id, source, raw_dir):
        return
    lock = raw_dir / _HIDDEN / f"{quote(source.file, safe='')}.lock"
    while True:
        with hold(lock, wait=False) as owner:
            if owner is None:
                if not _is_good(source_id, source, raw_dir):  # another may have fetched it by now
                    if source.inside:
                        _fetch(source.inside, raw_dir, local_files, transfer, say)
                    _obtain(source_id, source, raw_dir, _addresses(source, raw_dir, local_files), transfer, say)
                return
        transfer.pause(_WAIT_S)


def _check_own(source_id: str, source: Source, path: Path) -> None:
    """Look at the beginning of a user's file; its reader sees the rest."""
    fault = find_damage(path, source.content.format, "none", to_the_end=False)
    if fault:
        raise InputError(
            f"{source_id}: {path}: {fault}, expected {source.description.split('.')[0]}; correct local_files of the profile"
        )


def _is_good(source_id: str, source: Source, raw_dir: Path) -> bool:
    """Whether the copy in `raw_dir` is whole; one that is not what it was when it came is nobody's to overwrite."""
    target = raw_dir / source.file
    known = None if source.sha256 else recorded(raw_dir).get(source.file)
    if not target.exists():
        return False
    fault = find_fault(source, target, known, raw_dir / _HIDDEN / "sha256.jsonl")
    if fault and known:
        raise InputError(
            f"{source_id}: {target}: {fault} in {raw_dir / SUMS}; delete the file to fetch it again, or that line to keep the file"
        )
    if fault is None and not (source.sha256 or known):
        record(raw_dir, source.file, sha256_of(target, raw_dir / _HIDDEN / "sha256.jsonl"))
    return fault is None


def find_fault(source: Source, path: Path, known: str | None = None, cache: Path | None = None) -> str | None:
    """What is wrong with a copy of a source, in a few words; None if it is whole and unaltered.

    Its digest decides, or `known`, that of an earlier copy; without either, whether it can be read to its end.
    """
    expected = source.sha256 or known
    if expected is None:
        return find_damage(path, source.content.format, source.content.compression)
    try:
        found = sha256_of(path, cache, members=source.members)
    except UNREADABLE as error:
        return f"not readable to its end ({one_line(error)})"
    if found != expected:
        return f"altered or incomplete (sha256 {found[:12]}..., expected {expected[:12]}...)"
    return None


def _obtain(
    source_id: str, source: Source, raw_dir: Path, addresses: list[str], transfer: Transfer, say: Callable[[str], None]
) -> None:
    """Bring a source to its place from the first address that has it, or raise an InputError with all that was tried."""
    target = raw_dir / source.file
    failures = [f"{target}: {find_fault(source, target)}"] if target.exists() else []
    if not addresses:
        raise InputError(f"{source_id}: {'; '.join([*failures, _no_address(source)])}, or put the file at {target}")
    for address in addresses:
        if not sys.stderr.isatty():  # a terminal shows a bar
            say(f"{source_id}: fetching {address} (about {source.size})")
        fault = _try(source, address, raw_dir, transfer)
        if fault is None:
            if failures:
                say(f"{source_id}: fetched, after {'; '.join(failures)}")
            return
        failures.append(f"{address}: {fault}")
    raise InputError(f"{source_id}: {'; '.join(failures)}; {_way_out(source)}put the file at {target}")


def _no_address(source: Source) -> str:
    where = f"; look it up in {source.look_up}" if source.look_up else ""
    if source.unknown:
        return f"no address is known{where}, and write the name at {source.unknown} in data/sources.yml"
    return f"no address gives this file{where}, and name your copy under local_files of the profile"


def _way_out(source: Source) -> str:
    """What a user can do about a source that no address gives, ending in "or "."""
    if source.inside:
        return f"see {source.look_up}, or " if source.look_up else ""
    doubt = "" if source.evidence == "verified" else f"the address is {source.evidence}, not verified; "
    page = f"see {source.look_up}; " if source.look_up else ""
    held = unquote(mirrored_path(source.urls[0]))
    return f"{doubt}{page}set CHROMOLIB_MIRROR to a folder or URL that holds {held}, or "


def _addresses(source: Source, raw_dir: Path, local_files: Mapping[str, Path]) -> list[str]:
    """Where a source may be had: in an archive that is there, else in a mirror and at each of its addresses."""
    if source.inside:
        return [str(_path(source.inside, raw_dir, local_files))]
    mirror = os.environ.get("CHROMOLIB_MIRROR")
    addresses = []
    for url in source.urls:
        if mirror:
            path = mirrored_path(url)
            addresses.append(f"{mirror.rstrip('/')}/{path if '://' in mirror else unquote(path)}")  # folders have names as they are
        addresses.append(url)
    return addresses


def _try(source: Source, address: str, raw_dir: Path, transfer: Transfer) -> str | None:
    """Copy, download or unpack a source from one address; return what went wrong, None if nothing did."""
    target, known = raw_dir / source.file, recorded(raw_dir).get(source.file)
    part = _part(target) if _is_web(address) else target.with_name(f"{target.name}.copy")
    is_begun = part.exists()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        published = _bring(source, address, part, transfer)
        fault = find_fault(source, part, known)
        for digest in (published, source.md5 and f"md5:{source.md5}"):
            if fault is None and digest and not pooch.hashes.hash_matches(part, digest):
                fault = f"altered or incomplete (expected {digest})"
        if fault is None:
            if not source.sha256:
                record(raw_dir, source.file, sha256_of(part, raw_dir / _HIDDEN / "sha256.jsonl"))
            downloads.keep(part, target)
            return None
        downloads.discard(part)
        if is_begun:  # perhaps its beginning was bad
            return _try(source, address, raw_dir, transfer)
        return f"{fault}; if its publisher changed it, delete its line in {raw_dir / SUMS}" if known else fault
    except (OSError, ValueError, tarfile.TarError) as error:
        if not _is_web(address):
            downloads.discard(part)
        if is_full(error):
            raise InputError(f"{part}: no room ({one_line(error)}); make room or set CHROMOLIB_DATA, then the same command goes on") from None
        return str(error) if isinstance(error, downloads.Broken | ValueError) else one_line(error)


def _bring(source: Source, address: str, part: Path, transfer: Transfer) -> str | None:
    """Fill `part` from an address; return the digest that the publisher gives of it, if any."""
    if not _is_web(address):
        if source.member is None:
            shutil.copyfile(address, part)
        else:
            with open(address, "rb") as file:
                _take_member(file, source.member, part)
        return None
    login = os.environ.get(source.login, "") if source.login and address.startswith("ftp://") else ""
    if source.login and address.startswith("ftp://") and ":" not in login:
        raise ValueError(f"needs a login; set {source.login} to USER:PASSWORD, which its publisher tells")
    url, digest = downloads.resolve(address)
    if source.member is None:
        downloads.download(url, part, transfer, login=login, n_retries=N_RETRIES)
    else:
        with downloads.opened(url, login=login) as answer:
            _take_member(downloads.Watched(answer, part.name, transfer), source.member, part)
    return digest


def _take_member(archive: BinaryIO | downloads.Watched, pattern: str, part: Path) -> None:
    """Copy one member out of a .tar.gz that is read once, from its beginning."""
    with tarfile.open(fileobj=archive, mode="r|*") as tar:
        for member in tar:
            if member.isfile() and fnmatchcase(Path(member.name).name, pattern):
                with part.open("wb") as file:
                    shutil.copyfileobj(tar.extractfile(member), file)
                return
    raise ValueError(f"the archive holds no {pattern}")


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _is_web(address: str) -> bool:
    return "://" in address or address.startswith("doi:")
