"""Raw TLS tunnels for libraries that bring their own HTTP client: one worker's, under its grant.

For one tunnel: its CONNECT request is read strictly, judged as a request's URL would be, the name
is resolved once, every address is checked, the connection goes to a checked one. Then the first
message of TLS must name the very host that was judged, or nothing is let out. What is said inside
TLS is between the library and the host: no key is put on, no answer redacted.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple

import anyio
from anyio.abc import SocketStream

from stockade_sdk.errors import ProviderError
from stockade_sdk.hosts import normalise_host
from stockade_sdk.text import show

from .addresses import AddressRefused
from .connect import END_OF_HEAD, MAX_HEAD_BYTES, ConnectRefused, read_connect, reply
from .decision import ALLOW_HOST, NETWORK, Decision, Subject
from .dial import dial
from .frames import PIECE_BYTES
from .hello import HelloReader, HelloRefused
from .link import Link, LinkLost, Stream, StreamEnded
from .routes import Routes
from .targets import Grant, Target
from .upstream import Waits

__all__ = ["TunnelTerms", "Tunnels"]

LINGER_S: Final = 10.0  # for a client to hang up once the host has
ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class TunnelTerms(NamedTuple):
    """What bounds a tunnel; seconds and bytes, the bytes both ways together.

    `may_send` is asked for each piece before it leaves, see `metering`.
    """

    waits: Waits  # connect and idle
    opening_s: float  # for the CONNECT request, and again for the ClientHello
    total_s: float
    max_bytes: int
    may_send: Callable[[int], ProviderError | None] = lambda size: None


class _Stop(Exception):
    """The tunnel ends, for this reason."""


class Tunnels:
    """The tunnels of one worker, over the socket whose other end it inherited."""

    def __init__(
        self,
        plugin: str,
        grant: Grant,
        routes: Routes,
        terms: TunnelTerms,
        on_decision: Callable[[Decision], None],
        end: socket.socket,
    ) -> None:
        self._plugin, self._grant, self._routes = plugin, grant, routes
        self._terms, self._on_decision = terms, on_decision
        self._link = Link(end)

    async def run(self) -> str:
        """Carry tunnels until the worker's end is closed or `close` is called, then end every one
        and close the socket. Gives the rule that the worker's end broke, "" if it broke none.
        """
        return await self._link.run(self._serve)

    def close(self) -> None:
        """End them all."""
        self._link.close()

    async def _serve(self, stream: Stream) -> None:
        subject = Subject(tunnel=True)
        try:
            with anyio.move_on_after(self._terms.total_s) as scope:
                await self._carry(stream, subject)
            if scope.cancelled_caught:
                subject.reason = f"it was open for {self._terms.total_s:g} s"
        except ConnectRefused as refused:
            subject.reason = subject.reason or str(refused)
            subject.status = refused.status
            await self._answer(stream, refused)
        except _Stop as stop:
            subject.reason = str(stop)
        except StreamEnded:
            subject.reason = "" if subject.bytes_out else "its client went away"
        except LinkLost as lost:
            subject.reason = f"the worker's end {lost}"
            raise
        except anyio.get_cancelled_exc_class():
            subject.reason = "the worker or its grant came to an end"
            raise
        finally:
            self._on_decision(subject.decision(self._plugin))

    async def _answer(self, stream: Stream, refused: ConnectRefused) -> None:
        """Tell the library; a client that does not listen is not waited for."""
        with anyio.move_on_after(self._terms.opening_s):
            try:
                await stream.send(reply(refused))
                await stream.send_eof()
            except StreamEnded:
                return

    async def _carry(self, stream: Stream, subject: Subject) -> None:
        head = await self._head(stream)
        subject.target = target = read_connect(head)
        self._decide(subject, target)
        over_budget = self._terms.may_send(0)
        if over_budget is not None:
            subject.allowed = False
            raise ConnectRefused(403, over_budget.message)
        try:
            upstream = await dial(self._routes, target, self._terms.waits.connect_s)
        except AddressRefused as refused:
            told = subject.refuse_address(self._plugin, refused)
            raise ConnectRefused(403, told) from refused
        try:
            subject.status = 200
            await stream.send(ESTABLISHED)
            greeting = await self._greeting(stream, subject, target)
            await _Pump(stream, upstream, subject, self._terms).run(greeting)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(upstream)

    async def _head(self, stream: Stream) -> bytes:
        head = b""
        with anyio.move_on_after(self._terms.opening_s):
            while not head.endswith(END_OF_HEAD):
                data = await stream.receive()
                if not data:
                    raise _Stop("its client asked for nothing")
                head += data
                if len(head) > MAX_HEAD_BYTES:
                    raise ConnectRefused(431, f"its head takes more than {MAX_HEAD_BYTES} bytes")
                if not head.endswith(END_OF_HEAD) and END_OF_HEAD in head:
                    # A client that does not wait for the answer does not speak CONNECT.
                    raise ConnectRefused(400, "something follows the request for a tunnel")
            return head
        raise ConnectRefused(408, f"no request came in {self._terms.opening_s:g} s")

    def _decide(self, subject: Subject, target: Target) -> None:
        """Judge the target by name, as a request's would be. Raises `ConnectRefused`."""
        decided = self._grant.decide(target)
        if decided.rule is None:
            subject.want(NETWORK)
            raise ConnectRefused(403, f"plugin {self._plugin!r} may not reach {decided.refusal}")
        if target.is_address and not decided.exact:  # no name, so nothing in TLS to hold it to
            subject.want(ALLOW_HOST)
            raise ConnectRefused(
                403,
                f"plugin {self._plugin!r} may not tunnel to {target.endpoint}: a bare address has "
                "to be allowed by the operator. If it is meant: "
                f"stockade install SOURCE --allow-host {target.rule}",
            )
        subject.rule = str(decided.rule)
        subject.allowed = True

    async def _greeting(self, stream: Stream, subject: Subject, target: Target) -> bytes:
        """The first bytes of TLS, once they were seen to name the target. Raises `_Stop`."""
        reader = HelloReader()
        with anyio.move_on_after(self._terms.opening_s):
            while data := await stream.receive():
                try:
                    hello = reader.feed(data)
                    if hello is not None:
                        _check_name(hello.server_name, target)
                        return bytes(reader.raw)
                except HelloRefused as refused:
                    subject.allowed = False
                    raise _Stop(f"its client {refused}") from refused
            raise _Stop("its client said nothing")
        raise _Stop(f"its client did not begin TLS in {self._terms.opening_s:g} s")


