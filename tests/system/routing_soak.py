"""A host whose two vendors flap, under requests of every moment; `routing_report` judges them."""

from __future__ import annotations

import asyncio
import gc
import shutil
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import psutil

from stockade import AllAttemptsFailed, Host
from stockade.packages import commit_install, plan_install
from stockade.settings import (
    EVERY_PLUGIN,
    Budget,
    CooldownSettings,
    Home,
    RequestSettings,
    RoutingPolicy,
    Settings,
)
from stockade.state import State
from stockade_sdk import ChatRequest, ChatResponse, ProviderError, TextDelta
from stockade_sdk.capability import Capability
from stockade_sdk.hosts import HostRule

from .flapping import Vendor
from .patience import until
from .reckoned import FAILURES, FIRST_BYTE_S, STEPS_S
from .routing_report import PLUGINS, TIMEOUT_S, Held, Notes, Outcome, Report, Sample, Seen

SOURCE = Path(__file__).parents[2] / "plugins" / "openai-compatible"
SAMPLE_S = 0.005
MIB = 1024 * 1024
SETTINGS = Settings(
    routes={Capability.CHAT: RoutingPolicy(tuple(f"{name}/m" for name in PLUGINS))},
    requests=RequestSettings(timeout_s=TIMEOUT_S, first_byte_timeout_s=FIRST_BYTE_S),
    cooldowns=CooldownSettings(steps_s=STEPS_S, failures=FAILURES),
    budgets={EVERY_PLUGIN: Budget(requests_per_minute=10**6, tokens_per_day=10**12)},
)


@dataclass
class Scene:
    """A host with two plugins, and their vendors, who are not there yet."""

    home: Home
    vendors: tuple[Vendor, ...]
    notes: Notes


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Scene]:
    """`openai-compatible` twice under names of its own, each with a vendor."""
    home = Home(folder / "home")
    home.ensure()
    notes = Notes(folder / "notes")
    with ExitStack() as stack:
        stack.callback(notes.close)
        vendors = []
        for name in PLUGINS:
            sock = stack.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            install(home, folder, name, sock.getsockname()[1])
            vendors.append(Vendor(name, sock, lambda hit: notes.put(Seen(hit))))
        yield Scene(home, tuple(vendors), notes)


def install(home: Home, folder: Path, name: str, port: int) -> None:
    """A copy of the plugin, whose vendor is on a port of ours."""
    copy = folder / name
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = copy / "plugin.toml"
    manifest.write_text(manifest.read_text().replace('"openai-compatible"', f'"{name}"', 1))
    with State.open(home) as state:
        proposal = plan_install(home, state, str(copy))
        rule = HostRule.parse(f"127.0.0.1:{port}")
        commit_install(home, state, proposal, granted=proposal.asked, operator_hosts=(rule,))
        state.set_config(name, "base_url", f"http://127.0.0.1:{port}/v1")


async def soak(folder: Path, *, requests: int, in_flight: int, seed: int = 1) -> Report:
    """So many requests, half of them streamed, so many at a time, the last tenth one by one, while
    the vendors flap.
    """
    async with staged(folder) as scene:
        async with Host.open(scene.home, settings=SETTINGS) as host:
            before = await _warmed(host, scene, in_flight)
            lags: list[float] = []
            async with _serving(scene), anyio.create_task_group() as watching:
                for vendor in scene.vendors:
                    vendor.follow(seed)
                watching.start_soon(_sample, host, scene.notes, lags)
                # What was counted when is clearest where nothing else is under way.
                together = requests * 9 // 10
                await _ask_all(host, scene.notes, range(together), in_flight)
                await _ask_all(host, scene.notes, range(together, requests), 1)
                watching.cancel_scope.cancel()
            after = await _held(host, before)
            pids = frozenset(pids_of(host))
        report = Report(folder / "notes", requests, before, after, lags, pids=pids)
    files = [path for path in scene.home.root.iterdir() if path.name.startswith("state.db")]
    report.bytes_on_disk = sum(path.stat().st_size for path in files)
    _read_tables(scene.home, report)
    return report


