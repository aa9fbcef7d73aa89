"""Requests in flight while their workers are killed: carried out, and everything noted that tells
whether each was answered right, once, in time.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from stockade import AllAttemptsFailed, Host
from stockade.settings import Home, RoutingPolicy, Settings, SupervisionSettings
from stockade.supervisor import PluginEvent
from stockade_sdk import ChatRequest, ChatResponse
from stockade_sdk.capability import Attempt, Capability
from stockade_sdk.errors import ErrorKind

from .plugin_samples import install, plugin_folder

PLUGINS = ("first", "second")
TIMEOUT_S = 5.0
SLACK_S = 0.5  # beyond its deadline, on a busy machine
MANY_DEATHS = 1_000_000  # the default gives a plugin up after 3 deaths in 5 minutes
KILL_EVERY_S = 0.2

# Echo, a little late: so that a kill finds calls in flight.
SOURCE = """
import asyncio
from stockade_sdk import ChatResponse
class Sample:
    async def chat(self, request, ctx):
        await asyncio.sleep(0.01 + hash(request.last_text) % 20 / 1000)
        return ChatResponse.of_text(request.last_text)
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request. `text` is the answer's, None where it failed as `kind`."""

    asked: str
    began: float
    ended: float
    text: str | None
    kind: ErrorKind | None
    attempts: tuple[Attempt, ...]

    @property
    def right(self) -> bool:
        """Answered with its own text, by exactly one attempt, in time."""
        ok = [attempt.outcome for attempt in self.attempts].count("ok")
        return self.text == self.asked and ok == 1 and self.in_time

    @property
    def in_time(self) -> bool:
        """By its deadline."""
        return self.ended - self.began <= TIMEOUT_S + SLACK_S

    def felt(self, kill: Kill) -> bool:
        """Whether it was begun after a kill, or was at the killed worker and went on elsewhere."""
        return self.began >= kill.at or any(
            attempt.kind == ErrorKind.WORKER_DIED.value
            and attempt.target.startswith(f"{kill.plugin}/")
            for attempt in self.attempts
        )


@dataclass(frozen=True, slots=True)
class Kill:
    """A SIGKILL to the worker of a plugin."""

    at: float
    plugin: str


@dataclass(slots=True)
class Soak:
    """Everything that was seen."""

    outcomes: list[Outcome] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    events: list[PluginEvent] = field(default_factory=list)

    @property
    def right(self) -> int:
        """Requests answered right."""
        return sum(outcome.right for outcome in self.outcomes)

    def recoveries_s(self, plugins: tuple[str, ...] = PLUGINS) -> list[float]:
        """From each kill of these plugins to the next right answer to a request that felt it."""
        answered = sorted((one for one in self.outcomes if one.right), key=lambda one: one.ended)
        found = []
        for kill in self.kills:
            later = (one for one in answered if one.ended > kill.at and one.felt(kill))
            following = next(later, None)
            if kill.plugin in plugins and following is not None:
                found.append(following.ended - kill.at)
        return found

    def recovery_p50_s(self, plugins: tuple[str, ...] = PLUGINS) -> float:
        """The median of them; endless where there was none."""
        recoveries = self.recoveries_s(plugins)
        return statistics.median(recoveries) if recoveries else float("inf")


def prepared(root: Path) -> Home:
    """A home with two plugins that echo."""
    limits = {"concurrency": 16, "request_timeout": "30s"}
    folders = [plugin_folder(root, name, SOURCE, **limits) for name in PLUGINS]
    return install(Home(root / "home"), folders)


async def soak(home: Home, *, requests: int, in_flight: int, seed: int = 1) -> Soak:
    """So many requests, so many at a time, and a SIGKILL to some worker every 200 ms."""
    seen = Soak()
    settings = Settings(
        supervision=SupervisionSettings(deaths=MANY_DEATHS),
        routes={Capability.CHAT: RoutingPolicy(tuple(f"{name}/default" for name in PLUGINS))},
    )
    async with Host.open(home, settings=settings, on_event=seen.events.append) as host:
        for name in PLUGINS:
            await host.run(ChatRequest.of_text("warm"), plugin=name)
        pending = iter([f"request {number} {seed}" for number in range(requests)])
        async with anyio.create_task_group() as killing:
            killing.start_soon(_kill, host, seen, random.Random(seed))
            async with anyio.create_task_group() as asking:
                for _ in range(in_flight):
                    asking.start_soon(_ask, host, pending, seen)
            killing.cancel_scope.cancel()
    return seen


async def _ask(host: Host, pending: Iterator[str], seen: Soak) -> None:
    for text in pending:
        began = time.monotonic()
        answer: str | None = None
        kind: ErrorKind | None = None
        attempts: tuple[Attempt, ...]
        try:
            response = await host.run(ChatRequest.of_text(text), timeout=TIMEOUT_S)
        except AllAttemptsFailed as failed:
            kind, attempts = failed.error.kind, tuple(failed.attempts)
        else:
            assert isinstance(response, ChatResponse)
            answer, attempts = response.text, tuple(response.attempts)
        ended = time.monotonic()
        seen.outcomes.append(Outcome(text, began, ended, answer, kind, attempts))


async def _kill(host: Host, seen: Soak, choice: random.Random) -> None:
    while True:
        await anyio.sleep(KILL_EVERY_S)
        alive = [
            (name, worker.pid)
            for name in PLUGINS
            for worker in host.status(name).workers
            if worker.pid is not None
        ]
        if alive:
            name, pid = choice.choice(alive)
            seen.kills.append(Kill(time.monotonic(), name))
            os.kill(pid, signal.SIGKILL)


def files(home: Home) -> set[str]:
    """Every path in a home."""
    return {str(path.relative_to(home.root)) for path in home.root.rglob("*")}
