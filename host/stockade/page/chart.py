"""The attempts of a span of time as bars: where each stands. Pure; the template draws them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stockade.admin.values import Bucket

WIDTH = 600  # the SVG's own units; it is drawn as wide as there is room
HEIGHT = 120
GAP = 3


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of time: the failed stand upon the answered."""

    x: float
    width: float
    answered_y: float
    answered_height: float
    failed_y: float
    failed_height: float
    bucket: Bucket


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """The bars, and in numbers what they show. `top` is what the full height stands for."""

    width: int
    height: int
    top: int
    bars: list[Bar]
    answered: int
    failed: int
    slowest_ms: float | None
    span_s: float


def chart_of(buckets: Sequence[Bucket]) -> Chart:
    """The chart of these pieces, the oldest first."""
    top = max((bucket.answered + bucket.failed for bucket in buckets), default=0)
    step = WIDTH / max(1, len(buckets))
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        top=top,
        bars=[_bar(bucket, index * step, step, top) for index, bucket in enumerate(buckets)],
        answered=sum(bucket.answered for bucket in buckets),
        failed=sum(bucket.failed for bucket in buckets),
        slowest_ms=max((b.mean_ms for b in buckets if b.mean_ms is not None), default=None),
        span_s=sum(bucket.span_s for bucket in buckets),
    )


def _bar(bucket: Bucket, x: float, step: float, top: int) -> Bar:
    unit = HEIGHT / top if top else 0.0
    answered, failed = bucket.answered * unit, bucket.failed * unit
    return Bar(
        x=round(x + GAP / 2, 2),
        width=round(max(1.0, step - GAP), 2),
        answered_y=round(HEIGHT - answered, 2),
        answered_height=round(answered, 2),
        failed_y=round(HEIGHT - answered - failed, 2),
        failed_height=round(failed, 2),
        bucket=bucket,
    )
