"""Where the control socket is, and who may be at its two ends. What both ends have in common."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LOCK", "SOCKET", "folder_of", "may_speak", "peer_at", "short_name"]

SOCKET: Final = "control.sock"
LOCK: Final = "control.lock"
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
ROOT: Final = 0


def may_speak(peer_uid: int, own_uid: int) -> bool:
    """Whether one user's process may speak to the other's: the same user, or root."""
    return peer_uid in (own_uid, ROOT)


def peer_at(fd: int) -> tuple[int, int]:
    """Process and user at the other end of a connected UNIX socket, as the kernel has them: of a
    client who connected, of a listener who listened. `fd` stays open. Raises OSError.
    """
    with socket.socket(fileno=os.dup(fd)) as copy:
        raw = copy.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return pid, uid


@contextmanager
def folder_of(path: Path) -> Iterator[int]:
    """The folder's descriptor, for the block. Raises OSError: it is not there, or no folder."""
    fd = os.open(path, _OPEN_FOLDER)
    try:
        yield fd
    finally:
        os.close(fd)


def short_name(folder: int, name: str) -> str:
    """A name within an open folder that fits into a socket's address, which holds 107 bytes
    (unix(7)) while a home may lie deeper.
    """
    return f"/proc/self/fd/{folder}/{name}"
