"""Machines that lack a wall: nothing starts below the operator's minimum, and in tier restricted
the same attempts are contained.
"""

# ruff: noqa: E501 -- a table

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stockade_sdk.errors import ErrorKind

from .board import Outcome, read, user
from .conftest import REPORT, TIER, new_site
from .outer import NO_MAPS
from .site import Site

ROOT = Path(__file__).parents[2]
ROW_TESTS = ("test_files.py", "test_network.py", "test_processes.py", "test_kernel.py",
             "test_secrets.py", "test_resources.py")  # fmt: skip
AS_ROOT = os.getuid() == 0
BASE_PREFIX = os.path.realpath(sys.base_prefix)
pytestmark = pytest.mark.only("full")  # they bring the other tier about themselves


def readable_by_others(path: str) -> bool:
    """Whether a user of its own could read what lies there."""
    return all(one.stat().st_mode & 0o005 == 0o005 for one in (Path(path), *Path(path).parents))


PYTHON_IS_PRIVATE = AS_ROOT and not readable_by_others(BASE_PREFIX)
needs_readable_python = pytest.mark.skipif(
    PYTHON_IS_PRIVATE,
    reason=f"in tier restricted root's workers are other users, who may not read {BASE_PREFIX}",
)


@dataclass(frozen=True)
class Machine:
    """What refuses what, the step that fails there, its errno, a word of the remedy."""

    kind: str
    step: str
    number: int
    remedy: str
    tier: str  # that is reached


MACHINES = [
    Machine("docker", "namespaces", errno.EPERM, "docker run --security-opt seccomp=", "restricted"),
    Machine("ubuntu", "file_tree", errno.EACCES, "apparmor_restrict_unprivileged_userns", "restricted"),
    Machine(NO_MAPS, "user_namespace", errno.EACCES, "apparmor_restrict_unprivileged_userns", "restricted"),
    Machine("no-landlock", "landlock_rules", errno.ENOSYS, "CONFIG_SECURITY_LANDLOCK", "none"),
    Machine("landlock-off", "landlock_rules", errno.EOPNOTSUPP, "lsm=", "none"),
    Machine("no-seccomp", "seccomp_filter", errno.EINVAL, "CONFIG_SECCOMP_FILTER", "none"),
]  # fmt: skip


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = new_site(tmp_path_factory.mktemp("weak"))
    site.install("asked")
    return site


def run_on(kind: str, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A program of ours on such a machine."""
    outer = [sys.executable, "-m", "tests.containment.outer", kind, "--", sys.executable]
    return subprocess.run(
        [*outer, *command],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def answers_on(machine: Machine, site: Site, *tiers: str) -> list[dict[str, Any]]:
    """What becomes of a start there, where each of `tiers` is enough."""
    asking = ("-m", "tests.containment.asking", str(site.home.root), ",".join(tiers), "asked")
    done = run_on(machine.kind, *asking)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.row("K10")
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.kind)
def test_below_the_minimum_nothing_starts_and_the_reason_is_told(
    asked: Site, machine: Machine
) -> None:
    if machine.kind == NO_MAPS and AS_ROOT:
        pytest.skip("root makes no user namespace")
    before = asked.log("asked")

    full, restricted = answers_on(machine, asked, "full", "restricted")

    for tier, answer in (("full", full), ("restricted", restricted)):
        if tier == machine.tier and not PYTHON_IS_PRIVATE:
            assert answer["tier"] == "restricted", answer
            assert {"doors", "landlock_rules", "seccomp_filter", "lockdown"} <= {*answer["layers"]}
            assert "file_tree" not in answer["layers"]
            continue
        message = answer["message"]
        assert answer["kind"] == ErrorKind.PERMISSION_DENIED
        assert f"it needs tier {tier}" in message
        if tier == "full" or (machine.tier == "none" and not PYTHON_IS_PRIVATE):
            assert f"the step {machine.step}" in message
            assert os.strerror(machine.number) in message
            assert machine.remedy in message
    imported = asked.log("asked").removeprefix(before).count("hostile: imported")
    assert imported == (machine.tier == "restricted" and not PYTHON_IS_PRIVATE)


@pytest.mark.timeout(150)
@needs_readable_python
def test_the_same_attempts_are_contained_in_tier_restricted(
    tmp_path: Path, outcomes: list[Outcome]
) -> None:
    report = tmp_path / "report.json"
    tests = [str(Path(__file__).parent / name) for name in ROW_TESTS]
    done = run_on(
        "docker", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests,
        f"--basetemp={tmp_path / 'inner'}",
        **{REPORT: str(report), TIER: "restricted"},
    )  # fmt: skip
    found, _ = read(report)
    outcomes += found

    assert done.returncode == 0, done.stdout[-8000:]
    assert {one.tier for one in found} == {"restricted"}
    assert not [one for one in found if one.verdict == "NOT CONTAINED"]


def test_outcomes_say_who_the_host_was() -> None:
    assert user() == ("root" if AS_ROOT else "user")
