"""Fetching public files: order of places, integrity, several at once, and what a failed or killed download leaves behind."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import yaml

from chromolib import cli, inputs, registry, sources
from chromolib.config import MARKS, ROOT, InputError
from chromolib.inputs import files
from chromolib.profile import load_profile
from chromolib.registry import Content, Source
from tests.servers import Files, serve
from tests.test_integrity import aged, make_archive

BODY = b"gene_id,expression\nENSG00000000003,1.5\n"
DIGEST = hashlib.sha256(BODY).hexdigest()
WIDE = np.random.default_rng(1).bytes(3_000_000)


def source(url, file="table.csv", compression="none", file_format="csv", **fields):
    """A source whose digest nobody has published."""
    content = Content(format=file_format, compression=compression, build="hg19", coordinates="none", reader=None)
    urls = url if isinstance(url, tuple) else (url,)
    values = {"description": "A table.", "size": "1 kB", "licence": "", "citation": "", "required_for": "core", "evidence": "verified"}
    return Source(urls=urls, file=file, content=content, **values | fields)


@pytest.fixture
def register(monkeypatch):
    """Make these sources, by their ids, the only ones."""

    def register(**known):
        monkeypatch.setattr(registry, "registry", lambda: known)
        monkeypatch.setattr(sources, "N_RETRIES", 0)
        monkeypatch.delenv("CHROMOLIB_MIRROR", raising=False)

    return register


@pytest.fixture
def web():
    with serve(Files(**{"a/table.csv": BODY})) as files:
        yield files


def seen(folder):
    """Files that a user sees, below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".fetch" not in path.parts)


# Files of one's own


def test_own_file_stands_for_a_source_whatever_the_kind_of_profile(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    path = tmp_path / "own.tar.gz"
    path.write_bytes(BODY)
    profile = load_profile("h1-demo").model_copy(update={"local_files": {"chromoformer-demo": path}})
    assert sources.fetch_of(profile, "chromoformer-demo") == path
    demo, _ = inputs.source_files(profile, "E003")
    assert (demo["file"], demo["sha256"]) == ("own.tar.gz", hashlib.sha256(BODY).hexdigest())


def test_digest_of_a_folder_tells_of_files_at_any_depth(tmp_path):
    folder, known = tmp_path / "mESC", tmp_path / ".digests"
    (folder / "nij").mkdir(parents=True)
    digests = set()
    for text in ("", "1", "2"):
        if text:
            (folder / "nij" / "nij.chr1").write_text(text)
        digests.add(inputs._digest(folder, known))
    assert len(digests) == 3


# One file


def test_unknown_source_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="unknown source 'demo', expected one of roadmap-reads/..., roadmap-rpkm, "):
        sources.fetch("demo", tmp_path)


def test_file_in_place_is_taken_without_asking_anyone(tmp_path, register):
    register(table=source("https://nowhere.invalid/a", sha256=DIGEST))
    (tmp_path / "table.csv").write_bytes(BODY)
    assert sources.fetch("table", tmp_path).read_bytes() == BODY
    assert seen(tmp_path) == ["table.csv"]


def test_mirror_folder_goes_before_the_address_with_names_as_they_are(tmp_path, register, monkeypatch, web):
    register(table=source(f"{web.url}/a/-%20t?x=1"))
    copy = tmp_path / "mirror" / urlsplit(web.url).netloc / "a" / "- t?x=1"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(BODY)
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    assert sources.fetch("table", tmp_path / "raw").read_bytes() == BODY
    assert web.asked == []


def test_mirror_url_holds_host_and_quoted_path(tmp_path, register, monkeypatch, web):
    register(table=source("https://nowhere.invalid/-%20a/table.csv"))
    web["/mirror/nowhere.invalid/-%20a/table.csv"] = BODY
    monkeypatch.setenv("CHROMOLIB_MIRROR", f"{web.url}/mirror/")
    assert sources.fetch("table", tmp_path).read_bytes() == BODY


