"""Downloads go on where they were broken off, and only where that is safe."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest

from chromolib import downloads
from chromolib.downloads import Broken, Stopped, Transfer, download
from tests.servers import Files, serve

BODY = np.random.default_rng(1).bytes(1_000_000)


@pytest.fixture
def files():
    with serve(Files(a=BODY)) as files:
        yield files


@pytest.fixture
def ftp():
    with serve(Files(a=BODY), ftp=True) as files:
        yield files


@pytest.fixture
def part(tmp_path):
    return tmp_path / "a.part"


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Lengths of the pauses between tries, which are not made here."""
    seconds = []
    monkeypatch.setattr(Transfer, "pause", lambda self, s: seconds.append(s))
    return seconds


def break_off(files, part, n_bytes=400_000):
    """Have a download that was broken off after so many bytes."""
    files.dies_after.append(n_bytes)
    with pytest.raises(Broken, match=f"broken off after {n_bytes:,} of 1,000,000 bytes"):
        download(f"{files.url}/a", part, Transfer(0), n_retries=0)
    assert part.read_bytes() == BODY[:n_bytes]
    files.asked.clear()


def test_a_download_goes_on_where_it_was_broken_off(files, part):
    break_off(files, part)
    download(f"{files.url}/a", part, Transfer(0))
    assert part.read_bytes() == BODY and files.asked == [("/a", "bytes=400000-")]


def test_a_connection_that_dies_is_made_again_as_long_as_bytes_come(files, part, pauses):
    files.dies_after[:] = [200_000] * 4                         # more often than there are tries without gain
    download(f"{files.url}/a", part, Transfer(0), n_retries=2)
    assert part.read_bytes() == BODY and len(files.asked) == 5 and pauses == [1] * 4


def test_tries_without_gain_come_ever_later_and_end(files, part, pauses):
    files.replies[:] = [(503, 0, b"")] * 9
    with pytest.raises(Broken, match="HTTP 503"):
        download(f"{files.url}/a", part, Transfer(0), n_retries=3)
    assert len(files.asked) == 4 and pauses == [1, 2, 4] and not part.exists()


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_not_asked_for_again(files, part, pauses, status):
    files.replies[:] = [(status, 0, b"")]
    with pytest.raises(OSError, match=f"HTTP {status}"):
        download(f"{files.url}/a", part, Transfer(0))
    assert len(files.asked) == 1 and pauses == [] and not part.exists()


def test_a_server_without_ranges_is_asked_for_all_of_it(files, part):
    break_off(files, part)
    files.ranges = False
    download(f"{files.url}/a", part, Transfer(0))
    assert part.read_bytes() == BODY and files.asked == [("/a", "bytes=400000-")]


@pytest.mark.parametrize("etag", ['"2"', None])
def test_a_file_that_changed_meanwhile_is_begun_anew(files, part, etag):
    break_off(files, part)
    files["/a"], files.etag = BODY[::-1] + b"more", etag         # without a tag, its length gives it away
    download(f"{files.url}/a", part, Transfer(0))
    assert part.read_bytes() == files["/a"]


def test_a_file_that_became_shorter_is_begun_anew(files, part):
    break_off(files, part)
    files["/a"] = BODY[:1000]
    download(f"{files.url}/a", part, Transfer(0))
    assert part.read_bytes() == BODY[:1000]


def test_bytes_of_another_address_or_of_no_known_one_are_not_gone_on_with(files, part):
    break_off(files, part)
    files["/b"] = BODY[::-1]
    download(f"{files.url}/b", part, Transfer(0))
    assert part.read_bytes() == BODY[::-1]
    for note in ("{", json.dumps({"url": f"{files.url}/a"}), "[]"):
        part.write_bytes(b"xxx")
        part.with_name("a.part.json").write_text(note)
        download(f"{files.url}/a", part, Transfer(0))
        assert part.read_bytes() == BODY, note


