"""The host that answers now, and those before it, which only end what they began.

Settings are read when a host is opened, so to read them anew is to open another one: requests in
flight end under the old settings, in the old host, and new ones go to the new. A host that cannot
be opened takes the place of none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Self

import anyio
from anyio.abc import TaskGroup, TaskStatus

from stockade.app.host import Host

LOG: Final = logging.getLogger("stockade.serving")
Opens = Callable[[], AbstractAsyncContextManager[Host]]


class Generations:
    """``async with`` it; ``current`` is the host of now. ``drain_s`` is how long one that was
    replaced may take to end what is in flight.
    """

    def __init__(self, opens: Opens, drain_s: float) -> None:
        self._opens, self._drain_s = opens, drain_s
        self._renewing = anyio.Lock()
        self._tasks: TaskGroup = anyio.create_task_group()
        self._retire = anyio.Event()
        self.current: Host

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        try:
            self.current, self._retire = await self._start()
        except BaseException:
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._retire.set()
        if isinstance(error, anyio.get_cancelled_exc_class()):
            await self._tasks.__aexit__(kind, error, trace)
        else:
            await self._tasks.__aexit__(None, None, None)

    async def renew(self) -> None:
        """Open another host, and let it answer from now on. Raises HostError, and then nothing is
        changed.
        """
        async with self._renewing:
            await self.current.settle()  # who rests here rests there
            host, retire = await self._start()
            before = self._retire
            self.current, self._retire = host, retire
            before.set()

    async def _start(self) -> tuple[Host, anyio.Event]:
        retire = anyio.Event()
        started = await self._tasks.start(self._live, retire)
        if isinstance(started, BaseException):
            raise started
        return started, retire

    async def _live(
        self, retire: anyio.Event, *, task_status: TaskStatus[Any] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """One host, in a task of its own, for its scopes must be left where they were entered."""
        host = None
        try:
            async with self._opens() as host:
                task_status.started(host)
                await retire.wait()
                with anyio.move_on_after(self._drain_s):
                    await host.idle()
        except Exception as error:
            if host is None:
                task_status.started(error)
            else:  # its successor answers already, and goes on
                LOG.exception("a host that was replaced did not end as it should")
