"""One contender in a process of its own: `python -m tests.benchmarks.contender NAME FOLDER`.

Reads loads as lines of JSON from stdin, puts each on, and answers with what it measured, in one
line. Everything it starts shares one CPU with it, unless the third argument is `unpinned`.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from stockade_sdk import ChatRequest

from .contenders import CONTENDERS, Contender
from .echoing import echo
from .payload import chat, image, stream_of
from .usage import pin, thread_cpu

PAYLOADS: dict[str, Callable[[], ChatRequest]] = {"chat": chat, "image": image}


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to put on: `calls` calls, `in_flight` at a time, or `calls` streams of `chunks`."""

    calls: int
    payload: str = "chat"
    in_flight: int = 1
    chunks: int = 0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One round. Times in microseconds a call (a chunk, for streams); `host` and `worker` are CPU
    by thread.
    """

    p50_us: float
    p99_us: float
    rate: float  # calls or chunks a second
    host_cpu_us: float
    host: dict[str, float]
    worker: dict[str, float]


async def put_on(contender: Contender, load: Load) -> Measured:
    """Carry a load out and measure it."""
    request = stream_of(load.chunks) if load.chunks else PAYLOADS[load.payload]()
    own = os.getpid()
    before = thread_cpu(own), thread_cpu(contender.worker)
    cpu, wall = time.process_time(), time.perf_counter()
    if load.chunks:
        times = await _streams(contender, request, load)
    elif load.in_flight > 1:
        times = await _together(contender, request, load)
    else:
        times = await _one_by_one(contender, request, load.calls)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    after = thread_cpu(own), thread_cpu(contender.worker)
    units = load.calls * max(1, load.chunks)
    times.sort()
    return Measured(
        p50_us=statistics.median(times) * 1e6 / max(1, load.chunks),
        p99_us=times[len(times) * 99 // 100] * 1e6 / max(1, load.chunks),
        rate=units / wall,
        host_cpu_us=cpu * 1e6 / units,
        host=_difference(before[0], after[0], units),
        worker=_difference(before[1], after[1], units),
    )


async def _one_by_one(contender: Contender, request: ChatRequest, calls: int) -> list[float]:
    call, clock = contender.call, time.perf_counter
    times = []
    for _ in range(calls):
        began = clock()
        await call(request)
        times.append(clock() - began)
    return times


async def _together(contender: Contender, request: ChatRequest, load: Load) -> list[float]:
    times: list[float] = []

    async def caller() -> None:
        times.extend(await _one_by_one(contender, request, load.calls // load.in_flight))

    async with anyio.create_task_group() as tasks:
        for _ in range(load.in_flight):
            tasks.start_soon(caller)
    return times


async def _streams(contender: Contender, request: ChatRequest, load: Load) -> list[float]:
    times = []
    for _ in range(load.calls):
        began = time.perf_counter()
        count = await contender.stream(request)
        times.append(time.perf_counter() - began)
        assert count >= load.chunks, f"{count} events of {load.chunks}"
    return times


def _difference(before: dict[str, float], after: dict[str, float], units: int) -> dict[str, float]:
    return {
        name: round((seconds - before.get(name, 0.0)) * 1e6 / units, 2)
        for name, seconds in after.items()
        if (seconds - before.get(name, 0.0)) * 1e6 / units >= 0.05
    }


async def main(name: str, folder: Path) -> None:
    """Until stdin ends."""
    async with CONTENDERS[name](folder) as contender:
        request = chat()
        assert (await contender.call(request)).output == echo(request).output, "a wrong answer"
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            load = msgspec.json.decode(line, type=Load)
            print(msgspec.json.encode(await put_on(contender, load)).decode(), flush=True)


if __name__ == "__main__":
    if sys.argv[3:] != ["unpinned"]:
        pin()
    anyio.run(main, sys.argv[1], Path(sys.argv[2]))
