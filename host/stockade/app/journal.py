"""What is learnt while requests run and is worth keeping: written in batches, off the event loop.

A write to SQLite may wait for a disk. Nothing on a request's path does: notes are put down here, a
task of the host's writes them once a second, and the rest when the host closes.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence

import anyio
import anyio.to_thread
from msgspec.structs import replace

from stockade.errors import HostError
from stockade.settings import Home
from stockade.state import State
from stockade_sdk.capability import Attempt, Capability

INTERVAL_S = 1.0
MAX_NOTES = 10_000  # requests between two writes; older ones are dropped first

Note = Callable[[State], None]


class Journal:
    """Notes for ``state.db``."""

    def __init__(self, home: Home, clock: Callable[[], float]) -> None:
        self._state, self._clock = State.open(home), clock  # a connection of its own: see `write`
        self._notes: deque[Note] = deque(maxlen=MAX_NOTES)
        self.lost = 0

    def attempts(self, capability: Capability, attempts: Sequence[Attempt]) -> None:
        """Every try of one request: targets, outcomes and times, no content."""
        if attempts:
            request, at = secrets.token_hex(8), self._clock()
            # A vendor's words may repeat a caller's; they are for the caller alone.
            kept = tuple(replace(attempt, message=None) for attempt in attempts)
            self._notes.append(
                lambda state: state.record_attempts(request, capability, kept, at=at)
            )

    def plugin(self, name: str, state: str, last_error: str | None) -> None:
        """What became of a plugin."""
        self._notes.append(lambda store: store.set_state(name, state, last_error))

    async def keep(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await anyio.sleep(INTERVAL_S)
            if self._notes:
                await anyio.to_thread.run_sync(self.write)

    def write(self) -> None:
        """Write all notes; one that cannot be written is lost and counted, requests go on.

        From a worker thread, one at a time.
        """
        while self._notes:
            note = self._notes.popleft()
            try:
                note(self._state)
            except HostError:
                self.lost += 1

    def close(self) -> None:
        """Write the rest and let go of the database."""
        self.write()
        self._state.close()
