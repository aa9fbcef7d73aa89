"""`openai`: embeddings, images, sound, and the list of models."""

from __future__ import annotations

import base64
import io
import json
import struct
import warnings
from typing import Any

import openai as sdk
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.system.sdks.vendors import SSE, Vendors
from tests.system.upstreams import PIXEL, Says
from tests.system.vendor_wires import WAVE

EMBEDDING = "openai/text-embedding-3-small"
IMAGE = "openai/gpt-image-1"
HEARING = "openai/whisper-1"
SPEAKING = "openai/gpt-4o-mini-tts"
VECTORS = [[0.25, -1.5, 3.0], [0.0, 2.0, 1.0]]  # as float32 has them exactly


def embedded(vectors: list[list[float]]) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(vectors)
    ]
    return {
        "object": "list", "model": "m", "data": data,
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }  # fmt: skip


@pytest.mark.parametrize("format", [None, "float"], ids=["the SDK's base64", "float"])
def test_texts_become_vectors(openai: OpenAI, vendors: Vendors, format: Any) -> None:
    vendors.say("openai", embedded(VECTORS))
    asked = {} if format is None else {"encoding_format": format}

    answer = openai.embeddings.create(model=EMBEDDING, input=["a", "b"], dimensions=3, **asked)

    assert [one.embedding for one in answer.data] == VECTORS
    assert [one.index for one in answer.data] == [0, 1]
    assert answer.usage.total_tokens == 2
    sent = vendors.last.json
    assert (sent["input"], sent["dimensions"]) == (["a", "b"], 3)
    assert sent["model"] == "text-embedding-3-small"


