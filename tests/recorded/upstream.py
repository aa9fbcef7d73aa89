"""A loopback server that plays a recorded answer, and keeps what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.recorded.interactions import Interaction

NOT_REPLAYED = frozenset(
    {"transfer-encoding", "content-length", "content-encoding", "connection", "keep-alive"}
)
TYPES = {"json": "application/json", "sse": "text/event-stream"}
PIECE = 701  # a prime: pieces end in the middle of lines and of characters


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Replay:
    """What is played next, and what was asked since."""

    port: int = 0
    playing: Interaction | None = None
    asked: list[Asked] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def play(self, interaction: Interaction) -> None:
        """Answer every request with this one's bytes from now on."""
        self.playing = interaction
        self.asked.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.asked.append(await received(reader))
                assert self.playing is not None
                for piece in answer_of(self.playing):
                    writer.write(piece)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is done
        finally:
            writer.close()


async def received(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, path, _ = first.split(" ")
    return Asked(method, path, headers, body)


def answer_of(interaction: Interaction) -> list[bytes]:
    """Recorded status and headers, then the body in chunks."""
    headers = {
        name: value for name, value in interaction.headers if name.lower() not in NOT_REPLAYED
    }
    if not any(name.lower() == "content-type" for name in headers):
        headers["content-type"] = TYPES.get(interaction.body_kind, "text/plain")
    lines = [f"HTTP/1.1 {interaction.status} Recorded"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "transfer-encoding: chunked", "", ""]).encode()
    body = interaction.body
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
    return [head, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


@asynccontextmanager
async def replaying() -> AsyncIterator[Replay]:
    """A server on a free loopback port."""
    replay = Replay()
    server = await asyncio.start_server(replay.serve, "127.0.0.1", 0)
    replay.port = server.sockets[0].getsockname()[1]
    try:
        yield replay
    finally:
        server.close()
