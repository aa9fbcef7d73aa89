"""The host itself, how providers are, and what happened."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from msgspec.structs import replace

import stockade
from stockade.admin import values as v
from stockade.app.health import Health
from stockade.errors import UsageError

from . import doctoring
from .desk_versions import VersionDesk
from .jobs import Doing
from .known import Known, provider_of
from .modelling import MAX_WARNINGS
from .reading import Tail, any_line, as_row, is_denial, last_lines
from .wellness import STATES, Standings, health_rows

__all__ = ["HealthDesk"]

POLL_S: Final = 0.2  # between looks at a log that is followed
MAX_LINES: Final = 10_000  # of a log; there are about as many
MAX_ATTEMPTS: Final = 1_000
MAX_BUCKETS: Final = 500
MAX_SPAN_S: Final = 366 * 86_400.0
HOST_LOG: Final = "_host"  # no plugin's name


class HealthDesk(VersionDesk):
    """See `admin.Operator`, "the host" and "health, and what happened"."""

    # the host

    async def status(self) -> v.Status:
        """As it is now."""
        host, found = self._host(), self._found()
        records = found.knowledge.records
        workers = [one for record in records for one in host.status(record.name).workers]
        notices = await self._look(lambda known: known.state.notices())
        tried = host.tier
        return v.Status(
            version=stockade.__version__,
            home=str(found.home.root),
            pid=os.getpid(),
            started_at=self._started_at,
            uptime_s=round(self._steady() - self._began, 3),
            url=self._url,
            tier=tried if tried is not None else next((one.tier for one in workers), None),
            draining=self._draining(),
            in_flight=self._in_flight(),
            plugins=len(records),
            workers=len(workers),
            warnings=[*notices, *found.knowledge.warnings][:MAX_WARNINGS],
        )

    async def doctor(self) -> v.Job:
        """Tries every tier anew."""
        host = self._host()

        async def work(doing: Doing) -> v.Doctor:
            doing.step("tries what a start of a worker does, tier by tier", 0)
            examined = await host.examine()
            doing.step(f"workers reach tier {examined.tier}", 1)
            return await self._look(
                lambda found: doctoring.doctor_of(
                    examined,
                    doctoring.of_kernel(),
                    doctoring.of_host(found.home),
                    list(found.state.problems()),
                )
            )

        return self._jobs.start("doctor", work, total=2)

    async def refresh(self) -> None:
        """Raises StateError."""
        await self._renew()

    async def reload(self) -> None:
        """Raises SettingsError."""
        await self._reload()

    async def jobs(self) -> Sequence[v.Job]:
        """The newest first."""
        return self._jobs.all()

    async def job(self, id: str) -> v.Job:
        """Raises Missing."""
        return self._jobs.get(id)

    # health

    async def health(self) -> Sequence[v.HealthRow]:
        """As far as known without asking."""
        return await self._look(health_rows, dict(self._host().standings()))

    async def check_health(self, plugins: Sequence[str] = ()) -> v.Job:
        """Raises NotInstalled."""
        named = await self._look(_named, plugins)
        host = self._host()

        async def work(doing: Doing) -> list[v.HealthRow]:
            def tell(health: Health, done: int, of: int) -> None:
                doing.step(f"{health.provider}: {STATES[health.ok]}", done, of)

            told = await host.check_health(named or None, on_progress=tell)
            return await self._look(_checked, dict(host.standings()), told)

        return self._jobs.start("health", work, total=len(named) or len(host.knowledge.records))

    async def workers(self) -> Sequence[v.WorkerRow]:
        """Of all plugins, in the order of their installation."""
        host = self._host()
        rows = [
            row
            for record in host.knowledge.records
            for row in self._workers_of(record.name, host.status(record.name))
        ]
        self._processors.keep_only({row.pid for row in rows if row.pid is not None})
        return rows

    # what happened

    async def attempts(
        self, *, plugin: str | None = None, limit: int = 100
    ) -> Sequence[v.AttemptRow]:
        """Raises UsageError for a limit that is none."""
        _check_within("limit", limit, 1, MAX_ATTEMPTS)
        logged = await self._look(lambda found: found.state.attempts.recent(plugin, limit))
        return [
            v.AttemptRow(
                request_id=one.request_id,
                capability=one.capability,
                target=one.target,
                index=one.index,
                outcome=one.outcome,
                kind=one.kind,
                ms=one.ms,
                at=one.at,
                tokens=one.tokens,
                cost=one.cost,
            )
            for one in logged
        ]

    async def attempt_chart(
        self, *, plugin: str | None = None, span_s: float = 3_600.0, buckets: int = 30
    ) -> Sequence[v.Bucket]:
        """Raises UsageError for a span or a number of buckets that is none."""
        _check_within("span_s", span_s, 1, MAX_SPAN_S)
        _check_within("buckets", buckets, 1, MAX_BUCKETS)
        each_s, since = span_s / buckets, self._clock() - span_s
        found = await self._look(
            lambda known: known.state.attempts.buckets(since, each_s, buckets, plugin)
        )
        return [
            v.Bucket(
                at=since + nth * each_s,
                span_s=each_s,
                answered=one.ok,
                failed=one.failed,
                mean_ms=one.ms,
            )
            for nth, one in enumerate(found)
        ]

    async def logs(
        self, plugin: str, *, lines: int = 100, denied: bool = False
    ) -> Sequence[v.LogLine]:
        """Raises NotInstalled, UsageError."""
        _check_within("lines", lines, 0, MAX_LINES)
        wanted = is_denial if denied else any_line
        path = await self._look(_log_of, plugin)
        return [as_row(line) for line in await _off(last_lines, path, lines, wanted)]

    async def follow(self, plugin: str, *, lines: int = 0) -> AsyncIterator[v.LogLine]:
        """Raises NotInstalled, UsageError, when it is first asked for a line."""
        _check_within("lines", lines, 0, MAX_LINES)
        with Tail(await self._look(_log_of, plugin)) as tail:
            for line in await _off(tail.begin, lines):
                yield as_row(line)
            while True:
                for line in await _off(tail.look):
                    yield as_row(line)
                await anyio.sleep(POLL_S)


_off = anyio.to_thread.run_sync


def _check_within(what: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise UsageError(f"{what} is out of bounds", remedy=f"give {least:g} to {most:g}")


def _log_of(found: Known, plugin: str) -> Path:
    """Raises NotInstalled; a name that is none never becomes a path."""
    if plugin != HOST_LOG:
        found.state.require(plugin)
    return found.home.log_of(plugin)


def _named(found: Known, names: Sequence[str]) -> tuple[str, ...]:
    """The plugins that these words name. Raises NotInstalled."""
    return tuple(dict.fromkeys(provider_of(name, found) for name in names))


def _checked(found: Known, standings: Standings, told: Sequence[Health]) -> list[v.HealthRow]:
    """What is known of those that were asked, with what they said just now."""
    said = {one.provider: one for one in told}
    return [
        replace(
            row,
            state=STATES[said[row.plugin].ok],
            detail=said[row.plugin].detail or said[row.plugin].reason,
            latency_ms=said[row.plugin].latency_ms,
        )
        for row in health_rows(found, standings, said)
    ]
