"""Whether a worker is over one of its limits, by what was measured of it. Pure.

This holds where no control group does. Processor time ends nobody here: who uses more than its
share is held back by the kernel, or keeps to its processors (see `sandbox.processors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stockade.process.tree import Sample
from stockade.sandbox.cgroups import Counts
from stockade_sdk.limits import Limits
from stockade_sdk.units import MIB

WATCH_S: Final = 0.05  # between two looks: 1 GB/s of new memory is 50 MB too many
HELD_BACK_S: Final = 0.1  # from so much on it is told; one turn of the scheduler's
WHOLE_SHARE: Final = 0.9  # of its processor limit, from which on a worker used all of it


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that a worker was over: a key of `[limits]`, or "data" or "output".

    `reason` tells the figures; `remedy` what helps where no line of the manifest does.
    """

    limit: str
    reason: str
    remedy: str = ""


def over_budget(
    sample: Sample, limits: Limits, proportional_bytes: int | None = None
) -> Exceeded | None:
    """The limit that a tree is over, None where it is within all.

    `proportional_bytes`: with shared pages counted once, where that was measured; see
    `wants_proportional`.
    """
    memory = sample.rss_bytes if proportional_bytes is None else proportional_bytes
    if memory > limits.memory_bytes:
        return Exceeded(
            "memory", f"it used {_mib(memory)} of memory, {_mib(limits.memory_bytes)} are allowed"
        )
    if sample.tasks > limits.processes:
        return Exceeded(
            "processes",
            f"it had {sample.tasks} processes and threads, {limits.processes} are allowed",
        )
    return None


def over_shared(shared_bytes: int, limits: Limits) -> Exceeded | None:
    """Whether the memory that a tree has mapped to share is more than it may use."""
    if shared_bytes <= limits.memory_bytes:
        return None
    return Exceeded(
        "memory",
        f"it mapped {_mib(shared_bytes)} of memory to share, {_mib(limits.memory_bytes)} are "
        "allowed",
    )


def wants_proportional(sample: Sample, limits: Limits) -> bool:
    """Whether the verdict hangs on pages that several processes of it share."""
    return sample.processes > 1 and sample.rss_bytes > limits.memory_bytes


def limits_note(before: Counts, after: Counts) -> str | None:
    """What its limits had to do with an attempt that timed out between two readings, or None."""
    held_back = after.throttled_s - before.throttled_s
    if held_back < HELD_BACK_S:
        return None
    return f"its worker was held back by limits.cpu for {held_back:.1f} s of processor time"


def share_note(before: Sample, after: Sample, cores: float) -> str | None:
    """The same by samples, where no control group counts: whether it used all of its share."""
    wall = after.now - before.now
    if wall <= 0.0:
        return None
    used = (after.cpu_seconds - before.cpu_seconds) / wall
    if used < WHOLE_SHARE * cores:
        return None
    return f"its worker used its whole share of the processor, limits.cpu = {cores:g}"


def _mib(size: int) -> str:
    return f"{size / MIB:.0f} MiB"
