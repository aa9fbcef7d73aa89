"""The anthropic plugin: what it sends, and what it makes of what comes back."""

import pytest

from stockade_sdk import (
    ChatRequest,
    ErrorKind,
    Finish,
    Message,
    PermissionDenied,
    ProviderError,
    ResponseFormat,
    TextDelta,
    fold,
)
from stockade_sdk.capability import Capability, Price
from stockade_sdk.testing import Answer, provider_under_test
from tests.unit.plugins.loading import defaults_of, manifest_of, provider_class

NAME = "anthropic"
Anthropic = provider_class(NAME)
URL = "https://api.anthropic.com/v1"
ASKED = ChatRequest(
    messages=(Message.of_text("user", "hi"),), model="claude-sonnet-5", max_output_tokens=9
)

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 4},
}
EVENTS = (
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)


def run_with(*answers, **config):
    settings = {**defaults_of(NAME), **config}
    return provider_under_test(Anthropic, config=settings, respond=answers)


def page(*ids, more=False):
    listed = [{"type": "model", "id": id} for id in ids]
    return Answer.of_json({"data": listed, "has_more": more, "last_id": ids[-1]})


def test_the_manifest_reaches_one_host_with_one_key():
    manifest = manifest_of(NAME)

    assert [str(rule) for rule in manifest.permissions.network] == ["api.anthropic.com"]
    (secret,) = manifest.permissions.secrets
    assert (secret.name, secret.header, secret.format) == ("ANTHROPIC_API_KEY", "x-api-key", "{}")
    assert [str(rule) for rule in secret.hosts] == ["api.anthropic.com"]
    assert not secret.expose


def test_every_model_has_its_windows_and_prices():
    for model in manifest_of(NAME).models:
        assert model.capabilities == (Capability.CHAT, Capability.VISION)
        windows = (model.context_tokens or 0, model.max_output_tokens or 0)
        assert windows[0] >= windows[1] > 0
        price = model.price or Price()
        assert None not in (price.input, price.output, price.cache_read, price.cache_write)


async def test_a_chat_is_one_post_with_the_version_and_without_a_key():
    async with run_with(Answer.of_json(MESSAGE)) as run:
        response = await run.chat(ASKED)

    assert (response.text, response.model) == ("hello", "claude-sonnet-5")
    assert (response.usage.input_tokens, response.usage.cached_input_tokens) == (7, 4)
    request = run.requests[0]
    assert (request.method, request.url) == ("POST", f"{URL}/messages")
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in request.headers
    assert "x-api-key" not in request.headers
    assert request.json == {
        "model": "claude-sonnet-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


async def test_betas_of_the_operator_and_of_the_request_go_into_one_header():
    options = {"anthropic_messages": {"betas": ["b-2", "b-1"]}}
    request = ChatRequest(messages=ASKED.messages, model="m", provider_options=options)

    async with run_with(Answer.of_json(MESSAGE), betas="b-0, b-1") as run:
        await run.chat(request)

    assert run.requests[0].headers["anthropic-beta"] == "b-0,b-1,b-2"
    assert "betas" not in run.requests[0].json


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://h", "https://h/v1/messages"),
        ("https://h/", "https://h/v1/messages"),
        ("https://h/anthropic/v1", "https://h/anthropic/v1/messages"),
        ("https://h/x?a=1", "https://h/x/v1/messages?a=1"),
    ],
)
async def test_the_path_goes_below_the_base_url(base_url, url):
    async with run_with(Answer.of_json(MESSAGE), base_url=base_url) as run:
        await run.chat(ASKED)

    assert run.requests[0].url == url


@pytest.mark.parametrize("asked", [None, "default", "auto", ""])
async def test_a_request_without_a_model_takes_the_configured_one(asked):
    request = ChatRequest(messages=ASKED.messages, model=asked)

    async with run_with(Answer.of_json(MESSAGE), model="claude-x") as run:
        await run.chat(request)
    async with run_with() as unconfigured:
        with pytest.raises(ProviderError) as caught:
            await unconfigured.chat(request)

    assert run.requests[0].json["model"] == "claude-x"
    assert "stockade config set anthropic model" in caught.value.message
    assert unconfigured.requests == []


async def test_the_bound_that_the_vendor_requires_is_the_configured_one():
    request = ChatRequest(messages=ASKED.messages, model="m")

    async with run_with(Answer.of_json(MESSAGE), default_max_tokens=4000) as run:
        response = await run.chat(request)

    assert run.requests[0].json["max_tokens"] == 4000
    assert [warning.code for warning in response.warnings] == ["default_max_tokens_applied"]


