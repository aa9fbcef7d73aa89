"""Events of one streaming call on their way: sent together while the producer is ahead, held back
without credit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo, ErrorKind

from .session import Session

MAX_BATCH_CHARS = 32 * 1024  # events are sent together up to this

# What an encoder may raise of a value that a plugin made up.
UNSENDABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)
CANCELLED = ErrorInfo(kind=ErrorKind.CANCELLED, message="the call was cancelled")


class Stream:
    """One such call; ``full`` says that it is time to wait for :meth:`room`."""

    def __init__(
        self,
        call: wire.Call,
        session: Session,
        send: Callable[[bytes], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.full = False
        self._call, self._session, self._send, self._loop = call, session, send, loop
        self._events: list[Any] = []
        self._chars = 0
        self._scheduled = False
        self._waiting: asyncio.Future[None] | None = None

    def add(self, event: Any) -> None:
        """Take one event."""
        events = self._events
        events.append(event)
        self._chars += len(getattr(event, "text", "")) or len(getattr(event, "arguments", ""))
        if len(events) >= wire.MAX_ITEMS_EVENTS or self._chars > MAX_BATCH_CHARS:
            self.flush()
            self.full = not self._session.may_send(self._call.id)
        elif not self._scheduled:
            self._scheduled = True
            # When the loop comes round: at once for a paced producer, together for one ahead.
            self._loop.call_soon(self.flush)

    def flush(self, last: bool = False) -> None:
        """Send what was taken; without credit it is kept until some comes. The ``last`` is sent in
        any case: wait for :meth:`room` before it.
        """
        self._scheduled = False
        if not self._events and not last:
            return
        if not last and not self._session.may_send(self._call.id):
            self.full = True
            return
        events, self._events, self._chars = self._events, [], 0
        answer: bytes | None
        try:
            answer = self._session.items(self._call.id, events, last=last)
        except UNSENDABLE as error:
            answer = self._session.fail(self._call.id, unsendable(self._call, error))
        if answer is not None:
            self._send(answer)
        if not self._session.may_send(self._call.id):
            self.full = True

    async def room(self) -> None:
        """Wait for credit."""
        while not self._session.may_send(self._call.id):
            self._waiting = self._loop.create_future()
            await self._waiting
        self.full = False

    def credited(self) -> None:
        """Credit came: what was kept goes first."""
        if not self._scheduled:
            self.flush()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def unsendable(call: wire.Call, error: Exception) -> ErrorInfo:
    """An answer that no frame can hold."""
    return ErrorInfo(
        kind=ErrorKind.MALFORMED_RESPONSE,
        message=f"the answer of {call.method} cannot be sent: {error}",
    )
