"""What was changed is in force at once: it is read anew, while old workers end beside that.

`Host.refresh` waits for calls in flight to end; an operator's request does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel
from anyio.abc import TaskGroup

if TYPE_CHECKING:
    from stockade.app.host import Host

__all__ = ["drain", "renew"]


async def renew(host: Host, tasks: TaskGroup) -> None:
    """As `Host.refresh`, but that workers of what was before finish their calls in `tasks`; the
    next request gets none of them. Raises StateError.
    """
    for plugin in await host.renew():
        tasks.start_soon(host.drain, plugin)
    await anyio.lowlevel.checkpoint()  # by then each drain has taken the workers out of use


async def drain(host: Host, plugin: str, tasks: TaskGroup) -> None:
    """Let a plugin's workers end when their calls have; the next request starts new ones."""
    tasks.start_soon(host.drain, plugin)
    await anyio.lowlevel.checkpoint()  # by then the drain has taken the workers out of use
