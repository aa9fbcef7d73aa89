"""The one place where a request is tried again: how often, how soon, and when not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.errors import UsageError
from stockade.router import AFTER, Fail, Policy, Try, after, begin
from stockade.router.rules import MAX_WAIT_S, Return, backoff_s, doubled_s, for_route
from stockade.settings import RoutingPolicy
from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.errors import ErrorKind, ProviderError
from tests.unit.host.router_scripted import plan

MAY_PASS = {
    "rate_limited",
    "overloaded",
    "timeout",
    "network",
    "server_error",
    "malformed_response",
    "worker_died",
}


def started(*names: str, timeout_s: float = 60.0) -> Try:
    return begin(plan(*names).targets, 0.0, timeout_s)


def retries_of(error: ProviderError, policy: Policy) -> list[float]:
    """The pauses before each further request of a target that always answers ``error``."""
    pauses, step = [], after(error, started("a/m"), 0.0, policy=policy)
    while isinstance(step, Try):
        pauses.append(step.delay_s)
        step = after(error, step, 0.0, policy=policy)
    assert isinstance(step, Fail)
    return pauses


def steps_of(error: ProviderError, policy: Policy, *names: str) -> list[Try]:
    """Every step of a walk along targets that all answer ``error`` at once."""
    steps: list[Try] = []
    step: Return | Try | Fail = begin(plan(*names).targets, 0.0, 60.0, policy)
    while isinstance(step, Try):
        steps.append(step)
        step = after(error, step, 0.0, policy=policy)
    return steps


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_what_a_vendors_answer_means_decides_whether_it_is_asked_again(status) -> None:
    assert len(retries_of(classify_error(status, {}, ""), Policy())) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 410, 413, 422, 429, 504])
def test_these_answers_are_final_for_their_target(status) -> None:
    assert retries_of(classify_error(status, {}, ""), Policy()) == []


@pytest.mark.parametrize(
    ("headers", "body", "pauses"),
    [
        ({"retry-after": "2"}, "", [2.0]),
        ({"retry-after-ms": "850"}, "", [0.85]),
        ({}, {"error": {"message": "Please try again in 1.5s."}}, [1.5]),
        ({"retry-after": str(MAX_WAIT_S)}, "", [MAX_WAIT_S]),
        ({"retry-after": str(MAX_WAIT_S + 1)}, "", []),
        ({}, {"error": {"message": "Please try again in 1m30s."}}, []),
        ({}, "", []),
    ],
)
def test_a_rate_limit_is_waited_for_as_long_as_the_vendor_says_and_no_longer(
    headers, body, pauses
) -> None:
    assert retries_of(classify_error(429, headers, body), Policy()) == pauses


@pytest.mark.parametrize("status", [500, 503])
def test_a_wait_beyond_the_cap_gives_up_at_once_whatever_the_kind(status) -> None:
    assert retries_of(classify_error(status, {"retry-after": "30"}, ""), Policy()) == []
    assert retries_of(classify_error(status, {"retry-after": "3"}, ""), Policy()) == [3.0]


@pytest.mark.parametrize(("word", "retries"), [("false", 0), ("true", 1), ("", 1)])
def test_a_vendor_that_says_not_to_ask_again_is_not_asked_again(word, retries) -> None:
    error = classify_error(500, {"x-should-retry": word}, "")

    assert len(retries_of(error, Policy())) == retries


def test_a_vendor_that_says_to_ask_again_does_not_overrule_the_table() -> None:
    assert retries_of(classify_error(400, {"x-should-retry": "true"}, ""), Policy()) == []


def test_another_target_is_asked_though_the_vendor_says_not_to_ask_again() -> None:
    error = classify_error(500, {"x-should-retry": "false"}, "")

    step = after(error, started("a/m", "b/m"), 1.0)

    assert isinstance(step, Try)
    assert step.target.name == "b/m"


@pytest.mark.parametrize("kind", list(ErrorKind))
@pytest.mark.parametrize("retries", [0, 1, 3, 7])
def test_a_policy_says_how_often_but_not_what_is_asked_again(kind, retries) -> None:
    error = ProviderError(kind, retry_after_s=0.1)

    pauses = retries_of(error, Policy(retries=retries))

    # A network that is the last hope is asked for at least five times, unless nobody is at all.
    expected = max(retries, 5) if kind == "network" and retries else retries
    assert len(pauses) == (expected if kind in MAY_PASS else 0)


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_with_a_policy_the_same_target_comes_again_before_the_next_one(kind) -> None:
    error, policy = ProviderError(kind, retry_after_s=0.1), Policy(retries=2)

    asked = [step.target.name for step in steps_of(error, policy, "a/m", "b/m")]

    again = ["a/m"] * 3 + ["b/m"] * (6 if kind == "network" else 3)
    gone_on = ["a/m", "b/m"] if AFTER[kind].goes_on else ["a/m"]
    assert asked == (again if kind in MAY_PASS else gone_on)


@pytest.mark.parametrize("kind", list(ErrorKind))
@pytest.mark.parametrize("policy", [Policy(), Policy(retries=0)])
def test_without_retries_the_next_target_comes_at_once(kind, policy) -> None:
    step = after(ProviderError(kind, retry_after_s=0.1), started("a/m", "b/m"), 1.0, policy=policy)

    if AFTER[kind].goes_on:
        assert isinstance(step, Try)
        assert (step.target.name, step.delay_s) == ("b/m", 0.0)


def test_a_kind_that_cannot_pass_ends_the_repeats_of_one_that_may() -> None:
    policy = Policy(retries=3)
    again = after(ProviderError("timeout"), started("a/m", "b/m"), 1.0, policy=policy)
    assert isinstance(again, Try)
    assert (again.target.name, again.tries) == ("a/m", 2)

    step = after(ProviderError("auth"), again, 2.0, policy=policy)

    assert isinstance(step, Try)
    assert (step.target.name, step.tries) == ("b/m", 1)


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("rate_limited", retry_after_s=MAX_WAIT_S + 1),
        ProviderError("rate_limited", retry_after_s=4.0),  # most of the target's share of 6 s
        ProviderError("server_error", retryable=False),
    ],
)
def test_a_policys_retries_do_not_keep_a_ready_target_waiting(error) -> None:
    step = after(error, started("a/m", "b/m", timeout_s=10.0), 1.0, policy=Policy(retries=9))

    assert isinstance(step, Try)
    assert (step.target.name, step.delay_s) == ("b/m", 0.0)


def test_all_tries_of_a_target_together_have_its_share() -> None:
    policy, now = Policy(retries=50), 0.0
    step = started("a/m", "b/m", timeout_s=10.0)
    while step.target.name == "a/m":
        now += step.delay_s + 0.3
        following = after(ProviderError("timeout"), step, now, policy=policy)
        assert isinstance(following, Try)
        step = following

    assert now <= 6.0 + 1e-9
    assert step.timeout_s == pytest.approx(10.0 - now)


def test_an_attempt_that_used_up_its_targets_share_is_not_repeated() -> None:
    policy = Policy(retries=3)

    step = after(ProviderError("timeout"), started("a/m", "b/m"), 36.0, policy=policy)

    assert isinstance(step, Try)
    assert step.target.name == "b/m"


@pytest.mark.parametrize(
    ("rests_until", "policy", "again"),
    [
        (0.0, Policy(), True),
        (1.4, Policy(), True),  # over by the end of the pause of 0.4 s
        (61.0, Policy(), False),
        (61.0, Policy(retries=1), True),  # the operator said so
    ],
)
def test_a_target_that_the_breaker_holds_is_not_asked_again_by_default(
    rests_until, policy, again
) -> None:
    error = ProviderError("network")

    step = after(error, started("a/m"), 1.0, policy=policy, rests_until=rests_until)

    assert isinstance(step, Try) is again


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (None, Policy(share=0.5)),
        (RoutingPolicy(("a/m",)), Policy(share=0.5)),
        (RoutingPolicy(("a/m",), timeout_s=3.0), Policy(share=0.5, attempt_s=3.0)),
        (RoutingPolicy(("a/m",), retries=0), Policy(share=0.5, retries=0)),
        (RoutingPolicy(("a/m",), 3.0, 2), Policy(share=0.5, attempt_s=3.0, retries=2)),
    ],
)
def test_a_routes_timeout_and_retries_stand_in_place_of_the_defaults(route, expected) -> None:
    assert for_route(route, Policy(share=0.5)) == expected


def test_pauses_double_from_the_policys_first_up_to_its_limit() -> None:
    policy = Policy(retries=6, backoff_s=0.1, max_backoff_s=0.5)

    assert [backoff_s(ErrorKind.NETWORK, n, policy) for n in range(4)] == [0.1, 0.2, 0.4, 0.5]
    pauses = retries_of(ProviderError("network"), policy)
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5, 0.5])


def test_a_kind_without_a_pause_of_its_own_gets_none_by_policy() -> None:
    assert backoff_s(ErrorKind.WORKER_DIED, 0, Policy(backoff_s=2.0)) == 0.0


@pytest.mark.parametrize(
    "options",
    [
        {"share": 0.0},
        {"share": 1.1},
        {"share": float("nan")},
        {"attempt_s": 0.0},
        {"retries": -1},
        {"backoff_s": -0.1},
        {"backoff_s": 0.1, "max_backoff_s": 0.05},
        {"max_backoff_s": float("inf")},
        {"max_backoff_s": float("nan")},
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(options) -> None:
    with pytest.raises(UsageError, match="policy"):
        Policy(**options)


@given(first=st.floats(0, 1e3), most=st.floats(0, 1e4), retry=st.integers(0, 10_000))
def test_a_doubled_pause_never_shrinks_and_never_passes_its_limit(first, most, retry) -> None:
    pauses = [doubled_s(first, one, most) for one in (retry, retry + 1, 10**9)]

    assert all(0 <= pause <= most for pause in pauses)
    assert all(one <= next_one for one, next_one in pairwise(pauses))


@given(
    jitter=st.floats(0, 1),
    retries=st.integers(0, 9),
    waits=st.lists(st.none() | st.floats(allow_nan=True), min_size=12, max_size=12),
    timeout_s=st.floats(0.01, 600),
)
def test_no_pause_reaches_beyond_the_deadline_or_the_cap(jitter, retries, waits, timeout_s) -> None:
    policy, now = Policy(retries=retries), 0.0
    step: Return | Try | Fail = started("a/m", timeout_s=timeout_s)
    tries = 0
    while isinstance(step, Try):
        assert 0 <= step.delay_s <= min(MAX_WAIT_S, step.deadline - now)
        now += step.delay_s
        error = ProviderError("network", retry_after_s=waits[tries])
        step = after(error, step, now, jitter=jitter, policy=policy)
        tries += 1
    assert tries <= (max(retries, 5) if retries else 0) + 1
