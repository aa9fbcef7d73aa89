"""One plugin's way out: what becomes of each of its requests, step by step.

For one request: its URL is read strictly, matched against the grant, its headers are rebuilt, real
keys take the place of placeholders, the name is resolved once, every address is checked, and the
connection goes to a checked address. Redirects are handed back, for the request that follows one
is a new decision. Not here: tunnels, retries, what an answer means.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
import anyio.to_thread
import msgspec

from stockade_sdk.errors import ErrorKind, PermissionDenied, ProviderError, TimeoutPhase
from stockade_sdk.text import show

from .addresses import AddressRefused
from .headers import HeadersRefused, request_headers
from .resolve import Lookup
from .secrets import Filled, Keyring
from .targets import Decided, Grant, Target, TargetRefused, read_target
from .upstream import Upstream, Waits

if TYPE_CHECKING:
    import ssl
    from types import ModuleType

    from .client import Answer, Client

__all__ = ["Decision", "Outlet", "Terms"]

AT_A_TIME: Final = 64  # requests of one outlet
# No CONNECT (a tunnel), no TRACE (it repeats the request, key and all).
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request, for the log. `host` is "" and `port` 0 for an unreadable URL.

    `reason` is for the operator: "" where all went well, else what did not; it may name an internal
    address, never a secret. Bytes are of bodies, as the plugin sees them.
    """

    plugin: str
    host: str
    port: int
    rule: str | None
    allowed: bool
    reason: str
    bytes_out: int = 0
    bytes_in: int = 0
    status: int | None = None


class Terms(NamedTuple):
    """What holds for every outlet of a broker."""

    waits: Waits
    max_body_bytes: int
    on_decision: Callable[[Decision], None]
    tls: ssl.SSLContext | None


class _Request:
    """One request on its way: what is known of it so far, for its `Decision`."""

    __slots__ = ("allowed", "bytes_out", "deadline", "method", "reason", "rule", "target")

    def __init__(self, method: str, deadline: float) -> None:
        self.method, self.deadline = method, deadline
        self.target = Target("", "", 0, "")
        self.rule: str | None = None
        self.allowed = False
        self.reason = ""
        self.bytes_out = 0

    def decision(self, plugin: str, upstream: Upstream | None) -> Decision:
        return Decision(
            plugin=plugin,
            host=self.target.host,
            port=self.target.port,
            rule=self.rule,
            allowed=self.allowed,
            reason=self.reason,
            bytes_out=self.bytes_out,
            bytes_in=upstream.bytes_in if upstream is not None else 0,
            status=upstream.status if upstream is not None else None,
        )


class Outlet:
    """Requests of one plugin under one grant. `placeholders` are what it gets for its secrets."""

    def __init__(
        self, plugin: str, grant: Grant, keyring: Keyring, lookup: Lookup, terms: Terms
    ) -> None:
        self._plugin, self._grant, self._keyring = plugin, grant, keyring
        self._lookup, self._terms = lookup, terms
        self._slots = anyio.Semaphore(AT_A_TIME, fast_acquire=True)
        self._client: Client | None = None
        self._translate: Callable[[Exception, Target, Waits], ProviderError | None] | None = None
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
        allow it) and ProviderError: invalid_request, network, malformed_response, timeout with the
        phase connect, first_byte, idle or total.
        """
        return self._open(method, url, headers, body, timeout_s)

    @property
    def is_closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._closed

    async def aclose(self) -> None:
        """Close every connection; requests under way fail, later ones too."""
        self._closed = True
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
        try:
            filled = self._prepare(request, url, headers, body)
            await self._take_slot(request, timeout_s)
            try:
                answer = await self._send(request, filled, body, timeout_s)
                try:
                    upstream = self._upstream(request, answer, timeout_s)
                    yield upstream
                finally:
                    answer.close()
            finally:
                self._slots.release()
        except ProviderError as error:
            request.reason = request.reason or str(error)
            raise
        except BaseException as error:
            request.reason = request.reason or f"given up: {type(error).__name__}"
            raise
        finally:
            self._terms.on_decision(request.decision(self._plugin, upstream))

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
        filled = self._keyring.fill(target, plain, body)
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
                    f"{AT_A_TIME} requests of plugin {self._plugin!r} were under way for all of "
                    f"{timeout_s:g} s"
                ) from None

    async def _send(
        self, request: _Request, filled: Filled, body: bytes | None, timeout_s: float
    ) -> Answer:
        target = request.target
        client = self._client or await self._connected()
        answer: Answer | None = None
        try:
            with anyio.move_on_at(request.deadline):
                answer = await client.send(
                    request.method, target._replace(path=filled.path), filled.headers, body
                )
        except AddressRefused as refused:
            request.allowed = False
            request.reason = str(refused)
            raise PermissionDenied(
                f"plugin {self._plugin!r} may not reach {target.endpoint}: it is {refused.what}, "
                "and only the operator opens those, host by host. If it is meant: "
                f"stockade install SOURCE --allow-host {target.rule}"
            ) from None
        except Exception as error:
            said = self._meaning(target, error)
            if said is None:
                raise
            raise said from error
        if answer is None:
            raise _late(f"{target.endpoint} sent no answer within {timeout_s:g} s")
        return answer

    def _upstream(self, request: _Request, answer: Answer, timeout_s: float) -> Upstream:
        return Upstream(
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
                self._grant, self._lookup, self._terms.waits, self._terms.tls
            )
        return self._client


def _invalid(message: str) -> ProviderError:
    return ProviderError(ErrorKind.INVALID_REQUEST, message)


def _late(message: str) -> ProviderError:
    return ProviderError(ErrorKind.TIMEOUT, message, phase=TimeoutPhase.TOTAL)
