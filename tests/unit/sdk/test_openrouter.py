"""OpenRouter's rules beside those of the wire: what is refused early, and what is worth a word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stockade_sdk.chat import (
    ChatRequest,
    Message,
    MessageRole,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    ToolResult,
)
from stockade_sdk.dialects import openai_chat, openrouter
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.stream import ChatEvent, fold

READ = ToolDefinition("read", None, {"type": "object"})
ASKED = (Message.of_text("user", "x"),)
LOOP = (
    *ASKED,
    Message(MessageRole.ASSISTANT, (ToolCall("c1", "read", {}),)),
    Message(MessageRole.TOOL, (ToolResult("c1", "done"),)),
)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def asking(**settings: Any) -> ChatRequest:
    return ChatRequest(**{"messages": ASKED, "model": "openai/gpt-5-mini", **settings})


def answer(reason: str | None = "stop", usage: Any = USAGE, **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "hi", **message}
    return {
        "id": "gen-1",
        "model": "openai/gpt-5-mini",
        "choices": [{"index": 0, "message": said, "finish_reason": reason}],
        "usage": usage,
    }


def codes(warnings) -> set[str]:
    return {warning.code for warning in warnings}


@pytest.mark.parametrize(
    "request_",
    [
        asking(messages=()),
        asking(stop=("a", "b", "c", "d", "e")),
        asking(metadata={f"k{at}": "v" for at in range(17)}),
        asking(max_output_tokens=0),
        asking(tools=(ToolDefinition("read file"),)),
        asking(tools=(ToolDefinition("r" * 65),)),
        asking(tools=(ToolDefinition(""),)),
        asking(tool_choice=ToolChoice("required")),
        asking(tool_choice=ToolChoice("specific", "read")),
        asking(tools=(READ,), tool_choice=ToolChoice("specific", "write")),
        asking(messages=LOOP),
        asking(messages=(*LOOP, Message(MessageRole.TOOL, (Text("plain"),))), tools=(READ,)),
        asking(messages=(*LOOP, Message(MessageRole.TOOL)), tools=(READ,)),
    ],
)
def test_what_openrouter_refuses_is_refused_before_it_is_asked(request_) -> None:
    with pytest.raises(ProviderError) as caught:
        openrouter.encode_request(request_)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.message


@pytest.mark.parametrize(
    "request_",
    [
        asking(stop=("a", "b", "c", "d"), metadata={f"k{at}": "v" for at in range(16)}),
        asking(max_output_tokens=1),
        asking(tools=(ToolDefinition("r-e_A9" + "d" * 58),)),
        asking(tools=(READ,), tool_choice=ToolChoice("specific", "read")),
        asking(tool_choice=ToolChoice("none")),
        asking(messages=LOOP, tools=(READ,)),
    ],
)
def test_what_is_just_allowed_goes_through(request_) -> None:
    payload, warnings = openrouter.encode_request(request_)

    assert payload["model"] == "openai/gpt-5-mini"
    assert warnings == ()


def test_a_server_tool_counts_as_a_tool() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "openrouter:web_search"}],
        "tool_choice": "required",
    }

    assert openrouter.encode_request(openai_chat.decode_request(body)) == (body, ())


def test_temperature_beside_top_p_is_worth_a_word() -> None:
    payload, warnings = openrouter.encode_request(asking(temperature=0.5, top_p=0.9))

    assert (payload["temperature"], payload["top_p"]) == (0.5, 0.9)
    assert codes(warnings) == {"both_temperature_and_top_p_set"}


def test_json_of_a_tool_is_sent_as_sorted_text() -> None:
    messages = (*LOOP[:2], Message(MessageRole.TOOL, (ToolResult("c1", {"b": 1, "a": [2]}),)))
    request = asking(messages=messages, tools=(READ,))

    payload, warnings = openrouter.encode_request(request)

    assert payload["messages"][-1]["content"] == '{"a":[2],"b":1}'
    assert codes(warnings) == {"tool_result_coerced"}
    assert request.messages is messages


def test_a_limit_has_openrouters_name_unless_the_client_has_its_own() -> None:
    body = {"model": "m", "messages": [], "max_tokens": 5, "prompt": "x"}

    of_ours, _ = openrouter.encode_request(asking(max_output_tokens=5))
    of_a_client, _ = openrouter.encode_request(openai_chat.decode_request(body))

    assert of_ours["max_completion_tokens"] == 5
    assert "max_tokens" not in of_ours
    assert of_a_client == body


def test_reasoning_of_its_family_goes_into_its_field() -> None:
    turn = Message(MessageRole.ASSISTANT, (Thinking("steps", None, "openai"), Text("a")))

    payload, warnings = openrouter.encode_request(asking(messages=(*ASKED, turn)))

    assert payload["messages"][-1] == {"role": "assistant", "content": "a", "reasoning": "steps"}
    assert warnings == ()


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (answer(), set()),
        (answer(None), set()),
        (answer("tired"), {"unknown_finish_reason"}),
        (answer(content=None, refusal="no"), set()),
        (answer(usage={"prompt_tokens": 11}), {"usage_partial"}),
        (answer(usage={"completion_tokens": -1, "prompt_tokens": 1}), {"usage_partial"}),
        (answer(usage=None), {"usage_missing"}),
    ],
)
def test_an_answer_warns_of_what_is_missing(payload, expected) -> None:
    assert codes(openrouter.decode_response(payload).warnings) == expected


def test_an_answer_that_broke_off_is_an_error() -> None:
    with pytest.raises(ProviderError) as caught:
        openrouter.decode_response(answer("error"))

    assert caught.value.kind is ErrorKind.SERVER_ERROR


def streamed(payload: dict[str, Any]) -> list[str]:
    """The answer as a stream of it would come."""
    choice = payload["choices"][0]
    head = {"id": payload["id"], "object": "chat.completion.chunk", "model": payload["model"]}
    chunks = [
        {**head, "choices": [{"index": 0, "delta": choice["message"], "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
        {**head, "choices": [], "usage": payload["usage"]},
    ]
    return [*(json.dumps(chunk) for chunk in chunks), "[DONE]"]


def events_of(lines: list[str]) -> list[ChatEvent]:
    decoder = openrouter.StreamDecoder()
    found = [event for line in lines for event in decoder.feed(line)]
    return [*found, *decoder.finish()]


@pytest.mark.parametrize(
    "payload",
    [
        answer(),
        answer("tired"),
        answer(content=None, refusal="no"),
        answer(usage={"prompt_tokens": 11}),
        answer(usage=None),
    ],
)
def test_a_stream_folds_to_the_whole_answer(payload) -> None:
    whole = openrouter.decode_response(payload)

    folded = fold(events_of(streamed(payload)))

    assert (folded.text, folded.usage, folded.finish_reason) == (
        whole.text,
        whole.usage,
        whole.finish_reason,
    )
    assert folded.warnings == whole.warnings


def test_a_stream_without_its_done_is_judged_too() -> None:
    events = events_of(streamed(answer(usage=None))[:-1])

    assert codes(fold(events).warnings) == {"usage_missing"}


def test_a_stream_that_broke_off_is_an_error() -> None:
    with pytest.raises(ProviderError) as caught:
        events_of(streamed(answer("error")))

    assert caught.value.kind is ErrorKind.SERVER_ERROR
