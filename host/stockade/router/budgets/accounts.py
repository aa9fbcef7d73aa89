"""What is counted of one plugin under its budget, by day, and the days themselves. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import astuple

from stockade.settings import Budget
from stockade.state.learnt import Spent

from .minute import Minute
from .reckoning import whole_nano

DAY_S: Final = 86_400
MAX_DAYS: Final = 8  # kept of a plugin: a clock that jumps about finds its days again
LAST_DAY: Final = 2_932_896  # 9999-12-31, in days since 1970
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Tally(msgspec.Struct):
    """Sums, as ``Spent`` has them."""

    requests: int = 0
    tokens: int = 0
    money_nano: int = 0
    bytes_out: int = 0
    unpriced: int = 0

    def add(self, other: Tally | Spent) -> None:
        """Add each sum of another."""
        self.requests += other.requests
        self.tokens += other.tokens
        self.money_nano += other.money_nano
        self.bytes_out += other.bytes_out
        self.unpriced += other.unpriced

    def spent(self) -> Spent:
        """The same as a value."""
        return Spent(**msgspec.structs.asdict(self))


NOTHING: Final = Tally()


class Day:
    """One plugin's day: ``all`` that is known of, and what of it is nowhere but here;
    ``is_unreadable`` where that is not all, for what was kept is damaged.
    """

    __slots__ = ("all", "fresh", "is_unreadable", "saving")

    def __init__(self) -> None:
        self.is_unreadable = False
        self.all = Tally()
        self.fresh = Tally()  # since the last `changes`
        self.saving = Tally()  # handed over by `changes`, not known to be kept yet

    def began(self) -> None:
        """One request more."""
        self.all.requests += 1
        self.fresh.requests += 1

    def ended(self, tokens: int, money_nano: int, is_unpriced: bool) -> None:
        """What one took."""
        for sums in (self.all, self.fresh):
            sums.tokens += tokens
            sums.money_nano += money_nano
            sums.unpriced += is_unpriced

    def sent(self, size: int) -> None:
        """So many bytes more."""
        self.all.bytes_out += size
        self.fresh.bytes_out += size

    @property
    def is_unsaved(self) -> bool:
        """Whether there is anything to hand over."""
        return self.saving != NOTHING or any(count > 0 for count in astuple(self.fresh))

    def hand_over(self) -> Spent:
        """All that is not known to be kept. Bytes that were given back after they were handed over
        wait for others to be set against: what is kept only grows.
        """
        back = Tally(bytes_out=min(0, self.fresh.bytes_out))
        self.fresh.bytes_out -= back.bytes_out
        self.saving.add(self.fresh)
        self.fresh = back
        return self.saving.spent()


class Account:
    """One plugin under its budget; ``section`` is the name that the budget stands under."""

    def __init__(self, plugin: str, section: str, budget: Budget) -> None:
        self.plugin, self.section, self.budget = plugin, section, budget
        money = budget.money_per_day
        self.money_nano = None if money is None else whole_nano(money)
        self.minute = Minute()
        self.days: dict[int, Day] = {}
        self.under_way = self.held_tokens = self.held_money = 0

    @property
    def bounds_days(self) -> bool:
        """Whether anything of a day is bounded."""
        budget = self.budget
        bounds = (budget.tokens_per_day, budget.money_per_day, budget.bytes_out_per_day)
        return any(bound is not None for bound in bounds)

    def day(self, number: int) -> Day:
        """The day of that number since 1970; the oldest one makes room."""
        day = self.days.get(number)
        if day is None:
            if len(self.days) >= MAX_DAYS:
                del self.days[min(self.days)]
            day = self.days[number] = Day()
        return day


def day_name(number: int) -> str:
    """A day since 1970 as ``2026-01-31``."""
    return (_EPOCH + timedelta(days=number)).date().isoformat()


def day_number(at: float) -> int:
    """The day of a time in seconds since 1970."""
    number = int(at // DAY_S)
    return number if 0 <= number <= LAST_DAY else min(max(number, 0), LAST_DAY)


def number_of(day: str) -> int:
    """The inverse of `day_name`. Raises ValueError."""
    return (datetime.fromisoformat(day).replace(tzinfo=UTC) - _EPOCH).days


def left_of_day(at: float) -> float:
    """Seconds until the next day begins."""
    return DAY_S - at % DAY_S
