"""Requests of the OpenAI chat wire: what goes in comes out, and what cannot is warned of."""

import base64
import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import (
    Audio,
    ChatRequest,
    ErrorKind,
    File,
    Image,
    Message,
    MessageRole,
    ProviderError,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    ToolResult,
)
from stockade_sdk.dialects.openai_chat import decode_request, encode_request
from tests.unit.sdk.openai_chat_payloads import CALL, PAYLOADS, PNG, user


def there_and_back(payload):
    """Through the canonical type and the worker's wire."""
    request = decode_request(payload)
    request = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=ChatRequest)
    encoded, warnings = encode_request(request, stream=bool(payload.get("stream")))
    assert warnings == ()
    return json.loads(msgspec.json.encode(encoded))


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_request_comes_out_as_it_went_in(payload):
    assert there_and_back(payload) == payload


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5).filter(lambda key: key[:1] != "$"), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = [
    key for payload in PAYLOADS.values() for key in payload if key not in ("messages", "stream")
]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5))
def test_any_settings_of_any_type_come_out_as_they_went_in(settings):
    settings.pop("stream_options", None)
    if not isinstance(settings.get("model", ""), str):
        settings.pop("model")
    payload = {"messages": [{"role": "user", "content": "a"}], **settings}

    assert there_and_back(payload) == payload


MESSAGE_FIELDS = ("name", "refusal", "audio", "reasoning", "reasoning_content", "reasoning_details")


@given(
    st.sampled_from(["user", "system", "assistant", "developer"]),
    st.dictionaries(st.sampled_from(MESSAGE_FIELDS), json_values, max_size=4),
    st.none()
    | st.text(max_size=5)
    | st.lists(st.dictionaries(st.just("type"), json_values), max_size=2),
)
def test_any_message_fields_of_any_type_come_out_as_they_went_in(role, fields, content):
    payload = {"messages": [{"role": role, "content": content, **fields}]}

    assert there_and_back(payload) == payload


@given(json_values)
def test_any_json_is_a_request_or_refused_as_one(payload):
    for given_json in (payload, {"messages": payload}, {"messages": [payload]}, user(payload)):
        assert refusal_of(given_json) in (None, ErrorKind.INVALID_REQUEST)


def refusal_of(payload):
    try:
        decode_request(payload)
    except ProviderError as error:
        return error.kind
    return None


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        ([], "no JSON object"),
        ({}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "user"}, {"role": "judge", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["a", 5]}]}, "messages[0].content[1]"),
        ({"messages": [{"role": "assistant", "tool_calls": "f"}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}, "tool_calls[0]"),
    ],
)
def test_what_is_no_request_is_refused_with_the_place(payload, where):
    with pytest.raises(ProviderError) as caught:
        decode_request(payload)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert where in caught.value.message


def test_parts_become_canonical():
    payload = user(
        [
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}},
        ]
    )

    assert decode_request(payload).messages[0].content == (
        Text("see"),
        Image(data=base64.b64decode(PNG), media_type="image/png"),
        Audio(data=b"\0\0\0", format="mp3"),
        File(file_id="file-1", filename="a.pdf"),
    )


def test_tool_calls_and_results_become_canonical():
    payload = {
        "messages": [
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ]
    }

    request = decode_request(payload)

    assert request.messages[0].content == (ToolCall("c1", "f", {"a": 1}),)
    assert request.messages[1].content == (ToolResult("c1", "42"),)


def test_a_canonical_request_is_encoded_in_the_plainest_spelling():
    request = ChatRequest(
        messages=(
            Message.of_text("system", "be brief"),
            Message(MessageRole.USER, (Text("see"), Image(data=b"\xff\xd8\xff0"))),
            Message(MessageRole.ASSISTANT, (Text("a"), Text("b"), ToolCall("c1", "f", {"x": 1}))),
            Message(MessageRole.TOOL, (ToolResult("c1", {"y": 2}), ToolResult("c2", "z"))),
        ),
        model="named",
        tools=(ToolDefinition("f", "does", {"type": "object"}),),
        tool_choice=ToolChoice("specific", "f"),
        response_format=ResponseFormat(type="json_schema", schema={"type": "object"}),
        max_output_tokens=5,
    )

    payload, warnings = encode_request(request, model="other")

    assert warnings == ()
    assert payload == {
        "model": "other",
        "messages": [
            {"role": "system", "content": "be brief"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/MA=="}},
                ],
            },
            {
                "role": "assistant",
                "content": "ab",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"x":1}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"y":2}'},
            {"role": "tool", "tool_call_id": "c2", "content": "z"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "does", "parameters": {"type": "object"}},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}},
        },
        "max_tokens": 5,
    }


