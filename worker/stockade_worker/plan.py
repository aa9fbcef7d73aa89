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

EXIT_PLAN = 70  # exit code: the plan could not be read
EXIT_STEP = 71  # exit code: a step of it failed, its name is on stderr
EXIT_LOAD = 72  # exit code: the plugin could not be loaded, the reason went to the host before


class Limits(NamedTuple):
    """What setrlimit(2) is told; sizes in bytes."""

    memory_bytes: int
    open_files: int
    file_size_bytes: int


class Plan(NamedTuple):
    """How one child is to be confined, and how it is to say who it is.

    ``launch`` is a random word that the hello repeats; ``layers`` are the steps to carry out, in
    order, by the names of ``stockade_worker.confine``; ``scratch`` is the child's private folder
    for temporary files.
    """

    plugin: str
    digest: str
    launch: str
    host_pid: int
    listen_fd: int
    scratch: str
    limits: Limits
    layers: tuple[str, ...]

    def to_json(self) -> bytes:
        """As the child reads it."""
        fields = {**self._asdict(), "limits": self.limits._asdict()}
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Plan:
        """The plan back; raises TypeError or ValueError on anything else than :meth:`to_json`
        wrote.
        """
        fields: dict[str, Any] = json.loads(data)
        limits = Limits(**fields.pop("limits"))
        return cls(**{**fields, "limits": limits, "layers": tuple(fields["layers"])})
