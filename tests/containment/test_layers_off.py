"""What each layer is worth: with it turned off, attempts that are contained otherwise get through
(so the tests of their rows would fail), and the host sees that it is off before it says load.
"""

# ruff: noqa: PTH208 -- looks at files of the kernel's and of its own, which never block

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from stockade import Host
from stockade.errors import AllAttemptsFailed
from stockade_worker.confine.numbers import for_machine

from .sabotage import Change, both, sabotage, unchanged, unverified, without, without_file_tree
from .site import Inmates, Site, kernel_status
from .test_weak_machines import AS_ROOT, PYTHON_IS_PRIVATE, needs_readable_python

pytestmark = pytest.mark.only("full")
NUMBERS = for_machine(os.uname().machine).numbers
WORDS = "nobody's business"

Escapes = Callable[[Inmates, str], Awaitable[bool]]


async def forks(cell: Inmates, name: str) -> bool:
    # One that stays: `attest` has asked to be traced, and the end of a child would stop it.
    await cell.attempt(name, "fork_and_stay")
    return bool(psutil.Process(cell.pid(name)).children())


async def reads_keys(cell: Inmates, name: str) -> bool:
    return bool(await cell.attempt(name, "read_keys", number=NUMBERS["keyctl"], ring=-4) == "done")


async def makes_a_file_in_memory(cell: Inmates, name: str) -> bool:
    return bool(await cell.attempt(name, "file_in_memory") == "done")


async def may_add_filters(cell: Inmates, name: str) -> bool:
    seen = await cell.attempt(
        name, "call_by_number", number=NUMBERS["seccomp"], arguments=[1, 1, 0]
    )
    return bool(seen == "EFAULT")  # it looked at the filter that it was not given


async def lists_the_root(cell: Inmates, name: str) -> bool:
    return bool((await cell.attempt(name, "list_folder", path="/"))["names"])


async def reads_outside(cell: Inmates, name: str) -> bool:
    planted = cell.site.plant(cell.site.outside, WORDS)
    return bool((await cell.attempt(name, "read", path=str(planted)))["text"] == WORDS)


async def has_capabilities(cell: Inmates, name: str) -> bool:
    return int(kernel_status(cell.pid(name))["CapEff"], 16) != 0


async def keeps_the_bounding_set(cell: Inmates, name: str) -> bool:
    return int(kernel_status(cell.pid(name))["CapBnd"], 16) != 0


async def is_root(cell: Inmates, name: str) -> bool:
    return "0" in kernel_status(cell.pid(name))["Uid"].split()


async def opens_many_files(cell: Inmates, name: str) -> bool:
    seen = await cell.attempt(name, "open_files", path="/dev/null", most=600)
    return bool(seen["count"] > 256)


async def has_more_descriptors(cell: Inmates, name: str) -> bool:
    return any(int(fd) >= 100 for fd in os.listdir(f"/proc/{cell.pid(name)}/fd"))


async def knows_the_hosts_name(cell: Inmates, name: str) -> bool:
    return bool((await cell.attempt(name, "itself"))["host"] == os.uname().nodename)


@dataclass(frozen=True)
class Off:
    """A layer that is turned off, the attempts that get through then, by row, and what the host
    says of it; empty where it cannot be seen from outside and is no wall by itself.
    """

    layer: str
    change: Change
    escapes: dict[str, Escapes]
    seen: str
    tier: str = "full"


# As root the home is closed to the worker's user, which would stand in for the wall.
WITHOUT_FILE_TREE = both(without_file_tree, without("user")) if AS_ROOT else without_file_tree

