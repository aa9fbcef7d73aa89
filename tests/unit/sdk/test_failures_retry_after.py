"""How long to wait, in every form in which vendors say it."""

import math

import pytest

from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.dialects.failures.waits import duration
from stockade_sdk.errors import MAX_RETRY_AFTER_S, ErrorInfo, ErrorKind, ProviderError

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0"}, 0.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after": "20s"}, 20.0),
        ({"retry-after-ms": "850"}, 0.85),
        ({"retry-after": "7", "retry-after-ms": "6500"}, 6.5),
        ({"retry-after": "1", "retry-after-ms": "0"}, 1.0),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Wednesday, 21-Oct-26 07:28:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "2026-10-21T07:28:30Z", "date": DATE}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "today"}, None),
        ({"retry-after": "1e300"}, MAX_RETRY_AFTER_S),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_a_header_of_its_own_names_it(headers, seconds):
    assert classify_error(429, headers, "").retry_after_s == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m3s"}, 63.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2ms"}, 0.002),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "20s"}, None),
        ({"x-ratelimit-reset-requests": "20s"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "9s",
                "x-ratelimit-remaining-images": "5",
                "x-ratelimit-reset-images": "80s",
            },
            9.0,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:45Z",
                "date": DATE,
            },
            45.0,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:45Z",
            },
            None,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1792567720000", "date": DATE}, 40.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1792567720", "date": DATE}, 40.0),
        ({"ratelimitbysize-remaining": "0", "ratelimitbysize-reset": "47"}, 47.0),
        ({"retry-after": "3", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "47"}, 3.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "never"}, None),
    ],
)
def test_a_limit_of_which_nothing_remains_names_it(headers, seconds):
    assert classify_error(429, headers, "").retry_after_s == seconds


def test_a_used_up_limit_beside_another_failure_says_nothing():
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}

    assert classify_error(400, headers, "").retry_after_s is None


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "34s"}]}, 34.0),
        ({"details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "1.5s"}]}, 1.5),
        ({"details": [{"retryDelay": "soon"}]}, None),
        ({"metadata": {"retry_after": 7}}, 7.0),
        ({"retry_after_ms": 1500}, 1.5),
        ({"estimated_time": 20.0}, 20.0),
        ({"retry_after": -1}, None),
        ({"retry_after": None}, None),
    ],
)
def test_a_field_of_the_body_names_it(fields, seconds):
    assert classify_error(429, {}, {"error": {"message": "no", **fields}}).retry_after_s == seconds


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 20s. Visit https://example.com", 20.0),
        ("Please try again in 1m30s.", 90.0),
        ("Please try again in 500ms.", 0.5),
        ("Please try again in 7.66s.", 7.66),
        ("Please try again in 1h2m3.5s.", 3723.5),
        ("Please retry after 7 seconds.", 7.0),
        ("Please retry in 48.939935699s.", 48.939935699),
        ("Try again in 2 minutes and 5 seconds", 125.0),
        ("try again in 3 days", 259200.0),
        ("try again in 999999999 days", MAX_RETRY_AFTER_S),
        ("请在 20 秒后重试", 20.0),
        ("请2分钟后再试", 120.0),
        ("try again in a while", None),
        ("try again in 5 monkeys", None),
        ("limit 6000, requested 7000", None),
    ],
)
def test_the_words_of_a_message_name_it(message, seconds):
    error = classify_error(429, {}, {"error": {"message": message}})

    assert error.retry_after_s == pytest.approx(seconds)


def test_words_beside_another_failure_say_nothing():
    body = {"error": {"message": "Invalid key. Try again in 20s."}}

    assert classify_error(400, {}, body).retry_after_s is None


def test_a_header_goes_before_the_body_and_a_field_before_words():
    body = {"error": {"message": "try again in 3s", "retry_after": 2}}

    assert classify_error(429, {"retry-after": "1"}, body).retry_after_s == 1.0
    assert classify_error(429, {}, body).retry_after_s == 2.0


@pytest.mark.parametrize("text", ["", "s", "1", "1x", "1s?", "-1s", "1s" * 6, "1m" * 100, None, 5])
def test_what_is_no_length_of_time_is_none(text):
    assert duration(text) is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (0.0, 0.0),
        (7.5, 7.5),
        (1e9, MAX_RETRY_AFTER_S),
        (math.inf, MAX_RETRY_AFTER_S),
        (-1.0, None),
        (-math.inf, None),
        (math.nan, None),
        (None, None),
    ],
)
def test_an_errors_wait_is_one_that_somebody_could_mean(said, seconds):
    """A plugin may raise whatever it likes, and callers write it into headers."""
    crossed = ProviderError.of(ErrorInfo(kind=ErrorKind.RATE_LIMITED, retry_after_s=said))

    assert crossed.retry_after_s == seconds
    assert ProviderError("rate_limited", "slow", 429, said).retry_after_s == seconds
