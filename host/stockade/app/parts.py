"""The parts of a running host: made, wired, started and ended in order; who decides what is theirs.

``Host`` is the door to it. What is learnt by one part and concerns another goes through here.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from msgspec.structs import replace

from stockade.egress import Broker, Decision, OwnPorts, Recorder, Redirect
from stockade.handoff import Options
from stockade.models import PriceTable
from stockade.router import Breaker, CallsWorkers, Dispatcher, Target
from stockade.router.budgets import Ledger
from stockade.settings import Home, Settings
from stockade.state import Installed, Secrets, State
from stockade.supervisor import Denials, Logbook, PluginEvent, Supervisor, What
from stockade.telemetry import NOBODY, Watches
from stockade_sdk.errors import ProviderError

from .allocator import tune_allocator
from .background import Background
from .budgeting import BudgetedWorkers
from .confining import Confining
from .costing import PricedWorkers
from .endings import Endings
from .journal import Journal
from .keyprints import KeyPrints
from .knowledge import read_knowledge
from .planning import Planner
from .recall import remembered
from .runtimes import Runtimes
from .spending import Spending

KEYS_S: Final = (
    5.0  # how late a key that was changed elsewhere lifts what its old value was refused
)
# For a new version's first worker, while the old one's answer: who tells a host waits for 5 s.
PREPARE_S: Final = 3.0


class Parts:
    """Everything between a request and its worker; start it with `start`, within a stack.

    ``own_ports`` are loopback ports that no plugin reaches, whatever it was granted.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        state: State,
        watches: Watches = NOBODY,
        *,
        redirect: Redirect | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.home, self.settings, self.state = home, settings, state
        self._watches = watches
        self._redirect, self._recorder = redirect, recorder
        self.own_ports = OwnPorts()
        self.secrets = Secrets(home)
        self.logbook = Logbook(home.logs)
        self.ledger = Ledger(time.time, settings.budgets, time.monotonic)
        self._denials = Denials(home.logs, on_line=self.logbook.write)
        self._unproven: set[str] = set()  # installed and never started yet
        self._known: dict[str, Installed] = {}  # as workers are started from it
        self._renewing = anyio.Lock()
        self._prints: KeyPrints
        self.breaker: Breaker
        self.planner: Planner
        self.journal: Journal
        self.endings: Endings
        self.confining: Confining
        self.supervisor: Supervisor
        self.workers: CallsWorkers
        self.dispatcher: Dispatcher

    async def start(
        self, stack: AsyncExitStack, environment: Path, on_event: Callable[[PluginEvent], None]
    ) -> None:
        """Start all parts; leaving ``stack`` ends them, the last one first."""
        tune_allocator()
        await anyio.to_thread.run_sync(self.secrets.warm)  # a keyring may take its time, once
        self._remember()
        stack.callback(self.journal.close)
        self.read()
        self._known = as_set(self.planner.knowledge.records)
        stack.enter_context(self.logbook)
        stack.callback(self._denials.close)
        broker = await stack.enter_async_context(self._broker())
        await stack.enter_async_context(Background(self.journal.keep))
        await stack.enter_async_context(Background(self._denials.keep))
        await self._keep_budgets(stack)
        self.confining = Confining(self.home, self.settings, environment)
        # Of its own, for it is read on the event loop: `state` may be kept by a thread whose change
        # waits for another process.
        records = stack.enter_context(State.open(self.home))
        supervisor = self._supervisor(broker, records, on_event)
        self.supervisor = await stack.enter_async_context(supervisor)
        await stack.enter_async_context(Background(self._watch_keys))
        self.workers = self._workers()
        self.dispatcher = Dispatcher(
            self.workers,
            time.monotonic,
            random.random,
            breaker=self.breaker,
            health=self.planner.standings,
            handoff=Options(thinking=self.settings.handoff.thinking),
            first_byte_s=self.settings.requests.first_byte_timeout_s,
        )

    def read(self) -> None:
        """Read anew what is installed and set."""
        knowledge = read_knowledge(self.state, self.settings)
        self.planner.know(knowledge)
        self._unproven = {one.name for one in knowledge.usable if one.state == "installed"}

    async def renew(self) -> tuple[str, ...]:
        """The same, and nothing is held any more against what changed. The plugins whose workers
        are to be drained: those that are gone, or changed, or have another key.
        """
        async with self._renewing:
            stored = as_set(await anyio.to_thread.run_sync(self.state.list))
            ahead = [name for name in stored if self._is_new_version(stored[name])]
            try:
                await self._prepare(ahead)
                await anyio.to_thread.run_sync(self.read)
                rotated = await anyio.to_thread.run_sync(self._prints.renew)
            except BaseException:
                self._dismiss(ahead)
                raise
            before, self._known = self._known, as_set(self.planner.knowledge.records)
            # What changed again since is not what was prepared.
            self._dismiss(name for name in ahead if self._known.get(name) != stored[name])
            self._proven(ahead)
            return self._outdated(before, rotated)

    def _is_new_version(self, record: Installed) -> bool:
        """Whether its workers, if there are any, have other code."""
        known = self._known.get(record.name)
        return record.enabled and known is not None and known.digest != record.digest

    async def _prepare(self, names: Iterable[str]) -> None:
        """Have a worker of each new version ready beside those of the old one, which answer until
        all is known.
        """
        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(partial(self.supervisor.prepare, name, timeout_s=PREPARE_S))

    def _dismiss(self, names: Iterable[str]) -> None:
        for name in names:
            self.supervisor.dismiss(name)

    def _proven(self, names: Iterable[str]) -> None:
        """Those whose first worker was ready before it was read that they have had none."""
        for name in names:
            if name in self._unproven and self.supervisor.prepared(name):
                self._unproven.discard(name)
                self.journal.plugin(name, "enabled", None)

    def _outdated(self, before: Mapping[str, Installed], rotated: Iterable[str]) -> tuple[str, ...]:
        outdated = list(rotated)
        for name, record in before.items():
            if name not in self._known:
                self._denials.forget(name)
            if self._known.get(name) != record:
                self.breaker.reset(name)
                self._prints.forget(name)
                outdated.append(name)
        return tuple(dict.fromkeys(name for name in outdated if name in before))

    def start_again(self, plugin: str) -> None:
        """Forget why a plugin was stopped; its next call starts it."""
        self.planner.start(plugin)
        self.supervisor.try_again(plugin)
        self.breaker.reset(plugin)

    def key_refused(self, plugin: str, error: ProviderError) -> None:
        """A check met what holds for requests as well: a key that is refused, or without money."""
        self.breaker.failed(Target(plugin, ""), error)

    def prices_of(self, plugin: str) -> PriceTable | None:
        """A plugin's prices as they are at the moment: a refresh puts others there."""
        return self.planner.knowledge.prices.get(plugin)

    def _remember(self) -> None:
        """Take up what earlier runs learnt."""
        self._prints, self.breaker = remembered(self.settings, self.state, self.secrets)
        self.planner = Planner(self.breaker, self.ledger)
        self.journal = Journal(self.home, time.time, self.breaker.changes)
        self.endings = Endings(self.journal, self._watches)

    async def _keep_budgets(self, stack: AsyncExitStack) -> None:
        if not self.ledger.bounds_anything:
            return
        spending = Spending(self.ledger, self.state.learnt)
        names = [record.name for record in self.planner.knowledge.records]
        await anyio.to_thread.run_sync(spending.read, names, self.state.attempts)
        stack.callback(spending.close)
        await stack.enter_async_context(Background(spending.keep))

    async def _watch_keys(self) -> None:
        """Have the print of every key at hand, and see when one is another: workers that have the
        old one are drained.
        """
        names = [record.name for record in self.planner.knowledge.records]
        await anyio.to_thread.run_sync(lambda: [self._prints.print_of(name) for name in names])
        while True:
            await anyio.sleep(KEYS_S)
            if self.breaker.holds_anything:
                for name in await anyio.to_thread.run_sync(self._prints.renew):
                    await self.supervisor.drain(name)

    def _broker(self) -> AbstractAsyncContextManager[Broker]:
        requests = self.settings.requests
        return Broker.open(
            requests.connect_timeout_s,
            requests.first_byte_timeout_s,
            requests.idle_timeout_s,
            on_decision=self._decided,
            forbidden=self.own_ports,
            network=self.settings.egress.or_of(os.environ),
            may_send=self.ledger.sent,
            redirect=self._redirect,
            recorder=self._recorder,
        )

    def _supervisor(
        self, broker: Broker, records: State, on_event: Callable[[PluginEvent], None]
    ) -> Supervisor:
        def news(event: PluginEvent) -> None:
            self._happened(event)
            self._watches.worker(event)
            on_event(event)

        return Supervisor(
            Runtimes(
                self.home, self.settings, broker, self.confining, self.secrets, records.require
            ),
            self.home.run,
            self.settings.supervision,
            on_event=news,
            on_line=self.logbook.write,
            on_denied=self._denials.told,
            keep_nursery=self.settings.sandbox.nursery,
        )

    def _workers(self) -> CallsWorkers:
        """Budgets outside prices, prices outside workers: each sees what the one below put on."""
        priced = PricedWorkers(self.supervisor, self.prices_of)
        if not self.ledger.bounds_anything:
            return priced
        return BudgetedWorkers(priced, self.ledger, self.prices_of)

    def _happened(self, event: PluginEvent) -> None:
        self.logbook.write(event.plugin, "host", f"{event.what}: {event.reason}".rstrip(": "))
        match event.what:
            case What.DIED:
                self._denials.died(event.plugin, event.reason)
                self.journal.plugin(event.plugin, "enabled", event.reason)
            case What.GAVE_UP:
                self.planner.stop(event.plugin, event.reason)
                self.journal.plugin(event.plugin, "failed", event.reason)
            case What.READY if event.plugin in self._unproven:
                self._unproven.discard(event.plugin)
                self.journal.plugin(event.plugin, "enabled", None)
            case What.STARTED | What.READY | What.ENDED:
                pass

    def _decided(self, decision: Decision) -> None:
        self._denials.decided(decision)
        self._watches.egress(decision)
        verdict = "allowed" if decision.allowed else f"refused: {decision.reason}"
        where = f"{'tunnel to ' if decision.tunnel else ''}{decision.host}:{decision.port}"
        sizes = f"{decision.bytes_out} bytes out, {decision.bytes_in} in"
        self.logbook.write(decision.plugin, "egress", f"{where} {verdict}, {sizes}")


def as_set(records: Iterable[Installed]) -> dict[str, Installed]:
    """Plugins by name as an operator set them: without what a host notes of them by itself, that
    one was started, and its last error.
    """
    return {
        record.name: replace(
            record,
            state="enabled" if record.state == "installed" else record.state,
            last_error=None,
        )
        for record in records
    }
