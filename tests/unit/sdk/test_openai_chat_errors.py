"""What an error means: status, code, message and headers together; and no key in what is shown."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import ErrorKind, ProviderError, TimeoutPhase
from stockade_sdk.dialects.openai_chat import classify_error, encode_error, redact


def openai_error(message="no", code=None, type="invalid_request_error"):
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


CASES = [
    (401, openai_error("Incorrect API key provided", "invalid_api_key"), ErrorKind.AUTH),
    (401, {"detail": "Invalid API Key"}, ErrorKind.AUTH),
    (
        400,
        {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}},
        ErrorKind.AUTH,
    ),
    (403, {"error": {"message": "Access denied"}}, ErrorKind.AUTH),
    (
        402,
        {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}},
        ErrorKind.QUOTA,
    ),
    (402, "", ErrorKind.QUOTA),
    (429, openai_error("You exceeded your current quota", "insufficient_quota"), ErrorKind.QUOTA),
    (
        403,
        {"error": {"code": 403, "message": "Key limit exceeded (total limit)."}},
        ErrorKind.QUOTA,
    ),
    (400, openai_error("Access denied", "Arrearage"), ErrorKind.QUOTA),
    (429, openai_error("Rate limit reached", "rate_limit_exceeded"), ErrorKind.RATE_LIMITED),
    (429, "", ErrorKind.RATE_LIMITED),
    (
        413,
        openai_error("tokens per minute (TPM): Limit 6000", "rate_limit_exceeded"),
        ErrorKind.RATE_LIMITED,
    ),
    (429, {"error": {"message": "busy", "type": "engine_overloaded_error"}}, ErrorKind.OVERLOADED),
    (503, "", ErrorKind.OVERLOADED),
    (529, "", ErrorKind.OVERLOADED),
    (
        404,
        openai_error("The model `x` does not exist", "model_not_found"),
        ErrorKind.MODEL_UNAVAILABLE,
    ),
    (
        404,
        {"error": {"code": "DeploymentNotFound", "message": "gone"}},
        ErrorKind.MODEL_UNAVAILABLE,
    ),
    (404, {"error": "model 'x' not found"}, ErrorKind.MODEL_UNAVAILABLE),
    (403, openai_error("no access", "model_not_found"), ErrorKind.MODEL_UNAVAILABLE),
    (410, {"error": {"message": "retired"}}, ErrorKind.MODEL_UNAVAILABLE),
    (404, openai_error("Invalid URL (POST /v1/chat)"), ErrorKind.INVALID_REQUEST),
    (
        400,
        openai_error("This model's maximum context length is 8192 tokens"),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (400, openai_error("too long", "context_length_exceeded"), ErrorKind.CONTEXT_LENGTH),
    (
        400,
        {"error": {"message": "Your request exceeded model token limit: 9"}},
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        413,
        {"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}},
        ErrorKind.CONTEXT_LENGTH,
    ),
    (422, {"message": "Range of input length should be [1, 9]"}, ErrorKind.CONTEXT_LENGTH),
    (
        400,
        {"error": {"code": "content_filter", "message": "filtered", "innererror": {"code": "x"}}},
        ErrorKind.CONTENT_FILTER,
    ),
    (
        400,
        {
            "error": {
                "code": None,
                "message": "no",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        ErrorKind.CONTENT_FILTER,
    ),
    (400, openai_error("no", "data_inspection_failed"), ErrorKind.CONTENT_FILTER),
    (
        400,
        openai_error("Unsupported parameter: 'stop'", "unsupported_parameter"),
        ErrorKind.UNSUPPORTED,
    ),
    (400, openai_error("bad value", "invalid_value"), ErrorKind.INVALID_REQUEST),
    (422, {"detail": [{"loc": ["body"], "msg": "Field required"}]}, ErrorKind.INVALID_REQUEST),
    (400, "", ErrorKind.INVALID_REQUEST),
    (400, openai_error("invalid token at position 3 of the body"), ErrorKind.INVALID_REQUEST),
    (400, openai_error("moderation must be one of auto, low"), ErrorKind.INVALID_REQUEST),
    (500, openai_error("boom", type="server_error"), ErrorKind.SERVER_ERROR),
    (500, {"error": {"message": "check your account balance"}}, ErrorKind.SERVER_ERROR),
    (502, "<html><body>Bad Gateway</body></html>", ErrorKind.SERVER_ERROR),
    (520, b"\xff\xfe", ErrorKind.SERVER_ERROR),
    (
        503,
        {"error": {"message": "There is no available model provider"}},
        ErrorKind.MODEL_UNAVAILABLE,
    ),
    (504, "", ErrorKind.TIMEOUT),
    (408, "", ErrorKind.TIMEOUT),
    (None, {"error": {"message": "x", "code": "429"}}, ErrorKind.RATE_LIMITED),
    (None, {"error": {"message": "x", "code": 401}}, ErrorKind.AUTH),
    (200, {"error": {"message": "x", "status_code": 400}}, ErrorKind.INVALID_REQUEST),
    (None, {"error": {"type": "overloaded_error"}}, ErrorKind.OVERLOADED),
    (None, {"error": {"message": "request timed out"}}, ErrorKind.TIMEOUT),
    (None, {"error": {"message": "?"}}, ErrorKind.SERVER_ERROR),
    (400, [{"error": {"code": 400, "message": "API key expired."}}], ErrorKind.AUTH),
]


@pytest.mark.parametrize(("status", "body", "kind"), CASES)
def test_an_error_has_its_kind(status, body, kind):
    assert classify_error(status, {}, body).kind is kind


@pytest.mark.parametrize(("status", "body", "kind"), CASES)
def test_bytes_and_parsed_json_mean_the_same(status, body, kind):
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)

    assert classify_error(status, {}, data).kind is kind


def test_the_error_keeps_status_code_and_message():
    error = classify_error(404, {}, openai_error("The model `x` does not exist", "model_not_found"))

    assert (error.status, error.code) == (404, "model_not_found")
    assert error.message == "The model `x` does not exist"


def test_a_status_inside_the_body_stands_for_a_missing_one():
    assert classify_error(None, None, {"error": {"code": 429}}).status == 429


def test_a_timeout_names_its_phase():
    assert classify_error(504, {}, "").phase is TimeoutPhase.TOTAL


def test_the_provider_stands_before_the_message():
    assert classify_error(400, {}, openai_error("no"), provider="acme").message == "acme: no"


DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after": "7", "retry-after-ms": "6500"}, 6.5),
        ({"retry-after": "1", "retry-after-ms": "0"}, 1.0),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e300"}, 30 * 24 * 3600.0),
    ],
)
def test_the_wait_is_read_from_the_headers(headers, seconds):
    assert classify_error(429, headers, "").retry_after_s == seconds


KEYS = [
    "sk-proj-abcDEF123456",
    "sk-ant-api03-abc_DEF-123",
    "sk-or-v1-0123456789abcdef",
    "sk-abc123*****wxyz",
    "gsk_abcdefghijklmnop1234",
    "xai-abcdefghijklmnop1234",
    "AIzaSyA-0123456789_abcdefg",
    "0123456789abcdef0123456789abcdef",
    "Bearer abcdef123456",
    "eyJhbGciOiJI.eyJzdWIiOi.SflKxw",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_a_vendor_echoes_is_not_repeated(key):
    body = openai_error(f"Incorrect API key provided: {key}. Find yours at https://example.com")

    error = classify_error(401, {}, body)

    assert key not in str(error)
    assert key.removeprefix("Bearer ") not in error.message
    assert "https://example.com" in error.message


@pytest.mark.parametrize("key", KEYS)
def test_a_key_in_any_place_is_not_repeated(key):
    for body in (f"bad {key}!", {"error": f"({key})"}, {"error": {"code": key}}, {"odd": [key]}):
        error = classify_error(400, {}, body)

        assert key.removeprefix("Bearer ") not in f"{error.message} {error.code}"


@pytest.mark.parametrize(
    "text",
    [
        "The model `deepseek-r1-distill-llama-70b-instruct-v2` does not exist",
        "Rate limit reached for gpt-4o-mini-2024-07-18 in organization org-a on tokens per min",
        "key_limit_exceeded: see https://openrouter.ai/settings/keys",
        "You need to provide your API key in an Authorization header using Bearer auth",
        "risk-averse desk-bound people",
    ],
)
def test_words_that_are_no_keys_stay(text):
    assert redact(text) == text


def test_a_page_of_html_becomes_one_short_line():
    page = "<html><style>p {}</style><body><h1>502</h1>\n<p>Bad   Gateway</p>" + "x" * 10**6

    message = classify_error(502, {}, page).message

    assert message.startswith("502 Bad Gateway x")
    assert len(message) <= 500


def test_a_huge_body_is_read_at_its_start_alone():
    body = b'{"error": {"message": "' + b"x" * 10_000_000

    error = classify_error(400, {}, body)

    assert error.kind is ErrorKind.INVALID_REQUEST
    assert len(error.message) <= 500


def test_an_empty_body_names_the_status():
    assert classify_error(418, {}, b"").message == "HTTP 418"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "detail", "status", "metadata"]),
            inner,
            max_size=4,
        )
    ),
)


@given(st.none() | st.integers(100, 599), json_values | st.binary(max_size=60))
def test_any_body_is_some_error(status, body):
    assert isinstance(classify_error(status, {"retry-after": "x"}, body), ProviderError)


def test_an_error_for_a_client_has_the_wires_shape_and_no_key():
    error = ProviderError(
        ErrorKind.AUTH, "bad key sk-proj-abcdef123456", 401, code="invalid_api_key"
    )

    assert encode_error(error, 502) == {
        "error": {
            "message": "bad key [redacted]",
            "type": "server_error",
            "param": None,
            "code": "invalid_api_key",
        }
    }


@pytest.mark.parametrize(
    ("status", "type"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (429, "rate_limit_error")],
)
def test_the_type_of_an_error_for_a_client_follows_its_status(status, type):
    assert encode_error(ProviderError(ErrorKind.UNKNOWN, "x"), status)["error"]["type"] == type
