"""Attempts on what everybody shares: memory, processors, files, threads."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from .acts import act, tried

HELD: list[Any] = []
MIB = 1024 * 1024


@act
def allocate(ctx: Any, pieces: int) -> str:
    """Memory that is used, a MiB at a time."""

    def go() -> None:
        for _ in range(pieces):
            HELD.append(os.urandom(4096) * 256)  # noqa: PERF401  # one at a time, until it fails

    return tried(go)


@act
def give_back(ctx: Any) -> str:
    """Let go of all that is held."""
    HELD.clear()
    return "done"


@act
def threads(ctx: Any, most: int) -> dict[str, Any]:
    """Start threads until that fails."""
    count, why, end = 0, "done", threading.Event()
    while count < most:
        why = tried(lambda: threading.Thread(target=end.wait, daemon=True).start())
        if why != "done":
            break
        count += 1
    HELD.append(end)
    return {"count": count, "outcome": why}


@act
def let_threads_go(ctx: Any) -> str:
    """End what ``threads`` has started."""
    for one in HELD:
        if isinstance(one, threading.Event):
            one.set()
    HELD.clear()
    while threading.active_count() > 1:
        time.sleep(0.001)
    return "done"


@act
def spin(ctx: Any, count: int) -> str:
    """Threads that never wait, this one included: no call is answered any more."""
    for _ in range(count):
        threading.Thread(target=_spin, daemon=True).start()
    _spin()
    return "done"


def _spin() -> None:
    while True:
        pass


@act
def open_files(ctx: Any, path: str, most: int) -> dict[str, Any]:
    """Open a file until that fails, then let all of them go."""
    held: list[int] = []
    why = "done"
    while len(held) < most:
        why = tried(lambda: held.append(os.open(path, os.O_RDONLY)))
        if why != "done":
            break
    for fd in held:
        os.close(fd)
    return {"count": len(held), "outcome": why}


@act
def grow_file(ctx: Any, path: str, mib: int) -> dict[str, Any]:
    """Write a file of so many MiB; how many were taken."""
    written = 0
    piece = bytes(MIB)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    why = "done"
    try:
        while written < mib and why == "done":
            why = tried(lambda: _write_whole(fd, piece))
            written += why == "done"
    finally:
        os.close(fd)
    return {"mib": written, "outcome": why}


def _write_whole(fd: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(fd, left) :]


@act
def stretch_file(ctx: Any, path: str, size: int) -> str:
    """A file with a hole as large as that."""

    def go() -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(fd, size)
        finally:
            os.close(fd)

    return tried(go)


@act
def reserve_file(ctx: Any, path: str, size: int) -> str:
    """A file that takes its place on the disk without being written."""

    def go() -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)
        finally:
            os.close(fd)

    return tried(go)


@act
def make_files(ctx: Any, folder: str, count: int) -> dict[str, Any]:
    """So many empty files."""
    made, why = 0, "done"
    for number in range(count):
        why = tried(
            lambda: os.close(os.open(f"{folder}/f{number}", os.O_WRONLY | os.O_CREAT, 0o600))  # noqa: B023
        )
        if why != "done":
            break
        made += 1
    return {"count": made, "outcome": why}


@act
def flood(ctx: Any, mib: int, lines: bool) -> str:
    """Write so much to both outputs, by lines or in one that does not end."""
    piece = (b"x" * 1023 + b"\n") * 64 if lines else b"x" * 65536
    for _ in range(mib * 8):
        os.write(1, piece)
        os.write(2, piece)
    return "done"


@act
def die(ctx: Any, how: str) -> str:
    """End this process."""
    sys.stdout.flush()
    os._exit(int(how))
