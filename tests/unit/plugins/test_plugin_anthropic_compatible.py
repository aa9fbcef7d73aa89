"""The anthropic-compatible plugin: what the operator decides, and what it sends."""

import pytest

from stockade_sdk import ChatRequest, ErrorKind, Message, ProviderError
from stockade_sdk.testing import Answer, provider_under_test
from tests.unit.plugins.loading import defaults_of, manifest_of, provider_class

NAME = "anthropic-compatible"
AnthropicCompatible = provider_class(NAME)
BASE = {"base_url": "http://127.0.0.1:9/anthropic", "model": "configured"}
ASKED = (Message.of_text("user", "hi"),)
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m-1",
    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


def run_with(*answers, **config):
    settings = {**defaults_of(NAME), **BASE, **config}
    return provider_under_test(AnthropicCompatible, config=settings, respond=answers)


def test_the_manifest_leaves_host_and_key_to_the_operator():
    manifest = manifest_of(NAME)

    assert manifest.permissions.network == ()
    found = [(one.name, one.hosts, one.header, one.format) for one in manifest.permissions.secrets]
    assert found == [
        ("ANTHROPIC_COMPATIBLE_API_KEY", (), "x-api-key", "{}"),
        ("ANTHROPIC_COMPATIBLE_AUTH_TOKEN", (), "authorization", "Bearer {}"),
    ]


async def test_a_chat_goes_to_the_configured_server_and_model():
    async with run_with(Answer.of_json(MESSAGE)) as run:
        response = await run.chat(ChatRequest(messages=ASKED))

    assert response.text == "hello"
    assert run.requests[0].url == "http://127.0.0.1:9/anthropic/v1/messages"
    assert run.requests[0].json["model"] == "configured"
    assert not {"authorization", "x-api-key"} & set(run.requests[0].headers)


async def test_without_a_base_url_the_error_says_what_to_run():
    async with run_with(base_url="") as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("hi")

    assert "stockade config set anthropic-compatible base_url" in caught.value.message


async def test_without_a_model_the_error_says_what_to_run_and_a_fallback_may_answer():
    async with run_with(model="") as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("hi")

    assert caught.value.kind is ErrorKind.MODEL_UNAVAILABLE
    assert "stockade config set anthropic-compatible model" in caught.value.message


async def test_the_server_knows_its_own_temperatures():
    async with run_with(Answer.of_json(MESSAGE)) as run:
        await run.chat(ChatRequest(messages=ASKED, temperature=1.8))

    assert run.requests[0].json["temperature"] == 1.8


@pytest.mark.parametrize(
    ("configured", "thinking"),
    [
        (None, {"type": "enabled", "budget_tokens": 1024}),
        ("budget", {"type": "enabled", "budget_tokens": 1024}),
        ("effort", {"type": "adaptive"}),
        ("never", None),
    ],
)
async def test_the_operator_says_how_reasoning_is_asked_for(configured, thinking):
    async with run_with(Answer.of_json(MESSAGE), thinking=configured) as run:
        await run.chat(ChatRequest(messages=ASKED, reasoning_effort="low"))

    assert run.requests[0].json.get("thinking") == thinking


async def test_reasoning_that_came_without_a_signature_goes_back_as_it_came():
    async with run_with(Answer.of_json(MESSAGE), Answer.of_json(MESSAGE)) as run:
        first = await run.chat(ChatRequest(messages=ASKED))
        said = Message.of_text("assistant", "")
        said = type(said)(said.role, first.output.content)
        await run.chat(ChatRequest(messages=(*ASKED, said, *ASKED)))

    assert run.requests[1].json["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "hello"},
    ]


async def test_models_and_health_are_asked_of_the_server():
    models = Answer.of_json({"data": [{"id": "a"}]})

    async with run_with(models, models) as run:
        listed, health = await run.list_models(), await run.check_health()

    assert [model.id for model in listed] == ["a"]
    assert health.ok
    assert run.requests[0].url == "http://127.0.0.1:9/anthropic/v1/models?limit=1000"
