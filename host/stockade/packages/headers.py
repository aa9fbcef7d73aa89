"""The headers of a zip archive, each compared with what the others say (APPNOTE.TXT 6.3.10).

What is odd is a `UsageError` whose first words are the reason; `packages.archive` names the file.
"""

import os
import stat
import struct
from typing import Final, NamedTuple

import msgspec

from stockade.errors import UsageError
from stockade_sdk.text import show

__all__ = [
    "DEFLATED",
    "DESCRIPTOR",
    "FLAGS",
    "STORED",
    "Central",
    "Member",
    "broken",
    "bytes_at",
    "decoded",
    "odd",
    "read_directory",
    "read_member",
    "text_of",
]

STORED, DEFLATED = 0, 8

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCAL_SIGN, _CENTRAL_SIGN, _END_SIGN = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_DESCRIPTOR_SIGN = b"PK\x07\x08"
# How hard it was compressed, a descriptor behind it, names in UTF-8: the others change the meaning.
_UTF8, DESCRIPTOR = 1 << 11, 1 << 3
FLAGS: Final = _UTF8 | DESCRIPTOR | 0b110
# Zip64 sizes, AES, another name in Unicode: each would say again, and otherwise, what a header says
_EXTRAS_REFUSED = frozenset({0x0001, 0x9901, 0x7075})
_UNIX = 3  # "version made by": the upper half of the attributes is then a mode
_DOS_FOLDER = 0x10
_AGAIN = "get the file again, or ask its author for one that was built with `stockade pack`"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an archive; `name` is its path with `/`, `data` where its bytes are."""

    name: str
    executable: bool
    size: int
    packed: int
    crc: int
    method: int
    data: int


class Central(NamedTuple):
    """One entry of the central directory, as it says."""

    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    offset: int


def read_directory(descriptor: int, size: int, most: int) -> tuple[int, list[Central]]:
    """Where the central directory begins, and its entries, `most` at most, of a file of this size.

    Raises `UsageError`.
    """
    tail = bytes_at(descriptor, max(size - _END.size, 0), min(size, _END.size))
    if len(tail) < _END.size or not tail.startswith(_END_SIGN):
        raise odd("it does not end as a zip archive without a comment does")
    _, disk, first, here, count, length, start, comment = _END.unpack(tail)
    if disk or first or here != count or comment or start + length + _END.size != size:
        raise odd("its end says something else than the rest of it, or it is a zip64 archive")
    if count > most:
        raise odd(f"it has {count} entries, and at most {most} are taken")
    raw = bytes_at(descriptor, start, length)
    entries, at = [], 0
    while at < len(raw):
        entry, at = _central(raw, at)
        entries.append(entry)
        if len(entries) > count:
            break
    if len(entries) != count:
        raise odd("its directory does not have as many entries as it says")
    return start, entries


def _central(raw: bytes, at: int) -> tuple[Central, int]:
    if len(raw) - at < _CENTRAL.size:
        raise odd("its directory is cut off")
    sign, made, _, flags, method, _, _, crc, packed, size, *rest = _CENTRAL.unpack_from(raw, at)
    name_length, extra_length, comment, disk, _, attributes, offset = rest
    end = at + _CENTRAL.size + name_length + extra_length
    if sign != _CENTRAL_SIGN or comment or disk or end > len(raw):
        raise odd("its directory is damaged, or has comments")
    name_end = at + _CENTRAL.size + name_length
    name = raw[at + _CENTRAL.size : name_end]
    _check_extra(name, raw[name_end:end])
    mode = attributes >> 16
    if made >> 8 != _UNIX and not mode and attributes & _DOS_FOLDER:
        mode = stat.S_IFDIR
    return Central(name, flags, method, crc, packed, size, mode, offset), end


def _check_extra(name: bytes, extra: bytes) -> None:
    at = 0
    while at < len(extra):
        if len(extra) - at < 4:
            raise broken(text_of(name), "has an extra field that is cut off")
        kind, length = struct.unpack_from("<HH", extra, at)
        at += 4 + length
        if kind in _EXTRAS_REFUSED or at > len(extra):
            raise broken(text_of(name), "has an extra field that says again what its header says")


def decoded(entry: Central) -> str:
    """The entry's name. Raises `UsageError` where it is in no encoding that is certain."""
    try:
        return entry.raw.decode("utf-8" if entry.flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise broken(text_of(entry.raw), "is no name in UTF-8", "rename it") from None


def read_member(descriptor: int, entry: Central, end: int) -> Member | None:
    """The entry as a file, its local header compared; None for a folder. `end` is where the next
    one begins.
    """
    name = text_of(entry.raw)
    raw = bytes_at(descriptor, entry.offset, _LOCAL.size)
    if len(raw) < _LOCAL.size or not raw.startswith(_LOCAL_SIGN):
        raise broken(name, "is not where the directory says")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
    after = bytes_at(descriptor, entry.offset + _LOCAL.size, name_length + extra_length)
    _check_extra(entry.raw, after[name_length:])
    said, known = (crc, packed, size), (entry.crc, entry.packed, entry.size)
    deferred = bool(flags & DESCRIPTOR)
    same = said == known or (deferred and not any(said))
    if (after[:name_length], flags, method) != (entry.raw, entry.flags, entry.method) or not same:
        raise broken(name, "says one thing in its own header and another in the directory")
    data = entry.offset + _LOCAL.size + name_length + extra_length
    behind = bytes_at(descriptor, data + entry.packed, max(end - data - entry.packed, -1))
    if not _is_behind(behind, known, deferred=deferred, length=end - data - entry.packed):
        raise broken(name, "overlaps what follows it, or is not followed by it")
    if name.endswith("/"):
        return None
    return Member(
        name=decoded(entry),
        executable=bool(entry.mode & stat.S_IXUSR),
        size=entry.size,
        packed=entry.packed,
        crc=entry.crc,
        method=entry.method,
        data=data,
    )


def _is_behind(raw: bytes, known: tuple[int, int, int], *, deferred: bool, length: int) -> bool:
    """Whether nothing but the entry's descriptor, where it has one, stands up to the next."""
    if not deferred:
        return length == 0
    descriptor = struct.pack("<3L", *known)
    return length == len(raw) and raw in (descriptor, _DESCRIPTOR_SIGN + descriptor)


def bytes_at(descriptor: int, at: int, length: int) -> bytes:
    """That many bytes from there, fewer at the end of the file."""
    if length <= 0:
        return b""
    try:
        return os.pread(descriptor, length, at)
    except OSError as error:
        raise UsageError("it cannot be read", why=error.strerror or "") from error


def text_of(raw: bytes) -> str:
    """A name for a message, whatever its bytes are."""
    return raw.decode(errors="replace")


def odd(why: str) -> UsageError:
    """What is wrong with an archive as a whole."""
    return UsageError(why, remedy=_AGAIN)


def broken(name: str, message: str, remedy: str = _AGAIN) -> UsageError:
    """What is wrong with one entry."""
    return UsageError(f"{show(name, 300)} {message}", remedy=remedy)
