"""The ``Context`` of one call, over the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stockade_sdk import wire
from stockade_sdk.context import Context, Logger
from stockade_sdk.errors import capped
from stockade_sdk.http import Http, OpenExchange

from .exchange import Exchanges, Send

MAX_FIELDS = 32  # of a log record


class Surroundings:
    """What all calls of this worker share; makes the context of each."""

    def __init__(
        self, load: wire.Load, exchanges: Exchanges, send: Send, clock: Callable[[], float]
    ) -> None:
        self._config = MappingProxyType(load.config)
        self._secrets = load.secrets
        self._data_dir = Path(load.data_dir) if load.data_dir is not None else None
        self._exchanges, self._send, self._clock = exchanges, send, clock

    def context(self, call: int, timeout_s: float) -> Context:
        """For call ``call``, which has ``timeout_s`` seconds left."""
        over = self._clock() + timeout_s

        def remaining() -> float:
            return over - self._clock()

        async def exchange(
            method: str,
            url: str,
            headers: tuple[tuple[str, str], ...],
            body: bytes | None,
            timeout: float | None,
        ) -> OpenExchange:
            left = max(0.001, remaining())
            wanted = left if timeout is None else min(left, timeout)
            return await self._exchanges.open(call, method, url, headers, body, wanted)

        def log(level: str, message: str, fields: Mapping[str, Any]) -> None:
            self._send(
                wire.Log(level, capped(str(message), wire.MAX_LOG_CHARS), as_text(fields), call)
            )

        return Context(
            config=self._config,
            http=Http(exchange),
            log=Logger(log),
            secrets=self._secrets,
            data_dir=self._data_dir,
            remaining=remaining,
        )


def as_text(fields: Mapping[str, Any]) -> dict[str, str]:
    """Log fields as the wire wants them: few, short and text."""
    return {
        capped(str(name), 64): capped(str(value), wire.MAX_LOG_CHARS)
        for name, value in list(fields.items())[:MAX_FIELDS]
    }
