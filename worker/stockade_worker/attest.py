"""Trying what is forbidden, and its permitted twin, before any code of the plugin is there.

Landlock is not to be seen from outside, and a filter shows its number only: what they do has to be
tried. The answers (0: it went, else the errno) go to the host, which has computed the same from the
plan and ends the worker where they differ. A twin that fails would mean that a refusal proves
nothing.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import signal
import socket
from collections.abc import Callable

from .confine import numbers, syscalls
from .plan import NONE, Plan

CLONE_NEWUSER = 0x10000000
PTRACE_TRACEME = 0


def attest(plan: Plan) -> dict[str, int]:
    """Every act with its errno, 0 where it went; none where no wall was planned, since some of
    them would do harm.
    """
    if plan.tier == NONE:
        return {}
    acts: dict[str, Callable[[], object]] = {
        "read_outside": lambda: _opened("/proc/1/status", os.O_RDONLY),
        "read_packages": lambda: _opened(f"{plan.base}/stockade_worker/plan.py", os.O_RDONLY),
        "write_packages": lambda: _opened(f"{plan.base}/attest", os.O_WRONLY | os.O_CREAT),
        "write_scratch": lambda: _written(f"{plan.scratch}/attest"),
        "list_root": lambda: os.listdir("/"),
        "list_packages": lambda: os.listdir(plan.base),
        "change_mode": lambda: os.chmod(plan.scratch, 0o700),
        "internet_socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "netlink_socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
        "unix_socket": lambda: socket.socket(socket.AF_UNIX).close(),
        "socket_pair": _socket_pair,
        "fork": _fork,
        "thread": _start_thread,
        "execute": lambda: os.execv("/nonexistent", ["nonexistent"]),  # noqa: S606
        "new_namespace": lambda: syscalls.unshare(CLONE_NEWUSER),
        "mount": lambda: syscalls.mount("none", plan.scratch, "tmpfs", 0),
        "trace": lambda: _call("ptrace", PTRACE_TRACEME, 0, 0, 0),
        "load_program": lambda: _call("bpf", 0, 0, 0),
        "ring": lambda: _call("io_uring_setup", 0, 0),
        "read_keyring": lambda: _call("keyctl", 0, 0, 0, 0, 0),
    }
    return {name: _tried(act) for name, act in acts.items()}


def _tried(act: Callable[[], object]) -> int:
    try:
        act()
    except OSError as error:
        return error.errno or -1
    except RuntimeError:  # "can't start new thread"
        return -1
    return 0


def _opened(path: str, flags: int) -> None:
    os.close(os.open(path, flags | os.O_CLOEXEC, 0o600))


def _written(path: str) -> None:
    _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.unlink(path)


def _socket_pair() -> None:
    for end in socket.socketpair():
        end.close()


def _fork() -> None:
    """fork(2) by its number: Python's own would run hooks and warn of threads."""
    pid = _call("clone", signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _start_thread() -> None:
    """Started and not waited for: that it can be started is the answer."""
    _thread.start_new_thread(_nothing, ())


def _nothing() -> None:
    """What that thread does."""


def _call(name: str, *arguments: int) -> int:
    return syscalls.syscall(
        numbers.for_machine(os.uname().machine).numbers[name],
        *(ctypes.c_long(one) for one in arguments),
    )
