"""Limits → which file of which controller gets which value. Pure.

Sources: the kernel's admin-guide/cgroup-v2 and cgroup-v1/{memory,pids}, scheduler/sched-bwc.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from stockade_sdk.limits import Limits

# A core is used and held back in turns of so much. The kernel's own is 100 ms: eight threads use up
# that much of two processors in 50 ms, in which nobody else gets them.
PERIOD_US: Final = 20_000
# Of a group, against 1024 (version 1) or 100 (version 2) of everybody else: whoever wakes up beside
# a worker that spins, the host first of all, goes before it.
SHARES: Final = 128
WEIGHT: Final = 12
LEAST_QUOTA_US: Final = 1_000  # what the kernel takes at least
UNLIMITED: Final = -1


class Setting(NamedTuple):
    """One write. `required`: a kernel without the file cannot enforce the limit."""

    file: str
    value: str
    required: bool = True


def settings(
    version: int, controller: str, limits: Limits, outer_cores: float | None = None
) -> tuple[Setting, ...]:
    """The writes for one controller, in order.

    `outer_cores`: the narrowest processor limit above, where version 1 has one; a wider one below
    it is refused there (EINVAL), while version 2 takes the narrower of both.
    """
    if controller == "memory":
        return _memory(version, limits.memory_bytes)
    if controller == "pids":
        return (Setting("pids.max", str(limits.processes)),)
    cores = limits.cpu_cores if outer_cores is None else min(limits.cpu_cores, outer_cores)
    quota = max(LEAST_QUOTA_US, int(cores * PERIOD_US))
    if version == 2:
        return (
            Setting("cpu.max", f"{quota} {PERIOD_US}"),
            Setting("cpu.weight", str(WEIGHT), required=False),
        )
    return (
        Setting("cpu.shares", str(SHARES), required=False),
        Setting("cpu.cfs_period_us", str(PERIOD_US)),
        Setting("cpu.cfs_quota_us", str(quota)),
    )


def _memory(version: int, size: int) -> tuple[Setting, ...]:
    if version == 2:
        return (
            Setting("memory.max", str(size)),
            Setting("memory.swap.max", "0", required=False),  # absent where nothing is swapped
            # All or nothing: a worker without one of its processes is of no use to anyone.
            Setting("memory.oom.group", "1", required=False),
        )
    return (
        Setting("memory.limit_in_bytes", str(size)),
        # Memory and swap together, so the same number allows no swap. Never below the first one,
        # therefore after it.
        Setting("memory.memsw.limit_in_bytes", str(size), required=False),
    )


def cores_of(quota_us: int | None, period_us: int | None) -> float | None:
    """A version 1 processor limit in cores, None for none."""
    if quota_us is None or not period_us or quota_us == UNLIMITED:
        return None
    return quota_us / period_us
