"""The gateway's door on a real listener, small endpoints behind it, and clients of raw bytes."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import anyio
from anyio.abc import SocketStream

from stockade.admin import Caller, Tokens
from stockade.gateway.binding import sockets_at
from stockade.gateway.call import Call
from stockade.gateway.connection import Connections
from stockade.gateway.door import Door
from stockade.gateway.exchange import Exchange
from stockade.gateway.server import listening
from stockade.gateway.visitors import Visitors
from stockade.gateway.wires import Endpoint, Routes, Wire
from stockade.settings import GatewaySettings
from stockade_sdk.errors import ProviderError

BACKENDS = [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})]
BACKEND_IDS = ["uvloop", "asyncio"]
TOKEN = "stk_test-token"
SOON_S = 15.0  # for what must happen, on a busy machine too; who waits so long has failed
STREAM_HEADERS = ((b"content-type", b"application/octet-stream"),)


def in_words(error: ProviderError, status: int) -> dict[str, Any]:
    return {"said": str(error.message), "status": status}


class Behind:
    """Endpoints that answer at once, give back, or wait for the test to say how to go on."""

    def __init__(self) -> None:
        self.began, self.go, self.ended = anyio.Event(), anyio.Event(), anyio.Event()
        self.cancelled = False

    async def at_once(self, call: Call) -> None:
        await call.answer(200, b'{"ok":true}')

    async def echo(self, call: Call) -> None:
        body = await call.body()
        await call.answer(200, b"%d %d" % (len(body), sum(body)))

    async def waits(self, call: Call) -> None:
        await self._until_told()
        await call.answer(200, b'"late"')

    async def events(self, call: Call) -> None:
        await self._stream(call, None)

    async def binary(self, call: Call) -> None:
        await self._stream(call, STREAM_HEADERS)

    async def floods(self, call: Call) -> None:
        await call.begin_stream(STREAM_HEADERS)
        self.began.set()
        try:
            while True:
                await call.piece(b"x" * 65_536)
        finally:
            self.ended.set()

    async def fails(self, call: Call) -> None:
        raise ValueError("the secret of the house")

    async def _stream(self, call: Call, headers: Any) -> None:
        await (call.begin_stream() if headers is None else call.begin_stream(headers))
        call.on_failure = lambda error, status: b"data: failed %d\n\n" % status
        await call.piece(b"data: one\n\n")
        await self._until_told()
        await call.piece(b"data: two\n\n")
        await call.end(b"data: three\n\n")

    async def _until_told(self) -> None:
        self.began.set()
        try:
            await self.go.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled = True
            raise
        finally:
            self.ended.set()


class Served:
    def __init__(self, port: int, behind: Behind) -> None:
        self.port, self.behind = port, behind
        self.heard: list[Exchange] = []
        self.door: Door
        self.bounds: Connections
        self.more = anyio.Event()

    def hear(self, exchange: Exchange) -> None:
        self.heard.append(exchange)
        self.more.set()
        self.more = anyio.Event()

    async def told(self, count: int) -> list[Exchange]:
        """The records, as soon as there are so many."""
        with anyio.fail_after(SOON_S):
            while len(self.heard) < count:
                await self.more.wait()
        return self.heard

    def later(self, seconds: float) -> None:
        """Let the listener's clock be so much later, and have it look at its connections."""
        before = self.bounds.clock
        self.bounds.clock = lambda: before() + seconds
        self.bounds.sweep()


async def comes(fact: Callable[[], bool]) -> None:
    """Wait for what nobody tells of: the state within the listener."""
    with anyio.fail_after(SOON_S):
        while not fact():  # noqa: ASYNC110
            await anyio.sleep(0.001)


async def page(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"page")]})
    await send({"type": "http.response.body", "body": b"a page: " + scope["path"].encode()})


@contextlib.asynccontextmanager
async def served(
    settings: GatewaySettings | None = None,
    *,
    mounts: Mapping[str, Any] | None = None,
    tls: Any = None,
) -> AsyncIterator[Served]:
    settings = settings or GatewaySettings()
    (listener,) = sockets_at("127.0.0.1", ["127.0.0.1"], 0)
    behind = Behind()
    found = Served(listener.getsockname()[1], behind)
    tokens = Tokens()
    tokens.add_own(TOKEN, Caller("tester", "admin"))
    tokens.add_own("stk_use", Caller("user", "use"))
    wire = Wire(in_words, overloaded=529)
    routes = Routes(
        [
            Endpoint("/v1/once", wire, {"GET": behind.at_once, "POST": behind.at_once}),
            Endpoint("/v1/echo", wire, {"POST": behind.echo}),
            Endpoint("/v1/waits", wire, {"POST": behind.waits}),
            Endpoint("/v1/events", wire, {"POST": behind.events}),
            Endpoint("/v1/binary", wire, {"POST": behind.binary}),
            Endpoint("/v1/floods", wire, {"POST": behind.floods}),
            Endpoint("/v1/fails", wire, {"POST": behind.fails}),
        ],
        Wire(lambda error, status: {"usual": error.message, "status": status}),
    )
    visitors = Visitors(settings.hosts, "https" if tls else "http", settings.origins)
    found.door = Door(
        settings,
        tokens,
        routes,
        {"": (page, None), "api": (page, "admin"), **(mounts or {})},
        visitors,
        found.hear,
    )
    async with listening(
        found.door, [listener], settings, tls=tls, drain=found.door.drained, heard=found.hear
    ) as found.bounds:
        yield found


def request(
    path: str, method: str = "POST", *, body: bytes = b"", headers: tuple[str, ...] = (), **had: str
) -> bytes:
    """A request's bytes; `host`, `token` as keywords ("" for none), further headers as lines."""
    host, token = had.get("host", "127.0.0.1"), had.get("token", TOKEN)
    lines = [f"{method} {path} HTTP/{had.get('version', '1.1')}"]
    lines += [f"Host: {host}"] if host else []
    lines += [f"Authorization: Bearer {token}"] if token else []
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


class Client:
    """One connection. `answer` reads one whole answer; `rest` what comes until the end."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream, self.read = stream, b""

    async def send(self, data: bytes) -> None:
        await self.stream.send(data)

    async def until(self, end: bytes) -> bytes:
        with anyio.fail_after(SOON_S):
            while end not in self.read:
                self.read += await self.stream.receive(65_536)
        found, _, self.read = self.read.partition(end)
        return found + end

    async def answer(self, *, head_only: bool = False) -> Answer:
        head = await self.until(b"\r\n\r\n")
        found = Answer(head)
        length = int(found.headers.get("content-length", 0))
        if head_only:
            return found
        with anyio.fail_after(SOON_S):
            while len(self.read) < length:
                self.read += await self.stream.receive(65_536)
        found.body, self.read = self.read[:length], self.read[length:]
        return found

    async def rest(self) -> bytes:
        with anyio.fail_after(SOON_S):
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    self.read += await self.stream.receive(65_536)
        return self.read


class Answer:
    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.status = int(first.split(" ")[1])
        self.pairs = [
            (name.lower(), value) for name, _, value in (x.partition(": ") for x in lines)
        ]
        self.headers = dict(self.pairs)
        self.body = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.asynccontextmanager
async def client(port: int, *, receive_buffer: int | None = None) -> AsyncIterator[Client]:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        if receive_buffer is not None:
            raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        yield Client(stream)


async def ask(port: int, data: bytes) -> Answer:
    """Send these bytes on a connection of their own; the first answer."""
    async with client(port) as one:
        await one.send(data)
        return await one.answer()
