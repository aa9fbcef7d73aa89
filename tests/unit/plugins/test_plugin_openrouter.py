"""The openrouter plugin: routing that is carried, cost that is told, a key that is asked for."""

import pytest

from stockade_sdk import (
    Audio,
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    Image,
    ImageRequest,
    Message,
    MessageRole,
    PricingSource,
    ProviderError,
    RerankRequest,
    TranscriptionRequest,
    fold,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.provider import methods_of
from stockade_sdk.testing import Answer
from tests.unit.plugins.chat_answers import CHAT, CHUNKS, chat, codes, message, running, sent
from tests.unit.plugins.loading import manifest_of, provider_class

NAME = "openrouter"
BASE = "https://openrouter.ai/api/v1"
COUNTS = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "cost": 0.00014}


def openrouter(*answers, **config):
    return running(NAME, *answers, **config)


def test_the_manifest_asks_for_the_vendor_and_its_key():
    manifest = manifest_of(NAME)

    assert [str(rule) for rule in manifest.permissions.network] == ["openrouter.ai"]
    secret = manifest.permissions.secrets[0]
    assert (secret.name, secret.hosts) == ("OPENROUTER_API_KEY", manifest.permissions.network)
    assert [str(method) for method in methods_of(provider_class(NAME))] == [
        "chat",
        "stream_chat",
        "embed",
        "generate_image",
        "transcribe",
        "rerank",
        "list_models",
        "check_health",
    ]


async def test_an_unnamed_model_is_left_to_the_vendor():
    async with openrouter(Answer.of_json(CHAT)) as run:
        await run.chat("hi")

    assert run.requests[0].url == f"{BASE}/chat/completions"
    assert sent(run)["model"] == "openrouter/auto"


async def test_routing_and_reasoning_are_carried_as_they_are():
    payload = {
        "model": "a/b",
        "messages": [{"role": "user", "content": "hi"}],
        "models": ["a/b", "c/d"],
        "provider": {"order": ["X"], "allow_fallbacks": False, "max_price": {"prompt": 1}},
        "reasoning": {"effort": "high", "exclude": True},
        "transforms": ["middle-out"],
        "usage": {"include": True},
        "max_tokens": 5,
        "top_k": 4,
    }

    async with openrouter(Answer.of_json(CHAT)) as run:
        await run.chat(openai_chat.decode_request(payload))

    assert sent(run) == payload


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, {}),
        (
            {"site_url": "https://example.com", "app_name": "Example"},
            {"http-referer": "https://example.com", "x-title": "Example"},
        ),
    ],
    ids=["silent", "said"],
)
async def test_who_asks_is_told_where_the_operator_said_it(config, named):
    answers = (Answer.of_json(CHAT), Answer.of_events(*CHUNKS), Answer.of_json({"data": {}}))

    async with openrouter(*answers, **config) as run:
        await run.chat("hi")
        await run.stream("hi")
        await run.check_health()

    for request in run.requests:
        told = {name: request.headers.get(name) for name in ("http-referer", "x-title")}
        assert {name: value for name, value in told.items() if value} == named


async def test_the_cost_is_the_vendors_own_and_who_answered_is_kept():
    answer = chat(usage=COUNTS, provider="Upstream Inc")

    async with openrouter(Answer.of_json(answer)) as run:
        response = await run.chat("hi")

    assert response.cost is not None
    assert (response.cost.total_cost, response.cost.currency) == ("0.00014", "USD")
    assert response.cost.pricing_source is PricingSource.PROVIDER_REPORTED
    assert response.provider_metadata["openai_chat"]["provider"] == "Upstream Inc"


async def test_comments_of_a_stream_are_no_part_of_it():
    events = Answer.of_events(*CHUNKS, {"choices": [], "usage": COUNTS}).pieces
    comment = b": OPENROUTER PROCESSING\n\n"
    pieces = tuple(piece for event in events for piece in (comment, event))

    async with openrouter(Answer(pieces=pieces)) as run:
        response = fold(await run.stream("hi"))

    assert response.text == "hello"
    assert response.cost is not None
    assert response.cost.total_cost == "0.00014"


