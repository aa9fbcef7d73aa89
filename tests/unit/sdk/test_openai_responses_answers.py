"""Whole answers of the Responses wire, and its errors, models and usage."""

import json

import msgspec
import pytest

from stockade_sdk import (
    AssistantOutput,
    ChatRequest,
    ChatResponse,
    ErrorKind,
    FinishReason,
    Message,
    MessageRole,
    ProviderError,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.dialects.openai_responses import (
    decode_models,
    decode_request,
    decode_response,
    encode_error,
    encode_request,
    encode_response,
)
from tests.recorded.equivalences import missing
from tests.unit.sdk.openai_responses_payloads import (
    ANSWERS,
    CALL,
    CITED,
    CUSTOM,
    PLAIN,
    REASONING,
    SEARCH,
    USAGE,
    response,
)


def over_the_wire(answer: ChatResponse) -> ChatResponse:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=ChatResponse)


def codes(answer: ChatResponse) -> list[str]:
    return [warning.code for warning in answer.warnings]


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_for_a_client_holds_all_of_the_vendors(name):
    answer = over_the_wire(decode_response(ANSWERS[name]))

    carried = json.loads(msgspec.json.encode(encode_response(answer)))

    assert missing(carried, ANSWERS[name]) == []


def test_an_answer_is_what_it_says():
    answer = decode_response(ANSWERS["everything"])

    thoughts = [part for part in answer.output.content if isinstance(part, Thinking)]
    assert [(one.text, one.signature, one.provider) for one in thoughts] == [
        ("think", "abc", "openai"),
        ("more", None, "openai"),
    ]
    assert answer.text == "hello"
    assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == [
        ("c_1", "weather", {"city": "Oslo"}),
        ("c_2", "sql", "SELECT 1"),
    ]
    assert (answer.id, answer.model) == ("resp_1", "m-1")
    assert answer.finish_reason is FinishReason.TOOL_CALLS
    assert answer.usage == Usage(
        input_tokens=11,
        output_tokens=7,
        total_tokens=18,
        cached_input_tokens=3,
        reasoning_tokens=2,
    )
    assert codes(answer) == ["tool_arguments_invalid_json"]  # SQL is none


def test_the_answers_items_go_back_in_their_order_as_the_next_turns_history():
    answer = over_the_wire(decode_response(ANSWERS["everything"]))
    said = Message(MessageRole.ASSISTANT, answer.output.content)

    payload, warnings = encode_request(ChatRequest(messages=(Message.of_text("user", "hi"), said)))

    assert warnings == ()
    items = payload["input"][1:]
    assert [item["type"] for item in items] == [
        "reasoning",
        "web_search_call",
        "message",
        "function_call",
        "custom_tool_call",
    ]
    assert missing(items[0], REASONING) == []
    assert items[1] == SEARCH
    assert missing(items[2]["content"], CITED["content"]) == []
    assert (items[3]["arguments"], items[4]["input"]) == (CALL["arguments"], CUSTOM["input"])


@pytest.mark.parametrize(
    ("name", "reason", "raw", "warnings"),
    [
        ("text", "stop", "completed", []),
        ("everything", "tool_calls", "completed", ["tool_arguments_invalid_json"]),
        ("a refusal", "stop", "completed", ["model_refusal"]),
        ("cut short", "length", "max_output_tokens", ["openai_incomplete_max_output_tokens"]),
        (
            "filtered",
            "content_filter",
            "content_filter",
            ["empty_output", "openai_incomplete_content_filter"],
        ),
        ("cut for another reason", "other", "mood", ["openai_incomplete_unknown_reason"]),
        ("cut for no reason", "other", "incomplete", ["openai_incomplete_missing_reason"]),
    ],
)
def test_the_end_of_an_answer(name, reason, raw, warnings):
    answer = decode_response(ANSWERS[name])

    assert (answer.finish_reason, answer.raw_finish_reason) == (reason, raw)
    assert codes(answer) == warnings


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ("<html>", "malformed_response"),
        ([], "malformed_response"),
        ({}, "malformed_response"),
        (response(status=None), "malformed_response"),
        (response(status="mystery"), "malformed_response"),
        (response(output=None), "malformed_response"),
        (response(output=[3]), "malformed_response"),
        (response({"id": "x"}), "malformed_response"),
        (response({**CALL, "call_id": None, "id": None}), "malformed_response"),
        (response({**CALL, "name": None}), "malformed_response"),
        (response({**CALL, "arguments": None}), "malformed_response"),
        (response({**PLAIN, "content": 3}), "malformed_response"),
        (response({**PLAIN, "content": [{"text": "no type"}]}), "malformed_response"),
        (response(status="cancelled"), "server_error"),
        (response(status="queued"), "unsupported"),
        (response(status="in_progress"), "unsupported"),
        (response(status="failed"), "server_error"),
        (response(error={"code": "server_error", "message": "x"}, status="failed"), "server_error"),
        (response(error={"code": "insufficient_quota", "message": "x"}), "quota"),
        (response(error={"code": "rate_limit_exceeded", "message": "x"}), "rate_limited"),
    ],
)
def test_what_is_no_answer_is_a_typed_error(payload, kind):
    with pytest.raises(ProviderError) as caught:
        decode_response(payload)

    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "usage",
    [None, {}, [], {"input_tokens": -1}, {"input_tokens": "many"}, {"input_tokens": True}],
)
def test_unknown_usage_is_none_and_told(usage):
    answer = decode_response(response(PLAIN, usage=usage))

    assert answer.usage is None
    assert codes(answer) == ["usage_missing"]


