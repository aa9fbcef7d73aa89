"""What follows each kind of error, and how one deadline is shared out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.errors import AllAttemptsFailed, UsageError
from stockade.router import AFTER, Fail, Policy, Return, Try, after, begin
from stockade.router.rules import MAX_WAIT_S, MIN_ATTEMPT_S, backoff_s
from stockade_sdk.chat import ChatResponse
from stockade_sdk.errors import ErrorKind
from tests.unit.host.router_scripted import (
    REQUEST,
    Clock,
    Outcome,
    Scripted,
    dispatcher,
    failure,
    plan,
    target,
)

NEXT = {
    "auth",
    "quota",
    "rate_limited",
    "model_unavailable",
    "timeout",
    "network",
    "server_error",
    "overloaded",
    "malformed_response",
    "over_budget",
    "worker_died",
    "out_of_memory",
    "protocol",
    "unknown",
}
STOP = {
    "cancelled",
    "invalid_request",
    "context_length",
    "content_filter",
    "unsupported",
    "permission_denied",
}
SAME_TARGET_AGAIN = {
    "network": 5,
    "server_error": 1,
    "overloaded": 1,
    "malformed_response": 1,
    "worker_died": 1,
}
ALL = sorted(NEXT | STOP)
ANSWER = ChatResponse.of_text("hi")


def started(*names: str, timeout_s: float = 60.0) -> Try:
    return begin(plan(*names).targets, 0.0, timeout_s)


def test_every_kind_has_its_place_in_the_table() -> None:
    assert set(AFTER) == set(ErrorKind)
    assert {kind.value for kind in ErrorKind} == NEXT | STOP


def test_an_answer_is_returned() -> None:
    assert after(None, started("a/m"), 1.0) == Return()


@pytest.mark.parametrize("kind", sorted(NEXT))
def test_these_go_on_to_the_next_target_at_once(kind) -> None:
    step = after(failure(kind), started("a/m", "b/m"), 1.0)

    assert isinstance(step, Try)
    assert (step.target.name, step.delay_s, step.tries, step.first) == ("b/m", 0.0, 1, False)


@pytest.mark.parametrize("kind", sorted(STOP))
def test_these_stop_though_there_is_a_next_target(kind) -> None:
    assert after(failure(kind), started("a/m", "b/m"), 1.0) == Fail(show_last=True)


@pytest.mark.parametrize("kind", ALL)
def test_nothing_follows_once_output_was_delivered(kind) -> None:
    assert after(failure(kind), started("a/m", "b/m"), 1.0, delivered=True) == Fail(show_last=True)
    assert after(failure(kind), started("a/m"), 1.0, delivered=True) == Fail(show_last=True)


@pytest.mark.parametrize("kind", ALL)
def test_the_same_target_is_asked_again_only_where_it_is_the_last_and_so_often(kind) -> None:
    asked, step = 0, after(failure(kind), started("a/m"), 1.0)
    while isinstance(step, Try):
        asked += 1
        assert (step.target.name, step.tries) == ("a/m", asked + 1)
        step = after(failure(kind), step, 1.0)

    assert asked == SAME_TARGET_AGAIN.get(kind, 0)
    assert step == Fail(show_last=kind in STOP)


@pytest.mark.parametrize("kind", ["network", "server_error", "overloaded"])
def test_a_pause_before_the_same_target_is_jittered_and_counts_against_the_deadline(kind) -> None:
    short = after(failure(kind), started("a/m"), 1.0, jitter=0.0)
    long = after(failure(kind), started("a/m"), 1.0, jitter=1.0)

    assert isinstance(short, Try)
    assert isinstance(long, Try)
    assert 0 < short.delay_s < long.delay_s == backoff_s(ErrorKind(kind), 0)
    assert long.timeout_s == pytest.approx(59.0 - long.delay_s)


def test_no_pause_before_the_same_target_eats_the_deadline_up() -> None:
    assert after(failure("network"), started("a/m", timeout_s=1.5), 1.0) == Fail(show_last=False)


@pytest.mark.parametrize(
    ("kind", "retry", "seconds"),
    [
        ("network", 0, 0.4),
        ("network", 2, 1.6),
        ("network", 9, 3.2),
        ("rate_limited", 0, 1.2),
        ("rate_limited", 3, 5.0),
        ("timeout", 3, 5.0),
        ("auth", 0, 0.0),
        ("quota", 2, 0.0),
    ],
)
def test_backoff_doubles_up_to_a_limit(kind, retry, seconds) -> None:
    assert backoff_s(ErrorKind(kind), retry) == seconds


@pytest.mark.parametrize(
    ("retry_after_s", "timeout_s", "waits"),
    [
        (2.0, 60.0, True),
        (MAX_WAIT_S, 60.0, True),
        (MAX_WAIT_S + 0.1, 60.0, False),
        (4.0, 5.0, False),  # most of what is left
        (None, 60.0, False),
        (-1.0, 60.0, False),
        (float("nan"), 60.0, False),
    ],
)
def test_a_rate_limit_is_waited_for_only_where_its_end_is_known_and_near(
    retry_after_s, timeout_s, waits
) -> None:
    error = failure("rate_limited", retry_after_s=retry_after_s)

    step = after(error, started("a/m", timeout_s=timeout_s), 0.0)

    if waits:
        assert isinstance(step, Try)
        assert (step.target.name, step.delay_s) == ("a/m", retry_after_s)
    else:
        assert step == Fail(show_last=False)


def test_a_rate_limit_is_not_waited_for_where_there_is_another_target() -> None:
    step = after(failure("rate_limited", retry_after_s=0.1), started("a/m", "b/m"), 1.0)

    assert isinstance(step, Try)
    assert (step.target.name, step.delay_s) == ("b/m", 0.0)


@pytest.mark.parametrize("kind", ["auth", "quota"])
def test_after_a_refused_key_other_plugins_come_before_the_same_one(kind) -> None:
    step = after(failure(kind), started("a/1", "a/2", "b/1"), 1.0)

    assert isinstance(step, Try)
    assert [step.target.name, *(one.name for one in step.rest)] == ["b/1", "a/2"]


def test_after_a_too_small_window_only_larger_known_ones_follow() -> None:
    targets = (
        target("a/m", window=8_000),
        target("b/m", window=8_000),
        target("c/m"),
        target("d/m", window=16_000),
    )

    step = after(failure("context_length"), begin(targets, 0.0, 60.0), 1.0)

    assert isinstance(step, Try)
    assert (step.target.name, step.rest) == ("d/m", ())


def test_after_an_unknown_window_no_other_counts_as_larger() -> None:
    targets = (target("a/m"), target("b/m", window=16_000))

    assert after(failure("context_length"), begin(targets, 0.0, 60.0), 1.0) == Fail(show_last=True)


def test_past_the_deadline_nothing_follows() -> None:
    assert after(failure("network"), started("a/m", "b/m"), 60.0) == Fail(show_last=False)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan")])
def test_a_deadline_that_leaves_no_time_is_a_mistake(timeout_s) -> None:
    with pytest.raises(UsageError, match="within"):
        started("a/m", timeout_s=timeout_s)


def test_no_attempt_is_longer_than_the_policy_allows() -> None:
    policy = Policy(attempt_s=5.0)

    first = begin(plan("a/m", "b/m").targets, 0.0, 60.0, policy)
    second = after(failure("network"), first, 5.0, policy=policy)

    assert isinstance(second, Try)
    assert (first.timeout_s, second.timeout_s) == (5.0, 5.0)


kinds = st.sampled_from(ALL)
fractions = st.floats(0.0, 1.0)


@given(
    count=st.integers(1, 6),
    timeout_s=st.floats(0.001, 1e6),
    outcomes=st.lists(st.tuples(kinds, fractions, fractions), min_size=20, max_size=20),
    retry_after_s=st.none() | st.floats(allow_nan=True, allow_infinity=True),
)
def test_no_attempt_reaches_beyond_the_deadline_and_every_walk_ends(
    count, timeout_s, outcomes, retry_after_s
) -> None:
    now, deadline = 1_000.0, 1_000.0 + timeout_s
    step: Return | Try | Fail = begin(
        plan(*(f"p{i}/m" for i in range(count))).targets, now, timeout_s
    )
    steps = 0
    while isinstance(step, Try):
        now += step.delay_s
        assert step.timeout_s > 0
        assert now + step.timeout_s <= deadline + 1e-6
        if not step.rest and step.timeout_s > 1e-3:
            assert now + step.timeout_s == pytest.approx(deadline)
        kind, used, jitter = outcomes[steps]
        now += step.timeout_s * used
        step = after(failure(kind, retry_after_s=retry_after_s), step, now, jitter=jitter)
        steps += 1
    assert steps <= count + 5  # the last target may be asked again


@given(count=st.integers(2, 6), timeout_s=st.floats(1.0, 1e6))
def test_attempts_that_use_up_their_time_leave_a_share_for_each_fallback(count, timeout_s) -> None:
    now = 0.0
    step: Return | Try | Fail = begin(
        plan(*(f"p{i}/m" for i in range(count))).targets, now, timeout_s
    )
    given_s = []
    while isinstance(step, Try):
        given_s.append(step.timeout_s)
        now += step.timeout_s
        step = after(failure("timeout"), step, now)

    assert len(given_s) == count
    assert given_s[1] >= 0.2 * timeout_s
    assert min(given_s) > MIN_ATTEMPT_S
    assert sum(given_s) == pytest.approx(timeout_s)


@pytest.mark.parametrize("kind", sorted(STOP))
@pytest.mark.parametrize("before", [(), ("server_error",), ("auth", "timeout")])
async def test_a_fallback_never_hides_a_missing_grant_or_a_callers_mistake(kind, before) -> None:
    names = [f"p{i}/m" for i in range(len(before) + 1)]
    script: dict[str, list[Outcome]] = {
        name: [failure(word)] for name, word in zip(names, (*before, kind), strict=True)
    }
    script["good/m"] = [ANSWER]
    workers = Scripted(Clock(), script)

    with pytest.raises(AllAttemptsFailed) as raised:
        await dispatcher(workers).run(REQUEST, plan(*names, "good/m"), timeout_s=60.0)

    assert raised.value.error.kind == kind
    assert [attempt.kind for attempt in raised.value.attempts] == [*before, kind]
    assert "good/m" not in workers.called


@pytest.mark.parametrize("kind", sorted(NEXT))
async def test_a_fallback_answers_in_place_of_a_target_that_failed(kind) -> None:
    workers = Scripted(Clock(), {"bad/m": [failure(kind)], "good/m": [ANSWER]})

    response = await dispatcher(workers).run(REQUEST, plan("bad/m", "good/m"), timeout_s=60.0)

    assert response.provider == "good"
    assert workers.called == ["bad/m", "good/m"]
