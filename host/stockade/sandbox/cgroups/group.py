"""One worker's control group: put a process in, read its counters, kill all of it, remove it."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .files import (
    PROCESSES,
    CgroupError,
    Kernel,
    groups_of,
    read_flat,
    read_members,
    read_number,
    read_optional,
    write,
)
from .places import KILL, Place
from .rules import Setting

REMOVE_S: Final = 2.0  # from the last SIGKILL to an empty group, on a busy machine
RETRY_S: Final = 0.005
KILL_ROUNDS: Final = 5  # where there is no cgroup.kill: a tree may fork while we go through it


@dataclass(frozen=True, slots=True)
class Counts:
    """What the kernel counted for a group since it was made; None where it does not count that."""

    oom_kills: int = 0  # processes killed for want of memory
    pids_refused: int = 0  # forks and threads refused
    throttled_s: float = 0.0  # held back by the processor limit, summed over processors
    cpu_s: float | None = None
    memory_bytes: int | None = None
    peak_bytes: int | None = None


class Group:
    """Made by `Cgroups.create`, its limits in force; `remove` it when its processes are gone."""

    def __init__(
        self,
        parts: Mapping[str, Place],
        written: Mapping[str, tuple[Setting, ...]],
        *,
        kernel: Kernel,
        proc: Path,
    ) -> None:
        self._parts = dict(parts)
        self._written = dict(written)
        self._kernel = kernel
        self._proc = proc

    @property
    def paths(self) -> dict[str, str]:
        """Controller (and "kill") → the path that /proc/PID/cgroup shows of a member."""
        return {name: part.shown for name, part in self._parts.items()}

    def add(self, pid: int) -> None:
        """Move a process in, its threads with it; children it has already stay where they are.

        The first move after a pause waits for a grace period of the kernel's (6 ms), see
        `Cgroups.wake`. Raises CgroupError; the process may be in a part of the group then, so end
        it.
        """
        if pid <= 0:  # 0 would be whoever writes
            raise ValueError(f"not a process: {pid}")
        for name, place in self._by_place():
            write(self._kernel, name, place.path / PROCESSES, str(pid))

    def holds(self, pid: int) -> bool:
        """Whether the kernel shows a process in every part of the group."""
        try:
            shown = groups_of(pid, self._proc)
        except OSError:  # it is gone, or hidden from us: no proof
            return False
        return bool(self._parts) and all(
            shown.get("" if part.version == 2 else name) == part.shown
            for name, part in self._parts.items()
        )

    def members(self) -> tuple[int, ...]:
        """The pids in any part of it. Raises OSError where they cannot be read."""
        found: set[int] = set()
        for _, place in self._by_place():
            found.update(read_members(place.path))
        return tuple(sorted(found - {0}))

    def counts(self) -> Counts:
        """The counters now; read them before `remove`. Raises OSError."""
        memory, cpu, pids = (self._parts.get(name) for name in ("memory", "cpu", "pids"))
        oom = used = peak = None
        if memory is not None:
            new = memory.version == 2
            events = "memory.events" if new else "memory.oom_control"
            oom = read_flat(memory.path / events).get("oom_kill", 0)
            used = read_number(memory.path / ("memory.current" if new else "memory.usage_in_bytes"))
            peak = read_number(
                memory.path / ("memory.peak" if new else "memory.max_usage_in_bytes")
            )
        refused = 0 if pids is None else read_flat(pids.path / "pids.events").get("max", 0)
        return Counts(
            oom_kills=oom or 0,
            pids_refused=refused,
            throttled_s=_throttled(cpu),
            cpu_s=self._cpu_s(cpu),
            memory_bytes=used,
            peak_bytes=peak,
        )

    def _cpu_s(self, cpu: Place | None) -> float | None:
        # Version 2 counts time in every group, also where no controller of it is on.
        for place in (cpu, self._parts.get(KILL)):
            if place is None:
                continue
            spent = read_flat(place.path / "cpu.stat").get("usage_usec")
            if spent is not None:
                return spent / 1e6
        spent = None if cpu is None else read_number(cpu.path / "cpuacct.usage")
        return None if spent is None else spent / 1e9

    def limits_in_force(self) -> dict[str, str]:
        """File → value, read back from the kernel, for each limit that was written."""
        found: dict[str, str] = {}
        for name, written in self._written.items():
            for setting in written:
                text = read_optional(self._parts[name].path / setting.file)
                if text is not None:
                    found[setting.file] = text.strip()
        return found

    def kill(self) -> None:
        """SIGKILL to all that is in it, at once where the kernel can; does not wait. Twice is once.

        Where there is no `cgroup.kill` (before Linux 5.14, or no version 2), new forks are refused
        first if the limit of processes is ours, then every member is killed. Raises OSError.
        """
        handle = self._parts.get(KILL)
        if handle is not None:
            try:
                self._kernel.write(handle.path / "cgroup.kill", "1")
                return
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
                    raise
        places = [place for _, place in self._by_place()]
        kill_members(places, self._parts.get("pids"), kernel=self._kernel, proc=self._proc)

    def try_remove(self) -> bool:
        """Remove what can be removed now; False where a process is in it still. Raises CgroupError
        for anything else that stands against it.
        """
        gone = True
        for name, place in self._by_place():
            gone = try_rmdir(name, place.path, self._kernel) and gone
        return gone

    def remove(
        self,
        *,
        within_s: float = REMOVE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Remove it, killing what is left in it and waiting for the end of that.

        Blocks for up to `within_s`; an event loop calls `kill` and then `try_remove` again and
        again. Raises CgroupError (EBUSY) where something in it cannot be killed.
        """
        deadline = clock() + within_s
        while not self.try_remove():
            self.kill()
            if clock() >= deadline:
                path = next(iter(self._parts.values())).path
                raise CgroupError("any", path, OSError(errno.EBUSY, os.strerror(errno.EBUSY)))
            sleep(RETRY_S)

    def _by_place(self) -> list[tuple[str, Place]]:
        """One entry a folder: version 2 has all controllers in one."""
        seen: dict[Path, tuple[str, Place]] = {}
        for name, place in self._parts.items():
            seen.setdefault(place.path, (name, place))
        return list(seen.values())


