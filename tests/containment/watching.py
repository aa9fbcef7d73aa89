"""The kernel's word on files: whether anybody opened one since it was watched (inotify(7))."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IN_ACCESS, IN_MODIFY, IN_ATTRIB, IN_OPEN = 0x1, 0x2, 0x4, 0x20
EVENT = struct.Struct("iIII")


class Watch:
    """What happened to a file or in a folder."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def happened(self) -> list[tuple[int, str]]:
        """(what, name in the folder) since the last look, in order."""
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return []
        found, at = [], 0
        while at < len(data):
            _, mask, _, length = EVENT.unpack_from(data, at)
            at += EVENT.size + length
            found.append((mask, data[at - length : at].rstrip(b"\0").decode()))
        return found

    def touched(self) -> bool:
        """Whether it was opened, read, written or changed since the last look."""
        return bool(self.happened())


@contextmanager
def watching(path: Path, *, what: int = IN_OPEN | IN_ACCESS | IN_MODIFY) -> Iterator[Watch]:
    """Watch a file, or all files right in a folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if libc.inotify_add_watch(fd, os.fsencode(path), what) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(path))
        yield Watch(fd)
    finally:
        os.close(fd)
