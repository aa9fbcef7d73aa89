"""Landlock: which paths, TCP ports and processes this thread and all it starts can reach.

A ruleset *handles* rights, which denies them everywhere, and then gives some back below some paths.
Which rights a kernel knows follows from its ABI version alone, so masks come from a table; asking
for one bit too many is EINVAL, and one too few is a hole. Sources:
``include/uapi/linux/landlock.h`` and ``Documentation/userspace-api/landlock.rst`` of Linux 6.18 (up
to ABI 7, tried on it), and for ABI 8 to 10 of Linux 7.0 to 7.2 (not tried).

Before ABI 8 a ruleset binds the calling thread and what it starts afterwards, no other thread: so
this comes before any thread exists. It is no wall for what has no right of its own: stat(2),
chmod(2), utime(2), and descriptors that are open already.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterable
from typing import NamedTuple

from stockade_worker.plan import EXECUTE, READ, WRITE, Path

from .numbers import for_machine
from .syscalls import syscall

# LANDLOCK_ACCESS_FS_*
FS_EXECUTE, FS_WRITE_FILE, FS_READ_FILE, FS_READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
FS_REMOVE_DIR, FS_REMOVE_FILE, FS_MAKE_CHAR, FS_MAKE_DIR = 1 << 4, 1 << 5, 1 << 6, 1 << 7
FS_MAKE_REG, FS_MAKE_SOCK, FS_MAKE_FIFO, FS_MAKE_BLOCK = 1 << 8, 1 << 9, 1 << 10, 1 << 11
FS_MAKE_SYM, FS_REFER, FS_TRUNCATE, FS_IOCTL_DEV = 1 << 12, 1 << 13, 1 << 14, 1 << 15
FS_RESOLVE_UNIX = 1 << 16
# LANDLOCK_ACCESS_NET_*
NET_BIND_TCP, NET_CONNECT_TCP, NET_BIND_UDP, NET_CONNECT_SEND_UDP = 1 << 0, 1 << 1, 1 << 2, 1 << 3
# LANDLOCK_SCOPE_*
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1 << 0, 1 << 1

# The rights that a rule on anything but a folder may carry, else EINVAL: ACCESS_FILE in
# security/landlock/fs.c.
ON_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV | FS_RESOLVE_UNIX

# What an access of the plan gives. Nobody gets: MAKE_CHAR and MAKE_BLOCK (devices), MAKE_SOCK,
# MAKE_FIFO and MAKE_SYM (the host, reading there later, would wait or be led elsewhere), IOCTL_DEV,
# RESOLVE_UNIX (speaking to whoever listens there).
READS = FS_READ_FILE | FS_READ_DIR
WRITES = (
    FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_MAKE_DIR
    | FS_REMOVE_FILE | FS_REMOVE_DIR | FS_REFER
)  # fmt: skip
GIVES = {READ: READS, WRITE: READS | WRITES, EXECUTE: READS | FS_EXECUTE}

CREATE_RULESET_VERSION = 1 << 0
RULE_PATH_BENEATH, RULE_NET_PORT = 1, 2


class Masks(NamedTuple):
    """All the rights and scopes of one ABI version."""

    fs: int
    net: int
    scopes: int


def _masks() -> dict[int, Masks]:
    """The table: what each version knows is what the one before knew, and this."""
    news = {
        1: Masks((1 << 13) - 1, 0, 0),  # Linux 5.13: EXECUTE to MAKE_SYM
        2: Masks(FS_REFER, 0, 0),  # 5.19
        3: Masks(FS_TRUNCATE, 0, 0),  # 6.2
        4: Masks(0, NET_BIND_TCP | NET_CONNECT_TCP, 0),  # 6.7
        5: Masks(FS_IOCTL_DEV, 0, 0),  # 6.10
        6: Masks(0, 0, SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL),  # 6.12
        7: Masks(0, 0, 0),  # 6.15: flags of the audit log
        8: Masks(0, 0, 0),  # 7.0: LANDLOCK_RESTRICT_SELF_TSYNC; there is one thread yet
        9: Masks(FS_RESOLVE_UNIX, 0, 0),  # 7.1
        10: Masks(0, NET_BIND_UDP | NET_CONNECT_SEND_UDP, 0),  # 7.2, and quiet rules for the log
    }
    table, known = {}, Masks(0, 0, 0)
    for version, new in news.items():
        known = Masks(*(old | more for old, more in zip(known, new, strict=True)))
        table[version] = known
    return table


MASKS = _masks()
NEWEST_KNOWN = max(MASKS)


def kernel_abi() -> int:
    """The ABI version of this kernel; raises OSError: ENOSYS or EOPNOTSUPP where it has no Landlock
    or it is switched off. One above NEWEST_KNOWN may have rights that are not denied here.
    """
    create = for_machine(os.uname().machine).numbers["landlock_create_ruleset"]
    return syscall(create, None, 0, CREATE_RULESET_VERSION)


def usable(abi: int) -> int:
    """The version whose masks are used on a kernel with version ``abi``. Raises OSError below 1."""
    if abi < 1:
        raise OSError(errno.EOPNOTSUPP, f"Landlock ABI {abi}")
    return min(abi, NEWEST_KNOWN)


def rights(access: str, *, folder: bool, abi: int) -> int:
    """What a rule gives for a path of the plan; raises ValueError on an access nobody knows."""
    if access not in GIVES:
        raise ValueError(f"{access!r} is no access: {', '.join(GIVES)} are")
    return GIVES[access] & MASKS[abi].fs & (-1 if folder else ON_FILES)


def restrict(
    paths: Iterable[Path],
    *,
    tunnel_ports: tuple[int, ...] = (),
    handle_net: bool,
    abi: int | None = None,
) -> int:
    """Confine this thread, and all it starts from now on, to ``paths``; returns the ABI used.

    With ``handle_net`` TCP (from ABI 4) and UDP (from 10) are denied but for TCP on
    ``tunnel_ports``, of any address. ``abi``: act as on a kernel of that version instead of asking.

    Needs no_new_privs. Raises OSError at the first step that fails, with the path where it is one's
    fault: a path that is not there, or is a symbolic link (ELOOP), is an error; a folder held open
    is ``/proc/self/fd/N/.``, where the link is not the last name. No thread may exist yet.
    """
    version = usable(kernel_abi() if abi is None else abi)
    numbers = for_machine(os.uname().machine).numbers
    masks = MASKS[version]
    # struct landlock_ruleset_attr; what the kernel knows of it less than this is 0, which it takes.
    handled = struct.pack("QQQ", masks.fs, masks.net if handle_net else 0, masks.scopes)
    ruleset = syscall(numbers["landlock_create_ruleset"], handled, len(handled), 0)
    try:
        add = numbers["landlock_add_rule"]
        for path in paths:
            _allow_path(add, ruleset, path, version)
        for port in tunnel_ports if masks.net and handle_net else ():
            rule = struct.pack("QQ", NET_BIND_TCP | NET_CONNECT_TCP, port)
            syscall(add, ruleset, RULE_NET_PORT, rule, 0)
        syscall(numbers["landlock_restrict_self"], ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _allow_path(add: int, ruleset: int, path: Path, abi: int) -> None:
    try:
        fd = os.open(path.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISLNK(mode):  # O_PATH opens the link itself, and a rule would be for that
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            allowed = rights(path.access, folder=stat.S_ISDIR(mode), abi=abi)
            rule = struct.pack("=Qi", allowed, fd)  # struct landlock_path_beneath_attr, packed
            syscall(add, ruleset, RULE_PATH_BENEATH, rule, 0)
        finally:
            os.close(fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path.path) from error
