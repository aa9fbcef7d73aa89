"""The socket itself: bytes to ``zmtp``, whole messages to whoever listens."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, cast

from stockade_sdk import wire

from .calls import Breach
from .zmtp import Endpoint, Violation

SEND_BUFFER_BYTES = (
    1 * wire.MIB
)  # a large frame leaves in one piece, where socket(7) wmem_max allows
COPY_BELOW_BYTES = 64 * wire.KIB  # smaller frames are sent with their header in one piece


class Listens(Protocol):
    """What a connection tells, and whom."""

    def received(self, data: bytes | bytearray) -> None:
        """One whole message; may raise Breach and WireError."""
        ...

    def lost(self, reason: str, *, violation: bool) -> None:
        """The connection is over."""
        ...


class Connection(asyncio.BufferedProtocol):
    """One connected UNIX socket."""

    def __init__(self, listener: Listens) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.room: asyncio.Future[None] | None = None  # done when the worker reads again
        self._listener = listener
        self._endpoint = Endpoint(max_frame_bytes=wire.MAX_FRAME_BYTES)
        self._transport: asyncio.Transport | None = None
        self._rest: asyncio.TimerHandle | None = None

    def send(self, data: bytes) -> None:
        """Queue one message; dropped where the connection is over, whose calls the supervisor
        fails.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        header = self._endpoint.header(len(data))
        if len(data) < COPY_BELOW_BYTES:
            transport.write(header + data)
        else:
            transport.write(header)
            transport.write(memoryview(data))  # a view: what goes at once is not copied

    def rest(self, seconds: float) -> None:
        """Do not read for so long. What comes meanwhile waits with the worker."""
        if self._transport is not None and self._rest is None:
            self._transport.pause_reading()
            self._rest = asyncio.get_running_loop().call_later(seconds, self._rested)

    def _rested(self) -> None:
        self._rest = None
        if self._transport is not None and self.room is None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Hang up."""
        if self._rest is not None:
            self._rest.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the socket is there."""
        # By what it does: those of other loops (uvloop's) have no class of asyncio's.
        self._transport = found = cast("asyncio.Transport", transport)
        unix = found.get_extra_info("socket")
        unix.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        found.write(self._endpoint.greeting())

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to read to."""
        return self._endpoint.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: so much was read."""
        try:
            for body in self._endpoint.buffer_updated(nbytes):
                self._listener.received(body)
            if not self.ready.done():
                self._shake_hands()
        except (Breach, Violation) as error:
            self._break(error.reason)
        except wire.WireError as error:
            self._break(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the socket is gone."""
        self._listener.lost("it closed its socket", violation=False)
        if self.room is not None and not self.room.done():
            self.room.set_result(None)

    def pause_writing(self) -> None:
        """asyncio: the worker does not read."""
        self.room = asyncio.get_running_loop().create_future()
        # Nor is it read from: a frame may ask for an answer (HttpOpen), and those would pile up.
        # An honest worker never waits here for us, its socket queues without bound.
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """asyncio: the worker reads again."""
        if self._transport is not None and self._rest is None:
            self._transport.resume_reading()
        room, self.room = self.room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _shake_hands(self) -> None:
        assert self._transport is not None
        answer = self._endpoint.outgoing()
        if answer:
            self._transport.write(answer)
        if self._endpoint.ready:
            self.ready.set_result(None)

    def _break(self, reason: str) -> None:
        self._listener.lost(reason, violation=True)
        self.close()
