"""A worker's encoded answers as canonical values; whatever is none of them is an offence."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk import wire
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.provider import SHAPES, Method
from stockade_sdk.stream import ChatEvent

from .weight import MOST_VALUES, is_too_many

_ANSWERS: Final[dict[str, msgspec.msgpack.Decoder[Any]]] = {
    method: msgspec.msgpack.Decoder(shape.response) for method, shape in SHAPES.items()
}
_EVENTS: Final[msgspec.msgpack.Decoder[list[ChatEvent]]] = msgspec.msgpack.Decoder(list[ChatEvent])


class Unreadable(Exception):
    """`reason` says where an answer departs from its type; it repeats none of its content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_answer(method: Method, raw: msgspec.Raw) -> Any:
    """The answer, of the type SHAPES has for `method`.

    Raises Unreadable, and ProviderError(malformed_response) where it holds too much to be made.
    """
    _refuse_too_many(raw)
    try:
        return _ANSWERS[method].decode(raw)
    except wire.DECODE_ERRORS as error:
        raise Unreadable(f"its answer to {method} is none: {_why(error)}") from error


def read_events(raw: msgspec.Raw) -> list[ChatEvent]:
    """The events of one piece of a stream; their order is not looked at. Raises as above."""
    _refuse_too_many(raw)
    try:
        return _EVENTS.decode(raw)
    except wire.DECODE_ERRORS as error:
        raise Unreadable(f"it streamed what is no chat event: {_why(error)}") from error


def _refuse_too_many(raw: msgspec.Raw) -> None:
    if is_too_many(memoryview(raw)):
        raise ProviderError(
            ErrorKind.MALFORMED_RESPONSE,
            f"the answer holds more than {MOST_VALUES} values, which are not made of it",
        )


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):  # a ValueError whose text repeats the bytes
        return "it holds text that is not UTF-8"
    return str(error)[:200]
