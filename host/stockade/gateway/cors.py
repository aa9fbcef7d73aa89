"""What browsers are told of pages that may call this gateway (CORS). Pure.

Off where no origins are set. Cookies are never allowed: a foreign page brings a token, or nothing.
https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

Header = tuple[bytes, bytes]

METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
EXPOSED: Final = b"x-request-id, request-id, x-stockade-attempts, x-stockade-warnings, retry-after"
MAX_AGE_S: Final = b"600"  # the longest that Chromium keeps it is 7200
# Clients send headers of their own (x-stainless-..., anthropic-...): any name will do.
NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2048}")
USUAL_NAMES: Final = b"authorization, content-type, x-api-key"
VARY: Final = (b"vary", b"Origin")


class Cors:
    """``origins`` as a browser writes them, `https://host[:port]`."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(one.lower().rstrip("/").encode() for one in origins)

    def allows(self, origin: bytes) -> bool:
        return origin.lower() in self._origins

    def headers(self, asked: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        """What every answer to this request carries."""
        if not self._origins:
            return ()
        origin = asked.get(b"origin", b"")
        if not self.allows(origin):
            return (VARY,)
        return (
            VARY,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED),
        )

    def preflight(self, asked: Mapping[bytes, bytes]) -> tuple[Header, ...] | None:
        """What a question before a request is answered with; None where it is no such question."""
        if b"access-control-request-method" not in asked:
            return None
        if not self.allows(asked.get(b"origin", b"")):
            return None
        names = asked.get(b"access-control-request-headers", b"")
        return (
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", names if NAMES.fullmatch(names) else USUAL_NAMES),
            (b"access-control-max-age", MAX_AGE_S),
        )
