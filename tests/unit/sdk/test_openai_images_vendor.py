"""A provider's images and rankings on OpenAI's wire: where they are asked for, and what fails."""

import base64

import pytest

from stockade_sdk import ErrorKind, Image, ImageRequest, ProviderError, RerankRequest
from stockade_sdk.multipart import decode_form
from stockade_sdk.testing import Answer, provider_under_test
from stockade_sdk.vendor.openai_media import OpenAIImages, Reranking

PNG = b"\x89PNG\r\n\x1a\n"
GOOD = {"data": [{"b64_json": base64.b64encode(PNG).decode()}]}
EDIT = ImageRequest(prompt="x", model="m", images=(Image(data=PNG),))


class Plain(OpenAIImages, Reranking):
    """As OpenAI has it."""


class Forms(OpenAIImages):
    edits_as_form = True


class Broker(OpenAIImages):
    images_path = edits_path = "images"
    images_field = "input_references"


def running(provider, *answers, **config):
    settings = {"base_url": "https://h/v1", **config}
    return provider_under_test(provider, config=settings, respond=answers)


async def test_words_become_images():
    async with running(Plain, Answer.of_json(GOOD), image_model="configured") as run:
        response = await run.generate_image(ImageRequest(prompt="a cat"))

    assert response.images[0].data == PNG
    request = run.requests[0]
    assert (request.method, request.url) == ("POST", "https://h/v1/images/generations")
    assert request.json == {"model": "configured", "prompt": "a cat"}


async def test_an_edit_is_json_where_the_vendor_takes_it():
    async with running(Plain, Answer.of_json(GOOD)) as run:
        await run.generate_image(EDIT)

    assert run.requests[0].url == "https://h/v1/images/edits"
    assert run.requests[0].json["images"][0]["image_url"].startswith("data:image/png;base64,")


async def test_an_edit_is_a_form_where_it_must_be():
    async with running(Forms, Answer.of_json(GOOD)) as run:
        await run.generate_image(EDIT)

    fields = decode_form(run.requests[0].body, run.requests[0].headers["content-type"])
    assert [(field.name, field.filename) for field in fields] == [
        ("model", None),
        ("prompt", None),
        ("image", "image-1.png"),
    ]
    assert fields[2].data == PNG


async def test_a_broker_has_one_path_and_its_own_names():
    async with running(Broker, Answer.of_json(GOOD)) as run:
        await run.generate_image(EDIT)

    assert run.requests[0].url == "https://h/v1/images"
    assert "input_references" in run.requests[0].json


async def test_fewer_images_than_asked_for_are_warned_of():
    async with running(Plain, Answer.of_json(GOOD)) as run:
        response = await run.generate_image(ImageRequest(prompt="x", n=3))

    assert [warning.code for warning in response.warnings] == ["image_count_mismatch"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(pieces=(b"<html>hi</html>",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer(pieces=(b"",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer(pieces=(b'{"data": [{"b64',)), ErrorKind.MALFORMED_RESPONSE),
        (Answer.of_json({"data": []}), ErrorKind.MALFORMED_RESPONSE),
        (
            Answer.of_json(
                {"error": {"code": "content_policy_violation", "message": "x"}}, status=400
            ),
            ErrorKind.CONTENT_FILTER,
        ),
        (Answer.of_json({"error": {"message": "x"}}, status=401), ErrorKind.AUTH),
    ],
)
async def test_an_answer_without_images_is_its_kind(answer, kind):
    async with running(Plain, answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.generate_image(ImageRequest(prompt="x"))

    assert caught.value.kind is kind


async def test_documents_are_ranked():
    results = {"results": [{"index": 1, "relevance_score": 0.5}]}

    async with running(Plain, Answer.of_json(results), rerank_model="r") as run:
        response = await run.rerank(RerankRequest(query="q", documents=("a", "b"), top_n=1))

    assert [result.index for result in response.results] == [1]
    assert run.requests[0].url == "https://h/v1/rerank"
    assert run.requests[0].json == {
        "model": "r",
        "query": "q",
        "documents": ["a", "b"],
        "top_n": 1,
    }


async def test_a_result_beyond_the_documents_is_malformed():
    results = {"results": [{"index": 2, "relevance_score": 0.5}]}

    async with running(Plain, Answer.of_json(results)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.rerank(RerankRequest(query="q", documents=("a", "b")))

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE
