"""HTTP exchanges as the worker sees them: asked of the host, answered in frames, read with credit.

Below ``ctx.http``: one :class:`Exchange` a request. The host makes the request; this side only
counts what was read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from stockade_sdk import wire
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.http import Headers

Send = Callable[[wire.ToHost], None]


class Exchange:
    """One request: its head, then its body in pieces; implements
    ``stockade_sdk.http.OpenExchange``.
    """

    def __init__(self, id: int, send: Send, forget: Callable[[int], None]) -> None:
        self.id = id
        self.status = 0
        self.headers = Headers()
        self._send, self._forget = send, forget
        self._pieces: deque[bytes] = deque()
        self._last = False
        self._error: ProviderError | None = None
        self._news: asyncio.Future[None] | None = None

    async def head(self) -> None:
        """Wait until the answer begins; raises ProviderError where it never does."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, each piece once; raises ProviderError where it breaks off."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                yield piece
                if not self._last:
                    self._send(wire.HttpCredit(self.id, len(piece)))
            if self._error is not None:
                raise self._error
            if self._last:
                return
            await self._wait()

    async def aclose(self) -> None:
        """Tell the host that the rest is not wanted, unless there is no rest."""
        self._forget(self.id)
        if not self._last and self._error is None:
            self._error = ProviderError(ErrorKind.CANCELLED, "the exchange was closed")
            self._send(wire.HttpClose(self.id))
        self._pieces.clear()

    def take(self, frame: wire.HttpHead | wire.HttpBody | wire.HttpFailed) -> None:
        """News from the host."""
        match frame:
            case wire.HttpHead(status=status, headers=headers, data=data, last=last):
                self.status, self.headers = status, Headers.of(headers)
                self._add(data, last)
            case wire.HttpBody(data=data, last=last):
                self._add(data, last)
            case wire.HttpFailed(error=error):
                self._error = ProviderError.of(error)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _add(self, data: bytes, last: bool) -> None:
        if data:
            self._pieces.append(data)
        self._last = last

    async def _wait(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news


class Exchanges:
    """All exchanges of this worker, by id."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._open: dict[int, Exchange] = {}
        self._next = 1

    async def open(
        self,
        call: int,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        timeout_s: float,
    ) -> Exchange:
        """Ask the host for a request and wait for the head of its answer."""
        _refuse_oversize(url, headers, body)
        exchange = Exchange(self._next, self._send, self._forget)
        self._next += 1
        self._open[exchange.id] = exchange
        frame = wire.HttpOpen(exchange.id, call, method, url, headers, body, int(timeout_s * 1000))
        try:
            self._send(frame)
            await exchange.head()
        except BaseException:
            await exchange.aclose()
            raise
        return exchange

    def take(self, frame: wire.HttpHead | wire.HttpBody | wire.HttpFailed) -> None:
        """News of one exchange; of a closed one it is dropped."""
        exchange = self._open.get(frame.id)
        if exchange is not None:
            exchange.take(frame)

    def _forget(self, id: int) -> None:
        self._open.pop(id, None)


def _refuse_oversize(url: str, headers: tuple[tuple[str, str], ...], body: bytes | None) -> None:
    """A request that fits no frame would end this worker; it is its plugin's mistake alone."""
    if len(headers) > wire.MAX_HEADERS:
        what = f"has {len(headers)} headers; at most {wire.MAX_HEADERS} are sent"
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"the HTTP request {what}")
    # In UTF-8 a character is at most 4 bytes; MessagePack adds up to 5 to each value.
    text = len(url) + sum(len(name) + len(value) + 16 for name, value in headers)
    size = (len(body) if body is not None else 0) + 4 * text + wire.KIB
    if size > wire.MAX_FRAME_BYTES:
        what = f"has some {size} bytes; at most {wire.MAX_FRAME_BYTES} are sent at once"
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"the HTTP request {what}")