def test_mirror_without_the_file_or_with_an_altered_one_falls_back_and_says_so(tmp_path, register, monkeypatch, web):
    register(table=source(f"{web.url}/a/table.csv", sha256=DIGEST))
    copy = tmp_path / "mirror" / urlsplit(web.url).netloc / "a" / "table.csv"
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    for content, reason in ((None, "No such file"), (BODY + b"x", "altered or incomplete")):
        if content is not None:
            copy.parent.mkdir(parents=True)
            copy.write_bytes(content)
        said = []
        raw_dir = tmp_path / f"raw-{reason.split()[0]}"
        assert sources.fetch("table", raw_dir, say=said.append).read_bytes() == BODY
        assert reason in said[-1] and str(copy) in said[-1] and seen(raw_dir) == ["table.csv"]


def test_a_mirror_without_the_file_does_not_cost_what_came_from_the_address(tmp_path, register, monkeypatch, web):
    register(table=source(f"{web.url}/wide"))
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    web["/wide"], web.dies_after[:] = WIDE, [1_000_000]
    with pytest.raises(InputError, match="No such file.*broken off after 1,000,000 of 3,000,000 bytes"):
        sources.fetch("table", tmp_path / "raw")
    web.asked.clear()
    assert sources.fetch("table", tmp_path / "raw").read_bytes() == WIDE and web.asked == [("/wide", "bytes=1000000-")]


def test_the_first_address_that_answers_is_taken(tmp_path, register, web):
    register(table=source((f"{web.url}/gone", f"{web.url}/a/table.csv", "https://nowhere.invalid/never")))
    said = []
    assert sources.fetch("table", tmp_path, say=said.append).read_bytes() == BODY
    assert [path for path, _ in web.asked] == ["/gone", "/a/table.csv"] and "HTTP 404" in said[-1]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((404, 0, b""), "HTTP 404 Not Found"),
        ((200, 10, BODY[:10]), "altered or incomplete"),
        ((200, len(BODY), BODY.replace(b"1.5", b"2.5")), "altered or incomplete"),
    ],
    ids=["missing", "short", "altered"],
)
def test_bad_download_is_one_line_with_the_way_out_and_leaves_nothing(tmp_path, register, web, reply, reason):
    register(table=source(f"{web.url}/a/table.csv", sha256=DIGEST))
    web.replies[:] = [reply]
    with pytest.raises(InputError) as caught:
        sources.fetch("table", tmp_path)
    message = str(caught.value)
    assert reason in message and "\n" not in message
    assert "set CHROMOLIB_MIRROR" in message and f"put the file at {tmp_path / 'table.csv'}" in message
    assert seen(tmp_path) == []


def test_a_download_that_was_broken_off_keeps_what_came_and_not_its_name(tmp_path, register, web):
    register(table=source(f"{web.url}/a/table.csv", sha256=DIGEST))
    web.dies_after[:] = [10]
    with pytest.raises(InputError, match="broken off after 10 of 39 bytes"):
        sources.fetch("table", tmp_path)
    assert seen(tmp_path) == ["table.csv.part", "table.csv.part.json"]
    assert sources.fetch("table", tmp_path).read_bytes() == BODY and web.asked[-1] == ("/a/table.csv", "bytes=10-")
    assert seen(tmp_path) == ["table.csv"]


def test_a_bad_beginning_is_thrown_away_and_the_file_fetched_whole(tmp_path, register, web):
    register(table=source(f"{web.url}/a/table.csv", sha256=DIGEST))
    web.dies_after[:] = [10]
    with pytest.raises(InputError):
        sources.fetch("table", tmp_path)
    (tmp_path / "table.csv.part").write_bytes(b"\0" * 10)                        # as after a power cut
    assert sources.fetch("table", tmp_path).read_bytes() == BODY
    assert web.asked[-2:] == [("/a/table.csv", "bytes=10-"), ("/a/table.csv", None)]


def test_altered_file_in_place_is_replaced_by_a_good_one(tmp_path, register, web):
    register(table=source(f"{web.url}/a/table.csv", sha256=DIGEST))
    (tmp_path / "table.csv").write_bytes(BODY[:-1])
    assert sources.fetch("table", tmp_path).read_bytes() == BODY
    assert seen(tmp_path) == ["table.csv"]


