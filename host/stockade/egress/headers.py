"""Which headers pass between a plugin and an upstream. Pure.

A connection belongs to the host, so all that steers framing, routing or the connection itself is
the host's to write (RFC 9110 7.6.1, RFC 9112 6): a plugin's own version of it is left out, and a
value that could end a line is refused, for it would be a second request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from stockade_sdk.text import show

from .body import ACCEPT_ENCODING

__all__ = ["HeadersRefused", "Pairs", "request_headers", "response_headers"]

Pairs = tuple[tuple[str, str], ...]

MAX_COUNT: Final = 100  # of a request; clients of vendors send some 20
MAX_BYTES: Final = 64 * 1024  # names and values, either way; servers commonly take 8 to 32 KiB
USER_AGENT: Final = "stockade"  # some vendors' firewalls refuse a request that has none

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab, RFC 9110 5.5
_CONNECTION: Final = frozenset(
    {
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_HOST_WRITES: Final = _CONNECTION | {"host", "content-length", "accept-encoding", "expect"}
_GONE: Final = _CONNECTION | {"content-encoding", "content-length"}


class HeadersRefused(Exception):
    """Headers that must not be passed on; the message is a clause about "a header" or "they"."""


def request_headers(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """A plugin's headers as they go out, in order, with the host's own added.

    Raises `HeadersRefused` for CR, LF, NUL and other controls, odd names, too many, too large.
    """
    if len(pairs) > MAX_COUNT:
        raise HeadersRefused(f"there are {len(pairs)} headers; at most {MAX_COUNT} are sent")
    size = 0
    for name, value in pairs:
        if not _TOKEN.fullmatch(name):
            raise HeadersRefused(f"{show(name)} is not the name of a header (RFC 9110 5.1)")
        if _CONTROL.search(value):
            raise HeadersRefused(f"the header {show(name)} holds a line break or another control")
        size += len(name) + len(value.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        raise HeadersRefused(f"the headers take {size} bytes; at most {MAX_BYTES} are sent")
    left_out = _HOST_WRITES | _named_by_connection(pairs)
    kept = [
        (name, value.strip(" \t").encode("utf-8", "replace").decode())
        for name, value in pairs
        if name.lower() not in left_out
    ]
    if not any(name.lower() == "user-agent" for name, _ in kept):
        kept.append(("user-agent", USER_AGENT))
    kept.append(("accept-encoding", ACCEPT_ENCODING))
    return kept


def response_headers(
    raw: Iterable[tuple[bytes, bytes]], *, keep_length: bool = False
) -> tuple[Pairs, str]:
    """An upstream's headers as a plugin gets them, repeats kept, and its Content-Encoding.

    Left out: what was the connection's, and what the body no longer is (it is decoded and may be
    redacted); `keep_length` is for answers to HEAD. Raises `HeadersRefused` if they are too large.
    """
    pairs = [(_decoded(name), _decoded(value)) for name, value in raw]
    size = sum(len(name) + len(value) for name, value in pairs)
    if size > MAX_BYTES:
        raise HeadersRefused(f"its headers take {size} bytes; at most {MAX_BYTES} are read")
    coding = ",".join(value for name, value in pairs if name.lower() == "content-encoding")
    left_out = _GONE | _named_by_connection(pairs)
    if keep_length:
        left_out -= {"content-length"}
    return tuple((name, value) for name, value in pairs if name.lower() not in left_out), coding


def _named_by_connection(pairs: Iterable[tuple[str, str]]) -> set[str]:
    return {
        one.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for one in value.split(",")
    }


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
