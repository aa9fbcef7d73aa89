"""Streamed answers of Google's wire, both ways."""

import json
from typing import Any

import msgspec
import pytest

from stockade_sdk import (
    ErrorKind,
    FinishReason,
    Image,
    ProviderError,
    Text,
    Thinking,
    ToolCall,
    Usage,
    fold,
)
from stockade_sdk.dialects import gemini
from stockade_sdk.stream import (
    ChatEvent,
    Finish,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from tests.unit.sdk.gemini_chunks import END, PNG, STREAMS, chunk, text


def events_of(*chunks):
    decoder = gemini.StreamDecoder()
    events = [event for one in chunks for event in decoder.feed(json.dumps(one))]
    return [*events, *decoder.finish()]


def metadata_of(response) -> dict[str, Any]:
    return (response.provider_metadata or {})["gemini"]


def again(events):
    encoder = gemini.StreamEncoder(id="r-1", model="m-1")
    return events_of(*(json.loads(msgspec.json.encode(one)) for one in encoder.feed_all(events)))


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_for_a_client_says_the_same(name):
    events = events_of(*STREAMS[name])

    assert fold(again(events)) == fold(events)


@pytest.mark.parametrize(
    "name", sorted(set(STREAMS) - {"a picture", "several candidates", "sources"})
)
def test_a_stream_is_the_answer_that_would_have_come_whole(name):
    parts: list[Any] = []
    usage: dict[str, Any] = {}
    finish = None
    for one in STREAMS[name]:
        usage.update(one.get("usageMetadata", {}))
        for candidate in one.get("candidates", []):
            finish = candidate.get("finishReason", finish)
            for part in candidate["content"]["parts"]:
                kinds = [set(known) for known in parts[-1:]]
                if part.keys() in ({"text"}, {"text", "thought"}) and kinds == [part.keys()]:
                    parts[-1] = {**part, "text": parts[-1]["text"] + part["text"]}
                elif part != {"text": ""}:
                    parts.append(part)
    whole = dict(STREAMS[name][-1])
    if finish is not None:
        whole = {**chunk(*parts, finish=finish), "usageMetadata": usage}

    assert fold(events_of(*STREAMS[name])) == gemini.decode_response(whole)


def test_text_goes_out_as_it_comes():
    assert events_of(text("a"), text("b", finish="STOP")) == [
        TextStart("text1"),
        TextDelta("text1", "a"),
        TextDelta("text1", "b"),
        TextEnd("text1"),
        Finish(FinishReason.STOP, None, "STOP", "m-1", "r-1"),
    ]
    encoder = gemini.StreamEncoder(id="r-1", model="m-1")
    assert encoder.feed(TextDelta("text1", "a")) == [text("a")]


def test_a_picture_stands_raw_in_its_block_with_a_warning():
    response = fold(events_of(*STREAMS["a picture"]))

    assert response.output.content[1] == Text("", {"gemini": {"$part": {"inlineData": PNG}}})
    assert [warning.code for warning in response.warnings] == ["media_kept_raw"]


def test_a_later_picture_of_a_whole_answer_is_still_a_picture():
    answer = gemini.decode_response(chunk({"inlineData": PNG}, finish="STOP"))

    assert answer.output.content == (Image(data=b"\x89PNG", media_type="image/png"),)


def test_sources_come_again_and_longer_or_bring_their_own():
    grown = [{"groundingMetadata": {"groundingChunks": chunks}} for chunks in ([1], [1, 2], [3])]
    response = fold(events_of(*(text("a", candidate=one) for one in grown), END))

    assert metadata_of(response)["candidate"]["groundingMetadata"] == {"groundingChunks": [1, 2, 3]}


def test_the_last_counts_are_the_counts():
    first = {"promptTokenCount": 3, "candidatesTokenCount": 1}
    last = {"promptTokenCount": 3, "candidatesTokenCount": 9, "trafficType": "ON_DEMAND"}
    response = fold(
        events_of(text("a", usageMetadata=first), text("b", usageMetadata=last, finish="STOP"))
    )

    assert response.usage == Usage(input_tokens=3, output_tokens=9)
    assert metadata_of(response)["usageMetadata"] == {"trafficType": "ON_DEMAND"}


def pieces(*values, name=None, more=True):
    call: dict[str, Any] = {"partialArgs": list(values)} if values else {}
    if name is not None:
        call["name"] = name
    if more:
        call["willContinue"] = True
    return chunk({"functionCall": call})


def piece(path, value, more=False, kind="stringValue"):
    return {"jsonPath": path, kind: value, **({"willContinue": True} if more else {})}


def test_arguments_in_pieces_are_put_together():
    response = fold(
        events_of(
            text("so"),
            pieces(name="cook"),
            pieces(piece("$.steps[0].text", "bo", more=True)),
            pieces(piece("$.steps[0].text", "il", more=True)),
            pieces(piece("$.steps[0].text", "")),
            pieces(piece("$.steps[1]['a.b']", True, kind="boolValue")),
            pieces(piece("$.n", 4, kind="numberValue"), piece("$.x", "NULL", kind="nullValue")),
            pieces(more=False),
            pieces(name="serve"),
            pieces(more=False),
            END,
        )
    )

    assert [(call.name, call.arguments) for call in response.tool_calls] == [
        ("cook", {"steps": [{"text": "boil"}, {"a.b": True}], "n": 4, "x": None}),
        ("serve", {}),
    ]
    assert response.finish_reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize("path", ["", "$", "$[0]", "$.a[", "$.a[99999999]", "$.a[0].b", "$..a", 3])
def test_a_piece_without_a_place_is_malformed(path):
    with pytest.raises(ProviderError) as caught:
        events_of(pieces(piece("$.a", "1"), name="f"), pieces(piece(path, "x")), END)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def test_a_body_that_is_one_array_is_a_stream_too():
    decoder = gemini.StreamDecoder()
    events = [*decoder.feed(json.dumps([text("a"), text("b"), END])), *decoder.finish()]

    assert fold(events).text == "ab"


def test_a_terminator_of_a_server_in_between_ends_the_stream():
    decoder = gemini.StreamDecoder()
    decoder.feed(json.dumps(text("a", finish="STOP")))

    assert isinstance(decoder.feed("[DONE]")[-1], Finish)
    assert decoder.finish() == []


def test_halves_of_a_pair_in_two_chunks_are_joined():
    decoder = gemini.StreamDecoder()
    events = decoder.feed(json.dumps(text("X")).replace('"X"', '"\\ud83d"'))
    events += decoder.feed(json.dumps(text("X", finish="STOP")).replace('"X"', '"\\ude00"'))

    assert fold([*events, *decoder.finish()]).text == "😀"


def test_a_candidate_that_is_not_the_first_may_be_the_only_one():
    response = fold(events_of(text("a", index=1), text("b", index=1, finish="STOP")))

    assert response.text == "ab"


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [text("a")],
        [text("a"), {"usageMetadata": {"promptTokenCount": 1}}],
        [text("a", finish="STOP"), text("x", index=1)],
        [text("a", finish="FINISH_REASON_UNSPECIFIED")],
        [{"promptFeedback": {}}],
    ],
)
def test_a_stream_that_breaks_off_is_no_answer(chunks):
    with pytest.raises(ProviderError) as caught:
        events_of(*chunks)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize("data", ["<html>", "{", "3", "[3]", '{"candidates": [3]}'])
