"""Real workers for cases: a plugin is written, installed and asked, and judged from outside."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from stockade import Host
from stockade.errors import AllAttemptsFailed
from stockade_sdk import ChatRequest
from tests.system.hostile import Site, new_site

PATIENCE_S = 60.0  # a start on a busy machine

BROKEN = "raise ImportError('cannot be loaded')"
FINE = """
class Provider:
    async def chat(self, request, ctx):
        return FINE
"""
HUNGRY = """
class Provider:
    async def chat(self, request, ctx):
        if request.last_text != "warm up":
            self.kept = b"x" * ({mib} * 1024 * 1024)
        return FINE
"""
SLOW = """
class Provider:
    async def chat(self, request, ctx):
        if request.last_text != "warm up":
            await asyncio.sleep({seconds})
        return FINE
"""


def loaded(plugins: dict[str, bool]) -> dict[str, bool]:
    """Which of these plugins answer, where those that are marked False cannot be imported."""

    async def ask() -> dict[str, bool]:
        async with _site() as site:
            for name, loads in plugins.items():
                site.install(FINE if loads else BROKEN, name=name, capabilities=("chat",))
            async with Host.open(site.home) as host:
                return {name: await _outcome(host, name, "go") == "ok" for name in plugins}

    return anyio.run(ask)


def outcome(source: str, *, limits: str = "", timeout_s: float = PATIENCE_S) -> str:
    """How a call of a started plugin ends: `ok`, or the kind of its error."""

    async def ask() -> str:
        async with _site() as site:
            name = site.install(source, capabilities=("chat",), limits=limits)
            async with Host.open(site.home) as host:
                assert await _outcome(host, name, "warm up") == "ok"
                return await _outcome(host, name, "go", timeout_s)

    return anyio.run(ask)


async def _outcome(host: Host, name: str, text: str, timeout_s: float = PATIENCE_S) -> str:
    try:
        await host.run(ChatRequest.of_text(text), plugin=name, timeout=timeout_s)
    except AllAttemptsFailed as failed:
        return failed.error.kind.value
    return "ok"


@asynccontextmanager
async def _site() -> AsyncIterator[Site]:
    with tempfile.TemporaryDirectory() as folder:
        yield new_site(Path(folder))
