"""Health checks on a schedule: spread over the interval, one provider after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import anyio

from stockade.errors import HostError

from .checks import Checks
from .subjects import Subject

__all__ = ["check_on_schedule", "spread"]

JITTER: Final = 0.1  # of the interval, either way: two hosts do not keep in step
MIN_INTERVAL_S: Final = 1.0
LOOK_S: Final = 30.0  # how late a provider that was installed meanwhile is noticed, at most


async def check_on_schedule(
    checks: Checks,
    subjects: Callable[[], Awaitable[Iterable[Subject]]],
    interval_s: float,
    *,
    random: Callable[[], float],
    steady: Callable[[], float],
    on_failure: Callable[[HostError], None],
    sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
) -> None:
    """Ask each provider about every ``interval_s`` seconds, until cancelled; none at the start.

    ``subjects`` gives them as they are at the moment; where it raises HostError, that is told and
    the next look is waited for. One that is still being asked when it is due again is left out.
    ``random`` gives numbers from 0 to 1, ``steady`` seconds that never go back.
    """
    interval_s = max(interval_s, MIN_INTERVAL_S)
    due: dict[str, float] = {}
    running: set[str] = set()

    async def one(subject: Subject) -> None:
        try:
            await checks.one(subject)
        finally:
            running.discard(subject.provider)

    async with anyio.create_task_group() as tasks:
        while True:
            try:
                known = {subject.provider: subject for subject in await subjects()}
            except HostError as error:
                on_failure(error)
                await sleep(min(LOOK_S, interval_s))
                continue
            now = steady()
            due = spread(due, known, now, interval_s, random)
            for name in [name for name, at in due.items() if at <= now]:
                due[name] = now + interval_s * (1 - JITTER + 2 * JITTER * random())
                if name not in running:
                    running.add(name)
                    tasks.start_soon(one, known[name])
            soonest = min(due.values(), default=now + interval_s)
            await sleep(min(max(0.0, soonest - now), LOOK_S))


def spread(
    due: Mapping[str, float],
    known: Mapping[str, Subject],
    now: float,
    interval_s: float,
    random: Callable[[], float],
) -> dict[str, float]:
    """When each known provider is due: as it was, or for those that are new each within a part of
    the coming interval of its own.
    """
    new = [name for name in known if name not in due]
    part_s = interval_s / max(1, len(new))
    found = {name: at for name, at in due.items() if name in known}
    for index, name in enumerate(new):
        found[name] = now + part_s * (index + random())
    return found
