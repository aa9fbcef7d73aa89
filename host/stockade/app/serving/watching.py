"""What watches a host that serves: metrics, the log of requests, spans where they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio.to_thread

import stockade
from stockade.app.background import Background
from stockade.app.host import Host
from stockade.app.operating import Uses
from stockade.gateway.exchange import Exchange
from stockade.settings import Home, TelemetrySettings
from stockade.telemetry import NOBODY, RequestLog, Watches, all_of
from stockade.telemetry.figures import GatewayFigures
from stockade.telemetry.metrics import Metrics
from stockade.telemetry.workers import WorkerFigures

__all__ = ["Watching"]


class Watching:
    """Made first and told by everything; ``watches`` is for hosts, `heard` for the gateway.

    ``current`` gives the host of now, ``gateway`` what is open at the moment.
    """

    def __init__(self, current: Callable[[], Host], gateway: Callable[[], GatewayFigures]) -> None:
        self._current, self._gateway = current, gateway
        self._log: RequestLog | None = None
        self._spans: Any = None
        self.uses = Uses()
        self.metrics = Metrics(
            self._workers,
            gateway=self._figures,
            listed=lambda target: target in current().knowledge.catalogue.full,
            version=stockade.__version__,
        )
        self.watches: Watches = NOBODY

    async def start(self, stack: AsyncExitStack, home: Home, settings: TelemetrySettings) -> None:
        """Open what is wanted; leaving ``stack`` writes out what waits. Raises HostError."""
        match settings.log:
            case "file":
                self._log = RequestLog.file(home.logs / "requests.jsonl")
            case "stderr":
                self._log = RequestLog.stderr()
            case "off":
                pass
        if self._log is not None:
            stack.push_async_callback(anyio.to_thread.run_sync, self._log.close)
            await stack.enter_async_context(Background(self._log.keep))
        if settings.spans is not None:
            from stockade.telemetry.spans import Spans

            made = partial(Spans, settings.spans, version=stockade.__version__)
            self._spans = await anyio.to_thread.run_sync(made)  # a quarter of a second of imports
            stack.push_async_callback(self._spans.close)
            await stack.enter_async_context(Background(self._spans.keep))
        self.watches = all_of(self.metrics, self.uses, self._spans or NOBODY)

    def heard(self, exchange: Exchange) -> None:
        """An HTTP request is over."""
        self.metrics.http(
            route=exchange.route,
            method=exchange.method,
            status=exchange.status,
            duration_s=exchange.ms / 1000,
        )
        if self._log is not None:
            self._log.write(exchange)

    def _workers(self) -> list[WorkerFigures]:
        host = self._current()
        return [
            WorkerFigures(record.name, host.status(record.name)) for record in host.knowledge.usable
        ]

    def _figures(self) -> GatewayFigures:
        from msgspec.structs import replace

        return replace(
            self._gateway(),
            log_lines_lost=0 if self._log is None else self._log.lost,
            spans_lost=0 if self._spans is None else self._spans.lost,
        )
