"""How long installing and the like take, and what two hundred kills leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from stockade.app.trying import trial_of
from stockade.packages import (
    base_environment,
    collect,
    commit_install,
    plan_install,
    roll_back,
    uninstall,
    verify_installed,
)
from stockade.settings import Home, Settings
from stockade.state import State

from .contest import Goal, Row

ROUNDS = 7
KILLS = 200
KILLS_TIMEOUT_S = 300.0
ECHO = Path(__file__).parents[2] / "plugins" / "echo" / "stockade_echo" / "__init__.py"
MANIFEST = """
manifest = 1
[plugin]
name = "sample"
version = "1.0.{number}"
entry = "sample:Echo"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
"""


def lifecycle() -> list[Row]:
    """Install, upgrade, roll back, verify and uninstall a plugin without packages of its own."""
    with TemporaryDirectory() as folder:
        times = _times(Path(folder))
        rows = [_row(name, found) for name, found in times.items()]
        return [*rows, _killed(Path(folder))]


def _times(folder: Path) -> dict[str, list[float]]:
    home = Home(folder / "home")
    home.ensure()
    base_environment(home)  # made once a home, at the first start of any plugin
    trial = trial_of(home, Settings(), smoke=True)
    times: dict[str, list[float]] = {}

    def timed(name: str, act: Callable[[], object]) -> None:
        began = time.perf_counter()
        act()
        times.setdefault(name, []).append(time.perf_counter() - began)

    with State.open(home) as state:

        def install(number: int) -> None:
            source = _plugin(folder / f"{number}", number)
            proposal = plan_install(home, state, str(source))
            commit_install(home, state, proposal, granted=proposal.asked, trial=trial)

        for number in range(0, 2 * ROUNDS, 2):
            timed("install", partial(install, number))
            timed("upgrade", partial(install, number + 1))
            timed("rollback", lambda: roll_back(home, state, "sample", trial=trial))
            timed("verify", lambda: verify_installed(home, state.require("sample")))
            timed("gc", lambda: collect(home, state, 0))
            timed("uninstall", lambda: uninstall(home, state, "sample"))
    return times


def _plugin(folder: Path, number: int) -> Path:
    (folder / "sample").mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST.format(number=number))
    source = ECHO.read_text()
    (folder / "sample" / "__init__.py").write_text(f"{source}\n# {number}\n")
    return folder


def _row(name: str, found: list[float]) -> Row:
    goal = {"install": 2.0, "upgrade": 2.0, "rollback": 2.0}.get(name)
    return Row(
        name=f"lifecycle: {name}",
        ours=f"{median(found):.3f} s",
        peer="-",
        figure=median(found),
        goal=None if goal is None else Goal(goal, unit=" s"),
        low=min(found),
        high=max(found),
    )


def _killed(folder: Path) -> Row:
    argv = [sys.executable, "-m", "tests.unit.host.lifecycle_kills"]
    argv += [str(folder / "killed"), str(folder / "sources"), str(KILLS), "11"]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=KILLS_TIMEOUT_S)
    told = json.loads(done.stdout)
    return Row(
        name=f"lifecycle: {KILLS} kills",
        ours=f"{len(told['wrong'])} faults",
        peer="-",
        figure=float(len(told["wrong"])),
        goal=Goal(0.0, unit=" faults"),
        notes=tuple(f"{name} {count}" for name, count in sorted(told["outcomes"].items())),
    )
