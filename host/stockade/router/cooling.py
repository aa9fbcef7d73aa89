"""For how long what failed rests: pure, with the time handed in.

The progression is that of OpenClaw's auth profiles: 1, 5, 25, 60 minutes, an empty balance 5 hours
doubling to a day, forgotten after a day. What a failure is held against stands in ``scopes``.
"""

from __future__ import annotations

import msgspec

from stockade.settings import CooldownSettings
from stockade.state.learnt import Rest
from stockade_sdk.errors import ErrorKind

from .scopes import AT_ONCE, KINDS, read_name

MAX_DOUBLINGS = 16  # a float holds it; nobody rests that long
MAX_FAILURES = 1_000_000  # SQLite holds it; no progression has as many steps
MAX_BELIEVED = 1e12  # seconds or failures in a store; beyond it (and for NaN) it is garbage


class Entry(msgspec.Struct, frozen=True):
    """What is remembered of a scope: failures since its last success, and the end of its rest.

    Times are seconds of one clock. An ``until`` that is not after ``failed_at`` is no rest at all.
    """

    failures: int
    failed_at: float
    until: float
    kind: ErrorKind

    @property
    def rested(self) -> bool:
        """Whether its last failure made it rest, or met it resting."""
        return self.until > self.failed_at


def rest_s(kind: ErrorKind, failures: int, options: CooldownSettings) -> float:
    """Seconds to rest after the ``failures``-th failure, where the vendor named no time."""
    if kind is ErrorKind.QUOTA:
        doublings = min(max(0, failures - 1), MAX_DOUBLINGS)
        return min(options.quota_s * 2.0**doublings, options.quota_max_s)
    return options.steps_s[min(max(0, failures - 1), len(options.steps_s) - 1)]


def longest_s(options: CooldownSettings) -> float:
    """The longest rest there is; a vendor's Retry-After is cut to it as well."""
    return max(options.quota_max_s, *options.steps_s)


def named_s(retry_after_s: float | None, options: CooldownSettings) -> float | None:
    """Seconds that a vendor asks for, bounded; ``None`` where it names no time that could be."""
    if retry_after_s is None or not retry_after_s >= 0:  # NaN as well
        return None
    return min(retry_after_s, longest_s(options))


def forgotten(entry: Entry, now: float, options: CooldownSettings) -> bool:
    """Whether its failures are too long ago to add up with a new one."""
    return now - entry.failed_at > options.forget_s


def after_failure(
    entry: Entry | None,
    kind: ErrorKind,
    retry_after_s: float | None,
    now: float,
    options: CooldownSettings,
    *,
    at_once: bool = False,
) -> Entry:
    """The entry after one more failure; of two ends the later one holds, with what set it.

    A failure during a rest takes no further step: requests that were under way when it began tell
    of the same outage, and trying the least bad again must not put its end off for ever. A
    Retry-After of 0 asks for no rest, so such a refusal rests only when it adds up. ``at_once``
    makes a kind that has to add up rest at its first failure.
    """
    resting = entry is not None and entry.until > now
    counted = entry if entry is not None and _adds_up(entry, kind, now, options) else None
    named = named_s(retry_after_s, options)
    more = 0 if resting else 1
    failures = 1 if counted is None else min(counted.failures + more, MAX_FAILURES)
    if named is not None and (named > 0 or failures < options.failures):
        length = named
    elif counted is not None and resting:
        length = 0.0
    elif named is None and (at_once or kind in AT_ONCE):
        length = rest_s(kind, failures, options)
    elif failures >= options.failures or (counted is not None and counted.rested):
        length = rest_s(kind, max(1, failures - options.failures + 1), options)
    else:
        length = 0.0
    if entry is not None and entry.until > now + length:
        return Entry(entry.failures, now, entry.until, entry.kind)
    return Entry(failures, now, now + length, kind)


def _adds_up(entry: Entry, kind: ErrorKind, now: float, options: CooldownSettings) -> bool:
    """Whether a failure of ``kind`` is one more; an empty balance has a progression of its own."""
    alike = (entry.kind is ErrorKind.QUOTA) is (kind is ErrorKind.QUOTA)
    return alike and not forgotten(entry, now, options)


def kept(entry: Entry, ahead_s: float) -> Rest:
    """The entry for a store; ``ahead_s`` is how far the wall clock is ahead of the entry's."""
    return Rest(entry.failures, entry.failed_at + ahead_s, entry.until + ahead_s, entry.kind.value)


def restored(
    name: str, rest: Rest, now: float, ahead_s: float, options: CooldownSettings
) -> Entry | None:
    """The entry that was kept for a scope; ``None`` where it is garbage, or forgotten by ``now``.

    The wall clock may have been set in between. What seems to have failed in the future failed
    now, and an end that no rule sets becomes that of the progression, so that nothing rests for
    longer than it could have.
    """
    numbers = (rest.failures, rest.failed_at, rest.until)
    if not all(type(one) in (int, float) and abs(one) < MAX_BELIEVED for one in numbers):
        return None
    held = read_name(name)
    if held is None or rest.kind not in KINDS[held.scope] or rest.failures < 1:
        return None
    kind, failures = ErrorKind(rest.kind), int(min(rest.failures, MAX_FAILURES))
    failed_at = min(rest.failed_at - ahead_s, now)
    length = max(0.0, rest.until - rest.failed_at)
    if length > longest_s(options):
        length = rest_s(kind, failures, options)
    entry = Entry(failures, failed_at, failed_at + length, kind)
    return None if forgotten(entry, now, options) and entry.until <= now else entry
