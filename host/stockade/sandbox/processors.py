"""Which processors a worker may run on, where no control group holds it to its share. Pure."""

from __future__ import annotations

import math

__all__ = ["cpus_for"]


def cpus_for(cores: float, allowed: frozenset[int], start: int) -> tuple[int, ...]:
    """As many processors of `allowed` as `cores` rounded up, sorted, for sched_setaffinity(2).

    `start` counts the workers: the next one gets the next processors, so that they spread. A share
    of less than one processor cannot be held to in this way. Raises ValueError where none is
    allowed.
    """
    if not allowed:
        raise ValueError("no processor is allowed")
    wanted = min(max(1, math.ceil(cores)), len(allowed))
    order = sorted(allowed)
    first = start * wanted % len(order)
    return tuple(sorted((order + order)[first : first + wanted]))
