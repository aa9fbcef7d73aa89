"""How many requests began within the last minute: a window that slides, in bounded memory."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["MINUTE_S", "Minute"]

MINUTE_S: Final = 60.0
# Requests that begin this close together leave the window together, when the last of them may: none
# is freed early, some a little late, and the window has at most 240 entries whatever it counts.
GRAIN_S: Final = 0.25


class Minute:
    """Requests of the last minute; times are seconds of a clock that never goes back."""

    __slots__ = ("_groups", "count")

    def __init__(self) -> None:
        self.count = 0
        self._groups: deque[tuple[float, float, int]] = deque()  # the first, the last, how many

    def add(self, at: float, count: int = 1) -> None:
        """So many began at that time. One that is before the newest counts as that."""
        if count <= 0:
            return
        self.count += count
        first = at
        if self._groups:
            first, last, before = self._groups[-1]
            at = max(at, last)
            if at - first < GRAIN_S:
                self._groups[-1] = (first, at, before + count)
                return
            first = at
        self._groups.append((first, at, count))

    def wait_s(self, now: float, limit: int) -> float:
        """Seconds until one more may begin under a limit; 0.0 where it may now."""
        groups = self._groups
        while groups and groups[0][1] + MINUTE_S <= now:
            self.count -= groups.popleft()[2]
        if self.count < limit:
            return 0.0
        over = self.count - limit + 1
        for _, last, count in groups:
            over -= count
            if over <= 0:
                return last + MINUTE_S - now
        return MINUTE_S  # a limit of 0
