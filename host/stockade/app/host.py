"""``Host``: requests in, answers out, everything between started, watched and ended here."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, overload

import anyio
import anyio.to_thread

from stockade.egress import Broker, Decision, OwnPorts
from stockade.errors import AllAttemptsFailed, HostError
from stockade.handoff import Options
from stockade.models import PriceTable, checked_health, checked_models
from stockade.packages import base_environment, hold_environment, sweep
from stockade.router import (
    Answer,
    Breaker,
    Catalogue,
    Cooldowns,
    Dispatcher,
    Needs,
    Plan,
    Standing,
    candidates,
    needs_of,
)
from stockade.settings import Home, Settings, read_settings
from stockade.state import Secrets, State
from stockade.supervisor import (
    Denials,
    Logbook,
    PluginEvent,
    PluginStatus,
    Rehearsal,
    StartRefused,
    Supervisor,
    What,
)
from stockade_sdk.audio import (
    SpeechRequest,
    SpeechResponse,
    TranscriptionRequest,
    TranscriptionResponse,
)
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ProviderError
from stockade_sdk.image import ImageRequest, ImageResponse
from stockade_sdk.provider import Method, ProviderRequest, ProviderResponse
from stockade_sdk.rerank import RerankRequest, RerankResponse

from .allocator import tune_allocator
from .background import Background
from .confining import Confining, Examined, Reached
from .costing import PricedWorkers, price_tables
from .journal import Journal
from .listing import models_of
from .runtimes import Runtimes

MAX_PLANS: Final = 1_024  # kept; callers' model names are their own, so the number is bounded


class Host:
    """A running host; make one with :meth:`open`.

    ``home`` and ``settings`` are those it was opened with; ``state`` is its database.
    ``own_ports`` are loopback ports that no plugin reaches, whatever it was granted: who listens
    on one beside the host adds it there.
    """

    def __init__(self, home: Home, settings: Settings, state: State) -> None:
        self.home, self.settings, self.state = home, settings, state
        self.own_ports = OwnPorts()
        self._logbook = Logbook(home.logs)
        self._denials = Denials(home.logs, on_line=self._logbook.write)
        self._breaker = Breaker(time.monotonic, Cooldowns())
        self._stopped: dict[str, Standing] = {}
        self._unproven: set[str] = set()  # installed and never started yet
        self._catalogue = Catalogue(())
        self._prices: dict[str, PriceTable] = {}
        self._plans: dict[tuple[str | None, Needs, str | None], Plan] = {}
        self._journal: Journal
        self._confining: Confining
        self._supervisor: Supervisor
        self._dispatcher: Dispatcher

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        home: Home | Path | str | None = None,
        *,
        settings: Settings | None = None,
        on_event: Callable[[PluginEvent], None] = lambda event: None,
    ) -> AsyncIterator[Host]:
        """A host over ``home`` (default: ``STOCKADE_HOME``, else the user's data folder).

        ``settings`` take the place of its ``stockade.toml``; ``on_event`` is told what becomes of
        workers. Leaving ends every worker. Raises HostError where home, settings or state cannot
        be used.
        """
        place = home if isinstance(home, Home) else Home(Path(home)) if home else Home.find()
        async with AsyncExitStack() as stack:
            state, environment = await anyio.to_thread.run_sync(_prepare, place)
            stack.enter_context(state)
            stack.enter_context(hold_environment(environment))
            host = cls(place, settings or read_settings(place), state)
            await host._start(stack, environment, on_event)
            yield host

    @overload
    async def run(
        self, request: ChatRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> ChatResponse: ...
    @overload
    async def run(
        self, request: EmbeddingRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> EmbeddingResponse: ...
    @overload
    async def run(
        self, request: ImageRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> ImageResponse: ...
    @overload
    async def run(
        self,
        request: TranscriptionRequest,
        *,
        timeout: float | None = None,
        plugin: str | None = None,
    ) -> TranscriptionResponse: ...
    @overload
    async def run(
        self, request: SpeechRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> SpeechResponse: ...
    @overload
    async def run(
        self, request: RerankRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> RerankResponse: ...
    @overload
    async def run(
        self, request: ProviderRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> ProviderResponse: ...
    async def run(
        self,
        request: ProviderRequest,
        *,
        timeout: float | None = None,
        plugin: str | None = None,
    ) -> ProviderResponse:
        """The whole answer to one request, with its attempts.

        ``timeout`` is the deadline in seconds (default: the operator's), ``plugin`` restricts to
        one. Raises AllAttemptsFailed, and UsageError where a name fits no model or several.
        Cancelling the caller cancels the worker's call and the vendor's request.
        """
        needs = needs_of(request)
        plan = self._plan(request, needs, plugin)
        timeout_s = self.settings.requests.timeout_s if timeout is None else timeout
        try:
            response = await self._dispatcher.run(request, plan, timeout_s=timeout_s)
        except AllAttemptsFailed as failed:
            self._journal.attempts(needs.capability, failed.attempts)
            raise
        self._journal.attempts(needs.capability, response.attempts)
        return response

    def stream(
        self, request: ChatRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> Answer:
        """The events of one streamed answer: ``async with`` it, then iterate.

        Entering waits for the first output and raises as :meth:`run` does; a failure after that is
        raised by the iteration as its ProviderError, without a fallback. ``attempts`` are on it.
        """
        needs = needs_of(request)
        plan = self._plan(request, needs, plugin)
        timeout_s = self.settings.requests.timeout_s if timeout is None else timeout
        note = partial(self._journal.attempts, needs.capability)
        return self._dispatcher.stream(request, plan, timeout_s=timeout_s, ended=note)

    async def ask(self, plugin: str, method: Method, *, timeout: float) -> Any:
        """``list_models`` or ``check_health`` of one plugin; raises ProviderError.

        Models come with the plugin as their provider, each id once; a report that has no latency
        gets that of the whole call, a worker's start included.
        """
        started = time.monotonic()
        answer = await self._supervisor.call(plugin, method, None, timeout_s=timeout)
        match method:
            case Method.LIST_MODELS:
                return checked_models(plugin, answer)
            case Method.CHECK_HEALTH:
                return checked_health(answer, (time.monotonic() - started) * 1000)
        return answer

    async def reached(self) -> Reached:
        """The strongest tier that this machine gives workers; tried at the first call."""
        with tempfile.TemporaryDirectory(prefix="stockade-probe-") as scratch:
            return await self._confining.reached(self._supervisor.probe, Path(scratch))

    def layers(self, tier: str) -> tuple[str, ...]:
        """The steps of a start in a tier, on this machine and for this user."""
        return self._confining.layers(tier)

    async def examine(self) -> Examined:
        """What this machine gives, tier by tier and limit by limit, and why not, for `doctor`."""
        with tempfile.TemporaryDirectory(prefix="stockade-probe-") as scratch:
            tried = await self._confining.examine(self._supervisor.probe, Path(scratch))
        return Examined(
            tried=tried,
            layers={tier: self._confining.layers(tier) for tier, _ in tried},
            controllers=self._supervisor.controllers,
            reasons=self._supervisor.why_not,
        )

    async def rehearse(self, plugin: str) -> Rehearsal:
        """Confine a worker of a plugin's, look at it from outside, and end it; nothing of the
        plugin is run. Raises HostError, and HostError's causes' like of a start that fails.
        """
        try:
            return await self._supervisor.rehearse(plugin)
        except (StartRefused, ProviderError, OSError) as error:
            raise HostError(f"plugin {plugin} could not be confined", why=str(error)) from error

    def status(self, plugin: str) -> PluginStatus:
        """Where a plugin's workers stand."""
        return self._supervisor.status(plugin)

    def try_again(self, plugin: str) -> None:
        """Forget why a plugin was stopped; its next call starts it."""
        self._stopped.pop(plugin, None)
        self.state.set_state(plugin, "enabled")
        self._supervisor.try_again(plugin)
        self._breaker.reset(plugin)

    async def refresh(self) -> None:
        """Read anew what is installed; workers of what is gone or changed are drained."""
        before = {record.name: record for record in self._records}
        await anyio.to_thread.run_sync(self._read)
        now = {record.name: record for record in self._records}
        for name, record in before.items():
            if name not in now:
                self._denials.forget(name)
            if now.get(name) != record:
                await self._supervisor.drain(name)

    async def _start(
        self, stack: AsyncExitStack, environment: Path, on_event: Callable[[PluginEvent], None]
    ) -> None:
        tune_allocator()
        self._read()
        self._journal = Journal(self.home, time.time)
        stack.callback(self._journal.close)
        stack.enter_context(self._logbook)
        stack.callback(self._denials.close)
        requests = self.settings.requests
        broker = await stack.enter_async_context(
            Broker.open(
                requests.connect_timeout_s,
                requests.first_byte_timeout_s,
                requests.idle_timeout_s,
                on_decision=self._decided,
                forbidden=self.own_ports,
                network=self.settings.egress.or_of(os.environ),
            )
        )

        def news(event: PluginEvent) -> None:
            self._happened(event)
            on_event(event)

        await stack.enter_async_context(Background(self._journal.keep))
        await stack.enter_async_context(Background(self._denials.keep))
        self._confining = Confining(self.home, self.settings, environment)
        secrets = Secrets(self.home)
        await anyio.to_thread.run_sync(secrets.warm)  # a keyring may take its time, once
        self._supervisor = await stack.enter_async_context(
            Supervisor(
                Runtimes(
                    self.home,
                    self.settings,
                    broker,
                    self._confining,
                    secrets,
                    self.state.require,
                ),
                self.home.run,
                self.settings.supervision,
                on_event=news,
                on_line=self._logbook.write,
                on_denied=self._denials.told,
                keep_nursery=self.settings.sandbox.nursery,
            )
        )
        workers = PricedWorkers(self._supervisor, self._prices_of)
        self._dispatcher = Dispatcher(
            workers,
            time.monotonic,
            random.random,
            breaker=self._breaker,
            handoff=Options(thinking=self.settings.handoff.thinking),
        )

    def _read(self) -> None:
        # In the order of installation: it is the order of the targets where no route is set.
        self._records = sorted(self.state.list(), key=lambda record: record.installed_at)
        self._plans.clear()
        usable = [record for record in self._records if record.state != "disabled"]
        models = models_of(usable)
        self._catalogue = Catalogue(models, [record.name for record in usable])
        self._prices = price_tables(models, self.settings.prices)
        self._stopped = {
            record.name: Standing("stopped", why=record.last_error or "it kept dying")
            for record in usable
            if record.state == "failed"
        }
        self._unproven = {record.name for record in usable if record.state == "installed"}

    def _prices_of(self, plugin: str) -> PriceTable | None:
        return self._prices.get(plugin)  # as they are at the moment: a refresh puts others there

    def _plan(self, request: ProviderRequest, needs: Needs, plugin: str | None) -> Plan:
        standings = self._breaker.standings()
        if standings or self._stopped:
            return self._planned(request.model, needs, plugin, {**standings, **self._stopped})
        key = (request.model, needs, plugin)  # while all are well, equal requests go the same way
        plan = self._plans.get(key)
        if plan is None:
            plan = self._planned(request.model, needs, plugin, {})
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _planned(
        self,
        model: str | None,
        needs: Needs,
        plugin: str | None,
        health: Mapping[str, Standing],
    ) -> Plan:
        return candidates(
            needs,
            self._catalogue,
            model=model,
            plugin=plugin,
            routes={c: p.targets for c, p in self.settings.routes.items()},
            aliases=self.settings.aliases,
            health=health,
        )

    def _happened(self, event: PluginEvent) -> None:
        self._logbook.write(event.plugin, "host", f"{event.what}: {event.reason}".rstrip(": "))
        match event.what:
            case What.DIED:
                self._denials.died(event.plugin, event.reason)
                self._journal.plugin(event.plugin, "enabled", event.reason)
            case What.GAVE_UP:
                self._stopped[event.plugin] = Standing("stopped", why=event.reason)
                self._journal.plugin(event.plugin, "failed", event.reason)
            case What.READY if event.plugin in self._unproven:
                self._unproven.discard(event.plugin)
                self._journal.plugin(event.plugin, "enabled", None)
            case What.STARTED | What.READY | What.ENDED:
                pass

    def _decided(self, decision: Decision) -> None:
        self._denials.decided(decision)
        verdict = "allowed" if decision.allowed else f"refused: {decision.reason}"
        where = f"{'tunnel to ' if decision.tunnel else ''}{decision.host}:{decision.port}"
        sizes = f"{decision.bytes_out} bytes out, {decision.bytes_in} in"
        self._logbook.write(decision.plugin, "egress", f"{where} {verdict}, {sizes}")


def _prepare(home: Home) -> tuple[State, Path]:
    home.ensure()
    state = State.open(home)
    try:
        sweep(home, state)
        return state, base_environment(home)
    except BaseException:
        state.close()
        raise
