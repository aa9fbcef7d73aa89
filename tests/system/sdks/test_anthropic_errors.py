"""`anthropic`: every failure as the SDK's exception; clients that leave, or wait no longer."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import anthropic as sdk
import pytest
from anthropic import Anthropic, AsyncAnthropic

from tests.system.sdks.leaving import PROMPT_S, aside, cancelled, left_after
from tests.system.sdks.vendors import Streams, Vendors, Waits, failing
from tests.system.upstreams import KEY, Says
from tests.system.vendor_wires import CLAUDE, TEXT, sse

MODEL = "anthropic/claude-sonnet-5"
ASK: Any = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
BEGUN = CLAUDE.blocks[:3]


def failure(client: Anthropic, **more: Any) -> sdk.APIStatusError:
    with pytest.raises(sdk.APIStatusError) as caught:
        client.messages.create(**{**ASK, **more})
    return caught.value


def kind_of(error: sdk.APIStatusError) -> str:
    body: Any = error.body
    assert body["type"] == "error"
    return str(body["error"]["type"])


def test_a_stranger_is_refused(claude: Anthropic, vendors: Vendors) -> None:
    error = failure(claude.with_options(api_key="stk_nobody"))

    assert type(error) is sdk.AuthenticationError
    assert kind_of(error) == "authentication_error"
    assert vendors.asked_of == []


def test_an_unknown_model_is_not_found_and_others_are_suggested(claude: Anthropic) -> None:
    error = failure(claude, model="claude-sonet-5")

    assert type(error) is sdk.NotFoundError
    assert kind_of(error) == "not_found_error"
    assert "claude-sonnet-5" in error.message


@pytest.mark.parametrize(
    ("said", "kind", "status", "word"),
    [
        (failing("529 Overloaded", "overloaded_error"), "OverloadedError", 529, "overloaded_error"),
        (failing("503 Service Unavailable", ""), "OverloadedError", 529, "overloaded_error"),
        (failing("500 Internal Server Error", "api_error"), "InternalServerError", 502,
         "api_error"),
        (failing("401 Unauthorized", "authentication_error"), "InternalServerError", 502,
         "api_error"),
        (Says(body=b"<html>"), "InternalServerError", 502, "api_error"),
        (failing("400 Bad Request", "invalid_request_error"), "BadRequestError", 400,
         "invalid_request_error"),
        (failing("404 Not Found", "not_found_error", message="model: claude-sonnet-5"),
         "NotFoundError", 404, "not_found_error"),
        (failing("429 Too Many Requests", "rate_limit_error"), "RateLimitError", 429,
         "rate_limit_error"),
    ],
    ids=["529", "503", "server", "key", "no JSON", "invalid", "model", "rate"],
)  # fmt: skip
def test_a_vendors_failure_has_its_exception(
    claude: Anthropic, vendors: Vendors, said: Says, kind: str, status: int, word: str
) -> None:
    vendors.say("anthropic", said)

    error = failure(claude)

    assert (type(error).__name__, error.status_code) == (kind, status)
    assert kind_of(error) == word
    outcomes = {one.strip() for one in error.response.headers["x-stockade-attempts"].split(",")}
    assert outcomes == {f"{MODEL};failed"}
    assert error.request_id == error.response.headers["request-id"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_when_to_come_again_is_told(claude: Anthropic, vendors: Vendors, streamed: bool) -> None:
    vendors.say("anthropic", failing("429 Too Many Requests", "rate_limit_error", "retry-after: 7"))

    error = failure(claude, stream=streamed)

    assert type(error) is sdk.RateLimitError
    assert error.response.headers["retry-after"] == "7"


def test_the_vendors_key_is_never_repeated(claude: Anthropic, vendors: Vendors) -> None:
    vendors.say(
        "anthropic", failing("401 Unauthorized", "authentication_error", message=f"bad key {KEY}")
    )

    assert KEY not in failure(claude).response.text


@pytest.mark.parametrize(
    "wrong",
    [{"messages": []}, {"messages": "hi"}, {"model": 5}, {"stream": "perhaps"}],
    ids=["nothing said", "messages", "model", "stream"],
)
def test_a_wrong_request_is_a_bad_one(claude: Anthropic, vendors: Vendors, wrong: Any) -> None:
    error = failure(claude, extra_body=wrong)

    assert type(error) is sdk.BadRequestError
    assert kind_of(error) == "invalid_request_error"
    assert next(iter(wrong)) in error.message
    assert vendors.asked_of == []


def test_tokens_that_nobody_counts_are_not_made_up(claude: Anthropic) -> None:
    with pytest.raises(sdk.NotFoundError) as caught:
        claude.messages.count_tokens(model=MODEL, messages=ASK["messages"])

    assert "tokens are not counted here" in caught.value.message


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_the_gateways_deadline_is_a_504(
    claude: Anthropic, vendors: Vendors, streamed: bool
) -> None:
    vendors.say("anthropic", Waits())

    error = failure(claude, stream=streamed, extra_headers={"x-stockade-timeout": "0.5"})

    assert error.status_code == 504
    assert kind_of(error) in ("timeout_error", "api_error")
    vendors.until_left()


def test_the_sdk_comes_again_by_itself(claude: Anthropic, vendors: Vendors) -> None:
    vendors.say("anthropic", *[failing("529 Overloaded", "overloaded_error")] * 3, CLAUDE.whole)

    answer = claude.with_options(max_retries=5).messages.create(**ASK)

    assert answer.content[0].text == TEXT
    assert len(vendors.asked_of) == 4


TOLD = sse({"type": "error", "error": {"type": "overloaded_error", "message": "no more"}}, "error")


@pytest.mark.parametrize(
    "said",
    [Streams(BEGUN, "breaks"), Streams(BEGUN), Streams((*BEGUN, TOLD))],
    ids=["broken", "cut", "told"],
)
def test_a_stream_that_fails_raises_after_what_came(
    claude: Anthropic, vendors: Vendors, said: Streams
) -> None:
    vendors.say("anthropic", said)
    heard: list[str] = []

    with claude.messages.stream(**ASK) as stream, pytest.raises(sdk.APIStatusError) as caught:
        heard.extend(stream.text_stream)  # keeps what came before the error

    assert "".join(heard) == TEXT[:3]
    assert kind_of(caught.value) in ("api_error", "overloaded_error")


async def test_a_stream_that_fails_raises_in_the_async_client(
    aclaude: AsyncAnthropic, vendors: Vendors
) -> None:
    vendors.say("anthropic", Streams(BEGUN, "breaks"))

    async with aclaude.messages.stream(**ASK) as stream:
        with pytest.raises(sdk.APIStatusError):
            await stream.get_final_message()


async def test_a_cancelled_message_leaves_the_vendor(
    aclaude: AsyncAnthropic, vendors: Vendors
) -> None:
    vendors.say("anthropic", Waits())

    assert await cancelled(vendors, aclaude.messages.create(**ASK)) <= PROMPT_S


async def test_a_cancelled_reader_of_a_stream_leaves_the_vendor(
    aclaude: AsyncAnthropic, vendors: Vendors
) -> None:
    vendors.say("anthropic", Streams(BEGUN, "waits"))
    reading = asyncio.Event()

    async def read() -> None:
        async with aclaude.messages.stream(**ASK) as stream:
            async for _ in stream.text_stream:
                reading.set()

    task = asyncio.ensure_future(read())
    await reading.wait()
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await left_after(vendors, began) <= PROMPT_S


def test_a_stream_that_is_left_leaves_the_vendor(claude: Anthropic, vendors: Vendors) -> None:
    vendors.say("anthropic", Streams(BEGUN, "waits"))

    with claude.messages.stream(**ASK) as stream:
        next(iter(stream.text_stream))
        began = time.monotonic()

    assert vendors.until_left() - began <= PROMPT_S


def test_a_client_that_waits_no_longer_leaves_the_vendor(
    claude: Anthropic, vendors: Vendors
) -> None:
    vendors.say("anthropic", Waits())

    with pytest.raises(sdk.APITimeoutError):
        claude.with_options(timeout=1.0).messages.create(**ASK)
    began = time.monotonic()

    assert vendors.until_left() - began <= PROMPT_S


async def test_who_stays_is_not_disturbed_by_who_leaves(
    aclaude: AsyncAnthropic, vendors: Vendors
) -> None:
    vendors.say("anthropic", Waits(), CLAUDE.whole)

    leaving = asyncio.ensure_future(aclaude.messages.create(**ASK))
    await aside(vendors.until_asked)
    leaving.cancel()
    answer = await aclaude.messages.create(**ASK)
    await asyncio.wait([leaving])

    assert answer.content[0].text == TEXT
    assert leaving.cancelled()
