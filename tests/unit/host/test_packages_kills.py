"""Killed at any point, an install, upgrade, rollback or uninstall was all done or not at all."""

import json
import subprocess
import sys
from pathlib import Path

POINTS = 40


def test_what_is_killed_at_any_point_is_done_or_not_and_leaves_nothing(tmp_path: Path):
    argv = [sys.executable, "-m", "tests.unit.host.lifecycle_kills"]
    argv += [str(tmp_path / "home"), str(tmp_path / "sources"), str(POINTS), "7"]

    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=50)

    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    outcomes = told["outcomes"]
    assert sum(outcomes.values()) == POINTS
    killed = {name for name in outcomes if ":killed:" in name}
    assert {"install:killed:same", "install:killed:other"} <= killed  # before and after the switch
    assert any(name.startswith(("rollback:killed", "uninstall:killed")) for name in killed)
