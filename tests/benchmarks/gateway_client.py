"""The client of the gateways' measures: `python -m tests.benchmarks.gateway_client`.

Reads loads as lines of JSON from stdin, puts each on, and answers with what it timed in one line.
Protocols on uvloop and a parser in C, in a process and on a CPU of its own: about 40 us a request,
the vendor's included, so what is slower than that is the gateway.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from typing import Any, Final, NamedTuple, cast

import httptools
import msgspec
import uvloop

from . import gateway_mock as mock
from .usage import pin

TIMEOUT_S: Final = 300.0  # of a whole load
CHAT, STREAM, PACED, IDLE, EMBED = "chat", "stream", "paced", "idle", "embed"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """`calls` requests of a kind to a port, over as many kept connections as `connections`."""

    port: int
    kind: str
    calls: int
    connections: int = 1
    token: str = ""
    model: str = mock.MODEL


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: the whole, each call, and each call up to the first piece of its answer's body."""

    wall_s: float
    calls_s: list[float]
    first_s: list[float]


class Call(NamedTuple):
    """One request as bytes, and the pieces of text that a right answer has."""

    request: bytes
    chunks: int


def request(load: Load) -> Call:
    """What goes out, the same each time."""
    streams = load.kind in (STREAM, PACED, IDLE)
    text = {PACED: mock.PACED, IDLE: mock.IDLE}.get(load.kind, "Name a few words.")
    body: dict[str, Any] = {"model": load.model}
    if load.kind == EMBED:
        body |= {"input": text, "encoding_format": "float"}
    else:
        system = {"role": "system", "content": "You answer in words, and in few of them. " * 4}
        body |= {"messages": [system, {"role": "user", "content": text}], "temperature": 0.5}
        body |= {"max_tokens": 100} | ({"stream": True} if streams else {})
    content = json.dumps(body).encode()
    lines = (
        f"POST /v1/{'embeddings' if load.kind == EMBED else 'chat/completions'} HTTP/1.1",
        f"host: 127.0.0.1:{load.port}",
        "content-type: application/json",
        f"content-length: {len(content)}",
        *([f"authorization: Bearer {load.token}"] if load.token else ()),
    )
    return Call("\r\n".join((*lines, "", "")).encode() + content, mock.CHUNKS if streams else 0)


class Connection(asyncio.Protocol):
    """A connection that asks again as soon as it has its answer, while there is something left."""

    def __init__(self, run: Run) -> None:
        self._run, self._began, self._first = run, 0.0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def connection_lost(self, error: Exception | None) -> None:
        self._run.lost(error)

    def close(self) -> None:
        self._transport.close()

    def ask(self) -> None:
        self._parser, self._body = httptools.HttpResponseParser(self), b""
        self._first, self._began = 0.0, time.perf_counter()
        self._transport.write(self._run.call.request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self._body:
            self._first = time.perf_counter() - self._began
        self._body += body
        if self._run.load.kind == IDLE and mock_text(self._body) and not self._run.ended.done():
            self._run.answered(self, 0.0, self._first)

    def on_message_complete(self) -> None:
        took = time.perf_counter() - self._began
        status = self._parser.get_status_code()
        right = mock_text(self._body) == self._run.call.chunks if self._run.call.chunks else True
        if status != 200 or not right:
            self._run.failed(f"status {status}: {self._body[-300:]!r}")
            return
        self._run.answered(self, took, self._first)


def mock_text(body: bytes) -> int:
    """The pieces of the vendor's text in a stream."""
    return body.count(b'"content":"word "') + body.count(b'"content": "word "')


class Run:
    """One load while it is put on."""

    def __init__(self, load: Load) -> None:
        self.load, self.call = load, request(load)
        self.calls: list[float] = []
        self.first: list[float] = []
        self._left = load.calls
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def next(self, connection: Connection) -> None:
        if self._left > 0:
            self._left -= 1
            connection.ask()

    def answered(self, connection: Connection, took: float, first: float) -> None:
        self.calls.append(took)
        self.first.append(first)
        if len(self.calls) == self.load.calls:
            self.ended.set_result(None)
        elif self.load.kind != IDLE:
            self.next(connection)

    def failed(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(RuntimeError(reason))

    def lost(self, error: Exception | None) -> None:
        self.failed(f"the connection was closed: {error}")


async def connected(run: Run) -> list[Connection]:
    """Connections of a run, all of them made."""
    loop, made = asyncio.get_running_loop(), []
    for _ in range(run.load.connections):
        _, protocol = await loop.create_connection(
            partial(Connection, run), "127.0.0.1", run.load.port
        )
        made.append(protocol)
    return made


async def put_on(load: Load) -> tuple[Timed, list[Connection]]:
    """Ask until all is answered; the connections stay. RuntimeError at a wrong answer."""
    run = Run(load)
    connections = await connected(run)
    began = time.perf_counter()
    for connection in connections:
        run.next(connection)
    async with asyncio.timeout(TIMEOUT_S):
        await run.ended
    return Timed(
        wall_s=time.perf_counter() - began, calls_s=run.calls, first_s=run.first
    ), connections


async def _serve() -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        load = msgspec.json.decode(line, type=Load)
        timed, connections = await put_on(load)
        print(msgspec.json.encode(timed).decode(), flush=True)
        if load.kind == IDLE:
            await asyncio.to_thread(sys.stdin.readline)  # they are open until the next line
        for connection in connections:
            connection.close()


if __name__ == "__main__":
    pin(mock.CPU)
    uvloop.run(_serve())
