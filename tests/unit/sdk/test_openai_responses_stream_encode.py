"""Streams for clients of the Responses wire, of its own vendors and of others."""

import json

import pytest

from stockade_sdk import (
    AssistantOutput,
    ChatEvent,
    ChatResponse,
    ErrorKind,
    Finish,
    FinishReason,
    ProviderError,
    Text,
    TextDelta,
    TextEnd,
    TextStart,
    Thinking,
    ToolCall,
    Usage,
    fold,
)
from stockade_sdk.dialects.openai_responses import StreamDecoder, StreamEncoder
from stockade_sdk.stream import unfold
from tests.recorded.equivalences import missing
from tests.recorded.expected_responses import with_ids_of_ours
from tests.unit.sdk.openai_responses_payloads import ANSWERS, encoded, events_of

CUSTOM_TOOLS = ("sql",)


def encoder() -> StreamEncoder:
    return StreamEncoder(id="resp_c", model="m-c", created=9, custom_tools=CUSTOM_TOOLS)


def read(sent: list[dict]) -> list[ChatEvent]:
    decoder = StreamDecoder()
    events = [one for each in sent for one in decoder.feed(json.dumps(each), each["type"])]
    return [*events, *decoder.finish()]


def accumulated(sent: list[dict]) -> list[dict]:
    """The items as a client puts them together from everything but the last event."""
    items: list[dict] = []
    for one in sent:
        match one["type"].removeprefix("response."):
            case "output_item.added":
                assert one["output_index"] == len(items)
                items.append({**one["item"], "parts": []})
            case "content_part.added" | "reasoning_summary_part.added":
                index = "content_index" if "content_index" in one else "summary_index"
                assert one[index] == len(items[one["output_index"]]["parts"])
                items[one["output_index"]]["parts"].append("")
            case "output_text.delta" | "refusal.delta":
                items[one["output_index"]]["parts"][one["content_index"]] += one["delta"]
            case "function_call_arguments.delta":
                items[one["output_index"]]["arguments"] += one["delta"]
            case "custom_tool_call_input.delta":
                items[one["output_index"]]["input"] += one["delta"]
    return items


@pytest.mark.parametrize("name", ANSWERS)
def test_a_vendors_stream_comes_out_as_it_went_in(name):
    events = read(events_of(ANSWERS[name]))

    sent = encoder().feed_all(events)

    renamed = {"model": "m-c", "created_at": 9}
    expected = {**with_ids_of_ours(ANSWERS[name]), **renamed}
    assert missing(sent[-1]["response"], expected) == []
    again = fold(read(sent))
    assert (again.text, len(again.output.content)) == (
        fold(events).text,
        len(fold(events).output.content),
    )
    assert (again.finish_reason, again.usage) == (fold(events).finish_reason, fold(events).usage)


@pytest.mark.parametrize("name", ["text", "everything", "a refusal", "two messages"])
def test_the_types_are_those_of_the_vendor_in_their_order(name):
    answer = events_of(ANSWERS[name])

    sent = encoder().feed_all(read(answer))

    def kinds(events: list[dict]) -> list[tuple]:
        return [
            (one["type"], one.get("output_index"), one.get("content_index"))
            for one in events
            if not one["type"].endswith((".delta", "annotation.added"))
        ]

    # The vendor ends one piece before the next one begins; ours end with their item.
    assert sorted(kinds(sent), key=str) == sorted(kinds(answer), key=str)
    assert [one["sequence_number"] for one in sent] == list(range(len(sent)))


def test_a_client_can_put_the_items_together_piece_by_piece():
    sent = encoder().feed_all(read(events_of(ANSWERS["everything"])))

    items = accumulated(sent)

    done = [one["item"] for one in sent if one["type"] == "response.output_item.done"]
    assert done == sent[-1]["response"]["output"]
    assert [item["type"] for item in items] == [item["type"] for item in done]
    assert items[2]["parts"] == ["hello"]
    assert json.loads(items[3]["arguments"]) == {"city": "Oslo"}
    assert items[4]["input"] == "SELECT 1"


def test_an_item_ends_under_the_id_and_type_that_it_began_with():
    events = read(events_of(ANSWERS["everything"]))

    for writing in (encoder(), StreamEncoder(id="resp_c", model="m-c")):
        sent = writing.feed_all(events)
        begun, done = (
            [(one["item"]["id"], one["item"]["type"]) for one in sent if one["type"] == name]
            for name in ("response.output_item.added", "response.output_item.done")
        )
        assert begun == done


def test_citations_come_in_the_stream():
    sent = encoder().feed_all(read(events_of(ANSWERS["everything"])))

    added = [one for one in sent if one["type"] == "response.output_text.annotation.added"]
    assert [one["annotation"]["url"] for one in added] == ["https://x"]


def test_a_stream_of_another_vendor_is_a_whole_one():
    answer = ChatResponse(
        output=AssistantOutput(
            (Thinking("why", "sig", "anthropic"), Text("hi"), ToolCall("c_1", "f", {"a": 1}))
        ),
        finish_reason=FinishReason.TOOL_CALLS,
        usage=Usage(input_tokens=2, output_tokens=3),
    )

    sent = encoder().feed_all(unfold(answer))

    assert [one["type"].removeprefix("response.") for one in sent] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    ids = [one["item"]["id"] for one in sent if one["type"] == "response.output_item.added"]
    assert len(set(ids)) == 3
    assert fold(read(sent)).tool_calls[0].arguments == {"a": 1}
    assert sent[-1]["response"]["usage"]["total_tokens"] == 5


def test_a_refusal_of_a_chat_vendor_is_one_here():
    events: list[ChatEvent] = [
        TextStart("refusal"),
        TextDelta("refusal", "no"),
        TextEnd("refusal", {"openai_chat": {"$as": "refusal"}}),
        Finish(),
    ]

    sent = encoder().feed_all(events)

    assert sent[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]


def test_what_is_still_open_ends_with_the_stream():
    sent = encoder().feed_all([TextStart("0"), TextDelta("0", "hi"), Finish(FinishReason.LENGTH)])

    assert sent[-1]["type"] == "response.incomplete"
    assert sent[-1]["response"]["output"][0]["content"][0]["text"] == "hi"
    assert fold(read(sent)).finish_reason is FinishReason.LENGTH


def test_an_answer_of_nothing_is_a_whole_stream():
    sent = encoder().feed_all([Finish()])

    assert [one["type"] for one in sent] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]


@pytest.mark.parametrize("begun", [False, True])
def test_a_failure_is_an_error_event_and_then_the_end(begun):
    writing = encoder()
    if begun:
        writing.feed_all([TextStart("0"), TextDelta("0", "hi")])

    sent = writing.fail(ProviderError(ErrorKind.OVERLOADED, "busy"), 503)

    assert [one["type"] for one in sent[-2:]] == ["error", "response.failed"]
    assert sent[-2]["error"]["message"] == sent[-2]["message"] == "busy"
    assert sent[-1]["response"]["status"] == "failed"
    with pytest.raises(ProviderError) as caught:
        read(sent)
    assert caught.value.kind is ErrorKind.OVERLOADED


def test_a_model_that_ended_in_an_error_fails():
    sent = encoder().feed_all([Finish(FinishReason.ERROR)])

    assert sent[-1]["type"] == "response.failed"


def test_the_data_can_be_sent_as_it_is():
    sent = encoder().feed_all(read(events_of(ANSWERS["text"])))

    assert all(json.loads(one) for one in encoded(sent))
