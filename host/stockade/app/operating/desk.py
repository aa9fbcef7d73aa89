"""What all that an operator does has in common: the host of the moment, threads, changes one after
the other, and jobs.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread

from stockade.admin import Caller, Tokens
from stockade.state import Installed
from stockade.state.tokens import Token

from .jobs import Jobs
from .known import Known
from .processors import Processors
from .renewing import drain, renew
from .uses import Uses

if TYPE_CHECKING:
    from stockade.app.host import Host

__all__ = ["Desk"]

T = TypeVar("T")
P = ParamSpec("P")


class Desk:
    """See `Operating`, which is this and what is built upon it."""

    def __init__(
        self,
        host: Callable[[], Host],
        *,
        tokens: Tokens,
        url: str | None,
        reload: Callable[[], Awaitable[None]],
        in_flight: Callable[[], int],
        draining: Callable[[], bool],
        uses: Uses | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._tokens, self._url = host, tokens, url
        self._reload, self._in_flight, self._draining = reload, in_flight, draining
        self._clock, self._steady = clock, steady
        self._started_at, self._began = clock(), steady()
        self._processors = Processors()
        self._changing = anyio.Lock()
        self._tasks = anyio.create_task_group()
        self._jobs = Jobs(self._tasks, clock, on_fault=lambda text: host().note(text))
        self.uses = Uses() if uses is None else uses

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # As in `Background`: who uses this shall meet the error that was raised.
        self._tasks.cancel_scope.cancel()
        if isinstance(error, anyio.get_cancelled_exc_class()):
            await self._tasks.__aexit__(kind, error, trace)
        else:
            await self._tasks.__aexit__(None, None, None)

    def _found(self) -> Known:
        """What the host knows now, without reading it anew."""
        host = self._host()
        return Known(host.home, host.state, host.settings, host.knowledge)

    async def _look(
        self, read: Callable[Concatenate[Known, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What ``read`` makes of what is known; in a thread."""
        return await anyio.to_thread.run_sync(partial(read, self._found(), *args, **kwargs))

    async def _record(self, name: str) -> Installed:
        """An installed plugin as it is stored. Raises NotInstalled."""
        return await anyio.to_thread.run_sync(self._host().state.require, name)

    async def _change(
        self, act: Callable[Concatenate[Known, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Change what is stored, in a thread, and have it in force when this returns. One change
        at a time; a caller who goes away meanwhile leaves none that is stored and does not hold.
        """
        async with self._changing:
            with anyio.CancelScope(shield=True):
                result = await self._look(act, *args, **kwargs)
                await renew(self._host(), self._tasks)
        return result

    async def _renew(self) -> None:
        """Whatever another process changed holds from now on, and what it took away no longer."""
        async with self._changing:
            with anyio.CancelScope(shield=True):
                self._know(await self._look(lambda found: found.state.tokens.list()))
                await renew(self._host(), self._tasks)

    def _know(self, kept: Iterable[Token]) -> None:
        self._tokens.know((one.digest, Caller(one.name, one.scope)) for one in kept)

    async def _drain(self, name: str) -> None:
        await drain(self._host(), name, self._tasks)
