"""A whole history handed over: what holds whatever it looks like, and who gets it as it is."""

from __future__ import annotations

import re
from timeit import repeat

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.handoff import Options, hand_over, makers
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.chat import (
    Audio,
    ChatRequest,
    Image,
    Message,
    MessageRole,
    Text,
    Thinking,
    ToolCall,
    ToolDefinition,
    ToolResult,
)
from tests.unit.host.histories import IMAGE, PLUGINS, faults, requests, said

TAKEN = {  # the ids that a vendor takes, by its own pages
    "openai": r"[A-Za-z0-9_-]{1,64}",
    "anthropic": r"[A-Za-z0-9_-]+",
    "mistral": r"[A-Za-z0-9]{9}",
}
BLIND = ModelInfo(id="m", capabilities=(Capability.CHAT,))
SEEING = ModelInfo(id="m", capabilities=(Capability.CHAT, Capability.VISION))

plugins = st.sampled_from(PLUGINS)
infos = st.sampled_from((None, BLIND, SEEING))
choices = st.builds(Options, thinking=st.sampled_from(("tagged", "dropped")))


def codes(warnings) -> list[str]:
    return [warning.code for warning in warnings]


def answered(message: Message) -> str:
    (result,) = message.content
    assert isinstance(result, ToolResult)
    return result.tool_call_id


def untouched(request: ChatRequest, plugin: str) -> bool:
    return makers(request.messages) != set() and hand_over(request, plugin) == (request, ())


@given(requests, plugins, infos, choices)
def test_twice_is_once(request_, plugin, info, options) -> None:
    once, _ = hand_over(request_, plugin, info, options)
    twice, warnings = hand_over(once, plugin, info, options)

    assert twice == once
    assert warnings == ()


@given(requests, plugins, infos, choices)
def test_the_same_goes_in_and_out(request_, plugin, info, options) -> None:
    before = msgspec.msgpack.encode(request_)
    copy = msgspec.msgpack.decode(before, type=ChatRequest)

    first = hand_over(request_, plugin, info, options)

    assert msgspec.msgpack.encode(request_) == before
    assert hand_over(copy, plugin, info, options) == first


@given(requests, plugins, infos)
def test_every_call_is_followed_by_its_results(request_, plugin, info) -> None:
    handed, _ = hand_over(request_, plugin, info)

    assert untouched(request_, plugin) or faults(handed.messages) == [] or is_plain(request_)


@given(requests, st.sampled_from(tuple(TAKEN)))
def test_every_id_is_one_that_the_vendor_takes(request_, plugin) -> None:
    handed, _ = hand_over(request_, plugin)

    if not untouched(request_, plugin) and not is_plain(request_):
        ids = [p.id for m in handed.messages for p in m.content if isinstance(p, ToolCall)]
        assert [id for id in ids if not re.fullmatch(TAKEN[plugin], id)] == []
        assert len(set(ids)) == len(ids)


@given(requests, plugins, infos)
def test_a_change_is_warned_of_and_a_warning_is_a_change(request_, plugin, info) -> None:
    handed, warnings = hand_over(request_, plugin, info)

    assert (handed is request_) == (warnings == ())
    assert (handed == request_) == (handed is request_)


@given(requests, plugins)
def test_what_the_user_said_stays(request_, plugin) -> None:
    handed, _ = hand_over(request_, plugin)

    assert spoken(handed) == spoken(request_)


def spoken(request: ChatRequest) -> list[str]:
    users = [m for m in request.messages if m.role in (MessageRole.USER, MessageRole.SYSTEM)]
    return [part.text for m in users for part in m.content if isinstance(part, Text)]


def is_plain(request: ChatRequest) -> bool:
    """Nobody but the user spoke: not touched, whatever it holds."""
    return all(m.role in (MessageRole.USER, MessageRole.SYSTEM) for m in request.messages)


@pytest.mark.parametrize(
    "history",
    [
        (said("system", "s"), said("user", "u", IMAGE)),
        (said("user", "u"), said("assistant", "a"), said("user", "v")),
        (),
    ],
)
def test_a_plain_history_is_the_same_object(history) -> None:
    request = ChatRequest(messages=history)

    assert hand_over(request, "anthropic", BLIND)[0] is request


BROKEN_BY_ANTHROPIC = ChatRequest(
    messages=(
        said("user", "q"),
        said(
            "assistant",
            Thinking("steps", "sig", "anthropic"),
            ToolCall("toolu_1", "read", {}),
            ToolCall("toolu_1", " read ", {}),
        ),
        said("user", "never mind"),
    )
)


@pytest.mark.parametrize("plugin", ["anthropic", "anthropic-compatible"])
def test_its_own_family_gets_a_history_as_it_is(plugin) -> None:
    handed, warnings = hand_over(BROKEN_BY_ANTHROPIC, plugin)

    assert handed is BROKEN_BY_ANTHROPIC
    assert warnings == ()


