"""What providers are asked beside requests: which models they have, and how they are.

On demand, and by themselves where the operator wants that; no start ever waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import anyio.to_thread

from stockade.errors import HostError
from stockade.models import export_json, exported, stale, to_ask
from stockade.state import Installed
from stockade_sdk.capability import DiscoveryOptions, ModelCatalog
from stockade_sdk.manifest import ManifestError

from .discovery import AsksPlugins, Progress, Scanned, lacking, refresh_when_stale, scan
from .health import Checks, Health, Subject, asks_by_chat, check_on_schedule, missing, subject_of
from .health.subjects import MISSING_KEY
from .parts import Parts

Task = Callable[[], Coroutine[Any, Any, None]]

SCAN_S: Final = 30.0  # of one provider: a worker's start and the longest list there is
LOG: Final = "_host"  # no plugin's name


class Inquiries:
    """Asks through ``ask``, which is ``Host.ask``; usable once the parts are started."""

    def __init__(self, parts: Parts, ask: AsksPlugins) -> None:
        self._parts, self._ask = parts, ask
        self._checks: Checks | None = None

    def tasks(self, random: Callable[[], float]) -> Iterator[Task]:
        """What a running host does by itself, to be run beside it."""
        settings = self._parts.settings
        if settings.catalogue.refresh:
            yield partial(
                refresh_when_stale,
                self._stale,
                self._refresh_lists,
                ttl_s=settings.catalogue.ttl_s,
                random=random,
                on_failure=self._note,
            )
        if settings.health.interval_s is not None:
            yield partial(
                check_on_schedule,
                self.checks,
                self._subjects,
                settings.health.interval_s,
                random=random,
                steady=time.monotonic,
                on_failure=self._note,
            )

    async def discover(self, options: DiscoveryOptions) -> ModelCatalog:
        """See ``Host.discover_models``."""
        await self.scan(options)
        wanted = {name.strip().lower() for name in options.providers}
        listed = self._parts.planner.knowledge.listing.models
        return ModelCatalog(
            exported(one.info for one in listed if not wanted or one.info.provider in wanted)
        )

    def exported(self) -> str:
        """See ``Host.export_catalogue_json``."""
        listed = self._parts.planner.knowledge.listing.models
        return export_json(one.info for one in listed).decode()

    async def scan(
        self,
        options: DiscoveryOptions,
        *,
        force: bool = False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> tuple[Scanned, ...]:
        """See ``Host.scan_models``."""
        parts = self._parts
        records = {record.name: record for record in parts.planner.knowledge.records}
        names = to_ask(options, dict.fromkeys(records, True))
        if not names:
            return ()
        reasons = await anyio.to_thread.run_sync(self._lacking, names, records)
        found = await scan(
            reasons,
            self._ask,
            parts.state.lists,
            timeout_s=SCAN_S,
            ttl_s=parts.settings.catalogue.ttl_s,
            force=force,
            on_progress=on_progress,
        )
        await anyio.to_thread.run_sync(parts.read)
        return found

    async def health(
        self,
        plugins: Iterable[str] | None = None,
        *,
        on_progress: Callable[[Health, int, int], None],
    ) -> tuple[Health, ...]:
        """See ``Host.check_health``."""
        wanted = None if plugins is None else tuple(plugins)
        subjects = await self._subjects()
        if wanted is not None:
            known = {subject.provider: subject for subject in subjects}
            subjects = [known.get(name) or missing(name) for name in wanted]
        return await self.checks.check(subjects, on_progress=on_progress)

    @property
    def checks(self) -> Checks:
        """Made when it is first wanted: the workers are there by then."""
        if self._checks is None:
            parts = self._parts
            paid = asks_by_chat(parts.workers) if parts.settings.health.paid else None
            self._checks = Checks(
                self._ask,
                parts.state.learnt.keep_check,
                wall=time.time,
                steady=time.monotonic,
                by_chat=paid,
                told=parts.key_refused,
            )
        return self._checks

    async def _subjects(self) -> list[Subject]:
        return await anyio.to_thread.run_sync(self._read_subjects)

    def _read_subjects(self) -> list[Subject]:
        return [self._subject(record) for record in self._parts.state.list()]

    def _subject(self, record: Installed) -> Subject:
        try:
            return subject_of(record, self._key_of)
        except ManifestError as error:
            return Subject(record.name, "bad_manifest", str(error), ok=False)
        except HostError as error:  # of its key alone: the others are asked all the same
            return Subject(record.name, MISSING_KEY, str(error), ok=False)

    def _key_of(self, plugin: str, name: str) -> str | None:
        found = self._parts.secrets.get(plugin, name)
        return None if found is None else found.value

    def _lacking(
        self, names: Iterable[str], records: Mapping[str, Installed]
    ) -> dict[str, str | None]:
        """Why each provider cannot be asked; None where it can."""
        reasons: dict[str, str | None] = {}
        for name in names:
            try:
                reasons[name] = lacking(records[name], self._parts.secrets.source)
            except ManifestError as error:
                reasons[name] = f"its manifest cannot be read: {error}"
        return reasons

    async def _stale(self) -> list[str]:
        lists = await anyio.to_thread.run_sync(self._parts.state.lists.all)
        names = [record.name for record in self._parts.planner.knowledge.usable]
        return list(stale(names, lists, time.time()))

    async def _refresh_lists(self, names: Iterable[str]) -> None:
        await self.scan(DiscoveryOptions(remote=True, refresh=True, providers=tuple(names)))

    def _note(self, error: HostError) -> None:
        self._parts.logbook.write(LOG, "host", str(error))
