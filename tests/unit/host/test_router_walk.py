"""Whole walks: they end by their deadline, ask nobody too often, and keep the breaker informed."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.errors import AllAttemptsFailed
from stockade.router import Breaker, Dispatcher, Plan
from stockade.router.breaker import Standing
from stockade.settings import RoutingPolicy
from stockade_sdk.chat import ChatResponse
from stockade_sdk.errors import ErrorKind
from tests.unit.host.router_scripted import (
    REQUEST,
    After,
    Clock,
    Outcome,
    Scripted,
    failure,
    plan,
)

ANSWER = ChatResponse.of_text("hi")
STOPPING = {
    "cancelled",
    "invalid_request",
    "context_length",
    "content_filter",
    "unsupported",
    "permission_denied",
}
MAY_PASS = {
    "rate_limited",
    "overloaded",
    "timeout",
    "network",
    "server_error",
    "malformed_response",
    "worker_died",
}


def routed(*names: str, timeout_s: float | None = None, retries: int | None = None) -> Plan:
    return Plan(plan(*names).targets, policy=RoutingPolicy(names, timeout_s, retries))


def dispatcher(workers: Scripted, **options) -> Dispatcher:
    return Dispatcher(workers, workers.clock, lambda: 1.0, sleep=workers.clock.sleep, **options)


async def run(workers: Scripted, along: Plan, timeout_s: float = 60.0, **options):
    return await dispatcher(workers, **options).run(REQUEST, along, timeout_s=timeout_s)


kinds = st.sampled_from([kind.value for kind in ErrorKind])
scripts = st.lists(
    st.tuples(
        st.none() | kinds,  # an answer, or the kind of its failure
        st.floats(0.0, 100.0),  # seconds that it takes
        st.none() | st.floats(-1.0, 20.0),  # its Retry-After
    ),
    min_size=1,
    max_size=8,
)


def outcome_of(kind: str | None, seconds: float, retry_after_s: float | None) -> Outcome:
    if kind is None:
        return After(seconds, ANSWER)
    return After(seconds, failure(kind, retry_after_s=retry_after_s))


@given(
    lines=st.lists(scripts, min_size=1, max_size=5),
    timeout_s=st.floats(0.01, 200.0),
    retries=st.none() | st.integers(0, 10),
    attempt_s=st.none() | st.floats(0.01, 50.0),
    with_breaker=st.booleans(),
)
def test_every_walk_ends_by_its_deadline_and_asks_nobody_too_often(
    lines, timeout_s, retries, attempt_s, with_breaker
) -> None:
    names = [f"p{number}/m" for number in range(len(lines))]
    clock = Clock()
    workers = Scripted(
        clock,
        {
            name: [outcome_of(*line) for line in script]
            for name, script in zip(names, lines, strict=True)
        },
    )
    breaker = Breaker(clock) if with_breaker else None
    begun = clock.now
    along = routed(*names, timeout_s=attempt_s, retries=retries)
    shown: str | None = None
    try:
        attempts = anyio.run(lambda: run(workers, along, timeout_s, breaker=breaker)).attempts
    except AllAttemptsFailed as failed:
        attempts, shown = failed.attempts, failed.error.kind

    kinds = [one.kind for one in attempts]
    assert [one.outcome for one in attempts] == ["failed" if kind else "ok" for kind in kinds]
    assert None not in kinds[:-1]
    assert (kinds[-1] is None) == (shown is None)
    assert shown is None or shown in kinds
    assert clock.now <= begun + timeout_s + 1e-6
    assert [one.target for one in attempts] == workers.called
    assert not STOPPING.intersection(kinds[:-1])  # nothing follows such a failure
    assert all(given_s <= (attempt_s or timeout_s) + 1e-6 for _, given_s in workers.calls)
    for name in names:
        allowed = 1 + (retries or 0) if name != names[-1] else 1 + max(retries or 0, 5)
        # The order of the others may change on the way, so any may come to be the last one.
        if with_breaker:
            allowed = max(allowed, 6)
        assert workers.called.count(name) <= allowed
    for before, kind, now in zip(workers.called, kinds, workers.called[1:], strict=False):
        assert before != now or kind in MAY_PASS


async def test_a_routes_timeout_bounds_each_attempt_and_the_next_target_is_tried() -> None:
    workers = Scripted(Clock(), {"a/m": [After(1e9, ANSWER)], "b/m": [After(2.0, ANSWER)]})

    response = await run(workers, routed("a/m", "b/m", timeout_s=3.0))

    assert [(one.target, one.kind) for one in response.attempts] == [
        ("a/m", "timeout"),
        ("b/m", None),
    ]
    assert [given_s for _, given_s in workers.calls] == [3.0, 3.0]
    assert workers.clock.now == 1_005.0


async def test_a_routes_retries_come_before_its_next_target_and_are_all_on_record() -> None:
    workers = Scripted(
        Clock(), {"a/m": [failure("overloaded"), failure("timeout")], "b/m": [ANSWER]}
    )

    response = await run(workers, routed("a/m", "b/m", retries=2))

    assert [(one.target, one.kind) for one in response.attempts] == [
        ("a/m", "overloaded"),
        ("a/m", "timeout"),
        ("a/m", "timeout"),
        ("b/m", None),
    ]
    assert workers.clock.slept == [1.2, 1.4]


async def test_without_retries_a_failure_costs_no_pause() -> None:
    workers = Scripted(Clock(), {"a/m": [failure("network")], "b/m": [ANSWER]})

    response = await run(workers, routed("a/m", "b/m"))

    assert (response.provider, workers.clock.slept) == ("b", [])


async def test_a_network_that_comes_back_within_seconds_still_answers() -> None:
    workers = Scripted(Clock(), {"a/m": [*[failure("network")] * 4, ANSWER]})

    response = await run(workers, plan("a/m"))

    assert len(response.attempts) == 5
    assert workers.clock.slept == [0.4, 0.8, 1.6, 3.2]


async def test_an_open_breaker_ends_the_repeats_that_nobody_asked_for() -> None:
    workers = Scripted(Clock(), {"a/m": [failure("network")]})

    with pytest.raises(AllAttemptsFailed) as raised:
        await run(workers, plan("a/m"), breaker=Breaker(workers.clock))

    assert len(raised.value.attempts) == 3  # so many in a row open it
    assert workers.clock.slept == [0.4, 0.8]


async def test_an_open_breaker_does_not_end_those_that_the_operator_asked_for() -> None:
    workers = Scripted(Clock(), {"a/m": [failure("server_error")]})

    with pytest.raises(AllAttemptsFailed) as raised:
        await run(workers, routed("a/m", retries=6), breaker=Breaker(workers.clock))

    assert len(raised.value.attempts) == 7


async def test_a_rate_limit_is_waited_for_though_the_breaker_holds_the_target_so_long() -> None:
    limited = failure("rate_limited", retry_after_s=2.0)
    workers = Scripted(Clock(), {"a/m": [limited, ANSWER]})

    response = await run(workers, plan("a/m"), breaker=Breaker(workers.clock))

    assert (response.text, workers.clock.slept) == ("hi", [2.0])


async def test_a_target_that_began_to_rest_meanwhile_comes_after_the_ready_ones() -> None:
    workers = Scripted(
        Clock(), {"a/m": [failure("server_error")], "b/m": [ANSWER], "c/m": [ANSWER]}
    )
    resting = {"b/m": Standing("cooling", 2_000.0)}

    response = await run(workers, plan("a/m", "b/m", "c/m"), health=lambda: resting)

    assert response.provider == "c"


async def test_a_stopped_plugin_comes_after_those_that_rest() -> None:
    workers = Scripted(
        Clock(), {"a/m": [failure("server_error")], "b/m": [ANSWER], "c/m": [ANSWER]}
    )
    health = {"b": Standing("stopped"), "c/m": Standing("cooling", 2_000.0)}

    response = await run(workers, plan("a/m", "b/m", "c/m"), health=lambda: health)

    assert response.provider == "c"


def rested(clock: Clock) -> Breaker:
    """A breaker that has held ``a/m``, whose time is over."""
    breaker = Breaker(clock)
    breaker.failed(plan("a/m").targets[0], failure("rate_limited", retry_after_s=5.0))
    clock.now += 6.0
    assert not breaker.standings()
    return breaker


async def test_an_attempt_after_a_rest_keeps_others_away_until_it_is_over() -> None:
    clock = Clock()
    breaker = rested(clock)
    seen = []

    class Watched(Scripted):
        async def call(self, plugin, method, request, *, timeout_s):
            seen.append(dict(breaker.standings()))
            raise failure("unsupported")

    with pytest.raises(AllAttemptsFailed):
        await run(Watched(clock), plan("a/m"), breaker=breaker)

    assert seen[0]["a/m"].state == "probing"
    assert not breaker.standings()


async def test_a_cancelled_attempt_after_a_rest_keeps_nobody_away() -> None:
    clock = Clock()
    breaker = rested(clock)

    class Hangs(Scripted):
        async def call(self, plugin, method, request, *, timeout_s):
            await anyio.sleep_forever()

    with anyio.move_on_after(0.01):
        await run(Hangs(clock), plan("a/m"), breaker=breaker)

    assert not breaker.standings()


async def test_the_first_targets_error_is_shown_and_every_try_is_on_record() -> None:
    workers = Scripted(Clock(), {"a/m": [failure("overloaded")], "b/m": [failure("network")]})

    with pytest.raises(AllAttemptsFailed) as raised:
        await run(workers, routed("a/m", "b/m", retries=1))

    assert raised.value.error.kind == "overloaded"
    assert [one.kind for one in raised.value.attempts] == ["overloaded"] * 2 + ["network"] * 6


async def test_a_failure_that_nobody_can_mend_is_shown_though_it_came_last() -> None:
    workers = Scripted(Clock(), {"a/m": [failure("overloaded"), failure("invalid_request")]})

    with pytest.raises(AllAttemptsFailed) as raised:
        await run(workers, routed("a/m", "b/m", retries=1))

    assert raised.value.error.kind == "invalid_request"
    assert workers.called == ["a/m", "a/m"]
