"""A host with a rogue plugin and a steady one beside it, and what is measured of that host.

Everything is judged from the host's side: its answers and errors, its events, the kernel's word
on its memory.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from stockade import Host
from stockade.packages import commit_install, plan_install
from stockade.settings import Home, RoutingPolicy, Settings, SupervisionSettings
from stockade.state import State
from stockade.supervisor import PluginEvent, PluginState, What
from stockade_sdk import Capability, ChatRequest, ChatResponse
from stockade_sdk.provider import ProviderRequest, ProviderResponse

MIB = 1024 * 1024
MAX_GROWTH_BYTES = 32 * MIB  # of a host, whatever a plugin of its does
PATIENCE_S = 20.0  # for anything on a busy machine
ROUTED = (Capability.CHAT, Capability.EMBEDDING)
SUPERVISION = SupervisionSettings(deaths=100, ping_interval_s=0.1, ping_timeout_s=1.0)

MANIFEST = """
manifest = 1

[plugin]
name = "{name}"
version = "1.0.0"
summary = "For tests"
entry = "{module}:Provider"
sdk = ">=0.1,<0.2"

[[models]]
id = "m"
capabilities = {capabilities}

[limits]
{limits}

[permissions]
{permissions}
"""

HEAD = """
import asyncio, contextlib, ctypes, gc, math, os, resource, signal, socket, subprocess, sys
import threading, time
import msgspec
from stockade_sdk import *
from stockade_sdk import wire

FINE = ChatResponse.of_text("fine")
"""

STEADY = """
class Provider:
    def __init__(self):
        self.held, self.release = 0, asyncio.Event()

    async def chat(self, request, ctx):
        match request.last_text:
            case "hold":
                self.held += 1
                await self.release.wait()
            case "held?":
                return ChatResponse.of_text(str(self.held))
            case "release":
                self.release.set()
        return ChatResponse.of_text("steady " + request.last_text)

    async def embed(self, request, ctx):
        return EmbeddingResponse(embeddings=tuple((0.5,) for _ in request.input))
"""


@dataclass
class Site:
    """A home to install plugins in."""

    home: Home
    sources: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def install(
        self,
        source: str,
        *,
        name: str = "",
        capabilities: tuple[str, ...] = ("chat", "embedding"),
        limits: str = "",
        permissions: str = "",
    ) -> str:
        """Install a plugin of one module, all granted that it asks for; returns its name."""
        name = name or f"rogue-{next(self._numbers)}"
        module = name.replace("-", "_")
        folder = self.sources / name
        folder.mkdir()
        (folder / f"{module}.py").write_text(HEAD + source)
        (folder / "plugin.toml").write_text(
            MANIFEST.format(
                name=name,
                module=module,
                capabilities=json.dumps(capabilities),
                limits=limits,
                permissions=permissions,
            )
        )
        with State.open(self.home) as state:
            proposal = plan_install(self.home, state, str(folder))
            commit_install(self.home, state, proposal, granted=proposal.asked)
        return name

    @asynccontextmanager
    async def host(self, rogue: str) -> AsyncIterator[Stage]:
        """A host whose requests go to `rogue` first and to the steady plugin after it."""
        route = RoutingPolicy((f"{rogue}/m", "steady/m"))
        settings = Settings(supervision=SUPERVISION, routes=dict.fromkeys(ROUTED, route))
        events: list[PluginEvent] = []
        news = News()

        def hear(event: PluginEvent) -> None:
            events.append(event)
            news.come()

        async with Host.open(self.home, settings=settings, on_event=hear) as host:
            yield Stage(host, rogue, events, news)


def new_site(folder: Path) -> Site:
    """A home with the steady plugin in it."""
    sources = folder / "sources"
    sources.mkdir()
    home = Home(folder / "home")
    home.ensure()
    site = Site(home, sources)
    site.install(STEADY, name="steady")
    return site


class News:
    """Something happened: whoever waits looks again."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def come(self) -> None:
        self._event.set()
        self._event = anyio.Event()

    async def wait(self) -> None:
        await self._event.wait()


@dataclass
class Stage:
    """A running host and what was heard of its workers."""

    host: Host
    rogue: str
    events: list[PluginEvent]
    news: News

    async def ask(
        self,
        request: ProviderRequest | str = "go",
        *,
        timeout: float = PATIENCE_S,
        plugin: str = "",
    ) -> ProviderResponse:
        """One request along the route, or to one plugin."""
        asked = ChatRequest.of_text(request) if isinstance(request, str) else request
        return await self.host.run(asked, timeout=timeout, plugin=plugin or None)

    async def text(self, request: str = "go", *, plugin: str = "", timeout: float = 20.0) -> str:
        """The answer's text."""
        response = await self.ask(request, plugin=plugin, timeout=timeout)
        assert isinstance(response, ChatResponse)
        return response.text

    def pids(self) -> list[int]:
        """Of the rogue's workers, by the host's word."""
        workers = self.host.status(self.rogue).workers
        return [worker.pid for worker in workers if worker.pid is not None]

    def log(self) -> str:
        """What the host wrote of the rogue."""
        path = self.host.home.logs / f"{self.rogue}.log"
        return path.read_text() if path.exists() else ""

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until `true`, which an event or the passing of a moment makes so."""
        with anyio.fail_after(PATIENCE_S):
            while not true():
                with anyio.move_on_after(0.02):
                    await self.news.wait()

    async def died(self) -> str:
        """Wait for the end of a worker of the rogue's; the reason that the host gave."""
        await self.until(lambda: any(self._is_death(event) for event in self.events))
        return next(event.reason for event in self.events if self._is_death(event))

    def deaths(self) -> list[PluginEvent]:
        """Ends of the rogue's workers that were their own fault."""
        return [event for event in self.events if self._is_death(event)]

    def _is_death(self, event: PluginEvent) -> bool:
        return event.plugin == self.rogue and event.what in (What.DIED, What.GAVE_UP)

    @asynccontextmanager
    async def unharmed(self, *, most: int = MAX_GROWTH_BYTES) -> AsyncIterator[None]:
        """See that a call of another plugin, in flight all along, is answered right, and that this
        process grows by less than `most` bytes, at any moment.
        """
        assert await self.text("hello", plugin="steady") == "steady hello"
        answers: list[str] = []

        async def hold() -> None:
            answers.append(await self.text("hold", plugin="steady"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hold)
            with anyio.fail_after(PATIENCE_S):
                while await self.text("held?", plugin="steady") == "0":
                    pass
            with grows_less_than(most):
                yield
            assert not answers
            assert await self.text("release", plugin="steady") == "steady release"
        assert answers == ["steady hold"]
        assert self.host.status("steady").state is PluginState.READY
        assert not [event for event in self.events if event.plugin == "steady"][2:]


@contextmanager
def grows_less_than(most: int) -> Iterator[None]:
    """See that this process' resident memory never exceeds what it was by `most` bytes."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is kept for reuse would hide growth
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM := VmRSS, proc_pid_clear_refs(5)
    before = memory("VmRSS")
    yield
    grown = memory("VmHWM") - before
    assert grown < most, f"the host grew by {grown / MIB:.1f} MiB"


def memory(field: str) -> int:
    """A line of this process' /proc/self/status, in bytes."""
    found = re.search(
        rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE
    )
    assert found is not None
    return int(found[1]) * 1024
