"""Large answers, written so that others get their turn meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import anyio.lowlevel
import msgspec

TURN_BYTES: Final = 256 * 1024  # written between two turns of the event loop: a few ms


async def with_data(payload: dict[str, Any], items: Iterable[dict[str, Any]]) -> bytes:
    """The JSON of ``payload``, which is not empty, with ``items`` as its ``data``.

    Each item is made and written when it is due. A thread would be of no use: who makes base64 or
    writes numbers holds the interpreter all the while.
    """
    encode = msgspec.json.Encoder().encode
    rest = {name: value for name, value in payload.items() if name != "data"}
    pieces = [encode(rest)[:-1], b',"data":[']
    written = 0
    for item in items:
        piece = encode(item)
        pieces += (piece, b",")
        written += len(piece)
        if written > TURN_BYTES:
            written = 0
            await anyio.lowlevel.checkpoint()
    if pieces[-1] == b",":
        pieces.pop()
    return b"".join((*pieces, b"]}"))
