"""Grants, limits and what the machine can → the plan that a child carries out. Pure and printable.

Starts no process and opens no file: see ``stockade_worker.confine`` for the steps themselves.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from stockade_sdk.limits import Limits
from stockade_worker import plan as worker
from stockade_worker.plan import DEVICE, EXECUTE, FULL, NONE, READ, RESTRICTED, WRITE

from .layout import Layout
from .paths import Found

__all__ = [
    "WORDS",
    "Grants",
    "Own",
    "Places",
    "compare_acts",
    "expected_acts",
    "layers_of",
    "places_of",
    "plan_worker",
]

BASE, PLUGIN, PACKAGES, DATA, SCRATCH = (
    "/stockade/base",
    "/stockade/plugin",
    "/stockade/packages",
    "/stockade/data",
    "/tmp",  # noqa: S108  # the worker's own
)
KIB: Final = 1024
BYTES_PER_INODE: Final = 16 * KIB  # of scratch: 4,096 files for the 64 MiB that are the default
MAX_FILE_BYTES: Final = 4 * 1024**3  # one file in a granted folder; RLIMIT_FSIZE is for all files

_FIRST: Final = ("parent_death", "session")
_LAST: Final = (
    "capabilities",
    "descriptors",
    "rlimits",
    "no_new_privileges",
    "landlock_rules",
    "seccomp_filter",
    "lockdown",
)
WORDS: Final = {
    "parent_death": "ends with its host (PR_SET_PDEATHSIG)",
    "session": "own session and process group, ended as a whole",
    "user_namespace": "own user namespace: nobody else's ids",
    "hostname": "own processes, network, IPC and host name (namespaces)",
    "loopback": "own loopback interface, for the tunnel",
    "file_tree": "own file tree: what the plan names, and nothing else (mount namespace)",
    "doors": "its folders held open, every other path as it is",
    "own_packages": "packages of its own",
    "descriptors": "no descriptor but its standard three and its socket",
    "scratch": "own working folder, files for itself only",
    "affinity": "a limited number of processors (sched_setaffinity)",
    "bounding_set": "no capability by executing a file",
    "user": "a user of its own",
    "capabilities": "no capabilities",
    "rlimits": "memory, open files and file size limited (setrlimit)",
    "no_new_privileges": "no privileges by executing a file (no_new_privs)",
    "landlock_rules": "the plan's paths and no others (Landlock)",
    "seccomp_filter": "listed system calls only (seccomp)",
    "lockdown": "no new sockets once it is connected (seccomp)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The folders of one start: ours, the plugin's, its packages', its data, its scratch."""

    base: Found
    plugin: Found
    packages: Found | None = None
    data: Found | None = None
    scratch: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What of a grant shapes the walls. `paths` are those of the host's: (found, READ or WRITE).

    `data` is READ, WRITE, or "" where the plugin has no folder.
    """

    paths: tuple[tuple[Found, str], ...] = ()
    data: str = ""
    subprocess: bool = False
    tunnel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a worker finds its things."""

    base: str
    scratch: str
    plugin: str
    packages: str | None = None
    data: str | None = None
    doors: tuple[str, ...] = field(default=())


def layers_of(
    tier: str, *, as_root: bool, tunnel: bool = False, cpus: bool = False
) -> tuple[str, ...]:
    """The steps of a start in a tier, in order; each must succeed."""
    middle = ("scratch", *(("affinity",) if cpus else ()))
    drop = ("bounding_set", *(("user",) if as_root else ()))
    if tier == FULL:
        walls = () if as_root else ("user_namespace",)
        loopback = ("loopback",) if tunnel else ()
        return (*_FIRST, *walls, "hostname", *loopback, "file_tree", *middle, *drop, *_LAST)
    if tier == RESTRICTED:
        return (*_FIRST, "doors", *middle, *(drop if as_root else ()), *_LAST)
    plain = ("own_packages", "descriptors", *middle, "rlimits", "no_new_privileges")
    return (*_FIRST, *plain)


def places_of(tier: str, own: Own) -> Places:
    """Where each folder is seen: under names of ours, through a held descriptor, or as it is."""
    if tier == FULL:
        return Places(
            base=BASE,
            scratch=SCRATCH,
            plugin=PLUGIN,
            packages=PACKAGES if own.packages else None,
            data=DATA if own.data else None,
        )
    folders = (own.base, own.scratch, own.plugin, own.packages, own.data)
    real = [found.path for found in folders if found is not None]
    seen = iter(real)
    if tier == RESTRICTED:
        seen = iter([f"/proc/self/fd/{number}" for number, _ in enumerate(real, worker.DOOR_FD)])
    return Places(
        base=next(seen),
        scratch=next(seen),
        plugin=next(seen),
        packages=next(seen) if own.packages else None,
        data=next(seen) if own.data else None,
        doors=tuple(real) if tier == RESTRICTED else (),
    )


