"""A start that fails at any step: its name is told, no code of the plugin runs, nothing is left."""

from __future__ import annotations

import os
import re

import psutil
import pytest

from stockade.errors import AllAttemptsFailed
from stockade.sandbox.plan import layers_of
from stockade.supervisor import Launch, Prepared
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.provider import Method

from .outer import NO_MAPS
from .sabotage import (
    UNKNOWN,
    Change,
    before,
    both,
    exchanged_mount,
    missing_door,
    missing_path,
    sabotage,
    unchanged,
    under,
    with_cpus,
    without,
)
from .site import Site, until
from .test_weak_machines import AS_ROOT, PYTHON_IS_PRIVATE, needs_readable_python

pytestmark = pytest.mark.only("full")
LAYERS = {tier: layers_of(tier, as_root=AS_ROOT, cpus=True) for tier in ("full", "restricted")}
# How the step itself is made to fail. Of those that are not here (the parent's death, the scratch
# folder) nothing can be taken away that they need and an earlier step does not.
FAULTS: dict[str, list[Change]] = {
    "session": [under("no-setsid")],
    "user_namespace": [under(NO_MAPS)],
    "hostname": [under("no-sethostname")],
    "file_tree": [exchanged_mount, under("no-pivot_root")],
    "doors": [missing_door],
    "affinity": [with_cpus(4095), both(with_cpus(0), under("no-sched_setaffinity"))],
    "bounding_set": [under("no-bounding-set")],
    "user": [under("no-setresuid")],
    "capabilities": [under("no-capset")],
    "descriptors": [under("no-close_range")],
    "rlimits": [under("no-setrlimit")],
    "no_new_privileges": [under("no-no_new_privs")],
    "landlock_rules": [missing_path, under("no-restrict_self"), under("no-landlock")],
    "seccomp_filter": [under("no-seccomp")],
    "lockdown": [both(without("seccomp_filter"), under("no-seccomp"))],
}
# The steps of both tiers are the same code: in restricted those are tried that it has alone.
CASES = [
    (tier, step, number)
    for tier, layers in LAYERS.items()
    for step in layers
    for number in range(len(FAULTS.get(step, [])))
    if tier == "full" or step in ("doors", "landlock_rules", "lockdown")
]


async def refused_start(site: Site, tier: str, name: str, change: Change) -> str:
    """The message of a start that fails; sees that nothing of it is left."""
    with pytest.raises(AllAttemptsFailed) as failed:
        async with site.host(tier, name, prepare=lambda host: sabotage(host, change, tier=tier)):
            pass
    assert failed.value.error.kind is ErrorKind.WORKER_DIED
    assert "hostile: imported" not in site.log(name)
    await until(lambda: not psutil.Process().children(recursive=True), seconds=3)
    assert not [path for path in site.home.run.glob("*") if str(os.getpid()) in path.name]
    return failed.value.error.message


@pytest.mark.parametrize(
    ("tier", "step", "number"), CASES, ids=[f"{tier}-{step}-{n}" for tier, step, n in CASES]
)
async def test_a_step_that_fails_ends_the_start(
    spare: Site, tier: str, step: str, number: int
) -> None:
    if tier == "restricted" and PYTHON_IS_PRIVATE:
        pytest.skip(needs_readable_python.kwargs["reason"])
    name = f"f-{CASES.index((tier, step, number))}"
    spare.install(name, permissions='write = ["data"]')

    message = await refused_start(spare, tier, name, FAULTS[step][number])

    assert re.search(rf"confinement failed at step {step}: ", message), message


@pytest.mark.parametrize("tier", ["full", "restricted"])
async def test_a_step_that_nobody_knows_ends_the_start_wherever_it_stands(
    spare: Site, tier: str
) -> None:
    if tier == "restricted" and PYTHON_IS_PRIVATE:
        pytest.skip(needs_readable_python.kwargs["reason"])
    steps = [step for step in LAYERS[tier] if step != "affinity"]  # planned on some machines only
    wanted = iter(steps)
    for step in steps:
        spare.install(f"u-{tier}-{step.replace('_', '-')}")

    def unknown_before_the_next(prepared: Prepared, launch: Launch) -> Prepared:
        return before(next(wanted))(prepared, launch)

    async with spare.host(
        tier, prepare=lambda host: sabotage(host, unknown_before_the_next, tier=tier)
    ) as cell:
        for step in steps:
            name = f"u-{tier}-{step.replace('_', '-')}"
            with pytest.raises(ProviderError) as failed:
                await cell.host.ask(name, Method.CHECK_HEALTH, timeout=20)
            assert f"confinement failed at step {UNKNOWN}: " in failed.value.message
            assert "hostile: imported" not in spare.log(name)
            assert not cell.host.status(name).workers
    assert next(wanted, None) is None


@pytest.mark.parametrize("tier", ["full", "restricted"])
async def test_the_same_start_without_a_fault_succeeds(spare: Site, tier: str) -> None:
    if tier == "restricted" and PYTHON_IS_PRIVATE:
        pytest.skip(needs_readable_python.kwargs["reason"])
    name = spare.install(f"sound-{tier}", permissions='write = ["data"]')
    async with spare.host(
        tier, name, prepare=lambda host: sabotage(host, unchanged, tier=tier)
    ) as cell:
        layers = cell.host.status(name).workers[0].layers
    assert set(layers) <= set(LAYERS[tier])
    assert "hostile: imported" in spare.log(name)
