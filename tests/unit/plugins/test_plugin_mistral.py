"""The mistral plugin: a vendor that refuses what it does not know, and has words of its own."""

import pytest

from stockade_sdk import (
    Audio,
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    File,
    Message,
    MessageRole,
    ProviderError,
    SpeechRequest,
    Text,
    Thinking,
    TranscriptionRequest,
    fold,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.provider import methods_of
from stockade_sdk.testing import Answer
from tests.unit.plugins.chat_answers import CHAT, CHUNKS, codes, message, running, sent
from tests.unit.plugins.loading import manifest_of, provider_class

NAME = "mistral"
BASE = "https://api.mistral.ai/v1"
HI = (Message.of_text("user", "hi"),)


def mistral(*answers, **config):
    return running(NAME, *answers, **config)


def test_the_manifest_asks_for_the_vendor_and_its_key():
    manifest = manifest_of(NAME)

    assert [str(rule) for rule in manifest.permissions.network] == ["api.mistral.ai"]
    secret = manifest.permissions.secrets[0]
    assert (secret.name, secret.hosts) == ("MISTRAL_API_KEY", manifest.permissions.network)
    assert [str(method) for method in methods_of(provider_class(NAME))] == [
        "chat",
        "stream_chat",
        "embed",
        "transcribe",
        "speak",
        "list_models",
        "check_health",
    ]


async def test_settings_go_by_the_vendors_names_and_what_has_none_is_warned_of():
    request = ChatRequest(messages=HI, seed=7, top_k=3, max_output_tokens=9, temperature=0.5)

    async with mistral(Answer.of_json(CHAT)) as run:
        response = await run.chat(request)

    assert {key: value for key, value in sent(run).items() if key != "messages"} == {
        "temperature": 0.5,
        "max_tokens": 9,
        "random_seed": 7,
    }
    assert codes(response) == ["setting_dropped"]


async def test_a_client_of_another_wire_has_its_words_translated():
    payload = {
        "model": "mistral-small-latest",
        "messages": [{"role": "developer", "content": "be brief"}],
        "max_completion_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }

    async with mistral(Answer.of_events(*CHUNKS)) as run:
        await run.stream(openai_chat.decode_request(payload))

    assert sent(run) == {
        "model": "mistral-small-latest",
        "messages": [{"role": "system", "content": "be brief"}],
        "max_tokens": 5,
        "stream": True,
    }


async def test_a_client_of_the_vendors_own_words_has_them_sent_as_they_are():
    payload = {
        "model": "mistral-small-latest",
        "messages": [
            {"role": "user", "content": [{"type": "document_url", "document_url": "https://x/a"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "{"}], "prefix": True},
        ],
        "random_seed": 3,
        "safe_prompt": False,
        "tool_choice": "any",
        "reasoning_effort": "high",
    }

    async with mistral(Answer.of_json(CHAT)) as run:
        await run.chat(openai_chat.decode_request(payload))

    assert sent(run) == payload


@pytest.mark.parametrize(
    ("file", "part"),
    [
        (
            File(data=b"%PDF", media_type="application/pdf", filename="a.pdf"),
            {
                "type": "document_url",
                "document_url": "data:application/pdf;base64,JVBERg==",
                "document_name": "a.pdf",
            },
        ),
        (File(url="https://x/a"), {"type": "document_url", "document_url": "https://x/a"}),
        (File(file_id="f-1"), {"type": "file", "file_id": "f-1"}),
    ],
    ids=["bytes", "url", "id"],
)
async def test_documents_go_as_the_vendor_has_them(file, part):
    asked = Message(MessageRole.USER, (Text("what is this?"), file))

    async with mistral(Answer.of_json(CHAT)) as run:
        await run.chat(ChatRequest(messages=(asked,)))

    assert sent(run)["messages"][0]["content"] == [{"type": "text", "text": "what is this?"}, part]


async def test_thinking_comes_as_a_part_and_goes_back_as_one():
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "4"},
    ]

    async with mistral(Answer.of_json(message(content=content)), Answer.of_json(CHAT)) as run:
        first = await run.chat("2+2")
        kinds = [type(part) for part in first.output.content]
        history = (*HI, Message(MessageRole.ASSISTANT, first.output.content), *HI)
        second = await run.chat(ChatRequest(messages=history))

    assert kinds == [Thinking, Text]
    assert sent(run)["messages"][1]["content"] == content
    assert codes(second) == []


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"detail": "Invalid API Key"}, ErrorKind.AUTH, "Invalid API Key"),
        (
            422,
            {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]},
            ErrorKind.INVALID_REQUEST,
            "Field required",
        ),
        (
            429,
            {"object": "error", "message": "Requests rate limit exceeded", "code": "1300"},
            ErrorKind.RATE_LIMITED,
            "Requests rate limit exceeded",
        ),
    ],
)
async def test_errors_come_in_forms_of_their_own(status, body, kind, words):
    async with mistral(Answer.of_json(body, status=status)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("x")

    assert caught.value.kind is kind
    assert words in caught.value.message


async def test_embeddings_have_a_default_model_and_the_vendors_name_for_dimensions():
    answer = Answer.of_json({"data": [{"index": 0, "embedding": [0.5, 1.0]}], "model": "e"})

    async with mistral(answer) as run:
        response = await run.embed(EmbeddingRequest(input=("a",), dimensions=2))

    assert response.embeddings == ((0.5, 1.0),)
    assert codes(response) == []
    assert run.requests[0].url == f"{BASE}/embeddings"
    assert sent(run) == {"model": "mistral-embed", "input": ["a"], "output_dimension": 2}


async def test_sound_is_written_down_without_a_prompt_and_with_its_speakers():
    answer = {
        "model": "voxtral-mini-latest",
        "text": "well said",
        "segments": [{"text": "well said", "start": 0.1, "end": 1.5, "speaker_id": "speaker_1"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
    request = TranscriptionRequest(
        audio=Audio(data=b"RIFF", format="wav"), prompt="names", timestamps=("segment",)
    )

    async with mistral(Answer.of_json(answer)) as run:
        response = await run.transcribe(request)

    assert response.segments[0].speaker == "speaker_1"
    assert codes(response) == ["setting_dropped"]
    body = run.requests[0].body
    assert b"voxtral-mini-latest" in body
    assert b"response_format" not in body
    assert b"names" not in body


async def test_sound_may_stand_elsewhere():
    async with mistral(Answer.of_json({"text": "x"})) as run:
        await run.transcribe(TranscriptionRequest(audio=Audio(url="https://x/a.mp3")))

    assert b"https://x/a.mp3" in run.requests[0].body


async def test_speech_comes_as_json():
    answer = Answer.of_json({"audio_data": "SUQzBAAAAAAA"})
    request = SpeechRequest(input="hi", speed=1.5, instructions="gently")

    async with mistral(answer, voice="en_paul_neutral") as run:
        response = await run.speak(request)

    assert response.audio.data is not None
    assert response.audio.data.startswith(b"ID3")
    assert codes(response) == ["setting_dropped", "setting_dropped"]
    assert sent(run) == {
        "model": "voxtral-mini-tts-latest",
        "input": "hi",
        "voice": "en_paul_neutral",
    }


async def test_a_streamed_part_is_folded_as_the_whole_answer():
    pieces = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "h"}]},
        {"type": "thinking", "thinking": [{"type": "text", "text": "m"}]},
        {"type": "text", "text": "4"},
    ]
    chunks = [{"id": "c", "choices": [{"index": 0, "delta": {"content": [p]}}]} for p in pieces]

    async with mistral(Answer.of_events(*chunks, CHUNKS[2])) as run:
        response = fold(await run.stream("x"))

    thinking, text = response.output.content
    assert isinstance(thinking, Thinking)
    assert (thinking.text, text) == ("hm", Text("4"))


async def test_the_model_list_says_what_each_can_do():
    model = {
        "id": "mistral-x",
        "capabilities": {"completion_chat": True, "function_calling": True, "vision": True},
        "max_context_length": 4096,
        "aliases": ["mistral-y"],
    }
    answer = Answer.of_json({"object": "list", "data": [model]})

    async with mistral(answer, answer) as run:
        (listed,) = await run.list_models()
        health = await run.check_health()

    assert health.ok
    assert [str(capability) for capability in listed.capabilities] == ["chat", "vision"]
    assert (listed.context_tokens, listed.aliases) == (4096, ("mistral-y",))
