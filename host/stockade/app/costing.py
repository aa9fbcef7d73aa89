"""Costs put on answers on their way up from the workers, so that every attempt's is priced alike.

What a plugin writes as a cost is what its vendor reports; the rest is `stockade.models.pricing`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

from msgspec.structs import replace

from stockade.models import PriceRule, PriceTable, settle
from stockade.router import CallsWorkers
from stockade_sdk.capability import ModelInfo, Price
from stockade_sdk.chat import ChatRequest
from stockade_sdk.embedding import EmbeddingResponse
from stockade_sdk.provider import Method, ProviderResponse
from stockade_sdk.rerank import RerankResponse
from stockade_sdk.stream import ChatEvent, Finish

__all__ = ["PricedWorkers", "price_tables"]

NO_PRICES = PriceTable()


def price_tables(
    models: Iterable[tuple[str, ModelInfo]], operators: Mapping[str, Price]
) -> dict[str, PriceTable]:
    """The price table of each plugin that has prices: its models', and before them the operator's,
    which are named ``plugin/model`` with a `*` at the end of the model where it stands for more.
    """
    listed: dict[str, dict[str, Price]] = {}
    for plugin, model in models:
        if model.price is not None:
            listed.setdefault(plugin, {}).setdefault(model.id, model.price)
    rules: dict[str, list[PriceRule]] = {}
    for target, price in operators.items():
        plugin, _, pattern = target.partition("/")
        rules.setdefault(plugin, []).append(PriceRule(pattern, price))
    return {
        plugin: PriceTable(rules.get(plugin, ()), listed.get(plugin))
        for plugin in {**listed, **rules}
    }


class PricedWorkers:
    """The workers, with a cost on each answer where it is known; see ``router.CallsWorkers``.

    ``table_of`` gives the prices of a plugin as they are at the moment.
    """

    def __init__(self, workers: CallsWorkers, table_of: Callable[[str], PriceTable | None]) -> None:
        self._workers = workers
        self._table_of = table_of

    async def call(
        self, plugin: str, method: Method, request: Any, *, timeout_s: float
    ) -> ProviderResponse:
        """One unary answer of ``plugin``, with its cost."""
        response = await self._workers.call(plugin, method, request, timeout_s=timeout_s)
        table = self._table_of(plugin)
        if table is None and response.usage is None and response.cost is None:
            return response
        settled = settle(
            table or NO_PRICES,
            request.model or "",
            response.model,
            response.usage,
            response.cost,
            has_output=not isinstance(response, EmbeddingResponse | RerankResponse),
        )
        if settled.cost is response.cost and not settled.warnings:
            return response  # neither counted nor priced: nothing to say, nothing to copy
        return replace(
            response, cost=settled.cost, warnings=(*response.warnings, *settled.warnings)
        )

    def stream(
        self, plugin: str, request: ChatRequest, *, timeout_s: float
    ) -> AbstractAsyncContextManager[AsyncIterator[list[ChatEvent]]]:
        """The events of one streamed answer, the last of them with its cost."""
        table = self._table_of(plugin) or NO_PRICES
        events = self._workers.stream(plugin, request, timeout_s=timeout_s)
        return _PricedStream(events, table, request.model or "")


class _PricedStream:
    """A stream as a block; plain classes, since a generator more would cost each piece its time."""

    __slots__ = ("_asked", "_block", "_source", "_table")

    def __init__(
        self,
        block: AbstractAsyncContextManager[AsyncIterator[list[ChatEvent]]],
        table: PriceTable,
        asked: str,
    ) -> None:
        self._block = block
        self._table = table
        self._asked = asked

    async def __aenter__(self) -> _PricedStream:
        self._source = await self._block.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._block.__aexit__(kind, error, traceback)

    def __aiter__(self) -> _PricedStream:
        return self

    async def __anext__(self) -> list[ChatEvent]:
        batch = await anext(self._source)
        for at, event in enumerate(batch):
            if type(event) is Finish:  # what comes after it is nobody's
                return [*batch[:at], self._priced(event)]
        return batch

    def _priced(self, finish: Finish) -> Finish:
        settled = settle(self._table, self._asked, finish.model, finish.usage, finish.cost)
        if settled.cost is finish.cost and not settled.warnings:
            return finish
        return replace(finish, cost=settled.cost, warnings=(*finish.warnings, *settled.warnings))
