"""The kernel's surface: what is not named is refused, and the host sees the walls from outside."""

# ruff: noqa: ASYNC240 -- looks at files of the kernel's and of its own, which never block

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stockade_worker.confine import policy
from stockade_worker.confine.numbers import for_machine

from .site import DENIED, Inmates, kernel_status

MACHINE = for_machine(os.uname().machine)
NUMBERS = MACHINE.numbers
MOUNTS = ("mount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen", "fsconfig",
          "fsmount", "fspick", "mount_setattr")  # fmt: skip
# Since Linux 6.14 no filter sees them (seccomp_cache_check_allow, kernel/seccomp.c); without a
# probe of the kernel's they end the process that calls them (SIGILL), and nothing else.
PAST_FILTERS = ("uretprobe", "uprobe")


@pytest.mark.row("K1")
@pytest.mark.parametrize("name", ["hostile", "forker"])
async def test_every_call_that_is_not_named_fails_as_the_policy_says(
    cell: Inmates, tier: str, name: str
) -> None:
    pid = cell.pid(name)
    rules = policy.base(
        subprocess=name == "forker", tunnel=False, own_pid=None if tier == "full" else pid
    )
    expected = {
        number: policy.DEFAULT
        for known, number in NUMBERS.items()
        if known not in rules and known not in PAST_FILTERS
    }
    expected |= {NUMBERS[one]: rule.otherwise for one, rule in rules.items()
                 if one in NUMBERS and not rule.ways}  # fmt: skip
    expected |= {MACHINE.highest + more: policy.ABOVE for more in range(1, 20)}
    lockdown = {NUMBERS[one]: policy.LOCKED_DOWN_ERRNO for one in policy.lockdown(tunnel=False)}

    seen = await cell.attempt(name, "call_all", numbers=sorted(expected))
    locked = await cell.attempt(name, "call_all", numbers=sorted(lockdown))

    assert len(expected) > 150
    wrong = {number: seen[str(number)] for number, right in expected.items()
             if seen[str(number)] != errno.errorcode[right] and number not in lockdown}  # fmt: skip
    assert wrong == {}
    assert set(locked.values()) == {errno.errorcode[policy.LOCKED_DOWN_ERRNO]}
    assert cell.pid(name) == pid
    assert kernel_status(pid)["Seccomp"] == "2"


@pytest.mark.row("K3")
async def test_clone3_is_absent_and_threads_work(cell: Inmates) -> None:
    for name in ("hostile", "forker"):
        assert await cell.attempt(name, "clone3", number=NUMBERS["clone3"], flags=0) == "ENOSYS"
        assert await cell.attempt(name, "thread") == "done"


@pytest.mark.row("K5")
async def test_nothing_is_mounted(cell: Inmates) -> None:
    for name in ("hostile", "forker"):
        table = Path(f"/proc/{cell.pid(name)}/mountinfo").read_text()
        seen = await cell.attempt(name, "call_all", numbers=[NUMBERS[one] for one in MOUNTS])
        assert set(seen.values()) == {"EPERM"}
        target = cell.inside(name, "scratch")
        assert await cell.attempt(name, "mount", target=target) == "EPERM"
        assert Path(f"/proc/{cell.pid(name)}/mountinfo").read_text() == table


@pytest.mark.row("K6")
async def test_no_key_ring_is_read(cell: Inmates) -> None:
    for name in ("hostile", "forker"):
        for ring in (-2, -3, -4, -5):  # process, session, user, user session
            seen = await cell.attempt(name, "read_keys", number=NUMBERS["keyctl"], ring=ring)
            assert seen == "EPERM"
        others = [NUMBERS["add_key"], NUMBERS["request_key"]]
        assert set((await cell.attempt(name, "call_all", numbers=others)).values()) == {"EPERM"}


@pytest.mark.row("K7")
async def test_what_kernels_are_attacked_by_is_not_there(cell: Inmates) -> None:
    calls = ("userfaultfd", "bpf", "perf_event_open", "io_uring_setup", "io_uring_enter",
             "io_uring_register", "ptrace", "kexec_load", "init_module", "finit_module",
             "open_by_handle_at", "name_to_handle_at", "process_madvise", "pidfd_getfd",
             "kcmp", "modify_ldt", "vmsplice", "acct", "swapon", "reboot", "quotactl")  # fmt: skip
    for name in ("hostile", "forker"):
        numbers = [NUMBERS[one] for one in calls if one in NUMBERS]
        seen = await cell.attempt(name, "call_all", numbers=numbers)
        assert set(seen.values()) <= {"EPERM", "ENOSYS"}, seen


@pytest.mark.row("K9")
async def test_the_walls_are_seen_from_outside(cell: Inmates, tier: str) -> None:
    here = kernel_status(os.getpid())
    for name in ("hostile", "neighbour", "bare", "forker"):
        pid = cell.pid(name)
        there = kernel_status(pid)
        spaces = {
            one.name: one.readlink() != Path(f"/proc/self/ns/{one.name}").readlink()
            for one in Path(f"/proc/{pid}/ns").iterdir()
        }
        assert there["NoNewPrivs"] == "1"
        assert there["Seccomp"] == "2"
        assert int(there["Seccomp_filters"]) == 2 + int(here["Seccomp_filters"])
        own = {"cgroup", "ipc", "mnt", "net", "pid", "uts"}
        if tier == "full":
            assert all(spaces[one] for one in own), spaces
            assert spaces["user"] or os.getuid() == 0
        assert (await cell.attempt(name, "hello"))["pid"] > 0
        status = cell.host.status(name).workers[0]
        assert set(status.layers) >= {"landlock_rules", "seccomp_filter", "lockdown"}
        assert status.tier == tier


@pytest.mark.row("K9")
@pytest.mark.only("full")
async def test_two_workers_share_no_namespace(cell: Inmates) -> None:
    assert await cell.attempt("bare", "thread") == "done"
    for one in ("mnt", "net", "pid", "ipc", "uts"):
        links = {
            Path(f"/proc/{cell.pid(name)}/ns/{one}").readlink() for name in ("hostile", "bare")
        }
        assert len(links) == 2, one


def test_denials_are_known() -> None:
    assert {errno.errorcode[policy.DEFAULT], errno.errorcode[policy.ABOVE]} <= DENIED
