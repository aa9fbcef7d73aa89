"""What each plugin used of its budget, and whether it may use more: pure, the clocks handed in.

Bounds are per plugin: requests in a minute that slides; tokens, money and bytes out in a day of
UTC. Only plugins with a budget are counted. What the rules are:

- A request is refused where a bound is reached, before anything is started for it. What it takes
  itself is known at its end, so the last one may go beyond the bound.
- Requests under way count too, each as what it is reckoned to send, or as the day's average where
  that is more: many at once go beyond a bound by no more than what those under way really take.
- Bytes are counted before they leave, and those that would go beyond the bound never do.
- An answer whose cost nobody knows may have cost anything: where money is bounded, the plugin is
  refused for the rest of that day. So it is where what is kept of the day cannot be read.
- Days are those of the wall clock, each with its own count. Where it jumps, a day's count is there
  again when the clock comes back to that day. Minutes go by a clock that never goes back.

What another process uses is known once its changes were kept and read (`changes`, `restore`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from stockade.router.breaker import ALL_WELL, Standing
from stockade.settings import EVERY_PLUGIN, Budget
from stockade.state.learnt import Spent
from stockade_sdk.errors import ProviderError
from stockade_sdk.provider import ProviderRequest

from .accounts import MAX_DAYS, Account, Tally, day_name, day_number, left_of_day, number_of
from .minute import MINUTE_S
from .overruns import over, unpriced, unreadable
from .reckoning import MAX_COUNT, in_usd, tokens_sent

NO_BOUND: Final = Budget()
SOON_S: Final = 1.0  # until requests under way may have ended


class Hold(msgspec.Struct, frozen=True):
    """A request under way: what it is reckoned at until it has ended."""

    plugin: str
    tokens: int
    money_nano: int


class Ledger:
    """What plugins used of their budgets. One task's, or one thread's, at a time.

    ``wall`` gives seconds since 1970 and may jump, ``steady`` seconds that never go back.
    """

    def __init__(
        self, wall: Callable[[], float], budgets: Mapping[str, Budget], steady: Callable[[], float]
    ) -> None:
        self._wall, self._steady = wall, steady
        self._budgets = {name: one for name, one in budgets.items() if one != NO_BOUND}
        self._overruled = budgets.keys() - self._budgets.keys()  # named, and bound by nothing
        self._accounts: dict[str, Account | None] = {}
        self._changed: set[str] = set()  # since the last `standings`
        self._over: Mapping[str, Standing] = ALL_WELL
        self._read: dict[str, None] = {}  # days that were restored, the oldest first

    @property
    def bounds_anything(self) -> bool:
        """Whether there is any bound at all: without one nothing here has to be asked."""
        return bool(self._budgets)

    def account(self, plugin: str) -> Account | None:
        """A plugin's; None where nothing bounds it."""
        try:
            return self._accounts[plugin]
        except KeyError:
            own = plugin in self._budgets or plugin in self._overruled
            section = plugin if own else EVERY_PLUGIN
            budget = self._budgets.get(section)
            account = None if budget is None else Account(plugin, section, budget)
            self._accounts[plugin] = account
            return account

    def bounds_money(self, plugin: str) -> bool:
        """Whether a plugin's money is bounded, so that what its answers cost has to be known."""
        account = self.account(plugin)
        return account is not None and account.money_nano is not None

    # --- requests ---

    def refusal(self, plugin: str) -> ProviderError | None:
        """Why a plugin may not be asked now, as ProviderError(over_budget); None where it may."""
        account = self.account(plugin)
        if account is None:
            return None
        per_minute = account.budget.requests_per_minute
        if per_minute is not None:
            wait_s = account.minute.wait_s(self._steady(), per_minute)
            if wait_s > 0:
                told = f"{account.minute.count:,} began within the last minute"
                return over(account, "requests_per_minute", told, wait_s)
        return self._refusal_today(account)

    def _refusal_today(self, account: Account) -> ProviderError | None:
        budget, now = account.budget, self._wall()
        today = account.day(day_number(now))
        if today.is_unreadable and account.bounds_days:
            return unreadable(account, left_of_day(now))
        day = today.all
        for bound, used, held, limit, shown in (
            ("tokens_per_day", day.tokens, account.held_tokens, budget.tokens_per_day, _counted),
            ("money_per_day", day.money_nano, account.held_money, account.money_nano, in_usd),
            ("bytes_out_per_day", day.bytes_out, 0, budget.bytes_out_per_day, _counted),
        ):
            if limit is None:
                continue
            if used >= limit:
                return over(account, bound, f"{shown(used)} used today", left_of_day(now))
            if bound == "money_per_day" and day.unpriced:
                return unpriced(account, day.unpriced, left_of_day(now))
            if account.under_way and used + held >= limit:
                told = (
                    f"{shown(used)} used today, and {shown(held)} reckoned for requests under way"
                )
                return over(account, bound, told, SOON_S)
        return None

    def began(self, plugin: str, request: ProviderRequest) -> Hold:
        """A request of a plugin's goes out; hand what this gives to `ended`, whatever comes."""
        account = self._require(plugin)
        day = account.day(day_number(self._wall()))
        over_by_now = max(1, day.all.requests - account.under_way)
        tokens = money = 0
        if account.budget.tokens_per_day is not None:
            tokens = max(tokens_sent(request), day.all.tokens // over_by_now)
        if account.money_nano is not None:
            money = day.all.money_nano // over_by_now
        account.under_way += 1
        account.held_tokens += tokens
        account.held_money += money
        if account.budget.requests_per_minute is not None:
            account.minute.add(self._steady())
        day.began()
        self._changed.add(plugin)
        return Hold(plugin, tokens, money)

    def ended(self, hold: Hold, tokens: int = 0, money_nano: int | None = 0) -> None:
        """It is over, and took so much; money of None is an answer whose cost nobody knows."""
        account = self._require(hold.plugin)
        account.under_way -= 1
        account.held_tokens -= hold.tokens
        account.held_money -= hold.money_nano
        account.day(day_number(self._wall())).ended(
            min(max(tokens, 0), MAX_COUNT),
            min(max(money_nano or 0, 0), MAX_COUNT),
            money_nano is None,
        )
        self._changed.add(hold.plugin)

    def sent(self, plugin: str, size: int) -> ProviderError | None:
        """Count bytes that are about to leave; where they may not, why, and nothing is counted.

        0 asks whether anything may leave at all. A negative size gives back what never left.
        """
        account = self.account(plugin)
        limit = None if account is None else account.budget.bytes_out_per_day
        if account is None or limit is None:
            return None
        now = self._wall()
        day = account.day(day_number(now))
        if size >= 0 and day.is_unreadable:
            return unreadable(account, left_of_day(now))
        left = max(0, limit - day.all.bytes_out)
        if size >= 0 and max(size, 1) > left:
            told = f"{left:,} are left today" + (f", and {size:,} were to be sent" if size else "")
            return over(account, "bytes_out_per_day", told, left_of_day(now))
        day.sent(max(size, -day.all.bytes_out))  # it may have left yesterday
        self._changed.add(plugin)
        return None

    # --- what is kept ---

    def unsaved(self) -> tuple[str, ...]:
        """Days that have changes, as ``2026-01-31``, in order."""
        numbers = {
            number
            for account in self._known()
            for number, day in account.days.items()
            if day.is_unsaved
        }
        return tuple(map(day_name, sorted(numbers)))

    def changes(self, day: str) -> dict[str, Spent]:
        """What was used on a day and is not known to be kept, by plugin: increments.

        They are given again until `saved` says that they were kept.
        """
        found: dict[str, Spent] = {}
        for account in self._known():
            mine = account.days.get(number_of(day))
            if mine is not None and mine.is_unsaved:
                found[account.plugin] = mine.hand_over()
        return found

    def saved(self, day: str) -> None:
        """What `changes` gave last for a day was kept, all of it."""
        for account in self._known():
            mine = account.days.get(number_of(day))
            if mine is not None:
                mine.saving = Tally()

    def restore(self, day: str, spent: Mapping[str, Spent | None]) -> None:
        """What is kept of a day, by plugin: this process's own changes and every other's; None
        where it cannot be read.

        Requests that others made since the last reading count as begun now.
        """
        for plugin, kept in spent.items():
            account = self.account(plugin)
            if account is None:
                continue
            self._changed.add(plugin)
            mine = account.day(number_of(day))
            mine.is_unreadable = kept is None
            if kept is None:
                continue
            before = mine.all.requests
            mine.all = Tally()
            for part in (kept, mine.saving, mine.fresh):
                mine.all.add(part)
            if day in self._read and account.budget.requests_per_minute is not None:
                account.minute.add(self._steady(), mine.all.requests - before)
        self._read[day] = None
        if len(self._read) > MAX_DAYS:
            del self._read[next(iter(self._read))]

    def restore_minute(self, plugin: str, times: Iterable[float]) -> None:
        """Requests of a plugin's, in seconds since 1970; those of the last minute count again.

        One from the near future counts as now, for the clock may have been set back a little. One
        from further ahead was made before it was set back, and nobody knows when: were it counted,
        each start would count it anew, until the clock is there again.
        """
        account = self.account(plugin)
        if account is None:
            return
        self._changed.add(plugin)
        now, steady = self._wall(), self._steady()
        for at in sorted(times):
            ago = now - at
            if -MINUTE_S < ago < MINUTE_S:
                account.minute.add(steady - max(0.0, ago))

    # --- what is shown ---

    @property
    def today(self) -> str:
        """The day by the wall clock."""
        return day_name(day_number(self._wall()))

    def used(self, plugin: str) -> Spent:
        """What a plugin used today, as far as it is counted."""
        account = self.account(plugin)
        return Spent() if account is None else account.day(day_number(self._wall())).all.spent()

    def standings(self, plugins: Iterable[str] = ()) -> Mapping[str, Standing]:
        """Who would be refused now, of ``plugins`` and of all that were used before, with ``until``
        on the steady clock. Looks again only at those of which something changed, and gives the
        same object as long as nobody's standing does.
        """
        for plugin in plugins:
            if self._budgets and plugin not in self._accounts and self.account(plugin) is not None:
                self._changed.add(plugin)
        if not self._changed and not self._over:
            return ALL_WELL
        now = self._steady()
        self._changed.update(name for name, one in self._over.items() if one.until <= now)
        for plugin in self._changed:
            self._look(plugin, now)
        self._changed.clear()
        return self._over

    def _look(self, plugin: str, now: float) -> None:
        """See whether a plugin would be refused now; what was shown before is not changed."""
        refused = self.refusal(plugin)
        if refused is not None:
            until = now + (refused.retry_after_s or 0.0)
            standing = Standing("over_budget", until, refused.message)
            self._over = {**self._over, plugin: standing}
        elif plugin in self._over:
            self._over = {name: one for name, one in self._over.items() if name != plugin}

    def _require(self, plugin: str) -> Account:
        account = self.account(plugin)
        if account is None:
            raise ValueError(f"plugin {plugin!r} has no budget, so nothing of it is counted")
        return account

    def _known(self) -> Iterable[Account]:
        return [account for account in self._accounts.values() if account is not None]


def _counted(number: int) -> str:
    return f"{number:,}"
