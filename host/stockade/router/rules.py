"""What follows the outcome of an attempt: pure, with the time handed in.

``begin`` and ``after`` walk a plan under the one deadline of its request. What a kind of error
leads to stands in the table ``AFTER`` and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from stockade.errors import UsageError
from stockade.settings import RoutingPolicy
from stockade_sdk.errors import ErrorKind, ProviderError

from .catalogue import Target
from .scopes import WHOLE_KEY

MIN_ATTEMPT_S = 0.005  # less than this is spent on the way to a worker and back
MAX_WAIT_S = 5.0  # a vendor's Retry-After beyond this is an answer, not a pause
MAX_BACKOFF_S = 5.0
MAX_DOUBLINGS = 3
MAX_EXPONENT = 64  # a float holds it; nobody waits that long
BACKOFF_S: Mapping[ErrorKind, float] = (
    MappingProxyType(  # first pauses, as WorkClaw's failover has them
        {
            ErrorKind.RATE_LIMITED: 1.2,
            ErrorKind.OVERLOADED: 1.2,
            ErrorKind.TIMEOUT: 0.7,
            ErrorKind.NETWORK: 0.4,
            ErrorKind.SERVER_ERROR: 0.4,
        }
    )
)


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a deadline is shared out, and how the same target is asked again.

    ``share`` of the rest is for a target with others behind it, all its tries together;
    ``attempt_s`` is the longest for one try. ``retries`` is how often a target is asked again
    before the next one, for the kinds that may pass (None: never, but see ``retries_of``);
    ``backoff_s`` stands in place of the first pauses. Raises UsageError for what could never be
    kept.
    """

    share: float = 0.6
    attempt_s: float | None = None
    retries: int | None = None
    backoff_s: float | None = None
    max_backoff_s: float = MAX_BACKOFF_S

    def __post_init__(self) -> None:
        first = 0.0 if self.backoff_s is None else self.backoff_s
        good = {
            "share is above 0 and at most 1": 0 < self.share <= 1,
            "attempt_s is above 0": self.attempt_s is None or self.attempt_s > 0,
            "retries is not below 0": self.retries is None or self.retries >= 0,
            "backoff_s is from 0 to max_backoff_s": 0 <= first <= self.max_backoff_s < math.inf,
        }
        broken = [rule for rule, kept in good.items() if not kept]
        if broken:
            raise UsageError(f"no such policy: {self}", remedy=f"see that {'; '.join(broken)}")


class Rule(msgspec.Struct, frozen=True):
    """What a kind of error leads to.

    ``may_pass``: the same target may answer a moment later. ``retries`` is how often it is asked
    again by default, where no other target is left.
    """

    goes_on: bool
    may_pass: bool = False
    retries: int = 0


NEXT, STOP = Rule(goes_on=True), Rule(goes_on=False)
RETRY = Rule(goes_on=True, may_pass=True, retries=1)
# Whoever is late has had its time: only an operator's policy gives it more.
LATE = Rule(goes_on=True, may_pass=True)
# No answer was begun, and a network is often back within seconds; as WorkClaw's failover has it.
# Before the next target it would keep a ready one waiting, so only where none is left.
PERSIST = Rule(goes_on=True, may_pass=True, retries=5)

AFTER: Mapping[ErrorKind, Rule] = MappingProxyType(
    {
        ErrorKind.AUTH: NEXT,
        ErrorKind.QUOTA: NEXT,
        ErrorKind.RATE_LIMITED: RETRY,  # by default only where the vendor says when, and soon
        ErrorKind.MODEL_UNAVAILABLE: NEXT,
        ErrorKind.CONTEXT_LENGTH: STOP,  # but see `_larger`
        ErrorKind.CONTENT_FILTER: STOP,  # the caller's
        ErrorKind.INVALID_REQUEST: STOP,  # the caller's
        ErrorKind.UNSUPPORTED: STOP,  # the caller's
        ErrorKind.TIMEOUT: LATE,
        ErrorKind.NETWORK: PERSIST,
        ErrorKind.OVERLOADED: RETRY,
        ErrorKind.SERVER_ERROR: RETRY,
        ErrorKind.MALFORMED_RESPONSE: RETRY,
        ErrorKind.PERMISSION_DENIED: STOP,  # a fallback's answer would hide that a grant is missing
        ErrorKind.OVER_BUDGET: NEXT,
        ErrorKind.WORKER_DIED: RETRY,  # on a new worker
        ErrorKind.OUT_OF_MEMORY: NEXT,  # a new worker would meet the same end
        ErrorKind.PROTOCOL: NEXT,
        ErrorKind.CANCELLED: STOP,
        ErrorKind.UNKNOWN: NEXT,
    }
)


class Try(msgspec.Struct, frozen=True):
    """One attempt to make: wait ``delay_s``, then call ``target`` for at most ``timeout_s``.

    ``rest`` are the targets behind it, ``tries`` counts from 1 on the same target. On the caller's
    clock, ``until`` is the end of the target's share, ``deadline`` that of the request. ``first``:
    no other target was tried before.
    """

    target: Target
    rest: tuple[Target, ...]
    deadline: float
    until: float
    timeout_s: float
    delay_s: float = 0.0
    tries: int = 1
    first: bool = True


class Return(msgspec.Struct, frozen=True):
    """The answer stands."""


class Fail(msgspec.Struct, frozen=True):
    """Nothing more to try; the error to show is the last one or the first target's."""

    show_last: bool


