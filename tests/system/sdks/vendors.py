"""Vendors on loopback whose answers a test writes down, and which tell when they were left.

They stand behind shipped plugins, behind a gateway; so what an SDK shows went all the way.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.system import vendor_wires as wires
from tests.system.egress_sink import Received, Sink
from tests.system.upstreams import FAILS, Says, Upstreams
from tests.system.vendor_wires import Wire

PATIENCE_S = 20.0  # for what must come
SSE = "content-type: text/event-stream"
JSON = "content-type: application/json"


@dataclass(frozen=True)
class Streams:
    """Events, and then: the end of the answer, nothing more, or the end of the connection without
    that of the answer.
    """

    pieces: tuple[bytes, ...]
    then: Literal["ends", "waits", "breaks"] = "ends"


@dataclass(frozen=True)
class Waits:
    """No answer, until whoever asked hangs up."""


@dataclass(frozen=True)
class Asked:
    """One request as a vendor got it."""

    plugin: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Says | Streams | Waits


class Vendors(Upstreams):
    """All of them; each plugin's has its good answer, until a test gives it others."""

    def __init__(self) -> None:
        super().__init__()
        self._script: dict[str, list[Answer]] = {}
        self.asked_of: list[Asked] = []
        self.arrived: queue.Queue[Asked] = queue.Queue()
        self.left: queue.Queue[float] = queue.Queue()  # when, on the steady clock

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Vendors]:
        """Listening, until the block is left."""
        vendors = cls()
        async with Sink.open(vendors._reply) as vendors.sink:
            yield vendors

    def begin(self) -> None:
        """Forget what came and what was said."""
        super().begin()
        self._script.clear()
        self.asked_of.clear()
        self.arrived, self.left = queue.Queue(), queue.Queue()

    def say(self, plugin: str, *answers: Answer | dict[str, Any]) -> None:
        """What a plugin's vendor says, one after the other, the last for ever; JSON as it is."""
        self._script[plugin] = [
            Says(body=json.dumps(one).encode()) if isinstance(one, dict) else one for one in answers
        ]

    @property
    def last(self) -> Asked:
        """The last request of all."""
        return self.asked_of[-1]

    def until_asked(self) -> Asked:
        """The next request, which is waited for."""
        return self.arrived.get(timeout=PATIENCE_S)

    def until_left(self) -> float:
        """When somebody hung up; waited for."""
        return self.left.get(timeout=PATIENCE_S)

    async def _reply(self, reader: Any, writer: Any) -> str:
        asked = _asked(self.sink.requests.pop())
        self.asked_of.append(asked)
        self.arrived.put(asked)
        match self._answer(asked):
            case Says() as says:
                kind = () if any("content-type" in one for one in says.headers) else (JSON,)
                lines = (*says.headers, *kind, f"content-length: {len(says.body)}")
                writer.write(_head(says.status, lines) + says.body)
                await writer.drain()
            case Streams() as streams:
                writer.write(_head("200 OK", (SSE, "transfer-encoding: chunked")))
                for piece in streams.pieces:
                    writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    await writer.drain()
                if streams.then == "waits":
                    await self._wait(reader)
                if streams.then == "ends":
                    writer.write(b"0\r\n\r\n")
                    await writer.drain()
            case Waits():
                await self._wait(reader)
        return "close"

    async def _wait(self, reader: Any) -> None:
        try:
            await reader.read()
        finally:
            self.left.put(time.monotonic())
        raise ConnectionError  # the client closed it, as the sink notes

    def _answer(self, asked: Asked) -> Answer:
        script = self._script.get(asked.plugin)
        if script:
            return script.pop(0) if len(script) > 1 else script[0]
        return good(asked)


def _head(status: str, lines: tuple[str, ...]) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "connection: close", "", "")).encode()


def _asked(received: Received) -> Asked:
    _, plugin, path = received.path.split("/", 2)
    headers = {name.lower(): value for name, value in received.headers}
    return Asked(plugin, f"/{path}", headers, received.body)


# --- what good vendors say ---


def good(asked: Asked) -> Answer:
    """The good answer of a chat's wire; a failure where there is none."""
    wire = wire_of(asked.path)
    if wire is None:
        return FAILS
    streamed = ":streamGenerateContent" in asked.path or (
        ":generateContent" not in asked.path and asked.json.get("stream")
    )
    return Streams(wire.blocks) if streamed else Says(body=wire.body)


def wire_of(path: str) -> Wire | None:
    """The wire that a path belongs to."""
    path = path.partition("?")[0]
    if path.endswith("/chat/completions"):
        return wires.CHAT
    if path.endswith("/responses"):
        return wires.RESPONSES
    if path.endswith("/messages"):
        return wires.CLAUDE
    return wires.GEMINI if "enerateContent" in path else None


def failing(status: str, code: str = "", *headers: str, message: str = "it is so") -> Says:
    """An error as OpenAI's and Anthropic's wires have it."""
    error = {"message": message, "type": code, "code": code}
    return Says(status, json.dumps({"type": "error", "error": error}).encode(), headers)
