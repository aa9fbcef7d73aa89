"""Bodies of failed answers in whatever form they come: read, capped, never a reason to fail."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import ErrorKind, ProviderError
from stockade_sdk.dialects.failures import MAX_SHOWN_CHARS, classify_error

MIB = 1024 * 1024
LINEAR_S = 2.0  # for 10 MB; what backtracks takes minutes


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "no"}}, "no"),
        ({"error": "no"}, "no"),
        ({"message": "no"}, "no"),
        ({"Message": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"detail": {"message": "no"}}, "no"),
        ({"error": {"message": None, "error_msg": "no"}}, "no"),
        ({"error": True, "message": "no"}, "no"),
        ({"errors": [{"message": "no", "code": 7003}]}, "no"),
        ([{"error": {"message": "no"}}], "no"),
        ({"type": "response.failed", "response": {"error": {"message": "no"}}}, "no"),
        ({"base_resp": {"status_code": 1008, "status_msg": "no"}}, "no"),
        ({"detail": [{"loc": ["body", "x"], "msg": "no", "input": "mine"}]}, "body.x: no"),
        ({"error": ["one", "two"]}, "one; two"),
        ({"error": {"message": '{"error": {"message": "no"}}'}}, "no"),
        (
            {"error": {"message": "Upstream", "metadata": {"raw": '{"message": "no"}'}}},
            "Upstream: no",
        ),
        ({"error": {"message": "Upstream", "metadata": {"raw": "no"}}}, "Upstream: no"),
        ('data: {"error": {"message": "no"}}\n\n', "no"),
        ('event: error\ndata: {"type": "error", "error": {"message": "no"}}\n\n', "no"),
        ('{"error": {"message": "no"}}\n{"more": 1}', "no"),
        (b'{"error": {"message": "no \\ud83d"}}', "no ?"),
        ("upstream said no", "upstream said no"),
        ("", "HTTP 400"),
        (None, "HTTP 400"),
        ({}, "HTTP 400"),
        ([], "HTTP 400"),
        (b"\xff\xfe", "��"),
    ],
)
def test_the_message_is_found_where_it_stands(body, message):
    assert classify_error(400, {}, body).message == message


@pytest.mark.parametrize(
    "page",
    [
        "<html><style>p {color: red}</style><title>502</title><p>Bad  Gateway</p></html>",
        "<!DOCTYPE html><script>if (a < b) fail('<p>')</script>502 <br/>\nBad Gateway",
        "<Error><Code>502</Code><Message>Bad Gateway</Message></Error>",
    ],
)
def test_of_a_page_its_words_are_shown(page):
    error = classify_error(502, {"content-type": "text/html"}, page)

    assert (error.kind, error.message) == (ErrorKind.SERVER_ERROR, "502 Bad Gateway")


def test_text_with_a_sign_for_less_is_no_page():
    assert classify_error(400, {}, "3 < 5 and 7 > 5").message == "3 < 5 and 7 > 5"


@pytest.mark.parametrize("name", ["input", "failed_generation", "body"])
def test_what_the_caller_wrote_does_not_decide_when_it_is_sent_back(name):
    echo = {"message": "rate limit", "code": "insufficient_quota"}
    body = {"detail": [{"loc": ["body"], "msg": "Field required", name: echo}]}

    error = classify_error(422, {}, body)

    assert (error.kind, error.message) == (ErrorKind.INVALID_REQUEST, "body: Field required")


def test_the_cause_that_stands_deep_inside_decides():
    body = {"error": {"message": "failed", "details": {"cause": [{"reason": "API_KEY_INVALID"}]}}}

    assert classify_error(400, {}, body).kind is ErrorKind.AUTH


def test_the_cause_that_a_router_passes_on_as_text_decides():
    raw = json.dumps({"error": {"type": "x", "code": "context_length_exceeded", "message": "no"}})
    body = {"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": raw}}}

    assert classify_error(400, {}, body).kind is ErrorKind.CONTEXT_LENGTH


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "x" * 10 * MIB, "code": "y" * 10 * MIB}},
        b'{"error": {"message": "' + b"x" * 10 * MIB,
        "x" * 10 * MIB,
        [["x" * 100] * 1000] * 1000,
    ],
)
def test_what_is_shown_is_short_however_long_the_body(body):
    error = classify_error(400, {}, body)

    assert len(error.message) <= MAX_SHOWN_CHARS
    assert len(error.code or "") <= 100


HOSTILE = [
    *("[", "{", '"', "<", "<script", "*", "a", "1", "model ", "model.", "sk-", "eyJ", "api_key="),
    *("?key=", "bearer ", "://a:", "retry ", "retry in 1", "1m", "模型", "not_found_error ", "a-"),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_it_takes_is_linear(piece):
    text = piece * (10_000_000 // len(piece))
    begun = time.process_time()

    for body in (text, text.encode(), {"error": {"message": text}}, {"error": {"code": text}}):
        classify_error(None, {"retry-after": text, "x-request-id": text}, body)

    assert time.process_time() - begun < LINEAR_S


def test_json_of_any_depth_is_read():
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]

    for body in (deep, "[" * 100_000, '{"error":' * 100_000):
        assert classify_error(400, {}, body).kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize("name", ["message", "code", "status", "retry_after", "request_id"])
def test_a_number_that_python_refuses_to_print_is_no_trouble(name):
    assert classify_error(400, {}, {name: 10**5000}).message == "HTTP 400"


def test_half_a_pair_of_surrogates_is_fit_to_be_sent():
    error = classify_error(400, {}, {"error": {"message": "no \ud83d", "code": "x\ud83d"}})

    assert (error.message, error.code) == ("no ?", "x?")


NAMES = [
    *("error", "errors", "message", "msg", "code", "type", "detail", "details", "status", "loc"),
    *(
        "metadata",
        "raw",
        "reason",
        "param",
        "retryDelay",
        "retry_after_ms",
        "request_id",
        "response",
    ),
]
texts = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["\ud800", "429", "{", "{}", "1e999"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | texts, inner, max_size=4)
    ),
    max_leaves=20,
)
HEADERS = [
    *(
        "retry-after",
        "retry-after-ms",
        "date",
        "x-should-retry",
        "x-request-id",
        "x-amzn-errortype",
    ),
    *("x-ratelimit-reset", "x-ratelimit-remaining", "anthropic-ratelimit-tokens-reset", "server"),
]
values = texts | st.sampled_from(["0", "1e400", "-1", "9" * 400, "1m", "Mon, 99 Foo 0000", "1-1-1"])


@given(
    status=st.none() | st.integers(),
    headers=st.none() | st.dictionaries(st.sampled_from(HEADERS) | texts, values, max_size=4),
    body=json_values | st.binary(max_size=80) | texts,
    provider=st.sampled_from(["", "qwen", "x"]),
)
def test_any_answer_is_some_error_that_can_be_sent_and_printed(status, headers, body, provider):
    error = classify_error(status, headers, body, provider=provider)

    assert isinstance(error, ProviderError)
    assert ProviderError.of(error.info()).kind is error.kind
    f"{error}{error.code or ''}".encode()
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= 30 * 24 * 3600


@given(body=json_values)
def test_an_error_means_the_same_parsed_or_not(body):
    try:
        text = json.dumps(body, allow_nan=False)
    except ValueError:
        return
    value = json.loads(text)

    parsed, unparsed = classify_error(400, {}, value), classify_error(400, {}, text.encode())

    assert parsed.kind is unparsed.kind
