"""Namespaces: which a worker gets, whose ids it has in its own, its name, and its loopback."""

from __future__ import annotations

import fcntl
import os
import socket
import struct

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000  # clone(2)
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x08000000, 0x10000000, 0x20000000
CLONE_NEWNET = 0x40000000

WALLS = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET

HOSTNAME = "stockade"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # netdevice(7)


def wanted(uid: int) -> int:
    """The namespaces of a child of a process with this id.

    Root makes no user namespace: its worker would be user 0 for the kernel in there, which owns
    files such as /proc/sys/kernel/core_pattern, whatever its capabilities are.
    """
    return WALLS if uid == 0 else WALLS | CLONE_NEWUSER


def map_ids(uid: int, gid: int) -> None:
    """In a new user namespace: be who one was before, and nobody else (user_namespaces(7))."""
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def _write(path: str, text: str) -> None:
    # os.write and not a file object, which would write at its end and lose the error
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def rename_host() -> None:
    """Another name than the machine's, which is nobody's business inside."""
    socket.sethostname(HOSTNAME)


def raise_loopback() -> None:
    """Bring up ``lo``, which is down in a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack_from("16sH", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
