"""What supervisors of tests fork their workers from, and the plans of those, in any tier.

The program is the host's own: its interpreter and flags, a base environment. `patch` is code that
a nursery runs before it serves: how a test gets a worker that lies.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from stockade.app.confining import FLAGS, PYTHON
from stockade.packages import base_environment
from stockade.process import Program
from stockade.sandbox.layout import Layout, find_layout
from stockade.sandbox.paths import find
from stockade.sandbox.plan import Grants, Own, plan_worker
from stockade.sandbox.uids import lease
from stockade.settings import Home, SandboxSettings
from stockade_sdk.limits import Limits
from stockade_worker.plan import MALLOC_ENVIRONMENT, NONE, Plan

START = """
import sys
sys.path.append({environment!r})
{patch}
from stockade_worker import nursery
nursery.main(int(sys.argv[1]), int(sys.argv[2]), keep=sys.argv[3] == "keep")
"""


def environment_in(folder: Path) -> Path:
    """A base environment of its own, below `folder`."""
    home = Home(folder / "home")
    home.ensure()
    return base_environment(home)


def program_of(environment: Path, patched: Path | None = None, patch: str = "") -> Program:
    """What the host starts as a nursery; with `patch`, a start file of our own in `patched`."""
    program = Program(python=(PYTHON, *FLAGS), env=MALLOC_ENVIRONMENT, base=environment)
    if patched is None:
        return program
    folder = patched / "stockade_worker"
    folder.mkdir(parents=True)
    (folder / "start.py").write_text(START.format(environment=str(environment), patch=patch))
    return replace(program, base=patched)


def plan_of(
    tier: str,
    *,
    environment: Path,
    plugin_folder: Path,
    scratch: Path,
    launch: str = "",
    plugin: str = "sample",
    digest: str = "none",
    limits: Limits | None = None,
    grants: Grants | None = None,
    probe: bool = False,
) -> tuple[Plan, Callable[[], None]]:
    """The plan of a start, and what gives its user back (see `sandbox.uids`)."""
    own = Own(
        base=find(os.path.realpath(environment)),
        plugin=find(os.path.realpath(plugin_folder)),
        scratch=find(os.path.realpath(scratch)),
    )
    uid, release = -1, _nothing
    if os.getuid() == 0 and tier != NONE:
        sandbox = SandboxSettings()
        taken = lease(sandbox.first_uid, sandbox.last_uid)
        uid, release = taken.uid, taken.release
        os.chown(scratch, uid, uid)
    plan = plan_worker(
        plugin=plugin,
        digest=digest,
        launch=launch,
        tier=tier,
        limits=limits or Limits(),
        layout=_layout(),
        own=own,
        grants=grants or Grants(),
        uid=uid,
        probe=probe,
    )
    return plan, release


@cache
def _layout() -> Layout:
    return find_layout()


def _nothing() -> None:
    """Of a plan that took no user."""
