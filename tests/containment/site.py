"""Homes with the hostile plugin in them, hosts over those, and a way to ask it for an attempt."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psutil

from stockade import Host
from stockade.packages import commit_install, plan_install
from stockade.settings import Home, Settings, SupervisionSettings
from stockade.state import State
from stockade.supervisor import PluginEvent
from stockade_sdk import ChatRequest
from stockade_sdk.hosts import HostRule

CODE = Path(__file__).parent / "hostile"
PATIENCE_S = 30.0  # for anything on a busy machine
SUPERVISION = SupervisionSettings(deaths=1000)
DENIED = {"EPERM", "EACCES", "ENOENT", "EROFS", "ENOSYS", "ENOTDIR", "EXDEV"}

MANIFEST = """
manifest = 1

[plugin]
name = "{name}"
version = "1.0.0"
summary = "Tries to get out"
entry = "hostile:Provider"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]

[permissions]
{permissions}

[limits]
{limits}
"""


@dataclass
class Site:
    """A home in a folder, beside it what a plugin is granted and what it is not."""

    root: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.home = Home(self.root / "home")
        self.home.ensure()
        self.outside = self.folder("outside")
        self.readable = self.folder("readable")
        self.writable = self.folder("writable")

    def folder(self, name: str) -> Path:
        """A folder beside the home, which anybody may read."""
        path = self.root / name
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
        return path

    def plant(self, folder: Path, text: str) -> Path:
        """A new file that anybody may read."""
        path = folder / f"planted-{next(self._numbers)}"
        path.write_text(text)
        path.chmod(0o644)
        return path

    def install(
        self,
        name: str,
        *,
        permissions: str = "",
        limits: str = "",
        operator_hosts: Sequence[str] = (),
    ) -> str:
        """Install the hostile plugin under a name, all that it asks for granted."""
        source = self.folder("sources") / name
        shutil.copytree(CODE, source / "hostile", ignore=shutil.ignore_patterns("__pycache__"))
        text = MANIFEST.format(name=name, permissions=permissions, limits=limits)
        (source / "plugin.toml").write_text(text)
        with State.open(self.home) as state:
            proposal = plan_install(self.home, state, str(source))
            commit_install(
                self.home,
                state,
                proposal,
                granted=proposal.asked,
                operator_hosts=tuple(map(HostRule.parse, operator_hosts)),
            )
        return name

    def data(self, name: str) -> Path:
        """A plugin's own folder, as the host sees it."""
        return self.home.data_of(name)

    def log(self, name: str) -> str:
        """What the host wrote of a plugin."""
        path = self.home.log_of(name)
        return path.read_text() if path.exists() else ""

    def everything_written(self, *, but: Sequence[Path] = ()) -> Iterator[Path]:
        """Every file of the home, except those in `but`."""
        for folder, _, files in os.walk(self.home.root):
            for file in files:
                path = Path(folder) / file
                if path not in but and path.is_file() and not path.is_symlink():
                    yield path

    @asynccontextmanager
    async def host(
        self,
        tier: str,
        *names: str,
        reached: str | None = "",
        settings: Settings | None = None,
        on_event: Callable[[PluginEvent], None] = lambda event: None,
        prepare: Callable[[Host], None] = lambda host: None,
    ) -> AsyncIterator[Inmates]:
        """A host that takes `tier` as enough for each of `names`, with their workers started in
        it; `reached` is another tier that they are to be in, None any. `prepare` is done to the
        host before.
        """
        wanted = settings or Settings(
            supervision=SUPERVISION,
            minimum_tier=tier,
            plugin_minimum_tiers=dict.fromkeys(names, tier),
        )
        # One thread for what would block, and always the same: later ones would be called leaks.
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        async with Host.open(self.home, settings=wanted, on_event=on_event) as host:
            prepare(host)
            inmates = Inmates(self, host)
            for name in names:
                assert (await inmates.attempt(name, "hello"))["pid"] > 0
                if reached is not None:
                    assert host.status(name).workers[0].tier == (reached or tier)
            if names and tier == "full":
                await inmates.settle(names[0])
            yield inmates


@dataclass
class Inmates:
    """Workers of a running host; the plugin's word, and where to look for more than that."""

    site: Site
    host: Host

    async def attempt(self, plugin: str, act: str, *, timeout: float = 20.0, **given: Any) -> Any:
        """Let a plugin try something; what it says of it."""
        request = ChatRequest.of_text(json.dumps({"act": act, "given": given}))
        response = await self.host.run(request, plugin=plugin, timeout=timeout)
        return json.loads(response.text)

    async def settle(self, plugin: str) -> None:
        """Let the nursery have its next child ready, which would be called a leak later."""
        workers = sum(len(crew.workers) for crew in self.host._parts.supervisor._crews.values())
        nursery = psutil.Process(self.pid(plugin)).parent()
        assert nursery is not None
        with anyio.move_on_after(1.0):
            while len(nursery.children()) <= workers:  # noqa: ASYNC110
                await anyio.sleep(0.005)

    def pid(self, plugin: str) -> int:
        """Of its worker, as the kernel numbers it for us."""
        (worker,) = self.host.status(plugin).workers
        assert worker.pid is not None
        return worker.pid

    def inside(self, plugin: str, folder: str) -> str:
        """What a plugin calls a folder of its own: `data`, `plugin`, `base` or `scratch`."""
        (worker,) = self.workers(plugin)
        plan = worker.plan
        assert plan is not None
        if folder in ("base", "scratch"):
            return str(getattr(plan, folder))
        if plan.tier == "full":
            return f"/stockade/{folder}"
        number = {"plugin": 2, "data": 3}[folder]
        return f"/proc/self/fd/{10 + number}"

    def workers(self, plugin: str) -> list[Any]:
        """The supervisor's own."""
        return list(self.host._parts.supervisor._crews[plugin].workers)


def kernel_status(pid: int) -> dict[str, str]:
    """What the kernel says of a process, by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def until(true: Callable[[], bool], *, seconds: float = PATIENCE_S) -> None:
    """Wait until `true`; what is waited for comes from other processes and tells nobody."""
    with anyio.fail_after(seconds):
        while not true():  # noqa: ASYNC110
            await anyio.sleep(0.005)
