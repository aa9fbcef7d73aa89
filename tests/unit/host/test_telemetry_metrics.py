"""Metrics: what is counted, that labels stay few, and that Prometheus can read it."""

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from stockade.egress import Decision
from stockade.supervisor import PluginEvent, PluginState, PluginStatus, What, WorkerStatus
from stockade.telemetry import Observed
from stockade.telemetry.labels import MAX_MODELS, MAX_PLUGINS, MAX_UNLISTED
from stockade.telemetry.metrics import GatewayFigures, Metrics, WorkerFigures
from stockade_sdk.capability import Attempt, Capability, CostBreakdown, Usage

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def observed(*attempts: Attempt, **other: object) -> Observed:
    fields = {
        "request_id": "r1",
        "trace_parent": None,
        "capability": Capability.CHAT,
        "model": "auto",
        "streamed": False,
        "attempts": attempts,
        "usage": None,
        "cost": None,
        "kind": None,
        "started_at": 1_000.0,
        "duration_s": 0.3,
    }
    return Observed(**(fields | other))  # type: ignore[arg-type]


def answered(target: str, ms: float = 10.0) -> Attempt:
    return Attempt(target=target, outcome="ok", ms=ms)


def read(metrics: Metrics) -> Series:
    _, text = metrics.render()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float | None:
    return series.get((f"stockade_{name}", tuple(sorted(labels.items()))))


def values_of(series: Series, name: str, label: str) -> set[str]:
    return {dict(labels)[label] for found, labels in series if found == f"stockade_{name}"}


def worker(pid: int, cpu_seconds: float | None, state: str = "ready") -> WorkerStatus:
    return WorkerStatus(
        state=state,
        pid=pid,
        rss_bytes=None if cpu_seconds is None else 20_000_000,
        cpu_seconds=cpu_seconds,
        restarts=0,
        uptime_s=1.0,
        in_flight=2,
        layers=(),
        tier="full",
    )


def test_a_fallback_counts_as_one_answer_and_two_attempts() -> None:
    metrics = Metrics()
    failed = Attempt(target="openai/gpt", outcome="failed", kind="overloaded", ms=40.0)
    metrics.request(observed(failed, answered("mistral/large", ms=260.0)))

    series = read(metrics)
    requests = {"capability": "chat", "outcome": "answered", "kind": ""}
    assert value(series, "requests_total", **requests) == 1
    tries = {"plugin": "openai", "outcome": "failed", "kind": "overloaded"}
    assert value(series, "attempts_total", **tries) == 1
    assert value(series, "attempts_total", plugin="mistral", outcome="ok", kind="") == 1
    assert value(series, "attempt_duration_seconds_sum", plugin="mistral") == 0.26
    assert value(series, "attempt_duration_seconds_sum", plugin="openai") is None


def test_a_failure_counts_by_its_kind() -> None:
    metrics = Metrics()
    metrics.request(observed(kind="timeout"))
    metrics.request(observed(kind="a plugin's own word"))

    series = read(metrics)
    failed = {"capability": "chat", "outcome": "failed"}
    assert value(series, "requests_total", **failed, kind="timeout") == 1
    assert value(series, "requests_total", **failed, kind="unknown") == 1


def test_durations_lie_in_cumulative_buckets() -> None:
    metrics = Metrics()
    for seconds in (0.01, 0.3, 0.5, 1_000.0):
        metrics.request(observed(duration_s=seconds, first_output_s=seconds / 2))

    series = read(metrics)
    labels = {"capability": "chat", "outcome": "answered"}

    def up_to(bound: str) -> float | None:
        return value(series, "request_duration_seconds_bucket", **labels, le=bound)

    assert [up_to(bound) for bound in ("0.01", "0.25", "0.5", "600.0", "+Inf")] == [1, 1, 3, 3, 4]
    assert value(series, "request_duration_seconds_count", **labels) == 4
    assert value(series, "request_duration_seconds_sum", **labels) == pytest.approx(1_000.81)
    assert value(series, "first_output_seconds_count", capability="chat") == 4


def test_a_unary_answer_has_no_time_to_a_first_output() -> None:
    metrics = Metrics()
    metrics.request(observed())

    assert value(read(metrics), "first_output_seconds_count", capability="chat") is None


def test_tokens_and_cost_go_to_the_target_that_answered() -> None:
    metrics = Metrics(listed=lambda target: True)
    usage = Usage(input_tokens=100, output_tokens=7, cached_input_tokens=60)
    failed = Attempt(target="openai/gpt", outcome="failed", kind="network")
    cost = CostBreakdown(total_cost="0.0125")
    for _ in range(2):
        metrics.request(observed(failed, answered("groq/llama/8b"), usage=usage, cost=cost))

    series = read(metrics)
    target = {"plugin": "groq", "model": "llama/8b"}
    tokens = {
        kind: value(series, "tokens_total", **target, kind=kind)
        for kind in ("input", "output", "cached", "reasoning")
    }
    assert tokens == {"input": 200, "output": 14, "cached": 120, "reasoning": None}
    assert value(series, "cost_usd_total", **target) == 0.025
    assert values_of(series, "tokens_total", "plugin") == {"groq"}


