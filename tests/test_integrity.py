"""Digests that are remembered, and files that are not what they should be."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import os
import re
import subprocess
import tarfile
import zipfile

import numpy as np
import pytest

from chromolib import integrity
from chromolib.integrity import find_damage, record, recorded, sha256_of

CONTENT = np.random.default_rng(1).bytes(40_000)


def make_archive(path, members, *, top="top", level=9):
    with tarfile.open(path, "w:gz", compresslevel=level) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def aged(path):
    """As if the file had been written long ago."""
    os.utime(path, (1e9, 1e9))
    return path


@pytest.fixture
def read(monkeypatch):
    """Names of the files that were read for a digest."""
    names, digest = [], integrity._file_sha256
    monkeypatch.setattr(integrity, "_file_sha256", lambda path: names.append(path.name) or digest(path))
    return names


def test_a_file_is_read_again_only_where_size_or_time_changed(tmp_path, read):
    path, cache = tmp_path / "a", tmp_path / "cache" / "sha256.jsonl"
    path.write_bytes(b"1")
    for _ in range(2):
        assert sha256_of(aged(path), cache) == hashlib.sha256(b"1").hexdigest()
    assert read == ["a"]
    path.rename(tmp_path / "b")
    sha256_of(tmp_path / "b", cache)
    assert read == ["a"], "another name is no other content"
    (tmp_path / "b").write_bytes(b"2")
    assert sha256_of(tmp_path / "b", cache) == hashlib.sha256(b"2").hexdigest()
    assert read == ["a", "b"]


def test_a_file_that_may_still_change_unseen_is_not_remembered(tmp_path, read):
    path, cache = tmp_path / "a", tmp_path / "sha256.jsonl"
    path.write_bytes(b"1")                                       # now, so a change might keep this time stamp
    assert [sha256_of(path, cache), sha256_of(path, cache)] == [hashlib.sha256(b"1").hexdigest()] * 2
    assert read == ["a", "a"] and not cache.exists()


def test_a_damaged_cache_is_worth_no_more_than_none(tmp_path, read):
    path, cache = tmp_path / "a", tmp_path / "sha256.jsonl"
    path.write_bytes(b"1")
    cache.write_bytes(b'["[1, 2\n\xff\n[]\n3\n')
    assert sha256_of(aged(path), cache) == sha256_of(path, cache) == hashlib.sha256(b"1").hexdigest()
    assert read == ["a"]


def test_recorded_digests_are_those_of_sha256sum(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a b").write_bytes(b"1")
    for _ in range(2):
        record(tmp_path, "sub/a b", sha256_of(tmp_path / "sub" / "a b"))
    assert (tmp_path / "SHA256SUMS").read_text() == f"{hashlib.sha256(b'1').hexdigest()}  sub/a b\n"
    assert recorded(tmp_path) == {"sub/a b": hashlib.sha256(b"1").hexdigest()}
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "sub/a b: OK\n"


def test_digest_of_members_matches_the_one_worked_out_by_hand(tmp_path):
    lines = f"{hashlib.sha256(b'1').hexdigest()}  d/a.npy\n", f"{hashlib.sha256(b'2').hexdigest()}  d/b.npy\n"
    by_hand, members = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest(), ("d/*.npy",)
    one = make_archive(tmp_path / "one.tar.gz", {"d/a.npy": b"1", "d/b.npy": b"2"})
    other = make_archive(tmp_path / "other.tar.gz", {"d/b.npy": b"2", "code.py": b"3", "d/a.npy": b"1"}, top="t", level=1)
    assert sha256_of(one, members=members) == by_hand
    assert sha256_of(other, members=members) == by_hand, "order, other members and compression must not matter"
    for name, content in {
        "changed": {"d/a.npy": b"1", "d/b.npy": b"3"},
        "renamed": {"d/a.npy": b"1", "d/c.npy": b"2"},
        "missing": {"d/a.npy": b"1"},
        "extra": {"d/a.npy": b"1", "d/b.npy": b"2", "d/c.npy": b""},
    }.items():
        assert sha256_of(make_archive(tmp_path / f"{name}.tar.gz", content), members=members) != by_hand, name


def compressed(kind):
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a.txt", CONTENT)
        return buffer.getvalue()
    return {"gzip": gzip.compress, "bzip2": bz2.compress}[kind](CONTENT)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "zip"])
def test_what_is_compressed_must_go_to_its_end(tmp_path, kind):
    path, whole = tmp_path / "a", compressed(kind)
    path.write_bytes(whole)
    assert find_damage(path, "bed", kind) is None
    for n_bytes in (1, 30, 700, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n_bytes])
        assert find_damage(path, "bed", kind), f"the first {n_bytes} bytes pass as the whole file"
    path.write_bytes(whole[: len(whole) // 2] + b"\0\0\0" + whole[len(whole) // 2 + 3 :])
    assert find_damage(path, "bed", kind), "three bytes were changed"


@pytest.mark.parametrize(
    ("content", "file_format", "compression", "fault"),
    [
        (b"", "bed", "none", "empty"),
        (b"\n <!DOCTYPE html><html>Not found", "bed", "none", "a web page, not the file"),
        (b"<html>Not found", "bed", "gzip", "a web page, not the file"),
        (b"<?xml version='1.0'?><Error>", "pickle", "none", "a web page"),
        (b"chr1\t1\t2\n", "bed", "gzip", r"no gzip file \(begins with b'chr1'\)"),
        (gzip.compress(b"x", mtime=0), "bed", "zip", "no zip file"),
        (b"chr1\t1\t2\n", "bigWig", "none", r"no bigWig \(begins with"),
        (gzip.compress(b"x", mtime=0)[:-1], "gene_info", "none", "not readable to its end"),
    ],
)
def test_what_came_in_place_of_a_file_is_told(tmp_path, content, file_format, compression, fault):
    (tmp_path / "a").write_bytes(content)
    assert re.match(fault, find_damage(tmp_path / "a", file_format, compression))


@pytest.mark.parametrize(
    ("content", "file_format"),
    [(b"chr1\t1\t2\n", "bed"), (gzip.compress(b"x", mtime=0), "gene_info"), (b"\x26\xfc\x8f\x88rest", "bigWig"), (b"\x88\x8f\xfc\x26", "bigWig")],
)
def test_a_good_file_is_let_through_whether_or_not_it_is_compressed(tmp_path, content, file_format):
    (tmp_path / "a").write_bytes(content)
    assert find_damage(tmp_path / "a", file_format, "none") is None