def test_a_digest_of_md5_is_checked_on_arrival(tmp_path, register, web):
    good, bad = hashlib.md5(BODY).hexdigest(), hashlib.md5(b"").hexdigest()
    register(good=source(f"{web.url}/a/table.csv", md5=good), bad=source(f"{web.url}/a/table.csv", "bad.csv", md5=bad))
    sources.fetch("good", tmp_path)
    with pytest.raises(InputError, match=f"altered or incomplete \\(expected md5:{bad}\\)"):
        sources.fetch("bad", tmp_path)


def test_archive_cut_anywhere_is_a_fault_and_no_traceback(tmp_path):
    content = np.random.default_rng(1).bytes(40_000)
    line = f"{hashlib.sha256(content).hexdigest()}  d/a.npy\n"
    demo = source("https://nowhere.invalid/a", sha256=hashlib.sha256(line.encode()).hexdigest(), members=("d/*.npy",))
    whole = make_archive(tmp_path / "whole.tar.gz", {"d/a.npy": content}).read_bytes()
    assert sources.find_fault(demo, tmp_path / "whole.tar.gz") is None
    cut = tmp_path / "cut.tar.gz"
    for n_bytes in (0, 1, 5, 20, 700, len(whole) // 2):
        cut.write_bytes(whole[:n_bytes])
        assert sources.find_fault(demo, cut), f"the first {n_bytes} bytes pass as the whole archive"
    cut.write_bytes(b"<html>not an archive</html>")
    assert "not readable" in sources.find_fault(demo, cut)


def test_want_of_room_is_told_and_no_other_address_tried(tmp_path, register, monkeypatch):
    register(table=source(("https://nowhere.invalid/a", "https://nowhere.invalid/b")))
    asked = []

    def fill(url, *_, **__):
        asked.append(url)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sources.downloads, "download", fill)
    with pytest.raises(InputError, match=r"table.csv.part: no room \(OSError: No space left on device\); make room or set CHROMOLIB_DATA"):
        sources.fetch("table", tmp_path)
    assert asked == ["https://nowhere.invalid/a"]


# Files of unknown digest


def test_the_digest_of_the_first_good_download_is_kept_and_verified(tmp_path, register, web):
    register(table=source(f"{web.url}/a/table.csv"))
    path = aged(sources.fetch("table", tmp_path))
    assert (tmp_path / "SHA256SUMS").read_text() == f"{DIGEST}  table.csv\n"
    assert sources.fetch("table", tmp_path) == path and len(web.asked) == 1
    path.write_bytes(BODY.replace(b"1.5", b"2.5"))
    with pytest.raises(InputError, match=r"table: .*table.csv: altered or incomplete .*; delete the file to fetch it again, or that line to keep"):
        sources.fetch("table", tmp_path)
    assert path.read_bytes() == BODY.replace(b"1.5", b"2.5") and len(web.asked) == 1, "a user's file is not overwritten"
    path.unlink()
    assert sources.fetch("table", tmp_path).read_bytes() == BODY


def test_a_publisher_who_changed_a_file_is_noticed(tmp_path, register, web):
    register(table=source(f"{web.url}/a/table.csv"))
    sources.fetch("table", tmp_path).unlink()
    web["/a/table.csv"] = BODY + b"\n"
    with pytest.raises(InputError, match="altered or incomplete .*; if its publisher changed it, delete its line in .*SHA256SUMS"):
        sources.fetch("table", tmp_path)
    (tmp_path / "SHA256SUMS").unlink()
    assert sources.fetch("table", tmp_path).read_bytes() == BODY + b"\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (gzip.compress(WIDE)[:-9], "not readable to its end"),
        (b"<!doctype html><title>Moved</title>", "a web page, not the file"),
        (b"chr1\t1\n", "no gzip file"),
        (b"", "empty"),
    ],
)
def test_what_can_not_be_read_is_not_taken_for_the_file(tmp_path, register, web, body, reason):
    register(reads=source(f"{web.url}/reads.gz", "reads.gz", "gzip", "bed", evidence="inferred", look_up="the publisher's page"))
    web["/reads.gz"] = body
    with pytest.raises(InputError, match=f"{reason}.*; the address is inferred, not verified; see the publisher's page; set "):
        sources.fetch("reads", tmp_path)
    assert seen(tmp_path) == []


