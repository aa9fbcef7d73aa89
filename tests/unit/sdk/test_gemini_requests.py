"""Requests of Google's wire, both ways."""

import json
from typing import Any

import msgspec
import pytest

from stockade_sdk import (
    ChatRequest,
    ErrorKind,
    File,
    Image,
    Message,
    MessageRole,
    ProviderError,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    ToolResult,
)
from stockade_sdk.dialects import gemini
from tests.unit.sdk.gemini_payloads import (
    PAYLOADS,
    PNG,
    call,
    result,
    turns,
    user,
)

ASSISTANT = MessageRole.ASSISTANT


def over_the_wire(request):
    """As between host and worker."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=ChatRequest)


def asking(*parts, **fields):
    return ChatRequest(
        messages=(Message(MessageRole.USER, tuple(parts) or (Text("hi"),)),), **fields
    )


def parts_of(request, at) -> Any:
    return request.messages[at].content


def encoded(request, model=None):
    payload, warnings = gemini.encode_request(over_the_wire(request), model=model)
    return json.loads(msgspec.json.encode(payload)), [warning.code for warning in warnings]


@pytest.mark.parametrize("model", ["m", "gemini-2.5-pro", "gemini-3-flash-preview"])
@pytest.mark.parametrize("name", PAYLOADS)
def test_every_way_of_saying_something_comes_out_as_it_went_in(name, model):
    request = gemini.decode_request(PAYLOADS[name], model=model)

    payload, warnings = gemini.encode_request(over_the_wire(request))

    kept = {key: value for key, value in PAYLOADS[name].items() if key != "model" or model == "m"}
    assert json.loads(msgspec.json.encode(payload)) == kept
    assert [warning.code for warning in warnings] == ["provider_option_ignored"] * (
        len(PAYLOADS[name]) - len(kept)
    )


def test_a_whole_conversation_as_google_wants_it():
    request = ChatRequest(
        messages=(
            Message.of_text("system", "be brief"),
            Message(
                MessageRole.USER, (Text("look"), Image(data=b"\x89PNG", media_type="image/png"))
            ),
            Message(
                ASSISTANT,
                (
                    Thinking("hm", "c2ln", "gemini"),
                    Text("a cat"),
                    ToolCall("c1", "name_it", {"legs": 4}),
                    ToolCall("c2", "weigh"),
                ),
            ),
            Message(MessageRole.TOOL, (ToolResult("c1", "Tom"),)),
            Message(MessageRole.TOOL, (ToolResult("c2", {"kg": 4}),)),
        ),
        model="gemini-2.5-flash",
        tools=(ToolDefinition("weigh", "Weighs.", {"type": "object"}),),
        tool_choice=ToolChoice("specific", "weigh"),
        response_format=ResponseFormat(type="json_schema", name="cat", schema={"type": "object"}),
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_output_tokens=100,
        stop=("END",),
        seed=1,
        presence_penalty=0.25,
        frequency_penalty=0.5,
        reasoning_effort="medium",
    )

    payload, warnings = encoded(request)

    assert warnings == []
    assert payload == {
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "look"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
                    {"text": "a cat"},
                    {"functionCall": {"name": "name_it", "args": {"legs": 4}, "id": "c1"}},
                    {"functionCall": {"name": "weigh", "args": {}, "id": "c2"}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "name": "name_it",
                            "id": "c1",
                            "response": {"output": "Tom"},
                        }
                    },
                    {"functionResponse": {"name": "weigh", "id": "c2", "response": {"kg": 4}}},
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "weigh",
                        "description": "Weighs.",
                        "parametersJsonSchema": {"type": "object"},
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weigh"]}},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "maxOutputTokens": 100,
            "stopSequences": ["END"],
            "seed": 1,
            "presencePenalty": 0.25,
            "frequencyPenalty": 0.5,
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"thinkingBudget": 8192, "includeThoughts": True},
        },
    }


def test_what_google_says_has_its_canonical_place():
    request = gemini.decode_request(
        turns(
            {"role": "user", "parts": [{"text": "go"}]},
            {"role": "model", "parts": [call("f", {"a": 1})]},
            {"role": "user", "parts": [result("f", {"error": "no"})]},
            systemInstruction={"parts": [{"text": "be brief"}]},
            generationConfig={"maxOutputTokens": 9, "thinkingConfig": {"thinkingLevel": "LOW"}},
            toolConfig={"functionCallingConfig": {"mode": "ANY"}},
        ),
        model="m",
    )

    roles = [message.role.value for message in request.messages]
    assert roles == ["system", "user", "assistant", "tool"]
    made, answered = parts_of(request, 2)[0], parts_of(request, 3)[0]
    assert (made.name, made.arguments) == ("f", {"a": 1})
    assert (answered.tool_call_id, answered.content, answered.is_error) == (made.id, "no", True)
    assert (request.model, request.max_output_tokens) == ("m", 9)
    assert (request.reasoning_effort, request.tool_choice) == ("low", ToolChoice("required"))


def test_reasoning_of_another_vendor_is_dropped_and_leaves_no_empty_turn():
    history = Message(ASSISTANT, (Thinking("hm", "sig", "anthropic"),))

    payload, warnings = encoded(ChatRequest(messages=(history, Message.of_text("user", "hi"))))

    assert payload["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]
    assert warnings == ["thinking_dropped"]


def test_a_part_that_stands_for_another_vendors_is_not_sent_as_empty_text():
    stand_in = Text("", {"openai_chat": {"$part": {"type": "video_url"}}})

    assert encoded(asking(Text("hi"), stand_in))[0]["contents"][0]["parts"] == [{"text": "hi"}]


def test_a_later_system_message_is_put_with_the_first():
    messages = (Message.of_text("user", "hi"), Message.of_text("system", "be brief"))

    payload, warnings = encoded(ChatRequest(messages=messages))

    assert payload["systemInstruction"] == {"parts": [{"text": "be brief"}]}
    assert warnings == ["system_message_moved"]


@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("gemini-3-pro-preview", "skip_thought_signature_validator"),
        ("gemini-2.5-pro", None),
        ("gemini-flash-latest", "skip_thought_signature_validator"),
        ("another-model", None),
    ],
)
def test_calls_of_other_models_get_the_signature_that_gemini_3_takes_for_them(model, signature):
    calls = Message(ASSISTANT, (ToolCall("a", "f"), ToolCall("b", "f")))

    payload, _ = encoded(ChatRequest(messages=(Message.of_text("user", "hi"), calls)), model)

    first, second = payload["contents"][1]["parts"]
    assert first.get("thoughtSignature") == signature
    assert "thoughtSignature" not in second


def test_arguments_that_are_no_object_are_put_into_one():
    calls = Message(ASSISTANT, (ToolCall("a", "f", "{broken"), ToolCall("b", "f", [1])))

    payload, warnings = encoded(ChatRequest(messages=(calls,)))

    arguments = [part["functionCall"]["args"] for part in payload["contents"][0]["parts"]]
    assert arguments == [{"arguments": "{broken"}, {"arguments": [1]}]
    assert warnings == ["tool_arguments_invalid_json"]


def test_results_with_pictures_have_them_beside_the_text():
    parts = (Text("seen"), Image(data=b"\x89PNG", media_type="image/png"))
    messages = (
        Message(ASSISTANT, (ToolCall("a", "f"),)),
        Message(MessageRole.TOOL, (ToolResult("a", parts),)),
    )

    payload, _ = encoded(ChatRequest(messages=messages))

    assert payload["contents"][1]["parts"][0]["functionResponse"] == {
        "name": "f",
        "id": "a",
        "response": {"output": "seen"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}],
    }
    again = gemini.decode_request(payload)
    assert parts_of(again, 1)[0].content == parts


def test_results_without_ids_go_to_their_calls_by_name_and_order():
    request = gemini.decode_request(PAYLOADS["calls without ids"])

    made = [part.id for part in parts_of(request, 1)]
    answered = [part.tool_call_id for part in parts_of(request, 2)]
    assert len(set(made)) == 3
    assert answered == made


def test_calls_under_one_id_are_told_apart():
    request = gemini.decode_request(PAYLOADS["calls under one id"])

    made = [part.id for part in parts_of(request, 1)]
    assert len(set(made)) == 2
    assert [part.tool_call_id for part in parts_of(request, 2)] == made


@pytest.mark.parametrize("address", ["https://a.example/a.png", "gs://b/a.png", "files/abc"])
def test_addresses_that_google_fetches_are_sent(address):
    payload, _ = encoded(asking(Image(url=address, media_type="image/png")))

    file = {"fileUri": address, "mimeType": "image/png"}
    assert payload["contents"][0]["parts"] == [{"fileData": file}]


def test_a_data_address_becomes_bytes():
    payload, _ = encoded(asking(Image(url=f"data:image/png;base64,{PNG}")))

    blob = {"mimeType": "image/png", "data": PNG}
    assert payload["contents"][0]["parts"] == [{"inlineData": blob}]


@pytest.mark.parametrize(
    "request_",
    [
        asking(Image(url="ftp://a.example/a.png")),
        asking(File(file_id="file-of-another-vendor")),
        asking(temperature=float("nan")),
        ChatRequest(messages=(Message(MessageRole.TOOL, (ToolResult("gone", "1"),)),)),
    ],
)
def test_what_google_would_refuse_for_sure_is_refused_here(request_):
    with pytest.raises(ProviderError) as caught:
        gemini.encode_request(request_)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        ([], "the request"),
        ({}, "contents"),
        ({"contents": "hi"}, "contents"),
        ({"contents": ["hi"]}, "contents[0]"),
        (turns({"role": "assistant", "parts": []}), "contents[0].role"),
        (turns({"role": "user", "parts": "hi"}), "contents[0].parts"),
        (user("hi"), "contents[0].parts[0]"),
        (user({"functionCall": {"args": {}}}), "contents[0].parts[0].functionCall"),
        (user({"functionResponse": {}}), "contents[0].parts[0].functionResponse"),
        (user({"text": "hi"}, systemInstruction="be brief"), "systemInstruction"),
        (user({"text": "hi"}, generationConfig=[]), "generationConfig"),
        (user({"text": "hi"}, tools={}), "tools"),
        (user({"text": "hi"}, tools=["f"]), "tools[0]"),
    ],
)
def test_a_request_that_cannot_be_read_says_where(payload, where):
    with pytest.raises(ProviderError) as caught:
        gemini.decode_request(payload)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.message.startswith(where)


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-2.5-pro", False, "models/gemini-2.5-pro:generateContent"),
        ("gemini-2.5-pro", True, "models/gemini-2.5-pro:streamGenerateContent?alt=sse"),
        ("tunedModels/x", False, "tunedModels/x:generateContent"),
    ],
)
def test_model_and_stream_stand_in_the_path(model, stream, path):
    assert gemini.generate_path(model, stream=stream) == path


@pytest.mark.parametrize("model", ["", "..", "a/../b", "a?b", "a#b", "a b", "a:b", "/a", "é"])
def test_a_model_cannot_leave_its_place_in_the_path(model):
    with pytest.raises(ProviderError) as caught:
        gemini.generate_path(model)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
