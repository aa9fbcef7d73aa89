"""Speech on OpenAI's wire: JSON in; sound, JSON with sound, or events out."""

import base64

import msgspec
import pytest

from stockade_sdk import Audio, ErrorKind, ProviderError, SpeechRequest
from stockade_sdk.audio import SpeechResponse
from stockade_sdk.dialects import openai_audio

MP3 = b"ID3\x04sound"
B64 = base64.b64encode(MP3).decode()


def decoded(body, kind=None, **how):
    return openai_audio.decode_speech(body, kind, **how)


def test_every_setting_of_a_request_is_sent():
    request = SpeechRequest(
        input="hi", model="m", voice="ash", format="wav", speed=1.5, instructions="slowly"
    )

    payload, warnings = openai_audio.encode_speech_request(request)

    assert payload == {
        "model": "m",
        "input": "hi",
        "voice": "ash",
        "response_format": "wav",
        "speed": 1.5,
        "instructions": "slowly",
    }
    assert warnings == ()
    assert openai_audio.decode_speech_request(payload) == request


@pytest.mark.parametrize(
    "payload",
    [
        {"input": "hi", "voice": {"id": "v-1"}, "stream_format": "sse"},
        {"input": "hi", "speed": "fast", "response_format": None},
        {"input": "", "model": "m", "voice": "ash", "provider": {"a": 1}},
    ],
)
def test_what_a_client_said_comes_out_as_it_went_in(payload):
    request = openai_audio.decode_speech_request(payload)
    request = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=SpeechRequest)

    assert openai_audio.encode_speech_request(request) == (payload, ())


def test_options_cannot_replace_what_the_request_says():
    options = {"openai_audio": {"input": "other"}}

    payload, warnings = openai_audio.encode_speech_request(
        SpeechRequest(input="mine", provider_options=options)
    )

    assert payload == {"input": "mine"}
    assert [warning.code for warning in warnings] == ["provider_option_ignored"]


@pytest.mark.parametrize("payload", [None, [], {}, {"input": 1}])
def test_a_request_without_text_is_invalid(payload):
    with pytest.raises(ProviderError) as caught:
        openai_audio.decode_speech_request(payload)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize(
    ("body", "kind", "asked", "format"),
    [
        (b"\x01\x02", "audio/pcm", None, "pcm"),
        (b"\x01\x02", "audio/mpeg; charset=x", "wav", "mp3"),
        (MP3, "application/octet-stream", "wav", "mp3"),
        (MP3, None, None, "mp3"),
        (b"\x01\x02", "application/octet-stream", "opus", "opus"),
        (b"\x01\x02", None, None, None),
    ],
)
def test_the_format_is_by_type_by_bytes_or_as_asked(body, kind, asked, format):
    response = decoded(body, kind, format=asked)

    assert response.audio == Audio(data=body, format=format)


def test_a_client_gets_the_sound_with_its_type():
    response = SpeechResponse(audio=Audio(data=MP3, format="mp3"))

    assert openai_audio.encode_speech(response) == (MP3, "audio/mpeg")


def test_sound_inside_json_is_taken_and_all_else_carried():
    answer = {"audio_data": B64, "x": 1, "usage": {"prompt_tokens": 3, "total_tokens": 3}}

    response = decoded(msgspec.json.encode(answer), "application/json")

    assert response.audio == Audio(data=MP3, format="mp3")
    assert response.usage is not None
    assert response.usage.input_tokens == 3
    encoded = openai_audio.encode_speech_json(response)
    assert encoded | answer == {**encoded, "usage": answer["usage"]}


def events(*sent):
    return "".join(f"data: {msgspec.json.encode(one).decode()}\n\n" for one in sent).encode()


def test_sound_in_events_is_one_sound():
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    halves = [base64.b64encode(half).decode() for half in (MP3[:5], MP3[5:])]
    deltas = [{"type": "speech.audio.delta", "audio": half} for half in halves]
    body = events(*deltas, {"type": "speech.audio.done", "usage": usage})

    response = decoded(body, "text/event-stream; charset=utf-8")

    assert response.audio == Audio(data=MP3, format="mp3")
    assert openai_audio.encode_speech_events(response) == [
        {"type": "speech.audio.delta", "audio": B64},
        {"type": "speech.audio.done", "usage": usage},
    ]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "audio/mpeg"),
        (b"", None),
        (b"<html>", "text/html"),
        (b"<!DOCTYPE html><html>", None),
        (b"hello", "text/plain"),
        (b"{}", "application/json"),
        (b"{", None),
        (b'{"audio_data": "%%"}', "application/json"),
        (b'{"audio_data": ""}', "application/json"),
        (b'{"audio_data": 5}', "application/json"),
        (b"", "text/event-stream"),
        (events({"type": "speech.audio.delta", "audio": B64}), "text/event-stream"),
        (events({"type": "speech.audio.done"}), "text/event-stream"),
        (events({"type": "speech.audio.delta", "audio": "%"}), "text/event-stream"),
        (events([1]), "text/event-stream"),
    ],
)
def test_an_answer_without_sound_is_malformed(body, kind):
    with pytest.raises(ProviderError) as caught:
        decoded(body, kind)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_an_error_inside_a_good_status_is_that_error(kind):
    error = {"error": {"message": "x", "code": 429}}
    body = msgspec.json.encode(error) if kind == "application/json" else events(error)

    with pytest.raises(ProviderError) as caught:
        decoded(body, kind)

    assert caught.value.kind is ErrorKind.RATE_LIMITED


def test_sound_elsewhere_has_no_place_on_this_wire():
    with pytest.raises(ProviderError) as caught:
        openai_audio.encode_speech(SpeechResponse(audio=Audio(url="https://h/a.mp3")))

    assert caught.value.kind is ErrorKind.UNSUPPORTED
