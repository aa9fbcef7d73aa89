"""Requests of the Responses wire: nothing a client says is lost, what it cannot say is told."""

import json

import msgspec
import pytest

from stockade_sdk import (
    Audio,
    ChatRequest,
    ErrorKind,
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
from stockade_sdk.dialects import openai_chat
from stockade_sdk.dialects.openai_responses import decode_request, encode_request
from tests.unit.sdk.openai_responses_payloads import LOOSE, REQUESTS, STRICT

USER = Message.of_text("user", "hi")


def over_the_wire(request: ChatRequest) -> ChatRequest:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=ChatRequest)


def body_of(*messages: Message, **settings):
    payload, warnings = encode_request(ChatRequest(messages=messages, model="m", **settings))
    return json.loads(msgspec.json.encode(payload)), [one.code for one in warnings]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_clients_request_comes_out_as_it_went_in(name):
    payload, warnings = encode_request(over_the_wire(decode_request(REQUESTS[name])))

    assert json.loads(msgspec.json.encode(payload)) == REQUESTS[name]
    assert warnings == ()


@pytest.mark.parametrize("name", REQUESTS)
def test_a_streamed_request_differs_by_saying_so(name):
    asked = {**REQUESTS[name], "stream": True, "stream_options": {"include_obfuscation": False}}

    assert encode_request(decode_request(asked), stream=True)[0] == asked


def test_the_canonical_request_is_the_golden_one():
    body, warnings = body_of(
        Message.of_text("system", "be brief"),
        Message(MessageRole.USER, (Text("look"), Image(url="https://x/y.png", detail="low"))),
        Message(MessageRole.ASSISTANT, (Text("so"), ToolCall("c_1", "f", {"b": 1, "a": [True]}))),
        Message(MessageRole.TOOL, (ToolResult("c_1", "cold"),)),
        tools=(ToolDefinition("f", "d", STRICT),),
        tool_choice=ToolChoice("specific", "f"),
        parallel_tool_calls=False,
        response_format=ResponseFormat(type="json_schema", schema=STRICT),
        temperature=0.5,
        max_output_tokens=9,
        reasoning_effort="low",
        metadata={"a": "b"},
    )

    assert warnings == []
    assert body == {
        "model": "m",
        "store": False,
        "input": [
            {
                "type": "message",
                "role": "system",
                "content": [{"type": "input_text", "text": "be brief"}],
            },
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
                ],
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "so"}],
            },
            {
                "type": "function_call",
                "call_id": "c_1",
                "name": "f",
                "arguments": '{"a":[true],"b":1}',
            },
            {"type": "function_call_output", "call_id": "c_1", "output": "cold"},
        ],
        "tools": [
            {
                "type": "function",
                "name": "f",
                "description": "d",
                "parameters": STRICT,
                "strict": True,
            }
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "text": {
            "format": {"type": "json_schema", "name": "answer", "schema": STRICT, "strict": True}
        },
        "temperature": 0.5,
        "max_output_tokens": 9,
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
    }


def test_an_assistants_items_in_a_row_are_one_turn():
    request = decode_request(REQUESTS["a conversation"])

    roles = [message.role.value for message in request.messages]
    assert roles[:4] == ["system", "system", "user", "assistant"]
    assert roles[4:] == ["tool", "tool", "tool", "user", "user", "assistant", "user", "user"]
    said = request.messages[3].content
    thought = [part for part in said if isinstance(part, Thinking)]
    assert [(one.text, one.signature, one.provider) for one in thought] == [
        ("first", "abc", "openai"),
        ("", None, "openai"),
        ("", "def", "openai"),
    ]
    calls = [part for part in said if isinstance(part, ToolCall)]
    assert [(call.id, call.arguments) for call in calls] == [
        ("c_1", {"b": 1, "a": 2}),
        ("c_2", "{broken"),
        ("c_3", "SELECT 1"),
    ]


