"""What vendors did, and what has to follow from it for who rests: an oracle beside the product.

It reads the notes of vendors and callers, and the rules as `docs/reference/settings.md` has them: a
429 rests for its Retry-After; other failures rest once so many came in a row, and each that comes
after a rest takes the next step; one that comes during a rest changes nothing; a success clears
all. It never looks into the host.

When the host counted an outcome cannot be seen from outside, but between which times can: not
before the vendor had done what led to it, and not after the same request came to the next vendor or
its caller had the answer. What follows whenever it was is certain, and that alone is held against
the host; of the rest of the time nothing is said.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .flapping import RETRY_AFTER_S, Hit

FAILURES = 3  # in a row, until a target rests
STEPS_S = (0.3, 0.6)
FIRST_BYTE_S = 0.4
LONGEST_S = max(RETRY_AFTER_S, *STEPS_S)
EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Counted:
    """An outcome at a vendor, which the host counted at some time from ``since`` to ``until``."""

    mood: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Span:
    """A time for which something is certain."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Certain:
    """Of one vendor, each in order: when it surely rested; when a rest was surely over, so that
    nothing but a probe kept others away; when surely nothing was held against it.
    """

    resting: tuple[Span, ...]
    rested: tuple[Span, ...]
    ready: tuple[Span, ...]


def counted(hits: Sequence[Hit], began: float, ended: float) -> list[Counted]:
    """The outcomes of one request's ``hits``, in their order; the caller waited from ``began`` to
    ``ended``.

    A vendor that hangs is given up no sooner than `FIRST_BYTE_S` after the attempt began, or with
    the request; the attempt began after the hit before.
    """
    found = []
    started = began
    for hit, until in zip(hits, over_by(hits, ended), strict=True):
        since = started + FIRST_BYTE_S if hit.mood == "hang" else hit.done
        found.append(Counted(hit.mood, min(max(since, hit.done), until), until))
        started = hit.done
    return found


def over_by(hits: Sequence[Hit], ended: float) -> list[float]:
    """By when the host was done with each of a request's hits."""
    return [*(hit.arrived for hit in hits[1:]), ended] if hits else []


def certain(outcomes: Iterable[Counted]) -> Certain:
    """What follows from everything that one vendor did."""
    ordered = sorted(outcomes, key=lambda one: one.since)
    good = [Counted("good", 0.0, 0.0), *(one for one in ordered if one.mood == "good")]
    bad = [one for one in ordered if one.mood != "good"]
    rests = [rest for gap in _gaps(good) for rest in _rests(_within(bad, gap), gap)]
    return Certain(
        _merged(Span(rest.since, rest.until) for rest in rests),
        _merged(Span(rest.over, rest.quiet) for rest in rests),
        tuple(_cleared(good, bad)),
    )


@dataclass(frozen=True, slots=True)
class _Rest:
    """A rest that is certain from ``since`` to ``until``, and surely over from ``over`` to the next
    failure, if it was ``quiet`` until then.
    """

    since: float
    until: float
    over: float = EVER
    quiet: float = EVER


@dataclass(frozen=True, slots=True)
class _Gap:
    """A time without success: the last one before it was counted from ``since`` to ``cleared``, the
    next one not before ``following``.
    """

    since: float
    cleared: float
    following: float


def _gaps(good: Sequence[Counted]) -> Iterator[_Gap]:
    cleared = 0.0
    for one, following in pairwise([*good, Counted("good", EVER, EVER)]):
        cleared = max(cleared, one.until)
        if cleared < following.since:
            yield _Gap(one.since, cleared, following.since)


def _within(bad: Sequence[Counted], gap: _Gap) -> list[Counted]:
    """The failures that may have been counted in the gap, by their latest time."""
    first = bisect_left(bad, gap.since - 60.0, key=lambda one: one.since)  # no request is as long
    last = bisect_right(bad, gap.following, key=lambda one: one.since)
    found = [one for one in bad[first:last] if one.until >= gap.since]
    return sorted(found, key=lambda one: one.until)


def _rests(possible: Sequence[Counted], gap: _Gap) -> Iterator[_Rest]:
    """The rests within a gap."""
    sure = [one for one in possible if one.since > gap.cleared]
    limited = [one for one in possible if one.mood == "429"]
    for one in limited:
        if one in sure:
            yield _Rest(one.until, min(one.since + RETRY_AFTER_S, gap.following))
    for rest in _in_a_row(
        [one for one in possible if one.mood != "429"], [one for one in sure if one.mood != "429"]
    ):
        quiet = min([gap.following, *(one.since for one in possible if one.until > rest.over)])
        over = max([rest.over, *(one.until + RETRY_AFTER_S for one in limited)])
        yield _Rest(rest.since, min(rest.until, gap.following), over, quiet)


def _in_a_row(possible: Sequence[Counted], sure: Sequence[Counted]) -> Iterator[_Rest]:
    """Rests that failures make which add up; nothing more is said from the first one on of which
    it is not clear whether it came during a rest.
    """
    if len(sure) < FAILURES:
        return
    # At the earliest with those in the row that may have been cleared, at the latest without them.
    earliest, latest = sorted(one.since for one in possible)[FAILURES - 1], sure[FAILURES - 1].until
    step = 0
    while True:
        ends, over = earliest + STEPS_S[step], latest + STEPS_S[step]
        if latest >= ends:
            return
        after = [one for one in possible if one.until > ends]
        clear = all(one.since > over for one in after)
        yield _Rest(latest, ends, over if clear else EVER)
        if not after or not clear:
            return
        earliest, latest = min(one.since for one in after), after[0].until
        step = min(step + 1, len(STEPS_S) - 1)


def _cleared(good: Sequence[Counted], bad: Sequence[Counted]) -> Iterator[Span]:
    """From each success that came after every failure before it, to the next failure."""
    at, latest = 0, 0.0
    for one in good:
        while at < len(bad) and bad[at].since <= one.until:
            latest = max(latest, bad[at].until)
            at += 1
        if latest < one.since or at == 0:
            yield Span(one.until, bad[at].since if at < len(bad) else EVER)


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: one.since):
        if span.since >= span.until:
            continue
        if found and span.since <= found[-1].until:
            found[-1] = Span(found[-1].since, max(found[-1].until, span.until))
        else:
            found.append(span)
    return tuple(found)


def latest_ends(bad: Iterable[Counted], moments: Iterable[float]) -> Iterator[float]:
    """For each of these moments, in order, when the last rest ends that failures can have brought
    by then.
    """
    coming = iter(sorted(bad, key=lambda one: one.since))
    following = next(coming, None)
    reached = -LONGEST_S
    for at in moments:
        while following is not None and following.since <= at:
            reached = max(reached, following.until)
            following = next(coming, None)
        yield min(reached, at) + LONGEST_S


def covers(spans: Sequence[Span], at: float) -> bool:
    """Whether ``at`` lies within one of the spans, which are in order."""
    index = bisect_right(spans, at, key=lambda span: span.since) - 1
    return index >= 0 and at < spans[index].until
