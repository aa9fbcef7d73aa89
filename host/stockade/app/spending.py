"""What plugins used of their budgets, kept in `state.db` and shared between hosts of one home."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import anyio
import anyio.to_thread

from stockade.errors import HostError
from stockade.router.budgets import Ledger
from stockade.state.attempts import Logged
from stockade.state.learnt import Spent
from stockade_sdk.errors import ErrorKind

__all__ = ["KeepsSpending", "LogsAttempts", "Spending"]

INTERVAL_S = 1.0
MAX_ATTEMPTS = 2_000  # of one plugin, looked through for those of the last minute


class KeepsSpending(Protocol):
    """The store of what was used: ``state.learnt``, from any thread."""

    def spent(self, day: str) -> Mapping[str, Spent | None]:
        """The sums of a day, by plugin; None where they cannot be read."""
        ...

    def add_spent(self, day: str, spent: Mapping[str, Spent]) -> None:
        """Add to them, all of it or nothing. Raises HostError."""
        ...


class LogsAttempts(Protocol):
    """The log of attempts: ``state.attempts``."""

    def recent(self, plugin: str | None = None, limit: int = 100) -> tuple[Logged, ...]:
        """The last attempts of a plugin, the newest first."""
        ...


class Spending:
    """Keeps a ledger and the store alike: `read` at the start, `keep` beside the block, `close`.

    Once a second what was used here is added and what every process used is read, so two hosts of
    one home may go beyond a bound by what they use within a second or two.
    """

    def __init__(
        self, ledger: Ledger, store: KeepsSpending, *, interval_s: float = INTERVAL_S
    ) -> None:
        self._ledger, self._store, self._interval_s = ledger, store, interval_s

    def read(self, plugins: Iterable[str], attempts: LogsAttempts) -> None:
        """What all of them used today, and what ``plugins`` were asked in the last minute, as far
        as the log of attempts has it. Blocks. Raises HostError.
        """
        today = self._ledger.today
        self._ledger.restore(today, self._store.spent(today))
        for plugin in plugins:
            account = self._ledger.account(plugin)
            if account is None or account.budget.requests_per_minute is None:
                continue
            logged = attempts.recent(plugin, MAX_ATTEMPTS)
            asked = [one.at for one in logged if one.kind != ErrorKind.OVER_BUDGET]
            self._ledger.restore_minute(plugin, asked)

    async def keep(self) -> None:
        """Write and read, until cancelled."""
        while True:
            await anyio.sleep(self._interval_s)
            await self.exchange()

    async def exchange(self) -> None:
        """Write and read once."""
        changes, today = self._taken(), self._ledger.today
        written, spent = await anyio.to_thread.run_sync(self._write, changes, today)
        for day in written:
            self._ledger.saved(day)
        if spent is not None:
            self._ledger.restore(today, spent)

    def close(self) -> None:
        """Write the rest."""
        written, _ = self._write(self._taken(), None)
        for day in written:
            self._ledger.saved(day)

    def _taken(self) -> dict[str, dict[str, Spent]]:
        return {day: self._ledger.changes(day) for day in self._ledger.unsaved()}

    def _write(
        self, changes: Mapping[str, Mapping[str, Spent]], today: str | None
    ) -> tuple[list[str], Mapping[str, Spent | None] | None]:
        """The days that were written, and the sums of today where they could be read.

        What could not be written is no news to anybody: the ledger has it, and gives it again.
        """
        written: list[str] = []
        try:
            for day, spent in changes.items():
                self._store.add_spent(day, spent)
                written.append(day)
            return written, None if today is None else self._store.spent(today)
        except HostError:
            return written, None
