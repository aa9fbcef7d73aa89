"""Carries a plan out: one call after the other until an answer stands, each on record.

The path of an answered request opens no cancel scope, writes no log and copies nothing but the two
outer structs; the supervisor keeps the deadline that each attempt is handed.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import anyio
from msgspec.structs import replace

from stockade.handoff import Options
from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ProviderError
from stockade_sdk.provider import METHOD_OF, Method, ProviderRequest, ProviderResponse
from stockade_sdk.stream import ChatEvent

from .addressing import Addressed
from .breaker import Breaker
from .plan import ALL_READY, Plan
from .readiness import Health
from .rules import SHARED, Policy
from .streaming import Answer, Ended, untold
from .walk import Walk

AS_A_RULE = Options()


class CallsWorkers(Protocol):
    """What the router needs of the supervisor.

    A request that gets no answer raises ProviderError, and ``timeout_s`` is kept. Entering a stream
    leaves no cancel scope open behind it: the router bounds the entering with one of its own.
    """

    async def call(
        self, plugin: str, method: Method, request: object, *, timeout_s: float
    ) -> ProviderResponse:
        """One unary answer of ``plugin``."""
        ...

    def stream(
        self, plugin: str, request: ChatRequest, *, timeout_s: float
    ) -> AbstractAsyncContextManager[AsyncIterator[list[ChatEvent]]]:
        """The events of one streamed answer, in batches as they come."""
        ...


def all_ready() -> Health:
    """Nobody rests."""
    return ALL_READY


class Dispatcher:
    """Runs requests along their plans.

    ``clock`` gives seconds that never go back, ``random`` numbers from 0 to 1; ``breaker``, where
    given, is told of each outcome; ``health`` says who is not ready at the moment (default: whom
    the breaker holds); ``handoff`` says what becomes of another vendor's reasoning.
    ``first_byte_s`` is how long a stream with fallbacks left may show no sign of life, whoever it
    is that hangs: the egress keeps the same for vendors, and a plugin may hang without one.
    Cancellation passes through untouched: it is no failure and no reason for a fallback.
    """

    def __init__(
        self,
        supervisor: CallsWorkers,
        clock: Callable[[], float],
        random: Callable[[], float],
        *,
        breaker: Breaker | None = None,
        health: Callable[[], Health] | None = None,
        policy: Policy = SHARED,
        handoff: Options = AS_A_RULE,
        first_byte_s: float = math.inf,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._supervisor = supervisor
        self._clock = clock
        self._random = random
        self._breaker = breaker
        self._health = health or (breaker.standings if breaker is not None else all_ready)
        self._policy = policy
        self._handoff = handoff
        self._first_byte_s = first_byte_s
        self._sleep = sleep

    async def run(
        self, request: ProviderRequest, plan: Plan, *, timeout_s: float
    ) -> ProviderResponse:
        """The first answer along ``plan``, with its provider, model and attempts.

        ``timeout_s`` is the deadline of the whole request, in seconds. Raises AllAttemptsFailed
        with the attempts and the error to show, UsageError where ``timeout_s`` is not above 0.
        """
        walk = self._walk(plan, timeout_s)
        method = METHOD_OF[type(request)]
        addressed = Addressed(request, self._handoff)
        while True:
            target = walk.start()
            try:
                sent = addressed.to(target)
                response = await self._supervisor.call(
                    target.plugin, method, sent, timeout_s=walk.step.timeout_s
                )
            except ProviderError as error:
                walk.failed(error)
            except BaseException:
                walk.let_go()
                raise
            else:
                walk.answered()
                return replace(
                    response,
                    provider=target.plugin,
                    model=response.model or target.model,
                    attempts=tuple(walk.attempts),
                    warnings=response.warnings + addressed.warnings + plan.warnings,
                )
            if walk.step.delay_s:
                await self._sleep(walk.step.delay_s)

    def stream(
        self,
        request: ChatRequest,
        plan: Plan,
        *,
        timeout_s: float,
        ended: Ended = untold,
    ) -> Answer:
        """A streamed answer, as an async context manager; see :class:`Answer`."""
        return Answer(
            lambda: self._walk(plan, timeout_s),
            self._supervisor.stream,
            Addressed(request, self._handoff),
            plan,
            self._sleep,
            self._first_byte_s,
            ended,
        )

    def _walk(self, plan: Plan, timeout_s: float) -> Walk:
        return Walk(
            plan,
            timeout_s,
            clock=self._clock,
            random=self._random,
            breaker=self._breaker,
            health=self._health,
            policy=self._policy,
        )