def test_a_download_that_was_whole_already_asks_nobody(files, part):
    download(f"{files.url}/a", part, Transfer(0))
    files.asked.clear()
    download(f"{files.url}/a", part, Transfer(0))
    assert files.asked == [] and part.read_bytes() == BODY


def test_a_redirect_is_followed_also_in_the_middle(files, part):
    files.moved["/old"] = "/a"
    files.dies_after.append(400_000)
    download(f"{files.url}/old", part, Transfer(0))
    assert part.read_bytes() == BODY
    assert files.asked == [("/old", None), ("/a", None), ("/old", "bytes=400000-"), ("/a", "bytes=400000-")]


def test_a_host_that_can_not_be_reached_is_not_waited_for_twice(part, pauses):
    with serve(Files()) as gone:
        url = gone.url
    transfer = Transfer(0)
    with pytest.raises(Broken, match="Connection refused"):
        download(f"{url}/a", part, transfer, n_retries=1)
    assert pauses == [1]
    with pytest.raises(OSError, match="127.0.0.1:.* could not be reached for another file"):
        download(f"{url}/b", part, transfer, n_retries=1)
    assert pauses == [1]


def test_bytes_are_counted_whole_also_those_of_an_earlier_download(files, part, monkeypatch):
    seen = []
    monkeypatch.setattr(Transfer, "report", lambda self, *what: seen.append(what))
    break_off(files, part)
    seen.clear()
    download(f"{files.url}/a", part, Transfer(0))
    assert seen[0][1] > 400_000 and seen[-1] == ("a.part", 1_000_000, 1_000_000)


def test_stopping_ends_a_download_within_a_block_and_keeps_what_came(files, part):
    files.pause_s = 0.02
    transfer, ended = Transfer(0), []

    def work():
        try:
            download(f"{files.url}/a", part, transfer)
        except Stopped as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 10
    while downloads.size_of(part) == 0 and time.monotonic() < deadline:
        time.sleep(0.005)
    transfer.stop()
    thread.join(10)
    there = part.read_bytes()
    assert ended and 0 < len(there) < len(BODY) and BODY.startswith(there)
    files.pause_s = 0
    download(f"{files.url}/a", part, Transfer(0))
    assert part.read_bytes() == BODY


# FTP


def test_ftp_goes_on_where_it_was_broken_off_and_takes_a_login(ftp, part):
    ftp.login = ("user", "pass:word")
    ftp.dies_after.append(400_000)
    download(f"{ftp.url}/a", part, Transfer(0), login="user:pass:word")
    assert part.read_bytes() == BODY and ftp.asked == [("/a", "0"), ("/a", "400000")]


@pytest.mark.parametrize(("path", "login", "reason"), [("a", "user:no", "530 Login incorrect"), ("b", "user:yes", "550 No such file")])
def test_ftp_that_refuses_says_so_once(ftp, part, pauses, path, login, reason):
    ftp.login = ("user", "yes")
    with pytest.raises(OSError, match=f"FTP {reason}"):
        download(f"{ftp.url}/{path}", part, Transfer(0), login=login)
    assert pauses == []


# Records of a DOI


class Record:
    def populate_registry(self, files):
        files.registry |= {"a.pt": "md5:1", "all.zip": "md5:2"}

    def download_url(self, name):
        return f"https://figshare.invalid/{name}"


def test_a_file_of_a_doi_has_an_address_and_a_digest_or_the_record_s_files_are_named(monkeypatch):
    downloads._record.cache_clear()
    asked = []
    monkeypatch.setattr(downloads.pooch.downloaders, "doi_to_repository", lambda doi, **_: asked.append(doi) or Record())
    assert downloads.resolve("doi:10.1/x.v4/a.pt") == ("https://figshare.invalid/a.pt", "md5:1")
    with pytest.raises(ValueError, match=r"doi 10.1/x.v4 holds a.pt, all.zip, not b.pt"):
        downloads.resolve("doi:10.1/x.v4/b.pt")
    assert asked == ["10.1/x.v4"] and downloads.resolve("https://a.org/b") == ("https://a.org/b", None)
    downloads._record.cache_clear()
