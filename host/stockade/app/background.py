"""A task beside a block."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

import anyio


class Background:
    """A task beside the block, cancelled when the block is left.

    A task group alone would wrap whatever leaves the block in a group of errors; who uses a host
    shall meet the error that was raised. Only a cancellation is the task group's to handle.
    """

    def __init__(self, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._task = task
        self._tasks = anyio.create_task_group()

    async def __aenter__(self) -> None:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._task)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tasks.cancel_scope.cancel()
        if isinstance(error, anyio.get_cancelled_exc_class()):
            await self._tasks.__aexit__(kind, error, trace)
        else:
            await self._tasks.__aexit__(None, None, None)
