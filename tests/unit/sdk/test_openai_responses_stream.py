"""Streams of the Responses wire: their fold is the answer that they end with, or an error."""

import json

import pytest

from stockade_sdk import (
    ChatEvent,
    ChatRequest,
    ErrorKind,
    Message,
    MessageRole,
    ProviderError,
    Text,
    TextDelta,
    Thinking,
    ToolCallDelta,
    fold,
)
from stockade_sdk.dialects.openai_responses import (
    StreamDecoder,
    decode_response,
    encode_request,
    encode_response,
)
from stockade_sdk.stream import Order
from tests.unit.sdk.openai_responses_payloads import (
    ANSWERS,
    CALL,
    PLAIN,
    REASONING,
    encoded,
    events_of,
    response,
)


def decoded(*data: str, event: str = "message") -> list[ChatEvent]:
    decoder = StreamDecoder()
    events = [one for piece in data for one in decoder.feed(piece, event)]
    return [*events, *decoder.finish()]


def without(events: list[dict], *types: str) -> list[dict]:
    return [one for one in events if one["type"].removeprefix("response.") not in types]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_folds_to_the_answer_that_it_ends_with(name):
    events = decoded(*encoded(events_of(ANSWERS[name])))

    order = Order()
    for event in events[:-1]:
        order.check(event)
    assert fold(events) == decode_response(ANSWERS[name])


def test_words_come_as_they_are_said():
    events = decoded(*encoded(events_of(response(PLAIN, CALL))))

    assert [one.text for one in events if isinstance(one, TextDelta)] == ["h", "i"]
    assert (
        "".join(one.arguments for one in events if isinstance(one, ToolCallDelta))
        == (CALL["arguments"])
    )


@pytest.mark.parametrize(
    "lost",
    [
        ("output_text.delta", "function_call_arguments.delta"),
        ("output_text.delta", "output_text.done", "content_part.done", "content_part.added"),
        ("output_item.added",),
        ("output_item.done",),
        ("output_item.added", "content_part.added", "reasoning_summary_part.added"),
        ("created", "in_progress"),
        ("reasoning_summary_text.delta", "reasoning_summary_text.done"),
    ],
)
def test_what_some_vendors_do_not_send_is_taken_from_what_they_do(lost):
    answer = response(REASONING, PLAIN, CALL)

    events = decoded(*encoded(without(events_of(answer), *lost)))

    assert fold(events) == decode_response(answer)


def test_items_may_be_left_out_of_the_end():
    answer = response(REASONING, PLAIN, CALL)
    events = events_of(answer)
    events[-1] = {**events[-1], "response": {**answer, "output": []}}

    assert fold(decoded(*encoded(events))) == decode_response(answer)


def test_items_that_are_nowhere_whole_are_put_together():
    answer = response(REASONING, PLAIN, CALL)
    events = without(events_of(answer), "output_item.done")
    events[-1] = {**events[-1], "response": {**answer, "output": []}}

    folded = fold(decoded(*encoded(events)))

    assert folded.text == "hi"
    assert [part.text for part in folded.output.content if isinstance(part, Thinking)] == [
        "think",
        "more",
    ]
    assert folded.tool_calls[0].arguments == {"city": "Oslo"}


def nameless(events: list[dict]) -> list[dict]:
    """Events that do not say which item they are about, as simple servers send them."""
    lost = ("output_index", "item_id", "content_index", "summary_index", "sequence_number")
    return [{key: value for key, value in one.items() if key not in lost} for one in events]