def test_one_count_alone_is_that_one():
    assert decode_response(response(PLAIN, usage={"output_tokens": 3.0})).usage == Usage(
        output_tokens=3
    )


@pytest.mark.parametrize(
    ("usage", "cost"),
    [({"cost": 0.25}, "0.25"), ({"cost_in_usd_ticks": 37_756_000}, "0.0037756"), ({}, None)],
)
def test_a_cost_that_the_vendor_names_is_kept(usage, cost):
    answer = decode_response(response(PLAIN, usage={**USAGE, **usage}))

    assert (answer.cost.total_cost if answer.cost else None) == cost


def test_two_calls_under_one_id_are_told_apart():
    answer = decode_response(response(CALL, {**CALL, "id": "fc_2"}))

    assert len({call.id for call in answer.tool_calls}) == 2
    assert codes(answer) == ["tool_call_id_repeated"]


def test_a_call_without_its_id_is_answered_by_that_of_its_item():
    answer = decode_response(response({**CALL, "call_id": ""}))

    assert answer.tool_calls[0].id == "fc_1"
    assert codes(answer) == ["tool_call_id_missing"]


def test_arguments_that_are_no_json_stay_as_they_came():
    answer = decode_response(response({**CALL, "arguments": '{"city": '}))

    assert answer.tool_calls[0].arguments == '{"city": '
    assert codes(answer) == ["tool_arguments_invalid_json"]


def test_json_that_was_asked_for_is_parsed():
    text = {**PLAIN, "content": [{"type": "output_text", "text": '{"a": 1}'}]}

    answer = decode_response(response(text), response_format=ResponseFormat(type="json_object"))

    assert answer.output.structured_output == {"a": 1}


def test_an_item_with_nothing_in_it_is_nothing():
    answer = decode_response(response({"type": "reasoning"}))

    assert answer.output.content == ()
    assert codes(answer) == ["empty_output"]


def test_reasoning_of_another_vendor_comes_back_through_a_client():
    thought = Thinking("why", "sig==", "anthropic")
    answer = ChatResponse(output=AssistantOutput((thought, Text("so"))), id="a", model="m")

    item = encode_response(answer)["output"][0]
    again = decode_request({"input": [item, PLAIN]}).messages[0].content[0]

    assert item["summary"] == [{"type": "summary_text", "text": "why"}]
    assert isinstance(again, Thinking)
    assert (again.text, again.signature, again.provider) == ("why", "sig==", "anthropic")


def test_an_answer_of_another_vendor_has_the_fields_that_clients_rely_on():
    answer = ChatResponse(
        output=AssistantOutput((Text("hi"), ToolCall("c_1", "f", {"a": 1}))),
        finish_reason=FinishReason.TOOL_CALLS,
        usage=Usage(input_tokens=2, output_tokens=3),
        model="m",
        id="x",
    )

    encoded = encode_response(answer, created=7)

    assert encoded["output"] == [
        {
            "id": "msg_x_0",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}],
        },
        {
            "id": "fc_x_1",
            "type": "function_call",
            "call_id": "c_1",
            "name": "f",
            "arguments": '{"a":1}',
            "status": "completed",
        },
    ]
    assert (encoded["status"], encoded["created_at"], encoded["object"]) == (
        "completed",
        7,
        "response",
    )
    assert encoded["usage"] == {
        "input_tokens": 2,
        "input_tokens_details": {},
        "output_tokens": 3,
        "output_tokens_details": {},
        "total_tokens": 5,
    }


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        (FinishReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (FinishReason.CONTENT_FILTER, "incomplete", {"reason": "content_filter"}),
        (FinishReason.ERROR, "failed", None),
        (FinishReason.OTHER, "completed", None),
    ],
)
def test_another_vendors_reason_is_a_status(reason, status, details):
    encoded = encode_response(ChatResponse(output=AssistantOutput(), finish_reason=reason))

    assert (encoded["status"], encoded["incomplete_details"]) == (status, details)


def test_a_chat_completion_in_place_of_a_response_is_read_as_one():
    completion = {
        "id": "c",
        "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}],
    }

    assert decode_response(completion) == openai_chat.decode_response(completion)


def test_a_model_list_is_read_and_a_page_is_none():
    assert [model.id for model in decode_models({"data": [{"id": "a"}, {"id": "a"}]})] == ["a"]
    with pytest.raises(ProviderError):
        decode_models({"object": "list"})


def test_an_error_is_told_without_its_key():
    error = ProviderError(ErrorKind.QUOTA, "no money for sk-abcdefgh12345678")

    told = encode_error(error, 429)["error"]

    assert "abcdefgh" not in told["message"]
    assert (told["type"], told["code"]) == ("insufficient_quota", "quota")
