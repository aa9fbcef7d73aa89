"""Installs, upgrades, rollbacks and uninstalls that are killed, one after the other on one home.

`python -m tests.unit.host.lifecycle_kills HOME SOURCES POINTS SEED`: a process of its own without
threads, which forks for each point. Half of the children kill themselves as a phase begins or a
little later, the others are killed from outside at any time. After each kill the home is swept as
a host's start does, and looked at. Prints one object as JSON.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from stockade.errors import UsageError
from stockade.packages import (
    STEPS,
    commit_install,
    plan_install,
    roll_back,
    sweep,
    uninstall,
    verify_installed,
)
from stockade.settings import Home
from stockade.state import State
from tests.unit.host.packaging_samples import plugin_folder

NAME = "sample"
LONGEST_S = 0.25  # of an operation: what is killed later than that was done
OnStep = Callable[[str], None]


def main() -> None:
    home, sources = Home(Path(sys.argv[1])), Path(sys.argv[2])
    points, chance = int(sys.argv[3]), random.Random(int(sys.argv[4]))
    folders = [str(plugin_folder(sources / str(n), version=f"1.{n}")) for n in range(3)]
    counted: Counter[str] = Counter()
    wrong: list[str] = []
    for point in range(points):
        before = digest_of(home)
        act = chance.choice(
            ["install", "install", "rollback", "uninstall"] if before else ["install"]
        )
        killed = kill_one(home, act, chance.choice(folders), chance)
        with State.open(home) as state:
            sweep(home, state)
            found = state.get(NAME)
            after = found.digest if found is not None else ""
            wrong += [f"{point} {act}: {fault}" for fault in faults(home, state)]
        counted[
            f"{act}:{'killed' if killed else 'done'}:{'same' if before == after else 'other'}"
        ] += 1
    print(json.dumps({"points": points, "outcomes": counted, "wrong": wrong}))


def digest_of(home: Home) -> str:
    with State.open(home) as state:
        found = state.get(NAME)
        return found.digest if found is not None else ""


def kill_one(home: Home, act: str, folder: str, chance: random.Random) -> bool:
    """Begin and kill; whether it was killed before its end."""
    by_step = chance.random() < 0.5
    step, late = chance.choice(list(STEPS)), chance.random() * 0.01
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))

        def on_step(now: str) -> None:
            if by_step and now == step:
                signal.setitimer(signal.ITIMER_REAL, late or 1e-6)

        code = 1
        try:
            carry_out(home, act, folder, on_step)
            code = 0
        except BaseException:  # noqa: BLE001 - of a fork, which must not go on as its parent
            traceback.print_exc()
        finally:
            os._exit(code)
    if not by_step:
        time.sleep(chance.random() * LONGEST_S)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"{act} failed by itself")
    return os.WIFSIGNALED(status)


def carry_out(home: Home, act: str, folder: str, on_step: OnStep) -> None:
    with State.open(home) as state:
        match act:
            case "install":
                proposal = plan_install(home, state, folder)
                commit_install(home, state, proposal, granted=proposal.asked, on_step=on_step)
            case "uninstall":
                uninstall(home, state, NAME, on_step=on_step)
            case _:
                try:
                    roll_back(home, state, NAME, on_step=on_step)
                except UsageError:  # nothing was replaced so far
                    return


def faults(home: Home, state: State) -> list[str]:
    """What is not whole, or left over."""
    records = [*state.list(), *(version.record for version in state.versions.of(NAME))]
    found = [f"{one.version}: {said}" for one in records if (said := verify_installed(home, one))]
    needed = {name for one in records for name in (one.digest, f"{one.digest}.files")}
    stored = {path.name for path in home.plugins.iterdir()}
    found += [f"left over: {name}" for name in stored - needed]
    found += [f"missing: {name}" for name in needed - stored]
    others = [*home.environments.iterdir(), *home.data.iterdir(), *home.logs.iterdir()]
    found += [f"left over: {path}" for path in others]
    found += [f"left over: {path}" for path in home.root.glob(".stockade.lock.*")]
    locked = json.loads(home.lock_file.read_text())["plugins"]
    if {name: entry["digest"] for name, entry in locked.items()} != {
        one.name: f"sha256:{one.digest}" for one in state.list()
    }:
        found.append("stockade.lock says something else")
    return [*found, *state.problems(), *(f"removal of {one.name}" for one in state.removals())]


if __name__ == "__main__":
    main()