def test_an_edit_of_a_canonical_value_shows_in_what_goes_out():
    request = decode_request({**PAYLOADS["max_completion_tokens"], "user": "u"})
    edited = msgspec.structs.replace(
        request, max_output_tokens=3, messages=(Message.of_text("user", "other"),)
    )

    payload, _ = encode_request(edited)

    assert payload["max_completion_tokens"] == 3
    assert payload["messages"] == [{"role": "user", "content": "other"}]
    assert payload["user"] == "u"


def test_edited_arguments_win_over_the_original_text():
    call = decode_request(PAYLOADS["call with spaces in its arguments"]).messages[0].content[0]
    edited = msgspec.structs.replace(call, arguments={"a": 2})

    payload, _ = encode_request(ChatRequest(messages=(Message(MessageRole.ASSISTANT, (edited,)),)))

    assert payload["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"a":2}'


def test_options_reach_the_wire_but_do_not_replace_what_the_request_says():
    request = ChatRequest(
        messages=(Message.of_text("user", "a"),),
        model="m",
        provider_options={"openai_chat": {"model": "x", "messages": [], "logit_bias": {"1": 2}}},
    )

    payload, warnings = encode_request(request)

    assert payload["model"] == "m"
    assert payload["messages"] == [{"role": "user", "content": "a"}]
    assert payload["logit_bias"] == {"1": 2}
    assert [warning.code for warning in warnings] == ["provider_option_ignored"] * 2


def test_encoding_changes_nothing_of_the_request():
    options = {"openai_chat": {"response_format": {"json_schema": {"x": {"y": 1}}}}}
    request = ChatRequest(
        messages=(Message.of_text("user", "a"),),
        response_format=ResponseFormat(type="json_schema", schema={"type": "object"}),
        provider_options=options,
    )
    before = msgspec.json.encode(request)

    payload, _ = encode_request(request, stream=True, include_usage=True)
    payload["stream_options"]["more"] = payload["response_format"]["json_schema"]["more"] = True

    assert msgspec.json.encode(request) == before


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Message(MessageRole.ASSISTANT, (Thinking("hm"), Text("a"))), "thinking_dropped"),
        (
            Message(MessageRole.TOOL, (ToolResult("c", "x", is_error=True),)),
            "tool_error_flag_dropped",
        ),
        (Message(MessageRole.TOOL, (ToolResult("c", "x"), Text("y"))), "part_dropped"),
        (Message(MessageRole.USER, (ToolCall("c", "f"), Text("y"))), "part_dropped"),
        (Message(MessageRole.USER, (Audio(id="a"), Text("y"))), "part_dropped"),
    ],
)
def test_what_this_wire_cannot_say_is_a_warning(message, code):
    _, warnings = encode_request(ChatRequest(messages=(message,)))

    assert [warning.code for warning in warnings] == [code]


def test_thinking_of_another_vendor_goes_where_the_caller_says():
    message = Message(MessageRole.ASSISTANT, (Thinking("hm", signature="s"), Text("a")))

    payload, warnings = encode_request(
        ChatRequest(messages=(message,)), thinking_field="reasoning_content"
    )

    assert payload["messages"][0]["reasoning_content"] == "hm"
    assert warnings == ()


def test_a_user_turn_with_results_becomes_tool_messages_before_it():
    message = Message(MessageRole.USER, (ToolResult("c1", "42"), Text("go on")))

    payload, _ = encode_request(ChatRequest(messages=(message,)))

    assert [entry["role"] for entry in payload["messages"]] == ["tool", "user"]


def test_the_field_for_the_maximum_can_be_forced():
    request = decode_request({**user("a"), "max_completion_tokens": 9})

    payload, _ = encode_request(request, max_tokens_field="max_tokens")

    assert payload["max_tokens"] == 9
    assert "max_completion_tokens" not in payload


def test_streams_ask_for_usage_unless_told_otherwise():
    request = ChatRequest.of_text("a")
    client = decode_request({**user("a"), "stream": True})

    assert encode_request(request, stream=True)[0]["stream_options"] == {"include_usage": True}
    assert "stream_options" not in encode_request(request)[0]
    assert "stream_options" not in encode_request(request, stream=True, include_usage=False)[0]
    assert "stream_options" not in encode_request(client, stream=True)[0]
    assert encode_request(client, stream=True, include_usage=True)[0]["stream_options"] == {
        "include_usage": True
    }


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_say_is_refused(number):
    with pytest.raises(ProviderError) as caught:
        encode_request(msgspec.structs.replace(ChatRequest.of_text("a"), temperature=number))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert "temperature" in caught.value.message
