"""A start that ends where the plugin would be loaded: what the kernel really applies, to be shown.

Runs nothing of the plugin.
"""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from stockade.process import remove_tree
from stockade.sandbox.verify import Seen, look
from stockade_worker.plan import Plan

from .launch import Means, PluginRuntime, check, start
from .probing import Answer, run_probe
from .worker import Connect

__all__ = ["Rehearsal", "rehearse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The plan of a plugin's worker, what the kernel showed of it, and its policy in words."""

    plan: Plan
    seen: Seen
    acts: dict[str, int]
    answer: Answer
    group: dict[str, str]  # files of its control group, and what the kernel says stands in them


async def rehearse(runtime: PluginRuntime, means: Means, connect: Connect) -> Rehearsal:
    """Start, look, and end it. Raises StartRefused, HostError, ProviderError and OSError."""
    async with anyio.create_task_group() as tasks:
        started = await start(
            runtime,
            "rehearsal",
            means=means,
            on_line=lambda stream, line: None,
            tasks=tasks,
        )
        channel = None
        try:
            with anyio.fail_after(runtime.limits.start_timeout_s):
                channel = await connect(
                    started.listener.path, runtime.outlet, lambda log: None, lambda denied: None
                )
                hello = await channel.hello()
            await check(started, hello, runtime)
            seen = look(started.child.pid)
            probe = started.plan._replace(probe=True)
            group = started.bounds.group
            limits = group.limits_in_force() if group is not None else {}
            answer = await run_probe(means.nurseries, started.program, probe)
        finally:
            started.child.kill()
            if channel is not None:
                channel.send_stop()
            with anyio.CancelScope(shield=True):
                await started.child.exited()
                await started.end()
                remove_tree(started.scratch)
    return Rehearsal(plan=started.plan, seen=seen, acts=hello.acts, answer=answer, group=limits)
