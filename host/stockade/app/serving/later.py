"""An application that is made when it is first asked for, or when there is time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread

__all__ = ["Later"]


class Later:
    """Stands for the ASGI application that ``make`` gives; ``make`` blocks, so a thread runs it.

    The settings page costs a third of a second to load, and nobody's first answer waits for that.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._making = anyio.Lock()
        self._made: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if self._made is None:
            await self.ready()
        await self._made(scope, receive, send)

    async def ready(self) -> None:
        """Make it, if it was not made yet."""
        async with self._making:
            if self._made is None:
                self._made = await anyio.to_thread.run_sync(self._make)
