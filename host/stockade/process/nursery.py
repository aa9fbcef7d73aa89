"""The host's end of a nursery, the process that workers are forked from.

Its other end is `stockade_worker.nursery`. `Nurseries.fork` gives a child of the one that is kept,
or of a fresh one: the same code either way. A nursery that has gone is replaced at the next fork;
its children have gone with it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from stockade_worker.plan import (
    ENDED,
    FAILED,
    FORK_REPLY,
    FORK_REQUEST,
    FORKED,
    WITH_NAMESPACES,
)

from .child import REAP_S, Child, Exit, OnLine, Stream

REQUEST: Final = struct.Struct(FORK_REQUEST)
REPLY: Final = struct.Struct(FORK_REPLY)
START: Final = "stockade_worker/start.py"
BASE_FD: Final = 100  # at least: below are the places of a worker's own descriptors
FORK_S: Final = 10.0  # for a nursery to start and to fork: it has 60 ms of work to do


class NurseryGone(OSError):
    """The nursery ended before it forked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a nursery is: an interpreter with its flags, its variables, the base environment."""

    python: tuple[str, ...]
    env: Mapping[str, str] = field(hash=False)
    base: Path


class _Fork:
    """One child of a nursery's: asked for, running, ended. Its parent, as `Child` sees it."""

    def __init__(self) -> None:
        self.known = anyio.Event()
        self.pid = 0
        self.pidfd = -1
        self.error: OSError | None = None
        self.over: Exit | None = None
        self.ended = anyio.Event()
        self.unwanted = False

    def discard(self) -> None:
        """End what nobody will watch."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        os.close(self.pidfd)
        self.pidfd = -1

    def kill_group(self) -> None:
        """The nursery does that, before it reaps."""

    async def reap(self) -> Exit:
        """What the nursery said; unknown where it says nothing."""
        with anyio.move_on_after(REAP_S):
            await self.ended.wait()
        return self.over or Exit()


class Nursery:
    """One nursery process."""

    def __init__(self, program: Program, control: socket.socket) -> None:
        self.program = program
        self.gone = False
        self._control = control
        self._forks: dict[int, _Fork] = {}
        self._last = 0

    @classmethod
    def start(
        cls, program: Program, *, on_line: OnLine, tasks: TaskGroup, keep: bool = True
    ) -> Nursery:
        """Start one; on the event loop's thread (see `Child.start`). Raises OSError."""
        kept = "keep" if keep else "once"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            nursery = cls(program, ours)
            try:
                with _folder(program.base) as base:
                    start = f"/proc/self/fd/{base}/{START}"
                    child = Child.start(
                        (*program.python, start, str(theirs.fileno()), str(os.getpid()), kept),
                        env=program.env,
                        pass_fds=(theirs.fileno(), base),
                        on_line=on_line,
                        tasks=tasks,
                    )
            except BaseException:
                ours.close()
                raise
        tasks.start_soon(nursery._listen, child, name=f"nursery {child.pid}")
        return nursery

    async def fork(
        self,
        fds: Sequence[int],
        *,
        namespaces: bool,
        on_line: OnLine,
        tasks: TaskGroup,
    ) -> Child:
        """A child that has `fds` (plan, listening socket and, where there is one, tunnel), whose
        output goes to `on_line`. Raises OSError.
        """
        self._last += 1
        number, fork = self._last, _Fork()
        self._forks[number] = fork
        flags = WITH_NAMESPACES if namespaces else 0
        with ExitStack() as theirs, ExitStack() as ours:
            ends: dict[Stream, tuple[int, int]] = {"stdout": (-1, -1), "stderr": (-1, -1)}
            for stream in ends:
                ends[stream] = read, write = os.pipe2(os.O_CLOEXEC)
                ours.callback(os.close, read)
                theirs.callback(os.close, write)
            plan, listener, *more = fds
            handed = (plan, listener, ends["stdout"][1], ends["stderr"][1], *more)
            try:
                await self._ask(number, flags, handed)
                with anyio.fail_after(FORK_S):
                    await fork.known.wait()
                if fork.error is not None:
                    raise fork.error
            except TimeoutError:
                self.close()
                raise NurseryGone(110, "the nursery did not fork in time") from None
            except BaseException:
                self._give_up(fork)
                raise
            ours.pop_all()
        pipes: dict[Stream, int] = {stream: read for stream, (read, _) in ends.items()}
        return Child(fork.pid, fork.pidfd, fork, pipes, on_line, tasks)

    def close(self) -> None:
        """Let it go, and with it every child that it still has."""
        self.gone = True
        with suppress(OSError):  # it has gone already
            self._control.shutdown(socket.SHUT_RDWR)

    async def _ask(self, number: int, flags: int, fds: Sequence[int]) -> None:
        data = REQUEST.pack(number, flags)
        while True:
            try:
                socket.send_fds(self._control, [data], list(fds))
            except BlockingIOError:
                await anyio.wait_writable(self._control)
            except OSError as error:
                self.gone = True
                raise NurseryGone(error.errno, "the nursery has ended") from error
            else:
                return

    def _give_up(self, fork: _Fork) -> None:
        """Nobody waits for this fork any more: end it, now or when it is told of."""
        fork.unwanted = True
        if fork.pidfd >= 0:
            fork.discard()

    async def _listen(self, child: Child) -> None:
        """Take its replies until it has gone."""
        try:
            while True:
                await anyio.wait_readable(self._control)
                if not self._take():
                    return
        finally:
            self.gone = True
            self._control.close()
            child.kill()
            with anyio.CancelScope(shield=True):
                over = await child.exited()
            self._fail_all(over, child)

    def _take(self) -> bool:
        """One reply; False where there will be no more."""
        try:
            data, fds, _, _ = socket.recv_fds(self._control, REPLY.size, 1)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if len(data) != REPLY.size:
            return False
        number, what, value = REPLY.unpack(data)
        fork = self._forks[number]
        if what == FORKED:
            fork.pid, fork.pidfd = value, fds[0]
            fork.known.set()
            if fork.unwanted:
                fork.discard()
        elif what == FAILED:
            fork.error = OSError(value, os.strerror(value))
            fork.known.set()
            del self._forks[number]
        elif what == ENDED:
            code = os.waitstatus_to_exitcode(value)
            fork.over = Exit(code=code) if code >= 0 else Exit(signal=-code)
            fork.ended.set()
            del self._forks[number]
        return True

    def _fail_all(self, over: Exit, child: Child) -> None:
        words = " | ".join(list(child.tail)[-3:])
        for fork in self._forks.values():
            fork.error = NurseryGone(104, f"the nursery has ended: {words or over}")
            fork.over = Exit(signal=signal.SIGKILL)  # PR_SET_PDEATHSIG
            fork.known.set()
            fork.ended.set()
        self._forks.clear()


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    """A folder's descriptor with a number that no worker's descriptor takes."""
    low = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, BASE_FD)
    finally:
        os.close(low)
    try:
        yield high
    finally:
        os.close(high)


