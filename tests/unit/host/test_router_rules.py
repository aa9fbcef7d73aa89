"""The one place where a request is tried again: how often, how soon, and when not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.errors import UsageError
from stockade.router import AFTER, Fail, Policy, Try, after, begin
from stockade.router.rules import MAX_WAIT_S, Return, backoff_s, doubled_s
from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.errors import ErrorKind, ProviderError
from tests.unit.host.router_scripted import plan

ASKED_AGAIN = sorted(kind for kind, rule in AFTER.items() if rule.retries)


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
@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_policy_says_how_often_but_not_what_is_asked_again(kind, retries) -> None:
    error = ProviderError(kind, retry_after_s=0.1)

    pauses = retries_of(error, Policy(retries=retries))

    assert len(pauses) == (retries if kind in ASKED_AGAIN else 0)


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
    assert tries <= retries + 1