def test_an_edit_shows_although_the_client_spelled_it_in_its_own_way():
    request = decode_request({"model": "m", "input": "hi", "instructions": "be brief"})
    edited = msgspec.structs.replace(
        request,
        messages=(Message.of_text("system", "be long"), Message.of_text("user", "bye")),
        temperature=0.25,
    )

    payload, _ = encode_request(edited)

    assert payload["temperature"] == 0.25
    assert [item["content"][0]["text"] for item in payload["input"]] == ["be long", "bye"]
    assert "instructions" not in payload


def test_instructions_are_a_system_message_to_other_vendors():
    request = decode_request({"model": "m", "input": "hi", "instructions": "be brief"})

    payload, _ = openai_chat.encode_request(request)

    assert payload["messages"][0] == {"role": "system", "content": "be brief"}


def test_calls_of_one_turn_are_one_message_to_other_vendors():
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    items = [
        {"role": "user", "content": "hi"},
        {**call, "call_id": "c_1"},
        {**call, "call_id": "c_2"},
        {"type": "function_call_output", "call_id": "c_1", "output": "1"},
        {"type": "function_call_output", "call_id": "c_2", "output": "2"},
    ]

    payload, _ = openai_chat.encode_request(decode_request({"model": "m", "input": items}))

    assert [len(one.get("tool_calls", ())) for one in payload["messages"]] == [0, 2, 0, 0]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"top_k": 3}, "setting_dropped"),
        ({"seed": 3}, "setting_dropped"),
        ({"presence_penalty": 0.5}, "setting_dropped"),
        ({"frequency_penalty": 0.5}, "setting_dropped"),
        ({"temperature": 0.5, "top_p": 0.5}, "both_temperature_and_top_p_set"),
        (
            {"tools": (ToolDefinition("f", None, LOOSE),)},
            "tool_schema_not_strict_compatible_strict_disabled",
        ),
        (
            {"response_format": ResponseFormat(type="json_schema", schema=LOOSE)},
            "response_schema_not_strict_compatible_strict_disabled",
        ),
    ],
)
def test_what_the_wire_cannot_say_is_told(settings, code):
    _, warnings = body_of(USER, **settings)

    assert warnings == [code]


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (STRICT, True),
        (LOOSE, False),
        ({**STRICT, "required": []}, False),
        ({**STRICT, "additionalProperties": True}, False),
        ({**STRICT, "properties": {"city": {"anyOf": [{"type": "string"}]}}}, False),
        ({**STRICT, "properties": {"city": {"type": "array", "items": LOOSE}}}, False),
        ({**STRICT, "properties": {"city": {"type": "array", "items": STRICT}}}, True),
        ({**STRICT, "type": ["object", "null"]}, True),
        ({"type": "object", "properties": {}, "additionalProperties": False}, True),
    ],
)
def test_strict_goes_by_the_schema_where_nobody_says(schema, strict):
    body, _ = body_of(USER, tools=(ToolDefinition("f", None, schema),))

    assert body["tools"][0]["strict"] is strict


def test_strict_is_what_was_said():
    body, warnings = body_of(USER, tools=(ToolDefinition("f", None, STRICT, strict=False),))

    assert body["tools"][0]["strict"] is False
    assert warnings == []


@pytest.mark.parametrize(
    ("messages", "settings", "kind"),
    [
        ((), {}, ErrorKind.INVALID_REQUEST),
        ((USER,), {"stop": ("END",)}, ErrorKind.UNSUPPORTED),
        ((USER,), {"temperature": 2.5}, ErrorKind.INVALID_REQUEST),
        ((USER,), {"temperature": float("nan")}, ErrorKind.INVALID_REQUEST),
        ((USER,), {"top_p": 1.5}, ErrorKind.INVALID_REQUEST),
        ((USER,), {"metadata": {"k": "v" * 513}}, ErrorKind.INVALID_REQUEST),
        ((USER,), {"metadata": dict.fromkeys(map(str, range(17)), "v")}, ErrorKind.INVALID_REQUEST),
        ((USER,), {"response_format": ResponseFormat(type="json_object")}, "invalid_request"),
        ((USER,), {"tool_choice": ToolChoice("specific", "nope")}, ErrorKind.INVALID_REQUEST),
        ((USER, Message(MessageRole.TOOL, (ToolResult("c", "x"),))), {}, "invalid_request"),
        ((Message(MessageRole.TOOL, (Text("x"),)),), {}, ErrorKind.INVALID_REQUEST),
        ((Message(MessageRole.USER, (ToolCall("c", "f"),)),), {}, ErrorKind.INVALID_REQUEST),
        ((Message(MessageRole.ASSISTANT, (ToolResult("c"),)),), {}, ErrorKind.INVALID_REQUEST),
        ((Message(MessageRole.USER, (Audio(url="https://x"),)),), {}, ErrorKind.UNSUPPORTED),
    ],
)
def test_what_the_vendor_would_refuse_is_refused(messages, settings, kind):
    with pytest.raises(ProviderError) as caught:
        body_of(*messages, **settings)

    assert caught.value.kind == kind


