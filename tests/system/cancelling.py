"""A caller that leaves: seen by the vendor, and by nobody else."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from stockade import Host
from stockade.settings import Home
from stockade_sdk import ChatRequest, ChatResponse

from .egress_sink import Sink
from .patience import PATIENCE_S
from .plugin_samples import install, plugin_folder

# Asks the vendor whose address is the prompt.
SOURCE = """
from stockade_sdk import ChatResponse
class Sample:
    async def chat(self, request, ctx):
        answer = await ctx.http.request("GET", request.last_text)
        return ChatResponse.of_text(answer.text)
    async def stream_chat(self, request, ctx):
        async with ctx.http.stream("GET", request.last_text) as response:
            async for chunk in response.chunks():
                yield chunk.decode()
"""


@dataclass(frozen=True, slots=True)
class Left:
    """What happened when one of two callers left."""

    seen_s: float  # from the cancellation to the end of the connection at the vendor
    other: str  # the answer of the one that stayed
    other_connections: int  # 1: it was not asked twice
    in_flight: int  # what the worker owed after that


async def leave(root: Path, *, streaming: bool = False) -> Left:
    """Two calls at two vendors that keep them waiting; the caller of one leaves."""
    released = anyio.Event()

    async def late(reader: Any, writer: Any) -> str:
        await released.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
        await writer.drain()
        return "close"

    async def endless(reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nfirst")
        await writer.drain()
        await reader.readexactly(1)  # raises when the client hangs up

    async def silent(reader: Any, writer: Any) -> None:
        await reader.readexactly(1)

    async with Sink.open(endless if streaming else silent) as left, Sink.open(late) as kept:
        folder = plugin_folder(root, "asker", SOURCE, request_timeout="1h")
        allow = [f"127.0.0.1:{sink.port}" for sink in (left, kept)]
        home = install(Home(root / "home"), [folder], allow=allow)
        async with Host.open(home) as host:
            return await _leave(host, left, kept, released, streaming=streaming)


async def _leave(
    host: Host, left: Sink, kept: Sink, released: anyio.Event, *, streaming: bool
) -> Left:
    answers: list[str] = []
    reading = anyio.Event()

    async def stay() -> None:
        response = await host.run(ChatRequest.of_text(kept.url), timeout=PATIENCE_S)
        assert isinstance(response, ChatResponse)
        answers.append(response.text)

    async def go() -> None:
        if not streaming:
            await host.run(ChatRequest.of_text(left.url), timeout=PATIENCE_S)
        async with host.stream(ChatRequest.of_text(left.url), timeout=PATIENCE_S) as events:
            reading.set()
            async for _ in events:
                pass

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as staying:
            staying.start_soon(stay)
            await kept.arrived.wait()
            async with anyio.create_task_group() as going:
                going.start_soon(go)
                await left.arrived.wait()
                if streaming:
                    await reading.wait()
                began = time.monotonic()
                going.cancel_scope.cancel()
            await left.closed.wait()
            seen = time.monotonic() - began
            released.set()
    connections = kept.connections
    await host.run(ChatRequest.of_text(kept.url), timeout=PATIENCE_S)  # its loop has come round
    (worker,) = host.status("asker").workers
    return Left(seen, answers[0], connections, worker.in_flight)
