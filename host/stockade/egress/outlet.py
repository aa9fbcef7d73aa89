"""One plugin's way out: what becomes of each of its requests, step by step.

For one request: its URL is read strictly, matched against the grant, its headers are rebuilt, real
keys take the place of placeholders, the name is resolved once, every address is checked, and the
connection goes to a checked address. Redirects are handed back, for the request that follows one
is a new decision. Not here: retries, what an answer means.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
import anyio.to_thread

from stockade.settings import EgressSettings
from stockade_sdk.errors import ErrorKind, PermissionDenied, ProviderError, TimeoutPhase
from stockade_sdk.text import show

from .addresses import AddressRefused
from .decision import ALLOW_HOST, BINDING, NETWORK, Decision, Subject
from .headers import HeadersRefused, request_headers
from .metering import MaySend, anything_goes, bytes_of_request
from .recording import Heard, Recorder, Recording, Recordings
from .redirect import NO_TUNNELS, Redirect
from .resolve import Lookup
from .routes import Forbidden, Routes
from .secrets import Filled, Keyring, SecretRefused
from .targets import Decided, Grant, Target, TargetRefused, read_target
from .tunnel import Tunnels, TunnelTerms
from .upstream import Upstream, Waits

if TYPE_CHECKING:
    import socket
    import ssl
    from types import ModuleType

    from .client import Answer, Client

__all__ = ["Outlet", "Terms"]

AT_A_TIME: Final = 64  # requests of one outlet, where its plugin takes no more calls than that
MOST_AT_A_TIME: Final = 1_024  # each is a connection, and a descriptor of the host's
TUNNEL_OPENING_S: Final = 10.0  # for a tunnel's CONNECT request, and again for its ClientHello
TUNNEL_TOTAL_S: Final = 3600.0
TUNNEL_BODIES: Final = 16  # a tunnel lives for many requests: so many of the largest bodies
# No CONNECT (a tunnel), no TRACE (it repeats the request, key and all).
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Terms(NamedTuple):
    """What holds for every outlet of a broker."""

    waits: Waits
    max_body_bytes: int
    on_decision: Callable[[Decision], None]
    tls: ssl.SSLContext | None
    forbidden: Forbidden
    network: EgressSettings
    may_send: MaySend = anything_goes
    redirect: Redirect | None = None
    recorder: Recorder | None = None


class _Request(Subject):
    """A request, and until when it has to be done."""

    __slots__ = ("deadline", "kind", "method")

    def __init__(self, method: str, deadline: float) -> None:
        super().__init__()
        self.method, self.deadline, self.kind = method, deadline, ""


class Outlet:
    """Requests of one plugin under one grant. `placeholders` are what it gets for its secrets."""

    def __init__(
        self,
        plugin: str,
        grant: Grant,
        keyring: Keyring,
        lookup: Lookup,
        terms: Terms,
        at_a_time: int = AT_A_TIME,
    ) -> None:
        self._plugin, self._grant, self._keyring = plugin, grant, keyring
        self._terms = terms
        self._routes = Routes(grant, lookup, terms.forbidden, terms.network)
        self._at_a_time = at_a_time
        recorder = terms.recorder
        self._recordings = Recordings(plugin, keyring.hidden, recorder) if recorder else None
        self._slots = anyio.Semaphore(at_a_time, fast_acquire=True)
        self._client: Client | None = None
        self._translate: Callable[[Exception, Target, Waits], ProviderError | None] | None = None
        self._tunnels: set[Tunnels] = set()
        self._closed = False

    @property
    def placeholders(self) -> dict[str, str]:
        """By name of the secret; "" for one that the operator has not set."""
        return dict(self._keyring.placeholders)

    def open(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | None,
        *,
        timeout_s: float,
    ) -> AbstractAsyncContextManager[Upstream]:
        """Make a request; entered when the answer's head is there, whatever its status.

        Leaving closes the connection unless the body was read to its end; so does cancelling.
        `timeout_s` covers everything, the body included. Raises PermissionDenied (with what would
        allow it) and ProviderError: invalid_request, over_budget (nothing of it has left then),
        network, malformed_response, timeout with the phase connect, first_byte, idle or total.
        """
        return self._open(method, url, headers, body, timeout_s)

    async def tunnel(self, end: socket.socket) -> str:
        """Carry the raw tunnels of one worker whose plugin was granted them; takes `end` over.

        `end` is connected to what the worker inherited as its `TUNNEL_FD`. Returns when that is
        closed, so run it in a task beside the worker, or when this outlet is; by then every
        connection is ended. What it gives is the rule that the worker's end broke, "" for none.
        """
        if self._closed:
            end.close()
            return ""
        waits = self._terms.waits
        terms = TunnelTerms(
            waits,
            TUNNEL_OPENING_S,
            TUNNEL_TOTAL_S,
            TUNNEL_BODIES * self._terms.max_body_bytes,
            partial(self._terms.may_send, self._plugin) if self._terms.redirect is None else _none,
        )
        tunnels = Tunnels(
            self._plugin, self._grant, self._routes, terms, self._terms.on_decision, end
        )
        self._tunnels.add(tunnels)
        try:
            return await tunnels.run()
        finally:
            self._tunnels.discard(tunnels)

    @property
    def is_closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._closed

    async def aclose(self) -> None:
        """Close every connection, tunnels too; requests under way fail, later ones too."""
        self._closed = True
        for tunnels in self._tunnels:
            tunnels.close()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | None,
        timeout_s: float,
    ) -> AsyncIterator[Upstream]:
        request = _Request(method.upper(), anyio.current_time() + timeout_s)
        upstream: Upstream | None = None
        recording: Recording | None = None
        try:
            filled = self._prepare(request, url, headers, body)
            if self._recordings is not None:
                recording = self._recordings.begin(request.method, request.target, headers, body)
            await self._take_slot(request, timeout_s)
            try:
                answer = await self._send(request, filled, body, timeout_s)
                try:
                    upstream = self._upstream(request, answer, timeout_s, recording)
                    yield upstream
                finally:
                    answer.close()
            finally:
                self._slots.release()
        except ProviderError as error:
            request.reason, request.kind = request.reason or str(error), str(error.kind)
            raise
        except BaseException as error:
            request.reason = request.reason or f"given up: {type(error).__name__}"
            request.kind = str(ErrorKind.CANCELLED)
            raise
        finally:
            if upstream is not None:
                request.bytes_in, request.status = upstream.bytes_in, upstream.status
            self._terms.on_decision(request.decision(self._plugin))
            if recording is not None and request.allowed:
                recording.end(request.kind, request.reason)

    def _prepare(
        self, request: _Request, url: str, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> Filled:
        """Decide, and write the request as it goes out. Raises before anything is sent."""
        if request.method not in _METHODS:
            raise _invalid(f"{show(request.method)} is no method that is sent")
        try:
            request.target = target = read_target(url)
        except TargetRefused as refused:
            raise PermissionDenied(f"plugin {self._plugin!r}: {refused}") from refused
        decided: Decided = self._grant.decide(target)
        if decided.rule is None:
            request.want(ALLOW_HOST if target.is_plain else NETWORK)
            raise PermissionDenied(f"plugin {self._plugin!r} may not reach {decided.refusal}")
        request.rule = str(decided.rule)
        request.bytes_out = len(body) if body is not None else 0
        if request.bytes_out > self._terms.max_body_bytes:
            raise _invalid(
                f"the request's body has {request.bytes_out} bytes; "
                f"at most {self._terms.max_body_bytes} are sent"
            )
        try:
            plain = request_headers(headers)
        except HeadersRefused as refused:
            raise _invalid(str(refused)) from refused
        try:
            filled = self._keyring.fill(target, plain, body)
        except SecretRefused as refused:
            request.want(BINDING, refused.secret)
            raise
        request.allowed = True
        return filled

    async def _take_slot(self, request: _Request, timeout_s: float) -> None:
        try:
            self._slots.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_at(request.deadline) as scope:
                await self._slots.acquire()
            if scope.cancelled_caught:
                raise _late(
                    f"{self._at_a_time} requests of plugin {self._plugin!r} were under way for "
                    f"all of {timeout_s:g} s"
                ) from None

    async def _send(
        self, request: _Request, filled: Filled, body: bytes | None, timeout_s: float
    ) -> Answer:
        target = request.target
        client = self._client or await self._connected()
        answer: Answer | None = None
        filled_in = target._replace(path=filled.path)
        size = self._pay(request, filled_in, filled.headers, body)
        try:
            with anyio.move_on_at(request.deadline):
                answer = await client.send(request.method, filled_in, filled.headers, body)
        except AddressRefused as refused:
            self._terms.may_send(self._plugin, -size)
            raise PermissionDenied(request.refuse_address(self._plugin, refused)) from None
        except Exception as error:
            if client.never_connected(error):
                self._terms.may_send(self._plugin, -size)
            said = self._meaning(target, error)
            if said is None:
                raise
            raise said from error
        if answer is None:
            raise _late(f"{target.endpoint} sent no answer within {timeout_s:g} s")
        return answer

    def _pay(
        self,
        request: _Request,
        target: Target,
        headers: Sequence[tuple[str, str]],
        body: bytes | None,
    ) -> int:
        """Count what is about to leave, and its size. Raises ProviderError(over_budget)."""
        size = bytes_of_request(request.method, target, headers, body)
        refused = self._terms.may_send(self._plugin, size)
        if refused is not None:
            request.allowed, request.bytes_out = False, 0
            raise refused
        return size

    def _upstream(
        self, request: _Request, answer: Answer, timeout_s: float, recording: Recording | None
    ) -> Upstream:
        of = Upstream if recording is None else partial(Heard, recording)
        return of(
            answer,
            request.target,
            self._keyring.redactor,
            self._terms.waits,
            partial(self._meaning, request.target),
            deadline=request.deadline,
            timeout_s=timeout_s,
            max_bytes=self._terms.max_body_bytes,
        )

    def _meaning(self, target: Target, error: Exception) -> ProviderError | None:
        """What a client's error means, without any key that an upstream put into it."""
        assert self._translate is not None
        said = self._translate(error, target, self._terms.waits)
        if said is None:
            return None
        told = self._keyring.redactor.text(said.message)
        return ProviderError(said.kind, told, said.status, phase=said.phase)

    async def _connected(self) -> Client:
        """The client, made at the first request: its library takes 0.2 s to import."""
        client: ModuleType = await anyio.to_thread.run_sync(
            importlib.import_module, f"{__package__}.client"
        )
        if self._closed:
            raise ProviderError(ErrorKind.CANCELLED, f"plugin {self._plugin!r} is being stopped")
        if self._client is None:  # another first request may have been faster
            self._translate = client.failure
            self._client = client.Client(
                self._routes, self._terms.waits, self._terms.tls, self._terms.redirect
            )
        return self._client


def _none(size: int) -> ProviderError:
    """What a tunnel is told where requests are redirected."""
    return PermissionDenied(NO_TUNNELS)


def _invalid(message: str) -> ProviderError:
    return ProviderError(ErrorKind.INVALID_REQUEST, message)


def _late(message: str) -> ProviderError:
    return ProviderError(ErrorKind.TIMEOUT, message, phase=TimeoutPhase.TOTAL)
