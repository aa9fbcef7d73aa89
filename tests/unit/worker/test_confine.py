"""The steps of confinement, each in a child process of its own, judged by what the kernel shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stockade_worker
from stockade.sandbox.plan import WORDS, layers_of
from stockade_worker.confine import LATE_STEPS, STEPS
from stockade_worker.plan import DOOR_FD, FULL, LISTEN_FD, NONE, RESTRICTED, TUNNEL_FD, Limits, Plan

CHILD = """
import json, os, sys
from stockade_worker import plan as module
from stockade_worker.confine import Birth, StepFailed, packages, seal
from stockade_worker.plan import Plan

BASE = module.__file__.rsplit("/", 2)[0]
plan = Plan.from_json(sys.argv[1].encode())
if sys.argv[2] == "orphan":  # the parent of a child is one that has ended already
    ended = os.fork()
    if ended == 0:
        os._exit(0)
    parent = os.pidfd_open(ended)
    os.waitpid(ended, 0)
else:
    parent = os.pidfd_open(os.getppid())
held = os.open("/dev/zero", os.O_RDONLY)
for number in (3, 4, 5, 6, 9, 10, 11, 12, 200):
    if number not in (parent, held):
        os.dup2(held, number)
try:
    done = seal(plan, Birth(parent, os.getuid(), os.getgid(), packages.places(BASE)))
except StepFailed as failed:
    sys.exit(f"failed at {failed.step}: {failed}")
print(open("/proc/self/status").read())
print(open("/proc/self/limits").read())
print("done", *done)
fds = {fd: os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd")
       if os.path.exists("/proc/self/fd/" + fd)}
print("fds", json.dumps(fds))
print("modules", module.__file__, module.__spec__.origin, os.path.dirname(module.__file__))
print("path", *sys.path)
print("processors", sorted(os.sched_getaffinity(0)))
print("alone", os.getsid(0) == os.getpgid(0) == os.getpid())
print("place", os.getcwd(), oct(os.umask(0)))
"""


def sealed(
    folder: Path, *layers: str, parent: str = "alive", **changes: object
) -> subprocess.CompletedProcess[str]:
    fields: dict[str, Any] = {
        "plugin": "p",
        "digest": "d",
        "launch": "l",
        "tier": NONE,
        "base": str(folder / "base"),
        "scratch": str(folder),
        "limits": Limits(memory_bytes=256 << 20, open_files=99, file_size_bytes=12345),
        "layers": layers,
    }
    plan = Plan(**{**fields, **changes})
    return subprocess.run(
        [sys.executable, "-c", CHILD, plan.to_json().decode(), parent],
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


def descriptors(done: subprocess.CompletedProcess[str]) -> dict[int, str]:
    said = json.loads(done.stdout.split("\nfds ")[1].splitlines()[0])
    return {int(number): target for number, target in said.items()}


def test_descriptors_but_the_standard_ones_and_the_socket_are_closed(tmp_path: Path) -> None:
    done, without = sealed(tmp_path, "descriptors"), sealed(tmp_path)

    assert set(descriptors(done)) - {0, 1, 2} == {LISTEN_FD}
    assert {4, TUNNEL_FD, 9, DOOR_FD, 200} <= set(descriptors(without))


def test_the_tunnel_and_the_doors_stay_open_where_they_are_planned(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    folders = (str(tmp_path / "base"), str(tmp_path))

    done = sealed(tmp_path, "doors", "descriptors", doors=folders, tunnel=True)

    held = descriptors(done)
    assert set(held) - {0, 1, 2} == {LISTEN_FD, TUNNEL_FD, DOOR_FD, DOOR_FD + 1}, done.stderr
    assert (held[DOOR_FD], held[DOOR_FD + 1]) == folders


def test_a_door_is_not_opened_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")

    done = sealed(tmp_path, "doors", doors=(str(tmp_path / "link"),))

    assert "failed at doors" in done.stderr
    assert done.stdout == ""


def test_no_path_of_the_hosts_is_left_in_the_modules_and_the_search_path(tmp_path: Path) -> None:
    done, without = sealed(tmp_path, "own_packages"), sealed(tmp_path)

    worker = str(Path(stockade_worker.__file__).parents[1])
    place = f"{tmp_path}/base/stockade_worker"
    assert f"modules {place}/plan.py {place}/plan.py {place}" in done.stdout, done.stderr
    path = next(line for line in done.stdout.splitlines() if line.startswith("path"))
    assert worker not in path.split()
    assert f"modules {worker}/stockade_worker/plan.py" in without.stdout


def test_it_runs_on_the_planned_processors_only(tmp_path: Path) -> None:
    first = min(os.sched_getaffinity(0))

    done = sealed(tmp_path, "affinity", cpus=(first,))

    assert f"processors [{first}]" in done.stdout, done.stderr


def test_a_child_whose_host_is_gone_does_not_begin(tmp_path: Path) -> None:
    done = sealed(tmp_path, "parent_death", parent="orphan")

    assert done.returncode == 1
    assert "failed at parent_death: parent_death: [Errno 3] the host is gone" in done.stderr
    assert sealed(tmp_path, "parent_death").returncode == 0


def test_the_steps_are_carried_out_in_the_plans_order_without_the_late_ones(tmp_path: Path) -> None:
    layers = ("no_new_privileges", "session", "lockdown", "rlimits")

    done = sealed(tmp_path, *layers)

    assert "done no_new_privileges session rlimits\n" in done.stdout, done.stderr


def test_nothing_continues_after_a_failed_step(tmp_path: Path) -> None:
    done = sealed(tmp_path, "scratch", "session", scratch=str(tmp_path / "none"))

    assert "failed at scratch" in done.stderr
    assert done.stdout == ""


def test_a_step_nobody_knows_fails(tmp_path: Path) -> None:
    done = sealed(tmp_path, "a_wall_of_tomorrow")

    assert "failed at a_wall_of_tomorrow" in done.stderr


@pytest.mark.parametrize("tier", [FULL, RESTRICTED, NONE])
@pytest.mark.parametrize("as_root", [True, False])
def test_every_step_of_the_hosts_plan_exists_and_has_words(tier: str, as_root: bool) -> None:
    layers = layers_of(tier, as_root=as_root, tunnel=True, cpus=True)

    assert set(layers) <= {*STEPS, *LATE_STEPS}
    assert set(layers) <= set(WORDS)


def test_there_is_no_step_that_no_plan_has() -> None:
    planned = {
        layer
        for tier in (FULL, RESTRICTED, NONE)
        for as_root in (True, False)
        for layer in layers_of(tier, as_root=as_root, tunnel=True, cpus=True)
    }

    assert planned == {*STEPS, *LATE_STEPS} == set(WORDS)
