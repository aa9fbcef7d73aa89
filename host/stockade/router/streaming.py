"""A streamed answer with fallback up to its first output."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Protocol, Self

import anyio
from msgspec.structs import replace

from stockade_sdk.capability import Attempt, RuntimeWarning
from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase
from stockade_sdk.stream import (
    ChatEvent,
    Finish,
    Order,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

from .addressing import Addressed
from .catalogue import Target
from .plan import Plan
from .walk import Walk

MAX_HELD_EVENTS = 64  # beyond this a start is no start any more, and memory is not held for it
MAX_HELD_CHARS = 64 * 1024

# Told of every attempt, and of the finish where the stream came to it: it has usage and cost.
Ended = Callable[[tuple[Attempt, ...], Finish | None], None]


def untold(attempts: tuple[Attempt, ...], finish: Finish | None) -> None:
    """Nobody wants to know."""


class OpensStreams(Protocol):
    """The supervisor's ``stream``; see ``dispatch.CallsWorkers``."""

    def __call__(
        self, plugin: str, request: ChatRequest, *, timeout_s: float
    ) -> AbstractAsyncContextManager[AsyncIterator[list[ChatEvent]]]: ...


class Answer:
    """Events of one answer: ``async with`` it, then iterate.

    Entering waits for the first output, so every target may be tried before it returns; it raises
    AllAttemptsFailed where none gave any. After that a failure is raised as its ProviderError and
    no other target is tried. ``attempts`` is up to date at any time; ``target`` is the one that
    answers; ``first_output_s`` is how long that took to say something. ``ended`` is told once, when
    the block is left or could not be entered. With other targets left, ``first_byte_s`` bounds the
    wait for the first event of any kind.
    """

    def __init__(
        self,
        walk: Callable[[], Walk],
        open_stream: OpensStreams,
        request: Addressed[ChatRequest],
        plan: Plan,
        sleep: Callable[[float], Awaitable[None]],
        first_byte_s: float = math.inf,
        ended: Ended = untold,
    ) -> None:
        self._begin = walk
        self._open_stream = open_stream
        self._request = request
        self._plan = plan
        self._sleep = sleep
        self._first_byte_s = first_byte_s
        self._ended = ended
        self._finish: Finish | None = None
        self._walk: Walk | None = None
        self._stack = AsyncExitStack()
        self._source: AsyncIterator[list[ChatEvent]] | None = None
        self._ready: list[ChatEvent] = []  # reversed: the next event is the last
        self._order = Order()
        self._over = False
        self.first_output_s: float | None = None

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every attempt so far, in order; the last one is ``streaming`` until it is over."""
        return tuple(self._walk.attempts) if self._walk is not None else ()

    @property
    def warnings(self) -> tuple[RuntimeWarning, ...]:
        """What is to be told of the request and its plan; those of the answer are in its Finish."""
        return self._request.warnings + self._plan.warnings

    @property
    def target(self) -> Target | None:
        """The target being asked."""
        return self._walk.step.target if self._walk is not None else None

    async def __aenter__(self) -> Self:
        try:
            return await self._enter()
        except BaseException:
            self._ended(self.attempts, None)
            raise

    async def _enter(self) -> Self:
        walk = self._walk = self._begin()
        while True:
            try:
                held = await self._start(walk)
            except ProviderError as error:
                await self._stack.aclose()
                walk.failed(error)
            except BaseException:
                walk.let_go()
                await self._stack.aclose()
                raise
            else:
                self.first_output_s = walk.elapsed_s
                walk.streaming()
                self._hand_over(held, walk)
                return self
            if walk.step.delay_s:
                await self._sleep(walk.step.delay_s)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._over and self._walk is not None:
            self._over = True
            self._walk.abandoned()
        try:
            await self._stack.aclose()
        finally:
            self._ended(self.attempts, self._finish)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatEvent:
        if not self._ready:
            batch = await self.batch()
            if not batch:
                raise StopAsyncIteration
            batch.reverse()
            self._ready = batch
        return self._ready.pop()

    async def batch(self) -> list[ChatEvent]:
        """The next events, as many as came together; empty at the end."""
        if self._ready:
            batch, self._ready = self._ready[::-1], []
            return batch
        walk, source = self._walk, self._source
        if self._over or walk is None or source is None:
            return []
        try:
            while not (batch := await anext(source)):
                pass
            in_order(self._order, batch)
        except StopAsyncIteration:
            raise self._break(walk, unfinished()) from None
        except ProviderError as error:
            self._break(walk, error)
            raise
        return self._checked(batch, walk)

    async def _start(self, walk: Walk) -> list[ChatEvent]:
        """Ask the step's target; the events up to and with its first output."""
        target, step = walk.start(), walk.step
        request = self._request.to(target)
        remaining = walk.remaining_s
        # The last target has all the time there is, and the supervisor keeps that. One before it
        # has its share to begin in; once it has begun, nothing is kept for the others any more.
        silent_s = min(step.timeout_s, self._first_byte_s) if step.rest else step.timeout_s
        if silent_s >= remaining:
            return await self._first(target.plugin, request, remaining, lambda: None)
        allowed_s = silent_s
        with anyio.move_on_after(allowed_s) as scope:

            def begun() -> None:
                nonlocal allowed_s
                allowed_s = step.timeout_s
                scope.deadline += allowed_s - silent_s

            return await self._first(target.plugin, request, remaining, begun)
        raise ProviderError(
            ErrorKind.TIMEOUT,
            f"no output within {allowed_s:.3g} s, all that it had of the request's deadline"
            if allowed_s == step.timeout_s
            else f"no sign of an answer within {allowed_s:.3g} s",
            phase=TimeoutPhase.FIRST_BYTE,
        )

    async def _first(
        self, plugin: str, request: ChatRequest, remaining: float, begun: Callable[[], None]
    ) -> list[ChatEvent]:
        self._source = await self._stack.enter_async_context(
            self._open_stream(plugin, request, timeout_s=remaining)
        )
        self._order = Order()
        return in_order(self._order, await first_output(self._source, begun))

    def _hand_over(self, held: list[ChatEvent], walk: Walk) -> None:
        self._ready = self._checked(held, walk)
        self._ready.reverse()

    def _checked(self, batch: list[ChatEvent], walk: Walk) -> list[ChatEvent]:
        """``batch`` up to its ``Finish``, with what the host knows in it; that ends the answer."""
        for at, event in enumerate(batch):
            if type(event) is Finish:
                self._over = True
                walk.answered()
                self._finish = replace(
                    event,
                    model=event.model or walk.step.target.model,
                    warnings=event.warnings + self.warnings,
                )
                return [*batch[:at], self._finish]
        return batch

    def _break(self, walk: Walk, error: ProviderError) -> ProviderError:
        self._over = True
        walk.broken(error)
        return error


