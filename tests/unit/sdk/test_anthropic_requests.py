"""Requests on Anthropic's wire, both ways."""

import msgspec
import pytest

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
from stockade_sdk.dialects.anthropic_messages import betas_of, decode_request, encode_request
from tests.unit.sdk.anthropic_payloads import HI, PAYLOADS, PNG, asking, result, user

F = ToolDefinition("f", parameters_schema={"type": "object"})
ASKED = Message.of_text("user", "hi")


def sent(*messages, **fields):
    fields.setdefault("max_output_tokens", 9)
    return encode_request(ChatRequest(messages=messages, **fields))


def codes(warnings):
    return [warning.code for warning in warnings]


def called(*ids):
    return Message(MessageRole.ASSISTANT, tuple(ToolCall(id, "f", {}) for id in ids))


def told(id, content="done", **fields):
    return Message(MessageRole.TOOL, (ToolResult(id, content, **fields),))


def refused(*messages, **fields):
    with pytest.raises(ProviderError) as caught:
        sent(*messages, **fields)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    return caught.value.message


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_request_comes_out_as_it_went_in(payload):
    given = msgspec.json.encode(payload)
    request = decode_request(msgspec.json.decode(given))
    carried = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=ChatRequest)

    again, _ = encode_request(carried)

    assert again == msgspec.json.decode(given)


def test_reading_a_request_does_not_change_it():
    for payload in PAYLOADS.values():
        before = msgspec.json.encode(payload)
        encode_request(decode_request(payload))
        assert msgspec.json.encode(payload) == before


def test_results_become_tool_messages_and_what_follows_a_users():
    turn = {"role": "user", "content": [result(content="1"), {"type": "text", "text": "x"}]}
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}

    request = decode_request(asking(HI, {"role": "assistant", "content": [call]}, turn))

    assert [message.role for message in request.messages] == ["user", "assistant", "tool", "user"]
    assert request.messages[1].content == (ToolCall("toolu_1", "f", {"a": 1}),)
    content = request.messages[2].content[0]
    assert isinstance(content, ToolResult)
    assert (content.tool_call_id, content.content) == ("toolu_1", "1")
    assert request.last_text == "x"


def test_parallel_results_go_into_one_turn_before_what_else_is_said():
    payload, warnings = sent(
        ASKED, called("a", "b"), Message.of_text("user", "wait"), told("a"), told("b", "no")
    )

    turns = payload["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    kinds = [block.get("tool_use_id") or block["text"] for block in turns[2]["content"]]
    assert kinds == ["a", "b", "wait"]
    assert warnings == ()


def test_messages_of_one_speaker_become_one_turn():
    payload, _ = sent(ASKED, Message.of_text("user", "there"))

    assert payload["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}],
        }
    ]


def test_many_messages_of_one_speaker_take_no_square_of_their_number():
    payload, _ = sent(*[ASKED] * 50_000)

    assert len(payload["messages"][0]["content"]) == 50_000


def test_system_messages_go_first_wherever_they_were():
    payload, warnings = sent(Message.of_text("system", "a"), ASKED, Message.of_text("system", "b"))

    assert payload["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert codes(warnings) == ["system_message_moved"]


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ((ASKED, called("a")), "no result"),
        ((ASKED, called("a"), ASKED), "no result"),
        ((ASKED, called("a", "b"), told("a")), "'b'"),
        ((ASKED, told("a")), "answers no call"),
        ((ASKED, called("a"), told("a"), called("b"), told("a")), "answers no call"),
        ((ASKED, called("a"), told("a"), told("a")), "twice"),
        ((ASKED, called("a", "a"), told("a")), "two tool calls"),
        ((ASKED, called(""), told("")), "no id"),
        ((ASKED, Message(MessageRole.ASSISTANT, (ToolCall("a", "f", "{"),)), told("a")), "object"),
        ((ASKED, Message(MessageRole.ASSISTANT, (ToolCall("a", "f", [1]),)), told("a")), "object"),
    ],
)
def test_calls_and_results_that_do_not_match_are_refused(messages, why):
    assert why in refused(*messages)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"tool_choice": ToolChoice("required")}, "without tools"),
        ({"tool_choice": ToolChoice("specific", "f")}, "without tools"),
        ({"tools": (F,), "tool_choice": ToolChoice("specific", "g")}, "not among"),
        ({"temperature": float("nan")}, "JSON cannot say"),
        ({"temperature": 1.5}, "0 to 1"),
        ({"temperature": -0.1}, "0 to 1"),
    ],
)
def test_what_the_vendor_refuses_for_certain_is_refused(fields, why):
    assert why in refused(ASKED, **fields)


