"""Reasoning and ids: who takes back what, and in which words the others get it."""

from __future__ import annotations

import pytest

from stockade.handoff import ID_FORMS, Options, vendor_of, with_ids, with_thinking
from stockade_sdk.chat import Message, MessageRole, Text, Thinking, ToolCall, ToolResult
from stockade_sdk.dialects import openai_chat
from stockade_sdk.dialects.overlay import Notes
from tests.unit.host.histories import said


def kept(part: Thinking, plugin: str) -> bool:
    history = (said("assistant", part, "a"),)
    return with_thinking(history, vendor_of(plugin), Options(), Notes()) is history


@pytest.mark.parametrize(
    ("provider", "plugin", "stays"),
    [
        ("openai", "azure-openai", True),
        ("openai", "openrouter", True),
        ("openrouter", "openai", True),
        ("anthropic", "anthropic-compatible", True),
        ("deepseek", "deepseek", True),
        ("bolt", "bolt", True),
        ("anthropic", "openrouter", False),
        ("openai", "openai-compatible", False),
        ("deepseek", "moonshot", False),
        ("gemini", "bolt", False),
        (None, "openai", False),
    ],
)
def test_reasoning_stays_within_its_family(provider, plugin, stays) -> None:
    assert kept(Thinking("steps", "sig", provider), plugin) is stays


@pytest.mark.parametrize(
    ("field", "takers"),
    [
        ("reasoning_content", {"deepseek", "moonshot", "qwen", "openrouter", "openai-compatible"}),
        ("reasoning", {"groq", "openrouter", "openai-compatible"}),
    ],
)
def test_reasoning_without_a_maker_goes_to_who_spells_it_so(field, takers) -> None:
    turn = {"role": "assistant", "content": "a", field: "steps"}
    thinking = openai_chat.decode_request({"messages": [turn]}).messages[0].content[0]
    assert isinstance(thinking, Thinking)
    everyone = {*takers, "deepseek", "moonshot", "qwen", "groq", "mistral", "openai", "anthropic"}

    assert {plugin for plugin in everyone if kept(thinking, plugin)} == takers


def test_mistrals_own_reasoning_goes_back_to_mistral() -> None:
    piece = {"type": "thinking", "thinking": [{"type": "text", "text": "steps"}]}
    turn = {"role": "assistant", "content": [piece, {"type": "text", "text": "a"}]}
    thinking = openai_chat.decode_request({"messages": [turn]}).messages[0].content[0]
    assert isinstance(thinking, Thinking)

    assert kept(thinking, "mistral")
    assert not kept(thinking, "groq")


def test_dropped_by_choice_a_turn_of_reasoning_alone_is_gone() -> None:
    history = (
        said("user", "u"),
        said("assistant", Thinking("steps", None, "anthropic")),
        said("assistant", Thinking("more", None, "anthropic"), "a"),
    )
    notes = Notes()

    handed = with_thinking(history, vendor_of("openai"), Options(thinking="dropped"), notes)

    assert handed == (said("user", "u"), said("assistant", "a"))
    assert [warning.code for warning in notes.warnings] == ["thinking_dropped"]


def test_reasoning_without_words_leaves_no_empty_tag() -> None:
    redacted = said("assistant", Thinking("", "encrypted", "anthropic"), "a")

    handed = with_thinking((redacted,), vendor_of("openai"), Options(), Notes())

    assert handed == (said("assistant", "a"),)


def test_neither_signature_nor_metadata_crosses() -> None:
    part = Thinking("steps", "sig", "anthropic", {"anthropic_messages": {"x": 1}})

    (message,) = with_thinking((said("assistant", part),), vendor_of("gemini"), Options(), Notes())

    assert message.content == (Text("<thinking>steps</thinking>"),)


def turn(*ids: str) -> tuple[Message, ...]:
    return (
        Message(MessageRole.ASSISTANT, tuple(ToolCall(id, "read", {"for": id}) for id in ids)),
        Message(MessageRole.TOOL, tuple(ToolResult(id, f"of {id}") for id in ids)),
    )


def pairs(history: tuple[Message, ...]) -> list[tuple[str, str]]:
    """Each call's new id, and what its result is of."""
    parts = [part for message in history for part in message.content]
    results = {part.tool_call_id: part.content for part in parts if isinstance(part, ToolResult)}
    calls = [part for part in parts if isinstance(part, ToolCall)]
    assert len({call.id for call in calls}) == len(results) == len(calls)
    return [(call.id, str(results[call.id])) for call in calls]


def test_new_ids_do_not_meet_those_that_stay() -> None:
    alone = with_ids(turn("toolu_1"), ID_FORMS["openai"], Notes())
    (taken, _) = pairs(alone)[0]

    both = pairs(with_ids((*turn(taken), *turn("toolu_1")), ID_FORMS["openai"], Notes()))

    assert both[0] == (taken, f"of {taken}")
    assert both[1][1] == "of toolu_1"


def test_an_id_used_in_two_turns_becomes_two() -> None:
    history = (*turn("call_0"), *turn("call_0"))

    rewritten = with_ids(history, ID_FORMS["plain"], Notes())

    assert rewritten[:2] == history[:2]
    assert pairs(rewritten)[1][0] != "call_0"


def test_halves_of_surrogate_pairs_make_an_id_too() -> None:
    history = turn("\ud83d", "\ude00")

    assert [text for _, text in pairs(with_ids(history, ID_FORMS["mistral"], Notes()))] == [
        "of \ud83d",
        "of \ude00",
    ]


@pytest.mark.parametrize(
    ("form", "id"), [("anthropic", "call_1"), ("openai", "fc_" + "0" * 50), ("openai", "toolu_1")]
)
def test_ids_that_are_taken_stay_unless_another_vendor_made_the_history(form, id) -> None:
    history = turn(id)

    assert with_ids(history, ID_FORMS[form], Notes(), foreign=False) is history
    assert pairs(with_ids(history, ID_FORMS[form], Notes()))[0][0] != id
