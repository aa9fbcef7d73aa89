"""HTTP requests of one worker: asked in frames, made by the broker, answered in frames, bounded all
along.

An exchange belongs to a call and ends with it, whatever the worker thinks of that: when nobody
waits for the answer, the vendor's connection is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from stockade.channel.calls import Breach
from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo, ErrorKind, ProviderError

if TYPE_CHECKING:
    from stockade.egress import Outlet, Upstream

MAX_OPEN = 256  # exchanges of one worker at once; more is a mistake, and each costs a connection
MAX_TIMEOUT_S = 24 * 3600.0


Blocked = Callable[[], asyncio.Future[None] | None]
"""The future that is done when the worker reads again; ``None`` while it does."""


class Exchanges:
    """What one worker has asked for and not finished with."""

    def __init__(
        self,
        outlet: Outlet,
        send: Callable[[wire.ToWorker], None],
        blocked: Blocked = lambda: None,
    ) -> None:
        self._outlet, self._send, self._blocked = outlet, send, blocked
        self._open: dict[int, Pump] = {}
        self._of_call: dict[int, set[int]] = {}
        self._last = 0

    def open(self, frame: wire.HttpOpen) -> None:
        """Begin one; raises Breach where its id was used before."""
        if frame.id <= self._last:
            raise Breach(f"it used HTTP exchange id {frame.id} again")
        self._last = frame.id
        if len(self._open) >= MAX_OPEN:
            message = f"more than {MAX_OPEN} HTTP requests at once"
            self._send(
                wire.HttpFailed(frame.id, ErrorInfo(kind=ErrorKind.OVERLOADED, message=message))
            )
            return
        pump = Pump(frame, self._outlet, self._send, self._blocked)
        self._open[frame.id] = pump
        self._of_call.setdefault(frame.call, set()).add(frame.id)
        pump.start(lambda: self._ended(frame.id, frame.call))

    def credit(self, frame: wire.HttpCredit) -> None:
        """The plugin read some of a body."""
        pump = self._open.get(frame.id)
        if pump is not None:
            pump.credit(frame.size)

    def close(self, id: int) -> None:
        """The rest is not wanted."""
        pump = self._open.get(id)
        if pump is not None:
            pump.cancel()

    def end_of_call(self, call: int) -> None:
        """Close what a call left open."""
        if call in self._of_call:
            for id in list(self._of_call[call]):
                self._open[id].cancel()

    async def aclose(self) -> None:
        """Close everything and wait until it is closed."""
        pumps = list(self._open.values())
        for pump in pumps:
            pump.cancel()
        for pump in pumps:
            await pump.ended()

    def _ended(self, id: int, call: int) -> None:
        del self._open[id]
        ids = self._of_call[call]
        ids.discard(id)
        if not ids:
            del self._of_call[call]


class Pump:
    """One exchange: request out, answer back in frames, never more ahead than its window."""

    def __init__(
        self,
        frame: wire.HttpOpen,
        outlet: Outlet,
        send: Callable[[wire.ToWorker], None],
        blocked: Blocked,
    ) -> None:
        self._frame, self._outlet, self._send, self._blocked = frame, outlet, send, blocked
        self._credit = min(max(frame.window, 1), wire.HTTP_WINDOW_BYTES)
        self._wanted: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, ended: Callable[[], None]) -> None:
        """Run, and say when it is over."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(lambda _: ended())

    def cancel(self) -> None:
        """Close the vendor's connection."""
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        """Wait until the connection is closed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def credit(self, size: int) -> None:
        """The plugin read ``size`` bytes; what it claims beyond what was sent is not believed."""
        self._credit = min(self._credit + max(size, 0), wire.HTTP_WINDOW_BYTES)
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    async def _run(self) -> None:
        frame = self._frame
        timeout_s = min(max(frame.timeout_ms, 1) / 1000, MAX_TIMEOUT_S)
        try:
            async with self._outlet.open(
                frame.method, frame.url, frame.headers, frame.body, timeout_s=timeout_s
            ) as upstream:
                await self._answer(upstream)
        except ProviderError as error:
            self._send(wire.HttpFailed(frame.id, error.info()))

    async def _answer(self, upstream: Upstream) -> None:
        id = self._frame.id
        if _is_small(upstream):  # one frame instead of three
            body = b"".join([chunk async for chunk in upstream.chunks()])
            self._send(wire.HttpHead(id, upstream.status, upstream.headers, body, True))
            return
        self._send(wire.HttpHead(id, upstream.status, upstream.headers))
        async for chunk in upstream.chunks():
            await self._room(len(chunk))
            self._send(wire.HttpBody(id, chunk))
        self._send(wire.HttpBody(id, b"", True))

    async def _room(self, size: int) -> None:
        while self._credit <= 0:
            self._wanted = asyncio.get_running_loop().create_future()
            await self._wanted
        # The window is each exchange's own; the socket is one: all of them wait while it is full.
        while (room := self._blocked()) is not None:
            await asyncio.shield(room)
        self._credit -= size


def _is_small(upstream: Upstream) -> bool:
    """Whether the vendor said that its whole body fits one piece."""
    length = next(
        (value for name, value in upstream.headers if name.lower() == "content-length"), ""
    )
    return length.isascii() and length.isdigit() and int(length) <= wire.MAX_HTTP_CHUNK_BYTES
