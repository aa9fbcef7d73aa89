"""The kit's vendor answers every shipped plugin in its own wire: whole, streamed, tools, schemas,
media, refusals.

Whether an answer is right is for the plugins to say, which were written without these wires.
"""

import functools
from urllib.parse import urlsplit

import msgspec
import pytest

from stockade.kit.wires import Call, Says, asking_of, failure, good
from stockade_sdk import (
    Audio,
    Capability,
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    Image,
    ImageRequest,
    Message,
    MessageRole,
    ProviderError,
    RerankRequest,
    ResponseFormat,
    SpeechRequest,
    Text,
    Thinking,
    ToolCall,
    ToolDefinition,
    ToolResult,
    TranscriptionRequest,
    fold,
)
from stockade_sdk.provider import SERVES, methods_of
from stockade_sdk.testing import Answer, provider_under_test
from tests.unit.plugins.loading import defaults_of, provider_class

CONFIG = {
    "azure-openai": {
        "endpoint": "https://me.openai.azure.com",
        "deployment": "m",
        "embedding_deployment": "e",
    },
    "openai-compatible": {"base_url": "https://api.example.com/v1"},
    "anthropic-compatible": {"base_url": "https://api.example.com"},
}
KEY_HEADER = {"gemini": "x-goog-api-key", "anthropic": "x-api-key"}  # the host puts it on
PLUGINS = (
    "anthropic",
    "anthropic-compatible",
    "azure-openai",
    "deepseek",
    "gemini",
    "groq",
    "mistral",
    "moonshot",
    "openai",
    "openai-compatible",
    "openrouter",
    "qwen",
)
WEATHER = ToolDefinition(
    name="weather",
    description="of a town",
    parameters_schema={
        "type": "object",
        "properties": {"town": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["town", "days"],
        "additionalProperties": False,
    },
)
SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "names": {"type": "array", "items": {"enum": ["a"]}}},
    "required": ["ok", "names"],
    "additionalProperties": False,
}
CALLS = (
    Call(name="weather", arguments={"town": "Oslo", "days": 2}, id="call_a"),
    Call(name="weather", arguments={"town": "Rome", "days": 3}, id="call_b"),
)


class Got:
    """A request as the kit's vendor gets it."""

    def __init__(self, sent, plugin):
        parts = urlsplit(sent.url)
        self.method, self.body, self.host = sent.method, sent.body, parts.netloc
        self.path = parts.path + (f"?{parts.query}" if parts.query else "")
        key = ((KEY_HEADER[plugin], "k"),) if plugin in KEY_HEADER else ()
        self.headers = (*((name.lower(), said) for name, said in sent.headers.items()), *key)


def against(plugin, answer=good):
    """The plugin's provider, whose vendor is the kit's."""

    def respond(sent):
        said = answer(Got(sent, plugin))
        pieces = tuple(piece.data for piece in said.pieces)
        return Answer(status=said.status, headers=said.headers, pieces=pieces)

    config = {**defaults_of(plugin), **CONFIG.get(plugin, {})}
    return provider_under_test(provider_class(plugin), config=config, respond=respond)


def saying(**words):
    return functools.partial(good, says=Says(**words))


def ask(*messages, **settings):
    settings.setdefault("model", "m")
    return ChatRequest(messages=messages or (Message.of_text("user", "how are you?"),), **settings)


