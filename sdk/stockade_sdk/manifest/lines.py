"""Where in a TOML text each key stands, for messages. tomllib reads the values; this only points.

It is given texts that tomllib has accepted. Where it cannot follow one it stops, and what comes
after has no line; it never refuses anything.
"""

import contextlib
from typing import TypeAlias

__all__ = ["KeyPath", "key_lines", "line_of"]

KeyPath: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 32  # of arrays and inline tables in each other; deeper ones get their holder's line
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class _Lost(Exception):
    """The text is not what this reader can follow."""


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map the path of each key, table and array item to its line, counted from 1."""
    walk = _Walk(text.replace("\r\n", "\n"))
    with contextlib.suppress(_Lost, IndexError, ValueError, OverflowError):
        walk.document()  # where it is lost, the lines found so far stand
    return walk.lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a key or, where it has none of its own, of what holds it."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


class _Walk:
    """A position moving over the text once, noting paths on its way."""

    def __init__(self, text: str) -> None:
        self.text = text + "\n\0"  # so that looking ahead needs no check; NUL is never valid TOML
        self.at = 0
        self.line = 1
        self.lines: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while True:
            self._skip_blank(newlines=True)
            character = self.text[self.at]
            if character == "\0":
                return
            if character == "[":
                table = self._header()
            else:
                self._pair(table, 0)

    def _header(self) -> KeyPath:
        line = self.line
        repeated = self.text.startswith("[[", self.at)
        self.at += 2 if repeated else 1
        keys = self._key()
        self._expect("]]" if repeated else "]")
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._current((*path, key))
        path = (*path, keys[-1])
        self.lines.setdefault(path, line)
        if repeated:
            self._counts[path] = self._counts.get(path, 0) + 1
            path = self._current(path)
        self.lines.setdefault(path, line)
        return path

    def _current(self, path: KeyPath) -> KeyPath:
        count = self._counts.get(path)
        return path if count is None else (*path, count - 1)

    def _pair(self, table: KeyPath, depth: int) -> None:
        line = self.line
        path = table
        for key in self._key():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._expect("=")
        self._value(path, depth)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip_blank()
            if self.text[self.at] in "\"'":
                parts.append(self._string())
            else:
                start = self.at
                while self.text[self.at] in _BARE:
                    self.at += 1
                if start == self.at:
                    raise _Lost
                parts.append(self.text[start : self.at])
            self._skip_blank()
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _value(self, path: KeyPath, depth: int) -> None:
        self._skip_blank()
        character = self.text[self.at]
        if character in "\"'":
            self._string()
        elif character in "[{":
            if depth >= MAX_DEPTH:
                raise _Lost
            self._items(path, depth + 1, keyed=character == "{")
        else:
            while self.text[self.at] not in ",]}#\n\0":
                self.at += 1

    def _items(self, path: KeyPath, depth: int, *, keyed: bool) -> None:
        self.at += 1
        closing = "}" if keyed else "]"
        index = 0
        while True:
            self._skip_blank(newlines=True)
            if self.text[self.at] == closing:
                self.at += 1
                return
            if keyed:
                self._pair(path, depth)
            else:
                self.lines.setdefault((*path, index), self.line)
                self._value((*path, index), depth)
            index += 1
            self._skip_blank(newlines=True)
            if self.text[self.at] == ",":
                self.at += 1
            elif self.text[self.at] != closing:
                raise _Lost

    def _string(self) -> str:
        quote = self.text[self.at]
        if self.text.startswith(quote * 3, self.at):
            return self._long_string(quote)
        self.at += 1
        found: list[str] = []
        while (character := self.text[self.at]) != quote:
            if character in "\n\0":
                raise _Lost
            self.at += 1
            found.append(self._escape() if character == "\\" and quote == '"' else character)
        self.at += 1
        return "".join(found)

    def _escape(self) -> str:
        letter = self.text[self.at]
        self.at += 1
        width = {"u": 4, "U": 8}.get(letter)
        if width is None:
            return _ESCAPES.get(letter, letter)
        self.at += width
        return chr(int(self.text[self.at - width : self.at], 16))

    def _long_string(self, quote: str) -> str:
        self.at += 3
        while not self.text.startswith(quote * 3, self.at):
            character = self.text[self.at]
            if character == "\0":
                raise _Lost
            if character == "\\" and quote == '"':
                self.at += 1
                character = self.text[self.at]
            self.line += character == "\n"
            self.at += 1
        self.at += 3
        for _ in range(2):  # up to two quotes may stand right before the closing three
            if self.text[self.at] == quote:
                self.at += 1
        return ""

    def _skip_blank(self, *, newlines: bool = False) -> None:
        while True:
            character = self.text[self.at]
            if character == "#":
                self.at = self.text.index("\n", self.at)
            elif character == "\n" and newlines:
                self.line += 1
                self.at += 1
            elif character in " \t":
                self.at += 1
            else:
                return

    def _expect(self, word: str) -> None:
        self._skip_blank()
        if not self.text.startswith(word, self.at):
            raise _Lost
        self.at += len(word)
