"""What confinement costs, and what it holds: starts, calls, memory, ends, neighbours, churn."""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import psutil

from stockade import Host
from stockade.process import read_usage
from stockade.settings import (
    Home,
    SandboxSettings,
    Settings,
    SupervisionSettings,
    UnsignedSettings,
)
from stockade_sdk import ChatRequest, ChatResponse
from stockade_worker.plan import FULL, NONE
from tests.conftest import holdings, wait_until_released
from tests.system.plugin_samples import install, plugin_folder

from .contest import Goal, Row

STARTS = 30
SETTLE_S = 0.2  # the kernel takes the last worker's namespaces apart meanwhile
CALLS, BLOCKS = 400, 12
TREE = 200
CYCLES, AT_ONCE, PLUGINS = 1_000, 100, 10
SLOW_ONES = [f"slow-{number}" for number in range(PLUGINS)]
ATTACK_S = 3.0
PATIENCE_S = 30.0
MIB = 1024 * 1024

PLAIN = """
from stockade_sdk import ChatResponse
class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text(request.last_text)
"""
SLOW = """
import asyncio
from stockade_sdk import ChatResponse
class Sample:
    async def chat(self, request, ctx):
        await asyncio.sleep(float(request.last_text))
        return ChatResponse.of_text("done")
"""
# Children in sessions of their own: programs, or copies of the worker ("forks 200").
FORKING = """
import os, subprocess, time
from stockade_sdk import ChatResponse
class Sample:
    held = []
    async def chat(self, request, ctx):
        what, count = request.last_text.split()
        for _ in range(int(count)):
            if what == "programs":
                self.held.append(subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True))
            elif os.fork() == 0:
                os.setsid()
                while True:
                    time.sleep(1000)
        return ChatResponse.of_text(count)
"""
HOSTILE = """
import asyncio, mmap, os, sys, threading, time
from stockade_sdk import ChatResponse, TextDelta
class Sample:
    async def chat(self, request, ctx):
        match request.last_text:
            case "memory":
                held = []
                while True:
                    held.append(bytearray(16 << 20))
            case "processes":
                while True:
                    try:
                        if os.fork() == 0:
                            os._exit(0)
                    except OSError:
                        pass
            case "processors":
                def spin():
                    while True: pass
                for _ in range(8):
                    threading.Thread(target=spin, daemon=True).start()
                spin()
            case "output":
                while True:
                    os.write(1, b"x" * 65536)
            case "frames":
                while True:
                    ctx.log.info("x" * 4096)
        return ChatResponse.of_text("fine")
"""


class Way(NamedTuple):
    """One way to start workers."""

    name: str
    settings: Settings
    tiers: tuple[str, ...]


WAYS = (
    Way("full, from the nursery", Settings(), (FULL,)),
    Way("full, cold", Settings(sandbox=SandboxSettings(nursery=False)), (FULL,)),
    Way(
        "none, cold",
        Settings(minimum_tier=NONE, sandbox=SandboxSettings(nursery=False)),
        (),
    ),
    Way("none, from the nursery", Settings(minimum_tier=NONE), ()),
)


@asynccontextmanager
async def opened(home: Home, way: Way) -> AsyncIterator[Host]:
    """A host that starts its workers in this way."""
    async with Host.open(home, settings=way.settings) as host:
        host._parts.confining._tiers = way.tiers
        yield host


def homes(folder: Path, count: int, source: str, **limits: object) -> list[Home]:
    """So many homes, each with the plugins `one` and `two`."""
    plugins = [plugin_folder(folder, name, source, **limits) for name in ("one", "two")]
    return [install(Home(folder / f"home-{number}"), plugins) for number in range(count)]


