"""How many values an encoded body holds, before any of them is made: 16 MiB can become 1 GiB.

An empty list is one byte of msgpack and 64 bytes of Python. Bodies that small stay small all the
same, large ones are counted first, which is quick for what honest answers are made of: long texts,
blobs and arrays of floats. Pure. Source: the MessagePack specification, "Formats".
"""

from __future__ import annotations

from typing import Final

COUNTED_BYTES: Final = 256 * 1024  # of a body; below, even empty lists are at most 16 MiB
MOST_VALUES: Final = 500_000  # of one body, arrays of floats apart: at most 32 MiB of empty lists

FLOAT64: Final = 0xCB  # the only width that our encoder writes
FLOAT64_BYTES: Final = 9
_FIXED: Final = {  # bytes of a value with its marker
    0xC0: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9,
    0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9, 0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18,
}  # fmt: skip
_SIZED: Final = {  # bytes of the length, and bytes between it and the content
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
}  # fmt: skip
_CONTAINERS: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}  # length, per entry


def is_too_many(data: bytes | memoryview) -> bool:
    """Whether ``data``, one whole msgpack value, holds more than ``MOST_VALUES``."""
    return len(data) > COUNTED_BYTES and count(data, MOST_VALUES) > MOST_VALUES


def count(data: bytes | memoryview, most: int) -> int:
    """The values in ``data``, arrays of floats counted as one; stops soon after ``most``."""
    data = bytes(data)
    at, counted, left = 0, 0, 1
    while left and counted <= most:
        marker = data[at]
        left -= 1
        counted += 1
        entries = None
        if marker < 0x80 or marker >= 0xE0:  # a small integer
            at += 1
        elif 0xA0 <= marker < 0xC0:  # a short text
            at += 1 + (marker & 0x1F)
        elif marker < 0xA0:  # a short map or array
            per_entry = 2 if marker < 0x90 else 1
            entries = (marker & 0x0F) * per_entry
            at += 1
        elif marker in _CONTAINERS:
            size, per_entry = _CONTAINERS[marker]
            entries = int.from_bytes(data[at + 1 : at + 1 + size], "big") * per_entry
            at += 1 + size
        elif marker in _SIZED:
            size, more = _SIZED[marker]
            at += 1 + size + more + int.from_bytes(data[at + 1 : at + 1 + size], "big")
        else:
            at += _FIXED[marker]
        if entries and data[at] == FLOAT64:
            floats = _float_array(data, at, entries)
            at += floats
            left += 0 if floats else entries
        elif entries:
            left += entries
    return counted


def _float_array(data: bytes, at: int, entries: int) -> int:
    """The bytes of ``entries`` floats that begin at ``at``; 0 where anything else is there."""
    end = at + FLOAT64_BYTES * entries
    if end > len(data):
        return 0
    markers = data[at:end:FLOAT64_BYTES]
    return end - at if markers == bytes((FLOAT64,)) * entries else 0
