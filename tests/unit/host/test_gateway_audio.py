"""`/v1/audio/*` as their clients see them."""

import base64
import json

import pytest

from stockade.errors import AllAttemptsFailed
from stockade_sdk.audio import SpeechResponse, TranscriptionResponse, TranscriptSpan
from stockade_sdk.capability import Usage
from stockade_sdk.chat import Audio
from stockade_sdk.dialects import openai_audio
from stockade_sdk.errors import ErrorKind, ProviderError
from tests.unit.host.gateway_media import ATTEMPTS, Scripted, gateway

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
HEARD = TranscriptionResponse(
    text="Hello there.",
    language="english",
    duration_s=1.5,
    segments=(TranscriptSpan(text="Hello there.", start_s=0.0, end_s=1.5),),
    usage=Usage(input_tokens=14, output_tokens=5),
    attempts=ATTEMPTS,
)
SPOKEN = SpeechResponse(audio=Audio(data=b"ID3sound", format="mp3"), attempts=ATTEMPTS)
WRITE, TRANSLATE, SPEAK = (
    f"/v1/audio/{verb}" for verb in ("transcriptions", "translations", "speech")
)
FILES = {"file": ("talk.wav", WAV, "audio/wav")}


async def test_sound_becomes_text():
    serves = Scripted(HEARD)
    data = {
        "model": "two/m", "language": "en", "temperature": "0.2", "prompt": "Names: Ada",
        "timestamp_granularities[]": ["word", "segment"], "chunking_strategy": "auto",
    }  # fmt: skip
    async with gateway(serves) as at:
        answer = await at.post(WRITE, data=data, files=FILES)
        (told,) = at.heard

    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == "Hello there."
    (request,) = serves.asked
    assert (request.audio.data, request.audio.format) == (WAV, "wav")
    assert (request.model, request.language, request.temperature) == ("two/m", "en", 0.2)
    assert request.timestamps == ("word", "segment")
    assert request.provider_options["openai_audio"]["chunking_strategy"] == "auto"
    assert answer.headers["x-stockade-attempts"] == "one/m;failed, two/m;ok"
    assert (told.capability, told.target, told.tokens_in) == ("audio_stt", "two/m", 14)


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("text", "Hello there.\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello there.\n\n"),
    ],
)
async def test_a_transcript_may_be_plain_text_or_subtitles(format, body):
    async with gateway(Scripted(HEARD)) as at:
        answer = await at.post(WRITE, data={"response_format": format}, files=FILES)

    assert answer.text == body
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_verbose_json_has_times_and_says_what_was_done():
    async with gateway(Scripted(HEARD)) as at:
        written = await at.post(WRITE, data={"response_format": "verbose_json"}, files=FILES)
        into_english = await at.post(
            TRANSLATE, data={"response_format": "verbose_json"}, files=FILES
        )

    payload = written.json()
    assert (payload["task"], payload["language"], payload["duration"]) == (
        "transcribe", "english", 1.5,
    )  # fmt: skip
    assert payload["segments"] == [{"text": "Hello there.", "start": 0.0, "end": 1.5}]
    assert into_english.json()["task"] == "translate"


async def test_subtitles_of_a_transcript_without_times_are_refused():
    async with gateway(Scripted(TranscriptionResponse(text="Hello."))) as at:
        answer = await at.post(WRITE, data={"response_format": "srt"}, files=FILES)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported"


async def test_a_stream_has_the_text_then_all_of_it_then_the_end():
    async with gateway(Scripted(HEARD)) as at:
        answer = await at.post(WRITE, data={"stream": "true"}, files=FILES)

    *events, done, rest = answer.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    sent = [json.loads(event.removeprefix("data: ")) for event in events]
    assert [event["type"] for event in sent] == ["transcript.text.delta", "transcript.text.done"]
    assert sent[0]["delta"] == sent[1]["text"] == "Hello there."


async def test_a_translation_says_that_it_is_one():
    serves = Scripted(HEARD)
    async with gateway(serves) as at:
        answer = await at.post(TRANSLATE, data={"model": "m", "stream": "true"}, files=FILES)

    assert answer.json()["text"] == "Hello there."
    assert openai_audio.is_translation(serves.asked[0])