async def test_a_vendor_that_breaks_off_in_a_stream_is_an_error():
    broken = {
        "error": {"code": 502, "message": "Provider disconnected"},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
    }

    async with openrouter(Answer.of_events(CHUNKS[0], broken, done=None)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream("hi")

    assert (caught.value.kind, caught.value.status) == (ErrorKind.SERVER_ERROR, 502)


async def test_reasoning_that_is_encrypted_comes_back_with_the_history():
    details = [{"type": "reasoning.encrypted", "data": "AAEC", "index": 0}]
    answer = message(content="4", reasoning="hm", reasoning_details=details)

    async with openrouter(Answer.of_json(answer), Answer.of_json(CHAT)) as run:
        first = await run.chat("2+2")
        history = (Message(MessageRole.ASSISTANT, first.output.content),)
        await run.chat(ChatRequest(messages=(*history, Message.of_text("user", "and 3?"))))

    assert sent(run)["messages"][0]["reasoning_details"] == details


async def test_what_would_be_refused_is_refused_before_it_is_sent():
    async with openrouter() as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat(ChatRequest(messages=(Message.of_text("user", "x"),), stop=("a",) * 5))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert run.requests == []


@pytest.mark.parametrize(
    ("answer", "ok", "words"),
    [
        (Answer.of_json({"data": {"label": "sk-or-v1-...", "limit": None}}), True, None),
        (Answer.of_json({"error": {"code": 401, "message": "No auth"}}, status=401), False, "auth"),
        (Answer(pieces=(b"<html>openrouter</html>",)), False, "base_url"),
    ],
    ids=["well", "refused", "a page"],
)
async def test_health_is_asked_of_the_key(answer, ok, words):
    async with openrouter(answer) as run:
        health = await run.check_health()

    assert run.requests[0].url == f"{BASE}/key"
    assert health.ok is ok
    assert health.latency_ms is not None
    assert words is None or words in (health.detail or "")


async def test_models_of_every_kind_are_listed_with_their_prices():
    model = {
        "id": "a/b",
        "name": "B",
        "context_length": 1000,
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.000002", "completion": "-1"},
        "supported_parameters": ["tools"],
    }

    async with openrouter(Answer.of_json({"data": [model]})) as run:
        (listed,) = await run.list_models()

    assert run.requests[0].url == f"{BASE}/models?output_modalities=all"
    assert listed.price is not None
    assert (listed.price.input, listed.price.output) == ("2", None)
    assert listed.features == ("tools",)


async def test_embeddings_tell_their_cost():
    answer = {
        "data": [{"index": 0, "embedding": [1.0]}],
        "usage": {"prompt_tokens": 3, "cost": 6e-8},
    }

    async with openrouter(Answer.of_json(answer)) as run:
        response = await run.embed(EmbeddingRequest.of_texts("a", model="e"))

    assert sent(run) == {"model": "e", "input": ["a"]}
    assert response.cost is not None
    assert response.cost.total_cost == "0.00000006"


async def test_images_start_from_references_and_have_one_place():
    answer = {"data": [{"b64_json": "/9j/4AAQ", "media_type": "image/jpeg"}]}
    start = Image(data=b"\x89PNG", media_type="image/png")

    async with openrouter(Answer.of_json(answer), Answer.of_json(answer)) as run:
        drawn = await run.generate_image(ImageRequest(prompt="a cat", model="i"))
        await run.generate_image(ImageRequest(prompt="in green", model="i", images=(start,)))

    assert drawn.images[0].media_type == "image/jpeg"
    assert [request.url for request in run.requests] == [f"{BASE}/images"] * 2
    assert len(sent(run)["input_references"]) == 1


async def test_documents_are_ordered():
    answer = {
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    }

    async with openrouter(Answer.of_json(answer)) as run:
        response = await run.rerank(RerankRequest(query="q", documents=("a", "b"), model="r"))

    assert [result.index for result in response.results] == [1, 0]
    assert run.requests[0].url == f"{BASE}/rerank"
    assert codes(response) == []


async def test_sound_is_written_down():
    answer = {"text": "well said", "usage": {"total_tokens": 4, "cost": 0.0001}}

    async with openrouter(Answer.of_json(answer)) as run:
        response = await run.transcribe(TranscriptionRequest(audio=Audio(data=b"RIFF")))

    assert response.text == "well said"
    assert response.cost is not None
    assert b"openai/gpt-4o-mini-transcribe" in run.requests[0].body
