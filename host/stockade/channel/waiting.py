"""What a caller waits on: one answer, handed over in the same turn of the loop in which it arrived.

A future of asyncio's wakes its task in the next turn, which costs a third of a call's time here.
``Answer`` follows the protocol that a task asks of any future (``_asyncio_future_blocking``,
``add_done_callback``, ``result``, ``cancel``) and goes on at once where that is safe: from the
socket's callback, when no task is running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Answer(Generic[Value]):
    """A single value or error, for one waiting task. ``over_at`` is its deadline in the loop's
    time.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_callback",
        "_context",
        "_error",
        "_loop",
        "_value",
        "done",
        "over_at",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, over_at: float) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._callback: Callable[[Answer[Value]], object] | None = None
        self._context: Context | None = None
        self._value: Value | None = None
        self._error: BaseException | None = None
        self.done = False
        self.over_at = over_at

    def __await__(self) -> Generator[Any, None, Value]:
        if not self.done:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    def resolve(self, value: Value) -> None:
        """Hand ``value`` over and let its task go on, now; only from a callback of the loop."""
        if self.done:
            return
        self.done, self._value = True, value
        callback, context = self._callback, self._context
        if callback is not None and context is not None:
            self._callback = None
            context.run(callback, self)

    def fail(self, error: BaseException) -> None:
        """Hand ``error`` over; its task goes on in the loop's next turn, whoever says so."""
        if self.done:
            return
        self.done, self._error = True, error
        if self._callback is not None:
            self._loop.call_soon(self._callback, self, context=self._context)
            self._callback = None

    # --- what a task asks of a future (asyncio.Future) ---

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the waiting task."""
        return self._loop

    def add_done_callback(
        self, callback: Callable[[Answer[Value]], object], *, context: Context
    ) -> None:
        """Called by the one task that waits."""
        self._callback, self._context = callback, context

    def result(self) -> Value:
        """The value; raises the error."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def cancel(self, msg: object = None) -> bool:
        """The waiting task is being cancelled."""
        if self.done:
            return False
        self.fail(asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg))
        return True
