"""One call inside the worker: typed, completed, and told in words that can be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from stockade_sdk import wire
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.context import Context
from stockade_sdk.errors import ErrorKind, PermissionDenied, ProviderError
from stockade_sdk.stream import ChatEvent, Finish, TextDelta, TextEnd, TextStart, fold
from stockade_worker.invoke import Invocations, PlainText, answered, decoded, failure

CTX: Context = None  # type: ignore[assignment]  # these providers do not look at it


class Echo:
    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        return ChatResponse.of_text(request.last_text)


class Streamer:
    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Any]:
        for word in request.last_text.split():
            yield word


class Sink:
    full = False

    def __init__(self) -> None:
        self.events: list[ChatEvent] = []

    def add(self, event: ChatEvent) -> None:
        self.events.append(event)

    async def room(self) -> None:
        raise AssertionError


def call(method: str, body: object) -> wire.Call:
    return wire.Call(1, method, 1000, msgspec.Raw(msgspec.msgpack.encode(body)))


def test_a_method_that_is_not_there_is_unsupported() -> None:
    with pytest.raises(ProviderError) as failed:
        Invocations(Echo()).bound("embed")

    assert failed.value.kind is ErrorKind.UNSUPPORTED


def test_a_private_name_is_no_method() -> None:
    with pytest.raises(ProviderError):
        Invocations(Echo()).bound("__init__")


def test_a_request_of_another_type_is_refused() -> None:
    bound = Invocations(Echo()).bound("chat")

    with pytest.raises(ProviderError) as failed:
        decoded(bound, call("chat", {"messages": 5}))

    assert failed.value.kind is ErrorKind.INVALID_REQUEST


async def test_a_plain_method_may_answer_without_being_a_coroutine() -> None:
    class Plain:
        def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
            return ChatResponse.of_text("at once")

    bound = Invocations(Plain()).bound("chat")

    assert (await answered(bound, "chat", ChatRequest.of_text("x"), CTX)).text == "at once"


@pytest.mark.parametrize("answer", [None, "text", {"output": {}}, ChatResponse])
async def test_an_answer_of_the_wrong_type_is_malformed(answer: object) -> None:
    class Wrong:
        async def chat(self, request: ChatRequest, ctx: Context) -> object:
            return answer

    bound = Invocations(Wrong()).bound("chat")

    with pytest.raises(ProviderError, match="not ChatResponse") as failed:
        await answered(bound, "chat", ChatRequest.of_text("x"), CTX)
    assert failed.value.kind is ErrorKind.MALFORMED_RESPONSE


async def test_a_provider_that_only_streams_answers_unary_calls_as_well() -> None:
    bound = Invocations(Streamer()).bound("chat")

    answer = await answered(bound, "chat", ChatRequest.of_text("a b"), CTX)

    assert answer.text == "ab"


async def test_a_provider_that_only_answers_can_be_streamed() -> None:
    sink = Sink()

    await Invocations(Echo()).stream(call("stream_chat", ChatRequest.of_text("whole")), CTX, sink)

    assert fold(sink.events).text == "whole"


def test_strings_become_one_block_with_its_end_and_a_finish() -> None:
    events: list[ChatEvent] = []
    plain = PlainText(events.append)

    plain.take("a")
    plain.take("b")
    plain.end()

    assert events == [
        TextStart("text"),
        TextDelta("text", "a"),
        TextDelta("text", "b"),
        TextEnd("text"),
        Finish(),
    ]


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Liar(ProviderError):
    def info(self) -> Any:
        raise SystemExit


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (ValueError("no luck"), ErrorKind.UNKNOWN, "chat raised ValueError: no luck"),
        (SystemExit(3), ErrorKind.UNKNOWN, "chat raised SystemExit: 3"),
        (Speechless(), ErrorKind.UNKNOWN, "chat raised Speechless: (it cannot say what)"),
        (ValueError("\ud800"), ErrorKind.UNKNOWN, "chat raised ValueError: ?"),
        (ValueError("x" * 10**7), ErrorKind.UNKNOWN, "chat raised ValueError: xx"),
        (MemoryError(), ErrorKind.OUT_OF_MEMORY, "limits.memory"),
        (PermissionDenied("no grant"), ErrorKind.PERMISSION_DENIED, "no grant"),
        (ProviderError("auth", "odd", status=object()), ErrorKind.AUTH, "odd"),  # type: ignore[arg-type]
        (ProviderError("auth", "odd \ud800"), ErrorKind.AUTH, "odd ?"),
        (ProviderError("auth", "odd", code="x" * 10**7), ErrorKind.AUTH, "odd"),
        (Liar("quota", "odd"), ErrorKind.QUOTA, "odd"),
    ],
)
def test_a_failure_can_be_sent_whatever_was_raised(
    error: BaseException, kind: ErrorKind, says: str
) -> None:
    info = failure(error, "chat")

    sent = wire.decode_to_host(wire.encode(wire.Failed(1, info)))
    assert isinstance(sent, wire.Failed)
    assert sent.error.kind is kind
    assert says in sent.error.message
    assert len(wire.encode(sent)) < 64 * 1024


def test_a_sound_error_keeps_all_its_fields() -> None:
    error = ProviderError("rate_limited", "slow down", 429, 2.5, code="rpm")

    assert failure(error, "chat") == error.info()
