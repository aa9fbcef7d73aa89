"""Starting one worker: what is needed for it, the process, the check of its hello."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import TaskGroup

from stockade.process import Child, Listener, Nurseries, OnLine, Program, RunFolder, remove_tree
from stockade.sandbox.cgroups import CgroupError, Cgroups
from stockade.sandbox.plan import compare_acts
from stockade.sandbox.verify import compare, look
from stockade_sdk import wire
from stockade_sdk.capability import Capability
from stockade_sdk.errors import ProviderError
from stockade_sdk.limits import Limits
from stockade_sdk.provider import SERVES, Method
from stockade_worker.plan import FULL, Plan

from .bounds import Bounds, measured
from .probing import PlanPipe, Probe, StartRefused, run_probe

if TYPE_CHECKING:
    from stockade.egress import Outlet


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is new with every start: the word that the hello repeats and the scratch folder; and
    `probe`, for whoever has to know first what this machine can do.
    """

    word: str
    scratch: Path
    probe: Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A start, ready to be carried out: what to fork, the plan, what the worker is to load, and
    what is to be given back when it has ended (or was never begun). `data` is its own folder.
    """

    program: Program
    plan: Plan
    load: wire.Load
    release: Callable[[], None]
    data: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRuntime:
    """What a supervisor has to know of a plugin to run it, all of it decided above.

    `limits` are what the grant and the operator's ceilings left. `prepare` makes the plan of a
    start, and raises StartRefused or HostError where there can be none on this machine.
    """

    name: str
    version: str
    digest: str
    capabilities: frozenset[Capability]  # of all its models
    limits: Limits
    outlet: Outlet | None
    prepare: Callable[[Launch], Awaitable[Prepared]]


class WorkerChannel(Protocol):
    """What the supervisor uses of `channel.Channel`."""

    violation: str | None

    @property
    def in_flight(self) -> int: ...
    @property
    def abandoned(self) -> int: ...
    async def hello(self) -> wire.Hello: ...
    async def load(self, load: wire.Load) -> tuple[str, ...]: ...
    async def call(self, method: str, request: object, *, timeout_s: float) -> msgspec.Raw: ...
    def stream(
        self, method: str, request: object, *, timeout_s: float
    ) -> AbstractAsyncContextManager[AsyncIterator[msgspec.Raw]]: ...
    async def ping(self) -> None: ...
    def send_stop(self) -> None: ...
    async def closed(self) -> str: ...
    def fail(self, error: ProviderError) -> None: ...
    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a supervisor starts workers with."""

    folder: RunFolder
    nurseries: Nurseries
    cgroups: Cgroups | None


@dataclass(slots=True, kw_only=True)
class Started:
    """A child with the socket it will accept on; `end` it when the child has ended."""

    child: Child
    listener: Listener
    scratch: Path
    program: Program
    plan: Plan
    load: wire.Load
    bounds: Bounds
    woken: anyio.Event
    tunnel: socket.socket | None  # our end, for the egress
    _stack: ExitStack

    async def end(self) -> bool:
        """Give back what the start took; twice is once. False where a control group stays."""
        try:
            return await self.bounds.remove()
        finally:
            self._stack.close()


async def start(
    runtime: PluginRuntime,
    word: str,
    *,
    means: Means,
    on_line: OnLine,
    tasks: TaskGroup,
) -> Started:
    """Start the plugin's process; nothing of it has been checked yet.

    On the event loop's thread (see `Child.start`). Raises StartRefused, HostError and OSError;
    nothing is left open or running then. Its scratch folder is the caller's to remove afterwards.
    """
    woken = anyio.Event()
    tasks.start_soon(_wake, means.cgroups, woken)
    with ExitStack() as stack:
        listener = means.folder.listen()
        stack.callback(listener.close)
        with ExitStack() as unfinished:
            scratch = means.folder.subfolder()
            unfinished.callback(remove_tree, scratch)
            probe = partial(run_probe, means.nurseries)
            prepared = await runtime.prepare(Launch(word=word, scratch=scratch, probe=probe))
            stack.callback(prepared.release)
            await _refuse_full(prepared.data)
            with PlanPipe(prepared.plan) as pipe, _tunnel(prepared.plan, stack) as ends:
                child = await means.nurseries.fork(
                    prepared.program,
                    (pipe.read, listener.fd, *(end.fileno() for end in ends[1:])),
                    namespaces=prepared.plan.tier == FULL,
                    on_line=on_line,
                    tasks=tasks,
                )
                unfinished.callback(child.kill)
                pipe.send()
            # While it confines itself: it is put in when it has said hello.
            bounds = _bounds(runtime, prepared, scratch, means.cgroups)
            unfinished.pop_all()
        listener.let_go()  # the child's copy is the only one now: its end is seen by who connects
        return Started(
            child=child,
            listener=listener,
            scratch=scratch,
            program=prepared.program,
            plan=prepared.plan,
            load=prepared.load,
            bounds=bounds,
            woken=woken,
            tunnel=ends[0] if ends else None,
            _stack=stack.pop_all(),
        )


