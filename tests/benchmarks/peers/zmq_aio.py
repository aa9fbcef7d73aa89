"""`zmq.asyncio` on both sides: DEALER to DEALER, one frame of an id and a body.

As kind to it as the job allows: its worker handles a request where it was received, without a task
of its own, and it knows neither deadlines nor cancellation.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import zmq
import zmq.asyncio

from stockade_sdk import ChatRequest, ChatResponse
from tests.benchmarks.echoing import delta, echo
from tests.benchmarks.payload import decode_event, decode_request, decode_response, encode

ID_BYTES = 8
STREAM = b"\xff" * ID_BYTES  # asks for a stream: the id of the one there is at a time
END = b""


class Client:
    """The host's side; it binds. `start` it in the event loop."""

    def __init__(self, path: str) -> None:
        self._context = zmq.asyncio.Context()
        self._socket: Any = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.bind(f"ipc://{path}")
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._count = 0
        self._reader: asyncio.Task[None] | None = None

    async def call(self, request: ChatRequest) -> ChatResponse:
        """One round trip among as many as there are."""
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        self._count += 1
        id = self._count.to_bytes(ID_BYTES)
        answer = self._waiting[id] = asyncio.get_running_loop().create_future()
        await self._socket.send(id + encode(request))
        return decode_response(memoryview(await answer)[ID_BYTES:])

    async def stream(self, request: ChatRequest) -> int:
        """The number of events of one stream, each decoded; not while calls are in flight."""
        await self._stop_reading()
        await self._socket.send(STREAM + encode(request))
        count = 0
        while data := await self._socket.recv():
            decode_event(data)
            count += 1
        return count

    async def _read(self) -> None:
        while True:
            data = await self._socket.recv()
            self._waiting.pop(data[:ID_BYTES]).set_result(data)

    async def close(self) -> None:
        """End."""
        await self._stop_reading()
        self._context.destroy(linger=0)

    async def _stop_reading(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])


async def serve(path: str) -> None:
    """The worker's side, until it is killed."""
    socket: Any = zmq.asyncio.Context().socket(zmq.DEALER)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.connect(f"ipc://{path}")
    while True:
        data = await socket.recv()
        id, request = data[:ID_BYTES], decode_request(memoryview(data)[ID_BYTES:])
        if id == STREAM:
            for _ in range(int(request.last_text)):
                await socket.send(encode(delta()))
            await socket.send(END)
        else:
            await socket.send(id + encode(echo(request)))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
