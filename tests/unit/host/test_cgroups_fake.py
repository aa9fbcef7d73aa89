"""Control groups on a fake cgroupfs: what a machine lets us have, and that refusals are not passed
over. The kernel's own are in tests/system/test_cgroups.py.
"""

import errno
from pathlib import Path

import pytest

from stockade.sandbox.cgroups import CgroupError, Cgroups, Counts, sweep_groups
from stockade.sandbox.cgroups.host import outer_cores
from stockade.sandbox.cgroups.rules import Setting, settings
from stockade_sdk.limits import Limits
from tests.unit.host.cgroup_tree import FakeKernel

MIB = 1024 * 1024
US, OTHER, WORKER = 5_000_041, 5_000_042, 5_000_043  # above any pid that there can be
ALL = "cpu memory pids"
LIMITS = Limits(memory_bytes=64 * MIB, cpu_cores=0.5, processes=9)
SCOPE = "user.slice/our.scope"


def machine(tmp_path: Path, controllers: str = ALL, *, marked: bool = False) -> FakeKernel:
    """Version 2 alone, and us in a scope of it that has `controllers` and hands none on."""
    kernel = FakeKernel(tmp_path, marked=marked)
    kernel.top(controllers)
    kernel.mkdir(kernel.mount / "user.slice")
    kernel.write(kernel.mount / "user.slice/cgroup.subtree_control", turned_on(controllers))
    kernel.mkdir(kernel.mount / SCOPE)
    kernel.enter(kernel.mount / SCOPE, US)
    kernel.log.clear()
    return kernel


def turned_on(controllers: str) -> str:
    return " ".join(f"+{name}" for name in controllers.split())


def opened(kernel: FakeKernel, *, euid: int = 1000, name: str = "host-1") -> Cgroups:
    return Cgroups.open(name, root=kernel.mount, proc=kernel.proc, kernel=kernel, pid=US, euid=euid)


def where(kernel: FakeKernel, pid: int) -> str:
    return (kernel.proc / str(pid) / "cgroup").read_text().strip()


def tree(kernel: FakeKernel) -> set[str]:
    return {
        path.relative_to(kernel.mount).as_posix()
        for path in kernel.mount.rglob("*")
        if path.is_dir()
    }


def test_a_delegated_scope_of_ours_alone_gives_all_controllers(tmp_path: Path) -> None:
    kernel = machine(tmp_path)

    cgroups = opened(kernel)

    assert cgroups.controllers == {"kill": 2, "memory": 2, "cpu": 2, "pids": 2}
    assert cgroups.reasons == {}
    assert where(kernel, US) == f"0::/{SCOPE}/stockade-host-1/host"
    moved = kernel.log.index(f"{SCOPE}/stockade-host-1/host/cgroup.procs {US}")
    assert moved < kernel.log.index(f"{SCOPE}/cgroup.subtree_control +memory +cpu +pids")


