"""An application that is made when it is first asked for, or when there is time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread

__all__ = ["Later"]


class Later:
    """Stands for the ASGI application that ``make`` gives; ``make`` blocks, so a thread runs it.

    The settings page and the admin API take longer to load than all that answers a chat, and
    nobody's first answer waits for them.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._making = anyio.Lock()
        self.made: Any = None  # None until then

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if self.made is None:
            await self.ready()
        await self.made(scope, receive, send)

    async def ready(self) -> None:
        """Make it, if it was not made yet."""
        async with self._making:
            if self.made is None:
                self.made = await anyio.to_thread.run_sync(self._make)
