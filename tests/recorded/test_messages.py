"""Recorded traffic of Anthropic's wire through the translator: nothing is lost, either way."""

import json

import msgspec
import pytest

from stockade_sdk import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    ErrorKind,
    ProviderError,
    Text,
    Thinking,
    fold,
)
from stockade_sdk.dialects import anthropic_messages
from stockade_sdk.sse import EventReader
from tests.recorded.equivalences import differences, missing
from tests.recorded.expected_messages import FINISH, error_kind, message
from tests.recorded.interactions import MESSAGES, MODELS, Interaction, takes

KEY = "anthropic_messages"


def over_the_wire(value, kind):
    """As between host and worker."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)


def decoded(interaction: Interaction) -> ChatResponse:
    if not interaction.streamed:
        answer = anthropic_messages.decode_response(msgspec.json.decode(interaction.body))
        return over_the_wire(answer, ChatResponse)
    return fold(over_the_wire(events_of(interaction), list[ChatEvent]))


def events_of(interaction: Interaction) -> list[ChatEvent]:
    reader, decoder = EventReader(), anthropic_messages.StreamDecoder()
    sent = [*reader.feed(interaction.body), *reader.end()]
    events = [event for one in sent for event in decoder.feed(one.data, one.event)]
    return [*events, *decoder.finish()]


def metadata_of(value) -> dict:
    return (value.provider_metadata or {}).get(KEY, {})


@takes(lambda one: one.request is not None and one.wire == MESSAGES)
def test_a_request_comes_out_as_it_went_in(interaction):
    if not all(isinstance(turn, dict) for turn in interaction.request["messages"]):
        with pytest.raises(ProviderError) as caught:  # the vendor refused it too
            anthropic_messages.decode_request(interaction.request)
        assert (caught.value.kind, interaction.status) == (ErrorKind.INVALID_REQUEST, 400)
        return
    request = over_the_wire(anthropic_messages.decode_request(interaction.request), ChatRequest)

    payload, warnings = anthropic_messages.encode_request(
        request, stream=bool(interaction.request.get("stream"))
    )

    assert differences(json.loads(msgspec.json.encode(payload)), interaction.request) == []
    assert [one.code for one in warnings if one.code != "both_temperature_and_top_p_set"] == []


@takes(lambda one: one.wire == MESSAGES and not one.refused)
def test_an_answer_says_what_was_recorded(interaction):
    recorded = message(interaction)

    response = decoded(interaction)

    parts = response.output.content
    words = [part for part in parts if isinstance(part, Text) and "$part" not in metadata_of(part)]
    assert "".join(part.text for part in words) == recorded.text
    thoughts = [(part.text, part.signature) for part in parts if isinstance(part, Thinking)]
    assert [(text, signature or "") for text, signature in thoughts] == recorded.thinking
    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == recorded.calls
    carried = [metadata_of(part)["$part"] for part in parts if "$part" in metadata_of(part)]
    assert carried == recorded.carried
    assert response.raw_finish_reason == recorded.finish
    assert response.finish_reason == FINISH.get(recorded.finish or "", "other")
    usage = msgspec.to_builtins(response.usage) if response.usage is not None else {}
    assert usage == recorded.counts
    assert (response.id, response.model) == (recorded.top["id"], recorded.top["model"])


@takes(lambda one: one.wire == MESSAGES and not one.refused)
def test_an_answer_for_a_client_holds_all_that_the_vendor_said(interaction):
    recorded = message(interaction)

    carried = json.loads(
        msgspec.json.encode(anthropic_messages.encode_response(decoded(interaction)))
    )

    whole = {**recorded.top, "content": recorded.blocks, "usage": recorded.usage}
    assert missing(carried, whole) == []


@takes(lambda one: one.wire == MESSAGES and not one.refused and one.streamed)
def test_a_stream_for_a_client_says_the_same(interaction):
    events = events_of(interaction)
    encoder = anthropic_messages.StreamEncoder(id="client-1", model="client")
    decoder = anthropic_messages.StreamDecoder()

    payloads = encoder.feed_all(events)
    sent = [(payload["type"], msgspec.json.encode(payload)) for payload in payloads]
    heard = [event for name, data in sent for event in decoder.feed(data, name)]
    again = fold([*heard, *decoder.finish()])

    first = fold(events)
    assert again.output == first.output
    assert (again.finish_reason, again.raw_finish_reason) == (
        first.finish_reason,
        first.raw_finish_reason,
    )
    assert again.usage == first.usage
    assert missing(metadata_of(again), metadata_of(first)) == []


@takes(lambda one: one.wire == MESSAGES and not one.refused)
def test_what_was_answered_can_be_sent_back(interaction):
    """The vendor's own turn goes into the next request block for block."""
    recorded = message(interaction)
    sent = [block for block in recorded.blocks if block != {"type": "text", "text": ""}]
    turn = {"role": "assistant", "content": sent}
    results = [
        {"type": "tool_result", "tool_use_id": id, "content": "done"} for id, _, _ in recorded.calls
    ]
    history = [{"role": "user", "content": "?"}, turn]
    history.append({"role": "user", "content": [*results, {"type": "text", "text": "go on"}]})

    request = anthropic_messages.decode_request({"max_tokens": 9, "messages": history})

    assert anthropic_messages.encode_request(request)[0]["messages"] == history


@takes(lambda one: one.wire == MESSAGES and one.refused)
def test_a_failure_has_the_kind_of_the_recorded_one(interaction):
    error = anthropic_messages.classify_error(
        interaction.status, dict(interaction.headers), interaction.body
    )

    assert error.kind == error_kind(interaction.status, interaction.json["error"])
    assert error.status == interaction.status


@takes(lambda one: one.wire == MODELS and one.provider == "anthropic" and not one.failed)
def test_a_model_list_is_the_recorded_one(interaction):
    models = anthropic_messages.decode_models(msgspec.json.decode(interaction.body))

    listed = interaction.json["data"]
    assert [model.id for model in models] == [raw["id"] for raw in listed]
    assert [model.context_tokens for model in models] == [raw["max_input_tokens"] for raw in listed]
    assert [model.max_output_tokens for model in models] == [raw["max_tokens"] for raw in listed]


def test_documented_errors_of_the_vendor_have_their_kind(recorded_dir):
    file = recorded_dir / "_documented_errors.json"
    if not file.is_file():
        pytest.skip(f"there is no file {file}")
    words = {"quota_exhausted": "quota", "permission": "auth"}
    words["request_too_large"] = "invalid_request"
    wrong = []
    for case in json.loads(file.read_text(encoding="utf-8"))["cases"]:
        response = case["response"]
        if case["provider"] != "anthropic" or response["status"] < 400:
            continue
        body = response.get("json", response.get("body"))
        error = anthropic_messages.classify_error(response["status"], response["headers"], body)
        if error.kind != words.get(case["expected_class"], case["expected_class"]):
            wrong.append(f"{case['id']}: {error.kind}, documented as {case['expected_class']}")
    assert wrong == []
