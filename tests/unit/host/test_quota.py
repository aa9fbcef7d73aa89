"""Folders that strangers fill: counted without harm, judged by quota and floor."""

import os
from itertools import count as count_up
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stockade.process.quota import Allowance, Over, Quota, Space, is_due
from stockade.process.scan import MOST_DEPTH, Use, scanning, unlinked_bytes
from stockade.process.trees import remove_tree

MIB = 1024 * 1024
PLENTY = 10**12


def count(folder: Path) -> Use:
    fd = os.open(folder, os.O_RDONLY)
    try:
        return list(scanning(fd))[-1]
    finally:
        os.close(fd)


def fill(path: Path, mib: int) -> None:
    path.write_bytes(os.urandom(mib * MIB))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)  # some file systems count blocks when they are written
    os.close(fd)


def statvfs(free_bytes: int = PLENTY, free_files: int = PLENTY, files: int = 1) -> Any:
    found = SimpleNamespace(f_bavail=free_bytes, f_frsize=1, f_favail=free_files, f_files=files)
    return lambda fd: found


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def verdict(quota: Quota) -> Over | None:
    return list(quota.measure())[-1]


def test_files_and_folders_are_counted_at_every_level(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    fill(tmp_path / "a" / "one", 1)
    fill(tmp_path / "a" / "b" / "two", 2)

    use = count(tmp_path)

    assert use.files == 4
    assert 3 * MIB <= use.bytes < 4 * MIB


def test_a_hole_is_not_counted_as_bytes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(100 * 1024 * MIB)

    assert count(tmp_path) == Use(bytes=count(tmp_path).bytes, files=1)
    assert count(tmp_path).bytes < MIB


def test_a_file_of_many_names_is_counted_once_and_each_name(tmp_path: Path) -> None:
    fill(tmp_path / "one", 1)
    for number in range(20):
        os.link(tmp_path / "one", tmp_path / f"again-{number}")

    use = count(tmp_path)

    assert use.files == 21
    assert MIB <= use.bytes < 2 * MIB


def test_links_are_counted_and_never_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    fill(outside / "big", 4)
    (inside / "folder").symlink_to(outside)
    (inside / "file").symlink_to(outside / "big")
    (inside / "loop").symlink_to("loop")

    use = count(inside)

    assert (use.files, use.unreadable, use.too_deep) == (3, 0, 0)
    assert use.bytes < MIB


def test_names_of_any_bytes_are_counted(tmp_path: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b" ", b"-rf", "ü".encode()):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).mkdir()

    assert count(tmp_path).files == 5


def test_a_folder_too_deep_is_not_entered_and_is_over(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):  # far more than a path or the descriptors allow
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)

    use = count(tmp_path)
    with Quota(tmp_path, statvfs=statvfs()) as quota:
        over = verdict(quota)
    remove_tree(tmp_path)

    assert use.too_deep == 1
    assert use.files == MOST_DEPTH + 1
    assert over is not None
    assert "nested" in over.reason


def test_folders_in_folders_within_the_bound_are_fine(tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * MOST_DEPTH).mkdir(parents=True)

    assert count(tmp_path) == Use(count(tmp_path).bytes, MOST_DEPTH)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_over(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)

    with Quota(tmp_path, statvfs=statvfs()) as quota:
        over = verdict(quota)

    assert over is not None
    assert "cannot be read" in over.reason


def test_what_vanishes_while_it_is_counted_is_no_error(tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"{number}").mkdir()
    fd = os.open(tmp_path, os.O_RDONLY)
    scan = scanning(fd)
    next(scan)
    for path in tmp_path.iterdir():
        path.rmdir()

    use = list(scan)[-1]
    os.close(fd)

    assert use.unreadable == 0
    assert use.files <= 500


def test_a_scan_that_is_left_early_leaves_no_descriptor(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / "a" / "b" / f"{number}").mkdir(parents=True)
    before = descriptors()
    fd = os.open(tmp_path, os.O_RDONLY)

    scan = scanning(fd)
    next(scan)
    assert descriptors() > before + 1
    scan.close()
    os.close(fd)

    assert descriptors() == before


