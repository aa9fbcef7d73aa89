"""`workers.json` in a host's run folder: its workers, for `inspect` and others in other processes.

Written whole and renamed into place whenever a worker becomes ready or has gone. Whoever reads it
looks first whether its host is still there, and then whether the process is still the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from stockade.process import is_held, read_usage, started_at

__all__ = ["Posted", "posted_in", "write_board"]

FILE: Final = "workers.json"
MAX_BYTES: Final = 1024 * 1024


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """One worker. `born` is its start in the kernel's ticks since boot, `since` in seconds since
    1970; `landlock` is 0 where it is not known.
    """

    plugin: str
    pid: int
    born: int
    since: float
    tier: str
    layers: tuple[str, ...]
    restarts: int
    limits: dict[str, str] = {}

    @property
    def is_there(self) -> bool:
        """Whether this very process still runs."""
        usage = read_usage(self.pid)
        return (
            usage is not None
            and usage.state not in ("Z", "X")
            and started_at(self.pid) == (self.born)
        )


def write_board(folder: Path, workers: Iterable[Posted]) -> None:
    """Say which workers there are. A full disk loses this, never a request."""
    draft = folder / f"{FILE}.new"
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:  # noqa: PTH123  # a descriptor
            file.write(msgspec.json.encode(list(workers)))
        draft.rename(folder / FILE)
    except OSError:
        return


def posted_in(run: Path) -> list[Posted]:
    """The workers of every host that runs over the home with this run folder."""
    found: list[Posted] = []
    for folder in sorted(run.glob("host-*")):
        try:
            if not is_held(folder):
                continue
            with (folder / FILE).open("rb") as file:
                found += msgspec.json.decode(file.read(MAX_BYTES), type=list[Posted])
        except (OSError, msgspec.MsgspecError):
            continue
    return [worker for worker in found if worker.is_there]
