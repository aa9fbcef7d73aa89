"""What the kernel says of a process that is not reaped yet: state, memory, time. One small read.

psutil reads several files and checks the pid's age each time; a watcher looks twice a second at
every worker and holds the process unreaped, so that its pid cannot have gone to another.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """`state` is the letter of proc_pid_stat(5): R S D run or wait, T t are stopped, Z X ended."""

    state: str
    rss_bytes: int
    cpu_seconds: float

    @property
    def stopped(self) -> bool:
        """Whether a signal or a tracer holds the process still."""
        return self.state in ("T", "t")


def read_usage(pid: int, proc: Path = Path("/proc")) -> Usage | None:
    """The use of `pid`, which the caller has not reaped; None where the kernel shows nothing."""
    try:
        text = (proc / str(pid) / "stat").read_bytes()
    except OSError:  # hidepid, or reaped after all
        return None
    return parse_stat(text)


def started_at(pid: int, proc: Path = Path("/proc")) -> int | None:
    """When `pid` was started, in ticks since boot (field 22); tells it from a later one."""
    try:
        text = (proc / str(pid) / "stat").read_bytes()
        return int(text[text.rfind(b")") + 2 :].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def parse_stat(text: bytes) -> Usage | None:
    """A line of /proc/PID/stat; the name, second and in brackets, may hold blanks and brackets."""
    fields = text[text.rfind(b")") + 2 :].split()  # from field 3, the state, on
    try:
        ticks = int(fields[11]) + int(fields[12])  # fields 14 and 15, utime and stime
        rss = int(fields[21]) * PAGE_BYTES  # field 24
        return Usage(fields[0].decode("ascii"), rss, ticks / TICKS_PER_S)
    except (IndexError, ValueError):
        return None
