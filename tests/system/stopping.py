"""Workers that are stopped with SIGSTOP: one with a call in hand, one with nothing to do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from stockade import AllAttemptsFailed, Host
from stockade.settings import Home, RoutingPolicy, Settings
from stockade.supervisor import What
from stockade_sdk import ChatRequest, ChatResponse
from stockade_sdk.capability import Capability

from .patience import News, until
from .plugin_samples import install, plugin_folder

# Says who it is, at once or never.
SOURCE = """
import asyncio, uuid
from stockade_sdk import ChatResponse
class Sample:
    name = uuid.uuid4().hex
    async def chat(self, request, ctx):
        if request.last_text == "wait" and "{name}" == "first":
            await asyncio.sleep(3600)
        return ChatResponse.of_text("{name} " + self.name)
"""


@dataclass(slots=True)
class Stopping:
    """A host with two plugins on its route, and what became of them."""

    host: Host
    news: News

    async def ask(self, text: str, *, timeout: float, plugin: str | None = None) -> ChatResponse:
        """One request."""
        request = ChatRequest.of_text(text)
        response = await self.host.run(request, timeout=timeout, plugin=plugin)
        assert isinstance(response, ChatResponse)
        return response

    async def stop_idle(self) -> tuple[float, str, str]:
        """Stop a worker that has nothing to do: seconds until another is ready, and the answers
        before and after.
        """
        before = (await self.ask("who", timeout=20, plugin="first")).text
        ready = self.news.count(What.READY, "first")
        began = time.monotonic()
        os.kill(self.pid(), signal.SIGSTOP)
        await self.news.until(What.READY, "first", ready + 1)
        took = time.monotonic() - began
        return took, before, (await self.ask("who", timeout=20, plugin="first")).text

    async def stop_busy(
        self, *, timeout: float, plugin: str | None = None
    ) -> tuple[float, ChatResponse | AllAttemptsFailed]:
        """Stop a worker in the middle of a call: seconds from the call to its outcome, and that."""
        await self.ask("who", timeout=20, plugin="first")
        outcomes: list[ChatResponse | AllAttemptsFailed] = []

        async def ask() -> None:
            try:
                outcomes.append(await self.ask("wait", timeout=timeout, plugin=plugin))
            except AllAttemptsFailed as failed:
                outcomes.append(failed)

        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await until(lambda: self.host.status("first").workers[0].in_flight == 1)
            os.kill(self.pid(), signal.SIGSTOP)
        return time.monotonic() - began, outcomes[0]

    def pid(self) -> int:
        """The first plugin's worker."""
        (worker,) = self.host.status("first").workers
        assert worker.pid is not None
        return worker.pid


@asynccontextmanager
async def stopping(root: Path) -> AsyncIterator[Stopping]:
    """A host to try it with."""
    folders = [
        plugin_folder(root, name, SOURCE.format(name=name), request_timeout="1h")
        for name in ("first", "second")
    ]
    home = install(Home(root / "home"), folders)
    news = News()
    routes = {Capability.CHAT: RoutingPolicy(("first/default", "second/default"))}
    async with Host.open(home, settings=Settings(routes=routes), on_event=news.hear) as host:
        yield Stopping(host, news)
