"""The openai plugin: which wire a chat takes, and what models that think are not told."""

import pytest

from stockade_sdk import (
    Audio,
    Capability,
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    Finish,
    ImageRequest,
    Message,
    MessageRole,
    PermissionDenied,
    ProviderError,
    SpeechRequest,
    Text,
    Thinking,
    ToolCall,
    TranscriptionRequest,
    fold,
)
from stockade_sdk.dialects import openai_chat, openai_responses
from stockade_sdk.testing import Answer, provider_under_test
from tests.unit.plugins.loading import defaults_of, manifest_of, provider_class

NAME = "openai"
OpenAI = provider_class(NAME)
URL = "https://api.openai.com/v1"

RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-5.4-mini-2026-03-17",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}],
        },
    ],
    "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8},
}
EVENTS = (
    {"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}},
    {"type": "response.output_text.delta", "output_index": 1, "item_id": "msg_1", "delta": "hel"},
    {"type": "response.completed", "response": RESPONSE},
)
CHAT = {
    "id": "c-1",
    "object": "chat.completion",
    "model": "m-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
CHUNKS = (
    {"id": "c-1", "model": "m-1", "choices": [{"index": 0, "delta": {"content": "hello"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
)
ANSWERS = {"responses": RESPONSE, "chat/completions": CHAT}


def answer_by_path(sent):
    return Answer.of_json(ANSWERS[sent.url.removeprefix(f"{URL}/")])


def run_with(*answers, **config):
    settings = {**defaults_of(NAME), **config}
    return provider_under_test(OpenAI, config=settings, respond=answers or answer_by_path)


def asking(text="hi", **settings):
    return ChatRequest(messages=(Message.of_text("user", text),), **settings)


def test_the_manifest_asks_for_one_host_and_a_key_that_it_never_sees():
    manifest = manifest_of(NAME)

    assert [str(host.host) for host in manifest.permissions.network] == ["api.openai.com"]
    secret = manifest.permissions.secrets[0]
    assert (secret.header, secret.format, secret.expose) == ("authorization", "Bearer {}", False)


def test_the_models_of_the_manifest_serve_every_capability_of_the_class():
    models = manifest_of(NAME).models

    served = {capability for model in models for capability in model.capabilities}
    assert served == set(Capability) - {Capability.RERANK}
    assert all(model.context_tokens for model in models if "chat" in model.capabilities)
    assert all(model.price for model in models if "chat" in model.capabilities)
    configured = {value for key, value in defaults_of(NAME).items() if key.endswith("model")}
    assert configured <= {model.id for model in models}


async def test_a_chat_is_one_post_to_responses_that_stores_nothing():
    async with run_with() as run:
        response = await run.chat("hi")

    assert response.text == "hello"
    assert run.requests[0].url == f"{URL}/responses"
    assert run.requests[0].json == {
        "model": "gpt-5.4-mini",
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        ],
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
    }
    assert "authorization" not in run.requests[0].headers


async def test_reasoning_goes_back_in_the_next_turn():
    async with run_with() as run:
        response = await run.chat("hi")
        said = Message(MessageRole.ASSISTANT, response.output.content)
        await run.chat(ChatRequest(messages=(Message.of_text("user", "hi"), said)))

    assert isinstance(response.output.content[0], Thinking)
    kinds = [
        (item["type"], item.get("encrypted_content")) for item in run.requests[1].json["input"]
    ]
    assert kinds == [("message", None), ("reasoning", "gAAA"), ("message", None)]


async def test_a_stream_comes_as_events_by_responses():
    async with run_with(Answer.of_events(*EVENTS, done=None)) as run:
        events = await run.stream("hi")

    assert fold(events).text == "hello"
    assert run.requests[0].json["stream"] is True


@pytest.mark.parametrize(
    ("request_", "config", "path"),
    [
        (asking(), {}, "responses"),
        (asking(), {"api": "chat"}, "chat/completions"),
        (asking(seed=3, model="gpt-4o"), {}, "chat/completions"),
        (asking(stop=("END",), model="gpt-4o"), {}, "chat/completions"),
        (asking(presence_penalty=0.5, model="gpt-4o"), {}, "chat/completions"),
        (asking(seed=3, model="gpt-4o"), {"api": "responses"}, "responses"),
        (asking(seed=3, model="gpt-5"), {}, "responses"),
        (asking(provider_options={"openai_chat": {"n": 2}}), {}, "chat/completions"),
        (asking(provider_options={"openai_chat": {"logprobs": True}}), {}, "chat/completions"),
        (asking(provider_options={"anthropic_messages": {"x": 1}}), {}, "responses"),
        (openai_responses.decode_request({"input": "hi", "seed": 3}), {}, "responses"),
        (
            openai_chat.decode_request(
                {
                    "messages": [{"role": "user", "content": "hi"}],
                    "modalities": ["text", "audio"],
                    "audio": {"voice": "alloy", "format": "wav"},
                }
            ),
            {},
            "chat/completions",
        ),
        (
            ChatRequest(
                messages=(Message(MessageRole.USER, (Audio(data=b"RIFF", format="wav"),)),)
            ),
            {},
            "chat/completions",
        ),
    ],
)
async def test_a_chat_takes_the_wire_that_can_say_it(request_, config, path):
    async with run_with(**config) as run:
        await run.chat(request_)

    assert run.requests[0].url == f"{URL}/{path}"


async def test_a_stream_takes_the_same_wire():
    async with run_with(Answer.of_events(*CHUNKS)) as run:
        events = await run.stream(asking(provider_options={"openai_chat": {"n": 1}}))

    assert run.requests[0].url == f"{URL}/chat/completions"
    assert fold(events).text == "hello"


async def test_what_a_client_of_responses_said_arrives_as_it_was():
    asked = {"model": "gpt-5", "input": "hi", "temperature": 0.5, "truncation": "auto"}

    async with run_with() as run:
        await run.chat(openai_responses.decode_request(asked))

    assert run.requests[0].json == asked


@pytest.mark.parametrize(
    ("model", "effort", "kept"),
    [
        ("gpt-4o", None, True),
        ("gpt-5-chat-latest", None, True),
        ("gpt-5.4", None, True),
        ("gpt-5.4", "none", True),
        ("gpt-5.4", "low", False),
        ("gpt-5.4-pro", None, False),
        ("gpt-5.3-codex", None, False),
        ("gpt-5", None, False),
        ("gpt-5-mini", "none", True),
        ("o3", None, False),
        ("o4-mini", "low", False),
        ("ft:o3:mine", None, False),
    ],
)
@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_sampling_is_not_told_to_a_model_while_it_thinks(model, effort, kept, api):
    request = asking(model=model, reasoning_effort=effort, temperature=0.5)

    async with run_with(api=api) as run:
        response = await run.chat(request)

    assert ("temperature" in run.requests[0].json) is kept
    dropped = [one for one in response.warnings if one.code == "setting_dropped"]
    assert bool(dropped) is not kept


async def test_what_a_model_has_anyway_is_told():
    async with run_with(api="chat") as run:
        await run.chat(asking(model="gpt-5", temperature=1.0, top_p=1.0))

    assert run.requests[0].json["temperature"] == 1


@pytest.mark.parametrize(
    ("model", "api", "field"),
    [
        ("gpt-5", "chat", "max_completion_tokens"),
        ("gpt-4o", "chat", "max_tokens"),
        ("gpt-5", "responses", "max_output_tokens"),
    ],
)
async def test_the_limit_has_the_name_that_the_model_takes(model, api, field):
    async with run_with(api=api) as run:
        await run.chat(asking(model=model, max_output_tokens=9))

    names = [name for name in run.requests[0].json if name.startswith("max_")]
    assert names == [field]


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_stop_sequences_are_not_told_to_a_model_that_thinks(api):
    async with run_with(api=api) as run:
        response = await run.chat(asking(model="gpt-5", stop=("END",)))

    assert "stop" not in run.requests[0].json
    assert "setting_dropped" in [one.code for one in response.warnings]


async def test_a_stream_tells_what_was_dropped():
    async with run_with(Answer.of_events(*EVENTS, done=None)) as run:
        events = await run.stream(asking(model="gpt-5", stop=("END",)))

    assert isinstance(events[-1], Finish)
    assert [one.code for one in events[-1].warnings] == ["setting_dropped"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.of_json({"error": {"code": "invalid_api_key"}}, status=401), ErrorKind.AUTH),
        (Answer.of_json({**RESPONSE, "status": "failed"}), ErrorKind.SERVER_ERROR),
        (Answer(pieces=(b"<html>200</html>",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer(pieces=(b"",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer.of_json({"id": "x"}), ErrorKind.MALFORMED_RESPONSE),
    ],
)
async def test_a_failed_answer_is_typed(answer, kind):
    async with run_with(answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("hi")

    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.of_events(*EVENTS[:2], done=None), ErrorKind.MALFORMED_RESPONSE),
        (Answer.of_events(done=None), ErrorKind.MALFORMED_RESPONSE),
        (
            Answer.of_events({"type": "error", "error": {"code": "insufficient_quota"}}),
            ErrorKind.QUOTA,
        ),
        (Answer.of_json({"error": {"message": "x"}}, status=503), ErrorKind.OVERLOADED),
    ],
)
async def test_a_stream_that_is_no_answer_is_typed(answer, kind):
    async with run_with(answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream("hi")

    assert caught.value.kind is kind


async def test_a_whole_answer_to_a_stream_is_taken():
    async with run_with(Answer.of_json(RESPONSE)) as run:
        assert fold(await run.stream("hi")).text == "hello"


async def test_the_other_capabilities_have_their_own_paths_and_models():
    spoken = Answer(headers=(("content-type", "audio/mpeg"),), pieces=(b"ID3",))
    answers = (
        Answer.of_json({"data": [{"index": 0, "embedding": [0.5]}], "model": "e"}),
        Answer.of_json({"created": 1, "data": [{"b64_json": "iVBORw0KGgo="}]}),
        Answer.of_json({"text": "hello"}),
        spoken,
    )

    async with run_with(*answers) as run:
        await run.embed(EmbeddingRequest.of_texts("hi"))
        await run.generate_image(ImageRequest(prompt="a cat"))
        await run.transcribe(TranscriptionRequest(audio=Audio(data=b"RIFF", format="wav")))
        speech = await run.speak(SpeechRequest(input="hi"))

    assert [one.url.removeprefix(f"{URL}/") for one in run.requests] == [
        "embeddings",
        "images/generations",
        "audio/transcriptions",
        "audio/speech",
    ]
    assert run.requests[0].json["model"] == "text-embedding-3-small"
    assert run.requests[1].json["model"] == "gpt-image-1.5"
    assert b"gpt-4o-mini-transcribe" in run.requests[2].body
    assert run.requests[3].json == {"model": "gpt-4o-mini-tts", "input": "hi", "voice": "alloy"}
    assert speech.audio.data == b"ID3"


async def test_models_and_health_come_from_one_free_call():
    listed = Answer.of_json({"object": "list", "data": [{"id": "gpt-5"}]})

    async with run_with(listed, listed) as run:
        models = await run.list_models()
        report = await run.check_health()

    assert [model.id for model in models] == ["gpt-5"]
    assert report.ok
    assert report.latency_ms is not None
    assert {one.url for one in run.requests} == {f"{URL}/models"}


async def test_ill_health_has_a_reason_and_a_missing_grant_is_raised():
    refused = Answer.of_json({"error": {"code": "invalid_api_key", "message": "no"}}, status=401)

    async with run_with(refused, Answer(error=PermissionDenied("network"))) as run:
        report = await run.check_health()
        with pytest.raises(PermissionDenied):
            await run.check_health()

    assert not report.ok
    assert report.detail == "auth: no"


async def test_a_tools_call_and_its_result_go_to_and_fro():
    call = {"type": "function_call", "id": "fc_1", "call_id": "c_1", "name": "f", "arguments": "{}"}

    async with run_with(Answer.of_json({**RESPONSE, "output": [call]})) as run:
        response = await run.chat("hi")

    assert [(one.id, one.name, one.arguments) for one in response.tool_calls] == [("c_1", "f", {})]
    assert isinstance(response.output.content[0], ToolCall)
    assert not any(isinstance(part, Text) for part in response.output.content)


NOT_HERE = Answer.of_json({"error": {"message": "Not Found"}}, status=404)
NO_MODEL = Answer.of_json(
    {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}, status=404
)


async def test_a_server_without_responses_is_asked_by_chat_completions():
    async with run_with(NOT_HERE, Answer.of_json(CHAT), NOT_HERE, Answer.of_events(*CHUNKS)) as run:
        response = await run.chat("hi")
        events = await run.stream("hi")

    assert (response.text, fold(events).text) == ("hello", "hello")
    assert [one.url.removeprefix(f"{URL}/") for one in run.requests] == [
        "responses",
        "chat/completions",
    ] * 2


@pytest.mark.parametrize(
    ("answer", "request_of", "config"),
    [
        (NO_MODEL, asking, {}),
        (NOT_HERE, asking, {"api": "responses"}),
        (NOT_HERE, lambda: openai_responses.decode_request({"model": "m", "input": "hi"}), {}),
    ],
    ids=["a missing model", "the operator chose", "a client spoke it"],
)
async def test_it_is_not_asked_twice_where(answer, request_of, config):
    async with run_with(answer, **config) as run:
        with pytest.raises(ProviderError):
            await run.chat(request_of())

    assert len(run.requests) == 1