def test_a_worker_is_limited_shown_and_read_back_in_version_2(tmp_path: Path) -> None:
    kernel = machine(tmp_path)
    group = opened(kernel).create(LIMITS)

    assert not group.holds(WORKER)
    group.add(WORKER)

    assert group.holds(WORKER)
    assert group.members() == (WORKER,)
    assert where(kernel, WORKER) == f"0::/{SCOPE}/stockade-host-1/1"
    assert set(group.paths.values()) == {f"/{SCOPE}/stockade-host-1/1"}
    assert group.limits_in_force() == {
        "memory.max": str(64 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": "10000 20000",
        "pids.max": "9",
    }


def test_counters_of_version_2_are_read(tmp_path: Path) -> None:
    kernel = machine(tmp_path)
    cgroups = opened(kernel)
    group = cgroups.create(LIMITS)
    folder = cgroups.paths["memory"] / "1"
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\n")
    (folder / "memory.current").write_text("4096\n")
    (folder / "memory.peak").write_text("8192\n")
    (folder / "pids.events").write_text("max 5\n")
    (folder / "cpu.stat").write_text("usage_usec 2500000\nthrottled_usec 1250000\n")

    assert group.counts() == Counts(2, 5, 1.25, 2.5, 4096, 8192)


def test_closing_removes_our_groups_and_moves_us_back(tmp_path: Path) -> None:
    kernel = machine(tmp_path)
    before = tree(kernel)
    cgroups = opened(kernel)
    cgroups.create(LIMITS).add(WORKER)

    cgroups.close()
    cgroups.close()

    assert tree(kernel) == before
    assert where(kernel, US) == f"0::/{SCOPE}"
    assert (kernel.mount / SCOPE / "cgroup.subtree_control").read_text() == ""
    assert (kernel.mount / SCOPE / "cgroup.procs").read_text().split() == [str(US)]


def test_a_scope_that_others_are_in_is_left_as_it_is(tmp_path: Path) -> None:
    kernel = machine(tmp_path)
    kernel.enter(kernel.mount / SCOPE, OTHER)

    cgroups = opened(kernel)

    assert cgroups.controllers == {"kill": 2}
    assert "1 other processes are in our group" in cgroups.reasons["memory"]
    assert "systemd-run --user --scope -p Delegate=yes" in cgroups.reasons["memory"]
    assert where(kernel, US) == f"0::/{SCOPE}"
    assert not any(SCOPE + "/cgroup.subtree_control" in line for line in kernel.log)


@pytest.mark.parametrize(("marked", "has"), [(False, False), (True, True)])
def test_root_takes_only_a_group_that_is_marked_as_delegated(
    tmp_path: Path, marked: bool, has: bool
) -> None:
    cgroups = opened(machine(tmp_path, marked=marked), euid=0)

    assert ("memory" in cgroups.controllers) == has
    assert ("Delegate=yes" in cgroups.reasons.get("memory", "")) == (not has)


def test_controllers_that_are_not_delegated_are_named_and_the_rest_used(tmp_path: Path) -> None:
    cgroups = opened(machine(tmp_path, "memory pids"))

    assert cgroups.controllers == {"kill": 2, "memory": 2, "pids": 2}
    assert list(cgroups.reasons) == ["cpu"]
    assert "version 2 does not have it here" in cgroups.reasons["cpu"]
    assert "cpu.max" not in cgroups.create(LIMITS).limits_in_force()


@pytest.mark.parametrize("file", ["cgroup.subtree_control", "cgroup.procs", "host"])
def test_a_delegation_that_fails_half_way_is_undone_and_told(tmp_path: Path, file: str) -> None:
    kernel = machine(tmp_path)
    kernel.refuse[file] = errno.EACCES

    cgroups = opened(kernel)

    assert cgroups.controllers == {"kill": 2}
    assert all("EACCES" in cgroups.reasons[name] for name in ("memory", "cpu", "pids"))
    assert where(kernel, US) == f"0::/{SCOPE}"
    assert tree(kernel) - {f"{SCOPE}/stockade-host-1"} == {"user.slice", SCOPE}


def test_no_right_to_make_groups_is_a_reason_for_each(tmp_path: Path) -> None:
    kernel = machine(tmp_path)
    kernel.refuse["stockade-host-1"] = errno.EACCES

    cgroups = opened(kernel)

    assert cgroups.controllers == {}
    assert set(cgroups.reasons) == {"memory", "cpu", "pids", "kill"}
    assert all("stockade-host-1 refused: EACCES" in why for why in cgroups.reasons.values())
    cgroups.close()


def test_a_machine_without_control_groups_has_reasons_and_no_error(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.mount.mkdir()
    (kernel.proc / str(US)).mkdir(parents=True)
    (kernel.proc / str(US) / "cgroup").write_text("")

    with opened(kernel) as cgroups:
        assert cgroups.controllers == {}
        assert "version 2 is not mounted" in cgroups.reasons["kill"]
        group = cgroups.create(LIMITS)
        assert not group.holds(US)  # no proof of anything
        assert group.try_remove()


@pytest.mark.parametrize(
    ("file", "controller"),
    [
        ("memory.max", "memory"),
        ("memory.swap.max", "memory"),
        ("memory.oom.group", "memory"),
        ("pids.max", "pids"),
        ("cpu.max", "cpu"),
    ],
)
def test_a_refused_write_is_an_error_with_all_names_and_leaves_no_group(
    tmp_path: Path, file: str, controller: str
) -> None:
    kernel = machine(tmp_path)
    cgroups = opened(kernel)
    kernel.refuse[file] = errno.EINVAL

    with pytest.raises(CgroupError) as caught:
        cgroups.create(LIMITS)

    assert (caught.value.controller, caught.value.errno) == (controller, errno.EINVAL)
    assert f"control group {controller}: " in str(caught.value)
    assert f"/1/{file} refused: EINVAL" in str(caught.value)
    assert f"{SCOPE}/stockade-host-1/1" not in tree(kernel)


def test_a_refused_move_is_an_error(tmp_path: Path) -> None:
    kernel = machine(tmp_path)
    group = opened(kernel).create(LIMITS)
    kernel.refuse["cgroup.procs"] = errno.EPERM

    with pytest.raises(CgroupError, match=r"cgroup\.procs refused: EPERM"):
        group.add(WORKER)


@pytest.mark.parametrize("pid", [0, -1])
def test_what_is_no_pid_is_never_written(tmp_path: Path, pid: int) -> None:
    group = opened(machine(tmp_path)).create(LIMITS)

    with pytest.raises(ValueError, match="not a process"):
        group.add(pid)


def test_a_group_with_somebody_in_it_stays_until_it_is_killed(tmp_path: Path) -> None:
    kernel = machine(tmp_path)
    group = opened(kernel).create(LIMITS)
    group.add(WORKER)

    assert not group.try_remove()
    group.kill()

    assert group.try_remove()
    assert group.try_remove()  # gone is gone


def test_a_group_that_cannot_be_emptied_is_an_error_in_time(tmp_path: Path) -> None:
    kernel = machine(tmp_path)
    group = opened(kernel).create(LIMITS)
    group.add(WORKER)
    kernel.kill_is_deaf = True
    now = iter(range(100))

    with pytest.raises(CgroupError, match="EBUSY"):
        group.remove(within_s=3.0, clock=lambda: float(next(now)), sleep=lambda _: None)


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "host 1", "-x"])
def test_a_name_that_is_no_plain_word_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        opened(machine(tmp_path), name=name)


