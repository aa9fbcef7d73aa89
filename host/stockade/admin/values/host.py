"""The host itself, and work that goes on by itself."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import field

from .shapes import Shown


class Status(Shown, frozen=True, kw_only=True):
    """The running host. `tier` is null until it was tried."""

    version: str
    home: str
    pid: int
    started_at: float
    uptime_s: float
    url: str | None
    tier: str | None
    draining: bool
    in_flight: int
    plugins: int
    workers: int
    warnings: list[str] = field(default_factory=list)


JobKind = Literal["scan", "health", "install", "upgrade", "rollback", "gc", "verify", "doctor"]


class Job(Shown, frozen=True, kw_only=True):
    """Work that goes on by itself: a scan, a health check, an install, and the like.

    `result` is what the work came to, `error` in words why it came to nothing; `steps` are
    sentences on what is done, the newest last, at most 200.
    """

    id: str
    kind: JobKind
    state: Literal["running", "done", "failed"]
    started_at: float
    ended_at: float | None = None
    done: int = 0
    total: int | None = None
    steps: list[str] = field(default_factory=list)
    result: Any = None
    error: str | None = None


class Check(Shown, frozen=True, kw_only=True):
    """One line of `doctor`: a tier, a limit or a part, and what is to be done where it is not ok.

    `name` and `detail` are as `stockade doctor` prints them.
    """

    name: str
    ok: bool | None
    detail: str = ""
    remedy: str = ""


class Doctor(Shown, frozen=True, kw_only=True):
    """What this machine can enforce: `tier` is the strongest that workers get."""

    tier: str
    checks: list[Check]
    problems: list[str] = field(default_factory=list)
