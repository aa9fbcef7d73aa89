"""The gemini plugin: what it sends, and what it makes of what comes back."""

import pytest

from stockade_sdk import (
    Capability,
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    Finish,
    FinishReason,
    Message,
    MessageRole,
    PermissionDenied,
    ProviderError,
    Thinking,
    fold,
)
from stockade_sdk.provider import SERVES, methods_of
from stockade_sdk.testing import Answer
from tests.unit.plugins.gemini_answers import BASE, NAME, answer, chunk, error, running
from tests.unit.plugins.loading import defaults_of, manifest_of, provider_class

Gemini = provider_class(NAME)
HELLO = answer({"text": "hello"})
CHUNKS = (chunk({"text": "hel"}), chunk({"text": "lo"}, finish="STOP"))
THOUGHT = ChatRequest(
    messages=(
        Message(MessageRole.ASSISTANT, (Thinking("hm", "s", "anthropic"),)),
        Message.of_text("user", "hi"),
    )
)


def test_the_manifest_asks_for_the_vendor_and_its_key():
    manifest = manifest_of(NAME)

    assert [str(rule) for rule in manifest.permissions.network] == [
        "generativelanguage.googleapis.com"
    ]
    secret = manifest.permissions.secrets[0]
    assert (secret.name, secret.hosts) == ("GEMINI_API_KEY", manifest.permissions.network)
    assert (secret.header, secret.format, secret.expose) == ("x-goog-api-key", "{}", False)
    assert defaults_of(NAME)["base_url"] == BASE


def test_every_model_of_the_manifest_is_one_that_the_class_can_serve():
    methods = methods_of(Gemini)
    models = {model.id: model for model in manifest_of(NAME).models}

    for model in models.values():
        assert all(set(SERVES[capability]) & set(methods) for capability in model.capabilities)
        assert model.price is not None
        assert model.price.input is not None
    for key, capability in (
        ("model", Capability.VISION),
        ("embedding_model", Capability.EMBEDDING),
        ("image_model", Capability.IMAGE_GEN),
        ("speech_model", Capability.AUDIO_TTS),
    ):
        assert capability in models[defaults_of(NAME)[key]].capabilities


async def test_a_chat_is_one_post_to_its_models_address():
    async with running(HELLO) as run:
        response = await run.chat(ChatRequest.of_text("hi", model="gemini-x"))

    assert (response.text, response.model) == ("hello", "m-1")
    request = run.requests[0]
    assert (request.method, request.url) == ("POST", f"{BASE}/models/gemini-x:generateContent")
    assert request.json == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    assert "x-goog-api-key" not in request.headers


@pytest.mark.parametrize("model", [None, "", "default", "auto"])
async def test_a_request_that_names_no_model_gets_the_configured_one(model):
    async with running(HELLO, model="mine") as run:
        await run.chat(ChatRequest.of_text("hi", model=model))

    assert run.requests[0].url == f"{BASE}/models/mine:generateContent"


async def test_the_address_keeps_the_query_of_the_operator():
    async with running(HELLO, base_url="http://127.0.0.1:9/v1?tenant=a") as run:
        await run.chat("hi")

    assert run.requests[0].url.startswith("http://127.0.0.1:9/v1/models/")
    assert run.requests[0].url.endswith("?tenant=a")


async def test_a_stream_asks_for_events_and_gives_them_as_they_come():
    async with running(Answer.of_events(*CHUNKS, done=None)) as run:
        events = await run.stream(ChatRequest.of_text("hi", model="gemini-x"))

    assert fold(events).text == "hello"
    request = run.requests[0]
    assert request.url == f"{BASE}/models/gemini-x:streamGenerateContent?alt=sse"
    assert request.headers["accept"] == "text/event-stream"


async def test_a_whole_answer_to_a_stream_is_taken():
    async with running(HELLO) as run:
        assert fold(await run.stream("hi")).text == "hello"


async def test_a_stream_that_breaks_off_is_an_error_after_what_came():
    seen = []
    async with running(Answer.of_events(CHUNKS[0], done=None)) as run:
        with pytest.raises(ProviderError) as caught:
            seen += [event async for event in run.events("hi")]

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


