"""A process and all that it started, measured together: memory, time, threads; a few small reads.

The pids below are looked up at most twice a second, for that costs more than all the rest. What has
been handed to another parent is missed, which cannot happen to the first process of a PID
namespace.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from .usage import PAGE_BYTES, TICKS_PER_S

FOLLOW_S: Final = 0.5  # between two looks for children
MOST_PROCESSES: Final = 4096  # followed; whoever has more is over any limit that fits
STAT_BYTES: Final = 4096  # 52 numbers and a name of 64 bytes at most
KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. `rss_bytes` counts a page once for each process that has it, so it is never less
    than what they really use; `tasks` are threads; `cpu_seconds` never falls.
    """

    now: float
    rss_bytes: int
    cpu_seconds: float
    tasks: int
    processes: int = 1


class _Stat(NamedTuple):
    state: str
    ticks: int
    tasks: int
    born: int  # ticks since boot: with the pid, which process it is
    rss_bytes: int


class Tree:
    """The tree below `pid`, which its owner has not reaped. Made once a worker.

    `follow_children`: only for a worker that may start processes.
    """

    def __init__(
        self,
        pid: int,
        *,
        follow_children: bool = False,
        clock: Callable[[], float] = time.monotonic,
        proc: Path = Path("/proc"),
    ) -> None:
        self.pid = pid
        self._follow = follow_children
        self._clock = clock
        self._proc = str(proc)
        self._born: dict[int, int] = {}  # pid below → when it was born
        self._looked_at = float("-inf")
        self._spent = 0.0

    def sample(self) -> Sample | None:
        """What all of it uses now; None once the process itself has ended."""
        now = self._clock()
        first = self._read(self.pid)
        if first is None or first.state in ("Z", "X"):
            return None
        found = [first]
        if self._follow:
            if now - self._looked_at >= FOLLOW_S:
                self._look()
                self._looked_at = now
            for pid, born in list(self._born.items()):
                stat = self._read(pid)
                if stat is None or stat.born != born:  # gone; its pid may be another's by now
                    del self._born[pid]
                else:
                    found.append(stat)
        # A child's time becomes its parent's when it is reaped; in between it is in neither.
        self._spent = max(self._spent, sum(stat.ticks for stat in found) / TICKS_PER_S)
        return Sample(
            now=now,
            rss_bytes=sum(stat.rss_bytes for stat in found),
            cpu_seconds=self._spent,
            tasks=sum(stat.tasks for stat in found),
            processes=len(found),
        )

    def pids(self) -> tuple[int, ...]:
        """All of it now, looked up anew where it may start processes."""
        if self._follow:
            self._look()
        return self.pid, *self._born

    def shared_bytes(self) -> int:
        """How large the anonymous memory is that it has mapped to share; used or not, for what was
        used once and given back is in no other figure. Some 0.3 ms a process.
        """
        total = 0
        for pid in (self.pid, *self._born):
            try:
                text = Path(self._proc, str(pid), "maps").read_bytes()
            except OSError:  # it has ended meanwhile
                continue
            for line in text.splitlines():
                if line.endswith(b"/dev/zero (deleted)"):
                    first, _, last = line.split(b" ", 1)[0].partition(b"-")
                    total += int(last, 16) - int(first, 16)
        return total

    def proportional_bytes(self) -> int | None:
        """The memory with each shared page counted once; None where the kernel does not show it.

        Some 0.6 ms a process: to make sure of a verdict on several, not for every look.
        """
        total = 0
        for pid in (self.pid, *self._born):
            try:
                text = Path(self._proc, str(pid), "smaps_rollup").read_bytes()
            except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                continue
            except OSError:
                return None
            total += sum(
                int(line.split()[1]) * KIB
                for line in text.splitlines()
                if line.startswith(b"Pss:")  # huge and swapped pages have lines of other names
            )
        return total

    def _look(self) -> None:
        found: dict[int, int] = {}
        waiting = [self.pid]
        while waiting and len(found) < MOST_PROCESSES:
            for pid in self._children(waiting.pop()):
                stat = self._read(pid)
                if stat is not None and pid not in found:
                    found[pid] = stat.born
                    waiting.append(pid)
        self._born = found

    def _children(self, pid: int) -> list[int]:
        children: list[int] = []
        try:
            tasks = list(Path(self._proc, str(pid), "task").iterdir())
        except OSError:  # it has ended
            return children
        for task in tasks:
            try:
                children += map(int, (task / "children").read_bytes().split())
            except OSError:
                continue
        return children

    def _read(self, pid: int) -> _Stat | None:
        # By plain calls: a Path made for each of 20 looks a second costs twice the kernel's work.
        try:
            fd = os.open(f"{self._proc}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return _parse(os.read(fd, STAT_BYTES))
        except ProcessLookupError:  # it ended in between
            return None
        finally:
            os.close(fd)


def can_follow(proc: Path = Path("/proc")) -> bool:
    """Whether this kernel lists children (CONFIG_PROC_CHILDREN); where it does not, a worker that
    may start processes cannot be measured.
    """
    return (proc / "thread-self" / "children").exists()


def _parse(text: bytes) -> _Stat | None:
    """A line of /proc/PID/stat, see proc_pid_stat(5); the name may hold blanks and brackets."""
    fields = text[text.rfind(b")") + 2 :].split()  # from field 3, the state, on
    try:
        return _Stat(
            state=fields[0].decode("ascii"),
            ticks=sum(map(int, fields[11:15])),  # 14 to 17: its own and its reaped children's
            tasks=int(fields[17]),  # 20
            born=int(fields[19]),  # 22
            rss_bytes=int(fields[21]) * PAGE_BYTES,  # 24
        )
    except (IndexError, ValueError):
        return None
