"""The in-process run that plugin authors test with."""

import pytest

from stockade_sdk import (
    ChatRequest,
    ChatResponse,
    EmbeddingResponse,
    ErrorKind,
    Finish,
    HealthReport,
    ModelInfo,
    ProviderError,
    TextDelta,
    TextEnd,
    TextStart,
)
from stockade_sdk.testing import Answer, LogRecord, SentRequest, provider_under_test


class Asking:
    async def chat(self, request, ctx):
        ctx.log.info("asking", model=request.model)
        response = await ctx.http.request(
            "post", "https://a.example/x", headers={"X-Key": ctx.secret("KEY")}, json={"q": 1}
        )
        return ChatResponse.of_text(f"{response.status} {response.text} {ctx.config['mode']}")


class Streaming:
    async def stream_chat(self, request, ctx):
        yield "a"
        yield "b"


class Odd:
    async def chat(self, request, ctx):
        return "text"

    def list_models(self, ctx):
        return [ModelInfo(id="m")]

    def check_health(self, ctx):
        return HealthReport(ok=True)

    async def embed(self, request, ctx):
        return EmbeddingResponse(embeddings=((1.0,),))


async def test_requests_and_logs_can_be_looked_at():
    async with provider_under_test(
        Asking,
        config={"mode": "fast"},
        secrets={"KEY": "placeholder"},
        respond=[Answer.of_json("hello", status=201)],
    ) as run:
        response = await run.chat(ChatRequest.of_text("hi", model="m"))

    assert response.text == '201 "hello" fast'
    (sent,) = run.requests
    assert (sent.method, sent.url, sent.json) == ("POST", "https://a.example/x", {"q": 1})
    assert sent.headers["x-key"] == "placeholder"
    assert run.logs == [LogRecord("info", "asking", {"model": "m"})]


async def test_answers_may_come_from_a_function_of_the_request():
    def respond(request: SentRequest) -> Answer:
        return Answer.of_json(request.url)

    async def later(request: SentRequest) -> Answer:
        return respond(request)

    for way in (respond, later):
        async with provider_under_test(
            Asking, config={"mode": ""}, secrets={"KEY": "k"}, respond=way
        ) as run:
            assert "https://a.example/x" in (await run.chat("hi")).text


async def test_a_request_beyond_the_answers_fails_the_test():
    async with provider_under_test(Asking, config={"mode": ""}, secrets={"KEY": "k"}) as run:
        with pytest.raises(
            AssertionError, match=r"no answer is left for POST https://a\.example/x"
        ):
            await run.chat("hi")


async def test_plain_strings_are_one_text_block_and_a_missing_finish_is_a_stop():
    async with provider_under_test(Streaming) as run:
        events = await run.stream("hi")
        response = await run.chat("hi")

    assert events == [
        TextStart("text"),
        TextDelta("text", "a"),
        TextDelta("text", "b"),
        TextEnd("text"),
        Finish(),
    ]
    assert response == ChatResponse.of_text("ab")


async def test_a_provider_without_a_stream_has_its_answer_unfolded():
    class Whole:
        async def chat(self, request, ctx):
            return ChatResponse.of_text("ab")

    async with provider_under_test(Whole()) as run:
        assert TextDelta("0", "ab") in await run.stream("hi")


async def test_an_answer_of_the_wrong_type_is_a_type_error():
    async with provider_under_test(Odd) as run:
        with pytest.raises(TypeError, match="chat returned str, not ChatResponse"):
            await run.chat("hi")


async def test_methods_may_be_plain_functions():
    async with provider_under_test(Odd) as run:
        assert [model.id for model in await run.list_models()] == ["m"]
        assert (await run.check_health()).ok
        assert (await run.embed("x")).embeddings == ((1.0,),)


async def test_a_method_that_is_missing_is_unsupported():
    async with provider_under_test(Streaming) as run:
        with pytest.raises(ProviderError) as caught:
            await run.embed("x")

    assert caught.value.kind is ErrorKind.UNSUPPORTED


async def test_an_undeclared_secret_is_refused_as_in_a_worker():
    async with provider_under_test(Asking, config={"mode": ""}) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("hi")

    assert "[[permissions.secrets]]" in caught.value.message
