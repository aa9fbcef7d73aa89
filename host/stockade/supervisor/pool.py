"""How many workers a plugin gets and which of them takes a call. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

QUEUE_FACTOR: Final = 16  # calls waiting, in multiples of what one worker runs at a time


def shortest(queues: Sequence[int], concurrency: int) -> int | None:
    """The index of the shortest queue with room; None where all are full (or there is none)."""
    best, least = None, concurrency
    for index, length in enumerate(queues):
        if length < least:
            best, least = index, length
    return best


def wanted(in_flight: int, waiting: int, concurrency: int, most: int) -> int:
    """How many workers the load asks for, starting ones included, at most `most`."""
    return min(most, -(-(in_flight + waiting) // concurrency))


def queue_full(waiting: int, concurrency: int) -> bool:
    """Whether one more caller may not wait."""
    return waiting >= QUEUE_FACTOR * concurrency
