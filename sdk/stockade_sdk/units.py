"""Sizes and durations as people write them: "256 MiB", "500ms". Exact both ways."""

import re

from stockade_sdk.text import TextRefused, show

__all__ = [
    "KIB",
    "MIB",
    "GIB",
    "TIB",
    "format_duration",
    "format_size",
    "parse_duration",
    "parse_size",
]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

_SIZES = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": TIB}
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_AMOUNT = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,6}))? ?([A-Za-z]{1,3})")
_SIZE_REMEDY = 'write a number and B, KiB, MiB, GiB or TiB, as in "256 MiB"'
_DURATION_REMEDY = 'write a number and ms, s, m or h, as in "500ms" or "10s"'


def parse_size(text: str) -> int:
    """Read a size in bytes: a number, an optional space and B, KiB, MiB, GiB or TiB (IEC 80000-13).

    Raises `TextRefused` (a ValueError) for other units and for parts of a byte.
    """
    amount = _AMOUNT.fullmatch(text)
    if amount is None:
        raise TextRefused("is not a size", _SIZE_REMEDY)
    unit = amount[3]
    if unit not in _SIZES:
        meant = _meant_size(unit)
        written = text[: amount.start(3)].rstrip()
        raise TextRefused(
            f"has the unit {show(unit)}",
            f'sizes count in 1024s: write "{written} {meant}"' if meant else _SIZE_REMEDY,
        )
    return _exact(amount[1], amount[2] or "", _SIZES[unit], "bytes", _SIZE_REMEDY)


def _meant_size(unit: str) -> str | None:
    letter = unit[0].upper()
    if unit.lower() not in (letter.lower(), f"{letter.lower()}b", f"{letter.lower()}ib"):
        return None
    return "B" if letter == "B" else next((name for name in _SIZES if name == f"{letter}iB"), None)


def format_size(size: int) -> str:
    """Write a size in the largest unit that divides it, so that `parse_size` gives it back."""
    for unit, factor in reversed(_SIZES.items()):
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def parse_duration(text: str) -> float:
    """Read a duration in seconds: a number and ms, s, m or h, in whole milliseconds.

    Raises `TextRefused` (a ValueError) for other units and for parts of a millisecond.
    """
    amount = _AMOUNT.fullmatch(text)
    if amount is None or amount[3] not in _MILLISECONDS:
        raise TextRefused("is not a duration", _DURATION_REMEDY)
    factor = _MILLISECONDS[amount[3]]
    return _exact(amount[1], amount[2] or "", factor, "milliseconds", _DURATION_REMEDY) / 1000


def format_duration(seconds: float) -> str:
    """Write a duration in the largest unit that divides it, to the nearest millisecond."""
    milliseconds = round(seconds * 1000)
    for unit, factor in reversed(_MILLISECONDS.items()):
        if milliseconds and milliseconds % factor == 0:
            return f"{milliseconds // factor}{unit}"
    return f"{milliseconds}ms"


def _exact(whole: str, fraction: str, factor: int, what: str, remedy: str) -> int:
    parts: int = 10 ** len(fraction)
    value, rest = divmod(int(whole + fraction) * factor, parts)
    if rest:
        raise TextRefused(f"is not a whole number of {what}", remedy)
    return value
