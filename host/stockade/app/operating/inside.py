"""What an operator needs of a host's inside; nothing else here looks behind `Host`.

What was changed is in force at once: it is read anew, while old workers end beside that.
`Host.refresh` waits for calls in flight to end; an operator's request does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup

from stockade.app.parts import as_set

if TYPE_CHECKING:
    from stockade.app.host import Host

__all__ = ["drain", "note", "renew", "start_again", "tier_of"]


async def renew(host: Host, tasks: TaskGroup) -> None:
    """As `Host.refresh`, but that workers of what is gone, or changed, or has another key finish
    their calls in `tasks`; the next request gets none of them. Raises StateError.
    """
    parts = host._parts
    before = parts._known
    await anyio.to_thread.run_sync(parts.read)
    parts._known = as_set(parts.planner.knowledge.records)
    rekeyed = await anyio.to_thread.run_sync(parts._prints.renew)
    for name, record in before.items():
        if name not in parts._known:
            parts._denials.forget(name)
        changed = parts._known.get(name) != record
        if changed:
            parts.breaker.reset(name)
            parts._prints.forget(name)
        if changed or name in rekeyed:
            tasks.start_soon(parts.supervisor.drain, name)
    await anyio.lowlevel.checkpoint()  # by then each drain has taken the workers out of use


async def drain(host: Host, plugin: str, tasks: TaskGroup) -> None:
    """Let a plugin's workers end when their calls have; the next request starts new ones."""
    tasks.start_soon(host._parts.supervisor.drain, plugin)
    await anyio.lowlevel.checkpoint()  # by then the drain has taken the workers out of use


def start_again(host: Host, plugin: str) -> None:
    """Forget why a plugin was stopped."""
    parts = host._parts
    parts.planner.start(plugin)
    parts.supervisor.try_again(plugin)
    parts.breaker.reset(plugin)


def note(host: Host, text: str) -> None:
    """Lines for the host's own log."""
    for line in text.splitlines():
        host._parts.logbook.write("_host", "host", line)


def tier_of(host: Host) -> str | None:
    """The strongest tier that workers get here; None until it was tried."""
    reached = host._parts.confining._reached
    return None if reached is None else reached.tier
