"""How providers are, and what happened."""

from __future__ import annotations

from typing import Literal

from .shapes import Shown


class RestRow(Shown, frozen=True, kw_only=True):
    """What of a plugin is not ready: `model` null where it is all of it. `until` is null where no
    time ends it.
    """

    model: str | None
    state: str
    kind: str | None
    why: str | None
    until: float | None


class HealthRow(Shown, frozen=True, kw_only=True):
    """How a provider is, as far as known without asking. `state` is `ok`, `failing` or `unknown`.

    `answered` and `failed` count the attempts of the last hour; `latency_ms` is the mean of its
    answers there, else of the last check.
    """

    plugin: str
    state: Literal["ok", "failing", "unknown"]
    detail: str | None
    latency_ms: float | None
    checked_at: float | None
    answered: int
    failed: int
    last_error_kind: str | None
    last_failed_at: float | None
    rests: list[RestRow]


class AttemptRow(Shown, frozen=True, kw_only=True):
    """One try of one target, as the log has it."""

    request_id: str
    capability: str
    target: str
    index: int
    outcome: str
    kind: str | None
    ms: float
    at: float
    tokens: int | None
    cost: str | None


class Bucket(Shown, frozen=True, kw_only=True):
    """What came of the attempts in one piece of time, beginning at `at` and `span_s` long."""

    at: float
    span_s: float
    answered: int
    failed: int
    mean_ms: float | None


class LogLine(Shown, frozen=True, kw_only=True):
    """One line: `at` as it was written, `source` who wrote it (`host`, `egress`, `denied`,
    `stdout`, ...), `text` escaped.
    """

    at: str
    source: str
    text: str