async def first_output(
    source: AsyncIterator[list[ChatEvent]], begun: Callable[[], None]
) -> list[ChatEvent]:
    """The events of ``source`` up to and with the batch that holds the first output, or the finish.

    ``begun`` is called at the first event. Raises ProviderError(malformed_response) where the
    stream ends before output and finish.
    """
    held: list[ChatEvent] = []
    chars = 0
    async for batch in source:
        if batch and not held:
            begun()
        held += batch
        for event in batch:
            if is_output(event):
                return held
            chars += started_chars(event)
        if len(held) > MAX_HELD_EVENTS or chars > MAX_HELD_CHARS:
            return held
    raise unfinished()


def in_order(order: Order, batch: list[ChatEvent]) -> list[ChatEvent]:
    """``batch``; raises ProviderError(malformed_response) where its events cannot follow."""
    for event in batch:
        if type(event) is Finish:  # what comes after it is dropped
            break
        try:
            order.check(event)
        except ValueError as error:
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE, f"the stream is out of order: {error}"
            ) from error
    return batch


def is_output(event: ChatEvent) -> bool:
    """Whether ``event`` shows part of the answer; a start or an empty piece does not."""
    match event:
        case TextDelta(text=text) | ThinkingDelta(text=text) | ToolCallDelta(arguments=text):
            return text != ""
        case Finish():
            return True
        case ThinkingEnd(signature=signature, provider_metadata=metadata):
            return signature is not None or metadata is not None
        case TextEnd(provider_metadata=metadata) | ToolCallEnd(provider_metadata=metadata):
            return metadata is not None
        case TextStart() | ThinkingStart() | ToolCallStart():
            return False


def started_chars(event: ChatEvent) -> int:
    """How much text an event without output makes us hold."""
    match event:
        case ToolCallStart(id=id, name=name):
            return len(id) + len(name)
        case Finish():
            return 0
        case _:
            return len(event.id)


def unfinished() -> ProviderError:
    """A stream's end without its last event cannot be told from a cut connection."""
    return ProviderError(
        ErrorKind.MALFORMED_RESPONSE, "the stream ended without a finish, so the answer may be cut"
    )