def test_a_begun_answer_that_is_to_be_json_is_refused():
    begun = Message.of_text("assistant", "{")

    assert "begun" in refused(ASKED, begun, response_format=ResponseFormat(type="json_object"))


def test_a_server_that_knows_its_own_bounds_is_asked():
    request = ChatRequest(messages=(ASKED,), temperature=1.5, max_output_tokens=9)

    payload, _ = encode_request(request, max_temperature=None)

    assert payload["temperature"] == 1.5


@pytest.mark.parametrize(
    ("choice", "parallel", "encoded"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("auto"), True, {"type": "auto", "disable_parallel_tool_use": False}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (
            ToolChoice("specific", "f"),
            None,
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
        (
            ToolChoice("specific", "f"),
            True,
            {"type": "tool", "name": "f", "disable_parallel_tool_use": False},
        ),
    ],
)
def test_a_tool_choice_in_the_vendors_words(choice, parallel, encoded):
    payload, _ = sent(ASKED, tools=(F,), tool_choice=choice, parallel_tool_calls=parallel)

    assert payload.get("tool_choice") == encoded


@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        ({"seed": 1}, ["setting_dropped"]),
        ({"presence_penalty": 0.5, "frequency_penalty": 0.5}, ["setting_dropped"] * 2),
        ({"metadata": {"user_id": "u", "team": "t"}}, ["dropped_unsupported_metadata_keys"]),
        ({"temperature": 0.5, "top_p": 0.5}, ["both_temperature_and_top_p_set"]),
        ({"max_output_tokens": None}, ["default_max_tokens_applied"]),
        (
            {"response_format": ResponseFormat(type="json_schema", schema={}, description="d")},
            ["setting_dropped"],
        ),
        ({"provider_options": {"openai_chat": {"logit_bias": {}}}}, []),
        ({"provider_options": {"anthropic_messages": {"model": "x"}}}, ["provider_option_ignored"]),
    ],
)
def test_what_cannot_be_said_is_warned_of(fields, warned):
    payload, warnings = sent(ASKED, **fields)

    assert codes(warnings) == warned
    assert not {"seed", "presence_penalty", "frequency_penalty", "logit_bias"} & set(payload)
    assert payload.get("metadata", {"user_id": "u"}) == {"user_id": "u"}


@pytest.mark.parametrize(
    ("part", "warned"),
    [
        (Audio(data=b"x", format="wav"), ["part_dropped"]),
        (File(data=b"\0\1", media_type="application/zip"), ["part_dropped"]),
        (File(data=b"\xff", media_type="text/plain"), ["part_dropped"]),
        (Image(url="https://a.example/b", detail="high"), ["setting_dropped"]),
        (Text("", {"openai_chat": {"$part": {"type": "x"}}}), ["part_dropped"]),
        (Text(""), []),
        (ToolCall("a", "f", {}), ["part_dropped"]),
    ],
)
def test_a_part_that_has_no_block_is_left_out(part, warned):
    payload, warnings = sent(Message(MessageRole.USER, (Text("hi"), part)))

    assert payload["messages"][0]["content"][0] == {"type": "text", "text": "hi"}
    assert codes(warnings) == warned


