"""The deepseek plugin: thinking, and the reasoning that has to come back with tool calls."""

import pytest

from stockade_sdk import (
    ChatRequest,
    ErrorKind,
    FinishReason,
    Message,
    MessageRole,
    ProviderError,
    TextDelta,
    Thinking,
    fold,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.provider import methods_of
from stockade_sdk.testing import Answer
from tests.unit.plugins.chat_answers import (
    CHAT,
    CHUNKS,
    after_a_tool,
    chat,
    codes,
    message,
    running,
    sent,
)
from tests.unit.plugins.loading import manifest_of, provider_class

NAME = "deepseek"
V4 = "deepseek-v4-flash"


def deepseek(*answers, **config):
    return running(NAME, *answers, **config)


def test_the_manifest_asks_for_the_vendor_and_its_key():
    manifest = manifest_of(NAME)

    assert [str(rule) for rule in manifest.permissions.network] == ["api.deepseek.com"]
    secret = manifest.permissions.secrets[0]
    assert (secret.name, secret.hosts) == ("DEEPSEEK_API_KEY", manifest.permissions.network)
    assert (secret.header, secret.format, secret.expose) == ("authorization", "Bearer {}", False)
    assert [str(method) for method in methods_of(provider_class(NAME))] == [
        "chat",
        "stream_chat",
        "list_models",
        "check_health",
    ]


async def test_a_chat_goes_to_the_vendor_without_a_version_in_its_path():
    async with deepseek(Answer.of_json(CHAT)) as run:
        response = await run.chat(ChatRequest.of_text("hi", model=V4))

    assert response.text == "hello"
    assert run.requests[0].url == "https://api.deepseek.com/chat/completions"
    assert sent(run) == {"model": V4, "messages": [{"role": "user", "content": "hi"}]}


async def test_the_beta_is_a_base_url():
    async with deepseek(Answer.of_json(CHAT), base_url="https://api.deepseek.com/beta") as run:
        await run.chat("hi")

    assert run.requests[0].url == "https://api.deepseek.com/beta/chat/completions"


async def test_reasoning_comes_before_the_text_and_goes_back_where_it_was():
    answer = message(content="4", reasoning_content="2 and 2")

    async with deepseek(Answer.of_json(answer), Answer.of_json(CHAT)) as run:
        first = await run.chat("2+2")
        assert [type(part).__name__ for part in first.output.content] == ["Thinking", "Text"]
        history = (
            Message.of_text("user", "2+2"),
            Message(MessageRole.ASSISTANT, first.output.content),
        )
        await run.chat(ChatRequest(messages=(*history, Message.of_text("user", "and 3?"))))

    assert sent(run)["messages"][1] == {
        "role": "assistant",
        "reasoning_content": "2 and 2",
        "content": "4",
    }


@pytest.mark.parametrize(
    ("thoughts", "model", "told"),
    [
        ((Thinking("look at the clock"),), V4, "look at the clock"),
        ((Thinking("t", provider_metadata={"openai_chat": {"$fields": ["reasoning"]}}),), V4, "t"),
        ((), V4, " "),
        ((), "deepseek-reasoner", " "),
        ((), "deepseek-chat", None),
    ],
    ids=["another vendor's", "groq's field", "none", "reasoner", "a model that does not think"],
)
async def test_a_turn_with_tool_calls_has_reasoning_where_the_model_thinks(thoughts, model, told):
    async with deepseek(Answer.of_json(CHAT)) as run:
        await run.chat(after_a_tool(*thoughts, model=model))

    turn = sent(run)["messages"][1]
    assert turn.get("reasoning_content") == told
    assert "reasoning" not in turn


async def test_a_turn_of_another_wires_client_goes_out_as_it_came():
    turn = {
        "role": "assistant",
        "content": "x",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{ }"}}
        ],
    }
    payload = {
        "model": "deepseek-v4-pro",
        "messages": [turn, {"role": "tool", "tool_call_id": "a", "content": "1"}],
        "thinking": {"type": "disabled"},
        "prefix_caching": {"ttl": 5},
    }

    async with deepseek(Answer.of_json(CHAT)) as run:
        await run.chat(openai_chat.decode_request(payload))

    assert sent(run) == payload


