"""A supervisor that follows a script, and a clock that only the script moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from stockade.router import Dispatcher, Plan, Target
from stockade.router.breaker import Breaker
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ErrorKind, PermissionDenied, ProviderError
from stockade_sdk.provider import Method, ProviderResponse
from stockade_sdk.stream import ChatEvent

REQUEST = ChatRequest.of_text("hello")


class Clock:
    """Seconds, moved by hand; its ``sleep`` moves it too."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass(frozen=True)
class After:
    """An outcome that takes so many seconds of the clock, but no more than its call was given."""

    seconds: float
    outcome: ProviderResponse | ProviderError


Outcome = ProviderResponse | ProviderError | After
Beat = list[ChatEvent] | ProviderError | anyio.Event  # an event is waited for


@dataclass
class Scripted:
    """Answers each call of a target with the next line of its script; the last line repeats."""

    clock: Clock
    unary: dict[str, list[Outcome]] = field(default_factory=dict)
    streams: dict[str, list[list[Beat]]] = field(default_factory=dict)
    calls: list[tuple[str, float]] = field(default_factory=list)
    models: list[str | None] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def call(
        self, plugin: str, method: Method, request: object, *, timeout_s: float
    ) -> ProviderResponse:
        name = self._called(plugin, request, timeout_s)
        script = self.unary[name]
        outcome = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(outcome, After):
            if outcome.seconds > timeout_s:
                self.clock.now += timeout_s
                raise ProviderError(ErrorKind.TIMEOUT, "too slow", phase="total")
            self.clock.now += outcome.seconds
            outcome = outcome.outcome
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome

    @asynccontextmanager
    async def stream(
        self, plugin: str, request: ChatRequest, *, timeout_s: float
    ) -> AsyncIterator[AsyncIterator[list[ChatEvent]]]:
        name = self._called(plugin, request, timeout_s)
        script = self.streams[name]
        beats = script.pop(0) if len(script) > 1 else script[0]
        source = self._events(name, beats)
        try:
            yield source
        finally:
            await source.aclose()
            self.closed.append(name)

    async def _events(self, name: str, beats: list[Beat]):
        for beat in beats:
            if isinstance(beat, ProviderError):
                raise beat
            if isinstance(beat, anyio.Event):
                try:
                    await beat.wait()
                except anyio.get_cancelled_exc_class():
                    self.cancelled.append(name)
                    raise
            else:
                yield list(beat)

    def _called(self, plugin: str, request: object, timeout_s: float) -> str:
        model = getattr(request, "model", None)
        self.models.append(model)
        self.calls.append((f"{plugin}/{model}", timeout_s))
        return f"{plugin}/{model}"

    @property
    def called(self) -> list[str]:
        return [name for name, _ in self.calls]


def target(name: str, *, window: int | None = None) -> Target:
    plugin, _, model = name.partition("/")
    info = ModelInfo(id=model, capabilities=(Capability.CHAT,), context_tokens=window)
    return Target(plugin, model, info)


def plan(*names: str) -> Plan:
    return Plan(tuple(target(name) for name in names))


def failure(kind: str, *, retry_after_s: float | None = None) -> ProviderError:
    if kind == ErrorKind.PERMISSION_DENIED:
        return PermissionDenied("add it to the manifest")
    return ProviderError(kind, f"a {kind}", retry_after_s=retry_after_s)


def dispatcher(workers: Scripted, *, breaker: Breaker | None = None) -> Dispatcher:
    return Dispatcher(
        workers, workers.clock, lambda: 1.0, breaker=breaker, sleep=workers.clock.sleep
    )
