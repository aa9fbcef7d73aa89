"""The HTTP client of one outlet: aiohttp, told to do nothing of its own accord.

The one module that imports aiohttp (some 0.2 s), so import it at the first request and no earlier.
Each outlet has a pool of its own: a connection that one plugin may use is never another's, and
none outlives the grant it was made under.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Final

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase

from .addresses import check_address
from .resolve import Lookup, NotFound
from .targets import Grant, Target
from .upstream import Waits

__all__ = ["Answer", "Client", "failure"]

KEEP_ALIVE_S: Final = 15.0  # idle connections; vendors close theirs after 5 to 600 s
BUFFER_BYTES: Final = 64 * 1024  # aiohttp pauses the peer at twice this
MAX_LINE_BYTES: Final = 16 * 1024  # one header of an answer; security policies take 4 to 8 KiB
MAX_HEADERS: Final = 200
PLAIN_BODY_BYTES: Final = 512 * 1024  # larger ones are written in turns with the rest of the loop

Answer = aiohttp.ClientResponse


class _Lost(aiohttp.ClientError):
    """The connection went before the answer's head. Not a class that aiohttp sends again for."""


class _CheckedResolver(AbstractResolver):
    """Resolves once per connection and gives aiohttp the checked addresses to connect to, so that
    a name cannot stand for another machine between the check and the connection.
    """

    def __init__(self, grant: Grant, lookup: Lookup) -> None:
        self._grant, self._lookup = grant, lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        exact = self._grant.names(host, port)
        found = await self._lookup(host, port)
        for address in found:
            check_address(host, address, operator_allowed=exact)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Client:
    """One outlet's connections. Made inside the event loop; `aclose` ends every one of them."""

    def __init__(
        self, grant: Grant, lookup: Lookup, waits: Waits, tls: ssl.SSLContext | None
    ) -> None:
        self._grant = grant
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_CheckedResolver(grant, lookup),
                use_dns_cache=False,  # every connection is a new check
                limit=0,  # the outlet limits requests
                keepalive_timeout=KEEP_ALIVE_S,
                ssl=tls or True,
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
                connect=waits.connect_s,
                sock_read=waits.first_byte_s,
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
        if target.is_address:  # aiohttp asks no resolver then
            exact = self._grant.names(target.host, target.port)
            check_address(target.host, target.host, operator_allowed=exact)
        large = body is not None and len(body) > PLAIN_BODY_BYTES
        answer = await self._session.request(
            method,
            URL(target.url, encoded=True),
            headers=headers,
            data=io.BytesIO(body) if large and body is not None else body,
            allow_redirects=False,
        )
        if answer.connection is not None and (protocol := answer.connection.protocol) is not None:
            # From here on the waits are the outlet's: only while somebody wants the next chunk.
            protocol.read_timeout = None
            protocol.start_timeout()
        return answer

    async def aclose(self) -> None:
        """Close every connection at once."""
        with anyio.CancelScope(shield=True):
            await self._session.close()


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
