"""`logs/<plugin>.log`: what workers print and log, bounded, one line each.

Written at once and on the event loop: a write is 10 us into the page cache, and the lines were
held to a rate before they came here. A full disk loses lines, never requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stockade.process.lines import plain

MAX_FILE_BYTES: Final = 1024 * 1024  # of which there are two a plugin, the older ends in .1
MAX_LINE_CHARACTERS: Final = 16 * 1024  # 8 KiB printed, every byte of it escaped, and more


class Logbook:
    """Log files of all plugins in one folder; `close` it, or use it in a `with`."""

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        max_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        self.lost_lines = 0
        self._folder = folder
        self._now = now
        self._max_bytes = max_bytes
        self._open: dict[str, tuple[int, int]] = {}  # plugin → descriptor, size

    def write(self, plugin: str, source: str, text: str) -> None:
        """Add a line: time, `source` (stdout, stderr, a level, host,
        egress, denied), text, escaped and cut."""
        stamp = self._now().isoformat(timespec="milliseconds")
        line = f"{stamp} {plain(source):<7} {plain(text[:MAX_LINE_CHARACTERS])}\n".encode()
        try:
            fd, size = self._file(plugin, len(line))
            written = os.write(fd, line)
        except OSError:  # a full disk, a folder that was taken away
            self.lost_lines += 1
            self._drop(plugin)
            return
        self._open[plugin] = (fd, size + written)

    def close(self) -> None:
        """Close all files."""
        for plugin in list(self._open):
            self._drop(plugin)

    def _file(self, plugin: str, more: int) -> tuple[int, int]:
        fd, size = self._open.get(plugin) or self._append(plugin)
        if size and size + more > self._max_bytes:
            self._drop(plugin)
            path = self._path(plugin)
            path.rename(path.with_name(f"{path.name}.1"))
            fd, size = self._append(plugin)
        return fd, size

    def _append(self, plugin: str) -> tuple[int, int]:
        # O_NONBLOCK: were a FIFO in its place, opening and writing would wait for a reader.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._path(plugin), flags, 0o600)
        self._open[plugin] = (fd, os.fstat(fd).st_size)
        return self._open[plugin]

    def _path(self, plugin: str) -> Path:
        return self._folder / f"{plugin}.log"  # names hold letters, digits and hyphens only

    def _drop(self, plugin: str) -> None:
        held = self._open.pop(plugin, None)
        if held is not None:
            os.close(held[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
