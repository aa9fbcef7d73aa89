"""`/v1/responses`: what is only said there."""

from typing import Any

import pytest

from stockade_sdk.chat import ChatResponse
from stockade_sdk.dialects import anthropic_messages, gemini, openai_chat, openai_responses
from stockade_sdk.stream import (
    Finish,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from tests.unit.host.gateway_chats import Serving, Vendor, gateway

PATH = "/v1/responses"
SAID = {"model": "m", "input": "hello"}
ANSWER = ChatResponse.of_text("well")
COMPLETED: dict[str, Any] = {
    "id": "resp_vendor",
    "object": "response",
    "created_at": 7,
    "status": "completed",
    "model": "m-2024",
    "output": [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"q": "x"}},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "see",
                    "annotations": [{"type": "url_citation", "url": "u"}],
                    "logprobs": [],
                }
            ],
        },
    ],
    "usage": {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 3,
        "extra": {"searches": 1},
    },
    "store": True,
    "previous_response_id": "resp_before",
}


async def test_a_vendor_of_the_dialect_gets_all_that_was_said_and_the_client_all_that_it_says():
    asked = {
        "model": "m",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "item_reference", "id": "rs_1"},
        ],
        "instructions": "be kind",
        "previous_response_id": "resp_before",
        "store": True,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"verbosity": "low"},
        "tools": [{"type": "web_search"}, {"type": "custom", "name": "grep"}],
        "vendor_knob": {"a": [1]},
    }
    vendor = Vendor(openai_responses, COMPLETED)
    async with gateway(vendor) as at:
        response = await at.post(PATH, asked)

    assert vendor.sent == [asked]
    answer = response.json()
    assert {key: answer[key] for key in COMPLETED if key != "created_at"} == {
        key: value for key, value in COMPLETED.items() if key != "created_at"
    }


@pytest.mark.parametrize("dialect", [openai_chat, anthropic_messages, gemini])
@pytest.mark.parametrize(
    "kept",
    [{"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"prompt": {"id": "p"}}],
)
async def test_a_conversation_that_is_kept_at_its_vendor_is_refused_at_others(
    dialect: Any, kept: dict[str, Any]
):
    vendor = Vendor(dialect, {})
    async with gateway(vendor) as at:
        response = await at.post(PATH, SAID | kept)

    assert response.status_code == 400
    assert next(iter(kept)) in response.json()["error"]["message"]
    assert vendor.sent == []


async def test_what_is_kept_at_the_vendor_needs_no_input_and_nothing_else_goes_without():
    async with gateway(Serving(ANSWER)) as at:
        kept = await at.post(PATH, {"model": "m", "previous_response_id": "resp_1"})
        nothing = await at.post(PATH, {"model": "m", "input": ""})

    assert kept.status_code == 200
    assert nothing.status_code == 400
    assert "input" in nothing.json()["error"]["message"]


async def test_vendors_own_tools_and_settings_are_warned_of_elsewhere():
    said = SAID | {
        "store": True,
        "text": {"verbosity": "low"},
        "tools": [{"type": "web_search"}],
        "truncation": "disabled",
    }
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    async with gateway(Vendor(openai_chat, {"id": "c", "choices": [choice]})) as at:
        response = await at.post(PATH, said)

    shown = response.headers["x-stockade-warnings"]
    assert all(name in shown for name in ("store", "text.verbosity", "tools.web_search"))
    assert "truncation" not in shown


@pytest.mark.parametrize(("stream", "status"), [(False, 400), (True, 200)])
async def test_an_answer_in_the_background_could_not_be_fetched(stream: bool, status: int):
    script = [(TextStart("t"), TextDelta("t", "a"), TextEnd("t"), Finish())]
    async with gateway(Serving(script)) as at:
        response = await at.post(PATH, SAID | {"background": True, "stream": stream})

    assert response.status_code == status
    assert status == 200 or "background" in response.json()["error"]["message"]


async def test_a_stream_names_its_events_and_numbers_them():
    script = [(TextStart("t"), TextDelta("t", "a")), (TextEnd("t"), Finish())]
    async with gateway(Serving(script)) as at:
        events = await at.events(PATH, SAID)

    assert [name for name, _ in events] == [data["type"] for _, data in events]
    assert events[0][0] == "response.created"
    assert events[-1][0] == "response.completed"
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))


async def test_a_custom_tools_call_is_told_as_one():
    call = [
        ToolCallStart("call_1", "grep"),
        ToolCallDelta("call_1", "a b"),
        ToolCallEnd("call_1", {"openai_responses": {"$as": "custom"}}),
        Finish(),
    ]
    said = SAID | {"tools": [{"type": "custom", "name": "grep"}, {"type": "custom"}, 7]}
    async with gateway(Serving([call])) as at:
        events = await at.events(PATH, said)

    item = events[-1][1]["response"]["output"][0]
    assert (item["type"], item["input"]) == ("custom_tool_call", "a b")
    assert "response.custom_tool_call_input.delta" in [name for name, _ in events]


async def test_a_streamed_answer_has_the_id_by_which_its_vendor_can_continue_it():
    said = [
        {"type": "response.created", "response": {**COMPLETED, "status": "in_progress"}},
        {"type": "response.completed", "response": COMPLETED},
    ]
    vendor = Vendor(openai_responses, said)
    async with gateway(vendor) as at:
        events = await at.events(PATH, SAID)

    told = {event["response"]["id"] for _, event in events if "response" in event}
    assert told == {"resp_vendor"}
    assert events[-1][1]["response"]["usage"]["extra"] == {"searches": 1}


async def test_a_streamed_answer_of_another_wire_keeps_one_id():
    script = [(TextStart("t"), TextDelta("t", "a")), (TextEnd("t"), Finish(id="msg_1"))]
    async with gateway(Serving(script)) as at:
        events = await at.events(PATH, SAID)

    assert events[0][1]["response"]["id"] == events[-1][1]["response"]["id"]
