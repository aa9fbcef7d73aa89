"""Who rests after which failures, for how long, and what ends it."""

from __future__ import annotations

import pytest

from stockade.router import Breaker, Cooldowns
from stockade.router.breaker import HOUR_S, MAX_ENTRIES, after_failure, rest_s
from stockade_sdk.errors import ErrorKind, ProviderError
from tests.unit.host.router_scripted import Clock, failure, target

ONE, OTHER = target("p/one"), target("p/other")


def resting(breaker: Breaker) -> set[str]:
    return set(breaker.standings())


@pytest.mark.parametrize(
    ("kind", "failures", "seconds"),
    [
        ("rate_limited", 0, 60),
        ("rate_limited", 1, 60),
        ("rate_limited", 2, 300),
        ("auth", 3, 1_500),
        ("auth", 4, 3_600),
        ("auth", 50, 3_600),
        ("quota", 1, 5 * HOUR_S),
        ("quota", 2, 10 * HOUR_S),
        ("quota", 9, 24 * HOUR_S),
        ("quota", 10_000, 24 * HOUR_S),
    ],
)
def test_the_progression_of_rests(kind, failures, seconds) -> None:
    assert rest_s(ErrorKind(kind), failures, Cooldowns()) == seconds


@pytest.mark.parametrize("kind", ["auth", "quota"])
def test_a_refused_key_rests_the_whole_plugin(kind) -> None:
    breaker = Breaker(Clock())

    breaker.failed(ONE, failure(kind))

    assert resting(breaker) == {"p"}


@pytest.mark.parametrize("kind", ["rate_limited", "model_unavailable"])
def test_a_limited_or_missing_model_rests_alone(kind) -> None:
    breaker = Breaker(Clock())

    breaker.failed(ONE, failure(kind))

    assert resting(breaker) == {"p/one"}


@pytest.mark.parametrize(
    "kind", ["network", "server_error", "overloaded", "timeout", "malformed_response", "unknown"]
)
def test_failures_of_a_bad_minute_rest_a_target_only_when_they_add_up(kind) -> None:
    breaker = Breaker(Clock())

    breaker.failed(ONE, failure(kind))
    breaker.failed(ONE, failure(kind))
    assert resting(breaker) == set()
    breaker.failed(ONE, failure(kind))

    assert resting(breaker) == {"p/one"}


@pytest.mark.parametrize(
    "kind",
    [
        "cancelled",
        "invalid_request",
        "context_length",
        "content_filter",
        "unsupported",
        "permission_denied",
        "over_budget",
        "worker_died",
        "out_of_memory",
        "protocol",
    ],
)
def test_what_says_nothing_about_the_vendor_is_not_counted(kind) -> None:
    breaker = Breaker(Clock())

    for _ in range(10):
        breaker.failed(ONE, failure(kind))

    assert breaker.entries() == {}


def test_retry_after_is_kept_to_the_second() -> None:
    clock = Clock()
    breaker = Breaker(clock)

    breaker.failed(ONE, failure("rate_limited", retry_after_s=7.0))

    clock.now += 6.9
    assert resting(breaker) == {"p/one"}
    clock.now += 0.2
    assert resting(breaker) == set()


@pytest.mark.parametrize("retry_after_s", [1e300, float("inf")])
def test_an_endless_retry_after_is_cut_to_a_day(retry_after_s) -> None:
    clock = Clock()
    breaker = Breaker(clock)

    breaker.failed(ONE, failure("rate_limited", retry_after_s=retry_after_s))

    assert breaker.standings()["p/one"].until == clock.now + 24 * HOUR_S


@pytest.mark.parametrize("retry_after_s", [-5.0, 0.0, float("nan")])
def test_a_retry_after_that_is_no_time_is_passed_over(retry_after_s) -> None:
    clock = Clock()
    breaker = Breaker(clock)

    breaker.failed(ONE, failure("rate_limited", retry_after_s=retry_after_s))

    assert breaker.standings()["p/one"].until == clock.now + 60.0


def test_of_two_ends_the_later_one_holds() -> None:
    entry = after_failure(None, ErrorKind.RATE_LIMITED, 500.0, 0.0, Cooldowns())

    entry = after_failure(entry, ErrorKind.RATE_LIMITED, 5.0, 1.0, Cooldowns())

    assert entry.until == 500.0


def test_a_success_forgets_the_failures() -> None:
    breaker = Breaker(Clock())
    breaker.failed(ONE, failure("auth"))
    breaker.failed(OTHER, failure("rate_limited"))

    breaker.succeeded(ONE)

    assert resting(breaker) == {"p/other"}


def test_failures_a_day_apart_do_not_add_up() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(3):
        breaker.failed(ONE, failure("auth"))
    assert breaker.entries()["p"].failures == 3

    clock.now += 24 * HOUR_S + 1
    breaker.failed(ONE, failure("auth"))

    assert breaker.entries()["p"].failures == 1


def test_after_a_rest_one_more_failure_is_enough_for_the_next_longer_one() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(3):
        breaker.failed(ONE, failure("server_error"))
    clock.now += 61.0
    assert resting(breaker) == set()

    breaker.failed(ONE, failure("server_error"))

    assert breaker.standings()["p/one"].until == clock.now + 300.0


def test_a_reset_forgets_a_plugin_and_nothing_else() -> None:
    breaker = Breaker(Clock())
    for name in ("p/one", "p2/one"):
        breaker.failed(target(name), failure("auth"))
        breaker.failed(target(name), failure("rate_limited"))

    breaker.reset("p")

    assert resting(breaker) == {"p2", "p2/one"}


def test_names_made_up_by_callers_do_not_grow_the_table_without_end() -> None:
    breaker = Breaker(Clock())

    for number in range(MAX_ENTRIES + 50):
        breaker.failed(target(f"p/{number}"), ProviderError("model_unavailable"))

    assert len(breaker.entries()) == MAX_ENTRIES
    assert f"p/{MAX_ENTRIES + 49}" in breaker.entries()
