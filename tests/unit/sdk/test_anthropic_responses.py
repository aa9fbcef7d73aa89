"""Whole answers on Anthropic's wire, both ways."""

import json

import msgspec
import pytest

from stockade_sdk import (
    AssistantOutput,
    ChatResponse,
    ErrorKind,
    FinishReason,
    ProviderError,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from stockade_sdk.dialects.anthropic_messages import (
    decode_response,
    decode_usage,
    encode_response,
    encode_usage,
)

KEY = "anthropic_messages"
USAGE = {"input_tokens": 3, "output_tokens": 2}


def answer(*content, **fields):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
        **fields,
    }


def text(said="hi", **fields):
    return {"type": "text", "text": said, **fields}


def codes(response):
    return [warning.code for warning in response.warnings]


def whole(part):
    return part.provider_metadata[KEY]["$part"]


def test_an_answer_is_its_parts_in_their_order():
    response = decode_response(
        answer(
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "dark"},
            text("hi"),
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
            stop_reason="tool_use",
        )
    )

    thinking, redacted, said, call = response.output.content
    assert thinking == Thinking("hm", "sig", "anthropic")
    assert isinstance(redacted, Thinking)
    assert (redacted.text, redacted.signature, redacted.provider) == ("", "dark", "anthropic")
    assert said == Text("hi")
    assert call == ToolCall("toolu_1", "f", {"a": 1})
    assert response.finish_reason is FinishReason.TOOL_CALLS
    assert (response.id, response.model) == ("msg_1", "claude-x")
    assert response.warnings == ()


@pytest.mark.parametrize(
    "payload",
    [
        answer(text()),
        answer(text(citations=[{"type": "x", "cited_text": "y"}])),
        answer(text("")),
        answer({"type": "thinking", "thinking": "t", "signature": "s"}),
        answer({"type": "thinking", "thinking": "t"}),
        answer({"type": "redacted_thinking", "data": "d"}),
        answer({"type": "tool_use", "id": "a", "name": "f", "input": {}, "caller": {"type": "x"}}),
        answer({"type": "server_tool_use", "id": "a", "name": "w", "input": {"q": 1}}),
        answer({"type": "web_search_tool_result", "tool_use_id": "a", "content": [1]}),
        answer({"type": "hologram", "depth": 3}),
        answer({"type": "image", "source": {"type": "url", "url": "https://a.example"}}),
        answer(text(), stop_reason="stop_sequence", stop_sequence="END"),
        answer(text(), stop_reason="a word of tomorrow"),
        answer(text(), stop_reason=None),
        answer(text(), container={"id": "c"}, stop_details=None, context_management={"x": []}),
        answer(text(), usage={**USAGE, "cache_read_input_tokens": 5, "service_tier": "standard"}),
        answer(text(), usage=None),
        answer(),
    ],
)
def test_an_answer_for_a_client_holds_what_the_vendor_said(payload):
    response = decode_response(payload)
    carried = msgspec.msgpack.decode(msgspec.msgpack.encode(response), type=ChatResponse)

    encoded = encode_response(carried)

    usage = payload["usage"] or {}
    assert encoded == {**payload, "usage": {**encoded["usage"], **usage}} or (
        payload["content"] == [{"type": "thinking", "thinking": "t"}]
        and encoded["content"] == [{"type": "thinking", "thinking": "t", "signature": ""}]
    )


@pytest.mark.parametrize(
    "block",
    [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        {"type": "mcp_tool_use", "id": "m", "name": "n", "server_name": "s", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"title": "t"}]},
        {"type": "bash_code_execution_tool_result", "tool_use_id": "s", "content": {}},
        {"type": "compaction", "content": "so far"},
        {"type": "fallback", "from": {}, "to": {}},
    ],
)
def test_the_vendors_own_blocks_are_carried_and_are_no_words_of_the_model(block):
    response = decode_response(answer(block, text("found")))

    assert response.text == "found"
    assert whole(response.output.content[0]) == block
    assert response.warnings == ()


@pytest.mark.parametrize(
    "block",
    [
        {"type": "hologram", "depth": 3},
        {"type": "server_tool_use", "name": "web_search"},
        {"type": "web_search_tool_result"},
        {"no": "type"},
        {"type": 3},
        {"type": "image", "source": {"type": "url", "url": "https://a.example"}},
    ],
)
def test_an_unknown_block_is_its_json_with_a_warning(block):
    response = decode_response(answer(block))

    part = response.output.content[0]
    assert isinstance(part, Text)
    assert json.loads(part.text) == block
    assert whole(part) == block
    assert codes(response) == ["unknown_content_block_mapped_to_text"]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("refusal", FinishReason.CONTENT_FILTER),
        ("pause_turn", FinishReason.OTHER),
    ],
)
def test_a_stop_reason_has_its_meaning_and_its_word(word, reason):
    response = decode_response(answer(text(), stop_reason=word))

    assert (response.finish_reason, response.raw_finish_reason) == (reason, word)
    assert response.warnings == ()
    assert encode_response(response)["stop_reason"] == word