@pytest.mark.parametrize(
    "cost",
    [
        None,
        CostBreakdown(),
        CostBreakdown(total_cost="nan"),
        CostBreakdown(total_cost="inf"),
        CostBreakdown(total_cost="-1"),
        CostBreakdown(total_cost="free"),
        CostBreakdown(total_cost="1", currency="EUR"),
    ],
)
def test_what_is_no_amount_of_dollars_is_counted_as_unpriced(cost: CostBreakdown | None) -> None:
    metrics = Metrics()
    usage = Usage(input_tokens=-5, output_tokens=1)
    metrics.request(observed(answered("echo/one"), usage=usage, cost=cost))

    series = read(metrics)
    assert value(series, "unpriced_total", plugin="echo") == 1
    assert not values_of(series, "cost_usd_total", "plugin")
    assert values_of(series, "tokens_total", "kind") == {"output"}


def test_an_answer_without_any_figures_is_unpriced_and_a_failure_is_not() -> None:
    metrics = Metrics()
    metrics.request(observed(answered("echo/one")))
    metrics.request(observed(Attempt(target="echo/one", outcome="failed"), kind="network"))

    assert value(read(metrics), "unpriced_total", plugin="echo") == 1


def test_a_caller_cannot_make_series_of_model_names() -> None:
    listed = {f"echo/listed-{number}" for number in range(10)}
    metrics = Metrics(listed=listed.__contains__)
    usage = Usage(output_tokens=1)
    for number in range(200):
        metrics.request(observed(answered(f"echo/invented-{number}"), usage=usage))
        refused = Attempt(target=f"echo/refused-{number}", outcome="failed", kind="cancelled")
        metrics.request(observed(refused, usage=usage, kind="cancelled", model=f"asked-{number}"))
    for target in listed:
        metrics.request(observed(answered(target), usage=usage))

    series = read(metrics)
    models = values_of(series, "tokens_total", "model")
    assert {target.removeprefix("echo/") for target in listed} <= models
    assert len(models) == 10 + MAX_UNLISTED + 1
    assert not any(model.startswith("refused") for model in models)
    others = {"plugin": "echo", "model": "other", "kind": "output"}
    assert value(series, "tokens_total", **others) == 400 - MAX_UNLISTED
    assert "asked-" not in str(series)


def test_models_and_plugins_beyond_the_first_are_others() -> None:
    metrics = Metrics(listed=lambda target: True)
    for number in range(MAX_MODELS + 20):
        metrics.request(observed(answered(f"big/m{number}"), usage=Usage(output_tokens=1)))
    for number in range(MAX_PLUGINS + 20):
        metrics.request(observed(answered(f"p{number}/m"), usage=Usage(output_tokens=1)))

    series = read(metrics)
    assert len(values_of(series, "attempts_total", "plugin")) == MAX_PLUGINS + 1
    labels_of_big = [dict(labels) for _, labels in series if ("plugin", "big") in labels]
    of_big = {labels["model"] for labels in labels_of_big if "model" in labels}
    assert len(of_big) == MAX_MODELS + 1
    assert "other" in of_big


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_hostile_names_cannot_forge_a_line_nor_break_the_page(accept: str) -> None:
    metrics = Metrics(listed=lambda target: True)
    hostile = 'echo/x"} 1\nstockade_forged 7\\\u202e\ud800\x00' + "y" * 10_000
    metrics.request(observed(answered(hostile), usage=Usage(output_tokens=1)))

    content_type, text = metrics.render(accept)
    parse = open_metrics_families if accept else text_string_to_metric_families
    names = {family.name for family in parse(text.decode())}
    assert "stockade_forged" not in names
    assert len(max(text.splitlines(), key=len)) < 600
    assert ("openmetrics" in content_type) is bool(accept)


@pytest.mark.parametrize(
    "accept",
    ["*/*", "text/html", "application/openmetrics-text;version=x", ";;,,", "text/plain;version="],
)
def test_any_accept_header_gets_a_page(accept: str) -> None:
    content_type, text = Metrics().render(accept)

    assert content_type.startswith(("text/plain", "application/openmetrics-text"))
    assert b"stockade_build_info" in text


async def test_a_scrape_in_a_thread_says_the_same_as_a_page() -> None:
    metrics = Metrics(version="1.2.3")
    metrics.request(observed(answered("echo/one")))

    assert await metrics.scrape("text/plain") == metrics.render("text/plain")


