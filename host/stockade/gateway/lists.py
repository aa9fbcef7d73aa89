"""Answers as JSON: those that cannot be written, and those that are large."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import anyio.lowlevel
import msgspec

from stockade_sdk.errors import ErrorKind, ProviderError

TURN_BYTES: Final = 256 * 1024  # written between two turns of the event loop: a few ms
_encode: Final = msgspec.json.Encoder().encode


def written(payload: dict[str, Any]) -> bytes:
    """The JSON of an answer.

    Raises ProviderError(malformed_response): what a plugin put beside the canonical fields came
    over its wire, which can say more than JSON can, and be nested deeper.
    """
    try:
        return _encode(payload)
    except (TypeError, ValueError, OverflowError, RecursionError):
        text = "the answer holds what JSON cannot say"
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, text) from None


async def with_data(payload: dict[str, Any], items: Iterable[dict[str, Any]]) -> bytes:
    """The JSON of ``payload`` with ``items`` as its ``data``; raises as `written` does.

    Each item is made and written when it is due, and others get their turn in between. A thread
    would be of no use: who makes base64 or writes numbers holds the interpreter all the while.
    """
    rest = {name: value for name, value in payload.items() if name != "data"}
    pieces = [written(rest)[:-1], b',"data":[' if rest else b'"data":[']
    since_turn = 0
    for item in items:
        piece = written(item)
        pieces += (piece, b",")
        since_turn += len(piece)
        if since_turn > TURN_BYTES:
            since_turn = 0
            await anyio.lowlevel.checkpoint()
    if pieces[-1] == b",":
        pieces.pop()
    return b"".join((*pieces, b"]}"))
