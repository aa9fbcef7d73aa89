"""The SDK of one vendor, served by the plugins of others."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai as openai_sdk
import pytest
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import TextBlock, ToolUseBlock
from openai import AsyncOpenAI, OpenAI

from tests.system.sdks.vendors import Streams, Vendors, failing
from tests.system.upstreams import Says
from tests.system.vendor_wires import CHAT, CLAUDE, GEMINI, RESPONSES, TEXT, Call, Wire, calling

ANTHROPIC, GOOGLE = "anthropic/claude-sonnet-5", "gemini/gemini-2.5-flash"
THINKER, COMPATIBLE = "openai/gpt-5", "openai-compatible/m"
FOR_OPENAI = [(ANTHROPIC, CLAUDE), (GOOGLE, GEMINI)]
FOR_ANTHROPIC = [(THINKER, RESPONSES), (COMPATIBLE, CHAT), (GOOGLE, GEMINI)]
HELLO: Any = [{"role": "user", "content": "how are you?"}]
SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}}
FUNCTION: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
FLAT: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
TOOL: Any = {"name": "weather", "input_schema": SCHEMA}
CALLS = (
    Call("call_1", "weather", '{"place": "Ulm"}'),
    Call("call_2", "weather", '{"place": "Graz"}'),
)
MADE = [("call_1", "weather", {"place": "Ulm"}), ("call_2", "weather", {"place": "Graz"})]

for_openai = pytest.mark.parametrize(("model", "wire"), FOR_OPENAI, ids=["anthropic", "gemini"])
for_anthropic = pytest.mark.parametrize(
    ("model", "wire"), FOR_ANTHROPIC, ids=["responses", "chat", "gemini"]
)


def plugin_of(model: str) -> str:
    return model.partition("/")[0]


def results_at(vendors: Vendors, wire: Wire) -> list[tuple[str, str]]:
    """The tools' results as they arrived: the call's id or name, and the text."""
    sent = vendors.last.json
    if wire is CLAUDE:
        blocks = list(sent["messages"][-1]["content"])
        return [(b["tool_use_id"], _text(b["content"])) for b in blocks]
    if wire is GEMINI:
        parts = [part["functionResponse"] for part in sent["contents"][-1]["parts"]]
        return [(part["id"], next(iter(part["response"].values()))) for part in parts]
    if wire is RESPONSES:
        items = [one for one in sent["input"] if one.get("type") == "function_call_output"]
        return [(one["call_id"], _text(one["output"])) for one in items]
    tools = [one for one in sent["messages"] if one["role"] == "tool"]
    return [(one["tool_call_id"], _text(one["content"])) for one in tools]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(one["text"] for one in content)


# --- OpenAI's client ---


@for_openai
def test_openais_client_is_answered_by(
    openai: OpenAI, vendors: Vendors, model: str, wire: Wire
) -> None:
    system: Any = [{"role": "system", "content": "Be brief."}, *HELLO]

    answer = openai.chat.completions.create(
        model=model, messages=system, temperature=0.5, max_tokens=50
    )

    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 1)
    assert "Be brief." in json.dumps(
        vendors.last.json["system" if wire is CLAUDE else "systemInstruction"]
    )
    assert vendors.last.plugin == plugin_of(model)


@for_openai
def test_openais_client_is_streamed_to_by(openai: OpenAI, model: str, wire: Wire) -> None:
    with openai.chat.completions.stream(model=model, messages=HELLO) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        answer = stream.get_final_completion()

    assert pieces == [TEXT[:3], TEXT[3:]]
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"


@for_openai
def test_openais_client_uses_tools_with(
    openai: OpenAI, vendors: Vendors, model: str, wire: Wire
) -> None:
    vendors.say(plugin_of(model), calling(wire, *CALLS)[0], wire.whole)

    first = openai.chat.completions.create(model=model, messages=HELLO, tools=[FUNCTION])
    message = first.choices[0].message
    calls: Any = message.tool_calls
    results: Any = [
        {"role": "tool", "tool_call_id": call.id, "content": f"rain {at}"}
        for at, call in enumerate(calls)
    ]
    history: Any = [*HELLO, message.to_dict(), *results]
    second = openai.chat.completions.create(model=model, messages=history, tools=[FUNCTION])

    assert first.choices[0].finish_reason == "tool_calls"
    made = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in calls]
    assert made == MADE
    assert results_at(vendors, wire) == [("call_1", "rain 0"), ("call_2", "rain 1")]
    assert second.choices[0].message.content == TEXT


@for_openai
async def test_openais_async_client_has_tools_streamed_by(
    aopenai: AsyncOpenAI, vendors: Vendors, model: str, wire: Wire
) -> None:
    vendors.say(plugin_of(model), Streams(calling(wire, *CALLS)[1]))

    async with aopenai.chat.completions.stream(
        model=model, messages=HELLO, tools=[FUNCTION]
    ) as stream:
        answer = await stream.get_final_completion()

    calls: Any = answer.choices[0].message.tool_calls
    made = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in calls]
    assert made == MADE
    assert answer.choices[0].finish_reason == "tool_calls"


@for_openai
def test_openais_client_of_responses_is_answered_by(
    openai: OpenAI, vendors: Vendors, model: str, wire: Wire
) -> None:
    answer = openai.responses.create(model=model, input="hello", instructions="Be brief.")

    assert answer.output_text == TEXT
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 4


@for_openai
def test_openais_client_of_responses_is_streamed_to_by(
    openai: OpenAI, vendors: Vendors, model: str, wire: Wire
) -> None:
    vendors.say(plugin_of(model), Streams(calling(wire, *CALLS)[1]))

    with openai.responses.stream(model=model, input="hello", tools=[FLAT]) as stream:
        answer = stream.until_done().get_final_response()

    made = [
        (one.call_id, one.name, json.loads(one.arguments))
        for one in answer.output
        if one.type == "function_call"
    ]
    assert made == MADE


@for_openai
def test_openais_client_is_told_of_a_failure_of(
    openai: OpenAI, vendors: Vendors, model: str, wire: Wire
) -> None:
    vendors.say(plugin_of(model), failing("429 Too Many Requests", "x", "retry-after: 7"))

    with pytest.raises(openai_sdk.RateLimitError) as caught:
        openai.chat.completions.create(model=model, messages=HELLO)

    assert caught.value.response.headers["retry-after"] == "7"


@for_openai
def test_openais_client_hears_of_a_stream_that_breaks_at(
    openai: OpenAI, vendors: Vendors, model: str, wire: Wire
) -> None:
    begun = wire.blocks[:3] if wire is CLAUDE else wire.blocks[:1]
    vendors.say(plugin_of(model), Streams(begun, "breaks"))
    heard: list[str] = []

    with (
        openai.chat.completions.create(model=model, messages=HELLO, stream=True) as stream,
        pytest.raises(openai_sdk.APIError),
    ):
        heard.extend(chunk.choices[0].delta.content or "" for chunk in stream)

    assert "".join(heard) == TEXT[:3]


@for_openai
def test_openais_client_shows_a_picture_to(
    openai: OpenAI, vendors: Vendors, model: str, wire: Wire
) -> None:
    url = "data:image/png;base64,iVBORw0KGgo="
    content: Any = [{"type": "image_url", "image_url": {"url": url}}]

    openai.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])

    assert b"iVBORw0KGgo=" in vendors.last.body
    assert b"image/png" in vendors.last.body


def test_openais_client_is_warned_of_what_the_vendor_cannot(openai: OpenAI) -> None:
    raw = openai.chat.completions.with_raw_response.create(
        model=ANTHROPIC, messages=HELLO, seed=7, logit_bias={"50": 1}
    )

    assert "seed" in raw.headers["x-stockade-warnings"]
    assert "logit_bias" in raw.headers["x-stockade-warnings"]


# --- Anthropic's client ---


@for_anthropic
def test_anthropics_client_is_answered_by(
    claude: Anthropic, vendors: Vendors, model: str, wire: Wire
) -> None:
    answer = claude.messages.create(model=model, max_tokens=50, messages=HELLO, system="Be brief.")

    assert isinstance(answer.content[0], TextBlock)
    assert answer.content[0].text == TEXT
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 1)
    assert b"Be brief." in vendors.last.body
    assert vendors.last.plugin == plugin_of(model)


@for_anthropic
def test_anthropics_client_is_streamed_to_by(claude: Anthropic, model: str, wire: Wire) -> None:
    with claude.messages.stream(model=model, max_tokens=50, messages=HELLO) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()

    assert pieces == [TEXT[:3], TEXT[3:]]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 1)


@for_anthropic
def test_anthropics_client_uses_tools_with(
    claude: Anthropic, vendors: Vendors, model: str, wire: Wire
) -> None:
    vendors.say(plugin_of(model), calling(wire, *CALLS)[0], wire.whole)

    first = claude.messages.create(model=model, max_tokens=50, messages=HELLO, tools=[TOOL])
    used = [block for block in first.content if isinstance(block, ToolUseBlock)]
    results: Any = [
        {"type": "tool_result", "tool_use_id": one.id, "content": f"rain {at}"}
        for at, one in enumerate(used)
    ]
    history: Any = [
        *HELLO,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": results},
    ]
    claude.messages.create(model=model, max_tokens=50, messages=history, tools=[TOOL])

    assert first.stop_reason == "tool_use"
    assert [(one.id, one.name, one.input) for one in used] == MADE
    assert results_at(vendors, wire) == [("call_1", "rain 0"), ("call_2", "rain 1")]


@for_anthropic
async def test_anthropics_async_client_has_tools_streamed_by(
    aclaude: AsyncAnthropic, vendors: Vendors, model: str, wire: Wire
) -> None:
    vendors.say(plugin_of(model), Streams(calling(wire, *CALLS)[1]))

    async with aclaude.messages.stream(
        model=model, max_tokens=50, messages=HELLO, tools=[TOOL]
    ) as stream:
        message = await stream.get_final_message()

    used = [block for block in message.content if isinstance(block, ToolUseBlock)]
    assert [(one.id, one.name, one.input) for one in used] == MADE
    assert message.stop_reason == "tool_use"


@for_anthropic
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (failing("429 Too Many Requests", "x", "retry-after: 7"), "RateLimitError"),
        (failing("503 Service Unavailable", "x"), "OverloadedError"),
        (failing("401 Unauthorized", "x"), "InternalServerError"),
    ],
    ids=["rate", "overloaded", "key"],
)
def test_anthropics_client_is_told_of_a_failure_of(
    claude: Anthropic, vendors: Vendors, model: str, wire: Wire, said: Says, kind: str
) -> None:
    vendors.say(plugin_of(model), said)

    with pytest.raises(anthropic.APIStatusError) as caught:
        claude.messages.create(model=model, max_tokens=50, messages=HELLO)

    assert type(caught.value).__name__ == kind


@for_anthropic
def test_anthropics_client_hears_of_a_stream_that_breaks_at(
    claude: Anthropic, vendors: Vendors, model: str, wire: Wire
) -> None:
    begun = {RESPONSES.name: 4, CHAT.name: 2, GEMINI.name: 1}[wire.name]
    vendors.say(plugin_of(model), Streams(wire.blocks[:begun], "breaks"))
    heard: list[str] = []

    with (
        claude.messages.stream(model=model, max_tokens=50, messages=HELLO) as stream,
        pytest.raises(anthropic.APIStatusError),
    ):
        heard.extend(stream.text_stream)  # keeps what came before the error

    assert "".join(heard) == TEXT[:3]


@for_anthropic
def test_anthropics_client_shows_a_picture_to(
    claude: Anthropic, vendors: Vendors, model: str, wire: Wire
) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "what is it?"}]

    claude.messages.create(
        model=model, max_tokens=50, messages=[{"role": "user", "content": content}]
    )

    assert b"iVBORw0KGgo=" in vendors.last.body
    assert b"image/png" in vendors.last.body
