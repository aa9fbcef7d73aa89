"""Spans: what a collector is sent, as it decodes it, and that a bad one hurts nobody."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import pytest

from stockade.errors import HostError, SettingsError
from stockade.telemetry import Observed
from stockade.telemetry.genai import parent_in, request_said
from stockade.telemetry.spans import MAX_WAITING, Spans, address_of
from stockade_sdk.capability import Attempt, Capability, CostBreakdown, Usage

pytest.importorskip("opentelemetry.sdk", reason="the extra stockade[otel] is not installed")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{CALLER}-01"
START = 1_700_000_000.0


class Collector:
    """Takes OTLP over HTTP on loopback; answers with ``status``, or not before ``hold`` is set."""

    def __init__(self) -> None:
        self.status = 200
        self.hold: threading.Event | None = None
        self.exports: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []
        self.asked = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.asked.set()
                if collector.hold is not None:
                    collector.hold.wait(30)
                collector.paths.append(self.path)
                if collector.status == 200:
                    collector.exports.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for export in self.exports
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        if self.hold is not None:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.close()


def observed(*attempts: Attempt, **other: object) -> Observed:
    fields = {
        "request_id": "req_1",
        "trace_parent": None,
        "capability": Capability.CHAT,
        "model": "fast",
        "streamed": False,
        "attempts": attempts,
        "usage": None,
        "cost": None,
        "kind": None,
        "started_at": START,
        "duration_s": 1.0,
    }
    return Observed(**(fields | other))  # type: ignore[arg-type]


def said(span: Span) -> dict[str, object]:
    return {
        pair.key: getattr(pair.value, str(pair.value.WhichOneof("value")))
        for pair in span.attributes
    }


async def sent(collector: Collector, *requests: Observed) -> list[Span]:
    spans = Spans(collector.url, version="1.2.3")
    for one in requests:
        spans.request(one)
    await spans.close(30)
    assert spans.lost == 0
    return collector.spans


def seconds(span: Span) -> tuple[float, float]:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    return round(start / 1e9 - START, 3), round(end / 1e9 - START, 3)


async def test_a_request_is_a_span_with_a_child_for_each_attempt(collector: Collector) -> None:
    request, first, second = await sent(
        collector,
        observed(
            Attempt(target="openai/gpt", outcome="failed", kind="overloaded", ms=200.0),
            Attempt(target="groq/skipped", outcome="skipped"),
            Attempt(target="gemini/flash", outcome="ok", ms=700.0),
            trace_parent=SAMPLED,
            streamed=True,
            first_output_s=0.4,
            usage=Usage(
                input_tokens=10, output_tokens=5, cached_input_tokens=4, reasoning_tokens=2
            ),
            cost=CostBreakdown(total_cost="0.0042"),
        ),
    )

    assert (request.name, request.kind) == ("chat fast", Span.SPAN_KIND_SERVER)
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, CALLER)
    assert request.status.code == Status.STATUS_CODE_UNSET
    assert seconds(request) == (0.0, 1.0)
    assert said(request) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "fast",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "flash",
        "gen_ai.response.time_to_first_chunk": 0.4,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "stockade.capability": "chat",
        "stockade.attempts": 3,
        "stockade.cost": "0.0042",
        "stockade.cost.currency": "USD",
        "stockade.request_id": "req_1",
    }
    for attempt in (first, second):
        assert attempt.kind == Span.SPAN_KIND_CLIENT
        assert attempt.trace_id == request.trace_id
        assert attempt.parent_span_id == request.span_id
    assert (first.name, second.name) == ("chat gpt", "chat flash")
    assert (seconds(first), seconds(second)) == ((0.0, 0.2), (0.3, 1.0))
    assert said(first)["error.type"] == "overloaded"
    assert first.status.code == Status.STATUS_CODE_ERROR
    assert "error.type" not in said(second)
    assert said(second)["gen_ai.provider.name"] == "gcp.gemini"
    assert len({request.span_id, first.span_id, second.span_id}) == 3


async def test_a_failure_has_its_kind_and_no_words_of_it(collector: Collector) -> None:
    failed = Attempt(target="openai/gpt", outcome="failed", kind="timeout", message="a secret")
    request, attempt = await sent(collector, observed(failed, kind="timeout", model=None))

    assert request.name == "chat"
    assert request.status.code == attempt.status.code == Status.STATUS_CODE_ERROR
    assert said(request)["error.type"] == "timeout"
    assert "gen_ai.response.model" not in said(request)
    assert "secret" not in str(collector.exports)


async def test_requests_without_a_caller_in_a_trace_have_traces_of_their_own(
    collector: Collector,
) -> None:
    spans = await sent(collector, observed(), observed(request_id=None))

    assert all(span.parent_span_id == b"" for span in spans)
    assert len({span.trace_id for span in spans}) == 2
    assert [span.kind for span in spans] == [Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT]


async def test_a_trace_that_its_caller_does_not_sample_is_left_out(collector: Collector) -> None:
    unsampled = observed(trace_parent=f"00-{TRACE}-{CALLER}-00")

    assert await sent(collector, unsampled) == []
    assert collector.paths == []


@pytest.mark.parametrize(
    ("capability", "name", "output"),
    [
        (Capability.VISION, "chat m", None),
        (Capability.EMBEDDING, "embeddings m", None),
        (Capability.IMAGE_GEN, "generate_content m", "image"),
        (Capability.AUDIO_TTS, "generate_content m", "speech"),
        (Capability.AUDIO_STT, "transcription m", "text"),
        (Capability.RERANK, "rerank m", None),
    ],
)
async def test_every_capability_has_its_operation(
    collector: Collector, capability: Capability, name: str, output: str | None
) -> None:
    [span] = await sent(collector, observed(capability=capability, model="m"))

    assert span.name == name
    assert said(span).get("gen_ai.output.type") == output


async def test_hostile_texts_and_numbers_are_cut_and_do_not_stop_the_rest(
    collector: Collector,
) -> None:
    hostile = "\ud800\x1b[2J" + "x" * 100_000
    strange = observed(
        Attempt(target=f"echo/{hostile}", outcome="ok", ms=-5.0),
        Attempt(target="no slash", outcome="ok", ms=10_000_000.0),
        model=hostile,
        usage=Usage(input_tokens=2**80, output_tokens=-1),
    )
    spans = await sent(collector, strange, observed(model="plain"))

    assert [span.name for span in spans][-1] == "chat plain"
    assert max(len(span.name) for span in spans) < 300
    assert not any(name.startswith("gen_ai.usage") for name in request_said(strange).attributes)
    assert max(span.end_time_unix_nano for span in spans) == spans[0].end_time_unix_nano
    for span in spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano


async def test_who_sent_is_named(collector: Collector) -> None:
    await sent(collector, observed())

    [export] = collector.exports
    [resource] = export.resource_spans
    attributes = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert attributes["service.name"] == "stockade"
    assert attributes["service.version"] == "1.2.3"


async def test_a_collector_that_refuses_costs_spans_and_is_told_of_once(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 400
    spans = Spans(collector.url)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            spans.request(observed())
            await spans.flush()
        collector.status = 200
        spans.request(observed())
        await spans.flush()
        await spans.close()

    assert spans.lost == 3
    assert len(collector.spans) == 1
    ours = [record.getMessage() for record in caplog.records]
    assert ours == [
        "the collector at 127.0.0.1 takes no spans; requests go on",
        "the collector at 127.0.0.1 takes spans again; 3 requests are without",
    ]


async def test_a_collector_that_hangs_holds_up_neither_requests_nor_the_stop(
    collector: Collector,
) -> None:
    collector.hold = threading.Event()
    spans = Spans(collector.url)
    spans.request(observed())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(spans.keep)
        assert await anyio.to_thread.run_sync(collector.asked.wait, 30)
        for _ in range(MAX_WAITING + 10):
            spans.request(observed())
        assert spans.lost == 10
        tasks.cancel_scope.cancel()
    with anyio.fail_after(10):
        await spans.close(within_s=0.05)
    collector.hold.set()

    assert spans.lost == MAX_WAITING + 10 + 1


async def test_nobody_at_the_address_costs_spans_and_no_more() -> None:
    spans = Spans("http://127.0.0.1:1", export_s=0.2)
    spans.request(observed())
    await spans.close(30)

    assert spans.lost == 1


@pytest.mark.parametrize(
    ("given", "posted"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
        ("https://otel.example/in/v1/traces", "https://otel.example/in/v1/traces"),
    ],
)
def test_an_address_without_a_path_gets_that_of_the_protocol(given: str, posted: str) -> None:
    assert address_of(given) == posted


@pytest.mark.parametrize("given", ["", "localhost:4318", "grpc://u:hidden@host:4317", "http://"])
def test_what_is_no_address_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(SettingsError, match="no address") as refused:
        Spans(given)

    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"ff-{TRACE}-{CALLER}-01",
        f"00-{TRACE}-{CALLER}-01-more",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{CALLER}-01",
        f"00-{TRACE}-{CALLER}",
        f"{SAMPLED}\n",
    ],
)
def test_a_trace_parent_that_is_none_is_no_parent(header: str | None) -> None:
    assert parent_in(header) is None


def test_a_trace_parent_of_a_later_version_is_one() -> None:
    parent = parent_in(f"01-{TRACE}-{CALLER}-03-more")

    assert parent == (int(TRACE, 16), int(CALLER, 16), True)


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(HostError, match=r"pip install 'stockade\[otel\]'"):
        Spans("http://127.0.0.1:4318")


def test_who_does_not_want_spans_or_metrics_does_not_import_their_libraries() -> None:
    code = (
        "import stockade, stockade.telemetry, sys; "
        "print([name for name in sys.modules "
        "if name.split('.')[0] in ('opentelemetry', 'prometheus_client', 'requests')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
