"""All measures by name."""

from __future__ import annotations

from collections.abc import Callable

from .contest import Row
from .path import in_flight, large, latency, streams
from .start import help_text, host_start, worker_start
from .survival import cancelled, held_back, soak, stopped

MEASURES: dict[str, Callable[[], list[Row]]] = {
    "latency": latency,
    "in_flight": in_flight,
    "streams": streams,
    "large": large,
    "worker_start": worker_start,
    "host_start": host_start,
    "help": help_text,
    "soak": soak,
    "stopped": stopped,
    "held_back": held_back,
    "cancelled": cancelled,
}
