"""What is written is whole or not there."""

import pytest

from chromolib.files import whole_folder, write_whole


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