def test_only_groups_of_hosts_that_are_gone_are_swept_wherever_they_are(tmp_path: Path) -> None:
    kernel = machine(tmp_path)
    for name in ("user.slice/stockade-host-2", f"{SCOPE}/stockade-host-3"):
        kernel.mkdir(kernel.mount / name)
        kernel.mkdir(kernel.mount / name / "1")
    kernel.enter(kernel.mount / "user.slice/stockade-host-2/1", OTHER)
    kernel.enter(kernel.mount / SCOPE / "stockade-host-3/1", WORKER)

    swept = sweep_groups(
        lambda name: name != "host-2", root=kernel.mount, proc=kernel.proc, kernel=kernel
    )

    assert swept == ["host-2"]
    assert tree(kernel) == {
        "user.slice",
        SCOPE,
        f"{SCOPE}/stockade-host-3",
        f"{SCOPE}/stockade-host-3/1",
    }
    assert (kernel.mount / SCOPE / "stockade-host-3/1/cgroup.procs").read_text().strip() == str(
        WORKER
    )


def machine_1(tmp_path: Path, own: str = "ours") -> FakeKernel:
    """Version 1 alone, and us in a group of each hierarchy."""
    kernel = FakeKernel(tmp_path)
    for controller in ("memory", "cpu", "pids"):
        kernel.top_1(controller)
        kernel.mkdir(kernel.mount / controller / own)
        kernel.enter(kernel.mount / controller / own, US)
    return kernel


def test_version_1_groups_are_made_below_our_own_of_each_hierarchy(tmp_path: Path) -> None:
    kernel = machine_1(tmp_path)
    cgroups = opened(kernel, euid=0)
    group = cgroups.create(LIMITS)
    group.add(WORKER)

    assert cgroups.controllers == {"memory": 1, "cpu": 1, "pids": 1}
    assert "version 2 is not mounted" in cgroups.reasons["kill"]
    assert set(group.paths.values()) == {"/ours/stockade-host-1/1"}
    assert group.holds(WORKER)
    assert group.limits_in_force() == {
        "memory.limit_in_bytes": str(64 * MIB),
        "memory.memsw.limit_in_bytes": str(64 * MIB),
        "cpu.cfs_period_us": "20000",
        "cpu.cfs_quota_us": "10000",
        "pids.max": "9",
    }


