"""What a plugin over its budget is told: which bound, how far, until when, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stockade.settings import EVERY_PLUGIN
from stockade_sdk.errors import ErrorKind, ProviderError

from .accounts import Account

_WORDS: Final[Mapping[str, str]] = {
    "requests_per_minute": "requests a minute",
    "tokens_per_day": "tokens a day",
    "money_per_day": "a day",
    "bytes_out_per_day": "bytes out a day",
}
_MINUTES_FROM_S: Final = 120  # below that a wait is told in seconds
_HOURS_FROM_MIN: Final = 120


def over(account: Account, bound: str, used: str, wait_s: float) -> ProviderError:
    """It is at its bound, a field of ``Budget``; ``used`` says how far, ``wait_s`` until when."""
    limit = getattr(account.budget, bound)
    shown = f"{limit} USD" if bound == "money_per_day" else f"{limit:,}"
    return ProviderError(
        ErrorKind.OVER_BUDGET,
        f"plugin {account.plugin} is at its bound of {shown} {_WORDS[bound]}: {used}. "
        f"It is free again in {_duration(wait_s)}. To change the bound: {_line(account, bound)} "
        "in stockade.toml",
        retry_after_s=wait_s,
    )


def unpriced(account: Account, count: int, wait_s: float) -> ProviderError:
    """So many answers of the day may have cost anything."""
    answers = "1 answer" if count == 1 else f"{count:,} answers"
    return ProviderError(
        ErrorKind.OVER_BUDGET,
        f"plugin {account.plugin} may spend {account.budget.money_per_day} USD a day, and what "
        f"{answers} of today cost is not known, so it is not asked again in the next "
        f'{_duration(wait_s)}. Price its models under [prices."{account.plugin}/MODEL"] in '
        f"stockade.toml, or take {_line(account, 'money_per_day')} away",
        retry_after_s=wait_s,
    )


def unreadable(account: Account, wait_s: float) -> ProviderError:
    """What is kept of the day cannot be read, so it may have used anything."""
    section = '"*"' if account.section == EVERY_PLUGIN else account.section
    return ProviderError(
        ErrorKind.OVER_BUDGET,
        f"plugin {account.plugin} has a budget, and what it used today is not known: its row of "
        f"budget_counters in state.db is damaged, so it is not asked again in the next "
        f"{_duration(wait_s)}. To let it run without bounds, take [budgets.{section}] out of "
        "stockade.toml",
        retry_after_s=wait_s,
    )


def _line(account: Account, bound: str) -> str:
    section = '"*"' if account.section == EVERY_PLUGIN else account.section
    return f"[budgets.{section}] {bound}"


def _duration(seconds: float) -> str:
    if seconds < _MINUTES_FROM_S:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < _HOURS_FROM_MIN:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
