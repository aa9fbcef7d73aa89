"""Undo an answer's content coding in bounded pieces. Pure.

A small body can decode to gigabytes, so nothing is ever decoded whole: each piece is at most
`PIECE_BYTES`, and the caller stops asking when it has had enough. Only what was asked for is
undone: gzip and deflate (RFC 9110 8.4.1).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["ACCEPT_ENCODING", "PIECE_BYTES", "BodyRefused", "Inflating", "decoder_for"]

ACCEPT_ENCODING: Final = "gzip, deflate"
PIECE_BYTES: Final = 128 * 1024  # about 1 ms of inflating; redacted, at most 256 KiB
# Each further member copies what is left of the input; writers of gzip use one, rarely a few.
MAX_MEMBERS: Final = 64
_GZIP: Final = 16 + zlib.MAX_WBITS


class BodyRefused(Exception):
    """The body is not in the coding its headers claim; the message goes on from "the answer"."""


class Inflating:
    """A gzip or deflate body: compressed bytes in, pieces of plain bytes out."""

    __slots__ = ("_gzip", "_inflate", "_members")

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._inflate: zlib._Decompress | None = None
        self._members = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode lazily: nothing happens until the next piece is asked for."""
        full = False  # a full piece may leave output inside zlib with no input left
        while data or full:
            if self._inflate is None or self._inflate.eof:
                if not data:
                    return
                self._inflate = self._next_member(data)
            try:
                piece = self._inflate.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise BodyRefused(f"is not the compressed data it claims to be: {error}") from error
            inflate = self._inflate
            data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            full = len(piece) == PIECE_BYTES and not inflate.eof
            if piece:
                yield piece

    def end(self) -> None:
        """Check that the data was complete; an empty body is. Raises `BodyRefused`."""
        if self._inflate is not None and not self._inflate.eof:
            raise BodyRefused("broke off in the middle of its compressed data")

    def _next_member(self, data: bytes) -> zlib._Decompress:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise BodyRefused(f"is compressed in more than {MAX_MEMBERS} pieces")
        if self._gzip:
            return zlib.decompressobj(_GZIP)
        if self._members > 1:
            raise BodyRefused("goes on after the end of its compressed data")
        # "deflate" means zlib (RFC 9110 8.4.1.2), but servers that send it raw have never died out.
        raw = data[0] & 0x0F != 8
        return zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)


def decoder_for(coding: str) -> Inflating | None:
    """What undoes a Content-Encoding; None where there is nothing to undo.

    Raises `BodyRefused` for a coding that was not asked for.
    """
    codings = [one.strip().lower() for one in coding.split(",")]
    codings = [one for one in codings if one not in ("", "identity")]
    if not codings:
        return None
    if codings in (["gzip"], ["x-gzip"]):
        return Inflating(gzip=True)
    if codings == ["deflate"]:
        return Inflating(gzip=False)
    raise BodyRefused(
        f"is encoded as {', '.join(codings)[:40]!r}, though only {ACCEPT_ENCODING} were asked for"
    )
