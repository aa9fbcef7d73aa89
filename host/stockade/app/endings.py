"""What is told when a request is over: the log of attempts, and those who watch the host."""

from __future__ import annotations

import time
from typing import NamedTuple

import anyio

from stockade.errors import AllAttemptsFailed, HostError
from stockade.telemetry import NOBODY, Observed, Watches, request_id, trace_parent
from stockade_sdk.capability import Attempt, Capability, CostBreakdown, Usage
from stockade_sdk.provider import ProviderRequest, ProviderResponse
from stockade_sdk.stream import Finish

from .journal import Journal

__all__ = ["Began", "Endings"]


class Began(NamedTuple):
    """A request that was taken up: `wall` in seconds since 1970, `steady` on a clock that never
    goes back.
    """

    capability: Capability
    model: str | None
    streamed: bool
    wall: float
    steady: float


class Endings:
    """Tells ``journal`` and ``watches``; a host that nobody watches pays for the journal alone."""

    def __init__(self, journal: Journal, watches: Watches) -> None:
        self._journal, self._watches = journal, watches
        self._is_watched = watches is not NOBODY
        self._idle: anyio.Event | None = None  # while somebody waits for it
        self.in_flight = 0

    async def idle(self) -> None:
        """Wait until no request is being answered."""
        while self.in_flight:
            if self._idle is None:
                self._idle = anyio.Event()
            await self._idle.wait()

    def began(
        self, capability: Capability, request: ProviderRequest, *, streamed: bool = False
    ) -> Began:
        """A request is about to be answered; its end is to be told, whatever it is."""
        self.in_flight += 1
        if not self._is_watched:
            return Began(capability, None, streamed, 0.0, 0.0)
        return Began(capability, request.model, streamed, time.time(), time.monotonic())

    def answered(self, began: Began, response: ProviderResponse) -> None:
        """It got its whole answer."""
        self._over(began, response.attempts, response.usage, response.cost, None)

    def failed(self, began: Began, error: BaseException) -> None:
        """It got none: every attempt failed, or the caller left, or it was no request."""
        match error:
            case AllAttemptsFailed():
                self._over(began, error.attempts, None, None, error.error.kind.value)
            case HostError():
                self._over(began, (), None, None, "invalid_request")
            case _:
                self._over(began, (), None, None, "cancelled")

    def streamed(
        self,
        began: Began,
        attempts: tuple[Attempt, ...],
        finish: Finish | None,
        first_output_s: float | None,
    ) -> None:
        """Its stream is over, with a finish or without."""
        if finish is not None:
            self._over(began, attempts, finish.usage, finish.cost, None, first_output_s)
        else:
            last = attempts[-1].kind if attempts else None
            self._over(began, attempts, None, None, last or "cancelled", first_output_s)

    def _over(
        self,
        began: Began,
        attempts: tuple[Attempt, ...],
        usage: Usage | None,
        cost: CostBreakdown | None,
        kind: str | None,
        first_output_s: float | None = None,
    ) -> None:
        self.in_flight -= 1
        if self._idle is not None and not self.in_flight:
            self._idle.set()
            self._idle = None
        self._journal.attempts(began.capability, attempts, usage, cost)
        if not self._is_watched:
            return
        self._watches.request(
            Observed(
                request_id=request_id.get(),
                trace_parent=trace_parent.get(),
                capability=began.capability,
                model=began.model,
                streamed=began.streamed,
                attempts=attempts,
                usage=usage,
                cost=cost,
                kind=kind,
                started_at=began.wall,
                duration_s=time.monotonic() - began.steady,
                first_output_s=first_output_s,
            )
        )