def calls_in(response):
    return [part for part in response.output.content if isinstance(part, ToolCall)]


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_a_chat_is_answered_with_its_prompt_and_streamed_alike(plugin):
    async with against(plugin) as run:
        whole = await run.chat(ask())
        events = await run.stream(ask())
    streamed = fold(events)

    assert whole.text == streamed.text == "you said: how are you?"
    assert whole.finish_reason == streamed.finish_reason == "stop"
    for usage in (whole.usage, streamed.usage):
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens) == (11, 7)
    assert sum(type(event).__name__ == "TextDelta" for event in events) == 3


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_a_tool_that_is_offered_is_called_and_its_result_answered(plugin):
    async with against(plugin) as run:
        whole = await run.chat(ask(tools=(WEATHER,)))
        streamed = fold(await run.stream(ask(tools=(WEATHER,))))
        (call,) = calls_in(whole)
        answered = Message(MessageRole.ASSISTANT, whole.output.content)
        told = Message(MessageRole.TOOL, (ToolResult(call.id, "rain", name=call.name),))
        asked = Message.of_text("user", "how will it be?")
        after = await run.chat(ask(asked, answered, told, tools=(WEATHER,)))

    assert whole.finish_reason == streamed.finish_reason == "tool_calls"
    assert (call.name, call.arguments) == (
        "weather",
        {"town": "sample", "days": 1},
    )
    assert [one.arguments for one in calls_in(streamed)] == [call.arguments]
    assert after.text == "the tool said: rain"


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_several_calls_come_whole_and_streamed(plugin):
    async with against(plugin, saying(calls=CALLS)) as run:
        whole = await run.chat(ask(tools=(WEATHER,)))
        streamed = fold(await run.stream(ask(tools=(WEATHER,))))

    for response in (whole, streamed):
        assert [one.arguments for one in calls_in(response)] == [call.arguments for call in CALLS]


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_a_schema_is_kept(plugin):
    wanted = ResponseFormat(type="json_schema", name="answer", schema=SCHEMA)
    async with against(plugin) as run:
        whole = await run.chat(ask(response_format=wanted))

    assert msgspec.json.decode(whole.text) == {"ok": True, "names": ["a"]}


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_a_picture_reaches_the_vendor(plugin):
    shown = Message(
        MessageRole.USER, (Text("what is it?"), Image(data=b"\x89PNG", media_type="image/png"))
    )
    seen = []

    def looking(request):
        asking = asking_of(request)
        assert asking is not None
        seen.append(asking.images)
        return good(request)

    async with against(plugin, looking) as run:
        await run.chat(ask(shown))
        await run.chat(ask())

    assert seen == [1, 0]


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_thinking_is_told_apart_from_the_text(plugin):
    async with against(plugin, saying(text="four", thinking="two and two")) as run:
        whole = await run.chat(ask())
        streamed = fold(await run.stream(ask()))

    for response in (whole, streamed):
        thoughts = [one.text for one in response.output.content if isinstance(one, Thinking)]
        assert (response.text, thoughts) == ("four", ["two and two"])


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_an_answer_that_was_too_long_says_so(plugin):
    async with against(plugin, saying(text="and so on", finish="length")) as run:
        whole = await run.chat(ask())
        streamed = fold(await run.stream(ask()))

    assert whole.finish_reason == streamed.finish_reason == "length"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ErrorKind.AUTH),
        (404, ErrorKind.MODEL_UNAVAILABLE),
        (429, ErrorKind.RATE_LIMITED),
        (500, ErrorKind.SERVER_ERROR),
        (503, ErrorKind.OVERLOADED),
    ],
)
@pytest.mark.parametrize("plugin", PLUGINS)
async def test_a_refusal_is_understood(plugin, status, kind):
    def refusing(request):
        wait = 7 if status == 429 else None
        words = "the model m does not exist" if status == 404 else "not now"
        return failure(request, status, words, retry_after_s=wait)

    async with against(plugin, refusing) as run:
        with pytest.raises(ProviderError) as told:
            await run.chat(ask())

    assert told.value.kind == kind
    assert told.value.retry_after_s == (7.0 if status == 429 else None)


def those_with(capability):
    return [
        plugin
        for plugin in PLUGINS
        if set(methods_of(provider_class(plugin)())) & set(SERVES[capability])
    ]


@pytest.mark.parametrize("plugin", those_with(Capability.EMBEDDING))
async def test_embeddings_follow_from_their_texts(plugin):
    async with against(plugin) as run:
        both = await run.embed(EmbeddingRequest(input=("a", "b"), model="e"))
        one = await run.embed(EmbeddingRequest(input=("b",), model="e", dimensions=5))

    assert len(both.embeddings) == 2
    assert both.embeddings[0] != both.embeddings[1]
    assert len(one.embeddings[0]) == 5
    assert one.embeddings[0] == pytest.approx(both.embeddings[1][:5])


@pytest.mark.parametrize("plugin", those_with(Capability.IMAGE_GEN))
async def test_an_image_is_drawn(plugin):
    async with against(plugin) as run:
        response = await run.generate_image(ImageRequest(prompt="a cat", model="m"))

    assert len(response.images) == 1


@pytest.mark.parametrize("plugin", those_with(Capability.AUDIO_TTS))
async def test_a_text_is_spoken(plugin):
    async with against(plugin) as run:
        response = await run.speak(SpeechRequest(input="hello", model="m", voice="v"))

    assert response.audio.format == "wav"
    assert response.audio.data.startswith(b"RIFF")


@pytest.mark.parametrize("plugin", those_with(Capability.AUDIO_STT))
async def test_a_sound_is_written_down(plugin):
    sound = Audio(data=b"0123456789", format="wav")
    async with against(plugin) as run:
        response = await run.transcribe(TranscriptionRequest(audio=sound, model="m"))

    assert response.text == "heard 10 bytes"


@pytest.mark.parametrize("model", ["m", "qwen3-rerank"])
@pytest.mark.parametrize("plugin", those_with(Capability.RERANK))
async def test_documents_are_ranked_by_the_words_of_the_query(plugin, model):
    asked = RerankRequest(query="red fox", documents=("blue sky", "a red fox", "red"), model=model)
    async with against(plugin) as run:
        response = await run.rerank(asked)

    assert [one.index for one in response.results] == [1, 2, 0]


@pytest.mark.parametrize("plugin", [one for one in PLUGINS if one != "azure-openai"])
async def test_models_are_listed_and_health_is_good(plugin):
    async with against(plugin) as run:
        models = await run.list_models()
        health = await run.check_health()

    assert [model.id for model in models] == ["m-1", "m-2"]
    assert health.ok


def test_a_path_that_is_no_wires_is_not_found():
    class Strange:
        method, host, path, headers, body = "GET", "api.example.com", "/v1/strange", (), b""

    assert asking_of(Strange()) is None
    assert good(Strange()).status == 404
