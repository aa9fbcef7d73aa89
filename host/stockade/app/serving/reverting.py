"""A new version that keeps dying is taken back by itself, once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio
import anyio.to_thread

from stockade.app.host import Host
from stockade.errors import HostError, NotInstalled
from stockade.state import Installed
from stockade.state.versions import Version
from stockade.supervisor import PluginEvent, What

__all__ = ["WINDOW_S", "Reverting", "earlier"]

WINDOW_S: Final = 600.0  # from its installation: what ran longer does not die of being new


def earlier(record: Installed, kept: Sequence[Version], now: float) -> Version | None:
    """The version to go back to from one that was given up, None where it is to stay. Pure.

    Only to what was installed before it, so that going back never goes forth again.
    """
    if record.state == "disabled" or not 0 <= now - record.installed_at <= WINDOW_S:
        return None
    older = kept[0] if kept else None
    if older is None or older.record.installed_at >= record.installed_at:
        return None
    return older


class Reverting:
    """``heard`` is told what becomes of workers; ``revert`` goes back from a version to an earlier
    one and has that take requests, with the reason in words. ``clock`` is in seconds since 1970.
    """

    def __init__(
        self,
        current: Callable[[], Host],
        revert: Callable[[Installed, Installed, str], Awaitable[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._current, self._revert, self._clock = current, revert, clock
        self._given_up: dict[str, str] = {}  # by plugin, with why; not looked at yet
        self._news = anyio.Event()
        self._tried: set[tuple[str, str]] = set()  # name and digest: once each

    def heard(self, event: PluginEvent) -> None:
        """One piece of news."""
        if event.what is What.GAVE_UP:
            self._given_up[event.plugin] = event.reason
            self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            while self._given_up:
                await self.consider(*self._given_up.popitem())

    async def consider(self, plugin: str, reason: str) -> None:
        """Go back from a version that was given up for `reason`, if that is due."""
        host = self._current()
        await host.settle()  # what is noted of its end would be taken for the earlier version's
        try:
            record = await anyio.to_thread.run_sync(host.state.require, plugin)
            kept = await anyio.to_thread.run_sync(host.state.versions.of, plugin)
            older = earlier(record, kept, self._clock())
            if older is None or (plugin, record.digest) in self._tried:
                return
            self._tried.add((plugin, record.digest))
            host.note(f"{plugin} {record.version} kept dying: back to {older.record.version}")
            await self._revert(record, older.record, reason)
        except NotInstalled:  # meanwhile: there is nothing to go back from
            return
        except HostError as error:
            host.note(f"{plugin} could not go back to an earlier version by itself: {error}")
