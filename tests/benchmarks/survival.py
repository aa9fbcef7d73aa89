"""What a host does while its workers are killed, stopped, or not read from."""

from __future__ import annotations

import statistics
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import anyio

from stockade.supervisor import What
from stockade_sdk import ChatResponse
from tests.conftest import holdings, wait_until_released
from tests.system import backpressure, cancelling, soaking, stopping

from .contest import Goal, Row

REQUESTS, IN_FLIGHT = 2_000, 8
MIB = 1024 * 1024
TIMES = 5
CALL_TIMEOUT_S = 10.0


def soak() -> list[Row]:
    """2,000 requests at 8 in flight, a SIGKILL every 200 ms, two plugins on the route."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        home = soaking.prepared(Path(name))
        anyio.run(lambda: soaking.soak(home, requests=8, in_flight=2))  # makes what is kept
        before, kept = holdings(), soaking.files(home)
        seen = anyio.run(lambda: soaking.soak(home, requests=REQUESTS, in_flight=IN_FLIGHT))
        left = [*wait_until_released(before), *sorted(soaking.files(home) - kept)]
    died = sum(event.what is What.DIED for event in seen.events)
    failed = Counter(str(one.kind) for one in seen.outcomes if one.kind is not None)
    wrong = sum(one.text not in (None, one.asked) for one in seen.outcomes)
    asked = Counter(one.asked for one in seen.outcomes)
    lost = REQUESTS - len(asked) + sum(times - 1 for times in asked.values())
    late = sum(not one.in_time for one in seen.outcomes)
    took = max(one.ended for one in seen.outcomes) - min(one.began for one in seen.outcomes)
    notes = (
        f"{len(seen.kills)} kills, {died} deaths in {took:.1f} s; failed: {dict(failed) or 'none'}",
        f"[supervision] deaths = {soaking.MANY_DEATHS}: by default a plugin is given up after 3",
    )
    right = 100 * seen.right / REQUESTS
    recovery = seen.recovery_p50_s() * 1e3
    primary = seen.recovery_p50_s(soaking.PLUGINS[:1]) * 1e3
    by_plugin = (f"after kills of the route's first plugin: {primary:.0f} ms",)
    bad = wrong + lost + late
    seen_by = f"{wrong} wrong, {lost} lost or twice, {late} late"
    return [
        Row("soak: wrong, lost, twice, late", seen_by, "", bad, Goal(0, unit=""), notes=notes),
        Row("soak: answered right", f"{right:.1f} %", "", right, Goal(95, True, " %")),
        Row(
            name="soak: kill to next right answer, p50",
            ours=f"{recovery:.0f} ms",
            peer="",
            figure=recovery,
            goal=Goal(100, unit=" ms"),
            notes=by_plugin,
        ),
        Row("soak: left behind", "; ".join(left) or "nothing", "", len(left), Goal(0, unit="")),
    ]


class Stopped(NamedTuple):
    """What SIGSTOP led to: seconds, and whether the answers were right."""

    idle_s: float
    busy_s: float
    right: bool


def stopped() -> list[Row]:
    """A worker stopped with SIGSTOP, in the middle of a call and idle."""
    seen = [anyio.run(_stopped) for _ in range(TIMES)]
    idle = statistics.median(one.idle_s for one in seen)
    busy = statistics.median(one.busy_s for one in seen)
    wrong = sum(not one.right for one in seen)
    limit = Goal(CALL_TIMEOUT_S, unit=" s")
    return [
        Row("SIGSTOP, busy: the fallback's answer", f"{busy:.2f} s", "", busy, limit),
        Row("SIGSTOP, idle: another is ready", f"{idle:.2f} s", "", idle, Goal(5, unit=" s")),
        Row("SIGSTOP: wrong outcomes", f"{wrong} of {TIMES}", "", wrong, Goal(0, unit="")),
    ]


async def _stopped() -> Stopped:
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        async with stopping.stopping(Path(name)) as scene:
            busy_s, answer = await scene.stop_busy(timeout=CALL_TIMEOUT_S)
            await scene.news.until(What.READY, "first", 2)
            idle_s, before, after = await scene.stop_idle()
    by_fallback = isinstance(answer, ChatResponse) and answer.text.startswith("second ")
    return Stopped(idle_s, busy_s, by_fallback and before != after and after.startswith("first "))


def held_back() -> list[Row]:
    """8 readers that stop reading 16 MiB streams."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        held = anyio.run(backpressure.hold, Path(name))
    grown, at_end = held.grown_bytes / MIB, held.grown_at_end_bytes / MIB
    ahead = max(held.given) / MIB
    whole = all(size >= backpressure.STREAM_BYTES for size in held.received)
    notes = (
        f"the worker went {ahead:.2f} MiB ahead at most",
        f"read after all: {at_end:.1f} MiB grown, {'all' if whole else 'NOT all'} bytes there",
    )
    return [
        Row(
            name="8 readers that stop: the host grows",
            ours=f"{grown:.1f} MiB",
            peer="",
            figure=max(grown, at_end) if whole else float("inf"),
            goal=Goal(64, unit=" MiB"),
            notes=notes,
        )
    ]


def cancelled() -> list[Row]:
    """From a caller's cancellation to the end of the connection at the vendor."""
    rows = []
    for streaming in (False, True):
        seen = []
        for _ in range(TIMES):
            with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
                root = Path(name)
                left = anyio.run(lambda: cancelling.leave(root, streaming=streaming))  # noqa: B023
            untouched = left.other == "hello" and left.other_connections == 1
            seen.append(left.seen_s * 1e3 if untouched else float("inf"))
        what = "stream" if streaming else "call"
        worst = max(seen)
        ours = f"{statistics.median(seen):.1f} ms, worst {worst:.1f}"
        goal = Goal(250, unit=" ms")
        rows.append(Row(f"cancelled {what}: seen by the vendor, worst", ours, "", worst, goal))
    return rows
