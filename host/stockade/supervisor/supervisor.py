"""Every worker of this host: `call` and `stream` find one, start one, or say why there is none.

What a worker is and when it ends is in `worker`, who takes a call in `crew`. Nothing outlives the
`async with`: no process, descriptor, task, socket or folder.
"""

from __future__ import annotations

import random as _random
import secrets
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import TaskGroup

from stockade.channel.channel import Channel
from stockade.errors import HostError, NotInstalled
from stockade.process import Nurseries, Program, RunFolder, sweep_stale
from stockade.sandbox.cgroups import CgroupError, Cgroups, sweep_groups
from stockade.settings import SupervisionSettings
from stockade_sdk import wire
from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.provider import Method
from stockade_sdk.stream import ChatEvent
from stockade_worker.plan import Plan

from .answers import Unreadable, read_answer, read_events
from .board import write_board
from .crew import Crew, Replaced
from .launch import Means, PluginRuntime, WorkerChannel
from .lifecycle import Event
from .probing import Answer, run_probe
from .rehearsal import Rehearsal, rehearse
from .status import PluginEvent, PluginState, PluginStatus, What
from .worker import STOP_GRACE_S, Connect, Worker

DRAIN_S: Final = 30.0  # for calls in flight, where a plugin is taken down
CLOSE_S: Final = STOP_GRACE_S + 0.5  # for all workers to go when the host leaves
CLOSING: Final = "the host is closing"

Plugins = Mapping[str, PluginRuntime] | Callable[[str], PluginRuntime]


async def _connect(path: str, outlet: Any, on_log: Any, on_denied: Any) -> WorkerChannel:
    return await Channel.connect(path, outlet=outlet, on_log=on_log, on_denied=on_denied)


