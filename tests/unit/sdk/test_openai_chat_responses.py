"""Whole answers of the OpenAI chat wire, embeddings and model lists."""

import json

import msgspec
import pytest

from stockade_sdk import (
    AssistantOutput,
    Audio,
    ChatRequest,
    ChatResponse,
    CostBreakdown,
    ErrorKind,
    FinishReason,
    Message,
    MessageRole,
    PricingSource,
    ProviderError,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from stockade_sdk.dialects.openai_chat import (
    decode_response,
    decode_usage,
    encode_request,
    encode_response,
    parse_json,
)


def answer(finish="stop", top=None, **message):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", **message},
                "finish_reason": finish,
            }
        ],
        **(top or {}),
    }


def texts(response):
    return [(type(part), part.text) for part in response.output.content]


def codes(response):
    return [warning.code for warning in response.warnings]


def test_text_reason_and_names_are_canonical():
    response = decode_response(answer(content="hello"))

    assert response.text == "hello"
    assert (response.id, response.model) == ("chatcmpl-1", "m-1")
    assert (response.finish_reason, response.raw_finish_reason) == (FinishReason.STOP, "stop")
    assert response.usage is None
    assert response.warnings == ()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("model_length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("function_call", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("error", FinishReason.ERROR),
    ],
)
def test_a_known_reason_is_canonical_and_goes_back_as_it_came(word, reason):
    response = decode_response(answer(word, content="x"))

    assert response.finish_reason is reason
    assert encode_response(response)["choices"][0]["finish_reason"] == word


def test_an_unknown_reason_is_other_with_a_warning_and_goes_back_as_it_came():
    response = decode_response(answer("bored", content="x"))

    assert response.finish_reason is FinishReason.OTHER
    assert codes(response) == ["unknown_finish_reason"]
    assert encode_response(response)["choices"][0]["finish_reason"] == "bored"


def test_an_answer_without_a_reason_is_told_in_words():
    response = decode_response({"choices": [{"message": {"role": "assistant", "content": "x"}}]})

    told = [one.message for one in response.warnings if one.code == "unknown_finish_reason"]
    assert told == ["the answer does not say why it ended"]


def test_a_reason_of_another_dialect_is_put_into_words_of_this_one():
    response = ChatResponse(
        output=AssistantOutput((Text("x"),)),
        finish_reason=FinishReason.LENGTH,
        raw_finish_reason="max_tokens",
    )

    assert encode_response(response)["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_becomes_thinking_and_goes_back_into_its_field(field):
    response = decode_response(answer(content="x", **{field: "hm"}))

    assert texts(response) == [(Thinking, "hm"), (Text, "x")]
    assert encode_response(response)["choices"][0]["message"][field] == "hm"


def test_thinking_parts_of_a_content_list_become_thinking():
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "x"},
    ]

    response = decode_response(answer(content=content))

    assert texts(response) == [(Thinking, "hm"), (Text, "x")]
    assert encode_response(response)["choices"][0]["message"]["content"] == content


def test_thinking_of_another_dialect_reaches_the_client_as_reasoning_content():
    response = ChatResponse(output=AssistantOutput((Thinking("hm", signature="s"), Text("x"))))

    assert encode_response(response)["choices"][0]["message"]["reasoning_content"] == "hm"


def test_tool_calls_are_parsed_and_bad_arguments_stay_text_with_a_warning():
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":'}},
        {"id": "c", "type": "function", "function": {"name": "h", "arguments": ""}},
        {"id": "d", "type": "function", "function": {"name": "i", "arguments": '{"x": NaN}'}},
    ]

    response = decode_response(answer("tool_calls", content=None, tool_calls=calls))

    assert [(call.id, call.arguments) for call in response.tool_calls] == [
        ("a", {"x": 1}),
        ("b", '{"x":'),
        ("c", {}),
        ("d", '{"x": NaN}'),
    ]
    assert codes(response) == ["tool_arguments_invalid_json"] * 2
    assert encode_response(response)["choices"][0]["message"]["tool_calls"] == calls


