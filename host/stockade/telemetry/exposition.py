"""Families of numbers as the text that Prometheus reads; the one place that has its library.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

from .tallies import Family

__all__ = ["written"]

OPEN_METRICS: Final = "application/openmetrics-text"


def written(families: Iterable[Family], accept: str) -> tuple[str, bytes]:
    """Content type and text, as ``accept`` wants it: OpenMetrics, else Prometheus' own format.

    A registry for this one time: nothing that others count in this process is told.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(tuple(families)))
    # The library's own reading of the header raises for a version that is no number.
    if any(kind.split(";")[0].strip().lower() == OPEN_METRICS for kind in accept.split(",")):
        text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return f"{OPEN_METRICS}; version=1.0.0; charset=utf-8", text
    return "text/plain; version=0.0.4; charset=utf-8", generate_latest(registry)


class _Given:
    """A collector that has what it was given."""

    def __init__(self, families: tuple[Family, ...]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            yield _metric(family)


def _metric(family: Family) -> Metric:
    name, labels = family.name, list(family.labels)
    match family.type:
        case "histogram":
            histogram = HistogramMetricFamily(name, family.help, labels=labels)
            bounds = [*(str(float(bound)) for bound in family.bounds), "+Inf"]
            for row in family.rows:
                buckets = list(zip(bounds, map(float, row.buckets), strict=True))
                histogram.add_metric(row.labels, buckets, row.value)
            return histogram
        case "counter":
            counter = CounterMetricFamily(name, family.help, labels=labels)
            for row in family.rows:
                counter.add_metric(row.labels, row.value)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(name, family.help, labels=labels)
            for row in family.rows:
                gauge.add_metric(row.labels, row.value)
            return gauge
