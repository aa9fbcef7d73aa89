"""`/v1/messages`: what is only said there."""

from typing import Any

import pytest

from stockade.gateway.messages import MAX_BETAS
from stockade_sdk.chat import ChatResponse
from stockade_sdk.dialects import anthropic_messages, openai_chat
from stockade_sdk.stream import Finish, TextDelta, TextEnd, TextStart
from tests.unit.host.gateway_chats import Serving, Vendor, gateway

PATH = "/v1/messages"
SAID: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hello"}],
}
ANSWER = ChatResponse.of_text("well")
MESSAGE: dict[str, Any] = {
    "id": "msg_vendor",
    "type": "message",
    "role": "assistant",
    "model": "m-2024",
    "content": [
        {"type": "thinking", "thinking": "hmm", "signature": "sig"},
        {
            "type": "text",
            "text": "see",
            "citations": [{"type": "char_location", "cited_text": "s"}],
        },
    ],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 1,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 2,
        "service_tier": "standard",
    },
    "container": {"id": "c"},
}


async def test_a_vendor_of_the_dialect_gets_all_that_was_said_and_the_client_all_that_it_says():
    asked = {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}},
                    {"type": "document", "source": {"type": "url", "url": "https://e.com/a.pdf"}},
                ],
            }
        ],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        "context_management": {"edits": []},
        "service_tier": "auto",
        "vendor_knob": 1,
    }
    vendor = Vendor(anthropic_messages, MESSAGE)
    async with gateway(vendor) as at:
        response = await at.post(PATH, asked, headers={"anthropic-version": "2023-06-01"})

    assert vendor.sent == [asked]
    assert response.json() == MESSAGE


@pytest.mark.parametrize(
    ("header", "betas"),
    [
        ("a-2025-01-01", ["a-2025-01-01"]),
        ("a , b,, a", ["a", "b"]),
        (",", []),
    ],
)
async def test_the_betas_of_the_header_go_to_a_vendor_of_the_dialect(header: str, betas: list[str]):
    serves = Serving(ANSWER)
    async with gateway(serves) as at:
        await at.post(PATH, SAID, headers={"anthropic-beta": header})

    assert list(anthropic_messages.betas_of(serves.asked[0])) == betas


async def test_more_betas_than_there_are_is_refused():
    header = ",".join(f"b{at}" for at in range(MAX_BETAS + 1))
    async with gateway(Serving(ANSWER)) as at:
        response = await at.post(PATH, SAID, headers={"anthropic-beta": header})

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_vendors_own_tools_betas_and_settings_are_warned_of_elsewhere():
    said = SAID | {
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},  # said by reasoning_effort
        "container": "c",
        "service_tier": "standard_only",
    }
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    vendor = Vendor(openai_chat, {"id": "c", "choices": [choice]})
    async with gateway(vendor) as at:
        response = await at.post(PATH, said, headers={"anthropic-beta": "b"})

    shown = response.headers["x-stockade-warnings"]
    for name in ("tools.web_search_20250305", "container", "service_tier", "betas"):
        assert name in shown
    assert "thinking" not in shown
    assert vendor.sent[0]["reasoning_effort"] == "low"


async def test_a_stream_names_its_events_as_their_type():
    script = [(TextStart("t"), TextDelta("t", "a")), (TextEnd("t"), Finish())]
    async with gateway(Serving(script)) as at:
        events = await at.events(PATH, SAID)

    assert [name for name, _ in events] == [data["type"] for _, data in events]
    assert events[0][0] == "message_start"
    assert events[0][1]["message"]["model"] == "one"
    assert [name for name, _ in events[-2:]] == ["message_delta", "message_stop"]
