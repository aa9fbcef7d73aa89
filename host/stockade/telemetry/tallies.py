"""Numbers that are counted while requests run, and how they look when somebody asks. Pure.

Counted on the event loop alone, so a plain dictionary does; the objects of prometheus_client take a
lock for every number. What `family` gives is a copy, for another thread to write out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from typing import Literal, NamedTuple

__all__ = ["Counts", "Family", "Labels", "Row", "Spread", "Spreads", "gauge"]

Labels = tuple[str, ...]


class Spread:
    """How many values lay at or below each bound, and their sum; the last count is beyond all."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Row(NamedTuple):
    """One time series. `buckets` are cumulative, of a histogram alone, and `value` its sum then."""

    labels: Labels
    value: float
    buckets: tuple[int, ...] = ()


class Family(NamedTuple):
    """One metric as it stands: `name` without `_total`, `bounds` of a histogram alone."""

    name: str
    help: str
    type: Literal["counter", "gauge", "histogram"]
    labels: Labels
    rows: tuple[Row, ...]
    bounds: tuple[float, ...] = ()


class Counts:
    """One counter: a number for each set of label values, which only grows."""

    __slots__ = ("_by", "_help", "_labels", "_name")

    def __init__(self, name: str, help: str, *labels: str) -> None:
        self._name, self._help, self._labels = name, help, labels
        self._by: dict[Labels, float] = {}

    def add(self, labels: Labels, amount: float = 1) -> None:
        """``amount`` is finite and not negative; who counts foreign numbers looks first."""
        by = self._by
        by[labels] = by.get(labels, 0) + amount

    def family(self) -> Family:
        rows = tuple(Row(labels, value) for labels, value in self._by.items())
        return Family(self._name, self._help, "counter", self._labels, rows)


class Spreads:
    """One histogram: a spread for each set of label values."""

    __slots__ = ("_bounds", "_by", "_help", "_labels", "_name")

    def __init__(self, name: str, help: str, bounds: tuple[float, ...], *labels: str) -> None:
        self._name, self._help, self._labels, self._bounds = name, help, labels, bounds
        self._by: dict[Labels, Spread] = {}

    def of(self, labels: Labels) -> Spread:
        """The spread of these label values, to be kept by who adds to it often."""
        found = self._by.get(labels)
        if found is None:
            found = self._by[labels] = Spread(self._bounds)
        return found

    def family(self) -> Family:
        rows = tuple(
            Row(labels, spread.total, tuple(accumulate(spread.counts)))
            for labels, spread in self._by.items()
        )
        return Family(self._name, self._help, "histogram", self._labels, rows, self._bounds)


def gauge(name: str, help: str, labels: Labels, values: Mapping[Labels, float]) -> Family:
    """A figure that was just read."""
    rows = tuple(Row(label_values, value) for label_values, value in values.items())
    return Family(name, help, "gauge", labels, rows)
