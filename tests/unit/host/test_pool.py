"""Who takes a call, how many workers there should be, how many may wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.supervisor.pool import queue_full, shortest, wanted


@pytest.mark.parametrize(
    ("queues", "chosen"),
    [
        ([], None),
        ([0], 0),
        ([3], 0),
        ([4], None),
        ([2, 1, 3], 1),
        ([1, 1], 0),
        ([4, 4, 4], None),
        ([4, 3], 1),
        ([9, 4], None),
    ],
)
def test_the_shortest_queue_with_room_is_chosen(queues: list[int], chosen: int | None) -> None:
    assert shortest(queues, 4) == chosen


@pytest.mark.parametrize(
    ("in_flight", "waiting", "workers"),
    [(0, 0, 0), (0, 1, 1), (15, 1, 1), (16, 1, 2), (16, 0, 1), (32, 1, 3), (64, 900, 3)],
)
def test_workers_follow_the_load_up_to_the_limit(
    in_flight: int, waiting: int, workers: int
) -> None:
    assert wanted(in_flight, waiting, 16, 3) == workers


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 1024), st.integers(1, 64))
def test_wanted_workers_have_room_for_all_or_are_the_most_there_may_be(
    in_flight: int, waiting: int, concurrency: int, most: int
) -> None:
    workers = wanted(in_flight, waiting, concurrency, most)

    assert workers == most or workers * concurrency >= in_flight + waiting
    assert workers <= most


def test_sixteen_rounds_may_wait_and_no_more() -> None:
    assert not queue_full(63, 4)
    assert queue_full(64, 4)
