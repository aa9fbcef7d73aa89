"""Users for workers: one each, never the same for two hosts, and none lost with a killed host."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stockade.errors import HostError
from stockade.sandbox.uids import lease

FIRST = 70_000

HOLDER = """
import sys
from pathlib import Path
from stockade.sandbox.uids import lease

held = lease(int(sys.argv[2]), int(sys.argv[3]), folder=Path(sys.argv[1]))
print(held.uid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run" / "uids"


def in_turn(*numbers: int) -> Callable[[int], int]:
    """Chance that says these numbers, the last one for ever."""
    said: Iterator[int] = iter(numbers)
    return lambda below: next(said, numbers[-1])


@pytest.fixture
def holder(folder: Path) -> Iterator[Callable[[int, int], tuple[subprocess.Popen[str], int]]]:
    """Another host, which holds a user until it ends."""
    started: list[subprocess.Popen[str]] = []

    def hold(first: int, last: int) -> tuple[subprocess.Popen[str], int]:
        argv = (sys.executable, "-c", HOLDER, str(folder), str(first), str(last))
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_a_lease_is_in_the_range_and_no_one_elses(folder: Path) -> None:
    leases = [lease(FIRST, FIRST + 999, folder=folder) for _ in range(20)]

    uids = [one.uid for one in leases]
    assert len(set(uids)) == 20
    assert all(FIRST <= uid <= FIRST + 999 for uid in uids)
    for one in leases:
        one.release()


def test_both_ends_of_the_range_are_in_it(folder: Path) -> None:
    low = lease(FIRST, FIRST + 1, folder=folder, random=in_turn(0))
    high = lease(FIRST, FIRST + 1, folder=folder, random=lambda below: below - 1)

    assert (low.uid, high.uid) == (FIRST, FIRST + 1)
    low.release()
    high.release()


def test_the_leases_are_nobody_elses_to_see(folder: Path) -> None:
    held = lease(FIRST, FIRST, folder=folder)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / str(FIRST)).stat().st_mode) == 0o600
    held.release()


def test_a_user_that_is_taken_is_passed_over(folder: Path) -> None:
    held = lease(FIRST, FIRST + 9, folder=folder, random=in_turn(3))
    other = lease(FIRST, FIRST + 9, folder=folder, random=in_turn(3, 3, 5))

    assert (held.uid, other.uid) == (FIRST + 3, FIRST + 5)
    held.release()
    other.release()


def test_what_was_given_back_is_free_again_and_leaves_no_file(folder: Path) -> None:
    held = lease(FIRST, FIRST, folder=folder)
    held.release()

    assert list(folder.iterdir()) == []
    again = lease(FIRST, FIRST, folder=folder)
    assert again.uid == FIRST
    again.release()


def test_giving_back_twice_takes_nothing_from_the_next(folder: Path) -> None:
    held = lease(FIRST, FIRST, folder=folder)
    held.release()
    following = lease(FIRST, FIRST, folder=folder)

    held.release()

    with pytest.raises(HostError):
        lease(FIRST, FIRST, folder=folder)
    following.release()


def test_a_range_that_is_used_up_is_said_so_with_the_setting_that_helps(folder: Path) -> None:
    leases = [lease(FIRST, FIRST + 2, folder=folder) for _ in range(3)]

    with pytest.raises(HostError, match=f"no user from {FIRST} to {FIRST + 2} is free") as caught:
        lease(FIRST, FIRST + 2, folder=folder)

    assert "uids" in caught.value.remedy
    assert "[sandbox]" in caught.value.remedy
    leases[1].release()
    again = lease(FIRST, FIRST + 2, folder=folder)
    assert again.uid == leases[1].uid
    for one in (*leases, again):
        one.release()


def test_the_wanted_user_is_given_where_it_is_in_the_range_and_free(folder: Path) -> None:
    wanted = lease(FIRST, FIRST + 9, wanted=FIRST + 7, folder=folder, random=in_turn(0))
    taken = lease(FIRST, FIRST + 9, wanted=FIRST + 7, folder=folder, random=in_turn(1))
    outside = lease(FIRST, FIRST + 9, wanted=0, folder=folder, random=in_turn(2))

    assert [one.uid - FIRST for one in (wanted, taken, outside)] == [7, 1, 2]
    for one in (wanted, taken, outside):
        one.release()


def test_two_hosts_never_have_the_same_user(
    folder: Path, holder: Callable[[int, int], tuple[subprocess.Popen[str], int]]
) -> None:
    _, theirs = holder(FIRST, FIRST + 1)

    ours = lease(FIRST, FIRST + 1, folder=folder)

    assert {theirs, ours.uid} == {FIRST, FIRST + 1}
    with pytest.raises(HostError):
        lease(FIRST, FIRST + 1, folder=folder)
    ours.release()


def test_a_killed_hosts_user_is_free_again(
    folder: Path, holder: Callable[[int, int], tuple[subprocess.Popen[str], int]]
) -> None:
    process, theirs = holder(FIRST, FIRST)
    with pytest.raises(HostError):
        lease(FIRST, FIRST, folder=folder)

    process.kill()
    process.wait()

    ours = lease(FIRST, FIRST, folder=folder)
    assert ours.uid == theirs
    ours.release()


def test_a_lease_is_not_handed_on_to_what_the_host_starts(folder: Path) -> None:
    held = lease(FIRST, FIRST, folder=folder)
    argv = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    with subprocess.Popen(
        argv, close_fds=False, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        held.release()

        again = lease(FIRST, FIRST, folder=folder)

        again.release()
        child.kill()


def test_a_link_in_the_place_of_a_lease_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    (folder / str(FIRST)).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic links"):
        lease(FIRST, FIRST, folder=folder)

    assert not (tmp_path / "elsewhere").exists()


def test_leases_leave_no_descriptor(folder: Path) -> None:
    before = open_descriptors()
    held = lease(FIRST, FIRST, folder=folder)
    for _ in range(5):
        with pytest.raises(HostError):
            lease(FIRST, FIRST, folder=folder)
    held.release()

    assert open_descriptors() == before


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
