"""The openai-compatible plugin: what it sends, and what it makes of what comes back."""

import pytest

from stockade_sdk import (
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    Finish,
    Message,
    MessageRole,
    PermissionDenied,
    ProviderError,
    TextDelta,
    Thinking,
    fold,
)
from stockade_sdk.testing import Answer, provider_under_test
from tests.unit.plugins.loading import defaults_of, manifest_of, provider_class

NAME = "openai-compatible"
OpenAICompatible = provider_class(NAME)
BASE = {"base_url": "http://127.0.0.1:9/v1", "model": "configured"}

CHAT = {
    "id": "c-1",
    "object": "chat.completion",
    "model": "m-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    ],
}
CHUNKS = (
    {"id": "c-1", "model": "m-1", "choices": [{"index": 0, "delta": {"content": "hel"}}]},
    {"choices": [{"index": 0, "delta": {"content": "lo"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
)
EMBEDDINGS = {"data": [{"index": 0, "embedding": [0.5, 1.0]}], "model": "e-1"}


def run_with(*answers, **config):
    settings = {**defaults_of(NAME), **BASE, **config}
    return provider_under_test(OpenAICompatible, config=settings, respond=answers)


def test_the_manifest_leaves_host_and_key_to_the_operator():
    manifest = manifest_of(NAME)

    assert manifest.permissions.network == ()
    secret = manifest.permissions.secrets[0]
    assert (secret.name, secret.hosts) == ("OPENAI_COMPATIBLE_API_KEY", ())
    assert (secret.header, secret.format, secret.expose) == ("authorization", "Bearer {}", False)


async def test_a_chat_is_one_post_without_a_key():
    async with run_with(Answer.of_json(CHAT)) as run:
        response = await run.chat("hi")

    assert response.text == "hello"
    assert response.model == "m-1"
    request = run.requests[0]
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:9/v1/chat/completions")
    assert request.json == {"model": "configured", "messages": [{"role": "user", "content": "hi"}]}
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("asked", "configured", "sent"),
    [
        ("named", "configured", "named"),
        (None, "configured", "configured"),
        ("default", "configured", "configured"),
        (None, None, None),
        ("default", None, None),
    ],
)
async def test_the_model_is_the_requests_or_the_configured_one(asked, configured, sent):
    async with run_with(Answer.of_json(CHAT), model=configured) as run:
        await run.chat(ChatRequest.of_text("hi", model=asked))

    assert run.requests[0].json.get("model") == sent


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://h/v1/", "http://h/v1/chat/completions"),
        ("https://h/d?api-version=1", "https://h/d/chat/completions?api-version=1"),
    ],
)
async def test_the_path_goes_below_the_base_url(base_url, url):
    async with run_with(Answer.of_json(CHAT), base_url=base_url) as run:
        await run.chat("hi")

    assert run.requests[0].url == url


async def test_without_a_base_url_the_error_says_what_to_run():
    async with run_with(base_url="") as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("hi")

    assert "stockade config set openai-compatible base_url" in caught.value.message


async def test_a_stream_is_asked_for_and_comes_as_events():
    async with run_with(Answer.of_events(*CHUNKS)) as run:
        events = await run.stream("hi")

    assert [event.text for event in events if isinstance(event, TextDelta)] == ["hel", "lo"]
    assert fold(events).model == "m-1"
    sent = run.requests[0].json
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    "pieces",
    [lambda body: [body], lambda body: [body[i : i + 1] for i in range(len(body))]],
    ids=["at once", "byte by byte"],
)
async def test_a_stream_may_arrive_in_any_pieces(pieces):
    body = b"".join(Answer.of_events(*CHUNKS).pieces).replace(b"\n", b"\r\n")

    async with run_with(Answer(pieces=tuple(pieces(body)))) as run:
        assert fold(await run.stream("hi")).text == "hello"