def test_a_result_may_follow_a_call_that_the_vendor_keeps():
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    asked = {"model": "m", "input": [output], "previous_response_id": "resp_1"}

    assert encode_request(decode_request(asked))[0] == asked


@pytest.mark.parametrize(
    ("content", "output", "codes"),
    [
        ({"b": 2, "a": 1}, '{"a":1,"b":2}', ["tool_result_coerced"]),
        ((Text("a"), Text("b")), "a\nb", ["tool_result_coerced"]),
        ("text", "text", []),
        (
            (Text("a"), Image(url="https://x")),
            [
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "image_url": "https://x"},
            ],
            [],
        ),
    ],
)
def test_a_result_is_text_or_parts(content, output, codes):
    call = Message(MessageRole.ASSISTANT, (ToolCall("c", "f", {}),))

    body, warnings = body_of(USER, call, Message(MessageRole.TOOL, (ToolResult("c", content),)))

    assert body["input"][-1]["output"] == output
    assert warnings == codes


def test_an_errors_mark_is_dropped_and_told():
    call = Message(MessageRole.ASSISTANT, (ToolCall("c", "f", {}),))
    failed = Message(MessageRole.TOOL, (ToolResult("c", "x", is_error=True),))

    assert body_of(USER, call, failed)[1] == ["tool_error_flag_dropped"]


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        (Thinking("why", "sig", "openai"), True),
        (Thinking("why", "sig", None), True),
        (Thinking("why", "sig", "anthropic"), False),
        (Thinking("why", None, "openai"), False),
        (Thinking("why"), False),
    ],
)
def test_reasoning_goes_back_to_its_own_vendor_and_signed(part, sent):
    body, warnings = body_of(USER, Message(MessageRole.ASSISTANT, (part, Text("so"))))

    kinds = [item["type"] for item in body["input"]]
    assert kinds == (["message", "reasoning", "message"] if sent else ["message", "message"])
    assert warnings == ([] if sent else ["thinking_dropped"])


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "x",
        {"input": 3},
        {"input": [3]},
        {"input": [{"role": "robot", "content": "x"}]},
        {"input": [{"type": "message", "content": 3, "role": "user"}]},
        {"input": [{"role": "assistant", "content": 3}]},
        {"input": [{"role": "user", "content": [3]}]},
        {"input": [{"role": "user", "content": [{"text": "no type"}]}]},
        {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]},
        {"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]},
        {"input": [{"type": "function_call", "call_id": "c", "name": "f"}]},
        {"input": [{"type": "function_call_output", "output": "x"}]},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": 3}]},
        {"input": [{"type": 3}]},
    ],
)
def test_a_request_that_is_none_is_an_invalid_one(payload):
    with pytest.raises(ProviderError) as caught:
        decode_request(payload)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_the_options_do_not_take_the_place_of_model_and_input():
    options = {"openai_responses": {"model": "other", "input": "x", "truncation": "auto"}}

    body, warnings = body_of(USER, provider_options=options)

    assert (body["model"], body["truncation"]) == ("m", "auto")
    assert body["input"][0]["content"][0]["text"] == "hi"
    assert warnings == ["provider_option_ignored"] * 2