def test_a_message_of_which_nothing_can_be_sent_is_not_passed_over():
    spoken = Message(MessageRole.USER, (Audio(data=b"x", format="wav"),))

    with pytest.raises(ProviderError) as caught:
        sent(ASKED, Message.of_text("assistant", "yes?"), spoken)

    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_a_turn_of_which_nothing_is_left_is_none():
    thought = Message(MessageRole.ASSISTANT, (Thinking("whose"),))

    payload, warnings = sent(ASKED, thought, Message(MessageRole.USER), ASKED)

    assert [turn["role"] for turn in payload["messages"]] == ["user"]
    assert codes(warnings) == ["thinking_dropped"]


def test_media_go_out_in_their_sources():
    data_url = f"data:image/png;base64,{PNG}"
    parts = (
        Image(data=b"\xff\xd8\xff"),
        Image(url="https://a.example/b"),
        Image(url=data_url),
        File(data=b"%PDF-1.7"),
        File(data="né".encode(), media_type="text/markdown", filename="a.md"),
        File(url="https://a.example/c.pdf"),
        File(file_id="file_1"),
    )

    payload, warnings = sent(Message(MessageRole.USER, parts))

    sources = [block["source"] for block in payload["messages"][0]["content"]]
    assert sources == [
        {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"},
        {"type": "url", "url": "https://a.example/b"},
        {"type": "base64", "media_type": "image/png", "data": PNG},
        {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="},
        {"type": "text", "media_type": "text/plain", "data": "né"},
        {"type": "url", "url": "https://a.example/c.pdf"},
        {"type": "file", "file_id": "file_1"},
    ]
    assert warnings == ()


def test_results_keep_their_pictures_and_say_that_they_failed():
    parts = (Text("a"), Image(data=b"\x89PNG", media_type="image/png"))

    payload, warnings = sent(ASKED, called("a", "b"), told("a", parts), told("b", is_error=True))

    first, second = payload["messages"][2]["content"]
    assert [block["type"] for block in first["content"]] == ["text", "image"]
    assert second["is_error"] is True
    assert warnings == ()


def test_reasoning_goes_back_to_its_own_vendor_alone():
    thoughts = (
        Thinking("ours", "sig", "anthropic"),
        Thinking("", "data", "anthropic", {"anthropic_messages": {"$as": "redacted"}}),
        Thinking("theirs", "sig", "gemini"),
        Thinking("whose", None, None),
        Text("so"),
    )

    payload, warnings = sent(ASKED, Message(MessageRole.ASSISTANT, thoughts), ASKED)

    assert payload["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "ours", "signature": "sig"},
        {"type": "redacted_thinking", "data": "data"},
        {"type": "text", "text": "so"},
    ]
    assert codes(warnings) == ["thinking_dropped"]


def test_options_of_this_wire_are_sent_as_they_are_and_betas_are_not():
    options = {"anthropic_messages": {"betas": ["a", "b"], "service_tier": "auto"}}
    request = ChatRequest(messages=(ASKED,), max_output_tokens=9, provider_options=options)

    payload, warnings = encode_request(request)

    assert payload["service_tier"] == "auto"
    assert "betas" not in payload
    assert betas_of(request) == ("a", "b")
    assert warnings == ()


@pytest.mark.parametrize("given", [None, {"x": 1}, 3, ""])
def test_without_betas_there_are_none(given):
    options = {"anthropic_messages": {"betas": given}}

    assert betas_of(ChatRequest(messages=(), provider_options=options)) == ()


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "x",
        {},
        {"messages": "x"},
        asking("x"),
        asking({"content": "x"}),
        asking({"role": "tool", "content": "x"}),
        asking({"role": "user", "content": 3}),
        user("x"),
        user({"type": "tool_result"}),
        user({"type": "tool_result", "tool_use_id": 3}),
        user({"type": "tool_result", "tool_use_id": "a", "content": 3}),
        asking({"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}),
        asking(HI, system=[3]),
    ],
)
def test_what_is_no_request_is_refused_and_says_where(payload):
    with pytest.raises(ProviderError) as caught:
        decode_request(payload)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.message
