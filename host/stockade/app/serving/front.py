"""What the gateway has of the host: whichever one answers at the moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from stockade.app.host import Host
from stockade.models import Listed
from stockade.router import Answer
from stockade_sdk.chat import ChatRequest

__all__ = ["Front"]


class Front:
    """Fulfils ``gateway.serves.Serves``; ``current`` gives the host of now."""

    def __init__(self, current: Callable[[], Host]) -> None:
        self._current = current

    async def run(
        self, request: Any, *, timeout: float | None = None, plugin: str | None = None
    ) -> Any:
        """See ``Host.run``."""
        return await self._current().run(request, timeout=timeout, plugin=plugin)

    def stream(
        self, request: ChatRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> Answer:
        """See ``Host.stream``."""
        return self._current().stream(request, timeout=timeout, plugin=plugin)

    def listed(self) -> Iterable[Listed]:
        """Every model of the enabled plugins."""
        return self._current().knowledge.listing.models

    def aliases(self) -> Iterable[str]:
        """The operator's own names for models."""
        return self._current().knowledge.aliases

    def ready(self) -> str | None:
        """Why no request would be answered now; None where one would: some plugin may run, and not
        all of them rest.
        """
        host = self._current()
        usable = [record.name for record in host.knowledge.usable]
        if not usable:
            return "no plugin is installed and enabled"
        standings = host.standings()
        if all(name in standings for name in usable):
            return "every plugin rests: " + "; ".join(
                f"{name}: {standings[name].why or standings[name].state}" for name in usable[:5]
            )
        return None
