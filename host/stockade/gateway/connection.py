"""One client's connection: uvicorn's protocol, with the bounds that it does not have.

Time is kept by a look at all connections once a second (`Connections.sweep`): no timer is set on a
request's path. A client that ends its own side is taken as having left, for that is how leaving
looks; so one that only half-closes gets no answer.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import anyio
import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from stockade.settings import GatewaySettings

from .exchange import Exchange
from .outlet import Outlet
from .refusals import refusal
from .room import Room
from .target import fault
from .unchunked import Unchunked

MAX_HEAD_BYTES: Final = 64 * 1024  # of a request's line and headers; nginx takes 32 KiB
MAX_HEADERS: Final = 128
MAX_PIPELINED: Final = 16  # requests that were sent before the one ahead of them was answered
KEEP_ALIVE_S: Final = 75.0  # as nginx has it; longer than clients keep idle connections (httpx: 5)
LINGER_S: Final = 5.0  # for a client to read why it was refused, and to stop sending
COMMENT: Final = b": keep-alive\n\n"  # a line that readers of server-sent events skip
KEY: Final = "stockade.connection"  # in a request's scope


class Connections:
    """The bounds of a listener's connections; ``sweep`` ends those that broke them.

    ``heard`` is told of requests that were refused before they were any, so that nobody else could.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Callable[[], float],
        room: Room | None = None,
        heard: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.settings, self.clock, self.heard = settings, clock, heard
        self.room = room or Room(settings.max_connections, settings.max_connections)
        self.open: set[Connection] = set()
        self.leaving: dict[Connection, None] = {}  # beyond the room: only to be told so
        self.refused = 0

    async def keep(self) -> None:
        """Sweep once a second, until cancelled."""
        while True:
            await anyio.sleep(1.0)
            self.sweep()

    def sweep(self) -> None:
        """End connections that are too slow, and say something on streams that say nothing."""
        now, bounds = self.clock(), self.settings
        for connection in (*self.open, *self.leaving):
            stalled = now - connection.stalled_since > bounds.stall_timeout_s
            if stalled or now - connection.owed_since > LINGER_S:
                connection.abort()
            elif now - connection.head_since > bounds.header_timeout_s:
                connection.too_slow()
            elif now - connection.idle_since > KEEP_ALIVE_S:
                connection.transport.close()
            elif now - connection.said_at > bounds.comment_interval_s:
                connection.comment()


