"""How much a folder that a stranger fills may hold: measured in small steps, judged purely.

The tree is hostile: any names, any depth, changed while it is read. Links are never followed and
other file systems not entered. A scan ends as soon as the quota is exceeded, so it looks at no more
entries than may be there. What hides from it (deleted files that are mapped) is bounded by a floor
below which the file system must not fall.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

from .scan import MOST_DEPTH, Use, scanning, unlinked_bytes
from .trees import OPEN_FOLDER

KIB: Final = 1024
MIB: Final = 1024 * KIB
DATA_BYTES: Final = 1024 * MIB  # a plugin's data: caches and indexes of a usual size
DATA_FILES: Final = 100_000  # looked through in about half a second
FLOOR_BYTES: Final = 64 * MIB  # left on the file system: state.db and the logs must be writable
FLOOR_FILES: Final = 1000
SCAN_S: Final = 5.0  # between two scans at most
SHARE: Final = 0.25  # of what was left: so much less free space asks for a scan
REST: Final = 10.0  # times a scan's duration that follow without one: at most a tenth of a core
STEP_S: Final = 0.005  # of one step


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a folder may hold, and what the file system it lies on must keep free."""

    most_bytes: int = DATA_BYTES
    most_files: int = DATA_FILES
    floor_bytes: int = FLOOR_BYTES
    floor_files: int = FLOOR_FILES


@dataclass(frozen=True, slots=True)
class Space:
    """The file system at `now`; `free_files` is None where it has no fixed number of them."""

    now: float
    free_bytes: int
    free_files: int | None


class Over(NamedTuple):
    """Why the folder must be mended before its worker may run: figures, and what to do."""

    reason: str
    remedy: str


def is_due(allowance: Allowance, use: Use, at_scan: Space, took_s: float, now: Space) -> bool:
    """Whether it is time to look again. `use` is what was found at `at_scan` in `took_s`."""
    age = now.now - at_scan.now
    if age >= SCAN_S:
        return True
    fell = at_scan.free_bytes - now.free_bytes
    left = allowance.most_bytes - use.bytes
    fell_files, left_files = 0, allowance.most_files - use.files
    if at_scan.free_files is not None and now.free_files is not None:
        fell_files = at_scan.free_files - now.free_files
    if fell > left or fell_files > left_files:
        return True
    return age >= REST * took_s and (fell > SHARE * left or fell_files > SHARE * left_files)


def over_quota(allowance: Allowance, use: Use, folder: str) -> Over | None:
    """Whether a folder holds more than it may, or what cannot be counted."""
    remedy = f"remove files from {folder}"
    if use.bytes > allowance.most_bytes:
        return Over(f"it holds more than {allowance.most_bytes // MIB} MiB", remedy)
    if use.files > allowance.most_files:
        return Over(f"it holds more than {allowance.most_files} files", remedy)
    if use.too_deep:
        return Over(f"it has folders nested more than {MOST_DEPTH} deep", remedy)
    if use.unreadable:
        return Over(
            f"{use.unreadable} folders in it cannot be read, so what they hold cannot be counted",
            f"remove them from {folder}, or make them readable",
        )
    return None


def below_floor(allowance: Allowance, space: Space, folder: str) -> Over | None:
    """Whether the file system has too little left, whoever took it."""
    remedy = f"free some on the disk of {folder}"
    if space.free_bytes < allowance.floor_bytes:
        left, kept = space.free_bytes // MIB, allowance.floor_bytes // MIB
        return Over(f"its disk has only {left} MiB left, {kept} MiB are kept free", remedy)
    if space.free_files is not None and space.free_files < allowance.floor_files:
        left, kept = space.free_files, allowance.floor_files
        return Over(f"its disk has only {left} inodes left, {kept} are kept free", remedy)
    return None


class Quota:
    """One folder under watch: `tick` it several times a second; `close` it, or use `with`."""

    def __init__(
        self,
        folder: Path,
        allowance: Allowance | None = None,
        *,
        pids: Callable[[], Iterable[int]] = tuple,
        clock: Callable[[], float] = time.monotonic,
        statvfs: Callable[[int], os.statvfs_result] = os.statvfs,
    ) -> None:
        """Open the folder, which must not be a link. `pids` of those that may have deleted files
        of it open. Raises OSError.
        """
        self.folder = folder
        self.allowance = allowance or Allowance()
        self.use: Use | None = None  # what the last whole scan found
        self._pids = pids
        self._clock = clock
        self._statvfs = statvfs
        self._fd = os.open(folder, OPEN_FOLDER)
        self._scan: Generator[Use, None, None] | None = None
        self._began: Space | None = None  # when the scan under way began, or the last one
        self._took_s = 0.0  # of work, all steps of a scan together

    @property
    def scanning(self) -> bool:
        """Whether a scan is under way: then `tick` again soon."""
        return self._scan is not None

    def tick(self) -> Over | None:
        """Look at the free space, and for at most some 5 ms into the folder where that is due.

        Raises OSError where the file system does not answer.
        """
        space = self._space()
        low = below_floor(self.allowance, space, str(self.folder))
        if low is not None:
            return low
        if self._scan is None:
            began, use = self._began, self.use
            if (
                began is not None
                and use is not None
                and not is_due(self.allowance, use, began, self._took_s, space)
            ):
                return None
            held = unlinked_bytes(self._pids(), os.fstat(self._fd).st_dev)
            self._scan, self._began, self._took_s = scanning(self._fd, held), space, 0.0
        return self._step(self._scan)

    def measure(self) -> Iterator[Over | None]:
        """Look through all of it, in steps; the last verdict counts. For before a start."""
        self._drop()
        while True:
            over = self.tick()
            yield over
            if over is not None or self._scan is None:
                return

    def _step(self, scan: Iterator[Use]) -> Over | None:
        began = self._clock()
        use = None
        for use in scan:
            over = over_quota(self.allowance, use, str(self.folder))
            if over is not None:
                self._drop()
                self.use = use
                return over
            if self._clock() - began >= STEP_S:
                self._took_s += self._clock() - began
                return None
        self._took_s += self._clock() - began
        self._scan = None
        self.use = use
        return None

    def _space(self) -> Space:
        found = self._statvfs(self._fd)
        files = found.f_favail if found.f_files else None  # btrfs makes inodes as it goes
        return Space(self._clock(), found.f_bavail * found.f_frsize, files)

    def _drop(self) -> None:
        """Forget what is known: the next tick looks anew."""
        scan, self._scan, self._began, self.use = self._scan, None, None, None
        if scan is not None:
            scan.close()

    def close(self) -> None:
        """Let go of the folder; twice is once."""
        self._drop()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
