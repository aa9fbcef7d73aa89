"""Budgets held on the way down to the workers, and what was used counted on the way up.

Stands outside `costing.PricedWorkers`, so that it sees what answers cost. A plugin over its budget
is refused before a worker is started or asked; the router then goes on to the next target.

What was not counted is reckoned (`router.budgets.reckoning`) and priced as if the vendor had
counted it. A call that failed counts as its request, unless the vendor refused it; so does a stream
that was left or broke off, with what had come through by then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

from stockade.models import PriceTable, settle
from stockade.router import CallsWorkers
from stockade.router.budgets import Hold, Ledger
from stockade.router.budgets.reckoning import (
    bytes_streamed,
    completed,
    nano_usd,
    tokens_of_bytes,
    tokens_received,
    tokens_sent,
    tokens_used,
)
from stockade_sdk.capability import CostBreakdown, PricingSource, Usage
from stockade_sdk.chat import ChatRequest
from stockade_sdk.embedding import EmbeddingRequest
from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase
from stockade_sdk.provider import Method, ProviderRequest, ProviderResponse
from stockade_sdk.rerank import RerankRequest
from stockade_sdk.stream import ChatEvent, Finish

__all__ = ["UNBILLED", "BudgetedWorkers"]

NO_PRICES = PriceTable()
UNBILLED = frozenset(  # the vendor, or we, turned the request down: nothing was worked on
    {
        ErrorKind.AUTH,
        ErrorKind.QUOTA,
        ErrorKind.RATE_LIMITED,
        ErrorKind.MODEL_UNAVAILABLE,
        ErrorKind.CONTEXT_LENGTH,
        ErrorKind.INVALID_REQUEST,
        ErrorKind.UNSUPPORTED,
        ErrorKind.OVERLOADED,
        ErrorKind.SERVER_ERROR,
        ErrorKind.PERMISSION_DENIED,
        ErrorKind.OVER_BUDGET,
    }
)


class BudgetedWorkers:
    """The workers, each held to its budget; see ``router.CallsWorkers``.

    ``table_of`` gives the prices of a plugin, for what a vendor did not count.
    """

    def __init__(
        self,
        workers: CallsWorkers,
        ledger: Ledger,
        table_of: Callable[[str], PriceTable | None] = lambda plugin: None,
    ) -> None:
        self._workers, self._ledger, self._table_of = workers, ledger, table_of

    async def call(
        self, plugin: str, method: Method, request: Any, *, timeout_s: float
    ) -> ProviderResponse:
        """One unary answer. Raises ProviderError(over_budget) where a bound is reached."""
        if self._ledger.account(plugin) is None:
            return await self._workers.call(plugin, method, request, timeout_s=timeout_s)
        asked = self._begin(plugin, request)
        try:
            response = await self._workers.call(plugin, method, request, timeout_s=timeout_s)
        except BaseException as error:
            asked.failed(error)
            raise
        asked.answered(
            response.usage, response.cost, response.model, lambda: tokens_received(response)
        )
        return response

    def stream(
        self, plugin: str, request: ChatRequest, *, timeout_s: float
    ) -> AbstractAsyncContextManager[AsyncIterator[list[ChatEvent]]]:
        """The events of one streamed answer; entering raises as `call` does."""
        if self._ledger.account(plugin) is None:
            return self._workers.stream(plugin, request, timeout_s=timeout_s)

        def begin() -> _Asked:
            return self._begin(plugin, request)

        return _BudgetedStream(
            begin, lambda: self._workers.stream(plugin, request, timeout_s=timeout_s)
        )

    def _begin(self, plugin: str, request: ProviderRequest) -> _Asked:
        refused = self._ledger.refusal(plugin)
        if refused is not None:
            raise refused
        hold = self._ledger.began(plugin, request)
        return _Asked(self._ledger, hold, request, self._table_of(plugin) or NO_PRICES)


class _Asked:
    """One request under way, until it is counted."""

    __slots__ = ("_hold", "_ledger", "_request", "_table", "is_over")

    def __init__(
        self, ledger: Ledger, hold: Hold, request: ProviderRequest, table: PriceTable
    ) -> None:
        self._ledger, self._hold, self._request, self._table = ledger, hold, request, table
        self.is_over = False

    def answered(
        self,
        usage: Usage | None,
        cost: CostBreakdown | None,
        model: str | None,
        received: Callable[[], int],
    ) -> None:
        """An answer is whole; ``received`` reckons its tokens where they are not counted."""
        self.is_over = True
        counted = completed(usage, lambda: tokens_sent(self._request), received)
        money: int | None = 0
        if self._ledger.bounds_money(self._hold.plugin):
            if counted is not usage:
                cost = self._cost(counted, cost, model)
            money = nano_usd(cost, counted)
        self._ledger.ended(self._hold, tokens_used(counted), money)

    def failed(self, error: BaseException | None, received: int = 0) -> None:
        """No answer, or only a part of one, of so many tokens."""
        if self.is_over:
            return
        self.is_over = True
        if not received and isinstance(error, ProviderError) and _is_unbilled(error):
            self._ledger.ended(self._hold)
            return
        counted = completed(None, lambda: tokens_sent(self._request), lambda: received)
        money: int | None = 0
        if self._ledger.bounds_money(self._hold.plugin):
            money = nano_usd(self._cost(counted, None, None), counted)
            if money is None and not received:
                money = 0  # no answer, so none of unknown cost
        self._ledger.ended(self._hold, tokens_used(counted), money)

    def _cost(
        self, usage: Usage, reported: CostBreakdown | None, model: str | None
    ) -> CostBreakdown | None:
        has_output = not isinstance(self._request, EmbeddingRequest | RerankRequest)
        asked = self._request.model or ""
        return settle(
            self._table, asked, model, usage, _of_the_provider(reported), has_output=has_output
        ).cost


class _BudgetedStream:
    """A stream as a block; a plain class, as in `costing`."""

    __slots__ = ("_asked", "_begin", "_block", "_bytes", "_open", "_source")

    def __init__(
        self,
        begin: Callable[[], _Asked],
        open_stream: Callable[[], AbstractAsyncContextManager[AsyncIterator[list[ChatEvent]]]],
    ) -> None:
        self._begin, self._open = begin, open_stream
        self._bytes = 0

    async def __aenter__(self) -> _BudgetedStream:
        self._asked = self._begin()
        try:
            self._block = self._open()
            self._source = await self._block.__aenter__()
        except BaseException as error:
            self._asked.failed(error)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._asked.failed(error, self._received())
        return await self._block.__aexit__(kind, error, traceback)

    def __aiter__(self) -> _BudgetedStream:
        return self

    async def __anext__(self) -> list[ChatEvent]:
        try:
            batch = await anext(self._source)
        except BaseException as error:
            self._asked.failed(error, self._received())
            raise
        self._bytes += bytes_streamed(batch)
        for event in batch:
            if type(event) is Finish and not self._asked.is_over:
                self._asked.answered(event.usage, event.cost, event.model, self._received)
        return batch

    def _received(self) -> int:
        return tokens_of_bytes(self._bytes)


def _of_the_provider(cost: CostBreakdown | None) -> CostBreakdown | None:
    mine = cost is None or cost.pricing_source is PricingSource.CONFIGURED
    return None if mine else cost


def _is_unbilled(error: ProviderError) -> bool:
    if error.kind is ErrorKind.TIMEOUT:
        return error.phase is TimeoutPhase.CONNECT
    return error.kind in UNBILLED
