"""Starts with something changed between the plan and the worker, for tests that show what a layer
is worth, and what happens where a step of a start fails.

There is no switch in the host for any of this: it is done to a host's supervisor from outside.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replaced

from stockade import Host
from stockade.supervisor import Launch, Prepared
from stockade.supervisor import launch as checking

ROOT = Path(__file__).parents[2]
Change = Callable[[Prepared, Launch], Prepared]
UNKNOWN = "sabotage"  # a step that no worker knows
# What takes the place of the nursery's interpreter: a filter, and then that very interpreter.
_BOOT = f"""import sys; sys.path.insert(0, {str(ROOT)!r})
from tests.containment.outer import main; main()"""


def sabotage(host: Host, change: Change, *, tier: str = "") -> None:
    """Change what is prepared for every start from now on; `tier` is the only one that is tried."""
    supervisor: Any = host._parts.supervisor
    runtime_of = supervisor._runtime_of
    if tier:
        runtime_of._confining._tiers = (tier,)

    def changed(name: str) -> Any:
        runtime = runtime_of(name)

        async def prepare(launch: Launch) -> Prepared:
            return change(await runtime.prepare(launch), launch)

        return replace(runtime, prepare=prepare)

    supervisor._runtime_of = changed


def unverified(patch: pytest.MonkeyPatch) -> None:
    """Let every worker pass, however it is confined."""
    patch.setattr(checking, "check_walls", lambda *given: None)


def unchanged(prepared: Prepared, launch: Launch) -> Prepared:
    """The twin of all others."""
    return prepared


def with_plan(**fields: Any) -> Change:
    """Other values in the plan."""
    return lambda prepared, launch: replace(prepared, plan=prepared.plan._replace(**fields))


def without(*layers: str) -> Change:
    """Leave steps out."""

    def change(prepared: Prepared, launch: Launch) -> Prepared:
        plan = prepared.plan
        assert set(layers) <= set(plan.layers), plan.layers
        kept = tuple(layer for layer in plan.layers if layer not in layers)
        return replace(prepared, plan=plan._replace(layers=kept))

    return change


def without_file_tree(prepared: Prepared, launch: Launch) -> Prepared:
    """The namespaces stay, and every path is the host's; Landlock's rules are for paths that are
    not there then, and go as well.
    """
    plan = prepared.plan
    real = {mount.target: mount.source for mount in plan.mounts}
    kept = [layer for layer in plan.layers if layer != "landlock_rules"]
    kept[kept.index("file_tree")] = "own_packages"
    plan = plan._replace(layers=tuple(kept), base=real[plan.base], scratch="/")
    load = prepared.load
    path = tuple(real[one] for one in load.path)
    data = real[load.data_dir] if load.data_dir is not None else None
    return replace(prepared, plan=plan, load=replaced(load, path=path, data_dir=data))


def with_cpus(*cpus: int) -> Change:
    """Bound to processors, also where a control group would hold it."""

    def change(prepared: Prepared, launch: Launch) -> Prepared:
        layers = list(prepared.plan.layers)
        if "affinity" not in layers:
            layers.insert(layers.index("scratch") + 1, "affinity")
        plan = prepared.plan._replace(layers=tuple(layers), cpus=cpus)
        return replace(prepared, plan=plan)

    return change


def before(step: str) -> Change:
    """A step that nobody knows in front of one."""

    def change(prepared: Prepared, launch: Launch) -> Prepared:
        layers = list(prepared.plan.layers)
        layers.insert(layers.index(step), UNKNOWN)
        return replace(prepared, plan=prepared.plan._replace(layers=tuple(layers)))

    return change


def under(kind: str) -> Change:
    """The nursery, and so the worker, under a filter of ``outer.py``."""

    def change(prepared: Prepared, launch: Launch) -> Prepared:
        boot = (sys.executable, "-I", "-c", _BOOT, kind, "--")
        program = replace(prepared.program, python=(*boot, *prepared.program.python))
        return replace(prepared, program=program)

    return change


def both(*changes: Change) -> Change:
    """One after the other."""

    def change(prepared: Prepared, launch: Launch) -> Prepared:
        for one in changes:
            prepared = one(prepared, launch)
        return prepared

    return change


def exchanged_mount(prepared: Prepared, launch: Launch) -> Prepared:
    """Something else lies where the host has looked."""
    mounts = list(prepared.plan.mounts)
    mounts[-1] = mounts[-1]._replace(inode=mounts[-1].inode + 1)
    return replace(prepared, plan=prepared.plan._replace(mounts=tuple(mounts)))


def missing_path(prepared: Prepared, launch: Launch) -> Prepared:
    """A path for Landlock that is not there."""
    paths = prepared.plan.paths
    more = paths[0]._replace(path="/stockade/not-there")
    return replace(prepared, plan=prepared.plan._replace(paths=(*paths, more)))


def missing_door(prepared: Prepared, launch: Launch) -> Prepared:
    """A folder to be held open that is not there."""
    doors = (*prepared.plan.doors[:-1], "/stockade/not-there")
    return replace(prepared, plan=prepared.plan._replace(doors=doors))
