"""`logs/requests.jsonl`: one line of JSON for each HTTP request, gathered here, written elsewhere.

A line is encoded on the event loop (2 us) and waits in a list; a task beside the server hands what
waits to a thread twice a second. A disk that is full or slow loses lines, never requests: they are
counted, and the next line that can be written says how many.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import msgspec

from .sinks import FileSink, Sink, StreamSink

__all__ = ["RequestLog"]

INTERVAL_S: Final = 0.5
MAX_WAITING_BYTES: Final = 8 * 1024 * 1024  # some 20,000 lines; in 0.5 s a host answers 2,000
MAX_LINE_BYTES: Final = 16 * 1024  # texts in a line are short; a longer one is a mistake


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """In the place of lines that were not written."""

    at: float
    lost_lines: int


class RequestLog:
    """Takes structs, each a line; `keep` runs beside the server, `close` comes after it.

    ``lost`` counts the lines that waited in vain or could not be written. It does not look into
    what it is given: whoever makes a struct leaves out contents and keys, and cuts texts short.
    """

    def __init__(self, sink: Sink, *, clock: Callable[[], float] = time.time) -> None:
        self.lost = 0
        self._sink, self._clock = sink, clock
        self._encode = msgspec.json.Encoder().encode
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._said = 0  # of those that were lost

    @classmethod
    def file(cls, path: Path) -> RequestLog:
        """Into a file that is kept small (`sinks.FileSink`)."""
        return cls(FileSink(path))

    @classmethod
    def stderr(cls) -> RequestLog:
        """Onto standard error, for journald and container engines."""
        return cls(StreamSink(2))

    def write(self, line: msgspec.Struct) -> None:
        """Add a line. Does not wait and does not fail."""
        try:
            data = self._encode(line)
        except (TypeError, ValueError):  # half of a surrogate pair, or what JSON has no way to say
            self.lost += 1
            return
        if not data.isascii():
            data = printable(data)
        size = len(data)
        if size > MAX_LINE_BYTES or self._bytes + size > MAX_WAITING_BYTES:
            self.lost += 1
            return
        self._waiting.append(data)
        self._bytes += size

    async def keep(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await anyio.sleep(INTERVAL_S)
            if self._waiting or self.lost > self._said:
                await self.flush()

    async def flush(self) -> None:
        """Write what waits. A cancellation comes after it; one at a time."""
        lines = self._take()
        self._note(len(lines), await anyio.to_thread.run_sync(self._sink.write, lines))

    def close(self) -> None:
        """Write the rest and let go of the file; where nobody reads standard error, within 2 s."""
        lines = self._take()
        if lines:
            self._note(len(lines), self._sink.write(lines))
        self._sink.close()

    def _take(self) -> list[bytes]:
        """What waits, as lines, first what was lost before them."""
        lines, self._waiting, self._bytes = self._waiting, [], 0
        self._unsaid = self.lost - self._said
        if self._unsaid:
            lines.insert(0, self._encode(Lost(at=self._clock(), lost_lines=self._unsaid)))
        return [line + b"\n" for line in lines]

    def _note(self, count: int, written: int) -> None:
        """``written`` of ``count`` lines were; the first of them is ours where there was a loss."""
        ours = 1 if self._unsaid else 0
        if ours and written:
            self._said += self._unsaid
        self.lost += max(0, count - max(written, ours))


def printable(data: bytes) -> bytes:
    """The same JSON with what a terminal obeys (control characters, bidirectional overrides) as
    escapes; outside of texts JSON has no such characters.
    """
    text = data.decode()
    if text.isprintable():
        return data
    shown = (one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
    return "".join(shown).encode()
