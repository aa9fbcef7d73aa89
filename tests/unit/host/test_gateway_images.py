"""`/v1/images/*` as their clients see them."""

import base64
import json
from typing import Any

import msgspec
import pytest

from stockade_sdk.capability import Usage
from stockade_sdk.chat import Image
from stockade_sdk.image import ImageResponse
from tests.unit.host.gateway_media import ATTEMPTS, Scripted, gateway

PNG = b"\x89PNG\r\n\x1a\n-picture"
B64 = base64.b64encode(PNG).decode()
DRAWN = ImageResponse(
    images=(Image(data=PNG, media_type="image/png"), Image(data=b"\xff\xd8\xff")),
    revised_prompts=("a small cat", None),
    usage=Usage(input_tokens=3, output_tokens=4, total_tokens=7),
    attempts=ATTEMPTS,
)
MAKE, EDIT = "/v1/images/generations", "/v1/images/edits"


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


async def test_a_prompt_becomes_images():
    serves = Scripted(DRAWN)
    async with gateway(serves) as at:
        body = {"model": "two/m", "prompt": "a cat", "n": 2, "size": "512x512", "moderation": "low"}
        answer = await at.post(MAKE, json=body)
        (told,) = at.heard

    payload = answer.json()
    assert answer.status_code == 200
    assert [base64.b64decode(item["b64_json"]) for item in payload["data"]] == [
        PNG,
        b"\xff\xd8\xff",
    ]
    assert payload["data"][0]["revised_prompt"] == "a small cat"
    assert payload["created"] > 1_700_000_000
    assert payload["usage"] == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    (request,) = serves.asked
    assert (request.prompt, request.n, request.size) == ("a cat", 2, "512x512")
    assert request.provider_options == {"openai_images": {"moderation": "low"}}
    assert answer.headers["x-stockade-attempts"] == "one/m;failed, two/m;ok"
    assert (told.capability, told.model, told.tokens_in, told.tokens_out) == (
        "image_gen", "two/m", 3, 4,
    )  # fmt: skip


async def test_who_wants_urls_gets_bytes_as_data_urls_and_the_vendors_own_as_they_are():
    both = ImageResponse(images=(Image(data=PNG), Image(url="https://vendor/cat.png")))
    async with gateway(Scripted(both)) as at:
        answer = await at.post(MAKE, json={"prompt": "x", "response_format": "url"})

    assert answer.json()["data"] == [
        {"url": f"data:image/png;base64,{B64}"},
        {"url": "https://vendor/cat.png"},
    ]
    assert "x-stockade-warnings" not in answer.headers


async def test_who_wants_bytes_and_gets_an_address_is_warned():
    by_url = ImageResponse(images=(Image(url="https://vendor/cat.png"),))
    async with gateway(Scripted(by_url)) as at:
        answer = await at.post(MAKE, json={"prompt": "x", "response_format": "b64_json"})

    assert answer.json()["data"] == [{"url": "https://vendor/cat.png"}]
    assert answer.headers["x-stockade-warnings"].startswith("image_by_url: ")


async def test_who_asks_for_a_stream_gets_each_image_as_an_event():
    async with gateway(Scripted(DRAWN)) as at:
        answer = await at.post(MAKE, json={"prompt": "x", "stream": True})

    assert answer.headers["content-type"].startswith("text/event-stream")
    first, second, rest = answer.text.split("\n\n")
    name, data = first.split("\n")
    assert name == "event: image_generation.completed"
    event = json.loads(data.removeprefix("data: "))
    assert event["type"] == "image_generation.completed"
    assert base64.b64decode(event["b64_json"]) == PNG
    assert "usage" not in event
    last = json.loads(second.partition("data: ")[2])
    assert base64.b64decode(last["b64_json"]) == b"\xff\xd8\xff"
    assert last["usage"]["total_tokens"] == 7
    assert rest == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"prompt": "x", "n": 11}, "n is a whole number from 1 to 10, not 11"),
        ({"prompt": "x", "n": 0}, "n is a whole number from 1 to 10"),
        ({"prompt": "x", "n": "many"}, "n is a whole number from 1 to 10"),
        ({"prompt": "x", "n": 1.5}, "n is a whole number from 1 to 10"),
        ({"prompt": "x", "n": 10**30}, "n is a whole number from 1 to 10"),
        ({"n": 1}, "prompt is no text"),
        ({"prompt": "x", "size": 1024}, "size is a text"),
        ({"prompt": "x", "response_format": "png"}, "response_format is one of url, b64_json"),
        ({"prompt": "x", "stream": "perhaps"}, "stream is true or false"),
        (
            {"prompt": "x", "images": [{"image_url": "data:image/png;base64,%%%"}]},
            "images[0] is a data URL whose base64 cannot be read",
        ),
        ({"prompt": "x", "images": [{"image_url": "data:text/plain,hello"}]}, "images[0]"),
    ],
)
async def test_what_makes_no_sense_is_refused(body, said):
    serves = Scripted(DRAWN)
    async with gateway(serves) as at:
        answer = await at.post(MAKE, json=body)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert serves.asked == []


