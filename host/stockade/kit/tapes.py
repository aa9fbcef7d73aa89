"""Recordings on disk: one exchange with a vendor a file, as JSON that people can read and mend.

    recordings/
      001-post-chat-completions.json

A body is `json`, `text` or `base64`, whichever it can be. Recordings may come with a stranger's
plugin, so the reader is strict and bounded, and follows no links.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from stockade.egress import Exchange
from stockade.errors import HostError, UsageError
from stockade_sdk.text import show

from .answers import Answer, Pairs, Piece

__all__ = ["Asked", "Body", "Chunk", "Reel", "Reply", "Tape", "read_tapes", "tape_of", "write_tape"]

VERSION: Final = 1
MAX_FILE_BYTES: Final = 32 * 1024 * 1024  # both bodies at the recorder's bound, one in base64
MAX_TOTAL_BYTES: Final = 256 * 1024 * 1024
MAX_TAPES: Final = 1000
MAX_CHUNKS: Final = 100_000
MAX_HEADERS: Final = 100
MAX_WAIT_MS: Final = 600_000
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")  # no line ends in it
_URL: Final = re.compile(r"https?://([^/?#\s@]+)(/[^#\s]*)?")
_METHOD: Final = re.compile(r"[A-Z]{1,16}")
# The connection's own, which the player writes.
_FRAMING: Final = frozenset({"connection", "content-length", "transfer-encoding", "host"})


class Body(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Bytes, as what they are."""

    json: Any = None
    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, data: bytes, *, may_be_json: bool = True) -> Self:
        """As readable as it can be kept; JSON may get other spaces."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return cls(base64=base64.b64encode(data).decode())
        if may_be_json and text[:1] in ("{", "["):
            try:
                return cls(json=msgspec.json.decode(data))
            except (msgspec.DecodeError, RecursionError):
                return cls(text=text)
        return cls(text=text)

    @property
    def data(self) -> bytes:
        """The bytes. Raises ValueError for base64 that is none."""
        if self.base64 is not None:
            return base64.b64decode(self.base64, validate=True)
        if self.text is not None:
            return self.text.encode("utf-8", "surrogatepass")
        return msgspec.json.encode(self.json) if self.json is not None else b""


class Chunk(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A piece of an answer's body, and how many milliseconds after the request it came."""

    at_ms: int = 0
    text: str | None = None
    base64: str | None = None

    @property
    def data(self) -> bytes:
        """The bytes. Raises ValueError for base64 that is none."""
        return Body(text=self.text or "", base64=self.base64).data


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request of a tape."""

    method: str
    url: str
    headers: Pairs = ()
    body: Body = Body()


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer of a tape; `status` None: none came. `broken`: it did not go to its end, and this
    is the kind of failure that the plugin was told of.
    """

    status: int | None
    headers: Pairs = ()
    chunks: tuple[Chunk, ...] = ()
    broken: str = ""


class Tape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One recorded exchange."""

    stockade_tape: int = VERSION
    request: Asked
    response: Reply
    name: str = ""  # of its file; not in it

    @property
    def host(self) -> str:
        """The vendor's, with its port where it has one."""
        found = _URL.fullmatch(self.request.url)
        return found[1].lower() if found else ""

    @property
    def path(self) -> str:
        """With its query."""
        found = _URL.fullmatch(self.request.url)
        return (found[2] or "/") if found else ""

    def answer(self, *, speed: float = 0.0) -> Answer:
        """What a vendor that plays it says; `speed` 1: with the waits that were, 0: without any."""
        waits, before = [], 0
        for chunk in self.response.chunks:
            waits.append(max(0, chunk.at_ms - before) / 1000 * speed)
            before = max(before, chunk.at_ms)
        pieces = tuple(
            Piece(chunk.data, wait) for chunk, wait in zip(self.response.chunks, waits, strict=True)
        )
        broken = self.response.broken
        return Answer(
            status=self.response.status,
            headers=tuple(pair for pair in self.response.headers if pair[0] not in _FRAMING),
            pieces=pieces,
            streamed=True,
            then="ends"
            if not broken
            else "stalls"
            if broken in ("timeout", "cancelled")
            else "cuts",
        )


def tape_of(exchange: Exchange) -> Tape:
    """The tape of an exchange that the broker recorded."""
    broken = "" if exchange.complete or (exchange.status and not exchange.kind) else exchange.kind
    if exchange.shortened:
        broken = broken or "shortened"
    return Tape(
        request=Asked(
            method=exchange.method,
            url=exchange.url,
            headers=exchange.request_headers,
            body=Body.of(exchange.request_body),
        ),
        response=Reply(
            status=exchange.status,
            headers=exchange.response_headers,
            chunks=tuple(_chunk(part.at_ms, part.data) for part in exchange.parts),
            broken=broken or ("" if exchange.status else "network"),
        ),
    )


def _chunk(at_ms: int, data: bytes) -> Chunk:
    body = Body.of(data, may_be_json=False)
    return Chunk(at_ms=at_ms, text=body.text, base64=body.base64)


