"""What a request and its attempts are called in traces: values without a library. Pure.

Names and rules are those of the OpenTelemetry semantic conventions for generative AI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/, status: development) as of
`opentelemetry-semantic-conventions` 0.66; what they have no name for begins with `stockade.`.
No text of a prompt, of an answer or of an error is ever in a span.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from stockade.process.lines import plain
from stockade_sdk.capability import Attempt, Capability, Usage

from .observed import Observed

__all__ = ["Parent", "Said", "attempts_said", "parent_in", "request_said"]

Value = str | int | float | bool

# Words of the conventions, where there is one for it; "retrieval" is another thing than reranking.
OPERATIONS: Final = {
    Capability.CHAT: "chat",
    Capability.VISION: "chat",
    Capability.EMBEDDING: "embeddings",
    Capability.IMAGE_GEN: "generate_content",
    Capability.AUDIO_TTS: "generate_content",
    Capability.AUDIO_STT: "transcription",
    Capability.RERANK: "rerank",
}
OUTPUTS: Final = {
    Capability.IMAGE_GEN: "image",
    Capability.AUDIO_TTS: "speech",
    Capability.AUDIO_STT: "text",
}
# Plugins whose vendor has a word of its own there; others are called by their name.
PROVIDERS: Final = {
    "azure-openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
}
USAGE: Final = (
    ("gen_ai.usage.input_tokens", "input_tokens"),
    ("gen_ai.usage.output_tokens", "output_tokens"),
    ("gen_ai.usage.cache_read.input_tokens", "cached_input_tokens"),
    ("gen_ai.usage.cache_creation.input_tokens", "cache_write_tokens"),
    ("gen_ai.usage.reasoning.output_tokens", "reasoning_tokens"),
)
MAX_CHARACTERS: Final = 256  # of a text that a caller or a plugin wrote
MAX_COUNT: Final = 2**63 - 1  # OTLP's numbers are of 64 bits
NANOSECONDS: Final = 1_000_000_000

# https://www.w3.org/TR/trace-context/#traceparent-header; later versions may have more at the end.
TRACE_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Parent(NamedTuple):
    """Who called: the trace and the span that this request is a part of."""

    trace: int
    span: int
    sampled: bool


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One span. Times are in nanoseconds since 1970; `failed` is its status."""

    name: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    failed: bool


def parent_in(header: str | None) -> Parent | None:
    """What a `traceparent` header says; None where there is none or it is not valid."""
    match = TRACE_PARENT.fullmatch(header) if header is not None else None
    if match is None:
        return None
    version, trace, span, flags, more = match.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    parent = Parent(int(trace, 16), int(span, 16), bool(int(flags, 16) & 1))
    return parent if parent.trace and parent.span else None


def request_said(observed: Observed) -> Said:
    """The span of a whole request: what was asked for, who answered, what it took."""
    said = _common(observed)
    if observed.model is not None:
        said["gen_ai.request.model"] = _text(observed.model)
    answering = observed.attempts[-1] if observed.attempts else None
    if answering is not None:
        plugin, _, model = answering.target.partition("/")
        said["gen_ai.provider.name"] = provider_of(plugin)
        if answering.outcome == "ok":
            said["gen_ai.response.model"] = _text(model)
    if observed.first_output_s is not None:
        said["gen_ai.response.time_to_first_chunk"] = observed.first_output_s
    said.update(_used(observed.usage))
    if observed.cost is not None and observed.cost.total_cost is not None:
        said["stockade.cost"] = _text(observed.cost.total_cost)
        said["stockade.cost.currency"] = _text(observed.cost.currency)
    if observed.request_id is not None:
        said["stockade.request_id"] = _text(observed.request_id)
    said["stockade.attempts"] = len(observed.attempts)
    if observed.kind is not None:
        said["error.type"] = observed.kind
    start = _nanoseconds(observed.started_at)
    return Said(
        name=_named(said),
        start_ns=start,
        end_ns=start + _nanoseconds(observed.duration_s),
        attributes=said,
        failed=observed.kind is not None,
    )


def attempts_said(observed: Observed) -> Iterator[Said]:
    """A span for each attempt, in order; those that were skipped took no time and have none.

    Known is how long each took, not when: they lie one after another from the request's start to
    its end, and what time is left over is shared out as waits between them.
    """
    tried = [attempt for attempt in observed.attempts if attempt.outcome != "skipped"]
    spent = sum(attempt.ms for attempt in tried) / 1_000
    pause = max(0.0, observed.duration_s - spent) / max(1, len(tried) - 1)
    last = observed.started_at + observed.duration_s
    at = observed.started_at
    for attempt in tried:
        end = min(at + attempt.ms / 1_000, last)
        yield _attempt_said(observed, attempt, min(at, end), end)
        at = end + pause


def provider_of(plugin: str) -> str:
    """The conventions' word for who serves a plugin's models."""
    return PROVIDERS.get(plugin, _text(plugin))


def _attempt_said(observed: Observed, attempt: Attempt, start: float, end: float) -> Said:
    plugin, _, model = attempt.target.partition("/")
    said = _common(observed)
    said["gen_ai.provider.name"] = provider_of(plugin)
    said["gen_ai.request.model"] = _text(model)
    said["stockade.outcome"] = attempt.outcome
    if attempt.kind is not None:
        said["error.type"] = attempt.kind
    return Said(
        name=_named(said),
        start_ns=_nanoseconds(start),
        end_ns=_nanoseconds(end),
        attributes=said,
        failed=attempt.outcome == "failed",
    )


def _common(observed: Observed) -> dict[str, Value]:
    said: dict[str, Value] = {
        "gen_ai.operation.name": OPERATIONS[observed.capability],
        "stockade.capability": observed.capability.value,
    }
    output = OUTPUTS.get(observed.capability)
    if output is not None:
        said["gen_ai.output.type"] = output
    if observed.streamed:
        said["gen_ai.request.stream"] = True
    return said


def _named(said: dict[str, Value]) -> str:
    model = said.get("gen_ai.request.model")
    operation = str(said["gen_ai.operation.name"])
    return operation if model is None else f"{operation} {model}"


def _used(usage: Usage | None) -> Iterator[tuple[str, int]]:
    if usage is None:
        return
    for name, field in USAGE:
        count: int | None = getattr(usage, field)
        if count is not None and 0 <= count <= MAX_COUNT:
            yield name, count


def _text(text: str) -> str:
    return plain(text[:MAX_CHARACTERS])[:MAX_CHARACTERS]


def _nanoseconds(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
