"""One worker's socket: calls out, answers in, and everything the worker may do wrong on the way.

The socket is in ``connection``, its rules are in ``calls`` and ``zmtp``. A worker that breaks one
of them is hung up on at once; what becomes of its calls is the supervisor's to say
(:meth:`Channel.fail`), since only it learns how the process ended.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from stockade_sdk import wire
from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase

from .calls import Breach, Calls
from .connection import Connection
from .exchanges import Exchanges
from .waiting import Answer, Stream, Streaming

if TYPE_CHECKING:
    from msgspec import Raw

    from stockade.egress import Outlet

# What the encoder may raise of a caller's values: 2**70 in a vendor's options, a set, a loop.
UNSENDABLE = (TypeError, ValueError, OverflowError, RecursionError)
BROKEN = "broken"  # an error's code where the worker broke the protocol
MAX_LOGS = 1_000  # log records between two pings of the supervisor's; further ones are counted only
CHATS_A_TURN = 16  # log records and the like that are read at a time
TURN_S = 0.005  # until the next ones are: 3,200 a second
MAX_DENIALS = 100  # denied acts between two pings; an honest worker tells no more in its life

Value = TypeVar("Value")


class Channel:
    """The host's end of one worker. Use :meth:`connect`; it ends with :meth:`fail`."""

    def __init__(
        self,
        outlet: Outlet,
        on_log: Callable[[wire.Log], None],
        on_denied: Callable[[wire.Denied], None] = lambda denied: None,
    ) -> None:
        self.violation: str | None = None
        self._loop = asyncio.get_running_loop()
        self._calls: Calls[Answer[Raw] | Stream] = Calls()
        self._timer: asyncio.TimerHandle | None = None
        self._next_expiry = math.inf
        self._connection = Connection(self)
        self._exchanges = Exchanges(outlet, self._send, lambda: self._connection.room)
        self._on_log, self._logs, self._chats = on_log, 0, 0
        self._on_denied, self._denials = on_denied, 0
        self._hello: asyncio.Future[wire.Hello] = self._loop.create_future()
        self._loaded: asyncio.Future[tuple[str, ...]] = self._loop.create_future()
        self._pong: asyncio.Future[None] | None = None
        self._nonce = self._ponged = 0  # the last ping sent and the last one answered
        self._closed: asyncio.Future[str] = self._loop.create_future()
        self._error: ProviderError | None = None

    @classmethod
    async def connect(
        cls,
        path: str,
        *,
        outlet: Outlet,
        on_log: Callable[[wire.Log], None],
        on_denied: Callable[[wire.Denied], None] = lambda denied: None,
    ) -> Channel:
        """Connect to a listening UNIX socket and wait until its peer speaks ZMTP.

        The caller puts the deadline round it. Raises OSError where nobody listens,
        ProviderError(protocol) where the peer is no ZMTP PAIR or hangs up.
        """
        channel = cls(outlet, on_log, on_denied)
        connection = channel._connection
        await channel._loop.create_unix_connection(lambda: connection, path)
        try:
            await _either(connection.ready, channel._closed)
        except asyncio.CancelledError:
            connection.close()
            raise
        if channel._closed.done():
            raise channel._over()
        return channel

    @property
    def in_flight(self) -> int:
        """Answers that the worker owes, those that nobody waits for included."""
        return len(self._calls)

    @property
    def abandoned(self) -> int:
        """Answers that the worker owes and nobody waits for."""
        return self._calls.abandoned

    async def hello(self) -> wire.Hello:
        """The worker's first frame; the caller puts the deadline round it."""
        return await self._first(self._hello)

    async def load(self, load: wire.Load) -> tuple[str, ...]:
        """Have the plugin imported; returns its methods, raises ProviderError with the plugin's
        reason.
        """
        self._send(load)
        return await self._first(self._loaded)

    async def ping(self) -> None:
        """Return when the worker's loop has come round; the caller puts the deadline round it."""
        self._nonce += 1
        self._logs = self._denials = 0
        self._pong = self._loop.create_future()
        self._send(wire.Ping(self._nonce))
        await self._first(self._pong)

    async def call(self, method: str, request: object, *, timeout_s: float) -> Raw:
        """Run ``method`` and return its encoded answer.

        Raises ProviderError: the plugin's own, ``timeout`` (total) after ``timeout_s`` seconds, or
        what :meth:`fail` was told. A caller that is cancelled takes its call along.
        """
        if self._connection.room is not None:
            await self._room(timeout_s)
        answer: Answer[Raw] = Answer(self._loop, self._loop.time() + timeout_s)
        id = self._begin(answer, method, request, timeout_s, 0)
        try:
            return await answer
        except asyncio.CancelledError:
            self._abandon(id)
            raise

    def stream(self, method: str, request: object, *, timeout_s: float) -> Streaming:
        """Run a streaming ``method``, as an async context manager of its :class:`Stream`.

        Leaving the block before the end cancels the call. Errors as of :meth:`call`, raised by the
        iteration.
        """
        return Streaming(partial(self._begin_stream, method, request, timeout_s), self._end_stream)

    def send_stop(self) -> None:
        """Tell the worker to leave."""
        self._send(wire.Stop())

    async def closed(self) -> str:
        """Wait until the worker hung up or was hung up on; returns why."""
        return await asyncio.shield(self._closed)

    def fail(self, error: ProviderError) -> None:
        """Fail every call in flight with ``error``, and every later one; close the socket."""
        if self._error is None:
            self._error = error
        self._connection.close()
        if self._timer is not None:
            self._timer.cancel()
        for sink in self._calls.end():
            sink.fail(error)
        _refuse(self._hello, error)
        _refuse(self._loaded, error)
        if self._pong is not None:
            _refuse(self._pong, error)

    async def aclose(self) -> None:
        """Wait until the vendors' connections that this worker opened are closed; after
        :meth:`fail`.
        """
        await self._exchanges.aclose()

    # --- what the connection says ---

    def received(self, data: bytes | bytearray) -> None:
        """One whole message; raises Breach and WireError where it is not what it should be."""
        frame = wire.decode_to_host(data)
        match frame:
            case wire.Result():
                sink = self._calls.result(frame)
                self._exchanges.end_of_call(frame.id)
                if isinstance(sink, Answer):
                    sink.resolve(frame.body)
            case wire.Items():
                stream = self._calls.items(frame, len(data))
                if frame.last:
                    self._exchanges.end_of_call(frame.id)
                if isinstance(stream, Stream):
                    stream.add(frame.body, len(data), last=frame.last)
            case wire.Failed():
                sink = self._calls.failed(frame)
                self._exchanges.end_of_call(frame.id)
                if sink is not None:
                    sink.fail(ProviderError.of(frame.error))
            case wire.HttpOpen() | wire.HttpCredit() | wire.HttpClose():
                self._exchange(frame)
            case _:
                self._about_itself(frame)

    def _exchange(self, frame: wire.HttpOpen | wire.HttpCredit | wire.HttpClose) -> None:
        match frame:
            case wire.HttpOpen(id=id, call=call):
                if call and not self._calls.is_open(call):
                    self._send(wire.HttpFailed(id, _OVER))
                else:
                    self._exchanges.open(frame)
            case wire.HttpCredit():
                self._exchanges.credit(frame)
            case wire.HttpClose(id=id):
                self._exchanges.close(id)

    def _about_itself(
        self,
        frame: wire.Hello | wire.Loaded | wire.LoadFailed | wire.Pong | wire.Log | wire.Denied,
    ) -> None:
        match frame:
            case wire.Log():
                self._chatted()
                self._logs += 1
                if self._logs <= MAX_LOGS:
                    self._on_log(frame)
            case wire.Denied():
                self._chatted()
                self._denials += 1
                if self._denials <= MAX_DENIALS:
                    self._on_denied(frame)
            case wire.Pong(nonce=nonce):
                self._answered_ping(nonce)
            case wire.Hello():
                _once(self._hello, frame, "said hello twice")
            case wire.Loaded(methods=methods):
                _once(self._loaded, methods, "loaded its plugin twice")
            case wire.LoadFailed(error=error):
                _refuse(self._loaded, ProviderError.of(error))

    def _chatted(self) -> None:
        """It said something that nobody asked for. Who never stops is read in turns: reading it
        costs the other workers' callers time.
        """
        self._chats += 1
        if self._chats % CHATS_A_TURN == 0:
            self._connection.rest(TURN_S)

    def _answered_ping(self, nonce: int) -> None:
        # Every ping is answered once, in order, also one that nobody waits for any more.
        if nonce != self._ponged + 1 or nonce > self._nonce:
            raise Breach("it answered a ping that was never sent")
        self._ponged = nonce
        if self._pong is not None and nonce == self._nonce and not self._pong.done():
            self._pong.set_result(None)

    def lost(self, reason: str, *, violation: bool) -> None:
        """The connection is over."""
        if violation and self.violation is None:
            self.violation = reason
        if not self._closed.done():
            self._closed.set_result(reason)

    def _took(self, id: int, size: int) -> None:
        """A stream's reader took a frame of ``size`` bytes."""
        credit = self._calls.took(id, size)
        if credit is not None:
            self._send(credit)

    # --- inside ---

    def _begin(
        self,
        sink: Answer[Raw] | Stream,
        method: str,
        request: object,
        timeout_s: float,
        window: int,
    ) -> int:
        if self._error is not None:
            raise self._error
        id = self._calls.open(sink, window)
        call = wire.Call(id, method, max(1, int(timeout_s * 1000)), wire.embed(request), window)
        try:
            data = wire.encode(call)
        except UNSENDABLE as error:
            raise self._refused(id, f"the request cannot be sent: {error}") from error
        if len(data) > wire.MAX_FRAME_BYTES:
            most = wire.MAX_FRAME_BYTES
            raise self._refused(id, f"the request has {len(data)} bytes; {most} fit one call")
        if sink.over_at < self._next_expiry:
            self._watch(sink.over_at)
        self._connection.send(data)
        return id

    def _refused(self, id: int, message: str) -> ProviderError:
        self._calls.failed(wire.Failed(id, _OVER))
        return ProviderError(ErrorKind.INVALID_REQUEST, message)

    async def _begin_stream(self, method: str, request: object, timeout_s: float) -> Stream:
        if self._connection.room is not None:
            await self._room(timeout_s)
        stream = Stream(self._took, self._loop.time() + timeout_s)
        stream.id = self._begin(stream, method, request, timeout_s, wire.STREAM_WINDOW_BYTES)
        return stream

    def _end_stream(self, stream: Stream) -> None:
        self._abandon(stream.id)

    async def _room(self, timeout_s: float) -> None:
        """Wait until the worker reads again: nothing more is kept for it meanwhile."""
        room = self._connection.room
        if room is not None:
            try:
                await asyncio.wait_for(asyncio.shield(room), timeout_s)
            except TimeoutError:
                raise _timed_out() from None

    def _watch(self, moment: float) -> None:
        """Look for expired calls at ``moment``. One timer serves all: one each would cost 3 us."""
        self._next_expiry = moment
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(moment, self._expire)

    def _expire(self) -> None:
        self._timer, self._next_expiry = None, math.inf
        now = self._loop.time()
        for id, sink in list(self._calls.sinks()):
            if sink.over_at <= now:
                self._abandon(id)
                sink.fail(_timed_out())
        moment = min((sink.over_at for _, sink in self._calls.sinks()), default=math.inf)
        if moment < math.inf:
            self._watch(moment)

    def _abandon(self, id: int) -> None:
        if self._calls.abandon(id):
            self._send(wire.Cancel(id))
            self._exchanges.end_of_call(
                id
            )  # whatever the worker makes of it, the vendor sees the end

    def _send(self, frame: wire.ToWorker) -> None:
        self._connection.send(wire.encode(frame))

    async def _first(self, future: asyncio.Future[Value]) -> Value:
        """``future``, or ProviderError(protocol) where the connection ends before."""
        await _either(future, self._closed)
        if future.done():
            return future.result()
        raise self._over()

    def _over(self) -> ProviderError:
        """Why the connection is over; ``code`` tells a breach from a peer that hung up."""
        code = BROKEN if self.violation is not None else None
        return ProviderError(ErrorKind.PROTOCOL, self._closed.result(), code=code)


_OVER = ProviderError(ErrorKind.CANCELLED, "the call that asked for this is over").info()


def _timed_out() -> ProviderError:
    return ProviderError(
        ErrorKind.TIMEOUT, "the worker did not answer in time", phase=TimeoutPhase.TOTAL
    )


async def _either(one: asyncio.Future[Any], other: asyncio.Future[Any]) -> None:
    await asyncio.wait([one, other], return_when=asyncio.FIRST_COMPLETED)


def _refuse(future: asyncio.Future[Value], error: ProviderError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # marked as seen: nobody may be waiting


def _once(future: asyncio.Future[Value], value: Value, again: str) -> None:
    if future.done():
        raise Breach(f"it {again}")
    future.set_result(value)
