"""What was said in one dialect, at a vendor of another."""

from typing import Any

import pytest

from stockade_sdk.chat import ChatRequest, Message, MessageRole
from stockade_sdk.dialects import anthropic_messages, gemini, openai_chat, openai_responses
from stockade_sdk.dialects.foreign import MAX_NAME_CHARS, MAX_NAMES
from stockade_sdk.errors import ErrorKind, ProviderError

DIALECTS: list[Any] = [openai_chat, openai_responses, anthropic_messages, gemini]


def asked(**options: Any) -> ChatRequest:
    message = Message.of_text(MessageRole.USER, "hello")
    return ChatRequest(messages=(message,), model="m", provider_options=options)


def ignored(dialect: Any, request: ChatRequest) -> list[str]:
    _, warnings = dialect.encode_request(request)
    return [one.message for one in warnings if one.code == "option_ignored"]


@pytest.mark.parametrize("to", DIALECTS)
@pytest.mark.parametrize("of", DIALECTS)
def test_an_option_is_sent_or_warned_of(of: Any, to: Any):
    request = asked(**{of.DIALECT: {"knob": 7}})
    payload, _ = to.encode_request(request)

    assert (payload.get("knob") == 7) == (of is to)
    assert bool(ignored(to, request)) == (of is not to)


@pytest.mark.parametrize("to", [openai_responses, anthropic_messages, gemini])
@pytest.mark.parametrize(
    "nothing",
    [
        {},
        {"user": None, "logprobs": False, "logit_bias": {}, "tools": []},
        {"n": 1, "service_tier": "auto"},
        {"stream": False, "stream_options": {"include_usage": True}},
        {"$usage": False, "$max_tokens": "max_completion_tokens", "$drop": ["x"]},
        {"response_format": {"$drop": ["name"]}},
    ],
)
def test_what_says_nothing_is_not_missed(to: Any, nothing: dict[str, Any]):
    assert ignored(to, asked(openai_chat=nothing)) == []


def test_options_for_several_dialects_are_their_authors_choice():
    request = asked(openai_chat={"knob": 1}, anthropic_messages={"other": 2})

    assert ignored(openai_chat, request) == []
    assert ignored(anthropic_messages, request) == []
    assert ignored(gemini, request)


def test_another_dialect_than_those_of_chats_is_not_looked_at():
    assert ignored(openai_chat, asked(my_plugin={"knob": 1}, openai_chat_={"knob": 1})) == []


def test_what_a_canonical_field_says_is_not_missed():
    thinks = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 3000}
    said = {"model": "m", "messages": [{"role": "user", "content": "x"}], **thinks}
    request = anthropic_messages.decode_request(said)

    assert ignored(openai_chat, request) == []
    assert openai_chat.encode_request(request)[0]["reasoning_effort"] == "low"


def test_names_are_told_without_values_and_bounded():
    options = {f"{'k' * 100}{at}": "a secret" for at in range(50)}
    (told,) = ignored(anthropic_messages, asked(openai_chat=options))

    assert "secret" not in told
    assert f"and {50 - MAX_NAMES} more" in told
    assert len(told) < (MAX_NAMES + 2) * (MAX_NAME_CHARS + 2)


def test_tools_of_the_vendors_are_named():
    tools = [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": {}}]
    request = openai_responses.decode_request({"model": "m", "input": "x", "tools": tools})

    (told,) = ignored(anthropic_messages, request)
    assert "tools.web_search" in told


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ("openai_chat", {"n": 2}),
        ("openai_responses", {"previous_response_id": "r"}),
        ("openai_responses", {"conversation": {"id": "c"}}),
        ("openai_responses", {"prompt": {"id": "p"}}),
    ],
)
@pytest.mark.parametrize("to", [anthropic_messages, gemini])
def test_an_answer_to_another_question_is_refused(of: str, said: dict[str, Any], to: Any):
    with pytest.raises(ProviderError) as refused:
        to.encode_request(asked(**{of: said}))

    assert refused.value.kind is ErrorKind.UNSUPPORTED
    assert next(iter(said)) in refused.value.message
