"""What is learnt while requests run and is worth keeping: written in batches, off the event loop.

A write to SQLite may wait for a disk. Nothing on a request's path does: notes are put down here, a
task of the host's writes them once a second, and the rest when the host closes. What cannot be
written (the disk is full, another process holds the file) waits for the next time.
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

from stockade.errors import HostError, NotInstalled
from stockade.settings import Home
from stockade.state import Rest, State
from stockade.state import Tried as Record
from stockade.telemetry import request_id
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
    request_id: str | None = None  # the gateway's; None where a program called the host itself


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
        self._writing = anyio.Lock()
        self._unwritten: list[Tried] = []
        self._unsaid: dict[str, Became] = {}
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
            tried = Tried(capability, attempts, self._clock(), usage, cost, request_id.get())
            self._notes.append(tried)

    def plugin(self, name: str, state: str, last_error: str | None) -> None:
        """A plugin died or was given up."""
        self._notes.append(Became(name, state, last_error))

    async def keep(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await anyio.sleep(INTERVAL_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what there is now."""
        async with self._writing:
            self._gather()
            if self._notes or self._unwritten or self._unsaid or self._unkept:
                await anyio.to_thread.run_sync(self.write)

    def write(self) -> None:
        """Write all notes; what cannot be written is kept for the next time, as far as MAX_NOTES
        goes, and requests go on. ``lost`` counts what is not.

        From a worker thread, one at a time.
        """
        tried = self._unwritten
        for _ in range(len(self._notes)):
            note = self._notes.popleft()
            if isinstance(note, Tried):
                tried.append(note)
            else:
                self._unsaid[note.plugin] = note
        rests, self._unkept = self._unkept, {}
        try:
            if tried:
                self._state.attempts.record(self._records(tried))
                self._unwritten = []
            if rests:
                self._state.learnt.keep_rests(rests)
            self._unsaid = {one.plugin: one for one in self._unsaid.values() if not self._say(one)}
        except HostError:
            self._unkept = {**rests, **self._unkept}
            self.lost += max(0, len(self._unwritten) - MAX_NOTES)
            self._unwritten = self._unwritten[-MAX_NOTES:]

    def close(self) -> None:
        """Write the rest and let go of the database."""
        self._gather()
        self.write()
        self.lost += len(self._unwritten)
        self._state.close()

    def _say(self, note: Became) -> bool:
        """Record what became of a plugin; whether that is over with. Its row may be damaged, and
        then it is the next time's.
        """
        try:
            self._state.note_state(note.plugin, note.state, note.last_error)
        except NotInstalled:  # uninstalled meanwhile: there is nothing to say of it
            return True
        except HostError:
            return False
        return True

    def _gather(self) -> None:
        """Take what the breaker learnt; on the event loop, as the breaker is."""
        self._unkept.update(self._rests())

    def _records(self, tried: Iterable[Tried]) -> Iterator[Record]:
        for note in tried:
            # A vendor's words may repeat a caller's; they are for the caller alone.
            kept = [
                attempt if attempt.message is None else replace(attempt, message=None)
                for attempt in note.attempts
            ]
            yield Record(
                note.request_id or f"{self._host}-{next(self._requests)}",
                note.capability,
                kept,
                note.at,
                None if note.usage is None else note.usage.total,
                _usd(note.cost),
            )


def _usd(cost: CostBreakdown | None) -> str | None:
    """The log knows no other currency."""
    return cost.total_cost if cost is not None and cost.currency == "USD" else None
