"""Anthropic's wire under any conversation, and under any JSON."""

import contextlib
from itertools import groupby
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import (
    ChatRequest,
    ChatResponse,
    FinishReason,
    Message,
    MessageRole,
    ProviderError,
    ResponseFormat,
    Text,
    Thinking,
    fold,
)
from stockade_sdk.dialects import anthropic_messages
from stockade_sdk.dialects.anthropic_messages import (
    StreamDecoder,
    StreamEncoder,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from stockade_sdk.stream import unfold
from tests.unit.sdk.canonical import files, images, json_values, requests, responses, texts

NEW = "claude-opus-4-8"
KEYS = """
type role content text id name input source data tool_use_id thinking signature
is_error citations index delta content_block message usage stop_reason partial_json
error citation model title
"""
WORDS = """
user assistant system text tool_use tool_result image document thinking
redacted_thinking server_tool_use base64 url file a AAAA text_delta input_json_delta
thinking_delta signature_delta end_turn {
"""
FIELDS = """
system tools tool_choice max_tokens thinking output_config temperature metadata
stop_sequences top_k output_format stream
"""
EVENTS = """
message_start content_block_start content_block_delta content_block_stop
message_delta message_stop ping error other
"""
parts = st.builds(Text, texts) | images | files  # what a user can say on this wire
DROPPED = ("seed", "presence_penalty", "frequency_penalty", "metadata")


def sayable(request: ChatRequest, payload: dict[str, Any]) -> ChatRequest:
    """The request as far as this wire can say it; what it cannot was warned of."""
    messages = []
    for role, several in groupby(request.messages, lambda message: message.role):
        parts = [part for message in several for part in message.content]
        if role is MessageRole.TOOL:
            messages += [Message(role, (part,)) for part in parts]
        else:
            messages.append(Message(role, tuple(parts)))
    changed: dict[str, Any] = dict.fromkeys(DROPPED)
    if "max_tokens" in payload and request.max_output_tokens is None:
        changed["max_output_tokens"] = payload["max_tokens"]
    format = request.response_format
    if format is not None:
        changed["response_format"] = {
            "text": None,
            "json_object": ResponseFormat(type="json_object"),
            "json_schema": ResponseFormat(type="json_schema", schema=format.schema),
        }[format.type]
    choice = request.tool_choice
    if choice is None and request.parallel_tool_calls is not None:
        changed["tool_choice"] = decode_request(payload).tool_choice
    if choice is not None and choice.mode == "none":
        changed["parallel_tool_calls"] = None
    if choice is not None and choice.mode == "specific" and not request.parallel_tool_calls:
        changed["parallel_tool_calls"] = None
    for name in ("temperature", "top_p", "top_k"):
        changed[name] = getattr(request, name) if name in payload else None
    return msgspec.structs.replace(request, messages=tuple(messages), **changed)


def joined(request: ChatRequest) -> ChatRequest:
    """Without the notes on the last difference of spelling: neighbours of one turn are one."""
    return msgspec.structs.replace(request, provider_options=None)


@given(requests(parts))
def test_a_conversation_there_and_back_is_the_same_but_for_what_was_warned_of(request):
    payload, warnings = encode_request(request, model=NEW)
    sent = msgspec.json.decode(msgspec.json.encode(payload))

    back = decode_request(sent)

    expected = sayable(msgspec.structs.replace(request, model=NEW), payload)
    assert joined(back) == expected
    lost = {name for name in DROPPED[:3] if getattr(request, name) is not None}
    assert sum(one.message.startswith("this dialect has no ") for one in warnings) == len(lost)


@given(requests(parts))
def test_what_was_sent_once_is_sent_again_as_it_was(request):
    payload, _ = encode_request(request, model=NEW)

    assert encode_request(decode_request(payload))[0] == payload


@given(responses())
def test_an_answer_for_a_client_says_what_the_answer_said(response):
    again = decode_response(msgspec.json.decode(msgspec.json.encode(encode_response(response))))

    assert unmarked(again) == unmarked(response)


@given(responses())
def test_a_stream_for_a_client_is_the_answer(response):
    encoder = StreamEncoder(id=response.id or "", model=response.model or "")
    decoder = StreamDecoder()

    payloads = encoder.feed_all(unfold(response))
    heard = [event for one in payloads for event in decoder.feed(msgspec.json.encode(one))]

    assert unmarked(fold([*heard, *decoder.finish()])) == unmarked(response)


def unmarked(response: ChatResponse) -> ChatResponse:
    """Without the finish reason's word, its warnings, and the mark of unsigned reasoning."""
    content = tuple(
        Thinking(part.text) if isinstance(part, Thinking) else part
        for part in response.output.content
    )
    output = msgspec.structs.replace(response.output, content=content)
    return msgspec.structs.replace(response, output=output, raw_finish_reason=None, warnings=())


keys = st.sampled_from(KEYS.split())
wire_words = st.just("") | st.sampled_from(WORDS.split())
wire_like = st.recursive(
    json_values | wire_words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=10,
)
blocks = st.dictionaries(keys, wire_like, max_size=5).flatmap(
    lambda block: wire_words.map(lambda kind: {**block, "type": kind})
)
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(("user", "assistant", "system"))},
    optional={"content": st.lists(blocks, max_size=4) | wire_like},
)
bodies = st.fixed_dictionaries(
    {"messages": st.lists(turns, max_size=4)},
    optional=dict.fromkeys(
        FIELDS.split(),
        wire_like,
    ),
)


@given(bodies | wire_like)
def test_any_request_is_read_or_refused(body):
    with contextlib.suppress(ProviderError):
        encode_request(decode_request(body))


@given(bodies)
def test_what_can_be_sent_is_what_came(body):
    with contextlib.suppress(ProviderError):
        payload, _ = encode_request(decode_request(body), max_temperature=None)
        given_max = {"max_tokens": payload["max_tokens"]} if "max_tokens" not in body else {}
        streamed = {"stream"} if body.get("stream") is not False else set()
        sent = {key: value for key, value in body.items() if key not in streamed}
        assert payload == {**sent, **given_max}


answers = st.fixed_dictionaries(
    {"content": st.lists(blocks, max_size=4)},
    optional=dict.fromkeys(("id", "model", "stop_reason", "usage", "container"), wire_like),
)


@given(answers | wire_like)
def test_any_answer_is_read_or_refused(body):
    with contextlib.suppress(ProviderError):
        encode_response(decode_response(body))


events = st.sampled_from(EVENTS.split()).flatmap(
    lambda kind: st.fixed_dictionaries(
        {"type": st.just(kind)},
        optional={
            "index": st.integers(0, 2) | wire_like,
            "delta": blocks | wire_like,
            "content_block": blocks,
            "message": answers | wire_like,
            "usage": wire_like,
            "error": wire_like,
        },
    )
)


@given(st.lists(events, max_size=12))
def test_any_stream_is_read_or_refused_and_its_events_follow_each_other(sequence):
    decoder = StreamDecoder()
    with contextlib.suppress(ProviderError):
        heard = [event for one in sequence for event in decoder.feed(msgspec.json.encode(one))]
        response = fold([*heard, *decoder.finish()])
        StreamEncoder(id="i", model="m").feed_all(heard)
        assert isinstance(response.finish_reason, FinishReason)


def test_the_dialect_has_its_name():
    assert anthropic_messages.DIALECT == "anthropic_messages"
