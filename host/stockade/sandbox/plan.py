"""Grants, limits and what the machine can → the plan that a child carries out. Pure and printable.

Starts no process and opens no file: see ``stockade_worker.confine`` for the steps themselves.
"""

from __future__ import annotations

from stockade_sdk.limits import Limits
from stockade_worker import plan as worker

TIER = "none"
"""What a worker reaches today: its own process with limits, and no wall of the kernel's."""

LAYERS = ("parent_death", "session", "descriptors", "scratch", "rlimits", "no_new_privileges")
"""The steps of a start, in order; each must succeed. Their names are those of the worker's."""

WORDS = {
    "parent_death": "ends with its host (PR_SET_PDEATHSIG)",
    "session": "own session and process group, ended as a whole",
    "descriptors": "no descriptor but its standard three and its socket",
    "scratch": "own working folder, files for itself only",
    "rlimits": "memory, open files and file size limited (setrlimit)",
    "no_new_privileges": "no privileges by executing a file (no_new_privs)",
}


def plan_worker(
    *,
    plugin: str,
    digest: str,
    limits: Limits,
    launch: str,
    host_pid: int,
    listen_fd: int,
    scratch: str,
) -> worker.Plan:
    """The plan of one start. ``launch`` is its random word, ``scratch`` its private folder."""
    return worker.Plan(
        plugin=plugin,
        digest=digest,
        launch=launch,
        host_pid=host_pid,
        listen_fd=listen_fd,
        scratch=scratch,
        limits=worker.Limits(
            memory_bytes=limits.memory_bytes,
            open_files=limits.open_files,
            file_size_bytes=limits.scratch_bytes,
        ),
        layers=LAYERS,
    )
