"""Server-sent events: bytes in, events out; any split, any line end, a bound on what is kept.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

import msgspec

from .errors import ErrorKind, ProviderError

PIECE_BYTES = 64 * 1024  # of a body that is there whole, so that its events are not all at once
MAX_EVENT_CHARS = 16 * 1024 * 1024  # one base64 image in one event; more is an attack or a mistake


class ServerEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event: its ``event`` name (``message`` where none was sent), its ``data`` lines joined,
    the last ``id``.
    """

    event: str = "message"
    data: str = ""
    id: str | None = None


class LineReader:
    """Splits a stream of bytes into lines at LF, CRLF or CR, decoding UTF-8 with replacement."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._pieces: list[str] = []
        self._held = 0
        self._after_cr = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes; raises ProviderError(malformed_response) on a line
        beyond the bound.
        """
        return self._split(self._decoder.decode(data))

    def end(self) -> list[str]:
        """What is left when the stream ends: the last line, where it had no line end."""
        lines = self._split(self._decoder.decode(b"", True))
        if self._held:
            lines.append("".join(self._pieces))
            self._pieces, self._held = [], 0
        return lines

    def _split(self, text: str) -> list[str]:
        if not text:
            return []
        if self._after_cr and text[0] == "\n":
            text = text[1:]
        self._after_cr = text.endswith("\r") if text else False
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        *lines, rest = text.split("\n")
        if lines and self._held:
            lines[0] = "".join((*self._pieces, lines[0]))
            self._pieces, self._held = [], 0
        if rest:
            self._pieces.append(rest)
            self._held += len(rest)
            if self._held > MAX_EVENT_CHARS:
                raise ProviderError(
                    ErrorKind.MALFORMED_RESPONSE, "a line of the stream is too long"
                )
        return lines


class EventReader:
    """Turns bytes into :class:`ServerEvent`; comments and unknown fields are passed over."""

    def __init__(self) -> None:
        self._lines = LineReader()
        self._event = ""
        self._data: list[str] = []
        self._held = 0
        self._id: str | None = None

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that ``data`` completes."""
        events: list[ServerEvent] = []
        for line in self._lines.feed(data):
            self._take(line, events)
        return events

    def end(self) -> list[ServerEvent]:
        """What is left at the end. The standard drops an event without its blank line; vendors
        forget that line.
        """
        events: list[ServerEvent] = []
        for line in (*self._lines.end(), ""):
            self._take(line, events)
        return events

    def _take(self, line: str, events: list[ServerEvent]) -> None:
        if not line:
            if self._data or self._event:
                events.append(
                    ServerEvent(self._event or "message", "\n".join(self._data), self._id)
                )
            self._event, self._data, self._held = "", [], 0
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._held += len(value)
            if self._held > MAX_EVENT_CHARS:
                raise ProviderError(
                    ErrorKind.MALFORMED_RESPONSE, "an event of the stream is too long"
                )
        elif field == "event":
            self._event = value
        elif field == "id" and "\0" not in value:
            self._id = value


def events_in(body: bytes) -> Iterator[ServerEvent]:
    """The events of a whole body, one after the other: all together are many times as large."""
    reader = EventReader()
    for at in range(0, len(body), PIECE_BYTES):
        yield from reader.feed(body[at : at + PIECE_BYTES])
    yield from reader.end()