def test_base64_is_of_small_endian_floats(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", embedded(VECTORS[:1]))

    raw = openai.embeddings.with_raw_response.create(
        model=EMBEDDING, input="a", encoding_format="base64"
    )

    said = json.loads(raw.text)["data"][0]["embedding"]
    assert struct.unpack("<3f", base64.b64decode(said)) == tuple(VECTORS[0])


async def test_vectors_come_to_the_async_client(aopenai: AsyncOpenAI, vendors: Vendors) -> None:
    vendors.say("openai", embedded(VECTORS[:1]))

    answer = await aopenai.embeddings.create(model=EMBEDDING, input="a")

    assert answer.data[0].embedding == VECTORS[0]


def test_fewer_vectors_than_texts_are_an_error(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", embedded(VECTORS[:1]))

    with pytest.raises(sdk.InternalServerError) as caught:
        openai.embeddings.create(model=EMBEDDING, input=["a", "b"])

    assert caught.value.status_code == 502


def test_an_image_comes_inline(openai: OpenAI, vendors: Vendors) -> None:
    drawn = base64.b64encode(PIXEL).decode()
    vendors.say("openai", {"created": 1, "data": [{"b64_json": drawn}], "size": "1024x1024"})

    answer = openai.images.generate(model=IMAGE, prompt="a cat", n=1, size="1024x1024")

    assert answer.data is not None
    assert answer.data[0].b64_json is not None
    assert base64.b64decode(answer.data[0].b64_json) == PIXEL
    sent = vendors.last.json
    assert (sent["prompt"], sent["size"], sent["model"]) == ("a cat", "1024x1024", "gpt-image-1")


def test_an_image_comes_by_its_url(openai: OpenAI, vendors: Vendors) -> None:
    url = "https://images.example/cat.png"
    vendors.say("openai", {"created": 1, "data": [{"url": url, "revised_prompt": "one cat"}]})

    answer = openai.images.generate(model="openai/dall-e-3", prompt="a cat", response_format="url")

    assert answer.data is not None
    assert (answer.data[0].url, answer.data[0].revised_prompt) == (url, "one cat")
    assert vendors.last.json["response_format"] == "url"


async def test_an_image_is_edited_for_the_async_client(
    aopenai: AsyncOpenAI, vendors: Vendors
) -> None:
    drawn = base64.b64encode(PIXEL).decode()
    vendors.say("openai", {"created": 1, "data": [{"b64_json": drawn}]})

    answer = await aopenai.images.edit(
        model=IMAGE, prompt="with a hat", image=("cat.png", PIXEL, "image/png")
    )

    assert answer.data is not None
    assert answer.data[0].b64_json == drawn
    assert vendors.last.path.endswith("/images/edits")
    told = vendors.last.body
    assert PIXEL in told or drawn.encode() in told
    assert b"with a hat" in told


def sound() -> tuple[str, io.BytesIO]:
    return "a.wav", io.BytesIO(WAVE)


def test_sound_becomes_text(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", {"text": "good day"})

    answer = openai.audio.transcriptions.create(
        model=HEARING, file=sound(), language="en", prompt="names", temperature=0.5
    )

    assert answer.text == "good day"
    form = vendors.last.body
    assert WAVE in form
    for said in (b"whisper-1", b'name="language"\r\n\r\nen', b'name="prompt"\r\n\r\nnames'):
        assert said in form


@pytest.mark.parametrize(
    ("format", "expected"),
    [("text", "good day\n"), ("srt", "1\n00:00:00,000 --> 00:00:01,500\ngood day\n")],
)
def test_sound_becomes_plain_text(
    openai: OpenAI, vendors: Vendors, format: Any, expected: str
) -> None:
    segment = {"id": 0, "start": 0.0, "end": 1.5, "text": "good day"}
    vendors.say("openai", {"text": "good day", "duration": 1.5, "segments": [segment]})

    answer: Any = openai.audio.transcriptions.create(
        model=HEARING, file=sound(), response_format=format
    )

    assert answer.rstrip("\n") == expected.rstrip("\n")


def test_words_and_segments_have_their_times(openai: OpenAI, vendors: Vendors) -> None:
    segment = {"id": 0, "start": 0.0, "end": 1.5, "text": "good day", "avg_logprob": -0.25}
    words = [{"word": "good", "start": 0.0, "end": 0.5}, {"word": "day", "start": 0.75, "end": 1.5}]
    vendors.say(
        "openai",
        {"task": "transcribe", "language": "english", "duration": 1.5, "text": "good day",
         "segments": [segment], "words": words},
    )  # fmt: skip

    answer = openai.audio.transcriptions.create(
        model=HEARING,
        file=sound(),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert (answer.text, answer.language, float(answer.duration)) == ("good day", "english", 1.5)
    assert answer.words is not None
    assert answer.segments is not None
    assert [(one.word, one.start, one.end) for one in answer.words] == [
        ("good", 0.0, 0.5),
        ("day", 0.75, 1.5),
    ]
    assert (answer.segments[0].text, answer.segments[0].end) == ("good day", 1.5)


def test_a_transcript_streams(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", {"text": "good day"})

    stream = openai.audio.transcriptions.create(
        model="openai/gpt-4o-transcribe", file=sound(), stream=True
    )
    with stream:
        events = list(stream)

    deltas = [one.delta for one in events if one.type == "transcript.text.delta"]
    assert "".join(deltas) == "good day"
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == "good day"


async def test_sound_is_translated_for_the_async_client(
    aopenai: AsyncOpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", {"text": "good day"})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's, of the whole endpoint
        answer = await aopenai.audio.translations.create(model=HEARING, file=sound())

    assert answer.text == "good day"
    assert vendors.last.path.endswith("/audio/translations")


SPOKEN = Says(body=WAVE * 1000, headers=("content-type: audio/wav",))


def test_text_becomes_sound(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", SPOKEN)

    answer = openai.audio.speech.create(
        model=SPEAKING, input="good day", voice="alloy", response_format="wav", speed=1.25
    )

    assert answer.read() == WAVE * 1000
    assert answer.response.headers["content-type"] == "audio/wav"
    sent = vendors.last.json
    assert (sent["input"], sent["voice"]) == ("good day", "alloy")
    assert (sent["response_format"], sent["speed"]) == ("wav", 1.25)


def test_sound_is_read_in_pieces(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", SPOKEN)

    with openai.audio.speech.with_streaming_response.create(
        model=SPEAKING, input="good day", voice="alloy"
    ) as answer:
        pieces = list(answer.iter_bytes(4096))

    assert len(pieces) > 1
    assert b"".join(pieces) == WAVE * 1000


async def test_sound_comes_to_the_async_client(aopenai: AsyncOpenAI, vendors: Vendors) -> None:
    vendors.say("openai", SPOKEN)

    answer = await aopenai.audio.speech.create(model=SPEAKING, input="good day", voice="alloy")

    assert answer.content == WAVE * 1000


def test_models_are_listed(openai: OpenAI) -> None:
    listed = list(openai.models.list())

    ids = [one.id for one in listed]
    assert ids[:2] == ["auto", "quick"]
    assert {"openai/gpt-4.1", "gemini/gemini-2.5-flash", "anthropic/claude-sonnet-5"} <= {*ids}
    assert len(set(ids)) == len(ids)
    assert {one.object for one in listed} == {"model"}


async def test_models_are_listed_for_the_async_client(aopenai: AsyncOpenAI) -> None:
    assert "openai/gpt-4.1" in [one.id async for one in aopenai.models.list()]


@pytest.mark.parametrize("name", ["openai/gpt-4.1", "gpt-4.1"])
def test_a_model_is_retrieved(openai: OpenAI, name: str) -> None:
    found = openai.models.retrieve(name)

    assert (found.id, found.owned_by) == ("openai/gpt-4.1", "openai")


def test_an_unknown_model_is_not_retrieved(openai: OpenAI) -> None:
    with pytest.raises(sdk.NotFoundError) as caught:
        openai.models.retrieve("openai/gpt-4.1-mnii")

    assert "openai/gpt-4.1-mini" in caught.value.message


def test_an_image_comes_as_a_stream_of_one(openai: OpenAI, vendors: Vendors) -> None:
    drawn = base64.b64encode(PIXEL).decode()
    vendors.say("openai", {"created": 1, "data": [{"b64_json": drawn}]})

    with openai.images.generate(model=IMAGE, prompt="a cat", stream=True) as stream:
        events = list(stream)

    assert [one.type for one in events] == ["image_generation.completed"]
    assert events[0].b64_json == drawn


def test_a_vendors_stream_in_place_of_json_is_an_error(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", Says(body=b"data: {}\n\n", headers=(SSE,)))

    with pytest.raises(sdk.InternalServerError):
        openai.embeddings.create(model=EMBEDDING, input="a")
