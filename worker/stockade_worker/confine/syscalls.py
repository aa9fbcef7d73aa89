"""Thin wrappers of the system calls that the standard library lacks; each raises OSError with its
errno and does nothing else.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
PR_GET_TID_ADDRESS = 40
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8  # mount(2)
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
MOUNT_ATTR_IDMAP = 0x100000  # mount_setattr(2)
AT_FDCWD = -100
AT_EMPTY_PATH, AT_RECURSIVE = 0x1000, 0x8000
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, 0o2000000
MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH = 4, 0x40
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 2, 4  # openat2(2)

# The same numbers on x86-64 and aarch64: they came after the tables were joined.
_CALLS = {
    "open_tree": 428,
    "move_mount": 429,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
}
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CAPSET = {"x86_64": 126, "aarch64": 91}

# PyDLL: these are called with the interpreter's lock held, so that a fork between the call and its
# answer cannot happen. None of them waits.
_libc = ctypes.PyDLL(None, use_errno=True)
_LONG, _VOID = ctypes.c_long, ctypes.c_void_p


def failed() -> OSError:
    """The error of the call that was made last."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def syscall(number: int, *arguments: Any) -> int:
    """syscall(2); integers go as longs, bytes as pointers. Raises OSError."""
    given = [_LONG(one) if isinstance(one, int) else one for one in arguments]
    result = int(_libc.syscall(_LONG(number), *given))
    if result < 0:
        raise failed()
    return result


def number_of(numbers: dict[str, int]) -> int:
    """This machine's number of a call; raises OSError(ENOSYS) where there is none."""
    try:
        return numbers[os.uname().machine]
    except KeyError:
        raise OSError(38, f"no system call numbers for {os.uname().machine}") from None


def prctl(option: int, argument: int = 0, third: int = 0) -> int:
    """prctl(2), the unused arguments 0 as the kernel wants them."""
    unsigned = ctypes.c_ulong
    result = _libc.prctl(
        ctypes.c_int(option), unsigned(argument), unsigned(third), unsigned(0), unsigned(0)
    )
    if result < 0:
        raise failed()
    return int(result)


def die_with_parent() -> None:
    """Ask for SIGKILL when the parent's thread ends. Whether it has ended before is to be looked
    at afterwards (prctl(2)).
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def no_new_privileges() -> None:
    """Give up gaining privileges by execve, for this process and all below it."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if prctl(PR_GET_NO_NEW_PRIVS) != 1:
        raise PermissionError(1, "no_new_privs did not hold")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    given = ctypes.c_ulong(flags)
    words = options.encode() if options else None
    if _libc.mount(source.encode(), target.encode(), kind.encode(), given, words) < 0:
        raise failed()


def unmount(target: str, flags: int) -> None:
    """umount2(2)."""
    if _libc.umount2(target.encode(), ctypes.c_int(flags)) < 0:
        raise failed()


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2)."""
    syscall(number_of(_PIVOT_ROOT), new.encode(), old.encode())


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_without_links(path: str, flags: int) -> int:
    """openat2(2) that follows no symbolic link in any part of the path."""
    how = _OpenHow(flags, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
    size = ctypes.sizeof(how)
    return syscall(_CALLS["openat2"], AT_FDCWD, path.encode(), ctypes.byref(how), size)


def open_tree(fd: int) -> int:
    """A detached copy of what is mounted at ``fd`` and below (open_tree(2))."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE
    return syscall(_CALLS["open_tree"], fd, b"", flags)


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    )


def mount_setattr(fd: int, path: str, attributes: int, *, flags: int = 0, userns: int = 0) -> None:
    """mount_setattr(2): set attributes and private propagation."""
    wanted = _MountAttr(attributes, 0, MS_PRIVATE, userns)
    size = ctypes.sizeof(wanted)
    syscall(_CALLS["mount_setattr"], fd, path.encode(), flags, ctypes.byref(wanted), size)


def move_mount(tree: int, target: int) -> None:
    """Attach a detached tree at an open place (move_mount(2))."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    syscall(_CALLS["move_mount"], tree, b"", target, b"", flags)


def unshare(flags: int) -> None:
    """unshare(2)."""
    if _libc.unshare(ctypes.c_int(flags)) < 0:
        raise failed()


def close_from(first: int) -> None:
    """Close every descriptor from ``first`` on (close_range(2))."""
    syscall(_CALLS["close_range"], first, 0xFFFF_FFFF, 0)


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_capabilities() -> None:
    """All capability sets of this thread but the bounding one to nothing (capset(2))."""
    header = _CapHeader(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3
    nothing = (ctypes.c_uint32 * 6)()
    syscall(number_of(_CAPSET), ctypes.byref(header), ctypes.byref(nothing))


def drop_bounding_set() -> None:
    """No capability can be gained any more by executing a file; needs CAP_SETPCAP where there is
    something to drop (capabilities(7)).
    """
    for capability in range(64):
        try:
            present = prctl(PR_CAPBSET_READ, capability)
        except OSError as error:
            if capability and error.errno == errno.EINVAL:  # the kernel knows no more of them
                return
            raise
        if present:
            prctl(PR_CAPBSET_DROP, capability)


_CLONE_PIDFD, _CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 0x1000, 0x200000, 0x1000000


def fork_into(namespaces: int) -> tuple[int, int]:
    """fork(2) into new namespaces, with a descriptor of the child; (0, -1) in the child.

    clone(2) itself, since unshare(2) cannot make a PID namespace for more than the first child of
    an unprivileged parent. What libc's fork does besides has to be done here: the thread's id in
    libc's memory is set by the kernel (at the address that libc told it at its start, and that is
    compared first), Python's part is Python's own functions. Only for a process with one thread.
    """
    address = ctypes.c_ulong()
    if _libc.prctl(PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0) < 0:
        raise failed()
    if ctypes.c_int.from_address(address.value).value != os.getpid():
        raise OSError(95, "libc keeps its thread id elsewhere")
    number = number_of(_CLONE)
    flags = namespaces | signal.SIGCHLD
    flags |= _CLONE_PIDFD | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
    pidfd = ctypes.c_int(-1)
    tid, none = ctypes.c_ulong(address.value), ctypes.c_ulong(0)
    last = (tid, none) if os.uname().machine == "x86_64" else (none, tid)
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = int(_libc.syscall(_LONG(number), ctypes.c_ulong(flags), none, ctypes.byref(pidfd), *last))
    error = ctypes.get_errno()
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0, -1
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, os.strerror(error))
    return pid, pidfd.value
