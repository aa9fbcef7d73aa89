"""Which processors a worker may run on. Pure.

A quota alone lets eight threads use up their share of all processors at once, and whoever wakes up
meanwhile waits for a tick, 4 ms. A worker that has only as many as its share leaves the others
free.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["cpus_for"]


def cpus_for(cores: float, allowed: frozenset[int], taken: Mapping[int, int]) -> tuple[int, ...]:
    """As many processors of `allowed` as `cores` rounded up, sorted, for sched_setaffinity(2).

    `taken` counts the workers that have each: the least taken are given, so that workers spread. A
    share of less than one processor cannot be held to in this way. Raises ValueError where none is
    allowed.
    """
    if not allowed:
        raise ValueError("no processor is allowed")
    wanted = min(max(1, math.ceil(cores)), len(allowed))
    return tuple(sorted(sorted(allowed, key=lambda cpu: (taken.get(cpu, 0), cpu))[:wanted]))
