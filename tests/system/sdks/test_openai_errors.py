"""`openai`: every failure as the exception that the SDK has for it, and what the SDK does then."""

from __future__ import annotations

import json
from typing import Any

import openai as sdk
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.system.sdks.vendors import Streams, Vendors, Waits, failing
from tests.system.upstreams import KEY, Says
from tests.system.vendor_wires import CHAT, RESPONSES, TEXT, Call, calling

MODEL = "openai/gpt-4.1"
HELLO: Any = [{"role": "user", "content": "how are you?"}]


def failure(client: OpenAI, model: str = MODEL, **more: Any) -> sdk.APIStatusError:
    with pytest.raises(sdk.APIStatusError) as caught:
        client.chat.completions.create(model=model, messages=HELLO, **more)
    return caught.value


def test_a_stranger_is_refused(openai: OpenAI, vendors: Vendors) -> None:
    error = failure(openai.with_options(api_key="stk_nobody"))

    assert type(error) is sdk.AuthenticationError
    assert "token" in error.message
    assert vendors.asked_of == []


def test_an_unknown_model_is_not_found_and_others_are_suggested(openai: OpenAI) -> None:
    error = failure(openai, "gpt-4.1-mnii")

    assert type(error) is sdk.NotFoundError
    assert error.code == "model_not_found"
    assert "did you mean gpt-4.1-mini" in error.message


@pytest.mark.parametrize(
    ("said", "kind", "status"),
    [
        (failing("401 Unauthorized", "invalid_api_key"), sdk.InternalServerError, 502),
        (failing("500 Internal Server Error", "server_error"), sdk.InternalServerError, 502),
        (Says(body=b"<html>"), sdk.InternalServerError, 502),
        (failing("503 Service Unavailable", "overloaded"), sdk.InternalServerError, 503),
        (failing("400 Bad Request", "context_length_exceeded"), sdk.BadRequestError, 400),
        (failing("400 Bad Request", "content_policy_violation"), sdk.BadRequestError, 400),
        (failing("422 Unprocessable Entity", "invalid_value"), sdk.BadRequestError, 400),
        (failing("404 Not Found", "model_not_found"), sdk.NotFoundError, 404),
        (failing("429 Too Many Requests", "rate_limit_exceeded"), sdk.RateLimitError, 429),
        (failing("429 Too Many Requests", "insufficient_quota"), sdk.RateLimitError, 429),
    ],
    ids=[
        "key", "server", "no JSON", "overloaded", "context", "filter", "invalid", "model", "rate",
        "quota",
    ],
)  # fmt: skip
def test_a_vendors_failure_has_its_exception(
    openai: OpenAI, vendors: Vendors, said: Says, kind: type[sdk.APIStatusError], status: int
) -> None:
    vendors.say("openai", said)

    error = failure(openai)

    assert (type(error), error.status_code) == (kind, status)
    outcomes = {one.strip() for one in error.response.headers["x-stockade-attempts"].split(",")}
    assert outcomes == {f"{MODEL};failed"}
    assert error.request_id == error.response.headers["x-request-id"]
    assert isinstance(error.body, dict)
    assert error.body["message"]


def test_a_stream_that_never_began_fails_as_a_whole_answer_does(
    openai: OpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", failing("429 Too Many Requests", "rate_limit_exceeded", "retry-after: 7"))

    error = failure(openai, stream=True)

    assert type(error) is sdk.RateLimitError
    assert error.response.headers["retry-after"] == "7"


def test_when_to_come_again_is_told(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", failing("429 Too Many Requests", "rate_limit_exceeded", "retry-after: 7"))

    error = failure(openai)

    assert type(error) is sdk.RateLimitError
    assert error.response.headers["retry-after"] == "7"


def test_the_vendors_key_is_never_repeated(openai: OpenAI, vendors: Vendors) -> None:
    message = f"Incorrect API key provided: {KEY}"
    vendors.say("openai", failing("401 Unauthorized", "invalid_api_key", message=message))

    error = failure(openai)

    assert KEY not in error.message
    assert KEY not in error.response.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": "hello"},
        {"model": 5},
        {"n": 1000},
        {"stream": "perhaps"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {
            "url": "data:image/png;base64,%%%"}}]}]},
    ],
    ids=["nothing said", "messages", "model", "n", "stream", "base64"],
)  # fmt: skip
def test_a_wrong_request_is_a_bad_one(openai: OpenAI, vendors: Vendors, wrong: dict) -> None:
    error = failure(openai, extra_body=wrong)

    assert type(error) is sdk.BadRequestError
    assert isinstance(error.body, dict)
    assert error.body["type"] == "invalid_request_error"
    assert next(iter(wrong)) in error.message or "image" in error.message
    assert vendors.asked_of == []


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_the_gateways_deadline_is_a_504(openai: OpenAI, vendors: Vendors, streamed: bool) -> None:
    vendors.say("openai", Waits())

    error = failure(openai, stream=streamed, extra_headers={"x-stockade-timeout": "0.5"})

    assert (type(error), error.status_code) == (sdk.InternalServerError, 504)
    vendors.until_left()


