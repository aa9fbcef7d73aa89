"""Our side of the measures: a channel to a real worker, and a whole host over an installed plugin.

Workers are started as the host starts them: the base environment, `start.py`, a plan, six layers.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from stockade import Host
from stockade.app.runtimes import FLAGS, PYTHON
from stockade.channel.channel import Channel
from stockade.packages import base_environment
from stockade.sandbox.plan import plan_worker
from stockade.settings import Home
from stockade_sdk import wire
from stockade_sdk.limits import Limits
from stockade_worker.plan import MALLOC_ENVIRONMENT
from tests.system.plugin_samples import install, plugin_folder

from . import echoing

CONCURRENCY = 64
ECHOING = Path(echoing.__file__).read_text()
LIMITS = Limits(concurrency=CONCURRENCY)


class Started(NamedTuple):
    """A worker process and the socket it accepts on."""

    child: subprocess.Popen[bytes]
    socket_path: str


def prepare(folder: Path, source: str = ECHOING) -> Path:
    """The base environment and a plugin's module `sample.py` in `folder`; returns the former."""
    (folder / "plugin").mkdir()
    (folder / "plugin" / "sample.py").write_text(source)
    home = Home(folder / "home")
    home.ensure()
    return base_environment(home)


@contextmanager
def started(folder: Path, environment: Path) -> Iterator[Started]:
    """A worker's process; it is killed at the end of the block."""
    word = secrets.token_hex(4)
    path, scratch = str(folder / word), folder / f"scratch-{word}"
    scratch.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        reading, writing = os.pipe()
        plan = plan_worker(
            plugin="sample",
            digest="none",
            limits=LIMITS,
            launch=word,
            host_pid=os.getpid(),
            listen_fd=listener.fileno(),
            scratch=str(scratch),
        )
        os.write(writing, plan.to_json())
        os.close(writing)
        start = environment / "stockade_worker" / "start.py"
        child = subprocess.Popen(
            [PYTHON, *FLAGS, str(start), str(reading)],
            pass_fds=[reading, listener.fileno()],
            env=MALLOC_ENVIRONMENT,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        os.close(reading)
    try:
        yield Started(child, path)
    finally:
        child.kill()
        child.wait()


async def connected(worker: Started, folder: Path) -> Channel:
    """A channel to it, with the plugin loaded."""
    nowhere: Any = None  # these plugins make no requests of their own
    channel = await Channel.connect(worker.socket_path, outlet=nowhere, on_log=print)
    await channel.hello()
    load = wire.Load(
        entry="sample:Sample",
        path=(str(folder / "plugin"),),
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
