"""What a caller waits on: one answer, or the items of a stream.

A future of asyncio's wakes its task in the loop's next turn, which costs a third of a call's time.
``Answer`` follows the protocol that a task asks of any future (``_asyncio_future_blocking``,
``add_done_callback``, ``result``, ``cancel``) and lets its task go on at once where that is safe:
from the socket's callback, when no task is running.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from msgspec import Raw

    from stockade_sdk.errors import ProviderError

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


class Stream:
    """Items of one streaming call, oldest first; an asynchronous iterator for one reader."""

    __slots__ = ("_error", "_items", "_last", "_took", "_waiting", "id", "over_at")

    def __init__(self, took: Callable[[int, int], None], over_at: float) -> None:
        self.id = 0
        self.over_at = over_at
        self._took = took
        self._items: deque[tuple[Raw, int]] = deque()
        self._last = False
        self._error: ProviderError | None = None
        self._waiting: asyncio.Future[None] | None = None

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Raw:
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._last:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        body, size = self._items.popleft()
        self._took(self.id, size)
        return body

    def add(self, body: Raw, size: int, *, last: bool) -> None:
        """More items came."""
        self._items.append((body, size))
        self._last = last
        self._wake()

    def fail(self, error: ProviderError) -> None:
        """The stream broke off; what came before is still read."""
        if self._error is None and not self._last:
            self._error = error
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Streaming:
    """One streaming call as a block; a class, since a generator would cost each stream 10 us."""

    __slots__ = ("_begin", "_end", "_stream")

    def __init__(
        self, begin: Callable[[], Awaitable[Stream]], end: Callable[[Stream], None]
    ) -> None:
        self._begin, self._end = begin, end
        self._stream: Stream | None = None

    async def __aenter__(self) -> Stream:
        self._stream = await self._begin()
        return self._stream

    async def __aexit__(self, *_: object) -> None:
        if self._stream is not None:
            self._end(self._stream)
