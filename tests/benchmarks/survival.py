"""What a host does while its workers are killed, stopped, or not read from."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import anyio

from stockade.supervisor import What
from tests.conftest import holdings, wait_until_released
from tests.system import soaking

from .contest import Goal, Row

REQUESTS, IN_FLIGHT = 2_000, 8


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
