"""Our side of the measures: a channel to a real worker, and a whole host over an installed plugin.

Workers are started as the host starts them: a base environment, a nursery, a plan of its own for
each; in any tier, from a nursery that is kept or each from a fresh one.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from anyio.abc import TaskGroup

from stockade import Host
from stockade.channel.channel import Channel
from stockade.packages import base_environment
from stockade.process import Child, Nurseries, RunFolder
from stockade.settings import Home
from stockade.supervisor.probing import PlanPipe
from stockade_sdk import wire
from stockade_sdk.limits import Limits
from stockade_worker.plan import FULL
from tests.system.forking import plan_of, program_of
from tests.system.plugin_samples import install, plugin_folder

from . import echoing

CONCURRENCY = 64
ECHOING = Path(echoing.__file__).read_text()
LIMITS = Limits(concurrency=CONCURRENCY)


class Started(NamedTuple):
    """A worker process, the socket it accepts on, and where it finds its plugin."""

    child: Child
    socket_path: str
    plugin_path: str


def prepare(folder: Path, source: str = ECHOING) -> Path:
    """The base environment and a plugin's module `sample.py` in `folder`; returns the former."""
    (folder / "plugin").mkdir()
    (folder / "plugin" / "sample.py").write_text(source)
    home = Home(folder / "home")
    home.ensure()
    return base_environment(home)


@dataclass
class Starts:
    """Starts of workers in one tier, in one way."""

    folder: Path
    environment: Path
    tier: str
    _run: RunFolder
    _nurseries: Nurseries
    _tasks: TaskGroup

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Started]:
        """A worker's process; it is killed at the end of the block."""
        with ExitStack() as stack:
            listener = self._run.listen()
            stack.callback(listener.close)
            plan, release = plan_of(
                self.tier,
                environment=self.environment,
                plugin_folder=self.folder / "plugin",
                scratch=self._run.subfolder(),
                launch=secrets.token_hex(4),
                limits=LIMITS,
            )
            stack.callback(release)
            with PlanPipe(plan) as pipe:
                child = await self._nurseries.fork(
                    program_of(self.environment),
                    (pipe.read, listener.fd),
                    namespaces=self.tier == FULL,
                    on_line=print,
                    tasks=self._tasks,
                )
                pipe.send()
            listener.let_go()
            inside = "/stockade/plugin" if self.tier == FULL else str(self.folder / "plugin")
            try:
                yield Started(child, listener.path, inside)
            finally:
                child.kill()
                with anyio.CancelScope(shield=True):
                    await child.exited()


@asynccontextmanager
async def starting(
    folder: Path, environment: Path, *, tier: str = FULL, keep: bool = True
) -> AsyncIterator[Starts]:
    """Ready to start workers: from a nursery that is kept, or each from a fresh one."""
    with RunFolder.create(folder / "run") as run:
        async with anyio.create_task_group() as tasks:
            nurseries = Nurseries(tasks, print, keep=keep)
            yield Starts(folder, environment, tier, run, nurseries, tasks)
            nurseries.close()


async def connected(worker: Started) -> Channel:
    """A channel to it, with the plugin loaded."""
    nowhere: Any = None  # these plugins make no requests of their own
    channel = await Channel.connect(worker.socket_path, outlet=nowhere, on_log=print)
    await channel.hello()
    load = wire.Load(
        entry="sample:Sample",
        path=(worker.plugin_path,),
        config={},
        secrets={},
        environment={},
        data_dir=None,
        concurrency=CONCURRENCY,
    )
    await channel.load(load)
    return channel


@asynccontextmanager
async def open_host(folder: Path) -> AsyncIterator[Host]:
    """A host over a home with the echoing plugin in it."""
    sample = plugin_folder(folder, "sample", ECHOING, concurrency=CONCURRENCY, request_timeout="1h")
    home = install(Home(folder / "home"), [sample])
    async with Host.open(home) as host:
        yield host
