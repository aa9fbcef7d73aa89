"""Loopback vendors that are well for a moment and ill in some way the next, on a seeded schedule.

Each keeps a note of every request: who asked, when, what the vendor did, and when it had done it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Final, Literal

import msgspec

Mood = Literal["good", "500", "429", "close", "cut", "hang", "html"]

RETRY_AFTER_S: Final = 1.0
MOOD_S: Final = (0.2, 1.2)  # how long one lasts
WELL: Final = 0.4  # of the moods
ILL: Final[tuple[Mood, ...]] = ("500", "429", "close", "cut", "hang", "html")
THINKING_S: Final = 0.005  # of a good answer, half of it before each of its two pieces
ASKED: Final = re.compile(rb"request -?\d+\.")


class Hit(msgspec.Struct, frozen=True):
    """One request at a vendor; times are seconds of the monotonic clock.

    ``done`` is when the vendor had said all it would, ``arrived`` where it says nothing at all.
    """

    vendor: str
    asked: str
    mood: Mood
    arrived: float
    done: float


def moods(seed: str, start: float) -> Iterator[tuple[float, Mood]]:
    """Moods, each with its end, for ever; at first all is well."""
    choice = random.Random(seed)
    at = start
    mood: Mood = "good"
    while True:
        at += choice.uniform(*MOOD_S)
        yield at, mood
        mood = "good" if choice.random() < WELL else choice.choice(ILL)


class Vendor:
    """One vendor behind ``sock``, which is bound and not listening; ``note`` is told of hits."""

    def __init__(self, name: str, sock: socket.socket, note: Callable[[Hit], None]) -> None:
        self.name, self._sock, self._note = name, sock, note
        self._moods: Iterator[tuple[float, Mood]] = itertools.repeat((float("inf"), "good"))
        self._until, self._mood = next(self._moods)
        self._talks: set[asyncio.Task[None]] = set()

    def follow(self, seed: int) -> None:
        """Change moods from now on."""
        self._moods = moods(f"{self.name} {seed}", time.monotonic())
        self._until, self._mood = next(self._moods)

    @property
    def mood(self) -> Mood:
        """That of this moment."""
        while self._until <= time.monotonic():
            self._until, self._mood = next(self._moods)
        return self._mood

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen for as long as the block; its connections are closed at the end of it."""
        server = await asyncio.start_server(self._serve, sock=self._sock.dup(), backlog=256)
        try:
            yield
        finally:
            server.close()
            talks = tuple(self._talks)
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went, as it may
        except asyncio.CancelledError:  # by `serving`: asyncio 3.11 logs a server's cancelled tasks
            return
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether another may come on the same connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.split(b"content-length:")[1].split()[0])
        body = await reader.readexactly(size)
        arrived, mood = time.monotonic(), self.mood
        found = ASKED.findall(body)
        asked = found[-1].decode() if found else ""

        def noted() -> None:
            self._note(Hit(self.name, asked, mood, arrived, time.monotonic()))

        if mood in ("close", "hang"):
            noted()
            if mood == "hang":
                await reader.read()
            return False
        pieces = streamed(asked) if b'"stream":true' in body else whole(asked)
        if mood in SAID:
            writer.write(SAID[mood])
            noted()
            await writer.drain()
            return True
        writer.write(pieces[0])
        await asyncio.sleep(THINKING_S)
        if mood == "good":
            writer.write(pieces[1])
        noted()
        await writer.drain()
        return mood == "good"


def answer(status: str, kind: str, body: bytes, *more: str) -> bytes:
    """A whole HTTP answer."""
    lines = (f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *more)
    return "\r\n".join((*lines, "", "")).encode() + body


SAID: Final[dict[Mood, bytes]] = {
    "500": answer("500 Internal Server Error", "application/json", b"{}"),
    "429": answer(
        "429 Too Many Requests", "application/json", b"{}", f"retry-after: {RETRY_AFTER_S:.0f}"
    ),
    "html": answer("200 OK", "text/html", b"<!DOCTYPE html><html>Welcome to nginx!</html>"),
}


def whole(text: str) -> tuple[bytes, bytes]:
    """A good answer that says ``text``, in two pieces."""
    message = {"role": "assistant", "content": text}
    said = {
        "id": "1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }
    sent = answer("200 OK", "application/json", json.dumps(said).encode())
    return sent[:-40], sent[-40:]


def streamed(text: str) -> tuple[bytes, bytes]:
    """The same as a stream; the first piece has half of the text."""
    half = len(text) // 2
    deltas = ({"role": "assistant", "content": text[:half]}, {"content": text[half:]})
    first, second = (
        {"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    )
    last = {
        "id": "1",
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    }
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    end = b"data: [DONE]\n\n"
    return head + chunk(event(first)), chunk(event(second) + event(last) + end) + b"0\r\n\r\n"


def event(data: object) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
