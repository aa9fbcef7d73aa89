"""Frames between host and worker: one msgpack array a message, its first element the frame's
number.

Both sides import this module and nothing else of each other. A body is ``msgspec.Raw`` on arrival,
so that an envelope is read (and a hostile one refused) without touching what it carries; on
departure :func:`embed` puts any value there and it is encoded in the same pass. No sockets here:
framing below is ZMTP, see RFC 23.

Call ids and HTTP exchange ids count up from 1 on the side that opens them and are never used again.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Raw, Struct

from .errors import ErrorInfo, StockadeError

KIB = 1024
MIB = 1024 * KIB

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1

MAX_FRAME_BYTES = 16 * MIB  # one 1024x1024 PNG in base64, with room to spare
STREAM_WINDOW_BYTES = 256 * KIB  # what a worker may send ahead of a reader: 5,000 text deltas
MAX_ITEMS_BYTES = 1 * MIB  # the largest frame of stream items; a window may be overrun by one
MAX_ITEMS_EVENTS = 64  # of a producer that is ahead; a paced one has each event sent at once
HTTP_WINDOW_BYTES = 512 * KIB  # what the host may send ahead of a plugin reading a vendor's answer
MAX_HTTP_CHUNK_BYTES = 256 * KIB
MAX_LOG_CHARS = 8 * KIB  # a log message; longer ones are cut by the worker and again by the host

# A worker's lists are bounded by number: an empty string is one byte on the wire and eight in a
# tuple, so that 16 MiB of them would be 300.
MAX_WORDS = 64  # methods of a provider, layers of a plan
MAX_HEADERS = 512  # of one HTTP request
MAX_FIELDS = 64  # of one log record
MAX_KIND, MAX_WHAT = 32, 1024  # characters of a denied act
MAX_OWN_FRAME_BYTES = 2 * MIB  # of frames without a body: the largest honest one is a log record


class WireError(StockadeError):
    """Bytes that are no frame of ours; the peer that sent them is ended."""


class Load(Struct, frozen=True, array_like=True, tag=1, kw_only=True):
    """Host → worker, after the hello was checked: import the plugin and make its provider.

    ``path`` goes onto ``sys.path``; ``entry`` is ``module:attribute``; ``secrets`` maps names to
    placeholders; ``environment`` is what the grant passes through.
    """

    entry: str
    path: tuple[str, ...]
    config: dict[str, Any]
    secrets: dict[str, str]
    environment: dict[str, str]
    data_dir: str | None
    concurrency: int


class Call(Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Host → worker: run one method. ``timeout_ms`` is what is left of the request's deadline.

    ``window`` 0 asks for one ``Result``; otherwise items are streamed, at most ``window`` bytes
    ahead of the credit.
    """

    id: int
    method: str
    timeout_ms: int
    body: Raw
    window: int = 0


