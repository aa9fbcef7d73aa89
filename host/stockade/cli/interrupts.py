"""Running something asynchronous from a verb, so that an end from outside still cleans up."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import TypeVar, TypeVarTuple

__all__ = ["run_async"]

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


def run_async(function: Callable[[*Arguments], Awaitable[T]], *arguments: *Arguments) -> T:
    """Run a coroutine function to its end; SIGTERM ends it as Ctrl-C does.

    Raises what it raises; an exception group of one is opened, for a task group wraps what its
    block raises.
    """
    import anyio

    before = signal.signal(signal.SIGTERM, _interrupt)
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:  # as in a shell's background job, which SIGTERM has to end all the same
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return anyio.run(function, *arguments)
    except BaseExceptionGroup as group:
        alone = _alone(group)
        if alone is None:
            raise
        raise alone from alone.__cause__
    finally:
        signal.signal(signal.SIGTERM, before)
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


def _alone(error: BaseException) -> BaseException | None:
    while isinstance(error, BaseExceptionGroup):
        if len(error.exceptions) != 1:
            return None
        error = error.exceptions[0]
    return error
