"""Whole answers of Google's wire, both ways."""

import msgspec
import pytest

from stockade_sdk import (
    AssistantOutput,
    Audio,
    ChatResponse,
    ErrorKind,
    File,
    FinishReason,
    Image,
    ProviderError,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from stockade_sdk.dialects import gemini
from tests.recorded.equivalences import missing
from tests.unit.sdk.gemini_answers import FULL, PNG, answered


def decoded(payload, **options):
    response = gemini.decode_response(payload, **options)
    return msgspec.msgpack.decode(msgspec.msgpack.encode(response), type=ChatResponse)


def test_an_answer_has_all_its_parts():
    response = decoded(FULL)

    kinds = [type(part) for part in response.output.content]
    assert kinds == [Thinking, Text, Image, Audio, File, ToolCall, ToolCall, Text]
    thought, said, image, sound, *_ = response.output.content
    assert (thought.text, thought.provider) == ("hm", "gemini")
    assert said.provider_metadata == {"gemini": {"thoughtSignature": "c2ln"}}
    assert (image.data, image.media_type) == (b"\x89PNG\r\n\x1a\n", "image/png")
    assert (sound.data, sound.format) == (b"\0\0", "pcm16")
    assert [(call.id, call.arguments) for call in response.tool_calls] == [
        ("call_r-1_0", {"a": 1}),
        ("given", {}),
    ]


def test_an_answer_ends_counts_and_warns():
    response = decoded(FULL)

    assert (response.finish_reason, response.raw_finish_reason) == (FinishReason.TOOL_CALLS, "STOP")
    assert response.usage == Usage(
        input_tokens=10,
        output_tokens=12,
        total_tokens=25,
        cached_input_tokens=4,
        reasoning_tokens=7,
        audio_input_tokens=2,
        audio_output_tokens=1,
    )
    assert (response.id, response.model) == ("r-1", "m-1")
    assert [warning.code for warning in response.warnings] == ["tool_call_id_missing"]


def test_an_answer_for_a_client_holds_all_that_the_vendor_said():
    assert missing(gemini.encode_response(decoded(FULL)), FULL) == []


def test_a_call_that_came_without_an_id_goes_out_without():
    parts = gemini.encode_response(decoded(FULL))["candidates"][0]["content"]["parts"]

    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    assert [call.get("id") for call in calls] == [None, "given"]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("RECITATION", FinishReason.CONTENT_FILTER),
        ("PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER),
        ("IMAGE_SAFETY", FinishReason.CONTENT_FILTER),
        ("MALFORMED_FUNCTION_CALL", FinishReason.ERROR),
        ("OTHER", FinishReason.OTHER),
        (1, FinishReason.STOP),
        (2, FinishReason.LENGTH),
        (3, FinishReason.CONTENT_FILTER),
    ],
)
def test_finish_words_have_their_reason_and_come_back(word, reason):
    payload = answered({"text": "a"}, finish=word)
    response = decoded(payload)

    assert response.finish_reason is reason
    assert response.warnings == ()
    assert gemini.encode_response(response)["candidates"][0]["finishReason"] == word


@pytest.mark.parametrize("word", ["SOMETHING_NEW", 9, None])
def test_an_unknown_finish_word_is_other_with_a_warning(word):
    response = decoded(answered({"text": "a"}, finish=word))

    assert response.finish_reason is FinishReason.OTHER
    assert [warning.code for warning in response.warnings] == ["unknown_finish_reason"]
    assert "None" not in response.warnings[0].message


def test_a_blocked_prompt_is_an_answer_without_words():
    payload = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"},
        "usageMetadata": {"promptTokenCount": 3},
    }
    response = decoded(payload)

    assert response.output.content == ()
    assert response.finish_reason is FinishReason.CONTENT_FILTER
    assert response.raw_finish_reason == "PROHIBITED_CONTENT"
    assert gemini.encode_response(response) == payload


def test_a_filtered_answer_may_have_no_content():
    response = decoded({"candidates": [{"finishReason": "SAFETY"}]})

    assert (response.output.content, response.finish_reason) == ((), FinishReason.CONTENT_FILTER)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (None, None),
        ({}, None),
        ({"trafficType": "ON_DEMAND"}, None),
        ({"promptTokenCount": -1, "totalTokenCount": "9"}, None),
        ({"promptTokenCount": 3}, Usage(input_tokens=3)),
        ({"thoughtsTokenCount": 4}, Usage(output_tokens=4, reasoning_tokens=4)),
        ({"candidatesTokenCount": 0}, Usage(output_tokens=0)),
    ],
)
def test_what_is_not_counted_is_unknown(usage, counts):
    assert decoded(answered({"text": "a"}, usageMetadata=usage)).usage == counts


