"""Clocks that a test moves, and a ledger and workers that go by them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from stockade.app.budgeting import BudgetedWorkers
from stockade.app.costing import PricedWorkers, price_tables
from stockade.router.budgets import Ledger
from stockade.settings import Budget
from stockade.state.learnt import Spent
from stockade_sdk.capability import ModelInfo, Price
from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ErrorKind
from tests.unit.host.router_scripted import Clock, Scripted

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
TODAY, TOMORROW = "2026-03-10", "2026-03-11"
HOUR_S = 3_600.0
REQUEST = ChatRequest.of_text("x" * 400, model="large")  # 100 tokens at 4 bytes a token
MODELS = [("cloud", ModelInfo(id="large", price=Price(input="1", output="2")))]  # USD per million


class Clocks:
    """The wall's and the steady one; `pass_` moves both, `jump` the wall's alone."""

    def __init__(self) -> None:
        self.wall, self.steady = NOON, 500.0

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def jump(self, seconds: float) -> None:
        self.wall += seconds


def budget(**bounds: Any) -> Budget:
    if "money_per_day" in bounds:
        bounds["money_per_day"] = Decimal(bounds["money_per_day"])
    return Budget(**bounds)


def ledger(clocks: Clocks, plugin: str = "cloud", **bounds: Any) -> Ledger:
    return ledger_of(clocks, {plugin: budget(**bounds)})


def ledger_of(clocks: Clocks, budgets: dict[str, Budget]) -> Ledger:
    return Ledger(lambda: clocks.wall, budgets, lambda: clocks.steady)


def use(book: Ledger, plugin: str = "cloud", *, tokens: int = 0, money: int | None = 0) -> None:
    """One request from its beginning to its end."""
    book.ended(book.began(plugin, REQUEST), tokens, money)


def refused(book: Ledger, plugin: str = "cloud") -> str | None:
    """What a plugin is told that may not be asked; None where it may."""
    error = book.refusal(plugin)
    if error is None:
        return None
    assert error.kind is ErrorKind.OVER_BUDGET
    return error.message


def budgeted(workers: Scripted, book: Ledger) -> BudgetedWorkers:
    """Workers as the host has them: priced, and held to their budgets."""
    tables = price_tables(MODELS, {})
    return BudgetedWorkers(PricedWorkers(workers, tables.get), book, tables.get)


def scripted() -> Scripted:
    return Scripted(Clock())


class Store:
    """What is kept of all processes, as `state.learnt` has it; `fails` makes the next writes fail
    with that error.
    """

    def __init__(self) -> None:
        self.days: dict[str, dict[str, Spent]] = {}
        self.fails: Exception | None = None

    def spent(self, day: str) -> dict[str, Spent]:
        return dict(self.days.get(day, {}))

    def add_spent(self, day: str, spent: Mapping[str, Spent]) -> None:
        if self.fails is not None:
            raise self.fails
        kept = self.days.setdefault(day, {})
        for plugin, more in spent.items():
            before = kept.get(plugin, Spent())
            sums = [getattr(before, name) + getattr(more, name) for name in Spent.__struct_fields__]
            kept[plugin] = Spent(*sums)