class Nurseries:
    """Where forks come from: one nursery a program, kept (`keep`) or fresh for each fork."""

    def __init__(
        self, tasks: TaskGroup, on_line: Callable[[str, str], None], *, keep: bool = True
    ) -> None:
        self._tasks, self._on_line, self._keep = tasks, on_line, keep
        self._kept: dict[Program, Nursery] = {}

    async def fork(
        self,
        program: Program,
        fds: Sequence[int],
        *,
        namespaces: bool,
        on_line: OnLine,
        tasks: TaskGroup,
    ) -> Child:
        """A child of a nursery of `program`; see `Nursery.fork`. Raises OSError."""
        nursery = self._kept.get(program)
        if nursery is None or nursery.gone:
            nursery = Nursery.start(
                program, on_line=self._on_line, tasks=self._tasks, keep=self._keep
            )
            if self._keep:
                self._kept[program] = nursery
        try:
            child = await nursery.fork(fds, namespaces=namespaces, on_line=on_line, tasks=tasks)
        except BaseException:
            if not self._keep:
                nursery.close()
            raise
        if not self._keep:
            tasks.start_soon(_close_after, nursery, child)
        return child

    def close(self) -> None:
        """Let all of them go."""
        for nursery in self._kept.values():
            nursery.close()


async def _close_after(nursery: Nursery, child: Child) -> None:
    try:
        await child.exited()
    finally:
        nursery.close()
