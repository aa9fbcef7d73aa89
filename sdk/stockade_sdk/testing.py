"""Run a provider in-process, in its author's own tests; no host, no sandbox, no network.

    async with provider_under_test(MyProvider, respond=[Answer.of_json({...})]) as run:
        response = await run.chat("hi")
        assert run.requests[0].json["model"] == "..."

Requests and answers go through the wire's codec as they would between host and worker, so what
does not survive the way is found here. What the host refuses, confines or adds is not played.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stockade_sdk.audio import (
    SpeechRequest,
    SpeechResponse,
    TranscriptionRequest,
    TranscriptionResponse,
)
from stockade_sdk.capability import HealthReport, ModelInfo
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.context import Context, Logger
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.http import Headers, Http
from stockade_sdk.image import ImageRequest, ImageResponse
from stockade_sdk.provider import SHAPES, Method, methods_of
from stockade_sdk.rerank import RerankRequest, RerankResponse
from stockade_sdk.stream import (
    ChatEvent,
    Finish,
    TextDelta,
    TextEnd,
    TextStart,
    fold,
    unfold,
)

__all__ = ["Answer", "LogRecord", "ProviderRun", "SentRequest", "provider_under_test"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request that the provider made; header names are in lower case."""

    method: str
    url: str
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        """The body parsed; raises ``msgspec.DecodeError`` where it is no JSON."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A canned answer: status, headers, and the body in the pieces in which it arrives.

    ``error`` is raised instead of an answer, or after the pieces where there are some.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()
    error: ProviderError | None = None

    @classmethod
    def of_json(
        cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An answer of one JSON value."""
        pairs = (("content-type", "application/json"), *(headers or {}).items())
        return cls(status=status, headers=pairs, pieces=(msgspec.json.encode(value),))

    @classmethod
    def of_events(
        cls, *data: Any, done: str | None = "[DONE]", error: ProviderError | None = None
    ) -> Answer:
        """Server-sent events, one a value (text as it is, the rest as JSON), then ``done``."""
        items = [*data] if done is None else [*data, done]
        texts = (x if isinstance(x, str) else msgspec.json.encode(x).decode() for x in items)
        return cls(
            headers=(("content-type", "text/event-stream"),),
            pieces=tuple(f"data: {text}\n\n".encode() for text in texts),
            error=error,
        )


