"""Machines that lack a wall: nothing starts below the operator's minimum, and in tier restricted
the same attempts are contained.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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


def answer_on(machine: Machine, site: Site, tier: str) -> dict[str, object]:
    """What becomes of a start there, where `tier` is enough."""
    done = run_on(machine.kind, "-m", "tests.containment.asking", str(site.home.root), tier, "asked")
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.row("K10")
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.kind)
def test_below_the_minimum_nothing_starts_and_the_reason_is_told(
    asked: Site, machine: Machine
) -> None:
    if machine.kind == NO_MAPS and AS_ROOT:
        pytest.skip("root makes no user namespace")
    tiers = ["full"] if machine.tier == "restricted" else ["full", "restricted"]
    for tier in tiers:
        log = asked.log("asked")
        answer = answer_on(machine, asked, tier)
        message = str(answer["message"])

        assert answer["kind"] == ErrorKind.PERMISSION_DENIED
        assert f"it needs tier {tier}" in message
        assert f"the step {machine.step}" in message
        assert os.strerror(machine.number) in message
        assert machine.remedy in message
        assert "hostile: imported" not in asked.log("asked").removeprefix(log)


@pytest.mark.row("K10")
@needs_readable_python
@pytest.mark.parametrize(
    "machine", [one for one in MACHINES if one.tier == "restricted"], ids=lambda one: one.kind
)
def test_the_tier_that_is_reached_is_on_record(asked: Site, machine: Machine) -> None:
    if machine.kind == NO_MAPS and AS_ROOT:
        pytest.skip("root makes no user namespace")

    answer = answer_on(machine, asked, "restricted")

    assert answer["tier"] == "restricted", answer
    layers = answer["layers"]
    assert isinstance(layers, list)
    assert {"doors", "landlock_rules", "seccomp_filter", "lockdown"} <= set(layers)
    assert "file_tree" not in layers


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