def test_deleted_files_that_are_held_open_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "held"
    fill(path, 2)
    device = tmp_path.stat().st_dev
    with path.open("rb"):
        before = unlinked_bytes([os.getpid()], device)
        path.unlink()
        held = unlinked_bytes([os.getpid()], device)

    assert held - before >= 2 * MIB
    assert unlinked_bytes([os.getpid()], device) == before


@pytest.mark.parametrize(
    ("allowance", "said"),
    [
        (Allowance(most_bytes=2 * MIB), "more than 2 MiB"),
        (Allowance(most_files=5), "more than 5 files"),
    ],
)
def test_more_than_the_quota_is_over_and_says_how_to_mend_it(
    tmp_path: Path, allowance: Allowance, said: str
) -> None:
    for number in range(5):
        (tmp_path / str(number)).touch()
    with Quota(tmp_path, allowance, statvfs=statvfs()) as quota:
        assert verdict(quota) is None
        for number in range(5, 10):
            (tmp_path / str(number)).touch()
        fill(tmp_path / "big", 3)
        over = verdict(quota)
        remove_tree(tmp_path / "big")
        for path in tmp_path.iterdir():
            path.unlink()
        mended = verdict(quota)

    assert over is not None
    assert said in over.reason
    assert over.remedy == f"remove files from {tmp_path}"
    assert mended is None


def test_a_scan_of_too_much_stops_at_the_quota(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / str(number)).touch()
    with Quota(tmp_path, Allowance(most_files=100), statvfs=statvfs()) as quota:
        assert verdict(quota) is not None
        assert quota.use is not None
        assert quota.use.files < 300


@pytest.mark.parametrize(
    ("free", "said"),
    [
        (statvfs(free_bytes=63 * MIB), "only 63 MiB left, 64 MiB are kept free"),
        (statvfs(free_files=999), "only 999 inodes left, 1000 are kept free"),
    ],
)
def test_a_full_disk_is_over_though_the_folder_is_empty(
    tmp_path: Path, free: Any, said: str
) -> None:
    with Quota(tmp_path, statvfs=free) as quota:
        over = quota.tick()

    assert over is not None
    assert said in over.reason


def test_a_file_system_without_a_number_of_inodes_has_no_floor_of_them(tmp_path: Path) -> None:
    with Quota(tmp_path, statvfs=statvfs(free_files=0, files=0)) as quota:
        assert quota.tick() is None


def test_a_folder_by_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    with pytest.raises(OSError, match=r"."):
        Quota(tmp_path / "link")


ALLOWANCE = Allowance(most_bytes=1000, most_files=100)
USE = Use(bytes=200, files=20)
AT = Space(100.0, 10_000, 1_000)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (Space(101.0, 10_000, 1_000), False),
        (Space(105.0, 10_000, 1_000), True),  # it is time anyway
        (Space(101.0, 9_800, 1_000), False),  # a quarter of what was left, and not more
        (Space(101.0, 9_799, 1_000), True),
        (Space(101.0, 10_000, 979), True),
        (Space(100.5, 9_799, 1_000), False),  # the last one took 0.1 s: a second of rest
        (Space(100.5, 9_199, 1_000), True),  # unless all that was left may be gone
        (Space(101.0, 12_000, 2_000), False),  # somebody made room
        (Space(101.0, 10_000, None), False),
    ],
)
def test_when_the_folder_is_looked_into_again(now: Space, due: bool) -> None:
    assert is_due(ALLOWANCE, USE, AT, 0.1, now) is due


def test_a_tick_looks_into_the_folder_only_when_it_is_due(tmp_path: Path) -> None:
    clock = Clock()
    with Quota(tmp_path, Allowance(most_files=3), clock=clock, statvfs=statvfs()) as quota:
        assert quota.tick() is None
        for number in range(10):
            (tmp_path / str(number)).touch()
        clock.now += 1.0
        early = quota.tick()
        clock.now += 5.0
        late = quota.tick()

    assert early is None
    assert late is not None


def test_a_tick_ends_soon_however_much_there_is(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / str(number)).touch()
    looks = count_up()
    ticks = 0
    # Each look at the clock is 4 ms later.
    with Quota(tmp_path, clock=lambda: next(looks) * 0.004, statvfs=statvfs()) as quota:
        assert quota.tick() is None
        while quota.scanning:
            ticks += 1
            assert quota.tick() is None
        assert quota.use is not None
        assert quota.use.files == 3000

    assert ticks > 10
