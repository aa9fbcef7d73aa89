"""Spans of requests for an OpenTelemetry collector (the extra `stockade[otel]`).

On the path of a request one value is put into a queue; spans are made of it and sent in a thread,
so that neither OpenTelemetry's own cost nor a collector that hangs or is gone meets a request.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from stockade.egress import Decision
from stockade.errors import HostError, SettingsError
from stockade.supervisor import PluginEvent

from .genai import Parent, Said, attempts_said, parent_in, request_said
from .observed import Observed

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind

__all__ = ["Spans"]

LOG: Final = logging.getLogger("stockade.telemetry")
INTERVAL_S: Final = 1.0
MAX_WAITING: Final = 4_096  # requests; older ones stay, for they are what led up to the trouble
BATCH: Final = 256  # requests in one export, some 1,000 spans
EXPORT_S: Final = 5.0  # for one export, its repetitions included
CLOSE_S: Final = 3.0  # for the last ones
PATH: Final = "/v1/traces"  # of the OTLP specification, where the address has no path


class Spans:
    """Watches requests; `keep` runs beside the server, `close` comes after it.

    ``lost`` counts the requests whose spans nobody got. Requests of a trace whose caller does not
    sample it have no spans. Headers for the collector (a key of its) come from
    ``OTEL_EXPORTER_OTLP_HEADERS``, as with every OpenTelemetry program.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        version: str = "",
        bits: Callable[[int], int] = secrets.randbits,
        export_s: float = EXPORT_S,
    ) -> None:
        """Raises SettingsError for an address that is none, HostError without the library."""
        self.lost = 0
        self._waiting: deque[Observed] = deque()
        url = address_of(endpoint)
        self._place = f"the collector at {urlsplit(url).hostname}"  # the rest may hold a password
        self._otlp = _Otlp(url, version, bits, export_s)
        self._said = False

    def request(self, observed: Observed) -> None:
        """Keep it for the next export."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(observed)
        else:
            self.lost += 1

    def egress(self, decision: Decision) -> None:
        """Nothing: a request's spans end at its attempts."""

    def worker(self, event: PluginEvent) -> None:
        """Nothing."""

    async def keep(self) -> None:
        """Send what comes, until cancelled."""
        while True:
            await anyio.sleep(INTERVAL_S)
            await self.flush()

    async def flush(self) -> None:
        """Send what waits, as far as the collector takes it. A cancellation leaves at once."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            sent = False
            try:
                sent = await anyio.to_thread.run_sync(
                    self._otlp.export, batch, abandon_on_cancel=True
                )
            except Exception as error:  # noqa: BLE001  # of a library; a server must not end by it
                self._tell(False, error)
            else:
                self._tell(sent)
            finally:
                if not sent:
                    self.lost += len(batch)

    async def close(self, within_s: float = CLOSE_S) -> None:
        """Send the rest, if the collector takes it in time, and let go of it."""
        with anyio.move_on_after(within_s, shield=True):
            await self.flush()
        self.lost += len(self._waiting)
        self._waiting.clear()
        self._otlp.close()

    def _tell(self, sent: bool, error: Exception | None = None) -> None:
        """Say once that nobody takes spans, and once that it is over."""
        if sent is not self._said:
            return
        self._said = not sent
        if sent:
            LOG.warning("%s takes spans again; %d requests are without", self._place, self.lost)
        else:
            LOG.warning("%s takes no spans; requests go on", self._place, exc_info=error)


class _Otlp:
    """OpenTelemetry's objects, and its exporter. Everything but `close` may block.

    Spans are made when they are over already, so no tracer and no span processor has a part in it.
    """

    def __init__(self, url: str, version: str, bits: Callable[[int], int], export_s: float) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        except ImportError as error:
            raise HostError(
                "spans cannot be sent",
                why=f"the library for it is not there ({error.name})",
                remedy="pip install 'stockade[otel]', or take `spans` out of [telemetry]",
            ) from error
        # It writes several lines about each export that fails; we say it once.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        self._exporter = OTLPSpanExporter(endpoint=url, timeout=export_s)
        self._scope = InstrumentationScope("stockade", version)
        self._bits, self._version = bits, version

    def export(self, batch: list[Observed]) -> bool:
        """Whether the collector took the spans of these requests."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        spans = [span for observed in batch for span in self._spans(observed)]
        return not spans or self._exporter.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Give up what is being sent."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    @cached_property
    def _resource(self) -> Resource:
        """Who sends; made in the thread, since it asks detectors in threads of theirs."""
        from opentelemetry.sdk.resources import Resource

        return Resource.create({"service.name": "stockade", "service.version": self._version})

    def _spans(self, observed: Observed) -> Iterator[ReadableSpan]:
        from opentelemetry.trace import SpanKind

        parent = parent_in(observed.trace_parent)
        if parent is not None and not parent.sampled:
            return
        trace = self._bits(128) or 1 if parent is None else parent.trace
        own = self._context(trace)
        # The conventions want CLIENT for a call to a model. What came over HTTP is the other half
        # of its caller's CLIENT span.
        kind = SpanKind.CLIENT if observed.request_id is None else SpanKind.SERVER
        above = None if parent is None else _remote(parent)
        yield self._span(request_said(observed), own, above, kind)
        for said in attempts_said(observed):
            yield self._span(said, self._context(trace), own, SpanKind.CLIENT)

    def _context(self, trace: int) -> SpanContext:
        from opentelemetry.trace import SpanContext, TraceFlags

        return SpanContext(
            trace, self._bits(64) or 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
        )

    def _span(
        self, said: Said, context: SpanContext, parent: SpanContext | None, kind: SpanKind
    ) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Status, StatusCode

        return ReadableSpan(
            said.name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=said.attributes,
            kind=kind,
            # A success is left unset, as the conventions on recording errors have it.
            status=Status(StatusCode.ERROR if said.failed else StatusCode.UNSET),
            start_time=said.start_ns,
            end_time=said.end_ns,
            instrumentation_scope=self._scope,
        )


def _remote(parent: Parent) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(
        parent.trace, parent.span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


def address_of(endpoint: str) -> str:
    """Where traces are posted to; raises SettingsError for what is no address."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            "`spans` in [telemetry] is no address of a collector",
            why="spans are sent over HTTP",
            remedy='set it to one like "http://127.0.0.1:4318"',
        )
    return endpoint if parts.path.strip("/") else parts._replace(path=PATH).geturl()
