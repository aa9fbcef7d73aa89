"""One request to a vendor and what its answer means: JSON, bytes or a stream, else a typed error.

Nothing is tried twice: the router has the only loop. What the wire does (refused hosts, resets,
timeouts) is typed by ``ctx.http`` and passes through.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from stockade_sdk.capability import HealthReport, ResponseFields, RuntimeWarning
from stockade_sdk.dialects.json_text import parse_json
from stockade_sdk.dialects.overlay import Unreadable
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.http import Headers, HttpResponse, StreamedResponse
from stockade_sdk.stream import ChatEvent, Finish

if TYPE_CHECKING:
    from stockade_sdk.context import Context

MAX_ERROR_BYTES: Final = 64 * 1024  # of a failed answer; an error is a sentence, not a download
MAX_JSON_BYTES: Final = 32 * 1024 * 1024  # parsed it is many times as large; images fit in
BLANK: Final = b" \t\r\n\xef\xbb\xbf"  # white space and the byte order mark

AnyResponse = TypeVar("AnyResponse", bound=ResponseFields)


class Classify(Protocol):
    """Says what a failed answer means; ``dialects.failures.classify_error`` or a vendor's own."""

    def __call__(
        self, status: int | None, headers: Mapping[str, str] | None, body: Any, /
    ) -> ProviderError: ...


def classify_error(
    status: int | None, headers: Mapping[str, str] | None, body: Any
) -> ProviderError:
    """``dialects.failures.classify_error``, loaded at the first error: most workers see none."""
    from stockade_sdk.dialects import failures

    return failures.classify_error(status, headers, body)


async def exchange(
    ctx: Context,
    method: str,
    url: str,
    *,
    json: Any = None,
    content: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    classify: Classify = classify_error,
) -> Any:
    """The JSON of the answer; ``None`` where the vendor had nothing to say (204, 205).

    Raises the error that a failed answer means by ``classify``, and
    ProviderError(malformed_response) where a good one is empty, a page, cut, or larger than
    ``MAX_JSON_BYTES``.
    """
    accepted = {"accept": "application/json", **(headers or {})}
    async with ctx.http.stream(
        method, url, headers=accepted, json=json, content=content
    ) as response:
        await _raise_for_status(response, classify)
        if response.status in (204, 205):
            return None
        body = await _read(response, MAX_JSON_BYTES)
    return parsed(body, response.status)


async def fetch(
    ctx: Context,
    method: str,
    url: str,
    *,
    json: Any = None,
    content: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    classify: Classify = classify_error,
) -> HttpResponse:
    """The whole answer as bytes (sound, images), at most ``stockade_sdk.http.MAX_BODY_BYTES``.

    Raises the error that a failed answer means; what is in a good one is the caller's to judge.
    """
    async with ctx.http.stream(method, url, headers=headers, json=json, content=content) as found:
        await _raise_for_status(found, classify)
        return HttpResponse(found.status, found.headers, await found.read())


class BegunStream(StreamedResponse):
    """A good answer to a request for a stream, looked at but not used up.

    ``is_json`` says that it came whole, as a JSON object, where events were asked for.
    """

    def __init__(self, begun: _Begun) -> None:
        super().__init__(begun)
        self.is_json = begun.first[:1] == b"{"

    async def json(self) -> Any:
        """The whole answer; raises ProviderError(malformed_response)."""
        return parsed(await _read(self, MAX_JSON_BYTES), self.status)


@asynccontextmanager
async def streaming(
    ctx: Context,
    url: str,
    *,
    json: Any,
    headers: Mapping[str, str] | None = None,
    classify: Classify = classify_error,
) -> AsyncIterator[BegunStream]:
    """A POST whose answer is read as it comes, once its status and first byte are good.

    Raises the error that a failed answer means, and ProviderError(malformed_response) where a page
    came with a good status. What the events mean, and whether they are whole, is the dialect's.
    """
    accepted = {"accept": "text/event-stream", **(headers or {})}
    async with ctx.http.stream("POST", url, headers=accepted, json=json) as response:
        await _raise_for_status(response, classify)
        begun = _Begun(response)
        await begun.look()
        if begun.first[:1] == b"<":
            raise _unreadable(begun.first, response.status)
        yield BegunStream(begun)


