"""What is written is whole or not there, and a lock has one owner at a time."""

import errno
import fcntl
import os
import signal
import threading

import pytest
from safetensors import SafetensorError

from chromolib import InputError
from chromolib.files import hold, is_full, whole_folder, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_gets_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "table.csv"

    def write(temporary):
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
        inodes.append(temporary.stat().st_ino)

    inodes = []
    write_whole(path, write)
    assert path.read_text() == "whole" and names(path.parent) == ["table.csv"]
    assert inodes == [path.stat().st_ino]                                        # renamed, not copied


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def write(temporary):
        temporary.write_text("half")
        raise error

    with pytest.raises(type(error)):
        write_whole(path, write)
    assert path.read_text() == "old" and names(tmp_path) == ["table.csv"]


def test_write_that_writes_nothing_keeps_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(FileNotFoundError):
        write_whole(path, lambda temporary: None)
    assert path.read_text() == "old" and names(tmp_path) == ["table.csv"]


def test_folder_takes_the_place_of_an_older_one(tmp_path):
    target = tmp_path / "features"
    target.mkdir()
    (target / "stale").touch()
    with whole_folder(target) as folder:
        (folder / "fresh").touch()
        assert names(target) == ["stale"]
    assert names(target) == ["fresh"] and names(tmp_path) == ["features"]


@pytest.mark.parametrize("error", [ValueError("damaged"), KeyboardInterrupt()])
def test_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path, error):
    target = tmp_path / "features"
    target.mkdir()
    (target / "stale").touch()
    with pytest.raises(type(error)), whole_folder(target) as folder:
        (folder / "half").touch()
        raise error
    assert names(target) == ["stale"] and names(tmp_path) == ["features"]


# Locks


def test_lock_has_one_owner_who_is_named(tmp_path):
    path = tmp_path / "locks" / "run"
    with hold(path) as mine:
        assert mine is None
        with hold(path, wait=False) as owner:
            assert owner == f"process {os.getpid()} on {os.uname().nodename}"
        with hold(path, wait=False) as owner:                                    # looking at it did not open it
            assert owner
    with hold(path, wait=False) as owner:
        assert owner is None


def test_who_waits_is_told_for_whom_and_comes_next(tmp_path):
    path, told, order = tmp_path / "run", threading.Event(), []

    def second():
        with hold(path, tell=lambda owner: (order.append(owner), told.set())):
            order.append("second")

    with hold(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
        order.append("first")
    thread.join(10)
    assert order == [f"process {os.getpid()} on {os.uname().nodename}", "first", "second"]


def test_lock_of_a_dead_owner_is_free(tmp_path):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        with hold(tmp_path / "run"):
            os.write(write, b".")
            signal.pause()
    os.read(read, 1)
    with hold(tmp_path / "run", wait=False) as owner:
        assert owner.startswith(f"process {child} on ")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with hold(tmp_path / "run", wait=False) as owner:
        assert owner is None
    assert names(tmp_path) == ["run"]


def test_block_that_fails_frees_its_lock(tmp_path):
    with pytest.raises(KeyError), hold(tmp_path / "run"):
        raise KeyError
    with hold(tmp_path / "run", wait=False) as owner:
        assert owner is None


def test_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match=r"run: found a file system without locks \(No locks available\), expected flock; mount"), hold(tmp_path / "run"):
        pass


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (SafetensorError("I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (ValueError("28"), False),
    ],
)
def test_want_of_room_is_told_from_other_errors(error, full):
    assert is_full(error) is full


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    child = os.fork()
    if not child:                                                                # writes a file and a folder, and dies in both

        def die(path):
            path.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)

        with whole_folder(tmp_path / "store") as folder:
            (folder / "half").touch()
            write_whole(tmp_path / "table.csv", die)
    os.waitpid(child, 0)
    assert len(names(tmp_path)) == 2 and all(name.startswith(".") for name in names(tmp_path))
    write_whole(tmp_path / "table.csv", lambda path: path.write_text("whole"))
    with whole_folder(tmp_path / "store"):
        pass
    assert names(tmp_path) == ["store", "table.csv"]


def test_what_another_process_is_writing_stays(tmp_path):
    theirs = tmp_path / f".{os.uname().nodename}-{os.getppid()}.table.csv"
    theirs.touch()
    write_whole(tmp_path / "table.csv", lambda path: path.write_text("whole"))
    assert theirs.exists()
