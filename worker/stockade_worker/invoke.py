"""One call: decode the request, run the provider's method, answer once, whatever the method does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, get_args

import msgspec

from stockade_sdk import wire
from stockade_sdk.capability import ModelInfo
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.context import Context
from stockade_sdk.errors import ErrorInfo, ErrorKind, ProviderError
from stockade_sdk.provider import SHAPES, Method, methods_of
from stockade_sdk.stream import ChatEvent, Finish, Folding, TextDelta, TextEnd, TextStart, unfold

PLAIN_TEXT_BLOCK = "text"  # the block that plain strings of a generator belong to


class Emitter(Protocol):
    """What a streaming call needs of the loop."""

    full: bool
    """Whether it is time to wait for the reader."""

    def add(self, event: Any) -> None:
        """Take one event; it leaves by itself, at the latest when the loop comes round."""
        ...

    async def room(self) -> None:
        """Wait until the reader has taken enough."""
        ...


class Invocations:
    """The provider's methods by name, each with the decoder of its request."""

    def __init__(self, provider: Any) -> None:
        self.methods = methods_of(provider)
        self._provider = provider
        self._decoders = {
            method: msgspec.msgpack.Decoder(shape.request)
            for method, shape in SHAPES.items()
            if shape.request is not None
        }

    def request(self, call: wire.Call) -> tuple[Method, Any]:
        """The method and its request; raises ProviderError where either is not to be had."""
        try:
            method = Method(call.method)
            decoder = self._decoders.get(method)
            return method, None if decoder is None else decoder.decode(call.body)
        except wire.DECODE_ERRORS as error:
            raise ProviderError(
                ErrorKind.PROTOCOL, f"call {call.method!r} cannot be read: {error}"
            ) from error

    async def unary(self, method: Method, request: Any, ctx: Context) -> Any:
        """Run ``method`` and return its answer, of the type that ``SHAPES`` names.

        A provider that can only stream is streamed and folded. Raises what the method raises.
        """
        if (
            method is Method.CHAT
            and Method.CHAT not in self.methods
            and Method.STREAM_CHAT in self.methods
        ):
            return await self._folded(request, ctx)
        bound = self._bound(method)
        answer = bound(ctx) if SHAPES[method].request is None else bound(request, ctx)
        if hasattr(answer, "__await__"):
            answer = await answer
        if method is Method.LIST_MODELS:
            answer = tuple(answer)
            fits = all(isinstance(model, ModelInfo) for model in answer)
        else:
            fits = isinstance(answer, SHAPES[method].response)
        if not fits:
            wanted = getattr(SHAPES[method].response, "__name__", "a list of ModelInfo")
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE,
                f"{method} returned {type(answer).__name__}, not {wanted}",
            )
        return answer

    async def _folded(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        folding = Folding()
        events: list[Any] = []
        plain = PlainText(events.append)
        async for event in self._bound(Method.STREAM_CHAT)(request, ctx):
            plain.take(event)
            for ready in events:
                folding.add(ready)
            events.clear()
        plain.end()
        for ready in events:
            folding.add(ready)
        return folding.response(response_format=request.response_format)

    async def stream(self, request: ChatRequest, ctx: Context, emit: Emitter) -> None:
        """Run ``stream_chat`` and hand its events to ``emit``; a provider without it has its unary
        answer unfolded.
        """
        if Method.STREAM_CHAT not in self.methods:
            for event in unfold(await self.unary(Method.CHAT, request, ctx)):
                emit.add(event)
            return
        plain = PlainText(emit.add)
        generator = self._bound(Method.STREAM_CHAT)(request, ctx)
        try:
            async for event in generator:
                plain.take(event)
                if emit.full:
                    await emit.room()
        finally:
            close = getattr(generator, "aclose", None)
            if close is not None:
                await close()
        plain.end()

    def _bound(self, method: Method) -> Callable[..., Any]:
        bound = getattr(self._provider, method.value, None)
        if not callable(bound):
            raise ProviderError(
                ErrorKind.UNSUPPORTED, f"this provider has no method {method.value!r}"
            )
        return bound  # type: ignore[no-any-return]


class PlainText:
    """Completes what a generator yields: strings become deltas of one text block, a missing
    ``Finish`` a stop.
    """

    def __init__(self, emit: Callable[[Any], None]) -> None:
        self._emit = emit
        self._open = False
        self._finished = False

    def take(self, event: Any) -> None:
        """One yielded value; raises ProviderError where it is neither text nor an event."""
        if isinstance(event, str):
            if not self._open:
                self._open = True
                self._emit(TextStart(PLAIN_TEXT_BLOCK))
            self._emit(TextDelta(PLAIN_TEXT_BLOCK, event))
            return
        if isinstance(event, Finish):
            self._close()
            self._finished = True
        elif not isinstance(event, EVENTS):
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE,
                f"stream_chat yielded {type(event).__name__}, neither text nor a chat event",
            )
        self._emit(event)

    def end(self) -> None:
        """The generator came to its normal end."""
        self._close()
        if not self._finished:
            self._emit(Finish())

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._emit(TextEnd(PLAIN_TEXT_BLOCK))


EVENTS = get_args(ChatEvent)


def failure(error: BaseException, method: str) -> ErrorInfo:
    """What the host is told of an exception that left a provider's method."""
    if isinstance(error, ProviderError):
        return error.info()
    if isinstance(error, MemoryError):
        return ErrorInfo(kind=ErrorKind.OUT_OF_MEMORY, message=f"{method} ran out of memory")
    return ProviderError(
        ErrorKind.UNKNOWN, f"{method} raised {type(error).__name__}: {error}"
    ).info()
