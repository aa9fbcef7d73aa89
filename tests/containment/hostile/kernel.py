"""Attempts on the kernel's interfaces that are neither file, network nor process."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from .acts import act, call, tried

CLONE_NEWUSER = 0x10000000


@act
def unshare(ctx: Any, flags: int) -> str:
    """New namespaces for this process."""
    libc = ctypes.CDLL(None, use_errno=True)

    def go() -> None:
        if libc.unshare(ctypes.c_int(flags)) < 0:
            raise OSError(ctypes.get_errno(), "unshare")

    return tried(go)


@act
def clone(ctx: Any, number: int, flags: int) -> str:
    """A child in new namespaces; it ends at once where there is one."""

    def go() -> None:
        pid = call(number, flags | 17, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    return tried(go)


@act
def clone3(ctx: Any, number: int, flags: int) -> str:
    """The same by clone3(2), whose flags are in memory."""
    arguments = (ctypes.c_uint64 * 11)(flags, 0, 0, 0, 17)

    def go() -> None:
        pid = call(number, ctypes.byref(arguments), ctypes.sizeof(arguments))
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    return tried(go)


@act
def enter(ctx: Any, number: int) -> dict[str, str]:
    """setns(2) with every descriptor that is open, and with what /proc has."""
    seen = {str(fd): tried(lambda: call(number, fd, 0)) for fd in range(16)}  # noqa: B023
    seen["/proc/1/ns/user"] = tried(lambda: os.open("/proc/1/ns/user", os.O_RDONLY))
    return seen


@act
def mount(ctx: Any, target: str) -> str:
    """A file system of its own."""
    libc = ctypes.CDLL(None, use_errno=True)

    def go() -> None:
        if libc.mount(b"none", target.encode(), b"tmpfs", ctypes.c_ulong(0), None) < 0:
            raise OSError(ctypes.get_errno(), "mount")

    return tried(go)


@act
def read_keys(ctx: Any, number: int, ring: int) -> str:
    """keyctl(KEYCTL_GET_KEYRING_ID), the first step of reading a key."""
    return tried(lambda: call(number, 0, ring, 0, 0, 0))
