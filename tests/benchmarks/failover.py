"""What a failing target costs a request that the next one answers.

A host with two workers in their sandboxes: `openai-compatible`, whose vendor is a loopback process
that fails as it is told to, and `echo`, which answers. A request goes to the first and falls back
to the second; what it costs is its time less that of a request to `echo` alone. All are asked in
turns, and the median of the differences within a round counts, so that a noisy machine troubles all
alike.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from stockade import Host
from stockade.packages import commit_install, plan_install
from stockade.settings import Home, RequestSettings, Settings
from stockade.state import State
from stockade_sdk import ChatRequest
from stockade_sdk.hosts import HostRule

from .contest import Goal, Row
from .usage import pin

PLUGINS = Path(__file__).parents[2] / "plugins"
FIRST, SECOND = "openai-compatible", "echo"
ROUNDS, WARM_UP = 150, 15
GOAL_MS, HANG_GOAL_MS = 5.0, 20.0
HANGS = ((0.5, 15), (6.0, 3))  # the first-byte deadline in seconds, and how often it is met
FAILURES = {  # what the vendor does: the kind that it is
    "500": "server_error",
    "429": "rate_limited",
    "close": "network",
    "html": "malformed_response",
}
GOOD = (
    b'{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
)
REPLIES = {
    "200": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(GOOD), GOOD),
    "500": b"HTTP/1.1 500 no\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    "429": b"HTTP/1.1 429 no\r\ncontent-type: application/json\r\nretry-after: 30\r\n"
    b"content-length: 2\r\n\r\n{}",
    "html": b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n"
    b"content-length: 13\r\n\r\n<html></html>",
}


class Vendor:
    """The vendor, in a process of its own; it prints its port, then reads what to do."""

    def __init__(self) -> None:
        self.doing = "500"

    async def serve(self) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            self.doing = line.strip()
            print(self.doing, flush=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split()[0]))
                if self.doing == "close":
                    return
                if self.doing == "hang":
                    await reader.read()
                    return
                writer.write(REPLIES[self.doing])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went, as it may
        finally:
            writer.close()


@contextmanager
def vendor() -> Iterator[tuple[int, Callable[[str], None]]]:
    """A vendor's port, and how to tell it what to do from now on."""
    command = [sys.executable, "-m", "tests.benchmarks.failover"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        heard, said = process.stdin, process.stdout

        def tell(doing: str) -> None:
            heard.write(doing + "\n")
            heard.flush()
            assert said.readline().strip() == doing

        try:
            yield int(said.readline()), tell
        finally:
            process.kill()


@asynccontextmanager
async def open_host(folder: Path, port: int, first_byte_s: float) -> AsyncIterator[Host]:
    """A host with both plugins, the failing one first."""
    home = Home(folder / "home")
    home.ensure()
    rule = HostRule.parse(f"127.0.0.1:{port}")
    with State.open(home) as state:
        for name in (FIRST, SECOND):
            proposal = plan_install(home, state, str(PLUGINS / name))
            commit_install(home, state, proposal, granted=proposal.asked, operator_hosts=(rule,))
        state.set_config(FIRST, "base_url", f"http://127.0.0.1:{port}/v1")
        state.set_config(FIRST, "model", "m")
    requests = RequestSettings(first_byte_timeout_s=first_byte_s)
    async with Host.open(home, settings=Settings(requests=requests)) as host:
        yield host


@dataclass
class Asked:
    """One host's requests, timed in milliseconds."""

    host: Host

    async def run(self, kind: str | None = None) -> float:
        """One request whose first target fails with ``kind``; None: to the second one alone."""
        model = None if kind else f"{SECOND}/echo-1"
        started = time.perf_counter()
        response = await self.host.run(ChatRequest.of_text("hello", model=model))
        return self._took(started, [attempt.kind for attempt in response.attempts], kind)

    async def first_alone(self) -> float:
        """A good answer of the first target."""
        started = time.perf_counter()
        await self.host.run(ChatRequest.of_text("hello", model=f"{FIRST}/m"))
        return (time.perf_counter() - started) * 1e3

    async def stream(self, kind: str | None = None) -> float:
        """The same of a stream, up to its end."""
        model = None if kind else f"{SECOND}/echo-1"
        started = time.perf_counter()
        async with self.host.stream(ChatRequest.of_text("hello", model=model)) as answer:
            async for _ in answer:
                pass
        return self._took(started, [attempt.kind for attempt in answer.attempts], kind)

    def _took(self, started: float, kinds: list[str | None], kind: str | None) -> float:
        took = (time.perf_counter() - started) * 1e3
        assert kinds == ([kind, None] if kind else [None]), kinds
        if kind:
            self.host.try_again(FIRST)  # forget the failure, so that it comes first again
        return took


Ask = Callable[[str | None], Awaitable[float]]


async def lateness_ms(ask: Ask, deadline_s: float, times: int) -> list[float]:
    """How long after its first-byte deadline a hang was answered, less the second's own time."""
    own = statistics.median([await ask(None) for _ in range(WARM_UP)])
    return [await ask("timeout") - deadline_s * 1e3 - own for _ in range(times)]


def failover() -> list[Row]:
    """A first target that fails or hangs, and a second one that answers."""
    pin()
    return anyio.run(_failover)


async def _failover() -> list[Row]:
    rows: list[Row] = []
    with vendor() as (port, tell):
        with tempfile.TemporaryDirectory(prefix="stockade-bench-") as folder:
            async with open_host(Path(folder), port, 60.0) as host:
                rows += await _failures(Asked(host), tell)
        for deadline_s, times in HANGS:
            with tempfile.TemporaryDirectory(prefix="stockade-bench-") as folder:
                async with open_host(Path(folder), port, deadline_s) as host:
                    rows += await _hangs(Asked(host), tell, deadline_s, times)
    return rows


async def _failures(asked: Asked, tell: Callable[[str], None]) -> list[Row]:
    """Each failure that shows at once; and, to set it against, a good answer of the same target."""
    tell("200")
    own = statistics.median([await asked.first_alone() for _ in range(ROUNDS)])
    rows = [Row("failover: the first target's good answer", f"{own:.2f} ms", "", own, None)]
    took = await _in_turns({"run": asked.run, "stream": asked.stream}, tell)
    for (name, doing), times in took.items():
        failing, alone = (statistics.median(column) for column in zip(*times, strict=True))
        cost = statistics.median(one - other for one, other in times)
        peer = f"{alone:.2f} ms (second alone)"
        goal = Goal(GOAL_MS, unit=" ms")
        rows.append(Row(f"failover: {name}, {doing}", f"{failing:.2f} ms", peer, cost, goal))
    return rows


async def _in_turns(
    asks: dict[str, Ask], tell: Callable[[str], None]
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Milliseconds with each failure and without any, round by round. Each failure comes twice and
    the second one counts, so that what it does to the vendor's connection is its own to bear.
    """
    took: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for round_ in range(WARM_UP + ROUNDS):
        for name, ask in asks.items():
            for doing, kind in FAILURES.items():
                tell(doing)
                await ask(kind)
                times = (await ask(kind), await ask(None))
                if round_ >= WARM_UP:
                    took.setdefault((name, doing), []).append(times)
    return took


async def _hangs(
    asked: Asked, tell: Callable[[str], None], deadline_s: float, times: int
) -> list[Row]:
    """How late the second target's answer is after the first-byte deadline."""
    tell("500")
    await asked.run(FAILURES["500"])  # both workers are started
    tell("hang")
    rows = []
    for name, ask in (("run", asked.run), ("stream", asked.stream)):
        late = await lateness_ms(ask, deadline_s, times)
        figure = statistics.median(late)
        ours = f"{figure:.2f} ms late, {max(late):.2f} at worst"
        goal = Goal(HANG_GOAL_MS, unit=" ms")
        rows.append(Row(f"failover: {name}, hang for {deadline_s:g} s", ours, "", figure, goal))
    return rows


if __name__ == "__main__":  # the vendor's process, see `vendor`
    asyncio.run(Vendor().serve())
