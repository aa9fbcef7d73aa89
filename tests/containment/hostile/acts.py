"""What a message may name, and how an attempt is told: its errno's name, or ``done``."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable
from typing import Any

Act = Callable[..., Any]
ACTS: dict[str, Act] = {}

DONE = "done"
_libc = ctypes.CDLL(None, use_errno=True)


def act(function: Act) -> Act:
    """Let a message name this function; it takes the call's context and what the message gives."""
    ACTS[function.__name__] = function
    return function


def tried(what: Callable[[], object]) -> str:
    """``done``, the errno's name, or the exception that it ended with."""
    try:
        what()
    except OSError as error:
        # socket.gaierror has numbers of its own, below 0
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"
    return DONE


def call(number: int, *arguments: Any) -> int:
    """A system call by its number, past every library; integers go as longs. Raises OSError."""
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *given))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFREG: "file",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "pipe",
    stat.S_IFCHR: "device",
}


def descriptors() -> dict[str, str]:
    """Every open descriptor and the kind of what it is open for, without /proc."""
    found = {}
    for fd in range(1024):
        try:
            kind = stat.S_IFMT(os.fstat(fd).st_mode)
        except OSError:
            continue
        found[str(fd)] = KINDS.get(kind, "other")
    return found
