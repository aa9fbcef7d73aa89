"""Proof from outside: what the kernel shows of a worker, compared with its plan.

`look` reads /proc and judges nothing; `compare` is pure and says everything that is otherwise than
planned. Both are done when the worker has said hello and before it is told of its plugin.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from stockade_worker.plan import DEVICE, DOOR_FD, FULL, NONE, READ, RESTRICTED, WRITE, Mount, Plan

__all__ = ["Mounted", "Seen", "compare", "look", "parse_mounts"]

PROC: Final = Path("/proc")
NAMESPACES: Final = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
KERNELS: Final = frozenset(  # file systems that show the machine, wherever they are mounted
    (
        *("proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "debugfs", "tracefs"),
        *("securityfs", "configfs", "bpf", "mqueue", "nsfs", "binfmt_misc", "pstore", "efivarfs"),
        "fusectl",
    )
)
PROPAGATED: Final = ("shared:", "master:")
MAX_FILE: Final = 256 * 1024
FILTERS: Final = {FULL: 2, RESTRICTED: 2, NONE: 0}  # ours, beside those that the host has itself
_SETS: Final = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
_LIMITS: Final = {
    "Max address space": "memory_bytes",
    "Max data size": "memory_bytes",
    "Max open files": "open_files",
    "Max file size": "file_size_bytes",
    "Max processes": "processes",
}
_HEADROOM: Final = {"Max address space": 1024 * 1024 * 1024, "Max data size": 32 * 1024 * 1024}


@dataclass(frozen=True, slots=True)
class Mounted:
    """One line of /proc/PID/mountinfo (proc_pid_mountinfo(5))."""

    target: str
    device: tuple[int, int]
    kind: str
    options: frozenset[str]
    size: str = ""
    tied: bool = False  # mounts and unmounts elsewhere are seen here, or the other way round


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What /proc shows of a worker and, for comparison, of this host."""

    status: Mapping[str, str]
    namespaces: Mapping[str, str]
    limits: Mapping[str, str]
    mounts: tuple[Mounted, ...]
    host_status: Mapping[str, str]
    host_namespaces: Mapping[str, str]
    uid: int
    cgroup: str = ""
    cpus: frozenset[int] = field(default=frozenset())
    descriptors: Mapping[int, str] = field(default_factory=dict)
    inodes: Mapping[str, int] = field(default_factory=dict)  # of what is mounted where


def look(pid: int, proc: Path = PROC) -> Seen:
    """Read what is to be seen of `pid`, a worker that is not reaped. Raises OSError."""
    host_status, host_namespaces = _host(proc)
    there = proc / str(pid)
    mounts = parse_mounts(_text(there / "mountinfo"))
    return Seen(
        status=_table(there / "status"),
        namespaces=_links(there / "ns"),
        limits=_limits(there / "limits"),
        mounts=mounts,
        host_status=host_status,
        host_namespaces=host_namespaces,
        uid=os.getuid(),
        cgroup=_text(there / "cgroup"),
        cpus=frozenset(os.sched_getaffinity(pid)),
        descriptors=_descriptors(there / "fd"),
        inodes=_inodes(there / "root", mounts),
    )


