"""The little of HTTP/1.1 that the kit's vendor speaks, with a client that is the host's own broker.

Requests come whole with a Content-Length (RFC 9112 6); answers say theirs, or come in chunks.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from anyio.abc import ByteReceiveStream

from .answers import Pairs

__all__ = ["BadRequest", "head_of", "read_request"]

MAX_HEAD_BYTES: Final = 128 * 1024  # the broker sends 64 KiB of headers and 16 KiB of URL at most
MAX_BODY_BYTES: Final = 64 * 1024 * 1024  # as the broker
RECEIVE_BYTES: Final = 256 * 1024
_END: Final = b"\r\n\r\n"


class BadRequest(Exception):
    """Nothing that the broker would send."""


async def read_request(stream: ByteReceiveStream) -> tuple[str, str, str, Pairs, bytes]:
    """Method, host, path with query, headers (names in lower case), body. Raises `BadRequest`, and
    EndOfStream where it breaks off.
    """
    received = bytearray()
    while (end := received.find(_END)) < 0:
        if len(received) > MAX_HEAD_BYTES:
            raise BadRequest(f"its head takes more than {MAX_HEAD_BYTES} bytes")
        received += await stream.receive(RECEIVE_BYTES)
    method, path, headers = _head(bytes(received[:end]))
    size = _length(headers)
    del received[: end + len(_END)]
    while len(received) < size:
        received += await stream.receive(RECEIVE_BYTES)
    if len(received) > size:
        raise BadRequest("something follows the request")
    host = next((value for name, value in headers if name == "host"), "")
    return method, host, path, headers, bytes(received)


def _head(head: bytes) -> tuple[str, str, Pairs]:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest(f"{first[:80]!r} begins no request")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest(f"{line[:80]!r} is no header")
        headers.append((name.lower(), value.strip(" \t")))
    return words[0], words[1], tuple(headers)


def _length(headers: Pairs) -> int:
    if any(name == "transfer-encoding" for name, _ in headers):
        raise BadRequest("its body comes without a length")
    said = next((value for name, value in headers if name == "content-length"), "0")
    if not (said.isascii() and said.isdigit()) or int(said) > MAX_BODY_BYTES:
        raise BadRequest(f"{said[:20]!r} is no length of a body")
    return int(said)


def head_of(status: int, headers: Pairs, length: int | None) -> bytes:
    """The head of an answer; `length` None: its body comes in chunks."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    lines = (f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers))
    return "\r\n".join((*lines, framing, "connection: close", "", "")).encode()
