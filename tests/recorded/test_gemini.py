"""Recorded traffic of Google's wire through the translator: nothing is lost, either way."""

import json
from urllib.parse import unquote

import msgspec
import pytest

from stockade_sdk import (
    Audio,
    ChatEvent,
    ChatRequest,
    ChatResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    ErrorKind,
    File,
    FinishReason,
    Image,
    ProviderError,
    Text,
    Thinking,
    fold,
)
from stockade_sdk.dialects import gemini
from stockade_sdk.sse import EventReader
from tests.recorded.equivalences import differences, missing
from tests.recorded.expected_gemini import FINISH, answer, chunks, error_kind, wait_of
from tests.recorded.interactions import GEMINI, GEMINI_EMBEDDINGS, Interaction, takes


def over_the_wire(value, kind):
    """As between host and worker."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)


def model_of(interaction: Interaction) -> str:
    return unquote(interaction.path.rpartition("/models/")[2].partition(":")[0])


def in_a_stream(interaction: Interaction) -> bool:
    return interaction.streamed or isinstance(interaction.json, list)


def decoded(interaction: Interaction) -> ChatResponse:
    if in_a_stream(interaction):
        return fold(over_the_wire(events_of(interaction), list[ChatEvent]))
    response = gemini.decode_response(msgspec.json.decode(interaction.body))
    return over_the_wire(response, ChatResponse)


def events_of(interaction: Interaction) -> list[ChatEvent]:
    decoder = gemini.StreamDecoder()
    if not interaction.streamed:
        return [*decoder.feed(interaction.body), *decoder.finish()]
    reader = EventReader()
    sent = [*reader.feed(interaction.body), *reader.end()]
    events = [event for one in sent for event in decoder.feed(one.data, one.event)]
    return [*events, *decoder.finish()]


def metadata_of(value) -> dict:
    return (value.provider_metadata or {}).get("gemini", {})


def signatures(response: ChatResponse) -> list[str]:
    found = []
    for part in response.output.content:
        metadata = metadata_of(part)
        whole = metadata.get("$part", metadata)
        signature = part.signature if isinstance(part, Thinking) else None
        found.append(signature or whole.get("thoughtSignature"))
    return [signature for signature in found if signature]


@takes(lambda one: one.request is not None and one.wire == GEMINI)
def test_a_request_comes_out_as_it_went_in(interaction):
    model = model_of(interaction)
    request = gemini.decode_request(interaction.request, model=model)

    payload, warnings = gemini.encode_request(over_the_wire(request, ChatRequest))

    assert differences(json.loads(msgspec.json.encode(payload)), interaction.request) == []
    assert warnings == ()
    assert request.model == model
    path = gemini.generate_path(model, stream=":stream" in interaction.url).partition("?")[0]
    assert unquote(interaction.path).endswith(path)


@takes(lambda one: one.wire == GEMINI and not one.refused)
def test_an_answer_says_what_was_recorded(interaction):
    recorded = answer(interaction)

    response = decoded(interaction)

    parts = response.output.content
    assert response.text == recorded.text
    thoughts = [part.text for part in parts if isinstance(part, Thinking)]
    assert "".join(thoughts) == recorded.thoughts
    assert [(call.name, call.arguments) for call in response.tool_calls] == [
        (name, arguments) for _, name, arguments in recorded.calls
    ]
    for call, (id, _, _) in zip(response.tool_calls, recorded.calls, strict=True):
        assert call.id == id or (not id and call.id)
    assert len({call.id for call in response.tool_calls}) == len(recorded.calls)
    assert [part.data for part in parts if isinstance(part, Image | Audio | File)] == recorded.media
    whole = [metadata_of(part).get("$part") for part in parts if isinstance(part, Text)]
    assert [part for part in whole if part is not None] == recorded.carried
    assert signatures(response) == recorded.signatures


@takes(lambda one: one.wire == GEMINI and not one.refused)
def test_an_answer_ends_and_counts_as_recorded(interaction):
    recorded = answer(interaction)

    response = decoded(interaction)

    assert response.raw_finish_reason == recorded.finish
    if recorded.calls and recorded.finish == "STOP":
        assert response.finish_reason is FinishReason.TOOL_CALLS
    else:
        blocked = "other" if recorded.candidates else "content_filter"
        assert response.finish_reason == FINISH.get(recorded.finish or "", blocked)
    usage = msgspec.to_builtins(response.usage) if response.usage is not None else {}
    assert usage == recorded.counts
    assert (response.id, response.model) == (recorded.id, recorded.model)
    others = metadata_of(response).get("candidates", [])
    assert bool(recorded.candidates) + len(others) == recorded.candidates
    missing_ids = any(id is None for id, _, _ in recorded.calls)
    assert [warning.code for warning in response.warnings] == ["tool_call_id_missing"] * missing_ids


@takes(lambda one: one.wire == GEMINI and not one.refused and not in_a_stream(one))
def test_an_answer_for_a_client_holds_all_that_the_vendor_said(interaction):
    response = decoded(interaction)

    carried = json.loads(msgspec.json.encode(gemini.encode_response(response)))

    assert missing(carried, interaction.json) == []


@takes(lambda one: one.wire == GEMINI and not one.refused and in_a_stream(one))
def test_a_stream_for_a_client_says_the_same(interaction):
    events = events_of(interaction)
    first = fold(events)
    encoder = gemini.StreamEncoder(id=first.id or "", model=first.model or "")
    decoder = gemini.StreamDecoder()

    sent = [msgspec.json.encode(chunk) for chunk in encoder.feed_all(events)]
    again = fold([*(event for chunk in sent for event in decoder.feed(chunk)), *decoder.finish()])

    assert again == first
    last = chunks(interaction)[-1]
    told = json.loads(sent[-1])
    ends = {**last, "candidates": [{**last["candidates"][0], "content": {}}]}
    assert missing(told, ends) == []


@takes(lambda one: one.wire == GEMINI and not one.refused and in_a_stream(one))
def test_a_stream_that_breaks_off_before_its_end_is_no_answer(interaction):
    decoder = gemini.StreamDecoder()
    for chunk in chunks(interaction)[:-1]:
        decoder.feed(json.dumps(chunk))

    with pytest.raises(ProviderError) as caught:
        decoder.finish()

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@takes(lambda one: one.wire in (GEMINI, GEMINI_EMBEDDINGS) and one.failed)
def test_a_failure_has_the_kind_and_the_wait_of_the_recorded_one(interaction):
    error = gemini.classify_error(
        interaction.status, dict(interaction.headers), interaction.text or interaction.body
    )

    assert error.kind == error_kind(interaction.status, interaction.json)
    assert error.status == interaction.status
    assert error.retry_after_s == wait_of(interaction.json)


@takes(lambda one: one.wire == GEMINI_EMBEDDINGS and one.request is not None)
def test_an_embedding_request_comes_out_as_it_went_in(interaction):
    model = model_of(interaction)
    request = gemini.decode_embedding_request(interaction.request, model=model)

    payload, warnings = gemini.encode_embedding_request(over_the_wire(request, EmbeddingRequest))

    assert differences(payload, interaction.request) == []
    assert warnings == ()
    assert interaction.path.endswith(gemini.embedding_path(model, payload))


@takes(lambda one: one.wire == GEMINI_EMBEDDINGS and not one.failed)
def test_embeddings_are_the_recorded_numbers(interaction):
    recorded = interaction.json

    response = over_the_wire(
        gemini.decode_embedding_response(msgspec.json.decode(interaction.body)), EmbeddingResponse
    )

    several = recorded.get("embeddings") or [recorded["embedding"]]
    assert [list(vector) for vector in response.embeddings] == [one["values"] for one in several]
    carried = gemini.encode_embedding_response(response, batch="embeddings" in recorded)
    assert missing(carried, recorded) == []
