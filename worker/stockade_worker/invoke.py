"""One call: decode the request, run the provider's method, answer once, whatever it does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple, Protocol, get_args

import msgspec

from stockade_sdk import wire
from stockade_sdk.capability import ModelInfo
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.context import Context
from stockade_sdk.errors import ErrorInfo, ErrorKind, ProviderError
from stockade_sdk.provider import SHAPES, Method, methods_of
from stockade_sdk.stream import ChatEvent, Finish, Folding, TextDelta, TextEnd, TextStart, unfold

from .words import in_words

MAX_ERROR_BYTES = 64 * wire.KIB  # a message has 2,000 characters, a code a word
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


class Bound(NamedTuple):
    """One method of the provider, ready to be called: found, typed and decodable once and not a
    call.
    """

    decode: Callable[[msgspec.Raw], Any]
    run: Callable[[Any, Context], Any]
    answer: type[Any]


class Invocations:
    """The provider's methods by name."""

    def __init__(self, provider: Any) -> None:
        self.methods = methods_of(provider)
        self._provider = provider
        self._bound = {method.value: self._bind(method) for method in self.methods}
        if Method.STREAM_CHAT in self.methods and Method.CHAT not in self.methods:
            chat = SHAPES[Method.CHAT]
            self._bound[Method.CHAT.value] = Bound(
                decoder(Method.CHAT), self._folded, chat.response
            )

    def bound(self, method: str) -> Bound:
        """The method of that name; raises ProviderError(unsupported) where there is none."""
        bound = self._bound.get(method)
        if bound is None:
            raise ProviderError(ErrorKind.UNSUPPORTED, f"this provider has no method {method!r}")
        return bound

    async def stream(self, call: wire.Call, ctx: Context, emit: Emitter) -> None:
        """Run ``stream_chat`` and hand its events to ``emit``.

        A provider without it has its unary answer unfolded.
        """
        if Method.STREAM_CHAT not in self.methods:
            unary = self.bound(Method.CHAT.value)
            for event in unfold(
                await answered(unary, Method.CHAT.value, decoded(unary, call), ctx)
            ):
                emit.add(event)
                if emit.full:
                    await emit.room()
            return
        bound = self.bound(Method.STREAM_CHAT.value)
        plain = PlainText(emit.add)
        generator = bound.run(decoded(bound, call), ctx)
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

    def _bind(self, method: Method) -> Bound:
        function = getattr(self._provider, method.value)
        shape = SHAPES[method]
        if method is Method.LIST_MODELS:
            return Bound(_nothing, partial(_models, function), tuple)
        if shape.request is None:
            return Bound(_nothing, lambda _, ctx: function(ctx), shape.response)
        return Bound(decoder(method), function, shape.response)

    async def _folded(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        folding = Folding()
        plain = PlainText(folding.add)
        async for event in self.bound(Method.STREAM_CHAT.value).run(request, ctx):
            plain.take(event)
        plain.end()
        return folding.response(response_format=request.response_format)


@cache
def decoder(method: Method) -> Callable[[msgspec.Raw], Any]:
    """What reads the requests of a method. Some cost 1 ms to make, so they are made before a fork
    (see ``nursery.warm``).
    """
    shape = SHAPES[method]
    return _nothing if shape.request is None else msgspec.msgpack.Decoder(shape.request).decode


def decoded(bound: Bound, call: wire.Call) -> Any:
    """The request of ``call``; raises ProviderError(invalid_request) where it is none."""
    try:
        return bound.decode(call.body)
    except wire.DECODE_ERRORS as error:
        message = f"the request of call {call.method!r} cannot be read: {error}"
        raise ProviderError(ErrorKind.INVALID_REQUEST, message) from error


async def answered(bound: Bound, name: str, request: Any, ctx: Context) -> Any:
    """The method's answer; raises what it raises, ``malformed_response`` for a wrong type."""
    answer = bound.run(request, ctx)
    if hasattr(answer, "__await__"):
        answer = await answer
    if not isinstance(answer, bound.answer):
        message = f"{name} returned {type(answer).__name__}, not {bound.answer.__name__}"
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, message)
    return answer


async def _models(function: Callable[..., Any], _: None, ctx: Context) -> tuple[ModelInfo, ...]:
    models = function(ctx)
    models = tuple(await models if hasattr(models, "__await__") else models)
    for model in models:
        if not isinstance(model, ModelInfo):
            message = f"list_models returned {type(model).__name__} among its models"
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, message)
    return models


def _nothing(_: msgspec.Raw) -> None:
    """The request of a method that takes the context alone."""


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
    """What the host is told of an exception that left a provider's method; it can be sent."""
    if isinstance(error, ProviderError):
        return sendable(error)
    if isinstance(error, MemoryError):
        return ErrorInfo(
            kind=ErrorKind.OUT_OF_MEMORY,
            message=f"{method} ran out of memory; a higher limits.memory in its plugin.toml may "
            "help",
        )
    return ErrorInfo(kind=ErrorKind.UNKNOWN, message=f"{method} raised {in_words(error)}")


def sendable(error: ProviderError) -> ErrorInfo:
    """The error as its plugin made it; kind and message alone where the rest is of no type that the
    host would take.
    """
    try:
        data = _encode(error.info())
        if len(data) <= MAX_ERROR_BYTES:
            return _info(data)
    # a class of the plugin's own may raise anything here
    except BaseException:  # noqa: BLE001, S110  # what is left of it is told below
        pass
    kind: object = error.kind
    known = kind if isinstance(kind, ErrorKind) else ErrorKind.UNKNOWN
    return ErrorInfo(kind=known, message=in_words(error))


_info = msgspec.msgpack.Decoder(ErrorInfo).decode
_encode = msgspec.msgpack.Encoder().encode
