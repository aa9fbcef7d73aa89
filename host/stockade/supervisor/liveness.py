"""Whether a worker still lives: what a watcher saw, judged. Pure; times in seconds of one clock.

A plugin that computes for a minute in its event loop is slow, not dead: while calls are in flight
an unanswered ping alone ends nobody, for each call has a deadline of its own. Only when one of
those has passed and the worker does not even answer the cancellation is the silence held against
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STOPPED_S: Final = 1.0  # held by SIGSTOP for so long: nobody debugs a plugin in here
CANCEL_GRACE_S: Final = 1.0  # from a call's cancellation to its answer, when pings fail as well
CLOG_S: Final = 10.0  # from a call's cancellation to its answer, when pings are answered


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a worker at `now`; None where there is nothing to see."""

    now: float
    in_flight: int  # answers owed, abandoned ones included
    stopped_since: float | None = None
    ping_since: float | None = None  # when the ping was sent that is still unanswered
    active_at: float = 0.0  # when a call last ended
    abandoned_since: float | None = None  # when the oldest call was cancelled that is unanswered


@dataclass(frozen=True, slots=True)
class Unresponsive:
    """End it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Clogged:
    """Give it no more calls, and replace it."""

    reason: str


def judge(sight: Sight, *, ping_timeout_s: float) -> Unresponsive | Clogged | None:
    """The verdict on what was seen, None for a worker in health."""
    now = sight.now
    if sight.stopped_since is not None and now - sight.stopped_since >= STOPPED_S:
        return Unresponsive("its process was stopped (SIGSTOP) and stood still")
    silent = sight.ping_since
    if silent is not None and sight.in_flight == 0:
        quiet = now - max(silent, sight.active_at)
        if quiet >= ping_timeout_s:
            return Unresponsive(f"it was idle and answered no ping for {quiet:.1f} s")
    if sight.abandoned_since is None:
        return None
    owed = now - sight.abandoned_since
    if owed >= CANCEL_GRACE_S and silent is not None and now - silent >= CANCEL_GRACE_S:
        return Unresponsive(
            "its event loop is blocked: a call passed its deadline, and neither the cancellation "
            "nor a ping was answered"
        )
    if owed >= CLOG_S:
        return Clogged(f"it left a cancelled call unanswered for {owed:.0f} s")
    return None
