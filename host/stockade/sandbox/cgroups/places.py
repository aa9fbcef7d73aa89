"""Where our own group lies in each hierarchy, and whether groups may be made below it. Reads only.

Below our own group and nowhere else: at the top of a hierarchy a worker would escape the limits
that somebody put on us.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .files import PROCESSES, Kernel, groups_of, read_members, read_optional

CONTROLLERS: Final = ("memory", "cpu", "pids")
KILL: Final = "kill"  # a version 2 group as the handle to kill
GROUP_PREFIX: Final = "stockade-"
DELEGATE: Final = "start the host with `systemd-run --user --scope -p Delegate=yes`"


@dataclass(frozen=True, slots=True)
class Place:
    """Our own group in one hierarchy. `path` on the disk, `shown` as /proc/PID/cgroup has it.

    `mount` is the top of the hierarchy, as far as it is mounted here.
    """

    version: int
    path: Path
    shown: str
    mount: Path

    def below(self, *names: str) -> Place:
        """A group further down."""
        path = self.path.joinpath(*names)
        return Place(self.version, path, "/".join((self.shown.rstrip("/"), *names)), self.mount)

    def above(self) -> Place:
        """The group that this one was made below."""
        shown = self.shown.rpartition("/")[0] or "/"
        return Place(self.version, self.path.parent, shown, self.mount)


def unified_mount(root: Path) -> Path | None:
    """Where version 2 is mounted: alone at `root`, or beside version 1 as systemd does it."""
    for path in (root, root / "unified"):
        if (path / "cgroup.controllers").exists():
            return path
    return None


def find_v1(controller: str, root: Path, proc: Path, pid: int) -> Place | str:
    """Our own group of a controller of version 1, or why there is none."""
    groups = groups_of(pid, proc)
    if controller not in groups:
        return "no version 1 hierarchy has it"
    mount = root / controller  # a link where several controllers share a hierarchy
    return _own(1, mount, groups[controller], pid)


def find_v2(root: Path, proc: Path, pid: int) -> Place | str:
    """Our own group of version 2, or why there is none."""
    mount = unified_mount(root)
    if mount is None:
        return "version 2 is not mounted"
    groups = groups_of(pid, proc)
    if "" not in groups:
        return "version 2 is mounted, and this process is not in it"
    return _own(2, mount, groups[""], pid)


def _own(version: int, mount: Path, shown: str, pid: int) -> Place | str:
    parts = [part for part in shown.split("/") if part]
    if ".." in parts:
        return f"our group {shown} lies outside what is mounted here"
    # In a container the hierarchy may be mounted from our own group on, whatever its full name is.
    for path in dict.fromkeys((mount.joinpath(*parts), mount)):
        try:
            if pid in read_members(path):
                return Place(version, path, shown, mount)
        except OSError as error:
            return f"{path}/{PROCESSES} cannot be read: {errno.errorcode.get(error.errno or 0)}"
    return f"our group {shown} is not to be seen below {mount}"


def is_top(place: Place) -> bool:
    """Whether a version 2 group is the hierarchy's real top, which alone has no type."""
    return not (place.path / "cgroup.type").exists()


def words_of(path: Path) -> frozenset[str]:
    """The controllers that a file of version 2 lists."""
    return frozenset((read_optional(path) or "").split())


def refusal(place: Place, kernel: Kernel, *, pid: int, euid: int) -> str:
    """Why we may not hand controllers of our version 2 group on; empty where we may.

    A group with processes of its own cannot do it (the "no internal process" rule of the kernel's
    cgroup-v2 document), so we would have to leave it; that is for a group that is ours alone.
    """
    if is_top(place):
        return "we are at the top of version 2, where the limits are the machine's"
    kind = (read_optional(place.path / "cgroup.type") or "").strip()
    if kind != "domain":
        return f"our group is of type {kind!r}"
    others = [other for other in read_members(place.path) if other != pid]
    if others:
        return f"{len(others)} other processes are in our group; {DELEGATE}"
    if euid == 0 and not kernel.delegated(place.path):
        return "our group is not marked as delegated; give the service Delegate=yes"
    return ""