class Reel:
    """Takes what the broker records, for `save`: `Host.open(..., recorder=reel.take)`.

    The first `MAX_TAPES` exchanges are kept, and no more than `MAX_TOTAL_BYTES` of bodies; `lost`
    counts the rest.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.lost = self._bytes = 0

    def take(self, exchange: Exchange) -> None:
        """Keep one."""
        size = len(exchange.request_body) + sum(len(part.data) for part in exchange.parts)
        if len(self.exchanges) >= MAX_TAPES or self._bytes + size > MAX_TOTAL_BYTES:
            self.lost += 1
            return
        self._bytes += size
        self.exchanges.append(exchange)

    def save(self, folder: Path) -> tuple[Path, ...]:
        """Write them, each into a new file; the files in order. Raises HostError."""
        written = []
        for number, exchange in enumerate(self.exchanges, 1):
            tape = tape_of(exchange)
            written.append(write_tape(folder, tape, number))
        return tuple(written)


def write_tape(folder: Path, tape: Tape, number: int) -> Path:
    """Write one, as `NNN-method-path.json`, in a folder that is made if it is not there.

    Raises HostError; nothing that is there already is written over.
    """
    words = re.sub(r"[^a-z0-9]+", "-", tape.path.partition("?")[0].lower()).strip("-")[-40:]
    stem = f"{number:03}-{tape.request.method.lower()}-{words.strip('-') or 'root'}"
    fields = {"stockade_tape": VERSION, "request": tape.request, "response": tape.response}
    text = msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{stem}.json"
        with path.open("xb") as file:
            file.write(text)
    except OSError as error:
        raise HostError(
            f"the recording {folder / stem}.json cannot be written",
            why=error.strerror or str(error),
            remedy="name an empty folder that you may write to",
        ) from error
    return path


def read_tapes(folder: Path) -> tuple[Tape, ...]:
    """The tapes of a folder, by the names of their files. Raises UsageError, which names the file
    and what is wrong with it.
    """
    try:
        names = sorted(one.name for one in folder.iterdir() if one.name.endswith(".json"))
    except OSError as error:
        raise UsageError(
            f"there are no recordings in {folder}",
            why=error.strerror or str(error),
            remedy="record some: stockade test PATH --record DIR",
        ) from error
    if len(names) > MAX_TAPES:
        raise UsageError(
            f"{folder} has {len(names)} recordings; at most {MAX_TAPES} are read",
            remedy="remove those that are not needed",
        )
    tapes: list[Tape] = []
    total = 0
    for name in names:
        data = _contents(folder / name, MAX_TOTAL_BYTES - total)
        total += len(data)
        tapes.append(_read(name, data))
    return tuple(tapes)


def _contents(path: Path, left: int) -> bytes:
    """A regular file's bytes; no link is followed, nothing that blocks is waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _bad(path.name, "it is no regular file")
            data = file.read(min(MAX_FILE_BYTES, left) + 1)
    except OSError as error:
        raise _bad(path.name, error.strerror or str(error)) from error
    if len(data) > min(MAX_FILE_BYTES, left):
        raise _bad(path.name, "it is too large, or all of them together are")
    return data


def _read(name: str, data: bytes) -> Tape:
    try:
        tape = msgspec.json.decode(data, type=Tape)
        _check(tape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _bad(name, str(error)) from error
    return msgspec.structs.replace(tape, name=name)


def _check(tape: Tape) -> None:
    """Raise ValueError for what no exchange has."""
    asked, reply = tape.request, tape.response
    if tape.stockade_tape != VERSION:
        raise ValueError(f"stockade_tape is {tape.stockade_tape}; {VERSION} is what is read")
    if not _METHOD.fullmatch(asked.method) or not _URL.fullmatch(asked.url):
        raise ValueError("its request has no method and URL as in POST https://api.example.com/v1")
    if reply.status is not None and not 200 <= reply.status <= 599:
        raise ValueError(f"{reply.status} is no status of an answer")
    if len(reply.chunks) > MAX_CHUNKS:
        raise ValueError(f"its answer has more than {MAX_CHUNKS} chunks")
    for headers in (asked.headers, reply.headers):
        if len(headers) > MAX_HEADERS:
            raise ValueError(f"it has more than {MAX_HEADERS} headers")
        for header, value in headers:
            if not _TOKEN.fullmatch(header) or not _VALUE.fullmatch(value):
                raise ValueError(f"{show(header)} is no header")
    for chunk in reply.chunks:
        if not 0 <= chunk.at_ms <= MAX_WAIT_MS:
            raise ValueError(f"a chunk comes after {chunk.at_ms} ms")
    for encoded in (asked.body.base64, *(chunk.base64 for chunk in reply.chunks)):
        base64.b64decode(encoded or "", validate=True)


def _bad(name: str, why: str) -> UsageError:
    return UsageError(
        f"the recording {show(name)} cannot be read",
        why=show(why),
        remedy="record it anew, or remove it",
    )
