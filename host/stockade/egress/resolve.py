"""Names to addresses, with a bound on the threads that a plugin's names can keep busy.

`getaddrinfo` cannot be cancelled, and a hostile plugin can name hosts whose servers never answer,
so each outlet has lookups of its own: a few at a time, and none begun while too many that nobody
waits for any more still run.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio
import anyio.to_thread

__all__ = ["Lookup", "NotFound", "SystemLookups", "TooManyLookups"]

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]  # host, port to addresses, at least one

AT_A_TIME: Final = 8  # lookups of one outlet
MAX_RUNNING: Final = 32  # threads of one outlet, those given up included


class NotFound(Exception):
    """A name has no address; the message is a clause for people."""


class TooManyLookups(NotFound):
    """Nobody was asked: too many lookups run already."""


class _Begun:
    __slots__ = ("abandoned", "begun")

    def __init__(self) -> None:
        self.begun = self.abandoned = False


class SystemLookups:
    """The system's resolver. An instance is a `Lookup`; `getaddrinfo` is given by tests."""

    def __init__(self, getaddrinfo: Callable[[str, int], Sequence[str]] | None = None) -> None:
        self._ask = getaddrinfo or addresses_of
        self._lock = threading.Lock()
        self._running = 0
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, in the system's order. Raises `NotFound`."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(AT_A_TIME)
        with self._lock:
            if self._running >= MAX_RUNNING:
                raise TooManyLookups(
                    f"{MAX_RUNNING} earlier lookups of this plugin have had no answer"
                )
            self._running += 1
        state = _Begun()
        try:
            found = await anyio.to_thread.run_sync(
                self._in_thread, state, host, port, abandon_on_cancel=True, limiter=self._limiter
            )
        finally:
            self._give_up(state)
        if not found:
            raise NotFound("it has no address")
        return found

    def _in_thread(self, state: _Begun, host: str, port: int) -> Sequence[str]:
        with self._lock:
            if state.abandoned:  # cancelled before this thread got to run
                return ()
            state.begun = True
        try:
            return self._ask(host, port)
        finally:
            with self._lock:
                self._running -= 1

    def _give_up(self, state: _Begun) -> None:
        with self._lock:
            if not state.begun:
                state.abandoned = True
                self._running -= 1


def addresses_of(host: str, port: int) -> Sequence[str]:
    """Ask `getaddrinfo` for TCP addresses. Raises `NotFound` with the resolver's words."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotFound(getattr(error, "strerror", None) or str(error)) from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
