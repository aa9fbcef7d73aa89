"""The ``Context`` of one call, over the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stockade_sdk import wire
from stockade_sdk.context import Context, Logger
from stockade_sdk.errors import capped
from stockade_sdk.http import Http, OpenExchange

from .exchange import Exchanges, Send

if TYPE_CHECKING:
    from pathlib import Path

MAX_FIELDS = 32  # of a log record


class Surroundings:
    """What all calls of this worker share; makes the context of each."""

    def __init__(
        self, load: wire.Load, exchanges: Exchanges, send: Send, clock: Callable[[], float]
    ) -> None:
        self.config = MappingProxyType(load.config)
        self.secrets = load.secrets
        self.data_dir = None if load.data_dir is None else _path(load.data_dir)
        self.exchanges, self.send, self.clock = exchanges, send, clock

    def context(self, call: int, timeout_s: float) -> Context:
        """For call ``call``, which has ``timeout_s`` seconds left."""
        return CallContext(self, call, self.clock() + timeout_s)


class CallContext(Context):
    """The context of one call; ``http`` and ``log`` are made when they are asked for."""

    def __init__(self, surroundings: Surroundings, call: int, over_at: float) -> None:
        # Not the parent's: it wants the parts at once, and most calls use one of them.
        self.config = surroundings.config
        self.data_dir = surroundings.data_dir
        self._secrets = surroundings.secrets
        self._surroundings, self._call, self._over_at = surroundings, call, over_at

    @cached_property
    def http(self) -> Http:  # type: ignore[override]
        """Requests through the host."""
        return Http(self._exchange)

    @cached_property
    def log(self) -> Logger:  # type: ignore[override]
        """Records that the operator can read."""
        return Logger(self._log)

    def _remaining(self) -> float:
        return self._over_at - self._surroundings.clock()

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        timeout: float | None,
    ) -> OpenExchange:
        left = max(0.001, self._remaining())
        wanted = left if timeout is None else min(left, timeout)
        exchanges = self._surroundings.exchanges
        return await exchanges.open(self._call, method, url, headers, body, wanted)

    def _log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        text = capped(str(message), wire.MAX_LOG_CHARS)
        self._surroundings.send(wire.Log(level, text, as_text(fields), self._call))


def _path(text: str) -> Path:
    from pathlib import Path  # 0.4 MiB, which a worker without a folder of its own never pays

    return Path(text)


def as_text(fields: Mapping[str, Any]) -> dict[str, str]:
    """Log fields as the wire wants them: few, short and text."""
    return {
        capped(str(name), 64): capped(str(value), wire.MAX_LOG_CHARS)
        for name, value in list(fields.items())[:MAX_FIELDS]
    }