def plan_worker(
    *,
    plugin: str,
    digest: str,
    launch: str,
    tier: str,
    limits: Limits,
    layout: Layout,
    own: Own,
    grants: Grants,
    uid: int = -1,
    cpus: tuple[int, ...] = (),
    program: str = "",
    probe: bool = False,
) -> worker.Plan:
    """The plan of one start. `launch` is its random word; `uid` a user of its own for the worker of
    a host that is root, -1 where it stays the host's; `program` a file of the plugin's, below its
    folder, that runs in place of Python.
    """
    as_root = uid >= 0
    places = places_of(tier, own)
    run = f"{places.plugin}/{program}" if program else ""
    most_file = MAX_FILE_BYTES if grants.data or grants.paths else limits.scratch_bytes
    return worker.Plan(
        plugin=plugin,
        digest=digest,
        launch=launch,
        tier=tier,
        layers=layers_of(tier, as_root=as_root, tunnel=grants.tunnel, cpus=bool(cpus)),
        base=places.base,
        scratch=places.scratch,
        limits=worker.Limits(
            memory_bytes=limits.memory_bytes,
            open_files=limits.open_files,
            file_size_bytes=max(limits.scratch_bytes, most_file),
            # Counted per user: only where the user is the worker's alone.
            processes=limits.processes if as_root or tier == FULL else 0,
        ),
        mounts=_mounts(layout, own, grants, as_root=as_root) if tier == FULL else (),
        links=layout.links if tier == FULL else (),
        blanks=layout.blanks if tier == FULL else (),
        paths=_paths(tier, layout, places, grants, run) if tier != NONE else (),
        scratch_bytes=limits.scratch_bytes,
        scratch_inodes=max(64, limits.scratch_bytes // BYTES_PER_INODE),
        uid=uid if tier != NONE else -1,
        gid=uid if tier != NONE else -1,
        cpus=cpus,
        doors=places.doors,
        subprocess=grants.subprocess,
        tunnel=grants.tunnel,
        program=run,
        probe=probe,
    )


def _seen(layout: Layout, grants: Grants) -> tuple[tuple[str, Found], ...]:
    """What of the machine a worker with these grants sees."""
    found = [*layout.needed]
    if grants.tunnel:
        found += layout.certificates
    if grants.subprocess:
        found += layout.programs
    return tuple(dict(found).items())


def _mounts(layout: Layout, own: Own, grants: Grants, *, as_root: bool) -> tuple[worker.Mount, ...]:
    """Every mount, what lies inside another after it."""
    mounts = [_mount(one, target) for target, one in _seen(layout, grants)]
    mounts += [_mount(one, target, DEVICE) for target, one in layout.devices]
    mounts += [_mount(own.base, BASE), _mount(own.plugin, PLUGIN)]
    if own.packages is not None:
        mounts.append(_mount(own.packages, PACKAGES))
    if own.data is not None:
        mounts.append(_mount(own.data, DATA, grants.data, mapped=as_root))
    mounts += [_mount(one, one.path, access, mapped=as_root) for one, access in grants.paths]
    return tuple(sorted(mounts, key=lambda mount: mount.target.count("/")))


def _mount(found: Found, target: str, access: str = READ, *, mapped: bool = False) -> worker.Mount:
    owner, group = (found.owner, found.group) if mapped else (-1, -1)
    return worker.Mount(found.path, target, found.device, found.inode, access, owner, group)


def _paths(
    tier: str, layout: Layout, places: Places, grants: Grants, run: str
) -> tuple[worker.Path, ...]:
    end = "/." if tier == RESTRICTED else ""  # a descriptor's link is to be followed, and no other
    needed = {target for target, _ in layout.needed}
    paths = [
        worker.Path(target if tier == FULL else found.path, READ if target in needed else EXECUTE)
        for target, found in _seen(layout, grants)
    ]
    paths += [worker.Path(target, WRITE) for target, _ in layout.devices]
    ours = (places.base, places.plugin, places.packages)
    paths += [worker.Path(place + end) for place in ours if place is not None]
    if run:
        paths.append(worker.Path(run, EXECUTE))  # the one file, and not what lies beside it
    paths.append(worker.Path(places.scratch + end, WRITE))
    if places.data is not None:
        paths.append(worker.Path(places.data + end, grants.data))
    paths += [worker.Path(found.path, access) for found, access in grants.paths]
    return tuple(paths)


_DENIED: Final = frozenset((errno.EPERM, errno.EACCES))
_HIDDEN: Final = frozenset((*_DENIED, errno.ENOENT, errno.EROFS))
_NO_CALL: Final = frozenset((*_DENIED, errno.ENOSYS))
_WENT: Final = frozenset((0,))


def expected_acts(plan: worker.Plan) -> dict[str, frozenset[int]]:
    """What `stockade_worker.attest` must find: each act with the errnos that are right, 0 for one
    that goes. Empty for a tier without walls, where nothing is tried.
    """
    if plan.tier == NONE:
        return {}
    executes = bool(plan.subprocess or plan.program)
    return {
        "read_outside": _HIDDEN,
        "read_packages": _WENT,
        "write_packages": _HIDDEN,
        "write_scratch": _WENT,
        "list_root": _DENIED,
        "list_packages": _WENT,
        "change_mode": _DENIED,
        "internet_socket": frozenset((*_DENIED, errno.EAFNOSUPPORT)),
        "netlink_socket": frozenset((*_DENIED, errno.EAFNOSUPPORT)),
        "unix_socket": frozenset((*_DENIED, errno.EAFNOSUPPORT)),
        "socket_pair": _WENT,
        "fork": _WENT if plan.subprocess else _DENIED,
        "thread": _WENT,
        "execute": frozenset((errno.ENOENT, errno.EACCES)) if executes else _DENIED,
        "new_namespace": _DENIED,
        "mount": _DENIED,
        "trace": _DENIED,
        "load_program": _NO_CALL,
        "ring": _NO_CALL,
        "read_keyring": _NO_CALL,
    }


def compare_acts(plan: worker.Plan, acts: Mapping[str, int]) -> list[str]:
    """Every act whose outcome is not what the plan makes of it."""
    expected = expected_acts(plan)
    if set(acts) != set(expected):
        return ["it tried other acts than it was to try"]
    return [
        f"{name} {'went' if number == 0 else f'failed with errno {number}'}"
        for name, number in acts.items()
        if number not in expected[name]
    ]