@pytest.mark.parametrize(
    ("data", "files", "said"),
    [
        ({"response_format": "doc"}, FILES, "response_format is one of json, text"),
        ({"timestamp_granularities[]": "line"}, FILES, "word and segment"),
        ({"stream": "maybe"}, FILES, "stream is true or false"),
        ({}, {"file": ("a.wav", b"", "audio/wav")}, "the file is empty"),
        ({}, {"file": ("a.png", b"\x89PNG", "image/png")}, "no sound but image/png"),
        ({}, {"sound": ("a.wav", WAV, "audio/wav")}, "no file"),
        ({"file": "talk.wav"}, {"x": ("x", b"x")}, "file is text"),
    ],
)
async def test_a_form_that_makes_no_sense_is_refused(data, files, said):
    serves = Scripted(HEARD)
    async with gateway(serves) as at:
        answer = await at.post(WRITE, data=data, files=files)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert serves.asked == []


async def test_a_name_that_is_a_path_stays_a_name():
    serves = Scripted(HEARD)
    files = {"file": ('../../etc/pass"wd\r\n.wav', WAV, "audio/wav")}
    async with gateway(serves) as at:
        answer = await at.post(WRITE, files=files)

    assert answer.status_code == 200
    part = serves.asked[0].audio.provider_metadata["openai_audio"]["$part"]
    assert part["filename"] == '../../etc/pass"wd\r\n.wav'


async def test_text_becomes_sound():
    serves = Scripted(SPOKEN)
    body = {
        "model": "m", "input": "Hello", "voice": "alloy", "response_format": "mp3", "speed": 1.25,
        "style": "calm",
    }  # fmt: skip
    async with gateway(serves) as at:
        answer = await at.post(SPEAK, json=body)
        (told,) = at.heard

    assert (answer.content, answer.headers["content-type"]) == (b"ID3sound", "audio/mpeg")
    assert answer.headers["x-stockade-attempts"] == "one/m;failed, two/m;ok"
    (request,) = serves.asked
    assert (request.input, request.voice, request.format, request.speed) == (
        "Hello", "alloy", "mp3", 1.25,
    )  # fmt: skip
    assert request.provider_options == {"openai_audio": {"style": "calm"}}
    assert (told.capability, told.bytes_out) == ("audio_tts", 8)


@pytest.mark.parametrize(
    ("format", "media_type"),
    [("opus", "audio/opus"), ("wav", "audio/wav"), ("pcm", "audio/pcm"), ("new", None)],
)
async def test_sound_says_what_it_is(format, media_type):
    spoken = SpeechResponse(audio=Audio(data=b"\0\1", format=format))
    async with gateway(Scripted(spoken)) as at:
        answer = await at.post(SPEAK, json={"input": "x", "stream_format": "audio"})

    assert answer.headers["content-type"] == (media_type or "application/octet-stream")


async def test_sound_may_come_as_events():
    async with gateway(Scripted(SPOKEN)) as at:
        answer = await at.post(SPEAK, json={"input": "x", "stream_format": "sse"})

    assert answer.headers["content-type"].startswith("text/event-stream")
    first, second, _ = answer.text.split("\n\n")
    delta = json.loads(first.removeprefix("data: "))
    assert delta["type"] == "speech.audio.delta"
    assert base64.b64decode(delta["audio"]) == b"ID3sound"
    assert json.loads(second.removeprefix("data: "))["type"] == "speech.audio.done"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"voice": "x"}, "no input text"),
        ({"input": ""}, "input is empty"),
        ({"input": ["a"]}, "no input text"),
        ({"input": "x", "speed": "fast"}, "speed is a number"),
        ({"input": "x", "speed": -1}, "speed is a number"),
        ({"input": "x", "response_format": 3}, "response_format is a text"),
        ({"input": "x", "stream_format": "ws"}, "stream_format is one of audio, sse"),
    ],
)
async def test_what_cannot_be_said_is_refused(body, said):
    serves = Scripted(SPOKEN)
    async with gateway(serves) as at:
        answer = await at.post(SPEAK, json=body)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert serves.asked == []


async def test_sound_that_is_elsewhere_cannot_be_given():
    spoken = SpeechResponse(audio=Audio(url="https://vendor/a.mp3"))
    async with gateway(Scripted(spoken)) as at:
        answer = await at.post(SPEAK, json={"input": "x"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported"


async def test_a_failure_is_told_before_a_stream_begins():
    failed = AllAttemptsFailed(ATTEMPTS[:1], ProviderError(ErrorKind.AUTH, "wrong key", 401))
    async with gateway(Scripted(failed)) as at:
        answer = await at.post(WRITE, data={"stream": "true"}, files=FILES)

    assert answer.status_code == 502
    assert answer.headers["x-stockade-attempts"] == "one/m;failed"