def test_calls_without_an_id_get_one_and_repeated_ids_are_told_apart():
    function = {"name": "f", "arguments": "{}"}
    calls = [
        {"function": function},
        {"id": "", "function": function},
        {"id": "x", "function": function},
        {"id": "x", "function": function},
    ]

    response = decode_response(answer("tool_calls", content=None, tool_calls=calls))

    ids = [call.id for call in response.tool_calls]
    assert ids == ["call_chatcmpl-1_0", "call_chatcmpl-1_1", "x", "x_3"]
    assert codes(response) == ["tool_call_id_missing", "tool_call_id_repeated"]
    sent = encode_response(response)["choices"][0]["message"]["tool_calls"]
    assert [call["id"] for call in sent] == ids
    assert {call["type"] for call in sent} == {"function"}


def test_an_old_function_call_is_a_tool_call_and_goes_back_as_it_came():
    call = {"name": "f", "arguments": '{"a": 1}'}

    response = decode_response(answer("function_call", content=None, function_call=call))

    assert [(c.name, c.arguments) for c in response.tool_calls] == [("f", {"a": 1})]
    message = encode_response(response)["choices"][0]["message"]
    assert message["function_call"] == call
    assert "tool_calls" not in message


def test_a_refusal_without_a_content_goes_back_without_one():
    payload = answer(refusal="I will not")
    payload["choices"][0]["message"].pop("content", None)

    response = decode_response(payload)

    assert response.text == "I will not"
    assert encode_response(response)["choices"][0]["message"] == payload["choices"][0]["message"]


def test_a_refusal_is_text_with_a_warning_and_goes_back_as_a_refusal():
    response = decode_response(answer(content=None, refusal="I will not"))

    assert response.text == "I will not"
    assert codes(response) == ["model_refusal"]
    message = encode_response(response)["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "I will not")


def test_spoken_answers_are_audio():
    audio = {"id": "audio_1", "data": "AAAA", "transcript": "hi", "expires_at": 5}

    response = decode_response(answer(content=None, audio=audio))

    part = response.output.content[0]
    assert isinstance(part, Audio)
    assert (part.id, part.data, part.transcript) == ("audio_1", b"\0\0\0", "hi")
    assert encode_response(response)["choices"][0]["message"]["audio"] == audio


def test_everything_else_a_vendor_says_is_kept_and_carried():
    payload = answer(
        content="x",
        annotations=[{"type": "url_citation", "url_citation": {"url": "https://a.example"}}],
        refusal=None,
        top={
            "system_fingerprint": "fp",
            "service_tier": "flex",
            "citations": ["https://a.example"],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "queue_time": 0.5, "cost": 0.001},
        },
    )
    payload["choices"][0] |= {"logprobs": {"content": []}, "native_finish_reason": "STOP"}
    payload["choices"].append({"index": 1, "message": {"content": "y"}, "finish_reason": "stop"})

    response = decode_response(payload)
    carried = encode_response(response)

    kept = response.provider_metadata or {}
    assert kept["openai_chat"]["system_fingerprint"] == "fp"
    assert carried == {**payload, "usage": {**payload["usage"], "total_tokens": 3}}
    assert response.cost == CostBreakdown(
        total_cost="0.001", pricing_source=PricingSource.PROVIDER_REPORTED
    )


def test_the_index_and_not_the_place_says_which_choice_is_first():
    payload = answer(content="second")
    payload["choices"][0]["index"] = 1
    payload["choices"].append(
        {"index": 0, "message": {"role": "assistant", "content": "first"}, "finish_reason": "stop"}
    )

    assert decode_response(payload).text == "first"


def test_an_answer_taken_by_a_filter_is_an_answer():
    payload = answer()
    payload["choices"] = [{"index": 0, "finish_reason": "content_filter", "logprobs": None}]

    response = decode_response(payload)

    assert response.finish_reason is FinishReason.CONTENT_FILTER
    assert response.output.content == ()