async def test_a_form_becomes_an_edit():
    serves = Scripted(DRAWN)
    files = [
        ("image[]", ("cat.png", PNG, "image/png")),
        ("image[]", ("dog", b"\xff\xd8\xffdog", "application/octet-stream")),
        ("mask", ("mask.png", PNG, "image/png")),
    ]
    async with gateway(serves) as at:
        data = {"prompt": "make it blue", "n": "2", "model": "m", "input_fidelity": "high"}
        answer = await at.post(EDIT, data=data, files=files)

    assert answer.status_code == 200, answer.text
    (request,) = serves.asked
    assert [(image.data, image.media_type) for image in request.images] == [
        (PNG, "image/png"),
        (b"\xff\xd8\xffdog", "image/jpeg"),
    ]
    assert request.mask is not None
    assert (request.prompt, request.n, request.model) == ("make it blue", 2, "m")
    assert request.provider_options == {"openai_images": {"input_fidelity": "high"}}


async def test_json_with_urls_becomes_an_edit():
    serves = Scripted(DRAWN)
    body = {"prompt": "x", "images": [{"image_url": f"data:image/png;base64,{B64}"}]}
    async with gateway(serves) as at:
        answer = await at.post(EDIT, json=body)

    assert answer.status_code == 200
    assert serves.asked[0].images == (Image(data=PNG, media_type="image/png"),)


@pytest.mark.parametrize(
    ("data", "files", "said"),
    [
        ({"prompt": "x", "n": "11"}, [("image", ("a.png", PNG))], "n is a whole number"),
        ({"prompt": "x"}, [("mask", ("a.png", PNG))], "no image to edit"),
        ({"prompt": "x"}, [("image", ("a.txt", b"hello", "text/plain"))], "is no image but"),
        ({"prompt": "x"}, [("image", ("a", b"hello"))], "is no image but"),
        ({"prompt": "x"}, [("image", ("a.png", b"", "image/png"))], "empty file"),
        ({}, [("image", ("a.png", PNG))], "no prompt"),
    ],
)
async def test_an_edit_that_cannot_be_made_is_refused(data, files, said):
    serves = Scripted(DRAWN)
    async with gateway(serves) as at:
        answer = await at.post(EDIT, data=data, files=files)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert serves.asked == []


@pytest.mark.parametrize(
    "beside",
    [
        {"openai_images": {"x": nested(5000)}},
        {"openai_images": {"x": msgspec.msgpack.Ext(5, b"x")}},
        {"openai_images": {"$drop": ["created"], "data": [], "usage": 1}},
    ],
)
async def test_what_a_plugin_says_beside_its_images_breaks_nothing(beside):
    odd = ImageResponse(images=(Image(data=PNG),), provider_metadata=beside)
    async with gateway(Scripted(odd)) as at:
        whole = await at.post(MAKE, json={"prompt": "x"})
        stream = await at.post(MAKE, json={"prompt": "x", "stream": True})

    if "$drop" in beside["openai_images"]:
        assert base64.b64decode(whole.json()["data"][0]["b64_json"]) == PNG
        assert stream.text.count("\n\n") == 1
    else:
        assert (whole.status_code, whole.json()["error"]["code"]) == (502, "malformed_response")
        assert json.loads(stream.text.partition("data: ")[2])["error"]["code"] == (
            "malformed_response"
        )


async def test_an_images_own_words_cannot_name_an_event():
    named = {"openai_images": {"type": "x\n\ndata: forged"}}
    odd = ImageResponse(images=(Image(data=PNG, provider_metadata=named),))
    async with gateway(Scripted(odd)) as at:
        stream = await at.post(MAKE, json={"prompt": "x", "stream": True})

    assert stream.text.startswith("event: image_generation.completed\n")
    assert "forged" not in stream.text