def test_a_member_of_one_part_alone_is_not_held(tmp_path: Path) -> None:
    kernel = machine_1(tmp_path)
    cgroups = opened(kernel, euid=0)
    group = cgroups.create(LIMITS)
    group.add(WORKER)

    kernel.enter(kernel.mount / "memory/ours", WORKER)

    assert not group.holds(WORKER)


def test_counters_of_version_1_are_read(tmp_path: Path) -> None:
    cgroups = opened(machine_1(tmp_path), euid=0)
    group = cgroups.create(LIMITS)
    (cgroups.paths["memory"] / "1/memory.oom_control").write_text("under_oom 0\noom_kill 1\n")
    (cgroups.paths["memory"] / "1/memory.usage_in_bytes").write_text("4096\n")
    (cgroups.paths["memory"] / "1/memory.max_usage_in_bytes").write_text("8192\n")
    (cgroups.paths["pids"] / "1/pids.events").write_text("max 3\n")
    (cgroups.paths["cpu"] / "1/cpu.stat").write_text("nr_throttled 4\nthrottled_time 500000000\n")
    (cgroups.paths["cpu"] / "1/cpuacct.usage").write_text("1500000000\n")

    assert group.counts() == Counts(1, 3, 0.5, 1.5, 4096, 8192)


def test_a_version_1_share_is_never_wider_than_one_above(tmp_path: Path) -> None:
    kernel = machine_1(tmp_path)
    outer = kernel.mount / "cpu/ours"
    (outer / "cpu.cfs_quota_us").write_text("10000")
    (outer / "cpu.cfs_period_us").write_text("50000")

    group = opened(kernel, euid=0).create(LIMITS)

    assert group.limits_in_force()["cpu.cfs_quota_us"] == "4000"


def test_an_unlimited_share_above_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "cpu.cfs_quota_us").write_text("-1")
    (tmp_path / "cpu.cfs_period_us").write_text("100000")

    assert outer_cores(tmp_path, tmp_path) is None


def test_a_hierarchy_mounted_from_our_own_group_on_is_found_by_our_pid(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.top_1("memory")
    (kernel.mount / "memory/cgroup.procs").write_text(f"{US}\n")
    (kernel.proc / str(US)).mkdir(parents=True)
    (kernel.proc / str(US) / "cgroup").write_text("4:memory:/docker/abc\n")

    cgroups = opened(kernel, euid=0)

    assert cgroups.paths["memory"] == kernel.mount / "memory/stockade-host-1"
    assert cgroups.create(LIMITS).paths["memory"] == "/docker/abc/stockade-host-1/1"


@pytest.mark.parametrize("shown", ["/../other", "/not/mounted/here"])
def test_a_group_of_ours_that_is_not_to_be_seen_is_not_replaced_by_another(
    tmp_path: Path, shown: str
) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.top_1("memory")
    (kernel.proc / str(US)).mkdir(parents=True)
    (kernel.proc / str(US) / "cgroup").write_text(f"4:memory:{shown}\n")

    cgroups = opened(kernel, euid=0)

    assert "memory" in cgroups.reasons
    assert tree(kernel) == {"memory"}


@pytest.mark.parametrize(
    ("version", "controller", "expected"),
    [
        (2, "cpu", (Setting("cpu.max", "1000 20000"), Setting("cpu.weight", "12", False))),
        (
            1,
            "cpu",
            (
                Setting("cpu.shares", "128", False),
                Setting("cpu.cfs_period_us", "20000"),
                Setting("cpu.cfs_quota_us", "1000"),
            ),
        ),
    ],
)
def test_the_smallest_share_is_one_the_kernel_takes(
    version: int, controller: str, expected: tuple[Setting, ...]
) -> None:
    assert settings(version, controller, Limits(cpu_cores=0.05)) == expected
