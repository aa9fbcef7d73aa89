"""Recorded images, sound, rankings, tasks and model lists through their translators, both ways."""

import base64
import email
import email.policy
import importlib
import json
from typing import Any

import msgspec
import pytest

from stockade_sdk import (
    ImageRequest,
    ImageResponse,
    ModelInfo,
    ProviderError,
    RerankRequest,
    RerankResponse,
    SpeechRequest,
    SpeechResponse,
    TranscriptionRequest,
    TranscriptionResponse,
)
from stockade_sdk.dialects import dashscope, openai_audio, openai_images, rerank
from stockade_sdk.http import Headers, HttpResponse
from stockade_sdk.multipart import FormField, encode_form
from stockade_sdk.vendor.openai_media import transcript_in
from tests.recorded import expected_media as expected
from tests.recorded.equivalences import differences, missing
from tests.recorded.interactions import (
    IMAGES,
    MODELS,
    QWEN_IMAGES,
    RERANK,
    SPEECH,
    TRANSCRIPTION,
    Interaction,
    chunks_of,
    takes,
)

MEDIA = (IMAGES, QWEN_IMAGES, TRANSCRIPTION, SPEECH, RERANK, MODELS)
OWN_MODEL_LISTS = {"anthropic": "anthropic_messages", "gemini": "gemini"}  # the others are OpenAI's


def over_the_wire(value, kind):
    """As between host and worker."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)


def as_json(payload: Any) -> Any:
    return json.loads(msgspec.json.encode(payload))


def fields_of(interaction: Interaction) -> list[FormField]:
    """The recorded fields; of a file what was recorded of it, its beginning."""
    return [
        FormField(
            field["name"],
            base64.b64decode(field["head_b64"]) if "filename" in field else field["value"],
            field.get("filename"),
            field.get("content_type"),
        )
        for field in interaction.multipart
    ]


def fields_in(body: bytes, content_type: str) -> list[FormField]:
    """The fields of a form as the standard library's mail parser reads them."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    found = []
    for part in message.iter_parts():
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        name = str(part.get_param("name", header="content-disposition"))
        if part.get_filename() is None:
            found.append(FormField(name, data.decode()))
        else:
            found.append(FormField(name, data, part.get_filename(), part.get_content_type()))
    return found


def by_name(fields: list[FormField]) -> list[FormField]:
    """Fields of several names have no order among them."""
    return sorted(fields, key=lambda field: field.name)


def has_form(interaction: Interaction) -> bool:
    return bool(interaction.multipart)


@takes(lambda one: one.wire == IMAGES and one.request is not None)
def test_an_image_request_comes_out_as_it_went_in(interaction):
    request = over_the_wire(openai_images.decode_request(interaction.request), ImageRequest)

    payload, warnings = openai_images.encode_request(request)

    assert differences(as_json(payload), interaction.request) == []
    assert warnings == ()


@takes(lambda one: one.wire == IMAGES and not one.refused)
def test_images_are_the_recorded_ones(interaction):
    answer = msgspec.json.decode(interaction.body)

    response = over_the_wire(openai_images.decode_response(answer), ImageResponse)

    found = [image.data if image.data is not None else image.url for image in response.images]
    assert found == expected.pictures(interaction.json)
    assert list(response.revised_prompts) == expected.prompts(interaction.json)
    assert_counts(response.usage, expected.tokens(interaction.json))
    assert response.warnings == ()
    assert missing(as_json(openai_images.encode_response(response)), interaction.json) == []


@takes(lambda one: one.wire == QWEN_IMAGES and one.request is not None)
def test_a_request_for_a_task_comes_out_as_it_went_in(interaction):
    request = over_the_wire(dashscope.decode_image_request(interaction.request), ImageRequest)

    payload, warnings = dashscope.encode_image_request(request)

    assert request.prompt == interaction.request["input"]["prompt"]
    assert differences(as_json(payload), interaction.request) == []
    assert warnings == ()