@pytest.mark.parametrize("word", [None, "soon", 3, {}])
def test_an_unknown_stop_reason_is_warned_of(word):
    response = decode_response(answer(text(), stop_reason=word))

    assert response.finish_reason is FinishReason.OTHER
    assert codes(response) == ["unknown_stop_reason"]
    assert "None" not in response.warnings[0].message


@pytest.mark.parametrize(
    ("usage", "decoded", "warned"),
    [
        (
            {
                "input_tokens": 691,
                "cache_creation_input_tokens": 5,
                "cache_read_input_tokens": 3,
                "output_tokens": 76,
                "output_tokens_details": {"thinking_tokens": 40},
            },
            Usage(
                input_tokens=699,
                output_tokens=76,
                cached_input_tokens=3,
                cache_write_tokens=5,
                reasoning_tokens=40,
            ),
            [],
        ),
        ({"input_tokens": 1, "output_tokens": 2.0}, Usage(input_tokens=1, output_tokens=2), []),
        ({"output_tokens": 2}, Usage(output_tokens=2), ["usage_partial"]),
        ({"input_tokens": -1, "output_tokens": 2}, Usage(output_tokens=2), ["usage_partial"]),
        ({"input_tokens": True, "output_tokens": "2"}, None, ["usage_missing"]),
        ({"input_tokens": 2**70}, None, ["usage_missing"]),
        ([], None, ["usage_missing"]),
        (None, None, ["usage_missing"]),
    ],
)
def test_counts_are_what_was_counted_and_nothing_else(usage, decoded, warned):
    response = decode_response(answer(text(), usage=usage))

    assert response.usage == decoded
    assert codes(response) == warned


def test_counts_of_another_vendor_are_told_apart_again():
    usage = Usage(input_tokens=10, output_tokens=2, cached_input_tokens=4, reasoning_tokens=1)

    encoded = encode_usage(usage)

    assert encoded == {
        "input_tokens": 6,
        "cache_read_input_tokens": 4,
        "output_tokens": 2,
        "output_tokens_details": {"thinking_tokens": 1},
    }
    assert decode_usage(encoded) == usage


def test_calls_without_or_with_the_same_id_are_told_apart():
    call = {"type": "tool_use", "name": "f", "input": {}}

    response = decode_response(answer(call, {**call, "id": "a"}, {**call, "id": "a"}))

    ids = [call.id for call in response.tool_calls]
    assert ids[0].startswith("toolu_msg_1")
    assert len(set(ids)) == 3
    assert codes(response) == ["tool_call_id_missing", "tool_call_id_repeated"]


def test_json_that_was_asked_for_is_parsed():
    asked = ResponseFormat(type="json_object")

    good = decode_response(answer(text('{"a": 1}')), response_format=asked)
    bad = decode_response(answer(text("no")), response_format=asked)

    assert good.output.structured_output == {"a": 1}
    assert (bad.output.structured_output, codes(bad)) == (None, ["structured_output_parse_failed"])


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "text",
        [],
        {},
        {"role": "assistant"},
        answer(role="user"),
        answer(content="hi"),
        answer("hi"),
        answer({"type": "tool_use", "id": "a", "input": {}}),
        answer({"type": "tool_use", "id": "a", "name": "f", "input": "s"}),
        answer({"type": "tool_use", "id": "a", "name": "f", "input": [1]}),
        answer({"type": "tool_use", "id": "a", "name": "f"}),
    ],
)
def test_what_is_no_answer_is_malformed(payload):
    with pytest.raises(ProviderError) as caught:
        decode_response(payload)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def test_an_error_inside_an_answer_is_its_kind():
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

    with pytest.raises(ProviderError) as caught:
        decode_response(error)

    assert caught.value.kind is ErrorKind.OVERLOADED


def test_an_answer_of_another_vendor_is_shown_in_this_wires_words():
    parts = (Thinking("hm", "sig", "gemini"), Text(""), Text("hi"), ToolCall("c", "f", {"a": 1}))
    response = ChatResponse(
        output=AssistantOutput(parts),
        finish_reason=FinishReason.CONTENT_FILTER,
        raw_finish_reason="SAFETY",
        id="r",
        model="m",
    )

    encoded = encode_response(response, id="x", model="y")

    assert encoded == {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "y",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "hi"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "refusal",
        "stop_sequence": None,
        "usage": {"input_tokens": None, "output_tokens": None},
    }
