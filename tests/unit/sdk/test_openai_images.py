"""Images on OpenAI's wire: what is sent, what is made of answers, good and bad."""

import base64

import msgspec
import pytest

from stockade_sdk import ErrorKind, Image, ImageRequest, ImageResponse, ProviderError
from stockade_sdk.capability import PricingSource
from stockade_sdk.dialects import openai_images
from stockade_sdk.multipart import FormField

PNG = b"\x89PNG\r\n\x1a\n-picture"
B64 = base64.b64encode(PNG).decode()
DATA_URL = f"data:image/png;base64,{B64}"


def encoded(request, **how):
    return openai_images.encode_request(request, **how)[0]


def decoded(payload):
    return openai_images.decode_request(payload)


def codes(warnings):
    return [warning.code for warning in warnings]


def test_every_setting_of_a_request_is_sent():
    request = ImageRequest(
        prompt="a cat",
        model="m",
        n=2,
        size="1024x1024",
        quality="low",
        style="vivid",
        background="transparent",
        output_format="webp",
        seed=7,
    )

    assert encoded(request) == {
        "model": "m",
        "prompt": "a cat",
        "n": 2,
        "seed": 7,
        "size": "1024x1024",
        "quality": "low",
        "style": "vivid",
        "background": "transparent",
        "output_format": "webp",
    }
    assert decoded(encoded(request)) == request


def test_images_to_start_from_are_sent_inline_by_url_or_by_the_vendors_id():
    images = (
        Image(data=PNG, media_type="image/png"),
        Image(url="https://h/a.png"),
        Image(url="file-id:file-1"),
    )
    request = ImageRequest(prompt="x", images=images, mask=Image(data=PNG))

    payload = encoded(request)

    assert payload["images"] == [
        {"image_url": DATA_URL},
        {"image_url": "https://h/a.png"},
        {"file_id": "file-1"},
    ]
    assert payload["mask"] == {"image_url": DATA_URL}
    assert openai_images.is_edit(request)
    assert decoded(payload).images == images


@pytest.mark.parametrize(
    "payload",
    [
        {"prompt": "x", "images": [{"image_url": DATA_URL, "detail": "high"}], "user": "u"},
        {"prompt": "x", "images": [DATA_URL, "https://h/a.png"]},
        {"prompt": "x", "images": [{"image_url": f"data:image/png;a=b;base64,{B64}"}]},
        {"prompt": "x", "size": None, "n": None, "response_format": "b64_json", "moderation": 1},
        {"prompt": "x", "n": "2", "seed": -1, "quality": {"a": 1}},
        {
            "prompt": "x",
            "input_references": [{"type": "image_url", "image_url": {"url": DATA_URL}, "x": 1}],
            "provider": {"only": ["a"]},
        },
    ],
)
def test_what_a_client_said_comes_out_as_it_went_in(payload):
    request = msgspec.msgpack.decode(msgspec.msgpack.encode(decoded(payload)), type=ImageRequest)

    assert openai_images.encode_request(request) == (payload, ())


def test_a_vendor_may_have_another_name_for_images():
    request = decoded({"prompt": "x", "images": [{"image_url": DATA_URL}]})

    assert encoded(request, images_field="input_references") == {
        "prompt": "x",
        "input_references": [{"type": "image_url", "image_url": {"url": DATA_URL}}],
    }


def test_streams_of_images_are_not_asked_for():
    request = decoded({"prompt": "x", "stream": True, "partial_images": 2})

    payload, warnings = openai_images.encode_request(request)

    assert payload == {"prompt": "x"}
    assert codes(warnings) == ["setting_dropped", "setting_dropped"]


def test_options_cannot_replace_what_the_request_says():
    options = {"openai_images": {"prompt": "other", "user": "u"}, "gemini": {"user": "v"}}
    request = ImageRequest(prompt="mine", provider_options=options)

    payload, warnings = openai_images.encode_request(request)

    assert payload == {"prompt": "mine", "user": "u"}
    assert codes(warnings) == ["provider_option_ignored"]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        {"prompt": 1},
        {"prompt": "x", "images": "y"},
        {"prompt": "x", "images": [{}]},
        {"prompt": "x", "images": [""]},
        {"prompt": "x", "images": [{"image_url": "data:image/png;base64,%%%"}]},
        {"prompt": "x", "images": ["DATA:text/plain,hello"]},
        {"prompt": "x", "mask": {"image_url": "data:image/png;base64"}},
        {"prompt": "x", "mask": 1},
    ],
)
def test_a_request_that_cannot_be_read_is_invalid(payload):
    with pytest.raises(ProviderError) as caught:
        decoded(payload)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_a_form_has_the_images_as_files_and_the_rest_as_text():
    request = ImageRequest(
        prompt="x", model="m", n=2, images=(Image(data=PNG),), mask=Image(url=DATA_URL)
    )

    fields, warnings = openai_images.encode_form(request)

    assert fields == (
        FormField("model", "m"),
        FormField("prompt", "x"),
        FormField("n", "2"),
        FormField("image", PNG, "image-1.png", "image/png"),
        FormField("mask", PNG, "mask.png", "image/png"),
    )
    assert warnings == ()


