"""What the translators cost: a chat of 4 KB encoded, a stream of 50 chunks read.

Absolute times of one process, pinned to a processor; the median of rounds, so that a noisy moment
does not count. Reading starts at the bytes of the stream and ends at canonical events, as in a
worker.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from stockade_sdk.dialects import anthropic_messages, gemini, openai_chat, openai_responses
from stockade_sdk.sse import EventReader
from stockade_sdk.stream import Finish, TextDelta, TextEnd, TextStart

from .contest import Goal, Row
from .payload import SENTENCE, chat
from .usage import pin

ROUNDS = 31
CHUNKS = 50
PIECE = 1_400  # bytes; what a packet of a network holds
DIALECTS: dict[str, Any] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
}
ENCODING = Goal(40.0, unit=" us")
DECODING = Goal(15.0, unit=" us")


def dialects() -> list[Row]:
    """Each dialect: encoding the 4 KB chat, decoding a chunk of a stream of 50."""
    pin()
    request = chat()
    rows = []
    for name, dialect in DIALECTS.items():
        encoding = timed(partial(dialect.encode_request, request, model="m"))
        rows.append(row(f"{name}: encode a chat of 4 KB", encoding, ENCODING))
    for name, dialect in DIALECTS.items():
        decoding = timed(partial(read, dialect, stream_of(dialect))) / CHUNKS
        rows.append(row(f"{name}: decode a chunk of 50", decoding, DECODING))
    return rows


def row(name: str, took_us: float, goal: Goal) -> Row:
    """An absolute time; there is no peer."""
    return Row(name, f"{took_us:.1f} us", "", took_us, goal)


def timed(act: Callable[[], object]) -> float:
    """Microseconds that one call takes."""
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(10):
            act()
        took.append((time.perf_counter() - begun) * 1e5)
    return statistics.median(took)


def stream_of(dialect: Any) -> bytes:
    """A streamed answer of 50 texts in this dialect, framed."""
    encoder = dialect.StreamEncoder(id="answer-1", model="m")
    events = [TextStart("t"), *(TextDelta("t", SENTENCE[:20]) for _ in range(CHUNKS))]
    chunks = encoder.feed_all([*events, TextEnd("t"), Finish()])
    lines = [f"event: {chunk['type']}\n" if "type" in chunk else "" for chunk in chunks]
    data = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    body = "".join(line + datum for line, datum in zip(lines, data, strict=True))
    return (body + ("data: [DONE]\n\n" if dialect is openai_chat else "")).encode()


def read(dialect: Any, body: bytes) -> None:
    """The whole stream, in pieces as they arrive."""
    reader, decoder = EventReader(), dialect.StreamDecoder()
    for at in range(0, len(body), PIECE):
        for sent in reader.feed(body[at : at + PIECE]):
            decoder.feed(sent.data, sent.event)
    decoder.finish()
