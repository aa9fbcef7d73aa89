"""A vendor of OpenAI's wire on loopback that talks, waits or falls silent as its model is called.

It runs beside the test's own thread and counts from outside: what it could send, and when whoever
asked was gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from anyio.from_thread import start_blocking_portal

SOON_S = 10.0
WORD = "word "
PIECE = "x" * 8_192  # of an endless talk
EVENTS = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@dataclass
class Talking:
    """The vendor; a model's last word says what it does.

    ``quiet`` never answers, ``word`` says one in a stream and waits, ``endless`` goes on for ever,
    ``refusing`` says no and repeats the key, ``blurting`` does so within its stream; all others
    answer as they should.
    """

    port: int = 0
    sent: Counter[str] = field(default_factory=Counter)  # bytes that were taken, by model
    asked: Counter[str] = field(default_factory=Counter)
    left: list[float] = field(default_factory=list)  # when a client was gone, on the steady clock
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def until_asked(self, model: str, times: int = 1) -> None:
        """Wait until a model was asked for so many times."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.asked[model] >= times, SOON_S), self.asked

    def until_left(self, times: int = 1, within: float = SOON_S) -> float:
        """When the last of so many clients was gone."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.left) >= times, within), self.left
            return self.left[times - 1]

    def forget(self) -> None:
        with self.changed:
            self.sent.clear()
            self.asked.clear()
            self.left.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            size = int(head.partition("content-length:")[2].split("\r\n")[0] or 0)
            asked = json.loads(await reader.readexactly(size))
            key = head.partition("authorization: bearer ")[2].split("\r\n")[0]
            model = str(asked.get("model", ""))
            self._note(lambda: self.asked.update([model]))
            await self._answer(reader, writer, model, stream=bool(asked.get("stream")), key=key)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._note(lambda: self.left.append(time.monotonic()))
        except asyncio.CancelledError:
            return  # the test is over: asyncio 3.11 logs a server's cancelled tasks
        finally:
            writer.close()

    def _note(self, note: Any) -> None:
        with self.changed:
            note()
            self.changed.notify_all()

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        model: str,
        *,
        stream: bool,
        key: str,
    ) -> None:
        said = {"error": {"message": f"Incorrect API key provided: {key}", "code": "bad_key"}}
        match model:
            case "quiet":
                await reader.readexactly(1)
            case "word":
                writer.write(EVENTS.encode() + chunk(model, WORD))
                await reader.readexactly(1)
            case "endless":
                await self._talk(writer, model)
            case "refusing":
                writer.write(whole(said, "401 Unauthorized"))
            case "blurting":
                writer.write(EVENTS.encode() + chunk(model, WORD) + event(said))
            case _ if stream:
                end = chunk(model, None, "stop") + b"data: [DONE]\n\n"
                writer.write(EVENTS.encode() + chunk(model, WORD) + end)
            case _:
                message = {"role": "assistant", "content": WORD}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                writer.write(whole({"id": "1", "model": model, "choices": [choice]}))
        await writer.drain()

    async def _talk(self, writer: asyncio.StreamWriter, model: str) -> None:
        piece = chunk(model, PIECE)
        writer.write(EVENTS.encode())
        while True:
            writer.write(piece)
            await writer.drain()
            self._note(lambda: self.sent.update({model: len(piece)}))


def event(said: Any) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


def chunk(model: str, text: str | None, finish: str | None = None) -> bytes:
    """One piece of a streamed chat."""
    delta = {} if text is None else {"role": "assistant", "content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event(
        {"id": "1", "object": "chat.completion.chunk", "model": model, "choices": [choice]}
    )


def whole(said: Any, status: str = "200 OK") -> bytes:
    body = json.dumps(said).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


@contextlib.asynccontextmanager
async def _listening(vendor: Talking) -> AsyncIterator[None]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await vendor.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1_024)
    vendor.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@contextlib.contextmanager
def talking() -> Iterator[Talking]:
    """The vendor, served by a thread while the block runs."""
    vendor = Talking()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_listening(vendor)),
    ):
        yield vendor
