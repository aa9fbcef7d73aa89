"""`logs`: what a plugin printed and what became of it."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from stockade.cli.output import note, safe
from stockade.cli.stored import opened

__all__ = ["follow", "is_denial", "last_lines", "logs"]

POLL_S = 0.2
CHUNK = 64 * 1024


def logs(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    follow_on: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as lines come, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, metavar="N", help="This many of the last lines.")
    ] = 100,
    denied: Annotated[
        bool, typer.Option("--denied", help="Only what it was denied, and what would allow it.")
    ] = False,
) -> None:
    """Show what a plugin printed and did.

    What it printed and logged, what it asked of the network, what it was denied, and what became
    of its workers.
    """
    wanted = is_denial if denied else _any
    with opened() as (home, state):
        state.require(name)
        path = home.log_of(name)
    if not follow_on:
        found = last_lines(path, lines, wanted)
        if not found and lines and not path.exists():
            note(f"{name} has logged nothing so far")
        elif not found and lines and denied:
            note(f"{name} was denied nothing, as far as its log goes back")
        for line in found:
            print(safe(line))
        return
    for line in follow(path, lines, lambda: time.sleep(POLL_S), wanted):
        print(safe(line), flush=True)


def is_denial(line: str) -> bool:
    """Whether a line of a log tells of a denied act: time, source, text, as `Logbook` writes it."""
    return line.split(maxsplit=2)[1:2] == ["denied"]


def _any(line: str) -> bool:
    return True


def last_lines(path: Path, count: int, wanted: Callable[[str], bool] = _any) -> list[str]:
    """The last lines of a log that are wanted, the older file that was put aside included."""
    kept: deque[str] = deque(maxlen=count)
    for part in (path.with_name(f"{path.name}.1"), path):
        kept.extend(filter(wanted, _lines_of(part)))
    return list(kept)


def _lines_of(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            return [_text(line) for line in file]
    except FileNotFoundError:
        return []


def follow(
    path: Path, count: int, wait: Callable[[], None], wanted: Callable[[str], bool] = _any
) -> Iterator[str]:
    """The last lines that are wanted, then each new whole one, for ever.

    `wait` lets time pass. A file that was put aside is read to its end before the new one; one that
    was cut is read from its beginning.
    """
    kept: deque[str] = deque(maxlen=count)
    kept.extend(filter(wanted, _lines_of(path.with_name(f"{path.name}.1"))))
    file, rest = _opened(path), b""
    if file is not None:
        *whole, rest = file.read().split(b"\n")
        kept.extend(filter(wanted, map(_text, whole)))
    yield from kept
    try:
        while True:
            if file is None:
                file = _opened(path)
            moved = file is not None and _moved(path, file)
            # Read after that look: what was written until it was put aside is in it by now.
            while file is not None and (chunk := file.read(CHUNK)):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from filter(wanted, map(_text, whole))
            if moved and file is not None:
                file.close()
                file, rest = None, b""
                continue
            wait()
    finally:
        if file is not None:
            file.close()


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
