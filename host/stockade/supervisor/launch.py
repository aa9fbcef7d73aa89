"""Starting one worker: what is needed for it, the process, the check of its hello."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from anyio.abc import TaskGroup

from stockade.process import Child, Listener, OnLine, RunFolder, remove_tree
from stockade_sdk import wire
from stockade_sdk.capability import Capability
from stockade_sdk.errors import ProviderError
from stockade_sdk.limits import Limits
from stockade_sdk.provider import SERVES, Method
from stockade_worker.plan import MAX_PLAN_BYTES, Plan

if TYPE_CHECKING:
    from stockade.egress import Outlet


class StartRefused(Exception):
    """The worker may not go on; `reason` says why and, where there is one, which line to mend."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is new with every start: the word the hello repeats, the socket, the scratch folder."""

    word: str
    listen_fd: int
    scratch: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A start, ready to be carried out: `argv` without the plan's descriptor, which comes last."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    plan: Plan
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRuntime:
    """What a supervisor has to know of a plugin to run it, all of it decided above.

    `limits` are what the grant and the operator's ceilings left. `prepare` makes the plan of a
    start, and raises StartRefused where there can be none on this machine.
    """

    name: str
    version: str
    digest: str
    capabilities: frozenset[Capability]  # of all its models
    limits: Limits
    load: wire.Load
    outlet: Outlet | None
    prepare: Callable[[Launch], Prepared]


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


@dataclass(slots=True)
class Started:
    """A child with the socket it will accept on."""

    child: Child
    listener: Listener
    scratch: Path
    plan: Plan
    tier: str


def start(
    runtime: PluginRuntime, folder: RunFolder, word: str, *, on_line: OnLine, tasks: TaskGroup
) -> Started:
    """Start the plugin's process; nothing of it has been checked yet.

    On the event loop's thread (see `Child.start`). Raises StartRefused and OSError; nothing is left
    open or running then.
    """
    listener = folder.listen()
    scratch = None
    try:
        scratch = folder.subfolder()
        prepared = runtime.prepare(Launch(word=word, listen_fd=listener.fd, scratch=scratch))
        with closing(_PlanPipe(prepared.plan)) as pipe:
            child = Child.start(
                (*prepared.argv, str(pipe.fd)),
                env=prepared.env,
                pass_fds=(listener.fd, pipe.fd),
                on_line=on_line,
                tasks=tasks,
            )
    except BaseException:
        listener.close()
        if scratch is not None:
            remove_tree(scratch)
        raise
    listener.let_go()  # the child's copy is the only one now: its end is seen by who connects
    return Started(child, listener, scratch, prepared.plan, prepared.tier)


class _PlanPipe:
    """A pipe's reading end with the whole plan in it and its writing end closed."""

    def __init__(self, plan: Plan) -> None:
        data = plan.to_json()
        if len(data) > MAX_PLAN_BYTES:  # more than a pipe holds: nobody reads before the start
            raise StartRefused(f"its plan has {len(data)} bytes; at most {MAX_PLAN_BYTES} can be")
        self.fd, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.write(write, data)
        finally:
            os.close(write)
        os.set_blocking(self.fd, True)  # the child reads it to its end

    def close(self) -> None:
        os.close(self.fd)


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
        "process id": (hello.pid, pid),
    }
    for what, (said, right) in told.items():
        if said != right:
            raise StartRefused(f"its worker's hello names another {what} than this start's")
    if hello.layers != plan.layers:
        missing = [layer for layer in plan.layers if layer not in hello.layers]
        which = f"without {', '.join(missing)}" if missing else "otherwise than planned"
        raise StartRefused(f"its worker confined itself {which}; see `stockade doctor`")


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
