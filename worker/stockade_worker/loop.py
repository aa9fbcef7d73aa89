"""The worker's socket and event loop: frames in, tasks, frames out. The one user of zmq.

libzmq's descriptor is edge-triggered, and any send may eat the edge (zmq_getsockopt(3), ZMQ_FD): so
each wake-up reads until nothing is left, and each send is followed by one more look.
"""

from __future__ import annotations

import gc
import os
import selectors
import sys
import threading
from collections.abc import Callable
from time import monotonic

# asyncio takes ssl along, which nobody here needs: the host speaks TLS. It costs 10 ms and 3 MiB a
# worker; asyncio does without where the import fails, and a plugin that wants ssl still gets it
# afterwards.
sys.modules["ssl"] = None  # type: ignore[assignment]
import asyncio  # noqa: E402

del sys.modules["ssl"]

import zmq  # noqa: E402

from stockade_sdk import wire  # noqa: E402
from stockade_sdk.errors import ErrorInfo  # noqa: E402

from . import tunnel  # noqa: E402
from .attest import attest  # noqa: E402
from .blame import Notes, install  # noqa: E402
from .confine import Birth, lock  # noqa: E402
from .context import Surroundings  # noqa: E402
from .eager import start  # noqa: E402
from .exchange import Exchanges  # noqa: E402
from .hello import hello  # noqa: E402
from .invoke import Invocations, answered, decoded, failure  # noqa: E402
from .loader import LoadError, load  # noqa: E402
from .plan import EXIT_LOAD, LISTEN_FD, TUNNEL_FD, Plan  # noqa: E402
from .session import Session  # noqa: E402
from .streaming import CANCELLED, UNSENDABLE, Stream, unsendable  # noqa: E402

DONTWAIT = zmq.DONTWAIT  # a plain int: pyzmq takes 1 us to look at its enum
OWN_DESCRIPTORS = 2  # in the selector: the loop's wake-up pipe and the socket
DRAIN_BOUND = 64  # frames read before tasks get a turn
LINGER_MS = 1_000  # for the last frames of a worker that leaves


def serve(plan: Plan, birth: Birth, layers: tuple[str, ...]) -> int:
    """Answer calls until the host says stop or goes; returns the exit code.

    ``layers`` are the steps carried out so far. Raises StepFailed where a late one fails.
    """
    context = zmq.Context(io_threads=1)
    socket = context.socket(zmq.PAIR)
    socket.setsockopt(zmq.USE_FD, LISTEN_FD)
    socket.setsockopt(
        zmq.SNDHWM, 0
    )  # what we queue is our own memory, and streams are held back by credit
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_FRAME_BYTES)
    socket.bind("ipc://inherited")  # the path is not used: the descriptor is bound already
    selector = Idle()
    loop = asyncio.SelectorEventLoop(selector)
    asyncio.set_event_loop(loop)
    notes = Notes()
    worker = Worker(loop, socket, notes)
    if plan.tunnel:
        tunnel.serve(tunnel.listen(), TUNNEL_FD)  # before the lockdown, which lets nobody listen
        os.environ.update(tunnel.ENVIRONMENT)
    socket.poll(flags=zmq.POLLOUT)  # until the host is there, or kills us: all is connected then
    layers += lock(plan, birth)
    socket.send(wire.encode(hello(plan, layers, attest(plan))))
    if plan.paths:
        install(plan.paths, subprocess=plan.subprocess, tunnel=plan.tunnel, report=notes)
    loop.add_reader(int(socket.getsockopt(zmq.FD)), worker.readable)
    selector.wait = worker.wait
    loop.call_soon(worker.readable)
    loop.run_forever()
    socket.close()
    context.term()
    return worker.exit_code


def warm() -> None:
    """Run what a worker's start runs of asyncio once, before a fork."""
    asyncio.SelectorEventLoop(Idle()).close()


