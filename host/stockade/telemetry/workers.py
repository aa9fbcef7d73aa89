"""The figures of workers as metrics, read when somebody asks for them.

Pure but for what it remembers: a worker takes its CPU seconds with it when it ends, and a counter
may not go back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from stockade.supervisor import PluginState, PluginStatus, WorkerStatus

from .labels import Names
from .tallies import Family, Labels, gauge

__all__ = ["WorkerFamilies", "WorkerFigures"]


class WorkerFigures(msgspec.Struct, frozen=True):
    """One plugin and where its workers stand, as ``Supervisor.status`` has it."""

    plugin: str
    status: PluginStatus


class WorkerFamilies:
    """Gauges of workers, and their CPU seconds summed up."""

    def __init__(self, plugins: Names) -> None:
        self._plugins = plugins
        self._cpu: Counter[Labels] = Counter()  # never less
        self._seen: dict[tuple[str, int], float] = {}  # of workers that were there the last time

    def families(self, figures: Iterable[WorkerFigures]) -> Iterator[Family]:
        """One of each metric, over all plugins."""
        states: Counter[Labels] = Counter()
        workers: Counter[Labels] = Counter()
        memory: Counter[Labels] = Counter()
        calls: Counter[Labels] = Counter()
        waiting: Counter[Labels] = Counter()
        seen: dict[tuple[str, int], float] = {}
        for one in figures:
            plugin = self._plugins(one.plugin)
            for state in PluginState:
                states[plugin, state.value] += one.status.state == state
            waiting[plugin,] += one.status.waiting
            memory[plugin,] += 0
            calls[plugin,] += 0
            for worker in one.status.workers:
                workers[plugin, worker.state] += 1
                memory[plugin,] += worker.rss_bytes or 0
                calls[plugin,] += worker.in_flight
                self._used(one.plugin, plugin, worker, seen)
        self._seen = seen
        by_state, by_plugin = ("plugin", "state"), ("plugin",)
        yield gauge(
            "stockade_plugin_state",
            "1 for the state that a plugin is in, 0 for the others.",
            by_state,
            states,
        )
        yield gauge("stockade_workers", "Worker processes by their state.", by_state, workers)
        yield gauge(
            "stockade_worker_memory_bytes",
            "Resident memory of a plugin's workers.",
            by_plugin,
            memory,
        )
        yield gauge(
            "stockade_worker_calls", "Calls that a plugin's workers are at.", by_plugin, calls
        )
        yield gauge(
            "stockade_worker_waiting", "Calls that wait for a free worker.", by_plugin, waiting
        )
        cpu = gauge(
            "stockade_worker_cpu_seconds",
            "CPU seconds of a plugin's workers, as far as scrapes saw them.",
            by_plugin,
            self._cpu,
        )
        yield cpu._replace(type="counter")

    def _used(
        self, name: str, plugin: str, worker: WorkerStatus, seen: dict[tuple[str, int], float]
    ) -> None:
        if worker.pid is None or worker.cpu_seconds is None:
            return
        before = self._seen.get((name, worker.pid), 0.0)
        if worker.cpu_seconds < before:  # another process that was given the same pid
            before = 0.0
        self._cpu[plugin,] += worker.cpu_seconds - before  # type: ignore[assignment]
        seen[name, worker.pid] = worker.cpu_seconds