async def _wake(cgroups: Cgroups | None, woken: anyio.Event) -> None:
    """Have the kernel ready to move a process by the time that there is one: it takes 6 ms."""
    try:
        if cgroups is not None:
            await anyio.to_thread.run_sync(cgroups.wake)
    except CgroupError:  # then the move will say what is wrong
        return
    finally:
        woken.set()


@contextmanager
def _tunnel(plan: Plan, stack: ExitStack) -> Iterator[tuple[socket.socket, ...]]:
    """Our end and the worker's of its tunnel, if it has one; the worker's is closed here after the
    fork, so that its end is seen.
    """
    if not plan.tunnel:
        yield ()
        return
    ours, theirs = socket.socketpair()
    stack.callback(ours.close)
    with theirs:
        yield ours, theirs


async def _refuse_full(data: Path | None) -> None:
    over = await measured(data) if data is not None else None
    if over is not None:
        raise StartRefused(f"its data folder: {over.reason}; {over.remedy}")


def _bounds(
    runtime: PluginRuntime, prepared: Prepared, scratch: Path, cgroups: Cgroups | None
) -> Bounds:
    return Bounds.create(
        runtime.limits,
        cgroups,
        subprocess=prepared.plan.subprocess,
        data=prepared.data,
        scratch=None if prepared.plan.tier == FULL else scratch,  # a tmpfs there
    )


async def check(started: Started, hello: wire.Hello, runtime: PluginRuntime) -> None:
    """All that has to hold before a worker is told of its plugin. Raises StartRefused, CgroupError.

    It is put into its control group here and not before: until now it has run nothing but ours, and
    the kernel takes its time to get ready for a move.
    """
    check_hello(hello, runtime, started.plan, started.child.pid)
    await started.woken.wait()
    started.bounds.place(started.child.pid)
    check_walls(hello, started.plan, started.child.pid)


def check_hello(hello: wire.Hello, runtime: PluginRuntime, plan: Plan, pid: int) -> None:
    """Compare what a worker says of itself with what it was told to be. Raises StartRefused."""
    ours = (wire.PROTOCOL_MIN, wire.PROTOCOL_MAX)
    theirs = (hello.protocol_min, hello.protocol_max)
    if theirs[0] > ours[1] or theirs[1] < ours[0]:
        raise StartRefused(
            f"its worker speaks protocol {theirs[0]} to {theirs[1]}, this host {ours[0]} to "
            f"{ours[1]}; install host and worker of one version"
        )
    told = {
        "launch word": (hello.launch, plan.launch),
        "plugin": (hello.plugin, runtime.name),
        "digest": (hello.digest, runtime.digest),
        "process id": (hello.pid, 1 if plan.tier == FULL else pid),  # in its own namespace
    }
    for what, (said, right) in told.items():
        if said != right:
            raise StartRefused(f"its worker's hello names another {what} than this start's")
    if hello.layers != plan.layers:
        missing = [layer for layer in plan.layers if layer not in hello.layers]
        which = f"without {', '.join(missing)}" if missing else "otherwise than planned"
        raise StartRefused(f"its worker confined itself {which}; see `stockade doctor`")


def check_walls(hello: wire.Hello, plan: Plan, pid: int) -> None:
    """Look at the worker from outside, and at what it found when it tried. Raises StartRefused."""
    try:
        wrong = compare(plan, look(pid))
    except (OSError, ValueError) as error:
        wrong = [f"the kernel does not show how it is confined: {error}"]
    wrong += compare_acts(plan, hello.acts)
    if wrong:
        raise StartRefused(f"its worker is not confined as planned: {'; '.join(wrong)}")


def check_methods(methods: tuple[str, ...], capabilities: frozenset[Capability]) -> None:
    """See that the loaded provider has what its manifest promises. Raises StartRefused."""
    known = {method.value for method in Method}
    for method in methods:
        if method not in known:
            raise StartRefused("its worker names a method that does not exist")
    for capability in sorted(capabilities):
        if not any(method in methods for method in SERVES[capability]):
            needed = " or ".join(SERVES[capability])
            raise StartRefused(
                f"its manifest names {json.dumps(capability)} among its capabilities, but its "
                f"provider has no method {needed}; write the method, or take the word out of "
                "`capabilities` in plugin.toml"
            )
