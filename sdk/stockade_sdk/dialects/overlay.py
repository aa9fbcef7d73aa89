"""What the canonical types cannot say, kept beside them as a difference.

A decoder builds the canonical value, encodes that again, and keeps what is missing as an overlay:
``difference(encode(value), raw)``. The encoder lays it over its own result. So every level carries
every vendor's extras without a list of them, and an edit of a canonical value still shows, because
what the canonical value says by itself is never in the overlay. The keys of ``NOTES`` are for the
encoder and never sent:

- ``$drop``       keys that the plain encoding has and the original had not;
- ``$content``    how a message spelled its content (see ``openai_chat.content``);
- the others: see where they are written.

Each dialect keeps its overlays under its own name and looks at no other's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import ContentPart, Text

DROP: Final = "$drop"

NOTES: Final = frozenset(
    {
        DROP,
        "$arguments",
        "$as",
        "$at",
        "$content",
        "$fields",
        "$id",
        "$item",
        "$max_tokens",
        "$order",
        "$part",
        "$raw",
        "$system",
        "$tools",
        "$usage",
    }
)

_NOTHING: Final[dict[str, Any]] = {}


class Unreadable(ValueError):
    """The JSON is not of this dialect; the message says where. Callers make it a typed error."""


class Notes:
    """Warnings collected while one value is encoded or decoded; the same one is kept once."""

    __slots__ = ("warnings",)

    def __init__(self) -> None:
        self.warnings: list[RuntimeWarning] = []

    def add(self, code: str, message: str) -> None:
        """Note that something was dropped, guessed or mended."""
        warning = RuntimeWarning(code, message)
        if warning not in self.warnings:
            self.warnings.append(warning)


def entry_of(dialect: str, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """A dialect's entry of ``provider_options`` or ``provider_metadata``; not to be changed."""
    if metadata is None:
        return _NOTHING
    entry = metadata.get(dialect)
    return entry if isinstance(entry, dict) else _NOTHING


def entry_with(dialect: str, overlay: dict[str, Any]) -> dict[str, Any] | None:
    """``overlay`` as a metadata field wants it: under the dialect's name, ``None`` where there is
    nothing.
    """
    return {dialect: overlay} if overlay else None


def without_foreign(
    parts: Sequence[ContentPart], dialect: str, notes: Notes
) -> Sequence[ContentPart]:
    """``parts`` without those that stand for what another dialect alone can say, with a warning;
    the same sequence where there are none.
    """
    for part in parts:
        if part.provider_metadata is not None:
            break
    else:
        return parts
    said = [part for part in parts if not _is_foreign(part, dialect)]
    if len(said) == len(parts):
        return parts
    notes.add("part_dropped", "a part that only another vendor's wire can say was left out")
    return said


def _is_foreign(part: ContentPart, dialect: str) -> bool:
    if type(part) is not Text or part.text or not part.provider_metadata:
        return False
    return dialect not in part.provider_metadata


def difference(
    encoded: Mapping[str, Any],
    raw: Mapping[str, Any],
    *,
    drops: bool = True,
    skip: Collection[str] = (),
) -> dict[str, Any]:
    """What has to be laid over ``encoded`` to get ``raw``; without ``drops``, to get at least
    ``raw``.
    """
    overlay: dict[str, Any] = {}
    for key, value in raw.items():
        if key in skip or key in NOTES:
            continue
        if key not in encoded:
            overlay[key] = value
            continue
        mine = encoded[key]
        if mine is value or mine == value:
            continue
        if isinstance(mine, dict) and isinstance(value, dict):
            inner = difference(mine, value, drops=drops)
            if inner:
                overlay[key] = inner
        else:
            overlay[key] = value
    if drops:
        missing = [key for key in encoded if key not in raw and key not in skip]
        if missing:
            overlay[DROP] = missing
    return overlay


def merged(encoded: dict[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """``encoded`` with ``overlay`` laid over it, as a new dict; neither is changed."""
    result = dict(encoded)
    for key, value in overlay.items():
        if key in NOTES:
            continue
        mine = result.get(key)
        if isinstance(mine, dict) and isinstance(value, dict):
            result[key] = merged(mine, value)
        elif isinstance(value, dict) and not NOTES.isdisjoint(value):
            said = merged({}, value)  # the canonical value that these notes were about is gone
            if said:
                result[key] = said
        else:
            result[key] = value
    dropped = overlay.get(DROP)
    if isinstance(dropped, list | tuple):
        for key in dropped:
            result.pop(key, None)
    return result
