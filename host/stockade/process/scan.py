"""What a folder holds, counted in small steps; the tree is a stranger's and changes meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .trees import OPEN_FOLDER

BLOCK_BYTES: Final = 512  # of st_blocks, whatever the file system's own (stat(3type))
MOST_DEPTH: Final = 48  # folders in folders; each holds a descriptor while it is looked through
STEP_ENTRIES: Final = 64  # between two results, some 0.5 ms
_GONE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)  # or no folder any more


@dataclass(frozen=True, slots=True)
class Use:
    """What a folder holds, itself not counted: bytes on the disk (holes are none), names of files
    and folders, folders too deep to look into and such as cannot be read.
    """

    bytes: int = 0
    files: int = 0
    too_deep: int = 0
    unreadable: int = 0


class _Tally:
    def __init__(self, held: int) -> None:
        self.bytes = held
        self.files = 0
        self.too_deep = 0
        self.unreadable = 0
        self._linked: set[int] = set()  # inodes with several names, counted once

    def add(self, found: os.stat_result) -> None:
        self.files += 1
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            if found.st_ino in self._linked:
                return
            self._linked.add(found.st_ino)
        self.bytes += found.st_blocks * BLOCK_BYTES

    def use(self) -> Use:
        return Use(self.bytes, self.files, self.too_deep, self.unreadable)


def scanning(folder: int, held: int = 0) -> Generator[Use, None, None]:
    """Count what is below an open folder; what was found so far each few entries, all at last.

    Never follows a link and enters no other file system. `held` bytes are counted beforehand. Close
    it where it is not gone through: it holds descriptors. Raises OSError where the folder itself
    cannot be read.
    """
    device = os.fstat(folder).st_dev
    tally = _Tally(held)
    looked = 0
    levels = [_open(folder, ".")]
    try:
        while levels:
            fd, entries = levels[-1]
            entry = _next(entries, tally)
            if entry is None:
                _close(*levels.pop())
                continue
            looked += 1
            if looked % STEP_ENTRIES == 0:
                yield tally.use()
            below = _count(entry, fd, device, len(levels), tally)
            if below is not None:
                levels.append(below)
    finally:
        for level in levels:
            _close(*level)
    yield tally.use()


_Level = tuple[int, Iterator[os.DirEntry[str]]]


def _next(entries: Iterator[os.DirEntry[str]], tally: _Tally) -> os.DirEntry[str] | None:
    try:
        return next(entries, None)
    except OSError:  # the disk fails: what it does not show cannot be counted
        tally.unreadable += 1
        return None


def _count(
    entry: os.DirEntry[str], folder: int, device: int, depth: int, tally: _Tally
) -> _Level | None:
    """Count one entry; a folder to look into is opened."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError as error:
        tally.unreadable += error.errno not in _GONE
        return None
    tally.add(found)
    if not stat.S_ISDIR(found.st_mode) or found.st_dev != device:
        return None
    if depth > MOST_DEPTH:
        tally.too_deep += 1
        return None
    try:
        return _open(folder, entry.name)
    except OSError as error:
        tally.unreadable += error.errno not in _GONE
        return None


def _open(folder: int, name: str) -> _Level:
    fd = os.open(name, OPEN_FOLDER, dir_fd=folder)
    try:
        return fd, os.scandir(fd)
    except OSError:
        os.close(fd)
        raise


def _close(fd: int, entries: Iterator[os.DirEntry[str]]) -> None:
    entries.close()  # type: ignore[attr-defined]  # what scandir gives has it
    os.close(fd)


def unlinked_bytes(pids: Iterable[int], device: int, proc: Path = Path("/proc")) -> int:
    """What files hold that have no name any more and that processes keep open, on one device.

    Asks /proc/PID/fd, opening nothing. Processes that are hidden from us count as nothing, and so
    does a file that is mapped and closed: the floor of `process.quota` bounds those.
    """
    sizes: dict[int, int] = {}
    for pid in pids:
        try:
            names = os.listdir(proc / str(pid) / "fd")  # noqa: PTH208  # names alone are wanted
        except OSError:
            continue
        for name in names:
            try:
                found = os.stat(f"{proc}/{pid}/fd/{name}")  # noqa: PTH116
            except OSError:  # closed meanwhile
                continue
            if found.st_nlink == 0 and found.st_dev == device and stat.S_ISREG(found.st_mode):
                sizes[found.st_ino] = found.st_blocks * BLOCK_BYTES
    return sum(sizes.values())