def test_pieces_that_name_no_item_go_on_with_the_last_one():
    events: list[dict] = [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.reasoning_text.delta", "delta": "think"},
        {"type": "response.reasoning_text.delta", "delta": "ing"},
        {"type": "response.output_text.delta", "delta": "h"},
        {"type": "response.output_text.delta", "delta": "i", "item_id": ""},
        {"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}},
    ]

    folded = fold(decoded(*encoded(events)))

    said = [(type(part), getattr(part, "text", None)) for part in folded.output.content]
    assert said == [(Thinking, "thinking"), (Text, "hi")]
    sent_back = encode_response(folded)["output"]
    assert [item["type"] for item in sent_back] == ["reasoning", "message"]


def test_an_item_that_nobody_named_goes_back_without_a_name():
    events: list[dict] = [
        {"type": "response.output_text.delta", "delta": "hi"},
        {"type": "response.completed", "response": {"status": "completed"}},
    ]

    folded = fold(decoded(*encoded(events)))
    said = Message(MessageRole.ASSISTANT, folded.output.content)
    request = ChatRequest(messages=(Message.of_text("user", "hello"), said), model="m")

    payload, _ = encode_request(request)
    assert "id" not in payload["input"][1]


def test_whole_items_that_no_event_names_are_each_their_own():
    answer = response(REASONING, PLAIN, CALL)
    events = nameless(events_of(answer))
    for one in events:
        if "item" in one:
            one["item"] = {key: value for key, value in one["item"].items() if key != "id"}
    events = without(events, "content_part.done")

    folded = fold(decoded(*encoded(events)))

    assert folded.text == "hi"
    assert [call.arguments for call in folded.tool_calls] == [{"city": "Oslo"}]


def test_items_may_end_in_another_order_than_they_began():
    events = events_of(response(REASONING, PLAIN))
    late = next(
        one
        for one in events
        if one["type"] == "response.output_item.done" and one["output_index"] == 0
    )
    events.remove(late)
    events.insert(-1, late)

    folded = fold(decoded(*encoded(events)))

    assert [type(part) for part in folded.output.content] == [Thinking, Thinking, Text]


def test_pieces_that_are_not_the_text_of_the_end_are_told():
    events = events_of(response(PLAIN))
    for one in events:
        if one["type"] == "response.output_text.delta":
            one["delta"] = "x"

    folded = fold(decoded(*encoded(events)))

    assert folded.text == "xx"
    assert [warning.code for warning in folded.warnings] == ["stream_text_differs"]


def test_two_calls_under_one_id_are_told_apart():
    answer = response(CALL, {**CALL, "id": "fc_2"})

    assert fold(decoded(*encoded(events_of(answer)))) == decode_response(answer)


def test_events_of_unknown_types_are_passed_over():
    events = events_of(response(PLAIN))
    events.insert(2, {"type": "response.novelty", "x": 1})

    assert fold(decoded(*encoded(events))).text == "hi"


def test_the_closing_word_of_others_is_taken():
    assert fold(decoded(*encoded(events_of(response(PLAIN))), "[DONE]")).text == "hi"


@pytest.mark.parametrize("name", ["text", "everything", "cut short"])
def test_a_stream_that_breaks_off_anywhere_is_no_answer(name):
    data = encoded(events_of(ANSWERS[name]))

    for end in range(len(data)):
        for last in ((), ("[DONE]",)):
            with pytest.raises(ProviderError) as caught:
                decoded(*data[:end], *last)
            assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    ("data", "event", "kind"),
    [
        ("<html>", "message", "malformed_response"),
        ('{"type": "response.outp', "message", "malformed_response"),
        ("[1]", "message", "malformed_response"),
        ('{"type": "response.output_item.added"}', "message", "malformed_response"),
        ('{"type": "response.completed"}', "message", "malformed_response"),
        ("overloaded", "error", "overloaded"),
        ('{"type": "error", "code": "rate_limit_exceeded", "message": "x"}', "e", "rate_limited"),
        ('{"type": "error", "error": {"code": "insufficient_quota"}}', "error", "quota"),
        ('{"error": {"message": "no", "code": 503}}', "message", "overloaded"),
        (
            '{"type": "response.failed", "response": {"error": {"code": "server_error"}}}',
            "message",
            "server_error",
        ),
        ('{"type": "response.failed", "response": {"error": null}}', "message", "server_error"),
    ],
)
def test_an_event_that_is_an_error_or_no_event_is_typed(data, event, kind):
    with pytest.raises(ProviderError) as caught:
        decoded(data, event=event)

    assert caught.value.kind == kind


def test_halves_of_a_character_are_joined_over_two_pieces():
    events = events_of(
        response({**PLAIN, "content": [{"type": "output_text", "text": "\U0001f600"}]})
    )
    data = [one for one in encoded(events) if "output_text.delta" not in one]
    at = next(n for n, one in enumerate(data) if "output_text.done" in one)
    delta = (
        '{"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": '
    )
    halves = [f'{delta}"\\ud83d"}}', f'{delta}"\\ude00"}}']

    assert fold(decoded(*data[:at], *halves, *data[at:])).text == "\U0001f600"


def test_a_line_of_ten_megabytes_is_read():
    text = "x" * 10_000_000
    answer = response({**PLAIN, "content": [{"type": "output_text", "text": text}]})

    assert (
        fold(decoded(json.dumps({"type": "response.completed", "response": answer}))).text == text
    )
