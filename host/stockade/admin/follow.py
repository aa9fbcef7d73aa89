"""Lines as they come, as server-sent events, until the reader goes."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from stockade.errors import HostError

from .encoding import json_of
from .failures import KINDS, failure, failure_of
from .values import LogLine

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

KEEP_ALIVE_S: Final = 15.0  # proxies take a connection for dead after 30 to 60 seconds of silence
KEEP_ALIVE: Final = b": still here\n\n"
LOG: Final = logging.getLogger("stockade.admin")


def event(data: bytes, name: str = "") -> bytes:
    """One event; JSON has no line break of its own."""
    return (b"event: %s\n" % name.encode() if name else b"") + b"data: %s\n\n" % data


async def follow(
    lines: AsyncIterator[LogLine],
    receive: Receive,
    send: Send,
    *,
    ending: anyio.Event,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> None:
    """Send each line as an event, whole, and comments where none comes for ``keep_alive_s``.

    Ends when the reader goes, when ``ending`` is set or when the lines end. A failure among the
    lines is an event ``error`` with the body of a failure, then the end. A slow reader holds up the
    lines: no more than one waits here.
    """
    async with anyio.create_task_group() as tasks:

        async def until_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        passed, taken = anyio.create_memory_object_stream[bytes](0)
        async with taken:
            tasks.start_soon(until_gone)
            tasks.start_soon(pass_on, lines, passed, ending)
            while (body := await next_of(taken, keep_alive_s)) is not None:
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        tasks.cancel_scope.cancel()


async def next_of(taken: MemoryObjectReceiveStream[bytes], keep_alive_s: float) -> bytes | None:
    """The next event, or a comment; None at the end."""
    with anyio.move_on_after(keep_alive_s):
        try:
            return await taken.receive()
        except anyio.EndOfStream:
            return None
    return KEEP_ALIVE


async def pass_on(
    lines: AsyncIterator[LogLine], passed: MemoryObjectSendStream[bytes], ending: anyio.Event
) -> None:
    """Hand on each line as an event, until ``ending``."""
    async with AsyncExitStack() as closing, passed, anyio.create_task_group() as tasks:
        if isinstance(lines, AsyncGenerator):
            closing.push_async_callback(lines.aclose)

        async def until_ending() -> None:
            await ending.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(until_ending)
        try:
            async for line in lines:
                await passed.send(event(json_of(line)))
        except HostError as error:
            _, said = failure_of(error)
            await passed.send(event(json_of(said), "error"))
        except Exception:
            LOG.exception("following a log failed within stockade")
            said = failure(KINDS[500], "stockade failed at following this log; its log has more")
            await passed.send(event(json_of(said), "error"))
        tasks.cancel_scope.cancel()
