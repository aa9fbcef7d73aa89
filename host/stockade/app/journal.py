"""What is learnt while requests run and is worth keeping: written in batches, off the event loop.

A write to SQLite may wait for a disk. Nothing on a request's path does: notes are put down here, a
task of the host's writes them once a second, and the rest when the host closes.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count

import anyio
import anyio.to_thread
import msgspec
from msgspec.structs import replace

from stockade.errors import HostError
from stockade.settings import Home
from stockade.state import Rest, State
from stockade.state import Tried as Record
from stockade_sdk.capability import Attempt, Capability, CostBreakdown, Usage

INTERVAL_S = 1.0
MAX_NOTES = 10_000  # requests between two writes; older ones are dropped first


class Tried(msgspec.Struct, frozen=True, gc=False):
    """Every try of one request, as it stood at its end; ``at`` is in seconds since 1970."""

    capability: Capability
    attempts: tuple[Attempt, ...]
    at: float
    usage: Usage | None
    cost: CostBreakdown | None


class Became(msgspec.Struct, frozen=True):
    """What became of a plugin."""

    plugin: str
    state: str
    last_error: str | None


class Journal:
    """Notes for ``state.db``, on a connection of its own, since it is used from other threads.

    ``rests`` gives what the breaker learnt since it was asked last (``Breaker.changes``).
    """

    def __init__(
        self,
        home: Home,
        clock: Callable[[], float],
        rests: Callable[[], Mapping[str, Rest | None]],
    ) -> None:
        self.lost = 0
        self._state, self._clock, self._rests = State.open(home), clock, rests
        self._notes: deque[Tried | Became] = deque(maxlen=MAX_NOTES)
        self._unkept: dict[str, Rest | None] = {}
        self._host, self._requests = secrets.token_hex(4), count(1)

    def attempts(
        self,
        capability: Capability,
        attempts: tuple[Attempt, ...],
        usage: Usage | None = None,
        cost: CostBreakdown | None = None,
    ) -> None:
        """A request is over; ``usage`` and ``cost`` are those of its answer."""
        if attempts:
            self._notes.append(Tried(capability, attempts, self._clock(), usage, cost))

    def plugin(self, name: str, state: str, last_error: str | None) -> None:
        """A plugin died or was given up."""
        self._notes.append(Became(name, state, last_error))

    async def keep(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await anyio.sleep(INTERVAL_S)
            self._gather()
            if self._notes or self._unkept:
                await anyio.to_thread.run_sync(self.write)

    def write(self) -> None:
        """Write all notes; those that cannot be written are lost and counted, requests go on. Who
        rests is written at the next time instead.

        From a worker thread, one at a time.
        """
        notes = [self._notes.popleft() for _ in range(len(self._notes))]
        tried = [note for note in notes if isinstance(note, Tried)]
        rests, self._unkept = self._unkept, {}
        try:
            self._state.attempts.record(self._records(tried))
            for note in notes:
                if isinstance(note, Became):
                    self._state.set_state(note.plugin, note.state, note.last_error)
            if rests:
                self._state.learnt.keep_rests(rests)
        except HostError:
            self.lost += len(notes)
            self._unkept = {**rests, **self._unkept}

    def close(self) -> None:
        """Write the rest and let go of the database."""
        self._gather()
        self.write()
        self._state.close()

    def _gather(self) -> None:
        """Take what the breaker learnt; on the event loop, as the breaker is."""
        self._unkept.update(self._rests())

    def _records(self, tried: Iterable[Tried]) -> Iterator[Record]:
        for note in tried:
            # A vendor's words may repeat a caller's; they are for the caller alone.
            kept = tuple(replace(attempt, message=None) for attempt in note.attempts)
            yield Record(
                f"{self._host}-{next(self._requests)}",
                note.capability.value,  # sqlite3 is slow with an enum
                kept,
                note.at,
                None if note.usage is None else note.usage.total,
                None if note.cost is None else note.cost.total_cost,
            )
