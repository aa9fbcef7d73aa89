"""Waiting for what a host says it did."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from stockade.supervisor import PluginEvent, What

PATIENCE_S = 20.0  # for anything on a busy machine
LOOK_S = 0.01


class News:
    """The events of a host, to be waited for; pass `hear` as its `on_event`."""

    def __init__(self) -> None:
        self.events: list[PluginEvent] = []
        self._came = anyio.Event()

    def hear(self, event: PluginEvent) -> None:
        """Take one."""
        self.events.append(event)
        self._came.set()
        self._came = anyio.Event()

    def count(self, what: What, plugin: str) -> int:
        """How many of a kind there were."""
        return sum(event.what is what and event.plugin == plugin for event in self.events)

    async def until(self, what: What, plugin: str, times: int) -> None:
        """Wait until there were so many of a kind."""
        with anyio.fail_after(PATIENCE_S):
            while self.count(what, plugin) < times:
                await self._came.wait()


async def until(true: Callable[[], bool]) -> None:
    """Wait for what no event tells of, looking again and again."""
    with anyio.fail_after(PATIENCE_S):
        while not true():  # noqa: ASYNC110 (there is no event)
            await anyio.sleep(LOOK_S)
