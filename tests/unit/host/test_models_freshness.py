"""How long a list of models may be used without asking again."""

import math

import pytest

from stockade.models import age_of, is_fresh, uses_cache

HOUR = 3600.0


@pytest.mark.parametrize("age", [0, 0.5, 3599, 3599.999])
def test_younger_than_its_time_is_fresh(age):
    assert is_fresh(age, HOUR)


@pytest.mark.parametrize("age", [3600, 7200, -0.001, -HOUR, math.nan, math.inf, -math.inf, None])
def test_old_from_the_future_or_unreadable_is_not_fresh(age):
    assert not is_fresh(age, HOUR)


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf])
def test_without_a_time_to_live_nothing_is_fresh(ttl):
    assert not is_fresh(0, ttl)


def test_an_age_is_what_has_passed_since():
    assert age_of(100.0, 130.0) == 30.0
    assert age_of(100, 90.0) == -10.0


@pytest.mark.parametrize("moment", [None, "1700000000", math.nan, math.inf, True, 10**400])
def test_a_moment_that_is_none_has_no_age(moment):
    assert age_of(moment, 100.0) is None


def test_a_clock_that_was_set_back_makes_a_list_stale_until_it_is_asked_again():
    fetched_at = 2_000_000_000.0  # while the clock was wrong

    assert not is_fresh(age_of(fetched_at, 1_700_000_000.0), HOUR)
    assert is_fresh(age_of(1_700_000_000.0, 1_700_000_010.0), HOUR)


@pytest.mark.parametrize(
    ("ages", "used"),
    [([10, 20], True), ([10], True), ([10, 4000], False), ([10, None], False), ([], False)],
)
def test_what_is_kept_is_used_where_there_is_some_and_all_of_it_is_fresh(ages, used):
    assert uses_cache(iter(ages), HOUR) is used