async def test_an_error_inside_a_stream_is_its_kind():
    inside = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}

    async with running(Answer.of_events(CHUNKS[0], inside, done=None)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream("hi")

    assert caught.value.kind is ErrorKind.OVERLOADED


@pytest.mark.parametrize(
    ("failed", "kind"),
    [
        (
            error(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                details=[{"reason": "API_KEY_INVALID"}],
            ),
            ErrorKind.AUTH,
        ),
        (error(400, "INVALID_ARGUMENT", "Invalid value at 'contents'"), ErrorKind.INVALID_REQUEST),
        (error(404, "NOT_FOUND", "models/x is not found"), ErrorKind.MODEL_UNAVAILABLE),
        (error(503, "UNAVAILABLE", "The model is overloaded."), ErrorKind.OVERLOADED),
        (error(500, "INTERNAL", "An internal error"), ErrorKind.SERVER_ERROR),
        (Answer(pieces=(b"<html>200</html>",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer(pieces=(b"",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer(pieces=(b'{"candidates": [',)), ErrorKind.MALFORMED_RESPONSE),
        (Answer(error=ProviderError(ErrorKind.NETWORK, "down")), ErrorKind.NETWORK),
        (Answer(error=PermissionDenied("not granted")), ErrorKind.PERMISSION_DENIED),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failure_is_its_kind(failed, kind, streamed):
    async with running(failed) as run:
        with pytest.raises(ProviderError) as caught:
            await (run.stream("hi") if streamed else run.chat("hi"))

    assert caught.value.kind is kind


async def test_a_limit_says_how_long_to_wait():
    details = [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"},
    ]
    async with running(error(429, "RESOURCE_EXHAUSTED", "slow down", details=details)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("hi")

    assert (caught.value.kind, caught.value.retry_after_s) == (ErrorKind.RATE_LIMITED, 34.4)


async def test_what_cannot_be_sent_is_warned_of_in_both_ways_of_answering():
    async with running(HELLO, Answer.of_events(*CHUNKS, done=None)) as run:
        response = await run.chat(THOUGHT)
        finish = (await run.stream(THOUGHT))[-1]

    assert isinstance(finish, Finish)
    assert [w.code for w in response.warnings] == ["thinking_dropped"]
    assert [w.code for w in finish.warnings] == ["thinking_dropped"]


async def test_a_blocked_prompt_is_an_answer_that_was_filtered():
    async with running(Answer.of_json({"promptFeedback": {"blockReason": "SAFETY"}})) as run:
        response = await run.chat("hi")

    assert response.finish_reason is FinishReason.CONTENT_FILTER


async def test_embeddings_go_alone_or_as_a_batch():
    one = Answer.of_json({"embedding": {"values": [0.5]}})
    two = Answer.of_json({"embeddings": [{"values": [1.0]}, {"values": [2.0]}]})

    async with running(one, two, embedding_model="e") as run:
        first = await run.embed("a")
        second = await run.embed(EmbeddingRequest.of_texts("a", "b", model="other"))

    assert first.embeddings == ((0.5,),)
    assert second.embeddings == ((1.0,), (2.0,))
    assert [request.url for request in run.requests] == [
        f"{BASE}/models/e:embedContent",
        f"{BASE}/models/other:batchEmbedContents",
    ]


async def test_fewer_embeddings_than_texts_are_malformed():
    async with running(Answer.of_json({"embeddings": [{"values": [1.0]}]})) as run:
        with pytest.raises(ProviderError) as caught:
            await run.embed(EmbeddingRequest.of_texts("a", "b"))

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


async def test_embeddings_of_another_size_are_warned_of():
    async with running(Answer.of_json({"embedding": {"values": [1.0, 2.0]}})) as run:
        response = await run.embed(EmbeddingRequest(input=("a",), dimensions=3))

    assert [warning.code for warning in response.warnings] == ["embedding_dimensions_differ"]
    assert run.requests[0].json["outputDimensionality"] == 3


async def test_models_are_listed_page_by_page():
    first = {"models": [{"name": "models/a"}, {"name": "models/b"}], "nextPageToken": "x&y"}
    last = {"models": [{"name": "models/b"}, {"name": "models/c"}]}

    async with running(Answer.of_json(first), Answer.of_json(last)) as run:
        models = await run.list_models()

    assert [model.id for model in models] == ["a", "b", "c"]
    assert [request.url for request in run.requests] == [
        f"{BASE}/models?pageSize=1000",
        f"{BASE}/models?pageSize=1000&pageToken=x%26y",
    ]


async def test_a_list_that_never_ends_is_not_followed():
    page = Answer.of_json({"models": [{"name": "models/a"}], "nextPageToken": "again"})

    async with running(*[page] * 100) as run:
        await run.list_models()

    assert len(run.requests) == 20


async def test_health_is_the_cheapest_call_with_the_key():
    async with running(Answer.of_json({"models": []})) as run:
        health = await run.check_health()

    assert health.ok
    assert health.latency_ms is not None
    assert [request.url for request in run.requests] == [f"{BASE}/models?pageSize=1"]


async def test_a_refused_key_is_not_well_and_says_why():
    refused = error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")

    async with running(refused) as run:
        health = await run.check_health()

    assert not health.ok
    assert "auth" in health.detail