def _throttled(cpu: Place | None) -> float:
    if cpu is None:
        return 0.0
    stat = read_flat(cpu.path / "cpu.stat")
    if cpu.version == 2:
        return stat.get("throttled_usec", 0) / 1e6
    return stat.get("throttled_time", 0) / 1e9


def try_rmdir(controller: str, path: Path, kernel: Kernel) -> bool:
    """Remove one folder; gone already is gone, EBUSY is False. Raises CgroupError."""
    try:
        kernel.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
            return False
        raise CgroupError(controller, path, error) from error
    return True


def kill_members(places: list[Place], pids: Place | None, *, kernel: Kernel, proc: Path) -> None:
    """SIGKILL to the members of groups one by one. Raises OSError."""
    if pids is not None:
        with suppress(FileNotFoundError):  # the group is gone, and so are its members
            kernel.write(pids.path / "pids.max", "0")
    for _ in range(KILL_ROUNDS):
        found = [(pid, place) for place in places for pid in read_members(place.path)]
        if not any(kill_member(pid, place, proc) for pid, place in found):
            return


def kill_member(pid: int, place: Place, proc: Path) -> bool:
    """SIGKILL to one member, never to another process that has its pid by now; whether it lived."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # Asked again with the process held: the pid cannot go to another from here on.
        if pid in read_members(place.path):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            return _state(pid, proc) not in ("Z", "X", "")
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return False


def _state(pid: int, proc: Path) -> str:
    text = read_optional(proc / str(pid) / "stat") or ""
    return text[text.rfind(")") + 2 :][:1]