OFF = [
    Off("seccomp_filter", without("seccomp_filter"),
        {"F15": makes_a_file_in_memory, "K6": reads_keys, "X12": forks}, "seccomp filters are on"),
    Off("lockdown", without("lockdown"), {"K1": may_add_filters}, "seccomp filters are on"),
    Off("landlock_rules", without("landlock_rules"), {"F10": lists_the_root}, "list_root went"),
    Off("bounding_set", without("bounding_set"), {"X9": keeps_the_bounding_set}, "CapBnd is"),
    Off("rlimits", without("rlimits"), {"R7": opens_many_files}, "Max open files is"),
    Off("descriptors", without("descriptors"), {"F18": has_more_descriptors}, "descriptor"),
    Off("file_tree", WITHOUT_FILE_TREE, {"F1": reads_outside}, "is mounted and was not planned"),
    Off("hostname", without("hostname"), {"F27": knows_the_hosts_name}, ""),
    Off("landlock_rules, restricted", without("landlock_rules"),
        {"F1": reads_outside, "F10": lists_the_root}, "read_outside went", "restricted"),
    Off("seccomp_filter, restricted", without("seccomp_filter"),
        {"X12": forks}, "seccomp filters are on", "restricted"),
]  # fmt: skip
if AS_ROOT:
    OFF += [
        Off("user", without("user"), {"X9": is_root}, "its Uid is"),
        Off("user and capabilities", without("user", "capabilities", "bounding_set"),
            {"X9": has_capabilities}, "CapEff is"),
    ]  # fmt: skip
else:
    OFF += [Off("capabilities", without("capabilities"), {"X9": has_capabilities}, "CapEff is")]


def needs_python(off: Off) -> None:
    if PYTHON_IS_PRIVATE and (off.tier != "full" or off.change is WITHOUT_FILE_TREE):
        pytest.skip(needs_readable_python.kwargs["reason"])


def changing(off: Off) -> Callable[[Host], None]:
    return lambda host: sabotage(host, off.change, tier=off.tier)


@pytest.mark.parametrize("tier", ["full", "restricted"])
async def test_with_all_layers_these_attempts_are_contained(spare: Site, tier: str) -> None:
    here = [off for off in OFF if off.tier == tier]
    needs_python(here[0])
    name = spare.install(f"whole-{tier}", permissions='write = ["data"]')
    whole = Off("", unchanged, {}, "", tier)

    async with spare.host(tier, name, prepare=changing(whole)) as cell:
        tried = [pair for off in here for pair in off.escapes.items()]
        escaped = [row for row, escapes in tried if await escapes(cell, name)]

    assert tried
    assert escaped == []


@pytest.mark.parametrize("off", OFF, ids=lambda off: off.layer)
async def test_without_a_layer_they_get_through(
    spare: Site, off: Off, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_python(off)
    name = spare.install(f"off-{OFF.index(off)}", permissions='write = ["data"]')
    unverified(monkeypatch)

    async with spare.host(off.tier, name, prepare=changing(off)) as cell:
        escaped = [row for row, escapes in off.escapes.items() if await escapes(cell, name)]

    assert escaped == list(off.escapes)


@pytest.mark.row("K9")
@pytest.mark.parametrize("off", [one for one in OFF if one.seen], ids=lambda off: off.layer)
async def test_without_a_layer_the_host_does_not_load_the_plugin(spare: Site, off: Off) -> None:
    needs_python(off)
    name = spare.install(f"unseen-{OFF.index(off)}", permissions='write = ["data"]')

    with pytest.raises(AllAttemptsFailed) as failed:
        async with spare.host(off.tier, name, prepare=changing(off)):
            pass

    assert "is not confined as planned" in failed.value.error.message
    assert off.seen in failed.value.error.message
    assert "hostile: imported" not in spare.log(name)


async def test_no_new_privs_cannot_be_left_out(spare: Site) -> None:
    name = spare.install("privileged")
    off = Off("", without("no_new_privileges"), {}, "")

    with pytest.raises(AllAttemptsFailed) as failed:
        async with spare.host("full", name, prepare=changing(off)):
            pass

    assert "landlock_rules" in failed.value.error.message  # which the kernel refuses without it
    assert "hostile: imported" not in spare.log(name)


def test_a_log_shows_where_a_plugin_was_imported(spare: Site) -> None:
    """The twin of looking for those words in vain."""
    logs = [path.read_text() for path in Path(spare.home.logs).glob("*.log")]
    assert [one for one in logs if "hostile: imported" in one]