@takes(lambda one: one.wire == IMAGES and has_form(one))
def test_a_form_of_images_comes_out_as_it_went_in(interaction):
    recorded = fields_of(interaction)
    request = over_the_wire(openai_images.decode_form(recorded), ImageRequest)

    fields, warnings = openai_images.encode_form(request)

    assert by_name(fields_in(*encode_form(fields))) == by_name(recorded)
    assert warnings == ()


def ended(interaction: Interaction) -> bool:
    """Whether it is a task that will have no images."""
    output = (interaction.json or {}).get("output") or {}
    return output.get("task_status") in ("FAILED", "CANCELED", "UNKNOWN")


@takes(lambda one: one.wire == QWEN_IMAGES and not one.failed and ended(one))
def test_a_task_that_failed_is_an_error(interaction):
    with pytest.raises(ProviderError) as caught:
        dashscope.decode_task(msgspec.json.decode(interaction.body))

    assert caught.value.code == interaction.json["output"].get(
        "code", interaction.json["output"]["task_status"]
    )


@takes(lambda one: one.wire == QWEN_IMAGES and expected.results(one.json))
def test_the_images_of_a_task_are_the_recorded_ones(interaction):
    answer = msgspec.json.decode(interaction.body)

    response = over_the_wire(dashscope.decode_image_response(answer), ImageResponse)

    urls = [item["url"] for item in expected.results(interaction.json) if "url" in item]
    assert [image.url for image in response.images] == urls
    assert missing(as_json(dashscope.encode_image_response(response)), interaction.json) == []


@takes(lambda one: one.wire == QWEN_IMAGES and not one.failed and not ended(one))
def test_a_task_is_the_recorded_one(interaction):
    found = dashscope.decode_task(msgspec.json.decode(interaction.body))

    assert (found.id, found.status) == expected.task(interaction.json)
    assert missing(as_json(dashscope.encode_task(found)), interaction.json) == []


@takes(lambda one: one.wire == QWEN_IMAGES and one.request is not None)
def test_a_task_is_asked_for_where_it_was_recorded(interaction):
    request = dashscope.decode_image_request(interaction.request)

    assert interaction.path == f"/api/v1/{dashscope.image_path(request)}"


@takes(lambda one: one.wire == TRANSCRIPTION and has_form(one))
def test_a_form_comes_out_as_it_went_in(interaction):
    recorded = fields_of(interaction)
    streamed = FormField("stream", "true") in recorded
    request = over_the_wire(openai_audio.decode_form(recorded), TranscriptionRequest)

    fields, warnings = openai_audio.encode_form(request, stream=streamed)

    assert by_name(fields_in(*encode_form(fields))) == by_name(recorded)
    assert warnings == ()


def heard(interaction: Interaction) -> TranscriptionResponse:
    body, kind = expected.content_of(interaction)
    answer = HttpResponse(interaction.status, Headers({"content-type": kind or ""}), body)
    form = "text" if (kind or "").startswith("text/plain") else "json"
    return over_the_wire(transcript_in(answer, form), TranscriptionResponse)


@takes(lambda one: one.wire == TRANSCRIPTION and not one.refused)
def test_a_transcript_says_what_was_recorded(interaction):
    recorded = expected.transcript(interaction)

    response = heard(interaction)

    assert response.text == recorded["text"]
    assert response.language == recorded.get("language")
    assert response.duration_s == recorded.get("duration")
    for name in ("segments", "words"):
        found = [
            (span.text, span.start_s, span.end_s, span.speaker) for span in getattr(response, name)
        ]
        assert found == expected.spans(recorded.get(name))
    assert_counts(response.usage, expected.tokens(recorded))


@takes(lambda one: one.wire == TRANSCRIPTION and not one.refused)
def test_a_transcript_for_a_client_holds_all_that_the_vendor_said(interaction):
    response = heard(interaction)
    body, kind = expected.content_of(interaction)

    if interaction.streamed:
        events = as_json(openai_audio.encode_events(response))
        assert missing(told(events), told(chunks_of(interaction.text))) == []
    elif (kind or "").startswith("text/"):
        assert openai_audio.encode_text(response) == body.decode()
    else:
        assert missing(as_json(openai_audio.encode_response(response)), interaction.json) == []


