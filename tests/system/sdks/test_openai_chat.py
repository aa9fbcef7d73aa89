"""`openai`: chat completions, whole and streamed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from pydantic import BaseModel

from tests.system.sdks.vendors import Streams, Vendors
from tests.system.vendor_wires import CHAT, TEXT, Call, calling, sse

MODEL = "openai/gpt-4.1"
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "how are you?"}]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
WEATHER: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "of a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}
CALLS = (
    Call("call_1", "weather", '{"place": "Ulm"}'),
    Call("call_2", "weather", '{"place": "Graz"}'),
)


class Place(BaseModel):
    name: str
    people: int


def test_a_chat_is_answered_with_all_that_the_vendor_said(openai: OpenAI, vendors: Vendors) -> None:
    said = {**CHAT.whole, "system_fingerprint": "fp_7", "service_tier": "default"}
    vendors.say("openai", said)

    answer = openai.chat.completions.create(
        model=MODEL, messages=HELLO, temperature=0.5, logit_bias={"50": -1}, user="somebody"
    )

    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 4
    assert (answer.system_fingerprint, answer.service_tier) == ("fp_7", "default")
    sent = vendors.last.json
    assert (sent["model"], sent["messages"]) == ("gpt-4.1", HELLO)
    assert (sent["temperature"], sent["logit_bias"]) == (0.5, {"50": -1})
    assert sent["user"] == "somebody"


async def test_a_chat_is_answered_to_the_async_client(aopenai: AsyncOpenAI) -> None:
    answer = await aopenai.chat.completions.create(model=MODEL, messages=HELLO)

    assert answer.choices[0].message.content == TEXT


def test_an_alias_is_followed(openai: OpenAI, vendors: Vendors) -> None:
    openai.chat.completions.create(model="quick", messages=HELLO)

    assert vendors.last.json["model"] == "gpt-4.1"


def test_a_stream_comes_in_the_vendors_pieces(openai: OpenAI) -> None:
    with openai.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)

    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert [piece for piece in pieces if piece] == [TEXT[:3], TEXT[3:]]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 4
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


async def test_a_stream_comes_to_the_async_client(aopenai: AsyncOpenAI) -> None:
    stream = await aopenai.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    async with stream:
        text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    assert text == TEXT


def test_the_stream_helper_folds_to_the_whole_answer(openai: OpenAI) -> None:
    with openai.chat.completions.stream(model=MODEL, messages=HELLO) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()

    assert answer.choices[0].message.content == TEXT
    assert "content.delta" in kinds
    assert "content.done" in kinds


def test_parallel_tool_calls_come_and_their_results_go_back(
    openai: OpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", calling(CHAT, *CALLS)[0], CHAT.whole)

    first = openai.chat.completions.create(model=MODEL, messages=HELLO, tools=[WEATHER])
    message = first.choices[0].message
    assert message.tool_calls is not None
    results: list[Any] = [
        {"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls
    ]
    history = [*HELLO, message.to_dict(), *results]
    second = openai.chat.completions.create(model=MODEL, messages=history, tools=[WEATHER])

    assert first.choices[0].finish_reason == "tool_calls"
    made = [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls]  # type: ignore[union-attr]
    assert made == [(call.id, call.name, call.arguments) for call in CALLS]
    sent = vendors.last.json
    assert sent["tools"] == [WEATHER]
    assert [one["role"] for one in sent["messages"]] == ["user", "assistant", "tool", "tool"]
    assert [one.get("tool_call_id") for one in sent["messages"][2:]] == ["call_1", "call_2"]
    assert second.choices[0].message.content == TEXT


def test_parallel_tool_calls_come_in_a_stream(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", Streams(calling(CHAT, *CALLS)[1]))

    with openai.chat.completions.stream(model=MODEL, messages=HELLO, tools=[WEATHER]) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message

    assert message.tool_calls is not None
    made = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls]
    assert made == [(c.id, c.name, json.loads(c.arguments)) for c in CALLS]


@pytest.mark.parametrize(
    "url",
    ["https://images.example/cat.png", f"data:image/png;base64,{base64.b64encode(PNG).decode()}"],
    ids=["by URL", "by data"],
)
def test_a_picture_is_handed_on(openai: OpenAI, vendors: Vendors, url: str) -> None:
    content: Any = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
    ]

    openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])

    assert vendors.last.json["messages"][0]["content"] == content


def test_a_structured_answer_is_parsed(openai: OpenAI, vendors: Vendors) -> None:
    message = {"role": "assistant", "content": '{"name": "Ulm", "people": 126949}', "refusal": None}
    vendors.say(
        "openai", {**CHAT.whole, "choices": [{**CHAT.whole["choices"][0], "message": message}]}
    )

    answer = openai.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Place)

    assert answer.choices[0].message.parsed == Place(name="Ulm", people=126949)
    sent = vendors.last.json["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["strict"] is True
    assert set(sent["json_schema"]["schema"]["properties"]) == {"name", "people"}


def test_several_choices_are_several(openai: OpenAI, vendors: Vendors) -> None:
    choice = CHAT.whole["choices"][0]
    other = {**choice, "index": 1, "message": {"role": "assistant", "content": "well"}}
    vendors.say("openai", {**CHAT.whole, "choices": [choice, other]})

    answer = openai.chat.completions.create(model=MODEL, messages=HELLO, n=2)

    assert vendors.last.json["n"] == 2
    assert [one.message.content for one in answer.choices] == [TEXT, "well"]


def test_logprobs_are_carried(openai: OpenAI, vendors: Vendors) -> None:
    token = {"token": "fine", "logprob": -0.25, "bytes": [102], "top_logprobs": []}
    choice = {**CHAT.whole["choices"][0], "logprobs": {"content": [token], "refusal": None}}
    vendors.say("openai", {**CHAT.whole, "choices": [choice]})

    answer = openai.chat.completions.create(model=MODEL, messages=HELLO, logprobs=True)

    assert vendors.last.json["logprobs"] is True
    found = answer.choices[0].logprobs
    assert found is not None
    assert found.content is not None
    assert (found.content[0].token, found.content[0].logprob) == ("fine", -0.25)


def test_what_the_sdk_does_not_know_goes_through_too(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", {**CHAT.whole, "vendor_says": {"more": 1}})

    answer = openai.chat.completions.create(
        model=MODEL, messages=HELLO, extra_body={"vendor_option": [1, 2]}
    )

    assert vendors.last.json["vendor_option"] == [1, 2]
    assert (answer.model_extra or {}).get("vendor_says") == {"more": 1}


def test_raw_headers_tell_of_attempts_and_the_request(openai: OpenAI) -> None:
    raw = openai.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    answer = raw.parse()

    assert raw.headers["x-stockade-attempts"] == f"{MODEL};ok"
    assert raw.headers["x-request-id"].startswith("req_")
    assert answer._request_id == raw.headers["x-request-id"]


def test_a_streams_headers_tell_of_the_attempt_so_far(openai: OpenAI) -> None:
    with openai.chat.completions.with_streaming_response.create(
        model=MODEL, messages=HELLO, stream=True
    ) as raw:
        attempts = raw.headers["x-stockade-attempts"]
        assert "".join(raw.iter_lines()).endswith("data: [DONE]")

    assert attempts == f"{MODEL};streaming"


def test_reasoning_of_a_vendor_is_carried_in_a_stream(openai: OpenAI, vendors: Vendors) -> None:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                    "choices": [choice]})  # fmt: skip

    thinks = chunk({"role": "assistant", "reasoning_content": "hm"})
    vendors.say(
        "deepseek", Streams((thinks, chunk({"content": "yes"}, "stop"), b"data: [DONE]\n\n"))
    )

    with openai.chat.completions.create(
        model="deepseek/deepseek-reasoner", messages=HELLO, stream=True
    ) as stream:
        deltas = [chunk.choices[0].delta for chunk in stream if chunk.choices]

    assert [
        getattr(d, "reasoning_content", None)
        for d in deltas
        if getattr(d, "reasoning_content", None)
    ] == ["hm"]
    assert "".join(delta.content or "" for delta in deltas) == "yes"
