"""Plugins: seen, installed, switched, started anew, taken away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import anyio.from_thread
import anyio.to_thread

from stockade.admin import values as v
from stockade.app.trying import trial_of
from stockade.packages import commit_install
from stockade.packages import uninstall as remove
from stockade.packages.steps import STEPS
from stockade.state import Installed
from stockade.state.manifests import manifest_of
from stockade.supervisor import PluginStatus, read_acts

from . import configuring, keeping, permitting
from .desk import Desk
from .inspecting import Planned, inspected, offers, plugin_row
from .jobs import Doing
from .known import Known, host_rules
from .proposing import as_row, check_digest
from .sourcing import wanted_for

__all__ = ["PluginDesk"]


class PluginDesk(Desk):
    """See `admin.Operator`, "plugins"."""

    async def plugins(self) -> Sequence[v.Plugin]:
        """In the order of their installation; each as it is stored by now: a worker's first start
        and its last one change that, and are no change of what is installed.
        """
        known = self._found().knowledge.records
        stored = {one.name: one for one in await anyio.to_thread.run_sync(self._host().state.list)}
        return await self._rows([stored[one.name] for one in known if one.name in stored])

    async def plugin(self, name: str) -> v.Detail:
        """Raises NotInstalled."""
        record = await self._record(name)
        row = await self._row(record)
        reached = await self._host().reached()  # tried once a host, with nothing of a plugin's
        planned = (reached.tier, self._host().layers(reached.tier))
        uses = self.uses.of(name)
        return await self._look(_detail, record, row, uses, lambda: planned)

    async def offers(self) -> Sequence[v.Offer]:
        """The plugins that ship with stockade."""
        return await self._look(
            lambda found: offers(record.name for record in found.knowledge.records)
        )

    async def propose(self, asked: v.Proposing) -> v.Proposal:
        """Raises UsageError."""
        return await self._look(_proposal, asked)

    async def install(self, agreed: v.Installing) -> v.Job:
        """Raises UsageError, and Changed where the source is not what was looked at."""
        name = await self._look(_agreed_name, agreed)

        async def work(doing: Doing) -> v.Plugin:
            def step(phase: str) -> None:
                words = f"{name}: {STEPS.get(phase, phase)}"
                done = list(STEPS).index(phase) if phase in STEPS else None
                anyio.from_thread.run_sync(partial(doing.step, words, done))

            # Not under the lock of changes: fetching packages may take minutes.
            await self._look(_install, agreed, step)
            await self._renew()
            doing.step(f"{name} is installed", len(STEPS))
            return await self._row(await self._record(name))

        return self._jobs.start("install", work, total=len(STEPS))

    async def uninstall(self, name: str, *, keep_data: bool = False) -> None:
        """Raises NotInstalled."""
        await self._look(_uninstall, name, keep_data)  # waits for installs, as these may for long
        await self._renew()
        self.uses.forget(name)

    async def enable(self, name: str) -> v.Plugin:
        """Let it run again, one that was given up too. Raises NotInstalled."""
        await self._change(_enable, name)
        self._host().start_again(name)
        return await self._row(await self._record(name))

    async def disable(self, name: str) -> v.Plugin:
        """Keep it and let it run no more. Raises NotInstalled."""
        await self._change(_disable, name)
        return await self._row(await self._record(name))

    async def restart(self, name: str) -> v.Plugin:
        """Raises NotInstalled."""
        record = await self._record(name)
        await self._drain(name)
        return await self._row(record)

    # grants

    async def permissions(self, name: str) -> Sequence[v.PermissionRow]:
        """Raises NotInstalled."""
        record = await self._record(name)
        return await self._look(_permissions, record, self.uses.of(name))

    async def propose_grant(self, name: str, asked: v.Granting) -> v.GrantProposal:
        """Raises NotInstalled, UsageError."""
        more = await self._look(_granting, name, asked)
        consent = "" if more.is_nothing else more.consent(name)
        return v.GrantProposal(name=name, consent=consent, new=more.words)

    async def grant(self, name: str, asked: v.Granting) -> Sequence[v.PermissionRow]:
        """Raises NotInstalled, UsageError."""
        await self._change(_grant, name, asked)
        return await self.permissions(name)

    async def revoke(self, name: str, asked: v.Granting) -> Sequence[v.PermissionRow]:
        """Raises NotInstalled, UsageError."""
        await self._change(_revoke, name, asked)
        return await self.permissions(name)

    # settings

    async def config(self, name: str) -> Sequence[v.ConfigRow]:
        """Raises NotInstalled."""
        return configuring.rows_of(await self._record(name))

    async def set_config(self, name: str, key: str, given: v.ConfigGiven) -> Sequence[v.ConfigRow]:
        """Raises NotInstalled, Missing, UsageError."""
        await self._change(_set_config, name, key, given.value)
        return await self.config(name)

    # rows

    def _workers_of(self, name: str, status: PluginStatus) -> list[v.WorkerRow]:
        now = self._steady()
        return [
            v.WorkerRow(
                plugin=name,
                pid=one.pid,
                state=one.state,
                tier=one.tier,
                layers=list(one.layers),
                rss_bytes=one.rss_bytes,
                cpu_seconds=one.cpu_seconds,
                cpu_percent=self._processors.percent(one.pid, one.cpu_seconds, now),
                restarts=one.restarts,
                uptime_s=round(one.uptime_s, 3),
                in_flight=one.in_flight,
            )
            for one in status.workers
        ]

    async def _row(self, record: Installed) -> v.Plugin:
        (row,) = await self._rows([record])
        return row

    async def _rows(self, records: Sequence[Installed]) -> list[v.Plugin]:
        host = self._host()
        running = {
            one.name: (status := host.status(one.name), self._workers_of(one.name, status))
            for one in records
        }
        return await self._look(_rows, records, running)


Running = Mapping[str, tuple[PluginStatus, list[v.WorkerRow]]]


def _rows(found: Known, records: Iterable[Installed], running: Running) -> list[v.Plugin]:
    keys = keeping.rows_of(found.home, records := tuple(records))
    models = Counter(one.info.provider for one in found.knowledge.listing.models)
    return [
        plugin_row(
            found.home,
            record,
            running=running[record.name][0].state,
            workers=running[record.name][1],
            waiting=running[record.name][0].waiting,
            models=models[record.name],
            keys=keys,
        )
        for record in records
    ]


def _detail(
    found: Known,
    record: Installed,
    row: v.Plugin,
    uses: Mapping[str, int],
    planned: Callable[[], Planned],
) -> v.Detail:
    return v.Detail(
        plugin=row,
        config=configuring.rows_of(record),
        permissions=_permissions(found, record, uses),
        inspected=inspected(found.home, record, planned),
    )


def _permissions(found: Known, record: Installed, uses: Mapping[str, int]) -> list[v.PermissionRow]:
    return permitting.rows_of(
        manifest_of(record).permissions,
        record.granted,
        record.operator_hosts,
        used=uses,
        acts=read_acts(found.home.logs, record.name),
    )


def _proposal(found: Known, asked: v.Proposing) -> v.Proposal:
    with wanted_for(found, asked) as wanted:
        return as_row(asked, wanted)


def _agreed_name(found: Known, agreed: v.Installing) -> str:
    """Whose install that is. Raises Changed where the source is not what was looked at."""
    with wanted_for(found, agreed, offline=agreed.offline) as wanted:
        check_digest(agreed, wanted)
        return wanted.proposal.manifest.name


def _install(found: Known, agreed: v.Installing, on_step: Callable[[str], None]) -> None:
    with wanted_for(found, agreed, offline=agreed.offline, on_step=on_step) as wanted:
        check_digest(agreed, wanted)
        commit_install(
            found.home,
            found.state,
            wanted.proposal,
            granted=wanted.granted,
            operator_hosts=wanted.hosts,
            offline=agreed.offline,
            on_step=on_step,
            trial=trial_of(found.home, found.settings, smoke=False),
        )


def _uninstall(found: Known, name: str, keep_data: bool) -> None:
    remove(found.home, found.state, name, keep_data)


def _enable(found: Known, name: str) -> None:
    if not found.state.require(name).enabled:
        found.state.set_state(name, "enabled")


def _disable(found: Known, name: str) -> None:
    before = found.state.require(name)
    found.state.set_state(name, "disabled", before.last_error)


def _granting(found: Known, name: str, asked: v.Granting) -> permitting.More:
    return permitting.granting(
        found.state.require(name), asked.permissions, host_rules(asked.hosts)
    )


def _grant(found: Known, name: str, asked: v.Granting) -> None:
    more = _granting(found, name, asked)
    if not more.is_nothing:
        record = found.state.require(name)
        permitting.keep(found.home, found.state, record, more.granted, more.hosts)


def _revoke(found: Known, name: str, asked: v.Granting) -> None:
    record = found.state.require(name)
    left, hosts = permitting.revoking(record, asked.permissions, host_rules(asked.hosts))
    if (left, hosts) != (record.granted, record.operator_hosts):
        permitting.keep(found.home, found.state, record, left, hosts)


def _set_config(found: Known, name: str, key: str, value: object) -> None:
    record = found.state.require(name)
    field = configuring.field_of(record, key)
    checked = None if value is None else configuring.checked(record, key, field, value)
    found.state.set_config(name, key, checked, is_address=field.type == "url")
