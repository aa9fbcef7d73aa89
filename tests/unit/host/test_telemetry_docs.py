"""docs/reference/metrics.md has what is told, all of it and nothing else."""

import re
from pathlib import Path

from stockade.gateway.exchange import Exchange
from stockade.telemetry import Observed
from stockade.telemetry.genai import attempts_said, request_said
from stockade.telemetry.metrics import Metrics
from stockade_sdk.capability import Attempt, Capability, CostBreakdown, Usage

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"

EVERYTHING = Observed(
    request_id="r",
    trace_parent=None,
    capability=Capability.IMAGE_GEN,
    model="m",
    streamed=True,
    attempts=(
        Attempt(target="a/m", outcome="failed", kind="network"),
        Attempt(target="b/m", outcome="ok"),
    ),
    usage=Usage(
        input_tokens=1,
        output_tokens=1,
        cached_input_tokens=1,
        cache_write_tokens=1,
        reasoning_tokens=1,
    ),
    cost=CostBreakdown(total_cost="1"),
    kind="network",
    started_at=0.0,
    duration_s=1.0,
    first_output_s=0.5,
)


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    after = PAGE.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in after.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_metric_is_there_with_its_type_and_labels() -> None:
    told = {
        f"{family.name}_total" if family.type == "counter" else family.name: (
            family.type,
            list(family.labels),
        )
        for family in Metrics().families()
    }

    written = {
        words(name)[0]: (kind, words(labels)) for name, kind, labels, _ in rows("`/metrics`")
    }
    assert written == told


def test_every_field_of_the_request_log_is_there_in_order() -> None:
    assert [words(row[0])[0] for row in rows("The request log")] == list(Exchange.__struct_fields__)


def test_every_attribute_of_a_span_is_there_with_the_spans_that_have_it() -> None:
    on_request = set(request_said(EVERYTHING).attributes)
    on_attempts = {name for said in attempts_said(EVERYTHING) for name in said.attributes}
    written = {words(name)[0]: on for name, on, _ in rows("Spans")}

    assert {name for name, on in written.items() if on != "attempt"} == on_request
    assert {name for name, on in written.items() if on != "request"} == on_attempts
