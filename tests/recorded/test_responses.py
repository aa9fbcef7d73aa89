"""Recorded traffic of the Responses wire through its translator: nothing is lost either way."""

import json
from typing import Any

import msgspec
import pytest

from stockade_sdk import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    ErrorKind,
    ProviderError,
    Thinking,
    ToolCall,
    fold,
)
from stockade_sdk.dialects import openai_responses
from stockade_sdk.sse import EventReader
from tests.recorded.carried import assert_says
from tests.recorded.equivalences import differences, missing
from tests.recorded.expected import said, said_at_once, status_of
from tests.recorded.expected_responses import (
    answers,
    broken,
    datas,
    ending,
    failure_kind,
    of_chat,
    reason_of,
    said_by,
    streamed_text,
    value_of,
    with_ids_of_ours,
    without_gaps,
)
from tests.recorded.interactions import RESPONSES, Interaction, takes


def over_the_wire(value: Any, kind: Any) -> Any:
    """As between host and worker."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)


def decoded(interaction: Interaction) -> ChatResponse:
    if not interaction.streamed:
        answer = openai_responses.decode_response(msgspec.json.decode(interaction.body))
        return over_the_wire(answer, ChatResponse)
    return fold(over_the_wire(events_of(interaction), list[ChatEvent]))


def events_of(interaction: Interaction) -> list[ChatEvent]:
    reader, decoder = EventReader(), openai_responses.StreamDecoder()
    sent = [*reader.feed(interaction.body), *reader.end()]
    events = [event for one in sent for event in decoder.feed(one.data, one.event)]
    return [*events, *decoder.finish()]


def streamed_to_a_client(events: list[ChatEvent]) -> list[dict[str, Any]]:
    encoder = openai_responses.StreamEncoder(id="resp_client", model="client")
    return [json.loads(msgspec.json.encode(one)) for one in encoder.feed_all(events)]


@takes(lambda one: one.request is not None and one.wire == RESPONSES)
def test_a_request_comes_out_as_it_went_in(interaction):
    request = over_the_wire(openai_responses.decode_request(interaction.request), ChatRequest)

    payload, warnings = openai_responses.encode_request(
        request, stream=bool(interaction.request.get("stream"))
    )

    assert differences(json.loads(msgspec.json.encode(payload)), interaction.request) == []
    assert warnings == ()


@takes(answers)
def test_an_answer_says_what_was_recorded(interaction):
    response = decoded(interaction)

    recorded = said_by(ending(interaction) if interaction.streamed else interaction.json)
    assert [(call.id, call.name) for call in response.tool_calls] == [
        (id, name) for id, name, _ in recorded.calls
    ]
    assert response.raw_finish_reason == recorded.finish
    assert response.finish_reason == reason_of(recorded)
    usage = msgspec.to_builtins(response.usage)
    assert {name: usage.get(name) for name in recorded.usage} == recorded.usage
    if interaction.streamed and not without_gaps(interaction):
        assert streamed_text(interaction) in response.text
        return
    assert response.text == recorded.text
    thoughts = [part.text for part in response.output.content if isinstance(part, Thinking)]
    assert "".join(thoughts) == recorded.thinking
    assert [call.arguments for call in response.tool_calls] == [
        arguments for _, _, arguments in recorded.calls
    ]


@takes(lambda one: answers(one) and not one.streamed)
def test_an_answer_for_a_client_holds_all_that_the_vendor_said(interaction):
    response = decoded(interaction)

    carried = json.loads(msgspec.json.encode(openai_responses.encode_response(response)))

    assert missing(carried, interaction.json) == []


@takes(lambda one: answers(one) and one.streamed and without_gaps(one))
def test_a_stream_amounts_to_the_answer_that_it_ends_with(interaction):
    assert decoded(interaction) == openai_responses.decode_response(ending(interaction))


@takes(lambda one: answers(one) and one.streamed and without_gaps(one))
def test_a_stream_for_a_client_ends_with_all_that_the_vendor_said(interaction):
    sent = streamed_to_a_client(events_of(interaction))

    renamed = {"model": "client", "created_at": 0}
    expected = {**with_ids_of_ours(ending(interaction)), **renamed}
    assert missing(sent[-1]["response"], expected) == []
    assert [one["sequence_number"] for one in sent] == list(range(len(sent)))


@takes(lambda one: answers(one) and one.streamed)
def test_a_stream_for_a_client_says_the_same(interaction):
    events = events_of(interaction)
    decoder = openai_responses.StreamDecoder()

    sent = streamed_to_a_client(events)
    again = [event for one in sent for event in decoder.feed(json.dumps(one), one["type"])]

    first, second = fold(events), fold([*again, *decoder.finish()])
    if without_gaps(interaction):
        assert without_item_ids(second) == without_item_ids(first)
    assert second.text == first.text
    assert (second.finish_reason, second.raw_finish_reason, second.usage) == (
        first.finish_reason,
        first.raw_finish_reason,
        first.usage,
    )


@takes(lambda one: one.wire == RESPONSES and one.refused)
def test_a_failure_has_the_kind_of_the_recorded_one(interaction):
    recorded = failure_of(interaction)

    if interaction.failed:
        error = openai_responses.classify_error(
            interaction.status, dict(interaction.headers), interaction.body
        )
    else:
        with pytest.raises(ProviderError) as caught:
            decoded(interaction)
        error = caught.value

    assert error.kind == failure_kind(status_of(interaction, recorded), recorded)


@takes(broken)
def test_a_stream_with_an_event_that_is_no_json_is_no_answer(interaction):
    with pytest.raises(ProviderError) as caught:
        decoded(interaction)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@takes(of_chat)
def test_a_chat_completion_in_place_of_a_response_is_read_as_one(interaction):
    assert_says(decoded(interaction), said_at_once(interaction.json))


def without_item_ids(response: ChatResponse) -> list[Any]:
    """The parts of an answer, its calls without what is said of their items."""
    return [
        msgspec.structs.replace(part, provider_metadata=None)
        if isinstance(part, ToolCall)
        else part
        for part in response.output.content
    ]


def failure_of(interaction: Interaction) -> Any:
    if not interaction.streamed:
        return said(interaction).error
    return next(one for one in map(value_of, datas(interaction.text)) if one.get("error"))
