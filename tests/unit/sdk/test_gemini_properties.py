"""Any conversation through Google's wire and back: the same, up to what is warned of."""

import copy
import json
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import (
    ChatRequest,
    ChatResponse,
    File,
    Image,
    Message,
    MessageRole,
    ProviderError,
    Thinking,
    ToolCall,
    ToolResult,
    fold,
)
from stockade_sdk.dialects import gemini
from stockade_sdk.stream import ChatEvent, unfold
from tests.unit.sdk import canonical
from tests.unit.sdk.gemini_answers import FULL
from tests.unit.sdk.gemini_chunks import STREAMS
from tests.unit.sdk.gemini_payloads import PAYLOADS

JUNK = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", [], {}, [None], {"a": 1}, ["x"], "STOP", {"text": 1}]
)
DELETED = object()


def through_json(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def expected(request: ChatRequest, warned: set[str]) -> ChatRequest:
    """What is left of a request on this wire: a schema has no name, parallel calls are the rule,
    results of one turn stand together, an address without a type is a file's."""
    messages: list[Message] = []
    for message in request.messages:
        if message.role is MessageRole.TOOL and messages[-1].role is MessageRole.TOOL:
            messages[-1] = Message(message.role, (*messages[-1].content, *message.content))
        else:
            messages.append(message)
    names = {
        part.id: part.name
        for message in messages
        for part in message.content
        if isinstance(part, ToolCall)
    }
    format = request.response_format
    return msgspec.structs.replace(
        request,
        messages=tuple(
            Message(one.role, tuple(left_of(part, names) for part in one.content))
            for one in messages
        ),
        response_format=format and msgspec.structs.replace(format, name=None),
        parallel_tool_calls=None,
        metadata=None if "dropped_unsupported_metadata_keys" in warned else request.metadata,
    )


def left_of(part: Any, names: dict[str, str]) -> Any:
    match part:
        case Image(url=str() as url, media_type=None):
            return File(url=url)
        case File(filename=str()):
            return msgspec.structs.replace(part, filename=None)
        case ToolResult(tool_call_id=id):
            return msgspec.structs.replace(part, name=names[id])
    return part


def without_notes(message: Message) -> Message:
    parts = (
        ToolCall(part.id, part.name, part.arguments) if isinstance(part, ToolCall) else part
        for part in message.content
    )
    return Message(message.role, tuple(parts))


@given(canonical.requests())
def test_a_request_is_the_same_on_the_other_side_up_to_what_is_warned_of(request):
    payload, warnings = gemini.encode_request(request)

    decoded = gemini.decode_request(through_json(payload), model=request.model)

    codes = {warning.code for warning in warnings}
    wanted = expected(request, codes)
    assert [without_notes(one) for one in decoded.messages] == list(wanted.messages)
    for field in ChatRequest.__struct_fields__:
        if field not in ("messages", "provider_options", "metadata"):
            assert getattr(decoded, field) == getattr(wanted, field), field
    assert decoded.metadata == (wanted.metadata or None)
    named = any(
        isinstance(part, File) and part.filename
        for message in request.messages
        for part in message.content
    )
    dropped = named or request.parallel_tool_calls is False
    assert ("setting_dropped" in codes) == dropped
    assert ("dropped_unsupported_metadata_keys" in codes) == bool(request.metadata)


@given(canonical.requests())
def test_encoding_is_stable(request):
    payload = through_json(gemini.encode_request(request)[0])

    again, warnings = gemini.encode_request(gemini.decode_request(payload, model=request.model))

    assert through_json(again) == payload
    assert warnings == ()


def heard(response: ChatResponse) -> ChatResponse:
    """An answer as a client of this wire hears it."""
    parts = (
        Thinking(part.text, None, "gemini") if isinstance(part, Thinking) else part
        for part in response.output.content
    )
    usage = response.usage
    return msgspec.structs.replace(
        response,
        output=msgspec.structs.replace(response.output, content=tuple(parts)),
        usage=usage and msgspec.structs.replace(usage, total_tokens=usage.total),
        raw_finish_reason=None,
    )


@given(canonical.responses())
def test_an_answer_is_the_same_on_the_other_side(response):
    decoded = gemini.decode_response(through_json(gemini.encode_response(response)))

    assert msgspec.structs.replace(decoded, raw_finish_reason=None) == heard(response)


@given(canonical.responses())
def test_a_stream_is_the_same_on_the_other_side(response):
    encoder = gemini.StreamEncoder(id=response.id, model=response.model)
    decoder = gemini.StreamDecoder()

    chunks = [msgspec.json.encode(one) for one in encoder.feed_all(unfold(response))]
    again = fold([*(event for one in chunks for event in decoder.feed(one)), *decoder.finish()])

    assert msgspec.structs.replace(again, raw_finish_reason=None) == heard(response)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: Any = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn, values: list[Any]) -> Any:
    """One of ``values`` with something else, or nothing, at one place."""
    value = copy.deepcopy(draw(st.sampled_from(values)))
    *way, last = draw(st.sampled_from(places(value)[1:]))
    target = value
    for step in way:
        target = target[step]
    junk = draw(JUNK | st.just(DELETED))
    if junk is DELETED:
        del target[last]
    else:
        target[last] = junk
    return value


def refusal(act: Callable[[], object]) -> str | None:
    """The kind of the typed error that ``act`` ends with; ``None`` where it does not."""
    try:
        act()
    except ProviderError as error:
        return error.kind.value
    return None


@given(damaged(list(PAYLOADS.values())))
def test_a_damaged_request_is_carried_or_refused(payload):
    def carry() -> None:
        request = gemini.decode_request(payload)
        assert through_json(gemini.encode_request(request)[0]) == payload

    assert refusal(carry) in (None, "invalid_request")


@given(damaged([FULL]))
def test_a_damaged_answer_is_read_or_malformed(payload):
    def carry() -> None:
        response = gemini.decode_response(payload)
        gemini.decode_response(through_json(gemini.encode_response(response)))

    assert refusal(carry) in (None, "malformed_response")


@given(damaged(list(STREAMS.values())))
def test_a_damaged_stream_is_read_or_malformed(chunks):
    def carry() -> None:
        decoder = gemini.StreamDecoder()
        events: list[ChatEvent] = []
        for chunk in chunks:
            events += decoder.feed(json.dumps(chunk))
        events += decoder.finish()
        fold(events)
        msgspec.json.encode(gemini.StreamEncoder(id="i", model="m").feed_all(events))

    assert refusal(carry) in (None, "malformed_response")
