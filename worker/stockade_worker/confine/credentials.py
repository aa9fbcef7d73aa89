"""Who a worker is for the kernel: nobody's user, without a capability, and for good."""

from __future__ import annotations

import os

from stockade_worker.plan import Plan

from . import syscalls


def become(plan: Plan) -> None:
    """Change to the plan's user, which needs the capabilities that are dropped next."""
    os.setgroups([])
    os.setresgid(plan.gid, plan.gid, plan.gid)
    os.setresuid(plan.uid, plan.uid, plan.uid)


def drop_bounding_set() -> None:
    """First of all: afterwards the capability that it takes is gone."""
    syscalls.drop_bounding_set()


def drop_capabilities() -> None:
    """All that are left."""
    syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_CLEAR_ALL)
    syscalls.drop_capabilities()
