"""A vendor on loopback that says what it is told to, counts, and sees who leaves.

    async with Vendor.open(wires.good) as vendor:
        async with Host.open(home, redirect=vendor.redirect) as host:
            ...
        assert vendor.asked[0].left_at is None

One request a connection, which is closed after its answer: who hangs up is then never in doubt.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream

from stockade.egress import Redirect

from .answers import Answer, Pairs
from .http1 import BadRequest, head_of, read_request

__all__ = ["Answers", "Asked", "Vendor"]

MAX_ASKED: Final = 10_000  # requests that are kept
MAX_KEPT_BYTES: Final = 256 * 1024 * 1024  # of their bodies, all together


@dataclass(eq=False)
class Asked:
    """One request as the vendor got it. Times are on the event loop's clock (`time.monotonic`).

    `done_at`: the last byte of the answer was sent; `left_at`: the client went away before.
    """

    number: int  # 0 for the first
    method: str
    host: str  # the Host header: the vendor whom the plugin meant, with its port if it has one
    path: str  # with its query
    headers: Pairs = field(repr=False)  # names in lower case
    body: bytes = field(repr=False)
    at: float
    done_at: float | None = None
    left_at: float | None = None

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((said for one, said in self.headers if one == name.lower()), None)

    @property
    def json(self) -> Any:
        """The body's JSON; None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


Answers = Callable[[Asked], Answer | Awaitable[Answer]]


class Vendor:
    """Open one with `open`.

    `asked`: the requests so far, the first `MAX_ASKED` of them; `count`: of all. `answers` may be
    replaced at any time. `faults`: what went wrong in `answers`, which the client sees as an answer
    with status 500; who judges by this vendor looks at them.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[Asked] = []
        self.count = 0
        self.faults: list[Exception] = []
        self.redirect: Redirect
        self._kept_bytes = self._open = 0
        self._news = anyio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, answers: Answers) -> AsyncIterator[Vendor]:
        """Listening on a port of its own, until the block is left."""
        vendor = cls(answers)
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with listener, anyio.create_task_group() as tasks:
            port = listener.extra(SocketAttribute.local_port)  # noqa: S610 (not Django's)
            vendor.redirect = Redirect("127.0.0.1", port)
            tasks.start_soon(listener.serve, vendor._serve)
            try:
                yield vendor
            finally:
                tasks.cancel_scope.cancel()

    def forget(self) -> None:
        """Forget what was asked so far; numbers go on."""
        self.asked.clear()
        self._kept_bytes = 0

    async def until_asked(self, count: int = 1) -> Asked:
        """Wait until so many requests came since `forget`; give the last of those."""
        await self._until(lambda: len(self.asked) >= count)
        return self.asked[count - 1]

    async def until_left(self, asked: Asked) -> float:
        """Wait until that request's client went away, and when it did."""
        await self._until(lambda: asked.left_at is not None)
        assert asked.left_at is not None
        return asked.left_at

    async def until_quiet(self) -> None:
        """Wait until no connection is open."""
        await self._until(lambda: self._open == 0)

    async def _until(self, happened: Callable[[], bool]) -> None:
        while not happened():
            await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def _serve(self, stream: SocketStream) -> None:
        self._open += 1
        try:
            await self._answer(stream)
        except BadRequest as error:
            self.faults.append(error)
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            return  # a client that left before it had asked
        finally:
            self._open -= 1
            self._tell()
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(stream)

    async def _answer(self, stream: SocketStream) -> None:
        asked = Asked(self.count, *await read_request(stream), at=anyio.current_time())
        self._keep(asked)
        self._tell()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, stream, asked, tasks.cancel_scope)
            answer = await self._said(asked)
            try:
                await _send(stream, answer)
            except anyio.BrokenResourceError:
                self._left(asked)
                return
            asked.done_at = anyio.current_time()
            # The client closes next: what still is on its way would be lost if this end did.

    def _keep(self, asked: Asked) -> None:
        self.count += 1
        self._kept_bytes += len(asked.body)
        if len(self.asked) < MAX_ASKED and self._kept_bytes <= MAX_KEPT_BYTES:
            self.asked.append(asked)

    async def _said(self, asked: Asked) -> Answer:
        try:
            answer = self.answers(asked)
            return answer if isinstance(answer, Answer) else await answer
        except Exception as error:  # noqa: BLE001 (told to whoever judges by this vendor)
            self.faults.append(error)
            return Answer(status=500)

    async def _watch(self, stream: SocketStream, asked: Asked, scope: anyio.CancelScope) -> None:
        """Until the client hangs up; what else it says is nobody's question."""
        try:
            while True:
                await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self._left(asked)
        scope.cancel()

    def _left(self, asked: Asked) -> None:
        if asked.done_at is None and asked.left_at is None:
            asked.left_at = anyio.current_time()
            self._tell()


async def _send(stream: SocketStream, answer: Answer) -> None:
    """The whole of an answer, in its own time."""
    if answer.status is None:
        await anyio.sleep_forever()
    await anyio.sleep(answer.head_after_s)
    assert answer.status is not None
    length = None if answer.streamed else sum(len(piece.data) for piece in answer.pieces)
    if length is not None and answer.then != "ends":
        length += 1  # what never comes
    await stream.send(head_of(answer.status, answer.headers, length))
    for piece in answer.pieces:
        if piece.after_s:
            await anyio.sleep(piece.after_s)
        if piece.data:
            data = piece.data
            await stream.send(data if length is not None else b"%x\r\n%b\r\n" % (len(data), data))
    if answer.then == "stalls":
        await anyio.sleep_forever()
    if answer.then == "ends" and length is None:
        await stream.send(b"0\r\n\r\n")
    await stream.send_eof()
