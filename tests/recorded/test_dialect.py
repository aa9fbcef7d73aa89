"""Recorded traffic through the translator alone: nothing is lost, in either direction."""

import json

import msgspec
import pytest

from stockade_sdk import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    ProviderError,
    fold,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.sse import EventReader
from tests.recorded.carried import assert_says
from tests.recorded.equivalences import differences, missing
from tests.recorded.expected import error_kind, said, status_of, vectors
from tests.recorded.interactions import CHAT, EMBEDDINGS, Interaction, takes


def over_the_wire(value, kind):
    """As between host and worker."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)


def decoded(interaction: Interaction) -> ChatResponse:
    if not interaction.streamed:
        answer = openai_chat.decode_response(msgspec.json.decode(interaction.body))
        return over_the_wire(answer, ChatResponse)
    return fold(over_the_wire(events_of(interaction), list[ChatEvent]))


def events_of(interaction: Interaction) -> list[ChatEvent]:
    reader, decoder = EventReader(), openai_chat.StreamDecoder()
    sent = [*reader.feed(interaction.body), *reader.end()]
    events = [event for one in sent for event in decoder.feed(one.data, one.event)]
    return [*events, *decoder.finish()]


@takes(lambda one: one.request is not None and one.wire == CHAT)
def test_a_chat_request_comes_out_as_it_went_in(interaction):
    request = over_the_wire(openai_chat.decode_request(interaction.request), ChatRequest)

    payload, warnings = openai_chat.encode_request(
        request, stream=bool(interaction.request.get("stream"))
    )

    assert differences(json.loads(msgspec.json.encode(payload)), interaction.request) == []
    assert warnings == ()


@takes(lambda one: one.request is not None and one.wire == EMBEDDINGS)
def test_an_embedding_request_comes_out_as_it_went_in(interaction):
    request = openai_chat.decode_embedding_request(interaction.request)

    payload, warnings = openai_chat.encode_embedding_request(
        over_the_wire(request, EmbeddingRequest)
    )

    assert differences(payload, interaction.request) == []
    assert warnings == ()


@takes(lambda one: one.wire == CHAT and not one.refused)
def test_an_answer_says_what_was_recorded(interaction):
    response = decoded(interaction)

    assert_says(response, said(interaction))


@takes(lambda one: one.wire == CHAT and not one.refused and not one.streamed)
def test_an_answer_for_a_client_holds_all_that_the_vendor_said(interaction):
    response = decoded(interaction)

    carried = json.loads(msgspec.json.encode(openai_chat.encode_response(response)))

    assert missing(carried, interaction.json) == []


@takes(lambda one: one.wire == CHAT and not one.refused and one.streamed)
def test_a_stream_for_a_client_says_the_same(interaction):
    events = events_of(interaction)
    encoder = openai_chat.StreamEncoder(id="client-1", model="client", include_usage=True)
    decoder = openai_chat.StreamDecoder()

    chunks = [msgspec.json.encode(chunk) for chunk in encoder.feed_all(events)]
    again = fold([*(event for chunk in chunks for event in decoder.feed(chunk)), *decoder.finish()])

    first = fold(events)
    assert again.output == first.output
    assert (again.finish_reason, again.raw_finish_reason) == (
        first.finish_reason,
        first.raw_finish_reason,
    )
    assert again.usage == first.usage
    extras = {**(first.provider_metadata or {})["openai_chat"], "created": 0}
    assert missing((again.provider_metadata or {})["openai_chat"], extras) == []


@takes(lambda one: one.wire == CHAT and one.refused)
def test_a_failure_has_the_kind_of_the_recorded_one(interaction):
    recorded = said(interaction).error
    kind = error_kind(status_of(interaction, recorded), recorded)

    error = raised_by(interaction)

    assert error.kind == kind
    assert error.status == status_of(interaction, recorded)


@takes(lambda one: one.wire == EMBEDDINGS and not one.failed)
def test_embeddings_are_the_recorded_numbers(interaction):
    answer = msgspec.json.decode(interaction.body)

    response = over_the_wire(openai_chat.decode_embedding_response(answer), EmbeddingResponse)

    assert [list(vector) for vector in response.embeddings] == vectors(interaction.json)
    as_base64 = isinstance(interaction.json["data"][0]["embedding"], str)
    carried = openai_chat.encode_embedding_response(response, as_base64=as_base64)
    assert missing(carried, interaction.json) == []


@takes(lambda one: one.wire == EMBEDDINGS and one.failed)
def test_a_failed_embedding_has_the_kind_of_the_recorded_one(interaction):
    error = raised_by(interaction)

    assert error.kind == error_kind(interaction.status, interaction.json)


def raised_by(interaction: Interaction) -> ProviderError:
    if interaction.failed:
        return openai_chat.classify_error(
            interaction.status, dict(interaction.headers), interaction.body
        )
    with pytest.raises(ProviderError) as caught:
        decoded(interaction)
    return caught.value
