"""How much of a processor each worker takes, from two looks at what it has used. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

__all__ = ["Processors"]

MIN_LOOK_S: Final = 0.5  # between looks: the kernel counts in hundredths of a second


class Look(NamedTuple):
    """What a process had used at a time, and what that came to since the look before."""

    at: float
    cpu_seconds: float
    percent: float | None


class Processors:
    """The last look at each process; used on one thread."""

    def __init__(self) -> None:
        self._looks: dict[int, Look] = {}

    def percent(self, pid: int | None, cpu_seconds: float | None, now: float) -> float | None:
        """Of one processor since the look before; None at the first. `now` is in steady seconds.

        A look that comes too soon, another page's say, gets the last answer again.
        """
        if pid is None or cpu_seconds is None:
            return None
        before = self._looks.get(pid)
        if before is None or cpu_seconds < before.cpu_seconds:  # the number is another process's
            self._looks[pid] = Look(now, cpu_seconds, None)
            return None
        span_s = now - before.at
        if span_s < MIN_LOOK_S:
            return before.percent
        percent = round(100.0 * (cpu_seconds - before.cpu_seconds) / span_s, 1)
        self._looks[pid] = Look(now, cpu_seconds, percent)
        return percent

    def keep_only(self, pids: Collection[int]) -> None:
        """Forget the processes that are gone."""
        for pid in [pid for pid in self._looks if pid not in pids]:
            del self._looks[pid]
