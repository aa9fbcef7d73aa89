"""What processes used: CPU by thread, memory, and the one CPU that everything is measured on."""

from __future__ import annotations

import os
import time
from pathlib import Path

CPU = 0


def pin(cpu: int = CPU) -> None:
    """Keep this process, and every thread and process it starts from now on, on one CPU.

    Both sides on one CPU makes ratios repeat under other load; it forbids overlap, so a round trip
    is the total work of both.
    """
    os.sched_setaffinity(0, {cpu})


def thread_cpu(pid: int) -> dict[str, float]:
    """CPU seconds of each thread of a process, by name; `main` is the first one."""
    seconds: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = "main" if int(task.name) == pid else (task / "comm").read_text().strip()
            used = int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue  # it ended meanwhile
        seconds[name] = seconds.get(name, 0.0) + used
    return seconds


def process_cpu(pid: int) -> float:
    """CPU seconds of a process and of all its threads, ended ones included."""
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3), in Linux' encoding


def memory_kib(pid: int | str = "self") -> dict[str, int]:
    """`smaps_rollup` of a process: Rss, Pss, Private_Dirty, ... in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}