class Supervisor:
    """Runs plugins; use it in an `async with`. `plugins` gives what is needed to run one, by name,
    and is asked at every start; it raises HostError where there is none.
    """

    def __init__(
        self,
        plugins: Plugins,
        run: Path,
        settings: SupervisionSettings | None = None,
        *,
        on_event: Callable[[PluginEvent], None] = lambda event: None,
        on_line: Callable[[str, str, str], None] = lambda plugin, source, text: None,
        keep_nursery: bool = True,
        cgroups: Path | None = Path("/sys/fs/cgroup"),
        on_denied: Callable[[str, wire.Denied], None] = lambda plugin, denied: None,
        connect: Connect = _connect,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._runtime_of = plugins if callable(plugins) else partial(_named, plugins)
        self._run = run
        self._settings = settings or SupervisionSettings()
        self._on_event = on_event
        self._on_line = on_line
        self._on_denied = on_denied
        self._connect = connect
        self._clock = clock
        self._random = random
        self._crews: dict[str, Crew] = {}
        self._prepared: dict[str, Crew] = {}  # by `prepare`, until a `drain`
        self._leaving: set[Crew] = set()
        self._stack = AsyncExitStack()
        self._closing = False
        self._in_haste = False
        self._means: Means | None = None
        self._tasks: TaskGroup | None = None
        self._keep_nursery = keep_nursery
        self._cgroups_root = cgroups

    async def __aenter__(self) -> Self:
        await anyio.to_thread.run_sync(self._sweep)
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(RunFolder.create(self._run))
            cgroups = await anyio.to_thread.run_sync(self._open_cgroups, folder.path.name)
            stack.push_async_callback(_close_cgroups, cgroups)
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            note = partial(self._on_line, "nursery")
            nurseries = Nurseries(self._tasks, note, keep=self._keep_nursery)
            stack.callback(nurseries.close)
            self._means = Means(folder=folder, nurseries=nurseries, cgroups=cgroups)
            stack.push_async_exit(self._leave)
            self._stack = stack.pop_all()
        return self

    def _sweep(self) -> None:
        """What hosts left behind that were killed: their groups with all in them, their folders."""
        root = self._cgroups_root

        def groups(gone: str) -> None:
            if root is not None:
                sweep_groups(lambda name: name != gone, root=root)

        try:
            sweep_stale(self._run, groups)
        except CgroupError as error:  # something in there cannot be killed now
            self._on_line("host", "host", f"left for later: {error}")

    def _open_cgroups(self, name: str) -> Cgroups | None:
        return None if self._cgroups_root is None else Cgroups.open(name, root=self._cgroups_root)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        # A task group wraps whatever leaves its block in a group of errors. Who uses a supervisor
        # shall meet the error that was raised; only a cancellation is the task group's to handle.
        if error is None or isinstance(error, anyio.get_cancelled_exc_class()):
            return await self._stack.__aexit__(kind, error, trace)
        self._in_haste = True
        await self._stack.__aexit__(None, None, None)
        return None

    async def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._tasks is not None
        self._closing = True
        try:
            if error is None and not self._in_haste:
                with anyio.move_on_after(CLOSE_S):
                    await self.stop()
        finally:
            for crew in self._all():
                crew.closing = crew.closing or CLOSING
            self._tasks.cancel_scope.cancel()

    # --- requests ---

    async def call(self, plugin: str, method: Method, request: object, *, timeout_s: float) -> Any:
        """One call; the answer is of the type SHAPES has for `method`. Raises ProviderError, and
        HostError where there is no such plugin.
        """
        crew = self._crews.get(plugin) or self._crew(plugin)
        timeout_s = min(timeout_s, crew.runtime.limits.request_timeout_s)
        worker = crew.quick()
        if worker is None:
            crew, worker, timeout_s = await self._lease(crew, timeout_s)
        channel = worker.channel
        assert channel is not None
        worker.live += 1
        try:
            raw = await channel.call(method, request, timeout_s=timeout_s)
        except ProviderError as error:
            _note(worker, error)
            raise _explained(worker, error, timeout_s) from error
        except BaseException as error:
            _note(worker, error)
            raise
        finally:
            crew.done(worker)
        worker.served = True
        try:
            return read_answer(method, raw)
        except Unreadable as unreadable:
            raise worker.offend(unreadable.reason) from unreadable

    @asynccontextmanager
    async def stream(
        self, plugin: str, request: ChatRequest, *, timeout_s: float
    ) -> AsyncIterator[AsyncIterator[list[ChatEvent]]]:
        """Events of a streamed chat, in pieces; leaving the block cancels what is left of it.

        Errors as of `call`, raised by the iteration. The order of the events is the reader's to
        check.
        """
        crew = self._crews.get(plugin) or self._crew(plugin)
        timeout_s = min(timeout_s, crew.runtime.limits.request_timeout_s)
        worker = crew.quick()
        if worker is None:
            crew, worker, timeout_s = await self._lease(crew, timeout_s)
        channel = worker.channel
        assert channel is not None
        worker.live += 1
        try:
            async with channel.stream(Method.STREAM_CHAT, request, timeout_s=timeout_s) as pieces:
                yield Events(worker, pieces)
        finally:
            if channel.abandoned:
                worker.abandoned()
            crew.done(worker)

    # --- plugins ---

    def status(self, plugin: str) -> PluginStatus:
        """Where a plugin's workers stand; one that never ran is simply stopped."""
        crew = self._crews.get(plugin)
        return PluginStatus(state=PluginState.STOPPED) if crew is None else crew.status()

    def try_again(self, plugin: str) -> None:
        """Forget a plugin's deaths; its next call starts it."""
        crew = self._crews.get(plugin)
        if crew is not None:
            crew.try_again()

    @property
    def controllers(self) -> dict[str, int]:
        """Which control groups limit workers, each with its version."""
        assert self._means is not None
        return {} if self._means.cgroups is None else dict(self._means.cgroups.controllers)

    @property
    def why_not(self) -> dict[str, str]:
        """Why others do not."""
        assert self._means is not None
        return {} if self._means.cgroups is None else dict(self._means.cgroups.reasons)

    async def rehearse(self, plugin: str) -> Rehearsal:
        """Start a plugin's worker up to where it would be loaded, look at it, and end it.

        Raises StartRefused, HostError, ProviderError, OSError and TimeoutError.
        """
        assert self._means is not None
        return await rehearse(self._runtime_of(plugin), self._means, self._connect)

    async def probe(self, program: Program, plan: Plan) -> Answer:
        """Carry out a plan for its answer; see `run_probe`."""
        assert self._means is not None
        return await run_probe(self._means.nurseries, program, plan)

    async def ready(self, plugin: str, *, timeout_s: float) -> None:
        """Have a worker that takes calls, a new one where there is none. Raises as `call`."""
        crew = self._crews.get(plugin) or self._crew(plugin)
        await self._lease(crew, timeout_s)

    async def prepare(self, plugin: str, *, timeout_s: float) -> None:
        """Have a worker of what `plugins` says now ready beside those that take calls, for the next
        `drain` to put in their place; after `timeout_s` it is left to start by itself. Does nothing
        where none run.

        What became of a start that failed is for the next call to hear.
        """
        before = self._crews.get(plugin)
        if before is None or not before.ready:
            return
        self.dismiss(plugin)
        try:
            crew = self._made(plugin)
        except (HostError, ProviderError):
            return
        self._prepared[plugin] = crew
        wanted = False
        try:
            await crew.lease(timeout_s)
            wanted = True
        except Replaced:  # it was put in place meanwhile, and another in its
            pass
        except HostError:
            pass
        except ProviderError as error:
            wanted = error.kind is ErrorKind.TIMEOUT
        finally:
            if not wanted and self._prepared.get(plugin) is crew:  # else another was asked for
                self.dismiss(plugin)

    def prepared(self, plugin: str) -> bool:
        """Whether a worker that was prepared could take calls now."""
        crew = self._prepared.get(plugin)
        return crew is not None and bool(crew.ready)

    def dismiss(self, plugin: str) -> None:
        """End what was prepared and is not wanted after all."""
        crew = self._prepared.pop(plugin, None)
        if crew is not None:
            self._leaving.add(crew)
            crew.close("it is not needed", Event.STOP)

    async def drain(self, plugin: str, *, deadline_s: float = DRAIN_S) -> None:
        """Let a plugin's workers finish their calls, for so long, and end them.

        Calls that come meanwhile, and those that wait, get new workers, of what `plugins` says
        then: where one was prepared it is there already, and then those that are replaced have the
        time that a call may take.
        """
        prepared = self._prepared.pop(plugin, None)
        crew = self._crews.pop(plugin, None)
        if prepared is not None:
            self._crews[plugin] = prepared
        if crew is None:
            return
        if prepared is not None:
            deadline_s = max(deadline_s, crew.runtime.limits.request_timeout_s)
        self._leaving.add(crew)
        crew.hand_over()
        crew.close("it is being taken down", Event.DRAIN)
        with anyio.move_on_after(deadline_s):
            await crew.empty()
        crew.close("it was taken down", Event.STOP)
        await crew.empty()

    async def stop(self) -> None:
        """End all workers, calls in flight included; politely first, then by SIGKILL."""
        crews = self._all()
        for crew in crews:
            crew.close(CLOSING, Event.STOP)
        for crew in crews:
            await crew.empty()

    def _all(self) -> list[Crew]:
        self._leaving = {crew for crew in self._leaving if crew.workers}
        return [*self._crews.values(), *self._prepared.values(), *self._leaving]

    def _crew(self, plugin: str) -> Crew:
        crew = self._crews[plugin] = self._made(plugin)
        return crew

    def _made(self, plugin: str) -> Crew:
        crew = Crew(
            plugin,
            self._runtime_of,
            self._recruit,
            settings=self._settings,
            tell=self._tell,
            random=self._random,
            clock=self._clock,
        )
        if self._closing:
            crew.closing = CLOSING
        return crew

    async def _lease(self, crew: Crew, timeout_s: float) -> tuple[Crew, Worker, float]:
        """As `Crew.lease`, and of the crew that takes its place where it is drained meanwhile."""
        deadline = self._clock() + timeout_s
        while True:
            try:
                return (crew, *await crew.lease(deadline - self._clock()))
            except Replaced:
                crew = self._crews.get(crew.name) or self._crew(crew.name)

    def _tell(self, event: PluginEvent) -> None:
        if event.what is not What.STARTED:
            self._post()
        self._on_event(event)

    def _post(self) -> None:
        """Say for other processes which workers there are."""
        assert self._means is not None
        write_board(
            self._means.folder.path,
            [worker for crew in self._all() for worker in crew.posted()],
        )

    def _recruit(self, crew: Crew, runtime: PluginRuntime, delay_s: float) -> Worker:
        assert self._tasks is not None
        worker = Worker(
            runtime,
            crew,
            settings=self._settings,
            word=secrets.token_hex(16),
            connect=self._connect,
            on_text=partial(self._on_line, runtime.name),
            on_denied=partial(self._on_denied, runtime.name),
            clock=self._clock,
        )
        self._tasks.start_soon(self._live, crew, worker, delay_s, name=f"worker of {runtime.name}")
        return worker

    async def _live(self, crew: Crew, worker: Worker, delay_s: float) -> None:
        assert self._means is not None
        try:
            await worker.run(self._means, delay_s=delay_s)
        except Exception as error:  # noqa: BLE001  # a fault of ours ends this worker and no other
            lines = traceback.format_exception(error)
            for line in "".join(lines).splitlines():
                self._on_line(crew.name, "host", line)
            if worker in crew.workers:
                worker.error = ProviderError(ErrorKind.UNKNOWN, f"its supervision failed: {error}")
                crew.withdraw(worker)
                crew.bury(worker)


async def _close_cgroups(cgroups: Cgroups | None) -> None:
    if cgroups is not None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(cgroups.close)


class Events:
    """A stream's events, a list at a time."""

    __slots__ = ("_pieces", "_worker")

    def __init__(self, worker: Worker, pieces: AsyncIterator[msgspec.Raw]) -> None:
        self._worker = worker
        self._pieces = pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[ChatEvent]:
        raw = await self._pieces.__anext__()
        self._worker.served = True
        try:
            return read_events(raw)
        except Unreadable as unreadable:
            raise self._worker.offend(unreadable.reason) from unreadable


def _note(worker: Worker, error: BaseException) -> None:
    """A call that timed out or was cancelled may be owed an answer still."""
    if not isinstance(error, ProviderError) or error.kind is ErrorKind.TIMEOUT:
        worker.abandoned()


def _explained(worker: Worker, error: ProviderError, timeout_s: float) -> ProviderError:
    """The error, with what the worker's processor limit had to do with a timeout."""
    why = worker.slowness(timeout_s) if error.kind is ErrorKind.TIMEOUT else None
    if why is None:
        return error
    return ProviderError(error.kind, f"{error.message}: {why}", phase=error.phase)


def _named(plugins: Mapping[str, PluginRuntime], name: str) -> PluginRuntime:
    try:
        return plugins[name]
    except KeyError:
        raise NotInstalled(
            f"there is no plugin called {name}", remedy="`stockade list` names those there are"
        ) from None
