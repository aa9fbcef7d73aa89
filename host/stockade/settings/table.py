"""One table of `stockade.toml`, and how the values that several of them have are read.

A reader takes the value as TOML gave it and raises `TextRefused`; the table adds line and key.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from stockade.errors import SettingsError
from stockade_sdk.manifest.lines import KeyPath, line_of
from stockade_sdk.manifest.problems import Problems
from stockade_sdk.text import TextRefused, nearest, show
from stockade_sdk.units import parse_duration

__all__ = [
    "MAX_TARGET",
    "Table",
    "read_count",
    "read_duration",
    "read_switch",
    "read_target",
    "read_text",
    "refuse_first",
]

T = TypeVar("T")

MAX_TARGET = 300
MAX_TIMEOUT_S = 24 * 3600.0


class Table:
    """One table of the file: hands out values by key and refuses what nobody asked for."""

    def __init__(
        self, values: dict[str, Any], path: KeyPath, source: str, lines: dict[KeyPath, int]
    ) -> None:
        self.values = values
        self.path = path
        self.source = source
        self.lines = lines
        self.asked: set[str] = set()

    def table(self, key: str) -> "Table":
        self.asked.add(key)
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, "is not a table", f"write [{key}] and its keys below it")
        return Table(value, (*self.path, key), self.source, self.lines)

    def get(self, key: str, read: Callable[[Any], T], default: T) -> T:
        self.asked.add(key)
        if key not in self.values:
            return default
        try:
            return read(self.values[key])
        except TextRefused as refused:
            raise self.error(key, refused.message, refused.remedy) from None

    def finish(self) -> None:
        for key in self.values:
            if key not in self.asked:
                near = nearest(key, self.asked)
                known = f"write {near}" if near else f"known are {', '.join(sorted(self.asked))}"
                raise self.error(key, "is not a setting", known)

    def error(self, key: str, message: str, remedy: str) -> SettingsError:
        path = (*self.path, key)
        line = line_of(self.lines, path)
        place = f"{self.source}, line {line}" if line is not None else self.source
        dotted = ".".join(show(str(part))[1:-1] for part in path)
        return SettingsError(f"{place}: {dotted} {message}", remedy=remedy)


def refuse_first(problems: Problems, source: str) -> None:
    """Raise `SettingsError` for the first of problems that were noted in the manner of a manifest,
    where there are any.
    """
    for problem in problems.all():
        place = source if problem.line is None else f"{source}, line {problem.line}"
        raise SettingsError(f"{place}: {problem.key} {problem.message}", remedy=problem.remedy)


def read_switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TextRefused("is neither true nor false", "write true or false, without quotes")
    return value


def read_duration(value: Any) -> float:
    if not isinstance(value, str):
        raise TextRefused("is not text with a unit", 'write it as in "20s"')
    seconds = parse_duration(value)
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise TextRefused("is out of range", 'write a value from "1ms" to "24h"')
    return seconds


def read_count(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise TextRefused("is not a number in range", f"write a number from {least} to {most}")
    return value


def read_text(value: Any, limit: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise TextRefused("is not a line of text", f"write 1 to {limit} characters in quotes")
    return value


def read_target(value: Any) -> str:
    """`plugin/model`, the plugin in small letters."""
    plugin, slash, model = read_text(value, MAX_TARGET).partition("/")
    if not (slash and plugin.strip() and model.strip()):
        raise TextRefused("is not a target", 'write "plugin/model"')
    return f"{plugin.strip().lower()}/{model.strip()}"