@cache
def _host(proc: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Status and namespaces of this process, which stay as they are."""
    return _table(proc / "self" / "status"), _links(proc / "self" / "ns")


def compare(plan: Plan, seen: Seen) -> list[str]:
    """Everything that is otherwise than planned, each a phrase for people; none if all holds."""
    if plan.tier == NONE:
        return [*_no_new_privileges(seen), *_rlimits(plan, seen)]
    wrong = [
        *_no_new_privileges(seen),
        *_user(plan, seen),
        *_capabilities(plan, seen),
        *_filters(plan, seen),
        *_rlimits(plan, seen),
        *_open_files(plan, seen),
    ]
    if plan.cpus and seen.cpus != frozenset(plan.cpus):
        wrong.append(f"it may run on processors {sorted(seen.cpus)}, not {list(plan.cpus)}")
    if plan.tier == FULL:
        wrong += [*_namespaces(seen), *_mounts(plan, seen.mounts, seen.inodes)]
    return wrong


def _no_new_privileges(seen: Seen) -> Iterable[str]:
    if seen.status.get("NoNewPrivs") != "1":
        yield "no_new_privs is not set"


def _user(plan: Plan, seen: Seen) -> Iterable[str]:
    right = plan.uid if plan.uid >= 0 else seen.uid
    for name in ("Uid", "Gid"):
        ids = {int(word) for word in seen.status.get(name, "-1").split()}
        expected = right if name == "Uid" or plan.uid >= 0 else None
        if expected is not None and ids != {expected}:
            yield f"its {name} is {sorted(ids)}, not {expected}"
    if plan.uid >= 0 and seen.status.get("Groups", "not shown").split():
        yield f"its groups are {seen.status.get('Groups', 'not shown')}, not none"


def _capabilities(plan: Plan, seen: Seen) -> Iterable[str]:
    # An ordinary user without a namespace of its own may not empty its bounding set
    # (capabilities(7)); with no_new_privs nothing is gained through it.
    dropped = plan.tier == FULL or plan.uid >= 0
    for name in _SETS if dropped else [one for one in _SETS if one != "CapBnd"]:
        if int(seen.status.get(name, "1"), 16) != 0:
            yield f"{name} is {seen.status.get(name)}, not empty"


def _open_files(plan: Plan, seen: Seen) -> Iterable[str]:
    """Pipes, sockets and what waits for them are its own; a path or a process is not."""
    doors = dict(enumerate(plan.doors, DOOR_FD))
    for fd, target in seen.descriptors.items():
        if target in ("/dev/null", doors.get(fd)):
            continue
        if target.startswith("/") or target == "anon_inode:[pidfd]":
            yield f"its descriptor {fd} is open for {target}"


def _filters(plan: Plan, seen: Seen) -> Iterable[str]:
    if seen.status.get("Seccomp") != "2":
        yield "no seccomp filter is on"
    if "Seccomp_filters" in seen.host_status:  # Linux 5.9
        have = int(seen.status.get("Seccomp_filters", "-1"))
        right = FILTERS[plan.tier] + int(seen.host_status.get("Seccomp_filters", "0"))
        if have != right:
            yield f"{have} seccomp filters are on, not {right}"


def _rlimits(plan: Plan, seen: Seen) -> Iterable[str]:
    for name, limit in _LIMITS.items():
        most = getattr(plan.limits, limit) + _HEADROOM.get(name, 0)
        words = seen.limits.get(name, "unlimited unlimited").split()[:2]
        if most and any(word == "unlimited" or int(word) > most for word in words):
            yield f"{name} is {' and '.join(words)}, more than {most}"
    if seen.limits.get("Max core file size", "").split()[:2] != ["0", "0"]:
        yield "core dumps are not switched off"


def _namespaces(seen: Seen) -> Iterable[str]:
    names = NAMESPACES if seen.uid == 0 else (*NAMESPACES, "user")
    for name in names:
        there, here = seen.namespaces.get(name), seen.host_namespaces.get(name)
        if there is None or there == here:
            yield f"its {name} namespace is the host's"
    if seen.status.get("NSpid", "").split()[-1:] != ["1"]:
        yield "it is not the first process of its PID namespace"


def _mounts(plan: Plan, mounts: tuple[Mounted, ...], found: Mapping[str, int]) -> Iterable[str]:
    planned = {mount.target: mount for mount in plan.mounts}
    made = {"/": {"ro"}, plan.scratch: {"nosuid", "nodev", "noexec"}}
    made.update({blank: {"ro", "nosuid", "nodev", "noexec"} for blank in plan.blanks})
    met: set[str] = set()
    for mounted in mounts:
        target = mounted.target
        if target in met:
            yield f"{target} is mounted twice"
        met.add(target)
        if target in made:
            if mounted.kind != "tmpfs" or not made[target] <= mounted.options:
                yield f"{target} is mounted as {mounted.kind} {sorted(mounted.options)}"
            continue
        one = planned.get(target) or _above(target, planned)
        if one is None:
            yield f"{target} is mounted and was not planned"
        elif mounted.kind in KERNELS and one.access != DEVICE:
            yield f"{target} is a file system of the kernel's ({mounted.kind})"
        elif mounted.tied:
            yield f"{target} takes part in mounts and unmounts elsewhere"
        elif not _wanted(one) <= mounted.options:
            missing = _wanted(one) - mounted.options
            yield f"{target} is mounted without {' and '.join(sorted(missing))}"
        elif target in planned and mounted.device != _numbers(one.device):
            yield f"{target} is another file system than was planned"
        elif target in planned and found.get(target, one.inode) != one.inode:
            yield f"{target} is another file than was planned"
    for target in sorted({*planned, *made} - met):
        yield f"{target} is not mounted"


def _above(target: str, planned: Mapping[str, Mount]) -> Mount | None:
    """What a mount below a planned one came with, and is restricted like."""
    over = [path for path in planned if target.startswith(f"{path}/")]
    return planned[max(over, key=len)] if over else None


def _wanted(mount: Mount) -> frozenset[str]:
    options = {READ: ("ro", "nodev"), WRITE: ("nodev", "noexec"), DEVICE: ("ro", "noexec")}
    return frozenset(("nosuid", *options[mount.access]))


def _numbers(device: int) -> tuple[int, int]:
    return os.major(device), os.minor(device)


def parse_mounts(text: str) -> tuple[Mounted, ...]:
    """The lines of a mountinfo file; targets with their escapes undone."""
    found = []
    for line in filter(None, text.split("\n")):
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        major, _, minor = fields[2].partition(":")
        kind, _, options = after.split(" ", 2)
        found.append(
            Mounted(
                target=_unescaped(fields[4]),
                device=(int(major), int(minor)),
                kind=kind,
                # Read-only may be the mount's or the file system's.
                options=frozenset(fields[5].split(",")),
                tied=any(word.startswith(PROPAGATED) for word in fields[6:]),
                size=next((word for word in options.split(",") if word.startswith("size=")), ""),
            )
        )
    return tuple(found)


def _unescaped(text: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, character)
    return text


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ValueError(f"{path} has more than {MAX_FILE} bytes")
    return data.decode("utf-8", "surrogateescape")


def _table(path: Path) -> dict[str, str]:
    # Not splitlines(): a name may hold what it takes for the end of a line.
    pairs = (line.partition(":") for line in _text(path).split("\n"))
    return {name: said.strip() for name, _, said in pairs}


def _limits(path: Path) -> dict[str, str]:
    """By name: soft and hard limit and unit, as /proc/PID/limits has them in columns of 26."""
    return {line[:26].strip(): line[26:].strip() for line in _text(path).splitlines()[1:]}


def _links(folder: Path) -> dict[str, str]:
    read: Callable[[Path], str] = os.readlink
    return {name: read(folder / name) for name in (*NAMESPACES, "user")}


def _inodes(root: Path, mounts: tuple[Mounted, ...]) -> dict[str, int]:
    """What lies at each place of its tree, as it sees it; none where that is not its own."""
    if not any(mounted.target == "/" and mounted.kind == "tmpfs" for mounted in mounts):
        return {}
    return {one.target: Path(f"{root}{one.target}").lstat().st_ino for one in mounts}


def _descriptors(folder: Path) -> dict[int, str]:
    """What each is open for; one that is closed meanwhile is left out."""
    found: dict[int, str] = {}
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            found[int(path.name)] = str(path.readlink())
    return found
