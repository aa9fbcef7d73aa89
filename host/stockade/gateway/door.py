"""The outermost application: who may come in, and where a request goes.

Host and Origin are looked at first, then the token, then whether there is room; only then is a body
read. Every request leaves one `Exchange` behind.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import anyio
import msgspec

from stockade.admin import Caller, Tokens
from stockade.admin.failures import refusal
from stockade.errors import AllAttemptsFailed, HostError
from stockade.settings import GatewaySettings
from stockade.telemetry import request_id, trace_parent
from stockade_sdk.errors import ErrorKind, ProviderError

from .bodies import Bodies, ClientGone
from .call import Call, Here, Receive, Send
from .exchange import Exchange
from .failures import (
    Rejected,
    as_provider_error,
    busy,
    going_down,
    retry_after,
    shown_attempts,
    status_of,
)
from .serves import Heard
from .visitors import Visitors
from .wires import Endpoint, Routes

LOG: Final = logging.getLogger("stockade.gateway")
ASGI = Callable[[dict[str, Any], Receive, Send], Any]
LAST_WORDS_S: Final = 1.0  # for streams that are ended to say so
MAX_GIVEN_ID_CHARS: Final = 128
MAX_TRACE_CHARS: Final = 64  # of a W3C traceparent, which has 55


class Door:
    """The ASGI application that a listener serves.

    ``routes`` are the endpoints of `/v1`; ``mounts`` other applications by the first piece of their
    paths (``""``: all that nobody else has), with the scope that they want of a caller, None for
    those that see to it themselves. ``visitors`` checks Host and Origin. ``heard`` is told of each
    request once, whatever became of it.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        tokens: Tokens,
        routes: Routes,
        mounts: Mapping[str, tuple[ASGI, str | None]],
        visitors: Visitors,
        heard: Heard,
    ) -> None:
        self._settings, self._tokens, self._routes = settings, tokens, routes
        self._mounts, self._visitors, self._heard = mounts, visitors, heard
        self._bodies = Bodies(settings)
        self._running: set[Here] = set()
        self._aside: set[Here] = set()  # of mounts: nobody waits for a page that follows a log
        self._idle = anyio.Event()
        self.draining = False

    @property
    def in_flight(self) -> int:
        """How many requests of `/v1` are being answered."""
        return len(self._running)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        headers = dict(reversed(scope["headers"]))  # of several of one name, the first
        exchange = Exchange(
            request_id=f"req_{secrets.token_hex(12)}",
            at=time.time(),
            method=scope["method"],
            client_request_id=_given_id(headers.get(b"x-request-id")),
        )
        call = Call(scope, receive, send, headers, exchange, self._bodies)
        endpoint = self._routes.find(scope["path"])
        try:
            await self._let_in(call, endpoint)
        finally:
            call.close()
            _settle(call)
            exchange.ms = round((time.perf_counter() - started) * 1000, 3)
            self._heard(exchange)

    async def _let_in(self, call: Call, endpoint: Endpoint | None) -> None:
        try:
            self._visitors(call.headers, call.scope)
            call.common.extend(self._visitors.cors.headers(call.headers))
            if call.scope["method"] == "OPTIONS" and await self._preflight(call, endpoint):
                return
            if endpoint is None:
                await self._elsewhere(call)
            else:
                await self._answer(call, endpoint)
        except ClientGone:
            pass
        except Rejected as rejected:
            await self._refuse(call, endpoint, rejected.error, rejected.status, rejected.headers)
        except AllAttemptsFailed as failed:
            shown = shown_attempts(failed.attempts)
            await self._fail(call, endpoint, failed.error, shown)
        except ProviderError as error:
            await self._fail(call, endpoint, error, None)
        except HostError as error:
            await self._fail(call, endpoint, as_provider_error(error), None)
        except Exception:
            LOG.exception("a request failed within stockade: %s", call.exchange.request_id)
            id = call.exchange.request_id
            text = f"stockade failed at this request; its log has more under {id}"
            bug = ProviderError(ErrorKind.SERVER_ERROR, text)
            await self._refuse(call, endpoint, bug, 500, ())

    async def _preflight(self, call: Call, endpoint: Endpoint | None) -> bool:
        """A browser's question whether a page may ask; it comes without a token."""
        headers = self._visitors.cors.preflight(call.headers)
        if headers is None:
            return False
        if endpoint is not None:
            call.exchange.route = endpoint.path
        await call.empty(headers)
        return True

    async def _answer(self, call: Call, endpoint: Endpoint) -> None:
        exchange = call.exchange
        exchange.route = endpoint.path
        exchange.caller = self._caller_of(call.headers).name
        method = "GET" if exchange.method == "HEAD" else exchange.method
        handle = endpoint.methods.get(method)
        if handle is None:
            allowed = ", ".join(
                [*endpoint.methods, *(["HEAD"] if "GET" in endpoint.methods else [])]
            )
            allow = (b"allow", f"{allowed}, OPTIONS".encode())
            if method == "OPTIONS":
                await call.empty((allow,))
                return
            raise Rejected(405, f"{endpoint.path} is asked by {allowed}", headers=(allow,))
        if self.draining:
            raise going_down()
        if len(self._running) >= self._settings.max_requests:
            raise busy("too many requests at once")
        request_id.set(exchange.request_id)
        trace = call.headers.get(b"traceparent")
        if trace is not None:
            trace_parent.set(trace.decode("latin-1")[:MAX_TRACE_CHARS])
        await self._while_here(call, self._running, handle(call))

    async def _while_here(self, call: Call, among: set[Here], work: Awaitable[None]) -> None:
        """Do the work while the client is there and the gateway may go on."""
        with call.while_here() as here:
            among.add(here)
            try:
                await work
            finally:
                among.discard(here)
                if self.draining and not self._running:
                    self._idle.set()
        if here.ended and not call.ended and not here.gone:
            raise going_down()

    async def _elsewhere(self, call: Call) -> None:
        path = call.scope["path"]
        first = path.split("/", 2)[1]
        app, scope = self._mounts.get(first) or self._mounts[""]
        call.exchange.route = f"/{first}" if first in self._mounts else "/"
        if first == "v1":
            call.exchange.caller = self._caller_of(call.headers).name
            raise Rejected(404, "there is no such endpoint: look at the client's base URL")
        if scope is not None:
            caller = self._caller_of(call.headers)
            call.exchange.caller = caller.name
            if scope == "admin" and not caller.is_admin:
                raise Rejected(
                    403,
                    f"the token {caller.name} may not do this: it needs the scope admin "
                    "(`stockade tokens create NAME --scope admin`)",
                    kind=ErrorKind.PERMISSION_DENIED,
                )
        await self._while_here(call, self._aside, app(call.scope, call.receive, self._noted(call)))

    def _noted(self, call: Call) -> Send:
        send, exchange = call.send, call.exchange

        async def noted(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                exchange.status, call.started = message["status"], True
                message["headers"] = [*message.get("headers", ()), *call.common]
                await send(message)
                return
            exchange.bytes_out += len(message.get("body", b""))
            await send(message)
            call.ended = not message.get("more_body", False)

        return noted

    def _caller_of(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Whose token the request carries. Raises Rejected(401)."""
        kind, _, token = headers.get(b"authorization", b"").partition(b" ")
        text = token.strip() if kind.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        caller = self._tokens.caller_of(text.decode("latin-1"))
        if caller is not None:
            return caller
        said = "is not one of this gateway's" if text else "is missing"
        raise Rejected(
            401,
            f"the token {said}: send one that `stockade serve` printed or `stockade tokens create` "
            "made, as a bearer token in the Authorization header or as x-api-key",
            kind=ErrorKind.AUTH,
            code="invalid_api_key",
            headers=((b"www-authenticate", b'Bearer realm="stockade"'),),
        )

    async def _fail(
        self, call: Call, endpoint: Endpoint | None, error: ProviderError, attempts: str | None
    ) -> None:
        headers = retry_after(error)
        if attempts:
            call.exchange.attempts = attempts
            headers = (*headers, (b"x-stockade-attempts", attempts.encode()))
        status = status_of(error) if endpoint is None else endpoint.wire.status_of(error)
        await self._refuse(call, endpoint, error, status, headers)

    async def _refuse(
        self,
        call: Call,
        endpoint: Endpoint | None,
        error: ProviderError,
        status: int,
        headers: tuple[tuple[bytes, bytes], ...],
    ) -> None:
        call.exchange.kind = error.kind.value
        if call.ended:
            return
        if call.started:  # too late for a status
            await self._break_off(call, error, status)
            return
        if endpoint is None and call.scope["path"].startswith("/api/"):
            await call.answer(status, refusal(status, error.message), headers=headers)
            return
        wire = self._routes.usual if endpoint is None else endpoint.wire
        if endpoint is not None and status == 503:
            status = wire.overloaded
        body = msgspec.json.encode(wire.encode_error(error, status))
        await call.answer(status, body, headers=headers)

    async def _break_off(self, call: Call, error: ProviderError, status: int) -> None:
        """Say in a stream that it failed, and end it; cut it where there is no way to say so."""
        if call.on_failure is None:
            call.connection.abort()
            return
        frames, call.on_failure = call.on_failure(error, status), None
        await call.end(frames)

    async def drained(self) -> None:
        """No new request is taken; those in flight may end, until the drain's time is over."""
        self.draining = True
        if self._running:
            with anyio.move_on_after(self._settings.drain_s):
                await self._idle.wait()
        for here in (*self._running, *self._aside):
            here.end()
        if self._running:
            with anyio.move_on_after(LAST_WORDS_S):
                await self._idle.wait()


def _given_id(text: bytes | None) -> str | None:
    """A client's own name for its request, where it can be written down."""
    if text is None or not 0 < len(text) <= MAX_GIVEN_ID_CHARS:
        return None
    given = text.decode("latin-1")
    return given if given.isascii() and given.isprintable() else None


def _settle(call: Call) -> None:
    """Say in the record how a request ended that was not answered to the end."""
    if call.ended:
        return
    exchange, connection = call.exchange, call.connection
    if connection.answered_with:
        exchange.status, exchange.kind = connection.answered_with, ErrorKind.INVALID_REQUEST.value
    elif connection.gone:
        exchange.cancelled = True
