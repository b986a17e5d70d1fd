"""Fetching public files: order of places, integrity, and what a failed download leaves behind."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import tarfile
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from chromolib import sources
from chromolib.config import ROOT, InputError, load_profile

BODY = b"gene_id,expression\nENSG00000000003,1.5\n"


def make_archive(path: Path, members: dict[str, bytes], *, top: str = "top", level: int = 9) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=level) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


FAMILY = """
table:
  url: https://nowhere.invalid/a/-%20{part}/{part}.csv
  file: tables/{part}.csv
  description: Tables.
  size: 39 bytes
  licence: none stated
  parts:
    E003: DIGEST
    E1.x: "0000000000000000000000000000000000000000000000000000000000000000"
single: {url: "https://nowhere.invalid/b", file: b, description: B., size: 1 byte, licence: MIT, citation: We 2020, sha256: DIGEST}
""".replace("DIGEST", hashlib.sha256(BODY).hexdigest())


def register(monkeypatch, *, url: str = "https://nowhere.invalid/a/table.csv", sha256=None, members=()) -> sources.Source:
    source = sources.Source(
        url=url, file="table.csv", description="", size="39 bytes", licence="", members=members,
        sha256=sha256 or hashlib.sha256(BODY).hexdigest(),
    )
    monkeypatch.setattr(sources, "registry", lambda: {"table": source})
    monkeypatch.setattr(sources, "N_RETRIES", 0)
    monkeypatch.delenv("CHROMOLIB_MIRROR", raising=False)
    return source


@pytest.fixture
def server():
    """A web server on this machine; `replies` holds what it answers: (status, claimed length, body), the last repeated."""
    replies: list[tuple[int, int, bytes]] = [(200, len(BODY), BODY)]
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, length, body = replies.pop(0) if len(replies) > 1 else replies[0]
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        running.url, running.replies, running.asked = f"http://127.0.0.1:{running.server_port}", replies, asked
        yield running
        running.shutdown()


def test_registry_ids_have_a_file_of_their_own_and_an_address():
    files = [source.file for source in sources.registry().values()]
    assert len(files) == len(set(files)) == len({source.sha256 for source in sources.registry().values()})
    for source in sources.registry().values():
        assert urlsplit(source.url).netloc and source.licence and source.description and source.size and source.citation
        assert not set("{} ") & set(source.url + source.file)


def test_unknown_source_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="unknown source 'demo', expected one of chromoformer-demo"):
        sources.fetch("demo", tmp_path)


def test_simulated_profile_fetches_nothing():
    assert sources.fetch_profile(load_profile("smoke")) == []


@pytest.fixture
def family(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sources.yml").write_text(FAMILY)
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    monkeypatch.setattr(sources, "registry", sources.registry.__wrapped__)  # without the cache
    monkeypatch.setattr(sources, "N_RETRIES", 0)
    monkeypatch.delenv("CHROMOLIB_MIRROR", raising=False)


@pytest.mark.usefixtures("family")
def test_a_family_is_one_source_per_part():
    known = sources.registry()
    assert list(known) == ["table/E003", "table/E1.x", "single"]
    assert known["table/E1.x"].url == "https://nowhere.invalid/a/-%20E1.x/E1.x.csv"
    assert known["table/E1.x"].file == "tables/E1.x.csv" and known["table/E1.x"].sha256 == "0" * 64
    assert known["table/E003"].licence == "none stated" and known["table/E003"].sha256 == known["single"].sha256
    assert (known["single"].citation, known["table/E003"].citation) == ("We 2020", "")


@pytest.mark.usefixtures("family")
def test_a_part_is_fetched_from_a_folder_with_names_as_they_are(tmp_path, monkeypatch):
    copy = tmp_path / "mirror" / "nowhere.invalid" / "a" / "- E003" / "E003.csv"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(BODY)
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    assert sources.fetch("table/E003", tmp_path / "raw") == tmp_path / "raw" / "tables" / "E003.csv"
    assert (tmp_path / "raw" / "tables" / "E003.csv").read_bytes() == BODY


@pytest.mark.usefixtures("family")
def test_a_mirror_on_the_web_is_asked_for_the_quoted_path(tmp_path, monkeypatch, server):
    monkeypatch.setenv("CHROMOLIB_MIRROR", server.url)
    sources.fetch("table/E003", tmp_path)
    assert server.asked == ["/nowhere.invalid/a/-%20E003/E003.csv"]


@pytest.mark.usefixtures("family")
def test_a_part_that_is_missing_or_altered_is_one_line_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(InputError, match=r"^table/E003: .*No such file.* holds nowhere.invalid/a/- E003/E003.csv, or put") as caught:
        sources.fetch("table/E003", tmp_path / "raw")
    assert "\n" not in str(caught.value)
    copy = tmp_path / "mirror" / "nowhere.invalid" / "a" / "- E1.x" / "E1.x.csv"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(BODY)
    with pytest.raises(InputError, match=r"altered or incomplete \(sha256 .*, expected 000000000000"):
        sources.fetch("table/E1.x", tmp_path / "raw")


@pytest.mark.usefixtures("family")
@pytest.mark.parametrize("name", ["table", "table/E999"])
def test_an_unknown_part_lists_those_of_its_family(tmp_path, name):
    with pytest.raises(InputError, match=f"unknown source '{name}', expected one of table/E003, table/E1.x; add"):
        sources.fetch(name, tmp_path)


@pytest.mark.usefixtures("family")
def test_an_unknown_source_lists_families_as_one(tmp_path):
    with pytest.raises(InputError, match=r"expected one of table/\.\.\., single; add"):
        sources.fetch("tab", tmp_path)


def test_every_mirrored_file_is_the_one_in_the_registry():
    mirror = Path(os.environ.get("CHROMOLIB_MIRROR") or ROOT.parent / "shared" / "mirror")
    found = {}
    for source_id, source in sources.registry().items():
        address = urlsplit(source.url)
        if (copy := mirror / address.netloc / unquote(address.path).lstrip("/")).is_file():
            found[source_id] = sources.find_fault(source, copy)
    if not found:
        pytest.skip(f"no real data here: {mirror} holds no source")
    assert {source_id: fault for source_id, fault in found.items() if fault} == {}


def test_file_in_place_is_taken_without_asking_anyone(tmp_path, monkeypatch):
    register(monkeypatch)
    (tmp_path / "table.csv").write_bytes(BODY)
    assert sources.fetch("table", tmp_path).read_bytes() == BODY


def test_mirror_folder_goes_before_the_address(tmp_path, monkeypatch, server):
    register(monkeypatch, url=f"{server.url}/a/table.csv")
    host = urlsplit(server.url).netloc
    copy = tmp_path / "mirror" / host / "a" / "table.csv"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(BODY)
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    assert sources.fetch("table", tmp_path / "raw").read_bytes() == BODY
    assert server.asked == []


def test_mirror_url_holds_host_and_path(tmp_path, monkeypatch, server):
    register(monkeypatch, url="https://nowhere.invalid/a/table.csv")
    monkeypatch.setenv("CHROMOLIB_MIRROR", f"{server.url}/mirror/")
    assert sources.fetch("table", tmp_path).read_bytes() == BODY
    assert server.asked == ["/mirror/nowhere.invalid/a/table.csv"]


def test_mirror_without_the_file_or_with_an_altered_one_falls_back_and_says_so(tmp_path, monkeypatch, server):
    register(monkeypatch, url=f"{server.url}/a/table.csv")
    copy = tmp_path / "mirror" / urlsplit(server.url).netloc / "a" / "table.csv"
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    for content, reason in ((None, "No such file"), (BODY + b"x", "altered or incomplete")):
        if content is not None:
            copy.parent.mkdir(parents=True)
            copy.write_bytes(content)
        said = []
        raw_dir = tmp_path / f"raw-{reason.split()[0]}"
        assert sources.fetch("table", raw_dir, say=said.append).read_bytes() == BODY
        assert reason in said[-1] and str(copy) in said[-1]


def test_failed_download_is_tried_again(tmp_path, monkeypatch, server):
    register(monkeypatch, url=f"{server.url}/a/table.csv")
    monkeypatch.setattr(sources, "N_RETRIES", 1)
    server.replies.insert(0, (503, 0, b""))
    assert sources.fetch("table", tmp_path).read_bytes() == BODY
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((404, 0, b""), "HTTPError: 404"),
        ((200, len(BODY), BODY[:10]), "IncompleteRead"),
        ((200, 10, BODY[:10]), "altered or incomplete"),
        ((200, len(BODY), BODY.replace(b"1.5", b"2.5")), "altered or incomplete"),
    ],
    ids=["missing", "connection cut", "short", "altered"],
)
def test_bad_download_is_one_line_with_the_way_out_and_leaves_nothing(tmp_path, monkeypatch, server, reply, reason):
    register(monkeypatch, url=f"{server.url}/a/table.csv")
    server.replies[:] = [reply]
    with pytest.raises(InputError) as caught:
        sources.fetch("table", tmp_path)
    message = str(caught.value)
    assert reason in message and "\n" not in message
    assert "set CHROMOLIB_MIRROR" in message and f"put the file at {tmp_path / 'table.csv'}" in message
    assert list(tmp_path.iterdir()) == []


def test_altered_file_in_place_is_replaced_by_a_good_one(tmp_path, monkeypatch, server):
    register(monkeypatch, url=f"{server.url}/a/table.csv")
    (tmp_path / "table.csv").write_bytes(BODY[:-1])
    assert sources.fetch("table", tmp_path).read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_digest_of_members_matches_the_one_worked_out_by_hand(tmp_path, monkeypatch):
    lines = f"{hashlib.sha256(b'1').hexdigest()}  d/a.npy\n", f"{hashlib.sha256(b'2').hexdigest()}  d/b.npy\n"
    by_hand = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    source = register(monkeypatch, sha256=by_hand, members=("d/*.npy",))
    one = make_archive(tmp_path / "one.tar.gz", {"d/a.npy": b"1", "d/b.npy": b"2"})
    other = make_archive(tmp_path / "other.tar.gz", {"d/b.npy": b"2", "code.py": b"3", "d/a.npy": b"1"}, top="t", level=1)
    assert sources.find_fault(source, one) is None
    assert sources.find_fault(source, other) is None, "order, other members and compression must not matter"
    for name, members in {
        "changed": {"d/a.npy": b"1", "d/b.npy": b"3"},
        "renamed": {"d/a.npy": b"1", "d/c.npy": b"2"},
        "missing": {"d/a.npy": b"1"},
        "extra": {"d/a.npy": b"1", "d/b.npy": b"2", "d/c.npy": b""},
    }.items():
        assert "altered" in sources.find_fault(source, make_archive(tmp_path / f"{name}.tar.gz", members)), name


def test_archive_cut_anywhere_is_a_fault_and_no_traceback(tmp_path, monkeypatch):
    content = np.random.default_rng(1).bytes(40_000)
    line = f"{hashlib.sha256(content).hexdigest()}  d/a.npy\n"
    source = register(monkeypatch, sha256=hashlib.sha256(line.encode()).hexdigest(), members=("d/*.npy",))
    whole = make_archive(tmp_path / "whole.tar.gz", {"d/a.npy": content}).read_bytes()
    assert sources.find_fault(source, tmp_path / "whole.tar.gz") is None
    cut = tmp_path / "cut.tar.gz"
    for n_bytes in (0, 1, 5, 20, 700, len(whole) // 2):
        cut.write_bytes(whole[:n_bytes])
        assert sources.find_fault(source, cut), f"the first {n_bytes} bytes pass as the whole archive"
    cut.write_bytes(b"<html>not an archive</html>")
    assert "not readable" in sources.find_fault(source, cut)


def test_demo_archive_is_whole(demo_archive):
    profile = load_profile("h1-demo")
    assert sources.fetch(profile.inputs.source, profile.raw_dir) == demo_archive and demo_archive.parent == profile.raw_dir
    with tarfile.open(demo_archive) as tar:
        arrays = [member for member in tar if member.name.endswith(".npy")]
        assert len(arrays) == 678
        assert round(sum(member.size for member in arrays) / 1e6) == 106
