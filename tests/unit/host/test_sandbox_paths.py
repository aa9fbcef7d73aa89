"""Granted paths: found as they were named, without a link anywhere, or refused with what to do."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from stockade.errors import Refused
from stockade.sandbox.paths import FORBIDDEN, Found, find, find_granted, refuse_kept
from stockade_worker.plan import READ, WRITE

HOME = "/home/me/.local/share/stockade"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose own path has no link in it."""
    return Path(os.path.realpath(tmp_path))


def granted(path: Path | str, home: str = HOME) -> Found:
    return find_granted(str(path), home=home, plugin="photos")


def refused(path: Path | str, home: str = HOME) -> Refused:
    with pytest.raises(Refused) as caught:
        granted(path, home)
    assert str(path) in str(caught.value)
    assert "photos" in str(caught.value)
    assert caught.value.remedy
    return caught.value


def test_a_folder_and_a_file_are_found_with_what_they_are(place: Path) -> None:
    file = place / "a.txt"
    file.touch()

    folder, plain = granted(place), granted(file)

    state = file.stat()
    assert (folder.path, folder.is_folder) == (str(place), True)
    assert plain == Found(str(file), state.st_dev, state.st_ino, False, state.st_uid, state.st_gid)


def test_a_link_at_the_end_is_refused_and_its_real_place_named(place: Path) -> None:
    (place / "real").mkdir()
    (place / "link").symlink_to("real")

    error = refused(place / "link")

    assert "leads over a symbolic link" in str(error)
    assert f"grant {place}/real instead" in error.remedy
    assert granted(place / "real").is_folder


def test_a_link_on_the_way_is_refused_and_the_real_place_named(place: Path) -> None:
    (place / "real" / "below").mkdir(parents=True)
    (place / "link").symlink_to("real")

    error = refused(place / "link" / "below")

    assert "leads over a symbolic link" in str(error)
    assert f"grant {place}/real/below instead" in error.remedy


def test_a_link_that_leads_nowhere_is_refused_as_a_link(place: Path) -> None:
    (place / "link").symlink_to("nothing")

    assert "leads over a symbolic link" in str(refused(place / "link"))


def test_a_folder_that_was_exchanged_for_a_link_is_refused_at_the_next_start(place: Path) -> None:
    folder = place / "photos"
    folder.mkdir()
    before = granted(folder)

    folder.rmdir()
    folder.symlink_to("/etc")

    assert before.is_folder
    assert "leads over a symbolic link" in str(refused(folder))


def test_another_folder_under_the_same_name_is_another_find(place: Path) -> None:
    folder = place / "photos"
    folder.mkdir()
    before = granted(folder)

    (place / "held").mkdir()  # so that the number is not given out again
    folder.rename(place / "old")
    folder.mkdir()

    assert granted(folder).inode != before.inode


def test_what_is_not_there_is_refused_with_the_advice_to_make_it(place: Path) -> None:
    error = refused(place / "none" / "at" / "all")

    assert "does not exist" in str(error)
    assert error.remedy.startswith("make it")


def test_a_file_on_the_way_is_refused_and_not_called_a_link(place: Path) -> None:
    (place / "file").touch()

    error = refused(place / "file" / "below")

    assert "cannot be opened: Not a directory" in str(error)


@pytest.mark.parametrize("top", FORBIDDEN)
def test_no_grant_opens_what_is_the_kernels_or_every_workers_own(top: str) -> None:
    assert "not to be had" in str(refused(top))


@pytest.mark.parametrize(
    "path", ["/proc/self", "/proc/1/root", "/dev/null", "/dev/shm", "/sys/kernel", "/run/user/0"]
)
def test_nor_anything_inside_it(path: str) -> None:
    assert "it lies in" in str(refused(path))


def test_a_name_that_only_begins_like_one_of_those_is_no_reason(place: Path) -> None:
    assert "does not exist" in str(refused("/process-no-such-folder"))
    beside = place / "stockade-photos"
    beside.mkdir()

    assert granted(beside, home=str(place / "stockade")).is_folder


@pytest.mark.parametrize("below", ["", "data", "data/photos", "state.db"])
def test_stockades_own_folder_and_what_lies_in_it_are_refused(place: Path, below: str) -> None:
    home = place / "stockade"
    (home / "data" / "photos").mkdir(parents=True)
    (home / "state.db").touch()

    assert f"it lies in {home}" in str(refused(home / below, home=str(home)))


@pytest.mark.parametrize("above", [".", ".."])
def test_a_folder_that_holds_stockades_own_is_refused(place: Path, above: str) -> None:
    home = place / "share" / "stockade"
    home.mkdir(parents=True)
    path = os.path.normpath(home.parent / above)

    assert "stockade's own files lie in it" in str(refused(path, home=str(home)))


def test_a_device_a_pipe_and_a_socket_are_refused(place: Path) -> None:
    os.mkfifo(place / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "socket"))

    for name in ("pipe", "socket"):
        assert "neither a file nor a folder" in str(refused(place / name))


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes device files")
def test_a_device_file_outside_of_dev_is_refused(place: Path) -> None:
    os.mknod(place / "null", 0o20666, os.makedev(1, 3))

    assert "neither a file nor a folder" in str(refused(place / "null"))


@pytest.mark.skipif(os.getuid() == 0, reason="root may open everything")
def test_what_the_host_may_not_open_is_refused_with_the_reason(place: Path) -> None:
    (place / "closed" / "below").mkdir(parents=True)
    (place / "closed").chmod(0)
    try:
        assert "cannot be opened: Permission denied" in str(refused(place / "closed" / "below"))
    finally:
        (place / "closed").chmod(0o700)


def test_a_path_of_ours_that_is_a_link_raises(place: Path) -> None:
    (place / "link").symlink_to("/etc")

    with pytest.raises(OSError, match="is a symbolic link"):
        find(str(place / "link"))
    with pytest.raises(NotADirectoryError):
        find(str(place / "link" / "passwd"))


def test_nothing_stays_open_whether_it_is_found_or_not(place: Path) -> None:
    (place / "link").symlink_to("/etc")
    before = open_descriptors()

    for _ in range(20):
        granted(place)
        refused(place / "link")
        refused(place / "none")

    assert open_descriptors() == before


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_what_may_be_read_inside_what_may_be_written_is_refused() -> None:
    with pytest.raises(Refused, match="/srv/a/b for reading and /srv/a") as caught:
        refuse_kept({"/srv/a": WRITE, "/srv/a/b": READ}, "p")

    assert "permissions revoke p write:/srv/a" in str(caught.value)
    refuse_kept({"/srv/a": READ, "/srv/a/b": WRITE, "/srv/ab": READ}, "p")


@pytest.mark.parametrize("below", ["", "stockade", "stockade/host.py"])
def test_what_the_host_runs_is_not_to_be_written_to(place: Path, below: str) -> None:
    code = place / "code"
    (code / "stockade").mkdir(parents=True)
    (code / "stockade" / "host.py").touch()
    wanted = str(code / below)

    with pytest.raises(Refused, match="stockade runs code from"):
        find_granted(wanted, home="/nowhere", plugin="p", code=(str(code / "stockade"),))
    assert find_granted(wanted, home="/nowhere", plugin="p").path == wanted


@pytest.mark.parametrize("path", ["/", "/tmp"])
def test_a_place_that_every_worker_has_itself_is_refused(path: str) -> None:
    with pytest.raises(Refused, match="one of its own"):
        find_granted(path, home="/nowhere", plugin="p")
