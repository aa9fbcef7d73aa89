"""`anthropic`: messages, whole and streamed, and the list of models."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import (
    MessageParam,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
)
from pydantic import BaseModel

from tests.system.sdks.vendors import Streams, Vendors
from tests.system.vendor_wires import CLAUDE, TEXT, Call, calling, sse

MODEL = "anthropic/claude-sonnet-5"
HELLO: list[MessageParam] = [{"role": "user", "content": "how are you?"}]
MOST = 100
WEATHER: Any = {
    "name": "weather",
    "description": "of a place",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}},
}
CALLS = (
    Call("toolu_1", "weather", '{"place": "Ulm"}'),
    Call("toolu_2", "weather", '{"place": "Graz"}'),
)
THOUGHTS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "cmVk"},
]


class Place(BaseModel):
    name: str
    people: int


def told(*events: dict[str, Any]) -> Streams:
    """A stream of these events, between a beginning and an end."""
    first, *_, end, stop = CLAUDE.events
    return Streams((sse(first[1], first[0]), *(sse(one, one["type"]) for one in events),
                    sse(end[1], end[0]), sse(stop[1], stop[0])))  # fmt: skip


def test_a_message_is_answered_with_all_that_the_vendor_said(
    claude: Anthropic, vendors: Vendors
) -> None:
    usage = {**CLAUDE.whole["usage"], "cache_read_input_tokens": 2, "service_tier": "standard"}
    vendors.say("anthropic", {**CLAUDE.whole, "usage": usage})

    answer = claude.messages.create(
        model=MODEL,
        max_tokens=MOST,
        messages=HELLO,
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        stop_sequences=["END"],
        metadata={"user_id": "somebody"},
        extra_body={"temperature": 0.5, "top_k": 5},  # newer SDKs have no argument for them
    )

    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert isinstance(answer.content[0], TextBlock)
    assert answer.content[0].text == TEXT
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 1)
    assert (answer.usage.cache_read_input_tokens, answer.usage.service_tier) == (2, "standard")
    sent = vendors.last.json
    assert (sent["model"], sent["max_tokens"], sent["messages"]) == ("claude-sonnet-5", MOST, HELLO)
    assert sent["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert (sent["temperature"], sent["top_k"], sent["stop_sequences"]) == (0.5, 5, ["END"])
    assert sent["metadata"] == {"user_id": "somebody"}
    assert vendors.last.headers["anthropic-version"] == "2023-06-01"


async def test_a_message_comes_to_the_async_client(aclaude: AsyncAnthropic) -> None:
    answer = await aclaude.messages.create(model=MODEL, max_tokens=MOST, messages=HELLO)

    assert isinstance(answer.content[0], TextBlock)
    assert answer.content[0].text == TEXT


def test_a_stream_has_the_events_of_a_whole_message(claude: Anthropic) -> None:
    with claude.messages.create(
        model=MODEL, max_tokens=MOST, messages=HELLO, stream=True
    ) as stream:
        kinds = [event.type for event in stream]

    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_streams_text_and_its_final_message(claude: Anthropic) -> None:
    with claude.messages.stream(model=MODEL, max_tokens=MOST, messages=HELLO) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()

    assert pieces == [TEXT[:3], TEXT[3:]]
    assert isinstance(message.content[0], TextBlock)
    assert message.content[0].text == TEXT
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 1)
    assert message.usage.input_tokens == 3


async def test_a_stream_comes_to_the_async_client(aclaude: AsyncAnthropic) -> None:
    async with aclaude.messages.stream(model=MODEL, max_tokens=MOST, messages=HELLO) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()

    assert text == TEXT
    assert message.stop_reason == "end_turn"


def test_tools_are_used_and_their_results_go_back(claude: Anthropic, vendors: Vendors) -> None:
    vendors.say("anthropic", calling(CLAUDE, *CALLS)[0], CLAUDE.whole)

    first = claude.messages.create(
        model=MODEL, max_tokens=MOST, messages=HELLO, tools=[WEATHER], tool_choice={"type": "any"}
    )
    used = [block for block in first.content if isinstance(block, ToolUseBlock)]
    results: Any = [
        {"type": "tool_result", "tool_use_id": one.id, "content": "rain"} for one in used
    ]
    claude.messages.create(
        model=MODEL,
        max_tokens=MOST,
        messages=[
            *HELLO,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": results},
        ],
        tools=[WEATHER],
    )

    assert first.stop_reason == "tool_use"
    assert [(one.id, one.name, one.input) for one in used] == [
        (call.id, call.name, json.loads(call.arguments)) for call in CALLS
    ]
    assert vendors.asked_of[0].json["tool_choice"] == {"type": "any"}
    sent = vendors.last.json
    assert sent["tools"] == [WEATHER]
    assert [block["id"] for block in sent["messages"][1]["content"]] == ["toolu_1", "toolu_2"]
    assert [b["tool_use_id"] for b in sent["messages"][2]["content"]] == ["toolu_1", "toolu_2"]


def test_tools_are_used_in_a_stream(claude: Anthropic, vendors: Vendors) -> None:
    vendors.say("anthropic", Streams(calling(CLAUDE, *CALLS)[1]))

    with claude.messages.stream(
        model=MODEL, max_tokens=MOST, messages=HELLO, tools=[WEATHER]
    ) as stream:
        message = stream.get_final_message()

    used = [block for block in message.content if isinstance(block, ToolUseBlock)]
    assert [(one.id, one.name, one.input) for one in used] == [
        (call.id, call.name, json.loads(call.arguments)) for call in CALLS
    ]
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize(
    "source",
    [
        {"type": "url", "url": "https://images.example/cat.png"},
        {"type": "base64", "media_type": "image/png",
         "data": base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()},
    ],
    ids=["by URL", "by data"],
)  # fmt: skip
def test_a_picture_is_handed_on(claude: Anthropic, vendors: Vendors, source: Any) -> None:
    content: Any = [{"type": "text", "text": "what is it?"}, {"type": "image", "source": source}]

    claude.messages.create(
        model=MODEL, max_tokens=MOST, messages=[{"role": "user", "content": content}]
    )

    assert vendors.last.json["messages"][0]["content"] == content


def test_thinking_comes_and_goes_back_as_it_was(claude: Anthropic, vendors: Vendors) -> None:
    content = [*THOUGHTS, {"type": "text", "text": "yes"}]
    vendors.say("anthropic", {**CLAUDE.whole, "content": content}, CLAUDE.whole)
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}

    first = claude.messages.create(model=MODEL, max_tokens=4096, messages=HELLO, thinking=thinking)
    claude.messages.create(
        model=MODEL,
        max_tokens=4096,
        messages=[
            *HELLO,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": "and?"},
        ],
    )

    assert isinstance(first.content[0], ThinkingBlock)
    assert (first.content[0].thinking, first.content[0].signature) == ("hm", "c2ln")
    assert isinstance(first.content[1], RedactedThinkingBlock)
    assert first.content[1].data == "cmVk"
    assert vendors.asked_of[0].json["thinking"] == thinking
    assert vendors.last.json["messages"][1]["content"][:2] == THOUGHTS


def test_thinking_comes_in_a_stream(claude: Anthropic, vendors: Vendors) -> None:
    vendors.say(
        "anthropic",
        told(
            {"type": "content_block_start", "index": 0,
             "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
            {"type": "content_block_delta", "index": 0,
             "delta": {"type": "thinking_delta", "thinking": "hm"}},
            {"type": "content_block_delta", "index": 0,
             "delta": {"type": "signature_delta", "signature": "c2ln"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1,
             "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 1,
             "delta": {"type": "text_delta", "text": "yes"}},
            {"type": "content_block_stop", "index": 1},
        ),
    )  # fmt: skip

    with claude.messages.stream(model=MODEL, max_tokens=MOST, messages=HELLO) as stream:
        kinds = [event.type for event in stream]
        thought, text = stream.get_final_message().content

    assert "thinking" in kinds
    assert "signature" in kinds
    assert isinstance(thought, ThinkingBlock)
    assert isinstance(text, TextBlock)
    assert (thought.thinking, thought.signature, text.text) == ("hm", "c2ln", "yes")


def test_betas_are_asked_for(claude: Anthropic, vendors: Vendors) -> None:
    answer = claude.beta.messages.create(
        model=MODEL,
        max_tokens=MOST,
        messages=[{"role": "user", "content": "hello"}],
        betas=["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"],
    )

    assert answer.content[0].type == "text"
    sent = vendors.last.headers["anthropic-beta"]
    assert [one.strip() for one in sent.split(",")] == [
        "context-1m-2025-08-07",
        "interleaved-thinking-2025-05-14",
    ]


def test_a_structured_answer_is_parsed(claude: Anthropic, vendors: Vendors) -> None:
    text = {"type": "text", "text": '{"name": "Ulm", "people": 126949}'}
    vendors.say("anthropic", {**CLAUDE.whole, "content": [text]})

    answer = claude.messages.parse(
        model=MODEL, max_tokens=MOST, messages=HELLO, output_format=Place
    )

    assert answer.parsed_output == Place(name="Ulm", people=126949)
    format = vendors.last.json["output_config"]["format"]
    assert format["type"] == "json_schema"
    assert set(format["schema"]["properties"]) == {"name", "people"}


def test_citations_and_the_vendors_own_tools_are_carried(
    claude: Anthropic, vendors: Vendors
) -> None:
    used = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
            "input": {"query": "q"}}  # fmt: skip
    cited = {
        "type": "web_search_result_location", "cited_text": "a", "encrypted_index": "x",
        "title": "A", "url": "https://a.example",
    }  # fmt: skip
    text = {"type": "text", "text": "yes", "citations": [cited]}
    vendors.say("anthropic", {**CLAUDE.whole, "content": [used, text]})

    answer = claude.messages.create(
        model=MODEL,
        max_tokens=MOST,
        messages=HELLO,
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
    ).to_dict()

    content: Any = answer["content"]
    assert {name: content[0][name] for name in used} == used
    assert content[1]["citations"] == [cited]
    assert vendors.last.json["tools"] == [{"type": "web_search_20250305", "name": "web_search"}]


def test_raw_headers_tell_of_attempts_and_the_request(claude: Anthropic) -> None:
    raw = claude.messages.with_raw_response.create(model=MODEL, max_tokens=MOST, messages=HELLO)

    assert raw.headers["x-stockade-attempts"] == f"{MODEL};ok"
    assert raw.headers["request-id"] == raw.headers["x-request-id"]
    assert raw.parse()._request_id == raw.headers["request-id"]


def test_the_models_that_chat_are_listed(claude: Anthropic) -> None:
    listed = list(claude.models.list(limit=7))

    ids = [one.id for one in listed]
    assert ids[:2] == ["auto", "quick"]
    assert MODEL in ids
    assert "openai/whisper-1" not in ids
    assert len(set(ids)) == len(ids) > 7


async def test_the_models_are_listed_for_the_async_client(aclaude: AsyncAnthropic) -> None:
    assert MODEL in [one.id async for one in aclaude.models.list()]


def test_a_model_is_retrieved(claude: Anthropic) -> None:
    found = claude.models.retrieve(MODEL)

    assert (found.id, found.type) == (MODEL, "model")
