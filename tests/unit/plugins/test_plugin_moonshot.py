"""The moonshot plugin: models that think or not, sampling that is fixed, images as bytes."""

import pytest

from stockade_sdk import (
    ChatRequest,
    ErrorKind,
    Image,
    Message,
    MessageRole,
    ProviderError,
    Text,
    Thinking,
    ToolResult,
    fold,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.provider import methods_of
from stockade_sdk.testing import Answer
from tests.unit.plugins.chat_answers import (
    CHAT,
    CHUNKS,
    after_a_tool,
    codes,
    running,
    sent,
)
from tests.unit.plugins.loading import manifest_of, provider_class

NAME = "moonshot"
K26 = "kimi-k2.6"
HI = (Message.of_text("user", "hi"),)


def moonshot(*answers, **config):
    return running(NAME, *answers, **config)


def rest(run):
    return {key: value for key, value in sent(run).items() if key not in ("model", "messages")}


def test_the_manifest_asks_for_both_of_the_vendors_hosts_and_its_key():
    manifest = manifest_of(NAME)

    hosts = [str(rule) for rule in manifest.permissions.network]
    assert hosts == ["api.moonshot.ai", "api.moonshot.cn"]
    secret = manifest.permissions.secrets[0]
    assert (secret.name, secret.hosts) == ("MOONSHOT_API_KEY", manifest.permissions.network)
    assert (secret.header, secret.format) == ("authorization", "Bearer {}")
    assert len(methods_of(provider_class(NAME))) == 4


async def test_a_chat_goes_to_the_international_host_unless_configured():
    china = "https://api.moonshot.cn/v1"

    async with moonshot(Answer.of_json(CHAT)) as run:
        await run.chat("hi")
    async with moonshot(Answer.of_json(CHAT), base_url=china) as there:
        await there.chat("hi")

    assert run.requests[0].url == "https://api.moonshot.ai/v1/chat/completions"
    assert there.requests[0].url == f"{china}/chat/completions"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (K26, " "),
        ("kimi-k2-thinking", " "),
        ("kimi-of-tomorrow", " "),
        ("kimi-k2-0905-preview", None),
        ("moonshot-v1-128k", None),
    ],
)
async def test_a_turn_with_tool_calls_has_reasoning_where_the_model_thinks(model, told):
    async with moonshot(Answer.of_json(CHAT)) as run:
        await run.chat(after_a_tool(model=model))

    assert sent(run)["messages"][1].get("reasoning_content") == told


async def test_reasoning_goes_back_in_its_field():
    async with moonshot(Answer.of_json(CHAT)) as run:
        await run.chat(after_a_tool(Thinking("look at the clock"), model=K26))

    assert sent(run)["messages"][1]["reasoning_content"] == "look at the clock"


@pytest.mark.parametrize(
    ("model", "body", "warned"),
    [
        (K26, {"thinking": {"type": "disabled"}}, []),
        ("kimi-k2-0905-preview", {}, []),
        ("kimi-k2.7-code", {}, ["setting_dropped"]),
    ],
    ids=["can be told", "never does", "always does"],
)
async def test_no_effort_turns_thinking_off_where_it_can_be(model, body, warned):
    async with moonshot(Answer.of_json(CHAT)) as run:
        response = await run.chat(ChatRequest(messages=HI, model=model, reasoning_effort="none"))

    assert rest(run) == body
    assert codes(response) == warned


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"temperature": 0.2, "top_p": 0.5, "presence_penalty": 1}, {}),
        (
            {"temperature": 1.0, "top_p": 0.95, "frequency_penalty": 0},
            {"temperature": 1.0, "top_p": 0.95, "frequency_penalty": 0},
        ),
    ],
    ids=["others", "the only ones"],
)
async def test_sampling_that_would_be_refused_is_dropped_with_a_warning(settings, kept):
    async with moonshot(Answer.of_json(CHAT)) as run:
        response = await run.chat(ChatRequest(messages=HI, model=K26, **settings))

    assert rest(run) == kept
    assert codes(response) == ["setting_dropped"] * (len(settings) - len(kept))


async def test_without_thinking_the_fixed_temperature_is_another():
    off = {"openai_chat": {"thinking": {"type": "disabled"}}}
    request = ChatRequest(messages=HI, model=K26, temperature=0.6, provider_options=off)

    async with moonshot(Answer.of_json(CHAT)) as run:
        response = await run.chat(request)

    assert rest(run) == {"temperature": 0.6, "thinking": {"type": "disabled"}}
    assert codes(response) == []


async def test_models_that_leave_sampling_free_get_it():
    async with moonshot(Answer.of_json(CHAT)) as run:
        await run.chat(ChatRequest(messages=HI, model="moonshot-v1-8k", temperature=0.2))

    assert rest(run) == {"temperature": 0.2}


async def test_the_vendors_own_tools_and_parts_are_carried():
    payload = {
        "model": K26,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "ms://file-1"}},
                    {"type": "video_url", "video_url": {"url": "ms://file-2"}},
                ],
            },
            {"role": "assistant", "content": "{", "partial": True},
        ],
        "tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}],
        "thinking": {"type": "enabled"},
    }

    async with moonshot(Answer.of_json(CHAT)) as run:
        await run.chat(openai_chat.decode_request(payload))

    assert sent(run) == payload


@pytest.mark.parametrize("inside", ["message", "tool result"])
async def test_an_image_by_url_is_refused_before_it_is_sent(inside):
    picture = Image(url="https://example.com/a.png")
    part = picture if inside == "message" else ToolResult("call_1", (Text("see"), picture))
    role = MessageRole.USER if inside == "message" else MessageRole.TOOL

    async with moonshot() as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat(ChatRequest(messages=(Message(role, (part,)),), model=K26))

    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert run.requests == []


async def test_an_image_as_bytes_is_sent_inline():
    picture = Image(data=b"\x89PNG", media_type="image/png")

    async with moonshot(Answer.of_json(CHAT)) as run:
        await run.chat(ChatRequest(messages=(Message(MessageRole.USER, (picture,)),), model=K26))

    part = sent(run)["messages"][0]["content"][0]
    assert part["image_url"]["url"].startswith("data:image/png;base64,")


async def test_counts_may_stand_in_the_last_choice_of_a_stream():
    counts = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "cached_tokens": 5}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": counts}]}

    async with moonshot(Answer.of_events(*CHUNKS[:2], last)) as run:
        usage = fold(await run.stream("x")).usage

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens) == (7, 3, 5)


@pytest.mark.parametrize(
    ("status", "type", "kind"),
    [
        (429, "engine_overloaded_error", ErrorKind.OVERLOADED),
        (429, "exceeded_current_quota_error", ErrorKind.QUOTA),
        (429, "rate_limit_reached_error", ErrorKind.RATE_LIMITED),
        (401, "invalid_authentication_error", ErrorKind.AUTH),
    ],
)
async def test_errors_of_one_status_are_told_apart(status, type, kind):
    error = {"error": {"message": "sorry", "type": type}}

    async with moonshot(Answer.of_json(error, status=status)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("x")

    assert caught.value.kind is kind


async def test_health_is_the_model_list():
    async with moonshot(Answer.of_json({"data": [{"id": K26}]})) as run:
        assert (await run.check_health()).ok

    assert run.requests[0].url == "https://api.moonshot.ai/v1/models"
