"""The groq plugin: calls that the model got wrong, reasoning in its field, sound both ways."""

import pytest

from stockade_sdk import (
    Audio,
    ChatRequest,
    ErrorKind,
    Message,
    ProviderError,
    SpeechRequest,
    Thinking,
    TranscriptionRequest,
    fold,
)
from stockade_sdk.provider import methods_of
from stockade_sdk.testing import Answer
from tests.unit.plugins.chat_answers import CHAT, CHUNKS, after_a_tool, codes, running, sent
from tests.unit.plugins.loading import manifest_of, provider_class

NAME = "groq"
BASE = "https://api.groq.com/openai/v1"
FAILED = {
    "error": {
        "message": "the model called no tool that there is",
        "type": "invalid_request_error",
        "code": "tool_use_failed",
        "failed_generation": "<nothing>",
    }
}


def groq(*answers, **config):
    return running(NAME, *answers, **config)


def test_the_manifest_asks_for_the_vendor_and_its_key():
    manifest = manifest_of(NAME)

    assert [str(rule) for rule in manifest.permissions.network] == ["api.groq.com"]
    secret = manifest.permissions.secrets[0]
    assert (secret.name, secret.hosts) == ("GROQ_API_KEY", manifest.permissions.network)
    assert [str(method) for method in methods_of(provider_class(NAME))] == [
        "chat",
        "stream_chat",
        "transcribe",
        "speak",
        "list_models",
        "check_health",
    ]


async def test_a_chat_goes_below_the_openai_path():
    async with groq(Answer.of_json(CHAT)) as run:
        assert (await run.chat("hi")).text == "hello"

    assert run.requests[0].url == f"{BASE}/chat/completions"


async def test_a_call_that_the_model_got_wrong_is_known_by_its_code():
    async with groq(Answer.of_json(FAILED, status=400)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("x")

    error = caught.value
    assert (error.kind, error.code) == (ErrorKind.INVALID_REQUEST, "tool_use_failed")
    assert (error.status, error.message) == (400, "the model called no tool that there is")


async def test_and_so_it_is_as_an_event_of_a_stream():
    failed = {"error": {**FAILED["error"], "status_code": 400}}
    head = Answer.of_events(CHUNKS[0], done=None).pieces
    body = Answer.of_events(failed, done=None).pieces[0]

    async with groq(Answer(pieces=(*head, b"event: error\n", body))) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream("x")

    error = caught.value
    assert (error.kind, error.code) == (ErrorKind.INVALID_REQUEST, "tool_use_failed")
    assert error.status == 400


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "context_length_exceeded", "message": "too long"}, "context_length"),
        (400, {"code": "bad_request", "message": "no"}, "invalid_request"),
        (413, {"code": "rate_limit_exceeded", "type": "tokens", "message": "x"}, "rate_limited"),
        (404, {"code": "model_not_found", "message": "x"}, "model_unavailable"),
    ],
)
async def test_other_errors_are_what_they_are(status, error, kind):
    async with groq(Answer.of_json({"error": error}, status=status)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("x")

    assert caught.value.kind == kind


async def test_another_error_in_a_stream_keeps_its_kind():
    slow = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}

    async with groq(Answer.of_events(CHUNKS[0], slow, done=None)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream("x")

    assert caught.value.kind is ErrorKind.RATE_LIMITED


@pytest.mark.parametrize(
    "thought",
    [
        Thinking("hm"),
        Thinking("hm", provider_metadata={"openai_chat": {"$fields": ["reasoning_content"]}}),
        Thinking("hm", provider_metadata={"openai_chat": {"$fields": ["reasoning"]}}),
    ],
    ids=["another dialect's", "DeepSeek's", "its own"],
)
async def test_reasoning_goes_back_in_the_one_field_that_it_takes(thought):
    async with groq(Answer.of_json(CHAT)) as run:
        await run.chat(after_a_tool(thought))

    turn = sent(run)["messages"][1]
    assert turn["reasoning"] == "hm"
    assert "reasoning_content" not in turn


async def test_a_setting_that_would_be_refused_is_dropped_with_a_warning():
    request = ChatRequest(messages=(Message.of_text("user", "x"),), top_k=5, seed=7)

    async with groq(Answer.of_json(CHAT)) as run:
        response = await run.chat(request)

    assert codes(response) == ["setting_dropped"]
    assert sent(run)["seed"] == 7
    assert "top_k" not in sent(run)


async def test_a_stream_counts_in_the_vendors_own_field():
    usage = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6, "queue_time": 0.1}
    last = {**CHUNKS[2], "x_groq": {"id": "r", "usage": usage}}

    async with groq(Answer.of_events(*CHUNKS[:2], last)) as run:
        response = fold(await run.stream("x"))

    assert response.usage is not None
    assert response.usage.total == 6
    assert response.provider_metadata is not None
    assert response.provider_metadata["openai_chat"]["usage"] == {"queue_time": 0.1}


async def test_sound_is_written_down_by_the_configured_model():
    async with groq(Answer.of_json({"text": "well said"})) as run:
        response = await run.transcribe(
            TranscriptionRequest(audio=Audio(data=b"RIFF", format="wav"))
        )

    assert response.text == "well said"
    request = run.requests[0]
    assert request.url == f"{BASE}/audio/transcriptions"
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b"whisper-large-v3-turbo" in request.body
    assert b"RIFF" in request.body


@pytest.mark.parametrize(("asked", "told"), [(None, "wav"), ("mp3", "mp3")])
async def test_speech_is_wav_unless_the_request_says_otherwise(asked, told):
    sound = Answer(headers=(("content-type", "audio/wav"),), pieces=(b"RIFF1234WAVE",))
    request = SpeechRequest(input="hi", model="voice-1", format=asked)

    async with groq(sound, voice="hannah") as run:
        response = await run.speak(request)

    assert response.audio.data == b"RIFF1234WAVE"
    assert sent(run) == {
        "model": "voice-1",
        "input": "hi",
        "voice": "hannah",
        "response_format": told,
    }


async def test_health_is_the_model_list():
    async with groq(Answer.of_json({"data": []})) as run:
        assert (await run.check_health()).ok

    assert run.requests[0].url == f"{BASE}/models"