def starts() -> list[Row]:
    """From a request to its answer where a worker has to be started for it, 30 of each kind."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        found = anyio.run(_starts, homes(Path(name), 3, PLAIN))
    middle = {way: statistics.median(times) for way, times in found.items()}
    nursery, cold, bare = (middle[way.name] for way in WAYS[:3])
    fastest = ", ".join(f"{way} {min(times):.1f}" for way, times in found.items())
    return [
        Row(
            "start, full from the nursery",
            f"{nursery:.1f} ms",
            "",
            nursery,
            Goal(20, unit=" ms"),
            notes=(f"fastest: {fastest} ms",),
        ),
        Row(
            "the same against a cold start",
            f"{nursery:.1f} ms",
            f"{cold:.1f} ms (full, cold)",
            _ratio(found, WAYS[0].name, WAYS[1].name),
            Goal(0.35),
        ),
        Row(
            "start, full cold",
            f"{cold:.1f} ms",
            f"{bare:.1f} ms (none, cold)",
            _ratio(found, WAYS[1].name, WAYS[2].name),
            Goal(1.4),
        ),
    ]


def _ratio(found: dict[str, list[float]], one: str, other: str) -> float:
    """The median of the ratios within a round."""
    return statistics.median(a / b for a, b in zip(found[one], found[other], strict=True))


async def _starts(places: list[Home]) -> dict[str, list[float]]:
    ways = WAYS[:3]
    found: dict[str, list[float]] = {way.name: [] for way in ways}
    async with AsyncExitStack() as stack:
        hosts = {
            way.name: await stack.enter_async_context(opened(home, way))
            for way, home in zip(ways, places, strict=True)
        }
        for host in hosts.values():
            await _answer(host, "one")
        order, shuffle = list(hosts), random.Random(1).shuffle
        for _ in range(STARTS):
            shuffle(order)
            for name in order:
                await hosts[name]._parts.supervisor.drain("one")
                await anyio.sleep(SETTLE_S)
                began = time.perf_counter()
                await _answer(hosts[name], "one")
                found[name].append((time.perf_counter() - began) * 1e3)
    return found


async def _answer(host: Host, plugin: str, text: str = "hello", timeout: float = 20.0) -> str:
    response = await host.run(ChatRequest.of_text(text), plugin=plugin, timeout=timeout)
    assert isinstance(response, ChatResponse)
    return response.text


def calls() -> list[Row]:
    """The median of a call with the walls on, against the same with them off, block by block."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        ratios, walled, bare = anyio.run(_calls, homes(Path(name), 2, PLAIN))
    return [
        Row(
            "Host.run, sandbox on",
            f"{walled * 1e6:.0f} us",
            f"{bare * 1e6:.0f} us (off)",
            statistics.median(ratios),
            Goal(1.05),
            low=min(ratios),
            high=max(ratios),
        )
    ]


async def _calls(places: list[Home]) -> tuple[list[float], float, float]:
    async with opened(places[0], WAYS[0]) as on, opened(places[1], WAYS[3]) as off:
        medians: dict[str, list[float]] = {"on": [], "off": []}
        order = [("on", on), ("off", off)]
        for _ in range(BLOCKS):
            random.shuffle(order)
            for name, host in order:
                medians[name].append(await _median_call(host))
    ratios = [one / other for one, other in zip(medians["on"], medians["off"], strict=True)][1:]
    return ratios, statistics.median(medians["on"]), statistics.median(medians["off"])


async def _median_call(host: Host) -> float:
    request, times = ChatRequest.of_text("hello"), []
    for _ in range(CALLS):
        began = time.perf_counter()
        await host.run(request, plugin="one")
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def memory() -> list[Row]:
    """What one more worker of a kept nursery holds by itself, answering, another one beside it."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        uss, pss = anyio.run(_memory, homes(Path(name), 1, PLAIN)[0])
    notes = (f"PSS {pss:.1f} MiB",)
    return [
        Row("one more worker: USS", f"{uss:.1f} MiB", "", uss, Goal(6, unit=" MiB"), notes=notes)
    ]


async def _memory(home: Home) -> tuple[float, float]:
    async with opened(home, WAYS[0]) as host:
        for plugin in ("one", "two"):
            await _answer(host, plugin)
        pid = host.status("two").workers[0].pid
        assert pid is not None
        found = psutil.Process(pid).memory_full_info()
        return found.uss / MIB, found.pss / MIB


def forking_home(folder: Path, source: str, name: str = "one", **limits: object) -> Home:
    """A home with a plugin that may start programs."""
    plugin = plugin_folder(folder, name, source, **limits)
    manifest = plugin / "plugin.toml"
    manifest.write_text(manifest.read_text() + "\n[permissions]\nsubprocess = true\n")
    return install(Home(folder / "home"), [plugin])


def tree_killed() -> list[Row]:
    """A worker with 200 children in sessions of their own, from the kill to the last one gone."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        home = forking_home(Path(name), FORKING, processes=TREE + 50, memory="1 GiB")
        took = [anyio.run(_kill_tree, home, "programs") * 1e3 for _ in range(5)]
        copies = [anyio.run(_kill_tree, home, "forks") * 1e3 for _ in range(5)]
    worst, notes = max(took), (f"copies of the worker itself: worst {max(copies):.0f} ms",)
    goal = Goal(100, unit=" ms")
    return [Row(f"kill of a tree of {TREE}", f"worst {worst:.0f} ms", "", worst, goal, notes=notes)]


