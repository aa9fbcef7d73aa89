"""What the authors of plugins under development save is taken up while a host serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from stockade.app.developing import DEVELOPMENT, Stamp, reload, stamp_of
from stockade.app.host import Host
from stockade.errors import HostError
from stockade.state import Installed

__all__ = ["Reloading"]

POLL_S: Final = 1.0  # between looks at the folders
SETTLE_S: Final = 0.1  # a save may be several writes: only what rests so long is read


class Reloading:
    """Looks at the folders once a second. ``current`` gives the host of now, ``renew`` has it take
    up what was installed.
    """

    def __init__(
        self,
        current: Callable[[], Host],
        renew: Callable[[], Awaitable[None]],
        *,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        self._current, self._renew, self._sleep = current, renew, sleep
        self._seen: dict[str, Stamp] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._sleep(POLL_S)
            await self.look()

    async def look(self) -> None:
        """Take up what has changed since the last look."""
        known = [one for one in self._current().knowledge.usable if one.trust == DEVELOPMENT]
        self._seen = {one.name: self._seen[one.name] for one in known if one.name in self._seen}
        for record in known:
            stamp = await self._stamp(record)
            if stamp == self._seen.get(record.name):
                continue
            await self._sleep(SETTLE_S)
            if await self._stamp(record) == stamp:
                try:
                    await self._reload(record)
                except HostError as error:  # of the state: the next look tries again
                    self._current().note(str(error), plugin=record.name)
                else:
                    self._seen[record.name] = stamp

    async def _stamp(self, record: Installed) -> Stamp:
        return await anyio.to_thread.run_sync(stamp_of, Path(record.source))

    async def _reload(self, record: Installed) -> None:
        host = self._current()
        became = await anyio.to_thread.run_sync(
            reload, host.home, host.settings, host.state, record
        )
        if became.problem:
            host.note(became.problem, plugin=record.name)
        if became.digest != record.digest:
            host.note(f"{record.name}: what was saved in {record.source} is in use now")
        if became.problem or became.digest != record.digest or record.last_error:
            await self._renew()