def test_a_file_that_was_put_there_by_hand_is_taken_and_noted(tmp_path, register):
    register(table=source((), look_up="Table 1", unknown="table: names: accession: X"))
    with pytest.raises(InputError) as caught:
        sources.fetch("table", tmp_path)
    assert str(caught.value) == (
        "table: no address is known; look it up in Table 1, and write the name at table: names: accession: X in "
        f"data/sources.yml, or put the file at {tmp_path / 'table.csv'}"
    )
    (tmp_path / "table.csv").write_bytes(BODY)
    assert sources.fetch("table", tmp_path) == tmp_path / "table.csv"
    assert (tmp_path / "SHA256SUMS").read_text() == f"{DIGEST}  table.csv\n"


def test_accessions_of_the_paper_that_nobody_knows_say_where_to_look(tmp_path):
    with pytest.raises(InputError) as caught:
        sources.fetch("encode-ctcf/E003", tmp_path)
    assert "\n" not in str(caught.value) and "look it up in Supplementary Table 3 of the paper" in str(caught.value)
    assert "encode-ctcf: names: accession: E003 in data/sources.yml" in str(caught.value)
    with pytest.raises(InputError, match=r"no address gives this file; look it up in the supplementary tables.*local_files"):
        sources.fetch("schmitt-compartments", tmp_path)


def test_an_address_with_a_login_asks_for_it_and_never_shows_it(tmp_path, register, monkeypatch):
    with serve(Files(a=BODY), ftp=True) as ftp:
        ftp.login = ("reader", "secret")
        register(table=source(f"{ftp.url}/a", login="CHROMOLIB_TEST_LOGIN"))
        monkeypatch.delenv("CHROMOLIB_TEST_LOGIN", raising=False)
        with pytest.raises(InputError, match="needs a login; set CHROMOLIB_TEST_LOGIN to USER:PASSWORD"):
            sources.fetch("table", tmp_path)
        said = []
        monkeypatch.setenv("CHROMOLIB_TEST_LOGIN", "reader:wrong")
        with pytest.raises(InputError, match="FTP 530") as caught:
            sources.fetch("table", tmp_path, say=said.append)
        monkeypatch.setenv("CHROMOLIB_TEST_LOGIN", "reader:secret")
        assert sources.fetch("table", tmp_path, say=said.append).read_bytes() == BODY
        assert "secret" not in " ".join(said) and "wrong" not in f"{said} {caught.value}"


# Archives


def nested(path):
    inner = make_archive(path / "inner.tgz", {"H1.bed": b"chr1\t0\t40000\n", "LI.bed": b"chr2\t0\t40000\n"}).read_bytes()
    return make_archive(path / "outer.tar.gz", {"maps.tgz": WIDE, "tads.tgz": inner}).read_bytes()


def test_one_member_of_a_large_archive_is_kept_and_files_are_taken_from_it(tmp_path, register, web):
    web["/outer.tar.gz"] = nested(tmp_path)
    raw_dir = tmp_path / "raw"
    archive = source(f"{web.url}/outer.tar.gz", "tads.tgz", "gzip", "tar", member="tads.tgz")
    parts = {name: source((), f"{name}.bed", inside="tads", member=f"{name}.bed") for name in ("H1", "LI")}
    register(tads=archive, **parts, GM=source((), "GM.bed", inside="tads", member="GM.bed"))
    found = sources.fetch_all(["H1", "LI"], raw_dir)
    assert found["H1"].read_bytes() == b"chr1\t0\t40000\n" and found["LI"].read_bytes() == b"chr2\t0\t40000\n"
    assert [path for path, _ in web.asked] == ["/outer.tar.gz"] and seen(raw_dir) == ["H1.bed", "LI.bed", "SHA256SUMS", "tads.tgz"]
    own = make_archive(tmp_path / "own.tgz", {"GM.bed": b"chr3\t0\t40000\n"})
    assert sources.fetch_all(["GM"], tmp_path / "other", local_files={"tads": own})["GM"].read_bytes() == b"chr3\t0\t40000\n"
    with pytest.raises(InputError, match="GM: .*tads.tgz: the archive holds no GM.bed; put the file at"):
        sources.fetch("GM", raw_dir)


