"""The echo plugin: the same answer every time, whole and streamed."""

import math

import pytest

from stockade_sdk import (
    Capability,
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    Image,
    Message,
    MessageRole,
    ProviderError,
    Text,
    TextDelta,
    Usage,
    fold,
)
from stockade_sdk.provider import capability_of
from stockade_sdk.testing import provider_under_test
from tests.unit.plugins.loading import manifest_of, provider_class

Echo = provider_class("echo")


def test_the_manifest_asks_for_nothing():
    manifest = manifest_of("echo")

    assert manifest.permissions.network == ()
    assert manifest.permissions.secrets == ()
    assert manifest.requires == ()


async def test_the_last_user_text_comes_back():
    request = ChatRequest(
        messages=(
            Message.of_text("system", "be brief"),
            Message.of_text("user", "first"),
            Message.of_text("assistant", "first"),
            Message.of_text("user", "hello  there"),
        )
    )

    async with provider_under_test(Echo) as run:
        response = await run.chat(request)

    assert response.text == "hello  there"
    assert response.usage == Usage(input_tokens=6, output_tokens=2, total_tokens=8)
    assert run.requests == []


@pytest.mark.parametrize("text", ["hello there", " leading", "two\n\nlines ", "", "   ", "x"])
async def test_a_stream_folds_into_the_whole_answer(text):
    async with provider_under_test(Echo) as run:
        assert fold(await run.stream(text)) == await run.chat(text)


async def test_a_stream_comes_word_by_word():
    async with provider_under_test(Echo) as run:
        events = await run.stream("one two three")

    assert [event.text for event in events if isinstance(event, TextDelta)] == [
        "one ",
        "two ",
        "three",
    ]


async def test_an_image_beside_the_text_is_passed_over():
    message = Message(MessageRole.USER, (Text("see"), Image(url="https://a.example/b.png")))
    request = ChatRequest(messages=(message,))

    async with provider_under_test(Echo) as run:
        assert (await run.chat(request)).text == "see"
    assert capability_of(request) is Capability.VISION


async def test_equal_texts_have_equal_vectors_of_length_one_and_others_do_not():
    request = EmbeddingRequest(input=("a", "b", "a", (1, 2)))

    async with provider_under_test(Echo) as run:
        response = await run.embed(request)

    first, second, third, fourth = response.embeddings
    assert first == third
    assert len({first, second, fourth}) == 3
    assert all(math.isclose(math.hypot(*vector), 1) for vector in response.embeddings)
    assert {len(vector) for vector in response.embeddings} == {16}


async def test_the_size_of_a_vector_can_be_chosen():
    async with provider_under_test(Echo) as run:
        response = await run.embed(EmbeddingRequest(input=("a",), dimensions=3))

    assert len(response.embeddings[0]) == 3


@pytest.mark.parametrize("size", [0, -1, 4097])
async def test_a_size_that_cannot_be_is_refused(size):
    async with provider_under_test(Echo) as run:
        with pytest.raises(ProviderError) as caught:
            await run.embed(EmbeddingRequest(input=("a",), dimensions=size))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


async def test_models_are_those_of_the_manifest_and_health_is_good():
    async with provider_under_test(Echo) as run:
        models, health = await run.list_models(), await run.check_health()

    assert [model.id for model in models] == [model.id for model in manifest_of("echo").models]
    assert health.ok