@pytest.mark.parametrize(
    ("effort", "body"),
    [
        ("none", {"thinking": {"type": "disabled"}}),
        ("minimal", {"reasoning_effort": "low"}),
        ("high", {"reasoning_effort": "high"}),
        ("max", {"reasoning_effort": "max"}),
    ],
)
async def test_effort_is_said_in_the_vendors_words(effort, body):
    request = ChatRequest(
        messages=(Message.of_text("user", "x"),), model=V4, reasoning_effort=effort
    )

    async with deepseek(Answer.of_json(CHAT)) as run:
        response = await run.chat(request)

    found = {key: value for key, value in sent(run).items() if key not in ("model", "messages")}
    assert found == body
    assert codes(response) == []


async def test_a_developers_instructions_are_the_systems():
    payload = {"model": V4, "messages": [{"role": "developer", "content": "be brief"}]}

    async with deepseek(Answer.of_json(CHAT)) as run:
        await run.chat(openai_chat.decode_request(payload))

    assert sent(run)["messages"] == [{"role": "system", "content": "be brief"}]


async def test_cache_hits_are_counted_and_the_misses_kept():
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "total_tokens": 105,
        "prompt_cache_hit_tokens": 64,
        "prompt_cache_miss_tokens": 36,
        "completion_tokens_details": {"reasoning_tokens": 3},
    }

    async with deepseek(Answer.of_json(chat(usage=usage))) as run:
        response = await run.chat("x")

    assert response.usage is not None
    assert response.usage.input_tokens == 100
    assert response.usage.cached_input_tokens == 64
    assert response.usage.reasoning_tokens == 3
    metadata = response.provider_metadata["openai_chat"]
    assert metadata["usage"]["prompt_cache_miss_tokens"] == 36


async def test_signs_of_life_are_no_part_of_a_stream():
    events = Answer.of_events(*CHUNKS).pieces
    pieces = (b"\n\n", b": keep-alive\n\n", events[0], b": keep-alive\n\n", *events[1:])

    async with deepseek(Answer(pieces=pieces)) as run:
        found = await run.stream("x")

    assert [event.text for event in found if isinstance(event, TextDelta)] == ["hel", "lo"]


async def test_signs_of_life_are_no_part_of_an_answer():
    whole = Answer.of_json(CHAT)

    async with deepseek(Answer(pieces=(b"\n", b"\n\n", *whole.pieces))) as run:
        assert (await run.chat("x")).text == "hello"


async def test_a_vendor_out_of_machines_is_no_stop():
    cut = {**CHUNKS[2], "choices": [{"index": 0, "finish_reason": "insufficient_system_resource"}]}

    async with deepseek(Answer.of_events(*CHUNKS[:2], cut)) as run:
        response = fold(await run.stream("x"))

    assert response.finish_reason is FinishReason.ERROR
    assert response.raw_finish_reason == "insufficient_system_resource"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (402, ErrorKind.QUOTA),
        (422, ErrorKind.INVALID_REQUEST),
        (429, ErrorKind.RATE_LIMITED),
        (503, ErrorKind.OVERLOADED),
    ],
)
async def test_errors_go_by_their_status_since_all_have_one_code(status, kind):
    error = {"error": {"message": "sorry", "code": "invalid_request_error"}}

    async with deepseek(Answer.of_json(error, status=status)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("x")

    assert caught.value.kind is kind


async def test_health_is_the_model_list():
    models = Answer.of_json({"object": "list", "data": [{"id": V4, "object": "model"}]})

    async with deepseek(models, models) as run:
        health, listed = await run.check_health(), await run.list_models()

    assert health.ok
    assert health.latency_ms is not None
    assert [model.id for model in listed] == [V4]
    assert run.requests[0].url == "https://api.deepseek.com/models"