def test_a_large_archive_that_breaks_off_leaves_no_member(tmp_path, register, web):
    web["/outer.tar.gz"] = nested(tmp_path)
    register(tads=source(f"{web.url}/outer.tar.gz", "tads.tgz", "gzip", "tar", member="tads.tgz"))
    web.dies_after[:] = [1_000_000]
    with pytest.raises(InputError, match="tads: .*outer.tar.gz: "):
        sources.fetch("tads", tmp_path / "raw")
    assert not (tmp_path / "raw" / "tads.tgz").exists()
    with tarfile.open(sources.fetch("tads", tmp_path / "raw")) as tar:
        assert tar.getnames() == ["top/H1.bed", "top/LI.bed"]


# Several files


def test_files_come_at_the_same_time(tmp_path, register):
    with serve(Files(**{name: WIDE[:300_000] for name in "abcd"})) as web:
        register(**{name: source(f"{web.url}/{name}", name) for name in "abcd"})
        web.pause_s = 0.03                                                       # 5 blocks, so 0.15 s a file
        begun = time.monotonic()
        found = sources.fetch_all(list("abcd"), tmp_path, say=lambda line: None)
        assert time.monotonic() - begun < 0.45
        assert list(found) == list("abcd") and all(path.read_bytes() == WIDE[:300_000] for path in found.values())


def test_a_terminal_shows_one_bar_for_all_files_and_an_output_that_is_kept_one_line_per_file(tmp_path, register, monkeypatch):
    with serve(Files(a=WIDE, b=WIDE)) as web:
        register(a=source(f"{web.url}/a", "a"), b=source(f"{web.url}/b", "b"))
        said = []
        sources.fetch_all(["a", "b"], tmp_path / "lines", say=said.append)
        assert sorted(said) == [f"{name}: fetching {web.url}/{name} (about 1 kB)" for name in "ab"]
        terminal = io.StringIO()
        terminal.isatty = lambda: True
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", terminal)
            sources.fetch_all(["a", "b"], tmp_path / "bar", say=lambda line: pytest.fail(line))
        shown = terminal.getvalue()
        assert "fetching: 100%" in shown and "6.00M/6.00M" in shown


def test_one_file_that_fails_stops_no_other_and_all_that_fail_are_listed(tmp_path, register, web):
    web["/good"] = BODY
    register(bad=source(f"{web.url}/bad", "bad"), good=source(f"{web.url}/good", "good"), worse=source(f"{web.url}/worse", "worse"))
    said = []
    with pytest.raises(InputError, match=r"^2 of 3 files could not be fetched, for the reasons above: bad, worse; the same command"):
        sources.fetch_all(["bad", "good", "worse"], tmp_path, say=said.append)
    assert [line.split(":")[0] for line in said[-2:]] == ["bad", "worse"] and "HTTP 404" in said[-1]
    assert (tmp_path / "good").read_bytes() == BODY


def test_cell_types_that_share_a_file_fetch_it_once(tmp_path, register, web):
    register(E003=source(f"{web.url}/a/table.csv"), E016=source(f"{web.url}/a/table.csv"))
    found = sources.fetch_all(["E003", "E016"], tmp_path)
    assert found["E003"] == found["E016"] == tmp_path / "table.csv" and len(web.asked) == 1
    assert len(sources.plan(["E003", "E016"], tmp_path)) == 1


