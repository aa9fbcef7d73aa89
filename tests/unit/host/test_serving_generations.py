"""Hosts that follow each other: who answers, what becomes of the one before, and of a bad one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from stockade.app.serving.generations import Generations
from stockade.errors import HostError, SettingsError


class Lives:
    """Stands for hosts: counts those that are open, in the order in which they were opened."""

    def __init__(self) -> None:
        self.opened = 0
        self.open: list[One] = []
        self.fails: Exception | None = None

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Any]:
        if self.fails is not None:
            raise self.fails
        self.opened += 1
        one = One(self.opened)
        self.open.append(one)
        try:
            yield one
        finally:
            self.open.remove(one)


class One:
    def __init__(self, number: int) -> None:
        self.number, self.settled = number, 0
        self.may_end = anyio.Event()
        self.may_end.set()

    async def settle(self) -> None:
        self.settled += 1

    async def idle(self) -> None:
        await self.may_end.wait()


def number(generations: Generations) -> int:
    """Of the host that answers."""
    current: Any = generations.current
    return int(current.number)


async def until(done: Callable[[], bool]) -> None:
    """Let others run until it is so; a few turns suffice."""
    for _ in range(100):
        if done():
            return
        await anyio.lowlevel.checkpoint()
    raise AssertionError("it did not come to that")


async def test_the_next_one_answers_and_the_one_before_ends() -> None:
    lives = Lives()
    async with Generations(lives, drain_s=5) as generations:
        first = lives.open[0]
        await generations.renew()
        await until(lambda: first not in lives.open)
        now = number(generations)

    assert now == 2
    assert first.settled == 1
    assert lives.open == []


async def test_the_one_before_ends_only_when_its_requests_have() -> None:
    lives = Lives()
    async with Generations(lives, drain_s=60) as generations:
        first = lives.open[0]
        first.may_end = anyio.Event()
        await generations.renew()
        both = list(lives.open)
        first.may_end.set()
        await until(lambda: first not in lives.open)

    assert both[0] is first
    assert len(both) == 2


async def test_one_that_does_not_end_in_time_is_left() -> None:
    lives = Lives()
    async with Generations(lives, drain_s=0.01) as generations:
        first = lives.open[0]
        first.may_end = anyio.Event()
        await generations.renew()
        with anyio.fail_after(5):
            while first in lives.open:  # noqa: ASYNC110  # nobody tells of it
                await anyio.sleep(0.005)

    assert lives.open == []


async def test_one_that_cannot_be_opened_replaces_none() -> None:
    lives = Lives()
    async with Generations(lives, drain_s=5) as generations:
        lives.fails = SettingsError("stockade.toml, line 2: no")
        with pytest.raises(SettingsError):
            await generations.renew()
        now, open_now = number(generations), len(lives.open)

    assert (now, open_now) == (1, 1)


async def test_where_the_first_cannot_be_opened_its_error_comes_out() -> None:
    lives = Lives()
    lives.fails = HostError("no disk")

    with pytest.raises(HostError, match="no disk"):
        async with Generations(lives, drain_s=5):
            raise AssertionError("it cannot have been entered")


async def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    lives = Lives()

    with pytest.raises(KeyError):
        async with Generations(lives, drain_s=5):
            raise KeyError("x")

    assert lives.open == []
