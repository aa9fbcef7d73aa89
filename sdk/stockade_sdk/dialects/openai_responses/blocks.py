"""The ids of a stream's blocks, which say where on the wire a block stands.

``{item id}/{kind}{number}``: the item, what of it, and which one. The encoder finds the items of a
vendor's stream again by them; blocks of other dialects have ids of other shapes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

TEXT: Final = "t"
REFUSAL: Final = "r"
SUMMARY: Final = "s"
REASONING: Final = "c"  # the reasoning itself, not its summary
BARE: Final = "b"  # a reasoning item without pieces: its encrypted form alone
WHOLE: Final = "i"  # an item of a built-in tool
PIECES: Final = frozenset((TEXT, REFUSAL, SUMMARY, REASONING))
THINKS: Final = frozenset((SUMMARY, REASONING, BARE))
_KINDS: Final = PIECES | {BARE, WHOLE}


class Place(NamedTuple):
    """Where a block stands: in which item, as what, and its number there."""

    item: str
    kind: str
    number: int


def block_id(item: str, kind: str, number: int) -> str:
    """The id of a block."""
    return f"{item}/{kind}{number}"


def place_of(id: str) -> Place | None:
    """The place that a block's id names; ``None`` for a block of another dialect."""
    item, slash, last = id.rpartition("/")
    if not slash or last[:1] not in _KINDS or not last[1:].isdecimal():
        return None
    return Place(item, last[0], int(last[1:]))
