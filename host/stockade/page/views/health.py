"""Health: how the providers are, what rests and why, and what came of the last attempts."""

from __future__ import annotations

from starlette.responses import Response

from stockade.page.chart import chart_of
from stockade.page.visit import Visit

SPAN_S = 3_600.0
BUCKETS = 30
LAST = 50


async def show(visit: Visit) -> Response:
    return await visit.page("health.html", "health", **await seen(visit))


async def live(visit: Visit) -> Response:
    """What changes of it, for a script that asks again."""
    return visit.fragment("_health.html", **await seen(visit))


async def seen(visit: Visit) -> dict[str, object]:
    """All that the tab shows, of one plugin or of all."""
    rows = await visit.operator.health()
    names = [row.plugin for row in rows]
    wished = visit.query.text("plugin")
    plugin = wished if wished in names else None
    buckets = await visit.operator.attempt_chart(plugin=plugin, span_s=SPAN_S, buckets=BUCKETS)
    return {
        "rows": rows,
        "names": names,
        "plugin": plugin or "",
        "chart": chart_of(buckets),
        "attempts": await visit.operator.attempts(plugin=plugin, limit=LAST),
    }


async def check(visit: Visit) -> Response:
    """Ask every vendor, or one of them, as a job."""
    job = await visit.operator.check_health(tuple(visit.form.all("plugin")))
    return visit.go(f"/jobs/{job.id}")
