"""Recorded traffic of one wire for a vendor, or a client, of another: what was said survives."""

import json
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import msgspec

from stockade.handoff import hand_over
from stockade_sdk import (
    Audio,
    ChatEvent,
    ChatRequest,
    ChatResponse,
    ErrorKind,
    Image,
    ProviderError,
    Text,
    Thinking,
)
from stockade_sdk.sse import EventReader
from stockade_sdk.stream import fold, unfold
from tests.recorded.crossing import Asked, asked, joined, names_in
from tests.recorded.crossing_places import PLACES, at
from tests.recorded.interactions import CHAT, GEMINI, MESSAGES, RESPONSES, Interaction, takes
from tests.recorded.ways import DIALECTS, read_answer, request_of

VENDORS = {  # whose wire each is, with a model of theirs
    CHAT: ("openai-compatible", "a-model"),
    RESPONSES: ("openai", "gpt-5"),
    MESSAGES: ("anthropic", "claude-sonnet-4-6"),
    GEMINI: ("gemini", "gemini-2.5-flash"),
}
REPAIRS = {"tool_call_dropped", "tool_result_dropped", "tool_result_supplied", "tool_result_moved"}
NO_STREAM = (Image, Audio)  # parts of an answer that no chat stream carries
SPEECHLESS = {(Audio, MESSAGES), (Audio, RESPONSES)}  # answers of these have no place for sound
OF_TOOLS = ("tool_choice", "parallel_tool_calls")  # nothing is said with them where are none
NUMBERS = ("temperature", "top_p", "top_k", "max_output_tokens", "seed")
NOT_ON_THE_WIRE = {  # counts that a wire has no field for; a total is the sum of the others
    CHAT: ("total_tokens",),
    RESPONSES: ("total_tokens",),
    MESSAGES: ("total_tokens", "audio_input_tokens", "audio_output_tokens"),
    GEMINI: ("total_tokens", "cache_write_tokens"),
}


@takes(lambda one: one.wire in VENDORS and one.request is not None)
def test_a_request_says_the_same_to_a_vendor_of_another_wire(interaction: Interaction) -> None:
    request = canonical(interaction)
    if request is None:
        return
    for wire in others(interaction):
        sent = encoded_for(wire, request)
        if sent is None:
            continue
        payload, warnings = sent
        codes = {code for code, _ in warnings}
        before, after = asked(interaction.wire, interaction.request or {}), asked(wire, payload)
        assert after.system == before.system, wire
        assert_reasoning_kept(before, after, codes)
        assert after.said == before.said, wire
        assert_media_kept(before, after, codes)
        assert_tools_kept(before, after, interaction.wire == GEMINI)
        assert_calls_kept(before, after, codes)
        assert not before.carried or "part_dropped" in codes, f"parts are lost silently: {wire}"
        assert after.carried == 0, wire


@takes(lambda one: one.wire in VENDORS and one.request is not None)
def test_no_setting_is_lost_silently_on_another_wire(interaction: Interaction) -> None:
    request = canonical(interaction)
    if request is None:
        return
    for wire in others(interaction):
        sent = encoded_for(wire, request)
        if sent is None:
            continue
        payload, warnings = sent
        for name, place in PLACES[wire].items():
            value, found = getattr(request, name), at(payload, place)
            if value in (None, ()) or (name in OF_TOOLS and not request.tools):
                continue
            told = any(name in message or name in code for code, message in warnings)
            assert found is not None or told, f"{wire} loses {name}"
            if name in NUMBERS and found is not None:
                assert found == value, f"{wire} changes {name}"


@takes(lambda one: one.wire in VENDORS and not one.refused)
def test_an_answer_says_the_same_to_a_client_of_another_wire(interaction: Interaction) -> None:
    answer = answered(interaction)
    if answer is None:
        return
    for wire in others(interaction):
        payload = json.loads(msgspec.json.encode(DIALECTS[wire].encode_response(answer, model="m")))

        heard = DIALECTS[wire].decode_response(payload)

        assert_says_the_same(heard, without_media(answer), wire)
        for kind, content in media_of(answer):
            if (kind, wire) not in SPEECHLESS:
                assert content in str(payload), wire