def test_structured_output_is_parsed_where_it_was_asked_for():
    wanted = ResponseFormat(type="json_object")

    assert decode_response(
        answer(content='{"a": 1}'), response_format=wanted
    ).output.structured_output == {"a": 1}
    assert codes(decode_response(answer(content="no"), response_format=wanted)) == [
        "structured_output_parse_failed"
    ]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "text",
        {},
        {"choices": []},
        {"choices": [5]},
        {"choices": [{"index": 0}]},
        answer(content=5),
        answer(content=None, tool_calls=[{"id": "a"}]),
        answer(content=None, tool_calls=[7]),
    ],
)
def test_what_is_no_answer_is_malformed(payload):
    with pytest.raises(ProviderError) as caught:
        decode_response(payload)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    ("payload", "kind", "status"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, ErrorKind.RATE_LIMITED, 429),
        ({"error": {"code": 502, "message": "gone"}, "choices": []}, ErrorKind.SERVER_ERROR, 502),
        (
            {"choices": [{"index": 0, "error": {"code": 402, "message": "pay"}}]},
            ErrorKind.QUOTA,
            402,
        ),
        (
            {"object": "error", "message": "m not found", "code": 404},
            ErrorKind.UNKNOWN,
            404,
        ),
        ({"error": "model overloaded"}, ErrorKind.OVERLOADED, None),
    ],
)
def test_an_error_inside_an_answer_of_200_is_raised_as_its_kind(payload, kind, status):
    with pytest.raises(ProviderError) as caught:
        decode_response(payload)

    assert (caught.value.kind, caught.value.status) == (kind, status)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": None}, None),
        ({"prompt_tokens": 3.0, "completion_tokens": True}, Usage(input_tokens=3)),
        ({"prompt_tokens": -1, "completion_tokens": 0}, Usage(output_tokens=0)),
        ({"prompt_cache_hit_tokens": 4}, Usage(cached_input_tokens=4)),
        ({"cached_tokens": 4}, Usage(cached_input_tokens=4)),
        ({"num_cached_tokens": 4}, Usage(cached_input_tokens=4)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "total_tokens": 14,
                "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 4},
            },
            Usage(
                input_tokens=9,
                output_tokens=5,
                total_tokens=14,
                cached_input_tokens=1,
                audio_input_tokens=2,
                reasoning_tokens=3,
                audio_output_tokens=4,
            ),
        ),
        ({"prompt_tokens": 1, "prompt_tokens_details": None}, Usage(input_tokens=1)),
    ],
)
def test_counts_are_found_where_vendors_put_them_and_unknown_is_none(raw, usage):
    assert decode_usage(raw) == usage


def test_a_count_in_the_choice_is_found():
    payload = answer(content="x")
    payload["choices"][0]["usage"] = {"prompt_tokens": 3}

    assert decode_response(payload).usage == Usage(input_tokens=3)


def test_a_plain_response_is_a_whole_chat_completion():
    response = ChatResponse(
        output=AssistantOutput((Text("a"), ToolCall("c", "f"))),
        finish_reason=FinishReason.TOOL_CALLS,
        usage=Usage(input_tokens=1, output_tokens=2),
    )

    assert encode_response(response, id="x", model="m", created=5) == {
        "id": "x",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "a",
                    "tool_calls": [
                        {
                            "id": "c",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }


def test_an_answer_can_go_back_as_history_with_its_reasoning_and_calls():
    message = {
        "content": "let me see",
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
        ],
    }
    response = decode_response(answer("tool_calls", **message))
    turn = Message(MessageRole.ASSISTANT, response.output.content)

    payload, warnings = encode_request(ChatRequest(messages=(turn,)))

    assert payload["messages"] == [{"role": "assistant", **message}]
    assert warnings == ()


@pytest.mark.parametrize("after", ["b", ""])
def test_a_lone_half_of_a_pair_in_an_answer_is_replaced(after):
    body = json.dumps(answer(content="@")).replace("@", r"a\ud83d" + after)

    assert decode_response(parse_json(body)).text == "a\ufffd" + after


def test_an_answer_for_a_client_is_json():
    payload = answer(content="x", top={"usage": {"prompt_tokens": 1}})

    assert json.loads(msgspec.json.encode(encode_response(decode_response(payload)))) == payload
