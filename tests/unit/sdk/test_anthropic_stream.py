"""Streamed answers on Anthropic's wire."""

import json
from typing import Any

import pytest

from stockade_sdk import (
    ErrorKind,
    FinishReason,
    ProviderError,
    Text,
    TextDelta,
    Thinking,
    ToolCall,
    ToolCallDelta,
    Usage,
    fold,
)
from stockade_sdk.dialects.anthropic_messages import StreamDecoder, decode_response
from tests.unit.sdk.anthropic_events import (
    STOP,
    begun,
    closed,
    decode,
    ended,
    grown,
    opened,
    said,
    stream,
)

KEY = "anthropic_messages"
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}


def folded(*events):
    return fold(decode(*events))


def malformed(*events):
    with pytest.raises(ProviderError) as caught:
        decode(*events)
    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE
    return caught.value.message


def codes(response):
    return [warning.code for warning in response.warnings]


def test_deltas_arrive_as_they_come_and_the_rest_at_the_end():
    decoder = StreamDecoder()
    heard = [decoder.feed(json.dumps(one)) for one in stream(*said("hi"))]

    assert [len(events) for events in heard] == [0, 1, 1, 1, 0, 1]
    assert heard[2] == [TextDelta("0", "hi")]
    assert decoder.finish() == []


def test_a_stream_is_the_answer_that_would_have_come_whole():
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "let me", "signature": "sig"},
        {"type": "redacted_thinking", "data": "dark"},
        {"type": "text", "text": "hello", "citations": [{"n": 1}, {"n": 2}]},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"t": 1}]},
        {"type": "hologram", "depth": 3},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1]}, "caller": {"x": 1}},
    ]
    whole = {
        **begun()["message"],
        "content": blocks,
        "stop_reason": "tool_use",
        "container": {"id": "c"},
        "usage": {"input_tokens": 3, "output_tokens": 9, "server_tool_use": {"n": 1}},
    }

    streamed = folded(
        begun(),
        {"type": "ping"},
        opened(0, type="thinking", thinking="", signature=""),
        grown(0, "thinking_delta", thinking="let "),
        grown(0, "thinking_delta", thinking="me"),
        grown(0, "signature_delta", signature="sig"),
        closed(0),
        opened(1, type="redacted_thinking", data="dark"),
        closed(1),
        opened(2, type="text", text="", citations=[]),
        grown(2, "citations_delta", citation={"n": 1}),
        grown(2, "text_delta", text="hello"),
        grown(2, "citations_delta", citation={"n": 2}),
        closed(2),
        opened(3, type="server_tool_use", id="s", name="web_search", input={}),
        grown(3, "input_json_delta", partial_json='{"q"'),
        grown(3, "input_json_delta", partial_json=':"x"}'),
        closed(3),
        opened(4, **blocks[4]),
        closed(4),
        opened(5, **blocks[5]),
        closed(5),
        opened(6, **{**TOOL, "caller": {"x": 1}}),
        grown(6, "input_json_delta", partial_json=""),
        grown(6, "input_json_delta", partial_json='{"a": '),
        grown(6, "input_json_delta", partial_json="[1]}"),
        closed(6),
        ended(
            "tool_use",
            {"output_tokens": 9, "input_tokens": 3, "server_tool_use": {"n": 1}},
            container={"id": "c"},
        ),
        STOP,
    )

    assert streamed == decode_response(whole)


@pytest.mark.parametrize("piece", ["", " ", '{"a"', '{"a":1'])
def test_arguments_that_break_off_stay_what_they_are(piece):
    response = folded(
        begun(), opened(0, **TOOL), grown(0, "input_json_delta", partial_json=piece), closed(0),
        ended("max_tokens"), STOP,
    )  # fmt: skip

    call = response.tool_calls[0]
    assert call.arguments == (piece if piece.strip() else {})
    assert codes(response) == (["tool_arguments_invalid_json"] if piece.strip() else [])
    assert response.finish_reason is FinishReason.LENGTH


def test_arguments_that_come_at_once_are_taken():
    response = folded(*stream(opened(0, **{**TOOL, "input": {"a": 1}}), closed(0)))

    assert response.tool_calls == (ToolCall("toolu_1", "f", {"a": 1}),)


def test_words_that_come_with_the_start_are_taken():
    response = folded(
        *stream(
            opened(0, type="thinking", thinking="hm", signature="s"),
            closed(0),
            opened(1, type="text", text="hi"),
            closed(1),
        )
    )

    assert response.output.content == (Thinking("hm", "s", "anthropic"), Text("hi"))


def test_blocks_may_grow_in_turns_and_calls_share_no_id():
    response = folded(
        *stream(
            opened(0, **TOOL),
            opened(1, **TOOL),
            grown(1, "input_json_delta", partial_json='{"b":1}'),
            grown(0, "input_json_delta", partial_json='{"a":1}'),
            closed(1),
            closed(0),
        )
    )

    assert [call.arguments for call in response.tool_calls] == [{"a": 1}, {"b": 1}]
    assert len({call.id for call in response.tool_calls}) == 2
    assert codes(response) == ["tool_call_id_repeated"]


def test_deltas_of_tomorrow_are_kept_where_they_belong():
    response = folded(
        *stream(
            opened(0, type="compaction", content=""),
            grown(0, "compaction_delta", content="so "),
            grown(0, "compaction_delta", content="far"),
            closed(0),
            opened(1, type="text", text="hi"),
            grown(1, "mood_delta", mood="good"),
            closed(1),
        )
    )

    carried, words = response.output.content
    assert carried.provider_metadata[KEY]["$part"] == {"type": "compaction", "content": "so far"}
    assert words == Text("hi", {KEY: {"mood": "good"}})


