"""A plugin's log: its last lines, and each new one as it comes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, Self

if TYPE_CHECKING:
    from stockade.admin import values as v

__all__ = ["Tail", "any_line", "as_row", "is_denial", "last_lines"]

CHUNK: Final = 64 * 1024
Wanted = Callable[[str], bool]


def is_denial(line: str) -> bool:
    """Whether a line of a log tells of a denied act: time, source, text, as `Logbook` writes it."""
    return line.split(maxsplit=2)[1:2] == ["denied"]


def any_line(line: str) -> bool:
    """Every line is wanted."""
    del line
    return True


def as_row(line: str) -> v.LogLine:
    """A line in its parts, escaped; one that is none of ours is all text."""
    from stockade.admin import values as v
    from stockade.process.lines import plain  # not for `logs`, which escapes as a terminal wants it

    stamp, _, rest = plain(line).partition(" ")
    source, _, text = rest.partition(" ")
    if not source or not stamp[:4].isdigit():
        return v.LogLine(at="", source="", text=plain(line))
    return v.LogLine(at=stamp, source=source, text=text.lstrip(" "))


def last_lines(path: Path, count: int, wanted: Wanted = any_line) -> list[str]:
    """The last lines of a log that are wanted, the older file that was put aside included."""
    kept: deque[str] = deque(maxlen=count)
    for part in (_aside(path), path):
        kept.extend(filter(wanted, _lines_of(part)))
    return list(kept)


class Tail:
    """A log that is followed: `begin`, then `look` now and then; close it, or use it in a `with`.

    A file that was put aside is read to its end before the new one; one that was cut is read from
    its beginning. Blocking.
    """

    def __init__(self, path: Path, wanted: Wanted = any_line) -> None:
        self._path, self._wanted = path, wanted
        self._file: BinaryIO | None = None
        self._rest = b""

    def begin(self, count: int) -> list[str]:
        """The last lines that are wanted, as far as they are whole."""
        kept: deque[str] = deque(maxlen=count)
        kept.extend(filter(self._wanted, _lines_of(_aside(self._path))))
        self._file = _opened(self._path)
        if self._file is not None:
            *whole, self._rest = self._file.read().split(b"\n")
            kept.extend(filter(self._wanted, map(_text, whole)))
        return list(kept)

    def look(self) -> list[str]:
        """What was written since the last look."""
        found: list[str] = []
        while True:
            if self._file is None:
                self._file = _opened(self._path)
            file = self._file
            if file is None:
                return found
            moved = _moved(self._path, file)
            # Read after that look: what was written until it was put aside is in it by now.
            while chunk := file.read(CHUNK):
                *whole, self._rest = (self._rest + chunk).split(b"\n")
                found += filter(self._wanted, map(_text, whole))
            if not moved:
                return found
            self.close()

    def close(self) -> None:
        """Let go of the file; another look opens the one that has the name then."""
        if self._file is not None:
            self._file.close()
        self._file, self._rest = None, b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _lines_of(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            return [_text(line) for line in file]
    except FileNotFoundError:
        return []


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _moved(path: Path, file: BinaryIO) -> bool:
    """Whether another file has the name now, or this one was cut."""
    held = os.fstat(file.fileno())
    if held.st_size < file.tell():
        return True
    try:
        found = path.stat()
    except FileNotFoundError:
        return False  # between two files: the next look tells
    return (found.st_dev, found.st_ino) != (held.st_dev, held.st_ino)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace").rstrip("\n")
