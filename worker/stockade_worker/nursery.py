"""The process that workers are forked from: all of ours imported, nothing of anybody else's.

    host ──▶ "fork", with descriptors ──▶ nursery ──▶ child: reads its plan, seals itself, serves
    host ◀── its number and a pidfd, later its exit status ◀── nursery

A fork costs 3 ms where a start costs 60, and shares 15 MiB. One into namespaces is made in
advance, while nobody asks: a blank child that waits for its descriptors. Each plan goes to its
child on a pipe of its own and never through here, so that no child inherits what another was told.
One thread, no zmq context, no secret. A cold start is the same program that is asked once.

It is the parent of every worker: it ends with the host, they end with it, and it kills the process
group of a worker that has ended while the number cannot be anybody else's yet.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import select
import signal
import socket
import struct
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

from stockade_sdk.provider import Method

from . import loop  # forked with everything that a worker needs
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
COMMON = (
    "base64",
    "datetime",
    "hashlib",
    "urllib.parse",
    "uuid",
    "stockade_sdk.vendor.openai",  # OpenAI's wire is most vendors'
    "stockade_sdk.vendor.openai_media",
)
MAX_FDS = 5
HIGH_FD = 100  # from here on the nursery's own descriptors, out of the way of a child's
SPARE_MS = 50  # nobody asked for so long: time to fork in advance
ORPHAN_POLL_MS = 50  # without PID namespaces: how long a process may live that left its worker


def main(control_fd: int, host: int, *, keep: bool) -> NoReturn:
    """Serve the host at the other end of ``control_fd``, which must be our parent ``host``; more
    than once where it means to ``keep`` us.
    """
    watched = os.pidfd_open(host)
    if os.getppid() != host:  # gone before it could be watched
        os._exit(EXIT_BEGIN)
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    if len(os.listdir("/proc/self/task")) != 1:
        leave(EXIT_BEGIN, "the nursery has more than one thread: a fork of it would not be whole")
    warm(COMMON if keep else ())
    control = socket.socket(fileno=raised(control_fd))
    places = packages.places(__file__.rsplit("/", 2)[0])
    nursery = Nursery(control, raised(watched), places, keep=keep)
    gc.collect()
    gc.freeze()  # what is loaded is shared with every child, and never looked at again
    nursery.run()


class Spare(NamedTuple):
    """A child that waits for its descriptors, and our end of the socket that it gets them by."""

    pid: int
    pidfd: int
    end: socket.socket


class Nursery:
    """One host's nursery; ``run`` serves until the host goes."""

    def __init__(
        self, control: socket.socket, host: int, places: packages.Places, *, keep: bool
    ) -> None:
        """``keep``: it will be asked more than once."""
        self._keep = keep
        self._control, self._host = control, host
        self._birth = Birth(raised(os.pidfd_open(os.getpid())), os.getuid(), os.getgid(), places)
        self._children: dict[int, tuple[int, int, bool]] = {}  # pidfd: number, pid, namespaced
        self._spare: Spare | None = None
        self._walls = 0  # the namespaces of a spare that is due
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(host, select.POLLIN)

    def run(self) -> NoReturn:
        """Never returns: ends the process when the host has gone, and its children with it."""
        while True:
            open_to_orphans = any(not namespaced for _, _, namespaced in self._children.values())
            ready = self._poll.poll(self._patience_ms(open_to_orphans=open_to_orphans))
            for fd, _ in ready:
                if fd in self._children:
                    self._bury(fd)
                elif fd == self._host:
                    self._end_all()
                elif self._spare is not None and fd == self._spare.pidfd:
                    self._lose_spare()
                else:
                    self._serve()
            if open_to_orphans:
                self._kill_orphans()
            if not ready and self._walls:
                self._fork_spare()

    def _patience_ms(self, *, open_to_orphans: bool) -> int | None:
        waits = [ORPHAN_POLL_MS] * open_to_orphans + [SPARE_MS] * bool(self._walls)
        return min(waits, default=None)

    def _serve(self) -> None:
        data, fds, flags, _ = socket.recv_fds(self._control, REQUEST.size, MAX_FDS)
        if not data:
            self._end_all()
        if flags & socket.MSG_CTRUNC or len(data) != REQUEST.size:
            os._exit(EXIT_BEGIN)
        number, wanted = REQUEST.unpack(data)
        walls = namespaces.wanted(self._birth.uid) if wanted & WITH_NAMESPACES else 0
        try:
            pid, pidfd = self._hand_to_spare(fds) if walls else (0, -1)
            if not pid:
                pid, pidfd = syscalls.fork_into(walls)
                if pid == 0:
                    self._become(fds)
                self._poll.register(pidfd, select.POLLIN)
        except OSError as error:
            self._close(fds)
            self._reply(number, FAILED, error.errno or 0)
            return
        self._close(fds)
        self._children[pidfd] = (number, pid, bool(walls))
        self._reply(number, FORKED, pid, pidfd)
        self._walls = walls if self._keep and self._spare is None else 0

    def _hand_to_spare(self, fds: list[int]) -> tuple[int, int]:
        """Let the spare go on with these descriptors; (0, -1) where there is none."""
        spare = self._spare
        if spare is None:
            return 0, -1
        try:
            socket.send_fds(spare.end, [b"w"], fds)
        except OSError:  # it has ended, whoever ended it
            self._lose_spare()
            return 0, -1
        self._spare = None
        spare.end.close()
        return spare.pid, spare.pidfd

    def _fork_spare(self) -> None:
        """A child in namespaces that waits for its descriptors. Where none can be made, the next
        request is told why.
        """
        walls, self._walls = self._walls, 0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid, pidfd = syscalls.fork_into(walls)
            except OSError:
                ours.close()
                return
            if pid == 0:
                ours.close()
                # What is written to is copied, a page at a time: better now than when it counts.
                packages.move(self._birth.places, self._birth.places.folder)
                loop.warm()
                self._become(received(theirs))
        self._spare = Spare(pid, pidfd, ours)
        self._poll.register(pidfd, select.POLLIN)

    def _lose_spare(self) -> None:
        spare, self._spare = self._spare, None
        assert spare is not None
        self._poll.unregister(spare.pidfd)
        with contextlib.suppress(ProcessLookupError):
            os.kill(spare.pid, signal.SIGKILL)  # our own child and not reaped
        os.waitpid(spare.pid, 0)
        os.close(spare.pidfd)
        spare.end.close()

    def _become(self, fds: list[int]) -> NoReturn:
        """In the child: take the descriptors, let go of the nursery's, and be a worker."""
        try:
            follow(self._birth)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._host)
            plan, listen, out, err, *tunnel = fds
            places = {1: out, 2: err, LISTEN_FD: listen, PLAN_FD: plan}
            if tunnel:
                places[TUNNEL_FD] = tunnel[0]
            take_places(places)
        except BaseException as error:  # noqa: BLE001  # whatever it is, nothing goes on after it
            leave(EXIT_BEGIN, f"the worker could not begin: {error}")
        work(self._birth)

    def _end_all(self) -> NoReturn:
        """The host has gone: end every worker and all that any has started, then this process.

        Without PID namespaces a worker's own death does not do it: PR_SET_PDEATHSIG is not
        inherited (prctl(2)). What is orphaned comes to us and is ended in the next round.
        """
        while pids := own_children() or [pid for _, pid, _ in self._children.values()]:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)  # our own child and not reaped
            try:
                gone, _ = os.wait()
            except ChildProcessError:
                break
            self._children = {fd: one for fd, one in self._children.items() if one[1] != gone}
        os._exit(0)

    def _bury(self, pidfd: int) -> None:
        number, pid, namespaced = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        # Not reaped yet: its number, and that of its group, are still its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not namespaced:
            while self._kill_orphans(wait=True):  # children of a killed one come to us
                pass
        self._reply(number, ENDED, status)

    def _kill_orphans(self, *, wait: bool = False) -> int:
        """End what left its worker and came to us (PR_SET_CHILD_SUBREAPER): there is no daemon.
        Returns how many there were.
        """
        known = {pid for _, pid, _ in self._children.values()}
        known |= {self._spare.pid} if self._spare is not None else set()
        found = 0
        for pid in own_children():
            if pid not in known:
                found += 1
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)  # our own child and not reaped
                    os.waitpid(pid, 0 if wait else os.WNOHANG)
        return found

    def _reply(self, number: int, what: int, value: int, fd: int | None = None) -> None:
        data = REPLY.pack(number, what, value)
        try:
            socket.send_fds(self._control, [data], [] if fd is None else [fd])
        except (BrokenPipeError, ConnectionResetError):  # the host is gone
            self._end_all()
        except OSError as error:  # as where a user has too many descriptors on their way: unix(7)
            if fd is None:
                raise
            _, pid, _ = self._children.pop(fd)
            self._poll.unregister(fd)
            os.kill(pid, signal.SIGKILL)  # our own child and not reaped
            os.waitpid(pid, 0)
            os.close(fd)
            self._reply(number, FAILED, error.errno or 0)

    @staticmethod
    def _close(fds: list[int]) -> None:
        for fd in fds:
            os.close(fd)


def warm(modules: Sequence[str]) -> None:
    """Make what every worker would make for itself otherwise, and load ``modules``."""
    for name in modules:
        import_module(name)
    for method in Method:
        decoder(method)
    loop.warm()
    machine = os.uname().machine
    seccomp.base_program(machine, subprocess=False, tunnel=False, own_pid=None)
    seccomp.lockdown_program(machine, tunnel=False)


def received(end: socket.socket) -> list[int]:
    """Descriptors from the nursery; a process that waits for them ends with it."""
    syscalls.die_with_parent()
    data, fds, _, _ = socket.recv_fds(end, 1, MAX_FDS)
    if not data:
        os._exit(0)
    return fds


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
