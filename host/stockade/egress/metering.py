"""Bytes on their way out, counted before they leave: what a budget is held to.

Counted is what HTTP has to say (head and body), and all of a tunnel's TLS; not the handshakes of
TCP and TLS below, and not what a proxy is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from stockade_sdk.errors import ProviderError

from .targets import Target

__all__ = ["MaySend", "anything_goes", "bytes_of_request"]

MaySend = Callable[[str, int], ProviderError | None]
"""Counts bytes of a plugin that are about to leave and gives None, or counts nothing and says why
they may not. 0 asks whether anything may leave; a negative size gives back what never left.
"""

# What the client adds to every request: version, `Accept`, `Content-Length`, the names of these.
OWN_HEAD_BYTES: Final = 96


def anything_goes(plugin: str, size: int) -> ProviderError | None:
    """No budget at all."""
    return None


def bytes_of_request(
    method: str, target: Target, headers: Sequence[tuple[str, str]], body: bytes | None
) -> int:
    """What a request takes on the wire, at most."""
    lines = sum(_size(name) + _size(value) + 4 for name, value in headers)
    line = len(method) + _size(target.url) + _size(target.endpoint)
    return OWN_HEAD_BYTES + line + lines + (0 if body is None else len(body))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
