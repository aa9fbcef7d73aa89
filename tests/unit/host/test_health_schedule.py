"""Health checks on a schedule: when, how spread, and that none is ever doubled."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from stockade.app.health import Checks
from stockade.app.health.schedule import check_on_schedule, spread
from stockade.app.health.subjects import Subject
from stockade.errors import StateError
from stockade_sdk.capability import HealthReport
from tests.unit.host.budget_books import Clocks

pytestmark = pytest.mark.anyio

INTERVAL_S = 300.0


class Over(Exception):
    """The time that a test looks at is over."""


class World:
    """Providers, a clock that `sleep` moves, and when each was asked."""

    def __init__(self, *names: str, until_s: float, hangs: Iterable[str] = ()) -> None:
        self.names, self.hangs = list(names), set(hangs)
        self.clocks = Clocks()
        self.begun_at = self.clocks.steady
        self.until = self.begun_at + until_s
        self.asked: list[tuple[float, str]] = []
        self.cancelled: list[str] = []
        self.fails: list[StateError] = []
        self.told: list[str] = []
        self.checks = Checks(
            self.ask,
            lambda plugin, checked: None,
            wall=lambda: self.clocks.wall,
            steady=lambda: self.clocks.steady,
            timeout_s=10**9,
        )

    async def ask(self, plugin, method, *, timeout):
        self.asked.append((self.clocks.steady - self.begun_at, plugin))
        if plugin in self.hangs:
            try:
                await anyio.sleep_forever()
            finally:
                self.cancelled.append(plugin)
        return HealthReport(ok=True)

    async def subjects(self):
        if self.fails:
            raise self.fails.pop()
        return [Subject(name) for name in self.names]

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()  # what was started begins
        while self.checks._under_way.keys() - self.hangs:
            await anyio.lowlevel.checkpoint()
        self.clocks.pass_(seconds)
        if self.clocks.steady > self.until:
            raise Over

    async def run(self, seed: int = 1) -> None:
        with pytest.raises(BaseExceptionGroup) as ended:
            await check_on_schedule(
                self.checks,
                self.subjects,
                INTERVAL_S,
                random=random.Random(seed).random,
                steady=lambda: self.clocks.steady,
                on_failure=lambda error: self.told.append(str(error)),
                sleep=self.sleep,
            )
        assert ended.group_contains(Over)

    def times(self, name: str) -> list[float]:
        return [at for at, asked in self.asked if asked == name]


async def test_each_provider_is_asked_about_once_in_an_interval():
    world = World(*"abcdefghij", until_s=20 * INTERVAL_S)
    await world.run()

    for name in world.names:
        times = world.times(name)
        gaps = [later - sooner for sooner, later in pairwise(times)]
        assert 18 <= len(times) <= 22
        assert all(0.85 * INTERVAL_S <= gap <= 1.15 * INTERVAL_S + 30 for gap in gaps)
        assert len(set(gaps)) > 1  # not in step


async def test_they_are_spread_over_the_interval_and_none_is_due_at_the_start():
    world = World(*"abcdefghij", until_s=INTERVAL_S)
    await world.run()
    first = [min(world.times(name)) for name in world.names]

    assert min(first) > 0
    for part in range(10):  # one in each tenth
        assert sum(part * 30 <= at < (part + 1) * 30 + 1e-6 for at in first) >= 1


async def test_one_that_hangs_is_not_asked_again_meanwhile_and_the_others_are():
    world = World("slow", "quick", until_s=5 * INTERVAL_S, hangs=["slow"])
    await world.run()

    assert len(world.times("slow")) == 1
    assert len(world.times("quick")) >= 4
    assert world.cancelled == ["slow"]  # it ended with the schedule


async def test_one_that_is_installed_meanwhile_is_asked_and_one_that_is_gone_is_not():
    world = World("old", until_s=4 * INTERVAL_S)
    await world.run()
    world.names = ["new"]
    world.until += 3 * INTERVAL_S
    asked = len(world.times("old"))
    await world.run()

    assert len(world.times("old")) == asked
    assert world.times("new")


async def test_a_store_that_cannot_be_read_is_told_and_looked_at_again():
    world = World("a", until_s=2 * INTERVAL_S)
    world.fails = [StateError("state.db cannot be used")]
    await world.run()

    assert len(world.told) == 1
    assert world.times("a")


async def test_nobody_installed_is_nobody_asked():
    world = World(until_s=INTERVAL_S)
    await world.run()

    assert world.asked == []


def test_the_times_of_known_ones_stay_and_the_new_share_the_interval():
    known = {name: Subject(name) for name in ("a", "b", "c")}

    due = spread({"a": 7.0, "gone": 8.0}, known, 100.0, 60.0, lambda: 0.5)

    assert due == {"a": 7.0, "b": 115.0, "c": 145.0}