def test_another_family_gets_it_mended() -> None:
    handed, warnings = hand_over(BROKEN_BY_ANTHROPIC, "openai")

    _, turn, *results, last = handed.messages
    calls = [part for part in turn.content if isinstance(part, ToolCall)]
    assert turn.content[0] == Text("<thinking>steps</thinking>")
    assert [call.name for call in calls] == ["read", "read"]
    assert [answered(result) for result in results] == [call.id for call in calls]
    assert last.text == "never mind"
    assert set(codes(warnings)) == {
        "tool_name_trimmed",
        "tool_result_supplied",
        "tool_call_ids_rewritten",
        "thinking_tagged",
    }


def test_a_history_of_two_makers_is_mended_for_both() -> None:
    mixed = ChatRequest(
        messages=(
            said("assistant", Thinking("a", "s", "anthropic")),
            said("assistant", Thinking("o", None, "openai")),
        )
    )

    for_openai, _ = hand_over(mixed, "openai")
    for_anthropic, _ = hand_over(mixed, "anthropic")

    assert [part for m in for_openai.messages for part in m.content] == [
        Text("<thinking>a</thinking>"),
        Thinking("o", None, "openai"),
    ]
    assert [part for m in for_anthropic.messages for part in m.content] == [
        Thinking("a", "s", "anthropic"),
        Text("<thinking>o</thinking>"),
    ]


@pytest.mark.parametrize(
    ("part", "maker"),
    [
        (Thinking("t", None, "azure-openai"), "openai"),
        (Thinking("t", None, " Acme "), "acme"),
        (ToolCall("toolu_1", "read"), "anthropic"),
        (ToolCall("f", "read", {}, {"gemini": {"thoughtSignature": "x"}}), "gemini"),
        (Text("t", {"openai_responses": {"id": "msg_1"}}), "openai"),
    ],
)
def test_a_part_shows_who_made_it(part, maker) -> None:
    assert makers((said("assistant", part),)) == {maker}


@pytest.mark.parametrize(
    "message",
    [
        said("assistant", ToolCall("call_1", "read")),
        said("assistant", Text("t", {"openai_chat": {"annotations": []}})),
        Message(MessageRole.USER, (Text("t", {"anthropic_messages": {"cache_control": {}}}),)),
    ],
)
def test_what_everyone_writes_shows_nothing(message) -> None:
    assert makers((message,)) == set()


def test_images_become_a_note_where_the_model_takes_none() -> None:
    result = ToolResult("c1", (Text("shot"), IMAGE))
    request = ChatRequest(
        messages=(
            said("user", IMAGE),
            said("assistant", ToolCall("c1", "look", {})),
            said("tool", result),
        )
    )

    handed, warnings = hand_over(request, "deepseek", BLIND)

    assert hand_over(request, "deepseek", SEEING)[0] is request
    assert hand_over(request, "deepseek", ModelInfo(id="m"))[0] is request
    assert codes(warnings) == ["part_dropped"]
    assert Image not in [type(part) for m in handed.messages for part in m.content]
    shown = handed.messages[-1].content[0]
    assert isinstance(shown, ToolResult)
    assert [type(part) for part in shown.content] == [Text, Text]


def test_a_sound_that_only_openai_finds_again_becomes_its_transcript() -> None:
    spoke = said("assistant", Audio(id="audio_1", transcript="hello"))
    request = ChatRequest(messages=(said("user", "hi"), spoke))

    handed, warnings = hand_over(request, "gemini")

    assert hand_over(request, "openai")[0] is request
    assert handed.messages[-1].text == "hello"
    assert codes(warnings) == ["part_dropped"]


def test_calls_of_tools_that_are_gone_can_be_left_out() -> None:
    request = ChatRequest(
        messages=(
            said("assistant", ToolCall("c1", "read", {}), ToolCall("c2", "exec", {})),
            said("tool", ToolResult("c1", "one")),
            said("tool", ToolResult("c2", "two")),
        ),
        tools=(ToolDefinition("read"),),
    )

    kept, _ = hand_over(request, "bolt")
    handed, warnings = hand_over(request, "bolt", None, Options(declared_calls_only=True))

    assert kept is request
    assert handed.messages == (
        Message(MessageRole.ASSISTANT, (ToolCall("c1", "read", {}),)),
        request.messages[1],
    )
    assert codes(warnings) == ["tool_call_dropped", "tool_result_dropped"]


def test_many_results_far_from_their_calls_are_no_burden() -> None:
    count = 4_000
    calls = [said("assistant", ToolCall("same", "read", {"at": at})) for at in range(count)]
    results = [said("tool", ToolResult("same", str(at))) for at in range(count)]
    request = ChatRequest(messages=(*calls, said("user", "u"), *results))

    seconds = min(repeat(lambda: hand_over(request, "mistral"), number=1, repeat=2))

    assert seconds < 2.0  # some 40 ms; the square of this count would be minutes
