"""For how long what failed rests: the progression, Retry-After, and what adds up."""

from __future__ import annotations

import math

import pytest

from stockade.router.cooling import Entry, after_failure, rest_s
from stockade.router.scopes import Scope, name_of, read_name
from stockade.settings import CooldownSettings
from stockade_sdk.errors import ErrorKind

HOUR_S = 3_600.0
OPTIONS = CooldownSettings()
LIMITED, AUTH, QUOTA = ErrorKind.RATE_LIMITED, ErrorKind.AUTH, ErrorKind.QUOTA
ERROR = ErrorKind.SERVER_ERROR


def failures(*events: tuple[float, ErrorKind] | tuple[float, ErrorKind, float]) -> Entry:
    """The entry after failures at these times, with these kinds and Retry-After."""
    entry = None
    for at, kind, *retry_after in events:
        named = retry_after[0] if retry_after else None
        entry = after_failure(entry, kind, named, at, OPTIONS)
    assert entry is not None
    return entry


@pytest.mark.parametrize(
    ("kind", "count", "seconds"),
    [
        ("rate_limited", 0, 60),
        ("rate_limited", 1, 60),
        ("rate_limited", 2, 300),
        ("auth", 3, 1_500),
        ("auth", 4, 3_600),
        ("auth", 50, 3_600),
        ("quota", 1, 5 * HOUR_S),
        ("quota", 2, 10 * HOUR_S),
        ("quota", 3, 20 * HOUR_S),
        ("quota", 4, 24 * HOUR_S),
        ("quota", 10_000, 24 * HOUR_S),
    ],
)
def test_the_progression_of_rests(kind, count, seconds) -> None:
    assert rest_s(ErrorKind(kind), count, OPTIONS) == seconds


def test_failures_after_each_rest_take_the_next_step() -> None:
    at = 0.0
    ends = []
    entry = None
    for _ in range(5):
        entry = after_failure(entry, LIMITED, None, at, OPTIONS)
        ends.append(entry.until - at)
        at = entry.until

    assert ends == [60.0, 300.0, 1_500.0, 3_600.0, 3_600.0]


def test_requests_that_fail_together_take_one_step_together() -> None:
    together = failures(*((10.0 + n / 100, LIMITED) for n in range(50)))

    assert (together.failures, together.until) == (1, 70.0)


def test_a_later_retry_after_of_the_same_outage_is_no_further_step() -> None:
    together = failures((0.0, LIMITED, 5.0), (0.1, LIMITED, 6.0), (0.2, LIMITED, 7.0))

    assert (together.failures, together.until) == (1, 7.2)


def test_trying_what_rests_does_not_put_its_end_off() -> None:
    assert failures((0.0, AUTH), (30.0, AUTH), (59.0, AUTH)).until == 60.0


def test_of_two_ends_the_later_one_holds() -> None:
    assert failures((0.0, LIMITED, 500.0), (1.0, LIMITED, 5.0)).until == 500.0
    assert failures((0.0, LIMITED, 5.0), (1.0, LIMITED, 500.0)).until == 501.0


def test_what_set_the_end_that_holds_stays_on_record() -> None:
    held = failures((0.0, QUOTA), (1.0, AUTH))
    assert (held.kind, held.until) == (QUOTA, 5 * HOUR_S)
    longer = failures((0.0, AUTH), (1.0, QUOTA))
    assert (longer.kind, longer.until) == (QUOTA, 1.0 + 5 * HOUR_S)


def test_an_empty_balance_begins_at_its_own_first_step() -> None:
    entry = failures((0.0, AUTH), (61.0, AUTH), (400.0, QUOTA))

    assert (entry.failures, entry.until) == (1, 400.0 + 5 * HOUR_S)


@pytest.mark.parametrize("retry_after_s", [24 * HOUR_S + 1, 1e300, math.inf])
def test_an_endless_retry_after_is_cut_to_a_day(retry_after_s) -> None:
    assert failures((0.0, LIMITED, retry_after_s)).until == 24 * HOUR_S


@pytest.mark.parametrize("retry_after_s", [-5.0, -0.001, -math.inf, math.nan])
def test_a_retry_after_that_is_no_time_is_as_none(retry_after_s) -> None:
    assert failures((0.0, LIMITED, retry_after_s)).until == 60.0


def test_a_retry_after_of_nothing_asks_for_no_rest_until_such_refusals_add_up() -> None:
    assert not failures((0.0, LIMITED, 0.0)).rested
    assert not failures((0.0, LIMITED, 0.0), (1.0, LIMITED, 0.0)).rested
    third = failures((0.0, LIMITED, 0.0), (1.0, LIMITED, 0.0), (2.0, LIMITED, 0.0))
    assert third.until == 62.0


def test_a_short_retry_after_stands_in_place_of_the_progression() -> None:
    assert failures((0.0, LIMITED, 2.0), (3.0, LIMITED, 2.0), (6.0, LIMITED, 2.0)).until == 8.0


def test_a_retry_after_rests_also_a_kind_that_has_to_add_up() -> None:
    assert failures((0.0, ErrorKind.OVERLOADED, 20.0)).until == 20.0


def test_failures_of_a_bad_minute_rest_from_the_third_on() -> None:
    assert not failures((0.0, ERROR), (1.0, ERROR)).rested
    assert failures((0.0, ERROR), (1.0, ERROR), (2.0, ERROR)).until == 62.0


def test_after_a_rest_one_more_failure_is_enough_for_the_next_longer_one() -> None:
    rested = (0.0, ERROR), (1.0, ERROR), (2.0, ERROR)

    assert failures(*rested, (62.0, ERROR)).until == 62.0 + 300.0
    assert failures((0.0, ERROR, 20.0), (20.0, ERROR)).until == 20.0 + 60.0


def test_failures_more_than_a_day_apart_do_not_add_up() -> None:
    day_s = 24 * HOUR_S

    assert failures((0.0, LIMITED), (day_s, LIMITED)).failures == 2
    late = failures((0.0, LIMITED), (60.0, LIMITED), (day_s + 61.0, LIMITED))
    assert (late.failures, late.until) == (1, day_s + 61.0 + 60.0)


@pytest.mark.parametrize(
    ("name", "scope", "plugin", "model"),
    [
        ("p", Scope.PROVIDER, "p", ""),
        ("p@", Scope.KEY, "p", ""),
        ("p@0a1b", Scope.KEY, "p", ""),
        ("p/gpt-4o", Scope.MODEL, "p", "gpt-4o"),
        ("p/openai/gpt@2024", Scope.MODEL, "p", "openai/gpt@2024"),
        ("p@0a1b/openai/gpt@2024", Scope.KEY_MODEL, "p", "openai/gpt@2024"),
    ],
)
def test_a_scope_s_name_says_what_it_covers(name, scope, plugin, model) -> None:
    held = read_name(name)

    assert held is not None
    assert (held.scope, held.plugin, held.model) == (scope, plugin, model)


@pytest.mark.parametrize("name", ["", "/", "@", "p/", "/m", "@k/m", "@k"])
def test_what_is_no_scope_is_told(name) -> None:
    assert read_name(name) is None


def test_a_model_with_every_sign_in_its_name_stays_one_model() -> None:
    for kind in (LIMITED, ERROR):
        held = read_name(name_of(kind, "p", "a/b@c/d", "k"))

        assert held is not None
        assert (held.under, held.plugin) == ("p/a/b@c/d", "p")
