"""Read the name out of a TLS ClientHello. Pure; strict, for what cannot be read is not let out.

Sources: RFC 8446 4.1.2 and 5.1 (ClientHello, records), RFC 6066 3 (server_name), RFC 9849
(encrypted_client_hello, whose real name is hidden and which is therefore refused).
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["MAX_HELLO_BYTES", "Hello", "HelloReader", "HelloRefused"]

MAX_HELLO_BYTES: Final = 16 * 1024  # as they come; clients with post-quantum keys send 2 KiB
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0
# encrypted_client_hello as published and in its drafts, and the encrypted_server_name before it. A
# client that only pretends (GREASE) cannot be told from one that does.
_HIDING: Final = frozenset({0xFE0D, 0xFE0C, 0xFE0A, 0xFE09, 0xFE08, 0xFF02, 0xFF03, 0xFFCE})


class HelloRefused(Exception):
    """Not the beginning of a TLS session that can be judged; a clause about "it", the client."""


class Hello(NamedTuple):
    """What a ClientHello says in the open; `server_name` as written, None where it names none."""

    server_name: str | None


class _Bytes:
    """A cursor that never reads past its end."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes) -> None:
        self._data, self._position, self._end = data, 0, len(data)

    def take(self, count: int) -> bytes:
        start = self._position
        if self._end - start < count:
            raise HelloRefused("sent a ClientHello with a length that is wrong")
        self._position = start + count
        return self._data[start : self._position]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int, least: int, most: int) -> bytes:
        """What a length of `size` bytes announces."""
        count = self.number(size)
        if not least <= count <= most:
            raise HelloRefused("sent a ClientHello with a length that is wrong")
        return self.take(count)

    def is_over(self) -> bool:
        return self._position == self._end


class HelloReader:
    """Takes the first bytes of a session, however they are cut. `raw` is all of them, to go on."""

    __slots__ = ("_message", "_position", "raw")

    def __init__(self) -> None:
        self.raw = bytearray()
        self._position = 0  # of the next record
        self._message = bytearray()  # what the records so far hold of the ClientHello

    def feed(self, data: bytes) -> Hello | None:
        """The ClientHello once it is whole, None before. Raises `HelloRefused`."""
        self.raw += data
        while self._next_record():
            if len(self._message) < 4:
                continue
            length = int.from_bytes(self._message[1:4])
            if self._message[0] != _CLIENT_HELLO or length > MAX_HELLO_BYTES:
                raise HelloRefused("did not begin with a ClientHello")
            if len(self._message) > 4 + length:
                raise HelloRefused("sent more than a ClientHello in its first message")
            if len(self._message) == 4 + length:
                return _read(bytes(self._message[4:]))
        if len(self.raw) >= MAX_HELLO_BYTES:
            raise HelloRefused(f"sent no whole ClientHello in {MAX_HELLO_BYTES} bytes")
        return None

    def _next_record(self) -> bool:
        """Take one record in; whether it was there as a whole."""
        raw, start = self.raw, self._position
        if len(raw) > start and raw[start] != _HANDSHAKE:
            raise HelloRefused("speaks something else than TLS")
        if len(raw) > start + 1 and raw[start + 1] != 3:
            raise HelloRefused("speaks something else than TLS")
        if len(raw) < start + 5:
            return False
        length = int.from_bytes(raw[start + 3 : start + 5])
        if not 0 < length <= MAX_HELLO_BYTES:
            raise HelloRefused("sent a TLS record with a length that is wrong")
        end = start + 5 + length
        if len(raw) < end:
            return False
        self._message += raw[start + 5 : end]
        self._position = end
        return True


def _read(body: bytes) -> Hello:
    hello = _Bytes(body)
    hello.take(2 + 32)  # version, random
    hello.vector(1, 0, 32)  # session id
    suites = hello.vector(2, 2, 0xFFFE)
    if len(suites) % 2:
        raise HelloRefused("sent a ClientHello with a length that is wrong")
    hello.vector(1, 1, 255)  # compression
    if hello.is_over():
        return Hello(None)  # TLS 1.2 allows no extensions at all
    extensions = _Bytes(hello.vector(2, 0, 0xFFFF))
    if not hello.is_over():
        raise HelloRefused("sent a ClientHello with something behind its end")
    return Hello(_server_name(extensions))


def _server_name(extensions: _Bytes) -> str | None:
    seen: set[int] = set()
    name: str | None = None
    while not extensions.is_over():
        kind = extensions.number(2)
        content = extensions.vector(2, 0, 0xFFFF)
        if kind in seen:  # two readers could take one each
            raise HelloRefused("sent a ClientHello with the same extension twice")
        seen.add(kind)
        if kind in _HIDING:
            raise HelloRefused("hides the name of its host (Encrypted Client Hello)")
        if kind == _SERVER_NAME:
            name = _name(content)
    return name


def _name(content: bytes) -> str:
    outer = _Bytes(content)
    names = _Bytes(outer.vector(2, 1, 0xFFFF))
    kind = names.number(1)
    host = names.vector(2, 1, 255)
    if kind != _HOST_NAME or not names.is_over() or not outer.is_over():
        raise HelloRefused("sent a ClientHello that does not name exactly one host")
    try:
        return host.decode("ascii")
    except UnicodeDecodeError:
        raise HelloRefused("sent a ClientHello with a name that is no ASCII") from None
