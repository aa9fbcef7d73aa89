"""The figures of the gateway as metrics, read when somebody asks for them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .tallies import Family, Labels, gauge

__all__ = ["GatewayFigures", "gateway_families"]


class GatewayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is open at this moment, and what telemetry itself lost since the start."""

    connections: int = 0
    streams: int = 0
    requests: int = 0
    body_bytes: int = 0
    log_lines_lost: int = 0
    spans_lost: int = 0


def gateway_families(figures: GatewayFigures) -> Iterator[Family]:
    """One gauge for each thing that is open, and a counter of what was lost."""
    for name, help, value in (
        ("connections", "Open connections of clients.", figures.connections),
        ("streams", "Streamed answers on their way.", figures.streams),
        ("requests_in_flight", "HTTP requests that are not over.", figures.requests),
        ("body_bytes", "Bytes of bodies that are held.", figures.body_bytes),
    ):
        yield gauge(f"stockade_http_{name}", help, (), {(): value})
    lost: dict[Labels, float] = {("log",): figures.log_lines_lost, ("spans",): figures.spans_lost}
    help = "Lines of the request log, and requests whose spans could not be sent."
    yield gauge("stockade_telemetry_lost", help, ("what",), lost)._replace(type="counter")
