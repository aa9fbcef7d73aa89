"""Carrying out the plan, step by step, before any code of the plugin is there.

Any step that fails ends the child with the step's name; nothing continues weaker. Standard library
only.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from stockade_worker.plan import Plan

from . import limits, syscalls


class StepFailed(Exception):
    """A step of the plan could not be carried out; ``step`` names it."""

    def __init__(self, step: str, error: BaseException) -> None:
        super().__init__(f"{step}: {error}")
        self.step = step


def parent_death(plan: Plan) -> None:
    """When the host goes, this process goes."""
    syscalls.die_with_parent(plan.host_pid)


def session(plan: Plan) -> None:
    """Be the leader of an own session and process group, so that the host can end all of it at
    once.
    """
    if os.getsid(0) != os.getpid():
        os.setsid()


def descriptors(plan: Plan) -> None:
    """Close every descriptor but the standard three and the listening socket."""
    keep = plan.listen_fd
    os.closerange(3, keep)
    os.closerange(keep + 1, 1 << 20)


def scratch(plan: Plan) -> None:
    """Work in the private folder, with files of one's own only."""
    os.umask(0o077)
    os.chdir(plan.scratch)


def rlimits(plan: Plan) -> None:
    """Resource limits; see ``limits``."""
    limits.set_limits(plan.limits)


def no_new_privileges(plan: Plan) -> None:
    """No privileges by execve, ever again."""
    syscalls.no_new_privileges()


STEPS: dict[str, Callable[[Plan], None]] = {
    step.__name__: step
    for step in (parent_death, session, descriptors, scratch, rlimits, no_new_privileges)
}


def seal(plan: Plan) -> tuple[str, ...]:
    """Carry out ``plan.layers`` in order; returns their names, raises StepFailed at the first that
    fails.
    """
    for name in plan.layers:
        try:
            STEPS[name](plan)
        except BaseException as error:
            raise StepFailed(name, error) from error
    return plan.layers
