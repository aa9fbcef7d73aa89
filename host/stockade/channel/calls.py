"""Calls in flight on one worker's socket: what is open, what was given up, what a worker may say of
it.

    open ──▶ answered                  the worker said the one thing it owes
      └───▶ abandoned ──▶ answered     nobody waits any more; the answer is still owed, and dropped

An answer to anything else is a breach: a call answered twice, or another's id. Pure: no clock, no
sockets; what waits for an answer (``sink``) is a value of the caller's that is only handed back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from stockade_sdk import wire

ITEM_OVERHEAD_BYTES = 64  # what an item costs beside its own bytes; the worker counts the same

Sink = TypeVar("Sink")


class Breach(Exception):
    """The worker said what it may not say; ``reason`` is one sentence about it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Flight(Generic[Sink]):
    """One open call; ``window`` is 0 for a unary one, ``ahead`` counts stream bytes unread."""

    __slots__ = ("ahead", "sink", "unread", "window")

    def __init__(self, sink: Sink, window: int) -> None:
        self.sink, self.window, self.ahead, self.unread = sink, window, 0, 0


class Calls(Generic[Sink]):
    """The book of one connection."""

    def __init__(self) -> None:
        self._open: dict[int, Flight[Sink]] = {}
        self._abandoned: dict[int, int] = {}  # id → window
        self._last = 0

    def __len__(self) -> int:
        return len(self._open) + len(self._abandoned)

    def sinks(self) -> Iterable[tuple[int, Sink]]:
        """The open calls, oldest first."""
        return ((id, flight.sink) for id, flight in self._open.items())

    @property
    def abandoned(self) -> int:
        """How many answers are owed that nobody waits for."""
        return len(self._abandoned)

    def is_open(self, id: int) -> bool:
        """Whether somebody waits for ``id``."""
        return id in self._open

    def open(self, sink: Sink, window: int = 0) -> int:
        """A new call; returns its id."""
        self._last += 1
        self._open[self._last] = Flight(sink, window)
        return self._last

    def abandon(self, id: int) -> bool:
        """Nobody waits for ``id`` any more; False where it was answered already."""
        flight = self._open.pop(id, None)
        if flight is None:
            return False
        self._abandoned[id] = flight.window
        return True

    def result(self, frame: wire.Result) -> Sink | None:
        """Who gets a unary answer; ``None`` for an abandoned call."""
        flight = self._open.pop(frame.id, None)
        if flight is None:
            self._owed(frame.id, streaming=False)
            return None
        if flight.window:
            raise Breach(f"it gave a single answer to stream {frame.id}")
        return flight.sink

    def failed(self, frame: wire.Failed) -> Sink | None:
        """Who gets a failure; ``None`` for an abandoned call."""
        flight = self._open.pop(frame.id, None)
        if flight is None:
            self._owed(frame.id, streaming=None)
            return None
        return flight.sink

    def items(self, frame: wire.Items, size: int) -> Sink | None:
        """Who gets stream items that came in a frame of ``size`` bytes; ``None`` for an abandoned
        call.
        """
        flight = self._open.get(frame.id)
        if flight is None:
            if frame.last or frame.id not in self._abandoned:
                self._owed(frame.id, streaming=True)
            return None  # sent before the cancellation arrived
        if not flight.window:
            raise Breach(f"it streamed to call {frame.id}, which wants one answer")
        if size > wire.MAX_ITEMS_BYTES:
            raise Breach(f"it sent {size} bytes of stream items at once")
        if flight.ahead >= flight.window:
            raise Breach(f"it sent more of stream {frame.id} than it had credit for")
        flight.ahead += size + ITEM_OVERHEAD_BYTES
        if frame.last:
            del self._open[frame.id]
        return flight.sink

    def took(self, id: int, size: int) -> wire.Credit | None:
        """The reader took a frame of ``size`` bytes; returns the credit to send, in large enough
        pieces.
        """
        flight = self._open.get(id)
        if flight is None:
            return None
        flight.unread += size + ITEM_OVERHEAD_BYTES
        if flight.unread * 4 < flight.window:
            return None
        credit, flight.unread = flight.unread, 0
        flight.ahead -= credit
        return wire.Credit(id, credit)

    def end(self) -> list[Sink]:
        """Everyone who still waits; the book is empty afterwards."""
        waiting = [flight.sink for flight in self._open.values()]
        self._open.clear()
        self._abandoned.clear()
        return waiting

    def _owed(self, id: int, *, streaming: bool | None) -> None:
        window = self._abandoned.pop(id, None)
        if window is None:
            when = "a second time" if 0 < id <= self._last else "that was never made"
            raise Breach(f"it answered call {id} {when}")
        if streaming is not None and streaming != bool(window):
            raise Breach(f"it answered call {id} in the wrong way")
