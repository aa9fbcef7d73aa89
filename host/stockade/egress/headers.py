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
        size += len(name) + (len(value) if value.isascii() else len(_utf8(value)))
    if size > MAX_BYTES:
        raise HeadersRefused(f"the headers take {size} bytes; at most {MAX_BYTES} are sent")
    names = [name.lower() for name, _ in pairs]
    left_out = _left_out(_HOST_WRITES, names, pairs)
    kept = [
        (name, value.strip(" \t") if value.isascii() else _utf8(value.strip(" \t")).decode())
        for lower, (name, value) in zip(names, pairs, strict=True)
        if lower not in left_out
    ]
    if "user-agent" not in names or "user-agent" in left_out:
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
    names = [name.lower() for name, _ in pairs]
    named = list(zip(names, pairs, strict=True))
    coding = ",".join([value for lower, (_, value) in named if lower == "content-encoding"])
    left_out = _left_out(_GONE, names, pairs)
    if keep_length:
        left_out -= {"content-length"}
    return tuple([pair for lower, pair in named if lower not in left_out]), coding


def _left_out(
    always: frozenset[str], names: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> frozenset[str]:
    """Lower-case names; hardly any message names further ones in a Connection header."""
    return always | _named_by_connection(pairs) if "connection" in names else always


def _utf8(value: str) -> bytes:
    return value.encode("utf-8", "replace")


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
