"""The HTTP client of one outlet: aiohttp, told to do nothing of its own accord.

The one module that imports aiohttp (some 0.2 s), so import it at the first request and no earlier.
Each outlet has a pool of its own: a connection that one plugin may use is never another's, and
none outlives the grant it was made under.
"""

from __future__ import annotations

import io
import math
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from stockade.settings import Proxy
from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase

from .redirect import Redirect
from .resolve import NotFound
from .routes import Routes
from .targets import Target
from .upstream import Waits

__all__ = ["Answer", "Client", "failure"]

KEEP_ALIVE_S: Final = 15.0  # idle connections; vendors close theirs after 5 to 600 s
BUFFER_BYTES: Final = 64 * 1024  # aiohttp pauses the peer at twice this
MAX_IDLE: Final = 64  # connections of one outlet that wait for their next request
MAX_LINE_BYTES: Final = 16 * 1024  # one header of an answer; security policies take 4 to 8 KiB
MAX_HEADERS: Final = 200
PLAIN_BODY_BYTES: Final = 512 * 1024  # larger ones are written in turns with the rest of the loop

Answer = aiohttp.ClientResponse


class _Lost(aiohttp.ClientError):
    """The connection went before the answer's head. Not a class that aiohttp sends again for."""


class _Addresses(AbstractResolver):
    """Gives aiohttp the addresses to connect to, asked for once per connection, so that a name
    cannot stand for another machine between the check and the connection.
    """

    def __init__(self, addresses: Callable[[str, int], Awaitable[Sequence[str]]]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._addresses(host, port)
        ]

    async def close(self) -> None:
        """Nothing is held."""


class _Connector(aiohttp.TCPConnector):
    """Keeps only so many idle connections: aiohttp itself bounds those in use alone, and a plugin
    that may reach "*.example.com" has as many hosts as it likes.
    """

    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        idle = sum(map(len, self._conns.values()))
        super()._release(key, protocol, should_close=should_close or idle >= MAX_IDLE)


class _Upload(io.BytesIO):
    """A large body on its way. aiohttp's wait for the answer begins when all of it was sent, so
    `scope` ends where nobody takes the next piece for `wait_s`, or answers after the last one.
    """

    def __init__(self, body: bytes, wait_s: float) -> None:
        super().__init__(body)
        self.scope = anyio.CancelScope()
        self._wait_s = wait_s

    def read(self, size: int | None = -1) -> bytes:
        self.scope.deadline = anyio.current_time() + self._wait_s
        return super().read(size)


