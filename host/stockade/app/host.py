"""``Host``: requests in, answers out, everything between started, watched and ended here."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, overload

import anyio
import anyio.to_thread

from stockade.egress import Recorder, Redirect
from stockade.errors import HostError
from stockade.models import checked_health, checked_models
from stockade.packages import hold_environment
from stockade.router import Answer, Explanation, Needs, Standing, needs_of
from stockade.settings import Home, Settings, read_settings
from stockade.state import State
from stockade.supervisor import (
    PluginEvent,
    PluginStatus,
    Rehearsal,
    StartRefused,
    Supervisor,
)
from stockade.telemetry import NOBODY, Watches
from stockade_sdk.audio import (
    SpeechRequest,
    SpeechResponse,
    TranscriptionRequest,
    TranscriptionResponse,
)
from stockade_sdk.capability import Attempt, DiscoveryOptions, ModelCatalog
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ProviderError
from stockade_sdk.image import ImageRequest, ImageResponse
from stockade_sdk.provider import Method, ProviderRequest, ProviderResponse
from stockade_sdk.rerank import RerankRequest, RerankResponse
from stockade_sdk.stream import Finish

from .background import Background
from .confining import Examined, Reached
from .discovery import Progress, Scanned
from .health import Health
from .inquiries import Inquiries
from .knowledge import Knowledge
from .opening import prepared
from .parts import Parts

FROM_THE_CACHE: Final = DiscoveryOptions()


class Host:
    """A running host; make one with :meth:`open`.

    ``home`` and ``settings`` are those it was opened with; ``state`` is its database.
    ``own_ports`` are loopback ports that no plugin reaches, whatever it was granted: who listens
    on one beside the host adds it there.
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
        self._parts = Parts(home, settings, state, watches, redirect=redirect, recorder=recorder)
        self._inquiries = Inquiries(self._parts, self.ask)
        self.own_ports = self._parts.own_ports

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        home: Home | Path | str | None = None,
        *,
        settings: Settings | None = None,
        on_event: Callable[[PluginEvent], None] = lambda event: None,
        watches: Watches = NOBODY,
        redirect: Redirect | None = None,
        recorder: Recorder | None = None,
    ) -> AsyncIterator[Host]:
        """A host over ``home`` (default: ``STOCKADE_HOME``, else the user's data folder).

        ``settings`` take the place of its ``stockade.toml``; ``on_event`` is told what becomes of
        workers, ``watches`` besides of every request and of what goes out. ``redirect`` and
        ``recorder`` are the author's kit's, see ``Broker.open``. Leaving ends every worker. Raises
        HostError where home, settings or state cannot be used.
        """
        place = home if isinstance(home, Home) else Home(Path(home)) if home else Home.find()
        async with AsyncExitStack() as stack:
            state, environment = await anyio.to_thread.run_sync(prepared, place, settings)
            stack.enter_context(state)
            stack.enter_context(hold_environment(environment))
            host = cls(
                place,
                settings or read_settings(place),
                state,
                watches,
                redirect=redirect,
                recorder=recorder,
            )
            await host._parts.start(stack, environment, on_event)
            for task in host._inquiries.tasks(random.random):
                await stack.enter_async_context(Background(task))
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
        parts = self._parts
        needs = needs_of(request)
        plan = parts.planner.plan(request, needs, plugin)
        timeout_s = self.settings.requests.timeout_s if timeout is None else timeout
        began = parts.endings.began(needs.capability, request)
        try:
            response = await parts.dispatcher.run(request, plan, timeout_s=timeout_s)
        except BaseException as error:
            parts.endings.failed(began, error)
            raise
        parts.endings.answered(began, response)
        return response

    def stream(
        self, request: ChatRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> Answer:
        """The events of one streamed answer: ``async with`` it, then iterate.

        Entering waits for the first output and raises as :meth:`run` does; a failure after that is
        raised by the iteration as its ProviderError, without a fallback. ``attempts`` are on it.
        """
        needs = needs_of(request)
        plan = self._parts.planner.plan(request, needs, plugin)
        timeout_s = self.settings.requests.timeout_s if timeout is None else timeout
        endings = self._parts.endings
        began = endings.began(needs.capability, request, streamed=True)

        def ended(attempts: tuple[Attempt, ...], finish: Finish | None) -> None:
            endings.streamed(began, attempts, finish, answer.first_output_s)

        answer = self._parts.dispatcher.stream(request, plan, timeout_s=timeout_s, ended=ended)
        return answer

    async def discover_models(self, options: DiscoveryOptions = FROM_THE_CACHE) -> ModelCatalog:
        """The models of the enabled plugins, of ``options.providers`` where it names some.

        Nobody is asked unless ``options`` say ``remote`` and ``refresh``; then each provider that
        can be is, and one that fails leaves the rest and what was kept of it. Raises UsageError for
        a provider that is not there.
        """
        return await self._inquiries.discover(options)

    def export_catalogue_json(self) -> str:
        """Every model of the enabled plugins as JSON, in a fixed order; what is unknown is null."""
        return self._inquiries.exported()

    async def scan_models(
        self,
        options: DiscoveryOptions,
        *,
        force: bool = False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> tuple[Scanned, ...]:
        """Ask providers for their models and keep what they say; what became of each.

        A list that lost more than half is kept back, unless ``force``. Raises UsageError as
        :meth:`discover_models` does.
        """
        return await self._inquiries.scan(options, force=force, on_progress=on_progress)

    async def check_health(
        self,
        plugins: Iterable[str] | None = None,
        *,
        on_progress: Callable[[Health, int, int], None] = lambda health, done, of: None,
    ) -> tuple[Health, ...]:
        """Ask these plugins how their vendors are (default: all that are enabled), side by side.

        Nothing that costs money is asked unless the settings say so. Raises nothing for a plugin
        that is not well or not there: that is what the answer says.
        """
        return await self._inquiries.health(plugins, on_progress=on_progress)

    def explain(
        self, needs: Needs, *, model: str | None = None, plugin: str | None = None
    ) -> Explanation:
        """Where a request with these needs would go, and why; nobody is called. Raises
        UsageError as :meth:`run` does.
        """
        return self._parts.planner.explain(needs, model=model, plugin=plugin, now=time.monotonic())

    def standings(self) -> Mapping[str, Standing]:
        """Which plugins and targets are not ready now, and why."""
        return self._parts.planner.standings()

    @property
    def knowledge(self) -> Knowledge:
        """What is installed, set and listed, as it was read last."""
        return self._parts.planner.knowledge

    async def ask(self, plugin: str, method: Method, *, timeout: float) -> Any:
        """``list_models`` or ``check_health`` of one plugin; raises ProviderError.

        Models come with the plugin as their provider, each id once; a report that has no latency
        gets that of the whole call, a worker's start included.
        """
        started = time.monotonic()
        answer = await self._parts.supervisor.call(plugin, method, None, timeout_s=timeout)
        match method:
            case Method.LIST_MODELS:
                # A list at its bounds takes a quarter of a second: requests do not wait for it.
                return await anyio.to_thread.run_sync(checked_models, plugin, answer)
            case Method.CHECK_HEALTH:
                return checked_health(answer, (time.monotonic() - started) * 1000)
        return answer

    async def reached(self) -> Reached:
        """The strongest tier that this machine gives workers; tried at the first call."""
        with tempfile.TemporaryDirectory(prefix="stockade-probe-") as scratch:
            parts = self._parts
            return await parts.confining.reached(parts.supervisor.probe, Path(scratch))

    def layers(self, tier: str) -> tuple[str, ...]:
        """The steps of a start in a tier, on this machine and for this user."""
        return self._parts.confining.layers(tier)

    async def examine(self) -> Examined:
        """What this machine gives, tier by tier and limit by limit, and why not, for `doctor`."""
        confining, supervisor = self._parts.confining, self._parts.supervisor
        with tempfile.TemporaryDirectory(prefix="stockade-probe-") as scratch:
            tried = await confining.examine(supervisor.probe, Path(scratch))
        return Examined(
            tried=tried,
            layers={tier: confining.layers(tier) for tier, _ in tried},
            controllers=supervisor.controllers,
            reasons=supervisor.why_not,
        )

    async def rehearse(self, plugin: str) -> Rehearsal:
        """Confine a worker of a plugin's, look at it from outside, and end it; nothing of the
        plugin is run. Raises HostError, and HostError's causes' like of a start that fails.
        """
        try:
            return await self._parts.supervisor.rehearse(plugin)
        except (StartRefused, ProviderError, OSError) as error:
            raise HostError(f"plugin {plugin} could not be confined", why=str(error)) from error

    async def settle(self) -> None:
        """Write down now what was learnt so far, so that a host which opens next knows it."""
        await self._parts.journal.flush()

    @property
    def workers(self) -> Supervisor:
        """The plugins' workers, past routing: one call is one try of one of them. For the author's
        kit; requests go through :meth:`run` and :meth:`stream`.
        """
        return self._parts.supervisor

    @property
    def in_flight(self) -> int:
        """How many requests are being answered."""
        return self._parts.endings.in_flight

    async def idle(self) -> None:
        """Wait until none is."""
        await self._parts.endings.idle()

    def status(self, plugin: str) -> PluginStatus:
        """Where a plugin's workers stand."""
        return self._parts.supervisor.status(plugin)

    def try_again(self, plugin: str) -> None:
        """Forget why a plugin was stopped; its next call starts it. Writes that down."""
        self.state.set_state(plugin, "enabled")
        self.start_again(plugin)

    def start_again(self, plugin: str) -> None:
        """The same, where it is written down already."""
        self._parts.start_again(plugin)

    async def refresh(self) -> None:
        """Read anew what is installed and set; workers of what is gone or changed are drained, side
        by side: none of them is taken for a call any more.
        """
        outdated = await self.renew()
        async with anyio.create_task_group() as tasks:
            for plugin in outdated:
                tasks.start_soon(self.drain, plugin)

    async def renew(self) -> tuple[str, ...]:
        """Read anew what is installed and set; the plugins whose workers are still of before, for
        the caller to drain. Raises StateError.
        """
        return await self._parts.renew()

    async def drain(self, plugin: str) -> None:
        """End a plugin's workers once their calls have ended; the next request starts new ones."""
        await self._parts.supervisor.drain(plugin)

    @property
    def tier(self) -> str | None:
        """The strongest tier that workers get here; None until `reached` tried it."""
        found = self._parts.confining.found
        return None if found is None else found.tier

    def note(self, text: str, *, plugin: str = "_host") -> None:
        """Lines for the host's own log, or for a plugin's."""
        for line in text.splitlines():
            self._parts.logbook.write(plugin, "host", line)
