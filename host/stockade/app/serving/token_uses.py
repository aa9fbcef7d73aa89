"""When each token was used last: noted in memory, written now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import anyio
import anyio.to_thread

from stockade.errors import HostError

__all__ = ["TokenUses"]

INTERVAL_S: Final = 10.0


class TokenUses:
    """``used`` is what `Tokens` tells; ``keep`` stores the times by name, in seconds since 1970,
    and may block.
    """

    def __init__(
        self, keep: Callable[[Mapping[str, float]], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._keep, self._clock = keep, clock
        self._unwritten: dict[str, float] = {}

    def used(self, name: str) -> None:
        """A token came in."""
        self._unwritten[name] = self._clock()

    async def run(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await anyio.sleep(INTERVAL_S)
            if self._unwritten:
                await anyio.to_thread.run_sync(self.write)

    def write(self) -> None:
        """Write it now. What cannot be written is tried again with the next."""
        noted, self._unwritten = self._unwritten, {}
        try:
            self._keep(noted)
        except HostError:
            self._unwritten = {**noted, **self._unwritten}