def endpoint(ctx: Context, path: str, *, key: str = "base_url", plugin: str = "PLUGIN") -> str:
    """The URL of ``path`` below the configured ``key``, whose query it keeps.

    Raises ProviderError(model_unavailable), so that a fallback may answer, where nothing is
    configured.
    """
    base = ctx.config.get(key)
    if not base:
        raise ProviderError(
            ErrorKind.MODEL_UNAVAILABLE,
            f"no server is set; run: stockade config set {plugin} {key} URL",
        )
    address, _, query = str(base).partition("?")
    below, _, own = path.partition("?")
    asked = "&".join(filter(None, (query, own)))
    return f"{address.rstrip('/')}/{below}{'?' if asked else ''}{asked}"


async def probe(
    ctx: Context,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    json: Any = None,
    classify: Classify = classify_error,
) -> HealthReport:
    """How the vendor answers its cheapest authenticated call: name, TLS, key and JSON are right.

    A missing grant is no illness of the vendor and is raised; everything else is in the report.
    """
    begun = time.monotonic()
    try:
        await exchange(ctx, method, url, json=json, headers=headers, classify=classify)
    except ProviderError as error:
        if error.kind is ErrorKind.PERMISSION_DENIED:
            raise
        return HealthReport(ok=False, latency_ms=_since(begun), detail=str(error))
    return HealthReport(ok=True, latency_ms=_since(begun))


def with_warnings(response: AnyResponse, warnings: tuple[RuntimeWarning, ...]) -> AnyResponse:
    """The response with the request's own warnings before those of the answer."""
    if not warnings:
        return response
    return msgspec.structs.replace(response, warnings=(*warnings, *response.warnings))


def warned(event: ChatEvent, warnings: tuple[RuntimeWarning, ...]) -> ChatEvent:
    """The last event of a stream with the request's own warnings, as ``with_warnings`` has it."""
    if warnings and isinstance(event, Finish):
        return msgspec.structs.replace(event, warnings=(*warnings, *event.warnings))
    return event


def parsed(body: bytes, status: int) -> Any:
    """The JSON of a good answer; raises ProviderError(malformed_response) saying what came."""
    try:
        return parse_json(body)
    except Unreadable as error:
        raise _unreadable(body, status) from error


class _Begun:
    """An open answer whose blank beginning was passed over and whose first piece was read.

    Vendors keep connections alive with empty lines (DeepSeek), which mean nothing in either form.
    """

    def __init__(self, response: StreamedResponse) -> None:
        self.status: int = response.status
        self.headers: Headers = response.headers
        self.first = b""
        self._rest = response.chunks()

    async def look(self) -> None:
        """Read up to the first byte that says what this is."""
        async for chunk in self._rest:
            self.first = chunk.lstrip(BLANK)
            if self.first:
                return

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body without its blank beginning."""
        if self.first:
            yield self.first
            async for chunk in self._rest:
                yield chunk

    async def aclose(self) -> None:
        """The block that opened the answer closes it."""


async def _raise_for_status(response: StreamedResponse, classify: Classify) -> None:
    """Raise what a failed answer means, by its status, headers and the beginning of its body."""
    if 200 <= response.status < 300:
        return
    body = bytearray()
    broken: ProviderError | None = None
    try:
        async for chunk in response.chunks():
            body += chunk
            if len(body) >= MAX_ERROR_BYTES:
                break
    except ProviderError as error:  # the status came, and says more than that its body was cut
        if error.kind is ErrorKind.PERMISSION_DENIED:
            raise
        broken = error
    raise classify(response.status, response.headers, bytes(body[:MAX_ERROR_BYTES])) from broken


async def _read(response: StreamedResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.chunks():
        body += chunk
        if len(body) > limit:
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE,
                f"the answer (HTTP {response.status}) is larger than {limit} bytes",
                status=response.status,
            )
    return bytes(body)


def _unreadable(body: bytes, status: int) -> ProviderError:
    """A good status with a body that is no JSON, in words by which its cause can be found."""
    start = body[:512].lstrip(BLANK)
    if not start:
        said = "is empty"
    elif start[:1] == b"<":
        said = "is a page and no JSON; is base_url the address of the API, with its version path?"
    elif start[:2] == b"\x1f\x8b":
        said = f"is {len(body)} bytes of compressed data that could not be read"
    elif start[:1] in (b"{", b"["):
        said = f"is JSON that breaks off or is broken ({len(body)} bytes)"
    else:
        said = f"is no JSON ({len(body)} bytes)"
    return ProviderError(
        ErrorKind.MALFORMED_RESPONSE, f"the answer (HTTP {status}) {said}", status=status
    )


def _since(begun: float) -> float:
    """Milliseconds since ``begun``."""
    return (time.monotonic() - begun) * 1000