def test_a_clients_form_comes_out_as_it_went_in():
    fields = (
        FormField("model", "m"),
        FormField("prompt", "x"),
        FormField("n", "02"),
        FormField("input_fidelity", "high"),
        FormField("image[]", PNG, "cat.png", "image/png"),
        FormField("image[]", b"\xff\xd8\xff", "dog.jpg", "image/jpeg"),
    )

    request = openai_images.decode_form(fields)

    assert (request.n, request.model) == (2, "m")
    assert sorted(openai_images.encode_form(request)[0]) == sorted(fields)


def test_a_form_decoded_can_be_sent_as_json():
    request = openai_images.decode_form(
        (FormField("prompt", "x"), FormField("image", PNG, "cat.png", "image/png"))
    )

    assert encoded(request) == {"prompt": "x", "images": [{"image_url": DATA_URL}]}


def test_an_image_by_url_has_no_place_in_a_form():
    with pytest.raises(ProviderError) as caught:
        openai_images.encode_form(ImageRequest(prompt="x", images=(Image(url="https://h/a"),)))

    assert caught.value.kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize(
    "fields",
    [
        (FormField("image", PNG, "a"),),
        (FormField("prompt", "x"), FormField("image", b"", "a")),
        (FormField("prompt", "x"), FormField("mask", "", "a")),
        (FormField("prompt", "x"), FormField("image", b"hello", "a.txt", "text/plain")),
        (FormField("prompt", "x"), FormField("image", b"hello", "a")),
        (FormField("prompt", "x"), FormField("image", "hello")),
    ],
)
def test_a_form_that_cannot_be_read_is_invalid(fields):
    with pytest.raises(ProviderError) as caught:
        openai_images.decode_form(fields)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_an_item_may_hold_bytes_for_a_writer_that_makes_base64():
    response = ImageResponse(images=(Image(data=PNG), Image(url="https://h/a")))

    (whole, elsewhere) = openai_images.encode_images(response, as_bytes=True)

    assert (whole, elsewhere) == ({"b64_json": PNG}, {"url": "https://h/a"})
    assert msgspec.json.decode(msgspec.json.encode(whole)) == {"b64_json": B64}


def test_an_answer_gives_images_prompts_counts_and_cost():
    answer = {
        "created": 5,
        "size": "1024x1024",
        "data": [{"b64_json": B64, "revised_prompt": "a small cat"}, {"url": "https://h/a.png"}],
        "usage": {
            "input_tokens": 10,
            "output_tokens": 20,
            "total_tokens": 30,
            "input_tokens_details": {"cached_tokens": 4, "text_tokens": 6},
            "cost": 0.25,
        },
    }

    response = openai_images.decode_response(answer, expected=2)

    assert [image.data for image in response.images] == [PNG, None]
    assert response.images[1].url == "https://h/a.png"
    assert response.images[0].media_type == "image/png"
    assert response.revised_prompts == ("a small cat", None)
    usage = response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens) == (10, 20, 4)
    assert response.cost is not None
    assert response.cost.total_cost == "0.25"
    assert response.cost.pricing_source is PricingSource.PROVIDER_REPORTED
    assert response.warnings == ()
    assert openai_images.encode_response(response) == answer


def test_counts_that_were_not_given_stay_unknown():
    response = openai_images.decode_response({"data": [{"b64_json": B64}], "usage": {"images": 1}})

    assert response.usage is None
    assert openai_images.encode_response(response)["usage"] == {"images": 1}


def test_a_client_that_wants_urls_gets_the_bytes_in_one():
    response = openai_images.decode_response({"data": [{"b64_json": B64}]})

    encoded = openai_images.encode_response(response, as_url=True, created=9)

    assert encoded == {"created": 9, "data": [{"url": DATA_URL}]}


@pytest.mark.parametrize(
    ("item", "top", "media_type"),
    [
        ({"media_type": "image/avif"}, {}, "image/avif"),
        ({}, {"output_format": "webp"}, "image/webp"),
        ({}, {}, "image/png"),
    ],
)
def test_the_type_of_an_image_is_what_the_vendor_says(item, top, media_type):
    answer = {"data": [{"b64_json": base64.b64encode(b"??").decode(), **item}], **top}

    assert openai_images.decode_response(answer).images[0].media_type == media_type


@pytest.mark.parametrize(
    ("expected", "warned"), [(None, []), (1, []), (2, ["image_count_mismatch"])]
)
def test_another_number_of_images_is_warned_of(expected, warned):
    response = openai_images.decode_response({"data": [{"b64_json": B64}]}, expected=expected)

    assert codes(response.warnings) == warned


def test_an_item_without_an_image_is_warned_of_where_others_have_one():
    response = openai_images.decode_response({"data": [{"b64_json": B64}, {"b64_json": None}]})

    assert len(response.images) == 1
    assert codes(response.warnings) == ["image_missing"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        [],
        {},
        {"data": None},
        {"data": []},
        {"data": [{}]},
        {"data": ["x"]},
        {"data": [{"b64_json": "%%%"}]},
        {"data": [{"b64_json": "abc"}]},
        {"data": [{"b64_json": 5, "url": ""}]},
    ],
)
def test_an_answer_without_images_is_malformed(answer):
    with pytest.raises(ProviderError) as caught:
        openai_images.decode_response(answer)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def test_an_error_inside_a_good_status_is_that_error():
    with pytest.raises(ProviderError) as caught:
        openai_images.decode_response({"error": {"message": "slow down", "code": 429}})

    assert caught.value.kind is ErrorKind.RATE_LIMITED