async def _kill_tree(home: Home, what: str) -> float:
    async with opened(home, WAYS[0]) as host:
        assert await _answer(host, "one", f"{what} {TREE}") == str(TREE)
        pid = host.status("one").workers[0].pid
        assert pid is not None
        children = psutil.Process(pid).children(recursive=True)
        assert len(children) == TREE
        worker = host._parts.supervisor._crews["one"].workers[0]
        began = time.perf_counter()
        worker._kill()
        assert worker.child is not None
        with anyio.fail_after(PATIENCE_S):
            await worker.child.exited()  # the first of a PID namespace ends after all the others
        took = time.perf_counter() - began
        assert not any(child.is_running() for child in children)
        return took


HOST = """
import sys, anyio
from pathlib import Path
from stockade import Host
from stockade_sdk import ChatRequest
async def main():
    async with Host.open(Path(sys.argv[1])) as host:
        answer = await host.run(ChatRequest.of_text(sys.argv[2]), plugin="one")
        print(host.status("one").workers[0].pid, answer.text, flush=True)
        if len(sys.argv) == 3:
            await anyio.sleep(1000)
anyio.run(main)
"""


def host_killed() -> list[Row]:
    """SIGKILL to a host whose worker has 200 children; then what is left, and the next start."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        home = forking_home(Path(name), FORKING, processes=TREE + 50, memory="1 GiB")
        figures = [_kill_host(home) for _ in range(5)]
    gone = max(figure[0] for figure in figures) * 1e3
    again = max(figure[1] for figure in figures) * 1e3
    left = sum(figure[2] for figure in figures)
    return [
        Row("host killed: all workers gone", f"{gone:.0f} ms", "", gone, Goal(1000, unit=" ms")),
        Row(
            "host killed: left after the next start",
            f"{left} groups and run folders",
            "",
            left,
            Goal(0, unit=""),
        ),
        Row(
            "next start to its first answer",
            f"worst {again:.0f} ms",
            "",
            again,
            Goal(1500, unit=" ms"),
            notes=("the interpreter's own start and all imports included",),
        ),
    ]


def _kill_host(home: Home) -> tuple[float, float, int]:
    command = [sys.executable, "-c", HOST, str(home.root)]
    with subprocess.Popen(
        [*command, f"programs {TREE}"], stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline().split()[0])
        children = psutil.Process(host.pid).children(recursive=True)
        assert len(children) > TREE
        mounts = Path("/proc/self/mounts").read_text()
        hosts = {path.name for path in home.run.glob("host-*")}
        assert left_of(home, hosts)
        began = time.perf_counter()
        host.send_signal(signal.SIGKILL)
        while any(map(is_alive, (pid, *(child.pid for child in children)))):
            time.sleep(0.001)
        gone = time.perf_counter() - began
    assert Path("/proc/self/mounts").read_text() == mounts
    began = time.perf_counter()
    subprocess.run([*command, "programs 0", "once"], check=True, stdout=subprocess.DEVNULL)
    again = time.perf_counter() - began
    return gone, again, len(left_of(home, hosts))


def is_alive(pid: int) -> bool:
    """Whether it runs; one that its new parent has not reaped yet does not."""
    usage = read_usage(pid)
    return usage is not None and usage.state not in ("Z", "X")


def left_of(home: Home, hosts: set[str]) -> list[str]:
    """Run folders in this home, and control groups of hosts with these names."""
    groups = Path("/sys/fs/cgroup").rglob("stockade-host-*")
    mine = [str(path) for path in groups if path.name.removeprefix("stockade-") in hosts]
    return mine + [str(path) for path in home.run.glob("host-*")]


def neighbours() -> list[Row]:
    """The 99th percentile of a steady plugin's calls while another one does its worst."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        folder = Path(name)
        home = forking_home(folder, HOSTILE, processes=64, cpu=1.0)
        install(home, [plugin_folder(folder, "two", PLAIN)])
        found = anyio.run(_neighbours, home)
    quiet = statistics.median(found.pop("quiet"))
    return [
        Row(
            f"a neighbour's p99 against {attack}",
            f"{statistics.median(times) * 1e3:.2f} ms",
            f"{quiet * 1e3:.2f} ms (quiet)",
            statistics.median(times) / quiet,
            Goal(2.0),
        )
        for attack, times in found.items()
    ]


