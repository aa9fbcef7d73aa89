"""What a host counts, and ``/metrics``: docs/reference/metrics.md has all of it in a table.

Counting is on the path of every request, so it is a few additions; words and names are bounded
(`labels`), text is written when somebody asks.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import anyio.to_thread

from stockade.egress import Decision
from stockade.supervisor import PluginEvent, What
from stockade_sdk.capability import Attempt, CostBreakdown, Usage

from .figures import GatewayFigures, gateway_families
from .labels import KINDS, OTHER, Names, Targets
from .observed import Observed
from .tallies import Counts, Family, Labels, Spread, Spreads, gauge
from .workers import WorkerFamilies, WorkerFigures

__all__ = ["GatewayFigures", "Metrics", "WorkerFigures"]

# From an answer out of a cache to a long chain of thought that ends at the usual deadline.
REQUEST_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
# Where people tell a fast model from a slow one: tenths of a second up to a few.
FIRST_OUTPUT_S: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 60)
# Pages, listings and refusals take milliseconds; the rest are requests to a model.
HTTP_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 300)

OUTCOMES: Final = frozenset({"ok", "failed", "skipped", "streaming"})
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Where the rule would have to stand that allows what was denied (`Decision.wanted_in`).
DENIALS: Final = {"network": "host", "allow-host": "address", "secrets": "secret"}
MAX_ROUTES: Final = 128
MAX_REFUSALS: Final = 16


class Metrics:
    """Counts what it is told of; `render` writes it down. For one event loop.

    ``workers`` and ``gateway`` give figures when somebody asks for them; ``listed`` says whether
    the catalogue has a target, and ``version`` is the host's.
    """

    def __init__(
        self,
        workers: Callable[[], Iterable[WorkerFigures]] = tuple,
        *,
        gateway: Callable[[], GatewayFigures] = GatewayFigures,
        listed: Callable[[str], bool] = lambda target: False,
        version: str = "",
    ) -> None:
        self._workers, self._gateway, self._version = workers, gateway, version
        self._plugins = Names()
        self._targets = Targets(self._plugins, listed)
        self._routes, self._refusals = Names(MAX_ROUTES), Names(MAX_REFUSALS)
        self._worker_families = WorkerFamilies(self._plugins)
        # Label values by what they were made of, as far as that is bounded itself.
        self._tries: dict[tuple[str, str, str | None], tuple[Labels, Spread | None]] = {}
        self._http_known: dict[tuple[str, str, int], tuple[tuple[str, str, str], Spread]] = {}
        self._counters: list[Counts | Spreads] = []
        self._count_requests()
        self._count_the_rest()

    # --- what happened ---

    def request(self, observed: Observed) -> None:
        """Count a request, its attempts, its time, tokens and cost."""
        capability, kind = observed.capability, observed.kind
        if kind is None:
            outcome, word = "answered", ""
        else:
            outcome, word = "failed", KINDS.get(kind, "unknown")
        self._requests.add((capability, outcome, word))
        self._durations.of((capability, outcome)).add(observed.duration_s)
        if observed.first_output_s is not None:
            self._first_outputs.of((capability,)).add(observed.first_output_s)
        for attempt in observed.attempts:
            self._attempt(attempt)
        if observed.attempts:
            self._answer(observed.attempts[-1], observed.usage, observed.cost)

    def egress(self, decision: Decision) -> None:
        """Count a request or tunnel to a vendor, and its bytes."""
        plugin = self._plugins(decision.plugin)
        if not decision.allowed:
            self._decisions.add((plugin, "denied"))
            self._denials.add((plugin, DENIALS.get(decision.wanted_in, OTHER)))
        else:
            self._decisions.add((plugin, "failed" if decision.reason else "allowed"))
        if decision.bytes_out > 0:
            self._bytes.add((plugin, "out"), decision.bytes_out)
        if decision.bytes_in > 0:
            self._bytes.add((plugin, "in"), decision.bytes_in)

    def worker(self, event: PluginEvent) -> None:
        """Count a worker's start, end or death, and the starts after the first."""
        plugin = self._plugins(event.plugin)
        self._events.add((plugin, event.what.value))
        if event.what is What.STARTED:
            self._restarts.add((plugin,), 1 if plugin in self._started else 0)
            self._started.add(plugin)

    def http(self, *, route: str, method: str, status: int, duration_s: float) -> None:
        """Count an HTTP request that is over. ``route`` is the endpoint's pattern (`""`: there was
        none), never the path as it came.
        """
        known = self._http_known.get((route, method, status))
        if known is None:
            known = self._admit(route, method, status)
        self._http.add(known[0])
        known[1].add(duration_s)

    def refused(self, reason: str) -> None:
        """Count a body that was not read, by a word: `too_large`, `too_much_held`, `too_slow`."""
        self._refused.add((self._refusals(reason),))

    # --- what is told of it ---

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and text for what an ``Accept`` header wants."""
        from .exposition import written  # 80 ms of imports, which a start need not wait for

        return written(self.families(), accept)

    async def scrape(self, accept: str = "") -> tuple[str, bytes]:
        """The same, the text made in another thread: a full set of series takes some 20 ms."""
        families = tuple(self.families())

        def write() -> tuple[str, bytes]:
            from .exposition import written

            return written(families, accept)

        return await anyio.to_thread.run_sync(write)

    def families(self) -> Iterator[Family]:
        """All numbers as they stand now; on the event loop."""
        for counter in self._counters:
            yield counter.family()
        yield from self._worker_families.families(self._workers())
        yield from gateway_families(self._gateway())
        build: dict[Labels, float] = {(self._version, platform.python_version()): 1}
        yield gauge("stockade_build_info", "Always 1.", ("version", "python"), build)

    # --- how it is counted ---

    def _attempt(self, attempt: Attempt) -> None:
        key = (attempt.target.partition("/")[0], attempt.outcome, attempt.kind)
        labels, spread = self._tries.get(key) or self._admit_try(*key)
        self._attempts.add(labels)
        if spread is not None:
            spread.add(attempt.ms / 1_000)

    def _admit_try(self, name: str, outcome: str, kind: str | None) -> tuple[Labels, Spread | None]:
        plugin = self._plugins(name)
        labels = (
            plugin,
            outcome if outcome in OUTCOMES else OTHER,
            KINDS.get(kind or "", "unknown"),
        )
        spread = self._attempt_durations.of((plugin,)) if outcome == "ok" else None
        if plugin != OTHER and outcome in OUTCOMES and (kind is None or kind in KINDS):
            self._tries[name, outcome, kind] = labels, spread
        return labels, spread

    def _answer(self, last: Attempt, usage: Usage | None, cost: CostBreakdown | None) -> None:
        """Count tokens and cost. A caller's word for a model becomes a label only after somebody
        answered to it.
        """
        if last.outcome == "ok":
            labels = self._targets(last.target)
        elif usage is None and cost is None:
            return
        else:
            labels = (self._plugins(last.target.partition("/")[0]), OTHER)
        if usage is not None:
            self._used(labels, usage)
        dollars = _dollars(cost)
        if dollars is None:
            self._unpriced.add((labels[0],))
        else:
            self._cost.add(labels, dollars)

    def _used(self, labels: tuple[str, str], usage: Usage) -> None:
        """Counts are a vendor's or a plugin's word, so one below zero is no count."""
        for kind, count in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cached", usage.cached_input_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            if count is not None and count > 0:
                self._tokens.add((*labels, kind), count)

    def _admit(self, route: str, method: str, status: int) -> tuple[tuple[str, str, str], Spread]:
        pattern = self._routes(route)
        code = str(status) if 100 <= status <= 599 else OTHER
        labels = (pattern, method if method in METHODS else OTHER, code)
        known = (labels, self._http_durations.of((pattern,)))
        if pattern != OTHER and labels[1] == method and code != OTHER:
            self._http_known[route, method, status] = known
        return known

    def _counts(self, name: str, help: str, *labels: str) -> Counts:
        counts = Counts(f"stockade_{name}", help, *labels)
        self._counters.append(counts)
        return counts

    def _spreads(self, name: str, help: str, bounds: tuple[float, ...], *labels: str) -> Spreads:
        spreads = Spreads(f"stockade_{name}", help, bounds, *labels)
        self._counters.append(spreads)
        return spreads

    def _count_requests(self) -> None:
        counts, spreads = self._counts, self._spreads
        self._requests = counts(
            "requests", "Requests that are over.", "capability", "outcome", "kind"
        )
        self._durations = spreads(
            "request_duration_seconds",
            "Seconds until the last byte of an answer, or the error.",
            REQUEST_S,
            "capability",
            "outcome",
        )
        self._first_outputs = spreads(
            "first_output_seconds",
            "Seconds until the first event of a stream.",
            FIRST_OUTPUT_S,
            "capability",
        )
        self._attempts = counts(
            "attempts", "Tries of targets, by what came of them.", "plugin", "outcome", "kind"
        )
        self._attempt_durations = spreads(
            "attempt_duration_seconds",
            "Seconds of the tries that were answered.",
            REQUEST_S,
            "plugin",
        )
        self._tokens = counts(
            "tokens", "Tokens as vendors reported them.", "plugin", "model", "kind"
        )
        self._cost = counts("cost_usd", "USD, where the price is known.", "plugin", "model")
        self._unpriced = counts("unpriced", "Answers whose cost is not known.", "plugin")

    def _count_the_rest(self) -> None:
        counts = self._counts
        self._decisions = counts(
            "egress_decisions", "Requests and tunnels to vendors.", "plugin", "outcome"
        )
        self._denials = counts(
            "egress_denials", "Those that were denied, by what forbade them.", "plugin", "reason"
        )
        self._bytes = counts("egress_bytes", "Bytes of their bodies.", "plugin", "direction")
        self._events = counts("worker_events", "What became of workers.", "plugin", "event")
        self._restarts = counts("worker_restarts", "Starts after a plugin's first.", "plugin")
        self._started: set[str] = set()
        self._http = counts(
            "http_requests", "HTTP requests that are over.", "route", "method", "status"
        )
        self._http_durations = self._spreads(
            "http_request_duration_seconds",
            "Seconds from a request's headers to its answer's last byte.",
            HTTP_S,
            "route",
        )
        self._refused = counts("http_bodies_refused", "Bodies that were not taken.", "reason")


def _dollars(cost: CostBreakdown | None) -> float | None:
    """The whole cost; None where it is not known, not in USD or no amount of money."""
    if cost is None or cost.total_cost is None or cost.currency != "USD":
        return None
    try:
        dollars = float(cost.total_cost)
    except ValueError:
        return None
    return dollars if math.isfinite(dollars) and dollars >= 0 else None
