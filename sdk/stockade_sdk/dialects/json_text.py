"""JSON as vendors send it: strict, but for halves of surrogate pairs.

Servers that cut their text by tokens escape the two halves of an emoji into two chunks. RFC 8259
lets them, strict readers refuse it, and neither msgpack nor UTF-8 can carry a half.
"""

from __future__ import annotations

import math
from typing import Any, Final, NoReturn

import msgspec

from .overlay import Unreadable

LARGE: Final = 1024 * 1024  # characters; what is smaller cannot hold too much
# Of one text: lists and objects (as many as a host takes in an answer), members, values. At these
# numbers what is read takes some 100 MB, of the 256 that a worker has by default.
MOST: Final = ((("[", "{"), 500_000), ((":",), 1_000_000), ((",",), 3_000_000))
_strict = msgspec.json.Decoder().decode


def parse_json(data: str | bytes) -> Any:
    """The value; a lone half of a pair becomes U+FFFD. Raises Unreadable where it is no JSON."""
    return Halves(hold=False).parse(data)


class Halves:
    """Parses values that follow each other and joins halves that stand at the same place.

    Without ``hold`` nothing follows, and a half at the end of a text is replaced like any other.
    """

    def __init__(self, *, hold: bool = True) -> None:
        self._hold = hold
        self._held: dict[tuple[str | int, ...], str] = {}

    def parse(self, data: str | bytes) -> Any:
        """The next value; raises Unreadable where it is no JSON, and where it would take many times
        its size: empty lists by the million fill a worker's memory from 30 MB.
        """
        if len(data) > LARGE:
            _refuse_crowd(data)
        try:
            value = _strict(data)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if "\\u" not in data if isinstance(data, str) else b"\\u" not in data:
                raise Unreadable("this is no JSON") from error
            value = _loose(data)
        else:
            if not self._held:
                return value
        held, self._held = self._held, {}
        try:
            return self._mended(value, (), held)
        except RecursionError as error:  # the readers above nest deeper than Python's own calls
            raise Unreadable("this is nested too deep") from error

    def _mended(
        self, value: Any, path: tuple[str | int, ...], held: dict[tuple[str | int, ...], str]
    ) -> Any:
        if isinstance(value, str):
            text = held.get(path, "") + value
            if self._hold and text and "\ud800" <= text[-1] <= "\udbff":
                self._held[path] = text[-1]
                text = text[:-1]
            return _joined(text)
        if isinstance(value, list):
            return [self._mended(item, (*path, at), held) for at, item in enumerate(value)]
        if isinstance(value, dict):
            return {
                _joined(key): self._mended(item, (*path, key), held) for key, item in value.items()
            }
        return value


def finite(value: Any) -> float | None:
    """A JSON number as a float; ``None`` for all else, and for integers that no float can hold."""
    if type(value) is not int and type(value) is not float:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _joined(text: str) -> str:
    """Pairs joined, what is still a half replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _refuse_crowd(data: str | bytes) -> None:
    """By the signs that stand for them; those within texts count too."""
    for signs, most in MOST:
        if isinstance(data, str):
            found = sum(data.count(sign) for sign in signs)
        else:
            found = sum(data.count(sign.encode()) for sign in signs)
        if found > most:
            raise Unreadable(
                f"this holds {found} of {' and '.join(signs)}, at most {most} are read"
            )


def _loose(data: str | bytes) -> Any:
    import json  # for the rare half alone

    try:
        return json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Unreadable("this is no JSON") from error


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is out of range")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
