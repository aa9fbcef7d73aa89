"""What the canonical types cannot say, kept beside them as a difference.

A decoder builds the canonical value, encodes that again, and keeps what is missing as an overlay:
``difference(encode(value), raw)``. The encoder lays it over its own result. So every level carries
every vendor's extras without a list of them, and an edit of a canonical value still shows, because
what the canonical value says by itself is never in the overlay. The keys of ``NOTES`` are for the
encoder and never sent:

- ``$drop``       keys that the plain encoding has and the original had not;
- ``$content``    how a message spelled its content (see ``messages``);
- ``$as``, ``$fields``, ``$arguments``, ``$part``, ``$tools``, ``$usage``, ``$max_tokens``: see
  where they are written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning

DIALECT: Final = "openai_chat"
DROP: Final = "$drop"

NOTES: Final = frozenset(
    {
        DROP,
        "$content",
        "$as",
        "$fields",
        "$arguments",
        "$part",
        "$tools",
        "$usage",
        "$max_tokens",
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


def own(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """This dialect's entry of ``provider_options`` or ``provider_metadata``; not to be changed."""
    if metadata is None:
        return _NOTHING
    entry = metadata.get(DIALECT)
    return entry if isinstance(entry, dict) else _NOTHING


def kept(overlay: dict[str, Any]) -> dict[str, Any] | None:
    """``overlay`` as a metadata field wants it: under the dialect's name, ``None`` where there is
    nothing.
    """
    return {DIALECT: overlay} if overlay else None


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
        else:
            result[key] = value
    dropped = overlay.get(DROP)
    if isinstance(dropped, list | tuple):
        for key in dropped:
            result.pop(key, None)
    return result
