"""A vendor that fails before it said anything: the SDK sees the next one's answer, and is told."""

from __future__ import annotations

from typing import Any

import anthropic
import openai as openai_sdk
import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.system.sdks.vendors import Streams, Vendors, failing
from tests.system.vendor_wires import CHAT, TEXT

HELLO: Any = [{"role": "user", "content": "how are you?"}]
FAILS = failing("500 Internal Server Error", "server_error")
FIRST, SECOND = "deepseek/first", "moonshot/second"  # the route of chats


def test_the_second_vendors_answer_is_the_answer(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("deepseek", FAILS)

    raw = openai.chat.completions.with_raw_response.create(model="auto", messages=HELLO)

    assert raw.parse().choices[0].message.content == TEXT
    assert raw.headers["x-stockade-attempts"] == f"{FIRST};failed, {SECOND};ok"
    assert [one.plugin for one in vendors.asked_of] == ["deepseek", "moonshot"]


def test_a_stream_falls_back_until_it_has_begun(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("deepseek", Streams(CHAT.blocks[:1], "breaks"))  # a start, and not a word

    with openai.chat.completions.with_streaming_response.create(
        model="auto", messages=HELLO, stream=True
    ) as raw:
        attempts = raw.headers["x-stockade-attempts"]
        chunks = [chunk for chunk in raw.parse() if chunk.choices]

    assert attempts == f"{FIRST};failed, {SECOND};streaming"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT


def test_after_the_first_byte_there_is_no_other_vendor(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("deepseek", Streams(CHAT.blocks[:2], "breaks"))
    heard: list[str] = []

    with (
        openai.chat.completions.create(model="auto", messages=HELLO, stream=True) as stream,
        pytest.raises(openai_sdk.APIError),
    ):
        heard.extend(chunk.choices[0].delta.content or "" for chunk in stream)

    assert "".join(heard) == TEXT[:3]
    assert [one.plugin for one in vendors.asked_of] == ["deepseek"]


def test_where_all_fail_each_attempt_is_told(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("deepseek", FAILS)
    vendors.say(
        "moonshot", failing("429 Too Many Requests", "rate_limit_reached", "retry-after: 7")
    )

    with pytest.raises(openai_sdk.APIStatusError) as caught:
        openai.chat.completions.create(model="auto", messages=HELLO)

    told = caught.value.response.headers["x-stockade-attempts"].split(", ")
    assert told[:2] == [f"{FIRST};failed", f"{SECOND};failed"]


def test_anthropics_client_falls_back_as_well(claude: Anthropic, vendors: Vendors) -> None:
    vendors.say("deepseek", FAILS)

    raw = claude.messages.with_raw_response.create(model="auto", max_tokens=50, messages=HELLO)
    message: Any = raw.parse()

    assert message.content[0].text == TEXT
    assert raw.headers["x-stockade-attempts"] == f"{FIRST};failed, {SECOND};ok"


def test_anthropics_client_hears_of_a_stream_that_breaks(
    claude: Anthropic, vendors: Vendors
) -> None:
    vendors.say("deepseek", Streams(CHAT.blocks[:2], "breaks"))

    with (
        claude.messages.stream(model="auto", max_tokens=50, messages=HELLO) as stream,
        pytest.raises(anthropic.APIStatusError),
    ):
        stream.get_final_message()

    assert [one.plugin for one in vendors.asked_of] == ["deepseek"]


def test_what_the_client_said_wrong_is_asked_of_nobody_else(
    openai: OpenAI, vendors: Vendors
) -> None:
    vendors.say("deepseek", failing("400 Bad Request", "invalid_value"))

    with pytest.raises(openai_sdk.BadRequestError):
        openai.chat.completions.create(model="auto", messages=HELLO)

    assert [one.plugin for one in vendors.asked_of] == ["deepseek"]
