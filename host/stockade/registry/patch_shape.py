"""How large and deep a config patch may be, and how its keys are written in messages. Pure."""

from __future__ import annotations

import math
import re
from typing import Final

from stockade_sdk.text import show

__all__ = ["MAX_TEXT_CHARS", "PatchRefused", "bounds_of", "key_path"]

MAX_DEPTH: Final = 12  # the deepest key that means anything stands at 7
MAX_NODES: Final = 20_000  # 500 models of some 20 values, twice over
MAX_TEXT_CHARS: Final = 4_096
MAX_KEY_CHARS: Final = 300
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class PatchRefused(ValueError):
    """A value that may not stand where it does: ``key`` is dotted."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key} {message}")
        self.key = key


def key_path(*parts: str | int) -> str:
    """A path as people write it; a key with dots, blanks or controls is quoted, so that it cannot
    be taken for a path.
    """
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if _BARE.fullmatch(part) else show(part, 60))
    return text


def bounds_of(value: object) -> str:
    """Why a decoded value is too large, too deep or no JSON at all; "" where it is none of that.

    Walks without recursion and stops at the first excess, so that a cyclic value ends too.
    """
    rest: list[tuple[object, int]] = [(value, 0)]
    seen = 0
    while rest:
        one, depth = rest.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_DEPTH:
            return "is too large" if seen > MAX_NODES else "is nested too deeply"
        match one:
            case dict():
                if any(not isinstance(key, str) or len(key) > MAX_KEY_CHARS for key in one):
                    return "has a key that is no text, or too long"
                rest += [(item, depth + 1) for item in one.values()]
            case list() | tuple():
                rest += [(item, depth + 1) for item in one]
            case str():
                if len(one) > MAX_TEXT_CHARS:
                    return "holds a text that is too long"
            case float():
                if not math.isfinite(one):
                    return "holds a number that is none"
            case None | bool() | int():
                pass
            case _:
                return "holds what is neither text, number, list nor table"
        if len(rest) > MAX_NODES:
            return "is too large"
    return ""