async def _neighbours(home: Home) -> dict[str, list[float]]:
    settings = Settings(supervision=SupervisionSettings(deaths=1000))
    found: dict[str, list[float]] = {"quiet": []}
    async with Host.open(home, settings=settings) as host:
        await _answer(host, "two")
        for attack in ("memory", "processes", "processors", "output", "frames"):
            found["quiet"].append(await _p99(host))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_attack, host, attack)
                await anyio.sleep(0.2)
                found.setdefault(attack, []).append(await _p99(host))
                tasks.cancel_scope.cancel()
            await host._parts.supervisor.drain("one", deadline_s=0.1)
    return found


async def _attack(host: Host, what: str) -> None:
    while True:
        try:
            await _answer(host, "one", what)
        except Exception:  # noqa: BLE001  # it dies of what it does, again and again
            await anyio.sleep(0.01)


async def _p99(host: Host) -> float:
    times: list[float] = []
    until = time.perf_counter() + ATTACK_S
    while (began := time.perf_counter()) < until:
        await _answer(host, "two")
        times.append(time.perf_counter() - began)
        await anyio.sleep(0.002)
    return statistics.quantiles(times, n=100)[98]


def churn() -> list[Row]:
    """100 starts at once and 1,000 starts and stops: what is left of it."""
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        folder = Path(name)
        plugins = [
            plugin_folder(folder, f"slow-{number}", SLOW, workers=10, concurrency=1)
            for number in range(PLUGINS)
        ]
        home = install(Home(folder / "home"), [*plugins, plugin_folder(folder, "one", PLAIN)])
        anyio.run(_churn, home, PLUGINS, 1)  # makes what is kept
        before, kept = holdings(), machine(home)
        most, took, cycle = anyio.run(_churn, home, AT_ONCE, CYCLES)
        left = [*wait_until_released(before), *sorted(machine(home) - kept)]
    notes = (f"{most} workers at once, all answered after {took:.1f} s; a cycle {cycle:.0f} ms",)
    return [
        Row(
            "churn: left behind",
            str(left or "nothing"),
            "",
            len(left),
            Goal(0, unit=""),
            notes=notes,
        )
    ]


def machine(home: Home) -> set[str]:
    """What a host may leave on a machine: files, mounts, groups, users."""
    files = {str(path) for path in home.root.rglob("*") if path.is_file() or path.is_dir()}
    mounts = set(Path("/proc/self/mounts").read_text().splitlines())
    users = {str(path) for path in Path("/run/stockade/uids").glob("*")}
    groups = {str(path) for path in Path("/sys/fs/cgroup").rglob("stockade-host-*")}
    return files | mounts | users | groups


async def _churn(home: Home, at_once: int, cycles: int) -> tuple[int, float, float]:
    most = 0
    settings = Settings(unsigned=UnsignedSettings(ceilings={}))  # as many workers as it asks for
    async with Host.open(home, settings=settings) as host:
        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for number in range(at_once):
                tasks.start_soon(_answer, host, f"slow-{number % PLUGINS}", "5.0", 60.0)
            while not most and time.perf_counter() - began < PATIENCE_S:
                ready = sum(
                    sum(worker.state == "ready" for worker in host.status(name).workers)
                    for name in SLOW_ONES
                )
                most = ready if ready >= at_once else 0
                await anyio.sleep(0.02)
        took = time.perf_counter() - began
        for name in SLOW_ONES:
            await host._parts.supervisor.drain(name)
        began = time.perf_counter()
        for _ in range(cycles):
            await _answer(host, "one")
            await host._parts.supervisor.drain("one")
        cycle = (time.perf_counter() - began) / cycles * 1e3
    return most, took, cycle
