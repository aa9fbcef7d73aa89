"""HTTP as a plugin sees it: requests that the host makes on its behalf.

A plugin has no network of its own. ``Http`` hands each request to an :class:`Exchange`, which the
worker implements by asking the host; a refused host comes back as
:class:`~stockade_sdk.errors.PermissionDenied`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from .errors import ErrorKind, ProviderError
from .sse import EventReader, LineReader, ServerEvent

if TYPE_CHECKING:
    import httpx

    from .context import Context

MAX_BODY_BYTES = (
    64 * 1024 * 1024
)  # of a whole answer kept in memory; larger ones are to be streamed


class Headers(dict[str, str]):
    """Response headers by lower-case name; values of repeated names are joined with ``, `` (RFC
    9110, 5.3).
    """

    @classmethod
    def of(cls, pairs: tuple[tuple[str, str], ...]) -> Headers:
        """From the pairs of the wire."""
        headers = cls()
        for name, value in pairs:
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """As of a mapping, in any case."""
        return super().get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


class OpenExchange(Protocol):
    """One request that has its answer's head; implemented by the worker and by ``testing``."""

    status: int
    headers: Headers

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; raises ProviderError where it breaks off."""
        ...

    async def aclose(self) -> None:
        """Give up the rest; the host closes the connection."""
        ...


class Exchange(Protocol):
    """The seam below ``Http``: make one request, return when the head is there."""

    async def __call__(
        self,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        timeout_s: float | None,
        /,
    ) -> OpenExchange: ...


class HttpResponse:
    """A whole answer: ``status``, ``headers``, ``body`` (bytes)."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self) -> str:
        """The body as UTF-8, undecodable bytes replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body parsed; raises ProviderError(malformed_response) where it is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE,
                f"the answer (HTTP {self.status}, {len(self.body)} bytes) is no JSON",
                status=self.status,
            ) from error


class StreamedResponse:
    """An answer whose body is read as it comes, by one of ``chunks``, ``lines`` and ``events``."""

    def __init__(self, exchange: OpenExchange) -> None:
        self._exchange = exchange
        self.status = exchange.status
        self.headers = exchange.headers

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as bytes, as they arrive."""
        return self._exchange.chunks()

    async def read(self) -> bytes:
        """The rest of the body, whole; raises ProviderError(malformed_response) beyond
        ``MAX_BODY_BYTES``.
        """
        pieces: list[bytes] = []
        size = 0
        async for chunk in self._exchange.chunks():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise ProviderError(
                    ErrorKind.MALFORMED_RESPONSE,
                    f"the answer is larger than {MAX_BODY_BYTES} bytes",
                )
            pieces.append(chunk)
        return b"".join(pieces)

    async def lines(self) -> AsyncIterator[str]:
        """The body as lines, without their ends."""
        reader = LineReader()
        async for chunk in self._exchange.chunks():
            for line in reader.feed(chunk):
                yield line
        for line in reader.end():
            yield line

    async def events(self) -> AsyncIterator[ServerEvent]:
        """The body as server-sent events."""
        reader = EventReader()
        async for chunk in self._exchange.chunks():
            for event in reader.feed(chunk):
                yield event
        for event in reader.end():
            yield event


class Http:
    """``ctx.http``: requests through the host."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | str | None = None,
        timeout: float | None = None,
    ) -> HttpResponse:
        """One request and its whole answer, whatever its status.

        ``json`` is encoded and typed as JSON; ``timeout`` is in seconds, at most what is left of
        the call's deadline. Raises PermissionDenied for a host that was not granted,
        ProviderError(network, timeout) where the wire failed.
        """
        async with self.stream(
            method, url, headers=headers, json=json, content=content, timeout=timeout
        ) as response:
            return HttpResponse(response.status, response.headers, await response.read())

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | str | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        """One request whose answer is read as it comes; leaving the block closes the connection."""
        pairs, body = prepare(headers, json, content)
        exchange = await self._exchange(method.upper(), url, pairs, body, timeout)
        try:
            yield StreamedResponse(exchange)
        finally:
            await exchange.aclose()


def prepare(
    headers: Mapping[str, str] | None, json: Any, content: bytes | str | None
) -> tuple[tuple[tuple[str, str], ...], bytes | None]:
    """Headers and body as the wire wants them; raises ValueError where both ``json`` and
    ``content`` are given.
    """
    if json is not None and content is not None:
        raise ValueError("give json or content, not both")
    pairs = [(str(name), str(value)) for name, value in (headers or {}).items()]
    if json is not None:
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("content-type", "application/json"))
        return tuple(pairs), msgspec.json.encode(json)
    return tuple(pairs), content.encode() if isinstance(content, str) else content


def httpx_client(ctx: Context, **options: Any) -> httpx.AsyncClient:
    """An ``httpx.AsyncClient`` over the same way out, for libraries that accept one.

    httpx must be among the plugin's own requirements. ``options`` go to the client, without
    ``transport``.
    """
    import httpx  # a plugin that never asks for it never pays for it

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            timeouts = [
                value
                for value in request.extensions.get("timeout", {}).values()
                if value is not None
            ]
            response = ctx.http.stream(
                request.method,
                str(request.url),
                headers={
                    name: value for name, value in request.headers.items() if name not in _HOST_SETS
                },
                content=await request.aread() or None,
                timeout=max(timeouts, default=None),
            )
            try:
                streamed = await response.__aenter__()
            except ProviderError as error:
                kind = httpx.ReadTimeout if error.kind is ErrorKind.TIMEOUT else httpx.ConnectError
                raise kind(str(error), request=request) from error
            return httpx.Response(
                streamed.status,
                headers={
                    name: value
                    for name, value in streamed.headers.items()
                    if name not in _ALREADY_DONE
                },
                stream=_HttpxBody(streamed, response.__aexit__),
                request=request,
            )

    class _HttpxBody(httpx.AsyncByteStream):
        def __init__(self, streamed: StreamedResponse, leave: Callable[..., Any]) -> None:
            self._streamed, self._leave = streamed, leave

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._streamed.chunks():
                yield chunk

        async def aclose(self) -> None:
            await self._leave(None, None, None)

    return httpx.AsyncClient(transport=Transport(), trust_env=False, **options)


_HOST_SETS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
)
_ALREADY_DONE = frozenset(
    {"content-encoding", "content-length", "transfer-encoding"}
)  # the host decodes bodies
