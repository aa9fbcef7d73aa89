"""What is seen of a worker against what was planned: each difference is found, and no other."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stockade.sandbox.verify import Mounted, Seen, compare, look, parse_mounts
from stockade_worker.plan import DEVICE, FULL, NONE, RESTRICTED, WRITE, Limits, Mount, Plan

USER = 1_900_000_007
HOST = 1000  # the host's own user, where it is not root
GIB, MIB = 1024**3, 1024**2
DISK, DEVICES = os.makedev(8, 1), os.makedev(0, 5)
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts", "user")

PLAN = Plan(
    plugin="p",
    digest="d",
    launch="w",
    tier=FULL,
    layers=("bounding_set", "capabilities"),
    base="/stockade/base",
    scratch="/tmp",
    limits=Limits(memory_bytes=256 * MIB, open_files=99, file_size_bytes=64 * MIB, processes=32),
    mounts=(
        Mount("/usr/lib", "/usr/lib", DISK, 1),
        Mount("/dev/null", "/dev/null", DEVICES, 2, DEVICE),
        Mount("/home/me/data/p", "/stockade/data", DISK, 3, WRITE),
    ),
    blanks=("/usr/lib/python3/site-packages",),
    uid=USER,
    gid=USER,
)
BY_A_USER = PLAN._replace(uid=-1, gid=-1)

READS = frozenset(("ro", "nosuid", "nodev", "relatime"))
WRITES = frozenset(("rw", "nosuid", "nodev", "noexec"))
NODE = frozenset(("ro", "nosuid", "noexec"))
MOUNTS = (
    Mounted("/", (0, 50), "tmpfs", frozenset(("ro", "nosuid", "nodev"))),
    Mounted("/tmp", (0, 51), "tmpfs", WRITES, "size=65536k"),
    Mounted("/usr/lib", (8, 1), "ext4", READS),
    Mounted("/dev/null", (0, 5), "devtmpfs", NODE),
    Mounted("/stockade/data", (8, 1), "ext4", WRITES),
    Mounted("/usr/lib/python3/site-packages", (0, 52), "tmpfs", READS | {"noexec"}),
)


def status(user: int, *, filters: int = 2, groups: str = "") -> dict[str, str]:
    ids = "\t".join([str(user)] * 4)
    return {
        "NoNewPrivs": "1",
        "Uid": ids,
        "Gid": ids,
        "Groups": groups,
        "NSpid": "4242\t1",
        "Seccomp": "2",
        "Seccomp_filters": str(filters),
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0000000000000000"),
    }


RIGHT = Seen(
    status=status(USER),
    namespaces={name: f"{name}:[2]" for name in NAMESPACES},
    limits={
        "Max address space": f"{GIB + 256 * MIB} {GIB + 256 * MIB} bytes",
        "Max data size": f"{288 * MIB} {288 * MIB} bytes",
        "Max open files": "99 99 files",
        "Max file size": f"{64 * MIB} {64 * MIB} bytes",
        "Max processes": "32 32 processes",
        "Max core file size": "0 0 bytes",
    },
    mounts=MOUNTS,
    host_status={"Seccomp_filters": "0"},
    host_namespaces={name: f"{name}:[1]" for name in NAMESPACES},
    uid=0,
    cpus=frozenset((0, 1)),
)
# A user's worker keeps its user and its groups: it cannot drop them (user_namespaces(7)).
RIGHT_OF_A_USER = replace(RIGHT, status=status(HOST, groups="1000 27"), uid=HOST)


def with_status(**changes: str) -> Seen:
    return replace(RIGHT, status={**RIGHT.status, **changes})


def with_limit(name: str, words: str) -> Seen:
    return replace(RIGHT, limits={**RIGHT.limits, name: words})


def with_mount(target: str, **changes: Any) -> Seen:
    changed = tuple(replace(one, **changes) if one.target == target else one for one in MOUNTS)
    assert changed != MOUNTS
    return replace(RIGHT, mounts=changed)


@pytest.mark.parametrize(
    ("plan", "seen"),
    [
        (PLAN, RIGHT),
        (BY_A_USER, RIGHT_OF_A_USER),
        (PLAN._replace(tier=RESTRICTED, mounts=(), blanks=()), RIGHT),
        (BY_A_USER._replace(tier=RESTRICTED, mounts=(), blanks=()), RIGHT_OF_A_USER),
    ],
)
def test_a_worker_as_planned_is_right(plan: Plan, seen: Seen) -> None:
    assert compare(plan, seen) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (with_status(NoNewPrivs="0"), "no_new_privs is not set"),
        (with_status(Uid="0\t0\t0\t0"), f"its Uid is [0], not {USER}"),
        (with_status(Gid=f"{USER}\t{USER}\t0\t{USER}"), f"its Gid is [0, {USER}], not {USER}"),
        (with_status(Groups="0 27"), "its groups are 0 27, not none"),
        (
            with_mount("/usr/lib", kind="proc"),
            "/usr/lib is a file system of the kernel's (proc)",
        ),
        (
            with_mount("/usr/lib", tied=True),
            "/usr/lib takes part in mounts and unmounts elsewhere",
        ),
        (replace(RIGHT, mounts=(*MOUNTS, MOUNTS[1])), "/tmp is mounted twice"),
        (
            replace(RIGHT, inodes={"/stockade/data": 4}),
            "/stockade/data is another file than was planned",
        ),
        (replace(RIGHT, descriptors={7: "/home/me"}), "its descriptor 7 is open for /home/me"),
        (with_status(Seccomp="0"), "no seccomp filter is on"),
        (with_status(Seccomp="1"), "no seccomp filter is on"),
        (with_status(Seccomp_filters="1"), "1 seccomp filters are on, not 2"),
        (with_status(Seccomp_filters="3"), "3 seccomp filters are on, not 2"),
        *(
            (with_status(**{name: "0000000000200000"}), f"{name} is 0000000000200000, not empty")
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
        ),
        (with_status(NSpid="4242"), "it is not the first process of its PID namespace"),
        (with_status(NSpid="4242\t2"), "it is not the first process of its PID namespace"),
        (
            with_limit("Max address space", "unlimited unlimited bytes"),
            f"Max address space is unlimited and unlimited, more than {GIB + 256 * MIB}",
        ),
        (
            with_limit("Max open files", "99 100 files"),
            "Max open files is 99 and 100, more than 99",
        ),
        (
            with_limit("Max processes", "32 unlimited processes"),
            "Max processes is 32 and unlimited, more than 32",
        ),
        (with_limit("Max core file size", "0 unlimited bytes"), "core dumps are not switched off"),
        (with_mount("/", options=frozenset(("rw",))), "/ is mounted as tmpfs ['rw']"),
        (
            with_mount("/tmp", options=frozenset(("rw", "nosuid", "nodev"))),
            "/tmp is mounted as tmpfs ['nodev', 'nosuid', 'rw']",
        ),
        (
            with_mount("/tmp", kind="ext4"),
            "/tmp is mounted as ext4 ['nodev', 'noexec', 'nosuid', 'rw']",
        ),
        (
            with_mount("/usr/lib", options=frozenset(("rw", "nosuid", "nodev"))),
            "/usr/lib is mounted without ro",
        ),
        (
            with_mount("/usr/lib", options=frozenset(("ro",))),
            "/usr/lib is mounted without nodev and nosuid",
        ),
        (with_mount("/stockade/data", options=READS), "/stockade/data is mounted without noexec"),
        (with_mount("/dev/null", options=WRITES), "/dev/null is mounted without ro"),
        (with_mount("/usr/lib", device=(8, 2)), "/usr/lib is another file system than was planned"),
        (
            with_mount("/usr/lib/python3/site-packages", kind="ext4"),
            (
                "/usr/lib/python3/site-packages is mounted as ext4 "
                "['nodev', 'noexec', 'nosuid', 'relatime', 'ro']"
            ),
        ),
    ],
)
def test_each_difference_is_found_and_nothing_else_is_said(seen: Seen, said: str) -> None:
    assert compare(PLAN, seen) == [said]


@pytest.mark.parametrize("name", NAMESPACES[:-1])
def test_a_namespace_that_is_the_hosts_is_found(name: str) -> None:
    seen = replace(RIGHT, namespaces={**RIGHT.namespaces, name: f"{name}:[1]"})

    assert compare(PLAN, seen) == [f"its {name} namespace is the host's"]


def test_a_namespace_that_is_not_shown_is_no_proof() -> None:
    fewer = {name: link for name, link in RIGHT.namespaces.items() if name != "net"}

    assert compare(PLAN, replace(RIGHT, namespaces=fewer)) == ["its net namespace is the host's"]


def test_the_user_namespace_is_the_hosts_for_root_and_its_own_for_a_user() -> None:
    shared = {**RIGHT.namespaces, "user": "user:[1]"}

    assert compare(PLAN, replace(RIGHT, namespaces=shared)) == []
    assert compare(BY_A_USER, replace(RIGHT_OF_A_USER, namespaces=shared)) == [
        "its user namespace is the host's"
    ]


def test_a_users_worker_that_is_somebody_else_is_found() -> None:
    seen = replace(RIGHT_OF_A_USER, status=status(0, groups="1000 27"))

    assert compare(BY_A_USER, seen) == [f"its Uid is [0], not {HOST}"]


@pytest.mark.parametrize("tier", [FULL, RESTRICTED])
@pytest.mark.parametrize(("own", "said"), [(3, None), (2, "2 seccomp filters are on, not 3")])
def test_filters_are_counted_beside_those_that_the_host_has(
    tier: str, own: int, said: str | None
) -> None:
    plan = PLAN._replace(tier=tier)
    seen = replace(RIGHT, status=status(USER, filters=own), host_status={"Seccomp_filters": "1"})

    assert compare(plan, seen) == ([] if said is None else [said])


def test_a_kernel_that_counts_no_filters_still_says_that_one_is_on() -> None:
    def uncounted(words: dict[str, str]) -> dict[str, str]:
        return {name: word for name, word in words.items() if name != "Seccomp_filters"}

    seen = replace(RIGHT, status=uncounted(dict(RIGHT.status)), host_status={})

    assert compare(PLAN, seen) == []
    off = {**seen.status, "Seccomp": "0"}
    assert compare(PLAN, replace(seen, status=off)) == ["no seccomp filter is on"]


def test_a_mount_that_is_missing_is_found() -> None:
    for gone in MOUNTS:
        seen = replace(RIGHT, mounts=tuple(one for one in MOUNTS if one is not gone))

        assert compare(PLAN, seen) == [f"{gone.target} is not mounted"]


def test_a_mount_that_was_not_planned_is_found() -> None:
    more = Mounted("/proc", (0, 60), "proc", WRITES)

    said = compare(PLAN, replace(RIGHT, mounts=(*MOUNTS, more)))

    assert said == ["/proc is mounted and was not planned"]


def test_a_mount_that_came_along_below_a_planned_one_must_be_as_closed() -> None:
    below = Mounted("/usr/lib/other", (9, 9), "xfs", READS)
    open_below = replace(below, options=frozenset(("rw", "nosuid", "nodev")))
    beside = replace(below, target="/usr/library")

    assert compare(PLAN, replace(RIGHT, mounts=(*MOUNTS, below))) == []
    assert compare(PLAN, replace(RIGHT, mounts=(*MOUNTS, open_below))) == [
        "/usr/lib/other is mounted without ro"
    ]
    assert compare(PLAN, replace(RIGHT, mounts=(*MOUNTS, beside))) == [
        "/usr/library is mounted and was not planned"
    ]


def test_lower_limits_than_planned_are_right_and_those_not_planned_are_not_looked_at() -> None:
    lower = with_limit("Max open files", "50 50 files")
    free = with_limit("Max processes", "unlimited unlimited processes")

    assert compare(PLAN, lower) == []
    assert compare(PLAN._replace(limits=PLAN.limits._replace(processes=0)), free) == []


def test_a_limit_that_is_not_shown_is_no_limit() -> None:
    said = compare(PLAN, replace(RIGHT, limits={}))

    assert len(said) == 6
    assert "core dumps are not switched off" in said


def test_a_bounding_set_that_was_not_to_be_dropped_may_be_full_and_no_other_set() -> None:
    plan = BY_A_USER._replace(tier=RESTRICTED, layers=("capabilities",), mounts=(), blanks=())
    bounded = {**RIGHT_OF_A_USER.status, "CapBnd": "000001ffffffffff"}
    effective = {**bounded, "CapEff": "0000000000000001"}

    assert compare(plan, replace(RIGHT_OF_A_USER, status=bounded)) == []
    assert compare(plan, replace(RIGHT_OF_A_USER, status=effective)) == [
        "CapEff is 0000000000000001, not empty"
    ]


def test_processors_are_those_of_the_plan() -> None:
    plan = PLAN._replace(cpus=(0,))

    assert compare(plan, replace(RIGHT, cpus=frozenset((0,)))) == []
    assert compare(plan, RIGHT) == ["it may run on processors [0, 1], not [0]"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    nothing = replace(RIGHT, status={}, namespaces={}, limits={}, mounts=())

    said = " ".join(compare(PLAN, nothing))

    for words in ("no_new_privs", "Uid", "CapEff", "seccomp", "Max", "namespace", "not mounted"):
        assert words in said


def test_without_walls_only_what_every_worker_has_is_looked_at() -> None:
    plan = PLAN._replace(tier=NONE, uid=-1, gid=-1)
    seen = replace(RIGHT, status={"NoNewPrivs": "1"}, namespaces={}, mounts=())

    assert compare(plan, seen) == []
    assert compare(plan, replace(seen, status={})) == ["no_new_privs is not set"]
    assert "core dumps are not switched off" in compare(plan, replace(seen, limits={}))


def test_restricted_is_not_asked_for_what_namespaces_give() -> None:
    seen = replace(RIGHT, namespaces=RIGHT.host_namespaces, mounts=())

    assert compare(PLAN._replace(tier=RESTRICTED), seen) == []
    assert compare(PLAN, seen) != []


# --- reading /proc ---

MOUNTINFO = r"""
22 1 0:50 / / ro,nosuid,nodev shared:1 - tmpfs root rw,size=1024k,nr_inodes=4k
23 22 8:1 /srv/a\040b /mnt/a\040b\134c rw,nosuid,nodev,noexec - ext4 /dev/sda1 rw,errors=remount-ro
24 22 0:51 / /tmp rw,nosuid - tmpfs scratch rw,size=65536k,mode=700
""".lstrip()


def test_mounts_are_read_with_their_own_options_and_escapes_undone() -> None:
    root, folder, scratch = parse_mounts(MOUNTINFO)

    assert root == Mounted(
        "/", (0, 50), "tmpfs", frozenset(("ro", "nosuid", "nodev")), "size=1024k", tied=True
    )
    assert (folder.target, folder.device) == ("/mnt/a b\\c", (8, 1))
    assert "rw" in folder.options  # the mount's word, not that of the file system's errors=
    assert (scratch.size, scratch.options) == ("size=65536k", frozenset(("rw", "nosuid")))


def test_a_process_is_looked_at_through_the_given_proc(tmp_path: Path) -> None:
    for name, pid in (("self", 1), (str(os.getpid()), 2)):
        folder = tmp_path / name
        (folder / "ns").mkdir(parents=True)
        for kind in NAMESPACES:
            (folder / "ns" / kind).symlink_to(f"{kind}:[{pid}]")
        (folder / "status").write_text(f"Name:\tx\nUid:\t{pid}\t{pid}\nGroups:\t\n")
        (folder / "limits").write_text(
            "Limit                     Soft Limit           Hard Limit           Units     \n"
            "Max open files            99                   99                   files     \n"
        )
        (folder / "mountinfo").write_text(MOUNTINFO)
        (folder / "cgroup").write_text("0::/x\n")
        (folder / "fd").mkdir()
        (folder / "fd" / "0").symlink_to("/dev/null")
        for place in ("mnt/a b\\c", "tmp"):
            (folder / "root" / place).mkdir(parents=True)

    seen = look(os.getpid(), tmp_path)

    assert (seen.status["Uid"], seen.host_status["Uid"]) == ("2\t2", "1\t1")
    assert (seen.namespaces["net"], seen.host_namespaces["net"]) == ("net:[2]", "net:[1]")
    assert seen.limits["Max open files"].split()[:2] == ["99", "99"]
    assert len(seen.mounts) == 3
    assert seen.cgroup == "0::/x\n"
    assert seen.cpus == os.sched_getaffinity(0)
    assert seen.descriptors == {0: "/dev/null"}
    scratch = tmp_path / str(os.getpid()) / "root" / "tmp"
    assert seen.inodes["/tmp"] == scratch.stat().st_ino


def test_a_process_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        look(os.getpid(), tmp_path)


def test_this_very_process_is_seen_as_unconfined() -> None:
    said = compare(PLAN, look(os.getpid()))

    assert "its net namespace is the host's" in said
    assert "/stockade/data is not mounted" in said