def test_egress_counts_bytes_and_says_what_forbade_the_rest() -> None:
    metrics = Metrics()

    def decided(allowed: bool, wanted_in: str = "", reason: str = "", size: int = 0) -> Decision:
        return Decision(
            plugin="echo",
            host="api.example",
            port=443,
            rule=None,
            allowed=allowed,
            reason=reason,
            bytes_out=size,
            bytes_in=size * 2,
            wanted_in=wanted_in,
        )

    for decision in (
        decided(True, size=100),
        decided(True, reason="the vendor hung up", size=10),
        decided(False, wanted_in="network", reason="no rule"),
        decided(False, wanted_in="allow-host", reason="10.0.0.1 is internal"),
        decided(False, wanted_in="secrets", reason="not its host"),
        decided(False, reason="not a URL"),
    ):
        metrics.egress(decision)

    series = read(metrics)
    assert {
        outcome: value(series, "egress_decisions_total", plugin="echo", outcome=outcome)
        for outcome in ("allowed", "failed", "denied")
    } == {"allowed": 1, "failed": 1, "denied": 4}
    assert values_of(series, "egress_denials_total", "reason") == {
        "host", "address", "secret", "other",
    }  # fmt: skip
    assert value(series, "egress_bytes_total", plugin="echo", direction="out") == 110
    assert value(series, "egress_bytes_total", plugin="echo", direction="in") == 220
    assert "10.0.0.1" not in str(series)


def test_restarts_are_the_starts_after_a_plugins_first() -> None:
    metrics = Metrics()
    for what in (What.STARTED, What.READY, What.DIED, What.STARTED, What.GAVE_UP):
        metrics.worker(PluginEvent("echo", what, "why"))
    metrics.worker(PluginEvent("other-one", What.STARTED))

    series = read(metrics)
    assert value(series, "worker_restarts_total", plugin="echo") == 1
    assert value(series, "worker_restarts_total", plugin="other-one") == 0
    assert value(series, "worker_events_total", plugin="echo", event="died") == 1


def test_figures_of_workers_are_read_when_asked_for_and_cpu_never_goes_back() -> None:
    now: list[WorkerFigures] = []
    metrics = Metrics(lambda: now)

    def scraped(*workers: WorkerStatus, state: PluginState = PluginState.READY) -> Series:
        now[:] = [WorkerFigures("echo", PluginStatus(state=state, workers=workers, waiting=3))]
        return read(metrics)

    first = scraped(worker(1, 2.0), worker(2, 1.0, "draining"), worker(3, None, "starting"))
    assert value(first, "plugin_state", plugin="echo", state="ready") == 1
    assert value(first, "plugin_state", plugin="echo", state="failed") == 0
    assert value(first, "workers", plugin="echo", state="draining") == 1
    assert value(first, "worker_memory_bytes", plugin="echo") == 40_000_000
    assert value(first, "worker_calls", plugin="echo") == 6
    assert value(first, "worker_waiting", plugin="echo") == 3
    assert value(first, "worker_cpu_seconds_total", plugin="echo") == 3

    one_died = scraped(worker(1, 2.5))
    assert value(one_died, "worker_cpu_seconds_total", plugin="echo") == 3.5
    assert value(one_died, "workers", plugin="echo", state="draining") is None
    pid_of_another = scraped(worker(1, 0.25))
    assert value(pid_of_another, "worker_cpu_seconds_total", plugin="echo") == 3.75
    long_gone = scraped(worker(2, 5.0))  # the pid of one that was not there the last time
    assert value(long_gone, "worker_cpu_seconds_total", plugin="echo") == 8.75
    given_up = scraped(state=PluginState.FAILED)
    assert value(given_up, "plugin_state", plugin="echo", state="failed") == 1
    assert value(given_up, "worker_memory_bytes", plugin="echo") == 0
    assert value(given_up, "worker_cpu_seconds_total", plugin="echo") == 8.75


def test_http_counts_by_route_method_and_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 404):
        metrics.http(route="/v1/models", method="GET", status=status, duration_s=0.002)

    series = read(metrics)
    labels = {"route": "/v1/models", "method": "GET"}
    assert value(series, "http_requests_total", **labels, status="200") == 2
    assert value(series, "http_requests_total", **labels, status="404") == 1
    seconds = value(series, "http_request_duration_seconds_sum", route="/v1/models")
    assert seconds == pytest.approx(0.006)


def test_methods_statuses_and_routes_that_clients_make_up_are_others() -> None:
    metrics = Metrics()
    for number in range(1_000):
        metrics.http(route=f"/r{number}", method=f"M{number}", status=number * 7, duration_s=0.0)
        metrics.refused(f"reason {number}")

    series = read(metrics)
    assert len(values_of(series, "http_requests_total", "route")) == 128 + 1
    assert values_of(series, "http_requests_total", "method") == {"other"}
    assert len(values_of(series, "http_bodies_refused_total", "reason")) == 16 + 1


def test_the_gateways_figures_and_what_telemetry_lost_are_told() -> None:
    figures = GatewayFigures(connections=4, streams=2, requests=3, body_bytes=99, spans_lost=5)
    metrics = Metrics(gateway=lambda: figures, version="1.2.3")

    series = read(metrics)
    assert value(series, "http_connections") == 4
    assert value(series, "http_streams") == 2
    assert value(series, "http_requests_in_flight") == 3
    assert value(series, "http_body_bytes") == 99
    assert value(series, "telemetry_lost_total", what="spans") == 5
    assert values_of(series, "build_info", "version") == {"1.2.3"}


def test_two_hosts_in_one_program_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.request(observed(answered("echo/one")))

    assert values_of(read(first), "requests_total", "capability") == {"chat"}
    assert values_of(read(second), "requests_total", "capability") == set()