Respond = Callable[[SentRequest], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class LogRecord:
    """What the provider logged."""

    level: str
    message: str
    fields: Mapping[str, Any]


@dataclass(slots=True)
class ProviderRun:
    """A provider being run: call it, then look at ``requests`` and ``logs``."""

    provider: Any
    context: Context
    requests: list[SentRequest] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)

    async def chat(self, request: ChatRequest | str) -> ChatResponse:
        """``chat``, or the fold of ``stream_chat`` where the provider has that alone."""
        wanted = _as_chat(request)
        if Method.CHAT in methods_of(self.provider):
            return await self._call(Method.CHAT, wanted, ChatResponse)
        return fold(await self.stream(wanted), response_format=wanted.response_format)

    async def stream(self, request: ChatRequest | str) -> list[ChatEvent]:
        """All events of ``stream_chat``; raises ValueError where they are no stream."""
        events = [event async for event in self.events(request)]
        fold(events)
        return events

    async def events(self, request: ChatRequest | str) -> AsyncIterator[ChatEvent]:
        """The events of ``stream_chat`` as they come, plain strings turned into a text block."""
        wanted = _as_chat(request)
        if Method.STREAM_CHAT not in methods_of(self.provider):
            for event in unfold(await self.chat(wanted)):
                yield event
            return
        generator = self.provider.stream_chat(_over_the_wire(wanted, ChatRequest), self.context)
        opened, finished = False, False
        try:
            async for item in generator:
                if isinstance(item, str):
                    if not opened:
                        opened = True
                        yield TextStart("text")
                    item = TextDelta("text", item)
                elif isinstance(item, Finish):
                    finished = True
                    if opened:
                        yield TextEnd("text")
                yield _over_the_wire(item, ChatEvent)
        finally:
            await generator.aclose()
        if not finished:
            if opened:
                yield TextEnd("text")
            yield Finish()

    async def embed(self, request: EmbeddingRequest | str) -> EmbeddingResponse:
        """``embed``; a string is a request for that one text."""
        wanted = EmbeddingRequest.of_texts(request) if isinstance(request, str) else request
        return await self._call(Method.EMBED, wanted, EmbeddingResponse)

    async def generate_image(self, request: ImageRequest) -> ImageResponse:
        """``generate_image``."""
        return await self._call(Method.GENERATE_IMAGE, request, ImageResponse)

    async def transcribe(self, request: TranscriptionRequest) -> TranscriptionResponse:
        """``transcribe``."""
        return await self._call(Method.TRANSCRIBE, request, TranscriptionResponse)

    async def speak(self, request: SpeechRequest) -> SpeechResponse:
        """``speak``."""
        return await self._call(Method.SPEAK, request, SpeechResponse)

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        """``rerank``."""
        return await self._call(Method.RERANK, request, RerankResponse)

    async def list_models(self) -> tuple[ModelInfo, ...]:
        """``list_models``."""
        found = await _settled(self._method(Method.LIST_MODELS)(self.context))
        return tuple(_over_the_wire(model, ModelInfo) for model in found)

    async def check_health(self) -> HealthReport:
        """``check_health``."""
        report = await _settled(self._method(Method.CHECK_HEALTH)(self.context))
        checked: HealthReport = _over_the_wire(report, HealthReport)
        return checked

    async def _call(self, method: Method, request: Any, answer: type[T]) -> T:
        given = _over_the_wire(request, SHAPES[method].request)
        found = await _settled(self._method(method)(given, self.context))
        if not isinstance(found, answer):
            raise TypeError(f"{method} returned {type(found).__name__}, not {answer.__name__}")
        checked: T = _over_the_wire(found, answer)
        return checked

    def _method(self, method: Method) -> Callable[..., Any]:
        if method not in methods_of(self.provider):
            raise ProviderError(
                ErrorKind.UNSUPPORTED, f"this provider has no method {method.value!r}"
            )
        function: Callable[..., Any] = getattr(self.provider, method.value)
        return function


@asynccontextmanager
async def provider_under_test(
    provider: type[Any] | Any,
    *,
    config: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    respond: Respond | Iterable[Answer] = (),
    data_dir: Path | None = None,
    timeout_s: float = 60.0,
) -> AsyncIterator[ProviderRun]:
    """Run ``provider`` (a class, or an instance of one) with canned answers to its HTTP requests.

    ``respond`` is called with each request, or gives its answers in order; a request beyond them
    raises AssertionError. ``secrets`` are what ``ctx.secret`` returns. Leaving the block checks
    nothing: look at ``requests`` yourself.
    """
    requests: list[SentRequest] = []
    logs: list[LogRecord] = []
    over_at = time.monotonic() + timeout_s
    answers = None if callable(respond) else iter(tuple(respond))

    async def exchange(
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        timeout_s: float | None,
    ) -> _CannedExchange:
        sent = SentRequest(method, url, Headers.of(headers), body or b"")
        requests.append(sent)
        if answers is None:
            assert callable(respond)
            answer = await _settled(respond(sent))
        else:
            answer = next(answers, None)
        if answer is None:
            raise AssertionError(f"no answer is left for {method} {url}")
        if answer.error is not None and not answer.pieces:
            raise answer.error
        return _CannedExchange(answer)

    context = Context(
        config=config or {},
        http=Http(exchange),
        log=Logger(lambda level, text, fields: logs.append(LogRecord(level, text, fields))),
        secrets=secrets or {},
        data_dir=data_dir,
        remaining=lambda: over_at - time.monotonic(),
    )
    instance = provider() if isinstance(provider, type) else provider
    yield ProviderRun(instance, context, requests, logs)


class _CannedExchange:
    """An ``OpenExchange`` over a canned answer."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.headers = Headers.of(answer.headers)
        self.closed = False
        self._pieces: Sequence[bytes] = answer.pieces
        self._error = answer.error

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._error is not None:
            raise self._error

    async def aclose(self) -> None:
        self.closed = True


def _as_chat(request: ChatRequest | str) -> ChatRequest:
    return ChatRequest.of_text(request) if isinstance(request, str) else request


def _over_the_wire(value: Any, kind: Any) -> Any:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
