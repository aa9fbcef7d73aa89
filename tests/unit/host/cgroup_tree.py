"""A fake cgroupfs in a folder: plain files, and those rules of the kernel that decide anything.

Version 2 as the kernel's admin-guide/cgroup-v2 has it: a controller is handed on by a group without
processes, a group is removed when nothing is in it. Of version 1 the files alone.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

FILES = {
    "memory": ("memory.max", "memory.swap.max", "memory.oom.group", "memory.events"),
    "pids": ("pids.max", "pids.events"),
    "cpu": ("cpu.max", "cpu.stat"),
}
FILES_1 = {
    "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control"),
    "pids": ("pids.max", "pids.events"),
    "cpu": ("cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.stat"),
}
SUBTREE = "cgroup.subtree_control"


class FakeKernel:
    """Implements `stockade.sandbox.cgroups.Kernel` on folders below `root`."""

    def __init__(self, root: Path, *, marked: bool = False) -> None:
        self.marked = marked
        self.refuse: dict[str, int] = {}  # name of a file or folder → errno of writing or making it
        self.kill_is_deaf = False
        self.log: list[str] = []
        self.proc = root / "proc"
        self.mount = root / "cgroup"

    def top(self, controllers: str) -> None:
        """The top of version 2, with what the machine has."""
        self.mount.mkdir(parents=True)
        self._fill(self.mount, controllers)
        (self.mount / "cgroup.type").unlink()
        (self.mount / SUBTREE).write_text(controllers)

    def top_1(self, controller: str) -> None:
        """The top of a version 1 hierarchy."""
        path = self.mount / controller
        path.mkdir(parents=True)
        (path / "cgroup.procs").touch()

    def enter(self, path: Path, pid: int) -> None:
        """Put a process into a group."""
        for procs in self.mount.rglob("cgroup.procs"):
            pids = procs.read_text().split()
            if str(pid) in pids and self._hierarchy(procs.parent) == self._hierarchy(path):
                procs.write_text("".join(f"{other}\n" for other in pids if other != str(pid)))
        with (path / "cgroup.procs").open("a") as file:
            file.write(f"{pid}\n")
        self._show(pid)

    def _hierarchy(self, path: Path) -> str:
        part = path.relative_to(self.mount).parts[:1]
        return part[0] if part and part[0] in FILES_1 else ""

    def _show(self, pid: int) -> None:
        lines = []
        for procs in sorted(self.mount.rglob("cgroup.procs")):
            if str(pid) not in procs.read_text().split():
                continue
            name = self._hierarchy(procs.parent)
            shown = procs.parent.relative_to(self.mount / name).as_posix()
            shown = "/" if shown == "." else f"/{shown}"
            lines.append(f"{7 if name else 0}:{name}:{shown}\n")
        folder = self.proc / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup").write_text("".join(lines))

    def _fill(self, path: Path, controllers: str) -> None:
        names = [name for one in controllers.split() for name in FILES.get(one, ())]
        for name in ("cgroup.procs", SUBTREE, "cgroup.kill", *names):
            (path / name).touch()
        (path / "cgroup.type").write_text("domain\n")
        (path / "cgroup.controllers").write_text(controllers)

    def mkdir(self, path: Path) -> None:
        """Make a group with its files."""
        self._fail(path)
        path.mkdir()
        self.log.append(f"mkdir {path.relative_to(self.mount)}")
        name = self._hierarchy(path)
        if name:
            for file in ("cgroup.procs", *FILES_1[name]):
                (path / file).touch()
        else:
            self._fill(path, (path.parent / SUBTREE).read_text())

    def rmdir(self, path: Path) -> None:
        """Remove a group that nothing is in."""
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, "", str(path))
        if (path / "cgroup.procs").read_text() or any(one.is_dir() for one in path.iterdir()):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
        shutil.rmtree(path)
        self.log.append(f"rmdir {path.relative_to(self.mount)}")

    def write(self, path: Path, text: str) -> None:
        """Write as the kernel would take it."""
        self._fail(path)
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        self.log.append(f"{path.relative_to(self.mount)} {text}")
        group = path.parent
        if path.name == "cgroup.procs":
            if self._hands_on(group):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            self.enter(group, int(text))
        elif path.name == SUBTREE:
            self._turn(group, text.split())
        elif path.name == "cgroup.kill":
            for procs in () if self.kill_is_deaf else group.rglob("cgroup.procs"):
                procs.write_text("")
        else:
            path.write_text(text)

    def _hands_on(self, group: Path) -> bool:
        # The real top alone may do both, and has no type.
        return (group / "cgroup.type").exists() and bool((group / SUBTREE).read_text())

    def _turn(self, group: Path, words: list[str]) -> None:
        on = set((group / SUBTREE).read_text().split())
        below = [path for path in group.iterdir() if path.is_dir()]
        for word in words:
            name = word[1:]
            if name not in (group / "cgroup.controllers").read_text().split():
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            if word[0] == "-" and any(name in (p / SUBTREE).read_text().split() for p in below):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            if word[0] == "+" and (group / "cgroup.procs").read_text():
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            on = on | {name} if word[0] == "+" else on - {name}
        (group / SUBTREE).write_text(" ".join(sorted(on)))
        for path in below:
            (path / "cgroup.controllers").write_text(" ".join(sorted(on)))
            for name in sorted(on):
                for file in FILES.get(name, ()):
                    (path / file).touch()

    def delegated(self, path: Path) -> bool:
        """As the test said."""
        return self.marked

    def _fail(self, path: Path) -> None:
        number = self.refuse.get(path.name)
        if number is not None:
            raise OSError(number, os.strerror(number), str(path))
