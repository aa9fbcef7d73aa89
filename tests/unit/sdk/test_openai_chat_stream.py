"""Streams of the OpenAI chat wire: chunks in, events out, and back again for clients."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import (
    ChatEvent,
    ErrorKind,
    FinishReason,
    ProviderError,
    Text,
    Thinking,
    Usage,
    fold,
)
from stockade_sdk.dialects.openai_chat import (
    DONE,
    StreamDecoder,
    decode_response,
    encode_response,
)
from stockade_sdk.stream import TextDelta
from tests.unit.sdk.openai_chat_chunks import HEAD, STOP, call, chunk, codes, decode, folded


def test_text_comes_as_deltas_of_one_block():
    response = folded(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "a"}),
        chunk({"content": "b"}),
        STOP,
    )

    assert response.output.content == (Text("ab"),)
    assert (response.id, response.model) == ("c-1", "m-1")
    assert (response.finish_reason, response.raw_finish_reason) == (FinishReason.STOP, "stop")


def test_every_delta_is_an_event_at_once():
    decoder = StreamDecoder()
    decoder.feed(json.dumps(chunk({"content": "a"})))

    assert decoder.feed(json.dumps(chunk({"content": "b"}))) == [TextDelta("text", "b")]


def test_a_stream_without_its_done_is_whole_where_the_reason_came():
    assert folded(chunk({"content": "a"}), STOP, done=False).text == "a"


def test_nothing_comes_after_done():
    decoder = StreamDecoder()
    for data in (json.dumps(STOP), DONE):
        decoder.feed(data)

    assert decoder.feed(json.dumps(chunk({"content": "late"}))) == []
    assert decoder.finish() == []


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [{**HEAD, "choices": []}],
        [chunk({"role": "assistant", "content": ""})],
        [chunk({"content": "half an ans"})],
        [chunk({"content": "a"}), {**HEAD, "choices": [], "usage": {"prompt_tokens": 1}}],
        [chunk({"content": "a"}, "stop"), chunk({"content": "b"}, index=1)],
        [chunk({"content": "a"}, "null")],
    ],
)
def test_a_stream_that_breaks_off_is_malformed_and_no_short_answer(chunks, done):
    with pytest.raises(ProviderError) as caught:
        decode(*chunks, done=done)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    "data", ["<html>gateway</html>", '{"id": "c', "[1]", "5", "null", '{"choices": [5]}', b"\xff{}"]
)
def test_a_chunk_that_is_none_is_malformed(data):
    with pytest.raises(ProviderError) as caught:
        StreamDecoder().feed(data)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    ("data", "event", "kind", "status"),
    [
        ({"error": {"message": "slow down", "code": 429}}, "message", ErrorKind.RATE_LIMITED, 429),
        (
            {"error": {"message": "x", "type": "overloaded_error"}},
            "message",
            ErrorKind.OVERLOADED,
            None,
        ),
        (
            {
                **HEAD,
                "error": {"code": 502, "message": "gone"},
                "choices": [{"finish_reason": "error"}],
            },
            "message",
            ErrorKind.SERVER_ERROR,
            502,
        ),
        (
            {"error": {"message": "bad", "type": "invalid_request_error", "status_code": 400}},
            "error",
            ErrorKind.INVALID_REQUEST,
            400,
        ),
        (
            {"message": "Rate limit reached", "type": "tokens"},
            "error",
            ErrorKind.RATE_LIMITED,
            None,
        ),
        (
            {"code": "429", "message": "wait", "request_id": "r"},
            "message",
            ErrorKind.RATE_LIMITED,
            429,
        ),
        (
            {"choices": [{"index": 0, "error": {"code": 402}}], "error": None},
            "message",
            ErrorKind.QUOTA,
            402,
        ),
    ],
)
def test_an_error_inside_the_stream_is_raised_as_its_kind(data, event, kind, status):
    decoder = StreamDecoder()
    decoder.feed(json.dumps(chunk({"content": "a"})))

    with pytest.raises(ProviderError) as caught:
        decoder.feed(json.dumps(data), event)

    assert (caught.value.kind, caught.value.status) == (kind, status)


def test_an_error_event_of_plain_text_is_an_error():
    with pytest.raises(ProviderError) as caught:
        StreamDecoder().feed("the server is overloaded", "error")

    assert caught.value.kind is ErrorKind.OVERLOADED


@pytest.mark.parametrize(
    "last",
    [
        [{**HEAD, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}],
        [chunk(usage={"prompt_tokens": 1, "completion_tokens": 2})],
        [{**HEAD, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}],
        [{**STOP, "x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}],
        [
            {**chunk(), "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
            {**chunk(), "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
            {**chunk(), "usage": None},
        ],
    ],
    ids=["last chunk", "in the choice", "without choices", "x_groq", "counted up"],
)
def test_usage_is_found_wherever_it_stands(last):
    response = folded(chunk({"content": "a"}), STOP, *last)

    assert response.usage == Usage(input_tokens=1, output_tokens=2)


def test_a_first_chunk_without_choices_is_kept_for_the_end():
    results = [{"prompt_index": 0, "content_filter_results": {}}]
    first = {**HEAD, "id": "", "model": "", "choices": [], "prompt_filter_results": results}

    response = folded(first, chunk({"content": "a"}), STOP)

    assert (response.id, response.model, response.text) == ("c-1", "m-1", "a")
    assert response.provider_metadata["openai_chat"]["prompt_filter_results"] == results


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_thinking_before_the_text(field):
    response = folded(
        chunk({field: "h"}), chunk({field: "m", "content": None}), chunk({"content": "a"}), STOP
    )

    assert [(type(part), part.text) for part in response.output.content] == [
        (Thinking, "hm"),
        (Text, "a"),
    ]
    assert encode_response(response)["choices"][0]["message"][field] == "hm"


def test_reasoning_that_comes_in_both_fields_is_said_once():
    response = folded(chunk({"reasoning": "hm", "reasoning_content": "hm"}), STOP)

    assert response.output.content[0].text == "hm"


def test_pieces_of_reasoning_details_are_strung_together():
    response = folded(
        chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "h"}]}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "m"}]}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "signature": "s"}]}),
        chunk({"content": "a"}),
        STOP,
    )

    message = encode_response(response)["choices"][0]["message"]
    assert message["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "hm", "signature": "s"}
    ]
    assert {part.text for part in response.output.content} == {"hm", "a"}


def test_content_in_parts_becomes_blocks_in_their_order():
    def thought(text):
        return chunk(
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}
        )

    response = folded(
        thought("h"),
        thought("m"),
        chunk({"content": "a"}),
        thought("again"),
        chunk({"content": "b"}),
        STOP,
    )

    assert [part.text for part in response.output.content] == ["hm", "a", "again", "b"]
    assert [type(part) for part in response.output.content] == [Thinking, Text, Thinking, Text]


def raw(text):
    return json.dumps(chunk({"content": "@"})).replace("@", text)


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([r"a\ud83d", r"\ude00b"], "a😀b"),
        ([r"\ud83d\ude00"], "😀"),
        ([r"a\ud83d", "b"], "a\ufffdb"),
        ([r"\ude00"], "\ufffd"),
        ([r"\ud83d", r"\ud83d", r"\ude00"], "\ufffd😀"),
    ],
    ids=["pair over two chunks", "whole pair", "half alone", "second half alone", "half and pair"],
)
def test_halves_of_a_pair_are_joined_or_replaced(pieces, text):
    decoder = StreamDecoder()
    events = [event for piece in pieces for event in decoder.feed(raw(piece))]
    events += [*decoder.feed(json.dumps(STOP)), *decoder.finish()]

    response = fold(msgspec.msgpack.decode(msgspec.msgpack.encode(events), type=list[ChatEvent]))

    assert response.text == text


@pytest.mark.parametrize(
    "bad",
    [
        r'{"a": NaN, "b": "\ud83d"}',
        r'{"a": 1e999, "b": "\ud83d"}',
        r'{"\ud83d',
        r"\u",
        '{"a":' * 900 + r'"\ud83d"' + "}" * 900,
    ],
    ids=["NaN", "infinite", "cut", "no digits", "nested deep"],
)
def test_a_half_makes_nothing_else_of_it_acceptable(bad):
    with pytest.raises(ProviderError) as caught:
        StreamDecoder().feed(bad)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def test_pieces_that_are_no_text_give_way_to_text():
    response = folded(
        chunk({"reasoning_details": [{"type": "t", "index": 0, "text": 5}]}),
        chunk({"reasoning_details": [{"type": "t", "index": 0, "text": "hm"}]}),
        chunk({"audio": {"id": "a", "transcript": ["h"]}}),
        chunk({"audio": {"transcript": "i"}}),
        STOP,
    )

    message = encode_response(response)["choices"][0]["message"]
    assert message["reasoning_details"] == [{"type": "t", "index": 0, "text": "hm"}]
    assert message["audio"] == {"id": "a", "transcript": "i"}


def test_a_refusal_is_text_with_a_warning():
    response = folded(chunk({"refusal": "I "}), chunk({"refusal": "won't"}), STOP)

    assert response.text == "I won't"
    assert codes(response) == ["model_refusal"]
    assert encode_response(response)["choices"][0]["message"]["refusal"] == "I won't"


def test_an_old_function_call_is_a_tool_call():
    response = folded(
        chunk({"function_call": {"name": "f", "arguments": '{"x"'}}),
        chunk({"function_call": {"arguments": ": 1}"}}),
        chunk(finish="function_call"),
    )

    assert [(one.name, one.arguments) for one in response.tool_calls] == [("f", {"x": 1})]
    assert encode_response(response)["choices"][0]["message"]["function_call"] == {
        "name": "f",
        "arguments": '{"x": 1}',
    }


def test_further_choices_are_whole_in_the_metadata_with_their_reasons():
    response = folded(
        chunk({"content": "a"}),
        chunk({"content": "b"}, index=1),
        chunk({"tool_calls": [call(0, "x", "f", "{}")]}, index=2),
        chunk(finish="stop"),
        chunk(finish="length", index=1),
        chunk(finish="tool_calls", index=2),
    )

    assert response.text == "a"
    others = encode_response(response)["choices"][1:]
    assert [(one["index"], one["finish_reason"]) for one in others] == [
        (1, "length"),
        (2, "tool_calls"),
    ]
    assert others[0]["message"]["content"] == "b"
    assert others[1]["message"]["tool_calls"][0]["function"]["name"] == "f"


def test_what_a_vendor_says_beside_the_text_is_kept_as_in_a_unary_answer():
    response = folded(
        {
            **chunk({"content": "a"}, logprobs={"content": [{"token": "a"}]}),
            "system_fingerprint": "fp",
            "p": "xx",
        },
        chunk({"content": "b"}, logprobs={"content": [{"token": "b"}]}),
        chunk({"annotations": [{"type": "url_citation"}]}),
        chunk(finish="stop", content_filter_results={"hate": {"filtered": False}}),
        {**HEAD, "choices": [], "usage": {"prompt_tokens": 1, "queue_time": 0.5, "cost": 0.25}},
    )

    assert response.provider_metadata == {
        "openai_chat": {
            "created": 5,
            "system_fingerprint": "fp",
            "choice": {
                "logprobs": {"content": [{"token": "a"}, {"token": "b"}]},
                "content_filter_results": {"hate": {"filtered": False}},
                "message": {"annotations": [{"type": "url_citation"}]},
            },
            "usage": {"queue_time": 0.5, "cost": 0.25},
        }
    }
    assert response.cost.total_cost == "0.25"


def test_a_spoken_stream_keeps_its_sound():
    response = folded(
        chunk({"audio": {"id": "a", "transcript": "h"}}),
        chunk({"audio": {"transcript": "i", "data": "AA"}}),
        chunk({"audio": {"data": "AA", "expires_at": 1}}),
        STOP,
    )

    assert encode_response(response)["choices"][0]["message"]["audio"] == {
        "id": "a",
        "transcript": "hi",
        "data": "AAAA",
        "expires_at": 1,
    }


def test_a_stream_says_what_the_unary_answer_says():
    message = {
        "role": "assistant",
        "content": "text",
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}},
        ],
    }
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    unary = decode_response(
        {
            **HEAD,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": usage,
        }
    )

    streamed = folded(
        chunk({"reasoning_content": "h"}),
        chunk({"reasoning_content": "m"}),
        chunk({"content": "te"}),
        chunk({"content": "xt"}),
        chunk({"tool_calls": [call(0, "a", "f", '{"x"')]}),
        chunk({"tool_calls": [call(0, None, None, ": 1}"), call(1, "b", "g", "{")]}),
        chunk(finish="tool_calls"),
        {**HEAD, "choices": [], "usage": usage},
    )

    assert streamed == unary


@given(st.lists(st.binary(max_size=40) | st.text(max_size=40), max_size=4))
def test_arbitrary_data_gives_events_or_a_typed_error(pieces):
    decoder = StreamDecoder()
    try:
        for piece in pieces:
            decoder.feed(piece)
        decoder.finish()
    except ProviderError as error:
        assert error.message  # noqa: PT017 - any kind will do, a crash will not