class Cancel(Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Host → worker: nobody waits for this call any more. It is still answered, once."""

    id: int


class Credit(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """Host → worker: the reader took ``size`` bytes of stream ``id``."""

    id: int
    size: int


class Ping(Struct, frozen=True, array_like=True, tag=5, gc=False):
    """Host → worker: are you there?"""

    nonce: int


class Stop(Struct, frozen=True, array_like=True, tag=6, gc=False):
    """Host → worker: leave, now. The host drains before it says so."""


class HttpHead(Struct, frozen=True, array_like=True, tag=7):
    """Host → worker: the answer to ``HttpOpen`` begins, with what of the body is there already."""

    id: int
    status: int
    headers: tuple[tuple[str, str], ...]
    data: bytes = b""
    last: bool = False


class HttpBody(Struct, frozen=True, array_like=True, tag=8, gc=False):
    """Host → worker: more of the body."""

    id: int
    data: bytes
    last: bool = False


class HttpFailed(Struct, frozen=True, array_like=True, tag=9):
    """Host → worker: the exchange ended badly, before or after its head."""

    id: int
    error: ErrorInfo


class Hello(Struct, frozen=True, array_like=True, tag=20, kw_only=True):
    """Worker → host, first of all: who I am and what I speak.

    ``launch`` repeats the random word of the plan, so that an answer from an earlier start is told
    apart; ``layers`` are the confinement steps that were carried out, in order; ``acts`` are
    forbidden and permitted ones that were tried after them, each with its errno, 0 where it went.
    """

    protocol_min: int
    protocol_max: int
    launch: str
    plugin: str
    digest: str
    pid: int
    sdk: str
    python: str
    layers: Annotated[tuple[str, ...], Meta(max_length=MAX_WORDS)]
    acts: Annotated[dict[str, int], Meta(max_length=MAX_WORDS)]


class Loaded(Struct, frozen=True, array_like=True, tag=21):
    """Worker → host: the provider exists and has these methods."""

    methods: Annotated[tuple[str, ...], Meta(max_length=MAX_WORDS)]


class LoadFailed(Struct, frozen=True, array_like=True, tag=22):
    """Worker → host: the plugin could not be imported or made; the worker leaves."""

    error: ErrorInfo


class Result(Struct, frozen=True, array_like=True, tag=23, gc=False):
    """Worker → host: the unary answer of call ``id``."""

    id: int
    body: Raw


class Failed(Struct, frozen=True, array_like=True, tag=24):
    """Worker → host: call ``id`` failed."""

    id: int
    error: ErrorInfo


class Items(Struct, frozen=True, array_like=True, tag=25, gc=False):
    """Worker → host: events of stream ``id`` (an array of ``ChatEvent``); ``last`` ends it."""

    id: int
    body: Raw
    last: bool = False


class Pong(Struct, frozen=True, array_like=True, tag=26, gc=False):
    """Worker → host: the answer to a ping."""

    nonce: int


class Log(Struct, frozen=True, array_like=True, tag=27):
    """Worker → host: a log record of the plugin; ``fields`` are already text."""

    level: str
    message: str
    fields: Annotated[dict[str, str], Meta(max_length=MAX_FIELDS)]
    call: int = 0


class HttpOpen(Struct, frozen=True, array_like=True, tag=28):
    """Worker → host: please make this request. ``call`` is the call it serves, 0 outside any.

    The exchange ends with its call. ``window`` bounds what the host sends ahead of ``HttpCredit``.
    """

    id: int
    call: int
    method: str
    url: str
    headers: Annotated[tuple[tuple[str, str], ...], Meta(max_length=MAX_HEADERS)]
    body: bytes | None
    timeout_ms: int
    window: int = HTTP_WINDOW_BYTES


class HttpCredit(Struct, frozen=True, array_like=True, tag=29, gc=False):
    """Worker → host: ``size`` bytes of the body were read."""

    id: int
    size: int


class HttpClose(Struct, frozen=True, array_like=True, tag=30, gc=False):
    """Worker → host: the rest of this exchange is not wanted."""

    id: int


class Denied(Struct, frozen=True, array_like=True, tag=31, gc=False):
    """Worker → host: the plugin tried what its plan does not allow. The worker's word, for people.

    ``kind`` is a word of ``stockade_worker.blame``, ``what`` a path, a program or a host.
    """

    kind: Annotated[str, Meta(max_length=MAX_KIND)]
    what: Annotated[str, Meta(max_length=MAX_WHAT)]


ToWorker = Load | Call | Cancel | Credit | Ping | Stop | HttpHead | HttpBody | HttpFailed
ToHost = (
    Hello
    | Loaded
    | LoadFailed
    | Result
    | Failed
    | Items
    | Pong
    | Log
    | HttpOpen
    | HttpCredit
    | HttpClose
    | Denied
)

_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_to_host: msgspec.msgpack.Decoder[ToHost] = msgspec.msgpack.Decoder(ToHost)
_encode = msgspec.msgpack.Encoder().encode
_WITH_BODY = (23, 25, 28)  # Result, Items, HttpOpen
_SHORT_ARRAY = 0x90  # MessagePack's header of up to 15 elements, their number in its low half

# What a decoder may raise on hostile bytes: msgspec's own errors, invalid UTF-8, and nesting beyond
# the stack.
DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


def encode(frame: ToWorker | ToHost) -> bytes:
    """One frame as bytes."""
    return _encode(frame)


def encode_body(value: Any) -> Raw:
    """A value as an encoded body, for the times when its size must be known before it is sent."""
    return Raw(_encode(value))


def embed(value: Any) -> Raw:
    """``value`` in the place of a body: the encoder takes it as it is, the peer's decoder finds a
    ``Raw``.
    """
    return cast("Raw", value)


def decode_to_worker(data: bytes | bytearray | memoryview) -> ToWorker:
    """A frame for the worker; raises WireError."""
    try:
        return _to_worker.decode(data)
    except DECODE_ERRORS as error:
        raise WireError(f"no frame for a worker: {error}") from error


def decode_to_host(data: bytes | bytearray | memoryview) -> ToHost:
    """A frame for the host; raises WireError. The message never repeats the frame's content."""
    if len(data) > MAX_OWN_FRAME_BYTES and not _has_body(data):
        raise WireError(f"a frame about itself has {len(data)} bytes")
    try:
        return _to_host.decode(data)
    except RecursionError as error:
        raise WireError("a frame is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise WireError("a frame holds text that is not UTF-8") from error
    except DECODE_ERRORS as error:
        raise WireError(f"no frame for a host: {str(error)[:200]}") from error


def _has_body(data: bytes | bytearray | memoryview) -> bool:
    return data[0] & 0xF0 == _SHORT_ARRAY and data[1] in _WITH_BODY
