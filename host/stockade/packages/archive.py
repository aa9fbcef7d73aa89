"""Read a zip archive, which is a stranger's: a wheel or a bundle, in one strict form of the format.

An archive that two readers could read in two ways is refused (APPNOTE.TXT 6.3.10 is the format):
what the local headers say has to be what the central directory says, entries lie one after the
other from the first byte to the directory, and nothing stands before, between or after them. No
zip64, no comments, no encryption; stored or deflated. Bytes are counted while they are unpacked,
whatever a header says of them.
"""

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stockade.errors import UsageError
from stockade.packages.headers import (
    DEFLATED,
    DESCRIPTOR,
    FLAGS,
    STORED,
    Central,
    Member,
    broken,
    bytes_at,
    decoded,
    odd,
    read_directory,
    read_member,
    text_of,
)
from stockade.packages.naming import MAX_DEPTH, Siblings, check_name
from stockade_sdk.text import TextRefused, show
from stockade_sdk.units import MIB, format_size

__all__ = ["Archive", "Bounds", "Member", "open_archive"]

CHUNK = 256 * 1024

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "another kind of thing than its name says",
    stat.S_IFREG: "another kind of thing than its name says",
}


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much one archive may be: bytes of the file, entries, bytes unpacked in all and of one
    entry, and how many times larger an entry of more than a mebibyte may become.
    """

    archive_bytes: int = 64 * MIB
    entries: int = 4_000
    total_bytes: int = 80 * MIB  # a little more than a plugin may have: metadata comes on top
    member_bytes: int = 16 * MIB
    ratio: int = 200  # text shrinks to a tenth; deflate's utmost is 1,032 (zlib.net/zlib_tech.html)


class Archive:
    """An open archive whose every header was checked. Made by `open_archive`."""

    def __init__(self, descriptor: int, path: Path, members: tuple[Member, ...]) -> None:
        self._descriptor = descriptor
        self.path = path
        self.members = members
        self._by_name = {member.name: member for member in members}

    def find(self, name: str) -> Member | None:
        """The file of that name."""
        return self._by_name.get(name)

    def read(self, member: Member) -> bytes:
        """A file's bytes. Raises `UsageError` where they are not what the headers say."""
        return b"".join(self.chunks(member))

    def chunks(self, member: Member) -> Iterator[bytes]:
        """A file's bytes piece by piece; the last is given out before size and sum are known."""
        size = crc = 0
        for chunk in _unpacked(self._descriptor, member):
            size += len(chunk)
            if size > member.size:
                raise broken(member.name, "unpacks to more than it says")
            crc = zlib.crc32(chunk, crc)
            yield chunk
        if size != member.size or crc != member.crc:
            raise broken(member.name, "is damaged: its bytes are not those that it says")


@contextmanager
def open_archive(path: Path, bounds: Bounds = Bounds()) -> Iterator[Archive]:  # noqa: B008 - frozen
    """Open an archive and check all of its headers. Raises `UsageError` naming what is wrong."""
    try:
        # The operator's own path: links are theirs. O_NONBLOCK: a pipe must not be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot read {show(str(path), 500)}", why=error.strerror or "") from error
    try:
        yield Archive(descriptor, path, _members(descriptor, path, bounds))
    finally:
        os.close(descriptor)


def _members(descriptor: int, path: Path, bounds: Bounds) -> tuple[Member, ...]:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{show(str(path), 500)} is no file", remedy="give a wheel or a bundle")
    if found.st_size > bounds.archive_bytes:
        raise UsageError(
            f"{show(str(path), 500)} is larger than {format_size(bounds.archive_bytes)}",
            remedy="leave out what the plugin does not need",
        )
    try:
        start, entries = read_directory(descriptor, found.st_size, bounds.entries)
        if not entries:
            raise odd("there is nothing in it")
        _check_names(entries)
        _check_sizes(entries, bounds)
        placed = sorted(entries, key=lambda entry: entry.offset)
        if placed[0].offset != 0:
            raise odd("something stands before its first entry")
        ends = [*(entry.offset for entry in placed[1:]), start]
        members = [read_member(descriptor, *pair) for pair in zip(placed, ends, strict=True)]
    except UsageError as error:
        raise UsageError(
            f"{show(path.name, 300)} is no archive that can be used",
            why=error.what + (f" ({error.why})" if error.why else ""),
            remedy=error.remedy,
        ) from error
    return tuple(member for member in members if member is not None)


