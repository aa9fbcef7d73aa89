"""The host's strict end of ZMTP 3: bytes in, whole messages out; it owns no socket.

The peer is a worker running libzmq as a PAIR socket and is treated as hostile: only the NULL
mechanism, the PAIR socket type and single-frame messages exist here, every length is checked
before a byte is kept, and whatever else arrives is a `Violation`, after which the endpoint is
dead. Deadlines are the transport's: a silent peer is no violation, merely never `ready`.

Sources: RFC 23/ZMTP 3.0 and RFC 37/ZMTP 3.1 (rfc.zeromq.org), checked against libzmq 4.3.5.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

KIB: Final = 1024
READ_BYTES: Final = 64 * KIB  # a read of this size holds some 1,500 streamed tokens
GROWTH: Final = 8  # a large frame's buffer is at most this many times what has arrived of it
GREETING_BYTES: Final = 64
MAX_HANDSHAKE_BYTES: Final = 512  # greeting and READY; libzmq's PAIR sends 64 + 28
MAX_ECHO_CHARACTERS: Final = 64  # of a peer's own words in a reason
MAX_SHORT_BYTES: Final = 255
MAX_LONG_BYTES: Final = 2**63 - 1

# A frame's first octet: bit 0 MORE, bit 1 LONG, bit 2 COMMAND, the others reserved (zero).
MORE: Final = 0x01
LONG: Final = 0x02
COMMAND: Final = 0x04
RESERVED: Final = 0xF8
SHORT: Final = 0x00

_MECHANISM: Final = b"NULL".ljust(20, b"\0")
# 3.0 although the peer may speak 3.1: it may then expect neither PING nor SUBSCRIBE of us.
_GREETING: Final = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + _MECHANISM + bytes(32)
_READY: Final = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PAIR"
_NAME_OCTETS: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+"
)
_SHORT_HEADERS: Final = tuple(bytes((SHORT, length)) for length in range(MAX_SHORT_BYTES + 1))
_LONG_HEADER: Final = Struct(">BQ")
_unpack_length: Final = Struct(">Q").unpack_from


class Violation(Exception):
    """The peer broke the protocol; `reason` is one short sentence, safe to log and to show."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Endpoint:
    """One connection's protocol state: fill `get_buffer()`, call `buffer_updated()`.

    `ready` is true once the peer's greeting and READY were accepted; the answer to them lies in
    `outgoing()`. After a `Violation` every method but `greeting` raises it again.
    """

    __slots__ = (
        "_body",
        "_body_bytes",
        "_body_filled",
        "_fault",
        "_filled",
        "_greeted",
        "_max_frame_bytes",
        "_outgoing",
        "_view",
        "_wanted",
        "ready",
    )

    def __init__(self, *, max_frame_bytes: int) -> None:
        """Start before the first byte; `max_frame_bytes` caps a body in either direction.

        ValueError outside 255 to 2**63 - 1: short frames are not compared with the cap.
        """
        if not MAX_SHORT_BYTES <= max_frame_bytes <= MAX_LONG_BYTES:
            raise ValueError(f"max_frame_bytes must be 255 to 2**63 - 1, not {max_frame_bytes}")
        self.ready = False
        self._max_frame_bytes = max_frame_bytes
        self._fault: str | None = None
        self._greeted = False
        self._outgoing = b""
        # Unparsed bytes always begin at 0; nothing can happen before there are `_wanted`.
        self._view = memoryview(bytearray(READ_BYTES))
        self._filled = 0
        self._wanted = 1
        # The large frame under way, if any: its own buffer, its final size, what has arrived.
        self._body: bytearray | None = None
        self._body_bytes = 0
        self._body_filled = 0

    def greeting(self) -> bytes:
        """Give the 64 octets to send as soon as the connection stands."""
        return _GREETING

    def outgoing(self) -> bytes:
        """Take the handshake octets to send now, often none; each is given once."""
        self._refuse_if_dead()
        taken, self._outgoing = self._outgoing, b""
        return taken

    def header(self, length: int) -> bytes:
        """Give the 2 or 9 octets that go before a body of `length` bytes.

        RuntimeError before `ready`, ValueError for a body over the cap or below nought.
        """
        if not self.ready:
            self._refuse_if_dead()
            raise RuntimeError("no message may be sent before the handshake is finished")
        if 0 <= length <= MAX_SHORT_BYTES:
            return _SHORT_HEADERS[length]
        if not 0 <= length <= self._max_frame_bytes:
            raise ValueError(f"a body of {length} bytes; the cap is {self._max_frame_bytes}")
        return _LONG_HEADER.pack(LONG, length)

    def frame(self, body: bytes | bytearray) -> bytes:
        """Give header and body as one copy; a large body is better sent beside its `header`."""
        return self.header(len(body)) + body

    def get_buffer(self) -> memoryview:
        """Lend the place for the next read, never empty, to be let go after `buffer_updated`."""
        if self._body is not None:
            return memoryview(self._body)[self._body_filled :]
        self._refuse_if_dead()
        return self._view[self._filled :] if self._filled else self._view

    def buffer_updated(self, nbytes: int) -> list[bytes | bytearray]:
        """Take note of `nbytes` read into the lent buffer; give the bodies they complete.

        A body is the caller's own: bytes, or for a frame above `READ_BYTES` the bytearray it was
        read into. Raises `Violation`, which also drops the bodies completed by the same read.
        """
        if self._body is not None:
            return self._fill_body(self._body, nbytes)
        self._refuse_if_dead()
        end = self._filled + nbytes
        if end < self._wanted:
            self._filled = end
            return []
        # One copy of the whole read: slices of bytes cost half of slices of a memoryview.
        data = self._view[:end].tobytes()
        try:
            at = 0 if self.ready else self._shake_hands(data)
            if self.ready:
                return self._split(data, at)
        except Violation as violation:
            self._die(violation.reason)
            raise
        self._keep(data, at, stop=end + 1)
        return []

    def _split(self, data: bytes, at: int) -> list[bytes | bytearray]:
        """Cut the messages out of `data[at:]` and keep what is not yet whole."""
        end = len(data)
        body = stop = at
        messages: list[bytes | bytearray] = []
        append = messages.append
        while at < end:
            flags = data[at]
            if flags == SHORT:
                body = stop = at + 2
                if body <= end:
                    stop = body + data[at + 1]
            elif flags == LONG:
                body = stop = at + 9
                if body <= end:
                    (length,) = _unpack_length(data, at + 1)
                    if length > self._max_frame_bytes:
                        raise Violation(_length_fault(self._max_frame_bytes, length))
                    stop = body + length
            else:
                raise Violation(_flags_fault(flags))
            if stop > end:
                break
            append(data[body:stop])
            at = stop
        else:
            self._filled = 0
            self._wanted = 1
            return messages
        if stop - at <= READ_BYTES:
            self._keep(data, at, stop=stop)
        else:
            self._filled = 0
            self._wanted = 1
            self._body_bytes = stop - body
            self._body_filled = end - body
            self._body = self._grown(data[body:])
        return messages

    def _keep(self, data: bytes, at: int, *, stop: int) -> None:
        """Move the unparsed `data[at:]` to the front; nothing can be done before `stop`."""
        self._filled = len(data) - at
        self._wanted = stop - at
        if at:
            self._view[: self._filled] = data[at:]

    def _fill_body(self, body: bytearray, nbytes: int) -> list[bytes | bytearray]:
        self._body_filled += nbytes
        if self._body_filled == self._body_bytes:
            self._body = None
            return [body]
        if self._body_filled == len(body):
            self._body = self._grown(body)
        return []

    def _grown(self, arrived: bytes | bytearray) -> bytearray:
        """Give a large frame's buffer with room for more, beginning with what has arrived."""
        # An announced length costs a peer nothing, so room follows what has arrived; counted down
        # from the full size, so that the last step copies no more than an eighth.
        size = self._body_bytes
        while size > max(READ_BYTES, GROWTH * len(arrived)):
            size = -(-size // GROWTH)
        # Not the old one resized: event loops hold the lent view until after buffer_updated.
        grown = bytearray(size)
        grown[: len(arrived)] = arrived
        return grown

    def _shake_hands(self, data: bytes) -> int:
        """Go as far in the handshake as `data` allows; give where what is left over begins."""
        at = 0
        if not self._greeted:
            _check_greeting(data)
            if len(data) < GREETING_BYTES:
                return 0
            self._greeted = True
            self._outgoing = _READY
            at = GREETING_BYTES
        span = _command_span(data, at)
        if span is None:
            return at
        start, stop = span
        _check_command(data[start:stop])
        self.ready = True
        return stop

    def _refuse_if_dead(self) -> None:
        if self._fault is not None:
            raise Violation(self._fault)

    def _die(self, reason: str) -> None:
        self.ready = False
        self._fault = reason
        self._outgoing = b""
        self._view = memoryview(b"")


def _flags_fault(flags: int) -> str:
    if flags & RESERVED:
        return "a frame has reserved flag bits set"
    if flags & COMMAND:
        return "a command came after the handshake"
    return "a message of more than one frame was sent"


def _length_fault(cap: int, length: int) -> str:
    if length > MAX_LONG_BYTES:
        return "a frame's length has its top bit set"
    return f"a frame of {length} bytes was announced; the cap is {cap}"


def _check_greeting(data: bytes) -> None:
    """Check the fields of a greeting that are there already, so that a wrong one ends early."""
    size = len(data)
    # The eight octets between are padding, "not significant"; libzmq puts a number there.
    if data[0] != 0xFF or (size > 9 and data[9] != 0x7F):
        raise Violation("the greeting has a wrong signature")
    if (size > 10 and data[10] != 3) or (size > 11 and data[11] not in (0, 1)):
        raise Violation("the greeting is of a version other than ZMTP 3.0 and 3.1")
    if size > 12 and not _MECHANISM.startswith(data[12:32]):
        raise Violation("the greeting names a mechanism other than NULL")
    if size > 32 and data[32]:
        raise Violation("the greeting has the as-server flag set")
    if any(data[33:GREETING_BYTES]):
        raise Violation("the greeting's filler is not zero")


def _command_span(data: bytes, at: int) -> tuple[int, int] | None:
    """Give where the handshake command's body lies, or None while it is not all there."""
    if at == len(data):
        return None
    flags = data[at]
    if flags & (RESERVED | MORE):
        raise Violation("a handshake frame has flag bits set that no command has")
    if not flags & COMMAND:
        raise Violation("a message came before the handshake was finished")
    start = at + (9 if flags & LONG else 2)
    if len(data) < start:
        return None
    length = int.from_bytes(data[at + 1 : start], "big")
    if length > MAX_LONG_BYTES:
        raise Violation("a handshake command's length has its top bit set")
    if GREETING_BYTES + start - at + length > MAX_HANDSHAKE_BYTES:
        raise Violation(f"the handshake is longer than {MAX_HANDSHAKE_BYTES} bytes")
    return (start, start + length) if len(data) >= start + length else None


def _check_command(body: bytes) -> None:
    """Accept a READY of a PAIR socket; anything else is a violation, ERROR with its reason."""
    colon = 1 + body[0] if body else 0
    name, rest = body[1:colon], body[colon:]
    if name == b"ERROR":
        raise Violation(f"the peer refused the handshake: {_quote(rest[1:])}")
    if name != b"READY":
        raise Violation("the handshake has a command other than READY")
    socket_type = _properties(rest).get(b"socket-type")
    if socket_type is None:
        raise Violation("the peer's READY names no Socket-Type")
    if socket_type != b"PAIR":
        raise Violation(f"the peer's Socket-Type is not PAIR but {_quote(socket_type)}")


def _properties(metadata: bytes) -> dict[bytes, bytes]:
    """Read READY's properties, names in lower case (the RFC compares them without case)."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(metadata):
        colon = at + 1 + metadata[at]
        start = colon + 4
        name = metadata[at + 1 : colon]
        stop = start + int.from_bytes(metadata[colon:start], "big")
        if start > len(metadata) or stop > len(metadata):
            raise Violation("a property of the peer's READY is cut short")
        if not name or not _NAME_OCTETS.issuperset(name):
            raise Violation("a property of the peer's READY has a malformed name")
        if name.lower() in found:
            raise Violation("a property of the peer's READY is given twice")
        found[name.lower()] = metadata[start:stop]
        at = stop
    return found


def _quote(words: bytes) -> str:
    """Quote a peer's words: printable ASCII, the rest as `?`, capped in length."""
    capped = words[:MAX_ECHO_CHARACTERS]
    text = "".join(chr(octet) if 0x20 <= octet < 0x7F else "?" for octet in capped)
    return f"'{text}'" + ("..." if len(words) > len(capped) else "")
