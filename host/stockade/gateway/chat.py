"""Chat, whole and streamed, in any dialect: what is the same in all of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from stockade_sdk.capability import Attempt, CostBreakdown, RuntimeWarning, Usage
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.provider import capability_of
from stockade_sdk.stream import ChatEvent, Finish

from .call import Call, now
from .exchange import Exchange
from .failures import shown_attempts, shown_warnings, told_warnings
from .lists import written
from .serves import Serves
from .wires import Wire

MAX_MODEL_CHARS: Final = 200  # of a caller's own text, in the log
ATTEMPTS: Final = b"x-stockade-attempts"
WARNINGS: Final = b"x-stockade-warnings"
EXTENSION: Final = "x_stockade"  # of a stream's last event, as Groq's chunks have their x_groq


class Encoder(Protocol):
    """A dialect's encoder of streams."""

    def feed_all(self, events: Iterable[ChatEvent]) -> list[dict[str, Any]]: ...


class Asked(msgspec.Struct, frozen=True):
    """A request as it was understood. ``encoder`` makes the encoder of its stream, None where it is
    to be answered whole; it takes an id, a model and the time.
    """

    request: ChatRequest
    encoder: Callable[[str, str, int], Encoder] | None


class ChatWire(Wire):
    """One dialect of chat, for clients. ``prefix`` begins the ids that it gives to answers."""

    prefix = ""
    last = b""  # after a stream's last event

    def read(self, payload: Any, headers: dict[bytes, bytes]) -> Asked:
        """Raises ProviderError(invalid_request), Rejected."""
        raise NotImplementedError

    def write(self, response: ChatResponse, id: str | None, created: int) -> dict[str, Any]:
        raise NotImplementedError

    def frame(self, payload: dict[str, Any]) -> bytes:
        """One event of a stream."""
        raise NotImplementedError

    def failed(self, encoder: Encoder, error: ProviderError, status: int) -> bytes:
        """The end of a stream that failed: what makes the vendor's own client raise, and nothing
        that it takes for the end of a whole answer.
        """
        raise NotImplementedError


class Chat:
    """Answers chats of one dialect."""

    def __init__(self, wire: ChatWire, serves: Serves) -> None:
        self._wire, self._serves = wire, serves

    async def __call__(self, call: Call) -> None:
        timeout_s = call.timeout_s
        asked = self._wire.read(await call.json(), call.headers)
        request = asked.request
        call.exchange.capability = capability_of(request).value
        call.exchange.model = cut(request.model)
        if asked.encoder is not None:
            await self._stream(call, request, asked.encoder, timeout_s)
            return
        response = await self._serves.run(request, timeout=timeout_s)
        note(call, response.attempts, response.usage, response.cost)
        if response.warnings:
            call.common.append((WARNINGS, shown_warnings(response.warnings).encode()))
        payload = self._wire.write(response, None if response.id else self._id(), now())
        await call.answer(200, written(payload))

    async def _stream(
        self,
        call: Call,
        request: ChatRequest,
        encoder_of: Callable[[str, str, int], Encoder],
        timeout_s: float | None,
    ) -> None:
        answer = self._serves.stream(request, timeout=timeout_s)
        try:
            async with answer:
                target = answer.target
                encoder = encoder_of(self._id(), target.model if target else "", now())
                note(call, begun(answer.attempts), None, None)
                if answer.warnings:  # those of the request; the rest is known at the end
                    call.common.append((WARNINGS, shown_warnings(answer.warnings).encode()))
                call.on_failure = lambda error, status: self._wire.failed(encoder, error, status)
                await call.begin_stream()
                while batch := await answer.batch():
                    if await self._said(call, encoder, batch):
                        return
                text = "the stream ended without a finish, so the answer may be cut"
                raise ProviderError(ErrorKind.MALFORMED_RESPONSE, text)
        finally:
            call.exchange.attempts = shown_attempts(answer.attempts) or call.exchange.attempts

    async def _said(self, call: Call, encoder: Encoder, batch: list[ChatEvent]) -> bool:
        """Tell the client of events that came together, in one piece; whether that was the end."""
        wire, payloads = self._wire, encoder.feed_all(batch)
        last = batch[-1]
        if not isinstance(last, Finish):
            if payloads:
                await call.piece(b"".join([wire.frame(payload) for payload in payloads]))
            return False
        count(call.exchange, last.usage, last.cost)
        if last.warnings:
            payloads[-1] = with_warnings(payloads[-1], last.warnings)
        call.on_failure = None
        await call.end(b"".join([wire.frame(payload) for payload in payloads]) + wire.last)
        return True

    def _id(self) -> str:
        return self._wire.prefix + secrets.token_hex(12)


def with_warnings(payload: dict[str, Any], warnings: Iterable[RuntimeWarning]) -> dict[str, Any]:
    """A stream's last event with the warnings of the answer: its headers were sent long before.

    Clients leave alone what they do not know, or show it among what is beyond their types.
    """
    told = [{"code": one.code, "message": one.message} for one in told_warnings(warnings)]
    return {**payload, EXTENSION: {"warnings": told}}


def begun(attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """The attempts as they are told at a stream's start: its last one goes on, though the whole
    answer may have come at once.
    """
    return (*attempts[:-1], replace(attempts[-1], outcome="streaming")) if attempts else ()


def note(call: Call, attempts: Any, usage: Usage | None, cost: CostBreakdown | None) -> None:
    """Put the attempts on the answer, and what is known of it into the record."""
    shown = shown_attempts(attempts)
    if shown:
        call.common.append((ATTEMPTS, shown.encode()))
    call.exchange.attempts = shown
    if attempts:
        call.exchange.target = attempts[-1].target
    count(call.exchange, usage, cost)


def count(exchange: Exchange, usage: Usage | None, cost: CostBreakdown | None) -> None:
    if usage is not None:
        exchange.tokens_in, exchange.tokens_out = usage.input_tokens, usage.output_tokens
    if cost is not None and cost.currency == "USD":
        exchange.cost = cost.total_cost


def cut(model: str | None) -> str | None:
    """A caller's own text, for the log."""
    return model[:MAX_MODEL_CHARS] if model else None