@takes(lambda one: one.wire in VENDORS and not one.refused)
def test_a_stream_says_the_same_to_a_client_of_another_wire(interaction: Interaction) -> None:
    answer = answered(interaction)
    if answer is None:
        return
    answer = without_media(answer)
    streams = [unfold(answer)]
    if interaction.streamed:
        streams.append(events_of(interaction))
    for wire in others(interaction):
        for events in streams:
            assert_says_the_same(heard_by(wire, events), answer, wire)


def others(interaction: Interaction) -> list[str]:
    return [wire for wire in VENDORS if wire != interaction.wire]


def canonical(interaction: Interaction) -> ChatRequest | None:
    """The request; ``None`` where its vendor refused it for not being of its wire."""
    try:
        return request_of(interaction)
    except ProviderError as error:
        refused = error
    assert (refused.kind, interaction.failed) == (ErrorKind.INVALID_REQUEST, True)
    return None


def encoded_for(
    wire: str, request: ChatRequest
) -> tuple[dict[str, Any], list[tuple[str, str]]] | None:
    """The payload and the warnings; ``None`` where the dialect says why there is none."""
    plugin, model = VENDORS[wire]
    fit, changed = hand_over(request, plugin)
    try:
        payload, dropped = DIALECTS[wire].encode_request(fit, model=model)
    except ProviderError as error:
        refused = error
    else:
        warnings = [(warning.code, warning.message) for warning in (*changed, *dropped)]
        return json.loads(msgspec.json.encode(payload)), warnings
    assert refused.kind in (ErrorKind.INVALID_REQUEST, ErrorKind.UNSUPPORTED)
    assert len(refused.message) > 20
    return None


def assert_reasoning_kept(before: Asked, after: Asked, codes: set[str]) -> None:
    """As reasoning, as tagged text or not at all, with a warning; takes tags out of ``said``."""
    tagged, tagged_before = after.untag(), before.untag()
    assert not tagged[len(tagged_before) :] or "thinking_tagged" in codes
    thoughts = [text for text in [*before.thinking, *tagged_before] if text]
    if "thinking_dropped" not in codes:
        assert [text for text in [*after.thinking, *tagged] if text] == thoughts
    before.said, after.said = joined(before.said), joined(after.said)


def assert_media_kept(before: Asked, after: Asked, codes: set[str]) -> None:
    """Bytes and addresses as they were, and an image no file, unless its address alone is sent."""
    left = list(after.media)
    for kind, content in before.media:
        found = [one for one in left if one[1] == content]
        if not found:
            assert "part_dropped" in codes
            continue
        assert found[0][0] == kind or isinstance(content, str)
        left.remove(found[0])
    assert left == []


def assert_tools_kept(before: Asked, after: Asked, of_google: bool) -> None:
    assert list(after.tools) == list(before.tools)
    if of_google:  # whose schemas have a spelling of their own
        assert list(map(names_in, after.tools.values())) == list(
            map(names_in, before.tools.values())
        )
    else:
        for name, schema in before.tools.items():
            assert after.tools[name] == schema or (not schema and not names_in(after.tools[name]))


def assert_calls_kept(before: Asked, after: Asked, codes: set[str]) -> None:
    if codes.isdisjoint(REPAIRS):
        assert [call[1:] for call in after.calls] == [call[1:] for call in before.calls]
        assert after.answered == before.answered
        said, was = ([text for _, text in one.results] for one in (after, before))
        if "tool_result_coerced" not in codes:
            assert said == was
        for now, then in zip(said, was, strict=True):
            assert now == then or "".join(str(now).split()) == "".join(str(then).split())
    ids = [id for id, _, _ in after.calls]
    assert len(set(ids)) == len(ids)
    assert None not in after.answered


