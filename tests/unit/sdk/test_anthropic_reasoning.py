"""Reasoning effort on Anthropic's wire: a budget for older models, a word for newer ones."""

import pytest

from stockade_sdk import (
    ChatRequest,
    Message,
    MessageRole,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    ToolResult,
)
from stockade_sdk.dialects.anthropic_messages import decode_request, encode_request

OLD, NEW = "claude-sonnet-4-5", "claude-opus-4-8"
ASKED = Message.of_text("user", "hi")
BOUND = 100_000


def sent(model=OLD, effort="medium", messages=(ASKED,), thinking=None, **fields):
    fields.setdefault("max_output_tokens", BOUND)
    request = ChatRequest(messages=messages, model=model, reasoning_effort=effort, **fields)
    payload, warnings = encode_request(request, thinking=thinking)
    return payload, [warning.code for warning in warnings]


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "word"),
    [
        (OLD, "low", {"type": "enabled", "budget_tokens": 1024}, None),
        (OLD, "high", {"type": "enabled", "budget_tokens": 24576}, None),
        ("claude-opus-4-20250514", "medium", {"type": "enabled", "budget_tokens": 8192}, None),
        ("some-other-model", "medium", {"type": "enabled", "budget_tokens": 8192}, None),
        (NEW, "minimal", {"type": "adaptive"}, "low"),
        (NEW, "xhigh", {"type": "adaptive"}, "xhigh"),
        ("claude-sonnet-4-6", "xhigh", {"type": "adaptive"}, "high"),
        ("claude-of-the-future", "high", {"type": "adaptive"}, "high"),
        (OLD, "none", {"type": "disabled"}, None),
    ],
)
def test_an_effort_in_the_words_of_the_model(model, effort, thinking, word):
    payload, warned = sent(model, effort)

    assert payload["thinking"] == thinking
    assert payload.get("output_config", {}).get("effort") == word
    assert warned == []


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "claude-3-5-haiku-latest"},
        {"effort": "sideways"},
        {"max_output_tokens": 1200},
        {"thinking": "never"},
        {"tools": (ToolDefinition("f"),), "tool_choice": ToolChoice("required")},
    ],
)
def test_an_effort_that_cannot_be_had_is_dropped(fields):
    payload, warned = sent(**fields)

    assert "thinking" not in payload
    assert warned == ["setting_dropped"]


def test_the_budget_leaves_a_fifth_for_the_answer():
    payload, _ = sent(effort="high", max_output_tokens=5000)

    assert payload["thinking"]["budget_tokens"] == 4000


def test_without_a_bound_the_budget_is_added_to_the_default():
    payload, warned = sent(effort="low", max_output_tokens=None)

    assert payload["max_tokens"] == 2048
    assert warned == ["default_max_tokens_applied"]


def test_sampling_gives_way_to_reasoning():
    payload, warned = sent(temperature=0.5, top_k=3)

    assert not {"temperature", "top_k"} & set(payload)
    assert warned == ["setting_dropped"] * 2


@pytest.mark.parametrize(("thought", "begins"), [(True, True), (False, False)])
def test_reasoning_does_not_begin_between_a_call_and_its_answer(thought, begins):
    said = (Thinking("t", "s", "anthropic"),) if thought else ()
    called = Message(MessageRole.ASSISTANT, (*said, ToolCall("a", "f", {})))
    told = Message(MessageRole.TOOL, (ToolResult("a", "x"),))

    payload, _ = sent(messages=(ASKED, called, told))

    assert ("thinking" in payload) is begins


@pytest.mark.parametrize(
    ("said", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 30000}}, "high"),
        ({"thinking": {"type": "disabled"}}, "none"),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max"),
        ({"thinking": "deep"}, None),
        ({}, None),
    ],
)
def test_what_a_client_says_of_reasoning_is_known_to_others_and_sent_as_it_is(said, effort):
    payload = {"model": NEW, "max_tokens": 9, "messages": [], **said}

    request = decode_request(payload)

    assert request.reasoning_effort == effort
    assert encode_request(request)[0] == payload
