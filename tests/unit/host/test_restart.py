"""When a dead worker is replaced, and when it is given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.supervisor.restart import (
    MAX_BACKOFF_S,
    Death,
    GiveUp,
    StartAfter,
    after_exit,
)

NOW = 1_000.0
WINDOW_S = 300.0


def decide(deaths: list[Death], *, most: int = 3, random: float = 1.0) -> StartAfter | GiveUp:
    return after_exit(deaths, NOW, lambda: random, most=most, window_s=WINDOW_S)


def test_the_first_death_is_answered_at_once() -> None:
    assert decide([Death(NOW)]) == StartAfter(0.0)


def test_the_second_waits_a_little() -> None:
    assert decide([Death(NOW - 1), Death(NOW)]) == StartAfter(0.05)


def test_the_third_within_the_window_gives_up_and_says_why() -> None:
    decision = decide([Death(NOW - 299), Death(NOW - 1), Death(NOW)])

    assert decision == GiveUp("it died 3 times within 5m")


def test_deaths_before_the_window_are_forgotten() -> None:
    deaths = [Death(NOW - 301), Death(NOW - 300.5), Death(NOW)]

    assert decide(deaths) == StartAfter(0.0)


def test_a_single_allowed_death_gives_up_in_the_singular() -> None:
    assert decide([Death(NOW)], most=1) == GiveUp("it died once within 5m")


def test_waits_double_up_to_a_bound() -> None:
    waits = []
    for count in range(1, 12):
        decision = decide([Death(NOW)] * count, most=1000)
        assert isinstance(decision, StartAfter)
        waits.append(decision.seconds)

    assert waits[:5] == [0.0, 0.05, 0.1, 0.2, 0.4]
    assert waits[-1] == MAX_BACKOFF_S


def test_a_worker_that_served_is_replaced_at_once_however_often_others_died() -> None:
    deaths = [Death(NOW - 2), Death(NOW - 1), Death(NOW, served=True)]

    assert decide(deaths, most=1000) == StartAfter(0.0)


def test_an_answer_in_between_ends_a_row_of_deaths() -> None:
    deaths = [Death(NOW - 3), Death(NOW - 2), Death(NOW - 1, served=True), Death(NOW)]

    assert decide(deaths, most=1000) == StartAfter(0.0)


@pytest.mark.parametrize(("random", "seconds"), [(0.0, 0.05), (0.5, 0.075), (1.0, 0.1)])
def test_half_of_a_wait_is_by_chance(random: float, seconds: float) -> None:
    decision = decide([Death(NOW)] * 3, most=1000, random=random)

    assert isinstance(decision, StartAfter)
    assert decision.seconds == pytest.approx(seconds)


@given(st.lists(st.tuples(st.floats(0, NOW), st.booleans()), min_size=1, max_size=2000))
def test_no_history_makes_a_wait_longer_than_the_bound(history: list[tuple[float, bool]]) -> None:
    deaths = [Death(at, served) for at, served in sorted(history)]

    decision = decide(deaths, most=100_000)

    assert isinstance(decision, StartAfter)
    assert 0.0 <= decision.seconds <= MAX_BACKOFF_S
