"""The steps of confinement, each in a child process of its own, judged by what the kernel shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stockade_worker.confine import STEPS
from stockade_worker.plan import Limits, Plan

CHILD = """
import os, sys
from stockade_worker.confine import StepFailed, seal
from stockade_worker.plan import Plan

plan = Plan.from_json(sys.argv[1].encode())
held = os.open("/dev/zero", os.O_RDONLY)
try:
    seal(plan)
except StepFailed as failed:
    sys.exit(f"failed at {failed.step}: {failed}")
print(open("/proc/self/status").read())
print(open("/proc/self/limits").read())
print("fds", sorted(os.listdir("/proc/self/fd"), key=int))
print("alone", os.getsid(0) == os.getpgid(0) == os.getpid())
print("place", os.getcwd(), oct(os.umask(0)))
"""


def sealed(folder: Path, *layers: str, **changes: object) -> subprocess.CompletedProcess[str]:
    fields: dict[str, Any] = {
        "plugin": "p",
        "digest": "d",
        "launch": "l",
        "host_pid": os.getpid(),
        "listen_fd": 3,
        "scratch": str(folder),
        "limits": Limits(memory_bytes=256 << 20, open_files=99, file_size_bytes=12345),
        "layers": layers,
    }
    plan = Plan(**{**fields, **changes})
    return subprocess.run(
        [sys.executable, "-c", CHILD, plan.to_json().decode()],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("layer", "shows", "else_shows"),
    [
        ("no_new_privileges", "NoNewPrivs:\t1", "NoNewPrivs:\t0"),
        ("session", "alone True", "alone False"),
        ("scratch", "place {folder} 0o77", "place {here}"),
        ("rlimits", "Max open files            99                   99", "Max core file size"),
    ],
)
def test_a_step_does_what_it_says_and_only_where_it_is_planned(
    tmp_path: Path, layer: str, shows: str, else_shows: str
) -> None:
    words = {"folder": str(tmp_path), "here": str(Path.cwd())}

    done, without = sealed(tmp_path, layer), sealed(tmp_path)

    assert shows.format(**words) in done.stdout, done.stderr
    assert shows.format(**words) not in without.stdout
    assert else_shows.format(**words) in without.stdout


def test_descriptors_but_the_standard_ones_and_the_socket_are_closed(tmp_path: Path) -> None:
    done, without = sealed(tmp_path, "descriptors"), sealed(tmp_path)

    # 3 is the socket's place, taken by /dev/zero here, and then by the listing itself
    fds = json.loads(done.stdout.split("fds ")[1].splitlines()[0].replace("'", '"'))
    assert set(fds) <= {"0", "1", "2", "3", "4"}
    assert "fds" in without.stdout


def test_a_child_whose_host_is_gone_does_not_begin(tmp_path: Path) -> None:
    done = sealed(tmp_path, "parent_death", host_pid=1 << 22)

    assert done.returncode == 1
    assert "failed at parent_death: parent_death: [Errno 3] the host is gone" in done.stderr
    assert sealed(tmp_path, "parent_death").returncode == 0


def test_nothing_continues_after_a_failed_step(tmp_path: Path) -> None:
    done = sealed(tmp_path, "scratch", "session", scratch=str(tmp_path / "none"))

    assert "failed at scratch" in done.stderr
    assert done.stdout == ""


def test_a_step_nobody_knows_fails(tmp_path: Path) -> None:
    done = sealed(tmp_path, "a_wall_of_tomorrow")

    assert "failed at a_wall_of_tomorrow" in done.stderr


def test_every_step_of_the_hosts_plan_exists() -> None:
    from stockade.sandbox.plan import LAYERS

    assert set(LAYERS) <= set(STEPS)
