"""The host's end of a tunnel's link: streams of bytes over the one socket to a worker.

Bounded whatever the worker does: what it sends is held to its windows, what it does not read stays
with whoever wanted to send it.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from .frames import (
    CLOSE,
    CREDIT,
    DATA,
    END,
    OPEN,
    PIECE_BYTES,
    WINDOW_BYTES,
    Frame,
    FrameRefused,
    Frames,
    written,
)

__all__ = ["AT_A_TIME", "Link", "LinkLost", "Stream", "StreamEnded"]

AT_A_TIME: Final = 64  # streams of one worker
READ_BYTES: Final = 64 * 1024
STALLED_S: Final = 30.0  # a frame that the worker's end does not take for so long ends the link
_GIVE_BACK: Final = WINDOW_BYTES // 4  # credit is sent in pieces of this size


class LinkLost(Exception):
    """The worker's end is gone or broke the rules; the message is a clause about it."""


class StreamEnded(Exception):
    """The worker's client went away in the middle."""


class Stream:
    """One connection of a library in the worker: what it sends and what it is sent."""

    __slots__ = ("_ended", "_gone", "_held", "_inbox", "_link", "_owed", "_room", "_wake", "number")

    def __init__(self, link: Link, number: int) -> None:
        self._link, self.number = link, number
        self._inbox: deque[bytes] = deque()
        self._held = 0  # bytes that the worker has had no credit for yet
        self._owed = 0  # of those, what is consumed and not yet given back
        self._room = WINDOW_BYTES  # what may still be sent
        self._ended = self._gone = False
        self._wake = anyio.Event()

    async def receive(self) -> bytes:
        """The next bytes, b"" at the end. They count as consumed with the next call."""
        await self._give_back()
        while not self._inbox:
            self._check()
            if self._ended:
                return b""
            await self._news()
        data = self._inbox.popleft()
        self._owed += len(data)
        return data

    async def send(self, data: bytes) -> None:
        """Send as the worker's end has room for it."""
        while data:
            self._check()
            if not self._room:
                await self._news()
                continue
            size = min(self._room, len(data), PIECE_BYTES)
            self._room -= size
            await self._link.write(written(DATA, self.number, data[:size]))
            data = data[size:]

    async def send_eof(self) -> None:
        """No more follows."""
        await self._link.write(written(END, self.number))

    def take(self, frame: Frame) -> None:
        """Act on a frame of this stream's. Raises `FrameRefused`."""
        if frame.kind == DATA:
            self._held += len(frame.data)
            if self._ended or self._held > WINDOW_BYTES:
                raise FrameRefused("sent more data than it had leave to")
            self._inbox.append(frame.data)
        elif frame.kind == END:
            self._ended = True
        elif frame.kind == CREDIT:
            self._room += frame.credit
            if self._room > WINDOW_BYTES:
                raise FrameRefused("gave more credit than was used")
        else:
            self._gone = True
        wake, self._wake = self._wake, anyio.Event()
        wake.set()

    async def _give_back(self) -> None:
        if self._owed >= _GIVE_BACK and not self._ended:
            owed, self._owed = self._owed, 0
            self._held -= owed
            await self._link.write(written(CREDIT, self.number, credit=owed))

    async def _news(self) -> None:
        await self._wake.wait()

    def _check(self) -> None:
        if self._gone:
            raise StreamEnded


class Link:
    """The socket to one worker. `run` reads it until it ends; `write` is for its streams."""

    def __init__(self, end: socket.socket) -> None:
        """Takes the socket over; `run` closes it."""
        end.setblocking(False)
        self._socket = end
        self._writing = anyio.Lock(fast_acquire=True)
        self._streams: dict[int, Stream] = {}
        self._last = 0  # the number of the newest stream

    async def run(self, serve: Callable[[Stream], Awaitable[None]]) -> str:
        """Serve every stream that the worker opens, each in a task of its own, until its end is
        closed or breaks the rules; then end them. Why it ended: "" if the worker closed it.
        """
        try:
            async with anyio.create_task_group() as tasks:
                try:
                    await self._read(serve, tasks)
                except LinkLost as lost:
                    return str(lost)
                finally:
                    self.close()
                    tasks.cancel_scope.cancel()
        finally:
            self._socket.close()
        return ""

    def close(self) -> None:
        """End it at once: reads and writes under way come back."""
        with contextlib.suppress(OSError):  # it was never connected, or is not any more
            self._socket.shutdown(socket.SHUT_RDWR)

    async def write(self, frame: bytes) -> None:
        """Send one frame, whole even if cancelled. Raises `LinkLost`.

        The lock is what bounds memory: a stream has at most one frame waiting here.
        """
        async with self._writing:
            with anyio.CancelScope(shield=True):  # half a frame would garble every other stream
                with anyio.move_on_after(STALLED_S) as scope:
                    await self._write(frame)
                if scope.cancelled_caught:
                    self.close()
                    raise LinkLost(f"took nothing for {STALLED_S:g} s")

    async def _write(self, frame: bytes) -> None:
        rest = memoryview(frame)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError as error:
                raise LinkLost("is gone") from error

    async def _read(self, serve: Callable[[Stream], Awaitable[None]], tasks: TaskGroup) -> None:
        frames = Frames()
        while True:
            try:
                data = self._socket.recv(READ_BYTES)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
                continue
            except OSError:
                return
            if not data:
                return
            try:
                for frame in frames.feed(data):
                    self._take(frame, serve, tasks)
            except FrameRefused as refused:
                raise LinkLost(str(refused)) from refused
            await anyio.lowlevel.checkpoint()  # a worker that floods does not keep the loop

    def _take(
        self, frame: Frame, serve: Callable[[Stream], Awaitable[None]], tasks: TaskGroup
    ) -> None:
        if frame.kind == OPEN:
            if frame.stream <= self._last:
                raise FrameRefused("opened a stream twice")
            if len(self._streams) >= AT_A_TIME:
                raise FrameRefused(f"opened more than {AT_A_TIME} streams")
            self._last = frame.stream
            stream = self._streams[frame.stream] = Stream(self, frame.stream)
            tasks.start_soon(self._serve, serve, stream)
        elif frame.stream > self._last:
            raise FrameRefused("spoke of a stream that it never opened")
        elif (known := self._streams.get(frame.stream)) is not None:
            known.take(frame)  # for one that is over, it crossed our CLOSE: nobody wants it

    async def _serve(self, serve: Callable[[Stream], Awaitable[None]], stream: Stream) -> None:
        try:
            await serve(stream)
            await self.write(written(CLOSE, stream.number))
        except LinkLost:
            self.close()  # `_read` comes to its end
        finally:
            del self._streams[stream.number]
