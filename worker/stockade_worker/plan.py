"""The confinement plan: what the host decided, as a plain value that the child carries out.

The host computes it (``stockade.sandbox.plan``), sends it as JSON on an inherited pipe, and later
compares what the kernel shows with it. The one module of the worker that the host imports; standard
library only, since the child reads it before anything else is importable.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

MALLOC_ENVIRONMENT = {
    # glibc maps and unmaps a block of 1 MiB for every message otherwise: 2 ms instead of 0.5 a
    # round trip (mallopt(3)).
    "MALLOC_MMAP_THRESHOLD_": "67108864",
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_ARENA_MAX": "2",  # 64 MiB of address space for every further thread otherwise
}
MAX_PLAN_BYTES = 64 * 1024

# The child's descriptors beside the standard three, at fixed places.
LISTEN_FD = 3  # the listening UNIX socket that the host connects to
PLAN_FD = 4  # a pipe with the plan; closed once it is read
TUNNEL_FD = 5  # a connected UNIX socket to the egress; only where the plan has a tunnel
DOOR_FD = 10  # the first of the folders that the plan holds open

EXIT_PLAN = 70  # exit code: the plan could not be read
EXIT_STEP = 71  # exit code: a step of it failed, its name is on stderr
EXIT_LOAD = 72  # exit code: the plugin could not be loaded, the reason went to the host before
EXIT_BEGIN = 73  # exit code: it could not even begin to read its plan

# What goes between a host and its nursery, on a SOCK_SEQPACKET pair.
FORK_REQUEST = "<QB"  # number, flags; with descriptors: plan, listener, stdout, stderr, tunnel
FORK_REPLY = "<QBq"  # number, one of the three below, and pid, errno or wait status
FORKED, FAILED, ENDED = 0, 1, 2  # with a pidfd of the child; the fork failed; the child has ended
WITH_NAMESPACES = 1  # flag

FULL, RESTRICTED, NONE = "full", "restricted", "none"  # tiers, strongest first

# What a path may be used for, each with READ; DEVICE is for mounts of single device nodes.
READ, WRITE, EXECUTE, DEVICE = "read", "write", "execute", "device"


class Limits(NamedTuple):
    """What setrlimit(2) is told; sizes in bytes. ``processes`` counts threads too; 0: not set."""

    memory_bytes: int
    open_files: int
    file_size_bytes: int
    processes: int = 0


class Mount(NamedTuple):
    """A file or folder of the host's that is seen inside, with all that is mounted below it.

    ``source`` holds no link; ``device`` and ``inode`` are what the host found there, and what is
    mounted must be the same. ``owner`` and ``group`` are the ids on the disk that become the
    worker's own inside (-1: ids stay as they are).
    """

    source: str
    target: str
    device: int
    inode: int
    access: str = READ
    owner: int = -1
    group: int = -1


class Path(NamedTuple):
    """A path as the worker sees it, and what Landlock lets it be used for."""

    path: str
    access: str = READ


class Plan(NamedTuple):
    """How one child is to be confined, and how it is to say who it is.

    ``launch`` is a random word that the hello repeats; ``layers`` are the steps to carry out, in
    order, by the names of ``stockade_worker.confine``. ``base`` is where the packages of ours are
    seen after them, ``scratch`` the private folder for temporary files. ``mounts``, ``links``
    (name, what it points to) and ``blanks`` (folders covered by empty ones) make the root of a
    worker with namespaces, ``paths`` what Landlock allows. ``uid`` and ``gid`` are what it becomes,
    -1 where it stays what it is. ``cpus`` are the processors it may use, none: all.
    ``doors`` are folders that are opened while everything is reachable and used as
    ``/proc/self/fd/N`` from then on, from ``DOOR_FD`` up, where there are no mounts of one's own.
    ``program`` is the file that is executed in place of the plugin's module, as it is seen after
    the steps; "" for Python. ``probe``: try the steps, tell how it went, and leave.
    """

    plugin: str
    digest: str
    launch: str
    tier: str
    layers: tuple[str, ...]
    base: str
    scratch: str
    limits: Limits
    mounts: tuple[Mount, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    blanks: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    scratch_bytes: int = 0
    scratch_inodes: int = 0
    uid: int = -1
    gid: int = -1
    cpus: tuple[int, ...] = ()
    doors: tuple[str, ...] = ()
    subprocess: bool = False
    tunnel: bool = False
    program: str = ""
    probe: bool = False

    def to_json(self) -> bytes:
        """As the child reads it."""
        fields = {**self._asdict(), "limits": self.limits._asdict()}
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Plan:
        """The plan back; raises TypeError, KeyError or ValueError on anything else than
        :meth:`to_json` wrote.
        """
        fields: dict[str, Any] = json.loads(data)
        fields["limits"] = Limits(**fields["limits"])
        fields["mounts"] = tuple(Mount(*one) for one in fields["mounts"])
        fields["paths"] = tuple(Path(*one) for one in fields["paths"])
        fields["links"] = tuple((name, points) for name, points in fields["links"])
        for name in ("layers", "blanks", "cpus", "doors"):
            fields[name] = tuple(fields[name])
        return cls(**fields)
