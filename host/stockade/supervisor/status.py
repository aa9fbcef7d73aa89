"""What a supervisor tells of its plugins: values for `list`, `inspect`, `top` and the logs."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class PluginState(enum.StrEnum):
    """What a plugin's workers amount to."""

    STOPPED = "stopped"  # none; the next call starts one
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"  # given up until `stockade enable`


class What(enum.StrEnum):
    """The kinds of news."""

    STARTED = "started"
    READY = "ready"
    ENDED = "ended"  # as decided: idle, drained, stopped
    DIED = "died"
    GAVE_UP = "gave_up"


@dataclass(frozen=True, slots=True)
class PluginEvent:
    """One piece of news, with its reason for people."""

    plugin: str
    what: What
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker; figures are None where the kernel does not tell. `restarts` is its plugin's."""

    state: str
    pid: int | None
    rss_bytes: int | None
    cpu_seconds: float | None
    restarts: int
    uptime_s: float
    in_flight: int
    layers: tuple[str, ...]
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginStatus:
    """One plugin. `deaths` are those within the window that counts."""

    state: PluginState
    workers: tuple[WorkerStatus, ...] = ()
    waiting: int = 0
    last_error: str = ""
    deaths: int = 0