class Connection(HttpToolsProtocol):
    """A connection with a bound on heads, and news of its end.

    ``lost`` is called when the client goes while its request is being answered; ``gone`` says that
    it went, ``answered_with`` is the status with which it was refused beneath the application.
    """

    bounds: Connections  # set on the subclass that a listener makes

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lost: Callable[[], None] | None = None
        self.gone, self.answered_with = False, 0
        # When each of these began, or never: its head, a full buffer towards it, what it owes of a
        # request that is answered, rest between two requests, silence on a stream of events.
        self.head_since = self.stalled_since = self.owed_since = math.inf
        self.idle_since = self.said_at = math.inf
        self._head_bytes, self._in_head, self._deaf = 0, True, False
        self._verdict: tuple[int, str] | None = None
        self._running: RequestResponseCycle | None = None  # uvicorn's `cycle` is the newest one

    @property
    def _answering(self) -> bool:
        """Whether a request is being answered, or will be."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: Any) -> None:
        outlet = Outlet(transport, self._owing, self._on_linger)
        super().connection_made(outlet)  # type: ignore[arg-type]
        bounds = self.bounds
        if len(bounds.open) < bounds.room.connections:
            bounds.open.add(self)
            self.head_since = bounds.clock()
            return
        if len(bounds.leaving) >= bounds.room.leaving:
            next(iter(bounds.leaving)).abort()  # the one that had the longest to read its answer
        bounds.leaving[self] = None
        self.refuse(503, "too many connections; come again in a moment")

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.bounds.open.discard(self)
        self.bounds.leaving.pop(self, None)
        super().connection_lost(exc)
        self._let_go()

    def _let_go(self) -> None:
        """Whoever answers here need not go on."""
        running = self._running
        if running is not None:
            running.disconnected = True
            running.message_event.set()
        if self.lost is not None:
            self.lost()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self.idle_since = math.inf
        if self._in_head:
            if self._head_bytes == 0:
                self.head_since = self.bounds.clock()
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Upgrades are not done: the request is answered as if it had not asked for one (RFC
            # 9110, 7.8), and what comes after it is in nobody's protocol.
            self._no_more()
        except httptools.HttpParserError as error:
            self._unreadable(error)
        else:
            if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
                self.refuse(431, f"the headers are larger than {MAX_HEAD_BYTES // 1024} KiB")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[KEY] = self  # type: ignore[typeddict-unknown-key]

    def on_headers_complete(self) -> None:
        if self._head_bytes > MAX_HEAD_BYTES and self._size_of_head() > MAX_HEAD_BYTES:
            self._stop(431, f"the headers are larger than {MAX_HEAD_BYTES // 1024} KiB")
        if len(self.headers) > MAX_HEADERS:
            self._stop(431, f"there are more than {MAX_HEADERS} headers")
        host = next((value for name, value in self.headers if name == b"host"), b"")
        wrong = fault(self.url, host)
        if wrong is not None:
            self._stop(400, wrong)
        if self.parser.should_upgrade() and self._has_body():  # the parser would not read it
            self._stop(400, "the connection is not upgraded here: ask without Upgrade")
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop(503, "too many requests were sent ahead")
        self._in_head, self._head_bytes, self.head_since = False, 0, math.inf
        super().on_headers_complete()
        if self.pipeline:  # reading goes on: else nobody would see the client leave
            self.flow.resume_reading()
        if self.expect_100_continue:
            self.cycle.keep_alive = False  # who does not wait for the word is not understood after
        if self.scope["http_version"] == "1.0":
            self.cycle.send = Unchunked(self.cycle)  # type: ignore[method-assign]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _stop(self, status: int, why: str) -> None:
        """End the reading of what was just received: httptools passes it on as its own error."""
        self._verdict = (status, why)
        raise ValueError(why)

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _has_body(self) -> bool:
        length = (b"content-length", b"transfer-encoding")
        return any(name in length and value != b"0" for name, value in self.headers)

    def on_message_complete(self) -> None:
        self._in_head, self.owed_since = True, math.inf
        super().on_message_complete()
        if self.cycle.response_complete:
            self.idle_since = self.bounds.clock()

    def on_response_complete(self) -> None:
        """As uvicorn's, without its timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        if self.cycle.body:
            self.cycle.body = bytearray()
        if self._in_head:
            self.idle_since = self.bounds.clock()
        else:
            self.owed_since = self.bounds.clock()

    def pause_writing(self) -> None:
        self.stalled_since = self.bounds.clock()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.stalled_since = math.inf
        super().resume_writing()

    def whole_body(self) -> bytes | None:
        """The body of the request that is being answered, where all of it is here."""
        cycle = self._running
        if cycle is None or cycle.more_body or cycle.disconnected:
            return None
        body, cycle.body = bytes(cycle.body), bytearray()
        self.flow.resume_reading()  # else nobody would see the client leave
        return body

    def comment(self) -> None:
        """Say on a stream of events that it is alive: a chunk between two of the answer's."""
        cycle = self.cycle
        if cycle.response_complete or not cycle.chunked_encoding or self.flow.write_paused:
            return
        self.said_at = self.bounds.clock()
        self.transport.write(b"%x\r\n%b\r\n" % (len(COMMENT), COMMENT))

    def too_slow(self) -> None:
        """Its head did not come in time; where nothing came at all there is nothing to answer."""
        if self._head_bytes:
            self.refuse(408, "the headers did not come in time")
        else:
            self.transport.close()

    def _unreadable(self, error: Exception) -> None:
        """What came is no HTTP, or too much of it. Requests before it get their answers first."""
        status, why = self._verdict or (400, f"this is no HTTP: {error}"[:200])
        if self._in_head:
            self._no_more() if self._answering else self.refuse(status, why)
        elif self._answering and not (self.pipeline or self.cycle.response_started):
            self.refuse(status, why)
        else:  # within the body of one whose answer has begun, or must wait for others
            self.abort()

    def _no_more(self) -> None:
        """The last request that was read is the last one here."""
        self._deaf = True
        self.head_since = math.inf
        self.cycle.keep_alive = False

    def refuse(self, status: int, why: str) -> None:
        """Answer in the application's stead, and leave."""
        if self.transport.is_closing():
            return
        request_id = f"req_{secrets.token_hex(12)}"
        self.answered_with = status
        self.bounds.refused += 1
        self.transport.write(refusal(status, why, request_id))
        self.transport.linger()  # type: ignore[attr-defined]
        if self._answering:
            self._let_go()  # its own record tells of it
        elif self.bounds.heard is not None:
            kind = "overloaded" if status == 503 else "invalid_request"
            exchange = Exchange(
                request_id=request_id, at=time.time(), method="", status=status, kind=kind
            )
            self.bounds.heard(exchange)

    def _owing(self) -> bool:
        return not (self._in_head or self.gone)

    def _on_linger(self) -> None:
        self._deaf, self.head_since = True, math.inf
        self.owed_since = self.bounds.clock()
        self.flow.resume_reading()

    def abort(self) -> None:
        """End it now, what it did not read included."""
        self.bounds.leaving.pop(self, None)
        self.transport.abort()
