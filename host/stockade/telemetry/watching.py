"""Several who watch as one, and nobody. What a watcher does wrong never reaches a request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from stockade.egress import Decision
from stockade.supervisor import PluginEvent

from .observed import Observed, Watches

__all__ = ["NOBODY", "all_of"]

LOG: Final = logging.getLogger("stockade.telemetry")
News = TypeVar("News", Observed, Decision, PluginEvent)


class _Nobody:
    """Looks away; costs a call."""

    def request(self, observed: Observed) -> None:
        """Nothing."""

    def egress(self, decision: Decision) -> None:
        """Nothing."""

    def worker(self, event: PluginEvent) -> None:
        """Nothing."""


NOBODY: Final[Watches] = _Nobody()


class _Several:
    """Tells each in turn.

    One that raises is told of the next thing all the same, since its fault may lie in the one value
    alone; it is written to the program's log the first time and only counted from then on, for it
    may happen with every request.
    """

    def __init__(self, watches: tuple[Watches, ...]) -> None:
        self.failures = 0
        self._requests = tuple(one.request for one in watches)
        self._decisions = tuple(one.egress for one in watches)
        self._events = tuple(one.worker for one in watches)
        self._blamed: set[object] = set()

    def request(self, observed: Observed) -> None:
        for tell in self._requests:
            try:
                tell(observed)
            except Exception as error:  # noqa: BLE001  # whatever it is: the request was answered
                self._failed(tell, error)

    def egress(self, decision: Decision) -> None:
        for tell in self._decisions:
            try:
                tell(decision)
            except Exception as error:  # noqa: BLE001  # as above
                self._failed(tell, error)

    def worker(self, event: PluginEvent) -> None:
        for tell in self._events:
            try:
                tell(event)
            except Exception as error:  # noqa: BLE001  # as above
                self._failed(tell, error)

    def _failed(self, tell: Callable[[News], None], error: Exception) -> None:
        self.failures += 1
        if tell not in self._blamed:
            self._blamed.add(tell)
            LOG.error("%s failed; this is said once", tell.__qualname__, exc_info=error)


def all_of(*watches: Watches) -> Watches:
    """All of them as one that never raises; without any it is `NOBODY`."""
    real = tuple(one for one in watches if one is not NOBODY)
    return _Several(real) if real else NOBODY
