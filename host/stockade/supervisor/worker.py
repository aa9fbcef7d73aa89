"""One worker, from its start to its burial: feeds `lifecycle` its events, carries out its actions.

Everything that belongs to a worker runs in one task group, and ends with it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, assert_never

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from stockade.channel.channel import BROKEN
from stockade.errors import HostError, Refused
from stockade.process import Child, Exit, Usage, plain, removing
from stockade.sandbox.cgroups import CgroupError
from stockade.settings import SupervisionSettings
from stockade_sdk import wire
from stockade_sdk.errors import ErrorKind, ProviderError

from .bounds import Bounds
from .budget import Exceeded
from .causes import Fault, Who, decode
from .launch import (
    Means,
    PluginRuntime,
    Started,
    WorkerChannel,
    check,
    check_methods,
    start,
)
from .lifecycle import Action, Event, State, after
from .liveness import Clogged, Unresponsive, judge
from .probing import StartRefused
from .records import Records
from .watch import Watch

if TYPE_CHECKING:
    import socket

    from stockade.egress import Outlet
    from stockade_worker.plan import Plan

TICK_S: Final = 0.5  # how often a worker is looked at; SIGSTOP is seen within two of them
EXIT_GRACE_S: Final = 0.25  # from a closed socket to the exit that explains it
LAST_WORDS_S: Final = 0.1  # from the exit to the end of what its socket still holds
CLEAR_STEPS: Final = 50  # files removed before others get their turn: under 1 ms
STOP_GRACE_S: Final = 1.0  # from a polite stop to SIGKILL

Connect = Callable[
    [str, "Outlet | None", Callable[[wire.Log], None], Callable[[wire.Denied], None]],
    Awaitable[WorkerChannel],
]
OnText = Callable[[str, str], None]  # stream or level, text

_FAULTS: Final = {
    Event.REFUSED: Fault.REFUSED,
    Event.START_DEADLINE: Fault.START_DEADLINE,
    Event.UNRESPONSIVE: Fault.UNRESPONSIVE,
    Event.CLOGGED: Fault.UNRESPONSIVE,
    Event.VIOLATION: Fault.VIOLATION,
}


class Owner(Protocol):
    """What a worker tells the crew it belongs to."""

    def offer(self, worker: Worker) -> None: ...
    def withdraw(self, worker: Worker) -> None: ...
    def blame(self, worker: Worker) -> str: ...  # counts the death; returns what happens next
    def bury(self, worker: Worker) -> None: ...


class Worker:
    """One worker of one plugin; `run` is its life."""

    def __init__(
        self,
        runtime: PluginRuntime,
        owner: Owner,
        *,
        settings: SupervisionSettings,
        word: str,
        connect: Connect,
        on_text: OnText,
        on_denied: Callable[[wire.Denied], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runtime = runtime
        self.state = State.STARTING
        self.reason = ""  # of its end
        self.error: ProviderError | None = None
        self.channel: WorkerChannel | None = None
        self.child: Child | None = None
        self.plan: Plan | None = None
        self.layers: tuple[str, ...] = ()
        self.was_ready = False
        self.served = False  # it answered a call
        self.live = 0  # calls that somebody waits for
        self.reserved = 0  # calls about to be made
        self.active_at = self.born_at = clock()
        self.word = word
        self._owner = owner
        self._settings = settings
        self._connect = connect
        self._on_text = on_text
        self._on_denied = on_denied
        self._clock = clock
        self._exit: Exit | None = None
        self._fault: Fault | None = None
        self._bounds: Bounds | None = None
        self._exceeded: Exceeded | None = None
        self._dismissed = anyio.Event()
        self._called_off = anyio.Event()
        self._watch = Watch(clock)
        self._records = Records(on_text, clock)

    @property
    def tier(self) -> str:
        """How strongly it is confined; "" before that is known."""
        return self.plan.tier if self.plan is not None else ""

    @property
    def in_flight(self) -> int:
        """Answers it owes, those nobody waits for included."""
        return self.channel.in_flight if self.channel is not None else 0

    @property
    def load(self) -> int:
        """The length of its queue, with calls that are about to be made."""
        return self.in_flight + self.reserved

    def usage(self) -> Usage | None:
        """What the kernel says of it."""
        return self.child.usage() if self.child is not None else None

    def abandoned(self) -> None:
        """A call of its was given up, and its answer may be owed still."""
        if self.channel is not None:
            self._watch.gave_up(self.channel.abandoned)

    def offend(self, reason: str) -> ProviderError:
        """It answered what is no answer: end it; returns the error for who asked."""
        if self.state in (State.READY, State.DRAINING):
            self.on(Event.VIOLATION, reason)
        name = f"plugin {self.runtime.name} {self.runtime.version}"
        return ProviderError(ErrorKind.PROTOCOL, f"{name}: its worker was ended: {reason}")

    def on(self, event: Event, reason: str = "") -> None:
        """Take an event: the table says what follows, here it is done."""
        step = after(self.state, event)
        fault = _FAULTS.get(event) if step.actions else None
        if fault is not None and self._fault is None:
            self._fault, self.reason = fault, reason
        self.reason = self.reason or reason
        self.state = step.state
        for action in step.actions:
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Action.SEND_LOAD:
                pass  # by `_greet`, which waits for its answer
            case Action.OFFER:
                self.was_ready = True
                self._owner.offer(self)
            case Action.WITHDRAW:
                self._owner.withdraw(self)
            case Action.SEND_STOP:
                if self.channel is not None:
                    self.channel.send_stop()
                self._dismissed.set()
            case Action.KILL:
                self._kill()
            case Action.BLAME:
                self._blame()
            case Action.FAIL_CALLS:
                if self.channel is not None:
                    self.channel.fail(self.error or self._ended())
            case Action.BURY:
                self._owner.bury(self)
            case _:
                assert_never(action)

    def _kill(self) -> None:
        if self.child is not None:
            self.child.kill()
        if self._bounds is not None:
            try:
                self._bounds.kill()
            except CgroupError as error:  # the child's own end, and its namespace's, is asked for
                self._on_text("host", f"its control group could not be killed: {error}")
        self._called_off.set()

    def _blame(self) -> None:
        if self.error is not None:  # it was given up before, and died of something else since
            return
        self.error = self._decode()
        then = self._owner.blame(self)
        self.error = self._decode(then)

    def _decode(self, then: str = "") -> ProviderError:
        who = Who(self.runtime.name, self.runtime.version, self.runtime.limits)
        tail = tuple(self.child.tail) if self.child is not None else ()
        return decode(
            who,
            self._exit,
            tail=tail,
            fault=self._fault,
            reason=self.reason,
            counts=self._bounds.counts if self._bounds is not None else None,
            exceeded=self._exceeded,
            then=then,
        )

    async def _carry_tunnel(self, outlet: Outlet, end: socket.socket) -> None:
        broken = await outlet.tunnel(end)
        if broken:
            self._on_text("host", f"its tunnel was closed: {broken}")

    def _exceed(self, exceeded: Exceeded) -> None:
        """It is over a limit that the kernel does not hold it to: end it."""
        self._exceeded = exceeded
        self.on(Event.EXCEEDED, exceeded.reason)

    def slowness(self, since_s: float) -> str | None:
        """What its limits had to do with a call that took `since_s` seconds, or None."""
        return self._bounds.slowness(since_s) if self._bounds is not None else None

    def _ended(self) -> ProviderError:
        return ProviderError(
            ErrorKind.WORKER_DIED,
            f"plugin {self.runtime.name} {self.runtime.version}: its worker was ended: "
            f"{self.reason or 'the host is closing'}",
        )

    async def run(self, means: Means, *, delay_s: float = 0.0) -> None:
        """Live. Leaves no process, descriptor or task behind, however it is left."""
        started: Started | None = None
        try:
            async with anyio.create_task_group() as tasks:
                if not await self._wait_to_start(delay_s):
                    return
                started = await self._start(means, tasks)
                if started is None:
                    return
                self.child, self.plan = started.child, started.plan
                self._bounds = started.bounds
                if self.state is not State.STARTING:  # it was told to stop meanwhile
                    self.child.kill()
                tasks.start_soon(self._greet, started, tasks)
                tasks.start_soon(self._stop_in_time)
                if started.tunnel is not None and self.runtime.outlet is not None:
                    tasks.start_soon(self._carry_tunnel, self.runtime.outlet, started.tunnel)
                self._exit = await started.child.exited()
                started.bounds.read()
                await self._read_last_words()
                if self.channel is not None and self.channel.violation is not None:
                    self.on(Event.VIOLATION, self.channel.violation)  # and then it died of that
                self.on(Event.EXITED)
                tasks.cancel_scope.cancel()
        finally:
            await self._close()
            if started is not None:
                if not await started.end():
                    self._on_text("host", "its control group is left for the next start to remove")
                await _clear(started.scratch)

    async def _start(self, means: Means, tasks: TaskGroup) -> Started | None:
        """The process, or None where there is none; then everybody has been told."""
        try:
            with anyio.fail_after(self.runtime.limits.start_timeout_s):
                return await start(
                    self.runtime,
                    self.word,
                    means=means,
                    on_line=self._on_text,
                    tasks=tasks,
                )
        except TimeoutError:
            self.on(Event.START_DEADLINE, "it was not ready in time")
        except Refused as refused:  # by the operator's rules: nothing that it did, so no death
            self.error = ProviderError(ErrorKind.PERMISSION_DENIED, str(refused))
            self.on(Event.STOP, str(refused))
        except (OSError, StartRefused, HostError, ProviderError) as error:
            self.on(Event.REFUSED, str(error))
        self.on(Event.EXITED)
        return None

    async def _wait_to_start(self, delay_s: float) -> bool:
        """Let the back-off pass; False where it was told to stop meanwhile."""
        if delay_s > 0:
            with anyio.move_on_after(delay_s):
                await self._called_off.wait()
        return self.state is State.STARTING

    async def _close(self) -> None:
        """Whatever is left where the life was cut short."""
        if self.state is not State.DEAD:  # cancelled: the child is killed and reaped by now
            self.on(Event.STOP, "the host is closing")
            self.on(Event.EXITED)
        if self.channel is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_GRACE_S):
                await self.channel.aclose()

    async def _read_last_words(self) -> None:
        """What it answered before it died lies in the socket still."""
        if self.channel is not None:
            with anyio.move_on_after(LAST_WORDS_S):
                await self.channel.closed()

    async def _greet(self, started: Started, tasks: TaskGroup) -> None:
        try:
            with anyio.fail_after(self.runtime.limits.start_timeout_s):
                await self._make_ready(started, tasks)
        except TimeoutError:
            self.on(Event.START_DEADLINE, "it was not ready in time")
            return
        except (StartRefused, HostError) as refused:
            self.on(Event.REFUSED, str(refused))
            return
        except (OSError, ProviderError) as error:
            await self._lost_early(started, error)
            return
        tasks.start_soon(self._watch_socket)
        assert self.channel is not None
        tasks.start_soon(self._watch.ping, self.channel, self._settings.ping_interval_s)
        tasks.start_soon(self._look)

    async def _make_ready(self, started: Started, tasks: TaskGroup) -> None:
        self.channel = channel = await self._connect(
            started.listener.path, self.runtime.outlet, self._records.take, self._on_denied
        )
        started.listener.close()
        hello = await channel.hello()
        await check(started, hello, self.runtime)
        tasks.start_soon(started.bounds.watch, self._exceed)
        self.layers = hello.layers
        self.on(Event.HELLO)
        methods = await channel.load(started.load)
        check_methods(methods, self.runtime.capabilities)
        self.on(Event.LOADED)

    async def _lost_early(self, started: Started, error: OSError | ProviderError) -> None:
        """Its start failed. Where it is about to exit, the exit tells more than a closed socket."""
        reason = error.message if isinstance(error, ProviderError) else str(error)
        hung_up = not isinstance(error, ProviderError) or error.kind is ErrorKind.PROTOCOL
        if hung_up:
            if isinstance(error, ProviderError) and error.code == BROKEN:
                self.on(Event.VIOLATION, reason)
                return
            with anyio.move_on_after(EXIT_GRACE_S):
                await started.child.exited()
                return  # `run` takes it from here
            self.on(Event.VIOLATION, reason)
            return
        for line in reason.splitlines()[1:]:  # a traceback; the first line goes into the error
            self._on_text("error", plain(line))
        self.on(Event.REFUSED, reason)

    async def _watch_socket(self) -> None:
        assert self.channel is not None
        assert self.child is not None
        reason = await self.channel.closed()
        if self.channel.violation is None:
            with anyio.move_on_after(EXIT_GRACE_S):
                await self.child.exited()
                return  # `run` takes it from here
            reason = f"{reason} and went on running"
        if self.state in (State.READY, State.DRAINING):
            self.on(Event.VIOLATION, self.channel.violation or reason)

    async def _look(self) -> None:
        while self.state in (State.READY, State.DRAINING):
            await anyio.sleep(min(TICK_S, self._settings.ping_interval_s))
            self._look_once()

    def _look_once(self) -> None:
        if self.state not in (State.READY, State.DRAINING):
            return
        owed = 0 if self.channel is None else self.channel.abandoned
        sight = self._watch.sight(self.usage(), self.in_flight, owed, self.active_at)
        match judge(sight, ping_timeout_s=self._settings.ping_timeout_s):
            case Unresponsive(reason=reason):
                self.on(Event.UNRESPONSIVE, reason)
            case Clogged(reason=reason):
                self.on(Event.CLOGGED, reason)
            case None:
                if self.state is State.READY and self._idle(sight.now):
                    self.on(Event.IDLE, "it had nothing to do")
        self.settle()

    def settle(self) -> None:
        """Let it go where it was to finish its calls and has; calls given up do not hold it."""
        if self.state is State.DRAINING and self.live + self.reserved == 0:
            self.on(Event.DRAINED)

    def _idle(self, now: float) -> bool:
        return self.load == 0 and now - self.active_at >= self.runtime.limits.idle_stop_s

    async def _stop_in_time(self) -> None:
        await self._dismissed.wait()
        await anyio.sleep(STOP_GRACE_S)
        self.on(Event.STOP_DEADLINE)


async def _clear(scratch: Path) -> None:
    """Remove what it left in its scratch folder, a little at a time; the rest with the run folder
    where that is cut short.
    """
    for number, _ in enumerate(removing(scratch)):
        if number % CLEAR_STEPS == 0:
            await anyio.lowlevel.checkpoint()