def test_usage_goes_out_as_google_counts():
    usage = Usage(input_tokens=10, output_tokens=12, reasoning_tokens=7, cached_input_tokens=0)

    assert gemini.encode_usage(usage) == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 7,
        "cachedContentTokenCount": 0,
        "totalTokenCount": 22,
    }


def test_an_answer_of_another_vendor_is_fit_for_a_client_of_this_one():
    response = ChatResponse(
        output=AssistantOutput(
            (
                Thinking("hm", "their signature", "anthropic"),
                Text("yes", {"openai_chat": {"annotations": []}}),
                Text("", {"openai_chat": {"$part": {}}}),
                ToolCall("toolu_1", "f", {"a": 1}),
            )
        ),
        finish_reason=FinishReason.TOOL_CALLS,
        raw_finish_reason="tool_use",
        usage=Usage(input_tokens=1),
        id="msg_1",
    )

    assert gemini.encode_response(response, model="asked", id="mine") == {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"text": "yes"},
                        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "toolu_1"}},
                    ],
                },
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {"promptTokenCount": 1},
        "modelVersion": "asked",
        "responseId": "mine",
    }


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (FinishReason.LENGTH, "MAX_TOKENS"),
        (FinishReason.CONTENT_FILTER, "SAFETY"),
        (FinishReason.ERROR, "OTHER"),
        (FinishReason.OTHER, "OTHER"),
    ],
)
def test_a_reason_without_a_word_of_googles_gets_one(reason, word):
    response = ChatResponse(output=AssistantOutput(), finish_reason=reason, raw_finish_reason="x")

    assert gemini.encode_response(response)["candidates"][0]["finishReason"] == word


def test_json_that_was_asked_for_is_parsed_and_what_is_none_is_warned_of():
    wanted = ResponseFormat(type="json_object")

    assert decoded(answered({"text": '{"a"'}, {"text": ":1}"}), response_format=wanted).output == (
        AssistantOutput((Text('{"a"'), Text(":1}")), {"a": 1})
    )
    broken = decoded(answered({"text": "{"}), response_format=wanted)
    assert [warning.code for warning in broken.warnings] == ["structured_output_parse_failed"]


def test_two_calls_under_one_id_are_told_apart():
    call = {"functionCall": {"name": "f", "id": "same"}}
    response = decoded(answered(call, call))

    assert [call.id for call in response.tool_calls] == ["same", "same_1"]
    assert [warning.code for warning in response.warnings] == ["tool_call_id_repeated"]


def test_arguments_that_are_broken_text_stay_text_with_a_warning_each():
    call = {"functionCall": {"name": "f", "id": "a", "args": "{broken"}}
    response = decoded(
        answered(call, {"functionCall": {"name": "f", "id": "b", "args": '{"a":1}'}})
    )

    assert [call.arguments for call in response.tool_calls] == ["{broken", {"a": 1}]
    assert [warning.code for warning in response.warnings] == ["tool_arguments_invalid_json"]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "<html>",
        {},
        {"candidates": []},
        {"candidates": ["a"]},
        {"candidates": [{}]},
        {"candidates": [{"index": 0}]},
        {"promptFeedback": {}},
        answered("a"),
        answered({"functionCall": {"args": {}}}),
        {"candidates": [{"content": {"parts": "a"}, "finishReason": "STOP"}]},
    ],
)
def test_what_is_no_answer_is_malformed(payload):
    with pytest.raises(ProviderError) as caught:
        gemini.decode_response(payload)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize("in_a_list", [False, True])
def test_an_error_inside_a_good_answer_is_raised_as_its_kind(in_a_list):
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}

    with pytest.raises(ProviderError) as caught:
        gemini.decode_response([error] if in_a_list else error)

    assert (caught.value.kind, caught.value.status) == (ErrorKind.OVERLOADED, 503)


def test_a_picture_of_a_thought_is_carried_and_is_no_picture_of_the_answer():
    part = {"inlineData": {"mimeType": "image/png", "data": PNG}, "thought": True}
    response = decoded(answered(part))

    assert response.output.content == (Text("", {"gemini": {"$part": part}}),)
    assert missing(gemini.encode_response(response), answered(part)) == []
