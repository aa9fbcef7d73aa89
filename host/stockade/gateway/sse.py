"""Whole answers as server-sent events, for clients that asked for a stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from .call import Call
from .lists import written
from .wires import Wire

DONE: Final = b"data: [DONE]\n\n"


def event(payload: dict[str, Any], named: bool = False) -> bytes:
    """One event; ``named`` has its type as a name too."""
    data = written(payload)
    if named:
        return b"event: %b\ndata: %b\n\n" % (str(payload["type"]).encode(), data)
    return b"data: %b\n\n" % data


async def send_events(
    call: Call, wire: Wire, events: Iterable[dict[str, Any]], *, named: bool, last: bytes = b""
) -> None:
    """All of ``events`` and then ``last``, as fast as the client reads."""
    call.on_failure = lambda error, status: event(wire.encode_error(error, status))
    await call.begin_stream()
    for payload in events:
        await call.piece(event(payload, named))
    call.on_failure = None
    await call.end(last)
