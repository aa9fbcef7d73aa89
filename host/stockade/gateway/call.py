"""One request that was let in: its body and headers, and the ways to answer it."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.lowlevel
import msgspec

from stockade_sdk.dialects.json_text import LARGE, parse_json
from stockade_sdk.dialects.overlay import Unreadable
from stockade_sdk.errors import ProviderError

from .connection import KEY
from .exchange import Exchange
from .failures import Rejected

if TYPE_CHECKING:
    from .bodies import Bodies
    from .connection import Connection

Header = tuple[bytes, bytes]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

OnFailure = Callable[[ProviderError, int], bytes]  # the error and its status

JSON: Final = b"application/json"
EVENT_STREAM: Final = b"text/event-stream; charset=utf-8"
EVENTS: Final[tuple[Header, ...]] = (
    (b"content-type", EVENT_STREAM),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
)
MAX_TIMEOUT_S: Final = 24 * 3600.0


class Call:
    """A request within the gateway.

    ``headers`` has the first value of each, in small letters. ``common`` are headers that every
    answer of it carries. ``exchange`` is what will be told of it. ``on_failure`` gives the bytes
    that tell of an error in a stream that has begun; who begins one sets it. An answer has
    ``started`` when it has a status, and ``ended`` when its last byte was handed over.
    """

    __slots__ = (
        "_bodies", "_held", "common", "connection", "ended", "exchange", "headers", "on_failure",
        "receive", "scope", "send", "started",
    )  # fmt: skip

    def __init__(
        self,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
        headers: dict[bytes, bytes],
        exchange: Exchange,
        bodies: Bodies,
    ) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.headers, self.exchange, self._bodies = headers, exchange, bodies
        self.connection: Connection = scope[KEY]
        id = exchange.request_id.encode()
        # OpenAI's clients read the first, Anthropic's the second.
        self.common: list[Header] = [(b"x-request-id", id), (b"request-id", id)]
        self.started = self.ended = False
        self._held = 0
        self.on_failure: OnFailure | None = None

    async def body(self) -> bytes:
        """The whole body. Raises Rejected where it is too large or comes too slowly."""
        whole = self.connection.whole_body()
        if whole is None:
            data = await self._bodies.read(self.receive, self.headers)
        else:
            data = self._bodies.take(whole)
        self._held += len(data)
        self.exchange.bytes_in = len(data)
        return data

    def close(self) -> None:
        """It is over: its body is counted no longer."""
        self._bodies.release(self._held)
        self._held = 0

    async def json(self) -> Any:
        """The body as JSON. Raises Rejected where it is none."""
        data = await self.body()
        try:
            # Empty lists by the million fill the memory from 30 MB; that reader counts them first.
            return parse_json(data) if len(data) > LARGE else msgspec.json.decode(data)
        except Unreadable as error:
            raise Rejected(400, f"the body is not JSON that can be read: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected(400, f"the body is not JSON: {error}"[:300]) from None

    @property
    def timeout_s(self) -> float | None:
        """The deadline that the client set, in seconds. Raises Rejected where it is none."""
        given = self.headers.get(b"x-stockade-timeout")
        if given is None:
            return None
        try:
            seconds = float(given)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds <= MAX_TIMEOUT_S:
            text = f"x-stockade-timeout is no number of seconds from above 0 to {MAX_TIMEOUT_S:.0f}"
            raise Rejected(400, text)
        return seconds

    async def answer(
        self,
        status: int,
        body: bytes,
        content_type: bytes = JSON,
        headers: Sequence[Header] = (),
    ) -> None:
        """The whole answer."""
        self.started = True
        self.exchange.status, self.exchange.bytes_out = status, len(body)
        length = (b"content-length", b"%d" % len(body))
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", content_type), length, *self.common, *headers],
            }
        )
        await self.send({"type": "http.response.body", "body": body})
        self.ended = True

    async def empty(self, headers: Sequence[Header]) -> None:
        """An answer without a body, 204."""
        self.started, self.exchange.status = True, 204
        await self.send(
            {"type": "http.response.start", "status": 204, "headers": [*self.common, *headers]}
        )
        await self.send({"type": "http.response.body"})
        self.ended = True

    async def begin_stream(self, headers: Sequence[Header] = EVENTS) -> None:
        """Status and headers of an answer that comes in pieces.

        A stream of events, and no other, gets comments while it says nothing. They come between
        its pieces, so each piece must be whole events.
        """
        self.started = True
        self.exchange.status, self.exchange.streamed = 200, True
        await self.send(
            {"type": "http.response.start", "status": 200, "headers": [*headers, *self.common]}
        )
        if headers is EVENTS or (b"content-type", EVENT_STREAM) in headers:
            self.connection.said_at = self.connection.bounds.clock()

    async def piece(self, data: bytes) -> None:
        """One piece; waits where the client does not read, so that nobody else is read either."""
        connection = self.connection
        if connection.gone:  # uvicorn drops it without a wait, in which a cancellation could come
            await anyio.lowlevel.checkpoint()
        self.exchange.bytes_out += len(data)
        await self.send({"type": "http.response.body", "body": data, "more_body": True})
        if connection.said_at != math.inf:
            connection.said_at = connection.bounds.clock()

    async def end(self, data: bytes = b"") -> None:
        """The end of a stream, with its last piece."""
        self.connection.said_at = math.inf
        self.exchange.bytes_out += len(data)
        await self.send({"type": "http.response.body", "body": data})
        self.ended = True

    def while_here(self) -> Here:
        """``with`` it: what runs in the block is cancelled when the client goes."""
        return Here(self)


class Here:
    """Cancels its block when the client goes away, or when the gateway must end (`end`)."""

    __slots__ = ("_call", "_scope", "ended", "gone")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._scope = anyio.CancelScope()
        self.gone = self.ended = False

    def __enter__(self) -> Here:
        self._scope.__enter__()
        self._call.connection.lost = self._leave
        if self._call.connection.gone or self._call.connection.transport.is_closing():
            self._leave()
        return self

    def __exit__(self, *exc: Any) -> bool:
        self._call.connection.lost = None
        return bool(self._scope.__exit__(*exc))

    def end(self) -> None:
        self.ended = True
        self._scope.cancel()

    def _leave(self) -> None:
        self.gone = True
        self._scope.cancel()


def now() -> int:
    """Seconds since 1970, as answers have them."""
    return int(time.time())