def answered(interaction: Interaction) -> ChatResponse | None:
    """The canonical answer; ``None`` where a fixture's authors broke theirs."""
    try:
        return read_answer(interaction)
    except ProviderError:
        return None


def media_of(answer: ChatResponse) -> list[tuple[type, str]]:
    parts = [part for part in answer.output.content if isinstance(part, Image | Audio)]
    return [(type(part), b64encode(part.data).decode()) for part in parts if part.data]


def without_media(answer: ChatResponse) -> ChatResponse:
    parts = tuple(part for part in answer.output.content if not isinstance(part, NO_STREAM))
    output = msgspec.structs.replace(answer.output, content=parts)
    return msgspec.structs.replace(answer, output=output)


def events_of(interaction: Interaction) -> list[ChatEvent]:
    reader, decoder = EventReader(), DIALECTS[interaction.wire].StreamDecoder()
    sent = [*reader.feed(interaction.body), *reader.end()]
    events = [event for one in sent for event in decoder.feed(one.data, one.event)]
    return [*events, *decoder.finish()]


def heard_by(wire: str, events: Iterable[ChatEvent]) -> ChatResponse:
    """What a client hears of a stream; raises where it is not whole."""
    asks = {"include_usage": True} if wire == CHAT else {}
    encoder = DIALECTS[wire].StreamEncoder(id="client-1", model="m", **asks)
    decoder = DIALECTS[wire].StreamDecoder()
    heard: list[ChatEvent] = []
    for payload in encoder.feed_all(events):
        name = payload.get("type", "message")
        heard += decoder.feed(msgspec.json.encode(payload), name)
    if wire == CHAT:
        heard += decoder.feed("[DONE]", "message")
    return fold([*heard, *decoder.finish()])


def assert_says_the_same(heard: ChatResponse, answer: ChatResponse, wire: str) -> None:
    assert text_of(heard) == text_of(answer), wire
    assert thoughts(heard) == thoughts(answer), wire
    calls = [(call.name, as_said(call.arguments, wire)) for call in answer.tool_calls]
    assert [(call.name, call.arguments) for call in heard.tool_calls] == calls, wire
    ids = [call.id for call in heard.tool_calls]
    assert ids == [call.id for call in answer.tool_calls], wire
    assert len(set(ids)) == len(ids), wire
    reason = "stop" if answer.finish_reason == "other" and wire != GEMINI else answer.finish_reason
    assert heard.finish_reason == reason, wire
    assert counts(heard, wire) == counts(answer, wire), wire


def text_of(answer: ChatResponse) -> str:
    """The words; a block that no canonical part fits is none, though its JSON stands for it."""
    texts = [part for part in answer.output.content if isinstance(part, Text)]
    return "".join(
        part.text
        for part in texts
        if not any("$part" in entry for entry in (part.provider_metadata or {}).values())
    )


def thoughts(answer: ChatResponse) -> str:
    return "".join(part.text for part in answer.output.content if isinstance(part, Thinking))


def as_said(arguments: Any, wire: str) -> Any:
    """A call's arguments; two wires promise their clients an object."""
    if wire in (MESSAGES, GEMINI) and not isinstance(arguments, dict):
        return {"arguments": arguments}
    return arguments


def counts(answer: ChatResponse, wire: str) -> dict[str, int]:
    found: dict[str, int] = msgspec.to_builtins(answer.usage) if answer.usage is not None else {}
    cached = found.get("cached_input_tokens", 0) + found.get("cache_write_tokens", 0)
    if wire == MESSAGES and cached > found.get("input_tokens", cached):
        found["input_tokens"] = cached  # some servers say that more was cached than was asked
    return {name: count for name, count in found.items() if name not in NOT_ON_THE_WIRE[wire]}
