"""Bytes on their way out, counted before they leave: what a budget is held to.

Counted is what HTTP has to say (head and body), and all of a tunnel's TLS; not the handshakes of
TCP and TLS below, and not what a proxy is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
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
    said = "".join([method, target.url, target.endpoint, *chain.from_iterable(headers)])
    head = len(said) if said.isascii() else len(said.encode("utf-8", "surrogatepass"))
    return OWN_HEAD_BYTES + head + 4 * len(headers) + (0 if body is None else len(body))