class Client:
    """One outlet's connections. Made inside the event loop; `aclose` ends every one of them."""

    def __init__(
        self,
        routes: Routes,
        waits: Waits,
        tls: ssl.SSLContext | None,
        redirect: Redirect | None = None,
    ) -> None:
        self._routes, self._waits, self._tls = routes, waits, tls
        self._redirect = redirect
        self._direct = self._session(routes.addresses)
        self._proxied: dict[Proxy, aiohttp.ClientSession] = {}

    def _session(
        self, addresses: Callable[[str, int], Awaitable[Sequence[str]]]
    ) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(
                resolver=_Addresses(addresses),
                use_dns_cache=False,  # every connection is a new check
                limit=0,  # the outlet limits requests
                keepalive_timeout=KEEP_ALIVE_S,
                ssl=self._tls or True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("content-type",),
            auto_decompress=False,  # see `body`
            trust_env=False,
            read_bufsize=BUFFER_BYTES,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
            timeout=aiohttp.ClientTimeout(
                total=None,  # the outlet's, for it covers the body too
                connect=self._waits.connect_s,
                sock_read=self._waits.first_byte_s,  # from the end of the request's body
                ceil_threshold=math.inf,  # else a wait above 5 s ends with a whole second
            ),
            middlewares=(_send_once,),
        )

    async def send(
        self,
        method: str,
        target: Target,
        headers: Sequence[tuple[str, str]],
        body: bytes | None,
    ) -> Answer:
        """Send one request, once, and return at its answer's head, whatever the status.

        `target` was granted, and has secrets filled in. Raises what `failure` translates,
        and `AddressRefused`.
        """
        redirect = self._redirect
        proxy = None if redirect else self._routes.proxy_for(target.host, target.port)
        session = self._direct if proxy is None else await self._through(proxy, target)
        if proxy is None and target.is_address:  # aiohttp asks no resolver then
            self._routes.check(target.host, target.host, target.port)
        authorization = _authorization(proxy)
        if proxy is not None and target.is_plain:  # the request itself goes to the proxy
            headers = [*headers, *authorization.items()]
        url = target.url
        if redirect is not None:
            url, headers = redirect.url(target), [*headers, ("host", redirect.host(target))]
        asked = partial(
            session.request,
            method,
            URL(url, encoded=True),
            headers=headers,
            allow_redirects=False,
            proxy=None if proxy is None else URL(f"http://{proxy.endpoint}"),
            proxy_headers=None if proxy is None or target.is_plain else authorization,
        )
        if body is None or len(body) <= PLAIN_BODY_BYTES:
            answer = await asked(data=body)
        else:
            answer = await self._uploaded(asked, body)
        if answer.connection is not None and (protocol := answer.connection.protocol) is not None:
            # From here on the waits are the outlet's: only while somebody wants the next chunk.
            protocol.read_timeout = None
            protocol.start_timeout()
        return answer

    async def _uploaded(self, asked: Callable[..., Awaitable[Answer]], body: bytes) -> Answer:
        upload = _Upload(body, self._waits.first_byte_s)
        with upload.scope:
            return await asked(data=upload)
        raise aiohttp.SocketTimeoutError

    async def _through(self, proxy: Proxy, target: Target) -> aiohttp.ClientSession:
        """Connections by way of a proxy, for a target that it may be asked for."""
        with anyio.move_on_after(self._waits.connect_s) as scope:
            await self._routes.check_proxied(proxy, target.host, target.port)
        if scope.cancelled_caught:
            raise aiohttp.ConnectionTimeoutError
        session = self._proxied.get(proxy)
        if session is None:

            async def addresses(host: str, port: int) -> Sequence[str]:
                if (host, port) != (proxy.host, proxy.port):
                    raise NotFound("it was not to be connected to")  # none but the proxy here
                return await self._routes.proxy_addresses(proxy)

            session = self._proxied[proxy] = self._session(addresses)
        return session

    def never_connected(self, error: Exception) -> bool:
        """Whether `send` failed before any byte of its request could leave."""
        return isinstance(
            error, NotFound | aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
        )

    async def aclose(self) -> None:
        """Close every connection at once."""
        with anyio.CancelScope(shield=True):
            for session in (self._direct, *self._proxied.values()):
                await session.close()


def _authorization(proxy: Proxy | None) -> dict[str, str]:
    if proxy is None or not proxy.authorization:
        return {}
    return {"proxy-authorization": proxy.authorization}


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        # aiohttp would send idempotent requests again: whether to is decided above, once.
        raise _Lost(_cause(error)) from error


def failure(error: Exception, target: Target, waits: Waits) -> ProviderError | None:
    """What an error of `send` or of reading the body means to a caller; None if it is no such."""
    where = target.endpoint
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ProviderError(
                ErrorKind.TIMEOUT,
                f"{where} could not be connected to within {waits.connect_s:g} s",
                phase=TimeoutPhase.CONNECT,
            )
        case aiohttp.ServerTimeoutError():
            return ProviderError(
                ErrorKind.TIMEOUT,
                f"{where} sent no answer within {waits.first_byte_s:g} s",
                phase=TimeoutPhase.FIRST_BYTE,
            )
        case NotFound():
            return _network(f"{target.host} could not be found: {error}")
        case aiohttp.ClientConnectorCertificateError():
            return _network(f"{where} showed a certificate that is not good: {_cause(error)}")
        case aiohttp.ClientSSLError():
            return _network(f"{where} did not agree on TLS: {_cause(error)}")
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return _network(f"{where} could not be reached: {_proxys(error)}")
        case aiohttp.ClientConnectorError():
            return _network(f"{where} could not be connected to: {_cause(error)}")
        case aiohttp.ClientResponseError():
            return ProviderError(
                ErrorKind.MALFORMED_RESPONSE, f"{where} did not answer in HTTP: {error.message}"
            )
        case aiohttp.ClientPayloadError():
            return _network(f"{where} broke off its answer: {_cause(error)}")
        case _Lost() | aiohttp.ClientConnectionError():
            return _network(f"{where} closed the connection: {_cause(error)}")
        case aiohttp.ClientError() | OSError() | ValueError():
            return _network(f"the request to {where} failed: {_cause(error)}")
        case _:
            return None


def _network(message: str) -> ProviderError:
    return ProviderError(ErrorKind.NETWORK, message)


def _proxys(error: aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the operator's proxy refused it with status {error.status}"
    return f"the operator's proxy does not answer: {_cause(error)}"


def _cause(error: Exception) -> str:
    """The cause in words, without the address that a system error would name."""
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        return "in the middle of an answer's head"  # which its own words would repeat
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