def test_two_that_fetch_the_same_file_fetch_it_once(tmp_path, register, web):
    register(wide=source(f"{web.url}/wide", "wide"))
    web["/wide"], web.pause_s = WIDE, 0.002
    found = []
    threads = [threading.Thread(target=lambda: found.append(sources.fetch("wide", tmp_path).read_bytes())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [WIDE] * 3 and web.asked == [("/wide", None)]


def test_interrupt_ends_all_downloads_and_the_next_call_goes_on(tmp_path, register, web, monkeypatch):
    register(**{name: source(f"{web.url}/{name}", name) for name in "abc"})
    web |= {f"/{name}": WIDE for name in "abc"}
    web.pause_s = 0.02
    begun = time.monotonic()
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        sources.fetch_all(list("abc"), tmp_path, parallel=2)
    assert time.monotonic() - begun < 2
    assert {"a.part", "b.part"} <= set(seen(tmp_path)) and not {"a", "b", "c"} & set(seen(tmp_path))
    web.pause_s = 0
    assert all(path.read_bytes() == WIDE for path in sources.fetch_all(list("abc"), tmp_path).values())
    assert [wanted for path, wanted in web.asked if path == "/a"][-1].startswith("bytes=")


# A user's own files


def test_a_file_of_a_user_s_own_takes_the_place_of_a_source(tmp_path, register):
    register(table=source("https://nowhere.invalid/a", sha256=DIGEST), other=source("https://nowhere.invalid/b", "b"))
    own = tmp_path / "mine.csv.bz2"
    own.write_bytes(b"another table")
    assert sources.fetch("table", tmp_path / "raw", local=own) == own
    assert sources.fetch_all(["table"], tmp_path / "raw", local_files={"table": own}) == {"table": own}
    assert sources.plan(["table"], tmp_path, {"table": own}).iloc[0]["address"] == str(own)
    for content, reason in ((b"<html>", "a web page, not the file"), (None, "no such file")):
        own.write_bytes(content) if content else own.unlink()
        with pytest.raises(InputError, match=f"table: .*mine.csv.bz2: {reason}, expected A table; correct local_files"):
            sources.fetch("table", tmp_path / "raw", local=own)


def test_local_files_are_relative_to_the_profile(tmp_path):
    values = {"name": "mine", "title": "", "genome": "hg19", "cell_types": {"E003": "H1"}, "inputs": {"kind": "raw"}}
    files = {"roadmap-rpkm": "rpkm.gz", "refgene-hg19": "/data/refGene.txt.gz"}
    (tmp_path / "mine.yml").write_text(yaml.safe_dump(values | {"local_files": files}))
    found = load_profile(tmp_path / "mine.yml").local_files
    assert found == {"roadmap-rpkm": tmp_path / "rpkm.gz", "refgene-hg19": Path("/data/refGene.txt.gz")}


# What a profile needs


def test_simulated_profile_fetches_nothing():
    assert sources.fetch_profile(load_profile("smoke")) == []


def test_patterns_of_raw_inputs_name_sources():
    ids = sources.ids_of(load_profile("roadmap"), "E016")
    assert ids["reads"][0] == "roadmap-reads/E016.H3K4me1" and len(ids["reads"]) == 7
    assert ids["contacts"] == ["3div-contacts/E016.po", "3div-contacts/E016.pp"] and ids["expression"] == ["roadmap-rpkm"]


def test_groups_of_the_paper_s_profile_hold_its_cell_types_and_marks():
    profile = load_profile("roadmap")
    core, figure, mouse = (sources.ids_for(profile, (group,)) for group in ("core", "figure", "mouse"))
    assert len(core) == 77 + 3 + 22 and len(figure) == 11 + 4 + 5 + 1 + 11 + 1 + 3 + 1 and mouse == ["ensembl-orthologues"]
    assert set(sources.ids_for(profile, ("core", "mouse"))) == {*core, *mouse}
    of_one = sources.ids_for(profile, ("core", "figure"), "E004")
    assert "roadmap-segmentation/E004" in of_one and not any("E003" in name for name in of_one)
    assert not any(name.startswith("encode-ctcf") for name in of_one), "there is no CTCF of E004"
    with pytest.raises(InputError, match="found group 'figures', expected one of core, figure, mouse, optional"):
        sources.ids_for(profile, ("figures",))


def test_the_paper_s_mouse_is_a_profile_that_needs_all_it_names():
    ids = sources.ids_for(load_profile("roadmap-mouse"))
    reads = [f"encode-mouse-reads/{mark}" for mark in MARKS]
    assert ids == [*reads, "encode-mouse-rna", "gencode-m1", "genome-mm9", "dixon-matrices"]
    assert all(registry.entry(name).required_for == "mouse" for name in ids)


def test_replicates_of_a_mark_are_all_read(monkeypatch, tmp_path):
    """As a list of accessions in data/sources.yml gives them."""
    one = registry.entry("encode-mouse-reads/H3K4me3")
    known = {f"encode-mouse-reads/H3K4me3.X{i}": one.model_copy(update={"file": f"mouse/X{i}.fastq.gz"}) for i in (1, 2)}
    others = {name: source for name, source in registry.registry().items() if name != "encode-mouse-reads/H3K4me3"}
    monkeypatch.setattr(registry, "registry", lambda: known | others)
    monkeypatch.setattr(sources, "registry", registry.registry)
    profile = load_profile("roadmap-mouse").model_copy(update={"marks": ("H3K4me1", "H3K4me3")})
    assert sources.ids_of(profile, "ES-Bruce4")["reads"] == ["encode-mouse-reads/H3K4me1", *known]
    monkeypatch.setattr(sources, "fetch", lambda source_id, raw_dir, local=None: raw_dir / registry.entry(source_id).file)
    samples = files.files_of(profile, "ES-Bruce4").samples
    assert [(sample.mark, sample.path.name) for sample in samples] == [
        ("H3K4me1", "H3K4me1.fastq.gz"), ("H3K4me3", "X1.fastq.gz"), ("H3K4me3", "X2.fastq.gz"),
    ]  # fmt: skip


def test_every_mirrored_file_is_the_one_in_the_registry():
    mirror = Path(os.environ.get("CHROMOLIB_MIRROR") or ROOT.parent / "shared" / "mirror")
    found = {}
    for source_id, known in registry.registry().items():
        for url in known.urls:
            if (copy := mirror / unquote(registry.mirrored_path(url))).is_file():
                found[source_id] = sources.find_fault(known, copy)
    if not found:
        pytest.skip(f"no real data here: {mirror} holds no source")
    assert {source_id: fault for source_id, fault in found.items() if fault} == {}


def test_demo_archive_is_whole(demo_archive):
    profile = load_profile("h1-demo")
    assert sources.fetch(profile.inputs.source, profile.raw_dir) == demo_archive and demo_archive.parent == profile.raw_dir
    with tarfile.open(demo_archive) as tar:
        arrays = [member for member in tar if member.name.endswith(".npy")]
        assert len(arrays) == 678
        assert round(sum(member.size for member in arrays) / 1e6) == 106


# The command


@pytest.fixture
def fetch(monkeypatch, capsys, tmp_path):
    """Run `chromolib fetch` on a profile of three sources: exit status, lines on stdout, last line on stderr."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    values = {"name": "mine", "title": "", "genome": "hg19", "cell_types": {"E003": "H1"}, "marks": ["H3K4me1"]}
    inputs = {"kind": "raw", "reads": "source:reads", "expression": "source:table", "contacts": ["source:table"]}

    def fetch(*arguments, **changed):
        (tmp_path / "mine.yml").write_text(yaml.safe_dump(values | {"inputs": inputs} | changed))
        monkeypatch.setattr(sys, "argv", ["chromolib", "fetch", str(tmp_path / "mine.yml"), *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        return status, capsys.readouterr().out.splitlines()

    return fetch


def test_dry_run_says_what_would_come_from_where_and_what_is_there(fetch, tmp_path, register, web):
    register(
        reads=source(f"{web.url}/reads", "reads.gz", "gzip", size="250 MB", evidence="inferred"), table=source(f"{web.url}/a/table.csv"),
        peaks=source((), "peaks", look_up="Table 1", required_for="figure"),
    )  # fmt: skip
    raw_dir = tmp_path / "data" / "raw" / "mine"
    raw_dir.mkdir(parents=True)
    (raw_dir / "table.csv").write_bytes(BODY)
    (raw_dir / "reads.gz.part").write_bytes(WIDE)
    status, lines = fetch("--dry-run", "--only", "core", "--only", "figure", sources=["peaks"])
    assert status == 0 and [" ".join(line.split()) for line in lines] == [
        f"to fetch 250 MB reads {web.url}/reads, 3 MB of it there (inferred, not verified)",
        f"there 39 B table {web.url}/a/table.csv",
        "no address 1 kB peaks see Table 1",
        "to fetch: 1 of 3 files, about 250 MB", "there: 1 of 3 files, 39 B", "no address: 1 of 3 files, about 1 kB",
    ]  # fmt: skip
    assert web.asked == [] and seen(raw_dir) == ["reads.gz.part", "table.csv"]


def test_command_fetches_what_it_can_says_why_not_the_rest_and_ends_with_status_1(fetch, tmp_path, register, web):
    register(reads=source(f"{web.url}/reads", "reads.gz", "gzip"), table=source(f"{web.url}/a/table.csv"))
    status, lines = fetch("--parallel", "2")
    assert status.startswith("chromolib: reads: ") and "HTTP 404" in status
    web["/reads"] = gzip.compress(BODY)
    raw_dir = tmp_path / "data" / "raw" / "mine"
    status, lines = fetch()
    assert status == 0 and lines[-2:] == [str(raw_dir / "reads.gz"), str(raw_dir / "table.csv")]
    assert sorted(path for path, _ in web.asked) == ["/a/table.csv", "/reads", "/reads"]


@pytest.mark.parametrize("changed", [{"sources": ["tables"]}, {"local_files": {"tables": "x"}}])
def test_a_profile_that_names_an_unknown_source_is_one_line(fetch, register, changed):
    register(reads=source("https://nowhere.invalid/reads"), table=source("https://nowhere.invalid/table"))
    status, _ = fetch(**changed)
    assert status.startswith("chromolib: profile mine: found source 'tables', expected ids of data/sources.yml; correct inputs, ")


KILLED = """
import sys
from pathlib import Path
from chromolib import cli, registry
registry.ROOT = Path(sys.argv.pop(1))
cli.main()
"""


def test_command_that_is_killed_goes_on_and_ends_byte_for_byte_the_same(fetch, tmp_path, monkeypatch):
    monkeypatch.delenv("CHROMOLIB_MIRROR", raising=False)
    raw_dir, inputs = tmp_path / "data" / "raw" / "mine", {"kind": "raw", "reads": "source:a", "expression": "source:b"}
    with serve(Files(a=WIDE, b=WIDE[::-1])) as web:
        known = {name: source(f"{web.url}/{name}", name).model_dump(mode="json", exclude_defaults=True) for name in "ab"}
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "sources.yml").write_text(yaml.safe_dump(known))
        monkeypatch.setattr(registry, "ROOT", tmp_path)
        monkeypatch.setattr(registry, "registry", registry.registry.__wrapped__)  # without the cache
        fetch("--list", inputs=inputs)                                           # writes the profile
        web.pause_s = 0.02
        arguments = [sys.executable, "-c", KILLED, tmp_path, "fetch", tmp_path / "mine.yml"]
        killed = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not all((raw_dir / f"{name}.part").exists() and (raw_dir / f"{name}.part").stat().st_size for name in "ab"):
            assert killed.poll() is None and time.monotonic() < deadline, killed.stderr.read()
            time.sleep(0.01)
        killed.kill()
        killed.communicate(timeout=10)
        assert seen(raw_dir) == ["a.part", "a.part.json", "b.part", "b.part.json"]
        web.pause_s = 0
        web.asked.clear()
        status, lines = fetch(inputs=inputs)
        assert status == 0 and lines[-2:] == [str(raw_dir / "a"), str(raw_dir / "b")]
        assert (raw_dir / "a").read_bytes() == WIDE and (raw_dir / "b").read_bytes() == WIDE[::-1]
        assert len(web.asked) == 2 and all(wanted and wanted.startswith("bytes=") for _, wanted in web.asked)
        assert seen(raw_dir) == ["SHA256SUMS", "a", "b"]
