"""All workers of one plugin: who takes a call, who waits, when to start another, when to give up.

Decisions are taken in `pool` and `restart`; the supervisor starts what is recruited here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import anyio

from stockade.errors import HostError
from stockade.process import started_at
from stockade.settings import SupervisionSettings
from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase

from .board import Posted
from .launch import PluginRuntime
from .lifecycle import Event, State
from .pool import queue_full, shortest, wanted
from .restart import Death, GiveUp, after_exit
from .status import PluginEvent, PluginState, PluginStatus, What, WorkerStatus
from .worker import Worker

NEXT_CALL = "the next call starts it again"
ALIVE = frozenset((State.STARTING, State.LOADING, State.READY))


class Replaced(Exception):
    """The crew was drained with this caller in its queue: another one takes its place."""


@dataclass(slots=True, eq=False)
class Waiter:
    """One caller in the queue, and what it gets."""

    turn: anyio.Event = field(default_factory=anyio.Event)
    worker: Worker | None = None
    error: ProviderError | Replaced | None = None


class Crew:
    """One plugin's workers; `recruit` makes a worker of a runtime and runs it after a delay."""

    def __init__(
        self,
        name: str,
        runtime_of: Callable[[str], PluginRuntime],
        recruit: Callable[[Crew, PluginRuntime, float], Worker],
        *,
        settings: SupervisionSettings,
        tell: Callable[[PluginEvent], None],
        random: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.runtime = runtime_of(name)
        self.workers: list[Worker] = []
        self.ready: list[Worker] = []
        self.waiting: deque[Waiter] = deque()
        self.last_error = ""
        self.deaths: deque[Death] = deque()
        self.closing = ""  # why no worker is started any more
        self.replaced = False  # who comes, and who waits, is another crew's
        self.given_up: ProviderError | None = None
        self._runtime_of = runtime_of
        self._recruit = recruit
        self._settings = settings
        self._tell = tell
        self._random = random
        self._clock = clock
        self._not_before = 0.0
        self._starts = 0
        self._empty = anyio.Event()

    # --- calls ---

    def quick(self) -> Worker | None:
        """The ready worker with the shortest queue, if it has room and nobody waits for it."""
        ready = self.ready
        if not ready or self.waiting:
            return None
        most = self.runtime.limits.concurrency
        if len(ready) == 1:
            worker = ready[0]
            return worker if worker.load < most else None
        return self._shortest()

    async def lease(self, timeout_s: float) -> tuple[Worker, float]:
        """Wait for a worker with room, starting one where that is due; the caller calls it at once,
        with the seconds that are left then.

        Raises ProviderError: `overloaded` where too many wait, `timeout`, or what became of the
        start; and Replaced where it was handed over meanwhile.
        """
        deadline = self._clock() + timeout_s
        while True:
            waiter = self._queue_up()
            try:
                with anyio.move_on_after(deadline - self._clock()):
                    await waiter.turn.wait()
            finally:
                self._leave(waiter)
            if waiter.error is not None:
                raise waiter.error
            if waiter.worker is None:
                raise self._too_late(timeout_s)
            if waiter.worker.state is State.READY:
                return waiter.worker, deadline - self._clock()

    def done(self, worker: Worker) -> None:
        """A call of `worker` is over, in whatever way."""
        worker.live -= 1
        worker.active_at = self._clock()
        if self.waiting:
            self.dispatch()
        if worker.state is State.DRAINING:
            worker.settle()

    def dispatch(self) -> None:
        """Give workers with room to those who wait, first come, first served."""
        while self.waiting:
            worker = self._shortest()
            if worker is None:
                return
            waiter = self.waiting.popleft()
            worker.reserved += 1
            waiter.worker = worker
            waiter.turn.set()

    def _shortest(self) -> Worker | None:
        queues = [worker.load for worker in self.ready]
        index = shortest(queues, self.runtime.limits.concurrency)
        return None if index is None else self.ready[index]

    def _queue_up(self) -> Waiter:
        if self.replaced:
            raise Replaced
        if self.given_up is not None and not self.ready:
            raise ProviderError.of(self.given_up.info())
        if self.closing:
            raise self._closed()
        limits = self.runtime.limits
        if queue_full(len(self.waiting), limits.concurrency):
            raise ProviderError(
                ErrorKind.OVERLOADED,
                f"plugin {self.name}: {len(self.waiting)} calls wait for its {limits.workers} "
                "worker(s) already; raise limits.workers or limits.concurrency",
            )
        waiter = Waiter()
        self.waiting.append(waiter)
        try:
            self.muster()
        except BaseException:
            self.waiting.remove(waiter)
            raise
        self.dispatch()
        return waiter

    def _leave(self, waiter: Waiter) -> None:
        if waiter.worker is not None:
            waiter.worker.reserved -= 1
            if self.waiting:  # it may have been cancelled with a worker in hand
                self.dispatch()
        elif waiter.error is None and waiter in self.waiting:
            self.waiting.remove(waiter)

    def _too_late(self, timeout_s: float) -> ProviderError:
        busy = sum(worker.load for worker in self.ready)
        state = f"{busy} calls in flight" if self.ready else "its worker was not ready"
        return ProviderError(
            ErrorKind.TIMEOUT,
            f"plugin {self.name}: no worker was free within {timeout_s:g} s ({state})",
            phase=TimeoutPhase.TOTAL,
        )

    # --- workers ---

    def muster(self, least: int = 0) -> None:
        """Start as many workers as the load asks for, at least `least`."""
        if self.closing or self.given_up is not None:
            return
        limits = self.runtime.limits
        busy = sum(worker.load for worker in self.ready)
        need = max(least, wanted(busy, len(self.waiting), limits.concurrency, limits.workers))
        alive = sum(worker.state in ALIVE for worker in self.workers)
        for _ in range(need - alive):
            self.runtime = self._runtime_of(self.name)  # its configuration may have changed
            delay = max(0.0, self._not_before - self._clock())
            self._starts += 1
            self.workers.append(self._recruit(self, self.runtime, delay))
            self._tell(PluginEvent(self.name, What.STARTED))

    def offer(self, worker: Worker) -> None:
        """It takes calls from now on."""
        self.ready.append(worker)
        self._tell(PluginEvent(self.name, What.READY))
        self.dispatch()

    def withdraw(self, worker: Worker) -> None:
        """It takes no more calls."""
        if worker in self.ready:
            self.ready.remove(worker)

    def blame(self, worker: Worker) -> str:
        """Count its death; returns what happens next, for people."""
        now = self._clock()
        settings = self._settings
        self.deaths.append(Death(now, worker.served))
        while now - self.deaths[0].at > settings.window_s:
            self.deaths.popleft()
        decision = after_exit(
            self.deaths, now, self._random, most=settings.deaths, window_s=settings.window_s
        )
        if isinstance(decision, GiveUp):
            then = f"stopped: {decision.reason}; `stockade enable {self.name}` tries again"
            self.given_up = _with(worker.error, then)
            return then
        self._not_before = now + decision.seconds
        return "it is started again" if worker.was_ready else NEXT_CALL

    def bury(self, worker: Worker) -> None:
        """It is gone: replace it where it fell at work, tell those who wait where it never began.

        Who waits is told of a failed start at once, so that a fallback can answer instead.
        """
        self.workers.remove(worker)
        if not self.workers:
            self._empty.set()
        if worker.error is not None:
            self.last_error = worker.error.message
            what = What.DIED if self.given_up is None else What.GAVE_UP
            self._tell(PluginEvent(self.name, what, self.last_error))
        else:
            self._tell(PluginEvent(self.name, What.ENDED, worker.reason))
        if self.given_up is not None and not self.ready:
            self.fail_waiting(self.given_up)
        elif worker.error is not None and not worker.was_ready and not self.ready:
            self.fail_waiting(worker.error)
        try:
            self.muster(least=1 if worker.error is not None and worker.was_ready else 0)
        except (HostError, ProviderError) as error:  # uninstalled meanwhile, say
            self.fail_waiting(ProviderError(ErrorKind.WORKER_DIED, str(error)))

    def fail_waiting(self, error: ProviderError) -> None:
        """Everyone in the queue gets `error`."""
        while self.waiting:
            waiter = self.waiting.popleft()
            waiter.error = ProviderError.of(error.info())
            waiter.turn.set()

    def try_again(self) -> None:
        """Forget its deaths; the next call starts it."""
        self.deaths.clear()
        self.given_up = None
        self._not_before = 0.0

    def hand_over(self) -> None:
        """Another crew takes calls in its place: those who wait go there."""
        self.replaced = True
        while self.waiting:
            waiter = self.waiting.popleft()
            waiter.error = Replaced()
            waiter.turn.set()

    def close(self, reason: str, event: Event) -> None:
        """Start no more workers and end these: `Event.DRAIN` lets them finish, `STOP` does not."""
        self.closing = reason
        self.fail_waiting(self._closed())
        for worker in list(self.workers):
            worker.on(event, reason)
            worker.settle()

    async def empty(self) -> None:
        """Wait until the last worker is buried; after `close`."""
        while self.workers:
            if self._empty.is_set():  # of an earlier end; one that others wait for stays
                self._empty = anyio.Event()
            await self._empty.wait()

    def _closed(self) -> ProviderError:
        return ProviderError(ErrorKind.WORKER_DIED, f"plugin {self.name}: {self.closing}")

    # --- what is to be seen ---

    def status(self) -> PluginStatus:
        """Where it stands."""
        now = self._clock()
        recent = sum(now - death.at <= self._settings.window_s for death in self.deaths)
        return PluginStatus(
            state=self._state(),
            workers=tuple(self._status_of(worker, now) for worker in self.workers),
            waiting=len(self.waiting),
            last_error=self.last_error,
            deaths=recent,
        )

    def posted(self) -> Iterator[Posted]:
        """Its ready workers, for other processes to see."""
        for worker in self.ready:
            child = worker.child
            born = started_at(child.pid) if child is not None else None
            if child is not None and born is not None:
                yield Posted(
                    plugin=self.name,
                    pid=child.pid,
                    born=born,
                    since=time.time() - (self._clock() - worker.born_at),
                    tier=worker.tier,
                    layers=worker.layers,
                    restarts=max(0, self._starts - 1),
                )

    def _state(self) -> PluginState:
        states = {worker.state for worker in self.workers}
        if self.ready:
            return PluginState.READY
        if self.given_up is not None:
            return PluginState.FAILED
        if State.STARTING in states or State.LOADING in states:
            return PluginState.STARTING
        return PluginState.DRAINING if states else PluginState.STOPPED

    def _status_of(self, worker: Worker, now: float) -> WorkerStatus:
        usage = worker.usage()
        return WorkerStatus(
            state=worker.state,
            pid=None if worker.child is None else worker.child.pid,
            rss_bytes=None if usage is None else usage.rss_bytes,
            cpu_seconds=None if usage is None else usage.cpu_seconds,
            restarts=max(0, self._starts - 1),
            uptime_s=now - worker.born_at,
            in_flight=worker.in_flight,
            layers=worker.layers,
            tier=worker.tier,
        )


def _with(error: ProviderError | None, then: str) -> ProviderError:
    if error is None:
        return ProviderError(ErrorKind.WORKER_DIED, then)
    return ProviderError(error.kind, f"{error.message}; {then}")
