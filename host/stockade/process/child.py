"""One child process with its process group: started, listened to, watched and ended.

Nothing here kills or waits by a remembered pid. The child stays unreaped, its pid and group id
therefore its own, until its group has been killed; after that neither is used again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import anyio
from anyio.abc import TaskGroup

from .lines import Lines
from .usage import Usage, read_usage

READ_BYTES: Final = 64 * 1024  # what a pipe holds
TAIL_LINES: Final = 20  # of stderr, kept for the message about a death
FLOOD_PAUSE_S: Final = 0.005  # after a read that was thrown away: at most 13 MB/s of host time
QUIET_S: Final = 1.0  # after a flood: then what was dropped of it is told
REAP_S: Final = 5.0  # from SIGKILL to the end of anything that is not stuck in the kernel
SETTLE_S: Final = 0.1  # after the end: how long a pipe that a lost grandchild holds is still read

Stream = Literal["stdout", "stderr"]
OnLine = Callable[[Stream, str], None]


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: an exit code or a signal's number; both None where nobody can know."""

    code: int | None = None
    signal: int | None = None


class Parent(Protocol):
    """Whoever can reap a child: this process, or the nursery that it was forked in."""

    def kill_group(self) -> None:
        """SIGKILL to its process group, which must still be its own."""
        ...

    async def reap(self) -> Exit:
        """How it ended; called once its end was seen, and returns soon in any case."""
        ...


class Child:
    """A running child, with the tasks that watch it; made by `start`, or by a nursery."""

    def __init__(
        self,
        pid: int,
        pidfd: int,
        parent: Parent,
        pipes: Mapping[Stream, int],
        on_line: OnLine,
        tasks: TaskGroup,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes over `pidfd` and the reading ends `pipes`. Cancelling `tasks` kills the child."""
        self.pid = pid
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._pidfd = pidfd
        self._parent = parent
        self._pipes = dict(pipes)
        self._over: Exit | None = None
        self._exited = anyio.Event()
        self._pipes_open = len(pipes)
        self._pipes_ended = anyio.Event()
        for fd in self._pipes.values():
            os.set_blocking(fd, False)
        tasks.start_soon(self._watch, on_line, clock, name=f"child {pid}")

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        pass_fds: Sequence[int],
        on_line: OnLine,
        tasks: TaskGroup,
        clock: Callable[[], float] = time.monotonic,
    ) -> Child:
        """Start `argv` in its own session, with exactly `env`, `pass_fds` and stdin from /dev/null.

        Call it on the event loop's thread and no other: PR_SET_PDEATHSIG, which the child asks for,
        is sent when the *thread* that started it ends (prctl(2)), so a child of a helper thread
        would die with that thread. Its watchers run in `tasks`; cancelling those kills the child
        and reaps it. Raises OSError where it cannot be started; nothing is left open then.
        """
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",  # so that it neither learns nor pins the host's folder
            env=dict(env),
            close_fds=True,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
        try:
            pidfd = os.pidfd_open(process.pid)
        except OSError:
            process.kill()
            process.communicate()  # reaps it and closes its pipes
            raise
        assert process.stdout is not None
        assert process.stderr is not None
        pipes: dict[Stream, int] = {
            "stdout": os.dup(process.stdout.fileno()),
            "stderr": os.dup(process.stderr.fileno()),
        }
        process.stdout.close()
        process.stderr.close()
        return cls(process.pid, pidfd, _Ourselves(process, pidfd), pipes, on_line, tasks, clock)

    @property
    def over(self) -> Exit | None:
        """How it ended, or None while it runs."""
        return self._over

    async def exited(self) -> Exit:
        """Wait for the end; its group is dead and its output read by then."""
        await self._exited.wait()
        assert self._over is not None
        return self._over

    def kill(self) -> None:
        """SIGKILL to it and to its group; nothing where it has ended."""
        if self._over is not None:
            return
        # It may have ended a moment ago, unreaped: its group may live still.
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self._parent.kill_group()

    def usage(self) -> Usage | None:
        """Its state, memory and time; None once it has ended."""
        return None if self._over is not None else read_usage(self.pid)

    async def _watch(self, on_line: OnLine, clock: Callable[[], float]) -> None:
        try:
            async with anyio.create_task_group() as readers:
                for stream, fd in self._pipes.items():
                    readers.start_soon(self._read, stream, fd, on_line, clock)
                await anyio.wait_readable(self._pidfd)
                self._parent.kill_group()
                with anyio.move_on_after(SETTLE_S):
                    await self._pipes_ended.wait()
                readers.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._end()

    async def _read(
        self, stream: Stream, fd: int, on_line: OnLine, clock: Callable[[], float]
    ) -> None:
        lines = Lines(clock())
        tail = self.tail if stream == "stderr" else None

        def give(ready: list[str]) -> None:
            for line in ready:
                if tail is not None:
                    tail.append(line)
                on_line(stream, line)

        try:
            while True:
                # Through the loop every time: a child that never stops printing must not hold it.
                with anyio.move_on_after(QUIET_S if lines.owes_word else None) as quiet:
                    await anyio.wait_readable(fd)
                if quiet.cancelled_caught:
                    give(lines.settle())
                    continue
                try:
                    data = os.read(fd, READ_BYTES)
                except BlockingIOError:
                    continue
                if not data:
                    break
                dropped = lines.dropped_bytes
                give(lines.feed(data, clock()))
                if lines.dropped_bytes != dropped:
                    await anyio.sleep(FLOOD_PAUSE_S)
        finally:
            give(lines.end())
            self._pipes_open -= 1
            if not self._pipes_open:
                self._pipes_ended.set()

    async def _end(self) -> None:
        """Kill what may be left, reap, close."""
        self.kill()
        with anyio.move_on_after(REAP_S):
            await anyio.wait_readable(self._pidfd)
        self._over = await self._parent.reap()
        os.close(self._pidfd)
        for fd in self._pipes.values():
            os.close(fd)
        self._exited.set()


class _Ourselves:
    """The parent of a child that this process started."""

    def __init__(self, process: subprocess.Popen[bytes], pidfd: int) -> None:
        self._process, self._pidfd = process, pidfd

    def kill_group(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # all gone, or under another uid by now
            return

    async def reap(self) -> Exit:
        try:
            # WNOWAIT leaves it a zombie, so that the group id is still its own while we kill.
            over = os.waitid(  # noqa: ASYNC222  # with WNOHANG
                os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG
            )
        except ChildProcessError:  # SIGCHLD is ignored in this host: the kernel reaps by itself
            self._process.returncode = 0
            return Exit()
        if over is None:  # stuck in the kernel, as on a dead network disk; it ends when it can
            return Exit()
        self.kill_group()
        code = self._process.wait()
        return Exit(code=code) if code >= 0 else Exit(signal=-code)
