"""Which targets rest, and for how long: passive, in memory, with the clock handed in.

A resting target is not hidden: ``plan.candidates`` moves it behind the ready ones and tries it when
nothing else is left. The restarts of a worker that dies are the supervisor's to limit, so a death
does not count here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from stockade_sdk.errors import ErrorKind, ProviderError

from .catalogue import Target

HOUR_S = 3_600.0
MAX_ENTRIES = 1_024  # full ids are free text, so the table has to be bounded

WHOLE_KEY = frozenset({ErrorKind.AUTH, ErrorKind.QUOTA})  # such an answer holds for every model
AT_ONCE = WHOLE_KEY | {ErrorKind.RATE_LIMITED, ErrorKind.MODEL_UNAVAILABLE}
IN_A_ROW = frozenset(
    {
        ErrorKind.NETWORK,
        ErrorKind.SERVER_ERROR,
        ErrorKind.OVERLOADED,
        ErrorKind.TIMEOUT,
        ErrorKind.MALFORMED_RESPONSE,
        ErrorKind.UNKNOWN,
    }
)


class Standing(msgspec.Struct, frozen=True):
    """Why a target or a plugin is not ready; ``until`` is on the clock of whoever made it."""

    state: Literal["cooling", "stopped"]
    until: float = 0.0
    why: str = ""


class Cooldowns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a target rests, in seconds; the progression is that of OpenClaw's auth profiles."""

    steps_s: tuple[float, ...] = (60.0, 300.0, 1_500.0, 3_600.0)
    quota_s: float = 5 * HOUR_S  # doubles with every failure
    quota_max_s: float = 24 * HOUR_S
    forget_s: float = 24 * HOUR_S  # failures further apart than this do not add up
    failures: int = 3  # in a row, of the kinds that one bad minute explains


class Entry(msgspec.Struct, frozen=True):
    """What is remembered of a target or a plugin: failures since its last success."""

    failures: int
    failed_at: float
    until: float = 0.0
    kind: ErrorKind = ErrorKind.UNKNOWN


def rest_s(kind: ErrorKind, failures: int, options: Cooldowns) -> float:
    """Seconds to rest after the ``failures``-th failure, where the vendor named no time."""
    if kind is ErrorKind.QUOTA:
        doublings = min(max(0, failures - 1), 16)
        return min(options.quota_s * 2.0**doublings, options.quota_max_s)
    return options.steps_s[min(max(0, failures - 1), len(options.steps_s) - 1)]


def after_failure(
    entry: Entry | None,
    kind: ErrorKind,
    retry_after_s: float | None,
    now: float,
    options: Cooldowns,
) -> Entry:
    """The entry after one more failure; of two ends the later one holds."""
    if entry is not None and now - entry.failed_at > options.forget_s:
        entry = None
    failures = entry.failures + 1 if entry else 1
    until = entry.until if entry else 0.0
    if retry_after_s is not None and retry_after_s > 0:
        until = max(until, now + min(retry_after_s, options.quota_max_s))
    elif kind in AT_ONCE:
        until = max(until, now + rest_s(kind, failures, options))
    elif failures >= options.failures:
        until = max(until, now + rest_s(kind, failures - options.failures + 1, options))
    return Entry(failures, now, until, kind)


class Breaker:
    """Remembers failures by target, and by plugin where they hold for its whole key.

    ``clock`` gives seconds that never go back. Not told of: cancellations, the caller's own
    mistakes, worker deaths.
    """

    def __init__(self, clock: Callable[[], float], options: Cooldowns | None = None) -> None:
        self._clock = clock
        self._options = options or Cooldowns()
        self._entries: dict[str, Entry] = {}  # by plugin/model, or by plugin

    def failed(self, target: Target, error: ProviderError) -> None:
        """Count a failure of ``target``; kinds that say nothing about it are passed over."""
        kind = error.kind
        if kind not in AT_ONCE and kind not in IN_A_ROW:
            return
        name = target.plugin if kind in WHOLE_KEY else target.name
        entry = self._entries.pop(name, None)  # put back at the end: the first one is the oldest
        if len(self._entries) >= MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[name] = after_failure(
            entry, kind, error.retry_after_s, self._clock(), self._options
        )

    def succeeded(self, target: Target) -> None:
        """Forget what was held against ``target`` and its plugin's key."""
        if self._entries:
            self._entries.pop(target.name, None)
            self._entries.pop(target.plugin, None)

    def reset(self, plugin: str) -> None:
        """Forget all of a plugin: its settings, secrets or version changed."""
        for name in [name for name in self._entries if name.partition("/")[0] == plugin]:
            del self._entries[name]

    def standings(self) -> Mapping[str, Standing]:
        """Who is resting now, by ``plugin/model`` or by plugin; absent means ready."""
        if not self._entries:
            return {}
        now = self._clock()
        return {
            name: Standing("cooling", entry.until, f"{entry.kind}, {entry.failures} in a row")
            for name, entry in self._entries.items()
            if entry.until > now
        }

    def entries(self) -> Mapping[str, Entry]:
        """Everything remembered, for a page or a store."""
        return dict(self._entries)
