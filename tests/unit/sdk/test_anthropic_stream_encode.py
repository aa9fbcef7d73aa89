"""Streamed answers for clients of Anthropic's wire."""

import json

import msgspec
import pytest

from stockade_sdk import (
    AssistantOutput,
    ChatResponse,
    Finish,
    FinishReason,
    Text,
    TextDelta,
    TextEnd,
    TextStart,
    Thinking,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    Usage,
    fold,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.dialects.anthropic_messages import StreamEncoder, decode_response
from stockade_sdk.stream import unfold
from tests.unit.sdk.anthropic_events import begun, closed, decode, grown, opened, said, stream


def sent(*events):
    return StreamEncoder(id="msg_c", model="m").feed_all(events)


def accumulated(payloads):
    """What a client makes of the events, as the vendor's SDK does: by index, nothing assumed."""
    first, *rest = json.loads(msgspec.json.encode(payloads))
    assert first["type"] == "message_start"
    message, ended, is_open = first["message"], False, set()
    for payload in rest:
        assert not ended
        match payload["type"]:
            case "content_block_start":
                assert payload["index"] == len(message["content"])
                is_open.add(payload["index"])
                message["content"].append(payload["content_block"])
            case "content_block_delta":
                assert payload["index"] in is_open
                grow(message["content"][payload["index"]], payload["delta"])
            case "content_block_stop":
                is_open.remove(payload["index"])
            case "message_delta":
                message.update(payload["delta"])
                message["usage"].update(payload["usage"])
            case "message_stop":
                ended = True
            case other:
                raise AssertionError(f"{other} in the middle of a message")
    assert ended
    assert not is_open
    for block in message["content"]:
        if "partial" in block:
            block["input"] = json.loads(block.pop("partial") or "{}")
    return message


def grow(block, delta):
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            block["partial"] = block.get("partial", "") + delta["partial_json"]
        case "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])


def test_a_text_in_the_vendors_sequence():
    payloads = sent(
        TextStart("t"),
        TextDelta("t", "h"),
        TextDelta("t", "i"),
        TextEnd("t"),
        Finish(FinishReason.STOP, Usage(input_tokens=3, output_tokens=2)),
    )

    assert [payload["type"] for payload in payloads] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert payloads[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert payloads[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }


def test_a_client_hears_the_first_word_before_the_second_is_said():
    encoder = StreamEncoder(id="i", model="m")
    encoder.feed(TextStart("t"))

    assert encoder.feed(TextDelta("t", "h"))[-1]["delta"] == {"type": "text_delta", "text": "h"}


def test_what_a_client_puts_together_is_the_answer():
    calls = (ToolCallStart("c", "f"), ToolCallDelta("c", '{"a":'), ToolCallDelta("c", "1}"))
    events = (
        ThinkingStart("r"),
        ThinkingDelta("r", "hm"),
        ThinkingEnd("r", "sig", "anthropic"),
        TextStart("t"),
        TextDelta("t", "hi"),
        TextEnd("t", {"anthropic_messages": {"citations": [{"n": 1}]}}),
        *calls,
        ToolCallEnd("c"),
        Finish(FinishReason.TOOL_CALLS, Usage(input_tokens=3, output_tokens=2)),
    )

    message = accumulated(sent(*events))

    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "text", "text": "hi", "citations": [{"n": 1}]},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
    ]
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("tool_use", 2)


BLOCKS = [
    {"type": "redacted_thinking", "data": "dark"},
    {"type": "thinking", "thinking": "", "signature": "sig"},
    {"type": "text", "text": ""},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"t": 1}]},
    {"type": "hologram", "depth": 3},
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block['type']} of {len(str(block))}")
def test_a_block_of_the_vendors_reaches_its_client_whole(block):
    started = (opened(0, **block), closed(0), *said("after", 1))

    message = accumulated(sent(*decode(*stream(*started))))

    assert message["content"] == [block, {"type": "text", "text": "after"}]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block['type']} of {len(str(block))}")
def test_a_whole_answer_that_is_streamed_to_a_client_decodes_to_itself(block):
    response = decode_response(
        {**begun()["message"], "content": [block], "stop_reason": "end_turn"}
    )

    again = fold(decode(*sent(*unfold(response))))

    if block["type"] == "hologram":  # its words are on the way before anyone knows what they are
        assert again.text == response.text
    else:
        assert again.output == response.output


def test_what_a_call_says_beside_its_arguments_is_not_lost():
    call = {"type": "tool_use", "id": "c", "name": "f", "input": {}, "caller": {"type": "direct"}}
    events = decode(*stream(opened(0, **call), closed(0)))

    assert fold(decode(*sent(*events))).output == fold(events).output


def test_blocks_that_grow_in_turns_stand_in_the_order_they_began_in():
    events = (
        TextStart("a"),
        ThinkingStart("b"),
        ThinkingDelta("b", "2"),
        TextDelta("a", "1"),
        ToolCallStart("c", "f"),
        ThinkingEnd("b"),
        ToolCallDelta("c", "{}"),
        TextEnd("a"),
        ToolCallEnd("c"),
        Finish(),
    )

    content = accumulated(sent(*events))["content"]

    assert [block["type"] for block in content] == ["text", "thinking", "tool_use"]
    assert (content[0]["text"], content[1]["thinking"]) == ("1", "2")


def test_a_signature_of_another_vendor_is_not_passed_for_this_ones():
    events = (ThinkingStart("r"), ThinkingDelta("r", "x"), ThinkingEnd("r", "sig", "gemini"))

    assert accumulated(sent(*events, Finish()))["content"][0]["signature"] == ""


def test_an_empty_text_of_another_vendor_leaves_nothing():
    assert accumulated(sent(TextStart("t"), TextEnd("t"), Finish()))["content"] == []


def test_counts_that_nobody_knows_are_not_zero():
    message = accumulated(sent(Finish()))

    assert message["usage"] == {"input_tokens": None, "output_tokens": None}
    assert fold(decode(*sent(Finish()))).usage is None


def test_an_answer_on_another_wire_streams_on_this_one():
    decoder = openai_chat.StreamDecoder()
    chunks = (
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]},
        {"choices": [{"index": 0, "delta": {"content": "hi"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )
    events = [event for chunk in chunks for event in decoder.feed(json.dumps(chunk))]

    message = accumulated(sent(*events, *decoder.finish()))

    assert sorted(message["content"], key=lambda block: block["type"]) == [
        {"type": "text", "text": "hi"},
        {"type": "thinking", "thinking": "hm", "signature": ""},
    ]


def test_a_folded_answer_is_the_one_that_was_streamed():
    parts = (Thinking("hm", "sig", "anthropic"), Text("hi"), ToolCall("c", "f", {"a": 1}))
    response = ChatResponse(
        output=AssistantOutput(parts),
        finish_reason=FinishReason.TOOL_CALLS,
        raw_finish_reason="tool_use",
        usage=Usage(input_tokens=1, output_tokens=2),
        model="m",
        id="msg_c",
    )

    assert fold(decode(*sent(*unfold(response)))) == response


def test_growth_in_the_middle_is_by_index():
    events = decode(
        *stream(
            opened(0, type="text", text=""),
            opened(1, type="text", text=""),
            grown(0, "text_delta", text="a"),
            grown(1, "text_delta", text="b"),
            grown(0, "text_delta", text="c"),
            closed(0),
            closed(1),
        )
    )

    assert [block["text"] for block in accumulated(sent(*events))["content"]] == ["ac", "b"]
