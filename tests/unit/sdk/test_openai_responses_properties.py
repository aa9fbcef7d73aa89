"""Canonical values through the Responses wire and back: the same, but for what is warned of."""

import json

import msgspec
from hypothesis import given

from stockade_sdk import (
    AssistantOutput,
    ChatRequest,
    ChatResponse,
    Message,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    fold,
)
from stockade_sdk.dialects.openai_responses import (
    StreamDecoder,
    StreamEncoder,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from stockade_sdk.stream import unfold
from tests.unit.sdk.canonical import requests, responses

UNSAYABLE = ("top_k", "seed", "presence_penalty", "frequency_penalty")
JSON = Message.of_text("user", "as JSON")


def sayable(request: ChatRequest) -> ChatRequest:
    """Without what the wire refuses: stop sequences, a JSON object that nobody spoke of."""
    return msgspec.structs.replace(request, stop=(), messages=(*request.messages, JSON))


def plain(request: ChatRequest) -> ChatRequest:
    """Without the defaults, which the wire always says, and what is only spelling."""
    format, choice = request.response_format, request.tool_choice
    return msgspec.structs.replace(
        request,
        messages=tuple(map(bare, request.messages)),
        tools=tuple(tool(one) for one in request.tools),
        response_format=None if format is None or format.type == "text" else named(format),
        tool_choice=None if choice == ToolChoice() else choice,
        provider_options=None,
    )


def bare(message: Message) -> Message:
    parts = tuple(msgspec.structs.replace(part, provider_metadata=None) for part in message.content)
    return Message(message.role, parts)


def tool(one: ToolDefinition) -> ToolDefinition:
    return msgspec.structs.replace(one, strict=None, provider_options=None)


def named(format: ResponseFormat) -> ResponseFormat:
    return msgspec.structs.replace(format, strict=None)


def said(response: ChatResponse) -> ChatResponse:
    """Without the items' ids, which the wire needs, and the family that reasoning here has."""
    content = tuple(
        Thinking(part.text)
        if isinstance(part, Thinking)
        else msgspec.structs.replace(part, provider_metadata=None)
        for part in response.output.content
    )
    return msgspec.structs.replace(
        response,
        output=AssistantOutput(content),
        provider_metadata=None,
        raw_finish_reason=None,
        warnings=(),
        usage=response.usage and msgspec.structs.replace(response.usage, total_tokens=None),
    )


@given(requests())
def test_a_request_comes_back_but_for_what_is_warned_of(request):
    request = sayable(request)

    payload, warnings = encode_request(request)
    again = decode_request(json.loads(msgspec.json.encode(payload)))

    dropped = [name for name in UNSAYABLE if getattr(request, name) is not None]
    told = [one.message for one in warnings if one.code == "setting_dropped"]
    assert [message.split()[0] for message in told] == dropped
    expected = msgspec.structs.replace(request, **dict.fromkeys(UNSAYABLE))
    assert plain(again) == plain(expected)


@given(requests())
def test_a_request_that_came_back_is_sent_as_before(request):
    payload, _ = encode_request(sayable(request))

    assert encode_request(decode_request(payload))[0] == payload


@given(responses())
def test_an_answer_comes_back(response):
    encoded = json.loads(msgspec.json.encode(encode_response(response)))

    assert said(decode_response(encoded)) == said(finished(response))


@given(responses())
def test_a_stream_comes_back(response):
    encoder = StreamEncoder(id=response.id or "", model=response.model or "")
    decoder = StreamDecoder()

    sent = encoder.feed_all(unfold(response))
    events = [one for each in sent for one in decoder.feed(json.dumps(each), each["type"])]

    assert said(fold([*events, *decoder.finish()])) == said(finished(response))


def finished(response: ChatResponse) -> ChatResponse:
    """Two texts in a row are what they are; nothing is lost of the parts."""
    assert all(isinstance(part, Text | Thinking | ToolCall) for part in response.output.content)
    return response