RETURN = Return()
SHARED = Policy()


def for_route(route: RoutingPolicy | None, policy: Policy) -> Policy:
    """``policy``, with what the operator said of a route's attempts in its place."""
    if route is None or (route.timeout_s is None and route.retries is None):
        return policy
    return replace(
        policy,
        attempt_s=policy.attempt_s if route.timeout_s is None else route.timeout_s,
        retries=policy.retries if route.retries is None else route.retries,
    )


def retries_of(rule: Rule, policy: Policy, *, last: bool) -> int:
    """How often the same target is asked again, if the failure may pass.

    ``last``: no other target is left, so the table's own number holds where the policy's is lower.
    A policy of 0 asks nobody again.
    """
    if policy.retries is None:
        return rule.retries if last else 0
    return max(policy.retries, rule.retries) if last and policy.retries else policy.retries


def doubled_s(first_s: float, retry: int, most_s: float) -> float:
    """The pause before the ``retry``-th retry (from 0): ``first_s``, doubled up to ``most_s``."""
    return min(first_s * 2.0 ** min(retry, MAX_EXPONENT), most_s)


def backoff_s(kind: ErrorKind, retry: int, policy: Policy = SHARED) -> float:
    """Seconds before the ``retry``-th retry (from 0) of the same target, before any jitter."""
    first_s = BACKOFF_S.get(kind, 0.0)
    if policy.backoff_s is not None and first_s:
        return doubled_s(policy.backoff_s, retry, policy.max_backoff_s)
    return doubled_s(first_s, min(retry, MAX_DOUBLINGS), policy.max_backoff_s)


def begin(
    targets: tuple[Target, ...], now: float, timeout_s: float, policy: Policy = SHARED
) -> Try:
    """The first attempt. Raises UsageError where ``timeout_s`` is not above 0."""
    if not timeout_s > 0:  # NaN as well
        raise UsageError(
            f"a request cannot be answered within {timeout_s} s",
            remedy="give a timeout above 0 seconds",
        )
    return _ask(targets, now, now + timeout_s, policy, first=True)


def after(
    error: ProviderError | None,
    at: Try,
    now: float,
    *,
    delivered: bool = False,
    jitter: float = 1.0,
    policy: Policy = SHARED,
    rests_until: float = 0.0,
) -> Return | Try | Fail:
    """What follows the outcome of ``at``; ``None`` is an answer.

    ``delivered``: some output has reached the caller, so nothing else can take its place.
    ``jitter`` is a random number from 0 to 1. Until ``rests_until`` the breaker holds the target
    back: it is not asked again beyond what the policy says.
    """
    if error is None:
        return RETURN
    rule, rest = AFTER[error.kind], at.rest
    if error.kind is ErrorKind.CONTEXT_LENGTH:
        rest = _larger(at.target, rest)
        rule = NEXT if rest else STOP
    if delivered or not rule.goes_on:
        return Fail(show_last=True)
    if at.deadline - now < MIN_ATTEMPT_S:
        return Fail(show_last=False)
    if rule.may_pass and error.retryable is not False:
        again = _again(error, at, now, jitter, policy, rests_until)
        if again is not None:
            return again
    if not rest:
        return Fail(show_last=False)
    if error.kind in WHOLE_KEY:  # another model of the same plugin would use the same key
        rest = tuple(sorted(rest, key=lambda target: target.plugin == at.target.plugin))
    return _ask(rest, now, at.deadline, policy, first=False)


def _ask(
    targets: tuple[Target, ...], now: float, deadline: float, policy: Policy, *, first: bool
) -> Try:
    """The first of ``targets``, for its share of what is left; the last one has all of it."""
    rest = targets[1:]
    left = deadline - now
    if rest:
        left *= policy.share
    return Try(targets[0], rest, deadline, now + left, _capped(left, policy), first=first)


def _again(
    error: ProviderError, at: Try, now: float, jitter: float, policy: Policy, rests_until: float
) -> Try | None:
    """The same target once more, where its kind of error allows that and time is left for it.

    A wait that the vendor asks for and that is beyond the cap is not begun. The pause of a kind
    that names none is jittered down to half, so that callers do not come back together.
    """
    if at.tries > retries_of(AFTER[error.kind], policy, last=not at.rest):
        return None
    by_default = at.tries > (policy.retries or 0)  # the table grants it, not the operator
    wait = error.retry_after_s
    if wait is None:
        if by_default and error.kind is ErrorKind.RATE_LIMITED:
            return None
        wait = backoff_s(error.kind, at.tries - 1, policy) * (0.5 + 0.5 * jitter)
    left = at.until - now
    if not 0.0 <= wait <= min(left * policy.share, MAX_WAIT_S) or left - wait < MIN_ATTEMPT_S:
        return None
    if by_default and rests_until > now + wait:
        return None
    return replace(at, timeout_s=_capped(left - wait, policy), delay_s=wait, tries=at.tries + 1)


def _capped(seconds: float, policy: Policy) -> float:
    return seconds if policy.attempt_s is None else min(seconds, policy.attempt_s)


def _larger(target: Target, rest: tuple[Target, ...]) -> tuple[Target, ...]:
    """Those of ``rest`` whose window is known to be larger than that of ``target``."""
    window = target.info.context_tokens if target.info is not None else None
    if window is None:
        return ()
    return tuple(one for one in rest if one.info and (one.info.context_tokens or 0) > window)