def told(events: list[Any]) -> list[Any]:
    """A stream's events without its pieces of text, which may be cut in other places."""
    return [event for event in events if not event["type"].endswith(".delta")]


@takes(lambda one: one.wire == SPEECH and one.request is not None)
def test_a_speech_request_comes_out_as_it_went_in(interaction):
    request = over_the_wire(openai_audio.decode_speech_request(interaction.request), SpeechRequest)

    payload, warnings = openai_audio.encode_speech_request(request)

    assert differences(as_json(payload), interaction.request) == []
    assert warnings == ()


@takes(lambda one: one.wire == SPEECH and not one.refused)
def test_speech_is_the_recorded_sound(interaction):
    body, kind = expected.content_of(interaction)

    response = over_the_wire(openai_audio.decode_speech(body, kind), SpeechResponse)

    assert response.audio.data == expected.sound(interaction)
    if interaction.json is not None:
        carried = as_json(openai_audio.encode_speech_json(response))
        assert missing(carried, interaction.json) == []
    else:
        assert openai_audio.encode_speech(response) == (interaction.head, kind)


@takes(lambda one: one.wire == RERANK and one.request is not None)
def test_a_rerank_request_comes_out_as_it_went_in(interaction):
    if interaction.provider == "qwen":
        decode, encode = dashscope.decode_rerank_request, dashscope.encode_rerank_request
    else:
        decode, encode = rerank.decode_request, rerank.encode_request
    request = over_the_wire(decode(interaction.request), RerankRequest)

    payload, warnings = encode(request)

    given = interaction.request.get("input", interaction.request)
    assert (request.query, list(request.documents)) == (given["query"], given["documents"])
    assert differences(as_json(payload), interaction.request) == []
    assert warnings == ()


@takes(lambda one: one.wire == RERANK and not one.refused)
def test_a_ranking_is_the_recorded_one(interaction):
    if interaction.provider == "qwen":
        decode, encode = dashscope.decode_rerank_response, dashscope.encode_rerank_response
    else:
        decode, encode = rerank.decode_response, rerank.encode_response
    answer = msgspec.json.decode(interaction.body)

    response = over_the_wire(decode(answer), RerankResponse)

    found = [(result.index, result.score, result.document) for result in response.results]
    assert found == expected.ranking(interaction.json)
    assert_counts(response.usage, expected.tokens(interaction.json))
    assert missing(as_json(encode(response)), interaction.json) == []


@takes(lambda one: one.wire == MODELS and not one.refused)
def test_a_model_list_has_the_recorded_models(interaction):
    name = OWN_MODEL_LISTS.get(interaction.provider, "openai_chat")
    dialect = importlib.import_module(f"stockade_sdk.dialects.{name}")
    answer = msgspec.json.decode(interaction.body)

    listed = over_the_wire(dialect.decode_models(answer), tuple[ModelInfo, ...])

    found = [(model.id, model.context_tokens) for model in listed]
    assert found == list(dict.fromkeys(expected.models(interaction.json)))


@takes(lambda one: one.wire in MEDIA and one.refused)
def test_a_failure_has_the_kind_of_the_recorded_one(interaction):
    classify = (
        dashscope.classify_error if interaction.provider == "qwen" else openai_images.classify_error
    )

    error = classify(interaction.status, dict(interaction.headers), interaction.body)

    assert isinstance(error, ProviderError)
    assert error.kind == expected.error_kind(interaction.status, interaction.json)
    assert error.status == interaction.status


def assert_counts(usage: Any, recorded: dict[str, int]) -> None:
    counts = msgspec.to_builtins(usage) if usage is not None else {}
    assert {name: counts.get(name) for name in recorded} == recorded
    if not recorded:
        assert usage is None
