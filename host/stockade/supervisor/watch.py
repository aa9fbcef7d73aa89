"""What is noted of one worker between looks at it: pings, stops, calls given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio

from stockade.process import Usage
from stockade_sdk.errors import ProviderError

from .launch import WorkerChannel
from .liveness import Sight


class Watch:
    """Notes for `liveness.judge`; `ping` runs beside, `sight` is one look."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ping_since: float | None = None
        self._stopped_since: float | None = None
        self._given_up: deque[float] = deque()

    async def ping(self, channel: WorkerChannel, interval_s: float) -> None:
        """Ping until the channel ends."""
        try:
            while True:
                # One at a time and without a deadline: `judge` says how long is too long.
                self._ping_since = self._clock()
                await channel.ping()
                self._ping_since = None
                await anyio.sleep(interval_s)
        except ProviderError:  # the channel has ended, and who watches it knows
            return

    def gave_up(self, owed: int) -> None:
        """A call was given up; `owed` answers are missing that nobody waits for."""
        self._given_up.append(self._clock())
        self._forget_answered(owed)

    def sight(self, usage: Usage | None, in_flight: int, owed: int, active_at: float) -> Sight:
        """What is to be seen now."""
        now = self._clock()
        if usage is None or not usage.stopped:
            self._stopped_since = None
        elif self._stopped_since is None:
            self._stopped_since = now
        self._forget_answered(owed)
        return Sight(
            now=now,
            in_flight=in_flight,
            stopped_since=self._stopped_since,
            ping_since=self._ping_since,
            active_at=active_at,
            abandoned_since=self._given_up[0] if self._given_up else None,
        )

    def _forget_answered(self, owed: int) -> None:
        # Answers come without a date; that the oldest came first is the kind assumption.
        while len(self._given_up) > owed:
            self._given_up.popleft()
