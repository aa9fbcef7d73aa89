"""What `top` shows, from what a host or its home says: pure.

The shapes are the admin API's, as far as they are needed here: further keys are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any, Final

import msgspec

from stockade.cli.output import safe, table

__all__ = [
    "ATTEMPTS",
    "WINDOW_S",
    "Attempt",
    "Plugin",
    "Recent",
    "Sample",
    "Serving",
    "Worker",
    "as_json",
    "as_lines",
    "processor_times",
]

WINDOW_S: Final = 60.0  # of the requests that count
ATTEMPTS: Final = 1_000  # at most, of the last; what a busy host does in less is reckoned up
MIB: Final = 2**20
TITLES: Final = (
    "PLUGIN",
    "STATE",
    "PID",
    "CPU %",
    "MIB",
    "IN FLIGHT",
    "RESTARTS",
    "REQ/MIN",
    "P50 MS",
    "MEAN MS",
    "ERRORS",
    "LAST ERROR",
)

Times = Mapping[int, tuple[float, float]]  # by pid: processor time in seconds, and when it was so


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """The running host."""

    version: str
    pid: int
    url: str | None
    tier: str | None
    uptime_s: float
    in_flight: int
    draining: bool


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """An installed plugin; `running` is null where no host serves the home."""

    name: str
    state: str
    running: str | None = None
    last_error: str | None = None


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One worker; `in_flight` is null where only its host knows."""

    plugin: str
    pid: int | None
    state: str
    tier: str
    rss_bytes: int | None
    cpu_seconds: float | None
    restarts: int
    uptime_s: float
    in_flight: int | None = None


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """How a plugin's attempts of the last hour went."""

    plugin: str
    failed: int
    last_error_kind: str | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    target: str
    outcome: str
    ms: float
    at: float


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look, `at` seconds since 1970. `attempts` are the last ones, at most ATTEMPTS."""

    at: float
    serving: Serving | None
    plugins: Sequence[Plugin]
    workers: Sequence[Worker]
    recent: Sequence[Recent]
    attempts: Sequence[Attempt]


def processor_times(sample: Sample) -> Times:
    """What the next look compares with."""
    return {
        one.pid: (one.cpu_seconds, sample.at)
        for one in sample.workers
        if one.pid is not None and one.cpu_seconds is not None
    }


def as_json(sample: Sample, before: Times) -> dict[str, Any]:
    """What `top --json` prints. `cpu_percent` is of one core since the look `before`; at the first,
    since the worker's start.
    """
    recent = {one.plugin: one for one in sample.recent}
    return {
        "at": sample.at,
        "host": None if sample.serving is None else msgspec.to_builtins(sample.serving),
        "plugins": [
            {
                "name": plugin.name,
                "state": plugin.state,
                "running": plugin.running,
                "workers": [
                    {
                        **msgspec.to_builtins(worker),
                        "cpu_percent": _percent(worker, sample.at, before),
                    }
                    for worker in sample.workers
                    if worker.plugin == plugin.name
                ],
                **_requests(sample, plugin.name),
                "errors": recent[plugin.name].failed if plugin.name in recent else 0,
                "last_error": _last_error(plugin, recent.get(plugin.name)),
            }
            for plugin in sample.plugins
        ],
    }


def _percent(worker: Worker, now: float, before: Times) -> float | None:
    if worker.pid is None or worker.cpu_seconds is None:
        return None
    then = before.get(worker.pid)
    used, span = worker.cpu_seconds, worker.uptime_s
    if then is not None and now > then[1] and used >= then[0]:  # a pid may be another's by now
        used, span = used - then[0], now - then[1]
    return round(100 * used / span, 1) if span > 0 else None


def _requests(sample: Sample, plugin: str) -> dict[str, float | None]:
    """Of the last minute; where there were too many to be seen, of as much of it as was."""
    began = sample.at - WINDOW_S
    if len(sample.attempts) >= ATTEMPTS:
        began = max(began, min(one.at for one in sample.attempts))
    mine = [
        one
        for one in sample.attempts
        if one.at >= began and one.target.partition("/")[0] == plugin and one.outcome != "skipped"
    ]
    answered = [one.ms for one in mine if one.outcome == "ok"]
    span = max(sample.at - began, 1.0)
    return {
        "requests_per_min": round(len(mine) * 60 / span, 1),
        "p50_ms": round(median(answered), 1) if answered else None,
        "mean_ms": round(fmean(answered), 1) if answered else None,
    }


def _last_error(plugin: Plugin, recent: Recent | None) -> str | None:
    return plugin.last_error or (recent.last_error_kind if recent is not None else None)


def as_lines(shown: Mapping[str, Any]) -> list[str]:
    """The same for people: who serves, and a line a worker."""
    rows = [row for plugin in shown["plugins"] for row in _rows(plugin)]
    found = table(TITLES, rows).splitlines() if rows else ["No plugin is installed."]
    return [safe(_heading(shown["host"])), "", *found]


def _heading(host: Mapping[str, Any] | None) -> str:
    if host is None:
        return "No host serves this home; shown are workers of others, as far as they are known."
    return (
        f"stockade {host['version']} at {host['url'] or 'no address'}, process {host['pid']}, "
        f"tier {host['tier'] or 'unknown'}, up {_span(host['uptime_s'])}, "
        f"{host['in_flight']} in flight{', draining' if host['draining'] else ''}"
    )


def _rows(plugin: Mapping[str, Any]) -> Iterable[tuple[object, ...]]:
    figures = (
        plugin["requests_per_min"],
        plugin["p50_ms"],
        plugin["mean_ms"],
        plugin["errors"],
        plugin["last_error"],
    )
    workers = plugin["workers"]
    may_run = plugin["state"] in ("installed", "enabled")
    if not workers:
        state = (plugin["running"] if may_run else None) or plugin["state"]
        yield (plugin["name"], state, None, None, None, None, None, *figures)
    for at, worker in enumerate(workers):
        rss = worker["rss_bytes"]
        yield (
            plugin["name"],
            worker["state"] if may_run else f"{worker['state']}, {plugin['state']}",
            worker["pid"],
            worker["cpu_percent"],
            None if rss is None else rss / MIB,
            worker["in_flight"],
            worker["restarts"],
            # A plugin's requests are not told apart by worker.
            *(figures if at == 0 else (None,) * len(figures)),
        )


def _span(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
