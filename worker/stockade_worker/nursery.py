"""The process that workers are forked from: all of ours imported, nothing of anybody else's.

    host ──▶ "fork", with descriptors ──▶ nursery ──▶ child: reads its plan, seals itself, serves
    host ◀── its number and a pidfd, later its exit status ◀── nursery

A fork costs 3 ms where a start costs 60, and shares 15 MiB. Each plan goes to its child on a pipe
of its own and never through here, so that no child inherits what another was told. One thread, no
zmq context, no secret. A cold start is the same program that is asked once.

It is the parent of every worker: it ends with the host, they end with it, and it kills the process
group of a worker that has ended while the number cannot be anybody else's yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import platform
import select
import signal
import socket
import struct
from collections.abc import Mapping
from importlib import import_module
from typing import NoReturn

from stockade_sdk.provider import Method

from . import loop  # noqa: F401  # forked with everything that a worker needs
from .confine import Birth, follow, namespaces, packages, seccomp, syscalls
from .invoke import decoder
from .main import leave, work
from .plan import (
    ENDED,
    EXIT_BEGIN,
    FAILED,
    FORK_REPLY,
    FORK_REQUEST,
    FORKED,
    LISTEN_FD,
    PLAN_FD,
    TUNNEL_FD,
    WITH_NAMESPACES,
)

REQUEST, REPLY = struct.Struct(FORK_REQUEST), struct.Struct(FORK_REPLY)
# What plugins commonly import: loaded once here, and shared, instead of once in each worker.
COMMON = ("base64", "datetime", "hashlib", "urllib.parse", "uuid")
MAX_FDS = 5
HIGH_FD = 100  # from here on the nursery's own descriptors, out of the way of a child's
ORPHAN_POLL_MS = 50  # without PID namespaces: how long a process may live that left its worker


def main(control_fd: int, host: int) -> NoReturn:
    """Serve the host at the other end of ``control_fd``, which must be our parent ``host``."""
    syscalls.die_with_parent()
    if os.getppid() != host:
        os._exit(EXIT_BEGIN)
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    if len(os.listdir("/proc/self/task")) != 1:
        leave(EXIT_BEGIN, "the nursery has more than one thread: a fork of it would not be whole")
    warm()
    control = socket.socket(fileno=raised(control_fd))
    nursery = Nursery(control, packages.places(__file__.rsplit("/", 2)[0]))
    gc.collect()
    gc.freeze()  # what is loaded is shared with every child, and never looked at again
    nursery.run()


class Nursery:
    """One host's nursery; ``run`` serves until the host goes."""

    def __init__(self, control: socket.socket, places: packages.Places) -> None:
        self._control = control
        self._birth = Birth(raised(os.pidfd_open(os.getpid())), os.getuid(), os.getgid(), places)
        self._children: dict[int, tuple[int, int, bool]] = {}  # pidfd: number, pid, namespaced
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def run(self) -> NoReturn:
        """Never returns: ends the process when the host has gone, and its children with it."""
        while True:
            open_to_orphans = any(not namespaced for _, _, namespaced in self._children.values())
            for fd, _ in self._poll.poll(ORPHAN_POLL_MS if open_to_orphans else None):
                if fd in self._children:
                    self._bury(fd)
                else:
                    self._serve()
            if open_to_orphans:
                self._kill_orphans()

    def _serve(self) -> None:
        data, fds, flags, _ = socket.recv_fds(self._control, REQUEST.size, MAX_FDS)
        if not data:
            os._exit(0)
        if flags & socket.MSG_CTRUNC or len(data) != REQUEST.size:
            os._exit(EXIT_BEGIN)
        number, wanted = REQUEST.unpack(data)
        walls = namespaces.wanted(self._birth.uid) if wanted & WITH_NAMESPACES else 0
        try:
            pid, pidfd = syscalls.fork_into(walls)
        except OSError as error:
            self._close(fds)
            self._reply(number, FAILED, error.errno or 0)
            return
        if pid == 0:
            self._become(fds)
        self._close(fds)
        self._children[pidfd] = (number, pid, bool(walls))
        self._poll.register(pidfd, select.POLLIN)
        self._reply(number, FORKED, pid, pidfd)

    def _become(self, fds: list[int]) -> NoReturn:
        """In the child: take the descriptors, let go of the nursery's, and be a worker."""
        try:
            follow(self._birth)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            plan, listen, out, err, *tunnel = fds
            places = {1: out, 2: err, LISTEN_FD: listen, PLAN_FD: plan}
            if tunnel:
                places[TUNNEL_FD] = tunnel[0]
            take_places(places)
        except BaseException as error:  # noqa: BLE001  # whatever it is, nothing goes on after it
            leave(EXIT_BEGIN, f"the worker could not begin: {error}")
        work(self._birth)

    def _bury(self, pidfd: int) -> None:
        number, pid, namespaced = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        # Not reaped yet: its number, and that of its group, are still its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not namespaced:
            self._kill_orphans()
        self._reply(number, ENDED, status)

    def _kill_orphans(self) -> None:
        """End what left its worker and came to us (PR_SET_CHILD_SUBREAPER): there is no daemon."""
        known = {pid for _, pid, _ in self._children.values()}
        for pid in own_children():
            if pid not in known:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)  # our own child and not reaped
                    os.waitpid(pid, os.WNOHANG)  # or the next time

    def _reply(self, number: int, what: int, value: int, fd: int | None = None) -> None:
        data = REPLY.pack(number, what, value)
        try:
            socket.send_fds(self._control, [data], [] if fd is None else [fd])
        except OSError:  # the host is gone, and so are we
            os._exit(0)

    @staticmethod
    def _close(fds: list[int]) -> None:
        for fd in fds:
            os.close(fd)


def warm() -> None:
    """Make what every worker would make for itself otherwise."""
    for name in COMMON:
        import_module(name)
    for method in Method:
        decoder(method)
    asyncio.SelectorEventLoop().close()
    machine = platform.machine()
    seccomp.base_program(machine, subprocess=False, tunnel=False, own_pid=None)
    seccomp.lockdown_program(machine, tunnel=False)


def own_children() -> list[int]:
    """Our children's numbers (proc_pid_task_children(5)); none where the kernel lists none."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []


def raised(fd: int) -> int:
    """The same descriptor under a high number."""
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH_FD)
    os.close(fd)
    return high


def take_places(places: Mapping[int, int]) -> None:
    """Put descriptors at the numbers where a worker looks for them."""
    high = {place: raised(fd) for place, fd in places.items()}
    for place, fd in high.items():
        os.dup2(fd, place, inheritable=place <= 2)
        os.close(fd)
