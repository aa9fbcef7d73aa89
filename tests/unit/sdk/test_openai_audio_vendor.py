"""A provider's ears and voice on OpenAI's wire: where they are asked for, and what fails."""

import pytest

from stockade_sdk import (
    Audio,
    ErrorKind,
    ProviderError,
    SpeechRequest,
    TranscriptionRequest,
)
from stockade_sdk.multipart import FormField, decode_form
from stockade_sdk.testing import Answer, provider_under_test
from stockade_sdk.vendor.openai_media import OpenAISpeech, OpenAITranscription

WAV = b"RIFF\x00\x00\x00\x00WAVEfmt "
MP3 = b"ID3\x04sound"
HEARD = TranscriptionRequest(audio=Audio(data=WAV, format="wav"))


class Vendor(OpenAITranscription, OpenAISpeech):
    """As OpenAI has it."""


class Other(OpenAITranscription, OpenAISpeech):
    transcript_formats = False
    sound_by_reference = True
    default_voice = "usual"


def running(provider, *answers, **config):
    settings = {"base_url": "https://h/v1", **config}
    return provider_under_test(provider, config=settings, respond=answers)


def answer(body, kind):
    return Answer(headers=(("content-type", kind),), pieces=(body,))


def asking(format=None, **how):
    options = {"openai_audio": {"response_format": format}} if format else None
    return TranscriptionRequest(audio=Audio(data=WAV), provider_options=options, **how)


async def test_sound_is_sent_as_a_form():
    async with running(Vendor, Answer.of_json({"text": "hi"}), transcription_model="m") as run:
        response = await run.transcribe(HEARD)

    assert response.text == "hi"
    request = run.requests[0]
    assert (request.method, request.url) == ("POST", "https://h/v1/audio/transcriptions")
    assert decode_form(request.body, request.headers["content-type"]) == (
        FormField("file", WAV, "audio.wav", "audio/wav"),
        FormField("model", "m"),
    )


async def test_a_translation_has_its_own_path():
    options = {"openai_audio": {"$as": "translation"}}

    async with running(Vendor, Answer.of_json({"text": "hi"})) as run:
        await run.transcribe(TranscriptionRequest(audio=Audio(data=WAV), provider_options=options))

    assert run.requests[0].url == "https://h/v1/audio/translations"
    assert b"$as" not in run.requests[0].body


@pytest.mark.parametrize(
    ("format", "body", "kind"),
    [
        ("text", b"hi\n", "text/plain; charset=utf-8"),
        ("text", b'{"text": "hi"}', "application/json"),
        ("srt", b"1\n00:00:00,000 --> 00:00:01,000\nhi\n\n", "text/plain"),
        ("vtt", b"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nhi\n\n", "text/vtt"),
        ("verbose_json", b'{"text": "hi", "segments": []}', "application/json"),
        (None, b'data: {"type": "transcript.text.done", "text": "hi"}\n\n', "text/event-stream"),
    ],
)
async def test_a_transcript_is_read_in_the_form_in_which_it_came(format, body, kind):
    async with running(Vendor, answer(body, kind)) as run:
        assert (await run.transcribe(asking(format))).text == "hi"


async def test_a_vendor_may_know_no_forms_and_fetch_sound_itself():
    request = TranscriptionRequest(audio=Audio(url="https://x/a.mp3"), timestamps=("segment",))

    async with running(Other, Answer.of_json({"text": "hi"})) as run:
        await run.transcribe(request)

    sent = decode_form(run.requests[0].body, run.requests[0].headers["content-type"])
    assert [(field.name, field.text) for field in sent] == [
        ("file_url", "https://x/a.mp3"),
        ("timestamp_granularities[]", "segment"),
    ]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (answer(b"<html>", "text/html"), ErrorKind.MALFORMED_RESPONSE),
        (answer(b"", "application/json"), ErrorKind.MALFORMED_RESPONSE),
        (answer(b'{"text"', "application/json"), ErrorKind.MALFORMED_RESPONSE),
        (answer(b'data: {"type": "x"}\n\n', "text/event-stream"), ErrorKind.MALFORMED_RESPONSE),
        (Answer(status=413, pieces=(b"too large",)), ErrorKind.INVALID_REQUEST),
        (Answer.of_json({"error": {"message": "x"}}, status=429), ErrorKind.RATE_LIMITED),
    ],
)
async def test_an_answer_that_is_no_transcript_is_its_kind(answer, kind):
    async with running(Vendor, answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.transcribe(HEARD)

    assert caught.value.kind is kind


async def test_a_file_type_that_would_end_its_header_is_refused_before_it_is_sent():
    metadata = {"openai_audio": {"$part": {"type": "a\r\nx: y"}}}
    request = TranscriptionRequest(audio=Audio(data=WAV, provider_metadata=metadata))

    async with running(Vendor) as run:
        with pytest.raises(ProviderError) as caught:
            await run.transcribe(request)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert run.requests == []


async def test_text_becomes_sound():
    async with running(Vendor, answer(MP3, "audio/mpeg"), speech_model="m", voice="ash") as run:
        response = await run.speak(SpeechRequest(input="hi"))

    assert response.audio == Audio(data=MP3, format="mp3")
    request = run.requests[0]
    assert (request.method, request.url) == ("POST", "https://h/v1/audio/speech")
    assert request.json == {"model": "m", "input": "hi", "voice": "ash"}


@pytest.mark.parametrize(
    ("asked", "configured", "voice"),
    [("mine", "set", "mine"), (None, "set", "set"), (None, None, "usual")],
)
async def test_the_voice_is_the_requests_the_configured_or_the_usual_one(asked, configured, voice):
    async with running(Other, answer(MP3, "audio/mpeg"), voice=configured) as run:
        await run.speak(SpeechRequest(input="hi", voice=asked))

    assert run.requests[0].json["voice"] == voice


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (answer(b"", "audio/mpeg"), ErrorKind.MALFORMED_RESPONSE),
        (answer(b"<html>", "text/html"), ErrorKind.MALFORMED_RESPONSE),
        (answer(b"{}", "application/json"), ErrorKind.MALFORMED_RESPONSE),
        (Answer(status=503, pieces=(b"busy",)), ErrorKind.OVERLOADED),
    ],
)
async def test_an_answer_without_sound_is_its_kind(answer, kind):
    async with running(Vendor, answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.speak(SpeechRequest(input="hi"))

    assert caught.value.kind is kind


async def test_sound_without_end_is_given_up():
    endless = Answer(headers=(("content-type", "audio/mpeg"),), pieces=(b"x" * 2**20,) * 70)

    async with running(Vendor, endless) as run:
        with pytest.raises(ProviderError) as caught:
            await run.speak(SpeechRequest(input="hi"))

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE
