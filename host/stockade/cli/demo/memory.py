"""Looking for bytes inside another process, from outside: what a key must not be found in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["holds"]

MAX_REGION_BYTES: Final = 512 * 1024 * 1024
CHUNK: Final = 4 * 1024 * 1024


def holds(pid: int, needles: tuple[bytes, ...]) -> tuple[bool, ...]:
    """For each needle, whether the process has it in its memory, environment or arguments.

    Raises OSError where this process may not look (ptrace(2), "Ptrace access mode checking").
    """
    found = [False] * len(needles)
    for name in ("environ", "cmdline"):
        _look(Path(f"/proc/{pid}/{name}").read_bytes(), needles, found)
    overlap = max(map(len, needles)) - 1
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in _regions(pid):
            _search(memory.fileno(), start, end, overlap, needles, found)
    return tuple(found)


def _regions(pid: int) -> list[tuple[int, int]]:
    """Where it may write: code and files mapped for reading hold nothing of a request."""
    regions = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights, *_ = line.split()
        start, end = (int(part, 16) for part in span.split("-"))
        if rights.startswith("rw") and end - start <= MAX_REGION_BYTES:
            regions.append((start, end))
    return regions


def _search(
    fd: int, start: int, end: int, overlap: int, needles: tuple[bytes, ...], found: list[bool]
) -> None:
    rest = b""
    while start < end:
        try:
            chunk = os.pread(fd, min(CHUNK, end - start), start)
        except OSError:  # unmapped meanwhile, or a page of a device
            return
        if not chunk:
            return
        _look(rest + chunk, needles, found)
        rest, start = chunk[-overlap:] if overlap else b"", start + len(chunk)


def _look(content: bytes, needles: tuple[bytes, ...], found: list[bool]) -> None:
    for at, needle in enumerate(needles):
        found[at] = found[at] or needle in content
