"""Users of their own for the workers of a host that is root: leased from a range, one a worker.

A lease is a locked file, so that two hosts on one machine never give the same user, and a host that
was killed gives all of its back.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stockade.errors import HostError

__all__ = ["LEASES", "Lease", "lease", "sweep"]

LEASES: Final = Path("/run/stockade/uids")  # of the machine, not of one home
TRIES: Final = 64
MOST_HELD: Final = 4096  # of a range, looked through one by one


class Lease:
    """A user; give it back with `release`."""

    def __init__(self, uid: int, path: Path, fd: int) -> None:
        self.uid = uid
        self._path, self._fd = path, fd

    def release(self) -> None:
        """Give it back; twice is once."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        self._path.unlink(missing_ok=True)  # while it is locked: who locks it next makes it anew
        os.close(fd)


def lease(
    first: int,
    last: int,
    *,
    wanted: int | None = None,
    folder: Path = LEASES,
    random: Callable[[int], int] = secrets.randbelow,
) -> Lease:
    """A free user from `first` to `last`; `wanted` if that is one and free. Raises HostError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if wanted is not None and first <= wanted <= last:
        found = _take(wanted, folder)
        if found is not None:
            return found
    for _ in range(TRIES):
        # Not the next one: a process of the last worker that had it may be ending still.
        found = _take(first + random(last - first + 1), folder)
        if found is not None:
            return found
    for uid in range(first, min(last + 1, first + MOST_HELD)):  # nearly all are taken
        found = _take(uid, folder)
        if found is not None:
            return found
    raise HostError(
        f"no user from {first} to {last} is free for a worker",
        remedy='give workers more: set uids = "FIRST-LAST" under [sandbox] in stockade.toml',
    )


def sweep(folder: Path = LEASES) -> None:
    """Remove what hosts that were killed have left: leases that nobody holds."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  # names are wanted
    except FileNotFoundError:
        return
    for name in names:
        if name.isdigit() and (found := _take(int(name), folder)) is not None:
            found.release()


def _take(uid: int, folder: Path) -> Lease | None:
    path = folder / str(uid)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held, there = os.fstat(fd), path.lstat()
    except (BlockingIOError, FileNotFoundError):
        os.close(fd)
        return None
    if (held.st_dev, held.st_ino) != (there.st_dev, there.st_ino):  # given back in between
        os.close(fd)
        return None
    return Lease(uid, path, fd)