def test_a_chunk_that_is_none_is_malformed(data):
    with pytest.raises(ProviderError) as caught:
        gemini.StreamDecoder().feed(data)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def test_a_chunk_of_ten_megabytes_is_read():
    said = "x" * 10_000_000

    assert fold(events_of(text(said, finish="STOP"))).text == said


@pytest.mark.parametrize("in_a_list", [False, True])
def test_an_error_inside_a_stream_is_raised_as_its_kind(in_a_list):
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}

    with pytest.raises(ProviderError) as caught:
        gemini.StreamDecoder().feed(json.dumps([text("a"), error] if in_a_list else error))

    assert caught.value.kind is ErrorKind.OVERLOADED


def test_a_stream_of_another_vendor_is_fit_for_a_client_of_this_one():
    events: list[ChatEvent] = [
        ThinkingStart("reasoning"),
        ThinkingDelta("reasoning", "hm"),
        ThinkingEnd("reasoning", "their signature", "anthropic"),
        TextStart("text"),
        TextDelta("text", "yes"),
        TextEnd("text", {"openai_chat": {"a": 1}}),
        ToolCallStart("c1", "f"),
        ToolCallDelta("c1", '{"a":'),
        ToolCallDelta("c1", "1}"),
        ToolCallEnd("c1"),
        Finish(FinishReason.TOOL_CALLS, Usage(input_tokens=2, output_tokens=3), "tool_calls"),
    ]

    chunks = gemini.StreamEncoder(id="i", model="m").feed_all(events)

    parts = [part for one in chunks for part in one["candidates"][0]["content"]["parts"]]
    assert parts == [
        {"text": "hm", "thought": True},
        {"text": "yes"},
        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}},
    ]
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert chunks[-1]["usageMetadata"]["totalTokenCount"] == 5
    assert all((one["responseId"], one["modelVersion"]) == ("i", "m") for one in chunks)


def test_a_signed_thought_that_came_in_bits_gets_its_signature_at_the_end():
    events = [
        ThinkingStart("0"),
        ThinkingDelta("0", "hm"),
        ThinkingEnd("0", "c2ln", "gemini"),
        Finish(FinishReason.STOP),
    ]

    response = fold(again(events))

    assert response.output.content == (
        Thinking("hm", None, "gemini"),
        Thinking("", "c2ln", "gemini"),
    )


def test_calls_have_the_ids_that_they_would_have_in_a_whole_answer():
    part = {"functionCall": {"name": "f", "args": {}}}
    streamed = fold(events_of(chunk(part), chunk(part), END))

    whole = gemini.decode_response(chunk(part, part, finish="STOP"))
    assert streamed.tool_calls == whole.tool_calls
    assert isinstance(streamed.output.content[0], ToolCall)
