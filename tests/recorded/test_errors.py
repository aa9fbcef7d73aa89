"""Recorded and documented failures: each is of the kind that its vendor meant."""

import json
from typing import Any

import pytest

from stockade_sdk import ChatEvent, ProviderError, fold
from stockade_sdk.dialects import anthropic_messages, gemini, openai_chat, openai_responses
from stockade_sdk.dialects.failures import MAX_SHOWN_CHARS, classify_error
from stockade_sdk.sse import EventReader
from stockade_sdk.vendor.exchange import parsed
from tests.recorded.expected_errors import CLASSES, failure_kind, raw, wait_s
from tests.recorded.interactions import (
    CHAT,
    GEMINI,
    MESSAGES,
    RESPONSES,
    Interaction,
    chunks_of,
    takes,
)

DIALECTS: dict[str, Any] = {
    CHAT: openai_chat,
    RESPONSES: openai_responses,
    MESSAGES: anthropic_messages,
    GEMINI: gemini,
}
WIRE_OF = {"anthropic": MESSAGES, "gemini": GEMINI, "vertex": GEMINI}  # of documented failures


def classified(interaction: Interaction, body: Any) -> ProviderError:
    headers = dict(interaction.headers)
    return classify_error(interaction.status, headers, body, provider=interaction.provider)


@takes(lambda one: one.failed)
def test_a_recorded_failure_has_its_kind_and_status(interaction):
    error = classified(interaction, interaction.body)

    assert error.kind == failure_kind(interaction, interaction.status)
    assert error.status == interaction.status


@takes(lambda one: one.failed)
def test_a_recorded_failure_asks_to_wait_as_long_as_its_vendor_did(interaction):
    assert classified(interaction, interaction.body).retry_after_s == wait_s(interaction)


@takes(lambda one: one.failed)
def test_a_recorded_failure_is_told_in_its_vendors_words(interaction):
    error = classified(interaction, interaction.body)

    assert len(error.message) <= MAX_SHOWN_CHARS + len(f"{interaction.provider}: ")
    words = error.message.removeprefix(f"{interaction.provider}: ").rstrip("…").split()
    said = raw(interaction).replace('\\"', '"').replace("\\n", " ")
    assert [word for word in words if word not in said and "[redacted]" not in word] == []
    named = [value for name, value in interaction.headers if name.lower() == "x-amzn-errortype"]
    assert error.code is None or error.code in raw(interaction) or error.code in named[0]


@takes(lambda one: one.failed and one.json is not None)
def test_a_recorded_failure_means_the_same_as_parsed_json(interaction):
    error = classified(interaction, interaction.json)

    assert error.info() == classified(interaction, interaction.body).info()


@takes(lambda one: one.wire in DIALECTS and one.refused and not one.failed)
def test_a_failure_inside_an_answer_of_200_is_raised_by_the_dialect(interaction):
    with pytest.raises(ProviderError) as caught:
        answered(DIALECTS[interaction.wire], interaction.body, streamed=interaction.streamed)

    assert caught.value.kind == failure_kind(interaction, status_inside(interaction))


def test_documented_failures_have_the_kind_they_are_documented_with(recorded_dir):
    wrong = []
    for case in documented(recorded_dir):
        response = case["response"]
        if response["status"] < 400:
            continue
        body = response.get("json", response.get("body"))
        error = classify_error(
            response["status"], response["headers"], body, provider=case["provider"]
        )
        wrong += unlike(case, error.kind.value)
    assert wrong == []


def test_documented_failures_inside_answers_of_200_have_theirs(recorded_dir):
    wrong = []
    for case in documented(recorded_dir):
        response = case["response"]
        if response["status"] >= 400:
            continue
        vendor = case["provider"]
        wires = list(DIALECTS) if vendor == "any" else [WIRE_OF.get(vendor, CHAT)]
        body = response.get("body")
        data = body.encode() if isinstance(body, str) else json.dumps(response["json"]).encode()
        streamed = "event-stream" in response["headers"].get("content-type", "")
        for wire in wires:
            try:
                answered(DIALECTS[wire], data, streamed=streamed)
            except ProviderError as error:
                wrong += unlike(case, error.kind.value)
            else:
                wrong += unlike(case, f"an answer of {wire}")
    assert wrong == []


def documented(recorded_dir) -> list[dict[str, Any]]:
    file = recorded_dir / "_documented_errors.json"
    if not file.is_file():
        pytest.skip(f"there is no file {file}")
    return json.loads(file.read_text(encoding="utf-8"))["cases"]


def unlike(case: dict[str, Any], found: str) -> list[str]:
    expected = CLASSES.get(case["expected_class"], case["expected_class"])
    return [] if found == expected else [f"{case['id']}: {found}, documented as {expected}"]


def answered(dialect: Any, body: bytes, *, streamed: bool) -> Any:
    """What a plugin makes of a good answer."""
    if not streamed:
        return dialect.decode_response(parsed(body, 200))
    reader, decoder = EventReader(), dialect.StreamDecoder()
    events: list[ChatEvent] = []
    for one in [*reader.feed(body), *reader.end()]:
        events += decoder.feed(one.data, one.event)
    return fold([*events, *decoder.finish()])


def status_inside(interaction: Interaction) -> int:
    """The status that a failure inside an answer carries; 500 where it carries none."""
    chunks = chunks_of(interaction.text) if interaction.streamed else [interaction.json]
    error = next(one["error"] for one in chunks if isinstance(one, dict) and one.get("error"))
    for name in ("status_code", "code"):
        if isinstance(error, dict) and str(error.get(name)).isdigit():
            return int(error[name])
    return 500
