"""What is printed: tables for people, JSON for programs, strangers' text made harmless."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

__all__ = ["note", "print_json", "print_table", "safe", "table"]

GAP = "  "
MAX_CELL = 60  # columns of a cell; --json has the whole
_KEPT = "\n\t"
# What a terminal obeys, what reorders a line for its reader (UAX #9), and what is no character.
_ACTIVE = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_BIDI = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def safe(text: str, limit: int | None = None) -> str:
    """A stranger's text for a terminal: line breaks and tabs stay, what acts is shown as escapes.

    Unlike `packages.escape` it keeps several lines, and joiners that many scripts and emoji need.
    """
    cut = text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(map(_shown, cut.replace("\r\n", "\n")))


def _shown(character: str) -> str:
    if character.isprintable() or character in _KEPT:
        return character
    if character in _BIDI or unicodedata.category(character) in _ACTIVE:
        point = ord(character)
        return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
    return character


def note(text: str) -> None:
    """A sentence beside the result, on stderr."""
    print(safe(text), file=sys.stderr)


def print_json(value: Any) -> None:
    """A value as indented JSON; structs, tuples and bytes (as base64) included."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns below their titles."""
    print(table(titles, rows))


def table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns below their titles: numbers to the right, the rest to the left."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(titles, *cells, strict=True)]
    right = [bool(rows) and all(_is_number(row[at]) for row in rows) for at in range(len(titles))]
    lines = []
    for line in (list(titles), *cells):
        parts = [
            _padded(cell, width, to_right)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ]
        lines.append(GAP.join(parts).rstrip())
    return "\n".join(lines)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    text = safe(str(value)).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _padded(text: str, width: int, to_right: bool) -> str:
    filling = " " * (width - _width(text))
    return filling + text if to_right else text + filling


def _width(text: str) -> int:
    """Columns on a terminal: wide characters (UAX #11) take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )
