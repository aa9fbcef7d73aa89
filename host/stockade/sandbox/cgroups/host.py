"""One host's share of the control groups: which controllers it has, groups below it, its end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stockade_sdk.limits import Limits

from .delegation import Share
from .files import PROCESSES, CgroupError, Kernel, Linux, groups_of, mkdir, read_number, write
from .group import Group, try_rmdir
from .places import CONTROLLERS, GROUP_PREFIX, KILL, Place, find_v1, find_v2
from .rules import Setting, cores_of, settings
from .sweep import clear, clear_below

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_ANY: Final = Limits()  # stands for any, where it is asked which files a controller must have


class Cgroups:
    """`open` it once a host, `create` a group a worker, `close` it at the end (or use `with`)."""

    def __init__(self, name: str, *, kernel: Kernel, proc: Path, pid: int) -> None:
        self.name = name
        self._kernel = kernel
        self._proc = proc
        self._pid = pid
        self._places: dict[str, Place] = {}  # controller → this host's own group
        self._reasons: dict[str, str] = {}
        self._share: Share | None = None
        self._count = 0

    @classmethod
    def open(
        cls,
        name: str,
        *,
        root: Path = Path("/sys/fs/cgroup"),
        proc: Path = Path("/proc"),
        kernel: Kernel | None = None,
        pid: int | None = None,
        euid: int | None = None,
    ) -> Self:
        """Make `stockade-<name>` below our own group wherever that can be done.

        Never fails for a machine without control groups: what is missing stands in `reasons`. Where
        version 2 is delegated to us, this process moves into a group of its own below, and `close`
        moves it back. Raises ValueError for a name that is no plain word, CgroupError where a
        beginning could not be undone.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"not a name for a control group: {name!r}")
        pid = os.getpid() if pid is None else pid
        cgroups = cls(name, kernel=kernel or Linux(), proc=proc, pid=pid)
        cgroups._open_v2(root, os.geteuid() if euid is None else euid)
        for controller in CONTROLLERS:
            if controller not in cgroups._places:
                cgroups._open_v1(controller, root)
        return cgroups

    @property
    def controllers(self) -> dict[str, int]:
        """What can be used, of "memory", "cpu", "pids" and "kill", and by which version."""
        return {name: place.version for name, place in self._places.items()}

    @property
    def reasons(self) -> dict[str, str]:
        """Why each of the others cannot, for `stockade doctor`."""
        return dict(self._reasons)

    @property
    def paths(self) -> dict[str, Path]:
        """This host's own groups on the disk."""
        return {name: place.path for name, place in self._places.items()}

    def create(self, limits: Limits) -> Group:
        """A new empty group with `limits` in force, as far as there are controllers.

        Fails closed: raises CgroupError where any of the writes is refused, and leaves nothing.
        """
        self._count += 1
        parts = {name: place.below(str(self._count)) for name, place in self._places.items()}
        made: list[Path] = []
        written: dict[str, tuple[Setting, ...]] = {}
        try:
            for name, part in parts.items():
                if part.path not in made:
                    mkdir(self._kernel, name, part.path)
                    made.append(part.path)
                if name != KILL:
                    written[name] = self._limit(name, part, limits)
        except CgroupError:
            for path in made:
                try_rmdir("any", path, self._kernel)
            raise
        return Group(parts, written, kernel=self._kernel, proc=self._proc)

    def wake(self) -> None:
        """Let the kernel get ready to move a process: 6 ms, for a thread beside the start.

        The first move after a pause waits for an RCU grace period, those that follow at once take
        0.2 ms. This asks for one that changes nothing: of ours to where it is. Raises CgroupError.
        """
        for name, place in self._places.items():
            version_2 = place.version == 2
            here = self._share.here if self._share is not None and version_2 else place.above()
            shown = groups_of(self._pid, self._proc).get("" if version_2 else name)
            if shown == here.shown:  # else somebody has moved us since, for a reason of theirs
                write(self._kernel, name, here.path / PROCESSES, str(self._pid))
                return

    def close(self) -> None:
        """Kill what is left in our groups and remove them. Twice is once. Raises CgroupError."""
        places, self._places = self._places, {}
        share, self._share = self._share, None
        if share is not None:
            clear_below(
                KILL, share.group, keep=share.here.path, kernel=self._kernel, proc=self._proc
            )
            share.leave()
        for name, place in places.items():
            clear(name, place, kernel=self._kernel, proc=self._proc)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_v1(self, controller: str, root: Path) -> None:
        own = find_v1(controller, root, self._proc, self._pid)
        if isinstance(own, str):
            self._explain((controller,), own)
            return
        place = own.below(GROUP_PREFIX + self.name)
        try:
            mkdir(self._kernel, controller, place.path)
        except CgroupError as error:
            self._explain((controller,), error.what)
            return
        lacking = _lacking(controller, place)
        if lacking:
            try_rmdir(controller, place.path, self._kernel)
            self._explain((controller,), f"this kernel's version 1 has no {lacking}")
            return
        self._places[controller] = place
        self._reasons.pop(controller, None)

    def _open_v2(self, root: Path, euid: int) -> None:
        own = find_v2(root, self._proc, self._pid)
        if isinstance(own, str):
            self._explain((*CONTROLLERS, KILL), own)
            return
        folder = GROUP_PREFIX + self.name
        try:
            share = Share.open(own, folder, kernel=self._kernel, pid=self._pid, euid=euid)
        except CgroupError as error:
            self._explain((*CONTROLLERS, KILL), error.what)
            return
        self._share = share
        self._reasons.update(share.reasons)
        self._places[KILL] = share.group
        self._places.update(dict.fromkeys(share.usable, share.group))

    def _limit(self, name: str, part: Place, limits: Limits) -> tuple[Setting, ...]:
        outer = None
        if name == "cpu" and part.version == 1:
            outer = outer_cores(part.path.parent, part.mount)
        done: list[Setting] = []
        for setting in settings(part.version, name, limits, outer):
            path = part.path / setting.file
            if not setting.required and not path.exists():
                continue
            write(self._kernel, name, path, setting.value)
            done.append(setting)
        return tuple(done)

    def _explain(self, names: Iterable[str], why: str) -> None:
        for name in names:
            before = self._reasons.get(name)
            self._reasons[name] = f"{before}; {why}" if before else why


def outer_cores(path: Path, mount: Path) -> float | None:
    """The narrowest version 1 processor limit from `path` up to `mount`; None for none."""
    found: list[float] = []
    while path.is_relative_to(mount):
        cores = cores_of(
            read_number(path / "cpu.cfs_quota_us"), read_number(path / "cpu.cfs_period_us")
        )
        if cores is not None:
            found.append(cores)
        path = path.parent
    return min(found, default=None)


def _lacking(controller: str, place: Place) -> str:
    for setting in settings(place.version, controller, _ANY):
        if setting.required and not (place.path / setting.file).exists():
            return setting.file
    return ""
