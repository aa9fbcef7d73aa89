"""Arguments of a call that come in pieces (``streamFunctionCallArguments``).

A call begins with its name and ``willContinue``; pieces follow, each a value with the JSON path of
where it goes, texts a bit at a time; the call is over with a ``functionCall`` that does not say
``willContinue``. Source: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final

from .overlay import Unreadable

_STEP: Final = r"\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]"
_VALUES: Final = ("stringValue", "numberValue", "boolValue", "nullValue")
MAX_INDEX: Final = 10_000  # of a list; beyond it one piece would make a list of any size


class PartialCall:
    """A call in the making: ``raw`` is what came with its name."""

    def __init__(self, raw: dict[str, Any], part: dict[str, Any]) -> None:
        self._raw = {key: value for key, value in raw.items() if key not in _PIECES}
        self._part = {key: value for key, value in part.items() if key != "functionCall"}
        args = raw.get("args")
        self._args: dict[str, Any] = dict(args) if isinstance(args, dict) else {}
        self._open: str | None = None  # the path whose text goes on
        self.add(raw)

    def add(self, raw: dict[str, Any]) -> None:
        """Take one more piece; raises Unreadable where it has no place."""
        pieces = raw.get("partialArgs")
        for piece in pieces if isinstance(pieces, list) else ():
            if not isinstance(piece, dict) or not isinstance(piece.get("jsonPath"), str):
                raise Unreadable("a piece of a call's arguments has no path")
            self._put(piece)

    def part(self) -> dict[str, Any]:
        """The whole part, as it would have come at once."""
        return {"functionCall": {**self._raw, "args": self._args}, **self._part}

    def _put(self, piece: dict[str, Any]) -> None:
        path = piece["jsonPath"]
        steps = steps_of(path)
        name = next((name for name in _VALUES if name in piece), None)
        value = None if name in (None, "nullValue") else piece[name]
        target: Any = self._args
        for step, following in pairwise(steps):
            target = _inside(target, step, [] if isinstance(following, int) else {})
        last = steps[-1]
        if self._open == path and isinstance(value, str):
            before = _inside(target, last, "")
            value = before + value if isinstance(before, str) else value
        _set(target, last, value)
        self._open = path if piece.get("willContinue") is True else None


_PIECES: Final = ("partialArgs", "willContinue", "args")


def steps_of(path: str) -> list[str | int]:
    """The names and numbers of a JSON path (``$.a[0].b``); raises Unreadable where it is none."""
    steps: list[str | int] = []
    at = 1 if path.startswith("$") else 0
    while at < len(path):
        found = re.compile(_STEP).match(path, at)
        if found is None:
            raise Unreadable(f"{path[:80]!r} is no path of an argument")
        name, number, single, double = found.groups()
        if number is not None:
            steps.append(int(number))
        else:
            quoted = name if name is not None else single if single is not None else double
            steps.append(quoted if name is not None else re.sub(r"\\(.)", r"\1", quoted))
        at = found.end()
    if not steps or isinstance(steps[0], int):
        raise Unreadable(f"{path[:80]!r} is no path of an argument")
    return steps


def _inside(target: Any, step: str | int, otherwise: Any) -> Any:
    if isinstance(step, str):
        if not isinstance(target, dict):
            raise Unreadable("a piece of a call's arguments has no place")
        return target.setdefault(step, otherwise)
    _reach(target, step)
    if target[step] is None:
        target[step] = otherwise
    return target[step]


def _set(target: Any, step: str | int, value: Any) -> None:
    if isinstance(step, str):
        if not isinstance(target, dict):
            raise Unreadable("a piece of a call's arguments has no place")
        target[step] = value
    else:
        _reach(target, step)
        target[step] = value


def _reach(target: Any, index: int) -> None:
    if not isinstance(target, list) or index > MAX_INDEX:
        raise Unreadable("a piece of a call's arguments has no place")
    while len(target) <= index:
        target.append(None)