def _check_name(name: str | None, target: Target) -> None:
    """Return if TLS names the host that was judged; raise `HelloRefused` if not."""
    if target.is_address:
        if name is not None:
            raise HelloRefused(f"asked for the address {target.host} and names {show(name)} in TLS")
        return
    if name is None:
        raise HelloRefused(f"asked for {target.host} and names no host in TLS (SNI)")
    try:
        same = normalise_host(name) == target.host
    except ValueError:
        same = False
    if not same:
        raise HelloRefused(f"asked for {target.host} and names {show(name)} in TLS (SNI)")


class _Pump:
    """Carries bytes both ways until both sides are done, neither says a thing, or a bound is hit.

    Holds one piece each way.
    """

    def __init__(
        self, stream: Stream, upstream: SocketStream, subject: Subject, terms: TunnelTerms
    ) -> None:
        self._stream, self._upstream = stream, upstream
        self._subject, self._terms = subject, terms
        self._heard_at = anyio.current_time()
        self._idle_s = terms.waits.idle_s
        self._sides = 2
        self._done = anyio.Event()
        self._failed: _Stop | StreamEnded | LinkLost | None = None

    async def run(self, greeting: bytes) -> None:
        """Raises `_Stop`, `StreamEnded` and `LinkLost`."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch)
            tasks.start_soon(self._side, partial(self._up, greeting))
            tasks.start_soon(self._side, self._down)
            await self._done.wait()
            tasks.cancel_scope.cancel()
        if self._failed is not None:
            raise self._failed

    async def _side(self, carry: Callable[[], Awaitable[None]]) -> None:
        try:
            await carry()
        except (_Stop, StreamEnded, LinkLost) as failed:
            self._end(failed)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._end(_Stop(f"{self._subject.target.endpoint} broke the connection off"))
        else:
            self._sides -= 1
            if not self._sides:
                self._done.set()

    def _end(self, failed: _Stop | StreamEnded | LinkLost) -> None:
        self._failed = self._failed or failed
        self._done.set()

    async def _up(self, data: bytes) -> None:
        while data:
            refused = self._terms.may_send(len(data))
            if refused is not None:
                raise _Stop(str(refused))
            self._subject.bytes_out += len(data)
            self._heard()
            await self._upstream.send(data)
            data = await self._stream.receive()
        await self._upstream.send_eof()

    async def _down(self) -> None:
        while True:
            try:
                data = await self._upstream.receive(PIECE_BYTES)
            except anyio.EndOfStream:
                break
            self._subject.bytes_in += len(data)
            self._heard()
            await self._stream.send(data)
        await self._stream.send_eof()
        self._idle_s = min(self._idle_s, LINGER_S)

    def _heard(self) -> None:
        self._heard_at = anyio.current_time()
        if self._subject.bytes_in + self._subject.bytes_out > self._terms.max_bytes:
            raise _Stop(f"it carried more than {self._terms.max_bytes} bytes")

    async def _watch(self) -> None:
        """End it when nothing has passed for the idle time."""
        while True:
            left = self._heard_at + self._idle_s - anyio.current_time()
            if left <= 0:
                break
            await anyio.sleep(min(left, LINGER_S))
        if self._idle_s == self._terms.waits.idle_s:
            self._end(_Stop(f"nothing passed for {self._idle_s:g} s"))
        self._done.set()  # the host had hung up, and its client has not noticed
