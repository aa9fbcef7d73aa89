"""The router under vendors that flap, for long enough that whatever grows shows."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import anyio

from stockade.state.attempts import MAX_ATTEMPT_ROWS
from tests.conftest import holdings, wait_until_released
from tests.system import routing_soak as machinery
from tests.system.routing_report import TIMEOUT_S, Report

from .contest import Goal, Row

REQUESTS, IN_FLIGHT = 20_000, 16
GROWN_MIB = 16.0
NONE = Goal(0, unit="")


def routing_soak() -> list[Row]:
    """20,000 requests at 16 in flight, two vendors that flap, rests of 0.3 to 1 s."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        with tempfile.TemporaryDirectory(prefix="stockade-bench-") as first:
            anyio.run(lambda: machinery.soak(Path(first), requests=20, in_flight=2))
        before = holdings()
        report = anyio.run(
            lambda: machinery.soak(Path(name), requests=REQUESTS, in_flight=IN_FLIGHT)
        )
        left = wait_until_released(before)
        return [*outcomes(report), *standings(report), *growth(report), _row("left behind", left)]


def outcomes(report: Report) -> list[Row]:
    """What became of the requests."""
    took = max(one.ended for one in report.outcomes) - min(one.began for one in report.outcomes)
    failed = Counter(one.kind for one in report.outcomes if one.kind is not None)
    answered = REQUESTS - failed.total()
    slowest = max(one.ended - one.began for one in report.outcomes)
    bad = (report.lost, report.late, len(report.wrong), len(report.given_up))
    unlike = len(report.misreported)
    moods = dict(Counter(hit.mood for hit in report.hits))
    lag_ms = max(report.lags_s) * 1e3
    notes = (
        f"{answered:,} answered in {took:.0f} s; failed with both vendors ill: {dict(failed)}",
        f"what the vendors did {len(report.hits):,} times: {moods}",
        f"the slowest took {slowest:.2f} s of {TIMEOUT_S:g}; the loop was held up {lag_ms:.0f} ms",
    )
    said = "{} lost, {} late, {} wrong, {} given up early".format(*bad)
    return [
        Row("routing soak: requests", said, "", sum(bad), NONE, notes=notes),
        Row("routing soak: attempts unlike hits", str(unlike), "", unlike, NONE),
    ]


def standings(report: Report) -> list[Row]:
    """Who was said to rest, against what the vendors did."""
    judged = report.judged
    certain = f"certain: {judged.resting:,} rest, {judged.rested:,} did, {judged.ready:,} are ready"
    unclear = f"unclear: {judged.unclear:,}; {report.openings} rests began"
    notes = (certain, unclear, *judged.wrong[:5])
    wrong = f"{len(judged.wrong)} of {2 * len(report.samples):,}"
    return [Row("routing soak: wrong standings", wrong, "", len(judged.wrong), NONE, notes=notes)]


def growth(report: Report) -> list[Row]:
    """What is held after it, against what was held after the first 160 requests."""
    before, after, tables = report.before, report.after, report.tables
    grown = after.host - before.host + after.workers - before.workers
    memory = f"{after.host - before.host:.1f} + {after.workers - before.workers:.1f} MiB"
    more = max(0, after.tasks - before.tasks) + max(0, after.descriptors - before.descriptors)
    rows = tables["route_attempt_logs"]
    lost = len(report.hits) - tables["attempts ever logged"]
    lost += sum(abs(report.counted.get(name, 0) - hits) for name, hits in report.hits_at.items())
    notes = (f"{tables}; on disk {report.bytes_on_disk / machinery.MIB:.1f} MiB",)
    return [
        Row("routing soak: host + workers grew", memory, "", grown, Goal(GROWN_MIB, unit=" MiB")),
        Row("routing soak: tasks, descriptors more", str(more), "", more, NONE),
        Row("routing soak: log", f"{rows:,} rows", "", rows, Goal(MAX_ATTEMPT_ROWS, unit=" rows")),
        Row("routing soak: not logged or counted", str(lost), "", lost, NONE, notes=notes),
    ]


def _row(name: str, found: list[str]) -> Row:
    said = "; ".join(found) or "nothing"
    return Row(f"routing soak: {name}", said, "", len(found), NONE)