def test_a_deadline_that_is_none_is_refused(openai: OpenAI) -> None:
    error = failure(openai, extra_headers={"x-stockade-timeout": "soon"})

    assert type(error) is sdk.BadRequestError
    assert "x-stockade-timeout" in error.message


def test_the_sdk_comes_again_by_itself(openai: OpenAI, vendors: Vendors) -> None:
    bad = failing("500 Internal Server Error", "server_error")
    vendors.say("openai", *[bad] * 3, CHAT.whole)

    raw = openai.with_options(max_retries=5).chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO
    )

    assert raw.parse().choices[0].message.content == TEXT
    assert raw.retries_taken >= 1
    assert len(vendors.asked_of) == 4


def test_the_sdk_comes_again_when_it_is_told_to(openai: OpenAI, vendors: Vendors) -> None:
    limited = failing("429 Too Many Requests", "rate_limit_exceeded", "retry-after: 1")
    vendors.say("openai", *[limited] * 2, CHAT.whole)

    raw = openai.with_options(max_retries=4).chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO
    )

    assert raw.parse().choices[0].message.content == TEXT
    assert len(vendors.asked_of) == 3


def test_a_bad_request_is_not_repeated(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", failing("400 Bad Request", "invalid_value"))

    failure(openai.with_options(max_retries=3))

    assert len(vendors.asked_of) == 1


async def hear(stream: Any, heard: list[str]) -> None:
    """Read all of it; what came before an error is kept."""
    async for chunk in stream:
        heard.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 (an error keeps it)


BROKEN = Streams(CHAT.blocks[:2], "breaks")
CUT = Streams(CHAT.blocks[:2])  # a good end of the connection, and none of the answer
TOLD = Streams(
    (*CHAT.blocks[:2], b'data: {"error": {"message": "no more", "code": "server_error"}}\n\n')
)


@pytest.mark.parametrize("said", [BROKEN, CUT, TOLD], ids=["broken", "cut", "told"])
def test_a_stream_that_fails_raises_after_what_came(
    openai: OpenAI, vendors: Vendors, said: Streams
) -> None:
    vendors.say("openai", said)
    heard: list[str] = []

    with (
        openai.chat.completions.create(model=MODEL, messages=HELLO, stream=True) as stream,
        pytest.raises(sdk.APIError) as caught,
    ):
        heard.extend(chunk.choices[0].delta.content or "" for chunk in stream)

    assert "".join(heard) == TEXT[:3]
    assert not isinstance(caught.value, sdk.APIStatusError)
    assert caught.value.code in ("network", "malformed_response", "server_error")


async def test_a_stream_that_fails_raises_in_the_async_client(
    aopenai: AsyncOpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", BROKEN)
    heard: list[str] = []

    async with await aopenai.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True
    ) as stream:
        with pytest.raises(sdk.APIError):
            await hear(stream, heard)

    assert "".join(heard) == TEXT[:3]


def test_a_call_that_was_cut_raises_and_is_none(openai: OpenAI, vendors: Vendors) -> None:
    blocks = calling(CHAT, Call("call_1", "weather", '{"place": "Ulm"}'))[1]
    vendors.say("openai", Streams(blocks[:1], "breaks"))

    with (
        openai.chat.completions.stream(model=MODEL, messages=HELLO) as stream,
        pytest.raises(sdk.APIError),
    ):
        stream.until_done()


@pytest.mark.parametrize("then", ["breaks", "ends"])
def test_a_response_that_fails_in_its_stream_is_no_completed_one(
    openai: OpenAI, vendors: Vendors, then: Any
) -> None:
    vendors.say("openai", Streams(RESPONSES.blocks[:4], then))
    kinds: list[str] = []

    with openai.responses.create(model=MODEL, input="hello", stream=True) as stream:
        try:
            kinds.extend(event.type for event in stream)
        except sdk.APIError:  # as the SDK reads an event `error`
            kinds.append("error")

    assert kinds[-1] in ("response.failed", "error")
    assert "response.completed" not in kinds


def test_an_error_is_json_of_openais_form(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", failing("400 Bad Request", "context_length_exceeded"))

    error = failure(openai)

    said = json.loads(error.response.text)
    assert set(said["error"]) >= {"message", "type", "code", "param"}
    assert said["error"]["code"] == "context_length_exceeded"
