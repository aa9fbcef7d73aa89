"""What is wrong with a manifest: problems with line, key and remedy, gathered while reading on.

`Section` reads one table: each method takes a key, notes a problem where the value is not what it
should be, and gives a harmless value back so that reading goes on and every problem is found.
"""

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from stockade_sdk.errors import StockadeError
from stockade_sdk.manifest.lines import KeyPath, key_lines, line_of
from stockade_sdk.text import TextRefused, check_plain_text, nearest, show

__all__ = ["ManifestError", "Problem", "Problems", "Section"]

T = TypeVar("T")

MAX_PROBLEMS = 100  # a screen or three; a hostile file could hold a hundred thousand
MAX_LIST = 64  # entries of a list, where nothing else is said
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    list: "a list",
    dict: "a table",
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong: `key` as in "permissions.network[1]", `line` from 1, None where unknown."""

    line: int | None
    key: str
    message: str
    remedy: str

    def describe(self, source: str) -> str:
        """The problem as one line: `plugin.toml:12: limits.memory: wrong so; right so.`"""
        place = source if self.line is None else f"{source}:{self.line}"
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}{self.message}; {self.remedy}."


class ManifestError(StockadeError):
    """A manifest that cannot be used: `problems` are all of them, `str()` a paragraph each."""

    def __init__(self, problems: tuple[Problem, ...], source: str = "plugin.toml") -> None:
        shown = "".join(c if c.isprintable() else "?" for c in source)
        super().__init__("\n\n".join(problem.describe(shown) for problem in problems))
        self.problems = problems
        self.source = source


class Problems:
    """The problems found so far in one text; lines are looked up once, at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: list[tuple[KeyPath, str, str]] = []

    def add(self, path: KeyPath, message: str, remedy: str) -> None:
        """Note that the value at `path` is wrong."""
        self._found.append((path, message, remedy))

    def all(self) -> tuple[Problem, ...]:
        """Every problem in the order of the file, at most MAX_PROBLEMS of them and a last word."""
        if not self._found:
            return ()
        lines = key_lines(self._text)
        problems = [
            Problem(line=line_of(lines, path), key=key_text(path), message=message, remedy=remedy)
            for path, message, remedy in self._found
        ]
        problems.sort(key=lambda problem: (problem.line is None, problem.line or 0))
        more = len(problems) - MAX_PROBLEMS
        if more > 0:
            del problems[MAX_PROBLEMS:]
            problems.append(
                Problem(line=None, key="", message=f"{more} more", remedy="mend those above first")
            )
        return tuple(problems)


def key_text(path: KeyPath) -> str:
    """A path as people write it: `models[0].price."odd key"`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if _BARE_KEY.fullmatch(part) else show(part, 40))
    return text


class Section:
    """One table of a manifest: its path, its values, and which keys were asked for."""

    def __init__(self, problems: Problems, path: KeyPath, values: dict[str, object]) -> None:
        self.problems = problems
        self.path = path
        self.values = values
        self._known: set[str] = set()

    def add(self, key: str, message: str, remedy: str) -> None:
        """Note a problem with one key of this table."""
        self.problems.add((*self.path, key), message, remedy)

    def get(self, key: str, kind: type[T], remedy: str = "") -> T | None:
        """The value if it is there and of this type; a wrong type is a problem."""
        self._known.add(key)
        if key not in self.values:
            return None
        value = self.values[key]
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
        self.add(key, f"is {_kind_of(value)}", remedy or f"write {_KINDS[kind]}")
        return None

    def require(self, key: str, remedy: str) -> None:
        """Note a problem where the key is absent."""
        if key not in self.values:
            self.add(key, "is missing", remedy)

    def flag(self, key: str) -> bool:
        """A boolean, False where absent."""
        return self.get(key, bool, "write true or false") or False

    def count(self, key: str, most: int) -> int | None:
        """A whole number from 1 to `most`, None where absent."""
        number = self.get(key, int)
        if number is not None and not 1 <= number <= most:
            self.add(key, "is out of range", f"write a whole number from 1 to {most}")
            return None
        return number

    def line(self, key: str, limit: int) -> str | None:
        """One line of plain text, None where absent."""
        return self.parsed(key, lambda text: check_plain_text(text, limit))

    def parsed(self, key: str, parse: Callable[[str], T]) -> T | None:
        """A text read by a grammar, None where absent or refused."""
        text = self.get(key, str, "write text in quotes")
        return None if text is None else self._parse((*self.path, key), text, parse)

    def parsed_list(
        self, key: str, parse: Callable[[str], T], most: int = MAX_LIST
    ) -> tuple[T, ...]:
        """A list of texts read by a grammar, without those that it refuses; no entry twice."""
        found: list[T] = []
        for index, item in enumerate(self._entries(key, most)):
            path = (*self.path, key, index)
            if not isinstance(item, str):
                self.problems.add(path, f"is {_kind_of(item)}", "write text in quotes")
                continue
            value = self._parse(path, item, parse)
            if value is not None and value in found:
                self.problems.add(path, f"{show(item)} is there twice", "leave one of them out")
            elif value is not None:
                found.append(value)
        return tuple(found)

    def table(self, key: str) -> "Section":
        """A table, empty where absent or not a table."""
        values: dict[str, object] = self.get(key, dict, f"write a table [{key}]") or {}
        return Section(self.problems, (*self.path, key), values)

    def tables(self, key: str, most: int, remedy: str = "") -> list["Section"]:
        """The tables of an array of tables, without what is none."""
        found = []
        for index, item in enumerate(self._entries(key, most)):
            path = (*self.path, key, index)
            if isinstance(item, dict):
                found.append(Section(self.problems, path, item))
            else:
                right = remedy or f"write a table [[{key_text((*self.path, key))}]]"
                self.problems.add(path, f"is {_kind_of(item)}", right)
        return found

    def finish(self, also: Iterable[str] = ()) -> None:
        """Note every key that nobody asked for."""
        known = self._known | set(also)
        for key in self.values:
            if key not in known:
                near = nearest(key, known)
                listed = ", ".join(sorted(known))
                hint = f"write {near}" if near else f"leave it out: the keys here are {listed}"
                self.add(key, "is not a known key", hint)

    def _entries(self, key: str, most: int) -> list[object]:
        items: list[object] = self.get(key, list) or []
        if len(items) > most:
            self.add(key, f"has {len(items)} entries", f"write at most {most}")
        return items[:most]

    def _parse(self, path: KeyPath, text: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(text)
        except TextRefused as refused:
            self.problems.add(path, f"{show(text)} {refused.message}", refused.remedy)
            return None


def _kind_of(value: object) -> str:
    for kind, word in _KINDS.items():
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return word
    return "a number with a point" if isinstance(value, float) else "a date or a time"
