"""Errors and model lists on Anthropic's wire."""

import pytest

from stockade_sdk import Capability, ErrorKind, ProviderError
from stockade_sdk.dialects.anthropic_messages import (
    classify_error,
    decode_models,
    encode_error,
    next_page,
)


def failure(kind, message="x"):
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "messages.0: bad", ErrorKind.INVALID_REQUEST),
        (400, "invalid_request_error", "prompt is too long: 9 tokens", ErrorKind.CONTEXT_LENGTH),
        (400, "invalid_request_error", "Your credit balance is too low", ErrorKind.QUOTA),
        (401, "authentication_error", "invalid x-api-key", ErrorKind.AUTH),
        (403, "permission_error", "no", ErrorKind.AUTH),
        (404, "not_found_error", "model: claude-9", ErrorKind.MODEL_UNAVAILABLE),
        (404, "not_found_error", "Not found", ErrorKind.INVALID_REQUEST),
        (413, "request_too_large", "Request exceeds the size", ErrorKind.INVALID_REQUEST),
        (429, "rate_limit_error", "429429 tokens", ErrorKind.RATE_LIMITED),
        (500, "api_error", "Internal server error", ErrorKind.SERVER_ERROR),
        (504, "timeout_error", "timed out", ErrorKind.TIMEOUT),
        (529, "overloaded_error", "Overloaded", ErrorKind.OVERLOADED),
        (None, "authentication_error", "x", ErrorKind.AUTH),
        (None, "permission_error", "x", ErrorKind.AUTH),
        (None, "billing_error", "x", ErrorKind.QUOTA),
        (None, "not_found_error", "model: x", ErrorKind.MODEL_UNAVAILABLE),
        (None, "invalid_request_error", "x", ErrorKind.INVALID_REQUEST),
        (None, "request_too_large", "x", ErrorKind.INVALID_REQUEST),
        (None, "overloaded_error", "x", ErrorKind.OVERLOADED),
        (None, "rate_limit_error", "x", ErrorKind.RATE_LIMITED),
        (None, "timeout_error", "x", ErrorKind.TIMEOUT),
        (None, "api_error", "x", ErrorKind.SERVER_ERROR),
    ],
)
def test_a_failure_is_its_kind(status, kind, message, expected):
    error = classify_error(status, None, failure(kind, message))

    assert (error.kind, error.code) == (expected, kind)


def test_a_kind_that_is_corrected_keeps_the_rest():
    error = classify_error(404, {"retry-after": "3"}, failure("not_found_error", "model: x"))

    assert (error.status, error.retry_after_s, error.message) == (404, 3.0, "model: x")


@pytest.mark.parametrize(
    ("kind", "status", "type"),
    [
        (ErrorKind.INVALID_REQUEST, 400, "invalid_request_error"),
        (ErrorKind.AUTH, 401, "authentication_error"),
        (ErrorKind.PERMISSION_DENIED, 403, "permission_error"),
        (ErrorKind.MODEL_UNAVAILABLE, 404, "not_found_error"),
        (ErrorKind.INVALID_REQUEST, 413, "request_too_large"),
        (ErrorKind.RATE_LIMITED, 429, "rate_limit_error"),
        (ErrorKind.QUOTA, 429, "billing_error"),
        (ErrorKind.SERVER_ERROR, 502, "api_error"),
        (ErrorKind.TIMEOUT, 504, "timeout_error"),
        (ErrorKind.OVERLOADED, 503, "overloaded_error"),
        (ErrorKind.OVERLOADED, 529, "overloaded_error"),
        (ErrorKind.UNSUPPORTED, 422, "invalid_request_error"),
    ],
)
def test_a_client_is_told_in_the_vendors_words(kind, status, type):
    told = encode_error(ProviderError(kind, "why"), status)

    assert told == {"type": "error", "error": {"type": type, "message": "why"}}


def test_a_client_is_told_no_key():
    told = encode_error(ProviderError(ErrorKind.AUTH, "bad key sk-ant-api03-abcdefgh"), 401)

    assert "abcdefgh" not in told["error"]["message"]


def test_models_are_what_the_vendor_lists():
    yes, no = {"supported": True}, {"supported": False}
    able = {"image_input": yes, "structured_outputs": yes, "thinking": no}
    raw = {"id": "a", "display_name": "A", "max_input_tokens": 10, "max_tokens": 5}
    page = {"data": [{**raw, "capabilities": able}, {"id": "b"}, {"id": "a"}, 3, {"id": ""}]}

    first, second = decode_models(page)

    assert (first.id, first.name, first.context_tokens, first.max_output_tokens) == (
        "a",
        "A",
        10,
        5,
    )
    assert first.capabilities == (Capability.CHAT, Capability.VISION)
    assert first.features == ("json_schema",)
    assert (second.id, second.capabilities, second.context_tokens) == ("b", (), None)


@pytest.mark.parametrize("payload", [None, [], {}, {"data": {}}, "x"])
def test_what_is_no_list_of_models_is_malformed(payload):
    with pytest.raises(ProviderError) as caught:
        decode_models(payload)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    ("payload", "after"),
    [
        ({"has_more": True, "last_id": "b"}, "b"),
        ({"has_more": False, "last_id": "b"}, None),
        ({"has_more": True}, None),
        ({"last_id": "b"}, None),
        ([], None),
    ],
)
def test_the_next_page_begins_after_the_last_id(payload, after):
    assert next_page(payload) == after
