"""Thin wrappers of the system calls that the standard library lacks; each raises OSError with its
errno.
"""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, argument: int = 0) -> int:
    """prctl(2) with one argument, the unused ones 0 as the kernel wants them."""
    result = int(
        _libc.prctl(
            ctypes.c_int(option),
            ctypes.c_ulong(argument),
            ctypes.c_ulong(0),
            ctypes.c_ulong(0),
            ctypes.c_ulong(0),
        )
    )
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL when the parent's thread ends; raises OSError where the parent is gone
    already.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died between our fork and the line above (prctl(2))
        raise ProcessLookupError(3, "the host is gone")


def no_new_privileges() -> None:
    """Give up gaining privileges by execve, for this process and all below it."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if prctl(PR_GET_NO_NEW_PRIVS) != 1:
        raise PermissionError(1, "no_new_privs did not hold")
