"""Tasks that begin at once, not in the loop's next turn, which is a quarter of a short call."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any


def start(
    coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[None]:
    """A task that runs at once, up to its first wait; called from a callback of the loop.

    Python 3.12 has ``eager_start`` for that. Before, a new task asks its loop to run it soon; the
    loop is made to keep what it is asked for, and it is done now.
    """
    if sys.version_info >= (3, 12):
        return asyncio.Task(coroutine, loop=loop, eager_start=True)
    steps: list[tuple[Context, Callable[..., object], tuple[Any, ...]]] = []

    def keep(callback: Callable[..., object], *args: Any, context: Context) -> None:
        steps.append((context, callback, args))

    loop.call_soon = keep  # type: ignore[method-assign, assignment]
    try:
        task = asyncio.Task(coroutine, loop=loop)
    finally:
        del loop.call_soon
    for context, step, args in steps:
        context.run(step, *args)
    return task
