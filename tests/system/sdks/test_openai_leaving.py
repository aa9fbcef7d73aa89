"""`openai`: a client that leaves, or waits no longer; the vendor sees it at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import openai as sdk
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.system.sdks.leaving import PROMPT_S, aside, cancelled, left_after
from tests.system.sdks.vendors import Streams, Vendors, Waits
from tests.system.vendor_wires import CHAT, RESPONSES, TEXT

MODEL = "openai/gpt-4.1"
HELLO: Any = [{"role": "user", "content": "how are you?"}]
BEGUN = Streams(CHAT.blocks[:2], "waits")


async def test_a_cancelled_chat_leaves_the_vendor(aopenai: AsyncOpenAI, vendors: Vendors) -> None:
    vendors.say("openai", Waits())

    seen = await cancelled(vendors, aopenai.chat.completions.create(model=MODEL, messages=HELLO))

    assert seen <= PROMPT_S


async def test_a_cancelled_response_leaves_the_vendor(
    aopenai: AsyncOpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", Waits())

    assert await cancelled(vendors, aopenai.responses.create(model=MODEL, input="hi")) <= PROMPT_S


async def test_cancelled_embeddings_leave_the_vendor(
    aopenai: AsyncOpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", Waits())
    work = aopenai.embeddings.create(model="openai/text-embedding-3-small", input="hi")

    assert await cancelled(vendors, work) <= PROMPT_S


async def test_a_cancelled_reader_of_a_stream_leaves_the_vendor(
    aopenai: AsyncOpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", BEGUN)
    heard: list[str] = []
    reading = asyncio.Event()

    async def read() -> None:
        async with await aopenai.chat.completions.create(
            model=MODEL, messages=HELLO, stream=True
        ) as stream:
            async for chunk in stream:
                heard.append(chunk.choices[0].delta.content or "")
                if heard[-1]:
                    reading.set()

    task = asyncio.ensure_future(read())
    await reading.wait()
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await left_after(vendors, began) <= PROMPT_S
    assert "".join(heard) == TEXT[:3]


def test_a_stream_that_is_closed_leaves_the_vendor(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", BEGUN)
    stream = openai.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    next(iter(stream))

    began = time.monotonic()
    stream.close()

    assert vendors.until_left() - began <= PROMPT_S


def test_a_response_stream_that_is_closed_leaves_the_vendor(
    openai: OpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", Streams(RESPONSES.blocks[:4], "waits"))
    stream = openai.responses.create(model=MODEL, input="hi", stream=True)
    next(iter(stream))

    began = time.monotonic()
    stream.close()

    assert vendors.until_left() - began <= PROMPT_S


def test_a_client_that_waits_no_longer_leaves_the_vendor(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", Waits())

    with pytest.raises(sdk.APITimeoutError):
        openai.with_options(timeout=1.0).chat.completions.create(model=MODEL, messages=HELLO)
    began = time.monotonic()

    assert vendors.until_left() - began <= PROMPT_S


async def test_an_async_client_that_waits_no_longer_leaves_the_vendor(
    aopenai: AsyncOpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", Waits())

    with pytest.raises(sdk.APITimeoutError):
        await aopenai.with_options(timeout=1.0).chat.completions.create(model=MODEL, messages=HELLO)
    began = time.monotonic()

    assert await left_after(vendors, began) <= PROMPT_S


async def test_who_stays_is_not_disturbed_by_who_leaves(
    aopenai: AsyncOpenAI, vendors: Vendors
) -> None:
    vendors.say("openai", Waits(), CHAT.whole)

    leaving = asyncio.ensure_future(aopenai.chat.completions.create(model=MODEL, messages=HELLO))
    await aside(vendors.until_asked)
    leaving.cancel()
    answer = await aopenai.chat.completions.create(model=MODEL, messages=HELLO)
    await asyncio.wait([leaving])

    assert answer.choices[0].message.content == TEXT
    assert leaving.cancelled()
