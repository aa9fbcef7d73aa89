"""The files of cgroupfs: made, written, read; an error names controller, file and errno."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from stockade.errors import HostError

PROCESSES: Final = "cgroup.procs"
MAX_READ: Final = 1024 * 1024  # of one file; a list of 100,000 pids is smaller


class CgroupError(HostError):
    """A control group could not be made, set or used: which controller, which file, which errno."""

    def __init__(self, controller: str, path: Path, error: OSError) -> None:
        self.controller = controller
        self.path = path
        self.errno = error.errno or 0
        name = errno.errorcode.get(self.errno, str(self.errno))
        super().__init__(
            f"control group {controller}: {path} refused: {name}",
            why=error.strerror or "",
            remedy="`stockade doctor` tells what this machine can",
        )


class Kernel(Protocol):
    """What is done to cgroupfs; all of it raises OSError."""

    def mkdir(self, path: Path) -> None:
        """Make a group."""
        ...

    def rmdir(self, path: Path) -> None:
        """Remove a group; EBUSY while a process or a group is in it."""
        ...

    def write(self, path: Path, text: str) -> None:
        """Write a file that exists, in one write(2)."""
        ...

    def delegated(self, path: Path) -> bool:
        """Whether systemd marked the group as its user's own (systemd.resource-control(5))."""
        ...


class Linux:
    """The kernel that this runs on."""

    def mkdir(self, path: Path) -> None:
        """See mkdir(2)."""
        path.mkdir(mode=0o755)

    def rmdir(self, path: Path) -> None:
        """See rmdir(2)."""
        path.rmdir()

    def write(self, path: Path, text: str) -> None:
        """Never creates: a missing file is a missing feature of the kernel."""
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def delegated(self, path: Path) -> bool:
        """The mark of `Delegate=yes`, by whichever name this systemd and this user can see it."""
        for name in ("user.delegate", "trusted.delegate"):
            with suppress(OSError):  # no such mark, or none that an ordinary user may read
                if os.getxattr(path, name) == b"1":
                    return True
        return False


def mkdir(kernel: Kernel, controller: str, path: Path) -> None:
    """Make a group. Raises CgroupError."""
    try:
        kernel.mkdir(path)
    except OSError as error:
        raise CgroupError(controller, path, error) from error


def write(kernel: Kernel, controller: str, path: Path, text: str) -> None:
    """Write a file. Raises CgroupError."""
    try:
        kernel.write(path, text)
    except OSError as error:
        raise CgroupError(controller, path, error) from error


def read_text(path: Path) -> str:
    """A small file. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        pieces = []
        left = MAX_READ
        while left > 0 and (piece := file.read(min(left, 64 * 1024))):
            pieces.append(piece)
            left -= len(piece)
    return b"".join(pieces).decode("utf-8", "replace")


def read_optional(path: Path) -> str | None:
    """A small file, None where this kernel has none of that name."""
    try:
        return read_text(path)
    except FileNotFoundError:
        return None


def read_number(path: Path) -> int | None:
    """The one number of a file; None where there is no such file, or "max" in it."""
    text = (read_optional(path) or "").strip()
    try:
        return int(text)
    except ValueError:
        return None


def read_flat(path: Path) -> dict[str, int]:
    """A flat keyed file, as `oom_kill 1`; empty where there is no such file."""
    found: dict[str, int] = {}
    for line in (read_optional(path) or "").splitlines():
        key, _, value = line.partition(" ")
        with suppress(ValueError):
            found[key] = int(value)
    return found


def read_members(group: Path) -> tuple[int, ...]:
    """The pids in a group itself, none where it is gone; 0 is one outside our pid namespace."""
    try:
        words = read_text(group / PROCESSES).split()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.EOPNOTSUPP):  # removed meanwhile; a threaded group
            return ()
        raise
    return tuple(int(word) for word in words)


def groups_of(pid: int | str, proc: Path) -> dict[str, str]:
    """`/proc/PID/cgroup` as controller → path, version 2 under "". Raises OSError.

    Source: cgroups(7). A version 1 line may name several controllers; names of hierarchies without
    any ("name=systemd") are left as they are.
    """
    found: dict[str, str] = {}
    for line in read_text(proc / str(pid) / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0":
            found[""] = path
        else:
            found.update(dict.fromkeys(names.split(","), path))
    return found