class Idle(selectors.EpollSelector):
    """A selector that waits in libzmq itself while nobody but the host can wake this process.

    That spares an epoll round and a turn of asyncio's loop for each call, a third of its time. As
    soon as the plugin has a timer, a descriptor of its own or a further thread, it is an ordinary
    selector.
    """

    wait: Callable[[], None] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See ``selectors``; ``timeout`` is ``None`` where the loop has neither callbacks nor
        timers.
        """
        quiet = timeout is None and len(self.get_map()) == OWN_DESCRIPTORS
        if quiet and self.wait is not None and threading.active_count() == 1:
            self.wait()
            return []
        return super().select(timeout)


class Worker:
    """Takes frames, runs calls as tasks, sends what they say."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, socket: zmq.Socket[bytes], notes: Notes
    ) -> None:
        self.exit_code = 0
        self._notes = notes
        self._loop, self._receive = loop, socket.recv
        # The method below pyzmq's Python layer, which looks for options that a PAIR does not have.
        self._send = socket.send
        self._session = Session()
        self._exchanges = Exchanges(self.send)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._streams: dict[int, Stream] = {}
        self._invocations: Invocations | None = None
        self._surroundings: Surroundings | None = None
        self._looking = False
        self._leaving = False

    def send(self, frame: wire.ToHost) -> None:
        """Queue one frame."""
        self.send_bytes(wire.encode(frame))

    def send_bytes(self, data: bytes) -> None:
        """Queue one encoded frame, and look again for what the send may have hidden."""
        try:
            self._send(data, DONTWAIT)
        except zmq.Again:  # nothing limits what is queued, so nobody is there: the host has gone
            self._leave()
            return
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self.readable)

    def readable(self) -> None:
        """Read what is there, a bounded number of frames."""
        self._looking = True  # what is sent meanwhile is followed by the look below
        receive = self._receive
        try:
            for _ in range(DRAIN_BOUND):
                self._take(wire.decode_to_worker(receive(DONTWAIT)))
        except zmq.Again:
            self._looking = False
            return
        self._loop.call_soon(self.readable)

    def wait(self) -> None:
        """Take frames, each as it comes, until the loop has something to do."""
        ready, timers = self._loop._ready, self._loop._scheduled  # type: ignore[attr-defined]
        self._looking = True
        while not (ready or timers or self._leaving):
            self._take(wire.decode_to_worker(self._receive()))
        self._loop.call_soon(self.readable)

    def _take(self, frame: wire.ToWorker) -> None:
        match frame:
            case wire.Call():
                self._call(frame)
            case wire.Credit():
                self._session.credit(frame)
                stream = self._streams.get(frame.id)
                if stream is not None:
                    stream.credited()
            case wire.HttpHead() | wire.HttpBody() | wire.HttpFailed():
                self._exchanges.take(frame)
            case wire.Cancel(id=id):
                task = self._tasks.get(id)
                if task is not None:
                    task.cancel()
            case wire.Ping(nonce=nonce):
                self._tell()
                self.send(wire.Pong(nonce))
            case wire.Load():
                self._load(frame)
            case wire.Stop():
                self._leave()

    def _load(self, frame: wire.Load) -> None:
        try:
            self._invocations = Invocations(load(frame))
        except LoadError as error:
            self.exit_code = EXIT_LOAD
            self._tell()
            self.send(wire.LoadFailed(error.info))
            self._leave()
            return
        self._surroundings = Surroundings(frame, self._exchanges, self.send, monotonic)
        gc.collect()
        gc.freeze()  # what is loaded stays: later collections need not walk it
        self._tell()
        self.send(wire.Loaded(tuple(method.value for method in self._invocations.methods)))

    def _tell(self) -> None:
        """Send what the plugin was denied since the last time."""
        for kind, what in self._notes.drain():
            self.send(wire.Denied(kind, what))

    def _leave(self) -> None:
        self._leaving = True
        self._loop.stop()

    def _call(self, call: wire.Call) -> None:
        if not self._session.open(call):
            return
        task = start(self._stream(call) if call.window else self._unary(call), self._loop)
        if not task.done():  # it may have run to its end at once
            self._tasks[call.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(call.id, None))

    async def _unary(self, call: wire.Call) -> None:
        answer: bytes | None
        try:
            invocations, surroundings = self._ready()
            bound = invocations.bound(call.method)
            context = surroundings.context(call.id, call.timeout_ms / 1000)
            response = await answered(bound, call.method, decoded(bound, call), context)
            try:
                answer = self._session.answer(call.id, response)
            except UNSENDABLE as error:
                answer = self._session.fail(call.id, unsendable(call, error))
        except asyncio.CancelledError:
            answer = self._session.fail(call.id, CANCELLED)
        # sys.exit() in a plugin is a failed call, not the end of its siblings
        except BaseException as error:  # noqa: BLE001
            answer = self._session.fail(call.id, failure(error, call.method))
        if self._notes:
            self._tell()
        if answer is not None:
            self.send_bytes(answer)

    async def _stream(self, call: wire.Call) -> None:
        stream = self._streams[call.id] = Stream(call, self._session, self.send_bytes, self._loop)
        error: ErrorInfo | None
        try:
            error = await self._streamed(call, stream)
        except asyncio.CancelledError:
            error = CANCELLED
        del self._streams[call.id]
        answer = None if error is None else self._session.fail(call.id, error)
        if answer is not None:
            self.send_bytes(answer)

    async def _streamed(self, call: wire.Call, stream: Stream) -> ErrorInfo | None:
        """Why it failed; what was said before is sent first."""
        error: ErrorInfo | None = None
        try:
            invocations, surroundings = self._ready()
            context = surroundings.context(call.id, call.timeout_ms / 1000)
            await invocations.stream(call, context, stream)
        except asyncio.CancelledError:
            raise
        except BaseException as raised:  # noqa: BLE001  # as above
            error = failure(raised, call.method)
        self._tell()
        await stream.room()
        stream.flush(last=error is None)
        return error

    def _ready(self) -> tuple[Invocations, Surroundings]:
        assert self._invocations is not None  # the host loads before it calls
        assert self._surroundings is not None
        return self._invocations, self._surroundings
