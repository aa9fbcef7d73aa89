"""The gemini plugin's images and speech."""

import base64
import io
import wave

import pytest

from stockade_sdk import (
    ErrorKind,
    Image,
    ImageRequest,
    ProviderError,
    SpeechRequest,
)
from stockade_sdk.testing import Answer
from tests.unit.plugins.gemini_answers import BASE, answer, running

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def spoken(mime="audio/L16;codec=pcm;rate=16000"):
    data = base64.b64encode(b"\x01\x00\x02\x00").decode()
    return answer({"inlineData": {"mimeType": mime, "data": data}})


async def test_images_are_what_the_model_drew():
    drawn = answer({"text": "Here."}, {"inlineData": {"mimeType": "image/png", "data": PNG}})
    request = ImageRequest(
        prompt="a cat",
        model="gemini-3-pro-image-preview",
        size="2560x1440",
        images=(Image(data=b"\x89PNG", media_type="image/png"),),
        seed=7,
    )

    async with running(drawn) as run:
        response = await run.generate_image(request)

    assert [image.data for image in response.images] == [b"\x89PNG\r\n\x1a\n"]
    assert response.provider_metadata["gemini"]["text"] == "Here."
    assert response.warnings == ()
    assert run.requests[0].url == f"{BASE}/models/gemini-3-pro-image-preview:generateContent"
    sent = run.requests[0].json
    assert [list(part) for part in sent["contents"][0]["parts"]] == [["inlineData"], ["text"]]
    assert sent["generationConfig"] == {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("model", "size", "config", "warned"),
    [
        ("gemini-2.5-flash-image", None, None, False),
        ("gemini-2.5-flash-image", "auto", None, False),
        ("gemini-2.5-flash-image", "1024x1024", {"aspectRatio": "1:1"}, False),
        ("gemini-2.5-flash-image", "2048x2048", {"aspectRatio": "1:1"}, False),
        ("gemini-3-pro-image", "4096X4096", {"aspectRatio": "1:1", "imageSize": "4K"}, False),
        ("gemini-3-pro-image", "2k", {"imageSize": "2K"}, False),
        ("gemini-2.5-flash-image", "2K", None, True),
        ("gemini-2.5-flash-image", "21:9", {"aspectRatio": "21:9"}, False),
        ("gemini-2.5-flash-image", "1000x999", None, True),
        ("gemini-2.5-flash-image", "0x0", None, True),
        ("gemini-2.5-flash-image", "huge", None, True),
    ],
)
async def test_a_size_becomes_a_ratio_and_a_size_of_googles(model, size, config, warned):
    drawn = answer({"inlineData": {"mimeType": "image/png", "data": PNG}})

    async with running(drawn) as run:
        response = await run.generate_image(ImageRequest(prompt="a", model=model, size=size))

    assert run.requests[0].json["generationConfig"].get("imageConfig") == config
    assert [w.code for w in response.warnings] == ["setting_dropped"] * warned


async def test_settings_without_a_word_and_missing_images_are_warned_of():
    drawn = answer({"inlineData": {"mimeType": "image/png", "data": PNG}})

    async with running(drawn) as run:
        response = await run.generate_image(ImageRequest(prompt="a", n=2, quality="high"))

    assert [warning.code for warning in response.warnings] == [
        "setting_dropped",
        "setting_dropped",
        "image_count_mismatch",
    ]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (answer({"text": "I would rather not."}, finish="NO_IMAGE"), ErrorKind.MALFORMED_RESPONSE),
        (answer(finish="IMAGE_SAFETY"), ErrorKind.CONTENT_FILTER),
        (
            Answer.of_json({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
            ErrorKind.CONTENT_FILTER,
        ),
    ],
)
async def test_an_answer_without_an_image_is_an_error(words, kind):
    async with running(words) as run:
        with pytest.raises(ProviderError) as caught:
            await run.generate_image(ImageRequest(prompt="a"))

    assert caught.value.kind is kind


async def test_a_mask_is_refused_before_anything_is_sent():
    picture = Image(data=b"\x89PNG", media_type="image/png")

    async with running() as run:
        with pytest.raises(ProviderError) as caught:
            await run.generate_image(ImageRequest(prompt="a", images=(picture,), mask=picture))

    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert run.requests == []


async def test_speech_is_a_file_that_players_open():
    async with running(spoken()) as run:
        response = await run.speak(SpeechRequest(input="hi", instructions="Say cheerfully"))

    assert response.audio.format == "wav"
    with wave.open(io.BytesIO(response.audio.data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        assert file.readframes(9) == b"\x01\x00\x02\x00"
    sent = run.requests[0].json
    assert sent["contents"][0]["parts"] == [{"text": "Say cheerfully: hi"}]
    assert sent["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }


@pytest.mark.parametrize(
    ("mime", "format", "found", "data"),
    [
        ("audio/L16;codec=pcm;rate=16000", "pcm", "pcm", b"\x01\x00\x02\x00"),
        ("audio/mpeg", None, "mp3", b"\x01\x00\x02\x00"),
    ],
)
async def test_sound_is_given_as_it_came_where_it_can_be(mime, format, found, data):
    async with running(spoken(mime)) as run:
        response = await run.speak(SpeechRequest(input="hi", format=format, voice="Puck"))

    assert (response.audio.format, response.audio.data) == (found, data)
    voice = run.requests[0].json["generationConfig"]["speechConfig"]["voiceConfig"]
    assert voice == {"prebuiltVoiceConfig": {"voiceName": "Puck"}}


async def test_a_speed_is_dropped_with_a_warning():
    async with running(spoken()) as run:
        response = await run.speak(SpeechRequest(input="hi", speed=1.5))

    assert [warning.code for warning in response.warnings] == ["setting_dropped"]


async def test_a_format_that_needs_an_encoder_is_refused():
    async with running() as run:
        with pytest.raises(ProviderError) as caught:
            await run.speak(SpeechRequest(input="hi", format="mp3"))

    assert caught.value.kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize(
    ("silent", "kind"),
    [
        (answer({"text": "hi"}), ErrorKind.MALFORMED_RESPONSE),
        (answer(finish="PROHIBITED_CONTENT"), ErrorKind.CONTENT_FILTER),
    ],
)
async def test_an_answer_without_sound_is_an_error(silent, kind):
    async with running(silent) as run:
        with pytest.raises(ProviderError) as caught:
            await run.speak(SpeechRequest(input="hi"))

    assert caught.value.kind is kind