async def test_a_stream_comes_as_events():
    async with run_with(Answer.of_events(*EVENTS, done=None)) as run:
        events = await run.stream(ASKED)

    assert [event.text for event in events if isinstance(event, TextDelta)] == ["hel", "lo"]
    usage = fold(events).usage
    assert usage is not None
    assert usage.input_tokens == 7
    assert run.requests[0].json["stream"] is True
    assert run.requests[0].headers["accept"] == "text/event-stream"


async def test_a_whole_answer_to_a_stream_is_taken():
    wanted = ResponseFormat(type="json_object")
    request = ChatRequest(messages=ASKED.messages, model="m", response_format=wanted)
    answer = {**MESSAGE, "content": [{"type": "text", "text": '{"a":1}'}]}

    async with run_with(Answer.of_json(answer)) as run:
        events = await run.stream(request)

    assert fold(events, response_format=wanted).output.structured_output == {"a": 1}


@pytest.mark.parametrize("upto", [0, 1, 4, 6])
async def test_a_stream_that_is_not_whole_is_an_error_and_no_short_answer(upto):
    async with run_with(Answer.of_events(*EVENTS[:upto], done=None)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream(ASKED)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


async def test_an_error_inside_the_stream_is_its_kind():
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

    async with run_with(Answer.of_events(*EVENTS[:3], error, done=None)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream(ASKED)

    assert caught.value.kind is ErrorKind.OVERLOADED


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (
            Answer.of_json(
                {"error": {"type": "not_found_error", "message": "model: x"}}, status=404
            ),
            ErrorKind.MODEL_UNAVAILABLE,
        ),
        (Answer.of_json({"error": {"type": "overloaded_error"}}, status=529), ErrorKind.OVERLOADED),
        (Answer.of_json({"error": {"type": "authentication_error"}}, status=401), ErrorKind.AUTH),
        (Answer(pieces=(b"<html>200</html>",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer(pieces=(b"",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer.of_json({"content": [], "role": "user"}), ErrorKind.MALFORMED_RESPONSE),
        (Answer(error=PermissionDenied("not granted")), ErrorKind.PERMISSION_DENIED),
    ],
)
async def test_a_failed_chat_is_its_kind(answer, kind):
    async with run_with(answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat(ASKED)

    assert caught.value.kind is kind


async def test_what_cannot_be_sent_is_warned_of_in_both_ways_of_answering():
    request = ChatRequest(messages=ASKED.messages, model="m", max_output_tokens=9, seed=1)

    async with run_with(Answer.of_json(MESSAGE), Answer.of_events(*EVENTS, done=None)) as run:
        response = await run.chat(request)
        finish = (await run.stream(request))[-1]

    assert isinstance(finish, Finish)
    assert [w.code for w in response.warnings] == ["setting_dropped"]
    assert [w.code for w in finish.warnings] == ["setting_dropped"]


async def test_a_request_that_the_vendor_refuses_for_certain_is_never_sent():
    request = ChatRequest(messages=ASKED.messages, model="m", temperature=2.0)

    async with run_with() as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat(request)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert run.requests == []


async def test_models_are_listed_page_by_page():
    async with run_with(page("a", "b/c", more=True), page("d", "a")) as run:
        listed = await run.list_models()

    assert [model.id for model in listed] == ["a", "b/c", "d"]
    assert [request.url for request in run.requests] == [
        f"{URL}/models?limit=1000",
        f"{URL}/models?limit=1000&after_id=b%2Fc",
    ]


async def test_a_list_that_never_ends_is_given_up():
    async with run_with(*[page("a", more=True)] * 30) as run:
        with pytest.raises(ProviderError) as caught:
            await run.list_models()

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE
    assert len(run.requests) == 20


async def test_health_is_the_cheapest_call_with_the_key():
    refusal = Answer.of_json({"error": {"type": "authentication_error"}}, status=401)

    async with run_with(page("a"), refusal) as run:
        well, ill = await run.check_health(), await run.check_health()

    assert well.ok
    assert well.latency_ms >= 0
    assert not ill.ok
    assert "auth" in ill.detail
    assert [request.url for request in run.requests] == [f"{URL}/models?limit=1"] * 2


async def test_a_missing_grant_is_no_illness():
    async with run_with(Answer(error=PermissionDenied("not granted"))) as run:
        with pytest.raises(PermissionDenied):
            await run.check_health()
