"""What the kit's vendor may say to a request, and how badly. Pure.

An `Answer` is a head, pieces of a body with pauses before them, and what comes after the last one.
The functions below make the usual ones, and spoil a good one in one way each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

__all__ = [
    "JSON",
    "SSE",
    "Answer",
    "Pairs",
    "Piece",
    "cut",
    "events",
    "garbled",
    "hang",
    "huge",
    "json_of",
    "limited",
    "plain",
    "slow",
    "stall",
    "whole",
]

Pairs = tuple[tuple[str, str], ...]

JSON: Final = "application/json"
SSE: Final = "text/event-stream"
PIECE_BYTES: Final = 64 * 1024  # of a huge body


class Piece(msgspec.Struct, frozen=True):
    """Bytes of a body, and how many seconds the vendor waits before it sends them."""

    data: bytes
    after_s: float = 0.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`status` None: no head ever comes. `head_after_s` is the wait for the first byte.

    `then`: the answer ends as it should; or nothing more comes until the client leaves; or the
    connection is reset in the middle. `streamed`: sent in HTTP's chunks, each when its time has
    come; otherwise the head says the length of all pieces together.
    """

    status: int | None = 200
    headers: Pairs = ()
    pieces: tuple[Piece, ...] = ()
    streamed: bool = False
    head_after_s: float = 0.0
    then: Literal["ends", "stalls", "cuts"] = "ends"

    @property
    def body(self) -> bytes:
        """All pieces together."""
        return b"".join(piece.data for piece in self.pieces)


def json_of(value: Any) -> bytes:
    """As vendors write it: no escapes for what UTF-8 can say."""
    return json.dumps(value, ensure_ascii=False).encode()


def whole(value: Any, status: int = 200, headers: Pairs = ()) -> Answer:
    """JSON at once."""
    return plain(json_of(value), JSON, status=status, headers=headers)


def plain(data: bytes, kind: str, status: int = 200, headers: Pairs = ()) -> Answer:
    """Bytes at once, of a media type."""
    return Answer(status=status, headers=(("content-type", kind), *headers), pieces=(Piece(data),))


def events(sent: Iterable[tuple[str, Any]], *, between_s: float = 0.0) -> Answer:
    """Server-sent events: their names ("" for none) and their data, JSON or text as it is."""
    pieces: list[Piece] = []
    for name, data in sent:
        text = data.encode() if isinstance(data, str) else json_of(data)
        head = f"event: {name}\n".encode() if name else b""
        pieces.append(Piece(head + b"data: " + text + b"\n\n", between_s if pieces else 0.0))
    return Answer(headers=(("content-type", SSE),), pieces=tuple(pieces), streamed=True)


def hang() -> Answer:
    """The request is taken, and nothing is ever said to it."""
    return Answer(status=None)


def slow(answer: Answer, *, first_s: float, between_s: float = 0.0) -> Answer:
    """The answer, late: its head after `first_s`, each further piece after `between_s`."""
    pieces = tuple(
        Piece(one.data, between_s if at else 0.0) for at, one in enumerate(answer.pieces)
    )
    return replace(answer, head_after_s=first_s, pieces=pieces)


def stall(answer: Answer, *, after: int = 1) -> Answer:
    """The first `after` pieces, then nothing more, the connection open."""
    return replace(_first(answer, after), then="stalls")


def cut(answer: Answer, *, after: int = 1) -> Answer:
    """The first `after` pieces, then the end of the connection: the body is not complete.

    One that has no more pieces than that loses half of the last one.
    """
    return replace(_first(answer, after), then="cuts")


def garbled(answer: Answer) -> Answer:
    """Its head, and a body that is neither JSON nor events, though the head says so."""
    kept = replace(answer, pieces=(Piece(b'{"choices": [{"mess\x00\xff<html>not it'),))
    if not answer.streamed:
        return kept
    return replace(kept, pieces=(Piece(b'data: {"choices": [{"del\x00\xff<html>not it\n\n'),))


def limited(answer: Answer, retry_after_s: int) -> Answer:
    """A refusal that says when to come again."""
    return replace(answer, headers=(*answer.headers, ("retry-after", str(retry_after_s))))


def huge(answer: Answer, size: int) -> Answer:
    """Its head, and `size` bytes of no use; they take up memory once, not `size` bytes of it."""
    block = b" " * PIECE_BYTES
    count, rest = divmod(size, PIECE_BYTES)
    pieces = (Piece(block),) * count + ((Piece(block[:rest]),) if rest else ())
    return replace(answer, pieces=pieces, streamed=True)


def _first(answer: Answer, count: int) -> Answer:
    """The first pieces of the answer, as if the rest were to come."""
    if len(answer.pieces) > count:
        return replace(answer, pieces=answer.pieces[:count])
    *before, last = answer.pieces
    half = Piece(last.data[: len(last.data) // 2], last.after_s)
    return replace(answer, pieces=(*before, half))
