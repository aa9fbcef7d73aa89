"""Where lines of a log end up: a file of bounded size, or a stream that may have no reader.

Both may block and are called from a thread. `write` answers how many of the lines it got rid of,
from the first on; what stands in the way of the rest (a full disk, a reader that does not read) is
no error here, since nobody could do anything about it: the caller counts.
"""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import Final, Protocol

__all__ = ["FileSink", "Sink", "StreamSink"]

MAX_FILE_BYTES: Final = 16 * 1024 * 1024  # some 40,000 lines; two files, the older ends in .1
STREAM_WAIT_S: Final = 2.0  # for the reader of a pipe that is full


class Sink(Protocol):
    """Takes lines, each with its line feed."""

    def write(self, lines: list[bytes]) -> int: ...
    def close(self) -> None: ...


class FileSink:
    """Appends to ``path``, readable to its owner alone; a file that would grow past ``max_bytes``
    becomes ``path.1`` in the place of the one before.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._fd: int | None = None
        self._size = 0
        self._torn = False  # the last line there is has no end

    def write(self, lines: list[bytes]) -> int:
        done = 0
        try:
            while done < len(lines):
                self._make_room(len(lines[done]))
                count, data = self._fitting(lines, done)
                self._append(data)
                done += count
        except OSError:
            self.close()  # opened anew the next time: the folder may have been put back
        return done

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _make_room(self, size: int) -> None:
        if self._fd is None:
            self._open()
        if self._size and self._size + size > self._max_bytes:
            self.close()
            self._path.rename(self._path.with_name(f"{self._path.name}.1"))
            self._open()

    def _fitting(self, lines: list[bytes], start: int) -> tuple[int, bytes]:
        """As many lines from ``start`` on as fit into the file, one at least."""
        end, size = start + 1, self._size + len(lines[start])
        while end < len(lines) and size + len(lines[end]) <= self._max_bytes:
            size += len(lines[end])
            end += 1
        return end - start, b"".join(lines[start:end])

    def _append(self, data: bytes) -> None:
        assert self._fd is not None
        left = memoryview(b"\n" + data if self._torn else data)
        self._torn = True
        while left:
            written = os.write(self._fd, left)
            self._size += written
            left = left[written:]
        self._torn = False

    def _open(self) -> None:
        # O_NONBLOCK: were a FIFO in its place, opening and writing would wait for a reader.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._fd).st_size


class StreamSink:
    """Writes to an open descriptor that is others' too, so its flags are left alone.

    A pipe that polls as writable takes PIPE_BUF bytes without waiting (pipe(7)), so no more than
    that is written at a time; a reader that has gone to sleep costs the lines that it would not
    take within ``wait_s``, and holds up nobody's stop.
    """

    def __init__(self, fd: int, *, wait_s: float = STREAM_WAIT_S) -> None:
        self._fd, self._wait_s = fd, wait_s

    def write(self, lines: list[bytes]) -> int:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        end = time.monotonic() + self._wait_s
        for done, line in enumerate(lines):
            left = memoryview(line)
            while left:
                if not poll.poll(max(0.0, end - time.monotonic()) * 1_000):
                    return done
                try:
                    left = left[os.write(self._fd, left[: select.PIPE_BUF]) :]
                except OSError:  # nobody has the other end any more
                    return done
        return len(lines)

    def close(self) -> None:
        """Nothing: it is not ours."""