async def _warmed(host: Host, scene: Scene, in_flight: int) -> Held:
    """Start the workers, have everything in use once, and see what is held then."""
    async with _serving(scene):
        for name in PLUGINS:
            await host.run(ChatRequest.of_text("warm"), plugin=name)
        nobody = Notes(Path("/dev/null"))
        await _ask_all(host, nobody, range(-10 * in_flight, 0), in_flight)
        nobody.close()
    return await _held(host, None)


@asynccontextmanager
async def _serving(scene: Scene) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for vendor in scene.vendors:
            await stack.enter_async_context(vendor.serving())
        yield


async def _held(host: Host, before: Held | None) -> Held:
    """What is held once all is quiet: no connection to a vendor is left, they are gone."""
    if before is not None:
        await until(lambda: _tasks() <= before.tasks and _descriptors() <= before.descriptors)
    else:
        await anyio.sleep(0.5)
    gc.collect()
    workers = sum(_own_mib(pid) for pid in pids_of(host))
    return Held(_tasks(), _descriptors(), _own_mib(None), workers)


def pids_of(host: Host) -> list[int]:
    """Of all workers."""
    workers = [worker for name in PLUGINS for worker in host.status(name).workers]
    return [worker.pid for worker in workers if worker.pid is not None]


def _tasks() -> int:
    return len(asyncio.all_tasks())


def _descriptors() -> int:
    return psutil.Process().num_fds()


def _own_mib(pid: int | None) -> float:
    return float(psutil.Process(pid).memory_full_info().uss) / MIB


async def _sample(host: Host, notes: Notes, lags: list[float]) -> None:
    while True:
        due = time.monotonic() + SAMPLE_S
        await anyio.sleep(SAMPLE_S)
        at = time.monotonic()
        lags.append(at - due)
        shown = host.standings().items()
        notes.put(Sample(at, {name: (str(one.state), one.until) for name, one in shown}))


async def _ask_all(host: Host, notes: Notes, numbers: range, in_flight: int) -> None:
    pending = iter(numbers)

    async def caller() -> None:
        for number in pending:
            ask = _streamed if number % 2 else _whole
            notes.put(await ask(host, f"request {number}."))

    async with anyio.create_task_group() as callers:
        for _ in range(in_flight):
            callers.start_soon(caller)


async def _whole(host: Host, asked: str) -> Outcome:
    began = time.monotonic()
    text, kind = "", None
    try:
        response = await host.run(ChatRequest.of_text(asked))
        assert isinstance(response, ChatResponse)
        text, attempts = response.text, response.attempts
    except AllAttemptsFailed as failed:
        kind, attempts = failed.error.kind.value, tuple(failed.attempts)
    return Outcome(asked, False, began, time.monotonic(), text, kind, attempts)


async def _streamed(host: Host, asked: str) -> Outcome:
    began = time.monotonic()
    said: list[str] = []
    kind = None
    answer = host.stream(ChatRequest.of_text(asked))
    try:
        async with answer:
            async for event in answer:
                said += [event.text] if isinstance(event, TextDelta) else []
    except AllAttemptsFailed as failed:
        kind = failed.error.kind.value
    except ProviderError as error:
        kind = error.kind.value
    return Outcome(asked, True, began, time.monotonic(), "".join(said), kind, answer.attempts)


def _read_tables(home: Home, report: Report) -> None:
    """How many rows there are, and what was counted; read without the product."""
    with sqlite3.connect(home.state_db) as connection:

        def one(query: str) -> Any:
            return connection.execute(query).fetchone()[0]

        for table in ("route_attempt_logs", "cooldowns", "budget_counters", "health_checks"):
            report.tables[table] = one(f"SELECT count(*) FROM {table}")
        report.tables["attempts ever logged"] = one("SELECT max(id) FROM route_attempt_logs")
        spent = connection.execute(
            "SELECT plugin, sum(requests) FROM budget_counters GROUP BY plugin"
        )
        report.counted.update(spent.fetchall())
    connection.close()
