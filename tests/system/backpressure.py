"""Eight readers that stop reading, and a worker that has 16 MiB for each of them."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import psutil

from stockade import Host
from stockade.settings import Home
from stockade_sdk import ChatRequest, ChatResponse, TextDelta

from .patience import PATIENCE_S
from .plugin_samples import install, plugin_folder

READERS = 8
STREAM_BYTES = 16 * 1024 * 1024
QUIET_LOOKS = 10  # the worker is held back where so many looks in a row find no progress
LOOK_S = 0.02

# A stream of `size` bytes in deltas of 1 KiB; what it was made to give out is to be asked for.
SOURCE = """
import json
from stockade_sdk import ChatResponse
given = []
class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text(json.dumps(given))
    async def stream_chat(self, request, ctx):
        number = len(given)
        given.append(0)
        while given[number] < int(request.last_text):
            given[number] += 1024
            yield "x" * 1024
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What was seen while nobody read, and when everything was read after all."""

    given: tuple[int, ...]  # bytes that the worker gave out, by stream, while nobody read
    grown_bytes: int  # of the host's resident memory, at most, until then
    grown_at_end_bytes: int
    received: tuple[int, ...]  # bytes, by stream, at the end


async def hold(root: Path) -> Held:
    """Open the streams, read the first event of each, stop reading; later read them all."""
    folder = plugin_folder(root, "flood", SOURCE, concurrency=READERS + 1, request_timeout="1h")
    home = install(Home(root / "home"), [folder])
    process = psutil.Process()
    async with Host.open(home) as host, AsyncExitStack() as stack:
        await _given(host)
        for _ in range(2):  # what a stream needs once is not growth
            async with host.stream(ChatRequest.of_text("65536")) as events:
                assert [event async for event in events]
        finished = len(await _given(host))
        before = process.memory_info().rss
        streams = [
            await stack.enter_async_context(host.stream(ChatRequest.of_text(str(STREAM_BYTES))))
            for _ in range(READERS)
        ]
        first = [await anext(stream) for stream in streams]
        assert len(first) == READERS
        most, given = before, [0]
        quiet = 0
        with anyio.fail_after(PATIENCE_S):
            while quiet < QUIET_LOOKS:
                now = (await _given(host))[finished:]
                quiet = quiet + 1 if now == given else 0
                given = now
                most = max(most, process.memory_info().rss)
                await anyio.sleep(LOOK_S)
        received = []
        for stream in streams:
            sizes = [len(event.text) async for event in stream if isinstance(event, TextDelta)]
            received.append(sum(sizes))
        at_end = process.memory_info().rss
    return Held(tuple(given), most - before, at_end - before, tuple(received))


async def _given(host: Host) -> list[int]:
    response = await host.run(ChatRequest.of_text("given"))
    assert isinstance(response, ChatResponse)
    given: list[int] = json.loads(response.text)
    return given