def _check_names(entries: list[Central]) -> None:
    """Every name by the rules, and no two for one place. Folders on the way count as named."""
    folders: dict[str, Siblings] = {"": Siblings()}
    files: set[str] = set()
    named: set[str] = set()
    for entry in entries:
        name = decoded(entry)
        path, is_folder = name.removesuffix("/"), name.endswith("/")
        if path in named:
            raise broken(name, "is there twice")
        named.add(path)
        parts = path.split("/")
        if len(parts) > MAX_DEPTH + 1:
            raise broken(name, f"is more than {MAX_DEPTH} folders deep")
        for depth, part in enumerate(parts):
            parent = "/".join(parts[:depth])
            if parent in files:
                raise broken(name, "lies below what is a file")
            siblings = folders.setdefault(parent, Siblings())
            try:
                check_name(part)
                siblings.add(part)
            except TextRefused as problem:
                raise broken(name, problem.message, problem.remedy) from None
        if not is_folder and path in folders:
            raise broken(name, "is a file and a folder")
        if is_folder:
            folders.setdefault(path, Siblings())
        else:
            files.add(path)


def _check_sizes(entries: list[Central], bounds: Bounds) -> None:
    total = 0
    for entry in entries:
        name = text_of(entry.raw)
        total += entry.size
        if entry.flags & ~FLAGS:
            raise broken(name, "is encrypted, or packed in a way that is not understood")
        if entry.method not in (STORED, DEFLATED):
            raise broken(name, "is neither stored nor deflated")
        if entry.size > bounds.member_bytes:
            raise broken(name, f"is larger than {format_size(bounds.member_bytes)}", "shrink it")
        if entry.size > MIB and entry.size > entry.packed * bounds.ratio:
            raise broken(name, f"unpacks to more than {bounds.ratio} times its size")
        if total > bounds.total_bytes:
            raise broken(
                name, f"brings the archive over {format_size(bounds.total_bytes)}", "remove files"
            )
        _check_kind(name, entry)


def _check_kind(name: str, entry: Central) -> None:
    kind = stat.S_IFMT(entry.mode)
    is_folder = name.endswith("/")
    if kind not in (0, stat.S_IFDIR if is_folder else stat.S_IFREG):
        what = _KINDS.get(kind, "no file")
        raise broken(name, f"is {what}", "an archive holds plain files and folders only")
    if is_folder and (entry.size or entry.packed or entry.crc or entry.flags & DESCRIPTOR):
        raise broken(name, "is a folder and has bytes")


def _unpacked(descriptor: int, member: Member) -> Iterator[bytes]:
    """What the entry's bytes unpack to; at most a chunk more than it says."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None
    at, end = member.data, member.data + member.packed
    try:
        while at < end:
            raw = bytes_at(descriptor, at, min(CHUNK, end - at))
            if not raw:
                raise broken(member.name, "was cut off while it was read")
            at += len(raw)
            if inflate is None:
                yield raw
                continue
            yield from _inflated(inflate, raw)
            if inflate.unused_data or (inflate.eof and at < end):
                raise broken(member.name, "has bytes behind its own")
    except zlib.error as error:
        raise broken(member.name, "is damaged: it cannot be unpacked") from error
    if inflate is not None and not inflate.eof:
        raise broken(member.name, "is damaged: it ends before its end")


def _inflated(inflate: "zlib._Decompress", raw: bytes) -> Iterator[bytes]:
    # zlib may have taken all of the input and still owe output: a chunk that is full says so.
    full = True
    while (raw or full) and not inflate.eof:
        chunk = inflate.decompress(raw, CHUNK)
        raw, full = inflate.unconsumed_tail, len(chunk) == CHUNK
        yield chunk
