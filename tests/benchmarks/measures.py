"""All measures by name."""

from __future__ import annotations

from collections.abc import Callable

from .contest import Row
from .path import in_flight, large, latency, streams

MEASURES: dict[str, Callable[[], list[Row]]] = {
    "latency": latency,
    "in_flight": in_flight,
    "streams": streams,
    "large": large,
}