def test_later_counts_replace_earlier_ones():
    response = folded(
        begun(usage={"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 0}),
        *said(),
        ended(usage={"output_tokens": 7, "input_tokens": None, "cache_read_input_tokens": 5}),
        STOP,
    )

    assert response.usage == Usage(input_tokens=8, output_tokens=7, cached_input_tokens=5)


@pytest.mark.parametrize("usage", [{}, None, []])
def test_counts_that_never_came_are_unknown(usage):
    response = folded(begun(usage=usage), *said(), {**ended(), "usage": usage}, STOP)

    assert response.usage is None
    assert codes(response) == ["usage_missing"]


def test_an_answer_without_content_is_warned_of():
    assert codes(folded(*stream())) == ["empty_output"]


@pytest.mark.parametrize("upto", range(6))
def test_a_stream_that_breaks_off_is_an_error_and_no_short_answer(upto):
    malformed(*stream(*said())[:upto])


@pytest.mark.parametrize(
    "events",
    [
        (begun(), *said(), STOP),
        (begun(), *said(), ended(None), STOP),
        (STOP,),
        (*said(),),
        (ended(), STOP),
        stream(begun()),
        stream(grown(0, "text_delta", text="x")),
        stream(closed(0)),
        stream(*said(), grown(0, "text_delta", text="x")),
        stream(*said(), *said()),
        stream({"type": "content_block_start", "index": 0}),
        stream({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
        stream(opened(0, type="text", text=""), {**closed(0), "index": [1]}),
        stream(opened(0, type="text", text=""), {"type": "content_block_delta", "index": 0}),
        stream(opened(0, type="tool_use", id="a", input={})),
        stream(opened(0, **{**TOOL, "input": "s"})),
        stream(opened(0, **TOOL), grown(0, "input_json_delta", partial_json="[1]")),
        (begun(role="user"),),
        ({"type": "message_start", "message": None},),
    ],
)
def test_what_is_no_stream_is_malformed(events):
    malformed(*events)


@pytest.mark.parametrize("data", ["{", "[1]", "3", "<html>", "\x00", "nul"])
def test_an_event_that_is_no_object_is_malformed(data):
    with pytest.raises(ProviderError) as caught:
        StreamDecoder().feed(data)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    ("data", "event", "kind"),
    [
        ({"type": "error", "error": {"type": "overloaded_error"}}, "error", ErrorKind.OVERLOADED),
        (
            {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}},
            "message",
            ErrorKind.RATE_LIMITED,
        ),
        ({"type": "error", "error": {"type": "api_error"}}, "error", ErrorKind.SERVER_ERROR),
        ({"type": "error", "error": {"type": "timeout_error"}}, "error", ErrorKind.TIMEOUT),
        (
            {"type": "error", "error": {"type": "authentication_error"}},
            "error",
            ErrorKind.AUTH,
        ),
        ({"error": {"message": "server busy"}}, "message", ErrorKind.OVERLOADED),
        ({"message": "timed out"}, "error", ErrorKind.TIMEOUT),
        ("upstream at capacity", "error", ErrorKind.OVERLOADED),
    ],
)
def test_an_error_inside_the_stream_is_its_kind(data, event, kind):
    decoder = StreamDecoder()
    for one in (begun(), *said()):
        decoder.feed(json.dumps(one))

    with pytest.raises(ProviderError) as caught:
        decoder.feed(data if isinstance(data, str) else json.dumps(data), event)

    assert caught.value.kind is kind


def test_what_is_new_on_the_wire_is_passed_over():
    response = folded(*stream({"type": "ping"}, {"type": "weather", "sun": True}, *said()))

    assert response.text == "hi"


def test_nothing_follows_the_end():
    decoder = StreamDecoder()
    for one in stream(*said()):
        decoder.feed(json.dumps(one))

    assert decoder.feed(json.dumps(grown(0, "text_delta", text="x"))) == []
    assert decoder.feed("[DONE]") == []
    assert decoder.finish() == []


def test_a_block_that_was_left_open_ends_with_the_message():
    response = folded(*stream(*said()[:2]))

    assert response.text == "hi"


def test_an_emoji_in_two_halves_is_whole():
    halves = (
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud83d"}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ude00"}}',
    )
    decoder = StreamDecoder()
    start, *rest = stream(*said("")[:1])
    events = [*decoder.feed(json.dumps(start)), *decoder.feed(json.dumps(rest[0]))]

    for half in halves:
        events += decoder.feed(half)
    for one in rest[1:]:
        events += decoder.feed(json.dumps(one))

    assert fold(events).text == "\N{GRINNING FACE}"


def test_a_line_of_ten_megabytes_is_read():
    text = "x" * 10_000_000

    assert folded(*stream(*said(text))).text == text


def test_arguments_reach_the_reader_piece_by_piece():
    pieces = ['{"a"', ": 1", "}"]
    deltas = [grown(0, "input_json_delta", partial_json=piece) for piece in pieces]

    events = decode(*stream(opened(0, **TOOL), *deltas, closed(0)))

    found = [event.arguments for event in events if isinstance(event, ToolCallDelta)]
    assert found == pieces
