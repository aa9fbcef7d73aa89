"""How long a start takes and what an idle worker holds; and `stockade --help`."""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio

from stockade.app.confining import FLAGS, PYTHON
from stockade_sdk import ChatRequest
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_worker.plan import FULL, MALLOC_ENVIRONMENT, NONE

from .contest import Goal, Row
from .ours import Starts, connected, open_host, prepare, starting
from .payload import decode_response
from .usage import memory_kib, pin

ROUNDS = 15
TIMEOUT_S = 30.0
KIB_PER_MIB = 1024

# A provider that imports nothing, and says what is imported where it runs.
SOURCE = """
import json, sys
from stockade_sdk import ChatResponse
class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text(json.dumps(list(sys.modules)))
"""

# The same modules in a bare interpreter. `sys.modules` has a module behind those that it imports,
# so the last one is asked for first. The line it writes is the moment.
BARE = """
import sys
sys.path.append({base!r})
for name in {names!r}:
    __import__(name)
sys.stdout.write("|".join(sys.modules) + chr(10))
sys.stdout.flush()
"""

TYPER = """
import typer
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
@app.command()
def run(prompt: str) -> None:
    "Run one request."
app()
"""


def worker_start() -> list[Row]:
    """A worker, from its start to its first answer: without walls against an interpreter with its
    modules, with walls against one without, from a nursery against a cold start.
    """
    pin()
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        folder = Path(name)
        environment = prepare(folder, SOURCE)

        def answer(tier: str, *, keep: bool = False) -> Answer:
            return anyio.run(partial(first_answer, folder, environment, tier=tier, keep=keep))

        modules = answer(NONE).modules
        idle = answer(FULL, keep=True)
        bare = bare_script(environment, modules)
        imported = set(bare_start(bare)[1])
        results = in_turns(
            {
                "none, cold": lambda: answer(NONE).took_s,
                "bare": lambda: bare_start(bare)[0],
                "full, cold": lambda: answer(FULL).took_s,
                "full, forked": lambda: answer(FULL, keep=True).took_s,
            }
        )
    more = sorted(imported - set(modules))
    less = sorted(set(modules) - imported - {"sample"})
    notes = (
        f"{len(modules)} modules; only in the bare one: {more}; only in the worker: {less}",
        "the worker's share: a fork, limits, socket, hello, load, one call",
    )
    forked = statistics.median(one["full, forked"] for one in results) * 1e3
    return [
        times("worker: first answer, no walls", results, "none, cold", "bare", Goal(1.25), notes),
        times("worker: full, cold", results, "full, cold", "none, cold", Goal(1.4)),
        times("worker: full, from the nursery", results, "full, forked", "full, cold", Goal(0.35)),
        Row("worker: the same", f"{forked:.1f} ms", "", forked, Goal(20, unit=" ms")),
        memory_row(idle.memory_mib),
    ]


def memory_row(memory: Mapping[str, float]) -> Row:
    """What an idle worker from a nursery holds."""
    return Row(
        name="idle worker: PSS",
        ours=f"{memory['Pss']:.1f} MiB",
        peer="",
        figure=memory["Pss"],
        goal=Goal(16, unit=" MiB"),
        notes=(
            f"written by itself {memory['Private_Dirty']:.1f}, all {memory['Rss']:.1f} MiB",
            "PSS falls with every other process that maps the same libraries",
        ),
    )


def host_start() -> list[Row]:
    """The same through a host that has no worker yet, its plugin included; for information."""
    pin()
    figures = []
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
            figures.append(anyio.run(host_first_answer, Path(name)) * 1e3)
    figure = statistics.median(figures)
    return [Row("Host.run: first answer", f"{figure:.0f} ms", "", figure, None)]


def help_text() -> list[Row]:
    """`stockade --help` against a bare typer app with one command and rich off."""
    pin()
    command = shutil.which("stockade", path=str(Path(sys.executable).parent))
    if command is None:
        return [Row("stockade --help", "no such command", "", float("nan"), Goal(1.3))]
    with tempfile.TemporaryDirectory(prefix="stockade-bench-") as name:
        script = Path(name) / "bare.py"
        script.write_text(TYPER)
        results = in_turns(
            {
                "stockade": lambda: spent([command, "--help"]),
                "typer": lambda: spent([sys.executable, str(script), "--help"]),
            }
        )
    return [times("stockade --help", results, "stockade", "typer", Goal(1.3))]


class Answer(NamedTuple):
    """Seconds to a first answer, the modules that were imported then, and the memory of the idle
    worker in MiB.
    """

    took_s: float
    modules: list[str]
    memory_mib: dict[str, float]


async def first_answer(folder: Path, environment: Path, *, tier: str, keep: bool) -> Answer:
    """Start a worker for one answer: from a nursery that has forked before (`keep`), or cold."""
    async with starting(folder, environment, tier=tier, keep=keep) as starts:
        if keep:
            await answered_by(starts)
        return await answered_by(starts)


async def answered_by(starts: Starts) -> Answer:
    """One worker, from its start to its end."""
    began = time.perf_counter()
    async with starts.started() as worker:
        channel = await connected(worker)
        raw = await channel.call("chat", ChatRequest.of_text("hello"), timeout_s=TIMEOUT_S)
        took = time.perf_counter() - began
        modules: list[str] = json.loads(decode_response(raw).text)
        await channel.ping()
        memory = memory_kib(worker.child.pid)
        channel.fail(ProviderError(ErrorKind.WORKER_DIED, "measured"))
        await channel.aclose()
    return Answer(took, modules, {name: size / KIB_PER_MIB for name, size in memory.items()})


async def host_first_answer(folder: Path) -> float:
    """Seconds from a request to its answer, the worker's start in between."""
    async with open_host(folder) as host:
        began = time.perf_counter()
        await host.run(ChatRequest.of_text("hello"))
        return time.perf_counter() - began


def bare_script(environment: Path, modules: list[str]) -> str:
    """What imports the same."""
    names = [name for name in reversed(modules) if name not in ("__main__", "sample")]
    return BARE.format(base=str(environment), names=names)


def bare_start(script: str) -> tuple[float, list[str]]:
    """Seconds until it has imported everything, and what that is."""
    began = time.perf_counter()
    with subprocess.Popen(
        [PYTHON, *FLAGS, "-c", script], env=MALLOC_ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        took = time.perf_counter() - began
    if child.returncode != 0:
        raise RuntimeError("the bare interpreter failed; what it said is above")
    return took, line.strip().split("|")


def spent(argv: list[str]) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def in_turns(contenders: Mapping[str, Callable[[], float]]) -> list[dict[str, float]]:
    """Each once a round, in an order that is shuffled anew each time; the first round is not
    counted.
    """
    shuffle, order, results = random.Random(1).shuffle, list(contenders), []
    for _ in range(ROUNDS + 1):
        shuffle(order)
        results.append({name: contenders[name]() for name in order})
    return results[1:]


def times(
    name: str,
    results: list[dict[str, float]],
    ours: str,
    peer: str,
    goal: Goal,
    notes: tuple[str, ...] = (),
) -> Row:
    """A line of the table."""
    ratios = [one[ours] / one[peer] for one in results]
    middle = statistics.median
    return Row(
        name=name,
        ours=f"{middle(one[ours] for one in results) * 1e3:.1f} ms",
        peer=f"{middle(one[peer] for one in results) * 1e3:.1f} ms ({peer})",
        figure=middle(ratios),
        goal=goal,
        low=min(ratios),
        high=max(ratios),
        notes=notes,
    )
