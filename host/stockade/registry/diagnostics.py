"""What is wrong with what a provider says of itself, as values. Pure.

A stranger's text is quoted by `show` or made `plain` before it gets into a message.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

__all__ = ["Diagnostic", "Level", "Notes", "plain"]

Level = Literal["error", "warn", "info"]
MAX_KEYS: Final = 50  # of one diagnostic: enough to mend a patch by, too little to flood a terminal
MAX_KEY_CHARS: Final = 200


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One remark. ``error``: something was refused; ``warn``: left out; ``info``: not needed here.

    ``code`` is stable, ``message`` is a sentence for people. ``provider`` is the id, "" where there
    is none. ``keys`` are the parts it is about, dotted where they are keys of a patch.
    """

    level: Level
    code: str
    provider: str
    message: str
    keys: tuple[str, ...] = ()


class Notes:
    """Diagnostics about one provider, in the order in which they were made."""

    __slots__ = ("_found", "provider")

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self._found: list[Diagnostic] = []

    def error(self, code: str, message: str, keys: Iterable[str] = ()) -> None:
        """Something was refused."""
        self._add("error", code, message, keys)

    def warn(self, code: str, message: str, keys: Iterable[str] = ()) -> None:
        """Something was left out."""
        self._add("warn", code, message, keys)

    def info(self, code: str, message: str, keys: Iterable[str] = ()) -> None:
        """Something has no meaning here."""
        self._add("info", code, message, keys)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Take over what was found elsewhere."""
        self._found.extend(diagnostics)

    @property
    def all(self) -> tuple[Diagnostic, ...]:
        """Everything noted so far."""
        return tuple(self._found)

    def _add(self, level: Level, code: str, message: str, keys: Iterable[str]) -> None:
        kept = tuple(key[:MAX_KEY_CHARS] for key in keys)
        if len(kept) > MAX_KEYS:
            kept = (*kept[:MAX_KEYS], f"and {len(kept) - MAX_KEYS} more")
        self._found.append(
            Diagnostic(level=level, code=code, provider=self.provider, message=message, keys=kept)
        )


def plain(text: object, limit: int) -> str:
    """A stranger's text as one line of at most ``limit`` characters; "" for what is no text.

    What could act on a terminal becomes "?", what is too long is cut.
    """
    if not isinstance(text, str):
        return ""
    cut = text[: 4 * limit].strip()  # blanks in front do not use the room up
    shown = "".join(letter if letter.isprintable() else "?" for letter in cut[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