@pytest.mark.parametrize(
    "answer",
    [
        Answer.of_events(*CHUNKS[:2], done=None),
        Answer.of_events(*CHUNKS[:2]),
        Answer.of_events(),
        Answer(pieces=(b"",)),
        Answer(headers=(("content-type", "text/html"),), pieces=(b"<html>hi</html>",)),
        Answer.of_events(*CHUNKS[:1], '{"choices": [', done=None),
    ],
    ids=["cut", "cut but terminated", "terminator alone", "empty", "a page", "cut chunk"],
)
async def test_a_stream_that_is_not_whole_is_an_error_and_no_short_answer(answer):
    async with run_with(answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream("hi")

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


async def test_a_wire_that_breaks_in_the_stream_is_that_error():
    broken = ProviderError(ErrorKind.NETWORK, "reset")
    seen = []

    async def read(run):
        async for event in run.events("hi"):
            seen.append(event)  # noqa: PERF401 - what came before the break counts

    async with run_with(Answer.of_events(*CHUNKS[:2], done=None, error=broken)) as run:
        with pytest.raises(ProviderError) as caught:
            await read(run)

    assert caught.value is broken
    assert TextDelta("text", "lo") in seen


async def test_an_error_inside_the_stream_is_its_kind():
    error = {"error": {"message": "slow down", "code": 429}}

    async with run_with(Answer.of_events(CHUNKS[0], error, done=None)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream("hi")

    assert caught.value.kind is ErrorKind.RATE_LIMITED


async def test_a_stream_refused_at_its_head_is_its_kind_with_the_wait():
    answer = Answer.of_json({"error": {"message": "no"}}, status=429, headers={"retry-after": "3"})

    async with run_with(answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream("hi")

    assert (caught.value.kind, caught.value.retry_after_s) == (ErrorKind.RATE_LIMITED, 3.0)


async def test_a_whole_answer_to_a_stream_is_taken():
    async with run_with(Answer.of_json(CHAT)) as run:
        assert fold(await run.stream("hi")).text == "hello"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.of_json({"error": {"message": "x"}}, status=401), ErrorKind.AUTH),
        (Answer(status=502, pieces=(b"<html>",)), ErrorKind.SERVER_ERROR),
        (Answer(pieces=(b'{"id": "c', b"")), ErrorKind.MALFORMED_RESPONSE),
        (Answer(pieces=(b"",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer(pieces=(b"<html>200</html>",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer.of_json({"error": {"code": 402, "message": "x"}}), ErrorKind.QUOTA),
        (Answer(status=302, headers=(("location", "http://x"),)), ErrorKind.SERVER_ERROR),
        (Answer(error=ProviderError(ErrorKind.NETWORK, "down")), ErrorKind.NETWORK),
        (Answer(error=PermissionDenied("not granted")), ErrorKind.PERMISSION_DENIED),
    ],
)
async def test_a_failed_chat_is_its_kind(answer, kind):
    async with run_with(answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("hi")

    assert caught.value.kind is kind


async def test_an_endless_error_body_is_read_at_its_start_alone():
    read = []

    def pieces():
        for _ in range(1000):
            read.append(1)
            yield b"x" * 65536

    class Endless(tuple):
        def __iter__(self):
            return pieces()

        def __bool__(self):
            return True

    async with run_with(Answer(status=500, pieces=Endless())) as run:
        with pytest.raises(ProviderError):
            await run.chat("hi")

    assert len(read) <= 2


async def test_what_cannot_be_sent_is_warned_of_in_both_ways_of_answering():
    history = Message(MessageRole.ASSISTANT, (Thinking("hm"),))
    request = ChatRequest(messages=(history, Message.of_text("user", "hi")))

    async with run_with(Answer.of_json(CHAT), Answer.of_events(*CHUNKS)) as run:
        response = await run.chat(request)
        finish = (await run.stream(request))[-1]

    assert isinstance(finish, Finish)
    assert [w.code for w in response.warnings] == ["thinking_dropped"]
    assert [w.code for w in finish.warnings] == ["thinking_dropped"]


async def test_the_operator_says_how_the_server_wants_its_fields():
    request = ChatRequest(messages=(Message.of_text("user", "hi"),), max_output_tokens=5)
    answer = Answer.of_events(*CHUNKS)

    async with run_with(
        answer, max_tokens_field="max_completion_tokens", stream_usage=False
    ) as run:
        await run.stream(request)

    sent = run.requests[0].json
    assert sent["max_completion_tokens"] == 5
    assert "stream_options" not in sent


async def test_embeddings_ask_their_own_model():
    async with run_with(Answer.of_json(EMBEDDINGS), embedding_model="e") as run:
        response = await run.embed("hi")

    assert response.embeddings == ((0.5, 1.0),)
    assert run.requests[0].url.endswith("/v1/embeddings")
    assert run.requests[0].json == {"model": "e", "input": ["hi"]}


async def test_fewer_embeddings_than_inputs_are_malformed():
    async with run_with(Answer.of_json(EMBEDDINGS)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.embed(EmbeddingRequest.of_texts("a", "b"))

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


async def test_models_are_listed_and_health_asks_for_them():
    models = Answer.of_json({"data": [{"id": "a"}, {"id": "b"}]})

    async with run_with(models, models) as run:
        listed, health = await run.list_models(), await run.check_health()

    assert [model.id for model in listed] == ["a", "b"]
    assert health.ok
    assert [request.url for request in run.requests] == ["http://127.0.0.1:9/v1/models"] * 2


async def test_a_server_that_refuses_is_not_well_and_says_why():
    async with run_with(Answer.of_json({"error": {"message": "bad key"}}, status=401)) as run:
        health = await run.check_health()

    assert not health.ok
    assert "auth" in health.detail


async def test_a_missing_grant_is_no_illness():
    async with run_with(Answer(error=PermissionDenied("not granted"))) as run:
        with pytest.raises(PermissionDenied):
            await run.check_health()
