"""The frames of a tunnel's link: many connections over one socket to a worker. Pure.

A frame is a kind (1 byte), the number of a stream (4), a length (2) and so many bytes. The worker
opens streams, numbered upwards from 1 and never twice. Each side may send `WINDOW_BYTES` of data on
a stream, and more once the other has given it CREDIT, so neither side ever holds more than a
window of a stream. A stream's place is free again when the host has sent its CLOSE.

The worker's end is `stockade_worker.tunnel`, which has these numbers too: the worker is not trusted
to have read them, so every frame is checked before it is acted on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = [
    "CLOSE",
    "CREDIT",
    "DATA",
    "END",
    "OPEN",
    "PIECE_BYTES",
    "WINDOW_BYTES",
    "Frame",
    "FrameRefused",
    "Frames",
    "written",
]

OPEN: Final = 1  # worker to host: a new stream
DATA: Final = 2
END: Final = 3  # no more data follows from this side
CREDIT: Final = 4  # so many more bytes (4 bytes) may be sent
CLOSE: Final = 5  # host: all is over; worker: its client is gone

WINDOW_BYTES: Final = 64 * 1024  # of a stream, each way
PIECE_BYTES: Final = 16 * 1024  # most data in one frame: a full TLS record fits in two
_HEADER: Final = struct.Struct("!BIH")
_CREDIT: Final = struct.Struct("!I")
_LENGTHS: Final = {OPEN: (0, 0), DATA: (1, PIECE_BYTES), END: (0, 0), CREDIT: (4, 4), CLOSE: (0, 0)}


class FrameRefused(Exception):
    """What came is no frame; the message is a clause about "it", the worker's end."""


class Frame(NamedTuple):
    """One frame as it came; `credit` is that of a CREDIT frame."""

    kind: int
    stream: int
    data: bytes

    @property
    def credit(self) -> int:
        """Bytes; 0 for every other kind."""
        return int(_CREDIT.unpack(self.data)[0]) if self.kind == CREDIT else 0


def written(kind: int, stream: int, data: bytes = b"", *, credit: int = 0) -> bytes:
    """A frame as it is sent."""
    if kind == CREDIT:
        data = _CREDIT.pack(credit)
    return _HEADER.pack(kind, stream, len(data)) + data


class Frames:
    """Bytes in, whole frames out; holds less than one frame in between."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now. Raises `FrameRefused` at the first that is none."""
        rest = self._rest
        rest += data
        position = 0
        try:
            while len(rest) - position >= _HEADER.size:
                kind, stream, length = _HEADER.unpack_from(rest, position)
                _check(kind, stream, length)
                end = position + _HEADER.size + length
                if len(rest) < end:
                    return
                frame = Frame(kind, stream, bytes(rest[position + _HEADER.size : end]))
                position = end
                if kind == CREDIT and not 0 < frame.credit <= WINDOW_BYTES:
                    raise FrameRefused(f"gave a credit of {frame.credit} bytes")
                yield frame
        finally:
            del rest[:position]


def _check(kind: int, stream: int, length: int) -> None:
    bounds = _LENGTHS.get(kind)
    if bounds is None:
        raise FrameRefused(f"sent a frame of the kind {kind}, which there is not")
    if not bounds[0] <= length <= bounds[1]:
        raise FrameRefused(f"sent a frame of the kind {kind} with {length} bytes")
    if stream == 0:
        raise FrameRefused("sent a frame of no stream")
